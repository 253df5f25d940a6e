"""What every bus promises, against every bus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

import pytest

from soulmesh.errors import ConfigError
from soulmesh.server.bus import Bus, BusUnreachable
from soulmesh.server.bus.choose import bus_maker
from soulmesh.server.bus.local import LocalBus, LocalHub
from soulmesh.server.settings import make_settings
from tests.support.databases import REDIS, redis_running
from tests.support.loops import real

Make = Callable[[], Bus]


@pytest.fixture(params=["local", pytest.param("redis", marks=REDIS)])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes members of one bus."""
    if request.param == "local":
        return LocalHub().bus
    from soulmesh.server.bus.redis import RedisBus

    url, network = request.getfixturevalue("redis_url"), request.node.name
    random = Random(7)
    return lambda: RedisBus(url, network, random)


class Member:
    """One process on the bus, with all that came to it."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.heard: list[tuple[str, bytes]] = []
        self.interruptions = 0
        self._news = asyncio.Event()

    async def open(self) -> Member:
        await self.bus.open(self._receive, self._interrupted)
        return self

    def _receive(self, sender: str, data: bytes) -> None:
        self.heard.append((sender, data))
        self._news.set()

    def _interrupted(self) -> None:
        self.interruptions += 1
        self._news.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._news.clear()
            await self._news.wait()


async def members(make: Make, number: int) -> list[Member]:
    return [await Member(make()).open() for _ in range(number)]


def test_messages_arrive_complete_in_order_and_at_their_receiver_alone(make: Make) -> None:
    @real
    async def check() -> None:
        ann, bob, eve = await members(make, 3)
        sent = [bytes([number % 256]) * (number * 7 % 3000) for number in range(3000)]
        for data in sent:
            ann.bus.post(bob.bus.name, data)
        await bob.until(lambda: len(bob.heard) == len(sent))
        assert bob.heard == [(ann.bus.name, data) for data in sent]
        assert eve.heard == []
        for member in (ann, bob, eve):
            await member.bus.close()

    check()


def test_any_bytes_pass_and_large_ones_too(make: Make) -> None:
    @real
    async def check() -> None:
        ann, bob = await members(make, 2)
        sent = [b"", b"\n", b"a\nb", bytes(range(256)), b"x" * (5 << 20)]
        for data in sent:
            ann.bus.post(bob.bus.name, data)
        await bob.until(lambda: len(bob.heard) == len(sent))
        assert [data for _, data in bob.heard] == sent
        await ann.bus.close()
        await bob.bus.close()

    check()


def test_both_may_speak_at_once_and_one_may_speak_to_itself(make: Make) -> None:
    @real
    async def check() -> None:
        ann, bob = await members(make, 2)
        for number in range(200):
            ann.bus.post(bob.bus.name, b"%d" % number)
            bob.bus.post(ann.bus.name, b"%d" % number)
        ann.bus.post(ann.bus.name, b"me")
        expected = [b"%d" % number for number in range(200)]
        await bob.until(lambda: len(bob.heard) == 200)
        await ann.until(lambda: len(ann.heard) == 201)
        assert [data for _, data in bob.heard] == expected
        assert [data for sender, data in ann.heard if sender == bob.bus.name] == expected
        await ann.bus.close()
        await bob.bus.close()

    check()


def test_what_is_sent_to_nobody_is_nothing(make: Make) -> None:
    @real
    async def check() -> None:
        ann, bob = await members(make, 2)
        ann.bus.post("nobody", b"x")
        ann.bus.post(bob.bus.name, b"y")
        await bob.until(lambda: bool(bob.heard))
        assert bob.heard == [(ann.bus.name, b"y")]
        await ann.bus.close()
        await bob.bus.close()

    check()


def test_names_are_never_used_twice(make: Make) -> None:
    assert len({make().name for _ in range(50)}) == 50


def test_the_realm_is_found_and_the_last_claim_counts(make: Make) -> None:
    @real
    async def check() -> None:
        ann, bob, eve = await members(make, 3)
        assert await eve.bus.realm() is None
        await ann.bus.claim()
        assert await eve.bus.realm() == ann.bus.name
        await bob.bus.claim()
        assert await eve.bus.realm() == bob.bus.name
        # Who has lost it takes nothing away when it leaves.
        await ann.bus.close()
        assert await eve.bus.realm() == bob.bus.name
        await bob.bus.close()
        assert await eve.bus.realm() is None
        await eve.bus.close()

    check()


def test_what_was_posted_before_the_end_arrives(make: Make) -> None:
    @real
    async def check() -> None:
        ann, bob = await members(make, 2)
        ann.bus.post(bob.bus.name, b"goodbye")
        await ann.bus.close()
        await bob.until(lambda: bool(bob.heard))
        assert [data for _, data in bob.heard] == [b"goodbye"]
        await bob.bus.close()

    check()


def test_an_interruption_is_told_and_the_name_is_another_one_afterwards(make: Make) -> None:
    @real
    async def check() -> None:
        ann, bob = await members(make, 2)
        await ann.bus.claim()
        before = ann.bus.name
        if isinstance(ann.bus, LocalBus):
            ann.bus.interrupt()
        else:
            from redis.asyncio import Redis

            other = Redis.from_url(ann.bus.url)  # type: ignore[attr-defined]
            # Everybody's connections but our own; both members are struck.
            await other.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await other.aclose()
            await bob.until(lambda: bob.interruptions == 1)
        await ann.until(lambda: ann.interruptions == 1)
        assert ann.bus.name != before
        async with asyncio.timeout(20):
            while await bob.bus.realm() != ann.bus.name:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        ann.bus.post(bob.bus.name, b"again")
        await bob.until(lambda: bool(bob.heard))
        assert bob.heard == [(ann.bus.name, b"again")]
        await ann.bus.close()
        await bob.bus.close()

    check()


# ---- Redis alone


@REDIS
def test_no_redis_is_said_in_one_sentence_and_without_its_password() -> None:
    with redis_running() as url:
        gone = url
    section = make_settings({"bus.url": gone.replace("unix://", "unix://ann:secret@")}).bus

    @real
    async def check() -> None:
        member = Member(bus_maker(section, Random(1))())
        with pytest.raises(BusUnreachable) as caught:
            await member.open()
        assert "cannot reach the bus" in str(caught.value)
        assert "secret" not in str(caught.value)

    check()


@pytest.mark.parametrize("url", ["amqp://host", "redis", "http://x"])
def test_an_address_of_no_bus_is_named(url: str) -> None:
    with pytest.raises(ConfigError, match=r"bus\.url"):
        bus_maker(make_settings({"bus.url": url}).bus, Random(1))
