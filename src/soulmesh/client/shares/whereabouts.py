"""Shared files as they are on the disk now, several looked at in one go."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from soulmesh.client.shares.walk import Rules, shared_sizes
from soulmesh.client.transfers.ports import SharedFile

__all__ = ["Whereabouts", "look"]


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a file of the index should be: ``relative`` is its path on disk below the root."""

    rules: Rules
    relative: bytes

    @property
    def path(self) -> Path:
        """The whole path on disk."""
        return Path(os.fsdecode(os.path.join(self.rules.path, self.relative)))


def look(wanted: Sequence[Whereabouts], read: int = 0) -> list[SharedFile | None]:
    """What is there of each; None for what is gone, or not shared any more.

    Files of at most ``read`` bytes are read as well. Blocks: run it in a thread.
    """
    found: list[SharedFile | None] = []
    sizes: dict[int, dict[bytes, int | None]] = {}
    for rules in {id(one.rules): one.rules for one in wanted}.values():
        mine = [one.relative for one in wanted if one.rules is rules]
        sizes[id(rules)] = dict(zip(mine, shared_sizes(rules, mine), strict=True))
    for one in wanted:
        size = sizes[id(one.rules)][one.relative]
        if size is None:
            found.append(None)
            continue
        content = _read(one.path, size) if size <= read else None
        found.append(SharedFile(one.path, size, content=content))
    return found


def _read(path: Path, size: int) -> bytes | None:
    """The file, if it can be read and still has this size: whoever sends it later finds out why not."""
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0))
        try:
            content = os.read(descriptor, size + 1)
        finally:
            os.close(descriptor)
    except OSError:
        return None
    return content if len(content) == size else None
