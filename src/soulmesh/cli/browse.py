"""``soulmesh browse``: what one user shares."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import aclosing
from typing import Annotated, Any

import typer

from soulmesh.cli.logged_in import TimeoutOption, logged_in
from soulmesh.cli.output import Column, Output, clean, duration, size
from soulmesh.cli.typed import lines
from soulmesh.cli.viewer import Viewer
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
_FOLDERS = [
    Column("number", "", right=True),
    Column("files", "Files", right=True),
    Column("bytes", "Size", size, right=True),
    Column("locked", "", lambda locked: "locked" if locked else ""),
    Column("folder", "Folder", keep_end=True, wide=True),
]
_PAGE = 100
_FOUND = 500


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
        int | None,
        typer.Option(
            "--limit", "-n", min=1, help=f"So many lines: {_FOUND} with --find, {_PAGE} with --page, or all."
        ),
    ] = None,
    page: Annotated[
        int | None,
        typer.Option("--page", min=1, help="Skip the pages before this one, each of --limit lines."),
    ] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Print all of it at a terminal too, without asking.")
    ] = False,
    timeout: TimeoutOption = 60.0,
) -> None:
    """Show what a user shares: folders, the files of one folder, or files with some words.

    At a terminal it is shown a screen at a time: open a folder by its number, search with /WORDS, leave with
    q. Elsewhere, and with --json, everything is printed as it comes.
    """
    if folder is not None:
        found = await client.info.folder(username, folder, timeout=timeout)
        rows = [_file_record(username, file) for entries in found.values() for file in entries]
        if not out.table(_FILES, _part(rows, page, limit)) and (not rows or page is None):
            raise NothingThere(f"{username} has no folder {folder!r}, or nothing is in it")
        return
    asked = everything or page is not None or limit is not None
    async with await client.browse(username, timeout=timeout) as shares:
        if not asked and not out.json and out.console.is_terminal and sys.stdin.isatty():
            await _look_through(out, shares, find, files=files)
        elif find is not None:
            await _find(out, shares, find, page or 1, limit or _FOUND)
        else:
            await _show(out, shares, page, limit, files=files)


def _part(rows: list[dict[str, Any]], page: int | None, limit: int | None) -> list[dict[str, Any]]:
    start, end = _span(page, limit)
    return rows[start:end]


def _span(page: int | None, limit: int | None) -> tuple[int, int | None]:
    """The first line of a page, and the one after its last; ``None``: to the end."""
    each = limit or (_PAGE if page is not None else None)
    if each is None:
        return 0, None
    start = ((page or 1) - 1) * each
    return start, start + each


async def _find(out: Output, shares: Browse, words: str, page: int, limit: int) -> None:
    await shares.finished()
    hits = await shares.search(words, offset=(page - 1) * limit, limit=limit + 1)
    if not out.table(_FILES, [_file_record(shares.username, file) for file in hits[:limit]]):
        more = "" if page == 1 else f" on page {page}"
        raise NothingThere(f"{shares.username} shares nothing with {words!r}{more}")
    if len(hits) > limit:
        out.note(f"the first {limit * page}; --limit shows more, --page {page + 1} what follows")


async def _look_through(out: Output, shares: Browse, find: str | None, *, files: bool) -> None:
    def show(rows: Sequence[Folder | FoundFile]) -> None:
        if rows and isinstance(rows[0], Folder):
            folders = [row for row in rows if isinstance(row, Folder)]
            out.table(
                _FOLDERS, [{"number": row.number, **_folder_record(shares.username, row)} for row in folders]
            )
        else:
            out.table(
                _FILES, [_file_record(shares.username, row) for row in rows if isinstance(row, FoundFile)]
            )

    # The table's head, and the line on which one types.
    height = max(3, out.console.height - 2)
    async with aclosing(lines()) as typed:
        viewer = Viewer(out, shares, typed, show, height=height)
        if find is not None:
            seen, what = await viewer.found(find), f"shares nothing with {find!r}"
        else:
            seen, what = await (viewer.files() if files else viewer.folders()), "shares nothing"
    if not seen:
        raise NothingThere(f"{shares.username} {what}")


async def _show(out: Output, shares: Browse, page: int | None, limit: int | None, *, files: bool) -> None:
    # Line by line, as it comes: the list may be larger than memory.
    start, end = _span(page, limit)
    out.line(f"{'Size':>10}  File" if files else f"{'Files':>7}  {'Size':>10}  Folder", "bold")
    if files:
        seen = await _show_files(out, shares, start, end)
    else:
        seen = 0
        async for folder in shares:
            seen += 1
            if seen > start:
                locked = "  (locked)" if folder.locked else ""
                out.line(f"{folder.files:>7}  {size(folder.bytes):>10}  {clean(folder.name)}{locked}")
                out.record(_folder_record(shares.username, folder))
            if seen == end:
                break
    if end is not None:
        if seen <= start:
            raise NothingThere(f"{shares.username} shares {'nothing' if not seen else f'{seen} in all'}")
        return
    out.note(f"{shares.username}: {shares.folders} folders, {shares.files} files, {size(shares.bytes)}")
    if not shares.folders:
        raise NothingThere(f"{shares.username} shares nothing")


async def _show_files(out: Output, shares: Browse, start: int, end: int | None) -> int:
    """The files from ``start`` up to ``end``; returns how many came by."""
    seen = 0
    async for folder in shares:
        if seen + folder.files <= start:
            # None of these is wanted.
            seen += folder.files
            continue
        for file in await shares.files_of(folder):
            seen += 1
            if seen > start:
                out.line(f"{size(file.size):>10}  {clean(file.remote_path)}")
                out.record(_file_record(shares.username, file))
            if seen == end:
                return seen
    return seen
