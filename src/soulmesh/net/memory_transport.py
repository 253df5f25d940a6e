"""One end of a link in memory, with the habits of a TCP socket under asyncio.

What is written waits in a buffer (with high and low water, so that protocols
feel ``pause_writing``), goes under way as long as the window has room, arrives
in order after the delay, and waits again while the receiver has paused
reading. Closing sends what is left and then the end, aborting sends the end
alone; bytes that nobody will read any more are answered with a reset.
"""

from __future__ import annotations

import asyncio
import contextvars
import errno
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from soulmesh.net.memory import MemoryHost

__all__ = ["MemoryTransport"]

HIGH_WATER = 64 * 1024

_RECEIVE_AT_ONCE = 256 * 1024


class _Mark:
    """Something other than bytes that travels along the link."""

    def __init__(self, name: str) -> None:
        self.name = name


_END: Final = _Mark("end")
_RESET: Final = _Mark("reset")


class MemoryTransport(asyncio.Transport):
    """One end of a link. Make two with :meth:`pair`, and :meth:`start` each with its protocol."""

    peer: MemoryTransport

    def __init__(
        self, machine: MemoryHost, sockname: tuple[str, int], peername: tuple[str, int], *, calling: bool
    ) -> None:
        super().__init__({"sockname": sockname, "peername": peername})
        self.machine = machine
        self.calling = calling
        """Whether this is the end that called."""
        self._network = machine.network
        self._loop = asyncio.get_running_loop()
        # What runs at this end must not see the context variables of the other end's tasks.
        self._context = contextvars.copy_context() if calling else contextvars.Context()
        self._protocol: asyncio.BaseProtocol | None = None
        # Sending.
        self._pending: deque[bytes] = deque()
        self._pending_size = 0
        self._under_way = 0
        self._high, self._low = HIGH_WATER, HIGH_WATER // 4
        self._writing_paused = False
        self._end_wanted = False
        self._end_sent = False
        self._last_arrival = 0.0
        # Receiving: what is under way to us, in order, with its time of arrival.
        self._arrivals: deque[tuple[float, bytes | _Mark]] = deque()
        self._timer: asyncio.Handle | None = None
        self._reading_paused = False
        self._reset_waits = False
        self._closing = False
        self._closed = False

    @classmethod
    def pair(
        cls,
        caller: MemoryHost,
        callee: MemoryHost,
        caller_name: tuple[str, int],
        callee_name: tuple[str, int],
    ) -> tuple[MemoryTransport, MemoryTransport]:
        """The two ends of a new link."""
        near = cls(caller, caller_name, callee_name, calling=True)
        far = cls(callee, callee_name, caller_name, calling=False)
        near.peer, far.peer = far, near
        caller.links[near] = None
        callee.links[far] = None
        return near, far

    def start(self, protocol: asyncio.BaseProtocol) -> None:
        """The link stands, for this end: tell the protocol, and let arrive what came before."""
        self._protocol = protocol
        protocol.connection_made(self)
        self._expect()

    def accept(self, factory: Callable[[], asyncio.BaseProtocol]) -> None:
        """Start the called end. If its program fails at that, the caller gets a reset, not the error."""

        def work() -> None:
            self._call(lambda: self.start(factory()))

        self._context.run(work)

    # -- asyncio.Transport: writing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """See :class:`asyncio.WriteTransport`."""
        if self._end_wanted:
            raise RuntimeError("Cannot call write() after write_eof()")
        if self._closing or not data:
            return
        if self._reset_waits:
            self._break(BrokenPipeError(errno.EPIPE, "Broken pipe"))
            return
        self.machine.bytes_sent += len(data)
        self._pending.append(bytes(data))
        self._pending_size += len(data)
        self._send()
        if self._pending_size > self._high and not self._writing_paused:
            self._writing_paused = True
            self._tell_writer()

    def writelines(self, list_of_data: Any) -> None:
        """See :class:`asyncio.WriteTransport`."""
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        """Half-closing works."""
        return True

    def write_eof(self) -> None:
        """See :class:`asyncio.WriteTransport`."""
        if not self._closing and not self._end_wanted:
            self._end_wanted = True
            self._send()

    def get_write_buffer_size(self) -> int:
        """See :class:`asyncio.WriteTransport`."""
        return self._pending_size

    def get_write_buffer_limits(self) -> tuple[int, int]:
        """See :class:`asyncio.WriteTransport`."""
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """See :class:`asyncio.WriteTransport`."""
        if high is None:
            high = HIGH_WATER if low is None else 4 * low
        if low is None:
            low = high // 4
        if not high >= low >= 0:
            raise ValueError(f"high ({high!r}) must be >= low ({low!r}) must be >= 0")
        self._high, self._low = high, low
        if self._pending_size > high and not self._writing_paused:
            self._writing_paused = True
            self._tell_writer()

    def _tell_writer(self) -> None:
        protocol = self._protocol
        if isinstance(protocol, (asyncio.Protocol, asyncio.BufferedProtocol)):
            if self._writing_paused:
                protocol.pause_writing()
            else:
                protocol.resume_writing()

    def _send(self) -> None:
        """Put as much under way as the window lets pass."""
        network = self._network
        while self._pending and self._under_way < network.window:
            data = self._pending.popleft()
            if len(data) > network.segment:
                self._pending.appendleft(data[network.segment :])
                data = data[: network.segment]
            size = len(data)
            self._pending_size -= size
            self._under_way += size
            self._post(data, size)
        if not self._pending:
            if self._end_wanted and not self._end_sent:
                self._end_sent = True
                self._post(_END, 0)
            if self._closing:
                self._say_goodbye()
                self._loop.call_soon(self._lose, None, context=self._context)
        if self._writing_paused and self._pending_size <= self._low:
            self._writing_paused = False
            self._tell_writer()

    def _say_goodbye(self) -> None:
        """What the system sends when a socket is closed, also by abort()."""
        now = self._loop.time()
        if any(at <= now and isinstance(item, bytes) for at, item in self._arrivals):
            self._arrivals.clear()
            self._post(_RESET, 0)
        elif not self._end_sent:
            self._post(_END, 0)
        self._end_sent = True

    def _post(self, item: bytes | _Mark, size: int) -> None:
        """Put one thing on its way, behind all that this end sent before."""
        here, there = self.machine, self.peer.machine
        at = self._loop.time()
        if here is not there:
            if here.upload_speed:
                at = here.upload_free_at = max(at, here.upload_free_at) + size / here.upload_speed
            at += self._network.delay(here, there)
            if there.download_speed:
                at = there.download_free_at = max(at, there.download_free_at) + size / there.download_speed
        at = self._last_arrival = max(at, self._last_arrival)
        self.peer._arrivals.append((at, item))
        if item is _RESET:
            self._loop.call_at(at, self.peer._notice_reset, context=self.peer._context)
        else:
            self.peer._expect()

    def _taken(self, size: int) -> None:
        """The other side's protocol has ``size`` more of our bytes."""
        self._under_way -= size
        if self._pending or self._writing_paused:
            self._loop.call_soon(self._send_unless_closed, context=self._context)

    def _send_unless_closed(self) -> None:
        if not self._closed:
            self._send()

    # -- asyncio.Transport: reading

    def pause_reading(self) -> None:
        """See :class:`asyncio.ReadTransport`."""
        self._reading_paused = True

    def resume_reading(self) -> None:
        """See :class:`asyncio.ReadTransport`."""
        if self._reading_paused:
            self._reading_paused = False
            self._expect()

    def is_reading(self) -> bool:
        """See :class:`asyncio.ReadTransport`."""
        return not self._reading_paused and not self._closing

    def look_again(self) -> None:
        """The way may be clear again: deliver what is due."""
        self._expect()

    def _expect(self) -> None:
        """Arm the timer for the next arrival."""
        if self._timer is None and self._arrivals and (self._protocol is not None or self._closed):
            at = self._arrivals[0][0]
            if at > self._loop.time():
                self._timer = self._loop.call_at(at, self._arrive, context=self._context)
            else:
                self._timer = self._loop.call_soon(self._arrive, context=self._context)

    def _arrive(self) -> None:
        self._timer = None
        if not self._network.clear(self.machine, self.peer.machine):
            return  # a partition: look_again() is called when it ends
        if self._closed:
            self._refuse_late_bytes()
            return
        now = self._loop.time()
        first = self._arrivals[0][1] if self._arrivals else None
        if first is None:
            return
        if self._reading_paused or self._closing:
            self._notice_reset()
            return
        if isinstance(first, _Mark):
            self._arrivals.popleft()
            if first is _RESET:
                self._break(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))
                return
            self._call(self._receive_end)
        else:
            parts = []
            size = 0
            while self._arrivals and size < _RECEIVE_AT_ONCE:
                at, item = self._arrivals[0]
                if at > now or isinstance(item, _Mark):
                    break
                self._arrivals.popleft()
                parts.append(item)
                size += len(item)
            data = parts[0] if len(parts) == 1 else b"".join(parts)
            self._call(lambda: self._receive(data))
        self._expect()

    def _notice_reset(self) -> None:
        """A reset may have arrived. On a socket that nobody reads it shows only when we write."""
        if not self._network.clear(self.machine, self.peer.machine):
            return
        if not (self._reading_paused or self._closing) or self._closed:
            self._expect()
            return
        now = self._loop.time()
        self._reset_waits = any(item is _RESET and at <= now for at, item in self._arrivals)
        if self._reset_waits and (self._pending or self._closing):
            self._break(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    def _call(self, receive: Any) -> None:
        try:
            receive()
        except Exception as error:
            self._loop.call_exception_handler(
                {
                    "message": "Fatal error: a protocol failed at what it received",
                    "exception": error,
                    "transport": self,
                    "protocol": self._protocol,
                }
            )
            self._post(_RESET, 0)
            self._break(error)

    def _receive_end(self) -> None:
        protocol = self._protocol
        assert isinstance(protocol, (asyncio.Protocol, asyncio.BufferedProtocol))
        if not protocol.eof_received():
            self.close()

    def _receive(self, data: bytes) -> None:
        protocol = self._protocol
        size = len(data)
        taken = size
        if isinstance(protocol, asyncio.BufferedProtocol):
            taken = 0
            while taken < size and isinstance(self._protocol, asyncio.BufferedProtocol):
                if taken and (self._reading_paused or self._closing):
                    break
                buffer = memoryview(self._protocol.get_buffer(size - taken))
                if not len(buffer):
                    raise RuntimeError("get_buffer() returned an empty buffer")
                part = min(len(buffer), size - taken)
                buffer[:part] = data[taken : taken + part]
                taken += part
                self._count(part)
                self._protocol.buffer_updated(part)
            if taken < size and not self._closed:
                self._arrivals.appendleft((0.0, data[taken:]))
        else:
            assert isinstance(protocol, asyncio.Protocol)
            self._count(size)
            protocol.data_received(data)

    def _count(self, size: int) -> None:
        self.machine.bytes_received += size
        self.peer._taken(size)

    # -- asyncio.Transport: ending

    def is_closing(self) -> bool:
        """See :class:`asyncio.BaseTransport`."""
        return self._closing

    def close(self) -> None:
        """See :class:`asyncio.BaseTransport`."""
        if not self._closing:
            self._closing = True
            self._send()

    def abort(self) -> None:
        """See :class:`asyncio.WriteTransport`."""
        if not self._closed:
            self._closing = True
            self._drop_pending()
            self._say_goodbye()
            self._loop.call_soon(self._lose, None, context=self._context)

    def break_off(self) -> None:
        """The link breaks: both ends learn it now."""
        for end in (self, self.peer):
            end._break(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))

    def _break(self, error: Exception) -> None:
        """The link is gone for this end."""
        self._closing = True
        self._drop_pending()
        self._arrivals.clear()
        self._loop.call_soon(self._lose, error, context=self._context)

    def _drop_pending(self) -> None:
        self._pending.clear()
        self._pending_size = 0

    def _lose(self, error: Exception | None) -> None:
        if self._closed:
            return
        self._closed = True
        self.machine.links.pop(self, None)
        self._expect()
        if self._protocol is not None:
            self._protocol.connection_lost(error)

    def _refuse_late_bytes(self) -> None:
        """Bytes that reach a closed socket are answered with a reset."""
        now = self._loop.time()
        refused = False
        while self._arrivals and self._arrivals[0][0] <= now:
            refused |= isinstance(self._arrivals.popleft()[1], bytes)
        if refused:
            self._post(_RESET, 0)
        self._expect()

    # -- asyncio.Transport: the rest

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """See :class:`asyncio.BaseTransport`."""
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """See :class:`asyncio.BaseTransport`."""
        assert self._protocol is not None, "the transport was started"
        return self._protocol
