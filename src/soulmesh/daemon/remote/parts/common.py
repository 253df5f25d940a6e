"""What all parts stand on: how a daemon is asked, and how names and files are written."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any, Protocol
from urllib.parse import quote

from soulmesh.wire import Latin1

__all__ = ["Asking", "Files", "Part", "Row", "q", "wanted"]

Row = dict[str, Any]
Files = Iterable[tuple[str, int | None] | tuple[str, int | None, int | None]]
"""Remote paths with their sizes, and with their seconds where a search told them."""


class Asking(Protocol):
    """What a part needs: see :class:`soulmesh.daemon.remote.Daemon`."""

    async def ask(self, method: str, path: str, /, body: Any = None, **query: Any) -> Any: ...

    def pages(self, path: str, /, **query: Any) -> AsyncIterator[Row]: ...


def q(name: object) -> str:
    """A name as one piece of a path."""
    return quote(str(name), safe="")


def wanted(files: Files) -> list[Row]:
    """Files as the API takes them."""
    rows: list[Row] = []
    for path, size, *length in files:
        rows.append({"path": str(path)})
        if size is not None:
            rows[-1]["size"] = size
        if isinstance(path, Latin1):
            rows[-1]["latin1"] = True
        if length and length[0]:
            rows[-1]["length"] = length[0]
    return rows


class Part:
    """Operations about one subject."""

    def __init__(self, daemon: Asking) -> None:
        self._ask = daemon.ask
        self._pages = daemon.pages
