"""Limits are looked at before memory is taken: lengths, counts, and what compressed bytes become."""

from __future__ import annotations

import gc
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soulmesh import wire
from soulmesh.errors import DecodeError, FrameError, WireError
from soulmesh.wire import peer, to_client
from soulmesh.wire.inflate import inflate
from soulmesh.wire.message import CATALOGUE, KIB, MIB, Message, Side, catalogue
from soulmesh.wire.structs import DirectoryData, FileData
from tests.support.strategies import structs

FRAMED = [s for s in CATALOGUE if s.family.code_width]
each_side = pytest.mark.parametrize("side", FRAMED, ids=lambda s: f"{s.family.name}-{s.direction}")


@contextmanager
def little_memory(most: int) -> Iterator[None]:
    """What runs inside must not hold more than ``most`` bytes at any time."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < most, f"{peak} bytes were held, {most} are allowed"


def refuses(attempt: Callable[[], object], kind: type[WireError]) -> WireError:
    with pytest.raises(kind) as caught:
        attempt()
    return caught.value


def reader_for(side: Side, **options: object) -> wire.FrameReader:
    return wire.FrameReader(side.family.name, side.direction, **options)  # type: ignore[arg-type]


# -- the length of a frame -------------------------------------------------------


@each_side
def test_an_absurd_length_is_refused_on_its_four_bytes(side: Side) -> None:
    with little_memory(64 * KIB):
        error = refuses(lambda: reader_for(side).feed(b"\xff\xff\xff\xff"), FrameError)
    assert "4294967295" in str(error)


@each_side
def test_a_length_below_the_code_is_refused_on_its_four_bytes(side: Side) -> None:
    for length in range(side.family.code_width):
        error = refuses(lambda n=length: reader_for(side).feed(struct.pack("<I", n)), FrameError)
        assert f"its length of {length} is shorter than a code" in str(error)


@each_side
def test_every_message_has_its_own_limit(side: Side) -> None:
    for code, cls in CATALOGUE[side].items():
        head = wire.frame_header(side.family.code_width, code, cls.LAYOUT.limit - side.family.code_width)
        assert reader_for(side).feed(head) == []
        too_long = struct.pack("<I", cls.LAYOUT.limit + 1) + head[4:]
        error = refuses(lambda data=too_long: reader_for(side).feed(data), FrameError)
        # The highest limit of all is checked before the code is looked at.
        assert error.message in (cls.LAYOUT.name, None)
        assert f"above the limit of {cls.LAYOUT.limit} bytes" in str(error)


@pytest.mark.parametrize(
    ("family", "direction", "code", "limit"),
    [
        ("server", "to_server", 26, 64 * KIB),
        ("server", "to_client", 64, 64 * MIB),
        ("peer_init", "peer", 1, 16 * KIB),
        ("distributed", "peer", 3, 16 * KIB),
        ("peer", "peer", 43, MIB),
        ("peer", "peer", 9, 16 * MIB),
        ("peer", "peer", 37, 16 * MIB),
        ("peer", "peer", 5, 448 * MIB),
        ("peer", "peer", 16, 448 * MIB),
        ("peer", "peer", 9999, 16 * MIB),
    ],
)
def test_the_limits_are_those_of_the_network(family: str, direction: str, code: int, limit: int) -> None:
    (side,) = (s for s in FRAMED if (s.family.name, s.direction) == (family, direction))
    pack = struct.Struct("<II" if side.family.code_width == 4 else "<IB").pack
    assert wire.FrameReader(family, direction).feed(pack(limit, code)) == []
    with pytest.raises(FrameError, match=f"{limit + 1} is above the limit of {limit}"):
        wire.FrameReader(family, direction).feed(pack(limit + 1, code))


def test_a_frame_of_exactly_the_limit_is_read() -> None:
    text = "x" * (64 * KIB - 4 - 4 - 4 - 4)
    frame = wire.encode(wire.to_server.RoomChatMessage("room", text[4:]))
    assert len(frame) == 4 + 64 * KIB - 4
    longest = wire.encode(wire.to_server.RoomChatMessage("room", text))
    (found,) = wire.FrameReader("server", "to_server").feed(longest)
    assert found.data == longest


def test_limits_can_be_set_by_code() -> None:
    shares_code = 5
    reader = wire.FrameReader("peer", "peer", limits={shares_code: 1000})
    with pytest.raises(FrameError, match=r"^PeerSharesReply: .* 1001 is above the limit of 1000 bytes"):
        reader.feed(struct.pack("<II", 1001, shares_code))
    wider = wire.FrameReader("peer", "peer", limits={43: 2 * MIB})
    assert wider.feed(struct.pack("<II", 2 * MIB, 43)) == []


def test_a_large_length_reserves_nothing() -> None:
    with little_memory(64 * KIB):
        reader = wire.FrameReader("peer", "peer")
        assert reader.feed(struct.pack("<II", 448 * MIB, 5)) == []
        assert reader.feed(b"only this") == []
    assert reader.buffered == 17
    with pytest.raises(FrameError, match="ended inside a frame"):
        reader.eof()


def test_a_frame_that_comes_byte_by_byte_takes_no_more_memory_than_its_bytes() -> None:
    frame = wire.encode(peer.PeerPrivateMessage(bytes(200_000)))
    reader = wire.FrameReader("peer", "peer")
    found: list[wire.Frame] = []
    with little_memory(4 * len(frame)):
        for at in range(0, len(frame), 2):
            found += reader.feed(frame[at : at + 2])
    assert [f.data for f in found] == [frame]


def test_pieces_may_be_any_buffer() -> None:
    frame = wire.encode(to_client.RoomChatMessage("lobby", "eve", "hi"))
    reader = wire.FrameReader("server", "to_client")
    whole = reader.feed(bytearray(frame))
    whole += reader.feed(memoryview(frame)[:10])
    whole += reader.feed(memoryview(frame)[10:])
    assert [type(f.data) for f in whole] == [bytes, bytes]
    assert [f.data for f in whole] == [frame, frame]


def test_a_broken_stream_stays_broken() -> None:
    reader = wire.FrameReader("server", "to_client")
    with pytest.raises(FrameError):
        reader.feed(b"\x01\0\0\0")
    with pytest.raises(FrameError):
        reader.feed(wire.encode(to_client.Kicked()))
    with pytest.raises(FrameError):
        reader.eof()


def test_good_frames_before_a_bad_one_are_not_lost() -> None:
    reader = wire.FrameReader("server", "to_client")
    (frame,) = reader.feed(wire.encode(to_client.Kicked()) + b"\x01\0\0\0")
    assert frame.decode() == to_client.Kicked()
    with pytest.raises(FrameError):
        reader.feed(b"")


def test_a_large_unknown_message_is_skipped_and_not_kept() -> None:
    size = 16 * MIB - 4
    reader = wire.FrameReader("peer", "peer")
    piece = bytes(64 * KIB)
    with little_memory(MIB):
        frames = reader.feed(wire.frame_header(4, 9999, size))
        left = size
        while left:
            frames += reader.feed(piece[:left])
            left -= min(left, len(piece))
    (skipped,) = frames
    assert (skipped.code, skipped.skipped, len(skipped.data)) == (9999, size, 8)
    assert "let go" in str(refuses(skipped.decode, DecodeError))
    (after,) = reader.feed(wire.encode(peer.PeerUserInfoRequest()))
    assert after.decode() == peer.PeerUserInfoRequest()


def test_files_have_no_frames() -> None:
    with pytest.raises(FrameError, match="no frames"):
        wire.FrameReader("file", "to_uploader")


# -- counts and lengths inside -----------------------------------------------------

HUGE = [0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0x00FFFFFF]


@pytest.mark.parametrize(
    "cls", list(catalogue()), ids=lambda c: f"{c.LAYOUT.family}-{c.LAYOUT.direction}-{c.LAYOUT.name}"
)
@settings(max_examples=1, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_huge_numbers_anywhere_cost_nothing(cls: type[Message], data: st.DataObject) -> None:
    layout = cls.LAYOUT
    if layout.code is None:
        return
    frame = wire.encode(data.draw(structs(cls)))
    body = zlib.decompress(frame[8:]) if layout.compressed else frame[4 + layout.code_width :]
    with little_memory(2 * MIB):
        for at in range(0, len(body) + 1, 1 + len(body) // 40):
            for number in HUGE:
                changed = body[:at] + struct.pack("<I", number) + body[at + 4 :]
                inner = zlib.compress(changed, 1) if layout.compressed else changed
                hostile = wire.frame_header(layout.code_width, layout.code, len(inner)) + inner
                try:
                    wire.decode(hostile, layout.family, layout.direction)
                except DecodeError:
                    pass


def test_a_count_that_cannot_fit_is_named() -> None:
    frame = wire.frame_header(4, 69, 8) + struct.pack("<II", 3, 0)
    error = refuses(lambda: wire.decode(frame, "server", "to_client"), DecodeError)
    assert str(error) == "PrivilegedUsers.users at byte 0: 3 elements cannot fit into 4 bytes"


def test_a_count_inside_a_list_of_structures_is_named() -> None:
    reply = peer.PeerSearchReply(
        "eve", 1, [FileData(1, "a", 0, "", []), FileData(1, "b", 0, "", [])], True, 0, 0
    )
    body = bytearray(zlib.decompress(wire.encode(reply)[8:]))
    at = len("eve") + 4 + 4 + 4 + 22 + 18
    assert body[at : at + 4] == bytes(4)
    body[at : at + 4] = b"\xff\xff\xff\x00"
    inner = zlib.compress(bytes(body))
    frame = wire.frame_header(4, 9, len(inner)) + inner
    error = refuses(lambda: wire.decode(frame, "peer", "peer"), DecodeError)
    assert (error.message, error.field, error.offset) == ("PeerSearchReply", "results[1].attributes", at)


# -- compressed bodies ---------------------------------------------------------------


def bomb(size: int) -> bytes:
    """Bytes that inflate to ``size`` zeros."""
    packer = zlib.compressobj(9)
    pieces = [packer.compress(bytes(MIB)) for _ in range(size // MIB)]
    return b"".join([*pieces, packer.compress(bytes(size % MIB)), packer.flush()])


@pytest.mark.parametrize("size", [0, 1, 9_999, 10_000])
def test_up_to_its_limit_a_body_is_inflated(size: int) -> None:
    assert inflate(b"head" + bomb(size), 4, 10_000, "X") == bytes(size)


@pytest.mark.parametrize("size", [10_001, 20_000, 50 * MIB])
def test_beyond_its_limit_a_body_is_refused_and_not_held(size: int) -> None:
    data = bomb(size)
    with little_memory(256 * KIB):
        error = refuses(lambda: inflate(data, 0, 10_000, "X"), DecodeError)
    assert str(error) == "X: inflates to more than 10000 bytes"


@pytest.mark.parametrize("level", [0, 1, 6, 9])
def test_any_level_of_compression_is_read(level: int) -> None:
    message = peer.PeerDirectoryContentsReply(1, "x", [DirectoryData("x", [])])
    assert wire.decode(wire.encode(message, level=level), "peer", "peer") == message


@pytest.mark.parametrize("code", [5, 9, 37])
def test_a_bomb_in_a_reply_is_refused(code: int) -> None:
    data = bomb(40 * MIB)
    assert len(data) < 50 * KIB
    frame = wire.frame_header(4, code, len(data)) + data
    with little_memory(28 * MIB):
        error = refuses(lambda: wire.decode(frame, "peer", "peer"), DecodeError)
    assert f"inflates to more than {8 * MIB + 64 * len(frame)} bytes" in str(error)


def test_what_strangers_send_unasked_may_grow_in_proportion_only() -> None:
    reply, shares = peer.PeerSearchReply.LAYOUT, peer.PeerSharesReply.LAYOUT
    assert reply.most_inflated(0) == 8 * MIB
    assert reply.most_inflated(MIB) == 72 * MIB
    assert reply.most_inflated(16 * MIB) == 128 * MIB
    assert shares.most_inflated(MIB) == 72 * MIB
    assert shares.most_inflated(448 * MIB) == 2048 * MIB


def test_a_reply_of_many_equal_files_is_within_its_proportion() -> None:
    # The most even reply that can be meant in earnest: one album, thousands of times.
    files = [FileData(1, "Music\\Artist\\Album\\01 - Track.mp3", 5_000_000, "", []) for _ in range(10_000)]
    message = peer.PeerSearchReply("eve", 1, files, True, 0, 0)
    assert wire.decode(wire.encode(message), "peer", "peer") == message


def test_reading_much_leaves_the_cycle_collector_as_it_was() -> None:
    files = [FileData(1, f"a long enough name of file number {n}.mp3", n, "", []) for n in range(3000)]
    frame = wire.encode(peer.PeerDirectoryContentsReply(1, "x", [DirectoryData("x", files)]))
    cut = zlib.compress(zlib.decompress(frame[8:])[:-1])
    broken = wire.frame_header(4, 37, len(cut)) + cut
    assert gc.isenabled()
    wire.decode(frame, "peer", "peer")
    assert gc.isenabled()
    refuses(lambda: wire.decode(broken, "peer", "peer"), DecodeError)
    assert gc.isenabled()
    gc.disable()
    try:
        wire.decode(frame, "peer", "peer")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_bytes_after_the_compressed_body_are_ignored_and_not_inflated() -> None:
    message = peer.PeerDirectoryContentsReply(1, "x", [])
    frame = wire.encode(message)
    longer = frame + bomb(MIB)
    longer = struct.pack("<I", len(longer) - 4) + longer[4:]
    assert wire.decode(longer, "peer", "peer") == message


def test_preset_dictionaries_and_raw_deflate_are_refused() -> None:
    packer = zlib.compressobj(zdict=b"soulseek")
    with_dictionary = packer.compress(b"soulseek") + packer.flush()
    raw = zlib.compressobj(wbits=-15)
    raw_deflate = raw.compress(bytes(12)) + raw.flush()
    for data in (with_dictionary, raw_deflate):
        frame = wire.frame_header(4, 9, len(data)) + data
        error = refuses(lambda f=frame: wire.decode(f, "peer", "peer"), DecodeError)
        assert error.message == "PeerSearchReply"
