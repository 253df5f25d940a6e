"""What the network can answer instead of a connection.

::

    NetworkError
    ├── AddressError              a place that the dialling or listening side named
    │   ├── PortInUse             another program listens there
    │   │   └── PortTwice         we do ourselves
    │   ├── PortImpossible        a number that is no port
    │   ├── PortForbidden         the system does not let us listen there
    │   ├── AddressUnavailable    no interface of this machine has that address
    │   ├── HostUnknown           the name has no address
    │   ├── ConnectionRefused     the machine is there, nothing listens on the port
    │   ├── Unreachable           no way leads to that machine
    │   │   └── NoIPv4            this machine has IPv6 alone
    │   └── TimedOut              no answer within the time given
    ├── InterfaceMissing          the network interface we are bound to is gone
    ├── TooManyOpenFiles          the system gives us no further socket
    ├── ProxyRefused              the SOCKS proxy said no
    └── ConnectionLost            an open connection broke
        └── StreamEnded           the other side closed in the middle of something

Every one is a sentence for people: what happened and what to do about it.
"""

from __future__ import annotations

import errno
import re

from soulmesh.errors import NetworkError

__all__ = [
    "AddressError",
    "AddressUnavailable",
    "ConnectionLost",
    "ConnectionRefused",
    "HostUnknown",
    "InterfaceMissing",
    "NetworkError",
    "NoIPv4",
    "PortForbidden",
    "PortImpossible",
    "PortInUse",
    "PortTwice",
    "ProxyRefused",
    "StreamEnded",
    "TimedOut",
    "TooManyOpenFiles",
    "Unreachable",
    "dial_error",
    "listen_error",
    "lost_reason",
    "place",
]


def place(host: str, port: int) -> str:
    """``host:port`` as people write it; IPv6 addresses in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class AddressError(NetworkError):
    """Something is wrong with one address: ``host`` and ``port``."""

    sentence = "cannot use {place}"

    def __init__(self, host: str, port: int) -> None:
        super().__init__(host, port)
        self.host = host
        self.port = port

    def __str__(self) -> str:
        return self.sentence.format(place=place(self.host, self.port), host=self.host, port=self.port)


class PortInUse(AddressError):
    """We wanted to listen where another socket listens already."""

    sentence = (
        "port {port} is in use on {host}: choose another port, or stop the other program that listens there"
    )


class PortTwice(PortInUse):
    """We listen there ourselves: one port cannot be the clear and the obfuscated one."""

    sentence = "port {port} is our own obfuscated port: choose another one for either"


class PortImpossible(AddressError):
    """A number that is no port: the protocol has 32 bits for it, and anything can come in."""

    sentence = "{port} is no port (of {host}): ports go from 1 to 65535"


class PortForbidden(AddressError):
    """The system does not let us listen there (ports below 1024 are reserved)."""

    sentence = "not allowed to listen on {place}: choose a port of 1024 or higher"


class AddressUnavailable(AddressError):
    """No interface of this machine has the address that we were told to use."""

    sentence = (
        "no network interface here has the address {host}: check the address, or whether the VPN is connected"
    )


class HostUnknown(AddressError):
    """The name of the other machine cannot be turned into an address."""

    sentence = "there is no host named {host}: check the spelling and the network connection"


class ConnectionRefused(AddressError):
    """The other machine is there, and nothing listens on the port."""

    sentence = "nothing listens on {place}: check host and port, or whether the other side is running"


class Unreachable(AddressError):
    """The network knows no way to the other machine."""

    sentence = "no route to {place}: check the network connection"


class NoIPv4(Unreachable):
    """The other machine has an IPv4 address, and this one has IPv6 alone."""

    sentence = (
        "this machine has IPv6 only and cannot reach {place}: Soulseek needs IPv4, "
        "so ask the provider for it, or use a VPN that has it"
    )


class TimedOut(AddressError):
    """No answer within ``seconds`` (``None``: within the system's own time-out)."""

    def __init__(self, host: str, port: int, seconds: float | None = None) -> None:
        super().__init__(host, port)
        self.seconds = seconds

    def __str__(self) -> str:
        within = "in time" if self.seconds is None else f"within {self.seconds:g} s"
        return (
            f"{place(self.host, self.port)} did not answer {within}: it is down, or a firewall drops the call"
        )


class InterfaceMissing(NetworkError):
    """The network interface that we are bound to does not exist or is down, or cannot be bound to."""

    def __init__(self, interface: str, reason: str = "") -> None:
        super().__init__(interface)
        self.interface = interface
        self.reason = reason

    def __str__(self) -> str:
        if self.reason:
            return f"cannot bind to network interface {self.interface}: {self.reason}"
        return f"network interface {self.interface} is not there: connect the VPN, or remove the setting"


class TooManyOpenFiles(NetworkError):
    """The process has as many files and sockets open as the system allows."""

    def __str__(self) -> str:
        return "too many open files: raise the limit (ulimit -n), or allow fewer connections"


class ProxyRefused(NetworkError):
    """The SOCKS proxy did not carry out what we asked; ``reason`` is its answer in words."""

    def __init__(self, proxy: str, reason: str) -> None:
        super().__init__(proxy, reason)
        self.proxy = proxy
        self.reason = reason

    def __str__(self) -> str:
        return f"the proxy {self.proxy} refused: {self.reason}"


class ConnectionLost(NetworkError):
    """An open connection broke; ``reason`` says how."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"connection lost: {self.reason}"


class StreamEnded(ConnectionLost):
    """The other side closed when ``expected`` bytes were due; ``partial`` is what came before."""

    def __init__(self, partial: bytes, expected: int) -> None:
        super().__init__(f"the other side closed after {len(partial)} of {expected} bytes")
        self.partial = partial
        self.expected = expected


_UNREACHABLE = {
    errno.ENETUNREACH,
    errno.EHOSTUNREACH,
    errno.ENETDOWN,
    errno.EHOSTDOWN,
    errno.EAFNOSUPPORT,
    # The local firewall forbids the way out.
    errno.EPERM,
    errno.EACCES,
}


def _errno_of(error: OSError) -> int | None:
    if error.errno is not None:
        return error.errno
    # When every address of a name fails, asyncio (3.11) joins the errors into one text without a number.
    found = [int(number) for number in re.findall(r"\[Errno (\d+)\]", str(error))]
    for wanted in (errno.ECONNREFUSED, errno.ETIMEDOUT):
        if wanted in found:
            return wanted
    return found[0] if found else None


def dial_error(error: OSError, host: str, port: int, local_address: str | None = None) -> NetworkError:
    """The typed error for an ``OSError`` met while connecting to ``host:port``."""
    import socket

    if isinstance(error, socket.gaierror):
        return HostUnknown(host, port)
    number = _errno_of(error)
    if number == errno.ECONNREFUSED:
        return ConnectionRefused(host, port)
    if number == errno.ETIMEDOUT or isinstance(error, TimeoutError):
        return TimedOut(host, port)
    if number == errno.EADDRNOTAVAIL and local_address is not None:
        return AddressUnavailable(local_address, 0)
    if number in _UNREACHABLE or number == errno.EADDRNOTAVAIL:
        return Unreachable(host, port)
    if number in (errno.EMFILE, errno.ENFILE):
        return TooManyOpenFiles()
    if local_address is not None and "no matching local address" in str(error):
        return AddressUnavailable(local_address, 0)
    return ConnectionLost(f"{place(host, port)}: {error.strerror or error}")


def listen_error(error: OSError, host: str, port: int) -> NetworkError:
    """The typed error for an ``OSError`` met while starting to listen on ``host:port``."""
    import socket

    if isinstance(error, socket.gaierror):
        return HostUnknown(host, port)
    number = _errno_of(error)
    if number == errno.EADDRINUSE:
        return PortInUse(host, port)
    if number in (errno.EACCES, errno.EPERM):
        return PortForbidden(host, port)
    if number == errno.EADDRNOTAVAIL:
        return AddressUnavailable(host, port)
    if number in (errno.EMFILE, errno.ENFILE):
        return TooManyOpenFiles()
    return ConnectionLost(f"cannot listen on {place(host, port)}: {error.strerror or error}")


def lost_reason(error: BaseException) -> str:
    """Why a connection broke, in words."""
    if isinstance(error, ConnectionResetError):
        return "the other side reset it"
    if isinstance(error, BrokenPipeError):
        return "the other side closed it"
    if isinstance(error, TimeoutError):
        return "the other side stopped answering"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[0].lower() + error.strerror[1:]
    return str(error) or type(error).__name__
