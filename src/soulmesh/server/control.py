"""The control socket: how the command line speaks to a running server on the same machine.

A Unix socket in the data folder, which only its owner can open. One request per
connection, one JSON object per line: ``{"who": ..., "words": [...]}`` in,
``{"lines": [...], "data": ...}`` or ``{"error": ..., "kind": ...}`` out.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any, Protocol

from soulmesh.errors import NotFound, SoulmeshError, UsageError
from soulmesh.server.admin import Answer
from soulmesh.server.folder import FolderUnusable, control_path

__all__ = ["Control", "Runs", "ask"]

LONGEST = 1 << 20
PATIENCE = 60.0


class Runs(Protocol):
    """Whoever runs commands: :class:`soulmesh.server.admin.Admin`, or a door that passes them on."""

    async def run(self, who: str, words: list[str]) -> Answer:
        """Run one command given as words."""


class Control:
    """The server's end."""

    def __init__(self, admin: Runs, data: Path) -> None:
        self._admin = admin
        self._path = control_path(data)
        self._elsewhere = self._path.parent != data.absolute()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. The folder is locked by us, so a socket that is there belongs to nobody."""
        if self._elsewhere:
            self._path.parent.mkdir(mode=0o700, exist_ok=True)
            found = self._path.parent.stat()
            if found.st_uid != os.getuid() or found.st_mode & 0o077:
                raise FolderUnusable(self._path.parent, "it is not ours alone")
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(self._serve, str(self._path), limit=LONGEST)
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Listen no more."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
            if self._elsewhere:
                self._path.parent.rmdir()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                line = await reader.readline()
                writer.write(json.dumps(await self._answer(line), ensure_ascii=False).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, TimeoutError, ValueError):
            pass
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            who, words = str(request["who"]), [str(word) for word in request["words"]]
        except (ValueError, KeyError, TypeError):
            return {"error": "not a request", "kind": "UsageError"}
        try:
            answer = await self._admin.run(who, words)
        except SoulmeshError as error:
            return {"error": str(error), "kind": type(error).__name__}
        return {"lines": answer.lines, "data": answer.data}


async def ask(data: Path, who: str, words: list[str]) -> Answer | None:
    """Have the running server do something; ``None`` if none runs.

    Raises:
        UsageError, NotFound: as the command says.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(str(control_path(data)), limit=1 << 28)
    except (FileNotFoundError, ConnectionRefusedError):
        return None
    try:
        writer.write(json.dumps({"who": who, "words": words}).encode() + b"\n")
        await writer.drain()
        line = await reader.readline()
    finally:
        writer.close()
    if not line:
        raise SoulmeshError("the server hung up without an answer")
    reply = json.loads(line)
    if "error" in reply:
        kind = {"NotFound": NotFound, "UsageError": UsageError}.get(reply["kind"], SoulmeshError)
        raise kind(reply["error"])
    return Answer(reply["lines"], reply["data"])
