"""Whole batches: their files are told when they are where they will be found."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

from soulmesh.client.transfers.batches import Batch
from soulmesh.client.transfers.events import BatchFinished
from soulmesh.client.transfers.transfer import Transfer
from soulmesh.core.transfer import State
from tests.daemon.fakes import Stage
from tests.daemon.test_api0_transfers import FOLDER, UUIDS, enqueue

Perform = Callable[..., None]
STAGING, PLACE = Path("/d/.incomplete/batch-7"), Path("/d/Tidal Maps")
TOLD_AS = {"DownloadFileComplete": "localFilename", "DownloadDirectoryComplete": "localDirectoryName"}


async def gathering(on: Stage) -> tuple[Batch, list[Transfer]]:
    """A whole batch of three files, two of them here."""
    batch = Batch("7", "Tidal Maps", str(PLACE), staging=str(STAGING))
    on.engine.transfers.batches.all[batch.id] = batch
    transfers = await enqueue(on)
    for transfer in transfers:
        transfer.batch = batch.id
    for transfer in transfers[:2]:
        here(on, transfer)
    return batch, transfers


def here(on: Stage, transfer: Transfer) -> None:
    on.engine.transfers.move(transfer, State.RUNNING)
    on.engine.transfers.move(transfer, State.FINISHED, local=str(STAGING / transfer.name))


async def told(on: Stage) -> list[str]:
    """The places that receivers read, oldest first."""
    await asyncio.gather(*(task for task in asyncio.all_tasks() if "moved" in task.get_name()))
    events = reversed(await on.call.get("/events?limit=100"))
    return [json.loads(one["data"])[TOLD_AS[one["type"]]] for one in events if one["type"] in TOLD_AS]


async def records(on: Stage) -> list[str]:
    """Where our own records say that the files are."""
    rows = await on.service.store.run(
        lambda db: db.execute("SELECT local_path FROM transfers ORDER BY number").fetchall()
    )
    return [row[0] for row in rows]


def places(transfers: list[Transfer]) -> list[str]:
    return [str(PLACE / transfer.name) for transfer in transfers]


def test_files_of_a_whole_batch_are_told_at_their_place_and_not_before(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        batch, transfers = await gathering(on)
        here(on, transfers[2])
        batch.finished = True
        assert await told(on) == []
        assert await records(on) == [str(STAGING / transfer.name) for transfer in transfers]
        listener = on.service.hub.listen()
        on.engine.emit(BatchFinished(batch.id, batch.destination))
        assert await told(on) == [*places(transfers), str(PLACE)]
        assert await records(on) == places(transfers)
        # Whoever hears that the batch is finished finds the places in every list.
        assert [one.kind for one in await listener.next()] == ["transfer.BatchFinished"]
        folder = json.loads((await on.call.get("/events?limit=1"))[0]["data"])
        assert (folder["remoteDirectoryName"], folder["username"]) == (FOLDER, "quiet.harbor")
        first = json.loads((await on.call.get("/events?offset=3&limit=1"))[0]["data"])["transfer"]
        assert (first["id"], first["state"]) == (UUIDS[0], "Completed, Succeeded")
        # They are counted when they came, and told once.
        assert on.service.counted["download", "ok"] == 3
        on.service.follow()
        assert len(await told(on)) == 4

    perform(play)


def test_a_folder_that_was_moved_while_the_daemon_was_not_there_is_told_at_the_start(
    perform: Perform,
) -> None:
    async def play(on: Stage) -> None:
        batch, transfers = await gathering(on)
        on.service.follow()
        assert await told(on) == [], "it gathers still"
        here(on, transfers[2])
        batch.finished, batch.destination = True, f"{PLACE} (2)"
        on.service.follow()
        second = Path(f"{PLACE} (2)")
        assert await told(on) == [*(str(second / one.name) for one in transfers), str(second)]

    perform(play)


def test_a_file_that_can_be_missed_is_not_told(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        batch, transfers = await gathering(on)
        on.engine.transfers.move(transfers[2], State.FAILED, "File not shared.")
        batch.finished = True
        on.engine.emit(BatchFinished(batch.id, batch.destination))
        assert await told(on) == [*places(transfers[:2]), str(PLACE)]

    perform(play)


def test_what_paths_are_seen_as_holds_for_them_too(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        batch, transfers = await gathering(on)
        here(on, transfers[2])
        batch.finished = True
        on.engine.emit(BatchFinished(batch.id, batch.destination))
        heard: list[tuple[str, str]] = []
        on.service.events.on_event = lambda _db, _key, _kind, seen, ours: heard.append((seen, ours))
        assert (await told(on))[-1] == "/mnt/Tidal Maps"
        facts = [[json.loads(one).get("localDirectoryName") for one in pair] for pair in heard]
        assert ["/mnt/Tidal Maps", "/d/Tidal Maps"] in facts, "scripts run where the files are"

    perform(play, paths={"seen_as": {"/d": "/mnt"}})


def test_a_batch_that_nobody_wants_any_more_is_not_waited_for(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        batch, transfers = await gathering(on)
        del on.engine.transfers.batches.all[batch.id]
        on.service.follow()
        here(on, transfers[2])
        # Alone it is where it stays.
        assert await told(on) == [str(STAGING / transfers[2].name), str(STAGING)]
        notes = await on.service.store.run(
            lambda db: db.execute("SELECT key FROM notes WHERE key LIKE 'gathering%'").fetchall()
        )
        assert notes == []

    perform(play)
