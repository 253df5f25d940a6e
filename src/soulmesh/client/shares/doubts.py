"""What a person may not have meant: sharing the whole disk, leaving out nearly everything.

It is asked about, and done when somebody says that it is meant.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Final

from soulmesh.client.shares.model import Root
from soulmesh.client.shares.store import Store
from soulmesh.client.shares.walk import left_out, rules_of
from soulmesh.core.query import fold

__all__ = ["doubt_about", "idle_exclusions", "would_leave_out"]

SYSTEM: Final = tuple(
    map(Path, ("/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/proc", "/run", "/sys", "/usr", "/var"))
)
"""Nobody keeps a collection there, though some keep one below /var or /usr."""


def doubt_about(path: Path, ours: Path) -> str | None:
    """Why a folder is hardly meant to be shared with all that is in it; None for the others.

    Args:
        ours: the folder of our own data. Looks at the disk: links are followed.
    """
    real = Path(os.path.realpath(path))
    if real == Path(real.anchor):
        return "this is the whole disk"
    if real in SYSTEM:
        return "this is a folder of the system"
    if real == Path(os.path.realpath(Path.home())):
        return "this is your whole home, with all that programs keep in it"
    if Path(os.path.realpath(ours)).is_relative_to(real):
        return f"soulmesh keeps its own data in it ({ours})"
    return None


def would_leave_out(store: Store, before: Root, after: Root, roots: Collection[Root]) -> int:
    """How many known files of a root changed rules would leave out. Slow for many: run it in a thread."""
    if (before.exclude, before.hidden) == (after.exclude, after.hidden):
        return 0
    others = [root for root in roots if root.id != after.id]
    now, then = left_out(rules_of(before, [*others, before])), left_out(rules_of(after, [*others, after]))
    count = 0
    for folder, names in store.names(after.id):
        if folder and then(folder):
            count += 0 if now(folder) else len(names)
            continue
        start = folder + b"/" if folder else b""
        count += sum(then(start + name) and not now(start + name) for name in names)
    return count


def idle_exclusions(store: Store, before: Root, after: Root, roots: Collection[Root]) -> list[str]:
    """The new exclusions that leave out no known file: mistyped, or for files to come. Slow for many.

    One that was there in another spelling leaves out what it left out before. Nothing is known of a folder
    that was never scanned.
    """
    if not before.scanned:
        return []
    known = {_spelling(pattern) for pattern in before.exclude}
    bare = replace(before, exclude=())
    return [
        pattern
        for pattern in after.exclude
        if _spelling(pattern) not in known
        and not would_leave_out(store, bare, replace(before, exclude=(pattern,)), roots)
    ]


def _spelling(pattern: str) -> str:
    return fold(pattern.strip("/"))
