"""A door: a process that holds connections for a realm in another process, and decides nothing itself."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable
from typing import Any

from soulmesh import log
from soulmesh.errors import NotFound, SoulmeshError, UsageError
from soulmesh.net.world import Listener, Network
from soulmesh.server.admin import Answer
from soulmesh.server.bus.port import Bus
from soulmesh.server.gateway import HIGH_WATER
from soulmesh.server.links import BEAT, WINDOW, Kind, Link, shared

__all__ = ["Door", "RealmSilent"]

LOOK_AGAIN = 0.25
"""Seconds between looks at who has the realm, while it is waited for."""

PATIENCE = 3.0
"""Seconds for which a realm may take to say welcome, and a command to be answered ten times that."""


class RealmSilent(SoulmeshError):
    """The process that is said to have the realm does not answer."""

    hint = "another server may have just ended; it is tried again"

    def __str__(self) -> str:
        return "the server that has the realm does not answer"


class Client(asyncio.Protocol):
    """One connection of a client."""

    __slots__ = ("door", "full", "held", "number", "transport")

    def __init__(self, door: Door, number: int) -> None:
        self.door = door
        self.number = number
        self.transport: asyncio.Transport | None = None
        self.full = False
        """It has more waiting than it reads."""
        self.held = False
        """The realm wants to hear nothing from it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        self.transport = transport  # type: ignore[assignment]
        self.door.opened(self)

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`."""
        self.door.heard(self, data)

    def connection_lost(self, error: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self.transport = None
        self.door.lost(self)

    def pause_writing(self) -> None:
        """See :class:`asyncio.Protocol`."""
        self.full = True
        self.door.crowded(self)

    def resume_writing(self) -> None:
        """See :class:`asyncio.Protocol`."""
        self.full = False
        self.door.relieved(self)


async def _taken() -> bool:
    return False


class Door:
    """See the module.

    Args:
        network: where clients connect.
        bus: the way to the realm.
        queue_limit: bytes that may wait for one client.
        store_is_free: whether nobody has the store. Asked when the realm is quiet: a process that was killed
            has let go of it at once, one that is only busy has it still.
    """

    def __init__(
        self,
        network: Network,
        bus: Bus,
        queue_limit: int,
        store_is_free: Callable[[], Awaitable[bool]] = _taken,
    ) -> None:
        self._network = network
        self._bus = bus
        self._queue_limit = queue_limit
        self._store_is_free = store_is_free
        self._asking: asyncio.Task[None] | None = None
        self._clients: dict[int, Client] = {}
        self._full: dict[Client, None] = {}
        self._numbers = itertools.count(1)
        self._link: Link | None = None
        self._listener: Listener | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._waiting = False
        """Too much is on its way to the realm: no client is read."""
        self._empty = asyncio.Event()
        self._empty.set()
        self._asked: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._welcome = asyncio.Event()
        self.gone = asyncio.Event()
        """Set once the realm is gone. Then :meth:`stop`."""
        self._log = log.get("server.door")
        self.host, self.port = "", 0

    # ---- start and stop

    async def start(self, host: str, port: int) -> None:
        """Find the realm, and listen for it.

        Raises:
            RealmSilent: there is none, or it does not answer.
            BusUnreachable: there is no bus.
            NetworkError: the port cannot be listened on.
        """
        await self._bus.open(self._receive, self.gone.set)
        try:
            realm = await self._bus.realm()
            if realm is None:
                raise RealmSilent
            self._link = Link(self._bus, realm)
            self._link.put(Kind.HELLO)
            await self._be_welcome(realm)
            self._listener = await self._network.listen(self._client, host, port)
        except BaseException:
            await self._bus.close()
            raise
        self.host, self.port = self._listener.host, self._listener.port
        self._timer = asyncio.get_running_loop().call_later(BEAT / 2, self._tick)
        self._log.info("a door of the realm", realm=realm, host=self.host, port=self.port)

    async def _be_welcome(self, realm: str) -> None:
        end = asyncio.get_running_loop().time() + PATIENCE
        while not self._welcome.is_set():
            try:
                async with asyncio.timeout(LOOK_AGAIN):
                    await self._welcome.wait()
            except TimeoutError:
                # It may have been killed: whoever follows it is not waited for at its place.
                if asyncio.get_running_loop().time() >= end or await self._bus.realm() != realm:
                    raise RealmSilent from None

    async def stop(self) -> None:
        """Close everything."""
        if self._asking is not None:
            self._asking.cancel()
        if self._listener is not None:
            self._listener.close()
        if self._timer is not None:
            self._timer.cancel()
        for future in self._asked.values():
            future.cancel()
        link, self._link = self._link, None
        for client in list(self._clients.values()):
            if client.transport is not None:
                client.transport.abort()
        if link is not None:
            link.put(Kind.BYE)
            link.flush()
        await self._bus.close()
        async with asyncio.timeout(PATIENCE):
            await self._empty.wait()

    def __len__(self) -> int:
        return len(self._clients)

    async def run(self, who: str, words: list[str]) -> Answer:
        """Have the realm run a command of an administrator.

        Raises:
            UsageError, NotFound: as the command says.
            RealmSilent: it does not answer.
        """
        if self._link is None:
            raise RealmSilent
        number = next(self._numbers)
        future = self._asked[number] = asyncio.get_running_loop().create_future()
        self._link.put(Kind.ASK, number, json.dumps({"who": who, "words": words}).encode())
        try:
            async with asyncio.timeout(PATIENCE * 10):
                reply = await future
        except TimeoutError:
            raise RealmSilent from None
        finally:
            del self._asked[number]
        if "error" in reply:
            kind = {"NotFound": NotFound, "UsageError": UsageError}.get(reply["kind"], SoulmeshError)
            raise kind(reply["error"])
        return Answer(reply["lines"], reply["data"])

    # ---- what clients do

    def _client(self) -> Client:
        return Client(self, next(self._numbers))

    def opened(self, client: Client) -> None:
        """Somebody calls."""
        link, transport = self._link, client.transport
        assert transport is not None
        if link is None:
            transport.abort()
            return
        self._clients[client.number] = client
        self._empty.clear()
        transport.set_write_buffer_limits(high=HIGH_WATER)
        peer = transport.get_extra_info("peername")
        host, port = (peer[0], peer[1]) if peer else ("0.0.0.0", 0)
        link.put(Kind.OPENED, client.number, f"{host} {port}".encode())
        if self._waiting:
            transport.pause_reading()

    def heard(self, client: Client, data: bytes) -> None:
        """A client says something."""
        link = self._link
        if link is None:
            return
        link.put(Kind.BYTES, client.number, data)
        if link.on_the_way > WINDOW and not self._waiting:
            self._waiting = True
            for other in self._clients.values():
                if other.transport is not None and not other.held:
                    other.transport.pause_reading()

    def lost(self, client: Client) -> None:
        """A client is gone."""
        self._full.pop(client, None)
        if self._clients.pop(client.number, None) is not None and self._link is not None:
            self._link.put(Kind.LOST, client.number)
        if not self._clients:
            self._empty.set()

    def crowded(self, client: Client) -> None:
        """A client reads too slowly."""
        self._full[client] = None
        self._say_full(client)

    def relieved(self, client: Client) -> None:
        """It has come along."""
        self._full.pop(client, None)
        if self._link is not None:
            self._link.put(Kind.ROOM, client.number)

    def _say_full(self, client: Client) -> None:
        if self._link is not None and client.transport is not None:
            size = max(1, min(client.transport.get_write_buffer_size(), 0xFFFFFFFF))
            self._link.put(Kind.FULL, client.number, size.to_bytes(4, "little"))

    # ---- what the realm says

    def _receive(self, sender: str, message: bytes) -> None:
        link = self._link
        if link is None or sender != link.peer:
            return
        try:
            self._take(link, message)
        except Exception as error:
            self._log.error("a message could not be taken", realm=sender, exc_info=error)
            self.gone.set()

    def _take(self, link: Link, message: bytes) -> None:
        for kind, number, data in link.records(message):
            if kind == Kind.SHARED:
                numbers, payload = shared(number, data)
                for one in numbers:
                    self._write(one, payload)
            elif kind == Kind.BYTES:
                self._write(number, data)
            elif kind == Kind.WELCOME:
                self._welcome.set()
            elif kind == Kind.BYE:
                self.gone.set()
            elif kind == Kind.ANSWER:
                if (future := self._asked.get(number)) is not None and not future.done():
                    future.set_result(json.loads(data))
            elif (client := self._clients.get(number)) is not None and client.transport is not None:
                self._obey(client, client.transport, kind)
        if self._waiting and link.on_the_way < WINDOW // 2:
            self._waiting = False
            for other in self._clients.values():
                if other.transport is not None and not other.held:
                    other.transport.resume_reading()

    def _write(self, number: int, data: bytes) -> None:
        client = self._clients.get(number)
        if client is not None and client.transport is not None:
            client.transport.write(data)
            if client.full and client.transport.get_write_buffer_size() > self._queue_limit + HIGH_WATER:
                # The realm drops it too; this is for what was on its way.
                client.transport.abort()

    def _obey(self, client: Client, transport: asyncio.Transport, kind: int) -> None:
        if kind == Kind.CLOSE:
            transport.close()
        elif kind == Kind.ABORT:
            transport.abort()
        elif kind == Kind.HOLD:
            client.held = True
            if not self._waiting:
                transport.pause_reading()
        elif kind == Kind.GO_ON:
            client.held = False
            if not self._waiting:
                transport.resume_reading()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(BEAT / 2, self._tick)
        link = self._link
        if link is None:
            return
        for client in self._full:
            self._say_full(client)
        link.beat()
        if link.silent(loop.time()):
            self._log.warning("the realm is silent")
            self.gone.set()
        elif self._asking is None and link.doubtful(loop.time()):
            self._asking = loop.create_task(self._ask_the_store())

    async def _ask_the_store(self) -> None:
        try:
            if await self._store_is_free():
                self._log.warning("the realm has ended: nobody has the store")
                self.gone.set()
        finally:
            self._asking = None
