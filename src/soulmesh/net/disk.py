"""The real disk, off the loop: a few worker threads do what blocks.

::

    DiskError                 the disk said no; ``path`` and the system's words
    ├── FileMissing           nothing is there
    ├── FileExists            something is there already
    ├── NotAllowed            permissions, or a read-only file system
    ├── DiskFull              no space, or no quota, is left
    ├── WrongKind             a directory where a file was meant, or the other way round
    ├── FileTooLarge          more than the caller was ready to read
    └── OtherFilesystem       a rename cannot cross from one file system to another
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import os
import shutil
import stat as stat_bits
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import ParamSpec, TypeVar

from soulmesh.errors import SoulmeshError
from soulmesh.net.world import FileStat

__all__ = [
    "DiskError",
    "DiskFull",
    "FileExists",
    "FileMissing",
    "FileTooLarge",
    "NameRefused",
    "NotAllowed",
    "OtherFilesystem",
    "RealDisk",
    "WrongKind",
    "disk_error",
    "write_whole",
]

P = ParamSpec("P")
T = TypeVar("T")

UNCOUNTED = 1 << 62
"""Bytes that are free where nobody counts them, as on the file systems of the kernel itself."""
WORKERS = 4
"""Threads for file work. More would not make one disk faster, and transfers wait for each other politely."""


class DiskError(SoulmeshError):
    """The disk said no: ``path`` is where, ``reason`` the system's words."""

    sentence = "{path}: {reason}"

    def __init__(self, path: Path | str, reason: str = "") -> None:
        super().__init__(str(path), reason)
        self.path = Path(path)
        self.reason = reason

    def __str__(self) -> str:
        return self.sentence.format(path=self.path, reason=self.reason)


class FileMissing(DiskError):
    """Nothing is there."""

    sentence = "{path} is not there: check the path, or whether the drive is connected"


class FileExists(DiskError):
    """Something is there already, and we were told not to overwrite it."""

    sentence = "{path} is there already: move it away, or choose another name"


class NotAllowed(DiskError):
    """The system does not let us: permissions, or a read-only file system."""

    sentence = "not allowed to use {path} ({reason}): check its owner and permissions"


class DiskFull(DiskError):
    """No space, or no quota, is left."""

    sentence = "no space left for {path}: free some, or choose another folder"


class WrongKind(DiskError):
    """A directory where a file was meant, or a file where a directory was."""

    sentence = "{path}: {reason}"


class NameRefused(DiskError):
    """The file system does not take such a name, or does not know this operation."""

    sentence = "{path}: the file system there does not take such a name ({reason})"


class FileTooLarge(DiskError):
    """The file has more bytes than the caller is ready to read."""

    def __init__(self, path: Path | str, size: int, limit: int) -> None:
        super().__init__(path, f"{size} bytes, at most {limit} were expected")
        self.size = size
        self.limit = limit


class OtherFilesystem(DiskError):
    """A rename cannot cross from one file system to another: copy instead."""

    sentence = "{path} is on another file system: the file must be copied there"


_KINDS: dict[int, type[DiskError]] = {
    errno.ENOENT: FileMissing,
    errno.EEXIST: FileExists,
    errno.ENOTEMPTY: FileExists,
    errno.EACCES: NotAllowed,
    errno.EPERM: NotAllowed,
    errno.EROFS: NotAllowed,
    errno.ENOSPC: DiskFull,
    errno.EDQUOT: DiskFull,
    errno.EFBIG: DiskFull,
    errno.ENOTDIR: WrongKind,
    errno.EISDIR: WrongKind,
    errno.EXDEV: OtherFilesystem,
    errno.EINVAL: NameRefused,
}


def disk_error(error: OSError, path: Path | str) -> DiskError:
    """The typed error for an ``OSError`` met while working at ``path``."""
    kind = _KINDS.get(error.errno or 0, DiskError)
    reason = (error.strerror or str(error)).lower()
    return kind(path, reason)


def write_whole(path: Path, text: str) -> None:
    """Write a small file for its owner alone, whole or not at all: what stood there stays until then.

    Raises:
        DiskError: there is no room, or no permission; nothing new stands at ``path``.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        try:
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with open(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(beside, path)
        except BaseException:
            with contextlib.suppress(OSError):
                beside.unlink()
            raise
    except OSError as error:
        raise disk_error(error, path) from error


def existing_parent(path: Path, exists: Callable[[Path], bool]) -> Path:
    """``path`` itself, or the nearest directory above it that is there."""
    while not exists(path) and path.parent != path:
        path = path.parent
    return path


def _make_directory(path: Path) -> None:
    try:
        os.makedirs(path, exist_ok=True)
    except FileNotFoundError:
        # The kernel's own file systems say "no such file" of all that somebody would make there.
        raise PermissionError(errno.EACCES, "nothing can be made there") from None


class RealDisk:
    """The operating system's files, worked on by a bounded pool of threads."""

    def __init__(self, *, workers: int = WORKERS) -> None:
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="soulmesh-disk")

    async def _run(self, path: Path, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, lambda: function(*args, **kwargs))
        except OSError as error:
            raise disk_error(error, path) from error

    def close(self) -> None:
        """Let the worker threads go once they have nothing to do."""
        self._pool.shutdown(wait=False)

    async def stat(self, path: Path) -> FileStat:
        """See :meth:`soulmesh.net.world.Disk.stat`."""
        found = await self._run(path, os.stat, path)
        directory = stat_bits.S_ISDIR(found.st_mode)
        return FileStat(0 if directory else found.st_size, found.st_mtime, directory, found.st_ino)

    async def exists(self, path: Path) -> bool:
        """See :meth:`soulmesh.net.world.Disk.exists`."""
        return await self._run(path, os.path.exists, path)

    async def open_read(self, path: Path) -> RealFile:
        """See :meth:`soulmesh.net.world.Disk.open_read`."""
        return await self._run(path, self._open, path, os.O_RDONLY)

    async def open_write(self, path: Path, *, exclusive: bool = False) -> RealFile:
        """See :meth:`soulmesh.net.world.Disk.open_write`."""
        flags = os.O_RDWR | os.O_CREAT | (os.O_EXCL if exclusive else 0)
        return await self._run(path, self._open, path, flags)

    async def open_append(self, path: Path) -> RealFile:
        """See :meth:`soulmesh.net.world.Disk.open_append`."""
        return await self._run(path, self._open, path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def _open(self, path: Path, flags: int) -> RealFile:
        descriptor = os.open(path, flags | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0), 0o666)
        found = os.fstat(descriptor)
        if stat_bits.S_ISDIR(found.st_mode):
            os.close(descriptor)
            raise IsADirectoryError(errno.EISDIR, "it is a directory")
        return RealFile(self, path, descriptor, found.st_size)

    async def read_bytes(self, path: Path, *, limit: int | None = None) -> bytes:
        """See :meth:`soulmesh.net.world.Disk.read_bytes`."""

        def work() -> bytes:
            with path.open("rb", buffering=0) as file:
                if limit is None:
                    return file.readall()
                # No buffer between: small files are read by the thousand.
                data = file.read(limit + 1) or b""
                while len(data) <= limit and (more := file.read(limit + 1 - len(data))):
                    data += more
                if len(data) > limit:
                    raise FileTooLarge(path, max(os.fstat(file.fileno()).st_size, limit + 1), limit)
                return data

        return await self._run(path, work)

    async def write_atomic(self, path: Path, data: bytes) -> None:
        """See :meth:`soulmesh.net.world.Disk.write_atomic`."""

        await self._run(path, _write_atomic, path, data)

    async def change(self, path: Path, change: Callable[[bytes | None], bytes | None]) -> None:
        """See :meth:`soulmesh.net.world.Disk.change`."""

        def work() -> None:
            # The folder is there before the file, and is not replaced as the file is.
            folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
            try:
                # Some file systems of other machines know no locks.
                with contextlib.suppress(OSError):
                    fcntl.flock(folder, fcntl.LOCK_EX)
                try:
                    found = path.read_bytes()
                except FileNotFoundError:
                    found = None
                data = change(found)
                if data is not None:
                    _write_atomic(path, data)
            finally:
                os.close(folder)

        await self._run(path, work)

    async def replace(self, source: Path, target: Path) -> None:
        """See :meth:`soulmesh.net.world.Disk.replace`."""

        def work() -> None:
            os.replace(source, target)
            _sync_directory(target.parent)

        await self._run(source if not await self.exists(source) else target, work)

    async def rename_new(self, source: Path, target: Path) -> None:
        """See :meth:`soulmesh.net.world.Disk.rename_new`."""

        def work() -> None:
            source_stat = os.stat(source)
            if stat_bits.S_ISDIR(source_stat.st_mode):
                if target.exists():
                    raise FileExistsError(errno.EEXIST, "it is there already")
                os.rename(source, target)
            else:
                _link_or_rename(source, target)
            _sync_directory(target.parent)

        await self._run(source if not await self.exists(source) else target, work)

    async def write_new(self, part: Path, target: Path, data: bytes | bytearray | memoryview) -> None:
        """See :meth:`soulmesh.net.world.Disk.write_new`."""

        await self._run(target, _write_new, part, target, data)

    async def write_all_new(
        self, files: Sequence[tuple[Path, Path, bytes | bytearray | memoryview]]
    ) -> Sequence[DiskError | None]:
        """See :meth:`soulmesh.net.world.Disk.write_all_new`."""

        def work() -> list[DiskError | None]:
            outcomes: list[DiskError | None] = []
            for part, target, data in files:
                try:
                    _write_new(part, target, data)
                except OSError as error:
                    outcomes.append(disk_error(error, target))
                else:
                    outcomes.append(None)
            return outcomes

        # One hop to a thread for many small files: they come by the thousand.
        return await self._run(files[0][1], work) if files else []

    async def make_directory(self, path: Path) -> None:
        """See :meth:`soulmesh.net.world.Disk.make_directory`."""
        await self._run(path, _make_directory, path)

    async def unlink(self, path: Path, *, missing_ok: bool = False) -> None:
        """See :meth:`soulmesh.net.world.Disk.unlink`."""
        try:
            await self._run(path, os.unlink, path)
        except FileMissing:
            if not missing_ok:
                raise

    async def remove_directory(self, path: Path) -> None:
        """See :meth:`soulmesh.net.world.Disk.remove_directory`."""
        await self._run(path, os.rmdir, path)

    async def list(self, path: Path) -> Sequence[str]:
        """See :meth:`soulmesh.net.world.Disk.list`."""
        return sorted(await self._run(path, os.listdir, path))

    async def free_space(self, path: Path) -> int:
        """See :meth:`soulmesh.net.world.Disk.free_space`."""

        def work() -> int:
            where = existing_parent(path.absolute(), Path.exists)
            if hasattr(os, "statvfs"):
                # Both would count as full otherwise, and no room that is made there would help.
                about = os.statvfs(where)
                if about.f_flag & os.ST_RDONLY:
                    raise OSError(errno.EROFS, os.strerror(errno.EROFS))
                if not about.f_blocks:
                    return UNCOUNTED
            return shutil.disk_usage(where).free

        return await self._run(path, work)

    async def same_filesystem(self, one: Path, other: Path) -> bool:
        """See :meth:`soulmesh.net.world.Disk.same_filesystem`."""

        def work() -> bool:
            devices = {os.stat(existing_parent(path.absolute(), Path.exists)).st_dev for path in (one, other)}
            return len(devices) == 1

        return await self._run(one, work)


class RealFile:
    """An open file of :class:`RealDisk`; one object serves reading, writing and appending."""

    def __init__(self, disk: RealDisk, path: Path, descriptor: int, size: int) -> None:
        self._disk = disk
        self._descriptor = descriptor
        self.path = path
        self.size = size

    @property
    def descriptor(self) -> int | None:
        """The system's file descriptor, ``None`` once closed."""
        return self._descriptor if self._descriptor >= 0 else None

    async def read(self, offset: int, count: int) -> bytes:
        """See :meth:`soulmesh.net.world.ReadFile.read`."""

        def work() -> bytes:
            data = os.pread(self._descriptor, count, offset)
            if not data or len(data) == count:
                return data
            parts = [data]
            missing = count - len(data)
            while missing and (data := os.pread(self._descriptor, missing, offset + count - missing)):
                parts.append(data)
                missing -= len(data)
            return b"".join(parts)

        return await self._disk._run(self.path, work)

    async def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """See :meth:`soulmesh.net.world.WriteFile.write`."""

        def work() -> None:
            written = os.pwrite(self._descriptor, data, offset)
            view = memoryview(data)
            while written < len(view):
                written += os.pwrite(self._descriptor, view[written:], offset + written)

        await self._disk._run(self.path, work)

    async def append(self, data: bytes) -> int:
        """See :meth:`soulmesh.net.world.AppendFile.append`."""

        def work() -> int:
            view = memoryview(data)
            while view:
                view = view[os.write(self._descriptor, view) :]
            return os.fstat(self._descriptor).st_size

        return await self._disk._run(self.path, work)

    async def truncate(self, size: int) -> None:
        """See :meth:`soulmesh.net.world.WriteFile.truncate`."""
        await self._disk._run(self.path, lambda: os.ftruncate(self._descriptor, size))

    async def sync(self) -> None:
        """See :meth:`soulmesh.net.world.WriteFile.sync`."""
        await self._disk._run(self.path, lambda: os.fsync(self._descriptor))

    async def close(self) -> None:
        """See :meth:`soulmesh.net.world.ReadFile.close`."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            await self._disk._run(self.path, os.close, descriptor)


def _write_new(part: Path, target: Path, data: bytes | bytearray | memoryview) -> None:
    _make_and(lambda: _write_small(part, data), part.parent)
    _make_and(lambda: _link_or_rename(part, target), target.parent)


def _write_small(path: Path, data: bytes | bytearray | memoryview) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o666)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
    finally:
        os.close(descriptor)


def _write_atomic(path: Path, data: bytes) -> None:
    beside = path.with_name(f".{path.name}.new")
    try:
        with beside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(OSError):
            beside.unlink()
        raise
    _sync_directory(path.parent)


def _link_or_rename(source: Path, target: Path) -> None:
    """Rename a file without ever overwriting another."""
    try:
        # A hard link never overwrites, where a rename would.
        os.link(source, target)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.EXDEV, errno.ENOENT, errno.ENOSPC):
            raise
        # A file system without hard links: the check and the rename are two steps.
        if target.exists():
            raise FileExistsError(errno.EEXIST, "it is there already") from error
        os.rename(source, target)
    else:
        os.unlink(source)


def _make_and(step: Callable[[], object], folder: Path) -> None:
    """Take a step; if its folder is missing, make that and take it again."""
    try:
        step()
    except FileNotFoundError:
        _make_directory(folder)
        step()


def _sync_directory(path: Path) -> None:
    """Make a rename in ``path`` survive a power cut, where the system can."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
