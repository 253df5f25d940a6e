"""The door to what we share: search, browse, locate, scan.

One :class:`Shares` lives on the event loop of the client. Everything that takes
long happens in a process of its own (scanning, indexing) or in a thread
(compressing, looking at the disk). What there is to know of it is in parts:
:class:`~soulmesh.client.shares.contents.Contents` has the roots and the index,
:class:`~soulmesh.client.shares.views.Views` who may see what, and
:class:`~soulmesh.client.shares.searching.Searching`,
:class:`~soulmesh.client.shares.lists.Lists` and
:class:`~soulmesh.client.shares.locating.Locating` serve others.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from soulmesh.client.ports import Answerer, Found, PackedReply, ShareCounts, Undo
from soulmesh.client.shares.browse import BrowseReply
from soulmesh.client.shares.child import in_child
from soulmesh.client.shares.circle import Circle, Told
from soulmesh.client.shares.contents import Contents
from soulmesh.client.shares.doubts import doubt_about, would_leave_out
from soulmesh.client.shares.index import DEFAULT_EFFORT, Index
from soulmesh.client.shares.lists import Lists
from soulmesh.client.shares.locating import Locating
from soulmesh.client.shares.model import Named, Root
from soulmesh.client.shares.readers import FILE_SECONDS
from soulmesh.client.shares.scan import (
    GUARD,
    Progress,
    RootOutcome,
    ScanBusy,
    ScanCancelled,
    ScanOutcome,
    too_many,
)
from soulmesh.client.shares.searching import SearchFigures, Searching
from soulmesh.client.shares.store import Store
from soulmesh.client.shares.views import Views
from soulmesh.client.transfers.ports import SharedFile
from soulmesh.core.query import MINIMUM_CHARACTERS
from soulmesh.errors import SoulmeshError
from soulmesh.wire.structs import DirectoryData

__all__ = ["ScanFailed", "SearchFigures", "ShareSettings", "Shares"]

log = logging.getLogger(__name__)


class ScanFailed(SoulmeshError):
    """The scanning process could not do its work; ``reason`` says why."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def __str__(self) -> str:
        return f"the scan failed: {self.reason}"


@dataclass(frozen=True, slots=True)
class ShareSettings:
    """How shares behave."""

    shortest_query: int = MINIMUM_CHARACTERS
    """Queries with fewer characters are not answered, unless one of them is a letter without case."""
    effort: int = DEFAULT_EFFORT
    """Steps that one search may take, two to three microseconds each."""
    guard: float = GUARD
    """A scan that would lose a larger share of a root's files than this asks first."""
    readers: int | None = None
    """Processes that read audio files; None is one for each processor."""
    file_seconds: float = FILE_SECONDS
    """How long reading one audio file may take."""


class Shares:
    """What we share, as others may see it, and how it is kept up to date.

    It stands in for :class:`soulmesh.client.ports.ShareIndex` and for the
    ``SharedFiles`` of transfers.

    Args:
        directory: where the database and the index live; made when missing.
        wall_clock: from the :class:`~soulmesh.net.world.World`.
        circle: who our friends are, and who is in which group.
    """

    def __init__(
        self,
        directory: Path,
        *,
        wall_clock: Callable[[], datetime],
        circle: Circle | None = None,
        settings: ShareSettings | None = None,
    ) -> None:
        self.settings = settings or ShareSettings()
        self._wall_clock = wall_clock
        self._told = Told()
        self._scanning = asyncio.Lock()
        self._contents = Contents(directory)
        self._views = Views(self._contents, circle or self._told)
        self._searching = Searching(self._contents, self._views)
        self._lists = Lists(self._contents, self._views)
        self._locating = Locating(self._contents, self._views)

    def close(self) -> None:
        """Close the database. The shares cannot be used afterwards."""
        self._contents.store.close()

    # What is shared

    @property
    def directory(self) -> Path:
        """Where the database and the index live."""
        return self._contents.directory

    @property
    def store(self) -> Store:
        """The source of truth: roots, folders, files."""
        return self._contents.store

    @property
    def index(self) -> Index:
        """The index that searches are answered from now."""
        return self._contents.index

    @property
    def needs_index(self) -> bool:
        """The index is missing or damaged, though files are known: :meth:`scan` writes it again."""
        return self._contents.needs_index

    @property
    def roots(self) -> list[Root]:
        """The shared folders, by name."""
        return self._contents.roots

    @property
    def counts(self) -> ShareCounts:
        """Folders and files that everybody may have."""
        return self._contents.counts

    @property
    def figures(self) -> SearchFigures:
        """What became of searches since the start."""
        return self._searching.figures

    def on_changed(self, handler: Callable[[], None]) -> Undo:
        """Call ``handler`` after :attr:`counts` changed."""
        return self._contents.on_changed(handler)

    def save_root(self, root: Root) -> Root:
        """Share a folder (``id`` 0; its files appear with the next scan), or change how one is offered.

        Raises:
            RootRefused: the name or the folder is shared already.
        """
        return self._contents.save_root(root)

    async def doubt(self, root: Root) -> str | None:
        """Why somebody should be asked before :meth:`save_root` of this; None where there is no reason.

        A new folder may be the whole disk; changed rules of a known one may leave out more than the
        share of its files that a scan may lose unasked.
        """
        before = self._contents.by_id.get(root.id)
        if before is None:
            return await asyncio.to_thread(doubt_about, root.path, self.directory)
        lost = await asyncio.to_thread(would_leave_out, self.store, before, root, self.roots)
        if too_many(lost, before.files, self.settings.guard):
            return f"this leaves out {lost} of its {before.files} files"
        return None

    def name_root(self, number: int, named: Named) -> None:
        """Remember whether settings name a root that is shared."""
        self._contents.name_root(number, named)

    def remove_root(self, number: int) -> None:
        """Stop sharing a folder, at once; the next scan forgets its names."""
        self._contents.remove_root(number)

    # Who may see what

    def know_friends(self, friend: Callable[[str], bool]) -> None:
        """``friend(username)`` says who is a friend, unless a circle was given that knows it."""
        self._told.friend = friend

    def know_groups(self, groups: Callable[[str], Collection[str]]) -> None:
        """``groups(username)`` says which groups a user is in, unless a circle was given that knows it.

        It is asked at each search and request, so what it says counts at once.
        """
        self._told.groups = groups

    # Searching

    def _within_settings(self) -> Searching:
        self._searching.shortest_query = self.settings.shortest_query
        self._searching.effort = self.settings.effort
        return self._searching

    async def search(self, query: str, *, username: str, limit: int, excluded: Sequence[str] = ()) -> Found:
        """At most ``limit`` files that match; none for a query that would cost too much.

        Files whose path holds one of the ``excluded`` phrases (any case) are left out.
        """
        return self._within_settings().search(query, username=username, limit=limit, excluded=excluded)

    def search_reply(
        self, query: str, *, username: str, limit: int, about: Answerer, excluded: Sequence[str] = ()
    ) -> PackedReply | None:
        """The whole frame of a PeerSearchReply, or None where there is nothing to answer.

        The same files as :meth:`search`, put together from packed entries without
        making an object of any.
        """
        return self._within_settings().reply(
            query, username=username, limit=limit, about=about, excluded=excluded
        )

    # Browsing

    async def browse(self, username: str) -> bytes:
        """The whole frame of a PeerSharesReply, ready to be sent."""
        return await self._lists.browse(username)

    async def browse_reply(self, username: str) -> BrowseReply:
        """A PeerSharesReply in pieces; roots that did not change come from the cache on disk."""
        return await self._lists.browse_reply(username)

    async def folder(self, username: str, directory: str) -> list[DirectoryData]:
        """The files of one folder and of those below it, if they are not too many; an empty list if this user
        has no such folder."""
        return self._lists.folder(username, directory)

    # Uploading

    def find(self, remote_path: bytes) -> tuple[Root, bytes, bytes]:
        """The root, the folder's remote path and the name of a file that is in the index.

        Raises:
            NotShared: there is no such file.
        """
        return self._locating.find(remote_path)

    async def resolve(self, remote_path: bytes, username: str) -> SharedFile:
        """The file on disk behind a remote path, if ``username`` may have it.

        The path is looked up, never taken apart: nothing outside of a root can be
        reached. What has become a link out of its root since the scan is refused.

        Raises:
            NotShared: not there, or not for this user.
        """
        return await self._locating.resolve(remote_path, username)

    async def locate(self, username: str, remote_path: str) -> SharedFile | None:
        """:meth:`resolve` for transfers: None instead of an error."""
        return await self._locating.locate(username, remote_path)

    @property
    def unsettled(self) -> bool:
        """Whether a scan of ours goes on, which may find more than is known now."""
        return self._scanning.locked()

    async def locate_all(
        self, username: str, remote_paths: Sequence[str], *, read: int = 0
    ) -> list[SharedFile | None]:
        """:meth:`locate` for several at once; the content of small files comes along, if it can be read."""
        return await self._locating.locate_all(username, remote_paths, read=read)

    # Scanning

    async def scan(
        self,
        roots: Collection[int] | None = None,
        *,
        only: Mapping[int, Collection[bytes]] | None = None,
        confirmed: bool = False,
        again: bool = False,
        rebuild: bool = False,
        niceness: int = 5,
        progress: Callable[[Progress], None] | None = None,
    ) -> ScanOutcome:
        """Bring roots up to date, in a process of its own, then take in what changed.

        One scan of these shares goes on at a time; others wait for it. Cancelling this ends
        the process; what it had found is kept, and the next scan goes on there.

        Args:
            only: folders (paths below the root, on disk) by root, instead of whole roots.
            confirmed: lose files however many they are.
            again: read those again as well that took too long before. What the system refused to have
                read is always tried again.

        Raises:
            ScanBusy: another process scans.
            ScanFailed: the process could not do its work.
        """
        task = {
            "directory": str(self.directory),
            "now": self._wall_clock().isoformat(),
            "roots": None if roots is None else list(roots),
            "only": None
            if only is None
            else {str(root): [os.fsdecode(folder) for folder in folders] for root, folders in only.items()},
            "confirmed": confirmed,
            "again": again,
            "guard": self.settings.guard,
            "rebuild": rebuild or self.needs_index,
            "readers": self.settings.readers,
            "file_seconds": self.settings.file_seconds,
            "niceness": niceness,
        }
        async with self._scanning:
            ended = await in_child(task, progress)
        match ended.get("ended"):
            case "done":
                if ended.get("rescued"):
                    log.warning("%s", ended["rescued"])
                await self.refresh()
                found = [RootOutcome(**outcome) for outcome in ended["roots"]]
                return ScanOutcome(found, ended["index"], ended["seconds"], ended.get("rescued"))
            case "busy":
                raise ScanBusy
            case "cancelled":
                raise ScanCancelled
            case _:
                raise ScanFailed(ended.get("reason", "the process ended without a word"))

    async def refresh(self) -> None:
        """Take in what a scan, of this process or another, has changed."""
        await self._contents.refresh()

    def changed_elsewhere(self) -> bool:
        """Whether another process has written to the store since the last :meth:`refresh`, or damaged it."""
        return self._contents.changed_elsewhere()

    def folder_count(self) -> int:
        """Folders that are known, in all roots.

        Raises:
            StoreDamaged: the database cannot be read; :meth:`refresh` or a scan begins a new one.
        """
        return self._contents.folder_count()

    async def check_online(self) -> list[Root]:
        """Look which roots are there; returns those for which that has changed.

        Raises:
            StoreDamaged: that cannot be written down; :meth:`refresh` or a scan begins a new database.
        """
        return await self._contents.check_online()
