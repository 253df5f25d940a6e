"""A server inside the test, and users of it who remember everything they are told."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import itertools
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, TypeVar

from soulmesh import wire
from soulmesh.net.disk import RealDisk
from soulmesh.net.tcp import TcpNetwork
from soulmesh.net.world import World
from soulmesh.server.app import Server
from soulmesh.server.settings import make_settings
from soulmesh.server.store import Store
from soulmesh.wire import to_client, to_server
from soulmesh.wire.message import Message

M = TypeVar("M", bound=Message)

PATIENCE = 20.0
"""Seconds; real ones, and other tests may run beside this one."""

_syncs = itertools.count(1)

MD5 = hashlib.md5


class Clock:
    """Wall time that goes only when told."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **span: float) -> None:
        self.now += timedelta(**span)


class User:
    """One connection to the server, with what came over it."""

    def __init__(self, name: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.name = name
        self.reader = reader
        self.writer = writer
        self.frames = wire.FrameReader("server", "to_client")
        self.inbox: list[Message] = []
        self.ended = False

    def send(self, *messages: Message) -> None:
        self.writer.write(b"".join(wire.encode(message) for message in messages))

    def send_raw(self, data: bytes) -> None:
        self.writer.write(data)

    async def _read(self) -> None:
        data = await self.reader.read(1 << 16)
        if not data:
            self.ended = True
            return
        self.inbox += [frame.decode() for frame in self.frames.feed(data)]

    async def next(self, kind: type[M]) -> M:
        """The next message of that class; those before it are forgotten."""
        async with asyncio.timeout(PATIENCE):
            while True:
                while self.inbox:
                    message = self.inbox.pop(0)
                    if isinstance(message, kind):
                        return message
                if self.ended:
                    raise AssertionError(f"{self.name}: connection ended before {kind.__name__}")
                await self._read()

    async def told(self) -> list[Message]:
        """Everything that came until now, the server having dealt with everything sent until now."""
        mark = f"sync {next(_syncs)}"
        self.send(to_server.GetUserStatus(mark))
        seen: list[Message] = []
        async with asyncio.timeout(PATIENCE):
            while True:
                while self.inbox:
                    message = self.inbox.pop(0)
                    if isinstance(message, to_client.GetUserStatus) and message.username == mark:
                        return seen
                    seen.append(message)
                if self.ended:
                    raise AssertionError(f"{self.name}: connection ended")
                await self._read()

    async def end(self) -> list[Message]:
        """Everything that comes until the server closes the connection."""
        async with asyncio.timeout(PATIENCE):
            while not self.ended:
                try:
                    await self._read()
                except ConnectionError:
                    self.ended = True
        seen, self.inbox = self.inbox, []
        return seen

    async def leave(self) -> None:
        self.writer.close()
        try:
            await self.writer.wait_closed()
        except ConnectionError:
            pass


class Town:
    """A running server and its users."""

    def __init__(self, server: Server, clock: Clock) -> None:
        self.server = server
        self.clock = clock
        self.users: list[User] = []

    async def connect(self, name: str = "somebody") -> User:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        user = User(name, reader, writer)
        self.users.append(user)
        return user

    async def enter(self, name: str, password: str = "secret", *, port: int | None = 2234) -> User:
        """Log in, announce a port, and forget what the server says at login."""
        user = await self.connect(name)
        user.send(login(name, password))
        reply = await user.next(to_client.Login)
        assert reply.success, reply
        if port is not None:
            user.send(to_server.SetListenPort(port, 1, port + 1))
        await user.told()
        return user

    async def all_told(self, *users: User) -> list[list[Message]]:
        """What each was told, everybody's requests dealt with first."""
        early = [await user.told() for user in users]
        late = [await user.told() for user in users]
        return [one + other for one, other in zip(early, late, strict=True)]


def login(name: str, password: str = "secret", version: int | None = 177) -> to_server.Login:
    digest = MD5((name + password).encode()).hexdigest()
    return to_server.Login(name, password, version, digest, 9)


@asynccontextmanager
async def town(options: dict[str, Any] | None = None, store: Store | None = None) -> AsyncIterator[Town]:
    clock = Clock()
    world = World(TcpNetwork(), RealDisk(), Random(7), clock)
    settings = make_settings({"accounts.hash": "fast", "server.port": 0, **(options or {})})
    async with Server(world, settings, store=store) as server:
        place = Town(server, clock)
        try:
            yield place
        finally:
            for user in place.users:
                await user.leave()


Test = Callable[[Town], Coroutine[Any, Any, None]]


def in_town(**options: Any) -> Callable[[Test], Callable[[], None]]:
    """Run the test with a server; ``rooms__login_list_minimum=2`` sets ``rooms.login_list_minimum``."""
    settings = {key.replace("__", "."): value for key, value in options.items()}

    def decorate(test: Test) -> Callable[[], None]:
        # Not functools.wraps: pytest would take the test's parameter for a fixture.
        @functools.wraps(test, assigned=("__name__", "__doc__", "__module__", "__qualname__"))
        def run() -> None:
            async def inside() -> None:
                async with asyncio.timeout(50), town(settings) as place:
                    await test(place)

            asyncio.run(inside())

        del run.__wrapped__  # type: ignore[attr-defined]
        return run

    return decorate


def kinds(messages: list[Message]) -> list[str]:
    """The names of messages, for comparing orders."""
    return [type(message).__name__ for message in messages]


def notices(messages: list[Message]) -> list[str]:
    """What the server said in private messages of its own."""
    return [
        message.message
        for message in messages
        if isinstance(message, to_client.PrivateChatMessage) and message.username == "server"
    ]
