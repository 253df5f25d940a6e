"""Nicotine+: its Scanner writes the databases, its Search answers from them.

The scanner lists folders with ``os.scandir``; here it is given one that reads a
tree in memory, for a million empty files would measure the file system.
"""

from __future__ import annotations

import os
import queue
from collections import defaultdict
from types import SimpleNamespace
from typing import Any

CAP = 300
NOTES = "parse, match, look up each file; packing and sending the reply is not counted"
ROOT = "/nowhere/bench"
COMPONENTS = {
    "shares", "users", "network_filter", "search", "buddies", "uploads", "statistics", "pluginhandler",
    "downloads", "userbrowse", "userinfo", "privatechat", "chatrooms", "notifications", "interests",
}  # fmt: skip


class Entry:
    __slots__ = ("is_folder", "name")
    about = SimpleNamespace(st_mtime=1.7e9, st_size=100)

    def __init__(self, name: str, is_folder: bool) -> None:
        self.name = name.encode()
        self.is_folder = is_folder

    def is_dir(self) -> bool:
        return self.is_folder

    def stat(self) -> SimpleNamespace:
        return self.about


class Listing(list[Entry]):
    def __enter__(self) -> Listing:
        return self

    def __exit__(self, *_: object) -> None:
        pass


class TreeOs:
    """The module ``os`` with another ``scandir``."""

    def __init__(self, tree: dict[str, Listing]) -> None:
        self._tree = tree

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def scandir(self, path: bytes) -> Listing:
        return self._tree[path.decode()[len(ROOT) + 1 :]]


class Index:
    def __init__(self, paths: list[str], workdir: str, cap: int) -> None:
        os.environ["NICOTINE_DATA_HOME"] = workdir
        from pynicotine import shares
        from pynicotine.config import config
        from pynicotine.core import core
        from pynicotine.events import events

        config.set_config_file(os.path.join(workdir, "config"))
        config.set_data_folder(workdir)
        core.init_components(enabled_components=COMPONENTS, isolated_mode=True)
        config.sections["searches"]["maxresults"] = cap
        config.sections["searches"]["min_search_chars"] = 1
        core.users.login_username = "bench"
        self.core, self.shares = core, shares
        self.sent: list[Any] = []
        events.connect("queue-network-message", self.sent.append)
        self.tree: defaultdict[str, Listing] = defaultdict(Listing)
        known = {""}
        for path in paths:
            folder, _, name = path.replace("\\", "/").rpartition("/")
            self.tree[folder].append(Entry(name, False))
            while folder not in known:
                known.add(folder)
                parent, _, last = folder.rpartition("/")
                self.tree[parent].append(Entry(last, True))
                folder = parent
        self.disk_bytes = 0

    def build(self) -> None:
        core, shares = self.core, self.shares
        places = core.shares.share_db_paths
        out: queue.Queue[Any] = queue.Queue()
        real = shares.os
        shares.os = TreeOs(self.tree)
        try:
            shares.Scanner(out, ([("bench", ROOT)], [], []), places, init=False, rescan=True).run()
        finally:
            shares.os = real
        for said in out.queue:
            if isinstance(said, tuple):
                core.shares.file_path_index = said
        wanted = {"words"} | {
            f"{who}_{what}" for who in ("public", "buddy", "trusted") for what in ("files", "streams")
        }
        core.shares.load_shares(core.shares.share_dbs, places, destinations=wanted)
        self.tree.clear()
        self.disk_bytes = sum(os.path.getsize(place) for place in places.values() if os.path.exists(place))

    def query(self, text: str) -> int:
        self.sent.clear()
        self.core.search._process_search_request(text, "somebody", 1)
        return len(self.sent[-1].list) + len(self.sent[-1].privatelist or ()) if self.sent else 0

    def close(self) -> None:
        self.core.shares.close_shares(self.core.shares.share_dbs)
