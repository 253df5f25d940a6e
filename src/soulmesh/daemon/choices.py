"""What the settings file says, in the words of the client: for the daemon and for commands that go online."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from soulmesh.client.filters import Filter, FilterError
from soulmesh.client.settings import GENTLE, ClientSettings
from soulmesh.client.transfers import Layout, Sync, TransferSettings
from soulmesh.config import Settings, Transfers, UploadGroup, parse_pace
from soulmesh.core.pacing import Rate
from soulmesh.core.rendezvous import Order as LinkOrder
from soulmesh.core.retry import RetryPolicy
from soulmesh.core.upload_queue import DEFAULT_GROUPS, Group, Order, QueueRules
from soulmesh.errors import ConfigError

__all__ = ["changed_rules", "client_settings", "queue_rules", "transfer_settings"]


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
    return TransferSettings(
        downloads=down.folder.expanduser().absolute(),
        incomplete=down.incomplete,
        layout=Layout(down.layout, portable=down.portable_names),
        sync=Sync.FINISHED if down.sync else Sync.NEVER,
        verify=down.verify,
        decode=down.decode,
        accept_pushes=down.accept_pushes,
        other_sources=down.other_sources,
        better_source=_filter(down.better_source),
        better_after=down.better_after_minutes * 60,
        patience=down.patience_minutes * 60,
        away=down.away_minutes * 60,
        reserve=down.reserve_mib << 20,
        retries=RetryPolicy() if up.retry else RetryPolicy(rules={}),
        queue=queue_rules(up),
        upload_limit=_bytes(up.upload_limit_kib),
        download_limit=_bytes(up.download_limit_kib),
        schedule=tuple(up.schedule),
        min_upload_speed=up.min_upload_kib * 1024,
    )


def queue_rules(given: Transfers) -> QueueRules:
    """The rules of the upload queue."""
    default = replace(
        DEFAULT_GROUPS["default"],
        max_files=given.queue_files or None,
        max_bytes=given.queue_megabytes * 1_000_000 or None,
    )
    groups = {**DEFAULT_GROUPS, "default": default}
    for name, group in given.groups.items():
        groups[name] = _group(group, groups.get(name, default))
    return QueueRules(
        given.upload_slots, Order(given.upload_order), groups, given.leech_files, given.leech_folders
    )


def _filter(text: str) -> str:
    if text:
        try:
            Filter.parse(text)
        except FilterError as error:
            raise ConfigError(f"downloads.better_source: {error.reason}: {text}") from None
    return text


def changed_rules(given: Transfers, changes: Mapping[str, Any]) -> QueueRules:
    """The rules as they are, but for some keys of the section ``[transfers]``: to try them.

    What is not said stays, also within ``groups``: other groups, and of a group what is not said of it.

    Raises:
        ConfigError: a key is unknown or a value wrong.
    """
    now = given.model_dump()
    wanted = {**now, **changes}
    if isinstance(groups := changes.get("groups"), Mapping):
        before = now["groups"]
        wanted["groups"] = before | {
            name: {**before.get(name, {}), **said} if isinstance(said, Mapping) else said
            for name, said in groups.items()
        }
    try:
        return queue_rules(Transfers(**wanted))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        what = "unknown setting" if problem["type"] == "extra_forbidden" else problem["msg"]
        raise ConfigError(f"transfers.{where}: {what}") from None


def _group(said: UploadGroup, otherwise: Group) -> Group:
    def limit(number: int | None, before: int | None) -> int | None:
        return before if number is None else number or None

    size = None if said.queue_megabytes is None else said.queue_megabytes * 1_000_000
    speed = None if said.speed_kib is None else said.speed_kib * 1024
    return Group(
        tier=otherwise.tier if said.tier is None else said.tier,
        weight=said.weight or otherwise.weight,
        slots=limit(said.slots, otherwise.slots),
        slots_per_user=said.slots_per_user or otherwise.slots_per_user,
        max_files=limit(said.queue_files, otherwise.max_files),
        max_bytes=limit(size, otherwise.max_bytes),
        speed_limit=limit(speed, otherwise.speed_limit),
        users=frozenset(said.users) or otherwise.users,
    )


def _bytes(kib: int | None) -> int | None:
    return kib * 1024 if kib else None
