"""The files of a search are put together to one answer per user again, as slskd's API has them."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from soulmesh.client.results import FoundFile, Hit
from soulmesh.client.searches import Search
from soulmesh.daemon.engine import GROUP_WITHIN, _Answers
from tests.support.loops import virtual


class Hits:
    """A search that takes its time between the files of one answer, as it does on a busy machine."""

    def __init__(self, *hits: tuple[str, float, bool]) -> None:
        self._hits = list(hits)
        self.inside = False

    async def next(self) -> Hit | None:
        if not self._hits:
            return None
        username, pause, last = self._hits.pop(0)
        await asyncio.sleep(pause)
        self.inside = not last
        number = len(self._hits)
        return Hit(username, FoundFile(f"a\\{number}.flac", 1000, ()), True, 1000, 0)

    def stop(self) -> None:
        pass


async def answers(*hits: tuple[str, float, bool]) -> list[tuple[str, int]]:
    """User and number of files of each answer."""
    search = _Answers(cast("Search", cast("Any", Hits(*hits))))
    return [(answer.username, len(answer.files)) async for answer in search.answers()]


@virtual
async def test_an_answer_stays_one_however_long_its_files_take() -> None:
    long = GROUP_WITHIN * 5
    found = await answers(("ann", 0.0, False), ("ann", long, False), ("ann", long, True), ("bob", 0.0, True))
    assert found == [("ann", 3), ("bob", 1)]


@virtual
async def test_an_answer_that_is_whole_is_told_before_the_next_one_comes() -> None:
    loop = asyncio.get_running_loop()
    search = _Answers(cast("Search", cast("Any", Hits(("ann", 0.0, True), ("bob", 100.0, True)))))
    told = [(answer.username, loop.time()) async for answer in search.answers()]
    assert [username for username, _ in told] == ["ann", "bob"]
    assert told[0][1] < 1.0
