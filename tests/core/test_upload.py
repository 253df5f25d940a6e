"""Uploads as flows.rst tells them: the uploader's side of "Downloads", and pushing a file."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from soulmesh.core.download import DropLink
from soulmesh.core.transfer import UPLOAD, Effect, Event, Moved, Owner, State
from soulmesh.core.upload import Call, OpenLink, TellFailed, TellRefused, Upload

MIB = 1024 * 1024


def moves(effects: list[Effect]) -> list[tuple[Event, State]]:
    return [(e.event, e.new) for e in effects if isinstance(e, Moved)]


def rest(effects: list[Effect]) -> list[Effect]:
    return [e for e in effects if not isinstance(e, Moved)]


def calling(*, pushed: bool = False) -> Upload:
    machine = Upload(pushed=pushed)
    machine.call(5, 1000, 0.0)
    return machine


def linking(*, pushed: bool = False) -> Upload:
    machine = calling(pushed=pushed)
    machine.accepted(1.0)
    return machine


def starting(*, pushed: bool = False) -> Upload:
    machine = linking(pushed=pushed)
    machine.linked(2.0)
    return machine


def running(*, pushed: bool = False) -> Upload:
    machine = starting(pushed=pushed)
    machine.offset(0, 3.0)
    return machine


def draining() -> Upload:
    machine = running()
    machine.all_sent(4.0)
    return machine


def finished() -> Upload:
    machine = draining()
    machine.closed(5.0)
    return machine


def delayed() -> Upload:
    machine = calling()
    machine.lost("no link", 0.0)
    return machine


def offline(*, pushed: bool = False) -> Upload:
    machine = calling(pushed=pushed)
    machine.peer_left(0.0)
    return machine


def paused() -> Upload:
    machine = Upload()
    machine.pause(0.0)
    return machine


def failed() -> Upload:
    machine = calling()
    machine.unreadable("File read error.", 0.0)
    return machine


def cancelled() -> Upload:
    machine = Upload()
    machine.cancel(0.0)
    return machine


EVERY_STATE: list[Callable[[], Upload]] = [
    Upload,
    calling,
    linking,
    starting,
    running,
    draining,
    finished,
    delayed,
    offline,
    paused,
    failed,
    cancelled,
]


def test_there_is_a_way_into_every_state_of_an_upload() -> None:
    assert {make().state for make in EVERY_STATE} == {s for s, _ in UPLOAD} | set(UPLOAD.values())


def test_the_plain_road() -> None:
    machine = Upload()
    effects = machine.call(5, 1000, 0.0)
    assert moves(effects) == [(Event.CALLED, State.CALLING)]
    assert rest(effects) == [Call(5)]
    effects = machine.accepted(1.0)
    assert moves(effects) == [(Event.ACCEPTED, State.LINKING)]
    assert rest(effects) == [OpenLink(5)]
    assert moves(machine.linked(2.0)) == [(Event.LINKED, State.STARTING)]
    assert moves(machine.offset(100, 3.0)) == [(Event.MOVED_ON, State.RUNNING)]
    assert (machine.started_at_byte, machine.sent) == (100, 100)
    assert machine.progressed(600, 4.0) == []
    assert machine.deadline == 124.0
    assert moves(machine.all_sent(5.0)) == [(Event.ALL_SENT, State.DRAINING)]
    assert machine.owner is Owner.PEER
    assert moves(machine.closed(6.0)) == [(Event.CLOSED, State.FINISHED)]


def test_progress_without_an_offset_first_counts_as_the_start() -> None:
    assert moves(starting().progressed(5, 3.0)) == [(Event.MOVED_ON, State.RUNNING)]


def test_a_downloader_who_has_it_already_is_served() -> None:
    machine = calling()
    assert moves(machine.refused("Complete", 1.0)) == [(Event.HAD_ALREADY, State.FINISHED)]


def test_a_downloader_who_says_no_is_not_asked_again() -> None:
    machine = calling()
    effects = machine.refused("Cancelled", 1.0)
    assert moves(effects) == [(Event.GAVE_UP, State.FAILED)]
    assert rest(effects) == [DropLink()]
    assert machine.reason == "Cancelled"


def test_a_push_that_is_declined_ends_with_a_notice() -> None:
    machine = calling(pushed=True)
    assert rest(machine.refused("", 1.0)) == [DropLink(), TellFailed()]
    assert machine.reason == "refused without a reason"


def test_a_downloader_who_says_queued_is_offered_it_later() -> None:
    machine = calling()
    machine.refused("Queued", 0.0)
    assert (machine.state, machine.deadline) == (State.DELAYED, 900.0)


def test_answers_that_nobody_waits_for_change_nothing() -> None:
    assert Upload().accepted(1.0) == []
    assert linking().accepted(1.0) == []
    assert running().refused("Cancelled", 1.0) == []


def test_an_offset_beyond_the_end_ends_the_attempt() -> None:
    machine = starting()
    effects = machine.offset(1001, 3.0)
    assert moves(effects) == [(Event.GAVE_UP, State.FAILED)]
    assert rest(effects) == [DropLink(), TellFailed()]
    assert machine.reason == "the peer asked to start at byte 1001 of 1000"


def test_a_link_that_breaks_under_way_is_told_and_left_to_the_downloader() -> None:
    machine = running()
    effects = machine.closed(4.0)
    assert moves(effects) == [(Event.GAVE_UP, State.FAILED)]
    assert rest(effects) == [DropLink(), TellFailed()]
    assert moves(machine.asked_again(5.0)) == [(Event.REQUEUED, State.QUEUED)]
    assert machine.sent == 0


def test_a_push_that_breaks_is_ours_to_try_again() -> None:
    machine = running(pushed=True)
    assert moves(machine.lost("reset", 4.0)) == [(Event.PUT_OFF, State.DELAYED)]


def test_links_that_cannot_be_opened_are_tried_three_times() -> None:
    machine = Upload()
    now = 0.0
    for _ in range(3):
        machine.call(5, 10, now)
        machine.lost("no link", now)
        assert machine.state is State.DELAYED
        assert machine.deadline is not None
        now = machine.deadline
        assert moves(machine.tick(now)) == [(Event.DUE, State.QUEUED)]
    machine.call(5, 10, now)
    # Whoever opened a link to us hears over that one that it need not wait.
    assert TellFailed() in machine.lost("no link", now)
    assert (machine.state, machine.reason) == (State.FAILED, "no link")


def test_a_class_without_a_rule_waits_for_a_person() -> None:
    from soulmesh.core.retry import RetryPolicy

    machine = Upload(policy=RetryPolicy({}))
    machine.call(1, 1, 0.0)
    machine.lost("no link", 0.0)
    assert machine.state is State.FAILED


def test_a_file_that_vanished_is_refused_in_exact_words() -> None:
    machine = Upload()
    effects = machine.unreadable("File not shared.", 1.0)
    assert rest(effects) == [TellRefused("File not shared.")]
    assert machine.unreadable("File not shared.", 2.0) == []


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (calling, "the peer did not answer our offer"),
        (linking, "no connection for the file could be opened"),
        (starting, "the peer did not say where to start"),
        (running, "the peer stopped receiving"),
        (draining, "the peer never confirmed the end by closing"),
    ],
)
def test_silence_ends_an_attempt_and_says_which_silence(make: Callable[[], Upload], words: str) -> None:
    machine = make()
    assert machine.deadline is not None
    machine.tick(machine.deadline)
    assert machine.reason == words
    assert machine.state in (State.DELAYED, State.FAILED)


def test_who_goes_offline_keeps_a_day_to_come_back_and_ask_again() -> None:
    machine = offline()
    assert machine.peer_came(10.0) == []
    assert moves(machine.asked_again(20.0)) == [(Event.REQUEUED, State.QUEUED)]
    other = offline()
    other.tick(86_400.0)
    assert (other.state, other.reason) == (State.FAILED, "the peer did not come back")


def test_a_push_waits_for_its_receiver_and_goes_on() -> None:
    machine = offline(pushed=True)
    assert machine.tick(86_400.0) == []
    assert moves(machine.peer_came(90_000.0)) == [(Event.PEER_CAME, State.QUEUED)]


def test_asking_again_for_what_is_under_way_changes_nothing() -> None:
    machine = running()
    assert machine.asked_again(4.0) == []
    assert machine.state is State.RUNNING


def test_asking_again_before_the_first_byte_or_after_the_last_offers_it_anew() -> None:
    draining = running()
    draining.all_sent(3.5)
    for machine in (calling(), linking(), starting(), draining):
        effects = machine.asked_again(4.0)
        assert moves(effects) == [(Event.REQUEUED, State.QUEUED)]
        assert rest(effects) == [DropLink()]


def test_pause_resume_cancel_retry() -> None:
    machine = running()
    assert rest(machine.pause(4.0)) == [DropLink()]
    assert moves(machine.resume(5.0)) == [(Event.RESUMED, State.QUEUED)]
    assert rest(machine.cancel(6.0)) == [TellRefused("Cancelled")]
    assert machine.cancel(7.0) == []
    assert moves(machine.retry(8.0)) == [(Event.RETRIED, State.QUEUED)]


def test_a_restart_keeps_what_was_promised() -> None:
    machine = running()
    assert moves(machine.restore(9.0)) == [(Event.RESTORED, State.QUEUED)]
    assert finished().restore(9.0) == []


@pytest.mark.parametrize("make", EVERY_STATE)
def test_whatever_a_peer_or_the_server_says_has_a_row_in_every_state(make: Callable[[], Upload]) -> None:
    for say in (
        lambda m: m.accepted(50.0),
        lambda m: m.refused("Cancelled", 50.0),
        lambda m: m.asked_again(50.0),
        lambda m: m.lost("gone", 50.0),
        lambda m: m.closed(50.0),
        lambda m: m.unreadable("File read error.", 50.0),
        lambda m: m.peer_left(50.0),
        lambda m: m.peer_came(50.0),
        lambda m: m.restore(50.0),
        lambda m: m.tick(1e9),
    ):
        machine = make()
        say(machine)
        assert isinstance(machine.owner, Owner)


def test_trouble_while_it_waits_does_not_move_the_next_try() -> None:
    machine = delayed()
    deadline = machine.deadline
    assert machine.lost("again", 5.0) == []
    assert machine.deadline == deadline


def test_a_deadline_in_a_state_that_has_none_is_a_mistake() -> None:
    machine = Upload()
    machine.deadline = 1.0
    with pytest.raises(AssertionError):
        machine.tick(2.0)


@pytest.mark.parametrize(
    ("size", "offset", "took", "patience"),
    [
        # Nothing is under way: it must close, as ever.
        (5 * MIB, 5 * MIB, 0.1, 120),
        # The network swallowed it at once, which says nothing of the reader: ten KiB each second.
        (5 * MIB, 0, 0.1, 120 + 512),
        (500 * MIB, 495 * MIB, 0.1, 120 + 512),
        # 100 MiB were read in 1000 seconds, so the last ten need a hundred.
        (110 * MIB, 0, 1000, 120 + 100),
        # A quick reader gets hardly more than before.
        (1010 * MIB, 0, 10, 120 + 0.1),
        # Slower than anybody who reads: a dead link does not keep its slot for hours.
        (11 * MIB, 0, 50_000, 120 + 1024),
    ],
)
def test_a_slow_reader_has_time_to_read_what_is_under_way(
    size: int, offset: int, took: float, patience: float
) -> None:
    machine = Upload()
    machine.call(5, size, 0.0)
    machine.accepted(1.0)
    machine.linked(2.0)
    machine.offset(offset, 3.0)
    machine.all_sent(3.0 + took)
    assert machine.deadline == pytest.approx(3.0 + took + patience)
    assert machine.tick(3.0 + took + patience - 0.01) == []
    machine.tick(3.0 + took + patience + 0.01)
    assert machine.reason == "the peer never confirmed the end by closing"
