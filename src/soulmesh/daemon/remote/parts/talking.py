"""Rooms and private chat through a daemon."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from soulmesh.daemon.remote.parts.common import Part, Row, q

__all__ = ["Chat", "Rooms"]


class Rooms(Part):
    """Chat rooms."""

    def all(self, words: str = "") -> AsyncIterator[Row]:
        """The server's list, or those with some words in their names."""
        return self._pages("/rooms", words=words or None, limit=1000)

    async def joined(self) -> list[Row]:
        """The rooms that we are in, with unread lines."""
        found: list[Row] = (await self._ask("GET", "/rooms/joined"))["items"]
        return found

    async def get(self, room: str) -> Row:
        """One of them: users, operators, members, the wall."""
        found: Row = await self._ask("GET", _room(room))
        return found

    async def join(self, room: str, *, private: bool = False, create: bool = True) -> Row:
        """Enter a room, making it if it is not there; without ``create`` that is :class:`NotThere`."""
        found: Row = await self._ask(
            "PUT", _room(room), private="true" if private else None, create=None if create else "false"
        )
        return found

    async def leave(self, room: str) -> None:
        """Leave it."""
        await self._ask("DELETE", _room(room))

    def members(self, room: str) -> AsyncIterator[Row]:
        """Who is in it, with what the server says of each."""
        return self._pages(f"{_room(room)}/members", limit=1000)

    async def messages(
        self, room: str, *, before: int | None = None, limit: int = 100, words: str = ""
    ) -> Row:
        """``items``, oldest first, and ``before`` for what was said earlier; only those with all
        ``words``."""
        found: Row = await self._ask(
            "GET", f"{_room(room)}/messages", before=before, limit=limit, words=words or None
        )
        return found

    async def say(self, room: str, text: str) -> None:
        """Say something in it."""
        await self._ask("POST", f"{_room(room)}/messages", {"text": text})

    async def mark_read(self, room: str) -> None:
        """All that was said is read."""
        await self._ask("PUT", f"{_room(room)}/read")

    async def set_ticker(self, room: str, text: str) -> None:
        """Our line on its wall."""
        await self._ask("PUT", f"{_room(room)}/ticker", {"text": text})

    async def favourites(self) -> dict[str, bool]:
        """Rooms that are entered at each login, and whether as private ones."""
        found = await self._ask("GET", "/rooms/favourites")
        return {row["name"]: row["private"] for row in found["items"]}

    async def favour(self, room: str, *, private: bool = False) -> None:
        """Enter it at each login."""
        await self._ask("PUT", f"{_room(room)}/favourite", private="true" if private else None)

    async def unfavour(self, room: str) -> None:
        """Enter it no more by itself."""
        await self._ask("DELETE", f"{_room(room)}/favourite")

    async def grant_membership(self, room: str, username: str) -> None:
        """Make somebody a member of a private room."""
        await self._ask("PUT", f"{_room(room)}/members/{q(username)}")

    async def revoke_membership(self, room: str, username: str) -> None:
        """End a membership."""
        await self._ask("DELETE", f"{_room(room)}/members/{q(username)}")

    async def grant_operator(self, room: str, username: str) -> None:
        """Make a member an operator."""
        await self._ask("PUT", f"{_room(room)}/operators/{q(username)}")

    async def revoke_operator(self, room: str, username: str) -> None:
        """Make an operator a plain member."""
        await self._ask("DELETE", f"{_room(room)}/operators/{q(username)}")

    async def drop_membership(self, room: str) -> None:
        """Give up our membership."""
        await self._ask("DELETE", f"{_room(room)}/membership")

    async def drop_ownership(self, room: str) -> None:
        """Give up a room of ours."""
        await self._ask("DELETE", f"{_room(room)}/ownership")

    async def accept_invitations(self, on: bool) -> None:
        """Whether others may make us members."""
        await self._ask("PUT", "/rooms/invitations", {"on": on})

    async def feed(self) -> bool:
        """Whether we hear what is said in all public rooms."""
        found: bool = (await self._ask("GET", "/rooms/feed"))["on"]
        return found

    async def public_feed(self, on: bool) -> None:
        """Hear what is said in all public rooms."""
        await self._ask("PUT", "/rooms/feed", {"on": on})


def _room(room: str) -> str:
    return f"/rooms/joined/{q(room)}"


class Chat(Part):
    """Private messages."""

    def conversations(self) -> AsyncIterator[Row]:
        """All conversations, those with the newest message first."""
        return self._pages("/conversations", limit=1000)

    async def messages(
        self, username: str, *, before: int | None = None, limit: int = 100, words: str = ""
    ) -> Row:
        """``items``, oldest first, and ``before`` for what was written earlier; only those with all
        ``words``."""
        found: Row = await self._ask(
            "GET", f"{_talk(username)}/messages", before=before, limit=limit, words=words or None
        )
        return found

    async def write(self, username: str, text: str) -> None:
        """Write to somebody."""
        await self._ask("POST", f"{_talk(username)}/messages", {"text": text})

    async def write_to_many(self, usernames: Sequence[str], text: str) -> None:
        """Write the same to several at once; only those who watch us get it."""
        await self._ask("POST", "/conversations", {"usernames": list(usernames), "text": text})

    async def forget(self, username: str) -> None:
        """Forget all that was said."""
        await self._ask("DELETE", f"{_talk(username)}/messages")

    async def mark_read(self, username: str) -> None:
        """All that was written is read."""
        await self._ask("PUT", f"{_talk(username)}/read")

    async def hide(self, username: str) -> None:
        """Show it no more; its messages stay."""
        await self._ask("DELETE", _talk(username))


def _talk(username: str) -> str:
    return f"/conversations/{q(username)}"
