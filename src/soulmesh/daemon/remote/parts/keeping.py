"""What a daemon shares, and its settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from soulmesh.daemon.remote.parts.common import Part, Row, q

__all__ = ["Settings", "Shares"]


class Shares(Part):
    """What we share."""

    async def get(self) -> Row:
        """Counts, the scan, and ``roots``."""
        found: Row = await self._ask("GET", "/shares")
        return found

    async def add(
        self,
        path: str,
        *,
        name: str | None = None,
        audience: Iterable[str] = (),
        locked: bool = False,
        exclude: Iterable[str] = (),
        hidden: bool = False,
    ) -> Row:
        """Share a folder of the daemon's machine."""
        body: Row = {
            "path": path,
            "audience": list(audience),
            "locked": locked,
            "exclude": list(exclude),
            "hidden": hidden,
        }
        if name is not None:
            body["name"] = name
        found: Row = await self._ask("POST", "/shares/roots", body)
        return found

    async def change(self, root: int, **changes: Any) -> Row:
        """``audience``, ``locked``, ``exclude`` or ``hidden`` of a shared folder."""
        found: Row = await self._ask("PATCH", f"/shares/roots/{root}", changes)
        return found

    async def remove(self, root: int) -> None:
        """Share it no more."""
        await self._ask("DELETE", f"/shares/roots/{root}")

    async def scan(self, roots: Iterable[int] | None = None, *, confirmed: bool = False) -> None:
        """Scan anew: the shared folders with these ids, or all.

        How it goes on is told by the events ``share.scan`` and ``share.progress``, and by :meth:`get`.

        Args:
            confirmed: forget files that are gone, however many they are.

        Raises:
            DaemonRefused: a scan is under way (409).
            NotThere: there is no such shared folder.
        """
        which = {} if roots is None else {"roots": ",".join(map(str, roots))}
        await self._ask("POST", "/shares/scan", confirmed=confirmed, **which)

    async def explain(self, path: str) -> Row:
        """Why a path is shared, or why not."""
        found: Row = await self._ask("GET", "/shares/explain", path=path)
        return found

    def problems(self) -> AsyncIterator[Row]:
        """What could not be read."""
        return self._pages("/shares/problems", limit=1000)

    async def cancel_scan(self) -> None:
        """Stop scanning."""
        await self._ask("DELETE", "/shares/scan")


class Settings(Part):
    """The daemon's settings, its account and its connection."""

    async def get(self) -> Row:
        """All values, secrets masked."""
        found: Row = (await self._ask("GET", "/settings"))["items"]
        return found

    async def keys(self) -> Row:
        """Every setting with explanation, type and limits; ``editable`` from here or not."""
        found: Row = await self._ask("GET", "/settings/keys")
        return found

    async def change(self, values: Mapping[str, Any]) -> Row:
        """Set values by key; ``None`` takes back what was set like this."""
        found: Row = await self._ask("PATCH", "/settings", {"values": dict(values)})
        return found

    async def entries(self) -> list[Row]:
        """Webhooks, scripts and keys by name, each kind with its fields; secrets masked."""
        found: list[Row] = (await self._ask("GET", "/settings/entries"))["items"]
        return found

    async def put_entry(self, kind: str, name: str, values: Mapping[str, Any]) -> None:
        """Add or change one: ``kind`` is webhooks, scripts or keys. A secret that is left out stays."""
        await self._ask("PUT", f"/settings/entries/{q(kind)}/{q(name)}", {"values": dict(values)})

    async def remove_entry(self, kind: str, name: str) -> None:
        """Remove one."""
        await self._ask("DELETE", f"/settings/entries/{q(kind)}/{q(name)}")

    async def setup(self) -> Row:
        """What is missing before it is of use."""
        found: Row = await self._ask("GET", "/setup")
        return found

    async def set_account(self, username: str, password: str) -> None:
        """Who to be on the network, when the settings do not say."""
        await self._ask("PUT", "/account", {"username": username, "password": password})

    async def set_away(self, away: bool) -> None:
        """Whether others see us as away."""
        await self._ask("PUT", "/account/away", {"away": away})

    async def connect(self) -> None:
        """Log in, and stay in."""
        await self._ask("PUT", "/connection")

    async def disconnect(self) -> None:
        """Log out."""
        await self._ask("DELETE", "/connection")
