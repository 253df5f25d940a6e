"""A disk in memory, with holes for the empty parts and every way a disk can fail.

The same protocol as :class:`soulmesh.net.disk.RealDisk`, and the same tests.
Blocks of zeros are not stored, so a file of many gigabytes can be made, read
and copied for nothing. Faults are set from outside: :attr:`MemoryDisk.free`,
:meth:`~MemoryDisk.forbid`, :meth:`~MemoryDisk.break_reading`,
:meth:`~MemoryDisk.unmount`, :meth:`~MemoryDisk.power_cut`.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from soulmesh.net.disk import DiskError, FileMissing, FileTooLarge, disk_error
from soulmesh.net.world import FileStat

__all__ = ["MemoryDisk"]

BLOCK = 64 * 1024

Wanted = Literal["read", "write"]


class _Node:
    """One file's content: blocks that are not all zeros, by number."""

    def __init__(self, inode: int) -> None:
        self.inode = inode
        self.size = 0
        self.modified = 0.0
        self.blocks: dict[int, bytearray] = {}
        self.named = True
        # What a power cut would bring back: blocks and size as they were last synced.
        self._before: dict[int, bytes | None] = {}
        self._synced_size = 0

    def read(self, offset: int, count: int) -> bytes:
        end = min(offset + count, self.size)
        parts = []
        while offset < end:
            number, start = divmod(offset, BLOCK)
            length = min(BLOCK - start, end - offset)
            block = self.blocks.get(number)
            parts.append(bytes(length) if block is None else bytes(block[start : start + length]))
            offset += length
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def write(self, offset: int, data: memoryview) -> None:
        position = 0
        while position < len(data):
            number, start = divmod(offset + position, BLOCK)
            piece = data[position : position + BLOCK - start]
            block = self.blocks.get(number)
            if block is not None or bytes(piece) != bytes(len(piece)):
                self._remember(number)
                if block is None:
                    block = self.blocks[number] = bytearray(BLOCK)
                block[start : start + len(piece)] = piece
            position += len(piece)
        self.size = max(self.size, offset + len(data))

    def truncate(self, size: int) -> None:
        if size < self.size:
            first, start = divmod(size, BLOCK)
            for number in [n for n in self.blocks if n >= first]:
                self._remember(number)
                if number == first and start:
                    self.blocks[number][start:] = bytes(BLOCK - start)
                else:
                    del self.blocks[number]
        self.size = size

    def sync(self) -> None:
        self._before.clear()
        self._synced_size = self.size

    def power_cut(self) -> None:
        for number, content in self._before.items():
            if content is None:
                self.blocks.pop(number, None)
            else:
                self.blocks[number] = bytearray(content)
        self._before.clear()
        self.size = self._synced_size

    def _remember(self, number: int) -> None:
        if number not in self._before:
            block = self.blocks.get(number)
            self._before[number] = None if block is None else bytes(block)


class MemoryDisk:
    """Directories and files in memory. The root, and the directories given, are there from the start.

    Paths that are not absolute are taken from the root.
    """

    def __init__(self, *directories: Path | str, latency: float = 0.0) -> None:
        self.latency = latency
        """Seconds that each piece of work takes."""
        self.free: int | None = None
        """Bytes that may still be written before the disk is full; ``None`` for any number."""
        self.modified_at = 0.0
        """The time of modification given to what is written from now on, seconds since the epoch."""
        self.operations = 0
        """Pieces of work done so far."""
        self._files: dict[Path, _Node] = {}
        self._directories: dict[Path, int] = {}
        self._inodes = 0
        self._forbidden: set[tuple[Path, Wanted]] = set()
        self._broken: dict[Path, int] = {}
        self._unmounted: set[Path] = set()
        self._mounts: set[Path] = {Path("/")}
        self._directories[Path("/")] = self._inode()
        for directory in directories:
            self._make_directory(_absolute(Path(directory)))

    # -- setting up, and looking at the outcome, without waiting

    def add(self, path: Path | str, content: bytes = b"", *, size: int | None = None) -> Path:
        """Put a file there, with the directories above it; ``size`` more than its content makes a hole."""
        where = _absolute(Path(path))
        self._make_directory(where.parent)
        node = self._files[where] = _Node(self._inode())
        node.write(0, memoryview(content))
        node.truncate(len(content) if size is None else size)
        node.modified = self.modified_at
        node.sync()
        return where

    def content(self, path: Path | str) -> bytes:
        """The whole of a file.

        Raises:
            KeyError: there is no such file.
        """
        node = self._files[_absolute(Path(path))]
        return node.read(0, node.size)

    def files(self) -> dict[str, int]:
        """All files with their sizes."""
        return {str(path): node.size for path, node in sorted(self._files.items())}

    @property
    def stored(self) -> int:
        """Bytes of memory that the contents take."""
        return sum(len(node.blocks) * BLOCK for node in self._files.values())

    # -- what can go wrong

    def forbid(self, path: Path | str, what: Wanted = "write") -> None:
        """Refuse reading or writing of this path and all below it."""
        self._forbidden.add((_absolute(Path(path)), what))

    def allow(self, path: Path | str) -> None:
        """Take back what :meth:`forbid` said of this path."""
        where = _absolute(Path(path))
        self._forbidden = {entry for entry in self._forbidden if entry[0] != where}

    def break_reading(self, path: Path | str, at: int = 0) -> None:
        """Let reading of this file fail from byte ``at`` on."""
        self._broken[_absolute(Path(path))] = at

    def mount(self, path: Path | str) -> None:
        """Make a directory the root of another file system: no rename crosses its border."""
        where = _absolute(Path(path))
        self._make_directory(where)
        self._mounts.add(where)

    def unmount(self, path: Path | str) -> None:
        """Let everything below ``path`` vanish, open files too, until :meth:`remount`."""
        self._unmounted.add(_absolute(Path(path)))

    def remount(self, path: Path | str) -> None:
        """Bring back what :meth:`unmount` took away."""
        self._unmounted.discard(_absolute(Path(path)))

    def power_cut(self) -> None:
        """Lose all that was written and not synced. Names are as they were left."""
        for node in self._files.values():
            node.power_cut()

    # -- the port

    async def stat(self, path: Path) -> FileStat:
        """See :meth:`soulmesh.net.world.Disk.stat`."""
        where = await self._at(path, "stat")
        if where in self._directories:
            return FileStat(0, 0.0, True, self._directories[where])
        node = self._node(where)
        return FileStat(node.size, node.modified, False, node.inode)

    async def exists(self, path: Path) -> bool:
        """See :meth:`soulmesh.net.world.Disk.exists`."""
        try:
            where = await self._at(path, "stat")
        except FileMissing:
            return False
        return where in self._directories or where in self._files

    async def open_read(self, path: Path) -> MemoryFile:
        """See :meth:`soulmesh.net.world.Disk.open_read`."""
        where = await self._at(path, "read")
        return MemoryFile(self, where, self._node(where))

    async def open_write(self, path: Path, *, exclusive: bool = False) -> MemoryFile:
        """See :meth:`soulmesh.net.world.Disk.open_write`."""
        where = await self._at(path, "write")
        if exclusive and (where in self._files or where in self._directories):
            raise _error(errno.EEXIST, where)
        return MemoryFile(self, where, self._create(where))

    async def open_append(self, path: Path) -> MemoryFile:
        """See :meth:`soulmesh.net.world.Disk.open_append`."""
        where = await self._at(path, "write")
        return MemoryFile(self, where, self._create(where))

    async def read_bytes(self, path: Path, *, limit: int | None = None) -> bytes:
        """See :meth:`soulmesh.net.world.Disk.read_bytes`."""
        file = await self.open_read(path)
        if limit is not None and file.size > limit:
            raise FileTooLarge(path, file.size, limit)
        return await file.read(0, file.size)

    async def write_atomic(self, path: Path, data: bytes) -> None:
        """See :meth:`soulmesh.net.world.Disk.write_atomic`."""
        self._put_whole(await self._at(path, "write"), data)

    async def change(self, path: Path, change: Callable[[bytes | None], bytes | None]) -> None:
        """See :meth:`soulmesh.net.world.Disk.change`."""
        where = await self._at(path, "write")
        self._parent_of(where)
        node = self._files.get(where)
        data = change(node.read(0, node.size) if node is not None else None)
        if data is not None:
            self._put_whole(where, data)

    def _put_whole(self, where: Path, data: bytes) -> None:
        self._parent_of(where)
        if where in self._directories:
            raise _error(errno.EISDIR, where)
        self._spend(where, len(data))
        old = self._files.get(where)
        if old is not None:
            self._give_back(old)
        node = self._files[where] = _Node(self._inode())
        node.write(0, memoryview(data))
        node.modified = self.modified_at
        node.sync()

    async def replace(self, source: Path, target: Path) -> None:
        """See :meth:`soulmesh.net.world.Disk.replace`."""
        await self._rename(source, target, overwrite=True)

    async def rename_new(self, source: Path, target: Path) -> None:
        """See :meth:`soulmesh.net.world.Disk.rename_new`."""
        await self._rename(source, target, overwrite=False)

    async def write_new(self, part: Path, target: Path, data: bytes | bytearray | memoryview) -> None:
        """See :meth:`soulmesh.net.world.Disk.write_new`."""
        where = await self._at(part, "write")
        self._make_directory(where.parent)
        node = self._create(where)
        self._spend(where, max(0, len(data) - node.size))
        node.write(0, memoryview(data))
        node.truncate(len(data))
        node.modified = self.modified_at
        self._make_directory((await self._at(target, "write")).parent)
        await self._rename(part, target, overwrite=False)

    async def write_all_new(
        self, files: Sequence[tuple[Path, Path, bytes | bytearray | memoryview]]
    ) -> Sequence[DiskError | None]:
        """See :meth:`soulmesh.net.world.Disk.write_all_new`."""
        outcomes: list[DiskError | None] = []
        for file in files:
            try:
                await self.write_new(*file)
            except DiskError as error:
                outcomes.append(error)
            else:
                outcomes.append(None)
        return outcomes

    async def _rename(self, source: Path, target: Path, *, overwrite: bool) -> None:
        old = await self._at(source, "write")
        new = await self._at(target, "write")
        if old not in self._files and old not in self._directories:
            raise _error(errno.ENOENT, old)
        self._parent_of(new)
        if not overwrite and (new in self._files or new in self._directories):
            raise _error(errno.EEXIST, new)
        if self._mount_of(old) != self._mount_of(new):
            raise _error(errno.EXDEV, new)
        if old in self._files:
            if new in self._directories:
                raise _error(errno.EISDIR, new)
            if old != new and new in self._files:
                self._give_back(self._files[new])
            self._files[new] = self._files.pop(old)
            return
        if new in self._files:
            raise _error(errno.ENOTDIR, new)
        if new != old and any(self._below(new)):
            raise _error(errno.ENOTEMPTY, new)
        for path in list(self._below(old)):
            moved = new / path.relative_to(old)
            if path in self._files:
                self._files[moved] = self._files.pop(path)
            else:
                self._directories[moved] = self._directories.pop(path)
        self._directories[new] = self._directories.pop(old)

    async def make_directory(self, path: Path) -> None:
        """See :meth:`soulmesh.net.world.Disk.make_directory`."""
        self._make_directory(await self._at(path, "write"))

    async def unlink(self, path: Path, *, missing_ok: bool = False) -> None:
        """See :meth:`soulmesh.net.world.Disk.unlink`."""
        try:
            where = await self._at(path, "write")
            node = self._node(where)
        except FileMissing:
            if missing_ok:
                return
            raise
        del self._files[where]
        self._give_back(node)

    async def remove_directory(self, path: Path) -> None:
        """See :meth:`soulmesh.net.world.Disk.remove_directory`."""
        where = await self._at(path, "write")
        if where not in self._directories:
            raise _error(errno.ENOTDIR if where in self._files else errno.ENOENT, where)
        if any(self._below(where)):
            raise _error(errno.ENOTEMPTY, where)
        del self._directories[where]

    async def list(self, path: Path) -> Sequence[str]:
        """See :meth:`soulmesh.net.world.Disk.list`."""
        where = await self._at(path, "read")
        if where not in self._directories:
            raise _error(errno.ENOTDIR if where in self._files else errno.ENOENT, where)
        return sorted(below.name for below in self._below(where) if below.parent == where)

    async def free_space(self, path: Path) -> int:
        """See :meth:`soulmesh.net.world.Disk.free_space`."""
        await self._work()
        return 1 << 50 if self.free is None else self.free

    async def same_filesystem(self, one: Path, other: Path) -> bool:
        """See :meth:`soulmesh.net.world.Disk.same_filesystem`."""
        await self._work()
        return self._mount_of(_absolute(one)) == self._mount_of(_absolute(other))

    # -- inside

    async def _work(self) -> None:
        self.operations += 1
        await asyncio.sleep(self.latency)

    async def _at(self, path: Path, what: Literal["stat", "read", "write"]) -> Path:
        """Wait as long as a disk takes; then the path, if it may be used so."""
        await self._work()
        where = _absolute(path)
        self.check(where, what)
        return where

    def check(self, where: Path, what: Literal["stat", "read", "write"]) -> None:
        """Raise if the faults that were set stand in the way."""
        lineage = (where, *where.parents)
        if any(path in self._unmounted for path in lineage):
            raise _error(errno.ENOENT, where)
        if what != "stat" and any((path, what) in self._forbidden for path in lineage):
            raise _error(errno.EACCES, where)
        for above in where.parents:
            if above in self._files:
                raise _error(errno.ENOTDIR, where)

    def check_reading(self, where: Path, end: int) -> None:
        """Raise if the file was made to break before ``end``."""
        if end > self._broken.get(where, end):
            raise _error(errno.EIO, where)

    def write(self, where: Path, node: _Node, offset: int, data: memoryview) -> None:
        """Write what there is room for; raise if that is not all."""
        growth = max(0, offset + len(data) - node.size)
        room = growth if self.free is None else min(growth, self.free)
        fitting = len(data) - (growth - room)
        if fitting > 0:
            node.write(offset, data[:fitting])
            node.modified = self.modified_at
            if self.free is not None:
                self.free -= room
        if room < growth:
            raise _error(errno.ENOSPC, where)

    def _spend(self, where: Path, size: int) -> None:
        if self.free is not None:
            if size > self.free:
                raise _error(errno.ENOSPC, where)
            self.free -= size

    def _give_back(self, node: _Node) -> None:
        node.named = False
        if self.free is not None:
            self.free += node.size

    def _inode(self) -> int:
        self._inodes += 1
        return self._inodes

    def _node(self, where: Path) -> _Node:
        if where in self._directories:
            raise _error(errno.EISDIR, where)
        node = self._files.get(where)
        if node is None:
            raise _error(errno.ENOENT, where)
        return node

    def _create(self, where: Path) -> _Node:
        if where in self._directories:
            raise _error(errno.EISDIR, where)
        self._parent_of(where)
        node = self._files.get(where)
        if node is None:
            node = self._files[where] = _Node(self._inode())
            node.modified = self.modified_at
        return node

    def _parent_of(self, where: Path) -> None:
        if where.parent not in self._directories:
            raise _error(errno.ENOTDIR if where.parent in self._files else errno.ENOENT, where)

    def _make_directory(self, where: Path) -> None:
        for path in (*reversed(where.parents), where):
            if path in self._files:
                raise _error(errno.EEXIST, path)
            if path not in self._directories:
                self._directories[path] = self._inode()

    def _below(self, where: Path) -> Iterator[Path]:
        for path in (*self._files, *self._directories):
            if where in path.parents:
                yield path

    def _mount_of(self, where: Path) -> Path:
        return next(path for path in (where, *where.parents) if path in self._mounts)


class MemoryFile:
    """An open file of :class:`MemoryDisk`; it outlives its name, as on a real disk."""

    descriptor: int | None = None
    """There is none: this file cannot be handed to the system."""

    def __init__(self, disk: MemoryDisk, path: Path, node: _Node) -> None:
        self._disk = disk
        self._node = node
        self._open = True
        self.path = path
        self.size = node.size

    async def read(self, offset: int, count: int) -> bytes:
        """See :meth:`soulmesh.net.world.ReadFile.read`."""
        await self._work()
        self._disk.check_reading(self.path, min(offset + count, self._node.size))
        return self._node.read(offset, count)

    async def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """See :meth:`soulmesh.net.world.WriteFile.write`."""
        await self._work()
        self._disk.write(self.path, self._node, offset, memoryview(data))

    async def append(self, data: bytes) -> int:
        """See :meth:`soulmesh.net.world.AppendFile.append`."""
        await self._work()
        self._disk.write(self.path, self._node, self._node.size, memoryview(data))
        return self._node.size

    async def truncate(self, size: int) -> None:
        """See :meth:`soulmesh.net.world.WriteFile.truncate`."""
        await self._work()
        if self._disk.free is not None and size < self._node.size:
            self._disk.free += self._node.size - size
        self._node.truncate(size)

    async def sync(self) -> None:
        """See :meth:`soulmesh.net.world.WriteFile.sync`."""
        await self._work()
        self._node.sync()

    async def close(self) -> None:
        """See :meth:`soulmesh.net.world.ReadFile.close`."""
        self._open = False

    async def _work(self) -> None:
        await self._disk._work()
        if not self._open:
            raise _error(errno.EBADF, self.path)
        self._disk.check(self.path, "stat") if self._node.named else None


def _absolute(path: Path) -> Path:
    return Path(os.path.normpath(Path("/") / path))


def _error(number: int, path: Path) -> Exception:
    return disk_error(OSError(number, os.strerror(number)), path)
