"""The turnstile that keeps a crowd from stopping the loop."""

from __future__ import annotations

import asyncio
import itertools

from soulmesh.client.tasks import Turnstile
from tests.support.loops import virtual


@virtual
async def test_a_turnstile_lets_a_few_through_in_each_turn_of_the_loop() -> None:
    turnstile = Turnstile(3)
    through: list[int] = []

    async def come(number: int) -> None:
        await turnstile.enter()
        through.append(number)

    crowd = [asyncio.create_task(come(number)) for number in range(10)]
    counts = [0]
    while len(through) < 10:
        await asyncio.sleep(0)
        counts.append(len(through))
    assert max(after - before for before, after in itertools.pairwise(counts)) == 3
    assert through == list(range(10))
    await asyncio.gather(*crowd)


@virtual
async def test_who_gives_up_at_the_turnstile_takes_nobodys_place() -> None:
    turnstile = Turnstile(1)
    await turnstile.enter()
    waiting = [asyncio.create_task(turnstile.enter()) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert [task.cancelled() for task in waiting] == [False, True, False]
