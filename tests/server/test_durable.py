"""kill -9 of a real process loses nothing that anybody was told."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import stat
from pathlib import Path
from random import Random

import pytest

from soulmesh.wire import to_client, to_server
from soulmesh.wire.structs import RoomTicker
from tests.server.processes import Process, command, patient, process
from tests.support.databases import POSTGRES, Postgres


async def _everything_that_was_told_is_there(data: Path, *changes: str) -> None:
    async with process(data, *changes) as server:
        ann, bob, eve = [await server.enter(name) for name in ("ann", "bob", "eve")]
        for user in (bob, eve):
            user.send(to_server.TogglePrivateRoomInvites(True))
            await user.next(to_client.TogglePrivateRoomInvites)
        ann.send(
            to_server.JoinRoom("den", 1),
            to_server.JoinRoom("lobby"),
            to_server.SetRoomTicker("den", "welcome"),
            to_server.PrivateRoomGrantMembership("den", "bob"),
            to_server.PrivateRoomGrantMembership("den", "eve"),
            to_server.PrivateRoomGrantOperator("den", "eve"),
            to_server.AddInterest("jazz"),
            to_server.AddHatedInterest("polka"),
            to_server.SharedFoldersFiles(7, 77),
            to_server.SendUploadSpeed(5000),
        )
        await ann.told()
        await eve.leave()
        # To one who is here and does not acknowledge, and to one who is not.
        ann.send(to_server.PrivateChatMessage("bob", "live"), to_server.PrivateChatMessage("eve", "later"))
        await ann.told()
        live = await bob.next(to_client.PrivateChatMessage)
        while live.username == "server":
            live = await bob.next(to_client.PrivateChatMessage)
        assert await server.signal(signal.SIGKILL) == -signal.SIGKILL

        await server.start()
        ann = await server.enter("ann")
        ann.send(to_server.RoomList(), to_server.GetUserInterests("ann"), to_server.GetUserStats("ann"))
        rooms = await ann.next(to_client.RoomList)
        assert (rooms.rooms_private_owned, rooms.rooms_private) == (["den"], [])
        interests = await ann.next(to_client.GetUserInterests)
        assert (interests.interests, interests.hated_interests) == (["jazz"], ["polka"])
        stats = (await ann.next(to_client.GetUserStats)).user_stats
        assert (stats.avg_speed, stats.uploads) == (5000, 1)
        assert (stats.shared_file_count, stats.shared_folder_count) == (77, 7)
        ann.send(to_server.JoinRoom("den"))
        joined = await ann.next(to_client.JoinRoom)
        assert (joined.owner, joined.operators) == ("ann", ["eve"])
        assert (await ann.next(to_client.RoomTickers)).tickers == [RoomTicker("ann", "welcome")]
        ids = []
        for name, text in (("bob", "live"), ("eve", "later")):
            user = await server.connect(name)
            from tests.server.support import login

            user.send(login(name))
            message = await user.next(to_client.PrivateChatMessage)
            assert (message.username, message.message, message.is_direct) == ("ann", text, False)
            ids.append(message.chat_id)
        assert ids[0] == live.chat_id
        # A number is never used again, also not one that was given out and never written.
        ann.send(to_server.PrivateChatMessage("ann", "new"))
        assert (await ann.next(to_client.PrivateChatMessage)).chat_id > max(ids)


@patient
async def test_everything_that_was_told_is_there_after_kill_9(tmp_path: Path) -> None:
    await _everything_that_was_told_is_there(tmp_path)


@POSTGRES
@pytest.mark.timeout(120)
def test_everything_that_was_told_is_there_after_kill_9_on_postgresql(
    tmp_path: Path, postgres: Postgres
) -> None:
    url = postgres.database()

    @patient
    async def check(data: Path) -> None:
        await _everything_that_was_told_is_there(data, f"store.url={url}")

    check(tmp_path)


@patient
async def test_sigterm_tells_users_and_ends_with_0_within_5_seconds(tmp_path: Path) -> None:
    async with process(tmp_path) as server:
        ann = await server.enter("ann")
        ann.send(to_server.PrivateChatMessage("ann", "note"))
        await ann.next(to_client.PrivateChatMessage)
        ann.send(to_server.SharedFoldersFiles(1, 2))
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        told = await ann.end()
        assert any(isinstance(message, to_client.AdminMessage) for message in told)
        async with asyncio.timeout(5):
            await server.process.communicate()
        assert server.process.returncode == 0
        await server.start()
        again = await server.enter("ann")
        again.send(to_server.GetUserStats("ann"))
        assert (await again.next(to_client.GetUserStats)).user_stats.shared_file_count == 2


@pytest.mark.slow
@patient
async def test_sigterm_ends_within_5_seconds_also_if_the_database_is_held_by_somebody(tmp_path: Path) -> None:
    async with process(tmp_path) as server:
        ann = await server.enter("ann")
        other = sqlite3.connect(tmp_path / "server.sqlite3", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        ann.send(to_server.SharedFoldersFiles(1, 2), to_server.GetUserStats("ann"))
        await ann.writer.drain()
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            _, errors = await server.process.communicate()
        assert server.process.returncode == 0
        other.close()
        if b"not kept" in errors:
            # What was not kept was not told.
            assert not any(isinstance(message, to_client.GetUserStats) for message in await ann.end())
        await ann.leave()


@pytest.mark.slow
@patient
async def test_the_data_folder_is_closed_to_others_and_used_by_one(tmp_path: Path) -> None:
    data = tmp_path / "new" / "data"
    async with process(data) as server:
        assert stat.S_IMODE(data.stat().st_mode) == 0o700
        for file in data.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) & 0o077 == 0, file
        code, _, errors = await command("--port", "0", "--data", str(data), check=False)
        assert code == 1
        assert "another server is running" in errors
        assert "Traceback" not in errors
        await server.signal(signal.SIGTERM)
    data.chmod(0o755)
    async with process(data) as server:
        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        _, errors_read = await server.process.communicate()
        assert f"chmod 700 {data}" in errors_read.decode()


def _kill_9_at_any_moment(data: Path, *changes: str) -> None:
    """Users write, join and set tickers as fast as they can while the process is killed again and again."""
    random = Random(20)

    async def check() -> None:
        told_messages: set[str] = set()
        acknowledged: set[str] = set()
        ticker = ""
        server = Process(data, *changes)
        for life in range(6):
            await server.start()
            ann = await server.connect("ann")
            bob = await server.connect("bob")
            from tests.server.support import login

            for user in (ann, bob):
                user.send(login(user.name))
                assert (await user.next(to_client.Login)).success
            waiting: set[str] = set()
            while True:
                if not bob.inbox:
                    await bob._read()
                message = bob.inbox.pop(0)
                if isinstance(message, to_client.PrivateChatMessage):
                    waiting.add(message.message)
                elif isinstance(message, to_client.RoomList):
                    break
            missing = told_messages - waiting - acknowledged
            assert not missing, (life, sorted(missing)[:5])
            ann.send(to_server.JoinRoom("lobby"))
            tickers = (await ann.next(to_client.RoomTickers)).tickers
            if ticker:
                assert [t.ticker for t in tickers][-1:] >= [ticker]
            moment = asyncio.get_running_loop().time() + random.uniform(0.2, 0.6)
            number = 0
            try:
                async with asyncio.timeout_at(moment):
                    while True:
                        text = f"{life:03}-{number:06}"
                        number += 1
                        ann.send(
                            to_server.PrivateChatMessage("bob", text), to_server.SetRoomTicker("lobby", text)
                        )
                        added = await ann.next(to_client.RoomTickerAdded)
                        assert added.ticker == text
                        # The ticker was told after the message was accepted, so both are safe.
                        ticker = text
                        told_messages.add(text)
            except TimeoutError:
                pass
            await server.signal(signal.SIGKILL)
        assert len(told_messages) > 50

    asyncio.run(check())


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_kill_9_at_any_moment(tmp_path: Path) -> None:
    _kill_9_at_any_moment(tmp_path)


@POSTGRES
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_kill_9_at_any_moment_on_postgresql(tmp_path: Path, postgres: Postgres) -> None:
    _kill_9_at_any_moment(tmp_path, f"store.url={postgres.database()}")


@POSTGRES
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_commands_work_on_postgresql_with_and_without_a_running_server(
    tmp_path: Path, postgres: Postgres
) -> None:
    """Administration, backup, export, and moving from SQLite by export and import."""
    url = postgres.database()

    @patient
    async def check(folder: Path) -> None:
        old = ("--data", str(folder / "old"), "--set", "accounts.argon2_memory_kib=64")
        await command("admin", *old, "user", "add", "ann", "--password", "first", "--admin")
        _, lines, _ = await command("export", *old)
        new = ("--data", str(folder / "new"), "--set", "accounts.argon2_memory_kib=64")
        new += ("--set", f"store.url={url}")
        await command("import", "-", *new, given=lines.encode())
        await command("admin", *new, "user", "privileges", "ann", "30")
        async with process(folder / "new", f"store.url={url}") as server:
            await server.enter("ann", "first")
            _, out, _ = await command("admin", *new, "--json", "user", "show", "ann")
            assert '"status": "online"' in out
            assert '"admin": true' in out
            _, lines, _ = await command("export", *new)
            assert '"type": "accounts", "name": "ann"' in lines
            copy = folder / "copy.jsonl"
            await command("backup", str(copy), *new)
            assert stat.S_IMODE(copy.stat().st_mode) == 0o600
            assert '"type": "accounts", "name": "ann"' in copy.read_text()
            # From another folder there is no control socket, and the database is taken.
            code, _, errors = await command(
                "admin", "--data", str(folder / "x"), "--set", f"store.url={url}", "status", check=False
            )
            assert (code, "another server is running" in errors) == (1, True)
            assert "Traceback" not in errors

    check(tmp_path)


@pytest.mark.slow
@patient
async def test_backup_export_and_import_carry_everything_over(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    async with process(first) as server:
        ann = await server.enter("ann", "ann's")
        # Every end of a line that Unicode knows, and none of them is one of JSON lines.
        ann.send(to_server.JoinRoom("den", 1), to_server.SetRoomTicker("den", "wel\u2028come\u0085"))
        await ann.next(to_client.RoomTickerAdded)
        copy = tmp_path / "copy.sqlite3"
        await command("backup", str(copy), "--data", str(first))
        assert stat.S_IMODE(copy.stat().st_mode) == 0o600
        code, _, errors = await command("backup", str(copy), "--data", str(first), check=False)
        assert code == 2
        assert "exists" in errors
        exported = tmp_path / "exported.jsonl"
        exported.touch(0o644)
        await command("export", str(exported), "--data", str(first))
        assert stat.S_IMODE(exported.stat().st_mode) == 0o600, "also one that was there"
        lines = exported.read_bytes().decode()
        code, _, errors = await command(
            "import", "-", "--data", str(first), check=False, given=lines.encode()
        )
        assert code == 1
        assert "running" in errors
    lines += '{"type": "accounts", "name": "bob", "plain_password": "bob\'s", "speed": 9}\n'
    _, out, _ = await command(
        "import", "-", "--data", str(second), "--set", "accounts.argon2_memory_kib=64", given=lines.encode()
    )
    assert "2 accounts" in out
    code, _, errors = await command(
        "import", "-", "--data", str(second), check=False, given=b'{"type": "accounts", "nme": "x"}'
    )
    assert (code, "line 1" in errors) == (1, True)
    code, _, errors = await command("import", "-", "--data", str(second), check=False, given=b"{}\n\xff")
    assert (code, "line 2 of - is no UTF-8" in errors) == (2, True)
    async with process(second) as server:
        ann = await server.enter("ann", "ann's")
        ann.send(to_server.RoomList(), to_server.GetUserStats("bob"))
        assert (await ann.next(to_client.RoomList)).rooms_private_owned == ["den"]
        assert (await ann.next(to_client.GetUserStats)).user_stats.avg_speed == 0
        await server.enter("bob", "bob's")
        await server.signal(signal.SIGTERM)
    folder = tmp_path / "restored"
    folder.mkdir()
    os.rename(copy, folder / "server.sqlite3")
    async with process(folder) as server:
        await server.enter("ann", "ann's")


@pytest.mark.slow
@patient
async def test_administration_works_with_and_without_a_running_server(tmp_path: Path) -> None:
    data = ("--data", str(tmp_path), "--set", "accounts.argon2_memory_kib=64")
    _, _, notes = await command("admin", *data, "user", "add", "ann", "--password", "first", "--admin")
    assert f"no server's data in {tmp_path} before" in notes
    _, _, notes = await command("admin", *data, "user", "list")
    assert notes == ""
    async with process(tmp_path) as server:
        await server.enter("ann", "first")
        await command("admin", *data, "user", "privileges", "ann", "30")
        _, out, _ = await command("admin", *data, "--json", "user", "show", "ann")
        assert '"admin": true' in out
        assert '"status": "online"' in out
        await command("health", "--data", str(tmp_path))
        code, _, errors = await command("admin", *data, "user", "show", "nobody", check=False)
        assert (code, "no account named nobody" in errors) == (3, True)
    _, out, _ = await command("admin", *data, "audit")
    assert "console: user add ann" in out
    assert "console: user privileges ann (30 days)" in out
