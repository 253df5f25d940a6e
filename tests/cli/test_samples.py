"""The audio that soulmesh makes can be played, says what it is, and is the same every time."""

from __future__ import annotations

import struct
import wave
import zlib
from array import array
from io import BytesIO
from pathlib import Path

import pytest
from tinytag import TinyTag

from soulmesh.cli.audio import FORMATS, Sound, Tags, aiff, au, flac, png, wav
from soulmesh.cli.samples import ALBUMS, make_library
from tests.support.flac import read as read_flac

TAGS = Tags("Fönn 雪", "Ásta", "Vetrarljós", 2, 9, 2018, "Folk")


def ramp(frames: int) -> Sound:
    return Sound(array("h", [(i * 37) % 65536 - 32768 for i in range(frames * 2)]))


def picture() -> bytes:
    return png(5, 3, lambda x, y: (x * 50, y * 80, 7))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    make_library(folder, length=0.2)
    return folder


@pytest.mark.parametrize("frames", [0, 1, 100, 4095, 4096, 4097, 10000])
def test_flac_of_any_length_decodes_to_the_very_samples(frames: int) -> None:
    sound = ramp(frames)
    found = read_flac(flac(sound, TAGS, picture()))
    assert (found.rate, found.channels, found.bits, found.frames) == (44100, 2, 16, frames)
    assert found.pcm == sound.pcm("little")
    assert found.picture == picture()
    assert found.comments == {
        "TITLE": "Fönn 雪",
        "ARTIST": "Ásta",
        "ALBUM": "Vetrarljós",
        "TRACKNUMBER": "2",
        "TRACKTOTAL": "9",
        "DATE": "2018",
        "GENRE": "Folk",
    }


def test_silence_takes_no_room_in_a_flac() -> None:
    data = flac(Sound(array("h", bytes(4 * 44100))), TAGS)
    assert len(data) < 1000
    found = read_flac(data)
    assert found.subframes == {0}
    assert found.pcm == bytes(4 * 44100)


def test_flac_frames_beyond_the_first_128_are_numbered_right() -> None:
    assert read_flac(flac(Sound(array("h", bytes(4 * 4096 * 130))), TAGS)).frames == 4096 * 130


def test_one_channel_is_a_flac_too() -> None:
    sound = Sound(array("h", range(5000)), rate=22050, channels=1)
    found = read_flac(flac(sound, TAGS))
    assert (found.channels, found.rate, found.pcm) == (1, 22050, sound.pcm("little"))


def test_wav_holds_the_very_samples() -> None:
    sound = ramp(1001)
    with wave.open(BytesIO(wav(sound, TAGS, picture()))) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (44100, 2, 2)
        assert file.readframes(2000) == sound.pcm("little")


def test_au_holds_the_very_samples_after_its_remark() -> None:
    sound = ramp(1001)
    data = au(sound, TAGS)
    magic, start, length, encoding, rate, channels = struct.unpack_from(">4sIIIII", data)
    assert (magic, length, encoding, rate, channels) == (b".snd", 4004, 3, 44100, 2)
    assert data[start:] == sound.pcm("big")
    assert data[24:start].rstrip(b"\0").decode() == "Ásta - Fönn 雪"


def test_aiff_holds_the_very_samples() -> None:
    sound = ramp(1001)
    data = aiff(sound, TAGS, picture())
    assert data[:4] == b"FORM"
    assert struct.unpack_from(">I", data, 4)[0] == len(data) - 8
    chunks, at = {}, 12
    while at < len(data):
        key, length = struct.unpack_from(">4sI", data, at)
        chunks[key] = data[at + 8 : at + 8 + length]
        at += 8 + length + length % 2
    assert chunks[b"SSND"][8:] == sound.pcm("big")
    assert chunks[b"COMM"] == struct.pack(">hIh", 2, 1001, 16) + bytes.fromhex("400eac44000000000000")


@pytest.mark.parametrize("extension", ["wav", "aiff", "flac"])
def test_a_tag_reader_finds_tags_cover_and_length(extension: str, tmp_path: Path) -> None:
    path = tmp_path / f"sound.{extension}"
    path.write_bytes(FORMATS[extension](ramp(44100), TAGS, picture()))
    found = TinyTag.get(path, image=True)
    assert found.duration == pytest.approx(1.0)
    assert (found.samplerate, found.channels) == (44100, 2)
    assert (found.title, found.artist, found.album) == (TAGS.title, TAGS.artist, TAGS.album)
    assert (found.track, found.year, found.genre) == (2, "2018", "Folk")
    assert found.images.any is not None
    assert found.images.any.data == picture()


def test_a_picture_has_its_pixels_and_sound_checksums() -> None:
    data = picture()
    at, body = 8, b""
    while at < len(data):
        length, key = struct.unpack_from(">I4s", data, at)
        chunk = data[at + 4 : at + 8 + length]
        assert zlib.crc32(chunk) == struct.unpack_from(">I", data, at + 8 + length)[0]
        if key == b"IDAT":
            body += chunk[4:]
        at += 12 + length
    rows = zlib.decompress(body)
    assert rows[:7] == bytes([0, 0, 0, 7, 50, 0, 7])
    assert len(rows) == 3 * 16


def test_the_library_has_several_artists_formats_and_scripts(library: Path) -> None:
    files = [path.relative_to(library) for path in library.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".flac", ".wav", ".aiff", ".au", ".png", ".nfo"}
    assert {path.parts[0] for path in files} == {album.artist for album in ALBUMS}
    assert any(not str(path).isascii() for path in files)


def test_every_track_of_the_library_is_as_long_as_it_should_be(tmp_path: Path) -> None:
    for sample in make_library(tmp_path, length=0.1):
        if sample.path.suffix == ".au":
            continue
        found = TinyTag.get(sample.path)
        assert found.duration == pytest.approx(sample.seconds, abs=0.01)
        assert found.title == sample.tags.title


def test_the_library_can_be_heard_and_does_not_clip(library: Path) -> None:
    for path in library.rglob("*.wav"):
        with wave.open(str(path)) as file:
            samples = array("h", file.readframes(file.getnframes()))
        assert 8000 < max(samples) < 32767
        assert min(samples) > -32768
        assert samples[0] == 0
        assert abs(samples[-1]) < 10


def test_one_seed_makes_one_library_and_another_makes_another(tmp_path: Path) -> None:
    first, again, other = tmp_path / "1", tmp_path / "2", tmp_path / "3"
    make_library(first, seed=1, length=0.05)
    make_library(again, seed=1, length=0.05)
    make_library(other, seed=2, length=0.05)
    for path in first.rglob("*"):
        if path.is_file():
            name = path.relative_to(first)
            assert path.read_bytes() == (again / name).read_bytes()
            if path.suffix != ".nfo":
                assert path.read_bytes() != (other / name).read_bytes()
