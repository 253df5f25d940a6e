"""Finished transfers as they are listed: their JSON, ready on disk, and what changed since in memory.

A list of a hundred thousand transfers is some 50 MB of JSON. It is put together once and kept in a file
beside the database, just as it will be sent; the file is mapped, so that a list of all of it is a few long
slices, and the memory is the system's. What ended since is kept by folder, as its JSON too: a folder that
changed is written around its slice of the file, and all others are sent as they lie there. When the file is
written and what is known to have changed since is the matter of :mod:`soulmesh.daemon.shelves`.
"""

from __future__ import annotations

import io
import json
import mmap
import secrets
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from pathlib import Path
from typing import Any, BinaryIO, Self

from soulmesh.daemon.written import to_json

__all__ = ["Folder", "Folders", "Piece", "Row", "Shelf", "compose"]

Folders = dict[str, list[bytes]]
"""The transfers of one user by directory, each written as JSON."""
Piece = bytes | memoryview
"""A part of an answer."""
Folder = tuple[str, str]
"""A user and a directory."""
Row = tuple[str, str, bytes]
"""A user, a directory, and a transfer as JSON."""

_LOOK = 1 << 20


def _user_head(username: str) -> bytes:
    return b'{"username":%s,"directories":[' % to_json(username)


def _folder_head(directory: str, count: int) -> bytes:
    return b'{"directory":%s,"fileCount":%d,"files":[' % (to_json(directory), count)


_END = b"]}"


@dataclass(slots=True)
class _Changed:
    """A folder that is not as the file has it; without files it is not listed."""

    count: int
    files: list[Piece]


@dataclass(slots=True)
class _User:
    """The folders of a user: where they lie in the file, and which have changed."""

    numbers: dict[str, int] = field(default_factory=dict)
    counts: list[int] = field(default_factory=list)
    starts: Sequence[int] = (0,)
    """Of each folder, and one behind the last one's comma."""
    changed: dict[str, _Changed] = field(default_factory=dict)


class Shelf:
    """The finished transfers of one direction that are listed, over the file or over the same in memory."""

    def __init__(self, data: memoryview, index: Mapping[str, list[Any]]) -> None:
        self._data = data
        self._numbers = {str(name): number for number, name in enumerate(index["users"])}
        self._starts = _sums(0, index["entries"])
        self._places = _sums(self._starts[-1], index["folders"])
        if len(self._starts) != len(self._numbers) + 1 or len(self._places) != len(self._starts):
            raise ValueError("the index is not whole")
        self._opened: dict[str, _User] = {}
        self.stale: set[Folder] = set()
        """Folders that have to be read again before anything is listed."""
        self.reading: set[Folder] = set()
        """Those among them that are being read."""
        self.version = secrets.token_hex(8)
        """Another one for other contents."""
        self.added = 0
        """Transfers that are kept in memory, since the file does not have them."""

    @classmethod
    def of(cls, rows: Iterable[Row] = ()) -> Self:
        """In memory alone: every transfer, in the order of the list."""
        file = io.BytesIO()
        compose(file, rows, "")
        return cls(*_parts(memoryview(file.getvalue()), ""))

    @classmethod
    def read(cls, path: Path, token: str) -> Self | None:
        """Over a file that :func:`compose` wrote; ``None`` if it is not that one, or damaged."""
        try:
            with path.open("rb", buffering=0) as file:
                # Mapped, not read: the memory is the system's, who may have it back.
                data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
                found = cls(*_parts(data, token))
                # Looked through once, here in a thread: who asks first does not wait for the disk.
                taken = bytearray(_LOOK)
                for start in range(0, len(data), _LOOK):
                    file.readinto(taken)
                    bytes(data[start : start + _LOOK : mmap.PAGESIZE])
                return found
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return None

    def add(self, username: str, directory: str, body: bytes) -> None:
        """One more transfer ended."""
        if (username, directory) in self.stale:
            return
        if (username, directory) in self.reading:
            self.stale.add((username, directory))
            return
        self.version = secrets.token_hex(8)
        user = self._open(username)
        changed = user.changed.setdefault(directory, self._with(user, directory, ()))
        changed.files.append(body)
        changed.count += 1
        self.added += 1

    def replace(self, username: str, directory: str, bodies: list[bytes]) -> None:
        """This is all that a folder holds."""
        self.version = secrets.token_hex(8)
        self._open(username).changed[directory] = _Changed(len(bodies), list(bodies))
        self.added += len(bodies)

    def pieces(self, live: Mapping[str, Folders]) -> list[Piece]:
        """All users as one JSON array, with what is under way."""
        special = {**dict.fromkeys(self._opened), **dict.fromkeys(live)}
        known = sorted((name for name in special if name in self._numbers), key=self._numbers.__getitem__)
        entries: list[list[Piece]] = []
        at = 0
        for username in known:
            number = self._numbers[username]
            entries += self._run(self._starts, at, number)
            entries.append(self.user(username, live.get(username, {})))
            at = number + 1
        entries += self._run(self._starts, at, len(self._numbers))
        entries += [self.user(name, live.get(name, {})) for name in special if name not in self._numbers]
        return [b"[", *_joined(entries), b"]"]

    def user(self, username: str, live: Folders) -> list[Piece]:
        """The entry of one user; empty if nothing is listed."""
        number = self._numbers.get(username)
        if username not in self._opened and not live:
            return [] if number is None else [self._slice(self._starts, number, number + 1)]
        user = self._open(username)
        special = {**dict.fromkeys(user.changed), **dict.fromkeys(live)}
        known = sorted((name for name in special if name in user.numbers), key=user.numbers.__getitem__)
        folders: list[list[Piece]] = []
        at = 0
        for directory in known:
            folders += self._run(user.starts, at, user.numbers[directory])
            folders.append(self._folder(user, directory, live))
            at = user.numbers[directory] + 1
        folders += self._run(user.starts, at, len(user.numbers))
        folders += [self._folder(user, name, live) for name in special if name not in user.numbers]
        listed = list(_joined(folders))
        return [_user_head(username), *listed, _END] if listed else []

    def _folder(self, user: _User, directory: str, live: Folders) -> list[Piece]:
        found = self._with(user, directory, live.get(directory, ()))
        if not found.count:
            return []
        return [_folder_head(directory, found.count), *_joined([[file] for file in found.files]), _END]

    def _with(self, user: _User, directory: str, bodies: Sequence[bytes]) -> _Changed:
        """The files of a folder and some more; those of the file are one piece."""
        changed = user.changed.get(directory)
        if changed is not None:
            return _Changed(changed.count + len(bodies), [*changed.files, *bodies])
        number = user.numbers.get(directory)
        if number is None:
            return _Changed(len(bodies), list(bodies))
        entry, count = self._slice(user.starts, number, number + 1), user.counts[number]
        files = entry[len(_folder_head(directory, count)) : -len(_END)]
        return _Changed(count + len(bodies), [files, *bodies])

    def _open(self, username: str) -> _User:
        """A user's folders one by one, from now on."""
        user = self._opened.get(username)
        if user is None:
            user = _User()
            number = self._numbers.get(username)
            if number is not None:
                found = json.loads(bytes(self._data[self._places[number] : self._places[number + 1]]))
                start = self._starts[number] + len(_user_head(username))
                user.numbers = {name: place for place, name in enumerate(found["names"])}
                user.counts = found["counts"]
                user.starts = _sums(start, found["lengths"])
            self._opened[username] = user
        return user

    def _run(self, starts: Sequence[int], first: int, behind: int) -> list[list[Piece]]:
        """Neighbours in the file that are sent as they lie there."""
        return [[self._slice(starts, first, behind)]] if first < behind else []

    def _slice(self, starts: Sequence[int], first: int, behind: int) -> memoryview:
        return self._data[starts[first] : starts[behind] - 1]


# -- the file: the entries of all users, where the folders of each are in it, and where those of each user


def compose(file: BinaryIO, rows: Iterable[Row], token: str) -> None:
    """Write all that is listed, in the order of ``rows``: by user and directory. ``token`` is what tells this
    file from others."""
    users: list[str] = []
    entries: list[int] = []
    places: list[bytes] = []
    for username, of_user in groupby(rows, key=lambda row: row[0]):
        if users:
            file.write(b",")
        names: list[str] = []
        counts: list[int] = []
        lengths: list[int] = []
        head = _user_head(username)
        file.write(head)
        for directory, of_folder in groupby(of_user, key=lambda row: row[1]):
            if names:
                file.write(b",")
            bodies = [row[2] for row in of_folder]
            entry = b"%s%s%s" % (_folder_head(directory, len(bodies)), b",".join(bodies), _END)
            file.write(entry)
            names.append(directory)
            counts.append(len(bodies))
            lengths.append(len(entry) + 1)
        file.write(_END)
        users.append(username)
        # A comma follows each folder but the last, and each user but the last.
        entries.append(len(head) + sum(lengths) - 1 + len(_END) + 1)
        places.append(to_json({"names": names, "counts": counts, "lengths": lengths}))
    # What is behind the last user stands for its comma.
    file.write(b"\n" if users else b"")
    file.writelines(places)
    index = {"token": token, "users": users, "entries": entries, "folders": [len(one) for one in places]}
    text = to_json(index)
    file.write(text)
    file.write(len(text).to_bytes(8, "big"))


def _parts(data: memoryview, token: str) -> tuple[memoryview, dict[str, list[Any]]]:
    """What :func:`compose` wrote, and the index in it; ValueError and others if it is something else."""
    size = int.from_bytes(data[-8:], "big")
    index = json.loads(bytes(data[-8 - size : -8]))
    if index["token"] != token:
        raise ValueError("an older file")
    return data, index


def _sums(start: int, lengths: Sequence[int]) -> array[int]:
    """Where each begins of some that follow each other, and where the last one ends."""
    return array("Q", accumulate(lengths, initial=start))


def _joined(parts: Iterable[list[Piece]]) -> Iterator[Piece]:
    """With commas between; those without pieces are left out."""
    first = True
    for part in parts:
        if part:
            if not first:
                yield b","
            yield from part
            first = False
