"""What the client can answer instead of a result.

::

    SoulmeshError
    └── ClientError
        ├── NotConnected          we are not logged in
        │   ├── LoginRefused      the server does not want us; ``reason`` is its word
        │   ├── ServerUnreachable no connection to the server
        │   └── KickedOut         the account logged in elsewhere
        ├── NoReply               a question stayed without an answer
        ├── UserOffline           the other user is not logged in
        ├── PeerUnreachable       neither side could open a connection; says why for both ways
        ├── LinkLost              the link broke while we were waiting on it
        ├── RoomRefused           the server says no to something about a room
        ├── SearchRefused         a query that we do not send
        └── TooManyRequests       the governor says: wait ``seconds``

Each is also of a kind of :mod:`soulmesh.errors` where one fits (``NotFound``, ``Refused``, ``NetworkError``,
``UsageError``): programs that only want to know what sort of failure it was, such as the command line with
its exit codes, ask for that.
"""

from __future__ import annotations

from soulmesh.errors import NetworkError, NotFound, Refused, SoulmeshError, UsageError

__all__ = [
    "ClientError",
    "KickedOut",
    "LinkLost",
    "LoginRefused",
    "LoginUnanswered",
    "NoReply",
    "NotConnected",
    "PeerUnreachable",
    "RoomRefused",
    "RoomUnknown",
    "SearchRefused",
    "ServerUnreachable",
    "TooManyRequests",
    "UserOffline",
    "UserUnknown",
]


class ClientError(SoulmeshError):
    """The root of the client's errors."""


class NotConnected(ClientError):
    """We are not logged in to a server; ``reason`` says why, as far as known."""

    def __init__(self, reason: str = "not logged in") -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


_REFUSALS = {
    "INVALIDUSERNAME": "the server does not accept the user name",
    "EMPTYPASSWORD": "the server wants a password",
    "INVALIDPASS": "wrong password (or the name belongs to somebody else)",
    "INVALIDVERSION": "the server does not accept this version of the program",
    "SVRFULL": "the server is full, try again later",
    "SVRPRIVATE": "the server takes no new users",
    "BANNED": "the account is banned",
}


_CURES = {
    "INVALIDUSERNAME": "names have at most 30 letters, digits or signs of ASCII, and no space at either end",
    "INVALIDPASS": "check name and password; a name that is new to the server takes the password you give",
    "SVRPRIVATE": "ask whoever runs this server for an account",
}


class LoginRefused(NotConnected, Refused):
    """The server answered the login with no.

    ``reason`` is the server's word (``INVALIDPASS``), ``detail`` its explanation if it gave one.
    """

    def __init__(self, reason: str, detail: str | None = None) -> None:
        super().__init__(reason)
        self.detail = detail
        self.hint = _CURES.get(reason)

    def __str__(self) -> str:
        said = _REFUSALS.get(self.reason, f"the server refused the login: {self.reason}")
        return f"{said} ({self.detail})" if self.detail else said


class ServerUnreachable(NotConnected, NetworkError):
    """No connection to the server could be made, or it gave no answer to the login."""

    hint = "check the address and that the server runs"

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(reason)
        self.host = host
        self.port = port

    def __str__(self) -> str:
        return f"cannot reach the server {self.host}:{self.port}: {self.reason}"


class LoginUnanswered(ServerUnreachable):
    """There was a connection, but no answer to the login: silence for ``seconds``, or a close (``None``)."""

    def __init__(self, host: str, port: int, seconds: float | None) -> None:
        said = "closed it without an answer" if seconds is None else f"said nothing for {seconds:g} s"
        super().__init__(host, port, f"it took the connection, and {said} to the login")
        self.seconds = seconds
        self.hint = (
            "that is how servers treat an account or an address that is banned"
            if seconds is None
            else "check the address and the port: is that a Soulseek server?"
        )


class KickedOut(NotConnected, Refused):
    """Somebody logged in with our name, so the server closed our link. We do not come back by ourselves."""

    hint = "a name can be logged in once: use another name here, or log the other program out"

    def __init__(self) -> None:
        super().__init__("logged in elsewhere with the same name; the server closed this session")


class NoReply(ClientError, NetworkError):
    """A question got no fitting answer within ``seconds``."""

    def __init__(self, question: str, whom: str, seconds: float) -> None:
        super().__init__(question, whom, seconds)
        self.question = question
        self.whom = whom
        self.seconds = seconds

    def __str__(self) -> str:
        return f"{self.whom} did not answer {self.question} within {self.seconds:g} s"


class UserOffline(ClientError, NotFound):
    """The user is not logged in to the server."""

    hint = "try again when the user is back"

    def __init__(self, username: str) -> None:
        super().__init__(username)
        self.username = username

    def __str__(self) -> str:
        return f"{self.username} is offline"


class UserUnknown(UserOffline):
    """The server has never heard of that user: there is nobody to come back."""

    hint = "check the spelling: capital and small letters are different"

    def __str__(self) -> str:
        return f"there is no user named {self.username}"


class PeerUnreachable(ClientError, NetworkError):
    """Neither we nor the peer could open a connection.

    ``direct`` and ``indirect`` say why each way failed, ``None`` if it was not tried.
    """

    def __init__(self, username: str, direct: str | None, indirect: str | None) -> None:
        super().__init__(username, direct, indirect)
        self.username = username
        self.direct = direct
        self.indirect = indirect

    def __str__(self) -> str:
        ways = []
        if self.direct:
            ways.append(f"directly: {self.direct}")
        if self.indirect:
            ways.append(f"through the server: {self.indirect}")
        return f"cannot reach {self.username} ({'; '.join(ways) or 'nothing was tried'})"


class LinkLost(ClientError, NetworkError):
    """The link to a user broke while we were waiting for something on it."""

    def __init__(self, username: str, reason: str) -> None:
        super().__init__(username, reason)
        self.username = username
        self.reason = reason

    def __str__(self) -> str:
        return f"the connection to {self.username} broke: {self.reason}"


class RoomRefused(ClientError, Refused):
    """The server says no to something about a room; ``reason`` holds its words."""

    def __init__(self, room: str, reason: str) -> None:
        super().__init__(room, reason)
        self.room = room
        self.reason = reason

    def __str__(self) -> str:
        return f"room {self.room}: {self.reason}"


class RoomUnknown(ClientError, NotFound):
    """The server lists no room of that name; a private one is listed for its members alone."""

    hint = "see `soulmesh room list` for those that there are; a private one is shown to its members alone"

    def __init__(self, room: str) -> None:
        super().__init__(room)
        self.room = room

    def __str__(self) -> str:
        return f"there is no room named {self.room}"


class SearchRefused(ClientError, UsageError):
    """A query that is not sent, because nobody would answer it or the server would mind."""

    def __init__(self, query: str, reason: str) -> None:
        super().__init__(query, reason)
        self.query = query
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot search for {self.query!r}: {self.reason}"


class TooManyRequests(ClientError, Refused):
    """The governor held the request back; it could go out in ``seconds``."""

    def __init__(self, subject: str, seconds: float) -> None:
        super().__init__(subject, seconds)
        self.subject = subject
        self.seconds = seconds

    def __str__(self) -> str:
        return f"too many requests ({self.subject}): try again in {self.seconds:.0f} s"
