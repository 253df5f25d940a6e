"""Interests: what we like and hate, and what the server makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from soulmesh.client.book import AddressBook
from soulmesh.client.ports import ServerPort
from soulmesh.errors import UsageError
from soulmesh.wire import to_client, to_server
from soulmesh.wire.message import Message
from soulmesh.wire.structs import Recommendation

__all__ = ["Interests", "Recommendations", "UserInterests", "clean_interest"]

_LONGEST = 64

Scored = tuple[tuple[str, int], ...]
"""Items (or users) with a score, best first."""


@dataclass(frozen=True, slots=True)
class Recommendations:
    """What the server suggests, and what it advises against."""

    recommended: Scored
    discouraged: Scored


@dataclass(frozen=True, slots=True)
class UserInterests:
    """What somebody likes and hates."""

    username: str
    liked: tuple[str, ...]
    hated: tuple[str, ...]


class Interests:
    """Our interests, kept between runs and told to the server at each login."""

    def __init__(self, server: ServerPort, book: AddressBook) -> None:
        self._server = server
        self._book = book

    @property
    def liked(self) -> list[str]:
        """What we like."""
        return sorted(self._book.interests)

    @property
    def hated(self) -> list[str]:
        """What we hate."""
        return sorted(self._book.hated)

    def like(self, item: str) -> None:
        """Add to what we like. Raises UsageError if it is empty or longer than 64 characters."""
        item = clean_interest(item)
        self.unhate(item)
        if item not in self._book.interests:
            self._book.interests.add(item)
            self._book.changed()
            self._tell(to_server.AddInterest(item))

    def unlike(self, item: str) -> None:
        """Take away from what we like."""
        item = clean_interest(item)
        if item in self._book.interests:
            self._book.interests.discard(item)
            self._book.changed()
            self._tell(to_server.RemoveInterest(item))

    def hate(self, item: str) -> None:
        """Add to what we hate. Raises as :meth:`like`."""
        item = clean_interest(item)
        self.unlike(item)
        if item not in self._book.hated:
            self._book.hated.add(item)
            self._book.changed()
            self._tell(to_server.AddHatedInterest(item))

    def unhate(self, item: str) -> None:
        """Take away from what we hate."""
        item = clean_interest(item)
        if item in self._book.hated:
            self._book.hated.discard(item)
            self._book.changed()
            self._tell(to_server.RemoveHatedInterest(item))

    def restore(self) -> None:
        """After a login: the server knows nothing of us."""
        for item in self.liked:
            self._server.send(to_server.AddInterest(item))
        for item in self.hated:
            self._server.send(to_server.AddHatedInterest(item))

    # -- questions; each raises NotConnected or NoReply

    async def recommendations(self) -> Recommendations:
        """What people with interests like ours like, and hate."""
        reply = await self._server.ask(to_server.GetRecommendations(), to_client.GetRecommendations)
        return Recommendations(_scored(reply.recommendations), _scored(reply.unrecommendations))

    async def global_recommendations(self) -> Recommendations:
        """What everybody likes, and hates."""
        reply = await self._server.ask(
            to_server.GetGlobalRecommendations(), to_client.GetGlobalRecommendations
        )
        return Recommendations(_scored(reply.recommendations), _scored(reply.unrecommendations))

    async def related(self, item: str) -> Scored:
        """What those who like an item like as well."""
        reply = await self._server.ask(
            to_server.GetItemRecommendations(item),
            to_client.GetItemRecommendations,
            match=lambda reply: reply.item.lower() == item.lower(),
        )
        return _scored(reply.recommendations)

    async def similar_users(self) -> Scored:
        """Users with interests in common with us, and how many."""
        reply = await self._server.ask(to_server.GetSimilarUsers(), to_client.GetSimilarUsers)
        return tuple((user.username, user.score) for user in reply.users)

    async def fans(self, item: str) -> tuple[str, ...]:
        """Users who like an item."""
        reply = await self._server.ask(
            to_server.GetItemSimilarUsers(item),
            to_client.GetItemSimilarUsers,
            match=lambda reply: reply.item.lower() == item.lower(),
        )
        return tuple(reply.usernames)

    async def of(self, username: str) -> UserInterests:
        """What a user likes and hates."""
        reply = await self._server.ask(
            to_server.GetUserInterests(username),
            to_client.GetUserInterests,
            match=lambda reply: reply.username == username,
        )
        return UserInterests(username, tuple(reply.interests), tuple(reply.hated_interests))

    def _tell(self, message: Message) -> None:
        if self._server.connected:
            self._server.send(message)


def clean_interest(item: str) -> str:
    """An interest as the server has it.

    Raises:
        UsageError: it is empty, or too long.
    """
    item = item.strip().lower()
    if not item:
        raise UsageError("an interest cannot be empty")
    if len(item) > _LONGEST:
        raise UsageError(f"an interest has at most {_LONGEST} characters, this one {len(item)}")
    return item


def _scored(items: Sequence[Recommendation] | None) -> Scored:
    return tuple((item.recommendation, item.score) for item in items or ())
