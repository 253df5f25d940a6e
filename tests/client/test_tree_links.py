"""flows.rst, "Distributed Network": clients and a server obtain a parent and children."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from soulmesh import wire
from soulmesh.client.links import LinkOpened
from soulmesh.net.stream import Stream
from soulmesh.wire import distributed, peer_init, to_client, to_server
from soulmesh.wire.message import Message
from soulmesh.wire.structs import PotentialParent
from tests.client.stage import Stage, play

PLACE = (
    to_server.BranchLevel,
    to_server.BranchRoot,
    to_server.ToggleParentSearch,
    to_server.AcceptChildren,
)


def place_told(stage: Stage, name: str, since: int = 0) -> list[Message]:
    """What a client told the server of its place in the tree, after so many messages."""
    return [message for message in stage.server.sessions[name].heard[since:] if isinstance(message, PLACE)]


def place(stage: Stage, name: str) -> tuple[int, str]:
    """Level and root that a client told the server last."""
    session = stage.server.sessions[name]
    return session.said(to_server.BranchLevel)[-1].level, session.said(to_server.BranchRoot)[-1].username


def heard(stage: Stage, name: str) -> int:
    return len(stage.server.sessions[name].heard)


async def child(stage: Stage, parent: str, name: str) -> Stream:
    """A user that is a script asks to be a child."""
    stream = await stage.call(parent)
    stream.write(wire.encode(peer_init.PeerInit(name, "D", 0)))
    return stream


async def told(stream: Stream, count: int) -> list[Any]:
    """The next messages of a link of the tree."""
    reader = wire.FrameReader("distributed", "peer")
    found: list[Any] = []
    while len(found) < count:
        data = await stream.read()
        assert data, "the link was closed"
        found += [frame.decode() for frame in reader.feed(data)]
    return found


def test_obtaining_a_parent_of_those_who_are_offered() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("root")
        middle = await stage.enter("middle")
        await asyncio.sleep(5)
        assert middle.tree.figures.parent == "root"
        leaf = await stage.enter("leaf")
        await asyncio.sleep(10)
        # Both were tried, the nearer to the root was taken, and the other one let go.
        tried = {event.username for event in stage.events("leaf", LinkOpened) if event.kind == "D"}
        assert tried == {"root", "middle"}
        assert (leaf.tree.figures.parent, leaf.tree.figures.level) == ("root", 1)
        assert middle.tree.figures.children == ()
        assert place_told(stage, "leaf")[-4:] == [
            to_server.BranchLevel(1),
            to_server.BranchRoot("root"),
            to_server.ToggleParentSearch(False),
            to_server.AcceptChildren(True),
        ]

    play(scene)


def test_who_is_at_level_0_and_says_nothing_of_the_root_is_the_root_itself() -> None:
    async def scene(stage: Stage) -> None:
        lines: list[Stream] = []

        def accept(stream: Stream) -> None:
            lines.append(stream)
            stream.write(wire.encode(distributed.DistributedBranchLevel(0)))

        address = await stage.listen(accept)
        alice = await stage.enter("alice")
        bob = await stage.enter("bob")
        await asyncio.sleep(5)
        assert (bob.tree.figures.parent, bob.tree.figures.level) == ("alice", 1)
        before = heard(stage, "alice")
        stage.server.sessions["alice"].send(to_client.PotentialParents([PotentialParent("dad", *address)]))
        await asyncio.sleep(10)
        assert (alice.tree.figures.parent, alice.tree.figures.root) == ("dad", "dad")
        assert place_told(stage, "alice", before) == [
            to_server.BranchLevel(1),
            to_server.BranchRoot("dad"),
            to_server.ToggleParentSearch(False),
            to_server.AcceptChildren(True),
        ]
        # Our child is told, and tells the server.
        assert (bob.tree.figures.level, bob.tree.figures.root) == (2, "dad")
        assert place(stage, "bob") == (2, "dad")

        # The parent goes: we keep our child, as a branch of our own, and search for another parent.
        stage.server.offer_parents = False
        before = heard(stage, "alice")
        for line in lines:
            line.close()
        await asyncio.sleep(10)
        assert place_told(stage, "alice", before) == [
            to_server.BranchLevel(0),
            to_server.BranchRoot("alice"),
            to_server.ToggleParentSearch(True),
            to_server.AcceptChildren(True),
        ]
        assert alice.tree.figures.children == ("bob",)
        assert (bob.tree.figures.level, bob.tree.figures.root) == (1, "alice")
        assert place(stage, "bob") == (1, "alice")

    play(scene)


def test_obtaining_children_until_there_is_room_for_no_more() -> None:
    async def scene(stage: Stage) -> None:
        stage.server.speed = 12 * 1024
        # A ratio of 50 is 5 KiB/s for each child.
        alice = await stage.enter("alice")
        await asyncio.sleep(1)
        assert alice.tree.figures.most_children == 2
        first, second = await child(stage, "alice", "kim"), await child(stage, "alice", "lee")
        for stream in (first, second):
            assert await told(stream, 2) == [
                distributed.DistributedBranchLevel(0),
                distributed.DistributedBranchRoot("alice"),
            ]
        await asyncio.sleep(1)
        assert alice.tree.figures.children == ("kim", "lee")
        assert place_told(stage, "alice")[-1] == to_server.AcceptChildren(False)
        third = await child(stage, "alice", "max")
        assert await third.read() == b""
        # A search comes to the root from the server, and goes to the children as it came.
        stage.server.sessions["alice"].send(to_client.ServerSearchRequest(3, 49, "zoe", 7, "blue"))
        for stream in (first, second):
            (search,) = await told(stream, 1)
            assert (search.username, search.ticket, search.query) == ("zoe", 7, "blue")
        second.close()
        await asyncio.sleep(1)
        assert list(alice.tree.figures.children) == ["kim"]
        assert place_told(stage, "alice")[-1] == to_server.AcceptChildren(True)

    play(scene)


@pytest.mark.parametrize("willing", [True, False])
def test_who_wants_no_children_says_so_and_takes_none(willing: bool) -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice", changes={"accept_children": willing})
        bob = await stage.enter("bob")
        await asyncio.sleep(5)
        assert place_told(stage, "alice")[-1] == to_server.AcceptChildren(willing)
        assert bob.tree.figures.parent == ("alice" if willing else None)
        assert alice.tree.figures.children == (("bob",) if willing else ())

    play(scene)
