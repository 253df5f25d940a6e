"""The options that every command shares which goes online."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from soulmesh.cli.access import ACCOUNT, Access
from soulmesh.cli.app import app


def commands(group: Any, name: str = "") -> Iterator[tuple[str, set[str]]]:
    """Each command by its words, with its options."""
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} {word}".strip())
        else:
            yield f"{name} {word}".strip(), {option for one in command.params for option in one.opts}


def test_who_takes_one_option_of_an_account_takes_them_all() -> None:
    found = commands(typer.main.get_command(app))
    online = {name: options for name, options in found if "--password-file" in options}
    del online["daemon"]  # Its password never stands where others can read it for days.
    assert {"search", "browse", "download", "get", "elsewhere", "share online", "uploads push"} <= set(online)
    wanted = {"--server", "--username", "--password", "--password-file", "--listen-port", "--data"}
    assert {name: wanted - options for name, options in online.items() if wanted - options} == {}


def test_what_is_said_goes_before_environment_and_what_the_command_adds_before_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOULMESH_ACCOUNT_USERNAME", "somebody")
    access = Access(login_name="bob", data=tmp_path, listen_port=0)
    found = access.settings({"network.listen_port": 2300})
    assert (found.account.username, found.daemon.data) == ("bob", tmp_path)
    assert found.network.listen_port == 2300
    assert Access().settings().account.username == "somebody"


def test_the_shared_options_are_taken_and_the_others_left() -> None:
    arguments = dict.fromkeys(ACCOUNT) | {"daemon": "none", "username": "eve"}
    assert Access.taken(arguments) == Access(daemon="none")
    assert arguments == {"username": "eve"}
