"""What people want, from lists and tables as they have them, and the words to search for it with."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from soulmesh.errors import ConfigError

__all__ = ["queries", "words_for"]

_HEADS = {
    "artist": {"artist", "artists", "artist name", "artist names", "album artist", "band", "interpret"},
    "title": {"title", "track", "track name", "track title", "song", "song name", "song title", "titel"},
    "album": {"album", "albums", "album name", "album title", "release"},
}
"""Heads of columns by what stands below them, in small letters; what is in brackets does not count."""

_DELIMITERS = ",;\t|"
_TABLES = {".csv", ".tsv", ".tab"}

# What shops and streams add to a title, and few file names have.
_ADDED = (
    r"\b(?:remaster(?:ed)?|deluxe|expanded|anniversary|bonus|explicit|album version|single version"
    r"|feat|ft|featuring)\b"
)
_IN_BRACKETS = re.compile(rf"[(\[][^()\[\]]*{_ADDED}[^()\[\]]*[)\]]", re.IGNORECASE)
_AFTER_DASH = re.compile(rf"\s-\s(?:(?!\s-\s).)*{_ADDED}.*$", re.IGNORECASE)
_SIGNS = re.compile(r"[^\w\s]|_")
_KEPT = re.compile(r"[-*]\w[\w'’.-]*")
"""A word that is excluded, or of which the beginning is left open."""


def words_for(wish: str) -> str:
    """What to search for. A sign would have to be in the name just as it is written, so signs are left out.

    Words to exclude (``-live``) and with an open beginning (``*ocean``) stay. What shops add to a title
    (``(2011 Remaster)``, ``[feat. Somebody]``) goes.
    """
    plain = _AFTER_DASH.sub("", _IN_BRACKETS.sub(" ", wish))
    words = [word if _KEPT.fullmatch(word) else _SIGNS.sub(" ", word) for word in plain.split()]
    return " ".join(" ".join(words).split()) or wish


def queries(path: Path, *, album: bool = False) -> list[str]:
    """What to get, from a list (a wish per line) or a table with columns such as artist, title or album.

    The head of a table may be that of other programs (``Track Name``, ``Artist Name(s)``); columns are
    separated by commas, semicolons, tabs or bars. Of each wish the first is kept.

    Args:
        album: whole albums are wanted: artist and album count, not the titles.

    Raises:
        ConfigError: the file cannot be read, or is a table without such a column.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    lines = [line for line in content.splitlines() if line.strip() and not line.startswith("#")]
    if not lines:
        return []
    is_table = path.suffix.lower() in _TABLES
    for delimiter in _DELIMITERS:
        try:
            header, *rows = csv.reader(lines, delimiter=delimiter)
        except csv.Error as error:
            raise ConfigError(f"cannot read {path}: {error}") from None
        columns = {kind: place for place, cell in enumerate(header) if (kind := _kind(cell)) is not None}
        # One word alone on the first line of a list can be a wish.
        if columns and (len(header) > 1 or is_table):
            return list(dict.fromkeys(_of_table(rows, columns, album=album)))
    if is_table:
        raise ConfigError(
            f"{path}: no column of {lines[0][:80]!r} is called artist, title or album",
            hint="name the columns so in the first line, or write one wish per line in a .txt file",
        )
    return list(dict.fromkeys(line.strip() for line in lines))


def _kind(head: str) -> str | None:
    name = re.sub(r"\s*\(.*?\)\s*", "", head).replace("_", " ").strip().lower()
    return next((kind for kind, names in _HEADS.items() if name in names), None)


def _of_table(rows: Sequence[Sequence[str]], columns: dict[str, int], *, album: bool) -> Iterator[str]:
    work = "album" if "album" in columns and (album or "title" not in columns) else "title"
    for row in rows:
        cells = {kind: row[place].strip() for kind, place in columns.items() if place < len(row)}
        # Of several artists the first: few file names have all of them.
        artist = cells.get("artist", "").partition(";")[0].strip()
        wanted = cells.get(work, "")
        # An artist alone is no wish where the table knows of works.
        if wanted or (artist and work not in columns):
            yield f"{artist} {wanted}".strip()
