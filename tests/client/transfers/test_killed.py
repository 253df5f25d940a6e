"""`kill -9` at every step of a transfer, on either side, with real processes: nothing is lost."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from soulmesh.client.transfers import Transfers
from tests.client.transfers.child import make
from tests.client.transfers.tcp_links import TcpLinks
from tests.support.loops import real

pytestmark = pytest.mark.slow
CONTENT = os.urandom(1 << 20) * 8
PATH = r"Music\Album\song.flac"
ROOT = Path(__file__).parents[3]


class Child:
    """A process that can be killed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.port = 0
        self.said: list[dict[str, Any]] = []

    @classmethod
    async def start(cls, **job: Any) -> Child:
        process = subprocess.Popen(  # noqa: ASYNC220
            [sys.executable, "-m", "tests.client.transfers.child", json.dumps(job)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        )
        child = cls(process)
        CHILDREN.append(child)
        # A restarted one may tell of what it goes on with before it tells its port.
        while not child.port:
            line = await child.line()
            child.port = line.get("port", 0)
        return child

    async def line(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        text = await asyncio.to_thread(self.process.stdout.readline)
        assert text, f"the child ended, having said {self.said}"
        found: dict[str, Any] = json.loads(text)
        self.said.append(found)
        return found

    async def reaches(self, state: str) -> None:
        while (await self.line()).get("state") != state:
            pass

    async def kill(self) -> None:
        self.stop()

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


CHILDREN: list[Child] = []


@pytest.fixture(autouse=True)
def _no_orphans() -> Iterator[None]:
    # A thread may still read from a child when a test ran out of its 50 s: its end wakes the thread.
    timer = threading.Timer(52, lambda: [child.process.kill() for child in CHILDREN])
    timer.start()
    yield
    timer.cancel()
    for child in CHILDREN:
        child.stop()
    CHILDREN.clear()


def share(folder: Path) -> Path:
    path = folder / "shared.flac"
    path.write_bytes(CONTENT)
    return path


async def end(transfers: Transfers, links: TcpLinks) -> None:
    await transfers.close()
    await links.close()
    await asyncio.sleep(0.02)


@pytest.mark.parametrize(
    "state", ["wanted", "asking", "queued", "offered", "starting", "running", "half", "saving", "finished"]
)
@real
async def test_the_downloader_is_killed_and_goes_on_after_its_restart(tmp_path: Path, state: str) -> None:
    addresses: dict[str, int] = {}
    limits = {"upload_limit": 4_000_000} if state == "half" else {}
    transfers, shelf, links, _ = await make("eve", tmp_path, addresses, **limits)
    shelf.files[PATH.encode()] = share(tmp_path)
    job = {"name": "ann", "folder": str(tmp_path), "addresses": {"eve": addresses["eve"]}}
    child = await Child.start(**job, wanted=[["eve", PATH]], freeze=state)
    addresses["ann"] = child.port
    if state == "wanted":
        while "wanted" not in await child.line():
            pass
    elif state == "half":
        await child.reaches("running")
        await asyncio.sleep(0.7)
    else:
        await child.reaches(state)
    # Frozen in that state; what it has handed to the journal's thread may be written.
    await asyncio.sleep(0.1)
    await child.kill()
    [part] = [*(tmp_path / "ann" / ".incomplete").glob("*.part")] or [None]
    had = part.stat().st_size if part is not None else 0
    transfers.settings = type(transfers.settings)(**{**vars_of(transfers.settings), "upload_limit": None})
    child = await Child.start(**job, port=child.port)
    finished = tmp_path / "ann" / "Album" / "song.flac"
    if not finished.exists():
        try:
            await child.reaches("finished")
        except AssertionError as error:
            stories = [str(await transfers.why(transfer.id)) for transfer in transfers]
            raise AssertionError(f"{error}; on our side: {stories}") from None
    await child.kill()
    assert finished.read_bytes() == CONTENT
    assert [p.name for p in finished.parent.iterdir()] == ["song.flac"]
    if state == "half":
        assert had > 1_000_000
        [upload] = transfers
        assert upload.upload.started_at_byte >= had - 65536
    await end(transfers, links)


@pytest.mark.parametrize("state", ["calling", "linking", "starting", "running", "draining", "finished"])
@real
async def test_the_uploader_is_killed_and_serves_after_its_restart(tmp_path: Path, state: str) -> None:
    addresses: dict[str, int] = {}
    transfers, _, links, _ = await make("ann", tmp_path, addresses)
    shared = {PATH: str(share(tmp_path))}
    job = {"name": "eve", "folder": str(tmp_path), "addresses": {"ann": addresses["ann"]}, "shared": shared}
    child = await Child.start(**job, freeze=state)
    addresses["eve"] = child.port
    transfer = await transfers.download("eve", PATH)
    await child.reaches(state)
    await child.kill()
    # What the server tells of a user whose program was killed, and who comes back.
    transfers.downloads.peer_offline("eve")
    child = await Child.start(**job, port=child.port)
    transfers.downloads.peer_online("eve")
    await transfer.wait()
    await child.kill()
    assert transfer.local_path is not None
    assert transfer.local_path.read_bytes() == CONTENT
    await end(transfers, links)


def vars_of(settings: Any) -> dict[str, Any]:
    return {name: getattr(settings, name) for name in settings.__dataclass_fields__}
