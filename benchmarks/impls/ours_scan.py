"""soulmesh: Scanner, with its pool of readers, into its database and index."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from soulmesh.client.shares.model import Root
from soulmesh.client.shares.scan import Scanner as ShareScanner
from soulmesh.client.shares.store import Store

NOTES = "scan, attributes, database and index; the database is the store, so a restart loads nothing more"


class Scanner:
    def __init__(self, folder: str, workdir: str) -> None:
        self.directory = Path(workdir)
        self.store_file = Store(self.directory / "shares.sqlite")
        if not self.store_file.roots():
            self.store_file.save_root(Root(0, b"Music", Path(folder)))

    def scan(self) -> None:
        """Scan to the end."""
        ShareScanner(self.store_file, self.directory, now=datetime.now(UTC)).scan()

    def store(self) -> None:
        """Nothing to do: it is stored."""

    def counts(self) -> tuple[int, int]:
        """Files, and files with attributes."""
        row = self.store_file.execute("SELECT count(*), sum(length(attributes) > 0) FROM files").fetchone()
        return row[0], row[1]
