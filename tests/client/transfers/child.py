"""A program of its own with transfers in it, for being killed.

``python -m tests.client.transfers.child '{"name": ..., "folder": ..., ...}'`` prints one JSON line for
its port, one for each new state of a transfer, and freezes in the state ``freeze``.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from soulmesh.client.events import Events
from soulmesh.client.transfers import Journal, TransferMoved, Transfers, TransferSettings
from soulmesh.core.retry import RetryClass, RetryPolicy, Rule
from soulmesh.net.world import World
from tests.client.transfers.street import FakeServer, Shelf
from tests.client.transfers.tcp_links import TcpLinks

IMPATIENT = RetryPolicy({kind: Rule(0.3, 1.0, 0.3) for kind in (RetryClass.LINK, RetryClass.LOCAL)})


class Everybody:
    """Everybody is online, and nobody is special."""

    def watch(self, username: str, reason: object) -> None: ...
    def unwatch(self, username: str, reason: object) -> None: ...
    def online(self, username: str) -> bool | None:
        return True

    def unknown(self, username: str) -> bool:
        return False

    def privileged(self, username: str) -> bool:
        return False

    def friend(self, username: str) -> bool:
        return False

    def banned(self, username: str) -> bool:
        return False

    def on_online(self, handler: Callable[[str], None]) -> Callable[[], None]:
        return lambda: None

    def shared(self, username: str) -> tuple[int, int] | None:
        return None

    def on_known(self, handler: Callable[[str], None]) -> Callable[[], None]:
        return lambda: None

    def on_offline(self, handler: Callable[[str], None]) -> Callable[[], None]:
        return lambda: None


async def make(
    name: str,
    folder: Path,
    addresses: dict[str, int],
    port: int = 0,
    *,
    shared: dict[bytes, Path] | None = None,
    moved: Callable[[TransferMoved], None] | None = None,
    **settings: Any,
) -> tuple[Transfers, Shelf, TcpLinks, Events]:
    links = TcpLinks(name, addresses)
    shelf, events = Shelf(), Events()
    shelf.files.update(shared or {})
    if moved is not None:
        events.on(TransferMoved, moved)
    given: dict[str, Any] = {"downloads": folder / name, "reserve": 0, "retries": IMPATIENT, **settings}
    transfers = Transfers(
        World.real(),
        links,
        FakeServer(name),
        Everybody(),
        shelf,
        events,
        TransferSettings(**given),
        Journal(folder / f"{name}.sqlite"),
    )
    await transfers.start()
    # Not before all ears are open: what comes earlier would be lost.
    await links.listen(port)
    return transfers, shelf, links, events


async def run(job: dict[str, Any]) -> None:
    def moved(event: TransferMoved) -> None:
        if event.new != event.old:
            print(json.dumps({"state": event.new.value, "reason": event.reason}), flush=True)
            if event.new.value == job.get("freeze"):
                time.sleep(60)

    transfers, _, links, _ = await make(
        job["name"],
        Path(job["folder"]),
        job["addresses"],
        job.get("port", 0),
        shared={remote.encode(): Path(local) for remote, local in job.get("shared", {}).items()},
        moved=moved,
    )
    print(json.dumps({"port": links.addresses[job["name"]]}), flush=True)
    for username, path in job.get("wanted", []):
        await transfers.download(username, path)
        print(json.dumps({"wanted": path}), flush=True)
    await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(run(json.loads(sys.argv[1])))
