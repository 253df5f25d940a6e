"""Names come out as text and go back as the bytes that they were."""

from __future__ import annotations

import copy
import json
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soulmesh import wire
from soulmesh.errors import EncodeError
from soulmesh.wire import peer, structs, to_client, to_server

OLD = b"Musik\\Bj\xf6rk\\J\xf3ga.mp3"
UNDEFINED_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"", ""),
        (b"plain", "plain"),
        ("Björk".encode(), "Björk"),
        ("日本 🎵".encode(), "日本 🎵"),
        (b"Bj\xf6rk", "Björk"),
        (UNDEFINED_IN_CP1252, "\x81\x8d\x8f\x90\x9d"),
        (b"a\0b", "a\0b"),
        (b"\xed\xa0\x80", "í\xa0\x80"),  # a surrogate in UTF-8 is no UTF-8
        (b"\xc3", "Ã"),  # cut inside a character
        (b"\xc0\xaf", "À¯"),  # an overlong slash
        (b"\xef\xbb\xbfx", "\ufeffx"),  # a byte order mark is a character like others
    ],
)
def test_text_is_utf8_and_otherwise_latin1(data: bytes, shown: str) -> None:
    read = wire.text(data)
    assert read == shown
    assert wire.raw(read) == data
    assert isinstance(read, wire.Latin1) == (shown.encode() != data)


@given(st.binary(max_size=40))
def test_any_bytes_come_back(data: bytes) -> None:
    assert wire.raw(wire.text(data)) == data
    assert wire.text(data).encode() == data


@given(st.text(max_size=40).filter(lambda t: not any("\ud800" <= c <= "\udfff" for c in t)))
def test_any_text_comes_back(value: str) -> None:
    assert wire.text(wire.raw(value)) == value


def test_latin1_compares_and_hashes_as_what_it_shows() -> None:
    old, new = wire.text(b"Bj\xf6rk"), wire.text("Björk".encode())
    assert old == new == "Björk"
    assert hash(old) == hash(new)
    assert f"{old}" == str(old) == "Björk"
    assert type(str(old)) is str
    assert wire.raw(old) != wire.raw(new)


def test_latin1_survives_copies() -> None:
    old = wire.text(OLD)
    for copied in (copy.copy(old), copy.deepcopy(old), pickle.loads(pickle.dumps(old))):
        assert isinstance(copied, wire.Latin1)
        assert wire.raw(copied) == OLD


def test_a_name_that_came_in_as_latin1_is_asked_for_in_the_same_bytes() -> None:
    advertised = peer.PeerSearchReply(
        "eve",
        7,
        [structs.FileData(1, wire.text(OLD), 5, "", [])],
        True,
        0,
        0,
    )
    received = wire.decode(wire.encode(advertised), "peer", "peer")
    assert isinstance(received, peer.PeerSearchReply)
    name = received.results[0].filename
    assert name == "Musik\\Björk\\Jóga.mp3"
    assert OLD in wire.encode(peer.PeerTransferQueue(name))
    request = wire.decode(wire.encode(peer.PeerTransferQueue(name)), "peer", "peer")
    assert isinstance(request, peer.PeerTransferQueue)
    assert wire.raw(request.filename) == OLD


def test_both_spellings_of_a_name_live_side_by_side() -> None:
    listing = peer.PeerDirectoryContentsReply(
        1,
        "x",
        [structs.DirectoryData(wire.text(b"\xe9"), [structs.FileData(1, "é", 1, wire.text(b"\xff"), [])])],
    )
    again = wire.decode(wire.encode(listing), "peer", "peer")
    assert isinstance(again, peer.PeerDirectoryContentsReply)
    (directory,) = again.directories
    (file,) = directory.files
    assert [wire.raw(t) for t in (directory.name, file.filename, file.extension)] == [
        b"\xe9",
        b"\xc3\xa9",
        b"\xff",
    ]


def test_plain_fields_show_latin1_as_text_and_json_takes_it() -> None:
    message = to_client.RoomChatMessage("lobby", "alice", wire.text(b"gar\xe7on"))
    fields = wire.to_fields(message)
    assert fields["message"] == "garçon"
    assert type(fields["message"]) is str
    assert json.loads(json.dumps(fields)) == fields


def test_a_lone_surrogate_has_no_bytes() -> None:
    with pytest.raises(UnicodeEncodeError):
        wire.raw("\ud800")
    with pytest.raises(EncodeError) as caught:
        wire.encode(to_server.RoomChatMessage("lobby", "broken \udcff name"))
    assert (caught.value.message, caught.value.field) == ("RoomChatMessage", "message")
    with pytest.raises(EncodeError) as caught:
        wire.encode(to_server.PrivateChatMessageUsers(["alice", "\udfff"], "hi"))
    assert caught.value.field == "usernames[1]"


def test_counts_are_bytes_and_not_characters() -> None:
    body = wire.encode(to_server.SetRoomTicker("ä", "日"))[8:]
    assert body.hex(" ", 1) == "02 00 00 00 c3 a4 03 00 00 00 e6 97 a5"
