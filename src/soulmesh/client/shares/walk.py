"""Walks a root on disk and says what is there, by the root's rules.

One thread lists a local disk as fast as the interpreter allows; more would only
fight over it (twice as slow with four). A drive that lets us wait for each
folder, such as one in the network, is listed by several threads at once: the
walk notices that it waits more than it works.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter, thread_time
from typing import Final

from soulmesh.client.shares.model import Root, Symlinks, excluder

__all__ = ["Rules", "Seen", "is_there", "left_out", "others_inside", "rules_of", "shared_sizes", "walk"]

Seen = tuple[bytes, int, int, int]
"""Name, size in bytes, modification time in nanoseconds, inode: of one file."""

INODE_MASK: Final = (1 << 63) - 1
"""Some systems use all 64 bits; SQLite's integers have a sign."""

THREADS: Final = 8
WAITED_SECONDS: Final = 0.2
"""The walk must have waited this long, and..."""
WAITED_TIMES: Final = 3
"""...this many times as long as it worked, before it uses threads."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What of a root is shared."""

    path: bytes
    exclude: Collection[str] = ()
    hidden: bool = False
    symlinks: Symlinks = Symlinks.SKIP
    others: frozenset[bytes] = frozenset()
    """Folders that are roots of their own, and so belong to those."""


def rules_of(root: Root, roots: Iterable[Root]) -> Rules:
    """The rules of a root among all ``roots``."""
    others = frozenset(os.fsencode(other.path) for other in roots if other.id != root.id)
    return Rules(os.fsencode(root.path), root.exclude, root.hidden, root.symlinks, others)


def is_there(path: bytes, had_files: bool) -> bool:
    """Whether a root is there. The empty folder that an unmounted drive leaves behind is not."""
    try:
        with os.scandir(path) as entries:
            return not had_files or next(entries, None) is not None
    except OSError:
        return False


@dataclass(slots=True)
class _Listed:
    folder: bytes
    files: list[Seen] = field(default_factory=list)
    below: list[bytes] = field(default_factory=list)
    problems: list[tuple[bytes, OSError]] = field(default_factory=list)
    readable: bool = True


def left_out(rules: Rules) -> Callable[[bytes], bool]:
    """Whether the rules leave out a path below the root, or a folder that it lies in.

    Links are not looked at: a path that goes through one is asked about by where it leads.
    """
    excluded = excluder(rules.exclude)
    others = others_inside(rules)

    def check(path: bytes) -> bool:
        at = 0
        while at >= 0:
            if path[at : at + 1] == b"." and not rules.hidden:
                return True
            end = path.find(b"/", at)
            part = path if end < 0 else path[:end]
            if part in others or excluded(part):
                return True
            at = end + 1 if end >= 0 else -1
        return False

    return check


def _below(folder: bytes, path: bytes) -> bytes | None:
    """The part of a path below a folder, without the slash; None where it does not lie in it."""
    start = folder.rstrip(b"/") + b"/"
    return path[len(start) :] if path.startswith(start) else None


def others_inside(rules: Rules) -> frozenset[bytes]:
    """Roots inside this one, by their path below it, also where links make the two paths look unlike."""
    top = os.path.realpath(rules.path)
    found = {_below(rules.path, other) for other in rules.others}
    found |= {_below(top, os.path.realpath(other)) for other in rules.others}
    return frozenset(path for path in found if path)


class _Place:
    """Where links lead, for one root and its rules."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._top = os.path.realpath(rules.path)
        self.left_out = left_out(rules)

    def straight(self, relative: bytes) -> bool:
        """Whether a path below the root goes through no link."""
        return not relative or _below(self._top, os.path.realpath(self._whole(relative))) == relative

    def target(self, relative: bytes) -> bytes | None:
        """What a path with links in it leads to, below the root, if it is shared there too."""
        if self._rules.symlinks is Symlinks.SKIP:
            return None
        target = _below(self._top, os.path.realpath(self._whole(relative)))
        return None if target is None or self.left_out(target) else target

    def real(self, relative: bytes) -> bytes:
        """The path on disk of something below the root."""
        return os.path.join(self._top, relative)

    def _whole(self, relative: bytes) -> bytes:
        return os.path.join(self._rules.path, relative)


def shared_sizes(rules: Rules, relative: Iterable[bytes]) -> list[int | None]:
    """The sizes of files below a root as they are now, of regular ones that the rules share.

    None for everything else: gone, excluded since, or become a link to where nothing is shared.
    """
    place = _Place(rules)
    return [_shared_size(place, path) for path in relative]


def _shared_size(place: _Place, relative: bytes) -> int | None:
    if place.left_out(relative):
        return None
    try:
        target = relative if place.straight(relative) else place.target(relative)
        if target is None:
            return None
        about = os.stat(place.real(target), follow_symlinks=False)
    except (OSError, ValueError):
        return None
    return about.st_size if stat.S_ISREG(about.st_mode) else None


class _Lister:
    """Lists single folders; safe to use from many threads."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._excluded = excluder(rules.exclude)
        self._others = others_inside(rules)
        self._place = _Place(rules)

    def _linked(self, relative: bytes) -> os.stat_result | None:
        """The file that a link leads to, if the rules let it be followed.

        A folder is shared where it lies, so a link to one inside the root adds nothing.
        """
        target = self._place.target(relative)
        return None if target is None else os.stat(self._place.real(target), follow_symlinks=False)

    def begins(self, relative: bytes) -> bool:
        """Whether a walk may begin at a folder: the rules do not leave it out, and no link leads to it."""
        return not self._place.left_out(relative) and self._place.straight(relative)

    def list(self, relative: bytes) -> _Listed:
        """What is in a folder, given by its path below the root."""
        rules, excluded, others = self._rules, self._excluded, self._others
        listed = _Listed(relative)
        files, below = listed.files, listed.below
        folder = os.path.join(rules.path, relative) if relative else rules.path
        prefix = relative + b"/" if relative else b""
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = entry.name
                    if name[0] == 46 and not rules.hidden:  # a dot
                        continue
                    path = prefix + name
                    if rules.exclude and excluded(path):
                        continue
                    try:
                        if entry.is_dir(follow_symlinks=False):
                            if path not in others:
                                below.append(path)
                            continue
                        about = entry.stat(follow_symlinks=False)
                        if stat.S_ISLNK(about.st_mode):
                            linked = self._linked(path)
                            if linked is None:
                                continue
                            about = linked
                        if stat.S_ISREG(about.st_mode):
                            files.append((name, about.st_size, about.st_mtime_ns, about.st_ino & INODE_MASK))
                    except OSError as error:
                        listed.problems.append((path, error))
        except OSError as error:
            listed.problems.append((relative, error))
            listed.readable = False
        files.sort()
        below.sort(reverse=True)
        return listed


def walk(
    rules: Rules, problem: Callable[[bytes, OSError], None], *, only: Collection[bytes] | None = None
) -> Iterator[tuple[bytes, list[Seen]]]:
    """Each folder with its files, sorted by name; paths are below the root, b"" is the root.

    A folder that cannot be read is told to ``problem(path, error)`` and not
    given out; so is a name that cannot be looked at.

    Args:
        only: begin at these folders instead of at the root; those that the rules leave out are not there.
    """
    lister = _Lister(rules)
    pending = (
        [b""] if only is None else [folder for folder in sorted(only, reverse=True) if lister.begins(folder)]
    )
    waited = worked = 0.0
    threads: ThreadPoolExecutor | None = None
    under_way: deque[Future[_Listed]] = deque()
    try:
        while pending or under_way:
            if threads is None:
                began, cpu = perf_counter(), thread_time()
                listed = lister.list(pending.pop())
                cpu = thread_time() - cpu
                worked += cpu
                waited += perf_counter() - began - cpu
                if waited > WAITED_SECONDS and waited > WAITED_TIMES * worked:
                    threads = ThreadPoolExecutor(THREADS, "soulmesh-walk")
            else:
                while pending and len(under_way) < 4 * THREADS:
                    under_way.append(threads.submit(lister.list, pending.pop()))
                listed = under_way.popleft().result()
            for path, error in listed.problems:
                problem(path, error)
            if not listed.readable:
                continue
            pending += listed.below
            yield listed.folder, listed.files
    finally:
        if threads is not None:
            threads.shutdown(cancel_futures=True)
