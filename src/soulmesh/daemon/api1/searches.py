"""Searches over ``/api/v1``: begin, look at what came in any order and grouping, filters with a name."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from soulmesh.client.filters import Filter, FilterError
from soulmesh.client.results import Remembered
from soulmesh.daemon.api1 import models
from soulmesh.daemon.api1.common import client_of
from soulmesh.daemon.api1.operations import Body, Operation, Page, Part, Query, cursor, read_cursor
from soulmesh.daemon.engine import ClientEngine
from soulmesh.daemon.http.call import Call, guid
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.routing import Access
from soulmesh.daemon.ports import Withheld
from soulmesh.daemon.searching import SearchBody, SearchRequest
from soulmesh.daemon.service import Service
from soulmesh.daemon.views import ResultViews
from soulmesh.daemon.written import to_json

__all__ = ["operations"]

Order = Literal[
    "arrival",
    "name",
    "path",
    "size",
    "bitrate",
    "length",
    "speed",
    "queue",
    "user",
    "expected",
    "files",
]


class FilePage(Page):
    """Which files of a search, and how."""

    filter: Annotated[str, StringConstraints(max_length=1000)] = ""
    """In the language of filters: ``flac size>10mb free``; ``@NAME`` is one that is saved."""
    sort: Order = "arrival"
    order: Literal["asc", "desc"] = "asc"
    group: Literal["none", "folder", "user"] = "none"
    offset: Annotated[int, Field(ge=0, le=10_000_000)] | None = None
    """Where to begin, instead of a cursor: lists on a screen are looked into anywhere."""


class FoundFiles(BaseModel):
    """Files of a search, or groups of them."""

    items: list[Any]
    total: int
    """Rows that pass the filter."""
    hits: int
    """Files that pass the filter."""
    all: int
    """Files that have come."""
    version: int
    """Grows with the answers."""
    next: str | None = None


class MatchQuery(Query):
    """Which files pass."""

    filter: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    """In the language of filters."""
    offset: Annotated[int, Field(ge=0, le=10_000_000)] = 0
    """Files before this one are not looked at."""


class Matches(BaseModel):
    """Which files pass a filter."""

    matches: list[int]
    """Numbers from 0, in the order of arrival."""
    start: int
    end: int
    """Files from ``start`` to before ``end`` were looked at."""


class FilterText(Body):
    """A filter."""

    text: Annotated[str, StringConstraints(max_length=1000)]


class SavedFilter(BaseModel):
    """A filter with a name."""

    name: str
    text: str


class SavedFilters(BaseModel):
    """All of them."""

    items: list[SavedFilter]
    next: str | None = None


class Checked(BaseModel):
    """Whether a filter can be read; ``position`` counts from 0."""

    valid: bool
    problem: str | None = None
    position: int | None = None


def _search(known: SearchBody) -> dict[str, Any]:
    """A stored search, in the words of this API."""
    found = json.loads(known.body)
    return {
        "id": found["id"],
        "text": found["searchText"],
        "state": found["state"],
        "complete": found["isComplete"],
        "responses": found["responseCount"],
        "files": found["fileCount"],
        "locked_files": found["lockedFileCount"],
        "started": found["startedAt"],
        "ended": found.get("endedAt"),
        "withheld": asdict(Withheld(**json.loads(known.withheld))),
    }


class _Searches:
    """The work."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._desk = service.searches
        self._views = ResultViews(service.searches, self._memory, self._filter)

    def _filter(self, text: str) -> Filter:
        """A filter, or ``@NAME`` for one that is saved."""
        if not text.startswith("@"):
            return Filter.parse(text)
        return client_of(self._service).filters.read(text)

    def _memory(self, username: str) -> Remembered:
        engine = self._service.engine
        if not isinstance(engine, ClientEngine):
            return Remembered()
        return engine.client.users.memory(username)

    async def begin(self, _call: Call, _query: None, body: models.NewSearch) -> dict[str, Any]:
        text = body.text.strip()
        # What else is wrong with a query is known where it is sent.
        if text and not any(character.isalnum() for character in text):
            raise HttpError(422, "body.text: nothing to search for")
        if body.username is not None and body.room is not None:
            raise HttpError(422, "body.room: either a user or a room")
        request = SearchRequest(
            text,
            username=body.username,
            room=body.room,
            silence=body.silence,
            response_limit=body.response_limit,
            file_limit=body.file_limit,
            filter=False,
        )
        record = await self._desk.start(request)
        return _search(record.written())

    async def all(self, _call: Call, query: Page, _body: None) -> dict[str, Any]:
        place = read_cursor(query.cursor, int)
        start = max(0, place[0]) if place else 0
        found = await self._desk.all()
        items = [_search(one) for one in found[start : start + query.limit]]
        more = start + query.limit < len(found)
        return {"items": items, "next": cursor(start + query.limit) if more else None}

    async def one(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        found = await self._desk.get(_id(call))
        if found is None:
            raise HttpError(404, "There is no such search")
        return _search(found)

    async def answers(self, call: Call, query: Page, _body: None) -> bytes:
        place = read_cursor(query.cursor, int)
        start = max(0, place[0]) if place else 0
        found = await self._desk.page(_id(call), start, query.limit)
        if found is None:
            raise HttpError(404, "There is no such search")
        total, bodies = found
        after = start + len(bodies)
        following = cursor(after) if after < total else None
        return b'{"items":[%s],"total":%d,"next":%s}' % (b",".join(bodies), total, to_json(following))

    async def files(self, call: Call, query: FilePage, _body: None) -> dict[str, Any]:
        place = read_cursor(query.cursor, int)
        start = query.offset if query.offset is not None else max(0, place[0]) if place else 0
        try:
            found = await self._views.view(
                _id(call),
                filter=query.filter,
                order=query.sort,
                down=query.order == "desc",
                group=query.group,
            )
        except FilterError as error:
            raise HttpError(422, f"query.filter: column {error.position + 1}: {error.reason}") from None
        if found is None:
            raise HttpError(404, "There is no such search")
        view, everything = found
        items = view.window(start, query.limit)
        after = start + len(items)
        return {
            "items": items,
            "total": len(view.rows),
            "hits": view.hits,
            "all": everything,
            "version": view.version,
            "next": cursor(after) if items and after < len(view.rows) else None,
        }

    async def matches(self, call: Call, query: MatchQuery, _body: None) -> dict[str, Any]:
        try:
            found = await self._views.matches(_id(call), query.filter, query.offset)
        except FilterError as error:
            raise HttpError(422, f"query.filter: column {error.position + 1}: {error.reason}") from None
        if found is None:
            raise HttpError(404, "There is no such search")
        numbers, end = found
        return {"matches": numbers, "start": query.offset, "end": end}

    async def stop(self, call: Call, _query: None, _body: None) -> None:
        if not await self._desk.stop(_id(call)):
            raise HttpError(404, "There is no such search")

    async def delete(self, call: Call, _query: None, _body: None) -> None:
        key = _id(call)
        if not await self._desk.delete(key):
            raise HttpError(404, "There is no such search")
        self._views.forget(key)
        self._service.hub.tell("search.deleted", {"id": key})

    # -- filters with a name

    async def filters(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        saved = client_of(self._service).filters
        return {"items": [{"name": name, "text": saved.get(name).text} for name in saved.names]}

    async def save_filter(self, call: Call, _query: None, body: FilterText) -> None:
        try:
            client_of(self._service).filters.save(call.path["name"], body.text)
        except FilterError as error:
            raise HttpError(422, f"body.text: column {error.position + 1}: {error.reason}") from None

    async def drop_filter(self, call: Call, _query: None, _body: None) -> None:
        client_of(self._service).filters.remove(call.path["name"])

    async def check_filter(self, _call: Call, _query: None, body: FilterText) -> dict[str, Any]:
        try:
            Filter.parse(body.text)
        except FilterError as error:
            return {"valid": False, "problem": error.reason, "position": error.position}
        return {"valid": True, "problem": None, "position": None}


def _id(call: Call) -> str:
    found = guid(call.path["id"])
    if found is None:
        raise HttpError(404, "There is no such search")
    return found


def operations(service: Service) -> list[Operation]:
    """What is served here."""
    work = _Searches(service)
    write = Access.WRITE
    one = "/searches/{id}"
    return [
        Operation(
            "POST",
            "/searches",
            "Search everywhere",
            work.begin,
            models.Search,
            write,
            body=models.NewSearch,
            status=201,
            refusals=(409, 429),
            example={"text": "quiet harbor tidal maps", "silence": 15},
        ),
        Operation("GET", "/searches", "All searches", work.all, models.Searches, query=Page),
        Operation("GET", one, "One search", work.one, models.Search),
        Operation(
            "GET", f"{one}/results", "Its answers, as they came", work.answers, models.Results, query=Page
        ),
        Operation(
            "GET",
            f"{one}/files",
            "Its files: filtered, sorted, in groups",
            work.files,
            FoundFiles,
            query=FilePage,
            refusals=(503,),
        ),
        Operation(
            "GET",
            f"{one}/matches",
            "Which of its files pass a filter, by number",
            work.matches,
            Matches,
            query=MatchQuery,
        ),
        Operation("POST", f"{one}/stop", "End it", work.stop, access=write, status=204),
        Operation("DELETE", one, "Forget it", work.delete, access=write, status=204),
        Operation(
            "GET", "/filters", "Filters with a name", work.filters, SavedFilters, query=Part, refusals=(503,)
        ),
        Operation(
            "PUT",
            "/filters/{name}",
            "Keep a filter under a name",
            work.save_filter,
            access=write,
            body=FilterText,
            status=204,
            refusals=(503,),
            example={"text": "flac size>10mb free"},
        ),
        Operation(
            "DELETE",
            "/filters/{name}",
            "Forget it",
            work.drop_filter,
            access=write,
            status=204,
            refusals=(503,),
        ),
        Operation(
            "POST",
            "/filters/check",
            "Whether a filter can be read",
            work.check_filter,
            Checked,
            body=FilterText,
            example={"text": "flac size>10mb free"},
        ),
    ]
