"""What can be set about transfers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from soulmesh.client.transfers.layout import Layout
from soulmesh.core.doorkeeper import Pace
from soulmesh.core.goal import AWAY, PATIENCE
from soulmesh.core.retry import RetryPolicy
from soulmesh.core.upload_queue import QueueRules

__all__ = ["Sync", "TransferSettings"]


class Sync(StrEnum):
    """When bytes are forced out of the system's memory onto the disk."""

    NEVER = "never"
    """The system decides: fastest, and safe against anything but a power cut."""
    FINISHED = "finished"
    """Before a finished file is moved to its place."""


@dataclass(frozen=True, slots=True)
class TransferSettings:
    """Plain values; a new value given to the manager counts at once."""

    downloads: Path = Path("downloads")
    incomplete: Path | None = None
    """Where files grow; by default ``.incomplete`` in the downloads folder, so that finishing is a rename."""
    layout: Layout = field(default_factory=Layout)
    sync: Sync = Sync.NEVER
    verify: bool = False
    """Check finished FLAC, WAV and AIFF files: do they hold the sound that their heads promise?"""
    decode: bool = False
    """Decode finished FLAC files with the program ``flac``, and compare the sound with its MD5."""
    ask_per_user: int = 100
    """Files that one user is asked for at a time; conventions.md: others' usual limit is 100 files."""
    download_slots: int = 0
    """Downloads that are asked for or run at a time, 0 for any number."""
    reserve: int = 64 << 20
    """Bytes of the disk that are never used."""
    accept_pushes: str = "friends"
    """Who may send files unasked: ``nobody``, ``friends``, ``everyone``, or names with commas."""
    other_sources: str = "never"
    """When another user who has the same file takes over by itself: ``never``, when the one that was asked
    has ``failed`` for good, or also when no byte came for a while and a ``better`` one is there."""
    better_source: str = "free"
    """Who is better, as a filter (:mod:`soulmesh.client.filters`)."""
    better_after: float = 3600.0
    """Seconds without a byte after which a better source is looked for."""
    patience: float = PATIENCE
    """Seconds in a queue without a byte after which a goal turns to its next candidate."""
    away: float = AWAY
    """Seconds for which a goal's candidate may be offline or unreachable while another one stands by."""
    retries: RetryPolicy = field(default_factory=RetryPolicy)
    queue: QueueRules = field(default_factory=QueueRules)
    door: Pace = field(default_factory=Pace)
    upload_limit: int | None = None
    """Bytes per second for all uploads together."""
    download_limit: int | None = None
    schedule: tuple[str, ...] = ()
    """Other limits at some hours: ``22:00-07:00 up=0 down=0`` (KiB/s, 0 for none); the first that fits."""
    min_upload_speed: int = 0
    """Bytes per second below which an upload loses its slot after a minute, when others wait."""

    @property
    def incomplete_root(self) -> Path:
        """Where unfinished files grow: ``incomplete``, or a folder within ``downloads``."""
        return self.incomplete if self.incomplete is not None else self.downloads / ".incomplete"
