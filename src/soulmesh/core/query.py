"""What a search query means, and when a path answers it.

The specification (flows, "Query rules") describes matching as one regular
expression per term: a boundary, the term as it is written, a boundary. This
module reads a query into terms and holds that matcher word for word, as
:func:`matches`. The index of shared files is quicker and must never disagree
with it; property tests hold the two against each other.

Decisions where the text leaves room (``docs/decisions/0061-query-rules.md``):

* The underscore separates words, as every other sign does: file names use it
  as a space, and the programs on the network treat it so.
* Case is folded, not lowered (``ß`` is ``ss``, both Greek sigmas are one), and
  accents are composed (NFC), in the query and in the path alike, so that
  a name written by a Mac is found from elsewhere.
* A term without a letter or digit asks for nothing: the dash in ``artist -
  title``, a lone ``*``.
* An asterisk anywhere but at the beginning of a term is taken as written, and
  so are quotes: the network does not implement them.
* ``-*oney`` excludes what ``*oney`` finds.
* A query of exclusions alone matches nothing.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple
from unicodedata import category, normalize

__all__ = [
    "MINIMUM_CHARACTERS",
    "WORD",
    "Query",
    "Term",
    "fold",
    "is_word_character",
    "long_enough",
    "matches",
    "parse_query",
]

MINIMUM_CHARACTERS: Final = 3
"""Shorter queries are not answered by default; Nicotine+ has the same figure. See :func:`long_enough`."""

WORD: Final = re.compile(r"[^\W_]+")
"""Letters and digits of any script, without the underscore."""


def fold(text: str) -> str:
    """The form in which queries and paths are compared: case folded, accents composed."""
    if text.isascii():
        return text.lower()
    return normalize("NFC", normalize("NFC", text).casefold())


def is_word_character(character: str) -> bool:
    """Whether a character is part of a word; the same set as :data:`WORD`."""
    return character.isalnum()


def long_enough(text: str, shortest: int = MINIMUM_CHARACTERS) -> bool:
    """Whether a query asks for enough to be answered: ``shortest`` characters, or a letter without case.

    Scripts without upper and lower case write words in one character or two (``夢``, ``東京``,
    ``꿈``, ``ไฟ``), where two letters of the others are hardly a question.
    """
    text = text.strip()
    return len(text) >= shortest or any(category(character) == "Lo" for character in text)


class Term(NamedTuple):
    """One term of a query, folded, without its asterisk or dash."""

    text: str
    """What must stand in the path as it is, signs included."""
    wildcard: bool
    """Any word characters may come before ``text``."""
    words: tuple[str, ...]
    """The words inside ``text``, in order; never empty."""
    plain: bool
    """Whether the term is a single word, so that holding the word is all that is asked."""

    @property
    def open_ended(self) -> bool:
        """Whether the wildcard reaches the first word: ``*song``, but not ``*.song``."""
        return self.wildcard and self.text.startswith(self.words[0])

    def found_in(self, path: str) -> bool:
        """Whether this term stands in a folded path; without a regular expression, so it is quick."""
        text = self.text
        size = len(text)
        at = path.find(text)
        while at >= 0:
            end = at + size
            # With a wildcard the left side always holds: the word characters before
            # the term, however many, begin at a boundary.
            if (self.wildcard or at == 0 or not path[at - 1].isalnum()) and (
                end == len(path) or not path[end].isalnum()
            ):
                return True
            at = path.find(text, at + 1)
        return False


class Query(NamedTuple):
    """A query, read. Terms that say the same are kept once, in the order written."""

    text: str
    """The query as it came."""
    include: tuple[Term, ...]
    """All of these must be in the path."""
    exclude: tuple[Term, ...]
    """None of these may be in the path."""

    @property
    def asks(self) -> bool:
        """Whether the query can match anything at all: exclusions alone do not."""
        return bool(self.include)


def parse_query(text: str) -> Query:
    """Read a query into terms. Every text is a query; one that asks for nothing has no ``include``."""
    include: dict[tuple[str, bool], Term] = {}
    exclude: dict[tuple[str, bool], Term] = {}
    for piece in fold(text).split():
        chosen, wildcard = include, False
        if not piece.isalnum():
            if piece[0] == "-":
                piece = piece[1:]
                chosen = exclude
            if piece[:1] == "*":
                piece = piece[1:]
                wildcard = True
        if piece.isalnum():
            chosen[piece, wildcard] = Term(piece, wildcard, (piece,), True)
        else:
            words = WORD.findall(piece)
            if words:
                chosen[piece, wildcard] = Term(piece, wildcard, tuple(words), False)
    return Query(text, tuple(include.values()), tuple(exclude.values()))


@lru_cache(maxsize=512)
def _pattern(text: str, wildcard: bool) -> re.Pattern[str]:
    """Steps a to d of the specification's algorithm, with the underscore among the non-word characters."""
    any_word_characters = r"[^\W_]*" if wildcard else ""
    return re.compile(r"(?:^|[\W_])" + any_word_characters + re.escape(text) + r"(?:[\W_]|$)", re.DOTALL)


def matches(query: Query, path: str) -> bool:
    """Whether a path, as it is written, answers a query: the rule of the specification itself.

    One regular expression per term and path: too slow to search a collection
    with, and the reference for everything that is quicker.
    """
    if not query.asks:
        return False
    folded = fold(path)
    return all(_pattern(term.text, term.wildcard).search(folded) for term in query.include) and not any(
        _pattern(term.text, term.wildcard).search(folded) for term in query.exclude
    )
