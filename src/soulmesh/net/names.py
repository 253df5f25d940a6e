"""Names of the disk as text: a path is bytes, and need not be UTF-8.

Python keeps such bytes as halves of surrogate pairs, which neither JSON nor SQLite nor a terminal takes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

__all__ = ["showable", "shown_path"]

_BYTES: Final = re.compile("[\udc80-\udcff]")


def shown_path(path: Path | str) -> str:
    r"""A path for people: bytes that are no UTF-8 as ``\xff``."""
    words = str(path)
    try:
        words.encode()
    except UnicodeEncodeError:
        words = _BYTES.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", words)
        return words.encode("utf-8", "backslashreplace").decode()
    return words


def showable(value: Any) -> Any:
    """The same with all text in it as :func:`shown_path` shows it, also inside of lists and mappings."""
    if isinstance(value, str):
        return shown_path(value)
    if isinstance(value, Mapping):
        return {showable(key): showable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [showable(item) for item in value]
    return value
