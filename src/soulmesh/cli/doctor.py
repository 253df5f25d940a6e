"""``soulmesh doctor``: ask a running daemon how it is."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soulmesh.cli import run
from soulmesh.cli.daemon import require_extra
from soulmesh.cli.output import JsonOption, clean
from soulmesh.cli.settings import load
from soulmesh.errors import ConfigError

if TYPE_CHECKING:
    from soulmesh.daemon.remote import Place

__all__ = ["doctor"]

MARKS = {"good": "ok  ", "warning": "warn", "bad": "BAD ", "unknown": "?   "}

DaemonOption = Annotated[
    str | None,
    typer.Option("--daemon", metavar="URL", help="The daemon; found by its data folder if not given."),
]


@run.command
async def doctor(
    daemon: DaemonOption = None,
    api_key: Annotated[
        str | None, typer.Option("--api-key", metavar="KEY", help="A key of that daemon.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option("--data", metavar="DIR", help="The data folder of the daemon.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Look for what keeps a daemon from working, with cause and cure. Exit code 1 if something is bad."""
    require_extra()
    from soulmesh.daemon.remote import Daemon

    place = where(daemon, api_key, data)
    out = run.output(json=json)
    async with Daemon.at(place) as running:
        findings = await running.diagnosis()
    for finding in findings:
        out.record(finding)
        out.line(f"{MARKS.get(finding['state'], '?   ')} {finding['subject']}: {clean(finding['found'])}")
        if finding["cure"]:
            out.line(f"       {clean(finding['cure'])}")
    if any(finding["state"] == "bad" for finding in findings):
        raise typer.Exit(run.FAILED)


def where(url: str | None, key: str | None, data: Path | None) -> Place:
    """The daemon to talk to, and a key: as given, else what the daemon left in its data folder.

    Raises:
        ConfigError: no daemon runs there.
    """
    from soulmesh.daemon.remote import Place, find

    settings = load({"daemon.data": data})
    folder = Path(settings.daemon.data).expanduser()
    configured = settings.web.api_key.get_secret_value() if settings.web.api_key else None
    if url is not None:
        return Place(url, key or configured or "")
    found = find(folder)
    if found is None:
        raise ConfigError(
            f"no daemon runs with the data folder {folder}",
            hint="start one with `soulmesh daemon`, or say where it is with --daemon or --data",
        )
    return replace(found, key=key or found.key)
