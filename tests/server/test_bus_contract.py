"""What every bus promises, against every bus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from soulmesh.server.bus import Bus
from soulmesh.server.bus.local import LocalBus
from soulmesh.server.state import Outbox, Session
from soulmesh.server.store.memory import MemoryStore
from tests.support.loops import real


@pytest.fixture(params=[LocalBus])
def make(request: pytest.FixtureRequest) -> Callable[[], Bus]:
    return request.param  # type: ignore[no-any-return]


def session(outbox: Outbox) -> tuple[Session, list[bytes]]:
    written: list[bytes] = []
    return Session(outbox, "127.0.0.1", written.append), written


def outbox() -> Outbox:
    return Outbox(asyncio.get_running_loop(), MemoryStore())


def test_a_second_session_replaces_the_first(make: Callable[[], Bus]) -> None:
    @real
    async def check() -> None:
        bus, box = make(), outbox()
        (first, _), (second, _) = session(box), session(box)
        assert bus.opened(b"ann", first) is None
        assert bus.find(b"ann") is first
        assert bus.opened(b"ann", second) is first
        assert bus.find(b"ann") is second
        assert bus.closed(b"ann", first) is False
        assert bus.find(b"ann") is second
        assert bus.closed(b"ann", second) is True
        assert bus.find(b"ann") is None
        assert bus.sessions() == []

    check()


def test_sessions_come_in_the_order_of_login(make: Callable[[], Bus]) -> None:
    @real
    async def check() -> None:
        bus, box = make(), outbox()
        sessions = [session(box)[0] for _ in range(3)]
        for name, one in zip((b"b", b"a", b"c"), sessions, strict=True):
            bus.opened(name, one)
        assert bus.sessions() == sessions

    check()


def test_a_group_reaches_each_member_once_and_in_order(make: Callable[[], Bus]) -> None:
    @real
    async def check() -> None:
        bus, box = make(), outbox()
        group = bus.group(box)
        (ann, to_ann), (bob, to_bob), (eve, to_eve) = session(box), session(box), session(box)
        group.members.update({ann: None, bob: None})
        group.send(b"one ")
        group.send(b"two ")
        ann.send(b"own ")
        group.spill()
        group.members[eve] = None
        group.send(b"three")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert b"".join(to_ann) == b"own one two three"
        assert b"".join(to_bob) == b"one two three"
        assert b"".join(to_eve) == b"three"

    check()


def test_a_room_is_a_group_with_a_name(make: Callable[[], Bus]) -> None:
    @real
    async def check() -> None:
        room = make().room(outbox(), b"\5\0\0\0lobby")
        assert room.name == b"\5\0\0\0lobby"
        assert room.unclaimed

    check()
