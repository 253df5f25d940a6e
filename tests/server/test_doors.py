"""Users whose connections are held by other processes: every flow is the same wherever they are."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from soulmesh.errors import NotFound
from soulmesh.net.disk import RealDisk
from soulmesh.net.memory import MemoryNetwork
from soulmesh.net.tcp import TcpNetwork
from soulmesh.net.world import World
from soulmesh.server.app import Server
from soulmesh.server.bus import Bus
from soulmesh.server.bus.local import LocalBus, LocalHub
from soulmesh.server.door import Door, RealmSilent
from soulmesh.server.links import Kind, Link
from soulmesh.server.settings import make_settings
from soulmesh.wire import to_client, to_server
from tests.server.support import Clock, Town, User, kinds, login, notices
from tests.support.databases import REDIS
from tests.support.loops import real, virtual

Make = Callable[[], Bus]


@pytest.fixture(params=["local", pytest.param("redis", marks=REDIS)])
def make(request: pytest.FixtureRequest) -> Make:
    if request.param == "local":
        return LocalHub().bus
    from soulmesh.server.bus.redis import RedisBus

    url, network = request.getfixturevalue("redis_url"), request.node.name
    random = Random(7)
    return lambda: RedisBus(url, network, random)


class Houses(Town):
    """A realm with two doors; users connect to whichever they name."""

    def __init__(self, server: Server, clock: Clock, doors: list[Door]) -> None:
        super().__init__(server, clock)
        self.doors = doors

    async def connect(self, name: str = "somebody", door: Door | None = None) -> User:
        port = self.server.port if door is None else door.port
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        user = User(name, reader, writer)
        self.users.append(user)
        return user

    async def enter_at(self, door: Door | None, name: str) -> User:
        user = await self.connect(name, door)
        user.send(login(name), to_server.SetListenPort(2234, 1, 2235))
        assert (await user.next(to_client.Login)).success
        await user.told()
        return user


@asynccontextmanager
async def houses(make: Make, **options: Any) -> AsyncIterator[Houses]:
    clock = Clock()
    world = World(TcpNetwork(), RealDisk(), Random(7), clock)
    changes = {key.replace("__", "."): value for key, value in options.items()}
    settings = make_settings({"accounts.hash": "fast", "server.port": 0, **changes})
    async with Server(world, settings, bus=make()) as server:
        doors = [Door(TcpNetwork(), make(), settings.limits.send_queue) for _ in range(2)]
        for door in doors:
            await door.start("127.0.0.1", 0)
        place = Houses(server, clock, doors)
        try:
            yield place
        finally:
            for user in place.users:
                await user.leave()
            for door in doors:
                await door.stop()


def test_messages_rooms_introductions_and_searches_cross_from_door_to_door(make: Make) -> None:
    @real
    async def check() -> None:
        async with houses(make) as town:
            ann = await town.enter_at(town.doors[0], "ann")
            bob = await town.enter_at(town.doors[1], "bob")
            eve = await town.enter_at(None, "eve")
            # Watching, and the address that a door sees.
            ann.send(to_server.AddUser("bob"), to_server.GetPeerAddress("bob"))
            told = await ann.told()
            assert kinds(told) == ["AddUser", "GetPeerAddress"]
            assert told[1] == to_client.GetPeerAddress("bob", "127.0.0.1", 2234, 1, 2235)
            # Private messages, acknowledged on the other side.
            ann.send(to_server.PrivateChatMessage("bob", "hello"))
            message = await bob.next(to_client.PrivateChatMessage)
            assert (message.username, message.message, message.is_direct) == ("ann", "hello", True)
            bob.send(to_server.PrivateChatMessageAck(message.chat_id))
            await bob.told()
            # A room with members behind every door.
            for user in (ann, bob, eve):
                user.send(to_server.JoinRoom("lobby"))
                await user.told()
            await town.all_told(ann, bob, eve)
            bob.send(to_server.RoomChatMessage("lobby", "hi"))
            said = to_client.RoomChatMessage("lobby", "bob", "hi")
            assert await town.all_told(ann, bob, eve) == [[said], [said], [said]]
            # Introductions.
            ann.send(to_server.ConnectToPeer(5, "bob", "P"))
            asked = await bob.next(to_client.ConnectToPeer)
            assert (asked.username, asked.ticket, asked.ip, asked.port) == ("ann", 5, "127.0.0.1", 2234)
            bob.send(to_server.CannotConnect(5, "ann"))
            assert (await ann.next(to_client.CannotConnect)).ticket == 5
            # Searches of every kind.
            bob.send(to_server.BranchLevel(0))
            await bob.told()
            ann.send(to_server.FileSearch(7, "song"))
            ann.send(to_server.UserSearch("bob", 8, "song"), to_server.RoomSearch("lobby", 9, "song"))
            assert (await bob.next(to_client.ServerSearchRequest)).ticket == 7
            assert (await bob.next(to_client.FileSearch)).ticket == 8
            assert (await bob.next(to_client.FileSearch)).ticket == 9
            # Who leaves is out of the room first, and then offline.
            await town.all_told(ann, bob, eve)
            await bob.leave()
            assert await ann.next(to_client.UserLeftRoom) == to_client.UserLeftRoom("lobby", "bob")
            assert (await ann.next(to_client.GetUserStatus)).status == 0

    check()


def test_logging_in_at_another_door_kicks_the_old_connection(make: Make) -> None:
    @real
    async def check() -> None:
        async with houses(make) as town:
            old = await town.enter_at(town.doors[0], "ann")
            new = await town.enter_at(town.doors[1], "ann")
            assert kinds(await old.end()) == ["Kicked"]
            new.send(to_server.GetUserStatus("ann"))
            assert (await new.next(to_client.GetUserStatus)).status == 2

    check()


def test_refusals_and_garbage_end_a_connection_at_a_door_as_anywhere(make: Make) -> None:
    @real
    async def check() -> None:
        async with houses(make) as town:
            await town.enter_at(town.doors[0], "ann")
            wrong = await town.connect("ann", town.doors[1])
            wrong.send(login("ann", "wrong"))
            (reply,) = await wrong.end()
            assert isinstance(reply, to_client.Login)
            assert reply.reason == "INVALIDPASS"
            rude = await town.connect("rude", town.doors[1])
            rude.send_raw(b"\xff" * 100)
            assert await rude.end() == []
            # And one byte at a time is as good as all at once.
            from soulmesh import wire

            slow = await town.connect("slow", town.doors[1])
            for byte in wire.encode(login("slow")):
                slow.send_raw(bytes([byte]))
                await slow.writer.drain()
            assert (await slow.next(to_client.Login)).success

    check()


def test_a_reader_at_a_door_that_does_not_read_is_dropped_and_nobody_waits(make: Make) -> None:
    @real
    async def check() -> None:
        async with houses(
            make, limits__send_queue=1 << 20, limits__stall_seconds=1, abuse__enabled=False
        ) as town:
            ann = await town.enter_at(town.doors[0], "ann")
            deaf = await town.enter_at(town.doors[1], "deaf")
            for user in (ann, deaf):
                user.send(to_server.JoinRoom("lobby"))
                await user.told()
            await town.all_told(ann, deaf)
            left = False
            while not left:
                ann.send(*(to_server.RoomChatMessage("lobby", "x" * 2000) for _ in range(500)))
                told = await ann.told()
                left = to_client.UserLeftRoom("lobby", "deaf") in told
            assert town.server.dropped_readers == 1

    check()


def test_8000_lines_of_1_kb_reach_a_reader_behind_a_door(make: Make) -> None:
    @real
    async def check() -> None:
        async with houses(make, abuse__enabled=False) as town:
            ann = await town.enter_at(town.doors[0], "ann")
            bob = await town.enter_at(town.doors[1], "bob")
            for user in (ann, bob):
                user.send(to_server.JoinRoom("lobby"))
                await user.told()
            await town.all_told(ann, bob)

            async def speak() -> None:
                for number in range(8000):
                    ann.send(to_server.RoomChatMessage("lobby", f"{number:04}" * 250))
                    await ann.writer.drain()

            async def listen(user: User) -> None:
                for number in range(8000):
                    line = await user.next(to_client.RoomChatMessage)
                    assert line.message == f"{number:04}" * 250

            async with asyncio.TaskGroup() as group:
                group.create_task(speak())
                group.create_task(listen(ann))
                group.create_task(listen(bob))

    check()


def test_when_a_door_stops_its_users_are_gone_and_others_stay(make: Make) -> None:
    @real
    async def check() -> None:
        async with houses(make) as town:
            ann = await town.enter_at(town.doors[0], "ann")
            bob = await town.enter_at(town.doors[1], "bob")
            ann.send(to_server.AddUser("bob"))
            await ann.told()
            await town.doors[1].stop()
            await bob.end()
            assert (await ann.next(to_client.GetUserStatus)).status == 0

    check()


def test_when_the_realm_stops_users_at_doors_are_told_and_the_door_knows(make: Make) -> None:
    @real
    async def check() -> None:
        async with houses(make) as town:
            ann = await town.enter_at(town.doors[0], "ann")
            await town.server.stop()
            assert kinds(await ann.end()) == ["AdminMessage"]
            await town.doors[0].gone.wait()

    check()


def test_commands_of_administrators_pass_through_a_door(make: Make) -> None:
    @real
    async def check() -> None:
        async with houses(make) as town:
            ann = await town.enter_at(town.doors[0], "ann")
            answer = await town.doors[1].run("console", ["user", "show", "ann"])
            assert answer.data["status"] == "online"
            with pytest.raises(NotFound, match="no account named nobody"):
                await town.doors[1].run("console", ["user", "show", "nobody"])
            await town.doors[1].run("console", ["kick", "ann", "enough"])
            assert notices(await ann.end()) == ["You are sent away: enough"]

    check()


def test_an_interrupted_bus_lets_the_users_of_doors_go_and_those_of_the_realm_stay() -> None:
    hub = LocalHub()
    buses: list[LocalBus] = []

    def make() -> LocalBus:
        buses.append(hub.bus())
        return buses[-1]

    @real
    async def check() -> None:
        async with houses(make) as town:
            ann, bob = await town.enter_at(None, "ann"), await town.enter_at(town.doors[0], "bob")
            ann.send(to_server.AddUser("bob"))
            await ann.told()
            buses[0].interrupt()
            assert (await ann.next(to_client.GetUserStatus)).status == 0
            # The door hears nothing from the name it knows; what it says is answered by none.
            bob.send(to_server.GetUserStatus("ann"))
            await town.doors[0].stop()
            await bob.end()
            again = Door(TcpNetwork(), make(), 1 << 20)
            await again.start("127.0.0.1", 0)
            town.doors[0] = again
            await town.enter_at(again, "bob")
            assert (await ann.next(to_client.GetUserStatus)).status == 2

    check()


def test_nonsense_on_the_bus_costs_the_door_that_it_came_from_alone(make: Make) -> None:
    @real
    async def check() -> None:
        async with houses(make) as town:
            ann = await town.enter_at(town.doors[0], "ann")
            bob = await town.enter_at(town.doors[1], "bob")
            for nonsense in (b"x", b"\xff" * 50, b"\2\1\0\0\0\3\0\0\0\xff x"):
                town.doors[1]._bus.post(town.doors[1]._link.peer, nonsense)  # type: ignore[union-attr]
            await town.doors[1].gone.wait()
            await town.doors[1].stop()
            await bob.end()
            ann.send(to_server.GetUserStatus("bob"))
            assert (await ann.next(to_client.GetUserStatus)).status == 0

    check()


@real
async def test_a_door_without_a_realm_says_so() -> None:
    with pytest.raises(RealmSilent):
        await Door(TcpNetwork(), LocalHub().bus(), 1 << 20).start("127.0.0.1", 0)


@virtual
async def test_when_the_realm_is_quiet_the_store_tells_whether_it_is_gone() -> None:
    hub, loop = LocalHub(), asyncio.get_running_loop()
    realm = hub.bus()
    links: dict[str, Link] = {}
    asked: list[float] = []
    killed = False

    def heard(sender: str, message: bytes) -> None:
        link = links.setdefault(sender, Link(realm, sender))
        if any(kind == Kind.HELLO for kind, _, _ in link.records(message)):
            link.put(Kind.WELCOME)

    async def store_is_free() -> bool:
        asked.append(loop.time())
        return killed

    await realm.open(heard, lambda: None)
    await realm.claim()
    door = Door(MemoryNetwork().host("10.0.0.1"), hub.bus(), 1 << 20, store_is_free)
    await door.start("", 0)
    (link,) = links.values()
    for _ in range(20):
        link.beat()
        await asyncio.sleep(0.5)
    assert asked == [], "whoever gives signs of life is not doubted"
    # Busy, but alive: it has the store.
    await asyncio.sleep(5)
    assert len(asked) > 3
    assert not door.gone.is_set()
    link.beat()
    await asyncio.sleep(0.5)
    killed, at = True, loop.time()
    await door.gone.wait()
    assert loop.time() - at < 2
    await door.stop()


@virtual
async def test_a_realm_that_keeps_the_store_and_says_nothing_is_gone_after_a_while() -> None:
    hub, loop = LocalHub(), asyncio.get_running_loop()
    realm = hub.bus()
    await realm.open(lambda sender, _: Link(realm, sender).put(Kind.WELCOME), lambda: None)
    await realm.claim()
    door = Door(MemoryNetwork().host("10.0.0.1"), hub.bus(), 1 << 20)
    await door.start("", 0)
    await realm.close()
    at = loop.time()
    await door.gone.wait()
    assert 7 < loop.time() - at < 9
    await door.stop()


@virtual
async def test_a_door_that_calls_at_a_realm_that_was_killed_turns_to_the_next_one_at_once() -> None:
    hub, loop = LocalHub(), asyncio.get_running_loop()
    await hub.bus().claim()
    at = loop.time()
    loop.call_later(0.3, lambda: setattr(hub, "realm", "the next one"))
    door = Door(MemoryNetwork().host("10.0.0.1"), hub.bus(), 1 << 20)
    with pytest.raises(RealmSilent):
        await door.start("", 0)
    assert loop.time() - at < 1


@real
async def test_what_many_get_crosses_the_bus_once() -> None:
    posted: list[bytes] = []

    class Post(LocalBus):
        def post(self, to: str, data: bytes) -> None:
            posted.append(data)

    bus = Post(LocalHub())
    link, other = Link(bus, "door"), Link(bus, "realm")
    line = b"x" * 1000
    for number in range(1, 201):
        link.write(number, line)
    link.write(7, b"alone")
    link.put(Kind.CLOSE, 7)
    await asyncio.sleep(0)
    (message,) = posted
    assert len(message) < 2000
    records = list(other.records(message))
    assert [(kind, number) for kind, number, _ in records] == [
        (Kind.SHARED, 200),
        (Kind.BYTES, 7),
        (Kind.CLOSE, 7),
    ]
    assert link.on_the_way == len(message)
    posted.clear()
    other.beat()
    await asyncio.sleep(0)
    assert list(link.records(posted[0])) == []
    assert link.on_the_way == 0
