"""Each reason why a file is not offered is named, and to whom it is offered if it is."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from soulmesh.client.shares import Audience, Root, ScanCancelled, Shares, Symlinks
from soulmesh.client.shares.explain import Explanation, explain
from soulmesh.client.shares.scan import Scanner
from tests.client.shares.support import NOW, fill, open_shares, share


@pytest.fixture
def music(tmp_path: Path) -> Path:
    fill(tmp_path / "music", ["song.txt", "album/1.txt", "album/2.txt", "album/disc/3.txt"])
    return tmp_path / "music"


@pytest.fixture
def shares(tmp_path: Path, music: Path) -> Iterator[Shares]:
    shares = open_shares(tmp_path / "data")
    share(shares, music)
    asyncio.run(shares.scan())
    yield shares
    shares.close()


def ask(shares: Shares, path: Path | str) -> Explanation:
    return asyncio.run(explain(shares, os.fspath(path)))


def change(shares: Shares, **how: object) -> Root:
    (root,) = [root for root in shares.roots if root.name == b"Music"]
    return shares.save_root(replace(root, **how))  # type: ignore[arg-type]


def test_a_remote_path_with_dots_is_never_taken_to_the_disk(
    shares: Shares, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(shares, hidden=True)
    asked: list[str] = []
    monkeypatch.setattr(os.path, "lexists", lambda path: bool(asked.append(os.fsdecode(path))))
    for path in (r"Music\..\..\etc\shadow", r"Music\.\file.txt", r"Music\\etc\shadow"):
        found = ask(shares, path)
        assert (found.offered, found.path, found.reason) == (False, "", "there is no such file")
    # As it was given, in case it is the name of a file here, and no more.
    assert all("\\" in path for path in asked)


@pytest.mark.parametrize(
    ("audience", "reason"),
    [
        (Audience(), "shared with everyone"),
        (Audience(everyone=False, friends=True), "shared with friends"),
        (
            Audience(everyone=False, users=frozenset({"eve", "bob"}), groups=frozenset({"choir"})),
            "shared with user:bob, user:eve, group:choir",
        ),
        (Audience(everyone=False, friends=True, locked=True), "shared with friends (others see it locked)"),
    ],
)
def test_to_whom_a_file_is_offered(shares: Shares, music: Path, audience: Audience, reason: str) -> None:
    change(shares, audience=audience)
    for path in (music / "song.txt", r"Music\song.txt", music / "album" / ".." / "song.txt"):
        found = ask(shares, path)
        assert (found.offered, found.listed, found.reason) == (True, True, reason)
        assert (found.path, found.remote_path, found.root) == (
            str(music / "song.txt"),
            r"Music\song.txt",
            "Music",
        )
        assert (found.audience, found.size) == (str(audience), 1)


def test_folders_with_what_is_in_them_and_below(shares: Shares, music: Path) -> None:
    whole = "a folder with 1 shared files directly in it, 4 with what is below it, shared with everyone"
    assert ask(shares, music).reason == ask(shares, "Music").reason == whole
    assert ask(shares, music / "album" / "disc").reason.startswith("a folder with 1 shared files directly")
    (music / "album" / "empty").mkdir()
    found = ask(shares, music / "album" / "empty")
    assert (found.offered, found.listed) == (False, False)
    assert found.reason == "no files in it are known: it is empty, or newer than the last scan"
    shutil.rmtree(music / "album" / "disc")
    found = ask(shares, r"Music\album\disc")
    assert (found.offered, found.listed) == (False, True)
    assert "no longer on the disk" in found.reason


def test_what_lies_in_no_shared_folder(shares: Shares, tmp_path: Path) -> None:
    assert ask(shares, tmp_path / "music too").reason == "it lies in no shared folder"
    assert ask(shares, r"Nowhere\song.txt").reason == "no shared folder has this name"
    shares.remove_root(shares.roots[0].id)
    assert ask(shares, tmp_path / "music" / "song.txt").reason == "it lies in no shared folder"
    assert ask(shares, r"Music\song.txt").reason == "no shared folder has this name"


def test_a_shared_folder_that_was_named_through_a_link_is_found_by_its_own_path(tmp_path: Path) -> None:
    fill(tmp_path / "real", ["a/song.txt"])
    (tmp_path / "link").symlink_to(tmp_path / "real")
    shares = open_shares(tmp_path / "data")
    share(shares, tmp_path / "link")
    asyncio.run(shares.scan())
    for path in (tmp_path / "real" / "a" / "song.txt", tmp_path / "link" / "a" / "song.txt"):
        assert ask(shares, path).reason == "shared with everyone"
    shares.close()


KEPT_OUT = [
    (".hidden/song.txt", {}, ".hidden is hidden: its name begins with a dot"),
    ("song.bak", {"exclude": ("*.tmp", "*.BAK")}, "song.bak is excluded by *.BAK"),
    ("Private/deep/x.txt", {"exclude": ("private",)}, "Private is excluded by private"),
    ("a/scans/x.txt", {"exclude": ("a/*",)}, "a/scans is excluded by a/*"),
]


@pytest.mark.parametrize(("name", "rules", "reason"), KEPT_OUT)
def test_what_the_rules_leave_out(
    shares: Shares, music: Path, name: str, rules: dict[str, object], reason: str
) -> None:
    fill(music, [name])
    change(shares, **rules)
    asyncio.run(shares.scan(confirmed=True))
    for path in (music / name, "Music\\" + name.replace("/", "\\")):
        found = ask(shares, path)
        assert (found.offered, found.listed, found.reason) == (False, False, reason)


@pytest.mark.parametrize(("name", "rules", "reason"), KEPT_OUT)
def test_what_the_rules_leave_out_since_the_last_scan_is_still_named_by_searches(
    shares: Shares, music: Path, name: str, rules: dict[str, object], reason: str
) -> None:
    fill(music, [name])
    change(shares, hidden=True)
    asyncio.run(shares.scan())
    assert ask(shares, music / name).offered
    change(shares, hidden=False, **rules)
    found = ask(shares, music / name)
    assert (found.offered, found.listed) == (False, True)
    assert found.reason == (f"{reason}; the index has it until the next scan, so searches name it")
    assert asyncio.run(shares.locate("bob", found.remote_path or "")) is None
    asyncio.run(shares.scan())
    assert ask(shares, music / name).reason == reason


def test_a_shared_folder_inside_another_one_has_its_own_files(shares: Shares, music: Path) -> None:
    share(shares, music / "album", b"Album", Audience(everyone=False, friends=True))
    assert (
        ask(shares, music / "album" / "1.txt").reason
        == "it has not been scanned yet".replace("it", "Album", 1) + ": soulmesh share scan"
    )
    assert ask(shares, r"Music\album\1.txt").reason.startswith("album belongs to another shared folder; ")
    asyncio.run(shares.scan())
    assert ask(shares, music / "album" / "1.txt").reason == "shared with friends"
    assert ask(shares, r"Music\album\1.txt").reason == "album belongs to another shared folder"


def test_links_by_rule(shares: Shares, music: Path, tmp_path: Path) -> None:
    fill(tmp_path, ["outside.txt"])
    fill(music, [".hidden.txt"])
    (music / "file.txt").symlink_to("song.txt")
    (music / "out.txt").symlink_to(tmp_path / "outside.txt")
    (music / "nothing.txt").symlink_to("nowhere")
    (music / "to hidden.txt").symlink_to(".hidden.txt")
    (music / "a link").symlink_to("album")
    asyncio.run(shares.scan())
    for name in ("file.txt", "out.txt", "nothing.txt", "a link", "a link/1.txt"):
        found = ask(shares, music / name)
        part = name.partition("/")[0]
        assert found.reason == f"{part} is a symbolic link, and Music does not follow links"
        assert not found.listed
    change(shares, symlinks=Symlinks.INSIDE)
    assert ask(shares, music / "file.txt").reason == "it has not been scanned yet"
    asyncio.run(shares.scan())
    assert ask(shares, music / "file.txt").reason == "shared with everyone"
    for name, reason in (
        ("out.txt", "out.txt is a symbolic link that leads out of the shared folder"),
        ("nothing.txt", "nothing.txt is a symbolic link to nothing"),
        (
            "to hidden.txt",
            "to hidden.txt is a symbolic link to .hidden.txt, which is not shared: .hidden.txt is hidden:"
            " its name begins with a dot",
        ),
        (
            "a link/disc/3.txt",
            "a link is a symbolic link to a folder, and what is in that is shared where it lies:"
            f" ask about {music}/album/disc/3.txt",
        ),
    ):
        found = ask(shares, music / name)
        assert (found.offered, found.listed, found.reason) == (False, False, reason)
    change(shares, symlinks=Symlinks.SKIP)
    assert "does not follow links; the index has it" in ask(shares, music / "file.txt").reason


def test_what_is_not_there(shares: Shares, music: Path) -> None:
    assert ask(shares, music / "none.txt").reason == "there is no such file"
    assert ask(shares, music / "song.txt" / "none").reason == "there is no such file"
    assert ask(shares, r"Music\none.txt").reason == "not in the index"
    (music / "song.txt").unlink()
    found = ask(shares, music / "song.txt")
    assert (found.offered, found.listed) == (False, True)
    assert found.reason == "it is in the index, but no longer on the disk: the next scan takes it out"
    asyncio.run(shares.scan())
    assert ask(shares, music / "song.txt").reason == "there is no such file"


def test_what_is_held_back(shares: Shares, music: Path) -> None:
    shutil.rmtree(music / "album")
    (music / "song.txt").rename(music / "other.txt")
    fill(music, [f"{n}.txt" for n in range(9)])
    asyncio.run(shares.scan())
    for n in range(9):
        (music / f"{n}.txt").unlink()
    (outcome,) = asyncio.run(shares.scan()).roots
    assert outcome.held_back == 9
    found = ask(shares, music / "3.txt")
    assert (found.offered, found.listed) == (False, True)
    assert found.reason == (
        "it is gone from the disk; the index keeps it, as 9 files are too many to forget unasked:"
        " soulmesh share scan --yes"
    )


def test_a_folder_that_is_away(shares: Shares, music: Path, tmp_path: Path) -> None:
    music.rename(tmp_path / "away")
    asyncio.run(shares.check_online())
    found = ask(shares, music / "song.txt")
    assert (found.offered, found.listed) == (False, False)
    assert found.reason == "Music is offline: its files are kept and not offered"
    assert ask(shares, music / "none.txt").reason == "Music is offline, and this is not known of it"
    assert ask(shares, r"Music\album").reason == "Music is offline: its files are kept and not offered"


def test_what_was_not_scanned(shares: Shares, music: Path, tmp_path: Path) -> None:
    fill(music, ["new.txt"])
    assert ask(shares, music / "new.txt").reason == "it has not been scanned yet"
    fill(tmp_path, ["more/1.txt"])
    share(shares, tmp_path / "more", b"More")
    assert ask(shares, tmp_path / "more" / "1.txt").reason == (
        "More has not been scanned yet: soulmesh share scan"
    )


def test_a_scan_that_did_not_end(shares: Shares, music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(music, ["new.txt"])

    def stop(*_: object) -> str:
        raise ScanCancelled

    with monkeypatch.context() as patch:
        patch.setattr(Scanner, "_note_changes", stop)
        with pytest.raises(ScanCancelled):
            Scanner(shares.store, shares.directory, now=NOW, readers=1).scan()
    found = ask(shares, music / "new.txt")
    assert (found.offered, found.listed) == (False, False)
    assert found.reason == "it is known but not in the index yet: the last scan did not end"


def test_an_index_that_is_missing(shares: Shares, music: Path) -> None:
    (index,) = shares.directory.glob("index-*")
    index.write_bytes(b"rubbish")
    damaged = open_shares(shares.directory)
    found = ask(damaged, music / "song.txt")
    assert (found.offered, found.listed) == (False, False)
    assert found.reason == "the index is missing or damaged: soulmesh share scan writes it again"
    damaged.close()


def test_what_is_no_file(shares: Shares, music: Path) -> None:
    os.mkfifo(music / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(os.path.relpath(music / "socket"))
    listener.close()
    asyncio.run(shares.scan())
    for name in ("pipe", "socket"):
        assert ask(shares, music / name).reason == "it is neither a file nor a folder"


def test_what_may_not_be_read(shares: Shares, music: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs tests may open everything, so the disk is made to say no."""
    fill(music, ["locked away.txt", "closed/x.txt"])
    may, scandir = os.access, os.scandir

    def listed(path: bytes) -> object:
        if os.fsencode(path).endswith(b"/closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    def closed(path: str) -> str | None:
        return "Permission denied" if path.endswith(("/locked away.txt", "/song.txt")) else None

    monkeypatch.setattr(os, "access", lambda path, mode: not path.endswith(b"/closed") and may(path, mode))
    monkeypatch.setattr(os, "scandir", listed)
    monkeypatch.setattr("soulmesh.client.shares.explain._closed", closed)
    reason = "Permission denied: who asks for it gets 'File read error.'; check its owner and permissions"
    found = ask(shares, music / "locked away.txt")
    assert (found.offered, found.listed, found.reason) == (False, False, reason)
    found = ask(shares, music / "song.txt")
    assert (found.offered, found.listed) == (False, True)
    assert found.reason == f"{reason}; the index has it, so searches name it"
    Scanner(shares.store, shares.directory, now=NOW, readers=1).scan()
    assert ask(shares, music / "closed").reason == "we may not read this folder"
    assert ask(shares, music / "closed" / "x.txt").reason == (
        "its folder closed cannot be read: Permission denied"
    )


def test_what_looks_like_another_file(shares: Shares, music: Path) -> None:
    fill(music, ["album\\1.txt"])
    asyncio.run(shares.scan())
    found = ask(shares, music / "album\\1.txt")
    assert (found.offered, found.reason) == (False, "looks to others like album/1.txt")
    assert ask(shares, r"Music\album\1.txt").path == str(music / "album" / "1.txt")
