"""Writes a new base from the store, and finds the one that is in use."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from soulmesh.client.shares.base import Base
from soulmesh.client.shares.build import BaseBuilder
from soulmesh.client.shares.mapped import DamagedFile
from soulmesh.client.shares.store import Store

log = logging.getLogger(__name__)

__all__ = ["current_base", "open_base", "write_generation"]


def current_base(store: Store, directory: Path) -> Path | None:
    """The file of the base in use; None when none was written yet."""
    name = store.get("base")
    return None if name is None else directory / name


def open_base(store: Store, directory: Path) -> Base | None:
    """The base in use, checked; None when there is none, or none that can be trusted."""
    path = current_base(store, directory)
    if path is None:
        return None
    try:
        return Base(path)
    except DamagedFile as error:
        log.warning("%s; the next scan writes the index again", error)
        return None


def write_generation(store: Store, directory: Path, progress: Callable[[int], None] | None = None) -> Path:
    """Write the index of everything in the store under a new name, and make it the one in use.

    Takes seconds for a million files, so it runs where nobody waits for it.
    ``progress`` is told the files taken so far, and may raise to give up.
    """
    number = store.get("generation", 0) + 1
    path = directory / f"index-{number:06}.shares"
    builder = BaseBuilder(path)
    try:
        # One view of the database for all of the reading
        store.execute("BEGIN")
        try:
            last = store.execute("SELECT ifnull(max(number), 0) FROM changes").fetchone()[0]
            for root in store.roots():
                builder.root(root.id, root.name)
                for remote_path, files in store.folders(root):
                    builder.folder(remote_path, files)
                    if progress is not None:
                        progress(builder.files)
        finally:
            store.execute("COMMIT")
        builder.finish({"generation": number})
    except BaseException:
        builder.discard()
        raise
    with store.transaction():
        store.set("generation", number)
        store.set("base", path.name)
        store.execute("DELETE FROM changes WHERE number <= ?", (last,))
    for old in directory.glob("index-*"):
        # A client that still reads an older one keeps its mapping; a file half written is of nobody.
        if old.name != path.name and not old.is_dir():
            old.unlink(missing_ok=True)
    return path
