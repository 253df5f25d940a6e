"""flows.rst, "Connecting to a peer": three cases, and what real life adds."""

from __future__ import annotations

from soulmesh.core.rendezvous import (
    Address,
    AskAddress,
    AskCallback,
    Dial,
    Drop,
    Failed,
    Met,
    Order,
    Rendezvous,
    State,
    StopDialling,
)

HERE = Address("10.0.0.2", 2234, 2235)


def begun(**options: object) -> Rendezvous:
    meeting = Rendezvous("eve", 7, **options)  # type: ignore[arg-type]
    meeting.start(0.0)
    return meeting


def test_both_ways_are_asked_for_at_once() -> None:
    assert Rendezvous("eve", 7).start(0.0) == [AskAddress("eve"), AskCallback("eve", 7)]


def test_we_can_connect() -> None:
    meeting = begun()
    assert meeting.located(HERE, 0.1) == [Dial("10.0.0.2", 2234, obfuscated=False)]
    assert meeting.linked("ours", direct=True) == [Met("ours", direct=True)]
    assert meeting.deadline is None


def test_we_cannot_connect_but_they_can() -> None:
    meeting = begun()
    meeting.located(HERE, 0.1)
    assert meeting.dial_failed("refused", 0.2) == []
    assert meeting.linked("theirs", direct=False) == [Met("theirs", direct=False)]


def test_neither_can_connect_and_the_error_says_why_for_both_ways() -> None:
    meeting = begun()
    meeting.located(HERE, 0.1)
    meeting.dial_failed("connection refused", 0.2)
    assert meeting.refused(60.0) == [Failed("connection refused", "the user cannot connect to us")]
    assert meeting.state is State.FAILED


def test_the_first_link_wins_and_the_second_is_dropped() -> None:
    meeting = begun()
    meeting.located(HERE, 0.1)
    assert meeting.linked(1, direct=False) == [StopDialling(), Met(1, direct=False)]
    assert meeting.linked(2, direct=True) == [Drop(2)]


def test_cannot_connect_after_the_link_is_of_no_consequence() -> None:
    meeting = begun()
    meeting.located(HERE, 0.1)
    meeting.linked(1, direct=True)
    assert meeting.refused(60.0) == []
    assert meeting.state is State.MET


def test_cannot_connect_while_we_still_dial_leaves_the_direct_way_open() -> None:
    meeting = begun()
    meeting.located(HERE, 0.1)
    assert meeting.refused(1.0) == []
    assert meeting.linked(1, direct=True) == [Met(1, direct=True)]


def test_a_user_without_address_is_offline() -> None:
    assert begun().located(Address("0.0.0.0", 0), 0.1) == [Failed("offline", None, offline=True)]


def test_a_user_without_port_can_only_call_back() -> None:
    meeting = begun()
    assert meeting.located(Address("10.0.0.2", 0), 0.1) == []
    assert meeting.linked(1, direct=False) == [Met(1, direct=False)]


def test_ways_can_be_tried_one_after_the_other() -> None:
    meeting = Rendezvous("eve", 7, order=Order.DIRECT_FIRST)
    assert meeting.start(0.0) == [AskAddress("eve")]
    meeting.located(HERE, 0.1)
    assert meeting.dial_failed("refused", 0.2) == [AskCallback("eve", 7)]
    assert meeting.refused(1.0) == [Failed("refused", "the user cannot connect to us")]


def test_direct_only_never_asks_for_a_callback() -> None:
    meeting = begun(order=Order.DIRECT_ONLY)
    meeting.located(HERE, 0.1)
    assert meeting.dial_failed("refused", 0.2) == [Failed("refused", None)]


def test_the_obfuscated_port_is_tried_first_if_preferred_and_the_clear_one_after_it() -> None:
    meeting = begun(prefer_obfuscated=True)
    assert meeting.located(HERE, 0.1) == [Dial("10.0.0.2", 2235, obfuscated=True)]
    assert meeting.dial_failed("refused", 0.2) == [Dial("10.0.0.2", 2234, obfuscated=False)]


def test_a_known_address_is_not_asked_for() -> None:
    meeting = Rendezvous("eve", 7, address=Address("10.0.0.2", 2234))
    assert meeting.start(0.0) == [Dial("10.0.0.2", 2234, obfuscated=False), AskCallback("eve", 7)]


def test_each_way_has_its_deadline() -> None:
    meeting = begun(direct_timeout=30.0, callback_timeout=60.0)
    meeting.located(HERE, 0.1)
    assert meeting.deadline == 30.0
    assert meeting.tick(30.0) == [StopDialling()]
    assert meeting.deadline == 60.0
    assert meeting.tick(60.0) == [
        Failed("no answer to our connection", "the user did not connect to us in time")
    ]
    assert meeting.deadline is None


def test_a_server_that_does_not_locate_the_user_is_named_as_the_reason() -> None:
    meeting = begun(order=Order.DIRECT_ONLY)
    assert meeting.tick(30.0) == [Failed("the server did not say where the user is", None)]


def test_an_abandoned_attempt_stops_dialling_and_drops_what_comes_later() -> None:
    meeting = begun()
    meeting.located(HERE, 0.1)
    assert meeting.abandon("the server is gone") == [
        StopDialling(),
        Failed("the server is gone", "the server is gone"),
    ]
    assert meeting.linked(1, direct=False) == [Drop(1)]
    assert meeting.abandon("again") == []
