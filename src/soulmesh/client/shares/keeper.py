"""Keeps shares up to date while a client runs: by watching, by timer, and by what other processes did.

Watching needs the package watchfiles and costs one of the system's watches for
each folder. Where it is not installed, where there are more folders than the
budget, or where the system refuses, shares are polled: scanned every
``poll_every`` seconds, which costs a walk and nothing else when nothing changed.
So is a shared folder whose path is not UTF-8, and one whose first scan did not end, while the others are
watched. One that was away at its first scan is scanned when it comes back.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Collection,
    Mapping,
    Sequence,
    Set,
)
from contextlib import aclosing, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Protocol

from soulmesh.client.shares.model import Root
from soulmesh.client.shares.scan import ScanBusy, ScanOutcome
from soulmesh.errors import SoulmeshError

__all__ = ["Keeper", "KeeperSettings", "Kept", "unbroken", "watch_source"]

log = logging.getLogger(__name__)

REST: Final = 900.0
"""The longest pause of seconds before a watch that breaks again and again is begun anew."""

DEBOUNCE_MS: Final = 2000
"""How long changes are gathered at most; a pause of..."""
STEP_MS: Final = 50
"""...so long ends it earlier."""
PATIENCE_MS: Final = 1000
JOIN_SECONDS: Final = 1.0

Source = Callable[[Sequence[Path]], AsyncIterator[set[Path]]]
"""Watches folders and gives out, now and then, what has changed below them: nothing (an empty set)
when it has begun."""


class Kept(Protocol):
    """What the keeper needs of :class:`soulmesh.client.shares.Shares`."""

    @property
    def needs_index(self) -> bool: ...

    @property
    def roots(self) -> list[Root]: ...

    async def scan(
        self, roots: Collection[int] | None = None, *, only: Mapping[int, Collection[bytes]] | None = None
    ) -> ScanOutcome: ...

    async def refresh(self) -> None: ...

    async def check_online(self) -> list[Root]: ...

    def changed_elsewhere(self) -> bool: ...

    def folder_count(self) -> int: ...


@dataclass(frozen=True, slots=True)
class KeeperSettings:
    """How often the keeper looks. Seconds."""

    scan_at_start: bool = True
    rescan_every: float = 12 * 3600.0
    """A full scan, watched or not; 0: never."""
    watch: bool = True
    watch_folders: int = 20_000
    """The budget: with more folders than this, shares are polled."""
    watch_burst: int = 500
    """More changed folders at once than this, and the whole root is scanned."""
    poll_every: float = 900.0
    look_every: float = 5.0
    """For changes made by another process, such as ``soulmesh share add``."""
    online_every: float = 60.0
    """For drives that come and go."""
    retry_after: float = 30.0


class Keeper:
    """Owns nothing but its tasks: :meth:`run` until cancelled.

    Args:
        source: watches folders; by default watchfiles, if it is installed.
    """

    def __init__(
        self, shares: Kept, settings: KeeperSettings | None = None, *, source: Source | None = None
    ) -> None:
        self._shares = shares
        self._settings = settings or KeeperSettings()
        self._source = source or watch_source()
        self._scanning = asyncio.Lock()
        self._missed = False
        """Nobody watched for a while: what changed is not known."""
        self._refused: frozenset[Path] | None = None
        self.watching: frozenset[Path] = frozenset()
        """The roots that are watched now; empty while shares are polled."""
        self._over_budget = False
        self._begun: frozenset[Path] = frozenset()
        """Roots that were there when the keeper began, or are watched."""
        self._away: frozenset[int] = frozenset()
        """Roots that were offline at the last look."""

    async def run(self) -> None:
        """Keep the shares up to date until cancelled."""
        self._begun = self._wanted()
        async with asyncio.TaskGroup() as tasks:
            for name, work in (
                ("changes by other processes", self._look),
                ("drives that come and go", self._check_online),
                ("scanning by timer", self._scan_by_timer),
                ("watching", self._watch_or_poll),
                ("folders that cannot be watched", self._poll_unwatchable),
            ):
                tasks.create_task(self._steadily(name, work), name=f"shares: {name}")

    async def _steadily(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Do it again when something unforeseen ends it, which is told and ends nothing else."""
        while True:
            try:
                return await work()
            except SoulmeshError as error:
                log.warning("shares: %s: begun again after an error: %s", name, error)
            except Exception:
                log.exception("shares: %s: begun again after an error", name)
            self._missed = self._missed or work == self._watch_or_poll
            await asyncio.sleep(self._settings.retry_after)

    async def _scan(
        self, roots: Collection[int] | None = None, only: Mapping[int, Collection[bytes]] | None = None
    ) -> None:
        async with self._scanning:
            while True:
                try:
                    outcome = await self._shares.scan(roots, only=only)
                except ScanBusy:
                    await asyncio.sleep(self._settings.retry_after)
                    continue
                except SoulmeshError as error:
                    log.warning("shares could not be scanned: %s", error)
                else:
                    for found in outcome.roots:
                        if found.held_back:
                            log.warning(
                                "%s: %d files are gone from the disk; kept until a scan is told --yes",
                                found.root,
                                found.held_back,
                            )
                return

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(self._settings.look_every)
            if back := self._back_unscanned():
                await self._scan(back)
            if not self._shares.changed_elsewhere():
                continue
            # What was changed by this process is scanned by whoever changed it.
            needed, before = self._shares.needs_index, list(self._shares.roots)
            try:
                await self._shares.refresh()
            except SoulmeshError as error:
                log.warning("changes to the shares could not be read: %s", error)
            if self._shares.needs_index and not needed:
                await self._scan()
            elif touched := _touched(before, self._shares.roots):
                await self._scan(touched)

    def _back_unscanned(self) -> list[int]:
        """Roots that came back since the last look and were never scanned: nobody watches those."""
        roots, away = self._shares.roots, self._away
        self._away = frozenset(root.id for root in roots if not root.online)
        return [root.id for root in roots if root.id in away and root.online and not root.scanned]

    async def _check_online(self) -> None:
        while True:
            for root in await self._shares.check_online():
                state = "is back" if root.online else "is offline: its files are kept and not offered"
                log.info("%s %s", os.fsdecode(root.name), state)
            await asyncio.sleep(self._settings.online_every)

    async def _scan_by_timer(self) -> None:
        if self._settings.scan_at_start or self._shares.needs_index:
            await self._scan()
        while self._settings.rescan_every > 0:
            await asyncio.sleep(self._settings.rescan_every)
            await self._scan()

    # Watching

    def _wanted(self) -> frozenset[Path]:
        """The folders to watch; none when polling is the better way."""
        settings = self._settings
        if not settings.watch or self._source is None or self._too_many():
            return frozenset()
        # One that was never scanned may hold more folders than there are watches for.
        return frozenset(
            root.path for root in self._shares.roots if root.online and root.scanned and _watchable(root)
        )

    def _too_many(self) -> bool:
        """Whether there are more folders than the budget; told in the log when that changes."""
        folders = self._shares.folder_count()
        too_many = folders > self._settings.watch_folders
        if too_many != self._over_budget:
            self._over_budget = too_many
            if too_many:
                log.warning(
                    "%d folders are more than are watched (%d): they are scanned every %d minutes instead",
                    folders,
                    self._settings.watch_folders,
                    round(self._settings.poll_every / 60),
                )
        return too_many

    async def _watch_or_poll(self) -> None:
        if self._missed:
            await self._scan()
            self._missed = False
        while True:
            wanted = self._wanted()
            self._begun &= wanted
            if wanted and wanted != self._refused:
                await self._watch(wanted)
            else:
                await self._poll(wanted)

    async def _poll(self, wanted: frozenset[Path]) -> None:
        """Wait for the next scan, or until there is something else to watch."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self._settings.poll_every
        while (left := until - loop.time()) > 0:
            await asyncio.sleep(min(left, self._settings.look_every))
            if self._wanted() != wanted:
                return
        await self._scan()

    async def _poll_unwatchable(self) -> None:
        """Those that no watch can name, and those whose first scan was stopped or failed, while others
        are watched; else all are polled anyway."""
        while True:
            await asyncio.sleep(self._settings.poll_every)
            left = [
                root.id
                for root in self._shares.roots
                if root.online and not (root.scanned and _watchable(root))
            ]
            if left and self.watching:
                await self._scan(left)

    async def _watch(self, wanted: frozenset[Path]) -> None:
        """Watch until the roots are others, or the system has no more watches."""
        assert self._source is not None
        self.watching = wanted
        changes = self._source(sorted(wanted))
        next_change: asyncio.Task[set[Path]] | None = None
        # What was added, or came back, while we ran may have changed before it was watched.
        fresh = wanted - self._begun
        self._begun = wanted
        try:
            while self._wanted() == wanted:
                if next_change is None:
                    next_change = asyncio.ensure_future(anext(changes))
                done, _ = await asyncio.wait([next_change], timeout=self._settings.look_every)
                if not done:
                    continue
                changed = next_change.result()
                next_change = None
                if fresh:  # now it is watched
                    await self._scan([root.id for root in self._shares.roots if root.path in fresh])
                    fresh = frozenset()
                await self._take_in(changed)
        except (OSError, RuntimeError, ValueError, StopAsyncIteration) as error:
            log.warning("folders cannot be watched, they are scanned from time to time instead: %s", error)
            self._refused = wanted
        finally:
            self.watching = frozenset()
            if next_change is not None:
                next_change.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await next_change
            close = getattr(changes, "aclose", None)
            if close is not None:
                await close()

    async def _take_in(self, changed: set[Path]) -> None:
        folders: dict[int, set[bytes]] = {}
        for path in changed:
            found = await asyncio.to_thread(_changed_folder, path, self._shares.roots)
            if found is not None:
                folders.setdefault(found[0], set()).add(found[1])
        whole = [
            root for root, below in folders.items() if len(below) > self._settings.watch_burst or b"" in below
        ]
        if whole:
            await self._scan(whole)
        rest = {root: below for root, below in folders.items() if root not in whole}
        if rest:
            await self._scan(list(rest), rest)


def _touched(before: Collection[Root], now: Collection[Root]) -> list[int]:
    """Roots that share other files now: new ones, those with other rules, and those around a root that came
    or went, as what is in that is no longer theirs, or theirs again."""

    def rules(roots: Collection[Root]) -> dict[int, tuple[Path, object]]:
        return {root.id: (root.path, (root.exclude, root.hidden, root.symlinks)) for root in roots}

    was, are = rules(before), rules(now)
    moved = {(was | are)[number][0] for number in was.keys() ^ are.keys()}
    return sorted(
        number
        for number, (path, _) in are.items()
        if was.get(number) != are[number]
        or any(other != path and other.is_relative_to(path) for other in moved)
    )


def _watchable(root: Root) -> bool:
    """Whether what watches, which wants text, can be told its path: one in UTF-8."""
    try:
        str(root.path).encode()
    except UnicodeEncodeError:
        return False
    return True


def _changed_folder(path: Path, roots: Collection[Root]) -> tuple[int, bytes] | None:
    """The root and the folder below it that a change is in: itself if it is a folder, else its parent."""
    raw = os.fsencode(path)
    best: Root | None = None
    for root in roots:
        top = os.fsencode(root.path).rstrip(b"/")
        longer = best is None or len(os.fsencode(best.path)) < len(top)
        if (raw == top or raw.startswith(top + b"/")) and longer:
            best = root
    if best is None:
        return None
    below = raw[len(os.fsencode(best.path).rstrip(b"/")) :].strip(b"/")
    if not best.hidden and any(part.startswith(b".") for part in below.split(b"/")):
        return None
    if below and not os.path.isdir(raw):
        below = below.rpartition(b"/")[0]
    return best.id, below


def watch_source() -> Source | None:
    """Watching with watchfiles; None where it is not installed."""
    if find_spec("watchfiles") is None:
        return None
    return unbroken(_in_thread)


async def _in_thread(folders: Sequence[Path]) -> AsyncGenerator[Set[tuple[Any, str]], None]:
    """Watching in a thread of its own: to begin takes a second for 20,000 folders, or longer."""
    from watchfiles._rust_notify import RustNotify  # documented, under this name

    loop = asyncio.get_running_loop()
    told: asyncio.Queue[Set[tuple[Any, str]] | Exception] = asyncio.Queue()
    stop = threading.Event()

    def tell(what: Set[tuple[Any, str]] | Exception) -> None:
        with suppress(RuntimeError):  # the loop is gone
            loop.call_soon_threadsafe(told.put_nowait, what)

    def work() -> None:
        try:
            with RustNotify([str(folder) for folder in folders], False, False, 300, True, True) as watch:
                tell(frozenset())
                while not stop.is_set():
                    found = watch.watch(DEBOUNCE_MS, STEP_MS, PATIENCE_MS, stop)
                    if not isinstance(found, str):
                        tell(found)
        except Exception as error:
            tell(error)

    thread = threading.Thread(target=work, name="soulmesh-watch", daemon=True)
    thread.start()
    try:
        while True:
            what = await told.get()
            if isinstance(what, Exception):
                raise what
            yield what
    finally:
        stop.set()
        # One that is still about to begin ends when it has.
        await asyncio.to_thread(thread.join, JOIN_SECONDS)


def unbroken(begin: Callable[[Sequence[Path]], AsyncGenerator[Set[tuple[Any, str]], None]]) -> Source:
    """Watching that goes on when a watch breaks, as watchfiles does over any name that is not UTF-8.

    What changed nobody can tell then, so all folders are given out as changed: at once, and again
    when the next watch has begun, for what happened between the two. A watch that breaks before it
    gave out anything is begun anew after ever longer pauses, up to :data:`REST`: as good as polling.

    Args:
        begin: a watch, which gives out nothing (an empty set) when it has begun, and then what changed.
    """

    async def watch(folders: Sequence[Path]) -> AsyncIterator[set[Path]]:
        owed: set[Path] = set()
        breaks = 0
        first = True
        while True:
            try:
                async with aclosing(begin(folders)) as watching:
                    async for changes in watching:
                        breaks = 0
                        found = owed | {Path(path) for _, path in changes}
                        owed = set()
                        if found or first:
                            yield found
                        first = False
                return
            except* RuntimeError as error:
                log.debug("watching begins again: %r", error)
            breaks += 1
            owed = set(folders)
            yield owed
            await asyncio.sleep(min(REST, 2.0 ** min(breaks, 10)))

    return watch
