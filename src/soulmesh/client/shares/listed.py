"""Shares that are exactly a list of folders: what ``Client(shares=["~/Music"])`` offers."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from soulmesh.client.plain_shares import check_shareable
from soulmesh.client.shares.model import Root, folder_name
from soulmesh.client.shares.service import Shares

__all__ = ["share_folders"]

log = logging.getLogger(__name__)


async def share_folders(
    folders: Iterable[Path | str], directory: Path, *, wall_clock: Callable[[], datetime]
) -> Shares:
    """Share these folders with everyone, and no others, and scan them. Close the result.

    Args:
        directory: where the index lives; what it holds from an earlier time is taken up, so
            only what changed is read again.

    Raises:
        UnreadableShare: a folder is not there or cannot be read.
        ScanBusy: another program scans the same index.
        ScanFailed: the scan could not do its work.
    """
    paths = await asyncio.to_thread(_readable, list(folders))
    shares = Shares(directory, wall_clock=wall_clock)
    try:
        for root in shares.roots:
            if root.path not in paths:
                shares.remove_root(root.id)
        known = {root.path for root in shares.roots}
        for path in paths:
            if path not in known:
                name = folder_name(path, {root.name for root in shares.roots})
                shares.save_root(Root(0, name, path))
        outcome = await shares.scan(niceness=0)
        for found in outcome.roots:
            if found.held_back:
                log.warning(
                    "%s: %d files are gone from the disk; kept in the index", found.root, found.held_back
                )
    except BaseException:
        shares.close()
        raise
    return shares


def _readable(folders: Iterable[Path | str]) -> list[Path]:
    """Their whole paths, each once."""
    paths = list(dict.fromkeys(Path(os.path.abspath(Path(folder).expanduser())) for folder in folders))
    for path in paths:
        check_shareable(path)
    return paths
