"""``soulmesh server``: run a Soulseek server, and look after it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from soulmesh import log
from soulmesh.cli import run
from soulmesh.errors import SoulmeshError

__all__ = ["app"]

app = typer.Typer(
    name="server",
    help="Run a Soulseek server, and look after it.",
    invoke_without_command=True,
    subcommand_metavar="[COMMAND] [ARGS]...",
)

EXTRA = ("argon2", "sqlalchemy", "alembic", "prometheus_client")

DataOption = Annotated[
    Path | None, typer.Option("--data", metavar="DIR", help="Folder with everything that the server keeps.")
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="Settings; `soulmesh server init` writes one that explains itself."
    ),
]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One setting; may be repeated.")
]


class ExtraMissing(SoulmeshError):
    """Packages of the ``server`` extra are not installed: ``package`` is the first one missing."""

    def __init__(self, package: str) -> None:
        self.package = package
        self.hint = "install them with: pip install 'soulmesh[server]'"

    def __str__(self) -> str:
        return f"the server needs packages that are not installed ({self.package})"


def require_extra() -> None:
    """See to it that the server's packages are there.

    Raises:
        ExtraMissing: one is not.
    """
    import importlib.util

    for package in EXTRA:
        if importlib.util.find_spec(package) is None:
            raise ExtraMissing(package)


def data_folder(data: Path | None) -> Path:
    """The data folder: as given, else where the system keeps such things."""
    if data is not None:
        return data
    base = os.environ.get("XDG_DATA_HOME") or "~/.local/share"
    return Path(base).expanduser() / "soulmesh" / "server"


@app.callback()
@run.command
async def serve(
    context: typer.Context,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on; 0 for any free one.")] = None,
    data: DataOption = None,
    config: ConfigOption = None,
    changes: SetOption = None,
) -> None:
    """Run the server until SIGTERM or Ctrl-C.

    Prints ``listening on HOST:PORT`` once it accepts connections.
    """
    if context.invoked_subcommand is not None:
        return
    require_extra()
    from soulmesh.net.world import World
    from soulmesh.server.app import Server
    from soulmesh.server.settings import load_settings

    settings = load_settings(config, os.environ, changes or (), {"server.host": host, "server.port": port})
    folder = data_folder(data)
    levels = dict(part.partition("=")[::2] for part in settings.log.levels)
    log.configure(settings.log.level, levels=levels, form=settings.log.format)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with Server(World.real(), settings, data=folder) as running:
        sys.stdout.write(f"listening on {running.host}:{running.port}\n")
        sys.stdout.flush()
        await stop.wait()
