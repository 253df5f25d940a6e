"""The yardsticks measure what they say: the data are right, and so is what is left out."""

from __future__ import annotations

import asyncio
import zlib
from pathlib import Path
from types import ModuleType

import pytest
from benchmarks import client, codec

from soulmesh import wire


@pytest.fixture(scope="module")
def ours() -> ModuleType:
    return codec.load(["ours"])["ours"]


@pytest.fixture(scope="module")
def small() -> list[codec.Job]:
    library = codec.Library(1)
    results, folders = library.results(20), [library.folder(3) for _ in range(5)]
    reply, shares = codec.search_reply_body(results), codec.shares_body(folders)
    rooms = [("lobby", 3), ("ambient", 4)]
    return [
        codec.Job("search_reply", "reply", (results,), codec.compressed(9, reply), 20, reply),
        codec.Job("shares", "shares", (folders,), codec.compressed(5, shares), 15, shares),
        codec.Job("distributed_search", "search", ("a", 1, "q"), codec.search_frame("a", 1, "q"), "q"),
        codec.Job("room_list", "rooms", (rooms,), codec.room_list_frame(rooms), 2),
    ]


def test_our_bytes_are_the_bytes_given_to_all(ours: ModuleType, small: list[codec.Job]) -> None:
    for job in small:
        written = getattr(ours, f"make_{job.name}")(getattr(ours, f"prepare_{job.name}")(*job.values))
        if job.body is None:
            assert written == job.wire
        else:
            assert zlib.decompress(written[8:]) == job.body


def test_every_message_is_measured_with_and_without_compression(
    ours: ModuleType, small: list[codec.Job]
) -> None:
    for job in small:
        for plain in (False, True):
            found = codec.figures_of(job, {"ours": ours}, plain)
            assert [f.work for f in found] == ["write", "read"]
            codec.measure(found, {"ours": ours}, rounds=1, seconds=0.0, plain=plain)
            assert all(f.rate > 0 for f in found)


def test_without_compression_the_body_is_plain_and_afterwards_it_is_not(
    ours: ModuleType, small: list[codec.Job]
) -> None:
    job = small[0]
    message = ours.prepare_search_reply(*job.values)
    with codec.without_compression(ours):
        assert wire.encode(message)[8:] == job.body
    assert wire.encode(message)[8:] != job.body
    assert ours.parse_search_reply(job.wire) == 20


def test_wrong_bytes_are_found_before_anything_is_measured(ours: ModuleType, small: list[codec.Job]) -> None:
    job = small[3]
    wrong = codec.Job(job.name, job.label, job.values, job.wire, 5)
    with pytest.raises(SystemExit, match="soulmesh: rooms: its own bytes are read as 2, not 5"):
        codec.figures_of(wrong, {"ours": ours}, False)


def test_the_worked_example_of_the_obfuscation_is_checked(ours: ModuleType) -> None:
    assert [f.unit for f in codec.obfuscation_figures({"ours": ours})] == [" MB/s", " MB/s"]


def test_a_goal_is_told_as_reached_or_missed() -> None:
    def figure(impl: str, rate: float) -> codec.Figure:
        return codec.Figure("room_list", "rooms", "read", impl, lambda: None, [rate])

    rows = codec.rows_of([figure("ours", 300), figure("aioslsk", 100), figure("nicotine", 290)])
    shown = codec.table(rows, _named("ours", "aioslsk", "nicotine"))
    assert "3.00 ok" in shown
    assert "1.03 < 1.5" in shown


def _named(*names: str) -> dict[str, ModuleType]:
    modules = {}
    for name in names:
        modules[name] = ModuleType(name)
        modules[name].NAME = name  # type: ignore[attr-defined]
    return modules


def test_an_implementation_that_is_not_installed_is_said_and_left_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert codec.load(["nothing_of_that_name"]) == {}
    assert "nothing_of_that_name is left out" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("what", "scale", "counted", "expected"),
    [("forward", 0.01, "full lost %", None), ("results", 0.02, "results", 500), ("links", 0.05, "links", 50)],
)
def test_a_client_in_a_world_of_its_own_is_measured(
    what: str, scale: float, counted: str, expected: float | None
) -> None:
    """Its figures are those of work that was really done."""
    figures = asyncio.run(client.WORK[what]("ours", scale))
    assert figures.get(counted) == expected
    assert figures["MB"] > 0


@pytest.mark.slow
def test_the_large_list_of_shares_has_as_many_files_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BENCH_DATA", str(tmp_path))
    assert asyncio.run(client.browse("ours", 0.001))["files"] == 1000
