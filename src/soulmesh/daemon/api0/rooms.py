"""``/rooms``."""

from __future__ import annotations

from starlette.responses import Response

from soulmesh.client.errors import RoomRefused
from soulmesh.daemon.api0.shapes import room_form, room_user_form
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.replies import empty, reply
from soulmesh.daemon.http.routing import Access, Route
from soulmesh.daemon.ports import Room
from soulmesh.daemon.service import Service

__all__ = ["routes"]


class RoomPaths:
    """The handlers."""

    def __init__(self, service: Service) -> None:
        self._engine = service.engine
        self._talk = service.room_talk

    async def available(self, _call: Call) -> Response:
        """``GET /rooms/available``: asked afresh."""
        return reply(
            [
                {
                    "name": room.name,
                    "userCount": room.users,
                    "isPrivate": room.private,
                    "isOwned": room.owned,
                    "isModerated": room.operated,
                }
                for room in await self._engine.room_list()
            ]
        )

    async def joined(self, _call: Call) -> Response:
        """``GET /rooms/joined``: names."""
        return reply(self._engine.rooms())

    async def join(self, call: Call) -> Response:
        """``POST /rooms/joined``."""
        name = await call.quoted()
        if not name.strip():
            raise HttpError(400, "The name of a room may not be empty")
        there = self._engine.room(name)
        if there is not None:
            return reply(self._form(there))
        if not self._engine.link.logged_in:
            raise HttpError(500, "The server connection must be connected and logged in")
        try:
            room = await self._engine.join(name)
        except RoomRefused as error:
            raise HttpError(403, str(error)) from None
        return reply(self._form(room), 201)

    async def one(self, call: Call) -> Response:
        """``GET /rooms/joined/{roomName}``."""
        return reply(self._form(self._room(call)))

    async def leave(self, call: Call) -> Response:
        """``DELETE /rooms/joined/{roomName}``."""
        await self._engine.leave(self._room(call).name)
        return empty(204)

    async def messages(self, call: Call) -> Response:
        """``GET /rooms/joined/{roomName}/messages``."""
        return reply(self._talk.messages(self._room(call).name))

    async def say(self, call: Call) -> Response:
        """``POST /rooms/joined/{roomName}/messages``."""
        room = self._room(call)
        message = await call.quoted()
        if not message.strip():
            raise HttpError(400, "The message may not be empty")
        await self._engine.say(room.name, message)
        return empty(201)

    async def users(self, call: Call) -> Response:
        """``GET /rooms/joined/{roomName}/users``."""
        ourselves = self._engine.link.username
        return reply([room_user_form(member, ourselves) for member in self._room(call).members])

    async def ticker(self, call: Call) -> Response:
        """``POST /rooms/joined/{roomName}/ticker``."""
        room = self._room(call)
        await self._engine.set_ticker(room.name, await call.quoted())
        return empty(201)

    async def add_member(self, call: Call) -> Response:
        """``POST /rooms/joined/{roomName}/members``."""
        room = self._room(call)
        username = await call.quoted()
        if not username.strip():
            raise HttpError(400, "The user name may not be empty")
        await self._engine.add_member(room.name, username)
        return empty(201)

    def _room(self, call: Call) -> Room:
        room = self._engine.room(call.path["roomName"])
        if room is None:
            raise HttpError(404)
        return room

    def _form(self, room: Room) -> dict[str, object]:
        return room_form(room, self._talk.messages(room.name), self._engine.link.username)


def routes(service: Service) -> list[Route]:
    """What is served here."""
    paths = RoomPaths(service)
    one = "/rooms/joined/{roomName}"
    return [
        Route("GET", "/rooms/available", paths.available),
        Route("GET", "/rooms/joined", paths.joined),
        Route("POST", "/rooms/joined", paths.join, Access.WRITE),
        Route("GET", one, paths.one),
        Route("DELETE", one, paths.leave, Access.WRITE),
        Route("GET", f"{one}/messages", paths.messages),
        Route("POST", f"{one}/messages", paths.say, Access.WRITE),
        Route("GET", f"{one}/users", paths.users),
        Route("POST", f"{one}/ticker", paths.ticker, Access.WRITE),
        Route("POST", f"{one}/members", paths.add_member, Access.WRITE),
    ]
