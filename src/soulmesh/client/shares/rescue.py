"""What happens when the database of the shares is damaged: it is put aside, and a new one begun.

The new one has the same shared folders (:mod:`soulmesh.client.shares.kept`); what is in them
is found by the next scan. The index goes on being used until then.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path

from soulmesh.client.shares.aside import make_room
from soulmesh.client.shares.kept import KeptRoots, kept_roots
from soulmesh.client.shares.scan import ScanBusy, scan_lock
from soulmesh.client.shares.store import Store, StoreDamaged, damage_told
from soulmesh.errors import SoulmeshError

log = logging.getLogger(__name__)

__all__ = ["open_store", "rescue", "rescue_alone"]


def rescue(path: Path, reason: str) -> str:
    """Begin anew with the same roots; to be called under the lock of scans. Returns what to tell people.

    The damaged file stays beside the new one, under a name that ends in ``.damaged``.

    Raises:
        StoreUnusable: a new one cannot be written either.
    """
    kept = kept_roots(path) or _readable(path)
    if make_room(path):
        reason = "it was a folder"
    aside = path.with_name(path.name + ".damaged")
    for suffix in ("", "-wal", "-shm"):
        old = path.with_name(path.name + suffix)
        new = aside.with_name(aside.name + suffix)
        if old.exists():
            make_room(new)
            os.replace(old, new)
        elif not new.is_dir():
            new.unlink(missing_ok=True)
    roots, last, revision = kept if kept is not None else ([], 0, 0)
    store = Store(path)
    try:
        with store.transaction():
            for root in roots:
                store.insert_root(root)
            store.reserve_roots(last)
            store.set("roots_revision", revision)
            # Names of index files are never used twice: a client may have the old one open.
            numbers = [int(file.stem.rpartition("-")[2]) for file in path.parent.glob("index-[0-9]*.shares")]
            store.set("generation", max(numbers, default=0))
    finally:
        store.close()
    folders = (
        f"the {len(roots)} shared folders are as they were, and have to be scanned again"
        if kept is not None
        else "the list of shared folders is lost: soulmesh share add"
    )
    return f"{path} is damaged ({reason}) and was put aside as {aside.name}: {folders}"


def _readable(path: Path) -> KeptRoots | None:
    """The roots, if that much of a damaged database can be read."""
    try:
        store = Store(path)
        try:
            return KeptRoots(store.roots(), store.last_root(), store.roots_revision)
        finally:
            store.close()
    except (sqlite3.Error, ValueError, KeyError, TypeError, SoulmeshError):
        return None


def open_store(directory: Path) -> tuple[bool, Store]:
    """The database, and whether it had to be begun anew.

    Where its last changes are lost (its log was cut short, or the power went), the shared folders
    are taken from the list beside it.

    Raises:
        StoreDamaged: it is damaged, and a scan of another process is about to find that out.
        StoreUnusable: see :class:`Store`.
    """
    path = directory / "shares.sqlite"
    # Read first: what is written down outside was in the database before.
    kept = kept_roots(path)
    try:
        store = Store(path)
        try:
            with damage_told(path):
                if kept is not None and kept.revision > store.roots_revision:
                    log.warning(
                        "%s has lost its last changes: the %d shared folders are as they were written down"
                        " beside it, and what is in them has to be scanned again",
                        path,
                        len(kept.roots),
                    )
                    store.bring_back_roots(kept)
        except BaseException:
            store.close()
            raise
        return False, store
    except StoreDamaged as error:
        rescue_alone(directory, error)
        return True, Store(path)


def rescue_alone(directory: Path, error: StoreDamaged) -> None:
    """:func:`rescue` under the lock of scans, told in the log.

    Raises:
        StoreDamaged: the ``error`` itself, if another process scans.
    """
    try:
        with scan_lock(directory):
            log.warning("%s", rescue(error.path, error.reason))
    except ScanBusy:
        raise error from None
