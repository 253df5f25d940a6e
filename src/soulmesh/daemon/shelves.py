"""When lists of finished transfers are written to a file, and what is known to have changed since.

The list itself is a :class:`~soulmesh.daemon.shelf.Shelf`, mostly over a file that is written now and then.
Which folders changed since it was written stands in the database itself, from the transaction of the change:
the file may be old, but never wrong.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from soulmesh import log
from soulmesh.daemon.shelf import Folder, Row, Shelf, compose
from soulmesh.daemon.store import Store

__all__ = ["EVERYTHING", "LISTED", "Kind", "Shelves", "marked"]

logger = log.get("daemon.shelf")

WORTH_A_FILE = 2000
"""Transfers below which the database is quick enough."""
TOO_MANY_CHANGED = 200
"""Folders that changed since, from which on the file is written anew."""
TOO_MANY_ADDED = 2000
"""Transfers that ended since and are kept in memory, from which on the file is written anew."""

_ROWS = "SELECT username, directory, body, removed, number FROM transfers WHERE direction = ? AND removed = "
_OF_FOLDER = " AND username = ? AND directory = ?"
_ONE = "SELECT 1 FROM transfers WHERE direction = ? AND removed = "
_ORDER = " ORDER BY username, directory, number"


def marked(body: bytes, removed: int) -> bytes:
    """The JSON of a transfer, saying whether it is listed no more."""
    return body.replace(b'"removed":false', b'"removed":true', 1) if removed else body


@dataclass(frozen=True, slots=True)
class Kind:
    """Which transfers a list has, and what the database knows of its file."""

    name: str
    """Of its file, and of the notes about it."""
    removed: bool
    """Whether those that are listed no more are in it as well."""

    def rows(self, db: sqlite3.Connection, direction: str, *folder: str) -> Iterator[Row]:
        """All of them, or those of one folder: by user and directory, in the order of their ends."""
        # Each half comes in order from an index of its own; none of it has to be sorted.
        query = " UNION ALL ".join(_ROWS + half + (_OF_FOLDER if folder else "") for half in self._halves)
        for row in db.execute(query + _ORDER, (direction, *folder) * len(self._halves)):
            yield row[0], row[1], marked(row[2], row[3])

    def changed_key(self, direction: str, *folder: str) -> str:
        """Of the note that a folder changed, or what all such keys begin with."""
        return f"{self.name} {direction} changed {json.dumps(folder) if folder else ''}"

    def folder_of(self, key: str, direction: str) -> Folder:
        """The folder that such a key means."""
        username, directory = json.loads(key.removeprefix(self.changed_key(direction)))
        return str(username), str(directory)

    def note_changed(
        self, db: sqlite3.Connection, direction: str, folders: Iterable[Folder], turn: str
    ) -> None:
        """Folders are not as the file has them any more."""
        notes = [(self.changed_key(direction, *folder), turn) for folder in folders]
        db.executemany("INSERT OR REPLACE INTO notes VALUES (?, ?)", notes)

    def noted(self, db: sqlite3.Connection, direction: str) -> tuple[str, dict[str, str]] | None:
        """The mark of the file that holds, and what changed since."""
        row = db.execute("SELECT value FROM notes WHERE key = ?", (self._key(direction),)).fetchone()
        return None if row is None else (str(row[0]), self._changes(db, direction))

    def state(self, db: sqlite3.Connection, direction: str, path: Path) -> tuple[bool, bool, dict[str, str]]:
        """Whether a file is worth it, whether there is none that will do, and what changed until now."""
        count = sum(
            db.execute(f"SELECT count(*) FROM ({_ONE}{half} LIMIT {WORTH_A_FILE})", (direction,)).fetchone()[
                0
            ]
            for half in self._halves
        )
        noted = self.noted(db, direction)
        if noted is None:
            # What changed since no file is of no use.
            self.forget_file(db, direction)
        changed = {} if noted is None else noted[1]
        stale = noted is None or len(changed) > TOO_MANY_CHANGED or not path.exists()
        return count >= WORTH_A_FILE, stale, changed

    def forget_file(self, db: sqlite3.Connection, direction: str) -> None:
        """No file holds any more."""
        db.execute("DELETE FROM notes WHERE key = ?", (self._key(direction),))
        db.executemany("DELETE FROM notes WHERE key = ?", [(key,) for key in self._changes(db, direction)])

    def note_file(
        self, db: sqlite3.Connection, direction: str, token: str, changed: Mapping[str, str]
    ) -> None:
        """A new file holds; what changed again while it was written is still to be read."""
        db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", (self._key(direction), token))
        db.executemany("DELETE FROM notes WHERE key = ? AND value = ?", list(changed.items()))

    @property
    def _halves(self) -> tuple[str, ...]:
        return ("0", "1") if self.removed else ("0",)

    def _key(self, direction: str) -> str:
        return f"{self.name} {direction}"

    def _changes(self, db: sqlite3.Connection, direction: str) -> dict[str, str]:
        """The notes of what changed since the file was written."""
        start = self.changed_key(direction)
        query = "SELECT key, value FROM notes WHERE key >= ? AND key < ?"
        return dict(db.execute(query, (start, start[:-1] + "!")).fetchall())


LISTED = Kind("listed", removed=False)
EVERYTHING = Kind("everything", removed=True)


class Shelves:
    """The shelf of each direction.

    Args:
        store: the database; the files are kept beside it.
        kind: which transfers are listed.
    """

    def __init__(self, store: Store, kind: Kind = LISTED) -> None:
        self._store = store
        self._kind = kind
        self._shelves: dict[str, Shelf] = {}
        self._loading: dict[str, asyncio.Lock] = {}
        self._late: dict[str, set[Folder]] = {}
        self._keeping = asyncio.Lock()
        self._cleared: Counter[str] = Counter()
        """Grows when what is being read is out of date."""
        self._dropped: Counter[str] = Counter()
        """Grows when no file holds any more."""
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
        value = self._turn()
        self._store.post(lambda db: self._kind.note_changed(db, direction, [(username, directory)], value))
        if direction in self._late:
            self._late[direction].add((username, directory))

    def _turn(self) -> str:
        """Tells one change from all others."""
        self._count += 1
        return f"{self._run} {self._count}"

    def clear(self, direction: str) -> None:
        """Nothing finished is listed any more."""
        self._cleared[direction] += 1
        self._drop_file(direction)
        self._shelves[direction] = Shelf.of()
        if direction in self._late:
            self._late[direction].clear()

    def _drop_file(self, direction: str) -> None:
        self._dropped[direction] += 1
        self._store.post(lambda db: self._kind.forget_file(db, direction))

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
        await self._keep_file(direction)
        await self.get(direction)

    async def _keep_file(self, direction: str) -> None:
        path = self._file(direction)
        if path is None:
            return
        # One after the other: two would write the same file.
        async with self._keeping:
            worth, stale, changed = await self._store.run(lambda db: self._kind.state(db, direction, path))
            shelf = self._shelves.get(direction)
            if worth and (stale or (shelf is not None and shelf.added > TOO_MANY_ADDED)):
                await self._renew(direction, path, changed)

    async def _renew(self, direction: str, path: Path, changed: dict[str, str]) -> None:
        """Write the file; it holds every change in ``changed``, and perhaps later ones."""
        dropped, token = self._dropped[direction], secrets.token_hex(8)
        try:
            await asyncio.to_thread(self._write, path, direction, token)
        except (OSError, sqlite3.Error) as error:
            logger.warning("the list of finished transfers could not be kept", reason=str(error))
            return
        # With the file before went the notes of what changed since: the new one may lack some of that.
        if self._dropped[direction] == dropped:
            await self._store.run(lambda db: self._kind.note_file(db, direction, token, changed))
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
                noted = await self._store.run(lambda db: self._kind.noted(db, direction))
                if noted is not None:
                    token, changed = noted
                    found = await asyncio.to_thread(Shelf.read, path, token)
                    if found is not None:
                        found.stale |= {self._kind.folder_of(key, direction) for key in changed}
            if found is None:
                self._dropped[direction] += 1
                found = await self._store.run(lambda db: self._from_database(db, direction))
        finally:
            del self._late[direction]
        found.stale |= late
        if self._cleared[direction] == cleared:
            self._shelves[direction] = found

    async def _read_again(self, direction: str, shelf: Shelf) -> None:
        shelf.reading, shelf.stale = shelf.stale, set()
        wanted = list(shelf.reading)

        def read(db: sqlite3.Connection) -> list[list[bytes]]:
            return [[row[2] for row in self._kind.rows(db, direction, *folder)] for folder in wanted]

        try:
            found = await self._store.run(read)
        except BaseException:
            shelf.stale |= shelf.reading
            raise
        finally:
            shelf.reading = set()
        for (username, directory), bodies in zip(wanted, found, strict=True):
            shelf.replace(username, directory, bodies)

    def _from_database(self, db: sqlite3.Connection, direction: str) -> Shelf:
        """In memory, where there is no file; whatever was there is none."""
        self._kind.forget_file(db, direction)
        return Shelf.of(self._kind.rows(db, direction))

    def _write(self, path: Path, direction: str, token: str) -> None:
        """From a connection of its own, so that nobody waits."""
        beside = path.with_name(f".{path.name}.new")
        db = sqlite3.connect(f"file:{self._store.path}?mode=ro", uri=True)
        try:
            with beside.open("wb") as file:
                compose(file, self._kind.rows(db, direction), token)
            os.replace(beside, path)
        finally:
            db.close()
            beside.unlink(missing_ok=True)

    def _file(self, direction: str) -> Path | None:
        if self._store.path is None:
            return None
        return self._store.path.with_name(f"{self._kind.name}-{direction}.json")
