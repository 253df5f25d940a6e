"""The index finds what the rule finds: base, delta, removals, limits, wildcards, signs, scripts."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from random import Random
from typing import Any
from unicodedata import normalize

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soulmesh.client.shares.base import Base
from soulmesh.client.shares.build import BaseBuilder
from soulmesh.client.shares.entries import pack_attributes, searchable, unpack_entry
from soulmesh.client.shares.index import Effort, Index
from soulmesh.client.shares.mapped import DamagedFile
from soulmesh.core.query import matches, parse_query

ROOT = 1


def build(path: Path, paths: Iterable[bytes], root: bytes = b"Music") -> Index:
    folders: defaultdict[bytes, list[bytes]] = defaultdict(list)
    for remote in sorted(set(paths)):
        folder, _, name = remote.rpartition(b"\\")
        folders[folder].append(name)
        while folder:
            folders.setdefault(folder, [])
            folder = folder.rpartition(b"\\")[0]
    builder = BaseBuilder(path / "base.shares")
    builder.root(ROOT, root)
    for folder in sorted(folders):
        builder.folder(folder, [(name, len(name), pack_attributes({0: 320})) for name in folders[folder]])
    builder.finish({})
    return Index(Base(path / "base.shares"))


def text(remote: bytes) -> str:
    return "\\".join(searchable(part) for part in remote.split(b"\\"))


def found(index: Index, query: str, limit: int = 10_000) -> set[bytes]:
    result = index.search(parse_query(query), limit, effort=Effort(1_000_000))
    assert len(set(result.numbers)) == len(result.numbers)
    return {index.remote_path(number) for number in result.numbers}


def expected(paths: Iterable[bytes], query: str) -> set[bytes]:
    parsed = parse_query(query)
    return {path for path in paths if matches(parsed, text(path))}


PATHS = [
    rb"Music\Honey\01 - A Song.mp3",
    rb"Music\Honey\02 - don't stop.mp3",
    rb"Music\Honey\live_love.mp3",
    rb"Music\Money [320]\Song (Live).flac",
    rb"Music\Money [320]\cover.jpg",
    "Music\\Музыка\\ночь.mp3".encode(),
    "Music\\Corazón\\canción.mp3".encode(),
    b"Music\\Latin\\caf\xe9 noir.mp3",
    b"Music\\back\\slash.mp3",
]


def test_each_rule_holds_on_a_small_collection(tmp_path: Path) -> None:
    index = build(tmp_path, PATHS)
    for query in (
        "song", "SONG live", "song -live", "*oney", "*oney -cover", "don't", "don't.mp3", "stop.mp3",
        "*op.mp3", "ночь", "НОЧЬ mp3", "corazón", "café", "noir -café", "live love", "320", "*", "song *",
        "[320]", "money [320]", "-mp3", "mp3 -*oney", "mp3 -don't", "01 - a", "love.mp3", "latin\\café",
    ):  # fmt: skip
        assert found(index, query) == expected(PATHS, query), query


def test_the_limit_is_kept_and_what_is_left_comes_from_many_folders(tmp_path: Path) -> None:
    paths = [b"Music\\folder %03d\\song %02d.mp3" % (folder, n) for folder in range(100) for n in range(20)]
    index = build(tmp_path, paths)
    result = index.search(parse_query("song"), 50)
    folders = {index.remote_path(number).rpartition(b"\\")[0] for number in result.numbers}
    assert len(result.numbers) == 50
    assert len(folders) == 50
    assert not result.too_dear
    # and with a term whose place must be verified
    result = index.search(parse_query("song 07.mp3"), 50)
    assert len(result.numbers) == 50
    assert all(index.remote_path(number).endswith(b"07.mp3") for number in result.numbers)


def test_a_search_that_is_too_dear_is_broken_off_and_says_so(tmp_path: Path) -> None:
    paths = [b"Music\\f\\a b %d.mp3" % n for n in range(3000)]
    index = build(tmp_path, paths)
    result = index.search(parse_query("b,mp3 a"), 10, effort=Effort(500))
    assert result.too_dear
    assert not index.search(parse_query("b,mp3 a"), 10, effort=Effort(10_000)).too_dear
    many = " ".join(f"-*{n}" for n in range(4000))
    assert index.search(parse_query("a " + many), 10, effort=Effort(500)).too_dear


def test_one_result_out_of_very_many_candidates_is_found_without_ado(tmp_path: Path) -> None:
    paths = [b"Music\\f%d\\b %d.mp3" % (n % 50, n) for n in range(3000)] + [b"Music\\f7\\b,mp3"]
    index = build(tmp_path, paths)
    for limit in (1, 2, 300):
        result = index.search(parse_query("b,mp3"), limit)
        assert {index.remote_path(number) for number in result.numbers} == {b"Music\\f7\\b,mp3"}


def test_each_candidate_is_looked_at_once_however_many_there_are(tmp_path: Path) -> None:
    rng = Random(2)
    names = [b"b in" if n % 400 == 7 else b"b out" if rng.random() < 0.7 else b"c" for n in range(100_000)]
    files = [(b"%06d %s" % (n, name), 1, b"") for n, name in enumerate(names)]
    builder = BaseBuilder(tmp_path / "base.shares")
    builder.root(ROOT, b"Music")
    builder.folder(b"Music\\f", files)
    builder.finish({})
    index = Index(Base(tmp_path / "base.shares"))
    result = index.search(parse_query("b"), 250, phrases=["out"], effort=Effort(1_000_000))
    assert sorted(result.numbers) == [n for n, name in enumerate(names) if name == b"b in"]


def test_what_is_added_and_removed_is_found_and_not_found(tmp_path: Path) -> None:
    index = build(tmp_path, PATHS)
    index.add(ROOT, rb"Music\Honey", b"03 - new song.mp3", 5, b"")
    assert index.remove(ROOT, rb"Music\Honey", b"01 - A Song.mp3")
    assert not index.remove(ROOT, rb"Music\Honey", b"01 - A Song.mp3")
    assert found(index, "song honey") == {rb"Music\Honey\03 - new song.mp3"}
    assert found(index, "*ew") == {rb"Music\Honey\03 - new song.mp3"}
    # in the place of one of the base, then of one of the delta
    index.add(ROOT, rb"Music\Honey", b"live_love.mp3", 7, b"")
    index.add(ROOT, rb"Music\Honey", b"live_love.mp3", 8, b"")
    assert len(index.search(parse_query("live love"), 10).numbers) == 1
    number = index.find(ROOT, rb"Music\Honey", b"live_love.mp3")
    assert number is not None
    assert unpack_entry(index.entry(number))[1] == 8
    assert index.remove(ROOT, rb"Music\Honey", b"03 - new song.mp3")
    assert not found(index, "new")
    assert len(index) == len(PATHS) - 1


def test_a_listing_is_the_same_with_changes_and_without_them(tmp_path: Path) -> None:
    index = build(tmp_path, PATHS)
    untouched = b"".join(piece for _, piece in index.listing(ROOT))
    assert untouched.startswith(len(b"Music\\Corazon").to_bytes(1, "little")) or untouched
    index.remove(ROOT, rb"Music\Honey", b"01 - A Song.mp3")
    index.add(ROOT, rb"Music\Honey", b"01 - A Song.mp3", len(b"01 - A Song.mp3"), pack_attributes({0: 320}))
    assert b"".join(piece for _, piece in index.listing(ROOT)) == untouched
    index.add(ROOT, rb"Music\zz", b"last.mp3", 1, b"")
    assert sum(count for count, _ in index.listing(ROOT)) == index.base.folders + 1


def test_a_folder_that_has_lost_its_last_file_is_gone(tmp_path: Path) -> None:
    index = build(tmp_path, [rb"Music\Keep\a.mp3", rb"Music\Secret\b.mp3"])
    assert index.count_folders(ROOT) == 3
    index.remove(ROOT, rb"Music\Secret", b"b.mp3")
    assert index.count_folders(ROOT) == 2
    assert index.folder(ROOT, rb"Music\Secret") is None
    listed = list(index.listing(ROOT))
    assert sum(count for count, _ in listed) == 2
    assert b"Secret" not in b"".join(piece for _, piece in listed)
    index.add(ROOT, rb"Music\Secret", b"c.mp3", 1, b"")
    assert index.count_folders(ROOT) == sum(count for count, _ in index.listing(ROOT)) == 3
    assert len(index.folder(ROOT, rb"Music\Secret") or ()) == 1


def test_folders_without_files_of_their_own_come_and_go_as_if_the_index_was_built_anew(
    tmp_path: Path,
) -> None:
    random, present, number = Random(4), {rb"Music\0\1\2\a", rb"Music\0 b\c"}, 0
    index = build(tmp_path, present)
    for turn in range(60):
        for _ in range(random.randint(1, 3)):
            if present and random.random() < 0.55:
                path = random.choice(sorted(present))
                present.remove(path)
                index.remove(ROOT, *path.rsplit(b"\\", 1))
            else:
                number += 1
                parts = [random.choice([b"0", b"1", b"0 b", b"0]"]) for _ in range(random.randint(0, 3))]
                path = b"\\".join([b"Music", *parts, b"%d" % number])
                present.add(path)
                index.add(ROOT, *path.rsplit(b"\\", 1), len(b"%d" % number), pack_attributes({0: 320}))
        (tmp_path / str(turn)).mkdir()
        anew = build(tmp_path / str(turn), present)
        assert index.count_folders(ROOT) == anew.count_folders(ROOT)
        assert listed(index) == listed(anew)
        if turn % 10 == 9:
            index = anew


def listed(index: Index) -> list[tuple[bytes, int]]:
    """The folders of a listing, each with the number of its files."""
    data = b"".join(piece for _, piece in index.listing(ROOT))

    def number(at: int) -> int:
        return int.from_bytes(data[at : at + 4], "little")

    found, at = [], 0
    while at < len(data):
        name = data[at + 4 : at + 4 + number(at)]
        at += 8 + len(name)
        found.append((name, number(at - 4)))
        for _ in range(number(at - 4)):
            at += 17 + number(at + 1)  # size, extension, attributes
            at += 4 + 8 * number(at)
    assert len(found) == sum(begun for begun, _ in index.listing(ROOT))
    return sorted(found)


def test_what_lies_below_a_folder_is_known_whether_or_not_it_was_added_later(tmp_path: Path) -> None:
    paths = [rb"Music\Box\CD1\a.mp3", rb"Music\Box\CD1\b.mp3", rb"Music\Box\CD2\Deep\c.mp3"]
    index = build(tmp_path, [*paths, rb"Music\Box set\d.mp3", rb"Music\Boxes\e.mp3", rb"Music\Box]\f.mp3"])
    below = [rb"Music\Box\CD1", rb"Music\Box\CD2\Deep"]
    assert index.folders_below(ROOT, rb"Music\Box", most=3) == below
    assert index.folders_below(ROOT, rb"Music\Box", most=2) == []
    assert index.folders_below(ROOT, rb"Music\Box\CD1", most=9) == []
    assert index.folders_below(ROOT, rb"Music\zzz", most=9) == []
    assert index.folders_below(ROOT + 1, rb"Music\Box", most=9) == []
    index.add(ROOT, rb"Music\Box\Art", b"g.jpg", 1, b"")
    index.add(ROOT, rb"Music\Box\CD1", b"h.mp3", 1, b"")
    assert index.folders_below(ROOT, rb"Music\Box", most=5) == [rb"Music\Box\Art", *below]
    assert index.folders_below(ROOT, rb"Music\Box", most=4) == []
    assert len(index.folders_below(ROOT, rb"Music", most=9)) == 6


def test_answers_carry_whole_paths_and_listings_carry_names(tmp_path: Path) -> None:
    index = build(tmp_path, PATHS)
    number = index.find(ROOT, rb"Music\Latin", b"caf\xe9 noir.mp3")
    assert number is not None
    assert unpack_entry(index.entry(number)) == (b"caf\xe9 noir.mp3", 13, {0: 320})
    assert unpack_entry(index.answer_entries([number])[0]) == (
        b"Music\\Latin\\caf\xe9 noir.mp3",
        13,
        {0: 320},
    )
    assert index.find(ROOT, rb"Music\Latin", b"caf\xc3\xa9 noir.mp3") is None
    assert index.find(ROOT, rb"Music\Nowhere", b"x") is None


@pytest.mark.parametrize("seed", range(6))
def test_answers_carry_the_same_entries_however_the_files_lie(tmp_path: Path, seed: int) -> None:
    """Alone in their folders or next to each other, in order or not, with names of any size."""
    rng = Random(seed)
    names = ["short", "a name", "n" * 180, "m" * 255, "é" * 140, "日" * 300]
    folders = [rng.choice(["F", "G" * 90, "H" * 400, "夢"]) + f" {n}" for n in range(40)] + ["D" * 1100]
    paths = {
        rf"Music\{folder}\{rng.choice(names)} {k}.mp3".encode()
        for folder in folders
        for k in range(rng.choice([1, 1, 2, 30]))
    }
    index = build(tmp_path, paths)
    everything = list(range(len(paths)))
    alone = [int(index.base.folder_first[folder]) for folder in range(index.base.folders)]
    for numbers in (everything, alone, alone[::-1], rng.sample(everything, len(everything)), alone[:1], []):
        entries = index.answer_entries(numbers)
        assert [unpack_entry(entry)[0] for entry in entries] == [index.remote_path(n) for n in numbers]
        assert [unpack_entry(entry)[1:] for entry in entries] == [
            unpack_entry(index.entry(n))[1:] for n in numbers
        ]
        sizes = [len(index.remote_path(n)) - len(unpack_entry(index.entry(n))[0]) for n in numbers]
        assert [len(entry) for entry in entries] == [
            len(index.entry(n)) + more for n, more in zip(numbers, sizes, strict=True)
        ]


def test_phrases_of_the_server_keep_files_out_of_answers(tmp_path: Path) -> None:
    index = build(tmp_path, PATHS)
    result = index.search(parse_query("mp3"), 100, phrases=["hone", "ночь.m"])
    paths = {index.remote_path(number) for number in result.numbers}
    assert paths == {
        p for p in PATHS if p.endswith(b"mp3") and b"Honey" not in p and "ночь".encode() not in p
    }


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped"])
def test_a_damaged_file_is_never_used(tmp_path: Path, damage: str) -> None:
    build(tmp_path, PATHS)
    path = tmp_path / "base.shares"
    data = bytearray(path.read_bytes())
    if damage == "empty":
        data.clear()
    elif damage == "cut":
        del data[len(data) // 2 :]
    else:
        data[len(data) // 3] ^= 0x10
    path.write_bytes(data)
    with pytest.raises(DamagedFile):
        Base(path)


def test_an_index_of_nothing_finds_nothing(tmp_path: Path) -> None:
    index = build(tmp_path, [])
    assert not found(index, "song")
    assert not found(index, "*g")
    assert list(index.listing(ROOT)) == []
    index.add(ROOT, b"Music", b"song.mp3", 1, b"")
    assert found(index, "*g") == {b"Music\\song.mp3"}


def test_words_in_very_many_files_use_the_sign_behind_them(tmp_path: Path) -> None:
    paths = [b"Music\\live %d\\love %d.mp3" % (n, n) for n in range(400)]
    paths += [b"Music\\x\\live.love.%d.mp3" % n for n in range(3)]
    index = build(tmp_path, paths)
    for query in (
        "live.love",
        "love.mp3",
        "live. love",
        "love_1",
        "live,love",
        "*ive.love",
        "live -live.love",
    ):
        assert found(index, query) == expected(paths, query), query
    # the pair narrows so far that next to nothing is verified
    assert len(index.search(parse_query("live.love"), 10, effort=Effort(10)).numbers) == 3


TITLES = """
Richard Wagner\\Götterdämmerung (1876)\\03 - Siegfrieds Trauermarsch.flac
Пётр Ильич Чайковский\\Лебединое озеро, соч. 20\\10. Сцена (Moderato).mp3
Gabriel Fauré\\Trois mélodies, Op. 7\\01 Après un rêve.ogg
日本の歌\\さくらさくら\\01 さくらさくら（箏）.m4a
한국 민요\\아리랑\\02 - 진도 아리랑.mp3
中国民歌\\茉莉花\\01_茉莉花.ape
Ελληνικά τραγούδια\\Ξενιτεμένο μου πουλί\\ΞΕΝΙΤΕΜΕΝΟ ΜΟΥ ΠΟΥΛΙ.mp3
שירי ארץ ישראל\\התקווה\\01 - התקווה.wav
ألف ليلة وليلة\\شهرزاد\\٠١ - البحر.mp3
वन्दे मातरम्\\०१ वन्दे मातरम्.mp3
เพลงไทย\\ลอยกระทง\\01 ลอยกระทง.mp3
Türkü\\İstanbul'dan Üsküdar'a\\KATİBİM.mp3
Antonín Dvořák\\Rusalka, op. 114\\07 - Měsíčku na nebi hlubokém.flac
Frédéric Chopin\\24 Préludes op.28\\15 - Prélude no. 15 in D-flat "Raindrop".mp3
J.S. Bach\\BWV 1079 - Musikalisches Opfer\\Ricercar a 6 (live @ St. Thomas').opus
Edvard Grieg\\Peer Gynt-suite\\I Dovregubbens hall.wma
Béla Bartók\\Kékszakállú herceg vára\\A hetedik ajtó.mp3
Việt Nam\\Lý ngựa ô\\lý ngựa ô (remix).mp3
Straße & Söhne\\Weißes Rößl\\IM WEISSEN RÖSSL.MP3
""".strip().split("\n")


def real_names() -> list[str]:
    """Titles in many scripts, as they are and as a Mac writes them, and the files of Python itself."""
    library = Path(os.__file__).parent
    files = sorted(str(path.relative_to(library)).replace("/", "\\") for path in library.rglob("*.py"))
    return [f"Music\\{title}" for title in (*TITLES, *(normalize("NFD", t) for t in TITLES), *files[:400])]


@pytest.mark.usefixtures("sizes")
def test_the_index_agrees_with_the_rule_on_real_names(tmp_path: Path) -> None:
    names = real_names()
    index = build(tmp_path, (name.encode() for name in names))
    rng = Random(4)
    queries = [
        "weisses rössl",
        "*straße",
        "katibim",
        "i̇stanbul'dan",
        "ξενιτεμενο",
        "op.28",
        "*py -test",
        "__init__.py",
    ]
    for name in (*names[: 2 * len(TITLES)], *rng.sample(names, 30)):
        words = [word for word in name.replace("\\", " ").split() if word]
        picked = rng.sample(words, min(2, len(words)))
        queries += [" ".join(picked), f"*{picked[0][1:]} {picked[-1].upper()}", f"{picked[0]} -{picked[-1]}"]
    for query in queries:
        assert found(index, query) == expected((name.encode() for name in names), query), query
    assert sum(bool(found(index, query)) for query in queries) > len(queries) // 2


NAME = st.text(
    st.sampled_from("abAB1ßİςΣé ÉñночьНО夜桜サ한हिน ไ ع א ǆ ﬀ ' . - _ * ( ) &\u0301\u0308"),
    min_size=1,
    max_size=12,
)
WORDS = st.sampled_from(
    ["Live", "love", "straße", "Corazón", "corazo\u0301n", "НОЧЬ", "夜 桜", "don't", "a.b_c", "x"]
)
PART = st.one_of(NAME, WORDS, st.tuples(WORDS, WORDS).map(" ".join), st.tuples(WORDS, NAME).map("-".join))
REMOTE = st.lists(PART, min_size=1, max_size=3).map(lambda parts: "\\".join(["Music", *parts]).encode())
LATIN = st.binary(min_size=1, max_size=6).map(lambda b: b"Music\\" + b.replace(b"\\", b"") + b"\xe9 x")
COLLECTION = st.lists(st.one_of(REMOTE, LATIN), min_size=1, max_size=14, unique=True)
SOURCE = st.tuples(
    st.integers(0, 100), st.integers(0, 20), st.integers(1, 9), st.sampled_from(["", "*", "-", "-*"])
)


@pytest.fixture(params=["as it is", "everything small"])
def sizes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once more with blocks of two words and a posting for every sign, as with very many files."""
    if request.param == "everything small":
        for module in ("words", "build", "base"):
            monkeypatch.setattr(f"soulmesh.client.shares.{module}.BLOCK", 2)
        for module in ("build", "base"):
            monkeypatch.setattr(f"soulmesh.client.shares.{module}.SIGN_THRESHOLD", 1)
        monkeypatch.setattr("soulmesh.client.shares.index.CUT_BELOW", 2)
        monkeypatch.setattr("soulmesh.client.shares.index.LEAST_ROUND", 1)
        for name, value in (("CONTAINER", 2), ("ZONES", 2), ("SURPLUS", 1), ("MANY_FILES", 3)):
            monkeypatch.setattr(f"soulmesh.client.shares.index.{name}", value)
        monkeypatch.setattr("soulmesh.client.shares.base.KEPT_WORDS", 2)
        monkeypatch.setattr("soulmesh.client.shares.base.KEEP_FROM", 1)
        monkeypatch.setattr("soulmesh.client.shares.base.KEEP_BYTES", 100)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(COLLECTION, COLLECTION, st.lists(st.tuples(SOURCE, SOURCE), max_size=6), st.lists(PART, max_size=3))
@pytest.mark.usefixtures("sizes")
def test_the_index_agrees_with_the_rule_on_anything(
    tmp_path: Path,
    base: list[bytes],
    added: list[bytes],
    sources: list[tuple[tuple[int, int, int, str], tuple[int, int, int, str]]],
    others: list[str],
) -> None:
    index = build(tmp_path, base)
    present = set(base)
    for number, path in enumerate(added):
        folder, _, name = path.rpartition(b"\\")
        index.add(ROOT, folder, name, 1, b"")
        present.add(path)
        if number % 3 == 2:
            victim = sorted(present)[number % len(present)]
            folder, _, name = victim.rpartition(b"\\")
            assert index.remove(ROOT, folder, name)
            present.discard(victim)
    texts = [text(path) for path in sorted(set(base) | set(added))]

    def cut(source: tuple[int, int, int, str]) -> str:
        which, start, size, sign = source
        chosen = texts[which % len(texts)]
        return sign + chosen[start : start + size]

    for query in [
        *(f"{cut(one)} {cut(other)}" for one, other in sources),
        *others,
        *(cut(s[0]) for s in sources),
    ]:
        right = expected(present, query)
        assert found(index, query) == right, query
        assert len(found(index, query, 2)) == min(2, len(right)), query


ROOTS = {1: b"Music", 2: b"Friends"}
CHOICE = st.integers(0, 1000)
STEP = st.one_of(
    st.tuples(st.just("add"), st.sampled_from(sorted(ROOTS)), REMOTE),
    st.tuples(st.just("remove"), CHOICE, st.none()),
    st.tuples(st.just("ask"), SOURCE, SOURCE),
    st.tuples(st.just("ask"), WORDS, SOURCE),
    st.tuples(st.just("write it anew"), st.none(), st.none()),
)


def written(path: Path, present: Iterable[tuple[int, bytes]]) -> Index:
    """An index of what is present, as a scan writes one when enough has changed."""
    builder = BaseBuilder(path)
    for root, root_name in ROOTS.items():
        folders: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for remote in sorted(remote for number, remote in present if number == root):
            folder, _, name = remote.rpartition(b"\\")
            folders[folder].append(name)
        builder.root(root, root_name)
        for folder in sorted(folders):
            builder.folder(folder, [(name, 1, b"") for name in folders[folder]])
    builder.finish({})
    return Index(Base(path))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(STEP, min_size=4, max_size=24))
@pytest.mark.usefixtures("sizes")
def test_files_come_and_go_between_queries_of_users_who_may_see_more_or_less(
    tmp_path: Path, steps: list[tuple[str, Any, Any]]
) -> None:
    present: set[tuple[int, bytes]] = set()
    seen = ["love"]
    index = written(tmp_path / "base.shares", present)

    def cut(source: str | tuple[int, int, int, str]) -> str:
        if isinstance(source, str):
            return source
        which, start, size, sign = source
        chosen = seen[which % len(seen)]
        return sign + chosen[start : start + size]

    for what, one, other in steps:
        if what == "add":
            path = ROOTS[one] + other[len(b"Music") :]
            folder, _, name = path.rpartition(b"\\")
            index.add(one, folder, name, 1, b"")
            present.add((one, path))
            seen.append(text(path))
        elif what == "remove" and present:
            root, path = sorted(present)[one % len(present)]
            folder, _, name = path.rpartition(b"\\")
            assert index.remove(root, folder, name)
            present.discard((root, path))
        elif what == "ask":
            query = f"{cut(one)} {cut(other)}"
            parsed = parse_query(query)
            for audience in (None, 1, 2):
                right = {
                    path for root, path in present if audience in (None, root) and matches(parsed, text(path))
                }
                within = None if audience is None else index.of_root(audience)
                for limit in (1000, 2):
                    result = index.search(parsed, limit, within=within, effort=Effort(1_000_000))
                    paths = {index.remote_path(number) for number in result.numbers}
                    assert paths <= right, (query, audience)
                    assert len(paths) == len(result.numbers) == min(limit, len(right)), (query, audience)
        elif what == "write it anew":
            index = written(tmp_path / "base.shares", present)
    assert len(index) == len(present)
