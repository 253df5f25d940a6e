"""When a goal goes on to its next source, and which files may stay with another copy."""

from __future__ import annotations

import pytest

from soulmesh.core.goal import (
    AWAY,
    PATIENCE,
    Copy,
    Situation,
    Standing,
    Vigil,
    following,
    situation,
    title,
    words,
)
from soulmesh.core.transfer import State

S = State


def files(*states: State, needed: bool = True) -> list[Standing]:
    return [Standing(f"{number}.flac", state, needed=needed) for number, state in enumerate(states)]


@pytest.mark.parametrize(
    ("states", "found"),
    [
        ([], Situation.WHOLE),
        ([S.FINISHED, S.FINISHED], Situation.WHOLE),
        ([S.FINISHED, S.RUNNING, S.QUEUED], Situation.COMING),
        ([S.SAVING], Situation.COMING),
        ([S.FAILED, S.QUEUED], Situation.QUEUED),
        ([S.DELAYED, S.ASKING], Situation.QUEUED),
        ([S.DELAYED, S.OFFLINE, S.FINISHED], Situation.AWAY),
        ([S.PENDING, S.OFFLINE], Situation.AWAY),
        ([S.PENDING], Situation.OURS),
        ([S.PAUSED, S.FINISHED], Situation.OURS),
        ([S.NO_ROOM, S.QUEUED], Situation.OURS),
        ([S.FINISHED, S.FAILED], Situation.OVER),
        ([S.CANCELLED], Situation.OVER),
    ],
)
def test_what_the_files_of_a_source_amount_to(states: list[State], found: Situation) -> None:
    assert situation(files(*states)) is found


def test_what_a_goal_can_do_without_is_waited_for_but_not_missed() -> None:
    cover = Standing("cover.jpg", S.FAILED, needed=False)
    assert situation([*files(S.FINISHED), cover]) is Situation.WHOLE
    assert situation([*files(S.FINISHED), Standing("cover.jpg", S.QUEUED, needed=False)]) is Situation.QUEUED


def test_a_queue_has_more_patience_than_a_source_that_is_away() -> None:
    vigil = Vigil()
    assert vigil.limit(files(S.QUEUED)) == PATIENCE
    assert vigil.limit(files(S.OFFLINE)) == AWAY
    assert vigil.limit(files(S.FAILED)) == 0
    for state in (S.RUNNING, S.PAUSED, S.NO_ROOM, S.PENDING, S.FINISHED):
        assert vigil.limit(files(state)) is None
    # Who says how long counts for both.
    assert Vigil(patience=60).limit(files(S.OFFLINE)) == 60


def test_after_a_refusal_the_rest_may_still_come_but_not_for_long() -> None:
    assert Vigil().limit(files(S.FAILED, S.QUEUED, S.QUEUED)) == AWAY
    assert Vigil().limit(files(S.FAILED, S.RUNNING)) is None


def test_a_copy_without_use_for_what_is_here_waits_for_longer() -> None:
    assert Vigil().limit(files(S.FINISHED, S.OFFLINE), useful=False) == PATIENCE
    assert Vigil().limit(files(S.FAILED, S.QUEUED), useful=False) == PATIENCE
    assert Vigil().limit(files(S.FAILED), useful=False) == 0


def test_only_waiting_is_counted_and_a_byte_begins_it_anew() -> None:
    vigil = Vigil()
    vigil.look(files(S.QUEUED), 1000.0, online=True)
    vigil.look(files(S.QUEUED), 1500.0, online=True)
    assert (vigil.waited, vigil.left(files(S.QUEUED))) == (500.0, PATIENCE - 500)
    vigil.look(files(S.QUEUED), 1600.0, online=False)
    vigil.look(files(S.PAUSED), 1700.0, online=True)
    vigil.look(files(S.RUNNING), 1800.0, online=True)
    assert vigil.waited == 500.0
    vigil.look([Standing("0", S.RUNNING, done=1)], 1900.0, online=True)
    assert vigil.waited == 0


def test_bytes_that_come_again_and_again_are_no_progress() -> None:
    vigil = Vigil()
    for now in range(0, 1200, 200):
        vigil.look([Standing("0", S.DELAYED, done=0)], now, online=True)
        vigil.look([Standing("0", S.RUNNING, done=100)], now + 100.0, online=True)
    # The first hundred were some.
    assert vigil.waited == 500.0


def test_what_was_waited_before_a_restart_counts() -> None:
    vigil = Vigil(waited=500.0)
    vigil.look(files(S.OFFLINE), 7.0, online=True)
    assert vigil.left(files(S.OFFLINE)) == AWAY - 500
    vigil.look(files(S.OFFLINE), 107.0, online=True)
    assert vigil.left(files(S.OFFLINE)) == 0


def test_each_round_is_twice_as_patient() -> None:
    vigil = Vigil(waited=50.0)
    vigil.begin(round=2)
    assert (vigil.waited, vigil.limit(files(S.QUEUED))) == (0.0, 4 * PATIENCE)
    vigil.begin(round=100)
    assert vigil.limit(files(S.QUEUED)) == 64 * PATIENCE


@pytest.mark.parametrize(
    ("turn", "helpful", "after"),
    [
        (-1, [True, True], 0),
        (0, [True, True], 1),
        (1, [True, True], 0),
        (0, [True, False, True], 2),
        (0, [True], None),
        (1, [False, True, False], None),
        (0, [], None),
    ],
)
def test_sources_have_their_turn_one_after_the_other_and_again(
    turn: int, helpful: list[bool], after: int | None
) -> None:
    assert following(turn, helpful) == after


def test_a_file_stays_with_another_copy_if_it_is_in_nobodys_way() -> None:
    copy = Copy([("01 - Ebb and Flood.flac", 100), ("02 - Quay.flac", 200), ("cover.jpg", 5)])
    assert copy.takes(("01 - Ebb and Flood.flac", 100))
    # Another song of the same kind, or a text, is no double.
    assert copy.takes(("03 - Pier.flac", 300))
    assert copy.takes(("info.txt", 1))
    # The same name with another size, the same song under another name, another kind of sound.
    assert not copy.takes(("01 - Ebb and Flood.flac", 101))
    assert not copy.takes(("Cover.jpg", 6))
    assert not copy.takes(("1. ebb and flood.flac", 100))
    assert not copy.takes(("03 - Pier.mp3", 300))
    assert Copy([("cover.jpg", 5)]).takes(("01.flac", 1))


def test_the_title_of_a_song() -> None:
    assert title("01 - Ebb and Flood.flac") == title("1. ebb and flood.mp3") == "ebb and flood"
    assert title("1999.mp3") == "1999"
    assert title("01") == "01"


@pytest.mark.parametrize(
    ("standings", "said"),
    [
        ([Standing("1", S.FINISHED)], "all files of bob are here"),
        ([Standing("1", S.RUNNING)], "receiving from bob"),
        ([Standing("1", S.QUEUED, place=7), Standing("2", S.QUEUED, place=4)], "queued at bob, place 4"),
        ([Standing("1", S.ASKING)], "queued at bob"),
        ([Standing("1", S.OFFLINE), Standing("2", S.DELAYED)], "bob is offline"),
        ([Standing("1", S.DELAYED, reason="no answer")], "bob is to be tried again: no answer"),
        ([Standing("1", S.NO_ROOM, reason="the disk is full")], "the disk is full"),
        ([Standing("1", S.PAUSED)], "paused until you resume it"),
        ([Standing("1", S.PENDING)], "waits for its turn to be asked for at bob"),
        ([Standing("1", S.FAILED, reason="Banned")], "nothing more comes from bob: Banned"),
    ],
)
def test_what_is_told_of_a_source(standings: list[Standing], said: str) -> None:
    assert words(standings, "bob") == said
