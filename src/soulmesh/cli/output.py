"""What commands print: tables and progress for people, JSON lines for machines.

Results go to standard output, everything said about the work on the way (notes, progress, errors) to
standard error, so that ``soulmesh search ... --json | jq`` sees results and nothing else.

Names that come from the network are shown through :func:`clean`: a remote file name cannot move the cursor,
recolour the terminal or turn the text around.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import sys
import time
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column as RichColumn
from rich.table import Table
from rich.text import Text

from soulmesh.net.names import shown_path

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


# -- words for numbers ----------------------------------------------------------------------------------


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


# -- tables ---------------------------------------------------------------------------------------------


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


class _Fitted:
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


def _places(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int) -> list[int]:
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


# -- the output of one command --------------------------------------------------------------------------


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
        places = _places(columns, shown, self.console.width)
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
                    _Fitted(text, keep_end=column.keep_end)
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
        clock = _clock()
        if not self.errors.is_terminal:
            yield _Lines(self.errors, clock)
            return
        progress = _AllBelow(
            # Words stay on their line; in a narrow terminal the bar gives way, then the name.
            TextColumn("{task.description}", table_column=RichColumn(no_wrap=True, overflow="ellipsis")),
            BarColumn(bar_width=None, table_column=RichColumn(ratio=1)),
            *(kind(RichColumn(no_wrap=True)) for kind in (_Percent, _Done, _Rate, _Left)),
            console=self.errors,
            get_time=clock,
            expand=True,
        )
        with progress:
            self._bars_shown = True
            try:
                yield _Bars(progress, self.errors)
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


def _clock() -> Callable[[], float]:
    """The running loop's clock, so that a simulated transfer shows simulated rates."""
    try:
        return asyncio.get_running_loop().time
    except RuntimeError:
        return time.perf_counter


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


# -- files on their way ---------------------------------------------------------------------------------


class Transfers:
    """Shows files on their way. This one shows nothing, which is what ``--json`` wants."""

    def add(self, name: str, total: int, done: int = 0) -> int:
        """Show one more file of ``total`` bytes; ``done`` of them were there before. Returns its key."""
        return 0

    def update(self, key: int, done: int, *, rate: float | None = None) -> None:
        """The file has ``done`` bytes now, and comes with ``rate`` bytes per second where that is known."""

    def finish(self, key: int, *, failed: str | None = None, rate: float | None = None) -> None:
        """The file is complete, or ``failed`` for this reason; ``rate`` is its speed on average."""

    def expect(self, files: int, size: int) -> None:
        """So many files are on their way in all, and so many bytes as far as known."""

    def passed(self, name: str, size: int, *, failed: str | None = None) -> None:
        """A file of ``size`` bytes is over that was never shown: it came in a moment, or ``failed``."""


FINISHED_SHOWN = 4
"""Bars of finished files that stay; older ones make room for those that move."""


@dataclass(slots=True)
class _All:
    """All files together; told where they are more than one."""

    files: int = 0
    size: int = 0
    totals: dict[int, int] = field(default_factory=dict)
    done: dict[int, int] = field(default_factory=dict)
    before: int = 0
    here_files: int = 0
    failed: int = 0
    passed: int = 0
    """Bytes of files that were never shown."""

    @property
    def total(self) -> int:
        return max(self.size, sum(self.totals.values()) + self.passed)

    @property
    def here(self) -> int:
        return sum(self.done.values()) + self.passed

    @property
    def several(self) -> bool:
        return self.files > 1 or len(self.totals) > 1

    def add(self, key: int, total: int, done: int) -> None:
        self.totals[key], self.done[key] = total, done
        self.before += done

    def __str__(self) -> str:
        return f"in all, {_files(self.here_files, max(self.files, len(self.totals)), self.failed)}"


def _files(here: int, of: int, failed: int) -> str:
    return f"{here} of {of} files" + (f", {failed} failed" if failed else "")


class _AllBelow(Progress):
    """Bars of files, and below them the one of all files."""

    def get_renderables(self) -> Iterable[RenderableType]:
        """As Rich wants it: the lines from top to bottom."""
        yield self.make_tasks_table(sorted(self.tasks, key=lambda task: bool(task.fields.get("all"))))


class _Bars(Transfers):
    def __init__(self, progress: Progress, console: Console) -> None:
        self._progress = progress
        self._console = console
        self._all = _All()
        self._all_key: TaskID | None = None
        self._finished: list[TaskID] = []
        self._names: dict[int, str] = {}

    def expect(self, files: int, size: int) -> None:
        self._all.files, self._all.size = files, size
        self._show_all()

    def passed(self, name: str, size: int, *, failed: str | None = None) -> None:
        if failed is None:
            self._all.passed += size
        self._over(clean(name), failed)

    def _over(self, name: str, failed: str | None) -> None:
        if failed is None:
            self._all.here_files += 1
        else:
            self._all.failed += 1
            if self._all.several:
                self._console.print(Text(f"{name}: {clean(failed)}", style="red"), soft_wrap=True)
        self._show_all()

    def _show_all(self) -> None:
        whole = self._all
        if not whole.several:
            return
        if self._all_key is None:
            self._all_key = self._progress.add_task(str(whole), total=None, all=True)
        self._progress.update(
            self._all_key,
            description=str(whole),
            total=whole.total or None,
            completed=whole.here,
            before=whole.before,
        )

    def add(self, name: str, total: int, done: int = 0) -> int:
        room = max(12, self._console.width // 3)
        shown = keep_end(clean(name), room)
        # Descriptions are read as markup: a square bracket in a file name is not a style.
        key = self._progress.add_task(shown.replace("[", r"\["), total=total, completed=done, before=done)
        self._names[int(key)] = clean(name)
        self._all.add(int(key), total, done)
        self._show_all()
        return int(key)

    def update(self, key: int, done: int, *, rate: float | None = None) -> None:
        self._progress.update(TaskID(key), completed=done, rate=rate)
        self._all.done[key] = done
        self._show_all()

    def finish(self, key: int, *, failed: str | None = None, rate: float | None = None) -> None:
        task = next(task for task in self._progress.tasks if task.id == key)
        if failed is None:
            self._all.done[key] = self._all.totals.get(key, 0)
            self._progress.update(TaskID(key), completed=task.total, rate=rate, refresh=True)
        else:
            # A bar has no room for reasons.
            description = f"{task.description} (failed)"
            self._progress.update(TaskID(key), description=description, refresh=True)
        self._progress.stop_task(TaskID(key))
        self._over(self._names[key], failed)
        self._finished.append(TaskID(key))
        for old in self._finished[:-FINISHED_SHOWN]:
            self._progress.update(old, visible=False)


class _Percent(ProgressColumn):
    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text("")
        return Text(f"{task.percentage:3.0f}%")


class _Done(ProgressColumn):
    def render(self, task: Task) -> Text:
        if task.total is None:
            return Text("")
        done, total = size(task.completed), size(task.total or 0)
        if done.split()[1] == total.split()[1]:
            done = done.split()[0]
        return Text(f"{done} of {total}", style="cyan")


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        if rate := task.fields.get("rate"):
            return Text(speed(rate), style="green")
        if task.finished or task.stop_time is not None:
            elapsed = task.elapsed or 0.0
            moved = task.completed - task.fields.get("before", 0)
            return Text(speed(moved / elapsed) if elapsed > 0 else "", style="green")
        return Text(speed(task.speed) if task.speed else "", style="green")


class _Left(ProgressColumn):
    def render(self, task: Task) -> Text:
        if task.finished:
            return Text(f"in {duration(task.elapsed or 0.0)}", style="yellow")
        left = task.time_remaining
        if (rate := task.fields.get("rate")) and task.remaining is not None:
            left = task.remaining / rate
        return Text(f"{duration(left)} left" if left is not None else "-:-- left", style="yellow")


@dataclass(slots=True)
class _File:
    name: str
    total: int
    before: int
    done: int
    started: float
    told: int
    """The last tenth that was told."""


class _Lines(Transfers):
    """Tells each tenth of a file as a line of its own."""

    def __init__(self, console: Console, clock: Callable[[], float]) -> None:
        self._console = console
        self._clock = clock
        self._files: dict[int, _File] = {}
        self._expected = 0
        self._here = 0
        self._failed = 0

    def expect(self, files: int, size: int) -> None:
        self._expected = files

    def passed(self, name: str, size: int, *, failed: str | None = None) -> None:
        of = self._over(failed)
        if failed is not None and of:
            self._say(f"{clean(name)}: {clean(failed)}{of}")

    def _over(self, failed: str | None) -> str:
        """Counts one more; how many that makes, if there are several."""
        if failed is None:
            self._here += 1
        else:
            self._failed += 1
        several = self._expected > 1
        return f", {_files(self._here, self._expected, self._failed)}" if several else ""

    def add(self, name: str, total: int, done: int = 0) -> int:
        key = len(self._files)
        tenth = 10 * done // total if total else 0
        self._files[key] = _File(clean(name), total, done, done, self._clock(), tenth)
        return key

    def update(self, key: int, done: int, *, rate: float | None = None) -> None:
        file = self._files[key]
        file.done = done
        tenth = 10 * done // file.total if file.total else 10
        # The hundredth percent is told by `finish`, which knows that it is true.
        if file.told < tenth < 10:
            file.told = tenth
            rate = rate or self._rate(file)
            left = f", {duration((file.total - done) / rate)} left" if rate else ""
            percent = 100 * done // file.total
            self._say(f"{file.name}: {percent}%, {size(done)} of {size(file.total)}, {speed(rate)}{left}")

    def finish(self, key: int, *, failed: str | None = None, rate: float | None = None) -> None:
        file = self._files[key]
        of = self._over(failed)
        if failed is not None:
            self._say(f"{file.name}: {clean(failed)}{of}")
            return
        file.done = file.total
        took = self._clock() - file.started
        shown = speed(rate or self._rate(file))
        self._say(f"{file.name}: 100%, {size(file.total)} in {duration(took)}, {shown}{of}")

    def _rate(self, file: _File) -> float:
        elapsed = self._clock() - file.started
        return (file.done - file.before) / elapsed if elapsed > 0 else 0.0

    def _say(self, text: str) -> None:
        self._console.print(Text(text), soft_wrap=True)
