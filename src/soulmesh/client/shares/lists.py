"""Lists of what is shared, for others: all of it, or one folder."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from soulmesh.client.shares.browse import BrowseReply, RootStream, assemble, compress_root, find_stream
from soulmesh.client.shares.contents import Contents
from soulmesh.client.shares.entries import file_data
from soulmesh.client.shares.views import Views
from soulmesh.wire.structs import DirectoryData
from soulmesh.wire.text import raw
from soulmesh.wire.text import text as wire_text

__all__ = ["MOST_BELOW", "Lists"]

MOST_BELOW: Final = 2000
"""Files that the answer for one folder brings of those below it."""


class Lists:
    """Lists as users get to see them; those of all files are compressed root by root, and kept."""

    def __init__(self, contents: Contents, views: Views) -> None:
        self._contents = contents
        self._views = views
        self._compressing: dict[int, asyncio.Lock] = {}

    async def browse(self, username: str) -> bytes:
        """The whole frame of a PeerSharesReply, ready to be sent."""
        while True:
            reply = await self.browse_reply(username)
            try:
                return b"".join(await asyncio.to_thread(list, reply))
            except FileNotFoundError:
                continue  # a root changed meanwhile, and its old stream is gone

    async def browse_reply(self, username: str) -> BrowseReply:
        """A PeerSharesReply in pieces; roots that did not change come from the cache on disk."""
        visible, locked = self._views.access(username)
        known = self._contents.by_id
        streams = {number: await self._stream(number) for number in sorted(visible | locked)}
        names = sorted(streams, key=lambda number: known[number].name if number in known else b"")
        return assemble(
            [streams[number] for number in names if number in visible],
            [streams[number] for number in names if number in locked],
        )

    async def _stream(self, root: int) -> RootStream:
        contents = self._contents
        async with self._compressing.setdefault(root, asyncio.Lock()):
            directory = contents.directory / "browse"
            number = contents.root_version.get(root, 0)
            version = f"{contents.store.identity}-{Path(contents.generation).stem}-{number}"
            path = directory / f"{root}-{version}.deflate"
            # Decided here and now; the thread only reads what cannot change.
            listing = contents.index.listing(root)
            return await asyncio.to_thread(_stream, directory, path, root, listing)

    def folder(self, username: str, directory: str) -> list[DirectoryData]:
        """The files of one folder and of those below it; an empty list if this user has no such folder.

        Of a folder with more than :data:`MOST_BELOW` files below it only its own: one who wants so much
        browses.
        """
        try:
            path = raw(directory).rstrip(b"\\")
        except UnicodeEncodeError:  # a text that no name can be
            return []
        contents = self._contents
        root = contents.by_name.get(path.split(b"\\", 1)[0])
        if root is None or root.id not in frozenset().union(*self._views.access(username)):
            return []
        names = [path, *contents.index.folders_below(root.id, path, most=MOST_BELOW)]
        found = [(name, contents.index.folder(root.id, name)) for name in names]
        return [
            DirectoryData(wire_text(name), [file_data(entry) for entry in entries or ()])
            # One that has folders alone is there as well, and comes first: others look for it in the answer.
            for name, entries in found
            if entries or (name == path and any(more for _, more in found))
        ]


def _stream(directory: Path, path: Path, root: int, listing: Any) -> RootStream:
    found = find_stream(path)
    if found is not None:
        return found
    stream = compress_root(path, listing)
    for old in directory.glob(f"{root}-*"):
        if old != path:
            with suppress(OSError):
                old.unlink()
    return stream
