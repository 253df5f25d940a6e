"""The machinery of settings: three sources, one declaration, errors that name the key."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, SecretStr

from soulmesh.config import Settings
from soulmesh.errors import ConfigError
from soulmesh.settings import Root, Section, assignments, keys, load, template


class Inner(Section):
    depth: int = Field(default=3, description="How deep.")


class Rooms(Section):
    limit: int = Field(default=10, ge=1, description="How many rooms.")
    names: list[str] = Field(default=["one"], description="Which rooms.")
    levels: dict[str, str] = Field(default={}, description="Level by room.")
    owner: str | None = Field(default=None, description="Who owns them.", examples=["bob"])
    inner: Inner = Field(default=Inner(), description="Inside.")


class Program(Root):
    loud: bool = Field(default=False, description="Tell more.\nMuch more.")
    secret: SecretStr | None = Field(default=None, description="Hush.")
    rooms: Rooms = Field(default=Rooms(), description="About rooms.")


def read(
    tmp_path: Path | None = None, text: str = "", environ: dict[str, str] | None = None, **options: Any
) -> Program:
    file = None
    if tmp_path is not None:
        file = tmp_path / "program.toml"
        file.write_text(text, encoding="utf-8")
    named = {key.replace("__", "."): value for key, value in options.items()}
    return load(
        Program, file=file, prefix="PROGRAM_", environ=environ or {}, options=named, ignore=["PROGRAM_X_"]
    )


def problem(*args: Any, **kwargs: Any) -> str:
    with pytest.raises(ConfigError) as caught:
        read(*args, **kwargs)
    return f"{caught.value} | {caught.value.hint}"


def test_without_any_source_every_setting_has_its_default() -> None:
    settings = read()
    assert settings.rooms.limit == 10
    assert settings.rooms.inner.depth == 3
    assert settings.loud is False


def test_the_environment_beats_the_file_and_an_option_beats_both(tmp_path: Path) -> None:
    file = "[rooms]\nlimit = 2\nnames = ['file']\nowner = 'file'\n"
    settings = read(
        tmp_path, file, {"PROGRAM_ROOMS_LIMIT": "3", "PROGRAM_ROOMS_OWNER": "env"}, rooms__limit=4
    )
    assert settings.rooms.limit == 4
    assert settings.rooms.owner == "env"
    assert settings.rooms.names == ["file"]


def test_an_option_that_was_not_given_is_none_and_changes_nothing() -> None:
    assert read(environ={"PROGRAM_ROOMS_LIMIT": "3"}, rooms__limit=None).rooms.limit == 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a, b", ["a", "b"]), ('["a, b", "c"]', ["a, b", "c"]), ("", []), ("a", ["a"])],
)
def test_lists_in_the_environment_are_json_or_separated_by_commas(text: str, expected: list[str]) -> None:
    assert read(environ={"PROGRAM_ROOMS_NAMES": text}).rooms.names == expected


@pytest.mark.parametrize(
    "text",
    [
        "a=debug, b=info",
        '{"a": "debug", "b": "info"}',
        '{ a = "debug", "b" = "info" }',
        "{ a = 'debug', b = 'info' }",
    ],
)
def test_tables_in_the_environment_and_in_options_are_toml_json_or_pairs(text: str) -> None:
    wanted = {"a": "debug", "b": "info"}
    assert read(environ={"PROGRAM_ROOMS_LEVELS": text}).rooms.levels == wanted
    assert read(rooms__levels=text).rooms.levels == wanted


def test_a_table_or_list_that_cannot_be_read_is_named_and_not_repeated() -> None:
    text = problem(environ={"PROGRAM_ROOMS_LEVELS": '{ "a" = "hush'})
    assert "$PROGRAM_ROOMS_LEVELS: neither TOML nor JSON: " in text
    assert "write { " in text
    assert "hush" not in text
    text = problem(rooms__names="['a', 'b'")
    assert "rooms.names: neither TOML nor JSON: " in text
    assert 'write ["a", "b"] or a, b' in text


def test_a_table_that_is_said_to_the_running_program_takes_the_place_of_the_one_in_the_file(
    tmp_path: Path,
) -> None:
    file = tmp_path / "program.toml"
    file.write_text("[rooms.levels]\na = 'debug'\nb = 'info'\n")
    found = load(Program, file=file, prefix="PROGRAM_", environ={}, over={"rooms.levels": {"b": "info"}})
    assert found.rooms.levels == {"b": "info"}


def test_what_is_said_to_the_running_program_goes_before_all_else_and_has_no_source() -> None:
    options = {"rooms.limit": 4, "rooms.owner": "option"}
    found = load(Program, prefix="PROGRAM_", environ={}, options=options, over={"rooms.limit": "5"})
    assert (found.rooms.limit, found.rooms.owner) == (5, "option")
    with pytest.raises(ConfigError) as wrong:
        load(Program, prefix="PROGRAM_", environ={}, options=options, over={"rooms.limit": 0})
    assert str(wrong.value) == "rooms.limit: input should be greater than or equal to 1"


def test_a_deeper_section_is_reached_by_every_source(tmp_path: Path) -> None:
    assert read(tmp_path, "[rooms.inner]\ndepth = 5").rooms.inner.depth == 5
    assert read(environ={"PROGRAM_ROOMS_INNER_DEPTH": "6"}).rooms.inner.depth == 6
    assert read(rooms__inner__depth="7").rooms.inner.depth == 7


def test_an_empty_variable_unsets_an_optional_setting(tmp_path: Path) -> None:
    assert read(tmp_path, "[rooms]\nowner = 'file'", {"PROGRAM_ROOMS_OWNER": ""}).rooms.owner is None


def test_an_unknown_key_of_the_file_is_named_with_its_file_and_a_guess(tmp_path: Path) -> None:
    text = problem(tmp_path, "[rooms]\nlimits = 2")
    assert "unknown setting rooms.limits" in text
    assert "program.toml" in text
    assert "did you mean rooms.limit?" in text


def test_an_unknown_section_of_the_file_is_an_error(tmp_path: Path) -> None:
    assert "unknown setting chat" in problem(tmp_path, "[chat]\nx = 1")


def test_an_unknown_variable_is_named_with_a_guess() -> None:
    text = problem(environ={"PROGRAM_ROOMS_LIMITS": "2"})
    assert "PROGRAM_ROOMS_LIMITS" in text
    assert "did you mean PROGRAM_ROOMS_LIMIT?" in text


def test_variables_of_somebody_else_are_left_alone() -> None:
    assert read(environ={"PROGRAM_X_ANYTHING": "1", "OTHER": "2"}).rooms.limit == 10


def test_an_unknown_option_is_named() -> None:
    assert "unknown setting rooms.limits" in problem(rooms__limits=2)


@pytest.mark.parametrize(
    ("sources", "origin"),
    [
        ({"environ": {"PROGRAM_ROOMS_LIMIT": "0"}}, "$PROGRAM_ROOMS_LIMIT"),
        ({"rooms__limit": 0}, "an option"),
    ],
)
def test_a_wrong_value_is_named_with_its_source(sources: Any, origin: str) -> None:
    text = problem(**sources)
    assert "rooms.limit: input should be greater than or equal to 1" in text
    assert origin in text


def test_a_wrong_value_in_the_file_is_named_with_the_file(tmp_path: Path) -> None:
    text = problem(tmp_path, "[rooms]\nlimit = 'many'")
    assert "rooms.limit: input should be a valid integer" in text
    assert "program.toml" in text


def test_a_section_that_is_no_table_is_an_error(tmp_path: Path) -> None:
    assert "rooms: " in problem(tmp_path, "rooms = 3")


def test_several_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = problem(tmp_path, "loud = 'perhaps'\n[rooms]\nlimit = 0")
    assert "loud: " in text
    assert "rooms.limit: " in text


def test_a_file_that_is_not_there_or_not_toml_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        load(Program, file=tmp_path / "absent.toml", prefix="PROGRAM_", environ={})
    assert "is not TOML" in problem(tmp_path, "[rooms")


def test_a_secret_that_does_not_fit_is_not_shown(tmp_path: Path) -> None:
    assert "geheim" not in problem(tmp_path, "secret = ['geheim']")


def test_of_alternatives_the_strongest_source_decides(tmp_path: Path) -> None:
    file = tmp_path / "program.toml"
    file.write_text("secret = 'weak'\n[rooms]\nlimit = 5")
    settings = load(
        Program,
        file=file,
        prefix="PROGRAM_",
        environ={"PROGRAM_ROOMS_OWNER": "strong"},
        alternatives=[["secret", "rooms.owner"]],
    )
    assert settings.secret is None
    assert settings.rooms.owner == "strong"
    assert settings.rooms.limit == 5


def test_assignments_need_an_equals_sign() -> None:
    assert assignments(["rooms.limit=3", "rooms.owner = a=b"]) == {"rooms.limit": "3", "rooms.owner": "a=b"}
    with pytest.raises(ConfigError, match=r"'rooms\.limit' is no setting"):
        assignments(["rooms.limit"])


def test_the_template_explains_every_key_and_changes_nothing() -> None:
    text = template(Program, heading="About.")
    assert tomllib.loads(text) == {"rooms": {"inner": {}}}
    for key, field in keys(Program).items():
        assert f"#{key.rsplit('.', 1)[-1]} = " in text
        for line in (field.description or "").splitlines():
            assert f"# {line}" in text


def test_the_template_uncommented_gives_the_defaults(tmp_path: Path) -> None:
    lines = template(Program).splitlines()
    bare = [line[1:] if line.startswith("#") and not line.startswith("# ") else line for line in lines]
    bare = [line for line in bare if not line.startswith(("secret", "owner"))]
    assert read(tmp_path, "\n".join(bare)).model_dump() == read().model_dump()


def test_chosen_values_stand_in_the_template_and_are_read_back(tmp_path: Path) -> None:
    chosen = {"rooms.names": ['qu"ote\\', "ünï\x7f\n"], "rooms.limit": 4, "loud": True}
    settings = read(tmp_path, template(Program, chosen))
    assert settings.rooms.names == chosen["rooms.names"]
    assert settings.rooms.limit == 4
    assert settings.loud is True


def test_no_two_settings_share_a_variable() -> None:
    names = [key.replace(".", "_").upper() for key in keys(Program)]
    assert len(set(names)) == len(names)


def test_every_key_of_the_file_that_explains_itself_loads_when_its_mark_is_taken_away() -> None:
    lines = template(Settings).splitlines()
    taken = [line[1:] if re.match(r"#\w+ = ", line) else line for line in lines]
    found = Settings.model_validate(tomllib.loads("\n".join(taken)))
    assert found.transfers.upload_limit_kib is None
    assert found.transfers.download_limit_kib is None
