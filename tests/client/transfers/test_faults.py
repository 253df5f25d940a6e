"""Something goes wrong at every step, and the transfer finishes all the same or says why not."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import Any

import pytest

from soulmesh.client.transfers import Journal, Transfer, TransferFailed
from soulmesh.client.transfers.uploads import LOCATED_FOR
from soulmesh.core.allotment import KNOWN_FOR
from soulmesh.core.download import Download
from soulmesh.core.transfer import State
from soulmesh.net.disk import DiskError, DiskFull, RealDisk
from soulmesh.net.stream import Stream
from soulmesh.wire import peer
from soulmesh.wire.message import Message
from tests.client.transfers.street import House, Stranger, Street, gone, street, until
from tests.support.loops import virtual

SONG = bytes(range(256)) * 4000  # 1,024,000 bytes
PATH = r"Music\Album\01.flac"


async def offered(there: Street, ticket: int = 5, size: int = len(SONG)) -> tuple[House, Stranger, Transfer]:
    """A download that was asked for, offered and accepted; its F link is due."""
    ann, eve = await there.move_in("ann"), there.stranger("eve")
    transfer = await ann.transfers.download("eve", PATH)
    await eve.hears(peer.PeerTransferQueue)
    await offer_again(eve, ticket, size)
    return ann, eve, transfer


async def offer_again(eve: Stranger, ticket: int, size: int = len(SONG)) -> None:
    await eve.say("ann", peer.PeerTransferRequest(1, ticket, PATH, size))
    reply = await eve.hears(peer.PeerTransferReply)
    assert (reply.ticket, reply.allowed) == (ticket, True)


async def offer_in_vain(eve: Stranger, ticket: int, size: int, *, path: str = PATH) -> str:
    """The answer to an offer that cannot be taken."""
    await eve.say("ann", peer.PeerTransferRequest(1, ticket, path, size))
    reply = await eve.hears(peer.PeerTransferReply)
    assert (reply.ticket, reply.allowed) == (ticket, False)
    return reply.reason or ""


async def served(eve: Stranger, transfer: Transfer, content: bytes = SONG, ticket: int = 77) -> int:
    """The next attempt works: asked again, offered, sent. Returns the offset that was asked for."""
    await eve.hears(peer.PeerTransferQueue)
    await offer_again(eve, ticket, len(content))
    _, offset = await eve.gives("ann", ticket, content)
    await transfer.wait()
    assert transfer.local_path is not None
    assert transfer.local_path.read_bytes() == content
    return offset


# The downloader's side.


@virtual
async def test_a_peer_that_cannot_be_reached_is_tried_again_after_three_minutes(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        path = eve.share(PATH, SONG)
        there.unreachable.add(("eve", "P"))
        transfer = await ann.transfers.download("eve", path)
        await until(transfer, State.DELAYED)
        begin = asyncio.get_running_loop().time()
        assert "nothing listens" in transfer.reason
        there.unreachable.clear()
        await transfer.wait()
        assert 180 <= asyncio.get_running_loop().time() - begin < 200


@virtual
async def test_a_peer_that_offers_and_never_connects(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        _, eve, transfer = await offered(there)
        await until(transfer, State.DELAYED)
        assert transfer.reason == "the peer offered the file but opened no connection for it"
        await served(eve, transfer)


@virtual
async def test_a_link_without_a_ticket_is_dropped_and_the_right_one_is_still_taken(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        _, eve, transfer = await offered(there)
        silent = await eve.links.open_file_link("ann")
        _, offset = await eve.gives("ann", 5, SONG)
        await transfer.wait()
        assert offset == 0
        await gone(silent)


@virtual
async def test_a_wrong_ticket_is_dropped_and_the_right_one_is_still_taken(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        _, eve, transfer = await offered(there)
        wrong = await eve.links.open_file_link("ann")
        wrong.write(struct.pack("<I", 6))
        await gone(wrong)
        await eve.gives("ann", 5, SONG)
        await transfer.wait()


@virtual
async def test_the_right_ticket_from_another_user_is_not_taken(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        _, eve, transfer = await offered(there)
        thief = there.stranger("thief")
        stream = await thief.links.open_file_link("ann")
        stream.write(struct.pack("<I", 5))
        await gone(stream)
        assert transfer.state is State.OFFERED
        await eve.gives("ann", 5, SONG)
        await transfer.wait()


@virtual
async def test_a_second_link_with_the_same_ticket_is_dropped(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        _, eve, transfer = await offered(there)
        stream, _ = await eve.gives("ann", 5, SONG, size=1000)
        await asyncio.sleep(1)
        second = await eve.links.open_file_link("ann")
        second.write(struct.pack("<I", 5))
        await gone(second)
        stream.write(SONG[1000:])
        await transfer.wait()


class SlowDisk(RealDisk):
    """A disk that takes a while to say how much room it has."""

    async def free_space(self, path: Path) -> int:
        await asyncio.sleep(5)
        return 1 << 40


@virtual
async def test_a_new_offer_is_served_although_the_link_of_the_old_one_just_came(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        there.disk = SlowDisk()
        _, eve, transfer = await offered(there, ticket=5)
        # Until what was seen of the disk is old.
        await asyncio.sleep(KNOWN_FOR)
        old = await eve.links.open_file_link("ann")
        old.write(struct.pack("<I", 5))
        await asyncio.sleep(1)
        assert transfer.state is State.OFFERED
        await offer_again(eve, ticket=6)
        await eve.gives("ann", 6, SONG)
        await gone(old)
        await transfer.wait()
        assert transfer.machine.attempts == 0


@virtual
async def test_one_transfer_gone_wrong_does_not_stop_the_clock_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), there.stranger("eve")
        wrong, right = [await ann.transfers.download("eve", path) for path in ("a", "b")]
        for _ in range(2):
            await eve.hears(peer.PeerTransferQueue)
        told: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))

        def tick(machine: Download, now: float, jitter: float = 0.0) -> Any:
            if machine is wrong.machine:
                raise AssertionError("a mistake of ours")
            return intact(machine, now, jitter)

        intact = Download.tick
        monkeypatch.setattr(Download, "tick", tick)
        # After a minute in the queue each asks for its place.
        assert (await eve.hears(peer.PeerPlaceInQueueRequest)).filename == right.remote_path
        assert str(told[0]["exception"]) == "a mistake of ours"


@pytest.mark.parametrize("sent", [0, 1, 1000, 65536, 500_000, len(SONG) - 1])
@virtual
async def test_a_link_lost_under_way_goes_on_from_there(tmp_path: Path, sent: int) -> None:
    async with street(tmp_path) as there:
        _, eve, transfer = await offered(there)
        stream, _ = await eve.gives("ann", 5, SONG, size=sent)
        await asyncio.sleep(1)
        stream.close()
        await until(transfer, State.DELAYED)
        assert transfer.reason == f"the peer closed the connection after {sent} of {len(SONG)} bytes"
        assert await served(eve, transfer) == max(0, sent - 65536)


@virtual
async def test_a_link_reset_under_way_goes_on_from_there(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        _, eve, transfer = await offered(there)
        stream, _ = await eve.gives("ann", 5, SONG, size=400_000)
        await asyncio.sleep(1)
        stream.abort()
        await until(transfer, State.DELAYED)
        assert await served(eve, transfer) == 400_000 - 65536


@pytest.mark.parametrize("sent", [0, 500_000])
@virtual
async def test_a_peer_that_falls_silent_is_given_up_and_asked_again(tmp_path: Path, sent: int) -> None:
    async with street(tmp_path) as there:
        _, eve, transfer = await offered(there)
        stream, _ = await eve.gives("ann", 5, SONG, size=sent)
        await until(transfer, State.DELAYED)
        assert transfer.reason == ("the peer stopped sending" if sent else "the peer sent nothing")
        await gone(stream)
        await served(eve, transfer)


@virtual
async def test_more_bytes_than_promised_are_not_written(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        _, eve, transfer = await offered(there)
        await eve.gives("ann", 5, SONG + b"and more")
        await transfer.wait()
        assert transfer.local_path is not None
        assert transfer.local_path.read_bytes() == SONG


@virtual
async def test_other_bytes_than_before_start_anew_and_keep_the_old_part_aside(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve, transfer = await offered(there)
        stream, _ = await eve.gives("ann", 5, SONG, size=500_000)
        await asyncio.sleep(1)
        stream.close()
        other = bytes(len(SONG))
        await eve.hears(peer.PeerTransferQueue)
        await offer_again(eve, 6)
        await eve.gives("ann", 6, other)
        assert await served(eve, transfer, other, ticket=7) == 0
        [aside] = (ann.downloads / ".incomplete" / "quarantine").iterdir()
        assert aside.read_bytes() == SONG[:500_000]


@virtual
async def test_another_size_than_before_starts_anew_and_keeps_the_old_part_aside(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve, transfer = await offered(there)
        stream, _ = await eve.gives("ann", 5, SONG, size=500_000)
        await asyncio.sleep(1)
        stream.close()
        assert await served(eve, transfer, SONG + b"!") == 0
        assert len(list((ann.downloads / ".incomplete" / "quarantine").iterdir())) == 1


@virtual
async def test_an_upload_that_fails_over_there_is_asked_for_again(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        _, eve, transfer = await offered(there)
        await eve.say("ann", peer.PeerUploadFailed(PATH))
        await until(transfer, State.DELAYED)
        await served(eve, transfer)


@virtual
async def test_messages_about_files_that_nobody_wants_change_nothing(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), there.stranger("eve")
        for message in (
            peer.PeerUploadFailed("x"),
            peer.PeerTransferQueueFailed("x", "Banned"),
            peer.PeerPlaceInQueueReply("x", 3),
            peer.PeerTransferReply(9, True),
            peer.PeerPlaceInQueueRequest("x"),
            peer.PeerTransferRequest(2, 9, "x", 3),
        ):
            await eve.say("ann", message)
        await asyncio.sleep(1)
        assert list(ann.transfers) == []
        assert ann.links.sent == []


@virtual
async def test_an_offer_without_a_size_is_declined(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), there.stranger("eve")
        await ann.transfers.download("eve", PATH)
        await eve.hears(peer.PeerTransferQueue)
        await eve.say("ann", peer.PeerTransferRequest(1, 4, PATH))
        assert (await eve.hears(peer.PeerTransferReply)).allowed is False


class SmallDisk(RealDisk):
    """A disk with little room, until the test makes some."""

    free = 0
    broken = False

    async def free_space(self, path: Path) -> int:
        return self.free

    async def open_write(self, path: Path, *, exclusive: bool = False) -> Any:
        if self.broken:
            raise DiskFull(path)
        return await super().open_write(path, exclusive=exclusive)


@pytest.mark.parametrize("broken", [False, True])
@virtual
async def test_a_full_disk_pauses_all_with_its_reason_and_goes_on_when_there_is_room(
    tmp_path: Path, broken: bool
) -> None:
    async with street(tmp_path) as there:
        there.disk = disk = SmallDisk()
        disk.broken = broken
        if broken:
            disk.free = 1 << 40
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        one = await ann.transfers.download("eve", eve.share(PATH, SONG))
        other = await ann.transfers.download("eve", eve.share(r"a\small", b"x"))
        await until(one, State.NO_ROOM)
        disk.free = 0
        await until(other, State.NO_ROOM)
        assert (await ann.transfers.why(one.id)).now == "the disk is full; goes on when there is room"
        await asyncio.sleep(3600)
        assert one.state is State.NO_ROOM
        disk.free, disk.broken = 1 << 40, False
        await one.wait()
        await other.wait()


@virtual
async def test_a_full_disk_takes_no_place_in_the_queue_of_a_peer(tmp_path: Path) -> None:
    """What only waits there writes nothing. An offer meanwhile is left in the queue, and the slot free."""
    async with street(tmp_path) as there:
        there.disk = disk = SmallDisk()
        disk.free = 1 << 40
        ann, eve, bob = await there.move_in("ann"), there.stranger("eve"), there.stranger("bob")
        queued = await ann.transfers.download("eve", PATH)
        await eve.hears(peer.PeerTransferQueue)
        await eve.say("ann", peer.PeerPlaceInQueueReply(PATH, 7))
        running = await ann.transfers.download("bob", PATH)
        unasked = [await ann.transfers.download("bob", str(n)) for n in range(2)]
        for _ in range(3):
            await bob.hears(peer.PeerTransferQueue)
        await offer_again(bob, 5)
        disk.free, disk.broken = 0, True
        stream, _ = await bob.gives("ann", 5, SONG, size=200_000)
        await gone(stream)
        assert (running.state, running.reason) == (State.NO_ROOM, "the disk is full")
        assert {one.state for one in unasked} == {State.QUEUED}
        await asyncio.sleep(240)
        assert (queued.state, queued.place) == (State.QUEUED, 7)
        assert await offer_in_vain(eve, 8, len(SONG)) == "Queued"
        assert (queued.state, queued.reason) == (State.NO_ROOM, "the disk is full")
        assert "told to keep it queued" in (await ann.transfers.why(queued.id)).past[-1]
        # Who offers again before we have looked: is there room now?
        disk.free, disk.broken = 1 << 40, False
        await offer_again(eve, 9)
        await eve.gives("ann", 9, SONG)
        await queued.wait()
        asked = [name for name, m in ann.links.sent if m == peer.PeerTransferQueue(PATH) and name == "eve"]
        assert asked == ["eve"]
        await until(running, State.QUEUED)


@virtual
async def test_our_own_uploader_keeps_what_a_full_disk_could_not_take(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        there.disk = disk = SmallDisk()
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        transfer = await ann.transfers.download("eve", eve.share(PATH, SONG))
        await until(transfer, State.NO_ROOM)
        upload = eve.transfers.find("upload", "ann", PATH)
        assert upload is not None
        await until(upload, State.DELAYED)
        assert upload.reason == "Queued"
        disk.free = 1 << 40
        await transfer.wait()
        await upload.wait()


@virtual
async def test_what_running_downloads_still_need_is_kept_for_them(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        there.disk = disk = SmallDisk()
        size = 10 << 30
        disk.free = 12 << 30
        ann, eve, bob = await there.move_in("ann"), there.stranger("eve"), there.stranger("bob")
        first = await ann.transfers.download("bob", PATH, size)
        await bob.hears(peer.PeerTransferQueue)
        await offer_again(bob, 5, size)
        await bob.gives("ann", 5, SONG, size=200_000)
        await until(first, State.RUNNING)
        second = await ann.transfers.download("eve", PATH, size)
        await eve.hears(peer.PeerTransferQueue)
        assert await offer_in_vain(eve, 6, size) == "Queued"
        why = await ann.transfers.why(second.id)
        assert why.now == (
            "the room on the disk is needed by downloads that are running; goes on when there is room"
        )
        assert first.state is State.RUNNING
        # A small one fits beside.
        third = await ann.transfers.download("eve", r"a\small", 1 << 30)
        await eve.hears(peer.PeerTransferQueue)
        await eve.say("ann", peer.PeerTransferRequest(1, 7, r"a\small", 1 << 30))
        assert (await eve.hears(peer.PeerTransferReply)).allowed
        await ann.transfers.cancel(third.id)
        # When nobody runs any more it has room enough.
        await ann.transfers.cancel(first.id)
        await until(second, State.QUEUED)
        assert (await eve.hears(peer.PeerTransferQueue)).filename == PATH


@virtual
async def test_why_there_is_no_room_is_said_as_it_is_now(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        there.disk = disk = SmallDisk()
        size = 10 << 30
        disk.free = 12 << 30
        ann, eve, bob = await there.move_in("ann"), there.stranger("eve"), there.stranger("bob")
        first = await ann.transfers.download("bob", PATH, size)
        await bob.hears(peer.PeerTransferQueue)
        await offer_again(bob, 5, size)
        second = await ann.transfers.download("eve", PATH, size)
        await eve.hears(peer.PeerTransferQueue)
        assert await offer_in_vain(eve, 6, size) == "Queued"
        assert second.reason == "the room on the disk is needed by downloads that are running"
        # The first one is here, and took the room with it.
        await ann.transfers.cancel(first.id)
        disk.free = 2 << 30
        await asyncio.sleep(31)
        assert (second.state, second.reason) == (State.NO_ROOM, "the disk has too little room for it")
        disk.free = 0
        await asyncio.sleep(31)
        assert second.reason == "the disk is full"


@virtual
async def test_a_peer_that_offers_more_than_was_asked_for_keeps_the_room_from_nobody(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        there.disk = disk = SmallDisk()
        disk.free = 12 << 30
        ann, eve, bob = await there.move_in("ann"), there.stranger("eve"), there.stranger("bob")
        greedy = await ann.transfers.download("bob", PATH, len(SONG))
        await bob.hears(peer.PeerTransferQueue)
        await offer_again(bob, 5, 11 << 30)
        await bob.gives("ann", 5, SONG, size=200_000)
        await until(greedy, State.RUNNING)
        await asyncio.sleep(KNOWN_FOR)
        await ann.transfers.download("eve", PATH, 10 << 30)
        await eve.hears(peer.PeerTransferQueue)
        await offer_again(eve, 6, 10 << 30)


@virtual
async def test_a_file_that_does_not_fit_waits_alone_and_stops_nobody_else(tmp_path: Path) -> None:
    """A peer's lie about a size is enough to get there."""
    async with street(tmp_path) as there:
        there.disk = disk = SmallDisk()
        disk.free = 50 << 30
        ann, eve, bob = await there.move_in("ann"), there.stranger("eve"), there.stranger("bob")
        running = await ann.transfers.download("bob", PATH)
        delayed = await ann.transfers.download("bob", r"a\delayed")
        await bob.hears(peer.PeerTransferQueue)
        await bob.hears(peer.PeerTransferQueue)
        await bob.say("ann", peer.PeerTransferQueueFailed(r"a\delayed", "Too many files"))
        await offer_again(bob, 7)
        await bob.gives("ann", 7, SONG, size=1000)
        await until(running, State.RUNNING)
        huge = await ann.transfers.download("eve", PATH)
        await eve.hears(peer.PeerTransferQueue)
        assert await offer_in_vain(eve, 8, 1 << 60) == "Queued"
        assert huge.state is State.NO_ROOM
        why = await ann.transfers.why(huge.id)
        assert why.now == "the disk has too little room for it; goes on when there is room"
        assert running.state is State.RUNNING
        assert (delayed.state, delayed.reason) == (State.DELAYED, "Too many files")
        await asyncio.sleep(1800)
        assert huge.state is State.NO_ROOM
        assert len([m for _, m in ann.links.sent if m == peer.PeerTransferQueue(r"a\delayed")]) == 1
        disk.free = 1 << 61
        await until(huge, State.QUEUED)


@virtual
async def test_a_file_that_grew_beyond_what_was_asked_for_and_does_not_fit_is_given_up(
    tmp_path: Path,
) -> None:
    async with street(tmp_path) as there:
        there.disk = disk = SmallDisk()
        disk.free = 50 << 30
        ann, eve = await there.move_in("ann"), there.stranger("eve")
        transfer = await ann.transfers.download("eve", PATH, len(SONG))
        await eve.hears(peer.PeerTransferQueue)
        assert await offer_in_vain(eve, 8, 1 << 60) == "Cancelled"
        assert transfer.state is State.FAILED
        assert transfer.reason.startswith("it is larger than the file that was asked for")
        assert transfer.size == len(SONG)


@virtual
async def test_what_waited_for_room_goes_on_as_far_as_the_room_reaches(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        there.disk = disk = SmallDisk()
        ann, eve = await there.move_in("ann", reserve=0), await there.move_in("eve")
        disk.free = 0
        first = await ann.transfers.download("eve", eve.share(PATH, SONG))
        second = await ann.transfers.download("eve", eve.share(r"a\second", SONG), len(SONG))
        await until(first, State.NO_ROOM)
        await until(second, State.NO_ROOM)
        disk.free = len(SONG) + 1
        await until(first, State.STARTING)
        assert second.state is State.NO_ROOM
        disk.free = 0
        await first.wait()
        disk.free = len(SONG)
        await second.wait()


@virtual
async def test_a_disk_that_claims_room_and_has_none_is_tried_ever_more_seldom(tmp_path: Path) -> None:
    """As with a quota, which the disk's free space does not know."""
    async with street(tmp_path) as there:
        there.disk = disk = SmallDisk()
        disk.free, disk.broken = 1 << 40, True
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        transfer = await ann.transfers.download("eve", eve.share(PATH, SONG))
        await until(transfer, State.NO_ROOM)
        await asyncio.sleep(1800)
        asked = [message for _, message in ann.links.sent if isinstance(message, peer.PeerTransferQueue)]
        assert 5 <= len(asked) <= 7
        disk.broken = False
        await transfer.wait()


class FarDisk(RealDisk):
    """What is finished belongs on another disk, which is full."""

    free = 0

    async def free_space(self, path: Path) -> int:
        return 1 << 40 if "unfinished" in path.parts else self.free

    async def same_filesystem(self, one: Path, other: Path) -> bool:
        return ("unfinished" in one.parts) == ("unfinished" in other.parts)

    async def rename_new(self, source: Path, target: Path) -> None:
        if not await self.same_filesystem(source, target):
            if not self.free:
                raise DiskFull(target)
            target.parent.mkdir(parents=True, exist_ok=True)
        await super().rename_new(source, target)


@virtual
async def test_a_full_disk_for_finished_files_stops_nothing_that_grows_on_another(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        there.disk = disk = FarDisk()
        ann, bob = await there.move_in("ann", incomplete=tmp_path / "unfinished"), there.stranger("bob")
        eve = await there.move_in("eve")
        running = await ann.transfers.download("bob", PATH)
        await bob.hears(peer.PeerTransferQueue)
        await offer_again(bob, 7)
        await bob.gives("ann", 7, SONG, size=1000)
        await until(running, State.RUNNING)
        done = await ann.transfers.download("eve", eve.share(PATH, SONG))
        await until(done, State.NO_ROOM)
        assert running.state is State.RUNNING
        await asyncio.sleep(600)
        assert done.state is State.NO_ROOM
        disk.free = 1 << 40
        await done.wait()


@virtual
async def test_a_file_that_the_scan_has_not_come_to_is_not_called_not_shared(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        eve.shelf.unsettled = True
        song = await ann.transfers.download("eve", PATH)
        other = await ann.transfers.download("eve", r"a\nowhere")
        await asyncio.sleep(30)
        assert (song.state, other.state) == (State.QUEUED, State.QUEUED)
        eve.share(PATH, SONG)
        eve.shelf.unsettled = False
        await song.wait()
        await until(other, State.FAILED)
        assert other.reason == "File not shared."


@virtual
async def test_a_scan_that_takes_long_is_waited_for_ten_minutes(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        eve.shelf.unsettled = True
        first = await ann.transfers.download("eve", PATH)
        await asyncio.sleep(590)
        assert first.state is State.QUEUED
        await until(first, State.FAILED)
        assert first.reason == "File not shared."
        second = await ann.transfers.download("eve", r"a\nowhere")
        await asyncio.sleep(1)
        assert second.state is State.FAILED


class Stick(RealDisk):
    """Beside a large disk there is a full one."""

    def __init__(self) -> None:
        super().__init__()
        self.free = 0

    async def free_space(self, path: Path) -> int:
        return self.free if "stick" in path.parts else 1 << 40


@virtual
async def test_what_grows_on_a_disk_with_room_does_not_wait_for_a_full_one(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        there.disk = disk = Stick()
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        more = {"downloads": str(tmp_path / "stick")}
        there_too = await ann.transfers.download("eve", eve.share(PATH, SONG), more=more)
        await until(there_too, State.NO_ROOM)
        here = await ann.transfers.download("eve", eve.share(r"a\other", SONG))
        await here.wait()
        await asyncio.sleep(3600)
        assert there_too.state is State.NO_ROOM
        disk.free = 1 << 40
        await there_too.wait()
        assert there_too.local_path is not None
        assert there_too.local_path.is_relative_to(tmp_path / "stick")


@virtual
async def test_a_folder_that_cannot_be_written_says_so_and_is_tried_later(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        ann.downloads.parent.mkdir(parents=True, exist_ok=True)
        ann.downloads.write_text("a file where the folder should be")
        transfer = await ann.transfers.download("eve", eve.share(PATH, SONG))
        await until(transfer, State.DELAYED)
        assert "downloads" in transfer.reason
        ann.downloads.unlink()
        await transfer.wait()


@virtual
async def test_what_cannot_be_saved_for_whatever_reason_is_tried_again_and_never_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann", verify=True), await there.move_in("eve")
        mistakes = [IndexError("a mistake of ours")]

        async def broken_audio(*_: Any) -> None:
            if mistakes:
                raise mistakes.pop()

        monkeypatch.setattr("soulmesh.client.transfers.finishing.broken_audio", broken_audio)
        transfer = await ann.transfers.download("eve", eve.share(PATH, SONG))
        await until(transfer, State.DELAYED)
        assert transfer.reason == "it could not be saved: a mistake of ours"
        await transfer.wait()


@virtual
async def test_a_disk_that_is_away_after_a_restart_keeps_nothing_in_saving(tmp_path: Path) -> None:
    class Away(RealDisk):
        """A drive that was pulled out."""

        async def stat(self, path: Path) -> Any:
            raise DiskError(path, "gone")

    async with street(tmp_path) as there:
        database = tmp_path / "ann.sqlite"
        ann, eve = await there.move_in("ann", Journal(database, threaded=False)), await there.move_in("eve")
        transfer = await ann.transfers.download("eve", eve.share(PATH, SONG))
        await until(transfer, State.SAVING)
        transfer.more["target"] = str(ann.downloads / "Album" / "01.flac")
        ann.transfers._ledger.record(transfer)
        await ann.close()
        there.disk = Away()
        ann = await there.move_in("ann", Journal(database, threaded=False))
        again = ann.transfers.get(transfer.id)
        await until(again, State.DELAYED)
        assert again.machine.deadline is not None


# The uploader's side.


async def called(there: Street) -> tuple[House, Stranger, Transfer, int]:
    """An upload that was asked for and offered."""
    eve, ann = await there.move_in("eve"), there.stranger("ann")
    await ann.say("eve", peer.PeerTransferQueue(eve.share(PATH, SONG)))
    request = await ann.hears(peer.PeerTransferRequest)
    [upload] = eve.transfers
    return eve, ann, upload, request.ticket


@virtual
async def test_a_downloader_that_never_answers_frees_the_slot_and_is_called_again(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        eve, ann, upload, _ = await called(there)
        await until(upload, State.DELAYED)
        assert eve.transfers.uploads.queue.running == 0
        request = await ann.hears(peer.PeerTransferRequest)
        await ann.say("eve", peer.PeerTransferReply(request.ticket, True))
        stream, _ = await ann.takes()
        await stream.readexactly(len(SONG))
        stream.close()
        await upload.wait()


@virtual
async def test_a_downloader_whose_port_is_closed_is_tried_again(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        eve, ann = await there.move_in("eve"), await there.move_in("ann")
        there.unreachable.add(("ann", "F"))
        transfer = await ann.transfers.download("eve", eve.share(PATH, SONG))
        await asyncio.sleep(100)
        [upload] = eve.transfers
        assert upload.state is State.DELAYED
        there.unreachable.clear()
        await transfer.wait()
        await upload.wait()


@pytest.mark.parametrize(("offset", "state"), [(len(SONG), State.DRAINING), (len(SONG) - 5, State.DRAINING)])
@virtual
async def test_any_offset_within_the_file_is_served(tmp_path: Path, offset: int, state: State) -> None:
    async with street(tmp_path) as there:
        _, ann, upload, ticket = await called(there)
        await ann.say("eve", peer.PeerTransferReply(ticket, True))
        stream, got = await ann.takes(offset)
        assert got == ticket
        assert await stream.readexactly(len(SONG) - offset) == SONG[offset:]
        await until(upload, state)
        stream.close()
        await upload.wait()


@pytest.mark.parametrize("offset", [len(SONG) + 1, 2**64 - 1])
@virtual
async def test_an_offset_beyond_the_end_is_an_error(tmp_path: Path, offset: int) -> None:
    async with street(tmp_path) as there:
        _, ann, upload, ticket = await called(there)
        await ann.say("eve", peer.PeerTransferReply(ticket, True))
        stream, _ = await ann.takes(offset)
        await gone(stream)
        await ann.hears(peer.PeerUploadFailed)
        with pytest.raises(TransferFailed, match="asked to start at byte"):
            await upload.wait()


@virtual
async def test_a_downloader_that_sends_no_offset(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        eve, ann, upload, ticket = await called(there)
        await ann.say("eve", peer.PeerTransferReply(ticket, True))
        stream = await ann.streams.get()
        await gone(stream)
        assert upload.state is State.DELAYED
        assert eve.transfers.uploads.queue.running == 0


@virtual
async def test_a_downloader_that_hangs_up_half_way_is_told_and_can_ask_again(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        _, ann, upload, ticket = await called(there)
        await ann.say("eve", peer.PeerTransferReply(ticket, True))
        stream, _ = await ann.takes()
        await stream.readexactly(1000)
        stream.abort()
        await ann.hears(peer.PeerUploadFailed)
        assert upload.state is State.FAILED
        await ann.say("eve", peer.PeerTransferQueue(PATH))
        request = await ann.hears(peer.PeerTransferRequest)
        await ann.say("eve", peer.PeerTransferReply(request.ticket, True))
        stream, _ = await ann.takes(1000)
        await stream.readexactly(len(SONG) - 1000)
        stream.close()
        await upload.wait()


@virtual
async def test_a_downloader_that_stops_reading_loses_its_slot(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        eve, ann = await there.move_in("eve"), there.stranger("ann")
        await ann.say("eve", peer.PeerTransferQueue(eve.share(PATH, SONG * 10)))
        request = await ann.hears(peer.PeerTransferRequest)
        await ann.say("eve", peer.PeerTransferReply(request.ticket, True))
        await ann.takes()
        [upload] = eve.transfers
        with pytest.raises(TransferFailed, match="stopped receiving"):
            await upload.wait()
        assert eve.transfers.uploads.queue.running == 0


@virtual
async def test_a_file_that_vanished_before_its_turn(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        eve, ann = await there.move_in("eve"), await there.move_in("ann")
        path = eve.share(PATH, SONG)
        eve.server.connected = False
        transfer = await ann.transfers.download("eve", path)
        await asyncio.sleep(2)
        eve.shelf.files[path.encode()].unlink()
        eve.server.log_in()
        with pytest.raises(TransferFailed, match=r"File not shared\."):
            await transfer.wait()


@virtual
async def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        eve, ann = await there.move_in("eve"), await there.move_in("ann")
        path = eve.share(PATH, SONG)
        eve.shelf.files[path.encode()] = tmp_path  # a folder
        transfer = await ann.transfers.download("eve", path)
        with pytest.raises(TransferFailed) as failure:
            await transfer.wait()
        # The user hears the exact text; what the disk said is for the one who shares.
        assert failure.value.reason == "File read error."
        [upload] = eve.transfers
        assert upload.reason.startswith(f"File read error. ({tmp_path}: is a directory")
        story = await eve.transfers.why(upload.id)
        assert story.past[-1].endswith(f"given up: {upload.reason}")


@virtual
async def test_a_file_that_shrinks_under_way(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        eve, ann, upload, ticket = await called(there)
        with eve.shelf.files[PATH.encode()].open("r+b") as file:
            file.truncate(1000)
        await ann.say("eve", peer.PeerTransferReply(ticket, True))
        await ann.takes()
        refusal = await ann.hears(peer.PeerTransferQueueFailed)
        assert refusal.reason == "File read error."
        assert upload.state is State.FAILED


@virtual
async def test_messages_lost_on_the_way_are_made_up_for(tmp_path: Path) -> None:
    """Every message of a download is lost once, each in a run of its own."""
    for lost in (
        peer.PeerTransferQueue,
        peer.PeerTransferRequest,
        peer.PeerTransferReply,
    ):
        async with street(tmp_path / lost.__name__) as there:
            eve, ann = await there.move_in("eve"), await there.move_in("ann")
            dropped: list[Message] = []

            def pass_on(
                source: str, target: str, message: Message, lost: Any = lost, dropped: Any = dropped
            ) -> bool:
                if isinstance(message, lost) and not dropped:
                    dropped.append(message)
                    return False
                return True

            there.pass_on = pass_on
            transfer = await ann.transfers.download("eve", eve.share(PATH, SONG))
            await transfer.wait()
            assert dropped


@virtual
async def test_one_user_who_asks_eighteen_thousand_times_costs_little(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        eve, greedy = await there.move_in("eve"), there.stranger("greedy")
        path = eve.share(PATH, SONG)
        looked: list[str] = []
        locate = eve.shelf.locate

        async def counted(username: str, remote_path: str) -> Any:
            looked.append(remote_path)
            return await locate(username, remote_path)

        eve.shelf.locate = counted  # type: ignore[method-assign]
        for n in range(18_000):
            eve.transfers.uploads.requested("greedy", rf"no\{n % 6000}.mp3")
            if n % 20 == 0:
                await asyncio.sleep(1)
        assert len(looked) <= 2000 + 5 * 900 + 10
        assert len(eve.said(peer.PeerTransferQueueFailed)) < 14_000
        ann = await there.move_in("ann")
        transfer = await ann.transfers.download("eve", path)
        await transfer.wait()
        assert greedy.heard.qsize() < 14_000


@virtual
async def test_streams_and_tasks_are_all_gone_at_the_end(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        eve, ann = await there.move_in("eve"), await there.move_in("ann")
        transfer = await ann.transfers.download("eve", eve.share(PATH, SONG))
        await transfer.wait()
        [upload] = eve.transfers
        await upload.wait()
        await asyncio.sleep(1)
        assert len(ann.transfers._ledger.tasks) == 0
        assert len(eve.transfers._ledger.tasks) == 0
        assert all(ours.is_closed and theirs.is_closed for ours, theirs in there.open)
        assert isinstance(there.open[0][0], Stream)


@virtual
async def test_a_file_that_was_gone_and_is_back_is_served_as_soon_as_it_is_asked_for(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), there.stranger("eve")
        path = ann.share(PATH, SONG)
        content = ann.shelf.files.pop(PATH.encode())
        for _ in range(2):
            await eve.say("ann", peer.PeerTransferQueue(path))
            refusal = await eve.hears(peer.PeerTransferQueueFailed)
            assert refusal.reason == "File not shared."
        ann.shelf.files[PATH.encode()] = content
        await asyncio.sleep(11)
        await eve.say("ann", peer.PeerTransferQueue(path))
        assert (await eve.hears(peer.PeerTransferRequest)).filename == path


@virtual
async def test_who_asks_anew_instead_of_closing_is_offered_the_file_at_once(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), there.stranger("eve")
        path = ann.share(PATH, b"short")
        await eve.say("ann", peer.PeerTransferQueue(path))
        offer = await eve.hears(peer.PeerTransferRequest)
        await eve.say("ann", peer.PeerTransferReply(offer.ticket, True))
        stream, _ = await eve.takes()
        await stream.readexactly(5)
        transfer = ann.transfers.find("upload", "eve", path)
        assert transfer is not None
        await until(transfer, State.DRAINING)
        begin = asyncio.get_running_loop().time()
        await eve.say("ann", peer.PeerTransferQueue(path))
        assert (await eve.hears(peer.PeerTransferRequest)).ticket != offer.ticket
        assert asyncio.get_running_loop().time() - begin < 1


@virtual
async def test_a_search_for_the_file_that_fails_at_once_refuses_it_and_no_other(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), there.stranger("eve")
        path, other = ann.share(PATH, SONG), ann.share("Music\\other.flac", SONG)
        found = ann.shelf.locate

        async def locate(username: str, remote_path: str) -> Any:
            if remote_path == path:
                raise RuntimeError("the index broke")
            return await found(username, remote_path)

        ann.shelf.locate = locate  # type: ignore[method-assign]
        await eve.say("ann", peer.PeerTransferQueue(path))
        refused = await eve.hears(peer.PeerTransferQueueFailed)
        assert (refused.filename, refused.reason) == (path, "File read error.")
        await eve.say("ann", peer.PeerTransferQueue(other))
        assert (await eve.hears(peer.PeerTransferRequest)).filename == other


@virtual
async def test_a_search_for_the_file_that_fails_gives_the_slot_back(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), there.stranger("eve")
        path, other = ann.share(PATH, SONG), ann.share("Music\\other.flac", SONG)
        found, looks = ann.shelf.locate, 0

        async def locate(username: str, remote_path: str) -> Any:
            nonlocal looks
            looks += remote_path == path
            if remote_path == path and looks == 2:
                raise RuntimeError("the index broke")
            return await found(username, remote_path)

        ann.shelf.locate = locate  # type: ignore[method-assign]
        ann.server.connected = False
        await eve.say("ann", peer.PeerTransferQueue(path))
        await asyncio.sleep(LOCATED_FOR + 1)
        ann.server.log_in()
        await eve.hears(peer.PeerTransferQueueFailed)
        await eve.say("ann", peer.PeerTransferQueue(other))
        assert (await eve.hears(peer.PeerTransferRequest)).filename == other
