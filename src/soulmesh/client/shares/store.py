"""What is shared, as it was last seen on disk: one SQLite file, the source of truth.

The index is made from it and can be made again at any time. The writer is a
scan, one at a time; readers go on meanwhile (WAL). Names are blobs: the bytes
on disk are what a peer asks for.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from soulmesh.client.shares.build import FileRecord
from soulmesh.client.shares.kept import KeptRoots, keep_roots
from soulmesh.client.shares.model import (
    Audience,
    Named,
    Root,
    RootRefused,
    Symlinks,
    first_problem,
    remote_folder,
)
from soulmesh.errors import SoulmeshError

__all__ = ["Change", "Problem", "Store", "StoreDamaged", "StoreUnusable", "Writes", "damage_told"]

MIGRATIONS: Final = (
    """
    CREATE TABLE meta (key TEXT PRIMARY KEY, value) WITHOUT ROWID;
    CREATE TABLE roots (
        id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never used twice: files of a removed root stay in an index
        name BLOB NOT NULL UNIQUE,
        path BLOB NOT NULL UNIQUE,
        audience TEXT NOT NULL,
        exclude TEXT NOT NULL,
        hidden INTEGER NOT NULL,
        symlinks TEXT NOT NULL,
        online INTEGER NOT NULL DEFAULT 1,
        files INTEGER NOT NULL DEFAULT 0,
        scanned TEXT
    );
    CREATE TABLE folders (
        id INTEGER PRIMARY KEY,
        root INTEGER NOT NULL,
        remote BLOB NOT NULL,      -- below the root, parts joined by backslashes
        path BLOB NOT NULL,        -- below the root, as on disk
        UNIQUE (root, remote)
    );
    CREATE TABLE files (
        folder INTEGER NOT NULL,
        name BLOB NOT NULL,
        size INTEGER NOT NULL,
        mtime INTEGER NOT NULL,    -- nanoseconds
        inode INTEGER NOT NULL,
        attributes BLOB,           -- packed pairs; NULL: not read yet
        problem TEXT,
        PRIMARY KEY (folder, name)
    ) WITHOUT ROWID;
    CREATE TABLE changes (         -- since the base was written: keys alone, the state is above
        number INTEGER PRIMARY KEY AUTOINCREMENT,
        root INTEGER NOT NULL,
        folder BLOB NOT NULL,      -- as folders.remote
        name BLOB NOT NULL
    );
    CREATE TABLE problems (        -- folders and names that could not be taken, by root
        root INTEGER NOT NULL,
        path BLOB NOT NULL,
        reason TEXT NOT NULL,
        PRIMARY KEY (root, path)
    ) WITHOUT ROWID;
    """,
    """
    CREATE INDEX unread ON files (folder, name) WHERE attributes IS NULL;
    """,
    """
    CREATE INDEX unreadable ON files (folder, name) WHERE problem IS NOT NULL;
    """,
    """
    -- Told in a parser's words: the next scan reads them again, and says what is wrong with the file.
    UPDATE files SET attributes = NULL, problem = NULL WHERE problem IS NOT NULL;
    ALTER TABLE files ADD COLUMN passing INTEGER NOT NULL DEFAULT 0;  -- of a problem: see Reading.passing
    """,
    """
    ALTER TABLE roots ADD COLUMN named INTEGER NOT NULL DEFAULT 0;  -- by settings: see Named
    """,
    """
    -- A length of no second is one that an earlier version did not find: they are read again.
    UPDATE files SET attributes = NULL WHERE instr(attributes, x'0100000000000000');
    """,
)

_DAMAGE: Final = (
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    # Our statements are right: tables or columns that they do not find have been overwritten.
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_MISMATCH,
)
BUSY_SECONDS: Final = 30.0
ROWS_AT_ONCE: Final = 5000
PAUSE: Final = 0.005
"""Seconds."""
_BAD_NAME: Final = re.compile(rb"[\\/\x00-\x1f]")


class StoreUnusable(SoulmeshError):
    """The file of the shares cannot be opened; ``reason`` says why."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason
        if "disk is full" in reason:
            self.hint = "make room, or choose another folder with --data"

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class StoreDamaged(StoreUnusable):
    """The file is not what was written: overwritten, cut short, or of another kind."""

    hint = "soulmesh share scan puts it aside and begins a new one, with the same shared folders"


@contextmanager
def damage_told(path: Path) -> Iterator[None]:
    """What SQLite says of a damaged file becomes :class:`StoreDamaged`."""
    try:
        yield
    except sqlite3.Error as error:
        # Text that is no text has no code.
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code & 0xFF in _DAMAGE:
            raise StoreDamaged(path, str(error)) from error
        raise


@dataclass(frozen=True, slots=True)
class Change:
    """A file that appeared, changed or went since the base was written."""

    number: int
    root: int
    folder: bytes
    """Below the root, parts joined by backslashes."""
    name: bytes
    size: int | None
    """None: it is gone."""
    attributes: bytes


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that could not be read or shared."""

    path: str
    reason: str


class Store:
    """An open database. One per thread or process.

    Raises:
        StoreDamaged: not a database, or not all of one.
        StoreUnusable: from a newer version, or not readable.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.is_dir():
            raise StoreDamaged(path, "it is a folder")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._db = sqlite3.connect(
                path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
        except (sqlite3.Error, OSError) as error:
            raise StoreUnusable(path, str(error)) from error
        try:
            with damage_told(path):
                self._db.execute("PRAGMA journal_mode=WAL")
                self._db.execute("PRAGMA synchronous=NORMAL")
                self._db.execute("PRAGMA cache_size=-8000")
                self._migrate()
            self._inode = path.stat().st_ino
        except (sqlite3.Error, OSError) as error:
            self._db.close()
            raise StoreUnusable(path, str(error)) from error
        except StoreUnusable:
            self._db.close()
            raise

    def _migrate(self) -> None:
        with self.transaction():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > len(MIGRATIONS):
                raise StoreUnusable(self.path, "written by a newer version of soulmesh")
            for number in range(version, len(MIGRATIONS)):
                for statement in _statements(MIGRATIONS[number]):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version={number + 1}")
            if self.get("identity") is None:
                self.set("identity", secrets.token_hex(8))

    @property
    def identity(self) -> str:
        """Tells this database from one that lay here before: numbers in it began anew."""
        return f"{self.get('identity')}-{self._inode}"

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All of it or nothing."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # A full disk ends the transaction by itself.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def execute(self, statement: str, values: Iterable[Any] = ()) -> sqlite3.Cursor:
        """One statement, for the scanner's own work."""
        return self._db.execute(statement, tuple(values))

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]]) -> None:
        """One statement for many rows."""
        self._db.executemany(statement, rows)

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def check(self) -> None:
        """Read all of it once, and see whether it holds together: 0.2 s for a million files.

        Raises:
            StoreDamaged: it does not.
        """
        with damage_told(self.path):
            said = self._db.execute("PRAGMA quick_check(1)").fetchone()[0]
        if said != "ok":
            raise StoreDamaged(self.path, " ".join(said.split()))

    def replaced(self) -> bool:
        """Whether another file has the name now: this one was damaged and put aside."""
        try:
            return self.path.stat().st_ino != self._inode
        except OSError:
            return False

    # Single values

    def get(self, key: str, default: Any = None) -> Any:
        """A single value kept beside the tables."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return default if row is None else row[0]

    def set(self, key: str, value: Any) -> None:
        """Keep a single value."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))

    def data_version(self) -> int:
        """A number that moves when another connection has written."""
        version: int = self._db.execute("PRAGMA data_version").fetchone()[0]
        return version

    # Roots

    def roots(self) -> list[Root]:
        """All roots, in order of their names."""
        rows = self._db.execute(
            "SELECT id, name, path, audience, exclude, hidden, symlinks, online, files, scanned, named"
            " FROM roots ORDER BY name"
        )
        try:
            return [_as_root(row) for row in rows]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise StoreDamaged(self.path, f"a shared folder cannot be read: {error}") from error

    def save_root(self, root: Root) -> Root:
        """Add a root (``id`` 0), or change how one is offered. Its name and path stay.

        Raises:
            RootRefused: the name or the path is in use, the name cannot be one, or an exclusion
                that is new leaves out nothing.
        """
        if not root.name:
            raise RootRefused(root.path, "the name must not be empty")
        if _BAD_NAME.search(root.name) or root.name.strip() != root.name:
            raise RootRefused(root.path, "the name must have no slash, backslash or control character in it")
        problem = first_problem(
            root, {word for old in self.roots() if old.id == root.id for word in old.exclude}
        )
        if problem is not None:
            raise RootRefused(root.path, problem)
        if root.id:
            with self._roots_change():
                self._db.execute(
                    "UPDATE roots SET audience=?, exclude=?, hidden=?, symlinks=? WHERE id=?",
                    (
                        json.dumps(root.audience.as_json()),
                        json.dumps(root.exclude),
                        int(root.hidden),
                        root.symlinks.value,
                        root.id,
                    ),
                )
            return root
        for other in self.roots():
            if other.name == root.name:
                raise RootRefused(
                    root.path, f"the name {os.fsdecode(root.name)} is taken by {other.path}: choose another"
                )
            if other.path == root.path:
                raise RootRefused(root.path, f"is shared already, as {os.fsdecode(other.name)}")
        with self._roots_change():
            number = self.insert_root(root)
        return next(other for other in self.roots() if other.id == number)

    @contextmanager
    def _roots_change(self) -> Iterator[None]:
        """A change of the list of roots: counted, and written down outside of the database too."""
        with self.transaction():
            yield
            self.set("roots_revision", self.roots_revision + 1)
        self.keep_roots()

    @property
    def roots_revision(self) -> int:
        """How often the list of roots was changed."""
        found: int = self.get("roots_revision", 0)
        return found

    def bring_back_roots(self, kept: KeptRoots) -> None:
        """Make the list of roots what it was when it was written down outside; files are left as they are."""
        known = {root.id: root for root in self.roots()}
        with self.transaction():
            self._db.execute("DELETE FROM roots")
            for root in kept.roots:
                self.insert_root(root)
                before = known.get(root.id)
                if before is not None:
                    self._db.execute(
                        "UPDATE roots SET online = ?, files = ?, scanned = ? WHERE id = ?",
                        (int(before.online), before.files, before.scanned, root.id),
                    )
            self.reserve_roots(max(kept.last, self.last_root()))
            self.set("roots_revision", kept.revision)

    def insert_root(self, root: Root) -> int:
        """Write down a root, with its number if it has one; returns the number."""
        cursor = self._db.execute(
            "INSERT INTO roots (id, name, path, audience, exclude, hidden, symlinks, named)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                root.id or None,
                root.name,
                os.fsencode(root.path),
                json.dumps(root.audience.as_json()),
                json.dumps(root.exclude),
                int(root.hidden),
                root.symlinks.value,
                root.named.value,
            ),
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def name_root(self, number: int, named: Named) -> None:
        """Remember whether settings name a root."""
        with self._roots_change():
            self._db.execute("UPDATE roots SET named = ? WHERE id = ?", (named.value, number))

    def remove_root(self, number: int) -> None:
        """Stop sharing a root, at once; its files are swept out by the next scan. On disk nothing changes."""
        with self._roots_change():
            self._db.execute("DELETE FROM roots WHERE id = ?", (number,))

    def last_root(self) -> int:
        """The highest number that a root ever had."""
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = 'roots'").fetchone()
        return 0 if row is None else int(row[0])

    def reserve_roots(self, last: int) -> None:
        """New roots get higher numbers than this one."""
        self._db.execute("DELETE FROM sqlite_sequence WHERE name = 'roots'")
        self._db.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('roots', ?)", (last,))

    def keep_roots(self) -> None:
        """Write the roots down outside of the database too."""
        keep_roots(self.path, self.roots(), self.last_root(), self.roots_revision)

    def sweep(self, writes: Writes) -> int:
        """Forget everything about roots that are no longer shared; returns how many files that were."""
        if not self._db.execute("SELECT EXISTS (SELECT 1 FROM roots)").fetchone()[0]:
            return self._forget_all()
        files = 0
        gone = self._db.execute("SELECT DISTINCT root FROM folders WHERE root NOT IN (SELECT id FROM roots)")
        for (root,) in gone.fetchall():
            for (folder,) in self._db.execute("SELECT id FROM folders WHERE root = ?", (root,)).fetchall():
                count = self._db.execute("SELECT count(*) FROM files WHERE folder = ?", (folder,)).fetchone()[
                    0
                ]
                files += count
                if count:
                    writes.add("DELETE FROM files WHERE folder = ?", (folder,))
                writes.add("DELETE FROM folders WHERE id = ?", (folder,))
            for table in ("changes", "problems"):
                writes.add(f"DELETE FROM {table} WHERE root = ?", (root,))
            writes.add("DELETE FROM meta WHERE key = ?", (f"held_back:{root}",))
        writes.flush()
        return files

    def _forget_all(self) -> int:
        files: int = self._db.execute("SELECT count(*) FROM files").fetchone()[0]
        with self.transaction():
            for table in ("files", "folders", "changes", "problems"):
                self._db.execute(f"DELETE FROM {table}")
            self._db.execute("DELETE FROM meta WHERE key LIKE 'held_back:%'")
        return files

    def sweeping_left(self) -> bool:
        """Whether :meth:`sweep` has something to do."""
        found: int = self._db.execute(
            "SELECT EXISTS (SELECT 1 FROM folders WHERE root NOT IN (SELECT id FROM roots))"
        ).fetchone()[0]
        return bool(found)

    def set_online(self, number: int, online: bool) -> None:
        """Remember that a root is there, or away."""
        self._db.execute("UPDATE roots SET online = ? WHERE id = ?", (int(online), number))

    # Files

    def local_folder(self, root: int, remote: bytes) -> bytes | None:
        """The path on disk, below the root, of a folder given by its remote path below the root."""
        row = self._db.execute(
            "SELECT path FROM folders WHERE root = ? AND remote = ?", (root, remote)
        ).fetchone()
        return None if row is None else bytes(row[0])

    def file(self, root: int, remote: bytes, name: bytes) -> tuple[int, bytes | None, str | None] | None:
        """Size, packed attributes and problem of one file."""
        row = self._db.execute(
            "SELECT size, attributes, problem FROM files WHERE name = ?"
            " AND folder = (SELECT id FROM folders WHERE root = ? AND remote = ?)",
            (name, root, remote),
        ).fetchone()
        return None if row is None else (row[0], row[1], row[2])

    def folders(self, root: Root) -> Iterator[tuple[bytes, list[FileRecord]]]:
        """The folders of a root by remote path, with their files by name, as the index wants them.

        Folders that hold nothing, and nothing below them, are left out.
        """
        rows = self._db.execute("SELECT id, remote FROM folders WHERE root = ?", (root.id,)).fetchall()
        rows.sort(key=lambda row: remote_folder(root.name, row[1]))
        files = self._db.cursor()
        filled = {
            remote
            for (remote,) in files.execute(
                "SELECT remote FROM folders WHERE root = ? AND EXISTS"
                " (SELECT 1 FROM files WHERE folder = folders.id)",
                (root.id,),
            )
        }
        wanted = set(filled)
        for remote in filled:
            while remote:
                remote = remote.rpartition(b"\\")[0]
                if remote in wanted:
                    break
                wanted.add(remote)
        for number, remote in rows:
            if remote in wanted:
                files.execute(
                    "SELECT name, size, ifnull(attributes, x'') FROM files WHERE folder = ? ORDER BY name",
                    (number,),
                )
                yield remote_folder(root.name, remote), files.fetchall()

    def names(self, root: int) -> Iterator[tuple[bytes, list[bytes]]]:
        """The known folders of a root by their paths on disk below it, with the names of their files."""
        files = self._db.cursor()
        for number, path in self._db.execute(
            "SELECT id, path FROM folders WHERE root = ?", (root,)
        ).fetchall():
            rows = files.execute("SELECT name FROM files WHERE folder = ?", (number,)).fetchall()
            yield path, [name for (name,) in rows]

    def knows_folder(self, root: int, path: bytes) -> bool:
        """Whether a folder is known, given by its path on disk below the root."""
        return not path or self.local_folder(root, path.replace(b"/", b"\\")) == path

    def count_below(self, root: int, path: bytes) -> int:
        """How many files are known in a folder and below it."""
        start = path + b"/" if path else b""
        count: int = self._db.execute(
            "SELECT count(*) FROM files WHERE folder IN (SELECT id FROM folders WHERE root = ?"
            " AND (path = ? OR substr(path, 1, ?) = ?))",
            (root, path, len(start), start),
        ).fetchone()[0]
        return count

    def changes(self, after: int) -> list[Change]:
        """What changed since the base was written, behind the change with this number."""
        rows = self._db.execute(
            "SELECT c.number, c.root, c.folder, c.name, f.size, ifnull(f.attributes, x'')"
            " FROM changes c LEFT JOIN folders d ON d.root = c.root AND d.remote = c.folder"
            " LEFT JOIN files f ON f.folder = d.id AND f.name = c.name"
            " WHERE c.number > ? ORDER BY c.number",
            (after,),
        )
        return [Change(*row) for row in rows]

    def try_again(self, root: int, passing: int, chosen: Callable[[bytes], bool], writes: Writes) -> None:
        """Have files read again whose problems may have passed, of the kinds up to ``passing``, in the
        folders that are ``chosen`` by their paths below the root."""
        rows = self._db.execute(
            "SELECT d.path, f.folder, f.name FROM files f JOIN folders d ON d.id = f.folder"
            " WHERE f.problem IS NOT NULL AND f.passing BETWEEN 1 AND ? AND d.root = ?",
            (passing, root),
        )
        for path, *file in rows.fetchall():
            if chosen(path):
                writes.add("UPDATE files SET attributes = NULL WHERE folder = ? AND name = ?", file)

    def count_problems(self, root: Root) -> int:
        """How many :meth:`problems` there are."""
        count: int = self._db.execute(
            "SELECT (SELECT count(*) FROM problems WHERE root = :root) + (SELECT count(*) FROM files"
            " WHERE problem IS NOT NULL AND folder IN (SELECT id FROM folders WHERE root = :root))",
            {"root": root.id},
        ).fetchone()[0]
        return count

    def problem_at(self, root: int, path: bytes) -> tuple[bytes, str] | None:
        """What could not be taken of a path below a root, or of the nearest folder that it lies in."""
        while True:
            row = self._db.execute(
                "SELECT reason FROM problems WHERE root = ? AND path = ?", (root, path)
            ).fetchone()
            if row is not None:
                return path, row[0]
            if not path:
                return None
            path = path.rpartition(b"/")[0]

    def problems(self, root: Root) -> list[Problem]:
        """What could not be read in a root: folders first, then files."""
        found = [
            Problem(os.fsdecode(path), reason)
            for path, reason in self._db.execute(
                "SELECT path, reason FROM problems WHERE root = ? ORDER BY path", (root.id,)
            )
        ]
        rows = self._db.execute(
            "SELECT d.path, f.name, f.problem FROM folders d JOIN files f ON f.folder = d.id"
            " WHERE d.root = ? AND f.problem IS NOT NULL ORDER BY d.path, f.name",
            (root.id,),
        )
        found += [Problem(os.fsdecode(os.path.join(path, name)), reason) for path, name, reason in rows]
        return found


class Writes:
    """Rows on their way into the store, written in short transactions.

    SQLite has one writer at a time. A scan that held that place for as long as it
    lasts would stop whoever adds a folder or notes that a drive is gone; so it
    collects rows, and holds it for some hundredths of a second now and then.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: list[tuple[str, list[Sequence[Any]]]] = []
        self._rows = 0

    def add(self, statement: str, row: Sequence[Any]) -> None:
        """One row, to be written in the order in which rows came."""
        if self._waiting and self._waiting[-1][0] == statement:
            self._waiting[-1][1].append(row)
        else:
            self._waiting.append((statement, [row]))
        self._rows += 1
        if self._rows >= ROWS_AT_ONCE:
            self.flush()
            # A moment for others: SQLite has no queue of those who wait.
            time.sleep(PAUSE)

    def flush(self) -> None:
        """Write what waits, all of it or nothing."""
        if not self._waiting:
            return
        with self._store.transaction():
            for statement, rows in self._waiting:
                self._store.executemany(statement, rows)
        self._waiting.clear()
        self._rows = 0


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def _as_root(row: Sequence[Any]) -> Root:
    return Root(
        id=row[0],
        name=bytes(row[1]),
        path=Path(os.fsdecode(row[2])),
        audience=Audience.from_json(json.loads(row[3])),
        exclude=tuple(json.loads(row[4])),
        hidden=bool(row[5]),
        symlinks=Symlinks(row[6]),
        online=bool(row[7]),
        files=row[8],
        scanned=row[9],
        named=Named(row[10]),
    )
