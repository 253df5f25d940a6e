"""The commands as a whole."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import typer

from soulmesh.cli.app import app
from tests.cli.conftest import Command

# What only some extras bring: the command line starts without them, and tells which one is missing when a
# command needs it.
EXTRAS = (
    "sqlalchemy",
    "alembic",
    "argon2",
    "prometheus_client",
    "asyncpg",
    "greenlet",
    "redis",
    "uvloop",
    "starlette",
    "uvicorn",
    "httptools",
    "websockets",
    "httpx",
    "jwt",
    "keyring",
    "watchfiles",
    "async_upnp_client",
)


def paths(command: Any, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [at]
    for name, inner in getattr(command, "commands", {}).items():
        found += paths(inner, (*at, name))
    return found


@pytest.mark.parametrize("path", paths(typer.main.get_command(app)), ids=" ".join)
def test_every_command_explains_itself(path: tuple[str, ...], soulmesh: Command) -> None:
    done = soulmesh(*path, "--help")
    assert done.code == 0
    assert done.err == ""
    words = [line.strip() for line in done.out.splitlines() if line.strip()]
    assert words[0].startswith("Usage: soulmesh")
    assert len(words) > 1
    assert not words[1].startswith(("╭", "Options")), "the command lacks a docstring"


def test_the_command_line_starts_without_any_extra() -> None:
    script = f"""
import sys
for name in {EXTRAS!r}:
    sys.modules[name] = None
from soulmesh.cli import main
main(["--help"])
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert "Usage: soulmesh" in done.stdout


def test_the_extras_above_are_all_there_are() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    optional = project["project"]["optional-dependencies"]
    named = [text for extra, texts in optional.items() if extra not in ("all", "dev") for text in texts]
    named = [text for text in named if not text.startswith("soulmesh[")]
    bare = {text.split(">")[0].split(";")[0].strip().replace("-", "_") for text in named}
    assert {{"argon2_cffi": "argon2", "pyjwt": "jwt"}.get(name, name) for name in bare} == set(EXTRAS)


def test_a_command_loads_what_it_needs_and_no_other() -> None:
    script = """
import sys
from soulmesh.cli import main
try:
    main(["version"])
finally:
    others = ("soulmesh.client", "soulmesh.daemon", "soulmesh.server")
    loaded = [name for name in sys.modules if name.startswith(others)]
    assert not loaded, loaded
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("soulmesh ")


def test_a_command_that_is_not_there_is_named_with_one_that_is(soulmesh: Command) -> None:
    done = soulmesh("serch", "words")
    assert done.code == 2
    assert "serch" in done.err
    assert "search" in done.err
