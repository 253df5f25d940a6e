"""Room that is promised to downloads that have begun is not promised again."""

from __future__ import annotations

import pytest

from soulmesh.core.allotment import KNOWN_FOR, Allotment, Lack

GB = 10**9


def disk(free: int, *needs: int) -> Allotment:
    made = Allotment()
    made.looked(free, needs, 0.0)
    return made


@pytest.mark.parametrize(
    ("free", "needs", "count", "lack"),
    [
        (12 * GB, [], 10 * GB, None),
        (12 * GB, [10 * GB], 10 * GB, Lack.PROMISED),
        (12 * GB, [2 * GB], 10 * GB, Lack.PROMISED),
        (13 * GB, [2 * GB], 10 * GB, None),
        (9 * GB, [2 * GB], 10 * GB, Lack.TOO_LITTLE),
        (1 * GB, [], 10, Lack.FULL),
        (0, [], 10, Lack.FULL),
        (0, [], 0, None),
        (12 * GB, [30 * GB], 1, Lack.PROMISED),
    ],
)
def test_what_is_in_the_way_of_a_file(free: int, needs: list[int], count: int, lack: Lack | None) -> None:
    assert disk(free, *needs).lack(count, reserve=GB) is lack


def test_two_that_begin_between_two_looks_do_not_share_the_same_room() -> None:
    one = disk(12 * GB)
    assert one.lack(10 * GB, 0) is None
    one.promise(10 * GB)
    assert one.lack(10 * GB, 0) is Lack.PROMISED
    assert one.lack(2 * GB, 0) is None
    # Meanwhile the first one wrote 4 GB: as much less is free, and as much less is needed.
    one.looked(8 * GB, [6 * GB], 1.0)
    assert one.lack(2 * GB, 0) is None
    assert one.lack(2 * GB + 1, 0) is Lack.PROMISED


def test_what_was_seen_counts_for_a_moment_only() -> None:
    one = Allotment()
    assert not one.known(0.0)
    one.looked(1, [], 5.0)
    assert one.known(5.0 + KNOWN_FOR / 2)
    assert not one.known(5.0 + KNOWN_FOR)
