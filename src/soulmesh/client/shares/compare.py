"""One root on its way from the disk into the store: what is new, what is different, what is gone."""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

from soulmesh.client.shares.audio import audio_suffix
from soulmesh.client.shares.model import Root
from soulmesh.client.shares.store import Store, Writes
from soulmesh.client.shares.walk import Rules, left_out, walk

__all__ = ["Comparison", "Found", "Gone", "Scan"]


_TAKE_IN: Final = (
    "INSERT OR REPLACE INTO files (folder, name, size, mtime, inode, attributes) VALUES (?, ?, ?, ?, ?, ?)"
)
_FORGET_FOLDER: Final = (
    "DELETE FROM folders WHERE id = ? AND NOT EXISTS (SELECT 1 FROM files WHERE folder = folders.id)"
)


class Scan(Protocol):
    """What a comparison needs of the scan that it is part of."""

    writes: Writes

    def dirty(self) -> None: ...

    def noted(self, root: int, folder: bytes, name: bytes) -> None: ...

    def folder_number(self) -> int: ...

    def tell_walking(self, root: str, done: int, total: int) -> None: ...


class Found(Protocol):
    """What is counted."""

    added: int
    changed: int


@dataclass(frozen=True, slots=True)
class Gone:
    """A stored file that is not on the disk, or not shared any more."""

    folder: int
    name: bytes
    below: bytes
    """The folder's path below the root."""

    @property
    def path(self) -> bytes:
        """Its own path below the root."""
        return self.below + b"/" + self.name if self.below else self.name


class Comparison:
    """One root on its way from the disk into the store."""

    def __init__(
        self,
        scan: Scan,
        store: Store,
        root: Root,
        rules: Rules,
        found: Found,
        total: int,
        only: Collection[bytes] | None,
    ) -> None:
        self.root = root
        self.rules = rules
        self.total = total
        """Files that were known before."""
        self.only = None if only is None else _outermost(only)
        self.problems: dict[bytes, str] = {}
        self._scan = scan
        self._store = store
        self._found = found
        self._folders: dict[bytes, int] = {}
        self._by_remote: dict[bytes, bytes] = {}
        self._seen: set[int] = set()
        self._missing: list[tuple[int, bytes, bytes]] = []
        self._kept: set[bytes] = set()
        self._fresh: dict[tuple[int, int, int], list[tuple[int, bytes]]] = {}
        self._moved: set[tuple[int, bytes]] = set()
        self._left_out = left_out(rules)

    def run(self) -> None:
        """Walk, and write down what is new or different."""
        for number, remote, path in self._store.execute(
            "SELECT id, remote, path FROM folders WHERE root = ?", (self.root.id,)
        ):
            self._folders[path] = number
            self._by_remote[remote] = path
        scan, name = self._scan, os.fsdecode(self.root.name)
        done = 0
        for relative, files in walk(self.rules, self._problem, only=self.only):
            number = self._folder(relative)
            if number is None:
                continue
            self._seen.add(number)
            if any(b"\\" in file[0] for file in files):
                files = [file for file in files if not self._twin(relative, file[0])]
            stored = self._store.execute(
                "SELECT name, size, mtime, inode FROM files WHERE folder = ? ORDER BY name", (number,)
            ).fetchall()
            if stored != files:
                self._compare(number, relative, stored, files)
            done += len(files)
            scan.tell_walking(name, done, self.total)
        scan.tell_walking(name, done, done)

    def _problem(self, path: bytes, error: OSError) -> None:
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            return  # gone while we looked
        # What cannot be read now is not gone: its entries stay.
        self.problems[path] = error.strerror or str(error)
        self._kept.add(path)

    def _folder(self, relative: bytes) -> int | None:
        number = self._folders.get(relative)
        if number is None:
            remote = relative.replace(b"/", b"\\")
            other = self._by_remote.get(remote)
            if other is not None:
                self.problems[relative] = f"looks to others like {os.fsdecode(other)}"
                return None
            self._scan.dirty()
            number = self._scan.folder_number()
            self._scan.writes.add(
                "INSERT INTO folders (id, root, remote, path) VALUES (?, ?, ?, ?)",
                (number, self.root.id, remote, relative),
            )
            self._folders[relative] = number
            self._by_remote[remote] = relative
        return number

    def _twin(self, relative: bytes, name: bytes) -> bool:
        """Whether a file with a backslash in its name looks to others like one that lies deeper."""
        other = self._deeper(relative, name) if b"\\" in name else None
        if other is None:
            return False
        path = relative + b"/" + name if relative else name
        self.problems[path] = f"looks to others like {os.fsdecode(other)}"
        return True

    def _deeper(self, relative: bytes, name: bytes) -> bytes | None:
        at = name.find(b"\\")
        while at > 0:
            folder = relative + b"/" + name[:at] if relative else name[:at]
            rest = name[at + 1 :]
            whole = os.path.join(os.fsencode(self.root.path), folder)
            if rest and os.path.isdir(whole) and not os.path.islink(whole):
                path = folder + b"/" + rest
                if os.path.isfile(os.path.join(whole, rest)) and not self._left_out(path):
                    return path
                found = self._deeper(folder, rest)
                if found is not None:
                    return found
            at = name.find(b"\\", at + 1)
        return None

    def _compare(
        self,
        folder: int,
        relative: bytes,
        stored: list[tuple[bytes, int, int, int]],
        files: list[tuple[bytes, int, int, int]],
    ) -> None:
        scan = self._scan
        scan.dirty()
        remote = relative.replace(b"/", b"\\")
        before = {row[0]: row for row in stored}
        for file in files:
            name = file[0]
            known = before.pop(name, None)
            if known == file:
                continue
            if known is None:
                self._found.added += 1
            else:
                self._found.changed += 1
            audio = audio_suffix(name) is not None
            scan.writes.add(_TAKE_IN, (folder, *file, None if audio else b""))
            if self.total:
                self._fresh.setdefault(file[1:], []).append((folder, name))
            scan.noted(self.root.id, remote, name)
        self._missing += [(folder, name, relative) for name in before]

    def recognise_moved(self) -> None:
        """A file with the size, time and inode of one that is gone is that file: it is not lost, and
        need not be read again if it is of the same kind."""
        if not self._fresh:
            return
        for folder, name, _ in self._absent():
            row = self._store.execute(
                "SELECT size, mtime, inode, attributes, problem, passing FROM files"
                " WHERE folder = ? AND name = ?",
                (folder, name),
            ).fetchone()
            places = self._fresh.get(tuple(row[:3])) if row is not None else None
            if not places:
                continue
            # One for one: of two links to a file that became one, one is gone.
            place = places.pop()
            self._moved.add((folder, name))
            if row[3] is not None and audio_suffix(name) == audio_suffix(place[1]):
                self._scan.writes.add(
                    "UPDATE files SET attributes = ?, problem = ?, passing = ? WHERE folder = ? AND name = ?",
                    (*row[3:6], *place),
                )

    def _absent(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Stored files that the walk did not meet: (folder, name, path of the folder)."""
        yield from self._missing
        for path, number in self._folders.items():
            if number in self._seen or not self.in_scope(path):
                continue
            for (name,) in self._store.execute(
                "SELECT name FROM files WHERE folder = ?", (number,)
            ).fetchall():
                yield number, name, path

    def gone(self) -> list[Gone]:
        """Files to take out."""
        rows = [Gone(folder, name, below) for folder, name, below in self._absent()]
        return [row for row in rows if not _below_any(self._kept, row.path)] if self._kept else rows

    def moved(self, row: Gone) -> bool:
        """Whether a file that is gone was met under another name, by :meth:`recognise_moved`."""
        return (row.folder, row.name) in self._moved

    def forget_folders(self) -> None:
        """Folders that are gone, with nothing in them any more."""
        for path, number in self._folders.items():
            if number not in self._seen and self.in_scope(path) and not _below_any(self._kept, path):
                self._scan.writes.add(_FORGET_FOLDER, (number,))

    def in_scope(self, path: bytes) -> bool:
        """Whether a folder, by its path below the root, is one of those that are looked at."""
        return self.only is None or _below_any(self.only, path)


def _below_any(folders: Collection[bytes], path: bytes) -> bool:
    """Whether a path, or a folder that it lies in, is among ``folders``."""
    if b"" in folders or path in folders:
        return True
    slash = path.rfind(b"/")
    while slash > 0:
        path = path[:slash]
        if path in folders:
            return True
        slash = path.rfind(b"/")
    return False


def _outermost(folders: Collection[bytes]) -> set[bytes]:
    """Without those that lie in another one of them."""
    found: set[bytes] = set()
    for folder in sorted(folders, key=len):
        if not _below_any(found, folder):
            found.add(folder)
    return found
