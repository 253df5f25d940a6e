"""All transfers that ever ended, also those that are listed no more: read once, and kept while somebody asks.

Few ask for them, and who does asks again and again. So nothing is written for it: the first question reads
the database, the next ones find it in memory, and what ends meanwhile is added there. After a while without
a question the memory is given back.
"""

from __future__ import annotations

import asyncio
from collections import Counter

from soulmesh.daemon.shelf import Shelf
from soulmesh.daemon.store import Store

__all__ = ["KEPT_FOR", "Everything", "marked"]

KEPT_FOR = 60.0
"""Seconds without a question after which the lists may be forgotten."""
_ALL = (
    "SELECT username, directory, body, removed FROM transfers WHERE direction = ?"
    " ORDER BY username, directory, number"
)


def marked(body: bytes, removed: int) -> bytes:
    """The JSON of a transfer, saying whether it is listed no more."""
    return body.replace(b'"removed":false', b'"removed":true', 1) if removed else body


class Everything:
    """The shelf of each direction, with those that are listed no more."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._shelves: dict[str, Shelf] = {}
        self._asked: dict[str, float] = {}
        self._late: dict[str, list[tuple[str, str, bytes]]] = {}
        self._changes: Counter[str] = Counter()
        self._reading = asyncio.Lock()

    async def get(self, direction: str) -> Shelf:
        """The shelf as it is now; true until the next ``await``."""
        async with self._reading:
            self._asked[direction] = asyncio.get_running_loop().time()
            found = self._shelves.get(direction)
            if found is not None:
                return found
            before = self._changes[direction]
            # What is posted from now on is not in what is read.
            late: list[tuple[str, str, bytes]] = []
            self._late[direction] = late
            try:
                rows = await self._store.run(lambda db: db.execute(_ALL, (direction,)).fetchall())
                listed = ((user, folder, marked(body, removed)) for user, folder, body, removed in rows)
                found = await asyncio.to_thread(Shelf.of, listed)
            finally:
                del self._late[direction]
            for one in late:
                found.add(*one)
            if self._changes[direction] == before:
                self._shelves[direction] = found
            return found

    def add(self, direction: str, username: str, directory: str, body: bytes) -> None:
        """A transfer has ended; that was posted to the database."""
        if direction in self._late:
            self._late[direction].append((username, directory, body))
        shelf = self._shelves.get(direction)
        if shelf is not None:
            shelf.add(username, directory, body)

    def change(self, direction: str) -> None:
        """Something else about them was posted to the database: read it again when somebody asks."""
        self._changes[direction] += 1
        self._shelves.pop(direction, None)

    def forget_unasked(self) -> None:
        """Give back the memory of what nobody asks for any more."""
        now = asyncio.get_running_loop().time()
        for direction, asked in list(self._asked.items()):
            if now - asked >= KEPT_FOR:
                del self._asked[direction]
                self._shelves.pop(direction, None)
