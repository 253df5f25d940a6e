"""A machine that is in all places of a regular expression at once and looks at each letter once."""

from __future__ import annotations

import re
from collections.abc import Callable

from soulmesh.core.expression.parts import (
    MOST_PLACES,
    BadExpression,
    Choice,
    Edge,
    Letter,
    Part,
    Repeated,
    Sequence,
    Unknown,
)

__all__ = ["Machine"]

_MOST_NODES = 2000
_MOST_STATES = 500
"""Sets of places that are remembered, before all of them are forgotten."""


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


class Machine:
    """Runs an expression over a name, in all of its places at once.

    Nodes are numbers: of letters, of ways that part, and of edges. States are remembered with what follows
    them, so most letters cost one look into a dictionary, and none more than a look at each place.
    """

    def __init__(self, whole: Part) -> None:
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

    def _build(self, part: Part, following: int, position: int = 0) -> int:
        """The node at which a part begins, if ``following`` is where it goes on."""
        match part:
            case Letter(fits=fits):
                node = self._node(position)
                self._letters[node] = fits, following
                return node
            case Edge(kind=kind):
                node = self._node(position)
                self._edges[node] = kind, following
                return node
            case Sequence(parts=parts):
                for one in reversed(parts):
                    following = self._build(one, following, position)
                return following
            case Choice(parts=parts):
                node = self._node(position)
                self._parting[node] = [self._build(one, following, position) for one in parts]
                return node
            case Repeated():
                return self._build_repeated(part, following)
            case Unknown(position=position, what=what):
                raise BadExpression(position, f"{what} bears one * or + beside it, few choices and few turns")
        raise AssertionError(part)

    def _build_repeated(self, part: Repeated, following: int) -> int:
        if part.most is None:
            node = self._node(part.position)
            self._parting[node] = [following]
            self._parting[node].append(self._build(part.part, node, part.position))
            following = node
        else:
            after = following
            following = self._times(part, part.most - part.least, following, or_else=after)
        return self._times(part, part.least, following)

    def _times(self, part: Repeated, times: int, following: int, or_else: int | None = None) -> int:
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
