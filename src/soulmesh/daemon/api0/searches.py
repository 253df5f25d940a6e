"""``/searches``."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.responses import Response

from soulmesh.daemon.http.call import Call, guid
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.replies import empty, pieces, reply
from soulmesh.daemon.http.routing import Access, Route
from soulmesh.daemon.searching import SearchRequest
from soulmesh.daemon.service import Service
from soulmesh.daemon.written import to_json

__all__ = ["routes"]

LONGEST_TEXT = 1000
SHORTEST_SILENCE = 5
LONGEST_SILENCE = 24 * 3600 * 1000


def array(bodies: Iterable[bytes]) -> list[bytes]:
    """Bodies as one JSON array, in pieces."""
    parts = [b"["]
    for number, body in enumerate(bodies):
        if number:
            parts.append(b",")
        parts.append(body)
    parts.append(b"]")
    return parts


class SearchPaths:
    """The handlers."""

    def __init__(self, service: Service) -> None:
        self._desk = service.searches

    async def start(self, call: Call) -> Response:
        """``POST /searches``."""
        body = await call.properties()
        text = (body.text("searchText") or "").strip()
        if not text:
            raise HttpError(400, "SearchText may not be null or empty")
        if len(text) > LONGEST_TEXT:
            raise HttpError(400, f"SearchText may have at most {LONGEST_TEXT} characters")
        if all(word.startswith("-") for word in text.split()) or not any(c.isalnum() for c in text):
            raise HttpError(400, "SearchText holds nothing that can be searched for")
        wanted = body.get("id")
        key = guid(wanted) if wanted not in (None, "") else None
        if wanted not in (None, "") and key is None:
            raise HttpError(400, "Id is no GUID")
        request = SearchRequest(
            text,
            key,
            silence=_at_least(body.integer("searchTimeout"), SHORTEST_SILENCE, 15_000, "SearchTimeout")
            / 1000,
            response_limit=_at_least(body.integer("responseLimit"), 1, 250, "ResponseLimit"),
            file_limit=_at_least(body.integer("fileLimit"), 1, 25_000, "FileLimit"),
            filter=body.boolean("filterResponses") is not False,
            minimum_files=_at_least(
                body.integer("minimumResponseFileCount"), 0, 1, "MinimumResponseFileCount"
            ),
            maximum_queue=_optional(body.integer("maximumPeerQueueLength"), "MaximumPeerQueueLength"),
            minimum_speed=_at_least(body.integer("minimumPeerUploadSpeed"), 0, 0, "MinimumPeerUploadSpeed"),
        )
        record = await self._desk.start(request)
        return reply(to_json(record.form()))

    async def all(self, call: Call) -> Response:
        """``GET /searches``."""
        return pieces(array(one.body for one in await self._desk.all()))

    async def one(self, call: Call) -> Response:
        """``GET /searches/{id}``."""
        key = _known(call)
        found = await self._desk.get(key)
        if found is None:
            raise HttpError(404)
        if not call.flag("includeResponses"):
            return reply(found.body)
        responses = await self._desk.responses(key) or []
        # The body was written by us: its empty list is where the responses belong.
        before, _, after = found.body.partition(b'"responses":[]')
        return pieces([before, b'"responses":', *array(responses), after])

    async def responses(self, call: Call) -> Response:
        """``GET /searches/{id}/responses``."""
        found = await self._desk.responses(_known(call))
        if found is None:
            raise HttpError(404)
        return pieces(array(found))

    async def stop(self, call: Call) -> Response:
        """``PUT /searches/{id}``."""
        if not await self._desk.stop(_known(call)):
            raise HttpError(404)
        return empty()

    async def delete(self, call: Call) -> Response:
        """``DELETE /searches/{id}``."""
        if not await self._desk.delete(_known(call)):
            raise HttpError(404)
        return empty(204)


def _known(call: Call) -> str:
    """The id of the path; a malformed one is an unknown one."""
    key = guid(call.path["id"])
    if key is None:
        raise HttpError(404)
    return key


def _at_least(value: int | None, least: int, default: int, name: str) -> int:
    if value is None:
        return default
    if value < least:
        raise HttpError(400, f"{name} must be at least {least}")
    return min(value, LONGEST_SILENCE) if name == "SearchTimeout" else value


def _optional(value: int | None, name: str) -> int | None:
    if value is not None and value < 0:
        raise HttpError(400, f"{name} must be at least 0")
    return value


def routes(service: Service) -> list[Route]:
    """What is served here."""
    paths = SearchPaths(service)
    return [
        Route("POST", "/searches", paths.start, Access.WRITE),
        Route("GET", "/searches", paths.all),
        Route("GET", "/searches/{id}", paths.one),
        Route("GET", "/searches/{id}/responses", paths.responses),
        Route("PUT", "/searches/{id}", paths.stop, Access.WRITE),
        Route("DELETE", "/searches/{id}", paths.delete, Access.WRITE),
    ]
