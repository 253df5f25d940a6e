"""The disk's part of a download: the file that grows, what may be resumed, and the move to its place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from soulmesh.client.transfers.layout import incomplete_name, numbered, safe_name
from soulmesh.net.disk import DiskError, FileExists, FileMissing, NameRefused, OtherFilesystem
from soulmesh.net.world import Disk, ReadFile, WriteFile

__all__ = ["COMPARED", "Saving"]

log = logging.getLogger(__name__)

COMPARED = 64 * 1024
"""So many bytes at the end of a part are asked for again, and must be the same."""
_COPY = 1 << 20
GATHER = 0.02
"""Seconds for which small files gather that are to be written."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is on disk of an unfinished file."""

    path: Path
    have: int

    @property
    def offset(self) -> int:
        """Where to ask the peer to start, so that the end of what we have can be compared."""
        return max(0, self.have - COMPARED)


class Saving:
    """Files on their way into the downloads folder."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self._parts: dict[Path, set[str]] = {}
        self._small: list[tuple[Path, Path, bytearray, asyncio.Future[None]]] = []

    async def may_have_part(self, path: Path) -> bool:
        """Whether there could be a part; looks into the folder only once, and remembers what we make."""
        known = self._parts.get(path.parent)
        if known is None:
            try:
                known = set(await self.disk.list(path.parent))
            except FileMissing:
                known = set()
            self._parts[path.parent] = known
        return path.name in known

    def part_path(self, root: Path, username: str, remote_path: str) -> Path:
        """Where an unfinished file grows."""
        return root / incomplete_name(username, remote_path)

    async def have(self, path: Path) -> int:
        """Bytes of the part, 0 if there is none."""
        try:
            return (await self.disk.stat(path)).size
        except FileMissing:
            return 0

    async def open_part(self, path: Path) -> WriteFile:
        """Open a part for writing, making its folder if needed."""
        if path.parent in self._parts:
            self._parts[path.parent].add(path.name)
        try:
            return await self.disk.open_write(path)
        except FileMissing:
            await self.disk.make_directory(path.parent)
            return await self.disk.open_write(path)

    async def quarantine(self, path: Path) -> Path | None:
        """Put a part aside, under a name that nothing uses; ``None`` if there was none."""
        folder = path.parent / "quarantine"
        for name in numbered(path.name):
            try:
                await self.disk.rename_new(path, folder / name)
            except FileExists:
                continue
            except FileMissing:
                if not await self.disk.exists(path):
                    return None
                await self.disk.make_directory(folder)
                await self.disk.rename_new(path, folder / name)
            return folder / name
        raise AssertionError("numbers never end")

    async def save_small(
        self,
        part: Path,
        target: Path,
        data: bytearray,
        intend: Callable[[Path], object],
        *,
        alone: bool = True,
    ) -> Path:
        """Write a small file that came in one piece, and move it to its place or to a free number beside it.

        One that is not ``alone``, because others are on their way, waits a moment for them: what has
        gathered is one piece of work for the disk.

        Raises:
            DiskError: it could not be written.
        """
        chosen = target
        for name in numbered(target.name):
            if name != target.name:
                chosen = target.with_name(name)
            intend(chosen)
            try:
                await self._write_together(part, chosen, data, 0.0 if alone else GATHER)
            except FileExists:
                continue
            return chosen
        raise AssertionError("numbers never end")

    async def _write_together(self, part: Path, target: Path, data: bytearray, patience: float) -> None:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._small.append((part, target, data, done))
        if len(self._small) > 1:
            await done
            return
        # The first one waits for the others, and then works for all.
        files: list[tuple[Path, Path, bytearray, asyncio.Future[None]]] = []
        try:
            try:
                if patience:
                    await asyncio.sleep(patience)
            finally:
                files, self._small = self._small, files
            outcomes = await self.disk.write_all_new([file[:3] for file in files])
        except BaseException as error:
            for *_, waiting in files[1:]:
                if isinstance(error, Exception) and not waiting.done():
                    waiting.set_exception(error)
                waiting.cancel()
            raise
        for (*_, waiting), problem in zip(files, outcomes, strict=True):
            if waiting.done():
                continue  # nobody waits for it any more
            if problem is None:
                waiting.set_result(None)
            else:
                waiting.set_exception(problem)
        await done

    async def holds(self, path: Path, data: bytes | bytearray | None, size: int) -> bool:
        """Whether the file at ``path`` is there with ``size`` bytes, and with these very ones if given."""
        try:
            if (await self.disk.stat(path)).size != size:
                return False
            return data is None or await self.disk.read_bytes(path, limit=size) == bytes(data)
        except DiskError:
            return False

    async def portable(self, target: Path) -> Path:
        """The same place by names that any file system takes; what is there of it keeps its name."""
        missing = [target.name]
        above = target.parent
        while above != above.parent and not await self._there(above):
            missing.append(above.name)
            above = above.parent
        return above.joinpath(*(safe_name(name, portable=True) for name in reversed(missing)))

    async def _there(self, path: Path) -> bool:
        try:
            return await self.disk.exists(path)
        except NameRefused:
            return False

    async def place(self, part: Path, target: Path, intend: Callable[[Path], Awaitable[None]]) -> Path:
        """Move a finished part to ``target``, or to the same name with a number if that is taken.

        Atomic: a file under a final name is always whole. ``intend`` is told
        each place before it is tried, so that a crash between the move and
        its being written down can be understood.

        Raises:
            DiskError: it could not be moved.
        """
        for name in numbered(target.name):
            chosen = target.with_name(name)
            if await self.disk.exists(chosen):
                continue
            await intend(chosen)
            try:
                await self._move(part, chosen)
            except FileExists:
                continue
            return chosen
        raise AssertionError("numbers never end")

    async def copy_beside(self, source: Path, target: Path) -> Path:
        """Copy a finished file to ``target``, or to the same name with a number if that is taken.

        Raises:
            DiskError: it could not be copied.
        """
        beside = target.with_name(f".{target.name[:100]}.copy")
        await self.disk.make_directory(target.parent)
        try:
            await self._copy(source, beside)
            for name in numbered(target.name):
                try:
                    await self.disk.rename_new(beside, target.with_name(name))
                except FileExists:
                    continue
                return target.with_name(name)
        except DiskError:
            await self.disk.unlink(beside, missing_ok=True)
            raise
        raise AssertionError("numbers never end")

    async def _move(self, part: Path, target: Path) -> None:
        try:
            await self.disk.rename_new(part, target)
        except FileMissing:
            if not await self.disk.exists(part):
                raise
            await self.disk.make_directory(target.parent)
            await self._move_anywhere(part, target)
        except OtherFilesystem:
            await self._move_anywhere(part, target)

    async def _move_anywhere(self, part: Path, target: Path) -> None:
        try:
            await self.disk.rename_new(part, target)
        except OtherFilesystem:
            # Copy beside the target first, so that the last step is a rename all the same.
            beside = target.with_name(f".{part.name}")
            await self._copy(part, beside)
            try:
                await self.disk.rename_new(beside, target)
            except FileExists:
                await self.disk.unlink(beside, missing_ok=True)
                raise
            await self.disk.unlink(part, missing_ok=True)

    async def _copy(self, source: Path, target: Path) -> None:
        reading: ReadFile = await self.disk.open_read(source)
        try:
            writing = await self.disk.open_write(target)
            try:
                await writing.truncate(0)
                offset = 0
                while data := await reading.read(offset, _COPY):
                    await writing.write(offset, data)
                    offset += len(data)
                await writing.sync()
            finally:
                await writing.close()
        finally:
            await reading.close()
