"""flows.rst, "Distributed Network": obtaining a parent, obtaining children, searches."""

from __future__ import annotations

import pytest

from soulmesh.core.tree import (
    ConnectTo,
    Drop,
    Effect,
    Forward,
    Moved,
    TellLink,
    TellServer,
    Tree,
    children_allowed,
)
from soulmesh.wire import distributed, to_client


def told(effects: list[Effect]) -> list[tuple[str, object]]:
    """What the server is told: name of the message and its value."""
    found = []
    for effect in effects:
        if isinstance(effect, TellServer):
            message = effect.message
            found.append((type(message).__name__, getattr(message, message.__match_args__[0])))
    return found


def quick(**options: object) -> Tree:
    """A tree machine with room for children."""
    tree = Tree("me", **options)  # type: ignore[arg-type]
    tree.speed_known(10_000_000)
    return tree


def with_parent(tree: Tree, name: str = "dad", level: int = 0, root: str | None = None) -> Tree:
    tree.offered([(name, "10.0.0.9", 2234)], 0.0)
    tree.candidate_linked(name, name, 0.1)
    tree.told_level(name, level, 0.2)
    if root is not None:
        tree.told_root(name, root, 0.3)
    assert tree.parent == name
    return tree


def test_at_login_we_say_that_we_have_no_parent() -> None:
    assert told(quick().logged_in(0.0)) == [
        ("ToggleParentSearch", True),
        ("BranchRoot", "me"),
        ("BranchLevel", 0),
        ("AcceptChildren", True),
    ]


def test_a_connection_is_opened_to_each_of_the_offered_parents() -> None:
    tree = quick()
    entries = [(f"u{n}", f"10.0.0.{n}", 2234) for n in range(10)] + [("me", "10.0.0.1", 1)]
    assert tree.offered(entries, 0.0) == [ConnectTo(f"u{n}", f"10.0.0.{n}", 2234) for n in range(10)]
    assert tree.offered(entries, 60.0) == []


def test_the_chosen_parent_is_told_to_the_server_and_the_others_are_disconnected() -> None:
    tree = quick()
    tree.offered([("a", "10.0.0.1", 1), ("b", "10.0.0.2", 1)], 0.0)
    tree.candidate_linked("a", "la", 0.1)
    tree.candidate_linked("b", "lb", 0.1)
    tree.told_level("la", 3, 0.2)
    assert tree.told_root("la", "root", 0.2) == []
    assert tree.told_level("lb", 1, 0.3) == []
    effects = tree.told_root("lb", "root", 0.3)
    assert tree.parent == "b"
    assert Drop("la", "another parent was chosen") in effects
    assert told(effects) == [
        ("BranchLevel", 2),
        ("BranchRoot", "root"),
        ("ToggleParentSearch", False),
        ("AcceptChildren", True),
    ]


def test_at_level_0_the_branch_root_is_the_connected_user() -> None:
    tree = with_parent(quick(), "dad", level=0)
    assert (tree.level, tree.root) == (1, "dad")


def test_one_that_really_delivers_goes_before_one_that_is_nearer_to_the_root() -> None:
    tree = quick()
    tree.offered([("near", "10.0.0.1", 1), ("busy", "10.0.0.2", 1), ("mute", "10.0.0.3", 1)], 0.0)
    for name in ("near", "busy", "mute"):
        tree.candidate_linked(name, name, 0.1)
    tree.told_level("near", 0, 0.2)
    tree.told_level("busy", 4, 0.3)
    tree.told_root("busy", "root", 0.3)
    assert tree.searches("busy", [b"search"], 0.4) == ([], [])
    assert tree.parent is None
    assert tree.deadline == pytest.approx(3.2)
    tree.tick(3.2)
    assert tree.parent == "busy"


def test_candidates_that_cannot_be_reached_do_not_hold_up_the_choice() -> None:
    tree = quick()
    tree.offered([("a", "10.0.0.1", 1), ("b", "10.0.0.2", 1)], 0.0)
    tree.candidate_linked("a", "la", 0.1)
    tree.told_level("la", 0, 0.2)
    tree.candidate_failed("b", 1.0)
    assert tree.parent == "a"


def test_a_candidate_that_tells_nothing_is_dropped() -> None:
    tree = quick()
    tree.offered([("a", "10.0.0.1", 1)], 0.0)
    tree.candidate_linked("a", "la", 0.1)
    assert tree.tick(tree.deadline or 0.0) == [Drop("la", "it did not tell its place in the tree")]


@pytest.mark.parametrize("level", [-1, 100, 2**31 - 1])
def test_a_candidate_with_an_impossible_level_is_dropped(level: int) -> None:
    tree = quick()
    tree.offered([("a", "10.0.0.1", 1)], 0.0)
    tree.candidate_linked("a", "la", 0.1)
    assert tree.told_level("la", level, 0.2) == [Drop("la", f"its branch level is {level}")]


def test_a_candidate_that_hangs_below_us_is_no_parent() -> None:
    tree = quick()
    tree.offered([("a", "10.0.0.1", 1)], 0.0)
    tree.candidate_linked("a", "la", 0.1)
    tree.told_level("la", 2, 0.2)
    assert tree.told_root("la", "me", 0.2) == [Drop("la", "its branch hangs below us")]


def test_when_the_parent_moves_server_and_children_are_told() -> None:
    tree = with_parent(quick(), "dad", level=1, root="old")
    tree.child_linked("kid", "lk", 1.0)
    effects = tree.told_root("dad", "new", 2.0)
    assert ("BranchRoot", "new") in told(effects)
    assert TellLink("lk", distributed.DistributedBranchRoot("new")) in effects


def test_when_the_parent_is_lost_children_stay_as_a_branch_of_our_own() -> None:
    tree = with_parent(quick(), "dad", level=1, root="root")
    tree.child_linked("kid", "lk", 1.0)
    effects = tree.lost("dad", 2.0)
    assert (tree.parent, tree.level, tree.root) == (None, 0, "me")
    assert told(effects) == [
        ("BranchLevel", 0),
        ("BranchRoot", "me"),
        ("ToggleParentSearch", True),
        ("AcceptChildren", True),
    ]
    assert TellLink("lk", distributed.DistributedBranchLevel(0)) in effects
    assert list(tree.children.values()) == ["kid"]


def test_a_silent_parent_is_given_up() -> None:
    tree = with_parent(quick())
    tree.rule(to_client.ParentInactivityTimeout(120), 0.0)
    tree.heard("dad", 50.0)
    assert tree.deadline == 170.0
    assert tree.tick(169.0) == []
    effects = tree.tick(170.0)
    assert effects[0] == Drop("dad", "our parent went silent")
    assert tree.parent is None


def test_a_parent_whose_branch_turns_out_to_hang_below_us_is_given_up() -> None:
    tree = with_parent(quick(), "dad", level=1, root="root")
    effects = tree.told_root("dad", "me", 1.0)
    assert effects[0] == Drop("dad", "its branch hangs below us")
    assert tree.level == 0


def test_a_child_is_told_our_place_at_once() -> None:
    tree = with_parent(quick(), "dad", level=1, root="root")
    assert tree.child_linked("kid", "lk", 1.0) == [
        TellLink("lk", distributed.DistributedBranchLevel(2)),
        TellLink("lk", distributed.DistributedBranchRoot("root")),
    ]


@pytest.mark.parametrize(
    ("speed", "min_speed", "ratio", "children"),
    [
        (20480, 1, 50, 4),
        (20480, 1, 30, 6),
        (1023, 1, 50, 0),
        (0, 0, 50, 0),
        (10**9, 1, 50, 10),
        (4096, 1, 0, 10),
    ],
)
def test_children_are_limited_by_the_speed_formula(
    speed: int, min_speed: int, ratio: int, children: int
) -> None:
    assert children_allowed(speed, min_speed, ratio, most=10) == children


def test_a_full_node_refuses_children_and_says_so_to_the_server() -> None:
    tree = Tree("me")
    assert told(tree.rule(to_client.ParentSpeedRatio(50), 0.0)) == []
    assert told(tree.speed_known(0)) == [("AcceptChildren", False)]
    assert told(tree.speed_known(5120)) == [("AcceptChildren", True)]
    effects = tree.child_linked("a", "la", 1.0)
    assert ("AcceptChildren", False) in told(effects)
    assert tree.child_linked("b", "lb", 2.0) == [Drop("lb", "no room for another child")]
    assert told(tree.lost("la", 3.0)) == [("AcceptChildren", True)]


def test_a_child_may_come_twice_since_it_closes_one_of_the_links_itself_but_not_three_times() -> None:
    tree = quick()
    tree.child_linked("kid", "direct", 0.0)
    tree.child_linked("kid", "called back", 0.1)
    assert list(tree.children) == ["direct", "called back"]
    assert Drop("direct", "the same user came again") in tree.child_linked("kid", "new", 1.0)
    assert list(tree.children) == ["called back", "new"]


def test_a_candidate_that_failed_is_not_tried_again_at_once() -> None:
    tree = quick()
    entry = [("a", "10.0.0.1", 1)]
    tree.offered(entry, 0.0)
    tree.candidate_linked("a", "la", 0.1)
    tree.lost("la", 1.0)
    assert tree.offered(entry, 1.1) == []
    assert tree.offered(entry, 61.0) == [ConnectTo("a", "10.0.0.1", 1)]


def test_our_parent_cannot_be_our_child() -> None:
    tree = with_parent(quick())
    assert tree.child_linked("dad", "other", 1.0) == [Drop("other", "it is our parent")]


def test_searches_of_the_parent_go_to_all_children_byte_for_byte_and_only_once() -> None:
    tree = with_parent(quick())
    tree.child_linked("a", "la", 1.0)
    tree.child_linked("b", "lb", 1.0)
    effects, fresh = tree.searches("dad", [b"one", b"two", b"one"], 2.0)
    assert effects == [Forward(("la", "lb"), b"onetwo")]
    assert fresh == [b"one", b"two"]
    assert tree.searches("dad", [b"two"], 3.0) == ([], [])
    assert (tree.seen, tree.forwarded, tree.duplicates) == (4, 4, 2)


def test_the_same_search_a_while_later_is_a_new_one() -> None:
    tree = with_parent(quick())
    tree.searches("dad", [b"one"], 0.0)
    tree.searches("dad", [b"x"], 40.0)
    tree.searches("dad", [b"y"], 80.0)
    assert tree.searches("dad", [b"one"], 90.0) == ([], [b"one"])


def test_searches_from_below_are_not_passed_on() -> None:
    tree = quick()
    tree.child_linked("a", "la", 1.0)
    tree.child_linked("b", "lb", 1.0)
    assert tree.searches("la", [b"one"], 2.0) == ([], [])


def test_a_root_passes_on_what_the_server_sends() -> None:
    tree = quick()
    tree.child_linked("a", "la", 1.0)
    assert tree.server_searches([b"one"], 2.0) == ([Forward(("la",), b"one")], [b"one"])


def test_the_server_makes_us_a_root_when_it_goes_on_sending_searches() -> None:
    tree = with_parent(quick())
    assert tree.server_searches([b"one"], 1.0) == ([], [b"one"])
    assert tree.parent == "dad"
    effects, fresh = tree.server_searches([b"two"], 60.0)
    assert effects[0] == Drop("dad", "the server sees us as a root")
    assert effects[1] == Moved(None, 0, "me", "the server made us a root")
    assert fresh == [b"two"]


def test_reset_begins_again_without_parent_and_children() -> None:
    tree = with_parent(quick())
    tree.child_linked("a", "la", 1.0)
    effects = tree.reset(2.0)
    assert [e.link for e in effects if isinstance(e, Drop)] == ["la", "dad"]
    assert ("ToggleParentSearch", True) in told(effects)
    assert tree.children == {}


def test_after_a_reconnect_the_server_learns_what_we_still_have() -> None:
    tree = with_parent(quick(), "dad", level=1, root="root")
    assert told(tree.logged_in(100.0)) == [
        ("ToggleParentSearch", False),
        ("BranchRoot", "root"),
        ("BranchLevel", 2),
        ("AcceptChildren", True),
    ]


def test_two_that_were_offered_each_other_do_not_become_a_ring() -> None:
    tree = quick()
    tree.offered([("a", "10.0.0.1", 1)], 0.0)
    tree.candidate_linked("a", "ours", 0.1)
    effects = tree.child_linked("a", "theirs", 0.2)
    assert Drop("ours", "it wants to be our child") in effects
    tree.told_level("ours", 0, 0.3)
    assert tree.parent is None
