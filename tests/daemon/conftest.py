from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.fakes import Stage, stage, strike

Play = Callable[[Stage], Coroutine[Any, Any, None]]


@pytest.fixture
def perform(tmp_path: Path) -> Callable[..., None]:
    """Runs a test's coroutine on a stage of its own."""

    def run(play: Play, **settings: Any) -> None:
        async def whole() -> None:
            on = await stage(tmp_path, **settings)
            try:
                async with asyncio.timeout(20):
                    await play(on)
            finally:
                await strike(on)

        asyncio.run(whole())

    return run
