"""The room on a disk, shared out: what downloads that have begun still need is promised to them.

Two files of 10 GB that begin with 12 GB free would both end on a full disk. So
a download begins only if the disk has room for it beside what the running ones
have still to write. Files grow as their bytes come, and nothing is set aside
for them on the disk itself: what they wrote is missing from the free space, and
what they have not written is counted here.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

__all__ = ["KNOWN_FOR", "Allotment", "Lack"]

KNOWN_FOR = 2.0
"""Seconds for which the free space is taken to be what it was, less what was promised since."""


class Lack(StrEnum):
    """Why there is no room for a file, as people are told."""

    FULL = "the disk is full"
    TOO_LITTLE = "the disk has too little room for it"
    PROMISED = "the room on the disk is needed by downloads that are running"
    """It would fit, if they were not."""


class Allotment:
    """One disk, as it was when somebody last looked, and what was promised since. Sizes in bytes."""

    __slots__ = ("_free", "_promised", "_seen")

    def __init__(self) -> None:
        self._free = 0
        self._promised = 0
        self._seen = float("-inf")

    def known(self, now: float) -> bool:
        """Whether somebody looked not long ago."""
        return now - self._seen < KNOWN_FOR

    def looked(self, free: int, needs: Iterable[int], now: float) -> None:
        """The disk has ``free`` bytes, of which downloads that have begun will write ``needs``."""
        self._free = free
        self._promised = sum(needs)
        self._seen = now

    def lack(self, count: int, reserve: int) -> Lack | None:
        """What is in the way of ``count`` more bytes, if ``reserve`` stay free; ``None`` if nothing."""
        if count <= 0:
            return None
        room = self._free - reserve
        if room <= 0:
            return Lack.FULL
        if count > room:
            return Lack.TOO_LITTLE
        return Lack.PROMISED if count > room - self._promised else None

    def promise(self, count: int) -> None:
        """One more begins, which will write so much.

        Until the next look what it writes counts twice, which errs on the safe side.
        """
        self._promised += count

    def left(self, reserve: int) -> int:
        """Bytes that nobody needs; below 0 if more was promised than there is."""
        return self._free - reserve - self._promised
