"""The network of the demonstration with the page beside it: one of its users is a daemon."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soulmesh.cli.demo_network import HOST, DemoNetwork
from soulmesh.config import Settings
from soulmesh.errors import SoulmeshError

if TYPE_CHECKING:
    from soulmesh.daemon.engine import ClientEngine

__all__ = ["VISITOR", "page", "talk"]

VISITOR = "erin"
"""Who the person at the page is on the network."""
ROOM = "demonstration"
KNOWN_WITHIN = 10.0
"""Seconds in which the page's daemon has to have logged in."""


@contextlib.asynccontextmanager
async def page(network: DemoNetwork, folder: Path, port: int) -> AsyncIterator[str]:
    """A daemon on this network, and the address of its page.

    Anybody on this machine may open it: it listens to 127.0.0.1 alone, and knows only the demonstration.

    Args:
        network: whose server it logs in to.
        folder: for everything that it keeps.
        port: of the page; 0 for any free one.
    """
    from soulmesh.cli.daemon import require_extra
    from soulmesh.daemon.engine import Account
    from soulmesh.daemon.run import Daemon

    require_extra()
    host, server_port = network.address
    home = folder / VISITOR
    values: dict[str, Any] = {
        "daemon": {"data": str(home / "data")},
        "network": {"server": f"{host}:{server_port}", "listen_port": 0, "listen_host": HOST},
        "downloads": {"folder": str(home / "downloads")},
        "shares": {"folders": [str(home / "downloads")]},
        "governor": {"enabled": False},
        "remote_configuration": True,
        "web": {"host": HOST, "port": port, "authentication": False},
    }

    def load(overlay: Mapping[str, Any]) -> tuple[Settings, Account]:
        found = {name: dict(value) if isinstance(value, dict) else value for name, value in values.items()}
        for key, value in overlay.items():
            section, _, name = key.partition(".")
            if name:
                found.setdefault(section, {})[name] = value
            else:
                found[section] = value
        return Settings.model_validate(found), Account(VISITOR, "demo")

    (home / "downloads").mkdir(parents=True, exist_ok=True)
    async with Daemon(load) as daemon:
        await _known(daemon.engine)
        yield daemon.url


async def _known(engine: ClientEngine) -> None:
    """Wait until the server has seen the visitor: it keeps messages for those alone whom it knows."""
    from soulmesh.daemon.ports import LoggedIn

    known = asyncio.Event()
    undo = engine.on_event(lambda event: known.set() if isinstance(event, LoggedIn) else None)
    try:
        if not engine.link.logged_in:
            # If it takes longer, the page says what is the matter.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(KNOWN_WITHIN):
                    await known.wait()
    finally:
        undo()


async def talk(network: DemoNetwork) -> None:
    """Somebody to talk to: a room with two people in it, and a first message for who comes to look."""
    people = list(network.users.values())
    with contextlib.suppress(SoulmeshError):
        for client in people[:2]:
            await client.rooms.join(ROOM)
        people[0].rooms.say(ROOM, "Welcome. This room is only on this machine.")
        await people[1].chat.send(VISITOR, "Hello! Search for something, and take it: it is mine.")
