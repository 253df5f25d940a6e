"""How fast bytes may go: a bucket that fills at the limit's rate, and limits by the hour."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time

from soulmesh.errors import ConfigError

__all__ = ["Bucket", "Hours", "limits_at", "parse_hours"]

DAY = 24 * 60
"""Minutes."""
PIECE = 64 * 1024
"""Bytes that may go at once even under a tiny limit, so that it does not cost a wake-up per packet."""


class Bucket:
    """Bytes that may go now. ``rate`` in bytes per second, ``None`` without limit."""

    __slots__ = ("_level", "_updated", "rate")

    def __init__(self, rate: int | None, now: float) -> None:
        self.rate = rate
        self._level = 0.0
        self._updated = now

    def set_rate(self, rate: int | None, now: float) -> None:
        """Another limit from now on."""
        self._fill(now)
        self.rate = rate

    def take(self, wanted: int, now: float) -> int:
        """Take up to ``wanted`` bytes; 0 means none now, ask :meth:`wait`."""
        if self.rate is None:
            return wanted
        self._fill(now)
        if self._level < 1.0:
            return 0
        granted = min(wanted, max(1, int(self._level)))
        self._level -= granted
        return granted

    def wait(self, now: float) -> float:
        """Seconds until a piece worth sending can be taken."""
        if self.rate is None:
            return 0.0
        self._fill(now)
        worth = min(float(PIECE), max(1.0, self.rate / 10))
        return max(0.0, (worth - self._level) / max(1, self.rate))

    def _fill(self, now: float) -> None:
        if self.rate is not None:
            gained = (now - self._updated) * self.rate
            # Never more than a quarter of a second in store, or the limit would be a mere average.
            self._level = min(self._level + gained, max(float(PIECE), self.rate / 4))
        self._updated = now


@dataclass(frozen=True, slots=True)
class Hours:
    """Limits for some hours of the day.

    ``begin`` and ``end`` are minutes since midnight; ``limits`` has bytes per second for ``up`` and ``down``,
    ``None`` for no limit. A direction that is not in it keeps the limit that it has otherwise.
    """

    begin: int
    end: int
    limits: Mapping[str, int | None]

    def covers(self, at: time) -> bool:
        """Whether a time of day lies within. A span may cross midnight, or be a whole day."""
        minute = at.hour * 60 + at.minute
        if self.begin < self.end:
            return self.begin <= minute < self.end
        return minute >= self.begin or minute < self.end


_RULE = re.compile(r"(\d\d?):(\d\d)-(\d\d?):(\d\d)((?:\s+(?:up|down)=\d+)+)\s*")


def parse_hours(rule: str) -> Hours:
    """Read ``22:00-07:00 up=0 down=500``: KiB per second, 0 without limit; ``00:00-24:00`` is the whole day.

    Raises:
        ConfigError: it is not such a rule.
    """
    match = _RULE.fullmatch(rule.strip())
    if match is None:
        raise ConfigError(f"schedule {rule!r}: write it as 22:00-07:00 up=100 down=0 (KiB/s, 0 for no limit)")
    begin = _minutes(rule, match[1], match[2], DAY - 1)
    end = _minutes(rule, match[3], match[4], DAY)
    limits = dict(part.split("=") for part in match[5].split())
    return Hours(begin, end, {kind: int(text) * 1024 or None for kind, text in limits.items()})


def _minutes(rule: str, hour: str, minute: str, latest: int) -> int:
    at = int(hour) * 60 + int(minute)
    if int(minute) > 59 or at > latest:
        raise ConfigError(f"schedule {rule!r}: {hour}:{minute} is no time of day")
    return at


def limits_at(
    at: time, hours: tuple[Hours, ...], up: int | None, down: int | None
) -> tuple[int | None, int | None]:
    """The limits at a time of day: of each direction that of the first span that says it, else as given."""
    limits = {"up": up, "down": down}
    for span in reversed(hours):
        if span.covers(at):
            limits |= span.limits
    return limits["up"], limits["down"]
