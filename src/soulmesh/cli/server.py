"""``soulmesh server``: run a Soulseek server, and look after it."""

# ruff: noqa: ASYNC230  # one command, and nobody else who waits

from __future__ import annotations

import asyncio
import json as jsonlib
import os
import signal
import stat
import sys
from pathlib import Path
from typing import Annotated

import typer

from soulmesh import log
from soulmesh.cli import run
from soulmesh.cli.output import clean
from soulmesh.config import default_data
from soulmesh.errors import NotFound, SoulmeshError, UsageError
from soulmesh.net.disk import write_whole

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
    return default_data().expanduser() / "server"


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
        if (host, port, data, config) != (None,) * 4 or changes:
            name = context.invoked_subcommand
            raise UsageError(f"options stand after the command: soulmesh server {name} ...")
        return
    require_extra()
    from soulmesh.net.world import World
    from soulmesh.server.app import Server
    from soulmesh.server.folder import readable_secrets
    from soulmesh.server.settings import load_settings

    settings = load_settings(config, os.environ, changes or (), {"server.host": host, "server.port": port})
    folder = data_folder(data)
    log.configure(
        run.options().log_level or settings.log.level,
        levels=settings.log.by_part(),
        form=settings.log.format,
    )
    if config is not None and settings.has_secrets() and (warning := readable_secrets(config)):
        log.get("server").warning(warning)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def listening(host: str, port: int) -> None:
        sys.stdout.write(f"listening on {f'[{host}]' if ':' in host else host}:{port}\n")
        sys.stdout.flush()

    world = World.real()
    if settings.bus.url:
        from soulmesh.server.bus.choose import bus_maker
        from soulmesh.server.member import Member

        await Member(world, settings, folder, bus_maker(settings.bus, world.random), listening).run(stop)
        return
    async with Server(world, settings, data=folder) as running:
        listening(running.host, running.port)
        ends = [asyncio.ensure_future(end.wait()) for end in (stop, running.broken)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
    if running.failure is not None:
        raise running.failure


@app.command()
@run.command
def init(
    file: Annotated[Path, typer.Argument(help="Where to write it; - prints it.")] = Path(
        "soulmesh-server.toml"
    ),
    force: Annotated[bool, typer.Option("--force", help="Overwrite a file that is there.")] = False,
) -> None:
    """Write the commented settings file."""
    require_extra()
    from soulmesh.server.settings import template

    if str(file) == "-":
        sys.stdout.write(template())
        return
    if file.exists() and not force:
        raise UsageError(f"{file} exists; --force overwrites it")
    # It may come to hold the token of the administration port.
    write_whole(file, template())
    sys.stdout.write(f"{file} written; start with: soulmesh server --config {file}\n")


@app.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@run.command
async def admin(
    words: Annotated[
        list[str] | None, typer.Argument(metavar="COMMAND...", help="`help` lists them.")
    ] = None,
    data: DataOption = None,
    config: ConfigOption = None,
    changes: SetOption = None,
    json: Annotated[bool, typer.Option("--json", help="Print the answer as JSON.")] = False,
) -> None:
    """Administrate: over the control socket if the server runs, on its folder if not."""
    require_extra()
    from soulmesh.server.folder import DATABASE
    from soulmesh.server.offline import administrate
    from soulmesh.server.settings import load_settings

    settings = load_settings(config, os.environ, changes or ())
    folder = data_folder(data)
    fresh = not settings.store.url and not (folder / DATABASE).exists()
    answer = await administrate(folder, settings, words or ["help"])
    if fresh and (folder / DATABASE).exists():
        sys.stderr.write(f"note: there was no server's data in {folder} before: it is made\n")
    if json:
        sys.stdout.write(jsonlib.dumps(answer.data, ensure_ascii=False) + "\n")
    else:
        sys.stdout.write("".join(f"{clean(line)}\n" for line in answer.lines))


@app.command()
@run.command
async def backup(
    file: Annotated[Path, typer.Argument(help="Where the copy goes; it must not exist.")],
    data: DataOption = None,
    config: ConfigOption = None,
    changes: SetOption = None,
) -> None:
    """Write a complete copy of the data, while the server runs or not."""
    require_extra()
    from soulmesh.server import offline
    from soulmesh.server.settings import load_settings

    settings = load_settings(config, os.environ, changes or ())
    await offline.backup(data_folder(data), settings, file)
    sys.stdout.write(f"{file} written\n")


@app.command()
@run.command
async def export(
    file: Annotated[Path, typer.Argument(help="Where to write; - prints.")] = Path("-"),
    data: DataOption = None,
    config: ConfigOption = None,
    changes: SetOption = None,
) -> None:
    """Write accounts, rooms and everything else as JSON lines (hashes of passwords included)."""
    require_extra()
    from soulmesh.server import offline
    from soulmesh.server.settings import load_settings

    settings = load_settings(config, os.environ, changes or ())
    text = "".join(f"{line}\n" for line in await offline.export_data(data_folder(data), settings))
    if str(file) == "-":
        sys.stdout.write(text)
        return
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w", encoding="utf-8") as stream:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            # One that was there before may be open to others, and there are hashes of passwords in it.
            os.fchmod(descriptor, 0o600)
        stream.write(text)


@app.command("import")
@run.command
async def import_(
    file: Annotated[
        Path, typer.Argument(help="JSON lines, as `export` writes them; - reads standard input.")
    ],
    data: DataOption = None,
    config: ConfigOption = None,
    changes: SetOption = None,
) -> None:
    """Put JSON lines into the data folder of a server that does not run. All or nothing."""
    require_extra()
    from soulmesh.server import offline
    from soulmesh.server.settings import load_settings

    settings = load_settings(config, os.environ, changes or ())
    given = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    try:
        text = given.decode()
    except UnicodeDecodeError as error:
        number = given.count(b"\n", 0, error.start) + 1
        raise UsageError(f"line {number} of {file} is no UTF-8: nothing is imported") from error
    # At line feeds alone: names and texts have other ends of lines in them.
    counts = await offline.import_data(data_folder(data), settings, text.split("\n"))
    sys.stdout.write(
        ", ".join(f"{count} {table}" for table, count in counts.items()) + "\n" if counts else "nothing\n"
    )


@app.command()
@run.command
async def health(data: DataOption = None) -> None:
    """Ask the running server whether all is well: exit code 0 if it is, 1 if not (for containers)."""
    require_extra()
    from soulmesh.server.control import ask

    answer = await ask(data_folder(data), "health", ["health"])
    if answer is None:
        raise NotFound(f"no server runs on {data_folder(data)}")
    if not answer.data["healthy"]:
        raise SoulmeshError(answer.lines[0])
    sys.stdout.write("healthy\n")
