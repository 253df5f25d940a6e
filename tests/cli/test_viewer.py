"""Shares looked through a screen at a time, with somebody who types."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Sequence

from soulmesh.cli.output import Output
from soulmesh.cli.viewer import Viewer
from soulmesh.client.browse import Folder
from soulmesh.client.results import FoundFile
from tests.support.loops import virtual


class Shares:
    """Ten folders with three songs each."""

    username = "carol"

    def __init__(self, folders: int = 10) -> None:
        self.count = folders
        self.asked = 0
        """So many folders were asked for."""

    async def __aiter__(self) -> AsyncIterator[Folder]:
        for number in range(1, self.count + 1):
            self.asked = number
            yield Folder(number, f"album {number}", 3, 300, False)

    async def files_of(self, folder: Folder) -> list[FoundFile]:
        return [FoundFile(f"{folder.name}\\song {n}", 100) for n in range(3)]

    async def finished(self) -> None:
        self.asked = self.count

    async def search(self, words: str, *, offset: int = 0, limit: int = 500) -> list[FoundFile]:
        found = [
            file
            for number in range(1, self.count + 1)
            for file in await self.files_of(Folder(number, f"album {number}", 3, 300, False))
            if words in file.remote_path
        ]
        return found[offset : offset + limit]


class Terminal:
    """Types what it was told to, and keeps what was shown and asked."""

    def __init__(self, shares: Shares, *typed: str) -> None:
        self.screens: list[list[str]] = []
        self._typed = typed
        self._said = io.StringIO()
        out = Output(stdout=io.StringIO(), stderr=self._said)
        self.viewer = Viewer(out, shares, self._type(), self._show, height=4)

    @property
    def questions(self) -> list[str]:
        return self._said.getvalue().split(" > ")

    async def _type(self) -> AsyncIterator[str]:
        for line in self._typed:
            yield line

    def _show(self, rows: Sequence[Folder | FoundFile]) -> None:
        self.screens.append([row.name if isinstance(row, Folder) else row.remote_path for row in rows])


def albums(first: int, last: int) -> list[str]:
    return [f"album {number}" for number in range(first, last + 1)]


@virtual
async def test_folders_are_shown_a_screen_at_a_time_and_no_more_is_asked_for_than_looked_at() -> None:
    shares = Shares()
    terminal = Terminal(shares, "", "q")
    assert await terminal.viewer.folders() == 8
    assert terminal.screens == [albums(1, 4), albums(5, 8)]
    assert shares.asked == 9
    assert (
        "Enter: more, NUMBER: its files, /WORDS: search, a: all the rest, q: leave" in terminal.questions[0]
    )


@virtual
async def test_after_the_last_screen_enter_leaves() -> None:
    terminal = Terminal(Shares(), "", "", "", "never read")
    assert await terminal.viewer.folders() == 10
    assert terminal.screens[-1] == albums(9, 10)
    assert "end, Enter: leave" in terminal.questions[2]


@virtual
async def test_the_end_of_what_is_typed_leaves() -> None:
    terminal = Terminal(Shares())
    assert await terminal.viewer.folders() == 4


@virtual
async def test_a_folder_that_came_by_is_opened_by_its_number_and_left_again() -> None:
    terminal = Terminal(Shares(), "", "2", "b", "9", "q")
    await terminal.viewer.folders()
    assert terminal.screens[2] == [f"album 2\\song {n}" for n in range(3)]
    assert terminal.screens[3] == albums(5, 8)
    assert len(terminal.screens) == 4
    assert "9: no folder with that number came by" in terminal.questions[-2]


@virtual
async def test_a_search_inside_is_a_list_of_its_own() -> None:
    terminal = Terminal(Shares(), "/song 1", "", "", "", "/nothing like it", "q")
    await terminal.viewer.folders()
    found = [f"album {n}\\song 1" for n in range(1, 11)]
    assert terminal.screens == [albums(1, 4), found[:4], found[4:8], found[8:], albums(1, 4)]
    assert "nothing with 'nothing like it'" in terminal.questions[-2]


@virtual
async def test_all_the_rest_comes_without_questions() -> None:
    terminal = Terminal(Shares(), "a")
    assert await terminal.viewer.files() == 30
    assert sum(len(screen) for screen in terminal.screens) == 30
    assert len(terminal.questions) == 2


@virtual
async def test_nothing_is_asked_about_nothing() -> None:
    terminal = Terminal(Shares(0), "q")
    assert await terminal.viewer.folders() == 0
    assert await Terminal(Shares(), "q").viewer.found("no such words") == 0
    assert terminal.screens == []
