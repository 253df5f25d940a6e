"""A server of a few hundred lines for the client's tests: what a client needs of one, and every message kept.

The real server has a package and tests of its own; this one can be told to
misbehave, and runs on any network.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from soulmesh import wire
from soulmesh.errors import NetworkError
from soulmesh.net.stream import Stream, listen_streams
from soulmesh.net.world import Listener, Network
from soulmesh.wire import to_client, to_server
from soulmesh.wire.message import Message
from soulmesh.wire.structs import PotentialParent, UserStats

__all__ = ["LittleServer", "Session"]


@dataclass(eq=False)
class Session:
    """One logged-in user."""

    stream: Stream
    name: str = ""
    host: str = ""
    ports: tuple[int, int] = (0, 0)
    status: int = 2
    watched: set[str] = field(default_factory=set)
    root: bool = False
    seeks_parent: bool = False
    accepts_children: bool = False
    folders: int = 0
    files: int = 0
    heard: list[Message] = field(default_factory=list)
    """All that the client said, in order."""

    def send(self, *messages: Message) -> None:
        for message in messages:
            self.stream.write(wire.encode(message))

    def names(self) -> list[str]:
        return [type(message).__name__ for message in self.heard]

    def said(self, kind: type[Message]) -> list[Any]:
        return [message for message in self.heard if type(message) is kind]


class LittleServer:
    """Run it with ``await server.open(network)``; it ends with the loop."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}
        self.passwords: dict[str, str] = {}
        self.speed = 1_000_000
        self.listener: Listener | None = None
        self.logins = 0
        self.offer_parents = True
        self.on_login: Callable[[Session, to_server.Login], bool] | None = None
        """Handles a login itself if it returns True."""
        self.hook: Callable[[Session, Message], bool] | None = None
        """Sees each message first; True: it was handled."""
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        assert self.listener is not None
        return self.listener.port

    async def open(self, network: Network, host: str = "", port: int = 0) -> None:
        self.listener = await listen_streams(network, self._accept, host, port)

    def close(self) -> None:
        if self.listener is not None:
            self.listener.close()
        for task in self._tasks:
            task.cancel()

    async def __aenter__(self) -> LittleServer:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        await asyncio.sleep(0)

    def _accept(self, stream: Stream) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(stream))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, stream: Stream) -> None:
        session = Session(stream, host=stream.peer_address[0])
        reader = wire.FrameReader("server", "to_server")
        try:
            while data := await stream.read():
                for frame in reader.feed(data):
                    message = frame.decode()
                    session.heard.append(message)
                    if self.hook is not None and self.hook(session, message):
                        continue
                    self._take(session, message)
        except NetworkError:
            pass
        finally:
            stream.abort()
            if self.sessions.get(session.name) is session:
                del self.sessions[session.name]
                self._tell_status(session.name, 0)

    def _take(self, session: Session, message: Message) -> None:
        handler = getattr(self, f"_{type(message).__name__}", None)
        if handler is not None:
            handler(session, message)

    def _tell_status(self, name: str, status: int) -> None:
        for other in self.sessions.values():
            if name in other.watched:
                other.send(to_client.GetUserStatus(name, status, False))

    # -- messages

    def _Login(self, session: Session, m: to_server.Login) -> None:
        self.logins += 1
        if self.on_login is not None and self.on_login(session, m):
            return
        if self.passwords.setdefault(m.username, m.password) != m.password:
            session.send(to_client.Login(False, reason="INVALIDPASS"))
            session.stream.close()
            return
        old = self.sessions.get(m.username)
        if old is not None:
            old.send(to_client.Kicked())
            old.stream.close()
        session.name = m.username
        self.sessions[m.username] = session
        digest = hashlib.md5(m.password.encode()).hexdigest()
        session.send(
            to_client.Login(True, "Welcome.", session.host, digest, False),
            to_client.ParentMinSpeed(1),
            to_client.ParentSpeedRatio(50),
            to_client.WishlistInterval(720),
            to_client.PrivilegedUsers([]),
            to_client.ExcludedSearchPhrases([]),
        )
        self._tell_status(m.username, 2)

    def _SetListenPort(self, session: Session, m: to_server.SetListenPort) -> None:
        session.ports = (m.port, m.obfuscated_port or 0)

    def _CheckPrivileges(self, session: Session, m: to_server.CheckPrivileges) -> None:
        session.send(to_client.CheckPrivileges(0))

    def _SharedFoldersFiles(self, session: Session, m: to_server.SharedFoldersFiles) -> None:
        session.folders, session.files = m.shared_folder_count, m.shared_file_count

    def _stats(self, name: str) -> UserStats:
        other = self.sessions.get(name)
        return UserStats(self.speed, 1, other.files if other else 0, other.folders if other else 0)

    def _AddUser(self, session: Session, m: to_server.AddUser) -> None:
        known = m.username in self.passwords
        if not known:
            session.send(to_client.AddUser(m.username, False))
            return
        status = 2 if m.username in self.sessions else 0
        session.send(
            to_client.AddUser(m.username, True, status, self._stats(m.username), "de" if status else None)
        )
        if m.username != session.name:
            session.watched.add(m.username)

    def _RemoveUser(self, session: Session, m: to_server.RemoveUser) -> None:
        session.watched.discard(m.username)

    def _GetUserStatus(self, session: Session, m: to_server.GetUserStatus) -> None:
        session.send(to_client.GetUserStatus(m.username, 2 if m.username in self.sessions else 0, False))

    def _GetUserStats(self, session: Session, m: to_server.GetUserStats) -> None:
        session.send(to_client.GetUserStats(m.username, self._stats(m.username)))

    def _GetPeerAddress(self, session: Session, m: to_server.GetPeerAddress) -> None:
        other = self.sessions.get(m.username)
        if other is None:
            session.send(to_client.GetPeerAddress(m.username, "0.0.0.0", 0, 0, 0))
        else:
            clear, hidden = other.ports
            session.send(to_client.GetPeerAddress(m.username, other.host, clear, int(bool(hidden)), hidden))

    def _ConnectToPeer(self, session: Session, m: to_server.ConnectToPeer) -> None:
        other = self.sessions.get(m.username)
        if other is None:
            session.send(to_client.CannotConnect(m.ticket))
            return
        clear, hidden = session.ports
        other.send(
            to_client.ConnectToPeer(
                session.name,
                m.connection_type,
                session.host,
                clear,
                m.ticket,
                False,
                int(bool(hidden)),
                hidden,
            )
        )

    def _CannotConnect(self, session: Session, m: to_server.CannotConnect) -> None:
        other = self.sessions.get(m.username or "")
        if other is not None:
            other.send(to_client.CannotConnect(m.ticket))

    def _ToggleParentSearch(self, session: Session, m: to_server.ToggleParentSearch) -> None:
        session.seeks_parent = m.enable
        if m.enable:
            asyncio.get_running_loop().call_soon(self.offer, session)

    def _AcceptChildren(self, session: Session, m: to_server.AcceptChildren) -> None:
        session.accepts_children = m.accept

    def _BranchLevel(self, session: Session, m: to_server.BranchLevel) -> None:
        session.root = m.level == 0

    def offer(self, session: Session) -> None:
        """PotentialParents, now and every 60 s: those who logged in before, and take children."""
        if not self.offer_parents or not session.seeks_parent or session.stream.is_closed:
            return
        asyncio.get_running_loop().call_later(60.0, self.offer, session)
        entries = []
        for other in self.sessions.values():
            if other is session:
                break
            if other.accepts_children:
                entries.append(PotentialParent(other.name, other.host, other.ports[0]))
        if entries:
            session.send(to_client.PotentialParents(entries))

    def _FileSearch(self, session: Session, m: to_server.FileSearch) -> None:
        for other in self.sessions.values():
            if other.root:
                other.send(to_client.ServerSearchRequest(3, 49, session.name, m.ticket, m.query))

    _WishlistSearch = _FileSearch

    def _UserSearch(self, session: Session, m: to_server.UserSearch) -> None:
        other = self.sessions.get(m.username)
        if other is not None:
            other.send(to_client.FileSearch(session.name, m.ticket, m.query))
