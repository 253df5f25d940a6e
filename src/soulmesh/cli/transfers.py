"""`soulmesh download`, and the commands that show and change transfers."""

from __future__ import annotations

import asyncio
import urllib.parse
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live
from rich.table import Table

from soulmesh.cli import run, settings
from soulmesh.cli.account import (
    ListenPortOption,
    PasswordFileOption,
    PasswordOption,
    ServerOption,
    UsernameOption,
    account_options,
)
from soulmesh.cli.output import Column, JsonOption, Output, Transfers, clean, duration, size, speed
from soulmesh.cli.session import home, journal_path, open_client, running_server
from soulmesh.cli.through import ApiKeyOption, DaemonOption, daemon_for
from soulmesh.client.client import Client
from soulmesh.client.transfers import (
    Batch,
    FolderNotFound,
    Journal,
    JournalInUse,
    Record,
    Transfer,
    TransferFailed,
)
from soulmesh.client.transfers.orders import give_order
from soulmesh.core.retry import FILE_NOT_SHARED, normal_reason
from soulmesh.core.story import Chapter, Standing, tell
from soulmesh.core.story import why as explain
from soulmesh.core.transfer import OWNERS, State
from soulmesh.errors import NetworkError, NotFound, SoulmeshError, UsageError
from soulmesh.net.world import World
from soulmesh.wire import raw, text

if TYPE_CHECKING:
    from soulmesh.daemon.remote import Daemon

__all__ = [
    "Wanted",
    "at_once",
    "download",
    "elsewhere",
    "fetch",
    "follow",
    "hand_over",
    "look",
    "placed",
    "row_of_record",
    "show",
    "transfers",
    "wanted",
    "why",
]

PathsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PATH]...", help="What to download: names as a search shows them."),
]
NumberOption = Annotated[
    int, typer.Argument(metavar="NUMBER", help="The transfer's number, as `soulmesh transfers` shows.")
]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file or a folder of a user."""

    username: str
    path: str
    folder: bool = False
    size: int | None = None
    """Bytes, and seconds, where a search told them."""
    length: int | None = None


class StillWaiting(NetworkError):
    """A download waits for something that may take long, and the command was told not to."""

    hint = "it stays in the list: go on with --wait, or whenever soulmesh runs; `soulmesh why` tells more"

    def __init__(self, transfer: Transfer, why: str) -> None:
        super().__init__(transfer.name, why)
        self.name = transfer.name
        self.why = why

    def __str__(self) -> str:
        return f"{self.name}: {self.why}"


class CannotWrite(SoulmeshError):
    """The folder for downloads cannot be written."""

    def __init__(self, folder: Path, reason: str) -> None:
        super().__init__(folder, reason)
        self.folder = folder
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot write to {self.folder}: {self.reason}: choose another folder with --into"


class NoRoom(SoulmeshError):
    """The disk is full, or would be but for the ``reserve`` (bytes) that is left free."""

    def __init__(self, name: str, folder: Path, reserve: int) -> None:
        super().__init__(name, folder, reserve)
        self.name = name
        self.folder = folder
        self.reserve = reserve
        kept = f" ({size(reserve)} stay free: downloads.reserve_mib)" if reserve else ""
        self.hint = f"make room{kept}, or choose another folder with --into; what came so far is kept"

    def __str__(self) -> str:
        return f"{self.name}: the disk of {self.folder} is full"


class ElsewhereOnline(UsageError):
    """The soulmesh that runs is logged in at another server."""

    hint = "leave out --server, or use another data folder: SOULMESH_DAEMON_DATA=DIR soulmesh ..."

    def __init__(self, data: str, there: str, here: str) -> None:
        super().__init__(data, there, here)
        self.data = data
        self.there = there
        self.here = here

    def __str__(self) -> str:
        return f"the soulmesh that runs with {self.data} is logged in at {self.there}, not at {self.here}"


def wanted(source: str, paths: Sequence[str], *, folder: bool) -> list[Wanted]:
    """What the arguments ask for: ``USER PATH...``, or ``slsk://user/path`` links.

    Raises:
        UsageError: it is neither.
    """
    if source.startswith("slsk://"):
        return [_link(link, folder=folder) for link in [source, *paths]]
    if not paths:
        raise UsageError("say whose file and which: soulmesh download USER PATH, or a slsk:// link")
    return [Wanted(source, path.rstrip("\\/"), folder or path.endswith(("\\", "/"))) for path in paths]


def _link(link: str, *, folder: bool) -> Wanted:
    """``slsk://user/path/with/forward/slashes``, percent-quoted; a slash at the end means a folder."""
    if not link.startswith("slsk://"):
        raise UsageError(f"{link!r} is no slsk:// link")
    user, _, path = link.removeprefix("slsk://").partition("/")
    # The name's very bytes count, and some are no UTF-8.
    name = text(urllib.parse.unquote_to_bytes(user))
    remote = text(urllib.parse.unquote_to_bytes(path).replace(b"/", b"\\"))
    if not name or not remote.strip("\\"):
        raise UsageError(f"{link!r} lacks the user or the path")
    is_folder = folder or remote.endswith("\\")
    return Wanted(name, text(raw(remote).rstrip(b"\\")), is_folder)


@run.command
async def download(
    source: Annotated[str, typer.Argument(metavar="USER", help="Who has it, or a slsk:// link.")],
    paths: PathsArgument = None,
    folder: Annotated[
        bool, typer.Option("--folder", help="The paths are folders: take all in them.")
    ] = False,
    into: Annotated[
        Path | None, typer.Option("--into", metavar="DIR", help="Put finished files below this folder.")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="With --folder: let it appear only when it is complete.")
    ] = False,
    may_miss: Annotated[
        str,
        typer.Option(
            "--may-miss", metavar="KINDS", help="With --whole: kinds of files it can do without: jpg,txt."
        ),
    ] = "",
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait however long it takes: offline users, retries, queues.")
    ] = False,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", help="Leave after so long, done or not.")
    ] = None,
    json: JsonOption = False,
    server: ServerOption = None,
    username: UsernameOption = None,
    password: PasswordOption = None,
    password_file: PasswordFileOption = None,
    listen_port: ListenPortOption = None,
    daemon: DaemonOption = None,
    api_key: ApiKeyOption = None,
) -> None:
    """Download files or folders of another user.

    What is not finished when the command ends stays in the list, and goes on whenever soulmesh runs.
    """
    out = run.output(json=json)
    asked = wanted(source, paths or [], folder=folder)
    kinds = [kind.strip().lower().lstrip(".") for kind in may_miss.split(",") if kind.strip()]
    if kinds and not whole:
        raise UsageError("--may-miss says what a --whole folder can do without")
    options = account_options(
        server=server,
        username=username,
        password=password,
        password_file=password_file,
        listen_port=listen_port,
    )
    given = settings.load({**options, "downloads.folder": into})
    running = await daemon_for(given, daemon, api_key, account=username, server=server)
    if running is not None:
        async with asyncio.timeout(timeout), running[0]:
            await fetch(out, running[0], asked, into=into, whole=whole, may_miss=kinds, wait=wait)
        return
    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(open_client(given))
        except JournalInUse:
            await hand_over(out, given, asked, into=into, whole=whole, may_miss=kinds)
            return
        chosen = await _start(client, asked, whole=whole, may_miss=kinds, into=into)
        async with asyncio.timeout(timeout):
            await follow(out, client, chosen, wait=wait)


async def fetch(
    out: Output,
    daemon: Daemon,
    asked: list[Wanted],
    *,
    into: Path | None = None,
    whole: bool = False,
    may_miss: Sequence[str] = (),
    wait: bool = False,
) -> None:
    """Have a daemon download something, and show it."""
    from soulmesh.cli.afar import Following, Heard, below, tell_whole_folder
    from soulmesh.daemon.remote import NotThere

    downloads = (await daemon.settings.setup())["downloads_folder"]
    destination = below(into, downloads)
    async with Heard(daemon, ["transfer"]) as heard:
        keys: list[str] = []
        gathering: dict[str, list[str]] = {}
        for item in asked:
            if item.folder:
                # The folder's own name stays, also below another folder.
                name = item.path.rpartition("\\")[2]
                place = f"{destination}/{name}" if destination else None
                try:
                    found = await daemon.transfers.download_folder(
                        item.username, item.path, destination=place, whole=whole, may_miss=may_miss
                    )
                except NotThere as error:
                    raise NotFound(str(error)) from None
                keys += found["taken"]
                if whole:
                    gathering[found["batch"]] = found["taken"]
                continue
            found = await daemon.transfers.download(
                item.username, [(item.path, item.size, item.length)], destination=destination
            )
            for refusal in found["refused"]:
                # It is on its way already: whoever asks wants to see it come.
                known = [
                    row
                    async for row in daemon.transfers.running("download")
                    if (row["username"], row["path"]) == (item.username, item.path)
                ]
                if not known:
                    raise UsageError(f"{item.path}: {refusal['reason']}")
                keys.append(known[0]["id"])
                if known[0]["state"] == State.DELAYED.value:
                    await daemon.transfers.retry(known[0]["id"])
            keys += found["taken"]
        gathered = {key for taken in gathering.values() for key in taken}
        failure: SoulmeshError | None = None
        try:
            await Following(out, daemon, heard, wait=wait, gathered=gathered).follow(keys)
        except SoulmeshError as error:
            failure = error
        for batch in gathering:
            await tell_whole_folder(out, daemon, heard, batch)
        if failure is not None:
            raise failure


async def hand_over(
    out: Output,
    given: settings.Settings,
    asked: list[Wanted],
    *,
    into: Path | None = None,
    whole: bool = False,
    may_miss: Sequence[str] = (),
) -> None:
    """Another soulmesh has our data: it is told what we want.

    Raises:
        ElsewhereOnline: it is logged in at another server than the one that is meant.
    """
    account = settings.parse_address(given.network.server)
    here = "{}:{}".format(*account)
    there = running_server(given) or here
    if there != here:
        raise ElsewhereOnline(str(home(given)), there, here)
    now = World.real().wall_clock()
    for item in asked:
        verb = "folder" if item.folder else "download"
        order: dict[str, Any] = {"verb": verb, "username": item.username, "path": raw(item.path).hex()}
        if into is not None:
            order["into"] = placed(into)["downloads"]
        if item.size is not None:
            order["size"] = item.size
        if item.length is not None:
            order["length"] = item.length
        if item.folder and whole:
            order["whole"] = True
            order["may_miss"] = list(may_miss)
        await give_order(journal_path(given), order, now)
        out.note(
            f"another soulmesh of this account runs and will download {clean(item.path)} of"
            f" {clean(item.username)}: `soulmesh transfers` shows how far it is"
        )
        out.record({"kind": "ordered", "username": item.username, "remote_path": item.path})


def placed(into: Path) -> dict[str, Any]:
    """What a download must remember to end below ``into``."""
    return {"downloads": str(into.expanduser().absolute())}


async def _start(
    client: Client, asked: list[Wanted], *, whole: bool, may_miss: Sequence[str], into: Path | None
) -> list[Transfer]:
    more = placed(into) if into is not None else None
    chosen: list[Transfer] = []
    for item in asked:
        if item.folder:
            batch = await _folder(client, item, whole=whole, may_miss=may_miss)
            chosen += client.transfers.batches.transfers(batch)
        else:
            chosen.append(await client.transfers.download(item.username, item.path, more=more))
    for transfer in chosen:
        at_once(client, transfer)
    return chosen


def at_once(client: Client, transfer: Transfer) -> None:
    """Who asks again for what has waited from an earlier time wants it now."""
    if transfer.state is State.DELAYED:
        client.transfers.retry(transfer.id)


async def _folder(client: Client, item: Wanted, *, whole: bool, may_miss: Sequence[str]) -> Batch:
    folder = client.transfers.batches.folder
    try:
        return await folder(item.username, item.path, whole=whole, may_miss=may_miss)
    except FolderNotFound:
        other = in_latin_1(item.path)
        if other is None:
            raise
        return await folder(item.username, other, whole=whole, may_miss=may_miss)


def in_latin_1(path: str) -> str | None:
    """The same name in the bytes of Latin-1, which the screen does not tell; ``None`` if there are none."""
    try:
        other = text(path.encode("latin-1"))
    except UnicodeEncodeError:
        return None
    return other if other == path and raw(other) != raw(path) else None


async def follow(out: Output, client: Client, chosen: list[Transfer], *, wait: bool) -> None:
    """Show transfers until all are over.

    Raises:
        TransferFailed, StillWaiting: the first that will not be finished; the others are waited for.
    """
    with out.transfers() as bars:
        outcomes = await asyncio.gather(
            *(_follow(out, bars, client, transfer, wait=wait) for transfer in chosen), return_exceptions=True
        )
    here = [outcome for outcome in outcomes if isinstance(outcome, Transfer)]
    await _tell_whole_folders(out, client, here)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


async def _tell_whole_folders(out: Output, client: Client, here: list[Transfer]) -> None:
    """Files of a whole folder are where they are wanted only when all of it is.

    Raises:
        TransferFailed: somebody took the folder away in which they gathered.
    """
    batches = client.transfers.batches
    for batch in [found for found in batches if found.whole]:
        mine = [transfer for transfer in here if transfer.batch == batch.id]
        if not mine:
            continue
        await batches.settled(batch)
        if batch.reason:
            out.note(
                f"{batch.name} could not be moved to {batch.destination}: {batch.reason}; "
                "that is tried again while soulmesh runs"
            )
        for transfer in mine:
            out.record(row_of_transfer(transfer))
            if not transfer.finished:
                raise _failure(transfer)
            if batch.finished or batch.reason:
                out.line(str(transfer.local_path))


def _failure(transfer: Transfer) -> TransferFailed:
    return TransferFailed(transfer.username, transfer.remote_path, transfer.state, transfer.reason)


async def _follow(
    out: Output, bars: Transfers, client: Client, transfer: Transfer, *, wait: bool
) -> Transfer:
    """Show one transfer until it is here; returns it, or the one that took over.

    Raises:
        TransferFailed, StillWaiting, CannotWrite, NoRoom: it is not.
    """
    key: int | None = None
    told = ""
    async for now in transfer.updates():
        if now.state is State.RUNNING and now.size:
            if key is None:
                key = bars.add(now.name, now.size, now.download.started_at_byte)
            bars.update(key, now.done)
            continue
        story = (await client.transfers.why(now.id)).now if not now.over else ""
        # The transfer may have moved on while its story was read: from here on nothing waits.
        _see_the_disk(client, now, wait=wait)
        if not wait and now.state in (State.DELAYED, State.OFFLINE):
            raise StillWaiting(now, story)
        if story != told and now.state in (State.QUEUED, State.DELAYED, State.OFFLINE, State.NO_ROOM):
            told = story
            out.note(f"{clean(now.name)}: {clean(story)}")
    if transfer.state is State.FAILED and normal_reason(transfer.reason) == normal_reason(FILE_NOT_SHARED):
        other = in_latin_1(transfer.remote_path)
        if other is not None:
            more = dict(transfer.more)
            again = await client.transfers.download(transfer.username, other, batch=transfer.batch, more=more)
            client.transfers.batches.replace(transfer, again)
            await client.transfers.remove(transfer.id)
            return await _follow(out, bars, client, again, wait=wait)
    if key is not None:
        bars.finish(key, failed=None if transfer.finished else transfer.reason)
    successor = None if transfer.finished else await client.sources.successor(transfer)
    if successor is not None:
        out.note(f"{clean(transfer.name)}: {clean(successor.username)} has it too, going on there")
        return await _follow(out, bars, client, successor, wait=wait)
    batch = client.transfers.batches.get(transfer.batch or "")
    if transfer.finished and batch is not None and batch.whole:
        return transfer  # where it is, is known when its folder is whole
    out.record(row_of_transfer(transfer))
    if not transfer.finished:
        raise _failure(transfer)
    out.line(str(transfer.local_path))
    return transfer


def _see_the_disk(client: Client, transfer: Transfer, *, wait: bool) -> None:
    """Leave when our own disk is what is in the way.

    Raises:
        CannotWrite: the folder cannot be written, now or later.
        NoRoom: the disk is full, and nobody wants to wait for room.
    """
    folder = client.transfers.downloads.folder_of(transfer)
    if transfer.state is State.DELAYED and transfer.disk_error is not None:
        raise CannotWrite(folder, transfer.disk_error.reason)
    if transfer.state is State.NO_ROOM and not wait:
        raise NoRoom(transfer.name, folder, client.transfers.settings.reserve)


def row_of_transfer(transfer: Transfer) -> dict[str, Any]:
    """A transfer for machines."""
    return {
        "kind": transfer.direction,
        "id": transfer.id,
        "username": transfer.username,
        "remote_path": transfer.remote_path,
        "state": transfer.state.value,
        "reason": transfer.reason,
        "size": transfer.size,
        "done": transfer.done,
        "speed": round(transfer.speed),
        "local_path": str(transfer.local_path) if transfer.local_path else None,
    }


# -- looking ---------------------------------------------------------------------------------------------

COLUMNS = [
    Column("id", "No.", right=True),
    Column("username", "User"),
    Column("name", "File", wide=True, keep_end=True),
    Column("state", "State"),
    Column("percent", "Done", right=True),
    Column("size", "Size", size, right=True),
    Column("speed", "Speed", lambda value: speed(value) if value else "", right=True),
    Column("left", "Left", duration, right=True),
    Column("place", "Place", right=True),
    Column("reason", "Why"),
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
        with Live(console=out.console, refresh_per_second=2, screen=False) as live:
            while True:
                live.update(_table(await rows()))
                await asyncio.sleep(1.0)
    found = await rows()
    if found:
        out.table(COLUMNS, found)
    else:
        out.note(f"no {direction}s are under way")


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
        "reason": record.reason,
        "local_path": record.local_path or None,
    }


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in COLUMNS:
        table.add_column(column.header, justify="right" if column.right else "left", no_wrap=True)
    for row in rows:
        cells = [row.get(column.key) for column in COLUMNS]
        shown = ["" if c is None else clean(k.show(c)) for c, k in zip(cells, COLUMNS, strict=True)]
        table.add_row(*(text.replace("[", r"\[") for text in shown))
    return table


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


@run.command
async def elsewhere(
    number: NumberOption,
    json: JsonOption = False,
    server: ServerOption = None,
    username: UsernameOption = None,
    password: PasswordOption = None,
    password_file: PasswordFileOption = None,
    listen_port: ListenPortOption = None,
) -> None:
    """Find another user who has the same file, and get it there instead."""
    out = run.output(json=json)
    options = account_options(
        server=server,
        username=username,
        password=password,
        password_file=password_file,
        listen_port=listen_port,
    )
    given = settings.load(options)
    try:
        async with open_client(given) as client:
            other = await client.sources.take(client.transfers.get(number))
            out.note(f"{clean(other.username)} has it too, going on there")
            await follow(out, client, [other], wait=False)
    except JournalInUse:
        order = {"verb": "elsewhere", "id": number}
        await give_order(journal_path(given), order, World.real().wall_clock())
        out.line(f"{number}: told the soulmesh that runs to look for another source")
