"""Where the files lie that others ask for by name, if they may have them."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from soulmesh.client.shares.contents import Contents
from soulmesh.client.shares.model import NotShared, Root
from soulmesh.client.shares.views import Views
from soulmesh.client.shares.walk import Rules, rules_of
from soulmesh.client.shares.whereabouts import Whereabouts, look
from soulmesh.client.transfers.ports import SharedFile
from soulmesh.wire.text import raw

__all__ = ["Locating"]

_MOST_LOCAL: Final = 10_000


class Locating:
    """Finds files by their remote paths: looked up in the index, never taken apart."""

    def __init__(self, contents: Contents, views: Views) -> None:
        self._contents = contents
        self._views = views
        self._local: dict[tuple[int, bytes], bytes] = {}
        """Where folders lie that were asked for since the last change: whoever takes one file takes more."""
        self._epoch = 0

    def find(self, remote_path: bytes) -> tuple[Root, bytes, bytes]:
        """The root, the folder's remote path and the name of a file that is in the index.

        Raises:
            NotShared: there is no such file.
        """
        root = self._contents.by_name.get(remote_path.split(b"\\", 1)[0])
        if root is None:
            raise NotShared(remote_path, "no shared folder has this name")
        # A name on disk may hold a backslash itself, so each one may be where the folder ends.
        at = remote_path.rfind(b"\\")
        while at > 0:
            folder, name = remote_path[:at], remote_path[at + 1 :]
            if self._contents.index.find(root.id, folder, name) is not None:
                return root, folder, name
            at = remote_path.rfind(b"\\", 0, at)
        raise NotShared(remote_path, "not in the index")

    async def resolve(self, remote_path: bytes, username: str) -> SharedFile:
        """The file on disk behind a remote path, if ``username`` may have it.

        The path is looked up, never taken apart: nothing outside of a root can be
        reached. What has become a link out of its root since the scan is refused.

        Raises:
            NotShared: not there, or not for this user.
        """
        rules: dict[int, Rules] = {}
        [found] = await asyncio.to_thread(look, [self._whereabouts(remote_path, username, rules)])
        if found is None:
            raise NotShared(remote_path, "it is no longer on the disk, or no longer shared")
        return found

    def _whereabouts(self, remote_path: bytes, username: str, rules: dict[int, Rules]) -> Whereabouts:
        """Where a file of the index should be; ``rules`` collects those of the roots.

        Raises:
            NotShared: not in the index, or not for this user.
        """
        root, folder, name = self.find(remote_path)
        if not root.online:
            raise NotShared(remote_path, f"{os.fsdecode(root.name)} is offline")
        visible, _ = self._views.access(username)
        if root.id not in visible:
            raise NotShared(remote_path, f"for {root.audience} only")
        if self._epoch != self._contents.epoch:
            self._epoch = self._contents.epoch
            self._local.clear()
        local = self._local.get((root.id, folder))
        if local is None:
            try:
                local = self._contents.store.local_folder(root.id, folder[len(root.name) + 1 :])
            except sqlite3.DatabaseError as error:
                raise NotShared(remote_path, f"the database cannot be read: {error}") from error
            if local is None:
                raise NotShared(remote_path, "its folder is gone")
            if len(self._local) >= _MOST_LOCAL:
                self._local.clear()
            self._local[root.id, folder] = local
        if root.id not in rules:
            rules[root.id] = rules_of(root, self._contents.by_id.values())
        return Whereabouts(rules[root.id], os.path.join(local, name))

    async def locate(self, username: str, remote_path: str) -> SharedFile | None:
        """:meth:`resolve` for transfers: None instead of an error."""
        try:
            return await self.resolve(raw(remote_path), username)
        except (NotShared, UnicodeEncodeError):
            return None

    async def locate_all(
        self, username: str, remote_paths: Sequence[str], *, read: int = 0
    ) -> list[SharedFile | None]:
        """:meth:`locate` for several at once; the content of small files comes along, if it can be read."""
        rules: dict[int, Rules] = {}
        wanted: dict[int, Whereabouts] = {}
        for number, path in enumerate(remote_paths):
            with suppress(NotShared, UnicodeEncodeError):
                wanted[number] = self._whereabouts(raw(path), username, rules)
        found = await asyncio.to_thread(look, list(wanted.values()), read) if wanted else []
        by_number = dict(zip(wanted, found, strict=True))
        return [by_number.get(number) for number in range(len(remote_paths))]
