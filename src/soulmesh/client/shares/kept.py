"""The shared folders, written down once more beside the database.

What a scan finds can be found again; which folders are shared, and with whom,
cannot. So this small file is kept for the day when the database is damaged.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

from soulmesh.client.shares.aside import make_room
from soulmesh.client.shares.model import Audience, Named, Root, Symlinks

__all__ = ["KeptRoots", "keep_roots", "kept_roots"]

log = logging.getLogger(__name__)


def _place(database: Path) -> Path:
    return database.with_name("roots.json")


class KeptRoots(NamedTuple):
    """The shared folders as they were written down."""

    roots: list[Root]
    last: int
    """The highest number that a root ever had."""
    revision: int
    """How often the list was changed; 0 where an older version wrote it."""


def keep_roots(database: Path, roots: Sequence[Root], last: int, revision: int) -> None:
    """Write down the roots, if that changes anything; the numbers are those of :class:`KeptRoots`."""
    written = {
        "last": last,
        "revision": revision,
        "roots": [
            {
                "id": root.id,
                "name": os.fsdecode(root.name),
                "path": os.fspath(root.path),
                "audience": root.audience.as_json(),
                "exclude": list(root.exclude),
                "hidden": root.hidden,
                "symlinks": root.symlinks.value,
                "named": root.named.value,
            }
            for root in roots
        ],
    }
    text = json.dumps({**written, "checksum": _checksum(written)}, indent=1)
    place = _place(database)
    temporary = place.with_name(f"{place.name}.{os.getpid()}.part")
    try:
        if not make_room(place) and place.exists() and place.read_bytes() == text.encode():
            return
        temporary.write_text(text)
        os.replace(temporary, place)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        log.warning("the list of shared folders is not kept a second time: %s", error)


def _checksum(written: dict[str, Any]) -> int:
    return crc32(json.dumps([written["last"], written.get("revision"), written["roots"]]).encode())


def kept_roots(database: Path) -> KeptRoots | None:
    """The roots as they were written down last; None where nothing readable was."""
    try:
        found = json.loads(_place(database).read_text())
        # A letter that is another one may show a folder to others than those it is for.
        if found.get("checksum", _checksum(found)) != _checksum(found):
            return None
        roots = [
            Root(
                id=root["id"],
                name=os.fsencode(root["name"]),
                path=Path(root["path"]),
                audience=Audience.from_json(root["audience"]),
                exclude=tuple(root["exclude"]),
                hidden=root["hidden"],
                symlinks=Symlinks(root["symlinks"]),
                named=Named(root.get("named", 0)),
            )
            for root in found["roots"]
        ]
        return KeptRoots(roots, int(found["last"]), int(found.get("revision", 0)))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
