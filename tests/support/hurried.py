"""An event loop with real sockets and a clock that does not dawdle.

The clock stands still while anything happens: bytes that arrive, tasks that run, threads that
work. When nothing has happened for a moment it jumps towards the next timer, in steps that grow
while it stays quiet. So a scene that was written for virtual time plays over real sockets too,
hours of it in well under a second, and sees the times it waited for.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

__all__ = ["HurriedLoop", "run_hurried"]

T = TypeVar("T")

_QUIET = 0.001
"""Real seconds without news after which the clock may move."""
_FIRST_STEP = 0.02
_PATIENCE = 10.0
"""Real seconds to wait for bytes or threads when no timer is set."""


class _Selector(selectors.DefaultSelector):
    loop: HurriedLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(0)
        if found or (timeout is not None and timeout <= 0):
            return self.loop.noted(found)
        if timeout is None or self.loop.threads:
            found = super().select(_PATIENCE)
            if not found:
                raise TimeoutError("nothing happens, and no timer is set")
            return self.loop.noted(found)
        found = super().select(_QUIET)
        if not found:
            self.loop.jump(timeout)
        return self.loop.noted(found)


class HurriedLoop(asyncio.SelectorEventLoop):
    """See the module. ``limit``: seconds of its own clock after which it gives up."""

    def __init__(self, limit: float) -> None:
        selector = _Selector()
        selector.loop = self
        self.threads = 0
        """Work given to threads that is not done."""
        self._now = 0.0
        self._limit = limit
        self._step = _FIRST_STEP
        super().__init__(selector)

    def time(self) -> float:
        """Seconds, by a clock that jumps."""
        return self._now

    def jump(self, seconds: float) -> None:
        """It is quiet, and the next timer is so far away."""
        if self._step >= seconds:
            # The timer's own time, not a sum, so that it is due for certain.
            self._now = max(self._now, self._scheduled[0].when())  # type: ignore[attr-defined]
        else:
            self._now += self._step
            self._step *= 2
        if self._now > self._limit:
            raise TimeoutError(f"not done after {self._limit:g} s of the hurried clock")

    def noted(
        self, found: list[tuple[selectors.SelectorKey, int]]
    ) -> list[tuple[selectors.SelectorKey, int]]:
        """Something happened, or not."""
        if found:
            self._step = _FIRST_STEP
        return found

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """As ever; the clock waits for it."""
        future = super().run_in_executor(executor, func, *args)
        self.threads += 1

        def done(_: asyncio.Future[T]) -> None:
            self.threads -= 1

        future.add_done_callback(done)
        return future


def run_hurried(coroutine: Coroutine[Any, Any, T], *, limit: float) -> T:
    """Run to the end on a loop of this kind.

    Raises:
        TimeoutError: it takes longer than ``limit`` seconds of the loop's clock, or nothing goes on.
    """
    with asyncio.Runner(loop_factory=lambda: HurriedLoop(limit)) as runner:
        return runner.run(coroutine)
