"""The first message on a connection between users: read with care, written as the port wants it."""

from __future__ import annotations

import struct
from random import Random

from soulmesh import wire
from soulmesh.errors import FrameError, ProtocolError
from soulmesh.net.stream import Stream
from soulmesh.wire import peer_init
from soulmesh.wire.message import PEER_INIT, Message

__all__ = ["fresh_key", "pack", "read_init"]

_LENGTH = struct.Struct("<I")


def fresh_key(random: Random) -> bytes:
    """Four bytes for one obfuscated message."""
    return random.getrandbits(32).to_bytes(4, "little")


def pack(message: Message, obfuscated: bool, random: Random) -> bytes:
    """The bytes of a message on its way to a clear or an obfuscated port."""
    frame = wire.encode(message)
    return wire.obfuscate(frame, fresh_key(random)) if obfuscated else frame


async def read_init(stream: Stream, obfuscated: bool) -> peer_init.PeerInit | peer_init.PeerPierceFirewall:
    """Read exactly the one initialisation message; what follows stays in the stream.

    Raises:
        FrameError: a length that cannot be.
        ProtocolError: another message than the two.
        WireError: the message cannot be read.
        ConnectionLost: the connection ended or broke.
    """
    key = await stream.readexactly(4) if obfuscated else b""
    head = await stream.readexactly(4)
    plain = wire.deobfuscate(key + head) if obfuscated else head
    (length,) = _LENGTH.unpack(plain)
    if not 1 <= length <= PEER_INIT.limit:
        raise FrameError(f"an initialisation message of {length} bytes")
    rest = await stream.readexactly(length)
    frame = wire.deobfuscate(key + head + rest) if obfuscated else head + rest
    message = wire.decode(frame, "peer_init", "peer")
    if isinstance(message, peer_init.PeerInit | peer_init.PeerPierceFirewall):
        return message
    raise ProtocolError(f"unknown initialisation message (code {frame[4]})")
