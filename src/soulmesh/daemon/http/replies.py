"""Answers: JSON as the consumers of slskd read it.

What is ``None`` is left out, never written as null; times and durations have
the forms that a .NET program writes (and that typed clients parse).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from soulmesh.daemon.written import to_json

__all__ = [
    "JSON",
    "duration",
    "empty",
    "form",
    "instant",
    "local_instant",
    "pieces",
    "portions",
    "reply",
    "unzoned",
]

JSON = "application/json; charset=utf-8"

Piece = bytes | memoryview
PORTION = 512 * 1024
"""Bytes of an answer that are written at once."""


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


def portions(parts: Iterable[Piece], size: int = PORTION) -> Iterator[Piece]:
    """Short parts together, long ones cut, and those not copied."""
    buffer = bytearray()
    for part in parts:
        if len(part) < size // 8:
            buffer += part
            if len(buffer) >= size:
                yield bytes(buffer)
                buffer.clear()
            continue
        if buffer:
            yield bytes(buffer)
            buffer.clear()
        view = memoryview(part)
        for start in range(0, len(view), size):
            yield view[start : start + size]
    if buffer:
        yield bytes(buffer)


class _Long(Response):
    """An answer in many pieces. Who goes away before its end is written to in vain, which costs nothing."""

    media_type = JSON

    def __init__(self, parts: Sequence[Piece], length: int, headers: Mapping[str, str]) -> None:
        super().__init__(None, headers={**headers, "content-length": str(length)})
        self._parts = parts

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        for portion in portions(self._parts):
            await send({"type": "http.response.body", "body": portion, "more_body": True})
            # A socket that takes all at once would keep everybody else waiting.
            await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def pieces(parts: Sequence[Piece], *, headers: Mapping[str, str] | None = None) -> Response:
    """A long answer, written piece by piece so that others get their turn between."""
    length = sum(map(len, parts))
    if length <= PORTION:
        return reply(b"".join(parts), headers=headers)
    return _Long(parts, length, headers or {})


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
