"""A large made-up music library and questions about it, the same for each seed.

Words follow Zipf's law over a vocabulary of syllables with words of several
scripts among them, so a few stand in very many paths and most in a handful.
``expected`` holds how many paths each query matches by the rules of
:mod:`soulmesh.core.query`, found without the index: through sets of words, and
the reference matcher wherever a term is more than one word.
"""

from __future__ import annotations

import json
import random
from array import array
from bisect import bisect_left
from collections import defaultdict
from itertools import accumulate
from pathlib import Path

from soulmesh.core.query import WORD, Query, Term, fold, matches, parse_query

COMMON = """the of and love you in a to night my time on heart world it dance life no day blue light live
remix feat version original edit deluxe vol disc best remastered session demo acoustic club radio"""
HEADS = COMMON.split()
FOREIGN = "ночь любовь дождь звезда café niño straße señor été Ωμέγα θάλασσα 東京 愛 夜 サクラ 사랑 सपना"
SCRIPTS = FOREIGN.split()
CONSONANTS = "b bl br c ch d dr f fl g gr h j k l m n p pr r s sh st t th tr v w z"
ENDINGS = ["", "", "", "n", "s", "ing", "er", "ed", "ly", "ness", "o", "ia"]
STYLES = ["Rock", "Jazz", "Electronic", "Folk", "Metal", "Classical", "Soul", "Hip-Hop"]
KINDS = ["mp3"] * 14 + ["flac"] * 5 + ["ogg", "m4a"]
TAILS = ["", "", "", "", " (Live)", " [Remastered]", " - Radio Edit", "_demo", " '97", " pt.2", " (feat. {})"]


class Library:
    """Paths, queries and the right answers."""

    def __init__(self, paths: list[str], queries: list[str], expected: list[int]) -> None:
        self.paths = paths
        self.queries = queries
        self.expected = expected


def load(folder: Path, files: int, queries: int, seed: int = 7) -> Library:
    """The library of this size, from the folder if it was made before."""
    place = folder / f"library-{files}-{queries}-{seed}.json"
    if not place.exists():
        rng = random.Random(seed)
        draw, seen = vocabulary(rng, max(2000, min(60_000, files // 10)))
        paths = make_paths(rng, draw, files)
        asked = make_queries(rng, draw, seen, paths, queries)
        expected = Answers(paths).counts(asked)
        folder.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps([paths, asked, expected]), encoding="utf-8")
    return Library(*json.loads(place.read_text(encoding="utf-8")))


class Draw:
    """Words by frequency."""

    def __init__(self, rng: random.Random, words: list[str]) -> None:
        self._rng = rng
        self._words = words
        self._weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))

    def word(self) -> str:
        at = bisect_left(self._weights, self._rng.random() * self._weights[-1])
        return self._words[at]

    def title(self, least: int, most: int) -> str:
        words = [self.word() for _ in range(self._rng.randint(least, most))]
        return " ".join(word.capitalize() if self._rng.random() < 0.8 else word for word in words)


def vocabulary(rng: random.Random, size: int) -> tuple[Draw, set[str]]:
    beginnings = CONSONANTS.split()
    vowels = ["a", "e", "i", "o", "u", "ai", "ea", "io", "ou"]
    rest = list(SCRIPTS)
    known = set(HEADS) | set(SCRIPTS)
    while len(rest) + len(HEADS) < size:
        count = rng.choice((1, 2, 2, 3))
        word = "".join(rng.choice(beginnings) + rng.choice(vowels) for _ in range(count)) + rng.choice(
            ENDINGS
        )
        if word not in known:
            known.add(word)
            rest.append(word)
    rng.shuffle(rest)
    return Draw(rng, HEADS + rest), known


def make_paths(rng: random.Random, draw: Draw, count: int) -> list[str]:
    paths: dict[str, None] = {}
    while len(paths) < count:
        style, artist = rng.choice(STYLES), draw.title(1, 3)
        for _ in range(rng.choice((1, 1, 2, 4, 8))):
            album, year, kind = draw.title(1, 4), rng.randint(1959, 2025), rng.choice(KINDS)
            quality = rng.choice(("", "", " [320]", " (V0)")) if kind == "mp3" else ""
            folder = rng.choice(
                (
                    f"{style}\\{artist}\\{year} - {album}{quality}",
                    f"{style}\\{artist} - {album} ({year}){quality}",
                    f"Music\\{artist}\\{album}{quality}".replace(" ", "_"),
                )
            )
            layout = rng.randrange(4)
            for track in range(1, rng.choice((3, 8, 10, 12, 16)) + 1):
                name = draw.title(1, 5) + rng.choice(TAILS).format(artist)
                paths[
                    folder
                    + "\\"
                    + (
                        f"{track:02} - {name}",
                        f"{track:02}. {artist} - {name}",
                        f"{artist} - {name}",
                        f"{track:02}_{name}".replace(" ", "_"),
                    )[layout]
                    + f".{kind}"
                ] = None
            if rng.random() < 0.4:
                paths[f"{folder}\\cover.jpg"] = None
    return list(paths)[:count]


def make_queries(rng: random.Random, draw: Draw, known: set[str], paths: list[str], count: int) -> list[str]:
    """One to four words of a path; a third misses; some exclusions, wildcards and signs inside a term."""

    def nonsense() -> str:
        while True:
            word = "".join(rng.choice("qxzvkw") + rng.choice("aeiouy") for _ in range(rng.randint(2, 4)))
            if word not in known:
                return word

    queries: list[str] = []
    while len(queries) < count:
        path = rng.choice(paths)
        words = [word for word in dict.fromkeys(WORD.findall(path.lower())) if not word.isdigit()]
        size = rng.choice((1, 2, 2, 3, 3, 4))
        if len(words) < size:
            continue
        terms = rng.sample(words, size)
        chance = rng.random()
        if chance < 0.2:
            terms[-1] = nonsense()
        elif chance < 0.33:
            terms[0] = draw.word()
        chance = rng.random()
        if chance < 0.1:
            terms.append("-" + rng.choice(("mp3", "flac", "live", "remix", draw.word())))
        elif chance < 0.18:
            at = rng.randrange(size)
            terms[at] = "*" + (
                terms[at][1:] or "ing" if rng.random() < 0.6 else rng.choice(("ing", "er", "ly"))
            )
        elif chance < 0.22:
            signed = [
                word
                for word in path.rpartition("\\")[2].lower().split()
                if not word.isalnum() and WORD.search(word)
            ]
            terms[0] = rng.choice(signed) if signed else terms[0]
        text = " ".join(terms)
        queries.append(text.upper() if rng.random() < 0.1 else text)
    return queries


class Answers:
    """How many paths match, by sets."""

    def __init__(self, paths: list[str]) -> None:
        self._paths = paths
        self._holding: defaultdict[str, array[int]] = defaultdict(lambda: array("I"))
        for number, path in enumerate(paths):
            for word in set(WORD.findall(fold(path))):
                self._holding[word].append(number)
        self._reversed = sorted(word[::-1] for word in self._holding)
        self._kept: dict[tuple[str, bool], frozenset[int]] = {}

    def counts(self, queries: list[str]) -> list[int]:
        return [self._count(parse_query(query)) for query in queries]

    def _count(self, query: Query) -> int:
        if not query.include:
            return 0
        sets = sorted((self._term(term) for term in query.include), key=len)
        found = frozenset.intersection(*sets)
        return len(found.difference(*(self._term(term) for term in query.exclude)))

    def _term(self, term: Term) -> frozenset[int]:
        key = (term.text, term.wildcard)
        if key not in self._kept:
            if len(self._kept) > 3000:
                self._kept.clear()
            sets = [
                self._ending(word) if number == 0 and term.open_ended else self._holding.get(word, array("I"))
                for number, word in enumerate(term.words)
            ]
            found = frozenset(min(sets, key=len)).intersection(*sets)
            if not term.plain:
                alone = Query("", (term,), ())
                found = frozenset(number for number in found if matches(alone, self._paths[number]))
            self._kept[key] = found
        return self._kept[key]

    def _ending(self, tail: str) -> set[int]:
        tail = tail[::-1]
        found: set[int] = set()
        for at in range(bisect_left(self._reversed, tail), len(self._reversed)):
            if not self._reversed[at].startswith(tail):
                break
            found.update(self._holding[self._reversed[at][::-1]])
        return found
