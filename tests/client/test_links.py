"""flows.rst, "Peer Connections": who can reach whom, and what happens when both or neither can."""

from __future__ import annotations

import asyncio

import pytest

from soulmesh import wire
from soulmesh.client.client import Client
from soulmesh.client.errors import NoReply, PeerUnreachable, UserOffline, UserUnknown
from soulmesh.client.links import CallbackFailed, LinkClosed, LinkOpened, PeerMisbehaved
from soulmesh.client.settings import ClientSettings
from soulmesh.core.pacing import Rate
from soulmesh.core.rendezvous import Order
from soulmesh.net.errors import PortInUse, PortTwice
from soulmesh.wire import peer, peer_init, to_client, to_server
from tests.client.stage import Stage, play


async def info(asker: Client, name: str) -> str:
    """A small question over the P link."""
    return (await asker.info.ask(name)).username


def opened_by(stage: Stage, name: str) -> list[LinkOpened]:
    """The links of a client that are not of the search tree."""
    return [event for event in stage.events(name, LinkOpened) if event.kind != "D"]


def test_we_can_connect_to_them() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        await stage.enter("bob")
        stage.wall("alice")
        assert await info(alice, "bob") == "bob"
        (opened,) = opened_by(stage, "alice")
        assert (opened.username, opened.kind, opened.direct, opened.ours) == ("bob", "P", True, True)

    play(scene)


def test_we_cannot_connect_to_them_but_they_can_connect_to_us() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        await stage.enter("bob", firewalled=True)
        assert await info(alice, "bob") == "bob"
        (opened,) = opened_by(stage, "alice")
        assert not opened.direct
        assert opened_by(stage, "bob")[0] == LinkOpened("alice", "P", False, False)

    play(scene)


def test_neither_can_connect_and_the_error_says_why_for_both_ways() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice", firewalled=True)
        await stage.enter("bob")
        stage.wall("bob", "refuse")
        loop = asyncio.get_running_loop()
        begun = loop.time()
        with pytest.raises(PeerUnreachable) as caught:
            await alice.links.send("bob", peer.PeerUserInfoRequest())
        assert "nothing listens" in (caught.value.direct or "")
        assert caught.value.indirect == "the user cannot connect to us"
        # bob says so not before a minute has passed: saying it early breaks transfers.
        assert 60 <= loop.time() - begun < 65

    play(scene)


def test_a_user_who_is_offline_is_known_to_be_so_at_once_and_told_from_one_who_does_not_exist() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        async with stage.client("bob"):
            pass
        await asyncio.sleep(1)
        begun = asyncio.get_running_loop().time()
        with pytest.raises(UserOffline, match="bob is offline") as caught:
            await info(alice, "bob")
        assert not isinstance(caught.value, UserUnknown)
        with pytest.raises(UserUnknown, match="there is no user named nobody"):
            await info(alice, "nobody")
        with pytest.raises(UserUnknown):
            await alice.browse("nobody")
        assert asyncio.get_running_loop().time() - begun < 2

    play(scene, real=True)


def test_one_link_is_used_by_everybody_and_both_ways() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        bob = await stage.enter("bob")
        await asyncio.gather(*(info(alice, "bob") for _ in range(20)), info(bob, "alice"))
        assert await info(bob, "alice") == "alice"
        opened = [event for event in opened_by(stage, "alice") if event.ours]
        assert len(opened) == 1
        # The other way round nobody had to open anything more than the spare links of both ways at once.
        assert alice.links.count <= 4

    play(scene)


def test_the_link_that_came_second_does_no_harm_and_is_closed_when_idle() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        bob = await stage.enter("bob")
        assert await info(alice, "bob") == "bob"
        await asyncio.sleep(1)
        assert await info(bob, "alice") == "alice"
        await asyncio.sleep(30)
        assert (alice.links.count, bob.links.count) == (1, 1)

    play(scene)


def test_a_link_is_closed_when_nothing_passes() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        bob = await stage.enter("bob")
        await info(alice, "bob")
        await asyncio.sleep(200)
        assert (alice.links.count, bob.links.count) == (0, 0)
        assert LinkClosed("bob", "idle") in stage.events("alice", LinkClosed)
        assert await info(alice, "bob") == "bob"

    play(scene)


def test_the_least_used_link_makes_room_for_a_new_one() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice", changes={"most_links": 2, "order": Order.DIRECT_ONLY})
        for name in ("b1", "b2", "b3"):
            await stage.enter(name)
            await info(alice, name)
            await asyncio.sleep(1)
        assert not alice.links.links_of("b1")
        assert alice.links.links_of("b3")

    play(scene)


@pytest.mark.parametrize("order", list(Order))
def test_the_order_of_both_ways_can_be_chosen(order: Order) -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice", changes={"order": order})
        await stage.enter("bob")
        assert await info(alice, "bob") == "bob"
        said = stage.server.sessions["alice"].said(to_server.ConnectToPeer)
        assert bool(said) == (order in (Order.BOTH, Order.CALLBACK_ONLY))

    play(scene)


def test_the_obfuscated_port_serves_messages_searches_and_downloads_alike() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice", changes={"obfuscate": True, "order": Order.DIRECT_ONLY})
        await stage.enter("bob")
        assert await info(alice, "bob") == "bob"
        stream = await alice.links.open_file_link("bob")
        await asyncio.sleep(1)
        stream.abort()
        opened = opened_by(stage, "alice")
        assert [(event.kind, event.obfuscated) for event in opened] == [("P", True), ("F", True)]
        assert [event.obfuscated for event in opened_by(stage, "bob")] == [True, True]

    play(scene)


def test_an_obfuscated_callback_is_read_as_such() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice", changes={"order": Order.CALLBACK_ONLY})
        await stage.enter("bob", changes={"obfuscate": True})
        assert await info(alice, "bob") == "bob"
        assert opened_by(stage, "bob")[0].obfuscated

    play(scene)


def test_a_ticket_that_nobody_waits_for_costs_the_connection() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("alice")
        stream = await stage.call("alice")
        stream.write(wire.encode(peer_init.PeerPierceFirewall(4711)))
        assert await stream.read() == b""

    play(scene)


def test_a_callback_request_is_always_answered_even_if_a_link_is_there() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        bob = await stage.enter("bob", changes={"order": Order.CALLBACK_ONLY})
        await info(alice, "bob")
        bob.links.disconnect("alice", "test")
        assert await info(bob, "alice") == "alice"

    play(scene)


def test_a_user_who_reached_us_directly_hears_soon_that_we_cannot_call_back() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("alice")
        bob = await stage.enter("bob")
        stage.wall("bob", "refuse")
        heard: list[float] = []
        loop = asyncio.get_running_loop()
        bob.server.on(to_client.CannotConnect, lambda _: heard.append(loop.time()))
        asked = loop.time()
        await info(bob, "alice")
        await asyncio.sleep(5)
        assert len(heard) == 1
        assert heard[0] - asked < 1

    play(scene)


def test_a_question_that_is_never_answered_ends_in_time() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        bob = await stage.enter("bob")
        bob.links._handlers.clear()
        with pytest.raises(NoReply, match="bob did not answer PeerUserInfoRequest within 60 s"):
            await info(alice, "bob")

    play(scene)


@pytest.mark.in_memory
def test_a_changed_port_is_announced_without_a_new_login() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        bob = await stage.enter("bob", changes={"order": Order.DIRECT_ONLY})
        await alice.set_listen_port(4000)
        await asyncio.sleep(1)
        assert stage.server.sessions["alice"].ports == (4000, 4001)
        assert stage.server.logins == 2
        assert await info(bob, "alice") == "alice"
        alice.listening.announce(5555)
        await asyncio.sleep(1)
        assert stage.server.sessions["alice"].ports == (5555, 4001)

    play(scene)


@pytest.mark.in_memory
def test_an_obfuscated_port_of_our_choice_stays_when_the_other_one_moves() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice", changes={"obfuscated_port": 7000})
        bob = await stage.enter("bob", changes={"order": Order.DIRECT_ONLY, "obfuscate": True})
        session = stage.server.sessions["alice"]
        await alice.set_listen_port(4000)
        await asyncio.sleep(1)
        assert session.ports == (4000, 7000)
        assert await info(bob, "alice") == "alice"
        assert [link.obfuscated for link in opened_by(stage, "bob")] == [True]
        await alice.set_listen_port(2234)
        # A port that others have: nothing moves, and both are still there.
        await stage.world("alice").network.listen(asyncio.Protocol, "", 5000)
        with pytest.raises(PortInUse, match="port 5000 is in use"):
            await alice.set_listen_port(5000)
        with pytest.raises(PortTwice, match="port 7000 is our own obfuscated port"):
            await alice.set_listen_port(7000)
        assert (alice.listening.port, alice.listening.obfuscated_port) == (2234, 7000)
        for hidden in (False, True):
            (await stage.call("alice", obfuscated=hidden)).abort()
        # What we left can be had again.
        (await stage.world("alice").network.listen(asyncio.Protocol, "", 4000)).close()

    play(scene)


@pytest.mark.in_memory
def test_a_port_in_use_is_an_error_that_says_so() -> None:
    async def scene(stage: Stage) -> None:
        world = stage.world("alice")
        await world.network.listen(asyncio.Protocol, "", 2234)
        with pytest.raises(PortInUse, match="port 2234 is in use"):
            await stage.enter("alice")

    play(scene)


def test_a_thousand_links_opened_and_closed_leave_nothing() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice", settings=ClientSettings(rates={}))
        bob = await stage.enter("bob")
        await info(alice, "bob")
        await asyncio.sleep(200)
        before = len(asyncio.all_tasks()), stage.connections("bob")
        for _ in range(500):
            await info(alice, "bob")
            alice.links.disconnect("bob", "test")
            (await bob.links.open_file_link("alice")).abort()
        await asyncio.sleep(200)
        assert len(asyncio.all_tasks()) <= before[0]
        assert stage.connections("bob") <= before[1]

    play(scene)


@pytest.mark.in_memory
def test_those_who_want_to_be_called_are_called_a_few_at_a_time_and_each_gets_an_answer() -> None:
    async def scene(stage: Stage) -> None:
        few = {"most_callbacks": 4, "most_callers": 10, "direct_timeout": 20.0}
        alice = await stage.enter("alice", changes=few)
        nowhere, session = "10.8.8.8", stage.server.sessions["alice"]
        stage.network.host(nowhere).firewalled = "drop"
        dialled, at_once, most = [], 0, 0
        network = stage.world("alice").network
        connect = network.connect

        async def watched(*arguments: object, **more: object) -> object:
            nonlocal at_once, most
            dialled.append(arguments)
            at_once, most = at_once + 1, max(most, at_once + 1)
            try:
                return await connect(*arguments, **more)  # type: ignore[arg-type]
            finally:
                at_once -= 1

        network.connect = watched  # type: ignore[method-assign, assignment]
        for number in range(12):
            session.send(to_client.ConnectToPeer(f"user {number}", "P", nowhere, 2234, number, False, 0, 0))
        await asyncio.sleep(1)
        # Two are too many, and the others take turns; who has to wait is not called for long.
        assert [event.reason for event in stage.events("alice", CallbackFailed)] == [
            "too many want to be called at once"
        ] * 2
        assert most == 4
        await asyncio.sleep(120)
        assert (len(dialled), most) == (10, 4)
        assert len(session.said(to_server.CannotConnect)) == 12
        assert alice.links.callbacks.callers == 0

    play(scene)


def test_files_by_the_hundred_from_one_user_do_not_wait_for_the_governor() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice", settings=ClientSettings(rates={"connect": Rate(5, 60.0)}))
        await stage.enter("bob")
        await info(alice, "bob")
        loop = asyncio.get_running_loop()
        begun = loop.time()
        for _ in range(100):
            (await alice.links.open_file_link("bob")).abort()
        assert loop.time() - begun < 60

    play(scene)


def test_answers_to_searches_leave_room_for_what_a_person_wants() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter(
            "alice", settings=ClientSettings(rates={"connect": Rate(4, 60.0, reserve=2)})
        )
        for number in range(8):
            await stage.enter(f"b{number}")
        frame = wire.encode(peer.PeerUserInfoRequest())
        sending = [
            asyncio.ensure_future(alice.links.send_frame(f"b{number}", frame, interactive=False))
            for number in range(7)
        ]
        await asyncio.sleep(5)
        assert sum(task.done() for task in sending) == 2
        loop = asyncio.get_running_loop()
        begun = loop.time()
        await info(alice, "b7")
        assert loop.time() - begun < 5
        await asyncio.gather(*sending)

    play(scene)


def test_files_by_the_hundred_do_not_ask_the_server_each_time() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        bob = await stage.enter("bob")
        await info(alice, "bob")
        session = stage.server.sessions["alice"]
        before = len(session.said(to_server.GetPeerAddress)), len(session.said(to_server.ConnectToPeer))
        for _ in range(300):
            (await alice.links.open_file_link("bob")).abort()
        after = len(session.said(to_server.GetPeerAddress)), len(session.said(to_server.ConnectToPeer))
        assert after == before
        await asyncio.sleep(1)
        assert len([event for event in stage.events("bob", LinkOpened) if event.kind == "F"]) == 300
        assert bob.links.links_of("alice")

    play(scene)


def test_a_place_that_does_not_answer_any_more_is_asked_for_again() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        bob = await stage.enter("bob")
        await info(alice, "bob")
        session = stage.server.sessions["alice"]
        await bob.listening.move(5555)
        asked = len(session.said(to_server.GetPeerAddress))
        (await alice.links.open_file_link("bob")).abort()  # the old place refuses, so bob calls back
        (await alice.links.open_file_link("bob")).abort()
        assert len(session.said(to_server.GetPeerAddress)) == asked + 1
        asked_back = len(session.said(to_server.ConnectToPeer))
        await asyncio.sleep(1000)  # all links are closed meanwhile, and what we knew is old
        (await alice.links.open_file_link("bob")).abort()
        assert len(session.said(to_server.ConnectToPeer)) == asked_back + 1

    play(scene)


def test_a_user_that_is_banned_gets_nothing() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        bob = await stage.enter("bob", changes={"callback_timeout": 10.0})
        alice.users.ban("bob")
        with pytest.raises((NoReply, Exception)):
            await bob.info.ask("alice", timeout=20)
        alice.users.unban("bob")
        assert await info(bob, "alice") == "alice"
        alice.book.ban_range(f"{stage.addresses['bob']}/24")
        assert alice.users.banned("bob")

    play(scene)


def test_events_name_the_user_who_broke_the_protocol() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("alice")
        stream = await stage.call("alice")
        stream.write(wire.encode(peer_init.PeerInit("mallory", "P", 0)))
        stream.write(b"\xff\xff\xff\xff\x01\x00\x00\x00")
        assert await stream.read() == b""
        (event,) = stage.events("alice", PeerMisbehaved)
        assert event.username == "mallory"
        assert "above the limit" in event.problem

    play(scene)


def test_late_refusals_of_the_server_are_of_no_consequence() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        await stage.enter("bob")
        await info(alice, "bob")
        for ticket in range(5):
            stage.server.sessions["alice"].send(to_client.CannotConnect(ticket))
        await asyncio.sleep(1)
        assert await info(alice, "bob") == "bob"

    play(scene)
