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
    from soulmesh.client.answers import SearchAnswered as SearchAnswered
    from soulmesh.client.book import BadRange as BadRange
    from soulmesh.client.browse import Browse as Browse
    from soulmesh.client.browse import BrowseProgressed as BrowseProgressed
    from soulmesh.client.browse import Folder as Folder
    from soulmesh.client.chat import PrivateMessage as PrivateMessage
    from soulmesh.client.chat import RoomLineKept as RoomLineKept
    from soulmesh.client.chat import ServerNotice as ServerNotice
    from soulmesh.client.chat_store import ChatStoreError as ChatStoreError
    from soulmesh.client.client import Client as Client
    from soulmesh.client.errors import ClientError as ClientError
    from soulmesh.client.errors import KickedOut as KickedOut
    from soulmesh.client.errors import LinkLost as LinkLost
    from soulmesh.client.errors import LoginRefused as LoginRefused
    from soulmesh.client.errors import LoginUnanswered as LoginUnanswered
    from soulmesh.client.errors import NoReply as NoReply
    from soulmesh.client.errors import NotConnected as NotConnected
    from soulmesh.client.errors import PeerUnreachable as PeerUnreachable
    from soulmesh.client.errors import RoomRefused as RoomRefused
    from soulmesh.client.errors import RoomUnknown as RoomUnknown
    from soulmesh.client.errors import SearchRefused as SearchRefused
    from soulmesh.client.errors import ServerUnreachable as ServerUnreachable
    from soulmesh.client.errors import TooManyRequests as TooManyRequests
    from soulmesh.client.errors import UserOffline as UserOffline
    from soulmesh.client.errors import UserUnknown as UserUnknown
    from soulmesh.client.events import Event as Event
    from soulmesh.client.events import EventsMissed as EventsMissed
    from soulmesh.client.filters import Filter as Filter
    from soulmesh.client.filters import FilterError as FilterError
    from soulmesh.client.info import Profile as Profile
    from soulmesh.client.info import UserInfo as UserInfo
    from soulmesh.client.info import UserInfoAsked as UserInfoAsked
    from soulmesh.client.links import CallbackFailed as CallbackFailed
    from soulmesh.client.links import LinkClosed as LinkClosed
    from soulmesh.client.links import LinkOpened as LinkOpened
    from soulmesh.client.links import PeerMisbehaved as PeerMisbehaved
    from soulmesh.client.listening import ListenPortChanged as ListenPortChanged
    from soulmesh.client.plain_shares import UnreadableShare as UnreadableShare
    from soulmesh.client.reach import ForwardedPortUnknown as ForwardedPortUnknown
    from soulmesh.client.reach import PortMapped as PortMapped
    from soulmesh.client.reach import PortNotMapped as PortNotMapped
    from soulmesh.client.reach import Reach as Reach
    from soulmesh.client.results import FoundFile as FoundFile
    from soulmesh.client.results import Hit as Hit
    from soulmesh.client.results import rank as rank
    from soulmesh.client.rooms import PublicMessage as PublicMessage
    from soulmesh.client.rooms import Room as Room
    from soulmesh.client.rooms import RoomJoined as RoomJoined
    from soulmesh.client.rooms import RoomLeft as RoomLeft
    from soulmesh.client.rooms import RoomListChanged as RoomListChanged
    from soulmesh.client.rooms import RoomMemberJoined as RoomMemberJoined
    from soulmesh.client.rooms import RoomMemberLeft as RoomMemberLeft
    from soulmesh.client.rooms import RoomMembersChanged as RoomMembersChanged
    from soulmesh.client.rooms import RoomMessage as RoomMessage
    from soulmesh.client.rooms import RoomRightsChanged as RoomRightsChanged
    from soulmesh.client.rooms import RoomTickerChanged as RoomTickerChanged
    from soulmesh.client.searches import Search as Search
    from soulmesh.client.searches import SearchFigures as SearchFigures
    from soulmesh.client.searches import SearchFinished as SearchFinished
    from soulmesh.client.searches import SearchStarted as SearchStarted
    from soulmesh.client.searches import SearchWarning as SearchWarning
    from soulmesh.client.server_link import LoggedIn as LoggedIn
    from soulmesh.client.server_link import LoggedOut as LoggedOut
    from soulmesh.client.server_link import ReconnectPlanned as ReconnectPlanned
    from soulmesh.client.server_link import ServerMessage as ServerMessage
    from soulmesh.client.server_link import ServerMisbehaved as ServerMisbehaved
    from soulmesh.client.settings import ClientSettings as ClientSettings
    from soulmesh.client.shares.model import RootRefused as RootRefused
    from soulmesh.client.shares.scan import ScanBusy as ScanBusy
    from soulmesh.client.shares.scan import ScanCancelled as ScanCancelled
    from soulmesh.client.shares.service import ScanFailed as ScanFailed
    from soulmesh.client.shares.store import StoreUnusable as StoreUnusable
    from soulmesh.client.sources import NoOtherSource as NoOtherSource
    from soulmesh.client.transfers.batches import Batch as Batch
    from soulmesh.client.transfers.batches import FolderNotFound as FolderNotFound
    from soulmesh.client.transfers.events import BatchFinished as BatchFinished
    from soulmesh.client.transfers.events import BatchNotMoved as BatchNotMoved
    from soulmesh.client.transfers.events import DownloadFinished as DownloadFinished
    from soulmesh.client.transfers.events import TransferAdded as TransferAdded
    from soulmesh.client.transfers.events import TransferEvent as TransferEvent
    from soulmesh.client.transfers.events import TransferMoved as TransferMoved
    from soulmesh.client.transfers.events import TransferProgressed as TransferProgressed
    from soulmesh.client.transfers.events import TransferRemoved as TransferRemoved
    from soulmesh.client.transfers.events import UploadFinished as UploadFinished
    from soulmesh.client.transfers.goals import Candidate as Candidate
    from soulmesh.client.transfers.goals import Goal as Goal
    from soulmesh.client.transfers.goals import GoalDropped as GoalDropped
    from soulmesh.client.transfers.goals import GoalFailed as GoalFailed
    from soulmesh.client.transfers.goals import GoalFinished as GoalFinished
    from soulmesh.client.transfers.goals import GoalMoved as GoalMoved
    from soulmesh.client.transfers.journal import JournalError as JournalError
    from soulmesh.client.transfers.journal import JournalInUse as JournalInUse
    from soulmesh.client.transfers.layout import Layout as Layout
    from soulmesh.client.transfers.manager import IsFinished as IsFinished
    from soulmesh.client.transfers.manager import NotPreferred as NotPreferred
    from soulmesh.client.transfers.manager import NotShared as NotShared
    from soulmesh.client.transfers.manager import UnknownTransfer as UnknownTransfer
    from soulmesh.client.transfers.settings import TransferSettings as TransferSettings
    from soulmesh.client.transfers.transfer import Transfer as Transfer
    from soulmesh.client.transfers.transfer import TransferFailed as TransferFailed
    from soulmesh.client.tree_links import TreeChanged as TreeChanged
    from soulmesh.client.users import User as User
    from soulmesh.client.users import UserStatsChanged as UserStatsChanged
    from soulmesh.client.users import UserStatusChanged as UserStatusChanged
    from soulmesh.client.wishes import WishFound as WishFound
    from soulmesh.client.wishes import WishFulfilled as WishFulfilled
    from soulmesh.core.pacing import Rate as Rate
    from soulmesh.core.rendezvous import Order as Order
    from soulmesh.core.retry import RetryPolicy as RetryPolicy
    from soulmesh.core.transfer import State as State
    from soulmesh.core.upload_queue import Group as Group
    from soulmesh.core.upload_queue import QueueRules as QueueRules
    from soulmesh.errors import ConfigError as ConfigError
    from soulmesh.errors import NetworkError as NetworkError
    from soulmesh.errors import NotFound as NotFound
    from soulmesh.errors import ProtocolError as ProtocolError
    from soulmesh.errors import Refused as Refused
    from soulmesh.errors import SoulmeshError as SoulmeshError
    from soulmesh.errors import UsageError as UsageError
    from soulmesh.errors import WireError as WireError
    from soulmesh.net.disk import DiskError as DiskError
    from soulmesh.net.disk import DiskFull as DiskFull
    from soulmesh.net.disk import FileExists as FileExists
    from soulmesh.net.disk import FileMissing as FileMissing
    from soulmesh.net.disk import FileTooLarge as FileTooLarge
    from soulmesh.net.disk import NameRefused as NameRefused
    from soulmesh.net.disk import NotAllowed as NotAllowed
    from soulmesh.net.disk import OtherFilesystem as OtherFilesystem
    from soulmesh.net.disk import WrongKind as WrongKind
    from soulmesh.net.errors import AddressError as AddressError
    from soulmesh.net.errors import AddressUnavailable as AddressUnavailable
    from soulmesh.net.errors import ConnectionLost as ConnectionLost
    from soulmesh.net.errors import ConnectionRefused as ConnectionRefused
    from soulmesh.net.errors import HostUnknown as HostUnknown
    from soulmesh.net.errors import InterfaceMissing as InterfaceMissing
    from soulmesh.net.errors import NoIPv4 as NoIPv4
    from soulmesh.net.errors import PortForbidden as PortForbidden
    from soulmesh.net.errors import PortImpossible as PortImpossible
    from soulmesh.net.errors import PortInUse as PortInUse
    from soulmesh.net.errors import PortTwice as PortTwice
    from soulmesh.net.errors import ProxyRefused as ProxyRefused
    from soulmesh.net.errors import TimedOut as TimedOut
    from soulmesh.net.errors import TooManyOpenFiles as TooManyOpenFiles
    from soulmesh.net.errors import Unreachable as Unreachable
    from soulmesh.wire.enums import UserStatus as UserStatus

_PLACES = {
    "client.answers": ("SearchAnswered",),
    "client.book": ("BadRange",),
    "client.browse": (
        "Browse",
        "BrowseProgressed",
        "Folder",
    ),
    "client.chat": (
        "PrivateMessage",
        "RoomLineKept",
        "ServerNotice",
    ),
    "client.chat_store": ("ChatStoreError",),
    "client.client": ("Client",),
    "client.errors": (
        "ClientError",
        "KickedOut",
        "LinkLost",
        "LoginRefused",
        "LoginUnanswered",
        "NoReply",
        "NotConnected",
        "PeerUnreachable",
        "RoomRefused",
        "RoomUnknown",
        "SearchRefused",
        "ServerUnreachable",
        "TooManyRequests",
        "UserOffline",
        "UserUnknown",
    ),
    "client.events": (
        "Event",
        "EventsMissed",
    ),
    "client.filters": (
        "Filter",
        "FilterError",
    ),
    "client.info": (
        "Profile",
        "UserInfo",
        "UserInfoAsked",
    ),
    "client.links": (
        "CallbackFailed",
        "LinkClosed",
        "LinkOpened",
        "PeerMisbehaved",
    ),
    "client.listening": ("ListenPortChanged",),
    "client.plain_shares": ("UnreadableShare",),
    "client.reach": (
        "ForwardedPortUnknown",
        "PortMapped",
        "PortNotMapped",
        "Reach",
    ),
    "client.results": (
        "FoundFile",
        "Hit",
        "rank",
    ),
    "client.rooms": (
        "PublicMessage",
        "Room",
        "RoomJoined",
        "RoomLeft",
        "RoomListChanged",
        "RoomMemberJoined",
        "RoomMemberLeft",
        "RoomMembersChanged",
        "RoomMessage",
        "RoomRightsChanged",
        "RoomTickerChanged",
    ),
    "client.searches": (
        "Search",
        "SearchFigures",
        "SearchFinished",
        "SearchStarted",
        "SearchWarning",
    ),
    "client.server_link": (
        "LoggedIn",
        "LoggedOut",
        "ReconnectPlanned",
        "ServerMessage",
        "ServerMisbehaved",
    ),
    "client.settings": ("ClientSettings",),
    "client.shares.model": ("RootRefused",),
    "client.shares.scan": (
        "ScanBusy",
        "ScanCancelled",
    ),
    "client.shares.service": ("ScanFailed",),
    "client.shares.store": ("StoreUnusable",),
    "client.sources": ("NoOtherSource",),
    "client.transfers.batches": (
        "Batch",
        "FolderNotFound",
    ),
    "client.transfers.events": (
        "BatchFinished",
        "BatchNotMoved",
        "DownloadFinished",
        "TransferAdded",
        "TransferEvent",
        "TransferMoved",
        "TransferProgressed",
        "TransferRemoved",
        "UploadFinished",
    ),
    "client.transfers.goals": (
        "Candidate",
        "Goal",
        "GoalDropped",
        "GoalFailed",
        "GoalFinished",
        "GoalMoved",
    ),
    "client.transfers.journal": (
        "JournalError",
        "JournalInUse",
    ),
    "client.transfers.layout": ("Layout",),
    "client.transfers.manager": (
        "IsFinished",
        "NotPreferred",
        "NotShared",
        "UnknownTransfer",
    ),
    "client.transfers.settings": ("TransferSettings",),
    "client.transfers.transfer": (
        "Transfer",
        "TransferFailed",
    ),
    "client.tree_links": ("TreeChanged",),
    "client.users": (
        "User",
        "UserStatsChanged",
        "UserStatusChanged",
    ),
    "client.wishes": (
        "WishFound",
        "WishFulfilled",
    ),
    "core.pacing": ("Rate",),
    "core.rendezvous": ("Order",),
    "core.retry": ("RetryPolicy",),
    "core.transfer": ("State",),
    "core.upload_queue": (
        "Group",
        "QueueRules",
    ),
    "errors": (
        "ConfigError",
        "NetworkError",
        "NotFound",
        "ProtocolError",
        "Refused",
        "SoulmeshError",
        "UsageError",
        "WireError",
    ),
    "net.disk": (
        "DiskError",
        "DiskFull",
        "FileExists",
        "FileMissing",
        "FileTooLarge",
        "NameRefused",
        "NotAllowed",
        "OtherFilesystem",
        "WrongKind",
    ),
    "net.errors": (
        "AddressError",
        "AddressUnavailable",
        "ConnectionLost",
        "ConnectionRefused",
        "HostUnknown",
        "InterfaceMissing",
        "NoIPv4",
        "PortForbidden",
        "PortImpossible",
        "PortInUse",
        "PortTwice",
        "ProxyRefused",
        "TimedOut",
        "TooManyOpenFiles",
        "Unreachable",
    ),
    "wire.enums": ("UserStatus",),
}
_WHERE = {name: place for place, names in _PLACES.items() for name in names}

__all__ = ["__version__", *sorted(_WHERE)]


if not TYPE_CHECKING:
    # Type checkers know the names above, and complain of others.

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
