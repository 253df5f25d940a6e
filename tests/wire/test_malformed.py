"""Broken bytes end in one named error at the right place; odd but readable ones are read."""

from __future__ import annotations

import pytest

from soulmesh import wire
from soulmesh.errors import DecodeError, FrameError, ProtocolError, WireError
from tests.support import vectors
from tests.support.vectors import Vector, each

ALL = vectors.load("malformed")
FRAMED = [v for v in ALL if v["family"] != "file"]


def at(stage: str) -> list[Vector]:
    return [v for v in ALL if v.get("stage") == stage]


def frame_of(vector: Vector) -> bytes:
    return bytes.fromhex(vector["hex"])


def read(vector: Vector) -> wire.Message:
    return wire.decode(frame_of(vector), vector["family"], vector["direction"])


def test_every_line_has_an_outcome() -> None:
    assert len(ALL) == 43
    tolerated = [v for v in ALL if v["expect"] == "tolerate"]
    refused = at("frame") + at("decode") + at("value")
    assert len(tolerated) + len(refused) == len(ALL)


@each(at("frame"))
def test_a_stream_out_of_step_is_a_frame_error(vector: Vector) -> None:
    reader = wire.FrameReader(vector["family"], vector["direction"])

    def whole_stream() -> None:
        reader.feed(frame_of(vector))
        reader.eof()

    with pytest.raises(FrameError) as caught:
        whole_stream()
    assert isinstance(caught.value, WireError)
    assert "\n" not in str(caught.value)


@each(at("frame"))
def test_a_broken_frame_alone_is_a_frame_error_too(vector: Vector) -> None:
    if vector["case"] == "init-frame-too-long":
        pytest.skip("it is cut short here; the limit belongs to the stream")
    with pytest.raises(FrameError):
        read(vector)


def test_a_frame_that_is_not_whole_waits_for_more() -> None:
    (vector,) = (v for v in ALL if v["case"] == "frame-incomplete")
    reader = wire.FrameReader(vector["family"], vector["direction"])
    assert reader.feed(frame_of(vector)) == []
    (frame,) = reader.feed(b"b")
    assert wire.to_fields(frame.decode())["message"] == "brb"
    reader.eof()


@each(at("decode"))
def test_a_bad_message_in_a_good_frame_is_a_decode_error(vector: Vector) -> None:
    with pytest.raises(DecodeError) as caught:
        read(vector)
    error = caught.value
    assert error.message == vector["message"]
    assert vector["message"] in str(error)
    assert "\n" not in str(error)


@each([v for v in at("decode") if v["family"] != "file"])
def test_the_stream_goes_on_after_a_bad_message(vector: Vector) -> None:
    reader = wire.FrameReader(vector["family"], vector["direction"])
    data = frame_of(vector)
    first, second = reader.feed(data + data)
    for frame in (first, second):
        with pytest.raises(DecodeError):
            frame.decode()
    reader.eof()


FIELDS = {
    "string-cut-short": ("message", 22),
    "string-length-huge": ("message", 22),
    "string-length-negative-if-signed": ("room", 4),
    "array-count-huge": ("users", 0),
    "login-cut-after-greeting": ("ip", 12),
    "roomlist-counts-do-not-match": ("rooms_user_count", 25),
    "ip-cut-short": ("ip", 9),
    "embedded-search-cut-short": ("ticket", 14),
    "shares-directory-count-huge": ("directories", 0),
    "userinfo-picture-beyond-frame": ("picture", 11),
    "distributed-search-cut-short": ("query", 21),
}


@each([v for v in ALL if v["case"] in FIELDS])
def test_the_error_names_field_and_offset(vector: Vector) -> None:
    with pytest.raises(DecodeError) as caught:
        read(vector)
    error = caught.value
    assert (error.field, error.offset) == FIELDS[vector["case"]]
    assert f"{vector['message']}.{error.field} at byte {error.offset}: " in str(error)


@each(at("value"))
def test_a_value_to_be_refused_is_read_and_then_refused(vector: Vector) -> None:
    message = read(vector)
    with pytest.raises(ProtocolError) as caught:
        wire.check(message)
    assert "\n" not in str(caught.value)


@each([v for v in ALL if v["expect"] == "tolerate" and "fields" in v])
def test_odd_bytes_are_read_as_they_are_meant(vector: Vector) -> None:
    message = read(vector)
    assert wire.to_fields(message) == vector["fields"]
    if vector["case"] != "transfer-request-upload-without-size":
        wire.check(message)


def test_an_upload_of_unknown_size_is_read_and_then_refused() -> None:
    (vector,) = (v for v in ALL if v["case"] == "transfer-request-upload-without-size")
    with pytest.raises(ProtocolError, match="filesize"):
        wire.check(read(vector))


@each([v for v in ALL if v["expect"] == "tolerate" and "fields" not in v])
def test_an_unknown_code_is_kept_and_can_be_passed_on(vector: Vector) -> None:
    message = read(vector)
    assert isinstance(message, wire.UnknownMessage)
    assert wire.encode(message) == frame_of(vector)
    wire.check(message)
    reader = wire.FrameReader(vector["family"], vector["direction"])
    known = wire.encode(message)
    first, second = reader.feed(known + known)
    assert first.decode() == second.decode() == message


@each(FRAMED)
def test_cut_anywhere_a_bad_stream_comes_to_the_same_end(vector: Vector) -> None:
    data = frame_of(vector)

    def outcome(pieces: list[bytes]) -> object:
        reader = wire.FrameReader(vector["family"], vector["direction"])
        found: list[object] = []
        try:
            for piece in pieces:
                for frame in reader.feed(piece):
                    try:
                        found.append(frame.decode())
                    except DecodeError as error:
                        found.append(str(error))
            reader.eof()
        except FrameError:
            found.append(FrameError)
        return found

    whole = outcome([data])
    assert outcome([data[i : i + 1] for i in range(len(data))]) == whole
    for cut in range(1, min(len(data), 40)):
        assert outcome([data[:cut], data[cut:]]) == whole
