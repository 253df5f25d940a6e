"""Chat rooms: those we are in, who is in them, and everything their owners can do.

flows.rst, "Rooms". What the server refuses it says in a sentence sent as a
private message; such notices are matched to the request that caused them and
become :class:`~soulmesh.client.errors.RoomRefused`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from soulmesh.client.book import AddressBook
from soulmesh.client.errors import NotConnected, RoomRefused, RoomUnknown
from soulmesh.client.events import Event, Events
from soulmesh.client.notices import About, Notice, read_notice
from soulmesh.client.pace import Pace
from soulmesh.client.ports import ServerPort
from soulmesh.client.tasks import Tasks
from soulmesh.errors import UsageError
from soulmesh.wire import to_client, to_server
from soulmesh.wire.message import Message

__all__ = [
    "PublicMessage",
    "Room",
    "RoomEntry",
    "RoomJoined",
    "RoomLeft",
    "RoomList",
    "RoomListChanged",
    "RoomMemberJoined",
    "RoomMemberLeft",
    "RoomMembersChanged",
    "RoomMessage",
    "RoomRightsChanged",
    "RoomTickerChanged",
    "Rooms",
]

_LONGEST_MESSAGE = 2048
_LONGEST_TICKER = 1024
_ANSWER = 10.0
"""Seconds for what a server does at once or, if one is not entitled to it, not at all."""


@dataclass(frozen=True, slots=True)
class RoomJoined(Event):
    """We are in a room."""

    room: str
    users: int


@dataclass(frozen=True, slots=True)
class RoomLeft(Event):
    """We are no longer in a room."""

    room: str


@dataclass(frozen=True, slots=True)
class RoomMessage(Event):
    """Somebody (perhaps we) said something in a room."""

    room: str
    username: str
    text: str


@dataclass(frozen=True, slots=True)
class PublicMessage(Event):
    """Something said in any public room, while the public feed is on."""

    room: str
    username: str
    text: str


@dataclass(frozen=True, slots=True)
class RoomMemberJoined(Event):
    """Somebody entered a room that we are in."""

    room: str
    username: str


@dataclass(frozen=True, slots=True)
class RoomMemberLeft(Event):
    """Somebody left a room that we are in."""

    room: str
    username: str


@dataclass(frozen=True, slots=True)
class RoomTickerChanged(Event):
    """A line on a room's wall was set; empty ``text``: it was taken away."""

    room: str
    username: str
    text: str


@dataclass(frozen=True, slots=True)
class RoomMembersChanged(Event):
    """Membership or operators of a private room changed. ``what`` says how: see :class:`About`."""

    room: str
    username: str
    what: str


@dataclass(frozen=True, slots=True)
class RoomRightsChanged(Event):
    """Our own rights in a private room changed: ``member``, ``operator`` or ``owner``, granted or revoked."""

    room: str
    right: str
    granted: bool


@dataclass(frozen=True, slots=True)
class RoomListChanged(Event):
    """A new list of rooms came; see :attr:`Rooms.known`."""


@dataclass(frozen=True, slots=True)
class RoomEntry:
    """A room in the list of rooms."""

    name: str
    users: int
    private: bool = False
    owned: bool = False
    operated: bool = False


RoomList = tuple[RoomEntry, ...]


@dataclass(slots=True)
class Room:
    """A room that we are in."""

    name: str
    users: dict[str, int] = field(default_factory=dict)
    """Who is in it, with the status of each."""
    private: bool = False
    owner: str = ""
    operators: set[str] = field(default_factory=set)
    members: set[str] = field(default_factory=set)
    """Of a private room, without the owner, present or not."""
    tickers: dict[str, str] = field(default_factory=dict)
    """The wall: a line per user, oldest first."""


@dataclass(slots=True, eq=False)
class _Request:
    """Something we asked for, whose answer may be a sentence."""

    about: About
    room: str
    username: str | None
    future: asyncio.Future[None]

    def same(self, other: _Request) -> bool:
        """Whether one answer is the answer to both."""
        return (self.about, self.room, self.username) == (other.about, other.room, other.username)


class _Unanswered(RoomRefused):
    """Neither done nor refused: the server said nothing."""


class Rooms:
    """The rooms we are in, and who is in them."""

    def __init__(self, server: ServerPort, events: Events, book: AddressBook, pace: Pace) -> None:
        self._server = server
        self._events = events
        self._book = book
        self._pace = pace
        self._tasks = Tasks("rooms")
        self._rooms: dict[str, Room] = {}
        self._wanted: dict[str, bool] = {}
        self._requests: list[_Request] = []
        self._members: dict[str, set[str]] = {}
        self._operators: dict[str, set[str]] = {}
        self._feed = False
        self._invites: bool | None = None
        self.known: RoomList = ()
        """The list of rooms as the server sent it last."""
        on = server.on
        on(to_client.RoomList, self._on_list)
        on(to_client.JoinRoom, self._on_joined)
        on(to_client.LeaveRoom, self._on_left)
        on(to_client.CannotCreateRoom, self._on_cannot_create)
        on(to_client.UserJoinedRoom, self._on_user_joined)
        on(to_client.UserLeftRoom, self._on_user_left)
        on(to_client.GetUserStatus, self._on_status)
        on(to_client.RoomChatMessage, self._on_message)
        on(to_client.PublicChatMessage, self._on_public)
        on(to_client.RoomTickers, self._on_tickers)
        on(to_client.RoomTickerAdded, self._on_ticker_added)
        on(to_client.RoomTickerRemoved, self._on_ticker_removed)
        on(to_client.PrivateRoomMembers, self._on_members)
        on(to_client.PrivateRoomOperators, self._on_operators)
        on(to_client.PrivateRoomGrantMembership, self._on_member_granted)
        on(to_client.PrivateRoomRevokeMembership, self._on_member_revoked)
        on(to_client.PrivateRoomGrantOperator, self._on_operator_granted)
        on(to_client.PrivateRoomRevokeOperator, self._on_operator_revoked)
        on(to_client.PrivateRoomMembershipGranted, lambda m: self._rights(m.room, "member", True))
        on(to_client.PrivateRoomMembershipRevoked, lambda m: self._rights(m.room, "member", False))
        on(to_client.PrivateRoomOperatorGranted, lambda m: self._rights(m.room, "operator", True))
        on(to_client.PrivateRoomOperatorRevoked, lambda m: self._rights(m.room, "operator", False))
        server.on_logged_out(self._logged_out)

    # -- looking

    @property
    def joined(self) -> list[str]:
        """The rooms that we are in."""
        return sorted(self._rooms)

    def get(self, name: str) -> Room | None:
        """A room that we are in."""
        return self._rooms.get(name)

    async def list(self) -> RoomList:
        """Ask for the list of rooms.

        Raises:
            NotConnected, NoReply: the server cannot be asked.
        """
        await self._server.ask(to_server.RoomList(), to_client.RoomList)
        return self.known

    async def find(self, name: str) -> RoomEntry | None:
        """A room as the server lists it now; ``None`` for one that does not exist, or is private to others.

        Raises:
            NotConnected, NoReply: the server cannot be asked.
        """
        return next((room for room in await self.list() if room.name == name), None)

    async def require_joined(self, name: str) -> None:
        """Fail for a room that we are not in.

        Raises:
            RoomUnknown: there is no such room.
            RoomRefused: we are not in it.
            NotConnected, NoReply: the server cannot be asked.
        """
        if name in self._rooms:
            return
        if await self.find(name) is None:
            raise RoomUnknown(name)
        raise RoomRefused(name, "we are not in it")

    @property
    def favourites(self) -> dict[str, bool]:
        """Rooms that are entered at each login; the value says whether as private."""
        return dict(self._book.rooms)

    def favour(self, name: str, *, private: bool = False) -> None:
        """Enter this room at each login."""
        self._book.rooms[name] = private
        self._book.changed()

    def unfavour(self, name: str) -> None:
        """Enter it no more by itself."""
        self._book.rooms.pop(name, None)
        self._book.changed()

    # -- being in a room

    async def join(
        self,
        name: str,
        *,
        private: bool = False,
        create: bool = True,
        timeout: float = 30.0,
        interactive: bool = True,
        patience: float | None = None,
    ) -> Room:
        """Enter a room, creating it if it does not exist.

        Args:
            private: as which kind it is created. A room that exists stays what it is: see
                :attr:`Room.private`, and the server's words as a ``ServerNotice``.
            create: ``False`` has the server's list of rooms looked through first (flows.rst, "Room List"):
                the protocol has no way to enter a room only if it is there.
            timeout: seconds for the server's answer.
            interactive: a person waits for it.
            patience: seconds that it may wait for its turn with the governor; ``None``: as long as it takes.

        Raises:
            TooManyRequests: it would have to wait longer than its patience; says how long.
            RoomRefused: the server says no; ``reason`` holds its words.
            RoomUnknown: there is no such room, and it is not to be created.
            NotConnected: we are not logged in.
        """
        if name in self._rooms:
            return self._rooms[name]
        ours = name in self._wanted or name in self._book.rooms
        if not create and not ours and await self.find(name) is None:
            raise RoomUnknown(name)
        await self._pace.turn("join", name, interactive=interactive, patience=patience)
        if name in self._rooms:
            return self._rooms[name]
        self._wanted[name] = private
        try:
            await self._ask(About.JOIN, name, None, to_server.JoinRoom(name, int(private)), timeout)
        except RoomRefused:
            self._wanted.pop(name, None)
            raise
        room = self._rooms[name]
        # One that others made public stays so.
        self._wanted[name] = room.private
        return room

    async def leave(self, name: str) -> None:
        """Leave a room. Not being in it does no harm."""
        self._wanted.pop(name, None)
        if name in self._rooms:
            await self._server.ask(
                to_server.LeaveRoom(name), to_client.LeaveRoom, match=lambda reply: reply.room == name
            )

    def say(self, name: str, text: str) -> None:
        """Say something in a room that we are in.

        Raises:
            RoomRefused: we are not in it.
            UsageError: nothing at all, or more than 2048 characters.
        """
        self._entered(name)
        if not text.strip():
            raise UsageError("there is nothing to say: the text is empty")
        if len(text) > _LONGEST_MESSAGE:
            raise UsageError(f"a message has at most {_LONGEST_MESSAGE} characters, this one {len(text)}")
        self._server.send(to_server.RoomChatMessage(name, text))

    def set_ticker(self, name: str, text: str) -> None:
        """Put our line on the wall of a room; empty text takes it away.

        Raises:
            RoomRefused: we are not in it.
            UsageError: more than 1024 characters.
        """
        self._entered(name)
        if len(text) > _LONGEST_TICKER:
            raise UsageError(f"a ticker has at most {_LONGEST_TICKER} characters, this one {len(text)}")
        self._server.send(to_server.SetRoomTicker(name, text))

    @property
    def feed(self) -> bool:
        """Whether we get what is said in all public rooms."""
        return self._feed

    def public_feed(self, on: bool) -> None:
        """Get what is said in all public rooms, as :class:`PublicMessage`, or stop that."""
        self._feed = on
        self._server.send(to_server.EnablePublicChat() if on else to_server.DisablePublicChat())

    async def accept_invitations(self, yes: bool) -> bool:
        """Whether others may make us members of private rooms. Returns what the server has noted."""
        reply = await self._server.ask(
            to_server.TogglePrivateRoomInvites(yes), to_client.TogglePrivateRoomInvites
        )
        self._invites = yes
        return reply.enabled

    # -- private rooms

    async def grant_membership(self, room: str, username: str) -> None:
        """Make somebody a member of a private room of ours. Raises RoomUnknown, RoomRefused."""
        await self._change(About.GRANT_MEMBERSHIP, room, username, to_server.PrivateRoomGrantMembership)

    async def revoke_membership(self, room: str, username: str) -> None:
        """End somebody's membership. Raises RoomUnknown, RoomRefused."""
        await self._require(self._members, room, username, "member")
        await self._change(About.REVOKE_MEMBERSHIP, room, username, to_server.PrivateRoomRevokeMembership)

    async def grant_operator(self, room: str, username: str) -> None:
        """Make a member an operator. Raises RoomUnknown, RoomRefused."""
        await self._change(About.GRANT_OPERATOR, room, username, to_server.PrivateRoomGrantOperator)

    async def revoke_operator(self, room: str, username: str) -> None:
        """Make an operator a plain member again. Raises RoomUnknown, RoomRefused."""
        await self._require(self._operators, room, username, "operator")
        await self._change(About.REVOKE_OPERATOR, room, username, to_server.PrivateRoomRevokeOperator)

    async def drop_membership(self, room: str) -> None:
        """Give up our own membership.

        Raises:
            RoomUnknown: the server shows us no such room.
            RoomRefused: we are no member. The owner is none (flows.rst, "Dropping Membership"): it can
                only drop the ownership.
            NotConnected, NoReply: the server cannot be asked.
        """
        entry = await self.find(room)
        if entry is not None and entry.owned:
            error = RoomRefused(room, "it is ours, and an owner can only give up the ownership")
            error.hint = f"soulmesh room drop {room} --ownership"
            raise error
        if entry is None:
            raise RoomUnknown(room)
        if not entry.private:
            raise RoomRefused(room, "we are not a member of it")
        self._wanted.pop(room, None)
        await self._server.ask(
            to_server.PrivateRoomDropMembership(room),
            to_client.PrivateRoomMembershipRevoked,
            match=lambda reply: reply.room == room,
            timeout=_ANSWER,
        )

    async def drop_ownership(self, room: str) -> None:
        """Give up a room of ours: members and operators lose it too.

        Raises:
            RoomUnknown: the server shows us no such room.
            RoomRefused: we do not own it.
            NotConnected, NoReply: the server cannot be asked.
        """
        entry = await self.find(room)
        if entry is None:
            raise RoomUnknown(room)
        if not entry.owned:
            raise RoomRefused(room, "we do not own it")
        await self._server.ask(to_server.PrivateRoomDropOwnership(room), to_client.RoomList, timeout=_ANSWER)
        if self._book.rooms.get(room):
            self.favour(room)

    # -- login and notices

    def restore(self) -> None:
        """After a login: back into the rooms that we were in, and into the favourites."""
        if self._feed:
            self._server.send(to_server.EnablePublicChat())
        if self._invites is not None:
            self._server.send(to_server.TogglePrivateRoomInvites(self._invites))
        for name, private in {**self._book.rooms, **self._wanted}.items():
            self._tasks.start(self.join(name, private=private, interactive=False), f"back into {name}")

    def notice(self, text: str) -> bool:
        """A sentence of the server; True if it answers a request of ours."""
        found = read_notice(text)
        if found is None:
            return False
        request = self._request_for(found)
        if request is None:
            return False
        if request.about is About.JOIN and not found.refused:
            # Done, but not as it was asked for: whoever reads notices should see it.
            return False
        for other in self._requests:
            if found.refused and request.same(other) and not other.future.done():
                other.future.set_exception(RoomRefused(request.room, found.text))
        return True

    async def close(self) -> None:
        """Stop."""
        await self._tasks.close()

    # -- inside

    def _entered(self, name: str) -> Room:
        room = self._rooms.get(name)
        if room is None:
            raise RoomRefused(name, "we are not in it")
        return room

    async def _ask(
        self, about: About, room: str, username: str | None, message: Message, timeout: float
    ) -> None:
        request = _Request(about, room, username, asyncio.get_running_loop().create_future())
        asked = any(request.same(other) for other in self._requests)
        self._requests.append(request)
        try:
            if not asked:
                self._server.send(message)
            async with asyncio.timeout(timeout):
                await request.future
        except TimeoutError:
            raise _Unanswered(room, f"the server did not answer ({about.value})") from None
        finally:
            self._requests.remove(request)

    async def _require(self, known: dict[str, set[str]], room: str, username: str, role: str) -> None:
        """Fail where the server would stay silent. It keeps us informed of private rooms that are ours."""
        await self._require_private(room)
        if room in known and username not in known[room]:
            raise RoomRefused(room, f"{username} is no {role} of it")

    async def _require_private(self, room: str) -> None:
        if room in self._members:
            return
        entry = await self.find(room)
        if entry is None:
            raise RoomUnknown(room)
        if not entry.private:
            raise RoomRefused(room, "it is public: only private rooms have members and operators")

    async def _change(
        self, about: About, room: str, username: str, message: Callable[[str, str], Message]
    ) -> None:
        await self._require_private(room)
        try:
            await self._ask(about, room, username, message(room, username), _ANSWER)
        except _Unanswered as error:
            # Servers ignore what one is not entitled to.
            raise RoomRefused(room, f"the server did nothing: no right to {about.value}?") from error

    def _done(self, about: About, room: str, username: str | None = None) -> None:
        for request in self._requests:
            same = (request.about, request.room, request.username) == (about, room, username)
            if same and not request.future.done():
                request.future.set_result(None)

    def _request_for(self, notice: Notice) -> _Request | None:
        for request in self._requests:
            if (
                request.about in notice.about
                and notice.room in (None, request.room)
                and (notice.username is None or notice.username == request.username)
            ):
                return request
        return None

    def _logged_out(self) -> None:
        for name in list(self._rooms):
            self._events.emit(RoomLeft(name))
        self._rooms.clear()
        for request in self._requests:
            if not request.future.done():
                request.future.set_exception(NotConnected("the link to the server broke"))

    def _rights(self, room: str, right: str, granted: bool) -> None:
        if right == "member" and not granted:
            self._wanted.pop(room, None)
        self._events.emit(RoomRightsChanged(room, right, granted))

    # -- what the server tells

    def _on_list(self, message: to_client.RoomList) -> None:
        operated = set(message.rooms_private_operated or ())
        owned = zip(
            message.rooms_private_owned or (), message.rooms_private_owned_user_count or (), strict=False
        )
        private = zip(message.rooms_private or (), message.rooms_private_user_count or (), strict=False)
        self.known = (
            *(RoomEntry(name, n) for name, n in zip(message.rooms, message.rooms_user_count, strict=False)),
            *(RoomEntry(name, n, True, True, name in operated) for name, n in owned),
            *(RoomEntry(name, n, True, False, name in operated) for name, n in private),
        )
        if message.rooms_private_owned is not None and message.rooms_private is not None:
            ours = {*message.rooms_private_owned, *message.rooms_private}
            for known in (self._members, self._operators):
                for name in known.keys() - ours:
                    del known[name]
            for room in self._rooms.values():
                if room.owner == self._server.username and room.name not in message.rooms_private_owned:
                    self._no_longer_ours(room)
        self._events.emit(RoomListChanged())

    def _no_longer_ours(self, room: Room) -> None:
        """flows.rst, "Dropping Ownership": we are still in the room, but it is nobody's."""
        room.private, room.owner = False, ""
        room.members.clear()
        room.operators.clear()
        # At the next login we must not claim what we gave up.
        self._wanted[room.name] = False
        if room.name in self._book.rooms:
            self.favour(room.name)
        self._events.emit(RoomRightsChanged(room.name, "owner", False))

    def _on_joined(self, message: to_client.JoinRoom) -> None:
        room = Room(message.room)
        room.users = dict(zip(message.users, message.users_status, strict=False))
        room.owner = message.owner or ""
        room.private = bool(room.owner)
        room.operators = set(message.operators or ()) | self._operators.get(message.room, set())
        room.members = set(self._members.get(message.room, ()))
        self._rooms[message.room] = room
        self._wanted.setdefault(message.room, room.private)
        self._events.emit(RoomJoined(message.room, len(room.users)))
        self._done(About.JOIN, message.room)

    def _on_left(self, message: to_client.LeaveRoom) -> None:
        if self._rooms.pop(message.room, None) is not None:
            self._wanted.pop(message.room, None)
            self._events.emit(RoomLeft(message.room))

    def _on_cannot_create(self, message: to_client.CannotCreateRoom) -> None:
        for request in self._requests:
            if request.about is About.JOIN and request.room == message.room and not request.future.done():
                request.future.set_exception(
                    RoomRefused(message.room, "it is private and we are not a member")
                )

    def _on_user_joined(self, message: to_client.UserJoinedRoom) -> None:
        room = self._rooms.get(message.room)
        if room is not None:
            room.users[message.username] = message.status
            self._events.emit(RoomMemberJoined(message.room, message.username))

    def _on_user_left(self, message: to_client.UserLeftRoom) -> None:
        room = self._rooms.get(message.room)
        if room is not None and room.users.pop(message.username, None) is not None:
            self._events.emit(RoomMemberLeft(message.room, message.username))

    def _on_status(self, message: to_client.GetUserStatus) -> None:
        for room in self._rooms.values():
            if message.username in room.users:
                room.users[message.username] = message.status

    def _on_message(self, message: to_client.RoomChatMessage) -> None:
        self._events.emit(RoomMessage(message.room, message.username, message.message))

    def _on_public(self, message: to_client.PublicChatMessage) -> None:
        self._events.emit(PublicMessage(message.room, message.username, message.message))

    def _on_tickers(self, message: to_client.RoomTickers) -> None:
        room = self._rooms.get(message.room)
        if room is not None:
            room.tickers = {entry.username: entry.ticker for entry in message.tickers}

    def _on_ticker_added(self, message: to_client.RoomTickerAdded) -> None:
        room = self._rooms.get(message.room)
        if room is not None:
            room.tickers.pop(message.username, None)
            room.tickers[message.username] = message.ticker
            self._events.emit(RoomTickerChanged(message.room, message.username, message.ticker))

    def _on_ticker_removed(self, message: to_client.RoomTickerRemoved) -> None:
        room = self._rooms.get(message.room)
        if room is not None and room.tickers.pop(message.username, None) is not None:
            self._events.emit(RoomTickerChanged(message.room, message.username, ""))

    def _on_members(self, message: to_client.PrivateRoomMembers) -> None:
        self._members[message.room] = set(message.usernames)
        room = self._rooms.get(message.room)
        if room is not None:
            room.members = set(message.usernames)

    def _on_operators(self, message: to_client.PrivateRoomOperators) -> None:
        self._operators[message.room] = set(message.usernames)
        room = self._rooms.get(message.room)
        if room is not None:
            room.operators = set(message.usernames)

    def _on_member_granted(self, message: to_client.PrivateRoomGrantMembership) -> None:
        self._change_set(self._members, "members", message, add=True)
        self._changed(About.GRANT_MEMBERSHIP, message)

    def _on_member_revoked(self, message: to_client.PrivateRoomRevokeMembership) -> None:
        self._change_set(self._members, "members", message, add=False)
        self._changed(About.REVOKE_MEMBERSHIP, message)

    def _on_operator_granted(self, message: to_client.PrivateRoomGrantOperator) -> None:
        if self._change_set(self._operators, "operators", message, add=True):
            self._changed(About.GRANT_OPERATOR, message)

    def _on_operator_revoked(self, message: to_client.PrivateRoomRevokeOperator) -> None:
        # Servers send this twice to those who are in the room.
        if self._change_set(self._operators, "operators", message, add=False):
            self._changed(About.REVOKE_OPERATOR, message)

    def _change_set(self, sets: dict[str, set[str]], name: str, message: Any, *, add: bool) -> bool:
        known = sets.setdefault(message.room, set())
        changed = (message.username in known) != add
        (known.add if add else known.discard)(message.username)
        room = self._rooms.get(message.room)
        if room is not None:
            names: set[str] = getattr(room, name)
            changed = changed or (message.username in names) != add
            (names.add if add else names.discard)(message.username)
        return changed

    def _changed(self, about: About, message: Any) -> None:
        self._events.emit(RoomMembersChanged(message.room, message.username, about.value))
        self._done(about, message.room, message.username)
