"""The wire between a door and the realm: records, gathered per loop turn, one message on the bus each.

A record is a kind, the number of a connection, and bytes. What many connections
get is sent once with their numbers. Both ends say how much they have taken in, so
that each knows what is on its way and can hold back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from enum import IntEnum
from struct import Struct

from soulmesh.server.bus.port import Bus

__all__ = ["BEAT", "DOUBT", "SILENCE", "Kind", "Link"]

BEAT = 1.0
"""Seconds between signs of life."""

DOUBT = 1.2
"""Seconds without any after which a door asks the store whether somebody has it."""

SILENCE = 8.0
"""Seconds without any after which the other end is gone, whatever the store says."""

WINDOW = 8 << 20
"""Bytes on their way to the realm at which a door reads nothing more from its clients."""

FLOOD = 256 << 20
"""Bytes on their way at which the other end is taken for gone."""

_ACKNOWLEDGE_AFTER = 1 << 18

_HEAD = Struct("<BII")


class Kind(IntEnum):
    """What a record says; first those of a door, then those of the realm, then those of both."""

    HELLO = 1
    """A door begins anew, with no connections."""
    OPENED = 2
    """A client has connected; its address as ``HOST PORT``."""
    LOST = 3
    """A connection is gone."""
    FULL = 4
    """The client reads too slowly; how many bytes wait, as four bytes. Said again while it lasts."""
    ROOM = 5
    """It has read what waited."""
    ASK = 6
    """A command of an administrator, as JSON; the number is the door's."""

    WELCOME = 20
    """The door belongs to this realm."""
    SHARED = 21
    """Bytes for many: how many, their numbers, the bytes."""
    CLOSE = 22
    """Close after what was sent."""
    ABORT = 23
    """Close at once."""
    HOLD = 24
    """Read nothing from this client."""
    GO_ON = 25
    """Read again."""
    ANSWER = 26
    """What became of a command, as JSON."""

    BYTES = 40
    """Bytes of a client, or for it."""
    ALIVE = 41
    """A sign of life."""
    TAKEN = 42
    """How many bytes were taken in since the last such record, in place of the number."""
    BYE = 43
    """This end is going, or does not know the other."""


class Link:
    """One end, towards the process ``peer``."""

    def __init__(self, bus: Bus, peer: str) -> None:
        self.peer = peer
        self.heard = asyncio.get_running_loop().time()
        """When something last came."""
        self.on_the_way = 0
        """Bytes sent that the other end has not taken in yet."""
        self._bus = bus
        self._out = bytearray()
        self._scheduled = False
        self._same: bytes | None = None
        self._numbers: list[int] = []
        self._taken = 0

    def put(self, kind: Kind, number: int = 0, data: bytes = b"") -> None:
        """Add a record to this turn's message."""
        if self._same is not None:
            self._end_shared()
        self._out += _HEAD.pack(kind, number, len(data))
        self._out += data
        self._wake()

    def write(self, number: int, data: bytes) -> None:
        """Bytes for a client. The same object for many in a row is sent once."""
        if data is not self._same:
            if self._same is not None:
                self._end_shared()
            self._same = data
            self._wake()
        self._numbers.append(number)

    def _end_shared(self) -> None:
        data, numbers = self._same, self._numbers
        assert data is not None
        self._same = None
        if len(numbers) == 1:
            self._out += _HEAD.pack(Kind.BYTES, numbers[0], len(data))
        else:
            self._out += _HEAD.pack(Kind.SHARED, len(numbers), 4 * len(numbers) + len(data))
            self._out += Struct(f"<{len(numbers)}I").pack(*numbers)
        self._out += data
        self._numbers = []

    def _wake(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self.flush)

    def flush(self) -> None:
        """Post what was gathered."""
        self._scheduled = False
        if self._same is not None:
            self._end_shared()
        if self._out:
            data = bytes(self._out)
            self._out.clear()
            self.on_the_way += len(data)
            self._bus.post(self.peer, data)

    def records(self, message: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Kind, number and bytes of each record of a message that came; what keeps the link is done here."""
        self.heard = asyncio.get_running_loop().time()
        self._taken += len(message)
        if self._taken >= _ACKNOWLEDGE_AFTER:
            self.acknowledge()
        pos, end = 0, len(message)
        while pos < end:
            kind, number, length = _HEAD.unpack_from(message, pos)
            pos += _HEAD.size
            if kind == Kind.TAKEN:
                self.on_the_way = max(0, self.on_the_way - number)
            elif kind != Kind.ALIVE:
                yield kind, number, message[pos : pos + length]
            pos += length

    def acknowledge(self) -> None:
        """Say how much was taken in."""
        if self._taken:
            self.put(Kind.TAKEN, self._taken)
            self._taken = 0

    def beat(self) -> None:
        """A sign of life, and how much was taken in."""
        self.acknowledge()
        self.put(Kind.ALIVE)

    def doubtful(self, now: float) -> bool:
        """Whether the other end may be gone."""
        return now - self.heard > DOUBT

    def silent(self, now: float) -> bool:
        """Whether the other end is to be taken for gone."""
        return now - self.heard > SILENCE or self.on_the_way > FLOOD


def shared(number: int, data: bytes) -> tuple[tuple[int, ...], bytes]:
    """The numbers and the bytes of a :attr:`Kind.SHARED` record."""
    return Struct(f"<{number}I").unpack_from(data), data[4 * number :]
