"""``/api/v0``: the interface of slskd, as the programs around it expect it."""

from __future__ import annotations

__all__: list[str] = []
