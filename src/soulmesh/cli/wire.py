"""``soulmesh wire``: the protocol's messages, listed, and captured bytes made readable."""

from __future__ import annotations

import json as jsonlib
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer

from soulmesh import wire
from soulmesh.cli import run
from soulmesh.cli.dissect import Dissection, Part, dissect
from soulmesh.cli.output import Column, JsonOption, Output, clean, size
from soulmesh.errors import ProtocolError, UsageError
from soulmesh.wire import enums
from soulmesh.wire.describe import condition, type_name
from soulmesh.wire.fields import fields
from soulmesh.wire.message import FAMILIES, Message, Struct, catalogue
from soulmesh.wire.structs import DirectoryData

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Study the protocol: list its messages, read captured bytes.")

FamilyOption = Annotated[
    str | None,
    typer.Option("--family", metavar="NAME", help=f"The kind of connection: {', '.join(FAMILIES)}."),
]
DirectionOption = Annotated[
    str | None,
    typer.Option(
        "--direction",
        metavar="NAME",
        help="to_server, to_client, peer (between users), to_downloader or to_uploader (files).",
    ),
]

_HEX = re.compile(r"(?:0x)?[0-9a-fA-F\s:]*")
_LONG_TEXT = 160
_LONG_BYTES = 24
_LONG_LIST = 8

# Fields whose numbers have names, by the name of the field.
_MEANINGS: dict[str, type[Enum]] = {
    "connection_type": enums.ConnectionType,
    "direction": enums.TransferDirection,
    "distributed_code": enums.DistributedCode,
    "obfuscation_type": enums.ObfuscationType,
    "status": enums.UserStatus,
    "upload_permissions": enums.UploadPermission,
    "users_status": enums.UserStatus,
}


# -- soulmesh wire list --------------------------------------------------------------------------------


@app.command("list")
@run.command
def list_messages(
    family: FamilyOption = None, direction: DirectionOption = None, json: JsonOption = False
) -> None:
    """List every message: where it travels, its code, its name and its fields."""
    if family is not None and family not in FAMILIES:
        raise UsageError(f"no family {family!r}; known: {', '.join(FAMILIES)}")
    chosen = [
        cls
        for cls in catalogue()
        if family in (None, cls.LAYOUT.family) and direction in (None, cls.LAYOUT.direction)
    ]
    if not chosen:
        raise UsageError(
            f"no message travels {direction!r}" + (f" on {family} connections" if family else "")
        )
    out = run.output(json=json)
    if json:
        for cls in chosen:
            out.record(_described(cls))
        return
    if not out.console.is_terminal:
        for cls in chosen:
            row = _row(cls)
            out.line(
                f"{row['family']:<11} {row['direction']:<13} {row['code']:>5} {row['name']:<32} "
                f"{row['status']:<10} {row['fields']}".rstrip()
            )
        return
    columns = [
        Column("family", "family"),
        Column("direction", "direction"),
        Column("code", "code", right=True),
        Column("name", "name"),
        Column("status", "status"),
        Column("fields", "fields", wide=True),
    ]
    out.table(columns, (_row(cls) for cls in chosen))


def _row(cls: type[Message]) -> dict[str, str]:
    layout = cls.LAYOUT
    shown = [f"{f.name}?" if f.optional else f.name for f in fields(cls)]
    return {
        "family": layout.family,
        "direction": layout.direction,
        "code": "-" if layout.code is None else str(layout.code),
        "name": layout.name,
        "status": layout.status,
        "fields": " ".join(shown),
    }


def _described(cls: type[Message]) -> dict[str, Any]:
    layout = cls.LAYOUT
    return {
        "family": layout.family,
        "direction": layout.direction,
        "code": layout.code,
        "message": layout.name,
        "status": layout.status,
        "compressed": layout.compressed,
        "limit": layout.limit,
        "fields": [{"name": f.name, "type": type_name(f.kind), "when": condition(f)} for f in fields(cls)],
        "description": " ".join((cls.__doc__ or "").split()),
    }


# -- soulmesh wire decode -------------------------------------------------------------------------------


@app.command("decode")
@run.command
def decode(
    data: Annotated[
        list[str],
        typer.Argument(
            metavar="HEX|FILE",
            help="Bytes as hexadecimal digits, or a file with bytes or digits; - is standard input.",
        ),
    ],
    family: FamilyOption = None,
    direction: DirectionOption = None,
    obfuscated: Annotated[
        bool, typer.Option("--obfuscated", help="The bytes come from an obfuscated port.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Show long texts, bytes and lists whole.")] = False,
    json: JsonOption = False,
) -> None:
    """Make a frame, or a captured stream of frames, readable.

    A stream is one direction of one connection, from the beginning of a message. What follows the first
    message of a connection between users is read as what that message opens. Family and direction are
    guessed when they are not given.
    """
    out = run.output(json=json)
    found = dissect(_bytes(data), family, direction, obfuscated=obfuscated or None)
    if found.guessed:
        others = f"; {' and '.join(found.others)} would fit as well" if found.others else ""
        out.note(f"read as {found.label}, which is a guess{others}: --family and --direction decide")
    for part in found.parts:
        if json:
            out.record(_record(part, found))
        else:
            for line in _lines(part, full=full):
                out.line(line)
    _complain(found, out)


# -- soulmesh wire encode -------------------------------------------------------------------------------


@app.command("encode")
@run.command
def encode(
    family: Annotated[str, typer.Argument(metavar="FAMILY", help=f"One of {', '.join(FAMILIES)}.")],
    direction: Annotated[
        str,
        typer.Argument(metavar="DIRECTION", help="to_server, to_client, peer, to_downloader or to_uploader."),
    ],
    message: Annotated[str, typer.Argument(metavar="MESSAGE", help="The message's name, as in the list.")],
    values: Annotated[
        str,
        typer.Argument(metavar="FIELDS", help="Its fields in JSON, as decode --json shows them."),
    ] = "{}",
    raw: Annotated[bool, typer.Option("--raw", help="Write the bytes themselves, not their digits.")] = False,
) -> None:
    """Write a message as bytes: the frame with length and code, in hexadecimal digits."""
    try:
        given = jsonlib.loads(values)
    except ValueError as error:
        raise UsageError(f"the fields are no JSON: {error}") from None
    frame = wire.encode(wire.from_fields(family, direction, message, given))
    if raw:
        sys.stdout.buffer.write(frame)
        sys.stdout.buffer.flush()
    else:
        run.output().line(frame.hex())


def _bytes(given: list[str]) -> bytes:
    """The bytes that were given: digits, a file of bytes or digits, or standard input."""
    if given == ["-"]:
        content = sys.stdin.buffer.read()
    elif len(given) == 1 and _is_file(given[0]):
        content = Path(given[0]).read_bytes()
    else:
        digits = " ".join(given)
        if not _HEX.fullmatch(digits):
            what = f"{given[0]!r} is" if len(given) == 1 else "these are"
            raise UsageError(f"{what} neither hexadecimal digits nor a file")
        return _from_hex(digits)
    if _HEX.fullmatch(text := content.decode("latin-1")) and text.strip():
        return _from_hex(text)
    return content


def _is_file(name: str) -> bool:
    try:
        # A pipe will do as well: `soulmesh wire decode <(xxd -r dump)`.
        return Path(name).exists() and not Path(name).is_dir()
    except OSError:
        # Many digits are too long for a name.
        return False


def _from_hex(text: str) -> bytes:
    digits = re.sub(r"[\s:]|0x", "", text)
    if len(digits) % 2:
        raise UsageError(f"{len(digits)} hexadecimal digits make no whole bytes: one is missing or too many")
    return bytes.fromhex(digits)


def _complain(found: Dissection, out: Output) -> None:
    """Errors of single messages are shown in their place; in the end they decide the exit code."""
    errors = [part.error for part in found.parts if part.error is not None]
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise ProtocolError(f"{len(errors)} of {len(found.parts)} messages could not be read")


def _record(part: Part, found: Dissection) -> dict[str, Any]:
    record: dict[str, Any] = {
        "offset": part.offset,
        "size": part.size,
        "family": part.side.family.name,
        "direction": part.side.direction,
        "guessed": found.guessed,
        "code": part.code,
        "message": None if isinstance(part.message, wire.UnknownMessage) else part.name,
    }
    if part.message is not None:
        record["fields"] = wire.to_fields(part.message)
    if part.error is not None:
        error = part.error
        record["error"] = {"reason": error.reason, "field": error.field, "offset": error.offset}
    return record


# -- for people ------------------------------------------------------------------------------------------


def _lines(part: Part, *, full: bool) -> Iterator[str]:
    where = f"{part.offset:06x}  {part.side.family.name}/{part.side.direction}"
    if part.message is None and part.error is None:
        yield f"{where}  contents of a file, {_count(part.size)}"
        return
    name = "" if part.name is None else f"  {part.name}"
    code = "" if part.code is None or (part.name or "").startswith("unknown") else f" ({part.code})"
    yield f"{where}{name}{code}, {_count(part.size)}"
    if part.message is not None:
        yield from _struct_lines(part.message, "        ", full)
    if part.error is not None:
        yield f"        ! {part.error}"


def _struct_lines(value: Struct, indent: str, full: bool) -> Iterator[str]:
    if isinstance(value, wire.UnknownMessage):
        yield f"{indent}payload  {_bytes_shown(value.payload, full)}"
        return
    present = [(name, getattr(value, name)) for name in value.__match_args__]
    present = [(name, item) for name, item in present if item is not None]
    width = max((len(name) for name, _ in present), default=0)
    for name, item in present:
        yield from _field_lines(name, item, f"{indent}{name:<{width}}  ", indent, full)


def _field_lines(name: str, item: Any, start: str, indent: str, full: bool) -> Iterator[str]:
    if not isinstance(item, list):
        yield start + _shown(name, item, full)
        return
    if not item:
        yield f"{start}none"
        return
    yield f"{start}{len(item)}:"
    for element in item if full else item[:_LONG_LIST]:
        yield f"{indent}  - {_shown(name, element, full)}"
        if isinstance(element, DirectoryData):
            files = element.files if full else element.files[:_LONG_LIST]
            yield from (f"{indent}      - {_shown('files', file, full)}" for file in files)
            if len(files) < len(element.files):
                yield f"{indent}      … and {len(element.files) - len(files)} more"
    if not full and len(item) > _LONG_LIST:
        yield f"{indent}  … and {len(item) - _LONG_LIST} more"


def _shown(name: str, value: Any, full: bool) -> str:
    """One value in one line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, bytes):
        return _bytes_shown(value, full)
    if isinstance(value, Struct):
        return ", ".join(
            f"{inner} {_shown(inner, getattr(value, inner), full)}"
            for inner in value.__match_args__
            if inner != "unknown"
        )
    if name == "attributes":
        return _attributes(value)
    if isinstance(value, list):
        return f"{len(value)}"
    meaning = _meaning(name, value)
    if isinstance(value, str):
        text = clean(value)
        if not full and len(text) > _LONG_TEXT:
            return f"{text[:_LONG_TEXT]}… ({len(value)} characters)"
        return f"{text}{meaning}" if text else "(empty)"
    return f"{value}{meaning}"


def _attributes(attributes: list[Any]) -> str:
    words = []
    for attribute in attributes:
        try:
            words.append(f"{enums.FileAttribute(attribute.key).name.lower()} {attribute.value}")
        except ValueError:
            words.append(f"{attribute.key} {attribute.value}")
    return ", ".join(words) or "none"


def _meaning(name: str, value: Any) -> str:
    if name == "timestamp":
        return f" ({datetime.fromtimestamp(value, UTC):%Y-%m-%d %H:%M:%S} UTC)"
    if name in _MEANINGS:
        try:
            return f" ({_MEANINGS[name](value).name.lower().replace('_', ' ')})"
        except ValueError:
            return " (unknown)"
    return ""


def _bytes_shown(value: bytes, full: bool) -> str:
    if not value:
        return "no bytes"
    if full or len(value) <= _LONG_BYTES:
        return f"{value.hex(' ')}"
    return f"{value[:_LONG_BYTES].hex(' ')} … ({_count(len(value))})"


def _count(number: int) -> str:
    return f"{number} byte{'' if number == 1 else 's'}" if number < 10_000 else size(number)
