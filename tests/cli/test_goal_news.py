"""What `soulmesh get` tells while it waits, turns to another source, or is left."""

from __future__ import annotations

import asyncio
import json

import pytest

from soulmesh.cli.get import Dropped, NotGot
from soulmesh.cli.goal_news import GoalNews, Look
from soulmesh.cli.output import Output
from tests.support.loops import virtual

STAYS = "it goes on when soulmesh runs"


class Wanted:
    """A goal whose standing the test says."""

    def __init__(self) -> None:
        self.at = Look("ann", "coming", "receiving from ann", 1, 6)

    def becomes(self, situation: str, now: str, username: str = "ann") -> None:
        self.at = Look(username, situation, now, 1, 6)

    async def look(self) -> Look:
        return self.at


@virtual
async def test_a_wait_is_told_once_when_it_lasts_and_again_when_it_changes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wanted = Wanted()
    async with GoalNews(Output(json=False), "lamps", wanted.look, STAYS):
        await asyncio.sleep(5)
        # On the plain road every file is queued for a moment.
        wanted.becomes("queued", "queued at ann")
        await asyncio.sleep(0.5)
        wanted.becomes("coming", "receiving from ann")
        await asyncio.sleep(5)
        assert capsys.readouterr().err == ""
        wanted.becomes("queued", "queued at ann, place 4; bob has its turn at 15:02 if no byte comes")
        await asyncio.sleep(5)
        # That moves on by itself is no news.
        wanted.becomes("queued", "queued at ann, place 4; bob has its turn at 15:03 if no byte comes")
        await asyncio.sleep(60)
        wanted.becomes("away", "ann is offline")
        await asyncio.sleep(60)
        wanted.becomes("whole", "all files of ann are here")
        await asyncio.sleep(5)
    assert capsys.readouterr().err.splitlines() == [
        "lamps: queued at ann, place 4; bob has its turn at 15:02 if no byte comes",
        "lamps: ann is offline",
    ]


@virtual
async def test_machines_are_told_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    wanted = Wanted()
    async with GoalNews(Output(json=True), "lamps", wanted.look, STAYS) as news:
        wanted.becomes("away", "ann is offline")
        await asyncio.sleep(5)
        news.moved("bob", "no byte of ann in 10 min")
        wanted.becomes("coming", "receiving from bob", "bob")
        await asyncio.sleep(5)
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["wish"], row["state"], row["username"], row["now"]) for row in rows] == [
        ("lamps", "under way", "ann", "ann is offline"),
        ("lamps", "under way", "bob", "no byte of ann in 10 min; trying bob"),
    ]


@virtual
async def test_who_leaves_is_told_what_is_here_and_what_becomes_of_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def wait() -> None:
        async with GoalNews(Output(json=False), "lamps", Wanted().look, STAYS):
            await asyncio.sleep(1000)

    task = asyncio.create_task(wait())
    await asyncio.sleep(5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert capsys.readouterr().err == "lamps: 1 of 6 files are here; it goes on when soulmesh runs\n"


def test_what_is_said_when_no_source_is_left_or_somebody_has_cancelled_it() -> None:
    none = NotGot("lamps", "Banned", 0, 6)
    assert (str(none), none.hint) == ("lamps: no source is left; the last one said: Banned", NotGot.hint)
    some = NotGot("lamps", "03.flac: File not shared.", 5, 6)
    assert str(some).endswith("File not shared.; 5 of 6 files are here and kept")
    assert "goes on with what is here" in str(some.hint)
    assert str(Dropped("lamps")) == "lamps: it was cancelled meanwhile; what is here stays"
