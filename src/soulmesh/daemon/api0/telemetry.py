"""``/telemetry``: numbers about transfers, computed by the database from what has ended."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.responses import Response

from soulmesh.daemon import metrics
from soulmesh.daemon.http.call import Call, integer
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.replies import instant, reply
from soulmesh.daemon.http.routing import Route
from soulmesh.daemon.service import Service

__all__ = ["routes"]

DIRECTIONS = ("Download", "Upload")
WINDOW = timedelta(days=7)

_FIGURES = (
    "sum(done), count(*), count(DISTINCT username),"
    " coalesce(avg(CASE WHEN speed > 0 THEN speed END), 0),"
    " coalesce(avg(CASE WHEN started IS NOT NULL THEN started - coalesce(enqueued, requested) END), 0),"
    " coalesce(avg(CASE WHEN started IS NOT NULL THEN ended - started END), 0)"
)


def _figures(row: Any) -> dict[str, Any]:
    total, count, users, speed, wait, length = row
    return {
        "totalBytes": total or 0,
        "count": count,
        "distinctUsers": users,
        "averageSpeed": round(speed, 2),
        "averageWait": round(max(0.0, wait), 3),
        "averageDuration": round(length, 3),
    }


def _moment(text: str | None) -> datetime | None:
    """A date of the query; what cannot be read counts as not given."""
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _final(state: str) -> str:
    return state.partition(", ")[2] or state


class Window:
    """What a report is about: from when to when, and perhaps one user, one direction."""

    def __init__(self, call: Call, now: datetime, *, direction_required: bool = False) -> None:
        self.end = _moment(call.query.get("end")) or now
        self.start = _moment(call.query.get("start")) or self.end - WINDOW
        if self.end <= self.start:
            raise HttpError(400, "End must be later than start")
        self.username = call.word("username")
        asked = call.word("direction")
        self.direction: str | None = None
        if asked is not None:
            self.direction = asked.lower() if asked.lower() in ("download", "upload") else None
            if self.direction is None:
                raise HttpError(400, "Direction must be Download or Upload")
        elif direction_required:
            raise HttpError(400, "Direction is required")
        self.limit = call.number("limit", 25)
        self.offset = call.number("offset", 0)
        if self.limit <= 0:
            raise HttpError(400, "Limit must be greater than zero")
        if self.offset < 0:
            raise HttpError(400, "Offset must not be negative")

    def where(self) -> tuple[str, list[Any]]:
        """The condition and its values."""
        text, values = "ended >= ? AND ended < ?", [self.start.timestamp(), self.end.timestamp()]
        clauses: list[Any] = list(values)
        if self.username is not None:
            text += " AND username = ?"
            clauses.append(self.username)
        if self.direction is not None:
            text += " AND direction = ?"
            clauses.append(self.direction)
        return text, clauses


class TelemetryPaths:
    """The handlers."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def metrics(self, call: Call) -> Response:
        """``GET /telemetry/metrics``."""
        if call.request.headers.get("accept", "").strip().lower() == "application/json":
            return reply(metrics.as_json(self._service))
        return Response(metrics.as_text(self._service), media_type=metrics.TEXT)

    async def kpis(self, _call: Call) -> Response:
        """``GET /telemetry/metrics/kpis``."""
        return reply(metrics.as_json(self._service))

    async def summary(self, call: Call) -> Response:
        """``GET /telemetry/reports/transfers/summary``."""
        window = Window(call, self._service.now())
        where, values = window.where()

        def read(db: sqlite3.Connection) -> dict[str, Any]:
            return _by_state(db, where, values)

        return reply(await self._service.store.run(read))

    async def histogram(self, call: Call) -> Response:
        """``GET /telemetry/reports/transfers/histogram``: gapless."""
        window = Window(call, self._service.now())
        interval, buckets = integer(call.query.get("interval")), integer(call.query.get("buckets"))
        if interval is not None and buckets is not None:
            raise HttpError(400, "Interval and buckets exclude each other")
        if interval is not None:
            if interval <= 1:
                raise HttpError(400, "Interval must be greater than one minute")
            step = interval * 60.0
        else:
            count = 100 if buckets is None else buckets
            if not 1 <= count <= 1000:
                raise HttpError(400, "Buckets must be between 1 and 1000")
            step = max(1.0, (window.end - window.start).total_seconds() / count)
        start, end = window.start.timestamp(), window.end.timestamp()
        first = start // step * step if interval is not None else start
        if (end - first) / step > 10_000:
            raise HttpError(400, "That would be more than 10000 intervals")
        where, values = window.where()

        def read(db: sqlite3.Connection) -> dict[str, Any]:
            found: dict[str, Any] = {}
            at = first
            while at < end:
                found[instant(datetime.fromtimestamp(at, UTC)) or ""] = {name: {} for name in DIRECTIONS}
                at += step
            rows = db.execute(
                f"SELECT CAST((ended - ?) / ? AS INTEGER), direction, state, {_FIGURES} FROM transfers"
                f" WHERE {where} GROUP BY 1, 2, 3",
                [first, step, *values],
            )
            for bucket, direction, state, *figures in rows:
                key = instant(datetime.fromtimestamp(first + bucket * step, UTC)) or ""
                if key in found:
                    found[key][direction.capitalize()][_final(state)] = _figures(figures)
            return found

        return reply(await self._service.store.run(read))

    async def leaderboard(self, call: Call) -> Response:
        """``GET /telemetry/reports/transfers/leaderboard``: who took or gave most."""
        window = Window(call, self._service.now(), direction_required=True)
        columns = {"count": "count(*)", "totalbytes": "sum(done)", "averagespeed": "avg(speed)"}
        by = columns.get((call.word("sortBy") or "Count").lower())
        if by is None:
            raise HttpError(400, "SortBy must be Count, TotalBytes or AverageSpeed")
        order = _order(call)
        where, values = window.where()

        def read(db: sqlite3.Connection) -> list[dict[str, Any]]:
            rows = db.execute(
                f"SELECT username, {_FIGURES} FROM transfers WHERE {where} AND state = 'Completed, Succeeded'"
                f" GROUP BY username ORDER BY {by} {order}, username LIMIT ? OFFSET ?",
                [*values, window.limit, window.offset],
            )
            return [
                {"username": username, **_figures(figures), "distinctUsers": 0} for username, *figures in rows
            ]

        return reply(await self._service.store.run(read))

    async def user(self, call: Call) -> Response:
        """``GET /telemetry/reports/transfers/users/{username}``."""
        window = Window(call, self._service.now())
        window.username, window.direction = call.path["username"], None
        where, values = window.where()

        def read(db: sqlite3.Connection) -> dict[str, Any]:
            summary = _by_state(db, where, values)
            found: dict[str, Any] = {}
            for name in ("Upload", "Download"):
                counts = {state: entry["count"] for state, entry in summary[name].items()}
                successful, cancelled = counts.get("Succeeded", 0), counts.get("Cancelled", 0)
                found[name] = {
                    "summary": summary[name],
                    "statistics": {
                        "total": sum(counts.values()),
                        "successful": successful,
                        "errored": sum(counts.values()) - successful - cancelled,
                        "cancelled": cancelled,
                    },
                    "exceptions": _pareto(db, f"{where} AND direction = ?", [*values, name.lower()], 25, 0),
                }
            return found

        return reply(await self._service.store.run(read))

    async def exceptions(self, call: Call) -> Response:
        """``GET /telemetry/reports/transfers/exceptions``."""
        window = Window(call, self._service.now(), direction_required=True)
        where, values = window.where()
        order = _order(call)

        def read(db: sqlite3.Connection) -> list[Any]:
            rows = db.execute(
                f"SELECT body FROM transfers WHERE {where} AND exception IS NOT NULL"
                f" ORDER BY ended {order} LIMIT ? OFFSET ?",
                [*values, window.limit, window.offset],
            )
            dropped = (
                "attempts",
                "removed",
                "bytesRemaining",
                "percentComplete",
                "elapsedTime",
                "remainingTime",
            )
            return [
                {name: value for name, value in json.loads(body).items() if name not in dropped}
                for (body,) in rows
            ]

        return reply(await self._service.store.run(read))

    async def pareto(self, call: Call) -> Response:
        """``GET /telemetry/reports/transfers/exceptions/pareto``."""
        window = Window(call, self._service.now(), direction_required=True)
        where, values = window.where()
        return reply(
            await self._service.store.run(lambda db: _pareto(db, where, values, window.limit, window.offset))
        )

    async def directories(self, call: Call) -> Response:
        """``GET /telemetry/reports/transfers/directories``: what others took most."""
        window = Window(call, self._service.now())
        window.direction = "upload"
        where, values = window.where()

        def read(db: sqlite3.Connection) -> list[dict[str, Any]]:
            rows = db.execute(
                f"SELECT directory, count(*), count(DISTINCT username) FROM transfers WHERE {where}"
                " AND state = 'Completed, Succeeded' GROUP BY directory ORDER BY 2 DESC, 1 LIMIT ? OFFSET ?",
                [*values, window.limit, window.offset],
            )
            return [
                {"directory": name, "count": count, "distinctUsers": users} for name, count, users in rows
            ]

        return reply(await self._service.store.run(read))


def _order(call: Call) -> str:
    order = (call.word("sortOrder") or "DESC").upper()
    if order not in ("ASC", "DESC"):
        raise HttpError(400, "SortOrder must be ASC or DESC")
    return order


def _by_state(db: sqlite3.Connection, where: str, values: list[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {name: {} for name in DIRECTIONS}
    rows = db.execute(
        f"SELECT direction, state, {_FIGURES} FROM transfers WHERE {where} GROUP BY direction, state", values
    )
    for direction, state, *figures in rows:
        found[direction.capitalize()][_final(state)] = _figures(figures)
    return found


def _pareto(
    db: sqlite3.Connection, where: str, values: list[Any], limit: int, offset: int
) -> list[dict[str, Any]]:
    rows = db.execute(
        f"SELECT exception, count(*), count(DISTINCT username) FROM transfers WHERE {where}"
        " AND exception IS NOT NULL GROUP BY exception ORDER BY 2 DESC, 1 LIMIT ? OFFSET ?",
        [*values, limit, offset],
    )
    return [{"exception": text, "count": count, "distinctUsers": users} for text, count, users in rows]


def routes(service: Service) -> list[Route]:
    """What is served here."""
    paths = TelemetryPaths(service)
    reports: list[tuple[str, Callable[[Call], Any]]] = [
        ("summary", paths.summary),
        ("histogram", paths.histogram),
        ("leaderboard", paths.leaderboard),
        ("users/{username}", paths.user),
        ("exceptions", paths.exceptions),
        ("exceptions/pareto", paths.pareto),
        ("directories", paths.directories),
    ]
    return [
        Route("GET", "/telemetry/metrics", paths.metrics),
        Route("GET", "/telemetry/metrics/kpis", paths.kpis),
        *(Route("GET", f"/telemetry/reports/transfers/{name}", handler) for name, handler in reports),
    ]
