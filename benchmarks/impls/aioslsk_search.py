"""aioslsk: the term map of its SharesManager."""

from __future__ import annotations

from typing import Any
from unittest.mock import MagicMock

from aioslsk.events import EventBus
from aioslsk.settings import CredentialsSettings, Settings
from aioslsk.shares.manager import SharesManager
from aioslsk.shares.model import SharedItem

CAP = 100
NOTES = "SharesManager.query; its reply, which looks at each file on the disk, is not counted"


class Index:
    def __init__(self, paths: list[str], workdir: str, cap: int) -> None:
        settings = Settings(credentials=CredentialsSettings(username="bench", password="bench"))
        settings.searches.receive.max_results = cap
        self.manager: Any = SharesManager(settings, EventBus(), MagicMock())
        shared = self.manager.add_shared_directory("/nowhere/bench")
        for path in paths:
            folder, _, name = path.rpartition("\\")
            shared.items.add(SharedItem(shared, folder.replace("\\", "/"), name, 1.7e9))

    def build(self) -> None:
        self.manager.rebuild_term_map()

    def query(self, text: str) -> int:
        visible, locked = self.manager.query(text, username="somebody")
        return len(visible) + len(locked)

    def close(self) -> None:
        pass
