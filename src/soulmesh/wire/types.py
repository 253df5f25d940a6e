"""The words in which messages are declared.

A field's annotation says everything about it once: what a type checker should
think of the value, and how the value stands on the wire. ``U32`` is an ``int``
to mypy and four little-endian bytes to :mod:`soulmesh.wire.codec`.

=============  ==================  =======================================================
name           value               bytes
=============  ==================  =======================================================
``U8`` ...     ``int``             1, 2, 4 or 8, little-endian, unsigned
``I32``        ``int``             4, two's complement
``Bool``       ``bool``            1; written 0 or 1, read as non-zero
``String``     ``str``             count (``U32``), then text (:mod:`soulmesh.wire.text`)
``Bytes``      ``bytes``           count (``U32``), then the bytes
``IPv4``       ``str``, dotted     4, the dotted quad reversed
``Raw``        ``bytes``           everything to the end of the message
``Array[T]``   ``Sequence[T]``     count (``U32``), then the elements; read as a list
``FileSize``   ``int``             8; sizes broken by old clients are mended
a struct       its class           its fields in order
=============  ==================  =======================================================
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

__all__ = [
    "I32",
    "LATE",
    "U8",
    "U16",
    "U32",
    "U64",
    "Array",
    "Bool",
    "Bytes",
    "FileSize",
    "IPv4",
    "Parallel",
    "Raw",
    "Short",
    "String",
    "When",
]


@dataclass(frozen=True, slots=True)
class Fixed:
    """A number of fixed width: ``format`` is its letter in :mod:`struct`."""

    format: str


@dataclass(frozen=True, slots=True)
class Text:
    """Counted text."""


@dataclass(frozen=True, slots=True)
class Blob:
    """Counted bytes."""


@dataclass(frozen=True, slots=True)
class Address:
    """An IPv4 address, four bytes, in reverse order."""


@dataclass(frozen=True, slots=True)
class Rest:
    """The rest of the message."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A counted list."""


@dataclass(frozen=True, slots=True)
class MendedSize:
    """A file size whose upper half may be all ones.

    Soulseek NS fills the upper 32 bits of sizes above 2 GiB with ones; the
    lower half is right.
    """


@dataclass(frozen=True, slots=True)
class Late:
    """The field may be missing at the end of the message; absent is ``None``."""


@dataclass(frozen=True, slots=True)
class When:
    """The field exists only if an earlier field has (or, with ``equal=False``, has not) a value."""

    field: str
    value: int | bool = True
    equal: bool = True


@dataclass(frozen=True, slots=True)
class Parallel:
    """This array runs parallel to an earlier one: it may be shorter, never longer."""

    field: str


@dataclass(frozen=True, slots=True)
class Short:
    """Some writers use a narrower number; it is taken if exactly that many bytes are left."""

    format: str


T = TypeVar("T")

U8 = Annotated[int, Fixed("B")]
U16 = Annotated[int, Fixed("H")]
U32 = Annotated[int, Fixed("I")]
U64 = Annotated[int, Fixed("Q")]
I32 = Annotated[int, Fixed("i")]
Bool = Annotated[bool, Fixed("?")]
String = Annotated[str, Text()]
Bytes = Annotated[bytes, Blob()]
IPv4 = Annotated[str, Address()]
Raw = Annotated[bytes, Rest()]
FileSize = Annotated[int, Fixed("Q"), MendedSize()]
Array = Annotated[Sequence[T], Counted()]
LATE = Late()
