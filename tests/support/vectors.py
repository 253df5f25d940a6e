"""The message vectors of ``tests/wire/vectors``, as pytest parameters."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[1] / "wire" / "vectors"
FAMILIES = ("server", "peer_init", "peer", "distributed", "file")

Vector = dict[str, Any]


@cache
def load(name: str) -> tuple[Vector, ...]:
    """All lines of one file."""
    with open(FOLDER / f"{name}.jsonl", encoding="utf-8") as lines:
        return tuple(json.loads(line) for line in lines)


@cache
def messages() -> tuple[Vector, ...]:
    """The vectors of all five families."""
    return tuple(vector for family in FAMILIES for vector in load(family))


def name_of(vector: Vector) -> str:
    """A name for the test that runs on this vector."""
    if "message" not in vector:
        return str(vector["case"])
    return f"{vector['message'] or vector['family']}-{vector['direction']}-{vector['case']}"


def each(vectors: tuple[Vector, ...] | list[Vector]) -> pytest.MarkDecorator:
    """Run a test with each of ``vectors`` as ``vector``."""
    return pytest.mark.parametrize("vector", vectors, ids=[name_of(v) for v in vectors])
