"""A sorted table of words in a mapped file, in blocks, with only the first word of each block in memory.

Finding a word is one bisection among the first words and one ``find`` inside a
block, about two microseconds. Words are stored reversed where endings are
asked for (``*oney`` is a prefix of reversed words), so that a wildcard is one
range of word numbers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Final

from soulmesh.client.shares.mapped import MappedFile, SectionWriter

__all__ = ["BLOCK", "WordTable", "write_words"]

BLOCK: Final = 64
"""Words in a block."""


def write_words(writer: SectionWriter, name: str, words: Sequence[bytes]) -> list[int]:
    """Write sorted words, and return the offsets of the blocks to be kept in the table of the file.

    Words hold no line break: they are letters and digits, at most one sign follows.
    """
    offsets = []
    for start in range(0, len(words), BLOCK):
        offsets.append(writer.position)
        writer.write(b"\n" + b"\n".join(words[start : start + BLOCK]) + b"\n")
    writer.close_section(name)
    return offsets


class WordTable:
    """The words of one section, numbered in their order. The text is in memory: a lookup copies nothing."""

    def __init__(self, file: MappedFile, name: str, offsets: Sequence[int]) -> None:
        self._text = file.copied(name)
        self._offsets = [*offsets, len(self._text)]
        text = self._text
        self._firsts = [text[at + 1 : text.index(b"\n", at + 1)] for at in offsets]

    def _block(self, number: int) -> bytes:
        return self._text[self._offsets[number] : self._offsets[number + 1]]

    def number(self, word: bytes) -> int:
        """The number of a word, or -1."""
        block = bisect_right(self._firsts, word) - 1
        if block < 0:
            return -1
        text, start = self._text, self._offsets[block]
        at = text.find(b"\n%b\n" % word, start, self._offsets[block + 1])
        return -1 if at < 0 else block * BLOCK + text.count(b"\n", start, at)

    def rank(self, word: bytes) -> int:
        """How many words sort before ``word``."""
        block = bisect_right(self._firsts, word) - 1
        if block < 0:
            return 0
        return block * BLOCK + bisect_left(self._block(block).split(b"\n")[1:-1], word)

    def prefixed(self, prefix: bytes) -> tuple[int, int]:
        """The range of words that begin with ``prefix``. 0xFF sorts behind all of UTF-8."""
        return self.rank(prefix), self.rank(prefix + b"\xff")
