"""Tables that fit: which columns are shown, and what is cut where the terminal is narrow."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

__all__ = ["Column", "Fitted", "fitting", "keep_end"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table: which field of a row it shows, and how."""

    key: str
    header: str
    show: Callable[[Any], str] = str
    """Turns the field into text; ``None`` is always shown as nothing."""
    right: bool = False
    """Numbers stand on the right."""
    keep_end: bool = False
    """When it has to be cut, cut the beginning: the end of a path says most."""
    wide: bool = False
    """This column gives way first, and takes what is left."""
    spare: int = 0
    """Left out where a wide column would be too narrow to read, the highest number first; 0 always stays."""
    optional: bool = False
    """Left out where no row has anything in it."""


class Fitted:
    """One line of text that is cut to the width that is there, at the end or at the beginning."""

    def __init__(self, text: str, *, keep_end: bool) -> None:
        self.text = Text(text, no_wrap=True)
        self.keep_end = keep_end

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        width = self.text.cell_len
        return Measurement(min(8, width), width)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if self.text.cell_len <= options.max_width:
            yield self.text
        elif not self.keep_end:
            cut = self.text.copy()
            cut.truncate(options.max_width, overflow="ellipsis")
            yield cut
        else:
            yield Text(keep_end(self.text.plain, options.max_width), no_wrap=True)


def keep_end(text: str, width: int) -> str:
    """Text that is cut at its beginning where it takes more than ``width`` cells of the terminal."""
    if cell_len(text) <= width:
        return text
    while text and cell_len(text) > width - 1:
        text = text[1:]
    return "…" + text


READABLE = 30
"""Cells that a wide column should have: the name of a file."""


def fitting(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Which columns to show: spare ones go until the wide ones have room, or all they need."""
    needed = [
        max([cell_len(column.header), *(cell_len(row[place]) for row in rows)])
        for place, column in enumerate(columns)
    ]
    filled = [any(row[place] for row in rows) for place in range(len(columns))]
    places = [place for place, column in enumerate(columns) if filled[place] or not column.optional]
    least = [min(need, READABLE) if columns[place].wide else need for place, need in enumerate(needed)]
    for place in sorted(places, key=lambda place: -columns[place].spare):
        # Two cells stand between columns.
        if not columns[place].spare or sum(least[p] + 2 for p in places) - 2 <= width:
            break
        places.remove(place)
    return places
