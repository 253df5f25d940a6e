"""What a search brings: files of users, ranked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from soulmesh.wire.enums import FileAttribute
from soulmesh.wire.structs import FileData

__all__ = ["FoundFile", "Hit", "estimate", "found_file"]


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
        return self.remote_path.rpartition("\\")[0]

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


def found_file(entry: FileData) -> FoundFile:
    """A file from a search reply."""
    return FoundFile(entry.filename, entry.filesize, tuple((a.key, a.value) for a in entry.attributes))


def estimate(
    size: int, *, free_slot: bool, speed: int, queue: int, remembered_speed: float | None, failures: int
) -> float | None:
    """Seconds until a file of ``size`` bytes would be here; a guess to rank by, no promise.

    What we measured ourselves counts more than what the user says. Each upload before ours is
    taken for one file of the same size, half an album's worth in a queue of one user.
    """
    rate = remembered_speed if remembered_speed else float(speed)
    if rate <= 0:
        return None
    moving = size / rate
    waiting = 0.0 if free_slot else moving * max(1, queue) * 0.5
    return (moving + waiting) * (1 + failures)


Memory = Callable[[str], tuple[float | None, int]]
"""What we remember of a user: the speed of past downloads (bytes per second) and recent failures."""


def rank(hit: Hit) -> tuple[bool, float, int]:
    """Sorts best first: what we may have, soonest, from the most complete folder."""
    soon = hit.expected if hit.expected is not None else float("inf")
    return (hit.locked, soon, -hit.folder_files)
