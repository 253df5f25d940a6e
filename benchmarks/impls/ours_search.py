"""soulmesh: the index of shared files, and the replies cut from it."""

from __future__ import annotations

import multiprocessing
from collections import defaultdict
from pathlib import Path

from soulmesh.client.shares.base import Base
from soulmesh.client.shares.build import BaseBuilder
from soulmesh.client.shares.entries import pack_attributes
from soulmesh.client.shares.index import Index as ShareIndex
from soulmesh.core.query import parse_query

CAP = 100
"""Most results in one answer, by default."""
NOTES = "parse and match, to file numbers; the index is opened from its file, after its checksums agree"


class Index:
    def __init__(self, paths: list[str], workdir: str, cap: int) -> None:
        self.paths = paths
        self.file = Path(workdir) / "base.shares"
        self.cap = cap
        self.disk_bytes = 0

    def build(self) -> None:
        """The index from names, in a process that ends, as a client has it built."""
        child = multiprocessing.get_context("fork").Process(target=self._write)
        child.start()
        child.join()
        self.paths = []
        self.open()

    def _write(self) -> None:
        folders: defaultdict[str, list[bytes]] = defaultdict(list)
        for path in self.paths:
            folder, _, name = path.rpartition("\\")
            folders[folder].append(name.encode())
        attributes = pack_attributes({0: 320, 1: 241, 2: 0})
        builder = BaseBuilder(self.file)
        builder.root(1, b"")
        for folder, names in sorted((folder.encode(), names) for folder, names in folders.items()):
            names.sort()
            builder.folder(folder, [(name, 7_654_321, attributes) for name in names])
        builder.finish({})

    def open(self) -> None:
        """A stored index, as at the start of a client."""
        self.index = ShareIndex(Base(self.file))
        self.disk_bytes = self.file.stat().st_size

    def query(self, text: str) -> int:
        """Number of results, at most the limit."""
        return len(self.index.search(parse_query(text), self.cap).numbers)

    def reply(self, text: str) -> int:
        """The same with the entries of a reply, spread over folders, packed."""
        found = self.index.search(parse_query(text), self.cap)
        b"".join(self.index.answer_entries(found.numbers))
        return len(found.numbers)

    def close(self) -> None:
        pass
