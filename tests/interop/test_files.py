"""Nicotine+ and aioslsk exchange files with our client over real sockets: large ones, many, odd names.

And what they make of an uploader that is killed midway, and we of them.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from soulmesh.client.client import Client
from soulmesh.client.transfers import TransferProgressed, UploadFinished
from soulmesh.core.transfer import State
from soulmesh.core.upload_queue import QueueRules
from tests.interop.others import Way, free_port, other
from tests.interop.scene import digest, fill, finished, ours, scene, server, until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

PROGRAMS = ["aioslsk", "nicotine"]
MEGABYTE = 1_000_000


@pytest.mark.parametrize("program", PROGRAMS)
def test_fifty_megabytes_arrive_as_they_were_both_ways(program: str, tmp_path: Path) -> None:
    theirs_sum = fill(tmp_path / "theirs" / "Album" / "large one.flac", 50 * MEGABYTE)
    ours_sum = fill(tmp_path / "mine" / "Album" / "large two.flac", 50 * MEGABYTE)

    async def play() -> None:
        async with scene(program, tmp_path) as (client, theirs):
            path = await _path_of(client, "large one.flac")
            transfer = await client.transfers.download("theirs", path)
            theirs.do("download", user="ours", path="mine\\Album\\large two.flac", size=50 * MEGABYTE)
            assert digest(await finished(client, transfer, theirs)) == theirs_sum
            assert digest((await theirs.heard("downloaded", timeout=60))["local"]) == ours_sum

    asyncio.run(play())


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_folder_travels_both_ways_and_one_slot_serves_it_file_by_file(program: str, tmp_path: Path) -> None:
    names = ["one.mp3", "two ünïcode 音楽.mp3", "three.mp3"]
    sums = {}
    for name in names:
        sums["theirs", name] = fill(tmp_path / "theirs" / "Songs" / name, 300_000)
        sums["ours", name] = fill(tmp_path / "mine" / "Tunes" / name, 300_001)

    async def play() -> None:
        rules = {"queue": QueueRules(slots=1)}
        async with scene(program, tmp_path, transfers=rules) as (client, theirs):
            path = await _path_of(client, "one.mp3")
            batch = await client.transfers.batches.folder("theirs", path.rpartition("\\")[0])
            wanted = client.transfers.batches.transfers(batch)
            assert sorted(transfer.name for transfer in wanted) == sorted(names)
            for transfer in wanted:
                local = await finished(client, transfer, theirs)
                assert digest(local) == sums["theirs", transfer.name]

            uploads = client.events.stream(UploadFinished)
            theirs.do("folder", user="ours", path="mine\\Tunes")
            for _ in names:
                told = await theirs.heard("downloaded", timeout=60)
                assert digest(told["local"]) == sums["ours", told["path"].rpartition("\\")[2]]
            async with asyncio.timeout(30):
                done = [await uploads.next() for _ in names]
            assert len({event.remote_path for event in done if isinstance(event, UploadFinished)}) == 3

    asyncio.run(play())


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_name_in_latin_1_is_found_and_sent(program: str, tmp_path: Path) -> None:
    """Old programs advertise such bytes; Nicotine+ 3.3.11 asks for them in Latin-1 at its second try."""
    folder = tmp_path / "mine" / "Caf"
    folder.mkdir(parents=True)
    content = b"old" * 50_000
    Path(os.fsdecode(os.fsencode(folder) + b"/ol\xe9 mambo.mp3")).write_bytes(content)

    async def play() -> None:
        async with scene(program, tmp_path) as (_, theirs):
            theirs.do("search", query="mambo")
            found = await theirs.heard("result", user="ours")
            assert found["path"].endswith("\\olé mambo.mp3")
            if program == "aioslsk":
                # aioslsk 1.7.1 reads the name as we do, but always asks in UTF-8.
                return
            theirs.do("download", user="ours", path=found["path"], size=len(content))
            told = await theirs.heard("downloaded", timeout=60)
            assert Path(told["local"]).read_bytes() == content  # noqa: ASYNC240

    asyncio.run(play())


@pytest.mark.parametrize("program", PROGRAMS)
def test_we_go_on_where_an_uploader_was_killed(program: str, tmp_path: Path) -> None:
    size = 20 * MEGABYTE
    wanted = fill(tmp_path / "theirs" / "Album" / "long one.flac", size)
    (tmp_path / "mine").mkdir()

    async def play() -> None:
        async with server() as running, ours(running, tmp_path) as client:
            way = Way(program, running.port, tmp_path / "theirs", free_port(), upload_limit=4000)
            async with other(way, "theirs", tmp_path / "other") as theirs:
                path = await _path_of(client, "long one.flac")
                transfer = await client.transfers.download("theirs", path)
                await until(lambda: transfer.done > 2 * MEGABYTE, "it is under way")
                await theirs.kill()
            await until(lambda: transfer.state in (State.DELAYED, State.OFFLINE), "it is known to be lost")
            had = transfer.done
            assert 2 * MEGABYTE < had < size
            way = Way(program, running.port, tmp_path / "theirs", free_port())
            progress: list[int] = []
            client.events.on(TransferProgressed, lambda event: progress.append(event.done))
            async with other(way, "theirs", tmp_path / "other") as theirs:
                assert digest(await finished(client, transfer, theirs)) == wanted
            # What we had is kept, but for the end of it, which is compared.
            assert all(done >= had - 2 * 65536 for done in progress)

    asyncio.run(play())


@pytest.mark.parametrize("program", PROGRAMS)
def test_they_go_on_where_we_went_away(program: str, tmp_path: Path) -> None:
    size = 20 * MEGABYTE
    wanted = fill(tmp_path / "mine" / "Album" / "long two.flac", size)
    (tmp_path / "theirs").mkdir()

    async def play() -> None:
        async with server() as running:
            way = Way(program, running.port, tmp_path / "theirs", free_port())
            async with other(way, "theirs", tmp_path / "other") as theirs:
                slow = {"upload_limit": 4 * MEGABYTE}
                async with ours(running, tmp_path, transfers=slow) as client:
                    theirs.do("download", user="ours", path="mine\\Album\\long two.flac", size=size)
                    await until(lambda: any(t.done > 2 * MEGABYTE for t in client.transfers), "on its way")
                again = ours(running, tmp_path)
                progress: list[int] = []
                again.events.on(TransferProgressed, lambda event: progress.append(event.done))
                async with again as client:
                    uploads = client.events.stream(UploadFinished)
                    if program == "nicotine":
                        # Nicotine+ 3.3.11 goes on by itself at once only if it lost the connection
                        # before it heard that we are gone; else minutes later, or when it is told to.
                        theirs.do("download", user="ours", path="mine\\Album\\long two.flac", size=size)
                    told = await theirs.heard("downloaded", timeout=60)
                    assert digest(told["local"]) == wanted
                    async with asyncio.timeout(30):
                        event = await uploads.next()
                    assert isinstance(event, UploadFinished)
                assert all(done >= MEGABYTE for done in progress)

    asyncio.run(play())


async def _path_of(client: Client, name: str) -> str:
    """The whole remote path of one of their files."""
    async with await client.browse("theirs") as shares:
        await shares.finished()
        (found,) = await shares.search(name.rpartition(".")[0])
        return found.remote_path
