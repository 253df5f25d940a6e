"""Accounts and rooms as JSON lines: out of a data folder, into another, and from elsewhere.

One object per line; ``type`` says which table it is a row of, the other keys
are its columns (docs/server.md describes each). Names and texts are text; bytes
that are no UTF-8 are written as ``{"latin-1": "..."}``. Secrets are in it: the
hashes of passwords. A line of type ``accounts`` may carry ``plain_password``
instead of ``password``, for lists that come from another program; it is hashed
on the way in. Columns that are left out take their usual value. A line that a server
could not work with, such as a name that nobody can log in with, is none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from soulmesh.errors import SoulmeshError, UsageError
from soulmesh.server.accounts import name_fault
from soulmesh.server.bans import KINDS, MUTE, subject_of
from soulmesh.server.rooms import room_name_fault
from soulmesh.server.store import LAYOUTS, Row, Store

__all__ = ["BadLine", "export_lines", "import_lines", "line_of"]

_USUAL: dict[str, dict[str, Any]] = {
    "accounts": {
        "password": "",
        "admin": 0,
        "created": 0,
        "privileged_until": 0,
        "supporter": 0,
        "speed": 0,
        "uploads": 0,
        "files": 0,
        "folders": 0,
        "invites": 0,
    },
    "interests": {"hated": 0},
    "rooms": {"owner": None, "was_public": 0, "maker": None},
    "members": {"operator": 0, "position": 0},
    "tickers": {"position": 0},
    "bans": {"until": 0, "reason": "", "banned_by": "", "created": 0},
    "messages": {"sent": 0},
    "settings": {},
    "audit": {"at": 0, "who": "", "action": "", "subject": "", "detail": ""},
}

_BYTES = {
    ("accounts", "name"),
    ("interests", "name"),
    ("messages", "receiver"),
    ("messages", "sender"),
    ("messages", "message"),
    ("rooms", "name"),
    ("rooms", "owner"),
    ("rooms", "maker"),
    ("members", "room"),
    ("members", "name"),
    ("tickers", "room"),
    ("tickers", "name"),
    ("tickers", "ticker"),
}
_NUMBERS = {
    "admin",
    "at",
    "created",
    "files",
    "folders",
    "hated",
    "id",
    "invites",
    "operator",
    "position",
    "privileged_until",
    "sent",
    "speed",
    "supporter",
    "until",
    "uploads",
    "was_public",
}


HIGHEST = 0xF0000000
"""Of numbers of messages, which are 32 bits wide: those that are still to come need some as well."""

_NUMERIC_SETTINGS = {"next_chat_id", "maximum_users"}


class BadLine(SoulmeshError):
    """A line that cannot be imported: ``number`` from 1, and ``reason``. Nothing was imported."""

    def __init__(self, number: int, reason: str) -> None:
        self.number = number
        self.reason = reason

    def __str__(self) -> str:
        return f"line {self.number}: {self.reason}"


def export_lines(store: Store) -> Iterator[str]:
    """Everything, as lines without their ends."""
    for table in LAYOUTS:
        for row in store.read(table):
            yield line_of(table, row)


def line_of(table: str, row: Row) -> str:
    """One row as a line without its end."""
    fields: dict[str, Any] = {"type": table}
    fields.update(zip(LAYOUTS[table].columns, (_out(value) for value in row), strict=True))
    return json.dumps(fields, ensure_ascii=False)


def import_lines(store: Store, lines: Iterable[str], hash_password: Callable[[bytes], str]) -> dict[str, int]:
    """Put lines into the store, in place of rows with the same key. All or nothing.

    Returns how many rows of which type.

    Raises:
        BadLine: the first line that makes no sense.
    """
    rows: list[tuple[str, Row]] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            rows.append(_row(number, line, hash_password))
    counts: dict[str, int] = {}
    for table, row in rows:
        store.save(table, row)
        counts[table] = counts.get(table, 0) + 1
    store.commit()
    return counts


def _row(number: int, line: str, hash_password: Callable[[bytes], str]) -> tuple[str, Row]:
    try:
        fields = json.loads(line)
    except ValueError as error:
        raise BadLine(number, f"not JSON: {error}") from error
    if not isinstance(fields, dict) or fields.get("type") not in LAYOUTS:
        raise BadLine(number, f"type must be one of {', '.join(LAYOUTS)}")
    table = fields.pop("type")
    if table == "accounts" and "plain_password" in fields:
        plain = fields.pop("plain_password")
        if not isinstance(plain, str):
            raise BadLine(number, "plain_password must be a text")
        fields["password"] = hash_password(plain.encode())
    layout = LAYOUTS[table]
    unknown = [key for key in fields if key not in layout.columns]
    if unknown:
        raise BadLine(number, f"{table} have no {unknown[0]}; there are {', '.join(layout.columns)}")
    values = {**_USUAL[table], **fields}
    for column in layout.columns:
        if column not in values:
            raise BadLine(number, f"{column} is missing")
    row = {column: _in(number, table, column, values[column]) for column in layout.columns}
    fault = _fault(table, row)
    if fault is not None:
        raise BadLine(number, fault)
    return table, tuple(row.values())


def _fault(table: str, row: dict[str, Any]) -> str | None:
    """Why no server could work with this row, or ``None``."""
    if table == "accounts" and (wrong := name_fault(row["name"])) is not None:
        return f"this cannot be the name of an account: {wrong or 'it is reserved'}"
    if table == "rooms" and (nameless := room_name_fault(row["name"])) is not None:
        return nameless.decode("utf-8", "replace")
    if table == "messages" and not 0 < row["id"] <= HIGHEST:
        return f"id must be a number from 1 to {HIGHEST}"
    if table == "settings" and row["key"] in _NUMERIC_SETTINGS:
        text = row["value"]
        if not (text.isascii() and text.isdigit() and len(text) <= 10 and 0 < int(text) <= HIGHEST):
            return f"the value of {row['key']} must be a number from 1 to {HIGHEST}"
    if table == "bans":
        if row["kind"] not in (*KINDS, MUTE):
            return f"kind must be {', '.join(KINDS)} or {MUTE}"
        try:
            row["subject"] = subject_of(row["kind"], row["subject"])
        except UsageError as error:
            return str(error)
    return None


def _out(value: Any) -> Any:
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"latin-1": value.decode("latin-1")}
    return int(value) if isinstance(value, bool) else value


def _in(number: int, table: str, column: str, value: Any) -> Any:
    if value is None and (table, column) in (("rooms", "owner"), ("rooms", "maker")):
        return None
    if (table, column) in _BYTES:
        if isinstance(value, dict) and isinstance(value.get("latin-1"), str):
            return value["latin-1"].encode("latin-1", "replace")
        if not isinstance(value, str):
            raise BadLine(number, f"{column} must be a text")
        try:
            return value.encode()
        except UnicodeEncodeError as error:
            raise BadLine(number, f"{column} has half of a character") from error
    if column in _NUMBERS:
        if not isinstance(value, int) or not 0 <= value < 1 << 63:
            raise BadLine(number, f"{column} must be a number from 0")
        return int(value)
    if not isinstance(value, str):
        raise BadLine(number, f"{column} must be a text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadLine(number, f"{column} has half of a character") from error
    return value
