"""The life of a transfer, as two tables.

Every transfer is in exactly one :class:`State`. What happens to it is an
:class:`Event`, and the tables below say what follows: ``(state, event) ->
state``. A pair that is not in the table is a mistake of ours and raises
:class:`WrongMove`; whatever a peer can send at any time has a row for every
state, if only to stay where it is.

::

    download   pending -> asking -> queued -> offered -> starting -> running -> saving -> finished
    upload     queued -> calling -> linking -> starting -> running -> draining -> finished

and, from anywhere: delayed (until a time), offline (until the peer is back),
no room (until the disk has some), paused, failed (until a person decides),
cancelled.

Here live only the tables, the words that both directions share, and the
machine's common part; :mod:`soulmesh.core.download` and
:mod:`soulmesh.core.upload` hold what is particular to each. No IO, no clock:
``now`` is a parameter, in seconds of any steady clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from soulmesh.errors import UsageError

__all__ = [
    "ACTIVE",
    "DOWNLOAD",
    "FINAL",
    "OWNERS",
    "UPLOAD",
    "Effect",
    "Event",
    "Machine",
    "Moved",
    "Owner",
    "State",
    "WrongMove",
    "effects",
]


class State(StrEnum):
    """Where a transfer stands."""

    PENDING = "pending"
    """Download: to be asked for, as soon as we are connected and it is its turn."""
    ASKING = "asking"
    """Download: a link is being opened, and the request sent over it."""
    QUEUED = "queued"
    """In the uploader's queue: the peer's for a download, ours for an upload."""
    OFFERED = "offered"
    """Download: the peer offered the file, we said yes, its F link must come."""
    CALLING = "calling"
    """Upload: we offered the file, the peer must say yes."""
    LINKING = "linking"
    """Upload: the peer said yes, we are opening the F link."""
    STARTING = "starting"
    """The F link is there, no byte of the file has passed."""
    RUNNING = "running"
    DRAINING = "draining"
    """Upload: all bytes are sent, the downloader has to close (flows.rst, the warning under "Downloads")."""
    SAVING = "saving"
    """Download: all bytes are here, being checked and moved to their place."""
    DELAYED = "delayed"
    """Something failed; the next try has a time."""
    OFFLINE = "offline"
    """The peer is not logged in; we go on when the server says that it is back."""
    NO_ROOM = "no room"
    """Download: the disk is full, or has too little room for this file; we go on when it has enough."""
    PAUSED = "paused"
    FINISHED = "finished"
    FAILED = "failed"
    """Only a person can start it again."""
    CANCELLED = "cancelled"


class Owner(StrEnum):
    """On whom it depends that a transfer moves on."""

    WE = "we"
    PEER = "peer"
    SERVER = "server"
    DISK = "disk"
    PERSON = "person"
    NOBODY = "nobody"


class Event(StrEnum):
    """What can happen to a transfer, in the past tense."""

    BEGAN = "began"
    ASKED = "asked"
    PLACED = "placed"
    OFFERED = "offered"
    CALLED = "called"
    ACCEPTED = "accepted"
    LINKED = "linked"
    MOVED_ON = "moved on"
    ALL_SENT = "all sent"
    ALL_RECEIVED = "all received"
    SAVED = "saved"
    CLOSED = "closed"
    HAD_ALREADY = "had already"
    REQUEUED = "requeued"
    PUT_OFF = "put off"
    GAVE_UP = "gave up"
    RESTARTED = "restarted"
    PEER_LEFT = "peer left"
    PEER_CAME = "peer came"
    DISK_FILLED = "disk filled"
    DISK_FREED = "disk freed"
    TURNED_DOWN = "turned down"
    """The peer offered it while the disk had no room."""
    DUE = "due"
    PAUSED = "paused"
    RESUMED = "resumed"
    RETRIED = "retried"
    CANCELLED = "cancelled"
    RESTORED = "restored"
    VANISHED = "vanished"
    """A finished file was gone from the disk before all that belongs to it was there."""
    TOOK_OVER = "took over"
    """In stories alone: it was made to stand for another one, with another source."""
    GATHERED = "gathered"
    """In stories alone: the folder that it waited in was whole, and moved to its place."""


class WrongMove(UsageError):
    """An event for which the table has no row: a mistake in this program."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(state, event)
        self.state = state
        self.event = event

    def __str__(self) -> str:
        return f"nothing is known to follow when a transfer is {self.state} and {self.event}"


class Effect:
    """Something that the owner of a machine has to carry out."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Moved(Effect):
    """For the journal and for listeners: something happened, and where the transfer stands now."""

    event: Event
    old: State
    new: State
    reason: str
    detail: str = ""


S = State
E = Event
FINAL = frozenset({S.FINISHED, S.FAILED, S.CANCELLED})
ACTIVE = frozenset({S.OFFERED, S.CALLING, S.LINKING, S.STARTING, S.RUNNING, S.DRAINING, S.SAVING})
"""States that hold a slot."""

_Table = dict[tuple[State, Event], State]


def _rows(table: _Table, states: Iterable[State], event: Event, to: State | None) -> None:
    """Add a row per state; ``to`` is where it leads, ``None`` that nothing changes."""
    for state in states:
        if (state, event) in table:
            raise AssertionError(f"two rows for {state}, {event}")
        table[state, event] = state if to is None else to


def _download_table() -> _Table:
    table: _Table = {}
    asked = (S.ASKING, S.QUEUED)
    linked = (S.STARTING, S.RUNNING)
    waiting = (S.PENDING, S.DELAYED, S.OFFLINE, S.NO_ROOM)
    under_way = (*asked, S.OFFERED, *linked)
    stopped = (S.PAUSED, S.FINISHED, S.FAILED, S.CANCELLED)
    every = (*waiting, *under_way, S.SAVING, *stopped)

    # The plain road.
    _rows(table, [S.PENDING], E.BEGAN, S.ASKING)
    _rows(table, [S.ASKING], E.ASKED, S.QUEUED)
    # An offer may overtake the end of our own sending of the request.
    _rows(table, [x for x in every if x != S.ASKING], E.ASKED, None)
    _rows(table, [*waiting, *under_way], E.OFFERED, S.OFFERED)
    _rows(table, [S.OFFERED], E.LINKED, S.STARTING)
    _rows(table, linked, E.MOVED_ON, S.RUNNING)
    _rows(table, linked, E.ALL_RECEIVED, S.SAVING)
    _rows(table, [S.SAVING], E.SAVED, S.FINISHED)
    _rows(table, [S.FINISHED], E.VANISHED, S.FAILED)

    # What peers may say at any time.
    _rows(table, asked, E.PLACED, S.QUEUED)
    _rows(table, [x for x in every if x not in asked], E.PLACED, None)
    _rows(table, asked, E.REQUEUED, S.QUEUED)
    _rows(table, [S.OFFERED], E.REQUEUED, S.QUEUED)
    _rows(table, [x for x in every if x not in (*asked, S.OFFERED)], E.REQUEUED, None)
    _rows(table, [*waiting, *under_way], E.PUT_OFF, S.DELAYED)
    _rows(table, [S.SAVING], E.PUT_OFF, S.DELAYED)
    _rows(table, stopped, E.PUT_OFF, None)
    _rows(table, [*waiting, *under_way, S.SAVING], E.GAVE_UP, S.FAILED)
    _rows(table, stopped, E.GAVE_UP, None)
    _rows(table, [S.PENDING, S.DELAYED, *asked, S.OFFERED], E.PEER_LEFT, S.OFFLINE)
    # A running link does not need the server: the bytes go on although the peer logged out.
    _rows(table, [S.OFFLINE, S.NO_ROOM, *linked, S.SAVING, *stopped], E.PEER_LEFT, None)
    # Delayed by a lost link, that is: who is killed may leave the server before its links break.
    _rows(table, [S.OFFLINE, S.DELAYED], E.PEER_CAME, S.PENDING)
    _rows(table, [x for x in every if x not in (S.OFFLINE, S.DELAYED)], E.PEER_CAME, None)

    # Ours.
    _rows(table, [S.RUNNING, S.STARTING], E.RESTARTED, S.PENDING)
    _rows(table, [S.PENDING, S.NO_ROOM, S.OFFERED, *linked, S.SAVING], E.DISK_FILLED, S.NO_ROOM)
    # What waits for a time or for the peer needs no room meanwhile, and keeps its own rule and its place.
    _rows(table, [*asked, S.DELAYED, S.OFFLINE, *stopped], E.DISK_FILLED, None)
    _rows(table, [*waiting, *under_way], E.TURNED_DOWN, S.NO_ROOM)
    _rows(table, [S.NO_ROOM], E.DISK_FREED, S.PENDING)
    _rows(table, [x for x in every if x != S.NO_ROOM], E.DISK_FREED, None)
    _rows(table, [S.DELAYED], E.DUE, S.PENDING)
    _rows(table, [*waiting, *under_way], E.PAUSED, S.PAUSED)
    _rows(table, [S.PAUSED], E.PAUSED, None)
    _rows(table, [S.PAUSED], E.RESUMED, S.PENDING)
    _rows(table, [S.DELAYED, S.OFFLINE, S.NO_ROOM, S.PAUSED, S.FAILED, S.CANCELLED], E.RETRIED, S.PENDING)
    _rows(table, [*waiting, *under_way, S.SAVING, S.PAUSED, S.FAILED], E.CANCELLED, S.CANCELLED)
    _rows(table, [S.CANCELLED], E.CANCELLED, None)
    _rows(table, [S.PENDING, *under_way, S.SAVING], E.RESTORED, S.PENDING)
    _rows(table, [S.DELAYED, S.OFFLINE, S.NO_ROOM, *stopped], E.RESTORED, None)
    return table


def _upload_table() -> _Table:
    table: _Table = {}
    linked = (S.STARTING, S.RUNNING, S.DRAINING)
    under_way = (S.CALLING, S.LINKING, *linked)
    waiting = (S.QUEUED, S.DELAYED, S.OFFLINE)
    stopped = (S.PAUSED, S.FINISHED, S.FAILED, S.CANCELLED)
    every = (*waiting, *under_way, *stopped)

    # The plain road.
    _rows(table, [S.QUEUED], E.CALLED, S.CALLING)
    _rows(table, [S.CALLING], E.ACCEPTED, S.LINKING)
    _rows(table, [S.LINKING], E.LINKED, S.STARTING)
    _rows(table, [S.STARTING, S.RUNNING], E.MOVED_ON, S.RUNNING)
    _rows(table, [S.STARTING, S.RUNNING], E.ALL_SENT, S.DRAINING)
    # The last bytes are proven only by the downloader's closing, after the last was handed to the network.
    _rows(table, [S.DRAINING], E.CLOSED, S.FINISHED)

    # What peers may say at any time.
    _rows(table, [S.CALLING], E.HAD_ALREADY, S.FINISHED)
    _rows(table, [S.DELAYED, S.OFFLINE, S.FINISHED, S.FAILED, S.CANCELLED], E.REQUEUED, S.QUEUED)
    # Who asks again before the first byte has lost our offer: it was started anew, or its link broke.
    # Who asks again while we wait for its closing did not get all, or could not keep it.
    _rows(table, [S.CALLING, S.LINKING, S.STARTING, S.DRAINING], E.REQUEUED, S.QUEUED)
    # Some programs ask again for what they are getting; a link that is dead ends by its own deadline.
    _rows(table, [S.QUEUED, S.PAUSED, S.RUNNING], E.REQUEUED, None)
    _rows(table, [S.QUEUED, S.DELAYED, S.CALLING, S.LINKING], E.PEER_LEFT, S.OFFLINE)
    _rows(table, [S.OFFLINE, *linked, *stopped], E.PEER_LEFT, None)
    _rows(table, [S.OFFLINE, S.DELAYED], E.PEER_CAME, S.QUEUED)
    _rows(table, [x for x in every if x not in (S.OFFLINE, S.DELAYED)], E.PEER_CAME, None)

    # Ours.
    _rows(table, [S.QUEUED, *under_way], E.PUT_OFF, S.DELAYED)
    _rows(table, [S.DELAYED, S.OFFLINE, *stopped], E.PUT_OFF, None)
    _rows(table, [*waiting, *under_way], E.GAVE_UP, S.FAILED)
    _rows(table, stopped, E.GAVE_UP, None)
    _rows(table, [S.DELAYED], E.DUE, S.QUEUED)
    _rows(table, [*waiting, *under_way], E.PAUSED, S.PAUSED)
    _rows(table, [S.PAUSED], E.PAUSED, None)
    _rows(table, [S.PAUSED], E.RESUMED, S.QUEUED)
    _rows(table, [S.DELAYED, S.OFFLINE, S.PAUSED, S.FAILED, S.CANCELLED], E.RETRIED, S.QUEUED)
    _rows(table, [*waiting, *under_way, S.PAUSED, S.FAILED], E.CANCELLED, S.CANCELLED)
    _rows(table, [S.CANCELLED], E.CANCELLED, None)
    _rows(table, [S.QUEUED, *under_way], E.RESTORED, S.QUEUED)
    _rows(table, [S.DELAYED, S.OFFLINE, *stopped], E.RESTORED, None)
    return table


DOWNLOAD: Mapping[tuple[State, Event], State] = _download_table()
UPLOAD: Mapping[tuple[State, Event], State] = _upload_table()

_OWNERS_OF_BOTH = {
    S.DELAYED: Owner.WE,
    S.OFFLINE: Owner.SERVER,
    S.PAUSED: Owner.PERSON,
    S.FAILED: Owner.PERSON,
    S.FINISHED: Owner.NOBODY,
    S.CANCELLED: Owner.PERSON,
    S.STARTING: Owner.PEER,
    S.RUNNING: Owner.PEER,
}
OWNERS: Mapping[str, Mapping[State, Owner]] = {
    "download": {
        **_OWNERS_OF_BOTH,
        S.PENDING: Owner.WE,
        S.ASKING: Owner.WE,
        S.QUEUED: Owner.PEER,
        S.OFFERED: Owner.PEER,
        S.SAVING: Owner.DISK,
        S.NO_ROOM: Owner.DISK,
    },
    "upload": {
        **_OWNERS_OF_BOTH,
        S.QUEUED: Owner.WE,
        S.CALLING: Owner.PEER,
        S.LINKING: Owner.WE,
        S.DRAINING: Owner.PEER,
    },
}


class Machine:
    """What a download and an upload have in common: the state and the way it changes."""

    table: Mapping[tuple[State, Event], State]
    direction: str
    __slots__ = ("attempts", "deadline", "reason", "since", "state")

    def __init__(self, state: State) -> None:
        self.state = state
        self.reason = ""
        """Why it is where it is, in the words of whoever caused it; empty on the plain road."""
        self.deadline: float | None = None
        """When :meth:`tick` next has something to do."""
        self.attempts = 0
        """Failures in a row."""
        self.since = 0.0
        """When it came into its state."""

    @property
    def owner(self) -> Owner:
        """On whom it depends what happens next."""
        return OWNERS[self.direction][self.state]

    @property
    def final(self) -> bool:
        """Whether nothing happens by itself any more."""
        return self.state in FINAL

    def _move(
        self, event: Event, now: float, *, reason: str = "", deadline: float | None = None, detail: str = ""
    ) -> Moved | None:
        """Take one row of the table. ``None`` if the row says that nothing changes."""
        old = self.state
        try:
            new = self.table[old, event]
        except KeyError:
            raise WrongMove(old, event) from None
        if new is old and (old in FINAL or old is State.PAUSED):
            return None
        self.state = new
        if new is not old:
            self.since = now
            self.reason = reason
            self.deadline = deadline
        elif deadline is not None:
            self.deadline = deadline
        return Moved(event, old, new, reason, detail)

    def _stays(self, event: Event) -> bool:
        """Whether the table says that this event changes nothing now."""
        try:
            return self.table[self.state, event] is self.state
        except KeyError:
            raise WrongMove(self.state, event) from None


def effects(moved: Effect | None, *others: Effect) -> list[Effect]:
    """The list that a machine returns: the move, if there was one, and what follows from it."""
    return [*others] if moved is None else [moved, *others]
