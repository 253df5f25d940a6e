"""What the server keeps in memory, and how finished frames leave it.

The rules that make this fast, each measured (docs/decisions/0020):

* Nobody writes to a socket from a handler. A frame is appended to the list of
  its receiver, and one flush per loop turn joins each list and writes it once.
* What goes to many is appended to the list of the group, once. The flush joins
  that list once and hands the same bytes to every member.
* Names stay in wire form (see :mod:`soulmesh.server.frames`) from the frame to
  the key of the dict to the reply.
* Encoded replies about a user are kept with the user until a setter changes
  what they show.
* A flush that happens while changes are on their way to the disk is *sealed*:
  its bytes wait, in order, until the store has committed everything that came
  before them. So nothing is told that a crash could take back.

No sockets here: a :class:`Session` has a ``write`` that takes bytes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from soulmesh.server import frames
from soulmesh.server.store import Store

__all__ = ["AWAY", "OFFLINE", "ONLINE", "Group", "Outbox", "Room", "Session", "User", "ip_bytes"]

OFFLINE, AWAY, ONLINE = 0, 1, 2

FILE_SEARCH = b"\x1a\0\0\0"
"""The code of FileSearch on the wire."""

NO_ADDRESS = b"\0\0\0\0"

STUCK = 2000
"""Flushes waiting for the store at which clients are read no more: a disk that hangs must not fill memory."""


class User:
    """An account, online or not, with the replies about it that are asked for all the time."""

    __slots__ = (
        "admin",
        "created",
        "files",
        "folders",
        "hates",
        "invites",
        "joined",
        "likes",
        "made",
        "name",
        "password",
        "privileged",
        "privileged_until",
        "queue",
        "r_add",
        "r_address",
        "r_stats",
        "r_status",
        "registered_in",
        "session",
        "speed",
        "status",
        "supporter",
        "uploads",
        "verified",
        "watchers",
    )

    def __init__(self, name: bytes) -> None:
        self.name = name
        """In wire form, the key of ``Realm.users``."""
        self.password = ""
        """Encoded hash; "" is an account that nobody can log in to yet."""
        self.admin = False
        self.created = 0
        self.privileged_until = 0
        """Seconds since 1970."""
        self.privileged = False
        self.supporter = False
        self.speed = 0
        """Average upload speed in bytes per second."""
        self.uploads = 0
        self.files = 0
        self.folders = 0
        self.invites = False
        """Whether others may add the user to private rooms."""
        self.likes: set[str] | None = None
        self.hates: set[str] | None = None
        self.session: Session | None = None
        self.status = OFFLINE
        self.watchers: set[Session] | None = None
        self.joined: dict[Room, None] | None = None
        """Rooms the user is in now."""
        self.registered_in: dict[Room, None] | None = None
        """Private rooms owned or belonged to."""
        self.made = 0
        """Rooms that this account made and that are still there."""
        self.queue: dict[int, tuple[Any, ...]] | None = None
        """Private messages not acknowledged: chat id -> row of the store's table."""
        self.verified: bytes | None = None
        """Digest of the password that was last found right, see ``accounts``."""
        self.r_address: bytes | None = None
        self.r_status: bytes | None = None
        self.r_stats: bytes | None = None
        self.r_add: bytes | None = None

    def __repr__(self) -> str:
        return f"<User {frames.show(self.name)}>"

    def figures(self) -> bytes:
        """UserStats in wire form."""
        return frames.stats(self.speed, self.uploads, self.files, self.folders)

    def address_changed(self) -> None:
        """Forget the replies that show address and ports."""
        self.r_address = None

    def status_changed(self) -> None:
        """Forget the replies that show status and privileges."""
        self.r_status = self.r_add = None

    def stats_changed(self) -> None:
        """Forget the replies that show figures."""
        self.r_stats = self.r_add = None

    def address_reply(self) -> bytes:
        """GetPeerAddress about this user."""
        reply = self.r_address
        if reply is None:
            session = self.session
            if session is None:
                reply = frames.get_peer_address(self.name, NO_ADDRESS, 0, 0, 0)
            else:
                reply = frames.get_peer_address(
                    self.name, session.ip, session.port, session.obfuscation, session.obfuscated_port & 0xFFFF
                )
            self.r_address = reply
        return reply

    def status_reply(self) -> bytes:
        """GetUserStatus about this user."""
        reply = self.r_status
        if reply is None:
            reply = self.r_status = frames.get_user_status(self.name, self.status, self.privileged)
        return reply

    def stats_reply(self) -> bytes:
        """GetUserStats about this user."""
        reply = self.r_stats
        if reply is None:
            reply = self.r_stats = frames.get_user_stats(self.name, self.figures())
        return reply

    def add_reply(self) -> bytes:
        """AddUser about this user."""
        reply = self.r_add
        if reply is None:
            reply = self.r_add = frames.add_user(self.name, self.status, self.figures())
        return reply

    def row(self) -> tuple[Any, ...]:
        """As a row of the store's table ``accounts``."""
        return (
            self.name[4:],
            self.password,
            int(self.admin),
            self.created,
            self.privileged_until,
            int(self.supporter),
            self.speed,
            self.uploads,
            self.files,
            self.folders,
            int(self.invites),
        )


class Session:
    """One user's connection, as the rest of the server sees it. Ends with the connection.

    ``write`` takes finished bytes to wherever the connection is; nothing above
    this line knows whether that is a socket of this process.
    """

    __slots__ = (
        "accepts_children",
        "branch_level",
        "branch_root",
        "child_depth",
        "dirty",
        "feed",
        "host",
        "ip",
        "is_root",
        "level_known",
        "number",
        "obfuscated_port",
        "obfuscation",
        "out",
        "outbox",
        "port",
        "said",
        "search_head",
        "seeking_parent",
        "user",
        "version",
        "watching",
        "write",
    )

    def __init__(self, outbox: Outbox, host: str, write: Callable[[bytes], object]) -> None:
        self.outbox = outbox
        self.out: list[bytes] = []
        """Frames of this loop turn, also in pieces; not empty means that the outbox knows of it."""
        self.dirty = False
        self.write = write
        self.user: User | None = None
        self.host = host
        """Address the client calls from, as text."""
        self.ip = ip_bytes(host)
        self.port = 0
        self.obfuscation = 0
        self.obfuscated_port = 0
        self.number = 0
        """Order of logins: smaller is logged in longer."""
        self.version = 0
        self.watching: set[User] | None = None
        self.feed = False
        self.said: Group | None = None
        """The group this session has just spoken to, see :meth:`Group.spill`."""
        self.search_head = b""
        """What every search of this user begins with after its length: code and name."""
        self.branch_level = 0
        self.branch_root: bytes | None = None
        """Wire name, once told."""
        self.level_known = False
        self.is_root = False
        self.child_depth = 0
        self.seeking_parent = False
        self.accepts_children = False

    def belong_to(self, user: User) -> None:
        """This is the user's connection from now on."""
        self.user = user
        self.search_head = FILE_SEARCH + user.name

    def send(self, frame: bytes) -> None:
        """Append ``frame`` to what this session gets at the end of the loop turn."""
        self.out.append(frame)
        if not self.dirty:
            self.dirty = True
            self.outbox.wake(self)

    def finish(self) -> None:
        """Close the connection after everything that was sent."""
        self.outbox.finish(self)

    def hang_up(self) -> None:
        """Close now. A connection does; a session without one has nothing to close."""

    def slow_down(self) -> None:
        """Read nothing from this client until the readers it talks to keep up."""


class Group:
    """Sessions that get the same frames: a room, the branch roots, the public chat feed."""

    __slots__ = ("members", "outbox", "pending")

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.members: dict[Session, None] = {}
        """In the order of joining."""
        self.pending: list[bytes] = []

    def send(self, frame: bytes) -> None:
        """Append ``frame`` to what every member gets at the end of the loop turn."""
        if not self.pending:
            self.outbox.wake_group(self)
        self.pending.append(frame)

    def spill(self) -> None:
        """Hand what is pending to the members' own lists, so that what follows comes after it.

        Needed before the membership changes, and before a session that has
        just spoken here causes frames elsewhere.
        """
        if self.pending:
            data = b"".join(self.pending)
            self.pending.clear()
            for session in self.members:
                session.send(data)

    def send_each(self, frame: bytes) -> None:
        """To every member's own list, in order with what else is there."""
        if self.pending:
            self.spill()
        for session in self.members:
            session.send(frame)


class Room(Group):
    """A room that has somebody in it, or an owner, or tickers to keep."""

    __slots__ = ("maker", "member_users", "name", "operators", "owner", "tickers", "was_public")

    def __init__(self, outbox: Outbox, name: bytes) -> None:
        super().__init__(outbox)
        self.name = name
        """In wire form."""
        self.owner: User | None = None
        self.member_users: dict[User, None] = {}
        """Members of the private room, without the owner; operators are members."""
        self.operators: dict[User, None] = {}
        self.tickers: dict[bytes, bytes] = {}
        """Wire name of the user -> text with its length, oldest first."""
        self.was_public = False
        self.maker: User | None = None
        """Whose account made it, for the limit of rooms per account."""

    def __repr__(self) -> str:
        return f"<Room {frames.show(self.name)}>"

    @property
    def private(self) -> bool:
        """It has an owner."""
        return self.owner is not None

    @property
    def unclaimed(self) -> bool:
        """No owner, and nobody in it."""
        return self.owner is None and not self.members


class Outbox:
    """Everything that is to be written, flushed once per loop turn.

    ``loop`` is the running loop; ``store`` decides how long a flush waits.
    """

    __slots__ = (
        "_closing",
        "_dirty",
        "_groups",
        "_loop",
        "_sealed",
        "_store",
        "crowded",
        "queue_limit",
        "scheduled",
        "stuck",
        "turn",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, store: Store) -> None:
        self._loop = loop
        self._store = store
        self._dirty: list[Session] = []
        self._groups: list[Group] = []
        self._closing: list[Session] = []
        self.scheduled = False
        """The flush at the end of this turn is on its way."""
        self._sealed: deque[tuple[int, list[tuple[list[Session], bytes]], list[Session]]] = deque()
        self.crowded: set[Session] = set()
        """Sessions that have more waiting than they should; filled by the connections."""
        self.turn = 0
        """Number of the flush to come."""
        self.stuck = False
        """The store does not come along: nobody is read until it does."""
        self.queue_limit = 1 << 24
        """Bytes that may wait for one reader."""
        store.on_commit(self.committed)

    def wake(self, session: Session) -> None:
        """``session`` has its first frame of this turn."""
        self._dirty.append(session)
        if not self.scheduled:
            self.scheduled = True
            self._loop.call_soon(self.flush)

    def wake_group(self, group: Group) -> None:
        """``group`` has its first frame of this turn."""
        self._groups.append(group)
        if not self.scheduled:
            self.scheduled = True
            self._loop.call_soon(self.flush)

    def wake_store(self) -> None:
        """Something was changed and nothing is to be sent: commit it all the same."""
        if not self.scheduled:
            self.scheduled = True
            self._loop.call_soon(self.flush)

    def finish(self, session: Session) -> None:
        """Close ``session`` once what it was sent is written."""
        self._closing.append(session)
        self.wake_store()

    def flush(self) -> None:
        """Write everything, or seal it until the store has committed what it may tell of."""
        self.scheduled = False
        self.turn += 1
        gate = self._store.commit()
        if gate > self._store.committed or self._sealed:
            self._seal(gate)
            return
        for group in self._groups:
            pending = group.pending
            if not pending:
                continue
            data = pending[0] if len(pending) == 1 else b"".join(pending)
            pending.clear()
            for session in group.members:
                if session.out:
                    session.out.append(data)
                else:
                    session.write(data)
        self._groups.clear()
        for session in self._dirty:
            out = session.out
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            session.dirty = False
            session.write(data)
        self._dirty.clear()
        if self._closing:
            closing, self._closing = self._closing, []
            for session in closing:
                session.hang_up()

    def _seal(self, gate: int) -> None:
        writes: list[tuple[list[Session], bytes]] = []
        for group in self._groups:
            pending = group.pending
            if not pending:
                continue
            data = pending[0] if len(pending) == 1 else b"".join(pending)
            pending.clear()
            plain = []
            for session in group.members:
                if session.out:
                    session.out.append(data)
                else:
                    plain.append(session)
            writes.append((plain, data))
        self._groups.clear()
        for session in self._dirty:
            out = session.out
            data = out[0] if len(out) == 1 else b"".join(out)
            out.clear()
            session.dirty = False
            writes.append(([session], data))
        self._dirty.clear()
        closing, self._closing = self._closing, []
        self._sealed.append((gate, writes, closing))
        if len(self._sealed) > STUCK:
            self.stuck = True

    def committed(self) -> None:
        """The store has committed more: let go what waited for it."""
        committed = self._store.committed
        sealed = self._sealed
        while sealed and sealed[0][0] <= committed:
            _, writes, closing = sealed.popleft()
            for sessions, data in writes:
                for session in sessions:
                    session.write(data)
            for session in closing:
                session.hang_up()
        if self.stuck and len(sealed) < STUCK // 2:
            self.stuck = False


def ip_bytes(host: str) -> bytes:
    """An IPv4 address (or one mapped into IPv6) as it stands on the wire; zeros for anything else."""
    parts = host.removeprefix("::ffff:").split(".")
    if len(parts) != 4:
        return NO_ADDRESS
    try:
        return bytes(int(part) for part in reversed(parts))
    except ValueError:
        return NO_ADDRESS
