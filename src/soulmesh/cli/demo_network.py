"""The network of the demonstration: a server and some users on this machine, watched."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from soulmesh.client.client import Client
from soulmesh.client.ports import ShareIndex
from soulmesh.client.settings import ClientSettings
from soulmesh.client.transfers import TransferSettings
from soulmesh.client.tree_links import TreeChanged
from soulmesh.errors import NetworkError
from soulmesh.net.tap import Seen, Tap
from soulmesh.net.world import World

if TYPE_CHECKING:
    from soulmesh.server.app import Server

__all__ = ["HOST", "DemoNetwork", "DemoStuck", "Traffic"]

HOST = "127.0.0.1"
PASSWORD = "demo"
SETTLING = 20.0
"""Seconds that the tree may take to grow by one user; it takes some milliseconds."""

SPEED = 2_000_000
"""Average upload speed (bytes per second) of users who never uploaded: with 0 nobody could have children."""


class DemoStuck(NetworkError):
    """The demonstration's own network did not come up."""

    def __init__(self, username: str, what: str) -> None:
        self.username = username
        self.what = what

    hint = "run it again with --log-level info to see what happens"

    def __str__(self) -> str:
        return f"{self.username} {self.what} within {SETTLING:.0f} seconds"


@dataclass(frozen=True, slots=True)
class Passed:
    """One kind of message on one kind of connection."""

    family: str
    name: str


class Traffic:
    """Which messages travelled. Each is counted once, although both ends of most see it."""

    def __init__(self, tell: Callable[[Seen], None] | None = None) -> None:
        self.counts: Counter[Passed] = Counter()
        self.size: Counter[Passed] = Counter()
        self._tell = tell

    def saw(self, seen: Seen) -> None:
        """A tap saw a message. The server has no tap, so what it sends counts where it arrives."""
        if seen.sent or seen.family == "server":
            passed = Passed(seen.family, seen.name)
            self.counts[passed] += 1
            self.size[passed] += seen.size
            if self._tell is not None:
                self._tell(seen)


class DemoNetwork:
    """A server and users, all in this process, on free ports of 127.0.0.1.

    Args:
        folder: for everything that they keep.
        traffic: told of all messages of the users.
        port: the server's; 0 for any free one.
    """

    def __init__(self, folder: Path, traffic: Traffic, *, port: int = 0) -> None:
        self._folder = folder
        self._traffic = traffic
        self._port = port
        self._stack = AsyncExitStack()
        self.users: dict[str, Client] = {}
        """In the order in which they came."""

    async def __aenter__(self) -> Self:
        from soulmesh.server.app import Server
        from soulmesh.server.settings import make_settings

        settings = make_settings(
            {
                "server.host": HOST,
                "server.port": self._port,
                # Room for those who come to look; many more would need more open files than most may have.
                "server.maximum_users": 200,
                "server.greeting": "Welcome to the demonstration.",
                "accounts.initial_upload_speed": SPEED,
            }
        )
        data = self._folder / "server"
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.server: Server = await self._stack.enter_async_context(Server(World.real(), settings, data=data))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    @property
    def address(self) -> tuple[str, int]:
        """Where the server listens."""
        return HOST, self.server.port

    async def join(
        self,
        username: str,
        *,
        shares: list[Path] | ShareIndex | None = None,
        downloads: Path | None = None,
        upload_limit: int | None = None,
    ) -> Client:
        """A user comes online and finds a place in the distributed network.

        Raises:
            DemoStuck: no place was found.
            UnreadableShare: a shared folder is not there or cannot be read.
        """
        real = World.real()
        tap = Tap(real.network, username, self._traffic.saw, server=self.address)
        client = Client(
            username,
            PASSWORD,
            server=self.address,
            shares=[] if shares is None else shares,
            listen_port=0,
            world=replace(real, network=tap),
            settings=ClientSettings(listen_host=HOST, rates={}),
            transfers=TransferSettings(
                downloads=downloads or self._folder / username, upload_limit=upload_limit
            ),
        )
        with client.events.stream(TreeChanged) as moves:
            await self._stack.enter_async_context(client)
            try:
                async with asyncio.timeout(SETTLING):
                    while self.users and client.tree.figures.parent is None:
                        await moves.next()
            except TimeoutError:
                raise DemoStuck(username, "found no parent") from None
        self.users[username] = client
        return client

    @property
    def root(self) -> str:
        """Who the server sends searches to: the root of the (one) branch."""
        return next(iter(self.users.values())).tree.figures.root
