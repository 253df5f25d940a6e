"""Well-formed messages with values that no layer above should act on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from soulmesh.errors import RefusedValue
from soulmesh.wire import distributed, peer, peer_init, to_server
from soulmesh.wire.enums import ConnectionType, TransferDirection
from soulmesh.wire.file import FileOffset
from soulmesh.wire.message import Message, UnknownMessage
from soulmesh.wire.text import raw

__all__ = ["check"]

_NAME_LIMIT = 256
_TOO_LARGE = 1 << 63


def check(message: Message) -> None:
    """Refuse a message whose values make it useless or dangerous, whoever sent it.

    Raises:
        RefusedValue: naming message and field, and why. On initialisation and
            distributed connections the connection should go with it.
    """
    rule = _RULES.get(type(message))
    if rule is not None:
        rule(message)


def _refuse(message: Message, field: str, reason: str) -> None:
    raise RefusedValue(reason, message=message.LAYOUT.name, field=field)


def _name(message: Any) -> None:
    size = len(raw(message.username))
    if not 1 <= size <= _NAME_LIMIT:
        _refuse(message, "username", f"a user name has 1 to {_NAME_LIMIT} bytes, not {size}")


def _init(message: peer_init.PeerInit) -> None:
    _name(message)
    if message.connection_type not in set(ConnectionType):
        _refuse(message, "connection_type", f"{message.connection_type!r} is none of P, F and D")


def _unknown(message: UnknownMessage) -> None:
    if message.side.family.name == "peer_init":
        _refuse(message, "code", f"{message.code} opens no connection")


def _level(message: Any) -> None:
    if not 0 <= message.level < 1 << 31:
        _refuse(message, "level", f"{message.level} is no depth")


def _offset(message: FileOffset) -> None:
    # The old Windows client sends all ones when it resumes beyond 2 GiB.
    if message.offset >= _TOO_LARGE:
        _refuse(message, "offset", f"{message.offset} is beyond the end of any file")


def _upload(message: peer.PeerTransferRequest) -> None:
    if message.direction == TransferDirection.UPLOAD and message.filesize is None:
        _refuse(message, "filesize", "an upload without its size cannot be taken")


_RULES: dict[type[Message], Callable[[Any], None]] = {
    UnknownMessage: _unknown,
    peer_init.PeerInit: _init,
    distributed.DistributedBranchRoot: _name,
    distributed.DistributedBranchLevel: _level,
    to_server.BranchLevel: _level,
    FileOffset: _offset,
    peer.PeerTransferRequest: _upload,
}
