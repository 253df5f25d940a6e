"""Privileges: how long they last, who gives them to whom, and when they end."""

from __future__ import annotations

from soulmesh import wire
from soulmesh.server.frames import show, wire_name
from soulmesh.server.presence import Presence
from soulmesh.server.realm import Realm
from soulmesh.server.state import Session, User
from soulmesh.wire import to_client, to_server

__all__ = ["DAY", "Privileges"]

DAY = 86400


class Privileges:
    """See the module."""

    def __init__(self, realm: Realm, presence: Presence) -> None:
        self._realm = realm
        self._presence = presence

    def left(self, user: User) -> int:
        """Seconds of privileges that the user still has."""
        return max(0, user.privileged_until - int(self._realm.now()))

    def check(self, session: Session, user: User, message: to_server.CheckPrivileges) -> None:
        """CheckPrivileges: seconds left."""
        session.send(wire.encode(to_client.CheckPrivileges(min(self.left(user), 0xFFFFFFFF))))

    def of_user(self, session: Session, user: User, message: to_server.GetUserPrivileges) -> None:
        """Whether another user is privileged (GetUserStatus tells the same)."""
        other = self._realm.users.get(wire_name(wire.raw(message.username)))
        privileged = other is not None and other.privileged
        session.send(wire.encode(to_client.GetUserPrivileges(message.username, privileged)))

    def give(self, session: Session, user: User, message: to_server.GiveUserPrivileges) -> None:
        """Move days from the giver to somebody, online or not. Never more than the giver has."""
        receiver = self._realm.users.get(wire_name(wire.raw(message.username)))
        seconds = message.days * DAY
        if receiver is None or receiver is user or not seconds or seconds > self.left(user):
            return
        self.change(user, -seconds)
        self.change(receiver, seconds)
        days = "1 day" if message.days == 1 else f"{message.days} days"
        self._realm.notice_user(receiver, f"{show(user.name)} has given you {days} of privileges.")

    def change(self, user: User, seconds: int) -> None:
        """Add or take away time; watchers and rooms hear if the flag changes."""
        now = int(self._realm.now())
        user.privileged_until = max(now, user.privileged_until) + seconds
        self._realm.keep_account(user)
        self._settle(user, now)

    def set_days(self, user: User, days: float) -> None:
        """Exactly so many days from now; an administrator's word. 0 ends them."""
        now = int(self._realm.now())
        user.privileged_until = now + int(days * DAY) if days > 0 else 0
        user.supporter = user.supporter or days > 0
        self._realm.keep_account(user)
        self._settle(user, now)

    def _settle(self, user: User, now: int) -> None:
        privileged = user.privileged_until > now
        if privileged == user.privileged:
            return
        user.privileged = privileged
        if privileged:
            self._realm.privileged[user] = None
        else:
            self._realm.privileged.pop(user, None)
        self._realm.privileged_frame = None
        self._presence.status_announced(user)

    def tick(self) -> None:
        """End what has run out. To be called now and then."""
        if not self._realm.privileged:
            return
        now = int(self._realm.now())
        for user in [user for user in self._realm.privileged if user.privileged_until <= now]:
            self._settle(user, now)
