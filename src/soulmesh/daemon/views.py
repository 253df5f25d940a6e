"""The results of a search as somebody looks at them: filtered, in an order, in groups, a window at a time.

Tens of thousands of files are sorted once, in a thread, and stay in that order while
somebody pages through them; answers that came since are read when the next window is
asked for.
"""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from soulmesh.client.filters import Filter
from soulmesh.client.results import FoundFile, Hit, Memory, estimate
from soulmesh.daemon.rows import hit_row
from soulmesh.daemon.searching import SearchDesk
from soulmesh.wire.enums import FileAttribute

__all__ = ["GROUPS", "ORDERS", "ResultViews", "View"]

KEPT_SEARCHES = 6
"""Searches whose files stay in memory for the next question."""
KEPT_VIEWS = 4
"""Orders and filters of one search that stay."""
PIECE = 2000
"""Answers that are read at a time."""

_LAST = float("inf")

ORDERS: dict[str, Callable[[Hit], Any]] = {
    "name": lambda hit: hit.file.name.lower(),
    "path": lambda hit: (hit.file.remote_path.lower(), hit.username),
    "size": lambda hit: hit.file.size,
    "bitrate": lambda hit: hit.file.bitrate or 0,
    "length": lambda hit: hit.file.length or 0,
    "speed": lambda hit: hit.speed,
    "queue": lambda hit: (not hit.free_slot, hit.queue),
    "user": lambda hit: (hit.username.lower(), hit.file.remote_path),
    "expected": lambda hit: (hit.locked, hit.expected if hit.expected is not None else _LAST),
}
"""By what files can be sorted; ``arrival`` is the order in which they came, ``files`` is for groups."""
GROUPS = ("none", "folder", "user")


@dataclass(slots=True)
class View:
    """One order of the files of one search. ``rows`` are hits, or lists of hits that belong together."""

    version: int
    group: str
    rows: list[Any]
    hits: int
    """Files that passed the filter."""

    def window(self, offset: int, limit: int) -> list[dict[str, Any]]:
        """Some rows, as they are sent."""
        chosen = self.rows[offset : offset + limit]
        if self.group == "none":
            return [hit_row(hit) for hit in chosen]
        return [_group_row(hits, self.group) for hits in chosen]


@dataclass(slots=True)
class _Files:
    """The files of one search, as far as they were read."""

    answers: int = 0
    hits: list[Hit] = field(default_factory=list)
    views: OrderedDict[tuple[str, str, bool, str], View] = field(default_factory=OrderedDict)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class ResultViews:
    """Views of the searches that somebody looks at.

    Args:
        desk: has the answers.
        memory: past speed and failures of a user, to guess by.
        read_filter: reads a filter, or raises FilterError or UsageError.
    """

    def __init__(
        self, desk: SearchDesk, memory: Memory, read_filter: Callable[[str], Filter] = Filter.parse
    ) -> None:
        self._desk = desk
        self._read_filter = read_filter
        self._memory = memory
        self._known: OrderedDict[str, _Files] = OrderedDict()

    async def view(
        self,
        search: str,
        *,
        filter: str = "",
        order: str = "arrival",
        down: bool = False,
        group: str = "none",
    ) -> tuple[View, int] | None:
        """The view, and how many files there are before the filter; ``None`` without such a search.

        Raises:
            FilterError: the filter cannot be read.
        """
        keep = self._read_filter(filter) if filter.strip() else None
        files = self._known.get(search, _Files())
        async with files.lock:
            if not await self._current(search, files):
                return None
            key = (filter, order, down, group)
            found = files.views.get(key)
            if found is None or found.version != files.answers:
                hits, version = list(files.hits), files.answers
                found = await asyncio.to_thread(_arranged, hits, keep, order, down, group, version)
                files.views[key] = found
                while len(files.views) > KEPT_VIEWS:
                    files.views.popitem(last=False)
            files.views.move_to_end(key)
            return found, len(files.hits)

    async def matches(self, search: str, filter: str, start: int) -> tuple[list[int], int] | None:
        """Which files pass a filter, by number in the order of their arrival, from ``start`` on; and the
        number after the last one. ``None`` without such a search.

        Who keeps the files and asks for the new ones alone gets a filter without their being sent again.

        Raises:
            FilterError: the filter cannot be read.
        """
        keep = self._read_filter(filter)
        files = self._known.get(search, _Files())
        async with files.lock:
            if not await self._current(search, files):
                return None
            hits = files.hits[start:]
            return await asyncio.to_thread(_numbers, hits, keep, start), start + len(hits)

    def forget(self, search: str) -> None:
        """The search is gone."""
        self._known.pop(search, None)

    async def _current(self, search: str, files: _Files) -> bool:
        """Read what came since the last look; tells whether there is such a search."""
        if not await self._read(search, files):
            self._known.pop(search, None)
            return False
        self._known[search] = files
        self._known.move_to_end(search)
        while len(self._known) > KEPT_SEARCHES:
            self._known.popitem(last=False)
        return True

    async def _read(self, search: str, files: _Files) -> bool:
        while True:
            page = await self._desk.page(search, files.answers, PIECE)
            if page is None:
                return False
            total, bodies = page
            if bodies:
                files.hits += await asyncio.to_thread(_hits, bodies, self._memory)
                files.answers += len(bodies)
            if not bodies or files.answers >= total:
                return True


def _numbers(hits: list[Hit], keep: Filter, start: int) -> list[int]:
    return [number for number, hit in enumerate(hits, start) if keep(hit)]


def _hits(bodies: list[bytes], memory: Memory) -> list[Hit]:
    found: list[Hit] = []
    for body in bodies:
        answer = json.loads(body)
        username, speed, queue = answer["username"], answer["uploadSpeed"], answer["queueLength"]
        free = answer["hasFreeUploadSlot"]
        past = memory(username)
        for name, locked in (("files", False), ("lockedFiles", True)):
            entries = answer.get(name) or ()
            folders: dict[str, int] = {}
            for entry in entries:
                folder = entry["filename"].rpartition("\\")[0]
                folders[folder] = folders.get(folder, 0) + 1
            for entry in entries:
                file = FoundFile(entry["filename"], entry["size"], _attributes(entry))
                expected = estimate(
                    file.size,
                    free_slot=free,
                    speed=speed,
                    queue=queue,
                    past=past,
                )
                beside = folders[entry["filename"].rpartition("\\")[0]]
                found.append(Hit(username, file, free, speed, queue, locked, expected, beside))
    return found


_NAMES = (
    ("bitRate", FileAttribute.BITRATE),
    ("length", FileAttribute.DURATION),
    ("sampleRate", FileAttribute.SAMPLE_RATE),
    ("bitDepth", FileAttribute.BIT_DEPTH),
)


def _attributes(entry: dict[str, Any]) -> tuple[tuple[int, int], ...]:
    found = [(int(key), int(entry[name])) for name, key in _NAMES if entry.get(name) is not None]
    if entry.get("isVariableBitRate"):
        found.append((int(FileAttribute.VBR), 1))
    return tuple(found)


def _arranged(hits: list[Hit], keep: Filter | None, order: str, down: bool, group: str, version: int) -> View:
    chosen = hits if keep is None else [hit for hit in hits if keep(hit)]
    key = ORDERS.get(order)
    if key is not None:
        chosen = sorted(chosen, key=key, reverse=down)
    elif order == "arrival" and down:
        chosen = chosen[::-1]
    if group == "none":
        return View(version, group, list(chosen), len(chosen))
    groups: dict[tuple[str, ...], list[Hit]] = {}
    # A group stands where its first file stands in the order of files.
    for hit in chosen:
        place = (hit.username,) if group == "user" else (hit.username, hit.file.folder)
        groups.setdefault(place, []).append(hit)
    rows = list(groups.values())
    if order == "files":
        rows.sort(key=len, reverse=down)
    elif order == "size":
        rows.sort(key=lambda row: sum(hit.file.size for hit in row), reverse=down)
    return View(version, group, rows, len(chosen))


def _group_row(hits: list[Hit], group: str) -> dict[str, Any]:
    first = hits[0]
    row: dict[str, Any] = {"username": first.username}
    if group == "folder":
        row["folder"] = first.file.folder
    else:
        row["folders"] = len({hit.file.folder for hit in hits})
    ordered = hits if group == "folder" else sorted(hits, key=lambda hit: hit.file.folder.lower())
    row |= {
        "count": len(hits),
        "size": sum(hit.file.size for hit in hits),
        "locked": all(hit.locked for hit in hits),
        "free_slot": first.free_slot,
        "speed": first.speed,
        "queue": first.queue,
        "files": [hit_row(hit) for hit in ordered],
    }
    return row
