"""The same server on a network without sockets and in time that jumps."""

from __future__ import annotations

import asyncio

from soulmesh import wire
from soulmesh.net.memory import MemoryNetwork
from soulmesh.net.stream import Stream, open_stream
from soulmesh.server.app import Server
from soulmesh.server.settings import make_settings
from soulmesh.wire import to_client, to_server
from soulmesh.wire.message import Message
from tests.server.support import login
from tests.support.loops import virtual


class Visitor:
    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.frames = wire.FrameReader("server", "to_client")
        self.inbox: list[Message] = []

    def send(self, *messages: Message) -> None:
        for message in messages:
            self.stream.write(wire.encode(message))

    async def next(self, kind: type[Message]) -> Message:
        while True:
            while self.inbox:
                message = self.inbox.pop(0)
                if isinstance(message, kind):
                    return message
            data = await self.stream.read(65536)
            if not data:
                raise ConnectionError("ended")
            self.inbox += [frame.decode() for frame in self.frames.feed(data)]


async def visit(network: MemoryNetwork, address: str, port: int) -> Visitor:
    return Visitor(await open_stream(network.host(address), "10.0.0.1", port, timeout=10))


@virtual
async def test_users_meet_on_a_network_in_memory_and_minutes_take_no_time() -> None:
    network = MemoryNetwork()
    settings = make_settings(
        {"server.host": "0.0.0.0", "accounts.hash": "fast", "accounts.initial_upload_speed": 2_000_000}
    )
    loop = asyncio.get_running_loop()
    async with Server(network.host("10.0.0.1"), settings) as server:
        ann = await visit(network, "10.0.0.2", server.port)
        bob = await visit(network, "10.0.0.3", server.port)
        silent = await visit(network, "10.0.0.4", server.port)
        for user, name in ((ann, "ann"), (bob, "bob")):
            user.send(login(name), to_server.SetListenPort(2234), to_server.AcceptChildren(True))
            await user.next(to_client.ExcludedSearchPhrases)
        bob.send(to_server.GetPeerAddress("ann"))
        assert await bob.next(to_client.GetPeerAddress) == to_client.GetPeerAddress(
            "ann", "10.0.0.2", 2234, 0, 0
        )
        bob.send(to_server.ToggleParentSearch(True))
        start = loop.time()
        for turn in range(4):
            offer = await bob.next(to_client.PotentialParents)
            assert isinstance(offer, to_client.PotentialParents)
            assert [entry.username for entry in offer.entries] == ["ann"]
            assert abs(loop.time() - start - 60 * turn) < 2
        assert await silent.stream.read(100) == b""
        for user in (ann, bob, silent):
            user.stream.close()


@virtual
async def test_a_client_that_falls_silent_is_gone_after_a_while() -> None:
    network = MemoryNetwork()
    settings = make_settings({"server.host": "0.0.0.0", "accounts.hash": "fast", "limits.idle_seconds": 900})
    async with Server(network.host("10.0.0.1"), settings) as server:
        ann = await visit(network, "10.0.0.2", server.port)
        ann.send(login("ann"))
        await ann.next(to_client.ExcludedSearchPhrases)
        start = asyncio.get_running_loop().time()
        assert await ann.stream.read(100) == b""
        assert 899 < asyncio.get_running_loop().time() - start < 1810
        ann.stream.close()
