"""A small library of playable audio, made from nothing, for demonstrations and tests.

Four invented artists, each with an album in a format of its own, covers, and the odd file that libraries
have. The same seed makes the same bytes.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from soulmesh.cli.audio import FORMATS, Sound, Tags, png

__all__ = ["Sample", "make_library"]

RATE = 44100
LOUD = 9000
"""How far from silence a single note goes; four of them together stay below the limit."""

# Any two notes of this scale sound well together.
PENTATONIC = (0, 2, 4, 7, 9)


@dataclass(frozen=True, slots=True)
class Album:
    """One folder of the library."""

    artist: str
    title: str
    year: int
    genre: str
    extension: str
    beat: float
    """Seconds from one note to the next."""
    root: float
    """The lowest note, in hertz."""
    tracks: Sequence[tuple[str, float]]
    """Title and length in seconds."""


ALBUMS = (
    Album(
        artist="Harbour Lamps",
        title="Slow Signals",
        year=2021,
        genre="Ambient",
        extension="flac",
        beat=0.4,
        root=110.0,
        tracks=(("Night Ferry", 30.0), ("Tin Roof Rain", 7.0), ("Copper Wire", 5.0)),
    ),
    Album(
        artist="Ásta Brimdal",
        title="Vetrarljós",
        year=2018,
        genre="Folk",
        extension="wav",
        beat=0.3,
        root=146.8,
        tracks=(("Fönn", 7.0), ("Kvöldið", 6.0), ("Heimleið", 5.0)),
    ),
    Album(
        artist="夜行観覧車",
        title="雨のち星",
        year=2023,
        genre="Electronic",
        extension="aiff",
        beat=0.2,
        root=164.8,
        tracks=(("始発", 6.0), ("透明な街", 6.0)),
    ),
    Album(
        artist="The Paper Modems",
        title="Carrier Lost",
        year=1996,
        genre="Chiptune",
        extension="au",
        beat=0.15,
        root=220.0,
        tracks=(("Handshake", 5.0), ("Busy Tone", 4.0)),
    ),
)

NOTES = """\
  Carrier Lost, by The Paper Modems
  ---------------------------------
  Sixteen bits, two channels, no singer.
  Made by a program, for programs to pass on.
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """One file of audio that was made."""

    path: Path
    tags: Tags
    seconds: float


def make_library(folder: Path, *, seed: int = 0, length: float = 1.0) -> list[Sample]:
    """Write the library below ``folder`` and return its audio files; about 15 MB.

    Args:
        seed: other seeds make other melodies and covers under the same names.
        length: makes every track longer or shorter.

    Raises:
        OSError: the folder cannot be written.
    """
    made = []
    for number, album in enumerate(ALBUMS):
        random = Random(f"{seed}:{number}")
        place = folder / album.artist / f"{album.title} ({album.year})"
        place.mkdir(parents=True, exist_ok=True)
        cover = _cover(random)
        (place / "cover.png").write_bytes(cover)
        write = FORMATS[album.extension]
        for track, (title, seconds) in enumerate(album.tracks, 1):
            sound = _melody(album, max(0.1, seconds * length), random)
            tags = Tags(title, album.artist, album.title, track, len(album.tracks), album.year, album.genre)
            path = place / f"{track:02} {title}.{album.extension}"
            path.write_bytes(write(sound, tags, cover))
            made.append(Sample(path, tags, sound.seconds))
        if album.extension == "au":
            (place / "carrier-lost.nfo").write_text(NOTES, encoding="utf-8")
    return made


def _melody(album: Album, seconds: float, random: Random) -> Sound:
    """A phrase that wanders over a scale, comes back, and fades away."""
    pitches = [album.root * 2 ** ((12 * octave + step) / 12) for octave in (1, 2) for step in PENTATONIC]
    size = round(album.beat * RATE)
    # Each distinct note is computed once; a phrase then is a matter of copying.
    notes: dict[int, bytes] = {}
    at = random.randrange(len(pitches))
    phrase = []
    for _ in range(16):
        at = min(len(pitches) - 1, max(0, at + random.choice((-2, -1, -1, 1, 1, 2))))
        if at not in notes:
            side = random.uniform(0.3, 0.7)
            notes[at] = _note(pitches[at], album.root / 2 * random.choice((1, 1.5)), size, side)
        phrase.append(notes[at])
    samples = array("h")
    frames = round(seconds * RATE)
    for _ in range(math.ceil(frames / (size * len(phrase)))):
        for note in phrase:
            samples.frombytes(note)
    del samples[frames * 2 :]
    _fade(samples)
    return Sound(samples, RATE)


def _note(pitch: float, bass: float, size: int, side: float) -> bytes:
    """A plucked string over a soft bass, ``size`` samples long, between left (0) and right (1)."""
    turn = 2 * math.pi / RATE
    high, octave, low = pitch * turn, 2 * pitch * turn, bass * turn
    decay, attack = -5.0 / size, 200
    sin, exp = math.sin, math.exp
    heard = [
        LOUD * exp(decay * i) * (sin(high * i) + 0.4 * sin(octave * i) * exp(decay * i) + 0.5 * sin(low * i))
        for i in range(size)
    ]
    for i in range(min(attack, size // 2)):
        # Begin and end at silence: a jump would be heard as a click.
        heard[i] *= i / attack
        heard[-1 - i] *= i / attack
    pair = array("h", bytes(4 * size))
    pair[0::2] = array("h", [round(value * (1 - side) * 1.4) for value in heard])
    pair[1::2] = array("h", [round(value * side * 1.4) for value in heard])
    return pair.tobytes()


def _fade(samples: array[int]) -> None:
    """Let the last half second die away."""
    length = min(len(samples), RATE)
    start = len(samples) - length
    samples[start:] = array(
        "h", [round(value * (length - i) / length) for i, value in enumerate(samples[start:])]
    )


def _cover(random: Random) -> bytes:
    """Rings of two colours around a point."""
    inner = [random.randrange(60, 256) for _ in range(3)]
    outer = [random.randrange(0, 160) for _ in range(3)]
    middle_x, middle_y = random.randrange(40, 120), random.randrange(40, 120)

    def colour(x: int, y: int) -> tuple[int, int, int]:
        wave = 0.5 + 0.5 * math.sin(math.hypot(x - middle_x, y - middle_y) / 6)
        red, green, blue = (round(a * wave + b * (1 - wave)) for a, b in zip(inner, outer, strict=True))
        return red, green, blue

    return png(160, 160, colour)
