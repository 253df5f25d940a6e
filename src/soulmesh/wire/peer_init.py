"""The first message of whoever opens a connection to another user."""

from __future__ import annotations

from typing import Annotated

from soulmesh.wire.message import PEER_INIT, Message, message
from soulmesh.wire.types import LATE, U32, String

__all__ = ["PeerInit", "PeerPierceFirewall"]


@message(PEER_INIT, 0)
class PeerPierceFirewall(Message):
    """First message of a connection that the receiver asked for with ConnectToPeer.

    Sent by whoever got that request and could connect; nothing comes back. ``ticket`` repeats the one
    of the request and is all there is to recognise it by: the kind of connection follows from what was
    asked. An unknown ticket closes the connection.
    """

    ticket: U32


@message(PEER_INIT, 1)
class PeerInit(Message):
    """First message of a connection made without being asked: who connects, and what for.

    Sent by the side that dials; nothing comes back, and what follows already belongs to the new kind of
    connection. ``username`` is the sender, ``connection_type`` a
    :class:`~soulmesh.wire.enums.ConnectionType`. ``ticket`` has lost its use (once it matched
    SendConnectTicket): write 0 and do not check it. It is missing in some programs and eight bytes long
    in others.
    """

    username: String
    connection_type: String
    ticket: Annotated[U32 | None, LATE] = None
