"""Transfers and found files in the words of ``/api/v1``, for its lists and for its events alike."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from soulmesh.client.events import Event
from soulmesh.client.results import FoundFile, Hit
from soulmesh.client.transfers.journal import Record
from soulmesh.client.transfers.transfer import Transfer
from soulmesh.client.wishes import WishFound
from soulmesh.core.reasons import reason_code
from soulmesh.daemon.http.replies import instant

__all__ = ["event_row", "file_row", "hit_row", "moment", "record_row", "transfer_row"]


def moment(at: float | None) -> str | None:
    """Seconds since the epoch as the API writes times; ``None`` stays."""
    return None if at is None else instant(datetime.fromtimestamp(at, UTC))


def transfer_row(transfer: Transfer, place: int | None) -> dict[str, Any]:
    """A transfer that the client knows, with its place in the queue as far as known."""
    return {
        "id": transfer.uuid,
        "number": transfer.id,
        "direction": transfer.direction,
        "username": transfer.username,
        "path": transfer.remote_path,
        "size": transfer.size,
        "done": transfer.done,
        "state": transfer.state.value,
        "reason": transfer.reason,
        "reason_code": reason_code(transfer.reason),
        "place": place,
        "speed": round(transfer.speed, 1),
        "seconds_left": transfer.seconds_left,
        "attempts": transfer.machine.attempts,
        "added": instant(transfer.added),
        "started": instant(transfer.started),
        "ended": instant(transfer.ended),
        "batch": transfer.batch,
        "local_path": str(transfer.local_path) if transfer.local_path else None,
        "priority": transfer.priority,
    }


def record_row(record: Record) -> dict[str, Any]:
    """A transfer that the client's journal alone knows."""
    return {
        "id": record.uuid,
        "number": record.id,
        "direction": record.direction,
        "username": record.username,
        "path": record.remote_path,
        "size": record.size,
        "done": record.done,
        "state": record.state.value,
        "reason": record.reason,
        "place": None,
        "speed": round(record.speed, 1),
        "seconds_left": None,
        "attempts": record.attempts,
        "added": moment(record.added),
        "started": moment(record.started),
        "ended": moment(record.ended),
        "batch": record.batch,
        "local_path": record.local_path or None,
        "priority": record.priority,
    }


def file_row(file: FoundFile) -> dict[str, Any]:
    """A file that somebody has."""
    return {
        "path": file.remote_path,
        "size": file.size,
        "bitrate": file.bitrate,
        "length": file.length,
        "sample_rate": file.sample_rate,
        "bit_depth": file.bit_depth,
    }


def hit_row(hit: Hit) -> dict[str, Any]:
    """A file that a search found, with what its owner says about waiting."""
    file = hit.file
    return {
        "username": hit.username,
        "path": file.remote_path,
        "name": file.name,
        "folder": file.folder,
        "size": file.size,
        "bitrate": file.bitrate,
        "length": file.length,
        "sample_rate": file.sample_rate,
        "bit_depth": file.bit_depth,
        "vbr": file.variable_bitrate,
        "extension": file.extension,
        "locked": hit.locked,
        "free_slot": hit.free_slot,
        "speed": hit.speed,
        "queue": hit.queue,
        "expected": hit.expected,
        "folder_files": hit.folder_files,
    }


def event_row(event: Event, otherwise: Callable[[Event], dict[str, Any]]) -> dict[str, Any]:
    """What is told of an event: its fields, but a file that was found looks as in a list."""
    if isinstance(event, WishFound):
        return {"query": event.query, "hit": hit_row(event.hit)}
    return otherwise(event)
