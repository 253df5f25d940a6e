"""Audio files written without outside programs: WAV, AIFF, AU and FLAC, with tags and a cover.

Enough for a small library of honest, playable files to share and to test with. Sound is interleaved signed
16-bit samples in an ``array("h")``, in the machine's own byte order.
"""

from __future__ import annotations

import hashlib
import struct
import sys
import zlib
from array import array
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["FORMATS", "Sound", "Tags", "aiff", "au", "flac", "png", "wav"]

BLOCK = 4096
"""Samples per channel in one FLAC frame."""


@dataclass(frozen=True, slots=True)
class Sound:
    """What is to be heard."""

    samples: array[int]
    """Left and right in turn, each from -32768 to 32767."""
    rate: int = 44100
    """Samples per second and channel."""
    channels: int = 2

    @property
    def frames(self) -> int:
        """How many samples each channel has."""
        return len(self.samples) // self.channels

    @property
    def seconds(self) -> float:
        """How long it takes to hear it."""
        return self.frames / self.rate

    def pcm(self, order: str) -> bytes:
        """The samples as bytes, ``little`` or ``big`` end first."""
        if order == sys.byteorder:
            return self.samples.tobytes()
        swapped = array("h", self.samples)
        swapped.byteswap()
        return swapped.tobytes()


@dataclass(frozen=True, slots=True)
class Tags:
    """What a file says about its sound."""

    title: str
    artist: str
    album: str
    track: int
    tracks: int
    year: int
    genre: str = "Ambient"


# -- WAV ------------------------------------------------------------------------------------------------


def wav(sound: Sound, tags: Tags, cover: bytes | None = None) -> bytes:
    """A RIFF file; its tags stand twice, as an INFO list and as ID3, since programs read one or the other."""
    block = sound.channels * 2
    form = struct.pack("<HHIIHH", 1, sound.channels, sound.rate, sound.rate * block, block, 16)
    info = b"".join(
        _riff(key, text.encode() + b"\0")
        for key, text in (
            (b"INAM", tags.title),
            (b"IART", tags.artist),
            (b"IPRD", tags.album),
            (b"ITRK", str(tags.track)),
            (b"ICRD", str(tags.year)),
            (b"IGNR", tags.genre),
        )
    )
    body = b"".join(
        (
            _riff(b"fmt ", form),
            _riff(b"LIST", b"INFO" + info),
            _riff(b"data", sound.pcm("little")),
            _riff(b"id3 ", _id3(tags, cover)),
        )
    )
    return _riff(b"RIFF", b"WAVE" + body)


def _riff(key: bytes, body: bytes) -> bytes:
    return key + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


# -- AIFF -----------------------------------------------------------------------------------------------


def aiff(sound: Sound, tags: Tags, cover: bytes | None = None) -> bytes:
    """An AIFF file with an ID3 chunk."""
    common = struct.pack(">hIh", sound.channels, sound.frames, 16) + _extended(sound.rate)
    body = b"".join(
        (
            _iff(b"COMM", common),
            _iff(b"SSND", struct.pack(">II", 0, 0) + sound.pcm("big")),
            _iff(b"ID3 ", _id3(tags, cover)),
        )
    )
    return _iff(b"FORM", b"AIFF" + body)


def _iff(key: bytes, body: bytes) -> bytes:
    return key + struct.pack(">I", len(body)) + body + b"\0" * (len(body) % 2)


def _extended(number: int) -> bytes:
    """A positive whole number as the 80-bit floating point number that AIFF wants its rate in."""
    exponent = number.bit_length() - 1
    return struct.pack(">HQ", 16383 + exponent, number << (63 - exponent))


# -- AU -------------------------------------------------------------------------------------------------


def au(sound: Sound, tags: Tags, cover: bytes | None = None) -> bytes:
    """A Sun audio file. It has no tags, only a remark."""
    remark = f"{tags.artist} - {tags.title}".encode() + b"\0"
    remark += b"\0" * (-len(remark) % 8)
    pcm = sound.pcm("big")
    head = struct.pack(">4sIIIII", b".snd", 24 + len(remark), len(pcm), 3, sound.rate, sound.channels)
    return head + remark + pcm


# -- ID3 ------------------------------------------------------------------------------------------------


def _id3(tags: Tags, cover: bytes | None) -> bytes:
    """An ID3 tag of version 2.4, all texts in UTF-8."""
    frames = b"".join(
        _id3_frame(key, b"\x03" + text.encode())
        for key, text in (
            (b"TIT2", tags.title),
            (b"TPE1", tags.artist),
            (b"TALB", tags.album),
            (b"TRCK", f"{tags.track}/{tags.tracks}"),
            (b"TDRC", str(tags.year)),
            (b"TCON", tags.genre),
        )
    )
    if cover is not None:
        frames += _id3_frame(b"APIC", b"\x03image/png\0\x03\0" + cover)
    return b"ID3\x04\0\0" + _synchsafe(len(frames)) + frames


def _id3_frame(key: bytes, body: bytes) -> bytes:
    return key + _synchsafe(len(body)) + b"\0\0" + body


def _synchsafe(number: int) -> bytes:
    """Seven bits to a byte, so that no length looks like the start of an MPEG frame."""
    return bytes((number >> shift) & 0x7F for shift in (21, 14, 7, 0))


# -- FLAC -----------------------------------------------------------------------------------------------


def flac(sound: Sound, tags: Tags, cover: bytes | None = None) -> bytes:
    """A FLAC file whose samples stand as they are: quick to write, and every player reads it."""
    frames = list(_flac_frames(sound))
    sizes = [len(frame) for frame in frames] or [0]
    info = struct.pack(">HH", BLOCK, BLOCK) + min(sizes).to_bytes(3, "big") + max(sizes).to_bytes(3, "big")
    info += ((sound.rate << 44) | ((sound.channels - 1) << 41) | (15 << 36) | sound.frames).to_bytes(8, "big")
    info += hashlib.md5(sound.pcm("little"), usedforsecurity=False).digest()
    blocks = [(0, info), (4, _vorbis_comment(tags))]
    if cover is not None:
        blocks.append((6, _flac_picture(cover)))
    head = b"fLaC"
    for number, (kind, body) in enumerate(blocks):
        last = 0x80 if number == len(blocks) - 1 else 0
        head += bytes([last | kind]) + len(body).to_bytes(3, "big") + body
    return head + b"".join(frames)


def _flac_frames(sound: Sound) -> list[bytes]:
    rate_code = {44100: 9, 48000: 10, 22050: 6, 32000: 8}[sound.rate]
    channels = []
    for channel in range(sound.channels):
        samples = sound.samples[channel :: sound.channels]
        if sys.byteorder == "little":
            samples.byteswap()
        channels.append(samples.tobytes())
    frames = []
    for number, start in enumerate(range(0, sound.frames, BLOCK)):
        count = min(BLOCK, sound.frames - start)
        whole = count == BLOCK
        head = bytes([0xFF, 0xF8, ((12 if whole else 7) << 4) | rate_code, ((sound.channels - 1) << 4) | 8])
        head += _flac_number(number)
        if not whole:
            head += (count - 1).to_bytes(2, "big")
        head += bytes([_crc8(head)])
        frame = head + b"".join(_flac_subframe(pcm[start * 2 : (start + count) * 2]) for pcm in channels)
        frames.append(frame + _crc16(frame).to_bytes(2, "big"))
    return frames


def _flac_subframe(pcm: bytes) -> bytes:
    """One channel of one frame: a constant if it is one, such as silence, otherwise its samples verbatim."""
    if pcm == pcm[:2] * (len(pcm) // 2):
        return b"\x00" + pcm[:2]
    return b"\x02" + pcm


def _flac_number(number: int) -> bytes:
    """A frame's number in the manner of UTF-8."""
    return chr(number).encode("utf-8", "surrogatepass")


def _vorbis_comment(tags: Tags) -> bytes:
    comments = [
        f"TITLE={tags.title}",
        f"ARTIST={tags.artist}",
        f"ALBUM={tags.album}",
        f"TRACKNUMBER={tags.track}",
        f"TRACKTOTAL={tags.tracks}",
        f"DATE={tags.year}",
        f"GENRE={tags.genre}",
    ]
    return _counted("soulmesh") + struct.pack("<I", len(comments)) + b"".join(map(_counted, comments))


def _counted(text: str) -> bytes:
    raw = text.encode()
    return struct.pack("<I", len(raw)) + raw


def _flac_picture(cover: bytes) -> bytes:
    width, height = struct.unpack_from(">II", cover, 16)
    kind = b"image/png"
    return (
        struct.pack(">II", 3, len(kind))
        + kind
        + struct.pack(">IIIIII", 0, width, height, 24, 0, len(cover))
        + cover
    )


def _crc_table(polynomial: int, width: int) -> list[int]:
    top, mask = 1 << (width - 1), (1 << width) - 1
    table = []
    for byte in range(256):
        crc = byte << (width - 8)
        for _ in range(8):
            crc = ((crc << 1) ^ polynomial if crc & top else crc << 1) & mask
        table.append(crc)
    return table


CRC8 = _crc_table(0x07, 8)
CRC16 = _crc_table(0x8005, 16)
_wide_crc16: list[int] = []


def _crc8(data: bytes) -> int:
    crc = 0
    for byte in data:
        crc = CRC8[crc ^ byte]
    return crc


def _crc16(data: bytes) -> int:
    """The checksum of a frame, two bytes at a step: a sixteen-bit remainder swallows sixteen bits at once."""
    if not _wide_crc16:
        for word in range(65536):
            high = CRC16[word >> 8]
            _wide_crc16.append(((high << 8) & 0xFFFF) ^ CRC16[(high >> 8) ^ (word & 0xFF)])
    table = _wide_crc16
    # A leading zero does not change a remainder that begins at zero.
    words = array("H", data if len(data) % 2 == 0 else b"\0" + data)
    if sys.byteorder == "little":
        words.byteswap()
    crc = 0
    for word in words:
        crc = table[crc ^ word]
    return crc


# -- pictures -------------------------------------------------------------------------------------------


def png(width: int, height: int, colour: Callable[[int, int], tuple[int, int, int]]) -> bytes:
    """A picture whose pixel at column x and row y has the ``colour(x, y)``, red, green and blue to 255."""
    rows = b"".join(b"\0" + bytes(part for x in range(width) for part in colour(x, y)) for y in range(height))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (
            _png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
            _png_chunk(b"IDAT", zlib.compress(rows, 6)),
            _png_chunk(b"IEND", b""),
        )
    )


def _png_chunk(key: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + key + body + struct.pack(">I", zlib.crc32(key + body))


FORMATS: dict[str, Callable[[Sound, Tags, bytes | None], bytes]] = {
    "wav": wav,
    "aiff": aiff,
    "au": au,
    "flac": flac,
}
"""How to write a file, by its extension."""
