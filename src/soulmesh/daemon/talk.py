"""Conversations, kept in the database, and what was said in rooms since we joined.

Reading does not acknowledge: a message is acknowledged when somebody says so.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from soulmesh.daemon.http.replies import form, instant
from soulmesh.daemon.store import Store

__all__ = ["Conversations", "RoomTalk"]

SHOWN = 100
ROOM_SHOWN = 250


class Conversations:
    """Private messages with everybody."""

    def __init__(self, store: Store, wall_clock: Callable[[], datetime]) -> None:
        self._store = store
        self._wall_clock = wall_clock
        self._last_id = 0
        self._last_number = 0

    async def open(self) -> None:
        """Go on counting where we stopped."""
        self._last_id, self._last_number = await self._store.run(
            lambda db: db.execute(
                "SELECT coalesce(max(id), 0), coalesce(max(number), 0) FROM messages"
            ).fetchone()
        )

    @property
    def last_number(self) -> int:
        """The number of the newest message of all conversations."""
        return self._last_number

    def _next(self) -> int:
        self._last_number += 1
        return self._last_number

    def received(
        self, username: str, message: str, *, id: int = 0, at: datetime, replayed: bool
    ) -> dict[str, Any]:
        """Somebody wrote to us. Without an id the message gets one of our own, never one twice."""
        moment = at.timestamp()
        if id:
            self._last_id = max(self._last_id, id)
        else:
            self._last_id = id = self._last_id + 1
        number = self._next()

        def write(db: sqlite3.Connection) -> None:
            _activate(db, username)
            db.execute(
                "INSERT INTO messages (number, username, at, id, incoming, message, acknowledged, replayed)"
                " VALUES (?, ?, ?, ?, 1, ?, 0, ?)",
                (number, username, moment, id, message, int(replayed)),
            )

        self._store.post(write)
        return _message((number, username, moment, id, 1, message, 0, int(replayed)))

    async def sent(self, username: str, message: str) -> int:
        """We wrote to somebody; returns the number of the message."""
        moment = self._wall_clock().timestamp()
        number = self._next()

        def write(db: sqlite3.Connection) -> None:
            _activate(db, username)
            db.execute(
                "INSERT INTO messages (number, username, at, id, incoming, message, acknowledged, replayed)"
                " VALUES (?, ?, ?, 0, 0, ?, 1, 0)",
                (number, username, moment, message),
            )

        await self._store.run(write)
        return number

    async def overview(self) -> list[dict[str, Any]]:
        """All conversations with their newest message, those with the newest first, for our own API."""

        def read(db: sqlite3.Connection) -> list[Any]:
            return db.execute(
                "SELECT c.username, c.active, (SELECT count(*) FROM messages m"
                " WHERE m.username = c.username AND m.acknowledged = 0),"
                " (SELECT count(*) FROM messages m WHERE m.username = c.username),"
                " l.at, l.message, l.incoming, l.number"
                " FROM conversations c LEFT JOIN messages l ON l.number ="
                " (SELECT max(number) FROM messages m WHERE m.username = c.username)"
                " ORDER BY l.number IS NULL, l.number DESC, c.username"
            ).fetchall()

        return [
            {
                "username": username,
                "active": bool(active),
                "unread": unread,
                "lines": lines,
                "last": None if at is None else instant(datetime.fromtimestamp(at, UTC)),
                "text": text,
                "ours": None if incoming is None else not incoming,
                "last_id": number or 0,
            }
            for username, active, unread, lines, at, text, incoming, number in await self._store.run(read)
        ]

    async def page(
        self, username: str, *, before: int | None, limit: int, words: str = ""
    ) -> list[dict[str, Any]] | None:
        """Messages before the one with a number, oldest first, for our own API; ``None`` without any.

        With ``words`` only those in which each of them stands.
        """

        def read(db: sqlite3.Connection) -> list[Any] | None:
            if not db.execute("SELECT 1 FROM conversations WHERE username = ?", (username,)).fetchone():
                return None
            return db.execute(
                "SELECT number, at, incoming, message, acknowledged FROM messages"
                " WHERE username = ? AND (? IS NULL OR number < ?) AND has_words(message, ?)"
                " ORDER BY number DESC LIMIT ?",
                (username, before, before, words, limit),
            ).fetchall()

        rows = await self._store.run(read)
        if rows is None:
            return None
        return [
            {
                "id": number,
                "at": instant(datetime.fromtimestamp(at, UTC)),
                "username": username,
                "text": message,
                "ours": not incoming,
                "read": bool(acknowledged),
            }
            for number, at, incoming, message, acknowledged in reversed(rows)
        ]

    async def all(self, *, include_inactive: bool = False, open_only: bool = False) -> list[dict[str, Any]]:
        """All conversations by name, without messages."""

        def read(db: sqlite3.Connection) -> list[tuple[str, int, int]]:
            return db.execute(
                "SELECT c.username, c.active, (SELECT count(*) FROM messages m"
                " WHERE m.username = c.username AND m.acknowledged = 0) FROM conversations c"
                " ORDER BY c.username"
            ).fetchall()

        return [
            _conversation(username, active, waiting)
            for username, active, waiting in await self._store.run(read)
            if (active or include_inactive) and (waiting or not open_only)
        ]

    async def get(self, username: str, *, messages: bool = True) -> dict[str, Any] | None:
        """One conversation with its newest messages, oldest first; ``None`` if there is none."""

        def read(db: sqlite3.Connection) -> tuple[int, int] | None:
            row = db.execute("SELECT active FROM conversations WHERE username = ?", (username,)).fetchone()
            if row is None:
                return None
            waiting = db.execute(
                "SELECT count(*) FROM messages WHERE username = ? AND acknowledged = 0", (username,)
            ).fetchone()[0]
            return int(row[0]), int(waiting)

        found = await self._store.run(read)
        if found is None:
            return None
        shown = _conversation(username, *found)
        if messages:
            shown["messages"] = await self.messages(username)
        return shown

    async def messages(
        self, username: str, *, open_only: bool = False, before: int | None = None, limit: int = SHOWN
    ) -> list[dict[str, Any]] | None:
        """The newest messages of a conversation, oldest first; ``None`` if there is none."""

        def read(db: sqlite3.Connection) -> list[Any] | None:
            if not db.execute("SELECT 1 FROM conversations WHERE username = ?", (username,)).fetchone():
                return None
            return db.execute(
                "SELECT number, username, at, id, incoming, message, acknowledged, replayed FROM messages"
                " WHERE username = ? AND (? = 0 OR acknowledged = 0) AND (? IS NULL OR number < ?)"
                " ORDER BY number DESC LIMIT ?",
                (username, int(open_only), before, before, limit),
            ).fetchall()

        rows = await self._store.run(read)
        return None if rows is None else [_message(row) for row in reversed(rows)]

    async def acknowledge(self, username: str, id: int | None = None) -> int | None:
        """Mark everything, or one message, as read.

        Returns the number of the newest message; ``None`` if there is no such conversation.
        """

        def write(db: sqlite3.Connection) -> int | None:
            known = db.execute("SELECT 1 FROM conversations WHERE username = ?", (username,)).fetchone()
            db.execute(
                "UPDATE messages SET acknowledged = 1 WHERE username = ? AND (? IS NULL OR id = ?)",
                (username, id, id),
            )
            if known is None:
                return None
            newest = db.execute("SELECT max(number) FROM messages WHERE username = ?", (username,)).fetchone()
            return int(newest[0] or 0)

        return await self._store.run(write)

    async def hide(self, username: str) -> bool:
        """Acknowledge everything and show the conversation no more; its messages stay."""
        known = await self.acknowledge(username) is not None
        await self._store.run(
            lambda db: db.execute("UPDATE conversations SET active = 0 WHERE username = ?", (username,))
        )
        return known

    async def forget(self, username: str) -> bool:
        """Delete a conversation with its messages; whether there was one."""

        def write(db: sqlite3.Connection) -> bool:
            db.execute("DELETE FROM messages WHERE username = ?", (username,))
            return db.execute("DELETE FROM conversations WHERE username = ?", (username,)).rowcount > 0

        return await self._store.run(write)


def _activate(db: sqlite3.Connection, username: str) -> None:
    db.execute(
        "INSERT INTO conversations VALUES (?, 1) ON CONFLICT (username) DO UPDATE SET active = 1", (username,)
    )


def _conversation(username: str, active: int, waiting: int) -> dict[str, Any]:
    return {
        "username": username,
        "isActive": bool(active),
        "unAcknowledgedMessageCount": waiting,
        "hasUnAcknowledgedMessages": waiting > 0,
    }


def _message(row: Any) -> dict[str, Any]:
    _, username, at, id, incoming, message, acknowledged, replayed = row
    return {
        "timestamp": instant(datetime.fromtimestamp(at, UTC)),
        "id": id,
        "username": username,
        "direction": "In" if incoming else "Out",
        "message": message,
        "isAcknowledged": bool(acknowledged),
        "wasReplayed": bool(replayed),
    }


class RoomTalk:
    """The newest messages of each room that we are in."""

    def __init__(self) -> None:
        self._rooms: dict[str, deque[dict[str, Any]]] = {}

    def said(
        self, room: str, username: str, message: str, at: datetime, ourselves: str | None
    ) -> dict[str, Any]:
        """Somebody said something."""
        body = form(
            timestamp=instant(at),
            username=username,
            message=message,
            roomName=room,
            self=True if username == ourselves else None,
        )
        self._rooms.setdefault(room, deque(maxlen=ROOM_SHOWN)).append(body)
        return body

    def left(self, room: str) -> None:
        """We are not in that room any more."""
        self._rooms.pop(room, None)

    def messages(self, room: str) -> list[dict[str, Any]]:
        """Oldest first."""
        return list(self._rooms.get(room, ()))
