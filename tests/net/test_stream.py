"""Streams: reading, giving back, backpressure, endings; the same on every network."""

from __future__ import annotations

import asyncio

import pytest

from soulmesh.net.errors import ConnectionLost, StreamEnded, TimedOut
from soulmesh.net.stream import open_stream
from soulmesh.net.tcp import TcpNetwork
from tests.support.loops import real
from tests.support.networks import Pair, each_network


@each_network
async def test_read_returns_what_is_there_and_nothing_at_the_end(pair: Pair) -> None:
    async with pair() as (one, other):
        one.write(b"abc")
        assert await other.read() == b"abc"
        one.write(b"defgh")
        assert await other.read(2) == b"de"
        assert await other.read() == b"fgh"
        one.close()
        assert await other.read() == b""
        assert await other.read() == b""
        assert other.at_eof


@each_network
async def test_readexactly_joins_and_splits_pieces(pair: Pair) -> None:
    async with pair() as (one, other):
        reading = asyncio.create_task(other.readexactly(7))
        for piece in (b"ab", b"cd", b"efghi"):
            one.write(piece)
            await asyncio.sleep(0.01)
        assert await reading == b"abcdefg"
        assert await other.readexactly(0) == b""
        assert await other.readexactly(2) == b"hi"
        assert other.unread_bytes == 0


@each_network
async def test_what_is_there_can_be_looked_at_before_it_is_taken(pair: Pair) -> None:
    async with pair() as (one, other):
        assert other.peek(4) == b""
        one.write(b"ab")
        assert await other.readable()
        assert other.peek(4) == b"ab"
        other.unread(b"AB")
        assert (other.peek(3), other.unread_bytes) == (b"ABa", 4)
        assert other.take(3) == b"ABa"
        assert (other.peek(4), other.unread_bytes) == (b"b", 1)
        one.close()
        assert await other.read() == b"b"
        assert not await other.readable()


@each_network
async def test_readexactly_beyond_the_end_says_what_came(pair: Pair) -> None:
    async with pair() as (one, other):
        one.write(b"abc")
        one.close()
        with pytest.raises(StreamEnded) as caught:
            await other.readexactly(10)
        assert caught.value.partial == b"abc"
        assert str(caught.value) == "connection lost: the other side closed after 3 of 10 bytes"
        assert await other.read() == b""


@each_network
async def test_readexactly_of_more_than_the_limit_still_comes(pair: Pair) -> None:
    async with pair(limit=1000) as (one, other):
        one.write(b"x" * 300_000)
        assert await other.readexactly(300_000) == b"x" * 300_000


@each_network
async def test_bytes_given_back_are_read_again_first(pair: Pair) -> None:
    async with pair() as (one, other):
        one.write(b"headbody")
        assert await other.readexactly(8) == b"headbody"
        other.unread(b"body")
        one.write(b"tail")
        assert await other.readexactly(8) == b"bodytail"
        other.unread(b"xyz")
        buffer = bytearray(2)
        assert await other.read_into(buffer) == 2
        assert buffer == b"xy"
        assert await other.read() == b"z"


@each_network
async def test_a_slow_reader_makes_the_writer_wait(pair: Pair) -> None:
    async with pair() as (one, other):
        while not one.writing_paused:
            one.write(b"x" * 65536)
            await asyncio.sleep(0)
        draining = asyncio.create_task(one.drain())
        await asyncio.sleep(0.05)
        assert not draining.done()
        assert other.unread_bytes < 1_000_000
        while not draining.done():
            await other.read()
        await draining


@each_network
async def test_a_reset_is_an_error_after_the_bytes_before_it(pair: Pair) -> None:
    async with pair() as (one, other):
        other.write(b"x" * 10)
        assert await one.read() == b"x" * 10
        other.write(b"unread")
        await asyncio.sleep(0.02)
        # Closing with bytes unread resets the connection.
        one._transport.pause_reading()  # type: ignore[union-attr]
        other.write(b"never read")
        await asyncio.sleep(0.02)
        one.abort()
        with pytest.raises(ConnectionLost, match="reset"):
            await other.read()
        with pytest.raises(ConnectionLost):
            await other.drain()


@each_network
async def test_half_closing_lets_the_answer_through(pair: Pair) -> None:
    async with pair() as (one, other):
        one.write(b"question")
        one.write_eof()
        assert await other.readexactly(8) == b"question"
        assert await other.read() == b""
        other.write(b"answer")
        assert await one.readexactly(6) == b"answer"


@each_network
async def test_our_own_close_ends_a_read_quietly_and_drain_with_an_error(pair: Pair) -> None:
    async with pair() as (one, _other):
        reading = asyncio.create_task(one.read())
        await asyncio.sleep(0)
        one.close()
        assert await reading == b""
        await one.wait_closed()
        one.write(b"into the void")
        assert one.is_closed
        with pytest.raises(ConnectionLost, match="it is closed"):
            await one.drain()
        await one.wait_closed()


@each_network
async def test_closing_sends_what_was_written_first(pair: Pair) -> None:
    async with pair(limit=1 << 20) as (one, other):
        one.write(b"x" * 500_000)
        one.close()
        assert await other.readexactly(500_000) == b"x" * 500_000
        assert await other.read() == b""


@each_network
async def test_flush_waits_until_nothing_is_left_to_send(pair: Pair) -> None:
    async with pair() as (one, other):
        one.write(b"x" * 8_000_000)
        assert one.write_buffer_size > 0
        reading = asyncio.create_task(other.readexactly(8_000_000))
        await one.flush()
        assert one.write_buffer_size == 0
        await reading


@each_network
async def test_two_readers_of_one_stream_are_a_mistake(pair: Pair) -> None:
    async with pair() as (one, _other):
        first = asyncio.create_task(one.read())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="two tasks"):
            await one.read()
        first.cancel()


@each_network
async def test_lost_callbacks_are_called_once(pair: Pair) -> None:
    async with pair() as (one, other):
        calls: list[str] = []
        one.lost_callbacks.append(lambda: calls.append("lost"))
        other.abort()
        await one.read()
        one.close()
        await one.wait_closed()
        assert calls == ["lost"]


@each_network
async def test_leaving_the_block_closes_and_an_error_aborts(pair: Pair) -> None:
    async with pair() as (one, other):
        async with one:
            one.write(b"bye")
        assert await other.readexactly(3) == b"bye"
    async with pair() as (one, other):
        with pytest.raises(KeyError):
            async with one:
                raise KeyError
        assert one.is_closed


@each_network
async def test_read_into_fills_the_buffer_straight_from_the_socket(pair: Pair) -> None:
    async with pair() as (one, other):
        data = bytes(range(256)) * 4096
        one.write(data)
        got = bytearray()
        buffer = bytearray(300_000)
        while len(got) < len(data):
            count = await other.read_into(buffer, patience=5)
            got += buffer[:count]
            if len(got) < len(data) - 300_000:
                assert count == len(buffer), "a patient reader gets full buffers"
            elif len(data) - len(got) < len(buffer):
                buffer = bytearray(len(data) - len(got)) or buffer
        assert got == data
        one.close()
        assert await other.read_into(buffer, patience=5) == 0


@each_network
async def test_read_into_without_patience_returns_the_first_bytes(pair: Pair) -> None:
    async with pair() as (one, other):
        buffer = bytearray(1000)
        one.write(b"few")
        assert await other.read_into(buffer) == 3
        one.write(b"again")
        assert await other.read_into(buffer) == 5
        assert buffer[:5] == b"again"


@each_network
async def test_read_into_with_patience_returns_what_came_when_it_is_over(pair: Pair) -> None:
    async with pair() as (one, other):
        buffer = bytearray(1000)
        one.write(b"few")
        assert await other.read_into(buffer, patience=0.05) == 3
        # Patience counts only once there is something to return.
        asyncio.get_running_loop().call_later(0.15, one.write, b"late")
        assert await other.read_into(buffer, patience=0.05) == 4


@each_network
async def test_read_into_returns_what_came_before_the_end(pair: Pair) -> None:
    async with pair() as (one, other):
        buffer = bytearray(1000)
        one.write(b"last words")
        one.close()
        assert await other.read_into(buffer, patience=10) == 10
        assert await other.read_into(buffer, patience=10) == 0


@each_network
async def test_read_into_and_read_can_take_turns_without_losing_a_byte(pair: Pair) -> None:
    async with pair(limit=4096) as (one, other):
        data = bytes(range(256)) * 1000
        one.write(data)
        got = b""
        buffer = bytearray(777)
        while len(got) < len(data):
            count = await other.read_into(buffer)
            got += buffer[:count]
            if len(got) < len(data):
                got += await other.read(500)
            await asyncio.sleep(0)
        assert got == data


@each_network
async def test_bytes_that_come_between_two_read_intos_are_kept_and_bounded(pair: Pair) -> None:
    async with pair(limit=10_000) as (one, other):
        buffer = bytearray(10)
        one.write(b"y" * 2_000_000)
        got = await other.read_into(buffer)
        await asyncio.sleep(0.05)
        assert other.unread_bytes <= 10_000 + 65_536
        rest = bytearray(100_000)
        while got < 2_000_000:
            got += await other.read_into(rest)
        assert got == 2_000_000


@each_network
async def test_a_cancelled_read_into_gives_its_bytes_back(pair: Pair) -> None:
    async with pair() as (one, other):
        reading = asyncio.create_task(other.read_into(bytearray(1000), patience=60))
        one.write(b"keep me")
        await asyncio.sleep(0.05)
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        assert await other.readexactly(7) == b"keep me"


@real
async def test_opening_a_stream_gives_up_in_time() -> None:
    class NeverAnswers(TcpNetwork):
        async def connect(self, *args: object, **more: object):  # type: ignore[no-untyped-def, override]
            await asyncio.Event().wait()

    with pytest.raises(TimedOut, match=r"192\.0\.2\.1:9 did not answer within 0\.05 s"):
        await open_stream(NeverAnswers(), "192.0.2.1", 9, timeout=0.05)


@each_network
async def test_small_writes_of_one_turn_go_out_together_and_in_order(pair: Pair) -> None:
    async with pair() as (one, other):
        pieces: list[int] = []
        write = one.transport.write

        class Counting:
            def __getattr__(self, name: str) -> object:
                return getattr(transport, name)

            def write(self, data: bytes) -> None:
                pieces.append(len(data))
                write(data)

        transport = one.transport
        one._transport = Counting()  # type: ignore[assignment]
        for number in range(100):
            one.write(bytes([number]))
        one.write(b"large" * 10_000)
        one.write(bytearray(b"small"))
        assert one.write_buffer_size >= 5
        got = await other.readexactly(50_105)
        assert got == bytes(range(100)) + b"large" * 10_000 + b"small"
        assert pieces == [100, 50_000, 5]
        one._transport = transport


@each_network
async def test_what_was_written_before_closing_or_half_closing_in_the_same_turn_arrives(pair: Pair) -> None:
    for end in ("close", "write_eof", "abort"):
        async with pair() as (one, other):
            one.write(b"last words")
            getattr(one, end)()
            assert await other.readexactly(10) == b"last words"
            assert await other.read() == b""
