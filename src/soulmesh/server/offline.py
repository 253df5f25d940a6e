"""The data folder without a server: commands that work when none runs."""

# ruff: noqa: ASYNC240  # one command, and nobody else who waits

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from random import Random

from soulmesh.errors import NotFound, UsageError
from soulmesh.net.world import World
from soulmesh.server import folder
from soulmesh.server.accounts import Passwords
from soulmesh.server.admin import Answer
from soulmesh.server.app import Parts
from soulmesh.server.control import ask
from soulmesh.server.realm import Realm
from soulmesh.server.settings import Settings
from soulmesh.server.state import Outbox
from soulmesh.server.store import Store
from soulmesh.server.store.choose import open_store
from soulmesh.server.transfer import export_lines, import_lines

__all__ = ["administrate", "backup", "export_data", "import_data"]

CONSOLE = "console"
"""Who the audit log says it was."""


async def administrate(data: Path, settings: Settings, words: list[str]) -> Answer:
    """Have the running server do it, or do it on the folder itself if none runs.

    Raises:
        UsageError, NotFound: as the command says.
        FolderInUse: a server runs and does not answer.
    """
    answer = await ask(data, CONSOLE, words)
    if answer is not None:
        return answer
    # What is wrong with the folder is told when the server starts; a command has its own matter to speak of.
    folder.prepare(data)
    lock = folder.lock(data)
    loop = asyncio.get_running_loop()
    try:
        store = _open(data, settings)
    except BaseException:
        lock.close()
        raise
    try:
        world = World.real()
        secret = world.random.randbytes(32)
        outbox = Outbox(loop, store)
        realm = Realm(settings, store, outbox, lambda: world.wall_clock().timestamp(), Random(secret))
        realm.load()
        parts = Parts(realm, Passwords(settings.accounts, secret), loop)
        answer = await parts.admin.run(CONSOLE, words)
        parts.passwords.close()
        return answer
    finally:
        await store.close()
        lock.close()


def _open(data: Path, settings: Settings) -> Store:
    return open_store(settings.store.url, data / folder.DATABASE, asyncio.get_running_loop())


def _read(data: Path, settings: Settings) -> Store:
    """The store for reading, a server may run on it meanwhile."""
    path = data / folder.DATABASE
    if not settings.store.url and not path.exists():
        raise NotFound(f"no server has kept anything in {data} yet")
    return open_store(settings.store.url, path, asyncio.get_running_loop(), reads_only=True)


async def backup(data: Path, settings: Settings, target: Path) -> None:
    """A complete copy of the database, whether a server runs or not: see :meth:`Store.backup`.

    Raises:
        NotFound: there is nothing to copy.
        UsageError: the target is there already, or cannot be written.
    """
    if target.exists():
        raise UsageError(f"{target} exists; a backup never overwrites")
    answer = await ask(data, CONSOLE, ["backup", "--", str(target.absolute())])
    if answer is not None:
        target.chmod(0o600)
        return
    store = _read(data, settings)
    try:
        await store.backup(str(target))
        target.chmod(0o600)
    except Exception as error:
        raise UsageError(f"cannot write {target}: {getattr(error, 'orig', error)}") from error
    finally:
        await store.close()


async def export_data(data: Path, settings: Settings) -> list[str]:
    """Everything that is committed, as JSON lines.

    Raises:
        NotFound: there is nothing.
    """
    store = _read(data, settings)
    try:
        return list(export_lines(store))
    finally:
        await store.close()


async def import_data(data: Path, settings: Settings, lines: Iterable[str]) -> dict[str, int]:
    """Put JSON lines into the folder of a server that does not run.

    Raises:
        FolderInUse: it runs.
        BadLine: a line makes no sense; nothing is imported.
    """
    folder.prepare(data)
    lock = folder.lock(data)
    try:
        store = _open(data, settings)
    except BaseException:
        lock.close()
        raise
    try:
        return import_lines(store, lines, Passwords(settings.accounts, b"import").make_now)
    finally:
        await store.close()
        lock.close()
