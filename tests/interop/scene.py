"""A small network: our server, our client, and one program that we did not write."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from soulmesh.client.client import Client
from soulmesh.client.info import Profile
from soulmesh.client.links import PeerMisbehaved
from soulmesh.client.settings import ClientSettings
from soulmesh.client.transfers import Transfer, TransferSettings
from soulmesh.core.transfer import State
from soulmesh.net.world import World
from soulmesh.server.app import Server
from soulmesh.server.settings import make_settings
from tests.interop.others import Other, Way, free_port, other

__all__ = ["digest", "fill", "finished", "ours", "scene", "server", "until"]


@contextlib.asynccontextmanager
async def server() -> AsyncIterator[Server]:
    """Our server, on which everybody may have children in the distributed network."""
    options = {
        "server.host": "127.0.0.1",
        "server.port": 0,
        "accounts.argon2_memory_kib": 64,
        "accounts.initial_upload_speed": 2_000_000,
        "distributed.potential_parents_interval": 1.0,
    }
    async with Server(World.real(), make_settings(options)) as running:
        yield running


def ours(running: Server, folder: Path, **options: Any) -> Client:
    """Our client, not yet started."""
    settings = ClientSettings(
        listen_host="127.0.0.1", rates={}, obfuscated_port=-1, **options.pop("numbers", {})
    )
    transfers = replace(TransferSettings(downloads=folder / "in"), **options.pop("transfers", {}))
    return Client(
        "ours",
        "secret",
        server=("127.0.0.1", running.port),
        shares=[folder / "mine"],
        listen_port=0,
        settings=settings,
        transfers=transfers,
        profile=Profile("I am soulmesh."),
        **options,
    )


@contextlib.asynccontextmanager
async def scene(
    program: str,
    folder: Path,
    *,
    walled: tuple[bool, bool] = (False, False),
    theirs_first: bool = False,
    upload_limit: int = 0,
    **options: Any,
) -> AsyncIterator[tuple[Client, Other]]:
    """All three, in each other's branch of the distributed network if they can be.

    Args:
        program: ``aioslsk`` or ``nicotine``.
        folder: ``mine`` and ``theirs`` in it are shared; ``in`` takes our downloads.
        walled: whether our port and theirs cannot be reached.
        theirs_first: the other program logs in first and becomes a root.
        upload_limit: of theirs, in kB/s.
        options: for our client.
    """
    for name in ("mine", "theirs"):
        (folder / name).mkdir(exist_ok=True)
    async with server() as running:
        way = Way(
            program,
            running.port,
            folder / "theirs",
            free_port(),
            announced=free_port() if walled[1] else 0,
            upload_limit=upload_limit,
        )
        client = ours(running, folder, **options)
        async with contextlib.AsyncExitStack() as stack:
            if theirs_first:
                theirs = await stack.enter_async_context(other(way, "theirs", folder / "other"))
                # Nicotine+ 3.3.11 takes no children before the server has given it a search to spread.
                theirs.do("search", query="the very first")
            await client.start(log_in=False)
            stack.push_async_callback(client.close)
            if walled[0]:
                client.listening.announce(free_port())
            await client.server.start()
            if not theirs_first:
                theirs = await stack.enter_async_context(other(way, "theirs", folder / "other"))
            misbehaved: list[PeerMisbehaved] = []
            client.events.on(PeerMisbehaved, misbehaved.append)
            if not all(walled):
                await until(lambda: _related(client), "they are in one branch")
            yield client, theirs
            # Whatever they said could be read.
            assert misbehaved == []
            assert running.bad_messages == 0


def _related(client: Client) -> bool:
    figures = client.tree.figures
    return figures.parent == "theirs" or "theirs" in figures.children


async def until(true: Callable[[], bool], what: str, *, timeout: float = 30.0) -> None:
    """Wait until something is so."""
    try:
        async with asyncio.timeout(timeout):
            while not true():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise AssertionError(f"not within {timeout} seconds: {what}") from None


async def finished(client: Client, transfer: Transfer, theirs: Other, *, timeout: float = 60.0) -> Path:
    """Wait for a download of ours; its story is told if it does not come."""
    try:
        await until(lambda: transfer.state in (State.FINISHED, State.FAILED), "", timeout=timeout)
        assert transfer.state is State.FINISHED
    except AssertionError:
        story = await client.transfers.why(transfer.id)
        raise AssertionError(f"{story}\n{theirs.name} says:\n{theirs.log()}") from None
    assert transfer.local_path is not None
    return transfer.local_path


def fill(path: Path, size: int) -> str:
    """A file of that size that no other file resembles; its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = random.Random(path.name).randbytes(size)
    path.write_bytes(content)
    return hashlib.sha256(content).hexdigest()


def digest(path: Path | str) -> str:
    """The SHA-256 of a file."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
