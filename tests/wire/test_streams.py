"""The two large replies: told apart by a ticket, and read or written folder by folder."""

from __future__ import annotations

import tracemalloc
import zlib
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soulmesh import wire
from soulmesh.errors import DecodeError, UsageError
from soulmesh.wire import peer
from soulmesh.wire.codec import compile_writer
from soulmesh.wire.peer import PeerSearchReply, PeerSharesReply
from soulmesh.wire.structs import Attribute, DirectoryData, FileData
from tests.support.strategies import structs

MIB = 1024 * 1024


def folder(number: int, files: int = 10) -> DirectoryData:
    attributes = [Attribute(0, 320), Attribute(1, 200)]
    return DirectoryData(
        f"@@music\\artist {number % 97}\\album {number}",
        [
            FileData(1, f"{n:02d} - title {number * n}.mp3", 5_000_000 + n, "", attributes)
            for n in range(files)
        ],
    )


def shares(count: int, locked: int | None = None) -> PeerSharesReply:
    return PeerSharesReply(
        [folder(n) for n in range(count)],
        0,
        None if locked is None else [folder(n) for n in range(locked)],
    )


def body_of(frame: bytes) -> bytes:
    return frame[8:]


def read_all(reader: wire.SharesReader, body: bytes, step: int) -> list[wire.SharedDirectory]:
    found = []
    for start in range(0, len(body), step):
        found += list(reader.feed(body[start : start + step]))
    reader.close()
    return found


# -- shares, read ---------------------------------------------------------------


@pytest.mark.parametrize("step", [1, 7, 4096, 1 << 20])
@pytest.mark.parametrize("locked", [None, 0, 3])
def test_a_stream_gives_the_same_folders_as_the_whole(step: int, locked: int | None) -> None:
    message = shares(20, locked)
    reader = wire.SharesReader()
    found = read_all(reader, body_of(wire.encode(message)), step)
    assert [s.directory for s in found if not s.locked] == message.directories
    assert [s.directory for s in found if s.locked] == (message.locked_directories or [])
    assert reader.complete


@settings(max_examples=60, deadline=None)
@given(message=structs(PeerSharesReply), step=st.integers(1, 50))
def test_any_shares_reply_can_be_read_as_a_stream(message: PeerSharesReply, step: int) -> None:
    found = read_all(wire.SharesReader(), body_of(wire.encode(message)), step)
    assert [s.directory for s in found if not s.locked] == message.directories
    assert [s.directory for s in found if s.locked] == (message.locked_directories or [])


def test_folders_come_out_while_the_rest_is_on_its_way() -> None:
    body = body_of(wire.encode(shares(2000), level=0))
    reader = wire.SharesReader()
    assert len(list(reader.feed(body[: len(body) // 2]))) > 800
    assert not reader.complete


def test_a_list_without_anything_is_complete() -> None:
    reader = wire.SharesReader()
    assert list(reader.feed(zlib.compress(bytes(4)))) == []
    reader.close()


def test_museek_stops_after_the_first_list() -> None:
    message = PeerSharesReply([folder(1)])
    reader = wire.SharesReader()
    assert len(list(reader.feed(body_of(wire.encode(message))))) == 1
    reader.close()


def test_sizes_of_old_clients_are_mended_in_a_stream_too() -> None:
    broken = FileData(1, "big.iso", 0xFFFFFFFFB2D05E00, "", [])
    body = zlib.compress(
        (1).to_bytes(4, "little") + compile_writer(DirectoryData)(DirectoryData("x", [broken]))
    )
    (found,) = list(wire.SharesReader().feed(body))
    assert found.directory.files[0].filesize == 3_000_000_000


def test_a_large_reply_is_read_in_little_memory() -> None:
    def packed() -> Iterator[bytes]:
        writer = wire.SharesWriter(4_000)
        write = compile_writer(DirectoryData)
        for number in range(4_000):
            yield writer.add_packed(write(folder(number, 15)))
        yield writer.finish()

    body = b"".join(packed())
    reader = wire.SharesReader()
    files = 0
    tracemalloc.start()
    for start in range(0, len(body), 65536):
        for shared in reader.feed(body[start : start + 65536]):
            files += len(shared.directory.files)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    reader.close()
    assert files == 60_000
    assert peak < 4 * MIB, f"{peak / MIB:.1f} MiB"


@pytest.mark.parametrize("cut", [0, 1, 10, 200, -1])
def test_a_stream_that_ends_early_is_an_error_at_its_end(cut: int) -> None:
    body = body_of(wire.encode(shares(5)))
    reader = wire.SharesReader()
    list(reader.feed(body[:cut]))
    with pytest.raises(DecodeError, match="early"):
        reader.close()


def test_a_list_that_ends_inside_is_an_error_at_its_end() -> None:
    whole = zlib.decompress(body_of(wire.encode(shares(5))))
    reader = wire.SharesReader()
    list(reader.feed(zlib.compress(whole[:-40])))
    with pytest.raises(DecodeError, match="PeerSharesReply"):
        reader.close()


@pytest.mark.parametrize("body", [b"no zlib at all", zlib.compress(b"x" * 100)[:-1] + b"!"])
def test_broken_compression_is_a_decode_error(body: bytes) -> None:
    def read() -> None:
        reader = wire.SharesReader()
        list(reader.feed(body))
        reader.close()

    with pytest.raises(DecodeError):
        read()


@settings(max_examples=150, deadline=None)
@given(body=st.binary(max_size=200), compressed=st.booleans(), step=st.integers(1, 60))
def test_random_bytes_are_a_decode_error_or_a_list(body: bytes, compressed: bool, step: int) -> None:
    try:
        read_all(wire.SharesReader(), zlib.compress(body) if compressed else body, step)
    except DecodeError:
        pass


def test_bytes_after_the_end_are_let_go() -> None:
    reader = wire.SharesReader()
    list(reader.feed(body_of(wire.encode(shares(1)))))
    tracemalloc.start()
    for _ in range(100):
        assert list(reader.feed(bytes(65536))) == []
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    reader.close()
    assert peak < MIB


# -- shares, read: hostile ones --------------------------------------------------


def test_a_bomb_is_refused_at_its_limit() -> None:
    # A folder with very many files of nothing but zeros: 1000 times smaller when compressed.
    start = (1).to_bytes(4, "little") + b"\0\0\0\0" + (2**21).to_bytes(4, "little")
    bomb = zlib.compress(start + bytes(44 * MIB))
    assert len(bomb) < 100_000
    reader = wire.SharesReader(inflated_limit=4 * MIB)
    tracemalloc.start()
    with pytest.raises(DecodeError, match="inflates to more than 4194304"):
        list(reader.feed(bomb))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # The entries themselves: 21 bytes each on the wire, some 200 in memory.
    assert peak < 64 * MIB


def test_more_than_the_limit_is_refused_while_it_comes_in() -> None:
    body = body_of(wire.encode(shares(3000)))
    reader = wire.SharesReader(inflated_limit=MIB)
    with pytest.raises(DecodeError, match="inflates to more than 1048576 bytes"):
        read_all(reader, body, 4096)


def test_one_folder_may_not_take_more_than_its_limit() -> None:
    message = PeerSharesReply([folder(1, files=4000)])
    reader = wire.SharesReader(directory_limit=100_000)
    with pytest.raises(DecodeError, match="one directory takes more than 100000 bytes"):
        read_all(reader, body_of(wire.encode(message)), 4096)


@pytest.mark.parametrize(
    ("start", "field"),
    [
        (b"\xff\xff\xff\xff", "directories"),
        (b"\1\0\0\0" + b"\0\0\0\0" + b"\xff\xff\xff\xff", "directories.files"),
        (b"\1\0\0\0" + b"\xff\xff\xff\xff", "directories"),
    ],
    ids=["folders", "files", "name"],
)
def test_a_count_that_cannot_be_is_refused_before_much_has_come(start: bytes, field: str) -> None:
    reader = wire.SharesReader()
    compressor = zlib.compressobj()
    sent = 0

    def hostile() -> Iterator[bytes]:
        yield compressor.compress(start)
        while True:
            yield compressor.compress(bytes(256 * 1024)) + compressor.flush(zlib.Z_SYNC_FLUSH)

    def attack() -> None:
        nonlocal sent
        for piece in hostile():
            list(reader.feed(piece))
            sent += 256 * 1024
            assert sent <= 8 * MIB, "never refused"

    tracemalloc.start()
    with pytest.raises(DecodeError) as caught:
        attack()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (caught.value.field or "").startswith(field)
    assert peak < 8 * MIB


# -- shares, written --------------------------------------------------------------


@pytest.mark.parametrize("locked", [None, 0, 4])
@pytest.mark.parametrize("count", [0, 1, 30])
def test_written_folder_by_folder_it_is_the_same_message(count: int, locked: int | None) -> None:
    message = shares(count, locked)
    writer = wire.SharesWriter(count, locked)
    body = b"".join(writer.add(d) for d in [*message.directories, *(message.locked_directories or [])])
    body += writer.finish()
    frame = writer.header() + body
    assert zlib.decompress(frame[8:]) == zlib.decompress(wire.encode(message)[8:])
    assert wire.decode(frame, "peer", "peer") == message
    (found,) = wire.FrameReader("peer", "peer").feed(frame)
    assert found.decode() == message


def test_a_large_reply_is_written_in_little_memory() -> None:
    writer = wire.SharesWriter(2_000)
    one = folder(1, 30)
    size = 0
    tracemalloc.start()
    for _ in range(2_000):
        size += len(writer.add(one))
    size += len(writer.finish())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert int.from_bytes(writer.header()[:4], "little") == size + 4
    assert peak < 2 * MIB


def test_other_numbers_of_folders_than_announced_are_our_own_mistake() -> None:
    writer = wire.SharesWriter(1, 1)
    with pytest.raises(UsageError, match="fewer"):
        writer.finish()
    writer.add(folder(1))
    writer.add(folder(2))
    with pytest.raises(UsageError, match="more"):
        writer.add(folder(3))
    with pytest.raises(UsageError, match="finished"):
        writer.header()
    writer.finish()
    assert len(writer.header()) == 8


# -- a search reply and its ticket ------------------------------------------------


def reply(files: int = 100, username: str = "uploader") -> PeerSearchReply:
    return PeerSearchReply(username, 77, folder(1, files).files, True, 1_000_000, 3, 0)


def test_the_ticket_is_found_in_the_first_bytes() -> None:
    frame = wire.encode(reply())
    assert len(frame) > 500
    head = wire.search_reply_head(frame[:200])
    assert (head.username, head.ticket) == ("uploader", 77)


def test_little_is_inflated_for_it() -> None:
    bomb = wire.encode(PeerSearchReply("eve", 5, [FileData(1, "x" * 30 * MIB, 0, "", [])], True, 0, 0))
    tracemalloc.start()
    assert wire.search_reply_head(bomb).ticket == 5
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 256 * 1024


def test_the_longest_name_fits_and_a_longer_one_is_refused() -> None:
    longest = "n" * 256
    assert wire.search_reply_head(wire.encode(reply(1, longest))).username == longest
    with pytest.raises(DecodeError, match="256") as caught:
        wire.search_reply_head(wire.encode(reply(1, longest + "n")))
    assert (caught.value.message, caught.value.field) == ("PeerSearchReply", "username")


@pytest.mark.parametrize("inside", [b"", b"\3\0\0", b"\3\0\0\0ev", b"\3\0\0\0eve\5\0\0"])
def test_a_head_cut_short_is_a_decode_error(inside: bytes) -> None:
    with pytest.raises(DecodeError, match="PeerSearchReply"):
        wire.search_reply_head(b"\0\0\0\0\x09\0\0\0" + zlib.compress(inside))


@pytest.mark.parametrize("body", [b"", b"\x78", b"plain text"])
def test_a_head_that_is_no_zlib_is_a_decode_error(body: bytes) -> None:
    with pytest.raises(DecodeError, match="PeerSearchReply"):
        wire.search_reply_head(b"\0\0\0\0\x09\0\0\0" + body)


def test_what_follows_the_last_list_costs_nothing() -> None:
    # 300 KB that inflate to 300 MiB of nothing after a complete, empty reply.
    packer = zlib.compressobj(9)
    body = packer.compress(bytes(12)) + b"".join(packer.compress(bytes(MIB)) for _ in range(300))
    body += packer.flush()
    reader = wire.SharesReader()
    assert list(reader.feed(body)) == []
    reader.close()
    assert reader._inflated < 3 * MIB


def test_shared_attributes_cannot_be_changed_for_others() -> None:
    frame = wire.encode(
        peer.PeerSearchReply("eve", 1, [FileData(1, "a.mp3", 1, "", [Attribute(0, 320)])], True, 1, 0)
    )
    attributes = wire.decode(frame, "peer", "peer").results[0].attributes  # type: ignore[attr-defined]
    assert list(attributes) == [Attribute(0, 320)]
    assert not hasattr(attributes, "append")


@pytest.mark.parametrize("piece", [1 << 12, 1 << 16, 1 << 22])
def test_a_large_unknown_message_is_let_go_however_it_is_cut(piece: int) -> None:
    frame = wire.frame_header(4, 9999, 2 * MIB) + bytes(2 * MIB)
    reader = wire.FrameReader("peer", "peer")
    data = frame + wire.encode(peer.PeerUserInfoRequest())
    frames = [found for at in range(0, len(data), piece) for found in reader.feed(data[at : at + piece])]
    assert [(one.code, one.skipped, len(one.data)) for one in frames] == [(9999, 2 * MIB, 8), (15, 0, 8)]
    with pytest.raises(wire.DecodeError, match="let go"):
        frames[0].decode()
