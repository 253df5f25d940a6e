"""Transfers on disk: what they are, where they stand, and what happened to them.

One SQLite file, written by one thread of its own. Writers hand in rows and go
on; the thread takes all that has gathered and commits it at once, so ten
thousand new downloads cost a few commits. ``await journal.committed()`` returns
when everything handed in before is on disk: then it survives ``kill -9``.

The bytes of unfinished files are not journaled: the length of the part on disk
is the truth about them.

Remote names are stored as the bytes that came over the wire.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, TypeVar

from soulmesh.core.rule_trial import Asked
from soulmesh.core.story import Chapter
from soulmesh.core.transfer import FINAL, Event, State
from soulmesh.core.upload_queue import Person
from soulmesh.errors import SoulmeshError
from soulmesh.wire import raw, text

__all__ = ["Journal", "JournalError", "JournalInUse", "Record", "lock"]

T = TypeVar("T")
VERSION = 2
GATHER = 0.05
"""Seconds for which changes gather before they are written."""
KEPT_FOR = 7 * 86_400.0
"""Seconds for which requests of others are kept, to try rules on them."""
FORGET_EVERY = 10_000
MOST_REQUESTS = 200_000
"""So many requests are kept at most; the oldest are forgotten first."""
_FINAL_WORDS = ", ".join(f"'{state.value}'" for state in sorted(FINAL))

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
CREATE INDEX transfers_ended ON transfers (direction, id) WHERE state IN ({_FINAL_WORDS});
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


_COLUMNS = (
    "id, uuid, direction, username, remote_path, size, state, reason, attempts, deadline, done, local_path, "
    "added, started, ended, speed, priority, batch, pushed, more"
)
# What never changes is not written again, nor its indices.
_CHANGING = (
    "size, state, reason, attempts, deadline, done, local_path, started, ended, speed, priority, batch, more"
)
_PUT = (
    f"INSERT INTO transfers ({_COLUMNS}) VALUES ({', '.join('?' * 20)}) ON CONFLICT (id) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in _CHANGING.split(", "))
)


class Journal:
    """The store of transfers.

    ``path`` ``None`` keeps it in memory. Without ``threaded`` (and in memory)
    all work is done at once in the caller's thread: for virtual time.

    One program at a time has a journal; with ``reading`` it is only looked
    into, while another one may be at work with it.
    """

    def __init__(self, path: Path | None = None, *, threaded: bool = True, reading: bool = False) -> None:
        self._path = path
        self._reading = reading
        self._lock: IO[bytes] | None = None
        self._threaded = threaded and path is not None
        self._work: queue.SimpleQueue[Callable[[sqlite3.Connection], object] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._inline: sqlite3.Connection | None = None
        self._next_id = 1
        self._rows: dict[int, Callable[[], Record]] = {}
        self._chapters: list[tuple[int, Chapter]] = []
        self._requests: list[Asked] = []
        self._recorded = 0
        self._flush_due = False
        self._failed: JournalError | None = None
        self.commits = 0
        """How often something was committed; for measuring."""

    async def open(self) -> None:
        """Open the file, making it if it is not there.

        Raises:
            JournalInUse: another program has it.
            JournalError: it cannot be opened, or was written by a newer version.
        """
        self._loop = asyncio.get_running_loop()
        if self._path is not None and not self._reading:
            self._lock = lock(self._path)
        try:
            await self._open()
        except BaseException:
            await self.close()
            raise

    async def _open(self) -> None:
        assert self._loop is not None
        if not self._threaded:
            self._inline = _connect(self._path)
            _prepare(self._inline, self._path)
        else:
            opened: asyncio.Future[None] = self._loop.create_future()
            thread = threading.Thread(target=self._run, args=(opened,), name="soulmesh-journal", daemon=True)
            thread.start()
            # Whoever gives up while the file is being opened closes as well: the thread must end then.
            self._thread = thread
            await opened
        self._next_id = 1 + await self._ask(
            lambda db: int(db.execute("SELECT coalesce(max(id), 0) FROM transfers").fetchone()[0])
        )

    async def close(self) -> None:
        """Commit what is left and close."""
        await self._finish()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    async def _finish(self) -> None:
        if self._inline is None and self._thread is None:
            return
        self._flush()
        if self._inline is not None:
            self._inline.close()
            self._inline = None
        elif self._thread is not None:
            # From here on nobody is promised an answer any more.
            thread, self._thread = self._thread, None
            self._work.put(None)
            await asyncio.to_thread(thread.join)

    @property
    def shared(self) -> bool:
        """Whether other programs can look into it, and leave orders."""
        return self._threaded

    def next_id(self) -> int:
        """A number that no transfer has or had since the journal was opened."""
        number = self._next_id
        self._next_id += 1
        return number

    # Writing. Nothing here waits.

    def put(self, record: Record) -> None:
        """Store a transfer as it stands now. Only the last of several in one turn is written."""
        self.put_as_it_stands(record.id, lambda: record)

    def put_as_it_stands(self, number: int, record: Callable[[], Record]) -> None:
        """Store a transfer as it stands when the changes that have gathered are written.

        A small file passes all its states in less time than that: it is described once, not seven times.
        """
        self._rows[number] = record
        self._flush_soon()

    def note(self, transfer: int, chapter: Chapter) -> None:
        """Add to a transfer's story."""
        self._chapters.append((transfer, chapter))
        self._flush_soon()

    def remove(self, transfers: Iterable[int]) -> None:
        """Forget transfers and their stories."""
        numbers = [(number,) for number in transfers]
        self._flush()
        self._do(
            lambda db: (
                db.executemany("DELETE FROM transfers WHERE id = ?", numbers),
                db.executemany("DELETE FROM chapters WHERE transfer = ?", numbers),
            )
        )

    def keep(self, kind: str, name: str, body: dict[str, Any] | None) -> None:
        """Keep any small thing of the transfers' own (batches, goals); ``None`` removes it."""
        if body is None:
            self._do(lambda db: db.execute("DELETE FROM notes WHERE kind = ? AND name = ?", (kind, name)))
        else:
            said = json.dumps(body)
            self._do(
                lambda db: db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?, ?)", (kind, name, said))
            )

    async def orders(self) -> list[dict[str, Any]]:
        """Take what other programs have left for us with :meth:`order`, in their order."""

        def work(db: sqlite3.Connection) -> list[dict[str, Any]]:
            rows = db.execute("SELECT name, body FROM notes WHERE kind = 'order' ORDER BY name").fetchall()
            if rows:
                db.executemany(
                    "DELETE FROM notes WHERE kind = 'order' AND name = ?", [row[:1] for row in rows]
                )
                db.commit()
            return [json.loads(body) for _, body in rows]

        return await self._ask(work)

    def order(self, name: str, body: dict[str, Any]) -> None:
        """Leave something to do for the program that has this journal."""
        self.keep("order", name, body)

    def requested(self, asked: Asked) -> None:
        """Record a request for an upload, so that rules can be tried on what really happened."""
        self._requests.append(asked)
        self._flush_soon()
        self._recorded += 1
        if self._recorded % FORGET_EVERY == 0:
            self.forget_requests(asked.at - KEPT_FOR)

    def forget_requests(self, before: float) -> None:
        """Drop recorded requests that are older than ``before``, or too many."""
        self._do(
            lambda db: (
                db.execute("DELETE FROM requests WHERE at < ?", (before,)),
                db.execute(
                    "DELETE FROM requests WHERE rowid <= (SELECT max(rowid) FROM requests) - ?",
                    (MOST_REQUESTS,),
                ),
            )
        )

    async def committed(self) -> None:
        """Return when all that was handed in before is on disk.

        Raises:
            JournalError: it could not be written.
        """
        self._flush()
        await self._ask(lambda db: None)

    # Reading. Sees all that was handed in before.

    async def unfinished(self) -> list[Record]:
        """All transfers that are not over, and failed ones, which a person may retry; oldest first."""
        where = "state NOT IN ('finished', 'cancelled')"
        return await self._select(f"WHERE {where} ORDER BY id")

    async def ended(self, direction: str, *, limit: int, before: int | None = None) -> list[Record]:
        """The newest transfers that are over; ``before`` is the id with which the last page ended."""
        more = "" if before is None else f"AND id < {int(before)}"
        return await self._select(
            f"WHERE direction = ? AND state IN ({_FINAL_WORDS}) {more} ORDER BY id DESC LIMIT ?",
            (direction, limit),
        )

    async def find(self, username: str, remote_path: str, direction: str) -> Record | None:
        """The latest transfer of one file."""
        rows = await self._select(
            "WHERE username = ? AND remote_path = ? AND direction = ? ORDER BY id DESC LIMIT 1",
            (username, raw(remote_path), direction),
        )
        return rows[0] if rows else None

    async def get(self, number: int) -> Record | None:
        """One transfer, finished or not."""
        rows = await self._select("WHERE id = ?", (number,))
        return rows[0] if rows else None

    async def of_batch(self, batch: str) -> list[Record]:
        """All transfers of a batch."""
        return await self._select("WHERE batch = ? ORDER BY id", (batch,))

    async def cancelled_of_batches(self) -> list[Record]:
        """Cancelled transfers that belong to a batch."""
        return await self._select("WHERE batch IS NOT NULL AND state = 'cancelled' ORDER BY id")

    async def story(self, number: int) -> list[Chapter]:
        """What happened to a transfer, oldest first."""
        rows = await self._ask(
            lambda db: db.execute(
                "SELECT at, event, state, reason, detail FROM chapters WHERE transfer = ? ORDER BY rowid",
                (number,),
            ).fetchall()
        )
        return [
            Chapter(
                datetime.fromtimestamp(at, UTC),
                Event(event),
                State(state),
                _told(reason) or "",
                _told(detail) or "",
            )
            for at, event, state, reason, detail in rows
        ]

    async def kept(self, kind: str) -> dict[str, dict[str, Any]]:
        """Everything kept with :meth:`keep` under ``kind``, by name."""
        rows = await self._ask(
            lambda db: db.execute("SELECT name, body FROM notes WHERE kind = ?", (kind,)).fetchall()
        )
        return {name: json.loads(body) for name, body in rows}

    async def requests(self, since: float) -> list[Asked]:
        """Recorded requests since then (seconds since the epoch), and how long their uploads took."""
        took = (
            "SELECT size / speed FROM transfers WHERE username = requests.username"
            " AND remote_path = requests.remote_path AND direction = 'upload' AND state = 'finished'"
            " AND speed > 0 ORDER BY id DESC LIMIT 1"
        )
        rows = await self._ask(
            lambda db: db.execute(
                "SELECT at, username, privileged, friend, files, folders, remote_path, size,"
                f" ({took}) FROM requests WHERE at >= ? ORDER BY at",
                (since,),
            ).fetchall()
        )
        return [
            Asked(at, Person(name, bool(privileged), bool(friend), files, folders), text(path), size, seconds)
            for at, name, privileged, friend, files, folders, path, size, seconds in rows
        ]

    async def count(self, direction: str) -> dict[str, int]:
        """How many transfers there are, by state."""
        rows = await self._ask(
            lambda db: db.execute(
                "SELECT state, count(*) FROM transfers WHERE direction = ? GROUP BY state", (direction,)
            ).fetchall()
        )
        return dict(rows)

    # Within.

    async def _select(self, where: str, values: Sequence[object] = ()) -> list[Record]:
        rows = await self._ask(
            lambda db: db.execute(f"SELECT {_COLUMNS} FROM transfers {where}", values).fetchall()
        )
        return [_record(row) for row in rows]

    def _flush_soon(self) -> None:
        if not self._flush_due and self._loop is not None:
            self._flush_due = True
            # A little patience makes one commit of many; whoever must be sure awaits committed().
            self._loop.call_later(GATHER, self._flush)

    def _flush(self) -> None:
        self._flush_due = False
        if self._inline is None and self._thread is None:
            return
        if not self._rows and not self._chapters and not self._requests:
            return
        rows = [_row(record()) for record in self._rows.values()]
        chapters = [
            (number, c.at.timestamp(), c.event.value, c.state.value, _stored(c.reason), _stored(c.detail))
            for number, c in self._chapters
        ]
        self._rows = {}
        requests = [
            (
                asked.at,
                asked.person.username,
                asked.person.privileged,
                asked.person.friend,
                asked.person.files,
                asked.person.folders,
                raw(asked.remote_path),
                asked.size,
            )
            for asked in self._requests
        ]
        self._chapters = []
        self._requests = []

        def write(db: sqlite3.Connection) -> None:
            db.executemany(_PUT, rows)
            db.executemany("INSERT INTO chapters VALUES (?, ?, ?, ?, ?, ?)", chapters)
            db.executemany("INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?, ?)", requests)

        self._do(write)

    def _do(self, work: Callable[[sqlite3.Connection], object]) -> None:
        if self._inline is not None:
            try:
                work(self._inline)
                self._inline.commit()
            except sqlite3.Error as error:
                self._failed = JournalError(self._path, str(error))
            self.commits += 1
        elif self._thread is not None:
            self._work.put(work)

    async def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        self._flush()
        if self._inline is not None:
            if self._failed is not None:
                failed, self._failed = self._failed, None
                raise failed
            return question(self._inline)
        if self._thread is None:
            raise JournalError(self._path, "it is closed")
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[T] = loop.create_future()

        def work(db: sqlite3.Connection) -> None:
            # What was written before must be on disk before anything is answered.
            self._commit(db)
            if self._failed is not None:
                raise self._failed
            _tell(loop, answer, question(db), None)

        def guarded(db: sqlite3.Connection) -> None:
            try:
                work(db)
            except sqlite3.Error as error:
                _tell(loop, answer, None, JournalError(self._path, str(error)))
            except Exception as error:
                _tell(loop, answer, None, error)

        self._work.put(guarded)
        return await answer

    def _commit(self, db: sqlite3.Connection) -> None:
        if db.in_transaction:
            db.commit()
            self.commits += 1

    def _run(self, opened: asyncio.Future[None]) -> None:
        """The thread: take what has gathered, carry it out, commit once."""
        assert self._loop is not None
        try:
            db = _connect(self._path)
            _prepare(db, self._path)
        except JournalError as error:
            _tell(self._loop, opened, None, error)
            return
        _tell(self._loop, opened, None, None)
        ending = False
        while not ending:
            tasks = [self._work.get()]
            while not self._work.empty():
                tasks.append(self._work.get())
            for task in tasks:
                if task is None:
                    ending = True
                    continue
                self._guarded(db, task)
            self._guarded(db, self._commit)
        db.close()

    def _guarded(self, db: sqlite3.Connection, work: Callable[[sqlite3.Connection], object]) -> None:
        try:
            work(db)
            if work == self._commit:
                self._failed = None
        except sqlite3.Error as error:
            # Transfers go on without a journal; whoever waits for a commit is told.
            self._failed = JournalError(self._path, str(error))


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


def _connect(path: Path | None) -> sqlite3.Connection:
    try:
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        # The connection is used by one thread alone, and opened in it.
        return sqlite3.connect(path if path is not None else ":memory:", timeout=10.0)
    except (sqlite3.Error, OSError) as error:
        raise JournalError(path, str(error)) from error


def _prepare(db: sqlite3.Connection, path: Path | None) -> None:
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


def _stored(told: str | None) -> str | bytes | None:
    """A path of this machine need not be UTF-8, nor a reason that names one: SQLite has its bytes then."""
    if told is None or told.isascii():
        return told
    try:
        told.encode()
    except UnicodeEncodeError:
        return told.encode("utf-8", "surrogateescape")
    return told


def _told(stored: str | bytes | None) -> str | None:
    return stored.decode("utf-8", "surrogateescape") if isinstance(stored, bytes) else stored


def _row(r: Record) -> tuple[object, ...]:
    return (
        r.id,
        r.uuid,
        r.direction,
        r.username,
        raw(r.remote_path),
        r.size,
        r.state.value,
        _stored(r.reason),
        r.attempts,
        r.deadline,
        r.done,
        _stored(r.local_path),
        r.added,
        r.started,
        r.ended,
        r.speed,
        r.priority,
        r.batch,
        int(r.pushed),
        json.dumps(r.more) if r.more else "{}",
    )


def _record(row: Sequence[Any]) -> Record:
    values = list(row)
    values[4] = text(values[4])
    values[7], values[11] = _told(values[7]), _told(values[11])
    values[6] = State(values[6])
    values[18] = bool(values[18])
    values[19] = json.loads(values[19])
    return Record(*values)


def _tell(
    loop: asyncio.AbstractEventLoop, future: asyncio.Future[Any], result: object, error: Exception | None
) -> None:
    """Answer from the thread; a loop that was closed meanwhile has nobody left who waits."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(_set, future, result, error)


def _set(future: asyncio.Future[Any], result: object, error: Exception | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
