"""Whole frames: bytes to message, message to bytes, stream to frames.

==============  ========  ======  =======================
connection      length    code    counted by the length
==============  ========  ======  =======================
server          ``u32``   u32     code and body
initialisation  ``u32``   u8      code and body
P               ``u32``   u32     code and body
D               ``u32``   u8      code and body
F               none      none    told apart by direction and length
==============  ========  ======  =======================
"""

from __future__ import annotations

import gc
import struct
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from soulmesh.errors import DecodeError, FrameError
from soulmesh.wire import distributed, peer, peer_init, to_client, to_server
from soulmesh.wire.careful import explain_value, read_carefully
from soulmesh.wire.codec import Unreadable, compile_reader, compile_writer
from soulmesh.wire.file import FileOffset, FileTicket, LegacyFileTicket
from soulmesh.wire.inflate import COMPRESSION_LEVEL, deflate, inflate
from soulmesh.wire.message import CATALOGUE, Message, Side, Struct, UnknownMessage, side
from soulmesh.wire.message import struct as struct_
from soulmesh.wire.obfuscation import KEY_SIZE, key_stream, xor
from soulmesh.wire.structs import RelatedSearch
from soulmesh.wire.types import Array, String

__all__ = ["Frame", "FrameReader", "decode", "encode", "frame_header"]

# The declarations enter the catalogue when they are imported.
_DECLARED = (distributed, peer, peer_init, to_client, to_server)

_BAD_BYTES = (Unreadable, struct.error)
_BAD_VALUE = (Unreadable, struct.error, AttributeError, TypeError, ValueError, OverflowError)
_LENGTH = struct.Struct("<I")
_HEADS = {1: struct.Struct("<IB"), 4: struct.Struct("<II")}
_KEPT_UNKNOWN = 1024 * 1024
_MANY = 64 * 1024
_PLAIN = {
    ("to_downloader", 4): FileTicket,
    ("to_uploader", 4): LegacyFileTicket,
    ("to_uploader", 8): FileOffset,
}

Reader = Callable[[bytes, int], Message]


# -- one message ------------------------------------------------------------


def decode(frame: bytes, family: str, direction: str) -> Message:
    """Read one whole frame.

    Args:
        frame: length, code and body; on file connections the 4 or 8 bytes alone.
        family: ``server``, ``peer_init``, ``peer``, ``distributed`` or ``file``.
        direction: ``to_server``, ``to_client``, ``peer``, ``to_downloader`` or ``to_uploader``.

    Returns:
        The message, or an :class:`UnknownMessage` if the catalogue has no such code.

    Raises:
        FrameError: the frame is not whole, or shorter than its code.
        DecodeError: the body is not what its code promises.
        UsageError: no such family or direction.
    """
    table = _TABLES.get((family, direction))
    if table is None:
        return _decode_plain(frame, side(family, direction))
    if type(frame) is not bytes:
        frame = bytes(frame)
    try:
        length, code = table.head(frame)
    except struct.error:
        raise FrameError(_too_short(frame, table.side)) from None
    if length + 4 != len(frame):
        raise FrameError(f"its length says {length} bytes, {len(frame) - 4} are there")
    reader = table.readers.get(code)
    if reader is None:
        return UnknownMessage(table.side, code, frame[table.start :])
    try:
        return reader(frame, table.start)
    except _BAD_BYTES:
        raise _explained(table.side, code, frame) from None


def encode(message: Message, *, level: int = COMPRESSION_LEVEL) -> bytes:
    """Write one whole frame: length, code and body.

    Args:
        message: what to write.
        level: of compression, for the messages that are compressed.

    Raises:
        EncodeError: a value does not fit its field, or is missing.
    """
    try:
        layout, writer = _WRITERS[message.__class__]
    except KeyError:
        if isinstance(message, UnknownMessage):
            layout = message.LAYOUT
            return frame_header(layout.code_width, message.code, len(message.payload)) + message.payload
        layout = message.LAYOUT
        writer = compile_writer(message.__class__)
        _WRITERS[message.__class__] = layout, writer
    try:
        body = writer(message)
    except _BAD_VALUE:
        problem = explain_value(message, layout.name)
        if problem is None:
            raise
        raise problem from None
    if layout.compressed:
        body = deflate(body, level)
    if layout.code is None:
        return body
    return (_pack_wide if layout.code_width == 4 else _pack_narrow)(
        len(body) + layout.code_width, layout.code
    ) + body


def frame_header(code_width: int, code: int, body_size: int) -> bytes:
    """Length and code of a frame whose body has ``body_size`` bytes."""
    return _HEADS[code_width].pack(body_size + code_width, code)


_pack_wide = _HEADS[4].pack
_pack_narrow = _HEADS[1].pack
_WRITERS: dict[type[Message], tuple[Any, Callable[[Any], bytes]]] = {}


class _Table:
    """The readers of one side, each compiled when its code first comes in."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self.start = 4 + side.family.code_width
        self.head: Callable[[bytes], tuple[int, int]] = _HEADS[side.family.code_width].unpack_from
        self.readers: dict[int, Reader] = {}
        for code, cls in CATALOGUE[side].items():
            self.readers[code] = self._at_first_use(code, cls)
        self.limits = {code: cls.LAYOUT.limit for code, cls in CATALOGUE[side].items()}

    def _at_first_use(self, code: int, cls: type[Message]) -> Reader:
        def compile_and_read(frame: bytes, start: int) -> Message:
            reader = self.readers[code] = self._compiled(cls)
            return reader(frame, start)

        return compile_and_read

    def _compiled(self, cls: type[Message]) -> Reader:
        read = compile_reader(cls)
        layout = cls.LAYOUT
        if layout.compressed:

            def read_compressed(frame: bytes, start: int) -> Message:
                body = inflate(frame, start, layout.most_inflated(len(frame)), layout.name)
                message: Message = (read(body, 0) if len(body) < _MANY else _undisturbed(read, body))[0]
                return message

            return read_compressed
        if layout.code_width > layout.side.family.code_width:

            def read_wide(frame: bytes, start: int) -> Message:
                message: Message = read(frame, _after_wide_code(frame, start))[0]
                return message

            return read_wide

        def read_plain(frame: bytes, start: int) -> Message:
            message: Message = read(frame, start)[0]
            return message

        if cls is to_client.GetRelatedSearches:
            return _tolerate_plain_related_searches(read_plain)
        return read_plain


def _undisturbed(read: Callable[[bytes, int], tuple[Any, int]], body: bytes) -> tuple[Any, int]:
    # Hundreds of thousands of new objects make the cycle collector walk the heap again and again,
    # for values that cannot form a cycle; it took longer than the reading.
    collecting = gc.isenabled()
    gc.disable()
    try:
        return read(body, 0)
    finally:
        if collecting:
            gc.enable()


def _after_wide_code(frame: bytes, start: int) -> int:
    # DistributedServerSearchRequest is a copied server frame: its code has four bytes where one is
    # usual (5d 00 00 00). Old Nicotine+ versions wrote one byte.
    return start + 3 if frame[start : start + 3] == b"\0\0\0" else start


def _decode_plain(frame: bytes, side: Side) -> Message:
    cls = _PLAIN.get((side.direction, len(frame)))
    if cls is None:
        sizes = " or ".join(str(size) for direction, size in _PLAIN if direction == side.direction)
        raise DecodeError(f"{sizes} bytes are needed, {len(frame)} are there", message="FileTicket")
    (number,) = struct.unpack("<I" if len(frame) == 4 else "<Q", frame)
    return cls(number)


def _too_short(frame: bytes, side: Side) -> str:
    width = side.family.code_width
    if len(frame) >= 4 and (length := _LENGTH.unpack_from(frame)[0]) < width:
        return f"its length of {length} is shorter than a code of {width} bytes"
    return f"length and code take {4 + width} bytes, {len(frame)} are there"


def _explained(side: Side, code: int, frame: bytes) -> Exception:
    """The error that the careful reader finds in a frame that the compiled one could not read."""
    cls = CATALOGUE[side][code]
    layout = cls.LAYOUT
    start = 4 + side.family.code_width
    try:
        if layout.compressed:
            body = inflate(frame, start, layout.most_inflated(len(frame)), layout.name)
        elif layout.code_width > side.family.code_width:
            body = frame[_after_wide_code(frame, start) :]
        else:
            body = frame[start:]
        read_carefully(cls, layout.name, body)
    except DecodeError as error:
        return error
    return DecodeError("cannot be read", message=layout.name)


# -- old layouts ------------------------------------------------------------


@struct_
class PlainRelatedSearches(Struct):
    """The body of GetRelatedSearches as aioslsk has it: terms without scores."""

    query: String
    related_searches: Array[String]


def _tolerate_plain_related_searches(read: Reader) -> Reader:
    # Two layouts are in use: terms with scores (Nicotine+, Soulfind) and plain strings (aioslsk).
    # Plain strings cannot be read as terms with scores: a length would have to be a piece of text.
    def read_either(frame: bytes, start: int) -> Message:
        try:
            return read(frame, start)
        except _BAD_BYTES:
            plain, _ = _read_plain_searches()(frame, start)
            searches = [RelatedSearch(term, 0) for term in plain.related_searches]
            return to_client.GetRelatedSearches(plain.query, searches)

    return read_either


_plain_searches: list[Callable[[bytes, int], tuple[Any, int]]] = []


def _read_plain_searches() -> Callable[[bytes, int], tuple[Any, int]]:
    if not _plain_searches:
        _plain_searches.append(compile_reader(PlainRelatedSearches))
    return _plain_searches[0]


_TABLES = {(s.family.name, s.direction): _Table(s) for s in CATALOGUE if s.family.code_width}


# -- a stream ---------------------------------------------------------------


class Frame:
    """One frame of a stream.

    ``data`` are its bytes as they came (in clear): forwarding them unchanged is
    forwarding the frame. Of an unknown message above 1 MiB only the header is
    kept, and ``skipped`` tells how many bytes were let go.
    """

    __slots__ = ("_table", "code", "data", "skipped")

    def __init__(self, table: _Table, code: int, data: bytes, skipped: int = 0) -> None:
        self._table = table
        self.code = code
        self.data = data
        self.skipped = skipped

    @property
    def side(self) -> Side:
        """Family and direction."""
        return self._table.side

    @property
    def payload(self) -> memoryview:
        """The body as it came, without length and code."""
        return memoryview(self.data)[self._table.start :]

    @property
    def name(self) -> str:
        """The specification's name of the message, or ``unknown N``."""
        cls = CATALOGUE[self.side].get(self.code)
        return cls.LAYOUT.name if cls else f"unknown {self.code}"

    def decode(self) -> Message:
        """The message in this frame.

        Raises:
            DecodeError: the body is not what its code promises, or was let go.
        """
        table = self._table
        if self.skipped:
            raise DecodeError(f"{self.skipped} bytes of an unknown message were let go", message=self.name)
        reader = table.readers.get(self.code)
        if reader is None:
            return UnknownMessage(table.side, self.code, self.data[table.start :])
        try:
            return reader(self.data, table.start)
        except _BAD_BYTES:
            raise _explained(table.side, self.code, self.data) from None

    def __repr__(self) -> str:
        return f"<Frame {self.name}, {len(self.data) + self.skipped} bytes>"


class FrameReader:
    """Cuts a stream into frames, however the network cut it before.

    Nothing is reserved for a frame before its length is known to be within the
    limit of its message. After a :class:`FrameError` the stream is out of step
    for good and the reader refuses more.

    Args:
        family: ``server``, ``peer_init``, ``peer`` or ``distributed``.
        direction: ``to_server``, ``to_client`` or ``peer``.
        limits: most bytes of code and body, by message code, where they differ
            from the declarations.
        obfuscated: the stream comes through an obfuscated port.
    """

    def __init__(
        self,
        family: str,
        direction: str,
        *,
        limits: Mapping[int, int] | None = None,
        obfuscated: bool = False,
    ) -> None:
        table = _TABLES.get((family, direction))
        if table is None:
            side(family, direction)
            raise FrameError(f"{family} connections have no frames")
        self._table = table
        self._limits = {**table.limits, **limits} if limits else table.limits
        self._unknown_limit = table.side.unknown_limit
        self._highest = max(self._unknown_limit, table.side.limit, *self._limits.values())
        self._obfuscated = obfuscated
        self._head_size = table.start + (KEY_SIZE if obfuscated else 0)
        # One buffer, not a list of pieces: who sends byte by byte would fill the list with objects.
        self._begun = bytearray()
        self._held = 0
        self._needed = 0  # bytes of the frame under way that must be here before there is anything to do
        self._skip = 0  # bytes still to let go
        self._skipping: tuple[int, bytes, int] | None = None
        self.broken: FrameError | None = None

    @property
    def buffered(self) -> int:
        """Bytes held of a frame that is not whole yet."""
        return self._held

    def feed(self, data: bytes, most: int | None = None) -> list[Frame]:
        """Take bytes in, give the frames that they complete.

        Args:
            data: the next bytes of the stream, any number.
            most: stop after so many frames; the rest stays (see :meth:`rest`).

        Raises:
            FrameError: a length below the code's width or above the limit. If frames
                were complete before it they are given first; then :attr:`broken`
                holds the error, and the next call raises it.
        """
        if self.broken is not None:
            raise self.broken
        frames: list[Frame] = []
        if self._skip:
            data = self._let_go(data, frames)
        held = self._held + len(data)
        if self._held:
            if held < self._needed:
                self._begun += data
                self._held = held
                return frames
            self._begun += data
            data = bytes(self._begun)
            self._begun = bytearray()
        elif type(data) is not bytes:
            data = bytes(data)
        position = 0
        while most is None or len(frames) < most:
            try:
                end = self._cut(data, position, held, frames)
            except FrameError as error:
                self.broken = error
                if frames:
                    return frames
                raise
            if end is None:
                break
            position = end
            if self._skip:
                data = self._let_go(data[position:], frames)
                position, held = 0, len(data)
        if position < held:
            self._begun += data[position:] if position else data
        self._held = held - position
        return frames

    def rest(self) -> bytes:
        """The bytes that were taken in and belong to no frame given out; they are forgotten here.

        After the one initialisation message of a connection they belong to the
        family that it opened.
        """
        data = bytes(self._begun)
        self._begun = bytearray()
        self._held = self._needed = 0
        return data

    def eof(self) -> None:
        """Say that the stream has ended.

        Raises:
            FrameError: it ended inside a frame.
        """
        if self.broken is not None:
            raise self.broken
        if self._held or self._skip:
            raise FrameError(f"the stream ended inside a frame, after {self._held} bytes of it")

    def _cut(self, data: bytes, position: int, held: int, frames: list[Frame]) -> int | None:
        """Take one frame off ``data`` at ``position``: where the next begins, ``None`` if it is not whole."""
        self._needed = 0
        if held - position < self._head_size:
            # The length is looked at as soon as it is there: a bad one is refused without its code.
            self._needed = 4 + (KEY_SIZE if self._obfuscated else 0)
            if held - position >= self._needed:
                self._length_only(data, position)
                self._needed = self._head_size
            return None
        stream = b""
        if self._obfuscated:
            stream = key_stream(data[position : position + KEY_SIZE])
            head = xor(data[position + KEY_SIZE : position + self._head_size], stream)
            length, code = self._table.head(head)
        else:
            length, code = self._table.head(data[position : position + self._head_size])
        self._check(length, code)
        start = position + (KEY_SIZE if self._obfuscated else 0)
        end = start + 4 + length
        if code not in self._limits and length > _KEPT_UNKNOWN:
            # Decided by the length alone, so that the cutting of the stream makes no difference.
            body = start + self._table.start
            head = xor(data[start:body], stream) if stream else data[start:body]
            if end <= held:
                frames.append(Frame(self._table, code, head, end - body))
                return end
            self._skip = end - body
            self._skipping = code, head, self._skip
            return body
        if end > held:
            self._needed = end - position
            return None
        frame = data[start:end]
        if stream:
            frame = xor(frame, stream)
        frames.append(Frame(self._table, code, frame))
        return end

    def _length_only(self, data: bytes, position: int) -> None:
        """Refuse a frame on its length alone, before its code has come."""
        if self._obfuscated:
            key = data[position : position + KEY_SIZE]
            raw_length = xor(data[position + KEY_SIZE : position + KEY_SIZE + 4], key_stream(key))
        else:
            raw_length = data[position : position + 4]
        self._check(_LENGTH.unpack(raw_length)[0], None)

    def _check(self, length: int, code: int | None) -> None:
        width = self._table.side.family.code_width
        if length < width:
            self._fail(f"its length of {length} is shorter than a code of {width} bytes")
        limit = self._highest if code is None else self._limits.get(code, self._unknown_limit)
        if length > limit:
            name = None
            if code is not None and (cls := CATALOGUE[self._table.side].get(code)):
                name = cls.LAYOUT.name
            self._fail(f"its length of {length} is above the limit of {limit} bytes", name)

    def _fail(self, reason: str, message: str | None = None) -> NoReturn:
        self._begun = bytearray()
        self._held = 0
        raise FrameError(reason, message=message)

    def _let_go(self, data: bytes, frames: list[Frame]) -> bytes:
        """Drop bytes of a large unknown message; what is left of ``data`` after it."""
        gone = min(self._skip, len(data))
        self._skip -= gone
        if not self._skip and self._skipping is not None:
            code, head, skipped = self._skipping
            self._skipping = None
            frames.append(Frame(self._table, code, head, skipped))
        return data[gone:]
