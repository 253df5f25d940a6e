"""The commands, put together. Each subject has a module of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from soulmesh.cli import (
    browse,
    daemon,
    demo,
    doctor,
    filters,
    get,
    goals,
    online,
    orders,
    search,
    server,
    settings,
    share,
    talk,
    tastes,
    transfers,
    uploads,
    user,
    version,
    watch,
    wire,
)

__all__ = ["app"]

app = typer.Typer(
    name="soulmesh",
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


app.command()(daemon.daemon)
app.command()(demo.demo)
app.command()(doctor.doctor)
app.command()(search.search)
app.add_typer(filters.app, name="filter")
app.command()(browse.browse)
app.add_typer(user.app, name="user")
app.add_typer(talk.room_app, name="room")
app.add_typer(talk.chat_app, name="chat")
app.add_typer(tastes.wish_app, name="wish")
app.add_typer(tastes.interests_app, name="interests")
app.command()(watch.watch)
app.command()(settings.init)
app.command()(transfers.download)
app.command()(get.get)
app.add_typer(goals.app, name="goals")
app.command()(transfers.transfers)
app.add_typer(uploads.app, name="uploads")
app.command()(transfers.why)
app.command()(orders.pause)
app.command()(orders.resume)
app.command()(orders.retry)
app.command()(transfers.elsewhere)
app.command()(orders.cancel)
app.command()(version.version)
app.add_typer(server.app)
app.add_typer(wire.app, name="wire")
share.app.command()(online.online)
app.add_typer(share.app)
