"""Is a finished audio file whole? Looked at from its own head, and if that is wanted by decoding it."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import struct
from pathlib import Path

from soulmesh.net.child import Child
from soulmesh.net.world import Disk, ReadFile
from soulmesh.wire import raw

__all__ = ["broken_audio", "broken_sound"]

log = logging.getLogger(__name__)

LENGTH_TOLERANCE = 3.0
"""Seconds by which a file may be longer or shorter than a search told: programs round, and some guess."""
_LONGEST_COMPLAINT = 1 << 16
_GUESSED = frozenset({".aac"})
DECODE_WITHIN = 300.0
"""Seconds for decoding one file; what takes longer is left unchecked."""


async def broken_audio(disk: Disk, path: Path, name: str, length: int | None = None) -> str | None:
    """What is wrong with the file, in words; ``None`` if nothing was found or nothing is known of its kind.

    FLAC: head and samples announced. WAV and AIFF: the length that the container states against the
    length of the file. All kinds that we can read: how long it plays against ``length``, the seconds
    that its owner told.
    """
    ext = name.rpartition(".")[2].lower()
    if ext not in ("flac", "wav", "aif", "aiff"):
        return await _other_length(path, name, length)
    file = await disk.open_read(path)
    try:
        head = await file.read(0, 64)
        if ext == "flac":
            return await _flac(file, head, length)
        wrong = _container(head, file.size, "WAV" if ext == "wav" else "AIFF")
    finally:
        await file.close()
    return wrong or await _other_length(path, name, length)


async def _other_length(path: Path, name: str, told: int | None) -> str | None:
    """Whether the file plays as long as was told, in words if it does not.

    Not where programs guess: a stream without a length of its own, or an MP3 of changing bitrate, of
    which some know only how the first frame is.
    """
    # Here, not above: whoever compares nothing need not load the index of shares.
    from soulmesh.client.shares.audio import LENGTH, VBR, audio_suffix, read_attributes
    from soulmesh.client.shares.unreadable import UnreadableAudio

    kind = audio_suffix(raw(name))
    if not told or kind is None or kind in _GUESSED:
        return None
    try:
        found = await asyncio.to_thread(read_attributes, os.fsencode(path), raw(name))
    except (UnreadableAudio, OSError):
        return None
    if found.get(VBR) or abs(found[LENGTH] - told) <= LENGTH_TOLERANCE:
        return None
    return f"{kind[1:].upper()} of {found[LENGTH]} seconds, {told} were promised"


def _container(head: bytes, size: int, kind: str) -> str | None:
    magic, order = (b"RIFF", "<") if kind == "WAV" else (b"FORM", ">")
    if len(head) < 12 or head[:4] not in (magic, b"RF64"):
        return f"it does not begin like a {kind} file"
    [stated] = struct.unpack(f"{order}I", head[4:8])
    # 0 and all ones are written by recorders that did not know the length.
    if stated not in (0, 0xFFFFFFFF) and stated + 8 > size + 1:
        return f"{kind} of {stated + 8} bytes, only {size} are there"
    return None


async def _flac(file: ReadFile, head: bytes, told: int | None) -> str | None:
    offset = 0
    if head[:3] == b"ID3" and len(head) >= 10:
        length = (head[6] << 21) | (head[7] << 14) | (head[8] << 7) | head[9]
        offset = length + 10
        head = await file.read(offset, 64)
    if head[:4] != b"fLaC" or len(head) < 42 or head[4] & 0x7F:
        return "it does not begin like a FLAC file"
    smallest_frame = int.from_bytes(head[12:15], "big")
    packed = int.from_bytes(head[18:26], "big")
    samples, rate = packed & ((1 << 36) - 1), packed >> 44
    if told and samples and rate and abs(samples / rate - told) > LENGTH_TOLERANCE:
        return f"FLAC of {round(samples / rate)} seconds, {told} were promised"
    block = int.from_bytes(head[10:12], "big")
    # Walk over the other metadata to where the sound begins.
    position = offset + 4
    while True:
        mark = await file.read(position, 4)
        if len(mark) < 4:
            return "FLAC metadata reach beyond the end of the file"
        position += 4 + int.from_bytes(mark[1:4], "big")
        if mark[0] & 0x80:
            break
    frame = await file.read(position, 2)
    if samples and (len(frame) < 2 or frame[0] != 0xFF or frame[1] & 0xFC != 0xF8):
        return "no sound follows the FLAC metadata"
    if samples and block and smallest_frame:
        frames = -(-samples // block)
        if (frames - 1) * smallest_frame > file.size - position:
            return f"FLAC of {samples} samples is cut short"
    return None


async def broken_sound(path: Path, name: str) -> str | None:
    """Whether the sound of a FLAC file is what its MD5 says, in words if it is not.

    The program ``flac`` decodes it, below everything else that the machine
    does. Without that program, or when it takes too long, nothing is known.
    """
    if name.rpartition(".")[2].lower() != "flac":
        return None
    program = shutil.which("flac")
    if program is None:
        log.warning("finished FLAC files are not decoded: the program flac is not installed")
        return None
    command = [program, "--test", "--silent", "--warnings-as-errors", "--", str(path)]
    if (nice := shutil.which("nice")) is not None:
        command = [nice, *command]
    try:
        async with asyncio.timeout(DECODE_WITHIN), Child(command, listen="stderr") as child:
            said = await child.tail(_LONGEST_COMPLAINT)
            status = await child.wait()
    except TimeoutError:
        log.warning("%s was not decoded within %g seconds", path, DECODE_WITHIN)
        return None
    if status == 0 or b"cannot check MD5" in said:
        return None
    lines = said.decode("utf-8", "replace").split("\n")
    reason = next((line.rpartition("ERROR")[2].strip(" ,:") for line in lines if "ERROR" in line), "")
    return f"its sound is not what it was: {reason}" if reason else "its sound cannot be decoded"
