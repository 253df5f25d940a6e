"""No path leaves a root or goes around its rules: not by links, not by partial scans, not by asking."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from soulmesh import wire
from soulmesh.client.shares import Audience, Root, Shares, Symlinks
from soulmesh.client.shares.keeper import Keeper, KeeperSettings
from soulmesh.client.shares.scan import Scanner
from tests.client.shares.support import NOW, fill, open_shares, share

FRIENDS = Audience(everyone=False, friends=True)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    fill(tmp_path, ["outside/secret.txt"])
    root = tmp_path / "music"
    fill(root, ["a/song.txt", "Private/mine.txt", ".hidden/h.txt", "a/scans/s.txt", "friends/f.txt"])
    return root


@pytest.fixture
def shares(tmp_path: Path, music: Path) -> Iterator[Shares]:
    shares = open_shares(tmp_path / "data")
    share(shares, music, exclude=("Private", "a/scans"), symlinks=Symlinks.INSIDE)
    share(shares, music / "friends", b"Friends", FRIENDS)
    scan(shares)
    yield shares
    shares.close()


def scan(shares: Shares, *, only: dict[int, list[bytes]] | None = None, confirmed: bool = False) -> None:
    """In this process, where it takes a moment; one of its own is tested elsewhere."""
    scanner = Scanner(shares.store, shares.directory, now=NOW, readers=1, confirmed=confirmed)
    scanner.scan(None if only is None else list(only), only=only)
    asyncio.run(shares.refresh())


def offered(shares: Shares) -> list[str]:
    number = next(root.id for root in shares.roots if root.name == b"Music")
    return [shares.index.remote_path(n).decode() for n in shares.index.of_root(number)]


SONG = r"Music\a\song.txt"

TARGETS = (
    "Private", "Private/mine.txt", ".hidden", ".hidden/h.txt", "a/scans", "a/scans/s.txt", "friends",
    "friends/f.txt", "../outside", "../outside/secret.txt", "..", "nothing",
)  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_a_link_to_what_is_not_shared_shares_nothing(shares: Shares, music: Path, target: str) -> None:
    (music / "link.txt").symlink_to(target)
    (music / "a" / "link").symlink_to(music / target)
    scan(shares)
    assert offered(shares) == [SONG]


def test_a_link_through_a_link_is_judged_by_where_it_ends(shares: Shares, music: Path) -> None:
    (music / "one").symlink_to("two")
    (music / "two").symlink_to("Private/mine.txt")
    (music / "good").symlink_to("better")
    (music / "better").symlink_to("a/song.txt")
    scan(shares)
    assert offered(shares) == [SONG, r"Music\better", r"Music\good"]


def test_a_root_that_is_reached_by_a_link_keeps_the_roots_inside_it_apart(
    tmp_path: Path, music: Path
) -> None:
    (tmp_path / "elsewhere").symlink_to(music)
    shares = open_shares(tmp_path / "data")
    share(shares, tmp_path / "elsewhere", exclude=("Private", "scans"))
    share(shares, music / "friends", b"Friends", FRIENDS)
    scan(shares)
    assert offered(shares) == [SONG]
    shares.close()


@pytest.mark.parametrize(
    "folder", [b"Private", b".hidden", b"a/scans", b"friends", b"a/link", b"out", b"out/more"]
)
def test_a_rescan_of_a_folder_does_not_begin_where_nothing_is_shared(
    shares: Shares, music: Path, folder: bytes
) -> None:
    fill(music.parent, ["outside/more/m.txt"])
    (music / "out").symlink_to(music.parent / "outside")
    (music / "a" / "link").symlink_to(music / "Private")
    number = next(root.id for root in shares.roots if root.name == b"Music")
    scan(shares, only={number: [folder]})
    assert offered(shares) == [SONG]


def test_a_folder_that_became_a_link_is_not_followed_by_a_rescan(shares: Shares, music: Path) -> None:
    number = next(root.id for root in shares.roots if root.name == b"Music")
    (music / "a").rename(music.parent / "a")
    (music / "a").symlink_to(music.parent / "a")
    scan(shares, only={number: [b"a"]}, confirmed=True)
    assert offered(shares) == []


def test_what_is_watched_goes_by_the_rules_too(shares: Shares, music: Path) -> None:
    """Changes in an excluded folder, and a link out of the root, are noticed and not shared."""

    async def run() -> None:
        reported: asyncio.Queue[set[Path]] = asyncio.Queue()

        async def source(folders):  # type: ignore[no-untyped-def]
            while True:
                yield await reported.get()

        taken_in = asyncio.Event()
        shares.on_changed(taken_in.set)
        settings = KeeperSettings(scan_at_start=False, rescan_every=0)
        keeping = asyncio.create_task(Keeper(shares, settings, source=source).run())
        fill(music, ["Private/new.txt", "a/new.txt"])
        (music / "out").symlink_to(music.parent / "outside")
        await reported.put({music / "Private" / "new.txt", music / "out", music / "a" / "new.txt"})
        async with asyncio.timeout(20):
            await taken_in.wait()
        keeping.cancel()
        await asyncio.wait([keeping])

    asyncio.run(run())
    assert offered(shares) == [SONG, r"Music\a\new.txt"]


HOSTILE = (
    "",
    "\\",
    "\0",
    "\ud800",
    "\udc80",
    "..",
    "/",
    "*",
    "-",
    "Music",
    "M\u0338",
    "\n",
    "a" * 5000,
    "\\" * 3000,
)


def test_whatever_is_asked_for_is_an_answer_and_never_an_error(shares: Shares) -> None:
    async def ask(asked: str) -> None:
        assert not await shares.locate("bob", asked)
        await shares.search(asked, username="bob", limit=5)
        for folder in await shares.folder("bob", asked):
            assert wire.raw(folder.name) in (b"Music", rb"Music\a")

    async def ask_all() -> None:
        for before in ("", "Music\\", "Music\\a\\", "song ", "song.", "*", "-"):
            for name in HOSTILE:
                await ask(before + name)

    asyncio.run(ask_all())


# Uploading


def located(shares: Shares, path: str) -> bool:
    return asyncio.run(shares.locate("bob", path)) is not None


@pytest.mark.parametrize("target", TARGETS)
def test_a_file_that_has_become_a_link_since_the_scan_is_not_served(
    shares: Shares, music: Path, target: str
) -> None:
    assert located(shares, SONG)
    song = music / "a" / "song.txt"
    song.unlink()
    song.symlink_to(music / target)
    assert not located(shares, SONG)


def test_a_folder_that_has_become_a_link_since_the_scan_is_not_served(shares: Shares, music: Path) -> None:
    fill(music.parent, ["outside/song.txt"])
    (music / "a" / "song.txt").unlink()
    (music / "a" / "scans" / "s.txt").unlink()
    (music / "a" / "scans").rmdir()
    (music / "a").rmdir()
    (music / "a").symlink_to(music.parent / "outside")
    assert not located(shares, SONG)


def test_a_link_that_is_shared_is_served_until_the_rule_changes(shares: Shares, music: Path) -> None:
    (music / "again.txt").symlink_to("a/song.txt")
    scan(shares)
    assert located(shares, r"Music\again.txt")
    root = next(root for root in shares.roots if root.name == b"Music")
    shares.save_root(Root(root.id, root.name, root.path, exclude=root.exclude))
    assert not located(shares, r"Music\again.txt")
    assert located(shares, SONG)


def test_what_is_excluded_is_not_served_from_the_moment_it_is(shares: Shares, music: Path) -> None:
    root = next(root for root in shares.roots if root.name == b"Music")
    shares.save_root(Root(root.id, root.name, root.path, exclude=("song.txt",)))
    assert not located(shares, SONG)


def test_devices_and_pipes_are_neither_listed_nor_served(shares: Shares, music: Path) -> None:
    os.mkfifo(music / "pipe.mp3")
    scan(shares)
    assert offered(shares) == [SONG]
    (music / "a" / "song.txt").unlink()
    os.mkfifo(music / "a" / "song.txt")
    assert not located(shares, SONG)
