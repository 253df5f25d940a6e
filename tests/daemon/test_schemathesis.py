"""Requests made from our own description, sensible and senseless ones: each answer is as described."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable

from soulmesh.daemon.api1.api import api
from soulmesh.daemon.engine import Account
from soulmesh.daemon.http.serving import HttpServer
from soulmesh.daemon.http.shell import Shell
from soulmesh.daemon.run import Daemon
from tests.daemon.fakes import KEY, stage, strike
from tests.daemon.stagecraft import loader

schemathesis = pytest.importorskip("schemathesis")

EXAMPLES = 8
"""Of each operation, with sense and without."""
HEADERS = {"X-API-Key": KEY}
ENDLESS = {"/events"}


@contextlib.asynccontextmanager
async def serving(tmp_path: Path, behind: str) -> AsyncIterator[str]:
    """The API: before a client that does what it is told, or before a real one that is logged out."""
    if behind == "a client":
        values = {
            "daemon": {"data": str(tmp_path / "data")},
            "network": {"server": "127.0.0.1:1", "listen_port": 0},
            "downloads": {"folder": str(tmp_path / "downloads")},
            "web": {"port": 0, "api_key": KEY},
        }
        async with Daemon(loader(values, Account(None))) as daemon:
            yield daemon.url
        return
    on = await stage(tmp_path)
    server = HttpServer(Shell([api(on.service)], lambda: on.service.authenticator), "127.0.0.1", 0)
    await server.start()
    yield server.url
    await server.stop()
    await strike(on)


@contextmanager
def served(tmp_path: Path, behind: str) -> Iterator[str]:
    """The API on a loop in a thread of its own."""
    ready, url, over = threading.Event(), [""], [lambda: None]

    async def serve() -> None:
        async with serving(tmp_path, behind) as at:
            done = asyncio.Event()
            loop = asyncio.get_running_loop()
            over[0] = lambda: loop.call_soon_threadsafe(done.set)  # type: ignore[func-returns-value,return-value]
            url[0] = at
            ready.set()
            await done.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(20)
        yield url[0]
    finally:
        over[0]()
        thread.join(20)


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Requests for every operation. Making them costs far more than asking: they are made once, for all."""
    from schemathesis.generation.modes import GenerationMode

    found: list[Any] = []
    with served(tmp_path_factory.mktemp("described"), "a stage") as url:
        schema = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json", headers=HEADERS)
    for result in schema.get_all_operations():
        operation = result.ok()
        if operation.path in ENDLESS:
            continue
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                strategy = operation.as_strategy(generation_mode=mode)
            except Exception as error:
                # Where nothing can be given, nothing wrong can be given.
                if mode is GenerationMode.NEGATIVE:
                    continue
                raise AssertionError(operation.label) from error

            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                database=None,
                derandomize=True,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=strategy)
            def one(case: Any) -> None:
                found.append(case)

            try:
                one()
            except Unsatisfiable:
                if mode is GenerationMode.POSITIVE:
                    raise
    assert len({(case.method, case.path) for case in found}) > 100
    return found


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("behind", ["a stage", "a client"])
def test_every_answer_is_as_described(tmp_path: Path, behind: str, cases: list[Any]) -> None:
    from schemathesis.specs.openapi import checks

    wanted = [
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]
    with served(tmp_path, behind) as url, requests.Session() as session:
        for case in cases:
            response = case.call(base_url=f"{url}/api/v1", headers=HEADERS, session=session)
            assert response.status_code != 500, (case.method, case.path, response.text)
            case.validate_response(response, checks=wanted)
