"""Who is who for shared folders that are not for everyone: friends, and those in groups."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Circle", "Friends", "Nobody"]


class Circle(Protocol):
    """Who is who, for roots that are not for everyone."""

    def friend(self, username: str) -> bool:
        """Whether the user is on our list of friends."""

    def groups(self, username: str) -> Collection[str]:
        """The groups that we put the user in."""


class Nobody:
    """A circle for those who have no friends and no groups."""

    def friend(self, username: str) -> bool:
        """No."""
        return False

    def groups(self, username: str) -> Collection[str]:
        """None."""
        return ()


@dataclass(frozen=True, slots=True)
class Friends:
    """A circle of friends alone."""

    friend: Callable[[str], bool]

    def groups(self, username: str) -> Collection[str]:
        """None."""
        return ()
