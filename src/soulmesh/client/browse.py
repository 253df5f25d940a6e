"""Browsing a user's shares: a stream of folders into an index on disk.

The list can be larger than memory. It goes folder by folder, as it comes, into
a temporary SQLite file, from which it can be paged and searched while the rest
is still under way.
"""

from __future__ import annotations

import asyncio
import os
import re
import sqlite3
import struct
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar

from soulmesh import wire
from soulmesh.client.errors import LinkLost, NoReply
from soulmesh.client.events import Event, Events
from soulmesh.client.links import Links
from soulmesh.client.pace import Pace
from soulmesh.client.results import FoundFile
from soulmesh.errors import SoulmeshError, WireError
from soulmesh.wire.message import MIB
from soulmesh.wire.streams import SharedDirectory

__all__ = ["Branch", "Browse", "BrowseProgressed", "Browser", "Folder"]

T = TypeVar("T")

_BATCH = 20_000
"""Files that are written to the index at a time."""
_SLICE = 500
"""Files that are read between two turns of the loop."""
_BITE = 4096
"""Compressed bytes that are read at most between two turns: they can hold a hundred times as much."""
_INFLATED_LIMIT = 2048 * MIB
_PAIR = struct.Struct("<II")

_SCHEMA = """
PRAGMA journal_mode = OFF;
PRAGMA synchronous = OFF;
PRAGMA cache_size = -4000;
CREATE TABLE folders (id INTEGER PRIMARY KEY, name BLOB, locked INTEGER, files INTEGER, bytes INTEGER);
CREATE TABLE files (folder INTEGER, name BLOB, size INTEGER, attributes BLOB);
CREATE INDEX files_by_folder ON files (folder);
CREATE INDEX folders_by_name ON folders (name);
CREATE TABLE tree (
    path BLOB PRIMARY KEY, parent BLOB, open INTEGER, locked INTEGER, below INTEGER, bytes INTEGER,
    children INTEGER
) WITHOUT ROWID;
CREATE INDEX tree_by_parent ON tree (parent, path);
"""


@dataclass(frozen=True, slots=True)
class BrowseProgressed(Event):
    """More of a user's list has come. ``done`` and ``total`` are compressed bytes."""

    username: str
    folders: int
    files: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder of a user."""

    number: int
    """Its place in the list, from 1."""
    name: str
    """With backslashes."""
    files: int
    bytes: int
    locked: bool
    """Shown, but not for us."""


@dataclass(frozen=True, slots=True)
class Branch:
    """A folder in the tree of folders; those that only hold folders are there too."""

    path: str
    """The whole path, with backslashes."""
    folders: int
    """Folders right inside it."""
    files: int
    """Files right inside it."""
    bytes: int
    """Bytes of these files."""
    all_files: int
    """Files in it and below."""
    all_bytes: int
    locked: bool
    """Everything in it is shown, but not for us."""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("\\")[2]


class Browse:
    """A user's shares, complete or on their way. Close it, or use it with ``async with``: it owns a file."""

    def __init__(self, username: str, path: Path) -> None:
        self.username = username
        self.folders = 0
        self.files = 0
        self.bytes = 0
        self.done = 0
        """Compressed bytes that have come."""
        self.total = 0
        """Compressed bytes of the whole list; 0 until it begins."""
        self.complete = False
        self.error: SoulmeshError | None = None
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._lock = asyncio.Lock()
        self._reader = wire.SharesReader(inflated_limit=_INFLATED_LIMIT)
        self._news = asyncio.Event()
        self._batch: list[SharedDirectory] = []
        self._batch_files = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[Folder]:
        return self._follow()

    async def page(self, offset: int = 0, limit: int = 100) -> list[Folder]:
        """Folders in the order of the list, as far as they have come."""
        query = "SELECT id, name, files, bytes, locked FROM folders WHERE id > ? ORDER BY id LIMIT ?"
        return await self._query(lambda c: [_folder(row) for row in c.execute(query, (offset, limit))])

    async def branches(self, parent: str = "", *, after: str = "", limit: int = 100) -> list[Branch]:
        """The folders right below another one by name, as far as they have come.

        Args:
            parent: its whole path; empty for the top.
            after: the path of the last one that was seen.
        """
        query = (
            "SELECT t.path, t.children, COALESCE(f.files, 0), COALESCE(f.bytes, 0), t.below, t.bytes,"
            " t.open = 0 FROM tree t LEFT JOIN (SELECT name, SUM(files) files, SUM(bytes) bytes FROM folders"
            " WHERE name IN (SELECT path FROM tree WHERE parent = ?1 AND path > ?2 ORDER BY path LIMIT ?3)"
            " GROUP BY name) f ON f.name = t.path"
            " WHERE t.parent = ?1 AND t.path > ?2 ORDER BY t.path LIMIT ?3"
        )
        key = (wire.raw(parent), wire.raw(after), limit)
        return await self._query(lambda c: [_branch(row) for row in c.execute(query, key)])

    async def files_page(self, folder: str, *, offset: int = 0, limit: int = 100) -> list[FoundFile]:
        """Some of the files of one folder, in the order of the list."""
        query = (
            "SELECT f.name, f.size, f.attributes FROM folders d JOIN files f ON f.folder = d.id"
            " WHERE d.name = ? ORDER BY f.rowid LIMIT ? OFFSET ?"
        )
        key = (wire.raw(folder), limit, offset)
        return await self._query(lambda c: [_file(folder, row) for row in c.execute(query, key)])

    async def files_of(self, folder: Folder | str) -> list[FoundFile]:
        """The files of one folder."""
        name = folder.name if isinstance(folder, Folder) else folder
        query = (
            "SELECT f.name, f.size, f.attributes FROM files f JOIN folders d ON d.id = f.folder "
            "WHERE d.name = ? ORDER BY f.rowid"
        )
        if isinstance(folder, Folder):
            query = "SELECT name, size, attributes FROM files WHERE folder = ? ORDER BY rowid"
        key = folder.number if isinstance(folder, Folder) else wire.raw(name)
        return await self._query(lambda c: [_file(name, row) for row in c.execute(query, (key,))])

    async def search(self, words: str, *, offset: int = 0, limit: int = 500) -> list[FoundFile]:
        """Files whose path contains all the words, whatever their case, in the order of the list.

        Args:
            offset: so many of them were seen before.
            limit: at most so many more.
        """
        wanted = [word.lower() for word in words.split()]
        if not wanted:
            return []

        # SQLite folds ASCII alone, but is quick at it and lets the loop go on: it sieves first.
        sieve = [word for word in wanted if word.isascii()]
        query = "SELECT d.name, f.name, f.size, f.attributes FROM files f JOIN folders d ON d.id = f.folder"
        if sieve:
            query += " WHERE " + " AND ".join(
                "CAST(d.name || x'5c' || f.name AS TEXT) LIKE ? ESCAPE '\x01'" for _ in sieve
            )
        patterns = ["%" + re.sub("([%_\x01])", "\x01\\1", word) + "%" for word in sieve]

        def work(connection: sqlite3.Connection) -> list[FoundFile]:
            found: list[FoundFile] = []
            for folder, *row in connection.execute(query, patterns):
                path = f"{wire.text(folder)}\\{wire.text(row[0])}".lower()
                if all(word in path for word in wanted):
                    found.append(_file(wire.text(folder), row))
                    if len(found) >= offset + limit:
                        break
            return found[offset:]

        return await self._query(work)

    async def finished(self) -> Self:
        """Wait until all of it is here.

        Raises:
            SoulmeshError: it broke off; what came can still be read.
        """
        while not self.complete and self.error is None:
            self._news.clear()
            await self._news.wait()
        if self.error is not None:
            raise self.error
        return self

    async def close(self) -> None:
        """Delete the index."""
        if self._database is not None:
            database, self._database = self._database, None
            async with self._lock:
                await asyncio.to_thread(database.close)
        await asyncio.to_thread(self._path.unlink, missing_ok=True)
        if self.error is None and not self.complete:
            self.fail(LinkLost(self.username, "not wanted any more"))

    # -- filling

    async def take(self, piece: bytes, total: int) -> None:
        """The next piece of the list's compressed body."""
        self.total = total
        self.done += len(piece)
        try:
            for start in range(0, len(piece), _BITE):
                await self._read(piece[start : start + _BITE])
            if self.done >= total:
                self._reader.close()
                await self._flush()
                self.complete = True
                self._news.set()
            elif self._batch and not self.folders:
                # Whoever waits sees the first folders at once.
                await self._flush()
        except WireError as error:
            self.fail(error)
            raise

    async def _read(self, piece: bytes) -> None:
        done = 0
        for entry in self._reader.feed(piece):
            self._batch.append(entry)
            self._batch_files += len(entry.directory.files)
            done += 1 + len(entry.directory.files)
            if self._batch_files >= _BATCH or len(self._batch) >= _BATCH:
                await self._flush()
            elif done >= _SLICE:
                done = 0
                # Whoever waits sees the first folders at once.
                await (asyncio.sleep(0) if self.folders else self._flush())
        await asyncio.sleep(0)

    def fail(self, error: SoulmeshError) -> None:
        """It broke off."""
        if not self.complete and self.error is None:
            self.error = error
            self._news.set()

    async def _flush(self) -> None:
        batch, self._batch, self._batch_files = self._batch, [], 0
        first = self.folders + 1
        if self._database is None and not self.folders:
            self._database = await self._run(self._create)
        await self._query(lambda c: _insert(c, first, batch))
        self.folders += len(batch)
        self.files += sum(len(entry.directory.files) for entry in batch)
        self.bytes += sum(file.filesize for entry in batch for file in entry.directory.files)
        self._news.set()

    def _create(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, check_same_thread=False)
        connection.executescript(_SCHEMA)
        return connection

    async def _follow(self) -> AsyncIterator[Folder]:
        seen = 0
        while True:
            while page := await self.page(seen, 500):
                for folder in page:
                    seen = folder.number
                    yield folder
            if self.error is not None:
                raise self.error
            if self.complete and seen >= self.folders:
                return
            self._news.clear()
            if seen >= self.folders and not self.complete and self.error is None:
                await self._news.wait()

    async def _query(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._database is None:
            return await self._run(lambda: _on_nothing(work))
        return await self._run(lambda: work(self._open_database()))

    def _open_database(self) -> sqlite3.Connection:
        if self._database is None:
            raise LinkLost(self.username, "the list was closed")
        return self._database

    async def _run(self, work: Callable[[], T]) -> T:
        async with self._lock:
            running = asyncio.ensure_future(asyncio.to_thread(work))
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                await asyncio.wait([running])
                raise


class Browser:
    """Asks users for their shares."""

    def __init__(self, links: Links, events: Events, pace: Pace, folder: Path | None) -> None:
        self._links = links
        self._events = events
        self._pace = pace
        self._folder = folder

    async def browse(
        self,
        username: str,
        *,
        timeout: float = 60.0,
        interactive: bool = True,
        patience: float | None = None,
    ) -> Browse:
        """Ask for a user's shares; returns when the list begins to come.

        Iterate over the result for folders as they come, or wait for ``finished()``.

        Args:
            timeout: seconds until the first bytes, and between two pieces.
            interactive: a person waits for it.
            patience: seconds that it may wait for its turn with the governor; ``None``: as long as it takes.

        Raises:
            TooManyRequests: it would have to wait longer than its patience; says how long.
            UserOffline, PeerUnreachable, NotConnected: the user cannot be asked.
            NoReply: nothing came in time.
        """
        # Each asks for a stream of its own: no two are equal.
        await self._pace.turn("browse", object(), interactive=interactive, patience=patience)
        path = await asyncio.to_thread(_temporary, self._folder)
        found = Browse(username, path)
        sink = _Sink(found, self._events)
        try:
            async with asyncio.timeout(timeout):
                link = await self._links.ask_shares(username, sink)
                # Until the answer begins the link must not count as idle.
                link.busy += 1
                try:
                    await sink.begun.wait()
                finally:
                    link.busy -= 1
        except TimeoutError:
            await found.close()
            raise NoReply("PeerSharesRequest", username, timeout) from None
        except BaseException:
            await found.close()
            raise
        finally:
            if not sink.begun.is_set():
                self._links.forget_sink(username)
        return found


class _Sink:
    """Where the list of shares goes as it comes."""

    def __init__(self, browse: Browse, events: Events) -> None:
        self.begun = asyncio.Event()
        self._browse = browse
        self._events = events
        self._told = 0.0

    async def take(self, piece: bytes, total: int) -> None:
        self.begun.set()
        browse = self._browse
        await browse.take(piece, total)
        now = asyncio.get_running_loop().time()
        if now - self._told >= 0.25 or browse.complete:
            self._told = now
            self._events.emit(
                BrowseProgressed(browse.username, browse.folders, browse.files, browse.done, browse.total)
            )

    def failed(self, reason: str) -> None:
        self.begun.set()
        self._browse.fail(LinkLost(self._browse.username, reason))


def _temporary(folder: Path | None) -> Path:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix="browse-", suffix=".sqlite", dir=folder)
    os.close(handle)
    return Path(name)


def _insert(connection: sqlite3.Connection, first: int, batch: Sequence[SharedDirectory]) -> None:
    with connection:
        connection.executemany(
            "INSERT INTO folders VALUES (?, ?, ?, ?, ?)",
            (
                (
                    number,
                    wire.raw(entry.directory.name),
                    int(entry.locked),
                    len(entry.directory.files),
                    min(sum(file.filesize for file in entry.directory.files), (1 << 63) - 1),
                )
                for number, entry in enumerate(batch, first)
            ),
        )
        connection.executemany(
            "INSERT INTO files VALUES (?, ?, ?, ?)",
            (
                (
                    number,
                    wire.raw(file.filename),
                    min(file.filesize, (1 << 63) - 1),
                    b"".join(_PAIR.pack(a.key, a.value) for a in file.attributes),
                )
                for number, entry in enumerate(batch, first)
                for file in entry.directory.files
            ),
        )
        _grow(connection, batch)


def _grow(connection: sqlite3.Connection, batch: Sequence[SharedDirectory]) -> None:
    """Put folders into the tree, and what they hold onto all that are above them."""
    sums: dict[bytes, list[int]] = {}
    for entry in batch:
        path = wire.raw(entry.directory.name)
        files = entry.directory.files
        size = sum(file.filesize for file in files)
        while path:
            place = sums.setdefault(path, [0, 0, 0, 0])
            place[1 if entry.locked else 0] += 1
            place[2] += len(files)
            place[3] += size
            path = path.rpartition(b"\\")[0]
    known = connection.execute
    fresh = [path for path in sums if known("SELECT 1 FROM tree WHERE path = ?", (path,)).fetchone() is None]
    connection.executemany(
        "INSERT INTO tree VALUES (?, ?, ?, ?, ?, ?, 0) ON CONFLICT (path) DO UPDATE SET"
        " open = open + excluded.open, locked = locked + excluded.locked, below = below + excluded.below,"
        " bytes = MIN(bytes + excluded.bytes, 9000000000000000000)",
        (
            (path, path.rpartition(b"\\")[0], open_, locked, files, min(size, 9_000_000_000_000_000_000))
            for path, (open_, locked, files, size) in sums.items()
        ),
    )
    connection.executemany(
        "UPDATE tree SET children = children + 1 WHERE path = ?",
        ((path.rpartition(b"\\")[0],) for path in fresh),
    )


def _on_nothing(work: Callable[[sqlite3.Connection], T]) -> T:
    """Ask an index in which nothing is yet."""
    connection = sqlite3.connect(":memory:")
    try:
        connection.executescript(_SCHEMA)
        return work(connection)
    finally:
        connection.close()


def _folder(row: Sequence[Any]) -> Folder:
    number, name, files, size, locked = row
    return Folder(number, wire.text(name), files, size, bool(locked))


def _branch(row: Sequence[Any]) -> Branch:
    path, folders, files, size, below, total, locked = row
    return Branch(wire.text(path), folders, files, size, below, total, bool(locked))


def _file(folder: str, row: Sequence[Any]) -> FoundFile:
    name, size, attributes = row
    # Joined as bytes: the peer wants back what it sent, whatever its encoding.
    path = wire.text(wire.raw(folder) + b"\\" + name) if folder else wire.text(name)
    return FoundFile(path, size, tuple(_PAIR.iter_unpack(attributes)))
