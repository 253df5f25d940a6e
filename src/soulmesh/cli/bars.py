"""Files on their way: bars at a terminal, lines where there is none, each file and all of them together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.table import Column as RichColumn
from rich.text import Text

from soulmesh.cli.table import keep_end
from soulmesh.cli.words import clean, duration, size, speed

__all__ = ["Lines", "Transfers", "bars"]


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


class Lines(Transfers):
    """Tells each tenth of a file as a line of its own."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._clock = _clock()
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


@contextmanager
def bars(console: Console) -> Iterator[Transfers]:
    """A bar for each file and one for all, on this terminal for as long as the context lasts."""
    progress = _AllBelow(
        # Words stay on their line; in a narrow terminal the bar gives way, then the name.
        TextColumn("{task.description}", table_column=RichColumn(no_wrap=True, overflow="ellipsis")),
        BarColumn(bar_width=None, table_column=RichColumn(ratio=1)),
        *(kind(RichColumn(no_wrap=True)) for kind in (_Percent, _Done, _Rate, _Left)),
        console=console,
        get_time=_clock(),
        expand=True,
    )
    with progress:
        yield _Bars(progress, console)


def _clock() -> Callable[[], float]:
    """The running loop's clock, so that a simulated transfer shows simulated rates."""
    try:
        return asyncio.get_running_loop().time
    except RuntimeError:
        return time.perf_counter
