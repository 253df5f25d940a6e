"""Requests made from our own description, sensible and senseless ones: each answer is as described."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from soulmesh.daemon.api1.api import api
from soulmesh.daemon.http.serving import HttpServer
from soulmesh.daemon.http.shell import Shell
from tests.daemon.fakes import KEY, stage, strike

schemathesis = pytest.importorskip("schemathesis")

EXAMPLES = 12
ENDLESS = {"/events"}


@contextmanager
def served(tmp_path: Path) -> Iterator[str]:
    """The API on a loop in a thread of its own."""
    ready, url, over = threading.Event(), [""], [lambda: None]

    async def serve() -> None:
        on = await stage(tmp_path)
        server = HttpServer(Shell([api(on.service)], lambda: on.service.authenticator), "127.0.0.1", 0)
        await server.start()
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        over[0] = lambda: loop.call_soon_threadsafe(done.set)  # type: ignore[func-returns-value,return-value]
        url[0] = server.url
        ready.set()
        await done.wait()
        await server.stop()
        await strike(on)

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    try:
        assert ready.wait(20)
        yield url[0]
    finally:
        over[0]()
        thread.join(20)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_answer_is_as_described(tmp_path: Path) -> None:
    from schemathesis.generation.modes import GenerationMode
    from schemathesis.specs.openapi import checks

    wanted = [
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
    ]
    headers = {"X-API-Key": KEY}
    with served(tmp_path) as url:
        schema = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json", headers=headers)
        seen = 0
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
                    response = case.call(headers=headers)
                    assert response.status_code != 500, (case.method, case.path, response.text)
                    case.validate_response(response, checks=wanted)

                one()
                seen += 1
        assert seen > 50
