"""Flows, "Peer Connections": what the server does so that two peers can meet."""

from __future__ import annotations

from soulmesh.wire import to_client, to_server
from tests.server.support import Town, in_town


@in_town()
async def test_an_address_comes_with_both_ports(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    bob.send(to_server.SetListenPort(4000, 1, 4001))
    await bob.told()
    ann.send(to_server.GetPeerAddress("bob"))
    assert await ann.told() == [to_client.GetPeerAddress("bob", "127.0.0.1", 4000, 1, 4001)]


@in_town()
async def test_the_tail_is_there_for_a_client_with_one_port(town: Town) -> None:
    ann, bob = await town.enter("ann", port=None), await town.enter("bob")
    ann.send(to_server.SetListenPort(5000))
    await ann.told()
    bob.send(to_server.GetPeerAddress("ann"))
    assert await bob.told() == [to_client.GetPeerAddress("ann", "127.0.0.1", 5000, 0, 0)]


@in_town()
async def test_who_is_offline_or_unknown_has_no_address(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    await bob.leave()
    ann.send(to_server.AddUser("bob"))
    await ann.told()
    ann.send(to_server.GetPeerAddress("bob"), to_server.GetPeerAddress("nobody"))
    assert await ann.told() == [
        to_client.GetPeerAddress("bob", "0.0.0.0", 0, 0, 0),
        to_client.GetPeerAddress("nobody", "0.0.0.0", 0, 0, 0),
    ]


@in_town()
async def test_a_port_that_does_not_exist_is_not_taken(town: Town) -> None:
    ann = await town.enter("ann", port=2234)
    ann.send(to_server.SetListenPort(70000), to_server.GetPeerAddress("ann"))
    assert await ann.told() == [to_client.GetPeerAddress("ann", "127.0.0.1", 2234, 1, 2235)]


@in_town()
async def test_a_request_to_connect_is_relayed_with_our_address(town: Town) -> None:
    ann, bob = await town.enter("ann", port=3000), await town.enter("bob")
    ann.send(to_server.ConnectToPeer(77, "bob", "P"))
    assert await ann.told() == []
    assert await bob.told() == [to_client.ConnectToPeer("ann", "P", "127.0.0.1", 3000, 77, False, 1, 3001)]


@in_town()
async def test_a_request_to_connect_to_someone_offline_comes_back_at_once(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(to_server.ConnectToPeer(77, "nobody", "F"))
    assert await ann.told() == [to_client.CannotConnect(77)]


@in_town()
async def test_a_request_for_no_kind_of_connection_comes_back_as_well(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    ann.send(to_server.ConnectToPeer(77, "bob", "PPPPPPPPP"))
    assert await ann.told() == [to_client.CannotConnect(77)]
    assert await bob.told() == []


@in_town()
async def test_cannot_connect_is_relayed_with_the_ticket(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    bob.send(
        to_server.CannotConnect(77, "ann"), to_server.CannotConnect(78, "nobody"), to_server.CannotConnect(79)
    )
    assert await bob.told() == []
    assert await ann.told() == [to_client.CannotConnect(77)]
