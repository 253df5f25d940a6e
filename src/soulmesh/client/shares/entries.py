"""File entries as the messages carry them, packed once and cut out of a mapped file afterwards.

One entry is a ``FileData`` structure of a directory listing::

    u8 1 | string name | u64 size | string extension (empty) | u32 n | n x (u32 key, u32 value)

A search answer has the full path where the listing has the name; everything
behind the name is the same bytes. Names are bytes here, from the disk to the
wire: a peer asks for a file by sending back what it was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from struct import Struct
from typing import Final

from soulmesh.core.query import fold
from soulmesh.wire.structs import Attribute, FileData
from soulmesh.wire.text import text as wire_text

__all__ = [
    "FOLDER_HEADER",
    "file_data",
    "folded",
    "pack_attributes",
    "pack_entry",
    "pack_folder_header",
    "searchable",
    "unpack_attributes",
    "unpack_entry",
]

_U32: Final = Struct("<I")
_NAME: Final = Struct("<BI")
_TAIL: Final = Struct("<QII")
_PAIR: Final = Struct("<II")
FOLDER_HEADER: Final = _U32
"""Before a folder's name, and again (the number of files) behind it."""


def pack_attributes(attributes: Mapping[int, int]) -> bytes:
    """Attributes as (key, value) pairs of u32, in order of their keys, without a count."""
    return b"".join(_PAIR.pack(key, min(value, 0xFFFFFFFF)) for key, value in sorted(attributes.items()))


def unpack_attributes(packed: bytes | memoryview) -> dict[int, int]:
    """The reverse of :func:`pack_attributes`."""
    return dict(_PAIR.iter_unpack(packed))


def pack_entry(name: bytes, size: int, attributes: bytes) -> bytes:
    """One file of a directory listing; ``attributes`` as from :func:`pack_attributes`."""
    return _NAME.pack(1, len(name)) + name + _TAIL.pack(size, 0, len(attributes) >> 3) + attributes


def unpack_entry(entry: bytes | memoryview) -> tuple[bytes, int, dict[int, int]]:
    """Name, size in bytes and attributes of a packed entry."""
    length = _U32.unpack_from(entry, 1)[0]
    size, _, count = _TAIL.unpack_from(entry, 5 + length)
    start = 5 + length + _TAIL.size
    return bytes(entry[5 : 5 + length]), size, unpack_attributes(entry[start : start + 8 * count])


def pack_folder_header(folder: bytes, files: int) -> bytes:
    """What stands before the files of a folder in a listing."""
    return _U32.pack(len(folder)) + folder + _U32.pack(files)


def searchable(name: bytes) -> str:
    """A name as text: UTF-8, or else Latin-1, the way readers of the protocol see it."""
    try:
        return name.decode()
    except UnicodeDecodeError:
        return name.decode("latin-1")


def folded(names: Iterable[bytes]) -> str:
    """A path, given in parts, in the form that queries are compared with."""
    return "\\".join(fold(searchable(name)) for name in names)


def file_data(entry: bytes) -> FileData:
    """A packed entry as a message has it."""
    name, size, attributes = unpack_entry(entry)
    return FileData(
        1, wire_text(name), size, "", [Attribute(key, value) for key, value in attributes.items()]
    )
