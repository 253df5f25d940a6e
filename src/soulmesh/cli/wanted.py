"""What somebody asks for: files and folders of users, by name or as `slsk://` links."""

from __future__ import annotations

import urllib.parse
from collections.abc import Sequence
from dataclasses import dataclass

from soulmesh.errors import UsageError
from soulmesh.wire import raw, text

__all__ = ["Wanted", "in_latin_1", "wanted"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A file or a folder of a user."""

    username: str
    path: str
    folder: bool = False
    size: int | None = None
    """Bytes, and seconds, where a search told them."""
    length: int | None = None


def wanted(source: str, paths: Sequence[str], *, folder: bool) -> list[Wanted]:
    """What the arguments ask for: ``USER PATH...``, or ``slsk://user/path`` links.

    Raises:
        UsageError: it is neither.
    """
    if source.startswith("slsk://"):
        return [_link(link, folder=folder) for link in [source, *paths]]
    if not paths:
        raise UsageError("say whose file and which: soulmesh download USER PATH, or a slsk:// link")
    return [_named(_typed(source), path, folder=folder) for path in paths]


def _typed(word: str) -> str:
    """A word of the command line; bytes that are no UTF-8 come as lone surrogates, and mean themselves."""
    return text(word.encode("utf-8", "surrogateescape"))


def _named(username: str, path: str, *, folder: bool) -> Wanted:
    name = text(path.encode("utf-8", "surrogateescape").rstrip(b"\\/"))
    return Wanted(username, name, folder or path.endswith(("\\", "/")))


def _link(link: str, *, folder: bool) -> Wanted:
    """``slsk://user/path/with/forward/slashes``, percent-quoted; a slash at the end means a folder."""
    if not link.startswith("slsk://"):
        raise UsageError(f"{link!r} is no slsk:// link")
    user, _, path = link.removeprefix("slsk://").partition("/")
    # The name's very bytes count, and some are no UTF-8.
    name = text(urllib.parse.unquote_to_bytes(user))
    remote = text(urllib.parse.unquote_to_bytes(path).replace(b"/", b"\\"))
    if not name or not remote.strip("\\"):
        raise UsageError(f"{link!r} lacks the user or the path")
    is_folder = folder or remote.endswith("\\")
    return Wanted(name, text(raw(remote).rstrip(b"\\")), is_folder)


def in_latin_1(path: str) -> str | None:
    """The same name in the bytes of Latin-1, which the screen does not tell; ``None`` if there are none."""
    try:
        other = text(path.encode("latin-1"))
    except UnicodeEncodeError:
        return None
    return other if other == path and raw(other) != raw(path) else None
