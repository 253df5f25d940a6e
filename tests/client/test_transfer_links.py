"""flows.rst, "Transfers": between whole clients, with links of their own."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from soulmesh.client.client import Client
from soulmesh.client.transfers import TransferFailed, TransferSettings
from soulmesh.core.transfer import State
from soulmesh.core.upload_queue import QueueRules
from soulmesh.wire import to_server
from tests.client.stage import Stage, play, shares

SONG = bytes(range(256)) * 1000
PATH = "Music\\Album\\song.flac"


async def owner(stage: Stage, *, slots: int = 3) -> Client:
    """A client that shares one song."""
    (stage.folder / "song.flac").write_bytes(SONG)
    settings = TransferSettings(queue=QueueRules(slots=slots))
    return await stage.enter("owner", shares=shares(stage.folder, song=len(SONG)), transfers=settings)


async def read(path: Path | None) -> bytes:
    assert path is not None
    return await asyncio.to_thread(path.read_bytes)


def test_a_file_is_downloaded_and_the_server_hears_of_the_speed() -> None:
    async def scene(stage: Stage) -> None:
        eve, ann = await owner(stage), await stage.enter("ann")
        transfer = await ann.transfers.download("owner", PATH, len(SONG))
        await transfer.wait()
        assert await read(transfer.local_path) == SONG
        (upload,) = eve.transfers
        await upload.wait()
        await asyncio.sleep(1)
        (told,) = stage.server.sessions["owner"].said(to_server.SendUploadSpeed)
        assert told.speed > 0

    play(scene)


def test_without_a_free_slot_the_file_is_queued_and_its_place_is_told() -> None:
    async def scene(stage: Stage) -> None:
        eve = await owner(stage, slots=0)
        ann, bob = await stage.enter("ann"), await stage.enter("bob")
        first = await ann.transfers.download("owner", PATH, len(SONG))
        await asyncio.sleep(5)
        second = await bob.transfers.download("owner", PATH, len(SONG))
        await asyncio.sleep(70)
        assert (first.state, second.state) == (State.QUEUED, State.QUEUED)
        assert (first.place, second.place) == (1, 2)
        eve.transfers.settings = replace(eve.transfers.settings, queue=QueueRules(slots=1))
        await first.wait()
        await second.wait()
        assert await read(first.local_path) == await read(second.local_path) == SONG

    play(scene)


def test_an_upload_that_nobody_asked_for_arrives_at_a_friend() -> None:
    async def scene(stage: Stage) -> None:
        eve, ann = await owner(stage), await stage.enter("ann")
        ann.users.befriend("owner")
        upload = await eve.transfers.push("ann", PATH)
        await upload.wait()
        (download,) = ann.transfers
        await download.wait()
        assert await read(download.local_path) == SONG

    play(scene)


def test_an_upload_that_is_not_allowed_is_cancelled() -> None:
    async def scene(stage: Stage) -> None:
        eve, ann = await owner(stage), await stage.enter("ann")
        upload = await eve.transfers.push("ann", PATH)
        with pytest.raises(TransferFailed, match="Cancelled"):
            await upload.wait()
        assert list(ann.transfers) == []

    play(scene)
