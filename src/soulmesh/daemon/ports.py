"""What the daemon needs of a client, and no more.

:class:`Engine` is implemented by :mod:`soulmesh.daemon.engine` on the real
client, and by a fake in the tests. Times are aware UTC, sizes bytes, speeds
bytes per second, remote paths with backslashes exactly as they came.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Protocol

from soulmesh.client.events import Event
from soulmesh.client.shares.scan import RootOutcome
from soulmesh.client.transfers.batches import Batch
from soulmesh.client.transfers.transfer import Transfer
from soulmesh.wire.structs import DirectoryData

__all__ = [
    "Answer",
    "Browsed",
    "Engine",
    "Figures",
    "File",
    "GovernorState",
    "Info",
    "Link",
    "LinkState",
    "LoggedIn",
    "LoggedOut",
    "Member",
    "MessageReceived",
    "Room",
    "RoomEntry",
    "RoomLeft",
    "RoomSaid",
    "RunningSearch",
    "ScanMoved",
    "ScanProgressed",
    "ShareRoot",
    "ShareState",
    "Status",
    "Tree",
    "Withheld",
]


class LinkState:
    """Where the link to the server stands: the words of the API."""

    DISCONNECTED = "Disconnected"
    CONNECTING = "Connecting"
    LOGGING_IN = "Connected, LoggingIn"
    LOGGED_IN = "Connected, LoggedIn"


@dataclass(frozen=True, slots=True)
class Link:
    """The link to the server."""

    state: str = LinkState.DISCONNECTED
    host: str | None = None
    """The server's name; ``None`` before the first attempt."""
    address: str | None = None
    """``1.2.3.4:2242``."""
    username: str | None = None
    wanted: bool = False
    """Whether we try to be logged in."""
    next_attempt: datetime | None = None
    problem: str | None = None
    """Why we are not logged in."""

    @property
    def logged_in(self) -> bool:
        """Whether the server knows us now."""
        return self.state == LinkState.LOGGED_IN


@dataclass(frozen=True, slots=True)
class Figures:
    """What the server counts about a user."""

    speed: int = 0
    uploads: int = 0
    files: int = 0
    folders: int = 0


@dataclass(frozen=True, slots=True)
class Status:
    """Whether a user is there: ``Offline``, ``Away`` or ``Online``."""

    presence: str
    privileged: bool = False


@dataclass(frozen=True, slots=True)
class Info:
    """What a user tells about itself."""

    description: str
    picture: bytes | None
    free_slot: bool
    queue: int
    slots: int


@dataclass(frozen=True, slots=True)
class File:
    """A file in somebody's answer; ``name`` is the whole remote path."""

    name: str
    size: int
    attributes: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """One user's answer to a search."""

    username: str
    free_slot: bool
    speed: int
    queue: int
    files: list[File]
    locked: list[File] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Withheld:
    """What answered a search and is not among what it found, and why."""

    rules: dict[str, int] = field(default_factory=dict)
    """Files of answers that only echo the query, by the rule of :mod:`soulmesh.client.suspicion`."""
    filtered: int = 0
    """Files of answers that the search's own limits do not let pass."""
    blocked: int = 0
    """Files of users that are banned."""
    turned_away: int = 0
    """Banned users who wanted to connect meanwhile."""
    cut: int = 0
    """Answers dropped because too many waited to be read."""
    unreadable: int = 0
    """Answers that could not be read."""
    unreached: int = 0
    """Users who wanted to answer and could not connect to us."""


class RunningSearch(Protocol):
    """A search on the network."""

    on_withheld: Callable[[], None]
    """Called when :attr:`withheld` changes."""

    @property
    def ticket(self) -> int:
        """Its number on the network."""

    @property
    def withheld(self) -> Withheld:
        """What answered so far and is not among the answers."""

    def answers(self) -> AsyncIterator[Answer]:
        """Answers as they come, until :meth:`stop`."""

    def stop(self) -> None:
        """Take no more answers."""


@dataclass(frozen=True, slots=True)
class Browsed:
    """What a user shares."""

    folders: list[DirectoryData]
    locked: list[DirectoryData]


@dataclass(frozen=True, slots=True)
class RoomEntry:
    """A room in the server's list."""

    name: str
    users: int
    private: bool = False
    owned: bool = False
    operated: bool = False


@dataclass(frozen=True, slots=True)
class Member:
    """A user in a room."""

    username: str
    presence: str = "Online"
    figures: Figures = Figures()
    free_slots: int | None = None
    country: str = ""


@dataclass(frozen=True, slots=True)
class Room:
    """A room that we are in."""

    name: str
    private: bool
    members: list[Member]
    owner: str | None = None
    operators: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tree:
    """Our place in the distributed network."""

    level: int = 0
    root: str | None = None
    parent: str | None = None
    children: tuple[str, ...] = ()
    most_children: int = 0
    searches_per_second: float = 0.0
    forwarded_per_second: float = 0.0
    """Copies of searches that went to children."""
    speed: int | None = None
    """Our upload speed as the server sees it, in bytes per second."""
    min_speed: int = 0
    """KiB/s that we need to have children at all."""
    speed_ratio: int = 0
    """Tenths of a KiB/s that we need for each child."""


@dataclass(frozen=True, slots=True)
class ShareRoot:
    """A shared folder."""

    alias: str
    local_path: Path
    excluded: bool = False
    folders: int | None = None
    files: int | None = None
    raw: str = ""


@dataclass(frozen=True, slots=True)
class ShareState:
    """How the index of what we share is doing."""

    roots: tuple[ShareRoot, ...] = ()
    scanning: bool = False
    pending: bool = False
    ready: bool = True
    faulted: bool = False
    cancelled: bool = False
    progress: float = 1.0
    folders: int = 0
    files: int = 0
    going: ScanProgressed | None = None
    """How far the scan is, once that is known."""


@dataclass(frozen=True, slots=True)
class GovernorState:
    """The pace of one kind of request."""

    subject: str
    count: int
    seconds: float
    wait: float
    """Seconds that a person's next request would wait."""


@dataclass(frozen=True, slots=True)
class LoggedIn(Event):
    """We are logged in."""

    username: str


@dataclass(frozen=True, slots=True)
class LoggedOut(Event):
    """The link to the server is gone."""

    reason: str
    final: bool = False
    """We do not come back by ourselves."""


@dataclass(frozen=True, slots=True)
class MessageReceived(Event):
    """Somebody wrote to us."""

    username: str
    message: str
    id: int
    at: datetime
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class RoomSaid(Event):
    """Somebody, perhaps we, said something in a room, and it is kept."""

    room: str
    username: str
    message: str
    line: int | None = None
    """Its id in the room's history, if it is there."""


@dataclass(frozen=True, slots=True)
class ScanMoved(Event):
    """A scan of the shared folders ``started``, ``finished``, ``failed`` or was ``cancelled``; or files came
    and went without one that somebody asked for: ``changed``."""

    state: str
    folders: int
    files: int
    problem: str | None = None
    roots: tuple[RootOutcome, ...] = ()
    """What a scan that is finished did with each shared folder."""
    index: str | None = None
    """What became of the index then: ``unchanged``, ``updated`` or ``rebuilt``."""
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class ScanProgressed(Event):
    """How far a scan is: ``progress`` from 0 to 1 of all of it, the rest in its present ``phase``."""

    progress: float
    phase: str
    """``walking``, ``reading`` or ``indexing``."""
    done: int
    """Files."""
    total: int | None
    root: str = ""
    """The shared folder that is walked."""
    rate: float = 0.0
    """Files per second."""
    seconds_left: float | None = None


@dataclass(frozen=True, slots=True)
class RoomLeft(Event):
    """We are no longer in a room."""

    room: str


class BatchesPort(Protocol):
    """Downloads that belong together; see :class:`soulmesh.client.transfers.batches.Batches`."""

    def get(self, batch: str) -> Batch | None:
        """The batch with this id."""

    def moving(self, batch: Batch) -> bool:
        """Whether all of it is here, and on its way to where it is wanted just now."""

    async def adopt(
        self, identity: str, name: str, transfers: Iterable[Transfer], *, destination: Path | None = None
    ) -> Batch:
        """Make one batch of downloads that were wanted one by one."""


class TransfersPort(Protocol):
    """Downloads and uploads; see :class:`soulmesh.client.transfers.manager.Transfers`."""

    @property
    def batches(self) -> BatchesPort:
        """Downloads that belong together."""

    def __iter__(self) -> Iterator[Transfer]:
        """Those under way, and those that ended since the start."""

    def moved(self, direction: str) -> int:
        """Bytes that went by since the start."""

    def get(self, number: int) -> Transfer:
        """One of them."""

    def find(self, direction: str, username: str, remote_path: str) -> Transfer | None:
        """The transfer of one very file with one user."""

    async def download(
        self,
        username: str,
        remote_path: str,
        size: int | None = None,
        *,
        priority: int = 0,
        batch: str | None = None,
        more: dict[str, object] | None = None,
    ) -> Transfer:
        """Want a file."""

    async def cancel(self, number: int, *, delete_part: bool = True) -> Transfer:
        """Give it up."""

    async def remove(self, number: int) -> None:
        """Take it off the list."""

    def place(self, transfer: Transfer) -> int | None:
        """The place in the queue, as far as known."""

    async def numbers(self, uuids: Iterable[str]) -> dict[str, int]:
        """The numbers of transfers by their ids, also of those that ended before the start."""


class Engine(Protocol):
    """A client, as the daemon sees it."""

    @property
    def link(self) -> Link:
        """The link to the server."""

    @property
    def figures(self) -> Figures:
        """What the server counts about ourselves."""

    @property
    def privileged_seconds(self) -> int:
        """How long our privileges last."""

    @property
    def tree(self) -> Tree:
        """Our place in the distributed network."""

    @property
    def transfers(self) -> TransfersPort:
        """Downloads and uploads."""

    def on_event(self, handler: Callable[[Event], None]) -> Callable[[], None]:
        """Call ``handler`` with each event: those of transfers, and those of this module."""

    def connect(self) -> bool:
        """Try to be logged in from now on; ``False`` if that was under way already (it begins anew)."""

    async def disconnect(self) -> None:
        """Log out and stay so."""

    # Searching.

    def search_delay(self) -> float:
        """Seconds that a new search would have to wait for the governor; infinite while logged out."""

    async def search(
        self, text: str, *, username: str | None = None, room: str | None = None
    ) -> RunningSearch:
        """Search everywhere, or ask one user or one room."""

    def governor(self) -> list[GovernorState]:
        """The pace of everything that is paced."""

    # People.

    async def user_status(self, username: str) -> Status:
        """Asks the server."""

    async def user_info(self, username: str) -> Info:
        """Asks the user."""

    async def user_address(self, username: str) -> tuple[str, int]:
        """Asks the server; raises ``UserOffline``."""

    async def relayed(self) -> float:
        """Seconds that the server takes to pass on our request for a connection to ourselves."""

    async def searched(self) -> float:
        """Seconds that a search of our own files takes through the server."""

    async def called_back(self, username: str) -> None:
        """Have a user connect to us, asked through the server; raises ``PeerUnreachable``."""

    async def browse(self, username: str, progress: Callable[[int, int], None]) -> Browsed:
        """Everything that the user shares; ``progress(bytes here, bytes in all)``.

        Raises ``TooManyRequests`` beyond the governor's pace.
        """

    async def folder(self, username: str, directory: str) -> list[DirectoryData]:
        """The contents of one folder."""

    def watched(self) -> list[tuple[str, Status, Figures]]:
        """Users of whom the server keeps us informed."""

    def banned(self, username: str) -> bool:
        """Whether we want nothing to do with that user."""

    async def ask_place(self, transfer: Transfer) -> int:
        """Ask the uploader for the place in its queue; raises ``NoReply``."""

    # Talk.

    async def send_message(self, username: str, text: str) -> None:
        """A private message."""

    async def room_list(self) -> list[RoomEntry]:
        """Asked afresh from the server."""

    def rooms(self) -> list[str]:
        """The rooms that we are in."""

    def room(self, name: str) -> Room | None:
        """One of them; ``None`` if we are not in it."""

    async def join(self, name: str, *, private: bool = False, create: bool = True) -> Room:
        """Enter a room, making it if that is wanted; raises ``RoomRefused``, ``RoomUnknown``, or beyond the
        governor's pace ``TooManyRequests``."""

    async def leave(self, name: str) -> None:
        """Leave a room."""

    async def say(self, room: str, text: str) -> None:
        """Say something in a room."""

    async def set_ticker(self, room: str, text: str) -> None:
        """Pin something to the wall of a room."""

    async def add_member(self, room: str, username: str) -> None:
        """Let somebody into a private room of ours."""

    # Shares.

    @property
    def shares(self) -> ShareState:
        """How the index is doing."""

    async def share_contents(self, root: str | None = None) -> list[DirectoryData]:
        """What we share, base names in folders."""

    def scan(self, roots: Collection[int] | None = None, *, confirmed: bool = False) -> bool:
        """Scan anew, in the background; ``False`` if a scan is running.

        Args:
            roots: the numbers of the shared folders to look at; ``None`` is all of them.
            confirmed: forget files that are gone, however many they are.
        """

    def cancel_scan(self) -> bool:
        """Stop scanning; ``False`` if no scan is running."""
