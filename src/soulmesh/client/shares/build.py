"""Writes the immutable base of the index: one file of sections, from folders in order.

Files are numbered folder by folder, so the files of a folder are one range and
a word of the folder's name is one run in its posting. The sections:

=================  ======================================================================
``listing``        folder header, its entries, next folder header, ...: the body of a
                   browse reply, word for word; also what search answers are cut from
``entry_at``       u32/u64 per file: where its entry begins in ``listing``
``folder_at``      the same per folder, and one more: the end
``folder_names``   the remote paths of the folders with a backslash behind each, for search answers
``folder_name_at`` where each begins, and the end
``folder_first``   u32 per folder, and one more: the number of its first file
``folder_of``      u32 per file, and one more: the number of its folder
``words``          reversed words, sorted (:mod:`soulmesh.client.shares.words`)
``postings``       one roaring bitmap per word; ``posting_at`` their offsets
``blocks``         the union of every 64 neighbouring postings; ``block_at``
``superblocks``    the union of every 64 of those; ``superblock_at``
``signs``          word and following sign ("live.") of words in over 256 files
``sign_postings``  one bitmap per such pair; ``sign_at``
=================  ======================================================================

Unions make a wildcard, ``*g`` as well, at most a few hundred bitmaps; pairs of
word and sign narrow ``live.mp3`` down before any name is looked at.
"""

from __future__ import annotations

import re
from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path
from typing import Any, Final

from pyroaring import BitMap

from soulmesh.client.shares.entries import pack_entry, pack_folder_header, searchable
from soulmesh.client.shares.mapped import SectionWriter
from soulmesh.client.shares.words import BLOCK, write_words
from soulmesh.core.query import fold

__all__ = ["SIGN_THRESHOLD", "BaseBuilder", "FileRecord", "RootSpan", "usable_sign"]

SIGN_THRESHOLD: Final = 256
"""Words in more files than this have a posting for each sign that follows them."""

FORMAT: Final = 3

# A word takes the sign behind it along, so that one pass serves both kinds of posting.
_TOKEN: Final = re.compile(r"[^\W_]+[\W_]?")

FileRecord = tuple[bytes, int, bytes]
"""Name, size in bytes, packed attributes."""


def usable_sign(sign: str) -> bool:
    """Whether postings exist for a sign: white space never stands in a term, and
    the backslash is not kept because it joins folders, which are read apart."""
    return not sign.isspace() and sign != "\\"


@dataclass(frozen=True, slots=True)
class RootSpan:
    """Where a root lies in a base: its folders and its files, first and one past the last."""

    root: int
    name: bytes
    first_folder: int
    end_folder: int
    first_file: int
    end_file: int


class BaseBuilder:
    """Takes roots, folders in order of their remote paths, and files in order of their names."""

    def __init__(self, path: Path) -> None:
        self._writer = SectionWriter(path)
        self._names: defaultdict[str, array[int]] = defaultdict(lambda: array("I"))
        self._ranges: defaultdict[str, array[int]] = defaultdict(lambda: array("I"))
        self._entry_at = array("Q")
        self._folder_at = array("Q")
        self._folder_first = array("I")
        self._folder_names = bytearray()
        self._folder_name_at = array("Q", [0])
        self._roots: list[list[Any]] = []

    @property
    def files(self) -> int:
        """Files taken so far."""
        return len(self._entry_at)

    @property
    def folders(self) -> int:
        """Folders taken so far."""
        return len(self._folder_at)

    def root(self, number: int, name: bytes) -> None:
        """The folders that follow belong to this root."""
        self._end_root()
        self._roots.append([number, name.hex(), self.folders, 0, self.files, 0])

    def _end_root(self) -> None:
        if self._roots:
            self._roots[-1][3] = self.folders
            self._roots[-1][5] = self.files

    def folder(self, remote_path: bytes, files: Sequence[FileRecord]) -> None:
        """One folder with the files directly in it."""
        writer = self._writer
        self._folder_at.append(writer.position)
        self._folder_names += remote_path + b"\\"
        self._folder_name_at.append(len(self._folder_names))
        first = len(self._entry_at)
        self._folder_first.append(first)
        pieces = [pack_folder_header(remote_path, len(files))]
        position = writer.position + len(pieces[0])
        tokens, postings, entry_at = _TOKEN.findall, self._names, self._entry_at
        number = first
        for name, size, attributes in files:
            entry = pack_entry(name, size, attributes)
            pieces.append(entry)
            entry_at.append(position)
            position += len(entry)
            # Most names are ASCII, and this loop is most of a build.
            text = name.decode().lower() if name.isascii() else fold(searchable(name))
            for token in tokens(text):
                postings[token].append(number)
            number += 1
        writer.write(b"".join(pieces))
        if files:
            folder = "\\".join(fold(searchable(part)) for part in remote_path.split(b"\\"))
            for token in set(tokens(folder)):
                ranges = self._ranges[token]
                # neighbours share most of their path: one run grows over many folders
                if ranges and ranges[-1] == first:
                    ranges[-1] = number
                else:
                    ranges.extend((first, number))

    def finish(self, about: dict[str, Any]) -> None:
        """Write everything behind the listing and give the file its name.

        ``about`` is kept in the file and comes back as ``Base.about``.
        """
        self._end_root()
        writer = self._writer
        end = writer.position
        writer.close_section("listing")
        self._folder_at.append(end)
        self._folder_first.append(self.files)
        kind = "I" if end < 1 << 32 else "Q"
        arrays = {}
        writer.section("folder_names", self._folder_names)
        for name, values in (
            ("entry_at", self._entry_at),
            ("folder_at", self._folder_at),
            ("folder_name_at", self._folder_name_at),
        ):
            writer.section(name, array(kind, values).tobytes())
            arrays[name] = kind
        writer.section("folder_first", self._folder_first.tobytes())
        writer.section("folder_of", self._folder_of().tobytes())
        arrays["folder_first"] = arrays["folder_of"] = "I"
        self._entry_at = array("Q")

        words, signs = self._postings(arrays)
        writer.finish(
            {
                **about,
                "format": FORMAT,
                "files": self._folder_first[-1],
                "folders": len(self._folder_at) - 1,
                "roots": self._roots,
                "arrays": arrays,
                "word_blocks": words,
                "sign_blocks": signs,
            }
        )

    def _folder_of(self) -> array[int]:
        found = array("I")
        first = 0
        for folder, end in enumerate(self._folder_first[1:]):
            found.extend(repeat(folder, end - first))
            first = end
        found.append(len(self._folder_first) - 1)
        return found

    def _postings(self, arrays: dict[str, str]) -> tuple[list[int], list[int]]:
        by_word: defaultdict[str, list[str]] = defaultdict(list)
        for token in self._names.keys() | self._ranges.keys():
            by_word[token if token[-1].isalnum() else token[:-1]].append(token)
        ordered = sorted((word[::-1].encode(), word) for word in by_word)

        writer = self._writer
        at, block_at, super_at = array("Q", [0]), array("Q"), array("Q")
        blocks: list[bytes] = []
        supers: list[bytes] = []
        block: list[BitMap] = []
        superblock: list[BitMap] = []
        signs: list[tuple[bytes, bytes]] = []

        def close_block() -> None:
            if block:
                union = BitMap.union(*block)
                superblock.append(union)
                blocks.append(_serialized(union))
                block.clear()

        def close_superblock() -> None:
            if superblock:
                supers.append(_serialized(BitMap.union(*superblock)))
                superblock.clear()

        for _, word in ordered:
            parts = [self._take(token) for token in by_word[word]]
            posting = parts[0] if len(parts) == 1 else BitMap.union(*parts)
            if len(posting) > SIGN_THRESHOLD:
                signs += [
                    (token.encode(), _serialized(part))
                    for token, part in zip(by_word[word], parts, strict=True)
                    if token != word and usable_sign(token[-1])
                ]
            writer.write(_serialized(posting))
            at.append(writer.position)
            block.append(posting)
            if len(block) == BLOCK:
                close_block()
                if len(superblock) == BLOCK:
                    close_superblock()
        close_block()
        close_superblock()
        writer.close_section("postings")
        signs.sort()
        for name, offsets, pieces in (
            ("posting_at", at, ()),
            ("block_at", block_at, blocks),
            ("superblock_at", super_at, supers),
            ("sign_at", array("Q"), [data for _, data in signs]),
        ):
            if name != "posting_at":
                offsets.append(0)
                for piece in pieces:
                    writer.write(piece)
                    offsets.append(writer.position)
                writer.close_section(
                    {"block_at": "blocks", "superblock_at": "superblocks", "sign_at": "sign_postings"}[name]
                )
            kind = "I" if offsets[-1] < 1 << 32 else "Q"
            writer.section(name, array(kind, offsets).tobytes())
            arrays[name] = kind
        return (
            write_words(writer, "words", [reversed_word for reversed_word, _ in ordered]),
            write_words(writer, "signs", [token for token, _ in signs]),
        )

    def _take(self, token: str) -> BitMap:
        """The files of a token; its numbers are dropped, which keeps the peak of memory down."""
        posting = BitMap(self._names.pop(token, None) or ())
        ranges = self._ranges.pop(token, None)
        if ranges is not None:
            for low, high in zip(ranges[::2], ranges[1::2], strict=True):
                posting.add_range(low, high)
        return posting

    def discard(self) -> None:
        """Give up; nothing stays on disk."""
        self._writer.discard()


def _serialized(posting: BitMap) -> bytes:
    posting.run_optimize()
    return bytes(posting.serialize())
