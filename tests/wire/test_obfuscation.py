"""Obfuscation: the bytes of the worked example and of aioslsk, of any length, and over streams."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soulmesh import wire
from soulmesh.errors import FrameError, UsageError
from soulmesh.wire import peer
from soulmesh.wire.obfuscation import KEY_SIZE, key_stream, xor
from tests.support import vectors
from tests.support.vectors import Vector, each

ALL = vectors.load("obfuscation")
KEYS = st.binary(min_size=4, max_size=4)


def slowly(plain: bytes, key: bytes) -> bytes:
    """The rule word by word: rotate the key, XOR four bytes, again."""
    word = int.from_bytes(key, "little")
    out = bytearray()
    for start in range(0, len(plain), 4):
        word = (word >> 31 | word << 1) & 0xFFFFFFFF
        group = plain[start : start + 4]
        out += bytes(a ^ b for a, b in zip(group, word.to_bytes(4, "little"), strict=False))
    return bytes(out)


@each(ALL)
def test_a_vector_is_obfuscated_and_back(vector: Vector) -> None:
    key, plain, hidden = (bytes.fromhex(vector[name]) for name in ("key", "plain", "obfuscated"))
    assert wire.obfuscate(plain, key) == hidden
    assert wire.deobfuscate(hidden) == plain


def test_there_are_all_vectors() -> None:
    assert len(ALL) == 28


@settings(deadline=None)
@given(plain=st.binary(max_size=600), key=KEYS)
def test_it_is_the_rule_word_by_word(plain: bytes, key: bytes) -> None:
    assert wire.obfuscate(plain, key) == key + slowly(plain, key)
    assert wire.deobfuscate(key + slowly(plain, key)) == plain


@pytest.mark.parametrize("size", [0, 1, 3, 127, 128, 129, 32764, 32765, 32767, 32768, 32769, 65_536, 80_001])
def test_any_length_is_right_at_the_edges_of_chunks(size: int) -> None:
    plain = bytes(n * 7 & 0xFF for n in range(size))
    key = b"\x14\x94\xee\x4a"
    hidden = wire.obfuscate(plain, key)
    assert len(hidden) == KEY_SIZE + size
    assert hidden[KEY_SIZE:] == slowly(plain, key)
    assert wire.deobfuscate(hidden) == plain


@settings(deadline=None)
@given(data=st.binary(max_size=300), key=KEYS, offset=st.integers(0, 400))
def test_a_message_can_be_taken_up_in_the_middle(data: bytes, key: bytes, offset: int) -> None:
    whole = bytes(offset) + data
    assert xor(data, key_stream(key), offset) == slowly(whole, key)[offset:]


@pytest.mark.parametrize("offset", [1, 16384, 40_000])
def test_a_long_message_can_be_taken_up_in_the_middle(offset: int) -> None:
    whole = bytes(n & 0xFF for n in range(80_000))
    key = b"abcd"
    assert xor(whole[offset:], key_stream(key), offset) == slowly(whole, key)[offset:]


def test_the_key_comes_round_after_32_turns() -> None:
    stream = key_stream(b"\x01\0\0\0")
    assert len(stream) == 128
    assert stream[-4:] == b"\x01\0\0\0"
    assert slowly(bytes(256), b"\x01\0\0\0") == stream + stream


@pytest.mark.parametrize("key", [b"", b"abc", b"abcde"])
def test_a_key_of_another_size_is_our_own_mistake(key: bytes) -> None:
    with pytest.raises(UsageError, match="4 bytes"):
        wire.obfuscate(b"data", key)


@pytest.mark.parametrize("data", [b"", b"abc"])
def test_bytes_without_even_a_key_are_a_frame_error(data: bytes) -> None:
    with pytest.raises(FrameError, match="key"):
        wire.deobfuscate(data)


def test_a_stream_gives_frames_in_clear() -> None:
    first = wire.encode(peer.PeerTransferQueue("a\\b.mp3"))
    second = wire.encode(peer.PeerUserInfoRequest())
    stream = wire.obfuscate(first, b"\x00\x00\x00\x00") + wire.obfuscate(second, b"\xff\xfe\xfd\xfc")
    reader = wire.FrameReader("peer", "peer", obfuscated=True)
    frames = reader.feed(stream)
    assert [f.data for f in frames] == [first, second]
    assert frames[0].decode() == peer.PeerTransferQueue("a\\b.mp3")
    reader.eof()


def test_a_bad_length_is_seen_through_the_obfuscation_before_its_code_has_come() -> None:
    hidden = wire.obfuscate(b"\xff\xff\xff\xff\x05\0\0\0", b"key!")
    reader = wire.FrameReader("peer", "peer", obfuscated=True)
    assert reader.feed(hidden[:7]) == []
    with pytest.raises(FrameError, match="4294967295"):
        reader.feed(hidden[7:8])


def test_a_large_unknown_message_is_let_go_through_the_obfuscation() -> None:
    body = bytes(3 * 1024 * 1024)
    unknown = wire.frame_header(4, 9999, len(body)) + body
    known = wire.encode(peer.PeerUserInfoRequest())
    stream = wire.obfuscate(unknown, b"abcd") + wire.obfuscate(known, b"efgh")
    reader = wire.FrameReader("peer", "peer", obfuscated=True)
    frames = []
    for start in range(0, len(stream), 65536):
        frames += reader.feed(stream[start : start + 65536])
        assert reader.buffered < 200_000
    skipped, kept = frames
    assert (skipped.code, skipped.skipped) == (9999, len(body))
    assert kept.decode() == peer.PeerUserInfoRequest()
