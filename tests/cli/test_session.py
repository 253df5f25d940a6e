"""Two accounts on one machine do not share what they remember."""

from __future__ import annotations

from pathlib import Path

from soulmesh.cli import settings
from soulmesh.cli.session import home, journal_path


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
