"""The event stream of ``/api/v1``: as server-sent events, and as a WebSocket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.requests import HTTPConnection
from starlette.responses import Response, StreamingResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from soulmesh.daemon.api1.operations import Operation, Query
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.hub import Listener, Told, TooManyListeners
from soulmesh.daemon.service import Service

__all__ = ["EventQuery", "operations", "socket"]

HEARTBEAT = 20.0
"""Seconds of silence after which a line says that we are still there."""


class EventQuery(Query):
    """Which events."""

    after: str | None = None
    """The id of the event that was seen last; those after it come first."""
    kinds: str | None = None
    """Separated by commas: ``transfer`` is all about transfers, ``transfer.progress`` that alone."""


def _kinds(text: str | None) -> frozenset[str] | None:
    if not text:
        return None
    return frozenset(part.strip() for part in text.split(",")[:50] if part.strip())


def operations(service: Service) -> list[Operation]:
    """What is served here."""

    async def events(call: Call, query: EventQuery, _body: None) -> Response:
        after = call.request.headers.get("last-event-id") or query.after
        try:
            listener = service.hub.listen(after, _kinds(query.kinds))
        except TooManyListeners:
            raise HttpError(503, "Too many listen already", {"retry-after": "10"}) from None
        return StreamingResponse(_lines(service, listener), media_type="text/event-stream")

    return [
        Operation(
            "GET",
            "/events",
            "What happens, as server-sent events; an id resumes",
            events,
            Response,
            query=EventQuery,
            refusals=(503,),
        )
    ]


async def _lines(service: Service, listener: Listener) -> AsyncIterator[bytes]:
    try:
        yield b": " + service.hub.last.encode() + b"\n\n"
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT):
                    found = await listener.next()
            except TimeoutError:
                yield b": still here\n\n"
                continue
            yield found[0].lines if len(found) == 1 else b"".join(told.lines for told in found)
    finally:
        service.hub.leave(listener)


def _frame(found: list[Told]) -> str:
    return found[0].frame if len(found) == 1 else f"[{','.join(told.entry for told in found)}]"


def socket(service: Service) -> Callable[[HTTPConnection], Awaitable[None]]:
    """``/events/socket``: each frame is an array of events."""

    async def serve(connection: HTTPConnection) -> None:
        assert isinstance(connection, WebSocket)
        query = connection.query_params
        try:
            listener = service.hub.listen(query.get("after"), _kinds(query.get("kinds")))
        except TooManyListeners:
            await connection.close(1013)
            return
        try:
            await connection.accept()
            await _converse(connection, listener)
        except WebSocketDisconnect:
            pass
        finally:
            service.hub.leave(listener)

    return serve


async def _converse(connection: WebSocket, listener: Listener) -> None:
    """Send until the other side leaves. What it says is ignored."""
    hearing = asyncio.create_task(_hear(connection))
    try:
        while True:
            telling = asyncio.create_task(listener.next())
            await asyncio.wait({hearing, telling}, return_when=asyncio.FIRST_COMPLETED)
            if hearing.done():
                telling.cancel()
                return
            await connection.send_text(_frame(telling.result()))
    finally:
        hearing.cancel()


async def _hear(connection: WebSocket) -> None:
    while True:
        message = await connection.receive()
        if message["type"] == "websocket.disconnect":
            return
