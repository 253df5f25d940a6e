"""The tasks of one owner: started here, ended with it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from soulmesh.errors import SoulmeshError

__all__ = ["Tasks", "Timer"]

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
