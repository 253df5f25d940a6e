"""The file of the journal: its tables, how it is opened, and transfers as its rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from soulmesh.core.transfer import FINAL, State
from soulmesh.errors import SoulmeshError
from soulmesh.wire import raw, text

__all__ = [
    "COLUMNS",
    "FINAL_WORDS",
    "PUT",
    "VERSION",
    "JournalError",
    "JournalInUse",
    "Record",
    "connect",
    "lock",
    "prepare",
    "record_of",
    "row_of",
    "stored",
    "told",
]

VERSION = 2
FINAL_WORDS = ", ".join(f"'{state.value}'" for state in sorted(FINAL))

_SCHEMA = f"""
CREATE TABLE transfers (
    id INTEGER PRIMARY KEY,
    uuid TEXT NOT NULL UNIQUE,
    direction TEXT NOT NULL,
    username TEXT NOT NULL,
    remote_path BLOB NOT NULL,
    size INTEGER,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    deadline REAL,
    done INTEGER NOT NULL,
    local_path TEXT NOT NULL,
    added REAL NOT NULL,
    started REAL,
    ended REAL,
    speed REAL NOT NULL,
    priority INTEGER NOT NULL,
    batch TEXT,
    pushed INTEGER NOT NULL,
    more TEXT NOT NULL
);
CREATE INDEX transfers_open ON transfers (id) WHERE state NOT IN ('finished', 'cancelled');
CREATE INDEX transfers_ended ON transfers (direction, id) WHERE state IN ({FINAL_WORDS});
CREATE INDEX transfers_file ON transfers (username, remote_path);
CREATE INDEX transfers_batch ON transfers (batch) WHERE batch IS NOT NULL;
CREATE TABLE chapters (
    transfer INTEGER NOT NULL,
    at REAL NOT NULL,
    event TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL
);
CREATE INDEX chapters_transfer ON chapters (transfer);
CREATE TABLE notes (kind TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, PRIMARY KEY (kind, name));
"""
_REQUESTS = """
CREATE TABLE requests (
    at REAL NOT NULL,
    username TEXT NOT NULL,
    privileged INTEGER NOT NULL,
    friend INTEGER NOT NULL,
    files INTEGER,
    folders INTEGER,
    remote_path BLOB NOT NULL,
    size INTEGER NOT NULL
);
CREATE INDEX requests_at ON requests (at);
"""
_UPGRADES = {
    # Requests said too little to try rules on them.
    1: f"DROP TABLE requests; {_REQUESTS}",
}
"""From each older format to the next."""


class JournalError(SoulmeshError):
    """The journal cannot be used: ``path`` and what SQLite says."""

    def __init__(self, path: Path | None, reason: str) -> None:
        super().__init__(str(path), reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        where = self.path or "memory"
        return f"the journal of transfers at {where} cannot be used: {self.reason}"


class JournalInUse(JournalError):
    """Another running program has this journal."""

    hint = "stop the other one, or give this one a data folder of its own"

    def __init__(self, path: Path | None) -> None:
        super().__init__(path, "another soulmesh uses it")


@dataclass(frozen=True, slots=True)
class Record:
    """One transfer as it is stored. Times are seconds since the epoch, sizes bytes."""

    id: int
    uuid: str
    direction: str
    username: str
    remote_path: str
    size: int | None
    state: State
    reason: str
    attempts: int
    deadline: float | None
    """The next try, if the transfer waits for one."""
    done: int
    local_path: str
    added: float
    started: float | None
    ended: float | None
    speed: float
    priority: int = 0
    batch: str | None = None
    pushed: bool = False
    more: dict[str, Any] = field(default_factory=dict)


COLUMNS = (
    "id, uuid, direction, username, remote_path, size, state, reason, attempts, deadline, done, local_path, "
    "added, started, ended, speed, priority, batch, pushed, more"
)
# What never changes is not written again, nor its indices.
_CHANGING = (
    "size, state, reason, attempts, deadline, done, local_path, started, ended, speed, priority, batch, more"
)
PUT = (
    f"INSERT INTO transfers ({COLUMNS}) VALUES ({', '.join('?' * 20)}) ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in _CHANGING.split(", "))
)


def lock(path: Path) -> IO[bytes]:
    """Take the journal at ``path`` for this program; closing what is returned gives it back.

    Raises:
        JournalInUse: another program has it.
        JournalError: the folder cannot be used.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.with_name(path.name + ".lock").open("ab")
    except OSError as error:
        raise JournalError(path, str(error)) from error
    try:
        import fcntl
    except ImportError:
        return file  # a system without such locks
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise JournalInUse(path) from error
    return file


def connect(path: Path | None) -> sqlite3.Connection:
    """Open the file, or one in memory.

    Raises:
        JournalError: it cannot be.
    """
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        # The connection is used by one thread alone, and opened in it.
        return sqlite3.connect(path if path is not None else ":memory:", timeout=10.0)
    except (sqlite3.Error, OSError) as error:
        raise JournalError(path, str(error)) from error


def prepare(db: sqlite3.Connection, path: Path | None) -> None:
    """Make the tables, or bring those of an older version up to date.

    Raises:
        JournalError: it is damaged, or of a newer version.
    """
    try:
        db.execute("PRAGMA journal_mode = WAL")
        # A killed process loses nothing; a power cut may lose the last commits, but never the file's order.
        db.execute("PRAGMA synchronous = NORMAL")
        [version] = db.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise JournalError(
                path, f"it was written by a newer soulmesh (format {version}, known {VERSION})"
            )
        if version == 0:
            with db:
                db.executescript(f"BEGIN; {_SCHEMA} {_REQUESTS} PRAGMA user_version = {VERSION}; COMMIT;")
        for old in range(version, VERSION) if version else ():
            with db:
                db.executescript(f"BEGIN; {_UPGRADES[old]} PRAGMA user_version = {old + 1}; COMMIT;")
    except sqlite3.Error as error:
        db.close()
        raise JournalError(path, str(error)) from error
    except JournalError:
        db.close()
        raise


def stored(words: str | None) -> str | bytes | None:
    """A path of this machine need not be UTF-8, nor a reason that names one: SQLite has its bytes then."""
    if words is None or words.isascii():
        return words
    try:
        words.encode()
    except UnicodeEncodeError:
        return words.encode("utf-8", "surrogateescape")
    return words


def told(kept: str | bytes | None) -> str | None:
    """What :func:`stored` made of a text, back."""
    return kept.decode("utf-8", "surrogateescape") if isinstance(kept, bytes) else kept


def row_of(r: Record) -> tuple[object, ...]:
    """A transfer as a row, in the order of :data:`COLUMNS`."""
    return (
        r.id,
        r.uuid,
        r.direction,
        r.username,
        raw(r.remote_path),
        r.size,
        r.state.value,
        stored(r.reason),
        r.attempts,
        r.deadline,
        r.done,
        stored(r.local_path),
        r.added,
        r.started,
        r.ended,
        r.speed,
        r.priority,
        r.batch,
        int(r.pushed),
        json.dumps(r.more) if r.more else "{}",
    )


def record_of(row: Sequence[Any]) -> Record:
    """A row as a transfer."""
    values = list(row)
    values[4] = text(values[4])
    values[7], values[11] = told(values[7]), told(values[11])
    values[6] = State(values[6])
    values[18] = bool(values[18])
    values[19] = json.loads(values[19])
    return Record(*values)
