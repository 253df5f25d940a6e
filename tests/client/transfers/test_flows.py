"""flows.rst, "Transfers": whole flows between users, in virtual time."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from soulmesh.client.transfers import (
    DownloadFinished,
    NotPreferred,
    SharedFile,
    TransferFailed,
    UploadFinished,
)
from soulmesh.client.transfers.uploads import SLOW_FOR
from soulmesh.core.transfer import State
from soulmesh.core.upload_queue import QueueRules
from soulmesh.net.memory_disk import MemoryDisk
from soulmesh.wire import peer, to_server
from tests.client.transfers.street import gone, street, until
from tests.support.loops import virtual

PATH = r"Music\Album\01.flac"
SONG = bytes(range(256)) * 1000


@virtual
async def test_a_file_is_asked_for_offered_sent_and_saved(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        path = eve.share(r"Music\Album\01 Song.flac", SONG)
        transfer = await ann.transfers.download("eve", path)
        await transfer.wait()
        assert transfer.local_path == ann.downloads / "Album" / "01 Song.flac"
        assert transfer.local_path.read_bytes() == SONG
        [upload] = eve.transfers
        await upload.wait()
        assert [type(m).__name__ for _, m in ann.links.sent] == ["PeerTransferQueue", "PeerTransferReply"]
        [request] = eve.said(peer.PeerTransferRequest)
        assert (request.direction, request.filename, request.filesize) == (1, path, len(SONG))
        assert [m for m in eve.server.sent if isinstance(m, to_server.SendUploadSpeed)]
        assert [e.size for e in ann.events if isinstance(e, DownloadFinished)] == [len(SONG)]
        assert [e.size for e in eve.events if isinstance(e, UploadFinished)] == [len(SONG)]
        assert list((ann.downloads / ".incomplete").iterdir()) == []


@virtual
async def test_an_empty_file_completes_at_once(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        transfer = await ann.transfers.download("eve", eve.share(r"a\empty.txt", b""))
        await transfer.wait()
        assert transfer.local_path is not None
        assert transfer.local_path.read_bytes() == b""
        [upload] = eve.transfers
        await upload.wait()


@pytest.mark.parametrize(
    ("remote", "local"),
    [
        (b"Musik\\Bj\xf6rk\\J\xf3ga.mp3", "Jóga.mp3"),
        ("音楽\\曲\\歌.flac".encode(), "歌.flac"),
        (b"x\\a\x81\x8d.mp3", "a__.mp3"),
    ],
)
@virtual
async def test_names_are_asked_for_with_the_very_bytes_that_were_advertised(
    tmp_path: Path, remote: bytes, local: str
) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        transfer = await ann.transfers.download("eve", eve.share(remote, SONG))
        await transfer.wait()
        assert transfer.local_path is not None
        assert transfer.local_path.name == local


@virtual
async def test_a_file_beyond_four_gigabytes_goes_on_where_it_was(tmp_path: Path) -> None:
    size = 5 << 30
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        path = eve.share(r"a\big.iso", b"")
        source = eve.shelf.files[path.encode()]
        with source.open("r+b") as file:
            file.seek(size - 5)
            file.write(b"there")
        transfer = ann.transfers.downloads.add("eve", path)
        part = ann.transfers.downloads.part_path(transfer)
        part.parent.mkdir(parents=True)
        with part.open("wb") as file:
            file.truncate(size - 1_000_000)
        await transfer.wait()
        assert transfer.size == size
        assert transfer.local_path is not None
        with transfer.local_path.open("rb") as file:
            file.seek(size - 5)
            assert file.read() == b"there"
        assert transfer.download.started_at_byte == size - 1_000_000 - 65536


@pytest.mark.slow
@virtual
async def test_five_gigabytes_travel_from_one_disk_in_memory_to_another(tmp_path: Path) -> None:
    size = 5 << 30
    async with street(tmp_path) as there:
        disk = there.disk = MemoryDisk(tmp_path)
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        source = disk.add(tmp_path / "big.iso", size=size)
        file = await disk.open_write(source)
        # Something on both sides of where 32 bits end, and at the very end.
        marks = {(4 << 30) - 3: b"before and after", size - 5: b"there"}
        for offset, content in marks.items():
            await file.write(offset, content)
        await file.close()
        eve.shelf.files[rb"a\big.iso"] = source
        eve.shelf.locate = lambda *_: located(SharedFile(source, size))  # type: ignore[method-assign]
        transfer = ann.transfers.downloads.add("eve", r"a\big.iso")
        # All but the last gigabyte is here; what follows crosses the end of 32 bits.
        disk.add(ann.transfers.downloads.part_path(transfer), size=(4 << 30) - 1_000_000)
        await transfer.wait()
        assert (transfer.size, transfer.done) == (size, size)
        assert transfer.local_path is not None
        came = await disk.open_read(transfer.local_path)
        assert came.size == size
        for offset, content in marks.items():
            assert await came.read(offset, len(content)) == content
        await came.close()
        assert disk.stored < 1_000_000


async def located(file: SharedFile) -> SharedFile:
    return file


@virtual
async def test_without_a_free_slot_we_wait_in_the_queue_and_ask_for_our_place(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        eve = await there.move_in("eve", queue=QueueRules(slots=1))
        hog = there.stranger("hog")
        ann, bob = await there.move_in("ann"), await there.move_in("bob")
        path = eve.share(r"a\b.mp3", SONG)
        await hog.say("eve", peer.PeerTransferQueue(path))
        request = await hog.hears(peer.PeerTransferRequest)
        first = await ann.transfers.download("eve", path)
        await until(first, State.QUEUED)
        second = await bob.transfers.download("eve", path)
        await until(second, State.QUEUED)
        await asyncio.sleep(65)
        assert (first.place, second.place) == (1, 2)
        assert (await bob.transfers.why(second.id)).now == "queued at eve, place 2"
        assert len(bob.said(peer.PeerPlaceInQueueRequest)) == 1
        await hog.say("eve", peer.PeerTransferReply(request.ticket, False, reason="Cancelled"))
        await first.wait()
        await second.wait()


@virtual
async def test_the_place_is_not_asked_for_faster_than_every_five_minutes(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), there.stranger("eve")
        await ann.transfers.download("eve", r"a\b.mp3")
        await eve.hears(peer.PeerTransferQueue)
        await asyncio.sleep(3600)
        assert len(ann.said(peer.PeerPlaceInQueueRequest)) == 12


@virtual
async def test_what_is_not_shared_waits_for_a_person(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        transfer = await ann.transfers.download("eve", r"no\such.mp3")
        with pytest.raises(TransferFailed, match=r"such\.mp3 from eve: File not shared\."):
            await transfer.wait()
        assert transfer.state is State.FAILED
        [no] = eve.said(peer.PeerTransferQueueFailed)
        assert no.reason == "File not shared."
        eve.share(r"no\such.mp3", SONG)
        for handler in eve.shelf.changed:
            handler()
        ann.transfers.retry(transfer.id)
        await transfer.wait()


@virtual
async def test_who_asks_again_for_what_is_not_shared_is_told_so_each_time(tmp_path: Path) -> None:
    """A request without an answer looks like one that waits; so does a question for its place."""
    async with street(tmp_path) as there:
        eve, ann = await there.move_in("eve"), there.stranger("ann")
        for _ in range(5):
            await ann.say("eve", peer.PeerTransferQueue(r"a\no such.mp3"))
            assert (await ann.hears(peer.PeerTransferQueueFailed)).reason == "File not shared."
            await ann.say("eve", peer.PeerPlaceInQueueRequest(r"a\no such.mp3"))
            assert (await ann.hears(peer.PeerTransferQueueFailed)).reason == "File not shared."
            await asyncio.sleep(2)
        figures = eve.transfers.uploads.figures
        assert (figures.received, figures.accepted, figures.rejected, figures.dropped) == (5, 0, 5, 0)


@virtual
async def test_banned_users_are_told_so(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        eve.presence.bans.add("ann")
        transfer = await ann.transfers.download("eve", eve.share(r"a\b.mp3", SONG))
        with pytest.raises(TransferFailed, match="Banned"):
            await transfer.wait()


@virtual
async def test_too_many_files_are_asked_for_again_an_hour_later(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), there.stranger("eve")
        transfer = await ann.transfers.download("eve", r"a\b.mp3")
        await eve.hears(peer.PeerTransferQueue)
        await eve.say("ann", peer.PeerTransferQueueFailed(r"a\b.mp3", "Too many files"))
        await until(transfer, State.DELAYED)
        begin = asyncio.get_running_loop().time()
        await eve.hears(peer.PeerTransferQueue)
        assert 3600 <= asyncio.get_running_loop().time() - begin <= 3970
        story = await ann.transfers.why(transfer.id)
        assert any("failed: Too many files" in line for line in story.past)


@virtual
async def test_a_legacy_request_is_answered_queued_and_then_served(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        eve, old = await there.move_in("eve"), there.stranger("old")
        path = eve.share(r"a\b.mp3", SONG)
        await old.say("eve", peer.PeerTransferRequest(0, 99, path))
        reply = await old.hears(peer.PeerTransferReply)
        assert (reply.ticket, reply.allowed, reply.reason) == (99, False, "Queued")
        request = await old.hears(peer.PeerTransferRequest)
        await old.say("eve", peer.PeerTransferReply(request.ticket, True))
        stream, ticket = await old.takes()
        assert ticket == request.ticket
        assert await stream.readexactly(len(SONG)) == SONG
        stream.close()
        [upload] = eve.transfers
        await upload.wait()


@virtual
async def test_a_legacy_request_for_nothing_is_refused_with_the_reason(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        _, old = await there.move_in("eve"), there.stranger("old")
        await old.say("eve", peer.PeerTransferRequest(0, 99, r"no\such"))
        reply = await old.hears(peer.PeerTransferReply)
        assert (reply.allowed, reply.reason) == (False, "File not shared.")


@virtual
async def test_one_upload_per_user_at_a_time_and_the_others_in_turn(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        paths = [eve.share(rf"a\{n}.mp3", SONG) for n in range(20)]
        at_once: list[int] = []
        there.on_file_link = lambda *_: at_once.append(eve.transfers.uploads.queue.running)
        transfers = await ann.transfers.download_all([("eve", path, None) for path in paths])
        for transfer in transfers:
            await transfer.wait()
        assert at_once == [1] * 20
        assert sorted(p.name for p in (ann.downloads / "a").iterdir()) == sorted(
            f"{n}.mp3" for n in range(20)
        )


@virtual
async def test_the_next_small_file_is_offered_early_but_sent_only_after_the_one_before(
    tmp_path: Path,
) -> None:
    async with street(tmp_path) as there:
        eve, ann = await there.move_in("eve", queue=QueueRules(slots=1)), there.stranger("ann")
        paths = [eve.share(rf"a\{n}.mp3", b"small") for n in range(3)]
        for path in paths:
            await ann.say("eve", peer.PeerTransferQueue(path))
            await asyncio.sleep(1)
        first = await ann.hears(peer.PeerTransferRequest)
        await ann.say("eve", peer.PeerTransferReply(first.ticket, True))
        async with asyncio.timeout(60):
            stream = await ann.streams.get()
        # While the first waits for its offset, the second is offered, and taken; the third is not.
        second = await ann.hears(peer.PeerTransferRequest)
        assert second.filename == paths[1]
        await ann.say("eve", peer.PeerTransferReply(second.ticket, True))
        await asyncio.sleep(30)
        assert ann.streams.empty()
        assert ann.heard.empty()
        stream.write(struct.pack("<Q", 0))
        assert await stream.readexactly(4 + 5) == struct.pack("<I", first.ticket) + b"small"
        _, ticket = await ann.takes()
        assert ticket == second.ticket
        stream.close()


@virtual
async def test_the_next_offer_does_not_hang_on_a_small_file_that_never_goes(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        eve, ann = await there.move_in("eve", queue=QueueRules(slots=1)), there.stranger("ann")
        paths = [eve.share(rf"a\{n}.mp3", b"small") for n in range(2)]
        for path in paths:
            await ann.say("eve", peer.PeerTransferQueue(path))
        first = await ann.hears(peer.PeerTransferRequest)
        await ann.say("eve", peer.PeerTransferReply(first.ticket, True))
        second = await ann.hears(peer.PeerTransferRequest)
        await ann.say("eve", peer.PeerTransferReply(second.ticket, True))
        # No offset ever comes for the first: given up after a minute, and the second has its turn.
        async with asyncio.timeout(120):
            await ann.streams.get()
            _, ticket = await ann.takes()
        assert ticket == second.ticket


@virtual
async def test_the_uploader_waits_for_the_downloader_to_close(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        eve, slow = await there.move_in("eve"), there.stranger("slow")
        path = eve.share(r"a\b.mp3", SONG)
        await slow.say("eve", peer.PeerTransferQueue(path))
        request = await slow.hears(peer.PeerTransferRequest)
        await slow.say("eve", peer.PeerTransferReply(request.ticket, True))
        stream, _ = await slow.takes()
        await stream.readexactly(len(SONG))
        await asyncio.sleep(60)
        [upload] = eve.transfers
        assert upload.state is State.DRAINING
        stream.close()
        await upload.wait()


@virtual
async def test_a_friend_may_push_a_file(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        ann.presence.friends.add("eve")
        path = eve.share(r"gifts\b.mp3", SONG)
        upload = await eve.transfers.push("ann", path)
        await upload.wait()
        assert [type(m).__name__ for _, m in eve.links.sent] == [
            "PeerUploadQueueNotification",
            "PeerTransferRequest",
        ]
        [download] = ann.transfers
        await download.wait()
        assert (ann.downloads / "gifts" / "b.mp3").read_bytes() == SONG


@virtual
async def test_a_push_that_is_not_allowed_is_cancelled_and_told_as_failed(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        upload = await eve.transfers.push("ann", eve.share(r"gifts\b.mp3", SONG))
        with pytest.raises(TransferFailed, match="Cancelled"):
            await upload.wait()
        await asyncio.sleep(1)
        [reply] = ann.said(peer.PeerTransferReply)
        assert (reply.allowed, reply.reason) == (False, "Cancelled")
        assert [m.filename for m in eve.said(peer.PeerUploadFailed)] == [upload.remote_path]
        assert list(ann.transfers) == []


@virtual
async def test_clashing_names_are_numbered_and_nothing_is_overwritten(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann = await there.move_in("ann")
        for name in ("eve", "bob"):
            house = await there.move_in(name)
            transfer = await ann.transfers.download(name, house.share(r"a\b.mp3", name.encode() * 1000))
            await transfer.wait()
        assert (ann.downloads / "a" / "b.mp3").read_bytes() == b"eve" * 1000
        assert (ann.downloads / "a" / "b (2).mp3").read_bytes() == b"bob" * 1000


@virtual
async def test_the_same_file_is_wanted_only_once(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), there.stranger("eve")
        first = await ann.transfers.download("eve", r"a\b.mp3")
        second = await ann.transfers.download("eve", r"a\b.mp3")
        assert first is second
        await eve.hears(peer.PeerTransferQueue)
        await asyncio.sleep(1)
        assert eve.heard.empty()


@virtual
async def test_priorities_go_first_and_no_more_than_allowed_are_asked_for(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann", ask_per_user=2), there.stranger("eve")
        for n in range(4):
            ann.transfers.downloads.add("eve", str(n), priority=n)
        heard = [(await eve.hears(peer.PeerTransferQueue)).filename for _ in range(2)]
        assert heard == ["3", "2"]
        await asyncio.sleep(30)
        assert eve.heard.empty()
        transfer = ann.transfers.find("download", "eve", "3")
        assert transfer is not None
        await ann.transfers.cancel(transfer.id)
        assert (await eve.hears(peer.PeerTransferQueue)).filename == "1"


@virtual
async def test_who_wants_a_file_again_with_a_priority_gives_it_that_one(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann", ask_per_user=1), there.stranger("eve")
        first, *others = [await ann.transfers.download("eve", str(n)) for n in range(4)]
        await eve.hears(peer.PeerTransferQueue)
        await ann.transfers.download("eve", "3", priority=5)
        await ann.transfers.download("eve", "1", priority=-5)
        await ann.transfers.download("eve", "3")
        assert [one.priority for one in others] == [-5, 0, 5]
        order = []
        for _ in others:
            await ann.transfers.cancel(first.id)
            order.append((await eve.hears(peer.PeerTransferQueue)).filename)
            asked = ann.transfers.find("download", "eve", order[-1])
            assert asked is not None
            first = asked
        assert order == ["3", "2", "1"]


@virtual
async def test_an_upload_has_no_priority_of_its_own(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann = await there.move_in("ann")
        there.stranger("eve")
        upload = await ann.transfers.push("eve", ann.share(PATH, SONG))
        with pytest.raises(NotPreferred, match="its turn comes by the rules of the queue"):
            ann.transfers.set_priority(upload.id, 3)


@virtual
async def test_pause_stops_and_resume_goes_on_with_what_is_there(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), there.stranger("eve")
        big = SONG * 10
        transfer = await ann.transfers.download("eve", r"a\b.mp3")
        await eve.hears(peer.PeerTransferQueue)
        await eve.say("ann", peer.PeerTransferRequest(1, 5, r"a\b.mp3", len(big)))
        await eve.hears(peer.PeerTransferReply)
        stream, offset = await eve.gives("ann", 5, big, size=1_000_000)
        assert offset == 0
        await asyncio.sleep(5)
        ann.transfers.pause(transfer.id)
        await gone(stream)
        assert transfer.state is State.PAUSED
        await eve.say("ann", peer.PeerTransferRequest(1, 6, r"a\b.mp3", len(big)))
        assert (await eve.hears(peer.PeerTransferReply)).reason == "Cancelled"
        ann.transfers.resume(transfer.id)
        await eve.hears(peer.PeerTransferQueue)
        await eve.say("ann", peer.PeerTransferRequest(1, 7, r"a\b.mp3", len(big)))
        await eve.hears(peer.PeerTransferReply)
        _, offset = await eve.gives("ann", 7, big)
        assert offset == 1_000_000 - 65536
        await transfer.wait()
        assert transfer.local_path is not None
        assert transfer.local_path.read_bytes() == big


@virtual
async def test_cancelling_removes_the_part_and_tells_waiting_downloaders(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        eve = await there.move_in("eve", queue=QueueRules(slots=0))
        ann = await there.move_in("ann")
        transfer = await ann.transfers.download("eve", eve.share(r"a\b.mp3", SONG))
        await until(transfer, State.QUEUED)
        await asyncio.sleep(1)
        [upload] = eve.transfers
        await eve.transfers.cancel(upload.id)
        with pytest.raises(TransferFailed, match="Cancelled"):
            await transfer.wait()
        await ann.transfers.remove(transfer.id)
        assert list(ann.transfers) == []


@virtual
async def test_who_is_offline_is_waited_for_until_the_server_says_he_is_back(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        path = eve.share(r"a\b.mp3", SONG)
        there.leave("eve")
        transfer = await ann.transfers.download("eve", path)
        await until(transfer, State.OFFLINE)
        await asyncio.sleep(50_000)
        assert transfer.state is State.OFFLINE
        there.come("eve")
        await transfer.wait()
        story = await ann.transfers.why(transfer.id)
        assert any("eve went offline" in line for line in story.past)


@virtual
async def test_of_a_user_who_does_not_exist_that_is_said(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann = await there.move_in("ann")
        transfer = await ann.transfers.download("ghost", r"a\b.mp3")
        await until(transfer, State.OFFLINE)
        assert transfer.reason == "there is no such user"
        story = await ann.transfers.why(transfer.id)
        assert story.now == "there is no user ghost; asked again at the next login"
        assert story.past[-1].endswith("there is no user ghost")
        assert story.fact.code == "download.no_such_user"
        # Somebody may take the name.
        ghost = await there.move_in("ghost")
        ghost.share(r"a\b.mp3", SONG)
        there.come("ghost")
        await transfer.wait()


@virtual
async def test_after_a_new_login_queued_files_are_asked_for_again(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), there.stranger("eve")
        transfer = await ann.transfers.download("eve", r"a\b.mp3")
        await eve.hears(peer.PeerTransferQueue)
        ann.server.connected = False
        await asyncio.sleep(1000)
        ann.server.log_in()
        while not isinstance(
            await eve.hears(peer.PeerTransferQueue | peer.PeerPlaceInQueueRequest), peer.PeerTransferQueue
        ):  # type: ignore[arg-type]
            pass
        assert transfer.state in (State.ASKING, State.QUEUED)


@virtual
async def test_speed_limits_are_kept(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann", download_limit=100_000), await there.move_in("eve")
        transfer = await ann.transfers.download("eve", eve.share(r"a\b.mp3", SONG * 4))
        begin = asyncio.get_running_loop().time()
        await transfer.wait()
        took = asyncio.get_running_loop().time() - begin
        assert 8 < took < 14


@virtual
async def test_by_schedule_another_limit_holds_from_its_hour_on_and_for_what_is_under_way(
    tmp_path: Path,
) -> None:
    loop = asyncio.get_running_loop()
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        # By the wall clock of the test it is two o'clock in the afternoon, somewhere.
        local = ann.transfers._ledger.wall().astimezone()
        begin, end = (local + timedelta(minutes=5)), (local + timedelta(minutes=10))
        ann.transfers.settings = replace(
            ann.settings,
            download_limit=4096,
            schedule=(f"{begin:%H:%M}-{end:%H:%M} down=100",),
        )
        size = (5 * 60 * 4 + 1000) * 1024
        transfer = await ann.transfers.download("eve", eve.share(r"a\b.mp3", bytes(size)))
        await until(transfer, State.RUNNING)
        began = loop.time()
        await asyncio.sleep(240)
        # 4 KiB a second, and what may go at once however small the limit is.
        assert 230 * 4096 < transfer.done < 240 * 4096 + 128 * 1024
        await transfer.wait()
        # The rest came at 100 KiB a second as soon as its hour was there.
        assert 290 < loop.time() - began < 340
        # When the hour is over, the old limit is back.
        await asyncio.sleep(600 - loop.time() + 40)
        began = loop.time()
        late = await ann.transfers.download("eve", eve.share(r"a\c.mp3", bytes(200 * 1024)))
        await late.wait()
        assert loop.time() - began > 30


@pytest.mark.parametrize("limited", ["download", "upload"])
@virtual
async def test_a_limit_that_is_set_while_nothing_was_limited_reaches_what_is_under_way(
    tmp_path: Path, limited: str
) -> None:
    loop = asyncio.get_running_loop()
    async with street(tmp_path) as there:
        there.network.bandwidth = 1_000_000
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        transfer = await ann.transfers.download("eve", eve.share(r"a\b.mp3", bytes(20_000_000)))
        await until(transfer, State.RUNNING)
        await asyncio.sleep(5)
        assert 4_000_000 < transfer.done < 6_000_000
        house = ann if limited == "download" else eve
        before = house.settings
        house.transfers.settings = replace(before, **{f"{limited}_limit": 10_000})
        # What both ends hold already still comes.
        await asyncio.sleep(30)
        then = transfer.done
        await asyncio.sleep(100)
        assert 900_000 < transfer.done - then < 1_100_000
        # And when it is lifted, the rest comes as fast as before.
        house.transfers.settings = before
        began = loop.time()
        await transfer.wait()
        assert loop.time() - began < 20


@virtual
async def test_who_never_closes_keeps_a_slot_for_a_minute_and_its_own_next_file_waiting(
    tmp_path: Path,
) -> None:
    async with street(tmp_path) as there:
        eve = await there.move_in("eve", queue=QueueRules(slots=1))
        hog, ann = there.stranger("hog"), await there.move_in("ann")
        path, other = eve.share(r"a\b.mp3", SONG), eve.share(r"a\c.mp3", SONG)
        for wanted in (path, other):
            await hog.say("eve", peer.PeerTransferQueue(wanted))
        offer = await hog.hears(peer.PeerTransferRequest)
        await hog.say("eve", peer.PeerTransferReply(offer.ticket, True))
        stream, _ = await hog.takes()
        await stream.readexactly(len(SONG))
        held = eve.transfers.find("upload", "hog", offer.filename)
        assert held is not None
        await until(held, State.DRAINING)
        begin = asyncio.get_running_loop().time()
        waiting = await ann.transfers.download("eve", path)
        await waiting.wait()
        assert SLOW_FOR <= asyncio.get_running_loop().time() - begin < SLOW_FOR + 5
        # It may still close, and only then its own next file comes.
        assert held.state is State.DRAINING
        assert eve.transfers.uploads.queue.running == 0
        [next_one] = [one for one in eve.transfers if one.username == "hog" and one is not held]
        assert next_one.state is State.QUEUED
        stream.close()
        await until(held, State.FINISHED)
        assert (await hog.hears(peer.PeerTransferRequest)).filename == next_one.remote_path


@virtual
async def test_a_slow_upload_loses_its_slot_when_others_wait(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        eve = await there.move_in("eve", queue=QueueRules(slots=1), min_upload_speed=10_000)
        slow, ann = await there.move_in("slow", download_limit=4_000), await there.move_in("ann")
        path = eve.share(r"a\b.mp3", SONG * 10)
        first = await slow.transfers.download("eve", path)
        await until(first, State.RUNNING)
        await asyncio.sleep(100)
        assert first.state is State.RUNNING
        second = await ann.transfers.download("eve", path)
        await second.wait()
        assert first.state is State.DELAYED


@virtual
async def test_who_is_slow_because_of_our_own_limit_keeps_the_slot(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        limits = {"upload_limit": 8_000, "min_upload_speed": 10_000}
        eve = await there.move_in("eve", queue=QueueRules(slots=1), **limits)
        ann, bob, slow = [await there.move_in(name) for name in ("ann", "bob", "slow")]
        slow.transfers.settings = replace(slow.settings, download_limit=2_000)
        path = eve.share(r"a\b.mp3", SONG * 10)
        first = await ann.transfers.download("eve", path)
        await until(first, State.RUNNING)
        await slow.transfers.download("eve", path)
        await first.wait()
        # One who takes less than half of what the limit leaves is too slow all the same.
        second = slow.transfers.find("download", "eve", path)
        assert second is not None
        await until(second, State.RUNNING)
        await bob.transfers.download("eve", path)
        await until(second, State.DELAYED)
