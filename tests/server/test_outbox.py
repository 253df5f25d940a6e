"""Nothing is told before what it tells of is safe, and everything keeps its order."""

from __future__ import annotations

import asyncio

from soulmesh.server.state import Group, Outbox, Session
from soulmesh.server.store.memory import MemoryStore
from tests.support.loops import real


async def turn() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


def office(*, manual: bool) -> tuple[Outbox, MemoryStore]:
    store = MemoryStore(manual=manual)
    return Outbox(asyncio.get_running_loop(), store), store


def session(outbox: Outbox) -> tuple[Session, list[bytes]]:
    written: list[bytes] = []
    return Session(outbox, "127.0.0.1", written.append), written


@real
async def test_frames_of_one_turn_are_one_write() -> None:
    outbox, _ = office(manual=False)
    ann, written = session(outbox)
    ann.send(b"a")
    ann.send(b"b")
    assert written == []
    await turn()
    assert written == [b"ab"]


@real
async def test_what_follows_a_change_waits_for_its_commit() -> None:
    outbox, store = office(manual=True)
    (ann, to_ann), (bob, to_bob) = session(outbox), session(outbox)
    group = Group(outbox)
    group.members.update({ann: None, bob: None})
    store.save("settings", ("key", "value"))
    ann.send(b"done")
    group.send(b" told")
    await turn()
    assert to_ann == to_bob == []
    bob.send(b" later")
    await turn()
    assert to_bob == []
    store.settle()
    assert b"".join(to_ann) == b"done told"
    assert b"".join(to_bob) == b" told later"


@real
async def test_a_later_change_does_not_hold_back_what_came_before_it() -> None:
    outbox, store = office(manual=True)
    ann, to_ann = session(outbox)
    store.save("settings", ("one", "1"))
    ann.send(b"one")
    await turn()
    store.settle()
    assert to_ann == [b"one"]
    ann.send(b"two")
    await turn()
    assert to_ann == [b"one", b"two"]


@real
async def test_a_connection_is_closed_after_its_last_words_are_out() -> None:
    outbox, store = office(manual=True)
    closed: list[str] = []

    class Line(Session):
        __slots__ = ()

        def hang_up(self) -> None:
            closed.append("closed")

    words: list[bytes] = []
    ann = Line(outbox, "127.0.0.1", words.append)
    store.save("settings", ("one", "1"))
    ann.send(b"goodbye")
    ann.finish()
    await turn()
    assert (words, closed) == ([], [])
    store.settle()
    assert (words, closed) == ([b"goodbye"], ["closed"])
