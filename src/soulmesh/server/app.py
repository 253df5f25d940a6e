"""The server, put together: listens, lets users in, keeps time, stops in good order.

    async with Server(World.real(), settings, data=Path("data")) as server:
        print(server.host, server.port)
        await server.stopped()

Without ``data`` everything is kept in memory and forgotten at the end.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import deque
from pathlib import Path
from random import Random
from types import TracebackType
from typing import TYPE_CHECKING

from soulmesh import log, wire
from soulmesh.net.tcp import TcpNetwork
from soulmesh.net.world import Listener, Network, World
from soulmesh.server.accounts import Passwords
from soulmesh.server.chat import Chat
from soulmesh.server.frames import show
from soulmesh.server.gateway import Connection, Handler, Hot
from soulmesh.server.interests import Interests
from soulmesh.server.logins import Logins
from soulmesh.server.presence import Presence
from soulmesh.server.privileges import Privileges
from soulmesh.server.realm import Realm
from soulmesh.server.rooms import Rooms
from soulmesh.server.settings import Settings, make_settings
from soulmesh.server.state import Outbox, Session, User
from soulmesh.server.store import Store
from soulmesh.server.store.memory import MemoryStore
from soulmesh.server.table import compile_rows, rows
from soulmesh.server.tree import Tree
from soulmesh.wire import to_client, to_server

if TYPE_CHECKING:
    from typing import Self

__all__ = ["Parts", "Server"]

TICK = 1.0
"""Seconds between looks at time-outs."""

SLOW_TICK = 0.05
"""The same while a sender is held back."""

DATABASE = "server.sqlite3"
"""The store's file in the data folder."""


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
        self.handlers: dict[int, Handler] = compile_rows(rows(self))
        self.logins_total = 0

    def entered(self, connection: Connection, user: User) -> None:
        """A user is in."""
        self.logins_total += 1
        connection.handlers = self.handlers
        connection.limit = self.realm.settings.limits.frame
        self.interests.entered(user)

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
        return False

    def login_failed(self, connection: Connection, name: bytes) -> None:
        """A wrong password."""

    def written_to_server(self, session: Session, user: User, text: bytes) -> None:
        """Somebody writes to the user ``server``."""

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
    """See the module. ``world`` is a :class:`World`, or only its network."""

    def __init__(
        self,
        world: World | Network | None = None,
        settings: Settings | None = None,
        *,
        data: Path | None = None,
        store: Store | None = None,
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
        self._log = log.get("server")
        self.seconds = 0.0
        self.connections: dict[Connection, None] = {}
        self._before_login: deque[tuple[float, Connection]] = deque()
        self._slowed: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._stopped: asyncio.Event | None = None
        self._listener: Listener | None = None
        self._idle_at = 0.0
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
        outbox = Outbox(loop, self.store)
        outbox.queue_limit = self.settings.limits.send_queue
        secret = self._random.randbytes(32)
        self.realm = Realm(
            self.settings, self.store, outbox, lambda: self._wall().timestamp(), Random(secret)
        )
        self.realm.load()
        self.parts = Parts(self.realm, Passwords(self.settings.accounts, secret), loop)
        self._before: dict[int, Handler] = {1: self.parts.logins.login}
        section = self.settings.server
        try:
            self._listener = await self._network.listen(self._connection, section.host, section.port)
        except BaseException:
            await self.store.close()
            raise
        self.host, self.port = self._listener.host, self._listener.port
        self._idle_at = self.seconds + self.settings.limits.idle_seconds
        self._timer = loop.call_later(TICK, self._tick)
        self._log.info("listening", host=self.host, port=self.port, accounts=len(self.realm.users))

    async def _open_store(self, loop: asyncio.AbstractEventLoop) -> Store:
        if self._given_store is not None:
            return self._given_store
        if self.data is None:
            return MemoryStore()
        from soulmesh.server.store.sqlite import SqliteStore

        self.data.mkdir(parents=True, exist_ok=True)
        path = self.data / DATABASE
        return await asyncio.to_thread(lambda: SqliteStore(path, loop))

    async def stopped(self) -> None:
        """Wait until somebody calls :meth:`stop`."""
        assert self._stopped is not None
        await self._stopped.wait()

    async def stop(self) -> None:
        """Accept nobody more, tell users, write out what is on its way, commit, close."""
        if self._listener is None:
            return
        self._listener.close()
        self._listener = None
        if self._timer is not None:
            self._timer.cancel()
        await self.parts.logins.close()
        for session in self.realm.bus.sessions():
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
        self.parts.passwords.close()
        self.realm.outbox.flush()
        await self.store.close()
        assert self._stopped is not None
        self._stopped.set()
        self._log.info("stopped")

    # ---- what connections need (see soulmesh.server.gateway.Gateway)

    def _connection(self) -> Connection:
        return Connection(self, self.realm.outbox, self._before, self.settings.limits.frame_before_login)

    def opened(self, connection: Connection) -> bool:
        """See :class:`soulmesh.server.gateway.Gateway`."""
        self.connections[connection] = None
        self._before_login.append((self._loop.time() + self.settings.limits.login_seconds, connection))
        return not self.parts.banned(b"", connection.host)

    def closed(self, connection: Connection) -> None:
        """See :class:`soulmesh.server.gateway.Gateway`."""
        if connection in self.connections:
            del self.connections[connection]
            self.parts.left(connection)

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

    # ---- time

    def _tick(self) -> None:
        now = self.seconds = self._loop.time()
        waiting = self._before_login
        while waiting and (waiting[0][0] <= now or waiting[0][1].user is not None or waiting[0][1].closing):
            _, connection = waiting.popleft()
            if connection.user is None and not connection.closing:
                connection.hang_up()
        self.parts.tree.tick(now)
        self.parts.privileges.tick()
        self._look_at_readers(now)
        if now >= self._idle_at:
            self._look_for_silence(now)
        pause = TICK
        deadline = self.parts.tree.deadline
        if deadline is not None:
            pause = min(pause, max(0.01, deadline - now))
        if self.realm.outbox.crowded:
            pause = min(pause, SLOW_TICK)
        self._timer = self._loop.call_later(pause, self._tick)

    def _look_at_readers(self, now: float) -> None:
        """Drop readers that take nothing; read on from senders that nobody waits for any more."""
        limits = self.settings.limits
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


def address_of(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """A host as an address, IPv4 also if it came mapped into IPv6."""
    try:
        return ipaddress.ip_address(host.removeprefix("::ffff:"))
    except ValueError:
        return None
