"""What happens to transfers, told to whoever listens."""

from __future__ import annotations

from dataclasses import dataclass

from soulmesh.client.events import Event
from soulmesh.core import transfer as machine
from soulmesh.core.transfer import State

__all__ = [
    "BatchFinished",
    "BatchNotMoved",
    "DownloadFinished",
    "TransferAdded",
    "TransferEvent",
    "TransferMoved",
    "TransferProgressed",
    "TransferRemoved",
    "UploadFinished",
]


@dataclass(frozen=True, slots=True)
class TransferEvent(Event):
    """The root of these events."""

    transfer: int
    """The transfer's id."""
    direction: str
    """``download`` or ``upload``."""
    username: str
    remote_path: str


@dataclass(frozen=True, slots=True)
class TransferAdded(TransferEvent):
    """A new transfer."""


@dataclass(frozen=True, slots=True)
class TransferMoved(TransferEvent):
    """Something happened to it; ``old`` and ``new`` may be the same (a new place in the queue)."""

    event: machine.Event
    old: State
    new: State
    reason: str
    place: int | None


@dataclass(frozen=True, slots=True)
class TransferProgressed(TransferEvent):
    """Bytes moved; at most four times a second for each transfer."""

    done: int
    size: int | None
    speed: float
    """Bytes per second over the last seconds."""


@dataclass(frozen=True, slots=True)
class DownloadFinished(TransferEvent):
    """The file lies at ``local_path``."""

    local_path: str
    size: int
    speed: float


@dataclass(frozen=True, slots=True)
class UploadFinished(TransferEvent):
    """The downloader has it all."""

    local_path: str
    size: int
    speed: float


@dataclass(frozen=True, slots=True)
class TransferRemoved(TransferEvent):
    """It is no longer listed."""


@dataclass(frozen=True, slots=True)
class BatchFinished(Event):
    """Every file of a batch that had to be there is there."""

    batch: str
    folder: str


@dataclass(frozen=True, slots=True)
class BatchNotMoved(Event):
    """All files of a whole batch are here, but not in ``folder``, where they are wanted."""

    batch: str
    folder: str
    reason: str
    """What the disk said, or that the folder where they gathered is gone."""
    next_try: float | None
    """Seconds of the wall clock (Unix time) when it is moved again; ``None`` if that would be in vain."""
