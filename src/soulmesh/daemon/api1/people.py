"""Users, rooms, conversations and wishes over ``/api/v1``."""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from soulmesh.client.browse import Browse
from soulmesh.client.client import Client
from soulmesh.client.results import FoundFile
from soulmesh.daemon.api1 import models
from soulmesh.daemon.api1.operations import Operation, Page, cursor, read_cursor
from soulmesh.daemon.engine import ClientEngine
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.routing import Access
from soulmesh.daemon.ports import Room
from soulmesh.daemon.service import Service

__all__ = ["operations"]

KEPT_BROWSES = 8
PATIENCE = 100
"""Tenths of seconds to wait for folders that have not come yet."""


def _file(file: FoundFile) -> dict[str, Any]:
    return {
        "path": file.remote_path,
        "size": file.size,
        "bitrate": file.bitrate,
        "length": file.length,
        "sample_rate": file.sample_rate,
        "bit_depth": file.bit_depth,
    }


class _People:
    """The work."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._engine = service.engine
        self._browses: OrderedDict[str, Browse] = OrderedDict()
        service.on_close.append(self._close)

    @property
    def _client(self) -> Client:
        if not isinstance(self._engine, ClientEngine):
            raise HttpError(503, "The client is not there")
        return self._engine.client

    async def _close(self) -> None:
        for browse in self._browses.values():
            await browse.close()
        self._browses.clear()

    # -- users

    async def user(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        username = call.path["username"]
        status = await self._engine.user_status(username)
        users = self._client.users
        history = users.history(username)
        return {
            "username": username,
            "presence": status.presence,
            "privileged": status.privileged,
            "friend": users.friend(username),
            "banned": users.banned(username),
            "note": users.book.notes.get(username, ""),
            "downloaded": history.downloaded,
            "uploaded": history.uploaded,
        }

    async def info(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        found = await self._engine.user_info(call.path["username"])
        picture = base64.b64encode(found.picture).decode() if found.picture else None
        return {
            "description": found.description,
            "picture": picture,
            "free_slot": found.free_slot,
            "queue": found.queue,
            "slots": found.slots,
        }

    def opinion(self, name: str) -> Callable[[Call, None, None], Any]:
        """Befriend, unfriend, ban, unban."""

        async def work(call: Call, _query: None, _body: None) -> None:
            getattr(self._client.users, name)(call.path["username"])

        return work

    async def note(self, call: Call, _query: None, body: models.Note) -> None:
        self._client.users.note(call.path["username"], body.text)

    # -- browsing, from an index on disk

    async def browse(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        username = call.path["username"]
        if (await self._engine.user_status(username)).presence == "Offline":
            raise HttpError(404, f"{username} is offline")
        browse = await self._client.browse(username)
        old = self._browses.pop(username, None)
        self._browses[username] = browse
        if old is not None:
            await old.close()
        while len(self._browses) > KEPT_BROWSES:
            _, oldest = self._browses.popitem(last=False)
            await oldest.close()
        return {**self._figures(browse), "items": [], "next": None}

    async def folders(self, call: Call, query: Page, _body: None) -> dict[str, Any]:
        browse = self._browse(call)
        place = read_cursor(query.cursor, int)
        offset = max(0, place[0]) if place else 0
        page = await browse.page(offset, query.limit)
        for _ in range(PATIENCE):
            # They are still coming: whoever asks for the next page is spared to ask in vain.
            if page or browse.complete or browse.error is not None:
                break
            await asyncio.sleep(0.1)
            page = await browse.page(offset, query.limit)
        if browse.error is not None and not page:
            raise browse.error
        for folder in page:
            self._service.ledger.remember(browse.username, [folder.name])
        items = [
            {"name": folder.name, "files": folder.files, "size": folder.bytes, "locked": folder.locked}
            for folder in page
        ]
        after = offset + len(page)
        more = cursor(after) if after < browse.folders or not browse.complete else None
        return {**self._figures(browse), "items": items, "next": more}

    async def files(self, call: Call, query: models.OneFolder, _body: None) -> dict[str, Any]:
        browse = self._browse(call)
        names = await self._service.ledger.remembered(browse.username, [query.folder])
        found = await browse.files_of(names.get(query.folder, query.folder))
        self._service.ledger.remember(browse.username, [file.remote_path for file in found])
        return {"items": [_file(file) for file in found]}

    async def find(self, call: Call, query: models.Words, _body: None) -> dict[str, Any]:
        browse = self._browse(call)
        found = await browse.search(query.words, limit=query.limit)
        self._service.ledger.remember(browse.username, [file.remote_path for file in found])
        return {"items": [_file(file) for file in found]}

    def _browse(self, call: Call) -> Browse:
        found = self._browses.get(call.path["username"])
        if found is None:
            raise HttpError(404, "Browse that user first: POST .../browse")
        self._browses.move_to_end(call.path["username"])
        return found

    def _figures(self, browse: Browse) -> dict[str, Any]:
        return {"folders": browse.folders, "files": browse.files, "complete": browse.complete}

    # -- talk

    async def conversations(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        return {"items": await self._service.conversations.all(include_inactive=True)}

    async def messages(self, call: Call, query: Page, _body: None) -> dict[str, Any]:
        found = await self._service.conversations.messages(call.path["username"], limit=query.limit)
        if found is None:
            raise HttpError(404, "There is no such conversation")
        return {"items": found}

    async def say(self, call: Call, _query: None, body: models.Say) -> None:
        username = call.path["username"]
        await self._engine.send_message(username, body.text)
        await self._service.conversations.sent(username, body.text)

    async def read(self, call: Call, _query: None, _body: None) -> None:
        if not await self._service.conversations.acknowledge(call.path["username"]):
            raise HttpError(404, "There is no such conversation")

    async def room_list(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        found = await self._engine.room_list()
        items = [{"name": r.name, "users": r.users, "private": r.private, "owned": r.owned} for r in found]
        return {"items": items}

    async def rooms(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        return {"items": self._engine.rooms()}

    async def room(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        return self._room(self._joined(call))

    async def join(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        return self._room(await self._engine.join(call.path["room"]))

    async def leave(self, call: Call, _query: None, _body: None) -> None:
        await self._engine.leave(self._joined(call).name)

    async def say_in_room(self, call: Call, _query: None, body: models.Say) -> None:
        await self._engine.say(self._joined(call).name, body.text)

    def _joined(self, call: Call) -> Room:
        found = self._engine.room(call.path["room"])
        if found is None:
            raise HttpError(404, "We are not in that room")
        return found

    def _room(self, room: Room) -> dict[str, Any]:
        return {
            "name": room.name,
            "private": room.private,
            "owner": room.owner,
            "users": [member.username for member in room.members],
            "messages": self._service.room_talk.messages(room.name),
        }

    # -- wishes

    async def wishes(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        return {"items": [self._wish(wish) for wish in self._client.wishes.all]}

    async def wish(self, _call: Call, _query: None, body: models.NewWish) -> dict[str, Any]:
        return self._wish(await self._client.wishes.add(body.query, filter=body.filter))

    async def unwish(self, _call: Call, query: models.WishQuery, _body: None) -> None:
        await self._client.wishes.remove(query.query)

    def _wish(self, wish: Any) -> dict[str, Any]:
        return {"query": wish.query, "filter": wish.filter, "last_sent": wish.last_sent, "found": wish.found}


def operations(service: Service) -> list[Operation]:
    """What is served here."""
    work = _People(service)
    write = Access.WRITE
    user, room, talk = "/users/{username}", "/rooms/joined/{room}", "/conversations/{username}"
    away = (503, 504)

    def change(method: str, path: str, told: str, what: Any, **more: Any) -> Operation:
        more.setdefault("status", 204)
        return Operation(method, path, told, what, access=write, refusals=away, **more)

    def look(path: str, told: str, what: Any, answer: Any, **more: Any) -> Operation:
        return Operation("GET", path, told, what, answer, refusals=(*away, 429), **more)

    return [
        look(user, "What we know of a user", work.user, models.User),
        look(f"{user}/info", "What a user says of itself", work.info, models.Info),
        change("PUT", f"{user}/note", "Write something down", work.note, body=models.Note),
        change("PUT", f"{user}/friend", "Befriend", work.opinion("befriend")),
        change("DELETE", f"{user}/friend", "Unfriend", work.opinion("unfriend")),
        change("PUT", f"{user}/ban", "Ban", work.opinion("ban")),
        change("DELETE", f"{user}/ban", "Take the ban back", work.opinion("unban")),
        change("POST", f"{user}/browse", "Begin to browse", work.browse, answer=models.Folders, status=202),
        look(f"{user}/browse/folders", "Its folders so far", work.folders, models.Folders, query=Page),
        look(f"{user}/browse/files", "One folder's files", work.files, models.Files, query=models.OneFolder),
        look(f"{user}/browse/find", "Search in it", work.find, models.Files, query=models.Words),
        look("/conversations", "Private conversations", work.conversations, models.Conversations),
        look(f"{talk}/messages", "The newest messages", work.messages, models.Messages, query=Page),
        change(
            "POST",
            f"{talk}/messages",
            "Write to somebody",
            work.say,
            body=models.Say,
            example={"text": "hello"},
        ),
        change("PUT", f"{talk}/read", "Mark it as read", work.read),
        look("/rooms", "All rooms", work.room_list, models.RoomNames),
        look("/rooms/joined", "The rooms that we are in", work.rooms, models.RoomNames),
        look(room, "One of them", work.room, models.Room),
        change("PUT", room, "Enter a room", work.join, answer=models.Room, status=200),
        change("DELETE", room, "Leave it", work.leave),
        change("POST", f"{room}/messages", "Say something in it", work.say_in_room, body=models.Say),
        look("/wishes", "What is searched for again and again", work.wishes, models.Wishes),
        change("POST", "/wishes", "Wish", work.wish, answer=models.Wish, body=models.NewWish, status=201),
        change("DELETE", "/wishes", "Wish no more", work.unwish, query=models.WishQuery),
    ]
