"""Moving files between processes over loopback, beside aioslsk and Nicotine+ in the same run.

    python benchmarks/transfers.py [--only ours,aioslsk] [--loads large,small,many] [--scale 0.1] [--json]

Three loads: one file of 1 GiB, 5,000 files of 20 kB from one user, twenty users with 50 MB each at once.
Every client is a process of its own, and so is the server. Before each load the bare system calls are
measured on the same files (sendfile into recv_into and write): the floor. CPU seconds and memory are what
the system counted for the processes between the wish and its end, the start left out. Who is not done after
--most seconds is judged by what came until then. A fourth load is a flood: one user asks for 18,000 files.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
HERE = Path(__file__).parent
NEEDS = {"ours": "soulmesh", "aioslsk": "aioslsk", "nicotine": "pynicotine"}
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Load:
    """What is moved."""

    name: str
    users: int
    count: int
    size: int

    @property
    def bytes(self) -> int:
        return self.users * self.count * self.size


def make_files(folder: Path, count: int, size: int) -> None:
    folder.mkdir(parents=True)
    block = os.urandom(1 << 20)
    for number in range(count):
        with (folder / f"{number:05}.bin").open("wb") as file:
            left = size
            while left:
                left -= file.write(block[: min(left, len(block))])


def floor(source: Path, target: Path) -> tuple[float, float]:
    """Bytes per second, and CPU seconds per GB of both sides, of bare system calls from file to file."""
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
    used, begin = time.process_time(), time.perf_counter()
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
    return size / took, (time.process_time() - used) / size * 1e9


class Side:
    """A client in a process of its own."""

    def __init__(self, program: str, folder: Path, name: str, server: int, *more: str) -> None:
        self.folder = folder
        folder.mkdir()
        command = [sys.executable, str(HERE / "impls" / f"{program}_transfers.py"), str(folder), name]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen(
                [*command, str(server), str(free_port()), *more], stdout=log, stderr=log
            )

    def wait_ready(self) -> None:
        until = time.monotonic() + 120
        while not (self.folder / "ready").exists():
            if self.process.poll() is not None or time.monotonic() > until:
                raise SystemExit("it did not start:\n" + (self.folder / "log").read_text()[-2000:])
            time.sleep(0.02)

    def cpu(self) -> float:
        """CPU seconds so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def peak(self) -> float:
        """The most memory so far, MiB."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
        return 0.0

    @property
    def done(self) -> int:
        path = self.folder / "done"
        return path.stat().st_size if path.exists() else 0

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        port: int = found.getsockname()[1]
        return port


@contextmanager
def server(folder: Path) -> Iterator[int]:
    """Our server, in a process of its own."""
    port = free_port()
    folder.mkdir()
    log = (folder / "log").open("wb")
    command = [sys.executable, "-m", "soulmesh", "server", "--data", str(folder)]
    options = ["--port", str(port), "--host", HOST, "--set", "abuse.enabled=false"]
    process = subprocess.Popen([*command, *options], stdout=log, stderr=log)
    try:
        until = time.monotonic() + 60
        while True:
            try:
                socket.create_connection((HOST, port), 1).close()
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    raise SystemExit("no server:\n" + (folder / "log").read_text()) from None
                time.sleep(0.05)
        yield port
    finally:
        process.terminate()
        process.wait()
        log.close()


def measure(program: str, load: Load, shared: Path, folder: Path, most: float) -> dict[str, Any]:
    """One program, one load."""
    sides: list[Side] = []
    folder.mkdir()
    with server(folder / "server") as port:
        try:
            names = [*(f"up{number}" for number in range(load.users)), "down"]
            for name in names:
                music = "" if name == "down" else str(shared)
                sides.append(Side(program, folder / name, name, port, music))
            down = sides[-1]
            for side in sides:
                side.wait_ready()
            time.sleep(2)
            paths = json.loads((folder / "up0" / "shared.json").read_text())
            wanted = [[name, path, load.size] for name in names[:-1] for path in paths]
            before = [side.cpu() for side in sides]
            (folder / "wanted").write_text(json.dumps(wanted))
            begin = time.perf_counter()
            os.rename(folder / "wanted", down.folder / "go")
            while down.done < len(wanted) and time.perf_counter() - begin < most:
                if down.process.poll() is not None:
                    raise SystemExit("it ended:\n" + (down.folder / "log").read_text()[-2000:])
                time.sleep(0.01)
            took, done = time.perf_counter() - begin, down.done
            used = [side.cpu() - was for side, was in zip(sides, before, strict=True)]
            memory = [side.peak() for side in sides]
        finally:
            for side in sides:
                side.close()
    moved = done * load.size
    return {
        "load": load.name,
        "program": program,
        "seconds": round(took, 2),
        "files": done,
        "MB/s": round(moved / took / 1e6),
        "files/s": round(done / took, 1),
        "cpu_up_s_per_GB": round(sum(used[:-1]) / moved * 1e9, 2) if moved else None,
        "cpu_down_s_per_GB": round(used[-1] / moved * 1e9, 2) if moved else None,
        "up_MiB": round(max(memory[:-1])),
        "down_MiB": round(memory[-1]),
    }


def flood(folder: Path, count: int) -> dict[str, Any]:
    """One user asks us for ``count`` files as fast as it can: what that costs us."""
    folder.mkdir()
    shared = folder / "shared"
    make_files(shared, 4000, 1)
    with server(folder / "server") as port:
        asked = Side("ours", folder / "asked", "asked", port, str(shared))
        asking = Side("flood", folder / "asking", "asking", port, "asked", str(count))
        try:
            asked.wait_ready()
            asking.wait_ready()
            time.sleep(2)
            before = asked.cpu()
            (asking.folder / "go").touch()
            while not asking.done:
                time.sleep(0.05)
            used = asked.cpu() - before
            heard = json.loads((asking.folder / "heard.json").read_text())
            memory = asked.peak()
        finally:
            asked.close()
            asking.close()
    return {
        "load": f"{count:,} requests of one user",
        "program": "ours",
        "cpu_s": round(used, 2),
        "answers": sum(heard.values()),
        "up_MiB": round(memory),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="part of the full load, for a quick look")
    parser.add_argument("--only", default="ours,aioslsk,nicotine", help="which programs")
    parser.add_argument("--loads", default="large,small,many,flood", help="which loads")
    parser.add_argument("--most", type=float, default=60.0, help="seconds for one program and load")
    parser.add_argument("--json", action="store_true", help="one JSON object per line")
    given = parser.parse_args()
    scale = given.scale
    loads = {
        "large": Load("one file of 1 GiB", 1, 1, max(1 << 22, int((1 << 30) * scale))),
        "small": Load("5,000 files of 20 kB", 1, max(10, int(5000 * scale)), 20_000),
        "many": Load("20 users x 50 MB", 20, 1, max(1 << 22, int(50_000_000 * scale))),
    }
    chosen = given.loads.split(",")
    for load in (loads[name] for name in chosen if name != "flood"):
        folder = Path(tempfile.mkdtemp(prefix="soulmesh-bench-"))
        try:
            shared = folder / "shared"
            make_files(shared, load.count, load.size)
            if load.size >= 1 << 20:
                speed, used = floor(shared / "00000.bin", folder / "floor")
                show(
                    {
                        "load": load.name,
                        "program": "floor",
                        "MB/s": round(speed / 1e6),
                        "cpu": round(used, 2),
                    },
                    as_json=given.json,
                )
            for program in given.only.split(","):
                if importlib.util.find_spec(NEEDS[program]) is None:
                    print(f"{program}: not installed here", file=sys.stderr)
                    continue
                found = measure(program, load, shared, folder / program, given.most)
                if load.size >= 1 << 20 and found["MB/s"]:
                    found["of_floor"] = f"{found['MB/s'] / speed * 1e8:.0f} %"
                show(found, as_json=given.json)
                shutil.rmtree(folder / program)
        finally:
            shutil.rmtree(folder)
    if "flood" in chosen:
        folder = Path(tempfile.mkdtemp(prefix="soulmesh-bench-"))
        try:
            show(flood(folder / "flood", int(18_000 * scale)), as_json=given.json)
        finally:
            shutil.rmtree(folder)


def show(found: dict[str, Any], *, as_json: bool) -> None:
    print(
        json.dumps(found) if as_json else ", ".join(f"{key}: {value}" for key, value in found.items()),
        flush=True,
    )


if __name__ == "__main__":
    main()
