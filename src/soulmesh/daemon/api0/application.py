"""``/application``, ``/server``, ``/session``: the daemon itself, its link to the server, and logins."""

from __future__ import annotations

import asyncio
import math
from typing import Any

from starlette.responses import Response

from soulmesh.daemon.api0.shapes import figures_form, server_form, status_form
from soulmesh.daemon.http.auth import Attempts
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.replies import empty, form, instant, reply
from soulmesh.daemon.http.routing import Access, Route
from soulmesh.daemon.service import COMPATIBLE, Service, full_version

__all__ = ["routes"]


def version_form() -> dict[str, Any]:
    """Who we are. We look for no newer version anywhere, so there is none to tell of."""
    return {
        "full": full_version(),
        "current": COMPATIBLE,
        "latest": COMPATIBLE,
        "isUpdateAvailable": False,
        "isCanary": False,
        "isDevelopment": False,
    }


def state_form(service: Service) -> dict[str, Any]:
    """The whole state."""
    engine = service.engine
    link, tree, shares = engine.link, engine.tree, engine.shares
    connecting = link.wanted and not link.logged_in
    return {
        "version": version_form(),
        "pendingReconnect": service.pending_reconnect,
        "pendingRestart": service.pending_restart,
        "server": server_form(link),
        "connectionWatchdog": form(
            isEnabled=connecting,
            isAttemptingConnection=connecting and link.state != "Disconnected",
            isAwaitingVpn=False,
            nextAttemptAt=instant(link.next_attempt),
        ),
        "vpn": {"isReady": False, "isConnected": False},
        "relay": {"mode": "Controller", "controller": {"state": "Disconnected"}},
        "health": {"search": {"incoming": {"latency": 0, "queueDepth": 0, "dropRate": 0}}},
        "user": form(
            username=link.username,
            privileges={
                "isPrivileged": engine.privileged_seconds > 0,
                "privilegesRemaining": engine.privileged_seconds,
            },
            statistics=figures_form(engine.figures),
        ),
        "distributedNetwork": form(
            branchLevel=tree.level,
            branchRoot=tree.root,
            canAcceptChildren=len(tree.children) < tree.most_children,
            childLimit=tree.most_children,
            children=list(tree.children),
            hasParent=tree.parent is not None,
            isBranchRoot=tree.parent is None and link.logged_in,
            parent=tree.parent,
        ),
        "shares": {
            "scanPending": shares.pending,
            "scanning": shares.scanning,
            "ready": shares.ready,
            "faulted": shares.faulted,
            "cancelled": shares.cancelled,
            "scanProgress": shares.progress,
            "hosts": ["local"],
            "directories": shares.folders,
            "files": shares.files,
        },
        "rooms": engine.rooms(),
        "users": [
            {
                "username": username,
                "group": "default",
                "statistics": figures_form(figures),
                "status": status_form(status),
            }
            for username, status, figures in engine.watched()
        ],
    }


class ApplicationPaths:
    """The handlers."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._engine = service.engine
        self._attempts = Attempts(asyncio.get_running_loop().time)

    async def state(self, _call: Call) -> Response:
        """``GET /application``."""
        return reply(state_form(self._service))

    async def version(self, _call: Call) -> Response:
        """``GET /application/version``."""
        return reply(COMPATIBLE)

    async def latest(self, _call: Call) -> Response:
        """``GET /application/version/latest``."""
        return reply(version_form())

    async def restart(self, _call: Call) -> Response:
        """``PUT /application``."""
        asyncio.get_running_loop().call_later(0.2, self._service.restart, True)
        return empty(204)

    async def shut_down(self, _call: Call) -> Response:
        """``DELETE /application``."""
        asyncio.get_running_loop().call_later(0.2, self._service.restart, False)
        return empty(204)

    async def collect(self, _call: Call) -> Response:
        """``POST /application/gc``: nothing needs it here."""
        return empty(200)

    async def loopback(self, call: Call) -> Response:
        """``POST /application/loopback``: takes any body."""
        await call.body(1 << 20)
        return empty(200)

    async def server(self, _call: Call) -> Response:
        """``GET /server``."""
        return reply(server_form(self._engine.link))

    async def connect(self, _call: Call) -> Response:
        """``PUT /server``: does not wait for the login."""
        return empty(200 if self._engine.connect() else 205)

    async def disconnect(self, call: Call) -> Response:
        """``DELETE /server``."""
        await call.quoted()
        await self._engine.disconnect()
        return empty(204)

    async def session(self, _call: Call) -> Response:
        """``GET /session``: whether the credential is valid; who got here has one."""
        return empty(200)

    async def session_enabled(self, _call: Call) -> Response:
        """``GET /session/enabled``."""
        return reply(self._service.authenticator.enabled)

    async def log_in(self, call: Call) -> Response:
        """``POST /session``."""
        authenticator = self._service.authenticator
        authenticator.require_login()
        body = await call.properties()
        username, password = body.text("username"), body.text("password")
        if not (username or "").strip() or not (password or "").strip():
            raise HttpError(400, "Username and password are required")
        host = call.request.client.host if call.request.client else ""
        wait = self._attempts.wait(host)
        if wait > 0:
            seconds = str(math.ceil(wait))
            raise HttpError(429, f"Too many failed logins; wait {seconds} s", {"retry-after": seconds})
        found = authenticator.log_in(username or "", password or "")
        if found is None:
            self._attempts.failed(host)
            raise HttpError(401)
        self._attempts.succeeded(host)
        return reply(found)


def routes(service: Service) -> list[Route]:
    """What is served here."""
    paths = ApplicationPaths(service)
    return [
        Route("GET", "/application", paths.state),
        Route("GET", "/application/version", paths.version),
        Route("GET", "/application/version/latest", paths.latest),
        Route("PUT", "/application", paths.restart, Access.LOGIN),
        Route("DELETE", "/application", paths.shut_down, Access.LOGIN),
        Route("POST", "/application/gc", paths.collect, Access.WRITE),
        Route("POST", "/application/loopback", paths.loopback, Access.WRITE),
        Route("GET", "/server", paths.server),
        # Not in slskd; one consumer asks, and is the better for an answer.
        Route("GET", "/server/state", paths.server),
        Route("PUT", "/server", paths.connect, Access.WRITE),
        Route("DELETE", "/server", paths.disconnect, Access.WRITE),
        Route("GET", "/session", paths.session),
        Route("GET", "/session/enabled", paths.session_enabled, Access.PUBLIC),
        Route("POST", "/session", paths.log_in, Access.PUBLIC),
    ]
