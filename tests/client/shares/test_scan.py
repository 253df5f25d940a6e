"""Scanning: what changed on disk changes in the store and the index, and nothing else is touched."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from soulmesh.client.shares import scan as scan_module
from soulmesh.client.shares.audio import read_attributes
from soulmesh.client.shares.entries import pack_attributes
from soulmesh.client.shares.generation import open_base
from soulmesh.client.shares.model import Root, Symlinks
from soulmesh.client.shares.readers import OUTSIDE, SLOW, Reading, read_all
from soulmesh.client.shares.scan import ScanBusy, ScanCancelled, Scanner, ScanOutcome, scan_lock
from soulmesh.client.shares.store import Store, StoreUnusable
from soulmesh.client.shares.unreadable import UnreadableAudio
from soulmesh.client.shares.walk import Rules, walk
from tests.client.shares.support import NOW, fill, write_wave


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "data" / "shares.sqlite")
    yield store
    store.close()


def scan(store: Store, **how: object) -> ScanOutcome:
    only = how.pop("only", None)
    scanner = Scanner(store, store.path.parent, now=NOW, readers=1, **how)  # type: ignore[arg-type]
    return scanner.scan(only=only)  # type: ignore[arg-type]


def share(store: Store, path: Path, name: bytes = b"Music", **how: object) -> Root:
    path.mkdir(parents=True, exist_ok=True)
    return store.save_root(Root(0, name, path, **how))  # type: ignore[arg-type]


def indexed(store: Store) -> list[bytes]:
    """What an index opened now would hold."""
    base = open_base(store, store.path.parent)
    assert base is not None
    paths = {base.remote_path(n) for n in range(base.files)}
    names = {root.id: root.name for root in store.roots()}
    for change in store.changes(0):
        path = b"\\".join(part for part in (names[change.root], change.folder, change.name) if part)
        if change.size is None:
            paths.discard(path)
        else:
            paths.add(path)
    return sorted(paths)


def test_a_first_scan_takes_in_everything_and_a_second_finds_nothing_to_do(
    store: Store, tmp_path: Path
) -> None:
    root = tmp_path / "music"
    write_wave(root / "a" / "one.wav", 2.5)
    fill(root, ["a/cover.jpg", "b/c/notes.txt", ".hidden/x", "b/.secret"])
    share(store, root)
    first = scan(store)
    assert (first.index, first.roots[0].added, first.roots[0].files) == ("rebuilt", 3, 3)
    assert indexed(store) == [rb"Music\a\cover.jpg", rb"Music\a\one.wav", rb"Music\b\c\notes.txt"]
    second = scan(store)
    assert second.index == "unchanged"
    assert (second.roots[0].added, second.roots[0].changed, second.roots[0].removed) == (0, 0, 0)
    assert store.roots()[0].scanned == "2026-03-01T12:00:00+00:00"


def test_few_changes_become_a_delta_and_many_a_new_base(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "music"
    fill(root, [f"f/{n:02}.txt" for n in range(20)])
    share(store, root)
    scan(store)
    (root / "f" / "00.txt").unlink()
    fill(root, ["f/new.txt", "g/other.txt"])
    os.utime(root / "f" / "01.txt", (1, 1))
    outcome = scan(store)
    assert outcome.index == "updated"
    assert (outcome.roots[0].added, outcome.roots[0].changed, outcome.roots[0].removed) == (2, 1, 1)
    assert len(store.changes(0)) == 4
    assert rb"Music\f\00.txt" not in indexed(store)
    assert rb"Music\g\other.txt" in indexed(store)
    fill(root, [f"many/{n:04}.txt" for n in range(2100)])
    assert scan(store).index == "rebuilt"
    assert store.changes(0) == []
    assert len(indexed(store)) == 2121


def test_attributes_are_read_once_and_again_when_the_file_changes(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "music"
    write_wave(root / "one.wav", 3)
    share(store, root)
    scan(store)
    known = store.file(1, b"", b"one.wav")
    assert known is not None
    store.execute("UPDATE files SET attributes = x'0100000063000000'")
    scan(store)
    assert store.file(1, b"", b"one.wav") == (known[0], bytes.fromhex("0100000063000000"), None)
    write_wave(root / "one.wav", 4)
    scan(store)
    changed = store.file(1, b"", b"one.wav")
    assert changed is not None
    assert changed[1] is not None
    assert changed[1][:8] == bytes.fromhex("0100000004000000")


def test_a_moved_file_keeps_its_attributes_without_being_read(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "music"
    write_wave(root / "old" / "one.wav")
    share(store, root)
    scan(store)
    store.execute("UPDATE files SET attributes = x'0100000063000000'")
    (root / "old").rename(root / "new")
    outcome = scan(store)
    assert outcome.roots[0].removed == 1
    assert store.file(1, b"new", b"one.wav") is not None
    assert store.file(1, b"new", b"one.wav")[1] == bytes.fromhex("0100000063000000")  # type: ignore[index]
    assert store.local_folder(1, b"old") is None


def test_one_broken_file_costs_that_file_and_is_listed(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "music"
    write_wave(root / "good.wav")
    fill(root, ["empty.mp3"], b"")
    fill(root, ["noise.flac", "cut.ape", "odd.wv", "nothing.aac"], bytes(range(256)) * 20)
    share(store, root)
    outcome = scan(store)
    assert outcome.roots[0].problems == 5
    assert {problem.path for problem in store.problems(store.roots()[0])} == {
        "empty.mp3", "noise.flac", "cut.ape", "odd.wv", "nothing.aac",
    }  # fmt: skip
    assert len(indexed(store)) == 6


def test_names_that_are_no_utf_8_survive_to_the_index(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "music"
    root.mkdir()
    name = b"caf\xe9 \\ back.mp3"
    with open(os.path.join(os.fsencode(root), name), "wb") as file:
        file.write(b"x")
    share(store, root)
    scan(store)
    assert indexed(store) == [b"Music\\" + name]


def test_a_scan_that_would_lose_too_much_asks_first(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "music"
    fill(root, [f"f/{n}.txt" for n in range(20)])
    share(store, root)
    scan(store)
    shutil.rmtree(root / "f")
    fill(root, ["left.txt"])
    outcome = scan(store)
    assert outcome.roots[0].held_back == 20
    assert len(indexed(store)) == 21
    assert scan(store, confirmed=True).roots[0].removed == 20
    assert indexed(store) == [rb"Music\left.txt"]


def test_new_files_do_not_make_up_for_lost_ones(store: Store, tmp_path: Path) -> None:
    """Another drive in the same place has as many files, and they are others."""
    root = tmp_path / "music"
    fill(root, [f"f/{n}.txt" for n in range(20)])
    share(store, root)
    scan(store)
    root.rename(tmp_path / "right drive")
    fill(root, [f"g/{n}.txt" for n in range(400)])
    (found,) = scan(store).roots
    assert (found.added, found.removed, found.held_back) == (400, 0, 20)
    # Nor do they by being there for longer: 20 of 420 would be few.
    fill(root, ["one more.txt"])
    (found,) = scan(store).roots
    assert (found.added, found.removed, found.held_back) == (1, 0, 20)
    assert len(indexed(store)) == 421
    root.rename(tmp_path / "wrong drive")
    (tmp_path / "right drive").rename(root)
    assert scan(store).roots[0].held_back == 401
    assert scan(store, confirmed=True).roots[0].removed == 401
    assert len(indexed(store)) == 20
    (root / "f" / "1.txt").unlink()
    assert scan(store).roots[0].removed == 1


def test_a_folder_that_got_another_name_is_not_lost(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "music"
    fill(root, [f"old/{n}.txt" for n in range(20)])
    share(store, root)
    scan(store)
    (root / "old").rename(root / "new")
    (found,) = scan(store).roots
    assert (found.added, found.removed, found.held_back) == (20, 20, 0)
    assert len(indexed(store)) == 20


def test_two_links_to_one_file_that_become_one_name_are_one_file_less(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "music"
    fill(root, [f"old/{n}.txt" for n in range(6)])
    for n in range(6):
        (root / "old" / f"{n} again.txt").hardlink_to(root / "old" / f"{n}.txt")
    share(store, root)
    scan(store)
    (root / "new").mkdir()
    for n in range(6):
        (root / "old" / f"{n}.txt").rename(root / "new" / f"{n}.txt")
        (root / "old" / f"{n} again.txt").unlink()
    assert scan(store).roots[0].held_back == 6


def test_a_text_that_becomes_a_song_by_its_name_is_read(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "music"
    write_wave(root / "song.txt")
    share(store, root)
    scan(store)
    (root / "song.txt").rename(root / "song.wav")
    scan(store)
    found = store.file(1, b"", b"song.wav")
    assert found is not None
    assert found[1]


def test_of_two_files_that_look_alike_to_others_one_is_shared_and_the_other_listed(
    store: Store, tmp_path: Path
) -> None:
    root = tmp_path / "music"
    fill(root, ["a/b/c.txt", "a/b\\c.txt", "a\\b\\c.txt", "x\\y.txt", ".hidden/z.txt", ".hidden\\z.txt"])
    share(store, root)
    scan(store)
    assert indexed(store) == [rb"Music\a\b\c.txt", rb"Music\x\y.txt"]
    assert {(p.path, p.reason) for p in store.problems(store.roots()[0])} == {
        ("a/b\\c.txt", "looks to others like a/b/c.txt"),
        ("a\\b\\c.txt", "looks to others like a/b\\c.txt"),
    }
    assert scan(store).index == "unchanged"
    shutil.rmtree(root / "a" / "b")
    scan(store, confirmed=True, rebuild=True)
    assert indexed(store) == [rb"Music\a\b\c.txt", rb"Music\x\y.txt"]
    assert store.file(1, b"a", b"b\\c.txt") is not None


def test_what_is_newly_excluded_goes_however_much_it_is(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "music"
    fill(root, [f"Private/{n}.txt" for n in range(20)] + ["inner/1.txt", "left.txt", "x.bak"])
    shared = share(store, root)
    scan(store)
    (root / "left.txt").unlink()
    share(store, root / "inner", b"Inner")
    store.save_root(Root(shared.id, shared.name, shared.path, exclude=("private", "*.bak")))
    outcome = scan(store)
    assert [(found.root, found.removed, found.held_back) for found in outcome.roots] == [
        ("Inner", 0, 0),
        ("Music", 23, 0),
    ]
    assert indexed(store) == [rb"Inner\1.txt"]


def test_a_root_that_is_away_keeps_its_entries(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "music"
    fill(root, ["f/1.txt", "f/2.txt"])
    share(store, root)
    scan(store)
    root.rename(tmp_path / "elsewhere")
    assert scan(store, confirmed=True).roots[0].offline
    assert not store.roots()[0].online
    # an unmounted drive leaves an empty folder behind
    root.mkdir()
    assert scan(store, confirmed=True).roots[0].offline
    assert len(indexed(store)) == 2
    root.rmdir()
    (tmp_path / "elsewhere").rename(root)
    assert scan(store).index == "unchanged"
    assert store.roots()[0].online


def test_excluded_patterns_and_other_roots_inside_are_left_out(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "music"
    fill(root, ["a/x.mp3", "a/x.TMP", "Private/y.mp3", "a/scans/z.jpg", "b/scans/z.jpg", "inner/i.mp3"])
    share(store, root, exclude=("*.tmp", "private", "a/scans"))
    share(store, root / "inner", b"Inner")
    scan(store)
    assert indexed(store) == [rb"Inner\i.mp3", rb"Music\a\x.mp3", rb"Music\b\scans\z.jpg"]


def test_links_are_followed_only_by_rule_and_never_out_of_the_root(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "music"
    fill(tmp_path, ["outside/secret.txt", "music/a/inside.txt"])
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "file-out.txt").symlink_to(tmp_path / "outside" / "secret.txt")
    (root / "a" / "round").symlink_to(root)
    (root / "again.txt").symlink_to(root / "a" / "inside.txt")
    (root / "dangling").symlink_to(root / "nothing")
    number = share(store, root)
    scan(store)
    assert indexed(store) == [rb"Music\a\inside.txt"]
    store.save_root(Root(number.id, number.name, number.path, symlinks=Symlinks.INSIDE))
    scan(store)
    assert indexed(store) == [rb"Music\a\inside.txt", rb"Music\again.txt"]


def test_a_folder_is_shared_where_it_lies_not_where_a_link_leads_to_it(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "music"
    fill(root, ["real/deep/song.txt"])
    (root / "a link").symlink_to(root / "real")
    (root / "real" / "deep" / "again").symlink_to(root / "real" / "deep")
    share(store, root, symlinks=Symlinks.INSIDE)
    scan(store)
    assert indexed(store) == [rb"Music\real\deep\song.txt"]


def test_a_folder_that_cannot_be_read_keeps_its_entries_and_is_listed(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "music"
    fill(root, ["good/1.txt", "bad/2.txt", "bad/deep/3.txt"])
    share(store, root)
    scan(store)
    real = os.scandir

    def denied(path: bytes) -> object:
        if os.fsencode(path).endswith(b"/bad"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", denied)
    outcome = scan(store)
    assert outcome.roots[0].removed == 0
    assert [(p.path, p.reason) for p in store.problems(store.roots()[0])] == [("bad", "Permission denied")]
    assert len(indexed(store)) == 3
    # It is forgotten by a scan of that folder, and by no other.
    monkeypatch.setattr(os, "scandir", real)
    scan(store, only={1: [b"good", b"ba"]})
    assert len(store.problems(store.roots()[0])) == 1
    scan(store, only={1: [b"bad"]})
    assert store.problems(store.roots()[0]) == []


def test_what_could_not_be_read_for_reasons_outside_of_the_file_is_tried_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "music"
    for name in ("closed", "slow", "other"):
        write_wave(root / f"{name}.wav", 2)
    (root / "broken.wav").write_bytes(b"x")
    share(store, root)
    closed = {b"closed": ("Permission denied", OUTSIDE), b"slow": ("reading it took longer than 20 s", SLOW)}

    def read(jobs: Iterable[tuple[Any, bytes]], **_: object) -> Iterator[Reading[Any]]:
        for key, path in jobs:
            tried.append(os.path.basename(path))
            problem, passing = closed.get(os.path.basename(path).removesuffix(b".wav"), (None, 0))
            try:
                found = b"" if problem else pack_attributes(read_attributes(path))
            except UnreadableAudio as error:
                found, problem = b"", str(error)
            yield Reading(key, found, problem, passing)

    def problems() -> dict[str, str]:
        return {problem.path: problem.reason for problem in store.problems(store.roots()[0])}

    tried: list[bytes] = []
    monkeypatch.setattr(scan_module, "read_all", read)
    scan(store)
    assert problems().keys() == {"closed.wav", "slow.wav", "broken.wav"}
    tried.clear()
    assert scan(store).index == "unchanged"
    # A file that is broken stays so until it changes; what is slow would be slow at each scan.
    assert tried == [b"closed.wav"]
    assert problems()["closed.wav"] == "Permission denied"
    tried.clear()
    scan(store, again=True)
    assert sorted(tried) == [b"closed.wav", b"slow.wav"]

    closed.clear()
    outcome = scan(store, again=True)
    assert (outcome.index, outcome.roots[0].problems) == ("updated", 1)
    assert problems().keys() == {"broken.wav"}
    assert [(change.name, change.attributes != b"") for change in store.changes(0)] == [
        (b"closed.wav", True),
        (b"slow.wav", True),
    ]


def test_a_scan_of_some_folders_tries_again_what_lies_in_them(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "music"
    for name in ("a/1", "a/deep/2", "ab/3", "4"):
        write_wave(root / f"{name}.wav", 2)
    share(store, root)
    tried: list[bytes] = []
    closed = True

    def read(jobs: Iterable[tuple[Any, bytes]], **_: object) -> Iterator[Reading[Any]]:
        for key, path in jobs:
            tried.append(os.path.basename(path))
            if closed:
                yield Reading(key, b"", "Permission denied", OUTSIDE)
            else:
                yield Reading(key, pack_attributes(read_attributes(path)))

    monkeypatch.setattr(scan_module, "read_all", read)
    scan(store)
    assert len(tried) == 4
    tried.clear()
    # A watch tells of a folder whose file may be read now, and of nothing else.
    scan(store, only={1: [b"a"]})
    assert sorted(tried) == [b"1.wav", b"2.wav"]
    closed = False
    outcome = scan(store, only={1: [b"a/deep"]})
    assert (outcome.index, outcome.roots[0].problems) == ("updated", 3)
    assert [(change.name, change.attributes != b"") for change in store.changes(0)] == [(b"2.wav", True)]


def test_lengths_that_an_earlier_version_did_not_find_are_looked_for_again(tmp_path: Path) -> None:
    root = tmp_path / "music"
    for name in ("wrong", "right"):
        write_wave(root / f"{name}.wav", 2)
    store = Store(tmp_path / "shares.sqlite")
    share(store, root)
    scan(store)
    right = store.file(1, b"", b"wrong.wav")
    store.execute(
        "UPDATE files SET attributes = ? WHERE name = ?", (pack_attributes({0: 134, 1: 0}), b"wrong.wav")
    )
    store.execute("PRAGMA user_version = 5")
    store.close()
    store = Store(tmp_path / "shares.sqlite")
    assert scan(store).index == "updated"
    assert store.file(1, b"", b"wrong.wav") == right
    assert [change.name for change in store.changes(0)] == [b"wrong.wav"]
    store.close()


def test_a_drive_that_lets_us_wait_is_listed_by_several_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {f"{n % 30}/{n % 7}/{n}.txt" for n in range(300)}
    fill(tmp_path, names)
    (tmp_path / "29" / "round").symlink_to(tmp_path)
    rules = Rules(os.fsencode(tmp_path), symlinks=Symlinks.INSIDE)
    alone = list(walk(rules, problem=pytest.fail))
    monkeypatch.setattr("soulmesh.client.shares.walk.WAITED_SECONDS", 0.01)
    real, used = os.scandir, set()

    def slow(path: bytes) -> object:
        time.sleep(0.001)
        used.add(threading.current_thread().name)
        return real(path)

    monkeypatch.setattr(os, "scandir", slow)
    together = list(walk(rules, problem=pytest.fail))
    assert sorted(together) == sorted(alone)
    assert len(used) > 2
    assert not [thread.name for thread in threading.enumerate() if thread.name.startswith("soulmesh-walk")]


def test_a_rescan_of_some_folders_leaves_the_others_alone(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "music"
    fill(root, ["a/1.txt", "b/2.txt", "b/c/3.txt"])
    share(store, root)
    scan(store)
    fill(root, ["a/new.txt", "b/new.txt"])
    (root / "b" / "c" / "3.txt").unlink()
    (root / "b" / "c").rmdir()
    scan(store, only={1: [b"b", b"b/c"]})
    assert indexed(store) == [rb"Music\a\1.txt", rb"Music\b\2.txt", rb"Music\b\new.txt"]
    shutil.rmtree(root / "b")
    scan(store, only={1: [b"b"]})
    assert indexed(store) == [rb"Music\a\1.txt"]


def test_a_cancelled_scan_is_taken_up_again(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "music"
    fill(root, [f"{n:03}/x.txt" for n in range(50)])
    for n in range(30):
        write_wave(root / "w" / f"{n}.wav", 0.01)
    share(store, root)
    with pytest.raises(ScanCancelled):
        scan(store, cancelled=lambda: True)
    assert open_base(store, store.path.parent) is None
    seen: list[str] = []
    asked = iter([False] * 1 + [True] * 100)
    with pytest.raises(ScanCancelled):
        scan(store, cancelled=lambda: next(asked), progress=lambda p: seen.append(p.phase))
    assert scan(store).index == "rebuilt"
    assert len(indexed(store)) == 80
    assert not store.execute("SELECT count(*) FROM files WHERE attributes IS NULL").fetchone()[0]


def test_progress_tells_phase_rate_and_time_left(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soulmesh.client.shares.scan.TELL_EVERY", 0.0)
    root = tmp_path / "music"
    for n in range(5):
        write_wave(root / f"{n}.wav", 0.01)
    share(store, root)
    told = []
    scan(store, progress=told.append)
    reading = [p for p in told if p.phase == "reading"]
    # While a reader is slow the same is told again, from the beginning on.
    assert list(dict.fromkeys(p.done for p in reading if p.done)) == [1, 2, 3, 4, 5]
    assert [p.done for p in reading] == sorted(p.done for p in reading)
    last = reading[-1]
    assert (last.done, last.total, last.seconds_left) == (5, 5, 0)
    assert last.rate > 0


def test_two_scans_at_once_are_refused(tmp_path: Path) -> None:
    with scan_lock(tmp_path), pytest.raises(ScanBusy), scan_lock(tmp_path):
        pass


def test_two_folders_that_look_alike_to_others_are_told_apart(store: Store, tmp_path: Path) -> None:
    root = tmp_path / "music"
    fill(root, ["a/b/1.txt", "a\\b/2.txt"])
    share(store, root)
    outcome = scan(store)
    assert outcome.roots[0].problems == 1
    assert len(indexed(store)) == 1


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "shares.sqlite").write_bytes(b"something else, long enough to be looked at" * 100)
    with pytest.raises(StoreUnusable, match="not a database"):
        Store(tmp_path / "shares.sqlite")


def test_a_database_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    store = Store(tmp_path / "shares.sqlite")
    store.execute("PRAGMA user_version=99")
    store.close()
    with pytest.raises(StoreUnusable, match="newer version"):
        Store(tmp_path / "shares.sqlite")


# Readers


def hang_or_die(path: bytes) -> tuple[bytes, str | None, int]:
    if path == b"hang":
        time.sleep(60)
    if path == b"die":
        os._exit(3)
    return path, None, 0


def test_a_file_that_hangs_or_kills_its_reader_costs_that_file_alone() -> None:
    jobs = [(n, b"ok") for n in range(60)]
    jobs[10] = (10, b"hang")
    jobs[33] = (33, b"die")
    readings: dict[int, Reading[int]] = {
        reading.key: reading for reading in read_all(jobs, readers=2, file_seconds=1, read=hang_or_die)
    }
    assert sorted(readings) == list(range(60))
    assert readings[10].problem == "reading it took longer than 1 s"
    assert readings[33].problem == "the program broke down over this file"
    assert sum(reading.problem is None for reading in readings.values()) == 58
    assert {n: reading.passing for n, reading in readings.items() if reading.passing} == {10: SLOW, 33: SLOW}


def test_readers_end_when_nobody_wants_more() -> None:
    readings = read_all(((n, b"ok") for n in range(10_000)), readers=2, read=hang_or_die)
    next(readings)
    readings.close()  # type: ignore[attr-defined]
