"""A running daemon in the place of a client, for commands.

A command that is written for a client (see :mod:`soulmesh.cli.logged_in`) runs on this without
knowing: the same methods, answered by ``/api/v1``, and the same events out of its stream. Nothing
goes online a second time, and what the command leaves behind (friends, wishes, messages) is where
the daemon has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
from base64 import b64decode
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any, Self, TypeVar

from soulmesh.cli.afar import Search
from soulmesh.client.book import AddressBook, History
from soulmesh.client.browse import Folder
from soulmesh.client.chat import PrivateMessage
from soulmesh.client.chat_store import Conversation, Line
from soulmesh.client.errors import NoReply
from soulmesh.client.events import Event, Events
from soulmesh.client.filters import Filter, SavedFilters
from soulmesh.client.info import UserInfo
from soulmesh.client.interests import Recommendations, UserInterests, clean_interest
from soulmesh.client.results import FoundFile, Hit
from soulmesh.client.rooms import Room, RoomEntry, RoomMessage, RoomTickerChanged
from soulmesh.client.server_link import LoggedIn, LoggedOut
from soulmesh.client.users import User, UserUnknown
from soulmesh.client.wishes import Wish, WishFound
from soulmesh.core.rendezvous import Address
from soulmesh.daemon.remote import Daemon, DaemonRefused, NotThere, Told
from soulmesh.net.world import World
from soulmesh.wire.enums import FileAttribute, UserStatus

__all__ = ["StandIn", "found_file", "hit"]

T = TypeVar("T")

_STATUS = {"Offline": UserStatus.OFFLINE, "Away": UserStatus.AWAY, "Online": UserStatus.ONLINE}


def found_file(row: dict[str, Any]) -> FoundFile:
    """A file of the API as the client knows it."""
    known = (
        (FileAttribute.BITRATE, row.get("bitrate")),
        (FileAttribute.DURATION, row.get("length")),
        (FileAttribute.VBR, 1 if row.get("vbr") else None),
        (FileAttribute.SAMPLE_RATE, row.get("sample_rate")),
        (FileAttribute.BIT_DEPTH, row.get("bit_depth")),
    )
    return FoundFile(
        row["path"], row["size"], tuple((int(key), value) for key, value in known if value is not None)
    )


def hit(row: dict[str, Any]) -> Hit:
    """A file that a search found."""
    return Hit(
        row["username"],
        found_file(row),
        row["free_slot"],
        row["speed"],
        row["queue"],
        row["locked"],
        row["expected"],
        row["folder_files"],
    )


def _seconds(at: str | None) -> float:
    return datetime.fromisoformat(at).timestamp() if at else 0.0


class StandIn:
    """What commands may use of a client. Use it with ``async with``; it closes the daemon's client.

    Args:
        daemon: where the daemon is.
        username: whose account it runs.
    """

    def __init__(self, daemon: Daemon, username: str) -> None:
        self.daemon = daemon
        self.username = username
        self.world = World.real()
        self.events = Events()
        self.book = _Book()
        self.users = _Users(self)
        self.info = _Info(self)
        self.rooms = _Rooms(self)
        self.chat = _Chat(self)
        self.wishes = _Wishes(self)
        self.interests = _Interests(self)
        self.privileges = _Privileges(self)
        self._filters = AddressBook(self.world, None)
        self.filters = SavedFilters(self._filters)
        self._listening: asyncio.Task[None] | None = None
        self._sending: list[asyncio.Task[Any]] = []
        self._order = asyncio.Lock()
        self._news: dict[str, asyncio.Event] = {}

    async def __aenter__(self) -> Self:
        await self.daemon.__aenter__()
        heard = asyncio.Event()
        self._listening = asyncio.create_task(self._listen(heard))
        waiting = asyncio.create_task(heard.wait())
        # Nothing that the command causes may happen before somebody listens.
        await asyncio.wait({self._listening, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        try:
            if self._listening.done():
                self._listening.result()
            await self.wishes.load()
            self._filters.filters = await self.daemon.filters.all()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.flush()
            await self.rooms.go_home()
        finally:
            await self._close()

    async def _close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.wait({self._listening})
        self.events.close()
        await self.daemon.close()

    async def browse(self, username: str, *, timeout: float = 60.0) -> _Browse:
        """What a user shares."""

        async def ask() -> None:
            async with asyncio.timeout(timeout):
                await self.daemon.users.browse(username)

        await self.in_turn(ask)
        return _Browse(self.daemon, username)

    def search(
        self,
        query: str,
        *,
        timeout: float,
        username: str | None = None,
        room: str | None = None,
        keep: Filter | None = None,
        limit: int | None = None,
    ) -> Search:
        """A search; see :meth:`soulmesh.client.client.Client.search`."""
        return Search(self, query, timeout=timeout, username=username, room=room, keep=keep, limit=limit)

    async def in_turn(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What the daemon refuses until the server bears it is waited for, as a command alone does."""
        while True:
            try:
                return await ask()
            except DaemonRefused as error:
                if error.status != 429 or error.wait is None:
                    raise
                wait = error.wait
            await asyncio.sleep(wait)

    async def changed(self, search: str) -> None:
        """Wait until the daemon tells something new about a search of its API."""
        news = self._news.setdefault(search, asyncio.Event())
        await news.wait()
        news.clear()

    def later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do what the client does at once, in the order in which it was said."""

        async def in_turn() -> None:
            async with self._order:
                await work

        self._sending.append(asyncio.create_task(in_turn()))

    async def flush(self) -> None:
        """Wait for all that was said, and fail if some of it failed."""
        sending, self._sending = self._sending, []
        for task in sending:
            await task

    # -- events

    async def _listen(self, heard: asyncio.Event) -> None:
        async for told in self.daemon.events(listening=heard.set):
            if told.kind == "search.changed":
                self._news.setdefault(told.data["id"], asyncio.Event()).set()
            event = _event(told)
            if event is not None:
                self.rooms.notice(event)
                self.events.emit(event)
        # The daemon went away: whoever waits for events waits no more.
        self.events.close()


def _kinds(root: type[Event]) -> dict[str, type[Event]]:
    found = {}
    for kind in root.__subclasses__():
        found[kind.__name__] = kind
        found |= _kinds(kind)
    return found


def _event(told: Told) -> Event | None:
    """The client's event that the daemon told of; ``None`` for what only the daemon knows."""
    data = told.data
    match told.kind:
        case "room.said":
            return RoomMessage(data["room"], data["username"], data["text"])
        case "chat.message":
            if data["ours"]:
                return None
            return PrivateMessage(data["username"], data["text"], int(_seconds(data["at"])), True)
        case "link.LoggedOut":
            # A daemon stays, whatever becomes of its session: another account, another server.
            return LoggedOut(data["reason"], final=False)
        case "link.LoggedIn":
            return LoggedIn(data["username"], "", "")
        case "wish.WishFound":
            return WishFound(data["query"], hit(data["hit"]))
    kind = _kinds(Event).get(told.kind.rpartition(".")[2])
    if kind is None:
        return None
    names = [field.name for field in dataclasses.fields(kind)]
    if not all(name in data for name in names):
        return None
    return kind(**{name: data[name] for name in names})


class _Book:
    """What we think of users, as far as it was asked for."""

    def __init__(self) -> None:
        self.notes: dict[str, str] = {}
        self.histories: dict[str, History] = {}


class _Users:
    def __init__(self, client: StandIn) -> None:
        self._client = client
        self._rows: dict[str, dict[str, Any]] = {}

    async def look_up(self, username: str) -> User:
        try:
            row = await self._client.daemon.users.get(username)
        except NotThere:
            raise UserUnknown(username) from None
        self._rows[username] = row
        book = self._client.book
        book.notes[username] = row["note"]
        book.histories[username] = History(
            row["downloaded"],
            row["uploaded"],
            row["past_speed"],
            row["failures"],
            row["last_seen"] or "",
        )
        return User(
            username,
            True,
            _STATUS.get(row["presence"]),
            row["privileged"],
            row["speed"],
            row["uploads"],
            row["files"],
            row["folders"],
            row["country"],
        )

    async def address(self, username: str) -> Address:
        row = await self._client.daemon.users.address(username)
        return Address(row["host"], row["port"], row["obfuscated_port"])

    def friend(self, username: str) -> bool:
        return bool(self._rows.get(username, {}).get("friend"))

    def banned(self, username: str) -> bool:
        return bool(self._rows.get(username, {}).get("banned"))

    def watch(self, username: str, _reason: object) -> None:
        self._client.later(self._client.daemon.users.watch(username))


class _Info:
    def __init__(self, client: StandIn) -> None:
        self._client = client

    async def ask(self, username: str, *, timeout: float = 60.0) -> UserInfo:
        try:
            async with asyncio.timeout(timeout):
                row = await self._client.daemon.users.info(username)
        except TimeoutError:
            raise NoReply("PeerUserInfoRequest", username, timeout) from None
        picture = b64decode(row["picture"]) if row["picture"] else None
        return UserInfo(
            username, row["description"], picture, row["slots"], row["queue"], row["free_slot"], None
        )

    async def folder(
        self, username: str, directory: str, *, timeout: float = 60.0
    ) -> dict[str, list[FoundFile]]:
        async with asyncio.timeout(timeout):
            found = await self._client.daemon.users.folder(username, directory)
        return {one["name"]: [found_file(row) for row in one["files"]] for one in found}


class _Browse:
    """What a user shares, read out of the daemon's index."""

    def __init__(self, daemon: Daemon, username: str) -> None:
        self.username = username
        self.folders = self.files = self.bytes = 0
        self._daemon = daemon

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        with contextlib.suppress(NotThere):
            await self._daemon.users.end_browsing(self.username)

    async def __aiter__(self) -> AsyncIterator[Folder]:
        number = 0
        async for row in self._daemon.users.folders(self.username):
            number += 1
            yield Folder(number, row["name"], row["files"], row["size"], row["locked"])
        await self._count()

    async def files_of(self, folder: Folder) -> list[FoundFile]:
        return [found_file(row) async for row in self._daemon.users.files(self.username, folder.name)]

    async def search(self, words: str, *, offset: int = 0, limit: int = 500) -> list[FoundFile]:
        # One answer holds a thousand at most.
        found: list[FoundFile] = []
        while len(found) < limit:
            lot = min(limit - len(found), 1000)
            rows = await self._daemon.users.find(self.username, words, offset=offset + len(found), limit=lot)
            found += [found_file(row) for row in rows]
            if len(rows) < lot:
                break
        return found

    async def finished(self) -> Self:
        # The list of folders ends when everything is there.
        async for _ in self._daemon.users.folders(self.username):
            pass
        await self._count()
        return self

    async def _count(self) -> None:
        state = await self._daemon.users.browsing(self.username)
        self.folders, self.files, self.bytes = state["folders"], state["files"], state["bytes"]


class _Rooms:
    def __init__(self, client: StandIn) -> None:
        self._client = client
        self._rooms: dict[str, Room] = {}
        self._visited: list[str] = []
        self._fed = False
        """Whether we turned the public feed on, which was off."""

    async def list(self) -> tuple[RoomEntry, ...]:
        found = [row async for row in self._client.daemon.rooms.all()]
        return tuple(
            RoomEntry(row["name"], row["users"], row["private"], row["owned"], row["operated"])
            for row in found
        )

    async def join(self, name: str, *, private: bool = False, create: bool = True) -> Room:
        there = {row["name"] for row in await self._client.daemon.rooms.joined()}
        row = await self._client.in_turn(
            lambda: self._client.daemon.rooms.join(name, private=private, create=create)
        )
        members = [member async for member in self._client.daemon.rooms.members(name)]
        if name not in there:
            self._visited.append(name)
        room = self._rooms[name] = Room(
            name,
            {member["username"]: int(_STATUS.get(member["presence"], 2)) for member in members},
            row["private"],
            row["owner"] or "",
            set(row["operators"]),
            set(row["members"]),
            {ticker["username"]: ticker["text"] for ticker in row["tickers"]},
        )
        return room

    async def go_home(self) -> None:
        """Leave what the command entered: a command that goes online itself leaves as well."""
        for name in self._visited:
            with contextlib.suppress(NotThere):
                await self._client.daemon.rooms.leave(name)
        if self._fed:
            await self._client.daemon.rooms.public_feed(False)

    def notice(self, event: Event) -> None:
        if isinstance(event, RoomTickerChanged) and event.room in self._rooms:
            tickers = self._rooms[event.room].tickers
            tickers.pop(event.username, None)
            if event.text:
                tickers[event.username] = event.text

    def say(self, name: str, text: str) -> None:
        self._client.later(self._client.daemon.rooms.say(name, text))

    def set_ticker(self, name: str, text: str) -> None:
        self._client.later(self._client.daemon.rooms.set_ticker(name, text))

    async def grant_membership(self, room: str, username: str) -> None:
        await self._client.daemon.rooms.grant_membership(room, username)

    async def revoke_membership(self, room: str, username: str) -> None:
        await self._client.daemon.rooms.revoke_membership(room, username)

    async def grant_operator(self, room: str, username: str) -> None:
        await self._client.daemon.rooms.grant_operator(room, username)

    async def revoke_operator(self, room: str, username: str) -> None:
        await self._client.daemon.rooms.revoke_operator(room, username)

    async def drop_membership(self, room: str) -> None:
        await self._client.daemon.rooms.drop_membership(room)

    async def drop_ownership(self, room: str) -> None:
        await self._client.daemon.rooms.drop_ownership(room)

    async def accept_invitations(self, yes: bool) -> bool:
        await self._client.daemon.rooms.accept_invitations(yes)
        return yes

    def public_feed(self, on: bool) -> None:
        async def turn() -> None:
            rooms = self._client.daemon.rooms
            if await rooms.feed() != on:
                await rooms.public_feed(on)
                self._fed = on

        self._client.later(turn())


class _Chat:
    def __init__(self, client: StandIn) -> None:
        self._client = client

    async def send(self, username: str, text: str) -> None:
        await self._client.daemon.chat.write(username, text)

    async def history(self, place: str, *, limit: int = 100, words: str = "") -> list[Line]:
        daemon = self._client.daemon
        try:
            if place.startswith("#"):
                found = await daemon.rooms.messages(place[1:], limit=min(limit, 1000), words=words)
            else:
                found = await daemon.chat.messages(place, limit=min(limit, 1000), words=words)
        except NotThere:
            return []
        return [
            Line(row["id"], _seconds(row["at"]), row["username"], row["text"], row["ours"])
            for row in found["items"]
        ]

    async def mark_read(self, place: str) -> None:
        with contextlib.suppress(NotThere):
            if place.startswith("#"):
                await self._client.daemon.rooms.mark_read(place[1:])
            else:
                await self._client.daemon.chat.mark_read(place)

    async def forget(self, place: str) -> None:
        with contextlib.suppress(NotThere):
            await self._client.daemon.chat.forget(place)

    async def conversations(self) -> list[Conversation]:
        return [
            Conversation(row["username"], row["lines"], row["unread"], _seconds(row["last"]))
            async for row in self._client.daemon.chat.conversations()
        ]


class _Wishes:
    def __init__(self, client: StandIn) -> None:
        self._client = client
        self.interval = 0.0
        self.all: list[Wish] = []

    async def load(self) -> None:
        self.all = [_wish(row) for row in await self._client.daemon.wishes.all()]
        self.interval = await self._client.daemon.wishes.interval()

    async def add(self, query: str, *, filter: str = "", download: str = "") -> Wish:
        return _wish(await self._client.daemon.wishes.add(query, filter=filter, download=download))

    async def remove(self, query: str) -> None:
        await self._client.daemon.wishes.remove(query)


def _wish(row: dict[str, Any]) -> Wish:
    known = {
        field.name for field in dataclasses.fields(Wish) if field.init and not field.name.startswith("_")
    }
    return Wish(**{name: value for name, value in row.items() if name in known})


class _Interests:
    def __init__(self, client: StandIn) -> None:
        self._client = client

    def like(self, item: str) -> None:
        self._client.later(self._client.daemon.interests.like(clean_interest(item)))

    def unlike(self, item: str) -> None:
        self._client.later(self._client.daemon.interests.unlike(clean_interest(item)))

    def hate(self, item: str) -> None:
        self._client.later(self._client.daemon.interests.hate(clean_interest(item)))

    def unhate(self, item: str) -> None:
        self._client.later(self._client.daemon.interests.unhate(clean_interest(item)))

    async def recommendations(self) -> Recommendations:
        return await self._scored("mine")

    async def global_recommendations(self) -> Recommendations:
        return await self._scored("global")

    async def _scored(self, kind: str) -> Recommendations:
        interests = self._client.daemon.interests
        return Recommendations(
            tuple(await interests.recommendations(kind)), tuple(await interests.discouraged(kind))
        )

    async def related(self, item: str) -> tuple[tuple[str, int], ...]:
        return tuple(await self._client.daemon.interests.recommendations(item=item))

    async def similar_users(self) -> tuple[tuple[str, int], ...]:
        return tuple(await self._client.daemon.interests.recommendations("users"))

    async def fans(self, item: str) -> tuple[str, ...]:
        return tuple(await self._client.daemon.interests.fans(item))

    async def of(self, username: str) -> UserInterests:
        row = await self._client.daemon.interests.of(username)
        return UserInterests(username, tuple(row["liked"]), tuple(row["hated"]))


class _Privileges:
    def __init__(self, client: StandIn) -> None:
        self._client = client

    async def check(self) -> int:
        await self._client.flush()
        status = await self._client.daemon.status()
        return int(status["privileged_seconds"])

    async def give(self, username: str, days: int) -> int:
        return await self._client.daemon.users.give_privileges(username, days)
