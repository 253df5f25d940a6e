"""How many users a server holds, in one process or several, and what each costs.

    python benchmarks/server_scale.py [--users 5000] [--addresses 4] [--processes 1]

Starts ``soulmesh server`` on a free port and an empty folder, logs users in from another process, lets them
stand idle for some seconds, and prints rates and the server's memory. Every process needs as many open
files as it has users; more users than one process may have go over several (``--processes``, with a Redis).
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

from soulmesh import wire
from soulmesh.wire import to_server

LOGIN_REPLY = b"\1\0\0\0\1"
AT_ONCE = 64


class User(asyncio.Protocol):
    """Logs in, says what a client says first, and then nothing."""

    def __init__(self, name: str, done: asyncio.Future[None]) -> None:
        self.name = name
        self.done = done
        self.head = b""
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        digest = hashlib.md5(f"{self.name}x".encode()).hexdigest()
        for message in (
            to_server.Login(self.name, "x", 177, digest, 1),
            to_server.SetListenPort(2234),
            to_server.SharedFoldersFiles(10, 1000),
            to_server.SetStatus(2),
        ):
            transport.write(wire.encode(message))

    def data_received(self, data: bytes) -> None:
        self.head += data[: 9 - len(self.head)]
        if len(self.head) >= 9 and not self.done.done():
            if self.head[4:9] == LOGIN_REPLY:
                self.done.set_result(None)
            else:
                self.done.set_exception(ConnectionError(f"{self.name} was refused"))

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(ConnectionError(f"{self.name} was cut off"))


def memory_kib(pid: int) -> int:
    """Resident memory of a process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise RuntimeError("no such process")


def cpu_seconds(pid: int) -> float:
    """Processor time of a process."""
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


async def crowd(port: int, first: int, users: int, addresses: int) -> None:
    """Log users in, say so, and keep them until somebody closes our standard input."""
    loop = asyncio.get_running_loop()
    gate = asyncio.Semaphore(AT_ONCE)
    made: list[User] = []

    async def enter(number: int) -> None:
        async with gate:
            done: asyncio.Future[None] = loop.create_future()
            _, user = await loop.create_connection(
                lambda: User(f"user{number}", done),
                "127.0.0.1",
                port,
                local_addr=(f"127.0.0.{2 + number % addresses}", 0),
            )
            made.append(user)
            await done

    async with asyncio.TaskGroup() as group:
        for number in range(first, first + users):
            group.create_task(enter(number))
    print("in", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    here = sum(1 for user in made if user.transport is not None and not user.transport.is_closing())
    print(here, flush=True)


async def spawn(*words: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, *words, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )


async def line_of(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.readline()


async def measure(users: int, addresses: int, idle: float, processes: int, redis: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = [
            "accounts.hash=fast",
            "abuse.enabled=false",
            f"server.maximum_users={users + 100}",
            "log.level=error",
        ]
        if processes > 1:
            settings += [f"bus.url={redis}", f"bus.network={Path(folder).name}"]
        servers = []
        for _ in range(processes):
            server = await spawn(
                *("-m", "soulmesh", "server", "--port", "0", "--data", folder),
                *(word for setting in settings for word in ("--set", setting)),
            )
            servers.append((server, int((await line_of(server)).rpartition(b":")[2])))
        pids = [server.pid for server, _ in servers]
        before = sum(map(memory_kib, pids))
        share = users // processes
        started, cpu = time.perf_counter(), sum(map(cpu_seconds, pids))
        crowds = [
            await spawn(__file__, "--crowd", str(port), str(number * share), str(share), str(addresses))
            for number, (_, port) in enumerate(servers)
        ]
        for one in crowds:
            assert await line_of(one) == b"in\n", "users were refused"
        took, users = time.perf_counter() - started, share * processes
        print(f"{users} new accounts logged in within {took:.1f} s: {users / took:.0f}/s,")
        print(f"  {(sum(map(cpu_seconds, pids)) - cpu) / users * 1e6:.0f} us of the servers' processor each")
        cpu = sum(map(cpu_seconds, pids))
        await asyncio.sleep(idle)
        spent = (sum(map(cpu_seconds, pids)) - cpu) / idle * 60
        after = sum(map(memory_kib, pids))
        print(f"idle: {(after - before) / users:.2f} KiB of memory per user ({after / 1024:.0f} MiB in all),")
        print(f"  {spent:.2f} s of processor per minute")
        here = 0
        for one in crowds:
            assert one.stdin is not None
            one.stdin.close()
            here += int(await line_of(one))
            await one.wait()
        print(f"{here} of them were online at the end, over {processes} server process(es)")
        # The one with the realm last, or another would take over.
        for server, _ in reversed(servers):
            started = time.perf_counter()
            server.send_signal(signal.SIGTERM)
            code = await server.wait()
            print(f"SIGTERM: exit code {code} after {time.perf_counter() - started:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--users", type=int, default=5000)
    parser.add_argument("--addresses", type=int, default=4, help="addresses to call from; 28,000 users each")
    parser.add_argument("--idle", type=float, default=5.0, help="seconds")
    parser.add_argument("--processes", type=int, default=1, help="server processes that share the users")
    parser.add_argument("--redis", default="redis://127.0.0.1:6379/0", help="bus of more than one process")
    parser.add_argument("--crowd", type=int, nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if given.crowd:
        asyncio.run(crowd(*given.crowd))
        return
    if hard != resource.RLIM_INFINITY and hard < given.users / given.processes + 100:
        parser.error(f"only {hard} files may be open here (soft limit was {soft}): see --processes")
    asyncio.run(measure(given.users, given.addresses, given.idle, given.processes, given.redis))


if __name__ == "__main__":
    main()
