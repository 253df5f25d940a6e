"""The commands, put together. Each subject has a module of its own, loaded when it is wanted."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from soulmesh.cli import version

__all__ = ["app"]

COMMANDS = {
    "daemon": "daemon:daemon",
    "demo": "demo:demo",
    "doctor": "doctor:doctor",
    "search": "search:search",
    "browse": "browse:browse",
    "watch": "watch:watch",
    "init": "settings:init",
    "download": "download:download",
    "get": "get:get",
    "transfers": "transfers:transfers",
    "why": "transfers:why",
    "pause": "orders:pause",
    "resume": "orders:resume",
    "retry": "orders:retry",
    "prefer": "orders:prefer",
    "elsewhere": "download:elsewhere",
    "cancel": "orders:cancel",
    "version": "version:version",
    "filter": "filters:app",
    "user": "user:app",
    "room": "talk:room_app",
    "chat": "talk:chat_app",
    "wish": "tastes:wish_app",
    "interests": "tastes:interests_app",
    "goals": "goals:app",
    "batches": "batches:app",
    "uploads": "uploads:app",
    "server": "server:app",
    "wire": "wire:app",
    "share": "online:app",
}
"""Where each command is, in the order of ``soulmesh --help``: a module of :mod:`soulmesh.cli`, and what it
calls the command's function or its group."""


def _load(name: str) -> Any:
    """Import a command, and make of it what Typer makes of those that it knows from the beginning."""
    module, attribute = COMMANDS[name].split(":")
    found = getattr(import_module(f"soulmesh.cli.{module}"), attribute)
    around = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    if isinstance(found, typer.Typer):
        # A second one beside it keeps Typer from taking the group for the whole program.
        around.callback()(_root)
        around.add_typer(found, name=name)
        group = typer.main.get_command(around)
        assert isinstance(group, TyperGroup)
        return group.commands[name]
    around.command(name)(found)
    return typer.main.get_command(around)


class _Commands(MutableMapping[str, Any]):
    """By name, each loaded when it is asked for: a program that starts at once, and holds what it needs."""

    def __init__(self) -> None:
        self._known: dict[str, Any] = dict.fromkeys(COMMANDS)

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            raise KeyError(name)
        if self._known[name] is None:
            self._known[name] = _load(name)
        return self._known[name]

    def __setitem__(self, name: str, command: Any) -> None:
        self._known[name] = command

    def __delitem__(self, name: str) -> None:
        del self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


class _Group(TyperGroup):
    """``soulmesh`` itself."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:
        """The names, without loading anything."""
        return list(self.commands)


app = typer.Typer(
    name="soulmesh",
    cls=_Group,
    help="The whole Soulseek system in one program.",
    epilog="`soulmesh COMMAND --help` explains a command. Settings: see `soulmesh init`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def _root(
    show_version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and leave.", callback=version.print_and_leave, is_eager=True
        ),
    ] = False,
) -> None:
    """Options of the program itself."""
