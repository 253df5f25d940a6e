"""`soulmesh download`: alone, through a daemon, or by the soulmesh that runs; and `soulmesh elsewhere`."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from soulmesh.cli import run, settings
from soulmesh.cli.access import Access, with_access
from soulmesh.cli.following import follow
from soulmesh.cli.output import JsonOption, Output, clean
from soulmesh.cli.session import home, journal_path, open_client, running_server
from soulmesh.cli.transfers import NumberOption, PriorityOption, look
from soulmesh.cli.wanted import Wanted, in_latin_1, wanted
from soulmesh.client.client import Client
from soulmesh.client.transfers import Batch, FolderNotFound, JournalInUse, Transfer, UnknownTransfer
from soulmesh.client.transfers.orders import give_order
from soulmesh.core.transfer import State
from soulmesh.errors import NetworkError, NotFound, SoulmeshError, UsageError
from soulmesh.net.world import World
from soulmesh.wire import raw

if TYPE_CHECKING:
    from soulmesh.daemon.remote import Daemon

__all__ = ["at_once", "download", "elsewhere", "fetch", "hand_over", "placed", "require_same_server"]

PathsArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[PATH]...", help="What to download: names as a search shows them."),
]


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


@run.command
@with_access
async def download(
    access: Access,
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
    priority: PriorityOption = 0,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait however long it takes: offline users, retries, queues.")
    ] = False,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", help="Leave after so long, done or not.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Download files or folders of another user.

    What is not finished when the command ends stays in the list, and goes on whenever soulmesh runs.
    """
    out = run.output(json=json)
    asked = wanted(source, paths or [], folder=folder)
    kinds = [kind.strip().lower().lstrip(".") for kind in may_miss.split(",") if kind.strip()]
    if kinds and not whole:
        raise UsageError("--may-miss says what a --whole folder can do without")
    given = access.settings({"downloads.folder": into})
    running = await access.running(given)
    if running is not None:
        async with asyncio.timeout(timeout), running[0]:
            here = running[0]
            await fetch(
                out, here, asked, into=into, whole=whole, may_miss=kinds, priority=priority, wait=wait
            )
        return
    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(open_client(given))
        except JournalInUse:
            await hand_over(out, given, asked, into=into, whole=whole, may_miss=kinds, priority=priority)
            return
        chosen = await _start(out, client, asked, whole=whole, may_miss=kinds, into=into, priority=priority)
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
    priority: int = 0,
    wait: bool = False,
) -> None:
    """Have a daemon download something, and show it."""
    from soulmesh.cli.afar import Following, Heard, below, tell_whole_folder

    downloads = (await daemon.settings.setup())["downloads_folder"]
    destination = below(into, downloads)
    async with Heard(daemon, ["transfer"]) as heard:
        keys: list[str] = []
        gathering: dict[str, list[str]] = {}
        otherwise: dict[str, Callable[[], Awaitable[list[str]]]] = {}
        failure: SoulmeshError | None = None
        for item in asked:
            try:
                if item.folder:
                    found = await _want_folder(
                        out, daemon, item, destination, whole=whole, may_miss=may_miss, priority=priority
                    )
                    keys += found["taken"]
                    if whole:
                        gathering[found["batch"]] = found["taken"]
                else:
                    taken = await _want_file(daemon, item, destination, priority)
                    keys += taken
                    other = in_latin_1(item.path)
                    if other is not None:
                        want = partial(_want_file, daemon, replace(item, path=other), destination, priority)
                        otherwise.update(dict.fromkeys(taken, want))
            except NetworkError:
                raise
            except SoulmeshError as error:
                # One that cannot be had does not keep the others.
                if len(asked) > 1:
                    out.note(clean(str(error)))
                failure = failure or error
        gathered = {key for taken in gathering.values() for key in taken}
        try:
            following = Following(out, daemon, heard, wait=wait, gathered=gathered, otherwise=otherwise)
            await following.follow(keys)
        except asyncio.CancelledError:
            out.note("what is not here yet stays with the daemon: look with `soulmesh transfers`")
            raise
        except SoulmeshError as error:
            failure = failure or error
        for batch in gathering:
            await tell_whole_folder(out, daemon, heard, batch)
        if failure is not None:
            raise failure


async def _want_folder(
    out: Output,
    daemon: Daemon,
    item: Wanted,
    destination: str | None,
    *,
    whole: bool,
    may_miss: Sequence[str],
    priority: int,
) -> dict[str, Any]:
    from soulmesh.daemon.remote import NotThere

    # The folder's own name stays, also below another folder.
    name = item.path.rpartition("\\")[2]
    place = f"{destination}/{name}" if destination else None
    try:
        with out.waiting(f"asking {clean(item.username)} what is in {clean(item.path)}"):
            return await daemon.transfers.download_folder(
                item.username,
                item.path,
                destination=place,
                whole=whole,
                may_miss=may_miss,
                priority=priority,
            )
    except NotThere as error:
        raise NotFound(str(error)) from None


async def _want_file(daemon: Daemon, item: Wanted, destination: str | None, priority: int) -> list[str]:
    wish = (item.path, item.size, item.length)
    found = await daemon.transfers.download(item.username, [wish], destination=destination, priority=priority)
    keys: list[str] = found["taken"]
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
        if priority:
            await daemon.transfers.set_priority(known[0]["id"], priority)
        if known[0]["state"] == State.DELAYED.value:
            await daemon.transfers.retry(known[0]["id"])
    return keys


async def hand_over(
    out: Output,
    given: settings.Settings,
    asked: list[Wanted],
    *,
    into: Path | None = None,
    whole: bool = False,
    may_miss: Sequence[str] = (),
    priority: int = 0,
) -> None:
    """Another soulmesh has our data: it is told what we want.

    Raises:
        ElsewhereOnline: it is logged in at another server than the one that is meant.
    """
    require_same_server(given)
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
        if priority:
            order["priority"] = priority
        if item.folder and whole:
            order["whole"] = True
            order["may_miss"] = list(may_miss)
        await give_order(journal_path(given), order, now)
        out.note(
            f"another soulmesh of this account runs and will download {clean(item.path)} of"
            f" {clean(item.username)}: `soulmesh transfers` shows how far it is"
        )
        out.record({"kind": "ordered", "username": item.username, "remote_path": item.path})


def require_same_server(given: settings.Settings) -> None:
    """See that the soulmesh that runs with our data is where it is meant to be.

    Raises:
        ElsewhereOnline: it is logged in at another server.
    """
    account = settings.parse_address(given.network.server)
    here = "{}:{}".format(*account)
    there = running_server(given) or here
    if there != here:
        raise ElsewhereOnline(str(home(given)), there, here)


def placed(into: Path) -> dict[str, Any]:
    """What a download must remember to end below ``into``."""
    return {"downloads": str(into.expanduser().absolute())}


async def _start(
    out: Output,
    client: Client,
    asked: list[Wanted],
    *,
    whole: bool,
    may_miss: Sequence[str],
    into: Path | None,
    priority: int,
) -> list[Transfer]:
    more = placed(into) if into is not None else None
    chosen: list[Transfer] = []
    for item in asked:
        if item.folder:
            with out.waiting(f"asking {clean(item.username)} what is in {clean(item.path)}"):
                batch = await _folder(client, item, whole=whole, may_miss=may_miss, priority=priority)
            chosen += client.transfers.batches.transfers(batch)
        else:
            want = client.transfers.download(item.username, item.path, priority=priority, more=more)
            chosen.append(await want)
    for transfer in chosen:
        at_once(client, transfer)
    return chosen


def at_once(client: Client, transfer: Transfer) -> None:
    """Who asks again for what has waited from an earlier time wants it now."""
    if transfer.state is State.DELAYED:
        client.transfers.retry(transfer.id)


async def _folder(
    client: Client, item: Wanted, *, whole: bool, may_miss: Sequence[str], priority: int
) -> Batch:
    folder = partial(client.transfers.batches.folder, whole=whole, may_miss=may_miss, priority=priority)
    try:
        return await folder(item.username, item.path)
    except FolderNotFound:
        other = in_latin_1(item.path)
        if other is None:
            raise
        return await folder(item.username, other)


@run.command
@with_access
async def elsewhere(access: Access, number: NumberOption, json: JsonOption = False) -> None:
    """Find another user who has the same file, and get it there instead."""
    out = run.output(json=json)
    given = access.settings()
    running = await access.running(given)
    if running is not None:
        async with running[0]:
            await _elsewhere_afar(out, running[0], number)
        return
    await _refuse_what_is_here(given, number)
    try:
        async with open_client(given) as client:
            other = await client.sources.take(client.transfers.get(number))
            out.note(f"{clean(other.username)} has it too, going on there")
            await follow(out, client, [other], wait=False)
    except JournalInUse:
        order = {"verb": "elsewhere", "id": number}
        await give_order(journal_path(given), order, World.real().wall_clock())
        out.line(f"{number}: told the soulmesh that runs to look for another source")


async def _elsewhere_afar(out: Output, daemon: Daemon, number: int) -> None:
    from soulmesh.cli.afar import Following, Heard
    from soulmesh.cli.afar_list import key_of

    row = await key_of(daemon, number)
    if row["state"] == State.FINISHED.value:
        raise _is_here(row["path"], row["local_path"])
    async with Heard(daemon, ["transfer"]) as heard:
        with out.waiting(f"searching for others who have {clean(row['path'])}"):
            other = await daemon.transfers.elsewhere(row["id"])
        out.note(f"{clean(other['username'])} has it too, going on there")
        await Following(out, daemon, heard, wait=False).follow([other["id"]])


async def _refuse_what_is_here(given: settings.Settings, number: int) -> None:
    """Finished transfers are in the journal alone, where a client that has just begun does not look."""
    journal = await look(given)
    if journal is None:
        raise NotFound("there are no transfers yet")
    try:
        record = await journal.get(number)
    finally:
        await journal.close()
    if record is None:
        raise UnknownTransfer(number)
    if record.state is State.FINISHED:
        raise _is_here(record.remote_path, record.local_path)


def _is_here(remote_path: str, local_path: str | None) -> UsageError:
    name = remote_path.rpartition("\\")[2]
    return UsageError(f"{name} is finished already" + (f": {local_path}" if local_path else ""))
