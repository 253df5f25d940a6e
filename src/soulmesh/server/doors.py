"""The realm's end: connections that other processes hold for us.

Each is a :class:`soulmesh.server.gateway.Connection` like any other, on a transport
that carries bytes over the bus. So everything that is decided about a connection
is decided here, and a door decides nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from typing import Any

from soulmesh import log
from soulmesh.errors import SoulmeshError
from soulmesh.server.admin import Admin
from soulmesh.server.bus.port import Bus
from soulmesh.server.gateway import Connection
from soulmesh.server.links import BEAT, Kind, Link

__all__ = ["Doors", "Passage"]


class Passage:
    """A transport whose socket is in another process."""

    def __init__(self, link: Link, number: int, host: str, port: int) -> None:
        self._link = link
        self._number = number
        self._peer = (host, port)
        self._closing = False
        self.waiting = 0
        """Bytes that the client has not taken, as the door last said."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """See :meth:`asyncio.BaseTransport.get_extra_info`: only where the client calls from."""
        return self._peer if name == "peername" else default

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The door has the limits of every connection; it says when they are reached."""

    def get_write_buffer_size(self) -> int:
        """See :meth:`asyncio.WriteTransport.get_write_buffer_size`."""
        return self.waiting

    def write(self, data: bytes) -> None:
        """See :meth:`asyncio.WriteTransport.write`."""
        self._link.write(self._number, data)

    def pause_reading(self) -> None:
        """See :meth:`asyncio.ReadTransport.pause_reading`."""
        self._link.put(Kind.HOLD, self._number)

    def resume_reading(self) -> None:
        """See :meth:`asyncio.ReadTransport.resume_reading`."""
        self._link.put(Kind.GO_ON, self._number)

    def is_closing(self) -> bool:
        """See :meth:`asyncio.BaseTransport.is_closing`."""
        return self._closing

    def close(self) -> None:
        """See :meth:`asyncio.BaseTransport.close`. The door says when it is done."""
        if not self._closing:
            self._closing = True
            self._link.put(Kind.CLOSE, self._number)

    def abort(self) -> None:
        """See :meth:`asyncio.WriteTransport.abort`. The door says when it is done."""
        self._closing = True
        self._link.put(Kind.ABORT, self._number)


class _Door:
    """One other process, and the connections that it holds."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.connections: dict[int, tuple[Connection, Passage]] = {}


class Doors:
    """See the module.

    ``connect`` makes the server's own protocol for a new connection; ``admin`` runs
    commands that doors pass on; ``spawn`` owns the tasks in which they run.
    """

    def __init__(
        self,
        bus: Bus,
        connect: Callable[[], Connection],
        admin: Admin,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._bus = bus
        self._connect = connect
        self._admin = admin
        self._spawn = spawn
        self._doors: dict[str, _Door] = {}
        self._next_beat = 0.0
        self._log = log.get("server.doors")

    def __len__(self) -> int:
        return len(self._doors)

    async def open(self) -> None:
        """Take part in the bus, and be found as the realm."""
        await self._bus.open(self._receive, self._interrupted)
        await self._bus.claim()

    async def close(self) -> None:
        """Let all doors go."""
        for door in list(self._doors.values()):
            door.link.put(Kind.BYE)
            door.link.flush()
            self._gone(door, "the server stops")
        await self._bus.close()

    def tick(self, now: float) -> None:
        """Signs of life, and doors that give none. About once a second."""
        for door in list(self._doors.values()):
            if door.link.silent(now):
                self._gone(door, "it is silent")
        if now >= self._next_beat:
            self._next_beat = now + BEAT / 2
            for door in self._doors.values():
                door.link.beat()

    def _interrupted(self) -> None:
        for door in list(self._doors.values()):
            self._gone(door, "the bus broke")

    def _gone(self, door: _Door, why: str) -> None:
        self._doors.pop(door.link.peer, None)
        self._log.info("door closed", door=door.link.peer, connections=len(door.connections), why=why)
        for connection, _ in list(door.connections.values()):
            connection.connection_lost(None)
        door.connections.clear()

    def _receive(self, sender: str, message: bytes) -> None:
        try:
            self._take(sender, message)
        except Exception as error:
            # Nonsense on the bus, or a defect of ours, costs the door that it came from and nobody else.
            self._log.error("a message could not be taken", door=sender, exc_info=error)
            if (door := self._doors.get(sender)) is not None:
                door.link.put(Kind.BYE)
                self._gone(door, "it was not understood")

    def _take(self, sender: str, message: bytes) -> None:
        door = self._doors.get(sender)
        if door is None:
            link = Link(self._bus, sender)
            first = next(link.records(message), None)
            if first is None or first[0] != Kind.HELLO:
                if first is None or first[0] != Kind.BYE:
                    link.put(Kind.BYE)
                return
            door = self._doors[sender] = _Door(link)
            link.put(Kind.WELCOME)
            self._log.info("door opened", door=sender)
        for kind, number, data in door.link.records(message):
            self._record(door, kind, number, data)

    def _record(self, door: _Door, kind: int, number: int, data: bytes) -> None:
        found = door.connections.get(number)
        if kind == Kind.BYTES:
            if found is not None and not found[0].closing:
                found[0].data_received(data)
        elif kind == Kind.OPENED:
            host, _, port = data.decode().partition(" ")
            passage = Passage(door.link, number, host, int(port))
            connection = self._connect()
            door.connections[number] = (connection, passage)
            connection.connection_made(passage)  # type: ignore[arg-type]
        elif kind == Kind.LOST:
            if found is not None:
                del door.connections[number]
                found[0].connection_lost(None)
        elif kind == Kind.FULL:
            if found is not None:
                before, found[1].waiting = found[1].waiting, int.from_bytes(data, "little")
                if not before:
                    found[0].pause_writing()
        elif kind == Kind.ROOM:
            if found is not None and found[1].waiting:
                found[1].waiting = 0
                found[0].resume_writing()
        elif kind == Kind.ASK:
            self._spawn(self._answer(door.link, number, data))
        elif kind == Kind.BYE:
            self._gone(door, "it stops")

    async def _answer(self, link: Link, number: int, data: bytes) -> None:
        try:
            request = json.loads(data)
            answer = await self._admin.run(request["who"], request["words"])
            reply: dict[str, Any] = {"lines": answer.lines, "data": answer.data}
        except SoulmeshError as error:
            reply = {"error": str(error), "kind": type(error).__name__}
        link.put(Kind.ANSWER, number, json.dumps(reply, ensure_ascii=False).encode())
