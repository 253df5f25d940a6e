"""``soulmesh share online``: be there, answer searches, send files. The last of the commands of ``share``."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

import typer

from soulmesh.cli import run, share_view
from soulmesh.cli.access import Access, with_account
from soulmesh.cli.output import JsonOption, Output, clean, size, speed
from soulmesh.cli.session import open_client
from soulmesh.cli.share import app, opened, root_name
from soulmesh.cli.share_scan import scan_bars
from soulmesh.cli.staying import tell_absence
from soulmesh.client.client import Client
from soulmesh.client.plain_shares import check_shareable
from soulmesh.client.server_link import LoggedOut
from soulmesh.client.shares import Named, Root, Shares
from soulmesh.client.transfers import TransferMoved, UploadFinished
from soulmesh.config import Settings
from soulmesh.core.transfer import State
from soulmesh.errors import NotFound

# The commands of share_view join the group as it is read.
__all__ = ["app", "online", "share_view"]

PROBLEMS_SHOWN = 5


@app.command()
@run.command
@with_account
async def online(
    access: Access,
    folders: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Share these folders, this time; without any, what is shared otherwise.", readable=False
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Stay online until Ctrl-C: answer searches, and send the files that others ask for.

    What is shared is looked through first; only what changed is read.
    """
    out = run.output(json=json)
    settings = access.settings()
    async with (
        _offered(out, settings, folders or (), access.data) as shares,
        open_client(settings, shares=shares, data=access.data) as client,
    ):
        gone = _listen(out, client)
        counts = shares.counts
        out.line(
            f"{clean(client.username)} is online at {settings.network.server}, sharing"
            f" {counted(counts.files, 'file')} in {counted(counts.folders, 'folder')};"
            f" others reach us on port {client.listening.port}"
        )
        out.record(
            {
                "kind": "online",
                "username": client.username,
                "files": counts.files,
                "folders": counts.folders,
                "listen_port": client.listening.port,
            }
        )
        await gone


@asynccontextmanager
async def _offered(
    out: Output, settings: Settings, folders: Sequence[Path], data: Path | None
) -> AsyncIterator[Shares]:
    """The index of what is shared, brought up to date.

    Folders named on the command line get an index of their own, which is forgotten at the end.
    """
    with (
        tempfile.TemporaryDirectory(prefix="soulmesh-shares-") as passing,
        opened(Path(passing) if folders else data or settings.daemon.data, named=not folders) as shares,
    ):
        for folder in folders or settings.shares.folders:
            path = folder.expanduser().absolute()
            check_shareable(path)
            if all(root.path != path for root in shares.roots):
                named = Named.NOT if folders else Named.BY_SETTINGS
                shares.save_root(Root(0, root_name(shares, path, None), path, named=named))
        if not shares.roots:
            error = NotFound("nothing is shared yet")
            error.hint = "soulmesh share add FOLDER, or name a folder here"
            raise error
        with scan_bars(out) as show:
            await shares.scan(niceness=0, progress=show)
        _tell_problems(out, shares)
        yield shares


def _tell_problems(out: Output, shares: Shares) -> None:
    """What could not be read, so that nobody wonders why it is not found: a few of it."""
    problems = [(root.path, problem) for root in shares.roots for problem in shares.store.problems(root)]
    for folder, problem in problems[:PROBLEMS_SHOWN]:
        out.note(f"could not be read: {clean(folder / problem.path)} ({problem.reason})")
    if len(problems) > PROBLEMS_SHOWN:
        out.note(f"... and {counted(len(problems) - PROBLEMS_SHOWN, 'other')}")


def _listen(out: Output, client: Client) -> asyncio.Future[None]:
    """Tell what happens; what is returned fails when the server sends us away for good."""
    gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def moved(event: TransferMoved) -> None:
        if event.direction == "upload" and event.new is State.RUNNING and event.old is not State.RUNNING:
            out.line(f"sending {_name(event.remote_path)} to {clean(event.username)}")
            out.record({"kind": "sending", "username": event.username, "remote_path": event.remote_path})

    def sent(event: UploadFinished) -> None:
        rate = speed(event.speed)
        out.line(f"sent {_name(event.remote_path)} to {clean(event.username)}: {size(event.size)} at {rate}")
        out.record(
            {
                "kind": "sent",
                "username": event.username,
                "remote_path": event.remote_path,
                "size": event.size,
                "bytes_per_second": round(event.speed),
            }
        )

    def left(event: LoggedOut) -> None:
        if event.final and not gone.done():
            gone.set_exception(client.server.absence)

    client.events.on(TransferMoved, moved)
    client.events.on(UploadFinished, sent)
    tell_absence(client.events, out)
    client.events.on(LoggedOut, left)
    return gone


def _name(remote_path: str) -> str:
    return clean(remote_path.rpartition("\\")[2])


def counted(count: int, noun: str) -> str:
    """``1 folder``, ``2 folders``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
