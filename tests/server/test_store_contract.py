"""What every store promises, against every store."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy

from soulmesh.errors import ConfigError, SoulmeshError
from soulmesh.server.folder import lock
from soulmesh.server.store import LAYOUTS, Store
from soulmesh.server.store.choose import store_is_free
from soulmesh.server.store.errors import StoreBroken, StoreInUse, StoreUnusable
from soulmesh.server.store.memory import MemoryStore
from soulmesh.server.store.schema import metadata
from soulmesh.server.store.sqlite import SqliteStore
from tests.support.databases import POSTGRES, Postgres
from tests.support.loops import real

Open = Callable[[], Store]


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=POSTGRES)])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens the same store again and again, as a restart does."""
    if request.param == "postgres":
        from soulmesh.server.store.postgres import PostgresStore

        url = request.getfixturevalue("postgres").database()
        return lambda: PostgresStore(url, asyncio.get_running_loop())
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
            "rooms": (b"\xe9", None, 1, b"\xff"),
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


def test_a_backup_is_for_nobody_else_and_overwrites_nothing(open_store: Open, tmp_path: Path) -> None:
    @real
    async def check() -> None:
        store = open_store()
        store.save("settings", ("key", "value"))
        await committed(store, store.commit())
        target = tmp_path / "copy"
        await store.backup(str(target))
        assert stat.S_IMODE(target.stat().st_mode) == 0o600
        before = target.read_bytes()
        with pytest.raises(FileExistsError):
            await store.backup(str(target))
        assert target.read_bytes() == before
        await store.close()

    check()


def test_any_text_survives_and_is_found_again_by_key(open_store: Open) -> None:
    items = ["nul \0 in it", "back\\slash", "\\0", "\\\\0\0", "\0\\", "snow \u2603", ""]

    @real
    async def check() -> None:
        store = open_store()
        for item in items:
            store.save("interests", (b"ann", item, 0))
        await store.close()
        again = open_store()
        assert sorted(row[1] for row in again.read("interests")) == sorted(items)
        for item in items[:-1]:
            again.remove("interests", (b"ann", item, 0))
        await again.close()
        last = open_store()
        assert last.read("interests") == [(b"ann", "", 0)]
        await last.close()

    check()


def test_thousands_of_rows_in_one_batch(open_store: Open) -> None:
    @real
    async def check() -> None:
        store = open_store()
        for number in range(5000):
            store.save("accounts", account(b"user%d" % number))
            store.messages[number + 1] = (number + 1, b"bob", b"ann", 7, b"text")
        await committed(store, store.commit())
        for number in range(4000):
            store.remove("accounts", (b"user%d" % number,))
            store.messages[number + 1] = None
        await store.close()
        again = open_store()
        assert len(again.read("accounts")) == len(again.read("messages")) == 1000
        await again.close()

    check()


def test_what_can_never_be_written_ends_the_store_and_is_told(tmp_path: Path) -> None:
    @real
    async def check() -> None:
        store = SqliteStore(tmp_path / "server.sqlite3", asyncio.get_running_loop())
        told: asyncio.Future[SoulmeshError] = asyncio.get_running_loop().create_future()
        store.on_lost(told.set_result)
        store.save("bans", ("name", "ann", 1 << 64, "", "console", 1))
        number = store.commit()
        error = await told
        assert isinstance(error, StoreBroken)
        assert "too large" in str(error)
        assert store.fault
        assert store.committed < number, "nobody hears of what is not kept"
        with pytest.raises(StoreBroken):
            store.read("bans")
        await store.close()
        again = SqliteStore(tmp_path / "server.sqlite3")
        assert again.read("bans") == []
        await again.close()

    check()


# ---- PostgreSQL alone


@POSTGRES
def test_the_migrations_make_the_declared_tables_in_postgresql_too(postgres: Postgres) -> None:
    from soulmesh.server.store.postgres import PostgresStore

    url = postgres.database()
    name = url.partition("@/")[2].partition("?")[0]
    asyncio.run(PostgresStore(url).close())
    for table, layout in LAYOUTS.items():
        found = postgres.execute(
            "SELECT column_name FROM information_schema.columns"
            f" WHERE table_name = '{table}' AND table_schema = 'public' ORDER BY ordinal_position",
            name,
        )
        assert [row[0] for row in found] == list(layout.columns)


@POSTGRES
def test_a_database_is_for_one_server_and_reading_beside_it_is_allowed(postgres: Postgres) -> None:
    from soulmesh.server.store.postgres import PostgresStore

    url = postgres.database()

    @real
    async def check() -> None:
        store = PostgresStore(url, asyncio.get_running_loop())
        store.save("settings", ("key", "value"))
        await committed(store, store.commit())
        with pytest.raises(StoreInUse, match="another server is running"):
            PostgresStore(url)
        reader = PostgresStore(url, reads_only=True)
        assert reader.read("settings") == [("key", "value")]
        await reader.close()
        await store.close()
        await PostgresStore(url).close()

    check()


def test_whether_anybody_works_on_a_data_folder_is_told_without_taking_it(tmp_path: Path) -> None:
    assert store_is_free("", tmp_path)
    with lock(tmp_path):
        assert not store_is_free("", tmp_path)
    assert store_is_free("", tmp_path)
    assert not store_is_free("", tmp_path / "nowhere")


@POSTGRES
def test_whether_anybody_works_on_a_database_is_told_without_taking_it(postgres: Postgres) -> None:
    from soulmesh.server.store.postgres import PostgresStore

    url, elsewhere = postgres.database(), postgres.database()
    assert store_is_free(url, Path())

    @real
    async def check() -> None:
        store = PostgresStore(url, asyncio.get_running_loop())
        assert not await asyncio.to_thread(store_is_free, url, Path())
        assert await asyncio.to_thread(store_is_free, elsewhere, Path())
        await store.close()

    check()
    # The database notices a moment later that the connection is gone.
    while not store_is_free(url, Path()):
        pass
    assert not store_is_free(url.replace(f"/{postgres.folder.name}", "/nowhere"), Path()), "nobody answers"


@POSTGRES
def test_a_connection_that_breaks_is_made_anew_and_nothing_is_lost(postgres: Postgres) -> None:
    from soulmesh.server.store.postgres import PostgresStore

    url = postgres.database()

    @real
    async def check() -> None:
        store = PostgresStore(url, asyncio.get_running_loop())
        await asyncio.to_thread(postgres.execute, BREAK)
        store.save("settings", ("key", "value"))
        await committed(store, store.commit())
        assert store.fault is None
        assert store.read("settings") == [("key", "value")]
        await store.close()

    check()


@POSTGRES
def test_who_loses_the_database_to_another_server_is_told_and_writes_nothing_more(postgres: Postgres) -> None:
    from soulmesh.server.store.postgres import PostgresStore

    url = postgres.database()

    @real
    async def check() -> None:
        first = PostgresStore(url, asyncio.get_running_loop())
        lost = asyncio.Event()
        first.on_lost(lambda error: lost.set())
        await asyncio.to_thread(postgres.execute, BREAK)
        second = PostgresStore(url, asyncio.get_running_loop())
        first.save("settings", ("key", "first"))
        number = first.commit()
        await lost.wait()
        assert first.committed < number
        assert "another server" in str(first.fault)
        await first.close()
        assert second.read("settings") == []
        await second.close()

    check()


@POSTGRES
def test_a_server_that_writes_nothing_finds_out_too(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    from soulmesh.server.store import postgres as adapter

    monkeypatch.setattr(adapter, "CHECK_EVERY", 0.05)
    url = postgres.database()

    @real
    async def check() -> None:
        first = adapter.PostgresStore(url, asyncio.get_running_loop())
        lost = asyncio.Event()
        first.on_lost(lambda error: lost.set())
        # It looks again and again, and nothing comes of it, until somebody else has the database.
        while not lost.is_set():
            await asyncio.to_thread(postgres.execute, BREAK)
            try:
                second = adapter.PostgresStore(url, asyncio.get_running_loop())
            except StoreInUse:  # the first one was faster
                continue
            await lost.wait()
            await second.close()
        await first.close()

    check()


BREAK = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
    " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
)


@POSTGRES
def test_addresses_that_are_none_and_databases_that_are_not_there_are_said(postgres: Postgres) -> None:
    from soulmesh.server.store.postgres import PostgresStore

    with pytest.raises(ConfigError, match=r"store\.url"):
        PostgresStore("nonsense")
    with pytest.raises(StoreUnusable) as caught:
        PostgresStore(f"postgresql://ann:secret@/nowhere?host={postgres.folder}")
    assert "nowhere" in str(caught.value)
    assert "secret" not in str(caught.value)


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


def test_a_full_disk_asks_for_room_and_not_for_a_backup() -> None:
    assert "make room" in str(StoreUnusable("server.sqlite3", "database or disk is full").hint)
    assert "backup" in str(StoreUnusable("server.sqlite3", "file is not a database").hint)
