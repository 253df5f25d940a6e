"""Bytes and messages of the Soulseek protocol.

::

    message = wire.decode(frame, "server", "to_client")
    frame = wire.encode(to_server.JoinRoom("ambient"))
    wire.to_fields(message)                     # plain values, for JSON
    reader = wire.FrameReader("peer", "peer")   # a stream, however it was cut

Messages are classes in :mod:`~soulmesh.wire.to_server`, :mod:`~soulmesh.wire.to_client`,
:mod:`~soulmesh.wire.peer_init`, :mod:`~soulmesh.wire.peer`, :mod:`~soulmesh.wire.distributed`
and :mod:`~soulmesh.wire.file`.
"""

from __future__ import annotations

from soulmesh.errors import DecodeError, EncodeError, FrameError, RefusedValue, WireError
from soulmesh.wire import distributed, enums, file, peer, peer_init, structs, to_client, to_server
from soulmesh.wire.check import check
from soulmesh.wire.forms import from_fields, to_fields
from soulmesh.wire.frames import Frame, FrameReader, decode, encode, frame_header
from soulmesh.wire.message import Layout, Message, Side, Struct, UnknownMessage, catalogue
from soulmesh.wire.obfuscation import deobfuscate, obfuscate
from soulmesh.wire.streams import (
    SearchReplyHead,
    SharedDirectory,
    SharesReader,
    SharesWriter,
    search_reply_head,
)
from soulmesh.wire.text import Latin1, raw, text

__all__ = [
    "DecodeError",
    "EncodeError",
    "Frame",
    "FrameError",
    "FrameReader",
    "Latin1",
    "Layout",
    "Message",
    "RefusedValue",
    "SearchReplyHead",
    "SharedDirectory",
    "SharesReader",
    "SharesWriter",
    "Side",
    "Struct",
    "UnknownMessage",
    "WireError",
    "catalogue",
    "check",
    "decode",
    "deobfuscate",
    "distributed",
    "encode",
    "enums",
    "file",
    "frame_header",
    "from_fields",
    "obfuscate",
    "peer",
    "peer_init",
    "raw",
    "search_reply_head",
    "structs",
    "text",
    "to_client",
    "to_fields",
    "to_server",
]
