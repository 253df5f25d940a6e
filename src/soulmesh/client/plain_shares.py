"""Shared files as a plain list: the simplest thing that answers searches, browsing and uploads.

Good for tests, and for who shares nothing or makes up a few files; folders on disk are
what :mod:`soulmesh.client.shares` is for.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from soulmesh import wire
from soulmesh.client.ports import Found, ShareCounts, Undo
from soulmesh.client.transfers.ports import SharedFile
from soulmesh.errors import UsageError
from soulmesh.wire import peer
from soulmesh.wire.structs import Attribute, DirectoryData, FileData

__all__ = ["PlainFile", "PlainShares", "UnreadableShare", "check_shareable"]


class UnreadableShare(UsageError):
    """A folder that was to be shared is not there, or cannot be read."""

    hint = "check the path, its owner and its permissions, or share another folder"

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        self.reason = reason

    def __str__(self) -> str:
        return f"cannot share {self.path}: {self.reason}"


def check_shareable(path: Path) -> None:
    """See that ``path`` is a folder whose files we can list and open.

    Raises:
        UnreadableShare: it is not.
    """
    try:
        with os.scandir(path):
            pass
    except FileNotFoundError:
        raise UnreadableShare(path, "there is no such folder") from None
    except NotADirectoryError:
        raise UnreadableShare(path, f"this is a file: share its folder, {path.parent}") from None
    except OSError as error:
        raise UnreadableShare(path, (error.strerror or str(error)).lower()) from error
    # Whoever may list a folder but not enter it sees names without files.
    if not os.access(path, os.X_OK):
        raise UnreadableShare(path, "it may be listed, but not entered")


@dataclass(frozen=True, slots=True)
class PlainFile(SharedFile):
    """One file that we share."""

    remote_path: str = ""
    attributes: tuple[tuple[int, int], ...] = ()


class PlainShares:
    """Shared files in a list. Implements the ``ShareIndex`` port."""

    def __init__(self, files: Iterable[PlainFile] = ()) -> None:
        self._files: dict[str, PlainFile] = {}
        self._handlers: list[Callable[[], None]] = []
        self._counts = ShareCounts()
        self.replace(files)

    @classmethod
    async def scan(cls, folders: Iterable[Path | str]) -> PlainShares:
        """Share everything below these folders, each under its own name.

        Raises:
            UnreadableShare: a folder is not there or cannot be read.
        """
        return cls(await asyncio.to_thread(_walk, [Path(folder) for folder in folders]))

    def replace(self, files: Iterable[PlainFile]) -> None:
        """Share these files and no others from now on."""
        self._files = {file.remote_path: file for file in files}
        folders = {path.rpartition("\\")[0] for path in self._files}
        self._counts = ShareCounts(len(folders), len(self._files))
        for handler in tuple(self._handlers):
            handler()

    @property
    def counts(self) -> ShareCounts:
        """Folders and files that everybody may have."""
        return self._counts

    async def search(self, query: str, *, username: str, limit: int, excluded: Sequence[str] = ()) -> Found:
        """Files that match a query; see :class:`soulmesh.client.ports.ShareIndex`."""
        wanted = _matcher(query)
        if wanted is None:
            return Found()
        barred = [phrase.lower() for phrase in excluded if phrase]
        results: list[FileData] = []
        for path, file in self._files.items():
            lowered = path.lower()
            if wanted(lowered) and not any(phrase in lowered for phrase in barred):
                results.append(_entry(path, file))
                if len(results) >= limit:
                    break
        return Found(results)

    async def browse(self, username: str) -> bytes:
        """The whole list, as a frame."""
        return wire.encode(peer.PeerSharesReply(self._directories(), 0))

    async def folder(self, username: str, directory: str) -> list[DirectoryData]:
        """The files of one folder and of those below it."""
        start = directory.rstrip("\\") + "\\"
        found = [one for one in self._directories() if (one.name + "\\").startswith(start)]
        return sorted(found, key=lambda one: one.name)

    async def locate(self, username: str, remote_path: str) -> PlainFile | None:
        """The file behind a remote path; ``None`` if there is none."""
        return self._files.get(remote_path)

    unsettled = False
    """They do not change while they are shared."""

    async def locate_all(
        self, username: str, remote_paths: Sequence[str], *, read: int = 0
    ) -> Sequence[PlainFile | None]:
        """:meth:`locate` for several at once."""
        return [self._files.get(path) for path in remote_paths]

    def on_changed(self, handler: Callable[[], None]) -> Undo:
        """Call ``handler`` after :attr:`counts` changed."""
        self._handlers.append(handler)

        def undo() -> None:
            if handler in self._handlers:
                self._handlers.remove(handler)

        return undo

    def _directories(self) -> list[DirectoryData]:
        found: dict[str, list[FileData]] = {}
        for path, file in sorted(self._files.items()):
            folder, _, name = path.rpartition("\\")
            found.setdefault(folder, []).append(_entry(name, file))
        return [DirectoryData(name, files) for name, files in found.items()]


def _entry(name: str, file: PlainFile) -> FileData:
    return FileData(1, name, file.size, "", [Attribute(key, value) for key, value in file.attributes])


def _matcher(query: str) -> Callable[[str], bool] | None:
    """flows.rst, "Query rules"; ``None`` if nothing is asked for."""
    wanted: list[re.Pattern[str]] = []
    barred: list[re.Pattern[str]] = []
    for term in query.lower().split():
        chosen = barred if term.startswith("-") else wanted
        term = term.removeprefix("-")
        wildcard = term.startswith("*")
        term = term.lstrip("*")
        if not term:
            continue
        # The underscore separates words, as any other character that is not a letter or digit.
        start = r"(?:^|[\W_])" + (r"[^\W_]*" if wildcard else "")
        chosen.append(re.compile(start + re.escape(term) + r"(?:[\W_]|$)"))
    if not wanted:
        return None
    return lambda path: all(p.search(path) for p in wanted) and not any(p.search(path) for p in barred)


def _walk(roots: Sequence[Path]) -> list[PlainFile]:
    files: list[PlainFile] = []
    names: set[str] = set()
    for root in (root.expanduser() for root in roots):
        check_shareable(root)
        base = root.resolve().name or "root"
        name, number = base, 2
        while name in names:
            name, number = f"{base} ({number})", number + 1
        names.add(name)

        def refuse(error: OSError, root: Path = root) -> None:
            if error.filename == str(root):
                raise UnreadableShare(root, error.strerror or str(error))

        for folder, below, entries in os.walk(root, onerror=refuse):
            below.sort()
            inside = Path(folder).relative_to(root).parts
            for entry in sorted(entries):
                path = Path(folder, entry)
                try:
                    size = path.stat().st_size
                except OSError:
                    continue
                remote = "\\".join((name, *inside, entry))
                files.append(PlainFile(path, size, remote_path=wire.text(os.fsencode(remote))))
    return files
