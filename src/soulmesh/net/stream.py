"""A pull-style byte stream on one connection.

:class:`Stream` is the asyncio protocol of its transport. It differs from
asyncio's own streams in what a file-sharing program needs: reading pauses at a
limit, bytes can be given back for the next reader, whole files go out by
``sendfile`` and come in by ``recv_into`` without Python touching a byte, and a
broken connection is a typed error.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, cast

from soulmesh.net.errors import ConnectionLost, StreamEnded, TimedOut, lost_reason
from soulmesh.net.world import Listener, Network, ReadFile, WriteFile

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["READ_LIMIT", "Pace", "Progress", "Stream", "listen_streams", "open_stream"]

READ_LIMIT = 256 * 1024
"""Bytes kept unread before the other side is made to wait."""

_SPARE_SIZE = 64 * 1024

_TOGETHER = 16 * 1024
"""Pieces smaller than this, written in one turn of the loop, go out together."""

Progress = Callable[[int], None]
"""Told of every piece of a file that has moved, in bytes since the last call."""

Pace = Callable[[int], Awaitable[int]]
"""Asked before a piece of a file moves: how many of these bytes may go now? It may wait; at least 1."""


class Stream(asyncio.Protocol):
    """One connection as a stream of bytes, for one reader and any number of writers.

    Reading: :meth:`read`, :meth:`readexactly`, :meth:`read_into`; after the
    last byte they say so with nothing, and raise
    :class:`~soulmesh.net.errors.ConnectionLost` if the connection broke.
    Writing: :meth:`write` never waits, :meth:`drain` waits while the other
    side is slower than we are.
    """

    watch: Callable[[bool, bytes], None] | None = None
    """Told of all bytes that pass, but for files: (sent by us, bytes). See :mod:`soulmesh.net.tap`."""

    def __init__(self, *, limit: int = READ_LIMIT, on_open: Callable[[Stream], None] | None = None) -> None:
        self._limit = limit
        self._on_open = on_open
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._paused = False
        self._ended = False
        self._lost: ConnectionLost | None = None
        self._closed = False
        self._closing = False
        self._reader: asyncio.Future[None] | None = None
        self._writing_paused = False
        self._drainers: deque[asyncio.Future[None]] = deque()
        self._gathered: list[bytes] = []
        self._gathered_size = 0
        self._closed_waiters: list[asyncio.Future[None]] = []
        self._direct: _Receiver | None = None
        self.lost_callbacks: list[Callable[[], None]] = []
        """Called once, when the connection is gone in whatever way."""
        self.called: tuple[str, int] | None = None
        """Whom we really called, if the socket leads to a proxy on the way."""
        self.bytes_received = 0
        self.bytes_sent = 0

    # -- what the transport tells us

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is there."""
        # Not an isinstance: uvloop's transports are no asyncio.Transport.
        self._transport = cast(asyncio.Transport, transport)
        if self._on_open is not None:
            self._on_open(self)

    def data_received(self, data: bytes) -> None:
        """Bytes came in."""
        size = len(data)
        self.bytes_received += size
        if self.watch is not None:
            self.watch(False, data)
        self._keep(data, size)

    def _keep(self, data: bytes, size: int) -> None:
        self._chunks.append(data)
        self._size += size
        if self._size > self._limit and not self._paused:
            self._paused = True
            self.transport.pause_reading()
        self._wake_reader()

    def eof_received(self) -> bool:
        """The other side sends no more. We may still write, until we close."""
        self._ended = True
        self._wake_reader()
        return True

    def connection_lost(self, exc: BaseException | None) -> None:
        """The connection is gone; ``exc`` says why, ``None`` that somebody closed it."""
        self._closed = True
        self._ended = True
        if exc is not None and not self._closing:
            self._lost = ConnectionLost(lost_reason(exc))
            self._lost.__cause__ = exc
        self._wake_reader()
        self.resume_writing()
        for waiter in self._closed_waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._closed_waiters.clear()
        callbacks, self.lost_callbacks = self.lost_callbacks, []
        for callback in callbacks:
            callback()

    def pause_writing(self) -> None:
        """The transport holds enough of ours for now."""
        self._writing_paused = True

    def resume_writing(self) -> None:
        """The transport takes more."""
        self._writing_paused = False
        drainers, self._drainers = self._drainers, deque()
        for waiter in drainers:
            if not waiter.done():
                waiter.set_result(None)

    # -- reading

    async def read(self, max_bytes: int = -1) -> bytes:
        """The bytes that are there, at most ``max_bytes``; waits for the first. ``b""`` at the end.

        Raises:
            ConnectionLost: the connection broke, and all that came before it was read.
        """
        while not self._chunks:
            if not await self._more():
                return b""
        chunk = self._chunks.popleft()
        if 0 <= max_bytes < len(chunk):
            self._chunks.appendleft(chunk[max_bytes:])
            chunk = chunk[:max_bytes]
        self._took(len(chunk))
        return chunk

    async def readexactly(self, count: int) -> bytes:
        """Exactly ``count`` bytes.

        Raises:
            StreamEnded: the other side closed before; ``partial`` has what came.
            ConnectionLost: the connection broke before.
        """
        while self._size < count:
            if not await self._more():
                partial = b"".join(self._chunks)
                self._chunks.clear()
                self._size = 0
                raise StreamEnded(partial, count)
        return self.take(count)

    async def readable(self) -> bool:
        """Wait until there are bytes to read, and leave them there; False at the end.

        Raises:
            ConnectionLost: the connection broke, and all that came before it was read.
        """
        while not self._chunks:
            if not await self._more():
                return False
        return True

    def peek(self, count: int) -> bytes:
        """The first ``count`` bytes of those that are there, fewer if there are no more; they stay unread."""
        head = b""
        for chunk in self._chunks:
            head += chunk[: count - len(head)]
            if len(head) == count:
                break
        return head

    def take(self, count: int) -> bytes:
        """Exactly ``count`` bytes of the :attr:`unread_bytes`, of which there are so many at least."""
        if count == 0:
            return b""
        chunk = self._chunks.popleft()
        if len(chunk) < count:
            parts = [chunk]
            missing = count - len(chunk)
            while missing:
                chunk = self._chunks.popleft()
                parts.append(chunk)
                missing -= len(chunk)
                if missing < 0:
                    break
            joined = b"".join(parts)
        else:
            joined = chunk
        if len(joined) > count:
            self._chunks.appendleft(joined[count:])
            joined = joined[:count]
        self._took(count)
        return joined

    async def read_into(self, buffer: memoryview | bytearray, *, patience: float = 0.0) -> int:
        """Fill ``buffer``; returns the number of bytes, 0 at the end of the stream.

        Waits until the buffer is full, but at most ``patience`` seconds when
        there are some bytes: 0 returns with whatever comes first. While
        nothing is waiting elsewhere the bytes go from the system straight
        into ``buffer``. After an error or a cancellation, bytes that came
        stay in the stream.

        Raises:
            ConnectionLost: the connection broke, and all that came before it was read.
        """
        view = memoryview(buffer)
        filled = 0
        while self._chunks and filled < len(view):
            chunk = self._chunks.popleft()
            room = len(view) - filled
            if len(chunk) > room:
                self._chunks.appendleft(chunk[room:])
                chunk = chunk[:room]
            view[filled : filled + len(chunk)] = chunk
            filled += len(chunk)
        if filled:
            self._took(filled)
        if filled == len(view) or (filled and not patience) or (filled and self._ended):
            return filled
        if self._ended:
            self._raise_if_lost()
            return 0
        return await self._receive_directly(view, filled, patience)

    async def _receive_directly(self, view: memoryview, filled: int, patience: float) -> int:
        receiver = self._direct
        if receiver is None:
            receiver = self._direct = _Receiver(self)
            self._change_protocol(receiver)
        receiver.aim(view, filled, hasty=not patience)
        timer = self._loop.call_later(patience, receiver.hurry) if patience else None
        try:
            while not receiver.satisfied and not self._ended:
                await self._wait_for_reader()
        except BaseException:
            # Somebody gave up waiting: what is in his buffer stays in the stream.
            came = receiver.withdraw()
            if came:
                self.unread(bytes(view[:came]))
            raise
        finally:
            if timer is not None:
                timer.cancel()
        came = receiver.withdraw()
        if not came:
            self._raise_if_lost()
        return came

    def hold_reading(self) -> None:
        """Leave what comes in to the system until the next read: somebody else reads the socket."""
        if not self._paused and not self._ended and not self._closed:
            self._paused = True
            self.transport.pause_reading()

    def unread(self, data: bytes) -> None:
        """Give bytes back: the next read begins with them."""
        if data:
            self._chunks.appendleft(bytes(data))
            self._size += len(data)
            self._wake_reader()

    @property
    def at_eof(self) -> bool:
        """Nothing is left to read and nothing will come."""
        return self._ended and not self._chunks

    @property
    def unread_bytes(self) -> int:
        """Bytes that came and were not read yet."""
        return self._size

    async def _more(self) -> bool:
        """Wait for more bytes; False at the end."""
        if self._ended:
            self._raise_if_lost()
            return False
        if self._direct is not None:
            self._direct = None
            self._change_protocol(self)
        before = self._size
        while self._size == before and not self._ended:
            await self._wait_for_reader()
        return self._size != before or await self._more()

    async def _wait_for_reader(self) -> None:
        if self._reader is not None:
            raise RuntimeError("two tasks read from one stream")
        if self._paused:
            self._paused = False
            self.transport.resume_reading()
        self._reader = self._loop.create_future()
        try:
            await self._reader
        finally:
            self._reader = None

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)

    def _took(self, count: int) -> None:
        self._size -= count
        if self._paused and self._size <= self._limit // 2 and not self._closed:
            self._paused = False
            self.transport.resume_reading()

    def _raise_if_lost(self) -> None:
        if self._lost is not None:
            raise self._lost.with_traceback(None)

    def _change_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        # Some loops (uvloop) choose the way of receiving when reading starts.
        transport = self.transport
        if not self._paused and not self._ended:
            transport.pause_reading()
            transport.set_protocol(protocol)
            transport.resume_reading()
        else:
            transport.set_protocol(protocol)

    def hand_over(self, protocol: asyncio.BaseProtocol) -> None:
        """Give the connection to another protocol, with the bytes that were not read; this stream is done.

        Raises:
            ConnectionLost: the connection is gone.
        """
        if self._closed or self._closing:
            self._raise_if_lost()
            raise ConnectionLost("it is closed")
        unread = b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        self._send_gathered()
        transport = self.transport
        self._change_protocol(protocol)
        self._closing = True
        protocol.connection_made(transport)
        if unread:
            _give(protocol, unread)
        if self._paused:
            self._paused = False
            transport.resume_reading()
        pulled = isinstance(protocol, (asyncio.Protocol, asyncio.BufferedProtocol))
        if self._ended and pulled and not protocol.eof_received():  # type: ignore[attr-defined]
            transport.close()

    # -- writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send ``data`` after all that was written before. Written to a closed stream it is dropped."""
        if self._closed or self._closing:
            return
        self.bytes_sent += len(data)
        if self.watch is not None:
            self.watch(True, bytes(data))
        size = len(data)
        if size >= _TOGETHER:
            self._send_gathered()
            self.transport.write(data)
            return
        # Messages come in bunches: one call to the system takes all that a turn of the loop has to say.
        if not self._gathered:
            self._loop.call_soon(self._send_gathered)
        self._gathered.append(bytes(data))
        self._gathered_size += size

    def _send_gathered(self) -> None:
        if self._gathered:
            data = self._gathered[0] if len(self._gathered) == 1 else b"".join(self._gathered)
            self._gathered.clear()
            self._gathered_size = 0
            if not self._closed:
                self.transport.write(data)

    async def drain(self) -> None:
        """Wait until the other side has caught up enough for more.

        Raises:
            ConnectionLost: the connection is gone.
        """
        self._send_gathered()
        if self._writing_paused and not self._closed:
            waiter = self._loop.create_future()
            self._drainers.append(waiter)
            await waiter
        if self._closed:
            self._raise_if_lost()
            raise ConnectionLost("it is closed")

    async def flush(self) -> None:
        """Wait until all that was written has left the process.

        Raises:
            ConnectionLost: the connection is gone.
        """
        self._send_gathered()
        if not self._closed and not self.transport.get_write_buffer_size():
            return
        low, high = self.transport.get_write_buffer_limits()
        # High water 0 makes the transport call back when its buffer is empty.
        self.transport.set_write_buffer_limits(high=0)
        try:
            await self.drain()
        finally:
            if not self._closed:
                self.transport.set_write_buffer_limits(high=high, low=low)

    @property
    def writing_paused(self) -> bool:
        """Whether :meth:`drain` would wait."""
        return self._writing_paused

    @property
    def write_buffer_size(self) -> int:
        """Bytes written that have not left the process."""
        return self.transport.get_write_buffer_size() + self._gathered_size if not self._closed else 0

    def write_eof(self) -> None:
        """Say that we send no more; reading goes on."""
        if not self._closed and not self._closing:
            self._send_gathered()
            self.transport.write_eof()

    async def send_file(
        self,
        file: ReadFile,
        offset: int,
        count: int,
        *,
        progress: Progress | None = None,
        pace: Pace | None = None,
        free: Callable[[], bool] | None = None,
    ) -> None:
        """Send ``count`` bytes of ``file`` from ``offset``; see :func:`soulmesh.net.filepump.send_file`."""
        from soulmesh.net.filepump import send_file

        await send_file(self, file, offset, count, progress=progress, pace=pace, free=free)

    async def receive_file(
        self,
        file: WriteFile,
        offset: int,
        count: int,
        *,
        progress: Progress | None = None,
        pace: Pace | None = None,
        free: Callable[[], bool] | None = None,
    ) -> int:
        """Receive at most ``count`` bytes into ``file``; see :func:`soulmesh.net.filepump.receive_file`."""
        from soulmesh.net.filepump import receive_file

        return await receive_file(self, file, offset, count, progress=progress, pace=pace, free=free)

    # -- ending

    def close(self) -> None:
        """Send what was written, then close. Does not wait; see :meth:`wait_closed`."""
        if not self._closing:
            self._send_gathered()
            self._closing = True
            if self._transport is not None:
                self._transport.close()
            self._ended = True
            self._wake_reader()

    def abort(self) -> None:
        """Close at once; what the system did not take yet is lost."""
        self._send_gathered()
        self._closing = True
        if self._transport is not None and not self._closed:
            self._transport.abort()
        self._ended = True
        self._wake_reader()

    @property
    def is_closed(self) -> bool:
        """The connection is gone, or we are closing it."""
        return self._closed or self._closing

    async def wait_closed(self) -> None:
        """Wait until the connection is gone. Never raises for how it went."""
        if not self._closed:
            waiter = self._loop.create_future()
            self._closed_waiters.append(waiter)
            await waiter

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    # -- facts

    @property
    def transport(self) -> asyncio.Transport:
        """The transport below."""
        assert self._transport is not None, "the stream is connected"
        return self._transport

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop that the stream lives in."""
        return self._loop

    @property
    def peer_address(self) -> tuple[str, int]:
        """Address and port of the other side; ``("", 0)`` if the system does not say."""
        if self.called is not None:
            return self.called
        name = self.transport.get_extra_info("peername")
        return (name[0], name[1]) if name else ("", 0)

    @property
    def local_address(self) -> tuple[str, int]:
        """Address and port of our side; ``("", 0)`` if the system does not say."""
        name = self.transport.get_extra_info("sockname")
        return (name[0], name[1]) if name else ("", 0)


class _Receiver(asyncio.BufferedProtocol):
    """Takes the stream's place at the transport while bytes go straight into a reader's buffer."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._target: memoryview | None = None
        self._filled = 0
        self._hasty = False
        self._spare: memoryview | None = None
        self.satisfied = False

    def aim(self, target: memoryview, filled: int, *, hasty: bool) -> None:
        """Receive into ``target`` from ``filled`` on; ``hasty``: the first bytes will do."""
        self._target = target
        self._filled = filled
        self._hasty = hasty
        self.satisfied = False

    def withdraw(self) -> int:
        """Stop receiving into the buffer; returns how many bytes are in it."""
        self._target = None
        return self._filled

    def hurry(self) -> None:
        """The reader's patience is over: anything will do."""
        self._hasty = True
        if self._filled and self._target is not None:
            self.satisfied = True
            self._stream._wake_reader()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the next bytes go."""
        if self._target is not None and self._filled < len(self._target):
            return self._target[self._filled :]
        if self._spare is None:
            self._spare = memoryview(bytearray(_SPARE_SIZE))
        return self._spare

    def buffer_updated(self, nbytes: int) -> None:
        """``nbytes`` have come into the buffer given last."""
        stream = self._stream
        stream.bytes_received += nbytes
        target = self._target
        if target is not None and self._filled < len(target):
            self._filled += nbytes
            if self._hasty or self._filled == len(target):
                self.satisfied = True
                stream._wake_reader()
        else:
            assert self._spare is not None
            stream._keep(bytes(self._spare[:nbytes]), nbytes)

    def eof_received(self) -> bool:
        """See :meth:`Stream.eof_received`."""
        return self._stream.eof_received()

    def connection_lost(self, exc: BaseException | None) -> None:
        """See :meth:`Stream.connection_lost`."""
        self._stream.connection_lost(exc)

    def pause_writing(self) -> None:
        """See :meth:`Stream.pause_writing`."""
        self._stream.pause_writing()

    def resume_writing(self) -> None:
        """See :meth:`Stream.resume_writing`."""
        self._stream.resume_writing()


def _give(protocol: asyncio.BaseProtocol, data: bytes) -> None:
    """Let a protocol receive ``data`` as from its transport."""
    if isinstance(protocol, asyncio.BufferedProtocol):
        view = memoryview(data)
        while view:
            buffer = memoryview(cast(bytearray, protocol.get_buffer(len(view))))
            part = min(len(buffer), len(view))
            buffer[:part] = view[:part]
            protocol.buffer_updated(part)
            view = view[part:]
    elif isinstance(protocol, asyncio.Protocol):
        protocol.data_received(data)


async def open_stream(
    network: Network,
    host: str,
    port: int,
    *,
    timeout: float | None = None,
    local_address: str | None = None,
    limit: int = READ_LIMIT,
) -> Stream:
    """Connect to ``host:port`` and return the stream; ``timeout`` in seconds.

    Raises:
        TimedOut: no connection within ``timeout``.
        NetworkError: any other reason, as typed in :mod:`soulmesh.net.errors`.
    """
    try:
        async with asyncio.timeout(timeout):
            _, stream = await network.connect(
                lambda: Stream(limit=limit), host, port, local_address=local_address
            )
    except TimeoutError as error:
        raise TimedOut(host, port, timeout) from error
    return stream


async def listen_streams(
    network: Network,
    accepted: Callable[[Stream], None],
    host: str,
    port: int,
    *,
    limit: int = READ_LIMIT,
) -> Listener:
    """Listen on ``host:port``; ``accepted`` is called with each new stream and owns it from then on.

    Raises:
        PortInUse: another socket listens there.
        NetworkError: any other reason, as typed in :mod:`soulmesh.net.errors`.
    """
    return await network.listen(lambda: Stream(limit=limit, on_open=accepted), host, port)
