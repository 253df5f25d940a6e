"""Users over ``/api/v1``: what the server and they say, what we think of them, and tastes."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints
from starlette.responses import Response

from soulmesh.client.users import User
from soulmesh.daemon.api1 import models
from soulmesh.daemon.api1.common import client_of, cut
from soulmesh.daemon.api1.operations import Body, Operation, Page, Part, Query
from soulmesh.daemon.engine import PRESENCE
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.routing import Access
from soulmesh.daemon.service import Service
from soulmesh.wire.enums import UserStatus

__all__ = ["operations"]

_WATCH = "api"
"""Our reason for watching, beside friendship and transfers."""
_PICTURES = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"RIFF": "image/webp",
}


class UserPage(Page):
    """Which users."""

    which: Literal["all", "friends", "banned", "watched", "noted"] = "all"


class Users(BaseModel):
    """Users whom we know for some reason; what the server has not told us is ``null``."""

    items: list[models.User]
    next: str | None = None


class Bans(BaseModel):
    """Who is kept out: by name, and by address. With ``limit`` the names come first."""

    names: list[str]
    ranges: list[str]
    next: str | None = None


class Range(Body):
    """An address, or a range of addresses."""

    range: Annotated[str, StringConstraints(min_length=2, max_length=60)]


class BanText(Body):
    """A line for each ban: ``user NAME``, or an address or range, also as block lists of other programs."""

    text: Annotated[str, StringConstraints(max_length=8_000_000)]


class BanList(BaseModel):
    """The same, of all bans."""

    text: str


class Taken(BaseModel):
    """How many lines were understood and taken."""

    taken: int


class RangeQuery(Query):
    """Which range."""

    range: str


class Tastes(BaseModel):
    """What somebody likes and hates. With ``limit`` what is liked comes first."""

    liked: list[str]
    hated: list[str]
    next: str | None = None


class Where(BaseModel):
    """Where a user listens."""

    host: str
    port: int
    obfuscated_port: int


class Days(Body):
    """Days of privileges to give away."""

    days: Annotated[int, Field(ge=1, le=100_000)]


class Left(BaseModel):
    """Our own privileges, as the server says."""

    seconds_left: int


class Kind(Part):
    """Whose recommendations: by our interests, of everybody, or users of our taste."""

    kind: Literal["mine", "global", "users"] = "mine"
    item: Annotated[str, StringConstraints(max_length=64)] | None = None
    """What is related to this instead."""


class Scored(BaseModel):
    """An interest, or a user, and how much speaks for it."""

    item: str
    score: int


class Recommendations(BaseModel):
    """The best first; ``discouraged`` are those that people hate, and come last with ``limit``."""

    items: list[Scored]
    discouraged: list[Scored] = []
    next: str | None = None


class Fans(BaseModel):
    """Users who like something."""

    items: list[str]
    next: str | None = None


class _Users:
    """The work."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._engine = service.engine

    async def all(self, _call: Call, query: UserPage, _body: None) -> dict[str, Any]:
        users = client_of(self._service).users
        book = users.book
        of = {
            "friends": set(book.friends),
            "banned": set(book.banned_names),
            "watched": set(users.watched),
            "noted": set(book.notes),
        }
        names = set().union(*of.values()) if query.which == "all" else of[query.which]
        page, more = cut(sorted(names, key=lambda name: (name.lower(), name)), query)
        return {"items": [self._row(users.get(name)) for name in page], **more}

    async def one(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        username = call.path["username"]
        status = await self._engine.user_status(username)
        users = client_of(self._service).users
        found = await users.look_up(username)
        row = self._row(found)
        return {**row, "presence": status.presence, "privileged": status.privileged}

    def _row(self, user: User) -> dict[str, Any]:
        users = client_of(self._service).users
        name = user.username
        history = users.book.histories.get(name)
        status = None if user.status is None else PRESENCE.get(UserStatus(user.status), "Offline")
        return {
            "username": name,
            "presence": status or "Unknown",
            "privileged": user.privileged,
            "friend": users.friend(name),
            "banned": name in users.book.banned_names,
            "watched": name in users.watched,
            "note": users.book.notes.get(name, ""),
            "downloaded": history.downloaded if history else 0,
            "uploaded": history.uploaded if history else 0,
            "speed": user.speed,
            "uploads": user.uploads,
            "files": user.files,
            "folders": user.folders,
            "country": user.country,
            "last_seen": (history.last_seen or None) if history else None,
            "past_speed": history.speed if history else None,
            "failures": history.failures if history else 0,
        }

    async def address(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        username = call.path["username"]
        found = await client_of(self._service).users.address(username)
        if not found.known:
            raise HttpError(404, f"{username} is offline")
        return {"host": found.host, "port": found.port, "obfuscated_port": found.obfuscated_port}

    async def privileges(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        return {"seconds_left": await client_of(self._service).privileges.check()}

    async def give(self, call: Call, _query: None, body: Days) -> dict[str, Any]:
        left = await client_of(self._service).privileges.give(call.path["username"], body.days)
        return {"seconds_left": left}

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

    async def picture(self, call: Call, _query: None, _body: None) -> Response:
        found = (await self._engine.user_info(call.path["username"])).picture
        kind = next((kind for mark, kind in _PICTURES.items() if found and found.startswith(mark)), None)
        if not found or kind is None:
            raise HttpError(404, "There is no picture")
        headers = {
            "content-security-policy": "default-src 'none'; sandbox",
            "cache-control": "private, max-age=300",
        }
        return Response(found, headers=headers, media_type=kind)

    def opinion(self, name: str) -> Callable[[Call, None, None], Any]:
        """Befriend, unfriend, ban, unban."""

        async def work(call: Call, _query: None, _body: None) -> None:
            getattr(client_of(self._service).users, name)(call.path["username"])
            self._tell(call.path["username"])

        return work

    async def watch(self, call: Call, _query: None, _body: None) -> None:
        client_of(self._service).users.watch(call.path["username"], _WATCH)

    async def unwatch(self, call: Call, _query: None, _body: None) -> None:
        client_of(self._service).users.unwatch(call.path["username"], _WATCH)

    async def note(self, call: Call, _query: None, body: models.Note) -> None:
        client_of(self._service).users.note(call.path["username"], body.text)
        self._tell(call.path["username"])

    def _tell(self, username: str) -> None:
        users = client_of(self._service).users
        book = users.book
        self._service.hub.tell(
            "user.opinion",
            {
                "username": username,
                "friend": username in book.friends,
                "banned": username in book.banned_names,
                "note": book.notes.get(username, ""),
            },
        )

    # -- bans by address

    async def bans(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        book = client_of(self._service).users.book
        return {"names": sorted(book.banned_names), "ranges": list(book.banned_ranges)}

    async def ban_range(self, _call: Call, _query: None, body: Range) -> None:
        client_of(self._service).users.book.ban_range(body.range)
        self._service.hub.tell("user.bans", {})

    async def unban_range(self, _call: Call, query: RangeQuery, _body: None) -> None:
        client_of(self._service).users.book.unban_range(query.range)
        self._service.hub.tell("user.bans", {})

    async def export_bans(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        return {"text": client_of(self._service).users.book.export_bans()}

    async def import_bans(self, _call: Call, _query: None, body: BanText) -> dict[str, Any]:
        users = client_of(self._service).users
        before = set(users.book.banned_names)
        taken = users.book.import_bans(body.text)
        for username in sorted(users.book.banned_names - before):
            self._tell(username)
        self._service.hub.tell("user.bans", {})
        return {"taken": taken}

    # -- tastes

    async def tastes(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        found = client_of(self._service).interests
        return {"liked": found.liked, "hated": found.hated}

    async def tastes_of(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        found = await client_of(self._service).interests.of(call.path["username"])
        return {"liked": list(found.liked), "hated": list(found.hated)}

    def taste(self, name: str) -> Callable[[Call, None, None], Any]:
        """Like, unlike, hate, unhate."""

        async def work(call: Call, _query: None, _body: None) -> None:
            getattr(client_of(self._service).interests, name)(call.path["item"])

        return work

    async def recommendations(self, _call: Call, query: Kind, _body: None) -> dict[str, Any]:
        interests = client_of(self._service).interests
        discouraged: tuple[tuple[str, int], ...] = ()
        if query.item:
            found = await interests.related(query.item)
        elif query.kind == "users":
            found = await interests.similar_users()
        else:
            everybody = query.kind == "global"
            both = await (interests.global_recommendations() if everybody else interests.recommendations())
            found, discouraged = both.recommended, both.discouraged
        return {"items": _scored(found), "discouraged": _scored(discouraged)}

    async def fans(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        return {"items": list(await client_of(self._service).interests.fans(call.path["item"]))}


def _scored(found: tuple[tuple[str, int], ...]) -> list[dict[str, Any]]:
    return [{"item": item, "score": score} for item, score in found]


def operations(service: Service) -> list[Operation]:
    """What is served here."""
    work = _Users(service)
    user = "/users/{username}"
    away = (429, 503, 504)

    def change(method: str, path: str, told: str, what: Any, **more: Any) -> Operation:
        return Operation(
            method, path, told, what, access=Access.WRITE, status=204, refusals=(503, 504), **more
        )

    def look(path: str, told: str, what: Any, answer: Any, **more: Any) -> Operation:
        return Operation("GET", path, told, what, answer, refusals=away, **more)

    tastes: dict[str, Any] = {"query": Part, "lists": ("liked", "hated")}
    return [
        look("/users", "Users whom we know", work.all, Users, query=UserPage),
        look(user, "What the server says of a user, and we", work.one, models.User),
        look(f"{user}/address", "Where it listens", work.address, Where),
        look("/account/privileges", "How long our privileges last", work.privileges, Left),
        Operation(
            "POST",
            f"{user}/privileges",
            "Give days of our privileges away",
            work.give,
            Left,
            Access.ADMIN,
            body=Days,
            refusals=(503, 504),
            example={"days": 1},
        ),
        look(f"{user}/info", "What a user says of itself", work.info, models.Info),
        look(f"{user}/picture", "Its picture", work.picture, Response),
        change(
            "PUT",
            f"{user}/note",
            "Write something down",
            work.note,
            body=models.Note,
            example={"text": "sings in tune"},
        ),
        change("PUT", f"{user}/friend", "Befriend", work.opinion("befriend")),
        change("DELETE", f"{user}/friend", "Unfriend", work.opinion("unfriend")),
        change("PUT", f"{user}/ban", "Ban", work.opinion("ban")),
        change("DELETE", f"{user}/ban", "Take the ban back", work.opinion("unban")),
        change("PUT", f"{user}/watch", "Be told when it comes and goes", work.watch),
        change("DELETE", f"{user}/watch", "Be told no more", work.unwatch),
        look("/bans", "Who is kept out", work.bans, Bans, query=Part, lists=("names", "ranges")),
        change(
            "PUT",
            "/bans/ranges",
            "Ban an address or a range",
            work.ban_range,
            body=Range,
            example={"range": "192.0.2.0/24"},
        ),
        change("DELETE", "/bans/ranges", "Take that back", work.unban_range, query=RangeQuery),
        look("/bans/list", "All bans as text, to be kept or given on", work.export_bans, BanList),
        Operation(
            "POST",
            "/bans/list",
            "Add bans from such a text, or from a block list",
            work.import_bans,
            Taken,
            Access.WRITE,
            body=BanText,
            refusals=(503,),
            example={"text": "user noisy.neighbour\n192.0.2.0/24\n"},
        ),
        look(f"{user}/interests", "What a user likes and hates", work.tastes_of, Tastes, **tastes),
        look("/interests", "What we like and hate", work.tastes, Tastes, **tastes),
        change("PUT", "/interests/liked/{item}", "Like something", work.taste("like")),
        change("DELETE", "/interests/liked/{item}", "Like it no more", work.taste("unlike")),
        change("PUT", "/interests/hated/{item}", "Hate something", work.taste("hate")),
        change("DELETE", "/interests/hated/{item}", "Hate it no more", work.taste("unhate")),
        look("/interests/fans/{item}", "Users who like something", work.fans, Fans, query=Part),
        look(
            "/recommendations",
            "What else may please us",
            work.recommendations,
            Recommendations,
            query=Kind,
            lists=("items", "discouraged"),
        ),
    ]
