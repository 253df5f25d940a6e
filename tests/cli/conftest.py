"""Command lines are run in the test's own process, far from the settings of whoever runs the tests."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from soulmesh.cli.app import app
from soulmesh.cli.run import invoke


@dataclass(frozen=True)
class Outcome:
    """What a command line did."""

    code: int
    out: str
    err: str


class Command(Protocol):
    def __call__(self, *arguments: str) -> Outcome: ...


@pytest.fixture(autouse=True)
def _own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in list(os.environ):
        if name.startswith("SOULMESH_"):
            monkeypatch.delenv(name)
    # The width of whoever runs the tests cuts no names here.
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    root = logging.getLogger("soulmesh")
    before = (list(root.handlers), root.level, root.propagate)
    yield
    root.handlers[:], root.level, root.propagate = before


@pytest.fixture
def soulmesh(capsys: pytest.CaptureFixture[str]) -> Command:
    """Run ``soulmesh ARGUMENTS...`` and see what it says."""

    def run(*arguments: str) -> Outcome:
        capsys.readouterr()
        code = invoke(app, arguments)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return run
