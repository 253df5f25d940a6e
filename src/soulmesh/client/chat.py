"""Private messages, and the history of everything said.

A message counts as received when it is stored: only then the server is told
(PrivateChatMessageAck), and only once it is shown. What the server sends again
after a broken link is recognised and acknowledged, not shown twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from soulmesh.client.chat_store import ChatStore, ChatStoreError, Conversation, Line
from soulmesh.client.errors import NotConnected
from soulmesh.client.events import Event, Events
from soulmesh.client.ports import Presence, ServerPort
from soulmesh.client.rooms import RoomMessage
from soulmesh.client.tasks import Tasks
from soulmesh.errors import UsageError
from soulmesh.net.world import World
from soulmesh.wire import to_client, to_server

__all__ = ["Chat", "PrivateMessage", "RoomLineKept", "ServerNotice"]

log = logging.getLogger(__name__)

_LONGEST_MESSAGE = 2048
_SERVER_NAME = "server"


@dataclass(frozen=True, slots=True)
class PrivateMessage(Event):
    """Somebody wrote to us."""

    username: str
    text: str
    sent_at: int
    """Seconds since the epoch, by the server's clock."""
    direct: bool
    """False: it waited at the server until we came."""


@dataclass(frozen=True, slots=True)
class RoomLineKept(Event):
    """What somebody (perhaps we) said in a room is in the history now; follows each RoomMessage."""

    room: str
    username: str
    text: str
    line: int | None
    """The id of the line in the history; ``None`` if it could not be kept."""
    at: float
    """Seconds since the epoch."""
    ours: bool


@dataclass(frozen=True, slots=True)
class ServerNotice(Event):
    """The server itself wrote to us, and not in answer to a request of ours."""

    text: str


class Chat:
    """Private conversations, and the memory of rooms."""

    def __init__(
        self, world: World, server: ServerPort, events: Events, presence: Presence, store: ChatStore
    ) -> None:
        self._world = world
        self._server = server
        self._events = events
        self._presence = presence
        self._store = store
        self._tasks = Tasks("chat")
        self._waiting: deque[to_client.PrivateChatMessage | RoomMessage] = deque()
        self._wake = asyncio.Event()
        self.claims: Callable[[str], bool] = lambda text: False
        """Whether a sentence of the server is the answer to a request (see :meth:`Rooms.notice`)."""
        server.on(to_client.PrivateChatMessage, self._on_message)
        events.on(RoomMessage, self._on_room_message)
        self._tasks.start(self._keep(), "keeping messages")

    async def send(self, username: str, text: str) -> None:
        """Write to a user. It is kept by the server if the user is offline.

        Raises:
            NotConnected: we are not logged in.
            UsageError: no text, or more than 2048 characters.
        """
        self._check(text)
        self._server.send(to_server.PrivateChatMessage(username, text))
        await self._store.add(username, self._server.username, text, at=self._now(), ours=True)

    async def send_to_many(self, usernames: Iterable[str], text: str) -> None:
        """Write to several users at once; only those who watch us get it. Raises as :meth:`send`."""
        self._check(text)
        names = list(dict.fromkeys(usernames))
        self._server.send(to_server.PrivateChatMessageUsers(names, text))
        for name in names:
            await self._store.add(name, self._server.username, text, at=self._now(), ours=True)

    async def history(
        self, username: str, *, limit: int = 100, before: int | None = None, words: str = ""
    ) -> list[Line]:
        """What was said with a user, oldest first: the newest lines, or those before a line's id; with
        ``words`` only lines in which each of them stands."""
        return await self._store.lines(username, limit=limit, before=before, words=words)

    async def room_history(
        self, room: str, *, limit: int = 100, before: int | None = None, words: str = ""
    ) -> list[Line]:
        """What was said in a room while we were in it."""
        return await self._store.lines("#" + room, limit=limit, before=before, words=words)

    async def read_until(self, place: str) -> int:
        """The id of the last line that was read there (a user, or ``#`` and a room's name)."""
        return await self._store.read_until(place)

    async def find(self, words: str, *, limit: int = 100) -> list[tuple[str, Line]]:
        """Lines that contain the text, with their place."""
        return await self._store.find(words, limit=limit)

    async def conversations(self) -> list[Conversation]:
        """All conversations, newest first, with how much is unread."""
        return await self._store.conversations()

    async def mark_read(self, username: str) -> int:
        """Everything of this user was read; a mark of our own, nobody is told. Returns the last line's id."""
        return await self._store.mark_read(username)

    async def forget(self, username: str) -> None:
        """Delete a conversation."""
        await self._store.forget(username)

    async def close(self) -> None:
        """Stop, when what came is kept."""
        while self._waiting:
            await asyncio.sleep(0)
            if not len(self._tasks):
                break
        await self._tasks.close()

    # -- what comes

    def _on_message(self, message: to_client.PrivateChatMessage) -> None:
        if message.username == _SERVER_NAME:
            self._acknowledge(message.chat_id)
            if not self.claims(message.message):
                self._events.emit(ServerNotice(message.message))
            return
        self._waiting.append(message)
        self._wake.set()

    def _on_room_message(self, message: RoomMessage) -> None:
        self._waiting.append(message)
        self._wake.set()

    async def _keep(self) -> None:
        while True:
            while not self._waiting:
                self._wake.clear()
                await self._wake.wait()
            message = self._waiting[0]
            try:
                if isinstance(message, RoomMessage):
                    await self._keep_room(message)
                else:
                    await self._keep_private(message)
            except ChatStoreError as error:
                # Not acknowledged, so the server keeps it; what is said in rooms it does not.
                log.error("a message could not be kept: %s", error)
                if isinstance(message, RoomMessage):
                    self._tell_line(message, None, self._now())
            self._waiting.popleft()

    async def _keep_private(self, message: to_client.PrivateChatMessage) -> None:
        name = message.username
        if self._presence.banned(name):
            self._acknowledge(message.chat_id)
            return
        fresh = await self._store.add(
            name, name, message.message, at=message.timestamp, chat_id=message.chat_id, sent=message.timestamp
        )
        self._acknowledge(message.chat_id)
        if fresh:
            direct = message.is_direct is not False
            self._events.emit(PrivateMessage(name, message.message, message.timestamp, direct))

    async def _keep_room(self, message: RoomMessage) -> None:
        ours, at = message.username == self._server.username, self._now()
        line = await self._store.add("#" + message.room, message.username, message.text, at=at, ours=ours)
        self._tell_line(message, line, at)

    def _tell_line(self, message: RoomMessage, line: int | None, at: float) -> None:
        ours = message.username == self._server.username
        self._events.emit(RoomLineKept(message.room, message.username, message.text, line, at, ours))

    def _acknowledge(self, chat_id: int) -> None:
        try:
            self._server.send(to_server.PrivateChatMessageAck(chat_id))
        except NotConnected:
            # It comes again at the next login.
            pass

    def _check(self, text: str) -> None:
        if not text:
            raise UsageError("there is nothing to send")
        if len(text) > _LONGEST_MESSAGE:
            raise UsageError(f"a message has at most {_LONGEST_MESSAGE} characters, this one {len(text)}")

    def _now(self) -> float:
        return self._world.wall_clock().timestamp()
