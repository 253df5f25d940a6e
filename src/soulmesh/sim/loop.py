"""An event loop whose clock jumps to the next timer.

The production code takes monotonic time from the running loop, so on this loop
an hour of timers passes in a millisecond, the same way every time. The loop
owns no socket and no thread: network and disk come from
:mod:`soulmesh.net.memory` and :class:`soulmesh.net.memory_disk.MemoryDisk`, and work
given to ``run_in_executor`` runs in its turn on the loop itself, during which
no virtual time passes.
"""

from __future__ import annotations

import asyncio
import asyncio.tasks
import contextlib
import contextvars
import math
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar

from soulmesh.errors import SoulmeshError

__all__ = ["Deadlock", "VirtualLoop", "VirtualTimeout", "run_virtual"]

T = TypeVar("T")

DAY = 86400.0

_THREAD_GRACE = 2.0


class Deadlock(SoulmeshError):
    """Every task waits, and no timer or input will ever wake one of them."""

    def __init__(self, now: float, waiting: list[str]) -> None:
        self.now = now
        self.waiting = waiting

    def __str__(self) -> str:
        lines = "".join(f"\n  {task}" for task in self.waiting)
        return f"deadlock at {self.now:.3f} s of virtual time: nothing can wake any task{lines}"


class VirtualTimeout(SoulmeshError):
    """The virtual clock passed the limit of :func:`run_virtual`."""

    def __init__(self, limit: float, waiting: list[str]) -> None:
        self.limit = limit
        self.waiting = waiting

    def __str__(self) -> str:
        lines = "".join(f"\n  {task}" for task in self.waiting)
        return f"not done after {self.limit:g} s of virtual time{lines}"


class _Selector:
    """What the base loop asks for input: there never is any, so time may jump."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            self._loop.wait_for_threads()
        elif timeout > 0:
            self._loop.jump(timeout)
        return []

    def close(self) -> None:
        pass


class VirtualLoop(asyncio.BaseEventLoop):
    """asyncio's own loop on virtual time, which starts at ``start`` seconds."""

    def __init__(self, *, start: float = 0.0, limit: float | None = None) -> None:
        super().__init__()
        self._now = start
        self._limit = limit
        self._selector = _Selector(self)
        self._woken = threading.Event()

    def time(self) -> float:
        """Seconds of virtual time."""
        return self._now

    @property
    def _clock_resolution(self) -> float:
        # The base loop runs timers that are due before time() + resolution. The smallest
        # step of the clock makes that exact: a timer never goes off before its time.
        return math.ulp(self._now)

    @_clock_resolution.setter
    def _clock_resolution(self, seconds: float) -> None:
        pass

    def jump(self, seconds: float) -> None:
        """Let the clock go to the next timer, which is ``seconds`` away.

        Raises:
            VirtualTimeout: that would be beyond the limit.
        """
        timers: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]
        # The timer's own number, not a sum: late in a long run a small step could round to nothing.
        then = timers[0].when() if timers else self._now + seconds
        if self._limit is not None and then > self._limit:
            self._now = self._limit
            raise VirtualTimeout(self._limit, self._waiting())
        self._now = max(self._now, then)

    def wait_for_threads(self) -> None:
        """Nothing is left to run: wait for a thread of somebody else's, if there is one, else give up.

        Raises:
            Deadlock: no thread woke the loop.
        """
        if self._woken.is_set() or (threading.active_count() > 1 and self._woken.wait(_THREAD_GRACE)):
            self._woken.clear()
            return
        raise Deadlock(self._now, self._waiting())

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Run ``func`` on the loop itself, at its next turn; whatever the executor, the order is the same."""
        future: asyncio.Future[T] = self.create_future()

        def work() -> None:
            if future.cancelled():
                return
            try:
                result = func(*args)
            except (SystemExit, KeyboardInterrupt):
                raise
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)

        # As in a real worker thread, the caller's context variables are not seen.
        self.call_soon(work, context=contextvars.Context())
        return future

    async def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        """Real sockets have no place in virtual time."""
        raise NotImplementedError("a virtual loop has no sockets: use soulmesh.net.memory.MemoryNetwork")

    create_server = create_connection
    create_datagram_endpoint = create_connection
    create_unix_connection = create_connection
    create_unix_server = create_connection
    subprocess_exec = create_connection
    subprocess_shell = create_connection

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    def _write_to_self(self) -> None:
        self._woken.set()

    def _waiting(self) -> list[str]:
        lines = []
        for task in asyncio.all_tasks(self):
            frames = task.get_stack(limit=1)
            where = f"{frames[0].f_code.co_filename}:{frames[0].f_lineno}" if frames else "?"
            coroutine = task.get_coro()
            name = getattr(coroutine, "__qualname__", repr(coroutine))
            lines.append(f"{task.get_name()} {name} at {where}")
        return sorted(lines)


def run_virtual(coroutine: Coroutine[Any, Any, T], *, limit: float = DAY, start: float = 0.0) -> T:
    """Run ``coroutine`` to its end on a new :class:`VirtualLoop` and return its result.

    ``limit``: virtual seconds after which it counts as hung. Tasks that it
    leaves behind are cancelled, as by ``asyncio.run``.

    Raises:
        Deadlock: nothing can wake any task.
        VirtualTimeout: the limit was reached.
    """

    def make() -> VirtualLoop:
        return VirtualLoop(start=start, limit=start + limit)

    runner = asyncio.Runner(loop_factory=make)
    try:
        result = runner.run(coroutine)
    except (Deadlock, VirtualTimeout):
        _end(runner)
        raise
    except BaseException:
        runner.close()
        raise
    runner.close()
    return result


def _end(runner: asyncio.Runner) -> None:
    """Close after a hang: the tasks are cancelled, and one that hangs in its cleanup too is let go."""
    loop = runner.get_loop()
    assert isinstance(loop, VirtualLoop)
    loop._limit = loop.time() + DAY
    with contextlib.suppress(Deadlock, VirtualTimeout):
        runner.close()
        return
    for task in asyncio.all_tasks(loop):
        # Nobody will look at these any more; asyncio would complain of each one.
        task._log_destroy_pending = False  # type: ignore[attr-defined]
    loop.close()
