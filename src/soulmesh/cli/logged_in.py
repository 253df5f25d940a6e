"""Commands that log in: the options they share, and a client for the time of one command.

::

    @logged_in
    async def browse(client: Client, out: Output, username: str) -> None: ...

gives a command with ``username``, ``--server``, ``--username``, ``--json`` and all the
others. When a daemon runs, the same functions get a stand-in for the client
(:mod:`soulmesh.cli.standin`): what a command may use is what both offer.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec, cast

import typer

from soulmesh.cli import run, settings
from soulmesh.cli.access import ACCOUNT, DAEMON, Access, DataOption, add_options
from soulmesh.cli.output import JsonOption, Output
from soulmesh.cli.patience import patience
from soulmesh.cli.session import home, open_client
from soulmesh.cli.staying import tell_absence, while_logged_in
from soulmesh.cli.through import address_book, daemon_for, stand_in
from soulmesh.client.book import AddressBook
from soulmesh.client.client import Client
from soulmesh.net.world import World

__all__ = ["LOCAL_OPTIONS", "DataOption", "TimeoutOption", "command", "data_folder", "local", "logged_in"]

TimeoutOption = Annotated[
    float, typer.Option("--timeout", "-t", min=0.1, help="Seconds to wait for answers.")
]

_OPTIONS: dict[str, tuple[Any, Any]] = {
    **ACCOUNT,
    "data": (DataOption, None),
    **DAEMON,
    "json": (JsonOption, False),
}
LOCAL_OPTIONS = {name: _OPTIONS[name] for name in ("data", "daemon", "api_key", "json")}
"""For commands that log in nowhere."""

P = ParamSpec("P")


def data_folder(given: Path | None) -> Path:
    """Where the account of the settings keeps everything that should survive."""
    return home(settings.load({"daemon.data": given}))


def command(
    function: Callable[..., Coroutine[Any, Any, None]],
    run_it: Callable[..., Coroutine[Any, Any, None]],
    added: dict[str, tuple[Any, Any]],
) -> Callable[..., Any]:
    """A command of ``run_it``: with the parameters of ``function`` but its first two, and those that are
    ``added``, each with its kind and default."""

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> None:
        await run_it(*args, **kwargs)

    return run.command(add_options(function, wrapper, added, inner=2))


def logged_in(
    function: Callable[Concatenate[Client, Output, P], Coroutine[Any, Any, None]],
) -> Callable[..., Any]:
    """Make a command of a function that needs a client which is logged in.

    Its ``--timeout`` holds for the login as well, and for the whole of a command that is
    :func:`~soulmesh.cli.patience.patient`.
    """
    whole = getattr(function, "patient", False)

    async def run_it(
        *args: Any,
        json: bool,
        data: Path | None,
        **kwargs: Any,
    ) -> None:
        access = Access.taken(kwargs)
        found = access.settings({"daemon.data": data})
        out = run.output(json=json)
        async with patience(kwargs.get("timeout")) as given:
            running = await access.running(found, data=data)
            if running is not None:
                async with stand_in(*running) as there:
                    if not whole:
                        given.enough()
                    tell_absence(there.events, out)
                    await function(cast(Client, there), out, *args, **kwargs)
                    # Saying goodbye has its own time.
                    given.enough()
                return
            given.what = f"not logged in at {found.network.server}"
            # Transfers that wait in the data folder are not ours to go on with: a daemon may have them.
            async with open_client(found, resume=False) as client:
                given.what = "not done"
                if not whole:
                    given.enough()
                if client.server.greeting:
                    out.note(f"{client.username} is logged in at {client.server.host}:{client.server.port}")
                await while_logged_in(client, out, function(client, out, *args, **kwargs))
                given.enough()

    return command(function, run_it, _OPTIONS)


def local(
    function: Callable[Concatenate[AddressBook, Output, P], Coroutine[Any, Any, None]],
) -> Callable[..., Any]:
    """Make a command of a function that needs nothing but our own address book."""

    async def run_it(
        *args: Any, json: bool, data: Path | None, daemon: str | None, api_key: str | None, **kwargs: Any
    ) -> None:
        running = await daemon_for(settings.load(), daemon, api_key, data=data)
        if running is not None:
            async with address_book(running[0]) as there:
                await function(there, run.output(json=json), *args, **kwargs)
            return
        book = AddressBook(World.real(), data_folder(data) / "people.json")
        await book.load()
        await function(book, run.output(json=json), *args, **kwargs)
        await book.close()

    return command(function, run_it, LOCAL_OPTIONS)
