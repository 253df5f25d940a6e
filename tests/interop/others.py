"""Other people's programs as processes: installed once, started, told what to do, listened to.

Both programs obey the same few commands and tell the same few things, as lines
of JSON in two files. aioslsk is driven by a script (``drive_aioslsk.py``),
Nicotine+ by a plugin that is written into its data folder (``drive_nicotine.py``).
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

__all__ = ["Other", "other", "python"]

HERE = Path(__file__).parent
PACKAGES = (["aioslsk==1.7.1"], ["--no-deps", "nicotine-plus==3.3.11"])
GIVEN = "SOULMESH_TEST_INTEROP_PYTHON"
"""An interpreter that has both packages already."""


def python() -> Path:
    """An interpreter with both packages; skips, loudly, where they cannot be installed."""
    given = os.environ.get(GIVEN)
    if given:
        return Path(given)
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "soulmesh" / "interop"
    ready = base / "ready"
    found = base / "bin" / "python"
    if not ready.exists():
        try:
            subprocess.run([sys.executable, "-m", "venv", str(base)], check=True, capture_output=True)
            for packages in PACKAGES:
                install = [str(found), "-m", "pip", "install", "--quiet", *packages]
                subprocess.run(install, check=True, capture_output=True, timeout=300)
        except (OSError, subprocess.SubprocessError) as error:
            said = getattr(error, "stderr", b"") or str(error).encode()
            pytest.skip(
                "INTEROPERABILITY IS NOT TESTED: aioslsk and Nicotine+ could not be installed: "
                + said.decode(errors="replace").strip().splitlines()[-1]
            )
        ready.touch()
    return found


class Other:
    """Another program that runs."""

    def __init__(self, name: str, folder: Path, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.folder = folder
        self.process = process
        self._read = 0
        self.seen: list[dict[str, Any]] = []

    def do(self, command: str, **arguments: Any) -> None:
        """Tell it to do something."""
        with (self.folder / "commands.jsonl").open("a") as file:
            file.write(json.dumps({"do": command, **arguments}) + "\n")

    async def heard(self, what: str, *, timeout: float = 30.0, **wanted: Any) -> dict[str, Any]:
        """Wait until it tells of something; what was waited for once is not found again."""
        async with asyncio.timeout(timeout):
            while True:
                self._look()
                for place, event in enumerate(self.seen):
                    if event["event"] == what and all(event.get(k) == v for k, v in wanted.items()):
                        return self.seen.pop(place)
                if self.process.returncode is not None:
                    raise AssertionError(f"{self.name} ended:\n{self.log()}")
                await asyncio.sleep(0.1)

    def log(self) -> str:
        """The last it said to people."""
        return (self.folder / "log").read_text(errors="replace")[-3000:]

    def _look(self) -> None:
        path = self.folder / "events.jsonl"
        if path.exists():
            whole = path.read_text().split("\n")[:-1]
            self.seen += [json.loads(line) for line in itertools.islice(whole, self._read, None)]
            self._read = len(whole)


@contextlib.asynccontextmanager
async def other(
    program: str, name: str, folder: Path, server: int, *, music: Path, port: int
) -> AsyncIterator[Other]:
    """Start a program as user ``name`` and wait until it is logged in."""
    start: Callable[..., list[str]] = {"aioslsk": _aioslsk, "nicotine": _nicotine}[program]
    command = await asyncio.to_thread(lambda: start(python(), name, folder, server, music, port))
    environment = {**os.environ, "HOME": str(folder), "PYTHONPATH": "", "LANGUAGE": "en"}
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=folder
        )
    found = Other(name, folder, process)
    try:
        await found.heard("login", timeout=60)
        yield found
    finally:
        if process.returncode is None:
            process.terminate()
            try:
                async with asyncio.timeout(10):
                    await process.wait()
            except TimeoutError:
                process.kill()
                await process.wait()
        # The transport of the process goes in the loop's next turn.
        await asyncio.sleep(0.05)


def _aioslsk(python: Path, name: str, folder: Path, server: int, music: Path, port: int) -> list[str]:
    folder.mkdir(parents=True)
    script = HERE / "drive_aioslsk.py"
    return [str(python), str(script), str(folder), name, str(server), str(music), str(port)]


_CONFIG = """\
[server]
server = ('127.0.0.1', {server})
login = {name}
passw = secret
portrange = ({port}, {port})
upnp = False
auto_connect_startup = True
[transfers]
shared = [('music', '{music}')]
downloaddir = {folder}/downloads
incompletedir = {folder}/incomplete
rescanonstartup = True
[plugins]
enable = True
enabled = ['drive']
[userinfo]
descr = 'I am Nicotine+.'
[logging]
debug = True
"""


def _nicotine(python: Path, name: str, folder: Path, server: int, music: Path, port: int) -> list[str]:
    plugin = folder / "data" / "plugins" / "drive"
    plugin.mkdir(parents=True)
    (plugin / "PLUGININFO").write_text("Version = '1'\nName = 'Drive'\nDescription = ''\nAuthors = []\n")
    source = (HERE / "drive_nicotine.py").read_text()
    (plugin / "__init__.py").write_text(source.replace("THE_FOLDER", str(folder)))
    config = folder / "config"
    config.write_text(
        _CONFIG.format(server=server, name=name, port=port, music=music, folder=folder), encoding="utf-8"
    )
    return [
        *(str(python), "-m", "pynicotine", "--headless", "--isolated"),
        *("--config", str(config), "--user-data", str(folder / "data"), "--bindip", "127.0.0.1"),
    ]
