"""A PostgreSQL and a Redis of the tests' own, on sockets in a folder of their own, gone afterwards.

``POSTGRES`` and ``REDIS`` are markers: where the programs are not installed, what needs them is skipped, and
the end of the run says what was not tested and how to have it (``tests/server/conftest.py``).
"""

from __future__ import annotations

import asyncio
import glob
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

__all__ = ["POSTGRES", "REDIS", "Postgres", "postgres_running", "redis_running"]


def _postgres_folder() -> Path | None:
    for found in sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), reverse=True):
        return Path(found).parent
    found = shutil.which("initdb") or ""
    return Path(found).parent if found else None


BIN = _postgres_folder()
REDIS_SERVER = shutil.which("redis-server")

POSTGRES = pytest.mark.skipif(
    BIN is None, reason="NOT TESTED: no PostgreSQL here (apt-get install postgresql)"
)
REDIS = pytest.mark.skipif(
    REDIS_SERVER is None, reason="NOT TESTED: no Redis here (apt-get install redis-server)"
)

PATIENCE = 60.0


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True


def _wait(process: subprocess.Popen[bytes], ready: Path, output: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not _answers(ready):
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(output.read_text(errors="replace"))
        time.sleep(0.02)


class Postgres:
    """A running PostgreSQL. It refuses to be root, so root runs it as ``postgres``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.user = "postgres" if os.getuid() == 0 else None
        self.process: subprocess.Popen[bytes] | None = None
        self._databases = 0

    def install(self) -> None:
        assert BIN is not None
        if self.user is not None:
            shutil.chown(self.folder, self.user)
        subprocess.run(
            [
                str(BIN / "initdb"),
                "-D",
                "data",
                "-U",
                "postgres",
                "-A",
                "trust",
                "-N",
                "-E",
                "UTF8",
                "--locale=C",
            ],
            cwd=self.folder,
            user=self.user,
            check=True,
            capture_output=True,
        )

    def start(self) -> None:
        assert BIN is not None
        options = {"unix_socket_directories": str(self.folder), "listen_addresses": "", "fsync": "off"}
        command = [str(BIN / "postgres"), "-D", "data"]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        output = self.folder / "log"
        with open(output, "wb") as log:
            self.process = subprocess.Popen(
                command, cwd=self.folder, user=self.user, stdout=log, stderr=subprocess.STDOUT
            )
        _wait(self.process, self.folder / ".s.PGSQL.5432", output)

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(PATIENCE)
            self.process = None

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement, from outside of any loop or in a thread of its own."""
        import asyncpg

        async def run() -> list[tuple[object, ...]]:
            deadline = time.monotonic() + PATIENCE
            while True:
                try:
                    connection = await asyncpg.connect(
                        host=str(self.folder), user="postgres", database=database
                    )
                    break
                except asyncpg.CannotConnectNowError:  # it listens and is still starting up
                    if time.monotonic() > deadline:
                        raise
                    await asyncio.sleep(0.05)
            try:
                return [tuple(row) for row in await connection.fetch(statement)]
            finally:
                await connection.close()

        return asyncio.run(run())

    def database(self) -> str:
        """The address of a new, empty database."""
        self._databases += 1
        name = f"test{self._databases}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)


@contextmanager
def postgres_running() -> Iterator[Postgres]:
    # Paths of sockets are short.
    folder = Path(tempfile.mkdtemp(prefix="soulmesh-pg-"))
    server = Postgres(folder)
    try:
        server.install()
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis_running() -> Iterator[str]:
    """The address of a running, empty Redis."""
    assert REDIS_SERVER is not None
    folder = Path(tempfile.mkdtemp(prefix="soulmesh-redis-"))
    path = folder / "redis.sock"
    output = folder / "log"
    with open(output, "wb") as log:
        process = subprocess.Popen(
            [REDIS_SERVER, "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly", "no"],
            cwd=folder,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(process, path, output)
        yield f"unix://{path}"
    finally:
        process.kill()
        process.wait(PATIENCE)
        shutil.rmtree(folder, ignore_errors=True)
