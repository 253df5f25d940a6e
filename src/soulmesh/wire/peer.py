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
    """A private message sent directly by the earliest clients. Layout unknown."""

    payload: Raw


@message(PEER, 4)
class PeerSharesRequest(Message):
    """Asks for everything the receiver shares; answered by :class:`PeerSharesReply`.

    Normally empty. Some programs add a ``ticket``, which the answer does not repeat: leave it out.
    """

    ticket: Annotated[U32 | None, LATE] = None


@message(PEER, 5, compressed=True, limit=448 * MIB, inflated_limit=2048 * MIB, inflated_ratio=64)
class PeerSharesReply(Message):
    """Everything its sender shares, folder by folder. Compressed.

    Answer to :class:`PeerSharesRequest`. It may be very large: read it as a stream, and only if it was
    asked for. Folders without files are listed too, with no files. ``locked_directories`` are shown to
    the receiver but not for them to download: Soulseek.NET always writes this list, Nicotine+ and
    aioslsk only when it has entries, and Museek+ stops after the first one. ``unknown`` is always 0.
    """

    directories: Array[DirectoryData]
    unknown: Annotated[U32 | None, LATE] = None
    locked_directories: Annotated[Array[DirectoryData] | None, LATE] = None


@message(PEER, 8, status="obsolete")
class PeerSearchRequest(Message):
    """A search of one user, asked directly. UserSearch, through the server, replaced it."""

    ticket: U32
    query: String


@message(PEER, 9, compressed=True, limit=16 * MIB, inflated_limit=128 * MIB, inflated_ratio=64)
class PeerSearchReply(Message):
    """The files of one user that match a search. Compressed.

    Sent by the owner of the files to the searcher, over a link opened for it, and never without a
    result. ``username`` is the owner, ``ticket`` the searcher's own: both come first, so that an
    unwanted reply can be dropped after inflating a few bytes. ``has_slots_free`` means an upload could
    start at once; ``queue_size`` counts the uploads waiting, ``avg_speed`` is in bytes per second.

    ``unknown`` is always 0 (it was once taken for the upper half of ``queue_size``). ``locked_results``
    match too, but are shared with others only. Museek+ stops after ``queue_size``.
    """

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
    """An invitation to a chat room, from old clients. Layout unknown."""

    payload: Raw


@message(PEER, 14, status="obsolete")
class PeerCancelledQueuedTransfer(Message):
    """Word from old clients that a queued transfer was given up. Layout unknown."""

    payload: Raw


@message(PEER, 15)
class PeerUserInfoRequest(Message):
    """Asks who the receiver is; answered by :class:`PeerUserInfoReply`."""


@message(PEER, 16, limit=448 * MIB)
class PeerUserInfoReply(Message):
    """What a user says about themselves: text, picture, and how busy they are. Not compressed.

    Answer to :class:`PeerUserInfoRequest`. ``picture`` is an image file as it is, mostly JPEG or PNG.
    ``upload_slots`` is how many uploads may run at once (some describe it as all uploads together),
    ``queue_size`` how many wait. ``upload_permissions`` is an
    :class:`~soulmesh.wire.enums.UploadPermission`; SoulseekQt leaves it out, and three bytes in its
    place belong to ``has_slots_free``, which Museek+ writes four bytes wide.
    """

    description: String
    has_picture: Bool
    picture: Annotated[Bytes | None, When("has_picture")]
    upload_slots: U32
    queue_size: U32
    has_slots_free: Bool
    upload_permissions: Annotated[U32 | None, LATE] = None


@message(PEER, 22, status="obsolete")
class PeerPrivateChatMessage(Message):
    """A private message past the server, an extension of the old Nicotine that has died out.

    ``chat_id`` and ``timestamp`` were written as 0.
    """

    chat_id: U32
    timestamp: U32
    username: String
    message: String


@message(PEER, 33, status="obsolete")
class PeerSendConnectTicket(Message):
    """A number of old clients, related by its name to SendConnectTicket. Layout unknown."""

    payload: Raw


@message(PEER, 34, status="obsolete")
class PeerMoveDownloadToTop(Message):
    """A wish of old clients to come first in the queue, to judge by its name. Layout unknown."""

    payload: Raw


@message(PEER, 36)
class PeerDirectoryContentsRequest(Message):
    """Asks for the files of one folder; answered by :class:`PeerDirectoryContentsReply`.

    ``ticket`` is chosen by the sender and comes back in the answer; ``directory`` is a remote path.
    Museek+ writes a count of folders where the ticket stands, then their names: with one folder the
    bytes have the same shape, and the ticket is 1.
    """

    ticket: U32
    directory: String


@message(PEER, 37, compressed=True, limit=16 * MIB, inflated_limit=128 * MIB, inflated_ratio=64)
class PeerDirectoryContentsReply(Message):
    """What lies in one folder, as asked with :class:`PeerDirectoryContentsRequest`. Compressed.

    ``ticket`` and ``directory`` repeat the question. ``directories`` holds the folder, in some programs
    also the ones below it (ours among them); Nicotine+ answers with none when it does not know the folder,
    passes over those that it did not ask for, and cannot read an answer with an empty ``directory``.
    """

    ticket: U32
    directory: String
    directories: Array[DirectoryData]


@message(PEER, 40)
class PeerTransferRequest(Message):
    """A file is ready to be sent, or, in the old way, is wanted.

    With ``direction`` 1 the uploader says that a queued file can start: ``ticket`` then names the
    transfer in the :class:`PeerTransferReply` and at the start of the F connection, and ``filesize``
    (bytes) must be there. With 0 an old client asks for a file; the size is then missing, or 0 from
    Soulseek.NET, and the answer is to refuse with "Queued" and treat it as :class:`PeerTransferQueue`.
    ``filename`` is a whole remote path. The size is taken as it is: nothing is mended here.
    """

    direction: U32
    ticket: U32
    filename: String
    filesize: Annotated[U64 | None, LATE] = None


@message(PEER, 41)
class PeerTransferReply(Message):
    """Answer to :class:`PeerTransferRequest`: go ahead, or why not.

    ``ticket`` is the request's. ``filesize`` (bytes) comes only when an old-style download is granted,
    though Soulseek.NET adds it always. ``reason`` is a :class:`~soulmesh.wire.enums.TransferDenial`,
    and may be missing from a refusal.
    """

    ticket: U32
    allowed: Bool
    filesize: Annotated[U64 | None, When("allowed"), LATE] = None
    reason: Annotated[String | None, When("allowed", False), LATE] = None


@message(PEER, 42, status="obsolete")
class PeerUploadPlacehold(Message):
    """Kept a place for an upload in old clients. Nobody sends it now."""

    filename: String


@message(PEER, 43)
class PeerTransferQueue(Message):
    """Asks the receiver to upload a file to us when our turn comes.

    ``filename`` is the remote path in exactly the bytes in which it was advertised, Latin-1 included.
    Nothing comes back if it is accepted: a :class:`PeerTransferRequest` follows in its time. If it is
    refused, :class:`PeerTransferQueueFailed` says why.
    """

    filename: String


@message(PEER, 44)
class PeerPlaceInQueueReply(Message):
    """Where an upload stands in the queue; answer to :class:`PeerPlaceInQueueRequest`.

    ``place`` counts from 1: the next to start. aioslsk says 0 for a file that is not queued.
    """

    filename: String
    place: U32


@message(PEER, 46)
class PeerUploadFailed(Message):
    """The sender has broken off its upload of this file. The downloader may queue it again."""

    filename: String


@message(PEER, 47, status="obsolete")
class PeerExactFileSearchRequest(Message):
    """A search for one exact file, asked directly. Layout unknown."""

    payload: Raw


@message(PEER, 48, status="obsolete")
class PeerQueuedDownloads(Message):
    """Something about queued downloads in old clients. Layout unknown."""

    payload: Raw


@message(PEER, 49, status="obsolete")
class PeerIndirectFileSearchRequest(Message):
    """A kind of search in old clients, obsolete. Layout unknown."""

    payload: Raw


@message(PEER, 50)
class PeerTransferQueueFailed(Message):
    """A file will not be uploaded: it was not queued, or was taken out of the queue.

    Answer to :class:`PeerTransferQueue`, or sent later. ``reason`` is a
    :class:`~soulmesh.wire.enums.TransferDenial` or any other text, made to be shown.
    """

    filename: String
    reason: String


@message(PEER, 51)
class PeerPlaceInQueueRequest(Message):
    """Asks for the place of a file in the receiver's queue; answered by :class:`PeerPlaceInQueueReply`."""

    filename: String


@message(PEER, 52, status="deprecated")
class PeerUploadQueueNotification(Message):
    """Soulseek NS says that it will upload something nobody asked for; PeerTransferRequest follows."""


@message(PEER, 12547, status="unverified")
class PeerUnknown12547(Message):
    """A number in the list of Nicotine+, without layout or purpose. Skip it."""

    payload: Raw
