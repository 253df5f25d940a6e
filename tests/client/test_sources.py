"""Another source takes over a download; wishes download what they find. Whole clients, in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from soulmesh.client.plain_shares import PlainFile, PlainShares
from soulmesh.client.results import FoundFile
from soulmesh.client.sources import LISTEN, LOOK_EVERY, NoOtherSource, alike, words_for
from soulmesh.client.transfers import Candidate, Story, TransferSettings, candidate_of
from soulmesh.client.wishes import WishFulfilled
from soulmesh.core.transfer import State
from soulmesh.core.upload_queue import QueueRules
from soulmesh.errors import UsageError
from tests.client.stage import Stage, play
from tests.client.transfers.street import until

SONG = bytes(range(256)) * 1000


def shelf(
    stage: Stage, owner: str, *names: str, content: bytes = SONG, length: int | None = None
) -> PlainShares:
    """Real files that a user shares as ``Music\\Album\\NAME``."""
    folder = stage.folder / f"{owner}-music"
    folder.mkdir(exist_ok=True)
    files = []
    for name in names:
        (folder / name).write_bytes(content)
        attributes = ((1, length),) if length is not None else ()
        files.append(PlainFile(folder / name, len(content), f"Music\\Album\\{name}", attributes))
    return PlainShares(files)


def settings(stage: Stage, **changes: object) -> TransferSettings:
    return replace(TransferSettings(downloads=stage.folder / "alice", reserve=0), **changes)  # type: ignore[arg-type]


def test_when_a_source_fails_for_good_the_next_one_takes_over() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("bob", shares=shelf(stage, "bob", "01 Blue Moon.flac"))
        await stage.enter("carol", shares=shelf(stage, "carol", "Blue Moon.flac"))
        await stage.enter("dave", shares=shelf(stage, "dave", "Blue Moon.flac", content=SONG[:-1]))
        alice = await stage.enter("alice", transfers=settings(stage, other_sources="failed"))
        await asyncio.sleep(5)
        # bob no longer shares it under the name that was found; dave's is another recording.
        old = await alice.transfers.download("bob", r"Music\Gone\01 Blue Moon.flac", len(SONG))
        await until(old, State.FAILED)
        first = await alice.sources.successor(old)
        assert first is not None
        assert old.state is State.CANCELLED
        assert first.username == "carol"
        await first.wait()
        assert first.local_path is not None
        assert first.local_path.read_bytes() == SONG
        story = await alice.transfers.why(first.id)
        assert story.past[0].endswith("takes over from bob, who said: File not shared.")
        assert f"{first.username} has it too and took over" in str(await alice.transfers.why(old.id))

    play(scene)


def test_of_what_was_asked_for_by_name_alone_its_owner_tells_the_size() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("bob", shares=broken(stage, "bob", "01 Blue Moon.flac"))
        await stage.enter("carol", shares=shelf(stage, "carol", "Blue Moon.flac", content=SONG[:-1]))
        await stage.enter("dave", shares=shelf(stage, "dave", "Blue Moon.flac"))
        alice = await stage.enter("alice", transfers=settings(stage, other_sources="failed"))
        await asyncio.sleep(5)
        old = await alice.transfers.download("bob", r"Music\Album\01 Blue Moon.flac")
        await until(old, State.FAILED)
        assert old.size is None
        new = await alice.sources.successor(old)
        assert new is not None
        assert (new.username, old.size) == ("dave", len(SONG))
        await new.wait()

    play(scene)


def test_the_folder_tells_the_size_of_what_no_search_finds() -> None:
    async def scene(stage: Stage) -> None:
        # bob finds this search too short to answer it.
        await stage.enter(
            "bob", shares=broken(stage, "bob", "Blue Moon.flac"), changes={"shortest_query": 100}
        )
        await stage.enter("carol", shares=shelf(stage, "carol", "Blue Moon.flac"))
        alice = await stage.enter("alice", transfers=settings(stage))
        await asyncio.sleep(5)
        old = await alice.transfers.download("bob", r"Music\Album\Blue Moon.flac")
        await until(old, State.FAILED)
        new = await alice.sources.take(old)
        assert new.username == "carol"
        await new.wait()

    play(scene)


def test_a_file_of_which_nobody_knows_the_size_cannot_be_told_from_others() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("bob", shares=shelf(stage, "bob", "Green Sun.flac"))
        await stage.enter("carol", shares=shelf(stage, "carol", "Blue Moon.flac"))
        alice = await stage.enter("alice", transfers=settings(stage, other_sources="failed"))
        await asyncio.sleep(5)
        old = await alice.transfers.download("bob", r"Music\Album\Blue Moon.flac")
        await until(old, State.FAILED)
        assert await alice.sources.successor(old) is None
        with pytest.raises(UsageError, match=r"nobody says how large Blue Moon\.flac is"):
            await alice.sources.take(old)

    play(scene)


def test_sources_that_failed_are_not_asked_again() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice", transfers=settings(stage, other_sources="failed"))
        bob = await stage.enter("bob", shares=shelf(stage, "bob", "Blue Moon.flac"))
        carol = await stage.enter("carol", shares=shelf(stage, "carol", "Blue Moon.flac"))
        bob.users.ban("alice"), carol.users.ban("alice")
        await asyncio.sleep(5)
        old = await alice.transfers.download("dora", r"x\Blue Moon.flac", len(SONG))
        alice.transfers.pause(old.id)
        with pytest.raises(NoOtherSource, match="nobody else was found"):
            await alice.sources.take(old)
        assert old.state is State.PAUSED

    play(scene)


def test_another_source_must_be_as_long_as_the_search_said_of_the_first() -> None:
    async def scene(stage: Stage) -> None:
        bob = await stage.enter("bob", shares=shelf(stage, "bob", "Blue Moon.flac", length=200))
        await stage.enter("carol", shares=shelf(stage, "carol", "Blue Moon.flac", length=212))
        alice = await stage.enter("alice", transfers=settings(stage))
        await asyncio.sleep(5)
        hits = [hit async for hit in alice.search("blue moon", timeout=10)]
        bob.users.ban("alice")
        found = candidate_of([hit for hit in hits if hit.username == "bob"])
        goal = await alice.transfers.goals.want("blue moon", [found])
        [old] = alice.transfers.goals.transfers(goal)
        await until(old, State.FAILED)
        # carol's has the same name and size, and is another recording.
        with pytest.raises(NoOtherSource):
            await alice.sources.take(old)
        await stage.enter("dave", shares=shelf(stage, "dave", "Blue Moon.flac", length=201))
        await asyncio.sleep(5)
        new = await alice.sources.take(old)
        assert (new.username, new.more["length"]) == ("dave", 200)
        await new.wait()

    play(scene)


def test_by_itself_nothing_is_looked_for_unless_that_is_set() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("bob", shares=shelf(stage, "bob", "Blue Moon.flac"))
        alice = await stage.enter("alice")
        await asyncio.sleep(5)
        old = await alice.transfers.download("bob", r"x\Blue Moon.flac", len(SONG))
        await asyncio.sleep(24 * 3600)
        assert (old.state, len(alice.transfers)) == (State.FAILED, 1)
        assert await alice.sources.successor(old) is None

    play(scene, limit=10 * 86400)


def test_a_better_source_takes_over_by_the_users_rule_and_never_both_at_once() -> None:
    async def scene(stage: Stage) -> None:
        busy = TransferSettings(downloads=stage.folder / "bob", queue=QueueRules(slots=0))
        bob = await stage.enter("bob", shares=shelf(stage, "bob", "Blue Moon.flac"), transfers=busy)
        rules = settings(stage, other_sources="better", better_source="free", better_after=1800.0)
        alice = await stage.enter("alice", transfers=rules)
        await asyncio.sleep(5)
        old = await alice.transfers.download("bob", r"Music\Album\Blue Moon.flac", len(SONG))
        await asyncio.sleep(7200)
        # Only bob himself has it, and he has no free slot.
        assert (old.state, len(alice.transfers)) == (State.QUEUED, 1)
        await stage.enter("carol", shares=shelf(stage, "carol", "Blue Moon.flac"))
        await asyncio.sleep(8 * 3600)
        assert old.state is State.CANCELLED
        new = await alice.sources.successor(old)
        assert new is not None
        assert (new.username, new.state) == ("carol", State.FINISHED)
        # bob was told: a slot that comes free later is not spent on it.
        assert alice.transfers.find("download", "bob", r"Music\Album\Blue Moon.flac") is old
        assert len(bob.transfers) == 1

    play(scene, limit=10 * 86400)


def test_a_better_source_is_looked_for_after_so_many_minutes_as_are_set() -> None:
    async def scene(stage: Stage) -> None:
        busy = TransferSettings(downloads=stage.folder / "bob", queue=QueueRules(slots=0))
        await stage.enter("bob", shares=shelf(stage, "bob", "Blue Moon.flac"), transfers=busy)
        await stage.enter("carol", shares=shelf(stage, "carol", "Blue Moon.flac"))
        rules = settings(stage, other_sources="better", better_after=120.0)
        alice = await stage.enter("alice", transfers=rules)
        await asyncio.sleep(5)
        old = await alice.transfers.download("bob", r"Music\Album\Blue Moon.flac", len(SONG))
        await asyncio.sleep(110)
        assert (old.state, len(alice.transfers)) == (State.QUEUED, 1)
        await asyncio.sleep(10 + LOOK_EVERY + LISTEN + 5)
        assert [(one.username, one.state) for one in alice.transfers] == [
            ("bob", State.CANCELLED),
            ("carol", State.FINISHED),
        ]

    play(scene)


def test_a_batch_waits_for_the_new_source() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("carol", shares=shelf(stage, "carol", "Blue Moon.flac"))
        alice = await stage.enter("alice", transfers=settings(stage, other_sources="failed"))
        await asyncio.sleep(5)
        files = [("carol", r"Gone\Blue Moon.flac", len(SONG))]
        batch = await alice.transfers.batches.make(files, name="Songs", whole=True)
        [old] = alice.transfers.batches.transfers(batch)
        await until(old, State.FAILED)
        # carol has it under another name, but carol has failed.
        assert await alice.sources.successor(old) is None
        assert not batch.finished
        await stage.enter("dave", shares=shelf(stage, "dave", "Blue Moon.flac"))
        await asyncio.sleep(5)
        await alice.sources.take(old)
        await asyncio.sleep(60)
        assert batch.finished
        assert (Path(batch.destination) / "Blue Moon.flac").read_bytes() == SONG

    play(scene)


def test_of_uploads_and_of_what_is_here_there_is_no_other_source() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("bob", shares=shelf(stage, "bob", "Blue Moon.flac"))
        alice = await stage.enter("alice")
        await asyncio.sleep(5)
        done = await alice.transfers.download("bob", r"Music\Album\Blue Moon.flac")
        await done.wait()
        with pytest.raises(UsageError):
            await alice.transfers.take_over(done, "carol", "x", 1)

    play(scene)


def test_a_wish_downloads_once_what_it_finds_and_is_searched_for_no_more() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("bob", shares=shelf(stage, "bob", "Blue Moon.flac"))
        data = stage.folder / "alice-data"
        async with stage.client("alice", data=data) as alice:
            await asyncio.sleep(5)
            await alice.wishes.add("blue moon", filter="flac", download="once")
            await asyncio.sleep(3600)
            [wish] = alice.wishes.all
            assert wish.fulfilled
            assert [event.query for event in stage.events("alice", WishFulfilled)] == ["blue moon"]
            assert (stage.folder / "alice" / "Album" / "Blue Moon.flac").read_bytes() == SONG
            sent = wish.last_sent
            await asyncio.sleep(3600)
            assert len(alice.transfers) == 1
        async with stage.client("alice", data=data) as alice:
            await asyncio.sleep(3600)
            assert [(w.fulfilled, w.last_sent) for w in alice.wishes.all] == [(True, sent)]

    play(scene, limit=10 * 86400)


def test_a_wish_of_an_earlier_run_is_searched_for_as_soon_as_we_are_online() -> None:
    async def scene(stage: Stage) -> None:
        data = stage.folder / "alice-data"
        async with stage.client("alice", data=data) as alice:
            await alice.wishes.add("blue moon", download="once")
            await asyncio.sleep(5)
        await stage.enter("bob", shares=shelf(stage, "bob", "Blue Moon.flac"))
        await asyncio.sleep(5)
        async with stage.client("alice", data=data) as alice:
            await asyncio.sleep(90)
            assert [wish.fulfilled for wish in alice.wishes.all] == [True]

    play(scene)


def test_a_wish_takes_the_best_of_a_round_and_the_next_best_when_that_fails() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("bob", shares=shelf(stage, "bob", "blue moon.mp3"))
        gone = shelf(stage, "carol", "blue moon.flac")
        await stage.enter("carol", shares=gone)
        (stage.folder / "carol-music" / "blue moon.flac").unlink()
        alice = await stage.enter("alice")
        await asyncio.sleep(5)
        await alice.wishes.add("blue moon", download="best")
        await asyncio.sleep(3600)
        [wish] = alice.wishes.all
        goal = alice.transfers.goals.get(wish.goal)
        assert goal is not None
        assert [candidate.username for candidate in goal.candidates] == ["carol", "bob"]
        assert wish.fulfilled
        assert (stage.folder / "alice" / "Album" / "blue moon.mp3").exists()

    play(scene)


def broken(stage: Stage, owner: str, *names: str) -> PlainShares:
    """Files that are found and cannot be sent."""
    gone = shelf(stage, owner, *names)
    for name in names:
        (stage.folder / f"{owner}-music" / name).unlink()
    return gone


def asked(story: Story) -> int:
    return sum(line.endswith("for it") and " asked " in line for line in story.past)


def test_a_wish_never_asks_again_who_said_no_for_good_and_goes_on_with_somebody_else() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("carol", shares=broken(stage, "carol", "blue moon.flac"))
        alice = await stage.enter("alice")
        await asyncio.sleep(5)
        await alice.wishes.add("blue moon", download="once")
        await asyncio.sleep(86400)
        [wish] = alice.wishes.all
        assert (wish.fulfilled, wish.goal) == (False, "")
        [goal] = alice.transfers.goals
        assert (goal.state, len(list(alice.transfers.batches))) == ("failed", 1)
        [old] = alice.transfers
        story = await alice.transfers.why(old.id)
        assert (asked(story), "wanted again" in str(story)) == (1, False)
        await stage.enter("dave", shares=shelf(stage, "dave", "blue moon.flac"))
        await asyncio.sleep(3600)
        assert (wish.fulfilled, wish.goal) == (True, goal.id)
        assert goal.story[2:] == [
            "another candidate was found; trying dave",
            "all files of dave are here",
        ]
        assert asked(await alice.transfers.why(old.id)) == 1

    play(scene, limit=10 * 86400)


def test_who_has_banned_us_is_not_asked_for_other_copies_of_a_wish() -> None:
    async def scene(stage: Stage) -> None:
        carol = await stage.enter("carol", shares=shelf(stage, "carol", "blue moon.flac", "blue moon.mp3"))
        alice = await stage.enter("alice")
        await asyncio.sleep(5)
        first = await alice.transfers.download("carol", r"Music\Album\blue moon.mp3")
        await first.wait()
        hits = [hit async for hit in alice.search("blue moon", timeout=10)]
        carol.users.ban("alice")
        other = await alice.transfers.download("carol", r"Music\Other\red sun.mp3")
        await until(other, State.FAILED)
        goals = alice.transfers.goals
        assert goals.askable(candidate_of([hit]) for hit in hits) == []
        elsewhere = Candidate("dave", [(r"x\blue moon.flac", 1)])
        assert goals.askable([elsewhere]) == [elsewhere]

    play(scene)


def test_another_file_of_who_does_not_share_the_first_any_more_is_asked_for() -> None:
    async def scene(stage: Stage) -> None:
        have = shelf(stage, "carol", "blue moon.flac", "blue moon (2).flac")
        (stage.folder / "carol-music" / "blue moon.flac").unlink()
        await stage.enter("carol", shares=have)
        alice = await stage.enter("alice")
        await asyncio.sleep(5)
        await alice.wishes.add("blue moon", download="best")
        await asyncio.sleep(2 * 3600)
        [wish] = alice.wishes.all
        assert wish.fulfilled
        assert len(list(alice.transfers.goals)) == 1

    play(scene, limit=86400)


def test_a_wish_has_come_true_when_a_person_has_what_failed_tried_again() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("carol", shares=broken(stage, "carol", "blue moon.flac"))
        alice = await stage.enter("alice")
        await asyncio.sleep(5)
        await alice.wishes.add("blue moon", download="once")
        await asyncio.sleep(3600)
        (stage.folder / "carol-music" / "blue moon.flac").write_bytes(SONG)
        await asyncio.sleep(3600)
        [wish] = alice.wishes.all
        assert not wish.fulfilled
        [old] = alice.transfers
        alice.transfers.retry(old.id)
        await asyncio.sleep(60)
        assert (wish.fulfilled, [goal.state for goal in alice.transfers.goals]) == (True, ["finished"])

    play(scene)


def test_who_only_kept_us_waiting_is_asked_again_by_a_wish_once_the_others_have_failed() -> None:
    async def scene(stage: Stage) -> None:
        busy = TransferSettings(downloads=stage.folder / "bob", queue=QueueRules(slots=0))
        bob = await stage.enter("bob", shares=shelf(stage, "bob", "blue moon.flac"), transfers=busy)
        await stage.enter("carol", shares=broken(stage, "carol", "blue moon.mp3"))
        alice = await stage.enter("alice")
        await asyncio.sleep(5)
        await alice.wishes.add("blue moon", download="best")
        await asyncio.sleep(6.5 * 3600)
        [goal] = alice.transfers.goals
        turns = [step["user"] for step in goal.steps if step["code"] == "trying"]
        assert (turns, goal.candidate.username) == (["bob", "carol", "bob"], "bob")
        bob.transfers.settings = replace(busy, queue=QueueRules())
        await asyncio.sleep(3600)
        [wish] = alice.wishes.all
        assert wish.fulfilled

    play(scene, limit=10 * 86400)


def test_a_wish_whose_only_source_lets_it_wait_is_searched_for_until_somebody_stands_by() -> None:
    async def scene(stage: Stage) -> None:
        busy = TransferSettings(downloads=stage.folder / "bob", queue=QueueRules(slots=0))
        await stage.enter("bob", shares=shelf(stage, "bob", "blue moon.flac"), transfers=busy)
        alice = await stage.enter("alice")
        await asyncio.sleep(5)
        await alice.wishes.add("blue moon", download="once")
        await asyncio.sleep(300)
        [goal] = alice.transfers.goals
        await stage.enter("carol", shares=shelf(stage, "carol", "blue moon.flac"))
        await asyncio.sleep(1500)
        assert [candidate.username for candidate in goal.candidates] == ["bob", "carol"]
        [wish] = alice.wishes.all
        sent = wish.last_sent
        await asyncio.sleep(1500)
        assert (wish.last_sent, wish.fulfilled) == (sent, False), "who stands by is enough"
        await asyncio.sleep(3600)
        assert (wish.fulfilled, goal.candidate.username) == (True, "carol")

    play(scene, limit=86400)


def test_a_wish_goes_on_with_others_after_a_person_dropped_what_came() -> None:
    async def scene(stage: Stage) -> None:
        busy = TransferSettings(downloads=stage.folder / "bob", queue=QueueRules(slots=0))
        await stage.enter("bob", shares=shelf(stage, "bob", "blue moon.flac"), transfers=busy)
        alice = await stage.enter("alice")
        await asyncio.sleep(5)
        await alice.wishes.add("blue moon", download="once")
        await asyncio.sleep(300)
        [goal] = alice.transfers.goals
        alice.transfers.goals.drop(goal)
        await asyncio.sleep(7200)
        [wish] = alice.wishes.all
        assert (wish.goal, wish.before, goal.state) == ("", goal.id, "dropped")
        await stage.enter("dave", shares=shelf(stage, "dave", "blue moon.flac"))
        await asyncio.sleep(3600)
        assert (wish.fulfilled, wish.goal, len(list(alice.transfers.goals))) == (True, goal.id, 1)

    play(scene, limit=86400)


def test_there_are_two_ways_to_download_a_wish() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        with pytest.raises(UsageError, match="once, or the best of a round"):
            await alice.wishes.add("blue moon", download="often")

    play(scene)


MOON = FoundFile(r"Music\Elvis\01 - Blue Moon.flac", 1000, ((1, 180),))


@pytest.mark.parametrize(
    ("path", "size", "length", "same"),
    [
        (r"x\01 - Blue Moon.flac", 1000, 180, True),
        (r"x\07. blue_moon.FLAC", 1000, None, True),
        (r"x\Elvis - Blue Moon.flac", 1000, 181, False),
        (r"x\Blue Moons.flac", 1000, 180, True),
        (r"x\Blue Moon.flac", 1001, 180, False),
        (r"x\Blue Moon.mp3", 1000, 180, False),
        (r"x\Blue Moon.flac", 1000, 190, False),
        (r"x\Green Sun.flac", 1000, 180, False),
    ],
)
def test_what_counts_as_the_same_file(path: str, size: int, length: int | None, same: bool) -> None:
    other = FoundFile(path, size, ((1, length),) if length is not None else ())
    assert alike(MOON, other) is same


@pytest.mark.parametrize(
    ("path", "words"),
    [
        (r"Music\Elvis\01 - Blue Moon.flac", "Blue Moon"),
        (r"Music\Elvis Sings\03_Are_You_Lonesome_Tonight.mp3", "Are You Lonesome Tonight"),
        (r"Elvis Live\01 Moon.mp3", "Moon Elvis Live"),
        (r"1999\01.mp3", "1999"),
        (r"a\1.mp3", "1"),
    ],
)
def test_words_to_look_for(path: str, words: str) -> None:
    assert words_for(FoundFile(path, 1)) == words
