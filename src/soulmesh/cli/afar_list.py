"""Transfers of a running daemon, listed and found by their numbers."""

from __future__ import annotations

from typing import Any

from soulmesh.cli.transfers import OVER
from soulmesh.core.transfer import State
from soulmesh.daemon.remote import Daemon
from soulmesh.errors import NotFound

__all__ = ["key_of", "row_of", "rows"]

LOOKED_AT = 1000
"""So many of the newest that are over are searched for failed ones."""


async def rows(daemon: Daemon, direction: str, *, all_: bool, limit: int) -> list[dict[str, Any]]:
    """What the table shows."""
    found = [row_of(row) async for row in daemon.transfers.running(direction)]
    over: list[dict[str, Any]] = []
    looked = 0
    async for row in daemon.transfers.history(direction):
        looked += 1
        if len(over) >= limit or (looked > LOOKED_AT and not all_):
            break
        # What has failed waits for a person, and is shown as long as it does.
        if all_ or row["state"] == State.FAILED.value:
            over.append(row_of(row))
    return found + over


def row_of(row: dict[str, Any]) -> dict[str, Any]:
    """What the table shows of one transfer."""
    state = row["state"]
    moved = state in (State.RUNNING.value, State.FINISHED.value)
    return {
        "id": row["number"],
        "username": row["username"],
        "name": row["path"].rpartition("\\")[2],
        "remote_path": row["path"],
        "state": state,
        "percent": f"{100 * row['done'] // row['size']}%" if row["size"] else None,
        "done": row["done"],
        "size": row["size"],
        "speed": round(row["speed"]) if moved else None,
        "left": row["seconds_left"] if state == State.RUNNING.value else None,
        "place": row["place"] if state == State.QUEUED.value else None,
        "priority": None if State(state) in OVER else row["priority"],
        "reason": row["reason"],
        "local_path": row["local_path"],
    }


async def key_of(daemon: Daemon, number: int) -> dict[str, Any]:
    """The transfer with this number.

    Raises:
        NotFound: there is none.
    """
    async for row in daemon.transfers.running():
        if row["number"] == number:
            return row
    async for row in daemon.transfers.history():
        if row["number"] == number:
            return row
    raise NotFound(f"there is no transfer {number}")
