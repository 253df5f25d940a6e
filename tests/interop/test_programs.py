"""Nicotine+ and aioslsk on our server, with our client, over real sockets: people and searches.

Login, search both ways through the distributed network, browsing, user info, private and room
chat; whoever is the root, and whoever's port cannot be reached.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from soulmesh.client.chat import PrivateMessage
from soulmesh.client.client import Client
from soulmesh.client.errors import PeerUnreachable
from soulmesh.client.rooms import RoomMessage
from tests.interop.others import Other, Way, free_port, other
from tests.interop.scene import digest, fill, finished, ours, scene, server, until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(180)]

PROGRAMS = ["aioslsk", "nicotine"]
SIZE = 240_000


async def search_both_ways(client: Client, theirs: Other) -> tuple[str, str]:
    """The path of their file and of ours, as each side found it."""
    hits = [hit async for hit in client.search("blue moon", timeout=20, limit=1)]
    assert [(hit.username, hit.file.size) for hit in hits] == [("theirs", SIZE)]
    theirs.do("search", query="blue train")
    found = await theirs.heard("result", user="ours")
    assert found["size"] == SIZE
    return hits[0].file.remote_path, found["path"]


async def exchange(client: Client, theirs: Other, folder: Path) -> None:
    """Search and download, both ways."""
    moon, train = await search_both_ways(client, theirs)
    transfer = await client.transfers.download("theirs", moon, SIZE)
    path = await finished(client, transfer, theirs)
    assert digest(path) == digest(folder / "theirs" / "Album" / "blue moon.mp3")
    theirs.do("download", user="ours", path=train, size=SIZE)
    taken = await theirs.heard("downloaded", timeout=60)
    assert digest(taken["local"]) == digest(folder / "mine" / "Album" / "blue train.flac")


def albums(folder: Path) -> None:
    fill(folder / "mine" / "Album" / "blue train.flac", SIZE)
    fill(folder / "theirs" / "Album" / "blue moon.mp3", SIZE)


@pytest.mark.parametrize("program", PROGRAMS)
def test_people_meet(program: str, tmp_path: Path) -> None:
    albums(tmp_path)

    async def play() -> None:
        async with scene(program, tmp_path) as (client, theirs):
            messages = client.events.stream(PrivateMessage)
            theirs.do("message", user="ours", text="hello from there")
            async with asyncio.timeout(20):
                event = await messages.next()
            assert isinstance(event, PrivateMessage)
            assert (event.username, event.text) == ("theirs", "hello from there")
            await client.chat.send("theirs", "hello from here, ünïcode 音楽")
            await theirs.heard("message", user="ours", text="hello from here, ünïcode 音楽")

            theirs.do("join", room="jazz")
            await theirs.heard("joined", room="jazz")
            await client.rooms.join("jazz")
            said = client.events.stream(RoomMessage)
            client.rooms.say("jazz", "to the room")
            await theirs.heard("said", room="jazz", user="ours", text="to the room")
            theirs.do("say", room="jazz", text="back to you")
            async with asyncio.timeout(20):
                while True:
                    line = await said.next()
                    if isinstance(line, RoomMessage) and line.username == "theirs":
                        break
            assert line.text == "back to you"

            about = await client.info.ask("theirs")
            assert about.description.startswith("I am ")
            theirs.do("info", user="ours")
            assert (await theirs.heard("info", user="ours"))["text"] == "I am soulmesh."

            async with await client.browse("theirs") as shares:
                await shares.finished()
                assert [file.name for file in await shares.search("moon")] == ["blue moon.mp3"]
            theirs.do("browse", user="ours")
            shared = await theirs.heard("shared", user="ours", name="blue train.flac")
            assert shared["size"] == SIZE

    asyncio.run(play())


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("walled", [(False, False), (True, False), (False, True)], ids=["open", "us", "them"])
def test_files_are_found_and_travel_both_ways(
    program: str, walled: tuple[bool, bool], tmp_path: Path
) -> None:
    """``walled``: that side tells a port that nobody reaches."""
    albums(tmp_path)

    async def play() -> None:
        async with scene(program, tmp_path, walled=walled) as (client, theirs):
            await exchange(client, theirs, tmp_path)

    asyncio.run(play())


@pytest.mark.parametrize("program", PROGRAMS)
def test_where_neither_can_be_reached_we_are_told_so(program: str, tmp_path: Path) -> None:
    async def play() -> None:
        numbers = {"callback_timeout": 8.0, "cannot_connect_after": 1.0}
        async with scene(program, tmp_path, walled=(True, True), numbers=numbers) as (client, theirs):
            with pytest.raises(PeerUnreachable):
                await client.browse("theirs", timeout=30)
            # The server still carries what people say.
            await client.chat.send("theirs", "so near")
            await theirs.heard("message", user="ours", text="so near")

    asyncio.run(play())


@pytest.mark.parametrize("program", PROGRAMS)
def test_searches_travel_when_the_other_program_is_the_root(program: str, tmp_path: Path) -> None:
    albums(tmp_path)

    async def play() -> None:
        async with scene(program, tmp_path, theirs_first=True) as (client, theirs):
            assert client.tree.figures.parent == "theirs"
            if program == "aioslsk":
                # As a root, aioslsk 1.7.1 drops its own search instead of passing it on.
                hits = [hit async for hit in client.search("blue moon", timeout=20, limit=1)]
                assert [hit.username for hit in hits] == ["theirs"]
            else:
                await search_both_ways(client, theirs)

    asyncio.run(play())


def test_all_three_on_one_server(tmp_path: Path) -> None:
    """Our client hands on the searches of the other two, who find each other and exchange."""
    for name in ("mine", "aioslsk", "nicotine"):
        fill(tmp_path / name / "Album" / f"green {name}.flac", SIZE)

    async def play() -> None:
        async with server() as running, ours(running, tmp_path) as client:
            ways = {name: Way(name, running.port, tmp_path / name, free_port()) for name in PROGRAMS}
            async with (
                other(ways["aioslsk"], "anna", tmp_path / "anna") as anna,
                other(ways["nicotine"], "nick", tmp_path / "nick") as nick,
            ):
                await until(lambda: set(client.tree.figures.children) == {"anna", "nick"}, "we are the root")
                hits = [hit async for hit in client.search("green flac", timeout=20, limit=2)]
                assert {hit.username for hit in hits} == {"anna", "nick"}
                for seeker, owner, name in ((anna, "nick", "nicotine"), (nick, "anna", "aioslsk")):
                    seeker.do("search", query=f"green {name}")
                    found = await seeker.heard("result", user=owner)
                    seeker.do("download", user=owner, path=found["path"], size=found["size"])
                    told = await seeker.heard("downloaded", timeout=60)
                    assert digest(told["local"]) == digest(tmp_path / name / "Album" / f"green {name}.flac")
            assert running.bad_messages == 0

    asyncio.run(play())
