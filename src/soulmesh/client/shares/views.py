"""Who may see what: which part of the index there is for a user."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pyroaring import BitMap

from soulmesh.client.shares.circle import Circle
from soulmesh.client.shares.contents import Contents
from soulmesh.client.shares.index import Index
from soulmesh.client.shares.model import Access

__all__ = ["View", "Views"]


@dataclass(slots=True)
class View:
    """What one kind of user sees of the current index."""

    version: int
    open: BitMap | None
    """None: every file."""
    locked: BitMap | None
    """None: none."""


class Views:
    """What users may have, and what they may only see; worked out once for all who may have the same."""

    def __init__(self, contents: Contents, circle: Circle) -> None:
        self._contents = contents
        self._circle = circle
        self._views: dict[tuple[frozenset[int], frozenset[int]], View] = {}
        self._epoch = 0

    def access(self, username: str) -> tuple[frozenset[int], frozenset[int]]:
        """Roots that a user may have, and those that they may only see."""
        friend = self._circle.friend(username)
        groups = self._circle.groups(username)
        access = {
            root.id: root.audience.access(username, friend=friend, groups=groups)
            for root in self._contents.by_id.values()
            if root.online
        }
        return (
            frozenset(root for root, kind in access.items() if kind is Access.OPEN),
            frozenset(root for root, kind in access.items() if kind is Access.LOCKED),
        )

    def view(self, username: str) -> View:
        """That user's part of the index."""
        if self._epoch != self._contents.epoch:
            self._epoch = self._contents.epoch
            self._views.clear()
        key = self.access(username)
        view = self._views.get(key)
        index = self._contents.index
        if view is None or view.version != index.version:
            visible, locked = key
            indexed = {span.root for span in index.base.roots} | set(index.delta.by_root)
            view = View(
                index.version,
                None if indexed <= visible else _union(index, visible),
                _union(index, locked) if locked else None,
            )
            self._views[key] = view
        return view


def _union(index: Index, roots: Collection[int]) -> BitMap:
    return BitMap.union(BitMap(), *(index.of_root(root) for root in roots))
