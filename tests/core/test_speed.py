"""Limits by the hour of the day."""

from __future__ import annotations

from datetime import time

import pytest

from soulmesh.core.speed import limits_at, parse_hours
from soulmesh.errors import ConfigError


def at(hour: int, minute: int, *rules: str) -> tuple[int | None, int | None]:
    """The limits in KiB, where 5 up and 6 down hold otherwise."""
    up, down = limits_at(time(hour, minute), tuple(map(parse_hours, rules)), 5 * 1024, 6 * 1024)
    return up and up // 1024, down and down // 1024


def test_a_span_may_cross_midnight() -> None:
    rule = "22:00-07:00 up=100 down=0"
    assert at(21, 59, rule) == (5, 6)
    assert at(22, 0, rule) == (100, None)
    assert at(0, 0, rule) == (100, None)
    assert at(6, 59, rule) == (100, None)
    assert at(7, 0, rule) == (5, 6)


@pytest.mark.parametrize(
    "rule", ["00:00-24:00 up=9 down=9", "0:00-0:00 up=9 down=9", "22:00-22:00 up=9 down=9"]
)
def test_a_span_may_be_the_whole_day(rule: str) -> None:
    assert {at(hour, 30, rule) for hour in range(24)} == {(9, 9)}


def test_what_a_rule_does_not_say_stays() -> None:
    assert at(23, 0, "22:00-07:00 up=100") == (100, 6)
    assert at(23, 0, "22:00-07:00 down=0") == (5, None)


def test_the_first_rule_that_says_it_counts() -> None:
    rules = ("12:00-13:00 up=1", "08:00-18:00 up=2 down=2", "00:00-24:00 down=3")
    assert at(12, 30, *rules) == (1, 2)
    assert at(9, 0, *rules) == (2, 2)
    assert at(20, 0, *rules) == (5, 3)


@pytest.mark.parametrize(
    "rule",
    [
        "22:00-25:00 up=1",
        "24:00-07:00 up=1",
        "22:60-23:00 up=1",
        "23:00-24:01 up=1",
        "22:00-07:00",
        "night up=1",
    ],
)
def test_what_is_no_time_is_refused(rule: str) -> None:
    with pytest.raises(ConfigError, match="schedule"):
        parse_hours(rule)
