"""The server, put together: listens, lets users in, keeps time, stops in good order.

    async with Server(World.real(), settings, data=Path("data")) as server:
        print(server.host, server.port)
        await server.stopped()

Without ``data`` everything is kept in memory and forgotten at the end.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from pathlib import Path
from random import Random
from types import TracebackType
from typing import IO, TYPE_CHECKING

from soulmesh import log, wire
from soulmesh.errors import SoulmeshError
from soulmesh.net.tcp import TcpNetwork
from soulmesh.net.world import Listener, Network, World
from soulmesh.server import folder
from soulmesh.server.abuse import AbuseEngine
from soulmesh.server.accounts import Passwords
from soulmesh.server.admin import Admin
from soulmesh.server.bus.port import Bus
from soulmesh.server.chat import Chat
from soulmesh.server.control import Control
from soulmesh.server.doors import Doors
from soulmesh.server.frames import show, wire_name
from soulmesh.server.gateway import RECENT, SERVER, Connection, Handler, Hot
from soulmesh.server.http import AdminHttp
from soulmesh.server.interests import Interests
from soulmesh.server.logins import Logins
from soulmesh.server.metrics import Metrics
from soulmesh.server.moderation import Audit, Moderation
from soulmesh.server.presence import Presence
from soulmesh.server.privileges import Privileges
from soulmesh.server.realm import Realm
from soulmesh.server.rooms import Rooms
from soulmesh.server.settings import Settings, make_settings
from soulmesh.server.state import Outbox, Session, User
from soulmesh.server.store import Store
from soulmesh.server.store.errors import StoreInUse
from soulmesh.server.store.memory import MemoryStore
from soulmesh.server.table import compile_rows, rows
from soulmesh.server.tree import Tree
from soulmesh.wire import to_client, to_server

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Parts", "Server", "StoreLost"]

STOP_SECONDS = 2.8
"""What a stop may take in all, a store that does not answer included."""

TICK = 1.0
"""Seconds between looks at time-outs."""

SLOW_TICK = 0.05
"""The same while a sender is held back."""


PRIVATE_CHAT_MESSAGE = 22


class StoreLost(SoulmeshError):
    """The database belongs to another server now."""

    hint = "one server at a time works on a database: see that only one is started, or that they share a bus"

    def __str__(self) -> str:
        return "another server has taken over the database"


class Parts:
    """The managers of one realm, and the few messages that concern more than one of them."""

    def __init__(self, realm: Realm, passwords: Passwords, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.realm = realm
        self.searches: deque[bytes] = deque(maxlen=realm.settings.search.remembered)
        """Ticket and query of recent searches, as they came."""
        self.rooms = Rooms(realm)
        self.presence = Presence(realm, self.rooms)
        self.privileges = Privileges(realm, self.presence)
        self.interests = Interests(realm)
        self.tree = Tree(realm)
        self.hot = Hot(realm, self.searches, self.written_to_server)
        self.chat = Chat(realm, self.hot)
        self.passwords = passwords
        self.logins = Logins(realm, self.presence, passwords, self.entered, self.banned, self.login_failed)
        self.moderation = Moderation(realm, Audit(realm))
        self.abuse: AbuseEngine | None = None
        if realm.settings.abuse.enabled:
            self.abuse = AbuseEngine(realm, self.moderation, realm.settings.abuse, loop.call_later)
        self.handlers: dict[int, Handler] = compile_rows(rows(self), self.abuse)
        muted: dict[int, Handler] = dict.fromkeys((13, PRIVATE_CHAT_MESSAGE, 116, 149), self._muted)
        self.muted_handlers: dict[int, Handler] = self.handlers | muted
        """The same for a user who may not talk: lines, messages and tickers go nowhere."""
        self.admin = Admin(self)
        self.logins_total = 0

    def entered(self, connection: Connection, user: User) -> None:
        """A user is in."""
        self.logins_total += 1
        muted = self.moderation.is_muted(user.name)
        connection.handlers = self.muted_handlers if muted else self.handlers
        connection.limit = self.realm.settings.limits.frame
        self.interests.entered(user)
        if self.abuse is not None:
            self.abuse.entered(connection, user)

    def choose_handlers(self, user: User) -> None:
        """Whether the user is muted has changed."""
        if isinstance(user.session, Connection):
            muted = self.moderation.is_muted(user.name)
            user.session.handlers = self.muted_handlers if muted else self.handlers

    def _muted(self, connection: Connection, data: bytes, pos: int, stop: int) -> None:
        user = connection.user
        if user is None:
            return
        code = int.from_bytes(data[pos - 4 : pos], "little")
        if not self.moderation.is_muted(user.name):
            # It is over: from now on, and for this message too.
            connection.handlers = self.handlers
        elif code != PRIVATE_CHAT_MESSAGE or data[pos : pos + len(SERVER)] != SERVER:
            self.realm.notice(connection, "You are muted: nobody gets what you write.")
            return
        # What is written to the server itself is no talk: an account can be taken along or deleted.
        self.handlers[code](connection, data, pos, stop)

    def left(self, session: Session) -> None:
        """A session ends."""
        user = session.user
        if user is None:
            return
        self.tree.left(session)
        self.presence.leave(session)
        if user.session is None:
            self.interests.left(user)

    def banned(self, name: bytes, host: str) -> bool:
        """Whether account or address is banned."""
        return self.moderation.banned(name, host)

    def login_failed(self, connection: Connection, name: bytes) -> None:
        """A wrong password."""
        if self.abuse is not None:
            self.abuse.login_failed(connection.host, self._loop.time())

    def written_to_server(self, session: Session, user: User, text: bytes) -> None:
        """Somebody writes to the user ``server``."""
        self.admin.message(session, user, text)

    def delete_account(self, user: User) -> None:
        """Everything about an account goes: rooms it owns, memberships, tickers, interests, messages."""
        realm, store = self.realm, self.realm.store
        name = user.name[4:]
        session = user.session
        if session is not None:
            self.left(session)
            realm.notice(session, "Your account is deleted.")
            session.finish()
        for room in list(user.registered_in or ()):
            if room.owner is user:
                self.rooms.dissolve(room)
            else:
                self.rooms.forget_member(room, user)
        for room in realm.rooms.values():
            self.rooms.forget_ticker(room, user)
            if room.maker is user:
                room.maker = None
                realm.keep_room(room)
        for items, hated in ((user.likes, 0), (user.hates, 1)):
            for item in items or ():
                store.remove("interests", (name, item, hated))
        for chat_id in user.queue or ():
            store.messages[chat_id] = None
        for watcher in user.watchers or ():
            if watcher.watching is not None:
                watcher.watching.discard(user)
        realm.privileged.pop(user, None)
        realm.privileged_frame = None
        self.passwords.forget(user)
        realm.users.pop(user.name, None)
        store.remove("accounts", (name,))
        realm.outbox.wake_store()

    def health(self) -> str | None:
        """What is wrong, or ``None``."""
        fault = getattr(self.realm.store, "fault", None)
        if fault:
            return f"cannot write to the store: {fault}"
        return "the store does not come along" if self.realm.outbox.stuck else None

    def figures(self) -> dict[str, object]:
        """How things stand, for administrators."""
        realm = self.realm
        return {
            "pid": os.getpid(),
            "accounts": len(realm.users),
            "online": len(realm.online),
            "rooms": len(realm.rooms),
            "logins": self.logins_total,
            "bans": len(self.moderation.bans.all()),
            "private": realm.private,
            "maximum_users": realm.maximum_users,
            "uptime_seconds": int(realm.now() - realm.started),
            **self.tree.describe(),
        }

    def login_again(self, session: Session, user: User, message: to_server.Login) -> None:
        """Login on a connection that is logged in: nothing happens."""

    def ping(self, session: Session, user: User, message: to_server.Ping) -> None:
        """A sign of life, which any message is; nothing is answered."""

    def new_password(self, session: Session, user: User, message: to_server.NewPassword) -> None:
        """See :meth:`soulmesh.server.logins.Logins.new_password`."""
        self.logins.new_password(session, user, message)

    def toggle_parent_search(
        self, session: Session, user: User, message: to_server.ToggleParentSearch
    ) -> None:
        """See :meth:`soulmesh.server.tree.Tree.toggle_search`."""
        self.tree.toggle_search(session, user, message, self._loop.time())


class Server:
    """See the module. ``world`` is a :class:`World`, or only its network.

    With a ``bus`` other processes may hold connections for this server (:mod:`soulmesh.server.door`).
    """

    def __init__(
        self,
        world: World | Network | None = None,
        settings: Settings | None = None,
        *,
        data: Path | None = None,
        store: Store | None = None,
        bus: Bus | None = None,
    ) -> None:
        if isinstance(world, World):
            self._network: Network = world.network
            self._random = world.random
            self._wall = world.wall_clock
        else:
            self._network = world if world is not None else TcpNetwork()
            real = World.real()
            self._random = real.random
            self._wall = real.wall_clock
        self.settings = settings or make_settings()
        self.data = data
        self._given_store = store
        self._bus = bus
        self.doors: Doors | None = None
        """Other processes that hold connections for us, if there is a bus."""
        self._log = log.get("server")
        self._warnings: list[str] = []
        """Said once we listen: who cannot start has one thing to say."""
        self._lock: IO[str] | None = None
        self._control: Control | None = None
        self.http: AdminHttp | None = None
        self.seconds = 0.0
        self.connections: dict[Connection, None] = {}
        self._before_login: deque[tuple[float, Connection]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped: asyncio.Event | None = None
        self.broken = asyncio.Event()
        """Set when the server cannot go on; :attr:`failure` says why. Then :meth:`stop` it."""
        self.failure: SoulmeshError | None = None
        """Why the server cannot go on."""
        self._listener: Listener | None = None
        self._idle_at = 0.0
        self._forget_at = 0.0
        self._slowed: dict[Connection, None] = {}
        self._hanging_up: deque[tuple[float, Connection]] = deque()
        self.bad_messages = 0
        self.dropped_readers = 0

    # ---- start and stop

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Open the store, bring back what it has, and listen.

        Raises:
            NetworkError: the port cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        self._loop = loop
        self._stopped = asyncio.Event()
        self.seconds = loop.time()
        self.store = await self._open_store(loop)
        self.store.on_lost(self._store_lost)
        outbox = Outbox(loop, self.store)
        outbox.queue_limit = self.settings.limits.send_queue
        secret = self._random.randbytes(32)
        self.realm = Realm(
            self.settings, self.store, outbox, lambda: self._wall().timestamp(), Random(secret)
        )
        self.realm.load()
        self.parts = Parts(self.realm, Passwords(self.settings.accounts, secret), loop)
        self._before: dict[int, Handler] = {1: self._login}
        self.metrics = Metrics(self)
        section = self.settings.server
        try:
            self._listener = await self._network.listen(self._connection, section.host, section.port)
        except BaseException:
            await self.store.close()
            if self._lock is not None:
                self._lock.close()
            raise
        self.host, self.port = self._listener.host, self._listener.port
        try:
            await self._open_doors()
        except BaseException:
            await self.stop()
            raise
        if self.settings.accounts.hash == "fast":
            self._warnings.append(
                "accounts.hash is fast: for load tests alone, passwords are as good as plain"
            )
        for name in self.settings.admin.admins:
            if wire_name(name.encode()) not in self.realm.users:
                self._warnings.append(
                    f"admin.admins names {name}, which is no account yet and cannot be made by logging in:"
                    f" soulmesh server admin user add {name} --password P"
                )
        for warning in self._warnings:
            self._log.warning(warning)
        self._idle_at = self.seconds + self.settings.limits.idle_seconds
        self._timer = loop.call_later(TICK, self._tick)
        self._log.info("listening", host=self.host, port=self.port, accounts=len(self.realm.users))

    async def _open_doors(self) -> None:
        """The ways in for administrators."""
        if self.data is not None:
            self._control = Control(self.parts.admin, self.data)
            await self._control.start()
        if self.settings.admin.http_port or self.settings.admin.http_token:
            self.http = AdminHttp(self.parts.admin, self.settings.admin, self.parts.health, self.metrics.text)
            await self.http.start()
        if self._bus is not None:
            self.doors = Doors(self._bus, self._connection, self.parts.admin, self.parts.logins.spawn)
            await self.doors.open()

    async def _open_store(self, loop: asyncio.AbstractEventLoop) -> Store:
        if self._given_store is not None:
            return self._given_store
        if self.data is None:
            return MemoryStore()
        from soulmesh.server.store.choose import open_store

        self._warnings += folder.prepare(self.data)
        if (limit := folder.raise_file_limit(self.settings.server.maximum_users)) is not None:
            self._warnings.append(limit)
        self._lock = folder.lock(self.data)
        path = self.data / folder.DATABASE
        try:
            return await asyncio.to_thread(lambda: open_store(self.settings.store.url, path, loop))
        except BaseException:
            self._lock.close()
            raise

    def _store_lost(self, error: SoulmeshError) -> None:
        """Nothing that we say can be kept any more, so we say nothing more."""
        self.failure = StoreLost() if isinstance(error, StoreInUse) else error
        self._log.error(str(self.failure))
        self.broken.set()

    async def stopped(self) -> None:
        """Wait until somebody calls :meth:`stop`."""
        assert self._stopped is not None
        await self._stopped.wait()

    async def stop(self) -> None:
        """Accept nobody more, tell users, write out what is on its way, commit, close."""
        if self._listener is None:
            return
        begun = self._loop.time()
        self._listener.close()
        self._listener = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for door in (self._control, self.http):
            if door is not None:
                await door.stop()
        await self.parts.logins.close()
        for session in self.realm.online.sessions():
            session.send(wire.encode(to_client.AdminMessage("The server is stopping.")))
            session.finish()
        deadline = self._loop.time() + self.settings.server.drain_seconds
        while any(not c.closing or c.transport is not None for c in self.connections if c.user is not None):
            if self._loop.time() >= deadline:
                break
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection.abort()
        await asyncio.sleep(0)
        for connection in list(self.connections):
            self.closed(connection)
        if self.doors is not None:
            await self.doors.close()
        self.parts.passwords.close()
        self.realm.outbox.flush()
        await self.store.close(max(0.5, STOP_SECONDS - (self._loop.time() - begun)))
        if self._lock is not None:
            self._lock.close()
        assert self._stopped is not None
        self._stopped.set()
        self._log.info("stopped")

    # ---- what connections need (see soulmesh.server.gateway.Gateway)

    def _connection(self) -> Connection:
        return Connection(self, self.realm.outbox, self._before, self.settings.limits.frame_before_login)

    def opened(self, connection: Connection) -> bool:
        """See :class:`soulmesh.server.gateway.Gateway`."""
        self.connections[connection] = None
        abuse = self.parts.abuse
        if abuse is not None and not abuse.opened(connection.host, self._loop.time()):
            return False
        self._before_login.append((self._loop.time() + self.settings.limits.login_seconds, connection))
        return not self.parts.banned(b"", connection.host)

    def closed(self, connection: Connection) -> None:
        """See :class:`soulmesh.server.gateway.Gateway`."""
        if connection in self.connections:
            del self.connections[connection]
            if self.parts.abuse is not None:
                self.parts.abuse.closed(connection.host)
            self.parts.left(connection)

    def _login(self, connection: Connection, data: bytes, pos: int, stop: int) -> None:
        abuse = self.parts.abuse
        if abuse is not None and not abuse.login(connection.host, self._loop.time()):
            connection.hang_up()
            return
        self.parts.logins.login(connection, data, pos, stop)

    def failed(self, connection: Connection, code: int, error: Exception) -> None:
        """See :class:`soulmesh.server.gateway.Gateway`."""
        name = show(connection.user.name) if connection.user else ""
        self._log.error("a handler broke", code=code, user=name, host=connection.host, exc_info=error)

    def bad_frame(self, connection: Connection, length: int) -> None:
        """See :class:`soulmesh.server.gateway.Gateway`."""
        self.bad_messages += 1
        self._log.debug("bad frame", host=connection.host, length=length)

    def bad_message(self, connection: Connection, code: int, error: Exception) -> None:
        """See :class:`soulmesh.server.gateway.Gateway`."""
        self.bad_messages += 1
        self._log.debug("bad message", host=connection.host, code=code, reason=str(error))
        if connection.bad >= self.settings.limits.bad_messages:
            connection.hang_up()

    def dropped(self, connection: Connection, reason: str) -> None:
        """See :class:`soulmesh.server.gateway.Gateway`."""
        self.dropped_readers += 1
        name = show(connection.user.name) if connection.user else ""
        self._log.info(
            "reader dropped", user=name, host=connection.host, reason=reason, waiting=connection.queued
        )

    def slowed(self, connection: Connection) -> None:
        """See :class:`soulmesh.server.gateway.Gateway`."""
        self._slowed[connection] = None
        if self._timer is not None and self._timer.when() - self._loop.time() > SLOW_TICK:
            self._timer.cancel()
            self._timer = self._loop.call_later(SLOW_TICK, self._tick)

    def hanging_up(self, connection: Connection) -> None:
        """See :class:`soulmesh.server.gateway.Gateway`."""
        self._hanging_up.append((self._loop.time() + self.settings.limits.stall_seconds, connection))

    # ---- time

    def _tick(self) -> None:
        now = self.seconds = self._loop.time()
        waiting = self._before_login
        while waiting and (waiting[0][0] <= now or waiting[0][1].user is not None or waiting[0][1].closing):
            _, connection = waiting.popleft()
            if connection.user is None and not connection.closing:
                connection.hang_up()
        while self._hanging_up and self._hanging_up[0][0] <= now:
            _, connection = self._hanging_up.popleft()
            if connection.transport is not None:
                connection.abort()
        self.parts.tree.tick(now)
        self.parts.privileges.tick()
        self._look_at_readers(now)
        if self.doors is not None:
            self.doors.tick(now)
        if now >= self._idle_at:
            self._look_for_silence(now)
        if self.parts.abuse is not None and now >= self._forget_at:
            self._forget_at = now + 60.0
            self.parts.abuse.tick(now)
        pause = TICK
        deadline = self.parts.tree.deadline
        if deadline is not None:
            pause = min(pause, max(0.01, deadline - now))
        if self.realm.outbox.crowded or self._slowed:
            pause = min(pause, SLOW_TICK)
        self._timer = self._loop.call_later(pause, self._tick)

    def _look_at_readers(self, now: float) -> None:
        """Drop readers that take nothing; read on from senders that nobody waits for any more."""
        limits = self.settings.limits
        crowded = self.realm.outbox.crowded
        if (
            self._slowed
            and not self.realm.outbox.stuck
            and not any(
                isinstance(reader, Connection)
                and reader.queued > limits.send_queue_soft
                and now - reader.progress < RECENT
                for reader in crowded
            )
        ):
            for connection in list(self._slowed):
                if not connection.busy and connection not in crowded:
                    connection.speed_up()
                if not connection.slowed or connection.closing:
                    del self._slowed[connection]
        for connection in [c for c in self.connections if c.queue is not None]:
            if connection.stalled(now, limits.stall_seconds):
                self.dropped(connection, "does not read")
                connection.abort()

    def _look_for_silence(self, now: float) -> None:
        self._idle_at = now + self.settings.limits.idle_seconds
        for connection in list(self.connections):
            if connection.user is not None and not connection.active:
                connection.hang_up()
            connection.active = False
