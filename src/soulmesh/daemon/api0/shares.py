"""``/shares``: what we offer."""

from __future__ import annotations

from starlette.responses import Response, StreamingResponse

from soulmesh.daemon.api0.shapes import share_form, share_id
from soulmesh.daemon.api0.users import folders_as_json
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.replies import JSON, empty, reply
from soulmesh.daemon.http.routing import Access, Route
from soulmesh.daemon.ports import ShareRoot
from soulmesh.daemon.service import Service

__all__ = ["routes"]


class SharePaths:
    """The handlers."""

    def __init__(self, service: Service) -> None:
        self._engine = service.engine

    async def all(self, _call: Call) -> Response:
        """``GET /shares``: by host; we are the only one."""
        return reply({"local": [share_form(root) for root in self._engine.shares.roots]})

    async def one(self, call: Call) -> Response:
        """``GET /shares/{id}``."""
        return reply(share_form(self._root(call)))

    async def contents(self, _call: Call) -> Response:
        """``GET /shares/contents``."""
        return StreamingResponse(folders_as_json(await self._engine.share_contents()), media_type=JSON)

    async def contents_of(self, call: Call) -> Response:
        """``GET /shares/{id}/contents``."""
        root = self._root(call)
        found = await self._engine.share_contents(root.alias)
        return StreamingResponse(folders_as_json(found), media_type=JSON)

    async def scan(self, _call: Call) -> Response:
        """``PUT /shares``: returns at once."""
        if not self._engine.scan():
            raise HttpError(409, "A share scan is already in progress")
        return empty(200)

    async def cancel(self, _call: Call) -> Response:
        """``DELETE /shares``: stops a scan."""
        if not self._engine.cancel_scan():
            raise HttpError(404)
        return empty(204)

    def _root(self, call: Call) -> ShareRoot:
        wanted = call.path["id"].upper()
        for root in self._engine.shares.roots:
            if share_id(root.alias) == wanted:
                return root
        raise HttpError(404)


def routes(service: Service) -> list[Route]:
    """What is served here."""
    paths = SharePaths(service)
    return [
        Route("GET", "/shares", paths.all),
        Route("PUT", "/shares", paths.scan, Access.WRITE),
        Route("DELETE", "/shares", paths.cancel, Access.WRITE),
        Route("GET", "/shares/contents", paths.contents),
        Route("GET", "/shares/{id}", paths.one),
        Route("GET", "/shares/{id}/contents", paths.contents_of),
    ]
