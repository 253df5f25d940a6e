"""Reading and checking a message field by field, to say what is wrong with it.

The compiled codecs are quick because they do not keep track of where they are.
When one of them stumbles, the same declaration is walked here, slowly and with
names, and the error says message, field and offset. The walk is also the plain
reading of the format, against which tests hold the compiled code.
"""

from __future__ import annotations

import struct
from typing import Any

from soulmesh.errors import DecodeError, EncodeError
from soulmesh.wire.fields import Field, Kind, ListOf, StructOf, fields, least_size
from soulmesh.wire.message import Struct
from soulmesh.wire.text import text
from soulmesh.wire.types import Address, Blob, Fixed, Rest, Text, When

__all__ = ["applies", "explain_value", "packed_address", "read_carefully"]

_ONES = 0xFFFFFFFF00000000


def packed_address(address: str) -> bytes:
    """The four bytes of a dotted IPv4 address, reversed as the wire has them.

    Raises:
        ValueError: not four numbers from 0 to 255.
    """
    a, b, c, d = address.split(".")
    return bytes((int(d), int(c), int(b), int(a)))


def applies(conditions: tuple[When, ...], values: dict[str, Any]) -> bool:
    """Whether a field with these conditions exists, given the fields before it."""
    return all(
        ((bool(values[c.field]) if isinstance(c.value, bool) else values[c.field]) == c.value) is c.equal
        for c in conditions
    )


def read_carefully(cls: type[Struct], name: str, body: bytes) -> Struct:
    """Read ``body`` as a ``cls``.

    Raises:
        DecodeError: naming the field that cannot be read, and where.
    """
    value, _ = _Walk(name, body).struct(cls, 0, "")
    return value


class _Walk:
    def __init__(self, message: str, body: bytes) -> None:
        self.message = message
        self.body = body

    def error(self, reason: str, path: str, at: int) -> DecodeError:
        return DecodeError(reason, message=self.message, field=path, offset=at)

    def need(self, count: int, at: int, path: str) -> None:
        left = len(self.body) - at
        if count > left:
            raise self.error(f"needs {count} bytes, {max(left, 0)} are left", path, at)

    def struct(self, cls: type[Struct], at: int, path: str) -> tuple[Struct, int]:
        values: dict[str, Any] = {}
        more = True
        for field in fields(cls):
            where = f"{path}.{field.name}" if path else field.name
            values[field.name] = None
            if not applies(field.conditions, values):
                continue
            if field.late:
                more = more and len(self.body) - at >= least_size(field.kind)
                if not more:
                    continue
            values[field.name], at = self.field(field, at, where)
            if field.parallel is not None:
                other = values[field.parallel]
                if len(values[field.name]) > len(other or ()):
                    raise self.error(f"has more entries than {field.parallel}", where, at)
        return cls(**values), at

    def field(self, field: Field, at: int, path: str) -> tuple[Any, int]:
        if field.short and len(self.body) - at == struct.calcsize(f"<{field.short}"):
            return struct.unpack_from(f"<{field.short}", self.body, at)[0], len(self.body)
        value, after = self.value(field.kind, at, path)
        if field.mended and value >= _ONES:
            value &= 0xFFFFFFFF
        return value, after

    def value(self, kind: Kind, at: int, path: str) -> tuple[Any, int]:
        match kind:
            case Fixed(letter):
                size = least_size(kind)
                self.need(size, at, path)
                return struct.unpack_from(f"<{letter}", self.body, at)[0], at + size
            case Address():
                self.need(4, at, path)
                return ".".join(str(byte) for byte in reversed(self.body[at : at + 4])), at + 4
            case Rest():
                return self.body[at:], len(self.body)
            case StructOf(cls):
                return self.struct(cls, at, path)
            case _:
                self.need(4, at, path)
                count = int.from_bytes(self.body[at : at + 4], "little")
        at += 4
        if isinstance(kind, Text | Blob):
            self.need(count, at, path)
            data = self.body[at : at + count]
            return (text(data) if isinstance(kind, Text) else data), at + count
        if count * least_size(kind.element) > len(self.body) - at:
            raise self.error(f"{count} elements cannot fit into {len(self.body) - at} bytes", path, at - 4)
        elements = []
        for number in range(count):
            element, at = self.value(kind.element, at, f"{path}[{number}]")
            elements.append(element)
        return elements, at


def explain_value(value: Struct, name: str, path: str = "") -> EncodeError | None:
    """What keeps ``value`` from being written, or ``None`` if nothing does."""
    given = {f: getattr(value, f, None) for f in value.__match_args__}
    gap: str | None = None
    for field in fields(type(value)):
        where = f"{path}.{field.name}" if path else field.name
        item = given[field.name]
        if not applies(field.conditions, given):
            if item is not None:
                condition = " and ".join(
                    f"{c.field} {'is' if c.equal else 'is not'} {c.value!r}" for c in field.conditions
                )
                return EncodeError(f"is written only when {condition}", message=name, field=where)
            continue
        if item is None:
            if not field.late:
                return EncodeError("a value is needed", message=name, field=where)
            gap = gap or field.name
            continue
        if field.late and gap:
            return EncodeError(f"cannot be written without {gap} before it", message=name, field=where)
        wrong = _explain(field.kind, item, name, where)
        if wrong:
            return wrong
        if field.parallel is not None and len(item) > len(given[field.parallel] or ()):
            return EncodeError(f"has more entries than {field.parallel}", message=name, field=where)
    return None


def _explain(kind: Kind, item: Any, name: str, where: str) -> EncodeError | None:
    def wrong(reason: str) -> EncodeError:
        return EncodeError(reason, message=name, field=where)

    try:
        match kind:
            case Fixed(letter):
                struct.pack(f"<{letter}", item)
            case Text():
                if not isinstance(item, str):
                    return wrong(f"text is needed, not {type(item).__name__}")
                item.encode()
            case Address():
                packed_address(item)
            case Blob() | Rest():
                if not isinstance(item, bytes | bytearray | memoryview):
                    return wrong(f"bytes are needed, not {type(item).__name__}")
            case StructOf(cls):
                if not isinstance(item, cls):
                    return wrong(f"a {cls.__name__} is needed, not {type(item).__name__}")
                return explain_value(item, name, where)
            case ListOf(element):
                if isinstance(item, str):
                    return wrong("a list is needed, not str")
                for number, inner in enumerate(item):
                    found = _explain(element, inner, name, f"{where}[{number}]")
                    if found:
                        return found
    except struct.error as error:
        return wrong(f"{item!r}: {error}")
    except UnicodeEncodeError:
        return wrong("holds a lone surrogate, which has no bytes")
    except (TypeError, ValueError, AttributeError):
        return wrong(f"{item!r} does not fit")
    return None
