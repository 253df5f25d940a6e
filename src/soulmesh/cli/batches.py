"""`soulmesh batches`: files that are wanted together, and how far they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soulmesh.cli import run, settings
from soulmesh.cli.named import find
from soulmesh.cli.output import Column, JsonOption, clean, size
from soulmesh.cli.session import journal_path, transfer_settings
from soulmesh.cli.through import ApiKeyOption, DaemonOption, daemon_for
from soulmesh.cli.transfers import COLUMNS as FILE_COLUMNS
from soulmesh.cli.transfers import look, row_of_record
from soulmesh.client.transfers import Batch, Journal, Record
from soulmesh.client.transfers.orders import give_order
from soulmesh.daemon.batch_rows import batch_row
from soulmesh.errors import UsageError
from soulmesh.net.world import World

if TYPE_CHECKING:
    from soulmesh.daemon.remote import Daemon

__all__ = ["app"]

app = typer.Typer(
    help="Files that are wanted together: folders, albums, what another program ordered.",
    no_args_is_help=True,
)

BatchArgument = Annotated[
    str, typer.Argument(metavar="BATCH", help="Its name, its id, or as much of the id as only one has.")
]

COLUMNS = [
    Column("id", "Id", lambda text: text[:8]),
    Column("name", "Batch", wide=True),
    Column("state", "State"),
    Column("users", "From", ", ".join, spare=3),
    Column("count", "Files", right=True),
    Column("done", "Here", size, right=True, spare=1),
    Column("size", "Of", size, right=True, spare=2),
    Column("reason", "Why", wide=True, optional=True),
]


class Afar:
    """Batches of a running daemon."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    async def all(self) -> list[dict[str, Any]]:
        """All of them, the newest first."""
        return [row async for row in self._daemon.batches.all()]

    async def files(self, batch: str) -> list[dict[str, Any]]:
        """The files of one, as the table of transfers has them."""
        from soulmesh.cli.afar_list import row_of

        return [row_of(one) async for one in self._daemon.batches.files(batch)]

    async def turn(self, verb: str, batch: str) -> str:
        """Have something done to it; what it is now."""
        changed = await getattr(self._daemon.batches, verb)(batch)
        return str(changed["state"]) if changed is not None else "listed no more"


class Here:
    """Batches of the data folder, whether or not another soulmesh runs with it."""

    def __init__(self, given: settings.Settings) -> None:
        self._given = given

    async def all(self) -> list[dict[str, Any]]:
        """All of them, the newest first."""
        journal = await look(self._given)
        if journal is None:
            return []
        try:
            kept = [Batch(**body) for body in (await journal.kept("batch")).values()]
            kept.sort(key=lambda batch: batch.added, reverse=True)
            return [await self._row(journal, batch) for batch in kept]
        finally:
            await journal.close()

    async def _row(self, journal: Journal, batch: Batch) -> dict[str, Any]:
        files = [row_of_record(record) for record in await _records(journal, batch)]
        return batch_row(batch, files) | {
            "added": _moment(batch.added or None),
            "next_try": _moment(batch.next_try),
        }

    async def files(self, batch: str) -> list[dict[str, Any]]:
        """The files of one, as the table of transfers has them."""
        journal = await look(self._given)
        if journal is None:
            return []
        try:
            found = Batch(**(await journal.kept("batch"))[batch])
            return [row_of_record(one) for one in await _records(journal, found)]
        finally:
            await journal.close()

    async def turn(self, verb: str, batch: str) -> str:
        """Have something done to it; what it is now."""
        now = World.real().wall_clock()
        root = transfer_settings(self._given).incomplete_root
        order = {"verb": verb, "batch": batch}
        if not await give_order(journal_path(self._given), order, now, incomplete=root):
            return f"told the soulmesh that runs to {verb} it"
        if verb == "forget":
            return "listed no more"
        state = next(row["state"] for row in await self.all() if row["id"] == batch)
        return f"{state}, goes on when soulmesh runs" if verb in ("resume", "retry") else state


async def _records(journal: Journal, batch: Batch) -> list[Record]:
    """Its files, those included that came or come for another batch first."""
    own = {record.id: record for record in await journal.of_batch(batch.id)}
    found = [own.get(number) or await journal.get(number) for number in batch.files]
    return [record for record in found if record is not None]


def _moment(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat()


@asynccontextmanager
async def _opened(daemon: str | None, key: str | None) -> AsyncIterator[Afar | Here]:
    given = settings.load()
    running = await daemon_for(given, daemon, key)
    if running is None:
        yield Here(given)
        return
    async with running[0] as there:
        yield Afar(there)


async def _meant(batches: Afar | Here, given: str) -> dict[str, Any]:
    return find(await batches.all(), given, "batch", "soulmesh batches list --all")


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "count": f"{row['files_here']} of {row['files']}"}


@app.command("list")
@run.command
async def list_(
    all_: Annotated[bool, typer.Option("--all", help="Show also what is finished.")] = False,
    daemon: DaemonOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Show batches, the newest first: how far they are, and why they wait."""
    out = run.output(json=json)
    async with _opened(daemon, api_key) as batches:
        found = await batches.all()
    rows = [row for row in found if all_ or row["state"] != "finished"]
    if not out.table(COLUMNS, rows if json else [_shown(row) for row in rows]):
        out.note("all batches are finished: --all shows them" if found else "no batches yet")


@app.command()
@run.command
async def show(
    batch: BatchArgument,
    daemon: DaemonOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Show one batch, and its files as `soulmesh transfers` does."""
    out = run.output(json=json)
    async with _opened(daemon, api_key) as batches:
        row = await _meant(batches, batch)
        files = await batches.files(row["id"])
    out.record(row)
    told = f"{row['files_here']} of {row['files']} files, {size(row['done'])} of {size(row['size'])}"
    out.line(f"{clean(row['name'])}: {row['state']}, {told}", style="bold")
    if row["reason"]:
        out.line(f"  {clean(row['reason'])}")
    where = "to" if row["state"] != "finished" else "in"
    whole = ", when nothing is missing" if row["whole"] and row["state"] != "finished" else ""
    out.line(f"  {where} {clean(row['destination'])}{whole}")
    out.table(FILE_COLUMNS, files)


def _verb(verb: str, help: str) -> None:
    @app.command(verb, help=help)
    @run.command
    async def turn(
        batch: BatchArgument,
        daemon: DaemonOption = None,
        api_key: ApiKeyOption = None,
        json: JsonOption = False,
    ) -> None:
        out = run.output(json=json)
        async with _opened(daemon, api_key) as batches:
            row = await _meant(batches, batch)
            if verb != "forget" and row["state"] == "finished":
                raise UsageError(f"{row['name']} is finished, there is nothing to {verb}")
            now = await batches.turn(verb, row["id"])
        out.record({"id": row["id"], "name": row["name"], "verb": verb, "outcome": now})
        out.line(f"{clean(row['name'])}: {now}")


_verb("pause", "Let all of it rest.")
_verb("resume", "Go on with what rests.")
_verb("retry", "Try now what waits or has failed, and the move of its folder.")
_verb("cancel", "Give up what is not here yet. What is here stays.")
_verb("forget", "List it no more. Its transfers stay.")
