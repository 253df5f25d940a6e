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

import errno
import fcntl
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Final

from soulmesh.client.shares.audio import audio_suffix
from soulmesh.client.shares.generation import current_base, write_generation
from soulmesh.client.shares.model import Root
from soulmesh.client.shares.readers import FILE_SECONDS, read_all
from soulmesh.client.shares.store import Store
from soulmesh.client.shares.walk import Rules, left_out, walk
from soulmesh.errors import SoulmeshError

__all__ = ["Progress", "RootOutcome", "ScanBusy", "ScanCancelled", "ScanOutcome", "Scanner", "scan_lock"]

GUARD: Final = 0.25
"""A scan that would lose a larger share of a root's files than this asks first."""
GUARD_FROM: Final = 4
"""Fewer files than this may go without a question."""
MERGE_SHARE: Final = 0.02
MERGE_FILES: Final = 2000
"""The changes since the base may be this many, or this share of it; beyond, a new base is written."""
COMMIT_EVERY: Final = 2.0
TELL_EVERY: Final = 0.1
ESTIMATE_AFTER: Final = 0.5
"""Seconds after which a rate says something about the time left."""
CHUNK: Final = 2000


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


@contextmanager
def scan_lock(directory: Path) -> Iterator[None]:
    """One scan at a time, over all processes.

    Raises:
        ScanBusy: somebody else scans.
    """
    directory.mkdir(parents=True, exist_ok=True)
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
        self._guard = guard
        self._rebuild = rebuild
        self._readers = readers
        self._file_seconds = file_seconds
        self._progress = progress
        self._cancelled = cancelled
        self._phase_began = self._told = self._committed = perf_counter()
        self._resumed = False
        self._waiting = 0
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
        self._walks: list[_Walk] = []
        store.execute("BEGIN IMMEDIATE")
        try:
            for root in chosen:
                outcome.roots.append(self._walk_root(root, everything, (only or {}).get(root.id)))
            self._read_attributes(
                [root for root, seen in zip(chosen, outcome.roots, strict=True) if not seen.offline]
            )
            for walked in self._walks:
                self._settle(walked)
            outcome.index = self._note_changes()
        except BaseException:
            # Not a rollback: what was found is right, and is not found again.
            store.execute("COMMIT")
            raise
        store.execute("COMMIT")
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
    ) -> RootOutcome:
        outcome = RootOutcome(os.fsdecode(root.name))
        total = self._store.execute(
            "SELECT count(*) FROM files WHERE folder IN (SELECT id FROM folders WHERE root = ?)", (root.id,)
        ).fetchone()[0]
        outcome.files = total
        path = os.fsencode(root.path)
        if not _is_there(path, total > 0):
            outcome.offline = True
            self._store.set_online(root.id, False)
            return outcome
        self._begin_phase()
        others = frozenset(os.fsencode(other.path) for other in everything if other.id != root.id)
        rules = Rules(path, root.exclude, root.hidden, root.symlinks, others)
        walked = _Walk(self, root, rules, outcome, total, only)
        walked.run()
        self._walks.append(walked)
        return outcome

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
        """Something is about to be written that the index does not know."""
        self._store.set("scan_open", 1)

    # Reading

    def _read_attributes(self, roots: Collection[Root]) -> None:
        store = self._store
        numbers = {root.id: os.fsencode(root.path) for root in roots}
        if self._resumed:
            self._waiting = store.execute("SELECT count(*) FROM files WHERE attributes IS NULL").fetchone()[0]
        if not self._waiting or not numbers:
            return
        total = self._waiting
        self._begin_phase()

        def jobs() -> Iterator[tuple[tuple[int, bytes], bytes]]:
            folder, name = 0, b""
            while True:
                rows = store.execute(
                    "SELECT f.folder, f.name, d.root, d.path FROM files f JOIN folders d ON d.id = f.folder"
                    " WHERE f.attributes IS NULL AND (f.folder, f.name) > (?, ?)"
                    " ORDER BY f.folder, f.name LIMIT ?",
                    (folder, name, CHUNK),
                ).fetchall()
                for folder, name, root, path in rows:
                    if root in numbers:
                        yield (folder, name), os.path.join(numbers[root], path, name)
                if len(rows) < CHUNK:
                    return

        readings = read_all(jobs(), readers=self._readers, file_seconds=self._file_seconds)
        for done, reading in enumerate(readings, 1):
            store.execute(
                "UPDATE files SET attributes = ?, problem = ? WHERE folder = ? AND name = ?",
                (reading.attributes, reading.problem, *reading.key),
            )
            self._tell("reading", "", done, total)

    # Settling

    def _settle(self, walked: _Walk) -> None:
        """Take out what is gone, unless it is too much to go without a question."""
        store, root, outcome = self._store, walked.root, walked.outcome
        gone = walked.gone()
        if gone and not self._confirmed:
            # What the rules leave out now was meant to go.
            meant = left_out(walked.rules)
            unmeant = [row for row in gone if not meant(row.path)]
            limit = max(GUARD_FROM - 1, int(walked.total * self._guard))
            if len(unmeant) - outcome.added > limit:
                outcome.held_back = len(unmeant)
                gone = [row for row in gone if meant(row.path)]
        outcome.removed = len(gone)
        if gone:
            self.dirty()
            store.executemany(
                "DELETE FROM files WHERE folder = ? AND name = ?", [(row.folder, row.name) for row in gone]
            )
            for row in gone:
                self.noted(root.id, row.below.replace(b"/", b"\\"), row.name)
        walked.forget_folders()
        if walked.only is None:
            store.set(f"held_back:{root.id}", outcome.held_back)
            store.execute("DELETE FROM problems WHERE root = ?", (root.id,))
        store.executemany(
            "INSERT OR REPLACE INTO problems VALUES (?, ?, ?)",
            [(root.id, path, reason) for path, reason in walked.problems.items()],
        )
        outcome.files, outcome.problems = store.execute(
            "SELECT count(*), count(problem) FROM files"
            " WHERE folder IN (SELECT id FROM folders WHERE root = ?)",
            (root.id,),
        ).fetchone()
        outcome.problems += len(walked.problems)
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
            nothing = self._changes == [] and not kept and not self._resumed and not self._rebuild
            if nothing and base is not None and base.exists():
                return "unchanged"
            self.dirty()
            store.set("base_files", store.execute("SELECT count(*) FROM files").fetchone()[0])
            return "rebuilt"
        if not self._changes:
            store.set("scan_open", 0)
            return "unchanged"
        store.executemany("INSERT INTO changes (root, folder, name) VALUES (?, ?, ?)", self._changes)
        store.set("scan_open", 0)
        return "updated"

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
        if now - self._committed > COMMIT_EVERY and phase != "indexing":
            self._committed = now
            self._store.execute("COMMIT")
            self._store.execute("BEGIN IMMEDIATE")
        if self._progress is not None:
            elapsed = now - self._phase_began
            rate = done / max(elapsed, 1e-6)
            known = total and done and (elapsed > ESTIMATE_AFTER or done >= total)
            left = max(0, (total or 0) - done) / rate if known else None
            self._progress(Progress(phase, root, done, total, rate, left))

    def tell_walking(self, root: str, done: int, total: int) -> None:
        """Progress of a walk; ``total`` is what the last scan found."""
        self._tell("walking", root, done, total or None)

    def wait_for_attributes(self) -> None:
        """A file has been taken in whose attributes are still to be read."""
        self._waiting += 1


@dataclass(frozen=True, slots=True)
class _Gone:
    """A stored file that is not on the disk, or not shared any more."""

    folder: int
    name: bytes
    below: bytes
    """The folder's path below the root."""

    @property
    def path(self) -> bytes:
        """Its own path below the root."""
        return self.below + b"/" + self.name if self.below else self.name


class _Walk:
    """One root on its way from the disk into the store."""

    def __init__(
        self,
        scanner: Scanner,
        root: Root,
        rules: Rules,
        outcome: RootOutcome,
        total: int,
        only: Collection[bytes] | None,
    ) -> None:
        self.scanner = scanner
        self.root = root
        self.rules = rules
        self.outcome = outcome
        self.total = total
        self.only = None if only is None else _outermost(only)
        self.problems: dict[bytes, str] = {}
        self._store = scanner._store
        self._folders: dict[bytes, int] = {}
        self._by_remote: dict[bytes, bytes] = {}
        self._seen: set[int] = set()
        self._missing: list[tuple[int, bytes, bytes]] = []
        self._kept: set[bytes] = set()
        self._fresh: dict[tuple[int, int, int], list[tuple[int, bytes]]] = {}

    def run(self) -> None:
        """Walk, and write down what is new or different."""
        for number, remote, path in self._store.execute(
            "SELECT id, remote, path FROM folders WHERE root = ?", (self.root.id,)
        ):
            self._folders[path] = number
            self._by_remote[remote] = path
        scanner, name = self.scanner, os.fsdecode(self.root.name)
        done = 0
        for relative, files in walk(self.rules, self._problem, only=self.only):
            number = self._folder(relative)
            if number is None:
                continue
            self._seen.add(number)
            stored = self._store.execute(
                "SELECT name, size, mtime, inode FROM files WHERE folder = ? ORDER BY name", (number,)
            ).fetchall()
            if stored != files:
                self._compare(number, relative, stored, files)
            done += len(files)
            scanner.tell_walking(name, done, self.total)
        scanner.tell_walking(name, done, done)
        self._recognise_moved()

    def _problem(self, path: bytes, error: OSError) -> None:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return  # gone while we looked
        # What cannot be read now is not gone: its entries stay.
        self.problems[path] = error.strerror or str(error)
        self._kept.add(path)

    def _folder(self, relative: bytes) -> int | None:
        number = self._folders.get(relative)
        if number is None:
            remote = relative.replace(b"/", b"\\")
            other = self._by_remote.get(remote)
            if other is not None:
                self.problems[relative] = f"looks to others like {os.fsdecode(other)}"
                return None
            self.scanner.dirty()
            cursor = self._store.execute(
                "INSERT INTO folders (root, remote, path) VALUES (?, ?, ?)", (self.root.id, remote, relative)
            )
            number = cursor.lastrowid
            assert number is not None
            self._folders[relative] = number
            self._by_remote[remote] = relative
        return number

    def _compare(
        self,
        folder: int,
        relative: bytes,
        stored: list[tuple[bytes, int, int, int]],
        files: list[tuple[bytes, int, int, int]],
    ) -> None:
        scanner = self.scanner
        scanner.dirty()
        remote = relative.replace(b"/", b"\\")
        before = {row[0]: row for row in stored}
        rows = []
        for file in files:
            name = file[0]
            known = before.pop(name, None)
            if known == file:
                continue
            if known is None:
                self.outcome.added += 1
            else:
                self.outcome.changed += 1
            audio = audio_suffix(name) is not None
            rows.append((folder, *file, None if audio else b""))
            if audio:
                scanner.wait_for_attributes()
                if self.total:
                    self._fresh.setdefault(file[1:], []).append((folder, name))
            scanner.noted(self.root.id, remote, name)
        self._store.executemany(
            "INSERT OR REPLACE INTO files (folder, name, size, mtime, inode, attributes)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            rows,
        )
        self._missing += [(folder, name, relative) for name in before]

    def _recognise_moved(self) -> None:
        """A file with the size, time and inode of one that is gone is that file: no need to read it again."""
        if not self._fresh:
            return
        for folder, name, _ in self._absent():
            row = self._store.execute(
                "SELECT size, mtime, inode, attributes, problem FROM files WHERE folder = ? AND name = ?",
                (folder, name),
            ).fetchone()
            if row is None or row[3] is None:
                continue
            for place in self._fresh.pop(tuple(row[:3]), ()):
                self._store.execute(
                    "UPDATE files SET attributes = ?, problem = ? WHERE folder = ? AND name = ?",
                    (row[3], row[4], *place),
                )

    def _absent(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Stored files that the walk did not meet: (folder, name, path of the folder)."""
        yield from self._missing
        for path, number in self._folders.items():
            if number in self._seen or not self._in_scope(path):
                continue
            for (name,) in self._store.execute(
                "SELECT name FROM files WHERE folder = ?", (number,)
            ).fetchall():
                yield number, name, path

    def gone(self) -> list[_Gone]:
        """Files to take out."""
        rows = [_Gone(folder, name, below) for folder, name, below in self._absent()]
        return [row for row in rows if not _below_any(self._kept, row.path)] if self._kept else rows

    def forget_folders(self) -> None:
        """Folders that are gone, with nothing in them any more."""
        self._store.executemany(
            "DELETE FROM folders WHERE id = ? AND NOT EXISTS (SELECT 1 FROM files WHERE folder = folders.id)",
            [
                (number,)
                for path, number in self._folders.items()
                if number not in self._seen and self._in_scope(path) and not _below_any(self._kept, path)
            ],
        )

    def _in_scope(self, path: bytes) -> bool:
        return self.only is None or _below_any(self.only, path)


def _below_any(folders: Collection[bytes], path: bytes) -> bool:
    """Whether a path, or a folder that it lies in, is among ``folders``."""
    if b"" in folders or path in folders:
        return True
    slash = path.rfind(b"/")
    while slash > 0:
        path = path[:slash]
        if path in folders:
            return True
        slash = path.rfind(b"/")
    return False


def _outermost(folders: Collection[bytes]) -> set[bytes]:
    """Without those that lie in another one of them."""
    found: set[bytes] = set()
    for folder in sorted(folders, key=len):
        if not _below_any(found, folder):
            found.add(folder)
    return found


def _is_there(path: bytes, had_files: bool) -> bool:
    """Whether a root is there. The empty folder that an unmounted drive leaves behind is not."""
    try:
        with os.scandir(path) as entries:
            return not had_files or next(entries, None) is not None
    except OSError:
        return False
