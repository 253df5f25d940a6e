"""`soulmesh uploads push`: files of ours, offered to a user who did not ask for them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from soulmesh.cli import run, settings
from soulmesh.cli.access import Access, with_access
from soulmesh.cli.following import StillWaiting, row_of_transfer
from soulmesh.cli.output import JsonOption, Output, Transfers, clean
from soulmesh.cli.session import journal_path, open_client
from soulmesh.client.client import Client
from soulmesh.client.transfers import JournalInUse, Transfer
from soulmesh.client.transfers.orders import give_order
from soulmesh.core.transfer import State
from soulmesh.errors import NotFound, Refused
from soulmesh.net.world import World
from soulmesh.wire import raw

if TYPE_CHECKING:
    from soulmesh.daemon.remote import Daemon

__all__ = ["push"]


class NotTaken(Refused):
    """The user did not take a file that was offered."""

    hint = "who may send files unasked is for the other side to say: downloads.accept_pushes"

    def __init__(self, username: str, name: str, reason: str) -> None:
        super().__init__(username, name, reason)
        self.username = username
        self.name = name
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.username} did not take {self.name}: {self.reason}"


@run.command
@with_access
async def push(
    access: Access,
    user: Annotated[str, typer.Argument(metavar="USER", help="Who is to have it.")],
    paths: Annotated[
        list[str],
        typer.Argument(metavar="PATH...", help="Shared files: as others see their names, or on the disk."),
    ],
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait however long it takes: offline users, retries, queues.")
    ] = False,
    timeout: Annotated[
        float | None, typer.Option("--timeout", metavar="SECONDS", help="Leave after so long, done or not.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Offer shared files to a user who did not ask. Whether they are taken is for that user to say."""
    out = run.output(json=json)
    given = access.settings()
    running = await access.running(given)
    if running is not None:
        async with asyncio.timeout(timeout), running[0]:
            await _afar(out, running[0], user, paths, wait=wait)
        return
    async with AsyncExitStack() as stack:
        try:
            client = await stack.enter_async_context(open_client(given))
        except JournalInUse:
            await _hand_over(out, given, user, paths)
            return
        async with asyncio.timeout(timeout):
            names = [await _remote_path(client, path) for path in paths]
            await follow(out, [await client.transfers.push(user, name) for name in names], wait=wait)


async def _remote_path(client: Client, path: str) -> str:
    from soulmesh.client.shares import Shares
    from soulmesh.client.shares.explain import explain

    if "\\" in path or not isinstance(client.shares, Shares):
        return path
    found = await explain(client.shares, path)
    if not found.offered or found.remote_path is None:
        raise NotFound(f"{path} is not offered: {found.reason}")
    return found.remote_path


async def _afar(out: Output, daemon: Daemon, user: str, paths: Sequence[str], *, wait: bool) -> None:
    from soulmesh.cli.afar import Following, Heard

    names = []
    for path in paths:
        if "\\" not in path:
            found = await daemon.shares.explain(_absolute(path))
            if not found["offered"]:
                raise NotFound(f"{path} is not offered: {found['reason']}")
            names.append(found["remote_path"])
        else:
            names.append(path)
    async with Heard(daemon, ["transfer"]) as heard:
        answer = await daemon.transfers.push(user, names)
        for refusal in answer["refused"]:
            raise NotFound(refusal["reason"])
        await Following(out, daemon, heard, wait=wait).follow(answer["taken"])


def _absolute(path: str) -> str:
    return str(Path(path).absolute())


async def _hand_over(out: Output, given: settings.Settings, user: str, paths: Sequence[str]) -> None:
    now = World.real().wall_clock()
    for path in paths:
        order = {"verb": "push", "username": user, "path": raw(path).hex()}
        await give_order(journal_path(given), order, now)
        out.note(f"another soulmesh of this account runs and will offer {clean(path)} to {clean(user)}")
        out.record({"kind": "ordered", "username": user, "remote_path": path})


async def follow(out: Output, chosen: Sequence[Transfer], *, wait: bool) -> None:
    """Show uploads until all are over.

    Raises:
        NotTaken, StillWaiting: the first that will not be finished; the others are waited for.
    """
    with out.transfers() as bars:
        bars.expect(len(chosen), sum(transfer.size or 0 for transfer in chosen))
        outcomes = await asyncio.gather(
            *(_follow(out, bars, transfer, wait=wait) for transfer in chosen), return_exceptions=True
        )
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome


async def _follow(out: Output, bars: Transfers, transfer: Transfer, *, wait: bool) -> None:
    key: int | None = None
    async for now in transfer.updates():
        if now.state is State.RUNNING and now.size:
            if key is None:
                key = bars.add(now.name, now.size, now.upload.started_at_byte)
            bars.update(key, now.done, rate=now.speed)
        elif not wait and now.state in (State.DELAYED, State.OFFLINE):
            raise StillWaiting(now, now.reason)
    failed = None if transfer.finished else transfer.reason or transfer.state.value
    if key is not None:
        bars.finish(key, failed=failed, rate=transfer.speed)
    else:
        bars.passed(transfer.name, transfer.size or 0, failed=failed)
    out.record(row_of_transfer(transfer))
    if not transfer.finished:
        raise NotTaken(transfer.username, transfer.name, transfer.reason or transfer.state.value)
    out.line(f"sent {clean(transfer.name)} to {clean(transfer.username)}")
