"""The whole of ``/api/v1``: operations, document, streams."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

import soulmesh
from soulmesh.client.errors import (
    NoReply,
    NotConnected,
    PeerUnreachable,
    RoomRefused,
    SearchRefused,
    TooManyRequests,
    UserOffline,
)
from soulmesh.client.transfers.manager import UnknownTransfer
from soulmesh.daemon.api1 import (
    batches,
    browsing,
    daemon,
    entries,
    goals,
    looking,
    searches,
    settings,
    shares,
    streams,
    talk,
    transfers,
    users,
    wishes,
)
from soulmesh.daemon.api1.operations import Operation, document, problem, route
from soulmesh.daemon.hooks import Hooks
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.replies import reply
from soulmesh.daemon.http.routing import Access, Route, Router
from soulmesh.daemon.http.shell import Api
from soulmesh.daemon.service import Service
from soulmesh.errors import NotFound, SoulmeshError, UsageError

__all__ = ["api", "operations"]

TOKEN_IN_QUERY = frozenset(
    {
        ("events",),
        ("events", "socket"),
        # What a browser loads by itself, for <audio> and <img>.
        ("transfers", "*", "content"),
        ("users", "*", "picture"),
    }
)
"""Where the credential may stand in the query: paths in pieces, ``*`` is any."""


def translate(error: SoulmeshError) -> HttpError | None:
    """The status for an error of the client, and its name as a code."""
    code = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
    if isinstance(error, TooManyRequests):
        seconds = math.ceil(error.seconds) if math.isfinite(error.seconds) else 60
        return HttpError(429, str(error), {"retry-after": str(max(1, seconds))}, code=code)
    if isinstance(error, UserOffline | UnknownTransfer | NotFound):
        return HttpError(404, str(error), code=code)
    if isinstance(error, RoomRefused):
        return HttpError(409, str(error), code=code)
    if isinstance(error, NotConnected):
        return HttpError(503, str(error), code=code)
    if isinstance(error, NoReply | PeerUnreachable):
        return HttpError(504, str(error), code=code)
    if isinstance(error, SearchRefused | UsageError):
        return HttpError(422, str(error), code=code)
    return None


def operations(service: Service, hooks: Hooks | None) -> list[Operation]:
    """Everything that can be done."""
    return [
        *daemon.operations(service, hooks),
        *transfers.operations(service),
        *batches.operations(service),
        *goals.operations(service),
        *searches.operations(service),
        *browsing.operations(service),
        *users.operations(service),
        *talk.operations(service),
        *wishes.operations(service),
        *shares.operations(service),
        *looking.operations(service),
        *settings.operations(service),
        *entries.operations(service),
        *streams.operations(service),
    ]


def api(service: Service, hooks: Hooks | None = None) -> Api:
    """The API over a service."""
    declared = operations(service, hooks)
    router = Router(route(operation) for operation in declared)

    made: dict[str, Mapping[str, Any]] = {}

    async def describe(_call: Call) -> Response:
        base = service.settings.web.url_base.rstrip("/")
        if base not in made:
            # It takes a while, and stays the same.
            made[base] = document(declared, soulmesh.__version__, base, token_in_query=TOKEN_IN_QUERY)
        return reply(made[base])

    router.add(Route("GET", "/openapi.json", describe, Access.READ))
    return Api(
        prefix=("api", "v1"),
        router=router,
        ground=getattr(service.engine, "changing", None),
        refuse=problem,
        translate=translate,
        headers={},
        streams={("events", "socket"): streams.socket(service)},
        token_in_query=TOKEN_IN_QUERY,
    )
