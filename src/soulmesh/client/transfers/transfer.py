"""A transfer as the rest of the program sees it: facts, and ways to wait for it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

from soulmesh.core.download import Download
from soulmesh.core.retry import FILE_NOT_SHARED
from soulmesh.core.transfer import ACTIVE, Owner, State
from soulmesh.core.upload import Upload
from soulmesh.errors import Refused
from soulmesh.net.disk import DiskError
from soulmesh.wire import raw

__all__ = ["Meter", "Transfer", "TransferFailed"]

_METER_SECONDS = 5.0


class TransferFailed(Refused):
    """The transfer will not go on by itself; ``reason`` is the peer's or the system's word."""

    def __init__(self, username: str, remote_path: str, state: State, reason: str) -> None:
        super().__init__(username, remote_path, state, reason)
        self.username = username
        self.remote_path = remote_path
        self.state = state
        self.reason = reason
        if reason.rstrip(".") == FILE_NOT_SHARED.rstrip("."):
            self.hint = "it may be gone, or have another name now: search again, or browse the user"

    def __str__(self) -> str:
        name = self.remote_path.rpartition("\\")[2]
        if self.state is State.FAILED:
            return f"{name} from {self.username}: {self.reason}"
        return f"{name} from {self.username}: {self.state}"


class Meter:
    """Bytes per second over the last few seconds."""

    __slots__ = ("_marks", "_total", "started")

    def __init__(self, now: float) -> None:
        self.started = now
        self._total = 0
        self._marks: deque[tuple[float, int]] = deque([(now, 0)])

    def moved(self, count: int, now: float) -> None:
        """So many bytes went by."""
        self._total += count
        marks = self._marks
        if now - marks[-1][0] < 0.1 and len(marks) > 1:
            marks[-1] = (marks[-1][0], self._total)
        else:
            marks.append((now, self._total))
        while len(marks) > 2 and now - marks[0][0] > _METER_SECONDS:
            marks.popleft()

    def speed(self, now: float) -> float:
        """Over the last seconds."""
        at, total = self._marks[0]
        passed = now - at
        return (self._total - total) / passed if passed > 0 else 0.0

    def average(self, now: float) -> float:
        """Since the beginning."""
        return self._total / max(now - self.started, 0.001)

    @property
    def total(self) -> int:
        """Bytes that went by so far."""
        return self._total


class Transfer:
    """One download or upload. Read it freely; change it through the manager."""

    __slots__ = (
        "__weakref__",
        "_changed",
        "_loop",
        "added",
        "average_speed",
        "batch",
        "disk_error",
        "ended",
        "id",
        "journaled_at",
        "local_path",
        "machine",
        "meter",
        "more",
        "priority",
        "remote_path",
        "reported_at",
        "started",
        "username",
        "uuid",
    )

    def __init__(
        self,
        number: int,
        uuid: str,
        username: str,
        remote_path: str,
        machine: Download | Upload,
        added: datetime,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self.id = number
        self.uuid = uuid
        self.username = username
        self.remote_path = remote_path
        self.machine = machine
        self.added = added
        self.started: datetime | None = None
        """When the first byte moved, in the last attempt."""
        self.ended: datetime | None = None
        self.local_path: Path | None = None
        self.disk_error: DiskError | None = None
        """What our own disk said, while the download waits for its next try because of that."""
        """Download: where the finished file lies. Upload: the file that is sent."""
        self.priority = 0
        """Higher goes first."""
        self.batch: str | None = None
        self.meter: Meter | None = None
        self.average_speed = 0.0
        """Bytes per second of the last attempt."""
        self.more: dict[str, Any] = {}
        """What only some transfers have, as it is journaled."""
        self.reported_at = 0.0
        self.journaled_at = 0.0
        self._loop = loop
        self._changed: asyncio.Event | None = None

    @property
    def direction(self) -> str:
        """``download`` or ``upload``."""
        return self.machine.direction

    @property
    def is_download(self) -> bool:
        """Whether the file comes to us."""
        return isinstance(self.machine, Download)

    @property
    def download(self) -> Download:
        """The machine of a download; not for uploads."""
        assert isinstance(self.machine, Download)
        return self.machine

    @property
    def upload(self) -> Upload:
        """The machine of an upload; not for downloads."""
        assert isinstance(self.machine, Upload)
        return self.machine

    @property
    def key(self) -> tuple[str, bytes]:
        """User and remote path in its very bytes: what makes it this file and no other."""
        return self.username, raw(self.remote_path)

    @property
    def name(self) -> str:
        """The last part of the remote path."""
        return self.remote_path.rpartition("\\")[2]

    @property
    def state(self) -> State:
        """Where it stands."""
        return self.machine.state

    @property
    def reason(self) -> str:
        """Why it is where it is; empty on the plain road."""
        return self.machine.reason

    @property
    def owner(self) -> Owner:
        """On whom it depends what happens next."""
        return self.machine.owner

    @property
    def size(self) -> int | None:
        """Bytes, ``None`` before the peer said so."""
        return self.machine.size

    @property
    def done(self) -> int:
        """Bytes that the receiving side has, as far as we know."""
        return self.machine.received if isinstance(self.machine, Download) else self.machine.sent

    @property
    def place(self) -> int | None:
        """The last known place in the peer's queue."""
        return self.machine.place if isinstance(self.machine, Download) else None

    @property
    def speed(self) -> float:
        """Bytes per second now, or on average once it is over."""
        if self.meter is not None and self.machine.state in (State.RUNNING, State.STARTING):
            return self.meter.speed(self._loop.time())
        return self.average_speed

    @property
    def seconds_left(self) -> float | None:
        """At the speed of the last seconds; ``None`` if nobody can say."""
        speed = self.speed
        if self.state is not State.RUNNING or self.size is None or speed <= 0:
            return None
        return max(0.0, (self.size - self.done) / speed)

    @property
    def finished(self) -> bool:
        """Whether all of the file is where it belongs."""
        return self.state is State.FINISHED

    @property
    def over(self) -> bool:
        """Whether it will not go on by itself."""
        return self.machine.final

    def changed(self) -> None:
        """Wake whoever waits; called by the manager."""
        if self._changed is not None:
            self._changed.set()
            self._changed = None

    def _next_change(self) -> asyncio.Event:
        if self._changed is None:
            self._changed = asyncio.Event()
        return self._changed

    async def wait(self) -> Transfer:
        """Return when it is finished.

        Raises:
            TransferFailed: it was given up or cancelled.
        """
        while not self.machine.final:
            await self._next_change().wait()
        if self.state is not State.FINISHED:
            raise TransferFailed(self.username, self.remote_path, self.state, self.reason)
        return self

    async def settled(self) -> None:
        """Return when it holds no slot: nothing is on its way for it."""
        while self.machine.state in ACTIVE:
            await self._next_change().wait()

    async def left(self, *states: State) -> None:
        """Return when it is in none of these states."""
        while self.machine.state in states:
            await self._next_change().wait()

    async def updates(self) -> AsyncIterator[Transfer]:
        """Yield the transfer now and whenever something changed, until it is over.

        Changes that come faster than they are taken are one.
        """
        while True:
            changed = self._next_change()
            yield self
            if self.machine.final:
                return
            await changed.wait()

    def __repr__(self) -> str:
        return f"<{self.direction} {self.id}: {self.name!r}, {self.username}, {self.state}>"
