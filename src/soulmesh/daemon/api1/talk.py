"""Rooms and private conversations over ``/api/v1``."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from soulmesh.daemon.api1 import models
from soulmesh.daemon.api1.common import client_of, cut
from soulmesh.daemon.api1.operations import Body, Operation, Page, Part, Query
from soulmesh.daemon.engine import ClientEngine
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.routing import Access
from soulmesh.daemon.ports import Room
from soulmesh.daemon.rows import moment
from soulmesh.daemon.service import Service

__all__ = ["operations"]


class RoomPage(Page):
    """Which rooms."""

    words: Annotated[str, StringConstraints(max_length=200)] = ""
    """Parts of the name."""


class RoomEntry(BaseModel):
    """A room in the server's list."""

    name: str
    users: int
    private: bool
    owned: bool
    operated: bool
    joined: bool


class RoomList(BaseModel):
    """Rooms, the fullest first."""

    items: list[RoomEntry]
    next: str | None = None


class JoinedRoom(BaseModel):
    """A room that we are in; ``unread`` are lines that came since it was marked as read."""

    name: str
    private: bool
    owner: str | None
    users: int
    unread: int
    last_id: int
    """The id of the newest line that is kept; 0 if there is none."""
    favourite: bool


class JoinedRooms(BaseModel):
    """The rooms that we are in."""

    items: list[JoinedRoom]
    next: str | None = None


class Favourite(BaseModel):
    """A room that is entered at each login."""

    name: str
    private: bool


class Favourites(BaseModel):
    """All of them."""

    items: list[Favourite]
    next: str | None = None


class Ticker(BaseModel):
    """A line on a room's wall."""

    username: str
    text: str


class RoomState(BaseModel):
    """A room that we are in."""

    name: str
    private: bool
    owner: str | None
    users: list[str]
    operators: list[str]
    members: list[str]
    """Of a private room, present or not."""
    tickers: list[Ticker]
    favourite: bool


class Member(BaseModel):
    """A user in a room."""

    username: str
    presence: str
    speed: int
    uploads: int
    files: int
    folders: int
    country: str
    friend: bool
    banned: bool
    role: str
    """``owner``, ``operator``, ``member`` or nothing."""


class Members(BaseModel):
    """Who is in a room."""

    items: list[Member]
    next: str | None = None


class Join(Query):
    """How to enter: a room that is made by that is private or not."""

    private: bool = False


class Enter(Join):
    """The same for entering now: ``create`` false enters a room only if it is there."""

    create: bool = True


class History(Query):
    """Which lines: the newest, or those before one."""

    before: Annotated[int, Field(ge=0, lt=1 << 62)] | None = None
    limit: int = 100
    words: Annotated[str, StringConstraints(max_length=200)] = ""
    """Only lines in which each of these words stands, in any order."""


class RoomLine(BaseModel):
    """Something that was said in a room."""

    id: int
    at: str | None
    username: str
    text: str
    ours: bool
    read: bool
    """It came before the place was marked as read the last time, or is ours."""


class RoomLines(BaseModel):
    """Oldest first; ``before`` asks for what was said earlier."""

    items: list[RoomLine]
    before: int | None = None


class ChatLine(RoomLine):
    """A private message."""


class ChatLines(BaseModel):
    """Oldest first; ``before`` asks for what was written earlier."""

    items: list[ChatLine]
    before: int | None = None


class Conversation(BaseModel):
    """A private conversation, and its newest message."""

    username: str
    active: bool
    unread: int
    lines: int
    last: str | None
    text: str | None
    ours: bool | None
    last_id: int
    """The id of the newest message; 0 if there is none."""


class ConversationList(BaseModel):
    """Private conversations, those with the newest message first."""

    items: list[Conversation]
    next: str | None = None


class TickerText(Body):
    """A line for the wall; empty text takes it away."""

    text: Annotated[str, StringConstraints(max_length=1024)]


class Switch(Body):
    """On or off."""

    on: bool


class Feed(BaseModel):
    """Whether we hear what is said in all public rooms."""

    on: bool


class _Talk:
    """The work."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._engine = service.engine

    # -- rooms

    async def list(self, _call: Call, query: RoomPage, _body: None) -> dict[str, Any]:
        words = query.words.lower().split()
        found = await self._engine.room_list()
        joined = set(self._engine.rooms())
        fitting = [room for room in found if all(word in room.name.lower() for word in words)]
        page, more = cut(sorted(fitting, key=lambda room: (-room.users, room.name)), query)
        items = [
            {
                "name": room.name,
                "users": room.users,
                "private": room.private,
                "owned": room.owned,
                "operated": room.operated,
                "joined": room.name in joined,
            }
            for room in page
        ]
        return {"items": items, **more}

    async def joined(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        unread: dict[str, tuple[int, int]] = {}
        favourites: dict[str, bool] = {}
        if isinstance(self._engine, ClientEngine):
            client = self._engine.client
            talks = await client.chat.conversations()
            unread = {found.place: (found.unread, found.last_id) for found in talks}
            favourites = client.rooms.favourites
        items = []
        for name in self._engine.rooms():
            room = self._engine.room(name)
            if room is not None:
                items.append(
                    {
                        "name": name,
                        "private": room.private,
                        "owner": room.owner,
                        "users": len(room.members),
                        "unread": unread.get(f"#{name}", (0, 0))[0],
                        "last_id": unread.get(f"#{name}", (0, 0))[1],
                        "favourite": name in favourites,
                    }
                )
        return {"items": items}

    async def room(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        return self._state(self._joined(call))

    async def join(self, call: Call, query: Enter, _body: None) -> dict[str, Any]:
        room = call.path["room"]
        return self._state(await self._engine.join(room, private=query.private, create=query.create))

    async def leave(self, call: Call, _query: None, _body: None) -> None:
        await self._engine.leave(self._joined(call).name)

    async def members(self, call: Call, query: Page, _body: None) -> dict[str, Any]:
        room = self._joined(call)
        users = self._engine.client.users if isinstance(self._engine, ClientEngine) else None
        page, more = cut(sorted(room.members, key=lambda member: member.username.lower()), query)
        members = self._members(room.name)
        items = []
        for member in page:
            name = member.username
            role = "member" if name in members else ""
            role = "operator" if name in room.operators else role
            items.append(
                {
                    "username": name,
                    "presence": member.presence,
                    "speed": member.figures.speed,
                    "uploads": member.figures.uploads,
                    "files": member.figures.files,
                    "folders": member.figures.folders,
                    "country": member.country,
                    "friend": users.friend(name) if users is not None else False,
                    "banned": self._engine.banned(name),
                    "role": "owner" if name == room.owner else role,
                }
            )
        return {"items": items, **more}

    async def said(self, call: Call, query: History, _body: None) -> dict[str, Any]:
        room = call.path["room"]
        chat = client_of(self._service).chat
        read = await chat.read_until(f"#{room}")
        found = await chat.room_history(room, limit=query.limit, before=query.before, words=query.words)
        items = [
            {
                "id": line.id,
                "at": moment(line.at),
                "username": line.author,
                "text": line.text,
                "ours": line.ours,
                "read": line.ours or line.id <= read,
            }
            for line in found
        ]
        return {"items": items, "before": found[0].id if len(found) == query.limit else None}

    async def say(self, call: Call, _query: None, body: models.Say) -> None:
        await self._engine.say(self._joined(call).name, body.text)

    async def read(self, call: Call, _query: None, _body: None) -> None:
        room = call.path["room"]
        last = await client_of(self._service).chat.mark_read(f"#{room}")
        self._service.hub.tell("room.read", {"room": room, "id": last})

    async def ticker(self, call: Call, _query: None, body: TickerText) -> None:
        await self._engine.set_ticker(self._joined(call).name, body.text)

    async def favourites(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        found = client_of(self._service).rooms.favourites
        return {"items": [{"name": name, "private": found[name]} for name in sorted(found)]}

    async def favour(self, call: Call, query: Join, _body: None) -> None:
        room = self._engine.room(call.path["room"])
        private = query.private or (room.private if room is not None else False)
        client_of(self._service).rooms.favour(call.path["room"], private=private)

    async def unfavour(self, call: Call, _query: None, _body: None) -> None:
        client_of(self._service).rooms.unfavour(call.path["room"])

    def right(self, name: str) -> Callable[[Call, None, None], Awaitable[None]]:
        """Make somebody a member or an operator of a private room, or take that back."""

        async def work(call: Call, _query: None, _body: None) -> None:
            await getattr(client_of(self._service).rooms, name)(call.path["room"], call.path["username"])

        return work

    def drop(self, name: str) -> Callable[[Call, None, None], Awaitable[None]]:
        """Give up our membership, or the whole room."""

        async def work(call: Call, _query: None, _body: None) -> None:
            await getattr(client_of(self._service).rooms, name)(call.path["room"])

        return work

    async def invitations(self, _call: Call, _query: None, body: Switch) -> None:
        await client_of(self._service).rooms.accept_invitations(body.on)

    async def feed_state(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        return {"on": client_of(self._service).rooms.feed}

    async def feed(self, _call: Call, _query: None, body: Switch) -> None:
        client_of(self._service).rooms.public_feed(body.on)

    def _joined(self, call: Call) -> Room:
        found = self._engine.room(call.path["room"])
        if found is None:
            raise HttpError(404, "We are not in that room")
        return found

    def _members(self, name: str) -> set[str]:
        if not isinstance(self._engine, ClientEngine):
            return set()
        found = self._engine.client.rooms.get(name)
        return set(found.members) if found is not None else set()

    def _state(self, room: Room) -> dict[str, Any]:
        tickers: dict[str, str] = {}
        favourite = False
        if isinstance(self._engine, ClientEngine):
            found = self._engine.client.rooms.get(room.name)
            tickers = found.tickers if found is not None else {}
            favourite = room.name in self._engine.client.rooms.favourites
        return {
            "name": room.name,
            "private": room.private,
            "owner": room.owner,
            "users": [member.username for member in room.members],
            "operators": list(room.operators),
            "members": sorted(self._members(room.name)),
            "tickers": [{"username": name, "text": text} for name, text in tickers.items()],
            "favourite": favourite,
        }

    # -- private messages

    async def conversations(self, _call: Call, query: Page, _body: None) -> dict[str, Any]:
        page, more = cut(await self._service.conversations.overview(), query)
        return {"items": page, **more}

    async def messages(self, call: Call, query: History, _body: None) -> dict[str, Any]:
        found = await self._service.conversations.page(
            call.path["username"], before=query.before, limit=query.limit, words=query.words
        )
        if found is None:
            raise HttpError(404, "There is no such conversation")
        ourselves = self._engine.link.username or ""
        for line in found:
            if line["ours"]:
                line["username"] = ourselves
        return {"items": found, "before": found[0]["id"] if len(found) == query.limit else None}

    async def write(self, call: Call, _query: None, body: models.Say) -> None:
        await self._service.say(call.path["username"], body.text)

    async def write_to_many(self, _call: Call, _query: None, body: models.SayToMany) -> None:
        names = list(dict.fromkeys(body.usernames))
        await client_of(self._service).chat.send_to_many(names, body.text)
        for username in names:
            await self._service.said(username, body.text)

    async def forget(self, call: Call, _query: None, _body: None) -> None:
        username = call.path["username"]
        if not await self._service.conversations.forget(username):
            raise HttpError(404, "There is no such conversation")
        await client_of(self._service).chat.forget(username)
        self._service.hub.tell("chat.forgotten", {"username": username})

    async def mark(self, call: Call, _query: None, _body: None) -> None:
        username = call.path["username"]
        last = await self._service.conversations.acknowledge(username)
        if last is None:
            raise HttpError(404, "There is no such conversation")
        self._service.hub.tell("chat.read", {"username": username, "id": last})

    async def hide(self, call: Call, _query: None, _body: None) -> None:
        if not await self._service.conversations.hide(call.path["username"]):
            raise HttpError(404, "There is no such conversation")


def operations(service: Service) -> list[Operation]:
    """What is served here."""
    work = _Talk(service)
    room, talk = "/rooms/joined/{room}", "/conversations/{username}"

    def change(method: str, path: str, told: str, what: Any, **more: Any) -> Operation:
        more.setdefault("status", 204)
        return Operation(method, path, told, what, access=Access.WRITE, refusals=(409, 429, 503, 504), **more)

    def look(path: str, told: str, what: Any, answer: Any, **more: Any) -> Operation:
        return Operation("GET", path, told, what, answer, refusals=(429, 503, 504), **more)

    members, operators = f"{room}/members/{{username}}", f"{room}/operators/{{username}}"
    return [
        look("/conversations", "Private conversations", work.conversations, ConversationList, query=Page),
        look(
            f"{talk}/messages",
            "Messages, the newest or earlier ones",
            work.messages,
            ChatLines,
            query=History,
        ),
        change("POST", f"{talk}/messages", "Write", work.write, body=models.Say, example={"text": "hello"}),
        change(
            "POST",
            "/conversations",
            "Write the same to several at once; only those who watch us get it",
            work.write_to_many,
            body=models.SayToMany,
            example={"usernames": ["marble_fox", "lantern_owl"], "text": "back online"},
        ),
        change("DELETE", f"{talk}/messages", "Forget all that was said", work.forget),
        change("PUT", f"{talk}/read", "Mark it as read", work.mark),
        change("DELETE", talk, "Show it no more; its messages stay", work.hide),
        look("/rooms", "All rooms", work.list, RoomList, query=RoomPage),
        change(
            "PUT",
            "/rooms/invitations",
            "Whether others may make us members",
            work.invitations,
            body=Switch,
            example={"on": True},
        ),
        look("/rooms/feed", "Whether we hear what is said in all public rooms", work.feed_state, Feed),
        change(
            "PUT",
            "/rooms/feed",
            "Hear what is said in all public rooms",
            work.feed,
            body=Switch,
            example={"on": True},
        ),
        look(
            "/rooms/favourites",
            "Rooms that are entered at each login",
            work.favourites,
            Favourites,
            query=Part,
        ),
        look("/rooms/joined", "The rooms that we are in", work.joined, JoinedRooms, query=Part),
        look(room, "One of them", work.room, RoomState),
        change("PUT", room, "Enter a room", work.join, answer=RoomState, status=200, query=Enter),
        change("DELETE", room, "Leave it", work.leave),
        look(f"{room}/members", "Who is in it", work.members, Members, query=Page),
        look(f"{room}/messages", "What was said, the newest or earlier", work.said, RoomLines, query=History),
        change(
            "POST",
            f"{room}/messages",
            "Say something in it",
            work.say,
            body=models.Say,
            example={"text": "hi"},
        ),
        change("PUT", f"{room}/read", "Mark it as read", work.read),
        change(
            "PUT",
            f"{room}/ticker",
            "Our line on its wall",
            work.ticker,
            body=TickerText,
            example={"text": "sharing lossless, ask away"},
        ),
        change("PUT", f"{room}/favourite", "Enter it at each login", work.favour, query=Join),
        change("DELETE", f"{room}/favourite", "Enter it no more by itself", work.unfavour),
        change("PUT", members, "Make somebody a member", work.right("grant_membership")),
        change("DELETE", members, "End a membership", work.right("revoke_membership")),
        change("PUT", operators, "Make a member an operator", work.right("grant_operator")),
        change("DELETE", operators, "A plain member again", work.right("revoke_operator")),
        change("DELETE", f"{room}/membership", "Give up our membership", work.drop("drop_membership")),
        change("DELETE", f"{room}/ownership", "Give up a room of ours", work.drop("drop_ownership")),
    ]
