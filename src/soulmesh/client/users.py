"""Other users: who is online, their figures, and what we think of them.

flows.rst, "Users". The server tells us about users that we watch (AddUser), and
about those in rooms that we are in. Implements the ``Presence`` port.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace

from soulmesh.client.book import AddressBook, History
from soulmesh.client.errors import NoReply, NotConnected, UserOffline, UserUnknown
from soulmesh.client.events import Event, Events
from soulmesh.client.pace import Pace
from soulmesh.client.ports import ServerPort, Undo
from soulmesh.client.results import Memory, Remembered, stays
from soulmesh.core.rendezvous import Address
from soulmesh.wire import to_client, to_server
from soulmesh.wire.enums import UserStatus
from soulmesh.wire.structs import UserStats

__all__ = ["User", "UserStatsChanged", "UserStatusChanged", "UserUnknown", "Users"]


_MOST_ADDRESSES = 20_000
_DOUBT = 5.0
"""Seconds in which a server says whether there is such a user, or never."""


@dataclass(frozen=True, slots=True)
class UserStatusChanged(Event):
    """A user came, went, or went away. ``status``: see :class:`soulmesh.wire.enums.UserStatus`."""

    username: str
    status: int
    privileged: bool


@dataclass(frozen=True, slots=True)
class UserStatsChanged(Event):
    """A user's figures changed."""

    username: str
    speed: int
    uploads: int
    files: int
    folders: int


@dataclass(frozen=True, slots=True)
class User:
    """What we know of a user. ``None``: the server has not said."""

    username: str
    exists: bool | None = None
    status: int | None = None
    privileged: bool = False
    speed: int | None = None
    """Average upload speed, bytes per second."""
    uploads: int | None = None
    files: int | None = None
    folders: int | None = None
    country: str = ""
    """Two letters; empty if the server does not say."""

    @property
    def online(self) -> bool | None:
        """Online or away."""
        return None if self.status is None else self.status != UserStatus.OFFLINE


class Users:
    """Users as the server shows them, and our own notes."""

    def __init__(self, server: ServerPort, events: Events, book: AddressBook, pace: Pace) -> None:
        self._server = server
        self._events = events
        self._pace = pace
        self.book = book
        self._known: dict[str, User] = {}
        self._reasons: dict[str, set[Hashable]] = {}
        self._addresses: dict[str, str] = {}
        self._privileged: set[str] = set()
        self._came: list[Callable[[str], None]] = []
        self._went: list[Callable[[str], None]] = []
        self._learned: list[Callable[[str], None]] = []
        server.on(to_client.AddUser, self._on_add_user)
        server.on(to_client.GetUserStatus, self._on_status)
        server.on(to_client.GetUserStats, self._on_stats)
        server.on(to_client.PrivilegedUsers, self._on_privileged_users)
        server.on(to_client.AddPrivilegedUser, self._on_privileged_user)
        server.on(to_client.GetPeerAddress, self._on_address)
        server.on(to_client.ConnectToPeer, lambda message: self._seen_at(message.username, message.ip))
        server.on_logged_out(self._logged_out)

    # -- watching

    def watch(self, username: str, reason: object = "asked") -> None:
        """Have the server tell us about this user until every ``reason`` is gone.

        See :class:`soulmesh.client.ports.Presence`.
        """
        reasons = self._reasons.setdefault(username, set())
        first = not reasons
        reasons.add(reason)
        if first and self._server.connected:
            self._server.send(to_server.AddUser(username))

    def unwatch(self, username: str, reason: object = "asked") -> None:
        """A reason for watching is gone; the server is told when it was the last."""
        reasons = self._reasons.get(username)
        if reasons is None:
            return
        reasons.discard(reason)
        if not reasons:
            del self._reasons[username]
            if self._server.connected and username != self._server.username:
                self._server.send(to_server.RemoveUser(username))

    @property
    def watched(self) -> list[str]:
        """Users that are watched for any reason."""
        return sorted(self._reasons)

    def restore(self) -> None:
        """After a login: watch again whom we watched."""
        for friend in self.book.friends:
            self._reasons.setdefault(friend, set()).add("friend")
        for username in self._reasons:
            self._server.send(to_server.AddUser(username))

    async def look_up(self, username: str) -> User:
        """Ask the server about a user.

        Raises:
            UserUnknown: there is no such user.
            NotConnected, NoReply: the server cannot be asked.
        """
        if not await self._registered(username, 30.0):
            raise UserUnknown(username)
        status = await self._server.ask(
            to_server.GetUserStatus(username),
            to_client.GetUserStatus,
            match=lambda reply: reply.username == username,
        )
        return replace(self.get(username), status=status.status)

    async def exists(self, username: str) -> bool:
        """Whether there is such a user. A server that does not say leaves the benefit of the doubt."""
        try:
            return await self._registered(username, _DOUBT)
        except (NotConnected, NoReply):
            return True

    async def require_online(self, username: str) -> None:
        """Fail for a user of whom the server says that nothing is to be had.

        Raises:
            UserUnknown: there is no such user.
            UserOffline: it is not logged in.
            NotConnected: we are not.
        """
        try:
            found = await self.look_up(username)
        except NoReply:
            return
        if not found.online:
            raise UserOffline(username)

    async def _registered(self, username: str, timeout: float) -> bool:
        found = await self._server.ask(
            to_server.AddUser(username),
            to_client.AddUser,
            match=lambda reply: reply.username == username,
            timeout=timeout,
        )
        if username not in self._reasons and username != self._server.username:
            # AddUser is the only question that says whether a user exists, but it also begins watching.
            self._server.send(to_server.RemoveUser(username))
        return bool(found.exists)

    async def address(self, username: str) -> Address:
        """Where a user listens; ``known`` is false for one who is offline.

        Raises:
            NotConnected, NoReply: the server cannot be asked.
        """
        found = await self._server.ask(
            to_server.GetPeerAddress(username),
            to_client.GetPeerAddress,
            match=lambda reply: reply.username == username,
        )
        return Address(found.ip, found.port, found.obfuscated_port or 0)

    def get(self, username: str) -> User:
        """What we know of a user, without asking."""
        known = self._known.get(username, User(username))
        return replace(known, privileged=True) if username in self._privileged else known

    # -- presence

    def online(self, username: str) -> bool | None:
        """Whether a user is online; ``None`` if we do not know."""
        return self.get(username).online

    def unknown(self, username: str) -> bool:
        """Whether the server has said that there is no such user."""
        return self.get(username).exists is False

    def privileged(self, username: str) -> bool:
        """Whether a user has privileges."""
        return self.get(username).privileged

    def friend(self, username: str) -> bool:
        """Whether a user is our friend."""
        return username in self.book.friends

    def banned(self, username: str) -> bool:
        """Whether a user is banned, by name or by the address it was last seen at."""
        return username in self.book.banned_names or self.book.bans_address(self._addresses.get(username, ""))

    def refuses(self, username: str, address: str) -> bool:
        """Whether a connection of that user from that address is not wanted."""
        self._seen_at(username, address)
        return self.banned(username)

    def shared(self, username: str) -> tuple[int, int] | None:
        """How many files and folders a user shares; ``None`` if the server has not said."""
        user = self.get(username)
        return None if user.files is None or user.folders is None else (user.files, user.folders)

    def on_known(self, handler: Callable[[str], None]) -> Undo:
        """Call ``handler`` when privileges, friendship or what a user shares is known to be another."""
        return _register(self._learned, handler)

    def on_online(self, handler: Callable[[str], None]) -> Undo:
        """Call ``handler`` when a watched user comes online."""
        return _register(self._came, handler)

    def on_offline(self, handler: Callable[[str], None]) -> Undo:
        """Call ``handler`` when a watched user goes offline."""
        return _register(self._went, handler)

    # -- our own opinion

    def befriend(self, username: str) -> None:
        """Put a user on our list of friends, and watch it."""
        self.book.friends.add(username)
        self.book.changed()
        self.watch(username, "friend")
        self._learn(username)

    def unfriend(self, username: str) -> None:
        """Take a user off our list of friends."""
        self.book.friends.discard(username)
        self.book.changed()
        self.unwatch(username, "friend")
        self._learn(username)

    def ban(self, username: str) -> None:
        """Have nothing to do with a user any more."""
        self.book.banned_names.add(username)
        self.book.changed()

    def unban(self, username: str) -> None:
        """Take a ban back."""
        self.book.banned_names.discard(username)
        self.book.changed()

    def note(self, username: str, text: str) -> None:
        """Write something down about a user; empty text takes it back."""
        if text:
            self.book.notes[username] = text
        else:
            self.book.notes.pop(username, None)
        self.book.changed()

    def history(self, username: str) -> History:
        """What went both ways."""
        return self.book.history(username)

    @property
    def memory(self) -> Memory:
        """What searches rank by: past speed, recent failures, and the hours in which a user is around."""

        def remembered(username: str) -> Remembered:
            past = self.book.histories.get(username)
            if past is None:
                return Remembered()
            return Remembered(past.speed, past.failures, stays(past.hours, self.book.hour))

        return remembered

    # -- what the server tells

    def _on_add_user(self, message: to_client.AddUser) -> None:
        if not message.exists:
            self._known[message.username] = User(message.username, exists=False, status=UserStatus.OFFLINE)
            return
        user = replace(
            self._known.get(message.username, User(message.username)),
            exists=True,
            country=message.country_code or "",
        )
        self._known[message.username] = _with_stats(user, message.user_stats)
        self._learn(message.username)
        if message.status is not None:
            self._status(message.username, message.status, None)

    def _on_status(self, message: to_client.GetUserStatus) -> None:
        self._status(message.username, message.status, message.privileged)

    def _on_stats(self, message: to_client.GetUserStats) -> None:
        stats = message.user_stats
        user = self._known.get(message.username, User(message.username))
        self._known[message.username] = _with_stats(user, stats)
        self._events.emit(
            UserStatsChanged(
                message.username,
                stats.avg_speed,
                stats.uploads,
                stats.shared_file_count,
                stats.shared_folder_count,
            )
        )
        self._learn(message.username)

    def _status(self, username: str, status: int, privileged: bool | None) -> None:
        before = self._known.get(username, User(username))
        if privileged is not None:
            (self._privileged.add if privileged else self._privileged.discard)(username)
        now = replace(before, status=status, privileged=username in self._privileged)
        self._known[username] = now
        if (before.status, before.privileged) != (now.status, now.privileged):
            self._events.emit(UserStatusChanged(username, status, now.privileged))
        if before.privileged != now.privileged:
            self._learn(username)
        if username not in self._reasons:
            return
        if now.online and not before.online:
            self.book.seen(username)
            for handler in tuple(self._came):
                handler(username)
        elif before.online and not now.online:
            for handler in tuple(self._went):
                handler(username)

    def _on_privileged_users(self, message: to_client.PrivilegedUsers) -> None:
        changed = self._privileged.symmetric_difference(message.users)
        self._privileged = set(message.users)
        for username in changed & self._reasons.keys():
            self._learn(username)

    def _on_privileged_user(self, message: to_client.AddPrivilegedUser) -> None:
        self._privileged.add(message.username)
        self._learn(message.username)

    def _learn(self, username: str) -> None:
        for handler in tuple(self._learned):
            handler(username)

    def _on_address(self, message: to_client.GetPeerAddress) -> None:
        if message.ip != "0.0.0.0":
            self._seen_at(message.username, message.ip)

    def _seen_at(self, username: str, address: str) -> None:
        if self._addresses.get(username) == address:
            return
        try:
            ipaddress.ip_address(address)
        except ValueError:
            return
        self._addresses[username] = address
        # Names are free to invent for whoever connects to us.
        while len(self._addresses) > _MOST_ADDRESSES:
            del self._addresses[next(iter(self._addresses))]

    def _logged_out(self) -> None:
        # Nobody tells us what happens meanwhile: everything is unknown until the server says it again.
        for username, user in self._known.items():
            self._known[username] = replace(user, status=None)


def _with_stats(user: User, stats: UserStats | None) -> User:
    if stats is None:
        return user
    return replace(
        user,
        speed=stats.avg_speed,
        uploads=stats.uploads & 0xFFFFFFFF,
        files=stats.shared_file_count,
        folders=stats.shared_folder_count,
    )


def _register(handlers: list[Callable[[str], None]], handler: Callable[[str], None]) -> Undo:
    handlers.append(handler)

    def undo() -> None:
        if handler in handlers:
            handlers.remove(handler)

    return undo
