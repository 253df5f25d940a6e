"""What users say of themselves, and what the folders of others hold: small questions between two users."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from soulmesh import wire
from soulmesh.client.events import Event, Events
from soulmesh.client.links import Links
from soulmesh.client.ports import Presence, ShareIndex, UploadFigures
from soulmesh.client.results import FoundFile, found_file
from soulmesh.client.tasks import Tasks
from soulmesh.errors import SoulmeshError
from soulmesh.net.world import World
from soulmesh.wire import peer
from soulmesh.wire.enums import UploadPermission

__all__ = ["Info", "Profile", "UserInfo", "UserInfoAsked"]

log = logging.getLogger(__name__)

_LARGEST_PICTURE = 4 * 1024 * 1024
_MOST_AT_ONCE = 8
"""Questions of others that are answered at the same time; more wait, and very many are dropped."""
_MOST_WAITING = 200


@dataclass(frozen=True, slots=True)
class UserInfoAsked(Event):
    """Somebody looked at us: ``what`` is ``info``, ``shares`` or ``folder``."""

    username: str
    what: str


@dataclass(frozen=True, slots=True)
class UserInfo:
    """What a user says of itself."""

    username: str
    description: str
    picture: bytes | None
    upload_slots: int
    queue: int
    """Uploads that wait there."""
    free_slot: bool
    permissions: int | None
    """Who may send files unasked, see :class:`soulmesh.wire.enums.UploadPermission`; ``None``: not said."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What we say of ourselves."""

    description: str = ""
    picture: Path | None = None
    """An image file, at most 4 MiB."""
    permissions: int = UploadPermission.NOBODY


@dataclass(slots=True)
class BrowseFigures:
    """How often others asked for all that we share, and were answered, since the start."""

    received: int = 0
    sent: int = 0


class Info:
    """Asks others, and answers them."""

    def __init__(
        self,
        world: World,
        links: Links,
        events: Events,
        index: ShareIndex,
        uploads: UploadFigures,
        presence: Presence,
        profile: Profile,
        ticket: Callable[[], int],
    ) -> None:
        self.profile = profile
        self._world = world
        self._links = links
        self._events = events
        self._index = index
        self._uploads = uploads
        self._presence = presence
        self._ticket = ticket
        self._tasks = Tasks("answers to users")
        self._questions: deque[tuple[str, str, object]] = deque()
        self._asking: set[tuple[str, str, object]] = set()
        self.browses = BrowseFigures()
        links.on(peer.PeerUserInfoRequest, lambda username, _: self._asked(username, "info", None))
        links.on(peer.PeerSharesRequest, lambda username, _: self._asked(username, "shares", None))
        links.on(
            peer.PeerDirectoryContentsRequest,
            lambda username, message: self._asked(username, "folder", (message.ticket, message.directory)),
        )

    # -- asking

    async def ask(self, username: str, *, timeout: float = 60.0) -> UserInfo:
        """What a user says of itself.

        Raises:
            UserOffline, PeerUnreachable, NoReply, NotConnected: see :class:`soulmesh.client.ports.Links`.
        """
        reply = await self._links.ask(
            username, peer.PeerUserInfoRequest(), peer.PeerUserInfoReply, timeout=timeout
        )
        return UserInfo(
            username,
            reply.description,
            reply.picture if reply.has_picture else None,
            reply.upload_slots,
            reply.queue_size,
            reply.has_slots_free,
            reply.upload_permissions,
        )

    async def folder(
        self, username: str, directory: str, *, timeout: float = 60.0
    ) -> dict[str, list[FoundFile]]:
        """The files of a user's folder, and of folders below it if that user's program adds them.

        An unknown folder gives an empty answer. Raises as :meth:`ask`.
        """
        ticket = self._ticket()
        reply = await self._links.ask(
            username,
            peer.PeerDirectoryContentsRequest(ticket, directory),
            peer.PeerDirectoryContentsReply,
            match=lambda reply: reply.ticket == ticket and reply.directory == directory,
            timeout=timeout,
        )
        return {
            entry.name: [_with_folder(found_file(file), entry.name) for file in entry.files]
            for entry in reply.directories
        }

    # -- answering

    def _asked(self, username: str, what: str, detail: object) -> None:
        if what == "shares":
            self.browses.received += 1
        if self._presence.banned(username):
            return
        question = (username, what, detail)
        # Whoever repeats a question before it was answered gets one answer.
        if question in self._asking or len(self._questions) >= _MOST_WAITING:
            return
        self._asking.add(question)
        self._questions.append(question)
        self._events.emit(UserInfoAsked(username, what))
        if len(self._tasks) < _MOST_AT_ONCE:
            self._tasks.start(self._work(), f"answers, {what} for {username}")

    async def _work(self) -> None:
        while self._questions:
            question = self._questions.popleft()
            try:
                await self._answer(*question)
            except SoulmeshError as error:
                log.info("cannot answer %s: %s", question[0], error)
            finally:
                self._asking.discard(question)

    async def _answer(self, username: str, what: str, detail: object) -> None:
        if what == "shares":
            await self._links.send_frame(username, await self._index.browse(username), interactive=False)
            self.browses.sent += 1
        elif what == "info":
            await self._links.send(username, await self._about_us())
        else:
            assert isinstance(detail, tuple)
            ticket, directory = detail
            found = await self._index.folder(username, directory) if directory else []
            reply = peer.PeerDirectoryContentsReply(ticket, directory, found)
            await self._links.send_frame(username, wire.encode(reply), interactive=False)

    async def _about_us(self) -> peer.PeerUserInfoReply:
        picture: bytes | None = None
        if self.profile.picture is not None:
            try:
                picture = await self._world.disk.read_bytes(self.profile.picture, limit=_LARGEST_PICTURE)
            except SoulmeshError as error:
                log.warning("the picture of our profile: %s", error)
        uploads = self._uploads
        return peer.PeerUserInfoReply(
            self.profile.description,
            picture is not None,
            picture,
            uploads.slots,
            uploads.queue_length,
            uploads.slots_free,
            self.profile.permissions,
        )

    async def close(self) -> None:
        """Answer no more."""
        await self._tasks.close()


def _with_folder(file: FoundFile, folder: str) -> FoundFile:
    return FoundFile(
        f"{folder}\\{file.remote_path}" if folder else file.remote_path, file.size, file.attributes
    )
