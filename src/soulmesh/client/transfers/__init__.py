"""Downloads and uploads: :class:`Transfers` is the door to all of it."""

from __future__ import annotations

from soulmesh.client.transfers.batches import Batch, Batches, FolderNotFound
from soulmesh.client.transfers.events import (
    BatchFinished,
    BatchNotMoved,
    DownloadFinished,
    TransferAdded,
    TransferEvent,
    TransferMoved,
    TransferProgressed,
    TransferRemoved,
    UploadFinished,
)
from soulmesh.client.transfers.goals import (
    Candidate,
    Goal,
    GoalDropped,
    GoalFailed,
    GoalFinished,
    GoalMoved,
    Goals,
    candidate_of,
)
from soulmesh.client.transfers.journal import Journal, JournalError, JournalInUse, Record
from soulmesh.client.transfers.layout import Layout
from soulmesh.client.transfers.manager import (
    IsFinished,
    NotPreferred,
    NotShared,
    Story,
    Transfers,
    UnknownTransfer,
)
from soulmesh.client.transfers.ports import NothingShared, SharedFile, SharedFiles
from soulmesh.client.transfers.settings import Sync, TransferSettings
from soulmesh.client.transfers.transfer import Transfer, TransferFailed

__all__ = [
    "Batch",
    "BatchFinished",
    "BatchNotMoved",
    "Batches",
    "Candidate",
    "DownloadFinished",
    "FolderNotFound",
    "Goal",
    "GoalDropped",
    "GoalFailed",
    "GoalFinished",
    "GoalMoved",
    "Goals",
    "IsFinished",
    "Journal",
    "JournalError",
    "JournalInUse",
    "Layout",
    "NotPreferred",
    "NotShared",
    "NothingShared",
    "Record",
    "SharedFile",
    "SharedFiles",
    "Story",
    "Sync",
    "Transfer",
    "TransferAdded",
    "TransferEvent",
    "TransferFailed",
    "TransferMoved",
    "TransferProgressed",
    "TransferRemoved",
    "TransferSettings",
    "Transfers",
    "UnknownTransfer",
    "UploadFinished",
    "candidate_of",
]
