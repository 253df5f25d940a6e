"""Looking closer over ``/api/v1``: why a file is shared or not, what could not be read, what was found for a
wish, and what happened."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, StringConstraints

from soulmesh.client.shares.explain import explain
from soulmesh.client.shares.service import Shares
from soulmesh.client.shares.store import damage_told
from soulmesh.daemon.api1.common import cut
from soulmesh.daemon.api1.operations import Operation, Page, Query, cursor, read_cursor
from soulmesh.daemon.engine import ClientEngine
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.service import Service
from soulmesh.net.names import showable
from soulmesh.wire import text

__all__ = ["operations"]


class PathQuery(Query):
    """A path on disk, or a remote path with backslashes."""

    path: Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")]


class Explained(BaseModel):
    """Whether a file or folder is offered, to whom, and why not."""

    path: str
    """On disk, as far as known."""
    remote_path: str | None
    root: str | None
    offered: bool
    """Those in ``audience`` get it when they ask for it."""
    listed: bool
    """Searches and lists name it, to those who may see its shared folder."""
    reason: str
    audience: str | None
    size: int | None
    problem: str | None
    """What was wrong with reading its attributes; it is offered all the same."""


class ShareProblem(BaseModel):
    """Something that could not be read."""

    root: str
    path: str
    reason: str


class ShareProblems(BaseModel):
    """Everything that could not be read, by shared folder."""

    items: list[ShareProblem]
    next: str | None = None


class WishPage(Page):
    """A part of what was found for a wish."""

    query: Annotated[str, StringConstraints(min_length=1, max_length=256)]


class WishHits(BaseModel):
    """Files as searches list them, with ``at``, when they were found; newest first."""

    items: list[Any]
    next: str | None = None


class Happened(BaseModel):
    """What webhooks and scripts are told, newest first: ``timestamp``, ``type``, ``data`` (JSON), ``id``."""

    items: list[Any]
    total: int
    next: str | None = None


class _Looking:
    """The work."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def _shared(self) -> Shares:
        if not isinstance(self._service.engine, ClientEngine):
            raise HttpError(503, "The client is not there")
        return self._service.engine.shared

    async def explain(self, _call: Call, query: PathQuery, _body: None) -> dict[str, Any]:
        try:
            with damage_told(self._shared.store.path):
                found = asdict(await explain(self._shared, query.path))
        except UnicodeEncodeError:
            raise HttpError(422, "query.path: cannot be a name of a file") from None
        del found["attributes"]
        shown: dict[str, Any] = showable(found)
        return shown

    async def problems(self, _call: Call, query: Page, _body: None) -> dict[str, Any]:
        shared = self._shared
        found = []
        for root in shared.roots:
            with damage_told(shared.store.path):
                found += [(root.name, problem) for problem in shared.store.problems(root)]
            await asyncio.sleep(0)
        page, more = cut(found, query)
        items = [
            {"root": text(name), "path": showable(one.path), "reason": showable(one.reason)}
            for name, one in page
        ]
        return {"items": items, **more}

    async def wish_hits(self, _call: Call, query: WishPage, _body: None) -> dict[str, Any]:
        place = read_cursor(query.cursor, int)
        found, more = await self._service.wish_book.page(
            query.query.strip(), place[0] if place else 1 << 62, query.limit
        )
        return {"items": found, "next": cursor(more) if more is not None else None}

    async def happened(self, _call: Call, query: Page, _body: None) -> dict[str, Any]:
        place = read_cursor(query.cursor, int)
        offset = max(0, place[0]) if place else 0
        total, found = await self._service.events.page(offset, query.limit)
        after = offset + len(found)
        return {"items": found, "total": total, "next": cursor(after) if found and after < total else None}


def operations(service: Service) -> list[Operation]:
    """What is served here."""
    work = _Looking(service)
    gone = (503,)
    return [
        Operation(
            "GET",
            "/shares/explain",
            "Why a path is shared, or why not",
            work.explain,
            Explained,
            query=PathQuery,
            refusals=gone,
        ),
        Operation(
            "GET",
            "/shares/problems",
            "What could not be read",
            work.problems,
            ShareProblems,
            query=Page,
            refusals=gone,
        ),
        Operation(
            "GET",
            "/wishes/results",
            "What was found for a wish so far",
            work.wish_hits,
            WishHits,
            query=WishPage,
        ),
        Operation(
            "GET",
            "/log/events",
            "What happened, as webhooks and scripts were told",
            work.happened,
            Happened,
            query=Page,
        ),
    ]
