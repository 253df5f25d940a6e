"""Listening for HTTP: uvicorn's protocols on a listening socket of our own.

uvicorn's own server installs signal handlers and leaves the process when a
port is taken. Here a port that is taken is an ordinary error, connections that
never finish their headers are closed, and stopping lets answers finish.
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
from pathlib import Path
from typing import Any

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from soulmesh import log
from soulmesh.daemon.checks import check_file
from soulmesh.errors import ConfigError

__all__ = ["HttpServer", "read_certificate"]

logger = log.get("daemon.http")

HEADERS_WITHIN = 20.0
"""Seconds in which the headers of a request have to arrive."""
MOST_HEADERS = 300_000
"""Bytes of headers after which nobody waits for their end; more than one reading of the socket gives."""
MOST_UNWANTED = 16 * 1024 * 1024
"""Bytes of a body that may still come after its answer: a caller that reads it before it stops finds it."""
KEEP_ALIVE = 75
MOST_CONNECTIONS = 2000
MOST_REFUSED = 200
"""Connections beyond those that are told to come again, each for a moment."""
IDLE_AT_LEAST = 2.0
"""Seconds without a request after which a connection makes room for another, when there are too many."""
COME_AGAIN = (
    b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
)
_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", re.DOTALL)


class _State(ServerState):
    """All connections, and which of them wait for a request, since when; the longest first."""

    def __init__(self) -> None:
        super().__init__()
        self.idle: dict[_Protocol, float] = {}


class _Protocol(HttpToolsProtocol):
    """One connection. A caller whose headers come byte by byte, or never end, is not waited for, nor is one
    who goes on sending a body that was refused. Who only keeps a connection makes room for others."""

    server_state: _State
    _deadline: asyncio.TimerHandle | None = None
    _headers = 0
    _unwanted = 0
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS and not self._make_room():
            self._refuse(transport)
            return
        self._rest()
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self.server_state.idle.pop(self, None)
        super().connection_lost(exc)

    def _rest(self) -> None:
        self.server_state.idle.pop(self, None)
        self.server_state.idle[self] = self.loop.time()

    def _make_room(self) -> bool:
        longest, since = next(iter(self.server_state.idle.items()), (None, 0.0))
        if longest is None or self.loop.time() - since < IDLE_AT_LEAST:
            return False
        del self.server_state.idle[longest]
        longest.transport.abort()
        return True

    def _refuse(self, transport: asyncio.Transport) -> None:
        self._refused = True
        if len(self.connections) > MOST_CONNECTIONS + MOST_REFUSED or not transport.can_write_eof():
            transport.abort()
            return
        transport.write(COME_AGAIN)
        transport.write_eof()
        # Closed at once, with a request unread, the caller would see a reset and not what we wrote.
        self._deadline = self.loop.call_later(1.0, transport.abort)

    def data_received(self, data: bytes) -> None:
        if self._refused or self.transport.is_closing():
            return
        super().data_received(data)
        if self._deadline is None:
            return
        self._headers += len(data)
        if self._headers > MOST_HEADERS:
            status = b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
            self.transport.write(status + b"connection: close\r\ncontent-length: 0\r\n\r\n")
            self.transport.close()

    def on_message_begin(self) -> None:
        self._unwanted = 0
        self._arm()
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        if self.cycle is not None and self.cycle.response_complete:
            self._unwanted += len(body)
            if self._unwanted > MOST_UNWANTED:
                self.transport.abort()
        super().on_body(body)

    def on_headers_complete(self) -> None:
        self._disarm()
        self.server_state.idle.pop(self, None)
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle is not None and self.cycle.response_complete and not self.transport.is_closing():
            self._rest()

    def _arm(self) -> None:
        self._disarm()
        self._headers = 0
        self._deadline = self.loop.call_later(HEADERS_WITHIN, self._give_up)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.abort()


def read_certificate(certificate: str, key: str | None) -> tuple[str, ssl.SSLContext]:
    """The certificates as PEM text, without a key that stands beside them, and what serves with them.

    Raises:
        ConfigError: they cannot be used; it names the setting, the file and what is wrong with it.
    """
    texts = []
    for file, setting in ((certificate, "web.certificate"), (key, "web.certificate_key")):
        if file is None:
            continue
        check_file(Path(file).absolute(), setting)
        try:
            texts.append(Path(file).read_text(encoding="ascii"))
        except OSError as error:
            raise ConfigError(f"{setting}: {file}: {error.strerror or error}") from None
        except ValueError:
            raise ConfigError(f"{setting}: {file} is no PEM file") from None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # A key with a passphrase is none that a daemon can use: it must not ask the terminal.
        context.load_cert_chain(certificate, key, password="")
    except (ssl.SSLError, ValueError) as error:
        files = certificate if key is None else f"{certificate} with {key}"
        reason = getattr(error, "reason", None) or error
        raise ConfigError(
            f"web.certificate: {files} cannot be used: {reason}",
            hint="a PEM file with the certificate and its chain, and its key without a passphrase",
        ) from None
    return "\n".join(_CERTIFICATE.findall(texts[0])), context


class _Passing(logging.Handler):
    """What uvicorn has to say goes the way of all our lines: into the log, in its form."""

    def emit(self, record: logging.LogRecord) -> None:
        """Pass it on."""
        more = {"exc_info": record.exc_info} if record.exc_info else {}
        logger.log(record.levelno, record.getMessage(), **more)


def _listen_to_uvicorn() -> None:
    its = logging.getLogger("uvicorn")
    if not any(isinstance(handler, _Passing) for handler in its.handlers):
        its.addHandler(_Passing())
        its.propagate = False


class HttpServer:
    """Serves an application on one port.

    Args:
        app: the ASGI application.
        host, port: where to listen; port 0 is any that is free.
        certificate: a PEM file with the certificate (and its chain), for HTTPS.
        key: the PEM file of its private key; by default in the same file.

    Raises:
        ConfigError: the certificate cannot be used; it names the file and what is wrong with it.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        *,
        certificate: str | None = None,
        key: str | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._context: ssl.SSLContext | None = None
        self.certificate: str | None = None
        """The PEM text of the certificate and its chain, with HTTPS."""
        if certificate is not None:
            self.certificate, self._context = read_certificate(certificate, key)
        _listen_to_uvicorn()
        self._config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            lifespan="off",
            ws="websockets-sansio",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE,
            ws_max_size=1 << 20,
            ws_max_queue=16,
            # Progress comes four times a second to every page: compressing it costs more than it saves.
            ws_per_message_deflate=False,
        )
        self._state = _State()
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port, as the system chose it."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Where we are reached."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{'https' if self._context else 'http'}://{host}:{self.port}"

    @property
    def connections(self) -> int:
        """Connections that are open."""
        return len(self._state.connections)

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the port is taken, or not ours to take.
        """
        self._config.load()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._protocol, self._host or None, self._port, ssl=self._context, backlog=512
        )

    def _protocol(self) -> asyncio.Protocol:
        arguments: dict[str, Any] = {
            "config": self._config,
            "server_state": self._state,
            "app_state": {},
        }
        return _Protocol(**arguments)

    async def stop(self, grace: float = 3.0) -> None:
        """Accept no more, let answers finish for ``grace`` seconds, then close what is left."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        try:
            async with asyncio.timeout(grace):
                while self._state.tasks:
                    await asyncio.wait(set(self._state.tasks))
        except TimeoutError:
            pass
        for task in list(self._state.tasks):
            task.cancel()
        for connection in list(self._state.connections):
            transport = getattr(connection, "transport", None)
            if transport is not None:
                transport.abort()
        await asyncio.gather(*self._state.tasks, return_exceptions=True)
        await asyncio.sleep(0)
