"""``soulmesh goals``: what is to be got from whoever has it, and how far it is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soulmesh.cli import run, settings
from soulmesh.cli.named import find
from soulmesh.cli.output import Column, JsonOption, clean, size
from soulmesh.cli.session import journal_path, transfer_settings
from soulmesh.cli.through import ApiKeyOption, DaemonOption, daemon_for
from soulmesh.cli.transfers import look
from soulmesh.client.transfers import Goal, Record
from soulmesh.client.transfers.goals import goal_of
from soulmesh.client.transfers.orders import give_order
from soulmesh.core.transfer import FINAL, State
from soulmesh.net.world import World

if TYPE_CHECKING:
    from soulmesh.daemon.remote import Daemon

__all__ = ["app"]

app = typer.Typer(
    help="What is to be got from whoever has it (`soulmesh get`), and how far it is.", no_args_is_help=True
)

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


class Afar:
    """Goals of a running daemon."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    async def all(self) -> list[dict[str, Any]]:
        """All of them, the newest first."""
        return [_row(goal) async for goal in self._daemon.goals.all()]

    async def turn(self, verb: str, goal: dict[str, Any]) -> str:
        """Have something done to it; what it is now."""
        return str((await getattr(self._daemon.goals, verb)(goal["id"]))["state"])


class Here:
    """Goals of the data folder, whether or not another soulmesh runs with it."""

    def __init__(self, given: settings.Settings) -> None:
        self._given = given

    async def all(self) -> list[dict[str, Any]]:
        """All of them, the newest first."""
        journal = await look(self._given)
        if journal is None:
            return []
        try:
            batches = await journal.kept("batch")
            goals = [goal_of(body) for body in (await journal.kept("goal")).values()]
            goals.sort(key=lambda goal: batches.get(goal.batch, {}).get("added", 0.0), reverse=True)
            return [_stored(goal, await journal.of_batch(goal.batch)) for goal in goals]
        finally:
            await journal.close()

    async def turn(self, verb: str, goal: dict[str, Any]) -> str:
        """Have something done to it; what it is now."""
        order = {"verb": verb, "batch": goal["batch"]}
        if verb == "cancel":
            order["goal"] = goal["id"]
        now, root = World.real().wall_clock(), transfer_settings(self._given).incomplete_root
        if not await give_order(journal_path(self._given), order, now, incomplete=root):
            return f"told the soulmesh that runs to {verb} it"
        state = next(row["state"] for row in await self.all() if row["id"] == goal["id"])
        return f"{state}, goes on when soulmesh runs" if verb == "resume" else str(state)


def _stored(goal: Goal, records: Sequence[Record]) -> dict[str, Any]:
    """What the journal has of a goal, as it is listed."""
    candidate = goal.candidate
    mine = {(path.rpartition("\\")[2], size or 0) for path, size in candidate.files}
    came = {
        (one.remote_path.rpartition("\\")[2], one.size or 0) for one in records if one.state is State.FINISHED
    }
    coming = [one for one in records if one.state not in FINAL]
    done = sum(size for _, size in mine & came) + sum(one.done for one in coming)
    size = sum(size for _, size in mine)
    resting = goal.state == "under way" and coming and all(one.state is State.PAUSED for one in coming)
    return {
        "id": goal.id,
        "name": clean(goal.name),
        "state": "paused" if resting else goal.state,
        "username": clean(candidate.username),
        "done": size if goal.state == "finished" else min(done, size) if size else done,
        "size": size,
        "last": clean(goal.story[-1]) if goal.story else "",
        "batch": goal.batch,
    }


@asynccontextmanager
async def _opened(daemon: str | None, key: str | None) -> AsyncIterator[Afar | Here]:
    given = settings.load()
    running = await daemon_for(given, daemon, key)
    if running is None:
        yield Here(given)
        return
    async with running[0] as there:
        yield Afar(there)


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
        "batch": goal["batch"],
    }


@app.command("list")
@run.command
async def list_(daemon: DaemonOption = None, api_key: ApiKeyOption = None, json: JsonOption = False) -> None:
    """Show the goals, the newest first."""
    out = run.output(json=json)
    async with _opened(daemon, api_key) as goals:
        found = await goals.all()
    if not out.table(COLUMNS, found):
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
        async with _opened(daemon, api_key) as goals:
            meant = find(await goals.all(), goal, "goal", "soulmesh goals list")
            state = await goals.turn(verb, meant)
        out.record({**meant, "state": state})
        out.line(f"{meant['name']}: {state}")


_verb("pause", "Let a goal rest.")
_verb("resume", "Go on with a goal that rests.")
_verb("cancel", "Want it no longer. What is here stays.")
