"""What was said, kept on disk: private conversations and rooms, with read marks.

One SQLite file, written in a thread. Without a path it lives in memory.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from soulmesh.errors import SoulmeshError

__all__ = ["ChatStore", "ChatStoreError", "Conversation", "Line", "has_words"]

T = TypeVar("T")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS lines (
    id INTEGER PRIMARY KEY,
    place TEXT NOT NULL,
    at REAL NOT NULL,
    author TEXT NOT NULL,
    text TEXT NOT NULL,
    ours INTEGER NOT NULL,
    chat_id INTEGER,
    sent INTEGER
);
CREATE INDEX IF NOT EXISTS lines_by_place ON lines (place, id);
CREATE UNIQUE INDEX IF NOT EXISTS lines_once ON lines (place, chat_id, sent) WHERE chat_id IS NOT NULL;
CREATE TABLE IF NOT EXISTS marks (place TEXT PRIMARY KEY, read INTEGER NOT NULL);
PRAGMA user_version = 1;
"""


class ChatStoreError(SoulmeshError):
    """The file of conversations cannot be used: ``path`` and what SQLite says."""

    def __init__(self, path: Path | None, reason: str) -> None:
        super().__init__(str(path), reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"the chat history {self.path or 'in memory'} cannot be used: {self.reason}"


def has_words(text: str, words: str) -> bool:
    """Whether each of the words stands in the text, in any order; capitals and small letters are the same."""
    folded = text.casefold()
    return all(word in folded for word in words.casefold().split())


@dataclass(frozen=True, slots=True)
class Line:
    """One message, as kept."""

    id: int
    """Grows with time."""
    at: float
    """Seconds since the epoch: when it was sent, as far as known."""
    author: str
    text: str
    ours: bool


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation with a user, or what was said in a room."""

    place: str
    """User name, or ``#`` and the room's name."""
    lines: int
    unread: int
    last: float
    last_id: int = 0
    """The newest line's."""


class ChatStore:
    """The file. Every method works off the loop, one after the other."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._lock = asyncio.Lock()

    async def open(self) -> None:
        """Open the file, making it if it is not there.

        Raises:
            ChatStoreError: it cannot be used.
        """
        await self._run(self._open)

    async def close(self) -> None:
        """Close it. Closing twice does no harm."""
        if self._connection is not None:
            await self._run(self._close)

    async def add(
        self,
        place: str,
        author: str,
        text: str,
        *,
        at: float,
        ours: bool = False,
        chat_id: int | None = None,
        sent: int | None = None,
    ) -> int | None:
        """Keep a line; returns its id when it is on disk. ``None``: it was there already (the server sent
        it again)."""
        row = (place, at, author, text, int(ours), chat_id, sent)
        query = (
            "INSERT OR IGNORE INTO lines (place, at, author, text, ours, chat_id, sent) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)"
        )

        # What the server is told to forget must survive a power cut; of rooms the last lines may be lost.
        flush = "FULL" if chat_id is not None else "NORMAL"

        def work(connection: sqlite3.Connection) -> int | None:
            connection.execute(f"PRAGMA synchronous = {flush}")
            with connection:
                added = connection.execute(query, row)
                return added.lastrowid if added.rowcount > 0 else None

        return await self._query(work)

    async def lines(
        self, place: str, *, limit: int = 100, before: int | None = None, words: str = ""
    ) -> list[Line]:
        """The newest lines (before the one with that id), oldest first; only those with all ``words``."""
        query = (
            "SELECT id, at, author, text, ours FROM lines WHERE place = ? AND id < ?"
            " AND has_words(text, ?) ORDER BY id DESC LIMIT ?"
        )
        most = before if before is not None else 1 << 62
        rows = await self._query(lambda c: c.execute(query, (place, most, words, limit)).fetchall())
        return [Line(row[0], row[1], row[2], row[3], bool(row[4])) for row in reversed(rows)]

    async def find(self, words: str, *, limit: int = 100) -> list[tuple[str, Line]]:
        """Lines that contain the text, in any place, newest first."""
        pattern = "%" + words.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
        query = (
            "SELECT place, id, at, author, text, ours FROM lines WHERE text LIKE ? ESCAPE '\\' "
            "ORDER BY id DESC LIMIT ?"
        )
        rows = await self._query(lambda c: c.execute(query, (pattern, limit)).fetchall())
        return [(row[0], Line(row[1], row[2], row[3], row[4], bool(row[5]))) for row in rows]

    async def read_until(self, place: str) -> int:
        """The id of the last line that was read; 0 if nothing was."""
        row = await self._query(
            lambda c: c.execute("SELECT read FROM marks WHERE place = ?", (place,)).fetchone()
        )
        return row[0] if row else 0

    async def mark_read(self, place: str) -> int:
        """All that is there now was read; returns the id of the last line."""
        query = (
            "INSERT INTO marks (place, read) SELECT ?1, COALESCE(MAX(id), 0) FROM lines WHERE place = ?1 "
            "ON CONFLICT (place) DO UPDATE SET read = excluded.read"
        )

        def work(connection: sqlite3.Connection) -> int:
            with connection:
                connection.execute(query, (place,))
                row = connection.execute("SELECT read FROM marks WHERE place = ?", (place,)).fetchone()
            return int(row[0])

        return await self._query(work)

    async def conversations(self) -> list[Conversation]:
        """All places, the newest first."""
        query = (
            "SELECT l.place, COUNT(*), SUM(l.ours = 0 AND l.id > COALESCE(m.read, 0)), MAX(l.at), MAX(l.id) "
            "FROM lines l LEFT JOIN marks m ON m.place = l.place GROUP BY l.place ORDER BY MAX(l.id) DESC"
        )
        rows = await self._query(lambda c: c.execute(query).fetchall())
        return [Conversation(*row) for row in rows]

    async def forget(self, place: str) -> None:
        """Delete a conversation."""

        def work(connection: sqlite3.Connection) -> None:
            with connection:
                connection.execute("DELETE FROM lines WHERE place = ?", (place,))
                connection.execute("DELETE FROM marks WHERE place = ?", (place,))

        await self._query(work)

    # -- inside

    def _open(self) -> None:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(self._path or ":memory:", check_same_thread=False)
        self._connection.create_function("has_words", 2, has_words, deterministic=True)
        self._connection.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;" + _SCHEMA)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    async def _query(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection
        if connection is None:
            raise ChatStoreError(self._path, "it is closed")
        return await self._run(lambda: work(connection))

    async def _run(self, work: Callable[[], T]) -> T:
        async with self._lock:
            # A cancelled caller must not let the next one use the connection at the same time.
            running = asyncio.ensure_future(asyncio.to_thread(work))
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                await asyncio.wait([running])
                raise
            except (sqlite3.Error, OSError) as error:
                raise ChatStoreError(self._path, str(error)) from error
