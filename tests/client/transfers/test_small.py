"""Small files by the thousand: looked for, read and written several at a time."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from soulmesh.client.transfers.saving import Saving
from soulmesh.core.transfer import State
from soulmesh.net.disk import DiskError, FileExists, RealDisk
from soulmesh.net.memory_disk import MemoryDisk
from soulmesh.wire import peer
from tests.client.transfers.street import street
from tests.support.loops import virtual


class Counted(RealDisk):
    """Counts how often small files are written."""

    def __init__(self) -> None:
        super().__init__()
        self.writes = 0

    async def write_all_new(self, files: Any) -> Any:
        self.writes += 1
        return await super().write_all_new(files)


@virtual
async def test_many_small_files_arrive_whole_and_share_the_work_of_the_disk(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        disk = there.disk = Counted()
        ann = await there.move_in("ann")
        contents = {f"Music\\{n}.txt": bytes([n]) * (n * 100) for n in range(30)}
        wanted = []
        for number, (path, content) in enumerate(contents.items()):
            name = f"eve{number % 6}"
            eve = there.houses.get(name) or await there.move_in(name)
            wanted.append((name, eve.share(path, content), None))
        for transfer in await ann.transfers.download_all(wanted):
            await transfer.wait()
            assert transfer.local_path is not None
            assert transfer.local_path.read_bytes() == contents[transfer.remote_path]
        assert disk.writes < len(wanted)
        assert not list(ann.settings.incomplete_root.iterdir())


@virtual
async def test_a_small_file_is_sent_as_it_was_when_it_was_looked_for(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), there.stranger("eve")
        path = ann.share("Music\\a.txt", b"as it was")
        ann.server.connected = False
        await eve.say("ann", peer.PeerTransferQueue(path))
        await asyncio.sleep(1)
        ann.shelf.files[path.encode()].write_bytes(b"another text")
        ann.server.log_in()
        offer = await eve.hears(peer.PeerTransferRequest)
        assert offer.filesize == len(b"as it was")


@virtual
async def test_what_the_shares_lost_meanwhile_is_not_sent_from_memory(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), there.stranger("eve")
        path = ann.share("Music\\a.txt", b"a text")
        ann.server.connected = False
        await eve.say("ann", peer.PeerTransferQueue(path))
        await asyncio.sleep(1)
        del ann.shelf.files[path.encode()]
        for tell in ann.shelf.changed:
            tell()
        ann.server.log_in()
        assert (await eve.hears(peer.PeerTransferQueueFailed)).reason == "File not shared."
        upload = ann.transfers.find("upload", "eve", path)
        assert upload is not None
        assert upload.state is State.FAILED


def intent(_path: Path) -> None:
    """Nobody writes down where it goes."""


@virtual
async def test_files_that_gather_get_numbers_of_their_own_and_their_own_troubles() -> None:
    disk = MemoryDisk("/d")
    saving = Saving(disk)
    disk.forbid("/d/closed")

    async def save(number: int, target: str) -> Path:
        data = bytearray(b"%d" % number)
        return await saving.save_small(Path(f"/d/parts/{number}"), Path(target), data, intent, alone=False)

    outcomes = await asyncio.gather(
        save(1, "/d/a.txt"), save(2, "/d/a.txt"), save(3, "/d/closed/a.txt"), return_exceptions=True
    )
    assert outcomes[:2] == [Path("/d/a.txt"), Path("/d/a (2).txt")]
    assert isinstance(outcomes[2], DiskError)
    assert (disk.content("/d/a.txt"), disk.content("/d/a (2).txt")) == (b"1", b"2")


@virtual
async def test_who_writes_for_all_and_is_stopped_stops_no_other_for_ever() -> None:
    disk = MemoryDisk("/d", latency=1.0)
    saving = Saving(disk)
    first = asyncio.create_task(
        saving.save_small(Path("/d/p1"), Path("/d/a"), bytearray(b"1"), intent, alone=False)
    )
    await asyncio.sleep(0)
    second = asyncio.create_task(
        saving.save_small(Path("/d/p2"), Path("/d/b"), bytearray(b"2"), intent, alone=False)
    )
    await asyncio.sleep(0.5)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    with pytest.raises(asyncio.CancelledError):
        await second
    # Whoever comes later is not kept.
    disk.add("/d/c", b"c")
    assert await saving.save_small(Path("/d/p3"), Path("/d/e"), bytearray(b"3"), intent) == Path("/d/e")
    with pytest.raises(FileExists):
        await disk.write_new(Path("/d/p3"), Path("/d/c"), b"3")
