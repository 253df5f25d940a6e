"""Private messages to many, and the small answers that fit nowhere else."""

from __future__ import annotations

from soulmesh import wire
from soulmesh.server.frames import wire_name
from soulmesh.server.gateway import Hot
from soulmesh.server.realm import Realm
from soulmesh.server.state import Session, User
from soulmesh.wire import to_client, to_server

__all__ = ["Chat"]


class Chat:
    """See the module. One message to one user is in :class:`soulmesh.server.gateway.Hot`."""

    def __init__(self, realm: Realm, hot: Hot) -> None:
        self._realm = realm
        self._hot = hot

    def to_many(self, session: Session, user: User, message: to_server.PrivateChatMessageUsers) -> None:
        """One message to several users; reaches only those who watch the sender."""
        text = wire_name(wire.raw(message.message))
        limit = self._realm.settings.chat.maximum_receivers
        for name in dict.fromkeys(message.usernames[:limit]):
            receiver = self._realm.users.get(wire_name(wire.raw(name)))
            if receiver is None or receiver.session is None or receiver.session not in (user.watchers or ()):
                continue
            self._hot.deliver(session, user, receiver, text)

    def related_searches(self, session: Session, user: User, message: to_server.GetRelatedSearches) -> None:
        """Nothing is known, so the same query and an empty list."""
        session.send(wire.encode(to_client.GetRelatedSearches(message.query, [])))
