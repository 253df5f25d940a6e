"""Bytes written by other programs are read as what they mean, and written just the same."""

from __future__ import annotations

import zlib
from collections import Counter

import pytest

from soulmesh import wire
from soulmesh.wire.careful import read_carefully
from soulmesh.wire.message import catalogue
from tests.support import vectors
from tests.support.vectors import Vector, each

ALL = vectors.messages()
WRITTEN = [v for v in ALL if v.get("roundtrip", True)]
READ_ONLY = [v for v in ALL if not v.get("roundtrip", True)]
BY_MESSAGE: dict[tuple[str, str, str], list[Vector]] = {}
for _vector in ALL:
    BY_MESSAGE.setdefault((_vector["family"], _vector["direction"], _vector["message"]), []).append(_vector)

each_message = pytest.mark.parametrize("of_one_message", BY_MESSAGE.values(), ids=map("-".join, BY_MESSAGE))


def frame_of(vector: Vector) -> bytes:
    return bytes.fromhex(vector["hex"])


def read(vector: Vector) -> wire.Message:
    return wire.decode(frame_of(vector), vector["family"], vector["direction"])


def build(vector: Vector) -> wire.Message:
    return wire.from_fields(vector["family"], vector["direction"], vector["message"], vector["fields"])


def test_no_vector_is_lost() -> None:
    assert len(ALL) == 974
    assert len(READ_ONLY) == 8
    names = Counter((v["family"], v["direction"], v["message"], v["case"]) for v in ALL)
    assert max(names.values()) == 1


def test_every_message_and_direction_has_a_vector() -> None:
    covered = {(v["family"], v["direction"], v["message"]) for v in ALL}
    assert covered == {(m.LAYOUT.family, m.LAYOUT.direction, m.LAYOUT.name) for m in catalogue()}


@each(ALL)
def test_a_vector_is_read_as_its_fields(vector: Vector) -> None:
    message = read(vector)
    assert message.LAYOUT.name == vector["message"]
    assert message.LAYOUT.code == vector.get("code")
    assert wire.to_fields(message) == vector["fields"]


@each_message
def test_fields_make_the_message_that_is_read(of_one_message: list[Vector]) -> None:
    for vector in of_one_message:
        assert build(vector) == read(vector), vector["case"]


@each(WRITTEN)
def test_fields_are_written_as_the_bytes_of_a_vector(vector: Vector) -> None:
    written = wire.encode(build(vector))
    if "body_hex" not in vector:
        assert written.hex() == vector["hex"]
        return
    # Two zlib builds compress differently: what counts is inside.
    assert written[:8] == (len(written) - 4).to_bytes(4, "little") + vector["code"].to_bytes(4, "little")
    assert zlib.decompress(written[8:]).hex() == vector["body_hex"]


@each_message
def test_what_was_read_is_written_as_the_same_bytes(of_one_message: list[Vector]) -> None:
    for vector in of_one_message:
        if vector in READ_ONLY:
            continue
        message = read(vector)
        written = wire.encode(message)
        if "body_hex" in vector:
            assert zlib.decompress(written[8:]).hex() == vector["body_hex"], vector["case"]
            assert wire.decode(written, vector["family"], vector["direction"]) == message
        else:
            assert written.hex() == vector["hex"], vector["case"]


@each([v for v in READ_ONLY if "latin1" in v["case"]])
def test_text_that_came_in_as_latin1_goes_out_as_latin1(vector: Vector) -> None:
    assert wire.encode(read(vector)).hex() == vector["hex"]


@each([v for v in READ_ONLY if "latin1" not in v["case"]])
def test_a_variant_of_another_program_is_written_in_the_usual_way(vector: Vector) -> None:
    message = read(vector)
    written = wire.encode(message)
    assert written.hex() != vector["hex"]
    assert wire.decode(written, vector["family"], vector["direction"]) == message


@each_message
def test_a_reader_of_streams_cuts_a_vector_out_whole(of_one_message: list[Vector]) -> None:
    family, direction, name = (of_one_message[0][key] for key in ("family", "direction", "message"))
    if family == "file":
        pytest.skip("file connections have no frames")
    reader = wire.FrameReader(family, direction)
    for vector in of_one_message:
        data = frame_of(vector)
        assert reader.feed(data[:-1]) == []
        (frame,) = reader.feed(data[-1:])
        assert frame.data == data
        assert (frame.code, frame.name) == (vector["code"], name)
        assert frame.decode() == read(vector)
    reader.eof()


@each_message
def test_the_careful_reader_reads_what_the_compiled_one_reads(of_one_message: list[Vector]) -> None:
    for vector in of_one_message:
        if vector["case"] == "variant-no-scores":
            continue  # another layout, tried only when the declared one fails
        message = read(vector)
        if "body_hex" in vector:
            body = bytes.fromhex(vector["body_hex"])
        elif vector["message"] == "DistributedServerSearchRequest":
            body = frame_of(vector)[5:].removeprefix(b"\0\0\0")
        else:
            width = message.LAYOUT.side.family.code_width
            body = frame_of(vector)[4 + width if width else 0 :]
        assert read_carefully(type(message), vector["message"], body) == message, vector["case"]


@each_message
def test_bytes_from_any_buffer_are_read_alike(of_one_message: list[Vector]) -> None:
    for vector in of_one_message:
        data = frame_of(vector)
        for buffer in (bytearray(data), memoryview(data)):
            assert wire.decode(buffer, vector["family"], vector["direction"]) == read(vector)
