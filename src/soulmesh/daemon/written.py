"""JSON that is always written, whatever a path on this machine holds."""

from __future__ import annotations

import json
from typing import Any

import pydantic_core

from soulmesh.net.names import showable

__all__ = ["to_json", "to_text"]


def to_json(value: Any) -> bytes:
    r"""A value as JSON in UTF-8. Names that are no UTF-8 show their bytes as ``\xff``."""
    try:
        return pydantic_core.to_json(value)
    except pydantic_core.PydanticSerializationError:
        return pydantic_core.to_json(showable(value))


def to_text(value: Any) -> str:
    """The same as text, for SQLite; without spaces."""
    written = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    try:
        written.encode()
    except UnicodeEncodeError:
        return json.dumps(showable(value), ensure_ascii=False, separators=(",", ":"))
    return written
