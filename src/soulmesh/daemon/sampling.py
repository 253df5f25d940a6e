"""Speeds over time: a sample every other second for ten minutes, and one a minute for a day."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, NamedTuple

from soulmesh.daemon.engine import ClientEngine
from soulmesh.daemon.http.replies import instant
from soulmesh.daemon.ports import Engine
from soulmesh.daemon.service import Service

__all__ = ["DAY", "MINUTES", "SEARCHES", "Sample", "Sampler", "sample_row", "search_counts"]

MINUTES = (2.0, 300)
"""Seconds between two samples, and how many are kept."""
DAY = (60.0, 1440)

SEARCHES = (
    "seen",
    "forwarded",
    "duplicates",
    "considered",
    "matched",
    "answered",
    "undeliverable",
    "dropped",
    "too_short",
)
"""What is counted about the searches of others."""


class Sample(NamedTuple):
    """A moment: seconds since the epoch, bytes per second, searches per second."""

    at: float
    download: int
    upload: int
    searches: float
    forwarded: float
    answered: float


def search_counts(engine: Engine) -> dict[str, int]:
    """How many searches of others came by since the start, and what became of them."""
    if not isinstance(engine, ClientEngine):
        return dict.fromkeys(SEARCHES, 0)
    figures, answers = engine.client.tree.figures, engine.client.answers.figures
    return {name: getattr(figures, name, getattr(answers, name, 0)) for name in SEARCHES}


class Sampler:
    """Takes the samples."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._fine: deque[Sample] = deque(maxlen=MINUTES[1])
        self._coarse: deque[Sample] = deque(maxlen=DAY[1])
        self._minute: list[Sample] = []
        self._before = search_counts(service.engine)
        self._moved = _moved(service.engine)
        self._before_at = service.now().timestamp()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(MINUTES[0])
            self.take()

    def take(self) -> None:
        """One sample."""
        service = self._service
        at = service.now().timestamp()
        counts = search_counts(service.engine)
        # The clock of the wall may be set back between two samples.
        passed = max(at - self._before_at, MINUTES[0] / 2)
        seen, forwarded, answered = (
            round(max(0, counts[name] - self._before[name]) / passed, 2)
            for name in ("seen", "forwarded", "answered")
        )
        moved = _moved(service.engine)
        # What was over between two samples counts as well. Another client begins anew.
        down, up = (
            round(max(0, bytes_now - before if bytes_now >= before else bytes_now) / passed)
            for bytes_now, before in zip(moved, self._moved, strict=True)
        )
        self._before, self._before_at, self._moved = counts, at, moved
        now = Sample(at, down, up, seen, forwarded, answered)
        self._fine.append(now)
        self._minute.append(now)
        if len(self._minute) * MINUTES[0] >= DAY[0]:
            self._coarse.append(_mean(at, self._minute))
            self._minute.clear()
        service.hub.show(
            "statistics.sample",
            {
                **sample_row(now),
                "at": instant(service.now()),
                "searches_per_second": now.searches,
                "downloads": len(service.ledger.running("download")),
                "uploads": len(service.ledger.running("upload")),
            },
        )

    def rates(self) -> dict[str, float]:
        """Searches of others per second, mean over the last minute."""
        last = list(self._fine)[-round(60 / MINUTES[0]) :]
        if not last:
            return {"seen": 0.0, "forwarded": 0.0, "answered": 0.0}
        mean = _mean(last[-1].at, last)
        return {"seen": mean.searches, "forwarded": mean.forwarded, "answered": mean.answered}

    def samples(self, span: str) -> tuple[float, list[Sample]]:
        """The step in seconds, and the samples of ``minutes`` or of a ``day``, oldest first."""
        step, _ = DAY if span == "day" else MINUTES
        return step, list(self._coarse if span == "day" else self._fine)


def _moved(engine: Engine) -> tuple[int, int]:
    """Bytes downloaded and uploaded since the client began."""
    return engine.transfers.moved("download"), engine.transfers.moved("upload")


def _mean(at: float, samples: list[Sample]) -> Sample:
    count = len(samples)
    return Sample(
        at,
        sum(one.download for one in samples) // count,
        sum(one.upload for one in samples) // count,
        round(sum(one.searches for one in samples) / count, 2),
        round(sum(one.forwarded for one in samples) / count, 2),
        round(sum(one.answered for one in samples) / count, 2),
    )


def sample_row(sample: Sample) -> dict[str, Any]:
    """A sample as it is sent."""
    return {**sample._asdict(), "at": round(sample.at, 1)}
