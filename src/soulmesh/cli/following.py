"""Downloads of our own, shown until they are over; and what is in their way, as one line."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from soulmesh.cli.output import Output, Transfers, clean, size
from soulmesh.cli.wanted import in_latin_1
from soulmesh.client.client import Client
from soulmesh.client.transfers import Transfer, TransferFailed
from soulmesh.core.allotment import Lack
from soulmesh.core.download import DOES_NOT_FIT
from soulmesh.core.retry import FILE_NOT_SHARED, normal_reason
from soulmesh.core.transfer import State
from soulmesh.errors import NetworkError, SoulmeshError

__all__ = ["CannotWrite", "NoRoom", "StillWaiting", "follow", "row_of_transfer"]


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
    """The disk is full, or would be but for the ``reserve`` (bytes) that is left free.

    ``lacking`` are the bytes that are still to come of a file for which alone there is too little room.
    """

    def __init__(self, name: str, folder: Path, reserve: int, *, lacking: int | None = None) -> None:
        super().__init__(name, folder, reserve, lacking)
        self.name = name
        self.folder = folder
        self.reserve = reserve
        self.lacking = lacking
        kept = f" ({size(reserve)} stay free: downloads.reserve_mib)" if reserve else ""
        self.hint = f"make room{kept}, or choose another folder with --into; what came so far is kept"

    def __str__(self) -> str:
        if self.lacking is not None:
            return f"{self.name}: the disk of {self.folder} has no {size(self.lacking)} for it"
        return f"{self.name}: the disk of {self.folder} is full"


async def follow(out: Output, client: Client, chosen: list[Transfer], *, wait: bool) -> None:
    """Show transfers until all are over.

    Raises:
        TransferFailed, StillWaiting: the first that will not be finished; the others are waited for.
    """
    with out.transfers() as bars:
        bars.expect(len(chosen), sum(transfer.size or 0 for transfer in chosen))
        told: set[str] = set()

        async def one(transfer: Transfer) -> Transfer:
            try:
                return await _follow(out, bars, client, transfer, wait=wait)
            except (StillWaiting, CannotWrite, NoRoom) as error:
                # Said now: the others may take hours.
                if len(chosen) > 1 and str(error) not in told:
                    told.add(str(error))
                    out.note(clean(str(error)))
                raise

        outcomes = await asyncio.gather(*(one(transfer) for transfer in chosen), return_exceptions=True)
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
            bars.update(key, now.done, rate=now.speed)
            continue
        story = await _story(client, now)
        # From here on nothing waits: the story is that of the state.
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
            again = await client.transfers.download(
                transfer.username, other, priority=transfer.priority, batch=transfer.batch, more=more
            )
            client.transfers.batches.replace(transfer, again)
            await client.transfers.remove(transfer.id)
            return await _follow(out, bars, client, again, wait=wait)
    successor = None if transfer.finished else await client.sources.successor(transfer)
    if successor is not None:
        out.note(f"{clean(transfer.name)}: {clean(successor.username)} has it too, going on there")
        if key is not None:
            bars.finish(key, failed=transfer.reason)
        return await _follow(out, bars, client, successor, wait=wait)
    failed = None if transfer.finished else transfer.reason or transfer.state.value
    if key is not None:
        bars.finish(key, failed=failed, rate=transfer.speed)
    else:
        bars.passed(transfer.name, transfer.size or 0, failed=failed)
    batch = client.transfers.batches.get(transfer.batch or "")
    if transfer.finished and batch is not None and batch.whole:
        return transfer  # where it is, is known when its folder is whole
    out.record(row_of_transfer(transfer))
    if not transfer.finished:
        raise _failure(transfer)
    out.line(str(transfer.local_path))
    return transfer


async def _story(client: Client, transfer: Transfer) -> str:
    """What a transfer waits for; it may move on while that is read."""
    while not transfer.over:
        state = transfer.state
        story = (await client.transfers.why(transfer.id)).now
        if transfer.state is state:
            return story
    return ""


def _see_the_disk(client: Client, transfer: Transfer, *, wait: bool) -> None:
    """Leave when our own disk is what is in the way.

    Raises:
        CannotWrite: the folder cannot be written, now or later.
        NoRoom: the disk is full, and nobody wants to wait for room.
    """
    folder = client.transfers.downloads.folder_of(transfer)
    if transfer.state is State.DELAYED and transfer.disk_error is not None:
        raise CannotWrite(folder, transfer.disk_error.reason)
    # Behind others that run it goes on by itself, or says soon that there is no room.
    if transfer.state is State.NO_ROOM and not wait and transfer.reason != Lack.PROMISED:
        alone = transfer.reason == DOES_NOT_FIT
        lacking = (transfer.size or 0) - transfer.done if alone else None
        raise NoRoom(transfer.name, folder, client.transfers.settings.reserve, lacking=lacking)


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
