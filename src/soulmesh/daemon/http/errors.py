"""A request that is answered with a status instead of a result."""

from __future__ import annotations

from collections.abc import Mapping

from soulmesh.errors import SoulmeshError

__all__ = ["HttpError"]


class HttpError(SoulmeshError):
    """Answer with ``status``; ``message`` is for people, ``None`` leaves the body empty.

    ``code`` names the refusal for programs.
    """

    def __init__(
        self,
        status: int,
        message: str | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        code: str | None = None,
    ) -> None:
        super().__init__(status, message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})
        self.code = code

    def __str__(self) -> str:
        return self.message or f"HTTP status {self.status}"
