"""Many files: folders, batches, goals, restarts, long histories."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path
from typing import Any

import pytest

from soulmesh import wire
from soulmesh.client.errors import NoReply, UserOffline
from soulmesh.client.results import FoundFile
from soulmesh.client.transfers import (
    BatchFinished,
    Candidate,
    FolderNotFound,
    GoalFailed,
    GoalFinished,
    IsFinished,
    Journal,
    JournalError,
    JournalInUse,
    Record,
    UnknownTransfer,
)
from soulmesh.core.transfer import Event, State
from soulmesh.core.upload_queue import QueueRules
from soulmesh.errors import UsageError
from soulmesh.net.disk import DiskError, DiskFull, NotAllowed, OtherFilesystem, RealDisk
from soulmesh.wire import peer
from soulmesh.wire.structs import Attribute, DirectoryData, FileData
from tests.client.transfers.street import House, street, until
from tests.support.loops import real, virtual

SONG = bytes(range(256)) * 1000


def listed(house: House, *directories: DirectoryData) -> None:
    """The answer that this user's links bring to a question for a folder."""

    async def ask(username: str, question: Any, reply: Any, **_: Any) -> Any:
        if not directories:
            raise NoReply("folder contents", username, 60.0)
        return peer.PeerDirectoryContentsReply(question.ticket, question.directory, list(directories))

    house.links.ask = ask  # type: ignore[method-assign]


def entry(name: str, size: int = len(SONG)) -> FileData:
    return FileData(1, name, size, "", [])


async def album(eve: House, *names: str) -> None:
    for name in names:
        eve.share(rf"Music\Album\{name}", SONG)


@virtual
async def test_a_folder_comes_with_what_lies_below_it(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        await album(eve, "1.flac", r"CD 2\2.flac")
        listed(
            ann,
            DirectoryData(r"Music\Album", [FileData(1, "1.flac", len(SONG), "", [Attribute(1, 241)])]),
            DirectoryData(r"Music\Album\CD 2", [entry("2.flac")]),
            DirectoryData(r"Other\place", [entry("3.flac")]),
        )
        batch = await ann.transfers.batches.folder("eve", "Music\\Album\\")
        lengths = {one.name: one.more.get("length") for one in ann.transfers.batches.transfers(batch)}
        assert lengths == {"1.flac": 241, "2.flac": None}
        for transfer in ann.transfers.batches.transfers(batch):
            await transfer.wait()
        assert (ann.downloads / "Album" / "1.flac").read_bytes() == SONG
        assert (ann.downloads / "Album" / "CD 2" / "2.flac").read_bytes() == SONG
        assert [e.folder for e in ann.events if isinstance(e, BatchFinished)] == [
            str(ann.downloads / "Album")
        ]


@virtual
async def test_a_whole_folder_appears_in_one_move_when_nothing_is_missing(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        await album(eve, "1.flac", "2.flac")
        listed(ann, DirectoryData("Album", [entry("1.flac"), entry("2.flac"), entry("cover.jpg")]))
        (ann.downloads / "Album").mkdir(parents=True)
        batch = await ann.transfers.batches.folder("eve", r"Music\Album", whole=True, may_miss=["jpg"])
        first, second, cover = ann.transfers.batches.transfers(batch)
        await first.wait()
        assert list((ann.downloads / "Album").iterdir()) == []
        await second.wait()
        await until(cover, State.FAILED)
        await asyncio.sleep(1)
        target = ann.downloads / "Album (2)"
        assert sorted(p.name for p in target.iterdir()) == ["1.flac", "2.flac"]
        assert first.local_path == target / "1.flac"
        assert batch.finished
        # The story ends where the file is, not where it waited for the others.
        story = await ann.transfers.why(first.id)
        assert story.past[-1] == f"14:00 its folder is whole; moved to {target / '1.flac'}"


class Stubborn(RealDisk):
    """A disk that does not move folders, until the test lets it."""

    error: DiskError | None = None
    free = 1 << 40
    tried: list[float]

    async def rename_new(self, source: Path, target: Path) -> None:
        if source.name.startswith("batch-"):
            self.tried.append(asyncio.get_running_loop().time())
            if self.error is not None:
                raise self.error
        await super().rename_new(source, target)

    async def free_space(self, path: Path) -> int:
        return self.free


def stubborn(error: DiskError) -> Stubborn:
    disk = Stubborn()
    disk.error, disk.tried = error, []
    return disk


@virtual
async def test_a_whole_folder_that_the_disk_refuses_is_moved_later_and_says_why(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        there.disk = disk = stubborn(NotAllowed("/music", "read-only file system"))
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        await album(eve, "1.flac")
        files: list[tuple[str, int | None]] = [(r"Music\Album\1.flac", len(SONG))]
        target = ann.downloads / "Album"
        goal = await ann.transfers.goals.want("x", [Candidate("eve", files)], destination=target, whole=True)
        [song] = ann.transfers.goals.transfers(goal)
        await song.wait()
        await asyncio.sleep(3 * 3600)
        first, second, third, fourth, *_ = disk.tried
        # A quarter of an hour, half an hour, an hour; each with up to a tenth more.
        assert 900 <= second - first <= 990
        assert 1800 <= third - second <= 1980
        assert 3600 <= fourth - third <= 3960
        batch = ann.transfers.batches.get(goal.batch)
        assert batch is not None
        assert (batch.finished, goal.state, target.exists()) == (False, "under way", False)
        assert batch.reason == str(disk.error)
        now = (await ann.transfers.why(song.id)).now
        assert now.startswith(f"all received, but its folder could not be moved: {disk.error}; next try ")
        disk.error = None
        await ann.transfers.batches.gathered(batch)
        assert (batch.finished, batch.reason, batch.attempts, batch.next_try) == (True, "", 0, None)
        assert song.local_path == target / "1.flac"
        assert (await ann.transfers.why(song.id)).now == "finished"
        await asyncio.sleep(1)
        assert goal.state == "finished"


@virtual
async def test_a_whole_folder_is_moved_as_soon_as_a_full_disk_has_room_again(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        there.disk = disk = stubborn(DiskFull("/music"))
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        await album(eve, "1.flac")
        path = r"Music\Album\1.flac"
        batch = await ann.transfers.batches.make([("eve", path, len(SONG))], name="Album", whole=True)
        [song] = ann.transfers.batches.transfers(batch)
        await until(song, State.RUNNING)
        disk.free = 0
        await song.wait()
        await asyncio.sleep(200)
        assert len(disk.tried) == 1
        disk.free, disk.error = 1 << 40, None
        await asyncio.sleep(31)
        assert batch.finished
        assert song.local_path == ann.downloads / "Album" / "1.flac"


@virtual
async def test_a_whole_folder_that_the_disk_refused_is_moved_after_a_restart(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        there.disk = disk = stubborn(DiskError("/music", "gone"))
        database = tmp_path / "ann.sqlite"
        ann, eve = await there.move_in("ann", Journal(database, threaded=False)), await there.move_in("eve")
        await album(eve, "1.flac")
        path = r"Music\Album\1.flac"
        batch = await ann.transfers.batches.make([("eve", path, len(SONG))], name="Album", whole=True)
        [song] = ann.transfers.batches.transfers(batch)
        await song.wait()
        await asyncio.sleep(1)
        assert batch.reason
        await ann.close()
        del there.houses["ann"]
        disk.error = None
        journal = Journal(database, threaded=False)
        ann = await there.move_in("ann", journal)
        await asyncio.sleep(1)
        moved = ann.downloads / "Album" / "1.flac"
        assert moved.read_bytes() == SONG
        # The journal, which alone knows files of an earlier run, knows where it is now.
        record = await journal.get(song.id)
        assert record is not None
        assert record.local_path == str(moved)
        [*_, last] = await journal.story(song.id)
        assert (last.event, last.detail) == (Event.GATHERED, str(moved))


@virtual
async def test_files_whose_folder_is_taken_away_before_it_was_whole_say_so_and_can_come_again(
    tmp_path: Path,
) -> None:
    async with street(tmp_path) as there:
        there.disk = disk = stubborn(NotAllowed("/music", "read-only file system"))
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        await album(eve, "1.flac")
        path = r"Music\Album\1.flac"
        batch = await ann.transfers.batches.make([("eve", path, len(SONG))], name="Album", whole=True)
        [song] = ann.transfers.batches.transfers(batch)
        await song.wait()
        await ann.transfers.batches.settled(batch)
        shutil.rmtree(batch.staging)
        disk.error = None
        await ann.transfers.batches.gathered(batch)
        assert (batch.finished, batch.next_try) == (False, None)
        assert song.state is State.FAILED
        assert song.local_path is None
        assert song.reason == f"its folder is gone from {batch.staging}, where it waited for the rest"
        story = await ann.transfers.why(song.id)
        assert story.now.startswith(f"failed: {song.reason}; retry it")
        assert story.past[-1].endswith(f"lost: {song.reason}")
        ann.transfers.retry(song.id)
        await song.wait()
        await ann.transfers.batches.gathered(batch)
        assert (batch.finished, batch.reason) == (True, "")
        assert (ann.downloads / "Album" / "1.flac").read_bytes() == SONG


@virtual
async def test_a_lost_folder_of_an_earlier_run_is_told_too(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        there.disk = disk = stubborn(NotAllowed("/music", "read-only file system"))
        database = tmp_path / "ann.sqlite"
        ann, eve = await there.move_in("ann", Journal(database, threaded=False)), await there.move_in("eve")
        await album(eve, "1.flac")
        path = r"Music\Album\1.flac"
        batch = await ann.transfers.batches.make([("eve", path, len(SONG))], name="Album", whole=True)
        [song] = ann.transfers.batches.transfers(batch)
        await song.wait()
        await ann.transfers.batches.settled(batch)
        await ann.close()
        del there.houses["ann"]
        shutil.rmtree(batch.staging)
        disk.error = None
        ann = await there.move_in("ann", Journal(database, threaded=False))
        await asyncio.sleep(1)
        again = ann.transfers.get(song.id)
        assert again.state is State.FAILED
        assert again.reason.startswith("its folder is gone from ")


@virtual
async def test_a_goal_whose_files_were_taken_away_turns_to_the_next_source(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        there.disk = disk = stubborn(NotAllowed("/music", "read-only file system"))
        ann, eve, bob = [await there.move_in(name) for name in ("ann", "eve", "bob")]
        await album(eve, "1.flac")
        await album(bob, "1.flac")
        files: list[tuple[str, int | None]] = [(r"Music\Album\1.flac", len(SONG))]
        target = ann.downloads / "Album"
        goal = await ann.transfers.goals.want(
            "x", [Candidate("eve", files), Candidate("bob", files)], destination=target, whole=True
        )
        [song] = ann.transfers.goals.transfers(goal)
        await song.wait()
        batch = ann.transfers.batches.get(goal.batch)
        assert batch is not None
        await ann.transfers.batches.settled(batch)
        shutil.rmtree(batch.staging)
        disk.error = None
        await asyncio.sleep(7200)
        assert (goal.state, goal.candidate.username) == ("finished", "bob")
        assert (target / "1.flac").read_bytes() == SONG


@virtual
async def test_a_finished_file_is_not_tried_again_but_its_folder_is_moved_at_once(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        there.disk = disk = stubborn(NotAllowed("/music", "read-only file system"))
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        await album(eve, "1.flac")
        path = r"Music\Album\1.flac"
        batch = await ann.transfers.batches.make([("eve", path, len(SONG))], name="Album", whole=True)
        [song] = ann.transfers.batches.transfers(batch)
        await song.wait()
        await ann.transfers.batches.settled(batch)
        assert batch.next_try is not None
        disk.error = None
        begin = asyncio.get_running_loop().time()
        ann.transfers.retry(song.id)
        await ann.transfers.batches.gathered(batch)
        assert asyncio.get_running_loop().time() - begin < 1
        assert batch.finished
        with pytest.raises(
            IsFinished, match=r"1\.flac is finished, there is nothing to try again: .*1\.flac"
        ):
            ann.transfers.retry(song.id)


@virtual
async def test_the_story_of_a_finished_file_is_told_after_a_restart_too(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        database = tmp_path / "ann.sqlite"
        ann, eve = await there.move_in("ann", Journal(database, threaded=False)), await there.move_in("eve")
        song = await ann.transfers.download("eve", eve.share(r"a\song", SONG))
        await song.wait()
        before = await ann.transfers.why(song.id)
        await ann.close()
        del there.houses["ann"]
        ann = await there.move_in("ann", Journal(database, threaded=False))
        assert list(ann.transfers) == []
        assert await ann.transfers.numbers([song.uuid, "unknown"]) == {song.uuid: song.id}
        assert await ann.transfers.why(song.id) == before
        assert before.now == "finished"
        with pytest.raises(UnknownTransfer):
            await ann.transfers.why(song.id + 1)


class TwoDisks(RealDisk):
    """What is unfinished lies on another disk than the downloads."""

    async def same_filesystem(self, one: Path, other: Path) -> bool:
        return ("unfinished" in one.parts) == ("unfinished" in other.parts)

    async def rename_new(self, source: Path, target: Path) -> None:
        if target.parent.exists() and not await self.same_filesystem(source, target):
            raise OtherFilesystem(target)
        await super().rename_new(source, target)


@virtual
async def test_a_whole_folder_gathers_on_the_disk_where_it_is_wanted(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        there.disk = TwoDisks()
        ann = await there.move_in("ann", incomplete=tmp_path / "unfinished")
        eve = await there.move_in("eve")
        await album(eve, "1.flac")
        path = r"Music\Album\1.flac"
        batch = await ann.transfers.batches.make([("eve", path, len(SONG))], name="Album", whole=True)
        [song] = ann.transfers.batches.transfers(batch)
        await song.wait()
        await asyncio.sleep(1)
        assert (batch.finished, batch.reason) == (True, "")
        assert [path.name for path in ann.downloads.iterdir()] == ["Album"]
        assert song.local_path == ann.downloads / "Album" / "1.flac"
        assert song.local_path.read_bytes() == SONG


@virtual
async def test_a_folder_that_is_not_there_says_so(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, _ = await there.move_in("ann"), await there.move_in("eve")
        listed(ann, DirectoryData("Album", []))
        with pytest.raises(FolderNotFound, match="eve shares no files in Album"):
            await ann.transfers.batches.folder("eve", "Album")


@virtual
async def test_a_user_who_does_not_answer_for_a_folder_is_browsed(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        await album(eve, "1.flac")
        listed(ann)
        with pytest.raises(NoReply):
            await ann.transfers.batches.folder("eve", r"Music\Album")

        async def browse(username: str, folder: str) -> list[FoundFile]:
            return [FoundFile(rf"{folder}\1.flac", len(SONG), ((1, 200),))]

        ann.transfers.batches.browse = browse
        batch = await ann.transfers.batches.folder("eve", r"Music\Album")
        [transfer] = ann.transfers.batches.transfers(batch)
        assert transfer.more["length"] == 200
        await transfer.wait()


@virtual
async def test_what_lies_below_a_folder_comes_too_when_the_answer_names_the_folder_alone(
    tmp_path: Path,
) -> None:
    """As nearly all programs answer."""
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        await album(eve, "1.flac", r"CD 2\2.flac")
        listed(ann, DirectoryData(r"Music\Album", [entry("1.flac")]))

        async def browse(username: str, folder: str) -> list[FoundFile]:
            return [FoundFile(rf"{folder}\{name}", len(SONG)) for name in ("1.flac", r"CD 2\2.flac")]

        ann.transfers.batches.browse = browse
        batch = await ann.transfers.batches.folder("eve", r"Music\Album", whole=True)
        assert [await transfer.wait() for transfer in ann.transfers.batches.transfers(batch)]
        await asyncio.sleep(1)
        found = (path for path in ann.downloads.joinpath("Album").rglob("*.flac"))
        assert sorted(str(path.relative_to(ann.downloads)) for path in found) == [
            "Album/1.flac",
            "Album/CD 2/2.flac",
        ]


@virtual
async def test_a_folder_comes_also_from_who_cannot_be_browsed(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        await album(eve, "1.flac")
        listed(ann, DirectoryData(r"Music\Album", [entry("1.flac")]))

        async def browse(*_: str) -> list[FoundFile]:
            await asyncio.Event().wait()
            raise AssertionError("never")

        ann.transfers.batches.browse = browse
        batch = await ann.transfers.batches.folder("eve", r"Music\Album")
        [transfer] = ann.transfers.batches.transfers(batch)
        await transfer.wait()


@virtual
async def test_a_goal_turns_to_the_next_source_when_one_fails_for_good(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann = await there.move_in("ann")
        bob, eve = await there.move_in("bob"), await there.move_in("eve")
        bob.share(r"x\1.flac", SONG)
        await album(eve, "1.flac", "2.flac")
        size = len(SONG)
        goal = await ann.transfers.goals.want(
            "Album",
            [
                Candidate("bob", [(r"x\1.flac", size), (r"x\2.flac", size)]),
                Candidate("eve", [(r"Music\Album\1.flac", size), (r"Music\Album\2.flac", size)]),
            ],
        )
        await asyncio.sleep(60)
        assert goal.state == "finished"
        assert [e.goal for e in ann.events if isinstance(e, GoalFinished)] == [goal.id]
        # The file that bob did have was not fetched again.
        assert len(eve.said(peer.PeerTransferRequest)) == 1
        assert sorted(p.name for p in (ann.downloads / "Album").iterdir()) == ["1.flac", "2.flac"]


@virtual
async def test_a_goal_loses_patience_and_never_asks_two_at_once(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        there.stranger("bob")
        await album(eve, "1.flac")
        goal = await ann.transfers.goals.want(
            "song",
            [Candidate("bob", [("1.flac", None)]), Candidate("eve", [(r"Music\Album\1.flac", None)])],
            patience=3600,
        )
        await asyncio.sleep(3500)
        assert eve.links.sent == []
        await asyncio.sleep(300)
        assert goal.state == "finished"
        assert any("no byte of bob in 1 h" in line for line in goal.story)


@virtual
async def test_a_goal_without_any_source_left_fails_and_lives_again_with_a_new_one(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        goal = await ann.transfers.goals.want("song", [Candidate("eve", [("no", 1)])])
        await asyncio.sleep(10)
        assert goal.state == "failed"
        assert [e.reason for e in ann.events if isinstance(e, GoalFailed)] == ["no: File not shared."]
        await album(eve, "1.flac")
        await ann.transfers.goals.add(goal, Candidate("eve", [(r"Music\Album\1.flac", len(SONG))]))
        await asyncio.sleep(5)
        assert goal.state == "finished"
        with pytest.raises(UsageError):
            await ann.transfers.goals.want("nothing", [])


@virtual
async def test_everything_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        database = tmp_path / "ann.sqlite"
        ann = await there.move_in("ann", Journal(database, threaded=False))
        eve = await there.move_in("eve", queue=QueueRules(slots=0))
        await album(eve, "1.flac", "2.flac")
        size = len(SONG)
        latin = eve.share(b"x\\\xe9.mp3", SONG)
        one = await ann.transfers.download("eve", latin, priority=3)
        goal = await ann.transfers.goals.want(
            "Album", [Candidate("eve", [(r"Music\Album\1.flac", size)], {r"Music\Album\1.flac": 200})]
        )
        paused = await ann.transfers.download("eve", r"Music\Album\2.flac")
        ann.transfers.pause(paused.id)
        offline = await ann.transfers.download("nobody", "y")
        await until(offline, State.OFFLINE)
        await asyncio.sleep(100)
        await ann.close()
        del there.houses["ann"]
        eve.transfers.settings = type(eve.settings)(downloads=eve.downloads)
        await asyncio.sleep(1000)
        ann = await there.move_in("ann", Journal(database, threaded=False))
        again = {transfer.id: transfer for transfer in ann.transfers}
        assert again[one.id].priority == 3
        assert again[paused.id].state is State.PAUSED
        await again[one.id].wait()
        await asyncio.sleep(300)
        restored = ann.transfers.goals.get(goal.id)
        assert restored is not None
        assert restored.state == "finished"
        assert restored.candidates == goal.candidates
        assert [transfer.more["length"] for transfer in ann.transfers.goals.transfers(restored)] == [200]
        assert again[offline.id].state is State.OFFLINE
        story = await ann.transfers.why(one.id)
        assert any("the program was started again" in line for line in story.past)


@virtual
async def test_whoever_answers_before_all_is_read_from_the_journal_is_heard(tmp_path: Path) -> None:
    class Slow(Journal):
        """Takes a while to say what it has about batches and goals."""

        async def kept(self, kind: str) -> dict[str, dict[str, Any]]:
            await asyncio.sleep(10)
            return await super().kept(kind)

    async with street(tmp_path) as there:
        database = tmp_path / "ann.sqlite"
        ann = await there.move_in("ann", Journal(database, threaded=False))
        eve = await there.move_in("eve", queue=QueueRules(slots=0))
        path = eve.share(r"Music\Album\1.flac", SONG)
        batch = await ann.transfers.batches.make([("eve", path, len(SONG))], name="Album", whole=True)
        [wanted] = batch.files
        await asyncio.sleep(100)
        await ann.close()
        del there.houses["ann"]
        eve.transfers.settings = type(eve.settings)(downloads=eve.downloads)
        await asyncio.sleep(4000)
        began = asyncio.get_running_loop().time()
        ann = await there.move_in("ann", Slow(database, threaded=False))
        await ann.transfers.get(wanted).wait()
        # The offer came while the rest was being read: it was not lost, and nobody's patience had to end.
        assert asyncio.get_running_loop().time() - began < 60
        await asyncio.sleep(1)
        assert (ann.downloads / "Album" / "1.flac").read_bytes() == SONG


@pytest.mark.slow
@real
async def test_a_hundred_thousand_finished_transfers_are_listed_fast(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.sqlite")
    await journal.open()
    for number in range(100_000):
        journal.put(
            Record(
                journal.next_id(),
                f"u{number}",
                "download",
                f"user{number % 500}",
                wire.text(b"Music\\\xe9\\%d.flac" % number),
                1000,
                State.FINISHED,
                "",
                0,
                None,
                1000,
                "",
                1.0,
                1.0,
                2.0,
                5.0,
            )
        )
    await journal.committed()
    assert journal.commits < 10
    begin = time.perf_counter()
    page = await journal.ended("download", limit=100)
    next_page = await journal.ended("download", limit=100, before=page[-1].id)
    assert await journal.unfinished() == []
    took = time.perf_counter() - begin
    assert took < 0.2
    assert (page[0].id, next_page[0].id) == (100_000, 99_900)
    assert wire.raw(page[0].remote_path) == b"Music\\\xe9\\99999.flac"
    found = await journal.find("user499", wire.text(b"Music\\\xe9\\99999.flac"), "download")
    assert found is not None
    await journal.close()


@real
async def test_a_journal_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    (tmp_path / "j.sqlite").write_bytes(b"this is no database, whatever it is called" * 100)
    with pytest.raises(JournalError, match="cannot be used"):
        await Journal(tmp_path / "j.sqlite").open()
    one = Journal(tmp_path / "other.sqlite")
    await one.open()
    with pytest.raises(JournalInUse, match="another soulmesh uses it"):
        await Journal(tmp_path / "other.sqlite").open()
    await one.close()
    with pytest.raises(JournalError, match="closed"):
        await one.committed()
    assert UserOffline("x")


@virtual
async def test_a_whole_goal_is_finished_when_its_folder_stands_where_it_is_wanted(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        await album(eve, "1.flac", "2.flac")
        files: list[tuple[str, int | None]] = [(rf"Music\Album\{n}.flac", len(SONG)) for n in (1, 2)]
        target = ann.downloads / "Album"
        goal = await ann.transfers.goals.want("x", [Candidate("eve", files)], destination=target, whole=True)
        while not any(isinstance(event, GoalFinished) for event in ann.events):
            # Never does it seem finished before all of it is there.
            assert goal.state == "under way"
            await asyncio.sleep(0.01)
        assert sorted(path.name for path in target.iterdir()) == ["1.flac", "2.flac"]
        assert {t.local_path for t in ann.transfers.goals.transfers(goal)} == {
            target / "1.flac",
            target / "2.flac",
        }
