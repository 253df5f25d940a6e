"""What may go wrong around a scan: drives that go, folders that are removed meanwhile, others who write."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from soulmesh.client.shares.generation import open_base
from soulmesh.client.shares.model import Root
from soulmesh.client.shares.readers import read_all
from soulmesh.client.shares.scan import Progress, ScanCancelled, Scanner, ScanOutcome
from soulmesh.client.shares.store import Store
from tests.client.shares.support import NOW, fill, open_shares, write_wave
from tests.client.shares.test_scan import hang_or_die, indexed, scan, share


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "data" / "shares.sqlite")
    yield store
    store.close()


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Progress after each step, so that a test can do something in the middle."""
    monkeypatch.setattr("soulmesh.client.shares.scan.TELL_EVERY", 0.0)


def while_scanning(store: Store, phase: str, do: object, **how: object) -> ScanOutcome:
    """A scan during which something happens once, in this phase."""
    done: list[Progress] = []

    def told(progress: Progress) -> None:
        if progress.phase == phase and not done:
            done.append(progress)
            do()  # type: ignore[operator]

    outcome = scan(store, progress=told, **how)
    assert done, f"no progress in {phase}"
    return outcome


def test_a_drive_that_goes_while_it_is_scanned_loses_nothing_even_if_told_to(
    store: Store, tmp_path: Path
) -> None:
    root = tmp_path / "music"
    fill(root, [f"{n}/x.txt" for n in range(20)])
    share(store, root)
    scan(store)
    outcome = while_scanning(store, "walking", lambda: root.rename(tmp_path / "away"), confirmed=True)
    assert outcome.roots[0].offline
    assert not outcome.roots[0].removed
    assert not store.roots()[0].online
    assert len(indexed(store)) == 20
    (tmp_path / "away").rename(root)
    assert scan(store).roots[0].files == 20
    assert store.roots()[0].online


@pytest.mark.parametrize("phase", ["walking", "reading", "indexing"])
def test_others_write_while_a_scan_goes_on(store: Store, tmp_path: Path, phase: str) -> None:
    for n in range(5):
        write_wave(tmp_path / "music" / f"{n}.wav", 0.01)
    share(store, tmp_path / "music")
    other = Store(store.path)
    other.execute("PRAGMA busy_timeout=0")  # whoever finds the place taken fails at once
    while_scanning(store, phase, lambda: share(other, tmp_path / "more", b"More"))
    other.close()
    assert [root.name for root in store.roots()] == [b"More", b"Music"]
    assert len(indexed(store)) == 5


def test_a_removed_root_is_gone_at_once_and_swept_out_by_the_next_scan(store: Store, tmp_path: Path) -> None:
    fill(tmp_path, ["a/1.txt", "b/2.txt"])
    first = share(store, tmp_path / "a", b"A")
    share(store, tmp_path / "b", b"B")
    scan(store)
    store.remove_root(first.id)
    assert [root.name for root in store.roots()] == [b"B"]
    scan(store)
    assert store.execute("SELECT count(*) FROM files").fetchone()[0] == 1
    assert store.execute("SELECT count(*) FROM folders").fetchone()[0] == 1


@pytest.mark.parametrize("phase", ["walking", "reading", "indexing"])
def test_a_root_that_is_removed_while_it_is_scanned_leaves_nothing_behind(
    store: Store, tmp_path: Path, phase: str
) -> None:
    for n in range(9):
        write_wave(tmp_path / "a" / f"{n}.wav", 0.01)
    fill(tmp_path, ["b/mine.txt"])
    first = share(store, tmp_path / "a", b"A")
    other = Store(store.path)
    while_scanning(store, phase, lambda: other.remove_root(first.id))
    share(other, tmp_path / "b", b"B")
    other.close()
    scan(store, rebuild=True)
    assert indexed(store) == [rb"B\mine.txt"]
    assert store.execute("SELECT count(*) FROM files").fetchone()[0] == 1


def test_a_large_root_that_was_removed_leaves_the_index_too(store: Store, tmp_path: Path) -> None:
    fill(tmp_path / "a", [f"{n % 9}/{n}.txt" for n in range(2500)])
    fill(tmp_path, ["b/mine.txt"])
    first = share(store, tmp_path / "a", b"A")
    share(store, tmp_path / "b", b"B")
    scan(store)
    store.remove_root(first.id)
    assert scan(store).index == "rebuilt"
    base = open_base(store, store.path.parent)
    assert base is not None
    assert base.files == 1


def test_after_the_last_folder_nothing_of_it_is_left(tmp_path: Path) -> None:
    fill(tmp_path / "music", ["a/secret.txt", "b/2.txt"])
    shares = open_shares(tmp_path / "data")
    root = shares.save_root(Root(0, b"Music", tmp_path / "music"))
    asyncio.run(shares.scan())
    asyncio.run(shares.browse("bob"))
    shares.remove_root(root.id)
    assert shares.store.sweeping_left()
    asyncio.run(shares.scan())
    assert not shares.store.sweeping_left()
    assert len(shares.index) == shares.folder_count() == 0
    assert not list((tmp_path / "data" / "browse").iterdir())
    for table in ("files", "folders", "changes", "problems"):
        assert shares.store.execute(f"SELECT count(*) FROM {table}").fetchone()[0] == 0
    (index,) = (tmp_path / "data").glob("index-*")
    assert b"secret" not in index.read_bytes()
    assert asyncio.run(shares.scan()).index == "unchanged"
    shares.close()


def test_attributes_that_a_cancelled_scan_left_unread_are_read_with_their_own_root(
    store: Store, tmp_path: Path
) -> None:
    for n in range(6):
        write_wave(tmp_path / "a" / f"{n}.wav", 2.0)
    fill(tmp_path, ["b/mine.txt"])
    first = share(store, tmp_path / "a", b"A")
    second = share(store, tmp_path / "b", b"B")

    def stop() -> None:
        raise ScanCancelled

    with pytest.raises(ScanCancelled):
        while_scanning(store, "reading", stop)
    Scanner(store, store.path.parent, now=NOW, readers=1).scan([second.id])
    unread = {name for (name,) in store.execute("SELECT name FROM files WHERE attributes IS NULL")}
    assert unread
    outcome = Scanner(store, store.path.parent, now=NOW, readers=1).scan([first.id])
    assert outcome.index == "updated"
    assert not store.execute("SELECT count(*) FROM files WHERE attributes IS NULL").fetchone()[0]
    noted = {change.name: len(change.attributes) for change in store.changes(0)}
    assert noted == dict.fromkeys(unread, 24)


def test_a_scan_can_be_stopped_while_a_file_hangs() -> None:
    def stop() -> None:
        raise ScanCancelled

    jobs = [(1, b"hang")]
    with pytest.raises(ScanCancelled):
        list(read_all(jobs, readers=1, file_seconds=60, read=hang_or_die, meanwhile=stop))


def test_a_disk_that_is_full_ends_the_scan_and_what_was_offered_stays(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "music"
    fill(root, ["a/1.txt"])
    share(store, root)
    scan(store)
    pages = store.execute("PRAGMA page_count").fetchone()[0]
    store.execute(f"PRAGMA max_page_count={pages}")
    fill(root, [f"b/a name that takes some room, number {n}.txt" for n in range(2000)])
    with pytest.raises(sqlite3.OperationalError, match="full"):
        scan(store)
    assert indexed(store) == [rb"Music\a\1.txt"]
    store.execute("PRAGMA max_page_count=1000000")
    assert scan(store).roots[0].files == 2001
    shutil.rmtree(root / "b")
    assert scan(store, confirmed=True).roots[0].files == 1


def test_readers_end_when_their_parent_was_killed() -> None:
    """Nothing that a killed parent started goes on, though readers hold each other's links open."""
    code = (
        "import os, time\n"
        "from soulmesh.client.shares import readers\n"
        "readers.LOOK_EVERY = 0.05\n"
        "def slow(path):\n"
        "    os.write(1, b'%d ' % os.getpid())\n"
        "    time.sleep(0.02)\n"
        "    return path, None\n"
        "list(readers.read_all(((n, b'x') for n in range(100_000)), readers=3, read=slow))\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        first = parent.stdout.read(1)
        parent.kill()
        # The end of the output comes when the last of them has closed it.
        rest = parent.stdout.read()
    assert (first + rest).split()


def test_an_empty_index_that_is_damaged_does_not_keep_a_client_from_starting(tmp_path: Path) -> None:
    open_shares(tmp_path / "data").close()
    (tmp_path / "data" / "empty.shares").write_bytes(b"rubbish")
    shares = open_shares(tmp_path / "data")
    assert len(shares.index) == 0
    shares.close()


def test_an_index_that_cannot_be_written_leaves_nothing_lying_about(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path / "music", ["a/1.txt"])
    share(store, tmp_path / "music")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("soulmesh.client.shares.mapped.os.fsync", full)
        with pytest.raises(OSError, match="No space"):
            scan(store)
    assert not list((tmp_path / "data").glob("index-*"))
    assert scan(store).index == "rebuilt"


def test_browsing_works_on_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shares = open_shares(tmp_path / "data")
    fill(tmp_path / "music", ["a/1.txt"])
    shares.save_root(Root(0, b"Music", tmp_path / "music"))
    asyncio.run(shares.scan())

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("soulmesh.client.shares.browse.os.replace", full)
        unkept = asyncio.run(shares.browse("bob"))
    assert "No space left" in caplog.text
    assert not list((tmp_path / "data" / "browse").iterdir())
    assert asyncio.run(shares.browse("bob")) == unkept
    assert list((tmp_path / "data" / "browse").iterdir())
    shares.close()
