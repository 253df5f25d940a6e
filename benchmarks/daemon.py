"""How fast the daemon answers: lists with a long history, lists of running transfers, events to many pages.

The client behind it does nothing, so that what is measured is the daemon's own work. The server runs in a
process of its own; this process only asks.

    python benchmarks/daemon.py [--history 100000] [--seconds 5] [--no-moving]

What pages cost transfers that are really on the move stands in moving.py, and comes last.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import os
import socket
import sqlite3
import sys
import tempfile
import time
import uuid
from multiprocessing.connection import Connection
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "src")]

from benchmarks import moving  # noqa: E402
from tests.daemon.fakes import KEY, stage, strike  # noqa: E402

from soulmesh.client.transfers.events import TransferProgressed  # noqa: E402
from soulmesh.core.transfer import State  # noqa: E402
from soulmesh.daemon.api0.api import api as api0  # noqa: E402
from soulmesh.daemon.api1.api import api as api1  # noqa: E402
from soulmesh.daemon.http.serving import HttpServer  # noqa: E402
from soulmesh.daemon.http.shell import Shell  # noqa: E402

ACTIVE = 200


def fill(path: Path, count: int) -> None:
    """A history as the daemon would have written it."""
    db = sqlite3.connect(path)
    rows = []
    for number in range(count):
        user, folder = f"user {number % 2000}", f"music\\artist {number % 5000}\\album"
        key, name = str(uuid.UUID(int=number)), f"{folder}\\{number:06}.flac"
        body = {
            "id": key,
            "username": user,
            "direction": "Download",
            "filename": name,
            "size": 31457280,
            "state": "Completed, Succeeded",
            "requestedAt": "2026-03-01T09:16:10.5012345",
            "enqueuedAt": "2026-03-01T09:16:10.8876543",
            "startedAt": "2026-03-01T09:16:11.1Z",
            "endedAt": "2026-03-01T09:16:27.4456789Z",
            "bytesTransferred": 31457280,
            "bytesRemaining": 0,
            "averageSpeed": 1924560.75,
            "percentComplete": 100.0,
            "elapsedTime": "00:00:16.3456789",
            "remainingTime": "00:00:00",
            "attempts": 0,
            "removed": False,
        }
        rows.append(
            (
                *(key, "download", user, folder, name.encode(), "Completed, Succeeded", 31457280, 31457280),
                *(1.0, 2.0, 3.0, 4.0 + number, 1924560.75),
                json.dumps(body, separators=(",", ":")).encode(),
            )
        )
    db.executemany(
        "INSERT INTO transfers (id, direction, username, directory, filename, state, size, done, requested,"
        " enqueued, started, ended, speed, body) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
        rows,
    )
    db.commit()
    db.close()


def own_memory() -> int:
    """Bytes that are ours alone: not those of a mapped file, which the system may have back."""
    gc.collect()
    return int(Path("/proc/self/status").read_text().partition("RssAnon:")[2].split()[0]) * 1024


async def serve(folder: Path, history: int, pipe: Connection) -> None:
    on = await stage(folder)
    fill(folder / "daemon.db", history)
    # As the daemon does a moment after its start, and once a minute.
    begun, before = time.perf_counter(), own_memory()
    await on.service.ledger.keep_lists()
    kept = time.perf_counter() - begun
    grown = own_memory() - before
    shell = Shell([api0(on.service), api1(on.service)], lambda: on.service.authenticator)
    server = HttpServer(shell, "127.0.0.1", 0)
    await server.start()
    pipe.send((server.port, kept))
    loop = asyncio.get_running_loop()
    transfers = []
    while True:
        order = await loop.run_in_executor(None, pipe.recv)
        if order == "end":
            break
        if order == "activate":
            for number in range(ACTIVE):
                transfers.append(
                    on.engine.transfers.add(f"peer {number % 40}", f"a\\b\\{number}.flac", 10**8)
                )
                on.engine.transfers.move(transfers[-1], State.RUNNING)
        if order == "finish":
            transfer = on.engine.transfers.add("user 7", "music\\artist 7\\album\\new.flac", 10**8)
            on.engine.transfers.move(transfer, State.FINISHED)
        if order == "keep":
            await on.service.ledger.keep_lists()
        if order == "memory":
            pipe.send(grown)
            continue
        if order == "progress":
            for transfer in transfers:
                event = TransferProgressed(
                    transfer.id, "download", transfer.username, transfer.remote_path, 5, 10**8, 1e6
                )
                on.engine.emit(event)
        pipe.send(time.process_time())
    await server.stop()
    await strike(on)


def server_process(folder: Path, history: int, pipe: Connection) -> None:
    try:
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(folder, history, pipe))
    except ImportError:
        asyncio.run(serve(folder, history, pipe))


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, target: str) -> int:
    """One request over an open connection; returns the bytes of the body."""
    writer.write(f"GET {target} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    assert b" 200 " in head, head
    if b"content-length: " in head:
        size = int(head.partition(b"content-length: ")[2].split(b"\r\n")[0])
        await reader.readexactly(size)
        return size
    total = 0
    while size := int(await reader.readline(), 16):
        await reader.readexactly(size + 2)
        total += size
    await reader.readline()
    return total


def fetch(port: int, target: str, tag: str = "") -> tuple[int, float, str]:
    """One request by a caller who only reads: bytes of the body, seconds, and its ETag."""
    taken = bytearray(1 << 20)
    with socket.create_connection(("127.0.0.1", port)) as line:
        begun = time.perf_counter()
        line.sendall(
            f"GET {target} HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {KEY}\r\n"
            f"If-None-Match: {tag}\r\nConnection: close\r\n\r\n".encode()
        )
        head = b""
        while b"\r\n\r\n" not in head:
            head += line.recv(1 << 16)
        total = len(head.partition(b"\r\n\r\n")[2])
        while size := line.recv_into(taken):
            total += size
        passed = time.perf_counter() - begun
    head = head.partition(b"\r\n\r\n")[0].lower()
    assert head.startswith((b"http/1.1 200 ", b"http/1.1 304 ")), head
    told = head.partition(b"etag: ")[2].partition(b"\r\n")[0].decode()
    if b" 200 " in head[:16]:
        assert total == int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
    return total, passed, told


async def idle(folder: Path, seconds: float) -> None:
    """Memory and processor of a daemon that has nothing to do: no server, nothing shared."""
    command = [
        sys.executable,
        "-m",
        "soulmesh",
        "daemon",
        "--data",
        str(folder / "data"),
        "--http",
        "127.0.0.1:0",
    ]
    command += ["--server", "127.0.0.1:1", "--downloads", str(folder / "downloads"), "--api-key", KEY]
    command += ["--listen-port", "0"]
    environ = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environ)
    assert process.stdout is not None
    await process.stdout.readline()
    await asyncio.sleep(3.0)

    def resident() -> float:
        status = Path(f"/proc/{process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def used() -> float:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    before = used()
    await asyncio.sleep(2 * seconds)
    share = (used() - before) / (2 * seconds)
    print(f"idle daemon: {resident():.0f} MiB resident, {100 * share:.1f} % of a core")
    process.terminate()
    await process.wait()


async def measure(port: int, pipe: Connection, history: int, seconds: float) -> None:
    async def connect() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)

    def order(what: str) -> float:
        pipe.send(what)
        return float(pipe.recv())

    def everything(what: str) -> None:
        used = order("time")
        size, passed, _ = fetch(port, "/api/v0/transfers/downloads?includeRemoved=true")
        used = order("time") - used
        print(
            f"  {'with those removed, ' + what:56} {1000 * passed:8.1f} ms  {size:>11} bytes,"
            f" {1000 * used:.1f} ms of the server's processor"
        )

    one = await connect()
    print(
        f"{history} finished transfers in the history; in the daemon's own memory"
        f" {order('memory') / history:.0f} bytes for each"
    )
    tag = ""
    for what, before in (
        ("all at once, the first time", ""),
        ("again", ""),
        ("again, by who has it (304)", "tag"),
        ("after one more ended", "finish"),
        (f"with {ACTIVE} running", "activate"),
        ("again", ""),
    ):
        if before not in ("", "tag"):
            order(before)
        used = order("time")
        size, passed, told = fetch(port, "/api/v0/transfers/downloads", tag if before == "tag" else "")
        used, tag = order("time") - used, told or tag
        print(
            f"  {'/api/v0/transfers/downloads ' + what:56} {1000 * passed:8.1f} ms  {size:>11} bytes,"
            f" {1000 * used:.1f} ms of the server's processor"
        )
    everything("while none is removed, the first time")
    for target in (
        "/api/v0/transfers/downloads/user%207",
        "/api/v0/telemetry/reports/transfers/summary",
        "/api/v1/history?limit=100",
        "/api/v1/history?limit=1000",
        "/api/v1/transfers",
        "/api/v0/searches",
    ):
        begun = time.perf_counter()
        size = await ask(*one, target)
        print(f"  {target:48} {1000 * (time.perf_counter() - begun):8.1f} ms  {size:>11} bytes")
    await ask(*one, "/api/v0/transfers/uploads")
    # Only what is under way, as a dashboard that clears its list sees it.
    writer = one[1]
    writer.write(
        f"DELETE /api/v0/transfers/downloads/all/completed HTTP/1.1\r\nHost: localhost\r\n"
        f"X-API-Key: {KEY}\r\n\r\n".encode()
    )
    await one[0].readuntil(b"\r\n\r\n")
    order("keep")
    everything("all of them are, the first time")
    everything("again")
    before, begun = order("time"), time.perf_counter()
    count = 0

    async def asking() -> None:
        nonlocal count
        connection = await connect()
        while time.perf_counter() - begun < seconds:
            await ask(*connection, "/api/v0/transfers/downloads")
            count += 1

    await asyncio.gather(*(asking() for _ in range(8)))
    passed, used = time.perf_counter() - begun, order("time") - before
    print(f"{ACTIVE} running transfers: {count / passed:.0f} requests/s, {count / used:.0f} per CPU second")

    listeners = []
    for _ in range(50):
        reader, writer = await connect()
        writer.write(
            "GET /api/v1/events?kinds=transfer HTTP/1.1\r\nHost: localhost\r\n"
            f"X-API-Key: {KEY}\r\n\r\n".encode()
        )
        await reader.readuntil(b"\r\n\r\n")
        # A writer that nobody holds closes its connection.
        listeners.append((reader, writer))
    received = 0

    async def drain(reader: asyncio.StreamReader) -> None:
        nonlocal received
        while data := await reader.read(1 << 20):
            received += len(data)

    draining = [asyncio.create_task(drain(reader)) for reader, _ in listeners]
    before, begun = order("time"), time.perf_counter()
    while time.perf_counter() - begun < seconds:
        order("progress")
        await asyncio.sleep(0.25)
    passed, used = time.perf_counter() - begun, order("time") - before
    print(
        f"50 listeners, {ACTIVE} transfers, 4 times a second: {100 * used / passed:.1f} % of a core,"
        f" {received / passed / 1e6:.1f} MB/s"
    )
    for task in draining:
        task.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--no-moving", action="store_true", help="leave out the 200 real downloads (8 GB)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        ours, theirs = multiprocessing.Pipe()
        process = multiprocessing.get_context("spawn").Process(
            target=server_process, args=(Path(folder), options.history, theirs)
        )
        process.start()
        try:
            port, kept = ours.recv()
            print(f"the list was made ready in {1000 * kept:.0f} ms, beside everything else")
            asyncio.run(measure(port, ours, options.history, options.seconds))
            ours.send("end")
            process.join(10)
        finally:
            process.kill()
        asyncio.run(idle(Path(folder), options.seconds))
    if not options.no_moving:
        moving.measure(0.4, 12)


if __name__ == "__main__":
    main()
