"""Moving a file between a disk and a stream with as little Python as possible.

Out: the kernel copies from the file to the socket (``sendfile``), one call for
as much as the socket takes, driven by the loop. In: two buffers take turns,
the socket fills one while a worker thread writes the other.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

from soulmesh.net.errors import ConnectionLost, lost_reason
from soulmesh.net.threadpump import WORTH_A_THREAD, receive_in_thread, serves, thread_free
from soulmesh.net.world import ReadFile, WriteFile

if TYPE_CHECKING:
    from soulmesh.net.stream import Pace, Progress, Stream

__all__ = ["FileShrank", "receive_file", "send_file"]

SEND_AT_ONCE = 1024 * 1024
"""Bytes handed to the kernel in one call; other connections get their turn between calls."""

CLOSED = "the other side closed it while a file was sent"
READ_AT_ONCE = 128 * 1024
"""Bytes read in one piece where there is no ``sendfile``."""

RECEIVE_BUFFER = 1024 * 1024
"""Size of each of the two buffers of a download."""

PATIENCE = 0.2
"""Seconds after which a part-filled buffer is written all the same, so that progress shows."""

_READ_AHEAD = 8 * 1024 * 1024

# The kernel's ways to say that this file or socket knows no sendfile.
_NO_SENDFILE = {errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSOCK}


class FileShrank(ConnectionLost):
    """A file that we were sending became shorter than it was when we began."""

    def __init__(self, sent: int, count: int) -> None:
        super().__init__(f"the file became shorter while it was sent: {sent} of {count} bytes were there")
        self.sent = sent
        self.count = count


async def send_file(
    stream: Stream,
    file: ReadFile,
    offset: int,
    count: int,
    *,
    progress: Progress | None = None,
    pace: Pace | None = None,
    free: Callable[[], bool] | None = None,
) -> None:
    """Send ``count`` bytes of ``file`` from ``offset`` on; returns when the system has taken them all.

    ``progress`` is told of every piece; ``pace`` is asked before each one how
    much may go, except while ``free`` says that nothing is limited.

    Raises:
        ConnectionLost: the connection broke; FileShrank: the file did.
        DiskError: the file could not be read.
    """
    await stream.flush()
    left = count
    socket = stream.transport.get_extra_info("socket")
    native = file.descriptor is not None and socket is not None and hasattr(os, "sendfile")
    while left:
        unasked = pace is None or (free is not None and free())
        piece = left if pace is None or unasked else min(left, max(1, await pace(left)))
        sent = 0
        shrank = False
        if native:
            pump = _Sendfile(stream, file, offset, piece, progress, free if unasked else None)
            try:
                sent = await pump.run()
            except OSError as error:
                if error.errno not in _NO_SENDFILE:
                    raise ConnectionLost(lost_reason(error)) from error
                native = False
                sent = pump.sent
            shrank = pump.shrank
        else:
            sent = await _send_by_reading(stream, file, offset, min(piece, READ_AT_ONCE), progress)
        if shrank:
            raise FileShrank(count - left + sent, count)
        offset += sent
        left -= sent
    if not native:
        await stream.flush()


async def _send_by_reading(
    stream: Stream, file: ReadFile, offset: int, count: int, progress: Progress | None
) -> int:
    data = await file.read(offset, count)
    if not data:
        raise FileShrank(offset, offset + count)
    stream.write(data)
    await stream.drain()
    if progress is not None:
        progress(len(data))
    return len(data)


class _Sendfile:
    """One run of ``sendfile`` calls, each when the socket has room."""

    def __init__(
        self,
        stream: Stream,
        file: ReadFile,
        offset: int,
        count: int,
        progress: Progress | None,
        free: Callable[[], bool] | None,
    ) -> None:
        self._stream = stream
        self._free = free
        self._offset = offset
        self._left = count
        self._progress = progress
        self._done: asyncio.Future[None] = stream.loop.create_future()
        self._ahead = offset
        assert file.descriptor is not None
        self._from = file.descriptor
        self._to = -1
        self.sent = 0
        self.shrank = False
        """The file ended before ``count``."""

    async def run(self) -> int:
        """Send; returns the number of bytes sent, fewer than wanted if the file ends, or ``free`` does."""
        if self._stream.is_closed:
            # While our own pace held us back; its socket has no number any more.
            raise ConnectionLost(CLOSED)
        # A loop does not let us watch a socket that belongs to a transport; a
        # duplicate of its descriptor is another number for the same socket.
        self._to = os.dup(self._stream.transport.get_extra_info("socket").fileno())
        try:
            self._stream.lost_callbacks.append(self._lost)
            if self._stream.is_closed:
                self._lost()
            else:
                self._stream.loop.add_writer(self._to, self._writable)
            await self._done
        finally:
            self._stream.loop.remove_writer(self._to)
            if self._lost in self._stream.lost_callbacks:
                self._stream.lost_callbacks.remove(self._lost)
            os.close(self._to)
        return self.sent

    def _lost(self) -> None:
        if not self._done.done():
            self._done.set_exception(ConnectionLost(CLOSED))

    def _writable(self) -> None:
        if self._done.done():
            return
        try:
            if self._offset >= self._ahead and hasattr(os, "posix_fadvise"):
                # Have the disk read ahead, so that the loop rarely waits for it.
                os.posix_fadvise(self._from, self._ahead, _READ_AHEAD, os.POSIX_FADV_WILLNEED)
                self._ahead = self._offset + _READ_AHEAD // 2
            sent = os.sendfile(self._to, self._from, self._offset, min(self._left, SEND_AT_ONCE))
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._done.set_exception(error)
            return
        if sent:
            self.sent += sent
            self._offset += sent
            self._left -= sent
            self._stream.bytes_sent += sent
            if self._progress is not None:
                self._progress(sent)
        self.shrank = not sent
        if not sent or not self._left or (self._free is not None and not self._free()):
            self._stream.loop.remove_writer(self._to)
            self._done.set_result(None)


async def receive_file(
    stream: Stream,
    file: WriteFile,
    offset: int,
    count: int,
    *,
    progress: Progress | None = None,
    pace: Pace | None = None,
    free: Callable[[], bool] | None = None,
) -> int:
    """Receive at most ``count`` bytes into ``file`` from ``offset`` on.

    Returns the number of bytes, fewer than ``count`` if the other side closed
    before. ``progress`` is told of bytes once they are written; all bytes it
    was told of are in the file, also when this raises or is cancelled.
    ``pace`` is asked before each piece how much may come, except while
    ``free`` says that nothing is limited.

    Raises:
        ConnectionLost: the connection broke.
        DiskError: the file could not be written.
    """
    received = 0
    unasked = pace is None or (free is not None and free())
    if unasked and count >= WORTH_A_THREAD and serves(stream, file):
        received = await _take_unread(stream, file, offset, count, progress)
        if received == count or stream.at_eof:
            return received
        if thread_free():
            came, ended = await receive_in_thread(
                stream, file, offset + received, count - received, progress=progress, free=free
            )
            received += came
            if ended or received == count:
                return received
    size = min(RECEIVE_BUFFER, max(count, 1))
    filling, writing = memoryview(bytearray(size)), memoryview(bytearray(size if count > size else 0))
    pending: asyncio.Task[None] | None = None
    try:
        while received < count:
            piece = min(size, count - received)
            if pace is not None and not (free is not None and free()):
                piece = min(piece, max(1, await pace(piece)))
            came = await stream.read_into(filling[:piece], patience=PATIENCE)
            if not came:
                break
            if pending is not None:
                await _join(pending)
                pending = None
            pending = asyncio.create_task(_write(file, offset + received, filling[:came], progress))
            received += came
            if len(writing) != size:
                # A small file fits the first buffer; only a larger one pays for the second.
                writing = memoryview(bytearray(size))
            filling, writing = writing, filling
    finally:
        if pending is not None:
            await _join(pending)
    return received


async def _take_unread(
    stream: Stream, file: WriteFile, offset: int, count: int, progress: Progress | None
) -> int:
    """Write what the stream holds already, before a thread reads on from the socket itself."""
    stream.hold_reading()
    taken = 0
    while stream.unread_bytes and taken < count:
        data = await stream.read(count - taken)
        # Reading may have opened the tap again.
        stream.hold_reading()
        await _write(file, offset + taken, memoryview(data), progress)
        taken += len(data)
    return taken


async def _write(file: WriteFile, offset: int, data: memoryview, progress: Progress | None) -> None:
    await file.write(offset, data)
    if progress is not None:
        progress(len(data))


async def _join(writing: asyncio.Task[None]) -> None:
    """Wait for a write even if we are cancelled meanwhile: its buffer and file must live until it ends."""
    cancelled = False
    while not writing.done():
        try:
            await asyncio.shield(writing)
        except asyncio.CancelledError:
            cancelled = True
        except Exception:
            break
    if cancelled:
        writing.exception()
        raise asyncio.CancelledError
    writing.result()
