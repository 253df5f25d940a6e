"""Results of a search, as commands show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from soulmesh.cli.output import Column, duration, size, speed
from soulmesh.client.results import FoundFile, Hit
from soulmesh.client.searches import SearchFigures
from soulmesh.wire.enums import FileAttribute

__all__ = ["COLUMNS", "hit_of", "link", "quality", "row", "withheld"]


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
        "folder_files": hit.folder_files,
    }


def hit_of(record: Mapping[str, Any]) -> Hit:
    """The result that :func:`row` made a record of. Raises KeyError or TypeError if it is none."""
    attributes = (
        (FileAttribute.BITRATE, record["bitrate"]),
        (FileAttribute.DURATION, record["length"]),
        (FileAttribute.VBR, int(record["variable_bitrate"]) or None),
        (FileAttribute.SAMPLE_RATE, record["sample_rate"]),
        (FileAttribute.BIT_DEPTH, record["bit_depth"]),
    )
    said = tuple((int(key), int(value)) for key, value in attributes if value is not None)
    return Hit(
        record["username"],
        FoundFile(record["remote_path"], record["size"], said),
        record["free_slot"],
        record["speed"],
        record["queue"],
        record["locked"],
        record["expected"],
        record["folder_files"],
    )


def _guess(seconds: float) -> str:
    """A guess has no fractions, and no end beyond days."""
    return "days" if seconds >= 86400 else f"~{duration(max(1, round(seconds)))}"


def _speed(bytes_per_second: float) -> str:
    """Who never uploaded tells 0, which is no speed."""
    return speed(bytes_per_second) if bytes_per_second else ""


COLUMNS = [
    Column("username", "User"),
    Column("remote_path", "File", keep_end=True, wide=True),
    Column("size", "Size", size, right=True),
    Column("length", "Length", duration, right=True, spare=2),
    Column("quality", "Quality", spare=1),
    Column("slot", "Slot"),
    Column("speed", "Speed", _speed, right=True, spare=3),
    Column("expected", "Done in", _guess, right=True),
]
"""What people see of a result."""


def withheld(figures: SearchFigures) -> str:
    """Where answers went that are not shown, in words; empty if nothing is missing."""
    told = (
        (figures.filtered, "file", "did not pass the filter"),
        *((count, "file", f"only echoing the query ({rule})") for rule, count in figures.rules.items()),
        (figures.blocked, "file", "of banned users"),
        (figures.turned_away, "user", "banned and turned away"),
        (figures.cut, "answer", "too many at once"),
        (figures.unreadable, "answer", "could not be read"),
        (figures.unreached, "user", "could not reach you"),
    )
    return ", ".join(f"{count} {noun}{'s'[: count != 1]} {what}" for count, noun, what in told if count)


def link(username: str, remote_path: str) -> str:
    """The address of a file, ``slsk://user/folder/file``, made of the very bytes of its name."""
    from urllib.parse import quote

    from soulmesh.wire import raw

    return f"slsk://{quote(username)}/{quote(raw(remote_path).replace(chr(92).encode(), b'/'))}"
