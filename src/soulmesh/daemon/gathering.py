"""Files that appear together: what is told of a whole batch, when it is where it is wanted and not before.

The files of such a batch gather in a folder apart. Each is finished there, and
its record says so; but whoever reads a place from an event wants to find the
file at it. So a note is kept of batches that gather, and when their folder was
moved, also while the daemon was not running, the records follow and their files
are told.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from soulmesh.client.transfers.batches import Batch
from soulmesh.client.transfers.journal_file import stored, told
from soulmesh.client.transfers.transfer import Transfer
from soulmesh.daemon.ports import Engine
from soulmesh.daemon.store import Store
from soulmesh.wire import text

__all__ = ["Arrived", "Gathering"]


@dataclass(frozen=True, slots=True)
class Arrived:
    """A file that was transferred, and where it is on disk."""

    username: str
    remote_path: str
    local_path: Path | None
    body: dict[str, Any]
    """As the API shows the transfer."""


class Gathering:
    """Which batches gather still, and what of them was told."""

    def __init__(self, engine: Engine, store: Store) -> None:
        self._engine = engine
        self._store = store

    def holds(self, transfer: Transfer) -> bool:
        """Whether a file that is here waits for the rest of its batch, apart from where it is wanted."""
        batch, path = self._engine.transfers.batches.get(transfer.batch or ""), transfer.local_path
        return batch is not None and batch.whole and path is not None and path.is_relative_to(batch.staging)

    def note(self, transfer: Transfer) -> None:
        """Remember that the batch of such a file has something to be told."""
        row = (_key(transfer.batch or ""), "")
        self._store.post(lambda db: db.execute("INSERT OR REPLACE INTO notes VALUES (?, ?)", row))

    async def unseen(self) -> list[Batch]:
        """Batches that were moved without :meth:`moved`: while the daemon ended or began."""
        begin = _key("")

        def read(db: sqlite3.Connection) -> list[str]:
            rows = db.execute("SELECT key FROM notes WHERE key >= ? AND key < ?", (begin, begin[:-1] + "!"))
            return [row[0].removeprefix(begin) for row in rows]

        batches, found = self._engine.transfers.batches, []
        for identity in await self._store.run(read):
            batch = batches.get(identity)
            if batch is None:
                # Nobody waits for it any more.
                self._forget(identity)
            elif batch.finished and not batches.moving(batch):
                found.append(batch)
        return found

    async def arrived(self, batch: Batch) -> list[Arrived]:
        """The files of a moved batch that our records still have where they gathered, at their new place."""
        source, target = Path(batch.staging), Path(batch.destination)
        rows = await self._store.run(
            lambda db: db.execute(
                "SELECT username, filename, local_path, body FROM transfers WHERE batch = ?"
                " AND direction = 'download' AND state = 'Completed, Succeeded' ORDER BY number",
                (batch.id,),
            ).fetchall()
        )
        return [
            Arrived(username, text(name), target / Path(path).relative_to(source), from_json(body))
            for username, name, path, body in ((*row[:2], told(row[2]), row[3]) for row in rows)
            if path and Path(path).is_relative_to(source)
        ]

    def moved(self, batch: Batch, files: Iterable[Arrived]) -> None:
        """Have the records say where the files are now; they have been told."""
        rows = [(stored(str(file.local_path)), file.body["id"]) for file in files]

        self._store.post(
            lambda db: db.executemany("UPDATE transfers SET local_path = ? WHERE id = ?", rows),
        )
        self._forget(batch.id)

    def _forget(self, identity: str) -> None:
        key = (_key(identity),)
        self._store.post(lambda db: db.execute("DELETE FROM notes WHERE key = ?", key))


def _key(batch: str) -> str:
    return f"gathering {batch}"
