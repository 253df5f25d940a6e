"""A running daemon, from Python and from the commands.

::

    async with Daemon("http://127.0.0.1:5030", key) as daemon:
        search = await daemon.search("artist album")
        async for told in daemon.events(kinds=["transfer"]):
            ...
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx

from soulmesh.errors import NetworkError, NotFound, Refused

__all__ = ["Daemon", "DaemonRefused", "DaemonUnreachable", "Told", "find"]

PLACE_FILE = "daemon.json"


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

    def __repr__(self) -> str:
        return f"Place({self.url!r})"


def find(data: Path) -> Place | None:
    """The daemon that uses this data folder, if one runs there (or seems to)."""
    try:
        found = json.loads((data / PLACE_FILE).read_text(encoding="utf-8"))
        return Place(str(found["url"]), str(found["key"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


class Daemon:
    """The API ``/api/v1`` of a daemon. Use it with ``async with``.

    Args:
        url: where it is, with the base path if it has one.
        key: an API key.
    """

    def __init__(
        self, url: str, key: str | None = None, *, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self.url = url.rstrip("/")
        headers = {"X-API-Key": key} if key else {}
        self._http = httpx.AsyncClient(
            base_url=f"{self.url}/api/v1", headers=headers, timeout=90.0, transport=transport, trust_env=False
        )

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
            DaemonRefused: any other problem.
        """
        given = {name: value for name, value in query.items() if value is not None}
        try:
            response = await self._http.request(method, path, json=body, params=given)
        except httpx.HTTPError as error:
            raise DaemonUnreachable(self.url, str(error) or type(error).__name__) from None
        _check(response)
        return response.json() if response.content else None

    # -- the daemon

    async def status(self) -> dict[str, Any]:
        """The whole of it at a glance."""
        found: dict[str, Any] = await self.ask("GET", "/status")
        return found

    async def diagnosis(self) -> list[dict[str, Any]]:
        """What the doctor finds."""
        found: list[dict[str, Any]] = (await self.ask("GET", "/diagnosis"))["items"]
        return found

    # -- searching

    async def search(self, text: str, *, silence: float = 15.0) -> dict[str, Any]:
        """Begin a search; raises :class:`DaemonRefused` with ``wait`` when it is too soon."""
        found: dict[str, Any] = await self.ask("POST", "/searches", {"text": text, "silence": silence})
        return found

    async def results(self, search: str) -> AsyncIterator[dict[str, Any]]:
        """The answers that there are by now."""
        async for item in self.pages(f"/searches/{search}/results"):
            yield item

    async def pages(self, path: str, **query: Any) -> AsyncIterator[dict[str, Any]]:
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

    # -- transfers

    async def download(
        self, username: str, files: Iterable[tuple[str, int]], *, destination: str | None = None
    ) -> dict[str, Any]:
        """Want files of a user: (remote path, size) each."""
        body: dict[str, Any] = {
            "username": username,
            "files": [{"path": path, "size": size} for path, size in files],
        }
        if destination is not None:
            body["destination"] = destination
        found: dict[str, Any] = await self.ask("POST", "/downloads", body)
        return found

    async def transfer(self, key: str) -> dict[str, Any]:
        """One transfer."""
        found: dict[str, Any] = await self.ask("GET", f"/transfers/{key}")
        return found

    async def why(self, key: str) -> dict[str, Any]:
        """Why it is where it is."""
        found: dict[str, Any] = await self.ask("GET", f"/transfers/{key}/why")
        return found

    # -- people

    async def say(self, username: str, text: str) -> None:
        """A private message."""
        await self.ask("POST", f"/conversations/{quote(username, safe='')}/messages", {"text": text})

    # -- events

    async def events(
        self, *, kinds: Iterable[str] | None = None, after: str | None = None
    ) -> AsyncIterator[Told]:
        """What happens, from now on or after an event that was seen; ends when the daemon does."""
        query = {"kinds": ",".join(kinds) if kinds is not None else None, "after": after}
        given = {name: value for name, value in query.items() if value is not None}
        try:
            async with self._http.stream("GET", "/events", params=given, timeout=None) as response:
                if response.is_error:
                    await response.aread()
                _check(response)
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
    detail = ""
    try:
        found = response.json()
        detail = str(found.get("detail") or found.get("title") or "")
    except (ValueError, AttributeError):
        pass
    if response.status_code == 404:
        raise NotThere(detail or "not found")
    wait = response.headers.get("retry-after", "")
    raise DaemonRefused(response.status_code, detail, float(wait) if wait.isdigit() else None)
