"""Results of a search, as commands show them."""

from __future__ import annotations

from typing import Any

from soulmesh.cli.output import Column, duration, size, speed
from soulmesh.client.results import Hit

__all__ = ["COLUMNS", "link", "quality", "row"]


def quality(hit: Hit) -> str:
    """``320 kbit/s``, ``44.1 kHz, 16 bit``, or nothing if the file does not say."""
    file = hit.file
    if file.bitrate:
        return f"{file.bitrate} kbit/s{' VBR' if file.variable_bitrate else ''}"
    if file.sample_rate:
        return f"{file.sample_rate / 1000:g} kHz, {file.bit_depth or 16} bit"
    return ""


def row(hit: Hit) -> dict[str, Any]:
    """One result with all that is known of it; the form of ``--json``."""
    file = hit.file
    return {
        "kind": "hit",
        "username": hit.username,
        "remote_path": file.remote_path,
        "link": link(hit.username, file.remote_path),
        "size": file.size,
        "length": file.length,
        "bitrate": file.bitrate,
        "variable_bitrate": file.variable_bitrate,
        "sample_rate": file.sample_rate,
        "bit_depth": file.bit_depth,
        "quality": quality(hit) or None,
        "slot": "locked" if hit.locked else "free" if hit.free_slot else f"{hit.queue} before",
        "free_slot": hit.free_slot,
        "queue": hit.queue,
        "speed": hit.speed,
        "locked": hit.locked,
        "expected": hit.expected,
    }


COLUMNS = [
    Column("username", "User"),
    Column("remote_path", "File", keep_end=True, wide=True),
    Column("size", "Size", size, right=True),
    Column("length", "Length", duration, right=True, spare=2),
    Column("quality", "Quality", spare=1),
    Column("slot", "Slot"),
    Column("speed", "Speed", speed, right=True, spare=3),
]
"""What people see of a result."""


def link(username: str, remote_path: str) -> str:
    """The address of a file, ``slsk://user/folder/file``, made of the very bytes of its name."""
    from urllib.parse import quote

    from soulmesh.wire import raw

    return f"slsk://{quote(username)}/{quote(raw(remote_path).replace(chr(92).encode(), b'/'))}"
