"""Searches, saved filters and wishes of a daemon."""

from __future__ import annotations

from collections.abc import AsyncIterator

from soulmesh.daemon.remote.parts.common import Part, Row, q

__all__ = ["Filters", "Searches", "Wishes"]


class Searches(Part):
    """Searches, and their results as somebody looks at them."""

    async def begin(
        self,
        text: str,
        *,
        silence: float = 15.0,
        response_limit: int = 250,
        file_limit: int = 25_000,
        username: str | None = None,
        room: str | None = None,
    ) -> Row:
        """Search everywhere, or ask one user or one room.

        Args:
            silence: seconds without an answer after which it ends.
        """
        body = {
            "text": text,
            "silence": silence,
            "response_limit": response_limit,
            "file_limit": file_limit,
            "username": username,
            "room": room,
        }
        given = {name: value for name, value in body.items() if value is not None}
        found: Row = await self._ask("POST", "/searches", given)
        return found

    def all(self) -> AsyncIterator[Row]:
        """All searches, oldest first."""
        return self._pages("/searches")

    async def get(self, search: str) -> Row:
        """One search."""
        found: Row = await self._ask("GET", f"/searches/{q(search)}")
        return found

    def answers(self, search: str) -> AsyncIterator[Row]:
        """What came so far: one answer per user, in the order in which they came."""
        return self._pages(f"/searches/{q(search)}/results", limit=1000)

    async def files(
        self,
        search: str,
        *,
        filter: str = "",
        sort: str = "arrival",
        order: str = "asc",
        group: str = "none",
        offset: int = 0,
        limit: int = 100,
    ) -> Row:
        """A window into the files: ``items``, ``total`` rows, ``hits`` past the filter, ``all`` files."""
        found: Row = await self._ask(
            "GET",
            f"/searches/{q(search)}/files",
            filter=filter or None,
            sort=sort,
            order=order,
            group=group,
            offset=offset,
            limit=limit,
        )
        return found

    async def matches(self, search: str, filter: str, *, offset: int = 0) -> Row:
        """Which files pass a filter, by their numbers in the order of arrival, from one on."""
        found: Row = await self._ask("GET", f"/searches/{q(search)}/matches", filter=filter, offset=offset)
        return found

    async def stop(self, search: str) -> None:
        """End it, keeping what came."""
        await self._ask("POST", f"/searches/{q(search)}/stop")

    async def forget(self, search: str) -> None:
        """End it and drop its results."""
        await self._ask("DELETE", f"/searches/{q(search)}")


class Filters(Part):
    """Filters of results that have a name."""

    async def all(self) -> dict[str, str]:
        """Texts by name."""
        return {one["name"]: one["text"] for one in (await self._ask("GET", "/filters"))["items"]}

    async def save(self, name: str, text: str) -> None:
        """Keep one."""
        await self._ask("PUT", f"/filters/{q(name)}", {"text": text})

    async def remove(self, name: str) -> None:
        """Forget one."""
        await self._ask("DELETE", f"/filters/{q(name)}")

    async def check(self, text: str) -> Row:
        """``valid``, and where not: ``problem`` and ``position``."""
        found: Row = await self._ask("POST", "/filters/check", {"text": text})
        return found


class Wishes(Part):
    """What is searched for again and again."""

    async def all(self) -> list[Row]:
        """All wishes."""
        found: list[Row] = (await self._ask("GET", "/wishes"))["items"]
        return found

    async def interval(self) -> float:
        """Seconds from one to the next, as the server wants it."""
        found: float = (await self._ask("GET", "/wishes", limit=1))["interval"]
        return found

    def found(self, query: str) -> AsyncIterator[Row]:
        """What was found for a wish so far, newest first."""
        return self._pages("/wishes/results", query=query, limit=1000)

    async def add(self, query: str, *, filter: str = "", download: str = "") -> Row:
        """Wish for something; ``download`` the first hit (``once``) or the ``best`` of a round."""
        body = {"query": query, "filter": filter, "download": download}
        found: Row = await self._ask("POST", "/wishes", body)
        return found

    async def remove(self, query: str) -> None:
        """Wish for it no more."""
        await self._ask("DELETE", "/wishes", query=query)
