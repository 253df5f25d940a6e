"""Nicotine+: its Scanner, in this process (a client runs it in a child)."""

from __future__ import annotations

import os
import queue
from typing import Any

NOTES = "results live in its database files, so a restart has nothing more to load"


class Scanner:
    def __init__(self, folder: str, workdir: str) -> None:
        os.makedirs(workdir, exist_ok=True)
        os.environ["NICOTINE_DATA_HOME"] = workdir
        from pynicotine import shares
        from pynicotine.config import config
        from pynicotine.core import core

        config.set_config_file(os.path.join(workdir, "config"))
        config.set_data_folder(workdir)
        core.init_components(enabled_components={"shares"}, isolated_mode=True)
        self.shares, self.places, self.folder = shares, core.shares.share_db_paths, folder

    def scan(self) -> None:
        out: queue.Queue[Any] = queue.Queue()
        self.shares.Scanner(
            out, ([("Music", self.folder)], [], []), self.places, init=False, rescan=True
        ).run()

    def store(self) -> None:
        pass

    def counts(self) -> tuple[int, int]:
        found: dict[str, Any] = {}
        self.shares.Shares.load_shares(found, self.places, destinations={"public_files"})
        rows = [found["public_files"][path] for path in found["public_files"]]
        self.shares.Shares.close_shares(found)
        return len(rows), sum(row[2] is not None for row in rows)
