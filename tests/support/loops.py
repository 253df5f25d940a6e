"""Running a coroutine as a test: in virtual time, or on a real loop."""

from __future__ import annotations

import asyncio
import functools
import gc
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from soulmesh.sim.loop import run_virtual

P = ParamSpec("P")
T = TypeVar("T")


def virtual(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Run the test on a :class:`~soulmesh.sim.loop.VirtualLoop`: no test that waits takes any time."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        return run_virtual(test(*args, **kwargs))

    return run


def real(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Run the test on a real asyncio loop, for real sockets, files and processes; no longer than 50 s."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        async def bounded() -> T:
            try:
                async with asyncio.timeout(50):
                    return await test(*args, **kwargs)
            finally:
                # Connections that were closed at the end let go of their sockets in the next turns.
                for _ in range(5):
                    await asyncio.sleep(0)

        try:
            return asyncio.run(bounded())
        finally:
            # What this test leaves open is found here, not in whatever test the collector runs in next.
            gc.collect()

    return run
