"""A client as the settings describe it, for commands that go online themselves."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from soulmesh.cli.account import credentials
from soulmesh.client.client import Client
from soulmesh.client.reach import Reach
from soulmesh.client.transfers import Layout, Sync, TransferSettings
from soulmesh.config import Settings
from soulmesh.core.upload_queue import DEFAULT_GROUPS, Order, QueueRules

__all__ = ["journal_path", "open_client", "transfer_settings"]


def journal_path(settings: Settings) -> Path:
    """Where the client keeps its transfers."""
    return settings.daemon.data.expanduser() / "transfers.sqlite"


def transfer_settings(settings: Settings) -> TransferSettings:
    """What the settings say of transfers.

    Raises:
        ConfigError: the layout or the schedule cannot be read.
    """
    down, up = settings.downloads, settings.transfers
    default = replace(
        DEFAULT_GROUPS["default"],
        max_files=up.queue_files or None,
        max_bytes=up.queue_megabytes * 1_000_000 or None,
    )
    rules = QueueRules(up.upload_slots, Order(up.upload_order), {**DEFAULT_GROUPS, "default": default})
    return TransferSettings(
        downloads=down.folder.expanduser(),
        incomplete=down.incomplete,
        layout=Layout(down.layout),
        sync=Sync.FINISHED if down.sync else Sync.NEVER,
        verify=down.verify,
        accept_pushes=down.accept_pushes,
        reserve=down.reserve_mib << 20,
        queue=rules,
        upload_limit=_bytes(up.upload_limit_kib),
        download_limit=_bytes(up.download_limit_kib),
        schedule=tuple(up.schedule),
    )


def _bytes(kib: int | None) -> int | None:
    return kib * 1024 if kib else None


@asynccontextmanager
async def open_client(
    settings: Settings, *, shares: Sequence[Path] | None = None, data: Path | None = None
) -> AsyncIterator[Client]:
    """A client that is logged in, until the block is left.

    ``shares`` are folders to share instead of those of the settings, ``data``
    another place to keep what must be remembered.

    Raises:
        LoginRefused, ServerUnreachable, ConfigError, JournalInUse: it cannot be.
    """
    account = credentials(settings)
    client = Client(
        account.username,
        account.password,
        server=(account.host, account.port),
        shares=list(shares) if shares is not None else list(settings.shares.folders),
        downloads=settings.downloads.folder.expanduser(),
        listen_port=settings.network.listen_port,
        reach=Reach.of(settings.network),
        transfers=transfer_settings(settings),
        data=data or settings.daemon.data.expanduser(),
    )
    async with client:
        yield client
