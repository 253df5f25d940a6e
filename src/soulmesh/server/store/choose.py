"""Which store the settings ask for."""

from __future__ import annotations

import asyncio
import importlib.util
from pathlib import Path

from soulmesh.errors import ConfigError, SoulmeshError
from soulmesh.server.folder import FolderInUse, lock
from soulmesh.server.store.sql import SqlStore
from soulmesh.server.store.sqlite import SqliteStore

__all__ = ["DriverMissing", "open_store", "store_is_free"]

_SCHEMES = ("postgresql", "postgres")


class DriverMissing(SoulmeshError):
    """What a setting asks for needs the package ``package``, which comes with the extra ``extra``."""

    def __init__(self, setting: str, package: str, extra: str) -> None:
        self.setting = setting
        self.package = package
        self.hint = f"install it with: pip install 'soulmesh[{extra}]'"

    def __str__(self) -> str:
        return f"{self.setting} needs a package that is not installed ({self.package})"


def open_store(
    url: str, path: Path, loop: asyncio.AbstractEventLoop | None, *, reads_only: bool = False
) -> SqlStore:
    """The store at ``url``; empty is the SQLite file ``path``. Blocks: for a thread, or for a start.

    ``reads_only`` reads beside a running server.

    Raises:
        ConfigError: the address is none that there is a store for.
        DriverMissing: the package for it is not installed.
        StoreUnusable, StoreInUse: see :mod:`soulmesh.server.store.errors`.
    """
    if not url:
        return SqliteStore(path, loop)
    scheme, _, rest = url.partition("://")
    if scheme not in _SCHEMES:
        raise ConfigError(
            f"store.url must begin with postgresql:// or be empty, and not with {scheme[:20]!r}"
        )
    if importlib.util.find_spec("asyncpg") is None:
        raise DriverMissing("store.url", "asyncpg", "postgres")
    from soulmesh.server.store.postgres import PostgresStore

    return PostgresStore(f"postgresql://{rest}", loop, reads_only=reads_only)


def store_is_free(url: str, folder: Path) -> bool:
    """Whether no process works on the store: the database at ``url``, or the data folder if that is empty.

    Blocks: for a thread. What cannot be asked counts as taken.
    """
    if url:
        from soulmesh.server.store.postgres import is_free

        return is_free(url)
    try:
        lock(folder).close()
    except (FolderInUse, OSError):
        return False
    return True
