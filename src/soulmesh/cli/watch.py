"""``soulmesh watch``: what happens, as it happens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from dataclasses import asdict
from typing import Annotated

import typer

from soulmesh.cli.logged_in import logged_in
from soulmesh.cli.output import Output, clean
from soulmesh.client.client import Client
from soulmesh.client.errors import NoReply, UserUnknown
from soulmesh.client.events import Event
from soulmesh.errors import UsageError

__all__ = ["watch"]


def _kinds(kind: type[Event]) -> Iterator[type[Event]]:
    for narrower in kind.__subclasses__():
        yield narrower
        yield from _kinds(narrower)


@logged_in
async def watch(
    client: Client,
    out: Output,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="EVENT", help="Only these events; may be repeated.")
    ] = None,
    users: Annotated[
        list[str] | None, typer.Option("--user", metavar="NAME", help="Watch this user; may be repeated.")
    ] = None,
    seconds: Annotated[float | None, typer.Option("--for", min=0, help="Stop after so many seconds.")] = None,
) -> None:
    """Stay online and print events, one a line, until Ctrl-C."""
    wanted = set(only or ())
    unknown = wanted - {kind.__name__ for kind in _kinds(Event)}
    if unknown:
        raise UsageError(f"no event is called {', '.join(sorted(unknown))}; docs/library.md lists them")
    events = client.events.stream(Event)
    for name in users or ():
        client.users.watch(name, "command")
        with contextlib.suppress(NoReply):
            try:
                await client.users.look_up(name)
            except UserUnknown as error:
                out.note(str(error))
    out.note("watching; Ctrl-C leaves")
    try:
        async with asyncio.timeout(seconds):
            async for event in events:
                kind = type(event).__name__
                if wanted and kind not in wanted:
                    continue
                fields = asdict(event)
                out.record({"event": kind, **fields})
                words = " ".join(f"{name}={clean(value)}" for name, value in fields.items())
                out.line(f"{kind} {words}".rstrip())
    except TimeoutError:
        pass
