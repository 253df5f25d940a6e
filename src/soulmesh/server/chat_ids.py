"""Numbers of private messages: 32 bits on the wire, used up after some years, and begun anew then.

A number says which message a client acknowledges, so no two messages that wait may
have the same one. After the last number comes the first; numbers of messages that
still wait are passed over. What follows what is told by the distance, as with serial
numbers (RFC 1982): of two numbers the one less than half a turn ahead is the later.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Sequence

__all__ = ["FIRST", "LAST", "after", "age", "free_run", "go_on"]

FIRST = 1
LAST = 0xFFFF_FFFE
_HALF = LAST // 2


def after(number: int, steps: int) -> int:
    """The number so many steps on; after the last comes the first."""
    return (number - FIRST + steps) % LAST + FIRST


def age(number: int, next_one: int) -> int:
    """Sorts numbers by when they were given out, the oldest first, if ``next_one`` is given out next."""
    return (number - next_one) % LAST


def go_on(reserved: int, waiting: Collection[int]) -> int:
    """The number to go on with after a start.

    Args:
        reserved: none from here on was given out before, as far as the store knows.
        waiting: those of messages that wait; some may have come by import, beyond ``reserved``.
    """
    later = [number for number in waiting if (number - reserved) % LAST < _HALF]
    return after(max(later, key=lambda number: (number - reserved) % LAST), 1) if later else reserved


def free_run(number: int, waiting: Sequence[int]) -> tuple[int, int]:
    """The first free number from ``number`` on, and the first behind it that is not free.

    Args:
        number: where to begin; beyond the last one, begin with the first.
        waiting: numbers that are not free, sorted.
    """
    if number > LAST:
        number = FIRST
    place = bisect_left(waiting, number)
    while place < len(waiting) and waiting[place] == number:
        number, place = number + 1, place + 1
        if number > LAST:
            number, place = FIRST, 0
    return number, waiting[place] if place < len(waiting) else LAST + 1
