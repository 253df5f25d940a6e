"""What has changed since the base was written: new files, in memory, numbered after the base."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from typing import Final

from pyroaring import BitMap

from soulmesh.client.shares.entries import pack_entry, searchable
from soulmesh.core.query import WORD, fold

__all__ = ["Delta"]

_LAST: Final = "\U0010ffff"
"""Sorts behind every letter and digit."""


class Delta:
    """Files added after the base; ``first`` is the number of the first of them.

    It is asked the same questions as :class:`soulmesh.client.shares.base.Base`.
    Numbers are never used twice, so a removed file is one bit elsewhere.
    """

    def __init__(self, first: int) -> None:
        self.first = first
        self._files: list[tuple[int, bytes, bytes, bytes]] = []
        self._folders: dict[tuple[int, bytes], dict[bytes, int]] = {}
        self._words: dict[str, BitMap] = {}
        self._reversed: list[str] = []
        self._unsorted: list[str] = []
        self.by_root: dict[int, BitMap] = {}

    def __len__(self) -> int:
        return len(self._files)

    def add(self, root: int, folder: bytes, name: bytes, size: int, attributes: bytes) -> int:
        """Take a file in; returns its number."""
        number = self.first + len(self._files)
        self._files.append((root, folder, name, pack_entry(name, size, attributes)))
        self._folders.setdefault((root, folder), {})[name] = number
        words = set(WORD.findall(fold(searchable(name))))
        for part in folder.split(b"\\"):
            words.update(WORD.findall(fold(searchable(part))))
        for word in words:
            posting = self._words.get(word)
            if posting is None:
                self._words[word] = posting = BitMap()
                self._unsorted.append(word[::-1])
            posting.add(number)
        self.by_root.setdefault(root, BitMap()).add(number)
        return number

    def forget(self, number: int) -> None:
        """A file of the delta is gone: its folder no longer lists it. Its number stays used."""
        root, folder, name, _ = self._files[number - self.first]
        names = self._folders[root, folder]
        if names.get(name) == number:
            del names[name]

    def word(self, word: str) -> BitMap | None:
        """The files with a word; not to be changed."""
        return self._words.get(word)

    def ending(self, tail: str) -> BitMap:
        """The files with a word that ends like this."""
        if self._unsorted:
            # What is sorted already is one run to the sort: this is a merge.
            self._reversed += sorted(self._unsorted)
            self._reversed.sort()
            self._unsorted.clear()
        prefix = tail[::-1]
        low = bisect_left(self._reversed, prefix)
        high = bisect_left(self._reversed, prefix + _LAST, low)
        words = self._words
        postings = [words[word[::-1]] for word in self._reversed[low:high]]
        return BitMap.union(*postings) if postings else BitMap()

    def find(self, root: int, folder: bytes, name: bytes) -> int | None:
        """The number of a file."""
        return self._folders.get((root, folder), {}).get(name)

    def folder(self, root: int, folder: bytes) -> dict[bytes, int]:
        """The files of one folder: name to number."""
        return self._folders.get((root, folder), {})

    def folders(self, root: int) -> Iterator[tuple[bytes, dict[bytes, int]]]:
        """The folders of a root in which files were added, each with them: name to number."""
        return ((path, names) for (number, path), names in self._folders.items() if number == root and names)

    def root_of(self, number: int) -> int:
        """The root that a file lies in."""
        return self._files[number - self.first][0]

    def folder_name(self, number: int) -> bytes:
        """The remote path of the folder that a file lies in."""
        return self._files[number - self.first][1]

    def name(self, number: int) -> bytes:
        """The name of a file."""
        return self._files[number - self.first][2]

    def entry(self, number: int) -> bytes:
        """The packed entry of a file, as a listing has it."""
        return self._files[number - self.first][3]

    def remote_path(self, number: int) -> bytes:
        """The whole remote path of a file."""
        _, folder, name, _ = self._files[number - self.first]
        return folder + b"\\" + name

    def folded_path(self, number: int) -> str:
        """The path of a file as queries are compared with it."""
        _, folder, name, _ = self._files[number - self.first]
        return "\\".join(fold(searchable(part)) for part in (*folder.split(b"\\"), name))

    def answer_entry(self, number: int) -> bytes:
        """The packed entry of a file with its whole path."""
        _, folder, name, entry = self._files[number - self.first]
        path = folder + b"\\" + name
        return b"\x01" + len(path).to_bytes(4, "little") + path + entry[5 + len(name) :]
