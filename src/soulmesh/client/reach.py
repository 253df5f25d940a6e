"""How we leave this machine and how others get in: addresses, proxy, and the port on the way.

:class:`Reach` holds the choices and makes the network from them.
:class:`PortKeeper` has the home router open our ports, and follows the port
that a VPN forwards; whatever changes is announced without a new login.
"""

from __future__ import annotations

import asyncio
import logging
import shlex
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol
from urllib.parse import unquote, urlsplit

from soulmesh.client.events import Event, Events
from soulmesh.client.listening import Listening, ListenPortChanged
from soulmesh.client.server_link import LoggedIn
from soulmesh.client.tasks import Tasks
from soulmesh.core.port_mapping import Lease, why_useless
from soulmesh.errors import ConfigError, SoulmeshError
from soulmesh.net.child import Child
from soulmesh.net.disk import DiskError
from soulmesh.net.port_mapping import GatewayMapper, MappingFailed, PortMapper, find_gateway, keep_open
from soulmesh.net.socks import Socks5Network
from soulmesh.net.tcp import TcpNetwork, has_ipv6_alone
from soulmesh.net.upnp import UpnpMapper
from soulmesh.net.world import Network, World

__all__ = [
    "ForwardedPortUnknown",
    "PortKeeper",
    "PortMapped",
    "PortNotMapped",
    "Reach",
    "parse_proxy",
]

log = logging.getLogger(__name__)

Way = Literal["off", "auto", "gateway", "upnp"]

_NO_ROUTER = "no router was found: name its address in the settings"
_IPV6_ALONE = (
    "this machine has IPv6 only, and Soulseek uses IPv4: no port can be opened, use a VPN that forwards one"
)
_SOCKS_PORT = 1080
_COMMAND_TIME = 20.0
_LONGEST_ANSWER = 4096


@dataclass(frozen=True, slots=True)
class PortMapped(Event):
    """The router lets calls to ``port`` through to us; told again when something about it changed."""

    port: int
    """The port that we listen on."""
    external_port: int
    external_address: str | None
    method: str
    problem: str | None
    """Why that does not make us reachable all the same; ``None`` if it does, as far as we can tell."""


@dataclass(frozen=True, slots=True)
class PortNotMapped(Event):
    """No way of asking the router worked for ``port``; ``reasons`` has one sentence for each."""

    port: int
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ForwardedPortUnknown(Event):
    """The file or command that should tell the forwarded port does not, or the port cannot be had."""

    reason: str


@dataclass(frozen=True, slots=True)
class Proxy:
    """A SOCKS 5 proxy."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None

    def __repr__(self) -> str:
        return f"Proxy({self.host!r}, {self.port})"


def parse_proxy(text: str) -> Proxy:
    """Read ``socks5://[NAME:PASSWORD@]HOST[:PORT]``, the port 1080 if none is given.

    Raises:
        ValueError: it is not of that form. The text, which may hold a password, is not repeated.
    """
    problem = "a proxy is written socks5://NAME:PASSWORD@HOST:PORT, name and password only if it wants them"
    try:
        parts = urlsplit(text if "://" in text else f"socks5://{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError(problem) from None
    if parts.scheme not in ("socks5", "socks5h") or not host or parts.path.strip("/"):
        raise ValueError(problem)
    username = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password else None
    return Proxy(host, port or _SOCKS_PORT, username, password)


class Hidden(Protocol):
    """Text that does not show itself in logs."""

    def get_secret_value(self) -> str:
        """The text."""


class ReachSection(Protocol):
    """The part of the settings file that :meth:`Reach.of` reads."""

    @property
    def local_address(self) -> str:
        """See :attr:`Reach.local_address`."""

    @property
    def interface(self) -> str:
        """See :attr:`Reach.interface`."""

    @property
    def proxy(self) -> Hidden | None:
        """As :func:`parse_proxy` reads it."""

    @property
    def map_port(self) -> Way:
        """See :attr:`Reach.map_port`."""

    @property
    def router(self) -> str:
        """See :attr:`Reach.router`."""

    @property
    def forwarded_port_file(self) -> Path | None:
        """See :attr:`Reach.forwarded_port_file`."""

    @property
    def forwarded_port_command(self) -> str | None:
        """As a shell would read it, but run without one."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How we leave this machine, and how others get in."""

    local_address: str = ""
    """Call from this address and listen on it alone; empty for any."""
    interface: str = ""
    """Use this network interface alone (Linux); empty for any."""
    proxy: Proxy | None = None
    """Outgoing connections go through it."""
    map_port: Way = "off"
    """How the router is asked to open our ports: "gateway" by PCP or NAT-PMP, "upnp", or "auto" for both.

    UPnP is left out where there is an ``interface``: it cannot be kept to one.
    """
    router: str = ""
    """The router's address; empty to find it out."""
    forwarded_port_file: Path | None = None
    """The port that a VPN forwards to us is read from this file, again and again."""
    forwarded_port_command: tuple[str, ...] = ()
    """The port that a VPN forwards to us is printed by this command, run again and again."""
    look_every: float = 30.0
    """Seconds between two looks at the file, or runs of the command."""

    @classmethod
    def of(cls, wanted: ReachSection) -> Reach:
        """What the settings file says.

        Raises:
            ConfigError: the proxy or the command cannot be read.
        """
        proxy = None
        try:
            if wanted.proxy is not None:
                proxy = parse_proxy(wanted.proxy.get_secret_value())
        except ValueError as error:
            raise ConfigError(f"network.proxy: {error}") from None
        try:
            command = tuple(shlex.split(wanted.forwarded_port_command or ""))
        except ValueError as error:
            raise ConfigError(f"network.forwarded_port_command: {error}") from None
        if wanted.interface and wanted.map_port == "upnp":
            raise ConfigError(
                "network.map_port: UPnP cannot be kept to network.interface",
                hint='choose "gateway", or "auto", which leaves UPnP out then',
            )
        return cls(
            local_address=wanted.local_address,
            interface=wanted.interface,
            proxy=proxy,
            map_port=wanted.map_port,
            router=wanted.router,
            forwarded_port_file=wanted.forwarded_port_file,
            forwarded_port_command=command,
        )

    def network(self, inside: Network | None = None) -> Network:
        """The network that goes this way, on top of ``inside`` if that is given.

        Address and interface are chosen where the sockets are made: on the real network alone.
        """
        network = inside or TcpNetwork()
        if isinstance(network, TcpNetwork) and (self.local_address or self.interface):
            network = TcpNetwork(local_address=self.local_address or None, interface=self.interface or None)
        if self.proxy is None:
            return network
        proxy = self.proxy
        return Socks5Network(
            network, proxy.host, proxy.port, username=proxy.username, password=proxy.password
        )


class SeenAs(Protocol):
    """What the keeper asks of the link to the server."""

    @property
    def address(self) -> str:
        """Our address as the server sees it; empty before the first login."""


class PortKeeper:
    """Keeps our ports reachable from outside, and announces them as they are there.

    Args:
        world: the outside.
        listening: our ports.
        server: knows how we look from outside.
        reach: what is wanted.
        mappers: ways to ask the router; made from ``reach`` if not given.
        run: runs a command and returns what it printed.
    """

    def __init__(
        self,
        world: World,
        listening: Listening,
        server: SeenAs,
        events: Events,
        reach: Reach,
        *,
        mappers: Sequence[PortMapper] | None = None,
        run: Callable[[Sequence[str]], Awaitable[str]] | None = None,
    ) -> None:
        self._world = world
        self._listening = listening
        self._server = server
        self._events = events
        self._reach = reach
        self._mappers = mappers
        self._run = run or run_command
        self._tasks = Tasks("port keeper")
        self._keeping: list[asyncio.Task[None]] = []
        self._kept: tuple[int, int] = (0, 0)
        self._outside: dict[int, int] = {}
        self._unknown = ""
        self._leases: dict[int, Lease] = {}
        self._told: dict[int, PortMapped] = {}
        self._stop_hearing: list[Callable[[], None]] = []

    async def start(self) -> None:
        """Begin. The ports must be open."""
        if self._reach.map_port != "off":
            if self._mappers is None:
                self._mappers = await self._ways()
            self._stop_hearing = [
                self._events.on(ListenPortChanged, lambda _: self._keep()),
                # A router answers long before the server has said how it sees us.
                self._events.on(LoggedIn, lambda _: self._look_again()),
            ]
            self._keep()
        if self._reach.forwarded_port_file is not None or self._reach.forwarded_port_command:
            self._tasks.start(self._follow(), "forwarded port")

    async def close(self) -> None:
        """Give the ports back and stop."""
        for stop in self._stop_hearing:
            stop()
        await self._tasks.close()

    # -- the router

    async def _ways(self) -> Sequence[PortMapper]:
        reach, network = self._reach, self._world.network
        if isinstance(network, Socks5Network):
            network = network.inside
        ways: list[PortMapper] = []
        if reach.map_port in ("auto", "gateway") and isinstance(network, TcpNetwork):
            router = reach.router or await find_gateway(self._world.disk)
            if router is not None:
                ways.append(GatewayMapper(network, self._world.random, router))
        # What UPnP sends to everybody cannot be kept to one interface: a router beside the VPN would hear it.
        if reach.map_port in ("auto", "upnp") and not reach.interface:
            ways.append(UpnpMapper(local_address=reach.local_address or None))
        return ways

    def _keep(self) -> None:
        """Hold what is listened on now; called again whenever that may have changed."""
        ports = (self._listening.port, self._listening.obfuscated_port)
        if ports == self._kept:
            return
        self._kept = ports
        for task in self._keeping:
            task.cancel()
        self._outside.clear()
        self._leases.clear()
        self._told.clear()
        self._keeping = [
            self._tasks.start(self._keep_one(port), f"port {port} of the router") for port in ports if port
        ]

    async def _keep_one(self, port: int) -> None:
        def mapped(lease: Lease) -> None:
            self._leases[port] = lease
            self._tell_mapped(port, lease)
            self._goes_by(port, lease.external_port)

        def failed(failures: Sequence[MappingFailed]) -> None:
            self._leases.pop(port, None)
            self._told.pop(port, None)
            reasons = tuple(str(failure) for failure in failures) or (_NO_ROUTER,)
            if has_ipv6_alone():
                reasons = (_IPV6_ALONE,)
            log.warning("port %d: %s", port, "; ".join(reasons))
            self._events.emit(PortNotMapped(port, reasons))

        await keep_open(self._mappers or (), port, mapped=mapped, failed=failed)

    def _look_again(self) -> None:
        for port, lease in self._leases.items():
            self._tell_mapped(port, lease)

    def _tell_mapped(self, port: int, lease: Lease) -> None:
        """Say that a port is open, and what makes that useless; nothing that was said already."""
        problem = why_useless(lease.external_address, seen_as=self._server.address or None)
        event = PortMapped(port, lease.external_port, lease.external_address, lease.method, problem)
        if self._told.get(port) == event:
            return
        self._told[port] = event
        self._events.emit(event)
        if problem is not None:
            log.warning("the port %d is open on the router, but %s", port, problem)

    def _goes_by(self, port: int, external_port: int) -> None:
        """Announce a port under the number that it has outside."""
        if self._outside.get(port, port) == external_port:
            return
        self._outside[port] = external_port
        clear, hidden = self._listening.port, self._listening.obfuscated_port
        self._listening.announce(self._outside.get(clear), self._outside.get(hidden))

    # -- the VPN

    async def _follow(self) -> None:
        last = 0
        while True:
            try:
                port = await self._forwarded_port()
                if port != last:
                    await self._listening.move(port)
                    last = port
                self._unknown = ""
            except SoulmeshError as error:
                # Once for each reason: the same file is missing for a long time while a VPN is down.
                if str(error) != self._unknown:
                    self._unknown = str(error)
                    log.warning("the forwarded port: %s", error)
                    self._events.emit(ForwardedPortUnknown(str(error)))
            await asyncio.sleep(self._reach.look_every)

    async def _forwarded_port(self) -> int:
        path = self._reach.forwarded_port_file
        if path is not None:
            try:
                text = (await self._world.disk.read_bytes(path, limit=_LONGEST_ANSWER)).decode(
                    "ascii", "replace"
                )
            except DiskError as error:
                raise ConfigError(str(error)) from error
            source = str(path)
        else:
            text = await self._run(self._reach.forwarded_port_command)
            source = self._reach.forwarded_port_command[0]
        word = text.split(maxsplit=1)[0] if text.split() else ""
        if not word.isascii() or not word.isdigit() or not 1 <= int(word) <= 65535:
            raise ConfigError(f"{source} does not begin with a port, a number from 1 to 65535")
        return int(word)


async def run_command(command: Sequence[str]) -> str:
    """Run a command without a shell; returns what it printed.

    Raises:
        ConfigError: it cannot be run, fails, prints without end, or takes longer than 20 s.
    """
    try:
        async with asyncio.timeout(_COMMAND_TIME), Child(command) as child:
            printed = await child.read(_LONGEST_ANSWER)
            if len(printed) > _LONGEST_ANSWER:
                raise ConfigError(f"{command[0]} prints more than a port")
            status = await child.wait()
    except TimeoutError as error:
        raise ConfigError(f"{command[0]} did not end within {_COMMAND_TIME:g} s") from error
    except OSError as error:
        raise ConfigError(f"{command[0]} cannot be run: {error.strerror or error}") from error
    if status:
        raise ConfigError(f"{command[0]} failed with status {status}")
    return printed.decode("ascii", "replace")
