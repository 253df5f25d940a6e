"""Which of the search results to take: rules for `soulmesh get`, without network and terminal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from soulmesh.client.results import FoundFile, Hit
from soulmesh.client.transfers import Candidate, candidate_of

__all__ = ["AUDIO", "Folder", "Rules", "albums", "songs"]

LOSSLESS = frozenset({"flac", "wav", "aiff", "aif", "ape", "wv", "alac"})
AUDIO = LOSSLESS | {"mp3", "m4a", "ogg", "opus", "aac", "wma"}


@dataclass(frozen=True, slots=True)
class Rules:
    """What is good enough, and what is better."""

    formats: tuple[str, ...] = ()
    """Extensions in order of preference; empty takes any audio."""
    min_bitrate: int = 0
    """kbit/s, for formats with losses; files that do not say are taken for worse."""
    best: bool = False
    """Quality before speed."""

    def allows(self, file: FoundFile) -> bool:
        """Whether a file may be taken at all."""
        kind = file.extension
        if kind not in (self.formats or AUDIO) or file.size == 0:
            return False
        return kind in LOSSLESS or not self.min_bitrate or (file.bitrate or 0) >= self.min_bitrate

    def rank(self, hit: Hit) -> tuple[float, ...]:
        """Sorts best first."""
        file = hit.file
        preference = self.formats.index(file.extension) if self.formats else 0
        quality = -10_000 if file.extension in LOSSLESS else -(file.bitrate or 0)
        soon = hit.expected if hit.expected is not None else 1e12
        slot = 0 if hit.free_slot else 1
        if self.best:
            return (preference, quality, slot, soon, hit.queue)
        return (preference, slot, soon, hit.queue, quality)


@dataclass(frozen=True, slots=True)
class Folder:
    """One user's copy of an album, as far as the search showed it."""

    username: str
    path: str
    hits: tuple[Hit, ...]

    @property
    def candidate(self) -> Candidate:
        """What a download of the whole folder would fetch."""
        return candidate_of(self.hits)


def songs(hits: Iterable[Hit], rules: Rules, *, most: int = 10) -> list[Hit]:
    """The best files, one of each user."""
    chosen: dict[str, Hit] = {}
    for hit in sorted((h for h in hits if not h.locked and rules.allows(h.file)), key=rules.rank):
        chosen.setdefault(hit.username, hit)
    return list(chosen.values())[:most]


def albums(hits: Iterable[Hit], rules: Rules, *, most: int = 5) -> list[Folder]:
    """The best folders of one format each, the fullest first among equals.

    How many songs the album has is what most users agree on; folders with
    fewer are incomplete and come last.
    """
    folders: dict[tuple[str, str, str], list[Hit]] = {}
    for hit in hits:
        if not hit.locked and rules.allows(hit.file):
            folders.setdefault((hit.username, hit.file.folder, hit.file.extension), []).append(hit)
    if not folders:
        return []
    counts = sorted(len(found) for found in folders.values())
    usual = max(set(counts), key=lambda count: (counts.count(count), count))

    def rank(found: list[Hit]) -> tuple[float, ...]:
        return (0 if len(found) >= usual else 1, *rules.rank(found[0]), -len(found))

    best = sorted(folders.items(), key=lambda item: rank(item[1]))
    chosen: dict[str, Folder] = {}
    for (username, path, _), found in best:
        chosen.setdefault(username, Folder(username, path, tuple(found)))
    return list(chosen.values())[:most]
