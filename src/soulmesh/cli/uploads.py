"""`soulmesh uploads`: who gets what from us; and trying other rules on what was asked for."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from soulmesh.cli import run, settings
from soulmesh.cli.output import Column, JsonOption, clean, duration
from soulmesh.cli.push import push
from soulmesh.cli.through import ApiKeyOption, DaemonOption, daemon_for
from soulmesh.cli.transfers import look, show
from soulmesh.client.transfers import Journal
from soulmesh.core.rule_trial import Trial, try_rules
from soulmesh.daemon.choices import changed_rules, queue_rules
from soulmesh.errors import ConfigError, UsageError
from soulmesh.net.world import World

__all__ = ["app"]

app = typer.Typer(help="Uploads: who gets what, who waits, and by which rules.", invoke_without_command=True)

COLUMNS = [
    Column("username", "User", wide=True),
    Column("group", "Group"),
    Column("files", "Files", right=True),
    Column("served", "Served", right=True),
    Column("usual_wait", "Usual wait", duration, right=True),
    Column("longest_wait", "Longest", duration, right=True),
    Column("waiting", "Waiting", right=True),
    Column("refused", "Refused", right=True),
    Column("now", "As it is", wide=True),
]


@app.callback()
@run.command
async def uploads(
    context: typer.Context,
    all_: Annotated[bool, typer.Option("--all", help="Show also what is finished or cancelled.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Keep the table up to date until Ctrl-C.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many finished ones at most.")] = 50,
    daemon: DaemonOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Show uploads: who gets what, and who waits."""
    name = context.invoked_subcommand
    if name is not None:
        given = any(
            context.get_parameter_source(parameter).name == "COMMANDLINE"  # type: ignore[union-attr]
            for parameter in context.params
        )
        if given:
            raise UsageError(f"options stand after the command: soulmesh uploads {name} ...")
    else:
        await show("upload", all_=all_, watch=watch, limit=limit, json=json, daemon=daemon, api_key=api_key)


app.command("push")(push)


@app.command("try")
@run.command
async def try_(
    rules: Annotated[
        Path,
        typer.Argument(help="A file with keys of the section [transfers]: upload_slots, groups and others."),
    ],
    days: Annotated[float, typer.Option("--days", min=0.01, help="Requests of so many days.")] = 7.0,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Show so many users.")] = 30,
    daemon: DaemonOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Try rules on the requests of the last days: who would have waited, who would have been refused.

    Nothing changes. What the file does not say stays as it is set now.
    """
    out = run.output(json=json)
    given = settings.load()
    changes = read_rules(rules)
    through = await daemon_for(given, daemon, api_key)
    if through is not None:
        async with through[0] as there:
            # It keeps what was asked for during a week.
            within = min(days, 7.0)
            found = _trial(await there.transfers.try_rules(changes, days=within))
            before = _trial(await there.transfers.try_rules({}, days=within))
    else:
        tried = changed_rules(given.transfers, changes)
        journal = await look(given)
        if journal is None:
            out.note("nobody has asked for anything yet")
            return
        now = World.real().wall_clock().timestamp()
        record = await _record(journal, now - days * 86_400)
        found = _Found.of(try_rules(record, tried, until=now))
        before = _Found.of(try_rules(record, queue_rules(given.transfers), until=now))
    if not found.requests:
        out.note("nobody has asked for anything in these days")
        return
    as_it_is = {lot["username"]: lot for lot in before.lots}
    rows = [_row(lot, as_it_is[lot["username"]]) for lot in found.lots]
    out.table(COLUMNS, rows if json else rows[:limit])
    out.note(
        f"{found.requests} requests of {len(found.lots)} users; refused: {found.refused}"
        f" (as it is: {before.refused})"
    )


@dataclass(frozen=True)
class _Found:
    """The outcome of a trial, ours or a daemon's; users as ``/api/v1`` has them."""

    lots: list[dict[str, Any]]
    requests: int
    refused: int

    @classmethod
    def of(cls, trial: Trial) -> _Found:
        return cls([lot.row() for lot in trial.lots], trial.requests, trial.refused)


def _trial(row: dict[str, Any]) -> _Found:
    return _Found(row["items"], row["requests"], row["refused"])


async def _record(journal: Journal, since: float) -> list[Any]:
    try:
        return await journal.requests(since)
    finally:
        await journal.close()


def read_rules(path: Path) -> dict[str, Any]:
    """Keys of the section ``[transfers]``, from a file that has them with or without its heading.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None
    section = found.get("transfers", found)
    if not isinstance(section, dict):
        raise ConfigError(f"{path}: transfers is no section")
    return section


def _row(lot: dict[str, Any], now: dict[str, Any]) -> dict[str, Any]:
    before = sum(now["refused"].values())
    words = f"waited {duration(now['longest_wait'])}" + (f", {before} refused" if before else "")
    return {
        "username": clean(lot["username"]),
        "group": lot["group"],
        "files": lot["files"],
        "served": lot["served"],
        "usual_wait": round(lot["usual_wait"], 1),
        "longest_wait": round(lot["longest_wait"], 1),
        "waiting": lot["waiting"],
        "refused": sum(lot["refused"].values()),
        "reasons": lot["refused"],
        "now": words,
    }
