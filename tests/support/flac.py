"""A reader of the FLAC files that soulmesh writes, made from the format's description (RFC 9639).

It knows constant and verbatim subframes, checks every checksum and the digest of the sound, and refuses
everything else.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass, field


@dataclass
class Flac:
    rate: int
    channels: int
    bits: int
    frames: int
    pcm: bytes
    """Interleaved, little end first."""
    comments: dict[str, str] = field(default_factory=dict)
    picture: bytes | None = None
    subframes: set[int] = field(default_factory=set)


def crc(data: bytes, polynomial: int, width: int) -> int:
    """Bit by bit, so that it shares no table with what it checks."""
    remainder = 0
    for byte in data:
        remainder ^= byte << (width - 8)
        for _ in range(8):
            remainder <<= 1
            if remainder >> width:
                remainder ^= polynomial | 1 << width
    return remainder


def read(data: bytes) -> Flac:
    assert data[:4] == b"fLaC"
    at, last = 4, False
    blocks: dict[int, bytes] = {}
    while not last:
        last, kind = bool(data[at] & 0x80), data[at] & 0x7F
        length = int.from_bytes(data[at + 1 : at + 4], "big")
        blocks[kind] = data[at + 4 : at + 4 + length]
        at += 4 + length
    info = blocks[0]
    assert len(info) == 34
    least, most = struct.unpack_from(">HH", info)
    assert least == most
    packed = int.from_bytes(info[10:18], "big")
    flac = Flac(packed >> 44, (packed >> 41 & 7) + 1, (packed >> 36 & 31) + 1, packed & (1 << 36) - 1, b"")
    if 4 in blocks:
        flac.comments = comments(blocks[4])
    if 6 in blocks:
        flac.picture = picture(blocks[6])

    sizes, pcm, number, total = [], [], 0, 0
    while at < len(data):
        end, samples, count = frame(data, at, number, most, flac)
        assert count == most or total + count == flac.frames
        sizes.append(end - at)
        pcm.append(samples)
        at, number, total = end, number + 1, total + count
    assert total == flac.frames
    sizes = sizes or [0]
    assert (min(sizes), max(sizes)) == (int.from_bytes(info[4:7], "big"), int.from_bytes(info[7:10], "big"))
    flac.pcm = b"".join(pcm)
    assert hashlib.md5(flac.pcm).digest() == info[18:]
    return flac


def frame(data: bytes, start: int, number: int, most: int, flac: Flac) -> tuple[int, bytes, int]:
    assert data[start : start + 2] == b"\xff\xf8"
    size_code, rate_code = data[start + 2] >> 4, data[start + 2] & 15
    assert {9: 44100, 10: 48000, 6: 22050, 8: 32000}[rate_code] == flac.rate
    assert data[start + 3] == (flac.channels - 1) << 4 | 8
    at = start + 4
    coded = chr(number).encode()
    assert data[at : at + len(coded)] == coded
    at += len(coded)
    count = most
    if size_code == 7:
        count = int.from_bytes(data[at : at + 2], "big") + 1
        at += 2
    else:
        assert 1 << size_code == most
    assert crc(data[start:at], 0x07, 8) == data[at]
    at += 1
    channels = []
    for _ in range(flac.channels):
        kind = data[at]
        flac.subframes.add(kind)
        at += 1
        if kind == 0:
            channels.append(data[at : at + 2] * count)
            at += 2
        else:
            assert kind == 2
            channels.append(data[at : at + 2 * count])
            at += 2 * count
    assert crc(data[start:at], 0x8005, 16) == int.from_bytes(data[at : at + 2], "big")
    pairs = [struct.unpack(f">{count}h", channel) for channel in channels]
    mixed = [sample for together in zip(*pairs, strict=True) for sample in together]
    return at + 2, struct.pack(f"<{len(mixed)}h", *mixed), count


def comments(body: bytes) -> dict[str, str]:
    def text(at: int) -> tuple[int, str]:
        (length,) = struct.unpack_from("<I", body, at)
        return at + 4 + length, body[at + 4 : at + 4 + length].decode()

    at, _vendor = text(0)
    (count,) = struct.unpack_from("<I", body, at)
    at += 4
    found = {}
    for _ in range(count):
        at, line = text(at)
        key, _, value = line.partition("=")
        found[key] = value
    assert at == len(body)
    return found


def picture(body: bytes) -> bytes:
    kind, length = struct.unpack_from(">II", body)
    assert kind == 3
    assert body[8 : 8 + length] == b"image/png"
    at = 8 + length
    (words,) = struct.unpack_from(">I", body, at)
    at += 4 + words + 16
    (size,) = struct.unpack_from(">I", body, at)
    return body[at + 4 : at + 4 + size]
