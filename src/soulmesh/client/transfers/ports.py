"""What transfers need from the share index, beyond what others need of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from soulmesh.client.ports import Undo

__all__ = ["NothingShared", "SharedFile", "SharedFiles"]


@dataclass(frozen=True, slots=True)
class SharedFile:
    """A file that a user may have."""

    local_path: Path
    size: int
    content: bytes | None = field(default=None, kw_only=True)
    """All of it, if it was read when it was looked for."""


@runtime_checkable
class SharedFiles(Protocol):
    """Where shared files are."""

    @property
    def unsettled(self) -> bool:
        """Whether a scan goes on that may find more than is known now."""

    async def locate(self, username: str, remote_path: str) -> SharedFile | None:
        """The file behind a remote path, if ``username`` may have it.

        Remote paths are compared by their bytes (:func:`soulmesh.wire.raw`).
        """

    async def locate_all(
        self, username: str, remote_paths: Sequence[str], *, read: int = 0
    ) -> Sequence[SharedFile | None]:
        """:meth:`locate` for several at once; files of at most ``read`` bytes may come with their content."""

    def on_changed(self, handler: Callable[[], None]) -> Undo:
        """Call ``handler`` when something else is shared than before."""


class NothingShared:
    """For a client that shares nothing."""

    unsettled = False
    """Nothing will ever be found."""

    async def locate(self, username: str, remote_path: str) -> SharedFile | None:
        """Nothing is shared."""
        return None

    async def locate_all(
        self, username: str, remote_paths: Sequence[str], *, read: int = 0
    ) -> Sequence[SharedFile | None]:
        """Nothing is shared."""
        return [None] * len(remote_paths)

    def on_changed(self, handler: Callable[[], None]) -> Undo:
        """Nothing ever changes."""
        return lambda: None
