"""The governor at work, and what it remembers from one run to the next."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from soulmesh.client.errors import TooManyRequests
from soulmesh.client.pace import Pace
from soulmesh.core.pacing import Rate
from soulmesh.net.memory import MemoryNetwork
from soulmesh.net.memory_disk import MemoryDisk
from soulmesh.net.world import World
from tests.support.loops import virtual

RATES = {"search": Rate(3, 220.0, reserve=1)}
KEPT = Path("/data/pace.json")
START = datetime(2026, 1, 1, tzinfo=UTC)


def world(disk: MemoryDisk) -> World:
    """Whose wall clock goes with the loop's."""
    begun = asyncio.get_running_loop().time()

    def clock() -> datetime:
        return START + timedelta(seconds=asyncio.get_running_loop().time() - begun)

    return World(MemoryNetwork().host("10.0.0.2"), disk, Random(1), clock)


@virtual
async def test_the_next_run_goes_on_where_the_last_one_ended() -> None:
    here = world(MemoryDisk())
    first = Pace(RATES, here, KEPT)
    await first.load()
    for number in range(3):
        await first.turn("search", number)
        await asyncio.sleep(10)
    await first.close()
    await asyncio.sleep(60)
    second = Pace(RATES, here, KEPT)
    await second.load()
    assert second.delay("search") == pytest.approx(220 - 90, abs=0.01)
    assert second.delay("search", interactive=False) == pytest.approx(220 - 80, abs=0.01)
    with pytest.raises(TooManyRequests):
        await second.turn("search", "x", patience=5.0)
    await second.turn("search", "x")
    await second.close()
    third = Pace(RATES, here, KEPT)
    await third.load()
    assert third.delay("search") == pytest.approx(10, abs=0.01)
    await third.close()


@virtual
async def test_two_that_run_at_the_same_time_both_count() -> None:
    here = world(MemoryDisk())
    one, other = Pace(RATES, here, KEPT), Pace(RATES, here, KEPT)
    await one.load()
    await other.load()
    await asyncio.sleep(1)
    await one.turn("search", 1)
    await asyncio.sleep(1)
    await other.turn("search", 2)
    await other.turn("search", 3)
    await one.close()
    await other.close()
    after = Pace(RATES, here, KEPT)
    await after.load()
    assert after.delay("search") == pytest.approx(219, abs=0.01)
    await after.close()


@virtual
async def test_a_file_that_is_damaged_forgets_and_harms_nobody() -> None:
    disk = MemoryDisk()
    await disk.make_directory(KEPT.parent)
    for content in (b"{", b"[1]", b'{"search": 5}', b'{"search": ["x"]}', b'{"other": [1, 2]}'):
        await disk.write_atomic(KEPT, content)
        pace = Pace(RATES, world(disk), KEPT)
        await pace.load()
        assert pace.delay("search") == 0
        await pace.close()


@virtual
async def test_a_clock_that_was_put_back_does_not_make_us_wait_for_years() -> None:
    disk = MemoryDisk()
    await disk.make_directory(KEPT.parent)
    await disk.write_atomic(KEPT, b'{"search": [9999999999, 9999999999, 9999999999]}')
    pace = Pace(RATES, world(disk), KEPT)
    await pace.load()
    assert pace.delay("search") == 0
    await pace.close()


@virtual
async def test_whoever_finds_the_waiting_free_to_go_takes_those_along_who_want_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pace = Pace({"search": Rate(1, 50.0)})
    await pace.turn("search", "else")
    first = asyncio.ensure_future(pace.turn("search", "same"))
    await asyncio.sleep(1)
    loop = asyncio.get_running_loop()
    clock = loop.time
    # The alarm is late, as alarms are on a machine that is busy.
    monkeypatch.setattr(loop, "time", lambda: clock() + 60)
    second = await pace.turn("search", "same")
    monkeypatch.undo()
    assert await asyncio.wait_for(first, 5) is second
    await pace.close()
