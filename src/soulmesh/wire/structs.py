"""Structures that occur inside messages."""

from __future__ import annotations

from soulmesh.wire.message import Struct, struct
from soulmesh.wire.types import I32, U8, U32, U64, Array, FileSize, IPv4, String

__all__ = [
    "Attribute",
    "DirectoryData",
    "FileData",
    "PotentialParent",
    "Recommendation",
    "RelatedSearch",
    "RoomTicker",
    "SimilarUser",
    "UserStats",
]


@struct
class UserStats(Struct):
    """TODO."""

    avg_speed: U32
    uploads: U64
    shared_file_count: U32
    shared_folder_count: U32


@struct
class Attribute(Struct):
    """TODO."""

    key: U32
    value: U32


@struct
class FileData(Struct):
    """TODO."""

    unknown: U8
    filename: String
    filesize: FileSize
    extension: String
    attributes: Array[Attribute]


@struct
class DirectoryData(Struct):
    """TODO."""

    name: String
    files: Array[FileData]


@struct
class Recommendation(Struct):
    """TODO."""

    recommendation: String
    score: I32


@struct
class SimilarUser(Struct):
    """TODO."""

    username: String
    score: U32


@struct
class RoomTicker(Struct):
    """TODO."""

    username: String
    ticker: String


@struct
class PotentialParent(Struct):
    """TODO."""

    username: String
    ip: IPv4
    port: U32


@struct
class RelatedSearch(Struct):
    """TODO."""

    term: String
    score: U32
