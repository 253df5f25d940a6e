"""Where commands keep what must be remembered: one place for all, and each account for itself."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from soulmesh.cli import settings
from soulmesh.cli.online import counted
from soulmesh.cli.server import data_folder as server_data
from soulmesh.cli.session import home, journal_path
from soulmesh.cli.share import data_directory
from soulmesh.net.disk import DiskFull
from tests.cli.conftest import Command
from tests.support.disks import no_room


def given(data: Path, username: str | None, server: str = "127.0.0.1:2242") -> settings.Settings:
    return settings.load({"daemon.data": data, "account.username": username, "network.server": server})


def test_the_first_account_has_the_folder_and_another_one_a_folder_below_it(tmp_path: Path) -> None:
    first, second = given(tmp_path, "eve"), given(tmp_path, "bob/../x")
    assert home(first, claim=True) == tmp_path
    assert home(first) == tmp_path
    below = home(second, claim=True)
    assert below.parent == tmp_path / "accounts"
    assert below.is_relative_to(tmp_path)
    assert ".." not in below.parts
    assert journal_path(second).parent == below


def test_a_name_never_leads_out_of_the_folder(tmp_path: Path) -> None:
    home(given(tmp_path, "eve"), claim=True)
    for name in ("..", ".", "a/b", "/etc", "x\\y"):
        assert home(given(tmp_path, name)).parent == tmp_path / "accounts"


def test_looking_claims_nothing_and_no_name_means_the_folder_itself(tmp_path: Path) -> None:
    assert home(given(tmp_path, "eve")) == tmp_path
    assert home(given(tmp_path, "bob"), claim=True) == tmp_path
    assert home(given(tmp_path, None)) == tmp_path
    assert home(given(tmp_path, "eve")) != tmp_path


def test_all_commands_keep_their_data_in_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for base, place in ((str(tmp_path), tmp_path), ("", tmp_path / "home" / ".local" / "share")):
        monkeypatch.setenv("XDG_DATA_HOME", base)
        assert home(settings.load()) == place / "soulmesh"
        assert data_directory(None) == place / "soulmesh" / "shares"
        assert server_data(None) == place / "soulmesh" / "server"


def test_a_shared_file_is_called_a_file(soulmesh: Command, tmp_path: Path) -> None:
    (tmp_path / "song.flac").write_bytes(b"x")
    for command in (("share", "add"), ("share", "online")):
        done = soulmesh(*command, str(tmp_path / "song.flac"))
        assert done.code == 2, done.err
        assert f"this is a file: share its folder, {tmp_path}" in done.err
    assert "there is no such folder" in soulmesh("share", "add", str(tmp_path / "none")).err


@pytest.fixture
def unreadable(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder that cannot be listed, and the system's words: even root is stopped by a ring of links."""
    folder = tmp_path / "Closed"
    if os.geteuid():
        folder.mkdir(mode=0o311)
        yield folder, "permission denied"
        folder.chmod(0o700)
    else:
        folder.symlink_to(tmp_path / "ring")
        (tmp_path / "ring").symlink_to(folder)
        yield folder, "too many levels of symbolic links"


@pytest.mark.parametrize("command", ["share add", "share online", "demo --share"])
def test_a_folder_that_cannot_be_read_is_one_line_that_says_why(
    soulmesh: Command, unreadable: tuple[Path, str], command: str
) -> None:
    folder, reason = unreadable
    done = soulmesh(*command.split(), str(folder))
    assert done.code == 2
    assert done.out == ""
    assert done.err == (
        f"error: cannot share {folder}: {reason}\n"
        "hint: check the path, its owner and its permissions, or share another folder\n"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter every folder")
def test_a_folder_that_can_be_listed_but_not_entered_cannot_be_shared(
    soulmesh: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "Closed"
    folder.mkdir()
    (folder / "song.flac").write_bytes(b"x")
    folder.chmod(0o644)
    done = soulmesh("share", "add", str(folder))
    folder.chmod(0o755)
    assert done.code == 2
    assert "it may be listed, but not entered" in done.err


def test_an_account_that_finds_no_room_leaves_no_half_note(tmp_path: Path) -> None:
    with no_room(), pytest.raises(DiskFull, match=r"no space left for .*account\.json"):
        home(given(tmp_path, "eve"), claim=True)
    assert list(tmp_path.iterdir()) == []


def test_one_is_not_many() -> None:
    assert (counted(1, "folder"), counted(0, "file")) == ("1 folder", "0 files")
