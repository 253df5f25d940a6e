"""An example of every answer, for the document: put together from its model, by the names of its fields.

What a field looks like is written down once, for all models that have it. A
model whose field means something else names it as ``Model.field``. So a new
field of a known name, a number or a switch needs nothing; a new text needs a
line here, and a test says so.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator, Mapping
from enum import Enum
from functools import cache
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

__all__ = ["NoExample", "example"]

_FOLDER = "music\\Quiet Harbor\\Tidal Maps (2019)"
_PATH = f"{_FOLDER}\\01 - First Light.flac"
_ID = "8d1f0a52-6c1b-4e0b-a7d9-2f5f0f6a9c11"
_BATCH = "0b0f6c1e-6f0e-4f7f-9d5e-2d8f3c4f9a11"
_AT = "2026-03-01T09:16:10.501Z"
_LATER = "2026-03-01T09:18:42.090Z"
_FOUND = {
    "username": "quiet.harbor",
    "path": _PATH,
    "name": "01 - First Light.flac",
    "folder": _FOLDER,
    "size": 31457280,
    "bitrate": None,
    "length": 254,
    "sample_rate": 44100,
    "bit_depth": 16,
    "vbr": None,
    "extension": "flac",
    "locked": False,
    "free_slot": True,
    "speed": 655360,
    "queue": 0,
    "expected": 48.0,
    "folder_files": 9,
}

KNOWN: dict[str, Any] = {
    # Who and where.
    "username": "quiet.harbor",
    "users": ["quiet.harbor"],
    "host": "198.51.100.7",
    "port": 2234,
    "country": "SE",
    "presence": "Online",
    "note": "Rare tapes, slow line.",
    "last_seen": _AT,
    "uploads": 1290,
    "description": "Tapes and field recordings.",
    "parent": "tall_spruce",
    "root": "mossy_gate",
    "children": ["paper_kite"],
    "level": 2,
    "server": "server.example.net:2242",
    "version": "1.0.0",
    "link": "Connected, LoggedIn",
    "logged_in": True,
    "listen_port": 50300,
    "last_event": "5b0c17f2a9d4-184",
    # Files and what becomes of them.
    "path": _PATH,
    "remote_path": _PATH,
    "local_path": "/srv/downloads/Tidal Maps (2019)/01 - First Light.flac",
    "size": 31457280,
    "length": 254,
    "sample_rate": 44100,
    "bit_depth": 16,
    "speed": 655360,
    "files": 9,
    "folders": 1,
    "done": 15728640,
    "state": "running",
    "reason": "",
    "reason_code": "",
    "id": _ID,
    "number": 12,
    "batch": _BATCH,
    "added": _AT,
    "started": _AT,
    "ended": None,
    "seconds_left": 24,
    "at": _AT,
    "taken": [_ID],
    "destination": "/srv/downloads/Tidal Maps (2019)",
    "may_miss": ["jpg", "txt"],
    "problem_code": "",
    "transfers": [_ID],
    "all_files": 9,
    "all_size": 283115520,
    "total": 9,
    "complete": True,
    # Words.
    "text": "Hello! The second disc is there as well.",
    "query": "tidal maps",
    "filter": "flac free",
    "item": "field recordings",
    "liked": ["field recordings"],
    "hated": ["ringtones"],
    "name": "Tidal Maps (2019)",
    "owner": "quiet.harbor",
    "operators": ["paper_kite"],
    "members": ["quiet.harbor", "paper_kite"],
    # Single models.
    "Acted.done": [_ID],
    "NotDone.reason": "There is no such transfer under way",
    "Refused.reason": "Already in progress",
    "AskedFolder.name": _FOLDER,
    "BanList.text": "198.51.100.0-198.51.100.255\nsomebody:\n",
    "Bans.names": ["somebody"],
    "Bans.ranges": ["198.51.100.0/24"],
    "BatchRow.id": _BATCH,
    "BatchRow.state": "under way",
    "Branch.name": "Tidal Maps (2019)",
    "Branch.path": _FOLDER,
    "Checked.valid": True,
    "Conversation.last": _AT,
    "Conversation.unread": 1,
    "Conversation.lines": 12,
    "Conversation.last_id": 84,
    "ChatLine.id": 84,
    "RoomLine.id": 1205,
    "Deliveries.items": [
        {
            "event": _ID,
            "kind": "DownloadFileComplete",
            "hook": "webhook:done",
            "attempts": 2,
            "due": 1772356574.0,
            "problem": "it answered 503",
        }
    ],
    "Deliveries.waiting": 1,
    "Entry.name": "done",
    "Entry.values": {"url": "https://example.org/*****", "on": ["DownloadDirectoryComplete"], "secret": None},
    "Entry.secrets": ["secret"],
    "EntryField.name": "url",
    "EntryField.description": "Where the event is posted to, as JSON.",
    "EntryField.type": "text",
    "EntryField.required": True,
    "EntryField.default": None,
    "EntryKind.kind": "webhooks",
    "EntryKind.key": "webhooks",
    "EntryKinds.file": "/config/soulmesh.toml",
    "Explained.path": "/srv/music/Quiet Harbor/Tidal Maps (2019)/01 - First Light.flac",
    "Explained.root": "music",
    "Explained.audience": "everyone",
    "Explained.offered": True,
    "Fans.items": ["quiet.harbor"],
    "Favourite.name": "field recordings",
    "Finding.subject": "listening port",
    "Finding.state": "good",
    "Finding.found": "paper_kite, asked through the server, connected to 203.0.113.9:50300",
    "Finding.cure": "",
    "Finding.code": "port.reached",
    "Finding.params": {"user": "paper_kite", "host": "203.0.113.9", "port": 50300},
    "FolderEntry.name": _FOLDER,
    "FoundFiles.items": [_FOUND],
    "FoundFiles.total": 1,
    "FoundFiles.hits": 1,
    "FoundFiles.all": 3,
    "GoalRow.now": "queued at quiet.harbor, place 4; paper.lantern has its turn at 15:02 if no byte comes",
    "GoalRow.rules": "album flac",
    "GoalRow.situation": "queued",
    "GoalRow.state": "running",
    "GoalRow.story": ["asked quiet.harbor for 9 files"],
    "GoalStep.code": "trying",
    "GoalStep.params": {"user": "quiet.harbor"},
    "Happened.items": [
        {
            "timestamp": _LATER,
            "type": "DownloadDirectoryComplete",
            "data": '{"version":0,"localDirectoryName":"/srv/downloads/Tidal Maps (2019)",'
            '"remoteDirectoryName":"music\\\\Quiet Harbor\\\\Tidal Maps (2019)","username":"quiet.harbor"}',
            "id": _ID,
        }
    ],
    "Happened.total": 1,
    "JoinedRoom.name": "field recordings",
    "Knob.key": "transfers.upload_slots",
    "Knob.section": "transfers",
    "Knob.title": "upload slots",
    "Knob.description": "How many files are sent at the same time.",
    "Knob.type": "integer",
    "Knob.minimum": 1.0,
    "Knob.default": 2,
    "Knob.value": 5,
    "Knob.set": True,
    "LogLine.timestamp": _AT,
    "LogLine.context": "daemon",
    "LogLine.level": "Warning",
    "LogLine.message": "a shared folder cannot be used",
    "Lot.group": "default",
    "Lot.refused": {"too many files": 2},
    "Member.role": "member",
    "Pace.subject": "search",
    "Pace.count": 34,
    "Pace.seconds": 220.0,
    "Results.items": [
        {
            "username": "quiet.harbor",
            "token": 18203,
            "hasFreeUploadSlot": True,
            "uploadSpeed": 655360,
            "queueLength": 0,
            "fileCount": 1,
            "files": [{"filename": _PATH, "size": 31457280, "extension": "flac", "length": 254}],
            "lockedFileCount": 0,
            "lockedFiles": [],
        }
    ],
    "Results.total": 1,
    "RoomEntry.name": "field recordings",
    "RoomState.name": "field recordings",
    "RootRow.id": 1,
    "RootRow.name": "music",
    "RootRow.path": "/srv/music",
    "RootRow.audience": ["everyone"],
    "RootRow.exclude": ["*.tmp"],
    "RootRow.scanned": _AT,
    "SavedRoot.id": 1,
    "SavedRoot.name": "music",
    "SavedRoot.path": "/srv/music",
    "SavedRoot.audience": ["group:band"],
    "SavedRoot.exclude": ["*.tmp"],
    "SavedRoot.scanned": _AT,
    "SavedRoot.warnings": ["there is no group band: transfers.groups in the settings makes one"],
    "ScanGoing.progress": 0.42,
    "ScanGoing.root": "music",
    "ScanGoing.done": 11200,
    "ScanGoing.total": 26000,
    "ScanGoing.rate": 9100.5,
    "ScanGoing.seconds_left": 1.6,
    "Sample.at": 1772356570.5,
    "Sample.download": 1963054,
    "SavedFilter.name": "good ones",
    "SavedFilter.text": "flac free",
    "Scored.score": 42,
    "Search.text": "tidal maps",
    "Search.state": "Completed, TimedOut",
    "Search.responses": 3,
    "Search.ended": _LATER,
    "Session.token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.e30.c2lnbmVk",
    "Session.name": "admin",
    "Session.expires": 1772961370,
    "Settings.items": {"web": {"host": "127.0.0.1", "port": 5030, "api_key": "**********"}},
    "Setup.account": True,
    "Setup.username": "lantern_owl",
    "Setup.downloads_folder": "/srv/downloads",
    "ShareProblem.root": "music",
    "ShareProblem.path": "Quiet Harbor/locked.flac",
    "ShareProblem.reason": "Permission denied",
    "Statistics.items": {"soulmesh_dnet_is_root": 0.0, "soulmesh_dnet_speed_bytes": 655360.0},
    "Status.username": "lantern_owl",
    "Step.code": "download.happened.asked",
    "Step.params": {"user": "quiet.harbor"},
    "Story.now": "queued at quiet.harbor, place 3",
    "Story.past": ["09:16 connecting to quiet.harbor to ask for it"],
    "Story.code": "download.queued",
    "Story.params": {"user": "quiet.harbor", "place": 3},
    "TreeState.username": "lantern_owl",
    "TreeState.searches": {"seen": 1840, "answered": 12},
    "Trial.begin": _AT,
    "Trial.end": _LATER,
    "WhoAmI.name": "admin",
    "WhoAmI.role": "Administrator",
    "WhoAmI.authentication": True,
    "WhoAmI.login": True,
    "WhoAmI.writes": True,
    "WhoAmI.administrator": True,
    "Wish.last_sent": _AT,
    "Wish.download": "best",
    "WishHits.items": [{**_FOUND, "at": _AT}],
    "Wishes.interval": 720.0,
    "Withheld.rules": {"same size": 3},
}
"""What a field looks like, by its name or as ``Model.field``."""


class NoExample(LookupError):
    """Nothing is written down for a text of a model."""

    def __init__(self, model: type[BaseModel], field: str) -> None:
        super().__init__(model, field)
        self.field = f"{model.__name__}.{field}"

    def __str__(self) -> str:
        return f"nothing is known of what {self.field} looks like"


@cache
def example(model: type[BaseModel]) -> Mapping[str, Any]:
    """What an answer may look like, as JSON has it.

    Raises:
        NoExample: one of its fields is a text, and nothing is written down for it.
    """
    return {name: _value(model, name, field) for name, field in model.model_fields.items()}


def _value(model: type[BaseModel], name: str, field: FieldInfo) -> Any:
    special = f"{model.__name__}.{name}"
    if special in KNOWN:
        return KNOWN[special]
    if name in KNOWN and _fits(KNOWN[name], field.annotation):
        return KNOWN[name]
    kinds = list(_kinds(field.annotation))
    if type(None) in kinds:
        return None
    found = _plain(kinds[0])
    if found is None:
        raise NoExample(model, name)
    return found


def _fits(value: Any, annotation: Any) -> bool:
    try:
        TypeAdapter(annotation).validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def _kinds(annotation: Any) -> Iterator[Any]:
    origin = typing.get_origin(annotation)
    if origin in (typing.Union, types.UnionType):
        for inner in typing.get_args(annotation):
            yield from _kinds(inner)
    elif origin is typing.Annotated:
        yield from _kinds(typing.get_args(annotation)[0])
    else:
        yield annotation


def _plain(kind: Any) -> Any:
    """What needs no words; ``None`` if it does."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return arguments[0]
    if origin is list:
        inner = next(_kinds(arguments[0]))
        return [example(inner)] if isinstance(inner, type) and issubclass(inner, BaseModel) else []
    if not isinstance(kind, type):
        return None
    if issubclass(kind, BaseModel):
        return example(kind)
    if issubclass(kind, Enum):
        return next(iter(kind)).value
    return {bool: False, int: 0, float: 0.0}.get(kind)
