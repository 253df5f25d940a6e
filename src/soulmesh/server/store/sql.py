"""What the stores in databases have in common: one thread that does all the work, in groups.

Reading happens at the start alone. Writing happens in one thread of its own,
which takes all batches that are waiting, writes them in one transaction, and
tells the loop: the busier the server, the larger the groups.

An adapter brings the connection (:meth:`SqlStore.transact`,
:meth:`SqlStore.reconnect`) and how its database writes many rows at once
(:meth:`SqlStore.write_rows`, :meth:`SqlStore.drop_rows`).
"""

from __future__ import annotations

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, select
from sqlalchemy.exc import DataError, SQLAlchemyError

from soulmesh import log
from soulmesh.errors import SoulmeshError
from soulmesh.server.store import LAYOUTS, Row
from soulmesh.server.store.errors import StoreBroken, StoreInUse
from soulmesh.server.store.schema import metadata

__all__ = ["SqlStore", "migrate"]

T = TypeVar("T")

Batch = dict[str, dict[Any, Row | None]]
"""Changes by table and key; keys of messages are bare numbers, all others tuples."""

RETRY_AFTER = 1.0
"""Seconds between attempts when the database says no."""


class SqlStore(ABC):
    """See the module, and :class:`soulmesh.server.store.Store`.

    ``loop`` is told of commits; ``place`` is what the database is called in
    front of people. ``fault`` is the last reason why nothing could be written,
    or ``None``: the health check shows it.
    """

    check_every: float | None = None
    """Seconds of idleness after which an adapter looks whether its connection still stands."""

    def __init__(self, place: str, loop: asyncio.AbstractEventLoop | None) -> None:
        self.place = place
        self.committed = 0
        self.messages: dict[int, Row | None] = {}
        self.fault: str | None = None
        self._loop = loop
        self._calls: list[Callable[[], None]] = []
        self._lost_calls: list[Callable[[SoulmeshError], None]] = []
        self._open: Batch = {}
        self._number = 0
        self._written = 0
        self._queue: SimpleQueue[tuple[int, Batch] | Callable[[], None] | None] = SimpleQueue()
        self._stopping = threading.Event()
        self._ending = threading.Lock()
        self._ended = False
        """The thread takes nothing more; changes under the lock."""
        self._log = log.get("server.store")
        self._thread = threading.Thread(target=self._work, name="store", daemon=True)

    # ---- what an adapter brings, called on the thread

    @abstractmethod
    def connect(self) -> None:
        """Open the connection and bring the tables up to date."""

    @abstractmethod
    def reconnect(self) -> None:
        """Open another connection after a failure.

        Raises:
            StoreInUse: it is somebody else's now. Nothing more is written.
        """

    @abstractmethod
    def disconnect(self) -> None:
        """Close the connection, if there is one."""

    @abstractmethod
    def transact(self, work: Callable[[Connection], T]) -> T:
        """Run ``work`` in one transaction."""

    @abstractmethod
    def write_rows(self, connection: Connection, table: str, rows: list[Row]) -> None:
        """Add the rows, or put them in place of those with their keys."""

    @abstractmethod
    def drop_rows(self, connection: Connection, table: str, keys: list[Row]) -> None:
        """Forget rows by key."""

    @abstractmethod
    async def backup(self, path: str) -> None:
        """See :class:`soulmesh.server.store.Store`. Called on the loop."""

    def shown(self, table: str, row: Row) -> Row:
        """A row as it was saved, from what the database has."""
        return row

    # ---- the port

    def open(self) -> None:
        """Start the thread, and wait until the tables are there.

        Raises:
            StoreUnusable, StoreInUse: the thread has ended.
        """
        self._thread.start()
        try:
            self._on_thread(self.connect)
        except BaseException:
            self._queue.put(None)
            self._thread.join()
            raise

    def read(self, table: str) -> list[Row]:
        """See :class:`soulmesh.server.store.Store`."""
        columns = metadata.tables[table].c
        layout = LAYOUTS[table]
        query = select(*(columns[name] for name in layout.columns))
        rows = self._on_thread(
            lambda: self.transact(lambda connection: [tuple(row) for row in connection.execute(query)])
        )
        return sorted((self.shown(table, row) for row in rows), key=lambda row: row[: layout.key])

    def save(self, table: str, row: Row) -> None:
        """See :class:`soulmesh.server.store.Store`."""
        self._open.setdefault(table, {})[row[: LAYOUTS[table].key]] = row

    def remove(self, table: str, key: Row) -> None:
        """See :class:`soulmesh.server.store.Store`."""
        self._open.setdefault(table, {})[key] = None

    def commit(self) -> int:
        """See :class:`soulmesh.server.store.Store`."""
        if self._open or self.messages:
            batch, self._open = self._open, {}
            if self.messages:
                # The dict itself goes to the thread; keys are bare ids there.
                saved = batch.get("messages")
                batch["messages"] = self.messages if saved is None else {**saved, **self.messages}
                self.messages = {}
            self._number += 1
            self._queue.put((self._number, batch))
        return self._number

    def on_commit(self, call: Callable[[], None]) -> None:
        """See :class:`soulmesh.server.store.Store`."""
        self._calls.append(call)

    def on_lost(self, call: Callable[[SoulmeshError], None]) -> None:
        """See :class:`soulmesh.server.store.Store`."""
        self._lost_calls.append(call)

    async def close(self, patience: float | None = None) -> None:
        """See :class:`soulmesh.server.store.Store`."""
        self.commit()
        self._stopping.set()
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join, patience)
        if self._thread.is_alive():
            self._log.error("the database does not answer: the last changes are not kept", path=self.place)

    # ---- the thread

    def _on_thread(self, work: Callable[[], T]) -> T:
        """Run ``work`` on the thread and wait for it: for the start and for commands, not for a busy loop."""
        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(work())
            except BaseException as error:
                result.set_exception(error)

        with self._ending:
            if self._ended:
                raise StoreBroken(self.place, self.fault or "it is closed")
            self._queue.put(run)
        return result.result()

    def _work(self) -> None:
        last = False
        try:
            while not last:
                try:
                    item = self._queue.get(timeout=self.check_every)
                except Empty:
                    # Nothing written is a way to look as well: it works, or it is seen to.
                    if not self._write([(self._written, {})]):
                        return
                    continue
                batches: list[tuple[int, Batch]] = []
                while True:
                    if item is None:
                        last = True
                    elif isinstance(item, tuple):
                        batches.append(item)
                    else:
                        item()
                    if self._queue.empty():
                        break
                    item = self._queue.get()
                if batches and not self._write(batches):
                    return
        finally:
            self.disconnect()
            with self._ending:
                self._ended = True
            while not self._queue.empty():
                # Whoever waits for an answer gets one: that there is no connection.
                if callable(item := self._queue.get()):
                    item()

    def _write(self, batches: list[tuple[int, Batch]]) -> bool:
        """Write until it works; false if it never will."""
        merged = _merge([batch for _, batch in batches])
        while True:
            try:
                self.transact(lambda connection: self._write_all(connection, merged))
                break
            except (SQLAlchemyError, OSError) as error:
                self.fault = reason(error)
                if isinstance(error, DataError):
                    return self._give_up(error)
            except Exception as error:
                self.fault = reason(error)
                return self._give_up(error)
            self._log.error("cannot write", path=self.place, reason=self.fault)
            if self._stopping.wait(RETRY_AFTER):
                return False
            try:
                self.reconnect()
            except StoreInUse as error:
                self.fault = str(error)
                self._log.error("the store is lost", path=self.place, reason=self.fault)
                self._tell(self._told_lost, error)
                return False
            except (SQLAlchemyError, OSError) as error:
                self.fault = reason(error)
        self.fault = None
        number = self._written = batches[-1][0]
        if number == self.committed:
            return True
        if not self._tell(self._told, number):
            self.committed = number  # nobody is there to be told
        return True

    def _give_up(self, error: Exception) -> bool:
        """What is to be written can never be written. To go on would tell what is not kept."""
        with self._ending:
            self._ended = True
        self._log.error("cannot write this, ever", path=self.place, reason=self.fault, exc_info=error)
        self._tell(self._told_lost, StoreBroken(self.place, self.fault or ""))
        return False

    def _write_all(self, connection: Connection, merged: Batch) -> None:
        if not merged:
            connection.execute(select(1))
        for table, rows in merged.items():
            kept = [row for row in rows.values() if row is not None]
            if kept:
                self.write_rows(connection, table, kept)
            if len(kept) < len(rows):
                gone = [key if isinstance(key, tuple) else (key,) for key, row in rows.items() if row is None]
                self.drop_rows(connection, table, gone)

    def _tell(self, call: Callable[..., None], *arguments: object) -> bool:
        if self._loop is None:
            return False
        try:
            self._loop.call_soon_threadsafe(call, *arguments)
        except RuntimeError:  # the loop is gone
            return False
        return True

    def _told(self, number: int) -> None:
        self.committed = number
        for call in self._calls:
            call()

    def _told_lost(self, error: SoulmeshError) -> None:
        for call in self._lost_calls:
            call(error)


def reason(error: BaseException) -> str:
    """Why, in the words of the database."""
    return str(getattr(error, "orig", None) or error)


def migrate(connection: Connection) -> None:
    """Bring the tables up to date. The transaction is the caller's."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _merge(batches: list[Batch]) -> Batch:
    merged = batches[0]
    for batch in batches[1:]:
        for table, rows in batch.items():
            if table in merged:
                merged[table].update(rows)
            else:
                merged[table] = rows
    return merged
