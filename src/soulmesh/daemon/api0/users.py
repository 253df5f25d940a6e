"""``/users``: what others share and say of themselves."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
from collections.abc import AsyncIterator, Awaitable
from typing import TypeVar

from starlette.responses import Response, StreamingResponse

from soulmesh.client.errors import ClientError, TooManyRequests, UserOffline
from soulmesh.daemon.api0.shapes import shared_folder_form, status_form
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.replies import JSON, form, reply
from soulmesh.daemon.http.routing import Access, Route
from soulmesh.daemon.service import Service
from soulmesh.daemon.written import to_json
from soulmesh.errors import SoulmeshError
from soulmesh.wire.structs import DirectoryData

__all__ = ["folders_as_json", "routes"]

T = TypeVar("T")

BROWSE_STATUS_STAYS = 5.0
PART = 256 * 1024


async def folders_as_json(folders: list[DirectoryData]) -> AsyncIterator[bytes]:
    """Folders as a JSON array, piece by piece: a large collection is tens of megabytes."""
    buffer = bytearray(b"[")
    for number, folder in enumerate(folders):
        if number:
            buffer += b","
        buffer += to_json(shared_folder_form(folder))
        if len(buffer) >= PART:
            yield bytes(buffer)
            buffer.clear()
            await asyncio.sleep(0)
    yield bytes(buffer) + b"]"


class UserPaths:
    """The handlers."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._engine = service.engine

    async def info(self, call: Call) -> Response:
        """``GET /users/{username}/info``."""
        username = self._name(call)
        info = await self._asked(username, self._engine.user_info(username))
        return reply(
            form(
                description=info.description,
                hasPicture=bool(info.picture),
                picture=base64.b64encode(info.picture).decode() if info.picture else None,
                hasFreeUploadSlot=info.free_slot,
                queueLength=info.queue,
                uploadSlots=info.slots,
            )
        )

    async def status(self, call: Call) -> Response:
        """``GET /users/{username}/status``: an unknown user is offline."""
        username = self._name(call)
        return reply(status_form(await self._asked(username, self._engine.user_status(username))))

    async def endpoint(self, call: Call) -> Response:
        """``GET /users/{username}/endpoint``."""
        username = self._name(call)
        address, port = await self._asked(username, self._engine.user_address(username))
        try:
            six = ipaddress.ip_address(address).version == 6
        except ValueError:
            six = False
        return reply(
            {"addressFamily": "InterNetworkV6" if six else "InterNetwork", "address": address, "port": port}
        )

    async def browse(self, call: Call) -> Response:
        """``GET /users/{username}/browse``."""
        username = self._name(call)
        browses = self._service.browses

        def progress(here: int, total: int) -> None:
            browses[username] = (here, total)

        browses[username] = (0, 0)
        try:
            found = await self._asked(username, self._engine.browse(username, progress))
        finally:
            asyncio.get_running_loop().call_later(BROWSE_STATUS_STAYS, browses.pop, username, None)
        for folder in (*found.folders, *found.locked):
            names = [
                f"{folder.name}\\{entry.filename}" for entry in folder.files if not entry.filename.isascii()
            ]
            if names:
                self._service.ledger.remember(username, names)

        async def body() -> AsyncIterator[bytes]:
            yield b'{"directories":'
            async for part in folders_as_json(found.folders):
                yield part
            yield b',"directoryCount":%d,"lockedDirectories":' % len(found.folders)
            async for part in folders_as_json(found.locked):
                yield part
            yield b',"lockedDirectoryCount":%d}' % len(found.locked)

        return StreamingResponse(body(), media_type=JSON)

    async def browse_status(self, call: Call) -> Response:
        """``GET /users/{username}/browse/status``."""
        username = self._name(call)
        found = self._service.browses.get(username)
        if found is None:
            raise HttpError(404)
        here, size = found
        return reply(
            {
                "bytesTransferred": here,
                "bytesRemaining": max(0, size - here),
                "percentComplete": round(100.0 * here / size, 4) if size else 0,
                "size": size,
                "username": username,
            }
        )

    async def directory(self, call: Call) -> Response:
        """``POST /users/{username}/directory``: answers an array."""
        username = self._name(call)
        directory = (await call.properties()).text("directory")
        if directory is None or not directory.strip():
            raise HttpError(400, "Directory may not be null or empty")
        names = await self._service.ledger.remembered(username, [directory])
        found = await self._asked(username, self._engine.folder(username, names.get(directory, directory)))
        return reply([shared_folder_form(folder) for folder in found])

    def _name(self, call: Call) -> str:
        username = call.path["username"]
        if self._engine.banned(username):
            raise HttpError(404, f"User {username} is blacklisted")
        return username

    async def _asked(self, username: str, question: Awaitable[T]) -> T:
        try:
            return await question
        except UserOffline:
            raise HttpError(404, f"User {username} appears to be offline") from None
        except TooManyRequests:
            raise
        except (ClientError, SoulmeshError) as error:
            raise HttpError(500, str(error)) from None


def routes(service: Service) -> list[Route]:
    """What is served here."""
    paths = UserPaths(service)
    return [
        Route("GET", "/users/{username}/info", paths.info),
        Route("GET", "/users/{username}/status", paths.status),
        Route("GET", "/users/{username}/endpoint", paths.endpoint),
        Route("GET", "/users/{username}/browse", paths.browse),
        Route("GET", "/users/{username}/browse/status", paths.browse_status),
        # A question, though it has a body: reading is enough.
        Route("POST", "/users/{username}/directory", paths.directory, Access.READ),
    ]
