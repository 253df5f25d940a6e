"""One download: what was said to the peer, what is expected, and what to do when it does not come.

flows.rst, "Downloads". Times in seconds; ``jitter`` (0 to 1) is drawn by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass

from soulmesh.core.allotment import Lack
from soulmesh.core.retry import (
    CANCELLED,
    COMPLETE,
    NO_REASON,
    NO_SUCH_USER,
    PEER_OFFLINE,
    QUEUED,
    RetryClass,
    RetryPolicy,
    classify,
)
from soulmesh.core.transfer import DOWNLOAD, Effect, Event, Machine, State, effects

__all__ = [
    "DOES_NOT_FIT",
    "Accept",
    "Ask",
    "AskPlace",
    "Download",
    "DropLink",
    "Keep",
    "Refuse",
    "TicketNotExpected",
]

ASK_WITHIN = 90.0
"""Opening a link directly or indirectly has its own limits; this is the belt to their braces."""
PLACE_AFTER = 60.0  # flows.rst: "If after 60s the ticket is not handled"
PLACE_EVERY = 300.0  # conventions.md, "Etiquette": not faster than every 5 minutes
LATE_NEWS = 60.0
"""Seconds in which a peer notices, and says, that an upload was broken off."""
ASK_AGAIN_AFTER = 6 * 3600.0
"""A queued request is repeated after so long: a peer that was restarted unseen has forgotten it."""
LINK_WITHIN = 90.0
"""The peer may have to try directly and then ask the server, with 30 s for each, and it may be busy."""
FIRST_BYTE_WITHIN = 90.0
SILENCE = 120.0
DISK_FULL = Lack.FULL.value
DOES_NOT_FIT = Lack.TOO_LITTLE.value
LARGER = "it is larger than the file that was asked for"
PROGRESS_FORGIVES = 1 << 20
"""So many bytes in one attempt show that the source works: failures are counted anew."""


@dataclass(frozen=True, slots=True)
class Ask(Effect):
    """Send PeerTransferQueue."""


@dataclass(frozen=True, slots=True)
class AskPlace(Effect):
    """Send PeerPlaceInQueueRequest."""


@dataclass(frozen=True, slots=True)
class Accept(Effect):
    """Send PeerTransferReply with ``allowed`` set, and expect the ticket on an F link."""

    ticket: int


@dataclass(frozen=True, slots=True)
class Refuse(Effect):
    """Send PeerTransferReply without ``allowed``."""

    ticket: int
    reason: str


@dataclass(frozen=True, slots=True)
class DropLink(Effect):
    """Close the F link if there is one, and forget the ticket."""


@dataclass(frozen=True, slots=True)
class Keep(Effect):
    """Move the file to its place."""


class TicketNotExpected(Exception):
    """An F link came for a download that expects none."""


class Download(Machine):
    """The machine of one download."""

    table = DOWNLOAD
    direction = "download"
    __slots__ = (
        "_ask_again_at",
        "_broken_off_at",
        "_link_failed",
        "_place_at",
        "place",
        "policy",
        "received",
        "size",
        "started_at_byte",
        "ticket",
        "wanted",
    )

    def __init__(self, *, size: int | None = None, policy: RetryPolicy | None = None) -> None:
        self._link_failed = False
        super().__init__(State.PENDING)
        self.policy = policy or RetryPolicy()
        self.size = size
        """Bytes, as the peer says; ``None`` before it said anything."""
        self.wanted = size or None
        """Bytes of the file that was asked for; ``None`` if it was asked for by name alone (as with 0)."""
        self.received = 0
        """Bytes that are safe on disk, from the start of the file."""
        self.started_at_byte = 0
        self.ticket: int | None = None
        """The peer's ticket, while an F link is expected or there."""
        self.place: int | None = None
        self._place_at: float | None = None
        self._ask_again_at: float | None = None
        self._broken_off_at: float | None = None
        """When a person ended it while the file was on its way: the peer will say it could not."""

    # Our own steps.

    def begin(self, now: float) -> list[Effect]:
        """It is its turn: ask the peer for the file."""
        moved = self._move(Event.BEGAN, now, deadline=now + ASK_WITHIN)
        self.place = None
        return effects(moved, Ask())

    def asked(self, now: float) -> list[Effect]:
        """The request is on its way."""
        if self._stays(Event.ASKED):
            return []
        self._wait_in_queue(now)
        return effects(self._move(Event.ASKED, now, deadline=self._queue_deadline()))

    def linked(self, ticket: int, offset: int, now: float) -> list[Effect]:
        """The F link with our ticket is there, and ``offset`` was sent over it.

        Raises:
            TicketNotExpected: no such ticket was accepted.
        """
        if self.state is not State.OFFERED or ticket != self.ticket:
            raise TicketNotExpected
        self.started_at_byte = offset
        return effects(self._move(Event.LINKED, now, deadline=now + FIRST_BYTE_WITHIN, detail=str(offset)))

    def progressed(self, received: int, now: float) -> list[Effect]:
        """The first ``received`` bytes of the file are here."""
        self.received = received
        if received - self.started_at_byte >= PROGRESS_FORGIVES:
            self.attempts = 0
        if self.state is State.RUNNING:
            self.deadline = now + SILENCE
            return []
        return effects(self._move(Event.MOVED_ON, now, deadline=now + SILENCE))

    def completed(self, now: float) -> list[Effect]:
        """The last byte is here."""
        self.ticket = None
        return effects(self._move(Event.ALL_RECEIVED, now), Keep())

    def saved(self, now: float, local_path: str = "") -> list[Effect]:
        """The file lies where it belongs."""
        self.attempts = 0
        return effects(self._move(Event.SAVED, now, detail=local_path))

    # What the peer says.

    def placed(self, place: int, now: float) -> list[Effect]:
        """PeerPlaceInQueueReply, asked for or not."""
        if self.state not in (State.ASKING, State.QUEUED):
            self._move(Event.PLACED, now)
            return []
        changed = place != self.place
        self.place = place
        if self.state is State.ASKING:
            self._wait_in_queue(now)
        # A place that was pushed to us spares the next question.
        self._place_at = now + PLACE_EVERY
        moved = self._move(Event.PLACED, now, deadline=self._queue_deadline(), detail=str(place))
        return effects(moved) if changed else []

    def offered(self, ticket: int, size: int, now: float) -> list[Effect]:
        """PeerTransferRequest: the peer is ready to upload, and we have room for the file."""
        if not self.takes_offers:
            return self._not_wanted(ticket)
        todo = self._drop_the_old_link()
        self.ticket = ticket
        self.size = size
        self.place = None
        moved = self._move(Event.OFFERED, now, deadline=now + LINK_WITHIN, detail=str(size))
        self.deadline = now + LINK_WITHIN
        return [*todo, *effects(moved, Accept(ticket))]

    def turned_down(
        self, ticket: int, size: int, lack: Lack, now: float, jitter: float = 0.0
    ) -> list[Effect]:
        """PeerTransferRequest, while our disk has no room for so much.

        The peer hears at once that it shall leave the file in its queue ("Queued" is no failure), so that
        its slot is free for others. Our own program offers it again by itself; Nicotine+ 3.3.11 and
        aioslsk 1.7.1 drop what was refused, whatever the reason, and are asked anew when there is room.
        """
        if not self.takes_offers:
            return self._not_wanted(ticket)
        todo = self._drop_the_old_link()
        self.ticket = self.place = None
        self.size = size
        if lack is Lack.TOO_LITTLE and self._is_larger:
            return [*todo, Refuse(ticket, CANCELLED), *self._too_large(now)]
        moved = self._move(Event.TURNED_DOWN, now, reason=lack.value)
        self.reason = lack.value
        return [*todo, *effects(moved, Refuse(ticket, QUEUED))]

    @property
    def takes_offers(self) -> bool:
        """Whether an offer of the peer is of any use to us."""
        return not self.final and self.state not in (State.SAVING, State.PAUSED)

    def _not_wanted(self, ticket: int) -> list[Effect]:
        here = self.state is State.FINISHED or self.state is State.SAVING
        return [Refuse(ticket, COMPLETE if here else CANCELLED)]

    def _drop_the_old_link(self) -> list[Effect]:
        # The peer starts anew, so it lost the link that we still think alive, or are about to answer.
        return [DropLink()] if self.state in (State.OFFERED, State.STARTING, State.RUNNING) else []

    def refused(self, reason: str, now: float, jitter: float = 0.0) -> list[Effect]:
        """PeerTransferQueueFailed, or any other message that says no in words."""
        retry_class = classify(reason)
        if retry_class is RetryClass.QUEUED:
            # Not a failure at all: the peer says that we are in the queue.
            if self._stays(Event.REQUEUED) and self.state is not State.QUEUED:
                return []
            self.ticket = None
            self._wait_in_queue(now)
            return effects(self._move(Event.REQUEUED, now, deadline=self._queue_deadline()))
        if retry_class is RetryClass.DONE:
            retry_class = RetryClass.PERSON  # makes no sense from an uploader
        return self._failed(retry_class, reason.strip() or NO_REASON, now, jitter)

    def upload_failed(self, now: float, jitter: float = 0.0) -> list[Effect]:
        """PeerUploadFailed: the peer tried to upload and could not."""
        if self.state in (State.PENDING, State.DELAYED, State.OFFLINE, State.NO_ROOM):
            return []
        broken_off, self._broken_off_at = self._broken_off_at, None
        if (
            broken_off is not None
            and now - broken_off < LATE_NEWS
            and self.state in (State.ASKING, State.QUEUED)
        ):
            # That is about the upload that we broke off. Whether our new request came to the peer before or
            # after it gave up, nobody knows: asked twice does no harm.
            return [Ask()] if self.state is State.QUEUED else []
        return self._failed(RetryClass.LINK, "the peer could not upload", now, jitter)

    # What goes wrong.

    def lost(self, reason: str, now: float, jitter: float = 0.0) -> list[Effect]:
        """No link could be opened, or it broke."""
        return self._failed(RetryClass.LINK, reason, now, jitter)

    def broken(self, reason: str, now: float, jitter: float = 0.0) -> list[Effect]:
        """Our own disk failed."""
        return self._failed(RetryClass.LOCAL, reason, now, jitter)

    def spoiled(self, reason: str, now: float) -> list[Effect]:
        """All bytes came, and the file is no good: the same source would send the same again."""
        return self._failed(RetryClass.PERSON, reason, now, 0.0)

    def vanished(self, reason: str, now: float) -> list[Effect]:
        """The finished file is gone again, before its folder was whole: a person decides."""
        self.received = 0
        return effects(self._move(Event.VANISHED, now, reason=reason))

    def differed(self, reason: str, now: float) -> list[Effect]:
        """What is on disk is not the beginning of this file: it was put aside, start anew at once."""
        self.received = 0
        self.ticket = None
        return effects(self._move(Event.RESTARTED, now, reason=reason), DropLink())

    def disk_full(self, now: float) -> list[Effect]:
        """Our disk has no room: what would write waits, without a link.

        A place in the queue of a peer is kept: nothing comes before it is offered.
        """
        if self._stays(Event.DISK_FILLED):
            return []
        had_link = self.ticket is not None
        self.ticket = None
        moved = self._move(Event.DISK_FILLED, now, reason=DISK_FULL)
        return effects(moved, DropLink()) if had_link else effects(moved)

    def does_not_fit(self, now: float, lack: Lack = Lack.TOO_LITTLE) -> list[Effect]:
        """The disk has room, but not for a file of this :attr:`size`: it waits alone, without a link.

        One that is larger than what was asked for is not waited for: whoever makes the room for it should
        have seen that it is another file, or no file at all.
        """
        if lack is Lack.TOO_LITTLE and self._is_larger:
            return self._too_large(now)
        had_link = self.ticket is not None
        self.ticket = None
        moved = self._move(Event.DISK_FILLED, now, reason=lack.value)
        return effects(moved, DropLink()) if had_link else effects(moved)

    @property
    def _is_larger(self) -> bool:
        return self.wanted is not None and self.size is not None and self.size > self.wanted

    def _too_large(self, now: float) -> list[Effect]:
        offered, self.size = self.size, self.wanted
        reason = f"{LARGER} ({offered} bytes, not {self.wanted}), and does not fit on the disk"
        return self._failed(RetryClass.PERSON, reason, now, 0.0)

    def still_lacks(self, lack: Lack, now: float) -> list[Effect]:
        """Somebody looked: there is no room yet, perhaps for another reason than before."""
        if self.state is not State.NO_ROOM or self.reason == lack.value:
            return []
        self.reason = lack.value
        return effects(self._move(Event.DISK_FILLED, now, reason=lack.value))

    def disk_has_room(self, now: float) -> list[Effect]:
        """Our disk has room again."""
        if self._stays(Event.DISK_FREED):
            return []
        return effects(self._move(Event.DISK_FREED, now))

    def peer_left(self, now: float, *, exists: bool = True) -> list[Effect]:
        """The server says that the peer is offline, or that there is no such user at all."""
        if self._stays(Event.PEER_LEFT):
            return []
        self.ticket = None
        self.place = None
        return effects(self._move(Event.PEER_LEFT, now, reason=PEER_OFFLINE if exists else NO_SUCH_USER))

    def peer_came(self, now: float) -> list[Effect]:
        """The server says that the peer is there."""
        if self._stays(Event.PEER_CAME):
            return []
        if self.state is State.DELAYED and not self._link_failed:
            return []
        self.attempts = 0
        return effects(self._move(Event.PEER_CAME, now))

    # What people say.

    def pause(self, now: float) -> list[Effect]:
        """A person wants it to wait."""
        return self._stop(Event.PAUSED, now, "paused")

    def resume(self, now: float) -> list[Effect]:
        """A person wants it to go on."""
        return effects(self._move(Event.RESUMED, now))

    def retry(self, now: float) -> list[Effect]:
        """Try at once, whatever was said before."""
        self.attempts = 0
        return effects(self._move(Event.RETRIED, now))

    def cancel(self, now: float, successor: str = "") -> list[Effect]:
        """Give it up; ``successor`` is the user from whom the file comes instead."""
        detail = f": {successor} has it too and took over" if successor else ""
        return self._stop(Event.CANCELLED, now, "cancelled" + detail, detail)

    def restore(self, now: float) -> list[Effect]:
        """The program was started again: what was under way is asked for anew."""
        self.ticket = None
        self.place = None
        if self._stays(Event.RESTORED):
            return []
        return effects(self._move(Event.RESTORED, now))

    # Time.

    def tick(self, now: float, jitter: float = 0.0) -> list[Effect]:
        """Do what is due at :attr:`deadline`."""
        if self.deadline is None or now < self.deadline:
            return []
        match self.state:
            case State.DELAYED:
                return effects(self._move(Event.DUE, now))
            case State.QUEUED:
                return self._queue_tick(now)
            case State.ASKING:
                return self.lost("no answer to our attempts to connect", now, jitter)
            case State.OFFERED:
                return self.lost("the peer offered the file but opened no connection for it", now, jitter)
            case State.STARTING:
                return self.lost("the peer sent nothing", now, jitter)
            case State.RUNNING:
                return self.lost("the peer stopped sending", now, jitter)
        raise AssertionError(f"a deadline in state {self.state}")

    # Within.

    def _wait_in_queue(self, now: float) -> None:
        self._place_at = now + PLACE_AFTER
        self._ask_again_at = now + ASK_AGAIN_AFTER

    def _queue_deadline(self) -> float:
        assert self._place_at is not None
        assert self._ask_again_at is not None
        return min(self._place_at, self._ask_again_at)

    def _queue_tick(self, now: float) -> list[Effect]:
        assert self._ask_again_at is not None
        todo: list[Effect] = []
        self._place_at = now + PLACE_EVERY
        if now >= self._ask_again_at:
            self._ask_again_at = now + ASK_AGAIN_AFTER
            todo.append(Ask())
        todo.append(AskPlace())
        self.deadline = self._queue_deadline()
        return todo

    def _failed(self, retry_class: RetryClass, reason: str, now: float, jitter: float) -> list[Effect]:
        """Wait for the next try if there is one, else for a person."""
        if self._stays(Event.GAVE_UP):
            return []
        had_link = self.ticket is not None
        self.attempts += 1
        self._link_failed = retry_class is RetryClass.LINK
        delay = self.policy.delay(retry_class, self.attempts, jitter)
        if delay is None:
            moved = self._move(Event.GAVE_UP, now, reason=reason)
        else:
            moved = self._move(Event.PUT_OFF, now, reason=reason, deadline=now + delay)
            self.deadline = now + delay
            self.reason = reason
        self.ticket = None
        self.place = None
        return effects(moved, DropLink()) if had_link else effects(moved)

    def _stop(self, event: Event, now: float, reason: str, detail: str = "") -> list[Effect]:
        had_link = self.ticket is not None
        if had_link:
            self._broken_off_at = now
        moved = self._move(event, now, reason=reason, detail=detail)
        self.ticket = None
        self.place = None
        return effects(moved, DropLink()) if had_link else effects(moved)
