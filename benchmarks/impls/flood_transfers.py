"""One user asks for 18,000 files at once, again and again: FOLDER NAME SERVER PORT TARGET COUNT."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from pathlib import Path

from soulmesh.client.client import Client
from soulmesh.client.settings import ClientSettings
from soulmesh.wire import peer

folder, name, server, port, target, count = (
    Path(sys.argv[1]),
    sys.argv[2],
    int(sys.argv[3]),
    int(sys.argv[4]),
    sys.argv[5],
    int(sys.argv[6]),
)


async def main() -> None:
    heard: Counter[str] = Counter()
    settings = ClientSettings(listen_host="127.0.0.1", rates={}, obfuscated_port=-1)
    client = Client(
        name,
        "secret",
        server=("127.0.0.1", server),
        listen_port=port,
        settings=settings,
        downloads=folder / "downloads",
    )
    async with client:
        client.links.on(peer.PeerTransferQueueFailed, lambda _, message: heard.update([message.reason]))
        (folder / "ready").touch()
        while not (folder / "go").exists():  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        # A third of them is not shared at all, and the others come round again.
        for number in range(count):
            path = rf"shared\{number % 4000:05}.bin" if number % 3 else rf"gone\{number % 1000}.bin"
            await client.links.send(target, peer.PeerTransferQueue(path))
        await asyncio.sleep(3)
        (folder / "heard.json").write_text(json.dumps(heard))
        (folder / "done").write_bytes(b".")
        await asyncio.Event().wait()


asyncio.run(main())
