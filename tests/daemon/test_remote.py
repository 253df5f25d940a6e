"""The Python client of our own API: a method for every operation, and words for every refusal."""

from __future__ import annotations

import asyncio
import inspect
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from soulmesh.daemon.api1.api import operations
from soulmesh.daemon.remote import (
    Daemon,
    DaemonCannot,
    DaemonRefused,
    DaemonUnreachable,
    NotThere,
    RequestRefused,
)
from soulmesh.daemon.remote import parts as by_subject
from soulmesh.daemon.remote.parts.common import wanted
from tests.daemon.fakes import Stage

Perform = Callable[..., None]

VALUES: dict[str, Any] = {
    "files": [("a\\b.flac", 1)],
    "candidates": [("x", [("a\\b.flac", 1)])],
    "transfers": ["x"],
    "values": {"a.b": 1},
    "root": 1,
    "priority": 1,
    "days": 1,
    "rules": {},
    "on": True,
    "away": True,
}
BODY = {
    "items": [],
    "next": None,
    "interval": 0,
    "on": True,
    "token": "t",
    "seconds_left": 0,
    "text": "",
    "taken": 0,
}


async def exhaust(found: Any) -> None:
    if isinstance(found, AsyncIterator):
        async for _ in found:
            pass
    elif inspect.isawaitable(found):
        await found


def test_there_is_a_method_for_every_operation(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        asked: set[tuple[str, str]] = set()
        patterns = {
            (one.method, one.path): re.compile(re.sub(r"\{\w+\}", "[^/]+", one.path))
            for one in operations(on.service, None)
        }

        def answer(request: httpx.Request) -> httpx.Response:
            path = request.url.raw_path.partition(b"?")[0].decode().removeprefix("/api/v1")
            fitting = [
                key
                for key, pattern in patterns.items()
                if key[0] == request.method and pattern.fullmatch(path)
            ]
            assert fitting, (request.method, path)
            # The one with the fewest variable pieces is the one that is meant.
            asked.add(min(fitting, key=lambda key: key[1].count("{")))
            return httpx.Response(200, json=BODY)

        async with Daemon("http://localhost", "key", transport=httpx.MockTransport(answer)) as daemon:
            subjects = [daemon] + [
                part for part in vars(daemon).values() if type(part).__name__ in by_subject.__all__
            ]
            for subject in subjects:
                for name, method in inspect.getmembers(subject, inspect.ismethod):
                    if name.startswith("_") or name in ("ask", "at", "close", "pages"):
                        continue
                    assert method.__doc__, name
                    needed = [
                        parameter.name
                        for parameter in inspect.signature(method).parameters.values()
                        if parameter.default is parameter.empty
                        and parameter.kind is not parameter.VAR_KEYWORD
                    ]
                    await exhaust(method(**{word: VALUES.get(word, "x/y") for word in needed}))
        assert set(patterns) - asked == set()

    perform(play)


@pytest.mark.parametrize(
    ("status", "kind"),
    [(404, NotThere), (401, DaemonRefused), (422, RequestRefused), (503, DaemonCannot), (504, DaemonCannot)],
)
def test_what_the_daemon_refuses_is_said_in_its_words(status: int, kind: type[Exception]) -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(
            status, json={"title": "No", "status": status, "detail": "not like this", "hint": "like that"}
        )

    async def play() -> None:
        async with Daemon("http://localhost", transport=httpx.MockTransport(answer)) as daemon:
            with pytest.raises(kind, match="not like this") as caught:
                await daemon.status()
            assert getattr(caught.value, "hint", None) == "like that"

    asyncio.run(play())


def test_too_soon_says_how_long_to_wait() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(429, headers={"Retry-After": "7"}, text="no JSON at all")

    async def play() -> None:
        async with Daemon("http://localhost", transport=httpx.MockTransport(answer)) as daemon:
            with pytest.raises(DaemonRefused) as refused:
                await daemon.searches.begin("quiet harbor")
            assert (refused.value.status, refused.value.wait) == (429, 7.0)
            assert "429" in str(refused.value)

    asyncio.run(play())


def test_nobody_there() -> None:
    def answer(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    async def play() -> None:
        async with Daemon("http://localhost:1", transport=httpx.MockTransport(answer)) as daemon:
            with pytest.raises(DaemonUnreachable, match="localhost:1 cannot be reached"):
                await daemon.status()
            with pytest.raises(DaemonUnreachable):
                async for _ in daemon.events():
                    pass

    asyncio.run(play())


def test_a_size_that_nobody_told_is_not_called_zero() -> None:
    """Who has no size yet can ask for it; a file of no bytes is another one."""
    files = [("a.flac", None), ("b.txt", 0), ("c.flac", 5)]
    assert wanted(files) == [{"path": "a.flac"}, {"path": "b.txt", "size": 0}, {"path": "c.flac", "size": 5}]
