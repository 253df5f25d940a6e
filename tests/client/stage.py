"""Whole clients on a network in memory, in virtual time: the stage on which flows.rst is played."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from soulmesh.client.client import Client
from soulmesh.client.events import Event
from soulmesh.client.plain_shares import PlainFile, PlainShares
from soulmesh.client.settings import ClientSettings
from soulmesh.net.disk import RealDisk
from soulmesh.net.memory import MemoryHost, MemoryNetwork
from soulmesh.net.world import World
from soulmesh.server.app import Server
from soulmesh.server.settings import make_settings
from soulmesh.sim.loop import run_virtual
from tests.support.little_server import LittleServer

__all__ = ["Stage", "play", "shares"]

SERVER = "10.0.0.1"
START = datetime(2026, 1, 1, tzinfo=UTC)

E = TypeVar("E", bound=Event)


def shares(folder: Path = Path("/music"), **files: int) -> PlainShares:
    """Shared files by name (``a_b`` for ``a b``), each with a size, in one folder."""
    return PlainShares(
        PlainFile(folder / f"{name}.flac", size, f"Music\\Album\\{name.replace('_', ' ')}.flac")
        for name, size in files.items()
    )


class Stage:
    """One server, and clients with an address each."""

    def __init__(
        self, network: MemoryNetwork, server: LittleServer | Server, stack: contextlib.AsyncExitStack
    ) -> None:
        self.network = network
        self._server = server
        self.addresses: dict[str, str] = {}
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.seen: dict[str, list[Event]] = {}
        self._stack = stack
        self._next = 2

    @property
    def server(self) -> LittleServer:
        assert isinstance(self._server, LittleServer)
        return self._server

    def host(self, name: str) -> MemoryHost:
        return self.network.host(self.addresses[name])

    def events(self, name: str, kind: type[E]) -> list[E]:
        """What happened to a client, of one kind."""
        return [event for event in self.seen[name] if isinstance(event, kind)]

    def world(self, name: str) -> World:
        address = self.addresses.setdefault(name, f"10.0.0.{self._next + len(self.addresses)}")
        random = Random(name)
        return World(self.network.host(address), RealDisk(), random, lambda: START)

    def client(self, name: str, *, password: str = "secret", **options: Any) -> Client:
        """A client that is not started yet."""
        options.setdefault("listen_port", 2234)
        options.setdefault("settings", ClientSettings(rates={}))
        options.setdefault("downloads", self.folder / name)
        # The journal of transfers has a thread, which virtual time does not wait for.
        options.setdefault("resume", False)
        options["settings"] = replace(options["settings"], **options.pop("changes", {}))
        client = Client(name, password, server=(SERVER, self._server.port), world=self.world(name), **options)
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
async def stage(*, real: bool) -> AsyncIterator[Stage]:
    async with contextlib.AsyncExitStack() as stack:
        network = MemoryNetwork(latency=0.02)
        host = network.host(SERVER)
        server: LittleServer | Server
        if real:
            options = {"server.host": "0.0.0.0", "accounts.hash": "fast", "abuse.enabled": False}
            world = World(host, RealDisk(), Random(1), lambda: START)
            server = await stack.enter_async_context(
                Server(world, make_settings({**options, "accounts.initial_upload_speed": 1_000_000}))
            )
        else:
            server = await stack.enter_async_context(LittleServer())
            await server.open(host, port=2242)
        yield Stage(network, server, stack)


def play(
    scene: Callable[[Stage], Coroutine[Any, Any, Any]], *, limit: float = 86400.0, real: bool = False
) -> Any:
    """Run a scene to its end; nothing may be left behind.

    ``real``: on our real server instead of the little one.
    """

    async def run() -> Any:
        async with stage(real=real) as place:
            result = await scene(place)
        for _ in range(10):
            await asyncio.sleep(0.1)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert not left, f"tasks left behind: {left}"
        return result

    return run_virtual(run(), limit=limit)
