"""Speeds over time: a sample every other second for ten minutes, and one a minute for a day."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from soulmesh.daemon.http.replies import instant
from soulmesh.daemon.ports import Engine
from soulmesh.daemon.service import Service

__all__ = ["DAY", "MINUTES", "Sampler"]

MINUTES = (2.0, 300)
"""Seconds between two samples, and how many are kept."""
DAY = (60.0, 1440)

Sample = tuple[float, int, int, float]
"""When (seconds since the epoch), download and upload speed (bytes per second), searches per second."""


class Sampler:
    """Takes the samples."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._fine: deque[Sample] = deque(maxlen=MINUTES[1])
        self._coarse: deque[Sample] = deque(maxlen=DAY[1])
        self._minute: list[Sample] = []

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(MINUTES[0])
            self.take()

    def take(self) -> None:
        """One sample."""
        service = self._service
        at = service.now().timestamp()
        down, up = _speed(service.engine, "download"), _speed(service.engine, "upload")
        searches = round(service.engine.tree.searches_per_second, 2)
        self._fine.append((at, down, up, searches))
        self._minute.append(self._fine[-1])
        if len(self._minute) * MINUTES[0] >= DAY[0]:
            count = len(self._minute)
            self._coarse.append(
                (
                    at,
                    sum(one[1] for one in self._minute) // count,
                    sum(one[2] for one in self._minute) // count,
                    round(sum(one[3] for one in self._minute) / count, 2),
                )
            )
            self._minute.clear()
        service.hub.show(
            "statistics.sample",
            {
                "at": instant(service.now()),
                "download": down,
                "upload": up,
                "searches_per_second": searches,
                "downloads": len(service.ledger.running("download")),
                "uploads": len(service.ledger.running("upload")),
            },
        )

    def samples(self, span: str) -> tuple[float, list[Sample]]:
        """The step in seconds, and the samples of ``minutes`` or of a ``day``, oldest first."""
        step, _ = DAY if span == "day" else MINUTES
        return step, list(self._coarse if span == "day" else self._fine)


def _speed(engine: Engine, direction: str) -> int:
    return round(sum(one.speed for one in engine.transfers if one.direction == direction and not one.over))


def sample_row(sample: Sample) -> dict[str, Any]:
    """A sample as it is sent."""
    at, down, up, searches = sample
    return {"at": round(at, 1), "download": down, "upload": up, "searches": searches}
