"""Every setting can be said in each way there is, and whatever is said is heard."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import soulmesh as package
from soulmesh import settings as reading
from soulmesh.cli.settings import NOT_SETTINGS, PREFIX
from soulmesh.client.info import Profile
from soulmesh.client.reach import Reach
from soulmesh.config import Settings
from soulmesh.daemon import run as running
from soulmesh.daemon.choices import client_settings, transfer_settings
from soulmesh.daemon.knobs import _kind, value_of
from soulmesh.errors import ConfigError
from tests.cli.conftest import Command

FIELDS = reading.keys(Settings)

OTHERS: dict[str, Any] = {
    "network.server": "127.0.0.1:2243",
    "network.proxy": "socks5://name:word@127.0.0.1:1080",
    "downloads.layout": "{username}/{name}",
    "downloads.better_source": "speed>1m",
    "governor.search": "5 in 60",
    "governor.join": "5 in 60",
    "governor.connect": "5 in 60",
    "governor.browse": "5 in 60",
    "governor.place": "5 in 60",
    "log.levels": {"server": "debug"},
    "transfers.schedule": ["22:00-07:00 up=10 down=20"],
    "transfers.groups": {"band": {"users": ["ann"], "slots": 2}},
    "web.api_keys": {"lidarr": {"key": "another key of enough length"}},
    "webhooks": {"done": {"on": ["Any"], "url": "http://127.0.0.1:9/"}},
    "scripts": {"tag": {"on": ["Any"], "command": "true"}},
    "paths.seen_as": {"/data": "/mnt/soulseek"},
    "shares.lose_at_most": 0.5,
}
"""Values for those where not every value will do."""

FLAGS = {
    "daemon.data": "--data",
    "network.server": "--server",
    "account.username": "--username",
    "account.password_file": "--password-file",
    "network.listen_port": "--listen-port",
    "shares.folders": "--share",
    "downloads.folder": "--downloads",
    "web.api_key": "--api-key",
}
"""Options of their own; ``--http`` says two at once."""


def another(key: str) -> Any:
    """A value that is allowed and is not the default."""
    if key in OTHERS:
        return OTHERS[key]
    field = FIELDS[key]
    kind, choices = _kind(field)
    default = field.get_default(call_default_factory=True)
    match kind:
        case "boolean":
            return not default
        case "choice":
            assert choices is not None
            return next(choice for choice in choices if choice != default)
        case "integer":
            return (default or 0) + 7
        case "number":
            return float(default or 0) + 1.5
        case "list":
            return ["/tmp/one", "/tmp/two"]
        case "path":
            return "/tmp/somewhere/else"
        case _:
            return "another value of enough length"


def as_text(value: Any) -> str:
    """As it stands in the environment, or behind ``--set``."""
    if isinstance(value, bool):
        return str(value).lower()
    return json.dumps(value) if isinstance(value, list | dict) else str(value)


def plain(value: Any) -> Any:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, list | tuple):
        return [plain(inner) for inner in value]
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if hasattr(value, "model_dump"):
        return {name: plain(getattr(value, name)) for name in value.model_fields_set}
    return value


def ways(key: str, value: Any, folder: Path) -> Iterator[tuple[str, Settings]]:
    file = folder / "config.toml"
    file.write_text(reading.template(Settings, {key: value}))
    variable = PREFIX + key.upper().replace(".", "_")
    said: dict[str, dict[str, Any]] = {
        "file": {"file": file, "environ": {}},
        "environment": {"environ": {variable: as_text(value)}},
        "--set": {"environ": {}, "options": reading.assignments([f"{key}={as_text(value)}"])},
    }
    for way, arguments in said.items():
        yield way, reading.load(Settings, prefix=PREFIX, ignore=NOT_SETTINGS, **arguments)


@pytest.mark.parametrize("key", FIELDS)
def test_each_can_be_said_in_the_file_in_the_environment_and_by_an_option(key: str, tmp_path: Path) -> None:
    value = another(key)
    default = value_of(reading.load(Settings, prefix=PREFIX, environ={}), key)
    for way, found in ways(key, value, tmp_path):
        assert plain(value_of(found, key)) == plain(value) != plain(default), way
        others = set(FIELDS) - {key}
        assert all(
            value_of(found, other) == FIELDS[other].get_default(call_default_factory=True)
            for other in others
            if other not in ("downloads.folder", "daemon.data")
        ), way


def test_options_are_stronger_than_the_environment_and_that_than_the_file(tmp_path: Path) -> None:
    first = reading.load(Settings, prefix=PREFIX, environ={})
    keys = [key for key in FIELDS if plain(value_of(first, key)) not in (None, "", [], {})]
    file = tmp_path / "config.toml"
    file.write_text(reading.template(Settings, {key: another(key) for key in keys}))
    environ = {PREFIX + key.upper().replace(".", "_"): as_text(plain(value_of(first, key))) for key in keys}
    options = reading.assignments(f"{key}={as_text(another(key))}" for key in keys)
    weak = reading.load(Settings, file=file, prefix=PREFIX, environ={})
    middle = reading.load(Settings, file=file, prefix=PREFIX, environ=environ)
    strong = reading.load(Settings, file=file, prefix=PREFIX, environ=environ, options=options)
    for key in keys:
        assert plain(value_of(weak, key)) == plain(value_of(strong, key)) == plain(another(key)), key
        assert plain(value_of(middle, key)) == plain(value_of(first, key)), key


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch, soulmesh: Command) -> Callable[..., Settings]:
    """The settings that a command line of the daemon comes to."""
    found: list[Settings] = []

    class Daemon:
        def __init__(self, load: running.Load, **_more: Any) -> None:
            found.append(load({})[0])
            raise ConfigError("that is enough")

    def hear(*arguments: str) -> Settings:
        monkeypatch.setattr(running, "Daemon", Daemon)
        outcome = soulmesh("daemon", *arguments)
        assert "that is enough" in outcome.err, outcome
        return found.pop()

    return hear


@pytest.mark.parametrize("key", FLAGS)
def test_options_of_their_own_are_stronger_than_everything(
    key: str, heard: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    values = {"account.password_file": str(tmp_path / "word"), "shares.folders": ["/tmp/one"]}
    (tmp_path / "word").write_text("password\n")
    value = values.get(key) or another(key)
    said = value[0] if isinstance(value, list) else str(value)
    monkeypatch.setenv(PREFIX + key.upper().replace(".", "_"), "9" if "port" in key else "elsewhere")
    found = heard(FLAGS[key], said, "--set", f"{key}={'8' if 'port' in key else 'elsewhere'}")
    assert plain(value_of(found, key)) == value


def test_where_to_listen_is_one_option_for_two_settings(heard: Callable[..., Settings]) -> None:
    web = heard("--http", "127.0.0.2:7000").web
    assert (web.host, web.port) == ("127.0.0.2", 7000)


def test_any_can_be_said_to_the_daemon_by_set(heard: Callable[..., Settings], tmp_path: Path) -> None:
    (tmp_path / "word").write_text("password\n")
    values = {key: another(key) for key in FIELDS} | {"account.password_file": str(tmp_path / "word")}
    # There are four ways to a password, and one is used.
    for key in ("account.password", "account.password_command", "account.keyring"):
        del values[key]
    found = heard(*(f"--set={key}={as_text(value)}" for key, value in values.items()))
    for key, value in values.items():
        assert plain(value_of(found, key)) == plain(value), key


# -- and each is heard


def derived(settings: Settings) -> tuple[Any, ...]:
    """What the client of the daemon is given."""
    return (
        client_settings(settings),
        transfer_settings(settings),
        Reach.of(settings.network),
        Profile(settings.client.description, settings.client.picture),
    )


def _sources() -> Mapping[str, str]:
    root = Path(package.__file__).parent
    named = ("config.py", "knobs.py")
    return {
        str(path.relative_to(root)): path.read_text(encoding="utf-8")
        for layer in ("daemon", "cli")
        for path in (root / layer).rglob("*.py")
        if path.name not in named
    }


def test_none_is_read_and_then_ignored() -> None:
    default = reading.load(Settings, prefix=PREFIX, environ={})
    before = derived(default)
    sources = _sources()
    ignored = []
    for key in FIELDS:
        changed = reading.load(
            Settings,
            prefix=PREFIX,
            environ={},
            options=reading.assignments([f"{key}={as_text(another(key))}"]),
        )
        if derived(changed) != before:
            continue
        section, _, name = key.rpartition(".")
        # Everything else is asked for where it counts, by section and name.
        wanted = rf"\b{section or 'settings'}\.{name}\b"
        if not any(re.search(wanted, text) for text in sources.values()):
            ignored.append(key)
    assert ignored == []
