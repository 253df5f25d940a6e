"""What is read of audio files, from bytes put together here by the formats' descriptions."""

from __future__ import annotations

import os
import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soulmesh.client.shares.audio import AUDIO_SUFFIXES, audio_suffix, read_attributes
from soulmesh.client.shares.unreadable import UnreadableAudio
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


@pytest.mark.parametrize("left", [0.1, 0.5, 1.0])
def test_a_wave_file_that_is_cut_short_plays_for_as_long_as_there_is_something(
    tmp_path: Path, left: float
) -> None:
    whole = tmp_path / "whole.wav"
    write_wave(whole, 40.0)
    data = whole.read_bytes()
    path = tmp_path / "cut.wav"
    path.write_bytes(data[: 44 + int((len(data) - 44) * left)])
    assert read_attributes(os.fsencode(path)) == {LENGTH: int(40 * left), RATE: 8000, DEPTH: 16}


def test_a_wave_file_that_was_streamed_says_nothing_of_its_length_and_is_measured(tmp_path: Path) -> None:
    path = tmp_path / "stream.wav"
    write_wave(path, 3.0)
    data = bytearray(path.read_bytes())
    data[4:8] = data[40:44] = b"\xff" * 4
    path.write_bytes(data)
    assert read_attributes(os.fsencode(path)) == {LENGTH: 3, RATE: 8000, DEPTH: 16}


def test_a_wave_file_of_another_codec_is_measured_by_its_samples(tmp_path: Path) -> None:
    form = struct.pack("<HHIIHH", 0x11, 1, 8000, 4055, 256, 4)  # ADPCM
    chunks = b"fmt " + struct.pack("<I", 16) + form + b"fact" + struct.pack("<II", 4, 80_000)
    chunks += b"LIST" + struct.pack("<I", 3) + b"abc\0" + b"data" + struct.pack("<I", 40_000)
    path = tmp_path / "adpcm.wav"
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(chunks) + 40_000) + b"WAVE" + chunks + bytes(40_000))
    assert read_attributes(os.fsencode(path)) == {BITRATE: 32, LENGTH: 10}
    path.write_bytes(path.read_bytes()[:-20_000])
    assert read_attributes(os.fsencode(path)) == {BITRATE: 32, LENGTH: 5}


def box(name: bytes, *content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, content)), name) + b"".join(content)


def fragmented(*fragments: bytes) -> bytes:
    """MP4 as streams are kept: a head that says nothing of the length, and fragments."""
    media = box(b"mdhd", bytes(12), struct.pack(">II", 44_100, 0), bytes(4))
    kind = box(b"hdlr", bytes(8), b"soun", bytes(13))
    track = box(b"trak", box(b"mdia", media, kind))
    usual = box(b"mvex", box(b"trex", struct.pack(">IIIIII", 0, 1, 1, 1024, 0, 0)))
    return box(b"ftyp", b"M4A \0\0\0\0") + box(b"moov", track, usual) + b"".join(fragments)


def fragment(begin: int, *samples: int, head: bytes = struct.pack(">II", 0, 1)) -> bytes:
    """Samples take as long as ``head`` or the head of the file says, or as long as they say."""
    if len(set(samples)) > 1:
        run = struct.pack(">III", 0x301, len(samples), 0) + b"".join(
            struct.pack(">II", s, 9) for s in samples
        )
    else:
        run = struct.pack(">III", 1, len(samples), 0)
    when = box(b"tfdt", struct.pack(">IQ", 1 << 24, begin))
    return box(b"moof", box(b"traf", box(b"tfhd", head), when, box(b"trun", run))) + box(
        b"mdat", bytes(22_050)
    )


@pytest.mark.parametrize(
    ("last", "seconds"),
    [
        (fragment(441_000, *[1024] * 44), 11),
        (fragment(441_000, *[88_200, 44_100] * 2), 16),
        (fragment(441_000, 7, 7, head=struct.pack(">III", 8, 1, 44_100)), 12),
        (fragment(441_000, 7, 7, head=struct.pack(">IIQII", 0xB, 1, 0, 1, 88_200)), 14),
    ],
)
def test_an_mp4_file_in_fragments_plays_until_the_last_one_ends(
    tmp_path: Path, last: bytes, seconds: int
) -> None:
    path = tmp_path / "stream.m4a"
    path.write_bytes(fragmented(fragment(0, *[1024] * 430), last))
    found = read_attributes(os.fsencode(path))
    assert (found[LENGTH], found.keys()) == (seconds, {LENGTH, BITRATE})
    # The last one is not all there.
    path.write_bytes(path.read_bytes()[:-9000])
    assert read_attributes(os.fsencode(path))[LENGTH] == seconds


def test_packed_aiff_counts_packets_of_64_samples(tmp_path: Path) -> None:
    rate = (16_383 + 15).to_bytes(2, "big") + (44_100 << 48).to_bytes(8, "big")
    about = struct.pack(">HIH", 1, 6891, 16) + rate + b"ima4\0\0"
    chunks = b"COMM" + struct.pack(">I", len(about)) + about
    chunks += b"SSND" + struct.pack(">I", 8 + 6891 * 34) + bytes(8 + 6891 * 34)
    path = tmp_path / "packed.aifc"
    path.write_bytes(b"FORM" + struct.pack(">I", 4 + len(chunks)) + b"AIFC" + chunks)
    assert read_attributes(os.fsencode(path)) == {BITRATE: 187, LENGTH: 10}


def test_a_file_is_read_by_what_it_is_and_not_by_its_name(tmp_path: Path) -> None:
    for name, content, expected in (
        ("a.m4a", adts_frame() * 1000, {BITRATE: 103, LENGTH: 23}),
        ("a.mp3", flac(441_000), {LENGTH: 10, RATE: 44100, DEPTH: 16}),
        ("a.flac", id3(500) + mp3_frame() * FRAMES, CONSTANT),
        ("a.ogg", wavpack(), {BITRATE: 4, LENGTH: 10, RATE: 44100, DEPTH: 16}),
        ("a.wav", ape(), {LENGTH: 27, RATE: 96000, DEPTH: 24}),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        assert read_attributes(os.fsencode(path)) == expected


def flac(samples: int, behind: bytes = b"\xff\xf8" + bytes(98)) -> bytes:
    facts = (44_100 << 44 | 1 << 41 | 15 << 36 | samples).to_bytes(8, "big")
    return b"fLaC\x80\0\0\x22" + bytes(10) + facts + bytes(16) + behind


def page(flags: int, body: bytes = bytes(200)) -> bytes:
    return struct.pack("<4sBBQIIIB", b"OggS", 0, flags, 0, 7, 0, 0, 1) + bytes([len(body)]) + body


ZEROS = "it begins with nothing but zeros, like a file that was never finished"
ASF = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
CUT = "the file is cut short"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.flac", b"", "the file is empty"),
        ("a.flac", bytes(9000), ZEROS),
        (
            "a.mp3",
            id3(500) + bytes(9000),
            "it begins with nothing but zeros, like a file that was never finished",
        ),
        ("a.mp3", id3(500), "there is nothing in it but tags"),
        ("a.mp3", id3(500)[:300], "the file is cut short: it ends inside its tags"),
        ("a.mp3", b"\x93" * 5000, "this is no MP3 file"),
        ("a.mp3", flac(0), "this is no MP3 file: it looks like a FLAC file"),
        (
            "a.ape",
            b"RIFF\0\1\0\0WAVE" + bytes(99),
            "this is no Monkey's Audio file: it looks like a WAV file",
        ),
        ("a.opus", b"\0\0\0\x20ftypM4A " + bytes(99), "this is no Opus file: it looks like an MP4 file"),
        ("a.wv", mp3_frame()[:300], "this is no WavPack file: it looks like an MP3 file"),
        ("a.flac", b"\xff\xd8\xff\xe0" + bytes(99), "this is no FLAC file: it looks like a picture (JPEG)"),
        ("a.flac", b"<!DOCTYPE html><p>404", "this is no FLAC file: it looks like a web page"),
        ("a.wav", b"It was a dark and stormy night, and " * 9, "this is no WAV file: it looks like a text"),
        ("a.flac", flac(441_000)[:20], CUT),
        ("a.flac", flac(0, b""), CUT),
        ("a.flac", flac(0), "its header does not say how long it plays"),
        ("a.ogg", page(2)[:150], CUT),
        ("a.opus", page(2) + page(0), CUT),
        ("a.m4a", b"\0\0\0\x20ftypM4A ".ljust(32, b"\0") + b"\0\0\x20\0mdat" + bytes(99), CUT),
        ("a.aiff", b"FORM\0\0\x20\0AIFF" + bytes(99), CUT),
        ("a.wav", b"RIFF\0\x20\0\0WAVE" + bytes(99), CUT),
        ("a.wav", b"RIFF\x67\0\0\0WAVE" + bytes(99), "its header is damaged"),
        ("a.wma", ASF + struct.pack("<QIBB", 5000, 7, 1, 2) + bytes(99), CUT),
        ("a.ape", ape()[:60], CUT),
        ("a.wv", wavpack()[:30], CUT),
        ("a.wv", wavpack(samples=0xFFFFFFFF), "its header does not say how long it plays"),
        ("a.mp3", mp3_frame()[:200], CUT),
        ("a.aac", adts_frame()[:6], CUT),
    ],
)
def test_what_is_wrong_with_a_file_is_said_in_plain_words(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UnreadableAudio) as error:
        read_attributes(os.fsencode(path))
    assert str(error.value) == reason


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
