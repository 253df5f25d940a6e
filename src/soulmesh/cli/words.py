"""Words for numbers, and text from somewhere else made safe to print."""

from __future__ import annotations

import unicodedata
from datetime import datetime

from soulmesh.net.names import shown_path

__all__ = ["clean", "duration", "moment", "size", "speed"]


def size(count: float) -> str:
    """Bytes for people: ``812 B``, ``4.3 MiB``."""
    if count < 1024:
        return f"{int(count)} B"
    value = count / 1024
    units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"]
    while value >= 999.95 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{value:.1f} {units[0]}"


def speed(bytes_per_second: float) -> str:
    """Bytes per second for people: ``1.2 MiB/s``."""
    return f"{size(bytes_per_second)}/s"


def duration(seconds: float) -> str:
    """Seconds for people: ``0:07``, ``3:05``, ``1:02:03``, ``2d 04:00``."""
    whole = round(max(0.0, seconds))
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    days, hour = divmod(hours, 24)
    if days:
        return f"{days}d {hour:02}:{minute:02}"
    if hours:
        return f"{hours}:{minute:02}:{second:02}"
    return f"{minute}:{second:02}"


def moment(at: datetime | str) -> str:
    """A point in time for people, by the clock on their wall: ``2026-01-31 18:05``. Text is ISO 8601."""
    if isinstance(at, str):
        if not at:
            return ""
        at = datetime.fromisoformat(at)
    return f"{at.astimezone():%Y-%m-%d %H:%M}"


# Characters that turn the direction of the text around them: they can make "gpj.exe" read "exe.jpg".
TURNING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def clean(text: object, *, lines: bool = False) -> str:
    """Text from somewhere else, safe to print: what would steer the terminal is shown as an escape.

    ``lines`` lets line feeds stay, for texts such as a user's description.
    """
    shown = shown_path(str(text))
    if shown.isascii() and shown.isprintable():
        return shown
    return "".join(
        character
        if (lines and character == "\n")
        or (unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp") and character not in TURNING)
        else character.encode("unicode_escape", "surrogatepass").decode("ascii")
        for character in shown
    )
