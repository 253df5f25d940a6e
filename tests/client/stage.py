"""Whole clients on a network in memory, in virtual time: the stage on which flows.rst is played."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from soulmesh.client.client import Client
from soulmesh.client.events import Event
from soulmesh.client.plain_shares import PlainFile, PlainShares
from soulmesh.client.settings import ClientSettings
from soulmesh.net.disk import RealDisk
from soulmesh.net.memory import MemoryHost, MemoryNetwork
from soulmesh.net.world import World
from soulmesh.sim.loop import run_virtual
from tests.support.little_server import LittleServer

__all__ = ["Stage", "play", "shares"]

SERVER = "10.0.0.1"


def shares(folder: Path = Path("/music"), **files: int) -> PlainShares:
    """Shared files by name (``a_b`` for ``a b``), each with a size, in one folder."""
    return PlainShares(
        PlainFile(folder / f"{name}.flac", size, f"Music\\Album\\{name.replace('_', ' ')}.flac")
        for name, size in files.items()
    )


class Stage:
    """One server, and clients with an address each."""

    def __init__(
        self, network: MemoryNetwork, server: LittleServer, stack: contextlib.AsyncExitStack
    ) -> None:
        self.network = network
        self.server = server
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.seen: dict[str, list[Event]] = {}
        self._stack = stack
        self._next = 2

    def host(self, name: str) -> MemoryHost:
        return self.network.host(self.addresses[name])

    addresses: dict[str, str]

    def world(self, name: str) -> World:
        address = self.addresses.setdefault(name, f"10.0.0.{self._next + len(self.addresses)}")
        random = Random(name)
        start = datetime(2026, 1, 1, tzinfo=UTC)
        return World(self.network.host(address), RealDisk(), random, lambda: start)

    def client(self, name: str, *, password: str = "secret", **options: Any) -> Client:
        """A client that is not started yet."""
        options.setdefault("listen_port", 2234)
        options.setdefault("settings", ClientSettings(rates={}))
        options.setdefault("downloads", self.folder / name)
        client = Client(name, password, server=(SERVER, self.server.port), world=self.world(name), **options)
        seen = self.seen.setdefault(name, [])
        client.events.on(Event, seen.append)
        return client

    async def enter(self, name: str, *, firewalled: bool = False, **options: Any) -> Client:
        """A client that is logged in, until the play is over."""
        client = self.client(name, **options)
        if firewalled:
            self.host(name).firewalled = "drop"
        return await self._stack.enter_async_context(client)


@contextlib.asynccontextmanager
async def stage(latency: float = 0.02) -> AsyncIterator[Stage]:
    async with contextlib.AsyncExitStack() as stack:
        network = MemoryNetwork(latency=latency)
        server = await stack.enter_async_context(LittleServer())
        await server.open(network.host(SERVER), port=2242)
        scene = Stage(network, server, stack)
        scene.addresses = {}
        yield scene


def play(scene: Callable[[Stage], Coroutine[Any, Any, Any]], *, limit: float = 86400.0) -> Any:
    """Run a scene to its end; nothing may be left behind."""

    async def run() -> Any:
        async with stage() as place:
            result = await scene(place)
        for _ in range(10):
            await asyncio.sleep(0.1)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not left, f"tasks left behind: {left}"
        return result

    return run_virtual(run(), limit=limit)
