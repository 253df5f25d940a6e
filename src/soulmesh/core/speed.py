"""How fast bytes may go: a bucket that fills at the limit's rate, and limits by the hour."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import time

from soulmesh.errors import ConfigError

__all__ = ["Bucket", "Hours", "limits_at", "parse_hours"]

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
    """Limits for some hours of the day, in bytes per second; ``None`` without limit."""

    begin: time
    end: time
    up: int | None
    down: int | None

    def covers(self, at: time) -> bool:
        """Whether a time of day lies within; a span may cross midnight."""
        if self.begin <= self.end:
            return self.begin <= at < self.end
        return at >= self.begin or at < self.end


_RULE = re.compile(r"(\d\d?):(\d\d)-(\d\d?):(\d\d)((?:\s+(?:up|down)=\d+)+)\s*")


def parse_hours(rule: str) -> Hours:
    """Read ``22:00-07:00 up=0 down=500``: KiB per second, 0 without limit.

    Raises:
        ConfigError: it is not such a rule.
    """
    match = _RULE.fullmatch(rule.strip())
    if match is None:
        raise ConfigError(f"schedule {rule!r}: write it as 22:00-07:00 up=100 down=0 (KiB/s, 0 for no limit)")
    try:
        begin = time(int(match[1]), int(match[2]))
        end = time(int(match[3]) % 24, int(match[4]))
    except ValueError as error:
        raise ConfigError(f"schedule {rule!r}: {error}") from error
    limits = dict(part.split("=") for part in match[5].split())
    values = {kind: int(text) * 1024 or None for kind, text in limits.items()}
    return Hours(begin, end, values.get("up"), values.get("down"))


def limits_at(
    at: time, hours: tuple[Hours, ...], up: int | None, down: int | None
) -> tuple[int | None, int | None]:
    """The limits at a time of day: those of the first span that covers it, else ``up`` and ``down``."""
    for span in hours:
        if span.covers(at):
            return span.up, span.down
    return up, down
