"""Answers to searches: what a user finds, as values or packed into the very frame that is sent."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Final

from soulmesh.client.ports import Answerer, Found, PackedReply
from soulmesh.client.shares.contents import Contents
from soulmesh.client.shares.entries import file_data
from soulmesh.client.shares.index import DEFAULT_EFFORT, Effort
from soulmesh.client.shares.mapped import DamagedFile
from soulmesh.client.shares.views import Views
from soulmesh.core.query import MINIMUM_CHARACTERS, Query, fold, long_enough, parse_query
from soulmesh.wire.structs import FileData
from soulmesh.wire.text import raw

__all__ = ["SearchFigures", "Searching"]

PEER_SEARCH_REPLY: Final = 9
REPLY_LEVEL: Final = 2
_U32: Final = Struct("<I")
_REPLY_TAIL: Final = Struct("<?III")
_FRAME: Final = Struct("<II")


@dataclass(slots=True)
class SearchFigures:
    """What became of searches."""

    searches: int = 0
    too_dear: int = 0
    """Broken off because they would have cost too much; they get no answer."""


@dataclass(slots=True)
class _Answer:
    open: Sequence[int] = ()
    locked: Sequence[int] = field(default_factory=tuple)


class Searching:
    """Looks into the index, each search within its effort."""

    def __init__(self, contents: Contents, views: Views) -> None:
        self._contents = contents
        self._views = views
        self.figures = SearchFigures()
        self.shortest_query = MINIMUM_CHARACTERS
        self.effort = DEFAULT_EFFORT

    def _find(self, query: Query, username: str, limit: int, excluded: Sequence[str]) -> _Answer:
        try:
            return self._look_up(query, username, limit, excluded)
        except DamagedFile:
            self._contents.needs_index = True
            raise

    def _look_up(self, query: Query, username: str, limit: int, excluded: Sequence[str]) -> _Answer:
        self.figures.searches += 1
        if not long_enough(query.text, self.shortest_query):
            return _Answer()
        view = self._views.view(username)
        phrases = [phrase for phrase in map(fold, excluded) if phrase]
        effort = Effort(self.effort)
        answer = _Answer()
        found = self._contents.index.search(query, limit, within=view.open, phrases=phrases, effort=effort)
        answer.open = found.numbers
        if view.locked is not None and not found.too_dear and len(found.numbers) < limit:
            found = self._contents.index.search(
                query, limit - len(found.numbers), within=view.locked, phrases=phrases, effort=effort
            )
            answer.locked = found.numbers
        if found.too_dear:
            self.figures.too_dear += 1
            return _Answer()
        return answer

    def search(self, query: str, *, username: str, limit: int, excluded: Sequence[str] = ()) -> Found:
        """At most ``limit`` files that match; none for a query that would cost too much.

        Files whose path holds one of the ``excluded`` phrases (any case) are left out.
        """
        answer = self._find(parse_query(query), username, limit, excluded)
        return Found(self._file_data(answer.open), self._file_data(answer.locked))

    def _file_data(self, numbers: Sequence[int]) -> list[FileData]:
        return [file_data(entry) for entry in self._contents.index.answer_entries(numbers)]

    def reply(
        self, query: str, *, username: str, limit: int, about: Answerer, excluded: Sequence[str] = ()
    ) -> PackedReply | None:
        """The whole frame of a PeerSearchReply, or None where there is nothing to answer.

        The same files as :meth:`search`, put together from packed entries without
        making an object of any.
        """
        answer = self._find(parse_query(query), username, limit, excluded)
        if not answer.open and not answer.locked:
            return None
        name = raw(about.own_name)
        pieces = [_U32.pack(len(name)), name, _U32.pack(about.ticket), _U32.pack(len(answer.open))]
        pieces += self._contents.index.answer_entries(answer.open)
        pieces.append(_REPLY_TAIL.pack(about.slots_free, about.average_speed, about.queue_length, 0))
        if answer.locked:
            pieces.append(_U32.pack(len(answer.locked)))
            pieces += self._contents.index.answer_entries(answer.locked)
        body = zlib.compress(b"".join(pieces), REPLY_LEVEL)
        frame = _FRAME.pack(4 + len(body), PEER_SEARCH_REPLY) + body
        return PackedReply(frame, len(answer.open), len(answer.locked))
