"""Every error that soulmesh raises on purpose.

::

    SoulmeshError
    ├── ProtocolError            the other side broke the protocol
    │   └── WireError            bytes that are no message: names message, field and offset
    │       ├── FrameError       the stream is out of step: close the connection
    │       ├── DecodeError      one bad message in a good frame: drop the message
    │       └── RefusedValue     a well-formed message with a value that nobody should act on
    ├── UsageError               our caller broke the contract
    │   └── EncodeError          a value that does not fit its field
    ├── ConfigError              a setting that is unknown or wrong
    ├── NotFound                 what was asked for is not there: a user, a file, a room
    ├── Refused                  the other side answered, and said no
    └── NetworkError             the network said no

Errors carry their facts as fields and word themselves in ``__str__``. One that knows what its reader can
do about it says so in ``hint``; the command line prints it beneath the error.
"""

from __future__ import annotations

__all__ = [
    "ConfigError",
    "DecodeError",
    "EncodeError",
    "FrameError",
    "NetworkError",
    "NotFound",
    "ProtocolError",
    "Refused",
    "RefusedValue",
    "SoulmeshError",
    "UsageError",
    "WireError",
]


class SoulmeshError(Exception):
    """The root of all errors raised by soulmesh."""

    hint: str | None = None
    """What the person in front of the screen can do about it, if the error knows."""


class ProtocolError(SoulmeshError):
    """The other side did something that the protocol does not allow."""


class WireError(ProtocolError):
    """Bytes that cannot be read as the message they claim to be.

    ``message`` is the specification's name of the message or ``None`` when the
    frame itself is at fault, ``field`` the dotted path of the field that could
    not be read, ``offset`` the position in the frame's body (code excluded,
    after decompression) where reading stopped.
    """

    def __init__(
        self, reason: str, *, message: str | None = None, field: str | None = None, offset: int | None = None
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.message = message
        self.field = field
        self.offset = offset

    def __str__(self) -> str:
        where = self.message or "frame"
        if self.field:
            where += f".{self.field}"
        if self.offset is not None:
            where += f" at byte {self.offset}"
        return f"{where}: {self.reason}"


class FrameError(WireError):
    """The framing is broken, nothing after this point can be trusted: close the connection."""


class DecodeError(WireError):
    """One message is broken inside a sound frame: the connection may go on (messages.md, rule 4)."""


class RefusedValue(WireError):
    """A message could be read, but a value in it makes it useless or dangerous."""


class UsageError(SoulmeshError):
    """The caller asked for something that makes no sense."""


class EncodeError(UsageError):
    """A value does not fit the field that it was given for."""

    def __init__(self, reason: str, *, message: str | None = None, field: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.message = message
        self.field = field

    def __str__(self) -> str:
        where = self.message or "message"
        if self.field:
            where += f".{self.field}"
        return f"{where}: {self.reason}"


class ConfigError(SoulmeshError):
    """A setting is unknown, or its value is wrong."""

    def __init__(self, reason: str, *, hint: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.hint = hint


class NotFound(SoulmeshError):
    """What was asked for is not there: a user, a file, a room, an answer."""


class Refused(SoulmeshError):
    """The other side understood, and said no: a wrong password, a ban, a room that is not ours."""


class NetworkError(SoulmeshError):
    """A connection could not be made, or broke."""
