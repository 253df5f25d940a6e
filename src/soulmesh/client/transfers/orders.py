"""Changing transfers from another process, whether or not a client is running.

A running client has the journal to itself; what others want of it they leave
there as an order, and it looks every second. When nobody runs, the change is
made in the journal at once and counts at the next start.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from soulmesh.client.transfers.journal import Journal, JournalInUse, Record
from soulmesh.client.transfers.layout import incomplete_name
from soulmesh.client.transfers.manager import IsFinished, NotPreferred, UnknownTransfer
from soulmesh.core.download import Download
from soulmesh.core.story import Chapter
from soulmesh.core.transfer import FINAL, Effect, Event, Moved, State
from soulmesh.core.upload import Upload
from soulmesh.errors import UsageError

__all__ = ["give_order"]

log = logging.getLogger(__name__)

_CHANGES = frozenset({"pause", "resume", "retry", "cancel", "forget"})
_CONCERNS = {
    "resume": frozenset({State.PAUSED}),
    "pause": frozenset(State) - FINAL,
    "cancel": frozenset(State) - FINAL,
}
"""Files of a batch in these states; ``retry`` is for all that are not here."""


async def give_order(
    path: Path, order: dict[str, Any], now: datetime, *, incomplete: Path | None = None
) -> bool:
    """Have an order carried out; true if it was done at once, false if a running client will.

    ``incomplete``: the folder of unfinished files, from which those go that are cancelled here.

    Raises:
        UnknownTransfer: there is no such transfer.
        IsFinished: it cannot be tried again.
        NotPreferred: an upload has no priority.
        UsageError: nobody runs, and this order needs somebody.
        JournalError: the journal cannot be used.
    """
    journal = Journal(path)
    try:
        await journal.open()
    except JournalInUse:
        journal = Journal(path, reading=True)
        await journal.open()
        try:
            if isinstance(order.get("id"), int):
                record = await journal.get(order["id"])
                if record is None:
                    raise UnknownTransfer(order["id"]) from None
                if order["verb"] == "priority":
                    _refuse_upload(record)
                if not record.batch:  # the folder of a batch may wait to be moved
                    _refuse_finished(record, order["verb"])
            about = order.get("id", order.get("batch", ""))
            journal.order(f"{now.isoformat()} {about} {order.get('path', '')}", order)
            await journal.committed()
        finally:
            await journal.close()
        return False
    try:
        cancelled = await _obey(journal, order, now)
        await journal.committed()
    finally:
        await journal.close()
    if incomplete is not None:
        await asyncio.to_thread(_remove_parts, incomplete, cancelled)
    return True


def _remove_parts(folder: Path, cancelled: list[Record]) -> None:
    for record in cancelled:
        part = folder / incomplete_name(record.username, record.remote_path)
        try:
            part.unlink(missing_ok=True)
        except OSError as error:
            log.warning("%s stays: %s", part, error)


async def _obey(journal: Journal, order: dict[str, Any], now: datetime) -> list[Record]:
    """Change the journal; the downloads that are cancelled now."""
    if order["verb"] not in _CHANGES and order["verb"] != "priority":
        raise UsageError(f"{order['verb']} needs a running client")
    if "goal" in order:
        await _drop_goal(journal, order["goal"])
    if "batch" in order:
        return await _obey_for_batch(journal, order, now)
    record = await journal.get(order["id"])
    if record is None:
        raise UnknownTransfer(order["id"])
    if order["verb"] == "priority":
        _refuse_upload(record)
        journal.put(replace(record, priority=order["priority"]))
        return []
    _refuse_finished(record, order["verb"])
    return _cancelled([_carry_out(journal, record, order["verb"], now)])


def _cancelled(records: Iterable[Record]) -> list[Record]:
    return [one for one in records if one.direction == "download" and one.state is State.CANCELLED]


async def _drop_goal(journal: Journal, goal: str) -> None:
    body = (await journal.kept("goal"))[goal]
    if body["state"] in ("under way", "failed"):
        body["state"] = "dropped"
        body["story"].append("cancelled")
        body["steps"].append({"code": "dropped"})
        journal.keep("goal", goal, body)


async def _obey_for_batch(journal: Journal, order: dict[str, Any], now: datetime) -> list[Record]:
    """The same for all files of a batch that are not here; ``forget`` takes it off the list."""
    kept = (await journal.kept("batch")).get(order["batch"], {})
    if order["verb"] == "forget":
        journal.keep("batch", order["batch"], None)
        return []
    concerned = _CONCERNS.get(order["verb"], frozenset(State)) - {State.FINISHED}
    return _cancelled(
        [
            _carry_out(journal, record, order["verb"], now)
            for record in await journal.of_batch(order["batch"])
            if record.id in kept.get("files", ()) and record.state in concerned
        ]
    )


def _carry_out(journal: Journal, record: Record, verb: str, now: datetime) -> Record:
    for moved in _change(record, verb):
        journal.note(record.id, Chapter(now, moved.event, moved.new, moved.reason, moved.detail))
        over = moved.new in (State.CANCELLED, State.FAILED)
        record = replace(
            record,
            state=moved.new,
            reason=moved.reason,
            deadline=None,
            attempts=0,
            ended=now.timestamp() if over else None,
        )
    journal.put(record)
    return record


def _refuse_finished(record: Record, verb: str) -> None:
    if verb == "retry" and record.state is State.FINISHED:
        name = record.remote_path.rpartition("\\")[2]
        raise IsFinished(name, record.local_path, download=record.direction == "download")


def _refuse_upload(record: Record) -> None:
    if record.direction != "download":
        raise NotPreferred(record.id)


def _change(record: Record, verb: str) -> list[Moved]:
    machine: Download | Upload = Download() if record.direction == "download" else Upload()
    machine.state = record.state
    if (machine.state, _EVENTS[verb]) not in machine.table:
        return []
    effects: list[Effect] = getattr(machine, verb)(0.0)
    return [effect for effect in effects if isinstance(effect, Moved)]


_EVENTS = {
    "pause": Event.PAUSED,
    "resume": Event.RESUMED,
    "retry": Event.RETRIED,
    "cancel": Event.CANCELLED,
}
