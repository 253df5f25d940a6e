"""What is shared now: the roots, the index of their files and the counts, kept in step with the store.

One :class:`Contents` lives on the event loop. A scan writes into the store, in a process of its own;
what has changed there is taken in here, and a new index replaces the old one in one step.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from soulmesh.client.ports import ShareCounts, Undo
from soulmesh.client.shares.base import Base
from soulmesh.client.shares.build import BaseBuilder
from soulmesh.client.shares.generation import open_base
from soulmesh.client.shares.index import Index
from soulmesh.client.shares.mapped import DamagedFile
from soulmesh.client.shares.model import Named, Root
from soulmesh.client.shares.rescue import open_store, rescue_alone
from soulmesh.client.shares.store import Change, Store, StoreDamaged, damage_told
from soulmesh.client.shares.walk import is_there

__all__ = ["Contents"]

APPLY_AT_ONCE = 100
"""Changes that are taken in before others on the loop have their turn."""


class Contents:
    """The store, the index made from it, and what of them is offered.

    Args:
        directory: where the database and the index live; made when missing.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._refreshing = asyncio.Lock()
        rescued, self.store = open_store(directory)
        """The source of truth: roots, folders, files."""
        self._data_version = self.store.data_version()
        self._handlers: list[Callable[[], None]] = []
        self._applied = 0
        self.epoch = 0
        """Moves whenever roots or files are others: what was worked out from them holds no longer."""
        self.generation = ""
        """The name of the file that the index stands on."""
        self.root_version: dict[int, int] = {}
        """The last change of each root since that file was written."""
        self.by_id: dict[int, Root] = {}
        self.by_name: dict[bytes, Root] = {}
        self.counts = ShareCounts()
        """Folders and files that everybody may have."""
        self.index = Index(self._empty_base())
        """What searches are answered from now."""
        self.needs_index = False
        """The index is missing or damaged, though files are known: a scan writes it again."""
        try:
            with damage_told(self.store.path):
                self._open()
        except StoreDamaged as error:
            self.store.close()
            rescue_alone(directory, error)
            rescued, self.store = True, Store(error.path)
            self.index = Index(self._empty_base())
            self._applied = 0
            self._open()
        if rescued:
            self.needs_index = True

    def _empty_base(self) -> Base:
        path = self.directory / "empty.shares"
        try:
            return Base(path)
        except DamagedFile:  # or not there yet, or of an older version
            BaseBuilder(path).finish({"generation": 0})
            return Base(path)

    def _open(self) -> None:
        base = open_base(self.store, self.directory)
        if base is None:
            self.needs_index = bool(self.store.execute("SELECT EXISTS (SELECT 1 FROM files)").fetchone()[0])
        else:
            self.index = Index(base)
            self.generation = base.path.name
        self._load_roots()
        self._apply(self.store.changes(0))
        self._after_change()

    def close(self) -> None:
        """Close the database. The shares cannot be used afterwards."""
        self.store.close()

    @property
    def roots(self) -> list[Root]:
        """The shared folders, by name."""
        return list(self.by_id.values())

    def on_changed(self, handler: Callable[[], None]) -> Undo:
        """Call ``handler`` after :attr:`counts` changed."""
        self._handlers.append(handler)

        def undo() -> None:
            with suppress(ValueError):
                self._handlers.remove(handler)

        return undo

    def save_root(self, root: Root) -> Root:
        """Share a folder (``id`` 0; its files appear with the next scan), or change how one is offered.

        Raises:
            RootRefused: the name or the folder is shared already.
        """
        saved = self.store.save_root(root)
        self._load_roots()
        self._after_change()
        return saved

    def name_root(self, number: int, named: Named) -> None:
        """Remember whether settings name a root."""
        self.store.name_root(number, named)
        self._load_roots()

    def remove_root(self, number: int) -> None:
        """Stop sharing a folder, at once; the next scan forgets its names."""
        self.store.remove_root(number)
        self._load_roots()
        self._after_change()

    def _load_roots(self) -> None:
        self.by_id = {root.id: root for root in self.store.roots()}
        self.by_name = {root.name: root for root in self.by_id.values()}
        self.epoch += 1

    def _after_change(self) -> None:
        self.epoch += 1
        before = self.counts
        visible = [root.id for root in self.by_id.values() if root.online and root.audience.everyone]
        self.counts = self._count(visible)
        if self.counts != before:
            for handler in list(self._handlers):
                handler()

    def _count(self, roots: Collection[int]) -> ShareCounts:
        index = self.index
        files = sum(len(index.of_root(root)) for root in roots)
        return ShareCounts(sum(map(index.count_folders, roots)), files)

    async def refresh(self) -> None:
        """Take in what a scan, of this process or another, has changed."""
        async with self._refreshing:
            await self._take_in()

    async def _take_in(self) -> None:
        try:
            with damage_told(self.store.path):
                await self._read_changes()
        except StoreDamaged as error:
            # Searches go on from the index; what is on the disk has to be found again.
            self.store.close()
            await asyncio.to_thread(rescue_alone, self.directory, error)
            self.store = Store(error.path)
            self._applied = 0
            self._load_roots()
            self._after_change()
            self.needs_index = True

    async def _read_changes(self) -> None:
        if self.store.replaced():
            self.store.close()
            self.store = Store(self.store.path)
            self._applied = 0
        self._data_version = self.store.data_version()
        base = self.store.get("base")
        if base is not None and base != self.generation:
            # Checking reads the whole file: not on the loop.
            opened = await asyncio.to_thread(open_base, self.store, self.directory)
            if opened is not None:
                index = Index(opened)
                # The old one closes when the last reader lets go of it.
                self.index = index
                self.generation = opened.path.name
                self._applied = 0
                self.root_version.clear()
                self.needs_index = False
            elif base == self.store.get("base"):
                self.needs_index = True
        self._load_roots()
        changes = await asyncio.to_thread(self.store.changes, self._applied)
        for start in range(0, len(changes), APPLY_AT_ONCE):
            self._apply(changes[start : start + APPLY_AT_ONCE])
            await asyncio.sleep(0)
        self._after_change()

    def _apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self._applied = change.number
            root = self.by_id.get(change.root)
            if root is None:
                continue
            self.root_version[change.root] = change.number
            folder = root.name + b"\\" + change.folder if change.folder else root.name
            if change.size is None:
                self.index.remove(change.root, folder, change.name)
            else:
                self.index.add(change.root, folder, change.name, change.size, change.attributes)

    def changed_elsewhere(self) -> bool:
        """Whether another process has written to the store since the last :meth:`refresh`, or damaged it."""
        try:
            with damage_told(self.store.path):
                return self.store.replaced() or self.store.data_version() != self._data_version
        except StoreDamaged:
            return True

    def folder_count(self) -> int:
        """Folders that are known, in all roots.

        Raises:
            StoreDamaged: the database cannot be read; :meth:`refresh` or a scan begins a new one.
        """
        with damage_told(self.store.path):
            count: int = self.store.execute(
                "SELECT count(*) FROM folders WHERE root IN (SELECT id FROM roots)"
            ).fetchone()[0]
        return count

    async def check_online(self) -> list[Root]:
        """Look which roots are there; returns those for which that has changed.

        Raises:
            StoreDamaged: that cannot be written down; :meth:`refresh` or a scan begins a new database.
        """
        changed = []
        for root in self.roots:
            there = await asyncio.to_thread(is_there, os.fsencode(root.path), root.files > 0)
            if there != root.online:
                await asyncio.to_thread(_note_online, self.store.path, root.id, there)
                changed.append(replace(root, online=there))
        if changed:
            with damage_told(self.store.path):
                self._load_roots()
            self._after_change()
        return changed


def _note_online(path: Path, root: int, online: bool) -> None:
    # By a connection of its own: one that waits for its turn to write holds up all that use it.
    store = Store(path)
    try:
        with damage_told(path):
            store.set_online(root, online)
    finally:
        store.close()
