"""Links to other users: found, opened both ways at once, shared, closed when idle.

flows.rst, "Peer Connections". One :class:`~soulmesh.core.rendezvous.Rendezvous`
per link that we open decides; here its decisions are carried out. What others
open arrives through :class:`~soulmesh.client.listening.Listening`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from soulmesh import wire
from soulmesh.client.callbacks import CANDIDATE_TIMEOUT, GRACE, Callbacks, dial
from soulmesh.client.errors import LinkLost, NoReply, UserOffline, UserUnknown
from soulmesh.client.events import Events
from soulmesh.client.handshake import pack
from soulmesh.client.link_events import CallbackFailed, LinkClosed, LinkOpened, PeerMisbehaved
from soulmesh.client.meeting import Meeting, Opened
from soulmesh.client.peer_link import BodySink, PeerLink
from soulmesh.client.ports import ServerPort, Undo
from soulmesh.client.settings import ClientSettings
from soulmesh.client.tasks import Tasks
from soulmesh.core.rendezvous import Address, Order
from soulmesh.errors import DecodeError, NetworkError, ProtocolError, WireError
from soulmesh.net.errors import ConnectionLost
from soulmesh.net.stream import Stream
from soulmesh.net.world import World
from soulmesh.wire import peer_init, to_client
from soulmesh.wire.message import Message

__all__ = ["PROBE_TICKETS", "CallbackFailed", "LinkClosed", "LinkOpened", "Links", "PeerMisbehaved"]

log = logging.getLogger(__name__)

M = TypeVar("M", bound=Message)
FileHandler = Callable[[str, Stream], Awaitable[None]]
ChildHandler = Callable[[str, Stream], None]
FrameHandler = Callable[[str, wire.Frame], None]

PROBE_TICKETS = 1 << 31
"""From here on tickets are those of questions to ourselves; those of links count from 1."""

_PROVEN_FOR = 60.0
"""Seconds for which the place where a user took our connection is good for the next file, unasked."""

_GATHERED = 16 * 1024
"""Bytes for one user that may wait for the end of this turn of the loop, to leave in one call."""

_PAST = 1000
"""So many tickets are remembered after their attempt was over."""


@dataclass(slots=True, eq=False)
class _Question:
    """Somebody waits for a message of one user."""

    username: str
    reply: type[Message]
    match: Callable[[Any], bool] | None
    future: asyncio.Future[Any]
    asked: bool = False

    def fits(self, username: str, message: Message) -> bool:
        return (
            username == self.username
            and type(message) is self.reply
            and not self.future.done()
            and (self.match is None or self.match(message))
        )


async def _everybody_exists(_username: str) -> bool:
    return True


class Links:
    """All links to other users. Implements the ``Links`` port."""

    def __init__(
        self,
        world: World,
        server: ServerPort,
        events: Events,
        settings: ClientSettings,
        *,
        connect_pace: Callable[[bool], Awaitable[object]] | None = None,
    ) -> None:
        self._world = world
        self._server = server
        self._events = events
        self._settings = settings
        self._pace = connect_pace
        self._sequential = settings
        if settings.order is Order.BOTH:
            direct = min(settings.direct_timeout, CANDIDATE_TIMEOUT)
            self._sequential = replace(settings, order=Order.DIRECT_FIRST, direct_timeout=direct)
        self._tasks = Tasks("links")
        self._peers: dict[str, list[PeerLink]] = {}
        self._opening: dict[str, asyncio.Task[None]] = {}
        self._openings: dict[str, asyncio.Future[PeerLink]] = {}
        self._meetings: dict[int, Meeting] = {}
        self._past: dict[int, tuple[str, str]] = {}
        self._proven: dict[str, tuple[Address, float]] = {}
        self._tickets = 0
        self._slots = asyncio.Semaphore(settings.most_opening)
        self.callbacks = Callbacks(world, server, events, settings, self)
        """Calls users who cannot reach us."""
        self._handlers: dict[type[Message], list[Callable[[str, Any], None]]] = {}
        self._frame_handlers: dict[int, FrameHandler] = {}
        self._questions: list[_Question] = []
        self._sinks: dict[str, BodySink] = {}
        self._file_handler: FileHandler | None = None
        self._child_handler: ChildHandler | None = None
        self.refuses: Callable[[str, str], bool] = lambda username, address: False
        """``(username, address)``: whether nothing is to be had from us (banned)."""
        self.exists: Callable[[str], Awaitable[bool]] = _everybody_exists
        """Whether the server knows such a user at all; asked when a person waits and nobody is there."""
        server.on(to_client.ConnectToPeer, self._on_connect_to_peer)
        server.on(to_client.CannotConnect, self._on_cannot_connect)
        self._tasks.start(self._close_idle(), "idle links")

    # -- the port

    async def send(self, username: str, message: Message, *, timeout: float | None = None) -> None:
        """Send a message over the P link; see :class:`soulmesh.client.ports.Links`."""
        await self.send_frame(username, wire.encode(message), timeout=timeout)

    async def send_frame(
        self, username: str, frame: bytes, *, timeout: float | None = None, interactive: bool = True
    ) -> None:
        """Like :meth:`send`, for a message that is encoded already.

        ``interactive``: a person waits for it; what is not lets such go first if a link must be opened.
        """
        link = await self.link_to(username, timeout=timeout, interactive=interactive)
        try:
            link.write(frame)
            if link.stream.write_buffer_size > _GATHERED:
                await link.stream.drain()
        except ConnectionLost:
            # It may have gone stale while it was idle: once more on a fresh one.
            self._forget(link, "it broke while sending")
            link = await self.link_to(username, timeout=timeout, interactive=interactive)
            try:
                link.write(frame)
            except ConnectionLost as error:
                raise LinkLost(username, error.reason) from error

    async def ask(
        self,
        username: str,
        question: Message,
        reply: type[M],
        *,
        match: Callable[[M], bool] | None = None,
        timeout: float = 60.0,
    ) -> M:
        """Ask and wait for the answer; see :class:`soulmesh.client.ports.Links`."""
        waiting = _Question(username, reply, match, asyncio.get_running_loop().create_future())
        self._questions.append(waiting)
        try:
            async with asyncio.timeout(timeout):
                await self.send(username, question)
                waiting.asked = True
                with self._in_use(username):
                    found: M = await waiting.future
                    return found
        except TimeoutError:
            raise NoReply(type(question).__name__, username, timeout) from None
        finally:
            self._questions.remove(waiting)

    def on(self, message: type[M], handler: Callable[[str, M], None]) -> Undo:
        """Call ``handler(username, message)`` for each peer message of this class."""
        handlers = self._handlers.setdefault(message, [])
        handlers.append(handler)

        def undo() -> None:
            if handler in handlers:
                handlers.remove(handler)

        return undo

    def on_frame(self, message: type[Message], handler: FrameHandler) -> None:
        """Give messages of this class as frames, undecoded, to one handler."""
        assert message.LAYOUT.code is not None
        self._frame_handlers[message.LAYOUT.code] = handler

    def on_file_link(self, handler: FileHandler) -> None:
        """Who takes F links that others opened."""
        self._file_handler = handler

    def on_child_link(self, handler: ChildHandler) -> None:
        """Who takes D links that others opened."""
        self._child_handler = handler

    @property
    def handled(self) -> set[type[Message]]:
        """The classes that somebody handles."""
        codes = set(self._frame_handlers)
        from soulmesh.wire.message import CATALOGUE, PEER

        return {kind for kind, handlers in self._handlers.items() if handlers} | {
            CATALOGUE[PEER][code] for code in codes
        }

    async def open_file_link(self, username: str, *, timeout: float | None = None) -> Stream:
        """Open an F link; see :class:`soulmesh.client.ports.Links`."""
        return (await self._open(username, "F", None, timeout)).stream

    async def open_tree_link(self, username: str, address: Address | None) -> Stream:
        """Open a D link. Raises as :meth:`open_file_link`.

        One way after the other: two links at once would look like two children to the other side.
        """
        return (await self._open(username, "D", address, None, one_by_one=True)).stream

    async def called_back(self, username: str, *, timeout: float) -> None:
        """Have a user connect to us with a P link, whether or not we could connect to it.

        Raises:
            PeerUnreachable: it could not, or nothing came in time.
            NotConnected: we are not logged in.
        """
        opened = await self._open(username, "P", None, timeout, called=True)
        self.add_peer_stream(username, opened.stream, obfuscated=opened.obfuscated, ours=True)

    def links_of(self, username: str) -> list[PeerLink]:
        """The P links to a user that are open now."""
        return [link for link in self._peers.get(username, ()) if not link.is_closed]

    @property
    def count(self) -> int:
        """P links open now."""
        return sum(len(links) for links in self._peers.values())

    async def link_to(
        self, username: str, *, timeout: float | None = None, interactive: bool = True
    ) -> PeerLink:
        """The P link to a user, opened if needed; whoever wants it meanwhile waits for the same one.

        ``timeout`` is for opening it, once the governor lets us begin.
        """
        for link in self.links_of(username):
            return link
        opening = self._openings.get(username)
        if opening is None:
            opening = asyncio.get_running_loop().create_future()
            self._openings[username] = opening
            self._opening[username] = self._tasks.start(
                self._open_peer_link(username, opening, timeout, interactive), f"P link to {username}"
            )
        return await asyncio.shield(opening)

    async def ask_shares(self, username: str, sink: BodySink) -> PeerLink:
        """Ask for a user's shares; the reply's body goes to ``sink`` as it comes."""
        link = await self.link_to(username)
        # The answer may come over any link to that user, and over one that is not open yet.
        self._sinks[username] = sink
        for other in self.links_of(username):
            other.shares_sink = sink
        link.write(wire.encode(wire.peer.PeerSharesRequest()))
        return link

    def forget_sink(self, username: str) -> None:
        """Nobody waits for that user's shares any more."""
        self._sinks.pop(username, None)
        for link in self.links_of(username):
            link.shares_sink = None

    # -- opening

    async def _open_peer_link(
        self, username: str, opening: asyncio.Future[PeerLink], timeout: float | None, interactive: bool
    ) -> None:
        try:
            try:
                opened = await self._open(username, "P", None, timeout, interactive=interactive)
            except UserOffline:
                if interactive and not await self.exists(username):
                    raise UserUnknown(username) from None
                raise
            link = self.add_peer_stream(username, opened.stream, obfuscated=opened.obfuscated, ours=True)
        except BaseException as error:
            if self._openings.get(username) is opening:
                del self._openings[username]
            if not opening.done():
                if isinstance(error, Exception):
                    opening.set_exception(error)
                    # Whoever waited may be gone by now; that is no reason to complain.
                    opening.exception()
                else:
                    opening.cancel()
            if not isinstance(error, Exception):
                raise
        else:
            if self._openings.get(username) is opening:
                del self._openings[username]
            if not opening.done():
                opening.set_result(link)
        finally:
            if self._opening.get(username) is asyncio.current_task():
                del self._opening[username]

    async def _open(
        self,
        username: str,
        kind: str,
        address: Address | None,
        timeout: float | None,
        *,
        one_by_one: bool = False,
        called: bool = False,
        interactive: bool = True,
    ) -> Opened:
        if kind == "F" and address is None:
            # Thousands of small files are thousands of links: the server need not hear of each.
            proven = self._proven_address(username)
            opened = await self._open_again(username, kind, proven, timeout) if proven is not None else None
            if opened is not None:
                return opened
        settings = self._sequential if one_by_one else self._settings
        if called:
            settings = replace(settings, order=Order.CALLBACK_ONLY)
        # The server limits what it is asked.
        if self._pace is not None:
            await self._pace(interactive)
        async with self._slots:
            self._tickets = self._tickets % 0xFFFFFFFF + 1
            ticket = self._tickets
            meeting = Meeting(
                self._world,
                self._server,
                settings,
                username,
                kind,
                ticket,
                address=address,
                timeout=timeout,
                late=lambda opened: self._late(username, kind, opened),
            )
            self._meetings[ticket] = meeting
            direct: Address | None = None
            try:
                opened = await meeting.run()
                direct = meeting.address if opened.direct else None
            finally:
                self._remember(username, direct)
                # The other way may still succeed: what comes with this ticket is not a stranger.
                del self._meetings[ticket]
                self._past[ticket] = username, kind
                while len(self._past) > _PAST:
                    del self._past[next(iter(self._past))]
        self._events.emit(LinkOpened(username, kind, opened.direct, True, opened.obfuscated))
        return opened

    async def _open_again(
        self, username: str, kind: str, address: Address, timeout: float | None
    ) -> Opened | None:
        """Connect to where the user took a connection moments ago; ``None`` if that does not work now."""
        patience = min(self._settings.direct_timeout, CANDIDATE_TIMEOUT)
        async with self._slots:
            try:
                stream, obfuscated = await dial(
                    self._world,
                    self._settings,
                    address,
                    patience if timeout is None else min(patience, timeout),
                )
            except NetworkError as error:
                log.debug("%s does not take connections at the old place: %s", username, error)
                self._remember(username, None)
                return None
        stream.write(pack(peer_init.PeerInit(self._server.username, kind, 0), obfuscated, self._world.random))
        self._remember(username, address)
        self._events.emit(LinkOpened(username, kind, True, True, obfuscated))
        return Opened(stream, obfuscated, direct=True)

    def _proven_address(self, username: str) -> Address | None:
        """Where the user took a connection of ours moments ago; ``None`` if we had better ask.

        Only while a P link is open: who has gone away may come back elsewhere.
        """
        address, seen = self._proven.get(username, (None, 0.0))
        if address is None or not self.links_of(username):
            return None
        return address if asyncio.get_running_loop().time() - seen < _PROVEN_FOR else None

    def _remember(self, username: str, address: Address | None) -> None:
        """Where the user was reached just now; ``None``: nowhere, so the server is asked the next time."""
        self._proven.pop(username, None)
        if address is not None:
            self._proven[username] = address, asyncio.get_running_loop().time()
        while len(self._proven) > _PAST:
            del self._proven[next(iter(self._proven))]

    def _late(self, username: str, kind: str, opened: Opened) -> None:
        """The link that came second. The other side may have chosen it, and be sending on it.

        So a P link is read for a while, as a spare one; of the other kinds only one makes sense.
        """
        if kind == "P":
            self.add_peer_stream(username, opened.stream, obfuscated=opened.obfuscated, ours=True, spare=True)
        else:
            opened.stream.close()

    # -- what the server tells

    def _on_cannot_connect(self, message: to_client.CannotConnect) -> None:
        meeting = self._meetings.get(message.ticket)
        if meeting is not None:
            meeting.refused()

    def _on_connect_to_peer(self, message: to_client.ConnectToPeer) -> None:
        if message.ticket >= PROBE_TICKETS and message.username == self._server.username:
            # We wanted to know whether the server passes it on, and nothing else.
            return
        self._tasks.start(self.callbacks.call(message), f"callback to {message.username}")

    # -- what others open

    def pierced(self, ticket: int, stream: Stream, obfuscated: bool) -> bool:
        """A connection came that answers our ConnectToPeer; False if nobody waits for that ticket."""
        meeting = self._meetings.get(ticket)
        if meeting is not None:
            meeting.pierced(stream, obfuscated)
            return True
        past = self._past.pop(ticket, None)
        if past is not None:
            self._late(*past, Opened(stream, obfuscated, direct=False))
        return past is not None

    def take(self, username: str, kind: str, stream: Stream, *, obfuscated: bool, direct: bool) -> None:
        """A link that somebody else wanted is there, its initialisation message is behind us."""
        self._events.emit(LinkOpened(username, kind, direct, False, obfuscated))
        if direct:
            self.callbacks.reached(username, kind)
        if kind == "P":
            # Who asked us to call back may have reached us meanwhile, and close the link that came second.
            spare = not direct and bool(self.links_of(username))
            self.add_peer_stream(username, stream, obfuscated=obfuscated, ours=False, spare=spare)
        elif kind == "D" and self._child_handler is not None:
            self._child_handler(username, stream)
        elif kind == "F" and self._file_handler is not None:
            self._tasks.start(self._serve_file(username, stream), f"F link of {username}")
        else:
            stream.close()

    async def _serve_file(self, username: str, stream: Stream) -> None:
        assert self._file_handler is not None
        try:
            await self._file_handler(username, stream)
        finally:
            stream.close()

    def add_peer_stream(
        self, username: str, stream: Stream, *, obfuscated: bool, ours: bool, spare: bool = False
    ) -> PeerLink:
        """Put a P connection to use. A ``spare`` one is read from, and written to if there is no other."""
        link = PeerLink(
            username,
            stream,
            obfuscated=obfuscated,
            random=self._world.random,
            ours=ours,
            limit=self._settings.send_buffer,
        )
        link.shares_sink = self._sinks.get(username)
        # The newest comes first: an older one may be dead without knowing it.
        links = self._peers.setdefault(username, [])
        links.insert(len(links) if spare else 0, link)
        opening = self._openings.pop(username, None)
        if opening is not None and not opening.done():
            # They reached us first: whoever waits for our own attempt, perhaps at an old place, need not.
            opening.set_result(link)
        self._make_room()
        self._tasks.start(self._serve_peer(link), f"P link of {username}")
        return link

    async def _serve_peer(self, link: PeerLink) -> None:
        reason = "closed"
        try:
            await link.serve(self._take_frame, patience=self._settings.message_timeout)
        except TimeoutError:
            reason = "a message did not arrive in time"
            self._events.emit(PeerMisbehaved(link.username, reason))
        except WireError as error:
            reason = str(error)
            self._events.emit(PeerMisbehaved(link.username, reason))
        except NetworkError as error:
            reason = str(error)
        finally:
            link.stream.abort() if reason != "closed" else link.close()
            self._forget(link, reason)

    def _take_frame(self, link: PeerLink, frame: wire.Frame) -> None:
        if frame.skipped:
            # A large message of a kind that nobody knows: let go, and no offence.
            return
        raw_handler = self._frame_handlers.get(frame.code)
        if raw_handler is not None:
            self._call(raw_handler, link.username, frame)
            return
        try:
            message = frame.decode()
        except DecodeError as error:
            self._events.emit(PeerMisbehaved(link.username, str(error)))
            raise
        for handler in tuple(self._handlers.get(type(message), ())):
            self._call(handler, link.username, message)
        for waiting in tuple(self._questions):
            if waiting.fits(link.username, message):
                waiting.future.set_result(message)

    def _call(self, handler: Callable[..., None], *arguments: Any) -> None:
        try:
            handler(*arguments)
        except (DecodeError, ProtocolError) as error:
            self._events.emit(PeerMisbehaved(str(arguments[0]), str(error)))
            raise
        except Exception:
            log.exception("a handler of peer messages failed")

    # -- closing

    def _forget(self, link: PeerLink, reason: str) -> None:
        links = self._peers.get(link.username, [])
        if link not in links:
            return
        links.remove(link)
        if not link.stream.is_closed:
            link.close()
        if not links:
            self._peers.pop(link.username, None)
            for waiting in self._questions:
                if waiting.username == link.username and waiting.asked and not waiting.future.done():
                    waiting.future.set_exception(LinkLost(link.username, reason))
        self._events.emit(LinkClosed(link.username, reason))

    def _make_room(self) -> None:
        """Beyond the limit the link goes that was not used for the longest time."""
        if self.count <= self._settings.most_links:
            return
        idle = [link for links in self._peers.values() for link in links if not link.busy]
        if idle:
            self._forget(min(idle, key=lambda link: link.last_used), "room for a new link")

    async def _close_idle(self) -> None:
        while True:
            await asyncio.sleep(GRACE / 2)
            now = asyncio.get_running_loop().time()
            for links in list(self._peers.values()):
                for place, link in enumerate(list(links)):
                    patience = self._settings.idle_timeout if place == 0 else GRACE
                    if (
                        not link.busy
                        and now - link.last_used >= patience
                        and not link.stream.write_buffer_size
                    ):
                        self._forget(link, "idle")

    def disconnect(self, username: str, reason: str) -> None:
        """Close all P links to a user."""
        for link in list(self._peers.get(username, ())):
            self._forget(link, reason)

    @contextlib.contextmanager
    def _in_use(self, username: str) -> Any:
        links = self.links_of(username)
        for link in links:
            link.busy += 1
        try:
            yield
        finally:
            for link in links:
                link.busy -= 1

    async def close(self) -> None:
        """Close everything."""
        for links in list(self._peers.values()):
            for link in list(links):
                link.close()
        await self._tasks.close()
