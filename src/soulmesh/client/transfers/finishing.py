"""The end of a download: what came is looked at, and moved to its place.

Nothing unfinished ever stands under a final name, and where a file is about to be put is written down
first: a crash between the two is understood at the next start.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from soulmesh.client.transfers.check import broken_audio, broken_sound
from soulmesh.client.transfers.journal import Record
from soulmesh.client.transfers.ledger import Ledger
from soulmesh.client.transfers.room import Room
from soulmesh.client.transfers.saving import Saving
from soulmesh.client.transfers.settings import Sync, TransferSettings
from soulmesh.client.transfers.transfer import Transfer
from soulmesh.core.transfer import State
from soulmesh.net.disk import DiskError, DiskFull, NameRefused, OtherFilesystem

__all__ = ["Finishing", "Whole"]

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Whole:
    """A file that came whole: in its part, or, if it is small, still in memory."""

    part: Path
    data: bytearray | None = None


class Finishing:
    """Takes over a download when its last byte is here.

    Args:
        asked_of: how many files a user was asked for or is sending: small files that do not come alone
            are written together.
    """

    def __init__(
        self,
        ledger: Ledger,
        settings: Callable[[], TransferSettings],
        saving: Saving,
        room: Room,
        asked_of: Callable[[str], int],
    ) -> None:
        self._ledger = ledger
        self._settings = settings
        self._saving = saving
        self._room = room
        self._asked_of = asked_of

    # Where it ends.

    def folder_of(self, transfer: Transfer) -> Path:
        """The folder below which the finished file is put."""
        chosen = transfer.more.get("downloads")
        return Path(chosen) if isinstance(chosen, str) else self._settings().downloads

    def target(self, transfer: Transfer) -> Path:
        """Where the finished file is put, unless something is there already."""
        settings = self._settings()
        staged = transfer.more.get("folder")
        if isinstance(staged, str):
            return Path(staged) / settings.layout.place(transfer.username, transfer.remote_path).name
        return settings.layout.path(self.folder_of(transfer), transfer.username, transfer.remote_path)

    async def copy_to(self, source: Path, folder: Path, transfer: Transfer | Record) -> Path:
        """Copy what was downloaded into another folder as well, under the name that it has there.

        Raises:
            DiskError: it could not be copied.
        """
        name = self._settings().layout.place(transfer.username, transfer.remote_path).name
        return await self._saving.copy_beside(source, folder / name)

    async def was_saved(self, transfer: Transfer, part: Path) -> Path | None:
        """Where a file is that was about to be moved when the program ended; ``None`` if it was not."""
        target = Path(transfer.more["target"])
        try:
            gone = not await self._saving.have(part)
            return target if gone and await self._saving.holds(target, None, transfer.size or 0) else None
        except DiskError as error:
            # Asked for anew it meets the disk again, and then waits with that as its reason.
            log.warning("cannot see whether %s was saved: %s", transfer.name, error)
            return None

    # How it gets there.

    async def save(self, transfer: Transfer, whole: Whole) -> None:
        """Check what came and move it to its place."""
        ledger, machine, settings = self._ledger, transfer.download, self._settings()
        part = whole.part
        try:
            looked_at = settings.verify or settings.decode
            if whole.data is not None and (looked_at or settings.sync is Sync.FINISHED):
                await self._write_part(whole, sync=settings.sync is Sync.FINISHED)
            length = transfer.more.get("length")
            disk = ledger.world.disk
            wrong = await broken_audio(disk, part, transfer.name, length) if settings.verify else None
            if wrong is None and settings.decode:
                wrong = await broken_sound(part, transfer.name)
            if wrong is not None:
                await self._saving.quarantine(part)
                machine.received = 0
                ledger.apply(transfer, machine.spoiled(f"the file is broken: {wrong}", ledger.now()))
                return
            final = await self._place(transfer, whole)
        except DiskFull:
            await self._no_room_to_save(transfer, part)
            return
        except DiskError as error:
            if transfer.state is State.SAVING:
                transfer.disk_error = error
                ledger.apply(transfer, machine.broken(str(error), ledger.now(), ledger.jitter()))
            return
        except Exception as error:
            # A mistake of ours, or of a program that looks at the file. Nobody else ends this state.
            log.exception("cannot save %s", transfer.name)
            if transfer.state is State.SAVING:
                reason = f"it could not be saved: {error or type(error).__name__}"
                ledger.apply(transfer, machine.broken(reason, ledger.now(), ledger.jitter()))
            return
        transfer.local_path = final
        if transfer.state is State.SAVING:
            ledger.apply(transfer, machine.saved(ledger.now(), str(final)))
        else:
            ledger.record(transfer)

    async def _no_room_to_save(self, transfer: Transfer, part: Path) -> None:
        """All came, and the disk where it grew or the one where it belongs is full."""
        target = self.target(transfer).parent
        try:
            together = await self._ledger.world.disk.same_filesystem(part.parent, target)
        except DiskError:
            together = True
        if transfer.state is not State.SAVING:
            return
        if together:
            self._room.filled(transfer, part.parent)
        else:
            self._room.filled_for(transfer, target)

    async def _place(self, transfer: Transfer, whole: Whole) -> Path:
        """Move it, having written down where to: a crash between the two must not lead to a second copy."""
        before = transfer.more.get("target")
        if isinstance(before, str) and await self._saving.holds(Path(before), whole.data, transfer.size or 0):
            if whole.data is not None:
                return Path(before)
            if not await self._saving.have(whole.part):
                return Path(before)

        def intend(target: Path) -> None:
            transfer.more["target"] = str(target)
            self._ledger.record(transfer)

        async def intend_surely(target: Path) -> None:
            intend(target)
            await self._ledger.journal.committed()

        target = self.target(transfer)
        try:
            return await self._put(transfer, whole, target, intend, intend_surely)
        except NameRefused:
            portable = await self._saving.portable(target)
            if portable == target:
                raise
            return await self._put(transfer, whole, portable, intend, intend_surely)

    async def _put(
        self,
        transfer: Transfer,
        whole: Whole,
        target: Path,
        intend: Callable[[Path], None],
        intend_surely: Callable[[Path], Awaitable[None]],
    ) -> Path:
        if whole.data is not None:
            try:
                alone = self._asked_of(transfer.username) <= 1
                return await self._saving.save_small(whole.part, target, whole.data, intend, alone=alone)
            except OtherFilesystem:
                # No rename leads there: it is copied, as large files are.
                await self._write_part(whole, sync=False)
        return await self._saving.place(whole.part, target, intend_surely)

    async def _write_part(self, whole: Whole, *, sync: bool) -> None:
        assert whole.data is not None
        file = await self._saving.open_part(whole.part)
        try:
            await file.write(0, whole.data)
            if sync:
                await file.sync()
        finally:
            await file.close()
        whole.data = None
