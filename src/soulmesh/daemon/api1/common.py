"""What several parts of ``/api/v1`` need: the real client, and pages cut from lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from soulmesh.client.client import Client
from soulmesh.daemon.api1.operations import Page, cursor, read_cursor
from soulmesh.daemon.engine import ClientEngine
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.service import Service

__all__ = ["client_of", "cut", "see_that_they_stay"]

T = TypeVar("T")


def see_that_they_stay(paths: Iterable[str], where: str) -> None:
    """Remote paths in a request that go up somewhere are nobody's.

    Raises:
        HttpError: 422, one leads out of its folder.
    """
    for path in paths:
        if ".." in path.replace("/", "\\").split("\\"):
            raise HttpError(422, f"{where}: {path} leads out of its folder")


def client_of(service: Service) -> Client:
    """The client.

    Raises:
        HttpError: 503, there is none.
    """
    if not isinstance(service.engine, ClientEngine):
        raise HttpError(503, "The client is not there")
    return service.engine.client


def cut(found: Sequence[T], query: Page) -> tuple[list[T], dict[str, Any]]:
    """One page of a list that is in memory, and ``{"next": ...}`` for the answer."""
    place = read_cursor(query.cursor, int)
    start = max(0, place[0]) if place else 0
    page = list(found[start : start + query.limit])
    after = start + len(page)
    return page, {"next": cursor(after) if page and after < len(found) else None}
