"""One peer cannot swamp us."""

from __future__ import annotations

from soulmesh.core.doorkeeper import Doorkeeper, Pace, Verdict


def test_requests_within_the_pace_are_looked_at() -> None:
    door = Doorkeeper(Pace(burst=3, per_second=1.0))
    assert [door.ask("a", str(n), 0.0).verdict for n in range(3)] == [Verdict.ADMIT] * 3
    assert door.ask("a", "3", 0.0).verdict is Verdict.REFUSE
    assert door.ask("a", "3", 2.0).verdict is Verdict.ADMIT


def test_one_flood_does_not_touch_other_users() -> None:
    door = Doorkeeper(Pace(burst=1, per_second=0.0))
    door.ask("a", "1", 0.0)
    assert door.ask("a", "2", 0.0).verdict is Verdict.REFUSE
    assert door.ask("b", "1", 0.0).verdict is Verdict.ADMIT


def test_a_flood_is_answered_ever_more_rarely() -> None:
    door = Doorkeeper(Pace(burst=0, per_second=0.0))
    verdicts = [door.ask("a", str(n), 0.0) for n in range(1000)]
    answered = [n + 1 for n, answer in enumerate(verdicts) if answer.verdict is Verdict.REFUSE]
    assert answered == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert verdicts[0].reason == "Too many files"


def test_a_refusal_is_repeated_from_memory_whenever_somebody_asks_within_the_pace() -> None:
    """Who gets no answer takes the file for queued, and waits for ever."""
    door = Doorkeeper(Pace(burst=3, per_second=0.5, remember=600.0))
    door.ask("a", "gone", 0.0)
    door.refused("a", "gone", "File not shared.", 0.0)
    answers = [door.ask("a", "gone", 2.0 * n) for n in range(1, 20)]
    assert {(a.verdict, a.reason) for a in answers} == {(Verdict.REFUSE, "File not shared.")}
    assert door.refusal("a", "gone", 599.0) == "File not shared."
    assert door.refusal("a", "gone", 601.0) is None
    assert door.refusal("a", "there", 1.0) is None
    assert door.refusal("b", "gone", 1.0) is None
    assert door.ask("a", "gone", 601.0).verdict is Verdict.ADMIT


def test_a_flood_for_one_file_that_was_refused_is_answered_ever_more_rarely() -> None:
    door = Doorkeeper(Pace(burst=1, per_second=0.0, remember=600.0))
    door.ask("a", "gone", 0.0)
    door.refused("a", "gone", "File not shared.", 0.0)
    answers = [door.ask("a", "gone", 1.0).verdict for _ in range(4)]
    assert answers == [Verdict.REFUSE, Verdict.REFUSE, Verdict.IGNORE, Verdict.REFUSE]
    assert door.ask("a", "gone", 601.0).verdict is Verdict.REFUSE  # looked at again, but the bucket is empty


def test_memory_is_bounded() -> None:
    door = Doorkeeper(Pace(users=10, remember_files=5))
    for n in range(100):
        door.ask(f"u{n}", "x", 0.0)
        door.refused("greedy", f"file{n}", "Banned", 0.0)
    assert len(door) <= 11
    assert len(door._visitors["greedy"].refused) == 5


def test_refusals_are_forgotten_when_the_rules_change() -> None:
    door = Doorkeeper()
    door.refused("a", "x", "File not shared.", 0.0)
    door.refused("b", "x", "File not shared.", 0.0)
    door.forget("a")
    door.forget("nobody")
    assert door.ask("a", "x", 1.0).verdict is Verdict.ADMIT
    door.forget()
    assert door.ask("b", "x", 1.0).verdict is Verdict.ADMIT


def test_who_takes_what_he_asked_for_may_ask_again() -> None:
    door = Doorkeeper(Pace(burst=1, per_second=0.0))
    for number in range(100):
        assert door.ask("a", str(number), 0.0).verdict is Verdict.ADMIT
        door.served("a")
    door.served("a")
    door.served("nobody")
    door.ask("a", "x", 0.0)
    assert door.ask("a", "y", 0.0).verdict is Verdict.REFUSE
