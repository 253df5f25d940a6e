"""The fields of a declaration, read from its annotations."""

from __future__ import annotations

import struct
import types
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeAlias, Union, get_args, get_origin, get_type_hints

from soulmesh.wire.message import Struct
from soulmesh.wire.types import (
    Address,
    Blob,
    Counted,
    Fixed,
    Late,
    MendedSize,
    Parallel,
    Rest,
    Short,
    Text,
    When,
)

__all__ = ["Field", "Kind", "ListOf", "StructOf", "fields", "least_size"]


@dataclass(frozen=True, slots=True)
class ListOf:
    """A counted list of ``element``."""

    element: Kind


@dataclass(frozen=True, slots=True)
class StructOf:
    """The fields of ``struct``, one after the other."""

    struct: type[Struct]


Kind: TypeAlias = Fixed | Text | Blob | Address | Rest | ListOf | StructOf


@dataclass(frozen=True, slots=True)
class Field:
    """One field: its name, how it stands on the wire, and when it is there at all."""

    name: str
    kind: Kind
    late: bool = False
    conditions: tuple[When, ...] = ()
    parallel: str | None = None
    short: str | None = None
    mended: bool = False

    @property
    def optional(self) -> bool:
        """Whether the field may be absent (``None``)."""
        return self.late or bool(self.conditions)


_FIELDS: dict[type[Struct], tuple[Field, ...]] = {}


def fields(cls: type[Struct]) -> tuple[Field, ...]:
    """The fields of a message or structure, in the order of the wire."""
    known = _FIELDS.get(cls)
    if known is None:
        hints = get_type_hints(cls, include_extras=True)
        known = _FIELDS[cls] = tuple(_field(name, hints[name]) for name in cls.__match_args__)
    return known


@cache
def least_size(kind: Kind) -> int:
    """The fewest bytes that a value of this kind takes."""
    match kind:
        case Fixed(letter):
            return struct.calcsize(f"<{letter}")
        case Rest():
            return 0
        case StructOf(cls):
            sizes: list[int] = [least_size(f.kind) for f in fields(cls) if not f.optional]
            return sum(sizes)
        case _:
            return 4


def _field(name: str, hint: Any) -> Field:
    kind, marks = _unwrap(hint)
    return Field(
        name,
        kind,
        late=any(isinstance(m, Late) for m in marks),
        conditions=tuple(m for m in marks if isinstance(m, When)),
        parallel=next((m.field for m in marks if isinstance(m, Parallel)), None),
        short=next((m.format for m in marks if isinstance(m, Short)), None),
        mended=any(isinstance(m, MendedSize) for m in marks),
    )


def _unwrap(hint: Any) -> tuple[Kind, list[object]]:
    """Take ``Annotated`` and ``| None`` off a hint: the kind below, and all marks met on the way."""
    marks: list[object] = []
    while True:
        if hasattr(hint, "__metadata__"):
            marks += hint.__metadata__
            hint = hint.__origin__
        elif get_origin(hint) in (Union, types.UnionType):
            (hint,) = (arg for arg in get_args(hint) if arg is not type(None))
        else:
            break
    if any(isinstance(m, Counted) for m in marks):
        element, _ = _unwrap(get_args(hint)[0])
        return ListOf(element), marks
    if isinstance(hint, type) and issubclass(hint, Struct):
        return StructOf(hint), marks
    for mark in marks:
        if isinstance(mark, Fixed | Text | Blob | Address | Rest):
            return mark, marks
    raise TypeError(f"{hint!r} is not a wire type")
