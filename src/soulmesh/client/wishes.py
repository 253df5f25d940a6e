"""Wishes: searches that repeat themselves, at the interval that the server gives.

One wish is sent per interval, in turn (WishlistInterval, normally 12 minutes).
A hit is told once. A wish may download what it finds: the first hit that its
filter lets through (``once``), or the best of a round (``best``). Others who
have it stand by as further candidates; when none of them could deliver, it is
searched for on, and goes on with whoever is found next. Who said no for good is
not asked for that file again: that is for a person to do. A wish that has come
true is searched for no more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from soulmesh.client.events import Event, Events
from soulmesh.client.filters import LOSSLESS, Filter
from soulmesh.client.ports import ServerPort
from soulmesh.client.results import Hit
from soulmesh.client.searches import Searches, check_query
from soulmesh.client.tasks import Tasks
from soulmesh.client.transfers import Candidate, Goal, GoalFailed, GoalFinished, Goals, candidate_of
from soulmesh.core.goal import Situation
from soulmesh.core.merging import merged
from soulmesh.errors import NotFound, SoulmeshError, UsageError
from soulmesh.net.world import World
from soulmesh.wire import to_client

__all__ = ["DOWNLOADS", "Wish", "WishFound", "WishFulfilled", "WishList", "Wishes"]

log = logging.getLogger(__name__)

DOWNLOADS = ("", "once", "best")
"""What a wish does with its hits: only tell them, take the first one, take the best of a round."""

_MOST_REMEMBERED = 5000
_WAITING = frozenset({Situation.QUEUED, Situation.AWAY})
_MOST_CANDIDATES = 10
LOOK_FOR_LOGIN_EVERY = 2.0
_LISTEN = 60.0
"""Seconds for which answers to a wish are taken."""
_INTERVAL = 720.0


@dataclass(frozen=True, slots=True)
class WishFound(Event):
    """Something that we wish for was found, for the first time with this user."""

    query: str
    hit: Hit


@dataclass(frozen=True, slots=True)
class WishFulfilled(Event):
    """A wish was found and downloaded."""

    query: str
    goal: str


@dataclass(slots=True)
class Wish:
    """One wish."""

    query: str
    filter: str = ""
    """In the language of :mod:`soulmesh.client.filters`."""
    last_sent: str = ""
    """ISO 8601; empty: never."""
    found: int = 0
    download: str = ""
    """One of :data:`DOWNLOADS`."""
    goal: str = ""
    """What is being downloaded for it, an id of :class:`soulmesh.client.transfers.Goals`."""
    before: str = ""
    """The goal that came to nothing, if one did: it goes on when somebody is found whom it has not tried."""
    fulfilled: bool = False
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


class WishList:
    """The wishes as they are kept in a file; nobody searches for them here.

    Args:
        path: the file; ``None`` keeps them in memory.
        shortest_query: characters that a query needs.
    """

    def __init__(self, world: World, path: Path | None, *, shortest_query: int) -> None:
        self._world = world
        self._path = path
        self._shortest = shortest_query
        self._wishes: dict[str, Wish] = {}
        self._before: dict[str, Any] = {}
        """The file as we knew it last."""

    @property
    def all(self) -> list[Wish]:
        """The wishes, in the order in which they take turns."""
        return list(self._wishes.values())

    async def load(self) -> None:
        """Read the file."""
        if self._path is not None and await self._world.disk.exists(self._path):
            found = _read(await self._world.disk.read_bytes(self._path))
            if found is None:
                log.warning("%s cannot be read", self._path)
            else:
                self._take(found)
                self._before = self._content()

    def _take(self, content: dict[str, Any]) -> None:
        """The wishes are these from now on; those that are the same stay the same objects."""
        wishes = {}
        for query, entry in content.items():
            wish = wishes[query] = self._wishes.get(query) or Wish(query)
            for name, value in entry.items():
                if name != "seen":
                    setattr(wish, name, value)
            wish._seen = dict.fromkeys(entry["seen"])
        self._wishes = wishes

    def _content(self) -> dict[str, Any]:
        return {
            wish.query: {
                "filter": wish.filter,
                "last_sent": wish.last_sent,
                "found": wish.found,
                "download": wish.download,
                "goal": wish.goal,
                "before": wish.before,
                "fulfilled": wish.fulfilled,
                "seen": list(wish._seen),
            }
            for wish in self._wishes.values()
        }

    async def add(self, query: str, *, filter: str = "", download: str = "") -> Wish:
        """Wish for something; ``download`` is one of :data:`DOWNLOADS`.

        Raises:
            SearchRefused: a query that nobody would answer.
            FilterError: a filter that cannot be read.
            UsageError: no such way to download.
        """
        if download not in DOWNLOADS:
            raise UsageError(f"{download!r}: a wish is downloaded once, or the best of a round")
        query = check_query(query, self._shortest)
        if filter:
            Filter.parse(filter)
        wish = self._wishes[query] = Wish(query, filter, download=download)
        await self._save()
        return wish

    async def remove(self, query: str) -> None:
        """Wish for it no more.

        Raises:
            NotFound: there is no such wish.
        """
        if self._wishes.pop(query.strip(), None) is None:
            raise NotFound(f"there is no wish for {query!r}")
        await self._save()

    async def _save(self) -> None:
        """Write what we changed into the file as it is now: another program may have changed it as well."""
        if self._path is None:
            return
        before, ours = self._before, self._content()
        whole = ours

        def change(found: bytes | None) -> bytes | None:
            nonlocal whole
            theirs = _read(found) if found is not None else {}
            whole = _put_together(before, ours, before if theirs is None else theirs)
            if theirs is not None and list(whole.items()) == list(theirs.items()):
                return None
            return json.dumps([{"query": query, **entry} for query, entry in whole.items()]).encode()

        try:
            await self._world.disk.make_directory(self._path.parent)
            await self._world.disk.change(self._path, change)
        except SoulmeshError as error:
            log.warning("the wishes could not be kept: %s", error)
            return
        self._before = whole
        if whole != ours:
            self._take(_put_together(ours, self._content(), whole))


class Wishes(WishList):
    """The list of wishes, and the searching for them in turn."""

    def __init__(
        self,
        world: World,
        server: ServerPort,
        events: Events,
        searches: Callable[[], Searches],
        path: Path | None,
        goals: Goals | None = None,
        *,
        shortest_query: int,
    ) -> None:
        super().__init__(world, path, shortest_query=shortest_query)
        self._server = server
        self._events = events
        self._searches = searches
        self._goals = goals
        self._tasks = Tasks("wishes")
        self.interval = _INTERVAL
        """Seconds between two wishes, as the server wants it."""
        self._some = asyncio.Event()
        server.on(to_client.WishlistInterval, self._on_interval)
        events.on(GoalFinished, self._came_true)
        events.on(GoalFailed, self._failed)

    async def start(self) -> None:
        """Read the file, and begin."""
        await self.load()
        if self._wishes:
            self._some.set()
        self._catch_up()
        self._tasks.start(self._work(), "searching")

    async def add(self, query: str, *, filter: str = "", download: str = "") -> Wish:
        """Wish for something; see :meth:`WishList.add`. It takes its turn from now on."""
        wish = await super().add(query, filter=filter, download=download)
        # What the server keeps others from answering is told now, not when it is this wish's turn.
        self._searches().search(wish.query, wish=True)
        self._some.set()
        return wish

    async def close(self) -> None:
        """Stop, and keep what was found."""
        await self._tasks.close()
        await self._save()

    def _on_interval(self, message: to_client.WishlistInterval) -> None:
        if message.interval > 0:
            self.interval = float(message.interval)

    async def _work(self) -> None:
        while True:
            # Another program may have wished for something, or have had enough of it.
            await self._save()
            self._catch_up()
            while (wish := self._next()) is None:
                self._some.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.interval):
                        await self._some.wait()
                await self._save()
            if not self._server.connected:
                # The login is still to come: it must not cost the wish a whole interval.
                await asyncio.sleep(LOOK_FOR_LOGIN_EVERY)
                continue
            # To the end of the line.
            self._wishes[wish.query] = self._wishes.pop(wish.query)
            wish.last_sent = self._world.wall_clock().isoformat(timespec="seconds")
            self._tasks.start(self._search(wish), f"wish {wish.query}")
            await asyncio.sleep(self.interval)

    def _next(self) -> Wish | None:
        """The first in line that is still open."""
        return next((wish for wish in self._wishes.values() if self._is_open(wish)), None)

    def _is_open(self, wish: Wish) -> bool:
        """Whether to search: nothing is found yet, or the only source lets us wait and nobody stands by."""
        if wish.fulfilled or not wish.goal:
            return not wish.fulfilled
        goal = self._goals.get(wish.goal) if self._goals is not None else None
        if goal is None or goal.state != "under way" or _standing_by(goal):
            return False
        return self._goals is not None and self._goals.situation(goal) in _WAITING

    async def _search(self, wish: Wish) -> None:
        keep = Filter.parse(wish.filter) if wish.filter else None
        search = self._searches().search(wish.query, timeout=_LISTEN, wish=True, interactive=False, keep=keep)
        hits: list[Hit] = []
        async for hit in search:
            if hit.locked:
                continue
            hits.append(hit)
            if wish.fresh(hit):
                self._events.emit(WishFound(wish.query, hit))
            if wish.download == "once":
                await self._get(wish, [hit])
        if wish.download == "best" and hits:
            await self._get(wish, sorted(hits, key=_quality))
        await self._save()

    # Downloading.

    async def _get(self, wish: Wish, hits: list[Hit]) -> None:
        """Download the first of ``hits``; the others, and what comes later, stand by."""
        if self._goals is None or wish.fulfilled or self._wishes.get(wish.query) is not wish:
            return
        goal = self._goals.get(wish.goal or wish.before)
        if goal is not None and wish.goal and _standing_by(goal) >= _MOST_CANDIDATES:
            return
        found = self._goals.askable(candidate_of([hit]) for hit in hits)
        candidates = [one for one in found if goal is None or _may_be_asked(goal, one)]
        if not candidates:
            return
        if goal is None:
            goal = await self._goals.want(wish.query, candidates[:_MOST_CANDIDATES])
            wish.goal = goal.id
            await self._save()
            return
        if not wish.goal:
            wish.goal = goal.id
            await self._save()
        for candidate in candidates:
            if _standing_by(goal) < _MOST_CANDIDATES and _may_be_asked(goal, candidate):
                await self._goals.add(goal, candidate)

    def _came_true(self, event: GoalFinished) -> None:
        for wish in self._wishes.values():
            if event.goal in (wish.goal, wish.before):
                wish.goal = event.goal
                self._fulfil(wish)

    def _fulfil(self, wish: Wish) -> None:
        wish.fulfilled = True
        self._events.emit(WishFulfilled(wish.query, wish.goal))
        self._tasks.start(self._save(), "saving wishes")

    def _failed(self, event: GoalFailed) -> None:
        for wish in self._wishes.values():
            if wish.goal == event.goal and not wish.fulfilled:
                self._reopen(wish)

    def _reopen(self, wish: Wish) -> None:
        """Nobody could deliver; a later round may find somebody else."""
        wish.goal, wish.before = "", wish.goal
        self._some.set()

    def _catch_up(self) -> None:
        """What became of downloads while nobody looked, and of those that a person dropped."""
        for wish in self._wishes.values():
            if self._goals is None or wish.fulfilled:
                continue
            goal = self._goals.get(wish.goal)
            before = self._goals.get(wish.before)
            if wish.goal and (goal is None or goal.state in ("failed", "dropped")):
                self._reopen(wish)
            elif goal is not None and goal.state == "finished":
                self._fulfil(wish)
            elif before is not None and before.state == "finished":
                wish.goal = before.id
                self._fulfil(wish)


def _standing_by(goal: Goal) -> int:
    """How many candidates have not had their turn."""
    return sum(not one.tried for one in goal.candidates)


def _may_be_asked(goal: Goal, candidate: Candidate) -> bool:
    """Whether it neither waits for its turn already, nor had one that came to nothing.

    Those who only kept us waiting the goal asks again by itself.
    """
    if any((candidate.username, candidate.files) == (one.username, one.files) for one in goal.candidates):
        return False
    if goal.state not in ("under way", "paused"):
        return True
    waiting = [goal.candidate, *(one for one in goal.candidates if not one.tried)]
    return all(candidate.username != one.username for one in waiting)


def _read(found: bytes) -> dict[str, Any] | None:
    """The wishes of the file, by query; ``None`` if it cannot be read."""
    known = {"filter", "last_sent", "found", "download", "goal", "before", "fulfilled"}
    try:
        wishes = {}
        for entry in json.loads(found):
            seen, query = [str(one) for one in entry.pop("seen", ())], entry.pop("query")
            if not entry.keys() <= known:
                return None
            wishes[query] = {**{name: getattr(Wish(query), name) for name in known}, **entry, "seen": seen}
        return wishes
    except (ValueError, TypeError, AttributeError, KeyError):
        return None


def _put_together(before: dict[str, Any], ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """What both made of the wishes; ours are in the order in which they take turns, new ones come after."""
    whole = merged(before, ours, theirs)
    return {query: whole[query] for query in dict.fromkeys([*ours, *whole]) if query in whole}


def _quality(hit: Hit) -> tuple[float, ...]:
    """Sorts best first: without losses, then by bitrate, then what is here soonest."""
    file = hit.file
    sound = -10_000 if file.extension in LOSSLESS else -(file.bitrate or 0)
    soon = hit.expected if hit.expected is not None else 1e12
    return (sound, 0 if hit.free_slot else 1, soon, hit.queue)
