"""Ctrl-C, twice, at any moment of a program that uses the library: everything ends that was under way."""

from __future__ import annotations

import asyncio
from pathlib import Path
from random import Random

import pytest

from soulmesh.client.client import Client
from soulmesh.client.settings import ClientSettings
from soulmesh.net.disk import RealDisk
from soulmesh.net.memory import MemoryNetwork
from soulmesh.net.world import World
from soulmesh.sim.loop import VirtualLoop
from tests.client.stage import SERVER, START, shares
from tests.support.little_server import LittleServer
from tests.support.loops import ctrl_c


def _world(network: MemoryNetwork, name: str, address: str) -> World:
    return World(network.host(address), RealDisk(), Random(name), lambda: START)


async def _program(folder: Path) -> list[int]:
    """What a program may do with the library; returns the loop's turns at its start and at its end."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    network = MemoryNetwork(latency=0.02)
    settings = ClientSettings(rates={})
    async with LittleServer() as server:
        await server.open(network.host(SERVER), port=2242)
        bob = Client(
            "bob",
            "secret",
            server=SERVER,
            world=_world(network, "bob", "10.0.0.3"),
            shares=shares(one=1),
            settings=settings,
            resume=False,
        )
        async with bob:
            begun = _turn()
            alice = Client(
                "alice",
                "secret",
                server=SERVER,
                world=_world(network, "alice", "10.0.0.2"),
                shares=shares(two=2),
                data=folder,
                settings=settings,
                resume=False,
            )
            async with alice:
                async for _ in alice.search("one", timeout=0.3, username="bob"):
                    pass
                async with await alice.browse("bob", timeout=5) as shared:
                    async for _ in shared:
                        pass
                await alice.users.look_up("bob")
            return [begun, _turn()]


def _turn() -> int:
    return int(getattr(asyncio.get_running_loop(), "turn", 0))


def _turns(folder: Path) -> list[int]:
    found: list[int] = []

    async def work() -> None:
        found.extend(await _program(folder))

    assert not ctrl_c(work(), first=-1, second=-1)
    return found


@pytest.mark.parametrize("later", [0, 1, 3])
def test_a_client_can_be_given_up_at_any_moment(tmp_path: Path, later: int) -> None:
    begun, ended = _turns(tmp_path / "whole")
    moments = range(begun + later, ended, 4)
    assert len(moments) > 10
    for turn in moments:
        # What is left running, or waits for ever, fails here.
        assert ctrl_c(_program(tmp_path / str(turn)), first=turn, second=turn + later)
