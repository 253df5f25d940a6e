"""The real network: what works, and what each failure is called."""

from __future__ import annotations

import asyncio
import errno
import gc
import socket

import pytest

from soulmesh.net import tcp
from soulmesh.net.errors import (
    AddressUnavailable,
    ConnectionRefused,
    HostUnknown,
    InterfaceMissing,
    NetworkError,
    NoIPv4,
    PortForbidden,
    PortImpossible,
    PortInUse,
    TimedOut,
    TooManyOpenFiles,
    Unreachable,
    dial_error,
    listen_error,
)
from soulmesh.net.stream import Stream, listen_streams, open_stream
from soulmesh.net.tcp import TcpNetwork
from tests.support.loops import real
from tests.support.networks import open_descriptors


async def free_port() -> int:
    listener = await TcpNetwork().listen(asyncio.Protocol, "127.0.0.1", 0)
    listener.close()
    return listener.port


@real
async def test_a_call_reaches_the_listener_and_bytes_go_both_ways() -> None:
    network = TcpNetwork()
    accepted: asyncio.Queue[Stream] = asyncio.Queue()
    listener = await listen_streams(network, accepted.put_nowait, "127.0.0.1", 0)
    assert listener.host == "127.0.0.1"
    caller = await open_stream(network, "127.0.0.1", listener.port, timeout=5)
    caller.write(b"hello")
    callee = await accepted.get()
    assert await callee.readexactly(5) == b"hello"
    callee.write(b"welcome")
    assert await caller.readexactly(7) == b"welcome"
    assert caller.peer_address == ("127.0.0.1", listener.port)
    assert callee.peer_address == caller.local_address
    for stream in (caller, callee):
        sock = stream.transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        stream.close()
        await stream.wait_closed()
    listener.close()


@real
async def test_a_crowd_that_calls_at_once_is_let_in_a_few_at_a_time_and_nobody_is_refused() -> None:
    arrived: list[asyncio.BaseTransport] = []

    class Guest(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            arrived.append(transport)

    listener = await TcpNetwork().listen(Guest, "127.0.0.1", 0)
    # The loop does not turn meanwhile: the system keeps all of them waiting.
    crowd = [socket.create_connection(("127.0.0.1", listener.port)) for _ in range(100)]
    each_turn = []
    while len(arrived) < len(crowd):
        before = len(arrived)
        await asyncio.sleep(0)
        each_turn.append(len(arrived) - before)
    assert max(each_turn) <= 16
    for caller in crowd:
        caller.close()
    for transport in arrived:
        transport.abort()
    listener.close()


@real
async def test_a_closed_listener_refuses_and_its_open_connections_go_on() -> None:
    network = TcpNetwork()
    accepted: asyncio.Queue[Stream] = asyncio.Queue()
    listener = await listen_streams(network, accepted.put_nowait, "127.0.0.1", 0)
    caller = await open_stream(network, "127.0.0.1", listener.port)
    callee = await accepted.get()
    listener.close()
    with pytest.raises(ConnectionRefused):
        await open_stream(network, "127.0.0.1", listener.port)
    caller.write(b"still here")
    assert await callee.readexactly(10) == b"still here"
    for stream in (caller, callee):
        stream.abort()
        await stream.wait_closed()


@real
async def test_nobody_listens_is_refused_in_one_sentence() -> None:
    port = await free_port()
    with pytest.raises(ConnectionRefused) as caught:
        await open_stream(TcpNetwork(), "127.0.0.1", port)
    assert str(caught.value).startswith(f"nothing listens on 127.0.0.1:{port}: check ")
    assert "\n" not in str(caught.value)


@real
async def test_a_name_with_several_addresses_that_all_refuse_is_refused() -> None:
    with pytest.raises(ConnectionRefused):
        await open_stream(TcpNetwork(), "localhost", await free_port())


@real
async def test_a_port_in_use_says_so_and_frees_it_again_when_closed() -> None:
    network = TcpNetwork()
    first = await network.listen(asyncio.Protocol, "127.0.0.1", 0)
    with pytest.raises(PortInUse, match=f"port {first.port} is in use on 127.0.0.1: choose another"):
        await network.listen(asyncio.Protocol, "127.0.0.1", first.port)
    first.close()
    again = await network.listen(asyncio.Protocol, "127.0.0.1", first.port)
    again.close()


@real
async def test_listening_on_every_address_is_reached_at_each() -> None:
    network = TcpNetwork()
    listener = await network.listen(asyncio.Protocol, "", 0)
    assert listener.host == "0.0.0.0"
    for address in ("127.0.0.1", "127.0.0.2"):
        stream = await open_stream(network, address, listener.port)
        stream.abort()
        await stream.wait_closed()
    listener.close()


@real
async def test_a_call_leaves_from_the_address_it_is_bound_to() -> None:
    listener = await TcpNetwork().listen(asyncio.Protocol, "127.0.0.1", 0)
    for network, local in ((TcpNetwork(local_address="127.0.0.7"), None), (TcpNetwork(), "127.0.0.7")):
        stream = await open_stream(network, "127.0.0.1", listener.port, local_address=local)
        assert stream.local_address[0] == "127.0.0.7"
        stream.abort()
        await stream.wait_closed()
    listener.close()


@real
async def test_an_address_that_we_do_not_have_is_said() -> None:
    port = await free_port()
    with pytest.raises(AddressUnavailable, match=r"has the address 192\.0\.2\.1"):
        await open_stream(TcpNetwork(local_address="192.0.2.1"), "127.0.0.1", port)
    with pytest.raises(AddressUnavailable, match=r"has the address 192\.0\.2\.1"):
        await TcpNetwork().listen(asyncio.Protocol, "192.0.2.1", 0)


@real
async def test_an_interface_that_is_not_there_is_said_before_anything_leaves() -> None:
    network = TcpNetwork(interface="nonesuch0")
    with pytest.raises(InterfaceMissing, match="nonesuch0 is not there"):
        await open_stream(network, "127.0.0.1", 9)
    with pytest.raises(InterfaceMissing):
        await network.listen(asyncio.Protocol, "127.0.0.1", 0)


@real
async def test_calls_and_listeners_bound_to_an_interface_work() -> None:
    network = TcpNetwork(interface="lo")
    listener = await network.listen(asyncio.Protocol, "127.0.0.1", 0)
    stream = await open_stream(network, "127.0.0.1", listener.port, timeout=5)
    assert stream.peer_address == ("127.0.0.1", listener.port)
    stream.abort()
    await stream.wait_closed()
    listener.close()
    with pytest.raises(ConnectionRefused):
        await open_stream(network, "127.0.0.1", listener.port, timeout=5)


@real
async def test_datagrams_go_out_and_come_back() -> None:
    loop = asyncio.get_running_loop()
    answers: asyncio.Queue[bytes] = asyncio.Queue()

    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
            self.transport.sendto(data.upper(), address)  # type: ignore[attr-defined]

    class Asker(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, address: tuple[str, int]) -> None:
            answers.put_nowait(data)

    server, _ = await loop.create_datagram_endpoint(Echo, local_addr=("127.0.0.1", 0))
    port = server.get_extra_info("sockname")[1]
    transport = await TcpNetwork().open_datagrams(Asker, "127.0.0.1", port)
    transport.sendto(b"ping")
    assert await answers.get() == b"PING"
    transport.close()
    server.close()


def test_each_failure_of_the_system_has_a_name() -> None:
    host, port = "192.0.2.9", 2242
    for number, kind in {
        errno.ECONNREFUSED: ConnectionRefused,
        errno.ETIMEDOUT: TimedOut,
        errno.ENETUNREACH: Unreachable,
        errno.EHOSTUNREACH: Unreachable,
        errno.EACCES: Unreachable,
        errno.EMFILE: TooManyOpenFiles,
        errno.EIO: NetworkError,
    }.items():
        error = dial_error(OSError(number, "x"), host, port)
        assert isinstance(error, kind), number
        assert "\n" not in str(error)
    assert isinstance(dial_error(socket.gaierror(-2, "x"), "nonesuch", 1), HostUnknown)
    for number, listen_kind in {
        errno.EADDRINUSE: PortInUse,
        errno.EACCES: PortForbidden,
        errno.EADDRNOTAVAIL: AddressUnavailable,
        errno.ENFILE: TooManyOpenFiles,
        errno.EIO: NetworkError,
    }.items():
        assert isinstance(listen_error(OSError(number, "x"), host, port), listen_kind), number
    assert isinstance(listen_error(socket.gaierror(-2, "x"), "nonesuch", 1), HostUnknown)


def test_several_failures_joined_by_asyncio_keep_the_most_telling_one() -> None:
    both = OSError("Multiple exceptions: [Errno 101] Network is unreachable, [Errno 111] Connect call failed")
    assert isinstance(dial_error(both, "example", 1), ConnectionRefused)


def test_ipv6_addresses_are_written_in_brackets() -> None:
    assert "[::1]:80" in str(ConnectionRefused("::1", 80))


@real
async def test_a_number_that_is_no_port_is_never_tried() -> None:
    network = TcpNetwork()
    for port in (0, -1, 65536, 2**32 - 1):
        with pytest.raises(PortImpossible, match="ports go from 1 to 65535"):
            await open_stream(network, "127.0.0.1", port)
    for port in (-1, 65536):
        with pytest.raises(PortImpossible):
            await network.listen(asyncio.Protocol, "", port)


@real
async def test_a_name_that_no_host_can_have_is_unknown() -> None:
    network = TcpNetwork()
    for name in ("x" * 70 + ".example", "a\0b", "..", "with space"):
        with pytest.raises(HostUnknown):
            await open_stream(network, name, 1, timeout=5)


def test_a_machine_with_ipv6_alone_is_told_what_that_means(monkeypatch: pytest.MonkeyPatch) -> None:
    @real
    async def work() -> None:
        loop = asyncio.get_running_loop()

        async def no_way(*_: object, **__: object) -> None:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")

        monkeypatch.setattr(loop, "create_connection", no_way)
        monkeypatch.setattr(tcp, "_has_way", lambda family, address: family == socket.AF_INET6)
        with pytest.raises(NoIPv4, match=r"IPv6 only and cannot reach 192\.0\.2\.1:2242: Soulseek needs"):
            await open_stream(TcpNetwork(), "192.0.2.1", 2242)
        with pytest.raises(Unreachable, match="no route"):
            await open_stream(TcpNetwork(), "2001:db8::2", 2242)
        monkeypatch.setattr(tcp, "_has_way", lambda family, address: False)
        with pytest.raises(Unreachable, match="no route"):
            await open_stream(TcpNetwork(), "192.0.2.1", 2242)

    work()


def test_an_interface_that_cannot_be_bound_to_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(socket, "SO_BINDTODEVICE", raising=False)

    @real
    async def work() -> None:
        with pytest.raises(InterfaceMissing, match="cannot bind to network interface lo: this system cannot"):
            await open_stream(TcpNetwork(interface="lo"), "127.0.0.1", 9)

    work()


@real
async def test_a_thousand_streams_opened_and_closed_leave_no_task_and_no_descriptor() -> None:
    network = TcpNetwork()
    accepted: list[Stream] = []
    listener = await listen_streams(network, accepted.append, "127.0.0.1", 0)
    gc.collect()  # what other tests left is not ours to count
    before = open_descriptors()
    for _ in range(10):
        opened = await asyncio.gather(*(open_stream(network, "127.0.0.1", listener.port) for _ in range(100)))
        for stream in opened:
            stream.write(b"x")
            stream.close()
        for stream in opened:
            await stream.wait_closed()
    await asyncio.sleep(0.05)
    for stream in accepted:
        assert await stream.read() == b"x"
        stream.close()
        await stream.wait_closed()
    assert len(accepted) == 1000
    assert len(asyncio.all_tasks()) == 1
    assert open_descriptors() == before
    listener.close()
