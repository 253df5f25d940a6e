"""Running a coroutine as a test: in virtual time, or on a real loop."""

from __future__ import annotations

import asyncio
import functools
import gc
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

from soulmesh.sim.loop import VirtualLoop, run_virtual

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


def ctrl_c(work: Coroutine[Any, Any, Any], *, first: int, second: int, in_virtual_time: bool = True) -> bool:
    """Run ``work`` as ``asyncio.run`` does while Ctrl-C is pressed twice, in these turns of the loop.

    The first time the main task is cancelled. The second time the loop is left, and all tasks that are there
    are cancelled and waited for: one that does not end fails the test. Returns whether it came that far.
    """
    base: Any = VirtualLoop if in_virtual_time else asyncio.SelectorEventLoop

    class Interrupted(base):  # type: ignore[misc]
        turn = 0

        def _run_once(self) -> None:
            self.turn += 1
            if self.turn == first:
                [main] = [task for task in asyncio.all_tasks(self) if task.get_name() == "main"]
                main.cancel()
            if self.turn == second:
                if not in_virtual_time:
                    # Nothing else would end a real loop in which a task waits for ever.
                    self.call_later(20, self.stop)
                raise KeyboardInterrupt
            super()._run_once()

    async def main() -> None:
        await asyncio.create_task(work, name="main")

    try:
        with asyncio.Runner(loop_factory=Interrupted) as runner:
            runner.run(main())
    except KeyboardInterrupt:
        return True
    except asyncio.CancelledError:
        return False
    finally:
        gc.collect()
    return False
