"""What can be wrong with a store."""

from __future__ import annotations

from soulmesh.errors import SoulmeshError

__all__ = ["StoreBroken", "StoreInUse", "StoreUnusable"]


class StoreUnusable(SoulmeshError):
    """The database ``path`` cannot be used: ``reason``, in its own words or in those of the migrations."""

    hint = "if it is damaged, put a backup in its place; if a newer soulmesh wrote it, run that one"

    def __init__(self, path: object, reason: str) -> None:
        self.path = path
        self.reason = reason
        if "disk is full" in reason:
            self.hint = "make room, or choose another folder with --data"

    def __str__(self) -> str:
        return f"cannot use the database {self.path}: {self.reason}"


class StoreInUse(SoulmeshError):
    """Another server works on the database ``path``."""

    hint = "stop it first, or let this one work with it: bus.url in the settings"

    def __init__(self, path: object) -> None:
        self.path = path

    def __str__(self) -> str:
        return f"another server is running on {self.path}"


class StoreBroken(SoulmeshError):
    """Something can never be written to ``path``: a defect of ours, and nothing after it can be kept."""

    hint = "what nobody was told of is lost; start the server again, and report what the log says"

    def __init__(self, path: object, reason: str) -> None:
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot write to {self.path}: {self.reason}"
