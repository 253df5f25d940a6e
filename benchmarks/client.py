"""A client among many: searches passed on, results by the thousand, a huge list of shares, many links.

    python benchmarks/client.py [forward|results|browse|links ...] [--scale 0.1] [--json]

The client is a process of its own (``impls/NAME_client.py``). This process is its world: a small server, its
parent and children in the distributed network, those who answer its search, and the user whose shares it
browses. Both talk over loopback. Processor seconds and memory are those of the client's process, read from
outside; stalls of its loop are measured inside, by a task that asks for a turn every millisecond: by the
clock and in processor time of the loop's thread. A third process does nothing but ask for turns: what stalls
it, the machine stalls.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import hashlib
import importlib.util
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from soulmesh import wire
from soulmesh.net.stream import Stream, listen_streams, open_stream
from soulmesh.net.tcp import TcpNetwork
from soulmesh.wire import distributed, peer, peer_init, to_client, to_server
from soulmesh.wire.message import Message
from soulmesh.wire.structs import Attribute, DirectoryData, FileData, PotentialParent, UserStats

HOST = "127.0.0.1"
CHILDREN = 10
SEARCHES = 50_000
RATE = 5_000
USERS, FILES = 500, 50
SHARED, FOLDER = 1_000_000, 10
LINKS = 1_000
PATIENCE = 12.0
"""Seconds for which searches are sent to one that cannot keep up."""
NETWORK = TcpNetwork()
TICK = os.sysconf("SC_CLK_TCK")


class World:
    """A server of one client, and everybody else."""

    def __init__(self) -> None:
        self.session: Stream | None = None
        self.asked: asyncio.Queue[Message] = asyncio.Queue()
        """Searches of the client."""
        self.offered = False
        self.tree: asyncio.Queue[Stream] = asyncio.Queue()
        """D links that it opened."""
        self.shares = b""
        self.sent_first = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        self._server = await listen_streams(NETWORK, lambda s: self._start(self._serve(s)), HOST, 0)
        self._peers = await listen_streams(NETWORK, lambda s: self._start(self._welcome(s)), HOST, 0)
        self.port, self.peer_port = self._server.port, self._peers.port

    async def close(self) -> None:
        self._server.close()
        self._peers.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def say(self, *messages: Message) -> None:
        assert self.session is not None
        for message in messages:
            self.session.write(wire.encode(message))

    def _start(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- the server

    async def _serve(self, stream: Stream) -> None:
        self.session = stream
        reader = wire.FrameReader("server", "to_server")
        with contextlib.suppress(Exception):
            while data := await stream.read():
                for frame in reader.feed(data):
                    self._answer(frame.decode())
        stream.abort()

    def _answer(self, m: Message) -> None:
        stats = UserStats(20_000_000, 1, 1000, 100)
        match m:
            case to_server.Login():
                digest = hashlib.md5(m.password.encode()).hexdigest()
                self.say(to_client.Login(True, "Hello.", HOST, digest, False))
                self.say(to_client.ParentMinSpeed(1), to_client.ParentSpeedRatio(50))
                self.say(to_client.WishlistInterval(720), to_client.PrivilegedUsers([]))
            case to_server.CheckPrivileges():
                self.say(to_client.CheckPrivileges(0))
            case to_server.AddUser():
                self.say(to_client.AddUser(m.username, True, 2, stats, "de"))
            case to_server.GetUserStatus():
                self.say(to_client.GetUserStatus(m.username, 2, False))
            case to_server.GetUserStats():
                self.say(to_client.GetUserStats(m.username, stats))
            case to_server.GetPeerAddress():
                self.say(to_client.GetPeerAddress(m.username, HOST, self.peer_port, 0, 0))
            case to_server.ToggleParentSearch(enable=True) if self.offered:
                self.offer()
            case to_server.FileSearch():
                self.asked.put_nowait(m)

    def offer(self) -> None:
        """Offer ourselves as a parent, now and whenever we are asked."""
        self.offered = True
        self.say(to_client.PotentialParents([PotentialParent("parent", HOST, self.peer_port)]))

    # -- the others

    async def _welcome(self, stream: Stream) -> None:
        """A link that the client opens: to its parent, or to a user who has something to say."""
        with contextlib.suppress(Exception):
            (length,) = (int.from_bytes(await stream.readexactly(4), "little"),)
            hello = wire.decode(
                length.to_bytes(4, "little") + await stream.readexactly(length), "peer_init", "peer"
            )
            if isinstance(hello, peer_init.PeerInit) and hello.connection_type == "D":
                self.tree.put_nowait(stream)
                return
            reader = wire.FrameReader("peer", "peer")
            while data := await stream.read():
                for frame in reader.feed(data):
                    match frame.decode():
                        case peer.PeerUserInfoRequest():
                            about = peer.PeerUserInfoReply("hello", False, None, 1, 0, True, 0)
                            stream.write(wire.encode(about))
                            await stream.drain()
                            stream.close()
                            return
                        case peer.PeerSharesRequest():
                            self.sent_first = time.monotonic()
                            for at in range(0, len(self.shares), 1 << 18):
                                stream.write(self.shares[at : at + (1 << 18)])
                                await stream.drain()
        stream.abort()


class Node:
    """A process that does what it is told in lines, and answers in lines of JSON.

    ``port``: where it listens.
    """

    def __init__(self, process: asyncio.subprocess.Process, port: int, idle: Node | None = None) -> None:
        self._process = process
        self._idle = idle
        self.port = port

    @classmethod
    @contextlib.asynccontextmanager
    async def start(cls, script: str, *arguments: object, idle: Node | None = None) -> AsyncIterator[Node]:
        """Run a script of ``impls`` until the end of the block."""
        folder = Path(__file__).parent
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(folder / "impls" / script), *map(str, arguments)),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=None if os.environ.get("BENCH_DEBUG") else asyncio.subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(folder)},
        )
        try:
            found = cls(process, 0, idle)
            found.port = (await found.heard(60))["ready"]
            yield found
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()

    async def worked(self, command: str, number: int) -> dict[str, Any]:
        """Do a command from beginning to end; see :meth:`result`."""
        await self.begin(command, number)
        return await self.result()

    async def begin(self, command: str, number: int) -> None:
        """Do a command that :meth:`result` waits for. The machine's stalls are looked at from now on."""
        if self._idle is not None:
            self._idle.do("forget", 0)
            await self._idle.heard()
        self.do(command, number)

    async def result(self) -> dict[str, Any]:
        """What a command came to: ``turn`` has the figures of the longest turn, the machine's beside it."""
        said = await self.heard()
        if self._idle is not None:
            self._idle.do("tell", 0)
            said["turn"]["idle process stalled ms"] = (await self._idle.heard())["stall"]
        return said

    def do(self, command: str, number: int) -> None:
        """Send a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command} {number}\n".encode())

    async def heard(self, patience: float = 100) -> dict[str, Any]:
        """The next line."""
        assert self._process.stdout is not None
        async with asyncio.timeout(patience):
            line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the client ended")
        return dict(json.loads(line))

    @property
    def cpu(self) -> float:
        """Seconds of processor time of all its threads."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    @property
    def most_memory(self) -> float:
        """MB resident, at most so far."""
        for line in Path(f"/proc/{self._process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1000
        return 0.0


@contextlib.asynccontextmanager
async def node(implementation: str, shared: int) -> AsyncIterator[tuple[World, Node]]:
    """A world, and one client that is logged in."""
    world = World()
    await world.open()
    script = f"{implementation}_client.py"
    try:
        async with Node.start("idle.py") as idle, Node.start(script, world.port, shared, idle=idle) as found:
            yield world, found
    finally:
        await world.close()


async def opened(found: Node, name: str, kind: str) -> Stream:
    """A link to the client, of a user of that name."""
    stream = await open_stream(NETWORK, HOST, found.port)
    stream.write(wire.encode(peer_init.PeerInit(name, kind, 0)))
    return stream


# -- what is measured


async def forward(implementation: str, scale: float, shared: int) -> dict[str, float]:
    """Searches from the parent to ten children: paced for a while, then as fast as they are taken."""
    count = int(SEARCHES * scale)
    async with node(implementation, shared) as (world, found):
        world.offer()
        parent = await asyncio.wait_for(world.tree.get(), 20)
        parent.write(wire.encode(distributed.DistributedBranchLevel(0)))
        parent.write(wire.encode(distributed.DistributedBranchRoot("parent")))
        await asyncio.sleep(2)
        children = [await opened(found, f"child{n}", "D") for n in range(CHILDREN)]
        await asyncio.sleep(1)
        got = [0] * CHILDREN

        async def read(place: int, stream: Stream) -> None:
            while data := await stream.read():
                got[place] += len(data)

        readers = [asyncio.create_task(read(n, child)) for n, child in enumerate(children)]
        await asyncio.sleep(1)
        figures: dict[str, float] = {}
        for way in ("paced", "full"):
            frames = [
                wire.encode(
                    distributed.DistributedSearchRequest(49, f"user{n % 997}", n, f"{way} query {n} la")
                )
                for n in range(count)
            ]
            sent = size = 0
            got[:] = [0] * CHILDREN
            before, began = found.cpu, time.perf_counter()
            step = RATE // 50 if way == "paced" else 500
            for turn, at in enumerate(range(0, count, step)):
                piece = frames[at : at + step]
                parent.write(b"".join(piece))
                sent, size = sent + len(piece), size + sum(len(frame) for frame in piece)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(max(0.1, began + PATIENCE - time.perf_counter())):
                        await parent.drain()
                if time.perf_counter() - began >= PATIENCE:
                    break
                if way == "paced":
                    await asyncio.sleep(max(0.0, began + (turn + 1) / 50 - time.perf_counter()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(15):
                    while min(got) < size:  # noqa: ASYNC110
                        await asyncio.sleep(0.002)
            took, used = time.perf_counter() - began, found.cpu - before
            passed = sum(got) / (size * CHILDREN)
            figures |= {
                f"{way} searches/s": passed * sent / took,
                f"{way} CPU s per 5,000": used / max(1, passed * sent) * 5000,
            }
            if passed < 1:
                figures[f"{way} lost %"] = 100 * (1 - passed)
        for task in readers:
            task.cancel()
        for stream in (parent, *children):
            stream.abort()
        figures["MB"] = found.most_memory
        return figures


async def results(implementation: str, scale: float) -> dict[str, float]:
    """Hundreds of users answer one search at once, each with fifty files."""
    users = int(USERS * scale)
    async with node(implementation, 0) as (world, found):
        before, memory = found.cpu, found.most_memory
        await found.begin("search", users)
        asked = await asyncio.wait_for(world.asked.get(), 20)
        assert isinstance(asked, to_server.FileSearch)
        replies = []
        for user in range(users):
            files = [
                FileData(
                    1,
                    rf"@@music\Some Artist {user}\A Long Name of an Album\{n:02} needle in the haystack.mp3",
                    5_000_000 + 7919 * n + user,
                    "mp3",
                    [Attribute(0, 320), Attribute(1, 200 + n)],
                )
                for n in range(FILES)
            ]
            replies.append(
                wire.encode(peer.PeerSearchReply(f"user{user}", asked.ticket, files, True, 1000 * user, 0, 0))
            )

        async def answer(user: int) -> Stream | None:
            for _ in range(20):
                with contextlib.suppress(Exception):
                    stream = await opened(found, f"user{user}", "P")
                    stream.write(replies[user])
                    await stream.drain()
                    return stream
                await asyncio.sleep(0.1)
            return None

        streams = await asyncio.gather(*(answer(user) for user in range(users)))
        said = await found.result()
        for stream in streams:
            if stream is not None:
                stream.abort()
        return {
            "results": said["results"],
            "seconds": said["seconds"],
            **said["turn"],
            "CPU s": found.cpu - before,
            "MB": found.most_memory,
            "MB more": found.most_memory - memory,
        }


def large_list(folder: Path, files: int) -> bytes:
    """A list of shares with so many files, kept for the next time."""
    place = folder / f"shares-{files}.bin"
    if not place.exists():
        writer = wire.SharesWriter(files // FOLDER)
        pieces = []
        for number in range(files // FOLDER):
            entries = [
                FileData(
                    1,
                    f"{n:02} - A Song of the Album {number * 31 % 9973} (take {number}).flac",
                    30_000_000 + number * 7 + n,
                    "",
                    [Attribute(1, 200 + n), Attribute(4, 44100), Attribute(5, 16)],
                )
                for n in range(FOLDER)
            ]
            name = rf"@@music\Artist {number // 10}\{1970 + number % 50} - Album {number}"
            pieces.append(writer.add(DirectoryData(name, entries)))
        pieces.append(writer.finish())
        place.write_bytes(writer.header() + b"".join(pieces))
    return place.read_bytes()


async def browse(implementation: str, scale: float) -> dict[str, float]:
    """The shares of a user with a million files."""
    folder = Path(os.environ.get("BENCH_DATA") or tempfile.gettempdir())
    async with node(implementation, 0) as (world, found):
        world.shares = large_list(folder, int(SHARED * scale))
        gc.collect()
        before, memory = found.cpu, found.most_memory
        await found.begin("browse", 0)
        first = await found.heard()
        said = await found.result()
        return {
            "files": said["results"],
            "first folders s": first["first"] - world.sent_first,
            "seconds": said["seconds"],
            **said["turn"],
            "CPU s": found.cpu - before,
            "MB": found.most_memory,
            "MB more": found.most_memory - memory,
        }


async def links(implementation: str, scale: float) -> dict[str, float]:
    """A thousand users are asked who they are, fifty at a time; each says it and hangs up."""
    async with node(implementation, 0) as (_, found):
        before = found.cpu
        said = await found.worked("links", int(LINKS * scale))
        return {
            "links": said["results"],
            "seconds": said["seconds"],
            **said["turn"],
            "CPU s": found.cpu - before,
            "tasks left": said["left"]["tasks"],
            "descriptors left": said["left"]["files"],
            "MB": found.most_memory,
        }


GOALS = {
    "forward": "5,000 searches/s to 10 children on one core: CPU s per 5,000 below 1",
    "forward and answer": "",
    "results": "25,000 results of 500 users: no turn of the loop over 50 ms, under 100 MB",
    "browse": "1,000,000 files: under 150 MB, first folders within a second",
    "links": "1,000 links opened and closed: no task, no descriptor left",
}
WORK = {
    "forward": lambda name, scale: forward(name, scale, 0),
    "forward and answer": lambda name, scale: forward(name, scale, 1000),
    "results": results,
    "browse": browse,
    "links": links,
}
MORE = {"results": ["ours_asyncio"]}
"""Further implementations for one load."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="*", help=f"of: {', '.join(WORK)}; all if none is given")
    parser.add_argument("--scale", type=float, default=1.0, help="a part of the load, for a quick look")
    parser.add_argument("--only", help="one implementation: ours, ours_asyncio or aioslsk")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each")
    options = parser.parse_args()
    names = [options.only] if options.only else ["ours", "aioslsk"]
    if "aioslsk" in names and importlib.util.find_spec("aioslsk") is None:
        print("aioslsk is left out: it is not installed here", file=sys.stderr)
        names.remove("aioslsk")
    for what in options.what or WORK:
        if not options.json:
            print(f"{what}: {GOALS[what]}" if GOALS[what] else what)
        for name in names if options.only else [*names, *MORE.get(what, [])]:
            try:
                figures = asyncio.run(WORK[what](name, options.scale))
            except (TimeoutError, RuntimeError) as error:
                figures = {}
                print(f"  {name}: did not do it: {error or 'no answer in 100 s'}", file=sys.stderr)
            if options.json:
                print(json.dumps({"what": what, "impl": name, **figures}))
            else:
                shown = ", ".join(
                    f"{key} {value:,.4g}" if value < 1000 else f"{key} {value:,.0f}"
                    for key, value in figures.items()
                )
                print(f"  {name}: {shown}")


if __name__ == "__main__":
    main()
