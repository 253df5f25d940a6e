"""A network in memory: many hosts, delays, narrow lines, firewalls, and every way a link can fail.

One :class:`MemoryNetwork` holds :class:`MemoryHost` objects, each of which is a
:class:`soulmesh.net.world.Network` as one machine sees it::

    network = MemoryNetwork(latency=0.02)
    server, alice = network.host("10.0.0.1"), network.host("10.0.0.2")
    network.name("server.example", "10.0.0.1")
    alice.firewalled = "drop"

Time is the running loop's; on a virtual loop everything happens the same way
every time. The only randomness, jitter, comes from the seed.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterable
from random import Random
from typing import Literal, TypeVar

from soulmesh.net.errors import (
    AddressUnavailable,
    ConnectionRefused,
    HostUnknown,
    PortImpossible,
    PortInUse,
    TimedOut,
    Unreachable,
)
from soulmesh.net.memory_transport import MemoryTransport
from soulmesh.net.stream import READ_LIMIT, Stream

__all__ = ["MemoryHost", "MemoryListener", "MemoryNetwork", "connect_pair", "stream_pair"]

P = TypeVar("P", bound=asyncio.BaseProtocol)
Q = TypeVar("Q", bound=asyncio.BaseProtocol)

Firewall = Literal["drop", "refuse"]

_OWN = {"localhost", "127.0.0.1"}
_EVERY = {"", "0.0.0.0"}

# Seconds between the tries of a call that nobody answers: 127 s in all, as Linux does it.
_CALL_AGAIN = (1, 2, 4, 8, 16, 32, 64)

_FIRST_FREE_PORT = 49152
_LAST_PORT = 65535


class MemoryListener:
    """A port of a host in memory."""

    def __init__(
        self, machine: MemoryHost, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int
    ) -> None:
        self._machine = machine
        self.factory = factory
        self.host = host
        self.port = port

    def close(self) -> None:
        """Accept no more. Connections already accepted go on."""
        if self._machine.listeners.get(self.port) is self:
            del self._machine.listeners[self.port]


class MemoryHost:
    """One machine with one address. Make it with :meth:`MemoryNetwork.host`."""

    def __init__(self, network: MemoryNetwork, address: str) -> None:
        self.network = network
        self.address = address
        self.latency: float | None = None
        """This machine's share of the one-way delay, in seconds; ``None``: half the network's."""
        self.upload_speed: float | None = network.bandwidth
        """Bytes per second out of this machine, all links together; ``None`` for any."""
        self.download_speed: float | None = network.bandwidth
        """Bytes per second into this machine, all links together; ``None`` for any."""
        self.firewalled: Firewall | None = None
        """What happens to calls from elsewhere: "drop" never answers, "refuse" says no."""
        self.connected = True
        """False: the cable is out. Nothing leaves or arrives, and nobody is told."""
        self.listeners: dict[int, MemoryListener] = {}
        self.links: dict[MemoryTransport, None] = {}
        """Our ends of all open links, oldest first."""
        self.bytes_sent = 0
        self.bytes_received = 0
        self.calls_made = 0
        self.calls_accepted = 0
        self.upload_free_at = 0.0
        self.download_free_at = 0.0
        self._next_port = _FIRST_FREE_PORT

    def __repr__(self) -> str:
        return f"<MemoryHost {self.address}>"

    async def connect(
        self, factory: Callable[[], P], host: str, port: int, *, local_address: str | None = None
    ) -> tuple[asyncio.Transport, P]:
        """See :meth:`soulmesh.net.world.Network.connect`."""
        if local_address not in (None, "", self.address, *_OWN):
            raise AddressUnavailable(str(local_address), 0)
        if not 1 <= port <= 65535:
            raise PortImpossible(host, port)
        address = self.network.resolve(host, self)
        if address is None:
            await asyncio.sleep(self.network.delay(self, None))
            raise HostUnknown(host, port)
        if address in self.network.unreachable:
            raise Unreachable(host, port)
        self.calls_made += 1
        callee = await self._find(address, host, port)
        delay = self.network.delay(self, callee)
        listener = callee.listeners.get(port)
        if listener is None or (callee.firewalled == "refuse" and callee is not self):
            await asyncio.sleep(delay)
            raise ConnectionRefused(host, port)
        ours = (self.address if callee is not self else "127.0.0.1", self.free_port())
        theirs = (address if callee is not self else "127.0.0.1", port)
        near, far = MemoryTransport.pair(self, callee, ours, theirs)
        callee.calls_accepted += 1
        far.accept(listener.factory)
        try:
            await asyncio.sleep(delay)
        except BaseException:
            near.abort()
            raise
        protocol = factory()
        near.start(protocol)
        return near, protocol

    async def _find(self, address: str, host: str, port: int) -> MemoryHost:
        """Send the call; returns when it has arrived."""
        for pause in (0, *_CALL_AGAIN):
            await asyncio.sleep(pause)
            callee = self.network.hosts.get(address)
            if callee is None or (callee.firewalled == "drop" and callee is not self):
                continue
            if not self.network.clear(self, callee):
                continue
            await asyncio.sleep(self.network.delay(self, callee))
            if self.network.clear(self, callee):
                return callee
        raise TimedOut(host, port)

    async def listen(
        self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int
    ) -> MemoryListener:
        """See :meth:`soulmesh.net.world.Network.listen`."""
        if host not in _EVERY and host not in _OWN and host != self.address:
            raise AddressUnavailable(host, port)
        bind_to = "0.0.0.0" if host in _EVERY else host
        if not 0 <= port <= 65535:
            raise PortImpossible(bind_to, port)
        if port in self.listeners:
            raise PortInUse(bind_to, port)
        listener = MemoryListener(self, factory, bind_to, port or self.free_port())
        self.listeners[listener.port] = listener
        await asyncio.sleep(0)
        return listener

    def free_port(self) -> int:
        """The next port of the range that the system gives out."""
        while True:
            port = self._next_port
            self._next_port = port + 1 if port < _LAST_PORT else _FIRST_FREE_PORT
            if port not in self.listeners:
                return port

    def cut_links(self, other: MemoryHost | None = None) -> int:
        """Break all links, or those to ``other``, at both ends at once; returns how many."""
        doomed = [end for end in self.links if other is None or end.peer.machine is other]
        for end in doomed:
            end.break_off()
        return len(doomed)

    def unplug(self) -> None:
        """Pull the cable: links stay, and nothing passes until :meth:`plug_in`."""
        self.connected = False

    def plug_in(self) -> None:
        """Put the cable back: what was sent meanwhile arrives."""
        self.connected = True
        self.network.wake(self)


class MemoryNetwork:
    """Hosts, the names of hosts, and what lies between them.

    ``latency`` is the one-way delay in seconds between two machines with
    ``jitter`` more at random; ``bandwidth`` the bytes per second in and out of
    each host, which a host's own speeds replace; ``window`` the bytes
    that may be under way in one direction of a link before the sender's
    buffer fills; ``segment`` the largest piece that arrives at once.

    Used as a network itself it is its first machine, ``10.0.0.1``.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        latency: float = 0.0,
        jitter: float = 0.0,
        bandwidth: float | None = None,
        window: int = 256 * 1024,
        segment: int = 64 * 1024,
    ) -> None:
        self.random = Random(seed)
        self.latency = latency
        self.jitter = jitter
        self.bandwidth = bandwidth
        self.window = window
        self.segment = segment
        self.hosts: dict[str, MemoryHost] = {}
        self.names: dict[str, str] = {}
        self.unreachable: set[str] = set()
        """Addresses to which a router says at once that there is no way."""
        self._walls: list[tuple[frozenset[str], frozenset[str]]] = []

    def host(self, address: str) -> MemoryHost:
        """The machine at ``address``, made if it was not there."""
        machine = self.hosts.get(address)
        if machine is None:
            machine = self.hosts[str(ipaddress.ip_address(address))] = MemoryHost(self, address)
        return machine

    def name(self, name: str, address: str) -> None:
        """Let ``name`` stand for ``address``."""
        self.names[name.lower()] = address

    def resolve(self, host: str, seen_from: MemoryHost) -> str | None:
        """The address of a name or an address; ``None`` if there is none."""
        if host in _OWN:
            return seen_from.address
        if host.lower() in self.names:
            return self.names[host.lower()]
        try:
            return str(ipaddress.ip_address(host))
        except ValueError:
            return None

    async def connect(
        self, factory: Callable[[], P], host: str, port: int, *, local_address: str | None = None
    ) -> tuple[asyncio.Transport, P]:
        """Call from the first machine."""
        return await self.host("10.0.0.1").connect(factory, host, port, local_address=local_address)

    async def listen(
        self, factory: Callable[[], asyncio.BaseProtocol], host: str, port: int
    ) -> MemoryListener:
        """Listen on the first machine."""
        return await self.host("10.0.0.1").listen(factory, host, port)

    # -- what lies between two machines

    def delay(self, one: MemoryHost, other: MemoryHost | None) -> float:
        """Seconds from one machine to another, this time."""
        if one is other:
            return 0.0
        half = self.latency / 2
        total = half if one.latency is None else one.latency
        total += half if other is None or other.latency is None else other.latency
        return total + self.random.random() * self.jitter if self.jitter else total

    def clear(self, one: MemoryHost, other: MemoryHost) -> bool:
        """Whether anything can pass between the two now."""
        if one is other:
            return True
        if not (one.connected and other.connected):
            return False
        a, b = one.address, other.address
        return not any(
            (a in left and b in right) or (b in left and a in right) for left, right in self._walls
        )

    def partition(self, left: Iterable[MemoryHost], right: Iterable[MemoryHost] | None = None) -> None:
        """Let nothing pass between two groups until :meth:`heal`; links stay, and nobody is told.

        Without ``right`` the other group is everybody who is there now.
        """
        near = frozenset(machine.address for machine in left)
        if right is None:
            far = frozenset(self.hosts) - near
        else:
            far = frozenset(machine.address for machine in right)
        self._walls.append((near, far))

    def heal(self) -> None:
        """End all partitions: what was sent meanwhile arrives."""
        self._walls.clear()
        for machine in self.hosts.values():
            self.wake(machine)

    def wake(self, machine: MemoryHost) -> None:
        """Let what waited for a way to or from ``machine`` arrive."""
        for end in list(machine.links):
            end.look_again()
            end.peer.look_again()

    # -- what has happened

    @property
    def bytes_sent(self) -> int:
        """Bytes that protocols gave to links, all hosts together."""
        return sum(machine.bytes_sent for machine in self.hosts.values())

    @property
    def open_links(self) -> int:
        """Links of which at least one end is open."""
        ends = {end for machine in self.hosts.values() for end in machine.links}
        return sum(1 for end in ends if end.calling or end.peer not in ends)


async def connect_pair(
    near: Callable[[], P], far: Callable[[], Q], *, network: MemoryNetwork | None = None
) -> tuple[P, Q]:
    """Two protocols joined by a link between two new machines of ``network``."""
    net = network or MemoryNetwork()
    first = len(net.hosts) + 1
    one, other = (net.host(f"10.9.{n // 250}.{n % 250 + 1}") for n in (first, first + 1))
    accepted: list[Q] = []

    def accept() -> Q:
        accepted.append(far())
        return accepted[0]

    listener = await other.listen(accept, "", 0)
    _, caller = await one.connect(near, other.address, listener.port)
    listener.close()
    return caller, accepted[0]


async def stream_pair(
    *, network: MemoryNetwork | None = None, limit: int = READ_LIMIT
) -> tuple[Stream, Stream]:
    """Two streams joined by a link in memory: the one that called and the one that was called."""
    return await connect_pair(lambda: Stream(limit=limit), lambda: Stream(limit=limit), network=network)
