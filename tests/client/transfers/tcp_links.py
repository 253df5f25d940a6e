"""Links over real sockets without a server: every user listens on a port that all others know.

For tests whose point is real processes and real files, and for measuring transfers alone.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from typing import Any

from soulmesh import wire
from soulmesh.client.errors import PeerUnreachable
from soulmesh.errors import NetworkError
from soulmesh.net.stream import Stream, listen_streams, open_stream
from soulmesh.net.tcp import TcpNetwork
from soulmesh.net.world import Listener
from soulmesh.wire import peer_init
from soulmesh.wire.message import Message


class TcpLinks:
    """One user's links."""

    def __init__(self, username: str, addresses: dict[str, int]) -> None:
        self.username = username
        self.addresses = addresses
        self.network = TcpNetwork()
        self.handlers: dict[type[Message], list[Callable[[str, Any], None]]] = {}
        self.file_handler: Callable[[str, Stream], Awaitable[None]] | None = None
        self.listener: Listener | None = None
        self._open: dict[str, Stream] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, port: int = 0) -> int:
        self.listener = await listen_streams(self.network, self._accepted, "127.0.0.1", port)
        self.addresses[self.username] = self.listener.port
        return self.listener.port

    async def close(self) -> None:
        if self.listener is not None:
            self.listener.close()
        for stream in self._open.values():
            stream.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _run(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _accepted(self, stream: Stream) -> None:
        self._run(self._greet(stream))

    async def _greet(self, stream: Stream) -> None:
        try:
            header = await stream.readexactly(4)
            [length] = struct.unpack("<I", header)
            init: Any = wire.decode(header + await stream.readexactly(length), "peer_init", "peer")
        except NetworkError:
            stream.abort()
            return
        if init.connection_type == "F":
            assert self.file_handler is not None
            try:
                await self.file_handler(init.username, stream)
            finally:
                stream.close()
        else:
            await self._hear(init.username, stream)

    async def _hear(self, username: str, stream: Stream) -> None:
        self._open[username] = stream
        reader = wire.FrameReader("peer", "peer")
        try:
            while data := await stream.read():
                for frame in reader.feed(data):
                    message = frame.decode()
                    for handler in self.handlers.get(type(message), []):
                        handler(username, message)
        except NetworkError:
            pass
        finally:
            if self._open.get(username) is stream:
                del self._open[username]
            stream.close()

    async def _dial(self, username: str, kind: str) -> Stream:
        try:
            stream = await open_stream(self.network, "127.0.0.1", self.addresses[username], timeout=10)
        except (NetworkError, KeyError) as error:
            raise PeerUnreachable(username, str(error), None) from error
        stream.write(wire.encode(peer_init.PeerInit(self.username, kind, 0)))
        return stream

    async def send(self, username: str, message: Message, *, timeout: float | None = None) -> None:
        stream = self._open.get(username)
        if stream is None:
            stream = await self._dial(username, "P")
            self._open[username] = stream
            self._run(self._hear(username, stream))
        stream.write(wire.encode(message))

    async def ask(self, *_: Any, **__: Any) -> Any:
        raise NotImplementedError

    def on(self, message: type[Message], handler: Callable[[str, Any], None]) -> Callable[[], None]:
        self.handlers.setdefault(message, []).append(handler)
        return lambda: self.handlers[message].remove(handler)

    async def open_file_link(self, username: str, *, timeout: float | None = None) -> Stream:
        return await self._dial(username, "F")

    def on_file_link(self, handler: Callable[[str, Stream], Awaitable[None]]) -> None:
        self.file_handler = handler
