"""What is read of audio files, from bytes put together here by the formats' descriptions."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soulmesh.client.shares.audio import AUDIO_SUFFIXES, UnreadableAudio, audio_suffix, read_attributes
from tests.client.shares.support import write_wave

BITRATE, LENGTH, VBR, RATE, DEPTH = 0, 1, 2, 4, 5


def mp3_frame(kbits: int = 128, content: bytes = b"") -> bytes:
    """MPEG-1 layer III, 44.1 kHz, stereo, no padding."""
    rates = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
    size = 144_000 * kbits // 44_100
    return (bytes([0xFF, 0xFB, rates.index(kbits) << 4, 0x00]) + content).ljust(size, b"\0")


def tagged_frame(name: bytes, frames: int, size: int) -> bytes:
    return mp3_frame(128, bytes(32) + name + struct.pack(">III", 3, frames, size))


def id3(size: int) -> bytes:
    parts = bytes([size >> 21 & 127, size >> 14 & 127, size >> 7 & 127, size & 127])
    return b"ID3\4\0\0" + parts + b"\xff\xfb\x90\x00" * (size // 4) + bytes(size % 4)


def adts_frame(length: int = 300) -> bytes:
    """AAC LC, 44.1 kHz, stereo."""
    head = bytes([0xFF, 0xF1, 0x50, 0x80 | length >> 11, length >> 3 & 255, (length & 7) << 5 | 0x1F, 0xFC])
    return head.ljust(length, b"\0")


def ape(version: int = 3990) -> bytes:
    if version >= 3980:
        descriptor = struct.pack("<4sHHII", b"MAC ", version, 0, 52, 24).ljust(52, b"\0")
        return descriptor + struct.pack("<HHIIIHHI", 2000, 0, 73728 * 4, 1000, 10, 24, 2, 96000) + bytes(99)
    flags = 8 if version >= 3900 else 0
    return struct.pack("<4sHHHHIIIII", b"MAC ", version, 4000, flags, 2, 44100, 44, 0, 20, 500) + bytes(99)


def wavpack(flags: int = 1 | 9 << 23, samples: int = 441_000) -> bytes:
    return struct.pack("<4sIHBBIIIII", b"wvpk", 1000, 0x410, 0, 0, samples, 0, 22050, flags, 0).ljust(
        5000, b"\1"
    )


FRAMES = 1000
SECONDS = FRAMES * 1152 // 44_100
CONSTANT = {BITRATE: 128, LENGTH: SECONDS, VBR: 0}


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("plain.mp3", mp3_frame() * FRAMES, {BITRATE: 128, LENGTH: SECONDS, VBR: 0}),
        ("SHOUTED.MP3", mp3_frame() * FRAMES, {BITRATE: 128, LENGTH: SECONDS, VBR: 0}),
        ("tags.mp3", id3(70_001) + mp3_frame() * FRAMES, {BITRATE: 128, LENGTH: SECONDS, VBR: 0}),
        ("end.mp3", mp3_frame() * FRAMES + b"TAG".ljust(128, b"x"), {BITRATE: 128, LENGTH: SECONDS, VBR: 0}),
        ("noise.mp3", bytes(20_000) + b"\xff\xfb" * 9 + mp3_frame() * FRAMES, CONSTANT),
        (
            "info.mp3",
            tagged_frame(b"Info", FRAMES, 417 * FRAMES) + mp3_frame() * FRAMES,
            {BITRATE: 128, LENGTH: SECONDS, VBR: 0},
        ),
        (
            "low.mp3",
            tagged_frame(b"Info", FRAMES, 208 * FRAMES) + mp3_frame(64) * FRAMES,
            {BITRATE: 64, LENGTH: SECONDS, VBR: 0},
        ),
        (
            "xing.mp3",
            tagged_frame(b"Xing", FRAMES, 626 * FRAMES) + (mp3_frame(64) + mp3_frame(320)) * (FRAMES // 2),
            {BITRATE: 192, LENGTH: SECONDS, VBR: 1},
        ),
        (
            "vbri.mp3",
            mp3_frame(128, bytes(32) + b"VBRI" + bytes(6) + struct.pack(">II", 417 * FRAMES, FRAMES))
            + mp3_frame() * FRAMES,
            {BITRATE: 128, LENGTH: SECONDS, VBR: 1},
        ),
        ("vbr.mp3", (mp3_frame(64) + mp3_frame(320)) * (FRAMES // 2), {**CONSTANT, BITRATE: 192, VBR: 1}),
        (
            "quiet start.mp3",
            mp3_frame(32) * 200 + mp3_frame(320) * 5000,
            {BITRATE: 309, LENGTH: 5200 * 1152 // 44_100, VBR: 1},
        ),
        ("stream.aac", adts_frame() * 1000, {BITRATE: 103, LENGTH: 23}),
        ("long.aac", adts_frame() * 10_000, {BITRATE: 103, LENGTH: 232}),
        ("new.ape", ape(3990), {LENGTH: 27, RATE: 96000, DEPTH: 24}),
        ("old.ape", ape(3950), {LENGTH: 127, RATE: 44100, DEPTH: 24}),
        ("older.ape", id3(500) + ape(3800), {LENGTH: 31, RATE: 44100, DEPTH: 16}),
        ("16.wv", wavpack(), {BITRATE: 4, LENGTH: 10, RATE: 44100, DEPTH: 16}),
        ("20.wv", wavpack(2 | 4 << 13 | 10 << 23), {BITRATE: 4, LENGTH: 9, RATE: 48000, DEPTH: 20}),
    ],
)  # fmt: skip
def test_headers_tell_what_the_network_wants(
    tmp_path: Path, name: str, content: bytes, expected: dict[int, int]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    found = read_attributes(os.fsencode(path))
    if "quiet" in name:  # looked at here and there, so the figures are estimates
        assert found.keys() == expected.keys()
        assert found[LENGTH] == pytest.approx(expected[LENGTH], rel=0.05)
        assert found[VBR] == 1
    else:
        assert found == expected


def test_wave_files_are_lossless(tmp_path: Path) -> None:
    write_wave(tmp_path / "tone.wav", 3.5, 22050)
    assert read_attributes(os.fsencode(tmp_path / "tone.wav")) == {LENGTH: 3, RATE: 22050, DEPTH: 16}


def test_flac_in_ogg_without_a_length_is_measured_by_its_last_page(tmp_path: Path) -> None:
    info = (44_100 << 44 | 1 << 41 | 15 << 36).to_bytes(8, "big")
    packet = b"\x7fFLAC\1\0\0\1fLaC\0\0\0\x22" + bytes(10) + info + bytes(16)

    def page(kind: int, granule: int, number: int, body: bytes) -> bytes:
        head = struct.pack("<4sBBQIIIB", b"OggS", 0, kind, granule, 7, number, 0, 1)
        return head + bytes([len(body)]) + body

    path = tmp_path / "x.oga"
    path.write_bytes(page(2, 0, 0, packet) + page(0, 0, 1, b"\x84\0\0\0") + page(4, 441_000, 2, bytes(50)))
    assert read_attributes(os.fsencode(path)) == {LENGTH: 10, RATE: 44100, DEPTH: 16}


@pytest.mark.parametrize("suffix", sorted(AUDIO_SUFFIXES))
@pytest.mark.parametrize("content", [b"", b"\0", b"x" * 5000, b"\xff\xfb" * 3000, b"OggS" * 99, b"RIFF" * 99])
def test_a_file_that_is_no_audio_says_so(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"broken{suffix}"
    path.write_bytes(content)
    with pytest.raises(UnreadableAudio):
        read_attributes(os.fsencode(path))


STARTS = [
    mp3_frame(),
    tagged_frame(b"Xing", 5, 5),
    adts_frame(),
    ape(),
    ape(3900),
    wavpack(),
    b"fLaC\0\0\0\x22",
    b"OggS",
]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(sorted(AUDIO_SUFFIXES)),
    st.sampled_from(STARTS),
    st.binary(max_size=200),
    st.integers(0, 99),
)
def test_whatever_is_in_a_file_nothing_but_unreadable_is_raised(
    tmp_path: Path, suffix: str, start: bytes, rest: bytes, cut: int
) -> None:
    path = tmp_path / f"x{suffix}"
    path.write_bytes(start[: len(start) - cut] + rest)
    with suppress(UnreadableAudio):
        found = read_attributes(os.fsencode(path))
        assert all(0 <= value < 1 << 32 for value in found.values())


def test_only_names_of_audio_files_are_read() -> None:
    assert audio_suffix(b"a.MP3") == ".mp3"
    assert audio_suffix(b"caf\xe9.Flac") == ".flac"
    assert audio_suffix(b"cover.jpg") is None
    assert audio_suffix(b"mp3") is None
    assert audio_suffix(b"x.m\xe9") is None
    with pytest.raises(UnreadableAudio, match="no audio"):
        read_attributes(b"/nowhere/cover.jpg")
