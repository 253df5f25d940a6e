"""What we share over ``/api/v1``: folders, for whom, and the scan."""

from __future__ import annotations

import asyncio
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints

from soulmesh.client.shares.doubts import idle_exclusions
from soulmesh.client.shares.model import Audience, Root, Symlinks, folder_name
from soulmesh.client.shares.service import SearchFigures
from soulmesh.daemon.api1.operations import Body, Operation, Part, Query
from soulmesh.daemon.checks import check_shared
from soulmesh.daemon.choices import queue_rules
from soulmesh.daemon.engine import ClientEngine
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.routing import Access
from soulmesh.daemon.service import Service
from soulmesh.errors import SoulmeshError
from soulmesh.net.names import shown_path
from soulmesh.wire import text

__all__ = ["operations"]

Word = Annotated[str, StringConstraints(min_length=1, max_length=300)]


class RootRow(BaseModel):
    """A shared folder. ``files`` are those of its last scan."""

    id: int
    name: str
    """Its first part in the names that others see."""
    path: str
    audience: list[str]
    """``everyone``, ``friends``, ``user:NAME``, ``group:NAME`` (of ``transfers.groups``, or built in)."""
    locked: bool
    """Others see its files, but cannot have them."""
    exclude: list[str]
    hidden: bool
    links: Symlinks
    """``inside``: symbolic links to files in the same folder are followed."""
    online: bool
    """False while the folder is not there."""
    files: int
    held_back: int
    """Files that are gone from the disk, too many to forget before a scan is ``confirmed``."""
    problems: int
    """Files and folders that could not be read."""
    scanned: str | None
    from_settings: bool
    """Named in the settings: it can be taken away only there."""


class SavedRoot(RootRow):
    """A shared folder that was added or changed just now."""

    warnings: list[str]
    """What may not have been meant: an exclusion that leaves out no known file, a group that nobody is in."""


class ScanGoing(BaseModel):
    """How far a scan is: ``progress`` from 0 to 1 of all of it, the rest in its present ``phase``."""

    progress: float
    phase: Literal["walking", "reading", "indexing"]
    root: str
    """The shared folder that is walked; empty in the other phases, which go on in all at once."""
    done: int
    """Files."""
    total: int | None
    """Files, as far as known; while walking, what the last scan found."""
    rate: float
    """Files per second."""
    seconds_left: float | None


class SharesState(BaseModel):
    """How the index is doing."""

    scanning: bool
    pending: bool
    faulted: bool
    cancelled: bool
    progress: float
    scan: ScanGoing | None
    """The scan that is under way, as ``share.progress`` tells it; null while nothing is known of one."""
    folders: int
    files: int
    searches: int
    """Of others, in which we looked for something since the start."""
    too_dear: int
    """Of them, those that would have cost too much: they were broken off, and got no answer."""
    roots: list[RootRow]
    next: str | None = None
    """Of the roots."""


class NewRoot(Body):
    """A folder to share."""

    path: Annotated[str, StringConstraints(min_length=1, max_length=4096)]
    name: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\\/\x00]+$")] | None = (
        None
    )
    audience: Annotated[list[Word], Field(max_length=1000, default_factory=list)]
    """``everyone`` if it is empty."""
    locked: bool = False
    exclude: Annotated[list[Word], Field(max_length=1000, default_factory=list)]
    hidden: bool = False
    links: Symlinks = Symlinks.SKIP


class ChangedRoot(Body):
    """What is to be different; the rest stays."""

    audience: Annotated[list[Word], Field(max_length=1000)] | None = None
    locked: bool | None = None
    exclude: Annotated[list[Word], Field(max_length=1000)] | None = None
    hidden: bool | None = None
    links: Symlinks | None = None


class ScanQuery(Query):
    """How to scan."""

    confirmed: bool = False
    """Forget files that are gone, however many they are."""
    roots: Annotated[str, StringConstraints(pattern=r"^\d{1,18}(,\d{1,18})*$")] | None = None
    """Shared folders by their ids, with commas between them; all if not given."""


class RootQuery(Query):
    """How to save it."""

    confirmed: bool = False
    """Also where somebody should be asked: the whole disk, or exclusions that leave out nearly everything."""


class _Shares:
    """The work."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._engine = service.engine

    async def state(self, _call: Call, _query: None, _body: None) -> dict[str, Any]:
        found = self._engine.shares
        roots = [self._row(root) for root in self._real.shared.roots] if self._is_real else []
        figures = self._real.shared.figures if self._is_real else SearchFigures()
        return {
            "scanning": found.scanning,
            "pending": found.pending,
            "faulted": found.faulted,
            "cancelled": found.cancelled,
            "progress": found.progress,
            "scan": None if found.going is None else asdict(found.going),
            "folders": found.folders,
            "files": found.files,
            "searches": figures.searches,
            "too_dear": figures.too_dear,
            "roots": roots,
        }

    async def add(self, _call: Call, query: RootQuery, body: NewRoot) -> dict[str, Any]:
        path = Path(body.path)
        if not path.is_absolute() or ".." in path.parts or "\x00" in body.path:
            raise HttpError(422, "body.path: an absolute path is needed")
        await self._may(path)
        problem = await asyncio.to_thread(check_shared, path)
        if problem is not None:
            raise HttpError(422, f"body.path: {problem}")
        shared = self._real.shared
        taken = {root.name for root in shared.roots}
        name = body.name.encode("utf-8") if body.name else folder_name(path, taken)
        root = Root(
            0,
            name,
            path,
            _audience(body.audience, body.locked, said=body.locked),
            tuple(body.exclude),
            hidden=body.hidden,
            symlinks=body.links,
        )
        await self._sure(root, query)
        saved = shared.save_root(root)
        self._engine.scan()
        self._tell()
        return {**self._row(saved), "warnings": self._unknown_groups(saved)}

    async def change(self, call: Call, query: RootQuery, body: ChangedRoot) -> dict[str, Any]:
        root = self._root(call)
        await self._may(root.path)
        words = body.audience if body.audience is not None else _words(root.audience)
        locked = body.locked if body.locked is not None else root.audience.locked
        changed = replace(
            root,
            audience=_audience(words, locked, said=bool(body.locked)),
            exclude=tuple(body.exclude) if body.exclude is not None else root.exclude,
            hidden=body.hidden if body.hidden is not None else root.hidden,
            symlinks=body.links if body.links is not None else root.symlinks,
        )
        await self._sure(changed, query)
        shared = self._real.shared
        idle = await asyncio.to_thread(idle_exclusions, shared.store, root, changed, shared.roots)
        saved = shared.save_root(changed)
        if (saved.exclude, saved.hidden, saved.symlinks) != (root.exclude, root.hidden, root.symlinks):
            self._engine.scan()
        self._tell()
        warnings = [f"{pattern} leaves out none of the files that are known" for pattern in idle]
        return {**self._row(saved), "warnings": warnings + self._unknown_groups(saved)}

    def _unknown_groups(self, root: Root) -> list[str]:
        known = queue_rules(self._service.settings.transfers).groups.keys()
        return [
            f"there is no group {group}: transfers.groups in the settings makes one"
            for group in sorted(root.audience.groups - known)
        ]

    async def remove(self, call: Call, _query: None, _body: None) -> None:
        root = self._root(call)
        if self._from_settings(root.path):
            raise HttpError(409, "The folder is named in the settings: take it out of shares.folders")
        self._real.shared.remove_root(root.id)
        self._engine.scan()
        self._tell()

    async def _sure(self, root: Root, query: RootQuery) -> None:
        doubt = None if query.confirmed else await self._real.shared.doubt(root)
        if doubt is not None:
            raise HttpError(409, f"{shown_path(root.path)}: {doubt}")

    def _tell(self) -> None:
        self._service.hub.tell("share.roots", {"count": len(self._real.shared.roots)})

    async def scan(self, _call: Call, query: ScanQuery, _body: None) -> None:
        roots = None if query.roots is None else {int(number) for number in query.roots.split(",")}
        if roots is not None and not roots <= {root.id for root in self._real.shared.roots}:
            raise HttpError(404, "There is no such folder")
        if not self._engine.scan(roots, confirmed=query.confirmed):
            raise HttpError(409, "A scan is under way: another one follows it")

    async def cancel_scan(self, _call: Call, _query: None, _body: None) -> None:
        if not self._engine.cancel_scan():
            raise HttpError(404, "No scan is under way")

    async def _may(self, path: Path) -> None:
        """Over HTTP the downloads may be shared; the rest of the disk only where the owner allows it."""
        if self._service.settings.remote_configuration:
            return
        real, downloads = await asyncio.to_thread(lambda: (path.resolve(), self._service.downloads.resolve()))
        if real.is_relative_to(downloads):
            return
        raise HttpError(
            403,
            "Only the folder of downloads can be shared from here, unless remote_configuration is on:"
            " name other folders in the settings (shares.folders)",
        )

    @property
    def _is_real(self) -> bool:
        return isinstance(self._engine, ClientEngine)

    @property
    def _real(self) -> ClientEngine:
        if not isinstance(self._engine, ClientEngine):
            raise HttpError(503, "The client is not there")
        return self._engine

    def _root(self, call: Call) -> Root:
        number = call.path["id"]
        for root in self._real.shared.roots:
            if str(root.id) == number:
                return root
        raise HttpError(404, "There is no such folder")

    def _from_settings(self, path: Path) -> bool:
        return path in {Path(one).expanduser().absolute() for one in self._service.settings.shares.folders}

    def _row(self, root: Root) -> dict[str, Any]:
        store = self._real.shared.store
        return {
            "id": root.id,
            "name": text(root.name),
            "path": shown_path(root.path),
            "audience": _words(root.audience),
            "locked": root.audience.locked,
            "exclude": list(root.exclude),
            "hidden": root.hidden,
            "links": root.symlinks,
            "held_back": store.get(f"held_back:{root.id}", 0),
            "problems": store.count_problems(root),
            "online": root.online,
            "files": root.files,
            "scanned": root.scanned,
            "from_settings": self._from_settings(root.path),
        }


def _words(audience: Audience) -> list[str]:
    if audience.everyone:
        return ["everyone"]
    found = ["friends"] if audience.friends else []
    found += [f"user:{name}" for name in sorted(audience.users)]
    return found + [f"group:{name}" for name in sorted(audience.groups)]


def _audience(words: list[str], locked: bool, *, said: bool) -> Audience:
    """``said``: it was asked to be locked just now. An earlier lock waits for narrower times."""
    try:
        found = Audience.parse(words, locked=locked)
    except (ValueError, SoulmeshError) as error:
        raise HttpError(422, f"body.audience: {error}") from None
    if said and found.everyone:
        raise HttpError(422, "body.locked: only a folder that not everyone may have can be locked")
    return found


def operations(service: Service) -> list[Operation]:
    """What is served here."""
    work = _Shares(service)
    write, admin = Access.WRITE, Access.ADMIN
    one = "/shares/roots/{id}"
    return [
        Operation(
            "GET",
            "/shares",
            "What we share, and how the scan is doing",
            work.state,
            SharesState,
            query=Part,
            lists=("roots",),
        ),
        Operation(
            "POST",
            "/shares/roots",
            "Share a folder",
            work.add,
            SavedRoot,
            admin,
            query=RootQuery,
            body=NewRoot,
            status=201,
            refusals=(409, 503),
            example={"path": "/data/music", "audience": ["friends"], "locked": True},
        ),
        Operation(
            "PATCH",
            one,
            "Share it with others, or other files of it",
            work.change,
            SavedRoot,
            admin,
            query=RootQuery,
            body=ChangedRoot,
            refusals=(409, 503),
            example={"audience": ["everyone"]},
        ),
        Operation(
            "DELETE", one, "Share it no more", work.remove, access=admin, status=204, refusals=(409, 503)
        ),
        Operation(
            "POST",
            "/shares/scan",
            "Scan anew, all shared folders or some",
            work.scan,
            access=write,
            query=ScanQuery,
            status=202,
            refusals=(409, 503),
        ),
        Operation("DELETE", "/shares/scan", "Stop scanning", work.cancel_scan, access=write, status=204),
    ]
