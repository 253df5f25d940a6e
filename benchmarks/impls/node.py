"""What the processes measured by ``client.py`` have in common: lines of JSON, and a watch on the loop."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

__all__ = ["Turn", "Watch", "listen", "make_music", "tell"]


def tell(**facts: Any) -> None:
    """One line to whoever measures."""
    print(json.dumps(facts), flush=True)


async def listen() -> AsyncIterator[tuple[str, int]]:
    """Commands as they come: a word and a number a line."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        word, number = line.decode().split()
        yield word, int(number)


def make_music(folder: Path, count: int) -> Path:
    """A folder with so many small files, ten to an album."""
    music = folder / "Music"
    music.mkdir()
    for number in range(count):
        place = music / f"Album {number // 10}"
        place.mkdir(exist_ok=True)
        (place / f"song number {number}.mp3").write_bytes(b"x")
    return music


@dataclass(frozen=True, slots=True)
class Turn:
    """What lay between two turns of the loop that were asked for a millisecond apart."""

    clock: float = 0.0
    """Seconds by the clock, beyond that millisecond."""
    processor: float = 0.0
    """Seconds of processor time of the loop's thread."""
    waited: float = 0.0
    """Seconds for which the thread could have run, had the system given it a processor (Linux)."""


class Watch:
    """The longest time for which the loop did not turn, and how long all took.

    A task asks for a turn every millisecond; what lies between two turns beyond that is a stall. On a busy
    machine others cause most of it. So the processor time of the loop's own thread is looked at as well, and
    how long it waited for a processor that others had.
    """

    def __init__(self) -> None:
        self.worst = Turn()
        """The longest by the clock."""
        self._busiest = 0.0
        self._began = 0.0
        self._schedule: int | None = None
        with contextlib.suppress(OSError):
            self._schedule = os.open("/proc/thread-self/schedstat", os.O_RDONLY)

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        self._task = asyncio.get_running_loop().create_task(self.look())
        return self

    def __exit__(self, *_: object) -> None:
        self._took = time.perf_counter() - self._began
        self._task.cancel()

    async def look(self) -> None:
        """Ask for turns until cancelled."""
        before, used_before, waited_before = time.perf_counter(), time.thread_time(), self._waited()
        while True:
            await asyncio.sleep(0.001)
            now, used, waited = time.perf_counter(), time.thread_time(), self._waited()
            if now - before - 0.001 > self.worst.clock:
                self.worst = Turn(now - before - 0.001, used - used_before, waited - waited_before)
            self._busiest = max(self._busiest, used - used_before)
            before, used_before, waited_before = now, used, waited

    def _waited(self) -> float:
        if self._schedule is None:
            return 0.0
        return int(os.pread(self._schedule, 100, 0).split()[1]) / 1e9

    @property
    def figures(self) -> dict[str, Any]:
        """Seconds in all; of the longest turn milliseconds by the clock, of the processor and of waiting for
        one; the most processor milliseconds of any turn."""
        took = getattr(self, "_took", time.perf_counter() - self._began)
        return {
            "seconds": took,
            "turn": {
                "longest turn ms": self.worst.clock * 1000,
                "its processor ms": self.worst.processor * 1000,
                "waiting for a processor ms": self.worst.waited * 1000,
                "most processor ms of a turn": self._busiest * 1000,
            },
        }
