"""A mean that forgets."""

from __future__ import annotations

import pytest

from soulmesh.core.rate import Rate


def test_a_steady_stream_is_told_as_what_it_is() -> None:
    rate = Rate()
    for second in range(1000):
        rate.add(15, float(second))
    assert rate.per_second(1000.0) == pytest.approx(15, rel=0.05)


def test_what_stopped_is_forgotten_by_half_lives() -> None:
    rate = Rate(half_life=10.0)
    rate.add(100, 5.0)
    now = rate.per_second(5.0)
    assert rate.per_second(15.0) == pytest.approx(now / 2)
    assert rate.per_second(500.0) == pytest.approx(0.0)


def test_nothing_that_happened_is_nothing() -> None:
    assert Rate().per_second(123.0) == 0.0
