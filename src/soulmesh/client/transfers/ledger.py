"""All transfers there are: the table in memory, its journal, its events, its alarm clock.

Machines answer with effects; :meth:`Ledger.apply` takes care of those that
every transfer has in common (it moved: journal it, tell it) and hands the rest
to the part that owns the transfer.
"""

from __future__ import annotations

import asyncio
import heapq
import logging
import uuid
from collections.abc import Callable, Coroutine, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from soulmesh.client.ports import Events
from soulmesh.client.tasks import Timer
from soulmesh.client.transfers.events import (
    DownloadFinished,
    TransferAdded,
    TransferMoved,
    TransferProgressed,
    TransferRemoved,
    UploadFinished,
)
from soulmesh.client.transfers.journal import Journal, Record
from soulmesh.client.transfers.transfer import Meter, Transfer
from soulmesh.core.download import Download
from soulmesh.core.retry import RetryPolicy
from soulmesh.core.story import Chapter
from soulmesh.core.transfer import FINAL, Effect, Event, Moved, State
from soulmesh.core.upload import Upload
from soulmesh.net.world import World
from soulmesh.wire import raw

__all__ = ["Ledger", "Owner", "Tasks"]

log = logging.getLogger(__name__)

REPORT_EVERY = 0.25
JOURNAL_EVERY = 2.0
"""Seconds between two notes of how far a running transfer is, for whoever looks into the journal."""

# Told to listeners, but of no use in a story.
_NOT_JOURNALED = frozenset({Event.DUE})


class Owner(Protocol):
    """The part of the program that carries out what a machine wants."""

    def act(self, transfer: Transfer, effect: Effect) -> None:
        """Carry out one effect. Does not wait."""

    def moved(self, transfer: Transfer, moved: Moved) -> None:
        """The transfer came into another state; called after the journal knows."""


class Tasks:
    """Tasks with one owner: none outlives :meth:`close`, and a failure is logged, never lost."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def start(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        """Run ``work`` in the background; after :meth:`close` nothing starts any more."""
        if self._closed:
            work.close()
            return None
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def __len__(self) -> int:
        return len(self._tasks)

    async def close(self) -> None:
        """Cancel everything and wait until it has ended."""
        self._closed = True
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("task %s failed", task.get_name(), exc_info=task.exception())


class Ledger:
    """The transfers, and what happens to each."""

    def __init__(self, world: World, journal: Journal, events: Events) -> None:
        self.world = world
        self.journal = journal
        self.events = events
        self.tasks = Tasks()
        self.moved = {"download": 0, "upload": 0}
        """Bytes that went by since the start, by direction."""
        self.owners: dict[str, Owner] = {}
        self._transfers: dict[int, Transfer] = {}
        self._files: dict[tuple[str, str, bytes], Transfer] = {}
        self._users: dict[tuple[str, str], dict[int, Transfer]] = {}
        self._alarms: list[tuple[float, int]] = []
        self._armed_for: dict[int, float] = {}
        self._timer = Timer(self._ring)

    # Time and chance.

    def now(self) -> float:
        """The loop's time."""
        return asyncio.get_running_loop().time()

    def wall(self) -> datetime:
        """For people and for the journal."""
        return self.world.wall_clock()

    def jitter(self) -> float:
        """A random number from 0 up to 1, which spreads retries in time."""
        return self.world.random.random()

    # Reading.

    def __len__(self) -> int:
        return len(self._transfers)

    def __iter__(self) -> Iterator[Transfer]:
        return iter(list(self._transfers.values()))

    def get(self, number: int) -> Transfer | None:
        """The transfer of this number, if it is in the list."""
        return self._transfers.get(number)

    def find(self, direction: str, username: str, remote_path: str) -> Transfer | None:
        """The transfer of this very file with this user, if it is in memory."""
        return self._files.get((direction, username, raw(remote_path)))

    def of_user(self, direction: str, username: str) -> list[Transfer]:
        """A user's transfers that are not over, oldest first."""
        return list(self._users.get((direction, username), {}).values())

    def has(self, direction: str, username: str) -> bool:
        """Whether a user has transfers that are not over."""
        return (direction, username) in self._users

    def users(self, direction: str) -> list[str]:
        """Users with transfers that are not over."""
        return [user for kind, user in self._users if kind == direction]

    # Changing.

    def new(
        self, username: str, remote_path: str, machine: Download | Upload, *, priority: int = 0
    ) -> Transfer:
        """Enter a new transfer."""
        identity = uuid.UUID(int=self.world.random.getrandbits(128), version=4)
        transfer = Transfer(
            self.journal.next_id(),
            str(identity),
            username,
            remote_path,
            machine,
            self.wall(),
            asyncio.get_running_loop(),
        )
        transfer.priority = priority
        self._enter(transfer)
        self.record(transfer)
        self.events.emit(
            TransferAdded(transfer.id, transfer.direction, transfer.username, transfer.remote_path)
        )
        return transfer

    def restore(self, record: Record, retries: RetryPolicy) -> Transfer:
        """Enter a transfer that the journal knows."""
        machine: Download | Upload
        if record.direction == "download":
            machine = Download(size=record.size, policy=retries)
            machine.received = record.done
        else:
            machine = Upload(size=record.size or 0, pushed=record.pushed, policy=retries)
            machine.sent = record.done
        machine.state = record.state
        machine.reason = record.reason
        machine.attempts = record.attempts
        if record.deadline is not None:
            left = record.deadline - self.wall().timestamp()
            machine.deadline = self.now() + max(0.0, left)
        loop = asyncio.get_running_loop()
        added = datetime.fromtimestamp(record.added, UTC)
        transfer = Transfer(record.id, record.uuid, record.username, record.remote_path, machine, added, loop)
        transfer.priority = record.priority
        transfer.batch = record.batch
        transfer.local_path = Path(record.local_path) if record.local_path else None
        transfer.average_speed = record.speed
        transfer.more = {key: value for key, value in record.more.items() if key != "place"}
        self._enter(transfer)
        self._arm(transfer)
        return transfer

    def remove(self, transfer: Transfer) -> None:
        """Forget a transfer that is over, here and in the journal."""
        self._transfers.pop(transfer.id, None)
        self._armed_for.pop(transfer.id, None)
        if self._files.get((transfer.direction, *transfer.key)) is transfer:
            del self._files[(transfer.direction, *transfer.key)]
        self._leave_user(transfer)
        self.journal.remove([transfer.id])
        self.events.emit(
            TransferRemoved(transfer.id, transfer.direction, transfer.username, transfer.remote_path)
        )

    def apply(self, transfer: Transfer, effects: Iterable[Effect]) -> None:
        """Carry out what a machine answered."""
        owner = self.owners[transfer.direction]
        for effect in effects:
            if isinstance(effect, Moved):
                self._moved(transfer, effect)
                owner.moved(transfer, effect)
            else:
                owner.act(transfer, effect)
        self._arm(transfer)

    def progressed(self, transfer: Transfer, count: int, total: int) -> None:
        """``count`` more bytes moved, ``total`` are there."""
        now = self.now()
        if transfer.meter is None:
            transfer.meter = Meter(now)
        transfer.meter.moved(count, now)
        self.moved[transfer.direction] += count
        effects = transfer.machine.progressed(total, now)
        if effects:
            self.apply(transfer, effects)
        if now - transfer.reported_at >= REPORT_EVERY:
            transfer.reported_at = now
            if now - transfer.journaled_at >= JOURNAL_EVERY:
                self.record(transfer)
            transfer.changed()
            self.events.emit(
                TransferProgressed(
                    transfer.id,
                    transfer.direction,
                    transfer.username,
                    transfer.remote_path,
                    total,
                    transfer.size,
                    transfer.meter.speed(now),
                )
            )

    def record(self, transfer: Transfer) -> None:
        """Hand the transfer to the journal, which writes it as it stands when it comes to that."""
        transfer.journaled_at = self.now()
        self.journal.put_as_it_stands(transfer.id, lambda: self._as_record(transfer))

    def _as_record(self, transfer: Transfer) -> Record:
        machine = transfer.machine
        more = transfer.more if transfer.place is None else {**transfer.more, "place": transfer.place}
        deadline = None
        if machine.state is State.DELAYED and machine.deadline is not None:
            deadline = self.wall().timestamp() + (machine.deadline - self.now())
        return Record(
            transfer.id,
            transfer.uuid,
            transfer.direction,
            transfer.username,
            transfer.remote_path,
            transfer.size,
            machine.state,
            machine.reason,
            machine.attempts,
            deadline,
            transfer.done,
            str(transfer.local_path) if transfer.local_path else "",
            transfer.added.timestamp(),
            transfer.started.timestamp() if transfer.started else None,
            transfer.ended.timestamp() if transfer.ended else None,
            transfer.speed,
            transfer.priority,
            transfer.batch,
            isinstance(machine, Upload) and machine.pushed,
            more,
        )

    async def close(self) -> None:
        """Stop all work."""
        self._timer.cancel()
        await self.tasks.close()

    # Within.

    def _enter(self, transfer: Transfer) -> None:
        self._transfers[transfer.id] = transfer
        self._files[(transfer.direction, *transfer.key)] = transfer
        self._join_user(transfer)

    def _join_user(self, transfer: Transfer) -> None:
        if not transfer.machine.final:
            self._users.setdefault((transfer.direction, transfer.username), {})[transfer.id] = transfer

    def _leave_user(self, transfer: Transfer) -> None:
        key = (transfer.direction, transfer.username)
        mine = self._users.get(key)
        if mine is not None:
            mine.pop(transfer.id, None)
            if not mine:
                del self._users[key]

    def _moved(self, transfer: Transfer, moved: Moved) -> None:
        wall = self.wall()
        if moved.new is not moved.old:
            self._new_state(transfer, moved, wall)
        if moved.event not in _NOT_JOURNALED:
            self.journal.note(
                transfer.id,
                Chapter(wall, moved.event, moved.new, transfer.reason or moved.reason, moved.detail),
            )
        self.record(transfer)
        transfer.changed()
        emit = self.events.emit
        emit(
            TransferMoved(
                transfer.id,
                transfer.direction,
                transfer.username,
                transfer.remote_path,
                moved.event,
                moved.old,
                moved.new,
                transfer.reason,
                transfer.place,
            )
        )
        if moved.new is State.FINISHED and moved.old is not State.FINISHED:
            finished = DownloadFinished if transfer.is_download else UploadFinished
            emit(
                finished(
                    transfer.id,
                    transfer.direction,
                    transfer.username,
                    transfer.remote_path,
                    str(transfer.local_path or ""),
                    transfer.size or 0,
                    transfer.average_speed,
                )
            )

    def _new_state(self, transfer: Transfer, moved: Moved, wall: datetime) -> None:
        if moved.new is State.STARTING:
            transfer.started = wall
            transfer.ended = None
            transfer.meter = Meter(self.now())
            # The move itself is told; how far it is, a moment later.
            transfer.reported_at = transfer.meter.started
        elif moved.old in (State.RUNNING, State.STARTING) and transfer.meter is not None:
            transfer.average_speed = transfer.meter.average(self.now())
        if transfer.machine.final:
            transfer.ended = wall
            self._leave_user(transfer)
        elif moved.old in FINAL:
            transfer.ended = None
            self._join_user(transfer)

    def _arm(self, transfer: Transfer) -> None:
        """See that the transfer is ticked at its deadline.

        Deadlines of running transfers move with every byte; an alarm that is
        early looks again, so only one that is too late has to be set anew.
        """
        deadline = transfer.machine.deadline
        if deadline is None:
            self._armed_for.pop(transfer.id, None)
            return
        armed = self._armed_for.get(transfer.id)
        if armed is None or deadline < armed:
            self._armed_for[transfer.id] = deadline
            heapq.heappush(self._alarms, (deadline, transfer.id))
            self._set_timer()

    def _set_timer(self) -> None:
        self._timer.set(self._alarms[0][0] if self._alarms else None)

    def _ring(self) -> None:
        now = self.now()
        try:
            while self._alarms and self._alarms[0][0] <= now:
                at, number = heapq.heappop(self._alarms)
                if self._armed_for.get(number) != at:
                    continue
                del self._armed_for[number]
                transfer = self._transfers.get(number)
                if transfer is not None:
                    self.apply(transfer, transfer.machine.tick(now, self.jitter()))
        finally:
            # Whatever went wrong with one, the alarms of all others still ring.
            self._set_timer()


Act = Callable[[Transfer, Effect], None]
