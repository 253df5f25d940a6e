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
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, TypeVar

from soulmesh.client.transfers.journal_file import (
    COLUMNS,
    FINAL_WORDS,
    PUT,
    JournalError,
    JournalInUse,
    Record,
    connect,
    lock,
    prepare,
    record_of,
    row_of,
    stored,
    told,
)
from soulmesh.core.rule_trial import Asked
from soulmesh.core.story import Chapter
from soulmesh.core.transfer import Event, State
from soulmesh.core.upload_queue import Person
from soulmesh.wire import raw, text

__all__ = ["Journal", "JournalError", "JournalInUse", "Record", "lock"]

T = TypeVar("T")
GATHER = 0.05
"""Seconds for which changes gather before they are written."""
KEPT_FOR = 7 * 86_400.0
"""Seconds for which requests of others are kept, to try rules on them."""
FORGET_EVERY = 10_000
_AT_ONCE = 500
MOST_REQUESTS = 200_000
"""So many requests are kept at most; the oldest are forgotten first."""


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
            self._inline = connect(self._path)
            prepare(self._inline, self._path)
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
            f"WHERE direction = ? AND state IN ({FINAL_WORDS}) {more} ORDER BY id DESC LIMIT ?",
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

    async def numbers(self, uuids: Sequence[str]) -> dict[str, int]:
        """The numbers of transfers, by their ids that stay the same everywhere."""

        def work(db: sqlite3.Connection) -> dict[str, int]:
            found: dict[str, int] = {}
            for begin in range(0, len(uuids), _AT_ONCE):
                some = uuids[begin : begin + _AT_ONCE]
                marks = ", ".join("?" * len(some))
                found.update(db.execute(f"SELECT uuid, id FROM transfers WHERE uuid IN ({marks})", some))
            return found

        return await self._ask(work)

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
                told(reason) or "",
                told(detail) or "",
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
            lambda db: db.execute(f"SELECT {COLUMNS} FROM transfers {where}", values).fetchall()
        )
        return [record_of(row) for row in rows]

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
        rows = [row_of(record()) for record in self._rows.values()]
        chapters = [
            (number, c.at.timestamp(), c.event.value, c.state.value, stored(c.reason), stored(c.detail))
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
            db.executemany(PUT, rows)
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
            db = connect(self._path)
            prepare(db, self._path)
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
