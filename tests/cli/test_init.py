"""``soulmesh init`` and what the commands read from the file that it writes."""

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path

import pytest

from soulmesh import settings
from soulmesh.cli.settings import Settings, config_file, load, parse_address
from soulmesh.config import parse_listen
from soulmesh.errors import ConfigError
from tests.cli.conftest import Command
from tests.support.disks import no_room


def test_init_writes_a_file_that_changes_nothing_and_only_its_owner_can_read(
    soulmesh: Command, tmp_path: Path
) -> None:
    done = soulmesh("init")
    path = tmp_path / "xdg" / "soulmesh" / "config.toml"
    assert done.out == f"wrote {path}\n"
    assert done.code == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert config_file() == path
    assert load().model_dump() == Settings().model_dump()


def test_the_file_of_init_can_be_taken_as_it_stands(
    soulmesh: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "config.toml"
    assert soulmesh("init", "--config", str(file)).code == 0
    before = load()
    file.write_text(re.sub(r"^#([a-z_]+ = )", r"\1", file.read_text(), flags=re.MULTILINE))
    monkeypatch.setenv("SOULMESH_CONFIG", str(file))
    # Paths and commands are examples, all else are the defaults.
    assert load().transfers == before.transfers
    assert load().web == before.web


def test_init_writes_what_it_is_told(soulmesh: Command, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    share = tmp_path / "Müsic"
    done = soulmesh(
        "init",
        "--config",
        str(path),
        "--username",
        "bob",
        "--server",
        "127.0.0.1:2300",
        "--share",
        str(share),
    )
    assert done.code == 0
    found = settings.load(Settings, file=path, prefix="SOULMESH_", environ={})
    assert found.account.username == "bob"
    assert found.network.server == "127.0.0.1:2300"
    assert found.shares.folders == [share]


def test_init_does_not_replace_a_file_unless_forced(soulmesh: Command, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("# mine")
    refused = soulmesh("init", "--config", str(path))
    assert refused.code == 2
    assert "is there already" in refused.err
    assert "--force" in refused.err
    assert path.read_text() == "# mine"
    assert soulmesh("init", "--config", str(path), "--force").code == 0
    assert tomllib.loads(path.read_text())


def test_init_refuses_values_that_no_command_would_read(soulmesh: Command, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    done = soulmesh("init", "--config", str(path), "--server", "host:port")
    assert done.code == 2
    assert "network.server: 'port' is no port" in done.err
    assert not path.exists()


def test_init_says_why_it_cannot_write(soulmesh: Command, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = soulmesh("init", "--config", str(tmp_path / "file" / "config.toml"))
    assert done.code == 1
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err


def test_a_file_named_but_missing_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOULMESH_CONFIG", str(tmp_path / "absent.toml"))
    with pytest.raises(ConfigError, match="cannot read"):
        load()


def test_settings_of_the_server_program_do_not_disturb_the_client(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOULMESH_SERVER_NETWORK_PORT", "2242")
    monkeypatch.setenv("SOULMESH_DEBUG", "0")
    assert load().network.listen_port == 2234


def test_folders_may_begin_with_a_tilde(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SOULMESH_SHARES_FOLDERS", "~/Music")
    found = load()
    assert found.shares.folders == [tmp_path / "home" / "Music"]
    assert found.downloads.folder == tmp_path / "home" / "Downloads" / "soulmesh"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost", ("localhost", 2242)),
        ("127.0.0.1:2300", ("127.0.0.1", 2300)),
        ("[::1]:2300", ("::1", 2300)),
        ("[::1]", ("::1", 2242)),
        ("::1", ("::1", 2242)),
        (" host ", ("host", 2242)),
    ],
)
def test_addresses_have_a_host_and_perhaps_a_port(text: str, expected: tuple[str, int]) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localhost:5030", ("localhost", 5030)),
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::1]:5030", ("::1", 5030)),
        ("[::]:0", ("::", 0)),
        (":5030", ("", 5030)),
        (":0", ("", 0)),
    ],
)
def test_where_to_listen_has_a_port_and_perhaps_a_host(text: str, expected: tuple[str, int]) -> None:
    assert parse_listen(text) == expected


@pytest.mark.parametrize(
    "text", ["", "notaport", "5030", "::1", "::0", "host:", ":", "host:x", ":x", "h:65536"]
)
def test_where_to_listen_without_a_port_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no (HOST:PORT|port)|lacks the port"):
        parse_listen(text)


@pytest.mark.parametrize(
    "text", ["", ":2242", "host:", "host:0", "host:65536", "host:٣", "[::1", "[::1]x", "host:-1"]
)
def test_addresses_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"lacks|is no"):
        parse_address(text)


def test_without_room_there_is_no_file_and_the_old_one_stays(soulmesh: Command, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    with no_room():
        done = soulmesh("init", "--config", str(path))
    assert done.code == 1
    assert done.err == f"error: no space left for {path}: free some, or choose another folder\n"
    assert list(tmp_path.iterdir()) == []

    path.write_text("# old")
    with no_room():
        assert soulmesh("init", "--force", "--config", str(path)).code == 1
    assert path.read_text() == "# old"
