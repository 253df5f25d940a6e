"""Anything can come before and after login. It costs at most the connection that it came on."""

from __future__ import annotations

import asyncio
from random import Random

from soulmesh import wire
from soulmesh.server.state import STUCK
from soulmesh.server.store.memory import MemoryStore
from soulmesh.wire import to_client, to_server
from tests.server.support import Town, User, in_town, login
from tests.server.support import town as town_with


def frame(code: int, body: bytes) -> bytes:
    return (len(body) + 4).to_bytes(4, "little") + code.to_bytes(4, "little") + body


async def still_serves(town: Town) -> None:
    honest = await town.enter("honest")
    honest.send(to_server.GetPeerAddress("honest"))
    assert await honest.told() == [to_client.GetPeerAddress("honest", "127.0.0.1", 2234, 1, 2235)]


@in_town()
async def test_lengths_that_no_frame_has_close_the_connection(town: Town) -> None:
    for length in (0, 1, 3, 70_000, 0x7FFFFFFF, 0xFFFFFFFF):
        stranger = await town.connect()
        stranger.send_raw(length.to_bytes(4, "little") + b"\1\0\0\0")
        assert await stranger.end() == []
        ann = await town.enter("ann")
        ann.send_raw(length.to_bytes(4, "little") + b"\1\0\0\0")
        await ann.end()
        await ann.leave()
    await still_serves(town)


@in_town()
async def test_every_code_with_bodies_that_end_too_early_or_promise_too_much(town: Town) -> None:
    ann = await town.enter("ann")
    bodies = (
        b"",
        b"\1",
        b"\xff\xff\xff\xff",
        b"\xff\xff\xff\x7f" * 4,
        b"\5\0\0\0ab",
        b"\0\0\0\0" * 8,
        bytes(range(256)),
        b"\xff" * 200,
    )
    for code in [*range(161), 1001, 1002, 1003, 0xFFFFFFFF]:
        for body in bodies:
            if ann.ended or (code == 142):
                continue
            ann.send_raw(frame(code, body))
    await asyncio.wait([asyncio.ensure_future(drained(ann))])
    await still_serves(town)


async def drained(user: User) -> None:
    try:
        await user.told()
    except (AssertionError, ConnectionError, TimeoutError):
        pass


@in_town(limits__bad_messages=5)
async def test_a_connection_that_keeps_sending_nonsense_is_closed(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send_raw(frame(7, b"\xff") * 10)
    await ann.end()
    await still_serves(town)


@in_town()
async def test_a_few_bad_messages_cost_only_themselves(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send_raw(frame(7, b"\xff") + frame(5, b"\xff\xff\xff\xff") + frame(9999, b"what") + frame(0, b""))
    ann.send(to_server.CheckPrivileges())
    assert await ann.told() == [to_client.CheckPrivileges(0)]


@in_town()
async def test_bytes_after_the_last_known_field_are_ignored(town: Town) -> None:
    ann = await town.enter("ann")
    for message in (
        to_server.GetUserStatus("ann"),
        to_server.GetPeerAddress("ann"),
        to_server.AddUser("ann"),
    ):
        sent = wire.encode(message)
        ann.send_raw(frame(message.LAYOUT.code or 0, sent[8:] + b"more"))
    assert [type(m).__name__ for m in await ann.told()] == ["GetUserStatus", "GetPeerAddress", "AddUser"]


@in_town()
async def test_one_byte_at_a_time_is_as_good_as_all_at_once(town: Town) -> None:
    ann = await town.connect("ann")
    data = wire.encode(login("ann")) + wire.encode(to_server.JoinRoom("lobby"))
    for byte in data:
        ann.send_raw(bytes([byte]))
        await asyncio.sleep(0)
    assert (await ann.next(to_client.Login)).success
    assert (await ann.next(to_client.JoinRoom)).room == "lobby"


@in_town()
async def test_random_bytes_harm_nobody(town: Town) -> None:
    random = Random(5)
    for _ in range(30):
        user = await (town.enter("ann") if random.random() < 0.5 else town.connect())
        body = random.randbytes(random.randrange(400))
        user.send_raw(frame(random.randrange(160), body) + random.randbytes(50))
        await user.leave()
    await still_serves(town)
    assert len(town.server.connections) <= 3


@in_town(
    abuse__enabled=False,
    limits__send_queue=200_000,
    limits__send_queue_soft=50_000,
    limits__stall_seconds=1.0,
)
async def test_a_reader_that_does_not_read_is_dropped_and_nobody_waits(town: Town) -> None:
    ann, bob, sleeper = [await town.enter(name) for name in ("ann", "bob", "sleeper")]
    for user in (ann, bob, sleeper):
        user.send(to_server.JoinRoom("lobby"))
        await user.told()
    for user in (ann, bob):
        await user.told()
    line = "x" * 2000
    for _ in range(20):
        ann.send(*[to_server.RoomChatMessage("lobby", line)] * 300)
        assert len(await ann.told()) >= 300
        assert len(await bob.told()) >= 300
    await bob.told()
    assert town.server.dropped_readers == 1
    assert town.server.realm.users[b"\7\0\0\0sleeper"].session is None


@in_town(abuse__enabled=False)
async def test_8000_lines_of_1_kb_reach_a_client_that_reads(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    for user in (ann, bob):
        user.send(to_server.JoinRoom("lobby"))
        await user.told()
    await ann.told()
    line = "x" * 1000

    async def talk() -> None:
        for _ in range(80):
            ann.send(*[to_server.RoomChatMessage("lobby", line)] * 100)
            await ann.writer.drain()

    talking = asyncio.ensure_future(talk())
    heard = {ann.name: 0, bob.name: 0}

    async def listen(user: User) -> None:
        while heard[user.name] < 8000:
            await user._read()
            heard[user.name] += sum(isinstance(m, to_client.RoomChatMessage) for m in user.inbox)
            user.inbox.clear()

    await asyncio.gather(talking, listen(ann), listen(bob))
    assert heard == {"ann": 8000, "bob": 8000}


@in_town(limits__send_queue=100_000)
async def test_a_client_that_asks_and_does_not_read_is_not_read_either(town: Town) -> None:
    ann = await town.enter("ann")
    await town.enter("n" * 30)
    request = wire.encode(to_server.GetPeerAddress("n" * 30)) * 2000
    for _ in range(40):
        ann.send_raw(request)
    for _ in range(40):
        await asyncio.sleep(0.005)
    await still_serves(town)
    (connection,) = [c for c in town.server.connections if c.user and c.user.name == b"\3\0\0\0ann"]
    assert connection.queued < 5_000_000
    assert connection.slowed


@in_town(abuse__enabled=False, limits__stall_seconds=1.0)
async def test_a_goodbye_that_nobody_reads_does_not_keep_the_connection(town: Town) -> None:
    sleeper = await town.enter("sleeper")
    await town.enter("n" * 30)
    (connection,) = [c for c in town.server.connections if c.user and c.user.name == b"\7\0\0\0sleeper"]
    # Answers that it does not read fill its socket; then it logs in elsewhere and is told so.
    async with asyncio.timeout(10):
        while connection.queue is None:
            sleeper.send_raw(wire.encode(to_server.GetPeerAddress("n" * 30)) * 2000)
            await asyncio.sleep(0.002)
    await town.enter("sleeper")
    assert connection.user is None
    async with asyncio.timeout(8):
        while connection in town.server.connections:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def test_nobody_is_read_while_the_store_does_not_come_along() -> None:
    async def check() -> None:
        store = MemoryStore(manual=True)
        async with asyncio.timeout(20), town_with({"abuse.enabled": False}, store=store) as place:
            settling = asyncio.ensure_future(settle(store))
            ann = await place.enter("ann")
            settling.cancel()
            # Every status makes a flush of its own behind a change that is not committed.
            for number in range(20 * STUCK):
                ann.send(to_server.SharedFoldersFiles(1, number), to_server.GetUserStatus("ann"))
                await ann.writer.drain()
                await asyncio.sleep(0)
                if place.server.realm.outbox.stuck:
                    break
            assert place.server.realm.outbox.stuck
            ann.send(to_server.SharedFoldersFiles(9, 999999))
            await asyncio.sleep(0.1)
            (connection,) = place.server.connections
            assert connection.slowed
            settling = asyncio.ensure_future(settle(store))
            await ann.told()
            assert not place.server.realm.outbox.stuck
            settling.cancel()
            store.manual = False

    asyncio.run(check())


async def settle(store: MemoryStore) -> None:
    while True:
        store.settle()
        await asyncio.sleep(0.001)
