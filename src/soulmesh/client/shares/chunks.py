"""Files made of chunks, where the tag reader does not know them well: WAV, AIFF-C, MP4 in fragments.

A chunk (a box, in MP4) is a name, a size, and as many bytes.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Final

from soulmesh.client.shares.unreadable import DAMAGED, NO_LENGTH, UnreadableAudio

__all__ = ["Wave", "fragments", "packed_aiff", "wave"]

_PLAIN_WAVE: Final = frozenset({1, 3})
"""PCM and floating point: samples as they are."""
_LOSSLESS_WAVE: Final = _PLAIN_WAVE | {0x163, 0x8AE, 0x1971, 0xF1AC}
_UNKNOWN: Final = 0xFFFFFFFF
_IMA4_SAMPLES: Final = 64
"""Of each channel, in what AIFF-C counts as one frame."""
_MOST_BOXES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Wave:
    """A WAV file, by what is there of it."""

    seconds: float
    rate: int
    depth: int
    size: int
    """Bytes of sound."""
    lossless: bool


def wave(file: BinaryIO, size: int) -> Wave:
    """Read a WAV file: one that is cut short plays no longer than its samples, whatever its header says.

    Raises:
        UnreadableAudio: it says nothing of what is in it.
        struct.error: its format is cut short.
    """
    file.seek(0)
    head = file.read(12)
    if head[:4] not in (b"RIFF", b"RF64", b"BW64") or head[8:12] != b"WAVE":
        raise UnreadableAudio(DAMAGED)
    form = b""
    samples = told = there = 0
    at = 12
    while at + 8 <= size:
        file.seek(at)
        head = file.read(8)
        name, length = head[:4], int.from_bytes(head[4:8], "little")
        at += 8
        if name == b"fmt ":
            form = file.read(min(length, 40))
        elif name == b"fact":
            samples = int.from_bytes(file.read(4), "little")
        elif name == b"data":
            if length == _UNKNOWN:  # beyond 4 GiB, or a stream
                length = size - at
            told, there = length, max(0, min(length, size - at))
        at += length + length % 2
    kind, _, rate, bytes_a_second, block, depth = struct.unpack_from("<HHIIHH", form)
    if kind == 0xFFFE:
        kind = struct.unpack_from("<H", form, 24)[0]
    if not rate or not there:
        raise UnreadableAudio(NO_LENGTH)
    if kind in _PLAIN_WAVE:
        seconds = there / (block * rate)
    elif 1 < samples < _UNKNOWN:
        seconds = samples / rate * there / told
    else:
        seconds = there / bytes_a_second
    return Wave(seconds, rate, depth, there, kind in _LOSSLESS_WAVE)


def packed_aiff(file: BinaryIO, size: int) -> tuple[float, int] | None:
    """Seconds and bytes of sound of an AIFF-C file packed four to one; None for all others."""
    file.seek(0)
    if file.read(12)[8:] != b"AIFC":
        return None
    frames = rate = sound = 0
    at = 12
    while at + 8 <= size:
        file.seek(at)
        head = file.read(8)
        length = int.from_bytes(head[4:8], "big")
        if head[:4] == b"COMM":
            about = file.read(22)
            if about[18:22] != b"ima4":
                return None
            frames = int.from_bytes(about[2:6], "big")
            # A float of 80 bits: sign and exponent, then 64 bits of which the first is one.
            exponent = int.from_bytes(about[8:10], "big") - 16383
            rate = int.from_bytes(about[10:18], "big") >> (63 - exponent) if 0 <= exponent < 63 else 0
        elif head[:4] == b"SSND":
            sound = min(length, size - at - 8) - 8
        at += 8 + length + length % 2
    if not frames or not rate:
        return None
    return frames * _IMA4_SAMPLES / rate, sound


# MP4 in fragments (ISO 14496-12, 8.8): the head says nothing of the length, each fragment when it begins


def fragments(file: BinaryIO, size: int) -> tuple[float, int] | None:
    """Seconds and bytes of media of an MP4 file that came in fragments; None where there are none."""
    scale = usual = 0
    media = 0
    last: bytes | None = None
    for name, begin, end in _boxes(file, 0, size):
        if name == b"moov" and end - begin < 1 << 24:
            file.seek(begin)
            scale, usual = _head(file.read(end - begin))
        elif name == b"moof" and end - begin < 1 << 24:
            file.seek(begin)
            last = file.read(end - begin)
        elif name == b"mdat":
            media += end - begin
    if not scale or last is None:
        return None
    seconds = _end(last, usual) / scale
    return (seconds, media) if seconds > 0 else None


def _boxes(file: BinaryIO, at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Names of boxes in a file, and where what is in each begins and ends; one cut short is the last."""
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(16)
        if at + 8 > end or len(head) < 8:
            return
        length, begin = int.from_bytes(head[:4], "big"), at + 8
        if length == 1:
            length, begin = int.from_bytes(head[8:16], "big"), at + 16
        if length == 0:
            length = end - at
        if length < begin - at:
            return
        yield head[4:8], begin, min(at + length, end)
        at += length


def _inside(data: bytes, *names: bytes) -> Iterator[bytes]:
    """What is in the boxes that ``names`` lead to, one inside the other."""
    at = 0
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if length < 8:
            return
        if data[at + 4 : at + 8] == names[0]:
            content = data[at + 8 : at + length]
            if len(names) == 1:
                yield content
            else:
                yield from _inside(content, *names[1:])
        at += length


def _head(moov: bytes) -> tuple[int, int]:
    """Ticks a second of the sound, and how many a sample takes where nothing else is said."""
    scale = 0
    for media in _inside(moov, b"trak", b"mdia"):
        kind = next(_inside(media, b"hdlr"), b"")[8:12]
        about = next(_inside(media, b"mdhd"), b"")
        if kind == b"soun" and about:
            where = 20 if about[0] else 12
            scale = int.from_bytes(about[where : where + 4], "big")
    usual = next(_inside(moov, b"mvex", b"trex"), b"")
    return scale, int.from_bytes(usual[12:16], "big")


def _end(moof: bytes, usual: int) -> int:
    """When a fragment ends, in ticks."""
    end = 0
    for traf in _inside(moof, b"traf"):
        head = next(_inside(traf, b"tfhd"), b"")
        flags = int.from_bytes(head[1:4], "big")
        each = usual
        if flags & 8:
            where = 8 + 8 * bool(flags & 1) + 4 * bool(flags & 2)
            each = int.from_bytes(head[where : where + 4], "big")
        begin = next(_inside(traf, b"tfdt"), b"")
        ticks = int.from_bytes(begin[4 : 12 if begin[:1] == b"\1" else 8], "big")
        for run in _inside(traf, b"trun"):
            flags, count = int.from_bytes(run[1:4], "big"), int.from_bytes(run[4:8], "big")
            if not flags & 0x100:
                ticks += count * each
                continue
            at = 8 + 4 * bool(flags & 1) + 4 * bool(flags & 4)
            step = 4 * (flags >> 8 & 0xF).bit_count()
            ticks += sum(
                int.from_bytes(run[place : place + 4], "big") for place in range(at, len(run) - 3, step)
            )
        end = max(end, ticks)
    return end
