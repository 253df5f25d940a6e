"""``soulmesh version`` and ``soulmesh --version``."""

from __future__ import annotations

import platform
from importlib import metadata

import typer

import soulmesh
from soulmesh.cli import run
from soulmesh.cli.output import JsonOption

__all__ = ["print_and_leave", "version"]

# What a report of a defect should tell, beside our own version.
TOLD = ("typer", "rich", "structlog", "pydantic-settings", "sqlalchemy", "uvloop")


def print_and_leave(wanted: bool) -> None:
    """For ``--version``: one line, and out."""
    if wanted:
        typer.echo(f"soulmesh {soulmesh.__version__}")
        raise typer.Exit


@run.command
def version(json: JsonOption = False) -> None:
    """Print the version, and those of Python and the libraries that matter."""
    out = run.output(json=json)
    libraries = {name: _installed(name) for name in TOLD}
    out.record(
        {
            "soulmesh": soulmesh.__version__,
            "python": platform.python_version(),
            "platform": platform.platform(),
            "libraries": libraries,
        }
    )
    out.line(f"soulmesh {soulmesh.__version__}")
    out.line(f"Python {platform.python_version()} on {platform.platform()}")
    out.line(", ".join(f"{name} {found or 'not installed'}" for name, found in libraries.items()))


def _installed(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
