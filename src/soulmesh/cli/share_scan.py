"""``soulmesh share scan`` and ``status``: bringing the index up to date, and how it is."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.constrain import Constrain
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn
from rich.progress import Progress as Bars

from soulmesh import wire
from soulmesh.cli import run, settings
from soulmesh.cli.output import Column, JsonOption, Output, clean, duration, size
from soulmesh.cli.share import DataOption, app, find_root, opened
from soulmesh.cli.through import ApiKeyOption, DaemonOption, daemon_for
from soulmesh.client.shares import (
    Progress,
    ScanOutcome,
    Shares,
    ShareSettings,
)
from soulmesh.client.shares.readers import FILE_SECONDS
from soulmesh.errors import NotFound, UsageError
from soulmesh.net.names import shown_path

__all__ = ["STOPPED", "scan_bars"]

STOPPED = "stopped: what was found is kept, and soulmesh share scan goes on from there"


class ScanHeldBack(UsageError):
    """A scan found more files gone than it may forget without being told to."""

    def __init__(self, roots: dict[str, int]) -> None:
        self.roots = roots
        self.hint = "if they are really gone: soulmesh share scan --yes"

    def __str__(self) -> str:
        which = ", ".join(f"{count} files of {clean(root)}" for root, count in self.roots.items())
        return f"{which} are gone from the disk, too many to forget unasked: they stay in the index"


@app.command()
@run.command
async def scan(
    folders: Annotated[
        list[str] | None, typer.Argument(help="Names or paths of shared folders; all if none.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Forget files that are gone, however many they are.")
    ] = False,
    rebuild: Annotated[bool, typer.Option("--rebuild", help="Write the whole index again.")] = False,
    readers: Annotated[
        int | None, typer.Option("--readers", min=1, max=64, help="Processes that read audio files.")
    ] = None,
    file_timeout: Annotated[
        float | None,
        typer.Option(
            "--file-timeout",
            min=0.1,
            metavar="SECONDS",
            help=f"How long one audio file may take (default: {FILE_SECONDS:g}).",
        ),
    ] = None,
    guard: Annotated[
        float | None,
        typer.Option(
            "--guard",
            min=0.0,
            max=1.0,
            help="Ask before losing more than this part of a folder's files (default: shares.lose_at_most).",
        ),
    ] = None,
    data: DataOption = None,
    daemon: DaemonOption = None,
    api_key: ApiKeyOption = None,
    json: JsonOption = False,
) -> None:
    """Look for new, changed and missing files, and bring the index up to date.

    Only what changed is read. Ctrl-C stops; the next scan goes on from there.

    A daemon that runs does it itself, but for --rebuild, --readers, --file-timeout and --guard.
    """
    out = run.output(json=json)
    given = settings.load()
    ours = rebuild or not (readers is file_timeout is guard is None)
    if ours and daemon not in (None, "none"):
        raise UsageError("--rebuild, --readers, --file-timeout and --guard are not for a scan of a daemon")
    running = None if ours else await daemon_for(given, daemon, api_key, data=data)
    if running is not None:
        from soulmesh.cli.share_afar import Afar

        async with running[0] as there:
            afar = await Afar.of(there, folders)
            await _scan(out, partial(afar.scan, out), yes=yes)
        return
    how = ShareSettings(
        guard=given.shares.lose_at_most if guard is None else guard,
        readers=readers,
        file_seconds=FILE_SECONDS if file_timeout is None else file_timeout,
    )
    with opened(data, how=how) as shares:
        if not shares.roots:
            if shares.store.sweeping_left():
                await shares.scan(niceness=0)
            error = NotFound("nothing is shared yet")
            error.hint = "soulmesh share add FOLDER"
            raise error
        chosen = [find_root(shares, name) for name in folders or ()]
        # What is in one that is shared apart since belongs to those around it no longer.
        around = [
            other
            for root in chosen
            if not root.scanned
            for other in shares.roots
            if root.path.is_relative_to(other.path)
        ]
        roots = {root.id for root in chosen + around} if folders else None

        async def once(confirmed: bool) -> ScanOutcome:
            try:
                with scan_bars(out) as show:
                    return await shares.scan(
                        roots, confirmed=confirmed, again=True, rebuild=rebuild, niceness=0, progress=show
                    )
            except asyncio.CancelledError:
                out.note(STOPPED)
                raise

        await _scan(out, once, yes=yes)


async def _scan(out: Output, once: Callable[[bool], Awaitable[ScanOutcome]], *, yes: bool) -> None:
    """Scan by ``once(confirmed)``, ask about what would be lost, and tell what was found."""
    outcome = await once(yes)
    held_back = {found.root: found.held_back for found in outcome.roots if found.held_back}
    if held_back and not out.json and sys.stdin.isatty():
        total = sum(held_back.values())
        if typer.confirm(f"{total} files are gone from the disk. Forget them?", default=False, err=True):
            outcome = await once(True)
        else:
            out.note("they stay in the index")
        held_back = {}
    _tell_outcome(out, outcome)
    if held_back:
        raise ScanHeldBack(held_back)


def _tell_outcome(out: Output, outcome: ScanOutcome) -> None:
    out.table(
        [
            Column("root", "NAME", wide=True),
            Column("files", "FILES", right=True),
            Column("added", "NEW", right=True),
            Column("changed", "CHANGED", right=True),
            Column("removed", "GONE", right=True),
            Column("problems", "UNREADABLE", right=True),
            Column("state", "STATE"),
        ],
        [
            {
                **asdict(found),
                "root": wire.text(os.fsencode(found.root)),
                "state": "offline" if found.offline else "held back" if found.held_back else "",
            }
            for found in outcome.roots
        ],
    )
    total = sum(found.files for found in outcome.roots)
    rate = total / outcome.seconds if outcome.seconds > 0 else 0
    out.note(f"{total} files in {outcome.seconds:.2f} s ({rate:,.0f} a second); index {outcome.index}")
    if any(found.problems for found in outcome.roots):
        out.note("soulmesh share status --problems lists what could not be read")


PHASES = {"walking": "looking", "reading": "reading audio", "indexing": "writing the index"}


class _Bars(Bars):
    """Bars that leave room for the ^C that a terminal shows: it would begin a line, and one would stay."""

    def __init__(self, *columns: ProgressColumn, console: Console) -> None:
        self._width = max(20, console.width - 5)
        super().__init__(*columns, console=console, expand=True, transient=True)

    def get_renderable(self) -> RenderableType:
        return Constrain(super().get_renderable(), self._width)


@contextmanager
def scan_bars(out: Output) -> Iterator[Callable[[Progress], None]]:
    """A bar for each phase of a scan; where there is no terminal, a line every few seconds."""
    if out.json:
        yield lambda progress: None
        return
    if not out.errors.is_terminal:
        yield _lines(out)
        return
    bars = _Bars(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}", style="green"),
        TextColumn("{task.fields[left]}", style="yellow"),
        console=out.errors,
    )
    keys: dict[tuple[str, str], Any] = {}

    def show(progress: Progress) -> None:
        key = (progress.phase, progress.root)
        if key not in keys:
            what = f"{PHASES[progress.phase]} {progress.root}".strip()
            keys[key] = bars.add_task(clean(what).replace("[", r"\["), total=None, rate="", left="")
        bars.update(
            keys[key],
            completed=progress.done,
            total=progress.total,
            rate=f"{progress.rate:,.0f} files/s",
            left="" if progress.seconds_left is None else f"{duration(progress.seconds_left)} left",
        )

    with bars:
        yield show


def _lines(out: Output) -> Callable[[Progress], None]:
    clock = asyncio.get_running_loop().time
    told = {"at": clock()}

    def show(progress: Progress) -> None:
        if clock() - told["at"] < 5:
            return
        told["at"] = clock()
        of = f" of {progress.total}" if progress.total else ""
        left = "" if progress.seconds_left is None else f", {duration(progress.seconds_left)} left"
        what = f"{PHASES[progress.phase]} {progress.root}".strip()
        out.note(f"{what}: {progress.done}{of} files, {progress.rate:,.0f}/s{left}")

    return show


@app.command()
@run.command
def status(
    problems: Annotated[
        bool, typer.Option("--problems", help="List what could not be read or shared.")
    ] = False,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """How much is shared, and in which state the index is."""
    out = run.output(json=json)
    with opened(data) as shares:
        asyncio.run(shares.check_online())
        if problems:
            _list_problems(out, shares)
            return
        index = shares.index
        counts = shares.counts
        on_disk = sum(path.stat().st_size for path in shares.directory.glob("index-*"))
        database = sum(path.stat().st_size for path in shares.directory.glob("shares.sqlite*"))
        facts: dict[str, Any] = {
            "roots": len(shares.roots),
            "offline": sum(not root.online for root in shares.roots),
            "files": sum(root.files for root in shares.roots),
            "public_files": counts.files,
            "public_folders": counts.folders,
            "indexed": sum(len(index.of_root(root.id)) for root in shares.roots),
            "changes": len(index.delta) + len(index.removed),
            "generation": index.base.about.get("generation", 0),
            "index_bytes": on_disk,
            "database_bytes": database,
            "needs_index": shares.needs_index,
            "unfinished": bool(shares.store.get("scan_open", 0)),
            "held_back": sum(shares.store.get(f"held_back:{root.id}", 0) for root in shares.roots),
            "problems": sum(map(shares.store.count_problems, shares.roots)),
        }
        out.record(facts)
        out.line(f"shared folders   {facts['roots']} ({facts['offline']} offline)")
        public = f"{counts.files} in {counts.folders} folders for everyone"
        out.line(f"files            {facts['files']}, of them {public}")
        out.line(
            f"index            {facts['indexed']} files, {size(on_disk)}, generation {facts['generation']},"
            f" {facts['changes']} changes since"
        )
        out.line(f"database         {size(database)}")
        out.line(f"not readable     {facts['problems']}")
        if facts["held_back"]:
            gone = f"{facts['held_back']} files are gone from the disk"
            out.line(f"held back        {gone}: soulmesh share scan --yes")
        if facts["unfinished"]:
            out.line("unfinished       the last scan did not end: soulmesh share scan goes on")
        if shares.needs_index:
            out.line("index missing    soulmesh share scan writes it again")


def _list_problems(out: Output, shares: Shares) -> None:
    rows = [
        {"root": wire.text(root.name), "path": shown_path(problem.path), "reason": problem.reason}
        for root in shares.roots
        for problem in shares.store.problems(root)
    ]
    columns = [
        Column("root", "NAME"),
        Column("path", "FILE", wide=True, keep_end=True),
        Column("reason", "WHY"),
    ]
    if not out.table(columns, rows):
        out.note("everything could be read")


# What others see
