"""Moving files between processes: a server, one downloader, one or more uploaders, over loopback.

    python benchmarks/transfers.py [--scale 0.1] [--json]

Three loads: one large file, thousands of small ones from one user, twenty users at once. Before each the bare
system calls are measured on the same machine (sendfile into recv_into and write): the floor. CPU seconds are
those of the whole process, the start of the uploaders taken away.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from soulmesh.client.client import Client
from soulmesh.client.settings import ClientSettings
from soulmesh.client.transfers import TransferSettings
from soulmesh.core.upload_queue import Group, QueueRules
from soulmesh.net.world import World

HOST = "127.0.0.1"
RULES = QueueRules(slots=30, groups={"default": Group(max_files=None, max_bytes=None)})


def cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def make_files(folder: Path, count: int, size: int) -> None:
    folder.mkdir(parents=True)
    block = os.urandom(1 << 20)
    for number in range(count):
        with (folder / f"{number:05}.bin").open("wb") as file:
            left = size
            while left:
                left -= file.write(block[: min(left, len(block))])


def floor(source: Path, target: Path) -> float:
    """Bytes per second of bare system calls, socket to socket, file to file."""
    size = source.stat().st_size
    listener = socket.create_server((HOST, 0))

    def send() -> None:
        with socket.create_connection(listener.getsockname()) as there, source.open("rb") as file:
            sent = 0
            while sent < size:
                sent += os.sendfile(there.fileno(), file.fileno(), sent, 1 << 20)
            there.recv(1)

    sender = threading.Thread(target=send)
    sender.start()
    here, _ = listener.accept()
    buffer = memoryview(bytearray(256 * 1024))
    begin = time.perf_counter()
    received = 0
    with here, target.open("wb", buffering=0) as file:
        while received < size:
            came = here.recv_into(buffer)
            file.write(buffer[:came])
            received += came
    took = time.perf_counter() - begin
    sender.join()
    listener.close()
    target.unlink()
    return size / took


def client(name: str, port: int, folder: Path, shares: list[Path]) -> Client:
    return Client(
        name,
        "secret",
        server=(HOST, port),
        shares=shares,
        listen_port=0,
        settings=ClientSettings(listen_host=HOST, rates={}),
        transfers=TransferSettings(downloads=folder / name, queue=RULES, reserve=0),
        data=folder / f"{name}-data",
    )


async def upload(name: str, port: int, folder: Path, shared: Path) -> None:
    async with client(name, port, folder, [shared]):
        used = cpu()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print(cpu() - used, flush=True)


async def measure(what: str, users: int, count: int, size: int) -> dict[str, Any]:
    from soulmesh.server.app import Server
    from soulmesh.server.settings import make_settings

    folder = Path(tempfile.mkdtemp(prefix="soulmesh-bench-"))
    shared = folder / "shared"
    await asyncio.to_thread(make_files, shared, count, size)
    given = make_settings({"server.host": HOST, "server.port": 0})
    (folder / "server").mkdir()
    children = []
    try:
        bare = None
        if size >= 1 << 20:
            bare = await asyncio.to_thread(floor, shared / "00000.bin", folder / "floor")
        async with Server(World.real(), given, data=folder / "server") as server:
            for number in range(users):
                command = [sys.executable, __file__, "--upload", f"up{number}"]
                command += [str(server.port), str(folder), str(shared)]
                child = subprocess.Popen(  # noqa: ASYNC220
                    command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
                )
                children.append(child)
                assert child.stdout is not None
                await asyncio.to_thread(child.stdout.readline)
            async with client("down", server.port, folder, []) as down:
                files = [
                    (f"up{user}", rf"shared\{number:05}.bin", size)
                    for user in range(users)
                    for number in range(count)
                ]
                used, begin = cpu(), time.perf_counter()
                transfers = await down.transfers.download_all(files)
                for transfer in transfers:
                    await transfer.wait()
                took, used = time.perf_counter() - begin, cpu() - used
            up = 0.0
            for child in children:
                out, _ = await asyncio.to_thread(child.communicate, "\n")
                up += float(out)
    finally:
        for child in children:
            child.kill()
            child.wait()
        shutil.rmtree(folder)
    total = users * count * size
    result: dict[str, Any] = {
        "load": what,
        "seconds": round(took, 2),
        "MB/s": round(total / took / 1e6),
        "files/s": round(users * count / took, 1),
        "cpu_up_s_per_GB": round(up / total * 1e9, 2),
        "cpu_down_s_per_GB": round(used / total * 1e9, 2),
        "memory_MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }
    if bare is not None:
        result["floor_MB/s"] = round(bare / 1e6)
        result["of_floor"] = f"{100 * total / took / bare:.0f} %"
    return result


def main() -> None:
    if len(sys.argv) > 1 and sys.argv[1] == "--upload":
        name, port, folder, shared = sys.argv[2:]
        asyncio.run(upload(name, int(port), Path(folder), Path(shared)))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="part of the full load, for a quick look")
    parser.add_argument("--json", action="store_true", help="one JSON object per load")
    given = parser.parse_args()
    scale = given.scale
    loads = [
        ("one file of 1 GiB", 1, 1, max(1 << 22, int((1 << 30) * scale))),
        ("5,000 files of 20 kB", 1, max(10, int(5000 * scale)), 20_000),
        ("20 users x 50 MB", 20, 1, max(1 << 22, int(50_000_000 * scale))),
    ]
    for load in loads:
        result = asyncio.run(measure(*load))
        if given.json:
            print(json.dumps(result), flush=True)
        else:
            print(", ".join(f"{key}: {value}" for key, value in result.items()), flush=True)


if __name__ == "__main__":
    main()
