"""Which of the search results to take: rules for `soulmesh get`, without network and terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from soulmesh.client.results import FoundFile, Hit
from soulmesh.client.transfers import Candidate, candidate_of

__all__ = ["AUDIO", "Folder", "Rules", "album_folder", "albums", "songs"]

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

    def said(self, *, album: bool) -> str:
        """The rules in words: the same wish by others is another one."""
        what = [*self.formats, f"{self.min_bitrate} kbit/s" if self.min_bitrate else ""]
        kind = "album" if album else "song"
        return " ".join(part for part in (kind, *what, "best" if self.best else "") if part)

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
    """Of an album in several folders, one for each disc, the one above them."""
    hits: tuple[Hit, ...]

    @property
    def folders(self) -> list[str]:
        """The folder, and those of its discs."""
        return list(dict.fromkeys([self.path, *(hit.file.folder for hit in self.hits)]))

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


_DISC = re.compile(
    r"(cd|dis[ck]|disque|dvd|vinyl|side|lp)[\s._#-]*([0-9]{1,2}|[a-h]|one|two|three|four|[ivx]{1,4})\b",
    re.IGNORECASE,
)


def album_folder(folder: str) -> str:
    """The album's folder that a folder is part of: that of ``CD1`` or ``Disc 2 - Live`` is the one above."""
    above, found, last = folder.rpartition("\\")
    return above if found and _DISC.match(last) else folder


def albums(hits: Iterable[Hit], rules: Rules, *, most: int = 5) -> list[Folder]:
    """The best folders of one format each, the fullest first among equals.

    How many songs the album has is what most users agree on; folders with
    fewer are incomplete and come last.
    """
    folders: dict[tuple[str, str, str], list[Hit]] = {}
    for hit in hits:
        if not hit.locked and rules.allows(hit.file):
            where = album_folder(hit.file.folder)
            folders.setdefault((hit.username, where, hit.file.extension), []).append(hit)
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
