"""The store in a PostgreSQL database, for servers that several processes or hosts share.

Written like the one in SQLite (:mod:`soulmesh.server.store.sql`): one thread,
one transaction for all batches that wait. asyncpg runs on a small loop of that
thread's own, so its waiting is not the server's.

One server at a time writes: the connection that writes also holds an advisory
lock on the database. When it breaks, the lock goes with it, and who cannot get it
back has lost the database to another server and writes nothing more.

PostgreSQL's texts cannot hold the character NUL, which interests of users may;
it is kept as ``\\0``, and a backslash as two.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import IO, TypeVar

import sqlalchemy as sa
from alembic.util.exc import CommandError
from sqlalchemy import Connection, Text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from soulmesh.errors import ConfigError
from soulmesh.server.store import LAYOUTS, Row
from soulmesh.server.store.errors import StoreInUse, StoreUnusable
from soulmesh.server.store.schema import metadata
from soulmesh.server.store.sql import SqlStore, migrate, reason

__all__ = ["PostgresStore", "is_free"]

T = TypeVar("T")

LOCK = 0x736F756C6D657368
"""Number of the advisory lock: the letters of the program's name."""

CONNECT_SECONDS = 4.0

CHECK_EVERY = 3.0
"""An idle server finds out within so many seconds that the database went to another one."""


KEEP_ALIVE = {
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
"""So that the database notices a host that is gone, and with it the lock, in seconds instead of hours."""


class PostgresStore(SqlStore):
    """See the module. ``url`` is ``postgresql://USER:PASSWORD@HOST:PORT/DATABASE``.

    ``reads_only`` takes no lock, changes nothing, and works beside a running server.

    Raises:
        ConfigError: the address is none.
        StoreUnusable: the database cannot be reached, or its tables are newer than we are.
        StoreInUse: another server works on it.
    """

    def __init__(
        self, url: str, loop: asyncio.AbstractEventLoop | None = None, *, reads_only: bool = False
    ) -> None:
        try:
            parsed = make_url(url)
            super().__init__(parsed.render_as_string(hide_password=True), loop)
            self._url = parsed.set(drivername="postgresql+asyncpg")
            self._engine = self._make_engine()
        except (ArgumentError, ValueError) as error:
            raise ConfigError("store.url is no address such as postgresql://user@host/database") from error
        self._reads_only = reads_only
        if not reads_only:
            self.check_every = CHECK_EVERY
        self._connection: AsyncConnection | None = None
        self._runner: asyncio.Runner | None = None
        self.open()

    def _make_engine(self) -> AsyncEngine:
        arguments = {"timeout": CONNECT_SECONDS, "command_timeout": 60, "server_settings": KEEP_ALIVE}
        return create_async_engine(self._url, poolclass=NullPool, connect_args=arguments)

    def connect(self) -> None:
        """See :class:`soulmesh.server.store.sql.SqlStore`."""
        self._runner = asyncio.Runner()
        try:
            self.reconnect()
            if not self._reads_only:
                self.transact(migrate)
        except (SQLAlchemyError, CommandError, OSError) as error:
            problem = StoreUnusable(self.place, reason(error))
            if not isinstance(error, CommandError):
                problem.hint = (
                    "see that PostgreSQL runs, that the database exists, and that store.url is right"
                )
            raise problem from error

    def reconnect(self) -> None:
        """See :class:`soulmesh.server.store.sql.SqlStore`."""
        assert self._runner is not None
        self._runner.run(self._reconnect())

    async def _reconnect(self) -> None:
        await self._let_go()
        self._connection = await self._engine.connect()
        if self._reads_only:
            return
        got = await self._connection.scalar(sa.select(sa.func.pg_try_advisory_lock(LOCK)))
        # The lock belongs to the connection, not to this transaction.
        await self._connection.commit()
        if not got:
            await self._let_go()
            raise StoreInUse(self.place)

    async def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            try:
                await connection.close()
            except (SQLAlchemyError, OSError):  # it was broken already
                pass

    def disconnect(self) -> None:
        """See :class:`soulmesh.server.store.sql.SqlStore`."""
        if self._runner is not None:
            self._runner.run(self._let_go())
            self._runner.run(self._engine.dispose())
            self._runner.close()
            self._runner = None

    def transact(self, work: Callable[[Connection], T]) -> T:
        """See :class:`soulmesh.server.store.sql.SqlStore`."""
        assert self._runner is not None
        return self._runner.run(self._transact(work))

    async def _transact(self, work: Callable[[Connection], T]) -> T:
        connection = self._connection
        if connection is None:
            raise OSError("not connected")
        async with connection.begin():
            return await connection.run_sync(work)

    def write_rows(self, connection: Connection, table: str, rows: list[Row]) -> None:
        """See :class:`soulmesh.server.store.sql.SqlStore`."""
        connection.exec_driver_sql(_PUT[table], _arrays(table, LAYOUTS[table].columns, rows))

    def drop_rows(self, connection: Connection, table: str, keys: list[Row]) -> None:
        """See :class:`soulmesh.server.store.sql.SqlStore`."""
        layout = LAYOUTS[table]
        connection.exec_driver_sql(_DROP[table], _arrays(table, layout.columns[: layout.key], keys))

    def shown(self, table: str, row: Row) -> Row:
        """See :class:`soulmesh.server.store.sql.SqlStore`."""
        return tuple(_unescaped(value) for value in row)

    async def backup(self, path: str) -> None:
        """Everything as JSON lines in ``path``, which must not exist, as ``import`` takes them.

        One snapshot of the database, on a connection of its own.
        """

        def copy() -> None:
            # Exclusive, so that nothing is overwritten, and nobody else's business.
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                asyncio.run(self._copy(file))

        await asyncio.to_thread(copy)

    async def _copy(self, file: IO[str]) -> None:
        from soulmesh.server.transfer import line_of

        engine = self._make_engine()
        try:
            async with engine.connect() as connection:
                await connection.execution_options(isolation_level="REPEATABLE READ")
                for table, layout in LAYOUTS.items():
                    columns = [metadata.tables[table].c[name] for name in layout.columns]
                    query = sa.select(*columns).order_by(*columns[: layout.key])
                    for row in await connection.execute(query):
                        file.write(line_of(table, self.shown(table, tuple(row))) + "\n")
        finally:
            await engine.dispose()


def _type(table: str, column: str) -> str:
    """How a column's values travel: what PostgreSQL calls an array's elements."""
    kind = metadata.tables[table].c[column].type
    if isinstance(kind, sa.LargeBinary):
        return "bytea"
    return "text" if isinstance(kind, Text) else "bigint"


def _value(table: str, column: str) -> str:
    boolean = isinstance(metadata.tables[table].c[column].type, sa.Boolean)
    return f'r."{column}" <> 0' if boolean else f'r."{column}"'


def _rows(table: str, columns: tuple[str, ...]) -> str:
    arrays = ", ".join(f"${i}::{_type(table, column)}[]" for i, column in enumerate(columns, 1))
    return f"unnest({arrays}) AS r({_quoted(columns)})"


def _quoted(columns: tuple[str, ...]) -> str:
    return ", ".join(f'"{c}"' for c in columns)


def _put_sql(table: str) -> str:
    layout = LAYOUTS[table]
    keys, others = layout.columns[: layout.key], layout.columns[layout.key :]
    values = ", ".join(_value(table, column) for column in layout.columns)
    changes = ", ".join(f'"{c}" = excluded."{c}"' for c in others)
    then = f"UPDATE SET {changes}" if others else "NOTHING"
    return (
        f"INSERT INTO {table} ({_quoted(layout.columns)}) SELECT {values} FROM {_rows(table, layout.columns)}"
        f" ON CONFLICT ({_quoted(keys)}) DO {then}"
    )


def _drop_sql(table: str) -> str:
    layout = LAYOUTS[table]
    keys = layout.columns[: layout.key]
    match = " AND ".join(f'{table}."{key}" = r."{key}"' for key in keys)
    return f"DELETE FROM {table} USING {_rows(table, keys)} WHERE {match}"


_PUT = {table: _put_sql(table) for table in LAYOUTS}
_DROP = {table: _drop_sql(table) for table in LAYOUTS}


def _arrays(table: str, columns: tuple[str, ...], rows: list[Row]) -> tuple[list[object], ...]:
    """One array per column."""
    arrays: list[list[object]] = []
    for place, column in enumerate(columns):
        values = [row[place] for row in rows]
        if _type(table, column) == "text":
            values = [_escaped(value) for value in values]
        arrays.append(values)
    return tuple(arrays)


def _escaped(text: str) -> str:
    if "\\" in text or "\0" in text:
        return text.replace("\\", "\\\\").replace("\0", "\\0")
    return str(text)


def _unescaped(value: object) -> object:
    if isinstance(value, str) and "\\" in value:
        # Between two backslashes that stand for one, every "\0" is a NUL.
        return "\\".join(part.replace("\\0", "\0") for part in value.split("\\\\"))
    return value


_HOLDERS = sa.text(
    "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database"
    " WHERE datname = current_database() AND locktype = 'advisory' AND granted"
    " AND classid = :high AND objid = :low AND objsubid = 1"
)


def is_free(url: str) -> bool:
    """Whether the database can be reached and no server works on it. Takes nothing; blocks, for a thread."""

    async def ask() -> bool:
        engine = create_async_engine(
            make_url(url).set(drivername="postgresql+asyncpg"),
            poolclass=NullPool,
            connect_args={"timeout": CONNECT_SECONDS, "command_timeout": CONNECT_SECONDS},
        )
        try:
            async with engine.connect() as connection:
                holders = await connection.scalar(_HOLDERS, {"high": LOCK >> 32, "low": LOCK & 0xFFFFFFFF})
                return int(holders or 0) == 0
        finally:
            await engine.dispose()

    try:
        return asyncio.run(ask())
    except (SQLAlchemyError, ArgumentError, OSError, TimeoutError):
        return False
