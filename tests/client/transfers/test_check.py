"""Is a finished audio file whole?"""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from soulmesh.client.transfers.check import broken_audio, broken_sound
from soulmesh.core.transfer import State
from soulmesh.net.disk import RealDisk
from tests.client.shares.support import write_wave
from tests.client.transfers.street import street, until
from tests.support.loops import real, virtual


def wav(stated: int, real: int) -> bytes:
    return b"RIFF" + struct.pack("<I", stated) + b"WAVEfmt " + bytes(real)


def flac(samples: int, sound: int, *, smallest: int = 100) -> bytes:
    info = (4096).to_bytes(2, "big") * 2 + smallest.to_bytes(3, "big") + bytes(3)
    info += ((44100 << 44) | (1 << 41) | (15 << 36) | samples).to_bytes(8, "big") + bytes(16)
    return b"fLaC" + bytes([0x80]) + len(info).to_bytes(3, "big") + info + b"\xff\xf8" + bytes(sound)


@pytest.mark.parametrize(
    ("name", "content", "broken"),
    [
        ("a.wav", wav(100, 92), None),
        ("a.wav", wav(1000, 92), "WAV of 1008 bytes, only 108 are there"),
        ("a.wav", wav(0xFFFFFFFF, 92), None),
        ("a.wav", b"no", "it does not begin like a WAV file"),
        ("a.aiff", b"FORM" + struct.pack(">I", 20) + bytes(20), None),
        ("a.flac", flac(4096 * 10, 2000), None),
        ("a.flac", flac(4096 * 100, 500), "FLAC of 409600 samples is cut short"),
        ("a.flac", flac(4096, 0)[:-2], "no sound follows the FLAC metadata"),
        ("a.flac", b"ID3" + bytes(6) + b"\x05" + bytes(5) + flac(4096, 500), None),
        ("a.flac", b"fLaC" + bytes([0]) + b"\xff\xff\xff" + bytes(60), "FLAC metadata reach beyond the end"),
        ("a.flac", bytes(100), "it does not begin like a FLAC file"),
        ("a.mp3", b"anything", None),
    ],
)
@virtual
async def test_files_are_compared_with_what_their_heads_say(
    tmp_path: Path, name: str, content: bytes, broken: str | None
) -> None:
    (tmp_path / "f").write_bytes(content)
    found = await broken_audio(RealDisk(), tmp_path / "f", name)
    assert found == broken or (broken is not None and found is not None and broken in found)


@pytest.mark.parametrize("name", ["a.wav", "A.WAV"])
@virtual
async def test_a_file_that_plays_longer_or_shorter_than_was_told_is_another(
    tmp_path: Path, name: str
) -> None:
    write_wave(tmp_path / "f", 20)
    disk, path = RealDisk(), tmp_path / "f"
    assert await broken_audio(disk, path, name, 22) is None
    assert await broken_audio(disk, path, name, None) is None
    assert await broken_audio(disk, path, name, 60) == "WAV of 20 seconds, 60 were promised"
    assert await broken_audio(disk, path, name, 10) == "WAV of 20 seconds, 10 were promised"


def mp3(*bitrates: int) -> bytes:
    """Frames of MPEG 1, layer III, 44.1 kHz: 38 of them play a second."""
    kinds = {128: 9, 64: 5}
    frames = [
        bytes([0xFF, 0xFB, kinds[rate] << 4, 0xC4]) + bytes(144_000 * rate // 44_100 - 4) for rate in bitrates
    ]
    return b"".join(frames)


@virtual
async def test_an_mp3_is_compared_unless_its_length_is_a_guess(tmp_path: Path) -> None:
    disk, path = RealDisk(), tmp_path / "f"
    path.write_bytes(mp3(*[128] * 380))
    assert await broken_audio(disk, path, "a.mp3", 10) is None
    assert await broken_audio(disk, path, "a.mp3", 60) == "MP3 of 9 seconds, 60 were promised"
    # Of a changing bitrate some programs know the first frame alone.
    path.write_bytes(mp3(*[128, 64] * 190))
    assert await broken_audio(disk, path, "a.mp3", 60) is None
    path.write_bytes(b"anything")
    assert await broken_audio(disk, path, "a.mp3", 60) is None


@virtual
async def test_a_broken_file_goes_to_quarantine_and_waits_for_a_person(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann", verify=True), await there.move_in("eve")
        bad = await ann.transfers.download("eve", eve.share(r"a\bad.wav", wav(1000, 92)))
        await until(bad, State.FAILED)
        assert bad.reason == "the file is broken: WAV of 1008 bytes, only 108 are there"
        assert not (ann.downloads / "a").exists()
        good = await ann.transfers.download("eve", eve.share(r"a\good.wav", wav(100, 92)))
        await good.wait()


@virtual
async def test_a_flac_that_is_not_as_long_as_the_search_said_is_broken(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann", verify=True), await there.move_in("eve")
        content = flac(44_100 * 10, 20_000)
        cut = eve.share(r"a\cut.flac", content)
        bad = await ann.transfers.download("eve", cut, len(content), more={"length": 240})
        await until(bad, State.FAILED)
        assert bad.reason == "the file is broken: FLAC of 10 seconds, 240 were promised"
        # Programs round in their own ways, and most say nothing.
        for number, length in enumerate((11, 8, None)):
            path = eve.share(f"a\\{number}.flac", content)
            good = await ann.transfers.download("eve", path, len(content), more={"length": length})
            await good.wait()


@virtual
async def test_what_another_program_orders_keeps_size_and_length(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann = await there.move_in("ann")
        order = {"verb": "download", "username": "eve", "path": b"a\\b.flac".hex()}
        await ann.transfers.obey({**order, "size": 5, "length": 240, "into": str(tmp_path / "here")})
        [transfer] = ann.transfers
        assert (transfer.size, transfer.more["length"]) == (5, 240)
        assert transfer.more["downloads"] == str(tmp_path / "here")


def recorded(folder: Path) -> Path:
    """A second of sound, as the program flac writes it."""
    if shutil.which("flac") is None:
        pytest.skip("the program flac is not installed")
    samples = b"".join(struct.pack("<h", (n * 37) % 20_000 - 10_000) for n in range(44_100))
    raw, target = folder / "sound.raw", folder / "sound.flac"
    raw.write_bytes(samples)
    shape = ["--force-raw-format", "--endian=little", "--sign=signed", "--channels=1", "--bps=16"]
    subprocess.run(
        ["flac", "--silent", *shape, "--sample-rate=44100", "-o", target, raw], check=True, timeout=30
    )
    return target


@real
async def test_sound_is_decoded_and_compared_with_its_md5(tmp_path: Path) -> None:
    sound = recorded(tmp_path)
    assert await broken_sound(sound, "sound.flac") is None
    content = bytearray(sound.read_bytes())
    # The MD5 stands at the end of the first block of metadata, which begins at byte 8.
    wrong = tmp_path / "wrong.flac"
    wrong.write_bytes(content[:26] + bytes([content[26] ^ 1]) + content[27:])
    assert await broken_sound(wrong, "wrong.flac") == "its sound is not what it was: MD5 signature mismatch"
    # Without MD5 there is nothing to compare with.
    wrong.write_bytes(content[:26] + bytes(16) + content[42:])
    assert await broken_sound(wrong, "wrong.flac") is None
    # A bit of the sound itself.
    content[len(content) // 2] ^= 4
    wrong.write_bytes(content)
    assert "its sound" in str(await broken_sound(wrong, "wrong.flac"))
    assert await broken_sound(wrong, "wrong.mp3") is None


@real
async def test_without_the_program_nothing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert await broken_sound(tmp_path / "any.flac", "any.flac") is None


@real
async def test_a_decoder_that_never_ends_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "flac"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr("soulmesh.client.transfers.check.DECODE_WITHIN", 0.1)
    assert await broken_sound(tmp_path / "any.flac", "any.flac") is None


@real
async def test_a_file_whose_sound_is_wrong_goes_to_quarantine(tmp_path: Path) -> None:
    sound = recorded(tmp_path)
    content = bytearray(sound.read_bytes())
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann", decode=True), await there.move_in("eve")
        good = await ann.transfers.download("eve", eve.share(r"a\good.flac", bytes(content)))
        await good.wait()
        content[30] ^= 1
        bad = await ann.transfers.download("eve", eve.share(r"a\bad.flac", bytes(content)))
        await until(bad, State.FAILED)
        assert bad.reason == "the file is broken: its sound is not what it was: MD5 signature mismatch"
        assert [path.name for path in (ann.downloads / "a").iterdir()] == ["good.flac"]
