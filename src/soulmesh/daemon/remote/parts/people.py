"""Users and interests, as a daemon knows them."""

from __future__ import annotations

from collections.abc import AsyncIterator

from soulmesh.daemon.remote.parts.common import Part, Row, q

__all__ = ["Interests", "Users"]


class Users(Part):
    """Other users: who they are, what they share, what we think of them."""

    def all(self, which: str = "all") -> AsyncIterator[Row]:
        """Those we know: ``friends``, ``banned``, ``watched``, ``noted`` or ``all``."""
        return self._pages("/users", which=which, limit=1000)

    async def get(self, username: str) -> Row:
        """What the server says now, and we."""
        found: Row = await self._ask("GET", f"/users/{q(username)}")
        return found

    async def address(self, username: str) -> Row:
        """Where it listens: ``host``, ``port``, ``obfuscated_port``."""
        found: Row = await self._ask("GET", f"/users/{q(username)}/address")
        return found

    async def privileges(self) -> int:
        """Seconds that our own privileges last."""
        return int((await self._ask("GET", "/account/privileges"))["seconds_left"])

    async def give_privileges(self, username: str, days: int) -> int:
        """Give days of our privileges away; returns the seconds that are left."""
        found = await self._ask("POST", f"/users/{q(username)}/privileges", {"days": days})
        return int(found["seconds_left"])

    async def info(self, username: str) -> Row:
        """What the user says of itself; ``picture`` in base64."""
        found: Row = await self._ask("GET", f"/users/{q(username)}/info")
        return found

    async def befriend(self, username: str) -> None:
        """Put it on the list of friends."""
        await self._ask("PUT", f"/users/{q(username)}/friend")

    async def unfriend(self, username: str) -> None:
        """Take it off that list."""
        await self._ask("DELETE", f"/users/{q(username)}/friend")

    async def ban(self, username: str) -> None:
        """Have nothing to do with it."""
        await self._ask("PUT", f"/users/{q(username)}/ban")

    async def unban(self, username: str) -> None:
        """Take the ban back."""
        await self._ask("DELETE", f"/users/{q(username)}/ban")

    async def watch(self, username: str) -> None:
        """Be told when it comes and goes."""
        await self._ask("PUT", f"/users/{q(username)}/watch")

    async def unwatch(self, username: str) -> None:
        """Be told no more."""
        await self._ask("DELETE", f"/users/{q(username)}/watch")

    async def note(self, username: str, text: str) -> None:
        """Write something down; empty text takes it away."""
        await self._ask("PUT", f"/users/{q(username)}/note", {"text": text})

    async def bans(self) -> Row:
        """``names`` and ``ranges`` of addresses that are kept out."""
        found: Row = await self._ask("GET", "/bans")
        return found

    async def ban_range(self, text: str) -> None:
        """Ban an address or a range."""
        await self._ask("PUT", "/bans/ranges", {"range": text})

    async def unban_range(self, text: str) -> None:
        """Take that back."""
        await self._ask("DELETE", "/bans/ranges", range=text)

    async def export_bans(self) -> str:
        """All bans, a line each."""
        return str((await self._ask("GET", "/bans/list"))["text"])

    async def import_bans(self, text: str) -> int:
        """Add bans from such a text or from a block list; how many lines were taken."""
        return int((await self._ask("POST", "/bans/list", {"text": text}))["taken"])

    async def folder(self, username: str, folder: str) -> list[Row]:
        """One folder, asked of its owner: ``name`` and ``files`` of it and of those below."""
        found: list[Row] = (await self._ask("GET", f"/users/{q(username)}/folder", folder=folder))["items"]
        return found

    async def browse(self, username: str) -> Row:
        """Ask for everything that a user shares; how far it is."""
        found: Row = await self._ask("POST", f"/users/{q(username)}/browse")
        return found

    async def browsing(self, username: str) -> Row:
        """How far it has come: ``folders``, ``files``, ``done`` and ``total`` bytes, ``complete``."""
        found: Row = await self._ask("GET", f"/users/{q(username)}/browse")
        return found

    async def end_browsing(self, username: str) -> None:
        """Forget the list."""
        await self._ask("DELETE", f"/users/{q(username)}/browse")

    def folders(self, username: str) -> AsyncIterator[Row]:
        """All folders of the list, as they come, until it is complete."""
        return self._pages(f"/users/{q(username)}/browse/folders", limit=1000)

    def tree(self, username: str, parent: str = "") -> AsyncIterator[Row]:
        """The folders right below another one."""
        return self._pages(f"/users/{q(username)}/browse/tree", parent=parent, limit=1000)

    def files(self, username: str, folder: str) -> AsyncIterator[Row]:
        """The files of one folder of the list."""
        return self._pages(f"/users/{q(username)}/browse/files", folder=folder, limit=1000)

    async def find(self, username: str, words: str, *, offset: int = 0, limit: int = 500) -> list[Row]:
        """Files of the list with all the words in their path; ``limit`` is a thousand at most."""
        at = f"/users/{q(username)}/browse/find"
        found: list[Row] = (await self._ask("GET", at, words=words, offset=offset, limit=limit))["items"]
        return found


class Interests(Part):
    """What we and others like and hate."""

    async def get(self) -> Row:
        """Ours: ``liked`` and ``hated``."""
        found: Row = await self._ask("GET", "/interests")
        return found

    async def of(self, username: str) -> Row:
        """Somebody's."""
        found: Row = await self._ask("GET", f"/users/{q(username)}/interests")
        return found

    async def like(self, item: str) -> None:
        """Like something."""
        await self._ask("PUT", f"/interests/liked/{q(item)}")

    async def unlike(self, item: str) -> None:
        """Like it no more."""
        await self._ask("DELETE", f"/interests/liked/{q(item)}")

    async def hate(self, item: str) -> None:
        """Hate something."""
        await self._ask("PUT", f"/interests/hated/{q(item)}")

    async def unhate(self, item: str) -> None:
        """Hate it no more."""
        await self._ask("DELETE", f"/interests/hated/{q(item)}")

    async def recommendations(self, kind: str = "mine", *, item: str | None = None) -> list[tuple[str, int]]:
        """Scored items: by our taste (``mine``), ``global``, similar ``users``, or related to an item."""
        found = await self._ask("GET", "/recommendations", kind=kind, item=item)
        return [(one["item"], one["score"]) for one in found["items"]]

    async def discouraged(self, kind: str = "mine") -> list[tuple[str, int]]:
        """What is advised against, by the same measure."""
        found = await self._ask("GET", "/recommendations", kind=kind)
        return [(one["item"], one["score"]) for one in found.get("discouraged", ())]

    async def fans(self, item: str) -> list[str]:
        """Users who like something."""
        found: list[str] = (await self._ask("GET", f"/interests/fans/{q(item)}"))["items"]
        return found
