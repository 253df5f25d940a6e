"""What lies in a remote folder: asked of its owner, and looked for in all that the owner shares.

Most programs answer for the folder itself alone (messages.md, "PeerDirectoryContentsReply"), some add those
below it, and none says whether there are any.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from soulmesh.client.errors import ClientError
from soulmesh.client.ports import Links
from soulmesh.client.results import FoundFile
from soulmesh.client.transfers.ledger import Ledger
from soulmesh.errors import NotFound, SoulmeshError
from soulmesh.wire import peer, raw, text

__all__ = ["Browse", "FolderNotFound", "Folders"]

log = logging.getLogger(__name__)

MOST_FILES = 10_000
"""Files that one folder may bring; a reply that lists more is not believed."""
BROWSED_WITHIN = 120.0
"""Seconds in which all that a user shares must be here, or the folder that was asked for has to do."""

Browse = Callable[[str, str], Awaitable[Sequence[FoundFile]]]
"""Given user and folder: the files below it, from the user's whole list."""


class FolderNotFound(NotFound):
    """The user shares no such folder, or no file in it."""

    def __init__(self, username: str, folder: str) -> None:
        super().__init__(username, folder)
        self.username = username
        self.folder = folder

    def __str__(self) -> str:
        return f"{self.username} shares no files in {self.folder}"


class Folders:
    """Asks users for their folders."""

    def __init__(self, ledger: Ledger, links: Links) -> None:
        self._ledger = ledger
        self._links = links
        self.browse: Browse | None = None
        """How to find a folder's files when the user does not answer for the folder alone."""

    async def own(self, username: str, folder: str) -> list[FoundFile]:
        """The files in a folder, and of those below it as many as its owner's program adds.

        Raises:
            ClientError: the user cannot be asked.
        """
        return (await self._contents(username, folder))[0]

    async def all_below(self, username: str, folder: str) -> list[FoundFile]:
        """The files in a folder and in those below it; empty if there is none.

        Raises:
            ClientError: the user cannot be asked.
        """
        files, whole = await self._contents(username, folder)
        if whole or self.browse is None:
            return files
        try:
            async with asyncio.timeout(BROWSED_WITHIN):
                below = await self.browse(username, folder)
        except (TimeoutError, SoulmeshError) as error:
            log.warning("what lies below %s of %s is not known: %s", folder, username, error or "no answer")
            return files
        known = {raw(file.remote_path) for file in files}
        return [*files, *(file for file in below if raw(file.remote_path) not in known)][:MOST_FILES]

    async def _contents(self, username: str, folder: str) -> tuple[list[FoundFile], bool]:
        """The files of a folder, and whether all below it are surely among them."""
        ticket = self._ledger.world.random.getrandbits(31)
        key = raw(folder)
        question = peer.PeerDirectoryContentsRequest(ticket, folder)
        try:
            reply = await self._links.ask(
                username,
                question,
                peer.PeerDirectoryContentsReply,
                match=lambda m: m.ticket == ticket or raw(m.directory) == key,
            )
        except ClientError:
            if self.browse is None:
                raise
            return list(await self.browse(username, folder))[:MOST_FILES], True
        files: list[FoundFile] = []
        for directory in reply.directories:
            where = raw(directory.name)
            if where != key and not where.startswith(key + b"\\"):
                # Some programs name the folder by its last part alone; anything else was not asked for.
                if len(reply.directories) != 1:
                    continue
                where = key
            for file in directory.files:
                attributes = tuple((one.key, one.value) for one in file.attributes)
                path = text(where + b"\\" + raw(file.filename))
                files.append(FoundFile(path, file.filesize, attributes))
        if not files and self.browse is not None:
            return list(await self.browse(username, folder))[:MOST_FILES], True
        return files[:MOST_FILES], len(reply.directories) > 1
