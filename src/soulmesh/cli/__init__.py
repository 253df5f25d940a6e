"""The ``soulmesh`` command."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code (they are listed in :mod:`soulmesh.cli.run`)."""
    import sys

    try:
        from soulmesh.cli.app import app
        from soulmesh.cli.run import invoke, settle

        settle()
    except KeyboardInterrupt:
        # Half a second in which nothing has begun yet.
        sys.exit(130)
    sys.exit(invoke(app, arguments))
