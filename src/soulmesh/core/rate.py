"""How often something happens: a mean that forgets."""

from __future__ import annotations

import math

__all__ = ["Rate"]


class Rate:
    """Events per second, the newer counting more.

    Args:
        half_life: seconds after which what happened counts half.
    """

    def __init__(self, half_life: float = 40.0) -> None:
        self._half_life = half_life
        # A steady stream of one per second tends to 1.
        self._weight = math.log(2) / half_life
        self._mean = 0.0
        self._at = 0.0

    def add(self, count: int, now: float) -> None:
        """It happened so often just now."""
        self._mean = self.per_second(now) + count * self._weight
        self._at = now

    def per_second(self, now: float) -> float:
        """The mean as of now."""
        return self._mean * math.pow(0.5, ((now - self._at) / self._half_life))
