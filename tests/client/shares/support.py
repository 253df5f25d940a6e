"""A shared folder made of real small files, and shares on it."""

from __future__ import annotations

import math
import struct
import wave
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from soulmesh.client.shares import Audience, Root, Shares, ShareSettings

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def write_wave(path: Path, seconds: float = 1.0, rate: int = 8000) -> None:
    """A sine, 16 bit, mono."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        count = int(seconds * rate)
        file.writeframes(struct.pack(f"<{count}h", *(int(9000 * math.sin(n / 9)) for n in range(count))))


def fill(folder: Path, names: Collection[str], content: bytes = b"x") -> None:
    """Small files by their paths below a folder."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@dataclass
class Friends:
    """A circle written down."""

    names: set[str] = field(default_factory=set)
    in_groups: dict[str, set[str]] = field(default_factory=dict)

    def friend(self, username: str) -> bool:
        return username in self.names

    def groups(self, username: str) -> Collection[str]:
        return self.in_groups.get(username, ())


def open_shares(
    directory: Path,
    *,
    circle: Friends | None = None,
    settings: ShareSettings | None = None,
    clock: Callable[[], datetime] = lambda: NOW,
) -> Shares:
    """Shares with a fixed clock and one reader."""
    return Shares(directory, wall_clock=clock, circle=circle, settings=settings or ShareSettings(readers=1))


def share(
    shares: Shares, path: Path, name: bytes = b"Music", audience: Audience | None = None, **how: object
) -> Root:
    """Share a folder."""
    return shares.save_root(Root(0, name, path, audience or Audience(), **how))  # type: ignore[arg-type]
