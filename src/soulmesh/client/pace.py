"""The governor at work: callers wait for their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Iterable, Mapping

from soulmesh.client.errors import TooManyRequests
from soulmesh.client.tasks import Timer
from soulmesh.core.pacing import Governor, Rate, Request

__all__ = ["Pace"]


class Pace:
    """Lets requests go at the pace of :class:`soulmesh.core.pacing.Governor`."""

    def __init__(self, rates: Mapping[str, Rate]) -> None:
        self._governor = Governor(rates)
        self._waiting: dict[Request, asyncio.Future[None]] = {}
        self._timer = Timer(self._tick)

    def delay(self, subject: str, *, interactive: bool = True) -> float:
        """Seconds that a new request of this subject would wait."""
        return self._governor.delay(subject, interactive=interactive, now=self._now())

    async def turn(
        self, subject: str, key: Hashable, *, interactive: bool = True, patience: float | None = None
    ) -> None:
        """Wait until a request may go. Those with an equal ``key`` that wait go together.

        Raises:
            TooManyRequests: it would take longer than ``patience`` seconds; says how long.
        """
        if patience is not None:
            delay = self.delay(subject, interactive=interactive)
            if delay > patience:
                raise TooManyRequests(subject, delay)
        request, granted = self._governor.ask(subject, key, interactive=interactive, now=self._now())
        if request in granted:
            self._release(other for other in granted if other is not request)
            return
        self._release(granted)
        future = self._waiting.get(request)
        if future is None:
            future = self._waiting[request] = asyncio.get_running_loop().create_future()
        self._timer.set(self._governor.deadline)
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            self._governor.cancel(request)
            if request.wanted_by <= 0:
                self._waiting.pop(request, None)
            self._timer.set(self._governor.deadline)
            raise

    def close(self) -> None:
        """Let nobody go any more."""
        self._timer.cancel()

    def _tick(self) -> None:
        self._release(self._governor.tick(self._now()))
        self._timer.set(self._governor.deadline)

    def _release(self, granted: Iterable[Request]) -> None:
        for request in granted:
            future = self._waiting.pop(request, None)
            if future is not None and not future.done():
                future.set_result(None)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
