"""The network in memory: hosts, firewalls, delays, narrow lines, broken links."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from soulmesh.net.errors import (
    AddressUnavailable,
    ConnectionLost,
    ConnectionRefused,
    HostUnknown,
    PortImpossible,
    PortInUse,
    TimedOut,
    Unreachable,
)
from soulmesh.net.memory import MemoryHost, MemoryNetwork, connect_pair, stream_pair
from soulmesh.net.stream import Stream, listen_streams, open_stream
from soulmesh.sim.loop import run_virtual
from tests.support.loops import virtual


async def linked(one: MemoryHost, other: MemoryHost) -> tuple[Stream, Stream]:
    accepted: asyncio.Queue[Stream] = asyncio.Queue()
    listener = await listen_streams(other, accepted.put_nowait, "", 0)
    caller = await open_stream(one, other.address, listener.port)
    listener.close()
    return caller, await accepted.get()


def now() -> float:
    return asyncio.get_running_loop().time()


@virtual
async def test_machines_call_each_other_by_address_and_by_name() -> None:
    network = MemoryNetwork(latency=0.1)
    network.name("Server.Example", "10.0.0.1")
    server, alice = network.host("10.0.0.1"), network.host("10.0.0.2")
    accepted: list[Stream] = []
    listener = await listen_streams(server, accepted.append, "0.0.0.0", 2242)
    stream = await open_stream(alice, "server.example", 2242)
    assert now() == pytest.approx(0.2), "a call takes one way there and one back"
    assert stream.peer_address == ("10.0.0.1", 2242)
    assert accepted[0].peer_address == stream.local_address
    assert stream.local_address[0] == "10.0.0.2"
    assert network.open_links == 1
    assert (alice.calls_made, server.calls_accepted) == (1, 1)
    listener.close()
    with pytest.raises(ConnectionRefused):
        await open_stream(alice, "10.0.0.1", 2242)
    stream.close()
    accepted[0].close()
    await accepted[0].wait_closed()
    await stream.wait_closed()
    assert network.open_links == 0


@virtual
async def test_a_machine_reaches_itself_at_once_even_behind_a_firewall() -> None:
    host = MemoryNetwork(latency=5).host("10.0.0.1")
    host.firewalled = "drop"
    listener = await host.listen(asyncio.Protocol, "127.0.0.1", 0)
    stream = await open_stream(host, "localhost", listener.port)
    assert stream.peer_address[0] == "127.0.0.1"
    assert now() == 0


@virtual
async def test_a_firewall_that_drops_lets_calls_out_and_none_in() -> None:
    network = MemoryNetwork(latency=0.1)
    outside, inside = network.host("10.0.0.1"), network.host("10.0.0.2")
    inside.firewalled = "drop"
    await inside.listen(asyncio.Protocol, "", 2234)
    await outside.listen(asyncio.Protocol, "", 2234)
    await open_stream(inside, "10.0.0.1", 2234)
    began = now()
    with pytest.raises(TimedOut, match="within 10 s"):
        await open_stream(outside, "10.0.0.2", 2234, timeout=10)
    assert now() == began + 10
    with pytest.raises(TimedOut, match="in time"):
        await open_stream(outside, "10.0.0.2", 2234)
    assert now() == began + 10 + 127


@virtual
async def test_a_firewall_that_refuses_says_so_at_once() -> None:
    network = MemoryNetwork(latency=0.1)
    inside = network.host("10.0.0.2")
    inside.firewalled = "refuse"
    await inside.listen(asyncio.Protocol, "", 2234)
    with pytest.raises(ConnectionRefused):
        await open_stream(network.host("10.0.0.1"), "10.0.0.2", 2234)
    assert now() == pytest.approx(0.2)


@virtual
async def test_what_cannot_be_called_has_its_own_error() -> None:
    network = MemoryNetwork()
    network.unreachable.add("10.9.9.9")
    host = network.host("10.0.0.1")
    with pytest.raises(HostUnknown, match=r"no host named nonesuch\.example"):
        await open_stream(host, "nonesuch.example", 1)
    with pytest.raises(Unreachable):
        await open_stream(host, "10.9.9.9", 1)
    with pytest.raises(TimedOut):
        await open_stream(host, "10.8.8.8", 1, timeout=5)
    with pytest.raises(AddressUnavailable):
        await open_stream(host, "10.0.0.1", 1, local_address="10.0.0.7")


@virtual
async def test_a_port_in_use_and_a_foreign_address_are_refused() -> None:
    host = MemoryNetwork().host("10.0.0.1")
    listener = await host.listen(asyncio.Protocol, "", 2234)
    with pytest.raises(PortInUse, match="port 2234 is in use"):
        await host.listen(asyncio.Protocol, "", 2234)
    with pytest.raises(AddressUnavailable):
        await host.listen(asyncio.Protocol, "10.0.0.2", 2235)
    listener.close()
    listener.close()
    await host.listen(asyncio.Protocol, "", 2234)


@virtual
async def test_the_network_itself_is_its_first_machine() -> None:
    network = MemoryNetwork()
    listener = await network.listen(asyncio.Protocol, "", 0)
    await open_stream(network, "10.0.0.1", listener.port)


@virtual
async def test_bytes_arrive_after_the_delay_and_in_order() -> None:
    network = MemoryNetwork(latency=0.5, jitter=0.4, seed=3)
    one, other = await linked(network.host("10.0.0.1"), network.host("10.0.0.2"))
    began = now()
    for number in range(100):
        one.write(bytes([number]))
    assert await other.readexactly(100) == bytes(range(100))
    assert 0.5 <= now() - began <= 0.9


@virtual
async def test_delays_of_hosts_add_up() -> None:
    network = MemoryNetwork()
    a, b = network.host("10.0.0.1"), network.host("10.0.0.2")
    a.latency, b.latency = 0.3, 0.05
    one, other = await linked(a, b)
    began = now()
    one.write(b"x")
    await other.read()
    assert now() - began == pytest.approx(0.35)


@virtual
async def test_a_narrow_line_takes_its_time_and_is_shared_by_its_links() -> None:
    network = MemoryNetwork()
    sender = network.host("10.0.0.1")
    sender.upload_speed = 100_000
    first, second = [await linked(sender, network.host(f"10.0.0.{n}")) for n in (2, 3)]
    began = now()

    async def move(pair: tuple[Stream, Stream]) -> float:
        pair[0].write(b"x" * 500_000)
        await pair[1].readexactly(500_000)
        return now() - began

    took = await asyncio.gather(move(first), move(second))
    assert max(took) == pytest.approx(10.0)
    assert min(took) > 7
    assert sender.bytes_sent == 1_000_000
    assert network.host("10.0.0.2").bytes_received == 500_000


@virtual
async def test_a_narrow_download_line_slows_all_senders_together() -> None:
    network = MemoryNetwork()
    receiver = network.host("10.0.0.1")
    receiver.download_speed = 50_000
    one, other = await linked(network.host("10.0.0.2"), receiver)
    one.write(b"x" * 500_000)
    began = now()
    await other.readexactly(500_000)
    assert now() - began == pytest.approx(10.0)


class Recorder(asyncio.Protocol):
    """Writes down all that the transport tells it."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.received = 0
        self.answer_end = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.told.append("made")

    def data_received(self, data: bytes) -> None:
        self.received += len(data)

    def eof_received(self) -> bool:
        self.told.append("end")
        return self.answer_end

    def connection_lost(self, exc: BaseException | None) -> None:
        self.told.append(f"lost {type(exc).__name__}" if exc else "lost")

    def pause_writing(self) -> None:
        self.told.append("pause")

    def resume_writing(self) -> None:
        self.told.append("resume")


@virtual
async def test_a_full_buffer_pauses_the_writer_until_the_reader_goes_on() -> None:
    network = MemoryNetwork(window=1000, segment=500)
    one, other = await connect_pair(Recorder, Recorder, network=network)
    one.transport.set_write_buffer_limits(high=2000, low=1000)  # type: ignore[attr-defined]
    other.transport.pause_reading()  # type: ignore[attr-defined]
    one.transport.write(b"x" * 3000)  # type: ignore[attr-defined]
    assert one.told == ["made"]
    assert one.transport.get_write_buffer_size() == 2000  # type: ignore[attr-defined]
    one.transport.write(b"x")  # type: ignore[attr-defined]
    assert one.told == ["made", "pause"]
    await asyncio.sleep(1)
    assert other.received == 0
    other.transport.resume_reading()  # type: ignore[attr-defined]
    await asyncio.sleep(1)
    assert other.received == 3001
    assert one.told == ["made", "pause", "resume"]


@virtual
async def test_a_protocol_that_answers_no_to_the_end_is_closed() -> None:
    one, other = await connect_pair(Recorder, Recorder)
    one.transport.write_eof()  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError):
        one.transport.write(b"more")  # type: ignore[attr-defined]
    await asyncio.sleep(1)
    assert other.told == ["made", "end", "lost"]
    assert one.told == ["made", "end", "lost"]


@virtual
async def test_a_half_closed_link_still_carries_the_other_direction() -> None:
    one, other = await connect_pair(Recorder, Recorder)
    other.answer_end = True
    one.transport.write_eof()  # type: ignore[attr-defined]
    await asyncio.sleep(1)
    other.transport.write(b"answer")  # type: ignore[attr-defined]
    await asyncio.sleep(1)
    assert one.received == 6
    other.transport.close()  # type: ignore[attr-defined]
    await asyncio.sleep(1)
    assert one.told == ["made", "end", "lost"]
    assert other.told == ["made", "end", "lost"]


@virtual
async def test_bytes_for_a_closed_end_are_answered_with_a_reset() -> None:
    network = MemoryNetwork(latency=0.1)
    one, other = await connect_pair(Recorder, Recorder, network=network)
    other.answer_end = True
    one.transport.close()  # type: ignore[attr-defined]
    await asyncio.sleep(1)
    assert other.told == ["made", "end"]
    other.transport.write(b"anyone?")  # type: ignore[attr-defined]
    await asyncio.sleep(1)
    assert other.told == ["made", "end", "lost ConnectionResetError"]


@virtual
async def test_a_writer_whose_reader_vanished_while_it_did_not_read_is_told() -> None:
    network = MemoryNetwork(latency=0.1, window=100)
    one, other = await connect_pair(Recorder, Recorder, network=network)
    one.transport.pause_reading()  # type: ignore[attr-defined]
    other.transport.pause_reading()  # type: ignore[attr-defined]
    one.transport.write(b"x" * 200_000)  # type: ignore[attr-defined]
    await asyncio.sleep(1)
    other.transport.abort()  # type: ignore[attr-defined]
    await asyncio.sleep(1)
    assert one.told[-1] == "lost ConnectionResetError"


@virtual
async def test_cutting_links_breaks_both_ends() -> None:
    network = MemoryNetwork(latency=0.1)
    a, b, c = (network.host(f"10.0.0.{n}") for n in (1, 2, 3))
    ab, ac = await linked(a, b), await linked(a, c)
    assert a.cut_links(b) == 1
    for end in ab:
        with pytest.raises(ConnectionLost, match="reset"):
            await end.read()
    ac[0].write(b"alive")
    assert await ac[1].read() == b"alive"
    assert a.cut_links() == 1
    with pytest.raises(ConnectionLost):
        await ac[1].read()
    assert network.open_links == 0


@virtual
async def test_a_partition_is_silent_and_heals_with_everything_in_order() -> None:
    network = MemoryNetwork(latency=0.1)
    a, b, c = (network.host(f"10.0.0.{n}") for n in (1, 2, 3))
    await b.listen(asyncio.Protocol, "", 99)
    ab, ac = await linked(a, b), await linked(a, c)
    network.partition([b])
    ab[0].write(b"held ")
    ac[0].write(b"through")
    assert await ac[1].read() == b"through"
    with pytest.raises(TimedOut):
        await open_stream(a, b.address, 99, timeout=30)
    calling = asyncio.create_task(open_stream(a, b.address, 99))
    await asyncio.sleep(10)
    ab[0].write(b"back")
    ab[0].close()
    await asyncio.sleep(10)
    assert ab[1].unread_bytes == 0
    assert not calling.done()
    network.heal()
    assert await ab[1].readexactly(9) == b"held back"
    assert await ab[1].read() == b""
    await calling


@virtual
async def test_a_pulled_cable_holds_everything_until_it_is_back() -> None:
    network = MemoryNetwork(latency=0.1)
    a, b = network.host("10.0.0.1"), network.host("10.0.0.2")
    one, other = await linked(a, b)
    b.unplug()
    one.write(b"late")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(60):
            await other.read()
    b.plug_in()
    assert await other.read() == b"late"


@virtual
async def test_a_call_that_is_given_up_leaves_no_link() -> None:
    network = MemoryNetwork(latency=1.0)
    accepted: list[Stream] = []
    await listen_streams(network.host("10.0.0.2"), accepted.append, "", 9)
    with pytest.raises(TimedOut):
        await open_stream(network.host("10.0.0.1"), "10.0.0.2", 9, timeout=1.5)
    assert len(accepted) == 1
    assert await accepted[0].read() == b""
    accepted[0].close()
    await asyncio.sleep(5)
    assert network.open_links == 0


@virtual
async def test_a_listener_whose_program_fails_costs_the_caller_a_reset() -> None:
    network = MemoryNetwork()
    failures: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: failures.append(str(context["exception"])))

    def broken() -> asyncio.Protocol:
        raise ValueError("no protocol today")

    await network.host("10.0.0.2").listen(broken, "", 9)
    stream = await open_stream(network.host("10.0.0.1"), "10.0.0.2", 9)
    with pytest.raises(ConnectionLost):
        await stream.read()
    assert failures == ["no protocol today"]


@virtual
async def test_context_variables_do_not_cross_a_link() -> None:
    who: contextvars.ContextVar[str] = contextvars.ContextVar("who", default="nobody")
    seen: list[str] = []

    class Looker(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            seen.append(who.get())

        def data_received(self, data: bytes) -> None:
            seen.append(who.get())

    network = MemoryNetwork(latency=0.1)
    await network.host("10.0.0.2").listen(Looker, "", 9)
    who.set("caller")
    stream = await open_stream(network.host("10.0.0.1"), "10.0.0.2", 9)
    stream.write(b"x")
    await asyncio.sleep(1)
    assert seen == ["nobody", "nobody"]


def test_the_same_seed_gives_the_same_history() -> None:
    async def story(seed: int) -> list[tuple[float, int]]:
        network = MemoryNetwork(seed=seed, latency=0.05, jitter=0.1, bandwidth=1_000_000)
        hosts = [network.host(f"10.0.0.{n}") for n in range(1, 6)]
        history: list[tuple[float, int]] = []

        async def talk(a: MemoryHost, b: MemoryHost, number: int) -> None:
            one, other = await linked(a, b)
            one.write(b"x" * 50_000 * number)
            await other.readexactly(50_000 * number)
            history.append((now(), number))

        async with asyncio.TaskGroup() as group:
            for number in range(1, 5):
                group.create_task(talk(hosts[number - 1], hosts[number], number))
                group.create_task(talk(hosts[number], hosts[0], number))
        return history

    first = run_virtual(story(1))
    assert first == run_virtual(story(1))
    assert first != run_virtual(story(2))


@virtual
async def test_streams_over_memory_take_megabytes_with_backpressure() -> None:
    one, other = await stream_pair(limit=10_000)
    data = bytes(range(256)) * 8192

    async def write() -> None:
        for start in range(0, len(data), 30_000):
            one.write(data[start : start + 30_000])
            await one.drain()
        one.close()

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        got = b""
        while piece := await other.read():
            got += piece
            assert other.unread_bytes <= 10_000 + 256 * 1024
    assert got == data


@virtual
async def test_a_number_that_is_no_port_is_never_tried() -> None:
    network = MemoryNetwork().host("10.0.0.1")
    for port in (0, -1, 65536, 2**32 - 1):
        with pytest.raises(PortImpossible, match="ports go from 1 to 65535"):
            await open_stream(network, "127.0.0.1", port)
    for port in (-1, 65536):
        with pytest.raises(PortImpossible):
            await network.listen(asyncio.Protocol, "", port)


@virtual
async def test_a_name_that_no_host_can_have_is_unknown() -> None:
    network = MemoryNetwork().host("10.0.0.1")
    for name in ("x" * 70 + ".example", "a\0b", "..", "with space"):
        with pytest.raises(HostUnknown):
            await open_stream(network, name, 1, timeout=5)


@virtual
async def test_writing_to_a_link_that_was_reset_unread_breaks_it() -> None:
    network = MemoryNetwork(latency=0.1)
    one, other = await connect_pair(Recorder, Recorder, network=network)
    other.transport.pause_reading()  # type: ignore[attr-defined]
    one.transport.write(b"never read")  # type: ignore[attr-defined]
    await asyncio.sleep(1)
    one.transport.pause_reading()  # type: ignore[attr-defined]
    other.transport.close()  # type: ignore[attr-defined]
    await asyncio.sleep(1)
    assert one.told == ["made"], "nobody reads, so nobody knows"
    one.transport.writelines([b"any", b"one?"])  # type: ignore[attr-defined]
    await asyncio.sleep(1)
    assert one.told == ["made", "lost BrokenPipeError"]


@virtual
async def test_a_handed_over_connection_tells_its_new_protocol_of_the_end() -> None:
    one, other = await stream_pair()
    other.write(b"early")
    other.close()
    await asyncio.sleep(1)
    heir = Recorder()
    one.hand_over(heir)
    await asyncio.sleep(1)
    assert heir.received == 5
    assert heir.told == ["made", "end", "lost"]
    with pytest.raises(ConnectionLost):
        one.hand_over(Recorder())
