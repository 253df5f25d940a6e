"""Whole clients with a server: the stage on which flows.rst is played.

A scene is played on a network in memory in virtual time, and, in the modules that ``conftest.py`` names, once
more over real sockets of this machine with a clock that hurries (:mod:`tests.support.hurried`).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import tempfile
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any, Literal, TypeVar

from soulmesh.client.client import Client
from soulmesh.client.events import Event
from soulmesh.client.plain_shares import PlainFile, PlainShares
from soulmesh.client.settings import ClientSettings
from soulmesh.net.disk import RealDisk
from soulmesh.net.memory import MemoryHost, MemoryNetwork
from soulmesh.net.stream import Stream, listen_streams, open_stream
from soulmesh.net.tcp import TcpNetwork
from soulmesh.net.world import World
from soulmesh.server.app import Server
from soulmesh.server.settings import make_settings
from soulmesh.sim.loop import run_virtual
from tests.support.hurried import run_hurried
from tests.support.little_server import LittleServer

__all__ = ["Stage", "play", "shares"]

SERVER = "10.0.0.1"
START = datetime(2026, 1, 1, tzinfo=UTC)

LOCAL = "127.0.0.1"

ground: Literal["memory", "sockets"] = "memory"
"""Where scenes are played; see ``conftest.py``."""

E = TypeVar("E", bound=Event)


def shares(folder: Path = Path("/music"), **files: int) -> PlainShares:
    """Shared files by name (``a_b`` for ``a b``), each with a size, in one folder."""
    return PlainShares(
        PlainFile(folder / f"{name}.flac", size, f"Music\\Album\\{name.replace('_', ' ')}.flac")
        for name, size in files.items()
    )


class Stage:
    """One server, and clients: with an address each in memory, with a port each on real sockets."""

    def __init__(
        self, network: MemoryNetwork | None, server: LittleServer | Server, stack: contextlib.AsyncExitStack
    ) -> None:
        self._network = network
        self._server = server
        self.addresses: dict[str, str] = {}
        self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.seen: dict[str, list[Event]] = {}
        self._clients: dict[str, Client] = {}
        self._stack = stack
        self._next = 2
        self._closed = 0

    @property
    def server(self) -> LittleServer:
        assert isinstance(self._server, LittleServer)
        return self._server

    @property
    def server_port(self) -> int:
        return self._server.port

    @property
    def network(self) -> MemoryNetwork:
        """The network in memory; there is none on real sockets."""
        assert self._network is not None
        return self._network

    def host(self, name: str) -> MemoryHost:
        return self.network.host(self.addresses[name])

    def events(self, name: str, kind: type[E]) -> list[E]:
        """What happened to a client, of one kind."""
        return [event for event in self.seen[name] if isinstance(event, kind)]

    def world(self, name: str) -> World:
        address = self.addresses.setdefault(
            name, f"10.0.0.{self._next + len(self.addresses)}" if self._network is not None else LOCAL
        )
        network = self._network.host(address) if self._network is not None else TcpNetwork()
        return World(network, RealDisk(), Random(name), lambda: START)

    def client(self, name: str, *, password: str = "secret", **options: Any) -> Client:
        """A client that is not started yet."""
        options.setdefault("listen_port", 2234 if self._network is not None else 0)
        options.setdefault("settings", ClientSettings(rates={}))
        options.setdefault("downloads", self.folder / name)
        # The journal of transfers has a thread, which virtual time does not wait for.
        options.setdefault("resume", False)
        changes = options.pop("changes", {})
        if self._network is None:
            changes.setdefault("listen_host", LOCAL)
        options["settings"] = replace(options["settings"], **changes)
        server = (SERVER if self._network is not None else LOCAL, self._server.port)
        client = self._clients[name] = Client(
            name, password, server=server, world=self.world(name), **options
        )
        seen = self.seen.setdefault(name, [])
        client.events.on(Event, seen.append)
        return client

    async def enter(self, name: str, *, firewalled: bool = False, **options: Any) -> Client:
        """A client that is logged in, until the play is over."""
        client = self.client(name, **options)
        if not firewalled:
            return await self._stack.enter_async_context(client)
        self._stack.push_async_callback(client.close)
        await client.start(log_in=False)
        self.wall(name)
        await client.server.start()
        return client

    def wall(self, name: str, how: Literal["drop", "refuse"] = "drop") -> None:
        """Nobody reaches this client any more: calls get lost, or are refused.

        On real sockets it tells ports that nobody listens on, so all calls are refused.
        """
        if self._network is not None:
            self.host(name).firewalled = how
        else:
            self._clients[name].listening.announce(self._closed_port(), self._closed_port())

    async def call(self, name: str, *, obfuscated: bool = False, host: str = "10.9.9.9") -> Stream:
        """A connection that some stranger opens to a client."""
        listening = self._clients[name].listening
        port = listening.obfuscated_port if obfuscated else listening.port
        network = self._network.host(host) if self._network is not None else TcpNetwork()
        return await open_stream(network, self.addresses[name], port)

    async def listen(self, accept: Callable[[Stream], None], host: str = "10.9.9.9") -> tuple[str, int]:
        """Some stranger's port, which takes connections until the play is over; where it is."""
        network = self._network.host(host) if self._network is not None else TcpNetwork()
        listener = await listen_streams(network, accept, "" if self._network is not None else LOCAL, 0)
        self._stack.callback(listener.close)
        return (host if self._network is not None else LOCAL), listener.port

    def connections(self, name: str) -> int:
        """How many connections are open: of this client, or, on real sockets, of everybody here."""
        return len(self.host(name).links) if self._network is not None else _open_sockets()

    async def reopen_server(self) -> None:
        """The server listens again, where it was."""
        if self._network is not None:
            await self.server.open(self._network.host(SERVER), port=2242)
        else:
            await self.server.open(TcpNetwork(), LOCAL, self._last_port)

    def close_server(self) -> None:
        """The server takes no more connections."""
        assert self.server.listener is not None
        self._last_port = self.server.port
        self.server.listener.close()

    def _closed_port(self) -> int:
        # Bound, so that nobody else gets it, and not listened on.
        taken = self._stack.enter_context(socket.socket())
        taken.bind((LOCAL, 0))
        return int(taken.getsockname()[1])


def _open_sockets() -> int:
    count = 0
    for number in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            count += os.readlink(f"/proc/self/fd/{number}").startswith("socket:")
    return count


@contextlib.asynccontextmanager
async def stage(*, real: bool) -> AsyncIterator[Stage]:
    async with contextlib.AsyncExitStack() as stack:
        network = MemoryNetwork(latency=0.02) if ground == "memory" else None
        host = network.host(SERVER) if network is not None else TcpNetwork()
        server: LittleServer | Server
        if real:
            options = {"server.host": "0.0.0.0", "accounts.hash": "fast", "abuse.enabled": False}
            if network is None:
                options |= {"server.host": LOCAL, "server.port": 0}
            world = World(host, RealDisk(), Random(1), lambda: START)
            server = await stack.enter_async_context(
                Server(world, make_settings({**options, "accounts.initial_upload_speed": 1_000_000}))
            )
        else:
            server = await stack.enter_async_context(LittleServer())
            if network is not None:
                await server.open(host, port=2242)
            else:
                await server.open(host, LOCAL)
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

    return run_virtual(run(), limit=limit) if ground == "memory" else run_hurried(run(), limit=limit)
