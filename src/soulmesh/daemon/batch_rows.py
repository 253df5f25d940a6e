"""A batch as ``/api/v1`` and the commands show it; needs nothing but the client."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from soulmesh.client.transfers.batches import Batch, state_of
from soulmesh.core.transfer import State

__all__ = ["batch_row"]


def batch_row(batch: Batch, files: Sequence[dict[str, Any]], *, moving: bool = False) -> dict[str, Any]:
    """What is told of a batch, all but its times.

    Args:
        files: its transfers: ``username``, ``state``, ``size`` and ``done`` (bytes) of each.
        moving: whether its folder is on its way to its place right now.
    """
    finished = State.FINISHED.value
    return {
        "id": batch.id,
        "name": batch.name,
        "state": state_of(batch, {State(row["state"]) for row in files}, moving=moving),
        "moving": moving,
        "reason": batch.reason,
        "destination": batch.destination,
        "whole": batch.whole,
        "may_miss": list(batch.may_miss),
        "users": sorted({row["username"] for row in files}),
        "files": len(files),
        "files_here": sum(row["state"] == finished for row in files),
        "size": sum(row["size"] or 0 for row in files),
        "done": sum((row["size"] or 0) if row["state"] == finished else row["done"] for row in files),
    }
