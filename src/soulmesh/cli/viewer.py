"""Somebody's shares on a terminal, a screen at a time: look on, open a folder, search inside, go back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from soulmesh.cli.output import Output, clean
from soulmesh.client.browse import Folder
from soulmesh.client.results import FoundFile

__all__ = ["Shares", "Viewer"]

Row = Folder | FoundFile
Show = Callable[[Sequence[Row]], None]

_MOST_FOUND = 100_000


class Shares(Protocol):
    """What is looked at."""

    username: str

    def __aiter__(self) -> AsyncIterator[Folder]:
        """All folders, as they come."""

    async def files_of(self, folder: Folder) -> list[FoundFile]:
        """The files of one folder."""

    async def finished(self) -> object:
        """Wait until all of it is here."""

    async def search(self, words: str, *, offset: int = 0, limit: int = 500) -> list[FoundFile]:
        """Files with all the words in their path."""


@dataclass(slots=True)
class _View:
    """One list, and how far it was looked through."""

    title: str
    rows: AsyncIterator[Row]
    over: bool = False
    count: int = 0
    screen: list[Row] = field(default_factory=list)
    """What is shown now."""
    next: list[Row] = field(default_factory=list)
    """One row that was read to see whether there is more."""

    async def turn(self, rows: int) -> None:
        """Go on by a screen."""
        self.screen, self.next = self.next, []
        while len(self.screen) <= rows and not self.over:
            try:
                self.screen.append(await anext(self.rows))
            except StopAsyncIteration:
                self.over = True
        self.screen, self.next = self.screen[:rows], self.screen[rows:]
        self.count += len(self.screen)

    @property
    def more(self) -> bool:
        """Whether something follows what is shown."""
        return bool(self.next)


class Viewer:
    """Looks through shares with somebody who types.

    Args:
        out: where to show.
        shares: what to look through; the list may still be on its way.
        typed: what is typed, line by line.
        show: prints some folders or files as a table.
        height: rows of a screen.
    """

    def __init__(
        self, out: Output, shares: Shares, typed: AsyncIterator[str], show: Show, *, height: int
    ) -> None:
        self._out = out
        self._shares = shares
        self._typed = typed
        self._show = show
        self._height = height
        self._folders: dict[int, Folder] = {}

    async def folders(self) -> int:
        """Begin with the folders; returns how many there are as far as one looked."""
        top = _View("", aiter(self._shares))
        await self._look(top)
        return top.count

    async def files(self) -> int:
        """Begin with all files of all folders."""
        top = _View("", self._every_file())
        await self._look(top)
        return top.count

    async def found(self, words: str) -> int:
        """Begin with the files that have these words."""
        top = _View("", self._search(words))
        await self._look(top)
        return top.count

    async def _look(self, top: _View) -> None:
        views = [top]
        await self._turn(top)
        while top.count:
            view = views[-1]
            self._ask(view, back=len(views) > 1)
            said = (await anext(self._typed, "q")).strip()
            opened: _View | None = None
            if said in ("q", "quit"):
                return
            if said == "a":
                await self._rest(view)
                return
            if not said and view.more:
                await self._turn(view)
            elif said == "b" or not said:
                views.pop()
                if not views:
                    return
                self._show(views[-1].screen)
            elif said.startswith("/") and said[1:].strip():
                words = said[1:].strip()
                opened = _View(f"with {words!r}", self._search(words))
            elif said.isdecimal() and (folder := self._folders.get(int(said))):
                opened = _View(folder.name, self._files_of(folder))
            else:
                self._out.note(f"{clean(said)}: no folder with that number came by, and no such key")
            if opened is not None:
                await self._turn(opened)
                if opened.count:
                    views.append(opened)
                else:
                    self._out.note(f"nothing {clean(opened.title)}")

    async def _turn(self, view: _View) -> None:
        with self._out.waiting("reading"):
            await view.turn(self._height)
        self._remember(view.screen)
        if view.screen:
            self._show(view.screen)

    def _remember(self, rows: Sequence[Row]) -> None:
        for row in rows:
            if isinstance(row, Folder):
                self._folders[row.number] = row

    async def _rest(self, view: _View) -> None:
        while view.more:
            await view.turn(self._height)
            self._show(view.screen)

    def _ask(self, view: _View, *, back: bool) -> None:
        keys = ["Enter: more" if view.more else "end, Enter: back" if back else "end, Enter: leave"]
        if any(isinstance(row, Folder) for row in view.screen):
            keys.append("NUMBER: its files")
        keys.append("/WORDS: search")
        keys += ["b: back"] * (back and view.more) + ["a: all the rest"] * view.more
        self._out.prompt(", ".join([*keys, "q: leave"]) + " > ")

    async def _files_of(self, folder: Folder) -> AsyncIterator[Row]:
        for file in await self._shares.files_of(folder):
            yield file

    async def _every_file(self) -> AsyncIterator[Row]:
        async for folder in self._shares:
            for file in await self._shares.files_of(folder):
                yield file

    async def _search(self, words: str) -> AsyncIterator[Row]:
        await self._shares.finished()
        # Each search goes through the whole index: what is not looked at need not be found.
        lot = max(self._height * 5, 200)
        for offset in range(0, _MOST_FOUND, lot):
            found = await self._shares.search(words, offset=offset, limit=lot)
            for file in found:
                yield file
            if len(found) < lot:
                return
