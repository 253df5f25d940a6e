"""Wishes over ``/api/v1``: what is searched for again and again."""

from __future__ import annotations

from typing import Any

from soulmesh.daemon.api1 import models
from soulmesh.daemon.api1.common import client_of
from soulmesh.daemon.api1.operations import Operation, Part
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.routing import Access
from soulmesh.daemon.service import Service

__all__ = ["operations"]


class _Wishes:
    """The work."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def all(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        wishes = client_of(self._service).wishes
        return {"items": [_wish(wish) for wish in wishes.all], "interval": wishes.interval}

    async def add(self, _call: Call, _query: None, body: models.NewWish) -> dict[str, Any]:
        wishes = client_of(self._service).wishes
        made = _wish(await wishes.add(body.query, filter=body.filter, download=body.download))
        self._service.hub.tell("wish.added", made)
        return made

    async def remove(self, _call: Call, query: models.WishQuery, _body: None) -> None:
        await client_of(self._service).wishes.remove(query.query)
        self._service.wish_book.forget(query.query.strip())
        self._service.hub.tell("wish.removed", {"query": query.query.strip()})


def _wish(wish: Any) -> dict[str, Any]:
    return {
        "query": wish.query,
        "filter": wish.filter,
        "last_sent": wish.last_sent,
        "found": wish.found,
        "download": wish.download,
        "goal": wish.goal or None,
        "fulfilled": wish.fulfilled,
    }


def operations(service: Service) -> list[Operation]:
    """What is served here."""
    work, write, away = _Wishes(service), Access.WRITE, (429, 503, 504)
    return [
        Operation(
            "GET",
            "/wishes",
            "What is searched for again and again",
            work.all,
            models.Wishes,
            query=Part,
            refusals=away,
        ),
        Operation(
            "POST",
            "/wishes",
            "Wish",
            work.add,
            models.Wish,
            write,
            body=models.NewWish,
            status=201,
            refusals=(409, *away),
            example={"query": "quiet harbor tidal maps", "filter": "flac"},
        ),
        Operation(
            "DELETE",
            "/wishes",
            "Wish no more",
            work.remove,
            access=write,
            query=models.WishQuery,
            status=204,
            refusals=(409, *away),
        ),
    ]
