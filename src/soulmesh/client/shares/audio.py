"""The attributes of audio files: bitrate, length, VBR, sample rate, bit depth.

Most kinds are read with tinytag. What it does not read (ADTS, Monkey's Audio,
WavPack) or does not tell (whether an MP3 is VBR) is read here, from the
headers alone. ``docs/decisions/0062-audio-attributes.md`` has the measurements.

Which attributes go with which kind (flows, "Attributes"): lossy files have
bitrate and length, MP3 also VBR; lossless ones length, sample rate and bit
depth; WavPack, which can be either, bitrate, length, sample rate and depth.
"""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from pathlib import PurePath
from typing import TYPE_CHECKING, BinaryIO, Final

from soulmesh.client.shares.chunks import fragments, packed_aiff, wave
from soulmesh.client.shares.unreadable import (
    AAC,
    AIFF,
    APE,
    DAMAGED,
    FLAC,
    MEANT,
    MP3,
    MP4,
    NO_LENGTH,
    OGG,
    WAV,
    WAVPACK,
    WMA,
    UnreadableAudio,
    looks_like,
    skip_id3,
    what_is_wrong,
)

if TYPE_CHECKING:
    from tinytag import TinyTag

__all__ = ["AUDIO_SUFFIXES", "DAMAGED", "audio_suffix", "read_attributes"]

BITRATE: Final = 0
LENGTH: Final = 1
VBR: Final = 2
SAMPLE_RATE: Final = 4
BIT_DEPTH: Final = 5

SEARCH_BYTES: Final = 256 * 1024
"""How far behind the tags the first audio frame may begin."""
SAMPLED_BYTES: Final = 1 << 20
"""How much of a stream without a length is looked at before the rest is estimated."""
SAMPLES: Final = 64
SAMPLE_BYTES: Final = 8 * 1024
"""...or, of MP3, at so many places, so much at each."""


# MPEG audio (ISO 11172-3, 13818-3), by version and layer

_V1: Final = {
    1: (0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_V2: Final = {
    1: (0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    3: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}

_Frame = tuple[int, int, int, int, int, int]
"""kbit/s, sample rate, samples in it, bytes in it, side information in bytes, what must stay the same."""


def _mpeg_frame(data: bytes, at: int) -> _Frame | None:
    """The frame whose header is at ``at``; None where there is no header."""
    if at + 4 > len(data) or data[at] != 0xFF:
        return None
    second, third, fourth = data[at + 1], data[at + 2], data[at + 3]
    version, layer = second >> 3 & 3, 4 - (second >> 1 & 3)
    rate_index, frequency_index = third >> 4, third >> 2 & 3
    if (
        second & 0xE0 != 0xE0
        or version == 1
        or layer == 4
        or rate_index in (0, 15)
        or frequency_index == 3
        or fourth & 3 == 2
    ):
        return None
    bitrate = (_V1 if version == 3 else _V2)[layer][rate_index]
    frequency = _RATES[version][frequency_index]
    padding = third >> 1 & 1
    if layer == 1:
        samples, size = 384, (12000 * bitrate // frequency + padding) * 4
    else:
        samples = 576 if layer == 3 and version != 3 else 1152
        size = samples * 125 * bitrate // frequency + padding
    mono = fourth >> 6 == 3
    side = (17 if mono else 32) if version == 3 else (9 if mono else 17)
    return bitrate, frequency, samples, size, side, second & 0xFE


def _mpeg(file: BinaryIO, size: int) -> dict[int, int]:
    offset = skip_id3(file)
    file.seek(offset)
    data = file.read(8192)
    at, frame = _first_frame(data)
    if frame is None and len(data) == 8192:
        data += file.read(SEARCH_BYTES)
        at, frame = _first_frame(data)
    if frame is None:
        raise UnreadableAudio(DAMAGED)
    bitrate, frequency, samples, frame_size, side, _ = frame
    audio = max(0, size - offset - at)

    tag = at + 4 + side
    name = data[tag : tag + 4]
    if name in (b"Xing", b"Info"):
        flags = int.from_bytes(data[tag + 4 : tag + 8])
        fields = iter(struct.unpack_from(">2I", data.ljust(tag + 16, b"\0"), tag + 8))
        frames = next(fields) if flags & 1 else 0
        stream = next(fields) if flags & 2 else audio
        if frames:
            seconds = frames * samples / frequency
            measured = max(0, min(stream, audio) - frame_size) * 8 / seconds / 1000
            # LAME calls its header "Info" in a constant stream, where each frame has the one bitrate;
            # its own frame may need a higher one to hold it.
            constant = name == b"Info"
            first = _mpeg_frame(data, at + frame_size)
            return {
                BITRATE: round(measured) if not constant else bitrate if first is None else first[0],
                LENGTH: int(seconds),
                VBR: int(not constant),
            }
    if data[at + 36 : at + 40] == b"VBRI" and len(data) >= at + 54:
        stream, frames = struct.unpack_from(">II", data, at + 46)
        if frames:
            seconds = frames * samples / frequency
            return {BITRATE: round(stream * 8 / seconds / 1000), LENGTH: int(seconds), VBR: 1}
    return _mpeg_without_header(file, size, frame, audio)


def _mpeg_without_header(file: BinaryIO, size: int, frame: _Frame, audio: int) -> dict[int, int]:
    """A stream that says nothing about itself: its frames are counted, or looked at here and there."""
    begin = size - audio
    file.seek(max(begin, size - 128))
    if file.read(3) == b"TAG":
        audio -= 128
    places = [0.0] if audio <= SAMPLED_BYTES else [(place + 0.5) / SAMPLES for place in range(SAMPLES)]
    rates = {frame[0]}
    spent = count = 0
    for place in places:
        file.seek(begin + int(audio * place))
        data = file.read(audio if audio <= SAMPLED_BYTES else SAMPLE_BYTES)
        at, found = _first_frame(data)
        while found is not None and at + found[3] <= len(data):
            rates.add(found[0])
            spent += found[3]
            count += 1
            at += found[3]
            found = _mpeg_frame(data, at)
    if not count:
        raise UnreadableAudio(DAMAGED)
    if len(rates) == 1:
        (rate,) = rates
        return {BITRATE: rate, LENGTH: int(audio * 8 / (rate * 1000)), VBR: 0}
    seconds = audio / spent * count * frame[2] / frame[1]
    return {BITRATE: round(audio * 8 / seconds / 1000), LENGTH: int(seconds), VBR: 1}


def _first_frame(data: bytes) -> tuple[int, _Frame | None]:
    """The first header that another one follows; chance alone makes one of the two easily."""
    at = data.find(b"\xff")
    while at >= 0:
        frame = _mpeg_frame(data, at)
        if frame is not None:
            following = at + frame[3]
            second = _mpeg_frame(data, following)
            if second is not None and second[5] == frame[5] and second[1] == frame[1]:
                return at, frame
            if second is None and len(data) - following in range(4) and at == 0:
                return at, frame
        at = data.find(b"\xff", at + 1)
    return -1, None


# ADTS: AAC without a container (ISO 13818-7)

_ADTS_RATES: Final = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350)


def _adts(file: BinaryIO, size: int) -> dict[int, int]:
    offset = skip_id3(file)
    file.seek(offset)
    data = file.read(SAMPLED_BYTES)
    at, blocks, rate = 0, 0, 0
    while at + 7 <= len(data) and data[at] == 0xFF and data[at + 1] & 0xF6 == 0xF0:
        index = data[at + 2] >> 2 & 15
        length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        if index >= len(_ADTS_RATES) or length < 7:
            break
        rate = _ADTS_RATES[index]
        blocks += (data[at + 6] & 3) + 1
        at += length
    if not blocks:
        raise UnreadableAudio(DAMAGED)
    seconds = blocks * 1024 / rate
    audio = at
    if at >= len(data) and len(data) == SAMPLED_BYTES:
        audio = size - offset
        seconds *= audio / at
    return {BITRATE: round(audio * 8 / seconds / 1000), LENGTH: int(seconds)}


# Monkey's Audio


def _monkeys(file: BinaryIO, size: int) -> dict[int, int]:
    offset = skip_id3(file)
    file.seek(offset)
    data = file.read(128).ljust(128, b"\0")
    if data[:4] != b"MAC ":
        raise UnreadableAudio(DAMAGED)
    version = int.from_bytes(data[4:6], "little")
    if version >= 3980:
        at = int.from_bytes(data[8:12], "little")
        file.seek(offset + at)
        header = file.read(24)
        if len(header) < 24:
            raise UnreadableAudio(DAMAGED)
        _, _, per_frame, last, frames, depth, _, rate = struct.unpack("<HHIIIHHI", header)
    else:
        level, flags, _, rate, _, _, frames, last = struct.unpack_from("<HHHIIIII", data, 6)
        depth = 8 if flags & 1 else 24 if flags & 8 else 16
        if version >= 3950:
            per_frame = 73728 * 4
        else:
            per_frame = 73728 if version >= 3900 or (version >= 3800 and level == 4000) else 9216
    if not rate or not frames:
        raise UnreadableAudio(NO_LENGTH)
    seconds = ((frames - 1) * per_frame + last) / rate
    return {LENGTH: int(seconds), SAMPLE_RATE: rate, BIT_DEPTH: depth}


# WavPack

_WAVPACK_RATES: Final = (
    6000,
    8000,
    9600,
    11025,
    12000,
    16000,
    22050,
    24000,
    32000,
    44100,
    48000,
    64000,
    88200,
    96000,
    192000,
)


def _wavpack(file: BinaryIO, size: int) -> dict[int, int]:
    offset = skip_id3(file)
    file.seek(offset)
    data = file.read(32)
    if len(data) < 32 or data[:4] != b"wvpk":
        raise UnreadableAudio(DAMAGED)
    samples, flags = int.from_bytes(data[12:16], "little"), int.from_bytes(data[24:28], "little")
    index = flags >> 23 & 15
    if samples == 0xFFFFFFFF or index >= len(_WAVPACK_RATES):
        raise UnreadableAudio(NO_LENGTH)
    rate = _WAVPACK_RATES[index]
    seconds = samples / rate
    if not seconds:
        raise UnreadableAudio(NO_LENGTH)
    depth = ((flags & 3) + 1) * 8 - (flags >> 13 & 31)
    return {
        BITRATE: round((size - offset) * 8 / seconds / 1000),
        LENGTH: int(seconds),
        SAMPLE_RATE: rate,
        BIT_DEPTH: depth,
    }


# All others


def _ogg(file: BinaryIO, size: int) -> dict[int, int]:
    # With the tags asked for, tinytag goes from them straight to the last page, which
    # takes half the time; the figures are the same.
    try:
        return _tagged(file, size, tags=True)
    except UnreadableAudio:
        # FLAC in Ogg, written as a stream, has no length in its header; the last page tells it.
        file.seek(0)
        start = file.read(256)
        at = start.find(b"fLaC")
        if at < 0 or len(start) < at + 8 + 18:
            raise
        packed = int.from_bytes(start[at + 18 : at + 26], "big")
        rate, depth = packed >> 44, (packed >> 36 & 31) + 1
        file.seek(max(0, size - SEARCH_BYTES))
        end = file.read()
        page = end.rfind(b"OggS")
        if page < 0 or not rate or len(end) < page + 14:
            raise
        samples = int.from_bytes(end[page + 6 : page + 14], "little")
        if not 0 < samples < 1 << 63:
            raise
        return {LENGTH: samples // rate, SAMPLE_RATE: rate, BIT_DEPTH: depth}


def _tag(file: BinaryIO, *, tags: bool = False) -> TinyTag:
    from tinytag import TinyTag
    from tinytag.tinytag import TinyTagException

    file.seek(0)
    try:
        return TinyTag.get(file_obj=file, tags=tags)
    except TinyTagException as error:
        # A header that is damaged may send the parser to where no file has anything.
        if isinstance(error.__cause__, OSError) and error.__cause__.errno != errno.EINVAL:
            raise error.__cause__ from None
        raise UnreadableAudio(DAMAGED) from error
    except ValueError as error:
        raise UnreadableAudio(DAMAGED) from error


def _told(tag: TinyTag, size: int) -> dict[int, int]:
    if not tag.duration or tag.duration <= 0:
        raise UnreadableAudio(NO_LENGTH)
    found = {LENGTH: int(tag.duration)}
    if tag.is_lossless:
        if tag.samplerate:
            found[SAMPLE_RATE] = int(tag.samplerate)
        if tag.bitdepth:
            found[BIT_DEPTH] = int(tag.bitdepth)
    else:
        bitrate = tag.bitrate or size * 8 / tag.duration / 1000
        found[BITRATE] = round(bitrate)
    return found


def _tagged(file: BinaryIO, size: int, *, tags: bool = False) -> dict[int, int]:
    return _told(_tag(file, tags=tags), size)


def _wave(file: BinaryIO, size: int) -> dict[int, int]:
    found = wave(file, size)
    if found.lossless:
        return {LENGTH: int(found.seconds), SAMPLE_RATE: found.rate, BIT_DEPTH: found.depth}
    return _packed(found.seconds, found.size)


def _aiff(file: BinaryIO, size: int) -> dict[int, int]:
    packed = packed_aiff(file, size)
    return _tagged(file, size) if packed is None else _packed(*packed)


def _mp4(file: BinaryIO, size: int) -> dict[int, int]:
    tag = _tag(file)
    if not tag.duration:
        found = fragments(file, size)
        if found is not None:
            tag.duration, media = found
            tag.bitrate = media * 8 / tag.duration / 1000
    return _told(tag, size)


def _packed(seconds: float, size: int) -> dict[int, int]:
    return {BITRATE: round(size * 8 / seconds / 1000), LENGTH: int(seconds)}


_READERS: Final[dict[str, Callable[[BinaryIO, int], dict[int, int]]]] = {
    MP3: _mpeg,
    AAC: _adts,
    APE: _monkeys,
    WAVPACK: _wavpack,
    OGG: _ogg,
    WAV: _wave,
    AIFF: _aiff,
    MP4: _mp4,
    FLAC: _tagged,
    WMA: _tagged,
}
"""Who reads what looks like this."""

AUDIO_SUFFIXES: Final = frozenset(MEANT)
"""How the names of those end that are read."""


def audio_suffix(name: bytes) -> str | None:
    """The end of a name if it is one of an audio file that can be read, in lower case."""
    dot = name.rfind(b".")
    if dot < 0:
        return None
    suffix = name[dot:].lower().decode("latin-1")
    return suffix if suffix in AUDIO_SUFFIXES else None


def read_attributes(path: bytes, name: bytes | None = None) -> dict[int, int]:
    """The attributes of an audio file, by their number.

    Args:
        name: what tells its kind, if that is not the path.

    Raises:
        UnreadableAudio: the file is damaged, empty or something else than its name says.
        OSError: it could not be read.
    """
    suffix = audio_suffix(path if name is None else name)
    if suffix is None:
        raise UnreadableAudio(f"{PurePath(path.decode('utf-8', 'replace')).suffix or 'this'} is no audio")
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        if not size:
            raise UnreadableAudio("the file is empty")
        try:
            # By what it is: many a file has the wrong name.
            file.seek(skip_id3(file))
            looks = looks_like(file.read(64))
            reader = _READERS.get(looks or "") or _READERS[MEANT[suffix][1]]
            file.seek(0)
            found = reader(file, size)
            if any(not 0 <= value < 1 << 32 for value in found.values()):
                raise UnreadableAudio(DAMAGED)
        except UnreadableAudio as error:
            raise UnreadableAudio(what_is_wrong(file, suffix, size) or error.reason) from error
        except (struct.error, ZeroDivisionError, IndexError, OverflowError, MemoryError) as error:
            raise UnreadableAudio(what_is_wrong(file, suffix, size) or DAMAGED) from error
    return found
