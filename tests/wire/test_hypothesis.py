"""What holds for every message, every cutting of a stream and every heap of bytes.

Each property is tried twice: on messages drawn from all there are, quickly, and (slow) on each of the
192 by itself, so that none is missed by chance.
"""

from __future__ import annotations

import copy
import pickle
import zlib
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soulmesh import wire
from soulmesh.errors import DecodeError, EncodeError, FrameError, WireError
from soulmesh.wire.careful import read_carefully
from soulmesh.wire.message import CATALOGUE, Message, Side, catalogue
from soulmesh.wire.peer import PeerSearchReply
from tests.support.strategies import encoded, messages_of, structs

ALL = list(catalogue())
SIDES = list(CATALOGUE)
FRAMED = [s for s in SIDES if s.family.code_width]
TWO_LAYOUTS = ("ChildDepth", "GetRelatedSearches", "DistributedServerSearchRequest")
"""Their length tells two layouts apart, so that a cut one may be another one."""
BETWEEN_USERS = [s for s in FRAMED if s.family.name != "server"]


def tries(count: int) -> settings:
    return settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck))


each_message = pytest.mark.parametrize(
    "cls", ALL, ids=[f"{c.LAYOUT.family}-{c.LAYOUT.direction}-{c.LAYOUT.name}" for c in ALL]
)
each_side = pytest.mark.parametrize("side", FRAMED, ids=lambda s: f"{s.family.name}-{s.direction}")
any_class = st.sampled_from(ALL)


def read(frame: bytes, cls: type[Message]) -> Message:
    return wire.decode(frame, cls.LAYOUT.family, cls.LAYOUT.direction)


def body_of(frame: bytes, cls: type[Message]) -> bytes:
    if cls.LAYOUT.compressed:
        return zlib.decompress(frame[8:])
    return frame[4 + cls.LAYOUT.code_width :] if cls.LAYOUT.code is not None else frame


def frame_of(body: bytes, cls: type[Message]) -> bytes:
    layout = cls.LAYOUT
    if layout.code is None:
        return body
    inner = zlib.compress(body, 1) if layout.compressed else body
    return wire.frame_header(layout.code_width, layout.code, len(inner)) + inner


def resized(frame: bytes) -> bytes:
    """The same bytes under a length that is right."""
    return (len(frame) - 4).to_bytes(4, "little") + frame[4:]


def reader_for(side: Side, *, obfuscated: bool = False) -> wire.FrameReader:
    return wire.FrameReader(side.family.name, side.direction, obfuscated=obfuscated)


def error_of(attempt: Callable[[], object], kind: type[Exception]) -> Exception | None:
    """The error of that kind, if there is one."""
    try:
        attempt()
    except kind as error:
        return error
    return None


# -- the properties -----------------------------------------------------------


def what_is_written_is_read_again(cls: type[Message], data: st.DataObject) -> None:
    message = data.draw(structs(cls))
    frame = wire.encode(message)
    again = read(frame, cls)
    assert again == message
    assert type(again) is cls
    assert body_of(wire.encode(again), cls) == body_of(frame, cls)


def plain_fields_and_copies_say_the_same(cls: type[Message], data: st.DataObject) -> None:
    message = data.draw(structs(cls))
    layout = cls.LAYOUT
    fields = wire.to_fields(message)
    rebuilt = wire.from_fields(layout.family, layout.direction, layout.name, fields)
    assert rebuilt == message
    assert wire.to_fields(rebuilt) == fields
    for copied in (copy.copy(message), copy.deepcopy(message), pickle.loads(pickle.dumps(message))):
        assert copied == message
        assert wire.encode(copied) == wire.encode(message)
    assert repr(message).startswith(f"{cls.__name__}(")


def bytes_after_the_last_field_are_ignored(cls: type[Message], data: st.DataObject) -> None:
    message = data.draw(structs(cls, complete=True))
    if cls.LAYOUT.code is None or getattr(message, "payload", None) is not None:
        return  # the length decides what it is, or the rest belongs to the last field
    more = data.draw(st.binary(min_size=1, max_size=9))
    body = body_of(wire.encode(message), cls)
    assert read(frame_of(body + more, cls), cls) == message


def a_message_cut_short_is_refused_or_lacks_late_fields(cls: type[Message], data: st.DataObject) -> None:
    if cls.LAYOUT.code is None or cls.LAYOUT.name in TWO_LAYOUTS:
        return
    message = data.draw(structs(cls))
    body = body_of(wire.encode(message), cls)
    cut = data.draw(st.integers(0, len(body)))
    frame = frame_of(body[:cut], cls)
    error = error_of(lambda: read(frame, cls), DecodeError)
    if error is not None:
        assert isinstance(error, DecodeError)
        assert error.message == cls.LAYOUT.name
        assert error.field is not None
        assert error.offset is not None
        assert 0 <= error.offset <= cut
        return
    found = read(frame, cls)
    values = {name: getattr(message, name) for name in cls.__match_args__}
    missing = {name: None for name in values if getattr(found, name) is None}
    shorter = {"payload": found.payload} if "payload" in values else {}
    assert found == cls(**values | missing | shorter)


def wire_error_or_message(frame: bytes, family: str, direction: str) -> None:
    error = error_of(lambda: wire.decode(frame, family, direction), WireError)
    if error is not None:
        assert "\n" not in str(error)
        return
    message = wire.decode(frame, family, direction)
    # What can be read can be shown, and written, and read again.
    wire.to_fields(message)
    assert wire.decode(wire.encode(message), family, direction) == message


def random_bodies_are_a_wire_error_or_a_message(cls: type[Message], data: st.DataObject) -> None:
    frame = frame_of(data.draw(st.binary(max_size=120)), cls)
    wire_error_or_message(frame, cls.LAYOUT.family, cls.LAYOUT.direction)


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """The same with some bytes changed, put in or taken out, or counts made absurd."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        match draw(st.sampled_from(["change", "insert", "remove", "count"])):
            case "change":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=4))
            case "remove":
                del data[at : at + draw(st.integers(1, 4))]
            case "count":
                count = draw(st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**32 - 1]))
                data[at : at + 4] = count.to_bytes(4, "little")
    return bytes(data)


def damaged_messages_are_a_wire_error_or_a_message(cls: type[Message], data: st.DataObject) -> None:
    frame = wire.encode(data.draw(structs(cls)))
    if data.draw(st.booleans()):
        frame = frame_of(data.draw(damaged(body_of(frame, cls))), cls)
    else:
        frame = data.draw(damaged(frame))
        if len(frame) >= 4 and data.draw(st.booleans()):
            frame = resized(frame)
    wire_error_or_message(frame, cls.LAYOUT.family, cls.LAYOUT.direction)


def compiled_and_careful_reader_agree(cls: type[Message], data: st.DataObject) -> None:
    layout = cls.LAYOUT
    if layout.code is None or layout.name == "GetRelatedSearches":
        return  # not framed, or a second layout that the careful reader does not know
    body = body_of(wire.encode(data.draw(structs(cls))), cls)
    body = data.draw(st.just(body) | damaged(body))
    frame = frame_of(body, cls)

    def outcome(attempt: Callable[[], object]) -> object:
        error = error_of(attempt, DecodeError)
        return attempt() if error is None else str(error)

    assert outcome(lambda: read(frame, cls)) == outcome(lambda: read_carefully(cls, layout.name, body))


PROPERTIES = [
    what_is_written_is_read_again,
    plain_fields_and_copies_say_the_same,
    bytes_after_the_last_field_are_ignored,
    a_message_cut_short_is_refused_or_lacks_late_fields,
    random_bodies_are_a_wire_error_or_a_message,
    damaged_messages_are_a_wire_error_or_a_message,
    compiled_and_careful_reader_agree,
]
each_property = pytest.mark.parametrize("holds", PROPERTIES, ids=lambda p: p.__name__)


@each_property
@tries(150)
@given(cls=any_class, data=st.data())
def test_for_any_message(
    holds: Callable[[type[Message], st.DataObject], None], cls: type[Message], data: st.DataObject
) -> None:
    holds(cls, data)


@pytest.mark.slow
@each_message
@tries(10)
@given(data=st.data())
def test_for_each_message(cls: type[Message], data: st.DataObject) -> None:
    for holds in PROPERTIES:
        holds(cls, data)


@each_message
@tries(3)
@given(data=st.data())
def test_each_message_comes_back_as_it_went(cls: type[Message], data: st.DataObject) -> None:
    what_is_written_is_read_again(cls, data)


# -- bytes from strangers -------------------------------------------------------


@pytest.mark.parametrize("side", SIDES, ids=lambda s: f"{s.family.name}-{s.direction}")
@tries(60)
@given(data=st.binary(max_size=200))
def test_random_bytes_are_a_wire_error_or_a_message(side: Side, data: bytes) -> None:
    wire_error_or_message(data, side.family.name, side.direction)


@tries(120)
@given(
    value=st.none()
    | st.integers()
    | st.just(2**40)
    | st.text(max_size=4)
    | st.binary(max_size=4)
    | st.lists(st.integers() | st.text(max_size=2), max_size=2)
    | st.floats()
    | st.builds(object)
    | st.just("\ud800"),
    cls=st.sampled_from([c for c in ALL if c.__match_args__]),
    data=st.data(),
)
def test_a_value_of_the_wrong_kind_is_an_encode_error_that_names_its_field(
    value: object, cls: type[Message], data: st.DataObject
) -> None:
    message = data.draw(structs(cls))
    name = data.draw(st.sampled_from(cls.__match_args__))
    setattr(message, name, value)
    error = error_of(lambda: wire.encode(message), EncodeError)
    if error is None:
        # It fitted after all. Whatever was written can be read.
        read(wire.encode(message), cls)
        return
    assert isinstance(error, EncodeError)
    assert error.message == cls.LAYOUT.name
    assert error.field
    assert "\n" not in str(error)


@tries(60)
@given(data=st.data())
def test_the_head_of_a_search_reply_is_found_in_any_of_them(data: st.DataObject) -> None:
    reply = data.draw(structs(PeerSearchReply))
    head = wire.search_reply_head(wire.encode(reply))
    assert (head.username, head.ticket) == (reply.username, reply.ticket)


@tries(150)
@given(body=st.binary(max_size=60), damage=st.booleans())
def test_the_head_of_no_search_reply_is_a_wire_error(body: bytes, damage: bool) -> None:
    frame = frame_of(body, PeerSearchReply)
    if damage:
        frame = frame[:8] + body
    error_of(lambda: wire.search_reply_head(frame), WireError)


# -- streams ----------------------------------------------------------------------


@st.composite
def cut(draw: st.DrawFn, data: bytes) -> list[bytes]:
    """The same bytes in pieces of any size, empty ones too."""
    places = sorted(draw(st.lists(st.integers(0, len(data)), max_size=12)))
    return [data[a:b] for a, b in pairwise([0, *places, len(data)])]


@each_side
@tries(30)
@given(data=st.data())
def test_any_cutting_of_a_stream_gives_the_same_frames(side: Side, data: st.DataObject) -> None:
    frames = data.draw(st.lists(encoded(side), max_size=6))
    reader = reader_for(side)
    found = [f.data for piece in data.draw(cut(b"".join(frames))) for f in reader.feed(piece)]
    reader.eof()
    assert found == frames
    assert reader.buffered == 0


@pytest.mark.parametrize("side", BETWEEN_USERS, ids=lambda s: f"{s.family.name}-{s.direction}")
@tries(30)
@given(data=st.data())
def test_any_cutting_of_an_obfuscated_stream_gives_the_same_frames(side: Side, data: st.DataObject) -> None:
    frames = data.draw(st.lists(encoded(side), max_size=6))
    keys = data.draw(st.lists(st.binary(min_size=4, max_size=4), min_size=len(frames), max_size=len(frames)))
    stream = b"".join(wire.obfuscate(frame, key) for frame, key in zip(frames, keys, strict=True))
    reader = reader_for(side, obfuscated=True)
    found = [f.data for piece in data.draw(cut(stream)) for f in reader.feed(piece)]
    reader.eof()
    assert found == frames


@each_side
@tries(30)
@given(data=st.data())
def test_what_follows_the_frames_that_were_wanted_can_be_had(side: Side, data: st.DataObject) -> None:
    frames = data.draw(st.lists(encoded(side), min_size=1, max_size=6))
    reader = reader_for(side)
    assert [f.data for f in reader.feed(b"".join(frames), 1)] == frames[:1]
    rest = reader.rest()
    assert rest == b"".join(frames[1:])
    reader.eof()
    assert [f.data for f in reader_for(side).feed(rest)] == frames[1:]


@each_side
@tries(40)
@given(data=st.data())
def test_any_stream_comes_to_the_same_end_however_it_is_cut(side: Side, data: st.DataObject) -> None:
    good = data.draw(st.lists(encoded(side), max_size=2))
    bad = data.draw(st.binary(max_size=30) | encoded(side).flatmap(damaged))
    stream = b"".join(good) + bad
    obfuscated = side.family.name == "peer" and data.draw(st.booleans())
    if obfuscated:
        stream = b"".join(wire.obfuscate(frame, b"abcd") for frame in good) + bad

    def end(pieces: list[bytes]) -> tuple[list[tuple[bytes, int]], str]:
        reader = reader_for(side, obfuscated=obfuscated)
        found: list[tuple[bytes, int]] = []

        def run() -> None:
            for piece in pieces:
                found.extend((frame.data, frame.skipped) for frame in reader.feed(piece))
            reader.eof()

        error = error_of(run, FrameError)
        # How much is known of a bad frame (only its length, or its code too) depends on the cutting.
        return found, "ended well" if error is None else str(error).partition(": ")[2].partition(" of ")[0]

    single = end([stream[n : n + 1] for n in range(len(stream))])
    assert end([stream]) == single
    assert end(data.draw(cut(stream))) == single


@tries(60)
@given(data=st.data(), side=st.sampled_from(FRAMED))
def test_a_frame_reads_its_message_and_shows_itself(data: st.DataObject, side: Side) -> None:
    message = data.draw(messages_of(side))
    whole = wire.encode(message)
    (frame,) = reader_for(side).feed(whole)
    assert frame.decode() == message
    assert frame.name == message.LAYOUT.name
    assert message.LAYOUT.name in repr(frame)
    assert bytes(frame.payload) == whole[4 + side.family.code_width :]
    assert frame.side is side
