"""Where the password comes from, and where it never goes."""

from __future__ import annotations

import getpass
import io
import sys
import types
from pathlib import Path

import pytest
from pydantic import SecretStr

from soulmesh.cli.account import Credentials, account_options, credentials, password
from soulmesh.cli.settings import Account, load
from soulmesh.errors import ConfigError


def test_options_become_credentials() -> None:
    found = credentials(load(account_options(server="127.0.0.1:2300", username="bob", password="geheim")))
    assert (found.host, found.port, found.username, found.password) == ("127.0.0.1", 2300, "bob", "geheim")


def test_credentials_and_settings_do_not_show_the_password() -> None:
    assert "geheim" not in repr(Credentials("h", 1, "bob", "geheim"))
    assert "geheim" not in repr(load(account_options(username="bob", password="geheim")))


def test_without_a_username_the_error_says_how_to_give_one() -> None:
    with pytest.raises(ConfigError, match="no username") as caught:
        credentials(load())
    assert "--username" in str(caught.value.hint)


def test_a_password_file_named_by_an_option_beats_a_password_in_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOULMESH_ACCOUNT_PASSWORD", "weaker")
    path = tmp_path / "password"
    path.write_text("stronger\nanother line\n")
    found = load(account_options(username="bob", password_file=path))
    assert password(found.account) == "stronger"


def test_a_password_file_may_be_the_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("piped\nrest"))
    assert password(Account(username="bob", password_file=Path("-"))) == "piped"


@pytest.mark.parametrize("content", [b"", b"\nsecond", b"\xff\xfe"])
def test_a_password_file_without_a_password_is_an_error(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="the password file"):
        password(Account(username="bob", password_file=path))
    with pytest.raises(ConfigError, match="cannot read the password file"):
        password(Account(username="bob", password_file=tmp_path / "absent"))


def test_a_command_prints_the_password() -> None:
    assert (
        password(Account(username="bob", password_command="printf 'from a command\\nmore'"))
        == "from a command"
    )


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("false", "failed with exit code 1"),
        ("true", "empty line"),
        ("/no/such/program", "cannot run"),
        ("'unclosed", "cannot run"),
    ],
)
def test_a_command_that_fails_is_named_without_what_it_said(command: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        password(Account(username="bob", password_command=command))


def test_the_keyring_is_asked_when_the_settings_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {("soulmesh", "bob"): "from the keyring"}
    fake = types.ModuleType("keyring")
    fake.get_password = lambda service, name: kept.get((service, name))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", fake)
    assert password(Account(username="bob", keyring=True)) == "from the keyring"
    with pytest.raises(ConfigError, match="no password for eve"):
        password(Account(username="eve", keyring=True))


def test_a_missing_keyring_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match="keyring is not installed"):
        password(Account(username="bob", keyring=True))


def test_a_terminal_is_asked_without_echo(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def typed(prompt: str, stream: object) -> str:
        asked.append(prompt)
        return "typed"

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(getpass, "getpass", typed)
    assert password(Account(username="bob")) == "typed"
    assert asked == ["Password of bob: "]


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(ConfigError, match="no password for bob"):
        password(Account(username="bob"))


def test_an_empty_password_in_the_file_counts_as_none() -> None:
    assert Account(username="bob", password="").password is None  # type: ignore[arg-type]
    assert Account(username="bob", password=SecretStr("x")).password == SecretStr("x")
