"""The two large replies, read and written without holding them whole.

A search reply can be recognised by its ticket after inflating a few hundred
bytes. A shares reply can be read and written folder by folder.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from soulmesh.errors import DecodeError, UsageError
from soulmesh.wire.codec import Unreadable, compile_reader, compile_writer
from soulmesh.wire.frames import frame_header
from soulmesh.wire.inflate import COMPRESSION_LEVEL, inflate_start
from soulmesh.wire.message import MIB, Struct
from soulmesh.wire.message import struct as struct_
from soulmesh.wire.peer import PeerSearchReply, PeerSharesReply
from soulmesh.wire.structs import DirectoryData, FileData
from soulmesh.wire.text import text
from soulmesh.wire.types import U32, String

__all__ = [
    "SearchReplyHead",
    "SharedDirectory",
    "SharesReader",
    "SharesWriter",
    "search_reply_head",
]

_NAME_LIMIT = 256
_ENTRY_LIMIT = MIB
_SEARCH = PeerSearchReply.LAYOUT.name
_SHARES = PeerSharesReply.LAYOUT.name
_SHARES_CODE = PeerSharesReply.LAYOUT.code or 0
_U32 = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class SearchReplyHead:
    """Who answers, and which search."""

    username: str
    ticket: int


def search_reply_head(frame: bytes) -> SearchReplyHead:
    """The first two fields of a PeerSearchReply, after inflating only its first bytes.

    Args:
        frame: a whole frame, or at least its first few hundred bytes.

    Raises:
        DecodeError: no zlib stream, a user name of more than 256 bytes, or too few bytes.
    """
    start = inflate_start(frame, 8, 4 + _NAME_LIMIT + 4, _SEARCH)
    if len(start) < 8:
        raise DecodeError("ends before the ticket", message=_SEARCH, field="username", offset=0)
    (size,) = _U32.unpack_from(start)
    if size > _NAME_LIMIT:
        reason = f"a user name of {size} bytes is longer than {_NAME_LIMIT}"
        raise DecodeError(reason, message=_SEARCH, field="username", offset=0)
    if len(start) < 8 + size:
        raise DecodeError("ends before the ticket", message=_SEARCH, field="ticket", offset=4 + size)
    (ticket,) = _U32.unpack_from(start, 4 + size)
    return SearchReplyHead(text(start[4 : 4 + size]), ticket)


@dataclass(frozen=True, slots=True)
class SharedDirectory:
    """One directory of a shares reply; ``locked`` ones are shown but may not be downloaded from."""

    directory: DirectoryData
    locked: bool


@struct_
class _DirectoryHead(Struct):
    name: String
    count: U32


class SharesReader:
    """Reads the body of a PeerSharesReply as it comes in, one directory at a time.

    Only the directory under way and one piece of inflated bytes are held. Give
    it the bytes after length and code to :meth:`feed`, in any pieces.

    Args:
        inflated_limit: most bytes that may be inflated in all.
        directory_limit: most bytes that one directory may take.
    """

    _PIECE = 256 * 1024

    def __init__(
        self,
        *,
        inflated_limit: int = PeerSharesReply.LAYOUT.inflated_limit,
        directory_limit: int = 64 * MIB,
    ) -> None:
        self._stream = zlib.decompressobj()
        self._inflated_limit = inflated_limit
        self._directory_limit = directory_limit
        self._inflated = 0
        self._data = b""
        self._at = 0
        self._directory: str | None = None
        self._files: list[FileData] = []
        self._directory_bytes = 0
        self._files_left = 0
        self._expect: str = "directories"
        self._trailing = 0
        self._left = 0
        self.complete = False
        """Whether everything that the reply must hold has been read."""

    def feed(self, data: bytes) -> Iterator[SharedDirectory]:
        """Take bytes of the body in, give the directories that they complete.

        This is a generator: what is inflated while it runs is bounded, so run it to
        its end before feeding more.

        Raises:
            DecodeError: broken compression, counts that cannot be, or beyond a limit.
        """
        pending: bytes = data
        # What comes after the end of the stream is ignored; zlib would keep it all.
        while not self._stream.eof and self._trailing <= MIB:
            try:
                piece = self._stream.decompress(pending, self._PIECE)
            except zlib.error as error:
                raise DecodeError(f"the compressed body is broken: {error}", message=_SHARES) from None
            pending = self._stream.unconsumed_tail
            self._inflated += len(piece)
            if self._inflated > self._inflated_limit:
                raise DecodeError(f"inflates to more than {self._inflated_limit} bytes", message=_SHARES)
            self._data = self._data[self._at :] + piece if self._at < len(self._data) else piece
            self._at = 0
            yield from self._read()
            if not (pending or len(piece) == self._PIECE):
                return

    def close(self) -> None:
        """Say that the reply has ended.

        Raises:
            DecodeError: it ended early.
        """
        if not self._stream.eof and self._trailing <= MIB:
            raise DecodeError("the compressed body ends early", message=_SHARES)
        if not self.complete:
            raise DecodeError("ends inside a list of directories", message=_SHARES, field=self._expect)

    def _number(self) -> int | None:
        if len(self._data) - self._at < 4:
            return None
        (number,) = _U32.unpack_from(self._data, self._at)
        self._at += 4
        return int(number)

    def _read(self) -> Iterator[SharedDirectory]:
        while True:
            if self._left or self._directory is not None:
                found = self._read_directory()
                if found is None:
                    return
                self._left -= 1
                yield SharedDirectory(found, self._expect == "locked_directories")
                if not self._left:
                    self._next_list()
                continue
            if self._expect == "end":
                # Bytes after the last known field are ignored, and not kept either.
                self._trailing += len(self._data) - self._at
                self._at = len(self._data)
                return
            number = self._number()
            if number is None:
                return
            if self._expect == "unknown":
                self._expect = "locked_directories"
                continue
            if number * 8 > self._inflated_limit:
                reason = f"{number} directories cannot fit into {self._inflated_limit} bytes"
                raise DecodeError(reason, message=_SHARES, field=self._expect)
            self._left = number
            if not number:
                self._next_list()

    def _next_list(self) -> None:
        self.complete = True
        self._expect = "unknown" if self._expect == "directories" else "end"

    def _read_directory(self) -> DirectoryData | None:
        """The directory under way, if all of it is here."""
        began = self._at
        if self._directory is None:
            try:
                head, self._at = _reader(_DirectoryHead)(self._data, self._at)
            except (Unreadable, struct.error):
                self._still(began)
                return None
            if head.count * 21 > self._directory_limit:
                reason = f"{head.count} files cannot fit into {self._directory_limit} bytes"
                raise DecodeError(reason, message=_SHARES, field=f"{self._expect}.files")
            self._directory, self._files = head.name, []
            self._directory_bytes = 0
            self._files_left = head.count
        read, data, files = _reader(FileData), self._data, self._files
        while self._files_left:
            try:
                entry, after = read(data, self._at)
            except (Unreadable, struct.error):
                self._still(began)
                return None
            files.append(entry)
            self._at = after
            self._files_left -= 1
        done, self._directory = DirectoryData(self._directory, files), None
        return done

    def _still(self, began: int) -> None:
        """More bytes are needed: refuse if one directory, or one entry in it, asks for too many."""
        self._directory_bytes += self._at - began
        waiting = len(self._data) - self._at
        field = self._expect if self._directory is None else f"{self._expect}.files"
        if self._directory_bytes + waiting > self._directory_limit:
            reason = f"one directory takes more than {self._directory_limit} bytes"
            raise DecodeError(reason, message=_SHARES, field=field)
        # A name takes some hundred bytes, and what waits is copied with every piece that comes in.
        if waiting > _ENTRY_LIMIT:
            reason = f"one entry takes more than {_ENTRY_LIMIT} bytes"
            raise DecodeError(reason, message=_SHARES, field=field)


class SharesWriter:
    """Writes a PeerSharesReply folder by folder, compressed as it goes.

    The length of a frame comes before it, so the compressed body has to be put
    somewhere (a file) until :meth:`finish` has said how long it is::

        writer = SharesWriter(directories=len(folders))
        for folder in folders:
            spool.write(writer.add(folder))
        spool.write(writer.finish())
        stream.write(writer.header())
        # then everything in the spool

    Args:
        directories: how many directories will be added first.
        locked_directories: how many locked ones will follow; ``None`` leaves the list out.
        level: of compression.
    """

    def __init__(
        self, directories: int, locked_directories: int | None = None, *, level: int = COMPRESSION_LEVEL
    ) -> None:
        self._stream = zlib.compressobj(level)
        self._write = compile_writer(DirectoryData)
        self._left = directories
        self._locked_left = locked_directories or 0
        self._start = _U32.pack(directories)
        # Between the two lists stands an unknown number, always 0.
        self._tail = _U32.pack(0)
        if locked_directories is not None:
            self._tail += _U32.pack(locked_directories)
        self._size = 0
        self._finished = False

    def add(self, directory: DirectoryData) -> bytes:
        """The next piece of the compressed body (often empty)."""
        return self.add_packed(self._write(directory))

    def add_packed(self, directory: bytes) -> bytes:
        """Like :meth:`add`, for a directory that has been written already.

        Raises:
            UsageError: more directories than were announced.
        """
        start, self._start = self._start, b""
        if self._left:
            self._left -= 1
        elif self._locked_left:
            start, self._tail = start + self._tail, b""
            self._locked_left -= 1
        else:
            raise UsageError("more directories were added than announced")
        return self._out(self._stream.compress(start + directory))

    def finish(self) -> bytes:
        """The last piece of the compressed body.

        Raises:
            UsageError: fewer directories were added than announced.
        """
        if self._left or self._locked_left:
            raise UsageError("fewer directories were added than announced")
        last = self._stream.compress(self._start + self._tail) + self._stream.flush()
        self._finished = True
        return self._out(last)

    def header(self) -> bytes:
        """Length and code, to be sent before the body.

        Raises:
            UsageError: the body is not finished, so its length is not known.
        """
        if not self._finished:
            raise UsageError("the length is known only when the body is finished")
        return frame_header(4, _SHARES_CODE, self._size)

    def _out(self, piece: bytes) -> bytes:
        self._size += len(piece)
        return piece


_READERS: dict[type[Struct], Callable[[bytes, int], tuple[Any, int]]] = {}


def _reader(cls: type[Struct]) -> Callable[[bytes, int], tuple[Any, int]]:
    if cls not in _READERS:
        _READERS[cls] = compile_reader(cls)
    return _READERS[cls]
