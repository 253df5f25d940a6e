"""Keeping a port of the home router open while we run.

A :class:`PortMapper` knows one way of asking: :class:`GatewayMapper` here
speaks PCP and NAT-PMP (the machine is :mod:`soulmesh.core.port_mapping`),
:class:`soulmesh.net.upnp.UpnpMapper` speaks UPnP. :func:`keep_open` tries one
after the other and stays with the first that works; cancelling it gives the
port back.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from pathlib import Path
from random import Random
from typing import NoReturn, Protocol

from soulmesh.core.port_mapping import GATEWAY_PORT, Effect, Failed, Lease, Mapped, PortMapping, Send
from soulmesh.errors import NetworkError
from soulmesh.net.disk import DiskError
from soulmesh.net.world import Datagrams, Disk

__all__ = ["GatewayMapper", "MappingFailed", "PortMapper", "find_gateway", "keep_open"]

TRY_AGAIN_AFTER = 900.0
"""Seconds until all ways are tried again: the router may have been restarted, or told to open ports."""

_ROUTES = Path("/proc/net/route")
_ROUTE_UP, _ROUTE_GATEWAY = 1, 2


class MappingFailed(NetworkError):
    """The router did not open the port; ``reason`` says which way was tried and why it failed."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return f"the router does not open a port: {self.reason}"


class PortMapper(Protocol):
    """One way to ask a router for a port."""

    @property
    def method(self) -> str:
        """The way's name, for people."""

    async def keep(self, port: int, tell: Callable[[Lease], None]) -> NoReturn:
        """Keep TCP ``port`` open until cancelled, and give it back then.

        ``tell`` gets the lease when it is granted and at each renewal.

        Raises:
            MappingFailed: the port is not open, or no longer.
        """


async def find_gateway(disk: Disk) -> str | None:
    """The router that leads to the IPv4 internet; ``None`` if there is no such way, or nobody tells.

    Linux only: elsewhere the router must be given by a setting.
    """
    try:
        table = await disk.read_bytes(_ROUTES, limit=1 << 20)
    except DiskError:
        return None
    best: tuple[int, str] | None = None
    for line in table.decode("ascii", "replace").splitlines()[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        try:
            destination, gateway, flags = (int(field, 16) for field in fields[1:4])
            metric, mask = int(fields[6]), int(fields[7], 16)
        except ValueError:
            continue
        if destination or mask or not flags & _ROUTE_UP or not flags & _ROUTE_GATEWAY:
            continue
        # The kernel prints the address as a number of this machine's byte order.
        address = str(IPv4Address(struct.pack("=I", gateway)))
        if best is None or metric < best[0]:
            best = (metric, address)
    return best[1] if best else None


class _Inbox(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.received: asyncio.Queue[bytes] = asyncio.Queue(16)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if not self.received.full():
            self.received.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        # "Nothing listens there": the machine notices by the silence.
        pass


class GatewayMapper:
    """PCP and NAT-PMP with the router at ``gateway``."""

    method = "PCP or NAT-PMP"

    def __init__(
        self, network: Datagrams, random: Random, gateway: str, *, gateway_port: int = GATEWAY_PORT
    ) -> None:
        self._network = network
        self._random = random
        self.gateway = gateway
        self._gateway_port = gateway_port

    async def keep(self, port: int, tell: Callable[[Lease], None]) -> NoReturn:
        """See :meth:`PortMapper.keep`."""
        inbox = _Inbox()
        try:
            transport = await self._network.open_datagrams(lambda: inbox, self.gateway, self._gateway_port)
        except NetworkError as error:
            raise MappingFailed(f"{self.method} ({self.gateway}): {error}") from error
        client = transport.get_extra_info("sockname")[0]
        mapping = PortMapping(port, client, self._random.randbytes(12))
        loop = asyncio.get_running_loop()

        def carry_out(effects: Sequence[Effect]) -> None:
            for effect in effects:
                if isinstance(effect, Send):
                    transport.sendto(effect.data)
                elif isinstance(effect, Mapped):
                    tell(effect.lease)
                elif isinstance(effect, Failed):
                    raise MappingFailed(f"{self.method} ({self.gateway}): {effect.reason}")

        try:
            carry_out(mapping.start(loop.time()))
            while True:
                try:
                    async with asyncio.timeout_at(mapping.deadline):
                        data = await inbox.received.get()
                except TimeoutError:
                    carry_out(mapping.tick(loop.time()))
                else:
                    carry_out(mapping.received(data, loop.time()))
        finally:
            carry_out(mapping.stop())
            transport.close()


async def keep_open(
    mappers: Sequence[PortMapper],
    port: int,
    *,
    mapped: Callable[[Lease], None],
    failed: Callable[[Sequence[MappingFailed]], None],
    again_after: float = TRY_AGAIN_AFTER,
) -> NoReturn:
    """Keep ``port`` open by the first of ``mappers`` that works, until cancelled.

    ``mapped`` gets each new lease. ``failed`` is told when all ways have failed, with one
    error for each, and again whenever they have failed after working; after ``again_after``
    seconds they are tried again, silently if they fail as before.
    """
    working = True
    while True:
        failures = []
        for mapper in mappers:
            granted: list[Lease] = []

            def tell(lease: Lease, granted: list[Lease] = granted) -> None:
                granted.append(lease)
                del granted[1:]
                mapped(lease)

            try:
                await mapper.keep(port, tell)
            except MappingFailed as error:
                failures.append(error)
                working = working or bool(granted)
        if working:
            working = False
            failed(failures)
        await asyncio.sleep(again_after)
