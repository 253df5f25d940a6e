"""Asking a home router to let calls in: PCP (RFC 6887) and NAT-PMP (RFC 6886).

Both speak over UDP port 5351 of the router. :class:`PortMapping` asks for one
TCP port, in PCP first; a router that only knows NAT-PMP says so, and is asked
again in that. A mapping is a lease: it is renewed at half its time.

The machine is told what happened and answers with effects; bytes that are no
answer to it (another port, another nonce, too short) are ignored, since
anybody on the local network can send them.
"""

from __future__ import annotations

import ipaddress
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

__all__ = [
    "GATEWAY_PORT",
    "Effect",
    "Failed",
    "Lease",
    "Mapped",
    "PortMapping",
    "Send",
    "why_useless",
]

GATEWAY_PORT = 5351
LIFETIME = 7200
"""Seconds asked for (RFC 6886, 3.3: two hours)."""

FIRST_RETRY = 0.25
"""Seconds until a question is repeated, doubled each time (RFC 6886, 3.1)."""

TRIES = 6
"""How often a question is asked: 16 s in all. The RFC's nine would keep people waiting for two minutes."""

PCP_TRIES = 3
"""Questions in PCP before NAT-PMP is tried: some old routers drop what they do not know."""

SHORTEST_LEASE = 60
"""A router that grants less is taken at this, so that it is not asked all the time."""

_TCP = 6
_NAT_PMP, _PCP = 0, 2
_OP_ADDRESS, _OP_MAP_TCP, _OP_MAP = 0, 2, 1
_ANSWER = 0x80

_PMP_MAP = struct.Struct(">BBHHHI")
_PMP_ANSWER = struct.Struct(">BBHI")
_PMP_MAPPED = struct.Struct(">HHI")
_PCP_HEAD = struct.Struct(">BBHI16s")
_PCP_ANSWER = struct.Struct(">BBBBII12x")
_PCP_MAP = struct.Struct(">12sB3xHH16s")

_PMP_UNSUPPORTED_VERSION = 1
_PMP_REASONS = {
    2: "it is told not to open ports (look for NAT-PMP or port mapping in its settings)",
    3: "it is not connected to the internet",
    4: "it has no room for another port",
    5: "it cannot do this",
}
_PCP_UNSUPPORTED_VERSION = 1
_PCP_REASONS = {
    2: "it is told not to open ports (look for PCP or port mapping in its settings)",
    3: "it did not understand the question",
    4: "it cannot do this",
    7: "it is not connected to the internet",
    8: "it has no room for another port",
    9: "it cannot do this for TCP",
    10: "this machine has too many ports open already",
    11: "it cannot give the port that was asked for",
    12: "another router between this machine and it translates addresses",
}


@dataclass(frozen=True, slots=True)
class Lease:
    """A port of the router that leads to ours."""

    external_address: str | None
    """The router's own address outside, if it told us."""
    external_port: int
    lifetime: float
    """Seconds from when it was granted."""
    method: str
    """"PCP", "NAT-PMP" or "UPnP"."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send these bytes to the router."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Mapped:
    """The router lets calls in; told again at each renewal."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Failed:
    """The router does not let calls in, or no longer; ``reason`` in words. The machine has stopped."""

    reason: str


Effect = Send | Mapped | Failed


class _State(Enum):
    IDLE = "idle"
    ASKING = "asking"
    MAPPED = "mapped"
    RENEWING = "renewing"
    ENDED = "ended"


class PortMapping:
    """One TCP port, kept open on one router.

    Args:
        port: the port that we listen on.
        client_address: our address as the router sees it; PCP repeats it in the question.
        nonce: 12 random bytes, by which PCP recognises us at the renewal.
        external_port: the port that we would like outside; any other may be given.
    """

    def __init__(
        self, port: int, client_address: str, nonce: bytes, *, external_port: int | None = None
    ) -> None:
        if len(nonce) != 12:
            raise ValueError("a PCP nonce has 12 bytes")
        self._port = port
        self._client = _mapped_ipv6(client_address)
        self._nonce = nonce
        self._wanted = external_port or port
        self._state = _State.IDLE
        self._version = _PCP
        self._asked = 0
        self._retry_at: float | None = None
        self._renew_at: float | None = None
        self._expires_at: float | None = None
        self._address: str | None = None
        self._address_asked = False
        self._granted: tuple[int, float] | None = None
        self.lease: Lease | None = None
        """What we have now; ``None`` if nothing."""

    @property
    def deadline(self) -> float | None:
        """When :meth:`tick` next has something to do."""
        pending = [t for t in (self._retry_at, self._renew_at, self._expires_at) if t is not None]
        return min(pending, default=None)

    def start(self, now: float) -> Sequence[Effect]:
        """Ask for the port."""
        self._state = _State.ASKING
        self._asked = 0
        return self._ask(now)

    def tick(self, now: float) -> Sequence[Effect]:
        """The time of :attr:`deadline` has come."""
        effects: list[Effect] = []
        if self._expires_at is not None and now >= self._expires_at:
            return self._fail("it did not renew the port in time")
        if self._renew_at is not None and now >= self._renew_at:
            self._renew_at = None
            self._state = _State.RENEWING
            self._asked = 0
            self._retry_at = now
        if self._retry_at is not None and now >= self._retry_at:
            effects += self._ask(now)
        return effects

    def received(self, data: bytes, now: float) -> Sequence[Effect]:
        """A datagram came from the router."""
        if self._state not in (_State.ASKING, _State.RENEWING) or len(data) < 2:
            return []
        if data[0] == _PCP and self._version == _PCP:
            return self._received_pcp(data, now)
        if data[0] == _NAT_PMP:
            return self._received_nat_pmp(data, now)
        return []

    def stop(self) -> Sequence[Effect]:
        """Give the port back, if we have it."""
        granted = self.lease is not None
        self._end()
        return [Send(self._question(0, 0))] if granted else []

    # -- questions

    def _ask(self, now: float) -> Sequence[Effect]:
        if self._version == _PCP and self._asked >= PCP_TRIES and self._state is _State.ASKING:
            return self._ask_in_nat_pmp(now)
        if self._asked >= TRIES:
            if self._granted is not None and self._state is _State.ASKING:
                # The port is ours; only the address was never told.
                return self._mapped(now, *self._granted)
            if self._state is _State.RENEWING:
                # Half of what is left of the lease is time enough to try once more.
                assert self._expires_at is not None
                self._asked = 0
                self._retry_at = now + max(1.0, (self._expires_at - now) / 2)
                return []
            return self._fail(
                "it does not answer: it knows neither PCP nor NAT-PMP, or they are switched off"
            )
        self._retry_at = now + FIRST_RETRY * 2**self._asked
        self._asked += 1
        effects: list[Effect] = []
        if self._version == _NAT_PMP and self._address is None and not self._address_asked:
            effects.append(Send(bytes([_NAT_PMP, _OP_ADDRESS])))
        if self._granted is None:
            effects.append(Send(self._question(LIFETIME, self._wanted)))
        return effects

    def _ask_in_nat_pmp(self, now: float) -> Sequence[Effect]:
        self._version = _NAT_PMP
        self._asked = 0
        return self._ask(now)

    def _question(self, lifetime: int, external_port: int) -> bytes:
        if self._version == _NAT_PMP:
            return _PMP_MAP.pack(_NAT_PMP, _OP_MAP_TCP, 0, self._port, external_port, lifetime)
        anywhere = _mapped_ipv6("0.0.0.0")
        return _PCP_HEAD.pack(_PCP, _OP_MAP, 0, lifetime, self._client) + _PCP_MAP.pack(
            self._nonce, _TCP, self._port, external_port, anywhere
        )

    # -- answers

    def _received_pcp(self, data: bytes, now: float) -> Sequence[Effect]:
        if len(data) < _PCP_ANSWER.size or data[1] != _ANSWER | _OP_MAP:
            return []
        _, _, _, result, lifetime, _ = _PCP_ANSWER.unpack_from(data)
        if result == _PCP_UNSUPPORTED_VERSION:
            return self._ask_in_nat_pmp(now)
        if len(data) < _PCP_ANSWER.size + _PCP_MAP.size:
            return []
        nonce, protocol, port, external_port, address = _PCP_MAP.unpack_from(data, _PCP_ANSWER.size)
        if (nonce, protocol, port) != (self._nonce, _TCP, self._port):
            return []
        if result:
            return self._fail(_PCP_REASONS.get(result, f"it refuses with code {result}"))
        self._address = _dotted(address)
        return self._mapped(now, external_port, lifetime)

    def _received_nat_pmp(self, data: bytes, now: float) -> Sequence[Effect]:
        if len(data) < _PMP_ANSWER.size or not data[1] & _ANSWER:
            return []
        _, operation, result, _ = _PMP_ANSWER.unpack_from(data)
        if self._version == _PCP:
            # An old router's answer to a question in PCP.
            return self._ask_in_nat_pmp(now) if result == _PMP_UNSUPPORTED_VERSION else []
        if operation == _ANSWER | _OP_ADDRESS:
            self._address_asked = True
            if result == 0 and len(data) >= 12 and data[8:12] != bytes(4):
                self._address = str(ipaddress.IPv4Address(data[8:12]))
            return self._mapped(now, *self._granted) if self._granted else []
        if operation != _ANSWER | _OP_MAP_TCP:
            return []
        if result:
            return self._fail(_PMP_REASONS.get(result, f"it refuses with code {result}"))
        if len(data) < _PMP_ANSWER.size + _PMP_MAPPED.size:
            return []
        port, external_port, lifetime = _PMP_MAPPED.unpack_from(data, _PMP_ANSWER.size)
        if port != self._port:
            return []
        if self._address is None and not self._address_asked:
            self._granted = (external_port, lifetime)
            return []
        return self._mapped(now, external_port, lifetime)

    def _mapped(self, now: float, external_port: int, lifetime: float) -> Sequence[Effect]:
        self._granted = None
        lifetime = max(lifetime, SHORTEST_LEASE)
        self._state = _State.MAPPED
        self._wanted = external_port
        self._retry_at = None
        self._renew_at = now + lifetime / 2
        self._expires_at = now + lifetime
        # The address may change with the next connection to the provider: ask again then.
        self._address_asked = False
        method = "PCP" if self._version == _PCP else "NAT-PMP"
        self.lease = Lease(self._address, external_port, lifetime, method)
        if self._version == _NAT_PMP:
            self._address = None
        return [Mapped(self.lease)]

    def _fail(self, reason: str) -> Sequence[Effect]:
        self._end()
        return [Failed(reason)]

    def _end(self) -> None:
        self._state = _State.ENDED
        self._retry_at = self._renew_at = self._expires_at = None
        self.lease = None


def _mapped_ipv6(address: str) -> bytes:
    """The 16 bytes that PCP writes for an address (IPv4 as ``::ffff:a.b.c.d``)."""
    parsed = ipaddress.ip_address(address)
    return parsed.packed if parsed.version == 6 else bytes(10) + b"\xff\xff" + parsed.packed


def _dotted(packed: bytes) -> str | None:
    address = ipaddress.IPv6Address(packed)
    known = address.ipv4_mapped or address
    return None if known.is_unspecified else str(known)


_CARRIER = (ipaddress.ip_network("100.64.0.0/10"), ipaddress.ip_network("192.0.0.0/29"))


def why_useless(external_address: str | None, *, seen_as: str | None = None) -> str | None:
    """Why a mapped port will not make us reachable all the same, in words; ``None`` if it will.

    Args:
        external_address: the router's address outside, ``None`` if it is not known.
        seen_as: our address as the server sees it, if it is known.
    """
    if external_address is None:
        return None
    address = ipaddress.ip_address(external_address)
    if address.version == 6:
        return (
            "the router has only an IPv6 address outside, and this network knows IPv4 alone: use a VPN that "
            "forwards a port, or rely on others letting you in"
        )
    if any(address in network for network in _CARRIER):
        return (
            f"your provider shares one address among several customers (the router's is {address}, carrier "
            "NAT), so calls end at the provider: ask it for an address of your own, or use a VPN that "
            "forwards a port"
        )
    if address.is_private or address.is_link_local:
        return (
            f"the router is behind another router (its own address is {address}): open the port there too, "
            "or let the outer one pass everything on"
        )
    if seen_as is not None and seen_as != external_address:
        return (
            f"the server sees you as {seen_as}, but the router is {address}: a VPN or another router is on "
            "the way, and the port has to be opened there"
        )
    return None
