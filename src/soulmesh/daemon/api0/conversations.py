"""``/conversations``: private messages."""

from __future__ import annotations

from starlette.responses import Response

from soulmesh.daemon.http.call import Call, integer
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.replies import empty, reply
from soulmesh.daemon.http.routing import Access, Route
from soulmesh.daemon.service import Service

__all__ = ["routes"]


class ConversationPaths:
    """The handlers."""

    def __init__(self, service: Service) -> None:
        self._engine = service.engine
        self._talk = service.conversations
        self._service = service

    async def all(self, call: Call) -> Response:
        """``GET /conversations``."""
        return reply(
            await self._talk.all(
                include_inactive=call.flag("includeInactive"), open_only=call.flag("unAcknowledgedOnly")
            )
        )

    async def one(self, call: Call) -> Response:
        """``GET /conversations/{username}``."""
        found = await self._talk.get(call.path["username"], messages=call.flag("includeMessages", True))
        if found is None:
            raise HttpError(404)
        return reply(found)

    async def messages(self, call: Call) -> Response:
        """``GET /conversations/{username}/messages``."""
        found = await self._talk.messages(call.path["username"], open_only=call.flag("unAcknowledgedOnly"))
        if found is None:
            raise HttpError(404)
        return reply(found)

    async def send(self, call: Call) -> Response:
        """``POST /conversations/{username}``."""
        message = await call.quoted()
        if not message.strip():
            raise HttpError(400, "The message may not be empty")
        username = call.path["username"]
        if self._engine.banned(username):
            return empty(200)
        if not self._engine.link.logged_in:
            raise HttpError(500, "The server connection must be connected and logged in")
        await self._service.say(username, message)
        return empty(201)

    async def acknowledge(self, call: Call) -> Response:
        """``PUT /conversations/{username}``."""
        await self._talk.acknowledge(call.path["username"])
        return empty(200)

    async def acknowledge_one(self, call: Call) -> Response:
        """``PUT /conversations/{username}/{id}``."""
        number = integer(call.path["id"])
        if number is None:
            raise HttpError(400, "The id of a message is an integer")
        await self._talk.acknowledge(call.path["username"], number)
        return empty(200)

    async def hide(self, call: Call) -> Response:
        """``DELETE /conversations/{username}``."""
        await self._talk.hide(call.path["username"])
        return empty(204)


def routes(service: Service) -> list[Route]:
    """What is served here."""
    paths = ConversationPaths(service)
    return [
        Route("GET", "/conversations", paths.all),
        Route("GET", "/conversations/{username}", paths.one),
        Route("GET", "/conversations/{username}/messages", paths.messages),
        Route("POST", "/conversations/{username}", paths.send, Access.WRITE),
        Route("PUT", "/conversations/{username}", paths.acknowledge, Access.WRITE),
        Route("PUT", "/conversations/{username}/{id}", paths.acknowledge_one, Access.WRITE),
        Route("DELETE", "/conversations/{username}", paths.hide, Access.WRITE),
    ]
