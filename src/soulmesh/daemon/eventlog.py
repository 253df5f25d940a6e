"""What is told to the outside: a record of each event, kept, and handed to whoever delivers it.

The kinds and their bodies are slskd's, because its receivers expect them.
"""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from soulmesh.daemon.http.replies import form, instant
from soulmesh.daemon.kinds import SLSKD
from soulmesh.daemon.store import Store
from soulmesh.daemon.written import to_text

__all__ = ["EventLog", "kind_named"]

_OPTIONAL_IN_TRANSFER = (
    "batchId",
    "enqueuedAt",
    "startedAt",
    "endedAt",
    "elapsedTime",
    "remainingTime",
    "placeInQueue",
    "exception",
    "nextAttemptAt",
)


def kind_named(name: str) -> str | None:
    """The kind of this name in any case."""
    for kind in SLSKD:
        if kind.lower() == name.lower():
            return kind
    return None


class EventLog:
    """Every event that was told."""

    def __init__(self, store: Store, wall_clock: Callable[[], datetime]) -> None:
        self._store = store
        self._wall_clock = wall_clock
        self.on_event: Callable[[sqlite3.Connection, str, str, str, str], None] | None = None
        """Called in the same transaction that keeps the event: id, kind, body as JSON, and that for who runs
        beside us and sees the same paths."""
        self.after_event: Callable[[], None] = lambda: None

    def tell(self, kind: str, *, here: dict[str, str] | None = None, **facts: Any) -> dict[str, Any]:
        """Keep an event, and have it delivered.

        Args:
            here: those of the facts that are paths, as they are on this machine.
            facts: the event, with paths as the programs that ask us see them.

        Returns:
            The record as ``GET /events`` shows it.
        """
        key = str(uuid.uuid4())
        now = self._wall_clock()
        at = instant(now)
        data = to_text({"version": 0, **facts})
        # Webhooks carry nulls, unlike every answer of the API.
        body = {"id": key, "timestamp": at, "type": kind, "version": 0, **_with_nulls(facts)}
        text = to_text(body)
        ours = to_text({**body, **here}) if here else text

        def write(db: sqlite3.Connection) -> None:
            db.execute(
                "INSERT INTO events (id, at, type, data) VALUES (?, ?, ?, ?)",
                (key, now.timestamp(), kind, data),
            )
            if self.on_event is not None:
                self.on_event(db, key, kind, text, ours)

        self._store.post(write)
        self.after_event()
        return form(timestamp=at, type=kind, data=data, id=key)

    async def page(self, offset: int, limit: int) -> tuple[int, list[dict[str, Any]]]:
        """How many events there are, and some of them, newest first."""

        def read(db: sqlite3.Connection) -> tuple[int, list[Any]]:
            total = db.execute("SELECT count(*) FROM events").fetchone()[0]
            rows = db.execute(
                "SELECT at, type, data, id FROM events ORDER BY number DESC LIMIT ? OFFSET ?", (limit, offset)
            ).fetchall()
            return int(total), rows

        total, rows = await self._store.run(read)
        return total, [
            form(timestamp=instant(datetime.fromtimestamp(at, UTC)), type=kind, data=data, id=key)
            for at, kind, data, key in rows
        ]

    def forget_before(self, days: float) -> None:
        """Drop events older than so many days; 0 keeps them all."""
        if days > 0:
            limit = (self._wall_clock() - timedelta(days=days)).timestamp()
            self._store.post(lambda db: db.execute("DELETE FROM events WHERE at < ?", (limit,)))


def _with_nulls(facts: dict[str, Any]) -> dict[str, Any]:
    transfer = facts.get("transfer")
    if isinstance(transfer, dict):
        full = dict(transfer)
        for name in _OPTIONAL_IN_TRANSFER:
            full.setdefault(name, None)
        return {**facts, "transfer": full}
    return facts


def sample(kind: str, prefix: str, now: datetime) -> dict[str, Any]:
    """The facts of an event that did not happen, to try a receiver with."""
    transfer = {
        "id": str(uuid.uuid4()),
        "username": f"{prefix}user",
        "direction": "Upload" if kind.startswith("Upload") else "Download",
        "filename": f"{prefix}Music\\Album\\01 - Track.flac",
        "size": 1024,
        "state": "Completed, Succeeded",
        "requestedAt": (instant(now) or "").removesuffix("Z"),
        "bytesTransferred": 1024,
        "averageSpeed": 1024,
        "attempts": 0,
        "removed": False,
        "bytesRemaining": 0,
        "percentComplete": 100.0,
    }
    match kind:
        case "DownloadFileComplete" | "UploadFileComplete":
            return {
                "localFilename": f"{prefix}/downloads/Album/01 - Track.flac",
                "remoteFilename": transfer["filename"],
                "transfer": transfer,
            }
        case "DownloadDirectoryComplete":
            return {
                "localDirectoryName": f"{prefix}/downloads/Album",
                "remoteDirectoryName": f"{prefix}Music\\Album",
                "username": transfer["username"],
            }
        case "PrivateMessageReceived":
            message = {
                "timestamp": instant(now),
                "id": 1,
                "username": transfer["username"],
                "direction": "In",
                "message": f"{prefix}hello",
                "isAcknowledged": False,
                "wasReplayed": False,
            }
            return {"message": message}
        case "RoomMessageReceived":
            said = {
                "timestamp": instant(now),
                "username": transfer["username"],
                "message": f"{prefix}hello",
                "roomName": f"{prefix}room",
                "direction": "In",
            }
            return {"message": said}
        case "SoulseekClientDisconnected":
            return {"message": f"{prefix}the connection was lost", "exception": None}
        case _:
            return {}
