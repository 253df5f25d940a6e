"""When to try a transfer again: by what was said, and how often it was tried.

Peers explain a refusal with a text of their choice (messages.md,
"TransferDenial"). The texts below are compared without a final dot and without
capitals; everything else about them is exact. Each belongs to one class, and
each class has one rule:

========  ===========================================  ==========================
class     said or seen                                 rule
========  ===========================================  ==========================
QUEUED    ``Queued``                                   no failure: wait, for days
LINK      no connection, connection lost, silence      minutes, growing
LATER     ``Pending shutdown.``                        a quarter of an hour, growing
TOO_MANY  ``Too many files``, ``Too many megabytes``   an hour, growing to half a day
UNKNOWN   a text nobody knows                          as LATER, a few times
LOCAL     our own disk failed                          a quarter of an hour, growing
DONE      ``Complete``                                 the peer has it: nothing to do
PERSON    ``Banned``, ``File not shared.``, ...        when a person says so
========  ===========================================  ==========================
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

__all__ = [
    "BANNED",
    "CANCELLED",
    "COMPLETE",
    "EXACT",
    "FILE_NOT_SHARED",
    "FILE_READ_ERROR",
    "NO_REASON",
    "NO_SUCH_USER",
    "PEER_OFFLINE",
    "PENDING_SHUTDOWN",
    "QUEUED",
    "TOO_MANY_FILES",
    "TOO_MANY_MEGABYTES",
    "RetryClass",
    "RetryPolicy",
    "Rule",
    "classify",
    "normal_reason",
]

# What we write, to the letter: other programs compare these texts.
BANNED = "Banned"
CANCELLED = "Cancelled"
COMPLETE = "Complete"
FILE_NOT_SHARED = "File not shared."
FILE_READ_ERROR = "File read error."
PENDING_SHUTDOWN = "Pending shutdown."
QUEUED = "Queued"
NO_REASON = "refused without a reason"
"""Ours, for a refusal that came without words."""
PEER_OFFLINE = "the peer is offline"
NO_SUCH_USER = "there is no such user"
TOO_MANY_FILES = "Too many files"
TOO_MANY_MEGABYTES = "Too many megabytes"


class RetryClass(Enum):
    """What kind of trouble it is; see the module's table."""

    QUEUED = "queued"
    LINK = "link"
    LATER = "later"
    TOO_MANY = "too many"
    UNKNOWN = "unknown"
    LOCAL = "local"
    DONE = "done"
    PERSON = "person"


EXACT = {
    "queued": RetryClass.QUEUED,
    "complete": RetryClass.DONE,
    "cancelled": RetryClass.PERSON,
    "file not shared": RetryClass.PERSON,
    "file read error": RetryClass.PERSON,
    "banned": RetryClass.PERSON,
    "pending shutdown": RetryClass.LATER,
    "too many files": RetryClass.TOO_MANY,
    "too many megabytes": RetryClass.TOO_MANY,
    "disallowed extension": RetryClass.PERSON,
    "remote file error": RetryClass.PERSON,
    "blocked country": RetryClass.PERSON,
}
"""Texts that programs send to the letter, in the form of :func:`normal_reason`."""

# slskd writes longer texts ("Too many files this week"), old Nicotine "User limit of 40 files exceeded".
_BEGINNINGS = (
    ("too many ", RetryClass.TOO_MANY),
    ("user limit of ", RetryClass.TOO_MANY),
)


def normal_reason(reason: str) -> str:
    """The form in which reasons are compared: no capitals, no outer space, no final dot."""
    return reason.strip().rstrip(".").rstrip().casefold()


def classify(reason: str) -> RetryClass:
    """The class of a reason given by a peer."""
    normal = normal_reason(reason)
    exact = EXACT.get(normal)
    if exact is not None:
        return exact
    for beginning, retry_class in _BEGINNINGS:
        if normal.startswith(beginning):
            return retry_class
    return RetryClass.UNKNOWN


@dataclass(frozen=True, slots=True)
class Rule:
    """How one class is tried again."""

    first: float
    """Seconds before the second attempt."""
    growth: float = 2.0
    most: float = 3600.0
    """Seconds between two attempts are never more."""
    attempts: int | None = None
    """After so many failures in a row a person must decide; ``None`` is never."""


def _default_rules() -> dict[RetryClass, Rule]:
    # conventions.md, "Etiquette": connections not before 3 minutes, input and output not before 15.
    return {
        RetryClass.LINK: Rule(180.0, 1.5, 3600.0),
        RetryClass.LATER: Rule(900.0, 2.0, 4 * 3600.0),
        RetryClass.TOO_MANY: Rule(3600.0, 2.0, 12 * 3600.0),
        RetryClass.UNKNOWN: Rule(900.0, 2.0, 4 * 3600.0, attempts=5),
        RetryClass.LOCAL: Rule(900.0, 2.0, 4 * 3600.0),
    }


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """One rule per class. Classes without a rule are never tried again by themselves."""

    rules: dict[RetryClass, Rule] = field(default_factory=_default_rules)

    def delay(self, retry_class: RetryClass, attempt: int, jitter: float = 0.0) -> float | None:
        """Seconds until the next try after ``attempt`` failures in a row (from 1), or ``None`` for no more.

        ``jitter`` from 0 to 1 adds up to a tenth, so that a peer who comes
        back does not meet everybody in the same second.
        """
        rule = self.rules.get(retry_class)
        if rule is None or (rule.attempts is not None and attempt >= rule.attempts):
            return None
        # Powers beyond some dozen overflow a float long after `most` has won.
        grown = rule.first * rule.growth ** min(attempt - 1, 64)
        return min(grown, rule.most) * (1.0 + 0.1 * jitter)
