"""Scans that a daemon makes: of all or of some, told as they go, stopped, and by themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from soulmesh.client.events import Event
from soulmesh.client.ports import ShareCounts
from soulmesh.client.shares import Progress, Root, RootOutcome, ScanBusy, ScanOutcome, Shares
from soulmesh.daemon.ports import ScanMoved, ScanProgressed
from soulmesh.daemon.scanning import Scanning
from soulmesh.sim.loop import run_virtual
from tests.client.shares.support import open_shares, share


class Slow:
    """Shares whose scans take a second for each step that they tell."""

    def __init__(self, *steps: Progress) -> None:
        self.roots = [
            Root(1, b"Music", Path("/music"), files=300, scanned="2026-03-01T12:00:00+00:00"),
            Root(2, b"Talk \xff", Path("/talk"), files=100, scanned="2026-03-01T12:00:00+00:00"),
        ]
        self.counts = ShareCounts(4, 400)
        self.index = self
        self.needs_index = False
        self.steps = steps
        self.scans: list[tuple[object, bool]] = []
        self.fails: Exception | None = None
        self._lock = asyncio.Lock()

    def count_folders(self, root: int) -> int:
        return 2

    def on_changed(self, handler: Callable[[], None]) -> Callable[[], None]:
        return lambda: None

    async def scan(
        self,
        roots: Collection[int] | None = None,
        *,
        only: Mapping[int, Collection[bytes]] | None = None,
        confirmed: bool = False,
        again: bool = False,
        progress: Callable[[Progress], None] = lambda progress: None,
    ) -> ScanOutcome:
        async with self._lock:
            self.scans.append((None if roots is None else sorted(roots), confirmed))
            if self.fails is not None:
                raise self.fails
            for step in self.steps:
                progress(step)
                await asyncio.sleep(1)
        return ScanOutcome([RootOutcome("Talk \udcff", 100, added=3)], "updated", 2.5)

    async def refresh(self) -> None: ...

    async def check_online(self) -> list[Root]:
        return []

    def changed_elsewhere(self) -> bool:
        return False

    def folder_count(self) -> int:
        return 4


STEPS = (
    Progress("walking", "Music", 150, 300, 100.0, 1.5),
    Progress("walking", "Music", 300, 300, 100.0, 0.0),
    Progress("walking", "Talk \udcff", 50, 100, 100.0, 0.5),
    Progress("reading", "", 30, 40, 7.0, 10 / 7),
    Progress("indexing", "", 200, 400, 9000.0, None),
)


def perform(
    shares: Slow, play: Callable[[Scanning, list[Event]], Awaitable[None]], *, keep: bool = False
) -> None:
    async def whole() -> None:
        told: list[Event] = []
        scanning = Scanning(cast(Shares, shares), told.append)
        if keep:
            # Nothing is watched, so all is scanned every quarter of an hour.
            scanning.keep(watch=False, rescan_hours=0)
        try:
            await play(scanning, told)
        finally:
            await scanning.close()

    run_virtual(whole())


def states(told: list[Event]) -> list[str]:
    return [event.state for event in told if isinstance(event, ScanMoved)]


def test_what_is_told_has_rate_and_time_left_and_never_goes_back() -> None:
    async def play(scanning: Scanning, told: list[Event]) -> None:
        assert scanning.start()
        await asyncio.sleep(0.5)
        state = scanning.state
        assert (state.scanning, state.progress) == (True, 0.075)
        assert state.going == ScanProgressed(0.075, "walking", 150, 300, "Music", 100.0, 1.5)
        await asyncio.sleep(10)
        going = [event for event in told if isinstance(event, ScanProgressed)]
        # Two folders are walked, one after the other; reading and indexing follow.
        assert [event.progress for event in going] == [0.075, 0.15, 0.175, 0.725, 0.95]
        assert [event.root for event in going] == ["Music", "Music", "Talk ÿ", "", ""]
        assert [event.seconds_left for event in going] == [1.5, 0.0, 0.5, 1.4, None]
        state = scanning.state
        assert (state.scanning, state.progress, state.going) == (False, 1.0, None)
        assert told[-1] == ScanMoved(
            "finished", 4, 400, roots=(RootOutcome("Talk ÿ", 100, added=3),), index="updated", seconds=2.5
        )

    perform(Slow(*STEPS), play)


def test_the_end_of_a_phase_is_told_however_quick_it_was() -> None:
    async def play(scanning: Scanning, told: list[Event]) -> None:
        going = scanning._course(None)
        for step in STEPS[:3]:
            scanning._follow(going, step)
        assert [event.done for event in told if isinstance(event, ScanProgressed)] == [150, 300]

    perform(Slow(), play)


def test_some_folders_are_scanned_and_what_is_asked_meanwhile_follows_once() -> None:
    shares = Slow(*STEPS)

    async def play(scanning: Scanning, told: list[Event]) -> None:
        assert scanning.start([2], confirmed=True)
        assert not scanning.start([1], confirmed=True)
        assert not scanning.start([2])
        assert scanning.state.pending
        await asyncio.sleep(6)
        assert not scanning.start([2])
        assert not scanning.start()
        await asyncio.sleep(20)
        assert not scanning.state.scanning

    perform(shares, play)
    # A scan that had to wait forgets nothing unasked: it was refused.
    assert shares.scans == [([2], True), ([1, 2], False), (None, False)]


def test_a_scan_is_stopped_with_all_that_was_to_follow() -> None:
    shares = Slow(*STEPS)

    async def play(scanning: Scanning, told: list[Event]) -> None:
        assert not scanning.cancel()
        scanning.start()
        scanning.start()
        await asyncio.sleep(2.5)
        assert scanning.cancel()
        await asyncio.sleep(0)
        state = scanning.state
        assert (state.scanning, state.cancelled, state.pending, state.going) == (False, True, False, None)
        assert states(told) == ["started", "cancelled"]
        assert not scanning.cancel()

    perform(shares, play)
    assert len(shares.scans) == 1


@pytest.mark.parametrize("error", [ScanBusy()])
def test_a_scan_that_fails_says_why(error: Exception) -> None:
    shares = Slow()
    shares.fails = error

    async def play(scanning: Scanning, told: list[Event]) -> None:
        scanning.start()
        await asyncio.sleep(1)
        last: Any = told[-1]
        assert (last.state, last.problem) == ("failed", str(error))
        assert scanning.state.faulted

    perform(shares, play)


def test_a_scan_by_itself_is_seen_when_it_takes_long_and_can_be_stopped() -> None:
    shares = Slow(*STEPS)

    async def play(scanning: Scanning, told: list[Event]) -> None:
        await asyncio.sleep(900.5)
        assert not scanning.state.scanning
        assert not scanning.cancel()
        await asyncio.sleep(1)
        state = scanning.state
        assert (state.scanning, state.progress) == (True, 0.15)
        await asyncio.sleep(10)
        assert not scanning.state.scanning
        # Nobody asked for it, so neither its beginning nor its end is news; but it is no longer shown.
        assert states(told) == ["changed"]
        assert shares.scans == [(None, False)]

        await asyncio.sleep(900 - 6.5 + 2)
        assert scanning.cancel()
        await asyncio.sleep(0.1)
        assert not scanning.state.scanning
        assert states(told) == ["changed", "changed"]
        await asyncio.sleep(905)
        # It goes on after that.
        assert len(shares.scans) == 3

    perform(shares, play, keep=True)


def test_a_scan_by_itself_is_not_shown_when_it_is_over_at_once() -> None:
    shares = Slow(STEPS[0])

    async def play(scanning: Scanning, told: list[Event]) -> None:
        await asyncio.sleep(910)
        assert shares.scans == [(None, False)]
        assert told == []

    perform(shares, play, keep=True)


def test_who_asks_for_a_scan_beside_one_by_itself_waits_for_that_and_gets_it() -> None:
    shares = Slow(*STEPS)

    async def play(scanning: Scanning, told: list[Event]) -> None:
        await asyncio.sleep(902)
        assert scanning.start([1])
        await asyncio.sleep(20)
        assert states(told) == ["started", "finished"]

    perform(shares, play, keep=True)
    assert shares.scans == [(None, False), ([1], False)]


def test_what_the_settings_no_longer_name_at_a_start_is_not_shared_any_more(tmp_path: Path) -> None:
    shares = open_shares(tmp_path / "data")

    def begin(*names: str) -> list[bytes]:
        async def run() -> None:
            scanning = Scanning(shares)
            scanning.share([tmp_path / name for name in names])
            await scanning.close()

        asyncio.run(run())
        return [root.name for root in shares.roots]

    share(shares, tmp_path / "own", b"own")
    assert begin("named", "own") == [b"named", b"own"]
    # What the user did with it is kept as long as it is named.
    (named, _) = shares.roots
    shares.save_root(replace(named, hidden=True))
    assert begin("named", "other") == [b"named", b"other", b"own"]
    assert shares.roots[0].hidden
    assert begin("other") == [b"other", b"own"]
    assert begin() == [b"own"]
    shares.close()
