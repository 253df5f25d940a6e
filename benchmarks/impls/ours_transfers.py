"""soulmesh as one side of benchmarks/transfers.py: FOLDER NAME SERVER PORT MUSIC."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from soulmesh.client.client import Client
from soulmesh.client.settings import ClientSettings
from soulmesh.client.transfers import DownloadFinished, TransferSettings
from soulmesh.core.upload_queue import Group, QueueRules

folder, name, server, port, music = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:5]), sys.argv[5]
RULES = QueueRules(slots=30, groups={"default": Group(max_files=None, max_bytes=None)})
NAMES = [rf"{Path(music).name}\{entry.name}" for entry in sorted(Path(music).iterdir())] if music else []


async def main() -> None:
    client = Client(
        name,
        "secret",
        server=("127.0.0.1", server),
        shares=[Path(music)] if music else [],
        listen_port=port,
        settings=ClientSettings(listen_host="127.0.0.1", rates={}, obfuscated_port=-1),
        transfers=TransferSettings(downloads=folder / "downloads", queue=RULES, reserve=0),
        data=folder / "data",
    )
    async with client:
        done = (folder / "done").open("ab", buffering=0)
        client.events.on(DownloadFinished, lambda _: done.write(b"."))
        (folder / "shared.json").write_text(json.dumps(NAMES))
        (folder / "ready").touch()
        while not (folder / "go").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        wanted = json.loads((folder / "go").read_text())
        await client.transfers.download_all([tuple(file) for file in wanted])
        await asyncio.Event().wait()


def run() -> None:
    # As the commands do.
    try:
        import uvloop
    except ImportError:
        asyncio.run(main())
    else:
        uvloop.run(main())


run()
