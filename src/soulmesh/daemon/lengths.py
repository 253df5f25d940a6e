"""How long files are, as searches told: for downloads that are asked for by their names alone.

Programs that speak ``/api/v0`` give back a path and a size. What the answer said beside them is
remembered here for a while, so that the finished file can be compared with it.
"""

from __future__ import annotations

from collections.abc import Iterable

from soulmesh.daemon.ports import File
from soulmesh.wire.enums import FileAttribute

__all__ = ["Lengths"]

MOST = 50_000
"""Files that are remembered; the oldest go first. Only hashes are kept: some hundred bytes each."""


class Lengths:
    """Seconds, by user, path and size."""

    def __init__(self) -> None:
        self._seconds: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._seconds)

    def learn(self, username: str, files: Iterable[File]) -> None:
        """An answer to a search came."""
        seconds = self._seconds
        for file in files:
            for key, value in file.attributes:
                if key == FileAttribute.DURATION and value:
                    seconds[hash((username, file.name, file.size))] = value
        while len(seconds) > MOST:
            del seconds[next(iter(seconds))]

    def of(self, username: str, path: str, size: int | None) -> int | None:
        """The seconds of a file; ``None`` if no search told them."""
        return self._seconds.get(hash((username, path, size)))
