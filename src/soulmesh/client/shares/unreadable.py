"""What is wrong with an audio file that could not be read, in words for its owner.

The file itself is looked at, and not what a parser said of it: it may be a download that was
never finished, another kind of file under this name, or cut short.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import BinaryIO, Final

from soulmesh.errors import SoulmeshError

__all__ = ["DAMAGED", "MEANT", "NO_LENGTH", "UnreadableAudio", "looks_like", "skip_id3", "what_is_wrong"]

DAMAGED: Final = "its header is damaged"
NO_LENGTH: Final = "its header does not say how long it plays"
"""What is said where nothing better is known."""

LOOK_BYTES: Final = 64 * 1024
SMALL: Final = 64
"""No kind of audio file is as short as this many bytes."""

MP3: Final = "an MP3 file"
AAC: Final = "an AAC file"
OGG: Final = "an Ogg file"
FLAC: Final = "a FLAC file"
MP4: Final = "an MP4 file"
WAV: Final = "a WAV file"
AIFF: Final = "an AIFF file"
WMA: Final = "a WMA file"
APE: Final = "a Monkey's Audio file"
WAVPACK: Final = "a WavPack file"

MEANT: Final = {
    ".mp3": ("MP3", MP3),
    ".mp2": ("MP2", MP3),
    ".aac": ("AAC", AAC),
    ".ogg": ("Ogg", OGG),
    ".oga": ("Ogg", OGG),
    ".opus": ("Opus", OGG),
    ".spx": ("Speex", OGG),
    ".flac": ("FLAC", FLAC),
    ".m4a": ("MP4", MP4),
    ".m4b": ("MP4", MP4),
    ".wav": ("WAV", WAV),
    ".aif": ("AIFF", AIFF),
    ".aiff": ("AIFF", AIFF),
    ".aifc": ("AIFF", AIFF),
    ".wma": ("WMA", WMA),
    ".ape": ("Monkey's Audio", APE),
    ".wv": ("WavPack", WAVPACK),
}
"""What a file with this ending is meant to be, and what it has to look like for that."""

LOOKS: Final = tuple(
    (re.compile(pattern, re.DOTALL), looks)
    for pattern, looks in (
        (rb"fLaC", FLAC),
        (rb"OggS", OGG),
        (rb"(?:RIFF|RF64|BW64)....WAVE", WAV),
        (rb"FORM....AIF[FC]", AIFF),
        (rb"....ftyp", MP4),
        (rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11", WMA),
        (rb"MAC ", APE),
        (rb"wvpk", WAVPACK),
        # The layer tells them apart: none in AAC.
        (rb"\xff[\xf0\xf1\xf8\xf9]", AAC),
        (rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xff]", MP3),
        (rb"\xff\xd8\xff", "a picture (JPEG)"),
        (rb"\x89PNG", "a picture (PNG)"),
        (rb"GIF8", "a picture (GIF)"),
        (rb"RIFF....AVI ", "a film (AVI)"),
        (rb"\x1a\x45\xdf\xa3", "a film (Matroska)"),
        (rb"PK\x03\x04", "an archive (ZIP)"),
        (rb"Rar!", "an archive (RAR)"),
        (rb"7z\xbc\xaf", "an archive (7z)"),
        (rb"\x1f\x8b", "an archive (gzip)"),
        (rb"%PDF", "a document (PDF)"),
        (rb"\s*(?i:<!doctype html|<html)", "a web page"),
        (rb"[\t\n\r\x20-\x7e]{32}", "a text"),
    )
)
"""How a file begins, and what it looks like then."""


class UnreadableAudio(SoulmeshError):
    """A file has the name of an audio file, and nothing in it says how long it plays."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


def skip_id3(file: BinaryIO) -> int:
    """The offset behind any ID3v2 tags at the beginning."""
    offset = 0
    while True:
        file.seek(offset)
        head = file.read(10)
        if len(head) < 10 or head[:3] != b"ID3":
            return offset
        size = (head[6] & 127) << 21 | (head[7] & 127) << 14 | (head[8] & 127) << 7 | (head[9] & 127)
        offset += 10 + size + (10 if head[5] & 0x10 else 0)


def looks_like(start: bytes) -> str | None:
    """What a file is by its beginning (behind its tags), however it is called; None for what is not known."""
    return next((looks for pattern, looks in LOOKS if pattern.match(start)), None)


def what_is_wrong(file: BinaryIO, suffix: str, size: int) -> str | None:
    """Why a file that is meant to be of the kind ``suffix`` cannot be read; None where nothing is seen."""
    name, meant = MEANT[suffix]
    offset = skip_id3(file)
    if offset > size:
        return "the file is cut short: it ends inside its tags"
    file.seek(offset)
    start = file.read(LOOK_BYTES)
    if not start:
        return "there is nothing in it but tags"
    if not any(start):
        return "it begins with nothing but zeros, like a file that was never finished"
    looks = looks_like(start)
    if looks is None:
        return f"this is no {name} file"
    if looks != meant:
        return f"this is no {name} file: it looks like {looks}"
    if len(start) < SMALL or CUT[meant](file, offset, size):
        return "the file is cut short"
    return None


# Whether a file of each kind ends before it should


def _chunks_cut(file: BinaryIO, offset: int, size: int) -> bool:
    """RIFF and FORM: a name, a size, and as many bytes."""
    file.seek(offset)
    head = file.read(8)
    length = int.from_bytes(head[4:8], "little" if head[:1] in b"RB" else "big")
    return length != 0xFFFFFFFF and offset + 8 + length > size


def _atoms_cut(file: BinaryIO, offset: int, size: int) -> bool:
    """MP4: boxes one behind the other, each with its size in front."""
    while offset < size:
        file.seek(offset)
        head = file.read(16).ljust(16, b"\0")
        length = int.from_bytes(head[:4], "big")
        if length == 1:
            length = int.from_bytes(head[8:16], "big")
        if length == 0:  # to the end of the file
            return False
        if length < 8:
            return False
        offset += length
    return offset > size


def _blocks_cut(file: BinaryIO, offset: int, size: int) -> bool:
    """FLAC: blocks that say something of the music, and then the music."""
    offset += 4
    while True:
        file.seek(offset)
        head = file.read(4)
        if len(head) < 4:
            return True
        offset += 4 + int.from_bytes(head[1:4], "big")
        if head[0] & 0x80:
            return offset >= size


def _pages_cut(file: BinaryIO, offset: int, size: int) -> bool:
    """Ogg: pages, each with the sizes of its pieces in front; those that come last are looked at."""
    file.seek(max(offset, size - LOOK_BYTES))
    end = file.read()
    last = end.rfind(b"OggS")
    page = end[last:]
    if last < 0 or len(page) < 27:
        return True
    pieces = page[27 : 27 + page[26]]
    # The flag of the last page is there only when all of it is.
    return len(page) < 27 + len(pieces) + sum(pieces) or not page[5] & 4


def _objects_cut(file: BinaryIO, offset: int, size: int) -> bool:
    """WMA: objects, each with its size in 64 bits behind its name."""
    while offset < size:
        file.seek(offset + 16)
        head = file.read(8)
        length = int.from_bytes(head, "little")
        if len(head) < 8:
            return True
        if length < 24:
            return False
        offset += length
    return offset > size


def _wavpack_cut(file: BinaryIO, offset: int, size: int) -> bool:
    file.seek(offset + 4)
    return offset + 8 + int.from_bytes(file.read(4), "little") > size


def _ape_cut(file: BinaryIO, offset: int, size: int) -> bool:
    file.seek(offset)
    head = file.read(12)
    described = int.from_bytes(head[8:12], "little") if int.from_bytes(head[4:6], "little") >= 3980 else 32
    return offset + described + 24 > size


def _frames_cut(file: BinaryIO, offset: int, size: int) -> bool:
    """MP3 and AAC: nothing but frames, so there is one at least that is not all here."""
    return size - offset < 8192


CUT: Final[dict[str, Callable[[BinaryIO, int, int], bool]]] = {
    MP3: _frames_cut,
    AAC: _frames_cut,
    OGG: _pages_cut,
    FLAC: _blocks_cut,
    MP4: _atoms_cut,
    WAV: _chunks_cut,
    AIFF: _chunks_cut,
    WMA: _objects_cut,
    APE: _ape_cut,
    WAVPACK: _wavpack_cut,
}
