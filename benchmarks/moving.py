"""200 downloads on the move, with and without 50 open pages: what the pages cost the transfers.

A server and a user who shares run in one process, the daemon in another, this one plays the pages. Pages
come and go while the same transfers run on, so that both are measured in the same seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import select
import socket
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1] / "src")]

from soulmesh.client.client import Client  # noqa: E402
from soulmesh.client.settings import ClientSettings  # noqa: E402
from soulmesh.client.transfers.settings import TransferSettings  # noqa: E402
from soulmesh.core.transfer import State  # noqa: E402
from soulmesh.core.upload_queue import Group, Order, QueueRules  # noqa: E402
from soulmesh.net.world import World  # noqa: E402
from soulmesh.server.app import Server  # noqa: E402
from soulmesh.server.settings import make_settings  # noqa: E402

KEY = "a-key-of-enough-length"
MOVING = 200
SHARERS = ("ann", "bob", "cid", "dot")
PAGES = 50
SIZE = 40 << 20
"""Bytes of each file: all of them together must have room on the disk."""
SPEED = 320_000_000
"""Bytes per second of all together: so that they are on the move for half a minute."""


async def share(folder: Path, pipe: Connection) -> None:
    """A server, and some who send everything at once."""
    said = {"server.host": "127.0.0.1", "server.port": 0}
    queue = QueueRules(
        slots=MOVING, order=Order.ROUND_ROBIN, groups={"default": Group(slots_per_user=MOVING)}
    )
    # Slowly, until all of them are on the move.
    slow = TransferSettings(downloads=folder / "none", queue=queue, upload_limit=1 << 20)
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(Server(World.real(), make_settings(said)))
        sharers = [
            Client(
                name,
                "password",
                server=("127.0.0.1", server.port),
                shares=[folder / "music"],
                listen_port=0,
                settings=ClientSettings(listen_host="127.0.0.1", rates={}),
                transfers=slow,
            )
            for name in SHARERS
        ]
        for sharer in sharers:
            await stack.enter_async_context(sharer)
        pipe.send(server.port)
        loop = asyncio.get_running_loop()
        while (order := await loop.run_in_executor(None, pipe.recv)) != "end":
            if order == "go":
                for sharer in sharers:
                    sharer.transfers.settings = replace(slow, upload_limit=SPEED // len(SHARERS))
            uploads = [one for sharer in sharers for one in sharer.transfers]
            pipe.send((sum(one.done for one in uploads), sum(one.state is State.RUNNING for one in uploads)))


def share_process(folder: Path, pipe: Connection) -> None:
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(share(folder, pipe))


class Pages:
    """Many pages that take what they are told and do nothing with it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.received = 0

    @contextmanager
    def open(self, count: int) -> Iterator[None]:
        lines = [self._connect() for _ in range(count)]
        over = threading.Event()
        reading = threading.Thread(target=self._read, args=(lines, over))
        reading.start()
        try:
            yield
        finally:
            over.set()
            reading.join()
            for line in lines:
                line.close()

    def _connect(self) -> socket.socket:
        line = socket.create_connection(("127.0.0.1", self._port))
        line.sendall(
            b"GET /api/v1/events/socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nX-API-Key: %s\r\n\r\n" % KEY.encode()
        )
        head = line.recv(1 << 16)
        assert head.startswith(b"HTTP/1.1 101 "), head
        return line

    def _read(self, lines: list[socket.socket], over: threading.Event) -> None:
        taken = bytearray(1 << 18)
        while not over.is_set():
            for line in select.select(lines, [], [], 0.1)[0]:
                self.received += line.recv_into(taken)


def measure(seconds: float, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        (folder / "music").mkdir()
        # One file under many names: it has no bytes of its own, and costs no memory to read.
        with (folder / "music" / "000.bin").open("wb") as file:
            file.truncate(SIZE)
        for number in range(1, MOVING // len(SHARERS)):
            os.link(folder / "music" / "000.bin", folder / "music" / f"{number:03}.bin")
        ours, theirs = multiprocessing.Pipe()
        sharing = multiprocessing.get_context("spawn").Process(target=share_process, args=(folder, theirs))
        sharing.start()
        try:
            asyncio.run(_run(folder, ours, seconds, rounds))
        finally:
            sharing.kill()
            sharing.join()


async def _run(folder: Path, pipe: Connection, seconds: float, rounds: int) -> None:
    said = ["--data", str(folder / "data"), "--server", f"127.0.0.1:{pipe.recv()}", "--username", "taker"]
    said += ["--set", "account.password=password", "--downloads", str(folder / "downloads")]
    said += ["--http", "127.0.0.1:0", "--api-key", KEY, "--listen-port", "0"]
    said += ["--set", "governor.enabled=false", "--set", "downloads.reserve_mib=0"]
    environ = {**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    daemon = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "soulmesh", "daemon", *said), stdout=asyncio.subprocess.PIPE, env=environ
    )
    assert daemon.stdout is not None
    try:
        port = int((await daemon.stdout.readline()).decode().strip().rpartition(":")[2])
        await asyncio.to_thread(_alternate, folder, port, daemon.pid, pipe, seconds, rounds)
    finally:
        with contextlib.suppress(ProcessLookupError):
            daemon.kill()
        await daemon.wait()


def _alternate(folder: Path, port: int, pid: int, pipe: Connection, seconds: float, rounds: int) -> None:
    _begin(port)
    patience = time.monotonic() + 30
    while (running := _moved(pipe)[1]) < MOVING and time.monotonic() < patience:
        time.sleep(0.1)
    if running < 0.9 * MOVING:
        raise SystemExit(f"only {running} have begun")
    pipe.send("go")
    pipe.recv()
    pages = Pages(port)
    speeds: dict[int, list[float]] = {0: [], PAGES: []}
    costs: dict[int, list[float]] = {0: [], PAGES: []}
    for number in range(2 * rounds):
        count = (0, PAGES, PAGES, 0)[number % 4]
        with pages.open(count):
            time.sleep(0.15)
            before, used, begun = _moved(pipe)[0], _used(pid), time.perf_counter()
            time.sleep(seconds)
            moved, running = _moved(pipe)
            passed = time.perf_counter() - begun
        if running < 0.9 * MOVING:
            break
        speeds[count].append((moved - before) / passed)
        costs[count].append((_used(pid) - used) / ((moved - before) / 1e9))
    # As many of the one kind as of the other, in the same order.
    pairs = min(map(len, speeds.values()))
    speeds = {count: found[:pairs] for count, found in speeds.items()}
    costs = {count: found[:pairs] for count, found in costs.items()}
    alone, watched = (sum(speeds[count]) / len(speeds[count]) for count in (0, PAGES))
    without, with_pages = (sum(costs[count]) / len(costs[count]) for count in (0, PAGES))
    print(
        f"{running} downloads, {SPEED / 1e6:.0f} MB/s at most, {pairs} times each:"
        f" {alone / 1e6:.0f} MB/s without pages, {watched / 1e6:.0f} MB/s with {PAGES}"
        f" ({100 * (watched / alone - 1):+.1f} %);"
        f" {without:.2f} and {with_pages:.2f} s of processor for a GB"
        f" ({100 * (with_pages / without - 1):+.1f} %); the pages were told {pages.received / 1e6:.1f} MB"
    )


def _begin(port: int) -> None:
    """Want everything, as soon as the daemon is logged in."""
    each = MOVING // len(SHARERS)
    files = [{"filename": f"music\\{number:03}.bin", "size": SIZE} for number in range(each)]
    for name in SHARERS:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/v0/transfers/downloads/{name}",
            json.dumps(files).encode(),
            {"X-API-Key": KEY, "Content-Type": "application/json"},
        )
        for _ in range(600):
            try:
                with urllib.request.urlopen(request) as reply:
                    found = json.load(reply)
                break
            except OSError:
                time.sleep(0.1)
        else:
            raise SystemExit("the daemon did not log in")
        assert len(found["enqueued"]) == each, found["failed"][:1]


def _moved(pipe: Connection) -> tuple[int, int]:
    pipe.send("how much")
    found: tuple[int, int] = pipe.recv()
    return found


def _used(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    measure(0.4, 12)
