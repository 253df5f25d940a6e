"""Carries out one :class:`~soulmesh.core.rendezvous.Rendezvous`: asks, dials, waits, and tidies up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from soulmesh.client.errors import NotConnected, PeerUnreachable, UserOffline
from soulmesh.client.handshake import pack
from soulmesh.client.ports import ServerPort
from soulmesh.client.settings import ClientSettings
from soulmesh.client.tasks import Tasks, Timer
from soulmesh.core.rendezvous import (
    Address,
    AskAddress,
    AskCallback,
    Dial,
    Drop,
    Effect,
    Failed,
    Met,
    Rendezvous,
    StopDialling,
)
from soulmesh.errors import NetworkError
from soulmesh.net.stream import Stream, open_stream
from soulmesh.net.world import World
from soulmesh.wire import peer_init, to_client, to_server

__all__ = ["Meeting", "Opened"]


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A connection to a user, its initialisation message behind us."""

    stream: Stream
    obfuscated: bool
    direct: bool


class Meeting:
    """One attempt to open one link. :meth:`run` it once.

    Args:
        kind: P, F or D.
        address: where the user listens, if that is known.
        timeout: seconds for everything together; ``None``: what the settings give each way.
        late: takes a connection that came after another one had won.
    """

    def __init__(
        self,
        world: World,
        server: ServerPort,
        settings: ClientSettings,
        username: str,
        kind: str,
        ticket: int,
        *,
        address: Address | None,
        timeout: float | None,
        late: Callable[[Opened], None],
    ) -> None:
        direct, callback = settings.direct_timeout, settings.callback_timeout
        self._machine = Rendezvous(
            username,
            ticket,
            address=address,
            order=settings.order,
            prefer_obfuscated=settings.obfuscate,
            direct_timeout=direct if timeout is None else min(direct, timeout),
            callback_timeout=callback if timeout is None else min(callback, timeout),
        )
        self._world = world
        self._server = server
        self._kind = kind
        self._late = late
        self._tasks = Tasks(f"meeting {username}")
        self._dialling: asyncio.Task[None] | None = None
        self._result: asyncio.Future[Opened] = asyncio.get_running_loop().create_future()
        self._timer = Timer(lambda: self._do(self._machine.tick(self._now())))

    @property
    def address(self) -> Address | None:
        """Where the user listens, if that was given or found out."""
        return self._machine.address

    async def run(self) -> Opened:
        """Open the link.

        Raises:
            UserOffline: the server has no address for the user.
            PeerUnreachable: both ways failed; says why.
            NotConnected: we are not logged in, so nobody can help.
        """
        won: Opened | None = None
        try:
            self._do(self._machine.start(self._now()))
            won = await self._result
            return won
        finally:
            self._timer.cancel()
            self._do(self._machine.abandon("not wanted any more"))
            await self._tasks.close()
            met = self._result.done() and not self._result.cancelled() and not self._result.exception()
            if won is None and met:
                # In the very moment in which our caller gave up.
                self._result.result().stream.abort()

    def pierced(self, stream: Stream, obfuscated: bool) -> None:
        """The other side connected with our ticket."""
        self._do(self._machine.linked(Opened(stream, obfuscated, direct=False), direct=False))

    def refused(self) -> None:
        """CannotConnect came for our ticket."""
        self._do(self._machine.refused(self._now()))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    def _do(self, effects: Sequence[Effect]) -> None:
        for effect in effects:
            match effect:
                case AskAddress(username):
                    self._tasks.start(self._locate(username), "address")
                case AskCallback(username, ticket):
                    try:
                        self._server.send(to_server.ConnectToPeer(ticket, username, self._kind))
                    except NotConnected as error:
                        self._fail(error)
                case Dial(host, port, obfuscated):
                    self._dialling = self._tasks.start(self._dial(host, port, obfuscated), "dial")
                case StopDialling():
                    if self._dialling is not None:
                        self._dialling.cancel()
                case Met(link, _):
                    assert isinstance(link, Opened)
                    if self._result.done():
                        self._late(link)
                    else:
                        self._result.set_result(link)
                case Drop(link):
                    assert isinstance(link, Opened)
                    self._late(link)
                case Failed(direct, indirect, offline):
                    name = self._machine.username
                    self._fail(UserOffline(name) if offline else PeerUnreachable(name, direct, indirect))
        self._timer.set(self._machine.deadline)

    def _fail(self, error: Exception) -> None:
        if not self._result.done():
            self._result.set_exception(error)

    async def _locate(self, username: str) -> None:
        try:
            found = await self._server.ask(
                to_server.GetPeerAddress(username),
                to_client.GetPeerAddress,
                match=lambda reply: reply.username == username,
            )
        except NotConnected as error:
            self._fail(error)
            return
        address = Address(found.ip, found.port, found.obfuscated_port or 0)
        self._do(self._machine.located(address, self._now()))

    async def _dial(self, host: str, port: int, obfuscated: bool) -> None:
        try:
            stream = await open_stream(self._world.network, host, port)
        except NetworkError as error:
            self._dialling = None
            self._do(self._machine.dial_failed(str(error), self._now()))
            return
        hello = peer_init.PeerInit(self._server.username, self._kind, 0)
        stream.write(pack(hello, obfuscated, self._world.random))
        self._dialling = None
        self._do(self._machine.linked(Opened(stream, obfuscated, direct=True), direct=True))
