"""Where files go. Names come from strangers; no name of theirs leads out of the folder given.

A finished download lies at ``{folder}/{name}`` under the downloads folder
unless another template says otherwise. Templates are split at ``/`` before
anything is put in, so what is put in can add names but no levels, except for
``{folders}``, which stands for all the remote folders.

======================  ======================================================
``{name}``              the file's name
``{stem}``, ``{ext}``   the same in two parts, the dot left out
``{folder}``            the last remote folder
``{parent}``            the one above it
``{folders}``           all remote folders but the share's own name
``{username}``          who had it
======================  ======================================================
"""

from __future__ import annotations

import hashlib
import os
import re
import string
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath

from soulmesh.errors import ConfigError
from soulmesh.wire import raw

__all__ = ["DEFAULT_TEMPLATE", "Layout", "incomplete_name", "numbered", "remote_parts", "safe_name"]

DEFAULT_TEMPLATE = "{folder}/{name}"
LONGEST_NAME = 240
"""Bytes. File systems take 255; the rest is room for a number and a suffix."""
LONGEST_PATH = 3800
"""Bytes below the downloads folder, with room to spare under Linux's 4,096."""
DEEPEST = 12

_FIELDS = frozenset({"name", "stem", "ext", "folder", "parent", "folders", "username"})
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)
_SEPARATORS = str.maketrans("/\\", "__")
# What Windows forbids.
_FORBIDDEN = str.maketrans(dict.fromkeys('<>:"|?*', "_"))
_WINDOWS = os.name == "nt"
# Letters of ASCII that are shown and allowed everywhere: most names have no others.
_PLAIN = re.compile(r"[ !#-)+-.0-9;=@-\[\]-{}~]*")
# They change the order in which a name is shown: a program dressed up as a song.
_DIRECTION_MARKS = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C])
# Old names in the code page of Windows arrive as Latin-1; their quotes and dashes are control codes there.
_CP1252 = {n: bytes([n]).decode("cp1252", "replace").replace("\ufffd", "_") for n in range(0x80, 0xA0)}


@lru_cache(2048)
def safe_name(name: str, *, longest: int = LONGEST_NAME, portable: bool = False) -> str:
    """One name for one file or folder, whatever ``name`` is. Never empty, never ``.`` or ``..``.

    What others wrote stays as it is wherever it can: programs reckon with it. A ``portable`` name can be
    copied to any system: marks, blanks and dots that Windows does not take are replaced, and accents are
    part of their letters.
    """
    portable = portable or _WINDOWS
    text = str(name)
    if not _PLAIN.fullmatch(text):
        text = text.translate(_CP1252).translate(_DIRECTION_MARKS).translate(_SEPARATORS)
        if portable:
            text = unicodedata.normalize("NFC", text.translate(_FORBIDDEN))
        text = "".join("_" if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") else c for c in text)
    if portable:
        text = _without_edges(_shortened(_without_edges(text), longest))
    else:
        text = _shortened(text, longest)
    if text.strip(". \t") == "":
        return "_"
    if _RESERVED.fullmatch(text):
        return _shortened("_" + text, longest)
    return text


def remote_parts(remote_path: str) -> list[str]:
    """The parts of a remote path, without empty ones and those that mean "here" and "above"."""
    parts = remote_path.replace("/", "\\").split("\\")
    return [part for part in parts if part.strip() not in ("", ".", "..")]


def incomplete_name(username: str, remote_path: str) -> str:
    """The name of the file in which a download grows.

    The same user and remote path (its very bytes) always give the same name,
    any other pair another one.
    """
    user = username.encode("utf-8", "surrogateescape")
    digest = hashlib.sha256(b"%d:" % len(user) + user + raw(remote_path)).hexdigest()[:32]
    parts = remote_parts(remote_path)
    shown = safe_name(parts[-1] if parts else "_", longest=120, portable=True)
    return f"{digest}-{shown}.part"


def numbered(name: str) -> Iterator[str]:
    """The name itself, then ``name (2).ext``, ``name (3).ext`` and so on."""
    yield name
    stem, ext = _split(name)
    number = 2
    while True:
        suffix = f" ({number})"
        yield _cut(stem, LONGEST_NAME + 10 - len(suffix) - len(ext.encode())) + suffix + ext
        number += 1


@dataclass(frozen=True, slots=True)
class Layout:
    """A rule for the places of finished files.

    Args:
        portable: make names that every system takes, see :func:`safe_name`.

    Raises:
        ConfigError: the template has unknown fields, or could leave the folder.
    """

    template: str = DEFAULT_TEMPLATE
    portable: bool = False

    def __post_init__(self) -> None:
        pieces = self.template.split("/")
        if self.template.startswith("/") or "\\" in self.template or "\0" in self.template:
            raise ConfigError(f"template {self.template!r}: give a relative path with forward slashes")
        for piece in pieces:
            if piece.strip() in ("", ".", ".."):
                raise ConfigError(f"template {self.template!r}: {piece!r} is no name")
            try:
                fields = list(string.Formatter().parse(piece))
            except ValueError as error:
                raise ConfigError(f"template {self.template!r}: {error}") from error
            for _, field, spec, conversion in fields:
                if field is not None and (field not in _FIELDS or spec or conversion):
                    known = ", ".join(sorted(_FIELDS))
                    raise ConfigError(f"template {self.template!r}: no field {{{field}}}; there are {known}")
                if field == "folders" and piece != "{folders}":
                    raise ConfigError(f"template {self.template!r}: {{folders}} must stand alone")
        if pieces[-1] == "{folders}":
            raise ConfigError(f"template {self.template!r}: the last part must name the file")

    def safe(self, name: str) -> str:
        """One safe name, portable if the rule says so."""
        return safe_name(name, portable=self.portable)

    def place(self, username: str, remote_path: str) -> PurePath:
        """The relative path for a file: safe names only, and never deeper or longer than a system takes."""
        parts = remote_parts(remote_path)
        name = self.safe(parts[-1]) if parts else "_"
        stem, ext = _split(name)
        values = {
            "name": name,
            "stem": stem,
            "ext": ext.removeprefix("."),
            "folder": parts[-2] if len(parts) > 1 else username,
            "parent": parts[-3] if len(parts) > 2 else username,
            "username": username,
        }
        folders = [self.safe(part) for part in parts[1:-1]][-DEEPEST:]
        built: list[str] = []
        for piece in self.template.split("/"):
            if piece == "{folders}":
                built += folders
            else:
                built.append(self.safe(piece.format_map(values)))
        while len(built) > 1 and len("/".join(built).encode()) > LONGEST_PATH:
            del built[0]
        return PurePath(*built)

    def path(self, root: Path, username: str, remote_path: str) -> Path:
        """:meth:`place` under ``root``."""
        return root / self.place(username, remote_path)


def _split(name: str) -> tuple[str, str]:
    """Stem and extension with its dot; an extension is short and has no blanks."""
    stem, dot, ext = name.rpartition(".")
    if not dot or not stem or len(ext.encode()) > 16 or " " in ext:
        return name, ""
    return stem, "." + ext


def _shortened(name: str, longest: int) -> str:
    if len(name.encode()) <= longest:
        return name
    stem, ext = _split(name)
    return _cut(stem, longest - len(ext.encode())) + ext


def _cut(text: str, size: int) -> str:
    """The longest beginning of ``text`` with at most ``size`` bytes, no character halved."""
    data = text.encode()
    return text if len(data) <= size else data[: max(size, 0)].decode("utf-8", "ignore")


def _without_edges(text: str) -> str:
    # Windows drops trailing dots and blanks by itself, so two names would become one.
    return text.lstrip().rstrip(". \t")
