"""The governor: how often we may ask the server for what it limits.

Servers ban for half an hour whoever searches, joins or connects too often
(about 34 searches in 220 seconds). All parts of a client share one governor:
what a person waits for goes before what runs by itself, equal requests that
wait are answered together, and a caller can learn how long it would wait.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

__all__ = ["UNLIMITED", "Governor", "Rate", "Request"]


@dataclass(frozen=True, slots=True)
class Rate:
    """At most ``count`` requests in any ``seconds``; ``reserve`` of them are for people only."""

    count: int
    seconds: float
    reserve: int = 0


UNLIMITED = Rate(0, 0.0)
"""No limit."""


class Request:
    """One wish to ask, shared by everybody who wants the same. Compare by identity."""

    __slots__ = ("__weakref__", "interactive", "key", "order", "subject", "wanted_by")

    def __init__(self, subject: str, key: Hashable, interactive: bool, order: int) -> None:
        self.subject = subject
        self.key = key
        self.interactive = interactive
        self.order = order
        self.wanted_by = 1


class _Budget:
    """The requests of one subject: granted lately, and waiting."""

    def __init__(self, rate: Rate) -> None:
        self.rate = rate
        self.granted: deque[float] = deque()
        self.waiting: list[Request] = []

    def forget(self, now: float) -> None:
        while self.granted and self.granted[0] + self.rate.seconds <= now:
            self.granted.popleft()

    def allowance(self, interactive: bool) -> int:
        return self.rate.count if interactive else max(1, self.rate.count - self.rate.reserve)

    def free_at(self, interactive: bool, ahead: int, now: float) -> float:
        """When a request with ``ahead`` others before it can go."""
        if self.rate.count <= 0:
            return now
        allowance = self.allowance(interactive)
        # Grants that are to come count as if they happened as soon as they can.
        times = list(self.granted)
        moment = now
        for _ in range(ahead + 1):
            moment = now
            if len(times) >= allowance:
                moment = max(now, times[-allowance] + self.rate.seconds)
            times.append(moment)
        return moment


class Governor:
    """Grants requests at the pace that the server bears.

    Args:
        rates: by subject; a subject without a rate is not limited.
    """

    def __init__(self, rates: Mapping[str, Rate]) -> None:
        self._budgets = {subject: _Budget(rate) for subject, rate in rates.items()}
        self._order = 0

    @property
    def deadline(self) -> float | None:
        """When :meth:`tick` next has something to do."""
        times = []
        for budget in self._budgets.values():
            if budget.waiting:
                first = min(budget.waiting, key=_rank)
                times.append(budget.free_at(first.interactive, 0, 0.0))
        return min(times, default=None)

    def ask(
        self, subject: str, key: Hashable, *, interactive: bool, now: float
    ) -> tuple[Request, list[Request]]:
        """Want something; equal ``key`` that still waits is the same request.

        Returns:
            The request, and those that may go at once (perhaps this one).
        """
        budget = self._budget(subject)
        for waiting in budget.waiting:
            if waiting.key == key:
                waiting.wanted_by += 1
                waiting.interactive = waiting.interactive or interactive
                return waiting, self.tick(now)
        self._order += 1
        request = Request(subject, key, interactive, self._order)
        budget.waiting.append(request)
        return request, self.tick(now)

    def delay(self, subject: str, *, interactive: bool, now: float) -> float:
        """Seconds that a new request would wait."""
        budget = self._budget(subject)
        budget.forget(now)
        ahead = sum(1 for request in budget.waiting if request.interactive or not interactive)
        return budget.free_at(interactive, ahead, now) - now

    def cancel(self, request: Request) -> None:
        """One of those who wanted the request does not want it any more."""
        request.wanted_by -= 1
        budget = self._budget(request.subject)
        if request.wanted_by <= 0 and request in budget.waiting:
            budget.waiting.remove(request)

    def lately(self, now: float) -> dict[str, list[float]]:
        """How many seconds ago requests were granted that still count, by subject; the oldest first."""
        found = {}
        for subject, budget in self._budgets.items():
            budget.forget(now)
            if budget.granted:
                found[subject] = [now - at for at in budget.granted]
        return found

    def remember(self, subject: str, ages: Iterable[float], now: float) -> None:
        """Requests that somebody else made so many seconds ago, with the same server and account."""
        budget = self._budgets.get(subject)
        if budget is not None and budget.rate.count > 0:
            times = [now - age for age in ages if 0 <= age < budget.rate.seconds]
            budget.granted = deque(sorted([*budget.granted, *times]))

    def tick(self, now: float) -> list[Request]:
        """The requests that may go now."""
        granted: list[Request] = []
        for budget in self._budgets.values():
            budget.forget(now)
            while budget.waiting:
                first = min(budget.waiting, key=_rank)
                limited = budget.rate.count > 0
                if limited and len(budget.granted) >= budget.allowance(first.interactive):
                    break
                budget.waiting.remove(first)
                if limited:
                    budget.granted.append(now)
                granted.append(first)
        return granted

    def _budget(self, subject: str) -> _Budget:
        found = self._budgets.get(subject)
        if found is None:
            found = self._budgets[subject] = _Budget(UNLIMITED)
        return found


def _rank(request: Request) -> tuple[bool, int]:
    return (not request.interactive, request.order)
