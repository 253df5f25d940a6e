"""``/api/v1``: our own interface."""

from __future__ import annotations

__all__: list[str] = []
