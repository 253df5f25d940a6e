"""Pairs of connected streams on every kind of network, so that one test serves all of them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import pytest
import uvloop

from soulmesh.net.memory import stream_pair
from soulmesh.net.stream import Stream, listen_streams, open_stream
from soulmesh.net.tcp import TcpNetwork
from soulmesh.sim.loop import run_virtual


class Pair(Protocol):
    """Opens two connected streams and aborts them at the end."""

    def __call__(self, limit: int = 64 * 1024) -> AbstractAsyncContextManager[tuple[Stream, Stream]]: ...


@asynccontextmanager
async def tcp_pair(limit: int = 64 * 1024) -> AsyncIterator[tuple[Stream, Stream]]:
    """Two ends of a TCP connection on this machine."""
    network = TcpNetwork()
    accepted: asyncio.Queue[Stream] = asyncio.Queue()
    listener = await listen_streams(network, accepted.put_nowait, "127.0.0.1", 0, limit=limit)
    one = await open_stream(network, "127.0.0.1", listener.port, limit=limit)
    other = await accepted.get()
    listener.close()
    async with _closing(one, other):
        yield one, other


@asynccontextmanager
async def memory_pair(limit: int = 64 * 1024) -> AsyncIterator[tuple[Stream, Stream]]:
    """Two ends of a link in memory."""
    one, other = await stream_pair(limit=limit)
    async with _closing(one, other):
        yield one, other


@asynccontextmanager
async def _closing(*streams: Stream) -> AsyncIterator[None]:
    try:
        yield
    finally:
        for stream in streams:
            stream.abort()
            await stream.wait_closed()


def _on_asyncio(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(_bounded(coroutine))


def _on_uvloop(coroutine: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_bounded(coroutine))


async def _bounded(coroutine: Coroutine[Any, Any, None]) -> None:
    async with asyncio.timeout(20):
        await coroutine


_KINDS: dict[str, tuple[Callable[[Coroutine[Any, Any, None]], None], Pair]] = {
    "tcp": (_on_asyncio, tcp_pair),
    "uvloop": (_on_uvloop, tcp_pair),
    "memory": (run_virtual, memory_pair),
}


def each_network(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Run the test, which takes a :class:`Pair` first, on TCP with both loops and in memory."""

    @pytest.mark.parametrize("kind", list(_KINDS))
    def run(kind: str) -> None:
        runner, pair = _KINDS[kind]
        runner(test(pair))

    run.__name__, run.__doc__, run.__module__ = test.__name__, test.__doc__, test.__module__
    return run


def open_descriptors() -> int:
    """How many files and sockets this process has open; 0 where the system does not say."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0


__all__ = ["Pair", "each_network", "memory_pair", "open_descriptors", "tcp_pair"]
