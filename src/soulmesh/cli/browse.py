"""``soulmesh browse``: what one user shares."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from soulmesh.cli.logged_in import TimeoutOption, logged_in
from soulmesh.cli.output import Column, Output, duration, size
from soulmesh.client.browse import Browse, Folder
from soulmesh.client.client import Client
from soulmesh.client.results import FoundFile
from soulmesh.errors import NotFound

__all__ = ["browse"]

_FOLDERS = [
    Column("files", "files", right=True),
    Column("bytes", "size", size, right=True),
    Column("locked", "", lambda locked: "locked" if locked else ""),
    Column("folder", "folder", keep_end=True, wide=True),
]
_FILES = [
    Column("size", "size", size, right=True),
    Column("length", "length", duration, right=True),
    Column("bitrate", "kbit/s", right=True),
    Column("remote_path", "file", keep_end=True, wide=True),
]


class NothingThere(NotFound):
    """No folder or file as asked for."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return self.what


def _folder_record(username: str, folder: Folder) -> dict[str, Any]:
    return {
        "username": username,
        "folder": folder.name,
        "files": folder.files,
        "bytes": folder.bytes,
        "locked": folder.locked,
    }


def _file_record(username: str, file: FoundFile) -> dict[str, Any]:
    return {
        "username": username,
        "remote_path": file.remote_path,
        "size": file.size,
        "bitrate": file.bitrate,
        "length": file.length,
        "sample_rate": file.sample_rate,
        "bit_depth": file.bit_depth,
    }


@logged_in
async def browse(
    client: Client,
    out: Output,
    username: Annotated[str, typer.Argument(help="Whose shares.")],
    folder: Annotated[
        str | None, typer.Option("--folder", help="Show the files of this folder; asks for it alone.")
    ] = None,
    find: Annotated[str | None, typer.Option("--find", help="Show the files with these words.")] = None,
    files: Annotated[bool, typer.Option("--files", help="Show every file, not only folders.")] = False,
    timeout: TimeoutOption = 60.0,
) -> None:
    """Show what a user shares: folders, the files of one folder, or files with some words."""
    if folder is not None:
        found = await client.info.folder(username, folder, timeout=timeout)
        rows = [_file_record(username, file) for entries in found.values() for file in entries]
        if not out.table(_FILES, rows):
            raise NothingThere(f"{username} has no folder {folder!r}, or nothing is in it")
        return
    async with await client.browse(username, timeout=timeout) as shares:
        if find is not None:
            await shares.finished()
            hits = await shares.search(find)
            if not out.table(_FILES, [_file_record(username, file) for file in hits]):
                raise NothingThere(f"{username} shares nothing with {find!r}")
        else:
            await _show(out, shares, files=files)


async def _show(out: Output, shares: Browse, *, files: bool) -> None:
    rows: list[dict[str, Any]] = []
    async for folder in shares:
        if files:
            for file in await shares.files_of(folder):
                record = _file_record(shares.username, file)
                if out.json:
                    out.record(record)
                else:
                    out.line(f"{size(file.size):>10}  {file.remote_path}")
        elif out.json:
            out.record(_folder_record(shares.username, folder))
        else:
            rows.append(_folder_record(shares.username, folder))
    if rows:
        out.table(_FOLDERS, rows)
    out.note(f"{shares.username}: {shares.folders} folders, {shares.files} files, {size(shares.bytes)}")
    if not shares.folders:
        raise NothingThere(f"{shares.username} shares nothing")
