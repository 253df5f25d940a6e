"""What a regular expression consists of, and how much it may ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = [
    "LONGEST_NAME",
    "MANY",
    "MOST_PLACES",
    "MOST_WAYS",
    "BadExpression",
    "Choice",
    "Edge",
    "Letter",
    "Part",
    "Repeated",
    "Sequence",
    "Unknown",
]

LONGEST_NAME = 1000
"""Nothing is found in names of more characters: no file system that people use has them."""
MOST_PLACES = 200
"""Characters that an expression may look for, each repetition with a number counted as often."""
MANY = 64
"""So many ways are reckoned for ``*`` and ``+``."""
MOST_WAYS = MANY
"""As many are tried if they must be."""


class BadExpression(Exception):
    """An expression that cannot be read, or is not taken: ``position`` counts from 0 in it."""

    def __init__(self, position: int, reason: str) -> None:
        super().__init__(position, reason)
        self.position = position
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


@dataclass(frozen=True, slots=True)
class Part:
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
        """How often what follows is tried; right where no more than :data:`MOST_WAYS` are reckoned."""
        return self.ways if self.ways < MANY else LONGEST_NAME + 1


@dataclass(frozen=True, slots=True)
class Letter(Part):
    """One character of a kind: ``a``, ``.``, ``\\d``, ``[x-z]``."""

    fits: Callable[[str], object] = bool


@dataclass(frozen=True, slots=True)
class Edge(Part):
    """``^``, ``$``, ``A``, ``Z``, ``b`` or ``B``: nothing, at some places only."""

    kind: str = ""


@dataclass(frozen=True, slots=True)
class Sequence(Part):
    """Parts that follow each other."""

    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Choice(Part):
    """Parts of which one is there."""

    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Repeated(Part):
    """A part so many times: ``least`` to ``most``, or without end; ``position`` is where it stands."""

    part: Part = Part()
    least: int = 0
    most: int | None = None
    position: int = 0


@dataclass(frozen=True, slots=True)
class Unknown(Part):
    """What Python's engine alone knows."""

    position: int = 0
    what: str = ""
