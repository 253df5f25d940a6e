"""What users share over ``/api/v1``: a tree and lists out of an index on disk, and searching in it."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Annotated, Any

from pydantic import BaseModel, StringConstraints

from soulmesh.client.browse import Browse
from soulmesh.core.reasons import reason_code
from soulmesh.daemon.api1 import models
from soulmesh.daemon.api1.common import client_of
from soulmesh.daemon.api1.operations import Operation, Page, Query, cursor, read_cursor
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.routing import Access
from soulmesh.daemon.rows import file_row
from soulmesh.daemon.service import Service
from soulmesh.errors import SoulmeshError

__all__ = ["operations"]

KEPT_BROWSES = 8
PATIENCE = 100
"""Tenths of seconds to wait for folders that have not come yet."""

Folder = Annotated[str, StringConstraints(max_length=4096)]


class Browsing(BaseModel):
    """How far a list has come. ``done`` and ``total`` are compressed bytes, 0 until it begins."""

    folders: int
    files: int
    bytes: int
    done: int
    total: int
    complete: bool
    problem: str | None = None
    problem_code: str = ""


class BranchPage(Page):
    """Which part of the tree."""

    parent: Folder = ""
    """The whole path of the folder above; empty for the top."""


class Branch(BaseModel):
    """A folder in the tree: what is right in it, and in all below it."""

    name: str
    path: str
    folders: int
    files: int
    size: int
    all_files: int
    all_size: int
    locked: bool


class Branches(BaseModel):
    """Folders right below another."""

    items: list[Branch]
    complete: bool
    next: str | None = None


class BeginQuery(Query):
    """Whether to ask again."""

    anew: bool = True
    """With ``false`` what is here is taken, if it is: the user is asked only if nothing is."""


class FolderPage(Page):
    """The files of one folder."""

    folder: Folder


class FilePage(BaseModel):
    """Files of a folder."""

    items: list[models.FileEntry]
    next: str | None = None


class AskedFolder(BaseModel):
    """A folder as its owner tells it, asked just now."""

    name: str
    files: list[models.FileEntry]


class AskedFolders(BaseModel):
    """A folder and, with some owners, those below it."""

    items: list[AskedFolder]
    next: str | None = None


class _Browsing:
    """The work."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._engine = service.engine
        self._browses: OrderedDict[str, Browse] = OrderedDict()
        service.on_close.append(self._close)

    async def _close(self) -> None:
        for browse in self._browses.values():
            await browse.close()
        self._browses.clear()

    async def begin(self, call: Call, query: BeginQuery, _body: None) -> dict[str, Any]:
        username = call.path["username"]
        known = self._browses.get(username)
        if known is not None and known.error is None and not query.anew:
            self._browses.move_to_end(username)
            return _figures(known)
        client = client_of(self._service)
        await client.users.require_online(username)
        browse = await client.browse(username, patience=0)
        old = self._browses.pop(username, None)
        self._browses[username] = browse
        if old is not None:
            await old.close()
        while len(self._browses) > KEPT_BROWSES:
            _, oldest = self._browses.popitem(last=False)
            await oldest.close()
        self._service.spawn(self._follow(browse), f"browse {username}")
        return _figures(browse)

    async def _follow(self, browse: Browse) -> None:
        problem = None
        try:
            await browse.finished()
        except SoulmeshError as error:
            problem = str(error)
        told = {"username": browse.username, "folders": browse.folders, "files": browse.files}
        self._service.hub.tell("browse.finished", {**told, **_problem(problem)})

    async def state(self, call: Call, _query: None, _body: None) -> dict[str, Any]:
        return _figures(self._browse(call))

    async def end(self, call: Call, _query: None, _body: None) -> None:
        browse = self._browse(call)
        del self._browses[browse.username]
        await browse.close()

    async def tree(self, call: Call, query: BranchPage, _body: None) -> dict[str, Any]:
        browse = self._browse(call)
        place = read_cursor(query.cursor, str)
        wanted = [query.parent, *(place or ())]
        names = await self._service.ledger.remembered(browse.username, wanted)
        parent = names.get(query.parent, query.parent)
        after = names.get(place[0], place[0]) if place else ""
        page = await browse.branches(parent, after=after, limit=query.limit)
        self._service.ledger.remember(browse.username, [branch.path for branch in page])
        items = [
            {
                "name": branch.name,
                "path": branch.path,
                "folders": branch.folders,
                "files": branch.files,
                "size": branch.bytes,
                "all_files": branch.all_files,
                "all_size": branch.all_bytes,
                "locked": branch.locked,
            }
            for branch in page
        ]
        more = cursor(str(page[-1].path)) if len(page) == query.limit else None
        return {"items": items, "complete": browse.complete, "next": more}

    async def folders(self, call: Call, query: Page, _body: None) -> dict[str, Any]:
        browse = self._browse(call)
        place = read_cursor(query.cursor, int)
        offset = max(0, place[0]) if place else 0
        page = await browse.page(offset, query.limit)
        for _ in range(PATIENCE):
            # They are still coming: whoever asks for the next page is spared to ask in vain.
            if page or browse.complete or browse.error is not None:
                break
            await asyncio.sleep(0.1)
            page = await browse.page(offset, query.limit)
        if browse.error is not None and not page:
            raise browse.error
        for folder in page:
            self._service.ledger.remember(browse.username, [folder.name])
        items = [
            {"name": folder.name, "files": folder.files, "size": folder.bytes, "locked": folder.locked}
            for folder in page
        ]
        after = offset + len(page)
        more = cursor(after) if after < browse.folders or not browse.complete else None
        figures = {"folders": browse.folders, "files": browse.files, "complete": browse.complete}
        return {**figures, "items": items, "next": more}

    async def files(self, call: Call, query: FolderPage, _body: None) -> dict[str, Any]:
        browse = self._browse(call)
        place = read_cursor(query.cursor, int)
        offset = max(0, place[0]) if place else 0
        names = await self._service.ledger.remembered(browse.username, [query.folder])
        found = await browse.files_page(
            names.get(query.folder, query.folder), offset=offset, limit=query.limit
        )
        self._service.ledger.remember(browse.username, [file.remote_path for file in found])
        more = cursor(offset + len(found)) if len(found) == query.limit else None
        return {"items": [file_row(file) for file in found], "next": more}

    async def find(self, call: Call, query: models.Words, _body: None) -> dict[str, Any]:
        browse = self._browse(call)
        place = read_cursor(query.cursor, int)
        offset = max(0, place[0]) if place else query.offset
        found = await browse.search(query.words, offset=offset, limit=query.limit)
        self._service.ledger.remember(browse.username, [file.remote_path for file in found])
        more = cursor(offset + len(found)) if len(found) == query.limit else None
        return {"items": [file_row(file) for file in found], "next": more}

    async def folder(self, call: Call, query: models.OneFolder, _body: None) -> dict[str, Any]:
        username = call.path["username"]
        client = client_of(self._service)
        await client.users.require_online(username)
        names = await self._service.ledger.remembered(username, [query.folder])
        found = await client.info.folder(username, names.get(query.folder, query.folder))
        for name, files in found.items():
            self._service.ledger.remember(username, [name, *(file.remote_path for file in files)])
        items = [{"name": name, "files": [file_row(file) for file in files]} for name, files in found.items()]
        return {"items": items}

    def _browse(self, call: Call) -> Browse:
        found = self._browses.get(call.path["username"])
        if found is None:
            raise HttpError(404, "Browse that user first: POST .../browse")
        self._browses.move_to_end(call.path["username"])
        return found


def _problem(said: str | None) -> dict[str, str | None]:
    return {"problem": said, "problem_code": reason_code(said or "")}


def _figures(browse: Browse) -> dict[str, Any]:
    return {
        "folders": browse.folders,
        "files": browse.files,
        "bytes": browse.bytes,
        "done": browse.done,
        "total": browse.total,
        "complete": browse.complete,
        **_problem(str(browse.error) if browse.error is not None else None),
    }


def operations(service: Service) -> list[Operation]:
    """What is served here."""
    work = _Browsing(service)
    user = "/users/{username}"
    away = (429, 503, 504)

    def look(path: str, told: str, what: Any, answer: Any, **more: Any) -> Operation:
        return Operation("GET", path, told, what, answer, refusals=away, **more)

    return [
        Operation(
            "POST",
            f"{user}/browse",
            "Ask for everything that a user shares",
            work.begin,
            Browsing,
            Access.WRITE,
            query=BeginQuery,
            status=202,
            refusals=away,
        ),
        look(f"{user}/browse", "How far it has come", work.state, Browsing),
        Operation("DELETE", f"{user}/browse", "Forget it", work.end, access=Access.WRITE, status=204),
        look(f"{user}/browse/tree", "Folders below a folder", work.tree, Branches, query=BranchPage),
        look(f"{user}/browse/folders", "All folders so far", work.folders, models.Folders, query=Page),
        look(f"{user}/browse/files", "One folder's files", work.files, FilePage, query=FolderPage),
        look(f"{user}/browse/find", "Search in it", work.find, models.Files, query=models.Words),
        look(
            f"{user}/folder",
            "One folder, asked of its owner without the rest",
            work.folder,
            AskedFolders,
            query=models.OneFolder,
        ),
    ]
