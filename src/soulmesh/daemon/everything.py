"""All transfers that ever ended, also those that are listed no more.

While there are none of these, the list of the others serves. Where there are some, all have a file
of their own, kept like that of the others. It is opened when somebody asks, and closed again after a while
without a question: few ask for it, and who does asks again and again.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter

from soulmesh.daemon.shelf import Shelf
from soulmesh.daemon.shelves import EVERYTHING, TOO_MANY_CHANGED, Shelves
from soulmesh.daemon.store import Store

__all__ = ["KEPT_FOR", "Everything"]

KEPT_FOR = 60.0
"""Seconds without a question after which the lists may be forgotten."""
_LISTED_FOLDERS = (
    "SELECT DISTINCT username, directory FROM transfers WHERE direction = ? AND removed = 0 LIMIT ?"
)
_ANY_REMOVED = "SELECT 1 FROM transfers WHERE direction = ? AND removed = 1 LIMIT 1"


class Everything(Shelves):
    """The shelf of each direction, with those that are listed no more.

    Args:
        store: the database; the files are kept beside it.
        listed: those that are listed; they are told of every change first.
    """

    def __init__(self, store: Store, listed: Shelves) -> None:
        super().__init__(store, EVERYTHING)
        self._listed = listed
        self._asked: dict[str, float] = {}
        self._removals: Counter[str] = Counter()

    async def get(self, direction: str) -> Shelf:
        """The shelf as it is now; true until the next ``await``."""
        self._asked[direction] = asyncio.get_running_loop().time()
        while not await self._store.run(lambda db: _any_removed(db, direction)):
            before = self._removals[direction]
            shelf = await self._listed.get(direction)
            if self._removals[direction] == before:
                return shelf
        return await super().get(direction)

    def change(self, direction: str, username: str, directory: str) -> None:
        """Something else about the finished transfers of a folder was posted to the database."""
        self._removals[direction] += 1
        super().change(direction, username, directory)

    def clear(self, direction: str) -> None:
        """Nothing is listed any more; called before that is posted to the database."""
        self._removals[direction] += 1
        self._cleared[direction] += 1
        self._dropped[direction] += 1
        turn = self._turn()
        self._store.post(lambda db: self._note_listed(db, direction, turn))
        self.forget(direction)

    def _note_listed(self, db: sqlite3.Connection, direction: str, turn: str) -> None:
        folders = db.execute(_LISTED_FOLDERS, (direction, TOO_MANY_CHANGED + 1)).fetchall()
        if len(folders) > TOO_MANY_CHANGED:
            self._kind.forget_file(db, direction)
        else:
            self._kind.note_changed(db, direction, folders, turn)

    async def keep(self, direction: str) -> None:
        """Have the file at hand where there is something in it that is not in the other one."""
        if await self._store.run(lambda db: _any_removed(db, direction)):
            await self._keep_file(direction)
        else:
            self._drop_file(direction)

    def forget_unasked(self) -> None:
        """Give back the memory of what nobody asks for any more."""
        now = asyncio.get_running_loop().time()
        for direction, asked in list(self._asked.items()):
            if now - asked >= KEPT_FOR:
                del self._asked[direction]
                self.forget(direction)


def _any_removed(db: sqlite3.Connection, direction: str) -> bool:
    return db.execute(_ANY_REMOVED, (direction,)).fetchone() is not None
