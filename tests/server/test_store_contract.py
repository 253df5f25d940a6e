"""What every store promises, against every store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy

from soulmesh.server.store import LAYOUTS, Store
from soulmesh.server.store.memory import MemoryStore
from soulmesh.server.store.schema import metadata
from soulmesh.server.store.sqlite import SqliteStore, StoreUnusable
from tests.support.loops import real

Open = Callable[[], Store]


@pytest.fixture(params=["memory", "sqlite"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the same store again and again, as a restart does."""
    if request.param == "memory":
        store = MemoryStore()
        return lambda: store
    return lambda: SqliteStore(tmp_path / "store.sqlite3", asyncio.get_running_loop())


def account(name: bytes, speed: int = 0) -> tuple[object, ...]:
    return (name, "hash", 0, 1, 0, 0, speed, 0, 0, 0, 0)


async def committed(store: Store, number: int) -> None:
    async with asyncio.timeout(20):
        while store.committed < number:  # noqa: ASYNC110
            await asyncio.sleep(0.001)


def test_what_is_saved_is_there_after_a_restart(open_store: Open) -> None:
    @real
    async def check() -> None:
        store = open_store()
        store.save("accounts", account(b"bob"))
        store.save("accounts", account(b"ann"))
        store.save("accounts", account(b"ann", speed=5))
        store.save("interests", (b"ann", "jazz", 0))
        store.save("interests", (b"ann", "jazz", 1))
        store.remove("interests", (b"ann", "jazz", 0))
        store.remove("rooms", (b"nowhere",))
        await store.close()
        again = open_store()
        assert again.read("accounts") == [account(b"ann", speed=5), account(b"bob")]
        assert again.read("interests") == [(b"ann", "jazz", 1)]
        assert again.read("rooms") == []
        await again.close()

    check()


def test_names_that_are_no_text_and_values_at_their_bounds_survive(open_store: Open) -> None:
    @real
    async def check() -> None:
        store = open_store()
        rows = {
            "accounts": account(b"\xff\x00", speed=0xFFFFFFFF),
            "messages": (0xFFFFFFFF, b"\xff", b"", 0xFFFFFFFF, bytes(range(256))),
            "rooms": (b"\xe9", None, 1),
            "tickers": (b"\xe9", b"\xff", b"", 9),
            "members": (b"\xe9", b"\xff", 1, 9),
            "bans": ("address", "10.0.0.0/8", 0, "why \u2603", "ann", 1),
            "settings": ("greeting", "line\nline"),
            "audit": (1, 2, "ann", "ban", "bob", ""),
        }
        for table, row in rows.items():
            store.save(table, row)
        await store.close()
        again = open_store()
        for table, row in rows.items():
            assert again.read(table) == [row], table
        await again.close()

    check()


def test_a_commit_is_told_when_it_is_safe(open_store: Open) -> None:
    @real
    async def check() -> None:
        store = open_store()
        calls: list[int] = []
        store.on_commit(lambda: calls.append(store.committed))
        before = store.commit()
        assert store.committed == before
        store.save("settings", ("key", "value"))
        number = store.commit()
        assert number == before + 1
        assert store.commit() == number
        await committed(store, number)
        await store.close()

    check()


def test_messages_on_the_short_way_are_kept_and_forgotten(open_store: Open) -> None:
    @real
    async def check() -> None:
        store = open_store()
        for number in range(1, 6):
            store.messages[number] = (number, b"bob", b"ann", 7, b"text")
        await committed(store, store.commit())
        store.messages[1] = None
        store.messages[6] = (6, b"bob", b"ann", 7, b"text")
        store.messages[6] = None
        store.messages[77] = None
        await store.close()
        again = open_store()
        assert [row[0] for row in again.read("messages")] == [2, 3, 4, 5]
        await again.close()

    check()


def test_a_backup_is_a_complete_copy_made_while_writing_goes_on(open_store: Open, tmp_path: Path) -> None:
    @real
    async def check() -> None:
        store = open_store()
        for number in range(100):
            store.save("settings", (f"key{number}", "value"))
        await committed(store, store.commit())
        target = tmp_path / "copy"
        copying = asyncio.create_task(store.backup(str(target)))
        store.save("settings", ("later", "value"))
        await committed(store, store.commit())
        await copying
        assert target.stat().st_size > 0
        await store.close()

    check()


# ---- SQLite alone


@real
async def test_the_migrations_make_the_declared_tables(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "x.sqlite3", asyncio.get_running_loop())
    engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'x.sqlite3'}")
    found = sqlalchemy.inspect(engine)
    for table, layout in LAYOUTS.items():
        assert [column["name"] for column in found.get_columns(table)] == list(layout.columns)
        assert found.get_pk_constraint(table)["constrained_columns"] == list(layout.columns[: layout.key])
        assert [column.name for column in metadata.tables[table].columns] == list(layout.columns)
    assert set(found.get_table_names()) == {*LAYOUTS, "alembic_version"}
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    engine.dispose()
    await store.close()


@real
async def test_a_disk_that_says_no_is_tried_again_and_nothing_is_told_meanwhile(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "x.sqlite3", asyncio.get_running_loop())
    other = sqlalchemy.create_engine(f"sqlite:///{tmp_path / 'x.sqlite3'}", connect_args={"timeout": 5})
    with other.connect() as connection:
        connection.exec_driver_sql("DROP TABLE settings")
        connection.commit()
        store.save("settings", ("key", "value"))
        number = store.commit()
        async with asyncio.timeout(20):
            while store.fault is None:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert "no such table" in store.fault
        assert store.committed < number
        connection.exec_driver_sql('CREATE TABLE settings ("key" TEXT PRIMARY KEY, value TEXT)')
        connection.commit()
    await committed(store, number)
    assert store.fault is None
    other.dispose()
    await store.close()


@real
async def test_what_is_no_database_or_comes_from_the_future_is_said_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "x.sqlite3"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreUnusable, match="not a database"):
        SqliteStore(path)
    newer = tmp_path / "newer.sqlite3"
    store = SqliteStore(newer, asyncio.get_running_loop())
    await store.close()
    engine = sqlalchemy.create_engine(f"sqlite:///{newer}")
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    engine.dispose()
    with pytest.raises(StoreUnusable, match="9999"):
        SqliteStore(newer)
