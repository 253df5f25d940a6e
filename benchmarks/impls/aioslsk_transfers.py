"""aioslsk as one side of benchmarks/transfers.py: FOLDER NAME SERVER PORT MUSIC. Needs no soulmesh."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from aioslsk.client import SoulSeekClient
from aioslsk.events import ScanCompleteEvent
from aioslsk.settings import CredentialsSettings, Settings, SharedDirectorySettingEntry, SharesSettings
from aioslsk.transfer.state import TransferState

folder, name, server, port, music = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:5]), sys.argv[5]


async def main() -> None:
    settings = Settings(
        credentials=CredentialsSettings(username=name, password="secret"),
        shares=SharesSettings(
            scan_on_start=True,
            download=str(folder / "downloads"),
            directories=[SharedDirectorySettingEntry(path=music)] if music else [],
        ),
    )
    settings.network.server.hostname, settings.network.server.port = "127.0.0.1", server
    settings.network.listening.port, settings.network.listening.obfuscated_port = port, port + 1
    settings.network.upnp.enabled = False
    settings.transfers.limits.upload_slots = 30
    client = SoulSeekClient(settings)
    scanned = asyncio.Event()

    async def on_scanned(_event: object) -> None:
        scanned.set()

    client.events.register(ScanCompleteEvent, on_scanned)
    (folder / "downloads").mkdir(exist_ok=True)
    await client.start()
    await client.login()
    if music:
        await scanned.wait()
    items = [item.get_remote_path() for shared in client.shares.shared_directories for item in shared.items]
    (folder / "shared.json").write_text(json.dumps(sorted(items)))
    (folder / "ready").touch()
    while not (folder / "go").exists():  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    wanted = json.loads((folder / "go").read_text())
    transfers = []
    for user, path, _size in wanted:
        transfers.append(await client.transfers.download(user, path))
    done = (folder / "done").open("ab", buffering=0)
    while True:
        left = [transfer for transfer in transfers if transfer.state.VALUE != TransferState.State.COMPLETE]
        done.write(b"." * (len(transfers) - len(left)))
        transfers = left
        await asyncio.sleep(0.05)


asyncio.run(main())
