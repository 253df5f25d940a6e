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
    """What the server counts about one user. Always 20 bytes.

    ``avg_speed`` is the average upload speed in bytes per second, formed by the server from the reports
    in SendUploadSpeed; the last two count what is shared. ``uploads`` counts finished uploads. It fills
    64 bits, but only the lower 32 were ever seen in use, and Nicotine+ and Soulfind read the upper half
    as a field of its own: write it as 0.
    """

    avg_speed: U32
    uploads: U64
    shared_file_count: U32
    shared_folder_count: U32


@struct
class Attribute(Struct):
    """One number about a file.

    ``key`` is a :class:`~soulmesh.wire.enums.FileAttribute` and decides the unit of ``value`` (kbit/s,
    seconds, Hz, bits). Unknown keys are kept.
    """

    key: U32
    value: U32


@struct
class FileData(Struct):
    """One file, in a search reply or in a folder listing.

    ``filename`` is a whole remote path in search replies and a bare name inside a
    :class:`DirectoryData`. ``filesize`` is in bytes; what Soulseek NS makes of files above 2 GiB (upper
    half all ones) is mended on reading. ``unknown`` opens every file and is always 1: write that and do
    not look at it. ``extension`` has no dot and is empty in most programs of today; Soulseek NS shows
    no attributes unless it says "mp3". ``attributes`` may be empty.
    """

    unknown: U8
    filename: String
    filesize: FileSize
    extension: String
    attributes: Array[Attribute]


@struct
class DirectoryData(Struct):
    """One folder, with the files that lie directly in it.

    ``name`` is the remote path with backslashes. Folders inside come as entries of their own, those
    without files too.
    """

    name: String
    files: Array[FileData]


@struct
class Recommendation(Struct):
    """One interest and what the server thinks of it for us.

    ``score`` has a sign: below zero it is something to keep away from.
    """

    recommendation: String
    score: I32


@struct
class SimilarUser(Struct):
    """A user whose interests overlap with ours.

    ``score`` grows with the overlap: a count of common interests, or a weight made of it.
    """

    username: String
    score: U32


@struct
class RoomTicker(Struct):
    """What one user has pinned to the wall of a room."""

    username: String
    ticker: String


@struct
class PotentialParent(Struct):
    """A user who would take us as a child in the search tree.

    ``port`` is the clear listening port: D connections are never obfuscated beyond their first message.
    """

    username: String
    ip: IPv4
    port: U32


@struct
class RelatedSearch(Struct):
    """A query that others made next to ours. ``score`` ranks it, on a scale nobody has described."""

    term: String
    score: U32
