"""Shares behind a whole client: searches are answered from packed entries, to those they are for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from soulmesh.client.answers import SearchAnswered
from soulmesh.client.shares import Audience, Shares
from soulmesh.wire import to_client
from tests.client.shares.support import fill, open_shares, share, write_wave
from tests.client.stage import Stage, play


@pytest.fixture
def shares(tmp_path: Path) -> Iterator[Shares]:
    shares = open_shares(tmp_path / "data")
    yield shares
    shares.close()


def test_a_client_that_shares_with_friends_only_answers_its_friends(shares: Shares, tmp_path: Path) -> None:
    write_wave(tmp_path / "music" / "blue song.wav", 3.2)
    share(shares, tmp_path / "music", audience=Audience(everyone=False, friends=True))
    asyncio.run(shares.scan())
    assert not shares.counts.files

    async def scene(stage: Stage) -> None:
        bob = await stage.enter("bob", shares=shares)
        alice, eve = await stage.enter("alice"), await stage.enter("eve")
        bob.users.befriend("alice")
        hits = [hit async for hit in alice.search("blue", timeout=5)]
        assert [hit.file.remote_path for hit in hits] == [r"Music\blue song.wav"]
        assert dict(hits[0].file.attributes) == {1: 3, 4: 8000, 5: 16}
        assert [hit async for hit in eve.search("blue", timeout=5)] == []
        answered = stage.events("bob", SearchAnswered)
        assert [(event.username, event.results, event.locked) for event in answered] == [("alice", 1, 0)]

    play(scene)


def test_locked_files_phrases_and_limits_go_through_the_client(shares: Shares, tmp_path: Path) -> None:
    for n in range(8):  # of sizes that differ, or they look made up to the searcher
        fill(tmp_path / "open", [f"{n}/blue train {n}.mp3"], bytes(100 + n))
    fill(tmp_path / "some", ["blue secret.mp3", "blue two.mp3"])
    share(shares, tmp_path / "open", b"Open")
    share(shares, tmp_path / "some", b"Some", Audience(everyone=False, friends=True, locked=True))
    asyncio.run(shares.scan())

    async def scene(stage: Stage) -> None:
        await stage.enter("bob", shares=shares, changes={"results_per_answer": 9})
        alice = await stage.enter("alice")
        stage.server.sessions["bob"].send(to_client.ExcludedSearchPhrases(["BLUE sec", "train 0"]))
        await asyncio.sleep(1)
        hits = [hit async for hit in alice.search("blue", timeout=5)]
        assert len([hit for hit in hits if not hit.locked]) == 7
        assert [hit.file.remote_path for hit in hits if hit.locked] == [r"Some\blue two.mp3"]

    play(scene)
