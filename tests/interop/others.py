"""Other people's programs as processes: installed once, started, told what to do, listened to.

Both programs obey the same few commands and tell the same few things, as lines
of JSON in two files. aioslsk is driven by a script (``drive_aioslsk.py``),
Nicotine+ by a plugin that is written into its data folder (``drive_nicotine.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import functools
import itertools
import json
import os
import random
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Other", "Way", "free_port", "other", "python"]

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
FOLDER = ROOT / ".venv-interop"
# Nicotine+ asks for GTK, which it does not need without a window.
PACKAGES = (["aioslsk"], ["--no-deps", "nicotine-plus"])
GIVEN = "SOULMESH_TEST_INTEROP_PYTHON"
"""An interpreter that has both packages already."""
NOT_TESTED = (
    "NOT TESTED: INTEROPERABILITY, for aioslsk and Nicotine+ could not be installed (with both in some"
    f" interpreter, {GIVEN}=/path/to/python tests it)"
)


def python() -> Path:
    """An interpreter with both packages; skips, and says so, where they cannot be installed."""
    found = _python()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@functools.cache
def _python() -> Path | str:
    """The interpreter, or why there is none; tried once."""
    given = os.environ.get(GIVEN)
    if given:
        return Path(given)
    constraints = ROOT / "constraints.txt"
    stamp = f"{sys.executable} {sys.version} {PACKAGES} {constraints.read_text()}"
    found, ready = FOLDER / "bin" / "python", FOLDER / "stamp"
    try:
        with FOLDER.with_name(f"{FOLDER.name}.lock").open("w") as lock:
            # Tests may run in several processes; one installs, the others wait.
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not ready.exists() or ready.read_text() != stamp:
                _run([sys.executable, "-m", "venv", "--clear", str(FOLDER)])
                for packages in PACKAGES:
                    _run([str(found), *_PIP, "--constraint", str(constraints), *packages])
                ready.write_text(stamp)
    except (OSError, subprocess.SubprocessError) as error:
        said = getattr(error, "stderr", None) or str(error).encode()
        lines = said.decode(errors="replace").strip().splitlines() or ["nobody knows why"]
        return f"{NOT_TESTED}: {next((line for line in lines if line.startswith('ERROR')), lines[-1])}"
    return found


_PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input")


def _run(command: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    subprocess.run(command, check=True, capture_output=True, timeout=300, env=environment)


@dataclass(frozen=True)
class Way:
    """How another program is set up."""

    program: str
    server: int
    music: Path
    port: int
    announced: int = 0
    """A wrong port to tell the server; 0: the right one."""
    upload_limit: int = 0
    """kB/s; 0 for none."""


class Other:
    """Another program that runs."""

    def __init__(self, name: str, folder: Path, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.folder = folder
        self.process = process
        self._read = len(_lines(folder / "events.jsonl"))
        self.seen: list[dict[str, Any]] = []

    def do(self, command: str, **arguments: Any) -> None:
        """Tell it to do something."""
        with (self.folder / "commands.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps({"do": command, **arguments}) + "\n")

    async def heard(self, what: str, *, timeout: float = 30.0, **wanted: Any) -> dict[str, Any]:
        """Wait until it tells of something; what was waited for once is not found again."""
        try:
            async with asyncio.timeout(timeout):
                while True:
                    found = self._find(what, wanted)
                    if found is not None:
                        return found
                    if self.process.returncode is not None:
                        raise AssertionError(f"{self.name} ended:\n{self.log()}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            raise AssertionError(
                f"{self.name} did not tell of {what} {wanted}, but of {self.seen}; its log:\n{self.log()}"
            ) from None

    async def kill(self) -> None:
        """End it the hard way."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

    def log(self) -> str:
        """The last it said to people."""
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def _find(self, what: str, wanted: dict[str, Any]) -> dict[str, Any] | None:
        new = _lines(self.folder / "events.jsonl")
        self.seen += [json.loads(line) for line in itertools.islice(new, self._read, None)]
        self._read = len(new)
        for place, event in enumerate(self.seen):
            if event["event"] == what and all(event.get(key) == value for key, value in wanted.items()):
                return self.seen.pop(place)
        return None


def _lines(path: Path) -> list[str]:
    """The whole lines of a file that another process may be writing."""
    return path.read_text(encoding="utf-8").split("\n")[:-1] if path.exists() else []


@contextlib.asynccontextmanager
async def other(way: Way, name: str, folder: Path) -> AsyncIterator[Other]:
    """Start a program as user ``name``; it is logged in and has looked through its files."""
    start: Callable[..., list[str]] = {"aioslsk": _aioslsk, "nicotine": _nicotine}[way.program]
    command = await asyncio.to_thread(lambda: start(python(), name, folder, way))
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "PYTHON"))
    }
    done = len(_lines(folder / "commands.jsonl"))
    environment |= {"HOME": str(folder), "LANGUAGE": "en", "COMMANDS_DONE": str(done), "PYTHONUTF8": "1"}
    with (folder / "log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=folder
        )
    try:
        found = Other(name, folder, process)
        await found.heard("login", timeout=60)
        await found.heard("shares", timeout=60)
        yield found
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(5):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        # The transport of the process goes in the loop's next turn.
        await asyncio.sleep(0.05)


def free_port() -> int:
    """A port that nobody uses, nor the next one, below those that the system gives to outgoing calls.

    The program takes it only when it has started, a second or two from now: a port that the system
    chose would often be some connection's by then.
    """
    while True:
        port = random.randrange(_LOWEST_PORT, _first_given_port() - 1)
        with socket.socket() as one, socket.socket() as two, contextlib.suppress(OSError):
            one.bind(("", port))
            two.bind(("", port + 1))
            return port


_LOWEST_PORT = 10_240


def _first_given_port() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32_768


def _aioslsk(python: Path, name: str, folder: Path, way: Way) -> list[str]:
    folder.mkdir(parents=True, exist_ok=True)
    numbers = (str(way.port), str(way.announced), str(way.upload_limit))
    return [
        *(str(python), str(HERE / "drive_aioslsk.py"), str(folder), name, str(way.server)),
        *(str(way.music), *numbers),
    ]


_CONFIG = """\
[server]
server = ('127.0.0.1', {way.server})
login = {name}
passw = secret
portrange = ({way.port}, {way.port})
upnp = False
auto_connect_startup = True
[transfers]
shared = [('music', '{way.music}')]
downloaddir = {folder}/downloads
incompletedir = {folder}/incomplete
rescanonstartup = True
use_upload_speed_limit = {limited}
uploadlimit = {way.upload_limit}
[plugins]
enable = True
enabled = ['drive']
[userinfo]
descr = 'I am Nicotine+.'
[logging]
debug = True
debugmodes = ['download', 'upload', 'transfer', 'connection']
"""


def _nicotine(python: Path, name: str, folder: Path, way: Way) -> list[str]:
    plugin = folder / "data" / "plugins" / "drive"
    plugin.mkdir(parents=True, exist_ok=True)
    (plugin / "PLUGININFO").write_text("Version = '1'\nName = 'Drive'\nDescription = ''\nAuthors = []\n")
    source = (HERE / "drive_nicotine.py").read_text(encoding="utf-8")
    source = source.replace('"THE_FOLDER"', repr(str(folder)))
    source = source.replace("ANNOUNCED = 0", f"ANNOUNCED = {way.announced}")
    (plugin / "__init__.py").write_text(source, encoding="utf-8")
    config = folder / "config"
    limited = "primary" if way.upload_limit else "unlimited"
    config.write_text(_CONFIG.format(name=name, folder=folder, way=way, limited=limited), encoding="utf-8")
    return [
        *(str(python), "-m", "pynicotine", "--headless", "--isolated"),
        *("--config", str(config), "--user-data", str(folder / "data"), "--bindip", "127.0.0.1"),
    ]
