"""A running daemon, from Python and from the commands.

::

    async with Daemon("http://127.0.0.1:5030", key) as daemon:
        search = await daemon.searches.begin("artist album")
        async for told in daemon.events(kinds=["search", "transfer"]):
            ...

What can be done stands in parts by subject: ``daemon.searches``, ``filters``, ``transfers``,
``batches``, ``goals``, ``wishes``, ``users``, ``interests``, ``rooms``, ``chat``, ``shares`` and
``settings``; see :mod:`soulmesh.daemon.remote.parts`. ``daemon.ask`` reaches any operation.
"""

from __future__ import annotations

import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import httpx

from soulmesh.daemon.remote import parts
from soulmesh.daemon.remote.parts.common import q
from soulmesh.errors import NetworkError, NotFound, Refused, SoulmeshError, UsageError

__all__ = [
    "PLACE_FILE",
    "Daemon",
    "DaemonRefused",
    "DaemonUnreachable",
    "NotThere",
    "Place",
    "RequestRefused",
    "Told",
    "find",
]

PLACE_FILE = "daemon.json"
PATIENCE = 240.0
"""Seconds in which a daemon answers: it may have to ask a user for a folder, and for all that is shared."""


class DaemonUnreachable(NetworkError):
    """There is no daemon, or it does not answer."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(url, reason)
        self.url = url
        self.reason = reason

    hint = "start one with `soulmesh daemon`, or leave --daemon out"

    def __str__(self) -> str:
        return f"the daemon at {self.url} cannot be reached: {self.reason}"


class DaemonRefused(Refused):
    """The daemon answered with a problem; ``wait`` are seconds until it may do, if it said so."""

    def __init__(self, status: int, detail: str, wait: float | None = None) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail
        self.wait = wait

    def __str__(self) -> str:
        return self.detail or f"the daemon answered {self.status}"


class RequestRefused(DaemonRefused, UsageError):
    """What was asked for makes no sense: 400 or 422."""


class DaemonCannot(NetworkError):
    """The daemon would, but cannot reach whom it has to ask: 503 or 504."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(status, detail)
        self.status = status
        self.detail = detail

    def __str__(self) -> str:
        return self.detail or f"the daemon answered {self.status}"


class NotThere(NotFound):
    """The daemon knows nothing of that."""


@dataclass(frozen=True, slots=True)
class Told:
    """One event of the stream."""

    id: str
    kind: str
    data: Any


@dataclass(frozen=True)
class Place:
    """Where a daemon is."""

    url: str
    key: str
    certificate: str | None = None
    """The PEM text of its certificate, with HTTPS: this one is trusted, whatever name stands in it."""

    def __repr__(self) -> str:
        return f"Place({self.url!r})"


def find(data: Path) -> Place | None:
    """The daemon that uses this data folder, if one runs there (or seems to)."""
    try:
        found = json.loads((data / PLACE_FILE).read_text(encoding="utf-8"))
        certificate = found.get("certificate")
        return Place(str(found["url"]), str(found["key"]), str(certificate) if certificate else None)
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Daemon:
    """The API ``/api/v1`` of a daemon. Use it with ``async with``.

    Args:
        url: where it is, with the base path if it has one.
        key: an API key.
        certificate: the PEM text of the daemon's certificate, with HTTPS: no other one is trusted then, and
            the name in it does not matter. Without it certificates are trusted as the system does.

    Raises:
        DaemonUnreachable: the certificate is none.
    """

    def __init__(
        self,
        url: str,
        key: str | None = None,
        *,
        certificate: str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        headers = {"X-API-Key": key} if key else {}
        self._http = httpx.AsyncClient(
            base_url=f"{self.url}/api/v1",
            headers=headers,
            timeout=httpx.Timeout(90.0, read=PATIENCE),
            transport=transport,
            trust_env=False,
            verify=True if certificate is None else self._trusting(certificate),
        )
        self.searches = parts.Searches(self)
        self.filters = parts.Filters(self)
        self.transfers = parts.Transfers(self)
        self.batches = parts.Batches(self)
        self.goals = parts.Goals(self)
        self.wishes = parts.Wishes(self)
        self.users = parts.Users(self)
        self.interests = parts.Interests(self)
        self.rooms = parts.Rooms(self)
        self.chat = parts.Chat(self)
        self.shares = parts.Shares(self)
        self.settings = parts.Settings(self)

    def _trusting(self, certificate: str) -> ssl.SSLContext:
        try:
            context = ssl.create_default_context(cadata=certificate)
        except (ssl.SSLError, ValueError) as error:
            raise DaemonUnreachable(self.url, f"its certificate cannot be read: {error}") from None
        # It is at 127.0.0.1 and has the name of a host; and who signed it, others may know.
        context.check_hostname = False
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        return context

    @classmethod
    def at(cls, place: Place) -> Self:
        """The daemon at a place that :func:`find` has found."""
        return cls(place.url, place.key, certificate=place.certificate)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()

    async def ask(self, method: str, path: str, /, body: Any = None, **query: Any) -> Any:
        """Any operation; the answer as it came, ``None`` for an empty one.

        Raises:
            DaemonUnreachable: it does not answer.
            NotThere: 404.
            DaemonCannot: 503 or 504, the server or a user does not answer.
            RequestRefused: 400 or 422, the request makes no sense.
            DaemonRefused: any other problem.
        """
        given = {name: value for name, value in query.items() if value is not None}
        response = await self._send(method, path, json=body, params=given)
        return response.json() if response.content else None

    async def _send(self, method: str, path: str, **more: Any) -> httpx.Response:
        try:
            response = await self._http.request(method, path, **more)
        except httpx.HTTPError as error:
            raise DaemonUnreachable(self.url, str(error) or type(error).__name__) from None
        _check(response)
        return response

    # -- the daemon

    async def status(self) -> dict[str, Any]:
        """The whole of it at a glance."""
        found: dict[str, Any] = await self.ask("GET", "/status")
        return found

    async def who(self) -> dict[str, Any]:
        """Who we are to it: ``name``, ``role``, and whether there is a login."""
        found: dict[str, Any] = await self.ask("GET", "/session")
        return found

    async def log_in(self, username: str, password: str) -> None:
        """Log in by name and password, instead of with a key."""
        found = await self.ask("POST", "/session", {"username": username, "password": password})
        self._http.headers["Authorization"] = f"Bearer {found['token']}"

    async def diagnosis(self) -> list[dict[str, Any]]:
        """What the doctor finds."""
        found: list[dict[str, Any]] = (await self.ask("GET", "/diagnosis"))["items"]
        return found

    async def governor(self) -> list[dict[str, Any]]:
        """How often what may be asked, and seconds until the next time."""
        found: list[dict[str, Any]] = (await self.ask("GET", "/governor"))["items"]
        return found

    async def statistics(self) -> dict[str, float]:
        """Numbers by name."""
        found: dict[str, float] = (await self.ask("GET", "/statistics"))["items"]
        return found

    async def speeds(self, span: str = "minutes") -> dict[str, Any]:
        """Speeds over the last ``minutes`` or the last ``day``: ``step`` seconds, ``items``."""
        found: dict[str, Any] = await self.ask("GET", "/statistics/speeds", span=span)
        return found

    async def tree(self) -> dict[str, Any]:
        """The distributed network around it."""
        found: dict[str, Any] = await self.ask("GET", "/tree")
        return found

    def logs(self) -> AsyncIterator[dict[str, Any]]:
        """Recent lines of its log, oldest first."""
        return self.pages("/logs", limit=1000)

    def happened(self) -> AsyncIterator[dict[str, Any]]:
        """What webhooks and scripts were told, newest first."""
        return self.pages("/log/events", limit=1000)

    async def deliveries(self) -> dict[str, Any]:
        """What webhooks and scripts were not told yet (``items``), and how much they were."""
        found: dict[str, Any] = await self.ask("GET", "/deliveries", limit=1000)
        place = found["next"]
        while place is not None:
            more = await self.ask("GET", "/deliveries", limit=1000, cursor=place)
            found["items"] += more["items"]
            place = more["next"]
        return found

    async def content(self, transfer: str, *, first: int = 0, last: int | None = None) -> bytes:
        """Bytes ``first`` to ``last`` of a download, as far as they are there."""
        text = f"bytes={first}-{'' if last is None else last}"
        return await self._bytes(f"/transfers/{q(transfer)}/content", {"Range": text})

    async def picture(self, username: str) -> bytes:
        """The picture that a user shows; raises :class:`NotThere` without one."""
        return await self._bytes(f"/users/{q(username)}/picture", {})

    async def _bytes(self, path: str, headers: dict[str, str]) -> bytes:
        response = await self._send("GET", path, headers=headers)
        return response.content

    async def pages(self, path: str, /, **query: Any) -> AsyncIterator[dict[str, Any]]:
        """All items of a list, page by page."""
        cursor: str | None = None
        while True:
            found = await self.ask("GET", path, cursor=cursor, **query)
            for item in found["items"]:
                yield item
            following = found.get("next")
            if following is None or following == cursor or not found["items"]:
                return
            cursor = following

    # -- events

    async def events(
        self,
        *,
        kinds: Iterable[str] | None = None,
        after: str | None = None,
        listening: Callable[[], None] = lambda: None,
    ) -> AsyncIterator[Told]:
        """What happens, from now on or after an event that was seen; ends when the daemon does.

        Args:
            listening: called once nothing that happens is missed any more.
        """
        query = {"kinds": ",".join(kinds) if kinds is not None else None, "after": after}
        given = {name: value for name, value in query.items() if value is not None}
        try:
            async with self._http.stream("GET", "/events", params=given, timeout=None) as response:
                if response.is_error:
                    await response.aread()
                _check(response)
                listening()
                fields: dict[str, str] = {}
                async for line in response.aiter_lines():
                    if line:
                        name, _, value = line.partition(":")
                        fields[name] = value.removeprefix(" ")
                    elif "data" in fields:
                        yield Told(fields.get("id", ""), fields.get("event", ""), json.loads(fields["data"]))
                        fields = {}
                    else:
                        fields = {}
        except httpx.HTTPError as error:
            raise DaemonUnreachable(self.url, str(error) or type(error).__name__) from None


def _check(response: httpx.Response) -> None:
    if not response.is_error:
        return
    found: dict[str, Any] = {}
    with contextlib.suppress(ValueError):
        if isinstance(body := response.json(), dict):
            found = body
    error = _problem(response, str(found.get("detail") or found.get("title") or ""))
    error.hint = str(found["hint"]) if "hint" in found else None
    raise error


def _problem(response: httpx.Response, detail: str) -> SoulmeshError:
    status = response.status_code
    if status == 404:
        return NotThere(detail or "not found")
    if status in (503, 504):
        return DaemonCannot(status, detail)
    if status in (400, 422):
        return RequestRefused(status, detail)
    wait = response.headers.get("retry-after", "")
    return DaemonRefused(status, detail, float(wait) if wait.isdigit() else None)
