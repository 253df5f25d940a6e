"""Walks a root on disk and says what is there, by the root's rules."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from soulmesh.client.shares.model import Symlinks, excluder

__all__ = ["Rules", "Seen", "walk"]

Seen = tuple[bytes, int, int, int]
"""Name, size in bytes, modification time in nanoseconds, inode: of one file."""

INODE_MASK = (1 << 63) - 1
"""Some systems use all 64 bits; SQLite's integers have a sign."""


@dataclass(frozen=True, slots=True)
class Rules:
    """What of a root is shared."""

    path: bytes
    exclude: Collection[str] = ()
    hidden: bool = False
    symlinks: Symlinks = Symlinks.SKIP
    others: frozenset[bytes] = frozenset()
    """Folders that are roots of their own, and so belong to those."""


def walk(
    rules: Rules, problem: Callable[[bytes, OSError], None], *, only: Collection[bytes] | None = None
) -> Iterator[tuple[bytes, list[Seen]]]:
    """Each folder with its files, sorted by name; paths are below the root, b"" is the root.

    A folder that cannot be read is told to ``problem(path, error)`` and not
    given out; so is a name that cannot be looked at.

    Args:
        only: begin at these folders instead of at the root.
    """
    excluded = excluder(rules.exclude)
    root = os.path.realpath(rules.path)
    inside = root if root.endswith(b"/") else root + b"/"
    # folders already walked, so that links cannot lead round in circles
    visited: set[tuple[int, int]] = set()
    pending = sorted(only, reverse=True) if only is not None else [b""]

    def target(path: bytes) -> os.stat_result | None:
        """What a link points to, if the rule lets it be followed."""
        if rules.symlinks is Symlinks.SKIP:
            return None
        real = os.path.realpath(path)
        return os.stat(real) if real == root or real.startswith(inside) else None

    while pending:
        relative = pending.pop()
        folder = os.path.join(rules.path, relative) if relative else rules.path
        prefix = relative + b"/" if relative else b""
        files: list[Seen] = []
        below: list[bytes] = []
        try:
            if rules.symlinks is not Symlinks.SKIP:
                about = os.stat(folder)
                if (about.st_dev, about.st_ino) in visited:
                    continue
                visited.add((about.st_dev, about.st_ino))
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
                            followed = target(entry.path)
                            if followed is None:
                                continue
                            about = followed
                            if stat.S_ISDIR(about.st_mode):
                                below.append(path)
                                continue
                        if stat.S_ISREG(about.st_mode):
                            files.append((name, about.st_size, about.st_mtime_ns, about.st_ino & INODE_MASK))
                    except OSError as error:
                        problem(path, error)
        except OSError as error:
            problem(relative, error)
            continue
        files.sort()
        below.sort(reverse=True)
        pending += below
        yield relative, files
