"""The words of this package: roots, their rules, and who may see what."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import translate
from hashlib import blake2b
from pathlib import Path
from typing import Any
from unicodedata import normalize

from soulmesh.core.query import fold
from soulmesh.errors import NotFound, UsageError
from soulmesh.wire import text

__all__ = [
    "Access",
    "Audience",
    "Named",
    "NotShared",
    "Root",
    "RootRefused",
    "Symlinks",
    "excluder",
    "first_problem",
    "hidden_name",
    "pattern_problem",
    "remote_folder",
]


class Access(Enum):
    """What a user may do with the files of a root."""

    OPEN = "open"
    """See and download."""
    LOCKED = "locked"
    """See in a separate list, not download."""
    HIDDEN = "hidden"
    """Not even see."""


class Symlinks(Enum):
    """What becomes of symbolic links inside a root."""

    SKIP = "skip"
    """They are not there."""
    INSIDE = "inside"
    """Followed when what they point to lies inside the same root."""


class Named(Enum):
    """Whether a root is shared because settings name it: then it is no longer when they do not."""

    NOT = 0
    """Somebody shared it, and has to say when that ends."""
    BY_RUN = 1
    """Those of a program that ran, which its own options may have changed: its next run decides."""
    BY_SETTINGS = 2
    """Those that every program reads: each may decide."""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who a root is for."""

    everyone: bool = True
    friends: bool = False
    users: frozenset[str] = frozenset()
    groups: frozenset[str] = frozenset()
    locked: bool = False
    """Others see the files as locked instead of not at all."""

    def access(self, username: str, *, friend: bool, groups: Collection[str]) -> Access:
        """What a user may do with it."""
        if (
            self.everyone
            or (self.friends and friend)
            or username in self.users
            or not self.groups.isdisjoint(groups)
        ):
            return Access.OPEN
        return Access.LOCKED if self.locked else Access.HIDDEN

    def __str__(self) -> str:
        if self.everyone:
            return "everyone"
        parts = ["friends"] if self.friends else []
        parts += [f"user:{name}" for name in sorted(self.users)]
        parts += [f"group:{name}" for name in sorted(self.groups)]
        return ", ".join(parts or ["nobody"]) + (" (others see it locked)" if self.locked else "")

    @classmethod
    def parse(cls, words: Collection[str], *, locked: bool = False) -> Audience:
        """Read ``everyone``, ``friends``, ``user:NAME`` and ``group:NAME``.

        Raises:
            ValueError: a word that is none of these.
        """
        users, groups = set(), set()
        everyone = friends = False
        for word in words:
            kind, colon, name = word.partition(":")
            if word == "everyone":
                everyone = True
            elif word == "friends":
                friends = True
            elif kind == "user" and colon and name:
                users.add(name)
            elif kind == "group" and colon and name:
                groups.add(name)
            else:
                raise ValueError(f"{word!r} is none of everyone, friends, user:NAME, group:NAME")
        if not words:
            everyone = True
        return cls(everyone, friends, frozenset(users), frozenset(groups), locked)

    def as_json(self) -> dict[str, Any]:
        """For storing."""
        return {
            "everyone": self.everyone,
            "friends": self.friends,
            "users": sorted(self.users),
            "groups": sorted(self.groups),
            "locked": self.locked,
        }

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Audience:
        """The reverse of :meth:`as_json`."""
        return cls(
            stored["everyone"],
            stored["friends"],
            frozenset(stored["users"]),
            frozenset(stored["groups"]),
            stored["locked"],
        )


@dataclass(frozen=True, slots=True)
class Root:
    """One shared folder on disk and how it is offered."""

    id: int
    name: bytes
    """Its first part in remote paths: an alias, or ``@@abcde``."""
    path: Path
    audience: Audience = field(default_factory=Audience)
    exclude: tuple[str, ...] = ()
    """Patterns of names or of paths below the root that are left out."""
    hidden: bool = False
    """Names that begin with a dot are shared too."""
    symlinks: Symlinks = Symlinks.SKIP
    online: bool = True
    """False while the folder is not there: its entries are kept and not offered."""
    files: int = 0
    """Files at the end of the last scan."""
    scanned: str | None = None
    """When the last scan ended: ISO 8601, UTC."""
    named: Named = Named.NOT


class RootRefused(UsageError):
    """A folder cannot be shared, or not like this; ``reason`` says why."""

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class NotShared(NotFound):
    """A file that somebody asked for is not offered to them."""

    def __init__(self, remote_path: bytes, reason: str) -> None:
        self.remote_path = remote_path
        self.reason = reason
        """For us; the other side is told that the file is not shared, and nothing else."""

    def __str__(self) -> str:
        return f"{self.remote_path.decode('utf-8', 'replace')}: {self.reason}"


def remote_folder(root: bytes, relative: bytes) -> bytes:
    """The remote path of a folder, given its path below the root (empty for the root itself)."""
    return root + b"\\" + relative.replace(b"/", b"\\") if relative else root


def folder_name(path: Path, taken: Collection[bytes]) -> bytes:
    """The folder's own name, with a number behind it if that is ``taken``."""
    name = os.fsencode(path.name).replace(b"\\", b"_").strip() or b"Shared"
    chosen, number = name, 2
    while chosen in taken:
        chosen = b"%b %d" % (name, number)
        number += 1
    return chosen


def hidden_name(path: Path, machine: str) -> bytes:
    """A name that says nothing: ``@@`` and five letters, always the same for a folder of a machine."""
    digest = int.from_bytes(
        blake2b(os.fsencode(path) + b"\0" + machine.encode(), digest_size=8).digest(), "big"
    )
    letters = []
    for _ in range(5):
        digest, letter = divmod(digest, 26)
        letters.append(97 + letter)
    return b"@@" + bytes(letters)


def excluder(patterns: Collection[str]) -> Callable[[bytes], bool]:
    """Whether one of the exclusions leaves out a path below the root.

    ``*.tmp`` leaves out every such name, at any depth; ``Private`` a name in whole;
    a pattern with a slash is a path below the root: ``Artist/*/scans``. Case does
    not matter, nor whether accents are composed (as they are typed) or not (as some
    systems write them). What lies below an excluded folder is left out with it.
    """
    # Not the folded form alone: it has two letters for ß, where ? stands for one.
    wanted = {form for pattern in patterns for form in _forms(pattern.strip("/")) if form}
    parts = [
        translate(pattern) if "/" in pattern else r"(?:.*/)?" + translate(pattern)
        for pattern in sorted(wanted)
    ]
    if not parts:
        return lambda path: False
    match = re.compile("|".join(f"(?:{part})" for part in parts), re.IGNORECASE | re.DOTALL).match

    def leaves_out(path: bytes) -> bool:
        if path.isascii():
            return match(path.decode()) is not None
        shown = "/".join(map(text, path.split(b"/")))  # as others see it
        return any(match(form) for name in {os.fsdecode(path), shown} for form in _forms(name))

    return leaves_out


def _forms(name: str) -> set[str]:
    return {name, normalize("NFC", name), fold(name)}


def pattern_problem(pattern: str) -> str | None:
    """Why an exclusion cannot leave anything out; None for one that can.

    The patterns are those of :func:`excluder`.
    """
    parts = pattern.strip("/").split("/")
    if not all(parts):
        return "a name is missing in it"
    if "." in parts or ".." in parts:
        return "paths begin below the shared folder, without . and .."
    at = pattern.find("[")
    while at >= 0:
        # A bracket directly behind the first one, or behind its !, stands for itself.
        end = pattern.find("]", at + (3 if pattern[at + 1 : at + 2] == "!" else 2))
        if end < 0:
            return "its [ is never closed; [[] stands for a bracket"
        if "/" in pattern[at:end]:
            return "a slash cannot be between [ and ]"
        if "(?!)" in translate(pattern[at : end + 1]):
            return f"{pattern[at : end + 1]} stands for no sign at all"
        at = pattern.find("[", end)
    return None


def first_problem(root: Root, known: Collection[str]) -> str | None:
    """What is wrong with the first bad exclusion of a root, in words; those in ``known`` are let be."""
    for pattern in root.exclude:
        if pattern in known:
            continue
        problem = pattern_problem(pattern)
        if pattern.startswith(f"{root.path}/"):
            problem = "paths begin below the shared folder"
        if problem is not None:
            return f"the pattern {pattern} would leave out nothing: {problem}"
    return None
