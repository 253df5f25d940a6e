#!/usr/bin/env python3
"""What we read of audio files, beside what ffprobe says of the same files.

    python benchmarks/attributes.py                 files of every kind, made with ffmpeg
    python benchmarks/attributes.py ~/Music         your own
    python benchmarks/attributes.py --different     only where the two do not agree

ffprobe tells what a stream holds, the network wants what is in flows.rst, "Attributes": whole seconds, and
which figures go with which kind. Two answers agree when seconds are equal (both cut), sample rate and depth
are equal where the network wants them, and bitrates differ by less than two in a hundred. For kinds without
a bitrate of their own in the header, ffprobe's figure for the whole file counts. Ends with 1 when something
differs.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "src"))

from soulmesh.client.shares.audio import audio_suffix, read_attributes  # noqa: E402
from soulmesh.client.shares.unreadable import UnreadableAudio  # noqa: E402

# kind: (file name, options of ffmpeg)
MADE = (
    ("mp3 constant.mp3", "-c:a libmp3lame -b:a 192k"),
    ("mp3 constant, no header.mp3", "-c:a libmp3lame -b:a 192k -write_xing 0"),
    ("mp3 variable.mp3", "-c:a libmp3lame -q:a 2"),
    ("mp3 variable, no header.mp3", "-c:a libmp3lame -q:a 2 -write_xing 0"),
    ("mp3 average.mp3", "-c:a libmp3lame -b:a 160k -abr 1"),
    ("mp3 22 kHz mono.mp3", "-c:a libmp3lame -b:a 64k -ar 22050 -ac 1"),
    ("mp3 8 kHz.mp3", "-c:a libmp3lame -b:a 16k -ar 8000 -ac 1"),
    ("mp3 with a picture.mp3", "-c:a libmp3lame -b:a 128k -metadata comment=" + "x" * 60_000),
    ("mpeg layer 2.mp2", "-c:a mp2 -b:a 192k"),
    ("flac 16.flac", "-c:a flac -sample_fmt s16"),
    ("flac 24.flac", "-c:a flac -sample_fmt s32 -bits_per_raw_sample 24 -ar 96000"),
    ("vorbis.ogg", "-c:a libvorbis -q:a 5"),
    ("vorbis mono.ogg", "-c:a libvorbis -q:a 1 -ac 1"),
    ("flac in ogg.oga", "-c:a flac -sample_fmt s16"),
    ("opus.opus", "-c:a libopus -b:a 96k"),
    ("opus in ogg.ogg", "-c:a libopus -b:a 48k -ac 1"),
    ("speex.spx", "-c:a libspeex -ar 16000 -ac 1"),
    ("aac in mp4.m4a", "-c:a aac -b:a 160k"),
    ("aac in mp4, streamed.m4a", "-c:a aac -b:a 160k -movflags +faststart"),
    ("apple lossless.m4a", "-c:a alac -sample_fmt s16p"),
    ("apple lossless 24.m4a", "-c:a alac -sample_fmt s32p"),
    ("audiobook.m4b", "-c:a aac -b:a 64k -f ipod"),
    ("adts.aac", "-c:a aac -b:a 128k"),
    ("wave 16.wav", "-c:a pcm_s16le"),
    ("wave 24.wav", "-c:a pcm_s24le -ar 96000"),
    ("wave 8.wav", "-c:a pcm_u8 -ar 11025"),
    ("wave float.wav", "-c:a pcm_f32le"),
    ("aiff 16.aiff", "-c:a pcm_s16be"),
    ("aiff 24.aif", "-c:a pcm_s24be"),
    ("aiff compressed header.aifc", "-c:a pcm_s16le -f aiff"),
    ("windows media.wma", "-c:a wmav2 -b:a 128k"),
    ("windows media 1.wma", "-c:a wmav1 -b:a 64k"),
    ("wavpack.wv", "-c:a wavpack -sample_fmt s16p"),
    ("wavpack 24.wv", "-c:a wavpack -sample_fmt s32p -ar 96000"),
)

KEYS = ((0, "kbit/s"), (1, "s"), (2, "VBR"), (4, "Hz"), (5, "bit"))
LOSSLESS = {"flac", "alac", "ape", "wavpack"}
WHOLE_FILE = {"opus", "wavpack"}
"""Codecs whose header states no bitrate."""


@dataclass(slots=True)
class Line:
    name: str
    ours: dict[int, int] | str
    theirs: dict[int, float] | str
    differs: str


def make(folder: Path) -> None:
    """Seven and a half seconds of chord and noise in every kind."""
    source = "aevalsrc=0.3*sin(440*t*6.28)+0.2*sin(1330*t*6.28)*sin(t)+0.1*random(0):s=44100:d=7.5"
    for name, options in MADE:
        command = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, *options.split(" ")]
        ran = subprocess.run([*command, str(folder / name)], capture_output=True, text=True, check=False)
        if ran.returncode:
            (folder / name).unlink(missing_ok=True)
            print(f"this ffmpeg does not write {name}: {ran.stderr.splitlines()[0]}", file=sys.stderr)


def ours(path: Path) -> dict[int, int] | str:
    try:
        return dict(sorted(read_attributes(os.fsencode(path)).items()))
    except (UnreadableAudio, OSError) as error:
        return str(error)


def theirs(path: Path) -> dict[int, float] | str:
    """What ffprobe says, in the keys of the network; where no header gives a length, packets are counted."""
    command = [
        "ffprobe",
        "-v",
        "error",
        "-of",
        "json",
        "-show_format",
        "-show_streams",
        "-select_streams",
        "a:0",
    ]
    if path.suffix.lower() in (".aac", ".mp3", ".mp2"):
        command.append("-count_packets")
    ran = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    said: dict[str, Any] = json.loads(ran.stdout or "{}")
    if not said.get("streams"):
        return (ran.stderr.splitlines() or ["no audio"])[0].partition("] ")[2] or "no audio"
    stream, whole = said["streams"][0], said["format"]
    codec, rate = stream["codec_name"], int(stream["sample_rate"])
    seconds = float(stream.get("duration") or whole.get("duration") or 0)
    if packets := int(stream.get("nb_read_packets") or 0):
        # A packet is a frame of so many samples; that of the Xing header is none.
        samples = {"aac": 1024, "mp2": 1152}.get(codec, 1152 if rate >= 32_000 else 576)
        seconds = packets * samples / rate
    found: dict[int, float] = {1: seconds}
    lossless = codec in LOSSLESS or codec.startswith("pcm")
    if not lossless or codec == "wavpack":
        bitrate = None if codec in WHOLE_FILE else stream.get("bit_rate")
        if codec == "aac" and path.suffix.lower() == ".aac":
            bitrate = path.stat().st_size * 8 / seconds
        found[0] = float(bitrate or whole["bit_rate"]) / 1000
    if lossless:
        found[4] = rate
        found[5] = int(stream.get("bits_per_raw_sample") or stream.get("bits_per_sample") or 0)
    return dict(sorted(found.items()))


def compare(path: Path, name: str) -> Line:
    mine, other = ours(path), theirs(path)
    if isinstance(mine, str) or isinstance(other, str):
        return Line(name, mine, other, "" if isinstance(mine, str) and isinstance(other, str) else "readable")
    wrong = []
    for key, word in KEYS:
        if key == 2:
            continue
        if (key in mine) != (key in other):
            wrong.append(f"{word} missing" if key in other else f"{word} not wanted")
        elif key in mine:
            value, right = mine[key], other[key]
            close = abs(value - right) <= max(1.0, right / 50) if key == 0 else value == int(right)
            if not close:
                wrong.append(word)
    return Line(name, mine, other, ", ".join(wrong))


def told(found: dict[int, Any] | str) -> str:
    if isinstance(found, str):
        return found
    return ", ".join(f"{found[key]:g} {word}" for key, word in KEYS if key in found)


def lines(folder: Path) -> Iterator[Line]:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and audio_suffix(os.fsencode(path)) is not None:
            yield compare(path, str(path.relative_to(folder)))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--different", action="store_true", help="only where the two do not agree")
    args = parser.parse_args()
    if not shutil.which("ffprobe"):
        print("ffprobe is not installed here (Debian: apt-get install ffmpeg)", file=sys.stderr)
        return 0
    with tempfile.TemporaryDirectory(prefix="soulmesh-audio-") as scratch:
        folder = args.folder
        if folder is None:
            folder = Path(scratch)
            make(folder)
        count = different = 0
        print(f"{'file':44} {'soulmesh':38} {'ffprobe':40} differs in")
        for line in lines(folder):
            count += 1
            different += bool(line.differs)
            if line.differs or not args.different:
                name = line.name if len(line.name) <= 44 else "..." + line.name[-41:]
                print(f"{name:44} {told(line.ours):38} {told(line.theirs):40} {line.differs or '-'}")
        print(f"{count} files, {different} different")
    return int(different > 0)


if __name__ == "__main__":
    sys.exit(main())
