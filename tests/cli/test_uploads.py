"""`soulmesh uploads`, and rules that are tried on the requests of the last days."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soulmesh.client.transfers import Journal
from soulmesh.config import Transfers
from soulmesh.core.rule_trial import Asked
from soulmesh.core.upload_queue import Person
from soulmesh.daemon.choices import changed_rules
from soulmesh.errors import ConfigError
from tests.cli.conftest import Command


async def record(path: Path) -> None:
    """eve asked for five files, a second apart."""
    journal = Journal(path)
    await journal.open()
    now = datetime.now(UTC).timestamp()
    for number in range(5):
        journal.requested(Asked(now - 100 + number, Person("eve"), rf"Music\{number}.flac", 10_000_000))
    await journal.close()


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    monkeypatch.setenv("SOULMESH_DAEMON_DATA", str(folder))
    return folder


def test_rules_are_tried_on_recorded_requests(soulmesh: Command, tmp_path: Path, data: Path) -> None:
    asyncio.run(record(data / "transfers.sqlite"))
    rules = tmp_path / "rules.toml"
    rules.write_text("queue_files = 1\nupload_slots = 1\n")
    done = soulmesh("uploads", "try", str(rules), "--json")
    assert done.code == 0, done.err
    [row] = [json.loads(line) for line in done.out.splitlines()]
    assert (row["username"], row["group"], row["reasons"]) == ("eve", "default", {"Too many files": 3})
    # The same with the heading of the settings file, and with a group that has limits of its own.
    rules.write_text(
        '[transfers]\nqueue_files = 1\n[transfers.groups.band]\nusers = ["eve"]\nqueue_files = 9\n'
    )
    done = soulmesh("uploads", "try", str(rules))
    assert "band" in done.out
    assert "5 requests of 1 users; refused: 0 (as it is: 0)" in done.err
    assert soulmesh("uploads", "try", str(rules), "--days", "0.0001").code == 2


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("queue_flies = 1", "transfers.queue_flies: unknown setting"),
        ("groups = 3", "transfers.groups: Input should be a valid dictionary"),
        ("[groups.band]\ntire = 1", "transfers.groups.band.tire: unknown setting"),
        ("upload_slots = -1", "transfers.upload_slots: Input should be greater than or equal to 0"),
        ("upload_slots", "is not TOML"),
    ],
)
def test_rules_that_cannot_be_are_one_line(
    soulmesh: Command, tmp_path: Path, data: Path, text: str, said: str
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(text)
    done = soulmesh("uploads", "try", str(rules))
    assert done.code == 2
    assert said in done.err
    assert done.err.startswith("error: ")


def test_without_requests_there_is_nothing_to_try(soulmesh: Command, tmp_path: Path, data: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("upload_slots = 2")
    assert soulmesh("uploads", "try", str(rules)).err == "nobody has asked for anything yet\n"
    assert soulmesh("uploads").err == "no uploads yet\n"


def test_of_groups_what_a_trial_does_not_say_stays() -> None:
    given = Transfers.model_validate(
        {"groups": {"band": {"users": ["liz"], "weight": 3}, "leechers": {"queue_megabytes": 5}}}
    )
    rules = changed_rules(given, {"groups": {"new": {"users": ["x"]}, "band": {"weight": 5}}})
    assert rules.groups["band"].users == {"liz"}
    assert rules.groups["band"].weight == 5
    assert rules.groups["leechers"].max_bytes == 5_000_000
    assert rules.groups["new"].users == {"x"}
    with pytest.raises(ConfigError, match="groups"):
        changed_rules(given, {"groups": {"band": {"colour": 1}}})
    with pytest.raises(ConfigError, match="groups"):
        changed_rules(given, {"groups": {"band": 1}})
