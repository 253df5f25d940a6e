"""The few bytes that open an F connection. They have neither length nor code.

After PeerInit or PeerPierceFirewall the uploader sends its ticket, the
downloader answers with an offset, and the file follows as it is. Which of the
two a message is, is told by its direction and its length.
"""

from __future__ import annotations

from soulmesh.wire.message import TO_DOWNLOADER, TO_UPLOADER, Message, message
from soulmesh.wire.types import U32, U64

__all__ = ["FileOffset", "FileTicket", "LegacyFileTicket"]


@message(TO_DOWNLOADER)
class FileTicket(Message):
    """Which transfer this connection is for.

    Sent by the uploader, first of all. ``ticket`` is the one of its
    PeerTransferRequest; tickets are told apart by user, since every program
    counts them from the same small numbers.
    """

    ticket: U32


@message(TO_UPLOADER, name="FileTicket", status="deprecated")
class LegacyFileTicket(Message):
    """Which transfer this connection is for, said by the downloader.

    Only after a legacy download request that was accepted; the offset follows
    at once (seen in Museek+). Refusing such requests with "Queued" avoids it.
    """

    ticket: U32


@message(TO_UPLOADER)
class FileOffset(Message):
    """Where the uploader should start, in bytes from the beginning of the file.

    Sent by the downloader in answer to FileTicket; 0 for a new download. The
    old Windows client sends all ones when it resumes beyond 2 GiB, which must
    be refused as any offset beyond the end of the file.
    """

    offset: U64
