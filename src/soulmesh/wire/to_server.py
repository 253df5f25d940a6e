"""What a client says to the server."""

from __future__ import annotations

from typing import Annotated

from soulmesh.wire.message import TO_SERVER, Message, message
from soulmesh.wire.types import LATE, U8, U32, U64, Array, Bool, IPv4, Short, String

__all__ = [
    "AcceptChildren",
    "AddHatedInterest",
    "AddInterest",
    "AddUser",
    "BranchLevel",
    "BranchRoot",
    "CannotConnect",
    "CheckPrivileges",
    "ChildDepth",
    "ConnectToPeer",
    "DeprecatedGetItemRecommendations",
    "DisablePublicChat",
    "EnablePublicChat",
    "ExactFileSearch",
    "ExecuteCommand",
    "FileSearch",
    "FileSearchRoom",
    "GetGlobalRecommendations",
    "GetInterests",
    "GetItemRecommendations",
    "GetItemSimilarUsers",
    "GetPeerAddress",
    "GetRecommendations",
    "GetRelatedSearches",
    "GetSimilarUsers",
    "GetUserInterests",
    "GetUserList",
    "GetUserPrivileges",
    "GetUserStats",
    "GetUserStatus",
    "GiveUserPrivileges",
    "IgnoreUser",
    "JoinRoom",
    "LeaveRoom",
    "Login",
    "NewPassword",
    "ParentIP",
    "Ping",
    "PlaceInLineRequest",
    "PlaceInLineResponse",
    "PrivateChatMessage",
    "PrivateChatMessageAck",
    "PrivateChatMessageUsers",
    "PrivateRoomDropMembership",
    "PrivateRoomDropOperator",
    "PrivateRoomDropOwnership",
    "PrivateRoomGrantMembership",
    "PrivateRoomGrantOperator",
    "PrivateRoomOperatorRevoked",
    "PrivateRoomRevokeMembership",
    "PrivateRoomRevokeOperator",
    "PrivateRoomUnknown138",
    "PrivilegesNotification",
    "PrivilegesNotificationAck",
    "RemoveHatedInterest",
    "RemoveInterest",
    "RemoveUser",
    "RoomChatMessage",
    "RoomList",
    "RoomSearch",
    "SendConnectTicket",
    "SendDownloadSpeed",
    "SendUploadSpeed",
    "SetListenPort",
    "SetRoomTicker",
    "SetStatus",
    "SharedFoldersFiles",
    "ToggleParentSearch",
    "TogglePrivateRoomInvites",
    "TunneledMessage",
    "UnignoreUser",
    "Unknown80",
    "UploadSlotsFull",
    "UserSearch",
    "WishlistSearch",
]


@message(TO_SERVER, 1)
class Login(Message):
    """TODO."""

    username: String
    password: String
    client_version: Annotated[U32 | None, LATE] = None
    md5hash: Annotated[String | None, LATE] = None
    minor_version: Annotated[U32 | None, LATE] = None


@message(TO_SERVER, 2)
class SetListenPort(Message):
    """TODO."""

    port: U32
    obfuscation_type: Annotated[U32 | None, LATE] = None
    obfuscated_port: Annotated[U32 | None, LATE] = None


@message(TO_SERVER, 3)
class GetPeerAddress(Message):
    """TODO."""

    username: String


@message(TO_SERVER, 5)
class AddUser(Message):
    """TODO."""

    username: String


@message(TO_SERVER, 6)
class RemoveUser(Message):
    """TODO."""

    username: String


@message(TO_SERVER, 7)
class GetUserStatus(Message):
    """TODO."""

    username: String


@message(TO_SERVER, 11, status="obsolete")
class IgnoreUser(Message):
    """TODO."""

    username: String


@message(TO_SERVER, 12, status="obsolete")
class UnignoreUser(Message):
    """TODO."""

    username: String


@message(TO_SERVER, 13)
class RoomChatMessage(Message):
    """TODO."""

    room: String
    message: String


@message(TO_SERVER, 14)
class JoinRoom(Message):
    """TODO."""

    room: String
    is_private: Annotated[U32 | None, LATE] = None


@message(TO_SERVER, 15)
class LeaveRoom(Message):
    """TODO."""

    room: String


@message(TO_SERVER, 18)
class ConnectToPeer(Message):
    """TODO."""

    ticket: U32
    username: String
    connection_type: String


@message(TO_SERVER, 22)
class PrivateChatMessage(Message):
    """TODO."""

    username: String
    message: String


@message(TO_SERVER, 23)
class PrivateChatMessageAck(Message):
    """TODO."""

    chat_id: U32


@message(TO_SERVER, 25, status="obsolete")
class FileSearchRoom(Message):
    """TODO."""

    ticket: U32
    room_id: U32
    query: String


@message(TO_SERVER, 26)
class FileSearch(Message):
    """TODO."""

    ticket: U32
    query: String


@message(TO_SERVER, 28)
class SetStatus(Message):
    """TODO."""

    status: U32


@message(TO_SERVER, 32)
class Ping(Message):
    """TODO."""


@message(TO_SERVER, 33, status="obsolete")
class SendConnectTicket(Message):
    """TODO."""

    username: String
    ticket: U32


@message(TO_SERVER, 34, status="obsolete")
class SendDownloadSpeed(Message):
    """TODO."""

    username: String
    speed: U32


@message(TO_SERVER, 35)
class SharedFoldersFiles(Message):
    """TODO."""

    shared_folder_count: U32
    shared_file_count: U32


@message(TO_SERVER, 36)
class GetUserStats(Message):
    """TODO."""

    username: String


@message(TO_SERVER, 40, status="obsolete")
class UploadSlotsFull(Message):
    """TODO."""

    slots_full: U32


@message(TO_SERVER, 42)
class UserSearch(Message):
    """TODO."""

    username: String
    ticket: U32
    query: String


@message(TO_SERVER, 50, status="obsolete")
class DeprecatedGetItemRecommendations(Message):
    """TODO."""

    item: String


@message(TO_SERVER, 51)
class AddInterest(Message):
    """TODO."""

    interest: String


@message(TO_SERVER, 52)
class RemoveInterest(Message):
    """TODO."""

    interest: String


@message(TO_SERVER, 54)
class GetRecommendations(Message):
    """TODO."""


@message(TO_SERVER, 55, status="obsolete")
class GetInterests(Message):
    """TODO."""


@message(TO_SERVER, 56)
class GetGlobalRecommendations(Message):
    """TODO."""


@message(TO_SERVER, 57)
class GetUserInterests(Message):
    """TODO."""

    username: String


@message(TO_SERVER, 58, status="obsolete")
class ExecuteCommand(Message):
    """TODO."""

    command_type: String
    arguments: Array[String]


@message(TO_SERVER, 59, status="obsolete")
class PlaceInLineRequest(Message):
    """TODO."""

    username: String
    ticket: U32


@message(TO_SERVER, 60, status="obsolete")
class PlaceInLineResponse(Message):
    """TODO."""

    username: String
    ticket: U32
    place: U32


@message(TO_SERVER, 64)
class RoomList(Message):
    """TODO."""


@message(TO_SERVER, 65, status="obsolete")
class ExactFileSearch(Message):
    """TODO."""

    ticket: U32
    filename: String
    pathname: String
    filesize: U64
    checksum: U32
    unknown: U8


@message(TO_SERVER, 67, status="obsolete")
class GetUserList(Message):
    """TODO."""


@message(TO_SERVER, 68, status="obsolete")
class TunneledMessage(Message):
    """TODO."""

    username: String
    ticket: U32
    code: U32
    message: String


@message(TO_SERVER, 71)
class ToggleParentSearch(Message):
    """TODO."""

    enable: Bool


@message(TO_SERVER, 73, status="deprecated")
class ParentIP(Message):
    """TODO."""

    ip: IPv4


@message(TO_SERVER, 80, status="obsolete")
class Unknown80(Message):
    """TODO."""


@message(TO_SERVER, 92)
class CheckPrivileges(Message):
    """TODO."""


@message(TO_SERVER, 100)
class AcceptChildren(Message):
    """TODO."""

    accept: Bool


@message(TO_SERVER, 103)
class WishlistSearch(Message):
    """TODO."""

    ticket: U32
    query: String


@message(TO_SERVER, 110)
class GetSimilarUsers(Message):
    """TODO."""


@message(TO_SERVER, 111)
class GetItemRecommendations(Message):
    """TODO."""

    item: String


@message(TO_SERVER, 112)
class GetItemSimilarUsers(Message):
    """TODO."""

    item: String


@message(TO_SERVER, 116)
class SetRoomTicker(Message):
    """TODO."""

    room: String
    ticker: String


@message(TO_SERVER, 117)
class AddHatedInterest(Message):
    """TODO."""

    hated_interest: String


@message(TO_SERVER, 118)
class RemoveHatedInterest(Message):
    """TODO."""

    hated_interest: String


@message(TO_SERVER, 120)
class RoomSearch(Message):
    """TODO."""

    room: String
    ticket: U32
    query: String


@message(TO_SERVER, 121)
class SendUploadSpeed(Message):
    """TODO."""

    speed: U32


@message(TO_SERVER, 122, status="deprecated")
class GetUserPrivileges(Message):
    """TODO."""

    username: String


@message(TO_SERVER, 123)
class GiveUserPrivileges(Message):
    """TODO."""

    username: String
    days: U32


@message(TO_SERVER, 124, status="deprecated")
class PrivilegesNotification(Message):
    """TODO."""

    notification_id: U32
    username: String


@message(TO_SERVER, 125, status="deprecated")
class PrivilegesNotificationAck(Message):
    """TODO."""

    notification_id: U32


@message(TO_SERVER, 126)
class BranchLevel(Message):
    """TODO."""

    level: U32


@message(TO_SERVER, 127)
class BranchRoot(Message):
    """TODO."""

    username: String


@message(TO_SERVER, 129, status="obsolete")
class ChildDepth(Message):
    """TODO."""

    depth: Annotated[U32, Short("B")]


@message(TO_SERVER, 134)
class PrivateRoomGrantMembership(Message):
    """TODO."""

    room: String
    username: String


@message(TO_SERVER, 135)
class PrivateRoomRevokeMembership(Message):
    """TODO."""

    room: String
    username: String


@message(TO_SERVER, 136)
class PrivateRoomDropMembership(Message):
    """TODO."""

    room: String


@message(TO_SERVER, 137)
class PrivateRoomDropOwnership(Message):
    """TODO."""

    room: String


@message(TO_SERVER, 138, status="obsolete")
class PrivateRoomUnknown138(Message):
    """TODO."""

    room: String


@message(TO_SERVER, 141)
class TogglePrivateRoomInvites(Message):
    """TODO."""

    enable: Bool


@message(TO_SERVER, 142)
class NewPassword(Message):
    """TODO."""

    password: String


@message(TO_SERVER, 143)
class PrivateRoomGrantOperator(Message):
    """TODO."""

    room: String
    username: String


@message(TO_SERVER, 144)
class PrivateRoomRevokeOperator(Message):
    """TODO."""

    room: String
    username: String


@message(TO_SERVER, 146, status="unverified")
class PrivateRoomOperatorRevoked(Message):
    """TODO."""

    room: String


@message(TO_SERVER, 147, status="unverified")
class PrivateRoomDropOperator(Message):
    """TODO."""

    room: String


@message(TO_SERVER, 149)
class PrivateChatMessageUsers(Message):
    """TODO."""

    usernames: Array[String]
    message: String


@message(TO_SERVER, 150)
class EnablePublicChat(Message):
    """TODO."""


@message(TO_SERVER, 151)
class DisablePublicChat(Message):
    """TODO."""


@message(TO_SERVER, 153, status="obsolete")
class GetRelatedSearches(Message):
    """TODO."""

    query: String


@message(TO_SERVER, 1001)
class CannotConnect(Message):
    """TODO."""

    ticket: U32
    username: Annotated[String | None, LATE] = None
