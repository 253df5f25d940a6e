"""The shared folders of the settings, and the scan that keeps their index up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from pathlib import Path

from soulmesh import log
from soulmesh.client.events import Event
from soulmesh.client.shares.keeper import Keeper, KeeperSettings
from soulmesh.client.shares.model import Root, RootRefused
from soulmesh.client.shares.scan import Progress
from soulmesh.client.shares.service import Shares
from soulmesh.daemon.ports import ScanMoved, ScanProgressed, ShareRoot, ShareState
from soulmesh.errors import SoulmeshError
from soulmesh.net.names import shown_path
from soulmesh.wire import text

__all__ = ["Scanning"]

logger = log.get("daemon.shares")

TELL_EVERY = 0.25
"""Seconds between two events about the progress of a scan."""


class Scanning:
    """Scans when folders change and when somebody asks, one scan at a time.

    Args:
        shares: what is shared.
        tell: called with :class:`~soulmesh.daemon.ports.ScanMoved` and ``ScanProgressed``.
    """

    def __init__(self, shares: Shares, tell: Callable[[Event], None] = lambda event: None) -> None:
        self._shares = shares
        self._tell = tell
        self._told = 0.0
        self._task: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._again = False
        self._progress = 1.0
        self._faulted = False
        self._cancelled = False
        self._scanned = False
        self._undo = shares.on_changed(self._changed)
        self._telling: asyncio.TimerHandle | None = None

    @property
    def state(self) -> ShareState:
        """How the index is doing."""
        counts = self._shares.counts
        roots = tuple(
            ShareRoot(
                alias=text(root.name),
                local_path=root.path,
                folders=self._shares.index.count_folders(root.id) if root.scanned else None,
                files=root.files if root.scanned else None,
                raw=f"[{text(root.name)}]{shown_path(root.path)}",
            )
            for root in self._shares.roots
        )
        return ShareState(
            roots,
            scanning=self.running,
            pending=self._again,
            ready=not self.running or counts.files > 0,
            faulted=self._faulted,
            cancelled=self._cancelled,
            progress=round(self._progress, 4),
            folders=counts.folders,
            files=counts.files,
        )

    @property
    def running(self) -> bool:
        """Whether a scan is under way."""
        return self._task is not None and not self._task.done()

    def share(self, folders: Iterable[Path], *, instead_of: Iterable[Path] = ()) -> None:
        """Share these folders, instead of those; folders that were shared by other means stay."""
        wanted = {Path(folder).expanduser().absolute() for folder in folders}
        gone = {Path(folder).expanduser().absolute() for folder in instead_of} - wanted
        names = {root.name for root in self._shares.roots}
        for root in list(self._shares.roots):
            if root.path in gone:
                self._shares.remove_root(root.id)
            wanted.discard(root.path)
        for folder in sorted(wanted):
            name = _free(folder.name or "files", names)
            try:
                self._shares.save_root(Root(0, name, folder))
                names.add(name)
            except RootRefused as error:
                logger.error("a folder is not shared", folder=shown_path(folder), reason=str(error))
        if self._shares.roots or self._shares.store.sweeping_left():
            self.start()

    def start(self, *, confirmed: bool = False) -> bool:
        """Scan; while a scan is under way, once more after it. ``False``: one is under way.

        ``confirmed``: forget files that are gone, however many they are.
        """
        if self.running:
            self._again = True
            return False
        self._task = asyncio.create_task(self._scan(confirmed), name="scan")
        return True

    def cancel(self) -> bool:
        """Stop scanning; ``False`` if no scan is under way."""
        if not self.running or self._task is None:
            return False
        self._again = False
        self._task.cancel()
        self._cancelled = True
        return True

    def keep(self, *, watch: bool, rescan_hours: float) -> None:
        """Keep the index up to date from now on: watch folders, look through them now and then."""
        if self._keeping is not None:
            self._keeping.cancel()
        # The scan at the start is the one that `share` begins.
        settings = KeeperSettings(scan_at_start=False, rescan_every=3600 * rescan_hours, watch=watch)
        self._keeping = asyncio.create_task(Keeper(self._shares, settings).run(), name="keeping shares")

    async def close(self) -> None:
        """Stop for good."""
        self._undo()
        if self._telling is not None:
            self._telling.cancel()
        tasks = {task for task in (self._task, self._keeping) if task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _scan(self, confirmed: bool) -> None:
        while True:
            self._again = self._faulted = self._cancelled = False
            self._progress = 0.0
            self._say("started")
            try:
                outcome = await self._shares.scan(confirmed=confirmed, progress=self._step)
            except SoulmeshError as error:
                self._faulted = True
                self._say("failed", str(error))
                logger.error("the scan failed", reason=str(error))
            except asyncio.CancelledError:
                self._say("cancelled")
                raise
            else:
                self._progress = 1.0
                self._say("finished")
                for root in outcome.roots:
                    logger.info("scanned", root=root.root, files=root.files)
                    if root.held_back:
                        logger.warning(
                            "files are gone from the disk, too many to forget unasked: they are kept"
                            " until a scan is confirmed",
                            root=root.root,
                            files=root.held_back,
                        )
            confirmed = False
            if not self._again:
                return

    def _changed(self) -> None:
        """Files came or went beside a scan: a download was shared, a watched folder changed."""
        if not self.running and self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(TELL_EVERY, self._tell_changed)

    def _tell_changed(self) -> None:
        self._telling = None
        if not self.running:
            # What a scan changed is told at its end.
            self._say("changed")

    def _step(self, progress: Progress) -> None:
        # Walking is quick beside reading; indexing is the end of it.
        part = {"walking": 0.0, "reading": 0.2, "indexing": 0.9}.get(progress.phase, 0.0)
        width = {"walking": 0.2, "reading": 0.7, "indexing": 0.1}.get(progress.phase, 0.0)
        done = min(1.0, progress.done / progress.total) if progress.total else 0.0
        self._progress = part + width * done
        now = asyncio.get_running_loop().time()
        if now - self._told >= TELL_EVERY:
            self._told = now
            self._tell(
                ScanProgressed(round(self._progress, 4), progress.phase, progress.done, progress.total)
            )

    def _say(self, state: str, problem: str | None = None) -> None:
        counts = self._shares.counts
        self._tell(ScanMoved(state, counts.folders, counts.files, problem))


def _free(name: str, taken: set[bytes]) -> bytes:
    wanted = name.replace("\\", "_").encode("utf-8", "surrogateescape")
    found, number = wanted, 2
    while found in taken:
        found = wanted + b" (%d)" % number
        number += 1
    return found
