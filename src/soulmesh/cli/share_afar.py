"""``soulmesh share scan`` where a daemon runs: it scans, and tells how far it is."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from soulmesh.cli.afar import Heard
from soulmesh.cli.output import Output
from soulmesh.cli.share_scan import STOPPED, scan_bars
from soulmesh.client.shares import (
    Progress,
    RootOutcome,
    ScanBusy,
    ScanCancelled,
    ScanFailed,
    ScanOutcome,
)
from soulmesh.daemon.remote import Daemon, DaemonRefused
from soulmesh.errors import NotFound, SoulmeshError
from soulmesh.net.names import shown_path

__all__ = ["Afar"]


@dataclass(frozen=True, slots=True)
class Afar:
    """The shares of a daemon."""

    daemon: Daemon
    roots: Collection[int] | None
    """What is to be scanned, by the daemon's numbers; None is all of it."""

    @classmethod
    async def of(cls, daemon: Daemon, folders: Sequence[str] | None) -> Self:
        """``folders`` are names or paths of shared folders, as the daemon has them; all if there are none.

        Raises:
            NotFound: one of them is not shared, or nothing is.
        """
        rows = (await daemon.shares.get())["roots"]
        if not rows:
            error = NotFound("nothing is shared yet")
            error.hint = "soulmesh share add FOLDER"
            raise error
        return cls(daemon, None if not folders else [_find(rows, given) for given in folders])

    async def scan(self, out: Output, confirmed: bool) -> ScanOutcome:
        """Have it scanned, and show how far it is.

        Raises:
            ScanBusy: somebody else has it scanned already.
            ScanCancelled: somebody else stopped it.
            ScanFailed: it could not be done.
        """
        async with Heard(self.daemon, ["share"]) as heard:
            try:
                await self.daemon.shares.scan(self.roots, confirmed=confirmed)
            except DaemonRefused as error:
                if error.status != 409:
                    raise
                raise ScanBusy from None
            try:
                with scan_bars(out) as show:
                    while True:
                        told = await heard.next()
                        if told.kind == "share.progress":
                            show(_progress(told.data))
                        elif told.kind == "share.scan" and told.data["state"] not in ("started", "changed"):
                            return _ended(told.data)
            except asyncio.CancelledError:
                with suppress(SoulmeshError):
                    await self.daemon.shares.cancel_scan()
                out.note(STOPPED)
                raise


def _find(rows: Collection[dict[str, Any]], given: str) -> int:
    path = shown_path(os.path.abspath(Path(given).expanduser()))
    for row in rows:
        if given == row["name"] or path == row["path"]:
            found: int = row["id"]
            return found
    error = NotFound(f"{given} is not shared")
    error.hint = "soulmesh share list names what is"
    raise error


def _progress(told: dict[str, Any]) -> Progress:
    return Progress(
        told["phase"], told["root"], told["done"], told["total"], told["rate"], told["seconds_left"]
    )


def _ended(told: dict[str, Any]) -> ScanOutcome:
    if told["state"] == "failed":
        raise ScanFailed(told["problem"])
    if told["state"] == "cancelled":
        raise ScanCancelled
    return ScanOutcome([RootOutcome(**row) for row in told["roots"]], told["index"], told["seconds"])
