"""Calls through a SOCKS 5 proxy, by a small proxy of our own that can also misbehave."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest

from soulmesh.errors import UsageError
from soulmesh.net.errors import ConnectionRefused, ProxyRefused, TimedOut, Unreachable
from soulmesh.net.memory import MemoryNetwork
from soulmesh.net.socks import Socks5Network
from soulmesh.net.stream import Stream, listen_streams, open_stream
from soulmesh.net.tcp import TcpNetwork
from soulmesh.net.world import Listener, Network
from tests.support.loops import real, virtual


class Proxy:
    """A SOCKS 5 server. ``reply`` answers every request with this code, ``raw`` with these bytes."""

    def __init__(self, network: Network, *, login: tuple[bytes, bytes] | None = None) -> None:
        self.network = network
        self.login = login
        self.reply: int | None = None
        self.raw: list[bytes] = []
        self.kind = 1
        self.asked: list[tuple[str, int]] = []
        self.tasks: list[asyncio.Task[None]] = []
        self.port = 0

    async def start(self) -> Listener:
        listener = await listen_streams(self.network, self._accept, "127.0.0.1", 0)
        self.port = listener.port
        return listener

    def _accept(self, stream: Stream) -> None:
        self.tasks.append(asyncio.create_task(self._serve(stream)))

    async def _serve(self, stream: Stream) -> None:
        _, count = await stream.readexactly(2)
        methods = await stream.readexactly(count)
        if self.raw:
            for piece in self.raw:
                stream.write(piece)
            stream.close()
            return
        if self.login is None:
            stream.write(b"\x05\x00")
        elif 2 not in methods:
            stream.write(b"\x05\xff")
            stream.close()
            return
        else:
            stream.write(b"\x05\x02")
            assert (await stream.readexactly(1)) == b"\x01"
            name = await stream.readexactly((await stream.readexactly(1))[0])
            password = await stream.readexactly((await stream.readexactly(1))[0])
            good = (name, password) == self.login
            stream.write(b"\x01" + bytes([not good]))
            if not good:
                stream.close()
                return
        version, command, _, kind = await stream.readexactly(4)
        assert (version, command) == (5, 1)
        if kind == 3:
            host = (await stream.readexactly((await stream.readexactly(1))[0])).decode()
        else:
            host = str(ipaddress.ip_address(await stream.readexactly(4 if kind == 1 else 16)))
        port = int.from_bytes(await stream.readexactly(2), "big")
        self.asked.append((host, port))
        if self.reply is not None:
            stream.write(bytes([5, self.reply, 0, 1]) + bytes(6))
            stream.close()
            return
        target = await open_stream(self.network, "127.0.0.1" if kind == 3 else host, port)
        bound = {1: bytes(4), 3: b"\x05proxy", 4: bytes(16)}[self.kind]
        stream.write(bytes([5, 0, 0, self.kind]) + bound + bytes(2))
        async with asyncio.TaskGroup() as group:
            group.create_task(_copy(stream, target))
            group.create_task(_copy(target, stream))


async def _copy(source: Stream, target: Stream) -> None:
    while data := await source.read():
        target.write(data)
    target.close()


async def greeting_server(network: Network) -> Listener:
    """Greets at once, then echoes."""

    def accept(stream: Stream) -> None:
        stream.write(b"welcome")
        tasks.append(asyncio.create_task(_copy(stream, stream)))

    tasks: list[asyncio.Task[None]] = []
    return await listen_streams(network, accept, "127.0.0.1", 0)


@virtual
async def test_a_call_by_name_is_resolved_and_made_by_the_proxy() -> None:
    host = MemoryNetwork(latency=0.1).host("10.0.0.1")
    target, proxy = await greeting_server(host), Proxy(host)
    await proxy.start()
    for proxy.kind in (1, 3, 4):
        network = Socks5Network(host, "127.0.0.1", proxy.port)
        stream = await open_stream(network, "target.example", target.port)
        stream.write(b" back")
        assert await stream.readexactly(12) == b"welcome back"
        assert stream.peer_address == ("target.example", target.port)
    assert proxy.asked == [("target.example", target.port)] * 3


@real
async def test_calls_by_address_go_through_over_real_sockets_with_a_password() -> None:
    tcp = TcpNetwork()
    target = await greeting_server(tcp)
    proxy = Proxy(tcp, login=(b"me", "päss".encode()))
    listener = await proxy.start()
    network = Socks5Network(tcp, "127.0.0.1", proxy.port, username="me", password="päss")
    stream = await open_stream(network, "127.0.0.1", target.port, timeout=5)
    assert await stream.readexactly(7) == b"welcome"
    stream.write(b"x" * 500_000)
    assert await stream.readexactly(500_000) == b"x" * 500_000
    assert proxy.asked == [("127.0.0.1", target.port)]
    stream.close()
    assert await stream.read() == b""
    await asyncio.gather(*proxy.tasks)
    listener.close()
    target.close()


@virtual
async def test_bytes_that_come_with_the_proxy_s_answer_are_not_lost() -> None:
    host = MemoryNetwork().host("10.0.0.1")
    proxy = Proxy(host)
    await proxy.start()
    proxy.raw = [b"\x05\x00" + b"\x05\x00\x00\x01" + bytes(6) + b"early words"]
    stream = await open_stream(Socks5Network(host, "127.0.0.1", proxy.port), "x.example", 1)
    assert await stream.readexactly(11) == b"early words"
    assert await stream.read() == b""


@virtual
async def test_a_buffered_protocol_gets_them_too() -> None:
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self) -> None:
            self.buffer = bytearray(4)
            self.got = b""

        def get_buffer(self, sizehint: int) -> bytearray:
            return self.buffer

        def buffer_updated(self, nbytes: int) -> None:
            self.got += bytes(self.buffer[:nbytes])

    host = MemoryNetwork().host("10.0.0.1")
    proxy = Proxy(host)
    await proxy.start()
    proxy.raw = [b"\x05\x00" + b"\x05\x00\x00\x01" + bytes(6) + b"early words"]
    _, protocol = await Socks5Network(host, "127.0.0.1", proxy.port).connect(Buffered, "x.example", 1)
    await asyncio.sleep(1)
    assert protocol.got == b"early words"


@virtual
async def test_what_the_proxy_says_of_the_target_is_told_as_if_called_directly() -> None:
    host = MemoryNetwork().host("10.0.0.1")
    proxy = Proxy(host)
    await proxy.start()
    network = Socks5Network(host, "127.0.0.1", proxy.port)
    for proxy.reply, kind in ((3, Unreachable), (4, Unreachable), (5, ConnectionRefused), (6, TimedOut)):
        with pytest.raises(kind, match=r"192\.0\.2\.1"):
            await open_stream(network, "192.0.2.1", 99)
    for proxy.reply, words in ((1, "without saying why"), (2, "rules"), (7, "cannot make"), (99, "code 99")):
        with pytest.raises(ProxyRefused, match=words):
            await open_stream(network, "2001:db8::1", 99)
    assert proxy.asked[-1] == ("2001:db8::1", 99)


@virtual
async def test_a_proxy_that_wants_another_login_is_said_plainly() -> None:
    host = MemoryNetwork().host("10.0.0.1")
    proxy = Proxy(host, login=(b"me", b"secret"))
    await proxy.start()
    for login, words in (
        ({}, "it wants a user name and password"),
        ({"username": "me", "password": "wrong"}, "wrong user name or password"),
    ):
        network = Socks5Network(host, "127.0.0.1", proxy.port, **login)
        with pytest.raises(ProxyRefused, match=words) as caught:
            await open_stream(network, "x.example", 1)
        assert "secret" not in str(caught.value)
    proxy.raw = [b"\x05\xff"]
    network = Socks5Network(host, "127.0.0.1", proxy.port, username="me", password="secret")
    with pytest.raises(ProxyRefused, match="another way of logging in"):
        await open_stream(network, "x.example", 1)


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ([b"HTTP/1.1 400 Bad Request"], "does not speak SOCKS 5"),
        ([b"\x05"], "hung up"),
        ([b"\x05\x09"], "was not offered"),
        ([b"\x05\x00", b"\x04\x00\x00\x01"], "does not speak SOCKS 5"),
        ([b"\x05\x00", b"\x05\x00\x00\x09"], "does not speak SOCKS 5"),
        ([b"\x05\x00", b"\x05\x00\x00\x01\x00"], "hung up"),
    ],
)
def test_a_proxy_that_talks_nonsense_is_refused(raw: list[bytes], words: str) -> None:
    @virtual
    async def work() -> None:
        host = MemoryNetwork().host("10.0.0.1")
        proxy = Proxy(host)
        await proxy.start()
        proxy.raw = raw
        with pytest.raises(ProxyRefused, match=words):
            await open_stream(Socks5Network(host, "127.0.0.1", proxy.port), "x.example", 1)
        await asyncio.sleep(1)
        assert host.network.open_links == 0

    work()


@virtual
async def test_a_proxy_that_is_not_there_is_named() -> None:
    network = Socks5Network(MemoryNetwork(), "127.0.0.1", 9)
    with pytest.raises(ProxyRefused, match=r"the proxy 127\.0\.0\.1:9 refused: nothing listens on"):
        await open_stream(network, "x.example", 1)


@virtual
async def test_a_silent_proxy_costs_no_more_than_the_callers_patience() -> None:
    host = MemoryNetwork().host("10.0.0.1")
    listener = await host.listen(asyncio.Protocol, "127.0.0.1", 0)
    with pytest.raises(TimedOut):
        await open_stream(Socks5Network(host, "127.0.0.1", listener.port), "x.example", 1, timeout=10)
    await asyncio.sleep(1)
    assert host.network.open_links == 0


@virtual
async def test_listening_goes_past_the_proxy() -> None:
    host = MemoryNetwork().host("10.0.0.1")
    network = Socks5Network(host, "127.0.0.1", 9)
    listener = await network.listen(asyncio.Protocol, "", 0)
    await open_stream(host, "10.0.0.1", listener.port)


def test_names_that_do_not_fit_are_our_callers_mistake() -> None:
    with pytest.raises(UsageError):
        Socks5Network(MemoryNetwork(), "x", 1, username="x" * 256)

    @virtual
    async def work() -> None:
        host = MemoryNetwork().host("10.0.0.1")
        proxy = Proxy(host)
        await proxy.start()
        with pytest.raises(UsageError, match="is no name of a host"):
            await open_stream(Socks5Network(host, "127.0.0.1", proxy.port), "x" * 300, 1)
        for task in proxy.tasks:
            task.cancel()

    work()
