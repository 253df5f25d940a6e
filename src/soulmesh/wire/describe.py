"""Declarations in words, for people and programs that want to know what a message looks like.

Types and conditions are worded as in the catalogue of the protocol: ``array<struct<FileData>>``,
``exists and remaining``.
"""

from __future__ import annotations

from soulmesh.wire.fields import Field, Kind, ListOf, StructOf
from soulmesh.wire.types import Address, Blob, Fixed, Rest, Text

__all__ = ["condition", "type_name"]

_NUMBERS = {"B": "u8", "H": "u16", "I": "u32", "Q": "u64", "i": "i32", "?": "bool"}


def type_name(kind: Kind) -> str:
    """How a value stands on the wire: ``u32``, ``string``, ``array<string>``, ``struct<UserStats>``..."""
    match kind:
        case Fixed(letter):
            return _NUMBERS[letter]
        case Text():
            return "string"
        case Blob():
            return "bytes"
        case Address():
            return "ipv4"
        case Rest():
            return "raw"
        case StructOf(cls):
            return f"struct<{cls.__name__}>"
        case ListOf(element):
            return f"array<{type_name(element)}>"


def condition(field: Field) -> str | None:
    """When a field is there at all; ``None`` if always.

    ``remaining`` means that it may be missing at the end of the message.
    """
    words = []
    for when in field.conditions:
        if isinstance(when.value, bool):
            words.append(when.field if when.value is when.equal else f"not {when.field}")
        else:
            words.append(f"{when.field} {'==' if when.equal else '!='} {when.value}")
    if field.late:
        words.append("remaining")
    return " and ".join(words) or None
