"""Growing pauses between attempts, spread so that many clients do not return in step."""

from __future__ import annotations

from random import Random

__all__ = ["Backoff"]


class Backoff:
    """Pauses of ``first``, ``first * factor``, ... seconds, never above ``limit``.

    Each pause is shortened or lengthened at random by up to ``jitter`` (a part of it):
    after a restart of the server all its users would otherwise come back in the same second.
    """

    def __init__(
        self, *, first: float = 5.0, factor: float = 2.0, limit: float = 600.0, jitter: float = 0.25
    ) -> None:
        self._first = first
        self._factor = factor
        self._limit = limit
        self._jitter = jitter
        self.attempts = 0
        """Pauses given since the last success."""

    def pause(self, random: Random) -> float:
        """Seconds to wait before the next attempt."""
        # The exponent is bounded: after weeks without a network the power would overflow.
        plain = min(self._limit, self._first * self._factor ** min(self.attempts, 64))
        self.attempts += 1
        return plain * (1 + self._jitter * random.uniform(-1, 1))

    def succeeded(self) -> None:
        """Begin again with the shortest pause."""
        self.attempts = 0
