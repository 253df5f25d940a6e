"""The governor: within the server's bounds, people first."""

from __future__ import annotations

from random import Random

import pytest

from soulmesh.core.backoff import Backoff
from soulmesh.core.pacing import Governor, Rate


def test_requests_go_at_once_until_the_budget_is_used_up_and_then_one_by_one() -> None:
    governor = Governor({"search": Rate(2, 100.0)})
    for key in "ab":
        request, granted = governor.ask("search", key, interactive=True, now=0.0)
        assert granted == [request]
    waiting, granted = governor.ask("search", "c", interactive=True, now=10.0)
    assert granted == []
    assert governor.deadline == 100.0
    assert governor.tick(99.0) == []
    assert governor.tick(100.0) == [waiting]
    assert governor.deadline is None


def test_people_go_before_what_runs_by_itself() -> None:
    governor = Governor({"search": Rate(1, 10.0)})
    governor.ask("search", "first", interactive=True, now=0.0)
    wish, _ = governor.ask("search", "wish", interactive=False, now=1.0)
    person, _ = governor.ask("search", "person", interactive=True, now=2.0)
    assert governor.tick(10.0) == [person]
    assert governor.tick(20.0) == [wish]


def test_a_part_of_the_budget_is_kept_for_people() -> None:
    governor = Governor({"search": Rate(3, 100.0, reserve=1)})
    for key in range(2):
        assert governor.ask("search", key, interactive=False, now=0.0)[1]
    assert governor.ask("search", "wish", interactive=False, now=0.0)[1] == []
    person, granted = governor.ask("search", "person", interactive=True, now=0.0)
    assert granted == [person]


def test_equal_requests_that_wait_are_one_and_it_takes_the_higher_rank() -> None:
    governor = Governor({"search": Rate(1, 10.0)})
    governor.ask("search", "x", interactive=True, now=0.0)
    one, _ = governor.ask("search", "abba", interactive=False, now=1.0)
    other, _ = governor.ask("search", "abba", interactive=True, now=2.0)
    assert one is other
    assert one.interactive
    assert governor.tick(10.0) == [one]


def test_a_request_is_cancelled_when_nobody_wants_it_any_more() -> None:
    governor = Governor({"search": Rate(1, 10.0)})
    governor.ask("search", "x", interactive=True, now=0.0)
    request, _ = governor.ask("search", "abba", interactive=True, now=1.0)
    governor.ask("search", "abba", interactive=True, now=1.0)
    governor.cancel(request)
    assert governor.deadline == 10.0
    governor.cancel(request)
    assert governor.deadline is None
    assert governor.tick(10.0) == []


def test_the_delay_counts_those_who_wait_already() -> None:
    governor = Governor({"search": Rate(1, 10.0)})
    assert governor.delay("search", interactive=True, now=0.0) == 0.0
    governor.ask("search", "a", interactive=True, now=0.0)
    assert governor.delay("search", interactive=True, now=4.0) == 6.0
    governor.ask("search", "b", interactive=True, now=4.0)
    assert governor.delay("search", interactive=True, now=4.0) == 16.0


def test_a_subject_without_a_rate_is_not_limited() -> None:
    governor = Governor({})
    for key in range(100):
        assert governor.ask("anything", key, interactive=False, now=0.0)[1]
    assert governor.delay("anything", interactive=False, now=0.0) == 0.0


def test_pauses_grow_to_the_limit_and_start_again_after_success() -> None:
    backoff = Backoff(first=5.0, factor=2.0, limit=30.0, jitter=0.0)
    random = Random(1)
    assert [backoff.pause(random) for _ in range(5)] == [5.0, 10.0, 20.0, 30.0, 30.0]
    backoff.succeeded()
    assert backoff.pause(random) == 5.0


def test_jitter_stays_within_its_part() -> None:
    backoff = Backoff(first=100.0, factor=1.0, jitter=0.25)
    random = Random(7)
    pauses = [backoff.pause(random) for _ in range(200)]
    assert all(75.0 <= pause <= 125.0 for pause in pauses)
    assert max(pauses) - min(pauses) == pytest.approx(50.0, abs=5.0)
