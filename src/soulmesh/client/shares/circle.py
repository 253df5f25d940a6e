"""Who is who for shared folders that are not for everyone: friends, and those in groups."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Circle", "Told"]


class Circle(Protocol):
    """Who is who, for roots that are not for everyone."""

    def friend(self, username: str) -> bool:
        """Whether the user is on our list of friends."""

    def groups(self, username: str) -> Collection[str]:
        """The groups that we put the user in."""


def _no_friend(_username: str) -> bool:
    return False


def _no_groups(_username: str) -> Collection[str]:
    return ()


@dataclass(slots=True)
class Told:
    """A circle whose parts are told by others, who know; until then there are no friends and no groups."""

    friend: Callable[[str], bool] = _no_friend
    groups: Callable[[str], Collection[str]] = _no_groups
