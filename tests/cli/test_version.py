"""``soulmesh version``."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from soulmesh import __version__
from tests.cli.conftest import Command


def test_version_is_said_in_three_ways(soulmesh: Command) -> None:
    assert soulmesh("--version").out == f"soulmesh {__version__}\n"
    assert soulmesh("version").out.startswith(f"soulmesh {__version__}\nPython 3.")
    record = json.loads(soulmesh("version", "--json").out)
    assert record["soulmesh"] == __version__
    assert record["libraries"]["typer"]


def test_the_package_and_its_metadata_agree() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == __version__


def test_without_a_command_the_help_is_shown(soulmesh: Command) -> None:
    done = soulmesh()
    assert "Usage: soulmesh" in done.out
    assert done.err == ""
    assert done.code == 2
