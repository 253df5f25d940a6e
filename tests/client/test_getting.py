"""What commands leave to the soulmesh that runs to get. Whole clients, in virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from soulmesh.client.client import Client
from soulmesh.client.plain_shares import PlainFile, PlainShares
from soulmesh.client.transfers import Goal, TransferSettings
from soulmesh.core.upload_queue import QueueRules
from tests.client.stage import Stage, play

SONG = bytes(range(256)) * 1000


def music(stage: Stage, owner: str, *names: str) -> PlainShares:
    """Real files that a user shares as ``Music\\NAME``."""
    files = []
    for name in names:
        path = stage.folder / f"{owner}-music" / name.replace("\\", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(SONG + name.encode())
        files.append(PlainFile(path, len(SONG) + len(name), f"Music\\{name}"))
    return PlainShares(files)


async def left(client: Client, words: str, **more: Any) -> list[Goal]:
    """The goals, a while after a command left an order."""
    await client.transfers.obey({"verb": "get", "words": words, **more})
    await asyncio.sleep(120)
    return list(client.transfers.goals)


def test_words_that_were_left_for_us_are_searched_for_and_got_by_their_rules() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("bob", shares=music(stage, "bob", r"Album\Blue Moon.mp3"))
        await stage.enter("carol", shares=music(stage, "carol", r"Album\Blue Moon.flac"))
        alice = await stage.enter("alice")
        await asyncio.sleep(5)
        into = stage.folder / "else"
        [goal] = await left(alice, "blue moon", name="Blue, Moon", formats=["flac"], into=str(into))
        assert (goal.name, goal.rules, goal.state) == ("Blue, Moon", "song flac", "finished")
        assert [path.name for path in into.rglob("*.*")] == ["Blue Moon.flac"]

    play(scene)


def test_an_album_comes_whole_also_what_the_search_did_not_show() -> None:
    async def scene(stage: Stage) -> None:
        names = [rf"Moon Songs\{name}" for name in ("01 Moon Songs.flac", "02 Red.flac", "cover.jpg")]
        await stage.enter("bob", shares=music(stage, "bob", *names))
        alice = await stage.enter("alice")
        await asyncio.sleep(5)
        [goal] = await left(alice, "moon songs", album=True)
        assert (goal.state, goal.whole) == ("finished", True)
        folder = stage.folder / "alice" / "Moon Songs"
        assert sorted(path.name for path in folder.iterdir()) == [
            "01 Moon Songs.flac",
            "02 Red.flac",
            "cover.jpg",
        ]
        into = str(stage.folder / "else")
        await left(alice, "moon songs", album=True, again=True, into=into)
        assert len(list((stage.folder / "else" / "Moon Songs").iterdir())) == 3

    play(scene)


def test_what_was_got_is_not_got_twice_unless_that_is_said_or_it_is_gone() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("bob", shares=music(stage, "bob", r"Album\Blue Moon.mp3"))
        alice = await stage.enter("alice")
        await asyncio.sleep(5)
        assert len(await left(alice, "blue moon")) == 1
        assert len(await left(alice, "blue moon")) == 1
        assert len(await left(alice, "blue moon", again=True)) == 2
        for path in (stage.folder / "alice").rglob("*.mp3"):
            path.unlink()
        assert len(await left(alice, "blue moon", listed=True)) == 2
        assert len(await left(alice, "blue moon")) == 3

    play(scene)


def test_what_was_paused_goes_on_when_it_is_asked_for_again() -> None:
    async def scene(stage: Stage) -> None:
        busy = TransferSettings(downloads=stage.folder / "bob", queue=QueueRules(slots=0))
        bob = await stage.enter("bob", shares=music(stage, "bob", r"Album\Blue Moon.mp3"), transfers=busy)
        alice = await stage.enter("alice")
        await asyncio.sleep(5)
        [goal] = await left(alice, "blue moon")
        [one] = alice.transfers
        alice.transfers.pause(one.id)
        bob.transfers.settings = replace(busy, queue=QueueRules())
        await asyncio.sleep(600)
        assert (goal.state, one.finished) == ("under way", False)
        assert await left(alice, "blue moon") == [goal]
        assert (goal.state, one.finished) == ("finished", True)

    play(scene)


def test_what_had_no_source_left_goes_on_with_those_that_are_found() -> None:
    async def scene(stage: Stage) -> None:
        gone = music(stage, "bob", r"Album\Blue Moon.mp3")
        (stage.folder / "bob-music" / "Album" / "Blue Moon.mp3").unlink()
        await stage.enter("bob", shares=gone)
        alice = await stage.enter("alice")
        await asyncio.sleep(5)
        assert await left(alice, "green sun") == []
        [goal] = await left(alice, "blue moon")
        assert goal.state == "failed"
        await stage.enter("carol", shares=music(stage, "carol", r"Album\Blue Moon.mp3"))
        await asyncio.sleep(5)
        assert await left(alice, "blue moon") == [goal]
        assert goal.state == "finished"

    play(scene)
