"""Commands that log in: the options they share, and a client for the time of one command.

::

    @logged_in
    async def browse(client: Client, out: Output, username: str) -> None: ...

gives a command with ``username``, ``--server``, ``--username``, ``--json`` and all the
others. Against a running daemon the same functions will get a stand-in for the client: what
a command may use of it is what the public client offers.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, Concatenate, ParamSpec

import typer

from soulmesh.cli import account, run, settings
from soulmesh.cli.output import JsonOption, Output
from soulmesh.cli.session import home, open_client
from soulmesh.client.book import AddressBook
from soulmesh.client.client import Client
from soulmesh.net.world import World

__all__ = ["DataOption", "TimeoutOption", "data_folder", "local", "logged_in"]

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        envvar="SOULMESH_DATA",
        show_envvar=True,
        help="Where soulmesh keeps its data (default: ~/.local/share/soulmesh).",
    ),
]
TimeoutOption = Annotated[
    float, typer.Option("--timeout", "-t", min=0.1, help="Seconds to wait for answers.")
]

_OPTIONS: dict[str, tuple[Any, Any]] = {
    "server": (account.ServerOption, None),
    "login_name": (
        Annotated[
            str | None, typer.Option("--username", "-u", metavar="NAME", help="Your name on the network.")
        ],
        None,
    ),
    "password": (account.PasswordOption, None),
    "password_file": (account.PasswordFileOption, None),
    "listen_port": (account.ListenPortOption, None),
    "data": (DataOption, None),
    "json": (JsonOption, False),
}
_LOCAL_OPTIONS = {"data": _OPTIONS["data"], "json": _OPTIONS["json"]}

P = ParamSpec("P")


def data_folder(given: Path | None) -> Path:
    """Where everything is kept that should survive."""
    if given is not None:
        return given.expanduser()
    return home(settings.load())


def _command(
    function: Callable[..., Coroutine[Any, Any, None]],
    run_it: Callable[..., Coroutine[Any, Any, None]],
    added: dict[str, tuple[Any, Any]],
) -> Callable[..., Any]:
    signature = inspect.signature(function, eval_str=True)
    own = list(signature.parameters.values())[2:]
    names = {parameter.name for parameter in own}
    extra = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in added.items()
        if name not in names
    ]

    @functools.wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> None:
        await run_it(*args, **kwargs)

    wrapper.__signature__ = signature.replace(parameters=[*own, *extra])  # type: ignore[attr-defined]
    return run.command(wrapper)


def logged_in(
    function: Callable[Concatenate[Client, Output, P], Coroutine[Any, Any, None]],
) -> Callable[..., Any]:
    """Make a command of a function that needs a client which is logged in."""

    async def run_it(
        *args: Any, json: bool, data: Path | None, login_name: str | None, **kwargs: Any
    ) -> None:
        given = {name: kwargs.pop(name) for name in ("server", "password", "password_file", "listen_port")}
        found = settings.load(account.account_options(username=login_name, **given))
        out = run.output(json=json)
        # Transfers that wait in the data folder are not ours to go on with: a daemon may have them.
        async with open_client(found, data=data_folder(data) if data else None, resume=False) as client:
            if client.server.greeting:
                out.note(f"{client.username} is logged in at {client.server.host}:{client.server.port}")
            await function(client, out, *args, **kwargs)

    return _command(function, run_it, _OPTIONS)


def local(
    function: Callable[Concatenate[AddressBook, Output, P], Coroutine[Any, Any, None]],
) -> Callable[..., Any]:
    """Make a command of a function that needs nothing but our own address book."""

    async def run_it(*args: Any, json: bool, data: Path | None, **kwargs: Any) -> None:
        book = AddressBook(World.real(), data_folder(data) / "people.json")
        await book.load()
        await function(book, run.output(json=json), *args, **kwargs)
        await book.close()

    return _command(function, run_it, _LOCAL_OPTIONS)
