"""The door to what we share: search, browse, locate, scan.

One :class:`Shares` lives on the event loop of the client. Everything that takes
long happens in a process of its own (scanning, indexing) or in a thread
(compressing, looking at the disk); the new index replaces the old one in one step.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from struct import Struct
from typing import Any, Final

from pyroaring import BitMap

from soulmesh.client.ports import Answerer, Found, PackedReply, ShareCounts, Undo
from soulmesh.client.shares.base import Base
from soulmesh.client.shares.browse import BrowseReply, RootStream, assemble, compress_root, find_stream
from soulmesh.client.shares.build import BaseBuilder
from soulmesh.client.shares.child import in_child
from soulmesh.client.shares.circle import Circle, Told
from soulmesh.client.shares.doubts import doubt_about, would_leave_out
from soulmesh.client.shares.entries import unpack_entry
from soulmesh.client.shares.generation import open_base
from soulmesh.client.shares.index import DEFAULT_EFFORT, Effort, Index
from soulmesh.client.shares.mapped import DamagedFile
from soulmesh.client.shares.model import Access, NotShared, Root
from soulmesh.client.shares.readers import FILE_SECONDS
from soulmesh.client.shares.rescue import open_store, rescue_alone
from soulmesh.client.shares.scan import (
    GUARD,
    Progress,
    RootOutcome,
    ScanBusy,
    ScanCancelled,
    ScanOutcome,
    too_many,
)
from soulmesh.client.shares.store import Change, Store, StoreDamaged, damage_told
from soulmesh.client.shares.walk import Rules, is_there, rules_of
from soulmesh.client.shares.whereabouts import Whereabouts, look
from soulmesh.client.transfers.ports import SharedFile
from soulmesh.core.query import MINIMUM_CHARACTERS, Query, fold, long_enough, parse_query
from soulmesh.errors import SoulmeshError
from soulmesh.wire.structs import Attribute, DirectoryData, FileData
from soulmesh.wire.text import raw
from soulmesh.wire.text import text as wire_text

__all__ = ["ScanFailed", "SearchFigures", "ShareSettings", "Shares"]

log = logging.getLogger(__name__)

PEER_SEARCH_REPLY: Final = 9
REPLY_LEVEL: Final = 2
APPLY_AT_ONCE: Final = 100
MOST_BELOW: Final = 2000
"""Files that the answer for one folder brings of those below it."""
_U32: Final = Struct("<I")


class ScanFailed(SoulmeshError):
    """The scanning process could not do its work; ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __str__(self) -> str:
        return f"the scan failed: {self.reason}"


@dataclass(frozen=True, slots=True)
class ShareSettings:
    """How shares behave."""

    shortest_query: int = MINIMUM_CHARACTERS
    """Queries with fewer characters are not answered, unless one of them is a letter without case."""
    effort: int = DEFAULT_EFFORT
    """Steps that one search may take, two to three microseconds each."""
    guard: float = GUARD
    """A scan that would lose a larger share of a root's files than this asks first."""
    readers: int | None = None
    """Processes that read audio files; None is one for each processor."""
    file_seconds: float = FILE_SECONDS
    """How long reading one audio file may take."""


@dataclass(slots=True)
class SearchFigures:
    """What became of searches."""

    searches: int = 0
    too_dear: int = 0
    """Broken off because they would have cost too much; they get no answer."""


@dataclass(slots=True)
class _View:
    """What one kind of user sees of the current index."""

    version: int
    open: BitMap | None
    """None: every file."""
    locked: BitMap | None
    """None: none."""


@dataclass(slots=True)
class _Answer:
    open: Sequence[int] = ()
    locked: Sequence[int] = field(default_factory=tuple)


class Shares:
    """What we share, as others may see it, and how it is kept up to date.

    It stands in for :class:`soulmesh.client.ports.ShareIndex` and for the
    ``SharedFiles`` of transfers.

    Args:
        directory: where the database and the index live; made when missing.
        wall_clock: from the :class:`~soulmesh.net.world.World`.
        circle: who our friends are, and who is in which group.
    """

    def __init__(
        self,
        directory: Path,
        *,
        wall_clock: Callable[[], datetime],
        circle: Circle | None = None,
        settings: ShareSettings | None = None,
    ) -> None:
        self.directory = directory
        self.settings = settings or ShareSettings()
        self.figures = SearchFigures()
        self._wall_clock = wall_clock
        self._told = Told()
        self._circle: Circle = circle or self._told
        self._scanning = asyncio.Lock()
        self._refreshing = asyncio.Lock()
        rescued, self._store = open_store(directory)
        self._data_version = self._store.data_version()
        self._handlers: list[Callable[[], None]] = []
        self._views: dict[tuple[frozenset[int], frozenset[int]], _View] = {}
        self._local: dict[tuple[int, bytes], bytes] = {}
        """Where folders lie that were asked for since the last change: whoever takes one file takes more."""
        self._compressing: dict[int, asyncio.Lock] = {}
        self._applied = 0
        self._generation = ""
        self._root_version: dict[int, int] = {}
        self._roots: dict[int, Root] = {}
        self._by_name: dict[bytes, Root] = {}
        self._counts = ShareCounts()
        self._index = Index(self._empty_base())
        self.needs_index = False
        """The index is missing or damaged, though files are known: :meth:`scan` writes it again."""
        try:
            with damage_told(self._store.path):
                self._open()
        except StoreDamaged as error:
            self._store.close()
            rescue_alone(directory, error)
            rescued, self._store = True, Store(error.path)
            self._index = Index(self._empty_base())
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
        base = open_base(self._store, self.directory)
        if base is None:
            self.needs_index = bool(self._store.execute("SELECT EXISTS (SELECT 1 FROM files)").fetchone()[0])
        else:
            self._index = Index(base)
            self._generation = base.path.name
        self._load_roots()
        self._apply(self._store.changes(0))
        self._after_change()

    def close(self) -> None:
        """Close the database. The shares cannot be used afterwards."""
        self._store.close()

    # What is shared

    @property
    def store(self) -> Store:
        """The source of truth: roots, folders, files."""
        return self._store

    @property
    def index(self) -> Index:
        """The index that searches are answered from now."""
        return self._index

    @property
    def roots(self) -> list[Root]:
        """The shared folders, by name."""
        return list(self._roots.values())

    @property
    def counts(self) -> ShareCounts:
        """Folders and files that everybody may have."""
        return self._counts

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
        saved = self._store.save_root(root)
        self._load_roots()
        self._after_change()
        return saved

    async def doubt(self, root: Root) -> str | None:
        """Why somebody should be asked before :meth:`save_root` of this; None where there is no reason.

        A new folder may be the whole disk; changed rules of a known one may leave out more than the
        share of its files that a scan may lose unasked.
        """
        before = self._roots.get(root.id)
        if before is None:
            return await asyncio.to_thread(doubt_about, root.path, self.directory)
        lost = await asyncio.to_thread(would_leave_out, self._store, before, root, self.roots)
        if too_many(lost, before.files, self.settings.guard):
            return f"this leaves out {lost} of its {before.files} files"
        return None

    def remove_root(self, number: int) -> None:
        """Stop sharing a folder, at once; the next scan forgets its names."""
        self._store.remove_root(number)
        self._load_roots()
        self._after_change()

    def _load_roots(self) -> None:
        self._roots = {root.id: root for root in self._store.roots()}
        self._by_name = {root.name: root for root in self._roots.values()}
        self._views.clear()
        self._local.clear()

    def _after_change(self) -> None:
        self._views.clear()
        self._local.clear()
        before = self._counts
        visible = [root.id for root in self._roots.values() if root.online and root.audience.everyone]
        self._counts = self._count(visible)
        if self._counts != before:
            for handler in list(self._handlers):
                handler()

    def _count(self, roots: Collection[int]) -> ShareCounts:
        index = self._index
        files = sum(len(index.of_root(root)) for root in roots)
        return ShareCounts(sum(map(index.count_folders, roots)), files)

    # Who may see what

    def know_friends(self, friend: Callable[[str], bool]) -> None:
        """``friend(username)`` says who is a friend, unless a circle was given that knows it."""
        self._told.friend = friend

    def know_groups(self, groups: Callable[[str], Collection[str]]) -> None:
        """``groups(username)`` says which groups a user is in, unless a circle was given that knows it.

        It is asked at each search and request, so what it says counts at once.
        """
        self._told.groups = groups

    def _access(self, username: str) -> tuple[frozenset[int], frozenset[int]]:
        """Roots that a user may have, and those that they may only see."""
        friend = self._circle.friend(username)
        groups = self._circle.groups(username)
        access = {
            root.id: root.audience.access(username, friend=friend, groups=groups)
            for root in self._roots.values()
            if root.online
        }
        return (
            frozenset(root for root, kind in access.items() if kind is Access.OPEN),
            frozenset(root for root, kind in access.items() if kind is Access.LOCKED),
        )

    def _view(self, username: str) -> _View:
        key = self._access(username)
        view = self._views.get(key)
        index = self._index
        if view is None or view.version != index.version:
            visible, locked = key
            indexed = {span.root for span in index.base.roots} | set(index.delta.by_root)
            view = _View(
                index.version,
                None if indexed <= visible else _union(index, visible),
                _union(index, locked) if locked else None,
            )
            self._views[key] = view
        return view

    # Searching

    def _find(self, query: Query, username: str, limit: int, excluded: Sequence[str]) -> _Answer:
        try:
            return self._look_up(query, username, limit, excluded)
        except DamagedFile:
            self.needs_index = True
            raise

    def _look_up(self, query: Query, username: str, limit: int, excluded: Sequence[str]) -> _Answer:
        self.figures.searches += 1
        if not long_enough(query.text, self.settings.shortest_query):
            return _Answer()
        view = self._view(username)
        phrases = [phrase for phrase in map(fold, excluded) if phrase]
        effort = Effort(self.settings.effort)
        answer = _Answer()
        found = self._index.search(query, limit, within=view.open, phrases=phrases, effort=effort)
        answer.open = found.numbers
        if view.locked is not None and not found.too_dear and len(found.numbers) < limit:
            found = self._index.search(
                query, limit - len(found.numbers), within=view.locked, phrases=phrases, effort=effort
            )
            answer.locked = found.numbers
        if found.too_dear:
            self.figures.too_dear += 1
            return _Answer()
        return answer

    async def search(self, query: str, *, username: str, limit: int, excluded: Sequence[str] = ()) -> Found:
        """At most ``limit`` files that match; none for a query that would cost too much.

        Files whose path holds one of the ``excluded`` phrases (any case) are left out.
        """
        answer = self._find(parse_query(query), username, limit, excluded)
        return Found(self._file_data(answer.open), self._file_data(answer.locked))

    def _file_data(self, numbers: Sequence[int]) -> list[FileData]:
        return [_as_file_data(entry) for entry in self._index.answer_entries(numbers)]

    def search_reply(
        self, query: str, *, username: str, limit: int, about: Answerer, excluded: Sequence[str] = ()
    ) -> PackedReply | None:
        """The whole frame of a PeerSearchReply, or None where there is nothing to answer.

        The same files as :meth:`search`, put together from packed entries without
        making an object of any.
        """
        answer = self._find(parse_query(query), username, limit, excluded)
        if not answer.open and not answer.locked:
            return None
        name = raw(about.own_name)
        pieces = [_U32.pack(len(name)), name, _U32.pack(about.ticket), _U32.pack(len(answer.open))]
        pieces += self._index.answer_entries(answer.open)
        pieces.append(_REPLY_TAIL.pack(about.slots_free, about.average_speed, about.queue_length, 0))
        if answer.locked:
            pieces.append(_U32.pack(len(answer.locked)))
            pieces += self._index.answer_entries(answer.locked)
        body = zlib.compress(b"".join(pieces), REPLY_LEVEL)
        frame = _FRAME.pack(4 + len(body), PEER_SEARCH_REPLY) + body
        return PackedReply(frame, len(answer.open), len(answer.locked))

    # Browsing

    async def browse(self, username: str) -> bytes:
        """The whole frame of a PeerSharesReply, ready to be sent."""
        while True:
            reply = await self.browse_reply(username)
            try:
                return b"".join(await asyncio.to_thread(list, reply))
            except FileNotFoundError:
                continue  # a root changed meanwhile, and its old stream is gone

    async def browse_reply(self, username: str) -> BrowseReply:
        """A PeerSharesReply in pieces; roots that did not change come from the cache on disk."""
        visible, locked = self._access(username)
        streams = {number: await self._stream(number) for number in sorted(visible | locked)}
        names = sorted(streams, key=lambda number: self._roots[number].name if number in self._roots else b"")
        return assemble(
            [streams[number] for number in names if number in visible],
            [streams[number] for number in names if number in locked],
        )

    async def _stream(self, root: int) -> RootStream:
        async with self._compressing.setdefault(root, asyncio.Lock()):
            directory = self.directory / "browse"
            number = self._root_version.get(root, 0)
            version = f"{self._store.identity}-{Path(self._generation).stem}-{number}"
            path = directory / f"{root}-{version}.deflate"
            # Decided here and now; the thread only reads what cannot change.
            listing = self._index.listing(root)
            return await asyncio.to_thread(_stream, directory, path, root, listing)

    async def folder(self, username: str, directory: str) -> list[DirectoryData]:
        """The files of one folder and of those below it; an empty list if this user has no such folder.

        Of a folder with more than :data:`MOST_BELOW` files below it only its own: one who wants so much
        browses.
        """
        try:
            path = raw(directory).rstrip(b"\\")
        except UnicodeEncodeError:  # a text that no name can be
            return []
        root = self._by_name.get(path.split(b"\\", 1)[0])
        if root is None or root.id not in frozenset().union(*self._access(username)):
            return []
        names = [path, *self._index.folders_below(root.id, path, most=MOST_BELOW)]
        found = [(name, self._index.folder(root.id, name)) for name in names]
        return [
            DirectoryData(wire_text(name), [_as_file_data(entry) for entry in entries or ()])
            # One that has folders alone is there as well, and comes first: others look for it in the answer.
            for name, entries in found
            if entries or (name == path and any(more for _, more in found))
        ]

    # Uploading

    def find(self, remote_path: bytes) -> tuple[Root, bytes, bytes]:
        """The root, the folder's remote path and the name of a file that is in the index.

        Raises:
            NotShared: there is no such file.
        """
        root = self._by_name.get(remote_path.split(b"\\", 1)[0])
        if root is None:
            raise NotShared(remote_path, "no shared folder has this name")
        # A name on disk may hold a backslash itself, so each one may be where the folder ends.
        at = remote_path.rfind(b"\\")
        while at > 0:
            folder, name = remote_path[:at], remote_path[at + 1 :]
            if self._index.find(root.id, folder, name) is not None:
                return root, folder, name
            at = remote_path.rfind(b"\\", 0, at)
        raise NotShared(remote_path, "not in the index")

    async def resolve(self, remote_path: bytes, username: str) -> SharedFile:
        """The file on disk behind a remote path, if ``username`` may have it.

        The path is looked up, never taken apart: nothing outside of a root can be
        reached. What has become a link out of its root since the scan is refused.

        Raises:
            NotShared: not there, or not for this user.
        """
        rules: dict[int, Rules] = {}
        [found] = await asyncio.to_thread(look, [self._whereabouts(remote_path, username, rules)])
        if found is None:
            raise NotShared(remote_path, "it is no longer on the disk, or no longer shared")
        return found

    def _whereabouts(self, remote_path: bytes, username: str, rules: dict[int, Rules]) -> Whereabouts:
        """Where a file of the index should be; ``rules`` collects those of the roots.

        Raises:
            NotShared: not in the index, or not for this user.
        """
        root, folder, name = self.find(remote_path)
        if not root.online:
            raise NotShared(remote_path, f"{os.fsdecode(root.name)} is offline")
        visible, _ = self._access(username)
        if root.id not in visible:
            raise NotShared(remote_path, f"for {root.audience} only")
        local = self._local.get((root.id, folder))
        if local is None:
            try:
                local = self._store.local_folder(root.id, folder[len(root.name) + 1 :])
            except sqlite3.DatabaseError as error:
                raise NotShared(remote_path, f"the database cannot be read: {error}") from error
            if local is None:
                raise NotShared(remote_path, "its folder is gone")
            if len(self._local) >= _MOST_LOCAL:
                self._local.clear()
            self._local[root.id, folder] = local
        if root.id not in rules:
            rules[root.id] = rules_of(root, self._roots.values())
        return Whereabouts(rules[root.id], os.path.join(local, name))

    async def locate(self, username: str, remote_path: str) -> SharedFile | None:
        """:meth:`resolve` for transfers: None instead of an error."""
        try:
            return await self.resolve(raw(remote_path), username)
        except (NotShared, UnicodeEncodeError):
            return None

    @property
    def unsettled(self) -> bool:
        """Whether a scan of ours goes on, which may find more than is known now."""
        return self._scanning.locked()

    async def locate_all(
        self, username: str, remote_paths: Sequence[str], *, read: int = 0
    ) -> list[SharedFile | None]:
        """:meth:`locate` for several at once; the content of small files comes along, if it can be read."""
        rules: dict[int, Rules] = {}
        wanted: dict[int, Whereabouts] = {}
        for number, path in enumerate(remote_paths):
            with suppress(NotShared, UnicodeEncodeError):
                wanted[number] = self._whereabouts(raw(path), username, rules)
        found = await asyncio.to_thread(look, list(wanted.values()), read) if wanted else []
        by_number = dict(zip(wanted, found, strict=True))
        return [by_number.get(number) for number in range(len(remote_paths))]

    # Scanning

    async def scan(
        self,
        roots: Collection[int] | None = None,
        *,
        only: Mapping[int, Collection[bytes]] | None = None,
        confirmed: bool = False,
        again: bool = False,
        rebuild: bool = False,
        niceness: int = 5,
        progress: Callable[[Progress], None] | None = None,
    ) -> ScanOutcome:
        """Bring roots up to date, in a process of its own, then take in what changed.

        One scan of these shares goes on at a time; others wait for it. Cancelling this ends
        the process; what it had found is kept, and the next scan goes on there.

        Args:
            only: folders (paths below the root, on disk) by root, instead of whole roots.
            confirmed: lose files however many they are.
            again: read those again as well that took too long before. What the system refused to have
                read is always tried again, by a scan of whole roots.

        Raises:
            ScanBusy: another process scans.
            ScanFailed: the process could not do its work.
        """
        task = {
            "directory": str(self.directory),
            "now": self._wall_clock().isoformat(),
            "roots": None if roots is None else list(roots),
            "only": None
            if only is None
            else {str(root): [os.fsdecode(folder) for folder in folders] for root, folders in only.items()},
            "confirmed": confirmed,
            "again": again,
            "guard": self.settings.guard,
            "rebuild": rebuild or self.needs_index,
            "readers": self.settings.readers,
            "file_seconds": self.settings.file_seconds,
            "niceness": niceness,
        }
        async with self._scanning:
            ended = await in_child(task, progress)
        match ended.get("ended"):
            case "done":
                if ended.get("rescued"):
                    log.warning("%s", ended["rescued"])
                await self.refresh()
                found = [RootOutcome(**outcome) for outcome in ended["roots"]]
                return ScanOutcome(found, ended["index"], ended["seconds"], ended.get("rescued"))
            case "busy":
                raise ScanBusy
            case "cancelled":
                raise ScanCancelled
            case _:
                raise ScanFailed(ended.get("reason", "the process ended without a word"))

    async def refresh(self) -> None:
        """Take in what a scan, of this process or another, has changed."""
        async with self._refreshing:
            await self._take_in()

    async def _take_in(self) -> None:
        try:
            with damage_told(self._store.path):
                await self._read_changes()
        except StoreDamaged as error:
            # Searches go on from the index; what is on the disk has to be found again.
            self._store.close()
            await asyncio.to_thread(rescue_alone, self.directory, error)
            self._store = Store(error.path)
            self._applied = 0
            self._load_roots()
            self._after_change()
            self.needs_index = True

    async def _read_changes(self) -> None:
        if self._store.replaced():
            self._store.close()
            self._store = Store(self._store.path)
            self._applied = 0
        self._data_version = self._store.data_version()
        base = self._store.get("base")
        if base is not None and base != self._generation:
            # Checking reads the whole file: not on the loop.
            opened = await asyncio.to_thread(open_base, self._store, self.directory)
            if opened is not None:
                index = Index(opened)
                # The old one closes when the last reader lets go of it.
                self._index = index
                self._generation = opened.path.name
                self._applied = 0
                self._root_version.clear()
                self.needs_index = False
            elif base == self._store.get("base"):
                self.needs_index = True
        self._load_roots()
        changes = await asyncio.to_thread(self._store.changes, self._applied)
        for start in range(0, len(changes), APPLY_AT_ONCE):
            self._apply(changes[start : start + APPLY_AT_ONCE])
            await asyncio.sleep(0)
        self._after_change()

    def _apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self._applied = change.number
            root = self._roots.get(change.root)
            if root is None:
                continue
            self._root_version[change.root] = change.number
            folder = root.name + b"\\" + change.folder if change.folder else root.name
            if change.size is None:
                self._index.remove(change.root, folder, change.name)
            else:
                self._index.add(change.root, folder, change.name, change.size, change.attributes)

    def changed_elsewhere(self) -> bool:
        """Whether another process has written to the store since the last :meth:`refresh`, or damaged it."""
        try:
            with damage_told(self._store.path):
                return self._store.replaced() or self._store.data_version() != self._data_version
        except StoreDamaged:
            return True

    def folder_count(self) -> int:
        """Folders that are known, in all roots.

        Raises:
            StoreDamaged: the database cannot be read; :meth:`refresh` or a scan begins a new one.
        """
        with damage_told(self._store.path):
            count: int = self._store.execute(
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
                await asyncio.to_thread(_note_online, self._store.path, root.id, there)
                changed.append(replace(root, online=there))
        if changed:
            with damage_told(self._store.path):
                self._load_roots()
            self._after_change()
        return changed


_MOST_LOCAL: Final = 10_000
_REPLY_TAIL: Final = Struct("<?III")
_FRAME: Final = Struct("<II")


def _union(index: Index, roots: Collection[int]) -> BitMap:
    return BitMap.union(BitMap(), *(index.of_root(root) for root in roots))


def _as_file_data(entry: bytes) -> FileData:
    name, size, attributes = unpack_entry(entry)
    return FileData(
        1, wire_text(name), size, "", [Attribute(key, value) for key, value in attributes.items()]
    )


def _stream(directory: Path, path: Path, root: int, listing: Any) -> RootStream:
    found = find_stream(path)
    if found is not None:
        return found
    stream = compress_root(path, listing)
    for old in directory.glob(f"{root}-*"):
        if old != path:
            with suppress(OSError):
                old.unlink()
    return stream


def _note_online(path: Path, root: int, online: bool) -> None:
    # By a connection of its own: one that waits for its turn to write holds up all that use it.
    store = Store(path)
    try:
        with damage_told(path):
            store.set_online(root, online)
    finally:
        store.close()
