"""A large file goes from socket to disk in a thread of its own, and ends as cleanly as on the loop."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from pathlib import Path

import pytest

from soulmesh.net import threadpump
from soulmesh.net.disk import DiskError, RealDisk
from soulmesh.net.errors import ConnectionLost
from soulmesh.net.stream import Stream, listen_streams, open_stream
from soulmesh.net.tcp import TcpNetwork
from tests.support.loops import real

CONTENT = os.urandom(1 << 20) * 10


async def pair() -> tuple[Stream, Stream]:
    network = TcpNetwork()
    accepted: asyncio.Queue[Stream] = asyncio.Queue()
    listener = await listen_streams(network, accepted.put_nowait, "127.0.0.1", 0)
    near = await open_stream(network, "127.0.0.1", listener.port, timeout=5)
    far = await accepted.get()
    listener.close()
    return near, far


def threads_free() -> int:
    return threadpump._running._value


async def end(*streams: Stream) -> None:
    for stream in streams:
        stream.abort()
        await stream.wait_closed()


@real
async def test_all_bytes_arrive_and_what_follows_is_left_for_the_next_reader(tmp_path: Path) -> None:
    near, far = await pair()
    near.write(CONTENT[:1000])
    await asyncio.sleep(0.05)
    assert far.unread_bytes == 1000
    near.write(CONTENT[1000:] + b"after")
    file = await RealDisk().open_write(tmp_path / "f")
    told: list[int] = []
    assert await far.receive_file(file, 5, len(CONTENT), progress=told.append) == len(CONTENT)
    await file.close()
    assert (tmp_path / "f").read_bytes() == bytes(5) + CONTENT
    assert sum(told) == len(CONTENT)
    assert await far.readexactly(5) == b"after"
    far.write(b"thanks")
    assert await near.readexactly(6) == b"thanks"
    await end(near, far)


@real
async def test_a_sender_that_closes_early_leaves_what_it_sent(tmp_path: Path) -> None:
    near, far = await pair()
    near.write(CONTENT[:5_000_001])
    near.close()
    file = await RealDisk().open_write(tmp_path / "f")
    assert await far.receive_file(file, 0, len(CONTENT)) == 5_000_001
    await file.close()
    assert (tmp_path / "f").read_bytes() == CONTENT[:5_000_001]
    await end(near, far)


@real
async def test_few_bytes_of_a_slow_sender_are_written_soon(tmp_path: Path) -> None:
    near, far = await pair()
    file = await RealDisk().open_write(tmp_path / "f")
    some = asyncio.Event()
    task = asyncio.ensure_future(
        far.receive_file(file, 0, len(CONTENT), progress=lambda count: some.set() if count else None)
    )
    near.write(b"slow")
    await some.wait()
    near.close()
    assert await task == 4
    await file.close()
    await end(near, far)


@real
async def test_a_reset_is_a_lost_connection(tmp_path: Path) -> None:
    near, far = await pair()
    file = await RealDisk().open_write(tmp_path / "f")
    task = asyncio.ensure_future(far.receive_file(file, 0, len(CONTENT)))
    near.write(CONTENT[:1000])
    await asyncio.sleep(0.05)
    # Without lingering the system resets instead of closing politely.
    near.transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    near.abort()
    with pytest.raises(ConnectionLost):
        await task
    await file.close()
    await end(near, far)


@pytest.mark.parametrize("way", ["cancel", "abort"])
@real
async def test_it_can_be_stopped_at_any_time(tmp_path: Path, way: str) -> None:
    free = threads_free()
    near, far = await pair()
    file = await RealDisk().open_write(tmp_path / "f")
    task = asyncio.ensure_future(far.receive_file(file, 0, len(CONTENT)))
    await asyncio.sleep(0.02)
    if way == "cancel":
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    else:
        far.abort()
        assert await task == 0
    await file.close()
    assert threads_free() == free
    await end(near, far)


@real
async def test_a_disk_that_says_no_is_a_disk_error(tmp_path: Path) -> None:
    near, far = await pair()
    (tmp_path / "f").write_bytes(b"")
    file = await RealDisk().open_read(tmp_path / "f")
    near.write(CONTENT)
    with pytest.raises(DiskError):
        await far.receive_file(file, 0, len(CONTENT))  # a file open for reading only
    await file.close()
    await end(near, far)


@real
async def test_a_limit_that_is_set_later_takes_the_rest_back_to_the_loop(tmp_path: Path) -> None:
    near, far = await pair()
    file = await RealDisk().open_write(tmp_path / "f")
    told: list[int] = []
    came = asyncio.Event()
    asked: list[int] = []

    def progress(count: int) -> None:
        told.append(count)
        came.set()

    async def pace(wanted: int) -> int:
        asked.append(min(wanted, 500_000))
        if len(asked) == 1:
            near.write(CONTENT[3_000_000:] + b"after")
        return asked[-1]

    free = threads_free()
    receiving = asyncio.create_task(
        far.receive_file(file, 0, len(CONTENT), progress=progress, pace=pace, free=lambda: not told)
    )
    near.write(CONTENT[:3_000_000])
    await came.wait()
    assert not asked
    assert await receiving == len(CONTENT)
    await file.close()
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert sum(told) == len(CONTENT)
    assert sum(asked) >= len(CONTENT) - 3_000_000
    assert threads_free() == free
    assert await far.readexactly(5) == b"after"
    await end(near, far)
