"""aioslsk as a process of its own, for ``client.py``."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from aioslsk import commands as ask
from aioslsk import events
from aioslsk.client import SoulSeekClient
from aioslsk.settings import CredentialsSettings, Settings, SharedDirectorySettingEntry, SharesSettings
from impls.node import Watch, listen, make_music, tell

NAME = "aioslsk"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def main(server: int, shared: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        music = make_music(Path(folder), shared)
        settings = Settings(
            credentials=CredentialsSettings(username="node", password="secret"),
            shares=SharesSettings(
                scan_on_start=True,
                download=folder,
                directories=[SharedDirectorySettingEntry(path=str(music))],
            ),
        )
        settings.network.server.hostname, settings.network.server.port = "127.0.0.1", server
        port = free_port()
        settings.network.listening.port, settings.network.listening.obfuscated_port = port, free_port()
        settings.network.upnp.enabled = False
        client = SoulSeekClient(settings)
        await client.start()
        await client.login()
        await asyncio.sleep(1)
        tell(ready=port)
        async for command, number in listen():
            await globals()[command](client, number)
        await client.stop()


async def search(client: SoulSeekClient, users: int) -> None:
    found = 0
    over = asyncio.Event()

    async def came(event: Any) -> None:
        nonlocal found
        found += len(event.result.shared_items)
        if found >= users * 50:
            over.set()

    client.events.register(events.SearchResultEvent, came)
    with Watch() as watch:
        await client.searches.search("needle in the haystack")
        try:
            async with asyncio.timeout(60):
                await over.wait()
        except TimeoutError:
            pass
    tell(results=found, **watch.figures)


async def browse(client: SoulSeekClient, _: int) -> None:
    with Watch() as watch:
        listed, _locked = await client(ask.PeerGetSharesCommand("peer"), response=True)
        tell(first=time.monotonic())
        tell(results=sum(len(directory.files) for directory in listed), **watch.figures)


async def links(client: SoulSeekClient, count: int) -> None:
    at_once = asyncio.Semaphore(50)

    async def one(number: int) -> None:
        async with at_once:
            await client(ask.PeerGetUserInfoCommand(f"peer{number}"), response=True)

    for number in range(10):
        await one(number)
    await asyncio.sleep(1)
    tasks, files = len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))
    with Watch() as watch:
        await asyncio.gather(*(one(number) for number in range(10, count + 10)))
    took = watch.figures
    await asyncio.sleep(0.5)
    left = {"tasks": len(asyncio.all_tasks()) - tasks, "files": len(os.listdir("/proc/self/fd")) - files}
    tell(results=count, left=left, **took)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
