"""The real network: TCP and UDP by asyncio, with errors that people can read."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from typing import Any, TypeVar

from soulmesh.net.errors import (
    HostUnknown,
    InterfaceMissing,
    NoIPv4,
    PortImpossible,
    Unreachable,
    dial_error,
    listen_error,
)

__all__ = ["TcpListener", "TcpNetwork", "has_ipv6_alone", "see_that_we_can_listen"]

P = TypeVar("P", bound=asyncio.BaseProtocol)

BACKLOG = 1024
"""Connections the system keeps waiting for us to accept."""

_IN_ONE_TURN = 16
"""So many of them are accepted in one turn of the loop, so that a crowd does not stop it."""

# A peer behind a home router that forgot us never says goodbye: ask after two
# minutes of silence, and give up after two more.
_KEEPALIVE = (("TCP_KEEPIDLE", 120), ("TCP_KEEPINTVL", 30), ("TCP_KEEPCNT", 4))

# The first address of a name may be IPv6 that leads nowhere: try the next one
# after these seconds without giving up on the first (RFC 8305).
_EYEBALLS = {"happy_eyeballs_delay": 0.25}

_EVERY_ADDRESS = {"", "0.0.0.0"}


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


class TcpListener:
    """A listening TCP socket."""

    def __init__(self, server: asyncio.Server, host: str, port: int) -> None:
        self._server = server
        self.host = host
        self.port = port

    def close(self) -> None:
        """Accept no more. Connections already accepted go on."""
        self._server.close()


class TcpNetwork:
    """TCP by the running asyncio loop.

    ``local_address`` is the address that calls leave from unless one is given
    at the call. ``interface`` binds everything, calls and listening ports, to
    one network interface (Linux): when a VPN goes down nothing leaves by
    another way, calls fail with :class:`~soulmesh.net.errors.InterfaceMissing`.
    """

    def __init__(self, *, local_address: str | None = None, interface: str | None = None) -> None:
        self.local_address = local_address
        self.interface = interface

    async def connect(
        self, factory: Callable[[], P], host: str, port: int, *, local_address: str | None = None
    ) -> tuple[asyncio.Transport, P]:
        """See :meth:`soulmesh.net.world.Network.connect`."""
        loop = asyncio.get_running_loop()
        local = local_address or self.local_address
        if not 1 <= port <= 65535:
            raise PortImpossible(host, port)
        try:
            if self.interface is not None:
                sock = await self._dial_by_interface(loop, host, port, local)
                try:
                    transport, protocol = await loop.create_connection(factory, sock=sock)
                except BaseException:
                    sock.close()
                    raise
            else:
                local_name = (local, 0) if local else None
                # uvloop tries the addresses one after the other and knows no such option. An address needs
                # no race, and one that is cancelled as it is won leaves its socket open (CPython 3.11).
                races = isinstance(loop, asyncio.BaseEventLoop) and not _is_address(host)
                eyeballs: dict[str, Any] = _EYEBALLS if races else {}
                transport, protocol = await loop.create_connection(
                    factory, host, port, local_addr=local_name, **eyeballs
                )
        except OSError as error:
            problem = dial_error(error, host, port, local)
            if isinstance(problem, Unreachable) and ":" not in host and has_ipv6_alone():
                problem = NoIPv4(host, port)
            raise problem from error
        except ValueError as error:
            # A name that is none: labels too long, zero bytes, letters that no host can have.
            raise HostUnknown(host, port) from error
        _keep_alive(transport.get_extra_info("socket"))
        return transport, protocol

    async def listen(self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int) -> TcpListener:
        """See :meth:`soulmesh.net.world.Network.listen`."""
        loop = asyncio.get_running_loop()
        # asyncio on selectors accepts in one go as many as may wait; uvloop looks after itself.
        in_crowds = isinstance(loop, asyncio.SelectorEventLoop)
        backlog = _IN_ONE_TURN if in_crowds else BACKLOG
        bind_to = "0.0.0.0" if host in _EVERY_ADDRESS else host
        if not 0 <= port <= 65535:
            raise PortImpossible(bind_to, port)
        try:
            if self.interface is not None:
                sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
                try:
                    self._bind_to_interface(sock)
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    sock.setblocking(False)
                    sock.bind((bind_to, port))
                    server = await loop.create_server(factory, sock=sock, backlog=backlog)
                except BaseException:
                    sock.close()
                    raise
            else:
                server = await loop.create_server(factory, bind_to, port, backlog=backlog, reuse_address=True)
        except OSError as error:
            raise listen_error(error, bind_to, port) from error
        for listening in server.sockets:
            # Linux hands these options on to accepted sockets.
            _keep_alive(listening)
            if in_crowds:
                # The system may keep more waiting than the loop was told.
                with listening.dup() as same:
                    same.listen(BACKLOG)
        name = server.sockets[0].getsockname()
        return TcpListener(server, name[0], name[1])

    async def open_datagrams(
        self, factory: Callable[[], asyncio.DatagramProtocol], host: str, port: int
    ) -> asyncio.DatagramTransport:
        """See :meth:`soulmesh.net.world.Datagrams.open_datagrams`."""
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.create_datagram_endpoint(
                factory,
                remote_addr=(host, port),
                local_addr=(self.local_address, 0) if self.local_address else None,
            )
        except OSError as error:
            raise dial_error(error, host, port, self.local_address) from error
        return transport

    async def _dial_by_interface(
        self, loop: asyncio.AbstractEventLoop, host: str, port: int, local: str | None
    ) -> socket.socket:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        last: OSError | None = None
        for family, kind, protocol, _, address in found:
            sock = socket.socket(family, kind, protocol)
            try:
                self._bind_to_interface(sock)
                sock.setblocking(False)
                if local is not None:
                    sock.bind((local, 0))
                await loop.sock_connect(sock, address)
            except OSError as error:
                sock.close()
                last = error
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        assert last is not None, "getaddrinfo returns at least one address, or raises"
        raise last

    def _bind_to_interface(self, sock: socket.socket) -> None:
        assert self.interface is not None
        option = getattr(socket, "SO_BINDTODEVICE", None)
        if option is None:
            raise InterfaceMissing(self.interface, "this system cannot do that, give its address instead")
        try:
            sock.setsockopt(socket.SOL_SOCKET, option, self.interface.encode() + b"\0")
        except PermissionError as error:
            raise InterfaceMissing(self.interface, "that needs Linux 5.7, or more rights") from error
        except OSError as error:
            raise InterfaceMissing(self.interface) from error


def has_ipv6_alone() -> bool:
    """Whether this machine knows a way into the IPv6 internet and none into that of IPv4."""
    return _has_way(socket.AF_INET6, "2001:db8::1") and not _has_way(socket.AF_INET, "192.0.2.1")


def see_that_we_can_listen(host: str, port: int, interface: str | None = None) -> None:
    """Take an address and give it back at once, without listening. It may wait for the name of a host.

    Args:
        host: an address or a name; empty for all addresses.
        port: 0 for any, to look at the address alone.

    Raises:
        NetworkError: none of the addresses that are meant can be had.
    """
    problem: OSError | None = None
    try:
        flags = socket.AI_PASSIVE
        found = socket.getaddrinfo(host or "0.0.0.0", port, type=socket.SOCK_STREAM, flags=flags)
    except UnicodeError:
        raise HostUnknown(host, port) from None
    except OSError as error:
        raise listen_error(error, host, port) from error
    for family, kind, protocol, _, place in found:
        try:
            with socket.socket(family, kind, protocol) as sock:
                if interface:
                    TcpNetwork(interface=interface)._bind_to_interface(sock)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind(place)
        except OSError as error:
            problem = error
        else:
            return
    if problem is not None:
        raise listen_error(problem, host, port) from problem


def _has_way(family: socket.AddressFamily, address: str) -> bool:
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            # For UDP this only looks for a route; nothing is sent.
            sock.connect((address, 9))
    except OSError:
        return False
    return True


def _keep_alive(sock: socket.socket | None) -> None:
    if sock is None:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for name, value in _KEEPALIVE:
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)
