"""PCP and NAT-PMP, question by question. Layouts: RFC 6887 figures 2, 3 and 9; RFC 6886 3.2 and 3.3."""

from __future__ import annotations

import ipaddress
import struct

import pytest

from soulmesh.core.port_mapping import Failed, Lease, Mapped, PortMapping, Send, why_useless

NONCE = bytes(range(12))
CLIENT = "192.168.1.7"


def new_mapping() -> PortMapping:
    return PortMapping(2234, CLIENT, NONCE)


def v6(address: str) -> bytes:
    return bytes(10) + b"\xff\xff" + ipaddress.IPv4Address(address).packed


def pcp_answer(
    result: int = 0,
    lifetime: int = 7200,
    *,
    nonce: bytes = NONCE,
    port: int = 2234,
    external: int = 2234,
    address: str = "203.0.113.5",
) -> bytes:
    head = struct.pack(">BBBBII12x", 2, 0x81, 0, result, lifetime, 1000)
    return head + nonce + struct.pack(">B3xHH", 6, port, external) + v6(address)


def pmp_map_answer(result: int = 0, lifetime: int = 7200, *, port: int = 2234, external: int = 4000) -> bytes:
    return struct.pack(">BBHIHHI", 0, 130, result, 1000, port, external, lifetime)


def pmp_address_answer(address: str = "203.0.113.5", result: int = 0) -> bytes:
    return struct.pack(">BBHI", 0, 128, result, 1000) + ipaddress.IPv4Address(address).packed


# An old router's answer to PCP: NAT-PMP version 0, result 1 (RFC 6886, 3.5).
UNSUPPORTED = struct.pack(">BBHI", 0, 0x81, 1, 1000)


def in_nat_pmp() -> PortMapping:
    mapping = new_mapping()
    mapping.start(0.0)
    mapping.received(UNSUPPORTED, 0.1)
    return mapping


def test_the_first_question_is_a_pcp_map_request() -> None:
    (send,) = new_mapping().start(0.0)
    assert isinstance(send, Send)
    assert send.data == (
        bytes.fromhex("02010000") + (7200).to_bytes(4, "big") + v6(CLIENT)
        + NONCE + bytes.fromhex("06000000") + (2234).to_bytes(2, "big") * 2 + v6("0.0.0.0")
    )  # fmt: skip
    assert len(send.data) == 60


def test_a_pcp_answer_is_a_lease_with_the_address_outside() -> None:
    mapping = new_mapping()
    mapping.start(0.0)
    assert mapping.received(pcp_answer(external=5555), 1.0) == [
        Mapped(Lease("203.0.113.5", 5555, 7200, "PCP"))
    ]
    assert mapping.deadline == 1.0 + 3600


def test_a_lease_is_renewed_at_half_time_with_the_same_port_and_nonce() -> None:
    mapping = new_mapping()
    mapping.start(0.0)
    mapping.received(pcp_answer(external=5555), 0.0)
    assert mapping.tick(3599.0) == []
    (send,) = mapping.tick(3600.0)
    assert isinstance(send, Send)
    assert send.data[24:36] == NONCE
    assert send.data[42:44] == (5555).to_bytes(2, "big")
    assert mapping.received(pcp_answer(external=5555), 3601.0) == [
        Mapped(Lease("203.0.113.5", 5555, 7200, "PCP"))
    ]
    assert mapping.deadline == 3601 + 3600


def test_an_old_router_is_asked_again_in_nat_pmp() -> None:
    mapping = new_mapping()
    mapping.start(0.0)
    effects = mapping.received(UNSUPPORTED, 0.1)
    assert effects == [
        Send(b"\0\0"),
        Send(bytes.fromhex("00020000") + (2234).to_bytes(2, "big") * 2 + (7200).to_bytes(4, "big")),
    ]


@pytest.mark.parametrize("address_first", [True, False])
def test_nat_pmp_needs_two_answers_in_any_order(address_first: bool) -> None:
    mapping = in_nat_pmp()
    answers = [pmp_address_answer(), pmp_map_answer()]
    first, second = answers if address_first else reversed(answers)
    assert mapping.received(first, 0.2) == []
    assert mapping.received(second, 0.3) == [Mapped(Lease("203.0.113.5", 4000, 7200, "NAT-PMP"))]


def test_a_pcp_router_that_says_unsupported_in_pcp_is_asked_in_nat_pmp() -> None:
    mapping = new_mapping()
    mapping.start(0.0)
    assert mapping.received(pcp_answer(result=1)[:24], 0.1)[0] == Send(b"\0\0")


def test_silence_is_met_with_doubled_waits_then_nat_pmp_then_given_up() -> None:
    mapping = new_mapping()
    mapping.start(0.0)
    times: list[float] = []
    versions: list[int] = []
    now = 0.0
    while mapping.deadline is not None:
        now = mapping.deadline
        for effect in mapping.tick(now):
            if isinstance(effect, Send):
                times.append(now)
                versions.append(effect.data[0])
            else:
                assert isinstance(effect, Failed)
                assert "does not answer" in effect.reason
    assert times[:2] == [0.25, 0.75]
    assert versions[:2] == [2, 2]
    assert versions[-1] == 0
    assert now == pytest.approx(1.75 + 0.25 * 63)
    assert mapping.lease is None


def test_a_router_that_never_tells_its_address_still_gives_the_port() -> None:
    mapping = in_nat_pmp()
    assert mapping.received(pmp_map_answer(), 0.2) == []
    effects: list[object] = []
    while not effects or not isinstance(effects[-1], Mapped):
        assert mapping.deadline is not None
        effects += mapping.tick(mapping.deadline)
    assert effects[-1] == Mapped(Lease(None, 4000, 7200, "NAT-PMP"))
    assert all(effect == Send(b"\0\0") for effect in effects[:-1]), "the port is not asked for again"


def test_an_address_of_zeros_is_no_address() -> None:
    mapping = in_nat_pmp()
    mapping.received(pmp_address_answer("0.0.0.0"), 0.2)
    assert mapping.received(pmp_map_answer(), 0.2) == [Mapped(Lease(None, 4000, 7200, "NAT-PMP"))]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (pcp_answer(result=2), "told not to open ports"),
        (pcp_answer(result=8), "no room"),
        (pcp_answer(result=12), "another router between"),
        (pcp_answer(result=77), "code 77"),
    ],
)
def test_a_refusal_in_pcp_has_words(answer: bytes, words: str) -> None:
    mapping = new_mapping()
    mapping.start(0.0)
    (failed,) = mapping.received(answer, 0.1)
    assert isinstance(failed, Failed)
    assert words in failed.reason
    assert mapping.deadline is None
    assert mapping.received(pcp_answer(), 0.2) == []


@pytest.mark.parametrize(("result", "words"), [(2, "told not to"), (3, "not connected"), (9, "code 9")])
def test_a_refusal_in_nat_pmp_has_words(result: int, words: str) -> None:
    (failed,) = in_nat_pmp().received(pmp_map_answer(result), 0.2)
    assert isinstance(failed, Failed)
    assert words in failed.reason


def test_bytes_that_are_no_answer_to_us_are_ignored() -> None:
    mapping = new_mapping()
    assert mapping.received(pcp_answer(), 0.0) == [], "nothing was asked yet"
    mapping.start(0.0)
    good = pcp_answer()
    for bad in (
        b"",
        b"\x02",
        good[:20],
        good[:50],
        b"\x02\x01" + good[2:],
        b"\x07" + good[1:],
        pcp_answer(nonce=bytes(12)),
        pcp_answer(port=99),
        b"\x00\x81\x00\x02" + bytes(4),
    ):
        assert mapping.received(bad, 0.1) == [], bad
    mapping = in_nat_pmp()
    for bad in (
        b"\x00\x00",
        b"\x00\x82\x00",
        pmp_map_answer()[:12],
        pmp_map_answer(port=1),
        b"\x00\x99" + bytes(14),
    ):
        assert mapping.received(bad, 0.2) == [], bad
    assert mapping.received(good, 0.2) == [], "PCP was given up"


def test_any_cut_of_an_answer_is_ignored_or_understood() -> None:
    for answer in (pcp_answer(), pmp_map_answer(), pmp_address_answer(), UNSUPPORTED):
        for size in range(len(answer)):
            for mapping in (new_mapping(), in_nat_pmp()):
                mapping.start(0.0)
                mapping.received(answer[:size], 0.1)


def test_a_router_that_stops_answering_loses_the_lease_when_it_ends() -> None:
    mapping = new_mapping()
    mapping.start(0.0)
    mapping.received(pcp_answer(lifetime=600), 0.0)
    questions = 0
    effects: list[object] = []
    now = 0.0
    while mapping.deadline is not None:
        now = mapping.deadline
        effects = list(mapping.tick(now))
        questions += sum(isinstance(effect, Send) for effect in effects)
    assert effects == [Failed("it did not renew the port in time")]
    assert now == 600.0
    assert 6 < questions < 60
    assert mapping.lease is None


def test_a_very_short_lease_is_not_renewed_all_the_time() -> None:
    mapping = new_mapping()
    mapping.start(0.0)
    mapping.received(pcp_answer(lifetime=1), 0.0)
    assert mapping.deadline == 30.0


def test_stopping_gives_the_port_back() -> None:
    mapping = new_mapping()
    assert mapping.stop() == []
    mapping = new_mapping()
    mapping.start(0.0)
    mapping.received(pcp_answer(), 0.0)
    (send,) = mapping.stop()
    assert isinstance(send, Send)
    assert send.data[4:8] == bytes(4), "a lifetime of 0 deletes"
    assert send.data[24:36] == NONCE
    assert mapping.deadline is None
    mapping = in_nat_pmp()
    mapping.received(pmp_address_answer(), 0.2)
    mapping.received(pmp_map_answer(), 0.2)
    assert mapping.stop() == [Send(bytes.fromhex("00020000") + (2234).to_bytes(2, "big") + bytes(6))]


def test_a_nonce_has_twelve_bytes() -> None:
    with pytest.raises(ValueError, match="12 bytes"):
        PortMapping(1, CLIENT, b"")


@pytest.mark.parametrize(
    ("address", "seen_as", "words"),
    [
        ("100.64.1.2", None, "carrier NAT"),
        ("100.127.255.254", None, "carrier NAT"),
        ("192.0.0.4", None, "carrier NAT"),
        ("192.168.0.2", None, "behind another router"),
        ("10.1.2.3", None, "behind another router"),
        ("2001:db8::1", None, "only an IPv6 address"),
        ("8.8.4.4", "9.9.9.9", "a VPN or another router"),
        ("8.8.4.4", "8.8.4.4", None),
        ("8.8.4.4", None, None),
        ("100.128.0.1", None, None),
        (None, "9.9.9.9", None),
    ],
)
def test_a_useless_mapping_is_told_plainly(
    address: str | None, seen_as: str | None, words: str | None
) -> None:
    said = why_useless(address, seen_as=seen_as)
    if words is None:
        assert said is None
    else:
        assert said is not None
        assert words in said
