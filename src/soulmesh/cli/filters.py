"""``soulmesh filter``: filters of results under names, and how one deals with results that are there."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from soulmesh.cli.hits import COLUMNS, hit_of, row
from soulmesh.cli.logged_in import local
from soulmesh.cli.output import Column, Output, clean
from soulmesh.client.book import AddressBook
from soulmesh.client.filters import SavedFilters
from soulmesh.client.results import Hit
from soulmesh.errors import NotFound, UsageError

__all__ = ["app"]

app = typer.Typer(
    help="Filters of search results: keep them under names, try them out. `docs/client.md` has the language.",
    no_args_is_help=True,
)

NameArgument = Annotated[str, typer.Argument(help="One word; use it as @NAME.")]


@app.command("save")
@local
async def save(
    book: AddressBook,
    out: Output,
    name: NameArgument,
    conditions: Annotated[str, typer.Argument(help="For example: 'flac size>10mb free -live'.")],
) -> None:
    """Keep a filter: `soulmesh search --filter @NAME` uses it."""
    SavedFilters(book).save(name, conditions)
    out.line(f"saved: {clean(name)}")
    out.record({"name": name, "filter": conditions})


@app.command("list")
@local
async def list_filters(book: AddressBook, out: Output) -> None:
    """List the saved filters."""
    rows = [{"name": name, "filter": text} for name, text in sorted(book.filters.items())]
    if not out.table([Column("name", "Name"), Column("filter", "Filter", wide=True)], rows):
        out.note("no filters yet: soulmesh filter save NAME CONDITIONS")


@app.command("remove")
@local
async def remove(book: AddressBook, out: Output, name: NameArgument) -> None:
    """Forget a filter."""
    if name not in book.filters:
        raise NotFound(f"no filter is saved as {name!r}")
    SavedFilters(book).remove(name)
    out.line(f"removed: {clean(name)}")
    out.record({"name": name, "removed": True})


@app.command("try")
@local
async def try_filter(
    book: AddressBook,
    out: Output,
    conditions: Annotated[str, typer.Argument(help="A filter, or @NAME for a saved one.")],
    file: Annotated[
        Path | None, typer.Argument(help="What `soulmesh search --json` printed; standard input without it.")
    ] = None,
) -> None:
    """Show which results of an earlier search a filter keeps, and why it holds back the others."""
    wanted = SavedFilters(book).read(conditions)
    if file is not None:
        with file.open(encoding="utf-8") as lines:
            hits = list(_read(lines, str(file)))
    else:
        hits = list(_read(sys.stdin, "standard input"))
    trial = wanted.try_on(hits)
    if out.json:
        for hit in trial.kept:
            out.record({**row(hit), "kept": True, "why_not": None})
        for hit, reason in trial.cut:
            out.record({**row(hit), "kept": False, "why_not": reason})
        return
    out.table(COLUMNS, (row(hit) for hit in trial.kept))
    out.line()
    reasons: dict[str, int] = {}
    for _, reason in trial.cut:
        reasons[reason] = reasons.get(reason, 0) + 1
    out.line(f"{len(trial.kept)} of {len(hits)} results are kept")
    for reason, count in sorted(reasons.items(), key=lambda item: -item[1]):
        out.line(f"{count:>7} held back by {clean(reason)}")


def _read(lines: Iterable[str], source: str) -> Iterator[Hit]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record: dict[str, Any] = json.loads(line)
            if record.get("kind") == "hit":
                yield hit_of(record)
        except (ValueError, KeyError, TypeError, AttributeError):
            raise UsageError(
                f"{source}, line {number}: that is no result of soulmesh search --json"
            ) from None
