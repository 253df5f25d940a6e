"""``/transfers``: downloads, uploads, batches."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.responses import Response

from soulmesh.client.transfers.batches import Batch
from soulmesh.client.transfers.layout import Layout
from soulmesh.daemon.api0.searches import array
from soulmesh.daemon.http.call import Call, Properties, guid, integer
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.replies import empty, form, instant, pieces, reply
from soulmesh.daemon.http.routing import Access, Handler, Route
from soulmesh.daemon.ledger import Failure, Listed, Wanted
from soulmesh.daemon.service import Service
from soulmesh.daemon.written import to_json
from soulmesh.errors import SoulmeshError

__all__ = ["routes"]

MOST_FILES = 50_000
LARGEST = (1 << 63) - 1


def wanted_files(found: Any) -> list[Wanted]:
    """The files of a request; other members of theirs are ignored.

    Raises:
        HttpError: 400, there is none, or one makes no sense.
    """
    if not isinstance(found, list) or not found:
        raise HttpError(400, "At least one file is required")
    if len(found) > MOST_FILES:
        raise HttpError(400, f"At most {MOST_FILES} files may be asked for at once")
    files: list[Wanted] = []
    for entry in found:
        if not isinstance(entry, dict):
            raise HttpError(400, "A file may not be null")
        properties = Properties(entry)
        name = properties.text("filename")
        if name is None or not name.strip():
            raise HttpError(400, "Filename may not be null or empty")
        if ".." in name.replace("/", "\\").split("\\"):
            raise HttpError(400, f"{name} leads out of its directory")
        size = integer(properties.get("size")) if properties.get("size") is not None else 0
        if size is None or not 0 <= size <= LARGEST:
            raise HttpError(400, f"The size of {name} makes no sense")
        files.append(Wanted(name, size))
    return files


def destination_below(service: Service, destination: str) -> Path:
    """A folder below the daemon's downloads, from a relative path of either kind.

    Raises:
        HttpError: 400, it is absolute or leads out.
    """
    parts = destination.replace("\\", "/").split("/")
    if destination.startswith(("/", "\\")) or ".." in parts or (parts and parts[0].endswith(":")):
        raise HttpError(400, "Destination has to be a relative path without ..")
    folder = service.downloads
    portable = service.settings.downloads.portable_names
    for part in parts:
        if part not in ("", "."):
            folder = folder / Layout(portable=portable).safe(part)
    return folder


class TransferPaths:
    """The handlers."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._ledger = service.ledger

    def listed(self, direction: str) -> Handler:
        """``GET /transfers/{direction}s``."""

        async def handler(call: Call) -> Response:
            found = await self._ledger.listed(direction, include_removed=call.flag("includeRemoved"))
            return _whole(call, found)

        return handler

    def user(self, direction: str) -> Handler:
        """``GET /transfers/{direction}s/{username}``."""

        async def handler(call: Call) -> Response:
            found = await self._ledger.user(direction, call.path["username"])
            if found is None:
                raise HttpError(404)
            return _whole(call, found)

        return handler

    async def one(self, call: Call) -> Response:
        """``GET /transfers/.../{username}/{id}``: found by id alone."""
        found = await self._ledger.get(call.guid("id"))
        if found is None:
            raise HttpError(404)
        return reply(found)

    async def cancel(self, call: Call) -> Response:
        """``DELETE /transfers/.../{username}/{id}``: fine for unknown and finished ones too."""
        await self._ledger.cancel(call.guid("id"), remove=call.flag("remove"))
        return empty(204)

    def clear(self, direction: str) -> Handler:
        """``DELETE /transfers/{direction}s/all/completed``."""

        async def handler(call: Call) -> Response:
            await self._ledger.clear(direction)
            return empty(204)

        return handler

    async def position(self, call: Call) -> Response:
        """``GET /transfers/downloads/{username}/{id}/position``: asks the peer."""
        key = call.guid("id")
        transfer = self._ledger.find_live(key)
        if transfer is None or not transfer.is_download:
            raise HttpError(404)
        try:
            async with asyncio.timeout(20):
                place = await self._service.engine.ask_place(transfer)
        except TimeoutError:
            raise HttpError(500, f"{transfer.username} did not tell the place in its queue") from None
        except SoulmeshError as error:
            raise HttpError(500, str(error)) from None
        self._ledger.place_told(key, place)
        return reply(place)

    async def enqueue(self, call: Call) -> Response:
        """``POST /transfers/downloads/{username}``."""
        files = wanted_files(await call.json())
        if len({file.filename for file in files}) < len(files):
            raise HttpError(500, "The same file was asked for more than once")
        enqueued, failed = await self._ledger.enqueue(call.path["username"], files)
        # Only in this answer, and in no list, slskd marks the moment as UTC.
        taken = [{**one, "requestedAt": f"{one['requestedAt']}Z"} for one in enqueued]
        return reply({"enqueued": taken, "failed": _failures(failed)}, 201)

    async def enqueue_batch(self, call: Call) -> Response:
        """``POST /transfers/downloads/batches``."""
        body = await call.properties()
        key = _guid(body, "id") or str(uuid.uuid4())
        search = _guid(body, "searchId")
        username = (body.text("username") or "").strip()
        if not username:
            raise HttpError(400, "Username may not be null or empty")
        files = wanted_files(body.get("files"))
        if len({file.filename for file in files}) < len(files):
            raise HttpError(400, "The same file was asked for more than once")
        options = body.get("options")
        if options is not None and not isinstance(options, dict):
            raise HttpError(400, "Options has to be an object")
        given = Properties(options or {})
        destination, external = given.text("destination"), given.text("externalId")
        folder = None
        if destination is not None and destination.strip():
            folder = str(destination_below(self._service, destination))
        if await self._batch(key) is not None:
            raise HttpError(409, f"A batch with the id {key} exists already")
        created = self._service.now()
        kept = form(
            searchId=search,
            id=key,
            username=username,
            direction="Download",
            createdAt=instant(created),
            options=form(destination=destination, externalId=external),
        )
        try:
            forms, failures = await self._ledger.enqueue(username, files, batch=key, folder=folder)
        except HttpError as error:
            # Here an offline user is a 404, unlike everywhere else.
            if error.message is not None and error.message.endswith("appears to be offline"):
                raise HttpError(404, error.message) from None
            raise
        if forms:
            text = json.dumps(kept, ensure_ascii=False)
            await self._service.store.run(
                lambda db: db.execute(
                    "INSERT OR IGNORE INTO batches VALUES (?, ?, ?)", (key, created.timestamp(), text)
                )
            )
        status = 201 if not failures else 207 if forms else 200
        batch = _with_transfers(kept, [to_json(entry) for entry in forms])
        return reply(b'{"batch":%s,"failures":%s}' % (batch, to_json(_failures(failures))), status)

    async def batch(self, call: Call) -> Response:
        """``GET /transfers/downloads/batches/{id}``."""
        key = call.guid("id")
        kept = await self._batch(key)
        if kept is None:
            raise HttpError(404)
        return reply(_with_transfers(kept, await self._ledger.of_batch(key)))

    async def _batch(self, key: str) -> dict[str, Any] | None:
        def read(db: sqlite3.Connection) -> Any:
            return db.execute("SELECT body FROM batches WHERE id = ?", (key,)).fetchone()

        row = await self._service.store.run(read)
        if row is not None:
            found: dict[str, Any] = json.loads(row[0])
            return found
        batch = self._service.engine.transfers.batches.get(key)
        return await self._form_of(batch) if batch is not None else None

    async def _form_of(self, batch: Batch) -> dict[str, Any]:
        """A batch that was not wanted through this API, as far as it has words for it."""
        files = await self._ledger.of_batch(batch.id)
        place = Path(batch.destination)
        root = self._service.downloads
        destination = place.relative_to(root).as_posix() if place.is_relative_to(root) else None
        return form(
            searchId=None,
            id=batch.id,
            username=json.loads(files[0])["username"] if files else "",
            direction="Download",
            createdAt=instant(datetime.fromtimestamp(batch.added, UTC)),
            options=form(destination=destination, externalId=None),
        )


def _whole(call: Call, found: Listed) -> Response:
    """The list, or nothing at all for who has it already."""
    headers = {"etag": f'"{found.mark}"', "cache-control": "private, no-cache"}
    if call.knows(headers["etag"]):
        return empty(304, headers)
    return pieces(found.parts, headers=headers)


def _with_transfers(kept: dict[str, Any], bodies: list[bytes]) -> bytes:
    head = {name: value for name, value in kept.items() if name != "options"}
    return b'%s,"transfers":%s,"options":%s}' % (
        to_json(head)[:-1],
        b"".join(array(bodies)),
        to_json(kept.get("options", {})),
    )


def _failures(failures: list[Failure]) -> list[dict[str, str]]:
    return [{"filename": failure.filename, "message": failure.message} for failure in failures]


def _guid(body: Properties, name: str) -> str | None:
    value = body.get(name)
    if value in (None, ""):
        return None
    found = guid(value)
    if found is None:
        raise HttpError(400, f"{name} is no GUID")
    return found


def routes(service: Service) -> list[Route]:
    """What is served here."""
    paths = TransferPaths(service)
    found = [
        Route("POST", "/transfers/downloads/batches", paths.enqueue_batch, Access.WRITE),
        Route("GET", "/transfers/downloads/batches/{id}", paths.batch),
        Route("POST", "/transfers/downloads/{username}", paths.enqueue, Access.WRITE),
        Route("GET", "/transfers/downloads/{username}/{id}/position", paths.position),
    ]
    for direction in ("download", "upload"):
        root = f"/transfers/{direction}s"
        found += [
            Route("GET", root, paths.listed(direction)),
            Route("DELETE", f"{root}/all/completed", paths.clear(direction), Access.WRITE),
            Route("GET", f"{root}/{{username}}", paths.user(direction)),
            Route("GET", f"{root}/{{username}}/{{id}}", paths.one),
            Route("DELETE", f"{root}/{{username}}/{{id}}", paths.cancel, Access.WRITE),
        ]
    return found
