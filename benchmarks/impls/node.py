"""What the processes measured by ``client.py`` have in common: lines of JSON, and a watch on the loop."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

__all__ = ["Watch", "listen", "make_music", "tell"]


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


class Watch:
    """The longest time for which the loop did not turn, and how long all took.

    A task asks for a turn every millisecond; what lies between two turns beyond that is a stall. On a busy
    machine others cause most of it, so the processor time of the loop's own thread is looked at as well.
    """

    def __init__(self) -> None:
        self._worst = 0.0
        self._busiest = 0.0
        self._began = 0.0

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        self._task = asyncio.get_running_loop().create_task(self._look())
        return self

    def __exit__(self, *_: object) -> None:
        self._took = time.perf_counter() - self._began
        self._task.cancel()

    async def _look(self) -> None:
        before, used_before = time.perf_counter(), time.thread_time()
        while True:
            await asyncio.sleep(0.001)
            now, used = time.perf_counter(), time.thread_time()
            self._worst = max(self._worst, now - before - 0.001)
            self._busiest = max(self._busiest, used - used_before)
            before, used_before = now, used

    @property
    def figures(self) -> dict[str, float]:
        """Seconds in all, and milliseconds of the worst stall: by the clock, and of our own making."""
        took = getattr(self, "_took", time.perf_counter() - self._began)
        return {"seconds": took, "stall": self._worst * 1000, "busy": self._busiest * 1000}
