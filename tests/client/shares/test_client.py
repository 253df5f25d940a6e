"""Shares behind a whole client: searches are answered from packed entries, to those they are for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from soulmesh.client.answers import SearchAnswered
from soulmesh.client.client import Client
from soulmesh.client.shares import Audience, Shares
from soulmesh.client.shares.scan import Scanner
from soulmesh.client.shares.store import Store
from soulmesh.client.transfers import TransferFailed
from soulmesh.client.transfers.settings import TransferSettings
from soulmesh.core.upload_queue import DEFAULT_GROUPS, Group, QueueRules
from soulmesh.wire import to_client
from tests.client.shares.support import NOW, fill, open_shares, share, write_wave
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


def test_folders_for_groups_follow_the_rules_of_uploads(shares: Shares, tmp_path: Path) -> None:
    for name in ("band", "friends", "default"):
        fill(tmp_path / name, ["blue song.mp3"])
        share(shares, tmp_path / name, name.encode(), Audience.parse([f"group:{name}"]))
    asyncio.run(shares.scan())
    assert not shares.counts.files

    def rules(*band: str) -> QueueRules:
        return QueueRules(groups={**DEFAULT_GROUPS, "band": Group(users=frozenset(band))})

    async def scene(stage: Stage) -> None:
        settings = TransferSettings(downloads=stage.folder / "bob", queue=rules("gina"))
        bob = await stage.enter("bob", shares=shares, transfers=settings)
        gina, alice = await stage.enter("gina"), await stage.enter("alice")

        async def found(client: Client) -> set[str]:
            hits = [hit async for hit in client.search("blue", timeout=5)]
            return {hit.file.remote_path.partition("\\")[0] for hit in hits}

        assert await found(gina) == {"band"}
        assert await found(alice) == {"default"}
        with pytest.raises(TransferFailed, match=r"File not shared\."):
            await (await alice.transfers.download("bob", r"band\blue song.mp3")).wait()
        await (await gina.transfers.download("bob", r"band\blue song.mp3")).wait()

        # Another file of settings counts at once, and so does a friendship.
        bob.transfers.settings = replace(settings, queue=rules("alice"))
        bob.users.befriend("alice")
        assert await found(alice) == {"band", "friends"}
        assert await found(gina) == {"default"}

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


@pytest.mark.parametrize("change", ["replaced", "moved", "removed"])
def test_a_scan_that_finds_a_file_changed_while_it_is_uploaded_does_not_disturb_the_upload(
    shares: Shares, tmp_path: Path, change: str
) -> None:
    old, new = bytes(range(256)) * 6000, b"another recording " * 30_000
    song = tmp_path / "music" / "a" / "blue song.mp3"
    fill(tmp_path / "music", ["a/blue song.mp3"], old)
    fill(tmp_path / "music", ["b/other.mp3", "c/third.mp3"])
    share(shares, tmp_path / "music")
    asyncio.run(shares.scan())

    async def scene(stage: Stage) -> None:
        slowly = TransferSettings(downloads=stage.folder / "bob", upload_limit=300_000)
        await stage.enter("bob", shares=shares, transfers=slowly)
        alice = await stage.enter("alice")
        remote = r"Music\a\blue song.mp3"
        going = await alice.transfers.download("bob", remote, len(old))
        while going.done < 300_000:  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.1)
        assert going.done < len(old)

        if change == "replaced":
            fill(tmp_path, ["new"], new)
            (tmp_path / "new").replace(song)
        elif change == "moved":
            song.rename(tmp_path / "music" / "b" / "blue song.mp3")
        else:
            song.unlink()
        store = Store(shares.directory / "shares.sqlite")
        Scanner(store, shares.directory, now=NOW, readers=1).scan()
        store.close()
        await shares.refresh()
        await going.wait()
        assert going.local_path is not None
        assert going.local_path.read_bytes() == old

        # Whoever comes now gets what is there now.
        hits = [hit async for hit in alice.search("blue", timeout=5)]
        now = {
            "replaced": [(remote, len(new))],
            "moved": [(r"Music\b\blue song.mp3", len(old))],
            "removed": [],
        }
        assert [(hit.file.remote_path, hit.file.size) for hit in hits] == now[change]
        carol = await stage.enter("carol")
        again = await carol.transfers.download("bob", remote, len(old))
        if change == "replaced":
            await again.wait()
            assert again.local_path is not None
            assert again.local_path.read_bytes() == new
        else:
            with pytest.raises(TransferFailed, match=r"File not shared\."):
                await again.wait()

    play(scene)
