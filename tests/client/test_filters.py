"""The one language of filters, and the rules against answers that only echo."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soulmesh.client.filters import Filter, FilterError
from soulmesh.client.results import FoundFile, Hit, Remembered, estimate, rank, stays
from soulmesh.client.suspicion import suspicious
from soulmesh.wire.peer import PeerSearchReply
from soulmesh.wire.structs import FileData


def hit(
    path: str = "Music\\Miles Davis\\1959 Kind of Blue\\01 So What.flac",
    size: int = 40 << 20,
    *,
    free: bool = True,
    speed: int = 1_000_000,
    queue: int = 0,
    locked: bool = False,
    user: str = "eve",
    **attributes: int,
) -> Hit:
    keys = {"bitrate": 0, "length": 1, "vbr": 2, "rate": 4, "depth": 5}
    found = tuple((keys[name], value) for name, value in attributes.items())
    return Hit(user, FoundFile(path, size, found), free, speed, queue, locked)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "flac",
        "so what",
        '"Kind of Blue"',
        "-mp3",
        "size>10mb",
        "size>=40mb size<=40mb size=40mb size!=41mb",
        "size>0.03gb",
        "length<10:00 length>=9:22 length=562",
        "length<1:00:00",
        "rate=44.1k depth=16",
        "speed>500k queue<20",
        "type:flac",
        "type:mp3|flac",
        "type:mp3,flac",
        "user:eve",
        "free -locked -vbr lossless",
        r"path~/\\19[5-6]\d /",
        "name~/^01 .*what/",
        r"name~/^\d+ .*(what|who|when).*\.(flac|mp3)?$/",
        "name~/[[0]/",
        "mp3 | flac",
        "(mp3 | flac) size>1mb",
        "-(mp3 | ogg)",
        "wrong | (flac -(size<1mb | locked))",
    ],
)
def test_conditions_that_hold(text: str) -> None:
    one = hit(length=562, rate=44100, depth=16)
    assert Filter.parse(text)(one), Filter.parse(text).why_not(one)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("mp3", "mp3"),
        ("flac size<10mb free", "size<10mb"),
        ("bitrate>=320", "bitrate>=320"),
        ("-flac", "-flac"),
        ("user:mallory", "user:mallory"),
        ("flac (mp3 | ogg)", "(mp3 | ogg)"),
        ("vbr", "vbr"),
        ('"free"', '"free"'),
    ],
)
def test_conditions_that_do_not_hold_and_which_one_it_was(text: str, why: str) -> None:
    assert Filter.parse(text).why_not(hit()) == why


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("flac size>10xx", 12, "'xx' is no unit"),
        ("size>", 5, "a number is missing"),
        ("size:10", 0, "compare it with"),
        ("colour=red", 0, "nothing is called colour"),
        ('flac "open', 5, "closing quotation mark"),
        ("(flac", 0, "never closed"),
        ("flac )", 5, "closing bracket"),
        ("flac | ", 5, "missing beside the bar"),
        ("()", 0, "nothing stands between"),
        ("- flac", 0, "nothing to leave out"),
        ("length<1:2:3:4", 7, "write a time as"),
        ("path~/a(/", 7, "expression"),
        ("path~/abc", 5, "closing slash"),
        ("path~abc", 5, "between slashes"),
        (r"path~/.*x+(?!y)/", 10, "a look ahead or behind bears one"),
        ("name~/" + "(a{9}|b){1,9}" * 3 + "/", 8, "more than 200 characters to look for"),
        ("name~/" + "x" * 150 + "/ " + "path~/" + "y" * 150 + "/ name~/" + "z" * 150 + "/", 321, "together"),
        ("name~/a{99999999999}/", 6, "too large"),
        ("name~/a{2,1}/", 8, "min repeat greater than max repeat"),
        ("type:", 5, "needs a value"),
        ("Size>1xb", 6, "is no unit"),
        ("flac size >1mb", 10, "compares nothing"),
        ("x" * 1001, 1000, "at most 1000"),
        ("(" * 30 + "a" + ")" * 30, 20, "nested more than"),
    ],
)
def test_errors_point_at_the_place(text: str, position: int, words: str) -> None:
    with pytest.raises(FilterError, match=words) as caught:
        Filter.parse(text)
    assert caught.value.position == position
    assert caught.value.pointer.splitlines()[1] == " " * position + "^"


def test_names_of_conditions_are_read_whatever_their_case_and_other_words_are_words() -> None:
    assert Filter.parse("SIZE>1kb Type:flac")(hit())
    assert not Filter.parse("Size>1gb")(hit())
    assert Filter.parse("Artist:Title").why_not(hit()) == "Artist:Title"
    assert Filter.parse('user:"somebody else"|"' + hit().username + '"')(hit())


def test_a_filter_can_be_tried_on_results_that_are_there() -> None:
    small = hit(size=100)
    trial = Filter.parse("flac size>1mb").try_on([hit(), small])
    assert trial.kept == [hit()]
    assert trial.cut == [(small, "size>1mb")]


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_an_error_that_points_into_it(text: str) -> None:
    position = 0
    try:
        Filter.parse(text)(hit())
    except FilterError as error:
        position = error.position
    assert 0 <= position <= len(text)


def test_results_are_ranked_by_when_they_would_be_finished_and_then_by_the_fuller_folder() -> None:
    def at(name: str, seconds: float | None, *, locked: bool = False, files: int = 1) -> Hit:
        return Hit(name, FoundFile("a\\b.mp3", 1), True, 1, 0, locked, seconds, files)

    hits = [at("locked", 1.0, locked=True), at("unknown", None), at("slow", 9.0), at("fast", 2.0)]
    assert [one.username for one in sorted(hits, key=rank)] == ["fast", "slow", "unknown", "locked"]
    empty = Hit("empty", FoundFile("a\\b.mp3", 0), True, 1, 0, False, None, folder_files=9)
    assert [one.username for one in sorted([empty, *hits], key=rank)][-2:] == ["empty", "locked"]
    whole, part = at("whole", 2.0, files=12), at("part", 2.0)
    assert sorted([part, whole], key=rank) == [whole, part]
    little_sooner = at("sooner", 1.95)
    assert sorted([little_sooner, whole], key=rank) == [whole, little_sooner], "about the same time"


def test_past_speed_failures_and_hours_change_the_estimate() -> None:
    def guess(past: Remembered, queue: int = 0) -> float | None:
        return estimate(10_000_000, free_slot=not queue, speed=1_000_000, queue=queue, past=past)

    assert guess(Remembered(speed=100_000.0)) == 100.0
    assert guess(Remembered(failures=2)) == 30.0
    assert guess(Remembered(), queue=4) == 30.0
    assert guess(Remembered(online=0.5), queue=4) == 50.0, "who may be gone before it is our turn"
    assert guess(Remembered(online=0.5)) == 10.0, "a free slot does not wait"


def test_who_is_rarely_around_at_this_hour_is_known_after_some_sightings() -> None:
    evenings = {"19": 4, "20": 6, "21": 5}
    assert stays(evenings, 20) == 1.0
    assert stays(evenings, 8) == 0.25
    assert stays({"20": 4}, 8) == 1.0, "too little is known"
    around_midnight = {"23": 3, "0": 3, "1": 3}
    assert stays(around_midnight, 23) == stays(around_midnight, 1) == 1.0


def answer(*files: tuple[str, int]) -> PeerSearchReply:
    return PeerSearchReply("eve", 1, [FileData(1, name, size, "", []) for name, size in files], True, 1, 0)


@pytest.mark.parametrize(
    ("files", "rule"),
    [
        ([("blue train\\blue train.mp3", 5)], "echo"),
        ([("x\\a blue train.mp3", 7), ("x\\b blue train.mp3", 7), ("x\\c blue train.mp3", 7)], "same size"),
        ([("Jazz\\1957 Blue Train\\01 Blue Train.mp3", 5)], None),
        ([("Blue Train\\01 Blue Train.mp3", 5), ("Blue Train\\02 Moment's Notice.mp3", 6)], None),
        ([("x\\a.mp3", 0), ("x\\b.mp3", 0), ("x\\c.mp3", 0)], None),
        ([], None),
    ],
)
def test_answers_that_only_echo_the_query(files: list[tuple[str, int]], rule: str | None) -> None:
    assert suspicious("blue train", answer(*files)) == rule
