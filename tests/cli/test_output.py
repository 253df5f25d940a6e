"""What people and machines are shown."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from soulmesh.cli.output import Column, Output, clean, duration, size, speed
from soulmesh.cli.table import keep_end


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (1023 * 1024, "1.0 MiB"),
        (1048575, "1.0 MiB"),
        (5 * 1024**3, "5.0 GiB"),
        (2**64 - 1, "16.0 EiB"),
    ],
)
def test_sizes_have_one_decimal_and_never_four_digits(count: int, shown: str) -> None:
    assert size(count) == shown


def test_speeds_are_sizes_per_second() -> None:
    assert speed(1536.7) == "1.5 KiB/s"


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0:00"),
        (7.4, "0:07"),
        (59.6, "1:00"),
        (185, "3:05"),
        (3723, "1:02:03"),
        (187200, "2d 04:00"),
        (-3, "0:00"),
    ],
)
def test_durations_read_like_a_clock(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown


def test_names_from_elsewhere_cannot_steer_the_terminal() -> None:
    assert clean("a\x1b[31mb\x07\r\n") == "a\\x1b[31mb\\x07\\r\\n"
    assert clean("gpj.\u202eexe") == "gpj.\\u202eexe"
    assert clean("c1\x9b31m") == "c1\\x9b31m"
    assert clean("a byte \udcff, half \ud800") == "a byte \\xff, half \\ud800"
    assert clean("Björk – 音楽 🎵") == "Björk – 音楽 🎵"
    assert clean("a\nb\x00", lines=True) == "a\nb\\x00"


COLUMNS = [
    Column("username", "User"),
    Column("path", "File", keep_end=True, wide=True),
    Column("size", "Size", show=size, right=True),
]
ROWS = [
    {"username": "eve", "path": "Music\\Somebody\\A long album of songs\\01 First [live].flac", "size": 1536},
    {"username": "bob", "path": "b.mp3", "size": None},
]


def table(width: int) -> list[str]:
    stream = io.StringIO()
    out = Output(console=Console(file=stream, width=width, markup=False, highlight=False))
    assert out.table(COLUMNS, ROWS) == 2
    return stream.getvalue().splitlines()


def test_a_table_fits_the_width_and_keeps_the_end_of_a_path() -> None:
    lines = table(50)
    assert all(len(line) <= 50 for line in lines)
    assert "…" in lines[1]
    assert "[live].flac" in lines[1]
    assert "1.5 KiB" in lines[1]
    assert "eve" in lines[1]


@pytest.mark.parametrize(
    ("width", "headers"),
    [(100, "User File Length Speed"), (44, "User File Length"), (36, "User File")],
)
def test_columns_that_can_be_spared_go_before_a_name_becomes_unreadable(width: int, headers: str) -> None:
    stream = io.StringIO()
    out = Output(console=Console(file=stream, width=width, markup=False, highlight=False))
    columns = [*COLUMNS[:2], Column("length", "Length", spare=1), Column("speed", "Speed", spare=2)]
    out.table(columns, [{**ROWS[0], "length": "3:05", "speed": "1.2 MiB/s"}])
    heading, row = stream.getvalue().splitlines()
    assert heading.split() == headers.split()
    assert "01 First [live].flac" in row
    assert len(row) <= width


def test_nothing_is_left_out_where_all_has_room() -> None:
    stream = io.StringIO()
    out = Output(console=Console(file=stream, width=24, markup=False, highlight=False))
    out.table([*COLUMNS[:2], Column("length", "Length", spare=1)], [{**ROWS[1], "length": "3:05"}])
    assert stream.getvalue().split() == ["User", "File", "Length", "bob", "b.mp3", "3:05"]


def test_a_wide_table_cuts_nothing() -> None:
    assert "Music\\Somebody\\A long album of songs\\01 First [live].flac" in table(200)[1]


def test_output_that_is_no_terminal_is_never_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    stream = io.StringIO()
    Output(stdout=stream).table([Column("name", "Name")], [{"name": "x" * 500}])
    assert "x" * 500 in stream.getvalue()


def test_json_prints_whole_rows_one_per_line_and_nothing_else() -> None:
    stream, errors = io.StringIO(), io.StringIO()
    out = Output(json=True, stdout=stream, stderr=errors)
    out.note("searching")
    out.line("found")
    rows = [{"username": "Björk", "path": Path("a/b"), "raw": b"\x00\xff", "hidden": 1}]
    assert out.table(COLUMNS, rows) == 1
    out.record({"at": datetime(2020, 1, 2, tzinfo=UTC), "names": {"b", "a"}})
    with out.transfers() as transfers:
        transfers.finish(transfers.add("x", 10))
    assert errors.getvalue() == ""
    assert [json.loads(line) for line in stream.getvalue().splitlines()] == [
        {"username": "Björk", "path": "a/b", "raw": "00ff", "hidden": 1},
        {"at": "2020-01-02T00:00:00+00:00", "names": ["a", "b"]},
    ]


def test_json_refuses_what_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="cannot print object"):
        Output(json=True, stdout=io.StringIO()).record({"x": object()})


def test_without_json_records_are_silent() -> None:
    stream = io.StringIO()
    Output(stdout=stream).record({"a": 1})
    assert stream.getvalue() == ""


def test_square_brackets_and_emoji_names_are_printed_as_they_are() -> None:
    stream = io.StringIO()
    Output(stdout=stream).line("[bold]:smile: [/nonsense]")
    assert stream.getvalue() == "[bold]:smile: [/nonsense]\n"


def test_a_long_line_is_broken_between_words_at_a_terminal_alone() -> None:
    text = "  messages: " + ", ".join(f"Message{number}" for number in range(12))
    stream = Terminal()
    console = Console(file=stream, width=40, markup=False, force_terminal=True, color_system=None)
    Output(console=console).line(text)
    lines = stream.getvalue().splitlines()
    assert len(lines) > 3
    assert all(len(line) <= 40 for line in lines)
    assert lines[0].startswith("  messages: Message0, ")
    assert all(line.startswith("    Message") for line in lines[1:])
    plain = io.StringIO()
    Output(stdout=plain).line(text)
    assert plain.getvalue() == text + "\n"


def test_without_a_terminal_each_tenth_of_a_file_is_a_line() -> None:
    errors = io.StringIO()
    with Output(stderr=errors).transfers() as transfers:
        key = transfers.add("a\x1b.flac", 1000)
        for done in (1, 50, 100, 101, 550, 1000):
            transfers.update(key, done)
        transfers.finish(key)
        other = transfers.add("b.flac", 10, 9)
        transfers.finish(other, failed="the user went away")
        empty = transfers.add("empty", 0)
        transfers.update(empty, 0)
        transfers.finish(empty)
    lines = errors.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "a\\x1b.flac: 10%",
        "a\\x1b.flac: 55%",
        "a\\x1b.flac: 100%",
        "b.flac: the user went away",
        "empty: 100%",
    ]
    assert " left" in lines[0]


def test_a_terminal_gets_a_bar_with_rate_and_time() -> None:
    errors = Terminal()
    with Output(stderr=errors).transfers() as transfers:
        key = transfers.add("01 [live].flac", 2048)
        transfers.update(key, 1024)
        transfers.finish(key)
        other = transfers.add("02.flac", 2048)
        transfers.finish(other, failed="gone")
    text = errors.getvalue()
    assert "01 [live].flac" in text
    assert "2.0 of 2.0 KiB" in text
    assert "100%" in text
    assert "/s" in text
    assert "02.flac: gone" in text
    assert "02.flac (failed)" in text


@pytest.mark.parametrize("width", [60, 80])
def test_a_bar_stays_on_its_line_in_a_narrow_terminal(width: int) -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=width, force_terminal=True, color_system=None)
    with Output(console=console).transfers() as transfers:
        key = transfers.add("A name that is rather long for a file.flac", 5 << 20)
        transfers.update(key, 900 << 10)
    frames = [line for line in stream.getvalue().splitlines() if "%" in line]
    assert frames
    assert all("900.0 KiB of 5.0 MiB" in frame for frame in frames[-1:])
    assert all("left" in frame for frame in frames)
    assert all(len(frame.rpartition("\r")[2]) <= width + len("\x1b[2K") for frame in frames)


def test_bars_of_several_files_have_one_for_all_of_them_below() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=90, force_terminal=True, color_system=None)
    out = Output(console=console)
    with out.transfers() as bars:
        bars.expect(8, 8000)
        bars.passed("quick.flac", 1000)
        for number in range(6):
            key = bars.add(f"{number}.flac", 1000)
            bars.finish(key)
            # What is printed meanwhile stands above the bars, once.
            out.line(f"/music/{number}.flac")
        bars.update(bars.add("6.flac", 1000), 500)
    text = stream.getvalue()
    last = [
        line
        for line in text.rpartition("/music/5.flac")[2].splitlines()
        if "flac " in line or "in all" in line
    ]
    bottom = last[-6:]
    # Of those that are over the last ones stay.
    assert [line.rpartition("\x1b[2K")[2].split()[0] for line in bottom] == [
        "2.flac",
        "3.flac",
        "4.flac",
        "5.flac",
        "6.flac",
        "in",
    ]
    assert "in all, 7 of 8 files" in bottom[-1]
    assert "94%" in bottom[-1] or "93%" in bottom[-1]
    assert [text.count(f"/music/{number}.flac") for number in range(6)] == [1] * 6


def test_the_speed_is_what_the_transfer_says_not_what_the_time_of_waiting_makes_of_it() -> None:
    errors = io.StringIO()
    with Output(stderr=errors).transfers() as transfers:
        key = transfers.add("a.flac", 4 << 20)
        transfers.update(key, 2 << 20, rate=51_200.0)
        transfers.finish(key, rate=102_400.0)
    half, whole = errors.getvalue().splitlines()
    assert half == "a.flac: 50%, 2.0 MiB of 4.0 MiB, 50.0 KiB/s, 0:41 left"
    assert whole.endswith(", 100.0 KiB/s")


def test_a_file_that_fails_among_several_is_told_at_once_and_does_not_count_as_here() -> None:
    errors = io.StringIO()
    with Output(stderr=errors).transfers() as transfers:
        transfers.expect(3, 30)
        transfers.passed("gone.flac", 10, failed="File not shared.")
        told = errors.getvalue()
        transfers.passed("quick.flac", 10)
        transfers.finish(transfers.add("slow.flac", 10))
    assert told == "gone.flac: File not shared., 0 of 3 files, 1 failed\n"
    assert errors.getvalue().splitlines()[-1].endswith(", 2 of 3 files, 1 failed")
    stream = io.StringIO()
    console = Console(file=stream, width=90, force_terminal=True, color_system=None)
    with Output(console=console).transfers() as bars:
        bars.expect(3, 30)
        bars.passed("gone.flac", 10, failed="File not shared.")
        bars.passed("quick.flac", 10)
    assert "gone.flac: File not shared." in stream.getvalue()
    assert "in all, 1 of 3 files, 1 failed" in stream.getvalue()


def test_a_single_file_has_no_bar_for_all() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=80, force_terminal=True, color_system=None)
    with Output(console=console).transfers() as bars:
        bars.expect(1, 1000)
        bars.finish(bars.add("a.flac", 1000))
    assert "in all" not in stream.getvalue()


def test_names_are_cut_by_the_cells_that_they_take() -> None:
    assert keep_end("千のナイフ.flac", 40) == "千のナイフ.flac"
    assert keep_end("千のナイフ.flac", 10) == "…イフ.flac"
    assert keep_end("千のナイフ.flac", 9) == "…フ.flac"


def test_columns_without_anything_in_them_are_left_out() -> None:
    stream = io.StringIO()
    columns = [Column("name", "File"), Column("place", "Place", optional=True), Column("why", "Why")]
    Output(stdout=stream).table(columns, [{"name": "a"}, {"name": "b", "place": None}])
    assert stream.getvalue().split() == ["File", "Why", "a", "b"]
    stream.truncate(0)
    Output(stdout=stream).table(columns, [{"name": "a"}, {"name": "b", "place": 3}])
    assert "Place" in stream.getvalue()
