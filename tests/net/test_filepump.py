"""Files over streams: by sendfile from the real disk, by reading from the one in memory."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
from pathlib import Path
from random import Random

import pytest

from soulmesh.net import filepump
from soulmesh.net.disk import DiskError, DiskFull, RealDisk
from soulmesh.net.errors import ConnectionLost
from soulmesh.net.filepump import FileShrank
from soulmesh.net.memory import MemoryNetwork, stream_pair
from soulmesh.net.memory_disk import MemoryDisk
from soulmesh.net.stream import Stream
from soulmesh.net.world import Disk, ReadFile, WriteFile
from tests.support.loops import real, virtual
from tests.support.networks import Pair, each_network, open_descriptors, tcp_pair

SIZE = 3_000_017
CONTENT = Random(1).randbytes(SIZE)


async def opened(disk: Disk, source: Path, target: Path) -> tuple[ReadFile, WriteFile]:
    return await disk.open_read(source), await disk.open_write(target)


@each_network
async def test_a_file_arrives_whole_from_memory_disk_to_memory_disk(pair: Pair) -> None:
    disk = MemoryDisk("/down")
    disk.add("/up/song", CONTENT)
    reading, writing = await opened(disk, Path("/up/song"), Path("/down/song"))
    sent: list[int] = []
    received: list[int] = []
    async with pair() as (one, other), asyncio.TaskGroup() as group:
        group.create_task(one.send_file(reading, 0, SIZE, progress=sent.append))
        count = await other.receive_file(writing, 0, SIZE, progress=received.append)
    assert count == sum(sent) == sum(received) == SIZE
    assert disk.content("/down/song") == CONTENT
    assert one.bytes_sent == other.bytes_received == SIZE


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_file_arrives_whole_by_sendfile(tmp_path: Path, loop: str) -> None:
    source, target = tmp_path / "song", tmp_path / "copy"
    source.write_bytes(CONTENT)

    async def work() -> None:
        disk = RealDisk()
        reading, writing = await opened(disk, source, target)
        sent: list[int] = []
        async with tcp_pair() as (one, other), asyncio.TaskGroup() as group:
            one.write(b"head")
            group.create_task(one.send_file(reading, 0, SIZE, progress=sent.append))
            assert await other.readexactly(4) == b"head"
            assert await other.receive_file(writing, 0, SIZE) == SIZE
            one.write(b"tail")
            assert await other.readexactly(4) == b"tail"
            assert one.bytes_sent == SIZE + 8
        assert sum(sent) == SIZE
        await reading.close()
        await writing.close()
        disk.close()

    import uvloop

    factory = uvloop.new_event_loop if loop == "uvloop" else None
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work())
    assert target.read_bytes() == CONTENT


@each_network
async def test_a_resumed_file_goes_from_its_offset_to_its_offset(pair: Pair) -> None:
    disk = MemoryDisk("/down")
    disk.add("/up/song", CONTENT)
    disk.add("/down/song", CONTENT[:1_000_000])
    reading, writing = await opened(disk, Path("/up/song"), Path("/down/song"))
    async with pair() as (one, other), asyncio.TaskGroup() as group:
        group.create_task(one.send_file(reading, 1_000_000, SIZE - 1_000_000))
        await other.receive_file(writing, 1_000_000, SIZE - 1_000_000)
    assert disk.content("/down/song") == CONTENT


@each_network
async def test_a_sender_that_closes_early_gives_a_short_count(pair: Pair) -> None:
    disk = MemoryDisk("/down")
    writing = await disk.open_write(Path("/down/song"))
    async with pair() as (one, other):
        one.write(CONTENT[:1_500_000])
        one.close()
        assert await other.receive_file(writing, 0, SIZE) == 1_500_000
    assert disk.content("/down/song") == CONTENT[:1_500_000]


@each_network
async def test_bytes_beyond_the_file_stay_for_the_next_reader(pair: Pair) -> None:
    disk = MemoryDisk("/down")
    writing = await disk.open_write(Path("/down/song"))
    async with pair() as (one, other):
        one.write(b"x" * 100_000 + b"next")
        assert await other.receive_file(writing, 0, 100_000) == 100_000
        assert await other.readexactly(4) == b"next"


@each_network
async def test_a_file_of_no_bytes_is_no_trouble(pair: Pair) -> None:
    disk = MemoryDisk("/down")
    disk.add("/up/nothing")
    reading, writing = await opened(disk, Path("/up/nothing"), Path("/down/nothing"))
    async with pair() as (one, other):
        await one.send_file(reading, 0, 0)
        assert await other.receive_file(writing, 0, 0) == 0


@virtual
async def test_a_pace_bounds_both_directions() -> None:
    asked: list[int] = []

    async def pace(wanted: int) -> int:
        asked.append(wanted)
        await asyncio.sleep(1)
        return min(wanted, 100_000)

    disk = MemoryDisk("/down")
    disk.add("/up/song", CONTENT[:1_000_000])
    for slow_sender in (True, False):
        reading, writing = await opened(disk, Path("/up/song"), Path("/down/song"))
        one, other = await stream_pair()
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as group:
            group.create_task(one.send_file(reading, 0, 1_000_000, pace=pace if slow_sender else None))
            await other.receive_file(writing, 0, 1_000_000, pace=None if slow_sender else pace)
        assert 10 <= asyncio.get_running_loop().time() - began <= 12
    assert disk.content("/down/song") == CONTENT[:1_000_000]
    assert max(asked) <= 1_000_000


def test_a_paced_sendfile_obeys_too(tmp_path: Path) -> None:
    source = tmp_path / "song"
    source.write_bytes(CONTENT[:100_000])
    granted: list[int] = []

    async def pace(wanted: int) -> int:
        granted.append(min(wanted, 7_000))
        return granted[-1]

    async def work() -> None:
        disk = RealDisk()
        reading = await disk.open_read(source)
        async with tcp_pair() as (one, other), asyncio.TaskGroup() as group:
            group.create_task(one.send_file(reading, 0, 100_000, pace=pace))
            assert await other.readexactly(100_000) == CONTENT[:100_000]
        await reading.close()
        disk.close()

    asyncio.run(work())
    assert len(granted) == 15
    assert sum(granted) == 100_000


@real
async def test_a_sendfile_under_way_begins_to_ask_when_it_is_no_longer_free(tmp_path: Path) -> None:
    source = tmp_path / "song"
    source.write_bytes(CONTENT)
    sent: list[int] = []
    granted: list[int] = []

    async def pace(wanted: int) -> int:
        granted.append(min(wanted, 500_000))
        return granted[-1]

    disk = RealDisk()
    reading = await disk.open_read(source)
    async with tcp_pair() as (one, other), asyncio.TaskGroup() as group:
        work = one.send_file(reading, 0, SIZE, progress=sent.append, pace=pace, free=lambda: not sent)
        group.create_task(work)
        assert await other.readexactly(SIZE) == CONTENT
    # The first call to the system was free, all that followed was asked for.
    assert sum(granted) == SIZE - sent[0]
    assert sum(sent) == SIZE
    await reading.close()
    disk.close()


@virtual
async def test_progress_shows_on_a_slow_line_before_a_buffer_is_full() -> None:
    network = MemoryNetwork(bandwidth=50_000, segment=4096)
    one, other = await stream_pair(network=network)
    disk = MemoryDisk("/down")
    writing = await disk.open_write(Path("/down/song"))
    times: list[float] = []
    loop = asyncio.get_running_loop()
    one.write(CONTENT[:500_000])
    await other.receive_file(writing, 0, 500_000, progress=lambda n: times.append(loop.time()))
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(times) > 20
    assert max(gaps) < 0.6


@each_network
async def test_a_reader_that_leaves_ends_the_sending(pair: Pair) -> None:
    disk = MemoryDisk()
    disk.add("/up/big", size=200_000_000)
    reading = await disk.open_read(Path("/up/big"))
    async with pair() as (one, other):
        sending = asyncio.create_task(one.send_file(reading, 0, 200_000_000))
        await other.readexactly(100_000)
        other.abort()
        with pytest.raises(ConnectionLost):
            await sending


@real
async def test_a_reader_that_leaves_ends_a_sendfile(tmp_path: Path) -> None:
    source = tmp_path / "big"
    with source.open("wb") as file:
        file.truncate(500_000_000)
    disk = RealDisk()
    reading = await disk.open_read(source)
    before = open_descriptors()
    for leave in (Stream.abort, Stream.close):
        async with tcp_pair() as (one, other):
            sending = asyncio.create_task(one.send_file(reading, 0, 500_000_000))
            await other.readexactly(100_000)
            leave(other)
            with pytest.raises(ConnectionLost):
                await sending
    async with tcp_pair() as (one, other):
        sending = asyncio.create_task(one.send_file(reading, 0, 500_000_000))
        await other.readexactly(100_000)
        one.abort()
        with pytest.raises(ConnectionLost):
            await sending
    async with tcp_pair() as (one, other):
        sending = asyncio.create_task(one.send_file(reading, 0, 500_000_000))
        await other.readexactly(100_000)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    await asyncio.sleep(0.01)
    assert open_descriptors() == before, "no descriptor is left"
    await reading.close()
    disk.close()


@real
async def test_a_reader_that_leaves_while_our_pace_holds_us_back_is_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "song").write_bytes(CONTENT)
    reading = await RealDisk().open_read(tmp_path / "song")
    async with tcp_pair() as (one, other):
        asked = asyncio.Event()

        async def pace(wanted: int) -> int:
            if asked.is_set():
                # The second piece waits until the other side is gone.
                other.abort()
                await one.wait_closed()
            asked.set()
            return 10_000

        with pytest.raises(ConnectionLost, match="the other side closed it"):
            await one.send_file(reading, 0, SIZE, pace=pace)
    await reading.close()


@real
async def test_a_file_that_shrinks_while_it_is_sent_is_an_error(tmp_path: Path) -> None:
    source = tmp_path / "song"
    source.write_bytes(b"x" * 1000)
    disk = RealDisk()
    reading = await disk.open_read(source)
    async with tcp_pair() as (one, other):
        with pytest.raises(FileShrank, match="1000 of 5000 bytes were there"):
            await one.send_file(reading, 0, 5000)
        assert await other.readexactly(1000) == b"x" * 1000
    await reading.close()
    disk.close()


@virtual
async def test_a_file_in_memory_that_shrinks_is_an_error_too() -> None:
    disk = MemoryDisk()
    disk.add("/song", b"x" * 1000)
    one, _other = await stream_pair()
    with pytest.raises(FileShrank):
        await one.send_file(await disk.open_read(Path("/song")), 0, 5000)


@real
async def test_a_file_system_without_sendfile_is_read_instead(tmp_path: Path) -> None:
    source = tmp_path / "song"
    source.write_bytes(CONTENT[:500_000])

    def refuse(*_: object) -> int:
        import errno

        raise OSError(errno.EINVAL, "Invalid argument")

    disk = RealDisk()
    reading = await disk.open_read(source)
    real_sendfile, os.sendfile = os.sendfile, refuse  # type: ignore[assignment]
    try:
        async with tcp_pair() as (one, other), asyncio.TaskGroup() as group:
            group.create_task(one.send_file(reading, 0, 500_000))
            assert await other.readexactly(500_000) == CONTENT[:500_000]
    finally:
        os.sendfile = real_sendfile
    await reading.close()
    disk.close()


@virtual
async def test_a_disk_that_fills_up_fails_the_download_with_all_it_took_counted() -> None:
    disk = MemoryDisk("/down")
    disk.free = 1_500_000
    writing = await disk.open_write(Path("/down/song"))
    one, other = await stream_pair()
    one.write(CONTENT)
    done: list[int] = []
    with pytest.raises(DiskFull):
        await other.receive_file(writing, 0, SIZE, progress=done.append)
    assert sum(done) == filepump.RECEIVE_BUFFER
    assert disk.content("/down/song") == CONTENT[:1_500_000]


@virtual
async def test_a_read_error_fails_the_upload() -> None:
    disk = MemoryDisk()
    disk.add("/song", CONTENT)
    disk.break_reading("/song", at=1_000_000)
    one, other = await stream_pair()
    reading = asyncio.create_task(other.receive_file(await disk.open_write(Path("/copy")), 0, SIZE))
    with pytest.raises(DiskError):
        await one.send_file(await disk.open_read(Path("/song")), 0, SIZE)
    one.abort()
    assert 0 < await reading < SIZE


@virtual
async def test_a_broken_link_keeps_what_had_arrived() -> None:
    network = MemoryNetwork(bandwidth=1_000_000)
    one, other = await stream_pair(network=network)
    disk = MemoryDisk("/down")
    writing = await disk.open_write(Path("/down/song"))
    done: list[int] = []
    receiving = asyncio.create_task(other.receive_file(writing, 0, SIZE, progress=done.append))
    one.write(CONTENT)
    await asyncio.sleep(1.5)
    next(iter(network.hosts.values())).cut_links()
    with pytest.raises(ConnectionLost):
        await receiving
    assert sum(done) > 1_000_000
    assert disk.content("/down/song") == CONTENT[: sum(done)]


@virtual
async def test_a_cancelled_download_finishes_its_write_first() -> None:
    disk = MemoryDisk("/down", latency=5.0)
    writing = await disk.open_write(Path("/down/song"))
    one, other = await stream_pair()
    done: list[int] = []
    receiving = asyncio.create_task(other.receive_file(writing, 0, SIZE, progress=done.append))
    one.write(CONTENT)
    await asyncio.sleep(1)
    receiving.cancel()
    await asyncio.sleep(0)
    receiving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await receiving
    assert sum(done) == filepump.RECEIVE_BUFFER
    assert (
        hashlib.sha256(disk.content("/down/song")).digest() == hashlib.sha256(CONTENT[: sum(done)]).digest()
    )
