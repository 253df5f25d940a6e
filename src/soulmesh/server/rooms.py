"""Rooms: public, private, unclaimed; who is in them, who belongs to them, what is on their walls.

*Private* means that it has an owner; *public*, that it has none and somebody is
in it; *unclaimed*, that it has none and nobody is in it. An unclaimed room is
kept, and whoever comes next claims it, but one that was ever public is never
private again.

The order of messages in every function is the order that other clients know
from the official server (the specification's "Rooms"), odd repetitions included.
"""

from __future__ import annotations

from collections.abc import Iterable

from soulmesh import wire
from soulmesh.server import frames
from soulmesh.server.frames import EMPTY, name_bytes, wire_name
from soulmesh.server.realm import Realm
from soulmesh.server.state import Room, Session, User
from soulmesh.wire import to_client, to_server

__all__ = ["Rooms", "room_name_fault"]

MAXIMUM_NAME = 24
MAXIMUM_TICKER = 1024

_STATUS = (EMPTY, b"\1\0\0\0", b"\2\0\0\0")


def room_name_fault(name: bytes) -> bytes | None:
    """Why this cannot be the name of a room, in the words of the official server, or ``None``."""
    if not name:
        return b"Room name empty."
    if len(name) > MAXIMUM_NAME:
        return b"Room name " + name + b" longer than 24 characters."
    if name.startswith(b" ") or name.endswith(b" "):
        return b"Room name " + name + b" contains leading or trailing spaces."
    if b"  " in name:
        return b"Room name " + name + b" contains multiple following spaces."
    if not name.isascii() or not name.decode().isprintable():
        return b"Room name " + name + b" contains invalid characters."
    return None


def _count(number: int) -> bytes:
    return number.to_bytes(4, "little")


class Rooms:
    """See the module."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm
        self._occupied: dict[Room, None] = {}
        """Rooms with somebody in them; the others, of which there may be many more, are in no list."""
        positions = [row[3] for table in ("members", "tickers") for row in realm.store.read(table)]
        self._position = max(positions, default=0)

    def _room(self, name: str) -> Room | None:
        return self._realm.rooms.get(wire_name(wire.raw(name)))

    def _user(self, name: str) -> User | None:
        return self._realm.users.get(wire_name(wire.raw(name)))

    def _next_position(self) -> int:
        self._position += 1
        return self._position

    # ---- lists

    def room_list(self, user: User, *, minimum: int = 1) -> bytes:
        """RoomList as this user sees it; public rooms with at least ``minimum`` users."""
        names, counts, number = [], [], 0
        for room in self._occupied:
            present = len(room.members)
            if present >= minimum and room.owner is None:
                names.append(room.name)
                counts.append(_count(present))
                number += 1
        owned: list[Room] = []
        belonging: list[Room] = []
        for room in user.registered_in or ():
            (owned if room.owner is user else belonging).append(room)
        operated = [room for room in belonging if user in room.operators]
        parts = [_count(number), *names, _count(number), *counts]
        for rooms in (owned, belonging):
            parts += [_count(len(rooms)), *(room.name for room in rooms)]
            parts += [_count(len(rooms)), *(_count(len(room.members)) for room in rooms)]
        parts += [_count(len(operated)), *(room.name for room in operated)]
        return frames.frame(64, b"".join(parts))

    def send_update(self, session: Session, *, at_login: bool = False) -> None:
        """The room list update: RoomList, then members, then operators of the private rooms of the user."""
        user = session.user
        if user is None:
            return
        minimum = self._realm.settings.rooms.login_list_minimum if at_login else 1
        session.send(self.room_list(user, minimum=max(1, minimum)))
        rooms = list(user.registered_in or ())
        for room in rooms:
            session.send(self._names(133, room, room.member_users))
        for room in rooms:
            session.send(self._names(148, room, room.operators))

    def _names(self, code: int, room: Room, users: Iterable[User]) -> bytes:
        names = [user.name for user in users]
        return frames.frame(code, room.name + _count(len(names)) + b"".join(names))

    def asked_for_list(self, session: Session, user: User, message: to_server.RoomList) -> None:
        """RoomList alone, with all public rooms."""
        session.send(self.room_list(user))

    # ---- joining and leaving

    def join_room(self, session: Session, user: User, message: to_server.JoinRoom) -> None:
        """Enter a room; make or claim it if nobody has it."""
        realm = self._realm
        raw = wire.raw(message.room)
        fault = room_name_fault(raw)
        if fault is not None:
            realm.notice(session, b"Could not create room. Reason: " + fault)
            return
        name = wire_name(raw)
        room = realm.rooms.get(name)
        if room is not None and session in room.members:
            return
        if len(user.joined or ()) >= realm.settings.rooms.maximum_joined:
            realm.notice(session, f"You are in {len(user.joined or ())} rooms; no more are possible.")
            return
        if room is not None and room.owner not in (None, user) and user not in room.member_users:
            session.send(wire.encode(to_client.CannotCreateRoom(message.room)))
            realm.notice(
                session, b"The room you are trying to enter (" + raw + b") is registered as private."
            )
            return
        private = bool(message.is_private)
        if room is not None and not room.unclaimed:
            self._join(session, user, room)
            return
        claims = private and not (room is not None and room.was_public)
        why_not = self._limit(user, makes=room is None, claims=claims)
        if why_not is not None:
            realm.notice(session, "Could not create room. Reason: " + why_not)
            return
        if room is None:
            room = realm.make_room(name)
            room.maker = user
            user.made += 1
        if private and room.was_public:
            realm.notice(session, b"Room (" + raw + b") is registered as public.")
        elif private:
            room.owner = user
            realm.register(user, room)
            realm.keep_room(room)
            self.send_update(session)
        elif not room.was_public:
            room.was_public = True
            realm.keep_room(room)
        self._join(session, user, room)

    def _limit(self, user: User, *, makes: bool, claims: bool) -> str | None:
        """Why the user may not make a room, or not claim it as private; ``None`` if it may."""
        settings = self._realm.settings.rooms
        if makes and len(self._realm.rooms) >= settings.maximum_rooms:
            return "There are too many rooms."
        if makes and user.made >= settings.maximum_made:
            return f"You have made {user.made} rooms; no more are possible."
        if claims:
            owned = sum(1 for room in user.registered_in or () if room.owner is user)
            if owned >= settings.maximum_owned:
                return f"You own {owned} private rooms; no more are possible."
        return None

    def _join(self, session: Session, user: User, room: Room) -> None:
        arrival = frames.user_joined_room(room.name, user.name, user.status, user.stats_reply()[-20:])
        room.send_each(arrival)
        room.members[session] = None
        self._occupied[room] = None
        if user.joined is None:
            user.joined = {}
        user.joined[room] = None
        session.send(arrival)
        session.send(self._join_reply(room))
        session.send(self._tickers(room))

    def _join_reply(self, room: Room) -> bytes:
        users = [session.user for session in room.members if session.user is not None]
        number = _count(len(users))
        parts = [room.name, number]
        parts += [user.name for user in users]
        parts.append(number)
        parts += [_STATUS[user.status] for user in users]
        parts.append(number)
        parts += [user.stats_reply()[-20:] for user in users]
        nothing = EMPTY * len(users)
        parts += [number, nothing, number, nothing]
        if room.owner is not None:
            parts += [room.owner.name, _count(len(room.operators)), *(user.name for user in room.operators)]
        return frames.frame(14, b"".join(parts))

    def _tickers(self, room: Room) -> bytes:
        parts = [room.name, _count(len(room.tickers))]
        for name, ticker in room.tickers.items():
            parts += [name, ticker]
        return frames.frame(113, b"".join(parts))

    def leave_room(self, session: Session, user: User, message: to_server.LeaveRoom) -> None:
        """Leave; not in it or no such room: nothing."""
        room = self._room(message.room)
        if room is not None and session in room.members:
            self._leave(session, user, room)

    def _leave(self, session: Session, user: User, room: Room) -> None:
        self._remove(session, user, room)
        session.send(frames.frame(15, room.name))

    def _remove(self, session: Session, user: User, room: Room) -> None:
        room.spill()
        del room.members[session]
        if not room.members:
            del self._occupied[room]
        if user.joined is not None:
            user.joined.pop(room, None)
        room.send_each(frames.user_left_room(room.name, user.name))

    def leave_all(self, session: Session, user: User) -> None:
        """The connection is gone: out of every room, and only those who stay are told."""
        for room in list(user.joined or ()):
            if session in room.members:
                self._remove(session, user, room)

    # ---- the wall

    def set_ticker(self, session: Session, user: User, message: to_server.SetRoomTicker) -> None:
        """Put one line on the wall of a room, in place of the one before; empty takes it down."""
        room = self._room(message.room)
        text = wire.raw(message.ticker)
        if room is None or session not in room.members or len(message.ticker) > MAXIMUM_TICKER:
            return
        realm = self._realm
        if user.name in room.tickers:
            self._take_down(room, user.name)
        if not text:
            return
        while len(room.tickers) >= realm.settings.rooms.maximum_tickers:
            self._take_down(room, next(iter(room.tickers)))
        room.tickers[user.name] = wire_name(text)
        realm.store.save("tickers", (room.name[4:], user.name[4:], text, self._next_position()))
        realm.outbox.wake_store()
        room.send_each(frames.frame(114, room.name + user.name + wire_name(text)))

    def _take_down(self, room: Room, name: bytes) -> None:
        del room.tickers[name]
        self._realm.store.remove("tickers", (room.name[4:], name[4:]))
        self._realm.outbox.wake_store()
        room.send_each(frames.frame(115, room.name + name))

    # ---- belonging to a private room

    def _private(self, name: str) -> Room | None:
        room = self._room(name)
        return room if room is not None and room.owner is not None else None

    def _registered(self, room: Room) -> list[User]:
        owner = [room.owner] if room.owner is not None else []
        return owner + list(room.member_users)

    def _tell(self, users: Iterable[User], frame: bytes) -> None:
        for user in users:
            if user.session is not None:
                user.session.send(frame)

    def _keep_member(self, room: Room, user: User) -> None:
        operator = int(user in room.operators)
        self._realm.store.save("members", (room.name[4:], user.name[4:], operator, self._next_position()))
        self._realm.outbox.wake_store()

    def grant_membership(
        self, session: Session, user: User, message: to_server.PrivateRoomGrantMembership
    ) -> None:
        """Add a member; owner and operators may."""
        room = self._private(message.room)
        if room is None or (user is not room.owner and user not in room.operators):
            return
        added = self._user(message.username)
        if added is user:
            return
        raw, name = wire.raw(message.username), name_bytes(room.name)
        realm = self._realm
        if added is None or added.session is None:
            realm.notice(session, b"user " + raw + b" is not logged in.")
        elif not added.invites:
            realm.notice(
                session,
                b"user "
                + raw
                + b" hasn't enabled private room add. please message them and ask them to do so"
                b" before trying to add them again.",
            )
        elif added is room.owner:
            realm.notice(session, b"user " + raw + b" is the owner of room " + name)
        elif added in room.member_users:
            realm.notice(session, b"user " + raw + b" is already a member of room " + name)
        else:
            self._grant_membership(session, user, room, added)

    def _grant_membership(self, session: Session, granter: User, room: Room, added: User) -> None:
        realm = self._realm
        room.member_users[added] = None
        realm.register(added, room)
        self._keep_member(room, added)
        room.spill()
        self._tell(self._registered(room), frames.frame(134, room.name + added.name))
        if added.session is not None:
            added.session.send(frames.frame(139, room.name))
            self.send_update(added.session)
        raw, name = name_bytes(added.name), name_bytes(room.name)
        realm.notice(session, b"User " + raw + b" is now a member of room " + name)
        if room.owner is not None and room.owner is not granter:
            by = name_bytes(granter.name)
            realm.notice_user(
                room.owner,
                b"User ["
                + raw
                + b"] was added as a member of room ["
                + name
                + b"] by operator ["
                + by
                + b"]",
            )

    def revoke_membership(
        self, session: Session, user: User, message: to_server.PrivateRoomRevokeMembership
    ) -> None:
        """Remove a member. The owner may remove anyone, an operator only plain members."""
        room, removed = self._private(message.room), self._user(message.username)
        if room is None or removed is None or removed is user or removed not in room.member_users:
            return
        if user is not room.owner and (user not in room.operators or removed in room.operators):
            return
        self._revoke_membership(room, removed)
        if removed in room.operators:
            self._revoke_operator(room, removed)

    def _revoke_membership(self, room: Room, removed: User) -> None:
        realm = self._realm
        del room.member_users[removed]
        realm.unregister(removed, room)
        realm.store.remove("members", (room.name[4:], removed.name[4:]))
        realm.outbox.wake_store()
        room.spill()
        self._tell(self._registered(room), frames.frame(135, room.name + removed.name))
        if room.owner is not None:
            raw, name = name_bytes(removed.name), name_bytes(room.name)
            realm.notice_user(room.owner, b"User " + raw + b" is no longer a member of room " + name)
        self._turn_out(room, removed)

    def _turn_out(self, room: Room, removed: User) -> None:
        session = removed.session
        if session is None:
            return
        session.send(frames.frame(140, room.name))
        if session in room.members:
            self._leave(session, removed, room)
        self.send_update(session)

    def drop_membership(
        self, session: Session, user: User, message: to_server.PrivateRoomDropMembership
    ) -> None:
        """Stop being a member; the owner is none."""
        room = self._private(message.room)
        if room is None or user not in room.member_users:
            return
        self._revoke_membership(room, user)
        if user in room.operators:
            self._revoke_operator(room, user)

    def grant_operator(
        self, session: Session, user: User, message: to_server.PrivateRoomGrantOperator
    ) -> None:
        """Make a member an operator; the owner may."""
        room = self._private(message.room)
        if room is None or user is not room.owner:
            return
        granted = self._user(message.username)
        raw, name = wire.raw(message.username), name_bytes(room.name)
        realm = self._realm
        if granted is None or granted.session is None:
            realm.notice(session, b"user " + raw + b" is not logged in.")
        elif granted not in room.member_users:
            realm.notice(session, b"user " + raw + b" must first be a member of room " + name)
        elif granted in room.operators:
            realm.notice(session, b"user " + raw + b" is already an operator of room " + name)
        else:
            room.operators[granted] = None
            self._keep_member(room, granted)
            told = frames.frame(143, room.name + granted.name)
            room.spill()
            self._tell(self._registered(room), told)
            # Whoever is in the room gets it twice: that is what the official server does.
            room.send_each(told)
            granted.session.send(frames.frame(145, room.name))
            self.send_update(granted.session)
            realm.notice_user(user, b"User " + raw + b" is now an operator of room " + name)

    def revoke_operator(
        self, session: Session, user: User, message: to_server.PrivateRoomRevokeOperator
    ) -> None:
        """Take operator rights away; the owner may."""
        room, revoked = self._private(message.room), self._user(message.username)
        if room is None or user is not room.owner or revoked is None:
            return
        if revoked in room.member_users and revoked in room.operators:
            self._revoke_operator(room, revoked)

    def drop_operator(self, session: Session, user: User, message: to_server.PrivateRoomDropOperator) -> None:
        """Give up operator rights and stay a member."""
        room = self._private(message.room)
        if room is not None and user in room.operators:
            self._revoke_operator(room, user)

    def _revoke_operator(self, room: Room, revoked: User) -> None:
        realm = self._realm
        del room.operators[revoked]
        if revoked in room.member_users:
            self._keep_member(room, revoked)
        told = frames.frame(144, room.name + revoked.name)
        room.spill()
        self._tell(self._registered(room), told)
        room.send_each(told)
        if revoked.session is not None:
            revoked.session.send(frames.frame(146, room.name))
            self.send_update(revoked.session)
        if room.owner is not None:
            raw, name = name_bytes(revoked.name), name_bytes(room.name)
            realm.notice_user(room.owner, b"User " + raw + b" is no longer an operator of room " + name)

    def drop_ownership(
        self, session: Session, user: User, message: to_server.PrivateRoomDropOwnership
    ) -> None:
        """Give the room up: everybody else is turned out, operators first."""
        room = self._private(message.room)
        if room is not None and room.owner is user:
            self.dissolve(room)

    def dissolve(self, room: Room) -> None:
        """Empty owner, operators and members, and tell them in turn."""
        realm = self._realm
        owner = room.owner
        operators = list(room.operators)
        members = operators + [user for user in room.member_users if user not in room.operators]
        room.owner = None
        room.operators.clear()
        room.member_users.clear()
        realm.keep_room(room)
        for user in members:
            realm.unregister(user, room)
            realm.store.remove("members", (room.name[4:], user.name[4:]))
        if owner is not None:
            realm.unregister(owner, room)
        room.spill()
        for user in members:
            self._turn_out(room, user)
            if user in operators:
                told = frames.frame(144, room.name + user.name)
                for session in room.members:
                    if session.user is not owner:
                        session.send(told)
                if user.session is not None:
                    user.session.send(frames.frame(146, room.name))
                    self.send_update(user.session)
        if owner is not None and owner.session is not None:
            self.send_update(owner.session)

    def delete(self, room: Room) -> None:
        """Forget a room that has nobody in it and belongs to nobody, with its tickers."""
        realm = self._realm
        for ticker in room.tickers:
            realm.store.remove("tickers", (room.name[4:], ticker[4:]))
        if room.maker is not None:
            room.maker.made -= 1
        del realm.rooms[room.name]
        realm.store.remove("rooms", (room.name[4:],))
        realm.outbox.wake_store()

    # ---- accounts that are deleted

    def forget_member(self, room: Room, user: User) -> None:
        """The account goes, and with it its membership."""
        if user in room.member_users:
            self._revoke_membership(room, user)
        if user in room.operators:
            self._revoke_operator(room, user)

    def forget_ticker(self, room: Room, user: User) -> None:
        """The account goes, and with it its ticker."""
        if user.name in room.tickers:
            self._take_down(room, user.name)

    # ---- settings of a user

    def toggle_invites(
        self, session: Session, user: User, message: to_server.TogglePrivateRoomInvites
    ) -> None:
        """Whether others may add the user to private rooms; kept, and said back."""
        user.invites = bool(message.enable)
        self._realm.keep_account(user)
        session.send(wire.encode(to_client.TogglePrivateRoomInvites(user.invites)))

    def public_chat(self, session: Session, on: bool) -> None:
        """The feed of everything said in public rooms, on or off."""
        feed = self._realm.feed
        if on and session not in feed.members:
            feed.spill()
            feed.members[session] = None
        elif not on and session in feed.members:
            feed.spill()
            del feed.members[session]
        session.feed = on
