"""The daemon's own database: searches, finished transfers, messages, events, outbox.

One SQLite file, used by one thread, so that the loop never waits for the disk.
What is only written (:meth:`Store.post`) is committed with whatever else came
in the same moment; what is asked (:meth:`Store.run`) sees everything posted
before.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from soulmesh import log
from soulmesh.client.chat_store import has_words
from soulmesh.errors import SoulmeshError

__all__ = ["Store", "StoreError"]

logger = log.get("daemon.store")

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], Any]

VERSION = 4

SCHEMA = """
CREATE TABLE searches (
    id TEXT PRIMARY KEY,
    started REAL NOT NULL,
    ended REAL,
    query TEXT NOT NULL,
    body BLOB NOT NULL,
    withheld BLOB NOT NULL DEFAULT '{}'
) WITHOUT ROWID;
CREATE INDEX searches_ended ON searches (ended);
CREATE TABLE responses (
    search TEXT NOT NULL REFERENCES searches (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    username TEXT NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (search, number)
) WITHOUT ROWID;
CREATE TABLE transfers (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    direction TEXT NOT NULL,
    username TEXT NOT NULL,
    directory TEXT NOT NULL,
    filename BLOB NOT NULL,
    state TEXT NOT NULL,
    size INTEGER NOT NULL,
    done INTEGER NOT NULL,
    requested REAL NOT NULL,
    enqueued REAL,
    started REAL,
    ended REAL NOT NULL,
    speed REAL NOT NULL,
    exception TEXT,
    batch TEXT,
    local_path TEXT,
    removed INTEGER NOT NULL DEFAULT 0,
    body BLOB NOT NULL
);
CREATE INDEX transfers_listed ON transfers (direction, username, directory) WHERE removed = 0;
CREATE INDEX transfers_removed ON transfers (direction, username, directory) WHERE removed = 1;
CREATE INDEX transfers_ended ON transfers (ended);
CREATE INDEX transfers_batch ON transfers (batch) WHERE batch IS NOT NULL;
CREATE TABLE batches (id TEXT PRIMARY KEY, created REAL NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE messages (
    number INTEGER PRIMARY KEY,
    username TEXT NOT NULL,
    at REAL NOT NULL,
    id INTEGER NOT NULL,
    incoming INTEGER NOT NULL,
    message TEXT NOT NULL,
    acknowledged INTEGER NOT NULL,
    replayed INTEGER NOT NULL
);
CREATE INDEX messages_username ON messages (username, number);
CREATE INDEX messages_open ON messages (username) WHERE acknowledged = 0;
CREATE TABLE conversations (username TEXT PRIMARY KEY, active INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE events (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    at REAL NOT NULL,
    type TEXT NOT NULL,
    data TEXT NOT NULL
);
CREATE INDEX events_at ON events (at);
CREATE TABLE outbox (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    event TEXT NOT NULL,
    kind TEXT NOT NULL,
    hook TEXT NOT NULL,
    body TEXT NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL,
    problem TEXT
);
CREATE INDEX outbox_due ON outbox (due);
CREATE INDEX outbox_hook ON outbox (hook, number);
CREATE TABLE names (
    shown TEXT NOT NULL,
    username TEXT NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (shown, username)
) WITHOUT ROWID;
CREATE TABLE notes (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""

CHANGES = {
    1: "ALTER TABLE searches ADD COLUMN withheld BLOB NOT NULL DEFAULT '{}';",
    2: "CREATE INDEX transfers_removed ON transfers (direction, username, directory) WHERE removed = 1;",
    3: "CREATE INDEX outbox_hook ON outbox (hook, number);",
}
"""What makes the next version of each earlier one."""


class StoreError(SoulmeshError):
    """The database cannot be used: which file, and what SQLite says."""

    def __init__(self, path: Path | None, reason: str) -> None:
        super().__init__(str(path), reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"the database {self.path or 'in memory'} cannot be used: {self.reason}"


class Store:
    """The database. ``path`` ``None`` keeps it in memory."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._work: queue.SimpleQueue[tuple[Work, Future[Any] | None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    @property
    def path(self) -> Path | None:
        """The file."""
        return self._path

    async def open(self) -> None:
        """Open it, making it if it is not there.

        Raises:
            StoreError: it cannot be opened, or a newer version wrote it.
        """
        opened: Future[None] = Future()
        self._thread = threading.Thread(target=self._run, args=(opened,), name="soulmesh-store", daemon=True)
        self._thread.start()
        await asyncio.wrap_future(opened)

    async def close(self) -> None:
        """Write what is left and close."""
        if self._thread is None:
            return
        self._work.put(None)
        thread, self._thread = self._thread, None
        await asyncio.to_thread(thread.join)

    def post(self, work: Callable[[sqlite3.Connection], Any]) -> None:
        """Have something written, soon; a failure is logged."""
        self._work.put((work, None))

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Have something done and wait for its outcome; what it wrote is on disk then.

        Raises:
            StoreError: SQLite refuses.
        """
        if self._thread is None:
            raise StoreError(self._path, "it is closed")
        future: Future[T] = Future()
        self._work.put((work, future))
        return await asyncio.wrap_future(future)

    # -- in the thread

    def _run(self, opened: Future[None]) -> None:
        try:
            db = self._connect()
        except (sqlite3.Error, OSError) as error:
            opened.set_exception(StoreError(self._path, str(error)))
            return
        except StoreError as error:
            opened.set_exception(error)
            return
        opened.set_result(None)
        try:
            while self._turn(db):
                pass
        finally:
            db.close()

    def _connect(self) -> sqlite3.Connection:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(str(self._path or ":memory:"), isolation_level=None)
        db.create_function("has_words", 2, has_words, deterministic=True)
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA busy_timeout = 5000")
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise StoreError(self._path, f"version {version} of it was written by a newer soulmesh")
        if version == 0:
            db.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        elif version < VERSION:
            changes = " ".join(CHANGES[before] for before in range(version, VERSION))
            db.executescript(f"BEGIN; {changes} PRAGMA user_version = {VERSION}; COMMIT;")
        return db

    def _turn(self, db: sqlite3.Connection) -> bool:
        """Do what is waiting, as one transaction; ``False`` at the end."""
        batch = [self._work.get()]
        while len(batch) < 500:
            try:
                batch.append(self._work.get_nowait())
            except queue.Empty:
                break
        outcomes: list[tuple[Future[Any], Any, BaseException | None]] = []
        db.execute("BEGIN")
        for item in batch:
            if item is None:
                continue
            work, future = item
            db.execute("SAVEPOINT one")
            outcome: Any = None
            problem: BaseException | None = None
            try:
                outcome = work(db)
            except Exception as error:
                problem = error
                db.execute("ROLLBACK TO one")
            db.execute("RELEASE one")
            if future is not None:
                outcomes.append((future, outcome, problem))
            elif problem is not None:
                logger.error("could not be written", error=str(problem))
        failed: BaseException | None = None
        try:
            db.execute("COMMIT")
        except sqlite3.Error as error:
            failed = StoreError(self._path, str(error))
            db.execute("ROLLBACK")
        for future, outcome, problem in outcomes:
            # Who asked may have gone away meanwhile.
            if not future.set_running_or_notify_cancel():
                continue
            reason = problem or failed
            if isinstance(reason, sqlite3.Error):
                reason = StoreError(self._path, str(reason))
            if reason is not None:
                future.set_exception(reason)
            else:
                future.set_result(outcome)
        return None not in batch
