"""Routers on 127.0.0.1 that open ports, refuse, fall silent, and talk nonsense."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Sequence
from random import Random
from typing import NoReturn

import pytest

from soulmesh.core.port_mapping import Lease
from soulmesh.net.memory_disk import MemoryDisk
from soulmesh.net.port_mapping import GatewayMapper, MappingFailed, find_gateway, keep_open
from soulmesh.net.tcp import TcpNetwork
from soulmesh.net.upnp import LARGEST_ANSWER, UpnpMapper
from tests.support.loops import real, virtual


class Router(asyncio.DatagramProtocol):
    """PCP, or NAT-PMP alone, on 127.0.0.1."""

    def __init__(self, *, pcp: bool, result: int = 0, silent: bool = False) -> None:
        self.pcp = pcp
        self.result = result
        self.silent = silent
        self.open_ports: dict[int, int] = {}
        self.questions: list[bytes] = []

    async def start(self) -> GatewayMapper:
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        port = self.transport.get_extra_info("sockname")[1]
        return GatewayMapper(TcpNetwork(), Random(1), "127.0.0.1", gateway_port=port)

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        self.questions.append(data)
        if not self.silent:
            for answer in self.answers(data):
                self.transport.sendto(answer, address)

    def answers(self, data: bytes) -> Sequence[bytes]:
        noise = b"\xff" * 20
        if data[0] == 2 and not self.pcp:
            return [noise, struct.pack(">BBHI", 0, 0x81, 1, 0)]
        if data[0] == 2:
            lifetime = int.from_bytes(data[4:8], "big")
            port = int.from_bytes(data[40:42], "big")
            self._keep(port, lifetime)
            head = struct.pack(">BBBBII12x", 2, 0x81, 0, self.result, lifetime, 0)
            outside = bytes(10) + b"\xff\xff" + bytes([198, 51, 100, 9])
            return [noise, head + data[24:44] + outside]
        if data[1] == 0:
            return [struct.pack(">BBHI", 0, 128, 0, 0) + bytes([198, 51, 100, 9])]
        _, _, _, port, _, lifetime = struct.unpack(">BBHHHI", data)
        self._keep(port, lifetime)
        return [struct.pack(">BBHIHHI", 0, 130, self.result, 0, port, port, lifetime)]

    def _keep(self, port: int, lifetime: int) -> None:
        if self.result == 0 and lifetime:
            self.open_ports[port] = lifetime
        else:
            self.open_ports.pop(port, None)


@pytest.mark.parametrize("pcp", [True, False])
def test_a_port_is_opened_and_given_back(pcp: bool) -> None:
    @real
    async def work() -> None:
        router = Router(pcp=pcp)
        mapper = await router.start()
        leases: asyncio.Queue[Lease] = asyncio.Queue()
        keeping = asyncio.create_task(mapper.keep(2234, leases.put_nowait))
        lease = await leases.get()
        assert lease == Lease("198.51.100.9", 2234, 7200, "PCP" if pcp else "NAT-PMP")
        assert router.open_ports == {2234: 7200}
        keeping.cancel()
        with pytest.raises(asyncio.CancelledError):
            await keeping
        while router.open_ports:  # noqa: ASYNC110 - the last datagram is on its way
            await asyncio.sleep(0.001)
        router.transport.close()

    work()


@pytest.mark.parametrize("pcp", [True, False])
def test_a_router_that_refuses_is_quoted(pcp: bool) -> None:
    @real
    async def work() -> None:
        router = Router(pcp=pcp, result=2)
        mapper = await router.start()
        with pytest.raises(MappingFailed, match="told not to open ports"):
            await mapper.keep(2234, lambda lease: None)
        router.transport.close()

    work()


@real
async def test_no_router_at_that_address_fails_in_the_end() -> None:
    import soulmesh.core.port_mapping as machine

    router = Router(pcp=True, silent=True)
    mapper = await router.start()
    before = machine.FIRST_RETRY
    machine.FIRST_RETRY = 0.001
    try:
        with pytest.raises(MappingFailed, match=r"127\.0\.0\.1\): it does not answer"):
            await mapper.keep(2234, lambda lease: None)
        assert len(router.questions) > 8
        # The system's "nothing listens there" is silence to us.
        router.transport.close()
        await asyncio.sleep(0.01)
        with pytest.raises(MappingFailed, match="does not answer"):
            await mapper.keep(2234, lambda lease: None)
    finally:
        machine.FIRST_RETRY = before


# -- which router


ROUTES = """Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT
wlan0\t00000000\t{slow}\t0003\t0\t0\t600\t00000000\t0\t0\t0
eth0\t00000000\t{fast}\t0003\t0\t0\t100\t00000000\t0\t0\t0
eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0
broken line
eth1\tXYZ\t00000000\t0003\t0\t0\t1\t00000000\t0\t0\t0
"""


def route_number(address: str) -> str:
    """As this machine's kernel prints an address."""
    packed = bytes(int(part) for part in address.split("."))
    return f"{struct.unpack('=I', packed)[0]:08X}"


@virtual
async def test_the_gateway_is_that_of_the_best_default_route() -> None:
    disk = MemoryDisk()
    table = ROUTES.format(slow=route_number("192.168.2.1"), fast=route_number("192.168.1.1"))
    disk.add("/proc/net/route", table.encode())
    assert await find_gateway(disk) == "192.168.1.1"


@virtual
async def test_without_a_default_route_there_is_no_gateway() -> None:
    disk = MemoryDisk()
    assert await find_gateway(disk) is None
    disk.add("/proc/net/route", ROUTES.splitlines()[0].encode())
    assert await find_gateway(disk) is None


# -- one way after the other


class Scripted:
    """A mapper that does what its script says: seconds to hold the port, or a reason to fail."""

    def __init__(self, method: str, *script: float | str) -> None:
        self.method = method
        self.script = list(script)
        self.tried = 0

    async def keep(self, port: int, tell: Callable[[Lease], None]) -> NoReturn:
        self.tried += 1
        step = self.script.pop(0) if self.script else "still no"
        if isinstance(step, str):
            raise MappingFailed(f"{self.method}: {step}")
        tell(Lease("198.51.100.9", port, 60, self.method))
        await asyncio.sleep(step)
        raise MappingFailed(f"{self.method}: lost")


@virtual
async def test_the_first_way_that_works_is_used() -> None:
    leases: list[Lease] = []
    failures: list[Sequence[MappingFailed]] = []
    first, second = Scripted("one", "no"), Scripted("two", 10_000.0)
    third = Scripted("three", 10_000.0)
    keeping = asyncio.create_task(
        keep_open([first, second, third], 2234, mapped=leases.append, failed=failures.append)
    )
    await asyncio.sleep(1000)
    assert [lease.method for lease in leases] == ["two"]
    assert failures == []
    assert third.tried == 0
    keeping.cancel()


@virtual
async def test_when_all_ways_fail_it_is_told_once_and_tried_again_now_and_then() -> None:
    leases: list[Lease] = []
    failures: list[Sequence[MappingFailed]] = []
    first = Scripted("one", "no", "no", 100.0, "no", "no")
    second = Scripted("two")
    keeping = asyncio.create_task(
        keep_open([first, second], 2234, mapped=leases.append, failed=failures.append, again_after=900)
    )
    await asyncio.sleep(1000)
    assert first.tried == 2
    assert [str(error) for error in failures[0]] == [
        "the router does not open a port: one: no",
        "the router does not open a port: two: still no",
    ]
    assert len(failures) == 1
    await asyncio.sleep(1000)
    assert len(leases) == 1, "the third try worked"
    assert len(failures) == 2, "and losing it again is told again"
    keeping.cancel()


# -- UPnP


DESCRIPTION = """<?xml version="1.0"?>
<root xmlns="urn:schemas-upnp-org:device-1-0"><specVersion><major>1</major><minor>0</minor></specVersion>
<device><deviceType>urn:schemas-upnp-org:device:InternetGatewayDevice:1</deviceType>
<friendlyName>box</friendlyName><manufacturer>m</manufacturer><modelName>m</modelName><UDN>uuid:1</UDN>
<deviceList><device><deviceType>urn:schemas-upnp-org:device:WANDevice:1</deviceType>
<friendlyName>w</friendlyName><manufacturer>m</manufacturer><modelName>m</modelName><UDN>uuid:2</UDN>
<serviceList><service><serviceType>urn:schemas-upnp-org:service:{service}:1</serviceType>
<serviceId>urn:upnp-org:serviceId:wan</serviceId><SCPDURL>/scpd.xml</SCPDURL>
<controlURL>/control</controlURL><eventSubURL>/events</eventSubURL></service></serviceList>
</device></deviceList></device></root>"""


def _action(name: str, inputs: Sequence[str], outputs: Sequence[str] = ()) -> str:
    arguments = "".join(
        f"<argument><name>{argument}</name><direction>{way}</direction>"
        f"<relatedStateVariable>{argument[3:]}</relatedStateVariable></argument>"
        for way, names in (("in", inputs), ("out", outputs))
        for argument in names
    )
    return f"<action><name>{name}</name><argumentList>{arguments}</argumentList></action>"


TYPES = {
    "RemoteHost": "string",
    "ExternalPort": "ui2",
    "Protocol": "string",
    "InternalPort": "ui2",
    "InternalClient": "string",
    "Enabled": "boolean",
    "PortMappingDescription": "string",
    "LeaseDuration": "ui4",
    "ExternalIPAddress": "string",
}
KEY = ["NewRemoteHost", "NewExternalPort", "NewProtocol"]
REST = ["NewInternalPort", "NewInternalClient", "NewEnabled", "NewPortMappingDescription", "NewLeaseDuration"]
SCPD = (
    '<?xml version="1.0"?><scpd xmlns="urn:schemas-upnp-org:service-1-0"><actionList>'
    + _action("AddPortMapping", KEY + REST)
    + _action("DeletePortMapping", KEY)
    + _action("GetExternalIPAddress", [], ["NewExternalIPAddress"])
    + "</actionList><serviceStateTable>"
    + "".join(
        f'<stateVariable sendEvents="no"><name>{name}</name><dataType>{kind}</dataType></stateVariable>'
        for name, kind in TYPES.items()
    )
    + "</serviceStateTable></scpd>"
)


class UpnpRouter(asyncio.DatagramProtocol):
    """An internet gateway: answers searches by UDP and speaks SOAP over HTTP, on 127.0.0.1."""

    def __init__(
        self, *, service: str = "WANIPConnection", permanent_only: bool = False, error: int = 0
    ) -> None:
        self.service = service
        self.permanent_only = permanent_only
        self.error = error
        self.description = DESCRIPTION
        self.location_host = "127.0.0.1"
        self.open_ports: dict[int, tuple[str, int]] = {}
        self.added = 0

    async def __aenter__(self) -> UpnpRouter:
        loop = asyncio.get_running_loop()
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.http_port = self.server.sockets[0].getsockname()[1]
        self.udp, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self.target = ("127.0.0.1", self.udp.get_extra_info("sockname")[1])
        self.location = f"http://127.0.0.1:{self.http_port}/root.xml"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.server.close()
        self.udp.close()

    def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
        answer = (
            "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=100\r\nEXT:\r\n"
            f"LOCATION: http://{self.location_host}:{self.http_port}/root.xml\r\nSERVER: x\r\n"
            "ST: urn:schemas-upnp-org:device:InternetGatewayDevice:1\r\nUSN: uuid:1::x\r\n\r\n"
        )
        self.udp.sendto(answer.encode(), address)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = next(
            (int(x.split(":")[1]) for x in head.splitlines() if x.lower().startswith("content-length")), 0
        )
        body = (await reader.readexactly(length)).decode()
        status, answer = "200 OK", ""
        if "/root.xml" in head:
            answer = self.description.format(service=self.service)
        elif "/scpd.xml" in head:
            answer = SCPD
        else:
            status, answer = self._act(body)
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {len(answer)}\r\n"
            f"Connection: close\r\n\r\n{answer}".encode()
        )
        await writer.drain()
        writer.close()

    def _act(self, body: str) -> tuple[str, str]:
        from xml.etree import ElementTree

        action = next(
            e
            for e in ElementTree.fromstring(body).iter()
            if e.tag.startswith("{urn:schemas-upnp-org:service")
        )
        name = action.tag.split("}")[1]
        values = {child.tag: child.text or "" for child in action}
        outputs = ""
        if name == "AddPortMapping":
            self.added += 1
            lease = int(values["NewLeaseDuration"])
            code = self.error or (725 if self.permanent_only and lease else 0)
            if code:
                return "500 Internal Server Error", _soap(
                    "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>"
                    f'<UPnPError xmlns="urn:schemas-upnp-org:control-1-0"><errorCode>{code}</errorCode>'
                    "<errorDescription>no</errorDescription></UPnPError></detail></s:Fault>"
                )
            assert values["NewRemoteHost"] == ""
            assert values["NewEnabled"] == "1"
            assert values["NewProtocol"] == "TCP"
            self.open_ports[int(values["NewExternalPort"])] = (values["NewInternalClient"], lease)
        elif name == "DeletePortMapping":
            self.open_ports.pop(int(values["NewExternalPort"]))
        else:
            outputs = "<NewExternalIPAddress>198.51.100.9</NewExternalIPAddress>"
        kind = f"urn:schemas-upnp-org:service:{self.service}:1"
        return "200 OK", _soap(f'<u:{name}Response xmlns:u="{kind}">{outputs}</u:{name}Response>')


def _soap(body: str) -> str:
    return (
        '<?xml version="1.0"?><s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" '
        f's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>{body}</s:Body></s:Envelope>'
    )


@pytest.mark.parametrize("service", ["WANIPConnection", "WANPPPConnection"])
def test_upnp_opens_a_port_and_gives_it_back(service: str) -> None:
    pytest.importorskip("async_upnp_client")

    @real
    async def work() -> None:
        async with UpnpRouter(service=service) as router:
            leases: asyncio.Queue[Lease] = asyncio.Queue()
            mapper = UpnpMapper(location=router.location)
            keeping = asyncio.create_task(mapper.keep(2234, leases.put_nowait))
            assert await leases.get() == Lease("198.51.100.9", 2234, 3600, "UPnP")
            assert router.open_ports == {2234: ("127.0.0.1", 3600)}
            keeping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await keeping
            assert router.open_ports == {}

    work()


@pytest.mark.slow
def test_upnp_finds_the_router_by_a_search() -> None:
    pytest.importorskip("async_upnp_client")

    @real
    async def work() -> None:
        async with UpnpRouter() as router:
            mapper = UpnpMapper(local_address="127.0.0.1", search_target=router.target)
            leases: asyncio.Queue[Lease] = asyncio.Queue()
            keeping = asyncio.create_task(mapper.keep(2234, leases.put_nowait))
            assert (await leases.get()).external_port == 2234
            keeping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await keeping
            # A description on a machine out in the internet is not fetched.
            router.location_host = "9.9.9.9"
            with pytest.raises(MappingFailed, match="no router answered"):
                await mapper.keep(2234, leases.put_nowait)

    work()


def test_upnp_routers_that_keep_ports_for_ever_are_asked_so() -> None:
    pytest.importorskip("async_upnp_client")

    @real
    async def work() -> None:
        async with UpnpRouter(permanent_only=True) as router:
            leases: asyncio.Queue[Lease] = asyncio.Queue()
            keeping = asyncio.create_task(UpnpMapper(location=router.location).keep(2234, leases.put_nowait))
            assert (await leases.get()).lifetime == 3600
            assert router.open_ports == {2234: ("127.0.0.1", 0)}
            keeping.cancel()
            with pytest.raises(asyncio.CancelledError):
                await keeping
            assert router.open_ports == {}

    work()


@pytest.mark.parametrize(
    ("error", "words"), [(718, "another machine has that port"), (606, "does not let"), (999, "code 999")]
)
def test_upnp_refusals_have_words(error: int, words: str) -> None:
    pytest.importorskip("async_upnp_client")

    @real
    async def work() -> None:
        async with UpnpRouter(error=error) as router:
            with pytest.raises(MappingFailed, match=words):
                await UpnpMapper(location=router.location).keep(2234, lambda lease: None)

    work()


@pytest.mark.parametrize(
    ("description", "words"),
    [
        ("this is no XML", "cannot be used"),
        # A bomb of entities, and an answer that does not end.
        ('<!DOCTYPE x [<!ENTITY a "b"><!ENTITY c "&a;&a;">]><root>&c;</root>', "cannot be used"),
        ("<root>" + "x" * LARGEST_ANSWER, "answers never ends"),
        (DESCRIPTION.replace("WANDevice", "Printer").replace("{service}", "Printing"), "cannot open ports"),
    ],
)
def test_upnp_nonsense_is_an_error_of_one_line(description: str, words: str) -> None:
    pytest.importorskip("async_upnp_client")

    @real
    async def work() -> None:
        async with UpnpRouter() as router:
            router.description = description
            with pytest.raises(MappingFailed, match=words) as caught:
                await UpnpMapper(location=router.location).keep(2234, lambda lease: None)
            assert "\n" not in str(caught.value)

    work()


@real
async def test_upnp_with_nobody_there_is_an_error_of_one_line() -> None:
    pytest.importorskip("async_upnp_client")
    async with UpnpRouter() as router:
        pass
    with pytest.raises(MappingFailed, match="UPnP: the router does not answer"):
        await UpnpMapper(location=router.location).keep(2234, lambda lease: None)
