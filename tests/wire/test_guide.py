"""The guide to the protocol library is true: its examples are run, and its commands say what it shows."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "wire.md"
CONSOLE = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)


def sessions() -> list[tuple[str, str]]:
    """Each command that the guide shows, with what it prints."""
    found: list[tuple[str, str]] = []
    for block in CONSOLE.findall(GUIDE.read_text(encoding="utf-8")):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            found.append((command, output))
    return found


def test_the_examples_of_the_guide_run() -> None:
    outcome = doctest.testfile(str(GUIDE), module_relative=False, encoding="utf-8")
    assert outcome.attempted > 35
    assert outcome.failed == 0


@pytest.mark.parametrize(("command", "output"), sessions(), ids=lambda text: text[:40])
def test_the_commands_of_the_guide_say_what_it_shows(command: str, output: str) -> None:
    shell = f'soulmesh() {{ "{sys.executable}" -m soulmesh "$@"; }}\n{command}'
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(
        ["sh", "-c", shell], capture_output=True, encoding="utf-8", env=environment, timeout=50, check=False
    )
    # A terminal shows both; notes come first there, errors last.
    lines = [*done.stdout.splitlines(), *done.stderr.splitlines()]
    assert sorted(lines) == sorted(output.splitlines())


def test_there_are_commands_in_the_guide() -> None:
    assert len(sessions()) >= 6
