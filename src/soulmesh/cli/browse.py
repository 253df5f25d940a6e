"""``soulmesh browse``: what one user shares."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from soulmesh.cli.logged_in import TimeoutOption, logged_in
from soulmesh.cli.output import Column, Output, clean, duration, size
from soulmesh.client.browse import Browse, Folder
from soulmesh.client.client import Client
from soulmesh.client.results import FoundFile
from soulmesh.errors import NotFound

__all__ = ["browse"]

_FILES = [
    Column("size", "Size", size, right=True),
    Column("length", "Length", duration, right=True),
    Column("bitrate", "kbit/s", right=True),
    Column("remote_path", "File", keep_end=True, wide=True),
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
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, help="At most so many files, with --find.")
    ] = 500,
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
            hits = await shares.search(find, limit=limit)
            if not out.table(_FILES, [_file_record(username, file) for file in hits]):
                raise NothingThere(f"{username} shares nothing with {find!r}")
            if len(hits) == limit:
                out.note(f"the first {limit}; --limit shows more")
        else:
            await _show(out, shares, files=files)


async def _show(out: Output, shares: Browse, *, files: bool) -> None:
    # Line by line, as it comes: the list may be larger than memory.
    out.line(f"{'Size':>10}  File" if files else f"{'Files':>7}  {'Size':>10}  Folder", "bold")
    async for folder in shares:
        if not files:
            locked = "  (locked)" if folder.locked else ""
            out.line(f"{folder.files:>7}  {size(folder.bytes):>10}  {clean(folder.name)}{locked}")
            out.record(_folder_record(shares.username, folder))
            continue
        for file in await shares.files_of(folder):
            out.line(f"{size(file.size):>10}  {clean(file.remote_path)}")
            out.record(_file_record(shares.username, file))
    out.note(f"{shares.username}: {shares.folders} folders, {shares.files} files, {size(shares.bytes)}")
    if not shares.folders:
        raise NothingThere(f"{shares.username} shares nothing")
