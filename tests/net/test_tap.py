"""A tap tells of every message on the connections of one user, and changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from soulmesh import wire
from soulmesh.net.memory import MemoryNetwork
from soulmesh.net.stream import Stream, listen_streams, open_stream
from soulmesh.net.tap import Seen, Tap
from soulmesh.sim.loop import run_virtual
from soulmesh.wire import distributed, file, peer, peer_init, to_client, to_server

HELLO_P = wire.encode(peer_init.PeerInit("eve", "P", 0))
INFO = wire.encode(peer.PeerUserInfoRequest())
KEY = b"\x14\x94\xee\x4a"


def said(seen: list[Seen]) -> list[tuple[bool, str, str]]:
    return [(one.sent, one.family, one.name) for one in seen]


async def pair(
    seen: list[Seen], talk: Callable[[Stream, Stream], Awaitable[None]], *, server: bool = False
) -> Tap:
    """``talk(caller, answerer)`` over a connection whose caller is tapped."""
    network = MemoryNetwork()
    answered: asyncio.Future[Stream] = asyncio.get_running_loop().create_future()
    there = network.host("10.0.0.2")
    await listen_streams(there, answered.set_result, "10.0.0.2", 2242)
    address = ("10.0.0.2", 2242) if server else ("10.0.0.9", 2242)
    tap = Tap(network.host("10.0.0.1"), "eve", seen.append, server=address)
    caller = await open_stream(tap, "10.0.0.2", 2242, timeout=5.0)
    answerer = await answered
    await talk(caller, answerer)
    await asyncio.sleep(1)
    caller.close()
    answerer.close()
    return tap


def test_the_connection_to_the_server_is_read_in_both_directions() -> None:
    seen: list[Seen] = []

    async def talk(caller: Stream, server: Stream) -> None:
        caller.write(wire.encode(to_server.SetStatus(2)))
        server.write(wire.encode(to_client.Ping()))
        server.write(wire.encode(to_client.WishlistInterval(720)))

    run_virtual(pair(seen, talk, server=True))
    assert sorted(said(seen)) == [
        (False, "server", "Ping"),
        (False, "server", "WishlistInterval"),
        (True, "server", "SetStatus"),
    ]
    assert next(one.message for one in seen if one.sent) == to_server.SetStatus(2)


@pytest.mark.parametrize("obfuscated", [False, True])
def test_a_p_connection_is_read_after_its_initialisation(obfuscated: bool) -> None:
    seen: list[Seen] = []

    def dressed(frame: bytes) -> bytes:
        return wire.obfuscate(frame, KEY) if obfuscated else frame

    async def talk(caller: Stream, answerer: Stream) -> None:
        caller.write(dressed(HELLO_P)[:3])
        caller.write(dressed(HELLO_P)[3:] + dressed(INFO))
        answerer.write(dressed(INFO))

    run_virtual(pair(seen, talk))
    assert sorted(said(seen)) == [
        (False, "peer", "PeerUserInfoRequest"),
        (True, "peer", "PeerUserInfoRequest"),
        (True, "peer_init", "PeerInit"),
    ]


def test_a_d_connection_is_clear_after_an_obfuscated_initialisation() -> None:
    seen: list[Seen] = []

    async def talk(caller: Stream, answerer: Stream) -> None:
        caller.write(wire.obfuscate(wire.encode(peer_init.PeerInit("eve", "D", 0)), KEY))
        answerer.write(wire.encode(distributed.DistributedBranchLevel(0)))

    run_virtual(pair(seen, talk))
    assert (False, "distributed", "DistributedBranchLevel") in said(seen)


def test_of_a_file_connection_ticket_and_offset_are_seen_and_the_file_is_not() -> None:
    seen: list[Seen] = []

    async def talk(caller: Stream, answerer: Stream) -> None:
        caller.write(wire.encode(peer_init.PeerInit("eve", "F", 0)) + wire.encode(file.FileTicket(7)))
        answerer.write(wire.encode(file.FileOffset(0)))
        await asyncio.sleep(1)
        caller.write(b"the bytes of a file, which look like nothing")

    run_virtual(pair(seen, talk))
    assert said(seen) == [
        (True, "peer_init", "PeerInit"),
        (True, "file", "FileTicket"),
        (False, "file", "FileOffset"),
    ]


def test_a_pierced_connection_is_known_by_the_ticket_that_the_server_passed_on() -> None:
    seen: list[Seen] = []

    async def talk(caller: Stream, answerer: Stream) -> None:
        caller.write(wire.encode(peer_init.PeerPierceFirewall(9)))
        answerer.write(wire.encode(distributed.DistributedBranchLevel(1)))

    async def scene() -> None:
        network = MemoryNetwork()
        tap = Tap(network.host("10.0.0.1"), "eve", seen.append, server=("10.0.0.3", 2242))
        for port, host in ((2242, "10.0.0.3"), (2234, "10.0.0.2")):
            answered: asyncio.Future[Stream] = asyncio.get_running_loop().create_future()
            await listen_streams(network.host(host), answered.set_result, host, port)
            caller = await open_stream(tap, host, port, timeout=5.0)
            answerer = await answered
            if port == 2242:
                relayed = to_client.ConnectToPeer("bob", "D", "10.0.0.2", 2234, 9)
                answerer.write(wire.encode(relayed))
                await asyncio.sleep(1)
            else:
                await talk(caller, answerer)
                await asyncio.sleep(1)
            caller.close()
            answerer.close()

    run_virtual(scene())
    assert said(seen)[-2:] == [
        (True, "peer_init", "PeerPierceFirewall"),
        (False, "distributed", "DistributedBranchLevel"),
    ]


def test_what_is_no_message_ends_the_watching_and_not_the_connection() -> None:
    seen: list[Seen] = []

    async def talk(caller: Stream, answerer: Stream) -> None:
        caller.write(HELLO_P + b"\xff\xff\xff\xff\xff\xff\xff\xff")
        caller.write(INFO)
        assert await answerer.readexactly(len(HELLO_P) + 8 + len(INFO))

    run_virtual(pair(seen, talk))
    assert said(seen) == [(True, "peer_init", "PeerInit")]
