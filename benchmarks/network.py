"""What the edge costs: a large file, small messages, and the network in memory.

The file goes from one process to another, by bare system calls (the floor of
this machine) and by ours, in turns, because a shared machine changes from one
second to the next: compare neighbours.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from soulmesh.net.disk import RealDisk
from soulmesh.net.memory import MemoryNetwork
from soulmesh.net.stream import Stream, listen_streams, open_stream
from soulmesh.net.tcp import TcpNetwork
from soulmesh.sim.loop import run_virtual


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def send_bare(port: int, path: Path, size: int) -> float:
    with socket.create_connection(("127.0.0.1", port)) as to, path.open("rb") as file:
        before, offset = cpu(), 0
        while offset < size:
            offset += os.sendfile(to.fileno(), file.fileno(), offset, size - offset)
        return cpu() - before


async def send_ours(port: int, path: Path, size: int) -> float:
    disk = RealDisk()
    file = await disk.open_read(path)
    stream = await open_stream(TcpNetwork(), "127.0.0.1", port)
    before = cpu()
    await stream.send_file(file, 0, size)
    used = cpu() - before
    await stream.read()
    stream.close()
    await file.close()
    disk.close()
    return used


def sender(how: str, port: int, path: Path, size: int) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--send", how, str(port), str(path), str(size)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def receive_bare(source: Path, target: Path, size: int) -> dict[str, float]:
    with socket.create_server(("127.0.0.1", 0)) as server, target.open("wb", buffering=0) as file:
        other = sender("bare", server.getsockname()[1], source, size)
        link, _ = server.accept()
        buffer = memoryview(bytearray(1 << 20))
        began, before, got = time.perf_counter(), cpu(), 0
        while count := link.recv_into(buffer):
            file.write(buffer[:count])
            got += count
        link.close()
        return figures(size, got, time.perf_counter() - began, cpu() - before, other)


async def receive_ours(source: Path, target: Path, size: int) -> dict[str, float]:
    came: asyncio.Queue[Stream] = asyncio.Queue()
    listener = await listen_streams(TcpNetwork(), came.put_nowait, "127.0.0.1", 0)
    disk = RealDisk()
    file = await disk.open_write(target)
    other = sender("ours", listener.port, source, size)
    stream = await came.get()
    began, before = time.perf_counter(), cpu()
    got = await stream.receive_file(file, 0, size)
    took, used = time.perf_counter() - began, cpu() - before
    stream.close()
    listener.close()
    await file.close()
    disk.close()
    return await asyncio.to_thread(figures, size, got, took, used, other)


def figures(size: int, got: int, took: float, used: float, other: subprocess.Popen[str]) -> dict[str, float]:
    said, _ = other.communicate()
    assert got == size, "the file did not arrive whole"
    gigabytes = size / 1e9
    return {
        "MB/s": size / 1e6 / took,
        "CPU s/GB down": used / gigabytes,
        "CPU s/GB up": float(said) / gigabytes,
    }


def large_file(size: int, rounds: int) -> None:
    kinds: dict[str, list[dict[str, float]]] = {"floor": [], "ours": []}
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DATA")) as folder:
        source, target = Path(folder, "source"), Path(folder, "target")
        with source.open("wb") as file:
            for _ in range(size >> 20):
                file.write(os.urandom(1 << 16) * 16)
        for _ in range(rounds):
            kinds["floor"].append(receive_bare(source, target, size))
            target.unlink()
            kinds["ours"].append(asyncio.run(receive_ours(source, target, size)))
            target.unlink()
    for kind, runs in kinds.items():
        middle = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
        print(json.dumps({"one_file": kind, **{name: round(value, 2) for name, value in middle.items()}}))


async def small_messages(turns: int, each: int) -> float:
    came: asyncio.Queue[Stream] = asyncio.Queue()
    listener = await listen_streams(TcpNetwork(), came.put_nowait, "127.0.0.1", 0)
    one = await open_stream(TcpNetwork(), "127.0.0.1", listener.port)
    other = await came.get()
    total = turns * each * 100

    async def take() -> None:
        got = 0
        while got < total:
            got += len(await other.read())

    taking = asyncio.create_task(take())
    before = cpu()
    for _ in range(turns):
        for _ in range(each):
            one.write(b"x" * 100)
        await one.drain()
        await asyncio.sleep(0)
    await taking
    used = cpu() - before
    for stream in (one, other):
        stream.close()
        await stream.wait_closed()
    listener.close()
    return turns * each / used


async def in_memory(pairs: int, messages: int) -> float:
    network = MemoryNetwork(latency=0.05)
    links: list[tuple[Stream, Stream]] = []
    for number in range(pairs):
        caller = network.host(f"10.1.{number // 250}.{number % 250 + 1}")
        callee = network.host(f"10.2.{number // 250}.{number % 250 + 1}")
        came: list[Stream] = []
        await listen_streams(callee, came.append, "", 2234)
        links.append((await open_stream(caller, callee.address, 2234), came[0]))

    async def talk(one: Stream, other: Stream) -> None:
        for _ in range(messages):
            one.write(b"x" * 100)
            other.write(await other.readexactly(100))
            await one.readexactly(100)

    before = cpu()
    async with asyncio.TaskGroup() as group:
        for pair in links:
            group.create_task(talk(*pair))
    return 2 * pairs * messages / (cpu() - before)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--send", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.send:
        how, port, path, size = options.send
        if how == "bare":
            print(send_bare(int(port), Path(path), int(size)))
        else:
            print(asyncio.run(send_ours(int(port), Path(path), int(size))))
        return
    large_file(options.megabytes << 20, options.rounds)
    for each in (1, 10):
        rate = asyncio.run(small_messages(20_000 // each, each))
        print(json.dumps({"small_messages": f"{each} a turn", "messages per CPU s": round(rate)}))
    rate = run_virtual(in_memory(500, 20))
    print(json.dumps({"in_memory": "500 links, round trips", "messages per CPU s": round(rate)}))


if __name__ == "__main__":
    main()
