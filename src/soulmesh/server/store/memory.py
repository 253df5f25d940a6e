"""A store that forgets: for tests, for the demo, and for virtual time."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from soulmesh.errors import SoulmeshError
from soulmesh.server.store import LAYOUTS, Row

__all__ = ["MemoryStore"]


class MemoryStore:
    """Keeps tables in dicts. A batch is committed in the moment it is closed.

    ``manual`` makes :meth:`commit` close batches without committing them until
    :meth:`settle`: tests use it to stand between a change and its commit.
    """

    def __init__(self, *, manual: bool = False) -> None:
        self.manual = manual
        self.tables: dict[str, dict[Row, Row]] = {name: {} for name in LAYOUTS}
        self.committed = 0
        self.messages: dict[int, Row | None] = {}
        self._open: dict[str, dict[Row, Row | None]] = {name: {} for name in LAYOUTS}
        self._changed = False
        self._closed: list[dict[str, dict[Row, Row | None]]] = []
        self._number = 0
        self._calls: list[Callable[[], None]] = []

    def read(self, table: str) -> list[Row]:
        """See :class:`soulmesh.server.store.Store`."""
        return [row for _, row in sorted(self.tables[table].items())]

    def save(self, table: str, row: Row) -> None:
        """See :class:`soulmesh.server.store.Store`."""
        self._open[table][row[: LAYOUTS[table].key]] = row
        self._changed = True

    def remove(self, table: str, key: Row) -> None:
        """See :class:`soulmesh.server.store.Store`."""
        self._open[table][key] = None
        self._changed = True

    def commit(self) -> int:
        """See :class:`soulmesh.server.store.Store`."""
        if self.messages:
            for chat_id, row in self.messages.items():
                self._open["messages"][(chat_id,)] = row
            self.messages.clear()
            self._changed = True
        if self._changed:
            self._closed.append(self._open)
            self._open = {name: {} for name in LAYOUTS}
            self._changed = False
            self._number += 1
            if not self.manual:
                self._apply()
        return self._number

    def settle(self) -> None:
        """Commit the closed batches now (``manual`` only)."""
        self._apply()
        for call in self._calls:
            call()

    def _apply(self) -> None:
        for batch in self._closed:
            for table, rows in batch.items():
                for key, row in rows.items():
                    if row is None:
                        self.tables[table].pop(key, None)
                    else:
                        self.tables[table][key] = row
        self._closed.clear()
        self.committed = self._number

    def on_commit(self, call: Callable[[], None]) -> None:
        """See :class:`soulmesh.server.store.Store`."""
        self._calls.append(call)

    def on_lost(self, call: Callable[[SoulmeshError], None]) -> None:
        """See :class:`soulmesh.server.store.Store`. It is this process's own, so it is never lost."""

    async def backup(self, path: str) -> None:
        """Tables as JSON: there is no database file to copy."""
        copy = {name: [[_plain(v) for v in row] for row in self.read(name)] for name in LAYOUTS}
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "w") as file:  # noqa: ASYNC230 - tests only, and small
            file.write(json.dumps(copy))

    async def close(self, patience: float | None = None) -> None:
        """See :class:`soulmesh.server.store.Store`."""
        self.commit()
        self._apply()


def _plain(value: object) -> object:
    return value.decode("latin-1") if isinstance(value, bytes) else value
