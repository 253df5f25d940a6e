"""Finished transfers as they are listed: the bytes of each user's entry, in memory or ready on disk.

A list of a hundred thousand transfers is some 50 MB of JSON. It is put together once, user by user, and
kept in a file beside the database; who asks for the list after a long time gets it out of that file, and
only the entries of users with whom something ended since are read from the database. Which these are
stands in the database itself, from the transaction of the change: the file may be old, but never wrong.
"""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from pydantic_core import to_json

from soulmesh import log
from soulmesh.daemon.store import Store

__all__ = ["Folders", "Shelf", "Shelves", "user_entry"]

logger = log.get("daemon.shelf")

WORTH_A_FILE = 2000
"""Transfers below which the database is quick enough."""
TOO_MANY_CHANGED = 200
"""Users whose entries changed, from which on the file is written anew."""

Folders = dict[str, list[bytes]]
"""The transfers of one user by directory, each written as JSON."""

_LISTED = (
    "SELECT username, directory, body FROM transfers WHERE direction = ? AND removed = 0{where}"
    " ORDER BY username, directory, number"
)


def user_entry(username: str, folders: Folders) -> bytes:
    """One user of a list, put together from the bodies of transfers."""
    parts = [
        b'{"directory":%s,"fileCount":%d,"files":[%s]}' % (to_json(name), len(files), b",".join(files))
        for name, files in folders.items()
    ]
    return b'{"username":%s,"directories":[%s]}' % (to_json(username), b",".join(parts))


@dataclass(slots=True)
class Shelf:
    """The finished transfers of one direction that are listed."""

    entries: dict[str, bytes | memoryview] = field(default_factory=dict)
    """By user, in the order of the list."""
    folders: dict[str, Folders] = field(default_factory=dict)
    """Taken apart again, for users with whom something is under way as well."""
    changed: set[str] = field(default_factory=set)
    """Users whose entries are to be read again."""


class Shelves:
    """The shelf of each direction.

    Args:
        store: the database; the files are kept beside it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shelves: dict[str, Shelf] = {}
        self._loading: dict[str, asyncio.Lock] = {}
        self._late: dict[str, set[str]] = {}
        self._changes: dict[str, int] = {}

    def change(self, direction: str, username: str) -> None:
        """Something about a finished transfer with this user was posted to the database."""
        self._changes[direction] = self._changes.get(direction, 0) + 1
        key = _changed_key(direction, username)
        self._store.post(lambda db: db.execute("INSERT OR IGNORE INTO notes VALUES (?, '')", (key,)))
        shelf = self._shelves.get(direction)
        if shelf is not None:
            shelf.changed.add(username)
        if direction in self._late:
            self._late[direction].add(username)

    def clear(self, direction: str) -> None:
        """Nothing finished is listed any more."""
        self._changes[direction] = self._changes.get(direction, 0) + 1
        self._store.post(lambda db: _forget_file(db, direction))
        self._shelves[direction] = Shelf()
        if direction in self._late:
            self._late[direction].clear()

    def forget(self, direction: str) -> None:
        """Nobody asks for it: give the memory back."""
        self._shelves.pop(direction, None)

    async def get(self, direction: str) -> Shelf:
        """The shelf as it is now; true until the next ``await``."""
        shelf = self._shelves.get(direction)
        while shelf is None or shelf.changed:
            async with self._loading.setdefault(direction, asyncio.Lock()):
                if direction not in self._shelves:
                    await self._load(direction)
                shelf = self._shelves[direction]
                if shelf.changed:
                    await self._read_again(direction, shelf)
            # It may have been cleared, or changed again, while it was read.
            shelf = self._shelves.get(direction)
        return shelf

    async def take_apart(self, direction: str, shelf: Shelf, usernames: Iterable[str]) -> None:
        """See to it that ``shelf.folders`` holds these users."""
        found = await self._users(direction, usernames)
        for username, folders in found.items():
            if username not in shelf.changed:
                shelf.folders[username] = folders

    async def keep(self, direction: str) -> None:
        """Write the file, if that is worth it and it is not there or too old."""
        path = self._file(direction)
        if path is None:
            return
        worth, stale = await self._store.run(lambda db: _state(db, direction, path))
        if not worth or not stale:
            return
        before = self._changes.get(direction, 0)
        token = secrets.token_hex(8)
        try:
            await asyncio.to_thread(_write, self._store.path, path, direction, token)
        except (OSError, sqlite3.Error) as error:
            logger.warning("the list of finished transfers could not be kept", reason=str(error))
            return
        if self._changes.get(direction, 0) == before:
            await self._store.run(lambda db: _note_file(db, direction, token))

    # -- reading

    async def _load(self, direction: str) -> None:
        late: set[str] = set()
        self._late[direction] = late
        path = self._file(direction)
        try:
            found = None
            if path is not None:
                noted = await self._store.run(lambda db: _noted(db, direction))
                if noted is not None:
                    token, changed = noted
                    found = await asyncio.to_thread(_read, path, token)
                    if found is not None:
                        found.changed |= changed
            if found is None:
                found = await self._store.run(lambda db: _from_database(db, direction))
        finally:
            del self._late[direction]
        found.changed |= late
        # Unless it was cleared meanwhile.
        self._shelves.setdefault(direction, found)

    async def _read_again(self, direction: str, shelf: Shelf) -> None:
        names, shelf.changed = shelf.changed, set()
        found = await self._users(direction, names)
        for username in names:
            shelf.folders.pop(username, None)
            folders = found.get(username)
            if folders is None:
                shelf.entries.pop(username, None)
            else:
                shelf.entries[username] = user_entry(username, folders)

    async def _users(self, direction: str, usernames: Iterable[str]) -> dict[str, Folders]:
        wanted = list(usernames)

        def read(db: sqlite3.Connection) -> dict[str, Folders]:
            query = _LISTED.format(where=" AND username = ?")
            found: dict[str, Folders] = {}
            for username in wanted:
                found.update(_grouped(db.execute(query, (direction, username))))
            return found

        return await self._store.run(read)

    def _file(self, direction: str) -> Path | None:
        return None if self._store.path is None else self._store.path.with_name(f"listed-{direction}.json")


def _grouped(rows: Iterable[tuple[str, str, bytes]]) -> Iterator[tuple[str, Folders]]:
    for username, of_user in groupby(rows, key=lambda row: row[0]):
        folders: Folders = {}
        for _, directory, body in of_user:
            folders.setdefault(directory, []).append(body)
        yield username, folders


def _from_database(db: sqlite3.Connection, direction: str) -> Shelf:
    rows = db.execute(_LISTED.format(where=""), (direction,))
    return Shelf({username: user_entry(username, folders) for username, folders in _grouped(rows)})


# -- the file: the entries, then where each is, then the length of that


def _write(database: Path | None, path: Path, direction: str, token: str) -> None:
    """From a connection of its own, so that nobody waits."""
    beside = path.with_name(f".{path.name}.new")
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    places: list[tuple[str, int]] = []
    try:
        with beside.open("wb") as file:
            for username, folders in _grouped(db.execute(_LISTED.format(where=""), (direction,))):
                entry = user_entry(username, folders)
                file.write(entry)
                places.append((username, len(entry)))
            index = json.dumps({"token": token, "places": places}).encode()
            file.write(index)
            file.write(len(index).to_bytes(8, "big"))
        os.replace(beside, path)
    finally:
        db.close()
        beside.unlink(missing_ok=True)


def _read(path: Path, token: str) -> Shelf | None:
    try:
        with path.open("rb") as file:
            # Mapped, not read: what is not asked for costs nothing, and the system may have the memory back.
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        size = int.from_bytes(data[-8:], "big")
        index = json.loads(bytes(data[-8 - size : -8]))
        if index["token"] != token:
            return None
        entries: dict[str, bytes | memoryview] = {}
        start = 0
        for username, length in index["places"]:
            entries[username] = data[start : start + length]
            start += length
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Shelf(entries)


def _key(direction: str) -> str:
    return f"listed {direction}"


def _changed_key(direction: str, username: str) -> str:
    return f"listed {direction} changed {username}"


def _noted(db: sqlite3.Connection, direction: str) -> tuple[str, set[str]] | None:
    """The mark of the file that holds, and the users whose entries changed since."""
    row = db.execute("SELECT value FROM notes WHERE key = ?", (_key(direction),)).fetchone()
    if row is None:
        return None
    start = _changed_key(direction, "")
    rows = db.execute("SELECT key FROM notes WHERE key >= ? AND key < ?", (start, start[:-1] + "!"))
    return str(row[0]), {str(key)[len(start) :] for (key,) in rows}


def _state(db: sqlite3.Connection, direction: str, path: Path) -> tuple[bool, bool]:
    """Whether a file is worth it, and whether there is none that will do."""
    count = db.execute(
        "SELECT count(*) FROM (SELECT 1 FROM transfers WHERE direction = ? AND removed = 0 LIMIT ?)",
        (direction, WORTH_A_FILE),
    ).fetchone()[0]
    noted = _noted(db, direction)
    return count >= WORTH_A_FILE, noted is None or len(noted[1]) > TOO_MANY_CHANGED or not path.exists()


def _forget_file(db: sqlite3.Connection, direction: str) -> None:
    start = _changed_key(direction, "")
    db.execute("DELETE FROM notes WHERE key = ?", (_key(direction),))
    db.execute("DELETE FROM notes WHERE key >= ? AND key < ?", (start, start[:-1] + "!"))


def _note_file(db: sqlite3.Connection, direction: str, token: str) -> None:
    _forget_file(db, direction)
    db.execute("INSERT INTO notes VALUES (?, ?)", (_key(direction), token))
