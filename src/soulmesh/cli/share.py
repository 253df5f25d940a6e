"""``soulmesh share``: what is shared, how it is scanned, and what others see of it."""

from __future__ import annotations

import asyncio
import json as json_module
import os
import platform
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.constrain import Constrain
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, TextColumn
from rich.progress import Progress as Bars

from soulmesh import wire
from soulmesh.cli import run, settings
from soulmesh.cli.output import Column, JsonOption, Output, clean, duration, size
from soulmesh.client.plain_shares import check_shareable
from soulmesh.client.shares import (
    Audience,
    Progress,
    Root,
    RootRefused,
    ScanBusy,
    ScanOutcome,
    Shares,
    ShareSettings,
    Symlinks,
)
from soulmesh.client.shares.explain import explain as explain_path
from soulmesh.client.shares.model import folder_name, hidden_name
from soulmesh.client.shares.store import damage_told
from soulmesh.errors import NotFound, UsageError
from soulmesh.net.world import World
from soulmesh.wire.peer import PeerSharesReply

__all__ = ["app", "data_directory", "opened", "root_name", "scan_bars"]

app = typer.Typer(
    name="share",
    help="What you share: folders, scans, and what others see of it.",
    no_args_is_help=True,
)

DataOption = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="Where soulmesh keeps its data (default: daemon.data of the settings, ~/.local/share/soulmesh).",
    ),
]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]

ATTRIBUTES = {0: "kbit/s", 1: "s", 2: "VBR", 4: "Hz", 5: "bit"}


class ScanHeldBack(UsageError):
    """A scan found more files gone than it may forget without being told to."""

    def __init__(self, roots: dict[str, int]) -> None:
        self.roots = roots
        self.hint = "if they are really gone: soulmesh share scan --yes"

    def __str__(self) -> str:
        which = ", ".join(f"{count} files of {clean(root)}" for root, count in self.roots.items())
        return f"{which} are gone from the disk, too many to forget unasked: they stay in the index"


def data_directory(given: Path | None) -> Path:
    """Where the shares live: below ``--data``, or the folder that the settings name."""
    return _data(given) / "shares"


def _data(given: Path | None) -> Path:
    return (given or settings.load().daemon.data).expanduser()


def _friends(data: Path | None) -> frozenset[str]:
    """Whom a client with this data folder, or a daemon, has on its list of friends."""
    found: set[str] = set()
    for place in (_data(data), _data(data) / "client"):
        with suppress(OSError, ValueError, AttributeError):
            people = json_module.loads((place / "people.json").read_text(encoding="utf-8"))
            found.update(str(name) for name in people.get("friends", ()))
    return frozenset(found)


@dataclass(frozen=True, slots=True)
class Assumed:
    """A circle of one user about whom the command line says everything."""

    username: str
    is_friend: bool
    in_groups: tuple[str, ...]

    def friend(self, username: str) -> bool:
        """Whether ``username`` is the user that is assumed, and a friend."""
        return self.is_friend and username == self.username

    def groups(self, username: str) -> Collection[str]:
        """The groups of the user that is assumed; nobody else is in any."""
        return self.in_groups if username == self.username else ()


def _assumed(username: str, friend: bool, groups: list[str] | None, data: Path | None) -> Assumed:
    return Assumed(username, friend or username in _friends(data), tuple(groups or ()))


@contextmanager
def opened(
    data: Path | None, circle: Assumed | None = None, how: ShareSettings | None = None
) -> Iterator[Shares]:
    """The shares, for the length of one command."""
    shares = Shares(data_directory(data), wall_clock=World.real().wall_clock, circle=circle, settings=how)
    try:
        with damage_told(shares.store.path):
            yield shares
    finally:
        shares.close()


def _find(shares: Shares, given: str) -> Root:
    """A root by its name or its folder."""
    path = Path(os.path.abspath(Path(given).expanduser()))
    for root in shares.roots:
        if os.fsdecode(root.name) == given or root.path == path:
            return root
    error = NotFound(f"{given} is not shared")
    error.hint = "soulmesh share list names what is"
    raise error


def _confirm(question: str, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        error = UsageError(f"{question} This needs an answer")
        error.hint = "add --yes"
        raise error
    typer.confirm(question, abort=True, err=True)


# Folders


@app.command()
@run.command
def add(
    folder: Annotated[
        Path, typer.Argument(help="The folder to share, with everything below it.", readable=False)
    ],
    name: Annotated[
        str | None,
        typer.Option("--name", "-n", help="What others see as its name (default: the folder's own)."),
    ] = None,
    anonymous: Annotated[
        bool, typer.Option("--anonymous", help="Show a name like @@abcde, which tells nothing.")
    ] = False,
    audience: Annotated[
        list[str] | None,
        typer.Option(
            "--for", metavar="WHO", help="everyone, friends, user:NAME or group:NAME; can be repeated."
        ),
    ] = None,
    locked: Annotated[
        bool | None, typer.Option("--locked/--not-locked", help="Others see the files, locked.")
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", "-x", metavar="PATTERN", help="Leave out names, or paths with a slash."),
    ] = None,
    hidden: Annotated[
        bool | None, typer.Option("--hidden/--no-hidden", help="Share names that begin with a dot.")
    ] = None,
    links: Annotated[
        Symlinks | None, typer.Option("--links", help="Follow symbolic links that stay inside the folder.")
    ] = None,
    yes: YesOption = False,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Share a folder, or change how one is offered.

    A new folder is offered after the next `soulmesh share scan`; who may see it changes at once.
    """
    out = run.output(json=json)
    path = Path(os.path.abspath(folder.expanduser()))
    check_shareable(path)
    how = ShareSettings(guard=settings.load().shares.lose_at_most)
    with opened(data, how=how) as shares:
        root = next((root for root in shares.roots if root.path == path), None)
        if root is None:
            chosen = hidden_name(path, platform.node()) if anonymous else root_name(shares, path, name)
            root = Root(0, chosen, path)
        elif name is not None and os.fsencode(name) != root.name:
            raise RootRefused(
                path, f"is shared as {os.fsdecode(root.name)}: remove it first to change the name"
            )
        changes: dict[str, Any] = {}
        if audience is not None or locked is not None:
            changes["audience"] = _audience(root, audience, locked)
        if exclude is not None:
            changes["exclude"] = tuple(pattern for pattern in exclude if pattern)
        if hidden is not None:
            changes["hidden"] = hidden
        if links is not None:
            changes["symlinks"] = links
        changed = replace(root, **changes)
        doubt = asyncio.run(shares.doubt(changed))
        if doubt is not None:
            _confirm(f"{path}: {doubt}. Go on?", yes)
        saved = shares.save_root(changed)
        out.record(_root_row(shares, saved))
        out.line(f"{path} is shared as {clean(os.fsdecode(saved.name))}, for {saved.audience}")
        if not saved.scanned or not changes.keys() <= {"audience"}:
            out.note("soulmesh share scan makes it so")


def _audience(root: Root, words: list[str] | None, locked: bool | None) -> Audience:
    """Who a folder is for, as it was but for what was said. A lock stays until it is taken off."""
    before = root.audience
    try:
        chosen = before if words is None else Audience.parse(words)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if locked and chosen.everyone:
        refused = UsageError("--locked is for a folder that not everyone may have")
        refused.hint = "say whom it is for: --for friends, --for user:NAME, --for group:NAME"
        raise refused
    return replace(chosen, locked=before.locked if locked is None else locked)


def root_name(shares: Shares, path: Path, given: str | None) -> bytes:
    """What others see as the name of a shared folder: as given, or the folder's own if it is not taken."""
    if given is not None:
        return os.fsencode(given)
    return folder_name(path, {root.name for root in shares.roots})


@app.command()
@run.command
def remove(
    folder: Annotated[str, typer.Argument(help="The name or the path of a shared folder.")],
    yes: YesOption = False,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Stop sharing a folder. Nothing changes on the disk."""
    out = run.output(json=json)
    with opened(data) as shares:
        root = _find(shares, folder)
        name = os.fsdecode(root.name)
        _confirm(f"Stop sharing {clean(name)} ({root.files} files)?", yes)
        shares.remove_root(root.id)
        if not shares.roots:
            # No later scan would: there is nothing to scan.
            with suppress(ScanBusy):
                asyncio.run(shares.scan(niceness=0))
        out.record({"removed": wire.text(root.name), "path": str(root.path), "files": root.files})
        out.line(f"{clean(name)} is no longer shared")


def _root_row(shares: Shares, root: Root) -> dict[str, Any]:
    return {
        "name": wire.text(root.name),
        "path": _shown(root.path),
        "for": str(root.audience),
        "files": root.files,
        "state": "online" if root.online else "offline",
        "scanned": root.scanned,
        "exclude": list(root.exclude),
        "hidden": root.hidden,
        "links": root.symlinks.value,
        "held_back": shares.store.get(f"held_back:{root.id}", 0),
    }


def _shown(path: Path | str) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@app.command(name="list")
@run.command
def list_(data: DataOption = None, json: JsonOption = False) -> None:
    """The shared folders, and whom they are for."""
    out = run.output(json=json)
    with opened(data) as shares:
        asyncio.run(shares.check_online())
        count = out.table(
            [
                Column("name", "NAME"),
                Column("path", "FOLDER", keep_end=True, wide=True),
                Column("for", "FOR"),
                Column("files", "FILES", right=True),
                Column("state", "STATE"),
                Column("scanned", "SCANNED"),
            ],
            [_root_row(shares, root) for root in shares.roots],
        )
        if not count:
            out.note("nothing is shared yet: soulmesh share add FOLDER")


# Scanning


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
        float,
        typer.Option("--file-timeout", min=0.1, metavar="SECONDS", help="How long one audio file may take."),
    ] = 20.0,
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
    json: JsonOption = False,
) -> None:
    """Look for new, changed and missing files, and bring the index up to date.

    Only what changed is read. Ctrl-C stops; the next scan goes on from there.
    """
    out = run.output(json=json)
    how = ShareSettings(
        guard=settings.load().shares.lose_at_most if guard is None else guard,
        readers=readers,
        file_seconds=file_timeout,
    )
    with opened(data, how=how) as shares:
        if not shares.roots:
            if shares.store.sweeping_left():
                await shares.scan(niceness=0)
            error = NotFound("nothing is shared yet")
            error.hint = "soulmesh share add FOLDER"
            raise error
        roots = None if not folders else [_find(shares, given).id for given in folders]

        async def once(confirmed: bool) -> ScanOutcome:
            try:
                with scan_bars(out) as show:
                    return await shares.scan(
                        roots, confirmed=confirmed, rebuild=rebuild, niceness=0, progress=show
                    )
            except asyncio.CancelledError:
                out.note("stopped: what was found is kept, and soulmesh share scan goes on from there")
                raise

        outcome = await once(yes)
        held_back = {found.root: found.held_back for found in outcome.roots if found.held_back}
        if held_back and not json and sys.stdin.isatty():
            total = sum(held_back.values())
            if typer.confirm(f"{total} files are gone from the disk. Forget them?", default=False, err=True):
                outcome = await once(True)
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
            {**asdict(found), "state": "offline" if found.offline else "held back" if found.held_back else ""}
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
        {"root": wire.text(root.name), "path": _shown(problem.path), "reason": problem.reason}
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

AsOption = Annotated[str, typer.Option("--as", metavar="USER", help="As this user would find it.")]
FriendOption = Annotated[
    bool, typer.Option("--friend", help="Take the user for a friend, even if they are not on the list.")
]
GroupOption = Annotated[
    list[str] | None, typer.Option("--group", metavar="NAME", help="Take the user for one of this group.")
]


@app.command()
@run.command
async def search(
    query: Annotated[list[str], typer.Argument(help="Words, *endings and -exclusions.")],
    username: AsOption = "",
    friend: FriendOption = False,
    group: GroupOption = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many files.")] = 100,
    excluded: Annotated[
        list[str] | None, typer.Option("--phrase", help="A phrase the server would exclude; can be repeated.")
    ] = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Search your own files as others do.

    Put -- before a query that begins with a dash.
    """
    out = run.output(json=json)
    with opened(data, _assumed(username, friend, group, data)) as shares:
        began = perf_counter()
        found = await shares.search(" ".join(query), username=username, limit=limit, excluded=excluded or ())
        took = perf_counter() - began
        rows = [
            {
                "path": file.filename,
                "size": file.filesize,
                "attributes": {a.key: a.value for a in file.attributes},
                "locked": locked,
            }
            for locked, files in ((False, found.results), (True, found.locked))
            for file in files
        ]
        columns = [
            Column("path", "FILE", wide=True, keep_end=True),
            Column("size", "SIZE", size, right=True),
            Column("attributes", "AUDIO", _attributes),
        ]
        if found.locked:
            columns.append(Column("locked", "", lambda locked: "locked" if locked else ""))
        count = out.table(columns, rows)
        dropped = " (too dear: dropped)" if shares.figures.too_dear else ""
        out.note(f"{count} files in {took * 1000:.2f} ms{dropped}")
        if not count:
            raise NotFound("no shared file matches")


def _attributes(attributes: dict[int, int]) -> str:
    parts = []
    for key, value in attributes.items():
        if key == 1:
            parts.append(duration(value))
        elif key == 2:
            parts.append("VBR" if value else "CBR")
        else:
            parts.append(f"{value} {ATTRIBUTES.get(key, key)}")
    return ", ".join(parts)


@app.command(name="browse-as")
@run.command
async def browse_as(
    username: Annotated[str, typer.Argument(help="Whose eyes to look through.")],
    folder: Annotated[str | None, typer.Argument(help="A remote folder: list its files.")] = None,
    friend: FriendOption = False,
    group: GroupOption = None,
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """What a user gets to see when browsing you: the very message, read back."""
    out = run.output(json=json)
    with opened(data, _assumed(username, friend, group, data)) as shares:
        began = perf_counter()
        frame = await shares.browse(username)
        took = perf_counter() - began
        reply = wire.decode(frame, "peer", "peer")
        assert isinstance(reply, PeerSharesReply)
        directories = [
            (directory, locked)
            for locked, found in ((False, reply.directories), (True, reply.locked_directories or []))
            for directory in found
        ]
        if folder is not None:
            chosen = [(d, locked) for d, locked in directories if d.name == folder]
            if not chosen:
                raise NotFound(f"{username} sees no folder {folder}")
            columns = [
                Column("name", "FILE", wide=True),
                Column("size", "SIZE", size, right=True),
                Column("attributes", "AUDIO", _attributes),
            ]
            if any(locked for _, locked in chosen):
                columns.append(Column("locked", "", lambda locked: "locked" if locked else ""))
            out.table(
                columns,
                [
                    {
                        "name": file.filename,
                        "size": file.filesize,
                        "attributes": {a.key: a.value for a in file.attributes},
                        "locked": locked,
                    }
                    for directory, locked in chosen
                    for file in directory.files
                ],
            )
            return
        out.table(
            [
                Column("name", "FOLDER", wide=True, keep_end=True),
                Column("files", "FILES", right=True),
                Column("size", "SIZE", size, right=True),
                Column("locked", "", lambda locked: "locked" if locked else ""),
            ],
            [
                {
                    "name": d.name,
                    "files": len(d.files),
                    "size": sum(file.filesize for file in d.files),
                    "locked": locked,
                }
                for d, locked in directories
            ],
        )
        files = sum(len(d.files) for d, _ in directories)
        message = f"a message of {size(len(frame))}, in {took * 1000:.1f} ms"
        out.note(f"{files} files in {len(directories)} folders; {message}")


@app.command()
@run.command
async def explain(
    file: Annotated[str, typer.Argument(help="A file or folder on disk, or a remote path.")],
    data: DataOption = None,
    json: JsonOption = False,
) -> None:
    """Whether a file is offered, to whom, and why not."""
    out = run.output(json=json)
    with opened(data) as shares:
        await shares.check_online()
        found = await explain_path(shares, file)
        record = asdict(found)
        for key in ("path", "remote_path", "root"):
            if record[key] is not None:
                record[key] = _shown(record[key])
        out.record(record)
        out.line(f"{'offered' if found.offered else 'not offered'}: {clean(_shown(found.reason))}")
        for label, value in (
            ("file", record["path"]),
            ("others see", record["remote_path"]),
            ("for", found.audience),
            ("size", None if found.size is None else size(found.size)),
            ("audio", _attributes(found.attributes) or None),
            ("not readable", found.problem),
        ):
            if value:
                out.line(f"  {label:13}{clean(value)}")
        if not found.offered:
            raise typer.Exit(run.NOT_FOUND)
