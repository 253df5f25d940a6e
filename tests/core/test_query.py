"""The rules of a query, one sentence each, and the quick test of a term against the rule as written."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soulmesh.core.query import WORD, fold, is_word_character, long_enough, matches, parse_query


def found(query: str, path: str) -> bool:
    return matches(parse_query(query), path)


@pytest.mark.parametrize(
    ("query", "path", "expected"),
    [
        # placement and case
        ("song honey", r"Music\Honey\A Song.mp3", True),
        ("SONG", r"music\song.mp3", True),
        ("song missing", r"music\song.mp3", False),
        # whole words only
        ("son", r"music\song.mp3", False),
        ("ong", r"music\song.mp3", False),
        # every separator separates, the underscore too
        ("song", r"music\my_song_live.mp3", True),
        ("song", r"music\(song).mp3", True),
        ("song", "song", True),
        # exclusion
        ("song -mp3", r"music\song.mp3", False),
        ("-mp3 song", r"music\song.flac", True),
        ("song -mp", r"music\song.mp3", True),
        ("-mp3", r"music\song.flac", False),
        ("-*oney song", r"honey\song.flac", False),
        # wildcard
        ("*oney", r"honey\x.mp3", True),
        ("*oney", r"money\x.mp3", True),
        ("*oney", r"moneys\x.mp3", False),
        ("*song.mp3", r"music\song.mp3", True),
        ("*ong.mp3", r"music\song.mp3", True),
        ("song *", r"music\song.mp3", True),
        ("*", r"music\song.mp3", False),
        ("some*", r"music\something.mp3", False),
        ("some*thing", r"music\something.mp3", False),
        ("some*", r"music\some* day.mp3", True),
        # signs inside a term are taken literally
        ("don't", r"music\don't stop.mp3", True),
        ("don't", r"music\dont stop.mp3", False),
        ("ac/dc", r"music\ac-dc.mp3", False),
        ("song.mp3", r"music\song.mp3", True),
        ("song.mp3", r"music\song mp3", False),
        (".mp3", r"music\song.mp3", False),
        ("(.*)", r"music\song.mp3", False),
        # signs alone ask nothing
        ("artist - title", r"artist\title.mp3", True),
        ("- & +", r"artist\title.mp3", False),
        # quotes are taken as written
        ('"my song"', r"music\my song.mp3", False),
        ('"my song"', 'music\\"my song".mp3', True),
        # scripts
        ("НОЧЬ", r"Музыка\ночь.mp3", True),
        ("straße", r"musik\STRASSE.mp3", True),
        ("ΟΔΟΣ", r"μουσική\οδος.mp3", True),
        ("οδοσ", r"μουσική\ΟΔΟΣ.mp3", True),
        ("夜", r"音楽\静かな夜.mp3", False),
        ("*夜", r"音楽\静かな夜.mp3", True),
        ("ليلة", "موسيقى\\ألف ليلة وليلة.mp3", True),
        ("ليل", "موسيقى\\ألف ليلة وليلة.mp3", False),
        # Turkish: the capital İ is an i with a dot of its own, and ı is no i
        ("İSTANBUL", "türkü\\istanbul.mp3", False),
        ("İSTANBUL", "türkü\\İstanbul.mp3", True),
        ("i\u0307stanbul", "türkü\\İstanbul.mp3", True),
        ("ısparta", "türkü\\Isparta.mp3", False),
        # an emoji is a sign
        ("🎵", "m\\🎵 song.mp3", False),
        ("song", "m\\🎵song❤\ufe0f.mp3", True),
        ("🎵song", "m\\🎵song.mp3", True),
        ("corazo\u0301n", "m\\Coraz\u00f3n.mp3", True),
        ("coraz\u00f3n", "m\\Corazo\u0301n.mp3", True),
    ],
)
def test_a_path_answers_a_query_as_the_rules_say(query: str, path: str, expected: bool) -> None:
    assert found(query, path) is expected


def test_nothing_asked_matches_nothing() -> None:
    assert not found("", "song")
    assert not found("   ", "song")
    assert not parse_query("-only -exclusions").asks


def test_a_term_said_twice_is_kept_once() -> None:
    query = parse_query("Song song SONG *song -x -X")
    assert [(term.text, term.wildcard) for term in query.include] == [("song", False), ("song", True)]
    assert [term.text for term in query.exclude] == ["x"]


@pytest.mark.parametrize("query", ["ab", " ab ", "*a", "-a", "12", "ыы", "é", "", "★", "__"])
def test_two_letters_or_signs_are_no_question(query: str) -> None:
    assert not long_enough(query)
    assert long_enough(query + "abc")


@pytest.mark.parametrize(
    "query", ["夢", "東京", "サ", "か", "꿈", "사랑", "ไฟ", "ก", "*愛", "夜a", "में", "עם", "في", "ፍቅ"]
)
def test_one_letter_of_a_script_without_case_is_one(query: str) -> None:
    assert long_enough(query)


def test_line_breaks_in_a_name_are_signs_like_others() -> None:
    assert found("song", "music\\a\nsong\nb.mp3")
    assert found("b.mp3", "music\\a\nsong\nb.mp3")


def test_word_characters_are_the_same_for_the_pattern_and_for_the_single_test() -> None:
    for number in range(sys.maxunicode + 1):
        if 0xD800 <= number < 0xE000:
            continue
        character = chr(number)
        assert bool(WORD.fullmatch(character)) == is_word_character(character)


SCRIPTS = st.sampled_from(
    "abAB12ßẞİıIσςΣέΈ éÉàñøœ ночьНОЧЬйЙ 夜桜サクラ゛ 한국 हिन्दी ไทย عربي עברית ǆ ﬀ 🎵 👍🏽 ❤\ufe0f\u200d ٣ ²"
    " ' . - _ * ( ) & \\ \u0301\u0307\u0308"
)
NAMES = st.text(SCRIPTS, max_size=24)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=24)


@settings(max_examples=300, deadline=None)
@given(st.one_of(NAMES, ANY_TEXT), st.one_of(NAMES, ANY_TEXT), st.integers(0, 20), st.integers(1, 8))
def test_the_quick_test_of_a_term_agrees_with_the_rule(text: str, path: str, start: int, size: int) -> None:
    # terms from nowhere, and terms cut out of the path so that many are found
    for source in (text, path[start : start + size], "*" + path[start : start + size]):
        for term in parse_query(source).include:
            alone = parse_query(("*" if term.wildcard else "") + term.text)
            if alone.include == (term,):
                assert term.found_in(fold(path)) == matches(alone, path)


@given(ANY_TEXT)
def test_every_text_is_a_query(text: str) -> None:
    query = parse_query(text)
    for term in (*query.include, *query.exclude):
        assert term.words
        assert not re.search(r"\s", term.text)


@given(NAMES, NAMES)
def test_folding_folder_and_name_apart_is_folding_the_path(folder: str, name: str) -> None:
    assert fold(folder) + "\\" + fold(name) == fold(folder + "\\" + name)
