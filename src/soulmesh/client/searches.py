"""Our own searches: sent at the server's pace, answered by strangers, read at our leisure.

flows.rst, "Searching". Answers are kept as they came, compressed, until somebody
asks for the next hit; only then one is unpacked. So a search that finds very
much costs little, and whoever reads slowly slows nobody down. An answer whose
ticket nobody waits for is recognised by its first bytes and dropped.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Self
from weakref import WeakKeyDictionary

from soulmesh import wire
from soulmesh.client.errors import SearchRefused
from soulmesh.client.events import Event, Events
from soulmesh.client.links import CallbackFailed, Links, PeerMisbehaved
from soulmesh.client.pace import Pace
from soulmesh.client.ports import ServerPort
from soulmesh.client.results import Hit, Memory, Remembered, estimate, folder_of, found_file
from soulmesh.client.settings import ClientSettings
from soulmesh.client.suspicion import suspicious
from soulmesh.core.pacing import Request
from soulmesh.core.query import long_enough
from soulmesh.errors import DecodeError
from soulmesh.wire import peer, to_client, to_server
from soulmesh.wire.message import Message

__all__ = [
    "Search",
    "SearchFigures",
    "SearchFinished",
    "SearchStarted",
    "SearchWarning",
    "Searches",
    "check_query",
]

Keep = Callable[[Hit], bool]

_YIELD_EVERY = 50
"""Files between two turns of the event loop while answers are read, whether a filter keeps them or not."""
_LONGEST_TURN = 0.01
"""Seconds after which the loop has its turn sooner: a filter may have met names that were made for it."""
_LARGE = 16 * 1024
"""Bytes of an answer that may take long to unpack: names that repeat themselves shrink to a sixtieth."""


@dataclass(frozen=True, slots=True)
class SearchStarted(Event):
    """A search was sent."""

    ticket: int
    query: str


@dataclass(frozen=True, slots=True)
class SearchFinished(Event):
    """A search takes no more answers."""

    ticket: int
    query: str
    figures: SearchFigures


@dataclass(frozen=True, slots=True)
class SearchWarning(Event):
    """Something that the user should know about a query."""

    query: str
    problem: str


@dataclass(slots=True)
class SearchFigures:
    """Where the answers to one search went."""

    users: int = 0
    """Users whose answers were read."""
    hits: int = 0
    """Files that were given out."""
    filtered: int = 0
    """Files that a filter held back."""
    suspicious: int = 0
    """Files of answers that only echo the query."""
    rules: dict[str, int] = field(default_factory=dict)
    """The same by rule, see :mod:`soulmesh.client.suspicion`."""
    blocked: int = 0
    """Files of users that are banned, or on a block list."""
    turned_away: int = 0
    """Banned users who wanted to connect meanwhile: most have an answer, which never comes."""
    repeated: int = 0
    """Files that came twice from the same user."""
    cut: int = 0
    """Answers dropped because too many waited to be read."""
    unreadable: int = 0
    unreached: int = 0
    """Users who found something and could not connect to us (as far as they say so)."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer, unpacked."""

    reply: peer.PeerSearchReply
    rule: str | None
    """The rule of :mod:`soulmesh.client.suspicion` that it breaks."""
    free: Counter[str]
    """By folder, how many files are in it."""
    locked: Counter[str]
    """The same for files that are not for us."""


class Search:
    """One search. Iterate over it for hits; it ends by itself after its time.

    Leaving the loop early leaves the search running until its time is over: use it as a
    context manager, or call :meth:`stop`.
    """

    def __init__(
        self,
        manager: Searches,
        query: str,
        ticket: int,
        message: Message,
        *,
        target: str | None,
        timeout: float,
        interactive: bool,
        keep: Keep | None,
        limit: int | None,
        patience: float | None,
    ) -> None:
        self.query = query
        self.patience = patience
        self.ticket = ticket
        self.timeout = timeout
        self.figures = SearchFigures()
        self.on_withheld: Callable[[], None] = lambda: None
        """Called when something more answered that is not given out; a filter's work is not told of."""
        self.sent = False
        self.done = False
        self.message = message
        self.target = target
        self.interactive = interactive
        self._manager = manager
        self._keep = keep
        self._limit = limit
        self._frames: deque[tuple[str, bytes]] = deque()
        self._bytes = 0
        self._answers: deque[Iterator[Hit | None]] = deque()
        """Answers that are being read."""
        self._looked = 0
        """Files since the loop had its last turn."""
        self._turn = 0.0
        """When that was, as far as known."""
        self._seen: dict[str, set[str]] = {}
        """By user the paths that came. No pairs: garbage collection looks through every tuple."""
        self._turned_away: set[str] = set()
        self._wake = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    # -- reading

    def __aiter__(self) -> AsyncIterator[Hit]:
        return self._read()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop()

    async def start(self) -> None:
        """Send it, when the governor lets it go; iterating does this too.

        Raises:
            NotConnected: we are not logged in.
            TooManyRequests: it would have to wait longer than its patience; says how long.
            UserOffline, UserUnknown: the one user who is asked is not there.
            RoomUnknown, RoomRefused: the room does not exist, or we are not in it.
        """
        if not self.sent and not self.done:
            await self._manager._send(self)

    @property
    def inside(self) -> bool:
        """Whether files of the answer that the last hit came from may still follow."""
        return bool(self._answers)

    async def next(self) -> Hit | None:
        """The next hit; ``None`` when the search is over and all is read."""
        await self.start()
        loop = asyncio.get_running_loop()
        while True:
            if self._looked >= _YIELD_EVERY or loop.time() - self._turn > _LONGEST_TURN:
                # Before the turn: who is cancelled in it has had it as well.
                self._looked, self._turn = 0, loop.time()
                await asyncio.sleep(0)
            if self._answers:
                for hit in self._answers[0]:
                    self._looked += 1
                    if hit is not None:
                        return self._give(hit)
                    if self._looked >= _YIELD_EVERY or loop.time() - self._turn > _LONGEST_TURN:
                        break
                else:
                    self._answers.popleft()
                continue
            if self._frames:
                username, frame = self._frames.popleft()
                self._bytes -= len(frame)
                await self._open(username, frame)
                await asyncio.sleep(0)
                continue
            if self.done:
                return None
            self._wake.clear()
            await self._wake.wait()

    def _give(self, hit: Hit) -> Hit:
        self.figures.hits += 1
        if self._limit is not None and self.figures.hits >= self._limit:
            self._answers.clear()
            self._frames.clear()
            self.stop()
        return hit

    async def _read(self) -> AsyncIterator[Hit]:
        try:
            while (hit := await self.next()) is not None:
                yield hit
        finally:
            self.stop()

    def stop(self) -> None:
        """Take no more answers. Those that are here can still be read."""
        if self.done:
            return
        self.done = True
        if self._timer is not None:
            self._timer.cancel()
        self._wake.set()
        self._manager._finished(self)

    # -- answers

    def begin(self) -> None:
        """It was sent: its time runs."""
        self.sent = True
        self._timer = asyncio.get_running_loop().call_later(self.timeout, self.stop)

    def take(self, username: str, frame: bytes) -> None:
        """An answer came; it is unpacked when somebody reads."""
        settings = self._manager.settings
        if (
            len(self._frames) >= settings.pending_results
            or self._bytes + len(frame) > settings.pending_result_bytes
        ):
            self.figures.cut += 1
            self.on_withheld()
            return
        self._frames.append((username, frame))
        self._bytes += len(frame)
        self._wake.set()

    def turn_away(self, username: str) -> None:
        """A banned user was not let in."""
        self._turned_away.add(username)
        self.figures.turned_away = len(self._turned_away)
        self.on_withheld()

    def not_reached(self) -> None:
        """Somebody who seems to have an answer could not connect to us."""
        self.figures.unreached += 1
        self.on_withheld()

    async def _open(self, sender: str, frame: bytes) -> None:
        """Unpack an answer, and have its files read one by one."""
        try:
            if len(frame) > _LARGE:
                # Beside the loop, which goes on turning meanwhile.
                answer = await asyncio.to_thread(self._unpack, frame)
            else:
                answer = self._unpack(frame)
        except DecodeError as error:
            self.figures.unreadable += 1
            self.on_withheld()
            self._manager.events.emit(PeerMisbehaved(sender, str(error)))
            return
        reply = answer.reply
        files = len(reply.results) + len(reply.locked_results or ())
        if self._manager.blocked(sender):
            self.figures.blocked += files
            self.on_withheld()
            return
        if answer.rule is not None:
            self.figures.suspicious += files
            self.figures.rules[answer.rule] = self.figures.rules.get(answer.rule, 0) + files
            self.on_withheld()
            return
        self.figures.users += sender not in self._seen
        self._answers.append(self._hits(sender, answer))

    def _unpack(self, frame: bytes) -> _Answer:
        """What goes through all files of an answer at once; it may run in a thread."""
        reply = wire.decode(frame, "peer", "peer")
        assert isinstance(reply, peer.PeerSearchReply)
        free = Counter(folder_of(entry.filename) for entry in reply.results)
        locked = Counter(folder_of(entry.filename) for entry in reply.locked_results or ())
        return _Answer(reply, self._manager.suspicious(self.query, reply), free, locked)

    def _hits(self, sender: str, answer: _Answer) -> Iterator[Hit | None]:
        """The files of an answer, made when they are asked for; ``None`` for each that is held back."""
        reply, keep, figures = answer.reply, self._keep, self.figures
        past = self._manager.memory(sender)
        seen = self._seen.setdefault(sender, set())
        for entries, folders, locked in (
            (reply.results, answer.free, False),
            (reply.locked_results or (), answer.locked, True),
        ):
            for entry in entries:
                if entry.filename in seen:
                    figures.repeated += 1
                    yield None
                    continue
                seen.add(entry.filename)
                file = found_file(entry)
                expected = estimate(
                    file.size,
                    free_slot=reply.has_slots_free,
                    speed=reply.avg_speed,
                    queue=reply.queue_size,
                    past=past,
                )
                hit = Hit(
                    sender,
                    file,
                    reply.has_slots_free,
                    reply.avg_speed,
                    reply.queue_size,
                    locked,
                    expected,
                    folders[file.folder],
                )
                if keep is None or keep(hit):
                    yield hit
                else:
                    figures.filtered += 1
                    yield None


def check_query(query: str, shortest: int) -> str:
    """A query as it is sent, without space around it; ``shortest`` is how many characters it needs.

    Raises:
        SearchRefused: it is too short, or contains nothing to search for.
    """
    text = query.strip()
    if not long_enough(text, shortest):
        raise SearchRefused(query, f"at least {shortest} characters are needed")
    if all(word.startswith("-") for word in text.split()):
        raise SearchRefused(query, "it only says what to leave out")
    return text


async def _nobody_objects(_name: str) -> None:
    pass


class Searches:
    """The searches of this client that take answers."""

    def __init__(
        self,
        server: ServerPort,
        links: Links,
        events: Events,
        settings: ClientSettings,
        pace: Pace,
        *,
        first_ticket: int,
    ) -> None:
        self.events = events
        self.settings = settings
        self.late = 0
        """Answers to searches that were over, or that nobody had asked."""
        self.excluded: list[str] = []
        self.memory: Memory = lambda username: Remembered()
        self.blocked: Callable[[str], bool] = lambda username: False
        self.user_there: Callable[[str], Awaitable[None]] = _nobody_objects
        """Fails for a user who cannot answer: the server would pass the search on to nobody, in silence."""
        self.room_there: Callable[[str], Awaitable[None]] = _nobody_objects
        """The same for a room: only those who are in it can search it."""
        self.suspicious: Callable[[str, peer.PeerSearchReply], str | None] = suspicious
        self._server = server
        self._pace = pace
        self._ticket = first_ticket
        self._active: dict[int, list[Search]] = {}
        self._sent: WeakKeyDictionary[Request, int] = WeakKeyDictionary()
        """The ticket under which a turn was used, as long as others who share it are about to go on."""
        links.on_frame(peer.PeerSearchReply, self._on_reply)
        events.on(CallbackFailed, self._on_unreached)
        server.on(to_client.ExcludedSearchPhrases, self._on_excluded)

    @property
    def active(self) -> list[Search]:
        """Searches that take answers."""
        return [search for searches in self._active.values() for search in searches]

    def search(
        self,
        query: str,
        *,
        timeout: float = 15.0,
        username: str | None = None,
        room: str | None = None,
        wish: bool = False,
        interactive: bool = True,
        keep: Keep | None = None,
        limit: int | None = None,
        patience: float | None = None,
    ) -> Search:
        """Make a search; it is sent when it is first read, or started.

        Args:
            query: what to look for, at least three characters (flows.rst, "Query rules"), or one of a
                script without upper and lower case.
            timeout: seconds for answers, from the sending on.
            username: ask this user only.
            room: ask the users of this room only.
            wish: send it as a wish, which the server gives less room.
            interactive: a person waits for it.
            keep: which hits to give out.
            limit: stop after so many hits.
            patience: seconds that it may wait for its turn with the governor; ``None``: as long as it takes.

        Raises:
            SearchRefused: the query is too short, or contains nothing to search for.
        """
        text = check_query(query, self.settings.shortest_query)
        lowered = text.lower()
        for phrase in self.excluded:
            if phrase and phrase.lower() in lowered:
                self.events.emit(
                    SearchWarning(query, f"the server has others leave out files with {phrase!r}")
                )
        self._ticket = self._ticket % 0xFFFFFFFF + 1
        ticket = self._ticket
        message: Message
        if username is not None:
            message = to_server.UserSearch(username, ticket, text)
        elif room is not None:
            message = to_server.RoomSearch(room, ticket, text)
        elif wish:
            message = to_server.WishlistSearch(ticket, text)
        else:
            message = to_server.FileSearch(ticket, text)
        return Search(
            self,
            text,
            ticket,
            message,
            target=username if username is not None else room,
            timeout=timeout,
            interactive=interactive,
            keep=keep,
            limit=limit,
            patience=patience,
        )

    async def _send(self, search: Search) -> None:
        if not self._server.connected:
            raise self._server.absence
        match search.message:
            case to_server.UserSearch(username=username):
                await self.user_there(username)
            case to_server.RoomSearch(room=room):
                await self.room_there(room)
        # Equal searches that wait for their turn are sent once, and share the answers.
        key = (type(search.message), search.target, search.query.lower())
        turn = await self._pace.turn("search", key, interactive=search.interactive, patience=search.patience)
        if search.done or search.sent:
            return
        sent = self._sent.get(turn)
        if sent is None:
            self._server.send(search.message)
            self._sent[turn] = search.ticket
        else:
            search.ticket = sent
        self._active.setdefault(search.ticket, []).append(search)
        search.begin()
        self.events.emit(SearchStarted(search.ticket, search.query))

    def _finished(self, search: Search) -> None:
        searches = self._active.get(search.ticket, [])
        if search in searches:
            searches.remove(search)
            if not searches:
                del self._active[search.ticket]
            self.events.emit(SearchFinished(search.ticket, search.query, search.figures))

    def turned_away(self, username: str) -> None:
        """A banned user wanted to connect and was not let in."""
        for search in self.active:
            search.turn_away(username)

    def close(self) -> None:
        """End all searches."""
        for search in self.active:
            search.stop()

    def _on_reply(self, username: str, frame: wire.Frame) -> None:
        head = wire.search_reply_head(frame.data)
        searches = self._active.get(head.ticket)
        if not searches:
            self.late += 1
            return
        if head.username != username:
            # Anybody can send any name; whose link it is, that we know better.
            self.events.emit(PeerMisbehaved(username, f"answered a search in the name of {head.username!r}"))
            return
        for search in searches:
            search.take(username, frame.data)

    def _on_unreached(self, event: CallbackFailed) -> None:
        # Most strangers who want a P link while we search have an answer for us.
        if event.kind == "P":
            for search in self.active:
                search.not_reached()

    def _on_excluded(self, message: to_client.ExcludedSearchPhrases) -> None:
        self.excluded = list(message.phrases)
