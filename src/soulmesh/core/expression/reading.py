"""Reading a regular expression: what it consists of, and what it costs to look for it.

What is read here must be what Python reads (``re._parser`` shows what its manual does not say), or
ways would be hidden from the reckoning: what the reader meets unawares is refused where it stands.
"""

from __future__ import annotations

import re
import warnings

from soulmesh.core.expression.parts import (
    LONGEST_NAME,
    MANY,
    MOST_WAYS,
    BadExpression,
    Choice,
    Edge,
    Letter,
    Part,
    Repeated,
    Sequence,
    Unknown,
)

__all__ = ["Reader", "compiled"]

_TRIED_AGAIN = 4
"""What a reference to a group is reckoned as: it compares with all that the group holds."""
_TURN = 3
"""Steps that a turn of something repeated costs beside those of what is repeated."""
_IDLE_TURN = 12
"""The same where it may match nothing: looks ahead cost more than letters."""
_COMPARED = 100
"""Steps that a reference to a group is reckoned as."""
_BOUNDS = re.compile(r"\{(?!\})([0-9]*)(,?)([0-9]*)\}")
_COMMENTS = re.compile(r"(?:\(\?#(?:\\.|[^)\\])*\))*", re.DOTALL)
_SET = re.compile(r"\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_ESCAPED = re.compile(r"x..|u.{4}|U.{8}|N\{[^}]*\}|0[0-7]{0,2}|[1-3][0-7][0-7]|[^0-9xuUN]", re.DOTALL)
_CLOSING = re.compile(r"\)")
_REFERENCE = re.compile(r"[1-9][0-9]?")
_GROUP = re.compile(r"\?(?:P<[^>]+>|P=[^)]+\)|<?[=!]|[:>]|i\)|i:)|(?!\?)")

_NOT_UNDERSTOOD = "this is not understood here"


def compiled(source: str) -> re.Pattern[str]:
    """What Python makes of an expression.

    Raises:
        BadExpression: it cannot read it.
    """
    try:
        with warnings.catch_warnings(action="ignore", category=Warning):
            return re.compile(source, re.IGNORECASE)
    except re.error as error:
        raise BadExpression(error.pos or 0, error.msg) from None
    except (OverflowError, RecursionError, ValueError) as error:
        raise BadExpression(0, str(error)) from None


class Reader:
    """Reads an expression that Python has read before, so that it is known to be well formed."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0

    def read(self) -> Part:
        """All of it."""
        whole = self._choice()
        if self._at != len(self._source):
            raise BadExpression(self._at, _NOT_UNDERSTOOD)
        return whole

    def _past(self, pattern: re.Pattern[str]) -> str:
        """What is here according to a pattern, and goes beyond it."""
        found = pattern.match(self._source, self._at)
        if found is None:
            raise BadExpression(self._at, _NOT_UNDERSTOOD)
        self._at = found.end()
        return found[0]

    def _next(self) -> str:
        return self._source[self._at : self._at + 1]

    def _choice(self) -> Part:
        parts = [self._sequence()]
        while self._next() == "|":
            self._at += 1
            parts.append(self._sequence())
        if len(parts) == 1:
            return parts[0]
        ways, places = sum(part.ways for part in parts), sum(part.places for part in parts)
        steps, width = sum(part.steps + 1 for part in parts), min(part.width for part in parts)
        return Choice(ways, places, all(part.plain for part in parts), steps, width, tuple(parts))

    def _sequence(self) -> Part:
        parts: list[Part] = []
        ways, tries, places, steps, width = 1, 1, 0, 0, 0
        self._past(_COMMENTS)
        while self._next() not in ("", "|", ")"):
            part = self._one()
            # What repeats may stand behind a comment.
            self._past(_COMMENTS)
            part = self._repeated(part)
            self._past(_COMMENTS)
            parts.append(part)
            ways, places = min(ways * part.ways, MOST_WAYS + 1), places + part.places
            steps, width = steps + tries * part.steps, width + part.width
            tries *= part.tries
        return Sequence(ways, places, all(part.plain for part in parts), steps, width, tuple(parts))

    def _one(self) -> Part:
        start = self._at
        letter = self._next()
        self._at += 1
        match letter:
            case "\\":
                return self._escape(start)
            case "[":
                self._past(_SET)
            case "(":
                return self._group(start)
            case "^" | "$":
                return Edge(kind=letter)
            case "*" | "+" | "?" | ")" | "|":
                raise BadExpression(start, _NOT_UNDERSTOOD)
        return self._letter(start)

    def _letter(self, start: int) -> Part:
        """What was read since is one character for Python, which knows best which ones those are."""
        written = self._source[start : self._at]
        if written[0] not in "\\[.":
            written = re.escape(written)
        return Letter(1, 1, True, 1, 1, compiled(written).fullmatch)

    def _escape(self, start: int) -> Part:
        letter = self._next()
        if letter and letter in "AZzbB":
            self._at += 1
            return Edge(kind=letter)
        if _ESCAPED.match(self._source, self._at) is None:
            self._past(_REFERENCE)
            return self._reference(start)
        self._past(_ESCAPED)
        return self._letter(start)

    def _reference(self, start: int) -> Part:
        return Unknown(_TRIED_AGAIN, 0, False, _COMPARED, 0, start, "a reference to a group")

    def _group(self, start: int) -> Part:
        if _GROUP.match(self._source, self._at) is None:
            raise BadExpression(start, "this kind of group is not known here")
        kind = self._past(_GROUP)
        if kind == "?i)":
            return Sequence(steps=0)
        if kind.startswith("?P="):
            return self._reference(start)
        inner = self._inside()
        if kind in ("?=", "?!", "?<=", "?<!"):
            what, width = "a look ahead or behind", 0
        elif kind == "?>":
            what, width = "a group that is not tried again", inner.width
        else:
            return inner
        return Unknown(inner.ways, inner.places, False, inner.steps + 1, width, start, what)

    def _inside(self) -> Part:
        part = self._choice()
        self._past(_CLOSING)
        return part

    def _repeated(self, part: Part) -> Part:
        start = self._at
        letter = self._next()
        least, most = 0, None
        if letter and letter in "*+?":
            self._at += 1
            least, most = int(letter == "+"), 1 if letter == "?" else None
        else:
            found = _BOUNDS.match(self._source, start)
            if found is None or not (found[1] or found[2]):
                return part
            self._at = found.end()
            least = int(found[1] or 0)
            most = (int(found[3]) if found[3] else None) if found[2] else least
        ways, steps = _repeated_ways(part, least, most), _repeated_steps(part, least, most)
        width = part.width * least
        if self._next() == "+":
            self._at += 1
            what = "what is not tried again (a second +)"
            return Unknown(ways, part.places, False, steps, width, start, what)
        self._at += self._next() == "?"
        # Where there is no end, one more place goes round.
        times = max(most if most is not None else least + 1, 1)
        return Repeated(ways, part.places * times, part.plain, steps, width, part, least, most, start)


def _repeated_ways(part: Part, least: int, most: int | None) -> int:
    """In how many ways something repeated can match."""
    if part.ways > 1:
        # Each time in each way: more than can be tried but for a few times.
        if most is None or most > 6:
            return MOST_WAYS + 1
        return min(sum(int(part.ways**times) for times in range(least, most + 1)), MOST_WAYS + 1)
    return MANY if most is None else min(most - least + 1, MANY)


def _repeated_steps(part: Part, least: int, most: int | None) -> int:
    """How many steps all turns of something repeated are, at one place."""
    # What matches nothing is gone through as often as it must be, and kept each time.
    turns = LONGEST_NAME // part.width + 1 if part.width else LONGEST_NAME + 1 + least
    if most is not None:
        turns = min(turns, most)
    turn = 0 if isinstance(part, Letter) else _TURN if part.width else _IDLE_TURN
    steps = turns * (part.steps + turn)
    # Each turn in each of its ways, for which at most a handful of turns are reckoned.
    return steps * int(part.tries ** min(turns - 1, 6)) if part.ways > 1 and turns else steps
