"""Rules of the upload queue, tried on what was really asked for.

Before other rules are used, they can be held against the requests of the last
days: who would have waited, how long, and who would have been refused. The
trial is the very queue that serves (:mod:`soulmesh.core.upload_queue`), driven
by the times of the record instead of a clock. How long an upload holds its slot
is what it took in truth; where nobody knows, because it was refused or never
came to an end, it is taken to go at the usual speed of its user, or of all.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from soulmesh.core.upload_queue import Person, QueueRules, UploadQueue
from soulmesh.wire.text import raw

__all__ = ["Asked", "Lot", "Trial", "try_rules"]

USUAL_SPEED = 500_000.0
"""Bytes per second where the record holds no finished upload at all."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as it came."""

    at: float
    """Seconds since the epoch."""
    person: Person
    """Who asked, and what was known of him then."""
    remote_path: str
    size: int
    seconds: float | None = None
    """How long the upload took; ``None`` if there was none that came to its end."""


@dataclass(slots=True)
class Lot:
    """How one user fares under the rules that are tried."""

    username: str
    group: str
    files: int = 0
    """Files asked for, each counted once while it waits or was had."""
    served: int = 0
    waiting: int = 0
    """Files that had not begun when the record ends."""
    refused: dict[str, int] = field(default_factory=dict)
    """How often, by the words of the refusal."""
    waits: list[float] = field(default_factory=list)
    """Seconds in the queue of each file that began."""

    @property
    def longest(self) -> float:
        """The longest wait in seconds."""
        return max(self.waits, default=0.0)

    @property
    def usual(self) -> float:
        """The median wait in seconds."""
        return median(self.waits) if self.waits else 0.0

    def row(self) -> dict[str, Any]:
        """As ``/api/v1`` and the command tell of it; waits in seconds."""
        return {
            "username": self.username,
            "group": self.group,
            "files": self.files,
            "served": self.served,
            "waiting": self.waiting,
            "refused": self.refused,
            "usual_wait": self.usual,
            "longest_wait": self.longest,
        }


@dataclass(frozen=True, slots=True)
class Trial:
    """The outcome: users, those who were refused most and waited longest first."""

    lots: list[Lot]
    requests: int
    begin: float
    """When the first request came, seconds since the epoch; 0 if there was none."""
    end: float

    @property
    def refused(self) -> int:
        """Requests that would have been refused."""
        return sum(sum(lot.refused.values()) for lot in self.lots)


def try_rules(requests: Iterable[Asked], rules: QueueRules, *, until: float | None = None) -> Trial:
    """Let ``rules`` decide about ``requests``.

    Args:
        requests: in any order.
        until: when the record ends, seconds since the epoch; with the last request if not given.
    """
    record = sorted(requests, key=lambda asked: asked.at)
    if not record:
        return Trial([], 0, 0.0, 0.0)
    end = max(record[-1].at, until if until is not None else 0.0)
    run = _Run(rules, _Speeds(record))
    for asked in record:
        run.advance(asked.at)
        run.ask(asked)
    run.advance(end)
    lots = run.result()
    lots.sort(key=lambda lot: (-sum(lot.refused.values()), -lot.longest, -lot.waiting, lot.username))
    return Trial(lots, len(record), record[0].at, end)


class _Speeds:
    """What an upload to a user usually reaches, bytes per second."""

    def __init__(self, record: Sequence[Asked]) -> None:
        seen: dict[str, list[float]] = {}
        for asked in record:
            if asked.seconds and asked.size:
                seen.setdefault(asked.person.username, []).append(asked.size / asked.seconds)
        self._of_user = {username: median(speeds) for username, speeds in seen.items()}
        self._of_all = median(self._of_user.values()) if self._of_user else USUAL_SPEED

    def seconds(self, asked: Asked) -> float:
        if asked.seconds is not None:
            return asked.seconds
        return asked.size / self._of_user.get(asked.person.username, self._of_all)


class _Run:
    """The queue, with the record's clock."""

    def __init__(self, rules: QueueRules, speeds: _Speeds) -> None:
        self._rules = rules
        self._speeds = speeds
        self._queue = UploadQueue(rules)
        self._lots: dict[str, Lot] = {}
        self._keys: set[tuple[str, bytes]] = set()
        self._waiting: dict[tuple[str, bytes], Asked] = {}
        self._ends: list[tuple[float, tuple[str, bytes]]] = []

    def advance(self, now: float) -> None:
        """Let uploads end, and others begin in their place, up to ``now``."""
        while self._ends and self._ends[0][0] <= now:
            at, key = heapq.heappop(self._ends)
            self._queue.ended(key)
            self._start(at)

    def ask(self, asked: Asked) -> None:
        """One request comes."""
        username = asked.person.username
        group = self._rules.group_of(asked.person)
        lot = self._lots.setdefault(username, Lot(username, group))
        lot.group = group
        self._queue.regroup(username, group)
        key = (username, raw(asked.remote_path))
        if key in self._keys:
            return  # programs ask again for what they wait for
        refusal = self._queue.refusal(username, group, asked.size)
        if refusal is not None:
            lot.refused[refusal] = lot.refused.get(refusal, 0) + 1
            return
        lot.files += 1
        self._keys.add(key)
        self._waiting[key] = asked
        self._queue.add(key, username, group, asked.size)
        self._start(asked.at)

    def result(self) -> list[Lot]:
        for key in self._waiting:
            self._lots[key[0]].waiting += 1
        return list(self._lots.values())

    def _start(self, now: float) -> None:
        while (key := self._queue.start_next()) is not None:
            assert isinstance(key, tuple)
            asked = self._waiting.pop(key)
            lot = self._lots[asked.person.username]
            lot.served += 1
            lot.waits.append(now - asked.at)
            heapq.heappush(self._ends, (now + self._speeds.seconds(asked), key))
