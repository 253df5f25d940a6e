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
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from time import perf_counter, thread_time
from typing import Final

from soulmesh.client.shares.model import Symlinks, excluder

__all__ = ["Rules", "Seen", "left_out", "walk"]

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


@dataclass(slots=True)
class _Listed:
    folder: bytes
    files: list[Seen] = field(default_factory=list)
    below: list[bytes] = field(default_factory=list)
    links: list[bytes] = field(default_factory=list)
    """Folders that links lead to."""
    problems: list[tuple[bytes, OSError]] = field(default_factory=list)
    readable: bool = True
    identity: tuple[int, int] | None = None
    """Device and inode, where links could lead here twice."""


def left_out(rules: Rules) -> Callable[[bytes], bool]:
    """Whether the rules leave out a path below the root, or a folder that it lies in."""
    excluded = excluder(rules.exclude)
    others = {
        other[len(rules.path.rstrip(b"/")) + 1 :]
        for other in rules.others
        if other.startswith(rules.path.rstrip(b"/") + b"/")
    }

    def check(path: bytes) -> bool:
        at = 0
        while at >= 0:
            if path[at : at + 1] == b"." and not rules.hidden:
                return True
            end = path.find(b"/", at)
            part = path if end < 0 else path[:end]
            if part in others or excluded.match(part.decode("utf-8", "surrogateescape")):
                return True
            at = end + 1 if end >= 0 else -1
        return False

    return check


class _Lister:
    """Lists single folders; safe to use from many threads."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._excluded = excluder(rules.exclude)
        self._root = os.path.realpath(rules.path)
        self._inside = self._root if self._root.endswith(b"/") else self._root + b"/"

    def _target(self, path: bytes) -> os.stat_result | None:
        """What a link points to, if the rule lets it be followed."""
        if self._rules.symlinks is Symlinks.SKIP:
            return None
        real = os.path.realpath(path)
        return os.stat(real) if real == self._root or real.startswith(self._inside) else None

    def list(self, relative: bytes) -> _Listed:
        """What is in a folder, given by its path below the root."""
        rules, excluded = self._rules, self._excluded
        listed = _Listed(relative)
        files, below = listed.files, listed.below
        folder = os.path.join(rules.path, relative) if relative else rules.path
        prefix = relative + b"/" if relative else b""
        try:
            if rules.symlinks is not Symlinks.SKIP:
                about = os.stat(folder)
                listed.identity = (about.st_dev, about.st_ino)
            with os.scandir(folder) as entries:
                for entry in entries:
                    name = entry.name
                    if name[0] == 46 and not rules.hidden:  # a dot
                        continue
                    path = prefix + name
                    if rules.exclude and excluded.match(path.decode("utf-8", "surrogateescape")):
                        continue
                    try:
                        if entry.is_dir(follow_symlinks=False):
                            if entry.path not in rules.others:
                                below.append(path)
                            continue
                        about = entry.stat(follow_symlinks=False)
                        if stat.S_ISLNK(about.st_mode):
                            followed = self._target(entry.path)
                            if followed is None:
                                continue
                            about = followed
                            if stat.S_ISDIR(about.st_mode):
                                listed.links.append(path)
                                continue
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
        only: begin at these folders instead of at the root.
    """
    lister = _Lister(rules)
    pending = sorted(only, reverse=True) if only is not None else [b""]
    # folders already walked, so that links cannot lead round in circles
    visited: set[tuple[int, int]] = set()
    links: list[bytes] = []
    waited = worked = 0.0
    threads: ThreadPoolExecutor | None = None
    under_way: deque[Future[_Listed]] = deque()
    try:
        while pending or under_way or links:
            if not pending and not under_way:
                # Links come last: a folder is shared where it lies, not where a link leads to it.
                links.sort(reverse=True)
                pending.append(links.pop())
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
            if listed.identity is not None:
                if listed.identity in visited:
                    continue
                visited.add(listed.identity)
            links += listed.links
            pending += listed.below
            yield listed.folder, listed.files
    finally:
        if threads is not None:
            threads.shutdown(cancel_futures=True)
