"""Finished transfers as they are listed: their JSON, ready on disk, and what changed since in memory.

A list of a hundred thousand transfers is some 50 MB of JSON. It is put together once and kept in a file
beside the database, just as it will be sent; the file is mapped, so that a list of all of it is a few long
slices, and the memory is the system's. What ended since is kept by folder, as its JSON too: a folder that
changed is written around its slice of the file, and all others are sent as they lie there. Which folders
changed since the file was written stands in the database itself, from the transaction of the change: the
file may be old, but never wrong.
"""

from __future__ import annotations

import asyncio
import io
import json
import mmap
import os
import secrets
import sqlite3
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any, BinaryIO, Self

from soulmesh import log
from soulmesh.daemon.store import Store
from soulmesh.daemon.written import to_json

__all__ = ["Folders", "Piece", "Shelf", "Shelves"]

logger = log.get("daemon.shelf")

WORTH_A_FILE = 2000
"""Transfers below which the database is quick enough."""
TOO_MANY_CHANGED = 200
"""Folders that changed since, from which on the file is written anew."""
TOO_MANY_ADDED = 2000
"""Transfers that ended since and are kept in memory, from which on the file is written anew."""

Folders = dict[str, list[bytes]]
"""The transfers of one user by directory, each written as JSON."""
Piece = bytes | memoryview
"""A part of an answer."""
Folder = tuple[str, str]
"""A user and a directory."""

_LOOK = 1 << 20

_LISTED = (
    "SELECT username, directory, body FROM transfers WHERE direction = ? AND removed = 0{where}"
    " ORDER BY username, directory, number"
)
_OF_FOLDER = _LISTED.format(where=" AND username = ? AND directory = ?")


def _user_head(username: str) -> bytes:
    return b'{"username":%s,"directories":[' % to_json(username)


def _folder_head(directory: str, count: int) -> bytes:
    return b'{"directory":%s,"fileCount":%d,"files":[' % (to_json(directory), count)


_END = b"]}"


@dataclass(slots=True)
class _Changed:
    """A folder that is not as the file has it; without files it is not listed."""

    count: int
    files: list[Piece]


@dataclass(slots=True)
class _User:
    """The folders of a user: where they lie in the file, and which have changed."""

    numbers: dict[str, int] = field(default_factory=dict)
    counts: list[int] = field(default_factory=list)
    starts: Sequence[int] = (0,)
    """Of each folder, and one behind the last one's comma."""
    changed: dict[str, _Changed] = field(default_factory=dict)


class Shelf:
    """The finished transfers of one direction that are listed, over the file or over the same in memory."""

    def __init__(self, data: memoryview, index: Mapping[str, list[Any]]) -> None:
        self._data = data
        self._numbers = {str(name): number for number, name in enumerate(index["users"])}
        self._starts = _sums(0, index["entries"])
        self._places = _sums(self._starts[-1], index["folders"])
        if len(self._starts) != len(self._numbers) + 1 or len(self._places) != len(self._starts):
            raise ValueError("the index is not whole")
        self._opened: dict[str, _User] = {}
        self.stale: set[Folder] = set()
        """Folders that have to be read again before anything is listed."""
        self.reading: set[Folder] = set()
        """Those among them that are being read."""
        self.version = secrets.token_hex(8)
        """Another one for other contents."""
        self.added = 0
        """Transfers that are kept in memory, since the file does not have them."""

    @classmethod
    def of(cls, rows: Iterable[tuple[str, str, bytes]], token: str = "") -> Self:
        """In memory alone: username, directory and body of each transfer, in the order of the list."""
        file = io.BytesIO()
        _compose(file, rows, token)
        return cls(*_parts(memoryview(file.getvalue()), token))

    def add(self, username: str, directory: str, body: bytes) -> None:
        """One more transfer ended."""
        if (username, directory) in self.stale:
            return
        if (username, directory) in self.reading:
            self.stale.add((username, directory))
            return
        self.version = secrets.token_hex(8)
        user = self._open(username)
        changed = user.changed.setdefault(directory, self._with(user, directory, ()))
        changed.files.append(body)
        changed.count += 1
        self.added += 1

    def replace(self, username: str, directory: str, bodies: list[bytes]) -> None:
        """This is all that a folder holds."""
        self.version = secrets.token_hex(8)
        self._open(username).changed[directory] = _Changed(len(bodies), list(bodies))
        self.added += len(bodies)

    def pieces(self, live: Mapping[str, Folders]) -> list[Piece]:
        """All users as one JSON array, with what is under way."""
        special = {**dict.fromkeys(self._opened), **dict.fromkeys(live)}
        known = sorted((name for name in special if name in self._numbers), key=self._numbers.__getitem__)
        entries: list[list[Piece]] = []
        at = 0
        for username in known:
            number = self._numbers[username]
            entries += self._run(self._starts, at, number)
            entries.append(self.user(username, live.get(username, {})))
            at = number + 1
        entries += self._run(self._starts, at, len(self._numbers))
        entries += [self.user(name, live.get(name, {})) for name in special if name not in self._numbers]
        return [b"[", *_joined(entries), b"]"]

    def user(self, username: str, live: Folders) -> list[Piece]:
        """The entry of one user; empty if nothing is listed."""
        number = self._numbers.get(username)
        if username not in self._opened and not live:
            return [] if number is None else [self._slice(self._starts, number, number + 1)]
        user = self._open(username)
        special = {**dict.fromkeys(user.changed), **dict.fromkeys(live)}
        known = sorted((name for name in special if name in user.numbers), key=user.numbers.__getitem__)
        folders: list[list[Piece]] = []
        at = 0
        for directory in known:
            folders += self._run(user.starts, at, user.numbers[directory])
            folders.append(self._folder(user, directory, live))
            at = user.numbers[directory] + 1
        folders += self._run(user.starts, at, len(user.numbers))
        folders += [self._folder(user, name, live) for name in special if name not in user.numbers]
        listed = list(_joined(folders))
        return [_user_head(username), *listed, _END] if listed else []

    def _folder(self, user: _User, directory: str, live: Folders) -> list[Piece]:
        found = self._with(user, directory, live.get(directory, ()))
        if not found.count:
            return []
        return [_folder_head(directory, found.count), *_joined([[file] for file in found.files]), _END]

    def _with(self, user: _User, directory: str, bodies: Sequence[bytes]) -> _Changed:
        """The files of a folder and some more; those of the file are one piece."""
        changed = user.changed.get(directory)
        if changed is not None:
            return _Changed(changed.count + len(bodies), [*changed.files, *bodies])
        number = user.numbers.get(directory)
        if number is None:
            return _Changed(len(bodies), list(bodies))
        entry, count = self._slice(user.starts, number, number + 1), user.counts[number]
        files = entry[len(_folder_head(directory, count)) : -len(_END)]
        return _Changed(count + len(bodies), [files, *bodies])

    def _open(self, username: str) -> _User:
        """A user's folders one by one, from now on."""
        user = self._opened.get(username)
        if user is None:
            user = _User()
            number = self._numbers.get(username)
            if number is not None:
                found = json.loads(bytes(self._data[self._places[number] : self._places[number + 1]]))
                start = self._starts[number] + len(_user_head(username))
                user.numbers = {name: place for place, name in enumerate(found["names"])}
                user.counts = found["counts"]
                user.starts = _sums(start, found["lengths"])
            self._opened[username] = user
        return user

    def _run(self, starts: Sequence[int], first: int, behind: int) -> list[list[Piece]]:
        """Neighbours in the file that are sent as they lie there."""
        return [[self._slice(starts, first, behind)]] if first < behind else []

    def _slice(self, starts: Sequence[int], first: int, behind: int) -> memoryview:
        return self._data[starts[first] : starts[behind] - 1]


class Shelves:
    """The shelf of each direction.

    Args:
        store: the database; the files are kept beside it.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shelves: dict[str, Shelf] = {}
        self._loading: dict[str, asyncio.Lock] = {}
        self._late: dict[str, set[Folder]] = {}
        self._keeping = asyncio.Lock()
        self._cleared: Counter[str] = Counter()
        self._run, self._count = secrets.token_hex(8), 0

    def add(self, direction: str, username: str, directory: str, body: bytes) -> None:
        """A transfer has ended; that was posted to the database."""
        self._note(direction, username, directory)
        shelf = self._shelves.get(direction)
        if shelf is not None:
            shelf.add(username, directory, body)

    def change(self, direction: str, username: str, directory: str) -> None:
        """Something else about the finished transfers of a folder was posted to the database."""
        self._note(direction, username, directory)
        shelf = self._shelves.get(direction)
        if shelf is not None:
            shelf.stale.add((username, directory))

    def _note(self, direction: str, username: str, directory: str) -> None:
        self._count += 1
        key, value = _changed_key(direction, username, directory), f"{self._run} {self._count}"
        self._store.post(lambda db: db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (key, value)))
        if direction in self._late:
            self._late[direction].add((username, directory))

    def clear(self, direction: str) -> None:
        """Nothing finished is listed any more."""
        self._cleared[direction] += 1
        self._store.post(lambda db: _forget_file(db, direction))
        self._shelves[direction] = _empty()
        if direction in self._late:
            self._late[direction].clear()

    def forget(self, direction: str) -> None:
        """Read everything again when somebody asks."""
        self._shelves.pop(direction, None)

    async def get(self, direction: str) -> Shelf:
        """The shelf as it is now; true until the next ``await``."""
        shelf = self._shelves.get(direction)
        # What somebody else is reading again just now is not true yet either.
        while shelf is None or shelf.stale or shelf.reading:
            async with self._loading.setdefault(direction, asyncio.Lock()):
                if direction not in self._shelves:
                    await self._load(direction)
                shelf = self._shelves.get(direction)
                if shelf is not None and shelf.stale:
                    await self._read_again(direction, shelf)
            # It may have been cleared, or changed again, while it was read.
            shelf = self._shelves.get(direction)
        return shelf

    async def keep(self, direction: str) -> None:
        """Have the list at hand: write the file if that is worth it and it is not there or too old, and
        read where everything is in it."""
        path = self._file(direction)
        if path is not None:
            # One after the other: two would write the same file.
            async with self._keeping:
                worth, stale, changed = await self._store.run(lambda db: _state(db, direction, path))
                shelf = self._shelves.get(direction)
                if worth and (stale or (shelf is not None and shelf.added > TOO_MANY_ADDED)):
                    await self._renew(direction, path, changed)
        await self.get(direction)

    async def _renew(self, direction: str, path: Path, changed: dict[str, str]) -> None:
        """Write the file; it holds every change in ``changed``, and perhaps later ones."""
        cleared, token = self._cleared[direction], secrets.token_hex(8)
        try:
            await asyncio.to_thread(_write, self._store.path, path, direction, token)
        except (OSError, sqlite3.Error) as error:
            logger.warning("the list of finished transfers could not be kept", reason=str(error))
            return
        if self._cleared[direction] == cleared:
            await self._store.run(lambda db: _note_file(db, direction, token, changed))
            self.forget(direction)

    # -- reading

    async def _load(self, direction: str) -> None:
        late: set[Folder] = set()
        self._late[direction] = late
        cleared = self._cleared[direction]
        path = self._file(direction)
        try:
            found = None
            if path is not None:
                noted = await self._store.run(lambda db: _noted(db, direction))
                if noted is not None:
                    token, changed = noted
                    found = await asyncio.to_thread(_read, path, token)
                    if found is not None:
                        found.stale |= {_folder_of(key, direction) for key in changed}
            if found is None:
                found = await self._store.run(lambda db: _from_database(db, direction))
        finally:
            del self._late[direction]
        found.stale |= late
        if self._cleared[direction] == cleared:
            self._shelves[direction] = found

    async def _read_again(self, direction: str, shelf: Shelf) -> None:
        shelf.reading, shelf.stale = shelf.stale, set()
        wanted = list(shelf.reading)

        def read(db: sqlite3.Connection) -> list[list[bytes]]:
            return [[row[2] for row in db.execute(_OF_FOLDER, (direction, *folder))] for folder in wanted]

        try:
            found = await self._store.run(read)
        except BaseException:
            shelf.stale |= shelf.reading
            raise
        finally:
            shelf.reading = set()
        for (username, directory), bodies in zip(wanted, found, strict=True):
            shelf.replace(username, directory, bodies)

    def _file(self, direction: str) -> Path | None:
        return None if self._store.path is None else self._store.path.with_name(f"listed-{direction}.json")


# -- the file: the entries of all users, where the folders of each are in it, and where those of each user


def _compose(file: BinaryIO, rows: Iterable[tuple[str, str, bytes]], token: str) -> None:
    """Write all that is listed, in the order of ``rows``: by user and directory."""
    users: list[str] = []
    entries: list[int] = []
    places: list[bytes] = []
    for username, of_user in groupby(rows, key=lambda row: row[0]):
        if users:
            file.write(b",")
        names: list[str] = []
        counts: list[int] = []
        lengths: list[int] = []
        head = _user_head(username)
        file.write(head)
        for directory, of_folder in groupby(of_user, key=lambda row: row[1]):
            if names:
                file.write(b",")
            bodies = [row[2] for row in of_folder]
            entry = b"%s%s%s" % (_folder_head(directory, len(bodies)), b",".join(bodies), _END)
            file.write(entry)
            names.append(directory)
            counts.append(len(bodies))
            lengths.append(len(entry) + 1)
        file.write(_END)
        users.append(username)
        # A comma follows each folder but the last, and each user but the last.
        entries.append(len(head) + sum(lengths) - 1 + len(_END) + 1)
        places.append(to_json({"names": names, "counts": counts, "lengths": lengths}))
    # What is behind the last user stands for its comma.
    file.write(b"\n" if users else b"")
    file.writelines(places)
    index = {"token": token, "users": users, "entries": entries, "folders": [len(one) for one in places]}
    text = to_json(index)
    file.write(text)
    file.write(len(text).to_bytes(8, "big"))


def _parts(data: memoryview, token: str) -> tuple[memoryview, dict[str, list[Any]]]:
    """What :func:`_compose` wrote, and the index in it; ValueError and others if it is something else."""
    size = int.from_bytes(data[-8:], "big")
    index = json.loads(bytes(data[-8 - size : -8]))
    if index["token"] != token:
        raise ValueError("an older file")
    return data, index


def _write(database: Path | None, path: Path, direction: str, token: str) -> None:
    """From a connection of its own, so that nobody waits."""
    beside = path.with_name(f".{path.name}.new")
    db = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        with beside.open("wb") as file:
            _compose(file, db.execute(_LISTED.format(where=""), (direction,)), token)
        os.replace(beside, path)
    finally:
        db.close()
        beside.unlink(missing_ok=True)


def _read(path: Path, token: str) -> Shelf | None:
    try:
        with path.open("rb", buffering=0) as file:
            # Mapped, not read: the memory is the system's, who may have it back.
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
            found = Shelf(*_parts(data, token))
            # Looked through once, here in a thread: who asks first does not wait for the disk.
            taken = bytearray(_LOOK)
            for start in range(0, len(data), _LOOK):
                file.readinto(taken)
                bytes(data[start : start + _LOOK : mmap.PAGESIZE])
            return found
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None


def _from_database(db: sqlite3.Connection, direction: str) -> Shelf:
    """The same in memory, where there is no file; whatever was there is none."""
    _forget_file(db, direction)
    return Shelf.of(db.execute(_LISTED.format(where=""), (direction,)))


def _empty() -> Shelf:
    return Shelf(memoryview(b""), {"users": [], "entries": [], "folders": []})


def _sums(start: int, lengths: Sequence[int]) -> array[int]:
    """Where each begins of some that follow each other, and where the last one ends."""
    return array("Q", accumulate(lengths, initial=start))


def _joined(parts: Iterable[list[Piece]]) -> Iterator[Piece]:
    """With commas between; those without pieces are left out."""
    first = True
    for part in parts:
        if part:
            if not first:
                yield b","
            yield from part
            first = False


def _key(direction: str) -> str:
    return f"listed {direction}"


def _changed_key(direction: str, *folder: str) -> str:
    return f"listed {direction} changed {json.dumps(folder) if folder else ''}"


def _folder_of(key: str, direction: str) -> Folder:
    username, directory = json.loads(key.removeprefix(_changed_key(direction)))
    return str(username), str(directory)


def _changes(db: sqlite3.Connection, direction: str) -> dict[str, str]:
    """The notes of what changed since the file was written."""
    start = _changed_key(direction)
    query = "SELECT key, value FROM notes WHERE key >= ? AND key < ?"
    return dict(db.execute(query, (start, start[:-1] + "!")).fetchall())


def _noted(db: sqlite3.Connection, direction: str) -> tuple[str, dict[str, str]] | None:
    """The mark of the file that holds, and what changed since."""
    row = db.execute("SELECT value FROM notes WHERE key = ?", (_key(direction),)).fetchone()
    return None if row is None else (str(row[0]), _changes(db, direction))


def _state(db: sqlite3.Connection, direction: str, path: Path) -> tuple[bool, bool, dict[str, str]]:
    """Whether a file is worth it, whether there is none that will do, and what changed until now."""
    count = db.execute(
        "SELECT count(*) FROM (SELECT 1 FROM transfers WHERE direction = ? AND removed = 0 LIMIT ?)",
        (direction, WORTH_A_FILE),
    ).fetchone()[0]
    noted, changed = _noted(db, direction), _changes(db, direction)
    stale = noted is None or len(changed) > TOO_MANY_CHANGED or not path.exists()
    return count >= WORTH_A_FILE, stale, changed


def _forget_file(db: sqlite3.Connection, direction: str) -> None:
    db.execute("DELETE FROM notes WHERE key = ?", (_key(direction),))
    db.executemany("DELETE FROM notes WHERE key = ?", [(key,) for key in _changes(db, direction)])


def _note_file(db: sqlite3.Connection, direction: str, token: str, changed: Mapping[str, str]) -> None:
    """A new file holds; what changed again while it was written is still to be read."""
    db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (_key(direction), token))
    db.executemany("DELETE FROM notes WHERE key = ? AND value = ?", list(changed.items()))
