"""``soulmesh goals``: what a running daemon was told to get, and how far it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from soulmesh.cli import run
from soulmesh.cli.daemon import require_extra
from soulmesh.cli.doctor import where
from soulmesh.cli.named import find
from soulmesh.cli.output import Column, JsonOption, clean, size
from soulmesh.cli.through import ApiKeyOption

if TYPE_CHECKING:
    from soulmesh.daemon.remote import Daemon

__all__ = ["app"]

app = typer.Typer(help="What a running daemon was told to get, from whoever has it.", no_args_is_help=True)

DaemonOption = Annotated[
    str | None,
    typer.Option("--daemon", metavar="URL", help="The daemon; found by its data folder if not given."),
]
GoalArgument = Annotated[
    str, typer.Argument(metavar="GOAL", help="Its name, its id, or as much of the id as only one has.")
]

COLUMNS = [
    Column("id", "Id", lambda text: text[:8]),
    Column("name", "Goal", wide=True),
    Column("state", "State"),
    Column("username", "From"),
    Column("done", "Here", size, right=True),
    Column("size", "Of", size, right=True),
    Column("last", "What happened last", wide=True),
]


def _there(url: str | None, key: str | None) -> Daemon:
    require_extra()
    from soulmesh.daemon.remote import Daemon

    return Daemon.at(where(url, key, None))


def _row(goal: dict[str, Any]) -> dict[str, Any]:
    turn = goal["turn"]
    candidates = goal["candidates"]
    return {
        "id": goal["id"],
        "name": clean(goal["name"]),
        "state": goal["state"],
        "username": clean(candidates[turn]["username"]) if 0 <= turn < len(candidates) else "",
        "done": goal["done"],
        "size": goal["size"],
        "last": clean(goal["story"][-1]) if goal["story"] else "",
    }


@app.command("list")
@run.command
async def list_(daemon: DaemonOption = None, api_key: ApiKeyOption = None, json: JsonOption = False) -> None:
    """Show the goals, the newest first."""
    out = run.output(json=json)
    async with _there(daemon, api_key) as there:
        found = [goal async for goal in there.goals.all()]
    if not out.table(COLUMNS, [_row(goal) for goal in found]):
        out.note("nothing is wanted: soulmesh get WORDS")


def _verb(verb: str, help: str) -> None:
    @app.command(verb, help=help)
    @run.command
    async def turn(
        goal: GoalArgument,
        daemon: DaemonOption = None,
        api_key: ApiKeyOption = None,
        json: JsonOption = False,
    ) -> None:
        out = run.output(json=json)
        async with _there(daemon, api_key) as there:
            goals = [one async for one in there.goals.all()]
            meant = find(goals, goal, "goal", "soulmesh goals list")
            changed = await getattr(there.goals, verb)(meant["id"])
        out.record(_row(changed))
        out.line(f"{clean(changed['name'])}: {changed['state']}")


_verb("pause", "Let a goal rest.")
_verb("resume", "Go on with a goal that rests.")
_verb("cancel", "Want it no longer. What is here stays.")
