"""HTTP as its consumers need it: raw paths, lenient input, strict output, and who may do what."""

from __future__ import annotations

__all__: list[str] = []
