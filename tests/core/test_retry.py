"""Every refusal has its own rule for trying again (conventions.md, "Exact strings")."""

from __future__ import annotations

import pytest

from soulmesh.core.retry import RetryClass, RetryPolicy, Rule, classify, normal_reason


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("Queued", RetryClass.QUEUED),
        ("queued.", RetryClass.QUEUED),
        ("Complete", RetryClass.DONE),
        ("Pending shutdown.", RetryClass.LATER),
        ("Pending shutdown", RetryClass.LATER),
        ("Too many files", RetryClass.TOO_MANY),
        ("Too many megabytes", RetryClass.TOO_MANY),
        ("Too many files this week", RetryClass.TOO_MANY),
        ("User limit of 40 files exceeded", RetryClass.TOO_MANY),
        ("User limit of 500 megabytes exceeded", RetryClass.TOO_MANY),
        ("Banned", RetryClass.PERSON),
        ("Cancelled", RetryClass.PERSON),
        ("File not shared.", RetryClass.PERSON),
        ("File not shared", RetryClass.PERSON),
        ("FILE NOT SHARED", RetryClass.PERSON),
        ("File read error.", RetryClass.PERSON),
        ("Remote file error", RetryClass.PERSON),
        ("Disallowed extension", RetryClass.PERSON),
        ("Blocked country", RetryClass.PERSON),
        ("the dog ate it", RetryClass.UNKNOWN),
        ("", RetryClass.UNKNOWN),
        ("Too manyfold", RetryClass.UNKNOWN),
    ],
)
def test_reasons_are_compared_without_dot_and_case(reason: str, expected: RetryClass) -> None:
    assert classify(reason) is expected


def test_a_reason_is_normalised_at_both_ends_only() -> None:
    assert normal_reason("  File not shared. ") == "file not shared"
    assert normal_reason("a. b") == "a. b"


def test_connection_errors_are_tried_again_in_minutes_with_growth() -> None:
    policy = RetryPolicy()
    delays = [policy.delay(RetryClass.LINK, attempt) for attempt in range(1, 12)]
    assert delays[:3] == [180.0, 270.0, 405.0]
    assert delays[-1] == 3600.0
    assert policy.delay(RetryClass.LINK, 10_000) == 3600.0


def test_too_many_waits_an_hour_then_longer() -> None:
    policy = RetryPolicy()
    assert policy.delay(RetryClass.TOO_MANY, 1) == 3600.0
    assert policy.delay(RetryClass.TOO_MANY, 9) == 12 * 3600.0


def test_jitter_adds_at_most_a_tenth() -> None:
    assert RetryPolicy().delay(RetryClass.LINK, 1, jitter=1.0) == pytest.approx(198.0)


@pytest.mark.parametrize("retry_class", [RetryClass.PERSON, RetryClass.DONE, RetryClass.QUEUED])
def test_what_a_person_must_decide_is_never_tried_by_itself(retry_class: RetryClass) -> None:
    assert RetryPolicy().delay(retry_class, 1) is None


def test_an_unknown_reason_is_tried_a_few_times_only() -> None:
    policy = RetryPolicy()
    assert [policy.delay(RetryClass.UNKNOWN, n) is None for n in range(1, 7)] == [False] * 4 + [True] * 2


def test_rules_are_data() -> None:
    policy = RetryPolicy({RetryClass.LINK: Rule(1.0, 3.0, 5.0, attempts=3)})
    assert [policy.delay(RetryClass.LINK, n) for n in (1, 2, 3)] == [1.0, 3.0, None]
