"""Requests that come too fast are answered from memory, then hardly at all.

One peer cannot swamp us (some programs ask for 18,000 files in a quarter of an
hour, again and again): each user has a bucket of requests that fills at a
steady rate. A refusal is remembered, so asking again for the same file costs a
look into a table; but it is answered, or who asked would wait for ever. Whoever
is over the limit gets an answer to the 1st, 2nd, 4th, 8th ... request of the
flood, or for the same file, and silence for the others.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from enum import Enum

from soulmesh.core.retry import TOO_MANY_FILES
from soulmesh.wire.text import raw

__all__ = ["Answer", "Doorkeeper", "Pace", "Verdict"]


class Verdict(Enum):
    """What to do with a request of a stranger."""

    ADMIT = "admit"
    """Look at the request."""
    REFUSE = "refuse"
    """Send the refusal that goes along."""
    IGNORE = "ignore"
    """Say nothing."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict, and with a refusal the ``reason`` to send."""

    verdict: Verdict
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Pace:
    """What one user may ask of us."""

    burst: int = 2000
    """Requests at once: a whole discography is one click."""
    per_second: float = 5.0
    remember: float = 600.0
    """Seconds for which a refusal is repeated without looking again."""
    remember_files: int = 5000
    """Refusals kept per user."""
    users: int = 2000
    """Users kept; those not heard of for longest are forgotten."""


_ADMIT = Answer(Verdict.ADMIT)
_IGNORE = Answer(Verdict.IGNORE)


class _Visitor:
    __slots__ = ("flood", "refused", "tokens", "updated")

    def __init__(self, tokens: float, now: float) -> None:
        self.tokens = tokens
        self.updated = now
        self.flood = 0
        self.refused: OrderedDict[bytes, tuple[str, float, int]] = OrderedDict()


class Doorkeeper:
    """Decides which requests are looked at."""

    def __init__(self, pace: Pace | None = None) -> None:
        self.pace = pace or Pace()
        self._visitors: OrderedDict[str, _Visitor] = OrderedDict()

    def ask(self, username: str, remote_path: str, now: float) -> Answer:
        """May this request be looked at? Costs one token of the user's bucket."""
        visitor = self._visitor(username, now)
        # The very bytes count: a name in Latin-1 equals its twin in UTF-8 as text, and is another file.
        key = raw(remote_path)
        known = visitor.refused.get(key)
        if known is not None:
            reason, until, times = known
            if now < until:
                visitor.refused[key] = (reason, until, times + 1)
                if visitor.tokens >= 1.0:
                    visitor.tokens -= 1.0
                    return Answer(Verdict.REFUSE, reason)
                return Answer(Verdict.REFUSE, reason) if _is_power_of_two(times) else _IGNORE
            del visitor.refused[key]
        if visitor.tokens >= 1.0:
            visitor.tokens -= 1.0
            visitor.flood = 0
            return _ADMIT
        visitor.flood += 1
        return Answer(Verdict.REFUSE, TOO_MANY_FILES) if _is_power_of_two(visitor.flood) else _IGNORE

    def refused(
        self, username: str, remote_path: str, reason: str, now: float, *, remember: float | None = None
    ) -> None:
        """Remember a refusal, so that the same question is answered without looking.

        ``remember``: seconds, if that is less than for others: a file that is gone may be back soon.
        """
        visitor = self._visitor(username, now)
        key = raw(remote_path)
        visitor.refused[key] = (
            reason,
            now + min(self.pace.remember, remember or self.pace.remember),
            1,
        )
        visitor.refused.move_to_end(key)
        if len(visitor.refused) > self.pace.remember_files:
            visitor.refused.popitem(last=False)

    def refusal(self, username: str, remote_path: str, now: float) -> str | None:
        """Why this user was refused the file, as long as that is remembered."""
        visitor = self._visitors.get(username)
        known = visitor.refused.get(raw(remote_path)) if visitor is not None else None
        return known[0] if known is not None and now < known[1] else None

    def served(self, username: str) -> None:
        """An upload to this user is done and gives its token back: to take what was asked for is no flood."""
        visitor = self._visitors.get(username)
        if visitor is not None:
            visitor.tokens = min(float(self.pace.burst), visitor.tokens + 1.0)

    def forget(self, username: str | None = None) -> None:
        """Look again at what was refused: shares, bans or limits have changed."""
        if username is None:
            for visitor in self._visitors.values():
                visitor.refused.clear()
        elif username in self._visitors:
            self._visitors[username].refused.clear()

    def __len__(self) -> int:
        return len(self._visitors)

    def _visitor(self, username: str, now: float) -> _Visitor:
        visitor = self._visitors.get(username)
        if visitor is None:
            visitor = self._visitors[username] = _Visitor(float(self.pace.burst), now)
            if len(self._visitors) > self.pace.users:
                self._visitors.popitem(last=False)
        else:
            self._visitors.move_to_end(username)
            gained = (now - visitor.updated) * self.pace.per_second
            visitor.tokens = min(float(self.pace.burst), visitor.tokens + gained)
            visitor.updated = now
        return visitor


def _is_power_of_two(number: int) -> bool:
    return number & (number - 1) == 0
