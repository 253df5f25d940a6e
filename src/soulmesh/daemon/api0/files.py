"""``/files``: the folders of finished and of unfinished downloads.

A path that comes in is relative, in base64. It is resolved, links followed,
and has to end below its root; nothing else is looked at, let alone deleted.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import shutil
import stat
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.responses import Response

from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.replies import empty, instant, reply
from soulmesh.daemon.http.routing import Access, Route
from soulmesh.daemon.service import Service

__all__ = ["decode_path", "resolve", "routes"]

MOST_ENTRIES = 200_000


def decode_path(segment: str) -> str:
    """The relative path in a segment: base64 of either alphabet, padded or not, with white space or not.

    Raises:
        HttpError: 400, it is none.
    """
    plain = "".join(segment.split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        raise HttpError(400, "The path has to be base64 of UTF-8 text") from None


def resolve(root: Path, relative: str) -> Path:
    """The place below ``root`` that a relative path means.

    Raises:
        HttpError: 403, it is not below the root; 404, nothing is there.
    """
    if "\0" in relative:
        raise HttpError(403, "Only what lies below the root may be touched")
    parts = relative.replace("\\", "/").split("/")
    if ".." in parts or relative.startswith(("/", "\\")):
        raise HttpError(403, "Only what lies below the root may be touched")
    real_root = root.resolve()
    try:
        # The last part is not followed: a link may be deleted, what it leads to may not.
        joined = real_root.joinpath(*[part for part in parts if part not in ("", ".")])
        place = joined.parent.resolve() / joined.name if joined != real_root else real_root
    except (OSError, RuntimeError):
        raise HttpError(404) from None
    if place != real_root and real_root not in place.parents:
        raise HttpError(403, "Only what lies below the root may be touched")
    try:
        place.lstat()
    except OSError:
        raise HttpError(404) from None
    return place


def _times(status: os.stat_result) -> dict[str, Any]:
    created = getattr(status, "st_birthtime", None) or min(status.st_ctime, status.st_mtime)
    return {
        "createdAt": instant(datetime.fromtimestamp(created, UTC)),
        "modifiedAt": instant(datetime.fromtimestamp(status.st_mtime, UTC)),
    }


def _listing(root: Path, place: Path, recursive: bool) -> dict[str, Any]:
    files: list[dict[str, Any]] = []
    directories: list[dict[str, Any]] = []
    pending = [place]
    while pending:
        folder = pending.pop()
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError:
            continue
        for entry in entries:
            if len(files) + len(directories) >= MOST_ENTRIES:
                break
            try:
                status = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            shown = os.path.relpath(entry.path, place).replace(os.sep, "/")
            name = entry.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            shown = shown.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            if stat.S_ISDIR(status.st_mode):
                if folder == root and entry.name == ".incomplete":
                    continue
                directories.append(
                    {"name": name, "fullName": shown, "attributes": "Directory", **_times(status)}
                )
                if recursive:
                    pending.append(Path(entry.path))
            elif stat.S_ISREG(status.st_mode):
                kind = "Hidden" if name.startswith(".") else "Normal"
                files.append(
                    {
                        "name": name,
                        "fullName": shown,
                        "length": status.st_size,
                        "attributes": kind,
                        **_times(status),
                    }
                )
    return {
        "name": place.name,
        "fullName": "",
        "attributes": "Directory",
        **_times(place.stat()),
        "files": files,
        "directories": directories,
    }


class FilePaths:
    """The handlers for one root."""

    def __init__(self, service: Service, root: Callable[[], Path]) -> None:
        self._service = service
        self._root = root

    async def top(self, call: Call) -> Response:
        """``GET /files/{root}/directories``."""
        return await self._show("", call.flag("recursive"))

    async def directory(self, call: Call) -> Response:
        """``GET /files/{root}/directories/{base64}``."""
        return await self._show(decode_path(call.path["path"]), call.flag("recursive"))

    async def _show(self, relative: str, recursive: bool) -> Response:
        root = self._root()

        def look() -> dict[str, Any]:
            if not relative:
                root.mkdir(parents=True, exist_ok=True)
            place = resolve(root, relative)
            if place.is_symlink() or not place.is_dir():
                raise HttpError(404)
            return _listing(root, place, recursive)

        return reply(await asyncio.to_thread(look))

    async def delete_directory(self, call: Call) -> Response:
        """``DELETE /files/{root}/directories/{base64}``."""
        return await self._delete(call, directory=True)

    async def delete_file(self, call: Call) -> Response:
        """``DELETE /files/{root}/files/{base64}``."""
        return await self._delete(call, directory=False)

    async def _delete(self, call: Call, *, directory: bool) -> Response:
        if not self._service.settings.remote_file_management:
            raise HttpError(403, "Remote file management is disabled")
        relative = decode_path(call.path["path"])
        root = self._root()

        def delete() -> None:
            place = resolve(root, relative)
            if place == root.resolve():
                raise HttpError(403, "The root itself is not deleted")
            is_directory = place.is_dir() and not place.is_symlink()
            if is_directory != directory:
                raise HttpError(404)
            try:
                if directory:
                    shutil.rmtree(place)
                else:
                    place.unlink()
            except OSError as error:
                raise HttpError(500, f"It could not be deleted: {error.strerror or error}") from None

        await asyncio.to_thread(delete)
        return empty(204)


def routes(service: Service) -> list[Route]:
    """What is served here."""
    found: list[Route] = []
    for name, root in (("downloads", lambda: service.downloads), ("incomplete", lambda: service.incomplete)):
        paths = FilePaths(service, root)
        at = f"/files/{name}"
        found += [
            Route("GET", f"{at}/directories", paths.top),
            Route("GET", f"{at}/directories/{{path}}", paths.directory),
            Route("DELETE", f"{at}/directories/{{path}}", paths.delete_directory, Access.WRITE),
            Route("DELETE", f"{at}/files/{{path}}", paths.delete_file, Access.WRITE),
        ]
    return found
