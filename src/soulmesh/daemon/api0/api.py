"""The whole of ``/api/v0``: its routes, and its manner of saying no."""

from __future__ import annotations

import math

from starlette.responses import Response

from soulmesh.client.errors import NotConnected, RoomRefused, TooManyRequests, UserOffline
from soulmesh.daemon.api0 import (
    application,
    conversations,
    files,
    options,
    records,
    rooms,
    searches,
    shares,
    telemetry,
    transfers,
    users,
)
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.replies import empty, reply
from soulmesh.daemon.http.routing import Router
from soulmesh.daemon.http.shell import Api
from soulmesh.daemon.service import Service
from soulmesh.errors import NotFound, SoulmeshError, UsageError

__all__ = ["api"]


def refuse(error: HttpError) -> Response:
    """An error with a message is a JSON string; without one it has no body."""
    if error.message is None:
        return empty(error.status, error.headers)
    return reply(error.message, error.status, error.headers)


def translate(error: SoulmeshError) -> HttpError | None:
    """The status for an error of the client."""
    if isinstance(error, TooManyRequests):
        seconds = math.ceil(error.seconds) if math.isfinite(error.seconds) else 60
        return HttpError(429, str(error), {"retry-after": str(max(1, seconds))})
    if isinstance(error, UserOffline):
        return HttpError(404, f"User {error.username} appears to be offline")
    if isinstance(error, NotFound):
        return HttpError(404, str(error))
    if isinstance(error, RoomRefused):
        return HttpError(403, str(error))
    if isinstance(error, UsageError):
        return HttpError(400, str(error))
    if isinstance(error, NotConnected):
        return HttpError(500, "The server connection must be connected and logged in")
    return None


def api(service: Service) -> Api:
    """The API over a service."""
    router = Router()
    for module in (
        application,
        options,
        searches,
        transfers,
        users,
        conversations,
        rooms,
        shares,
        files,
        records,
        telemetry,
    ):
        for route in module.routes(service):
            router.add(route)
    return Api(
        prefix=("api", "v0"),
        router=router,
        ground=getattr(service.engine, "changing", None),
        refuse=refuse,
        translate=translate,
        headers={"api-supported-versions": "0"},
        streams={},
    )
