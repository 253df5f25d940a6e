"""Speed limits of all transfers together, of groups, and by the hour."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from soulmesh.core.speed import Bucket, Hours, limits_at, parse_hours
from soulmesh.net.world import World

__all__ = ["Bandwidth", "Pacer"]

CHECK_SCHEDULE_EVERY = 30.0


class Pacer:
    """What one transfer asks: called, how many bytes may go now; :meth:`free`, whether it need not ask."""

    def __init__(self, bandwidth: Bandwidth, names: list[str]) -> None:
        self._bandwidth = bandwidth
        self._names = names

    async def __call__(self, wanted: int) -> int:
        """Wait until some of ``wanted`` bytes may go, and say how many."""
        return await self._bandwidth._take(self._names, wanted)

    def free(self) -> bool:
        """Whether nothing limits this transfer now. Cheap: asked for every call to the system."""
        return self._bandwidth._free(self._names)


class Bandwidth:
    """Hands out permission to move bytes. Without a limit there is nothing to wait for."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._limits: tuple[int | None, int | None] = (None, None)
        self._hours: tuple[Hours, ...] = ()
        self._groups: dict[str, int | None] = {}
        self._buckets: dict[str, Bucket] = {}
        self._checked = float("-inf")

    def configure(
        self,
        up: int | None,
        down: int | None,
        schedule: tuple[str, ...] = (),
        groups: dict[str, int | None] | None = None,
    ) -> None:
        """Set limits in bytes per second; running transfers follow with their next piece.

        Raises:
            ConfigError: a rule of the schedule cannot be read.
        """
        self._hours = tuple(parse_hours(rule) for rule in schedule)
        self._limits = (up, down)
        self._groups = dict(groups or {})
        self._checked = float("-inf")

    def pace(self, direction: str, group: str | None = None) -> Pacer:
        """What :meth:`Stream.send_file` asks: a limit set or lifted later counts from then on."""
        return Pacer(self, [direction] if group is None else [direction, f"{direction} {group}"])

    def share(self, direction: str, group: str, among: int) -> int | None:
        """Bytes per second that the limits leave to one of ``among`` transfers; ``None`` for any number."""
        rates = [self._rate(name) for name in (direction, f"{direction} {group}")]
        least = min((rate for rate in rates if rate is not None), default=None)
        return None if least is None else least // max(1, among)

    def _free(self, names: list[str]) -> bool:
        clock = asyncio.get_running_loop().time
        return all(self._bucket(name, clock).rate is None for name in names)

    async def _take(self, names: list[str], wanted: int) -> int:
        loop = asyncio.get_running_loop()
        granted = wanted
        for name in names:
            while True:
                bucket = self._bucket(name, loop.time)
                taken = bucket.take(granted, loop.time())
                if taken:
                    granted = taken
                    break
                await asyncio.sleep(bucket.wait(loop.time()))
        return granted

    def _bucket(self, name: str, clock: Callable[[], float]) -> Bucket:
        now = clock()
        if now - self._checked >= CHECK_SCHEDULE_EVERY:
            self._checked = now
            self._refresh(now)
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = Bucket(self._rate(name), now)
        return bucket

    def _refresh(self, now: float) -> None:
        for name, bucket in self._buckets.items():
            bucket.set_rate(self._rate(name), now)

    def _rate(self, name: str) -> int | None:
        direction, _, group = name.partition(" ")
        if group:
            return self._groups.get(group)
        local = self._world.wall_clock().astimezone().time()
        up, down = limits_at(local, self._hours, *self._limits)
        return down if direction == "download" else up
