"""Files travel both ways between our client and aioslsk, over real sockets and our server."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from soulmesh.client.client import Client
from soulmesh.client.settings import ClientSettings
from soulmesh.net.world import World
from soulmesh.server.app import Server
from soulmesh.server.settings import make_settings
from tests.support.loops import real

aioslsk = pytest.importorskip("aioslsk.client", reason="aioslsk is not installed: pip install aioslsk")
settings = pytest.importorskip("aioslsk.settings")

pytestmark = [
    pytest.mark.interop,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
]


def other_program(port: int, folder: Path) -> Any:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    return aioslsk.SoulSeekClient(
        settings.Settings(
            credentials=settings.CredentialsSettings(username="ann", password="secret"),
            network=settings.NetworkSettings(
                server=settings.ServerSettings(hostname="127.0.0.1", port=port),
                listening=settings.ListeningSettings(port=free, obfuscated_port=0),
            ),
            shares=settings.SharesSettings(
                download=str(folder / "down-theirs"),
                directories=[settings.SharedDirectorySettingEntry(path=str(folder / "theirs"))],
            ),
        )
    )


def test_fifty_megabytes_with_an_umlaut_both_ways(tmp_path: Path) -> None:
    both_ways(tmp_path)
    # aioslsk leaves transports behind; they are none of ours, and end here.
    gc.collect()


@real
async def both_ways(tmp_path: Path) -> None:
    content = os.urandom(50_000_000)
    for whose, name in (("ours", "a.bin"), ("theirs", "b.bin")):
        folder = tmp_path / whose / "\u00dcberraschung"
        folder.mkdir(parents=True)
        (folder / name).write_bytes(content)
    (tmp_path / "server").mkdir()
    given = make_settings({"server.host": "127.0.0.1", "server.port": 0})
    async with Server(World.real(), given, data=tmp_path / "server") as server:
        eve = Client(
            "eve",
            "secret",
            server=("127.0.0.1", server.port),
            shares=[tmp_path / "ours"],
            downloads=tmp_path / "down-ours",
            listen_port=0,
            settings=ClientSettings(listen_host="127.0.0.1"),
        )
        async with eve:
            program = other_program(server.port, tmp_path)
            await program.start()
            await program.login()
            try:
                await asyncio.sleep(1)
                found = await eve.shares.search("a bin", username="ann", limit=5)
                theirs = await program.transfers.download("eve", found.results[0].filename)
                for _ in range(60):
                    if theirs.state.VALUE.name == "COMPLETE":
                        break
                    await asyncio.sleep(0.1)
                assert Path(theirs.local_path).read_bytes() == content  # noqa: ASYNC240
                [upload] = eve.transfers
                await upload.wait()

                item = next(i for folder in program.shares.shared_directories for i in folder.items)
                ours = await eve.transfers.download("ann", item.get_remote_path())
                await ours.wait()
                assert ours.local_path is not None
                assert ours.local_path.read_bytes() == content
            finally:
                await program.stop()
        await asyncio.sleep(0.05)
