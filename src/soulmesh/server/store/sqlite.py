"""The store of a server on one machine: one SQLite file.

The journal is a write-ahead log with ``synchronous=NORMAL``, so what was
committed outlives the process (kill -9), which is the promise that is made; a
power cut may take the last moments along.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from alembic.util.exc import CommandError
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from soulmesh.server.store import LAYOUTS, Row
from soulmesh.server.store.errors import StoreUnusable
from soulmesh.server.store.sql import SqlStore, migrate, reason

__all__ = ["SqliteStore"]

T = TypeVar("T")


class SqliteStore(SqlStore):
    """See the module, and :class:`soulmesh.server.store.sql.SqlStore`.

    Opening makes the file if it is not there and brings its tables up to date.
    That only one server works on it is seen to by the lock of its folder.
    """

    def __init__(self, path: Path, loop: asyncio.AbstractEventLoop | None = None) -> None:
        super().__init__(str(path), loop)
        self.path = path
        # Before SQLite makes it: hashes of passwords are nobody else's business.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._engine = _engine(path)
        self._connection: Connection | None = None
        self.open()

    async def backup(self, path: str) -> None:
        """A complete copy of the database in ``path``, which must not exist, by SQLite's own VACUUM INTO."""

        def copy() -> None:
            # Ours before a byte is in it: the hashes of passwords are. VACUUM takes an empty file.
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
            try:
                with self._engine.connect() as connection:
                    connection.exec_driver_sql("VACUUM INTO ?", (path,))
            except BaseException:
                os.unlink(path)
                raise

        await asyncio.to_thread(copy)

    def connect(self) -> None:
        """See :class:`soulmesh.server.store.sql.SqlStore`."""
        try:
            self.reconnect()
            self.transact(migrate)
        except (SQLAlchemyError, CommandError) as error:
            raise StoreUnusable(self.path, reason(error)) from error

    def reconnect(self) -> None:
        """See :class:`soulmesh.server.store.sql.SqlStore`."""
        self.disconnect()
        self._connection = self._engine.connect()

    def disconnect(self) -> None:
        """See :class:`soulmesh.server.store.sql.SqlStore`."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def transact(self, work: Callable[[Connection], T]) -> T:
        """See :class:`soulmesh.server.store.sql.SqlStore`."""
        connection = self._connection
        if connection is None:
            raise OSError("not connected")
        with connection.begin():
            return work(connection)

    def write_rows(self, connection: Connection, table: str, rows: list[Row]) -> None:
        """See :class:`soulmesh.server.store.sql.SqlStore`."""
        _in_groups(connection, _PUT[table], rows)

    def drop_rows(self, connection: Connection, table: str, keys: list[Row]) -> None:
        """See :class:`soulmesh.server.store.sql.SqlStore`."""
        _in_groups(connection, _DROP[table], keys)


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


def _in_groups(connection: Connection, statements: tuple[str, str], rows: list[Row]) -> None:
    single, many = statements
    whole = len(rows) - len(rows) % AT_ONCE
    for start in range(0, whole, AT_ONCE):
        values = tuple(itertools.chain.from_iterable(rows[start : start + AT_ONCE]))
        connection.exec_driver_sql(many, values)
    if whole < len(rows):
        connection.exec_driver_sql(single, rows[whole:])


def _engine(path: Path) -> Engine:
    # The connection is made on the store's thread and used there alone; backups make their own.
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=NORMAL")
        cursor.execute("PRAGMA busy_timeout=5000")
        cursor.close()

    return engine
