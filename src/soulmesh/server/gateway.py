"""The one hot module: bytes in, frames cut, the frequent messages answered.

Plain functions, small slotted classes, no closure, no await, no log line and no
exception on the normal path. Everything that is not frequent goes through the
table in :mod:`soulmesh.server.table`. The hot handlers here read their frame
by hand; ``tests/server/test_hot.py`` holds them to what the codec says.

Order: whoever says something in a room and then asks for something gets the
line before the answer. Lines are batched per group, so a session that goes on
to another kind of message first has its group's batch handed out
(:meth:`soulmesh.server.state.Group.spill`).
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from struct import Struct
from struct import error as StructError
from typing import TYPE_CHECKING, Protocol

from soulmesh.server import frames
from soulmesh.server.state import Group, Outbox, Session, User, ip_bytes

if TYPE_CHECKING:
    from soulmesh.server.realm import Realm

__all__ = ["RECENT", "SERVER", "Connection", "Gateway", "Handler", "Hot", "Malformed"]

Handler = Callable[["Connection", bytes, int, int], None]
"""Called with the connection, the bytes, where the body begins and where it ends."""

_unpack_head = Struct("<II").unpack_from
_unpack_u32 = Struct("<I").unpack_from
_pack_head = Struct("<II").pack
_pack_chat = Struct("<IIII").pack

HIGH_WATER = 262_144
"""Bytes in the transport at which it asks us to stop writing."""

RECENT = 1.0
"""A slow reader that took something within so many seconds is worth waiting for."""

MAXIMUM_QUERY = 256
_LENGTHS = [length.to_bytes(4, "little") for length in range(2048)]
"""Lengths of frames with a query: a name, a ticket and 256 characters of four bytes at most are shorter."""
MAXIMUM_CHAT = 2048
LONGEST_NAME = 256
LONGEST_KIND = 8
"""Letters of a kind of connection; those in use have one."""

SERVER = b"\6\0\0\0server"


class Malformed(Exception):
    """A body that ends too early or says nonsense. Costs the message, and repeatedly the connection."""


class Gateway(Protocol):
    """What a connection needs from the server around it."""

    seconds: float
    """Time of the loop, as of the last tick."""

    def opened(self, connection: Connection) -> bool:
        """Somebody calls; false to hang up at once."""

    def closed(self, connection: Connection) -> None:
        """The connection is gone."""

    def failed(self, connection: Connection, code: int, error: Exception) -> None:
        """A handler broke: our fault. The connection is closed."""

    def bad_frame(self, connection: Connection, length: int) -> None:
        """A length that no frame has. The connection is closed."""

    def bad_message(self, connection: Connection, code: int, error: Exception) -> None:
        """A message that could not be read."""

    def dropped(self, connection: Connection, reason: str) -> None:
        """A reader that does not read is closed."""

    def slowed(self, connection: Connection) -> None:
        """A client is not read for the moment: look soon whether it may be again."""

    def hanging_up(self, connection: Connection) -> None:
        """Closed as soon as its last bytes are taken, which somebody has to watch."""


class Connection(Session, asyncio.Protocol):
    """One client: cuts its stream into frames, hands them on, writes what the outbox says."""

    __slots__ = (
        "_busy",
        "_closing",
        "_handlers",
        "account_rates",
        "active",
        "bad",
        "buffer",
        "gateway",
        "interrupted",
        "limit",
        "need",
        "progress",
        "queue",
        "queued",
        "seen_size",
        "slowed",
        "transport",
    )

    def __init__(self, gateway: Gateway, outbox: Outbox, handlers: dict[int, Handler], limit: int) -> None:
        super().__init__(outbox, "", _nowhere)
        self.gateway = gateway
        self.interrupted = False
        """Something that the loop over frames must know has changed: it looks again before the next one."""
        self._handlers = handlers
        self.limit = limit
        """Largest frame."""
        self.transport: asyncio.Transport | None = None
        self.buffer: bytes | bytearray = b""
        """What came of a frame that is not complete."""
        self.need = 0
        """How many bytes the buffer must have before it is worth looking again."""
        self._busy = False
        self._closing = False
        self.slowed = False
        self.bad = 0
        self.active = False
        """Whether something came since the last look."""
        self.queue: deque[bytes] | None = None
        """What waits while the transport is full."""
        self.queued = 0
        self.progress = 0.0
        self.seen_size = 0
        self.account_rates: object = None

    # ---- what the loop over frames heeds

    @property
    def handlers(self) -> dict[int, Handler]:
        """By code. Replaced when the client has logged in."""
        return self._handlers

    @handlers.setter
    def handlers(self, handlers: dict[int, Handler]) -> None:
        self._handlers = handlers
        self.interrupted = True

    @property
    def busy(self) -> bool:
        """A password is being checked, or the client is delayed: read on later."""
        return self._busy

    @busy.setter
    def busy(self, busy: bool) -> None:
        self._busy = busy
        self.interrupted = True

    @property
    def closing(self) -> bool:
        """Nothing more is read or written."""
        return self._closing

    @closing.setter
    def closing(self, closing: bool) -> None:
        self._closing = closing
        self.interrupted = True

    # ---- asyncio

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See :class:`asyncio.Protocol`."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]
        peer = transport.get_extra_info("peername")
        self.set_host(str(peer[0]) if peer else "0.0.0.0")
        self.write = self.transport.write  # type: ignore[union-attr]
        self.transport.set_write_buffer_limits(high=HIGH_WATER)  # type: ignore[union-attr]
        if not self.gateway.opened(self):
            self.hang_up()

    def connection_lost(self, error: Exception | None) -> None:
        """See :class:`asyncio.Protocol`."""
        self.closing = True
        self.write = _nowhere
        self.queue = None
        self.buffer = b""
        self.outbox.crowded.discard(self)
        self.gateway.closed(self)
        self.transport = None

    def data_received(self, data: bytes) -> None:
        """See :class:`asyncio.Protocol`. Cut the stream and hand each frame on."""
        self.active = True
        if self.outbox.stuck:
            self.slow_down()
        buffer = self.buffer
        if buffer:
            if len(buffer) + len(data) < self.need:
                # A bytearray grows in place: one byte at a time costs no copy of the whole.
                if type(buffer) is bytes:
                    self.buffer = bytearray(buffer)
                self.buffer += data
                return
            data = bytes(buffer) + data
            self.buffer = b""
        if self._busy:
            self._hold(data)
            return
        self.interrupted = False
        find = self._handlers.get
        limit = self.limit
        pos = 0
        end = len(data)
        last = end - 8
        while pos <= last:
            length, code = _unpack_head(data, pos)
            stop = pos + 4 + length
            if stop > end or not 4 <= length <= limit:
                break
            if self.said is not None and code != 13 and code != 26:
                self.said.spill()
                self.said = None
            handler = find(code)
            if handler is not None:
                try:
                    handler(self, data, pos + 8, stop)
                except (Malformed, StructError, IndexError) as error:
                    self._bad(code, error)
                except Exception as error:
                    self.gateway.failed(self, code, error)
                    self.abort()
                if self.interrupted:
                    self.interrupted = False
                    if self._closing:
                        return
                    if self._busy:
                        self._hold(data[stop:])
                        return
                    find = self._handlers.get
                    limit = self.limit
            pos = stop
        self.said = None
        self.need = 0
        if pos < end:
            self._keep(data, pos, end)

    def _keep(self, data: bytes, pos: int, end: int) -> None:
        """A frame that is not complete, from ``pos``, waits for the rest; one that cannot be is the end."""
        if end - pos >= 4:
            length = _unpack_u32(data, pos)[0]
            if not 4 <= length <= self.limit:
                self.gateway.bad_frame(self, length)
                self.hang_up()
                return
            self.need = 4 + length
        self.buffer = data[pos:] if pos else data

    def pause_writing(self) -> None:
        """The transport has enough: from now on keep the bytes here."""
        if not self.closing:
            self.write = self._park
            if self.queue is None:
                self.queue = deque()
            self.progress = self.gateway.seconds
            self.seen_size = 0

    def resume_writing(self) -> None:
        """The transport has room again."""
        if self.closing or self.transport is None:
            return
        self.progress = self.gateway.seconds
        queue = self.queue
        self.write = self.transport.write
        while queue and self.write == self.transport.write:
            data = queue.popleft()
            self.queued -= len(data)
            self.transport.write(data)
        if self.queued < HIGH_WATER:
            self.outbox.crowded.discard(self)
            if not queue:
                self.queue = None
            if self.slowed:
                self.speed_up()

    # ---- the session's side

    def set_host(self, host: str) -> None:
        """The address the client calls from."""
        self.host = host
        self.ip = ip_bytes(host)

    def hang_up(self) -> None:
        """Close after what the transport already has."""
        if self.closing and self.write == _nowhere:
            return
        self.closing = True
        self.write = _nowhere
        if self.transport is not None:
            self.transport.close()
            self.gateway.hanging_up(self)

    def finish(self) -> None:
        """Close after everything that was sent; what the client still says is not heard."""
        self.handlers = {}
        self.outbox.finish(self)

    def abort(self) -> None:
        """Close without writing anything more."""
        self.closing = True
        self.write = _nowhere
        # It is no slow reader any more, however long the other end takes to let go.
        self.queue = None
        self.outbox.crowded.discard(self)
        if self.transport is not None:
            self.transport.abort()

    def slow_down(self) -> None:
        """Read nothing from this client for the moment."""
        if not self.slowed and self.transport is not None and not self.closing:
            self.slowed = True
            self.transport.pause_reading()
            self.gateway.slowed(self)

    def speed_up(self) -> None:
        """Read on."""
        if self.slowed and self.transport is not None and not self.closing:
            self.slowed = False
            self.transport.resume_reading()

    def resume(self) -> None:
        """What kept the client busy is done: read what came meanwhile."""
        self.busy = False
        if self.closing:
            return
        self.speed_up()
        data, self.buffer = self.buffer, b""
        self.need = 0
        if data:
            self.data_received(bytes(data))

    def stalled(self, now: float, limit: float) -> bool:
        """Whether this reader has taken nothing for ``limit`` seconds. Looks at the transport."""
        if self.queue is None or self.transport is None:
            return False
        size = self.transport.get_write_buffer_size()
        if size < self.seen_size:
            self.progress = now
        self.seen_size = size
        return now - self.progress >= limit

    def _park(self, data: bytes) -> None:
        queue = self.queue
        if queue is None:
            return
        queue.append(data)
        self.queued += len(data)
        if self.queued > HIGH_WATER:
            self.slow_down()
            self.outbox.crowded.add(self)
            if self.queued > self.outbox.queue_limit:
                self.gateway.dropped(self, "reads too slowly")
                self.abort()

    def _hold(self, data: bytes) -> None:
        self.buffer = data
        self.need = 0
        if len(data) > self.limit:
            self.slow_down()

    def _bad(self, code: int, error: Exception) -> None:
        self.bad += 1
        self.gateway.bad_message(self, code, error)


def _nowhere(data: bytes) -> object:
    return None


def name_at(data: bytes, pos: int, stop: int) -> bytes:
    """The wire name at ``pos``.

    Raises:
        Malformed: it does not fit, or is longer than any name.
    """
    if stop - pos < 4:
        raise Malformed("ends before a name")
    end = pos + 4 + int(_unpack_u32(data, pos)[0])
    if end > stop:
        raise Malformed("ends within a name")
    if end - pos > LONGEST_NAME + 4:
        raise Malformed("name too long")
    return data[pos:end]


def text_end(data: bytes, pos: int, stop: int, limit: int) -> int:
    """Where the text at ``pos`` ends; 0 if it has more than ``limit`` characters.

    Raises:
        Malformed: it does not fit.
    """
    if stop - pos < 4:
        raise Malformed("ends before a text")
    length = int(_unpack_u32(data, pos)[0])
    end = pos + 4 + length
    if end > stop:
        raise Malformed("ends within a text")
    if length > limit and len(data[pos + 4 : end].decode("utf-8", "replace")) > limit:
        return 0
    return end


class Hot:
    """The frequent messages of clients that are logged in.

    ``to_server`` gets what is written to the user ``server``.
    """

    __slots__ = (
        "_feed",
        "_outbox",
        "_queue_limit",
        "_realm",
        "_rooms",
        "_roots",
        "_searches",
        "_store",
        "_to_server",
        "_users",
    )

    def __init__(
        self, realm: Realm, searches: deque[bytes], to_server: Callable[[Session, User, bytes], None]
    ) -> None:
        self._realm = realm
        self._users = realm.users
        self._rooms = realm.rooms
        self._roots = realm.roots
        self._feed = realm.feed
        self._outbox = realm.outbox
        self._store = realm.store
        self._queue_limit = realm.settings.chat.queue
        self._searches = searches
        self._to_server = to_server

    # ---- lookups: one dict access, one kept reply

    def get_peer_address(self, session: Connection, data: bytes, pos: int, stop: int) -> None:
        """GetPeerAddress."""
        user = self._users.get(data[pos:stop])
        if user is None:
            name = name_at(data, pos, stop)
            user = self._users.get(name)
            if user is None:
                session.send(frames.get_peer_address(name, b"\0\0\0\0", 0, 0, 0))
                return
        session.out.append(user.r_address or user.address_reply())
        if not session.dirty:
            session.dirty = True
            self._outbox.wake(session)

    def get_user_status(self, session: Connection, data: bytes, pos: int, stop: int) -> None:
        """GetUserStatus."""
        user = self._users.get(data[pos:stop])
        if user is None:
            name = name_at(data, pos, stop)
            user = self._users.get(name)
            if user is None:
                session.send(frames.get_user_status(name, 0, False))
                return
        session.out.append(user.r_status or user.status_reply())
        if not session.dirty:
            session.dirty = True
            self._outbox.wake(session)

    def get_user_stats(self, session: Connection, data: bytes, pos: int, stop: int) -> None:
        """GetUserStats."""
        user = self._users.get(data[pos:stop])
        if user is None:
            name = name_at(data, pos, stop)
            user = self._users.get(name)
            if user is None:
                session.send(frames.get_user_stats(name, frames.stats(0, 0, 0, 0)))
                return
        session.out.append(user.r_stats or user.stats_reply())
        if not session.dirty:
            session.dirty = True
            self._outbox.wake(session)

    def add_user(self, session: Connection, data: bytes, pos: int, stop: int) -> None:
        """AddUser: answer, and watch from now on; oneself is answered and not watched."""
        user = self._users.get(data[pos:stop])
        if user is None:
            name = name_at(data, pos, stop)
            user = self._users.get(name)
            if user is None:
                session.send(frames.frame(5, name + b"\0"))
                return
        session.out.append(user.r_add or user.add_reply())
        if not session.dirty:
            session.dirty = True
            self._outbox.wake(session)
        watching = session.watching
        if watching is None:
            watching = session.watching = set()
        if user not in watching and user is not session.user:
            watching.add(user)
            if user.watchers is None:
                user.watchers = set()
            user.watchers.add(session)

    # ---- chat

    def room_chat_message(self, session: Connection, data: bytes, pos: int, stop: int) -> None:
        """RoomChatMessage: to all in the room, the sender included; public rooms go to the feed too."""
        mid = pos + 4 + data[pos]
        name = data[pos:mid]
        room = self._rooms.get(name)
        if room is None:
            name_at(data, pos, stop)
            return
        end = mid + 4 + _unpack_u32(data, mid)[0]
        if end > stop:
            raise Malformed("ends within a text")
        user = session.user
        if user is None or session not in room.members:
            return
        if end - mid > MAXIMUM_CHAT + 4 and not text_end(data, mid, stop, MAXIMUM_CHAT):
            return
        said = session.said
        if said is not room:
            if said is not None:
                said.spill()
            session.said = room
        author = user.name
        pending = room.pending
        if not pending:
            self._outbox.wake_group(room)
        pending.append(_pack_head(4 + end - pos + len(author), 13) + name + author + data[mid:end])
        if self._feed.members and room.owner is None:
            self._feed.send(frames.public_chat_message(name, author, data[mid:end]))
        if self._outbox.crowded:
            self._wait_for(session, room)

    def private_chat_message(self, session: Connection, data: bytes, pos: int, stop: int) -> None:
        """PrivateChatMessage: kept until acknowledged, and sent at once if the receiver is online."""
        mid = pos + 4 + data[pos]
        name = data[pos:mid]
        receiver = self._users.get(name)
        if receiver is None and name != SERVER:
            name_at(data, pos, stop)
            return
        end = mid + 4 + _unpack_u32(data, mid)[0]
        if end > stop:
            raise Malformed("ends within a text")
        sender = session.user
        if sender is None:
            return
        if end - mid > MAXIMUM_CHAT + 4 and not text_end(data, mid, stop, MAXIMUM_CHAT):
            return
        if receiver is not None:
            self.deliver(session, sender, receiver, data[mid:end])
        else:
            self._to_server(session, sender, data[mid + 4 : end])

    def deliver(self, session: Session, sender: User, receiver: User, message: bytes) -> None:
        """Keep a message (with its length) for the receiver, and send it if it is online."""
        realm = self._realm
        queue = receiver.queue
        if queue is None:
            queue = receiver.queue = {}
        elif len(queue) >= self._queue_limit:
            realm.notice(
                session, f"{frames.show(receiver.name)} has too many messages waiting; yours was not kept."
            )
            return
        chat_id = realm.next_chat_id
        if chat_id < realm.chat_ids_low:
            realm.next_chat_id = chat_id + 1
        else:
            chat_id = realm.chat_id()
        outbox = self._outbox
        sent = realm.second() if realm.second_turn != outbox.turn else realm.this_second
        name = sender.name
        row = (chat_id, receiver.name[4:], name[4:], sent, message[4:])
        queue[chat_id] = self._store.messages[chat_id] = row
        online = receiver.session
        if online is None:
            outbox.wake_store()
            return
        # In pieces: the flush joins everything anyway.
        online.out += (_pack_chat(13 + len(name) + len(message), 22, chat_id, sent), name, message, b"\1")
        if not online.dirty:
            online.dirty = True
            outbox.wake(online)
        if self._outbox.crowded and online in self._outbox.crowded:
            session.slow_down()

    def private_chat_message_ack(self, session: Connection, data: bytes, pos: int, stop: int) -> None:
        """PrivateChatMessageAck: forget it, if it is in the sender's own queue."""
        if stop - pos < 4:
            raise Malformed("ends before the chat id")
        user = session.user
        if user is None or not user.queue:
            return
        chat_id = _unpack_u32(data, pos)[0]
        if user.queue.pop(chat_id, None) is not None:
            self._store.messages[chat_id] = None
            if not self._outbox.scheduled:
                self._outbox.wake_store()

    # ---- searches: the tail, ticket and query, goes on as it came

    def file_search(self, session: Connection, data: bytes, pos: int, stop: int) -> None:
        """FileSearch and WishlistSearch: to every branch root."""
        end = text_end(data, pos + 4, stop, MAXIMUM_QUERY)
        user = session.user
        if not end or user is None:
            return
        tail = data[pos:end]
        self._searches.append(tail)
        roots = self._roots
        if not roots.members:
            return
        said = session.said
        if said is not roots:
            if said is not None:
                said.spill()
            session.said = roots
        roots.send(frames.server_search_request(user.name, tail))
        if self._outbox.crowded:
            self._wait_for(session, roots)

    def user_search(self, session: Connection, data: bytes, pos: int, stop: int) -> None:
        """UserSearch: FileSearch to that user.

        A name is found by the first byte of its length: the key has all four, so no other fits.
        """
        mid = pos + 4 + data[pos]
        target = self._users.get(data[pos:mid])
        if target is None:
            name_at(data, pos, stop)
            return
        end = mid + 8 + _unpack_u32(data, mid + 4)[0]
        if end > stop:
            raise Malformed("ends within a text")
        receiver = target.session
        if receiver is None or (
            end - mid > MAXIMUM_QUERY + 8 and not text_end(data, mid + 4, stop, MAXIMUM_QUERY)
        ):
            return
        head = session.search_head
        receiver.out.append(_LENGTHS[len(head) + end - mid] + head + data[mid:end])
        if not receiver.dirty:
            receiver.dirty = True
            self._outbox.wake(receiver)
        if self._outbox.crowded and receiver in self._outbox.crowded:
            session.slow_down()

    def room_search(self, session: Connection, data: bytes, pos: int, stop: int) -> None:
        """RoomSearch: FileSearch to all in the room, if the searcher is in it."""
        name = name_at(data, pos, stop)
        pos += len(name)
        end = text_end(data, pos + 4, stop, MAXIMUM_QUERY)
        room = self._rooms.get(name)
        user = session.user
        if not end or user is None or room is None or session not in room.members:
            return
        session.said = room
        room.send(frames.file_search(user.name, data[pos:end]))
        if self._outbox.crowded:
            self._wait_for(session, room)

    # ---- introductions

    def connect_to_peer(self, session: Connection, data: bytes, pos: int, stop: int) -> None:
        """ConnectToPeer: relayed with our address and ports, or CannotConnect back."""
        if stop - pos < 4:
            raise Malformed("ends before the ticket")
        ticket = data[pos : pos + 4]
        name = name_at(data, pos + 4, stop)
        kind = name_at(data, pos + 4 + len(name), stop)
        user = session.user
        target = self._users.get(name)
        if user is None:
            return
        if target is None or target.session is None or len(kind) > LONGEST_KIND + 4:
            session.send(frames.frame(1001, ticket))
            return
        target.session.send(
            frames.connect_to_peer(
                user.name,
                kind,
                session.ip,
                session.port,
                ticket,
                user.privileged,
                (session.obfuscation, session.obfuscated_port),
            )
        )

    # ---- pace

    def _wait_for(self, session: Connection, group: Group) -> None:
        """Slow the sender while a member that still reads cannot keep up."""
        for reader in self._outbox.crowded:
            if isinstance(reader, Connection) and reader in group.members and reader is not session:
                soft = self._realm.settings.limits.send_queue_soft
                if reader.queued > soft and session.gateway.seconds - reader.progress < RECENT:
                    session.slow_down()
                    return
