"""Messages as plain values, for JSON and for people.

``bytes`` and ``raw`` become hexadecimal text, addresses stay dotted, structures
become objects. An optional field that is absent is left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from soulmesh.errors import UsageError
from soulmesh.wire.careful import explain_value
from soulmesh.wire.fields import Kind, ListOf, StructOf, fields
from soulmesh.wire.message import Message, Struct, UnknownMessage, catalogue, side
from soulmesh.wire.types import Blob, Rest, Text

__all__ = ["find", "from_fields", "to_fields"]


def to_fields(message: Struct) -> dict[str, Any]:
    """The fields of a message as values that JSON can hold, by the specification's names.

    Text that came in as Latin-1 is shown as text.
    """
    if isinstance(message, UnknownMessage):
        return {"code": message.code, "payload": message.payload.hex()}
    shown = {}
    for field in fields(type(message)):
        value = getattr(message, field.name)
        if value is not None:
            shown[field.name] = _shown(field.kind, value)
    return shown


def from_fields(family: str, direction: str, name: str, fields: Mapping[str, Any]) -> Message:
    """The message called ``name`` with these fields; the opposite of :func:`to_fields`.

    Raises:
        UsageError: no such family, direction, message or field, or a value of the wrong kind.
        EncodeError: a value does not fit its field, or a field that is needed is missing.
    """
    cls = find(family, direction, name)
    message = _read(cls, fields, name)
    problem = explain_value(message, name)
    if problem is not None:
        raise problem
    return message  # type: ignore[return-value]  # a struct made from a message class is a message


def find(family: str, direction: str, name: str) -> type[Message]:
    """The class of the message called ``name``.

    Raises:
        UsageError: there is none.
    """
    side(family, direction)
    cls = _names().get((family, direction, name))
    if cls is None:
        raise UsageError(f"no message {name!r} travels {direction} on {family} connections")
    return cls


@cache
def _names() -> dict[tuple[str, str, str], type[Message]]:
    import soulmesh.wire.frames  # noqa: F401 - fills the catalogue

    return {(c.LAYOUT.family, c.LAYOUT.direction, c.LAYOUT.name): c for c in catalogue()}


def _shown(kind: Kind, value: Any) -> Any:
    match kind:
        case Blob() | Rest():
            return bytes(value).hex()
        case Text():
            return str(value)
        case StructOf():
            return to_fields(value)
        case ListOf(element):
            return [_shown(element, item) for item in value]
        case _:
            return value


def _read(cls: type[Struct], values: Mapping[str, Any], name: str) -> Struct:
    if not isinstance(values, Mapping):
        raise UsageError(f"{name}: an object with fields is needed, not {values!r}")
    declared = {f.name: f for f in fields(cls)}
    for given in values:
        if given not in declared:
            known = ", ".join(declared) or "none"
            raise UsageError(f"{name} has no field {given!r}; its fields: {known}")
    arguments = {
        f.name: None if values.get(f.name) is None else _value(f.kind, values[f.name], f"{name}.{f.name}")
        for f in declared.values()
    }
    return cls(**arguments)


def _value(kind: Kind, value: Any, name: str) -> Any:
    match kind:
        case Blob() | Rest():
            try:
                return bytes.fromhex(value)
            except (TypeError, ValueError):
                raise UsageError(f"{name}: hexadecimal text is needed, not {value!r}") from None
        case StructOf(cls):
            return _read(cls, value, name)
        case ListOf(element):
            if not isinstance(value, list | tuple):
                raise UsageError(f"{name}: a list is needed, not {value!r}")
            return [_value(element, item, f"{name}[{number}]") for number, item in enumerate(value)]
        case _:
            return value
