"""The yardstick of shares is right: its counts are those of the rule, and ours agree with them."""

from __future__ import annotations

import importlib
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from soulmesh.core.query import matches, parse_query

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, ModuleType]]:
    monkeypatch.syspath_prepend(str(BENCHMARKS / "impls"))
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    names = ("library", "ours_search", "ours_scan", "shares")
    yield {name: importlib.import_module(name) for name in names}
    for name in names:
        sys.modules.pop(name, None)


def test_the_counts_of_the_yardstick_are_those_of_the_rule(
    modules: dict[str, ModuleType], tmp_path: Path
) -> None:
    made = modules["library"].load(tmp_path, 600, 200)
    again = modules["library"].load(tmp_path, 600, 200)
    assert (again.paths, again.queries, again.expected) == (made.paths, made.queries, made.expected)
    assert sum(made.expected) > 100
    for query, expected in random.Random(1).sample(list(zip(made.queries, made.expected, strict=True)), 60):
        parsed = parse_query(query)
        assert sum(matches(parsed, path) for path in made.paths) == expected, query


def test_ours_answers_with_as_many_as_the_rule(modules: dict[str, ModuleType], tmp_path: Path) -> None:
    made = modules["library"].load(tmp_path, 600, 200)
    index = modules["ours_search"].Index(made.paths, str(tmp_path), 100)
    index.build()
    jobs = list(zip(made.queries, made.expected, strict=True))
    assert modules["shares"].ask(index.query, jobs, 100, 30)["wrong"] == 0
    assert modules["shares"].ask(index.reply, jobs, 100, 30)["wrong"] == 0
    wrong = [(query, expected + 1) for query, expected in jobs if expected < 99]
    assert modules["shares"].ask(index.query, wrong, 100, 30)["wrong"] == len(wrong)
    assert modules["shares"].hostile(index)["hostile_asked"] > 500
    assert modules["shares"].changes(index, jobs, 100)["add_1000_ms"] > 0


def test_ours_scans_what_is_there(modules: dict[str, ModuleType], tmp_path: Path) -> None:
    (tmp_path / "music").mkdir()
    (tmp_path / "music" / "a.txt").write_bytes(b"x")
    scanner = modules["ours_scan"].Scanner(str(tmp_path / "music"), str(tmp_path / "work"))
    scanner.scan()
    assert scanner.counts() == (1, 0)
