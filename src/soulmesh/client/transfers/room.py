"""Room on the disk: a full one stops all downloads; they go on when there is room where they grow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from soulmesh.client.transfers.ledger import Ledger
from soulmesh.client.transfers.settings import TransferSettings
from soulmesh.client.transfers.transfer import Transfer
from soulmesh.net.disk import DiskError, DiskFull

__all__ = ["LOOK_FOR_ROOM_EVERY", "Room"]

LOOK_FOR_ROOM_EVERY = 30.0
ROOM_KNOWN_FOR = 2.0


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
        self._missing: dict[Path, int] = {}
        """Bytes for which downloads wait, by the folder where they grow: what the least of them lacks."""
        self._looking = False
        self._free = 0
        self._seen = float("-inf")
        self._seen_at: Path | None = None

    async def need(self, path: Path, count: int) -> None:
        """See that the disk has room for ``count`` more bytes; looks at most every two seconds.

        Raises:
            DiskFull: it has not, beside what is to stay free.
            DiskError: it cannot be looked at, or written to.
        """
        if count <= 0:
            return
        now = self._ledger.now()
        stale = path != self._seen_at or now - self._seen >= ROOM_KNOWN_FOR
        if stale or self._free < count + self._settings().reserve:
            self._free = await self._ledger.world.disk.free_space(path)
            self._seen, self._seen_at = now, path
        if self._free < count + self._settings().reserve:
            raise DiskFull(path)
        self._free -= count

    def filled(self) -> None:
        """The disk is full: stop everything that writes, with its reason."""
        now = self._ledger.now()
        for username in self._ledger.users("download"):
            for transfer in self._ledger.of_user("download", username):
                self._ledger.apply(transfer, transfer.download.disk_full(now))

    def wait_for(self, transfer: Transfer) -> None:
        """A download goes on when there is room where it grows, for the one there that lacks least."""
        needed = max(1, (transfer.size or 0) - transfer.done)
        place = self._place(transfer)
        self._missing[place] = min(self._missing.get(place, needed), needed)
        if not self._looking:
            self._looking = True
            self._ledger.tasks.start(self._wait(), "waiting for room on the disk")

    async def _wait(self) -> None:
        while self._missing:
            await asyncio.sleep(LOOK_FOR_ROOM_EVERY)
            reserve = self._settings().reserve
            for place, count in list(self._missing.items()):
                try:
                    free = await self._ledger.world.disk.free_space(place)
                except DiskError:
                    continue
                if free >= count + reserve:
                    del self._missing[place]
                    self._go_on()
        self._looking = False

    def _go_on(self) -> None:
        now = self._ledger.now()
        for username in self._ledger.users("download"):
            for transfer in self._ledger.of_user("download", username):
                # Its place may be another one by now: then it sees for itself.
                if self._place(transfer) not in self._missing:
                    self._ledger.apply(transfer, transfer.download.disk_has_room(now))
