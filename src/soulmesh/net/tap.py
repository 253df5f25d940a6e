"""Watching what travels: a network that tells of every message on its connections.

``Tap`` stands before another network and reads along on each stream opened or
accepted through it. It changes nothing and delays nothing: bytes that are no
messages end the watching of that connection, not the connection. For the
demonstration, for ``--trace``, and for tests that care about what was said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from soulmesh import wire
from soulmesh.errors import WireError
from soulmesh.net.stream import Stream
from soulmesh.net.world import Listener, Network
from soulmesh.wire import file, peer_init, to_client, to_server
from soulmesh.wire.enums import ConnectionType
from soulmesh.wire.message import Message

__all__ = ["Seen", "Tap"]

P = TypeVar("P", bound=asyncio.BaseProtocol)

_INIT_LIMIT = 16 * 1024


@dataclass(frozen=True, slots=True)
class Seen:
    """One message that passed.

    ``message`` is ``None`` if the frame could not be read. ``size`` counts the
    bytes of the frame in clear.
    """

    owner: str
    """Whose tap saw it."""
    sent: bool
    """Sent by the owner, or received."""
    family: str
    name: str
    size: int
    message: Message | None


class Tap:
    """A network that reads along.

    Args:
        network: where connections really go.
        owner: a name for whose connections these are.
        report: told of each message, at once, on the loop.
        server: host and port of the Soulseek server, which is how its connection is known.
    """

    def __init__(
        self, network: Network, owner: str, report: Callable[[Seen], None], *, server: tuple[str, int]
    ) -> None:
        self._network = network
        self._owner = owner
        self._report = report
        self._server = server
        self._tickets: dict[int, str] = {}
        """Connection types by the tickets of ConnectToPeer: PeerPierceFirewall does not repeat them."""

    async def connect(
        self, factory: Callable[[], P], host: str, port: int, *, local_address: str | None = None
    ) -> tuple[asyncio.Transport, P]:
        """See :meth:`soulmesh.net.world.Network.connect`."""
        to_server = (host, port) == self._server

        def watched() -> P:
            protocol = factory()
            self._watch(protocol, _Line(self, ours=True, to_server=to_server))
            return protocol

        return await self._network.connect(watched, host, port, local_address=local_address)

    async def listen(self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int) -> Listener:
        """See :meth:`soulmesh.net.world.Network.listen`."""

        def watched() -> asyncio.BaseProtocol:
            protocol = factory()
            self._watch(protocol, _Line(self, ours=False, to_server=False))
            return protocol

        return await self._network.listen(watched, host, port)

    @staticmethod
    def _watch(protocol: asyncio.BaseProtocol, line: _Line) -> None:
        if isinstance(protocol, Stream):
            protocol.watch = line.passed

    def _saw(self, sent: bool, family: str, name: str, size: int, message: Message | None) -> None:
        if isinstance(message, to_server.ConnectToPeer | to_client.ConnectToPeer):
            self._tickets[message.ticket] = message.connection_type
        self._report(Seen(self._owner, sent, family, name, size, message))

    def _type_of(self, hello: Message | None) -> str | None:
        """What a connection is for, by its initialisation message."""
        if isinstance(hello, peer_init.PeerInit):
            return hello.connection_type
        if isinstance(hello, peer_init.PeerPierceFirewall):
            return self._tickets.pop(hello.ticket, None)
        return None


class _Line:
    """One connection, watched in both directions."""

    def __init__(self, tap: Tap, *, ours: bool, to_server: bool) -> None:
        self._tap = tap
        self._ours = ours
        self._readers: dict[bool, wire.FrameReader] | None = None
        self._hello = b""
        self._early = b""
        self._raw: dict[bool, bytes] | None = None
        self._ticket_sent = ours
        self._over = False
        if to_server:
            self._readers = {
                True: wire.FrameReader("server", "to_server"),
                False: wire.FrameReader("server", "to_client"),
            }

    def passed(self, sent: bool, data: bytes) -> None:
        """Bytes went by."""
        if self._over:
            return
        try:
            if self._readers is not None:
                self._frames(sent, self._readers[sent], data)
            elif self._raw is not None:
                self._plain(sent, data)
            elif sent is self._ours:
                self._initialise(data)
            else:
                self._early += data
        except WireError:
            self._over = True

    def _frames(self, sent: bool, reader: wire.FrameReader, data: bytes, most: int | None = None) -> None:
        for frame in reader.feed(data, most):
            self._tell(sent, frame)

    def _tell(self, sent: bool, frame: wire.Frame) -> Message | None:
        try:
            message = frame.decode()
        except WireError:
            message = None
        self._tap._saw(sent, frame.side.family.name, frame.name, len(frame.data), message)
        return message

    def _initialise(self, data: bytes) -> None:
        """The first bytes of whoever opened the connection."""
        self._hello += data
        if len(self._hello) < 4:
            return
        # A key of an obfuscated port looks like the length of a tiny frame once in a quarter million.
        obfuscated = int.from_bytes(self._hello[:4], "little") > _INIT_LIMIT
        reader = wire.FrameReader("peer_init", "peer", obfuscated=obfuscated)
        frames = reader.feed(self._hello, 1)
        if not frames:
            return
        hello = self._tell(self._ours, frames[0])
        kind = self._tap._type_of(hello)
        # A pierced connection was asked for by the other side, whose ticket it therefore is.
        self._ticket_sent = self._ours is isinstance(hello, peer_init.PeerInit)
        rest, early = reader.rest(), self._early
        self._hello = self._early = b""
        match kind:
            case ConnectionType.PEER:
                self._readers = {
                    way: wire.FrameReader("peer", "peer", obfuscated=obfuscated) for way in (True, False)
                }
            case ConnectionType.DISTRIBUTED:
                self._readers = {way: wire.FrameReader("distributed", "peer") for way in (True, False)}
            case ConnectionType.FILE:
                self._raw = {True: b"", False: b""}
            case _:
                self._over = True
        if rest:
            self.passed(self._ours, rest)
        if early:
            self.passed(not self._ours, early)

    def _plain(self, sent: bool, data: bytes) -> None:
        """Ticket of whoever wanted the file connection, offset of the other; the file itself goes unseen."""
        assert self._raw is not None
        kind = file.FileTicket if sent is self._ticket_sent else file.FileOffset
        size = 4 if kind is file.FileTicket else 8
        had = self._raw[sent]
        if len(had) >= size:
            return
        self._raw[sent] = (had + data)[:size]
        if len(self._raw[sent]) == size:
            number = int.from_bytes(self._raw[sent], "little")
            self._tap._saw(sent, "file", kind.LAYOUT.name, size, kind(number))
