"""A street of users whose transfers meet without server and addresses.

Links are given, so tests are about transfers alone: P messages travel encoded
and decoded, F links are streams of the in-memory network. A house can be
offline, unreachable, or do harm to what passes by.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from soulmesh import wire
from soulmesh.client.errors import NotConnected, PeerUnreachable, UserOffline
from soulmesh.client.events import Event, Events
from soulmesh.client.transfers import Journal, SharedFile, Transfer, Transfers, TransferSettings
from soulmesh.core.transfer import State
from soulmesh.errors import NetworkError
from soulmesh.net.disk import RealDisk
from soulmesh.net.memory import MemoryNetwork, stream_pair
from soulmesh.net.stream import Stream
from soulmesh.net.world import World
from soulmesh.wire import raw
from soulmesh.wire.message import Message

M = TypeVar("M", bound=Message)


class FakeServer:
    """Remembers what was sent; logs in and out on command."""

    def __init__(self, username: str) -> None:
        self.username = username
        self.connected = True
        self.sent: list[Message] = []
        self._in: list[Callable[[], None]] = []

    @property
    def absence(self) -> NotConnected:
        return NotConnected()

    def send(self, message: Message) -> None:
        if not self.connected:
            raise self.absence
        wire.encode(message)
        self.sent.append(message)

    async def ask(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    def on(self, message: Any, handler: Any) -> Callable[[], None]:
        return lambda: None

    def on_logged_in(self, handler: Callable[[], None]) -> Callable[[], None]:
        self._in.append(handler)
        return lambda: self._in.remove(handler)

    def on_logged_out(self, handler: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    def log_in(self) -> None:
        self.connected = True
        for handler in list(self._in):
            handler()


class FakePresence:
    """Who is online is what the street says."""

    def __init__(self, street: Street, username: str) -> None:
        self._street = street
        self._username = username
        self.watched: set[tuple[str, object]] = set()
        self.friends: set[str] = set()
        self.bans: set[str] = set()
        self.privileges: set[str] = set()
        self.on: list[Callable[[str], None]] = []
        self.off: list[Callable[[str], None]] = []
        self.counts: dict[str, tuple[int, int]] = {}
        self.known: list[Callable[[str], None]] = []

    def watch(self, username: str, reason: object) -> None:
        self.watched.add((username, reason))

    def unwatch(self, username: str, reason: object) -> None:
        self.watched.discard((username, reason))

    def online(self, username: str) -> bool | None:
        if not any(name == username for name, _ in self.watched):
            return None
        return username in self._street.houses and username not in self._street.offline

    def unknown(self, username: str) -> bool:
        return username not in self._street.houses

    def privileged(self, username: str) -> bool:
        return username in self.privileges

    def friend(self, username: str) -> bool:
        return username in self.friends

    def banned(self, username: str) -> bool:
        return username in self.bans

    def shared(self, username: str) -> tuple[int, int] | None:
        return self.counts.get(username)

    def shares(self, username: str, files: int, folders: int) -> None:
        """The server tells how much a user shares."""
        self.counts[username] = (files, folders)
        for handler in list(self.known):
            handler(username)

    def on_known(self, handler: Callable[[str], None]) -> Callable[[], None]:
        self.known.append(handler)
        return lambda: self.known.remove(handler)

    def on_online(self, handler: Callable[[str], None]) -> Callable[[], None]:
        self.on.append(handler)
        return lambda: self.on.remove(handler)

    def on_offline(self, handler: Callable[[str], None]) -> Callable[[], None]:
        self.off.append(handler)
        return lambda: self.off.remove(handler)


class FakeLinks:
    """One user's links to everybody else in the street."""

    def __init__(self, street: Street, username: str) -> None:
        self._street = street
        self.username = username
        self.handlers: dict[type[Message], list[Callable[[str, Any], None]]] = {}
        self.file_handler: Callable[[str, Stream], Awaitable[None]] | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self.sent: list[tuple[str, Message]] = []

    async def send(self, username: str, message: Message, *, timeout: float | None = None) -> None:
        await self._street.reach(self.username, username)
        self.sent.append((username, message))
        decoded = wire.decode(wire.encode(message), "peer", "peer")
        if not self._street.pass_on(self.username, username, decoded):
            return
        loop = asyncio.get_running_loop()
        loop.call_later(self._street.latency, self._street.deliver, self.username, username, decoded)

    async def ask(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    def on(self, message: type[Message], handler: Callable[[str, Any], None]) -> Callable[[], None]:
        self.handlers.setdefault(message, []).append(handler)
        return lambda: self.handlers[message].remove(handler)

    async def open_file_link(self, username: str, *, timeout: float | None = None) -> Stream:
        await self._street.reach(self.username, username, kind="F")
        ours, theirs = await stream_pair(network=self._street.network)
        self._street.open.append((ours, theirs))
        if self._street.on_file_link is not None:
            self._street.on_file_link(ours, theirs)
        self._street.houses[username].links.accept(self.username, theirs)
        return ours

    def accept(self, username: str, stream: Stream) -> None:
        assert self.file_handler is not None
        task = asyncio.ensure_future(self.file_handler(username, stream))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def on_file_link(self, handler: Callable[[str, Stream], Awaitable[None]]) -> None:
        self.file_handler = handler


class Shelf:
    """What a user shares: remote path (bytes) to local file."""

    def __init__(self) -> None:
        self.files: dict[bytes, Path] = {}
        self.unsettled = False
        self.changed: list[Callable[[], None]] = []

    def on_changed(self, handler: Callable[[], None]) -> Callable[[], None]:
        self.changed.append(handler)
        return lambda: self.changed.remove(handler)

    async def locate(self, username: str, remote_path: str) -> SharedFile | None:
        path = self.files.get(raw(remote_path))
        if path is None or not path.exists():
            return None
        return SharedFile(path, path.stat().st_size)

    async def locate_all(
        self, username: str, remote_paths: Sequence[str], *, read: int = 0
    ) -> list[SharedFile | None]:
        found = [await self.locate(username, path) for path in remote_paths]
        return [
            replace(file, content=file.local_path.read_bytes())
            if file and file.size <= read and file.local_path.is_file()
            else file
            for file in found
        ]


class House:
    """One user: transfers, and what they stand on."""

    def __init__(self, street: Street, username: str, folder: Path, settings: TransferSettings) -> None:
        self.street = street
        self.username = username
        self.folder = folder
        self.settings = settings
        self.shelf = Shelf()
        self.events: list[Event] = []
        self.disk = street.disk
        self.transfers: Transfers
        self.links: FakeLinks
        self.server: FakeServer
        self.presence: FakePresence

    async def open(self, journal: Journal | None = None) -> None:
        self.bus = bus = Events()
        bus.on(Event, self.events.append)
        self.links = FakeLinks(self.street, self.username)
        self.server = FakeServer(self.username)
        self.presence = FakePresence(self.street, self.username)
        loop = asyncio.get_running_loop()
        begin = datetime(2026, 5, 4, 14, 0, tzinfo=UTC)
        world = World(
            self.street.network,
            self.disk,
            Random(self.username),
            lambda: begin + timedelta(seconds=loop.time()),
        )
        self.transfers = Transfers(
            world,
            self.links,  # type: ignore[arg-type]
            self.server,
            self.presence,
            self.shelf,
            bus,
            self.settings,
            journal,
        )
        await self.transfers.start()

    async def close(self) -> None:
        await self.transfers.close()
        for task in list(self.links.tasks):
            task.cancel()
        await asyncio.gather(*self.links.tasks, return_exceptions=True)

    def share(self, remote_path: str | bytes, content: bytes) -> str:
        """Put a file on the shelf; returns its remote path as it would be found."""
        remote = remote_path if isinstance(remote_path, bytes) else raw(remote_path)
        path = self.folder / "shared" / f"{len(self.shelf.files)}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.shelf.files[remote] = path
        return wire.text(remote)

    @property
    def downloads(self) -> Path:
        return self.settings.downloads

    def said(self, kind: type[Message]) -> list[Any]:
        """The messages of one class that this user sent."""
        return [m for _, m in self.links.sent if isinstance(m, kind)]


class Stranger:
    """A user without a program: the test says for him what he says."""

    def __init__(self, street: Street, username: str) -> None:
        self.street = street
        self.username = username
        self.server = FakeServer(username)
        self.presence = FakePresence(street, username)
        self.links = FakeLinks(street, username)
        self.links.on_file_link(self._take)
        self.heard: asyncio.Queue[Message] = asyncio.Queue()
        self.streams: asyncio.Queue[Stream] = asyncio.Queue()

    async def _take(self, username: str, stream: Stream) -> None:
        self.streams.put_nowait(stream)
        await stream.wait_closed()

    async def say(self, username: str, message: Message) -> None:
        await self.links.send(username, message)

    async def hears(self, kind: type[M]) -> M:
        """The next message, which must be of this class."""
        async with asyncio.timeout(24 * 3600):
            message = await self.heard.get()
        assert isinstance(message, kind), f"expected {kind.__name__}, heard {message}"
        return message

    async def gives(
        self, username: str, ticket: int, content: bytes, *, size: int | None = None
    ) -> tuple[Stream, int]:
        """Open an F link, send the ticket, take the offset, send the content from there."""
        stream = await self.links.open_file_link(username)
        stream.write(struct.pack("<I", ticket))
        [offset] = struct.unpack("<Q", await stream.readexactly(8))
        stream.write(content[offset:size])
        return stream, offset

    async def takes(self, offset: int = 0) -> tuple[Stream, int]:
        """Take an F link that was opened to us; returns it and its ticket after the offset was sent."""
        async with asyncio.timeout(3600):
            stream = await self.streams.get()
        [ticket] = struct.unpack("<I", await stream.readexactly(4))
        stream.write(struct.pack("<Q", offset))
        return stream, ticket

    async def close(self) -> None:
        for task in list(self.links.tasks):
            task.cancel()
        await asyncio.gather(*self.links.tasks, return_exceptions=True)


class Street:
    """All houses, and what lies between them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.network = MemoryNetwork()
        self.disk: Any = RealDisk()
        self.houses: dict[str, House | Stranger] = {}
        self.offline: set[str] = set()
        self.unreachable: set[tuple[str, str]] = set()
        """(to whom, kind of link), kind P or F."""
        self.latency = 0.01
        self.open: list[tuple[Stream, Stream]] = []
        self.on_file_link: Callable[[Stream, Stream], None] | None = None
        self.pass_on: Callable[[str, str, Message], bool] = lambda source, target, message: True

    async def move_in(self, username: str, journal: Journal | None = None, **settings: Any) -> House:
        folder = self.folder / username
        defaults = TransferSettings(downloads=folder / "downloads", reserve=0)
        house = House(self, username, folder, replace(defaults, **settings))
        self.houses[username] = house
        await house.open(journal)
        return house

    def stranger(self, username: str) -> Stranger:
        made = self.houses[username] = Stranger(self, username)
        return made

    async def reach(self, source: str, username: str, kind: str = "P") -> None:
        await asyncio.sleep(self.latency)
        if not self.houses[source].server.connected:
            raise NotConnected
        if username in self.offline or username not in self.houses:
            raise UserOffline(username)
        if (username, kind) in self.unreachable:
            await asyncio.sleep(30)
            raise PeerUnreachable(username, "nothing listens", "no answer")

    def deliver(self, source: str, target: str, message: Message) -> None:
        house = self.houses.get(target)
        if house is None or target in self.offline:
            return
        if isinstance(house, Stranger):
            house.heard.put_nowait(message)
            return
        for handler in house.links.handlers.get(type(message), []):
            handler(source, message)

    def leave(self, username: str) -> None:
        """The user goes offline, as the server sees it."""
        self.offline.add(username)
        for house in self.houses.values():
            if any(name == username for name, _ in house.presence.watched):
                for handler in list(house.presence.off):
                    handler(username)

    def come(self, username: str) -> None:
        self.offline.discard(username)
        for house in self.houses.values():
            if any(name == username for name, _ in house.presence.watched):
                for handler in list(house.presence.on):
                    handler(username)


@asynccontextmanager
async def street(folder: Path) -> AsyncIterator[Street]:
    """A street; everybody in it moves out at the end."""
    made = Street(folder)
    try:
        yield made
    finally:
        for house in made.houses.values():
            with contextlib.suppress(Exception):
                await house.close()


async def until(transfer: Transfer, *states: State) -> Transfer:
    """Wait until a transfer is in one of the states."""
    while transfer.state not in states:
        await transfer._next_change().wait()
    return transfer


async def gone(stream: Stream) -> None:
    """Wait until the other side has closed, whatever it sent before."""
    with contextlib.suppress(NetworkError):
        while await stream.read(65536):
            pass
