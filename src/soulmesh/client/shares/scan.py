"""Brings the store up to date with the disk, and the index with the store.

A scan has three parts. *Walking* compares names, sizes, times and inodes with
what is stored; *reading* takes the attributes of new and changed audio files
in a pool of processes; *indexing* either notes the changes, for the client to
take into its delta, or writes a new base. What was walked and read is kept when
a scan is cancelled or dies, so the next one goes on from there.

Everything here blocks. It runs in a process of its own
(:mod:`soulmesh.client.shares.worker`), so searches and uploads do not wait.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Final

from soulmesh.client.shares.aside import make_room
from soulmesh.client.shares.browse import forget_streams
from soulmesh.client.shares.compare import Comparison
from soulmesh.client.shares.generation import current_base, write_generation
from soulmesh.client.shares.model import Root
from soulmesh.client.shares.readers import FILE_SECONDS, OUTSIDE, SLOW, read_all
from soulmesh.client.shares.store import Store, Writes
from soulmesh.client.shares.walk import is_there, left_out, rules_of
from soulmesh.errors import SoulmeshError

__all__ = [
    "Progress",
    "RootOutcome",
    "ScanBusy",
    "ScanCancelled",
    "ScanOutcome",
    "Scanner",
    "scan_lock",
    "too_many",
]

GUARD: Final = 0.25
"""A scan that would lose a larger share of a root's files than this asks first."""
GUARD_FROM: Final = 4
"""Fewer files than this may go without a question."""
MERGE_SHARE: Final = 0.02
MERGE_FILES: Final = 2000
"""The changes since the base may be this many, or this share of it; beyond, a new base is written."""
WRITE_EVERY: Final = 2.0
TELL_EVERY: Final = 0.1
ESTIMATE_AFTER: Final = 0.5
"""Seconds after which a rate says something about the time left."""
CHUNK: Final = 2000


def too_many(lost: int, total: int, share: float) -> bool:
    """Whether losing so many of ``total`` files is not to be done without a question."""
    return lost > max(GUARD_FROM - 1, int(total * share))


class ScanBusy(SoulmeshError):
    """Another scan of the same shares is under way."""

    def __str__(self) -> str:
        return "another scan is running; wait for it, or stop it first"


class ScanCancelled(SoulmeshError):
    """The scan was stopped; what it had found so far is kept."""

    def __str__(self) -> str:
        return "the scan was stopped; the next one goes on from here"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a scan is."""

    phase: str
    """``walking``, ``reading`` or ``indexing``."""
    root: str
    done: int
    """Files."""
    total: int | None
    """Files, as far as known; while walking, what the last scan found."""
    rate: float
    """Files per second in this phase."""
    seconds_left: float | None


@dataclass(slots=True)
class RootOutcome:
    """What a scan did with one root."""

    root: str
    files: int = 0
    added: int = 0
    changed: int = 0
    removed: int = 0
    held_back: int = 0
    """Files that are gone from the disk but kept, because losing so many has to be confirmed."""
    offline: bool = False
    problems: int = 0


@dataclass(slots=True)
class ScanOutcome:
    """What a scan did."""

    roots: list[RootOutcome] = field(default_factory=list)
    index: str = "unchanged"
    """``unchanged``, ``updated`` (the changes were noted) or ``rebuilt``."""
    seconds: float = 0.0
    rescued: str | None = None
    """The database was damaged, and was begun anew: what became of it."""


@contextmanager
def scan_lock(directory: Path) -> Iterator[None]:
    """One scan at a time, over all processes.

    Raises:
        ScanBusy: somebody else scans.
    """
    directory.mkdir(parents=True, exist_ok=True)
    make_room(directory / "scan.lock")
    with open(directory / "scan.lock", "wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ScanBusy from error
        yield


class Scanner:
    """One scan of some roots.

    Args:
        directory: where the store and the index live.
        now: the time to note as that of the scan.
        confirmed: lose files however many they are.
        again: read those again as well that took too long, or brought a reader down.
        guard: the share of a root's files that may go without ``confirmed``.
        rebuild: write a new base even if little changed.
        progress: told about every tenth of a second.
        cancelled: asked as often; true ends the scan.
    """

    def __init__(
        self,
        store: Store,
        directory: Path,
        *,
        now: datetime,
        confirmed: bool = False,
        again: bool = False,
        guard: float = GUARD,
        rebuild: bool = False,
        readers: int | None = None,
        file_seconds: float = FILE_SECONDS,
        progress: Callable[[Progress], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> None:
        self._store = store
        self._directory = directory
        self._now = now
        self._confirmed = confirmed
        self._again = again
        self._guard = guard
        self._rebuild = rebuild
        self._readers = readers
        self._file_seconds = file_seconds
        self._progress = progress
        self._cancelled = cancelled
        self._phase_began = self._told = self._written = perf_counter()
        self._resumed = self._dirty = False
        self._last_folder: int | None = None
        self.writes = Writes(store)
        self._changes: list[tuple[int, bytes, bytes]] | None = []

    def scan(
        self, roots: Collection[int] | None = None, *, only: Mapping[int, Collection[bytes]] | None = None
    ) -> ScanOutcome:
        """Scan, read, index.

        Args:
            roots: the numbers of the roots to look at; None is all of them.
            only: folders below a root, by its number, instead of the whole root.

        Raises:
            ScanCancelled: ``cancelled`` said so.
        """
        began = perf_counter()
        store = self._store
        outcome = ScanOutcome()
        everything = store.roots()
        chosen = [root for root in everything if roots is None or root.id in roots]
        self._resumed = bool(store.get("scan_open", 0))
        walks: list[tuple[Comparison, RootOutcome]] = []
        try:
            swept = store.sweep(self.writes)
            # With nothing left to share, no later scan would write their names out of the index.
            if swept > self._delta_limit() or (swept and not everything):
                self._changes = None
            forget_streams(self._directory / "browse", {root.id for root in everything})
            # A scan that did not come to its end, of these roots or of others, may have left some.
            left_over = self._unread([root.id for root in chosen]) > 0
            for root in chosen:
                found, comparison = self._walk_root(root, everything, (only or {}).get(root.id))
                outcome.roots.append(found)
                if comparison is not None:
                    walks.append((comparison, found))
            self.writes.flush()
            for comparison, _ in walks:
                comparison.recognise_moved()
            self.writes.flush()
            for comparison, _ in walks:
                passing = SLOW if self._again else OUTSIDE
                store.try_again(comparison.root.id, passing, comparison.in_scope, self.writes)
            self.writes.flush()
            self._read_attributes([comparison.root for comparison, _ in walks], left_over)
            for comparison, found in walks:
                self._settle(comparison, found)
            outcome.index = self._note_changes()
        except BaseException:
            # What was found is right, and is not found again.
            with suppress(sqlite3.Error):
                self.writes.flush()
            raise
        if outcome.index == "rebuilt":
            self._begin_phase()
            total = sum(root.files for root in store.roots())
            write_generation(store, self._directory, lambda done: self._tell("indexing", "", done, total))
            store.set("scan_open", 0)
        outcome.seconds = perf_counter() - began
        return outcome

    # Walking

    def _walk_root(
        self, root: Root, everything: Collection[Root], only: Collection[bytes] | None
    ) -> tuple[RootOutcome, Comparison | None]:
        outcome = RootOutcome(os.fsdecode(root.name))
        total = self._store.execute(
            "SELECT count(*) FROM files WHERE folder IN (SELECT id FROM folders WHERE root = ?)", (root.id,)
        ).fetchone()[0]
        outcome.files = total
        if not is_there(os.fsencode(root.path), total > 0):
            self._is_away(root, outcome)
            return outcome, None
        self._begin_phase()
        comparison = Comparison(self, self._store, root, rules_of(root, everything), outcome, total, only)
        comparison.run()
        return outcome, comparison

    def _is_away(self, root: Root, outcome: RootOutcome) -> None:
        outcome.offline = True
        self._store.set_online(root.id, False)

    def noted(self, root: int, folder: bytes, name: bytes) -> None:
        """A file is new, changed or gone. Beyond what a delta holds, only that is remembered."""
        if self._changes is not None:
            self._changes.append((root, folder, name))
            if len(self._changes) > self._delta_limit():
                self._changes = None

    def _delta_limit(self) -> int:
        files: int = self._store.get("base_files", 0)
        return max(MERGE_FILES, int(files * MERGE_SHARE))

    def dirty(self) -> None:
        """What is written from here on the index does not know."""
        if not self._dirty:
            self._dirty = True
            self.writes.add("INSERT OR REPLACE INTO meta VALUES (?, ?)", ("scan_open", 1))

    def folder_number(self) -> int:
        """A number for a new folder."""
        if self._last_folder is None:
            self._last_folder = self._store.execute("SELECT ifnull(max(id), 0) FROM folders").fetchone()[0]
        self._last_folder += 1
        return self._last_folder

    # Reading

    def _unread(self, roots: Collection[int]) -> int:
        """Files whose attributes are still to be read."""
        counts = self._store.execute(
            "SELECT d.root, count(*) FROM files f JOIN folders d ON d.id = f.folder"
            " WHERE f.attributes IS NULL GROUP BY d.root"
        )
        return sum(count for root, count in counts if root in roots)

    def _read_attributes(self, roots: Collection[Root], left_over: bool) -> None:
        store, writes = self._store, self.writes
        numbers = {root.id: os.fsencode(root.path) for root in roots}
        total = self._unread(numbers)
        if not total:
            return
        if left_over:
            self.dirty()
        self._begin_phase()

        def jobs() -> Iterator[tuple[tuple[int, bytes, int, bytes, int], bytes]]:
            folder, name = 0, b""
            while True:
                rows = store.execute(
                    "SELECT f.folder, f.name, d.root, d.remote, f.passing, d.path"
                    " FROM files f JOIN folders d ON d.id = f.folder"
                    " WHERE f.attributes IS NULL AND (f.folder, f.name) > (?, ?)"
                    " ORDER BY f.folder, f.name LIMIT ?",
                    (folder, name, CHUNK),
                ).fetchall()
                for folder, name, root, remote, passing, path in rows:
                    if root in numbers:
                        yield (folder, name, root, remote, passing), os.path.join(numbers[root], path, name)
                if len(rows) < CHUNK:
                    return

        done = 0
        readings = read_all(
            jobs(),
            readers=self._readers,
            file_seconds=self._file_seconds,
            meanwhile=lambda: self._tell("reading", "", done, total),
        )
        for reading in readings:
            folder, name, root, remote, tried = reading.key
            # The index has what is tried again without attributes.
            news = left_over or bool(tried and reading.attributes)
            if news:
                self.dirty()
            writes.add(
                "UPDATE files SET attributes = ?, problem = ?, passing = ? WHERE folder = ? AND name = ?",
                (reading.attributes, reading.problem, reading.passing, folder, name),
            )
            if news:
                self.noted(root, remote, name)
            done += 1
            self._tell("reading", "", done, total)
        writes.flush()

    # Settling

    def _settle(self, comparison: Comparison, outcome: RootOutcome) -> None:
        """Take out what is gone, unless it is too much to go without a question."""
        store, writes = self._store, self.writes
        root = comparison.root
        gone = comparison.gone()
        if gone and not is_there(os.fsencode(root.path), True):
            # It went away while we looked: what was not met is not gone.
            self._is_away(root, outcome)
            return
        if gone and not self._confirmed:
            # What the rules leave out now was meant to go, and what was met elsewhere is not lost.
            # New files make up for nothing: a wrong drive in the same place has as many.
            meant = left_out(comparison.rules)
            lost = {row for row in gone if not comparison.moved(row) and not meant(row.path)}
            # While a question is open nothing is forgotten: what was added since would outweigh it.
            asked = store.get(f"held_back:{root.id}", 0) > 0
            if lost and (asked or too_many(len(lost), comparison.total, self._guard)):
                outcome.held_back = len(lost)
                gone = [row for row in gone if row not in lost]
        outcome.removed = len(gone)
        if gone:
            self.dirty()
            for row in gone:
                writes.add("DELETE FROM files WHERE folder = ? AND name = ?", (row.folder, row.name))
                self.noted(root.id, row.below.replace(b"/", b"\\"), row.name)
            writes.flush()
        comparison.forget_folders()
        if comparison.only is None or outcome.held_back:
            store.set(f"held_back:{root.id}", outcome.held_back)
        if comparison.only is None:
            writes.add("DELETE FROM problems WHERE root = ?", (root.id,))
        else:
            for folder in comparison.only:
                below = folder + b"/" if folder else b""
                writes.add(
                    "DELETE FROM problems WHERE root = ? AND (path = ? OR substr(path, 1, ?) = ?)",
                    (root.id, folder, len(below), below),
                )
        for path, reason in comparison.problems.items():
            writes.add("INSERT OR REPLACE INTO problems VALUES (?, ?, ?)", (root.id, path, reason))
        writes.flush()
        outcome.files, outcome.problems = store.execute(
            "SELECT count(*), count(problem) FROM files"
            " WHERE folder IN (SELECT id FROM folders WHERE root = ?)",
            (root.id,),
        ).fetchone()
        outcome.problems += len(comparison.problems)
        store.execute(
            "UPDATE roots SET online = 1, files = ?, scanned = ? WHERE id = ?",
            (outcome.files, self._now.isoformat(timespec="seconds"), root.id),
        )

    def _note_changes(self) -> str:
        store = self._store
        kept = store.execute("SELECT count(*) FROM changes").fetchone()[0]
        base = current_base(store, self._directory)
        if (
            self._rebuild
            or self._resumed
            or self._changes is None
            or base is None
            or not base.exists()
            or kept + len(self._changes) > self._delta_limit()
        ):
            store.set("scan_open", 1)
            store.set("base_files", store.execute("SELECT count(*) FROM files").fetchone()[0])
            return "rebuilt"
        with store.transaction():
            store.executemany("INSERT INTO changes (root, folder, name) VALUES (?, ?, ?)", self._changes)
            store.set("scan_open", 0)
        return "updated" if self._changes else "unchanged"

    # Telling

    def _begin_phase(self) -> None:
        self._phase_began = perf_counter()
        self._told = 0.0

    def _tell(self, phase: str, root: str, done: int, total: int | None) -> None:
        """Progress, the chance to be cancelled, and what was found made durable, each when it is time."""
        now = perf_counter()
        # The end of a phase is always told.
        if now - self._told < TELL_EVERY and done != total:
            return
        self._told = now
        if self._cancelled is not None and self._cancelled():
            raise ScanCancelled
        if now - self._written > WRITE_EVERY:
            self._written = now
            self.writes.flush()
        if self._progress is not None:
            elapsed = now - self._phase_began
            rate = done / max(elapsed, 1e-6)
            known = total and done and (elapsed > ESTIMATE_AFTER or done >= total)
            left = max(0, (total or 0) - done) / rate if known else None
            self._progress(Progress(phase, root, done, total, rate, left))

    def tell_walking(self, root: str, done: int, total: int) -> None:
        """Progress of a walk; ``total`` is what the last scan found."""
        self._tell("walking", root, done, total or None)
