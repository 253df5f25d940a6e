"""soulmesh as a process of its own, for ``client.py``: orders come in as lines, what happened goes out."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from impls.node import Watch, listen, make_music, tell

from soulmesh.client.client import Client
from soulmesh.client.settings import ClientSettings

NAME = "soulmesh"


async def main(server: int, shared: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        music = make_music(Path(folder), shared)
        client = Client(
            "node",
            "secret",
            server=("127.0.0.1", server),
            shares=[music] if shared else (),
            downloads=folder,
            listen_port=0,
            settings=ClientSettings(listen_host="127.0.0.1", obfuscated_port=-1, rates={}),
            resume=False,
        )
        async with client:
            tell(ready=client.listening.port)
            async for command, number in listen():
                await globals()[command](client, number)


async def search(client: Client, users: int) -> None:
    with Watch() as watch:
        hits = [hit async for hit in client.search("needle in the haystack", timeout=60, limit=users * 50)]
    tell(results=len(hits), **watch.figures)


async def browse(client: Client, _: int) -> None:
    with Watch() as watch:
        async with await client.browse("peer", timeout=120) as shares:
            async for _folder in shares:
                tell(first=time.monotonic())
                break
            await shares.finished()
            tell(results=shares.files, **watch.figures)


async def links(client: Client, count: int) -> None:
    at_once = asyncio.Semaphore(50)

    async def one(number: int) -> None:
        async with at_once:
            await client.info.ask(f"peer{number}")

    for number in range(10):
        await one(number)
    await asyncio.sleep(1)
    tasks, files = len(asyncio.all_tasks()), len(os.listdir("/proc/self/fd"))
    with Watch() as watch:
        await asyncio.gather(*(one(number) for number in range(10, count + 10)))
        while client.links.count:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    took = watch.figures
    await asyncio.sleep(0.5)
    left = {"tasks": len(asyncio.all_tasks()) - tasks, "files": len(os.listdir("/proc/self/fd")) - files}
    tell(results=count, left=left, **took)


def run(loop_factory: Callable[[], asyncio.AbstractEventLoop] | None) -> None:
    """Be that process, on a loop of this kind."""
    # As the commands do (cli/run.py): what is loaded stays, and is not looked through for garbage.
    gc.freeze()
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(main(int(sys.argv[1]), int(sys.argv[2])))


if __name__ == "__main__":
    try:
        import uvloop
    except ImportError:
        run(None)
    else:
        # As the commands do where it is installed.
        run(uvloop.new_event_loop)
