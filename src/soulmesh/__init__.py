"""The whole Soulseek system in one package.

::

    async with soulmesh.Client("name", "password", shares=["~/Music"]) as client:
        async for hit in client.search("artist album", timeout=15):
            print(hit.username, hit.file.remote_path, hit.file.size, hit.free_slot)

The names below are loaded when they are first used, so ``import soulmesh`` costs
next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from soulmesh.client.client import Client as Client
    from soulmesh.client.errors import ClientError as ClientError
    from soulmesh.client.errors import KickedOut as KickedOut
    from soulmesh.client.errors import LoginRefused as LoginRefused
    from soulmesh.client.errors import NoReply as NoReply
    from soulmesh.client.errors import NotConnected as NotConnected
    from soulmesh.client.errors import PeerUnreachable as PeerUnreachable
    from soulmesh.client.errors import SearchRefused as SearchRefused
    from soulmesh.client.errors import ServerUnreachable as ServerUnreachable
    from soulmesh.client.errors import TooManyRequests as TooManyRequests
    from soulmesh.client.errors import UserOffline as UserOffline
    from soulmesh.client.events import Event as Event
    from soulmesh.client.events import EventsMissed as EventsMissed
    from soulmesh.client.links import LinkClosed as LinkClosed
    from soulmesh.client.links import LinkOpened as LinkOpened
    from soulmesh.client.links import PeerMisbehaved as PeerMisbehaved
    from soulmesh.client.results import FoundFile as FoundFile
    from soulmesh.client.results import Hit as Hit
    from soulmesh.client.searches import Search as Search
    from soulmesh.client.searches import SearchFinished as SearchFinished
    from soulmesh.client.searches import SearchStarted as SearchStarted
    from soulmesh.client.server_link import LoggedIn as LoggedIn
    from soulmesh.client.server_link import LoggedOut as LoggedOut
    from soulmesh.client.settings import ClientSettings as ClientSettings
    from soulmesh.client.transfers import DownloadFinished as DownloadFinished
    from soulmesh.client.transfers import TransferSettings as TransferSettings
    from soulmesh.client.transfers import UploadFinished as UploadFinished
    from soulmesh.client.tree_links import TreeChanged as TreeChanged
    from soulmesh.client.users import UserStatsChanged as UserStatsChanged
    from soulmesh.client.users import UserStatusChanged as UserStatusChanged
    from soulmesh.errors import SoulmeshError as SoulmeshError

_PLACES = {
    "client.client": ("Client",),
    "client.errors": (
        "ClientError",
        "KickedOut",
        "LoginRefused",
        "NoReply",
        "NotConnected",
        "PeerUnreachable",
        "SearchRefused",
        "ServerUnreachable",
        "TooManyRequests",
        "UserOffline",
    ),
    "client.events": ("Event", "EventsMissed"),
    "client.links": ("LinkClosed", "LinkOpened", "PeerMisbehaved"),
    "client.results": ("FoundFile", "Hit"),
    "client.searches": ("Search", "SearchFinished", "SearchStarted"),
    "client.server_link": ("LoggedIn", "LoggedOut"),
    "client.settings": ("ClientSettings",),
    "client.transfers": ("DownloadFinished", "TransferSettings", "UploadFinished"),
    "client.tree_links": ("TreeChanged",),
    "client.users": ("UserStatsChanged", "UserStatusChanged"),
    "errors": ("SoulmeshError",),
}
_WHERE = {name: place for place, names in _PLACES.items() for name in names}

__all__ = ["__version__", *sorted(_WHERE)]


def __getattr__(name: str) -> Any:
    place = _WHERE.get(name)
    if place is None:
        raise AttributeError(f"module 'soulmesh' has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"soulmesh.{place}"), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
