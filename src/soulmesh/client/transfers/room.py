"""Room on the disk: a full one stops what grows there, a file that does not fit waits alone.

Each goes on when there is room for what it lacks itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from soulmesh.client.transfers.ledger import Ledger
from soulmesh.client.transfers.settings import TransferSettings
from soulmesh.client.transfers.transfer import Transfer
from soulmesh.core.transfer import State
from soulmesh.net.disk import DiskError, DiskFull

__all__ = ["LOOK_FOR_ROOM_EVERY", "DoesNotFit", "Room"]

LOOK_FOR_ROOM_EVERY = 30.0
LOOK_AT_LEAST_EVERY = 3600.0
"""Whose room was there and still not enough (a quota, say) is looked for ever more seldom, up to this."""
SOON = 600.0
"""Seconds after which a download that stops again did not stop for the same cause."""
ROOM_KNOWN_FOR = 2.0


class DoesNotFit(DiskFull):
    """The disk has room, but not for so much."""


@dataclass(slots=True)
class _Wait:
    """One download that waits for room."""

    every: float
    """Seconds between two looks."""
    look_at: float
    elsewhere: Path | None = None
    """Where the room is missing, if that is not where it grows."""
    since: float = 0.0
    """When it went on, if it does."""


class Room:
    """Whether there is room for what comes.

    Args:
        place: the folder where a download grows.
    """

    def __init__(
        self,
        ledger: Ledger,
        settings: Callable[[], TransferSettings],
        place: Callable[[Transfer], Path],
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._place = place
        self._waiting: dict[int, _Wait] = {}
        self._gone_on: dict[int, _Wait] = {}
        """Those that went on not long ago."""
        self._looking = False
        self._free = 0
        self._seen = float("-inf")
        self._seen_at: Path | None = None

    async def need(self, path: Path, count: int) -> None:
        """See that the disk has room for ``count`` more bytes; looks at most every two seconds.

        Raises:
            DoesNotFit: it has some, beside what is to stay free, and not enough.
            DiskFull: it has none, beside what is to stay free.
            DiskError: it cannot be looked at, or written to.
        """
        if count <= 0:
            return
        now = self._ledger.now()
        reserve = self._settings().reserve
        stale = path != self._seen_at or now - self._seen >= ROOM_KNOWN_FOR
        if stale or self._free < count + reserve:
            self._free = await self._ledger.world.disk.free_space(path)
            self._seen, self._seen_at = now, path
        if self._free <= reserve:
            raise DiskFull(path)
        if self._free < count + reserve:
            raise DoesNotFit(path)
        self._free -= count

    def filled(self, found: Transfer, place: Path) -> None:
        """The disk of ``place`` is full, as ``found`` met it: stop all that grows there, with its reason."""
        now = self._ledger.now()
        for username in self._ledger.users("download"):
            for transfer in self._ledger.of_user("download", username):
                if transfer is found or self._place(transfer) == place:
                    self._ledger.apply(transfer, transfer.download.disk_full(now))

    def filled_for(self, transfer: Transfer, place: Path) -> None:
        """The disk of ``place``, where only this download has something to write by now, is full."""
        self._ledger.apply(transfer, transfer.download.disk_full(self._ledger.now()))
        wait = self._waiting.get(transfer.id)
        if wait is not None:
            wait.elsewhere = place

    def wait_for(self, transfer: Transfer) -> None:
        """A download goes on when there is room for what it lacks."""
        now = self._ledger.now()
        before = self._gone_on.pop(transfer.id, None)
        every = LOOK_FOR_ROOM_EVERY
        if before is not None and now - before.since < SOON:
            every = min(2 * before.every, LOOK_AT_LEAST_EVERY)
        self._waiting[transfer.id] = _Wait(every, now + every)
        if not self._looking:
            self._looking = True
            self._ledger.tasks.start(self._wait(), "waiting for room on the disk")

    async def _wait(self) -> None:
        while self._waiting:
            await asyncio.sleep(LOOK_FOR_ROOM_EVERY)
            now = self._ledger.now()
            self._gone_on = {key: wait for key, wait in self._gone_on.items() if now - wait.since < SOON}
            left: dict[Path, int | None] = {}
            for transfer, wait in self._in_turn():
                if now < wait.look_at:
                    continue
                wait.look_at = now + wait.every
                place = wait.elsewhere or self._place(transfer)
                if place not in left:
                    left[place] = await self._room_at(place)
                needed = self._needed(transfer, wait)
                room = left[place]
                # While the disk was looked at it may have moved on.
                if room is not None and room >= needed and self._waiting.get(transfer.id) is wait:
                    left[place] = room - needed
                    self._go_on(transfer, wait)
        self._looking = False

    def _in_turn(self) -> list[tuple[Transfer, _Wait]]:
        """What waits for room, in the order in which it goes on; forgets what does not wait any more."""
        found: list[tuple[Transfer, _Wait]] = []
        for number, wait in list(self._waiting.items()):
            transfer = self._ledger.get(number)
            if transfer is None or transfer.state is not State.NO_ROOM:
                del self._waiting[number]
            else:
                found.append((transfer, wait))
        found.sort(key=lambda each: (-each[0].priority, each[0].id))
        return found

    async def _room_at(self, place: Path) -> int | None:
        try:
            return await self._ledger.world.disk.free_space(place) - self._settings().reserve
        except DiskError:
            return None

    def _needed(self, transfer: Transfer, wait: _Wait) -> int:
        have = 0 if wait.elsewhere is not None else transfer.done
        return max(1, (transfer.size or 0) - have)

    def _go_on(self, transfer: Transfer, wait: _Wait) -> None:
        now = self._ledger.now()
        del self._waiting[transfer.id]
        wait.since = now
        self._gone_on[transfer.id] = wait
        self._ledger.apply(transfer, transfer.download.disk_has_room(now))
