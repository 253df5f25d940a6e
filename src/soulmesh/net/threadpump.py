"""Receiving a large file in a thread of its own: socket to file with nothing between but two system calls.

The loop's way costs a wake-up, a callback and a hand-over to a writing thread
for every piece. Here the loop lets go of the socket until the file is in: a
thread waits for the socket itself, and both calls release the interpreter.
Small files, limited speeds and networks in memory stay with
:func:`soulmesh.net.filepump.receive_file`.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from soulmesh.net.disk import disk_error
from soulmesh.net.errors import ConnectionLost
from soulmesh.net.world import WriteFile

if TYPE_CHECKING:
    from soulmesh.net.stream import Stream

__all__ = ["WORTH_A_THREAD", "receive_in_thread", "serves", "thread_free"]

WORTH_A_THREAD = 4 << 20
"""Bytes. Below, starting a thread costs more than it saves."""
MOST_THREADS = 24
BUFFER = 256 * 1024
"""Small enough to stay in the processor's cache between the two calls."""
LOOK_EVERY = 0.2
"""Seconds between reports of progress, and until a slow sender's few bytes are taken."""

_running = threading.BoundedSemaphore(MOST_THREADS)


def serves(stream: Stream, file: WriteFile) -> bool:
    """Whether this connection and this file are the system's own, so that a thread can serve them."""
    if file.descriptor is None or not hasattr(os, "pwrite") or not hasattr(select, "poll"):
        return False
    return stream.transport.get_extra_info("socket") is not None


def thread_free() -> bool:
    """Whether one more thread may be started; then :func:`receive_in_thread` has to follow."""
    return _running.acquire(blocking=False)


async def receive_in_thread(
    stream: Stream,
    file: WriteFile,
    offset: int,
    count: int,
    *,
    progress: Callable[[int], None] | None = None,
    free: Callable[[], bool] | None = None,
) -> tuple[int, bool]:
    """Receive up to ``count`` bytes into ``file`` at ``offset``; call :func:`thread_free` before.

    Returns the bytes received, and whether the other side closed; both fewer
    bytes and no end if ``free``, asked five times a second, said that speed is
    limited now. ``progress`` is called on the loop, with bytes that are written.

    Raises:
        ConnectionLost: the connection broke.
        DiskError: the file could not be written.
    """
    try:
        assert file.descriptor is not None
        stream.hold_reading()
        pump = _Pump(stream.transport.get_extra_info("socket").fileno(), file.descriptor, offset, count)
    except BaseException:
        _running.release()
        raise
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def finish() -> None:
        if not done.done():
            done.set_result(None)

    def work() -> None:
        pump.run()
        _running.release()
        loop.call_soon_threadsafe(finish)

    stream.lost_callbacks.append(pump.stop)
    if stream.is_closed:
        pump.stop()
    threading.Thread(target=work, name="soulmesh-receive", daemon=True).start()
    told = 0
    cancelled = False
    while not done.done():
        try:
            await asyncio.wait([done], timeout=LOOK_EVERY)
        except asyncio.CancelledError:
            # The thread writes to the file: it must have ended before anybody closes that.
            cancelled = True
            pump.stop()
        if free is not None and not free():
            pump.leave()
        if pump.written > told and progress is not None:
            written = pump.written
            progress(written - told)
            told = written
    if pump.stop in stream.lost_callbacks:
        stream.lost_callbacks.remove(pump.stop)
    if pump.written > told and progress is not None:
        progress(pump.written - told)
    if cancelled:
        raise asyncio.CancelledError
    if pump.disk_error is not None:
        raise disk_error(pump.disk_error, getattr(file, "path", "the file")) from pump.disk_error
    if pump.link_error is not None:
        raise ConnectionLost(pump.link_error.strerror or str(pump.link_error)) from pump.link_error
    return pump.written, pump.ended


class _Pump:
    """What the thread does."""

    def __init__(self, source: int, target: int, offset: int, count: int) -> None:
        self._socket = socket.socket(fileno=os.dup(source))
        self._socket.setblocking(False)
        self._target = target
        self._offset = offset
        self._count = count
        self._stopped = False
        self._leaving = False
        self.ended = False
        """Nothing more will come: the other side closed, or we were stopped."""
        self.written = 0
        self.disk_error: OSError | None = None
        self.link_error: OSError | None = None

    def stop(self) -> None:
        """End soon, whatever is missing."""
        self._stopped = self.ended = True
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def leave(self) -> None:
        """End soon, and leave the connection to somebody else."""
        self._leaving = True

    def run(self) -> None:
        """Move bytes until all are there, the other side closes, or something breaks."""
        buffer = memoryview(bytearray(min(BUFFER, self._count)))
        try:
            self._move(buffer)
        except OSError as error:
            if not self._stopped:
                self.link_error = error
        finally:
            self._socket.close()

    def _move(self, buffer: memoryview) -> None:
        poll = select.poll()
        poll.register(self._socket, select.POLLIN)
        low_water = 0
        while self.written < self._count and not self._stopped and not self._leaving:
            wanted = min(len(buffer), self._count - self.written)
            if wanted // 2 != low_water:
                # Wake up for half a buffer, not for every packet.
                low_water = wanted // 2
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, max(1, low_water))
            poll.poll(LOOK_EVERY * 1000)
            try:
                came = self._socket.recv_into(buffer[:wanted])
            except (BlockingIOError, InterruptedError):
                continue
            if not came:
                self.ended = True
                return
            try:
                self._write(buffer[:came])
            except OSError as error:
                self.disk_error = error
                return
        if low_water and not self._stopped:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)

    def _write(self, data: memoryview) -> None:
        at = self._offset + self.written
        while data:
            count = os.pwrite(self._target, data, at)
            at += count
            self.written += count
            data = data[count:]
