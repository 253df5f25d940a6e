"""Searches as the API knows them: each with an id, limits, a state and results that stay.

Equal searches that run at the same time are one search on the network; each
keeps its own record, counts by its own limits, and ends by its own rules. The
answers of a running search are kept in memory, already written as JSON; the
end of a search and the visibility of its results are one step.
"""

from __future__ import annotations

import asyncio
import math
import sqlite3
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from soulmesh import log
from soulmesh.client.errors import NotConnected, RoomRefused
from soulmesh.daemon.api0.shapes import response_form
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.replies import form, instant
from soulmesh.daemon.ports import Answer, Engine, RunningSearch, Withheld
from soulmesh.daemon.store import Store
from soulmesh.daemon.written import to_json
from soulmesh.errors import NotFound, SoulmeshError, UsageError

__all__ = ["SearchBody", "SearchDesk", "SearchRecord", "SearchRequest"]

logger = log.get("daemon.search")

MOST_RUNNING = 200
"""Searches that may run at a time."""


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What a caller wants."""

    text: str
    id: str | None = None
    silence: float = 15.0
    """Seconds without a new answer after which the search ends."""
    response_limit: int = 250
    file_limit: int = 25_000
    filter: bool = True
    minimum_files: int = 1
    maximum_queue: int | None = None
    minimum_speed: int = 0
    username: str | None = None
    """Asked alone, instead of everybody."""
    room: str | None = None
    """Asked alone, instead of everybody."""

    @property
    def words(self) -> str:
        """Equal for searches that are one on the network."""
        where = f"@{self.username}" if self.username is not None else f"#{self.room}" if self.room else ""
        return "\0".join((" ".join(self.text.lower().split()), where))

    def accepts(self, answer: Answer) -> bool:
        """Whether an answer passes the filter."""
        if not self.filter:
            return True
        return (
            len(answer.files) + len(answer.locked) >= self.minimum_files
            and (self.maximum_queue is None or answer.queue < self.maximum_queue)
            and answer.speed >= self.minimum_speed
        )


@dataclass(frozen=True, slots=True)
class SearchBody:
    """A search as it is kept, without its responses."""

    body: bytes
    """JSON, see :meth:`SearchRecord.form`."""
    withheld: bytes
    """JSON, the fields of :class:`soulmesh.daemon.ports.Withheld`; older ones have none."""


@dataclass(slots=True)
class SearchRecord:
    """One search of the API."""

    id: str
    request: SearchRequest
    token: int
    started: datetime
    search: RunningSearch | None = None
    """On the network, while this one is part of it."""
    state: str = "InProgress"
    ended: datetime | None = None
    responses: int = 0
    files: int = 0
    locked: int = 0
    filtered: int = 0
    """Files of answers that its limits did not let pass."""
    kept_back: Withheld | None = None
    """What was withheld, at its end."""
    bodies: list[bytes] = field(default_factory=list)
    users: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    timer: asyncio.TimerHandle | None = None
    deleted: bool = False

    @property
    def complete(self) -> bool:
        """Whether no more results will come."""
        return self.state.startswith("Completed")

    @property
    def withheld(self) -> Withheld:
        """What answered and is not among the responses."""
        if self.kept_back is not None:
            return self.kept_back
        found = self.search.withheld if self.search is not None else Withheld()
        return replace(found, filtered=found.filtered + self.filtered)

    def written(self) -> SearchBody:
        """All of it but the responses."""
        return SearchBody(to_json(self.form()), to_json(asdict(self.withheld)))

    def form(self) -> dict[str, Any]:
        """The body, without responses."""
        return form(
            endedAt=instant(self.ended),
            fileCount=self.files,
            id=self.id,
            isComplete=self.complete,
            lockedFileCount=self.locked,
            responseCount=self.responses,
            responses=[],
            searchText=self.request.text,
            startedAt=instant(self.started),
            state=self.state,
            token=self.token,
        )


class _Broadcast:
    """One search on the network, and the records that it serves."""

    def __init__(self, search: RunningSearch) -> None:
        self.search = search
        self.answers: list[Answer] = []
        self.records: list[SearchRecord] = []
        self.task: asyncio.Task[None] | None = None


class SearchDesk:
    """All searches, running and finished."""

    def __init__(self, engine: Engine, store: Store, wall_clock: Callable[[], datetime]) -> None:
        self._engine = engine
        self._store = store
        self._wall_clock = wall_clock
        self._records: dict[str, SearchRecord] = {}
        self._broadcasts: dict[str, _Broadcast] = {}
        self._writing: set[asyncio.Task[None]] = set()
        self._starting: dict[str, asyncio.Lock] = {}
        self._listening: set[asyncio.Task[None]] = set()
        self.on_answer: Callable[[Answer], None] = lambda answer: None
        """Called with each answer, before anybody can ask for what it names."""
        self.on_changed: Callable[[SearchRecord], None] = lambda record: None
        """Called when a search begins, has new answers, or ends."""

    # -- beginning

    async def start(self, request: SearchRequest) -> SearchRecord:
        """Begin a search; returns at once, while it runs.

        Raises:
            HttpError: 400 nothing to search for, 409 not logged in, 429 too soon (then there is no
                record), 500 the id is in use or it could not be sent.
        """
        if not self._engine.link.logged_in:
            raise HttpError(409, "The server connection must be connected and logged in to search")
        key = request.id or str(uuid.uuid4())
        if await self.get(key) is not None:
            raise HttpError(500, f"A search with the id {key} exists already")
        if len(self._records) >= MOST_RUNNING:
            raise HttpError(429, "Too many searches are running", {"retry-after": "15"})
        words = request.words
        # Equal searches that begin in the same moment are one as well.
        async with self._starting.setdefault(words, asyncio.Lock()):
            broadcast = self._broadcasts.get(words)
            if broadcast is None:
                broadcast = await self._broadcast(words, request, key)
            search = broadcast.search
            record = SearchRecord(key, request, search.ticket, self._wall_clock(), search)
            self._records[key] = record
            broadcast.records.append(record)
        if not self._starting[words].locked():
            self._starting.pop(words, None)
        self._restart_timer(record)
        for answer in broadcast.answers:
            self._take(record, answer)
        if broadcast.task is None:
            broadcast.task = asyncio.create_task(
                self._listen(words, broadcast), name=f"search {request.text!r}"
            )
            self._listening.add(broadcast.task)
            broadcast.task.add_done_callback(self._listening.discard)
        self.on_changed(record)
        return record

    async def _broadcast(self, words: str, request: SearchRequest, key: str) -> _Broadcast:
        delay = self._engine.search_delay()
        if delay > 0:
            seconds = math.ceil(delay) if math.isfinite(delay) else 60
            raise HttpError(
                429,
                f"The server bears no further search now; try again in {seconds} seconds",
                {"retry-after": str(seconds)},
            )
        try:
            search = await self._engine.search(request.text, username=request.username, room=request.room)
        except HttpError:
            raise
        except NotConnected:
            raise HttpError(409, "The server connection must be connected and logged in to search") from None
        except (NotFound, RoomRefused, UsageError):
            # Nobody could answer it: it never began.
            raise
        except SoulmeshError as error:
            record = SearchRecord(key, request, 0, self._wall_clock(), state="Completed, Errored")
            record.ended = record.started
            await self._write(record)
            raise HttpError(500, f"The search could not be sent: {error}") from None
        broadcast = self._broadcasts[words] = _Broadcast(search)
        search.on_withheld = lambda: self._held_back(broadcast)
        return broadcast

    # -- while it runs

    async def _listen(self, words: str, broadcast: _Broadcast) -> None:
        state = "Completed, TimedOut"
        try:
            async for answer in broadcast.search.answers():
                broadcast.answers.append(answer)
                self.on_answer(answer)
                for record in list(broadcast.records):
                    self._take(record, answer)
                if not broadcast.records:
                    return
        except NotConnected:
            state = "Completed, Errored"
        except Exception:
            logger.exception("a search failed", query=words)
            state = "Completed, Errored"
        finally:
            broadcast.search.stop()
            if self._broadcasts.get(words) is broadcast:
                del self._broadcasts[words]
        for record in list(broadcast.records):
            self._end(record, state)

    def _held_back(self, broadcast: _Broadcast) -> None:
        for record in list(broadcast.records):
            self.on_changed(record)

    def _take(self, record: SearchRecord, answer: Answer) -> None:
        if record.complete or answer.username in record.seen:
            return
        if not record.request.accepts(answer):
            record.filtered += len(answer.files) + len(answer.locked)
            self.on_changed(record)
            return
        record.seen.add(answer.username)
        record.users.append(answer.username)
        record.bodies.append(to_json(response_form(answer, record.token)))
        record.responses += 1
        record.files += len(answer.files)
        record.locked += len(answer.locked)
        if record.responses >= record.request.response_limit:
            self._end(record, "Completed, ResponseLimitReached")
        elif record.files >= record.request.file_limit:
            self._end(record, "Completed, FileLimitReached")
        else:
            self._restart_timer(record)
            self.on_changed(record)

    def _restart_timer(self, record: SearchRecord) -> None:
        if record.timer is not None:
            record.timer.cancel()
        loop = asyncio.get_running_loop()
        record.timer = loop.call_later(record.request.silence, self._end, record, "Completed, TimedOut")

    def _end(self, record: SearchRecord, state: str) -> None:
        if record.complete:
            return
        record.state = state
        record.ended = self._wall_clock()
        record.kept_back = record.withheld
        record.search = None
        self._leave(record)
        writing = asyncio.create_task(self._keep(record), name=f"keep search {record.id}")
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)
        self.on_changed(record)

    def _leave(self, record: SearchRecord) -> None:
        if record.timer is not None:
            record.timer.cancel()
            record.timer = None
        for broadcast in list(self._broadcasts.values()):
            if record in broadcast.records:
                broadcast.records.remove(record)
                if not broadcast.records:
                    # The one who listens is woken by this, and goes.
                    broadcast.search.stop()
                    for words, known in list(self._broadcasts.items()):
                        if known is broadcast:
                            del self._broadcasts[words]

    async def _keep(self, record: SearchRecord) -> None:
        """Write a finished search; until that is done it is answered from memory."""
        try:
            await self._write(record)
        except SoulmeshError as error:
            logger.error("a search could not be kept", error=str(error))
        self._records.pop(record.id, None)

    async def _write(self, record: SearchRecord) -> None:
        known = record.written()
        started = record.started.timestamp()
        ended = record.ended.timestamp() if record.ended else None
        answers = list(zip(record.users, record.bodies, strict=True))

        def write(db: sqlite3.Connection) -> None:
            if record.deleted:
                return
            db.execute(
                "INSERT OR REPLACE INTO searches VALUES (?, ?, ?, ?, ?, ?)",
                (record.id, started, ended, record.request.text, known.body, known.withheld),
            )
            db.executemany(
                "INSERT OR REPLACE INTO responses VALUES (?, ?, ?, ?)",
                [(record.id, number, user, answer) for number, (user, answer) in enumerate(answers)],
            )

        await self._store.run(write)

    # -- looking

    @property
    def running(self) -> int:
        """Searches that are not complete."""
        return sum(1 for record in self._records.values() if not record.complete)

    async def get(self, key: str) -> SearchBody | None:
        """A search without its responses; ``None`` if there is none."""
        record = self._records.get(key)
        if record is not None:
            return record.written()
        row = await self._store.run(
            lambda db: db.execute("SELECT body, withheld FROM searches WHERE id = ?", (key,)).fetchone()
        )
        return None if row is None else _kept(*row)

    async def responses(self, key: str) -> list[bytes] | None:
        """The bodies of the responses: none while it runs; ``None`` if there is no such search."""
        record = self._records.get(key)
        if record is not None:
            return list(record.bodies) if record.complete else []

        def read(db: sqlite3.Connection) -> list[bytes] | None:
            if db.execute("SELECT 1 FROM searches WHERE id = ?", (key,)).fetchone() is None:
                return None
            rows = db.execute("SELECT body FROM responses WHERE search = ? ORDER BY number", (key,))
            return [bytes(row[0]) for row in rows]

        return await self._store.run(read)

    async def page(self, key: str, offset: int, limit: int) -> tuple[int, list[bytes]] | None:
        """Some of the responses that there are so far, running or not, and how many there are."""
        record = self._records.get(key)
        if record is not None:
            return len(record.bodies), record.bodies[offset : offset + limit]

        def read(db: sqlite3.Connection) -> tuple[int, list[bytes]] | None:
            if db.execute("SELECT 1 FROM searches WHERE id = ?", (key,)).fetchone() is None:
                return None
            total = db.execute("SELECT count(*) FROM responses WHERE search = ?", (key,)).fetchone()[0]
            rows = db.execute(
                "SELECT body FROM responses WHERE search = ? AND number >= ? ORDER BY number LIMIT ?",
                (key, offset, limit),
            )
            return total, [bytes(row[0]) for row in rows]

        return await self._store.run(read)

    async def all(self) -> list[SearchBody]:
        """All searches, without their responses."""
        rows = await self._store.run(
            lambda db: db.execute("SELECT id, body, withheld FROM searches ORDER BY started").fetchall()
        )
        running = dict(self._records)
        kept = [_kept(*row) for key, *row in rows if key not in running]
        return kept + [record.written() for record in running.values()]

    # -- ending

    async def stop(self, key: str) -> bool:
        """End a search, keeping what came; ``False`` if there is none."""
        record = self._records.get(key)
        if record is not None:
            self._end(record, "Completed, Cancelled")
            return True
        return await self.get(key) is not None

    async def delete(self, key: str) -> bool:
        """Forget a search, ending it first; ``False`` if there is none."""
        record = self._records.pop(key, None)
        if record is not None:
            # It may be about to be written, or being written: then what follows comes after.
            record.deleted = True
            if not record.complete:
                record.state = "Completed, Cancelled"
                self._leave(record)
        removed = await self._store.run(
            lambda db: db.execute("DELETE FROM searches WHERE id = ?", (key,)).rowcount
        )
        return record is not None or removed > 0

    def forget_before(self, days: float) -> None:
        """Drop searches that ended so many days ago; 0 keeps them all."""
        if days > 0:
            limit = (self._wall_clock() - timedelta(days=days)).timestamp()
            self._store.post(lambda db: db.execute("DELETE FROM searches WHERE ended < ?", (limit,)))

    async def close(self) -> None:
        """End everything; what came so far is kept."""
        for record in list(self._records.values()):
            self._end(record, "Completed, Cancelled")
        for task in self._listening:
            task.cancel()
        await asyncio.gather(*self._listening, *self._writing, return_exceptions=True)


def _kept(body: bytes, withheld: bytes | str) -> SearchBody:
    """From the database, where a column's default is text."""
    return SearchBody(bytes(body), withheld.encode() if isinstance(withheld, str) else bytes(withheld))
