"""Everything between the socket and a handler: base path, route, credential, headers, errors.

No handler is reached without its credential, and none has to think of one.

Other web pages: nothing is authorised by a cookie, so a foreign page can call
us only with a key that it was given, and may (slskd allows the same). Without
authentication that protection is gone; then requests from foreign pages are
refused, and so are host names that are not ours.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from soulmesh import log
from soulmesh.daemon.http.auth import Authenticator
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.identity import ANONYMOUS, Identity
from soulmesh.daemon.http.routing import Access, Route, Router, WebSocketHandler, segments
from soulmesh.errors import SoulmeshError

__all__ = ["Api", "Shell", "base_path"]

logger = log.get("daemon.http")

SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
}
"""On every answer that does not say otherwise."""

LOCAL_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


def base_path(text: str) -> tuple[str, ...]:
    """``/soulmesh/`` as the pieces of a path; empty for none."""
    return tuple(piece for piece in text.strip().split("/") if piece)


class Ground(Protocol):
    """What handlers stand on, and that may be replaced under them."""

    count: int
    """Grows when it begins to be replaced, and when that is over."""

    async def steady(self) -> int:
        """Wait until it is not being replaced; returns ``count``. Raises ``HttpError``."""

    def refusal(self) -> HttpError:
        """For a request that failed because it was replaced."""


@dataclass(frozen=True)
class Api:
    """A part of the paths with routes and manners of its own."""

    prefix: tuple[str, ...]
    router: Router
    refuse: Callable[[HttpError], Response]
    """How an error is written."""
    translate: Callable[[SoulmeshError], HttpError | None]
    """The status for an error of the program; ``None`` for one that nobody foresaw."""
    headers: Mapping[str, str]
    streams: Mapping[tuple[str, ...], WebSocketHandler]
    token_in_query: frozenset[tuple[str, ...]] = frozenset()
    """Paths where a login token may stand in the query, since browsers cannot send it otherwise; ``*`` is
    any one piece."""
    ground: Ground | None = None
    """Waited for before each request that needs a credential."""


def plain_error(error: HttpError) -> Response:
    """An error without a body."""
    return Response(None, error.status, error.headers)


class Shell:
    """The ASGI application.

    Args:
        apis: tried in order; the first whose prefix fits serves the request.
        authenticator: asked anew for each request, so that changed keys count at once.
        base: the path that a reverse proxy puts before ours.
        local_only: whether we listen for this machine alone; without authentication, host names are
            checked then.
    """

    def __init__(
        self,
        apis: list[Api],
        authenticator: Callable[[], Authenticator],
        *,
        base: Callable[[], tuple[str, ...]] = lambda: (),
        local_only: Callable[[], bool] = lambda: True,
    ) -> None:
        self._apis = apis
        self._authenticator = authenticator
        self._base = base
        self._local_only = local_only
        self.requests = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or one WebSocket."""
        if scope["type"] == "http":
            self.requests += 1
            request = Request(scope, receive)
            response = await self._serve(request)
            self._finish(request, response)
            await response(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._serve_socket(WebSocket(scope, receive, send))

    # -- requests

    async def _serve(self, request: Request) -> Response:
        api, pieces = self._place(request)
        if api is None or pieces is None:
            return Response(None, 404)
        request.scope["soulmesh.api"] = api
        try:
            self._check_origin(request)
            if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
                return Response(None, 204)
            return await self._dispatch(api, request, pieces)
        except HttpError as error:
            return api.refuse(error)
        except SoulmeshError as error:
            known = api.translate(error)
            if known is None:
                logger.warning("request failed", path=request.url.path, error=str(error))
                known = HttpError(500, str(error))
            known.hint = error.hint
            return api.refuse(known)
        except Exception:
            logger.exception("a request failed in a way nobody foresaw", method=request.method)
            return api.refuse(HttpError(500, "Something went wrong inside; the log says what"))

    async def _dispatch(self, api: Api, request: Request, pieces: list[str]) -> Response:
        hit = api.router.find(request.method, pieces)
        if hit is None:
            allowed = api.router.allowed(pieces)
            # Nobody without a credential learns which paths exist.
            if self._identify(api, request, pieces) is None:
                raise HttpError(401, headers={"www-authenticate": "Bearer"})
            if allowed:
                raise HttpError(405, headers={"allow": ", ".join(allowed)})
            raise HttpError(404)
        route, values = hit
        call = Call(request, values, self._admit(api, route, request, pieces))
        if api.ground is None or route.access is Access.PUBLIC:
            return await route.handler(call)
        return await _on(api.ground, route, call)

    def _admit(self, api: Api, route: Route, request: Request, pieces: list[str]) -> Identity:
        if route.access is Access.PUBLIC:
            return ANONYMOUS
        identity = self._identify(api, request, pieces)
        if identity is None or (route.access is Access.LOGIN and not identity.logged_in):
            raise HttpError(401, headers={"www-authenticate": "Bearer"})
        if route.access is Access.WRITE and not identity.role.writes:
            raise HttpError(403, f"The role {identity.role.value} may not change anything")
        if route.access in (Access.ADMIN, Access.LOGIN) and identity.role.value != "Administrator":
            raise HttpError(403, "Only an administrator may do this")
        return identity

    def _identify(self, api: Api, connection: HTTPConnection, pieces: list[str]) -> Identity | None:
        host = connection.client.host if connection.client else ""
        token = connection.query_params.get("access_token") if _fits(pieces, api.token_in_query) else None
        return self._authenticator().identify(connection.headers, host, token)

    def _place(self, connection: HTTPConnection) -> tuple[Api | None, list[str] | None]:
        raw = connection.scope.get("raw_path") or connection.scope["path"].encode()
        pieces = segments(raw, self._base())
        if pieces is None:
            return None, None
        for api in self._apis:
            if tuple(piece.lower() for piece in pieces[: len(api.prefix)]) == api.prefix:
                return api, pieces[len(api.prefix) :]
        return None, None

    # -- WebSockets

    async def _serve_socket(self, socket: WebSocket) -> None:
        api, pieces = self._place(socket)
        handler = api.streams.get(tuple(pieces)) if api is not None and pieces is not None else None
        try:
            self._check_origin(socket)
        except HttpError:
            handler = None
        if handler is None or api is None or pieces is None or self._identify(api, socket, pieces) is None:
            # Refused before it is accepted: the caller sees 403.
            await socket.close(1008)
            return
        try:
            await handler(socket)
        except Exception:
            logger.exception("a WebSocket failed in a way nobody foresaw")

    # -- other pages, and headers

    def _check_origin(self, connection: HTTPConnection) -> None:
        if self._authenticator().enabled:
            return
        host = connection.headers.get("host", "")
        if self._local_only() and _name(host) not in LOCAL_NAMES:
            raise HttpError(403, "Without authentication only requests to localhost are answered")
        origin = connection.headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            raise HttpError(403, "Without authentication other web pages are not answered")
        if connection.headers.get("sec-fetch-site") == "cross-site":
            raise HttpError(403, "Without authentication other web pages are not answered")

    def _finish(self, request: Request, response: Response) -> None:
        headers = response.headers
        for name, value in SECURITY.items():
            headers.setdefault(name, value)
        api: Api | None = request.scope.get("soulmesh.api")
        if api is not None:
            for name, value in api.headers.items():
                headers.setdefault(name, value)
        headers.setdefault("cache-control", "no-store")
        origin = request.headers.get("origin")
        if origin and self._authenticator().enabled and api is not None and api.prefix[:1] == ("api",):
            headers["access-control-allow-origin"] = origin
            headers["access-control-allow-credentials"] = "true"
            headers["access-control-expose-headers"] = "X-URL-Base, X-Total-Count, ETag, Retry-After"
            headers.add_vary_header("Origin")
            if request.method == "OPTIONS":
                wanted = request.headers.get("access-control-request-headers", "")
                headers["access-control-allow-methods"] = "GET, HEAD, POST, PUT, PATCH, DELETE"
                headers["access-control-allow-headers"] = wanted or "*"
                headers["access-control-max-age"] = "600"


async def _on(ground: Ground, route: Route, call: Call) -> Response:
    """Serve a request; one that fails since its ground was replaced meanwhile is told to come again."""
    count = await ground.steady()
    try:
        return await route.handler(call)
    except HttpError:
        raise
    except Exception:
        if ground.count == count:
            raise
    except asyncio.CancelledError:
        # What it waited for belonged to the old client; or it is the request itself that is cancelled.
        task = asyncio.current_task()
        if ground.count == count or task is None or task.cancelling():
            raise
    raise ground.refusal()


def _fits(pieces: list[str], patterns: frozenset[tuple[str, ...]]) -> bool:
    return any(
        len(pieces) == len(pattern)
        and all(known in ("*", piece.lower()) for known, piece in zip(pattern, pieces, strict=True))
        for pattern in patterns
    )


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower()
