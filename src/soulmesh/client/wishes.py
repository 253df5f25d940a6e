"""Wishes: searches that repeat themselves, at the interval that the server gives.

One wish is sent per interval, in turn (WishlistInterval, normally 12 minutes).
A hit is told once.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from soulmesh.client.events import Event, Events
from soulmesh.client.filters import Filter
from soulmesh.client.ports import ServerPort
from soulmesh.client.results import Hit
from soulmesh.client.searches import Searches
from soulmesh.client.tasks import Tasks
from soulmesh.errors import SoulmeshError, UsageError
from soulmesh.net.world import World
from soulmesh.wire import to_client

__all__ = ["Wish", "WishFound", "Wishes"]

log = logging.getLogger(__name__)

_MOST_REMEMBERED = 5000
_LISTEN = 60.0
"""Seconds for which answers to a wish are taken."""
_INTERVAL = 720.0


@dataclass(frozen=True, slots=True)
class WishFound(Event):
    """Something that we wish for was found, for the first time with this user."""

    query: str
    hit: Hit


@dataclass(slots=True)
class Wish:
    """One wish."""

    query: str
    filter: str = ""
    """In the language of :mod:`soulmesh.client.filters`."""
    last_sent: str = ""
    """ISO 8601; empty: never."""
    found: int = 0
    _seen: dict[str, None] = field(default_factory=dict, repr=False)

    def fresh(self, hit: Hit) -> bool:
        """Whether this hit was not seen before; it is from now on."""
        key = f"{hit.username}\0{hit.file.remote_path}"
        if key in self._seen:
            return False
        self._seen[key] = None
        if len(self._seen) > _MOST_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self.found += 1
        return True


class Wishes:
    """The list of wishes, kept in a file."""

    def __init__(
        self,
        world: World,
        server: ServerPort,
        events: Events,
        searches: Callable[[], Searches],
        path: Path | None,
    ) -> None:
        self._world = world
        self._server = server
        self._events = events
        self._searches = searches
        self._path = path
        self._wishes: dict[str, Wish] = {}
        self._tasks = Tasks("wishes")
        self.interval = _INTERVAL
        """Seconds between two wishes, as the server wants it."""
        self._some = asyncio.Event()
        server.on(to_client.WishlistInterval, self._on_interval)

    @property
    def all(self) -> list[Wish]:
        """The wishes, in the order in which they take turns."""
        return list(self._wishes.values())

    async def start(self) -> None:
        """Read the file, and begin."""
        if self._path is not None and await self._world.disk.exists(self._path):
            try:
                for entry in json.loads(await self._world.disk.read_bytes(self._path)):
                    seen = dict.fromkeys(entry.pop("seen", ()))
                    wish = Wish(**entry)
                    wish._seen.update(seen)
                    self._wishes[wish.query] = wish
            except (ValueError, TypeError, AttributeError) as error:
                log.warning("%s cannot be read: %s", self._path, error)
        if self._wishes:
            self._some.set()
        self._tasks.start(self._work(), "searching")

    async def add(self, query: str, *, filter: str = "") -> Wish:
        """Wish for something.

        Raises:
            SearchRefused: a query that nobody would answer.
            FilterError: a filter that cannot be read.
        """
        query = query.strip()
        self._searches().search(query, wish=True)
        if filter:
            Filter.parse(filter)
        wish = self._wishes[query] = Wish(query, filter)
        self._some.set()
        await self._save()
        return wish

    async def remove(self, query: str) -> None:
        """Wish for it no more.

        Raises:
            UsageError: there is no such wish.
        """
        if self._wishes.pop(query.strip(), None) is None:
            raise UsageError(f"there is no wish for {query!r}")
        await self._save()

    async def close(self) -> None:
        """Stop, and keep what was found."""
        await self._tasks.close()
        await self._save()

    def _on_interval(self, message: to_client.WishlistInterval) -> None:
        if message.interval > 0:
            self.interval = float(message.interval)

    async def _work(self) -> None:
        while True:
            while not self._wishes:
                self._some.clear()
                await self._some.wait()
            if self._server.connected:
                query = next(iter(self._wishes))
                wish = self._wishes.pop(query)
                # To the end of the line.
                self._wishes[query] = wish
                wish.last_sent = self._world.wall_clock().isoformat(timespec="seconds")
                self._tasks.start(self._search(wish), f"wish {query}")
            await asyncio.sleep(self.interval)

    async def _search(self, wish: Wish) -> None:
        keep = Filter.parse(wish.filter) if wish.filter else None
        search = self._searches().search(wish.query, timeout=_LISTEN, wish=True, interactive=False, keep=keep)
        async for hit in search:
            if not hit.locked and wish.fresh(hit):
                self._events.emit(WishFound(wish.query, hit))
        await self._save()

    async def _save(self) -> None:
        if self._path is None:
            return
        data = [
            {
                "query": wish.query,
                "filter": wish.filter,
                "last_sent": wish.last_sent,
                "found": wish.found,
                "seen": list(wish._seen),
            }
            for wish in self._wishes.values()
        ]
        try:
            await self._world.disk.make_directory(self._path.parent)
            await self._world.disk.write_atomic(self._path, json.dumps(data).encode())
        except SoulmeshError as error:
            log.warning("the wishes could not be kept: %s", error)
