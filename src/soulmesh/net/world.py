"""Everything outside the program that its behaviour depends on, in one value.

Network, disk, randomness and wall time come from a :class:`World` that is
passed in; monotonic time comes from the running loop alone (``loop.time()``,
``asyncio.timeout``). Tests and the simulator pass other implementations and
run the production code unchanged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from soulmesh.net.disk import DiskError

__all__ = [
    "AppendFile",
    "Datagrams",
    "Disk",
    "FileStat",
    "Listener",
    "Network",
    "ReadFile",
    "World",
    "WriteFile",
]

P = TypeVar("P", bound=asyncio.BaseProtocol)


class Listener(Protocol):
    """A port on which connections are accepted, until it is closed."""

    @property
    def host(self) -> str:
        """The address listened on, as it was bound."""

    @property
    def port(self) -> int:
        """The port listened on; the one the system chose, if 0 was asked for."""

    def close(self) -> None:
        """Accept no more. Connections already accepted go on."""


class Network(Protocol):
    """Dial and listen: asyncio's transports and protocols, wherever the bytes really go."""

    async def connect(
        self, factory: Callable[[], P], host: str, port: int, *, local_address: str | None = None
    ) -> tuple[asyncio.Transport, P]:
        """Open a connection to ``host:port``; ``local_address`` chooses the address to call from.

        No time-out of its own: wrap it in ``asyncio.timeout``, or use
        :func:`soulmesh.net.stream.open_stream`.

        Raises:
            NetworkError: as typed in :mod:`soulmesh.net.errors`.
        """

    async def listen(self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int) -> Listener:
        """Accept connections on ``host:port``, each served by a new protocol of ``factory``.

        ``host`` "" or "0.0.0.0" means every IPv4 address, ``port`` 0 a free port.

        Raises:
            NetworkError: as typed in :mod:`soulmesh.net.errors`.
        """


class Datagrams(Protocol):
    """UDP, for the few words that a home router understands."""

    async def open_datagrams(
        self, factory: Callable[[], asyncio.DatagramProtocol], host: str, port: int
    ) -> asyncio.DatagramTransport:
        """A socket that sends to and receives from ``host:port`` alone.

        Raises:
            NetworkError: as typed in :mod:`soulmesh.net.errors`.
        """


@dataclass(frozen=True, slots=True)
class FileStat:
    """What we need to know of a file or directory without opening it."""

    size: int
    """Bytes; 0 for a directory."""
    modified: float
    """Seconds since the epoch."""
    is_directory: bool
    inode: int = 0


class ReadFile(Protocol):
    """A file open for reading at any place."""

    @property
    def descriptor(self) -> int | None:
        """The system's file descriptor, for ``sendfile``; ``None`` if there is none."""

    @property
    def size(self) -> int:
        """Bytes in the file when it was opened."""

    async def read(self, offset: int, count: int) -> bytes:
        """At most ``count`` bytes from ``offset``; fewer only at the end of the file."""

    async def close(self) -> None:
        """Give the file back. Closing twice does no harm."""


class WriteFile(Protocol):
    """A file open for writing at any place; created if it was not there, never truncated by opening."""

    @property
    def descriptor(self) -> int | None:
        """The system's file descriptor; ``None`` if there is none."""

    async def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Write all of ``data`` at ``offset``; a gap before it reads as zeros.

        ``data`` must not change before this returns.
        """

    async def read(self, offset: int, count: int) -> bytes:
        """At most ``count`` bytes from ``offset``, as written so far."""

    async def truncate(self, size: int) -> None:
        """Make the file ``size`` bytes long."""

    async def sync(self) -> None:
        """Return when what was written would survive a power cut."""

    async def close(self) -> None:
        """Give the file back. Closing twice does no harm."""


class AppendFile(Protocol):
    """A file that only grows: journals and logs."""

    async def append(self, data: bytes) -> int:
        """Write ``data`` at the end; returns the file's size after it."""

    async def sync(self) -> None:
        """Return when what was written would survive a power cut."""

    async def close(self) -> None:
        """Give the file back. Closing twice does no harm."""


class Disk(Protocol):
    """File work off the loop: nothing here ever blocks it.

    Raises everywhere:
        DiskError: as typed in :mod:`soulmesh.net.disk`.
    """

    async def stat(self, path: Path) -> FileStat:
        """Size and kind of what is at ``path``; :class:`~soulmesh.net.disk.FileMissing` if nothing is."""

    async def exists(self, path: Path) -> bool:
        """Whether anything is at ``path``."""

    async def open_read(self, path: Path) -> ReadFile:
        """Open an existing file for reading."""

    async def open_write(self, path: Path, *, exclusive: bool = False) -> WriteFile:
        """Open for writing, creating the file if needed; with ``exclusive`` it must not be there yet."""

    async def open_append(self, path: Path) -> AppendFile:
        """Open for appending, creating the file if needed."""

    async def read_bytes(self, path: Path, *, limit: int | None = None) -> bytes:
        """The whole file. More than ``limit`` bytes is a :class:`~soulmesh.net.disk.FileTooLarge`."""

    async def write_atomic(self, path: Path, data: bytes) -> None:
        """Replace the whole file at once: a reader, or a crash, sees the old content or the new."""

    async def change(self, path: Path, change: Callable[[bytes | None], bytes | None]) -> None:
        """Replace a small file by what ``change`` makes of it, while no other program here does the same.

        It gets the content, ``None`` if there is no such file, and runs in a thread; if it returns ``None``
        everything stays as it is.
        """

    async def replace(self, source: Path, target: Path) -> None:
        """Rename within a file system, atomically; an existing ``target`` goes."""

    async def rename_new(self, source: Path, target: Path) -> None:
        """Rename, never overwriting: an existing ``target`` is :class:`~soulmesh.net.disk.FileExists`."""

    async def write_new(self, part: Path, target: Path, data: bytes | bytearray | memoryview) -> None:
        """Write a small file in one go: ``part`` first, then renamed to ``target``, never overwriting.

        Directories that are missing are made. An existing ``target`` is
        :class:`~soulmesh.net.disk.FileExists`, and ``part`` is left for another name.
        """

    async def write_all_new(
        self, files: Sequence[tuple[Path, Path, bytes | bytearray | memoryview]]
    ) -> Sequence[DiskError | None]:
        """:meth:`write_new` for several (part, target, data): for each why not, ``None`` if it is done."""

    async def make_directory(self, path: Path) -> None:
        """Make the directory and those above it; one that is there already is fine."""

    async def unlink(self, path: Path, *, missing_ok: bool = False) -> None:
        """Remove a file."""

    async def remove_directory(self, path: Path) -> None:
        """Remove an empty directory."""

    async def list(self, path: Path) -> Sequence[str]:
        """The names in a directory, sorted."""

    async def free_space(self, path: Path) -> int:
        """Bytes that we may still write at ``path``, which need not exist yet."""

    async def same_filesystem(self, one: Path, other: Path) -> bool:
        """Whether a rename between the two can work; looks at the nearest existing parents."""


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class World:
    """Everything outside the program that its behaviour depends on."""

    network: Network
    disk: Disk
    random: Random
    wall_clock: Callable[[], datetime]
    """Aware UTC time, for people and for records; never for time-outs."""

    @classmethod
    def real(cls, *, network: Network | None = None, disk: Disk | None = None) -> World:
        """The world as the operating system gives it; parts can be replaced."""
        from soulmesh.net.disk import RealDisk
        from soulmesh.net.tcp import TcpNetwork

        return cls(network or TcpNetwork(), disk or RealDisk(), Random(), _utc_now)
