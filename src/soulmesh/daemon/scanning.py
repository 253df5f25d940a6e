"""The shared folders of the settings, and the scan that keeps their index up to date."""

from __future__ import annotations

import asyncio
import math
import os
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from soulmesh import log
from soulmesh.client.events import Event
from soulmesh.client.shares.keeper import Keeper, KeeperSettings
from soulmesh.client.shares.model import Named, Root, RootRefused
from soulmesh.client.shares.scan import Progress, ScanOutcome
from soulmesh.client.shares.service import Shares
from soulmesh.daemon.ports import ScanMoved, ScanProgressed, ShareRoot, ShareState
from soulmesh.errors import SoulmeshError
from soulmesh.net.names import shown_path
from soulmesh.wire import text

__all__ = ["Scanning"]

logger = log.get("daemon.shares")

TELL_EVERY = 0.25
"""Seconds between two events about the progress of a scan."""
QUIET_FOR = 1.0
"""Seconds after which a scan that nobody asked for is shown: most are over before anybody could see them."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What to scan: some shared folders by their numbers, or all."""

    roots: frozenset[int] | None = None

    def and_also(self, other: _Wanted) -> _Wanted:
        """Both at once."""
        if self.roots is None or other.roots is None:
            return _Wanted()
        return _Wanted(self.roots | other.roots)


class _Course:
    """How far one scan is, put together from its phases.

    Args:
        files: how many files each shared folder had that is to be walked, by its name.
    """

    def __init__(self, files: Mapping[str, int]) -> None:
        self._files = dict(files)
        self._walked: dict[str, int] = {}

    def at(self, progress: Progress) -> ScanProgressed:
        """Where the scan is now."""
        done, total = progress.done, progress.total
        if progress.phase == "walking":
            self._walked[progress.root] = progress.done
            done, total = sum(self._walked.values()), sum(self._files.values())
        part = min(1.0, done / total) if total else 0.0
        # Walking is quick beside reading; indexing is the end of it.
        before, width = {"walking": (0.0, 0.2), "reading": (0.2, 0.7), "indexing": (0.9, 0.1)}[progress.phase]
        return ScanProgressed(
            round(before + width * part, 4),
            progress.phase,
            progress.done,
            progress.total,
            _shown(progress.root),
            round(progress.rate, 1),
            None if progress.seconds_left is None else round(progress.seconds_left, 1),
        )


def _shown(name: str) -> str:
    return text(os.fsencode(name))


class _Kept:
    """The shares as the keeper sees them: its scans of whole folders are shown, and can be stopped."""

    def __init__(
        self, shares: Shares, scan: Callable[[Collection[int] | None], Awaitable[ScanOutcome]]
    ) -> None:
        self._shares = shares
        self._scan = scan

    @property
    def needs_index(self) -> bool:
        return self._shares.needs_index

    @property
    def roots(self) -> list[Root]:
        return self._shares.roots

    async def scan(
        self, roots: Collection[int] | None = None, *, only: Mapping[int, Collection[bytes]] | None = None
    ) -> ScanOutcome:
        if only is not None:
            return await self._shares.scan(roots, only=only)
        return await self._scan(roots)

    async def refresh(self) -> None:
        await self._shares.refresh()

    async def check_online(self) -> list[Root]:
        return await self._shares.check_online()

    def changed_elsewhere(self) -> bool:
        return self._shares.changed_elsewhere()

    def folder_count(self) -> int:
        return self._shares.folder_count()


class Scanning:
    """Scans when folders change and when somebody asks, one scan at a time.

    Args:
        shares: what is shared.
        tell: called with :class:`~soulmesh.daemon.ports.ScanMoved` and ``ScanProgressed``.
    """

    def __init__(self, shares: Shares, tell: Callable[[Event], None] = lambda event: None) -> None:
        self._shares = shares
        self._tell = tell
        self._told = -math.inf
        self._task: asyncio.Task[None] | None = None
        self._keeping: asyncio.Task[None] | None = None
        self._kept: asyncio.Task[ScanOutcome] | None = None
        """A scan of whole folders that the keeper found due."""
        self._next: _Wanted | None = None
        self._progress = 1.0
        self._going: ScanProgressed | None = None
        self._faulted = False
        self._cancelled = False
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
            scanning=self.running or self._going is not None,
            pending=self._next is not None,
            ready=not self.running or counts.files > 0,
            faulted=self._faulted,
            cancelled=self._cancelled,
            progress=self._progress if self._going is None else self._going.progress,
            folders=counts.folders,
            files=counts.files,
            going=self._going,
        )

    @property
    def running(self) -> bool:
        """Whether a scan is under way that somebody asked for."""
        return self._task is not None and not self._task.done()

    def share(self, folders: Iterable[Path], *, instead_of: Iterable[Path] = ()) -> None:
        """Share these folders, instead of those and of all others that settings named, those of an earlier
        run among them; folders that were shared by other means stay."""
        wanted = {Path(folder).expanduser().absolute() for folder in folders}
        gone = {Path(folder).expanduser().absolute() for folder in instead_of} - wanted
        named = frozenset(wanted)
        names = {root.name for root in self._shares.roots}
        for root in list(self._shares.roots):
            if root.path in gone or (root.named is not Named.NOT and root.path not in named):
                logger.info("the settings no longer share a folder", folder=shown_path(root.path))
                self._shares.remove_root(root.id)
            wanted.discard(root.path)
        for folder in sorted(wanted):
            name = _free(folder.name or "files", names)
            try:
                self._shares.save_root(Root(0, name, folder, named=Named.BY_RUN))
                names.add(name)
            except RootRefused as error:
                logger.error("a folder is not shared", folder=shown_path(folder), reason=str(error))
        if self._shares.roots or self._shares.store.sweeping_left():
            self.start()

    def start(self, roots: Collection[int] | None = None, *, confirmed: bool = False) -> bool:
        """Scan; while a scan is under way, once more after it. ``False``: one is under way.

        Args:
            roots: the numbers of the shared folders to look at; None is all of them.
            confirmed: forget files that are gone, however many they are; not in a scan that has to wait.
        """
        wanted = _Wanted(None if roots is None else frozenset(roots))
        if self.running:
            self._next = wanted if self._next is None else self._next.and_also(wanted)
            return False
        self._next = None
        self._task = asyncio.create_task(self._scan(wanted, confirmed), name="scan")
        return True

    def cancel(self) -> bool:
        """Stop scanning; ``False`` if no scan is under way."""
        going = {task for task in (self._task, self._kept) if task is not None and not task.done()}
        if not self.running and self._going is None:
            return False
        self._next = None
        for task in going:
            task.cancel()
        self._cancelled = True
        return True

    def keep(self, *, watch: bool, rescan_hours: float) -> None:
        """Keep the index up to date from now on: watch folders, look through them now and then."""
        if self._keeping is not None:
            self._keeping.cancel()
        # The scan at the start is the one that `share` begins.
        settings = KeeperSettings(scan_at_start=False, rescan_every=3600 * rescan_hours, watch=watch)
        self._keeping = asyncio.create_task(
            Keeper(_Kept(self._shares, self._scan_kept), settings).run(), name="keeping shares"
        )

    async def close(self) -> None:
        """Stop for good."""
        self._undo()
        if self._telling is not None:
            self._telling.cancel()
        tasks = {task for task in (self._task, self._keeping, self._kept) if task is not None}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _course(self, roots: Collection[int] | None) -> _Course:
        return _Course(
            {
                os.fsdecode(root.name): root.files
                for root in self._shares.roots
                if root.online and (roots is None or root.id in roots)
            }
        )

    async def _scan(self, wanted: _Wanted, confirmed: bool) -> None:
        while True:
            self._faulted = self._cancelled = False
            self._progress = 0.0
            self._say("started")
            course = self._course(wanted.roots)
            try:
                outcome = await self._shares.scan(
                    wanted.roots, confirmed=confirmed, again=True, progress=partial(self._follow, course)
                )
            except SoulmeshError as error:
                self._ended()
                self._faulted = True
                self._say("failed", str(error))
                logger.error("the scan failed", reason=str(error))
            except asyncio.CancelledError:
                self._ended()
                self._say("cancelled")
                raise
            else:
                self._ended()
                self._progress = 1.0
                self._say("finished", outcome=outcome)
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
            if self._next is None:
                return
            wanted, self._next = self._next, None

    async def _scan_kept(self, roots: Collection[int] | None) -> ScanOutcome:
        """What the keeper found due, of whole folders: if it takes long it is shown, and can be stopped.

        Raises:
            ScanBusy: another process scans.
            ScanFailed: the scan could not do its work.
        """
        course = self._course(roots)
        loop = asyncio.get_running_loop()
        shown_from = loop.time() + QUIET_FOR

        def step(progress: Progress) -> None:
            at = course.at(progress)
            if self.running or loop.time() >= shown_from:
                self._step(at)

        self._kept = asyncio.create_task(self._shares.scan(roots, progress=step), name="scan by itself")
        try:
            await asyncio.wait({self._kept})
            if self._kept.cancelled():
                logger.info("a scan was stopped; the next one goes on from there")
                return ScanOutcome()
            return self._kept.result()
        finally:
            self._kept.cancel()
            if not self.running and self._going is not None:
                self._ended()
                self._progress = 1.0
                self._say("changed")

    def _changed(self) -> None:
        """Files came or went beside a scan: a download was shared, a watched folder changed."""
        if not self.running and self._telling is None:
            self._telling = asyncio.get_running_loop().call_later(TELL_EVERY, self._tell_changed)

    def _tell_changed(self) -> None:
        self._telling = None
        if not self.running:
            # What a scan changed is told at its end.
            self._say("changed")

    def _follow(self, course: _Course, progress: Progress) -> None:
        self._step(course.at(progress))

    def _step(self, going: ScanProgressed) -> None:
        self._going = going
        self._progress = going.progress
        now = asyncio.get_running_loop().time()
        # The end of a phase is always told, or its bar would never be full.
        if now - self._told >= TELL_EVERY or going.done == going.total:
            self._told = now
            self._tell(going)

    def _ended(self) -> None:
        self._going = None
        self._told = -math.inf

    def _say(self, state: str, problem: str | None = None, outcome: ScanOutcome | None = None) -> None:
        counts = self._shares.counts
        moved = ScanMoved(state, counts.folders, counts.files, problem)
        if outcome is not None:
            roots = tuple(replace(root, root=_shown(root.root)) for root in outcome.roots)
            moved = replace(moved, roots=roots, index=outcome.index, seconds=round(outcome.seconds, 3))
        self._tell(moved)


def _free(name: str, taken: set[bytes]) -> bytes:
    wanted = name.replace("\\", "_").encode("utf-8", "surrogateescape")
    found, number = wanted, 2
    while found in taken:
        found = wanted + b" (%d)" % number
        number += 1
    return found
