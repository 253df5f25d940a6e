"""The obfuscated port: every message XORed with a key that rotates.

A message starts with four random bytes, the key. Before each group of four
bytes the key, read as a little-endian number, is rotated right by 31 bits; the
group is XORed with it. After 32 rotations the key is what it was, so the key
stream repeats every 128 bytes, and a message is XORed in pieces of 16 KiB, as
numbers.
"""

from __future__ import annotations

import struct

from soulmesh.errors import FrameError, UsageError

__all__ = ["KEY_SIZE", "deobfuscate", "key_stream", "obfuscate", "xor"]

KEY_SIZE = 4
_PERIOD = 128
_CHUNK = 16 * 1024
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
    size = len(data)
    turn = offset % _PERIOD
    if turn:
        stream = stream[turn:] + stream[:turn]
    if size <= _CHUNK:
        mask = (stream * (size // _PERIOD + 1))[:size]
        number = int.from_bytes(data, "little") ^ int.from_bytes(mask, "little")
        return number.to_bytes(size, "little")
    mask_number = int.from_bytes(stream * (_CHUNK // _PERIOD), "little")
    view = memoryview(data)
    pieces = []
    whole = size - size % _CHUNK
    for start in range(0, whole, _CHUNK):
        number = int.from_bytes(view[start : start + _CHUNK], "little") ^ mask_number
        pieces.append(number.to_bytes(_CHUNK, "little"))
    if whole < size:
        pieces.append(xor(view[whole:], stream))
    return b"".join(pieces)


def obfuscate(plain: bytes, key: bytes) -> bytes:
    """One message made ready for an obfuscated port: the key, then the message XORed.

    Args:
        plain: the message with length and code.
        key: four random bytes, fresh for every message.
    """
    return key + xor(plain, key_stream(key))


def deobfuscate(data: bytes) -> bytes:
    """One message as it was before :func:`obfuscate`.

    Raises:
        FrameError: not even the key is there.
    """
    if len(data) < KEY_SIZE:
        raise FrameError(f"an obfuscated message starts with a key of 4 bytes, {len(data)} are there")
    return xor(memoryview(data)[KEY_SIZE:], key_stream(data[:KEY_SIZE]))
