"""The governor at work: callers wait for their turn."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path

from soulmesh.client.errors import TooManyRequests
from soulmesh.client.tasks import Timer
from soulmesh.core.pacing import Governor, Rate, Request
from soulmesh.errors import SoulmeshError
from soulmesh.net.world import World

log = logging.getLogger(__name__)

__all__ = ["Pace"]


class Pace:
    """Lets requests go at the pace of :class:`soulmesh.core.pacing.Governor`.

    Args:
        rates: how often what may be asked, by subject.
        world: disk and wall clock, for ``path``.
        path: a file that remembers what was asked lately: the server does not forget it when a
            command ends and the next one begins.
    """

    def __init__(
        self, rates: Mapping[str, Rate], world: World | None = None, path: Path | None = None
    ) -> None:
        self._governor = Governor(rates)
        self._world = world
        self._path = path
        self._begun = self._now()
        self._waiting: dict[Request, asyncio.Future[None]] = {}
        self._timer = Timer(self._tick)

    def delay(self, subject: str, *, interactive: bool = True) -> float:
        """Seconds that a new request of this subject would wait."""
        return self._governor.delay(subject, interactive=interactive, now=self._now())

    async def turn(
        self, subject: str, key: Hashable, *, interactive: bool = True, patience: float | None = None
    ) -> Request:
        """Wait until a request may go. Those with an equal ``key`` that wait get the same one.

        Returns:
            What was granted, once: whoever shares it sends one message, and no more.

        Raises:
            TooManyRequests: it would take longer than ``patience`` seconds; says how long.
        """
        if patience is not None:
            delay = self.delay(subject, interactive=interactive)
            if delay > patience:
                raise TooManyRequests(subject, delay)
        request, granted = self._governor.ask(subject, key, interactive=interactive, now=self._now())
        self._release(granted)
        if request in granted:
            return request
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
        return request

    async def load(self) -> None:
        """Read what was asked lately, by earlier runs."""
        if self._world is None or self._path is None:
            return
        wall, now = self._world.wall_clock().timestamp(), self._now()
        for subject, times in (await self._kept()).items():
            self._governor.remember(subject, (wall - at for at in times), now)

    async def close(self) -> None:
        """Let nobody go any more, and write down what was asked lately."""
        self._timer.cancel()
        if self._world is None or self._path is None:
            return
        now, wall = self._now(), self._world.wall_clock().timestamp()
        kept = await self._kept()
        lately = self._governor.lately(now)
        for subject, ages in lately.items():
            # What stands there from before we began is among ours; others may have added theirs since.
            theirs = [at for at in kept.get(subject, ()) if at > wall - (now - self._begun)]
            kept[subject] = sorted([*theirs, *(round(wall - age, 3) for age in ages)])
        if not lately:
            return
        try:
            await self._world.disk.make_directory(self._path.parent)
            await self._world.disk.write_atomic(self._path, json.dumps(kept).encode())
        except SoulmeshError as error:
            log.warning("what was asked lately could not be kept: %s", error)

    async def _kept(self) -> dict[str, list[float]]:
        assert self._world is not None
        assert self._path is not None
        try:
            if not await self._world.disk.exists(self._path):
                return {}
            found = json.loads(await self._world.disk.read_bytes(self._path, limit=1 << 20))
            return {str(subject): [float(at) for at in times] for subject, times in found.items()}
        except (SoulmeshError, ValueError, TypeError, AttributeError) as error:
            log.warning("%s cannot be read: %s", self._path, error)
            return {}

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
