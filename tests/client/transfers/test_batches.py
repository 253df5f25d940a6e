"""Batches: changed as one, carried from source to source, and told of when their folder moves or cannot."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from soulmesh.client.transfers import BatchFinished, BatchNotMoved, Candidate, Journal
from soulmesh.client.transfers.batches import Batch, state_of
from soulmesh.client.transfers.layout import Layout, incomplete_name
from soulmesh.client.transfers.orders import give_order
from soulmesh.core.transfer import State
from soulmesh.net.disk import NotAllowed, RealDisk
from soulmesh.wire import peer
from tests.client.transfers.street import House, street, until
from tests.support.loops import virtual

SONG = bytes(range(256)) * 1000
Files = list[tuple[str, int | None]]


def paths(*names: str) -> Files:
    return [(rf"Music\Album\{name}", len(SONG)) for name in names]


def share(house: House, *names: str) -> None:
    for name in names:
        house.share(rf"Music\Album\{name}", SONG)


@pytest.mark.parametrize(
    ("states", "word"),
    [
        ([State.FINISHED, State.RUNNING], "under way"),
        ([State.FINISHED, State.PAUSED], "paused"),
        ([State.PAUSED, State.QUEUED], "under way"),
        ([State.FINISHED, State.FAILED, State.CANCELLED], "failed"),
    ],
)
def test_where_a_batch_stands_is_what_most_of_its_files_wait_for(states: list[State], word: str) -> None:
    batch = Batch("1", "x", "/x")
    assert state_of(batch, states) == word
    batch.next_try = 5.0
    assert state_of(batch, [State.FINISHED]) == "held back"
    batch.finished = True
    assert state_of(batch, states) == "finished"
    assert state_of(batch, states, moving=True) == "under way"


@virtual
async def test_an_album_of_two_sources_is_whole_in_one_folder(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve, bob = [await there.move_in(name) for name in ("ann", "eve", "bob")]
        share(eve, "1.flac")
        share(bob, "1.flac", "2.flac")
        target = ann.downloads / "Album"
        copies = [Candidate(name, paths("1.flac", "2.flac")) for name in ("eve", "bob")]
        goal = await ann.transfers.goals.want("x", copies, destination=target, whole=True)
        await asyncio.sleep(3600)
        assert (goal.state, goal.candidate.username) == ("finished", "bob")
        assert {path.name for path in target.iterdir()} == {"1.flac", "2.flac"}
        files = ann.transfers.goals.transfers(goal)
        assert [(one.username, one.local_path) for one in files] == [
            ("eve", target / "1.flac"),
            ("bob", target / "2.flac"),
        ]
        [batch] = ann.transfers.batches
        assert batch.id == goal.batch
        lost = next(one for one in ann.transfers if one.username == "eve" and one.name == "2.flac")
        records = await ann.transfers.batches.records(batch)
        assert {record.uuid for record in records if record.id not in batch.files} == {lost.uuid}


@virtual
async def test_an_album_of_two_sources_is_whole_although_the_program_ended_between(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        database = tmp_path / "ann.sqlite"
        ann = await there.move_in("ann", Journal(database, threaded=False))
        eve, bob = await there.move_in("eve"), await there.move_in("bob")
        share(eve, "1.flac")
        share(bob, "1.flac", "2.flac")
        there.leave("bob")
        target = ann.downloads / "Album"
        copies = [Candidate(name, paths("1.flac", "2.flac")) for name in ("eve", "bob")]
        goal = await ann.transfers.goals.want("x", copies, destination=target, whole=True)
        await asyncio.sleep(600)
        assert (goal.state, goal.candidate.username) == ("under way", "bob")
        await ann.close()
        del there.houses["ann"]
        ann = await there.move_in("ann", Journal(database, threaded=False))
        there.come("bob")
        await asyncio.sleep(600)
        again = ann.transfers.goals.get(goal.id)
        assert again is not None
        assert again.state == "finished"
        assert {path.name for path in target.iterdir()} == {"1.flac", "2.flac"}


@virtual
async def test_a_goal_that_failed_keeps_what_is_here_for_the_source_that_is_found_later(
    tmp_path: Path,
) -> None:
    async with street(tmp_path) as there:
        ann, eve, bob = [await there.move_in(name) for name in ("ann", "eve", "bob")]
        share(eve, "1.flac")
        share(bob, "2.flac")
        target = ann.downloads / "Album"
        files = paths("1.flac", "2.flac")
        goal = await ann.transfers.goals.want("x", [Candidate("eve", files)], destination=target, whole=True)
        await asyncio.sleep(600)
        assert goal.state == "failed"
        await ann.transfers.goals.add(goal, Candidate("bob", files))
        await asyncio.sleep(600)
        assert goal.state == "finished"
        assert {path.name for path in target.iterdir()} == {"1.flac", "2.flac"}


@virtual
async def test_what_was_cancelled_before_a_restart_is_not_here_and_can_be_tried_again(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        database = tmp_path / "ann.sqlite"
        ann, eve = await there.move_in("ann", Journal(database, threaded=False)), await there.move_in("eve")
        share(eve, "1.flac", "2.flac")
        files: list[tuple[str, str, int | None]] = [
            ("eve", *file) for file in paths("1.flac", "2.flac", "cover.jpg")
        ]
        batch = await ann.transfers.batches.make(files, name="Album", whole=True, may_miss=["jpg"])
        first, second, _ = ann.transfers.batches.transfers(batch)
        await ann.transfers.cancel(second.id)
        await first.wait()
        await ann.close()
        del there.houses["ann"]
        ann = await there.move_in("ann", Journal(database, threaded=False))
        again = ann.transfers.batches.get(batch.id)
        assert again is not None
        await asyncio.sleep(600)
        assert not again.finished
        assert not (ann.downloads / "Album").exists()
        await ann.transfers.batches.retry(again)
        await asyncio.sleep(600)
        assert again.finished
        assert {path.name for path in (ann.downloads / "Album").iterdir()} == {"1.flac", "2.flac"}


@virtual
async def test_all_of_a_batch_rests_goes_on_and_is_given_up(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann = await there.move_in("ann", download_limit=10_000)
        eve = await there.move_in("eve")
        share(eve, "1.flac", "2.flac")
        wanted: list[tuple[str, str, int | None]] = [("eve", *file) for file in paths("1.flac", "2.flac")]
        batches = ann.transfers.batches
        batch = await batches.make(wanted, name="Album")
        first, second = batches.transfers(batch)
        await until(first, State.RUNNING)
        await asyncio.sleep(2)
        batches.pause(batch)
        assert {first.state, second.state} == {State.PAUSED}
        batches.resume(batch)
        assert State.PAUSED not in {first.state, second.state}
        await until(first, State.RUNNING)
        await asyncio.sleep(2)
        part = ann.transfers.downloads.part_path(first)
        assert part.exists()
        await batches.cancel(batch)
        assert {first.state, second.state} == {State.CANCELLED}
        assert not part.exists()
        ann.transfers.settings = type(ann.settings)(downloads=ann.downloads, reserve=0)
        await batches.retry(batch)
        await asyncio.sleep(600)
        assert batch.finished


@virtual
async def test_downloads_that_were_wanted_one_by_one_become_a_batch(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        share(eve, "1.flac", r"CD 2\2.flac")
        wanted = [await ann.transfers.download("eve", path) for path, _ in paths("1.flac", r"CD 2\2.flac")]
        batch = await ann.transfers.batches.adopt("mine", "Album", wanted)
        assert batch.destination == str(ann.downloads)
        for transfer in wanted:
            await transfer.wait()
        assert batch.finished
        # Also when the last of them came before.
        late = await ann.transfers.batches.adopt("late", "Album", wanted[:1])
        assert (late.finished, late.destination) == (True, str(ann.downloads / "Album"))
        assert [e.batch for e in ann.events if isinstance(e, BatchFinished)] == ["mine", "late"]


class Stubborn(RealDisk):
    """Lets no folder appear outside of where files grow, for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.error: NotAllowed | None = NotAllowed("/music", "read-only file system")

    async def rename_new(self, source: Path, target: Path) -> None:
        if self.error is not None and ".incomplete" not in target.parts:
            raise self.error
        await super().rename_new(source, target)


@virtual
async def test_the_move_of_a_folder_is_told_whether_it_went_well_or_not(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        there.disk = disk = Stubborn()
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        share(eve, "1.flac")
        batch = await ann.transfers.batches.make([("eve", *paths("1.flac")[0])], name="Album", whole=True)
        seen: list[bool] = []
        ann.bus.on(BatchNotMoved, lambda event: seen.append(ann.transfers.batches.moving(batch)))
        await asyncio.sleep(60)
        [told] = [event for event in ann.events if isinstance(event, BatchNotMoved)]
        assert (told.batch, told.folder) == (batch.id, str(ann.downloads / "Album"))
        assert "read-only file system" in told.reason
        assert told.next_try == batch.next_try
        disk.error = None
        await asyncio.sleep(3600)
        [done] = [event for event in ann.events if isinstance(event, BatchFinished)]
        assert (done.batch, done.folder) == (batch.id, str(ann.downloads / "Album"))
        # Whoever hears of it and looks does not find it on its way.
        assert seen == [False]


@virtual
async def test_other_programs_have_a_batch_changed_whether_or_not_we_run(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        database = tmp_path / "ann.sqlite"
        ann = await there.move_in("ann", Journal(database))
        wanted: list[tuple[str, str, int | None]] = [("eve", *file) for file in paths("1.flac", "2.flac")]
        batch = await ann.transfers.batches.make(wanted, name="Album")
        now = ann.transfers.batches._ledger.wall()
        assert not await give_order(database, {"verb": "pause", "batch": batch.id}, now)
        files = ann.transfers.batches.transfers(batch)
        await until(files[1], State.PAUSED)
        assert files[0].state is State.PAUSED
        await ann.close()
        del there.houses["ann"]
        assert await give_order(database, {"verb": "resume", "batch": batch.id}, now)
        ann = await there.move_in("ann", Journal(database, threaded=False))
        assert State.PAUSED not in {one.state for one in ann.transfers}
        await ann.close()
        del there.houses["ann"]
        # What was cancelled while nobody ran leaves no part behind.
        root = ann.settings.incomplete_root
        root.mkdir(parents=True, exist_ok=True)
        for path, _ in paths("1.flac", "2.flac", "3.flac"):
            (root / incomplete_name("eve", path)).write_bytes(b"a part")
        assert await give_order(database, {"verb": "cancel", "batch": batch.id}, now, incomplete=root)
        [left] = root.glob("*.part")
        assert left.name.endswith("-3.flac.part")
        assert await give_order(database, {"verb": "forget", "batch": batch.id}, now)
        ann = await there.move_in("ann", Journal(database, threaded=False))
        assert list(ann.transfers) == []
        assert list(ann.transfers.batches) == []


def copy(user: str, *names: str, size: int = len(SONG), folder: str = "Album") -> Candidate:
    return Candidate(user, [(rf"Music\{folder}\{name}", size) for name in names])


@virtual
async def test_an_album_of_two_discs_is_one_folder_with_both(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        names = [r"CD1\1.flac", r"CD2\1.flac", r"CD2\Art\front.jpg"]
        for name in names:
            eve.share(rf"Music\Album\{name}", SONG)
        await ann.transfers.goals.want("words of mine", [copy("eve", *names)], whole=True)
        await asyncio.sleep(60)
        found = {path.relative_to(ann.downloads) for path in ann.downloads.rglob("*") if path.is_file()}
        assert found == {Path("Album/CD1/1.flac"), Path("Album/CD2/1.flac"), Path("Album/CD2/Art/front.jpg")}


@virtual
async def test_where_an_album_or_a_song_ends_is_what_the_layout_says(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        layout = Layout("{username}/{parent}/{folder}/{stem}-x.{ext}")
        ann, eve = await there.move_in("ann", layout=layout), await there.move_in("eve")
        for name in ("1.flac", "2.flac", "3.flac"):
            share(eve, name)
        await ann.transfers.goals.want("album", [copy("eve", "1.flac", "2.flac")], whole=True)
        await ann.transfers.goals.want("song", [copy("eve", "3.flac")])
        await asyncio.sleep(60)
        found = {str(path.relative_to(ann.downloads)) for path in ann.downloads.rglob("*") if path.is_file()}
        assert found == {f"eve/Music/Album/{n}-x.flac" for n in (1, 2, 3)}


@virtual
async def test_an_album_is_of_one_copy_and_has_its_name(tmp_path: Path) -> None:
    """FLAC first, else MP3: what came of the first lies beside it, but for what is in nobody's way."""
    async with street(tmp_path) as there:
        ann, eve, bob = [await there.move_in(name) for name in ("ann", "eve", "bob")]
        for name in ("1.flac", "cover.jpg"):
            eve.share(rf"Music\Album FLAC\{name}", SONG)
        for name in ("1.mp3", "2.mp3"):
            bob.share(rf"Music\Album 320\{name}", SONG)
        goal = await ann.transfers.goals.want(
            "x",
            [
                copy("eve", "1.flac", "2.flac", "cover.jpg", folder="Album FLAC"),
                copy("bob", "1.mp3", "2.mp3", folder="Album 320"),
            ],
            whole=True,
            may_miss=["jpg"],
        )
        await asyncio.sleep(120)
        assert goal.state == "finished"
        found = {str(path.relative_to(ann.downloads)) for path in ann.downloads.rglob("*") if path.is_file()}
        assert found == {
            "Album 320/1.mp3",
            "Album 320/2.mp3",
            "Album 320/cover.jpg",
            "Album 320 (other copy)/1.flac",
        }


@virtual
async def test_a_copy_that_was_left_counts_again_when_its_files_come_from_another(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve, _, cat = [await there.move_in(name) for name in ("ann", "eve", "bob", "cat")]
        share(eve, "1.flac")
        share(cat, "2.flac")
        candidates = [copy("eve", "1.flac", "2.flac"), copy("bob", "1.mp3"), copy("cat", "1.flac", "2.flac")]
        goal = await ann.transfers.goals.want("x", candidates, whole=True)
        await asyncio.sleep(120)
        assert goal.state == "finished"
        assert sorted(path.name for path in (ann.downloads / "Album").iterdir()) == ["1.flac", "2.flac"]
        assert len(cat.said(peer.PeerTransferRequest)) == 1


@virtual
async def test_what_a_failing_source_has_comes_from_it_if_the_next_would_send_the_same(
    tmp_path: Path,
) -> None:
    async with street(tmp_path) as there:
        ann, eve, bob = [await there.move_in(name) for name in ("ann", "eve", "bob")]
        names = [f"{n}.flac" for n in range(5)]
        for name in names[1:]:
            share(eve, name)
        for name in names:
            share(bob, name)
        goal = await ann.transfers.goals.want("x", [copy("eve", *names), copy("bob", *names)], whole=True)
        await asyncio.sleep(120)
        assert goal.state == "finished"
        assert [m.filename for m in bob.said(peer.PeerTransferRequest)] == [r"Music\Album\0.flac"]


@virtual
async def test_a_source_that_went_away_is_left_after_minutes_not_after_hours(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, bob = await there.move_in("ann"), await there.move_in("bob")
        eve = there.stranger("eve")
        share(bob, "1.flac")
        goal = await ann.transfers.goals.want("x", [copy("eve", "1.flac"), copy("bob", "1.flac")])
        await eve.hears(peer.PeerTransferQueue)
        await asyncio.sleep(3600)
        assert goal.candidate.username == "eve"
        there.leave("eve")
        await asyncio.sleep(400)
        assert goal.state == "finished"
        assert any(line.startswith("no byte of eve in ") for line in goal.story)


@virtual
async def test_patience_is_not_counted_anew_at_each_start(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        journal = tmp_path / "ann.sqlite"
        ann, bob = await there.move_in("ann", Journal(journal, threaded=False)), await there.move_in("bob")
        there.stranger("eve")
        share(bob, "1.flac")
        await ann.transfers.goals.want(
            "x", [copy("eve", "1.flac"), copy("bob", "1.flac")], patience=4 * 3600, rules="song flac"
        )
        for _ in range(3):
            await asyncio.sleep(1.4 * 3600)
            await ann.close()
            await ann.open(Journal(journal, threaded=False))
        await asyncio.sleep(120)
        [goal] = ann.transfers.goals
        assert (goal.state, goal.rules) == ("finished", "song flac")


@pytest.mark.parametrize("order", [("1.flac", "2.flac"), ("2.flac", "1.flac")])
@virtual
async def test_a_file_that_two_batches_want_is_in_both(tmp_path: Path, order: tuple[str, str]) -> None:
    """It comes once, and stays with the first: the second has a copy, whichever file is the last one."""
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann", ask_per_user=1), await there.move_in("eve")
        share(eve, *order)
        ready = ann.downloads.parent
        whole = await ann.transfers.batches.make(
            [("eve", path, size) for path, size in paths(*order)],
            name="Album",
            destination=ready / "whole",
            whole=True,
        )
        goal = await ann.transfers.goals.want("song", [copy("eve", "1.flac")], destination=ready / "songs")
        await asyncio.sleep(60)
        assert (whole.finished, goal.state) == (True, "finished")
        assert sorted(path.name for path in (ready / "whole").iterdir()) == ["1.flac", "2.flac"]
        assert [path.name for path in (ready / "songs").iterdir()] == ["1.flac"]
        assert (ready / "songs" / "1.flac").read_bytes() == SONG
        batch = ann.transfers.batches.get(goal.batch)
        assert batch is not None
        assert await ann.transfers.batches.places(batch) == [ready / "songs" / "1.flac"]
        assert len(eve.said(peer.PeerTransferRequest)) == 2


@virtual
async def test_a_copy_in_a_whole_folder_moves_with_it(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann", ask_per_user=1), await there.move_in("eve")
        share(eve, "1.flac", "2.flac")
        await ann.transfers.goals.want("song", [copy("eve", "1.flac")])
        goal = await ann.transfers.goals.want("album", [copy("eve", "1.flac", "2.flac")], whole=True)
        await asyncio.sleep(60)
        assert goal.state == "finished"
        batch = ann.transfers.batches.get(goal.batch)
        assert batch is not None
        found = await ann.transfers.batches.places(batch)
        assert [path.name for path in found] == ["1.flac", "2.flac"]
        assert all(path.read_bytes() == SONG for path in found)
        assert all(path.is_relative_to(batch.destination) for path in found)


@pytest.mark.parametrize("refused", ["1.flac", "2.flac", "3.flac"])
@virtual
async def test_two_goals_over_one_copy_are_both_whole_when_it_refuses_a_file(
    tmp_path: Path, refused: str
) -> None:
    """What came for the first counts as here for the second as well: it is copied, whoever sends the rest."""
    names = ("1.flac", "2.flac", "3.flac")
    async with street(tmp_path) as there:
        ann, eve, bob = [await there.move_in(name) for name in ("ann", "eve", "bob")]
        share(eve, *(name for name in names if name != refused))
        share(bob, *names)
        ready = ann.downloads.parent
        goals = [
            await ann.transfers.goals.want(
                place, [copy("eve", *names), copy("bob", *names)], destination=ready / place, whole=True
            )
            for place in ("one", "two")
        ]
        await asyncio.sleep(3 * 3600)
        assert [goal.state for goal in goals] == ["finished", "finished"]
        for place, goal in zip(("one", "two"), goals, strict=True):
            assert sorted(path.name for path in (ready / place).iterdir()) == list(names)
            batch = ann.transfers.batches.get(goal.batch)
            assert batch is not None
            assert len(await ann.transfers.batches.places(batch)) == 3


@virtual
async def test_who_gives_up_a_file_that_another_batch_wants_leaves_it_to_that_one(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann = await there.move_in("ann")
        eve = there.stranger("eve")
        batches = ann.transfers.batches
        wanted: list[tuple[str, str, int | None]] = [("eve", path, size) for path, size in paths("1.flac")]
        one, two, three = [await batches.make(wanted, name=str(n)) for n in range(3)]
        await eve.hears(peer.PeerTransferQueue)
        [transfer] = batches.transfers(one)
        assert batches.transfers(two) == batches.transfers(three) == [transfer]
        await batches.cancel(three)
        batches.pause(two)
        assert (transfer.state, transfer.batch) == (State.QUEUED, one.id)
        await batches.cancel(one)
        assert (transfer.state, transfer.batch) == (State.QUEUED, two.id)
        await eve.say("ann", peer.PeerTransferRequest(1, 5, wanted[0][1], len(SONG)))
        await eve.hears(peer.PeerTransferReply)
        await eve.gives("ann", 5, SONG)
        await transfer.wait()
        assert transfer.local_path == ann.downloads / "1" / "1.flac"
        assert (one.finished, two.finished, three.finished) == (False, True, False)
        await batches.cancel(two)


@virtual
async def test_another_source_of_a_shared_file_serves_both_batches(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, bob = await there.move_in("ann"), await there.move_in("bob")
        share(bob, "1.flac")
        there.stranger("eve")
        wanted: list[tuple[str, str, int | None]] = [("eve", path, size) for path, size in paths("1.flac")]
        one, two = [await ann.transfers.batches.make(wanted, name=str(n)) for n in range(2)]
        [transfer] = ann.transfers.batches.transfers(one)
        await ann.transfers.take_over(transfer, "bob", paths("1.flac")[0][0], len(SONG))
        await asyncio.sleep(60)
        assert (one.finished, two.finished) == (True, True)
        assert {path.parent.name for path in ann.downloads.rglob("1.flac")} == {"0", "1"}


@virtual
async def test_a_copy_that_was_still_to_be_made_is_made_after_a_restart(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        database = tmp_path / "ann.sqlite"
        ann, eve = await there.move_in("ann", Journal(database, threaded=False)), await there.move_in("eve")
        share(eve, "1.flac", "2.flac")
        batches = ann.transfers.batches
        wanted: list[tuple[str, str, int | None]] = [("eve", path, size) for path, size in paths("1.flac")]
        await batches.make(wanted, name="one")
        two = await batches.make([*wanted, ("nobody", "x", 1)], name="two")
        await asyncio.sleep(60)
        two.shared, two.copies = {str(two.files[0]): str(ann.downloads / "two")}, {}
        batches._save(two)
        (ann.downloads / "two" / "1.flac").unlink()
        await ann.close()
        await ann.open(Journal(database, threaded=False))
        await asyncio.sleep(5)
        assert (ann.downloads / "two" / "1.flac").read_bytes() == SONG
        # What somebody took away meanwhile is fetched once more.
        again = next(batch for batch in ann.transfers.batches if batch.name == "two")
        again.shared, again.copies = {str(again.files[0]): str(ann.downloads / "two")}, {}
        ann.transfers.batches._save(again)
        (ann.downloads / "two" / "1.flac").unlink()
        (ann.downloads / "one" / "1.flac").unlink()
        await ann.close()
        await ann.open(Journal(database, threaded=False))
        await asyncio.sleep(60)
        assert (ann.downloads / "two" / "1.flac").read_bytes() == SONG
