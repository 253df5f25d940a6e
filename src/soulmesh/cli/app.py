"""The commands, put together. Each subject has a module of its own."""

from __future__ import annotations

import typer

__all__ = ["app"]

app = typer.Typer(name="soulmesh", no_args_is_help=True, add_completion=False, help=__doc__)


@app.callback()
def _root() -> None:
    """soulmesh: the whole Soulseek system in one program."""
