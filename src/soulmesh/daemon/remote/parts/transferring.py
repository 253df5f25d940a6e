"""Transfers of a daemon, and what is wanted together: batches and goals."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from soulmesh.daemon.remote.parts.common import Files, Part, Row, q, wanted
from soulmesh.wire import Latin1

__all__ = ["Batches", "Goals", "Transfers"]


class Transfers(Part):
    """Downloads and uploads."""

    def running(self, direction: str | None = None) -> AsyncIterator[Row]:
        """Those that are not over."""
        return self._pages("/transfers", direction=direction, limit=1000)

    def history(self, direction: str | None = None) -> AsyncIterator[Row]:
        """Those that are over, newest first."""
        return self._pages("/history", direction=direction, limit=1000)

    async def clear(self, direction: str | None = None) -> None:
        """List those that are over no more."""
        await self._ask("DELETE", "/history", direction=direction)

    async def download(
        self, username: str, files: Files, *, destination: str | None = None, priority: int = 0
    ) -> Row:
        """Want files of a user; ``taken`` are ids, ``refused`` says what was not taken and why.

        ``priority``: higher goes first among the files of one user.
        """
        body: Row = {"username": username, "files": wanted(files), "priority": priority}
        if destination is not None:
            body["destination"] = destination
        found: Row = await self._ask("POST", "/downloads", body)
        return found

    async def download_folder(
        self,
        username: str,
        folder: str,
        *,
        destination: str | None = None,
        whole: bool = False,
        may_miss: Iterable[str] = (),
        priority: int = 0,
    ) -> Row:
        """Want all files of a folder and of those below it: ``batch`` and ``taken``.

        Args:
            destination: below the downloads; by default the folder's own name.
            whole: nothing appears there before everything is here.
            may_miss: endings of files that a whole folder can do without.
            priority: higher goes first among the files of one user.
        """
        body: Row = {
            "username": username,
            "folder": folder,
            "whole": whole,
            "may_miss": list(may_miss),
            "priority": priority,
        }
        if isinstance(folder, Latin1):
            body["latin1"] = True
        if destination is not None:
            body["destination"] = destination
        found: Row = await self._ask("POST", "/downloads/folder", body)
        return found

    async def get(self, transfer: str) -> Row:
        """One transfer."""
        found: Row = await self._ask("GET", f"/transfers/{q(transfer)}")
        return found

    async def why(self, transfer: str) -> Row:
        """Why it is where it is: ``now``, and the ``past`` line by line."""
        found: Row = await self._ask("GET", f"/transfers/{q(transfer)}/why")
        return found

    async def pause(self, transfer: str) -> Row:
        """Stop it until :meth:`resume`."""
        return await self._turn(transfer, "pause")

    async def resume(self, transfer: str) -> Row:
        """Let it go on."""
        return await self._turn(transfer, "resume")

    async def retry(self, transfer: str) -> Row:
        """Try it now, whatever was said before."""
        return await self._turn(transfer, "retry")

    async def _turn(self, transfer: str, verb: str) -> Row:
        found: Row = await self._ask("POST", f"/transfers/{q(transfer)}/{verb}")
        return found

    async def elsewhere(self, transfer: str) -> Row:
        """Find another user who has the same file, and get it there."""
        return await self._turn(transfer, "elsewhere")

    async def push(self, username: str, paths: Iterable[str]) -> Row:
        """Offer files of ours (remote paths) to a user who did not ask: ``taken`` and ``refused``."""
        found: Row = await self._ask("POST", "/uploads", {"username": username, "paths": list(paths)})
        return found

    async def try_rules(self, rules: Mapping[str, Any], *, days: float = 7.0) -> Row:
        """What rules of the upload queue would have made of the requests of the last days."""
        found: Row = await self._ask("POST", "/uploads/try", {"rules": dict(rules), "days": days})
        return found

    async def set_priority(self, transfer: str, priority: int) -> Row:
        """Higher goes first among the files of one user."""
        found: Row = await self._ask("PUT", f"/transfers/{q(transfer)}/priority", {"priority": priority})
        return found

    async def cancel(self, transfer: str, *, keep_part: bool = False) -> None:
        """Give it up; the unfinished file goes unless ``keep_part``."""
        await self._ask("POST", f"/transfers/{q(transfer)}/cancel", keep_part=keep_part or None)

    async def remove(self, transfer: str) -> None:
        """Give it up, and list it no more."""
        await self._ask("DELETE", f"/transfers/{q(transfer)}")

    async def act(self, action: str, transfers: Iterable[str]) -> Row:
        """``pause``, ``resume``, ``retry``, ``cancel`` or ``remove`` many: ``done`` and ``refused``."""
        found: Row = await self._ask("POST", "/transfers/actions", {"action": action, "ids": list(transfers)})
        return found


class Batches(Part):
    """Files that are wanted together."""

    def all(self) -> AsyncIterator[Row]:
        """All batches, the newest first."""
        return self._pages("/batches")

    async def want(
        self,
        username: str,
        name: str,
        files: Files,
        *,
        destination: str | None = None,
        whole: bool = False,
        may_miss: Iterable[str] = (),
        priority: int = 0,
    ) -> Row:
        """Want files of a user that belong together; see :meth:`Transfers.download_folder` for the rest."""
        body: Row = {
            "username": username,
            "name": name,
            "files": wanted(files),
            "whole": whole,
            "may_miss": list(may_miss),
            "priority": priority,
        }
        if destination is not None:
            body["destination"] = destination
        found: Row = await self._ask("POST", "/batches", body)
        return found

    async def get(self, batch: str) -> Row:
        """One batch: ``state``, ``reason``, ``destination``, how many files and bytes are here."""
        found: Row = await self._ask("GET", f"/batches/{q(batch)}")
        return found

    def files(self, batch: str) -> AsyncIterator[Row]:
        """Its transfers."""
        return self._pages(f"/batches/{q(batch)}/files", limit=1000)

    async def pause(self, batch: str) -> Row:
        """Let all of it rest."""
        return await self._turn(batch, "pause")

    async def resume(self, batch: str) -> Row:
        """Go on with what rests."""
        return await self._turn(batch, "resume")

    async def retry(self, batch: str) -> Row:
        """Try now what waits or has failed, and the move of its folder."""
        return await self._turn(batch, "retry")

    async def cancel(self, batch: str) -> Row:
        """Give up what is not here yet; what is here stays."""
        return await self._turn(batch, "cancel")

    async def forget(self, batch: str) -> None:
        """List it no more; its transfers stay."""
        await self._ask("DELETE", f"/batches/{q(batch)}")

    async def _turn(self, batch: str, verb: str) -> Row:
        found: Row = await self._ask("POST", f"/batches/{q(batch)}/{verb}")
        return found


class Goals(Part):
    """What is wanted, from whoever has it."""

    def all(self) -> AsyncIterator[Row]:
        """All goals, the newest first."""
        return self._pages("/goals")

    async def want(
        self,
        name: str,
        candidates: Iterable[tuple[str, Files]],
        *,
        destination: str | None = None,
        whole: bool = False,
        may_miss: Iterable[str] = (),
        patience: float | None = None,
        priority: int = 0,
        rules: str = "",
    ) -> Row:
        """Want one of several copies, best first: (user, files) each."""
        body: Row = {
            "name": name,
            "candidates": [{"username": user, "files": wanted(files)} for user, files in candidates],
            "whole": whole,
            "may_miss": list(may_miss),
            "priority": priority,
            "rules": rules,
        }
        if destination is not None:
            body["destination"] = destination
        if patience is not None:
            body["patience"] = patience
        found: Row = await self._ask("POST", "/goals", body)
        return found

    async def get(self, goal: str) -> Row:
        """One goal."""
        found: Row = await self._ask("GET", f"/goals/{q(goal)}")
        return found

    async def add(self, goal: str, username: str, files: Files) -> Row:
        """Another copy was found."""
        body = {"username": username, "files": wanted(files)}
        found: Row = await self._ask("POST", f"/goals/{q(goal)}/candidates", body)
        return found

    async def pause(self, goal: str) -> Row:
        """Let it rest."""
        return await self._turn(goal, "pause")

    async def resume(self, goal: str) -> Row:
        """Go on with it."""
        return await self._turn(goal, "resume")

    async def cancel(self, goal: str) -> Row:
        """Want it no longer; what is here stays."""
        return await self._turn(goal, "cancel")

    async def _turn(self, goal: str, verb: str) -> Row:
        found: Row = await self._ask("POST", f"/goals/{q(goal)}/{verb}")
        return found
