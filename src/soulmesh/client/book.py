"""What we keep of other users between two runs: friends, bans, notes, and how it went with them.

One small JSON file, written as a whole a few seconds after a change, with what other
programs changed in it meanwhile. Without a folder it lives in memory alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from soulmesh.client.bans import BadRange, Spans, read_bans, read_range
from soulmesh.client.tasks import Tasks
from soulmesh.core.merging import merged
from soulmesh.errors import SoulmeshError
from soulmesh.net.disk import FileMissing
from soulmesh.net.world import FileStat, World

__all__ = ["AddressBook", "BadRange", "History"]

log = logging.getLogger(__name__)

_WRITE_AFTER = 2.0
_WEIGHT = 0.3
"""How much the newest download counts in the remembered speed."""


@dataclass(slots=True)
class History:
    """What went both ways with one user."""

    downloaded: int = 0
    """Bytes we got."""
    uploaded: int = 0
    """Bytes the user got from us."""
    speed: float | None = None
    """Bytes per second of past downloads, the newer counting more."""
    failures: int = 0
    """Downloads that failed since the last one that did not."""
    last_seen: str = ""
    """When the user was last online, ISO 8601."""
    hours: dict[str, int] = field(default_factory=dict)
    """In how many hours the user was seen online, by hour of the day (by the client's wall clock, UTC)."""


class AddressBook:
    """Friends, bans, notes and history, by user name."""

    def __init__(self, world: World, path: Path | None) -> None:
        self._world = world
        self._path = path
        self._tasks = Tasks("address book")
        self._writing: asyncio.Task[None] | None = None
        self.friends: set[str] = set()
        self.banned_names: set[str] = set()
        self.banned_ranges: dict[str, None] = {}
        """As :func:`soulmesh.client.bans.read_range` writes them, in the order in which they came."""
        self._spans: Spans | None = None
        self._ranges_stat: FileStat | None = None
        self._ranges_before: dict[str, None] = {}
        """Their file as we knew it last."""
        self.notes: dict[str, str] = {}
        self.histories: dict[str, History] = {}
        self.interests: set[str] = set()
        self.hated: set[str] = set()
        self.filters: dict[str, str] = {}
        self.rooms: dict[str, bool] = {}
        """Rooms to enter at login; the value says whether it is private."""
        self._before = self._content()
        """The file as we knew it last."""

    async def load(self) -> None:
        """Read the file. One that cannot be read is set aside, not overwritten."""
        if self._path is None:
            return
        await self._load_ranges()
        if not await self._world.disk.exists(self._path):
            return
        try:
            self._fill(json.loads(await self._world.disk.read_bytes(self._path, limit=64 * 1024 * 1024)))
            self._before = self._content()
        except (ValueError, TypeError, KeyError, AttributeError, BadRange) as error:
            aside = self._path.with_suffix(".broken")
            log.warning("%s cannot be read (%s); it is kept as %s", self._path, error, aside)
            await self._world.disk.replace(self._path, aside)

    async def _load_ranges(self) -> None:
        """Read their file, if it is another one than before."""
        with contextlib.suppress(FileMissing):
            stat = await self._world.disk.stat(self._ranges_path)
            if stat == self._ranges_stat:
                return
            found = await self._world.disk.read_bytes(self._ranges_path, limit=256 * 1024 * 1024)
            self._ranges_stat = stat
            self.banned_ranges = self._ranges_before = _ranges(found)
            self._spans = None

    @property
    def _ranges_path(self) -> Path:
        """A file of their own: they are many, and seldom change."""
        assert self._path is not None
        return self._path.with_name("banned-addresses.txt")

    async def close(self) -> None:
        """Write what is not written."""
        pending = self._writing is not None
        await self._tasks.close()
        if pending:
            await self._write()

    def changed(self) -> None:
        """Write the file soon."""
        if self._path is not None and self._writing is None:
            self._writing = self._tasks.start(self._write_soon(), "writing")

    # -- bans

    def ban_range(self, text: str) -> None:
        """Ban an address or a range (``192.0.2.0/24``).

        Raises:
            BadRange: the text is neither.
        """
        self._add_ranges([read_range(text)])

    def unban_range(self, text: str) -> bool:
        """Take a ban of a range back; ``False`` if there is no ban of just this one.

        Raises:
            BadRange: the text is neither an address nor a range.
        """
        unwanted = read_range(text)
        if unwanted not in self.banned_ranges:
            return False
        self.banned_ranges = {one: None for one in self.banned_ranges if one != unwanted}
        self._spans = None
        self.changed()
        return True

    def bans_address(self, address: str) -> bool:
        """Whether an address lies in a banned range."""
        if not self.banned_ranges or not address:
            return False
        if self._spans is None:
            self._spans = Spans(self.banned_ranges)
        return self._spans.hold(address)

    async def prepare(self) -> None:
        """Compute beside the loop what the first question would have to wait for: lists can be long."""
        ranges = self.banned_ranges
        if not ranges:
            return
        spans = await asyncio.to_thread(Spans, list(ranges))
        if self.banned_ranges is ranges:
            self._spans = spans

    def export_bans(self) -> str:
        """All bans as text: a line each, ``user NAME`` or ``address RANGE``."""
        lines = [f"user {name}" for name in sorted(self.banned_names)]
        lines += [f"address {one}" for one in self.banned_ranges]
        return "".join(line + "\n" for line in lines)

    def import_bans(self, text: str) -> int:
        """Add bans from the text of :meth:`export_bans`, or from a list of addresses and ranges.

        A line may be ``192.0.2.7``, ``192.0.2.0/24`` or ``192.0.2.0-192.0.2.99``, with a name and a colon
        before it or a comma behind it, as in the block lists that other programs share.

        Returns:
            How many lines were understood and taken.

        Raises:
            BadRange: a line is neither; nothing is taken.
        """
        names, ranges, count = read_bans(text)
        self.banned_names.update(names)
        self._add_ranges(ranges)
        self.changed()
        return count

    def _add_ranges(self, ranges: Iterable[str]) -> None:
        whole = {**self.banned_ranges, **dict.fromkeys(ranges)}
        if len(whole) > len(self.banned_ranges):
            self.banned_ranges = whole
            self._spans = None
            self.changed()

    # -- history

    def history(self, username: str) -> History:
        """What we remember of a user; made when it is first asked for."""
        return self.histories.setdefault(username, History())

    def downloaded(self, username: str, count: int, seconds: float) -> None:
        """A download from that user was finished."""
        past = self.history(username)
        past.downloaded += count
        past.failures = 0
        self.seen(username)
        if seconds > 0 and count > 0:
            speed = count / seconds
            past.speed = speed if past.speed is None else past.speed + _WEIGHT * (speed - past.speed)
        self.changed()

    def download_failed(self, username: str) -> None:
        """A download from that user failed."""
        self.history(username).failures += 1
        self.changed()

    def uploaded(self, username: str, count: int) -> None:
        """An upload to that user was finished."""
        self.history(username).uploaded += count
        self.seen(username)

    @property
    def hour(self) -> int:
        """The hour of the day that it is now, as :attr:`History.hours` counts them."""
        return self._world.wall_clock().hour

    def seen(self, username: str) -> None:
        """A user came online, or was heard of while it was."""
        now = self._world.wall_clock()
        past = self.history(username)
        before, past.last_seen = past.last_seen, now.isoformat(timespec="seconds")
        # Once an hour: coming and going ten times tells no more than staying.
        if before[:13] != past.last_seen[:13]:
            hour = str(now.hour)
            past.hours[hour] = past.hours.get(hour, 0) + 1
        self.changed()

    # -- the file

    def _fill(self, data: dict[str, Any]) -> None:
        self.friends = _names(data.get("friends", ()))
        self.banned_names = _names(data.get("banned", ()))
        # An earlier version kept them here.
        if data.get("banned_ranges"):
            self._add_ranges(map(read_range, data["banned_ranges"]))
        self.notes = {str(name): str(note) for name, note in data.get("notes", {}).items()}
        self.histories = {str(name): History(**past) for name, past in data.get("history", {}).items()}
        self.interests = _names(data.get("interests", ()))
        self.hated = _names(data.get("hated", ()))
        self.filters = {str(name): str(text) for name, text in data.get("filters", {}).items()}
        self.rooms = {str(name): bool(private) for name, private in data.get("rooms", {}).items()}

    async def _write_soon(self) -> None:
        await asyncio.sleep(_WRITE_AFTER)
        self._writing = None
        await self._write()

    def _content(self) -> dict[str, Any]:
        return {
            "friends": sorted(self.friends),
            "banned": sorted(self.banned_names),
            "notes": dict(self.notes),
            "history": {name: asdict(past) for name, past in self.histories.items()},
            "interests": sorted(self.interests),
            "hated": sorted(self.hated),
            "filters": dict(self.filters),
            "rooms": dict(self.rooms),
        }

    async def _write_ranges(self) -> None:
        before, ours = self._ranges_before, self.banned_ranges
        if ours is before:
            await self._load_ranges()
            return
        whole = ours

        def change(found: bytes | None) -> bytes:
            nonlocal whole
            theirs = _ranges(found)
            whole = {one: None for one in theirs if one in ours or one not in before}
            whole.update((one, None) for one in ours if one not in before)
            return "".join(f"{one}\n" for one in whole).encode()

        try:
            await self._world.disk.make_directory(self._ranges_path.parent)
            await self._world.disk.change(self._ranges_path, change)
        except SoulmeshError as error:
            log.warning("cannot write %s: %s", self._ranges_path, error)
            return
        if self.banned_ranges is ours:
            self.banned_ranges = self._ranges_before = whole
            self._spans = self._spans if whole == ours else None
        else:
            self._ranges_before = ours

    async def _write(self) -> None:
        """Write what we changed into the file as it is now: another program may have changed it as well."""
        assert self._path is not None
        await self._write_ranges()
        before, ours = self._before, self._content()
        whole = ours

        def change(found: bytes | None) -> bytes:
            nonlocal whole
            whole = merged(before, ours, _read(found, self._world) or before)
            return json.dumps(whole, indent=1).encode()

        try:
            await self._world.disk.make_directory(self._path.parent)
            await self._world.disk.change(self._path, change)
        except SoulmeshError as error:
            log.warning("cannot write %s: %s", self._path, error)
            return
        self._before = whole
        if whole != ours:
            # What others changed counts here from now on, beside what we changed while it was written.
            self._fill(merged(ours, self._content(), whole))


def _ranges(found: bytes | None) -> dict[str, None]:
    return dict.fromkeys((found or b"").decode("ascii", "replace").split())


def _read(found: bytes | None, world: World) -> dict[str, Any] | None:
    """The content of the file in the form in which it is written; ``None`` for one that cannot be read."""
    book = AddressBook(world, None)
    try:
        book._fill(json.loads(found or b""))
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    return book._content()


def _names(values: Iterable[Any]) -> set[str]:
    return {str(value) for value in values}
