"""What is done with the bytes of a fuzzer, and what must hold whatever they are.

The first byte chooses what the rest is taken for; then only :class:`~soulmesh.errors.WireError` may
come out, the same frames however the stream is cut, and messages that can be written and read again.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator

from soulmesh import wire
from soulmesh.errors import DecodeError, FrameError, RefusedValue, WireError
from soulmesh.wire.message import CATALOGUE, TO_DOWNLOADER, TO_UPLOADER, Message, Side

__all__ = ["WAYS", "seeds_for", "try_bytes"]

FRAMED = [side for side in CATALOGUE if side.family.code_width]
COMPRESSED = [
    (side, code) for side in FRAMED for code, cls in CATALOGUE[side].items() if cls.LAYOUT.compressed
]
MOST = 1 << 16
"""More bytes than this find nothing new and take long."""


def one_message(side: Side) -> Callable[[bytes], None]:
    """One frame, with its length made right half of the time by being taken from the bytes."""

    def attempt(data: bytes) -> None:
        read_one(data, side)
        if side.family.code_width and len(data) >= 4:
            read_one((len(data) - 4).to_bytes(4, "little") + data[4:], side)

    return attempt


def compressed_body(side: Side, code: int) -> Callable[[bytes], None]:
    """The bytes as the inside of a compressed message, which a fuzzer would never hit by chance."""

    def attempt(data: bytes) -> None:
        body = zlib.compress(data, 1)
        frame = wire.frame_header(side.family.code_width, code, len(body)) + body
        read_one(frame, side)
        if code == wire.peer.PeerSearchReply.LAYOUT.code:
            expect_only(lambda: wire.search_reply_head(frame), WireError)
        if code == wire.peer.PeerSharesReply.LAYOUT.code:
            whole = error_of(lambda: wire.decode(frame, "peer", "peer"), DecodeError)
            as_stream = error_of(lambda: read_shares(body), DecodeError)
            # Read as a stream, fewer bytes after the first list are looked at.
            assert whole is not None or as_stream is None, f"only the stream is refused: {as_stream}"

    return attempt


def stream(side: Side, *, obfuscated: bool) -> Callable[[bytes], None]:
    """A stream, whole and in pieces whose sizes the second byte gives."""

    def attempt(data: bytes) -> None:
        step = 1 + data[0] % 64 if data else 1
        rest = data[1:]
        pieces = [rest[n : n + step] for n in range(0, len(rest), step)]
        first, second = frames(side, [rest], obfuscated), frames(side, pieces, obfuscated)
        assert first == second, f"cut into pieces of {step} the stream reads differently"

    return attempt


def frames(side: Side, pieces: list[bytes], obfuscated: bool) -> tuple[list[tuple[int, int, bytes]], bool]:
    """The frames of a stream, and whether it ended well."""
    reader = wire.FrameReader(side.family.name, side.direction, obfuscated=obfuscated)
    found: list[tuple[int, int, bytes]] = []
    try:
        for piece in pieces:
            for frame in reader.feed(piece):
                found.append((frame.code, frame.skipped, frame.data))
                expect_only(frame.decode, DecodeError)
        reader.eof()
    except FrameError:
        return found, False
    return found, True


def read_one(frame: bytes, side: Side) -> None:
    error = error_of(lambda: wire.decode(frame, side.family.name, side.direction), WireError)
    if error is not None:
        assert "\n" not in str(error)
        return
    message = wire.decode(frame, side.family.name, side.direction)
    expect_only(lambda: wire.check(message), RefusedValue)
    fields = wire.to_fields(message)
    again = wire.decode(wire.encode(message), side.family.name, side.direction)
    assert again == message, "written and read again it is another message"
    assert wire.to_fields(again) == fields
    if not isinstance(message, wire.UnknownMessage):
        rebuild(message, fields)


def rebuild(message: Message, fields: dict[str, object]) -> None:
    layout = message.LAYOUT
    rebuilt = wire.from_fields(layout.family, layout.direction, layout.name, fields)
    assert rebuilt == message, "its fields make another message"


def read_shares(body: bytes) -> None:
    reader = wire.SharesReader(inflated_limit=1 << 24, directory_limit=1 << 20)
    for start in range(0, len(body), 100):
        for _ in reader.feed(body[start : start + 100]):
            pass
    reader.close()


def error_of(attempt: Callable[[], object], kind: type[Exception]) -> Exception | None:
    try:
        attempt()
    except kind as error:
        return error
    return None


def expect_only(attempt: Callable[[], object], kind: type[Exception]) -> None:
    error_of(attempt, kind)


def _ways() -> Iterator[tuple[str, Callable[[bytes], None]]]:
    for side in [*FRAMED, TO_DOWNLOADER, TO_UPLOADER]:
        yield f"message {side.family.name} {side.direction}", one_message(side)
    for side, code in COMPRESSED:
        yield f"body {code}", compressed_body(side, code)
    for side in FRAMED:
        yield f"stream {side.family.name} {side.direction}", stream(side, obfuscated=False)
    yield "stream peer obfuscated", stream(FRAMED[-2], obfuscated=True)
    yield "shares", lambda data: expect_only(lambda: read_shares(data), DecodeError)


WAYS = dict(_ways())
"""What bytes can be taken for, by name, in the order of their first byte."""

_ATTEMPTS = list(WAYS.values())


def try_bytes(data: bytes) -> None:
    """Take ``data`` for what its first byte says.

    Raises:
        Exception: anything at all that must not come out.
    """
    if data:
        _ATTEMPTS[data[0] % len(_ATTEMPTS)](data[1:MOST])


def seeds_for(frame: bytes, family: str, direction: str) -> Iterator[bytes]:
    """The inputs that lead to reading this frame."""
    for number, name in enumerate(WAYS):
        first = bytes([number])
        if name == f"message {family} {direction}":
            yield first + frame
        elif name == f"stream {family} {direction}":
            yield first + b"\x05" + frame + frame
        elif name == "stream peer obfuscated" and family == "peer":
            yield first + b"\x07" + wire.obfuscate(frame, b"\x14\x94\xee\x4a")
        elif family == "peer" and name == f"body {int.from_bytes(frame[4:8], 'little')}":
            yield first + zlib.decompress(frame[8:])
        elif name == "shares" and frame[4:8] == b"\5\0\0\0" and family == "peer":
            yield first + frame[8:]
