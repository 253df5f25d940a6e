"""Starting: ports that are taken, folders that are not ours, and what is said about them."""

from __future__ import annotations

import importlib.util
import os
import stat
import tempfile
from pathlib import Path
from random import Random
from types import SimpleNamespace

import pytest

from soulmesh import log
from soulmesh.errors import ConfigError
from soulmesh.net.errors import PortInUse
from soulmesh.server import folder
from soulmesh.server.app import Server
from soulmesh.server.bus.choose import bus_maker
from soulmesh.server.settings import make_settings
from soulmesh.server.store.choose import DriverMissing, open_store
from tests.support.loops import real


@real
async def test_a_port_in_use_is_said_and_nothing_is_left_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warned: list[str] = []
    recorder = SimpleNamespace(warning=warned.append, info=lambda *_, **__: None)
    monkeypatch.setattr(log, "get", lambda _name: recorder)
    # Both are worth a warning; who cannot start has one thing to say, and that is not it.
    quick = {"accounts.hash": "fast", "server.maximum_users": 1 << 31}
    async with Server(None, make_settings({**quick, "server.port": 0})) as first:
        taken = Server(None, make_settings({**quick, "server.port": first.port}), data=tmp_path)
        warned.clear()
        with pytest.raises(PortInUse):
            await taken.start()
        assert warned == []
    async with Server(None, make_settings({**quick, "server.port": 0}), data=tmp_path) as again:
        assert again.port
    assert any("accounts.hash is fast" in warning for warning in warned)


@real
async def test_an_administration_port_without_a_token_is_refused(
    tmp_path: Path,
) -> None:
    options = {"accounts.hash": "fast", "server.port": 0, "admin.http_port": 1}
    with pytest.raises(ConfigError, match=r"admin\.http_token"):
        await Server(None, make_settings(options), data=tmp_path).start()
    async with Server(None, make_settings({"server.port": 0}), data=tmp_path) as again:
        assert again.port


def test_a_new_or_empty_folder_is_closed_to_others(tmp_path: Path) -> None:
    new, empty = tmp_path / "a" / "b", tmp_path / "empty"
    empty.mkdir(mode=0o755)
    for path in (new, empty):
        assert folder.prepare(path) == []
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_an_existing_folder_that_others_can_read_is_reported_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / folder.DATABASE).touch(0o644)
    tmp_path.chmod(0o755)
    (tmp_path / folder.DATABASE).chmod(0o644)
    warnings = folder.prepare(tmp_path)
    assert [warning.rpartition(": ")[2] for warning in warnings] == [
        f"chmod 700 {tmp_path}",
        f"chmod 600 {tmp_path / folder.DATABASE}",
    ]
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


def test_a_file_of_settings_with_secrets_that_others_can_read_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "soulmesh-server.toml"
    file.touch(0o600)
    assert folder.readable_secrets(file) is None
    file.chmod(0o644)
    assert str(folder.readable_secrets(file)).endswith(f"mend it with: chmod 600 {file}")
    assert not make_settings().has_secrets()
    for key, value in (
        ("admin.http_token", "t0ken"),
        ("store.url", "postgresql://me:secret@host/db"),
        ("bus.url", "redis://me:secret@host"),
    ):
        assert make_settings({key: value}).has_secrets()


def test_a_folder_that_cannot_be_is_an_error_of_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(folder.FolderUnusable, match="as data folder"):
        folder.prepare(tmp_path / "file")
    with pytest.raises(folder.FolderUnusable):
        folder.prepare(tmp_path / "file" / "below")


def test_a_folder_is_for_one_server(tmp_path: Path) -> None:
    first = folder.lock(tmp_path)
    with pytest.raises(folder.FolderInUse, match="another server is running"):
        folder.lock(tmp_path)
    first.close()
    folder.lock(tmp_path).close()


def test_the_control_socket_is_in_the_folder_unless_its_name_is_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert folder.control_path(Path("/srv/data")) == Path("/srv/data/control.sock")
    elsewhere = folder.control_path(tmp_path / ("d" * 150))
    assert len(os.fsencode(elsewhere)) < 100
    assert elsewhere != folder.control_path(tmp_path / ("e" * 150))
    # The place for temporary files may be deep itself.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / ("t" * 150)))
    assert len(os.fsencode(folder.control_path(tmp_path / ("d" * 150)))) < 108


@pytest.mark.parametrize(
    ("setting", "url", "package", "extra"),
    [
        ("store.url", "postgresql://ann@host/db", "asyncpg", "postgres"),
        ("bus.url", "redis://host", "redis", "redis"),
    ],
)
def test_what_a_setting_needs_and_is_not_installed_is_named_with_its_extra(
    setting: str, url: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == package else found(name, *more)
    )

    def ask() -> object:
        if extra == "redis":
            return bus_maker(make_settings({setting: url}).bus, Random(1))
        return open_store(url, tmp_path / "x", None)

    with pytest.raises(DriverMissing, match=f"{setting} .*{package}") as caught:
        ask()
    assert f"soulmesh[{extra}]" in str(caught.value.hint)


def test_a_store_that_there_is_none_for_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"store\.url .*mysql"):
        open_store("mysql://host/db", tmp_path / "x", None)


def test_too_few_open_files_are_warned_about() -> None:
    assert folder.raise_file_limit(1) is None
    warning = folder.raise_file_limit(1 << 40)
    assert warning is None or "ulimit -n" in warning
