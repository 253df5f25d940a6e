"""The obfuscated port: every message XORed with a key that rotates.

A message starts with four random bytes, the key. Before each group of four
bytes the key, read as a little-endian number, is rotated right by 31 bits; the
group is XORed with it. After 32 rotations the key is what it was, so the key
stream repeats every 128 bytes, and a message is XORed in pieces of 32 KiB, as
numbers.
"""

from __future__ import annotations

import struct
from io import BytesIO

from soulmesh.errors import FrameError, UsageError

__all__ = ["KEY_SIZE", "deobfuscate", "key_stream", "obfuscate", "xor"]

KEY_SIZE = 4
_PERIOD = 128
_CHUNK = 32 * 1024
_WORDS = struct.Struct("<32I")


def key_stream(key: bytes) -> bytes:
    """The 128 bytes that the key ``key`` (4 bytes) repeats for ever.

    Raises:
        UsageError: the key does not have four bytes.
    """
    if len(key) != KEY_SIZE:
        raise UsageError(f"an obfuscation key has 4 bytes, not {len(key)}")
    word = int.from_bytes(key, "little")
    # Rotating by 31 to the right is rotating by one to the left, and n such rotations are a
    # window on the doubled word.
    twice = word << 32 | word
    return _WORDS.pack(*[(twice >> (32 - n)) & 0xFFFFFFFF for n in range(1, 32)], word)


def xor(data: bytes | memoryview, stream: bytes, offset: int = 0) -> bytes:
    """``data``, which begins ``offset`` bytes into the message, XORed with the key stream."""
    turn = offset % _PERIOD
    if turn:
        stream = stream[turn:] + stream[:turn]
    if len(data) <= _CHUNK:
        return _piece(data, stream)
    out = _room_for(len(data))
    _pour(out, data, 0, stream)
    return out.getvalue()


def _room_for(size: int) -> BytesIO:
    """Somewhere to write ``size`` bytes without moving them while it grows."""
    out = BytesIO()
    out.seek(size - 1)
    out.write(b"\0")
    out.seek(0)
    return out


def _piece(data: bytes | memoryview, stream: bytes) -> bytes:
    size = len(data)
    mask = (stream * (size // _PERIOD + 1))[:size]
    number = int.from_bytes(data, "little") ^ int.from_bytes(mask, "little")
    return number.to_bytes(size, "little")


def _pour(out: BytesIO, data: bytes | memoryview, start: int, stream: bytes) -> None:
    """Write ``data`` from ``start`` on to ``out``, XORed.

    Nearly all the time goes into turning bytes into numbers and back. Each piece is written at once, so
    that its memory serves the next one too and stays in the processor's cache; ``out`` gives its bytes
    away uncopied, which a list joined at the end cannot.
    """
    mask = int.from_bytes(stream * (_CHUNK // _PERIOD), "little")
    end = start + (len(data) - start) // _CHUNK * _CHUNK
    for at in range(start, end, _CHUNK):
        number = int.from_bytes(data[at : at + _CHUNK], "little") ^ mask
        out.write(number.to_bytes(_CHUNK, "little"))
    out.write(_piece(data[end:], stream))


def obfuscate(plain: bytes, key: bytes) -> bytes:
    """One message made ready for an obfuscated port: the key, then the message XORed.

    Args:
        plain: the message with length and code.
        key: four random bytes, fresh for every message.
    """
    stream = key_stream(key)
    if len(plain) <= _CHUNK:
        return key + _piece(plain, stream)
    out = _room_for(KEY_SIZE + len(plain))
    out.write(key)
    _pour(out, plain, 0, stream)
    return out.getvalue()


def deobfuscate(data: bytes) -> bytes:
    """One message as it was before :func:`obfuscate`.

    Raises:
        FrameError: not even the key is there.
    """
    if len(data) < KEY_SIZE:
        raise FrameError(f"an obfuscated message starts with a key of 4 bytes, {len(data)} are there")
    stream = key_stream(data[:KEY_SIZE])
    if len(data) <= _CHUNK:
        return _piece(data[KEY_SIZE:], stream)
    out = _room_for(len(data) - KEY_SIZE)
    _pour(out, data, KEY_SIZE, stream)
    return out.getvalue()
