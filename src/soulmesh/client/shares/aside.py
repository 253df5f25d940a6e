"""Makes room for files of ours where somebody, or something, has put a folder."""

from __future__ import annotations

import itertools
import logging
import os
from pathlib import Path

__all__ = ["make_room"]

log = logging.getLogger(__name__)


def make_room(path: Path) -> bool:
    """Put a folder that has the name of a file of ours aside, as ``NAME.damaged``; whether there was one.

    It is not deleted: what is in it may be somebody's.
    """
    if path.is_symlink() or not path.is_dir():
        return False
    for number in itertools.count(1):
        aside = path.with_name(f"{path.name}.damaged" if number == 1 else f"{path.name}.damaged{number}")
        if not os.path.lexists(aside):
            break
    os.rename(path, aside)
    log.warning("%s was a folder, where a file of ours has to be: it was put aside as %s", path, aside.name)
    return True
