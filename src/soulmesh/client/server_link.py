"""The link to the server: logging in, staying in, coming back.

flows.rst, "Server Connection and Logon". What has to be said after a login is
put together by the client from its managers; this module only knows when.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from soulmesh import wire
from soulmesh.client.errors import (
    KickedOut,
    LoginRefused,
    LoginUnanswered,
    NoReply,
    NotConnected,
    ServerUnreachable,
)
from soulmesh.client.events import Event, Events
from soulmesh.client.settings import ClientSettings
from soulmesh.client.tasks import Tasks
from soulmesh.core.backoff import Backoff
from soulmesh.errors import DecodeError, NetworkError, ProtocolError, WireError
from soulmesh.net.stream import Stream, open_stream
from soulmesh.net.world import World
from soulmesh.wire import to_client, to_server
from soulmesh.wire.message import Message

__all__ = [
    "LoggedIn",
    "LoggedOut",
    "ReconnectPlanned",
    "ServerLink",
    "ServerMessage",
    "ServerMisbehaved",
]

log = logging.getLogger(__name__)

M = TypeVar("M", bound=Message)

_MOST_BAD_MESSAGES = 20

_STEADY = 60.0
"""After a session of so many seconds the pauses before the next login begin with the shortest again."""


@dataclass(frozen=True, slots=True)
class LoggedIn(Event):
    """We are logged in. ``greeting`` is the server's message of the day."""

    username: str
    greeting: str
    address: str
    """Our own address, as the server sees it."""


@dataclass(frozen=True, slots=True)
class LoggedOut(Event):
    """The link to the server is gone."""

    reason: str
    final: bool
    """We do not come back by ourselves (kicked, refused, or closed by us)."""


@dataclass(frozen=True, slots=True)
class ReconnectPlanned(Event):
    """The next attempt to log in comes after so many seconds."""

    seconds: float
    reason: str


@dataclass(frozen=True, slots=True)
class ServerMessage(Event):
    """The server has something to say to everybody (AdminMessage)."""

    text: str


@dataclass(frozen=True, slots=True)
class ServerMisbehaved(Event):
    """The server sent something that is no message; it was dropped."""

    problem: str


@dataclass(slots=True)
class _Question:
    """Somebody waits for an answer."""

    reply: type[Message]
    match: Callable[[Any], bool] | None
    future: asyncio.Future[Any]


class ServerLink:
    """One session with one server, renewed when it breaks. Implements ``ServerPort``."""

    def __init__(
        self,
        world: World,
        host: str,
        port: int,
        username: str,
        password: str,
        *,
        settings: ClientSettings,
        events: Events,
    ) -> None:
        self.host = host
        self.port = port
        self._world = world
        self._username = username
        self._password = password
        self._settings = settings
        self._events = events
        self._stream: Stream | None = None
        self._early: list[wire.Frame] = []
        """What came in one packet with the answer to the login, behind it."""
        self._connected = False
        self._handlers: dict[type[Message], list[Callable[[Any], None]]] = {}
        self._questions: list[_Question] = []
        self._logged_in: list[Callable[[], None]] = []
        self._logged_out: list[Callable[[], None]] = []
        self._tasks = Tasks("server link")
        self._session: asyncio.Task[None] | None = None
        self._closing = False
        self._kicked = False
        self._heard_at = 0.0
        self._bad_messages = 0
        self.greeting = ""
        self.address = ""
        """Our address as the server sees it; empty before the first login."""
        self.privileged = False
        self._absence = NotConnected()
        self.ended: NotConnected | None = None
        """Why we do not come back by ourselves, if that is so."""
        self.on(to_client.Kicked, self._on_kicked)
        self.on(to_client.AdminMessage, lambda message: events.emit(ServerMessage(message.message)))

    # -- the port

    @property
    def username(self) -> str:
        """Our own name."""
        return self._username

    @property
    def connected(self) -> bool:
        """Whether we are logged in right now."""
        return self._connected

    @property
    def absence(self) -> NotConnected:
        """What whoever wants something of the server is told while we are not logged in."""
        return self.ended or self._absence

    def send(self, message: Message) -> None:
        """Send a message; see :class:`soulmesh.client.ports.ServerPort`."""
        if not self._connected or self._stream is None:
            raise self.absence
        self._stream.write(wire.encode(message))

    async def ask(
        self,
        question: Message,
        reply: type[M],
        *,
        match: Callable[[M], bool] | None = None,
        timeout: float = 30.0,
    ) -> M:
        """Send a question and wait for its answer; see :class:`soulmesh.client.ports.ServerPort`."""
        waiting = _Question(reply, match, asyncio.get_running_loop().create_future())
        self._questions.append(waiting)
        try:
            self.send(question)
            async with asyncio.timeout(timeout):
                found: M = await waiting.future
                return found
        except TimeoutError:
            raise NoReply(type(question).__name__, "the server", timeout) from None
        finally:
            if waiting in self._questions:
                self._questions.remove(waiting)

    def on(self, message: type[M], handler: Callable[[M], None]) -> Callable[[], None]:
        """Call ``handler`` with each message of this class."""
        return _register(self._handlers.setdefault(message, []), handler)

    def on_logged_in(self, handler: Callable[[], None]) -> Callable[[], None]:
        """Call ``handler`` after each login."""
        return _register(self._logged_in, handler)

    def on_logged_out(self, handler: Callable[[], None]) -> Callable[[], None]:
        """Call ``handler`` when the link is gone."""
        return _register(self._logged_out, handler)

    @property
    def handled(self) -> set[type[Message]]:
        """The classes that somebody handles."""
        return {kind for kind, handlers in self._handlers.items() if handlers}

    # -- life

    async def start(self) -> None:
        """Log in for the first time, and stay in from then on.

        Raises:
            LoginRefused: the server said no.
            ServerUnreachable: there is no connection, or no answer to the login.
        """
        self.ended = None
        await self._log_in()
        self._session = self._tasks.start(self._stay(), "session")
        # What came with the answer to the login is known when this returns.
        await asyncio.sleep(0)

    async def log_out(self) -> None:
        """Leave the server, and stay away until :meth:`start` is called again."""
        session, self._session = self._session, None
        if session is not None:
            session.cancel()
            await asyncio.wait({session})
        if self._stream is not None:
            self._stream.close()
        if self._connected:
            self._lost("logged out", final=True)
        self._absence = NotConnected()

    async def close(self) -> None:
        """Log out and stay out."""
        self._closing = True
        was_connected = self._connected
        if self._stream is not None:
            self._stream.close()
        await self._tasks.close()
        if was_connected:
            self._lost("closed by us", final=True)

    async def _log_in(self) -> None:
        patience = self._settings.login_timeout
        deadline = asyncio.get_running_loop().time() + patience
        try:
            async with asyncio.timeout_at(deadline):
                stream = await open_stream(self._world.network, self.host, self.port)
        except TimeoutError:
            raise ServerUnreachable(self.host, self.port, f"no answer within {patience:g} s") from None
        except NetworkError as error:
            raise ServerUnreachable(self.host, self.port, str(error)) from error
        reader = wire.FrameReader("server", "to_client")
        try:
            async with asyncio.timeout_at(deadline):
                reply, rest = await self._ask_login(stream, reader)
        except TimeoutError:
            stream.abort()
            raise LoginUnanswered(self.host, self.port, patience) from None
        except LoginUnanswered:
            stream.abort()
            raise
        except (NetworkError, WireError, ProtocolError) as error:
            stream.abort()
            raise ServerUnreachable(self.host, self.port, str(error)) from error
        except BaseException:
            stream.abort()
            raise
        if not reply.success:
            stream.close()
            raise LoginRefused(reply.reason or "", reply.detail)
        self._stream = stream
        self._reader = reader
        self._early = rest
        self._kicked = False
        self._bad_messages = 0
        self.greeting = reply.greeting or ""
        self.address = reply.ip or ""
        self.privileged = bool(reply.privileged)
        self._connected = True
        self._heard_at = asyncio.get_running_loop().time()
        self._events.emit(LoggedIn(self._username, self.greeting, self.address))
        for handler in tuple(self._logged_in):
            self._call(handler)

    async def _ask_login(
        self, stream: Stream, reader: wire.FrameReader
    ) -> tuple[to_client.Login, list[wire.Frame]]:
        digest = hashlib.md5((self._username + self._password).encode(), usedforsecurity=False).hexdigest()
        stream.write(
            wire.encode(
                to_server.Login(
                    self._username,
                    self._password,
                    self._settings.major_version,
                    digest,
                    self._settings.minor_version,
                )
            )
        )
        while True:
            data = await stream.read()
            if not data:
                raise LoginUnanswered(self.host, self.port, None)
            frames = reader.feed(data)
            for place, frame in enumerate(frames):
                message = frame.decode()
                if isinstance(message, to_client.Login):
                    return message, frames[place + 1 :]
                if isinstance(message, to_client.AdminMessage):
                    self._events.emit(ServerMessage(message.message))
                    continue
                raise ProtocolError(f"the server sent {frame.name} before its answer to the login")

    async def _stay(self) -> None:
        settings = self._settings
        backoff = Backoff(first=settings.reconnect_first, limit=settings.reconnect_limit)
        clock = asyncio.get_running_loop().time
        while True:
            begun = clock()
            reason = await self._serve()
            if clock() - begun >= _STEADY:
                # A server that takes us in and drops us at once is no better than one that is away.
                backoff.succeeded()
            if self._closing:
                return
            final: NotConnected | None = KickedOut() if self._kicked else None
            # Who is told of it may ask why.
            if final is not None or not settings.reconnect:
                self.ended = final or NotConnected(reason)
            self._lost(reason, final=self.ended is not None)
            if self.ended is not None:
                return
            while True:
                pause = backoff.pause(self._world.random)
                self._events.emit(ReconnectPlanned(pause, reason))
                await asyncio.sleep(pause)
                try:
                    await self._log_in()
                except LoginRefused as error:
                    if error.reason in ("SVRFULL", "SVRPRIVATE"):
                        reason = str(error)
                        continue
                    # A wrong password does not get better by repeating it.
                    self.ended = error
                    self._events.emit(LoggedOut(str(error), final=True))
                    return
                except NotConnected as error:
                    reason = str(error)
                    continue
                break

    async def _serve(self) -> str:
        """Read until the link is gone; returns why."""
        stream = self._stream
        assert stream is not None
        pinging = self._tasks.start(self._ping(stream), "ping")
        early, self._early = self._early, []
        try:
            for frame in early:
                self._take(frame)
            while True:
                data = await stream.read()
                if not data:
                    return "kicked" if self._kicked else "the server closed the connection"
                self._heard_at = asyncio.get_running_loop().time()
                for frame in self._reader.feed(data):
                    self._take(frame)
        except (NetworkError, WireError) as error:
            if isinstance(error, WireError):
                self._events.emit(ServerMisbehaved(str(error)))
            return str(error)
        finally:
            pinging.cancel()
            stream.abort()

    async def _ping(self, stream: Stream) -> None:
        settings = self._settings
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            due += settings.ping_interval
            await asyncio.sleep(due - loop.time())
            before = due - settings.ping_interval
            self.send(to_server.Ping())
            if self._heard_at < before:
                # Pings are not answered, this is: a server that stays silent now is gone.
                self.send(to_server.CheckPrivileges())
                await asyncio.sleep(settings.silence_timeout)
                if self._heard_at < before:
                    log.info("the server went silent")
                    stream.abort()
                    return

    # -- messages

    def _take(self, frame: wire.Frame) -> None:
        try:
            message = frame.decode()
        except DecodeError as error:
            self._events.emit(ServerMisbehaved(str(error)))
            self._bad_messages += 1
            if self._bad_messages > _MOST_BAD_MESSAGES:
                raise
            return
        for handler in tuple(self._handlers.get(type(message), ())):
            self._call(handler, message)
        for waiting in tuple(self._questions):
            if (
                type(message) is waiting.reply
                and not waiting.future.done()
                and (waiting.match is None or waiting.match(message))
            ):
                waiting.future.set_result(message)

    def _call(self, handler: Callable[..., None], *arguments: Any) -> None:
        try:
            handler(*arguments)
        except Exception:
            log.exception("a handler of the server link failed")

    def _on_kicked(self, message: to_client.Kicked) -> None:
        self._kicked = True

    def _lost(self, reason: str, *, final: bool) -> None:
        self._connected = False
        self._stream = None
        self._absence = NotConnected() if final else NotConnected(f"not logged in: {reason}")
        questions, self._questions = self._questions, []
        for waiting in questions:
            if not waiting.future.done():
                waiting.future.set_exception(NotConnected(f"the link to the server broke: {reason}"))
        for handler in tuple(self._logged_out):
            self._call(handler)
        self._events.emit(LoggedOut(str(KickedOut()) if self._kicked else reason, final))


def _register(handlers: list[Callable[..., None]], handler: Callable[..., None]) -> Callable[[], None]:
    handlers.append(handler)

    def undo() -> None:
        if handler in handlers:
            handlers.remove(handler)

    return undo
