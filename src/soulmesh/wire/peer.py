"""What two users say to each other on a P connection."""

from __future__ import annotations

from typing import Annotated

from soulmesh.wire.message import MIB, PEER, Message, message
from soulmesh.wire.structs import DirectoryData, FileData
from soulmesh.wire.types import LATE, U32, U64, Array, Bool, Bytes, Raw, String, When

__all__ = [
    "PeerCancelledQueuedTransfer",
    "PeerDirectoryContentsReply",
    "PeerDirectoryContentsRequest",
    "PeerExactFileSearchRequest",
    "PeerIndirectFileSearchRequest",
    "PeerMoveDownloadToTop",
    "PeerPlaceInQueueReply",
    "PeerPlaceInQueueRequest",
    "PeerPrivateChatMessage",
    "PeerPrivateMessage",
    "PeerQueuedDownloads",
    "PeerRoomInvitation",
    "PeerSearchReply",
    "PeerSearchRequest",
    "PeerSendConnectTicket",
    "PeerSharesReply",
    "PeerSharesRequest",
    "PeerTransferQueue",
    "PeerTransferQueueFailed",
    "PeerTransferReply",
    "PeerTransferRequest",
    "PeerUnknown12547",
    "PeerUploadFailed",
    "PeerUploadPlacehold",
    "PeerUploadQueueNotification",
    "PeerUserInfoReply",
    "PeerUserInfoRequest",
]


@message(PEER, 1, status="obsolete")
class PeerPrivateMessage(Message):
    """TODO."""

    payload: Raw


@message(PEER, 4)
class PeerSharesRequest(Message):
    """TODO."""

    ticket: Annotated[U32 | None, LATE] = None


@message(PEER, 5, compressed=True, limit=448 * MIB, inflated_limit=2048 * MIB)
class PeerSharesReply(Message):
    """TODO."""

    directories: Array[DirectoryData]
    unknown: Annotated[U32 | None, LATE] = None
    locked_directories: Annotated[Array[DirectoryData] | None, LATE] = None


@message(PEER, 8, status="obsolete")
class PeerSearchRequest(Message):
    """TODO."""

    ticket: U32
    query: String


@message(PEER, 9, compressed=True, limit=16 * MIB, inflated_limit=128 * MIB)
class PeerSearchReply(Message):
    """TODO."""

    username: String
    ticket: U32
    results: Array[FileData]
    has_slots_free: Bool
    avg_speed: U32
    queue_size: U32
    unknown: Annotated[U32 | None, LATE] = None
    locked_results: Annotated[Array[FileData] | None, LATE] = None


@message(PEER, 10, status="obsolete")
class PeerRoomInvitation(Message):
    """TODO."""

    payload: Raw


@message(PEER, 14, status="obsolete")
class PeerCancelledQueuedTransfer(Message):
    """TODO."""

    payload: Raw


@message(PEER, 15)
class PeerUserInfoRequest(Message):
    """TODO."""


@message(PEER, 16, limit=448 * MIB)
class PeerUserInfoReply(Message):
    """TODO."""

    description: String
    has_picture: Bool
    picture: Annotated[Bytes | None, When("has_picture")]
    upload_slots: U32
    queue_size: U32
    has_slots_free: Bool
    upload_permissions: Annotated[U32 | None, LATE] = None


@message(PEER, 22, status="obsolete")
class PeerPrivateChatMessage(Message):
    """TODO."""

    chat_id: U32
    timestamp: U32
    username: String
    message: String


@message(PEER, 33, status="obsolete")
class PeerSendConnectTicket(Message):
    """TODO."""

    payload: Raw


@message(PEER, 34, status="obsolete")
class PeerMoveDownloadToTop(Message):
    """TODO."""

    payload: Raw


@message(PEER, 36)
class PeerDirectoryContentsRequest(Message):
    """TODO."""

    ticket: U32
    directory: String


@message(PEER, 37, compressed=True, limit=16 * MIB, inflated_limit=128 * MIB)
class PeerDirectoryContentsReply(Message):
    """TODO."""

    ticket: U32
    directory: String
    directories: Array[DirectoryData]


@message(PEER, 40)
class PeerTransferRequest(Message):
    """TODO."""

    direction: U32
    ticket: U32
    filename: String
    filesize: Annotated[U64 | None, LATE] = None


@message(PEER, 41)
class PeerTransferReply(Message):
    """TODO."""

    ticket: U32
    allowed: Bool
    filesize: Annotated[U64 | None, When("allowed"), LATE] = None
    reason: Annotated[String | None, When("allowed", False), LATE] = None


@message(PEER, 42, status="obsolete")
class PeerUploadPlacehold(Message):
    """TODO."""

    filename: String


@message(PEER, 43)
class PeerTransferQueue(Message):
    """TODO."""

    filename: String


@message(PEER, 44)
class PeerPlaceInQueueReply(Message):
    """TODO."""

    filename: String
    place: U32


@message(PEER, 46)
class PeerUploadFailed(Message):
    """TODO."""

    filename: String


@message(PEER, 47, status="obsolete")
class PeerExactFileSearchRequest(Message):
    """TODO."""

    payload: Raw


@message(PEER, 48, status="obsolete")
class PeerQueuedDownloads(Message):
    """TODO."""

    payload: Raw


@message(PEER, 49, status="obsolete")
class PeerIndirectFileSearchRequest(Message):
    """TODO."""

    payload: Raw


@message(PEER, 50)
class PeerTransferQueueFailed(Message):
    """TODO."""

    filename: String
    reason: String


@message(PEER, 51)
class PeerPlaceInQueueRequest(Message):
    """TODO."""

    filename: String


@message(PEER, 52, status="deprecated")
class PeerUploadQueueNotification(Message):
    """TODO."""


@message(PEER, 12547, status="unverified")
class PeerUnknown12547(Message):
    """TODO."""

    payload: Raw
