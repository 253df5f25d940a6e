"""A whole network on this machine: our server, a user who shares, and a real daemon over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import tomllib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from soulmesh.client.client import Client
from soulmesh.client.settings import ClientSettings
from soulmesh.client.transfers.settings import TransferSettings
from soulmesh.config import Settings
from soulmesh.daemon.engine import Account
from soulmesh.daemon.run import Daemon
from soulmesh.errors import ConfigError
from soulmesh.net.world import World
from soulmesh.server.app import Server
from soulmesh.server.settings import make_settings
from tests.daemon.fakes import KEY

SHARER = "quiet.harbor"
OURSELVES = "lantern_owl"
ALBUM = "Tidal Maps (2019)"
SONGS = {f"{number:02} - Song {number}.flac": bytes([number]) * (60_000 + number) for number in (1, 2, 3)}


@dataclass
class Network:
    server: Server
    sharer: Client
    daemon: Daemon
    downloads: Path
    config: Path

    @property
    def url(self) -> str:
        return self.daemon.url


async def until(happened: Callable[[], Any], what: str, seconds: float = 15.0) -> Any:
    """Wait for something on real sockets."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                if found := happened():
                    return found
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"{what} did not happen within {seconds} s") from None


def album(folder: Path) -> Path:
    root = folder / "music"
    (root / "Quiet Harbor" / ALBUM).mkdir(parents=True)
    for name, data in SONGS.items():
        (root / "Quiet Harbor" / ALBUM / name).write_bytes(data)
    return root


def loader(
    values: dict[str, Any], account: Account, file: Path | None = None
) -> Callable[[Any], tuple[Settings, Account]]:
    """Settings as a test says them; over them those of the file, and over these what came over HTTP."""

    def load(overlay: Any) -> tuple[Settings, Account]:
        merged = {key: dict(value) if isinstance(value, dict) else value for key, value in values.items()}
        if file is not None:
            for section, content in tomllib.loads(file.read_text(encoding="utf-8")).items():
                merged.setdefault(section, {}).update(content)
        for key, value in overlay.items():
            section, _, name = key.partition(".")
            if name:
                merged.setdefault(section, {})[name] = value
            else:
                merged[section] = value
        try:
            return Settings.model_validate(merged), account
        except ValidationError as error:
            raise ConfigError(str(error)) from None

    return load


@contextlib.asynccontextmanager
async def network(
    tmp_path: Path, *, sharer_limit: int | None = None, remote: bool = False, **web: Any
) -> AsyncIterator[Network]:
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            Server(
                World.real(),
                make_settings(
                    {
                        "server.host": "127.0.0.1",
                        "server.port": 0,
                        "accounts.initial_upload_speed": 2_000_000,
                    }
                ),
            )
        )
        address = ("127.0.0.1", server.port)
        sharer = await stack.enter_async_context(
            Client(
                SHARER,
                "password",
                server=address,
                shares=[album(tmp_path)],
                listen_port=0,
                settings=ClientSettings(listen_host="127.0.0.1", rates={}),
                transfers=TransferSettings(downloads=tmp_path / "sharer", upload_limit=sharer_limit),
            )
        )
        ours = tmp_path / "ours"
        ours.mkdir()
        (ours / "04 - Gangway.mp3").write_bytes(b"x" * 1000)
        downloads = tmp_path / "downloads"
        config = tmp_path / "config.toml"
        config.write_text("[web]\n")
        values = {
            "daemon": {"data": str(tmp_path / "data")},
            "network": {"server": f"127.0.0.1:{server.port}", "listen_port": 0},
            "downloads": {"folder": str(downloads)},
            "shares": {"folders": [str(ours)]},
            "governor": {"enabled": False},
            "remote_configuration": remote,
            "web": {"port": 0, "api_key": KEY, "username": "admin", "password": "correct horse", **web},
        }
        account = Account(OURSELVES, "password")
        daemon = await stack.enter_async_context(Daemon(loader(values, account, config), config_file=config))
        await until(lambda: daemon.engine.link.logged_in, "the login")
        await until(lambda: daemon.engine.shares.files == 1, "the scan")
        await until(lambda: daemon.engine.tree.parent or sharer.tree.figures.parent, "a parent")
        yield Network(server, sharer, daemon, downloads, config)
