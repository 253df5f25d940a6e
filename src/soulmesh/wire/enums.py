"""Numbers and words with a meaning.

Fields keep the plain number or text that came in, so that an unknown value is
data and not an error; these names are for comparing and for writing.
"""

from __future__ import annotations

from enum import IntEnum, StrEnum

__all__ = [
    "ConnectionType",
    "DistributedCode",
    "FileAttribute",
    "LoginFailure",
    "LoginFailureDetail",
    "ObfuscationType",
    "TransferDenial",
    "TransferDirection",
    "UploadPermission",
    "UserStatus",
]


class UserStatus(IntEnum):
    """Presence of a user."""

    OFFLINE = 0
    AWAY = 1
    ONLINE = 2


class ConnectionType(StrEnum):
    """What a connection between two users is for."""

    PEER = "P"
    FILE = "F"
    DISTRIBUTED = "D"


class TransferDirection(IntEnum):
    """What the sender of a PeerTransferRequest wants to do."""

    DOWNLOAD = 0
    UPLOAD = 1


class FileAttribute(IntEnum):
    """Keys of the numbers that describe a file.

    Lossy files carry bitrate, duration and perhaps VBR; lossless ones duration,
    sample rate and bit depth.
    """

    BITRATE = 0
    """kbit/s"""
    DURATION = 1
    """seconds"""
    VBR = 2
    """0 or 1"""
    ENCODER = 3
    """not seen any more"""
    SAMPLE_RATE = 4
    """Hz"""
    BIT_DEPTH = 5
    """bits per sample"""


class UploadPermission(IntEnum):
    """From whom a user accepts files that were not asked for."""

    NOBODY = 0
    EVERYONE = 1
    USER_LIST = 2
    PERMITTED_USERS = 3


class ObfuscationType(IntEnum):
    """Which kind of obfuscated port a user has."""

    NONE = 0
    ROTATED = 1


class DistributedCode(IntEnum):
    """What a ServerSearchRequest wraps. Only searches were ever seen."""

    SEARCH_REQUEST = 3


class LoginFailure(StrEnum):
    """Why a login was refused."""

    INVALID_USERNAME = "INVALIDUSERNAME"
    EMPTY_PASSWORD = "EMPTYPASSWORD"
    INVALID_PASSWORD = "INVALIDPASS"
    INVALID_VERSION = "INVALIDVERSION"
    SERVER_FULL = "SVRFULL"
    SERVER_PRIVATE = "SVRPRIVATE"
    BANNED = "BANNED"
    """obsolete: a banned account gets no answer at all"""


class LoginFailureDetail(StrEnum):
    """What was wrong with the name, after INVALIDUSERNAME."""

    EMPTY = "Nick empty."
    TOO_LONG = "Nick too long."
    INVALID_CHARACTERS = "Invalid characters in nick."
    SURROUNDING_SPACES = "No leading and trailing spaces allowed in nick."
    RESERVED = ""


class TransferDenial(StrEnum):
    """Why a transfer was refused or ended. Compare without case and final dot: writers differ."""

    QUEUED = "Queued"
    COMPLETE = "Complete"
    CANCELLED = "Cancelled"
    FILE_NOT_SHARED = "File not shared."
    FILE_READ_ERROR = "File read error."
    BANNED = "Banned"
    PENDING_SHUTDOWN = "Pending shutdown."
    TOO_MANY_FILES = "Too many files"
    TOO_MANY_MEGABYTES = "Too many megabytes"
    DISALLOWED_EXTENSION = "Disallowed extension"
    REMOTE_FILE_ERROR = "Remote file error"
    FILE_NOT_SHARED_OLD = "File not shared"
    BLOCKED_COUNTRY = "Blocked country"
