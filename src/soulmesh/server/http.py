"""The HTTP administration port: JSON for programs, /metrics for Prometheus, /health for supervisors.

Off unless ``admin.http_port`` or ``admin.http_token`` is set. Everything but /health needs the token of
the settings (``Authorization: Bearer TOKEN``). What can be asked is what
:class:`soulmesh.server.admin.Admin` can do, and nothing else.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from soulmesh import log
from soulmesh.errors import ConfigError, NotFound, SoulmeshError, UsageError
from soulmesh.server.admin import Admin, CommandFailed
from soulmesh.server.settings import AdminSection

__all__ = ["AdminHttp"]

LONGEST_HEAD = 16384
LONGEST_BODY = 65536
PATIENCE = 10.0

_LISTS = {
    "users": ["user", "list"],
    "rooms": ["room", "list"],
    "online": ["online"],
    "bans": ["bans"],
    "mutes": ["mutes"],
    "audit": ["audit"],
    "status": ["status"],
    "phrases": ["phrases", "list"],
    "commands": ["help"],
}
_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}

Reply = tuple[int, str, bytes]


class AdminHttp:
    """See the module. ``health`` gives what is wrong, or ``None``; ``metrics`` the page for Prometheus."""

    def __init__(
        self,
        admin: Admin,
        settings: AdminSection,
        health: Callable[[], str | None],
        metrics: Callable[[], bytes],
    ) -> None:
        self._admin = admin
        self._settings = settings
        self._health = health
        self._metrics = metrics
        self._server: asyncio.Server | None = None
        self._log = log.get("server.http")
        self.port = 0

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: there is a port and no token.
        """
        if not self._settings.http_token:
            raise ConfigError(
                "admin.http_port is set and admin.http_token is not: anybody could administrate"
            )
        self._server = await asyncio.start_server(
            self._serve, self._settings.http_host, self._settings.http_port, limit=LONGEST_HEAD
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._log.info("administration port open", host=self._settings.http_host, port=self.port)

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                status, kind, body = await self._reply(reader)
                head = (
                    f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\n"
                    f"Content-Length: {len(body)}\r\nConnection: close\r\nCache-Control: no-store\r\n\r\n"
                )
                writer.write(head.encode() + body)
                await writer.drain()
        except (ConnectionError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    async def _reply(self, reader: asyncio.StreamReader) -> Reply:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        words = head[0].split(" ")
        if len(words) != 3 or not words[2].startswith("HTTP/1."):
            return _json(400, {"error": "not HTTP"})
        method, target = words[0], words[1]
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (line.partition(":") for line in head[1:])
            if name
        }
        length = headers.get("content-length", "0")
        if not re.fullmatch("[0-9]{1,9}", length) or int(length) > LONGEST_BODY:
            return _json(413, {"error": "the body is too long"})
        body = await reader.readexactly(int(length))
        try:
            url = urlsplit(target)
        except ValueError:
            return _json(400, {"error": "no address"})
        parts = [unquote(part) for part in url.path.split("/") if part]
        if parts == ["health"]:
            fault = self._health()
            return (
                _json(200, {"healthy": True})
                if fault is None
                else _json(503, {"healthy": False, "why": fault})
            )
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            given = ""
        if not hmac.compare_digest(given.strip().encode(), self._settings.http_token.encode()):
            return _json(401, {"error": "the token is missing or wrong"})
        if parts == ["metrics"]:
            return 200, "text/plain; version=0.0.4; charset=utf-8", self._metrics()
        try:
            return await self._command(method, parts, parse_qs(url.query), body)
        except NotFound as error:
            return _json(404, {"error": str(error)})
        except CommandFailed as error:
            return _json(500, {"error": str(error)})
        except SoulmeshError as error:
            return _json(400, {"error": str(error)})

    async def _command(
        self, method: str, parts: list[str], query: dict[str, list[str]], body: bytes
    ) -> Reply:
        if parts == ["command"]:
            if method != "POST":
                return _json(405, {"error": "POST a command"})
            try:
                words = json.loads(body)["words"]
            except (ValueError, KeyError, TypeError):
                raise UsageError('the body must be {"words": ["user", "list"]}') from None
            if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
                raise UsageError("words must be a list of texts")
        elif method != "GET":
            return _json(405, {"error": "only /command takes anything but GET"})
        elif len(parts) == 1 and parts[0] in _LISTS:
            words = _LISTS[parts[0]] + query.get("part", []) + query.get("count", [])
        elif len(parts) == 2 and parts[0] in ("users", "rooms"):
            words = [parts[0].removesuffix("s"), "show", "--", parts[1]]
        else:
            raise NotFound("no such page; there are /health, /metrics, /command, /" + ", /".join(_LISTS))
        answer = await self._admin.run("http", words)
        return _json(200, {"lines": answer.lines, "data": answer.data})


def _json(status: int, value: Any) -> Reply:
    return status, "application/json", json.dumps(value, ensure_ascii=False).encode() + b"\n"
