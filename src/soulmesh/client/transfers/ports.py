"""What transfers need from the share index, beyond what others need of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from soulmesh.client.ports import Undo

__all__ = ["NothingShared", "SharedFile", "SharedFiles"]


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A file that a user may have."""

    local_path: Path
    size: int


@runtime_checkable
class SharedFiles(Protocol):
    """Where shared files are."""

    async def locate(self, username: str, remote_path: str) -> SharedFile | None:
        """The file behind a remote path, if ``username`` may have it.

        Remote paths are compared by their bytes (:func:`soulmesh.wire.raw`).
        """

    def on_changed(self, handler: Callable[[], None]) -> Undo:
        """Call ``handler`` when something else is shared than before."""


class NothingShared:
    """For a client that shares nothing."""

    async def locate(self, username: str, remote_path: str) -> SharedFile | None:
        """Nothing is shared."""
        return None

    def on_changed(self, handler: Callable[[], None]) -> Undo:
        """Nothing ever changes."""
        return lambda: None
