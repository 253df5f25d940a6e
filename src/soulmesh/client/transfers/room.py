"""Room on the disk: a full one stops what grows there, a file that does not fit waits alone.

What running downloads still need is kept for them (:mod:`soulmesh.core.allotment`).
Each that waits goes on when there is room for what it lacks itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from soulmesh.client.transfers.ledger import Ledger
from soulmesh.client.transfers.settings import TransferSettings
from soulmesh.client.transfers.transfer import Transfer
from soulmesh.core.allotment import Allotment, Lack
from soulmesh.core.transfer import State
from soulmesh.net.disk import DiskError, DiskFull

__all__ = ["LOOK_FOR_ROOM_EVERY", "DoesNotFit", "Room"]

LOOK_FOR_ROOM_EVERY = 30.0
LOOK_AT_LEAST_EVERY = 3600.0
"""Whose room was there and still not enough (a quota, say) is looked for ever more seldom, up to this."""
SOON = 600.0
"""Seconds after which a download that stops again did not stop for the same cause."""


class DoesNotFit(DiskFull):
    """The disk has too little room for a file, beside what is to stay free and what others need."""

    def __init__(self, path: Path, lack: Lack) -> None:
        super().__init__(path)
        self.lack = lack


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
        self._watching = False
        self._promised: dict[int, Path] = {}
        """Downloads that have begun, and where they grow."""
        self._disks: dict[Path, Allotment] = {}
        self._looking = asyncio.Lock()
        self._refused: dict[Path, float] = {}
        """Until when a place is taken to be full that would take no more, whatever it says of itself."""

    def promise_at_once(self, transfer: Transfer, count: int) -> bool:
        """Keep ``count`` bytes for a download that begins, if there surely is room; false if nobody knows."""
        place = self._place(transfer)
        if place in self._refused:
            return False
        disk = self._disks.get(place)
        known = disk is not None and disk.known(self._ledger.now())
        if disk is None or not known or disk.lack(count, self._settings().reserve) is not None:
            return False
        if transfer.id not in self._promised:
            disk.promise(count)
        self._promised[transfer.id] = place
        return True

    async def promise(self, transfer: Transfer, count: int) -> None:
        """Keep ``count`` bytes for a download that begins, or goes on with what was kept for it.

        Raises:
            DoesNotFit: the disk has no room for it now.
            DiskError: it cannot be looked at, or written to.
        """
        if count <= 0 or self.promise_at_once(transfer, count):
            return
        place = self._place(transfer)
        reserve = self._settings().reserve
        until = self._refused.get(place)
        if until is not None:
            if self._ledger.now() < until:
                raise DoesNotFit(place, Lack.FULL)
            del self._refused[place]
        async with self._looking:
            # Who waited behind another's look need not look again.
            if self.promise_at_once(transfer, count):
                return
            self._promised.pop(transfer.id, None)
            disk = await self._look(place)
            lack = disk.lack(count, reserve)
            if lack is not None:
                raise DoesNotFit(place, lack)
            disk.promise(count)
            self._promised[transfer.id] = place

    def release(self, transfer: Transfer) -> None:
        """It writes nothing more, for now or for ever."""
        self._promised.pop(transfer.id, None)

    async def _look(self, place: Path) -> Allotment:
        """See how much is free where ``place`` is, and what of it is promised."""
        world = self._ledger.world.disk
        free = await world.free_space(place)
        here = {place}
        for other in set(self._promised.values()) - here:
            try:
                if await world.same_filesystem(place, other):
                    here.add(other)
            except DiskError:
                here.add(other)
        needs = [self._still_needs(number) for number, where in self._promised.items() if where in here]
        disk = self._disks.setdefault(place, Allotment())
        disk.looked(free, needs, self._ledger.now())
        return disk

    def _still_needs(self, number: int) -> int:
        """Bytes that a download has still to write.

        A peer that offers more than was asked for has no more kept for it than that: nobody has seen it.
        """
        transfer = self._ledger.get(number)
        if transfer is None:
            return 0
        size, wanted = transfer.size or 0, transfer.download.wanted
        return max(0, (size if wanted is None else min(size, wanted)) - transfer.done)

    def filled(self, found: Transfer, place: Path, *, seen: bool = False) -> None:
        """The disk of ``place`` is full, as ``found`` met it: stop all that writes there, with its reason.

        What waits in the queue of a peer writes nothing, and keeps its place there. Unless it was ``seen``
        that nothing is free, the disk may well say that it has room: for a while that is not believed.
        """
        now = self._ledger.now()
        for username in self._ledger.users("download"):
            for transfer in self._ledger.of_user("download", username):
                if transfer is found or self._place(transfer) == place:
                    self._ledger.apply(transfer, transfer.download.disk_full(now))
        if not seen:
            wait = self._waiting.get(found.id)
            self._refused[place] = now + (wait.every if wait is not None else LOOK_FOR_ROOM_EVERY)

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
        if not self._watching:
            self._watching = True
            self._ledger.tasks.start(self._wait(), "waiting for room on the disk")

    async def _wait(self) -> None:
        while self._waiting:
            await asyncio.sleep(LOOK_FOR_ROOM_EVERY)
            now = self._ledger.now()
            self._gone_on = {key: wait for key, wait in self._gone_on.items() if now - wait.since < SOON}
            disks: dict[Path, Allotment | None] = {}
            for transfer, wait in self._in_turn():
                if now < wait.look_at:
                    continue
                wait.look_at = now + wait.every
                place = wait.elsewhere or self._place(transfer)
                if place not in disks:
                    disks[place] = await self._look_again(place)
                disk = disks[place]
                # While the disk was looked at it may have moved on.
                if disk is None or self._waiting.get(transfer.id) is not wait:
                    continue
                needed = self._needed(transfer, wait)
                lack = disk.lack(needed, self._settings().reserve)
                if lack is None:
                    disk.promise(needed)
                    self._go_on(transfer, wait)
                else:
                    self._ledger.apply(transfer, transfer.download.still_lacks(lack, now))
        self._watching = False

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

    async def _look_again(self, place: Path) -> Allotment | None:
        try:
            async with self._looking:
                return await self._look(place)
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
