"""Which goal or batch a person means: by id, by name, or by the beginning of an id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from soulmesh.errors import NotFound, UsageError

__all__ = ["find"]


def find(rows: Sequence[dict[str, Any]], given: str, what: str, listed_by: str) -> dict[str, Any]:
    """The row that is meant: by its ``id``, else by its ``name``, else by the beginning of its id.

    Args:
        what: one of them, in a word.
        listed_by: the command that lists them.

    Raises:
        NotFound: there is none.
        UsageError: it may be several.
    """
    for meant in (
        [row for row in rows if row["id"] == given],
        [row for row in rows if row["name"] == given],
        [row for row in rows if given and row["id"].startswith(given)],
    ):
        if len(meant) == 1:
            return meant[0]
        if meant:
            error = UsageError(f"{given} may be {len(meant)} {what}s")
            error.hint = f"say its id: {listed_by} --json"
            raise error
    missing = NotFound(f"there is no {what} {given}")
    missing.hint = listed_by
    raise missing
