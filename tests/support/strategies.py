"""Hypothesis strategies for messages, made from their declarations."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st

from soulmesh import wire
from soulmesh.wire.fields import Field, Kind, ListOf, StructOf, fields
from soulmesh.wire.message import CATALOGUE, Message, Side, Struct
from soulmesh.wire.types import Address, Blob, Fixed, Rest, Text

__all__ = ["any_text", "encoded", "kinds", "messages_of", "structs", "unicode_text"]

RANGES = {
    "B": (0, 2**8 - 1),
    "H": (0, 2**16 - 1),
    "I": (0, 2**32 - 1),
    "Q": (0, 2**64 - 1),
    "i": (-(2**31), 2**31 - 1),
}
MENDED = 0xFFFFFFFF00000000
ANY_LENGTH = 5

unicode_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
"""Text with every character that UTF-8 can write."""

any_text = unicode_text | st.binary(max_size=12).map(wire.text)
"""Text as it may come in: good UTF-8, or bytes that can only be Latin-1."""


@cache
def kinds(kind: Kind) -> st.SearchStrategy[Any]:
    """Any value of a kind."""
    match kind:
        case Fixed("?"):
            return st.booleans()
        case Fixed(letter):
            low, high = RANGES[letter]
            return st.integers(low, high) | st.sampled_from([low, high])
        case Text():
            return any_text
        case Blob() | Rest():
            return st.binary(max_size=24)
        case Address():
            return st.ip_addresses(v=4).map(str)
        case StructOf(cls):
            return structs(cls)
        case ListOf(element):
            return st.lists(kinds(element), max_size=ANY_LENGTH)


@cache
def structs(cls: type[Struct], *, complete: bool = False) -> st.SearchStrategy[Any]:
    """Any value of a message or structure that can be written; a ``complete`` one has all its late fields."""
    return st.composite(_draw_struct)(cls, complete)


def _draw_struct(draw: st.DrawFn, cls: type[Struct], complete: bool) -> Struct:
    declared = fields(cls)
    late = sum(f.late for f in declared)
    present = late if complete or not late else draw(st.integers(0, late))
    values: dict[str, Any] = {}
    for field in declared:
        values[field.name] = None
        if not all((values[c.field] == c.value) is c.equal for c in field.conditions):
            continue
        if field.late:
            # Late fields are left out from the end only.
            if not present:
                continue
            present -= 1
        values[field.name] = draw(_of_field(field, values))
    return cls(**values)


def _of_field(field: Field, before: dict[str, Any]) -> st.SearchStrategy[Any]:
    if field.mended:
        return st.integers(0, MENDED - 1)
    if field.parallel is not None and isinstance(field.kind, ListOf):
        return st.lists(kinds(field.kind.element), max_size=len(before[field.parallel]))
    if field.name == "distributed_code":
        return st.just(3) | kinds(field.kind)
    return kinds(field.kind)


@cache
def messages_of(side: Side) -> st.SearchStrategy[Message]:
    """Any message of one family and direction."""
    return st.sampled_from(sorted(CATALOGUE[side])).flatmap(lambda code: structs(CATALOGUE[side][code]))


def encoded(side: Side) -> st.SearchStrategy[bytes]:
    """The frame of any message of one family and direction."""
    return messages_of(side).map(wire.encode)
