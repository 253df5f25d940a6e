"""The store of a server on one machine: one SQLite file.

Reading happens at the start alone. Writing happens in one thread of its own,
which takes all batches that are waiting, writes them in one transaction, and
tells the loop: the busier the server, the larger the groups. The journal is a
write-ahead log with ``synchronous=NORMAL``, so what was committed outlives the
process (kill -9), which is the promise that is made; a power cut may take the
last moments along.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from soulmesh import log
from soulmesh.errors import SoulmeshError
from soulmesh.server.store import LAYOUTS, Row
from soulmesh.server.store.schema import metadata

__all__ = ["SqliteStore", "StoreUnusable"]

_Batch = dict[str, dict[Row, Row | None]]

RETRY_AFTER = 1.0
"""Seconds between attempts when the disk says no."""


class StoreUnusable(SoulmeshError):
    """The database ``path`` cannot be used: ``reason``, in the words of SQLite or of the migrations."""

    hint = "if it is damaged, put a backup in its place; if a newer soulmesh wrote it, run that one"

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot use the database {self.path}: {self.reason}"


class SqliteStore:
    """See the module, and :class:`soulmesh.server.store.Store`.

    ``loop`` is told of commits. Opening makes the file if it is not there and
    brings its tables up to date. ``fault`` is the last reason why nothing could
    be written, or ``None``: the health check shows it.
    """

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self.path = path
        self.committed = 0
        self.messages: dict[int, Row | None] = {}
        self.fault: str | None = None
        self._loop = loop
        self._calls: list[Callable[[], None]] = []
        self._open: _Batch = {}
        self._number = 0
        self._queue: SimpleQueue[tuple[int, _Batch] | None] = SimpleQueue()
        self._stopping = threading.Event()
        self._log = log.get("server.store")
        # Before SQLite makes it: hashes of passwords are nobody else's business.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._engine = _engine(path)
        try:
            with self._engine.connect() as connection:
                _migrate(connection)
        except (SQLAlchemyError, CommandError) as error:
            raise StoreUnusable(path, str(getattr(error, "orig", error))) from error
        self._thread = threading.Thread(target=self._write_all, name="store", daemon=True)
        self._thread.start()

    def read(self, table: str) -> list[Row]:
        """See :class:`soulmesh.server.store.Store`."""
        columns = metadata.tables[table].c
        key = LAYOUTS[table].columns[: LAYOUTS[table].key]
        query = select(*(columns[name] for name in LAYOUTS[table].columns)).order_by(
            *(columns[k] for k in key)
        )
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(str(query))]

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
                batch["messages"] = self.messages  # type: ignore[assignment]
                self.messages = {}
            self._number += 1
            self._queue.put((self._number, batch))
        return self._number

    def on_commit(self, call: Callable[[], None]) -> None:
        """See :class:`soulmesh.server.store.Store`."""
        self._calls.append(call)

    async def backup(self, path: str) -> None:
        """A complete copy of the database in ``path``, which must not exist, by SQLite's own VACUUM INTO."""

        def copy() -> None:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("VACUUM INTO ?", (path,))

        await asyncio.to_thread(copy)

    async def close(self) -> None:
        """See :class:`soulmesh.server.store.Store`."""
        self.commit()
        self._stopping.set()
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)
        self._engine.dispose()

    # ---- the thread

    def _write_all(self) -> None:
        connection = self._engine.connect()
        try:
            while True:
                item = self._queue.get()
                batches: list[tuple[int, _Batch]] = []
                last = item is None
                if item is not None:
                    batches.append(item)
                while not self._queue.empty():
                    item = self._queue.get()
                    if item is None:
                        last = True
                    else:
                        batches.append(item)
                if batches:
                    connection = self._write(connection, batches)
                if last:
                    return
        finally:
            connection.close()

    def _write(self, connection: Connection, batches: list[tuple[int, _Batch]]) -> Connection:
        merged = _merge([batch for _, batch in batches])
        number = batches[-1][0]
        while True:
            try:
                with connection.begin():
                    for table, rows in merged.items():
                        _write_table(connection, table, rows)
            except SQLAlchemyError as error:
                self.fault = str(getattr(error, "orig", error))
                self._log.error("cannot write", path=str(self.path), reason=self.fault)
                if self._stopping.wait(RETRY_AFTER):
                    return connection
                connection.close()
                connection = self._engine.connect()
                continue
            break
        self.fault = None
        if self._loop is None:
            self.committed = number
        else:
            try:
                self._loop.call_soon_threadsafe(self._told, number)
            except RuntimeError:  # the loop is gone, and so is everybody who could be told
                self.committed = number
        return connection

    def _told(self, number: int) -> None:
        self.committed = number
        for call in self._calls:
            call()


def _merge(batches: list[_Batch]) -> _Batch:
    merged = batches[0]
    for batch in batches[1:]:
        for table, rows in batch.items():
            if table in merged:
                merged[table].update(rows)
            else:
                merged[table] = rows
    return merged


AT_ONCE = 150
"""Rows per statement. The interpreter's lock is given up at every step of a statement, and getting it back
from a busy loop takes long: fewer, larger statements."""


def _quoted(columns: tuple[str, ...]) -> str:
    return ", ".join(f'"{c}"' for c in columns)


def _put_sql(table: str, rows: int) -> str:
    columns = LAYOUTS[table].columns
    marks = "(" + ", ".join("?" * len(columns)) + ")"
    return f"INSERT OR REPLACE INTO {table} ({_quoted(columns)}) VALUES {', '.join([marks] * rows)}"


def _drop_sql(table: str, rows: int) -> str:
    layout = LAYOUTS[table]
    keys = layout.columns[: layout.key]
    marks = "(" + ", ".join("?" * len(keys)) + ")"
    return f"DELETE FROM {table} WHERE ({_quoted(keys)}) IN (VALUES {', '.join([marks] * rows)})"


_PUT = {table: (_put_sql(table, 1), _put_sql(table, AT_ONCE)) for table in LAYOUTS}
_DROP = {table: (_drop_sql(table, 1), _drop_sql(table, AT_ONCE)) for table in LAYOUTS}


def _write_table(connection: Connection, table: str, rows: dict[Any, Row | None]) -> None:
    kept = [row for row in rows.values() if row is not None]
    if kept:
        _in_groups(connection, _PUT[table], kept)
    if len(kept) < len(rows):
        # Keys of messages are bare numbers, all others tuples.
        gone = [key if isinstance(key, tuple) else (key,) for key, row in rows.items() if row is None]
        _in_groups(connection, _DROP[table], gone)


def _in_groups(connection: Connection, statements: tuple[str, str], rows: list[Row]) -> None:
    single, many = statements
    whole = len(rows) - len(rows) % AT_ONCE
    for start in range(0, whole, AT_ONCE):
        values = tuple(itertools.chain.from_iterable(rows[start : start + AT_ONCE]))
        connection.exec_driver_sql(many, values)
    if whole < len(rows):
        connection.exec_driver_sql(single, rows[whole:])


def _engine(path: Path) -> Engine:
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA busy_timeout=5000")
        cursor.close()

    return engine


def _migrate(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    connection.commit()
