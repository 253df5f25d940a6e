"""Outgoing connections through a SOCKS 5 proxy (RFC 1928, with the passwords of RFC 1929).

:class:`Socks5Network` wraps another network: calls go through the proxy, names
are resolved there, and nothing else changes for the caller. Listening stays
with the network inside: SOCKS has no way to keep a port open for many callers.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable
from typing import TypeVar

from soulmesh.errors import UsageError
from soulmesh.net.errors import (
    ConnectionLost,
    ConnectionRefused,
    NetworkError,
    PortImpossible,
    ProxyRefused,
    StreamEnded,
    TimedOut,
    Unreachable,
    place,
)
from soulmesh.net.stream import Stream
from soulmesh.net.world import Listener, Network

__all__ = ["Socks5Network"]

P = TypeVar("P", bound=asyncio.BaseProtocol)

_VERSION = 5
_NO_LOGIN, _PASSWORD, _NONE_FITS = 0, 2, 0xFF
_CONNECT = 1
_IPV4, _NAME, _IPV6 = 1, 3, 4
_TARGET_UNREACHABLE = {3, 4}
_TARGET_REFUSED = 5
_TARGET_SILENT = 6
_REASONS = {
    1: "it failed without saying why",
    2: "its rules do not allow this connection",
    7: "it cannot make outgoing connections",
    8: "it cannot use this kind of address",
}


class Socks5Network:
    """A network whose calls go through the SOCKS 5 proxy at ``host:port``.

    ``username`` and ``password`` (at most 255 bytes each) are offered if the
    proxy wants them.

    Raises:
        UsageError: a name or password that is too long.
    """

    def __init__(
        self,
        inside: Network,
        host: str,
        port: int,
        *,
        username: str | None = None,
        password: str | None = None,
    ) -> None:
        self.inside = inside
        self.host = host
        self.port = port
        self._login: bytes | None = None
        if username is not None:
            parts = username.encode(), (password or "").encode()
            if not 1 <= len(parts[0]) <= 255 or len(parts[1]) > 255:
                raise UsageError("user name and password of a SOCKS proxy have at most 255 bytes each")
            self._login = b"\x01" + b"".join(bytes([len(part)]) + part for part in parts)

    async def connect(
        self, factory: Callable[[], P], host: str, port: int, *, local_address: str | None = None
    ) -> tuple[asyncio.Transport, P]:
        """See :meth:`soulmesh.net.world.Network.connect`.

        Raises:
            ProxyRefused: the proxy cannot be reached, wants another login, or says no.
            NetworkError: as the proxy reports it of the target.
        """
        if not 1 <= port <= 65535:
            raise PortImpossible(host, port)
        try:
            transport, stream = await self.inside.connect(
                Stream, self.host, self.port, local_address=local_address
            )
        except NetworkError as error:
            raise ProxyRefused(place(self.host, self.port), str(error)) from error
        try:
            await self._ask(stream, host, port)
            protocol = factory()
            if isinstance(protocol, Stream):
                protocol.called = (host, port)
            stream.hand_over(protocol)
        except (StreamEnded, ConnectionLost) as error:
            stream.abort()
            raise ProxyRefused(place(self.host, self.port), "it hung up") from error
        except BaseException:
            stream.abort()
            raise
        return transport, protocol

    async def listen(self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int) -> Listener:
        """Listen on the network inside: incoming connections do not use the proxy."""
        return await self.inside.listen(factory, host, port)

    async def _ask(self, stream: Stream, host: str, port: int) -> None:
        methods = [_NO_LOGIN] if self._login is None else [_NO_LOGIN, _PASSWORD]
        stream.write(bytes([_VERSION, len(methods), *methods]))
        version, method = await stream.readexactly(2)
        if version != _VERSION:
            raise self._refused("it does not speak SOCKS 5")
        if method == _PASSWORD and self._login is not None:
            stream.write(self._login)
            _, status = await stream.readexactly(2)
            if status != 0:
                raise self._refused("wrong user name or password")
        elif method == _NONE_FITS:
            wanted = "another way of logging in" if self._login else "a user name and password"
            raise self._refused(f"it wants {wanted}")
        elif method != _NO_LOGIN:
            raise self._refused(f"it chose a way of logging in that was not offered ({method})")
        stream.write(bytes([_VERSION, _CONNECT, 0]) + _address(host) + port.to_bytes(2, "big"))
        version, reply, _, kind = await stream.readexactly(4)
        if version != _VERSION:
            raise self._refused("it does not speak SOCKS 5")
        if reply != 0:
            raise self._target_error(reply, host, port)
        # The address that the proxy calls from; of no use to us.
        if kind == _NAME:
            size = (await stream.readexactly(1))[0]
        elif kind in (_IPV4, _IPV6):
            size = 4 if kind == _IPV4 else 16
        else:
            raise self._refused("it does not speak SOCKS 5")
        await stream.readexactly(size + 2)

    def _refused(self, reason: str) -> ProxyRefused:
        return ProxyRefused(place(self.host, self.port), reason)

    def _target_error(self, reply: int, host: str, port: int) -> NetworkError:
        if reply == _TARGET_REFUSED:
            return ConnectionRefused(host, port)
        if reply in _TARGET_UNREACHABLE:
            return Unreachable(host, port)
        if reply == _TARGET_SILENT:
            return TimedOut(host, port)
        return self._refused(_REASONS.get(reply, f"it answered with the unknown code {reply}"))


def _address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            name = host.encode("idna") if not host.isascii() else host.encode()
        except UnicodeError as error:
            raise UsageError(f"{host!r} is no name of a host") from error
        if not 1 <= len(name) <= 255:
            raise UsageError(f"{host!r} is no name of a host") from None
        return bytes([_NAME, len(name)]) + name
    return bytes([_IPV4 if address.version == 4 else _IPV6]) + address.packed
