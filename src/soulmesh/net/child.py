"""Programs that we start, follow and end.

Not by asyncio's own means: when every task of a loop is cancelled while such a program is being started, as
``asyncio.run`` does at the second Ctrl-C, whoever starts it waits for ever (CPython 3.11 to 3.13): its end is
told through a task that was cancelled with the others. Here a thread waits for the end.
"""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Literal, Self

__all__ = ["Child"]


class Child:
    """A running program. Use it with ``async with``; leaving the block ends it.

    Args:
        command: the program and its arguments, or a line for the shell.
        give: what it reads on its standard input.
        listen: which of its outputs is read; of the others the errors go where ours go, the rest nowhere.
        own_session: signals from the terminal do not reach it.
        gently: it is asked to end (SIGTERM), and not killed.
    """

    def __init__(
        self,
        command: Sequence[str] | str,
        *,
        give: bytes = b"",
        listen: Literal["stdout", "stderr"] = "stdout",
        own_session: bool = False,
        gently: bool = False,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self._command = command
        self._give = give
        self._listen = listen
        self._own_session = own_session
        self._gently = gently
        self._env = env
        self._cwd = cwd
        self._reader = asyncio.StreamReader()
        self._over = asyncio.Event()

    async def __aenter__(self) -> Self:
        """Start it.

        Raises:
            OSError: it cannot be started.
        """
        self._process = self._start()
        loop = asyncio.get_running_loop()
        pipe: IO[bytes] | None = getattr(self._process, self._listen)
        assert pipe is not None
        threading.Thread(target=self._follow, args=(loop,), name="soulmesh-child", daemon=True).start()
        try:
            self._transport, _ = await loop.connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(self._reader), pipe
            )
        except BaseException:
            pipe.close()
            self.stop()
            raise
        return self

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            self._command,
            shell=isinstance(self._command, str),
            stdin=subprocess.PIPE if self._give else subprocess.DEVNULL,
            stdout=subprocess.PIPE if self._listen == "stdout" else subprocess.DEVNULL,
            stderr=subprocess.PIPE if self._listen == "stderr" else None,
            start_new_session=self._own_session,
            env=self._env,
            cwd=self._cwd,
        )

    async def __aexit__(self, *_: object) -> None:
        # What nobody read, or a child of its own that holds the pipe, must keep nobody waiting.
        self._transport.close()
        self.stop()
        await self._over.wait()
        # The pipe is let go of in the loop's next turn.
        await asyncio.sleep(0)

    def stop(self) -> None:
        """Have it end; nothing happens if it has."""
        with contextlib.suppress(OSError):
            if self._gently:
                self._process.terminate()
            else:
                self._process.kill()

    async def read(self, limit: int) -> bytes:
        """What it prints until it closes its output, but not much more than ``limit`` bytes of it."""
        printed = b""
        while len(printed) <= limit and (more := await self._reader.read(1 << 16)):
            printed += more
        return printed

    async def tail(self, most: int) -> bytes:
        """The last ``most`` bytes of what it prints, once it has closed its output."""
        printed = b""
        while more := await self._reader.read(1 << 16):
            printed = (printed + more)[-most:]
        return printed

    async def lines(self) -> AsyncIterator[bytes]:
        """What it prints, line by line."""
        while line := await self._reader.readline():
            yield line

    async def wait(self) -> int:
        """Wait for its end; returns its exit status, negative for the signal that ended it."""
        await self._over.wait()
        return self._process.returncode

    def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        """The thread: say what there is to say, and wait for the end."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError), self._process.stdin as pipe:
                pipe.write(self._give)
        self._process.wait()
        # A loop that is closed has nobody left who waits.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(self._over.set)
