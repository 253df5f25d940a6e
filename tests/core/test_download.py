"""Downloads as flows.rst, "Transfers / Downloads", tells them: inputs and effects, `now` a number."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from soulmesh.core.allotment import Lack
from soulmesh.core.download import Accept, Ask, AskPlace, Download, DropLink, Keep, Refuse, TicketNotExpected
from soulmesh.core.retry import RetryPolicy
from soulmesh.core.transfer import DOWNLOAD, UPLOAD, Effect, Event, Machine, Moved, Owner, State, WrongMove

NO_RETRY = RetryPolicy({})


def moves(effects: list[Effect]) -> list[tuple[Event, State]]:
    return [(e.event, e.new) for e in effects if isinstance(e, Moved)]


def rest(effects: list[Effect]) -> list[Effect]:
    return [e for e in effects if not isinstance(e, Moved)]


def queued(now: float = 0.0) -> Download:
    machine = Download()
    machine.begin(now)
    machine.asked(now)
    return machine


def offered() -> Download:
    machine = queued()
    machine.offered(7, 1000, 1.0)
    return machine


def running() -> Download:
    machine = offered()
    machine.linked(7, 0, 2.0)
    machine.progressed(10, 3.0)
    return machine


def saving() -> Download:
    machine = running()
    machine.completed(4.0)
    return machine


def finished() -> Download:
    machine = saving()
    machine.saved(5.0)
    return machine


def delayed() -> Download:
    machine = queued()
    machine.lost("no link", 0.0)
    return machine


def offline() -> Download:
    machine = queued()
    machine.peer_left(0.0)
    return machine


def no_room() -> Download:
    machine = offered()
    machine.disk_full(0.0)
    return machine


def paused() -> Download:
    machine = queued()
    machine.pause(0.0)
    return machine


def failed() -> Download:
    machine = queued()
    machine.refused("Banned", 0.0)
    return machine


def cancelled() -> Download:
    machine = queued()
    machine.cancel(0.0)
    return machine


def asking() -> Download:
    machine = Download()
    machine.begin(0.0)
    return machine


def starting() -> Download:
    machine = offered()
    machine.linked(7, 0, 2.0)
    return machine


EVERY_STATE: list[Callable[[], Download]] = [
    Download,
    asking,
    queued,
    offered,
    starting,
    running,
    saving,
    finished,
    delayed,
    offline,
    no_room,
    paused,
    failed,
    cancelled,
]


def test_there_is_a_way_into_every_state_of_a_download() -> None:
    reachable = {state for (state, _), _ in DOWNLOAD.items()} | set(DOWNLOAD.values())
    assert {make().state for make in EVERY_STATE} == reachable


def test_a_peer_with_a_free_slot_sends_the_file() -> None:
    machine = Download()
    effects = machine.begin(0.0)
    assert moves(effects) == [(Event.BEGAN, State.ASKING)]
    assert rest(effects) == [Ask()]
    assert moves(machine.asked(1.0)) == [(Event.ASKED, State.QUEUED)]
    effects = machine.offered(7, 1000, 1.5)
    assert rest(effects) == [Accept(7)]
    assert (machine.state, machine.size, machine.owner) == (State.OFFERED, 1000, Owner.PEER)
    assert moves(machine.linked(7, 0, 2.0)) == [(Event.LINKED, State.STARTING)]
    assert moves(machine.progressed(500, 2.1)) == [(Event.MOVED_ON, State.RUNNING)]
    assert machine.progressed(1000, 2.2) == []
    assert rest(machine.completed(2.3)) == [Keep()]
    assert moves(machine.saved(2.4, "/x")) == [(Event.SAVED, State.FINISHED)]
    assert machine.final
    assert machine.owner is Owner.NOBODY


def test_the_place_is_asked_after_sixty_seconds_then_every_five_minutes() -> None:
    machine = queued(now=0.0)
    assert machine.deadline == 60.0
    assert machine.tick(59.9) == []
    assert machine.tick(60.0) == [AskPlace()]
    assert machine.deadline == 360.0
    assert machine.tick(360.0) == [AskPlace()]


def test_a_pushed_change_of_place_is_taken_and_spares_the_next_question() -> None:
    machine = queued(now=0.0)
    assert moves(machine.placed(37, 10.0)) == [(Event.PLACED, State.QUEUED)]
    assert machine.place == 37
    assert machine.deadline == 310.0
    assert machine.placed(37, 20.0) == []


def test_a_place_may_come_before_our_request_is_written_out() -> None:
    machine = asking()
    assert moves(machine.placed(2, 0.5)) == [(Event.PLACED, State.QUEUED)]
    assert machine.asked(0.6) == []


def test_a_queued_request_is_repeated_after_hours() -> None:
    machine = queued(now=0.0)
    machine._place_at = 6 * 3600.0
    assert machine.tick(6 * 3600.0) == [Ask(), AskPlace()]


def test_queued_is_no_failure_and_waits_for_days() -> None:
    machine = asking()
    assert moves(machine.refused("Queued", 1.0)) == [(Event.REQUEUED, State.QUEUED)]
    assert machine.attempts == 0
    assert moves(machine.refused("queued.", 2.0)) == [(Event.REQUEUED, State.QUEUED)]
    running_one = running()
    assert running_one.refused("Queued", 4.0) == []
    assert running_one.state is State.RUNNING


def test_a_lost_connection_is_tried_again_in_minutes_with_growth() -> None:
    machine = asking()
    machine.lost("no way", 0.0)
    assert (machine.state, machine.deadline, machine.reason) == (State.DELAYED, 180.0, "no way")
    assert moves(machine.tick(180.0)) == [(Event.DUE, State.PENDING)]
    machine.begin(180.0)
    machine.lost("no way", 180.0)
    assert machine.deadline == 180.0 + 270.0


def test_a_second_failure_while_waiting_moves_the_next_try() -> None:
    machine = delayed()
    machine.refused("Too many files", 10.0)
    assert machine.reason == "Too many files"
    assert machine.deadline == 10.0 + 7200.0


@pytest.mark.parametrize("reason", ["Banned", "File not shared.", "Cancelled", "Complete"])
def test_some_refusals_wait_for_a_person(reason: str) -> None:
    machine = queued()
    assert moves(machine.refused(reason, 1.0)) == [(Event.GAVE_UP, State.FAILED)]
    assert (machine.reason, machine.deadline, machine.owner) == (reason, None, Owner.PERSON)
    assert moves(machine.retry(2.0)) == [(Event.RETRIED, State.PENDING)]
    assert machine.attempts == 0


def test_too_many_is_tried_an_hour_later() -> None:
    machine = queued()
    machine.refused("Too many megabytes", 0.0)
    assert machine.deadline == 3600.0


def test_a_class_without_a_rule_waits_for_a_person() -> None:
    machine = Download(policy=NO_RETRY)
    machine.begin(0.0)
    machine.lost("no way", 0.0)
    assert machine.state is State.FAILED


def test_an_upload_that_failed_over_there_is_asked_for_again() -> None:
    machine = running()
    effects = machine.upload_failed(4.0)
    assert moves(effects) == [(Event.PUT_OFF, State.DELAYED)]
    assert rest(effects) == [DropLink()]


def test_a_late_notice_of_failure_does_not_push_the_next_try_away() -> None:
    machine = delayed()
    deadline = machine.deadline
    assert machine.upload_failed(100.0) == []
    assert machine.deadline == deadline


def test_much_progress_makes_failures_count_anew() -> None:
    machine = offered()
    machine.attempts = 4
    machine.linked(7, 0, 1.0)
    machine.progressed(1 << 20, 2.0)
    assert machine.attempts == 0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (asking, "no answer to our attempts to connect"),
        (offered, "the peer offered the file but opened no connection for it"),
        (starting, "the peer sent nothing"),
        (running, "the peer stopped sending"),
    ],
)
def test_silence_ends_an_attempt_and_says_which_silence(make: Callable[[], Download], words: str) -> None:
    machine = make()
    assert machine.deadline is not None
    machine.tick(machine.deadline)
    assert (machine.state, machine.reason) == (State.DELAYED, words)


def test_a_ticket_that_nobody_accepted_is_not_linked() -> None:
    with pytest.raises(TicketNotExpected):
        offered().linked(8, 0, 1.0)
    with pytest.raises(TicketNotExpected):
        queued().linked(7, 0, 1.0)


def test_a_new_offer_replaces_a_link_that_died_unseen() -> None:
    machine = running()
    effects = machine.offered(9, 1000, 5.0)
    assert rest(effects) == [DropLink(), Accept(9)]
    assert machine.state is State.OFFERED
    again = machine.offered(10, 1000, 6.0)
    # The link of the offer before may be on its way in: it must not stand in the way of the next.
    assert rest(again) == [DropLink(), Accept(10)]
    assert machine.deadline == 96.0


@pytest.mark.parametrize("make", [delayed, offline, Download])
def test_an_offer_is_welcome_while_we_wait(make: Callable[[], Download]) -> None:
    assert rest(make().offered(3, 10, 1.0)) == [Accept(3)]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (finished, "Complete"),
        (saving, "Complete"),
        (paused, "Cancelled"),
        (failed, "Cancelled"),
        (cancelled, "Cancelled"),
    ],
)
def test_offers_that_we_cannot_use_are_refused_in_exact_words(
    make: Callable[[], Download], reason: str
) -> None:
    assert make().offered(3, 10, 1.0) == [Refuse(3, reason)]
    # With a full disk the truth is the same.
    assert make().turned_down(3, 10, Lack.FULL, 1.0) == [Refuse(3, reason)]


@pytest.mark.parametrize("make", [asking, queued, delayed, offline, no_room, Download])
@pytest.mark.parametrize("lack", Lack)
def test_an_offer_without_room_for_it_is_left_in_the_queue_of_the_peer(
    make: Callable[[], Download], lack: Lack
) -> None:
    machine = make()
    effects = machine.turned_down(3, 1000, lack, 9.0)
    assert rest(effects) == [Refuse(3, "Queued")]
    assert (machine.state, machine.reason, machine.size, machine.ticket) == (
        State.NO_ROOM,
        lack.value,
        1000,
        None,
    )
    # When there is room it goes on, be it that the peer comes first or that we do.
    assert moves(machine.disk_has_room(10.0)) == [(Event.DISK_FREED, State.PENDING)]
    machine = make()
    machine.turned_down(3, 1000, lack, 9.0)
    assert rest(machine.offered(4, 1000, 10.0)) == [Accept(4)]


@pytest.mark.parametrize("make", [offered, starting, running])
def test_an_offer_without_room_ends_the_link_of_the_one_before(make: Callable[[], Download]) -> None:
    machine = make()
    assert rest(machine.turned_down(3, 1000, Lack.PROMISED, 9.0)) == [DropLink(), Refuse(3, "Queued")]
    assert machine.state is State.NO_ROOM


def test_an_offer_of_more_than_was_asked_for_that_never_fits_is_for_a_person() -> None:
    machine = Download(size=10)
    machine.begin(0.0)
    machine.asked(0.0)
    assert rest(machine.turned_down(3, 1 << 60, Lack.PROMISED, 1.0)) == [Refuse(3, "Queued")]
    assert rest(machine.turned_down(4, 1 << 60, Lack.TOO_LITTLE, 1.0)) == [Refuse(4, "Cancelled")]
    assert (machine.state, machine.size) == (State.FAILED, 10)


def test_why_there_is_no_room_may_change_while_it_waits() -> None:
    machine = no_room()
    assert machine.still_lacks(Lack.FULL, 5.0) == []
    assert moves(machine.still_lacks(Lack.TOO_LITTLE, 6.0)) == [(Event.DISK_FILLED, State.NO_ROOM)]
    assert machine.reason == "the disk has too little room for it"
    assert queued().still_lacks(Lack.FULL, 5.0) == []


def test_a_peer_who_leaves_is_waited_for_until_the_server_says_that_he_is_back() -> None:
    machine = offline()
    assert (machine.state, machine.owner, machine.deadline) == (State.OFFLINE, Owner.SERVER, None)
    assert moves(machine.peer_came(9.0)) == [(Event.PEER_CAME, State.PENDING)]


def test_a_peer_who_does_not_exist_is_called_so_until_the_server_knows_him() -> None:
    machine = queued()
    machine.peer_left(0.0, exists=False)
    assert (machine.state, machine.reason) == (State.OFFLINE, "there is no such user")
    assert moves(machine.peer_came(9.0)) == [(Event.PEER_CAME, State.PENDING)]


def test_a_running_link_does_not_care_that_the_peer_logged_out() -> None:
    machine = running()
    assert machine.peer_left(4.0) == []
    assert machine.state is State.RUNNING


def test_a_full_disk_stops_with_its_reason_and_goes_on_when_there_is_room() -> None:
    machine = running()
    assert rest(machine.disk_full(4.0)) == [DropLink()]
    assert (machine.state, machine.reason) == (State.NO_ROOM, "the disk is full")
    assert moves(machine.disk_has_room(5.0)) == [(Event.DISK_FREED, State.PENDING)]
    assert finished().disk_full(9.0) == []
    assert queued().disk_has_room(9.0) == []


@pytest.mark.parametrize("make", [asking, queued, delayed, offline])
def test_a_full_disk_leaves_alone_what_waits_for_a_time_or_for_the_peer(make: Callable[[], Download]) -> None:
    machine = make()
    state, reason, deadline = machine.state, machine.reason, machine.deadline
    assert machine.disk_full(9.0) == []
    assert machine.disk_has_room(10.0) == []
    assert (machine.state, machine.reason, machine.deadline) == (state, reason, deadline)


@pytest.mark.parametrize("said", ["", "  "])
def test_a_refusal_without_words_says_that(said: str) -> None:
    machine = queued()
    machine.refused(said, 9.0)
    assert (machine.state, machine.reason) == (State.DELAYED, "refused without a reason")


def test_a_file_that_does_not_fit_waits_without_a_link_and_says_so() -> None:
    machine = offered()
    assert rest(machine.does_not_fit(4.0)) == [DropLink()]
    assert (machine.state, machine.reason) == (State.NO_ROOM, "the disk has too little room for it")
    assert moves(machine.disk_has_room(5.0)) == [(Event.DISK_FREED, State.PENDING)]


def test_a_file_that_does_not_fit_because_it_is_larger_than_the_one_that_was_wanted_is_for_a_person() -> None:
    machine = Download(size=1000)
    machine.begin(0.0)
    machine.asked(0.0)
    machine.offered(7, 1 << 60, 1.0)
    assert rest(machine.does_not_fit(2.0)) == [DropLink()]
    assert machine.state is State.FAILED
    assert machine.reason == (
        "it is larger than the file that was asked for (1152921504606846976 bytes, not 1000),"
        " and does not fit on the disk"
    )
    assert machine.size == 1000


@pytest.mark.parametrize("size", [None, 0])
def test_a_file_that_was_asked_for_by_its_name_alone_is_never_larger_than_that(size: int | None) -> None:
    machine = Download(size=size)
    machine.begin(0.0)
    machine.offered(7, 1 << 40, 1.0)
    machine.does_not_fit(2.0)
    assert (machine.state, machine.size) == (State.NO_ROOM, 1 << 40)


def test_an_error_of_our_own_disk_is_tried_later() -> None:
    machine = saving()
    machine.broken("cannot write", 10.0)
    assert (machine.state, machine.deadline) == (State.DELAYED, 10.0 + 900.0)


def test_bytes_that_differ_start_the_file_anew_at_once() -> None:
    machine = starting()
    effects = machine.differed("the part on disk is of another file", 3.0)
    assert moves(effects) == [(Event.RESTARTED, State.PENDING)]
    assert rest(effects) == [DropLink()]
    assert machine.received == 0


def test_a_file_that_is_no_good_waits_for_a_person() -> None:
    machine = saving()
    assert moves(machine.spoiled("cut short", 5.0)) == [(Event.GAVE_UP, State.FAILED)]
    assert machine.reason == "cut short"


def test_late_news_of_an_upload_that_a_person_broke_off_does_not_put_off_the_next_try() -> None:
    machine = running()
    machine.pause(10.0)
    machine.resume(10.1)
    machine.begin(10.1)
    machine.asked(10.2)
    # The peer noticed only now; its place for us may be gone with the old upload.
    assert machine.upload_failed(10.3) == [Ask()]
    assert machine.state is State.QUEUED
    # Once only: what it says after that is about the new upload.
    assert moves(machine.upload_failed(10.4)) == [(Event.PUT_OFF, State.DELAYED)]


def test_late_news_before_the_new_request_is_out_needs_nothing() -> None:
    machine = running()
    machine.pause(10.0)
    machine.resume(10.1)
    machine.begin(10.1)
    assert machine.upload_failed(10.2) == []
    assert machine.state is State.ASKING


def test_news_long_after_a_pause_is_about_the_new_upload() -> None:
    machine = running()
    machine.pause(10.0)
    machine.resume(200.0)
    machine.begin(200.0)
    machine.asked(200.1)
    assert moves(machine.upload_failed(200.2)) == [(Event.PUT_OFF, State.DELAYED)]


def test_pause_and_resume() -> None:
    machine = running()
    assert rest(machine.pause(4.0)) == [DropLink()]
    assert machine.pause(5.0) == []
    assert moves(machine.resume(6.0)) == [(Event.RESUMED, State.PENDING)]


def test_cancel_is_final_but_can_be_retried() -> None:
    machine = queued()
    machine.cancel(1.0)
    assert machine.cancel(2.0) == []
    assert moves(machine.retry(3.0)) == [(Event.RETRIED, State.PENDING)]


@pytest.mark.parametrize("make", [asking, queued, offered, starting, running, saving])
def test_a_restart_asks_anew_for_what_was_under_way(make: Callable[[], Download]) -> None:
    machine = make()
    machine.restore(100.0)
    assert (machine.state, machine.ticket) == (State.PENDING, None)


@pytest.mark.parametrize("make", [delayed, offline, no_room, paused, failed, finished, cancelled])
def test_a_restart_leaves_what_waits_where_it_was(make: Callable[[], Download]) -> None:
    machine = make()
    state = machine.state
    assert machine.restore(100.0) == []
    assert machine.state is state


def test_an_event_without_a_row_is_an_error() -> None:
    with pytest.raises(WrongMove, match="nothing is known to follow when a transfer is pending and saved"):
        Download().saved(1.0)
    with pytest.raises(WrongMove):
        finished().retry(1.0)
    with pytest.raises(WrongMove):
        Download()._stays(Event.CALLED)


@pytest.mark.parametrize("make", EVERY_STATE)
def test_whatever_a_peer_or_the_server_says_has_a_row_in_every_state(make: Callable[[], Download]) -> None:
    for say in (
        lambda m: m.placed(3, 50.0),
        lambda m: m.offered(11, 5, 50.0),
        lambda m: m.turned_down(11, 5, Lack.FULL, 50.0),
        lambda m: m.refused("Queued", 50.0),
        lambda m: m.refused("Banned", 50.0),
        lambda m: m.refused("Too many files", 50.0),
        lambda m: m.upload_failed(50.0),
        lambda m: m.peer_left(50.0),
        lambda m: m.peer_came(50.0),
        lambda m: m.asked(50.0),
        lambda m: m.disk_full(50.0),
        lambda m: m.disk_has_room(50.0),
        lambda m: m.restore(50.0),
        lambda m: m.tick(1e9),
    ):
        machine = make()
        say(machine)
        assert isinstance(machine.state, State)


def test_a_deadline_in_a_state_that_has_none_is_a_mistake() -> None:
    machine = Download()
    machine.deadline = 1.0
    with pytest.raises(AssertionError):
        machine.tick(2.0)


def test_the_tables_speak_of_known_states_only() -> None:
    for table, owners in ((DOWNLOAD, Download), (UPLOAD, None)):
        for (state, _), new in table.items():
            assert isinstance(state, State)
            assert isinstance(new, State)
            if owners is not None:
                machine: Machine = owners()
                machine.state = new
                assert isinstance(machine.owner, Owner)


def test_a_peer_that_comes_back_is_asked_again_when_its_link_was_lost_but_not_when_it_refused() -> None:
    lost = Download(size=10)
    lost.begin(0.0)
    lost.lost("the link broke", 1.0)
    lost.peer_came(2.0)
    assert lost.state is State.PENDING

    refused = Download(size=10)
    refused.begin(0.0)
    refused.refused("Too many files", 1.0)
    refused.peer_came(2.0)
    assert refused.state is State.DELAYED
