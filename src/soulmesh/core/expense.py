"""How expensive a regular expression can become, before it is used on names that strangers chose.

Python's engine tries one way after another. On a name made for it, or one of three hundred
equal letters, it tries all there are: ``(a|a)`` twice has four of them, thirty times a thousand
million. So they are counted, as what is written could have them at most.
"""

from __future__ import annotations

import re

__all__ = ["TooExpensive", "check_expense"]

_REPETITION = 64
"""So many ways are reckoned for ``*`` and ``+``."""
_MOST = _REPETITION**3 * 16
"""Three repetitions and a few choices between two."""
_BOUNDS = re.compile(r"\{(\d*)(,?)(\d*)\}")


class TooExpensive(Exception):
    """Such an expression is not taken: ``position`` counts from 0 in it."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(position, reason)
        self.position = position
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


def check_expense(expression: str) -> None:
    """Fail for an expression that could take for ever.

    Raises:
        TooExpensive: a group is repeated, or there are more than about four million ways to match.
    """
    groups = [_Group()]
    place = 0
    after_group = False
    while place < len(expression):
        letter = expression[place]
        start = place
        place += 1
        closed = False
        if letter == "\\":
            place += 1
        elif letter == "[":
            place = _end_of_set(expression, place)
        elif letter == "(":
            groups.append(_Group())
            # A question mark here says which kind of group it is.
            place += expression[place : place + 1] == "?"
        elif letter == ")" and len(groups) > 1:
            inner = groups.pop()
            groups[-1].ways *= inner.total
            closed = True
        elif letter == "|":
            groups[-1].next_branch()
        else:
            ways, place = _repetition(expression, start)
            if place > start and after_group and letter != "?":
                raise TooExpensive(start, "repeated groups are not allowed")
            groups[-1].ways *= ways
            place = max(place, start + 1)
        after_group = closed
        if _product(groups) > _MOST:
            raise TooExpensive(
                start, "too many ways to match: at most three * or +, and few choices beside them"
            )


class _Group:
    """Branches with the ways of each."""

    def __init__(self) -> None:
        self._before = 0
        self.ways = 1
        """Of the branch that is being read."""

    def next_branch(self) -> None:
        """A bar came."""
        self._before += self.ways
        self.ways = 1

    @property
    def total(self) -> int:
        """The ways of all branches."""
        return self._before + self.ways


def _product(groups: list[_Group]) -> int:
    product = 1
    for group in groups:
        product *= group.total
    return product


def _end_of_set(expression: str, place: int) -> int:
    """Behind ``[...]``, in which signs mean themselves; ``place`` is behind its bracket."""
    place += expression[place : place + 1] == "^"
    place += expression[place : place + 1] == "]"
    while place < len(expression) and expression[place] != "]":
        place += 2 if expression[place] == "\\" else 1
    return place + 1


def _repetition(expression: str, place: int) -> tuple[int, int]:
    """The ways of a sign of repetition, and where it ends; ``(1, place)`` if there is none."""
    letter = expression[place]
    if letter in "*+":
        ways, end = _REPETITION, place + 1
    elif letter == "?":
        ways, end = 2, place + 1
    else:
        found = _BOUNDS.match(expression, place)
        if found is None or not (found[1] or found[2]):
            return 1, place
        if not found[2]:
            ways = 1
        elif not found[3]:
            ways = _REPETITION
        else:
            # Numbers of many digits are for the compiler to refuse.
            low, high = int(found[1][-9:] or 0), int(found[3][-9:])
            ways = min(max(high - low + 1, 1), _REPETITION)
        end = found.end()
    # Lazy and possessive ones have no more ways.
    return ways, end + (expression[end : end + 1] in ("?", "+"))
