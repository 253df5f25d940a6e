"""Real processes that are one server: one PostgreSQL, one Redis, and any of them may be killed."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from soulmesh.server.control import ask
from soulmesh.wire import to_client, to_server
from tests.server.processes import Process, patient, process
from tests.server.support import User
from tests.support.databases import POSTGRES, REDIS, Postgres


async def enter_again(server: Process, name: str) -> User:
    """Log in as soon as the process serves again: a client that was let go calls until it is let in."""
    while True:
        try:
            return await server.enter(name)
        except (ConnectionError, AssertionError):
            await asyncio.sleep(0.05)


async def said_to(user: User, text: str) -> None:
    """Wait for a private message with that text, and acknowledge it."""
    message = await user.next(to_client.PrivateChatMessage)
    while message.message != text:
        message = await user.next(to_client.PrivateChatMessage)
    user.send(to_server.PrivateChatMessageAck(message.chat_id))


async def is_realm(server: Process) -> bool:
    """Whether this process has the realm: the others have only passed the question on."""
    assert server.process is not None
    answer = await ask(server.data, "test", ["status"])
    assert answer is not None
    return bool(answer.data["pid"] == server.process.pid)


@POSTGRES
@REDIS
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_processes_share_everything_and_the_realm_moves_when_its_process_is_killed(
    tmp_path: Path, postgres: Postgres, redis_url: str
) -> None:
    changes = (f"store.url={postgres.database()}", f"bus.url={redis_url}", f"bus.network={tmp_path.name}")

    @patient
    async def check(folder: Path) -> None:
        async with AsyncExitStack() as stack:
            first, second, third = [
                await stack.enter_async_context(process(folder / name, *changes))
                for name in ("first", "second", "third")
            ]
            assert [await is_realm(server) for server in (first, second, third)] == [True, False, False]
            ann, bob, eve = (
                await first.enter("ann"),
                await second.enter("bob"),
                await third.enter("eve"),
            )
            # A user of one process reaches those of the others.
            for user in (ann, bob, eve):
                user.send(to_server.JoinRoom("lobby"))
                await user.next(to_client.RoomTickers)
            eve.send(to_server.RoomChatMessage("lobby", "hi"))
            for user in (ann, bob, eve):
                assert (await user.next(to_client.RoomChatMessage)).message == "hi"
            bob.send(to_server.PrivateChatMessage("eve", "hello"))
            await said_to(eve, "hello")
            bob.send(to_server.ConnectToPeer(5, "eve", "P"))
            assert (await eve.next(to_client.ConnectToPeer)).ticket == 5
            eve.send(to_server.UserSearch("bob", 7, "song"))
            assert (await bob.next(to_client.FileSearch)).ticket == 7
            # Told, and then the process that knows everything is killed.
            bob.send(
                to_server.PrivateChatMessage("ann", "kept"),
                to_server.SetRoomTicker("lobby", "kept too"),
                to_server.JoinRoom("den", 1),
            )
            await bob.next(to_client.JoinRoom)
            assert await first.signal(signal.SIGKILL) == -signal.SIGKILL
            await bob.end()
            await eve.end()
            second.users.clear()
            third.users.clear()
            for user in (bob, eve):
                await user.leave()
            bob, eve = await enter_again(second, "bob"), await enter_again(third, "eve")
            assert sorted([await is_realm(second), await is_realm(third)]) == [False, True]
            bob.send(to_server.RoomList(), to_server.JoinRoom("lobby"))
            assert (await bob.next(to_client.RoomList)).rooms_private_owned == ["den"]
            (ticker,) = (await bob.next(to_client.RoomTickers)).tickers
            assert (ticker.username, ticker.ticker) == ("bob", "kept too")
            ann = await third.connect("ann")
            from tests.server.support import login

            ann.send(login("ann"))
            await said_to(ann, "kept")
            bob.send(to_server.PrivateChatMessage("ann", "again"))
            await said_to(ann, "again")
            # The one that was killed comes back as a door of the new realm.
            await first.start()
            assert await is_realm(first) is False
            kim = await first.enter("kim")
            kim.send(to_server.PrivateChatMessage("ann", "from kim"))
            await said_to(ann, "from kim")
            # And everybody goes in good order.
            for server in (first, second, third):
                assert await server.signal(signal.SIGTERM) == 0

    check(tmp_path)


@REDIS
@pytest.mark.slow
@pytest.mark.timeout(120)
def test_processes_of_one_host_may_share_a_data_folder(tmp_path: Path, redis_url: str) -> None:
    changes = (f"bus.url={redis_url}", f"bus.network={tmp_path.name}")

    @patient
    async def check(data: Path) -> None:
        async with process(data, *changes) as first, process(data, *changes) as second:
            ann, bob = await first.enter("ann"), await second.enter("bob")
            ann.send(to_server.PrivateChatMessage("bob", "hello"))
            await said_to(bob, "hello")
            answer = await ask(data, "test", ["online"])
            assert answer is not None
            assert [user["name"] for user in answer.data] == ["ann", "bob"]
            # In good order: the realm goes, and the door is the realm before long.
            assert await first.signal(signal.SIGTERM) == 0
            assert to_client.AdminMessage("The server is stopping.") in await bob.end()
            second.users.clear()
            await bob.leave()
            await enter_again(second, "bob")
            assert await is_realm(second)

    check(tmp_path)
