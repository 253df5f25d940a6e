"""The thinnest slice through everything: log in, meet, search through the tree, download."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from soulmesh.client.errors import LoginRefused, ServerUnreachable
from soulmesh.client.transfers import DownloadFinished
from tests.client.stage import Stage, play, shares


def test_logging_on_says_everything_in_the_order_of_the_specification() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice", shares=shares(a=1, b=2))
        await asyncio.sleep(1)
        session = stage.server.sessions["alice"]
        assert session.names() == [
            "Login",
            "CheckPrivileges",
            "SetListenPort",
            "SetStatus",
            "SharedFoldersFiles",
            "AddUser",
            "ToggleParentSearch",
            "BranchRoot",
            "BranchLevel",
            "AcceptChildren",
        ]
        login = session.heard[0]
        assert (login.client_version, login.minor_version) == (177, 1)
        assert session.ports == (alice.listening.port, alice.listening.obfuscated_port)
        assert (session.folders, session.files) == (1, 2)

    play(scene)


def test_a_wrong_password_is_an_error_that_says_so() -> None:
    async def scene(stage: Stage) -> None:
        stage.server.passwords["alice"] = "other"
        with pytest.raises(LoginRefused, match="wrong password"):
            await stage.enter("alice")

    play(scene)


def test_an_empty_name_is_refused_and_an_empty_password_is_not() -> None:
    async def scene(stage: Stage) -> None:
        with pytest.raises(LoginRefused, match="does not accept the user name") as caught:
            await stage.enter("")
        assert (caught.value.reason, caught.value.detail) == ("INVALIDUSERNAME", "Nick empty.")
        assert (await stage.enter("alice", password="")).server.connected

    play(scene, real=True)


def test_a_server_that_is_not_there_is_an_error_that_says_so() -> None:
    async def scene(stage: Stage) -> None:
        stage.server.close()
        with pytest.raises(ServerUnreachable, match="nothing listens"):
            await stage.enter("alice")

    play(scene)


def test_a_search_travels_through_the_tree_and_its_results_come_back() -> None:
    async def scene(stage: Stage) -> None:
        root = await stage.enter("root", shares=shares(blue_train=10))
        middle = await stage.enter("middle", shares=shares(blue_note=20))
        await asyncio.sleep(5)
        leaf = await stage.enter("leaf", shares=shares(blue_moon=30, red=40))
        await asyncio.sleep(5)
        assert root.tree.figures.level == 0
        assert middle.tree.figures.parent == "root"
        assert leaf.tree.figures.level in (1, 2)
        seeker = await stage.enter("seeker", shares=shares(blue_self=1))
        await asyncio.sleep(5)
        hits = [hit async for hit in seeker.search("blue", timeout=15)]
        assert {(hit.username, hit.file.name, hit.file.size) for hit in hits} == {
            ("root", "blue train.flac", 10),
            ("middle", "blue note.flac", 20),
            ("leaf", "blue moon.flac", 30),
        }
        assert all(hit.free_slot and hit.speed == 1_000_000 for hit in hits)

    play(scene)


@pytest.mark.parametrize("seeker_walled", [False, True])
@pytest.mark.parametrize("owner_walled", [False, True])
def test_a_file_is_found_and_downloaded_whoever_is_behind_a_firewall(
    seeker_walled: bool, owner_walled: bool
) -> None:
    if seeker_walled and owner_walled:
        pytest.skip("nobody can connect: see test_links")

    async def scene(stage: Stage) -> None:
        content = bytes(range(256)) * 1000
        (stage.folder / "song.flac").write_bytes(content)
        await stage.enter("owner", shares=shares(stage.folder, song=len(content)), firewalled=owner_walled)
        seeker = await stage.enter("seeker", firewalled=seeker_walled)
        await asyncio.sleep(5)
        hits = [hit async for hit in seeker.search("song", timeout=60)]
        assert [hit.username for hit in hits] == ["owner"]
        done = seeker.events.stream(DownloadFinished)
        await seeker.transfers.download("owner", hits[0].file.remote_path, hits[0].file.size)
        event = await done.next()
        assert isinstance(event, DownloadFinished)
        assert await asyncio.to_thread(Path(event.local_path).read_bytes) == content

    play(scene)
