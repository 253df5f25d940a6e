"""`soulmesh transfers` and `soulmesh why`: how far transfers are, and what is in their way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from soulmesh.cli import run, settings
from soulmesh.cli.output import Column, JsonOption, Output, clean, duration, size, speed
from soulmesh.cli.session import journal_path
from soulmesh.cli.through import ApiKeyOption, DaemonOption, daemon_for
from soulmesh.client.transfers import Journal, Record
from soulmesh.core.story import Chapter, Standing, tell
from soulmesh.core.story import why as explain
from soulmesh.core.transfer import OWNERS, State
from soulmesh.errors import NotFound
from soulmesh.net.world import World

__all__ = [
    "COLUMNS",
    "OVER",
    "NumberOption",
    "PriorityOption",
    "look",
    "row_of_record",
    "show",
    "transfers",
    "why",
]

NumberOption = Annotated[
    int, typer.Argument(metavar="NUMBER", help="The transfer's number, as `soulmesh transfers` shows.")
]

PriorityOption = Annotated[
    int,
    typer.Option(
        "--priority",
        metavar="N",
        min=-1000,
        max=1000,
        help="Higher goes first among the downloads from one user, below 0 goes last.",
    ),
]

OVER = frozenset({State.FINISHED, State.CANCELLED})
"""What has no turn any more."""

COLUMNS = [
    Column("id", "No.", right=True),
    Column("username", "User"),
    Column("name", "File", wide=True, keep_end=True),
    Column("state", "State"),
    Column("percent", "Done", right=True, optional=True),
    Column("size", "Size", size, right=True, spare=3),
    Column("speed", "Speed", lambda value: speed(value) if value else "", right=True, spare=2, optional=True),
    Column("left", "Left", duration, right=True, spare=1, optional=True),
    Column("place", "Place", right=True, optional=True),
    Column("priority", "Prio", lambda value: str(value) if value else "", right=True, spare=4, optional=True),
    Column("reason", "Why", wide=True, optional=True),
]


@run.command
async def transfers(
    all_: Annotated[bool, typer.Option("--all", help="Show also what is finished or cancelled.")] = False,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", help="Keep the table up to date until Ctrl-C.")
    ] = False,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many finished ones at most.")] = 50,
    daemon: DaemonOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Show downloads: how far, how fast, which place in the queue, and why they wait."""
    await show("download", all_=all_, watch=watch, limit=limit, json=json, daemon=daemon, api_key=api_key)


async def show(
    direction: str,
    *,
    all_: bool,
    watch: bool,
    limit: int,
    json: bool,
    daemon: str | None = None,
    api_key: str | None = None,
) -> None:
    """Print the transfers of one direction, once or again and again."""
    out = run.output(json=json)
    given = settings.load()
    running = await daemon_for(given, daemon, api_key)
    if running is not None:
        async with running[0] as there:

            async def listed() -> list[dict[str, Any]]:
                return await afar_rows(there, direction, all_=all_, limit=limit)

            from soulmesh.cli.afar_list import rows as afar_rows

            await _print(out, listed, direction, watch=watch)
        return
    journal = await look(given)
    if journal is None:
        out.note(f"no {direction}s yet")
        return
    try:
        await _print(out, lambda: _rows(journal, direction, all_=all_, limit=limit), direction, watch=watch)
    finally:
        await journal.close()


async def _print(
    out: Output, rows: Callable[[], Awaitable[list[dict[str, Any]]]], direction: str, *, watch: bool
) -> None:
    if watch and not out.json and out.console.is_terminal:
        with Live(console=out.console, auto_refresh=False) as live:
            while True:
                live.update(_screen(out, await rows(), direction), refresh=True)
                await asyncio.sleep(1.0)
    found = await rows()
    if found:
        out.table(COLUMNS, found)
    else:
        out.note(f"no {direction}s are under way")


def _screen(out: Output, rows: list[dict[str, Any]], direction: str) -> Group:
    """What fits on the screen: what moves before what waits, and how it goes in all."""
    if not rows:
        return Group(Text(f"no {direction}s are under way", style="dim"))
    ranks = {State.RUNNING.value: 0, State.STARTING.value: 0, State.SAVING.value: 0, State.QUEUED.value: 1}
    rows = sorted(rows, key=lambda row: (ranks.get(row["state"], 2), row["id"]))
    # Besides rows there are the heading, what is left out, and the last line.
    shown = rows[: max(1, out.console.height - 4)]
    parts: list[RenderableType] = [out.as_table(COLUMNS, shown)]
    if len(shown) < len(rows):
        parts.append(Text(f"  … and {len(rows) - len(shown)} more", style="dim"))
    parts.append(Text(in_all(rows), style="dim"))
    return Group(*parts)


def in_all(rows: list[dict[str, Any]]) -> str:
    """How many files move and wait, how fast, and what is still to come."""
    over = {State.FINISHED.value, State.FAILED.value, State.CANCELLED.value}
    running = [row for row in rows if row["state"] == State.RUNNING.value]
    coming = [row for row in rows if row["state"] not in over]
    words = [f"{len(running)} running, {len(coming) - len(running)} waiting"]
    fast = sum(row["speed"] or 0 for row in running)
    left = sum(max(0, (row["size"] or 0) - (row["done"] or 0)) for row in coming)
    if fast:
        words.append(speed(fast))
    if left:
        words.append(f"{size(left)} to come" + (f", {duration(left / fast)}" if fast else ""))
    return "; ".join(words)


async def look(given: settings.Settings) -> Journal | None:
    """The journal, to be read; ``None`` if there is none yet."""
    path = journal_path(given)
    if not path.exists():
        return None
    journal = Journal(path, reading=True)
    await journal.open()
    return journal


async def _rows(journal: Journal, direction: str, *, all_: bool, limit: int) -> list[dict[str, Any]]:
    records = [record for record in await journal.unfinished() if record.direction == direction]
    if all_:
        seen = {record.id for record in records}
        records += [r for r in await journal.ended(direction, limit=limit) if r.id not in seen]
    return [row_of_record(record) for record in records]


def row_of_record(record: Record) -> dict[str, Any]:
    """What the table shows of a transfer that the journal has."""
    running = record.state is State.RUNNING
    done = record.size if record.state is State.FINISHED and record.size is not None else record.done
    left = (record.size - done) / record.speed if running and record.size and record.speed else None
    return {
        "id": record.id,
        "username": record.username,
        "name": record.remote_path.rpartition("\\")[2],
        "remote_path": record.remote_path,
        "state": record.state.value,
        "percent": f"{100 * done // record.size}%" if record.size else None,
        "done": done,
        "size": record.size,
        "speed": round(record.speed) if running or record.state is State.FINISHED else None,
        "left": left,
        "place": record.more.get("place") if record.state is State.QUEUED else None,
        "priority": None if record.state in OVER else record.priority,
        "reason": record.reason,
        "local_path": record.local_path or None,
    }


@run.command
async def why(
    number: NumberOption,
    daemon: DaemonOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Tell a transfer's story: what happened, why it waits, what happens next."""
    out = run.output(json=json)
    running = await daemon_for(settings.load(), daemon, api_key)
    if running is not None:
        from soulmesh.cli.afar_list import key_of

        async with running[0] as there:
            row = await key_of(there, number)
            story = await there.transfers.why(row["id"])
        _tell(out, number, row["path"], row["username"], story["past"], story["now"])
        return
    journal = await look(settings.load())
    if journal is None:
        raise NotFound("there are no transfers yet")
    try:
        record = await journal.get(number)
        if record is None:
            raise NotFound(f"there is no transfer {number}")
        chapters = await journal.story(number)
        batch = (await journal.kept("batch")).get(record.batch or "", {})
    finally:
        await journal.close()
    now = World.real().wall_clock().astimezone()
    until = None
    if record.deadline is not None:
        until = type(now).fromtimestamp(record.deadline, now.tzinfo)
    if record.state is State.FINISHED and batch.get("next_try") is not None:
        until = type(now).fromtimestamp(batch["next_try"], now.tzinfo)
    standing = Standing(
        record.direction,
        record.state,
        OWNERS[record.direction][record.state],
        record.username,
        record.reason,
        until,
        record.attempts,
        record.more.get("place"),
        record.done,
        record.size,
        batch.get("reason", ""),
    )
    local = [Chapter(c.at.astimezone(), c.event, c.state, c.reason, c.detail) for c in chapters]
    past = tell(local, record.direction, record.username, now)
    _tell(out, number, record.remote_path, record.username, past, explain(standing, now))


def _tell(out: Output, number: int, path: str, username: str, past: list[str], now: str) -> None:
    out.record({"id": number, "remote_path": path, "now": now, "past": past})
    out.line(f"{path} ({username})", style="bold")
    for line in past:
        out.line(f"  {clean(line)}")
    out.line(clean(now))
