"""Nicotine+ and aioslsk on our server, with our client, over real sockets.

Login, search both ways through the distributed network, browsing, user info, private and room
chat, downloads both ways; direct, and with our client behind a wrong port.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from soulmesh.client.chat import PrivateMessage
from soulmesh.client.client import Client
from soulmesh.client.info import Profile
from soulmesh.client.rooms import RoomMessage
from soulmesh.client.settings import ClientSettings
from soulmesh.client.transfers import DownloadFinished, TransferSettings
from soulmesh.net.tcp import TcpNetwork
from soulmesh.net.world import World
from soulmesh.server.app import Server
from soulmesh.server.settings import make_settings
from tests.interop.others import Other, other

pytestmark = [pytest.mark.interop, pytest.mark.timeout(240)]

PROGRAMS = ["aioslsk", "nicotine"]
OURS = b"ours" * 50_000
THEIRS = b"theirs" * 40_000


@contextlib.asynccontextmanager
async def scene(program: str, folder: Path, *, walled: bool = False) -> AsyncIterator[tuple[Client, Other]]:
    """Our server, our client, another program; ``walled``: nobody reaches our client's port."""
    for name, content, title in (("mine", OURS, "blue train.flac"), ("theirs", THEIRS, "blue moon.mp3")):
        album = folder / name / "Album"
        album.mkdir(parents=True)
        (album / title).write_bytes(content)
    options = {
        "server.host": "127.0.0.1",
        "server.port": 0,
        "accounts.hash": "fast",
        "accounts.initial_upload_speed": 1_000_000,
    }
    async with Server(World.real(), make_settings(options)) as server:
        client = Client(
            "ours",
            "secret",
            server=("127.0.0.1", server.port),
            shares=[folder / "mine"],
            listen_port=0,
            settings=ClientSettings(listen_host="127.0.0.1", rates={}, obfuscated_port=-1),
            transfers=TransferSettings(downloads=folder / "in"),
            profile=Profile("I am soulmesh."),
        )
        async with client:
            if walled:
                client.listening.announce(await closed_port())
            port = await closed_port()
            async with other(
                program, "theirs", folder / "other", server.port, music=folder / "theirs", port=port
            ) as program_:
                # It has to find its place in the tree, and to look through its files.
                await asyncio.sleep(3)
                yield client, program_
        await asyncio.sleep(0.1)


async def closed_port() -> int:
    """A port on which nothing listens, at least for now."""
    listener = await TcpNetwork().listen(asyncio.Protocol, "127.0.0.1", 0)
    listener.close()
    return listener.port


@pytest.mark.parametrize("program", PROGRAMS)
def test_people_meet(program: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with scene(program, tmp_path) as (client, theirs):
            messages = client.events.stream(PrivateMessage)
            theirs.do("message", user="ours", text="hello from there")
            event = await messages.next()
            assert isinstance(event, PrivateMessage)
            assert (event.username, event.text) == ("theirs", "hello from there")
            await client.chat.send("theirs", "hello from here")
            await theirs.heard("message", user="ours", text="hello from here")

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
            assert shared["size"] == len(OURS)

    asyncio.run(play())


async def exchange(client: Client, theirs: Other) -> None:
    """Search and download, both ways."""
    hits = [hit async for hit in client.search("blue moon", timeout=30, limit=1)]
    assert [(hit.username, hit.file.size) for hit in hits] == [("theirs", len(THEIRS))]
    done = client.events.stream(DownloadFinished)
    await client.transfers.download("theirs", hits[0].file.remote_path, hits[0].file.size)
    async with asyncio.timeout(90):
        event = await done.next()
    assert isinstance(event, DownloadFinished)
    assert await asyncio.to_thread(Path(event.local_path).read_bytes) == THEIRS

    theirs.do("search", query="blue train")
    found = await theirs.heard("result", user="ours", timeout=60)
    assert found["size"] == len(OURS)
    theirs.do("download", user="ours", path=found["path"], size=found["size"])
    taken = await theirs.heard("downloaded", timeout=90)
    assert await asyncio.to_thread(Path(taken["local"]).read_bytes) == OURS


@pytest.mark.parametrize("program", PROGRAMS)
def test_files_are_found_and_travel_both_ways(program: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with scene(program, tmp_path) as (client, theirs):
            await exchange(client, theirs)

    asyncio.run(play())


@pytest.mark.parametrize("program", PROGRAMS)
def test_files_travel_both_ways_when_nobody_reaches_us(program: str, tmp_path: Path) -> None:
    async def play() -> None:
        async with scene(program, tmp_path, walled=True) as (client, theirs):
            await exchange(client, theirs)

    asyncio.run(play())
