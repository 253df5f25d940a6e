"""The immutable base of the index, read through a memory map.

Postings are deserialised from the map when they are asked for: one microsecond
for a small one. Larger ones are kept, up to :data:`KEEP_BYTES`.
"""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path
from struct import Struct
from typing import Any, Final

from pyroaring import BitMap

from soulmesh.client.shares.build import FORMAT, SIGN_THRESHOLD, RootSpan, usable_sign
from soulmesh.client.shares.entries import searchable
from soulmesh.client.shares.mapped import DamagedFile, MappedFile
from soulmesh.client.shares.words import BLOCK, WordTable
from soulmesh.core.query import fold

__all__ = ["Base"]

KEEP_BYTES: Final = 16 << 20
KEEP_FROM: Final = 4096
KEPT_FOLDERS: Final = 4096
KEPT_WORDS: Final = 4096
LONGEST_KEPT: Final = 32
ONE_READ: Final = 8192
SAMPLED: Final = 32
"""Of so many folders, the name of one is kept in memory once folders are looked up."""

_U32: Final = Struct("<I")
_ENTRY_HEAD: Final = Struct("<BI")
LONGEST_HEAD: Final = 1024
_HEADS: Final = [_ENTRY_HEAD.pack(1, size) for size in range(LONGEST_HEAD)]
"""The beginnings of entries, by the size of the path."""

Piece = tuple[int, str, int]
"""A posting not read yet: its size in bytes, the section it is in, its number there."""


def _key(text: str) -> bytes:
    """A word as the tables hold it. Half a surrogate pair, which is in no name, is not found and no error."""
    return text.encode("utf-8", "surrogatepass")


class Base:
    """A mapped generation of the index.

    Raises:
        DamagedFile: the file is missing, damaged or of another format.
    """

    def __init__(self, path: Path) -> None:
        file = MappedFile(path)
        self.file = file
        self.path = path
        self.about: dict[str, Any] = file.about
        if self.about.get("format") != FORMAT:
            raise DamagedFile(path, "written by another version")
        self.files: int = self.about["files"]
        self.folders: int = self.about["folders"]
        self.roots = [RootSpan(r[0], bytes.fromhex(r[1]), *r[2:]) for r in self.about["roots"]]
        self._spans = {span.root: span for span in self.roots}
        self._listing_at = file.offset("listing")
        self._descriptor = file.descriptor
        self.entry_at = file.numbers("entry_at")
        self.folder_at = file.copied_numbers("folder_at")
        self.folder_first = file.copied_numbers("folder_first")
        self._folder_of = file.numbers("folder_of")
        self._folder_names = file.copied("folder_names")
        self._folder_name_at = file.copied_numbers("folder_name_at")
        self._words = WordTable(file, "words", self.about["word_blocks"])
        self._signs = WordTable(file, "signs", self.about["sign_blocks"])
        self._sections = {
            name: (file.section(name), file.numbers(offsets))
            for name, offsets in (
                ("postings", "posting_at"),
                ("blocks", "block_at"),
                ("superblocks", "superblock_at"),
                ("sign_postings", "sign_at"),
            )
        }
        self._kept: OrderedDict[tuple[str, int], BitMap] = OrderedDict()
        self._kept_bytes = 0
        self._found: dict[str, Piece | None] = {}
        self._folded_folders: dict[int, str] = {}
        self._folder_samples: dict[int, list[bytes]] = {}
        self._last_folder: tuple[bytes | None, dict[bytes, int]] = (None, {})

    # Postings

    def _piece(self, section: str, number: int) -> Piece:
        offsets = self._sections[section][1]
        return offsets[number + 1] - offsets[number], section, number

    def load(self, piece: Piece) -> BitMap:
        """The bitmap of a piece. Not to be changed: it may be kept for the next query.

        Raises:
            DamagedFile: something has overwritten the file since it was opened.
        """
        size, section, number = piece
        key = (section, number)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        data, offsets = self._sections[section]
        start = offsets[number]
        try:
            posting = BitMap.deserialize(data[start : start + size])  # type: ignore[arg-type]  # any buffer
        except ValueError as error:
            # It was right when the file was opened.
            raise DamagedFile(self.path, f"{section} is damaged") from error
        if size >= KEEP_FROM:
            self._kept[key] = posting
            self._kept_bytes += size
            while self._kept_bytes > KEEP_BYTES:
                (_, _), dropped = self._kept.popitem(last=False)
                self._kept_bytes -= len(dropped.serialize())
        return posting

    def word(self, word: str, sign: str = "") -> Piece | None:
        """The files with a word; with ``sign``, at least those where the sign follows it. None: no file."""
        key = word + sign
        try:
            return self._found[key]
        except KeyError:
            pass
        piece = self._find_word(word, sign)
        if len(self._found) >= KEPT_WORDS:
            self._found.clear()
        if len(key) <= LONGEST_KEPT:
            self._found[key] = piece
        return piece

    def _find_word(self, word: str, sign: str) -> Piece | None:
        number = self._words.number(_key(word[::-1]))
        if number < 0:
            return None
        if sign and usable_sign(sign):
            pair = self._signs.number(_key(word + sign))
            if pair >= 0:
                return self._piece("sign_postings", pair)
            piece = self._piece("postings", number)
            # each sign of a common word has its posting: this one never follows it
            if piece[0] > SIGN_THRESHOLD and len(self.load(piece)) > SIGN_THRESHOLD:
                return None
            return piece
        return self._piece("postings", number)

    def ending(self, tail: str) -> list[Piece]:
        """Pieces whose union is the files with a word that ends like this."""
        low, high = self._words.prefixed(_key(tail[::-1]))
        pieces: list[Piece] = []
        while low < high:
            if low % BLOCK == 0 and high - low >= BLOCK:
                block = low // BLOCK
                if block % BLOCK == 0 and high - low >= BLOCK * BLOCK:
                    pieces.append(self._piece("superblocks", block // BLOCK))
                    low += BLOCK * BLOCK
                else:
                    pieces.append(self._piece("blocks", block))
                    low += BLOCK
            else:
                pieces.append(self._piece("postings", low))
                low += 1
        return pieces

    # Files and folders. The listing is read, not mapped: it is the largest section, and what was
    # read once would count as memory of this process for good.

    def read(self, start: int, end: int) -> bytes:
        """Bytes of the listing."""
        return os.pread(self._descriptor, end - start, self._listing_at + start)

    def folder_of(self, number: int) -> int:
        """The folder that a file lies in."""
        return int(self._folder_of[number])

    def folder_name(self, folder: int) -> bytes:
        """The remote path of a folder."""
        at = self._folder_name_at
        return self._folder_names[at[folder] : at[folder + 1] - 1]

    def entry_end(self, number: int, folder: int) -> int:
        """Where the entry of a file ends in the listing."""
        if number + 1 == self.folder_first[folder + 1]:
            return int(self.folder_at[folder + 1])
        return int(self.entry_at[number + 1])

    def entry(self, number: int) -> bytes:
        """The packed entry of a file, as a listing has it."""
        return self.read(self.entry_at[number], self.entry_end(number, self.folder_of(number)))

    def name(self, number: int) -> bytes:
        """The name of a file, without its folder."""
        entry = self.entry(number)
        return entry[5 : 5 + _U32.unpack_from(entry, 1)[0]]

    def remote_path(self, number: int) -> bytes:
        """The whole remote path of a file."""
        return self.folder_name(self.folder_of(number)) + b"\\" + self.name(number)

    def folded_path(self, number: int) -> str:
        """The path of a file as queries are compared with it."""
        folder = self.folder_of(number)
        text = self._folded_folders.get(folder)
        if text is None:
            if len(self._folded_folders) >= KEPT_FOLDERS:
                self._folded_folders.clear()
            text = "\\".join(fold(searchable(part)) for part in self.folder_name(folder).split(b"\\")) + "\\"
            self._folded_folders[folder] = text
        entry = self.read(self.entry_at[number], self.entry_end(number, folder))
        return text + fold(searchable(entry[5 : 5 + _U32.unpack_from(entry, 1)[0]]))

    def answer_entries(self, numbers: Sequence[int]) -> list[bytes]:
        """The packed entries of files with their whole paths, as a search answer has them.

        Neighbours in a folder, which is how the files of an album come, are read in one go.
        """
        folder_of = self._folder_of
        folders = [folder_of[number] for number in numbers]
        if 2 * len(set(folders)) < len(folders):
            return self._neighbours(numbers, folders)
        # Spread over folders, hardly two together: this loop is most of what a reply costs.
        entry_at, folder_at, names, name_at = (
            self.entry_at, self.folder_at, self._folder_names, self._folder_name_at,
        )  # fmt: skip
        descriptor, listing_at, pread, heads, u32 = (
            self._descriptor, self._listing_at, os.pread, _HEADS, _U32.unpack_from,
        )  # fmt: skip
        entries: list[bytes] = []
        add = entries.append
        for number, folder in zip(numbers, folders, strict=True):
            start = entry_at[number]
            end = entry_at[number + 1] if folder_of[number + 1] == folder else folder_at[folder + 1]
            path = names[name_at[folder] : name_at[folder + 1]]
            length = end - start
            data = pread(descriptor, length, listing_at + start)
            size = len(path) + (data[1] if length < 256 else u32(data, 1)[0])
            add((heads[size] if size < LONGEST_HEAD else _ENTRY_HEAD.pack(1, size)) + path + data[5:])
        return entries

    def _neighbours(self, numbers: Sequence[int], folders: Sequence[int]) -> list[bytes]:
        """The entries of files several of which lie in one folder."""
        entry_at, u32, head = self.entry_at, _U32.unpack_from, _ENTRY_HEAD.pack
        entries: list[bytes] = []
        count = len(numbers)
        at = 0
        while at < count:
            number, folder = numbers[at], folders[at]
            start, end = entry_at[number], self.entry_end(number, folder)
            spans = [(start, end)]
            at += 1
            while at < count and folders[at] == folder and number < numbers[at]:
                number = numbers[at]
                if entry_at[number] > start + ONE_READ:
                    break
                end = self.entry_end(number, folder)
                spans.append((entry_at[number], end))
                at += 1
            path = self.folder_name(folder) + b"\\"
            data = self.read(start, end)
            for begin, stop in spans:
                begin -= start
                entries.append(
                    head(1, len(path) + u32(data, begin + 1)[0]) + path + data[begin + 5 : stop - start]
                )
        return entries

    def span(self, root: int) -> RootSpan | None:
        """Where a root lies, by its number."""
        return self._spans.get(root)

    def find_folder(self, span: RootSpan, remote_path: bytes) -> int | None:
        """The number of a folder."""
        low, high = span.first_folder, span.end_folder
        samples = self._folder_samples.get(span.root)
        if samples is None:
            samples = [self.folder_name(folder) for folder in range(low, high, SAMPLED)]
            self._folder_samples[span.root] = samples
        # All but the last few steps among names in memory
        step = bisect_right(samples, remote_path)
        low, high = low + max(0, step - 1) * SAMPLED, min(high, low + step * SAMPLED)
        at = bisect_left(range(low, high), remote_path, key=self.folder_name) + low
        return at if at < high and self.folder_name(at) == remote_path else None

    def folders_below(self, span: RootSpan, remote_path: bytes) -> range:
        """The numbers of the folders below one, which need not have files itself."""
        every = range(span.first_folder, span.end_folder)
        low = bisect_left(every, remote_path + b"\\", key=self.folder_name)
        high = bisect_left(every, remote_path + b"]", low, key=self.folder_name)
        return every[low:high]

    def find(self, span: RootSpan, folder: bytes, name: bytes) -> int | None:
        """The number of a file. Files of one folder are asked for one after the other, so it is kept."""
        if self._last_folder[0] != folder:
            number = self.find_folder(span, folder)
            names: dict[bytes, int] = {}
            if number is not None:
                first, end = self.folder_first[number], self.folder_first[number + 1]
                start = self.entry_at[first] if first < end else 0
                data = self.read(start, self.folder_at[number + 1]) if first < end else b""
                for at in range(first, end):
                    begin = self.entry_at[at] - start + 5
                    names[data[begin : begin + _U32.unpack_from(data, begin - 4)[0]]] = at
            self._last_folder = (folder, names)
        return self._last_folder[1].get(name)

    def folder_entries(self, folder: int) -> Iterator[tuple[bytes, bytes]]:
        """The names in a folder with their packed entries, read in one go."""
        first, end = self.folder_first[folder], self.folder_first[folder + 1]
        if first == end:
            return
        start = self.entry_at[first]
        data = self.read(start, self.folder_at[folder + 1])
        for number in range(first, end):
            at = self.entry_at[number] - start
            stop = self.entry_at[number + 1] - start if number + 1 < end else len(data)
            yield data[at + 5 : at + 5 + _U32.unpack_from(data, at + 1)[0]], data[at:stop]
