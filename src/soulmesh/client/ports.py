"""What the parts of the client need from one another, and nothing more.

Each manager states its needs with one of these protocols, so it can be built
and tested against a fake. The :class:`~soulmesh.client.client.Client` puts the
real parts together.

Rules that hold for all of them:

- Handlers are called synchronously on the event loop and are quick. What takes
  longer starts a task of its own (and owns it).
- Handlers of one message class are called in the order in which they were
  registered. Each registration returns a function that takes it back.
- Time-outs are seconds.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

from soulmesh.client.errors import NotConnected
from soulmesh.net.stream import Stream
from soulmesh.wire.message import Message
from soulmesh.wire.structs import DirectoryData, FileData

__all__ = [
    "Events",
    "ForFriends",
    "ForGroups",
    "Found",
    "Links",
    "Presence",
    "ServerPort",
    "ShareCounts",
    "ShareIndex",
    "Undo",
    "UploadFigures",
]

M = TypeVar("M", bound=Message)

Undo = Callable[[], None]
"""Takes a registration back. Calling it twice does no harm."""


class ServerPort(Protocol):
    """The link to the server."""

    @property
    def username(self) -> str:
        """Our own name."""

    @property
    def connected(self) -> bool:
        """Whether we are logged in right now."""

    @property
    def absence(self) -> NotConnected:
        """Why we are not logged in, as far as known; to be raised."""

    def send(self, message: Message) -> None:
        """Send a message.

        Raises:
            NotConnected: we are not logged in.
        """

    async def ask(
        self,
        question: Message,
        reply: type[M],
        *,
        match: Callable[[M], bool] | None = None,
        timeout: float = 30.0,
    ) -> M:
        """Send ``question`` and wait for the first ``reply`` for which ``match`` is true.

        Raises:
            NotConnected: we are not logged in, or the link broke while waiting.
            NoReply: nothing fitting came in time.
        """

    def on(self, message: type[M], handler: Callable[[M], None]) -> Undo:
        """Call ``handler`` with each message of this class (from :mod:`soulmesh.wire.to_client`)."""

    def on_logged_in(self, handler: Callable[[], None]) -> Undo:
        """Call ``handler`` after each login, the first one and those after a reconnect."""

    def on_logged_out(self, handler: Callable[[], None]) -> Undo:
        """Call ``handler`` when the link to the server is gone, whatever the reason."""


class Links(Protocol):
    """Links to other users.

    There is at most one P link to a user in use at a time. It is opened when
    needed, directly or through the server, is used both ways, and is closed
    when nothing passes over it. Nobody has to hold or close it.
    """

    async def send(self, username: str, message: Message, *, timeout: float | None = None) -> None:
        """Send a message over the P link, opening it first if needed.

        Returns when the message is handed to the connection. ``timeout`` bounds the opening
        (default: the client's setting, about 60 s for both ways together).

        Raises:
            UserOffline: the server says that the user is not logged in.
            PeerUnreachable: neither side could open a connection; says what was tried.
            NotConnected: we are not logged in ourselves, so nobody can be found.
        """

    async def ask(
        self,
        username: str,
        question: Message,
        reply: type[M],
        *,
        match: Callable[[M], bool] | None = None,
        timeout: float = 60.0,
    ) -> M:
        """Send ``question`` and wait for the first ``reply`` of that user that fits.

        ``timeout`` is for opening the link and for the answer together. A reply may come over
        another P link of the same user than the question went.

        Raises:
            UserOffline, PeerUnreachable, NotConnected: as for :meth:`send`.
            NoReply: nothing fitting came in time, or the link broke.
        """

    def on(self, message: type[M], handler: Callable[[str, M], None]) -> Undo:
        """Call ``handler(username, message)`` for each peer message of this class.

        ``username`` is the name given when the link was opened, checked as far as
        the protocol allows: a pierced link is the user that we asked for.
        """

    async def open_file_link(self, username: str, *, timeout: float | None = None) -> Stream:
        """Open an F link. The init message is sent (or was received); the ticket comes next.

        Raises:
            UserOffline, PeerUnreachable, NotConnected: as for :meth:`send`.
        """

    def on_file_link(self, handler: Callable[[str, Stream], Awaitable[None]]) -> None:
        """Who takes F links that others opened: ``handler(username, stream)``, after the init message.

        It runs in a task of the client; the link is closed when it returns or fails.
        There is one such handler.
        """


class Presence(Protocol):
    """Who is online, as far as the server tells us."""

    def watch(self, username: str, reason: object) -> None:
        """Have the server tell us about this user until :meth:`unwatch` with the same ``reason``.

        Survives reconnects. ``reason`` is any hashable; a user is watched while at least one is left.
        """

    def unwatch(self, username: str, reason: object) -> None:
        """The ``reason`` for watching is gone."""

    def online(self, username: str) -> bool | None:
        """Whether the user is online (or away); ``None`` if we do not know."""

    def unknown(self, username: str) -> bool:
        """Whether the server has said that there is no such user."""

    def privileged(self, username: str) -> bool:
        """Whether the user has privileges, as far as we know."""

    def friend(self, username: str) -> bool:
        """Whether the user is on our list of friends."""

    def banned(self, username: str) -> bool:
        """Whether the user, or the address it was last seen at, is banned by us."""

    def shared(self, username: str) -> tuple[int, int] | None:
        """How many files and folders the user shares; ``None`` if the server has not said."""

    def on_known(self, handler: Callable[[str], None]) -> Undo:
        """Call ``handler(username)`` when something else is known than before of what decides a user's
        group: privileges, friendship, how much is shared."""

    def on_online(self, handler: Callable[[str], None]) -> Undo:
        """Call ``handler(username)`` when a user that we watch comes online (also after our own login)."""

    def on_offline(self, handler: Callable[[str], None]) -> Undo:
        """Call ``handler(username)`` when a user that we watch goes offline."""


class Events(Protocol):
    """The way out: facts in the past tense, see :mod:`soulmesh.client.events`."""

    def emit(self, event: Any) -> None:
        """Tell everybody who listens. Never fails, never waits."""


@dataclass(frozen=True, slots=True)
class ShareCounts:
    """How much we share, as the server is told."""

    folders: int = 0
    files: int = 0


@dataclass(frozen=True, slots=True)
class Found:
    """Files that match a query: those the asker may have, and those it may only see."""

    results: list[FileData] = field(default_factory=list)
    locked: list[FileData] = field(default_factory=list)


class ShareIndex(Protocol):
    """What we share, as others may see it.

    File names in :class:`Found` are full remote paths (backslashes), those inside
    ``DirectoryData`` the last part alone. ``username`` is who asks: what is shared with
    friends only depends on it.
    """

    @property
    def counts(self) -> ShareCounts:
        """Folders and files that everybody may have."""

    async def search(self, query: str, *, username: str, limit: int, excluded: Sequence[str] = ()) -> Found:
        """At most ``limit`` files that match, by the rules of flows.rst ("Query rules").

        Files whose path holds one of the ``excluded`` phrases (any case) are left out.
        """

    async def browse(self, username: str) -> bytes:
        """The whole frame of a PeerSharesReply, ready to be sent."""

    async def folder(self, username: str, directory: str) -> list[DirectoryData]:
        """The files of one folder and of those below it; an empty list if there is no such folder."""

    def on_changed(self, handler: Callable[[], None]) -> Undo:
        """Call ``handler`` after :attr:`counts` changed."""


@dataclass(frozen=True, slots=True)
class Answerer:
    """What a search reply says beside the files."""

    own_name: str
    ticket: int
    """The searcher's."""
    slots_free: bool
    average_speed: int
    """Bytes per second."""
    queue_length: int


@dataclass(frozen=True, slots=True)
class PackedReply:
    """A PeerSearchReply, ready to be sent."""

    frame: bytes
    results: int
    """Files in it that the searcher may have..."""
    locked: int
    """...and that they may only see."""


@runtime_checkable
class PacksReplies(Protocol):
    """A share index that writes search replies itself, without making an object of each file."""

    def search_reply(
        self, query: str, *, username: str, limit: int, about: Answerer, excluded: Sequence[str] = ()
    ) -> PackedReply | None:
        """The answer to the search of ``username``, or None where there is nothing to answer."""


@runtime_checkable
class ForFriends(Protocol):
    """A share index that offers some files to friends only, and has to be told who they are."""

    def know_friends(self, friend: Callable[[str], bool]) -> None:
        """``friend(username)`` says from now on who is a friend."""


@runtime_checkable
class ForGroups(Protocol):
    """A share index that offers some files to groups of users only, and has to be told who is in which."""

    def know_groups(self, groups: Callable[[str], Collection[str]]) -> None:
        """``groups(username)`` says from now on which groups a user is in."""


class UploadFigures(Protocol):
    """What others are told about our uploads, in search replies and user info."""

    @property
    def slots(self) -> int:
        """How many uploads can run at once."""

    @property
    def slots_free(self) -> bool:
        """Whether an upload could start at once."""

    @property
    def average_speed(self) -> int:
        """Bytes per second."""

    @property
    def queue_length(self) -> int:
        """Uploads that wait."""
