"""What commands print: tables and progress for people, JSON lines for machines.

Results go to standard output, everything said about the work on the way (notes, progress, errors) to
standard error, so that ``soulmesh search ... --json | jq`` sees results and nothing else.

Names that come from the network are shown through :func:`clean`: a remote file name cannot move the cursor,
recolour the terminal or turn the text around.
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from soulmesh.cli.bars import Lines, Transfers, bars
from soulmesh.cli.table import Column, Fitted, fitting
from soulmesh.cli.words import clean, duration, moment, size, speed

__all__ = [
    "Column",
    "JsonOption",
    "Output",
    "Transfers",
    "clean",
    "duration",
    "moment",
    "size",
    "speed",
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
"""The type of a command's ``json`` parameter."""

WIDE = 100_000
"""The width of an output that is no terminal: nothing is cut."""


class Output:
    """Where one command prints.

    Args:
        json: results are JSON, one object per line; nothing is said on the way.
        stdout: for results; the process's own if not given. Likewise ``stderr``.
        console: the console for results, for recording what a command shows.
    """

    def __init__(
        self,
        *,
        json: bool = False,
        stdout: TextIO | None = None,
        stderr: TextIO | None = None,
        console: Console | None = None,
    ) -> None:
        self.json = json
        self._stdout = sys.stdout if stdout is None else stdout
        self.console = console or _console(self._stdout)
        self.errors = console or _console(sys.stderr if stderr is None else stderr)
        self._bars_shown = False

    def line(self, text: str = "", style: str | None = None) -> None:
        """A line of the result, for people; silent under ``--json``."""
        if not self.json:
            # At a terminal the bars have to know of it, to stay below.
            through_bars = self._bars_shown and self.console.is_terminal
            _say(self.errors if through_bars else self.console, text, style)

    def note(self, text: str, style: str | None = "dim") -> None:
        """A line about the work, on standard error; silent under ``--json``."""
        if not self.json:
            _say(self.errors, text, style)

    def prompt(self, text: str) -> None:
        """A question, on standard error; what is typed stands behind it."""
        self.errors.print(Text(text, style="dim"), end="", soft_wrap=True)

    def record(self, record: Mapping[str, Any]) -> None:
        """One result for machines: a line of JSON; silent without ``--json``."""
        if self.json:
            self._stdout.write(json.dumps(record, ensure_ascii=False, default=_jsonable) + "\n")
            # Somebody may be reading along.
            self._stdout.flush()

    def table(
        self, columns: Sequence[Column], rows: Iterable[Mapping[str, Any]], *, title: str | None = None
    ) -> int:
        """Rows as a table that fits the terminal, or as one JSON object each; returns how many.

        Under ``--json`` a row is printed with all its fields, whether or not a column shows them.
        """
        found = list(rows)
        if self.json:
            for row in found:
                self.record(row)
        elif found:
            self.console.print(self.as_table(columns, found, title=title))
        return len(found)

    def as_table(
        self, columns: Sequence[Column], rows: Iterable[Mapping[str, Any]], *, title: str | None = None
    ) -> Table:
        """Rows as a table that fits the terminal, to be shown once or again and again."""
        shown = [
            [
                "" if (value := row.get(column.key)) is None else clean(column.show(value))
                for column in columns
            ]
            for row in rows
        ]
        places = fitting(columns, shown, self.console.width)
        table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
        for column in (columns[place] for place in places):
            table.add_column(
                column.header,
                justify="right" if column.right else "left",
                # Rich narrows the columns that may wrap; ours do not wrap, they are cut.
                no_wrap=not column.wide,
                header_style="bold",
                overflow="ellipsis",
            )
        for texts in shown:
            cells: list[Any] = []
            for place in places:
                column, text = columns[place], texts[place]
                cells.append(
                    Fitted(text, keep_end=column.keep_end)
                    if column.wide
                    else Text(text, no_wrap=True, justify="right" if column.right else "left")
                )
            table.add_row(*cells)
        return table

    @contextmanager
    def waiting(self, text: str) -> Iterator[Callable[[str], None]]:
        """Show at a terminal that something goes on; what is yielded changes the words."""
        if self.json or not self.errors.is_terminal:
            yield lambda text: None
            return
        with self.errors.status(Text(text)) as status:
            yield lambda text: status.update(Text(text))

    @contextmanager
    def transfers(self) -> Iterator[Transfers]:
        """Bars for files on their way, with rate and time left; plain lines where there is no terminal."""
        if self.json:
            yield Transfers()
            return
        if not self.errors.is_terminal:
            yield Lines(self.errors)
            return
        with bars(self.errors) as shown:
            self._bars_shown = True
            try:
                yield shown
            finally:
                self._bars_shown = False


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Rich would leave the program at once; a command has goodbyes to say."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from None


def _console(file: TextIO) -> Console:
    console = _Console(file=file, highlight=False, markup=False, emoji=False, soft_wrap=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDE
    return console


def _say(console: Console, text: str, style: str | None) -> None:
    """A line; at a terminal it is broken between words, and what follows is indented."""
    line = Text(text, style=style or "")
    words = text.lstrip(" ")
    indent = len(text) - len(words)
    if not console.is_terminal or line.cell_len <= console.width or console.width < indent + 20:
        console.print(line, soft_wrap=True)
        return
    for number, part in enumerate(Text(words, style=style or "").wrap(console, console.width - indent - 2)):
        part.rstrip()
        console.print(Text(" " * (indent + (2 if number else 0))) + part, soft_wrap=True)


def _jsonable(value: object) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, set | frozenset):
        return sorted(value)
    raise TypeError(f"cannot print {type(value).__name__} as JSON")
