"""The index of what is shared: an immutable base, what was added since, and what is gone.

A search looks up every word before it reads any posting, intersects the
smallest first, and stops when nothing is left. Names are looked at only for
terms with signs inside, and only until the limit is reached. What a search may
cost is bounded by :class:`Effort`: a query that is too dear ends there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol
from zlib import crc32

from pyroaring import BitMap

from soulmesh.client.shares.base import Base, Piece
from soulmesh.client.shares.build import RootSpan
from soulmesh.client.shares.delta import Delta
from soulmesh.client.shares.entries import pack_folder_header
from soulmesh.core.query import Query, Term

__all__ = ["DEFAULT_EFFORT", "Effort", "Found", "Index", "TooDear"]

DEFAULT_EFFORT: Final = 4000
"""Steps that one search may take, of two to three microseconds each."""

CUT_BELOW: Final = 300
KEPT_UNIONS: Final = 32
LISTING_PIECE: Final = 1 << 20
LEAST_ROUND: Final = 256
CONTAINER: Final = 1 << 16
"""Numbers that a roaring bitmap keeps together."""
MANY_FILES: Final = 8 * CONTAINER
ZONES: Final = 4
SURPLUS: Final = 8
"""A zone is looked at alone where it should hold this many times the results that are wanted."""


class TooDear(Exception):
    """A search has used up what it was allowed."""


class Effort:
    """Counts down the steps of one search. Steps, not seconds: the same query ends at the same place."""

    __slots__ = ("left",)

    def __init__(self, steps: int = DEFAULT_EFFORT) -> None:
        self.left = steps

    def spend(self, steps: int = 1) -> None:
        """Take some steps.

        Raises:
            TooDear: there were not so many left.
        """
        self.left -= steps
        if self.left < 0:
            raise TooDear


@dataclass(frozen=True, slots=True)
class Found:
    """The outcome of a search."""

    numbers: Sequence[int]
    """Files that match, at most the limit, spread over the folders when there are more."""
    too_dear: bool = False
    """The search was broken off. ``numbers`` match, but more might have."""


class _Candidates(NamedTuple):
    """What the postings leave of a query."""

    files: BitMap
    checks: list[Term]
    """Terms that must be looked for in the paths."""
    suspects: list[tuple[Term, BitMap]]
    """Exclusions that must be looked for, each with the files where it may stand."""
    sampled: bool = False
    """Only a zone was looked at."""


_NONE: Final = _Candidates(BitMap(), [], [])


class _Source(Protocol):
    """One of the two halves of the index, as a search sees it."""

    def word(self, word: str, sign: str = "") -> Any | None:
        """Something for :meth:`load`, a tuple with its size first; None where no file holds the word."""

    def load(self, piece: Any) -> BitMap:
        """The files; not to be changed."""

    def ending(self, tail: str, among: BitMap | None, effort: Effort) -> BitMap:
        """The files that hold a word with this ending."""


class _BaseSource:
    def __init__(self, base: Base) -> None:
        self._base = base
        self._unions: OrderedDict[str, BitMap] = OrderedDict()
        self.word = base.word
        self.load = base.load

    def ending(self, tail: str, among: BitMap | None, effort: Effort) -> BitMap:
        kept = self._unions.get(tail)
        if kept is not None:
            self._unions.move_to_end(tail)
            return kept if among is None else kept & among
        pieces: list[Piece] = self._base.ending(tail)
        effort.spend(len(pieces))
        load = self._base.load
        if among is not None and len(among) < CUT_BELOW:
            cut = BitMap()
            for piece in pieces:
                cut |= load(piece) & among
            return cut
        union = BitMap.union(*map(load, pieces)) if pieces else BitMap()
        self._unions[tail] = union
        if len(self._unions) > KEPT_UNIONS:
            self._unions.popitem(last=False)
        return union if among is None else union & among


class _DeltaSource:
    def __init__(self, delta: Delta) -> None:
        self._delta = delta

    def word(self, word: str, sign: str = "") -> tuple[int, str] | None:
        posting = self._delta.word(word)
        return None if posting is None else (len(posting), word)

    def load(self, piece: tuple[int, str]) -> BitMap:
        posting = self._delta.word(piece[1])
        assert posting is not None
        return posting

    def ending(self, tail: str, among: BitMap | None, effort: Effort) -> BitMap:
        union = self._delta.ending(tail)
        return union if among is None else union & among


class Index:
    """What is shared, to be searched and listed. Lives on one thread; changes are quick."""

    def __init__(self, base: Base) -> None:
        self.base = base
        self.delta = Delta(base.files)
        self.removed = BitMap()
        self.version = 0
        """Counts changes; whatever was derived from the index is stale when it has moved."""
        self._in_base: dict[tuple[int, bytes], int | None] = {}
        self._shapes_at = -1
        self._shapes: dict[int, tuple[set[int], set[bytes]]] = {}
        self._zones: dict[int, BitMap] = {}
        self._base_source = _BaseSource(base)
        self._delta_source = _DeltaSource(self.delta)

    def __len__(self) -> int:
        return self.base.files + len(self.delta) - len(self.removed)

    # Changes

    def find(self, root: int, folder: bytes, name: bytes) -> int | None:
        """The number of a file that is there now."""
        number = self.delta.find(root, folder, name)
        if number is None:
            span = self.base.span(root)
            number = None if span is None else self.base.find(span, folder, name)
        return None if number is None or number in self.removed else number

    def add(self, root: int, folder: bytes, name: bytes, size: int, attributes: bytes) -> int:
        """Add a file, or put it in the place of the one with the same path."""
        self.remove(root, folder, name)
        self.version += 1
        return self.delta.add(root, folder, name, size, attributes)

    def remove(self, root: int, folder: bytes, name: bytes) -> bool:
        """Remove a file; False when it was not there."""
        number = self.find(root, folder, name)
        if number is None:
            return False
        self.removed.add(number)
        if number >= self.base.files:
            self.delta.forget(number)
        self.version += 1
        return True

    # Searching

    def search(
        self,
        query: Query,
        limit: int,
        *,
        within: BitMap | None = None,
        phrases: Sequence[str] = (),
        effort: Effort | None = None,
    ) -> Found:
        """Files that match a query, at most ``limit``.

        Args:
            within: only these files; None is all of them.
            phrases: folded texts; a file with one of them anywhere in its path is left out.
        """
        if not query.include or limit < 1:
            return Found(())
        effort = effort or Effort()
        try:
            candidates, checks, suspects, sampled = self._all_candidates(
                query, effort, within, 0 if phrases else limit
            )
            if sampled and (suspects or len(candidates) < limit):
                candidates, checks, suspects, _ = self._all_candidates(query, effort, within, 0)
        except TooDear:
            return Found((), too_dear=True)
        if not checks and not suspects and not phrases:
            return Found(_spread(candidates, limit, query.text))

        found: list[int] = []
        try:
            for number in _walk(candidates, limit, query.text):
                effort.spend()
                path = self.folded_path(number)
                if (
                    all(term.found_in(path) for term in checks)
                    and not any(number in those and term.found_in(path) for term, those in suspects)
                    and not any(phrase in path for phrase in phrases)
                ):
                    found.append(number)
                    if len(found) == limit:
                        break
        except TooDear:
            return Found(found, too_dear=True)
        return Found(found)

    def _all_candidates(
        self, query: Query, effort: Effort, within: BitMap | None, enough: int
    ) -> _Candidates:
        """Those of base and delta, without what is gone and what is not to be seen."""
        files, checks, suspects, sampled = self._candidates(self._base_source, query, effort, enough)
        if len(self.delta):
            added = self._candidates(self._delta_source, query, effort, 0)
            files = files | added.files
            checks = checks or added.checks
            suspects = [*suspects, *added.suspects]
        if self.removed:
            files = files - self.removed
        if within is not None:
            files = files & within
        return _Candidates(files, checks, suspects, sampled)

    def _candidates(self, source: _Source, query: Query, effort: Effort, enough: int) -> _Candidates:
        """Those of one half. Where far more than ``enough`` (if that is not 0) are to be expected
        and the words are all that is asked, only a zone of the files is looked at."""
        pieces: list[Any] = []
        endings: list[str] = []
        checks: list[Term] = []
        effort.spend(len(query.include) + len(query.exclude))
        for term in query.include:
            if not _gather(source, term, pieces, endings):
                return _NONE
            if not term.plain:
                checks.append(term)
        pieces.sort()
        candidates: BitMap | None = None
        sampled = False
        for piece in pieces:
            posting = source.load(piece)
            if candidates is not None:
                candidates = candidates & posting
            elif enough and not checks and not endings and self._plenty(source, pieces, enough):
                sampled = True
                candidates = posting & self._zone(query.text)
            else:
                candidates = posting
            if not candidates:
                return _Candidates(candidates, [], [], sampled)
        for tail in endings:
            candidates = source.ending(tail, candidates, effort)
            if not candidates:
                return _NONE
        assert candidates is not None  # a term has at least one word

        suspects: list[tuple[Term, BitMap]] = []
        for term in query.exclude:
            pieces, endings = [], []
            if not _gather(source, term, pieces, endings):
                continue
            if term.plain and pieces:
                candidates = candidates - source.load(pieces[0])
                continue
            those = candidates
            for piece in sorted(pieces):
                those = those & source.load(piece)
            for tail in endings:
                those = source.ending(tail, those, effort)
            if term.plain:
                candidates = candidates - those
            elif those:
                suspects.append((term, those))
        return _Candidates(candidates, checks, suspects, sampled)

    def _plenty(self, source: _Source, pieces: Sequence[Any], enough: int) -> bool:
        """Whether a zone holds more than enough files with all these words, as far as numbers say."""
        least = enough * ZONES * SURPLUS
        if self.base.files < MANY_FILES:
            return False
        expected = float(self.base.files)
        for piece in pieces:
            expected *= len(source.load(piece)) / self.base.files
            if expected < least:
                return False
        return True

    def _zone(self, text: str) -> BitMap:
        """One of the zones: every so-many-th container of a bitmap, so that the others are skipped."""
        number = _offset(text, ZONES)
        zone = self._zones.get(number)
        if zone is None:
            zone = BitMap()
            for first in range(number * CONTAINER, self.base.files, ZONES * CONTAINER):
                zone.add_range(first, min(first + CONTAINER, self.base.files))
            self._zones[number] = zone
        return zone

    # One file

    def folded_path(self, number: int) -> str:
        """The path of a file as queries are compared with it."""
        return (self.base if number < self.base.files else self.delta).folded_path(number)

    def remote_path(self, number: int) -> bytes:
        """The whole remote path of a file."""
        return (self.base if number < self.base.files else self.delta).remote_path(number)

    def entry(self, number: int) -> bytes:
        """The packed entry of a file, with its name only."""
        return (self.base if number < self.base.files else self.delta).entry(number)

    def answer_entries(self, numbers: Sequence[int]) -> list[bytes]:
        """The packed entries of files, with their whole paths."""
        if not len(self.delta):
            return self.base.answer_entries(numbers)
        first = self.base.files
        entries = self.base.answer_entries([number for number in numbers if number < first])
        return entries + [self.delta.answer_entry(number) for number in numbers if number >= first]

    # Folders

    def of_root(self, root: int) -> BitMap:
        """The files of one root."""
        span = self.base.span(root)
        files = BitMap()
        if span is not None:
            files.add_range(span.first_file, span.end_file)
        files |= self.delta.by_root.get(root, BitMap())
        return files - self.removed

    def folder(self, root: int, remote_path: bytes) -> list[bytes] | None:
        """The entries of one folder in order of their names, or None where there is no such folder.

        A folder that has lost its last file is gone: its name may be what should not be seen any more.
        """
        span = self.base.span(root)
        number = None if span is None else self.base.find_folder(span, remote_path)
        added = self.delta.folder(root, remote_path)
        if number is None and not added:
            return None
        return _entries(self.base, self.delta, number, added, self.removed) or None

    def folders_below(self, root: int, remote_path: bytes, *, most: int) -> list[bytes]:
        """The folders below one that have files, in order of their names.

        None at all if they have more than ``most`` files together: half of them would be taken for all.
        """
        start = remote_path + b"\\"
        found = {path: len(names) for path, names in self.delta.folders(root) if path.startswith(start)}
        span = self.base.span(root)
        if span is not None:
            below = self.base.folders_below(span, remote_path)
            first = self.base.folder_first
            if below and first[below.stop] - first[below.start] > most:
                return []
            for number in below:
                if files := first[number + 1] - first[number]:
                    path = self.base.folder_name(number)
                    found[path] = found.get(path, 0) + files
        return sorted(found) if sum(found.values()) <= most else []

    def count_folders(self, root: int) -> int:
        """How many folders of a root are listed: those that have files, in them or below them."""
        span = self.base.span(root)
        gone, fresh = self._shape(root)
        return len(fresh) - len(gone) + (0 if span is None else span.end_folder - span.first_folder)

    def _shape(self, root: int) -> tuple[set[int], set[bytes]]:
        """Which folders came and went since the base: the numbers of those that have no file left, in
        them or below them, and the paths of those that it does not have."""
        if self._shapes_at != self.version:
            self._shapes_at = self.version
            self._shapes.clear()
        found = self._shapes.get(root)
        if found is None:
            filled = _with_parents(path for path, _ in self.delta.folders(root))
            fresh = {path for path in filled if self._folder_in_base(root, path) is None}
            span = self.base.span(root)
            gone = set() if span is None else self._gone(span, filled)
            found = self._shapes[root] = gone, fresh
        return found

    def _gone(self, span: RootSpan, filled: Collection[bytes]) -> set[int]:
        base = self.base
        removed = self.removed & _range(span.first_file, span.end_file)

        def empty(first_folder: int, end_folder: int) -> bool:
            first, end = base.folder_first[first_folder], base.folder_first[end_folder]
            return removed.range_cardinality(first, end) == end - first

        gone = set()
        for path in _with_parents(map(base.folder_name, _emptied(base, removed))) - set(filled):
            number = self._folder_in_base(span.root, path)
            below = base.folders_below(span, path)
            if number is not None and empty(number, number + 1) and empty(below.start, below.stop):
                gone.add(number)
        return gone

    def _folder_in_base(self, root: int, path: bytes) -> int | None:
        """The number that a folder of the delta has in the base."""
        key = (root, path)
        if key not in self._in_base:
            span = self.base.span(root)
            self._in_base[key] = None if span is None else self.base.find_folder(span, path)
        return self._in_base[key]

    def listing(self, root: int) -> Iterator[tuple[int, bytes]]:
        """A root as a browse reply lists it, in pieces of about a megabyte: (folders begun, bytes).

        What has changed is written down in this call; the iterator needs nothing else,
        so it may run in a thread while the index goes on changing.
        """
        span = self.base.span(root)
        added = {path: dict(names) for path, names in self.delta.folders(root)}
        known = {path: self._folder_in_base(root, path) for path in added}
        gone, fresh = self._shape(root)
        changed = {number for number in known.values() if number is not None} | gone
        removed = BitMap(self.removed)
        return _read_listing(self.base, self.delta, span, added, changed, set(gone), sorted(fresh), removed)


def _entries(
    base: Base, delta: Delta, number: int | None, added: Mapping[bytes, int], removed: BitMap
) -> list[bytes]:
    """The entries of a folder: of the one with this number in the base, and of files added to it."""
    entries = {name: delta.entry(at) for name, at in added.items()}
    if number is not None:
        at = base.folder_first[number]
        for name, entry in base.folder_entries(number):
            if at not in removed:
                entries[name] = entry
            at += 1
    return [entries[name] for name in sorted(entries)]


def _read_listing(
    base: Base,
    delta: Delta,
    span: RootSpan | None,
    added: Mapping[bytes, Mapping[bytes, int]],
    changed: Collection[int],
    gone: Collection[int],
    fresh: Collection[bytes],
    removed: BitMap,
) -> Iterator[tuple[int, bytes]]:
    def packed(path: bytes, number: int | None) -> Iterator[tuple[int, bytes]]:
        entries = _entries(base, delta, number, added.get(path, {}), removed)
        yield 1, pack_folder_header(path, len(entries)) + b"".join(entries)

    if span is not None:
        touched = set(changed)
        touched |= set(_touched(base, removed & _range(span.first_file, span.end_file)))
        at = span.first_folder
        for number in sorted(touched):
            yield from _unchanged(base, at, number)
            if number not in gone:
                yield from packed(base.folder_name(number), number)
            at = number + 1
        yield from _unchanged(base, at, span.end_folder)
    for path in fresh:
        yield from packed(path, None)


def _with_parents(paths: Iterable[bytes]) -> set[bytes]:
    """These folders and those that they lie in, up to the root."""
    found: set[bytes] = set()
    for path in paths:
        while path and path not in found:
            found.add(path)
            path = path.rpartition(b"\\")[0]
    return found


def _touched(base: Base, removed: BitMap) -> Iterator[int]:
    """The folders of the base that files were removed from."""
    folder = -1
    for number in removed:
        # Numbers rise, and so do their folders.
        if folder < 0 or number >= base.folder_first[folder + 1]:
            folder = base.folder_of(number)
            yield folder


def _emptied(base: Base, removed: BitMap) -> Iterator[int]:
    """Those of them that have no other files in the base."""
    for folder in _touched(base, removed):
        first, end = base.folder_first[folder], base.folder_first[folder + 1]
        if removed.range_cardinality(first, end) == end - first:
            yield folder


def _range(first: int, end: int) -> BitMap:
    numbers = BitMap()
    numbers.add_range(first, end)
    return numbers


def _unchanged(base: Base, folder: int, end: int) -> Iterator[tuple[int, bytes]]:
    """Folders as they are in the base."""
    count = end - folder
    at, stop = base.folder_at[folder], base.folder_at[end]
    while at < stop:
        piece = base.read(at, min(at + LISTING_PIECE, stop))
        yield count, piece
        count = 0
        at += len(piece)


def _gather(source: _Source, term: Term, pieces: list[Any], endings: list[str]) -> bool:
    """Look up the words of a term; False when one of them is in no file."""
    text = term.text
    if term.plain:
        if term.wildcard:
            endings.append(text)
            return True
        found = source.word(text)
        if found is None:
            return False
        pieces.append(found)
        return True
    at = 0
    for number, word in enumerate(term.words):
        at = text.index(word, at) + len(word)
        if number == 0 and term.open_ended:
            endings.append(word)
            continue
        found = source.word(word, text[at : at + 1])
        if found is None:
            return False
        pieces.append(found)
    return True


def _offset(text: str, step: int) -> int:
    # The same query gets the same files, another query others.
    return crc32(text.encode("utf-8", "surrogatepass")) % step


def _spread(candidates: BitMap, limit: int, text: str) -> Sequence[int]:
    """At most ``limit`` of the candidates, taken at equal distances: neighbours lie in one folder."""
    numbers = candidates.to_array()
    step = len(numbers) // limit
    # The array is sliced, not the bitmap: pyroaring 1.2.0 loses its way with steps over 256.
    return numbers[_offset(text, step) :: step][:limit] if step > 1 else numbers[:limit]


def _walk(candidates: BitMap, limit: int, text: str) -> Iterator[int]:
    """All candidates, each once, first at equal distances and then what lies between."""
    numbers = candidates.to_array()
    step = len(numbers) // max(limit, LEAST_ROUND)
    if step <= 1:
        yield from numbers
        return
    offset = _offset(text, step)
    for shift in range(step):
        yield from numbers[(offset + shift) % step :: step]
