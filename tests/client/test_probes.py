"""What a diagnosis asks through the network, with our own server: the relay, a search, and a way in."""

from __future__ import annotations

import asyncio

import pytest

from soulmesh.client.errors import NotConnected, PeerUnreachable
from soulmesh.client.links import LinkOpened
from soulmesh.client.probes import CALLED_WITHIN
from tests.client.stage import Stage, play, shares


def test_the_server_passes_on_a_request_for_a_connection_to_ourselves_and_nothing_comes_of_it() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        assert 0 < await alice.probes.relay() < 2
        await asyncio.sleep(120)
        assert stage.events("alice", LinkOpened) == []

    play(scene, real=True)


def test_a_search_of_our_own_files_comes_back_through_the_server_and_finds_nothing() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice", shares=shares(soulmesh=1, diagnosis=1))
        assert 0 < await alice.probes.search() < 2
        await asyncio.sleep(120)
        assert stage.events("alice", LinkOpened) == []

    play(scene, real=True)


def test_who_is_asked_connects_to_our_listening_port() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        await stage.enter("bob")
        await alice.probes.called_back("bob")
        # Beside it there is one of the distributed network.
        (opened,) = (one for one in stage.events("alice", LinkOpened) if one.kind == "P")
        assert (opened.username, opened.direct) == ("bob", False)

    play(scene, real=True)


@pytest.mark.parametrize("how", ["drop", "refuse"])
def test_behind_a_firewall_nobody_comes_and_that_is_known_in_time(how: str) -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice", firewalled=True)
        stage.host("alice").firewalled = how  # type: ignore[assignment]
        # Whoever can be connected to is asked to connect to us all the same.
        await stage.enter("bob")
        # The server's ways are open.
        assert await alice.probes.relay() < 2
        assert await alice.probes.search() < 2
        loop = asyncio.get_running_loop()
        begun = loop.time()
        with pytest.raises(PeerUnreachable):
            await alice.probes.called_back("bob")
        assert loop.time() - begun <= CALLED_WITHIN + 1

    play(scene, real=True)


def test_logged_out_nothing_is_asked() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        await alice.close()
        with pytest.raises(NotConnected):
            await alice.probes.relay()

    play(scene, real=True)
