"""What is typed at a terminal, or comes from a pipe or a file, line by line."""

from __future__ import annotations

import asyncio
import os
import select
import threading
from collections.abc import AsyncGenerator
from contextlib import suppress

__all__ = ["lines"]

_MOST = 65536


async def lines(descriptor: int = 0) -> AsyncGenerator[str]:
    """Lines of standard input (or of another descriptor) without their ends, until there is no more.

    A terminal is one file for what is typed and what is shown, so it is left blocking, and a loop cannot
    wait for a file at all: a thread reads, one piece at a time. It is nobody's business when the command
    ends before something was typed.
    """
    rest = b""
    while piece := await _piece(descriptor):
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "replace").removesuffix("\r")
    if rest:
        yield rest.decode("utf-8", "replace")


async def _piece(descriptor: int) -> bytes:
    loop = asyncio.get_running_loop()
    came: asyncio.Future[bytes] = loop.create_future()

    def deliver(data: bytes) -> None:
        if not came.done():
            came.set_result(data)

    def read() -> None:
        data = None
        while data is None:
            try:
                data = os.read(descriptor, _MOST)
            except BlockingIOError:
                # Whoever had the terminal before us left it so.
                select.select([descriptor], [], [])
            except OSError:
                data = b""
        with suppress(RuntimeError):
            # The loop may be closed by now.
            loop.call_soon_threadsafe(deliver, data)

    threading.Thread(target=read, name="typed", daemon=True).start()
    return await came
