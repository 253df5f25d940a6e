"""What was found for wishes, kept: a wish is made today, and looked at next week."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import Any

from soulmesh.daemon.rows import moment
from soulmesh.daemon.store import Store

__all__ = ["WishBook"]

KEPT = 1000
"""Files that are kept for one wish; the oldest make room."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS wish_hits (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    query TEXT NOT NULL,
    at REAL NOT NULL,
    body TEXT NOT NULL
)
"""
_INDEX = "CREATE INDEX IF NOT EXISTS wish_hits_query ON wish_hits (query, number)"


class WishBook:
    """The files that were found for each wish."""

    def __init__(self, store: Store, wall_clock: Callable[[], datetime]) -> None:
        self._store = store
        self._wall_clock = wall_clock

    async def open(self) -> None:
        """Make the table, where an older version did not."""

        def make(db: sqlite3.Connection) -> None:
            db.execute(_SCHEMA)
            db.execute(_INDEX)

        await self._store.run(make)

    def found(self, query: str, row: dict[str, Any]) -> None:
        """Keep a file, in the words of the API."""
        at = self._wall_clock().timestamp()
        body = json.dumps(row, ensure_ascii=False, separators=(",", ":"))

        def write(db: sqlite3.Connection) -> None:
            db.execute("INSERT INTO wish_hits (query, at, body) VALUES (?, ?, ?)", (query, at, body))
            db.execute(
                "DELETE FROM wish_hits WHERE query = ? AND number <= (SELECT number FROM wish_hits"
                " WHERE query = ? ORDER BY number DESC LIMIT 1 OFFSET ?)",
                (query, query, KEPT),
            )

        self._store.post(write)

    def forget(self, query: str) -> None:
        """The wish is gone."""
        self._store.post(lambda db: db.execute("DELETE FROM wish_hits WHERE query = ?", (query,)))

    async def page(self, query: str, before: int, limit: int) -> tuple[list[dict[str, Any]], int | None]:
        """Files of a wish, newest first, those before a number; and the number to go on from."""

        def read(db: sqlite3.Connection) -> list[Any]:
            return db.execute(
                "SELECT number, at, body FROM wish_hits WHERE query = ? AND number < ?"
                " ORDER BY number DESC LIMIT ?",
                (query, before, limit + 1),
            ).fetchall()

        rows = await self._store.run(read)
        found = [{**json.loads(body), "at": moment(at)} for _, at, body in rows[:limit]]
        return found, rows[limit - 1][0] if len(rows) > limit else None
