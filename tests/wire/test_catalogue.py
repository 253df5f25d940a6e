"""Every message of the protocol is declared, as the catalogue of the protocol has it, and nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from soulmesh.wire import distributed, file, message, peer, peer_init, structs, to_client, to_server
from soulmesh.wire.describe import condition, type_name
from soulmesh.wire.fields import fields
from soulmesh.wire.message import Message, Struct, catalogue

CATALOGUE: dict[str, Any] = json.loads((Path(__file__).parent / "catalogue.json").read_text("utf-8"))
MODULES = (to_server, to_client, peer_init, peer, distributed, file)
DECLARED = {(m.LAYOUT.family, m.LAYOUT.direction, m.LAYOUT.name): m for m in catalogue()}
LISTED = {(m["family"], m["direction"], m["name"]): m for m in CATALOGUE["messages"]}
CODE_WIDTHS = {"server": 4, "peer_init": 1, "peer": 4, "distributed": 1, "file": 0}

each_message = pytest.mark.parametrize("key", LISTED, ids="-".join)


def described(cls: type[Struct]) -> list[list[str | None]]:
    return [[f.name, type_name(f.kind), condition(f)] for f in fields(cls)]


def test_there_are_145_messages_in_192_directions() -> None:
    assert len({name for _, _, name in DECLARED}) == 145
    assert len(DECLARED) == len(list(catalogue())) == 192


def test_the_same_messages_are_declared_as_are_listed() -> None:
    assert DECLARED.keys() == LISTED.keys()


@each_message
def test_a_message_has_the_listed_fields_in_their_order(key: tuple[str, str, str]) -> None:
    # "remaining >= 4" is said once, of a u32: a late field always needs all the bytes of its fixed part.
    listed = [
        [name, kind, when and when.replace("remaining >= 4", "remaining")]
        for name, kind, when in LISTED[key]["fields"]
    ]
    assert described(DECLARED[key]) == listed


@each_message
def test_a_message_has_the_listed_code_status_and_framing(key: tuple[str, str, str]) -> None:
    layout, listed = DECLARED[key].LAYOUT, LISTED[key]
    assert layout.code == listed["code"]
    assert layout.status == listed["status"]
    assert layout.compressed is listed.get("compressed", False)
    width = 4 if listed.get("code_type") == "u32" else CODE_WIDTHS[key[0]]
    assert layout.code_width == width
    if layout.compressed:
        assert layout.inflated_limit > layout.limit > 0


def test_late_fields_come_last() -> None:
    for cls in DECLARED.values():
        late = [f.late for f in fields(cls)]
        first = late.index(True) if True in late else len(late)
        assert all(f.optional for f in fields(cls)[first:]), cls


def test_structures_have_the_listed_fields() -> None:
    declared = {name: getattr(structs, name) for name in structs.__all__}
    assert declared.keys() == CATALOGUE["structs"].keys()
    for name, listed in CATALOGUE["structs"].items():
        assert described(declared[name]) == [[field, kind, None] for field, kind in listed], name


def test_sizes_of_files_are_mended_where_listings_of_files_are_read() -> None:
    mended = {
        (cls.__name__, f.name)
        for cls in [*DECLARED.values(), *(getattr(structs, name) for name in structs.__all__)]
        for f in fields(cls)
        if f.mended
    }
    assert mended == {("FileData", "filesize")}


def test_parallel_lists_follow_the_list_that_they_belong_to() -> None:
    for cls in DECLARED.values():
        names = [f.name for f in fields(cls)]
        for field in fields(cls):
            if field.parallel:
                assert names.index(field.parallel) < names.index(field.name), (cls, field)


@pytest.mark.parametrize("module", [*MODULES, structs], ids=lambda m: m.__name__.rpartition(".")[2])
def test_a_module_exports_what_it_declares(module: Any) -> None:
    declared = {
        name
        for name, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, Struct) and value.__module__ == module.__name__
    }
    assert set(module.__all__) == declared
    assert list(module.__all__) == sorted(module.__all__)
    if module is not structs:
        assert {cls for cls in DECLARED.values() if cls.__module__ == module.__name__} == {
            getattr(module, name) for name in module.__all__
        }


@pytest.mark.parametrize(
    "cls",
    [*DECLARED.values(), *(getattr(structs, name) for name in structs.__all__)],
    ids=lambda cls: f"{cls.__module__.rpartition('.')[2]}.{cls.__name__}",
)
def test_every_declaration_says_what_it_is(cls: type[Struct]) -> None:
    doc = cls.__doc__
    assert doc
    assert "TODO" not in doc
    first, *rest = doc.split("\n")
    assert first.endswith((".", "?"))
    assert len(first) > 12
    assert not rest or not rest[0].strip(), "a blank line follows the first"


def test_docstrings_speak_only_of_fields_that_exist() -> None:
    known = {name for cls in [*DECLARED.values(), structs.UserStats] for name in cls.__match_args__}
    for cls in DECLARED.values():
        quoted = re.findall(r"(?<!:class:)``([a-z_0-9]+)``", cls.__doc__ or "")
        assert set(quoted) <= known, cls


def test_a_code_is_declared_once_per_direction() -> None:
    with pytest.raises(Exception, match="declared twice"):

        @message.message(message.TO_SERVER, 1)
        class Again(Message):
            """A second message with code 1."""
