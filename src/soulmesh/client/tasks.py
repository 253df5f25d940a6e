"""The tasks of one owner: started here, ended with it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from soulmesh.errors import SoulmeshError

__all__ = ["Tasks", "Timer", "Turnstile"]

log = logging.getLogger(__name__)


class Tasks:
    """Tasks that live as long as their owner and end when it closes.

    An :class:`asyncio.TaskGroup` ends all its tasks when one fails; here one link that
    fails must not take the others along. A failure is logged, an unexpected one with its
    traceback.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[None]:
        """Run ``work`` in a task; after :meth:`close` it is dropped unrun."""
        if self._closed:
            work.close()
            work = _nothing()
        task = asyncio.get_running_loop().create_task(self._guard(work, name), name=f"{self._name}: {name}")
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            # A task that is cancelled before its first step never touched its work.
            work.close()

        task.add_done_callback(ended)
        return task

    async def close(self) -> None:
        """Cancel everything and wait until it is gone."""
        self._closed = True
        while self._tasks:
            tasks = [task for task in self._tasks if task is not asyncio.current_task()]
            if not tasks:
                return
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _guard(self, work: Coroutine[Any, Any, Any], name: str) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except SoulmeshError as error:
            log.info("%s: %s: %s", self._name, name, error)
        except Exception:
            log.exception("%s: %s failed", self._name, name)


async def _nothing() -> None:
    pass


class Timer:
    """One timer that follows the ``deadline`` of a machine."""

    def __init__(self, due: Callable[[], None]) -> None:
        self._due = due
        self._handle: asyncio.TimerHandle | None = None
        self._at: float | None = None

    def set(self, deadline: float | None) -> None:
        """Call ``due`` at ``deadline`` of the loop's clock; ``None``: never."""
        if deadline == self._at and (deadline is None or self._handle is not None):
            return
        self.cancel()
        self._at = deadline
        if deadline is not None:
            self._handle = asyncio.get_running_loop().call_at(deadline, self._fire)

    def cancel(self) -> None:
        """Forget it."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._at = None

    def _fire(self) -> None:
        self._handle = self._at = None
        self._due()


class Turnstile:
    """Lets a few through in each turn of the loop: a crowd then delays nobody for long.

    Args:
        each: how many.
    """

    def __init__(self, each: int) -> None:
        self._each = each
        self._left = each
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._turning = False

    async def enter(self) -> None:
        """Wait for a turn with room."""
        if self._left and not self._waiting:
            self._left -= 1
            self._turn_soon()
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        self._turn_soon()
        await place

    def _turn_soon(self) -> None:
        if not self._turning:
            self._turning = True
            asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        self._turning = False
        self._left = self._each
        while self._waiting and self._left:
            place = self._waiting.popleft()
            if not place.done():
                place.set_result(None)
                self._left -= 1
        if self._waiting:
            self._turn_soon()
