"""One commented file; file, environment and --set; errors that name the key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import soulmesh.server
from soulmesh.errors import ConfigError
from soulmesh.server.settings import LOGGED_PARTS, load_settings, make_settings, template


def test_the_keys_that_tools_rely_on_have_their_defaults() -> None:
    settings = make_settings()
    assert settings.distributed.potential_parents_interval == 60
    assert settings.rooms.login_list_minimum == 5
    assert settings.accounts.hash == "argon2id"
    assert (settings.accounts.argon2_memory_kib, settings.accounts.argon2_passes) == (19456, 2)
    assert settings.accounts.argon2_lanes == 1
    assert settings.abuse.enabled is True
    assert settings.accounts.initial_upload_speed == 0


def test_the_file_that_init_writes_is_read_and_changes_nothing(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text(template())
    assert load_settings(file).model_dump() == make_settings().model_dump()
    tomllib.loads(template())
    uncommented = "\n".join(
        line.removeprefix("# ") if " = " in line and line.startswith("# ") else line
        for line in template().splitlines()
        if not line.startswith("# ") or (" = " in line and line[2:].split(" = ")[0].isidentifier())
    )
    file.write_text(uncommented)
    assert load_settings(file).model_dump() == make_settings().model_dump()


def test_the_command_line_beats_the_environment_and_that_the_file(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text("[rooms]\nlogin_list_minimum = 1\n[chat]\nqueue = 1\n[limits]\nlogin_seconds = 1.5\n")
    environment = {"SOULMESH_SERVER_ROOMS_LOGIN_LIST_MINIMUM": "2", "SOULMESH_SERVER_CHAT_QUEUE": "2"}
    settings = load_settings(file, environment, ["rooms.login_list_minimum=3"])
    assert settings.rooms.login_list_minimum == 3
    assert settings.chat.queue == 2
    assert settings.limits.login_seconds == 1.5


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("rooms.login_list_minumum=3", "rooms.login_list_minumum"),
        ("romms.login_list_minimum=3", "romms.login_list_minimum"),
        ("rooms.login_list_minimum=many", "rooms.login_list_minimum"),
        ("log.levels=nonsense=debug", "log.levels"),
        ("log.levels=store=loud", "log.levels"),
        ("log.levels=store", "log.levels"),
        ("rooms.login_list_minimum=-1", "rooms.login_list_minimum"),
        ("accounts.hash=md5", "accounts.hash"),
        ("abuse.enabled=perhaps", "abuse.enabled"),
        ("server.port=70000", "server.port"),
        ("nonsense", "nonsense"),
    ],
)
def test_an_unknown_or_wrong_key_is_named(change: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_settings(changes=[change])
    assert named in str(caught.value)


def test_unknown_keys_of_file_and_environment_are_named_too(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text("[rooms]\nlist = 1\n")
    with pytest.raises(ConfigError, match=r"rooms\.list"):
        load_settings(file)
    with pytest.raises(ConfigError, match="SOULMESH_SERVER_ROOMS_LIST"):
        load_settings(environment={"SOULMESH_SERVER_ROOMS_LIST": "1"})
    with pytest.raises(ConfigError, match="cannot read"):
        load_settings(tmp_path / "nowhere.toml")


def test_levels_name_the_parts_that_log_and_no_others() -> None:
    root = Path(soulmesh.server.__file__).parent
    found = {
        part
        for file in root.rglob("*.py")
        for part in re.findall(r'log\.get\("server\.([a-z.]+)"\)', file.read_text())
    }
    assert found == set(LOGGED_PARTS)
    section = make_settings({"log.levels": ["store=debug", "server.audit=ERROR"]}).log
    assert section.by_part() == {"server.store": "debug", "server.audit": "error"}
