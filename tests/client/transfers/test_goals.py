"""Goals: one candidate after the other until all is whole, across restarts."""

from __future__ import annotations

import asyncio
from pathlib import Path

from soulmesh.client.transfers import Candidate, Goal, GoalDropped, GoalMoved, Journal
from soulmesh.core.transfer import State
from soulmesh.core.upload_queue import QueueRules
from soulmesh.wire import peer
from tests.client.transfers.street import House, Street, street, until
from tests.support.loops import virtual

SONG = bytes(range(256)) * 1000
Files = list[tuple[str, int | None]]


def copy_of(house: House, *names: str, folder: str = "Album", size: int = len(SONG)) -> Candidate:
    """All of these are promised; what is shared is another matter."""
    return Candidate(house.username, [(rf"Music\{folder}\{name}", size) for name in names])


def share(house: House, *names: str, folder: str = "Album", content: bytes = SONG) -> None:
    for name in names:
        house.share(rf"Music\{folder}\{name}", content)


def asked(house: House, *, of: House) -> list[str]:
    return [
        message.filename.rpartition("\\")[2]
        for name, message in house.links.sent
        if name == of.username and isinstance(message, peer.PeerTransferQueue)
    ]


async def again(there: Street, house: House, database: Path, **settings: object) -> House:
    """The program ends and is started again."""
    await house.close()
    del there.houses[house.username]
    return await there.move_in(house.username, Journal(database, threaded=False), **settings)


def known(house: House, goal: Goal) -> Goal:
    found = house.transfers.goals.get(goal.id)
    assert found is not None
    return found


@virtual
async def test_after_a_restart_no_file_that_is_here_comes_again_from_the_next_source(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        database = tmp_path / "ann.sqlite"
        ann = await there.move_in("ann", Journal(database, threaded=False))
        dan, eve = [await there.move_in(name, upload_limit=20_000) for name in ("dan", "eve")]
        share(dan, "1.flac", "2.flac")
        share(eve, "1.flac", "2.flac", "3.flac")
        copies = [copy_of(one, "1.flac", "2.flac", "3.flac") for one in (dan, eve)]
        goal = await ann.transfers.goals.want("x", copies, whole=True)
        first, second, _ = ann.transfers.goals.transfers(goal)
        await first.wait()
        await until(second, State.RUNNING)
        await asyncio.sleep(5)
        # Nothing of the goal was written down meanwhile: the journal of the transfers has to do.
        ann = await again(there, ann, database)
        await asyncio.sleep(3600)
        assert known(ann, goal).state == "finished"
        assert asked(ann, of=eve) == ["3.flac"]
        found = sorted(path.name for path in (ann.downloads / "Album").iterdir())
        assert found == ["1.flac", "2.flac", "3.flac"]


@virtual
async def test_a_source_that_goes_away_is_left_for_one_that_stands_by(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann = await there.move_in("ann")
        eve, bob = await there.move_in("eve", upload_limit=10_000), await there.move_in("bob")
        share(eve, "1.flac", "2.flac")
        share(bob, "1.flac", "2.flac")
        goals = ann.transfers.goals
        goal = await goals.want("x", [copy_of(one, "1.flac", "2.flac") for one in (eve, bob)])
        await asyncio.sleep(3)
        assert goals.now(goal) == "receiving from eve"
        there.leave("eve")
        for ours, _ in there.open:
            ours.abort()
        await asyncio.sleep(5 * 60)
        assert goals.now(goal).startswith("eve is offline; bob has its turn at ")
        await asyncio.sleep(4 * 60)
        assert asked(ann, of=bob) == []
        await asyncio.sleep(2 * 60)
        assert goal.state == "finished"
        assert "no byte of eve in 10 min (eve is offline); trying bob" in goal.story


@virtual
async def test_waiting_is_counted_over_restarts(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        database = tmp_path / "ann.sqlite"
        ann = await there.move_in("ann", Journal(database, threaded=False))
        eve, bob = await there.move_in("eve", queue=QueueRules(slots=0)), await there.move_in("bob")
        share(eve, "1.flac")
        share(bob, "1.flac")
        goal = await ann.transfers.goals.want("x", [copy_of(one, "1.flac") for one in (eve, bob)])
        for _ in range(3):
            await asyncio.sleep(1000)
            assert asked(ann, of=bob) == []
            ann = await again(there, ann, database)
        assert known(ann, goal).waited >= 2400
        await asyncio.sleep(1300)
        assert known(ann, goal).state == "finished"
        assert known(ann, goal).candidate.username == "bob"


@virtual
async def test_time_in_which_we_are_not_online_is_nobodys_fault(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, bob = await there.move_in("ann"), await there.move_in("bob")
        eve = await there.move_in("eve", queue=QueueRules(slots=0))
        share(eve, "1.flac")
        goal = await ann.transfers.goals.want("x", [copy_of(one, "1.flac") for one in (eve, bob)])
        await asyncio.sleep(60)
        ann.server.connected = False
        await asyncio.sleep(50_000)
        assert goal.candidate.username == "eve"


@virtual
async def test_one_refused_file_does_not_end_what_else_is_sent(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve, bob = [await there.move_in(name) for name in ("ann", "eve", "bob")]
        share(eve, "1.flac", "3.flac", "4.flac")
        share(bob, "1.flac", "2.flac", "3.flac", "4.flac")
        names = ("1.flac", "2.flac", "3.flac", "4.flac")
        goal = await ann.transfers.goals.want("x", [copy_of(one, *names) for one in (eve, bob)])
        await asyncio.sleep(600)
        assert goal.state == "finished"
        assert asked(ann, of=bob) == ["2.flac"]
        assert {one.username for one in ann.transfers.goals.transfers(goal)} == {"eve", "bob"}


@virtual
async def test_what_is_queued_beside_a_refused_file_is_not_waited_for_as_long(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, bob = await there.move_in("ann"), await there.move_in("bob")
        eve = await there.move_in("eve", queue=QueueRules(slots=0))
        share(eve, "1.flac")
        share(bob, "1.flac", "2.flac")
        goal = await ann.transfers.goals.want("x", [copy_of(one, "1.flac", "2.flac") for one in (eve, bob)])
        await asyncio.sleep(590)
        assert goal.candidate.username == "eve"
        await asyncio.sleep(60)
        assert goal.state == "finished"


@virtual
async def test_who_only_let_us_wait_has_another_turn_and_is_not_asked_for_what_was_refused(
    tmp_path: Path,
) -> None:
    async with street(tmp_path) as there:
        ann, bob = await there.move_in("ann"), await there.move_in("bob")
        eve = await there.move_in("eve", queue=QueueRules(slots=0))
        share(eve, "1.flac")
        share(bob, "2.flac")
        names = ("1.flac", "2.flac")
        goal = await ann.transfers.goals.want("x", [copy_of(one, *names) for one in (eve, bob)])
        await asyncio.sleep(700)
        # Bob refused the one, eve the other: what bob gave stays, and eve is asked again.
        assert [event.username for event in ann.events if isinstance(event, GoalMoved)] == [
            "eve",
            "bob",
            "eve",
        ]
        assert (goal.state, goal.round) == ("under way", 1)
        assert asked(ann, of=eve) == ["1.flac", "2.flac", "1.flac"]
        eve.transfers.settings = type(eve.settings)(downloads=eve.downloads)
        await asyncio.sleep(60)
        assert goal.state == "finished"


@virtual
async def test_an_album_of_another_kind_is_not_mixed_with_what_came_before(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, dan, bob = [await there.move_in(name) for name in ("ann", "dan", "bob")]
        share(dan, "01 - Ebb.flac", "cover.jpg", folder="Lamps FLAC")
        share(bob, "01 - Ebb.mp3", "02 - Quay.mp3", "cover.jpg", folder="Lamps 320", content=SONG[:-1])
        goal = await ann.transfers.goals.want(
            "lamps",
            [
                copy_of(dan, "01 - Ebb.flac", "02 - Quay.flac", "cover.jpg", folder="Lamps FLAC"),
                copy_of(
                    bob, "01 - Ebb.mp3", "02 - Quay.mp3", "cover.jpg", folder="Lamps 320", size=len(SONG) - 1
                ),
            ],
            whole=True,
            may_miss=["jpg"],
        )
        await asyncio.sleep(3600)
        assert goal.state == "finished"
        found = {
            str(path.relative_to(ann.downloads)) for path in ann.downloads.rglob("*.*") if path.is_file()
        }
        assert found == {
            "Lamps 320/01 - Ebb.mp3",
            "Lamps 320/02 - Quay.mp3",
            "Lamps 320/cover.jpg",
            "Lamps 320 (other copy)/01 - Ebb.flac",
            "Lamps 320 (other copy)/cover.jpg",
        }
        apart = ann.downloads / "Lamps 320 (other copy)"
        assert goal.story[-1] == f"all files of bob are here; what came of another copy is in {apart}"
        # Each transfer knows where its file is.
        there_now = {one.local_path for one in ann.transfers if one.state is State.FINISHED}
        assert {str(path.relative_to(ann.downloads)) for path in there_now if path is not None} == found
        assert await ann.transfers.goals.gone(goal) == 0
        (ann.downloads / "Lamps 320" / "01 - Ebb.mp3").unlink()
        assert await ann.transfers.goals.gone(goal) == 1


@virtual
async def test_what_was_put_aside_comes_back_with_the_copy_that_it_belongs_to(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        database = tmp_path / "ann.sqlite"
        ann = await there.move_in("ann", Journal(database, threaded=False))
        dan, bob = [await there.move_in(name) for name in ("dan", "bob")]
        share(dan, "1.flac")
        share(bob, "1.mp3", folder="MP3")
        goal = await ann.transfers.goals.want(
            "x",
            [copy_of(dan, "1.flac", "2.flac"), copy_of(bob, "1.mp3", "2.mp3", folder="MP3")],
            whole=True,
        )
        await asyncio.sleep(600)
        assert goal.state == "failed"
        ann = await again(there, ann, database)
        share(dan, "2.flac")
        goal = known(ann, goal)
        await ann.transfers.goals.add(goal, goal.candidates[0])
        await asyncio.sleep(600)
        assert goal.state == "finished"
        # Neither of them came twice.
        assert asked(ann, of=dan) == ["2.flac"]
        found = {
            str(path.relative_to(ann.downloads)) for path in ann.downloads.rglob("*.*") if path.is_file()
        }
        assert {name for name in found if "flac" in name} == {"Album/1.flac", "Album/2.flac"}
        assert {name for name in found if "mp3" in name} == {"Album (other copy)/1.mp3"}


@virtual
async def test_another_kind_of_album_is_turned_to_only_after_the_longer_patience(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, dan, bob = [await there.move_in(name) for name in ("ann", "dan", "bob")]
        share(dan, "1.flac", "2.flac")
        share(bob, "1.mp3", "2.mp3")
        goal = await ann.transfers.goals.want(
            "x", [copy_of(dan, "1.flac", "2.flac"), copy_of(bob, "1.mp3", "2.mp3")], whole=True
        )
        first, second = ann.transfers.goals.transfers(goal)
        await first.wait()
        ann.transfers.pause(second.id)
        there.leave("dan")
        ann.transfers.resume(second.id)
        await asyncio.sleep(3000)
        assert goal.candidate.username == "dan"
        await asyncio.sleep(1000)
        assert (goal.state, goal.candidate.username) == ("finished", "bob")


@virtual
async def test_a_cover_of_somebody_who_left_does_not_keep_an_album(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        share(eve, "1.flac", "cover.jpg")
        goal = await ann.transfers.goals.want(
            "x", [copy_of(eve, "1.flac", "cover.jpg")], whole=True, may_miss=["jpg"]
        )
        song, cover = ann.transfers.goals.transfers(goal)
        ann.transfers.pause(cover.id)
        await song.wait()
        there.leave("eve")
        ann.transfers.resume(cover.id)
        await asyncio.sleep(900)
        assert goal.state == "finished"


@virtual
async def test_parts_of_files_that_others_gave_in_the_end_are_removed(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann = await there.move_in("ann")
        eve, bob = await there.move_in("eve", upload_limit=10_000), await there.move_in("bob")
        share(eve, "1.flac")
        share(bob, "1.flac")
        goal = await ann.transfers.goals.want("x", [copy_of(one, "1.flac") for one in (eve, bob)])
        await asyncio.sleep(10)
        there.leave("eve")
        for ours, _ in there.open:
            ours.abort()
        await asyncio.sleep(1200)
        assert goal.state == "finished"
        await asyncio.sleep(1)
        assert [path for path in (ann.downloads / ".incomplete").rglob("*") if path.is_file()] == []


@virtual
async def test_what_is_dropped_leaves_no_parts_and_can_be_wanted_again(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve", upload_limit=10_000)
        share(eve, "1.flac")
        goal = await ann.transfers.goals.want("x", [copy_of(eve, "1.flac")])
        await asyncio.sleep(10)
        ann.transfers.goals.drop(goal)
        await asyncio.sleep(1)
        assert (goal.state, ann.transfers.goals.now(goal)) == ("dropped", "cancelled")
        assert [event.goal for event in ann.events if isinstance(event, GoalDropped)] == [goal.id]
        assert [path for path in (ann.downloads / ".incomplete").rglob("*") if path.is_file()] == []
        await ann.transfers.goals.add(goal, copy_of(eve, "1.flac"))
        await asyncio.sleep(60)
        assert goal.state == "finished"


@virtual
async def test_a_goal_that_rests_waits_for_nobody_and_goes_on_when_it_is_told_to(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve, bob = [await there.move_in(name) for name in ("ann", "eve", "bob")]
        share(eve, "1.flac")
        goals = ann.transfers.goals
        goal = await goals.want("x", [copy_of(one, "1.flac") for one in (eve, bob)])
        [song] = goals.transfers(goal)
        ann.transfers.pause(song.id)
        await asyncio.sleep(20_000)
        assert (goal.candidate.username, goals.now(goal)) == ("eve", "paused until you resume it")
        assert goals.resume(goal)
        await asyncio.sleep(60)
        assert (goal.state, goals.resume(goal)) == ("finished", False)
