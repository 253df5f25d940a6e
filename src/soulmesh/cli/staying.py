"""What becomes of a command when the server is gone."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from soulmesh.cli.output import Output
from soulmesh.client.client import Client
from soulmesh.client.events import Events
from soulmesh.client.server_link import LoggedIn, LoggedOut

__all__ = ["tell_absence", "while_logged_in"]


def tell_absence(events: Events, out: Output) -> None:
    """Say when the server is gone, and when we are back."""

    def left(event: LoggedOut) -> None:
        if not event.final:
            out.note(f"the server is gone: {event.reason}")

    events.on(LoggedOut, left)
    events.on(LoggedIn, lambda _: out.note("back online"))


async def while_logged_in(client: Client, out: Output, work: Coroutine[Any, Any, None]) -> None:
    """Do ``work`` as long as we are logged in, or come back by ourselves.

    Raises:
        NotConnected: the session is over for good; :class:`~soulmesh.client.errors.KickedOut` is one reason.
    """
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def left(event: LoggedOut) -> None:
        if event.final and not over.done():
            over.set_result(None)

    undo = client.events.on(LoggedOut, left)
    tell_absence(client.events, out)
    task = asyncio.ensure_future(work)
    try:
        await asyncio.wait({task, over}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise client.server.absence
        task.result()
    finally:
        undo()
        if not task.done():
            task.cancel()
            await asyncio.wait({task})
            if not task.cancelled():
                task.exception()
