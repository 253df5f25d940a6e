"""Transfers over ``/api/v1``: lists by cursor, wishes, why, and previews of files that are not whole yet."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
import os
import re
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, BinaryIO

from starlette.responses import Response, StreamingResponse

from soulmesh.client.transfers.journal_file import told
from soulmesh.client.transfers.transfer import Transfer
from soulmesh.core.reasons import reason_code
from soulmesh.core.transfer import State
from soulmesh.daemon.api0.transfers import destination_below
from soulmesh.daemon.api1 import models
from soulmesh.daemon.api1.common import see_that_they_stay
from soulmesh.daemon.api1.operations import Operation, cursor, read_cursor
from soulmesh.daemon.choices import changed_rules
from soulmesh.daemon.engine import ClientEngine
from soulmesh.daemon.http.call import Call, guid
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.ranges import part_of
from soulmesh.daemon.http.replies import instant
from soulmesh.daemon.http.routing import Access
from soulmesh.daemon.ledger import Wanted
from soulmesh.daemon.rows import moment, transfer_row
from soulmesh.daemon.service import Service
from soulmesh.errors import ConfigError, SoulmeshError
from soulmesh.wire import text

__all__ = ["ENDED", "ended_model", "operations"]

PIECE = 256 * 1024
_HEAD = 4096
"""Bytes at its beginning that tell one unfinished file from another."""
SHOWN_INSIDE = ("audio/", "video/", "image/png", "image/jpeg", "image/gif", "image/webp")
"""Kinds of files that a browser may show; everything else is only to be saved."""


ENDED = (
    "SELECT number, id, direction, username, filename, size, done, state, exception, speed, requested,"
    " started, ended, batch, local_path FROM transfers"
)
_ENDS = {"Succeeded": State.FINISHED.value, "Cancelled": State.CANCELLED.value}


def ended_model(row: Any, number: int | None) -> dict[str, Any]:
    """A transfer that is over, from a row of :data:`ENDED`."""
    (
        _,
        key,
        direction,
        username,
        name,
        size,
        done,
        state,
        reason,
        speed,
        added,
        started,
        ended,
        batch,
        path,
    ) = row
    return {
        "id": key,
        "number": number,
        "direction": direction,
        "username": username,
        "path": text(name),
        "size": size,
        "done": done,
        "state": _ENDS.get(state.partition(", ")[2], State.FAILED.value),
        "reason": reason or "",
        "reason_code": reason_code(reason or ""),
        "place": None,
        "speed": speed,
        "seconds_left": None,
        "attempts": 0,
        "added": moment(added),
        "started": moment(started),
        "ended": moment(ended),
        "batch": batch,
        "local_path": told(path),
        "priority": 0,
    }


class _Transfers:
    """The work."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._ledger = service.ledger

    async def running(self, _call: Call, query: models.TransferPage, _body: None) -> dict[str, Any]:
        place = read_cursor(query.cursor, str, str)
        found = sorted(
            self._ledger.running(query.direction),
            key=lambda transfer: (transfer.added.isoformat(), transfer.uuid),
        )
        if place is not None:
            found = [transfer for transfer in found if (transfer.added.isoformat(), transfer.uuid) > place]
        page = found[: query.limit]
        more = cursor(page[-1].added.isoformat(), page[-1].uuid) if len(found) > len(page) else None
        return {"items": [self._model(transfer) for transfer in page], "next": more}

    async def history(self, _call: Call, query: models.TransferPage, _body: None) -> dict[str, Any]:
        place = read_cursor(query.cursor, int)
        before = place[0] if place else (1 << 62)

        def read(db: sqlite3.Connection) -> list[Any]:
            return db.execute(
                f"{ENDED} WHERE number < ? AND removed = 0 AND (? IS NULL OR direction = ?)"
                " ORDER BY number DESC LIMIT ?",
                (before, query.direction, query.direction, query.limit),
            ).fetchall()

        rows = await self._service.store.run(read)
        more = cursor(rows[-1][0]) if len(rows) == query.limit else None
        numbers = await self._service.engine.transfers.numbers(row[1] for row in rows)
        return {"items": [ended_model(row, numbers.get(row[1])) for row in rows], "next": more}

    async def one(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        key = _id(call)
        live = self._ledger.find_live(key)
        if live is not None:
            return self._model(live)
        numbers = await self._service.engine.transfers.numbers([key])
        return ended_model(await self._ended(key), numbers.get(key))

    async def download(self, _call: Call, _query: None, body: models.NewDownload) -> dict[str, Any]:
        folder = None
        if body.destination:
            folder = str(destination_below(self._service, body.destination))
        files = [Wanted(file.name, file.size) for file in body.files]
        if len({file.filename for file in files}) < len(files):
            raise HttpError(422, "body.files: the same path more than once")
        see_that_they_stay((file.filename for file in files), "body.files")
        try:
            taken, failed = await self._ledger.enqueue(
                body.username,
                files,
                folder=folder,
                lengths={file.path: file.length for file in body.files if file.length},
                same=True,
                priority=body.priority,
            )
        except HttpError as error:
            offline = error.message is not None and error.message.endswith("appears to be offline")
            raise HttpError(404 if offline else 503, error.message) from None
        return {
            "taken": [form["id"] for form in taken],
            "refused": [{"path": failure.filename, "reason": failure.message} for failure in failed],
        }

    def change(self, name: str) -> Callable[[Call, None, None], Any]:
        """Pause, resume or retry."""

        async def work(call: Call, _query: None, _body: None) -> dict[str, Any]:
            number = self._number(_id(call))
            transfers = _client(self._service).transfers
            transfer: Transfer = getattr(transfers, name)(number)
            return self._model(transfer)

        return work

    async def cancel(self, call: Call, query: models.GivingUp, _body: None) -> None:
        key = _id(call)
        if self._ledger.find_live(key) is None:
            await self._ended(key)
        await self._ledger.cancel(key, remove=False, keep_part=query.keep_part)

    async def remove(self, call: Call, _query: None, _body: None) -> None:
        key = _id(call)
        if self._ledger.find_live(key) is None:
            await self._ended(key)
        await self._ledger.cancel(key, remove=True)

    async def clear(self, _call: Call, query: models.Direction, _body: None) -> None:
        for direction in ("download", "upload"):
            if query.direction in (None, direction):
                await self._ledger.clear(direction)
        self._service.hub.tell("transfer.cleared", {"direction": query.direction})

    async def folder(self, _call: Call, _query: None, body: models.WantedFolder) -> dict[str, Any]:
        client = _client(self._service)
        username = body.username
        if (await self._service.engine.user_status(username)).presence == "Offline":
            raise HttpError(404, f"{username} is offline")
        target = destination_below(self._service, body.destination) if body.destination else None
        names = await self._ledger.remembered(username, [body.folder])
        batch = await client.transfers.batches.folder(
            username,
            names.get(body.folder, body.name),
            destination=target,
            whole=body.whole,
            may_miss=body.may_miss,
            priority=body.priority,
        )
        taken = [transfer.uuid for transfer in client.transfers.batches.transfers(batch)]
        return {"batch": batch.id, "taken": taken}

    async def priority(self, call: Call, _query: None, body: models.Priority) -> dict[str, Any]:
        number = self._number(_id(call))
        return self._model(_client(self._service).transfers.set_priority(number, body.priority))

    async def act(self, _call: Call, _query: None, body: models.Action) -> dict[str, Any]:
        """The same for many; one that cannot does not keep the others."""
        done: list[str] = []
        refused: list[dict[str, str]] = []
        for key in dict.fromkeys(body.ids):
            try:
                if body.action in ("cancel", "remove"):
                    if self._ledger.find_live(key) is None:
                        await self._ended(key)
                    await self._ledger.cancel(key, remove=body.action == "remove")
                else:
                    getattr(_client(self._service).transfers, body.action)(self._number(key))
                done.append(key)
            except (HttpError, SoulmeshError) as error:
                refused.append({"id": key, "reason": str(error) or "There is no such transfer"})
        return {"done": done, "refused": refused}

    async def why(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        key = _id(call)
        number = (await self._service.engine.transfers.numbers([key])).get(key)
        if number is None:
            # Over, and forgotten by the client and its journal: what is left is how it ended.
            row = ended_model(await self._ended(key), None)
            reason = row["reason"]
            params = {"reason": reason, "reason_code": reason_code(reason)} if reason else {}
            code = f"{row['direction']}.{State(row['state']).name.lower()}"
            head = {"now": reason or row["state"], "past": []}
            return {**head, "code": code, "params": {"user": row["username"], **params}, "steps": []}
        story = await _client(self._service).transfers.why(number)
        return {
            "now": story.now,
            "past": story.past,
            "code": story.fact.code,
            "params": story.fact.params,
            "until": instant(story.fact.at),
            "steps": [{"at": instant(one.at), "code": one.code, "params": one.params} for one in story.facts],
        }

    async def elsewhere(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        client = _client(self._service)
        number = self._number(_id(call))
        return self._model(await client.sources.take(client.transfers.get(number)))

    async def try_rules(self, _call: Call, _query: None, body: models.RuleTrial) -> dict[str, Any]:
        try:
            rules = changed_rules(self._service.settings.transfers, body.rules)
        except ConfigError as error:
            raise HttpError(422, f"body.rules: {error}") from None
        trial = await _client(self._service).transfers.try_rules(rules, days=body.days)
        return {
            "items": [lot.row() for lot in trial.lots],
            "requests": trial.requests,
            "refused": trial.refused,
            "begin": moment(trial.begin or None),
            "end": moment(trial.end or None),
        }

    async def push(self, _call: Call, _query: None, body: models.NewUpload) -> dict[str, Any]:
        transfers = _client(self._service).transfers
        taken: list[str] = []
        refused: list[dict[str, str]] = []
        names = await self._ledger.remembered(body.username, body.paths)
        for path in dict.fromkeys(body.paths):
            try:
                taken.append((await transfers.push(body.username, names.get(path, path))).uuid)
            except SoulmeshError as error:
                refused.append({"path": path, "reason": str(error)})
        return {"taken": taken, "refused": refused}

    async def content(self, call: Call, _query: None, _body: None) -> Response:
        key = _id(call)
        live = self._ledger.find_live(key)
        if live is not None:
            if not live.is_download:
                raise HttpError(404, "Only downloads can be looked into")
            path = _client(self._service).transfers.downloads.part_path(live)
            name, whole = live.name, live.size
        else:
            row = await self._ended(key)
            if row[2] != "download" or not row[14]:
                raise HttpError(404, "There is no file")
            path, name, whole = Path(row[14]), Path(row[14]).name, row[5]
        return await _ranged(call, path, name, whole, growing=live is not None)

    def _model(self, transfer: Transfer) -> dict[str, Any]:
        return transfer_row(transfer, self._service.engine.transfers.place(transfer))

    def _number(self, key: str) -> int:
        number = self._ledger.number(key)
        if number is None:
            raise HttpError(404, "There is no such transfer under way")
        return number

    async def _ended(self, key: str) -> Any:
        row = await self._service.store.run(lambda db: db.execute(f"{ENDED} WHERE id = ?", (key,)).fetchone())
        if row is None:
            raise HttpError(404, "There is no such transfer")
        return row


def _id(call: Call) -> str:
    found = guid(call.path["id"])
    if found is None:
        raise HttpError(404, "There is no such transfer")
    return found


def _client(service: Service) -> Any:
    if not isinstance(service.engine, ClientEngine):
        raise HttpError(503, "The client is not there")
    return service.engine.client


def _look(path: Path, growing: bool) -> tuple[int, str]:
    """How much of a file is on disk, and its entity tag: that of a part stays while it grows."""
    with path.open("rb") as file:
        stat = os.fstat(file.fileno())
        head = hashlib.blake2b(file.read(_HEAD), digest_size=8).hexdigest()
    # A part begun anew may have the old one's number: its beginning tells them apart.
    known = head if stat.st_size >= _HEAD else stat.st_size
    return stat.st_size, f'"{stat.st_ino:x}-{known if growing else f"{stat.st_mtime_ns:x}-{stat.st_size:x}"}"'


async def _ranged(call: Call, path: Path, name: str, whole: int | None, *, growing: bool) -> Response:
    """A part of a file, as far as it is on disk; only single ranges."""
    try:
        here, tag = await asyncio.to_thread(_look, path, growing)
    except OSError:
        raise HttpError(404, "Nothing of it is on disk yet") from None
    if not growing:
        whole = here
    elif whole is not None:
        whole = max(whole, here)
    asked = call.request.headers
    part = part_of(asked.get("range"), asked.get("if-range"), tag, here, whole)
    if part.status == 416:
        # What is not here yet may come.
        later = {"retry-after": "2"} if growing else {}
        raise HttpError(416, None, {"content-range": part.content_range or "", "etag": tag, **later})
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    shown = kind.startswith(SHOWN_INSIDE)
    safe = re.sub(r"[^A-Za-z0-9._ ()-]", "_", name)
    headers = {
        "accept-ranges": "bytes",
        "content-length": str(part.length),
        "etag": tag,
        "content-disposition": f'{"inline" if shown else "attachment"}; filename="{safe}"',
        # Whatever strangers put into a file, it is no page of ours: no script, no form, no origin. The
        # browser's own player of a sound is such a page; it may have the file itself, and its own looks.
        "content-security-policy": "default-src 'none'; media-src 'self'; style-src 'unsafe-inline'; sandbox",
        "x-soulmesh-whole-size": str(whole if whole is not None else here),
    }
    if part.content_range is not None:
        headers["content-range"] = part.content_range
    return StreamingResponse(
        _pieces(path, part.first, part.length),
        part.status,
        headers,
        media_type=kind if shown else "application/octet-stream",
    )


async def _opened(path: Path) -> BinaryIO:
    """Open a file; a caller that goes away meanwhile, as players do all the time, leaves none open."""
    # No task: those are cancelled at the end, and what the thread has opened would be lost.
    opening: asyncio.Future[BinaryIO] = asyncio.get_running_loop().run_in_executor(None, path.open, "rb")
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(lambda done: done.cancelled() or done.exception() or done.result().close())
        raise


async def _pieces(path: Path, first: int, count: int) -> AsyncIterator[bytes]:
    file = await _opened(path)
    try:
        await asyncio.to_thread(file.seek, first)
        while count > 0:
            data = await asyncio.to_thread(file.read, min(PIECE, count))
            if not data:
                return
            count -= len(data)
            yield data
    finally:
        file.close()


def operations(service: Service) -> list[Operation]:
    """What is served here."""
    work = _Transfers(service)
    write, page = Access.WRITE, models.TransferPage
    one = "/transfers/{id}"
    return [
        Operation(
            "GET", "/transfers", "Transfers that are not over", work.running, models.Transfers, query=page
        ),
        Operation(
            "GET", "/history", "Those that are over, newest first", work.history, models.Transfers, query=page
        ),
        Operation(
            "POST",
            "/downloads",
            "Want files of a user",
            work.download,
            models.Downloads,
            write,
            body=models.NewDownload,
            status=201,
            refusals=(503, 504),
            example={
                "username": "quiet.harbor",
                "files": [{"path": "music\\album\\01.flac", "size": 31457280}],
            },
        ),
        Operation(
            "DELETE",
            "/history",
            "List those that are over no more",
            work.clear,
            access=write,
            query=models.Direction,
            status=204,
        ),
        Operation(
            "POST",
            "/downloads/folder",
            "Want all files of a folder, and of those below it",
            work.folder,
            models.FolderTaken,
            write,
            body=models.WantedFolder,
            status=201,
            refusals=(429, 503, 504),
            example={"username": "quiet.harbor", "folder": "music\\album"},
        ),
        Operation(
            "POST",
            "/transfers/actions",
            "The same for many transfers",
            work.act,
            models.Acted,
            write,
            body=models.Action,
            refusals=(503,),
            example={"action": "pause", "ids": ["0b0f6c1e-6f0e-4f7f-9d5e-2d8f3c4f9a11"]},
        ),
        Operation(
            "PUT",
            f"{one}/priority",
            "Higher goes first among the files of one user",
            work.priority,
            models.Transfer,
            write,
            body=models.Priority,
            refusals=(503,),
            example={"priority": 1},
        ),
        Operation(
            "POST",
            "/uploads",
            "Offer files of ours to a user who did not ask; whether they are taken is for that user to say",
            work.push,
            models.Downloads,
            write,
            body=models.NewUpload,
            status=201,
            refusals=(503,),
            example={"username": "quiet.harbor", "paths": ["Music\\album\\01.flac"]},
        ),
        Operation(
            "POST",
            "/uploads/try",
            "Try rules of the upload queue on the requests of the last days",
            work.try_rules,
            models.Trial,
            body=models.RuleTrial,
            refusals=(503,),
            example={"rules": {"upload_slots": 5, "queue_files": 200}, "days": 3},
        ),
        Operation("GET", one, "One transfer", work.one, models.Transfer),
        Operation("GET", f"{one}/why", "Why it is where it is", work.why, models.Story, refusals=(503,)),
        Operation(
            "GET",
            f"{one}/content",
            "The file, as far as it is here",
            work.content,
            Response,
            refusals=(416, 503),
        ),
        *(
            Operation(
                "POST",
                f"{one}/{name}",
                f"{name.capitalize()} it",
                work.change(name),
                models.Transfer,
                write,
                refusals=(503,),
            )
            for name in ("pause", "resume", "retry")
        ),
        Operation(
            "POST",
            f"{one}/elsewhere",
            "Find another user who has the same file, and get it there; takes some twenty seconds",
            work.elsewhere,
            models.Transfer,
            write,
            refusals=(422, 429, 503),
        ),
        Operation(
            "POST",
            f"{one}/cancel",
            "Give it up",
            work.cancel,
            access=write,
            status=204,
            query=models.GivingUp,
        ),
        Operation(
            "DELETE", one, "List it no more, giving it up first", work.remove, access=write, status=204
        ),
    ]
