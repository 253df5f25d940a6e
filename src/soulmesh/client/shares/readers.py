"""Processes that read the attributes of audio files, each file with a time limit.

A file that takes too long (a drive that hangs, a header that sends a parser
round in circles) or brings its reader down costs that file: the process is
replaced, and whatever else it had in hand is read again one file at a time.
"""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkContext, SpawnContext
from multiprocessing.process import BaseProcess
from time import perf_counter
from typing import Final, Generic, TypeVar

from soulmesh.client.shares.audio import read_attributes
from soulmesh.client.shares.entries import pack_attributes
from soulmesh.client.shares.unreadable import DAMAGED, UnreadableAudio

__all__ = ["FILE_SECONDS", "Reading", "read_all", "readers_by_default"]

FILE_SECONDS: Final = 20.0
"""How long one file may take, by default."""

START_SECONDS: Final = 60.0
"""How long a reader may take to begin: a busy machine is not the fault of a file."""
OUTSIDE: Final = 1
"""The system did not let us read it: permissions, or a disk with errors."""
SLOW: Final = 2
"""It took too long, or brought the reader down. To try that again has its price."""
BATCH: Final = 24
TELL_EVERY: Final = 0.2
LOOK_EVERY: Final = 1.0
"""Seconds after which a reader without work looks whether it is still wanted."""

K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Reading(Generic[K]):
    """What was read of one file."""

    key: K
    attributes: bytes
    """Packed; empty when nothing could be read."""
    problem: str | None = None
    """Why nothing could be read."""
    passing: int = 0
    """Whether that may pass while the file stays as it is: see :data:`OUTSIDE` and :data:`SLOW`; 0 if not."""


def readers_by_default() -> int:
    """How many processes read: one for each processor, up to eight."""
    return min(8, os.cpu_count() or 1)


Read = tuple[bytes, str | None, int]
"""Packed attributes, what was wrong, and whether that may pass."""


def _read(path: bytes) -> Read:
    try:
        return pack_attributes(read_attributes(path)), None, 0
    except UnreadableAudio as error:
        return b"", str(error), 0
    except OSError as error:
        return b"", error.strerror or str(error), OUTSIDE
    except Exception:  # a parser that stumbles over one file must not stop the scan
        return b"", DAMAGED, 0


def _serve(link: Connection, read: Callable[[bytes], Read], parent: int) -> None:
    """The life of a reader: says that it has begun with an empty list, then takes lists of paths
    and gives back results in the same order."""
    try:
        link.send([])
        while True:
            # A parent that was killed cannot end us, and the link does not tell: readers that
            # were forked after this one hold copies of its other end.
            while not link.poll(LOOK_EVERY):
                if os.getppid() != parent:
                    return
            results: list[Read] = []
            told = perf_counter()
            for path in link.recv():
                results.append(read(path))
                if perf_counter() - told > TELL_EVERY:
                    link.send(results)
                    results = []
                    told = perf_counter()
            if results:
                link.send(results)
    except (EOFError, BrokenPipeError, ConnectionResetError, KeyboardInterrupt):
        pass


@dataclass(slots=True)
class _Reader(Generic[K]):
    process: BaseProcess
    link: Connection
    jobs: deque[tuple[K, bytes]] = field(default_factory=deque)
    deadline: float = 0.0
    begun: bool = False


def read_all(
    jobs: Iterable[tuple[K, bytes]],
    *,
    readers: int | None = None,
    file_seconds: float = FILE_SECONDS,
    read: Callable[[bytes], Read] = _read,
    meanwhile: Callable[[], object] = lambda: None,
) -> Iterator[Reading[K]]:
    """Read many files, each ``(key, path)``; results come in no particular order.

    Closing the iterator early ends the processes. While no result comes, ``meanwhile``
    is called several times a second, and may raise to give up.
    """
    # A fork takes milliseconds where a fresh interpreter takes tenths of a second, but
    # is sound only while this process has no other thread.
    fork = threading.active_count() == 1 and "fork" in multiprocessing.get_all_start_methods()
    context: ForkContext | SpawnContext
    context = multiprocessing.get_context("fork") if fork else multiprocessing.get_context("spawn")
    source = iter(jobs)
    again: deque[tuple[K, bytes]] = deque()
    pool: list[_Reader[K]] = []

    def start() -> _Reader[K]:
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, read, os.getpid()), daemon=True)
        process.start()
        theirs.close()
        return _Reader(process, ours)

    def next_batch() -> list[tuple[K, bytes]]:
        if again:
            return [again.popleft()]
        return list(islice(source, BATCH))

    def give(reader: _Reader[K], batch: list[tuple[K, bytes]]) -> None:
        reader.jobs.extend(batch)
        reader.deadline = perf_counter() + TELL_EVERY + (file_seconds if reader.begun else START_SECONDS)
        try:
            reader.link.send([path for _, path in batch])
        except OSError:
            pass  # it died just now: the wait below sees the end of the link

    def replace(reader: _Reader[K], reason: str) -> Iterator[Reading[K]]:
        _stop(reader)
        pool.remove(reader)
        if len(reader.jobs) == 1:
            key, _ = reader.jobs.popleft()
            yield Reading(key, b"", reason, SLOW)
        again.extend(reader.jobs)

    try:
        count = readers or readers_by_default()
        while True:
            while len(pool) < count:
                batch = next_batch()
                if not batch:
                    break
                reader = start()
                pool.append(reader)
                give(reader, batch)
            if not pool:
                return
            soonest = min(reader.deadline for reader in pool)
            patience = min(TELL_EVERY, max(0.0, soonest - perf_counter()))
            ready = set(wait([reader.link for reader in pool], patience))
            if not ready:
                meanwhile()
            for reader in list(pool):
                if reader.link in ready:
                    try:
                        results = reader.link.recv()
                    except (EOFError, OSError):
                        yield from replace(reader, "the program broke down over this file")
                        continue
                    reader.begun = True
                    for result in results:
                        key, _ = reader.jobs.popleft()
                        yield Reading(key, *result)
                    reader.deadline = perf_counter() + file_seconds + TELL_EVERY
                    if not reader.jobs:
                        batch = next_batch()
                        if batch:
                            give(reader, batch)
                        else:
                            _stop(reader)
                            pool.remove(reader)
                elif reader.deadline <= perf_counter():
                    yield from replace(reader, f"reading it took longer than {file_seconds:g} s")
    finally:
        for reader in pool:
            _stop(reader)


def _stop(reader: _Reader[K]) -> None:
    # Closing the link would not end it: the readers forked after it hold copies of our end.
    reader.process.kill()
    reader.process.join()
    reader.process.close()
    reader.link.close()
