"""The commands, put together. Each subject has a module of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from soulmesh.cli import server, settings, version, wire

__all__ = ["app"]

app = typer.Typer(
    name="soulmesh", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
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
    """soulmesh: the whole Soulseek system in one program."""


app.command()(settings.init)
app.command()(version.version)
app.add_typer(server.app)
app.add_typer(wire.app, name="wire")
