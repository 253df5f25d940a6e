"""aioslsk: SharesManager.scan, with mutagen in threads."""

from __future__ import annotations

import asyncio
import os
from unittest.mock import AsyncMock, MagicMock

from aioslsk.events import EventBus
from aioslsk.settings import CredentialsSettings, Settings, SharedDirectorySettingEntry
from aioslsk.shares.cache import SharesShelveCache
from aioslsk.shares.manager import SharesManager

NOTES = "its default pool of threads; a restart reads its cache first"


class Scanner:
    def __init__(self, folder: str, workdir: str) -> None:
        os.makedirs(workdir, exist_ok=True)
        settings = Settings(credentials=CredentialsSettings(username="bench", password="bench"))
        settings.shares.directories = [SharedDirectorySettingEntry(path=folder)]
        network = MagicMock()
        network.send_server_messages = AsyncMock()
        self.loop = asyncio.new_event_loop()
        self.manager = SharesManager(settings, EventBus(), network, cache=SharesShelveCache(workdir))
        self.loop.run_until_complete(self.manager.load_data())

    def scan(self) -> None:
        self.loop.run_until_complete(self.manager.scan())

    def store(self) -> None:
        self.loop.run_until_complete(self.manager.store_data())

    def counts(self) -> tuple[int, int]:
        items = [item for folder in self.manager.shared_directories for item in folder.items]
        return len(items), sum(bool(item.attributes) for item in items)
