"""Who is served next (conventions.md, "Etiquette")."""

from __future__ import annotations

import pytest

from soulmesh.core.upload_queue import (
    DEFAULT_GROUPS,
    Group,
    Order,
    Person,
    QueueRules,
    UnknownUpload,
    UploadQueue,
)


def filled(queue: UploadQueue, *asks: tuple[str, str], group: str = "default") -> UploadQueue:
    for user, name in asks:
        queue.add((user, name), user, group, 10)
    return queue


def served(queue: UploadQueue) -> list[object]:
    """Serve all one after the other."""
    order: list[object] = []
    while (key := queue.start_next()) is not None:
        order.append(key)
        queue.ended(key)
    return order


def test_one_upload_per_user_at_a_time() -> None:
    queue = filled(UploadQueue(QueueRules(slots=3)), ("a", "1"), ("a", "2"), ("b", "1"))
    assert queue.start_next() == ("a", "1")
    assert queue.start_next() == ("b", "1")
    assert queue.start_next() is None
    assert queue.free_slots == 1
    queue.ended(("a", "1"))
    assert queue.start_next() == ("a", "2")


def test_no_more_than_there_are_slots() -> None:
    queue = filled(UploadQueue(QueueRules(slots=1)), ("a", "1"), ("b", "1"))
    assert queue.start_next() == ("a", "1")
    assert queue.start_next() is None
    assert (queue.running, queue.free_slots, len(queue)) == (1, 0, 1)


def test_round_robin_gives_each_user_one_file_in_turn() -> None:
    queue = filled(UploadQueue(), ("a", "1"), ("a", "2"), ("a", "3"), ("b", "1"), ("b", "2"), ("c", "1"))
    assert served(queue) == [("a", "1"), ("b", "1"), ("c", "1"), ("a", "2"), ("b", "2"), ("a", "3")]


def test_first_come_first_served() -> None:
    queue = filled(UploadQueue(QueueRules(order=Order.FIRST_COME)), ("a", "1"), ("a", "2"), ("b", "1"))
    assert served(queue) == [("a", "1"), ("a", "2"), ("b", "1")]


def test_privileged_users_go_first_then_friends() -> None:
    queue = filled(UploadQueue(), ("x", "1"))
    filled(queue, ("f", "1"), group="friends")
    filled(queue, ("p", "1"), ("p", "2"), group="privileged")
    filled(queue, ("l", "1"), group="leechers")
    assert served(queue) == [("p", "1"), ("p", "2"), ("f", "1"), ("x", "1"), ("l", "1")]


def test_weights_share_out_a_tier() -> None:
    groups = {"gold": Group(weight=3), "default": Group(weight=1)}
    queue = UploadQueue(QueueRules(order=Order.WEIGHTED, groups=groups))
    for n in range(8):
        queue.add(("g", n), f"g{n}", "gold", 1)
        queue.add(("d", n), f"d{n}", "default", 1)
    first = [key[0] for key in served(queue)[:8] if isinstance(key, tuple)]
    assert first.count("g") == 6


def test_a_group_may_have_fewer_slots_than_there_are() -> None:
    queue = filled(UploadQueue(QueueRules(slots=3)), ("a", "1"), ("b", "1"), group="leechers")
    assert queue.start_next() == ("a", "1")
    assert queue.start_next() is None


def test_a_user_of_a_group_may_have_more_than_one_slot() -> None:
    rules = QueueRules(slots=3, groups={"default": Group(slots_per_user=2)})
    queue = filled(UploadQueue(rules), ("a", "1"), ("a", "2"), ("a", "3"))
    assert [queue.start_next(), queue.start_next(), queue.start_next()] == [("a", "1"), ("a", "2"), None]


def test_limits_are_refused_in_exact_words() -> None:
    queue = UploadQueue(QueueRules(groups={"default": Group(max_files=2, max_bytes=100)}))
    assert queue.refusal("a", "default", 1000) is None  # one file above the limit may always be had
    queue.add(1, "a", "default", 60)
    assert queue.refusal("a", "default", 40) is None
    assert queue.refusal("a", "default", 41) == "Too many megabytes"
    queue.add(2, "a", "default", 1)
    assert queue.refusal("a", "default", 1) == "Too many files"
    assert queue.refusal("b", "default", 1) is None
    assert queue.waiting_of("a") == (2, 61)


def test_a_group_that_is_not_listed_is_served_as_default() -> None:
    rules = QueueRules(groups={})
    assert rules.group("whatever") == Group()


def test_places_under_round_robin_are_those_of_the_real_order() -> None:
    queue = filled(UploadQueue(), *[("a", str(n)) for n in range(4)], *[("b", str(n)) for n in range(2)])
    filled(queue, ("f", "1"), ("f", "2"), group="friends")
    filled(queue, ("l", "1"), group="leechers")
    promised = {key: queue.place(key) for key in list(queue.waiting())}
    assert {key: n for n, key in enumerate(served(queue), 1)} == promised


def test_places_under_first_come_are_those_of_the_real_order() -> None:
    queue = filled(
        UploadQueue(QueueRules(order=Order.FIRST_COME)), ("a", "1"), ("b", "1"), ("a", "2"), ("b", "2")
    )
    promised = {key: queue.place(key) for key in list(queue.waiting())}
    assert {key: n for n, key in enumerate(served(queue), 1)} == promised


def test_places_under_weights_are_near_the_real_order() -> None:
    groups = {"gold": Group(weight=3), "default": Group(weight=1)}
    queue = UploadQueue(QueueRules(order=Order.WEIGHTED, groups=groups))
    for n in range(9):
        queue.add(("g", n), "g", "gold", 1)
    for n in range(3):
        queue.add(("d", n), "d", "default", 1)
    assert queue.place(("d", 2)) >= queue.place(("d", 1)) >= queue.place(("d", 0))
    assert queue.place(("g", 8)) <= 12


def test_an_upload_that_runs_is_at_place_one() -> None:
    queue = filled(UploadQueue(), ("a", "1"))
    queue.start_next()
    assert queue.place(("a", "1")) == 1


def test_an_upload_that_was_never_queued_has_no_place() -> None:
    with pytest.raises(UnknownUpload, match="no such upload"):
        UploadQueue().place("x")


def test_taking_out_what_waits_and_what_runs() -> None:
    queue = filled(UploadQueue(), ("a", "1"), ("a", "2"))
    queue.start_next()
    queue.discard(("a", "1"))
    queue.discard(("a", "2"))
    queue.discard("never there")
    assert (len(queue), queue.running) == (0, 0)
    assert ("a", "2") not in queue
    assert queue._users == {}


def test_asking_twice_keeps_the_place() -> None:
    queue = filled(UploadQueue(), ("a", "1"), ("a", "2"), ("a", "1"))
    assert queue.place(("a", "1")) == 1
    assert len(queue) == 2


def test_a_user_who_becomes_a_friend_moves_up() -> None:
    queue = filled(UploadQueue(), ("a", "1"), ("b", "1"))
    queue.regroup("b", "friends")
    queue.regroup("nobody", "friends")
    assert served(queue) == [("b", "1"), ("a", "1")]


def test_a_slot_that_is_lent_serves_others_but_not_the_same_user() -> None:
    groups = {"default": Group(slots=1)}
    queue = filled(UploadQueue(QueueRules(slots=1, groups=groups)), ("a", "1"), ("a", "2"), ("b", "1"))
    assert queue.start_next() == ("a", "1")
    assert queue.start_next() is None
    queue.lend(("a", "1"))
    queue.lend(("a", "1"))
    queue.lend(("c", "unknown"))
    assert (queue.running, queue.free_slots) == (0, 1)
    assert queue.start_next() == ("b", "1")
    assert queue.start_next() is None
    queue.ended(("b", "1"))
    # Still one at a time of the same user.
    assert queue.start_next() is None
    queue.ended(("a", "1"))
    assert queue.start_next() == ("a", "2")
    assert (queue.running, queue.free_slots) == (1, 0)
    queue.ended(("a", "2"))
    assert (queue.running, queue.free_slots) == (0, 1)


def test_an_upload_keeps_another_only_where_that_one_would_be_served_in_its_place() -> None:
    """A slow one may lose its slot for somebody else, not for nothing."""
    queue = filled(UploadQueue(QueueRules(slots=2)), ("a", "1"), ("a", "2"), ("b", "1"))
    assert [queue.start_next(), queue.start_next()] == [("a", "1"), ("b", "1")]
    # What waits is the user's own next file.
    assert not queue.keeps_another(("a", "1"))
    filled(queue, ("c", "1"))
    assert queue.keeps_another(("a", "1"))
    assert queue.keeps_another(("b", "1"))
    queue.set_rules(QueueRules(slots=3))
    assert not queue.keeps_another(("a", "1"))
    assert not queue.keeps_another(("d", "1"))


def test_a_full_group_waits_for_its_own_uploads_alone() -> None:
    rules = QueueRules(slots=3, groups={"default": Group(slots=1), "friends": Group(tier=1)})
    queue = filled(filled(UploadQueue(rules), ("a", "1")), ("b", "1"), group="friends")
    assert {queue.start_next(), queue.start_next()} == {("a", "1"), ("b", "1")}
    filled(queue, ("c", "1"))
    assert queue.start_next() is None
    assert queue.keeps_another(("a", "1"))
    assert not queue.keeps_another(("b", "1"))


def test_rules_can_be_changed_under_way() -> None:
    queue = filled(UploadQueue(QueueRules(slots=0)), ("a", "1"))
    assert queue.start_next() is None
    queue.set_rules(QueueRules(slots=1))
    assert queue.start_next() == ("a", "1")


@pytest.mark.parametrize(
    ("person", "group"),
    [
        (Person("ann"), "default"),
        (Person("ann", friend=True), "friends"),
        (Person("ann", privileged=True, friend=True), "privileged"),
        (Person("eve", privileged=True), "band"),
        (Person("ann", files=9, folders=2), "leechers"),
        (Person("ann", files=500, folders=1), "leechers"),
        (Person("ann", files=10, folders=2), "default"),
        (Person("ann", friend=True, files=0, folders=0), "friends"),
    ],
)
def test_who_is_in_which_group(person: Person, group: str) -> None:
    groups = {**DEFAULT_GROUPS, "band": Group(users=frozenset({"eve"}))}
    assert QueueRules(groups=groups, leech_files=10, leech_folders=2).group_of(person) == group


@pytest.mark.parametrize(
    ("person", "groups"),
    [
        (Person("ann"), {"default"}),
        (Person("ann", privileged=True, friend=True, files=0), {"privileged", "friends"}),
        (Person("eve"), {"band", "choir"}),
        (Person("eve", privileged=True), {"band", "choir", "privileged"}),
        (Person("ann", files=9), {"leechers"}),
    ],
)
def test_who_belongs_to_which_groups(person: Person, groups: set[str]) -> None:
    known = {
        **DEFAULT_GROUPS,
        "band": Group(users=frozenset({"eve"})),
        "choir": Group(users=frozenset({"eve"})),
    }
    assert QueueRules(groups=known, leech_files=10).groups_of(person) == groups
