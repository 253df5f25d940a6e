"""Too many connections: who only keeps one makes room, and who finds none is told to come again."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest
from starlette.responses import PlainTextResponse

from soulmesh.daemon.http import serving
from soulmesh.daemon.http.serving import HttpServer

REQUEST = b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n"


class Caller:
    """A connection, request by request."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self) -> None:
        self._writer.write(REQUEST)
        head = await self._reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 OK")
        assert await self._reader.readexactly(2) == b"ok"

    def say(self, data: bytes) -> None:
        self._writer.write(data)

    def begin(self) -> None:
        self._writer.write(REQUEST)

    async def rest(self) -> bytes:
        """What comes until the end."""
        with contextlib.suppress(ConnectionResetError):
            return await self._reader.read()
        return b""


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MOST_CONNECTIONS", 2)
    monkeypatch.setattr(serving, "IDLE_AT_LEAST", 0.0)


@contextlib.asynccontextmanager
async def served(
    hold: asyncio.Event | None = None, begun: asyncio.Semaphore | None = None
) -> AsyncIterator[Any]:
    """A server, and what connects to it."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if begun is not None:
            begun.release()
        if hold is not None:
            await hold.wait()
        await PlainTextResponse("ok")(scope, receive, send)

    server = HttpServer(app, "127.0.0.1", 0)
    await server.start()
    writers: list[asyncio.StreamWriter] = []

    async def connect() -> Caller:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writers.append(writer)
        return Caller(reader, writer)

    try:
        yield connect
    finally:
        for writer in writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)
        await server.stop()


@pytest.mark.usefixtures("few")
def test_the_connection_that_was_idle_longest_makes_room() -> None:
    async def play() -> None:
        async with served() as connect:
            first, second = await connect(), await connect()
            await first.ask()
            await second.ask()
            await first.ask()
            third = await connect()
            await third.ask()
            # The second one had waited longest.
            assert await second.rest() == b""
            await first.ask()
            await third.ask()

    asyncio.run(play())


@pytest.mark.usefixtures("few")
def test_who_never_asked_makes_room_too() -> None:
    async def play() -> None:
        async with served() as connect:
            silent = [await connect() for _ in range(2)]
            late = await connect()
            await late.ask()
            assert await silent[0].rest() == b""

    asyncio.run(play())


@pytest.mark.usefixtures("few")
def test_where_all_are_at_work_a_further_one_is_told_to_come_again() -> None:
    async def play() -> None:
        hold, begun = asyncio.Event(), asyncio.Semaphore(0)
        async with served(hold, begun) as connect:
            busy = [await connect() for _ in range(2)]
            for one in busy:
                one.begin()
                await begun.acquire()
            refused = await connect()
            told = await refused.rest()
            assert told.startswith(b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\n")
            hold.set()
            for one in busy:
                await one.ask()

    asyncio.run(play())


def test_who_came_just_now_is_not_put_out_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "MOST_CONNECTIONS", 1)

    async def play() -> None:
        async with served() as connect:
            first = await connect()
            await first.ask()
            assert (await (await connect()).rest()).startswith(b"HTTP/1.1 503 ")
            await first.ask()

    asyncio.run(play())


def test_what_is_no_request_is_told_in_our_log_and_nowhere_else(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    async def play() -> None:
        async with served() as connect:
            caller = await connect()
            caller.say(b"nonsense\r\n\r\n")
            assert (await caller.rest()).startswith(b"HTTP/1.1 400")

    asyncio.run(play())
    told = [one.name for one in caplog.records if "Invalid HTTP request" in one.getMessage()]
    assert told.count("soulmesh.daemon.http") == 1
    assert "Invalid" not in capsys.readouterr().err
    assert not logging.getLogger("uvicorn").propagate
