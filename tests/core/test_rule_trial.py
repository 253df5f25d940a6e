"""Rules of the upload queue are tried on what was asked for: numbers in, lots out."""

from __future__ import annotations

from dataclasses import replace

from soulmesh.core.rule_trial import USUAL_SPEED, Asked, try_rules
from soulmesh.core.upload_queue import DEFAULT_GROUPS, Group, Order, Person, QueueRules

ANN, EVE = Person("ann"), Person("eve")


def asked(at: float, person: Person, name: str, seconds: float | None = 100.0, size: int = 1000) -> Asked:
    return Asked(at, person, rf"Music\{name}", size, seconds)


def test_without_a_record_nobody_fares_at_all() -> None:
    trial = try_rules([], QueueRules())
    assert (trial.lots, trial.requests, trial.refused) == ([], 0, 0)


def test_each_file_waits_until_a_slot_is_free() -> None:
    record = [asked(0, ANN, "1"), asked(10, EVE, "2"), asked(20, ANN, "3")]
    trial = try_rules(record, QueueRules(slots=1), until=1000)
    ann, eve = sorted(trial.lots, key=lambda lot: lot.username)
    # ann was in the round before eve came: her files run from 0 and from 100, eve's from 200.
    assert ann.waits == [0, 80]
    assert eve.waits == [190]
    assert (ann.usual, ann.longest, ann.served, ann.waiting) == (40, 80, 2, 0)


def test_more_slots_are_shorter_waits() -> None:
    record = [asked(0, ANN, "1"), asked(10, EVE, "2")]
    for slots, wait in ((1, 90), (2, 0)):
        trial = try_rules(record, QueueRules(slots=slots), until=1000)
        assert next(lot for lot in trial.lots if lot.username == "eve").waits == [wait]


def test_limits_refuse_in_exact_words_and_who_is_refused_most_comes_first() -> None:
    rules = QueueRules(slots=1, groups={"default": Group(max_files=1)})
    record = [asked(0, ANN, "0"), *(asked(n, EVE, f"{n}") for n in range(1, 5))]
    trial = try_rules(record, rules)
    assert [lot.username for lot in trial.lots] == ["eve", "ann"]
    assert trial.lots[0].refused == {"Too many files": 3}
    assert trial.refused == 3


def test_what_has_not_begun_at_the_end_of_the_record_still_waits() -> None:
    [lot] = try_rules([asked(0, ANN, "1"), asked(1, ANN, "2")], QueueRules(slots=1), until=50).lots
    assert (lot.served, lot.waiting) == (1, 1)


def test_a_file_that_waits_and_is_asked_for_again_counts_once() -> None:
    record = [asked(0, ANN, "1"), asked(1, ANN, "2"), asked(2, ANN, "2"), asked(3, ANN, "2")]
    [lot] = try_rules(record, QueueRules(slots=1), until=1000).lots
    assert (lot.files, lot.served) == (2, 2)


def test_what_never_came_to_its_end_is_taken_to_go_at_the_usual_speed() -> None:
    # ann is known for 10 bytes per second; eve's speed is not known, so it is that of all.
    record = [
        asked(0, ANN, "1", 100.0),
        asked(1, ANN, "2", None),
        asked(2, ANN, "3", None),
        asked(3, EVE, "4", None),
    ]
    lots = {lot.username: lot for lot in try_rules(record, QueueRules(slots=1), until=10_000).lots}
    assert lots["eve"].waits == [197]  # after one file of ann's own and one more of hers, round robin
    assert lots["ann"].waits == [0, 99, 298]


def test_where_nothing_is_known_of_speeds_there_is_a_usual_one() -> None:
    size = int(USUAL_SPEED * 60)
    record = [asked(0, ANN, "1", None, size), asked(0, ANN, "2", None, size)]
    [lot] = try_rules(record, QueueRules(slots=1), until=1000).lots
    assert lot.waits == [0, 60]


def test_friends_and_named_groups_overtake_under_the_rules_that_are_tried() -> None:
    friend = Person("eve", friend=True)
    record = [*(asked(n, Person(f"user {n}"), "x") for n in range(5)), asked(5, friend, "y")]
    usual = {lot.username: lot for lot in try_rules(record, QueueRules(slots=1), until=9999).lots}
    assert usual["eve"].waits == [95]
    named = Group(tier=0, users=frozenset({"user 4"}))
    rules = QueueRules(slots=1, groups={**DEFAULT_GROUPS, "band": named})
    lots = {lot.username: lot for lot in try_rules(record, rules, until=9999).lots}
    assert (lots["user 4"].group, lots["user 4"].waits, lots["eve"].waits) == ("band", [96], [195])


def test_those_who_share_little_wait_behind_all_others_if_the_rules_say_so() -> None:
    poor = Person("poor", files=3, folders=1)
    record = [asked(0, ANN, "1"), asked(1, poor, "2"), asked(2, EVE, "3")]
    for rules, wait in ((QueueRules(slots=1), 99), (QueueRules(slots=1, leech_files=10), 199)):
        lots = {lot.username: lot for lot in try_rules(record, rules, until=9999).lots}
        assert lots["poor"].waits == [wait]


def test_the_order_is_part_of_the_rules() -> None:
    record = [asked(0, ANN, "1"), asked(1, ANN, "2"), asked(2, EVE, "3")]
    strict = replace(QueueRules(slots=1), order=Order.FIRST_COME)
    lots = {lot.username: lot for lot in try_rules(record, strict, until=9999).lots}
    assert lots["eve"].waits == [198]
