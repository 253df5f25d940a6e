"""Users who cannot reach us ask through the server that we connect to them.

flows.rst, "Peer Connections", the indirect way, seen from the other side. Every such request is
answered, a few at a time: hundreds may come in one moment, for a popular file or from a server
that means no good.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from soulmesh.client.events import Events
from soulmesh.client.handshake import pack
from soulmesh.client.link_events import CallbackFailed, PeerMisbehaved
from soulmesh.client.ports import ServerPort
from soulmesh.client.settings import ClientSettings
from soulmesh.client.tasks import Turnstile
from soulmesh.core.rendezvous import Address
from soulmesh.errors import NetworkError
from soulmesh.net.errors import ConnectionLost
from soulmesh.net.stream import Stream, open_stream
from soulmesh.net.world import World
from soulmesh.wire import peer_init, to_client, to_server

__all__ = ["CANDIDATE_TIMEOUT", "GRACE", "Callbacks", "dial"]

log = logging.getLogger(__name__)

GRACE = 10.0
"""A second link to the same user is closed when nothing passed on it for so long."""
CANDIDATE_TIMEOUT = 10.0
"""Seconds for connecting to a possible parent before it is asked to connect to us; and in a crowd."""
_PAST = 1000
"""So many users are remembered who reached us by themselves."""
_IN_ONE_TURN = 16
"""Links that are begun between two turns of the loop."""


class LinksPort(Protocol):
    """What becomes of links that are there."""

    def refuses(self, username: str, address: str, /) -> bool:
        """Whether nothing is to be had from us."""

    def take(self, username: str, kind: str, stream: Stream, *, obfuscated: bool, direct: bool) -> None:
        """A link that somebody else wanted is there."""


class Callbacks:
    """Calls those who ask for it."""

    def __init__(
        self, world: World, server: ServerPort, events: Events, settings: ClientSettings, links: LinksPort
    ) -> None:
        self._world = world
        self._server = server
        self._events = events
        self._settings = settings
        self._links = links
        self._unanswered: dict[tuple[str, str], list[asyncio.Event]] = {}
        self._reached: dict[tuple[str, str], float] = {}
        self._call_slots = asyncio.Semaphore(settings.most_callbacks)
        self._turnstile = Turnstile(_IN_ONE_TURN)
        self._callers = 0

    @property
    def callers(self) -> int:
        """Users who asked to be called, and were not yet."""
        return self._callers

    def reached(self, username: str, kind: str) -> None:
        """A user has reached us by itself: it waits for no call any more."""
        self._reached.pop((username, kind), None)
        self._reached[username, kind] = asyncio.get_running_loop().time()
        while len(self._reached) > _PAST:
            del self._reached[next(iter(self._reached))]
        for waiting in self._unanswered.get((username, kind), ()):
            waiting.set()

    async def call(self, message: to_client.ConnectToPeer) -> None:
        """Somebody cannot reach us, so we connect: every such request is answered, one way or the other."""
        settings = self._settings
        loop = asyncio.get_running_loop()
        asked = loop.time()
        address = Address(message.ip, message.port, message.obfuscated_port or 0)
        if message.connection_type not in ("P", "F", "D"):
            self._events.emit(
                PeerMisbehaved(message.username, f"unknown connection type {message.connection_type!r}")
            )
            return
        if self._links.refuses(message.username, message.ip):
            return
        try:
            if self._callers >= settings.most_callers:
                raise NetworkError("too many want to be called at once")
            self._callers += 1
            try:
                stream, obfuscated = await self._dial_in_turn(address)
            finally:
                self._callers -= 1
        except NetworkError as error:
            log.info("cannot call back %s: %s", message.username, error)
            self._events.emit(CallbackFailed(message.username, message.connection_type, str(error)))
            await self._reached_or_late(
                message.username, message.connection_type, asked, asked + settings.cannot_connect_after
            )
            if self._server.connected:
                self._server.send(to_server.CannotConnect(message.ticket, message.username))
            return
        stream.write(pack(peer_init.PeerPierceFirewall(message.ticket), obfuscated, self._world.random))
        self._links.take(
            message.username, message.connection_type, stream, obfuscated=obfuscated, direct=False
        )

    async def _reached_or_late(self, username: str, kind: str, asked: float, late: float) -> None:
        """Return when it does no harm to tell a user that we cannot connect.

        That is late, for then they have given up anyway; or as soon as they have
        reached us by themselves, for until they hear from us Nicotine+ (3.3.11)
        ignores our own request for a connection of the same kind.
        """
        if self._reached.get((username, kind), asked - GRACE) > asked - GRACE:
            return
        reached = asyncio.Event()
        waiting = self._unanswered.setdefault((username, kind), [])
        waiting.append(reached)
        try:
            async with asyncio.timeout_at(late):
                await reached.wait()
        except TimeoutError:
            pass
        finally:
            waiting.remove(reached)
            if not waiting:
                self._unanswered.pop((username, kind), None)

    async def _dial_in_turn(self, address: Address) -> tuple[Stream, bool]:
        """Dial somebody who asked for it: hundreds may, in one moment, and most of them cannot be reached."""
        await self._turnstile.enter()
        patience = self._settings.direct_timeout
        if self._call_slots.locked():
            patience = min(patience, CANDIDATE_TIMEOUT)
        async with self._call_slots:
            return await dial(self._world, self._settings, address, patience)


async def dial(
    world: World, settings: ClientSettings, address: Address, timeout: float
) -> tuple[Stream, bool]:
    """Connect to the port that we like best of those that the user has; says whether it is obfuscated."""
    ports = [(address.port, False), (address.obfuscated_port, True)]
    if settings.obfuscate:
        ports.reverse()
    failure: NetworkError = ConnectionLost("the user does not listen on any port")
    for port, obfuscated in ports:
        if 0 < port < 65536:
            try:
                stream = await open_stream(world.network, address.host, port, timeout=timeout)
            except NetworkError as error:
                failure = error
            else:
                return stream, obfuscated
    raise failure
