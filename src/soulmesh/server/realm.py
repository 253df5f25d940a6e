"""Everything that the server knows, and who looks after which part of it.

A :class:`Realm` holds what all parts share: users, rooms, groups, settings, the
store. Each manager owns one subject. No sockets here: tests drive a realm with
sessions that write into lists.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from random import Random
from typing import TYPE_CHECKING

from soulmesh.server import chat_ids, frames
from soulmesh.server.online import Online
from soulmesh.server.settings import Settings
from soulmesh.server.state import Group, Outbox, Room, Session, User
from soulmesh.server.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["SERVER_NAME", "Realm"]

SERVER_NAME = frames.wire_name(b"server")
"""Who notices come from, and whom administrators write to."""

_ID_BLOCK = 10_000
"""Chat ids reserved at a time, so that none is used twice after a crash."""


class Realm:
    """See the module.

    ``now`` gives wall time in seconds since 1970; ``random`` picks among equals.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        outbox: Outbox,
        now: Callable[[], float],
        random: Random,
    ) -> None:
        self.settings = settings
        self.store = store
        self.outbox = outbox
        self.now = now
        self.random = random
        self.online = Online()
        self.users: dict[bytes, User] = {}
        self.rooms: dict[bytes, Room] = {}
        self.roots: Group = Group(outbox)
        """Sessions of branch roots."""
        self.feed: Group = Group(outbox)
        """Sessions that want the public chat."""
        self.privileged: dict[User, None] = {}
        self.privileged_frame: bytes | None = None
        self.excluded_frame: bytes | None = None
        self.greeting = settings.server.greeting
        self.excluded_phrases = list(settings.search.excluded_phrases)
        self.private = settings.server.private
        self.maximum_users = settings.server.maximum_users
        self.next_chat_id = 1
        self.chat_ids_low = 1
        """Below this all ids are free and reserved; from here on more are looked for."""
        self._waiting_ids: list[int] = []
        """Ids of messages that waited when we last looked, sorted: ahead of us there are no others."""
        self.login_numbers: Iterator[int] = itertools.count(1)
        self.started = now()
        self.second_turn = -1
        self.this_second = 0
        """What :meth:`second` gave in the turn ``second_turn``, for the hot path."""

    # ---- the store

    def keep_account(self, user: User) -> None:
        """Save what belongs to the account."""
        self.store.save("accounts", user.row())
        self.outbox.wake_store()

    def keep_room(self, room: Room) -> None:
        """Save owner, past and maker of a room."""
        owner = room.owner.name[4:] if room.owner else None
        maker = room.maker.name[4:] if room.maker else None
        self.store.save("rooms", (room.name[4:], owner, int(room.was_public), maker))
        self.outbox.wake_store()

    def keep_value(self, key: str, value: str) -> None:
        """Save one value under a name."""
        self.store.save("settings", (key, value))
        self.outbox.wake_store()

    def load(self) -> None:
        """Bring back everything from the store. Before the first connection."""
        now = self.now()
        for row in self.store.read("accounts"):
            user = User(frames.wire_name(row[0]))
            user.password = row[1]
            user.admin = bool(row[2])
            user.created, user.privileged_until = row[3], row[4]
            user.supporter = bool(row[5])
            user.speed, user.uploads, user.files, user.folders = row[6:10]
            user.invites = bool(row[10])
            if not user.uploads:
                user.speed = self.settings.accounts.initial_upload_speed
            self.users[user.name] = user
            if user.privileged_until > now:
                user.privileged = True
                self.privileged[user] = None
        for name, item, hated in self.store.read("interests"):
            owner = self.users.get(frames.wire_name(name))
            if owner is None:
                continue
            if hated:
                owner.hates = (owner.hates or set()) | {item}
            else:
                owner.likes = (owner.likes or set()) | {item}
        self._load_rooms()
        values: dict[str, str] = {row[0]: row[1] for row in self.store.read("settings")}
        messages = list(self.store.read("messages"))
        self._waiting_ids = sorted(row[0] for row in messages)
        # Messages may have come from elsewhere, by import: their numbers are taken too.
        next_chat_id = chat_ids.go_on(int(values.get("next_chat_id", "1")), self._waiting_ids)
        for row in sorted(messages, key=lambda row: (row[3], chat_ids.age(row[0], next_chat_id))):
            receiver = self.users.get(frames.wire_name(row[1]))
            if receiver is not None:
                if receiver.queue is None:
                    receiver.queue = {}
                receiver.queue[row[0]] = row
        self.greeting = values.get("greeting", self.greeting)
        self.private = values.get("private", "true" if self.private else "false") == "true"
        self.maximum_users = int(values.get("maximum_users", self.maximum_users))
        if "excluded_phrases" in values:
            self.excluded_phrases = [p for p in values["excluded_phrases"].split("\n") if p]
        self._reserve_chat_ids(next_chat_id)

    def _load_rooms(self) -> None:
        for name, owner, was_public, maker in self.store.read("rooms"):
            room = self.make_room(frames.wire_name(name))
            room.was_public = bool(was_public)
            if owner is not None and (user := self.users.get(frames.wire_name(owner))) is not None:
                room.owner = user
                self.register(user, room)
            if maker is not None and (user := self.users.get(frames.wire_name(maker))) is not None:
                room.maker = user
                user.made += 1
        for row in sorted(self.store.read("members"), key=lambda row: row[3]):
            found = self.rooms.get(frames.wire_name(row[0]))
            user = self.users.get(frames.wire_name(row[1]))
            if found is not None and user is not None:
                found.member_users[user] = None
                self.register(user, found)
                if row[2]:
                    found.operators[user] = None
        for row in sorted(self.store.read("tickers"), key=lambda row: row[3]):
            found = self.rooms.get(frames.wire_name(row[0]))
            if found is not None:
                found.tickers[frames.wire_name(row[1])] = frames.wire_name(row[2])

    # ---- users and rooms

    def make_room(self, name: bytes) -> Room:
        """A new, empty room of that wire name."""
        room = self.rooms[name] = Room(self.outbox, name)
        return room

    def register(self, user: User, room: Room) -> None:
        """Remember that a private room concerns the user."""
        if user.registered_in is None:
            user.registered_in = {}
        user.registered_in[room] = None

    def unregister(self, user: User, room: Room) -> None:
        """The room no longer concerns the user."""
        if user.registered_in is not None:
            user.registered_in.pop(room, None)

    def audience(self, user: User) -> Iterable[Session]:
        """Who is told of changes of a user: its watchers, and all users of its rooms. Once each."""
        joined = user.joined
        if not joined:
            return list(user.watchers) if user.watchers else ()
        found: dict[Session, None] = dict.fromkeys(user.watchers or ())
        for room in joined:
            room.spill()
            found.update(room.members)
        return list(found)

    # ---- chat ids and notices

    def second(self) -> int:
        """Wall time in whole seconds, asked for once per loop turn."""
        turn = self.outbox.turn
        if turn != self.second_turn:
            self.second_turn = turn
            self.this_second = int(self.now())
        return self.this_second

    def chat_id(self) -> int:
        """A number that no private message has which waits, and none had for a few thousand millions."""
        number = self.next_chat_id
        if number >= self.chat_ids_low:
            self._reserve_chat_ids(number)
            number = self.next_chat_id
        self.next_chat_id = number + 1
        return number

    def _reserve_chat_ids(self, number: int) -> None:
        if number > chat_ids.LAST:
            # Until the next time round nothing ahead of us can begin to wait: it is looked at once.
            self._waiting_ids = sorted(number for user in self.users.values() for number in user.queue or ())
        first, end = chat_ids.free_run(number, self._waiting_ids)
        self.next_chat_id = first
        self.chat_ids_low = min(end, first + _ID_BLOCK // 2)
        self.keep_value("next_chat_id", str(chat_ids.after(first, _ID_BLOCK)))

    def notice(self, session: Session, text: str | bytes) -> None:
        """Say something to a user as the server, in a private message that is not kept."""
        data = text.encode() if isinstance(text, str) else text
        message = frames.wire_name(data)
        sent = self.second()
        session.send(frames.private_chat_message(self.chat_id(), sent, SERVER_NAME, message, b"\1"))

    def notice_user(self, user: User, text: str | bytes) -> None:
        """The same, if the user is online."""
        if user.session is not None:
            self.notice(user.session, text)
