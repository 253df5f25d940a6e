"""The first message of whoever opens a connection to another user."""

from __future__ import annotations

from typing import Annotated

from soulmesh.wire.message import PEER_INIT, Message, message
from soulmesh.wire.types import LATE, U32, String

__all__ = ["PeerInit", "PeerPierceFirewall"]


@message(PEER_INIT, 0)
class PeerPierceFirewall(Message):
    """TODO."""

    ticket: U32


@message(PEER_INIT, 1)
class PeerInit(Message):
    """TODO."""

    username: String
    connection_type: String
    ticket: Annotated[U32 | None, LATE] = None
