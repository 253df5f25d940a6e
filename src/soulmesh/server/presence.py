"""Who is here, what others are told about them, and how they reach each other."""

from __future__ import annotations

import hashlib

from soulmesh import wire
from soulmesh.server import frames
from soulmesh.server.realm import Realm
from soulmesh.server.rooms import Rooms
from soulmesh.server.state import AWAY, OFFLINE, ONLINE, Session, User
from soulmesh.wire import to_client, to_server

__all__ = ["Presence"]


class Presence:
    """Logins and logouts, status, figures, watching, addresses, introductions."""

    def __init__(self, realm: Realm, rooms: Rooms) -> None:
        self._realm = realm
        self._rooms = rooms
        self._login_facts: dict[bool, tuple[tuple[bytes, bytes], bytes]] = {}

    # ---- coming and going

    def create(self, name: bytes, password: str) -> User:
        """A new account of that wire name with that encoded hash."""
        realm = self._realm
        user = realm.users[name] = User(name)
        user.password = password
        user.created = int(realm.now())
        user.speed = realm.settings.accounts.initial_upload_speed
        realm.keep_account(user)
        return user

    def enter(self, session: Session, user: User, password: bytes) -> None:
        """The password was right: greet, send what waits, tell those who watch."""
        realm = self._realm
        session.belong_to(user)
        session.number = next(realm.login_numbers)
        before = realm.online.opened(user.name, session)
        if before is not None:
            self._push_out(before)
        user.session = session
        user.status = ONLINE
        user.address_changed()
        user.status_changed()
        digest = hashlib.md5(password, usedforsecurity=False).hexdigest().encode()
        session.send(frames.login(realm.greeting.encode(), session.ip, digest, user.supporter))
        for chat_id, row in (user.queue or {}).items():
            sender, message = frames.wire_name(row[2]), frames.wire_name(row[4])
            session.send(frames.private_chat_message(chat_id, row[3], sender, message, b"\0"))
        self._rooms.send_update(session, at_login=True)
        session.send(self._facts(user.privileged))
        if user.watchers:
            reply = user.status_reply()
            for watcher in list(user.watchers):
                watcher.send(reply)

    def _push_out(self, before: Session) -> None:
        self.cleanup(before, told=False)
        before.send(wire.encode(to_client.Kicked()))
        before.finish()

    def _facts(self, privileged: bool) -> bytes:
        """What every login ends with, kept until one of the lists in it changes."""
        lists = (self.privileged_users(), self.excluded_phrases())
        kept = self._login_facts.get(privileged)
        if kept is None or kept[0] != lists:
            settings = self._realm.settings
            search = settings.search
            interval = search.wishlist_interval_privileged if privileged else search.wishlist_interval
            figures = (
                to_client.ParentMinSpeed(settings.distributed.parent_min_speed),
                to_client.ParentSpeedRatio(settings.distributed.parent_speed_ratio),
                to_client.WishlistInterval(interval),
            )
            data = b"".join(wire.encode(message) for message in figures) + b"".join(lists)
            kept = self._login_facts[privileged] = (lists, data)
        return kept[1]

    def privileged_users(self) -> bytes:
        """PrivilegedUsers, kept until the list changes."""
        realm = self._realm
        if realm.privileged_frame is None:
            names = [wire.text(user.name[4:]) for user in realm.privileged]
            realm.privileged_frame = wire.encode(to_client.PrivilegedUsers(names))
        return realm.privileged_frame

    def excluded_phrases(self) -> bytes:
        """ExcludedSearchPhrases, kept until the list changes."""
        realm = self._realm
        if realm.excluded_frame is None:
            realm.excluded_frame = wire.encode(to_client.ExcludedSearchPhrases(list(realm.excluded_phrases)))
        return realm.excluded_frame

    def leave(self, session: Session) -> None:
        """The connection is gone."""
        if session.user is not None:
            self.cleanup(session, told=True)

    def cleanup(self, session: Session, *, told: bool) -> None:
        """End a session: out of its rooms first, then offline. ``told``: whether watchers hear of it."""
        realm = self._realm
        user = session.user
        if user is None:
            return
        self._rooms.leave_all(session, user)
        for watched in session.watching or ():
            if watched.watchers is not None:
                watched.watchers.discard(session)
        session.watching = None
        for group in (realm.roots, realm.feed):
            if session in group.members:
                group.spill()
                del group.members[session]
        session.is_root = session.seeking_parent = session.accepts_children = session.feed = False
        session.user = None
        if not realm.online.closed(user.name, session):
            return
        user.session = None
        user.status = OFFLINE
        user.address_changed()
        user.status_changed()
        if told and user.watchers:
            reply = user.status_reply()
            for watcher in list(user.watchers):
                watcher.send(reply)

    # ---- what a user says about itself

    def set_listen_port(self, session: Session, user: User, message: to_server.SetListenPort) -> None:
        """Ports on which others reach the user."""
        if not 0 <= message.port <= 65535:
            return
        session.port = message.port
        obfuscated = message.obfuscated_port or 0
        kind = message.obfuscation_type or 0
        if kind == 0 or not 0 < obfuscated <= 65535:
            kind = obfuscated = 0
        session.obfuscation, session.obfuscated_port = kind, obfuscated
        user.address_changed()

    def set_status(self, session: Session, user: User, message: to_server.SetStatus) -> None:
        """Online or away; everything else, and the same again, is nothing."""
        if message.status not in (AWAY, ONLINE) or message.status == user.status:
            return
        user.status = message.status
        user.status_changed()
        reply = user.status_reply()
        told_itself = False
        for listener in self._realm.audience(user):
            listener.send(reply)
            told_itself |= listener is session
        if message.status == AWAY and not told_itself:
            session.send(reply)

    def set_counts(self, session: Session, user: User, message: to_server.SharedFoldersFiles) -> None:
        """How much the user shares; watchers and room mates are told."""
        if (user.folders, user.files) != (message.shared_folder_count, message.shared_file_count):
            user.folders, user.files = message.shared_folder_count, message.shared_file_count
            user.stats_changed()
            self._realm.keep_account(user)
        reply = user.stats_reply()
        for listener in self._realm.audience(user):
            listener.send(reply)

    def add_upload(self, session: Session, user: User, message: to_server.SendUploadSpeed) -> None:
        """One upload more, with its speed. Nobody is told."""
        user.speed = (user.speed * user.uploads + message.speed) // (user.uploads + 1)
        user.uploads += 1
        user.stats_changed()
        self._realm.keep_account(user)

    def status_announced(self, user: User) -> None:
        """Something that GetUserStatus shows has changed: tell watchers and room mates."""
        user.status_changed()
        reply = user.status_reply()
        for listener in self._realm.audience(user):
            listener.send(reply)

    # ---- watching

    def watch(self, session: Session, watched: User) -> None:
        """``session`` wants to know about ``watched`` from now on. Oneself is not watched."""
        if watched is session.user:
            return
        if session.watching is None:
            session.watching = set()
        session.watching.add(watched)
        if watched.watchers is None:
            watched.watchers = set()
        watched.watchers.add(session)

    def remove_user(self, session: Session, user: User, message: to_server.RemoveUser) -> None:
        """No longer watch; of someone not watched: nothing."""
        watched = self._realm.users.get(frames.wire_name(wire.raw(message.username)))
        if watched is None or session.watching is None:
            return
        session.watching.discard(watched)
        if watched.watchers is not None:
            watched.watchers.discard(session)

    # ---- introductions

    def cannot_connect(self, session: Session, user: User, message: to_server.CannotConnect) -> None:
        """Told to the named user, with the ticket alone."""
        if message.username is None:
            return
        other = self._realm.users.get(frames.wire_name(wire.raw(message.username)))
        if other is not None and other.session is not None:
            other.session.send(wire.encode(to_client.CannotConnect(message.ticket)))
