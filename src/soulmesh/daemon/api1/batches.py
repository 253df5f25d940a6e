"""Batches over ``/api/v1``: files that belong together, their folder, and how far it is."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import BaseModel, Field, StringConstraints

from soulmesh.client.transfers.batches import Batch, Batches
from soulmesh.daemon.api0.transfers import destination_below
from soulmesh.daemon.api1 import models
from soulmesh.daemon.api1.common import client_of, cut, see_that_they_stay
from soulmesh.daemon.api1.operations import Body, Operation, Page
from soulmesh.daemon.api1.transfers import ENDED, ended_model
from soulmesh.daemon.batch_rows import batch_row
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.routing import Access
from soulmesh.daemon.rows import moment, record_row, transfer_row
from soulmesh.daemon.service import Service

__all__ = ["operations"]

Ending = Annotated[str, StringConstraints(min_length=1, max_length=16)]


class NewBatch(Body):
    """Files of one user that belong together."""

    username: models.Name
    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    files: Annotated[list[models.Wanted], Field(min_length=1, max_length=10_000)]
    destination: Annotated[str, StringConstraints(max_length=1000)] | None = None
    """A folder below the downloads; by default one that is called ``name``."""
    whole: bool = False
    """Let it appear only when it is complete."""
    may_miss: Annotated[list[Ending], Field(max_length=50, default_factory=list)]
    """Kinds of files that it can do without: ``jpg``, ``txt``."""
    priority: models.Precedence = 0


class BatchRow(BaseModel):
    """Files that are wanted together, and how far they are."""

    id: str
    name: str
    added: str | None
    state: str
    """``under way``, ``paused``, ``held back`` (all is here, but not where it is wanted), ``failed``
    (nothing of it goes on by itself), ``finished``."""
    moving: bool
    """All that a whole folder needs is here, and on its way to ``destination`` right now."""
    reason: str
    """Why it is held back, or what became of its folder."""
    next_try: str | None
    """When it is moved again, if it is held back."""
    destination: str
    whole: bool
    may_miss: list[str]
    users: list[str]
    files: int
    files_here: int
    size: int
    """Bytes of all files whose size is known."""
    done: int


class BatchRows(BaseModel):
    """All batches, the newest first."""

    items: list[BatchRow]
    next: str | None = None


class _Batches:
    """The work."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def _batches(self) -> Batches:
        return client_of(self._service).transfers.batches

    async def all(self, _call: Call, query: Page, _body: None) -> dict[str, Any]:
        page, more = cut(list(self._batches)[::-1], query)
        return {"items": await self._rows(page), **more}

    async def one(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        return await self._row(self._batch(call))

    async def files(self, call: Call, query: Page, _body: None) -> dict[str, Any]:
        batch = self._batch(call)
        [files] = (await self._files([batch])).values()
        page, more = cut(files, query)
        return {"items": page, **more}

    async def want(self, _call: Call, _query: None, body: NewBatch) -> dict[str, Any]:
        target = destination_below(self._service, body.destination) if body.destination else None
        paths = [file.path for file in body.files]
        if len(set(paths)) < len(paths):
            raise HttpError(422, "body.files: the same path more than once")
        see_that_they_stay(paths, "body.files")
        names = await self._service.ledger.remembered(body.username, paths)
        batch = await self._batches.make(
            [(body.username, names.get(file.path, file.name), file.size) for file in body.files],
            name=body.name,
            destination=target,
            whole=body.whole,
            may_miss=body.may_miss,
            priority=body.priority,
            lengths={names.get(f.path, f.path): f.length for f in body.files if f.length},
        )
        return await self._row(batch)

    async def pause(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        batch = self._unfinished(call)
        self._batches.pause(batch)
        return await self._row(batch)

    async def resume(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        batch = self._unfinished(call)
        self._batches.resume(batch)
        return await self._row(batch)

    async def retry(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        batch = self._unfinished(call)
        await self._batches.retry(batch)
        return await self._row(batch)

    async def cancel(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        batch = self._unfinished(call)
        await self._batches.cancel(batch)
        return await self._row(batch)

    async def forget(self, call: Call, _query: None, _body: None) -> None:
        batch = self._batch(call)
        self._batches.forget(batch)
        # What the other API keeps of it beside.
        self._service.store.post(lambda db: db.execute("DELETE FROM batches WHERE id = ?", (batch.id,)))

    def _batch(self, call: Call) -> Batch:
        found = self._batches.get(call.path["id"])
        if found is None:
            raise HttpError(404, "There is no such batch")
        return found

    def _unfinished(self, call: Call) -> Batch:
        batch = self._batch(call)
        if batch.finished:
            raise HttpError(409, "The batch is finished")
        return batch

    async def _files(self, batches: Sequence[Batch]) -> dict[str, list[dict[str, Any]]]:
        """The transfers of each batch, in its order: the client's, and those that it has forgotten."""
        transfers = self._service.engine.transfers
        known = {batch.id: self._batches.transfers(batch) for batch in batches}
        forgotten = [batch for batch in batches if len(known[batch.id]) < len(batch.files)]
        files: dict[str, list[dict[str, Any]]] = defaultdict(list)
        if forgotten:
            here = {transfer.uuid for found in known.values() for transfer in found}
            for batch, rows in zip(forgotten, await self._ended(forgotten), strict=True):
                files[batch.id] = [row for row in rows if row["id"] not in here]
        for key, found in known.items():
            files[key] += [transfer_row(transfer, transfers.place(transfer)) for transfer in found]
        return files

    async def _ended(self, batches: Sequence[Batch]) -> list[list[dict[str, Any]]]:
        """What is over of each: as we keep it, or as the journal does from a time without a daemon."""

        def read(db: sqlite3.Connection) -> list[Any]:
            marks = ", ".join("?" * len(batches))
            keys = [batch.id for batch in batches]
            return db.execute(f"{ENDED} WHERE batch IN ({marks}) ORDER BY number", keys).fetchall()

        kept: dict[str, dict[str, Any]] = defaultdict(dict)
        for row in await self._service.store.run(read):
            kept[row[13]][row[1]] = row
        found = []
        for batch in batches:
            records = await self._batches.records(batch)
            numbers = {record.uuid: record.id for record in records}
            # Those of a source that failed have made room for others.
            left = {record.uuid for record in records if record.id not in batch.files}
            rows = [
                ended_model(row, numbers.get(key)) for key, row in kept[batch.id].items() if key not in left
            ]
            known = left | kept[batch.id].keys()
            rows += [record_row(record) for record in records if record.uuid not in known]
            found.append(rows)
        return found

    async def _row(self, batch: Batch) -> dict[str, Any]:
        return (await self._rows([batch]))[0]

    async def _rows(self, batches: Sequence[Batch]) -> list[dict[str, Any]]:
        files = await self._files(batches)
        return [_row(batch, files[batch.id], self._batches.moving(batch)) for batch in batches]


def _row(batch: Batch, files: Sequence[dict[str, Any]], moving: bool) -> dict[str, Any]:
    times = {"added": moment(batch.added or None), "next_try": moment(batch.next_try)}
    return batch_row(batch, files, moving=moving) | times


def operations(service: Service) -> list[Operation]:
    """What is served here."""
    work = _Batches(service)
    one = "/batches/{id}"

    def change(path: str, told: str, what: Any, **more: Any) -> Operation:
        return Operation("POST", path, told, what, BatchRow, Access.WRITE, refusals=(409, 503), **more)

    files = [{"path": "music\\album\\01.flac", "size": 31457280, "length": 241}]
    new = {"username": "quiet.harbor", "name": "Tidal Maps", "files": files, "whole": True}
    return [
        Operation(
            "GET",
            "/batches",
            "Files that are wanted together: folders, albums, lists",
            work.all,
            BatchRows,
            query=Page,
            refusals=(503,),
        ),
        change(
            "/batches", "Want files that belong together", work.want, body=NewBatch, status=201, example=new
        ),
        Operation("GET", one, "One batch", work.one, BatchRow, refusals=(503,)),
        Operation(
            "GET", f"{one}/files", "Its files", work.files, models.Transfers, query=Page, refusals=(503,)
        ),
        change(f"{one}/pause", "Let all of it rest", work.pause),
        change(f"{one}/resume", "Go on with what rests", work.resume),
        change(f"{one}/retry", "Try now what waits or has failed, and the move of its folder", work.retry),
        change(f"{one}/cancel", "Give up what is not here yet; what is here stays", work.cancel),
        Operation(
            "DELETE",
            one,
            "List it no more; its transfers stay",
            work.forget,
            access=Access.WRITE,
            status=204,
            refusals=(503,),
        ),
    ]
