"""Compressed bodies: one zlib stream, inflated no further than its limit."""

from __future__ import annotations

import zlib

from soulmesh.errors import DecodeError

__all__ = ["COMPRESSION_LEVEL", "deflate", "inflate", "inflate_start"]

COMPRESSION_LEVEL = 2
"""Level of the compressed messages that we write.

On search replies level 2 costs as much as level 1 and half of level 6, for 6 to 12 %
more bytes than level 6 (docs/decisions/0002-codec.md). What is compressed once
and sent often, such as our own shares, deserves a higher level.
"""


def deflate(body: bytes, level: int = COMPRESSION_LEVEL) -> bytes:
    """Compress a whole body."""
    return zlib.compress(body, level)


def inflate(data: bytes, start: int, limit: int, message: str) -> bytes:
    """The body that ``data`` holds from ``start`` on; bytes after the end of the stream are ignored.

    Args:
        data: a frame.
        start: where the zlib stream begins.
        limit: most bytes that may come out; no more than that is ever held.
        message: name of the message, for the error.

    Raises:
        DecodeError: no zlib stream, a broken or unfinished one, or one that inflates beyond ``limit``.
    """
    stream = zlib.decompressobj()
    try:
        body = stream.decompress(memoryview(data)[start:], limit)
        if not stream.eof:
            # At exactly the limit the end of the stream may still be waiting to be read.
            body += stream.decompress(stream.unconsumed_tail, 1)
    except zlib.error as error:
        raise DecodeError(f"the compressed body is broken: {error}", message=message) from None
    if len(body) > limit:
        raise DecodeError(f"inflates to more than {limit} bytes", message=message)
    if not stream.eof:
        raise DecodeError("the compressed body ends early", message=message)
    return body


def inflate_start(data: bytes, start: int, count: int, message: str) -> bytes:
    """The first ``count`` bytes of a compressed body, or all of it if it is shorter.

    Raises:
        DecodeError: there is no zlib stream.
    """
    try:
        # The first bytes of a deflate block need little input; feeding a slice keeps the work small.
        stream = zlib.decompressobj()
        body = stream.decompress(memoryview(data)[start : start + 4096], count)
    except zlib.error as error:
        raise DecodeError(f"the compressed body is broken: {error}", message=message) from None
    return body
