"""One upload: offered when its turn has come, carried over a link of its own, proven by the other's closing.

flows.rst, "Downloads" seen from the other side, and "Uploads" for files that we push.
"""

from __future__ import annotations

from dataclasses import dataclass

from soulmesh.core.download import DropLink
from soulmesh.core.retry import CANCELLED, NO_REASON, PEER_OFFLINE, QUEUED, RetryClass, RetryPolicy, classify
from soulmesh.core.transfer import UPLOAD, Effect, Event, Machine, State, effects

__all__ = ["Call", "OpenLink", "TellFailed", "TellRefused", "Upload"]

CALL_WITHIN = 90.0
"""Opening a P link both ways, and the answer; other programs are busy or turn ten times a second."""
LINK_WITHIN = 90.0
OFFSET_WITHIN = 60.0
SILENCE = 120.0
CLOSE_WITHIN = 120.0
"""A downloader that has all bytes must close; one that never does has a dead link."""
HELD = 10 * 1024 * 1024
"""Bytes that may be under way when the network has taken the last one: by its own settings, Linux lets
a socket keep 4 MiB to be sent and 6 MiB to be read."""
SLOWEST = 10 * 1024
"""Bytes per second: nobody who reads is taken to be slower, or a dead link would keep its slot for hours."""
KEEP_FOR_ABSENT = 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Call(Effect):
    """Send PeerTransferRequest with direction 1; a push sends PeerUploadQueueNotification before it."""

    ticket: int


@dataclass(frozen=True, slots=True)
class OpenLink(Effect):
    """Open an F link and send the ticket over it."""

    ticket: int


@dataclass(frozen=True, slots=True)
class TellFailed(Effect):
    """Send PeerUploadFailed, so that the downloader asks again when it wants."""


@dataclass(frozen=True, slots=True)
class TellRefused(Effect):
    """Send PeerTransferQueueFailed."""

    reason: str


class Upload(Machine):
    """The machine of one upload."""

    table = UPLOAD
    direction = "upload"
    __slots__ = ("policy", "pushed", "running_since", "sent", "size", "started_at_byte", "ticket")

    def __init__(self, *, size: int = 0, pushed: bool = False, policy: RetryPolicy | None = None) -> None:
        super().__init__(State.QUEUED)
        self.policy = policy or RetryPolicy()
        self.pushed = pushed
        """We offer it unasked, so nobody else will ask again when it fails."""
        self.size = size
        self.sent = 0
        """The downloader has the file up to here, as far as we handed bytes to the network."""
        self.started_at_byte = 0
        self.running_since = 0.0
        """When the downloader said where to start."""
        self.ticket: int | None = None

    # Our own steps.

    def call(self, ticket: int, size: int, now: float) -> list[Effect]:
        """A slot is free: offer the file."""
        self.ticket = ticket
        self.size = size
        return effects(self._move(Event.CALLED, now, deadline=now + CALL_WITHIN), Call(ticket))

    def linked(self, now: float) -> list[Effect]:
        """The F link is open and the ticket is on its way."""
        return effects(self._move(Event.LINKED, now, deadline=now + OFFSET_WITHIN))

    def progressed(self, sent: int, now: float) -> list[Effect]:
        """``sent`` bytes are on their way in all; silence is counted anew."""
        self.sent = sent
        if self.state is State.RUNNING:
            self.deadline = now + SILENCE
            return []
        self.running_since = now
        return effects(self._move(Event.MOVED_ON, now, deadline=now + SILENCE))

    def all_sent(self, now: float) -> list[Effect]:
        """The network took the last byte: the downloader may read what is under way, and has to close."""
        self.sent = self.size
        patience = CLOSE_WITHIN + self._still_reading(now)
        return effects(self._move(Event.ALL_SENT, now, deadline=now + patience))

    # What the peer says.

    def accepted(self, now: float) -> list[Effect]:
        """PeerTransferReply with ``allowed``."""
        if self.state is not State.CALLING or self.ticket is None:
            return []
        moved = self._move(Event.ACCEPTED, now, deadline=now + LINK_WITHIN)
        return effects(moved, OpenLink(self.ticket))

    def refused(self, reason: str, now: float, jitter: float = 0.0) -> list[Effect]:
        """PeerTransferReply without ``allowed``."""
        if self.state is not State.CALLING:
            return []
        retry_class = classify(reason)
        if retry_class is RetryClass.DONE:
            self.ticket = None
            return effects(self._move(Event.HAD_ALREADY, now, reason=reason))
        # A push that was declined is over, and told so (flows.rst, "Upload not allowed").
        said = reason or NO_REASON
        if retry_class is RetryClass.QUEUED:
            return self._put_off(RetryClass.LATER, QUEUED, now, jitter)
        ended = self._give_up(said, now)
        return [*ended, TellFailed()] if self.pushed else ended

    def offset(self, offset: int, now: float) -> list[Effect]:
        """FileOffset: where the downloader wants us to start.

        An offset beyond the end is a mistake of the peer (messages.md,
        "FileOffset": old clients send -1), and ends this attempt.
        """
        if offset > self.size:
            return [
                *self._give_up(f"the peer asked to start at byte {offset} of {self.size}", now),
                TellFailed(),
            ]
        self.started_at_byte = offset
        self.running_since = now
        self.sent = offset
        moved = self._move(Event.MOVED_ON, now, deadline=now + SILENCE, detail=str(offset))
        return effects(moved)

    def asked_again(self, now: float) -> list[Effect]:
        """PeerTransferQueue for a file that we know."""
        if self._stays(Event.REQUEUED):
            return []
        self.attempts = self.sent = 0
        had_link = self.ticket is not None
        self.ticket = None
        moved = self._move(Event.REQUEUED, now)
        return effects(moved, DropLink()) if had_link else effects(moved)

    def closed(self, now: float) -> list[Effect]:
        """The peer closed the F link."""
        if self.state is State.DRAINING:
            self.ticket = None
            return effects(self._move(Event.CLOSED, now))
        return self.lost("the peer closed the connection", now)

    # What goes wrong.

    def lost(self, reason: str, now: float, jitter: float = 0.0) -> list[Effect]:
        """No link could be opened, or it broke.

        Before the first byte we try again a few times by ourselves. Later the
        downloader knows best what it has, and asks again.
        """
        if self._stays(Event.GAVE_UP):
            return []
        if self.state in (State.RUNNING, State.DRAINING) and not self.pushed:
            return [*self._give_up(reason, now), TellFailed()]
        if self.attempts >= 3 and not self.pushed:
            # It may still hear us over a link that it opened, and need not wait for its own patience to end.
            return [*self._give_up(reason, now), TellFailed()]
        return self._put_off(RetryClass.LINK, reason, now, jitter)

    def unreadable(self, reason: str, now: float, said: str = "") -> list[Effect]:
        """The file is gone or cannot be read; ``reason`` is one of the exact texts.

        What our own disk ``said`` is for the one who shares it, and is not told to the user.
        """
        if self._stays(Event.GAVE_UP):
            return []
        return [*self._give_up(f"{reason} ({said})" if said else reason, now), TellRefused(reason)]

    def peer_left(self, now: float) -> list[Effect]:
        """The user went offline: the upload is kept for a while."""
        if self._stays(Event.PEER_LEFT):
            return []
        self.ticket = None
        moved = self._move(Event.PEER_LEFT, now, reason=PEER_OFFLINE, deadline=now + KEEP_FOR_ABSENT)
        return effects(moved)

    def peer_came(self, now: float) -> list[Effect]:
        """The peer is back. What it asked for it asks again; what we push goes on."""
        if self._stays(Event.PEER_CAME) or not self.pushed:
            return []
        return effects(self._move(Event.PEER_CAME, now))

    # What people say.

    def pause(self, now: float) -> list[Effect]:
        """A person wants it to wait."""
        return self._stop(Event.PAUSED, now, "paused")

    def resume(self, now: float) -> list[Effect]:
        """A person wants it to go on."""
        return effects(self._move(Event.RESUMED, now))

    def retry(self, now: float) -> list[Effect]:
        """A person wants it tried anew; earlier attempts do not count."""
        self.attempts = 0
        return effects(self._move(Event.RETRIED, now))

    def cancel(self, now: float) -> list[Effect]:
        """Take it out of the queue, and tell the one who waits for it."""
        if self.state is State.CANCELLED:
            return []
        return [*self._stop(Event.CANCELLED, now, "cancelled"), TellRefused(CANCELLED)]

    def restore(self, now: float) -> list[Effect]:
        """The program was started again: the place in the queue is kept."""
        self.ticket = None
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
            case State.OFFLINE:
                if self.pushed:
                    self.deadline = now + KEEP_FOR_ABSENT
                    return []
                return self._give_up("the peer did not come back", now)
            case State.CALLING:
                return self.lost("the peer did not answer our offer", now, jitter)
            case State.LINKING:
                return self.lost("no connection for the file could be opened", now, jitter)
            case State.STARTING:
                return self.lost("the peer did not say where to start", now, jitter)
            case State.RUNNING:
                return self.lost("the peer stopped receiving", now, jitter)
            case State.DRAINING:
                return self.lost("the peer never confirmed the end by closing", now, jitter)
        raise AssertionError(f"a deadline in state {self.state}")

    # Within.

    def _still_reading(self, now: float) -> float:
        """Seconds that the downloader may need for what the network took and it has not read.

        That is :data:`HELD` at most, so all bytes before were read since the
        start: no speed that the network showed, but the least that the reader
        must have had. Of a file that fits into what is held nothing is known,
        however fast the network swallowed it.
        """
        moved = max(0, self.size - self.started_at_byte)
        held = min(moved, HELD)
        rate = (moved - held) / max(now - self.running_since, 0.001)
        return held / max(rate, SLOWEST)

    def _give_up(self, reason: str, now: float) -> list[Effect]:
        had_link = self.ticket is not None
        self.ticket = None
        moved = self._move(Event.GAVE_UP, now, reason=reason)
        return effects(moved, DropLink()) if had_link else effects(moved)

    def _put_off(self, retry_class: RetryClass, reason: str, now: float, jitter: float) -> list[Effect]:
        self.attempts += 1
        delay = self.policy.delay(retry_class, self.attempts, jitter)
        if delay is None:
            return self._give_up(reason, now)
        if self._stays(Event.PUT_OFF):
            return []
        had_link = self.ticket is not None
        self.ticket = None
        moved = self._move(Event.PUT_OFF, now, reason=reason, deadline=now + delay)
        return effects(moved, DropLink()) if had_link else effects(moved)

    def _stop(self, event: Event, now: float, reason: str) -> list[Effect]:
        had_link = self.ticket is not None
        self.ticket = None
        moved = self._move(event, now, reason=reason)
        return effects(moved, DropLink()) if had_link else effects(moved)
