"""A real server process, to be killed."""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from soulmesh import wire
from soulmesh.wire import to_client
from tests.server.support import User, login

Test = Callable[[Path], Coroutine[Any, Any, None]]


def patient(test: Test) -> Test:
    """Run the test on a real loop; processes take their time to start on a busy machine."""

    @pytest.mark.timeout(120)
    @functools.wraps(test)
    def run(tmp_path: Path) -> None:
        async def bounded() -> None:
            async with asyncio.timeout(110):
                await test(tmp_path)

        asyncio.run(bounded())

    return cast(Test, run)


class Process:
    """``soulmesh server`` on a data folder."""

    def __init__(self, data: Path, *changes: str) -> None:
        self.data = data
        self.changes = changes
        self.port = 0
        self.process: asyncio.subprocess.Process | None = None
        self.users: list[User] = []

    async def start(self) -> None:
        command = [sys.executable, "-m", "soulmesh", "server", "--port", "0", "--data", str(self.data)]
        for change in ("accounts.argon2_memory_kib=64", *self.changes):
            command += ["--set", change]
        self.process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, env=environment()
        )
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        line = (await self.process.stdout.readline()).decode()
        if not line.startswith("listening on "):
            raise AssertionError((line, (await self.process.stderr.read()).decode()))
        self.port = int(line.rpartition(":")[2])

    async def signal(self, number: signal.Signals) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        await self.process.communicate()
        for user in self.users:
            await user.leave()
        self.users.clear()
        assert self.process.returncode is not None
        return self.process.returncode

    async def connect(self, name: str) -> User:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        user = User(name, reader, writer)
        self.users.append(user)
        return user

    async def enter(self, name: str, password: str = "secret") -> User:
        user = await self.connect(name)
        user.send(login(name, password))
        assert (await user.next(to_client.Login)).success
        await user.next(to_client.ExcludedSearchPhrases)
        return user


def environment() -> dict[str, str]:
    source = str(Path(wire.__file__).parents[2])
    return {**os.environ, "PYTHONPATH": source}


@asynccontextmanager
async def process(data: Path, *changes: str) -> AsyncIterator[Process]:
    one = Process(data, *changes)
    try:
        # A start that is given up half-way leaves no process behind either.
        await one.start()
        yield one
    finally:
        if one.process is not None and one.process.returncode is None:
            one.process.kill()
            await one.signal(signal.SIGKILL)


async def command(*words: str, check: bool = True, given: bytes | None = None) -> tuple[int, str, str]:
    """Run ``soulmesh server WORDS``: exit code, output, errors."""
    run = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "soulmesh",
        "server",
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    out, err = await run.communicate(given)
    code = run.returncode
    assert code is not None
    if check:
        assert code == 0, (words, code, out, err)
    return code, out.decode(), err.decode()
