"""A file of named sections, written once, checked once, then read through a memory map.

::

    magic (8) | table offset (u64) | table size (u32) | checksum of the table (u32)
    section, padded to 8 bytes | section | ...
    table: JSON, {"sections": {name: [offset, size, crc32]}, "about": {...}}

A file is never changed once it has its name: a mapping of a file that shrinks
kills the process. A new generation is written beside the old one and renamed.
"""

from __future__ import annotations

import json
import mmap
import os
from array import array
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from zlib import crc32

from soulmesh.client.shares.aside import make_room
from soulmesh.errors import SoulmeshError

__all__ = ["DamagedFile", "MappedFile", "SectionWriter"]

MAGIC: Final = b"smshare1"
HEADER_BYTES: Final = 24
CHUNK: Final = 1 << 20


class DamagedFile(SoulmeshError):
    """A stored file is not what was written: cut short, overwritten, or of another version."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path} cannot be used: {self.reason}"


class SectionWriter:
    """Writes the sections one after the other, under a temporary name until :meth:`finish`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._temporary = path.with_name(f"{path.name}.{os.getpid()}.part")
        self._file = open(self._temporary, "wb", buffering=1 << 20)  # noqa: SIM115 - closed in finish and discard
        self._file.write(bytes(HEADER_BYTES))
        self._sections: dict[str, tuple[int, int, int]] = {}
        self._position = HEADER_BYTES
        self._checksum = 0
        self._begun = HEADER_BYTES

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append to the section under way."""
        self._checksum = crc32(data, self._checksum)
        self._file.write(data)
        self._position += len(data)

    @property
    def position(self) -> int:
        """Bytes written into the section under way."""
        return self._position - self._begun

    def close_section(self, name: str) -> None:
        """Everything written since the last call is the section ``name``."""
        self._sections[name] = (self._begun, self._position - self._begun, self._checksum)
        padding = -self._position % 8
        self._file.write(bytes(padding))
        self._position += padding
        self._begun = self._position
        self._checksum = 0

    def section(self, name: str, data: bytes | bytearray | memoryview) -> None:
        """A section in one piece."""
        self.write(data)
        self.close_section(name)

    def finish(self, about: dict[str, Any]) -> None:
        """Write the table, make the bytes durable, and give the file its name."""
        table = json.dumps({"sections": self._sections, "about": about}).encode()
        self._file.write(table)
        self._file.seek(0)
        self._file.write(
            MAGIC
            + self._position.to_bytes(8, "little")
            + len(table).to_bytes(4, "little")
            + crc32(table).to_bytes(4, "little")
        )
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        make_room(self.path)
        os.replace(self._temporary, self.path)

    def discard(self) -> None:
        """Give up: nothing stays on disk."""
        with suppress(OSError):  # closing writes what is buffered, and the disk may be full
            self._file.close()
        self._temporary.unlink(missing_ok=True)

    def __enter__(self) -> SectionWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.discard()


class MappedFile:
    """A finished file, checked and mapped.

    The check reads the file with ordinary reads, so that its pages are warm but
    count as cache, not as memory of this process, until they are asked for.

    Raises:
        DamagedFile: missing, cut short, or a checksum does not agree.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            raise DamagedFile(path, error.strerror or str(error)) from error
        try:
            self.size = os.fstat(self._descriptor).st_size
            self._sections = self._check()
            self._view = memoryview(mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ))
        except OSError as error:  # a folder, or a disk that cannot be read
            raise DamagedFile(path, error.strerror or str(error)) from error

    def __del__(self) -> None:
        # Readers in threads hold on to the file for as long as they need it; the mapping
        # ends by itself with the last view.
        if hasattr(self, "_descriptor"):
            os.close(self._descriptor)

    def _check(self) -> dict[str, tuple[int, int, int]]:
        header = os.pread(self._descriptor, HEADER_BYTES, 0)
        if len(header) < HEADER_BYTES or header[:8] != MAGIC:
            raise DamagedFile(self.path, "not written by this version")
        offset = int.from_bytes(header[8:16], "little")
        length = int.from_bytes(header[16:20], "little")
        # Numbers that were overwritten may be more than the system can read, or than there is memory for.
        if offset + length > self.size:
            raise DamagedFile(self.path, "it is cut short, or its header is damaged")
        table = os.pread(self._descriptor, length, offset)
        if not table or crc32(table) != int.from_bytes(header[20:24], "little"):
            raise DamagedFile(self.path, "its table is damaged")
        try:
            parsed = json.loads(table)
            self.about: dict[str, Any] = parsed["about"]
            sections = {name: (at, size, crc) for name, (at, size, crc) in parsed["sections"].items()}
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedFile(self.path, "its table is not one of ours") from error
        buffer = memoryview(bytearray(CHUNK))
        for name, (at, size, expected) in sections.items():
            checksum = 0
            if not 0 <= at <= at + size <= self.size:
                raise DamagedFile(self.path, f"{name} is cut short")
            while size:
                got = os.preadv(self._descriptor, [buffer[: min(size, CHUNK)]], at)
                if not got:
                    raise DamagedFile(self.path, f"{name} is cut short")
                checksum = crc32(buffer[:got], checksum)
                size -= got
                at += got
            if checksum != expected:
                raise DamagedFile(self.path, f"{name} is damaged")
        return sections

    def section(self, name: str) -> memoryview:
        """The bytes of a section, not copied."""
        at, size, _ = self._sections[name]
        return self._view[at : at + size]

    def offset(self, name: str) -> int:
        """Where a section begins in the file, for plain reads."""
        return self._sections[name][0]

    @property
    def descriptor(self) -> int:
        """The open file, for as long as this object lives."""
        return self._descriptor

    def numbers(self, name: str) -> memoryview:
        """A section written from an ``array``: an indexable view of its items."""
        kind = self.about["arrays"][name]
        return self.section(name).cast(kind)

    def copied(self, name: str) -> bytes:
        """The bytes of a section, in memory: for small ones that are looked into all the time."""
        at, size, _ = self._sections[name]
        return os.pread(self._descriptor, size, at)

    def copied_numbers(self, name: str) -> array[int]:
        """The same for a section written from an ``array``."""
        return array(self.about["arrays"][name], self.copied(name))
