"""The distributed network's edge: D links, and the bytes that pass along them.

What to do is decided by :class:`soulmesh.core.tree.Tree`; here links are opened,
read and written. Searches are passed on as the bytes that came, all of one read
in one write to each child.
"""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from soulmesh import wire
from soulmesh.client.events import Event, Events
from soulmesh.client.links import Links, PeerMisbehaved
from soulmesh.client.ports import ServerPort
from soulmesh.client.settings import ClientSettings
from soulmesh.client.tasks import Tasks, Timer
from soulmesh.core import tree
from soulmesh.core.rate import Rate
from soulmesh.core.rendezvous import Address
from soulmesh.errors import DecodeError, SoulmeshError, WireError
from soulmesh.net.stream import Stream
from soulmesh.wire import distributed, to_client

__all__ = ["SearchTree", "TreeChanged", "TreeFigures"]

log = logging.getLogger(__name__)

_SEARCH = 3
_LEVEL = 4
_ROOT = 5
_WRAPPED = 93
_HEAD = struct.Struct("<IB")


@dataclass(frozen=True, slots=True)
class TreeChanged(Event):
    """Our place in the distributed network changed. ``parent`` is ``None`` when we are a root."""

    parent: str | None
    level: int
    root: str
    reason: str


@dataclass(frozen=True, slots=True)
class TreeFigures:
    """How the distributed network looks from here."""

    parent: str | None
    level: int
    root: str
    children: tuple[str, ...]
    most_children: int
    seen: int
    """Searches that reached us."""
    forwarded: int
    """Copies passed on to children."""
    duplicates: int
    per_second: float
    """Searches that reached us, mean over the last minute or so."""
    forwarded_per_second: float = 0.0
    """Copies passed on to children, the same mean."""
    speed: int | None = None
    """Our upload speed as the server sees it, in bytes per second; more of it bears more children."""
    min_speed: int = 0
    """KiB/s below which the server wants us to have no children."""
    speed_ratio: int = 0
    """Tenths of a KiB/s that the server wants us to have for each child."""


class _Link:
    """One D link."""

    __slots__ = ("stream", "username")

    def __init__(self, username: str, stream: Stream) -> None:
        self.username = username
        self.stream = stream


class SearchTree:
    """Our place in the distributed network, kept and used."""

    def __init__(
        self,
        server: ServerPort,
        links: Links,
        events: Events,
        settings: ClientSettings,
        *,
        answer: Callable[[Sequence[bytes]], None],
    ) -> None:
        self._server = server
        self._links = links
        self._events = events
        self._settings = settings
        self._answer = answer
        self._machine = tree.Tree(server.username, settings.tree)
        self._tasks = Tasks("distributed network")
        self._timer = Timer(lambda: self._do(self._machine.tick(self._now())))
        self._rate = Rate()
        self._forward_rate = Rate()
        if not settings.accept_children:
            self._machine.willing(False)
        links.on_child_link(self._child_came)
        for kind in (
            to_client.ParentMinSpeed,
            to_client.ParentSpeedRatio,
            to_client.ParentInactivityTimeout,
        ):
            server.on(kind, lambda message: self._do(self._machine.rule(message, self._now())))
        server.on(to_client.PotentialParents, self._on_potential_parents)
        server.on(to_client.ServerSearchRequest, self._on_server_search)
        server.on(to_client.ResetDistributed, lambda _: self._do(self._machine.reset(self._now())))
        server.on(to_client.AddUser, self._on_figures)
        server.on(to_client.GetUserStats, self._on_figures)

    # -- from the client

    def log_in(self) -> None:
        """After a login: tell the server our place (flows.rst: that we have no parent)."""
        self._do(self._machine.logged_in(self._now()))

    def willing(self, yes: bool) -> None:
        """Whether we want children."""
        self._do(self._machine.willing(yes))

    @property
    def figures(self) -> TreeFigures:
        """How it looks now."""
        machine = self._machine
        return TreeFigures(
            machine.parent,
            machine.level,
            machine.root,
            tuple(machine.children.values()),
            machine.most_children,
            machine.seen,
            machine.forwarded,
            machine.duplicates,
            self._rate.per_second(self._now()),
            self._forward_rate.per_second(self._now()),
            *machine.measures,
        )

    async def close(self) -> None:
        """Leave the tree."""
        self._timer.cancel()
        await self._tasks.close()

    # -- from the server

    def _on_potential_parents(self, message: to_client.PotentialParents) -> None:
        entries = [(entry.username, entry.ip, entry.port) for entry in message.entries]
        self._do(self._machine.offered(entries, self._now()))

    def _on_server_search(self, message: to_client.ServerSearchRequest) -> None:
        if message.distributed_code != _SEARCH or message.username is None or message.query is None:
            return
        frame = wire.encode(
            distributed.DistributedSearchRequest(
                message.unknown or 0, message.username, message.ticket or 0, message.query
            )
        )
        effects, fresh = self._machine.server_searches([frame], self._now())
        self._passed(effects, fresh, 1)

    def _on_figures(self, message: to_client.AddUser | to_client.GetUserStats) -> None:
        if message.username == self._server.username and message.user_stats is not None:
            self._do(self._machine.speed_known(message.user_stats.avg_speed))

    # -- links

    def _child_came(self, username: str, stream: Stream) -> None:
        link = _Link(username, stream)
        self._tasks.start(self._serve(link), f"D link of {username}")
        self._do(self._machine.child_linked(username, link, self._now()))

    async def _connect(self, username: str, address: Address) -> None:
        try:
            stream = await self._links.open_tree_link(username, address)
        except SoulmeshError as error:
            log.info("candidate %s: %s", username, error)
            self._do(self._machine.candidate_failed(username, self._now()))
            return
        link = _Link(username, stream)
        self._tasks.start(self._serve(link), f"D link to {username}")
        self._do(self._machine.candidate_linked(username, link, self._now()))

    async def _serve(self, link: _Link) -> None:
        reader = wire.FrameReader("distributed", "peer")
        try:
            while data := await link.stream.read():
                self._take(link, reader.feed(data))
        except WireError as error:
            self._events.emit(PeerMisbehaved(link.username, str(error)))
        finally:
            link.stream.abort()
            self._do(self._machine.lost(link, self._now()))

    def _take(self, link: _Link, frames: Sequence[wire.Frame]) -> None:
        searches: list[bytes] = []
        for frame in frames:
            if frame.code == _SEARCH:
                searches.append(frame.data)
                continue
            if frame.code == _WRAPPED:
                unwrapped = _unwrap(frame)
                if unwrapped is not None:
                    searches.append(unwrapped)
                continue
            # The order matters: a search before a change of place belongs to the old place.
            self._searches(link, searches)
            searches = []
            self._tell(link, frame)
        self._searches(link, searches)

    def _searches(self, link: _Link, frames: list[bytes]) -> None:
        if frames:
            effects, fresh = self._machine.searches(link, frames, self._now())
            self._passed(effects, fresh, len(frames))

    def _tell(self, link: _Link, frame: wire.Frame) -> None:
        now = self._now()
        if frame.code == _LEVEL or frame.code == _ROOT:
            message = frame.decode()
            if isinstance(message, distributed.DistributedBranchLevel):
                self._do(self._machine.told_level(link, message.level, now))
            elif isinstance(message, distributed.DistributedBranchRoot):
                self._do(self._machine.told_root(link, message.username, now))
        else:
            self._machine.heard(link, now)
            self._timer.set(self._machine.deadline)

    def _passed(self, effects: Sequence[tree.Effect], fresh: Sequence[bytes], count: int) -> None:
        now = self._now()
        self._rate.add(count, now)
        if fresh and self._machine.children:
            self._forward_rate.add(len(fresh) * len(self._machine.children), now)
        self._do(effects)
        if fresh:
            self._answer(fresh)

    # -- effects

    def _do(self, effects: Sequence[tree.Effect]) -> None:
        for effect in effects:
            match effect:
                case tree.Forward(links, data):
                    for link in links:
                        assert isinstance(link, _Link)
                        self._write(link, data)
                case tree.TellLink(link, message):
                    assert isinstance(link, _Link)
                    self._write(link, wire.encode(message))
                case tree.TellServer(message):
                    if self._server.connected:
                        self._server.send(message)
                case tree.ConnectTo(username, host, port):
                    self._tasks.start(self._connect(username, Address(host, port)), f"candidate {username}")
                case tree.Drop(link, reason):
                    assert isinstance(link, _Link)
                    log.debug("D link of %s: %s", link.username, reason)
                    link.stream.close()
                case tree.Moved(parent, level, root, reason):
                    self._events.emit(TreeChanged(parent, level, root, reason))
        self._timer.set(self._machine.deadline)

    def _write(self, link: _Link, data: bytes) -> None:
        stream = link.stream
        if stream.write_buffer_size > self._settings.child_buffer:
            # It would cost memory without end; its parent is easily replaced.
            self._events.emit(PeerMisbehaved(link.username, "does not read the searches we pass on"))
            stream.abort()
            return
        stream.write(data)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()


def _unwrap(frame: wire.Frame) -> bytes | None:
    """The DistributedSearchRequest inside a DistributedServerSearchRequest of an old client."""
    payload = bytes(frame.payload)
    if payload[:3] == b"\0\0\0" and len(payload) > 4:
        payload = payload[3:]
    if not payload or payload[0] != _SEARCH:
        return None
    return _HEAD.pack(len(payload), _SEARCH) + payload[1:]


def read_search(frame: bytes) -> distributed.DistributedSearchRequest | None:
    """The search in a frame, ``None`` if it cannot be read."""
    try:
        message = wire.decode(frame, "distributed", "peer")
    except DecodeError:
        return None
    return message if isinstance(message, distributed.DistributedSearchRequest) else None
