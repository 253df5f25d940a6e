"""Answers: JSON as the consumers of slskd read it.

What is ``None`` is left out, never written as null; times and durations have
the forms that a .NET program writes (and that typed clients parse).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic_core import to_json
from starlette.responses import Response, StreamingResponse

__all__ = [
    "JSON",
    "duration",
    "empty",
    "form",
    "instant",
    "local_instant",
    "pieces",
    "reply",
    "unzoned",
]

JSON = "application/json; charset=utf-8"


def form(**fields: Any) -> dict[str, Any]:
    """The fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A value as JSON. ``bytes`` are taken as JSON that is already written."""
    body = value if isinstance(value, bytes) else to_json(value)
    return Response(body, status, dict(headers or {}), media_type=JSON)


def empty(status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """No body at all."""
    return Response(None, status, dict(headers or {}))


async def _iterate(parts: Iterable[bytes | memoryview], size: int) -> AsyncIterator[bytes]:
    buffer = bytearray()
    for part in parts:
        buffer += part
        if len(buffer) >= size:
            yield bytes(buffer)
            buffer.clear()
    if buffer:
        yield bytes(buffer)


def pieces(parts: Iterable[bytes | memoryview], *, size: int = 256 * 1024) -> Response:
    """A long answer, written piece by piece so that others get their turn between."""
    return StreamingResponse(_iterate(parts, size), media_type=JSON)


def instant(at: datetime | None) -> str | None:
    """A moment in UTC, with Z; the fraction without trailing zeros."""
    text = unzoned(at)
    return None if text is None else f"{text}Z"


def unzoned(at: datetime | None) -> str | None:
    """A moment in UTC, without any zone: how the times of a queue are written."""
    if at is None:
        return None
    moment = at.astimezone(UTC)
    whole = moment.strftime("%Y-%m-%dT%H:%M:%S")
    if not moment.microsecond:
        return whole
    return f"{whole}.{moment.microsecond:06d}".rstrip("0")


def local_instant(at: datetime) -> str:
    """A moment in local time with its offset: log lines."""
    moment = at.astimezone()
    return moment.isoformat()


def duration(seconds: float | None) -> str | None:
    """``[d.]hh:mm:ss[.fffffff]``."""
    if seconds is None:
        return None
    ticks = round(max(0.0, seconds) * 10_000_000)
    # A .NET time span ends at a little more than ten million days.
    ticks = min(ticks, (1 << 63) - 1)
    whole, fraction = divmod(ticks, 10_000_000)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    text = f"{hour:02}:{minute:02}:{second:02}"
    if days:
        text = f"{days}.{text}"
    if fraction:
        text += f".{fraction:07d}"
    return text
