"""The keeper scans when it should: at start, by timer, on changes, and by polling where it cannot watch."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from soulmesh.client.shares import Audience, Keeper, KeeperSettings, Root, ScanBusy, ScanOutcome
from soulmesh.client.shares.keeper import REST, Source, unbroken, watch_source
from soulmesh.client.shares.store import StoreDamaged
from soulmesh.sim.loop import run_virtual
from tests.client.shares.support import fill, open_shares, share

FRIENDS = Audience(everyone=False, friends=True)
SCANNED = "2026-03-01T12:00:00+00:00"


class Recorded:
    """Shares that write down what is asked of them, and when."""

    def __init__(self, roots: list[Root], folders: int = 10) -> None:
        self.roots = roots
        self.needs_index = False
        self.folders = folders
        self.scans: list[tuple[float, object, object]] = []
        self.refreshed = 0
        self.elsewhere = False
        self.busy = 0

    async def scan(
        self, roots: Collection[int] | None = None, *, only: Mapping[int, Collection[bytes]] | None = None
    ) -> ScanOutcome:
        if self.busy:
            self.busy -= 1
            raise ScanBusy
        below = None if only is None else {root: sorted(folders) for root, folders in only.items()}
        self.scans.append((round(asyncio.get_running_loop().time()), roots and list(roots), below))
        return ScanOutcome()

    async def refresh(self) -> None:
        self.refreshed += 1
        self.elsewhere = False

    async def check_online(self) -> list[Root]:
        return []

    def changed_elsewhere(self) -> bool:
        return self.elsewhere

    def folder_count(self) -> int:
        return self.folders


class Watch:
    """A source that the test speaks through."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.queue: asyncio.Queue[set[Path]] = asyncio.Queue()
        self.fails = fails
        self.started: list[list[Path]] = []

    async def __call__(self, folders: Sequence[Path]) -> AsyncIterator[set[Path]]:
        self.started.append(list(folders))
        if self.fails is not None:
            raise self.fails
        yield set()
        while True:
            yield await self.queue.get()


def kept(
    shares: Recorded, source: Source | None, body: Callable[[Keeper], Awaitable[None]], **settings: object
) -> None:
    async def run() -> None:
        keeper = Keeper(shares, KeeperSettings(**settings), source=source)  # type: ignore[arg-type]
        task = asyncio.create_task(keeper.run())
        try:
            await body(keeper)
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    run_virtual(run())


def once(error: Exception, *, then: Callable[[], bool]) -> Callable[[], bool]:
    """Fails at the first call."""
    errors = [error]

    def call() -> bool:
        if errors:
            raise errors.pop()
        return then()

    return call


def sleeping(seconds: float) -> Callable[[Keeper], Awaitable[None]]:
    async def body(keeper: Keeper) -> None:
        await asyncio.sleep(seconds)

    return body


@pytest.fixture
def root(tmp_path: Path) -> Root:
    fill(tmp_path / "music", ["a/b/1.txt", "c/2.txt"])
    return Root(1, b"Music", tmp_path / "music", scanned=SCANNED)


def test_it_scans_at_start_and_then_by_timer(root: Root) -> None:
    shares = Recorded([root])
    kept(shares, None, sleeping(250), watch=False, rescan_every=100, poll_every=10_000)
    assert [at for at, _, _ in shares.scans] == [0, 100, 200]


def test_a_scan_at_start_can_be_left_out_unless_the_index_is_missing(root: Root) -> None:
    shares = Recorded([root])
    kept(shares, None, sleeping(50), watch=False, scan_at_start=False)
    assert shares.scans == []
    shares.needs_index = True
    kept(shares, None, sleeping(50), watch=False, scan_at_start=False)
    assert len(shares.scans) == 1


def test_with_more_folders_than_the_budget_shares_are_polled(
    root: Root, caplog: pytest.LogCaptureFixture
) -> None:
    shares, watch = Recorded([root], folders=30), Watch()
    settings = {"watch_folders": 20, "scan_at_start": False, "rescan_every": 0, "poll_every": 60}
    kept(shares, watch, sleeping(130), **settings)
    assert watch.started == []
    assert [at for at, _, _ in shares.scans] == [60, 120]
    assert caplog.text.count("30 folders are more than are watched (20)") == 1


def test_where_the_system_refuses_to_watch_shares_are_polled(root: Root) -> None:
    shares, watch = Recorded([root]), Watch(OSError(28, "inotify watch limit reached"))
    kept(shares, watch, sleeping(130), scan_at_start=False, rescan_every=0, poll_every=60)
    assert len(watch.started) == 1
    assert [at for at, _, _ in shares.scans] == [60, 120]


def test_changes_are_scanned_where_they_are(root: Root) -> None:
    shares, watch = Recorded([root]), Watch()

    async def body(keeper: Keeper) -> None:
        await asyncio.sleep(1)
        assert keeper.watching == {root.path}
        watch.queue.put_nowait({root.path / "a" / "b" / "new.txt", root.path / "c", root.path / ".git" / "x"})
        await asyncio.sleep(20)
        watch.queue.put_nowait({root.path / "top.txt", root.path / "c" / "x"})
        await asyncio.sleep(20)
        watch.queue.put_nowait({root.path / str(n) / "x" for n in range(30)})
        await asyncio.sleep(20)

    kept(shares, watch, body, scan_at_start=False, rescan_every=0, watch_burst=20)
    assert [(roots, only) for _, roots, only in shares.scans] == [
        ([1], {1: [b"a/b", b"c"]}),
        ([1], None),
        ([1], None),
    ]


def test_a_root_that_is_added_is_watched_too(root: Root, tmp_path: Path) -> None:
    shares, watch = Recorded([root]), Watch()
    (tmp_path / "other").mkdir()

    async def body(keeper: Keeper) -> None:
        await asyncio.sleep(1)
        new = Root(2, b"Other", tmp_path / "other")
        shares.roots = [root, new]
        await asyncio.sleep(20)
        # It may be of any size: how many folders it has is not known before it is scanned.
        assert keeper.watching == {root.path}
        shares.roots = [root, replace(new, scanned=SCANNED)]
        await asyncio.sleep(30)

    kept(shares, watch, body, scan_at_start=False)
    assert watch.started == [[root.path], [root.path, tmp_path / "other"]]
    # What came into it before it was watched is looked for.
    assert shares.scans == [(25, [2], None)]


def test_the_first_root_is_watched_within_seconds_and_so_is_one_that_comes_back(root: Root) -> None:
    shares, watch = Recorded([]), Watch()

    async def body(keeper: Keeper) -> None:
        await asyncio.sleep(1)
        shares.roots = [root]
        await asyncio.sleep(10)
        assert keeper.watching == {root.path}
        shares.roots = [replace(root, online=False)]
        await asyncio.sleep(10)
        assert keeper.watching == frozenset()
        shares.roots = [root]
        await asyncio.sleep(10)

    kept(shares, watch, body, scan_at_start=False)
    assert watch.started == [[root.path], [root.path]]
    assert [scan[1:] for scan in shares.scans] == [([1], None), ([1], None)]


@pytest.mark.parametrize("watched", [True, False])
def test_a_root_that_was_away_at_its_first_scan_is_scanned_when_it_comes_back(
    root: Root, watched: bool
) -> None:
    drive = Root(2, b"Drive", root.path.parent / "drive", online=False)
    shares = Recorded([root, drive])

    async def body(keeper: Keeper) -> None:
        await asyncio.sleep(21)
        shares.roots = [root, replace(drive, online=True)]
        await asyncio.sleep(60)
        # It was scanned once before: then it is watched, and looked at for that.
        shares.roots = [root, replace(drive, scanned=SCANNED)]
        await asyncio.sleep(20)
        shares.roots = [root, replace(drive, online=True, scanned=SCANNED)]
        await asyncio.sleep(20)

    kept(shares, Watch(), body, scan_at_start=False, rescan_every=0, watch=watched)
    assert [(at, roots) for at, roots, _ in shares.scans] == [(25, [2]), *[(105, [2])] * watched]


def test_another_process_that_notices_a_drive_first_takes_nothing_away(root: Root) -> None:
    drive = Root(2, b"Drive", root.path.parent / "drive", online=False)
    shares = Recorded([root, drive])

    async def refresh() -> None:
        shares.elsewhere = False
        shares.roots = [root, replace(drive, online=True)]

    shares.refresh = refresh  # type: ignore[method-assign]
    shares.elsewhere = True
    kept(shares, Watch(), sleeping(30), scan_at_start=False, rescan_every=0)
    assert [(at, roots) for at, roots, _ in shares.scans] == [(10, [2])]


def test_a_first_scan_that_did_not_end_is_tried_again_while_others_are_watched(root: Root) -> None:
    stopped = Root(2, b"Other", root.path.parent / "other")
    shares, watch = Recorded([root, stopped]), Watch()

    async def body(keeper: Keeper) -> None:
        await asyncio.sleep(130)
        assert keeper.watching == {root.path}
        shares.roots = [root, replace(stopped, online=False)]
        await asyncio.sleep(100)

    kept(shares, watch, body, scan_at_start=False, rescan_every=0, poll_every=60)
    assert [(at, roots) for at, roots, _ in shares.scans] == [(60, [2]), (120, [2])]


def test_a_folder_that_cannot_be_named_in_text_is_polled_and_the_others_watched(root: Root) -> None:
    odd = Root(2, b"Odd", root.path.parent / os.fsdecode(b"odd\xff"), scanned=SCANNED)
    shares, watch = Recorded([root, odd]), Watch()

    async def body(keeper: Keeper) -> None:
        await asyncio.sleep(130)
        assert keeper.watching == {root.path}
        shares.roots = [odd]
        await asyncio.sleep(70)
        assert not keeper.watching

    kept(shares, watch, body, scan_at_start=False, rescan_every=0, poll_every=60)
    assert watch.started == [[root.path]]
    # When there is nothing left to watch, everything is polled.
    assert [roots for _, roots, _ in shares.scans] == [[2], [2], None]


def test_an_error_that_nobody_foresaw_is_told_and_ends_nothing(
    root: Root, caplog: pytest.LogCaptureFixture
) -> None:
    shares, watch = Recorded([root]), Watch()
    shares.changed_elsewhere = once(LookupError("odd"), then=lambda: True)  # type: ignore[method-assign]

    async def body(keeper: Keeper) -> None:
        await asyncio.sleep(20)
        assert keeper.watching == {root.path}
        watch.queue.put_nowait({root.path / "c" / "x"})
        await asyncio.sleep(1)
        assert len(shares.scans) == 1
        assert not shares.refreshed
        await asyncio.sleep(20)

    kept(shares, watch, body, scan_at_start=False, rescan_every=0, retry_after=30)
    assert shares.refreshed == 1
    assert "changes by other processes: begun again after an error" in caplog.text
    assert "LookupError: odd" in caplog.text


def test_after_damage_of_the_database_folders_are_scanned_and_watched_again(
    root: Root, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shares, watch = Recorded([root]), Watch()
    damage: list[Exception] = []

    def folder_count() -> int:
        if damage:
            raise damage.pop()
        return 1

    shares.folder_count = folder_count  # type: ignore[method-assign]

    async def body(keeper: Keeper) -> None:
        await asyncio.sleep(1)
        damage.append(StoreDamaged(tmp_path / "shares.sqlite", "malformed"))
        await asyncio.sleep(10)
        assert not keeper.watching
        await asyncio.sleep(30)
        assert keeper.watching == {root.path}

    kept(shares, watch, body, scan_at_start=False, rescan_every=0, retry_after=30)
    assert [(at, roots) for at, roots, _ in shares.scans] == [(35, None)]
    assert "watching: begun again after an error: " in caplog.text
    assert "Traceback" not in caplog.text


def broken() -> ExceptionGroup[RuntimeError]:
    """What watchfiles ends with over a name that is not UTF-8."""
    return ExceptionGroup("unhandled", [RuntimeError('Unable to decode path "odd\\xFF" to string')])


Script = list[set[tuple[int, str]] | Exception]


def scripted(*watches: Script) -> tuple[Source, list[float]]:
    """Watches, one after the other, that give out what is written; the last one goes on without an end."""
    left, begun = list(watches), []

    async def begin(folders: Sequence[Path]) -> AsyncGenerator[set[tuple[int, str]], None]:
        begun.append(asyncio.get_running_loop().time())
        for change in left.pop(0):
            if isinstance(change, Exception):
                raise change
            yield change
        await asyncio.sleep(1e6)

    return unbroken(begin), begun


def test_a_name_that_is_no_text_has_everything_scanned_and_watching_goes_on(root: Root) -> None:
    shares = Recorded([root])
    inside = {(1, f"{root.path}/c/x")}
    source, begun = scripted([inside, broken()], [RuntimeError("again")], [set(), inside])
    kept(shares, source, sleeping(60), scan_at_start=False, rescan_every=0)
    assert [round(at) for at in begun] == [0, 2, 6]
    # The whole root, at once and when the next watch has begun.
    assert shares.scans == [
        (0, [1], {1: [b"c"]}),
        (0, [1], None),
        (2, [1], None),
        (6, [1], None),
        (6, [1], {1: [b"c"]}),
    ]


def test_a_watch_that_only_breaks_is_as_good_as_polling(root: Root) -> None:
    shares = Recorded([root])
    watches: list[Script] = [[broken()] for _ in range(20)]
    source, begun = scripted(*watches)
    kept(shares, source, sleeping(1000 + 2 * REST), scan_at_start=False, rescan_every=0)
    assert [round(at) for at in begun] == [0, 2, 6, 14, 30, 62, 126, 254, 510, 1022, 1022 + REST]
    assert [round(at) for at, roots, only in shares.scans if roots == [1] and not only] == begun


def test_what_another_process_changed_is_taken_in(root: Root) -> None:
    shares = Recorded([root])
    shares.elsewhere = True
    kept(shares, None, sleeping(30), watch=False)
    assert shares.refreshed == 1


@pytest.mark.parametrize(
    ("change", "scanned"),
    [
        (lambda outer, inner, beside: [outer, inner, beside], [1, 2]),
        (lambda outer, inner, beside: [outer, replace(beside, hidden=True)], [3]),
        (lambda outer, inner, beside: [outer, replace(beside, exclude=("*.tmp",))], [3]),
        (lambda outer, inner, beside: [outer], None),
        (lambda outer, inner, beside: [replace(outer, audience=FRIENDS), beside], None),
    ],
)
def test_a_change_of_what_is_shared_has_all_scanned_that_it_concerns(
    root: Root, change: Callable[[Root, Root, Root], list[Root]], scanned: list[int] | None
) -> None:
    inner = Root(2, b"Inner", root.path / "a", FRIENDS)
    beside = Root(3, b"Beside", root.path.parent / "musicals", scanned=SCANNED)
    shares = Recorded([root, beside])

    async def refresh() -> None:
        shares.elsewhere = False
        shares.roots = change(root, inner, beside)

    shares.refresh = refresh  # type: ignore[method-assign]
    shares.elsewhere = True
    kept(shares, None, sleeping(30), watch=False, scan_at_start=False)
    assert [roots for _, roots, _ in shares.scans] == ([] if scanned is None else [scanned])


def test_what_lay_in_a_root_that_went_is_looked_for_in_the_one_around_it(root: Root) -> None:
    shares = Recorded([root, Root(2, b"Inner", root.path / "a", scanned=SCANNED)])

    async def refresh() -> None:
        shares.elsewhere = False
        shares.roots = [root]

    shares.refresh = refresh  # type: ignore[method-assign]
    shares.elsewhere = True
    kept(shares, None, sleeping(30), watch=False, scan_at_start=False)
    assert [roots for _, roots, _ in shares.scans] == [[1]]


def test_a_busy_scan_is_tried_again(root: Root) -> None:
    shares = Recorded([root])
    shares.busy = 2
    kept(shares, None, sleeping(100), watch=False, retry_after=30)
    assert [at for at, _, _ in shares.scans] == [60]


def test_a_change_by_another_process_is_noticed(tmp_path: Path) -> None:
    ours, theirs = open_shares(tmp_path / "data"), open_shares(tmp_path / "data")
    assert not ours.changed_elsewhere()
    share(theirs, tmp_path)
    assert ours.changed_elsewhere()
    asyncio.run(ours.refresh())
    assert not ours.changed_elsewhere()
    assert [root.name for root in ours.roots] == [b"Music"]
    ours.close()
    theirs.close()


@pytest.mark.slow
@pytest.mark.skipif(watch_source() is None, reason="watchfiles is not installed")
def test_a_new_file_is_found_while_watching(tmp_path: Path) -> None:
    shares = open_shares(tmp_path / "data")
    fill(tmp_path / "music", ["a/old.txt"])
    share(shares, tmp_path / "music")

    async def run() -> None:
        await shares.scan()
        keeper = Keeper(shares, KeeperSettings(scan_at_start=False))
        task = asyncio.create_task(keeper.run())
        async with asyncio.timeout(30):
            while not keeper.watching:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            number = 0
            while not (await shares.search("fresh", username="bob", limit=5)).results:
                # The system needs a moment to begin watching: what came before that is not told.
                fill(tmp_path / "music", [f"a/fresh song {number}.txt"])
                # A name that the watching package cannot tell hides nothing else.
                fill(tmp_path / "music", [os.fsdecode(b"a/odd\xff%d.txt" % number)])
                number += 1
                await asyncio.sleep(0.2)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        assert all(thread.name != "soulmesh-watch" for thread in threading.enumerate())

    asyncio.run(run())
    shares.close()
