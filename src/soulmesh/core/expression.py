"""Regular expressions for names that strangers chose: whatever both are, looking ends soon.

Python's engine tries one way after another. On a name made for it, or one of three hundred equal
letters, it tries all there are: three ``*`` have millions, a repeated group more than anybody could
wait for. So an expression is read here first (:class:`_Reader`). One with a few ways is given to
Python's engine; any other one runs on :class:`_Machine`, which is in all places of the expression
at once and looks at each letter once. It knows everything that needs no memory of what was before;
what it does not know goes to Python's engine as well, with one ``*`` at most and few steps.

What is read here must be what Python reads (``re._parser`` shows what its manual does not say), or
ways would be hidden from the reckoning: what the reader meets unawares is refused where it stands.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["LONGEST_EXPRESSION", "LONGEST_NAME", "MOST_PLACES", "BadExpression", "Expression"]

LONGEST_EXPRESSION = 200
"""Characters."""
LONGEST_NAME = 1000
"""Nothing is found in names of more characters: no file system that people use has them."""
MOST_PLACES = 200
"""Characters that an expression may look for, each repetition with a number counted as often."""
_FEW_WAYS = 4
"""With more ways to match, the machine takes over."""
_MANY = 64
"""So many ways are reckoned for ``*`` and ``+``."""
_MOST_WAYS = _MANY
"""As many are tried if they must be."""
_TRIED_AGAIN = 4
"""What a reference to a group is reckoned as: it compares with all that the group holds."""
_FEW_STEPS = 2000
"""With more steps at one place of a name, the machine takes over: Python has done 300 in a microsecond."""
_MOST_STEPS = 40_000
"""As many are gone if they must be, from each place of a name."""
_TURN = 3
"""Steps that a turn of something repeated costs beside those of what is repeated."""
_IDLE_TURN = 12
"""The same where it may match nothing: looks ahead cost more than letters."""
_COMPARED = 100
"""Steps that a reference to a group is reckoned as."""
_WIDEST_SETS = 1 << 19
"""Characters that all ranges like ``[a-\uffff]`` may have: Python looks at each when it reads them."""
_MOST_NODES = 2000
_MOST_STATES = 500
"""Sets of places that are remembered, before all of them are forgotten."""
_BOUNDS = re.compile(r"\{(?!\})([0-9]*)(,?)([0-9]*)\}")
_COMMENTS = re.compile(r"(?:\(\?#(?:\\.|[^)\\])*\))*", re.DOTALL)
_SET = re.compile(r"\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_ESCAPED = re.compile(r"x..|u.{4}|U.{8}|N\{[^}]*\}|0[0-7]{0,2}|[1-3][0-7][0-7]|[^0-9xuUN]", re.DOTALL)
_CLOSING = re.compile(r"\)")
_REFERENCE = re.compile(r"[1-9][0-9]?")
_GROUP = re.compile(r"\?(?:P<[^>]+>|P=[^)]+\)|<?[=!]|[:>]|i\)|i:)|(?!\?)")
_RANGE = re.compile(r"-(?=([^\x00-\xff])|\\u([0-9a-fA-F]{4})|\\[UN])")


class BadExpression(Exception):
    """An expression that cannot be read, or is not taken: ``position`` counts from 0 in it."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(position, reason)
        self.position = position
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class Expression:
    """A regular expression in Python's syntax, capitals and small letters being the same.

    Raises:
        BadExpression: Python cannot read it, or it has many ways to match and something that the machine
            does not know: a look ahead or behind, a reference to a group, or too much of everything.
    """

    def __init__(self, source: str) -> None:
        if len(source) > LONGEST_EXPRESSION:
            raise BadExpression(0, f"an expression has at most {LONGEST_EXPRESSION} characters")
        _check_ranges(source)
        python = _compiled(source)
        whole = _Reader(source).read()
        self.places = whole.places
        """Characters that it looks for: what it costs is in proportion to them."""
        self._search: Callable[[str], object] = python.search
        ways, steps = (_FEW_WAYS, _FEW_STEPS) if whole.plain else (_MOST_WAYS, _MOST_STEPS)
        if whole.ways > ways or whole.steps > steps:
            self._search = _Machine(whole).found

    def found(self, name: str) -> bool:
        """Whether it matches somewhere in a name."""
        return len(name) <= LONGEST_NAME and bool(self._search(name))


def _check_ranges(source: str) -> None:
    """Whether Python would read the ranges of an expression for long."""
    wide = 0
    for found in _RANGE.finditer(source):
        last = ord(found[1]) if found[1] else int(found[2] or "ffff", 16)
        # What stands before may be the end of something escaped: then this is too much.
        wide += max(min(last, 0xFFFF) - ord(source[found.start() - 1]), 0) if found.start() else 0
        if wide > _WIDEST_SETS:
            raise BadExpression(found.start(), "these ranges have too many characters")


def _compiled(source: str) -> re.Pattern[str]:
    try:
        with warnings.catch_warnings(action="ignore", category=Warning):
            return re.compile(source, re.IGNORECASE)
    except re.error as error:
        raise BadExpression(error.pos or 0, error.msg) from None
    except (OverflowError, RecursionError, ValueError) as error:
        raise BadExpression(0, str(error)) from None


# -- what an expression consists of


@dataclass(frozen=True, slots=True)
class _Part:
    """Part of an expression.

    ``ways``: in how many it can match at one place of a name, at most; ``places``: characters that it
    looks for; ``plain``: the machine knows all of it; ``steps``: that Python's engine goes to try all ways
    at one place, at most; ``width``: characters that it matches, at least.
    """

    ways: int = 1
    places: int = 0
    plain: bool = True
    steps: int = 1
    width: int = 0

    @property
    def tries(self) -> int:
        """How often what follows is tried; right where no more than :data:`_MOST_WAYS` are reckoned."""
        return self.ways if self.ways < _MANY else LONGEST_NAME + 1


@dataclass(frozen=True, slots=True)
class _Letter(_Part):
    """One character of a kind: ``a``, ``.``, ``\\d``, ``[x-z]``."""

    fits: Callable[[str], object] = bool


@dataclass(frozen=True, slots=True)
class _Edge(_Part):
    """``^``, ``$``, ``A``, ``Z``, ``b`` or ``B``: nothing, at some places only."""

    kind: str = ""


@dataclass(frozen=True, slots=True)
class _Sequence(_Part):
    parts: tuple[_Part, ...] = ()


@dataclass(frozen=True, slots=True)
class _Choice(_Part):
    parts: tuple[_Part, ...] = ()


@dataclass(frozen=True, slots=True)
class _Repeated(_Part):
    part: _Part = _Part()
    least: int = 0
    most: int | None = None
    position: int = 0


@dataclass(frozen=True, slots=True)
class _Unknown(_Part):
    """What Python's engine alone knows."""

    position: int = 0
    what: str = ""


_NOT_UNDERSTOOD = "this is not understood here"


class _Reader:
    """Reads an expression that Python has read before, so that it is known to be well formed."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0

    def read(self) -> _Part:
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

    def _choice(self) -> _Part:
        parts = [self._sequence()]
        while self._next() == "|":
            self._at += 1
            parts.append(self._sequence())
        if len(parts) == 1:
            return parts[0]
        ways, places = sum(part.ways for part in parts), sum(part.places for part in parts)
        steps, width = sum(part.steps + 1 for part in parts), min(part.width for part in parts)
        return _Choice(ways, places, all(part.plain for part in parts), steps, width, tuple(parts))

    def _sequence(self) -> _Part:
        parts: list[_Part] = []
        ways, tries, places, steps, width = 1, 1, 0, 0, 0
        self._past(_COMMENTS)
        while self._next() not in ("", "|", ")"):
            part = self._one()
            # What repeats may stand behind a comment.
            self._past(_COMMENTS)
            part = self._repeated(part)
            self._past(_COMMENTS)
            parts.append(part)
            ways, places = min(ways * part.ways, _MOST_WAYS + 1), places + part.places
            steps, width = steps + tries * part.steps, width + part.width
            tries *= part.tries
        return _Sequence(ways, places, all(part.plain for part in parts), steps, width, tuple(parts))

    def _one(self) -> _Part:
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
                return _Edge(kind=letter)
            case "*" | "+" | "?" | ")" | "|":
                raise BadExpression(start, _NOT_UNDERSTOOD)
        return self._letter(start)

    def _letter(self, start: int) -> _Part:
        """What was read since is one character for Python, which knows best which ones those are."""
        written = self._source[start : self._at]
        if written[0] not in "\\[.":
            written = re.escape(written)
        return _Letter(1, 1, True, 1, 1, _compiled(written).fullmatch)

    def _escape(self, start: int) -> _Part:
        letter = self._next()
        if letter and letter in "AZzbB":
            self._at += 1
            return _Edge(kind=letter)
        if _ESCAPED.match(self._source, self._at) is None:
            self._past(_REFERENCE)
            return self._reference(start)
        self._past(_ESCAPED)
        return self._letter(start)

    def _reference(self, start: int) -> _Part:
        return _Unknown(_TRIED_AGAIN, 0, False, _COMPARED, 0, start, "a reference to a group")

    def _group(self, start: int) -> _Part:
        if _GROUP.match(self._source, self._at) is None:
            raise BadExpression(start, "this kind of group is not known here")
        kind = self._past(_GROUP)
        if kind == "?i)":
            return _Sequence(steps=0)
        if kind.startswith("?P="):
            return self._reference(start)
        inner = self._inside()
        if kind in ("?=", "?!", "?<=", "?<!"):
            what, width = "a look ahead or behind", 0
        elif kind == "?>":
            what, width = "a group that is not tried again", inner.width
        else:
            return inner
        return _Unknown(inner.ways, inner.places, False, inner.steps + 1, width, start, what)

    def _inside(self) -> _Part:
        part = self._choice()
        self._past(_CLOSING)
        return part

    def _repeated(self, part: _Part) -> _Part:
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
            return _Unknown(ways, part.places, False, steps, width, start, what)
        self._at += self._next() == "?"
        # Where there is no end, one more place goes round.
        times = max(most if most is not None else least + 1, 1)
        return _Repeated(ways, part.places * times, part.plain, steps, width, part, least, most, start)


def _repeated_ways(part: _Part, least: int, most: int | None) -> int:
    """In how many ways something repeated can match."""
    if part.ways > 1:
        # Each time in each way: more than can be tried but for a few times.
        if most is None or most > 6:
            return _MOST_WAYS + 1
        return min(sum(int(part.ways**times) for times in range(least, most + 1)), _MOST_WAYS + 1)
    return _MANY if most is None else min(most - least + 1, _MANY)


def _repeated_steps(part: _Part, least: int, most: int | None) -> int:
    """How many steps all turns of something repeated are, at one place."""
    # What matches nothing is gone through as often as it must be, and kept each time.
    turns = LONGEST_NAME // part.width + 1 if part.width else LONGEST_NAME + 1 + least
    if most is not None:
        turns = min(turns, most)
    turn = 0 if isinstance(part, _Letter) else _TURN if part.width else _IDLE_TURN
    steps = turns * (part.steps + turn)
    # Each turn in each of its ways, for which at most a handful of turns are reckoned.
    return steps * int(part.tries ** min(turns - 1, 6)) if part.ways > 1 and turns else steps


# -- all places at once


class _State:
    """Where in the expression a name may be, and which state follows with each letter.

    ``taken``: a bit for each letter of the expression that the last letter of the name may have been;
    ``before``: what that was.
    """

    __slots__ = ("after", "before", "found", "taken")

    def __init__(self, taken: int, before: int, *, found: bool = False) -> None:
        self.taken = taken
        self.before = before
        self.found = found
        self.after: dict[str, _State] = {}


_NOTHING, _WORD, _OTHER = range(3)
"""What stands beside an edge: the name's beginning or end, a letter of a word, any other one."""
_NO_EDGE_IN_NOTHING = re.search(r"\B", "") is not None
"""An empty name has a place that is no edge of a word, as Python says since 3.14."""
_FOUND = _State(0, _NOTHING, found=True)


class _Following:
    """Which letters may follow on each letter of the expression, where edges are as they are in one place.

    Eight bits are looked up at a time.
    """

    def __init__(self, first: int, following: list[int]) -> None:
        self._first = first
        self._following = following
        self._known: list[dict[int, int]] = [{} for _ in range(0, len(following), 8)]

    def __call__(self, taken: int) -> int:
        """The bits of all that may follow; it may also begin."""
        found = self._first
        for lot, known in enumerate(self._known):
            eight = taken >> lot * 8 & 255
            if eight:
                bits = known.get(eight)
                if bits is None:
                    bits = 0
                    for number, one in enumerate(self._following[lot * 8 : lot * 8 + 8]):
                        bits |= one * (eight >> number & 1)
                    known[eight] = bits
                found |= bits
        return found


class _Machine:
    """Runs an expression over a name, in all of its places at once.

    Nodes are numbers: of letters, of ways that part, and of edges. States are remembered with what follows
    them, so most letters cost one look into a dictionary, and none more than a look at each place.
    """

    def __init__(self, whole: _Part) -> None:
        self._letters: dict[int, tuple[Callable[[str], object], int]] = {}
        self._edges: dict[int, tuple[str, int]] = {}
        self._parting: dict[int, list[int]] = {}
        self._count = 0
        self._end = 0
        self._start = self._build(whole, self._end)
        self._bits = {node: 1 << number for number, node in enumerate((*self._letters, self._end))}
        self._fitting: dict[str, int] = {}
        self._places: dict[tuple[int, int, bool], _Following] = {}
        self._states: dict[tuple[int, int], _State] = {}
        self._first = self._state(0, _NOTHING)

    def found(self, name: str) -> bool:
        """Whether the expression matches somewhere."""
        state = self._first
        # Before a line's end at the very end there is an edge.
        last = len(name) - 1 if self._edges and name.endswith("\n") else -1
        for place, letter in enumerate(name):
            if place == last:
                state = self._step(state, letter, last=True)
            else:
                state = state.after.get(letter) or self._step(state, letter)
            if state.found:
                return True
        return bool(self._following(state, _NOTHING)(state.taken) & self._bits[self._end])

    # -- running

    def _state(self, taken: int, before: int) -> _State:
        key = taken, before if self._edges else _NOTHING
        known = self._states.get(key)
        if known is None:
            if len(self._states) >= _MOST_STATES:
                self._states.clear()
                self._first = self._states[0, _NOTHING] = _State(0, _NOTHING)
            known = self._states[key] = _State(*key)
        return known

    def _step(self, state: _State, letter: str, *, last: bool = False) -> _State:
        kind = _kind(letter)
        reached = self._following(state, kind, last=last)(state.taken)
        if reached & self._bits[self._end]:
            after = _FOUND
        else:
            after = self._state(reached & self._fits(letter), kind)
        if not last:
            state.after[letter] = after
        return after

    def _fits(self, letter: str) -> int:
        """The letters of the expression that one of a name can be."""
        known = self._fitting.get(letter)
        if known is None:
            if len(self._fitting) >= _MOST_STATES:
                self._fitting.clear()
            known = sum(self._bits[node] for node, (fits, _) in self._letters.items() if fits(letter))
            self._fitting[letter] = known
        return known

    def _following(self, state: _State, after: int, *, last: bool = False) -> _Following:
        """What may follow between ``state.before`` and ``after``; ``last``: only a line's end follows."""
        place = (state.before, after, last) if self._edges else (_NOTHING, _NOTHING, False)
        known = self._places.get(place)
        if known is None:
            first = self._reached(self._start, *place)
            following = [self._reached(following, *place) for _, following in self._letters.values()]
            known = self._places[place] = _Following(first, following)
        return known

    def _reached(self, node: int, before: int, after: int, last: bool) -> int:
        """The bits of the letters, and perhaps the end, to which nothing but edges that are here leads."""
        waiting = [node]
        seen: set[int] = set()
        bits = 0
        while waiting:
            node = waiting.pop()
            if node in seen:
                continue
            seen.add(node)
            bits |= self._bits.get(node, 0)
            if node in self._parting:
                waiting += self._parting[node]
            elif node in self._edges:
                kind, following = self._edges[node]
                if _is_edge(kind, before, after, last):
                    waiting.append(following)
        return bits

    # -- building, from the end

    def _node(self, position: int = 0) -> int:
        self._count += 1
        if self._count > _MOST_NODES or len(self._letters) > MOST_PLACES:
            raise BadExpression(position, f"this comes to more than {MOST_PLACES} characters to look for")
        return self._count

    def _build(self, part: _Part, following: int, position: int = 0) -> int:
        """The node at which a part begins, if ``following`` is where it goes on."""
        match part:
            case _Letter(fits=fits):
                node = self._node(position)
                self._letters[node] = fits, following
                return node
            case _Edge(kind=kind):
                node = self._node(position)
                self._edges[node] = kind, following
                return node
            case _Sequence(parts=parts):
                for one in reversed(parts):
                    following = self._build(one, following, position)
                return following
            case _Choice(parts=parts):
                node = self._node(position)
                self._parting[node] = [self._build(one, following, position) for one in parts]
                return node
            case _Repeated():
                return self._build_repeated(part, following)
            case _Unknown(position=position, what=what):
                raise BadExpression(position, f"{what} bears one * or + beside it, few choices and few turns")
        raise AssertionError(part)

    def _build_repeated(self, part: _Repeated, following: int) -> int:
        if part.most is None:
            node = self._node(part.position)
            self._parting[node] = [following]
            self._parting[node].append(self._build(part.part, node, part.position))
            following = node
        else:
            after = following
            following = self._times(part, part.most - part.least, following, or_else=after)
        return self._times(part, part.least, following)

    def _times(self, part: _Repeated, times: int, following: int, or_else: int | None = None) -> int:
        for _ in range(times):
            before, count = following, self._count
            following = self._build(part.part, following, part.position)
            if or_else is not None:
                node = self._node(part.position)
                self._parting[node] = [following, or_else]
                following = node
            elif self._count == count:
                # Nothing, however often, is nothing.
                return before
        return following


def _kind(letter: str) -> int:
    return _WORD if letter.isalnum() or letter == "_" else _OTHER


def _is_edge(kind: str, before: int, after: int, last: bool) -> bool:
    """Whether an edge is between two letters; ``last``: what comes after ends the last line."""
    match kind:
        case "^" | "A":
            return before == _NOTHING
        case "$":
            return after == _NOTHING or last
        case "Z" | "z":
            return after == _NOTHING
    if before == after == _NOTHING:
        return kind == "B" and _NO_EDGE_IN_NOTHING
    return (before == _WORD) != (after == _WORD) if kind == "b" else (before == _WORD) == (after == _WORD)
