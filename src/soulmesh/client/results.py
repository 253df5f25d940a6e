"""What a search brings: files of users, ranked."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from soulmesh.wire.enums import FileAttribute
from soulmesh.wire.structs import FileData

__all__ = ["FoundFile", "Hit", "Remembered", "estimate", "folder_of", "found_file", "rank", "stays"]


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that somebody shares."""

    remote_path: str
    """The peer's own name for it, with backslashes. Ask for it exactly like this."""
    size: int
    attributes: tuple[tuple[int, int], ...] = ()
    """Keys and values as they came, see :class:`soulmesh.wire.enums.FileAttribute`."""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.remote_path.rpartition("\\")[2]

    @property
    def folder(self) -> str:
        """All of the path but its last part."""
        return folder_of(self.remote_path)

    @property
    def extension(self) -> str:
        """What follows the last dot of the name, in lower case; empty if there is none."""
        stem, dot, ending = self.name.rpartition(".")
        return ending.lower() if dot and stem else ""

    def _attribute(self, key: int) -> int | None:
        for known, value in self.attributes:
            if known == key:
                return value
        return None

    @property
    def bitrate(self) -> int | None:
        """kbit/s."""
        return self._attribute(FileAttribute.BITRATE)

    @property
    def length(self) -> int | None:
        """Playing time in seconds."""
        return self._attribute(FileAttribute.DURATION)

    @property
    def variable_bitrate(self) -> bool:
        """Whether the bitrate is an average."""
        return bool(self._attribute(FileAttribute.VBR))

    @property
    def sample_rate(self) -> int | None:
        """Hz."""
        return self._attribute(FileAttribute.SAMPLE_RATE)

    @property
    def bit_depth(self) -> int | None:
        """Bits per sample."""
        return self._attribute(FileAttribute.BIT_DEPTH)


@dataclass(frozen=True, slots=True)
class Hit:
    """One file of one user that matches a search."""

    username: str
    file: FoundFile
    free_slot: bool
    """An upload could start at once."""
    speed: int
    """The user's average upload speed, bytes per second."""
    queue: int
    """Uploads that wait at that user."""
    locked: bool = False
    """Shown, but not for us: the user shares it with a limited circle."""
    expected: float | None = None
    """Seconds until it would be finished, as a guess; ``None`` if nobody can say."""
    folder_files: int = 1
    """How many files of the same folder are in the same answer."""


def folder_of(remote_path: str) -> str:
    """All of a path but its last part."""
    return remote_path.rpartition("\\")[0]


def found_file(entry: FileData) -> FoundFile:
    """A file from a search reply."""
    return FoundFile(entry.filename, entry.filesize, tuple((a.key, a.value) for a in entry.attributes))


@dataclass(frozen=True, slots=True)
class Remembered:
    """What we remember of a user."""

    speed: float | None = None
    """Bytes per second of past downloads."""
    failures: int = 0
    """Downloads that failed since the last one that did not."""
    online: float = 1.0
    """How likely the user stays while we wait, by the hours in which it was seen: from 0.25 to 1."""


Memory = Callable[[str], Remembered]


def estimate(size: int, *, free_slot: bool, speed: int, queue: int, past: Remembered) -> float | None:
    """Seconds until a file of ``size`` bytes would be here; a guess to rank by, no promise.

    What we measured ourselves counts more than what the user says. Each upload before ours is
    taken for one file of the same size, half an album's worth in a queue of one user. Who is
    rarely online at this time of the day may leave before it is our turn. Of an empty file nothing is
    said: nobody waits for one.
    """
    rate = past.speed if past.speed else float(speed)
    if rate <= 0 or size <= 0:
        return None
    moving = size / rate
    waiting = 0.0 if free_slot else moving * max(1, queue) * 0.5
    return (moving + waiting / past.online) * (1 + past.failures)


_LEAST_SEEN = 5
_WINDOW = 2


def stays(hours: Mapping[str, int], hour: int) -> float:
    """How likely a user is around for the next hours, from 0.25 to 1.

    Args:
        hours: how often it was seen, by hour of the day.
        hour: the hour that it is now.
    """
    seen = sum(hours.values())
    if seen < _LEAST_SEEN:
        return 1.0
    near = sum(hours.get(str((hour + step) % 24), 0) for step in range(-_WINDOW, _WINDOW + 1))
    usual = seen * (2 * _WINDOW + 1) / 24
    return max(0.25, min(1.0, near / usual))


def rank(hit: Hit) -> tuple[bool, float, float, float]:
    """Sorts best first: what we may have, soonest, from the most complete folder.

    Times that differ by less than a fifth count as equal: then the folder that holds more of the
    answer goes first. Empty files are what nobody looks for: they come last.
    """
    if hit.file.size <= 0:
        return (hit.locked, math.inf, math.inf, 0.0)
    if hit.expected is None:
        return (hit.locked, math.inf, -hit.folder_files, 0.0)
    return (hit.locked, round(math.log(1 + hit.expected, 1.2)), -hit.folder_files, hit.expected)
