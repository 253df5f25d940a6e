"""``/events`` and ``/logs``: what happened."""

from __future__ import annotations

from starlette.responses import Response

from soulmesh.daemon.eventlog import kind_named, sample
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.replies import reply
from soulmesh.daemon.http.routing import Access, Route
from soulmesh.daemon.service import Service

__all__ = ["routes"]

MOST_EVENTS = 10_000


class RecordPaths:
    """The handlers."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def events(self, call: Call) -> Response:
        """``GET /events``: newest first."""
        offset, limit = call.number("offset", 0), call.number("limit", 100)
        if offset < 0:
            raise HttpError(400, "Offset must not be negative")
        if limit <= 0:
            raise HttpError(400, "Limit must be greater than zero")
        total, found = await self._service.events.page(offset, min(limit, MOST_EVENTS))
        return reply(found, headers={"x-total-count": str(total)})

    async def raise_sample(self, call: Call) -> Response:
        """``POST /events/{type}``: for trying a receiver."""
        kind = kind_named(call.path["type"])
        if kind is None:
            raise HttpError(400, f"There are no events of the type {call.path['type']}")
        facts = sample(kind, await call.quoted(), self._service.now())
        return reply(self._service.events.tell(kind, **facts), 201)

    async def logs(self, _call: Call) -> Response:
        """``GET /logs``: oldest first."""
        return reply(self._service.logbook.lines())


def routes(service: Service) -> list[Route]:
    """What is served here."""
    paths = RecordPaths(service)
    return [
        Route("GET", "/events", paths.events),
        Route("POST", "/events/{type}", paths.raise_sample, Access.WRITE),
        Route("GET", "/logs", paths.logs),
    ]
