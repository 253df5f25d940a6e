"""Peers that lie, stall and flood: each costs one link or one request, and an event says what happened."""

from __future__ import annotations

import asyncio
import zlib

import pytest

from soulmesh import wire
from soulmesh.client.errors import LinkLost, NoReply
from soulmesh.client.links import PeerMisbehaved
from soulmesh.core.rendezvous import Order
from soulmesh.errors import SoulmeshError
from soulmesh.net.stream import Stream
from soulmesh.wire import distributed, peer, peer_init
from soulmesh.wire.structs import Attribute, FileData
from tests.client.stage import Stage, play, shares
from tests.support.vectors import load

FRAME = b"\x08\x00\x00\x00"


async def dial(stage: Stage, name: str, *, kind: str = "P", claim: str = "mallory") -> Stream:
    """A stranger's connection to a client, introduced."""
    stream = await stage.call(name)
    stream.write(wire.encode(peer_init.PeerInit(claim, kind, 0)))
    return stream


def problems(stage: Stage, name: str) -> list[str]:
    return [event.problem for event in stage.events(name, PeerMisbehaved)]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "initialisation message of"),
        (b"\x00\x00\x00\x00", "initialisation message of 0"),
        (b"\xff\xff\xff\x7f", "initialisation message of"),
        (b"\x01\x00\x00\x00\x63", "unknown initialisation message"),
        (b"\x02\x00\x00\x00\x01\x00", "PeerInit"),
        (wire.encode(peer_init.PeerInit("mallory", "X", 0)), "unknown connection type"),
        (wire.encode(peer_init.PeerInit("", "P", 0)), "impossible length"),
        (wire.encode(peer_init.PeerInit("x" * 257, "P", 0)), "impossible length"),
    ],
)
def test_a_first_message_that_is_none_costs_the_connection(data: bytes, words: str) -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("alice")
        stream = await stage.call("alice")
        stream.write(data)
        assert await stream.read() == b""
        (problem,) = problems(stage, "alice")
        assert words in problem

    play(scene)


def test_who_connects_and_says_nothing_is_dropped_in_time() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("alice")
        stream = await stage.call("alice")
        stream.write(b"\x10")
        begun = asyncio.get_running_loop().time()
        assert await stream.read() == b""
        assert asyncio.get_running_loop().time() - begun == pytest.approx(30, abs=1)
        assert "did not say who it is" in problems(stage, "alice")[0]

    play(scene)


@pytest.mark.in_memory
def test_a_crowd_that_says_nothing_is_kept_small() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("alice", changes={"most_pending": 20})
        crowd = [await stage.call("alice") for _ in range(50)]
        await asyncio.sleep(1)
        assert len(stage.host("alice").links) <= 22
        bob = await stage.enter("bob", changes={"order": Order.CALLBACK_ONLY})
        assert (await bob.info.ask("alice")).username == "alice"
        for stream in crowd:
            stream.abort()

    play(scene)


def test_a_message_that_never_ends_costs_the_link_in_time() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("alice")
        stream = await dial(stage, "alice")
        stream.write(b"\x00\x10\x00\x00\x2b\x00\x00\x00" + bytes(100))
        begun = asyncio.get_running_loop().time()
        assert await stream.read() == b""
        assert asyncio.get_running_loop().time() - begun < 65
        assert problems(stage, "alice") == ["a message did not arrive in time"]

    play(scene)


def test_one_unreadable_message_costs_itself_and_five_in_a_row_the_link() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("alice")
        stream = await dial(stage, "alice")
        bad = b"\x08\x00\x00\x00\x2b\x00\x00\x00\xff\xff\xff\xff"
        stream.write(bad * 4)
        stream.write(wire.encode(peer.PeerUserInfoRequest()))
        head = await stream.readexactly(8)
        assert head[4] == 16
        stream.write(bad * 5)
        while await stream.read():
            pass
        assert len(problems(stage, "alice")) == 10

    play(scene)


def test_unknown_codes_are_skipped_and_the_link_is_kept() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("alice")
        stream = await dial(stage, "alice")
        stream.write(b"\x0c\x00\x00\x00\x39\x30\x00\x00abcdefgh")
        stream.write(wire.encode(peer.PeerUserInfoRequest()))
        assert (await stream.readexactly(8))[4] == 16
        assert problems(stage, "alice") == []

    play(scene)


def test_a_list_of_shares_that_nobody_asked_for_costs_the_link_unread() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("alice")
        stream = await dial(stage, "alice")
        stream.write((400 << 20).to_bytes(4, "little") + b"\x05\x00\x00\x00")
        assert await stream.read() == b""
        assert "nobody asked for" in problems(stage, "alice")[0]

    play(scene)


def test_gigabytes_of_compressed_nothing_cost_a_little_and_the_browsing_fails() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        bob = await stage.enter("bob")
        squeezer = zlib.compressobj(9)
        # A count of one directory whose name would be 64 MiB of nothing.
        body = squeezer.compress(b"\x01\x00\x00\x00" + (200 << 20).to_bytes(4, "little"))
        for _ in range(200):
            body += squeezer.compress(bytes(1 << 20))
        body += squeezer.flush()
        frame = wire.frame_header(4, 5, len(body)) + body
        assert len(frame) < 300_000

        async def lie(username: str) -> bytes:
            return frame

        bob.shares.browse = lie  # type: ignore[method-assign]
        async with await alice.browse("bob") as listed:
            with pytest.raises(SoulmeshError):
                await listed.finished()
        assert problems(stage, "alice")

    play(scene)


def test_a_list_of_shares_that_breaks_off_is_an_error_and_what_came_can_be_read() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        bob = await stage.enter("bob", shares=shares(**{f"file{n}": n for n in range(2000)}))
        whole = await bob.shares.browse("alice")

        async def half(username: str) -> bytes:
            asyncio.get_running_loop().call_later(2.0, bob.links.disconnect, "alice", "gone")
            return whole[: len(whole) // 2]

        bob.shares.browse = half  # type: ignore[method-assign]
        async with await alice.browse("bob") as listed:
            with pytest.raises(LinkLost):
                await listed.finished()
            assert not listed.complete

    play(scene)


def test_a_user_that_never_sends_its_list_is_given_up() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        bob = await stage.enter("bob")
        bob.links._handlers.clear()
        with pytest.raises(NoReply, match="bob did not answer PeerSharesRequest"):
            await alice.browse("bob")

    play(scene)


def reply(username: str, ticket: int, *names: str, size: int = 5) -> bytes:
    files = [FileData(1, name, size + n, "", [Attribute(0, 320)]) for n, name in enumerate(names)]
    return wire.encode(peer.PeerSearchReply(username, ticket, files, True, 1000, 0, 0))


def test_answers_in_another_name_and_to_other_tickets_are_dropped() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        stream = await dial(stage, "alice")
        async with alice.search("blue train", timeout=20) as search:
            stream.write(reply("somebody", search.ticket, "Music\\blue train.mp3"))
            stream.write(reply("mallory", search.ticket + 1, "Music\\blue train.mp3"))
            stream.write(reply("mallory", search.ticket, "Music\\real blue train.mp3"))
            hits = [hit async for hit in search]
        assert [hit.file.name for hit in hits] == ["real blue train.mp3"]
        assert alice.searches.late == 1
        assert any("in the name of 'somebody'" in problem for problem in problems(stage, "alice"))

    play(scene)


def test_answers_that_come_late_are_dropped_after_their_first_bytes() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        stream = await dial(stage, "alice")
        async with alice.search("blue train", timeout=1) as search:
            assert [hit async for hit in search] == []
        # Only the first bytes are sound: nobody looks at the rest.
        whole = zlib.compress(b"\x07\x00\x00\x00mallory" + search.ticket.to_bytes(4, "little") + bytes(5000))
        stream.write(wire.frame_header(4, 9, len(whole) - 4) + whole[:-4])
        await asyncio.sleep(1)
        assert alice.searches.late == 1
        assert problems(stage, "alice") == []

    play(scene)


def test_an_answer_with_ten_thousand_files_is_unpacked_beside_the_loop() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        await stage.enter("bob")
        names = (f"Music\\{n * 7919 % 10007:x} {n * n:x}.mp3" for n in range(10_000))
        files = [FileData(1, name, size, "mp3", []) for size, name in enumerate(names, 1)]
        async with alice.search("music", timeout=30) as search:
            stream = await dial(stage, "alice", claim="bob")
            frame = wire.encode(peer.PeerSearchReply("bob", search.ticket, files, True, 1, 0))
            assert len(frame) > 64 * 1024
            stream.write(frame)
            assert (await search.next()).file.size == 1  # type: ignore[union-attr]
            search.stop()
            assert len([hit async for hit in search]) == 9_999
        stream.abort()

    play(scene)


def test_answers_that_only_echo_the_query_are_held_back_and_counted() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        stream = await dial(stage, "alice")
        async with alice.search("blue train", timeout=20) as search:
            stream.write(reply("mallory", search.ticket, "x\\blue train\\blue train.mp3"))
            same = [FileData(1, f"x\\song {n} blue train.mp3", 777, "", []) for n in range(5)]
            stream.write(wire.encode(peer.PeerSearchReply("mallory", search.ticket, same, True, 1, 0, 0)))
            stream.write(reply("mallory", search.ticket, "Jazz\\1957\\01 blue train.mp3"))
            hits = [hit async for hit in search]
        assert [hit.file.name for hit in hits] == ["01 blue train.mp3"]
        assert search.figures.suspicious == 6
        assert sum(search.figures.rules.values()) == 6

    play(scene)


def test_more_answers_than_anybody_reads_are_cut_and_counted() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice", changes={"pending_results": 10})
        stream = await dial(stage, "alice")
        async with alice.search("blue train", timeout=20) as search:
            for number in range(30):
                stream.write(reply("mallory", search.ticket, f"Music\\{number} blue train.mp3"))
            await asyncio.sleep(5)
            hits = [hit async for hit in search]
        assert (len(hits), search.figures.cut) == (10, 20)

    play(scene)


def test_an_answer_that_cannot_be_read_costs_itself() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        stream = await dial(stage, "alice")
        async with alice.search("blue train", timeout=20) as search:
            body = zlib.compress(
                b"\x07\x00\x00\x00mallory" + search.ticket.to_bytes(4, "little") + b"\xff\xff\xff\x7f"
            )
            stream.write(wire.frame_header(4, 9, len(body)) + body)
            stream.write(reply("mallory", search.ticket, "Music\\a blue train.mp3"))
            hits = [hit async for hit in search]
        assert len(hits) == 1
        assert search.figures.unreadable == 1

    play(scene)


@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff\x03",
        b"\x00\x00\x00\x00",
        wire.encode(distributed.DistributedBranchLevel(-1)),
        b"\x05\x00\x00\x00\x05\xff\xff\xff\xff",
    ],
)
def test_a_bad_link_of_the_tree_is_dropped_and_others_go_on(data: bytes) -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice", shares=shares(blue=1))
        bob = await stage.enter("bob", shares=shares(blue_moon=2))
        await asyncio.sleep(5)
        stream = await dial(stage, "alice", kind="D")
        stream.write(data)
        await asyncio.sleep(200)
        assert bob.tree.figures.parent == "alice"
        hits = [hit async for hit in bob.search("blue", timeout=5)]
        assert [hit.username for hit in hits] == ["alice"]
        assert alice.server.connected
        stream.abort()

    play(scene)


def test_a_child_that_does_not_read_is_dropped() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice", changes={"child_buffer": 10_000})
        stream = await dial(stage, "alice", kind="D")
        await asyncio.sleep(1)
        assert alice.tree.figures.children == ("mallory",)
        stream.transport.pause_reading()
        bob = await stage.enter("bob")
        for number in range(3000):
            bob.server.send(wire.to_server.FileSearch(number, f"{number} " + "x" * 200))
            if number % 100 == 0:
                await asyncio.sleep(0.1)
        await asyncio.sleep(5)
        assert "mallory" not in alice.tree.figures.children
        assert "does not read the searches we pass on" in problems(stage, "alice")
        stream.abort()

    play(scene)


def test_every_message_of_a_peer_unasked_does_no_harm() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("alice", shares=shares(a=1))
        for vector in (*load("peer"), *load("malformed")):
            if vector.get("family", "peer") != "peer":
                continue
            stream = await dial(stage, "alice", claim=f"m{len(stage.seen['alice'])}")
            stream.write(bytes.fromhex(vector["hex"]))
            await asyncio.sleep(0.5)
            stream.abort()
        bob = await stage.enter("bob")
        assert (await bob.info.ask("alice")).username == "alice"

    play(scene)


def test_noise_on_the_obfuscated_port_costs_the_connection() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("alice")
        stream = await stage.call("alice", obfuscated=True)
        stream.write(wire.encode(peer_init.PeerInit("mallory", "P", 0)) + bytes(100))
        assert await stream.read() == b""
        assert problems(stage, "alice")

    play(scene)
