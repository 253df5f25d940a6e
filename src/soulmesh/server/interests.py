"""What users like and hate, and what follows for others.

Only users who are online count. Interests are compared in lower case.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping

from soulmesh import wire
from soulmesh.server.frames import wire_name
from soulmesh.server.realm import Realm
from soulmesh.server.state import Session, User
from soulmesh.wire import to_client, to_server
from soulmesh.wire.structs import Recommendation, SimilarUser

__all__ = ["Interests"]

LISTED = 100
LISTED_GLOBALLY = 200
MAXIMUM_INTERESTS = 200
"""Per user and list; a client that adds more is not heard."""

MANY = 2000
"""Different interests from which on a count of all is kept for :data:`FRESH` seconds."""

FRESH = 10.0

CONSIDERED = 2000
"""Users with something in common who are looked at for one answer: enough to rank, and a bound on cost."""

Index = dict[str, dict[User, None]]


class Interests:
    """Adds, removes, counts and recommends."""

    def __init__(self, realm: Realm) -> None:
        self._realm = realm
        self._likes: Index = {}
        self._hates: Index = {}
        self._global: bytes | None = None
        self._counted = 0.0

    # ---- who counts

    def entered(self, user: User) -> None:
        """The user is online now, so it counts."""
        for items, index in ((user.likes, self._likes), (user.hates, self._hates)):
            for item in items or ():
                index.setdefault(item, {})[user] = None

    def left(self, user: User) -> None:
        """The user is offline now."""
        for items, index in ((user.likes, self._likes), (user.hates, self._hates)):
            for item in items or ():
                _drop(index, item, user)

    # ---- changing

    def add(self, session: Session, user: User, message: to_server.AddInterest) -> None:
        """Something the user likes."""
        self._add(user, message.interest, hated=False)

    def add_hated(self, session: Session, user: User, message: to_server.AddHatedInterest) -> None:
        """Something the user hates."""
        self._add(user, message.hated_interest, hated=True)

    def remove(self, session: Session, user: User, message: to_server.RemoveInterest) -> None:
        """Liked no longer."""
        self._remove(user, message.interest, hated=False)

    def remove_hated(self, session: Session, user: User, message: to_server.RemoveHatedInterest) -> None:
        """Hated no longer."""
        self._remove(user, message.hated_interest, hated=True)

    def _add(self, user: User, text: str, *, hated: bool) -> None:
        item = str(text).lower()
        items = user.hates if hated else user.likes
        if items is None:
            items = set()
            if hated:
                user.hates = items
            else:
                user.likes = items
        if item in items or len(items) >= MAXIMUM_INTERESTS:
            return
        items.add(item)
        (self._hates if hated else self._likes).setdefault(item, {})[user] = None
        self._realm.store.save("interests", (user.name[4:], item, int(hated)))
        self._realm.outbox.wake_store()

    def _remove(self, user: User, text: str, *, hated: bool) -> None:
        item = str(text).lower()
        items = user.hates if hated else user.likes
        if not items or item not in items:
            return
        items.discard(item)
        _drop(self._hates if hated else self._likes, item, user)
        self._realm.store.remove("interests", (user.name[4:], item, int(hated)))
        self._realm.outbox.wake_store()

    # ---- asking

    def mine(self, session: Session, user: User, message: to_server.GetInterests) -> None:
        """What the server has stored for the asker (an old message that is still easy to answer)."""
        session.send(wire.encode(to_client.GetInterests(sorted(user.likes or ()))))

    def of_user(self, session: Session, user: User, message: to_server.GetUserInterests) -> None:
        """Both lists of another user; empty ones of an unknown user."""
        other = self._realm.users.get(wire_name(wire.raw(message.username)))
        likes = sorted(other.likes or ()) if other else []
        hates = sorted(other.hates or ()) if other else []
        session.send(wire.encode(to_client.GetUserInterests(message.username, likes, hates)))

    def globally(self, session: Session, user: User, message: to_server.GetGlobalRecommendations) -> None:
        """What everybody likes and hates; counted anew at most every few seconds once that is work."""
        now = self._realm.now()
        if self._global is None or len(self._likes) + len(self._hates) < MANY or now - self._counted > FRESH:
            self._global = self._count_globally()
            self._counted = now
        session.send(self._global)

    def _count_globally(self) -> bytes:
        scores = {item: len(users) for item, users in self._likes.items()}
        for item, users in self._hates.items():
            scores[item] = scores.get(item, 0) - len(users)
        best, worst = _split(scores, LISTED_GLOBALLY)
        return wire.encode(to_client.GetGlobalRecommendations(best, worst))

    def for_me(self, session: Session, user: User, message: to_server.GetRecommendations) -> None:
        """What users with interests like the asker's like and hate."""
        likes, hates = user.likes or set(), user.hates or set()
        scores: dict[str, int] = {}
        for sign, other in itertools.islice(self._related(user, likes, hates), CONSIDERED):
            _count(scores, other.likes, sign)
            if sign > 0:
                _count(scores, other.hates, -1)
        best, worst = _split({i: s for i, s in scores.items() if i not in likes and i not in hates}, LISTED)
        session.send(wire.encode(to_client.GetRecommendations(best, worst)))

    def _related(self, user: User, likes: set[str], hates: set[str]) -> Iterator[tuple[int, User]]:
        """Other users, once for each interest that they share (+1) or have the other way round (-1)."""
        for item in likes:
            yield from ((1, other) for other in self._likes.get(item, ()) if other is not user)
            yield from ((-1, other) for other in self._hates.get(item, ()) if other is not user)
        for item in hates:
            yield from ((-1, other) for other in self._likes.get(item, ()) if other is not user)

    def for_item(self, session: Session, user: User, message: to_server.GetItemRecommendations) -> None:
        """What those who like one thing like and hate otherwise."""
        scores: dict[str, int] = {}
        for other in itertools.islice(self._likes.get(str(message.item).lower(), ()), CONSIDERED):
            if other is not user:
                _count(scores, other.likes, 1)
                _count(scores, other.hates, -1)
        ranked = sorted(((s, i) for i, s in scores.items() if s), key=lambda pair: (-pair[0], pair[1]))
        entries = [Recommendation(item, score) for score, item in ranked[:LISTED]]
        session.send(wire.encode(to_client.GetItemRecommendations(message.item, entries)))

    def for_item_before(
        self, session: Session, user: User, message: to_server.DeprecatedGetItemRecommendations
    ) -> None:
        """The form without scores, which servers answer with an empty list."""
        session.send(wire.encode(to_client.DeprecatedGetItemRecommendations(message.item, [])))

    def similar_users(self, session: Session, user: User, message: to_server.GetSimilarUsers) -> None:
        """Others with at least one interest in common, and how many."""
        common: dict[User, int] = {}
        for item in user.likes or ():
            for other in self._likes.get(item, ()):
                if other is not user:
                    common[other] = common.get(other, 0) + 1
        ranked = sorted(common.items(), key=lambda pair: (-pair[1], pair[0].name))[:LISTED]
        entries = [SimilarUser(wire.text(other.name[4:]), score) for other, score in ranked]
        session.send(wire.encode(to_client.GetSimilarUsers(entries)))

    def item_users(self, session: Session, user: User, message: to_server.GetItemSimilarUsers) -> None:
        """Everybody who likes one thing."""
        users = list(self._likes.get(str(message.item).lower(), ()))[:LISTED]
        names = [wire.text(other.name[4:]) for other in users]
        session.send(wire.encode(to_client.GetItemSimilarUsers(message.item, names)))


def _drop(index: Index, item: str, user: User) -> None:
    users = index.get(item)
    if users is not None:
        users.pop(user, None)
        if not users:
            del index[item]


def _count(scores: dict[str, int], items: Iterable[str] | None, weight: int) -> None:
    for item in items or ():
        scores[item] = scores.get(item, 0) + weight


def _split(scores: Mapping[str, int], limit: int) -> tuple[list[Recommendation], list[Recommendation]]:
    ranked = sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))
    best = [Recommendation(item, score) for item, score in ranked if score > 0][:limit]
    worst = [Recommendation(item, score) for item, score in reversed(ranked) if score < 0][:limit]
    return best, worst
