"""One P connection: messages both ways, each in its own obfuscation if the port is that kind."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from random import Random
from typing import Protocol

from soulmesh import wire
from soulmesh.client.handshake import fresh_key
from soulmesh.errors import DecodeError, FrameError
from soulmesh.net.errors import ConnectionLost
from soulmesh.net.stream import Stream
from soulmesh.wire.message import MIB
from soulmesh.wire.obfuscation import key_stream, xor
from soulmesh.wire.peer import PeerSharesReply

__all__ = ["SHARES_CODE", "BodySink", "PeerLink"]

SHARES_CODE = PeerSharesReply.LAYOUT.code
_HEAD = struct.Struct("<II")
_PIECE = 64 * 1024
_MOST_BAD_MESSAGES = 5

# A description with a picture may be large; the declared bound is for those who ask for it to be.
_LIMITS = {16: 16 * MIB}


class BodySink(Protocol):
    """Takes a large body piece by piece."""

    async def take(self, piece: bytes, total: int) -> None:
        """The next piece of a body that has ``total`` bytes."""

    def failed(self, reason: str) -> None:
        """It breaks off here."""


class PeerLink:
    """A P connection to one user. The owner runs :meth:`serve` in a task.

    Args:
        username: whose link it is.
        stream: the connection, after its initialisation message.
        obfuscated: it goes through an obfuscated port, so each message has a key of its own.
        random: for the keys.
        direct: who opened it did so without help.
    """

    def __init__(
        self, username: str, stream: Stream, *, obfuscated: bool, random: Random, ours: bool, limit: int
    ) -> None:
        self.username = username
        self.stream = stream
        self.obfuscated = obfuscated
        self.ours = ours
        """We asked for it."""
        self.last_used = asyncio.get_running_loop().time()
        self.shares_sink: BodySink | None = None
        """Takes the next PeerSharesReply; without one such a reply was not asked for."""
        self.busy = 0
        """So many questions wait for an answer: the link is in use although nothing passes."""
        self._random = random
        self._limit = limit
        self._reader = wire.FrameReader("peer", "peer", limits=_LIMITS, obfuscated=obfuscated)

    @property
    def is_closed(self) -> bool:
        """Nothing can be sent any more."""
        return self.stream.is_closed or self.stream.at_eof

    def write(self, frame: bytes) -> None:
        """Send a whole frame.

        Raises:
            ConnectionLost: the link is closed, or its reader is so slow that we closed it.
        """
        if self.is_closed:
            raise ConnectionLost("it is closed")
        if self.stream.write_buffer_size > self._limit:
            self.stream.abort()
            raise ConnectionLost("the other side does not read what we send")
        self.last_used = asyncio.get_running_loop().time()
        self.stream.write(wire.obfuscate(frame, fresh_key(self._random)) if self.obfuscated else frame)

    def close(self) -> None:
        """Send what is queued, then close."""
        self.stream.close()

    async def serve(self, take: Callable[[PeerLink, wire.Frame], None], *, patience: float) -> None:
        """Read messages until the end, handing each to ``take``.

        ``patience``: seconds for the bytes of a message that has begun.

        Returns when the other side closes between two messages.

        Raises:
            FrameError: the stream is out of step, or the other side will not learn.
            ConnectionLost: the connection broke.
        """
        bad = 0
        while True:
            if not await self.stream.readable():
                return
            frame = self._at_hand() or await self._read_frame(patience)
            self.last_used = asyncio.get_running_loop().time()
            if frame is None:
                continue
            try:
                take(self, frame)
            except DecodeError as error:
                # messages.md, rule 4: one bad message costs nothing but itself, many the link.
                bad += 1
                if bad >= _MOST_BAD_MESSAGES:
                    raise FrameError(f"{bad} messages that cannot be read, the last: {error}") from error
            else:
                bad = 0

    def _at_hand(self) -> wire.Frame | None:
        """The next frame, if all of it is here already: then nothing has to wait, and no clock to be set."""
        stream = self.stream
        if self.obfuscated or stream.unread_bytes < _HEAD.size:
            return None
        length, code = _HEAD.unpack(stream.peek(_HEAD.size))
        if length < 4 or code == SHARES_CODE or stream.unread_bytes < 4 + length:
            return None
        return self._reader.feed(stream.take(4 + length))[0]

    async def _read_frame(self, patience: float) -> wire.Frame | None:
        """The next frame; ``None`` if it went to a sink."""
        key_size = 4 if self.obfuscated else 0
        async with asyncio.timeout(patience) as limit:
            head = await self.stream.readexactly(4 + key_size)
            plain = wire.deobfuscate(head) if self.obfuscated else head
            (length,) = struct.unpack("<I", plain)
            if length >= 4:
                head += await self.stream.readexactly(4)
                plain = wire.deobfuscate(head) if self.obfuscated else head
                _, code = _HEAD.unpack(plain)
                if code == SHARES_CODE:
                    await self._read_shares(head, length - 4, limit, patience)
                    return None
            frames = self._reader.feed(head)
            missing = length - 4
            while missing > 0 and not frames:
                piece = await self.stream.read(min(missing, _PIECE))
                if not piece:
                    self._reader.eof()
                missing -= len(piece)
                frames = self._reader.feed(piece)
                # A large message is fine as long as it moves.
                limit.reschedule(asyncio.get_running_loop().time() + patience)
        return frames[0] if frames else None

    async def _read_shares(self, head: bytes, size: int, limit: asyncio.Timeout, patience: float) -> None:
        """A shares reply goes to its sink as it comes: it can be larger than memory."""
        sink, self.shares_sink = self.shares_sink, None
        if sink is None:
            raise FrameError("a list of shares that nobody asked for", message="PeerSharesReply")
        if size > PeerSharesReply.LAYOUT.limit:
            raise FrameError(f"a list of shares of {size} bytes", message="PeerSharesReply")
        stream = key_stream(head[:4]) if self.obfuscated else b""
        done = 0
        try:
            while done < size:
                piece = await self.stream.read(min(size - done, _PIECE))
                if not piece:
                    raise ConnectionLost("the list of shares ended early")
                if stream:
                    piece = xor(piece, stream, done + 8)
                done += len(piece)
                self.last_used = asyncio.get_running_loop().time()
                limit.reschedule(None)
                await sink.take(piece, size)
                limit.reschedule(asyncio.get_running_loop().time() + patience)
        except BaseException as error:
            sink.failed(str(error) or "it stopped coming")
            raise
