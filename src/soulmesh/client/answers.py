"""Answering the searches of others: cheap to refuse, bounded in every direction.

flows.rst, "Delivering Search Results". On the public network 15 to 20 searches
a second arrive and very few match. Those that do are answered over a P link;
when more come than we can handle, searches are dropped, and counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from soulmesh import wire
from soulmesh.client.events import Event, Events
from soulmesh.client.links import Links
from soulmesh.client.ports import (
    Answerer,
    PackedReply,
    PacksReplies,
    Presence,
    ServerPort,
    ShareIndex,
    UploadFigures,
)
from soulmesh.client.settings import ClientSettings
from soulmesh.client.tasks import Tasks
from soulmesh.client.tree_links import read_search
from soulmesh.core.query import long_enough
from soulmesh.core.rate import Rate
from soulmesh.errors import SoulmeshError
from soulmesh.wire import peer, to_client

__all__ = ["AnswerFigures", "Answers", "SearchAnswered"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SearchAnswered(Event):
    """We sent results to somebody who searched."""

    username: str
    query: str
    results: int
    locked: int


@dataclass(slots=True)
class AnswerFigures:
    """What became of the searches of others."""

    considered: int = 0
    """Asked of our index."""
    matched: int = 0
    answered: int = 0
    undeliverable: int = 0
    """The searcher could not be reached."""
    dropped: int = 0
    """Came when too many were waiting."""
    too_short: int = 0


class Answers:
    """Asks the share index and sends what it finds."""

    def __init__(
        self,
        server: ServerPort,
        links: Links,
        events: Events,
        settings: ClientSettings,
        index: ShareIndex,
        uploads: UploadFigures,
        presence: Presence,
    ) -> None:
        self._server = server
        self._links = links
        self._events = events
        self._settings = settings
        self._index = index
        self._uploads = uploads
        self._presence = presence
        self._waiting: deque[tuple[str, int, str]] = deque()
        self._wake = asyncio.Event()
        self._sending = asyncio.Semaphore(settings.most_answers)
        self._tasks = Tasks("answers")
        self.excluded: list[str] = []
        """Phrases that the server does not want in answers (ExcludedSearchPhrases)."""
        self.figures = AnswerFigures()
        self._rate = Rate()
        server.on(to_client.FileSearch, self._on_file_search)
        server.on(to_client.ExcludedSearchPhrases, self._on_excluded)
        self._tasks.start(self._work(), "asking the index")

    def frames(self, frames: Sequence[bytes]) -> None:
        """Searches from the distributed network, as DistributedSearchRequest frames."""
        for frame in frames:
            message = read_search(frame)
            if message is not None:
                self.consider(message.username, message.ticket, message.query)

    def consider(self, username: str, ticket: int, query: str) -> None:
        """Somebody searches."""
        if username == self._server.username:
            return
        if not long_enough(query, self._settings.shortest_query):
            self.figures.too_short += 1
            return
        # Not even a look at the counts: they are of what everybody may have, and this may be a friend.
        if self._presence.banned(username):
            return
        if len(self._waiting) >= self._settings.answer_queue:
            self.figures.dropped += 1
            return
        self._waiting.append((username, ticket, query))
        self._wake.set()

    @property
    def per_second(self) -> float:
        """Searches that we answered, mean over the last minute or so."""
        return self._rate.per_second(asyncio.get_running_loop().time())

    async def close(self) -> None:
        """Answer no more."""
        await self._tasks.close()

    def _on_file_search(self, message: to_client.FileSearch) -> None:
        self.consider(message.username, message.ticket, message.query)

    def _on_excluded(self, message: to_client.ExcludedSearchPhrases) -> None:
        self.excluded = list(message.phrases)

    async def _work(self) -> None:
        while True:
            while not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            username, ticket, query = self._waiting.popleft()
            self.figures.considered += 1
            try:
                reply = await self._reply(username, ticket, query)
            except SoulmeshError as error:
                log.warning("the share index cannot answer %r: %s", query, error)
                continue
            if reply is not None:
                self.figures.matched += 1
                await self._sending.acquire()
                self._tasks.start(self._deliver(username, query, reply), f"answer to {username}")
            # A flood of searches must not starve everything else.
            await asyncio.sleep(0)

    async def _reply(self, username: str, ticket: int, query: str) -> PackedReply | None:
        """What is to be sent to a searcher; None where nothing matches."""
        index, uploads = self._index, self._uploads
        limit = self._settings.results_per_answer
        # Compressing a few hundred entries takes milliseconds: at once, not in a thread.
        if isinstance(index, PacksReplies):
            return index.search_reply(
                query,
                username=username,
                limit=limit,
                about=Answerer(
                    self._server.username,
                    ticket,
                    uploads.slots_free,
                    uploads.average_speed,
                    uploads.queue_length,
                ),
                excluded=self.excluded,
            )
        found = await index.search(query, username=username, limit=limit, excluded=self.excluded)
        if not found.results and not found.locked:
            return None
        reply = peer.PeerSearchReply(
            self._server.username,
            ticket,
            found.results,
            uploads.slots_free,
            uploads.average_speed,
            uploads.queue_length,
            0,
            found.locked or None,
        )
        return PackedReply(wire.encode(reply), len(found.results), len(found.locked))

    async def _deliver(self, username: str, query: str, reply: PackedReply) -> None:
        try:
            await self._links.send_frame(username, reply.frame, interactive=False)
        except SoulmeshError as error:
            self.figures.undeliverable += 1
            log.debug("cannot answer %s: %s", username, error)
        else:
            self.figures.answered += 1
            self._rate.add(1, asyncio.get_running_loop().time())
            self._events.emit(SearchAnswered(username, query, reply.results, reply.locked))
        finally:
            self._sending.release()
