"""What the settings file says, in the words of the client: for the daemon and for commands that go online."""

from __future__ import annotations

from dataclasses import replace

from soulmesh.client.settings import GENTLE, ClientSettings
from soulmesh.client.transfers import Layout, Sync, TransferSettings
from soulmesh.config import Settings, parse_pace
from soulmesh.core.pacing import Rate
from soulmesh.core.rendezvous import Order as LinkOrder
from soulmesh.core.retry import RetryPolicy
from soulmesh.core.upload_queue import DEFAULT_GROUPS, Order, QueueRules

__all__ = ["client_settings", "transfer_settings"]


def client_settings(settings: Settings) -> ClientSettings:
    """What the settings say of links, searches and the pace."""
    network, behaviour = settings.network, settings.client
    return ClientSettings(
        order=LinkOrder(network.connect),
        obfuscate=network.obfuscate,
        obfuscated_port=network.obfuscated_port,
        listen_host=network.listen_host,
        results_per_answer=behaviour.results_per_answer,
        accept_children=behaviour.accept_children,
        rates=_rates(settings) if settings.governor.enabled else {},
    )


def _rates(settings: Settings) -> dict[str, Rate]:
    """What the governor allows; of each subject the same share is kept for people."""
    rates = {}
    for subject, gentle in GENTLE.items():
        count, seconds = parse_pace(getattr(settings.governor, subject))
        rates[subject] = Rate(count, seconds, reserve=count * gentle.reserve // gentle.count)
    return rates


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
        downloads=down.folder.expanduser().absolute(),
        incomplete=down.incomplete,
        layout=Layout(down.layout),
        sync=Sync.FINISHED if down.sync else Sync.NEVER,
        verify=down.verify,
        accept_pushes=down.accept_pushes,
        reserve=down.reserve_mib << 20,
        retries=RetryPolicy() if up.retry else RetryPolicy(rules={}),
        queue=rules,
        upload_limit=_bytes(up.upload_limit_kib),
        download_limit=_bytes(up.download_limit_kib),
        schedule=tuple(up.schedule),
    )


def _bytes(kib: int | None) -> int | None:
    return kib * 1024 if kib else None
