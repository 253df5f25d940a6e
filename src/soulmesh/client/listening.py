"""Our listening ports: who connects, says who he is, and is handed on."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from dataclasses import dataclass

from soulmesh.client.events import Event, Events
from soulmesh.client.handshake import read_init
from soulmesh.client.links import Links, PeerMisbehaved
from soulmesh.client.settings import ClientSettings
from soulmesh.client.tasks import Tasks, Turnstile
from soulmesh.errors import NetworkError, ProtocolError
from soulmesh.net.errors import PortTwice
from soulmesh.net.stream import Stream, listen_streams
from soulmesh.net.world import Listener, World
from soulmesh.wire import peer_init

__all__ = ["ListenPortChanged", "Listening"]

log = logging.getLogger(__name__)

_IN_ONE_TURN = 16
"""So many links are put to use between two turns of the loop: hundreds answer a search at once."""


@dataclass(frozen=True, slots=True)
class ListenPortChanged(Event):
    """The ports where others reach us, as the server is told. 0: none."""

    port: int
    obfuscated_port: int


class Listening:
    """The clear port, and the obfuscated one beside it.

    ``announced_port`` may differ from the port that we listen on: behind a router or a VPN
    it is the forwarded one.
    """

    def __init__(self, world: World, links: Links, events: Events, settings: ClientSettings) -> None:
        self._world = world
        self._links = links
        self._events = events
        self._settings = settings
        self._tasks = Tasks("listening")
        self._clear: Listener | None = None
        self._hidden: Listener | None = None
        self._strangers: Counter[str] = Counter()
        self._turnstile = Turnstile(_IN_ONE_TURN)
        self._announced: int | None = None
        self._announced_hidden: int | None = None

    @property
    def port(self) -> int:
        """The clear port that we listen on; 0 while we do not."""
        return self._clear.port if self._clear is not None else 0

    @property
    def obfuscated_port(self) -> int:
        """The obfuscated port that we listen on; 0 if there is none."""
        return self._hidden.port if self._hidden is not None else 0

    @property
    def announced_port(self) -> int:
        """The clear port that others are told."""
        return self._announced if self._announced is not None else self.port

    @property
    def announced_obfuscated_port(self) -> int:
        """The obfuscated port that others are told; 0: none."""
        if self._hidden is None:
            return 0
        return self._announced_hidden if self._announced_hidden is not None else self._hidden.port

    async def open(self, port: int) -> None:
        """Listen on ``port`` (0: one that the system chooses) and on the obfuscated one.

        Raises:
            PortInUse: another program listens on the clear port (or on an obfuscated one that was chosen).
            PortTwice: it was chosen as the obfuscated one.
            NetworkError: any other reason.
        """
        self._not_twice(port)
        self._clear = await self._listen(port, obfuscated=False)
        try:
            self._hidden = await self._open_hidden(self._clear.port)
        except NetworkError:
            self._clear.close()
            raise

    def _not_twice(self, port: int) -> None:
        if port == self._settings.obfuscated_port != 0:
            raise PortTwice(self._settings.listen_host, port)

    async def _open_hidden(self, clear_port: int) -> Listener | None:
        wanted = self._settings.obfuscated_port
        if wanted == -1:
            return None
        if wanted is not None:
            return await self._listen(wanted, obfuscated=True)
        try:
            return await self._listen(clear_port + 1, obfuscated=True)
        except NetworkError:
            # The port after ours is a habit, not a rule: any other will do.
            return await self._listen(0, obfuscated=True)

    async def _listen(self, port: int, *, obfuscated: bool) -> Listener:
        accept = self._accept_hidden if obfuscated else self._accept_clear
        return await listen_streams(self._world.network, accept, self._settings.listen_host, port)

    async def move(self, port: int) -> None:
        """Listen on another port; open connections stay, and so does an obfuscated port of our choice.

        Raises:
            NetworkError: the new port cannot be had; the old ones stay.
        """
        if port == self.port:
            return
        self._not_twice(port)
        old_clear, old_hidden = self._clear, self._hidden
        if old_hidden is not None and old_hidden.port == self._settings.obfuscated_port != port:
            self._clear = await self._listen(port, obfuscated=False)
            old_hidden = None
        else:
            await self._move_both(port)
        for listener in (old_clear, old_hidden):
            if listener is not None:
                listener.close()
        self._announced = self._announced_hidden = None
        self.changed()

    async def _move_both(self, port: int) -> None:
        old_clear, old_hidden = self._clear, self._hidden
        if old_hidden is not None and old_hidden.port == port:
            # The new port is our own second one.
            old_hidden.close()
        self._clear = self._hidden = None
        try:
            await self.open(port)
        except NetworkError:
            if old_hidden is not None and old_hidden.port == port:
                with contextlib.suppress(NetworkError):
                    old_hidden = await self._listen(port, obfuscated=True)
            self._clear, self._hidden = old_clear, old_hidden
            raise

    def announce(self, port: int | None, obfuscated_port: int | None = None) -> None:
        """Tell others these ports instead of those we listen on; ``None``: those we listen on."""
        self._announced = port
        self._announced_hidden = obfuscated_port
        self.changed()

    def changed(self) -> None:
        """Tell whoever listens for it, the client's logon above all."""
        self._events.emit(ListenPortChanged(self.announced_port, self.announced_obfuscated_port))

    async def close(self) -> None:
        """Accept no more, and drop those who have not said who they are."""
        for listener in (self._clear, self._hidden):
            if listener is not None:
                listener.close()
        self._clear = self._hidden = None
        await self._tasks.close()

    def _accept_clear(self, stream: Stream) -> None:
        self._accept(stream, obfuscated=False)

    def _accept_hidden(self, stream: Stream) -> None:
        self._accept(stream, obfuscated=True)

    def _accept(self, stream: Stream, *, obfuscated: bool) -> None:
        host = stream.peer_address[0]
        # The places for those who have not said who they are must not all go to one who never will.
        # Programs of this machine share one address and mean no harm.
        most = self._settings.most_pending_per_host
        crowded = self._strangers[host] >= most and not host.startswith("127.")
        if crowded or len(self._tasks) >= self._settings.most_pending:
            stream.abort()
            return
        self._strangers[host] += 1
        task = self._tasks.start(self._welcome(stream, obfuscated), "incoming connection")
        task.add_done_callback(lambda _: self._introduced(host))

    def _introduced(self, host: str) -> None:
        self._strangers[host] -= 1
        if not self._strangers[host]:
            del self._strangers[host]

    async def _welcome(self, stream: Stream, obfuscated: bool) -> None:
        handed_on = False
        host = stream.peer_address[0]
        try:
            async with asyncio.timeout(self._settings.init_timeout):
                message = await read_init(stream, obfuscated)
            await self._turnstile.enter()
            if isinstance(message, peer_init.PeerPierceFirewall):
                handed_on = self._links.pierced(message.ticket, stream, obfuscated)
                if not handed_on:
                    log.info("%s pierces with ticket %d, which nobody waits for", host, message.ticket)
                return
            problem = _problem(message)
            if problem is not None:
                raise ProtocolError(problem)
            if self._links.refuses(message.username, host):
                return
            handed_on = True
            self._links.take(
                message.username, message.connection_type, stream, obfuscated=obfuscated, direct=True
            )
        except TimeoutError:
            self._events.emit(PeerMisbehaved("", f"{host} connected and did not say who it is"))
        except ProtocolError as error:
            self._events.emit(PeerMisbehaved("", f"{host}: {error}"))
        except NetworkError as error:
            log.debug("%s connected and left: %s", host, error)
        finally:
            if not handed_on:
                stream.abort()


def _problem(message: peer_init.PeerInit) -> str | None:
    if not 1 <= len(message.username.encode()) <= 256:
        return "a user name of impossible length"
    if message.connection_type not in ("P", "F", "D"):
        return f"unknown connection type {message.connection_type!r}"
    return None
