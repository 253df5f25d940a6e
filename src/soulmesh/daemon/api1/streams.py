"""The event stream of ``/api/v1``: as server-sent events, and as a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from starlette.requests import HTTPConnection
from starlette.responses import Response, StreamingResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from soulmesh.daemon.api1.operations import Operation, Query
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.hub import Listener, Told, TooManyListeners
from soulmesh.daemon.kinds import stream_kinds
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


LOOK_AGAIN = 10.0
"""Seconds after which a credential is looked at again: a login has an end."""


def _kinds(text: str | None) -> frozenset[str] | None:
    return stream_kinds(text) or None if text else None


class _Pass:
    """The credential that a stream was opened with: it has to hold as long as the stream is open."""

    def __init__(self, service: Service, connection: HTTPConnection) -> None:
        self._service = service
        self._headers = connection.headers
        self._host = connection.client.host if connection.client else ""
        self._token = connection.query_params.get("access_token")
        self._holds = True
        self._by = service.authenticator
        self._until = asyncio.get_running_loop().time() + LOOK_AGAIN

    @property
    def holds(self) -> bool:
        """Whether it still lets in; other keys and logins in the settings count at once."""
        by, now = self._service.authenticator, asyncio.get_running_loop().time()
        if by is not self._by or now >= self._until:
            self._by, self._until = by, now + LOOK_AGAIN
            self._holds = by.identify(self._headers, self._host, self._token) is not None
        return self._holds


def operations(service: Service) -> list[Operation]:
    """What is served here."""

    async def events(call: Call, query: EventQuery, _body: None) -> Response:
        after = call.request.headers.get("last-event-id") or query.after
        try:
            listener = service.hub.listen(after, _kinds(query.kinds))
        except ValueError as error:
            raise HttpError(422, f"query.kinds: {error}") from None
        except TooManyListeners:
            raise HttpError(503, "Too many listen already", {"retry-after": "10"}) from None
        lines = _lines(service, listener, _Pass(service, call.request))
        return StreamingResponse(lines, media_type="text/event-stream")

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


async def _lines(service: Service, listener: Listener, ticket: _Pass) -> AsyncIterator[bytes]:
    try:
        yield b": " + service.hub.last.encode() + b"\n\n"
        while True:
            found: list[Told] = []
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(HEARTBEAT):
                    found = await listener.next()
            if not ticket.holds or (not found and listener.over):
                return
            if not found:
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
        except ValueError as error:
            await connection.accept()
            await connection.close(1008, str(error))
            return
        except TooManyListeners:
            await connection.close(1013)
            return
        try:
            await connection.accept()
            await _converse(connection, listener, _Pass(service, connection))
        except WebSocketDisconnect:
            pass
        finally:
            service.hub.leave(listener)

    return serve


async def _converse(connection: WebSocket, listener: Listener, ticket: _Pass) -> None:
    """Send until the other side leaves, or may not listen any more. What it says is ignored."""
    hearing = asyncio.create_task(_hear(connection))
    telling: asyncio.Task[list[Told]] | None = None
    try:
        while True:
            telling = telling or asyncio.create_task(listener.next())
            await asyncio.wait({hearing, telling}, timeout=HEARTBEAT, return_when=asyncio.FIRST_COMPLETED)
            if hearing.done():
                return
            if not ticket.holds:
                await connection.close(1008, "the key or login holds no more")
                return
            if telling.done():
                found, telling = telling.result(), None
                if not found:
                    # The server closes the socket, and says why.
                    await hearing
                    return
                await connection.send_text(_frame(found))
    finally:
        hearing.cancel()
        if telling is not None:
            telling.cancel()


async def _hear(connection: WebSocket) -> None:
    while True:
        message = await connection.receive()
        if message["type"] == "websocket.disconnect":
            return
