"""What the server says to a client."""

from __future__ import annotations

from typing import Annotated

from soulmesh.wire.message import TO_CLIENT, Message, message
from soulmesh.wire.structs import (
    PotentialParent,
    Recommendation,
    RelatedSearch,
    RoomTicker,
    SimilarUser,
    UserStats,
)
from soulmesh.wire.types import LATE, U8, U16, U32, U64, Array, Bool, IPv4, Parallel, Raw, String, When

__all__ = [
    "AddPrivilegedUser",
    "AddUser",
    "AdminMessage",
    "CannotConnect",
    "CannotCreateRoom",
    "CannotCreateRoomReserved",
    "CheckPrivileges",
    "ConnectToPeer",
    "DeprecatedGetItemRecommendations",
    "DistributedAliveInterval",
    "DistributedDistributeInterval",
    "ExactFileSearch",
    "ExcludedSearchPhrases",
    "FileSearch",
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
    "IgnoreUser",
    "JoinRoom",
    "Kicked",
    "LeaveRoom",
    "Login",
    "MinParentsInCache",
    "NewPassword",
    "ParentInactivityTimeout",
    "ParentMinSpeed",
    "ParentSpeedRatio",
    "Ping",
    "PlaceInLineRequest",
    "PlaceInLineResponse",
    "PotentialParents",
    "PrivateChatMessage",
    "PrivateRoomGrantMembership",
    "PrivateRoomGrantOperator",
    "PrivateRoomMembers",
    "PrivateRoomMembershipGranted",
    "PrivateRoomMembershipRevoked",
    "PrivateRoomOperatorGranted",
    "PrivateRoomOperatorRevoked",
    "PrivateRoomOperators",
    "PrivateRoomRevokeMembership",
    "PrivateRoomRevokeOperator",
    "PrivateRoomUnknown138",
    "PrivilegedUsers",
    "PrivilegesNotification",
    "PrivilegesNotificationAck",
    "PublicChatMessage",
    "ResetDistributed",
    "RoomAdded",
    "RoomChatMessage",
    "RoomList",
    "RoomRemoved",
    "RoomSearch",
    "RoomTickerAdded",
    "RoomTickerRemoved",
    "RoomTickers",
    "SearchInactivityTimeout",
    "SendConnectTicket",
    "ServerSearchRequest",
    "TogglePrivateRoomInvites",
    "TunneledMessage",
    "UnignoreUser",
    "UploadSlotsFull",
    "UserJoinedRoom",
    "UserLeftRoom",
    "UserSearch",
    "WishlistInterval",
]


@message(TO_CLIENT, 1)
class Login(Message):
    """TODO."""

    success: Bool
    greeting: Annotated[String | None, When("success")] = None
    ip: Annotated[IPv4 | None, When("success")] = None
    md5hash: Annotated[String | None, When("success")] = None
    privileged: Annotated[Bool | None, When("success"), LATE] = None
    reason: Annotated[String | None, When("success", False)] = None
    detail: Annotated[String | None, When("success", False), LATE] = None


@message(TO_CLIENT, 3)
class GetPeerAddress(Message):
    """TODO."""

    username: String
    ip: IPv4
    port: U32
    obfuscation_type: Annotated[U32 | None, LATE] = None
    obfuscated_port: Annotated[U16 | None, LATE] = None


@message(TO_CLIENT, 5)
class AddUser(Message):
    """TODO."""

    username: String
    exists: Bool
    status: Annotated[U32 | None, When("exists")] = None
    user_stats: Annotated[UserStats | None, When("exists")] = None
    country_code: Annotated[String | None, When("exists"), LATE] = None


@message(TO_CLIENT, 7)
class GetUserStatus(Message):
    """TODO."""

    username: String
    status: U32
    privileged: Annotated[Bool | None, LATE] = None


@message(TO_CLIENT, 11, status="obsolete")
class IgnoreUser(Message):
    """TODO."""

    username: String


@message(TO_CLIENT, 12, status="obsolete")
class UnignoreUser(Message):
    """TODO."""

    username: String


@message(TO_CLIENT, 13)
class RoomChatMessage(Message):
    """TODO."""

    room: String
    username: String
    message: String


@message(TO_CLIENT, 14)
class JoinRoom(Message):
    """TODO."""

    room: String
    users: Array[String]
    users_status: Annotated[Array[U32], Parallel("users")]
    users_stats: Annotated[Array[UserStats], Parallel("users")]
    users_slots_free: Annotated[Array[U32], Parallel("users")]
    users_countries: Annotated[Array[String] | None, LATE, Parallel("users")] = None
    owner: Annotated[String | None, LATE] = None
    operators: Annotated[Array[String] | None, LATE] = None


@message(TO_CLIENT, 15)
class LeaveRoom(Message):
    """TODO."""

    room: String


@message(TO_CLIENT, 16)
class UserJoinedRoom(Message):
    """TODO."""

    room: String
    username: String
    status: U32
    user_stats: UserStats
    slots_free: U32
    country_code: Annotated[String | None, LATE] = None


@message(TO_CLIENT, 17)
class UserLeftRoom(Message):
    """TODO."""

    room: String
    username: String


@message(TO_CLIENT, 18)
class ConnectToPeer(Message):
    """TODO."""

    username: String
    connection_type: String
    ip: IPv4
    port: U32
    ticket: U32
    privileged: Annotated[Bool | None, LATE] = None
    obfuscation_type: Annotated[U32 | None, LATE] = None
    obfuscated_port: Annotated[U32 | None, LATE] = None


@message(TO_CLIENT, 22)
class PrivateChatMessage(Message):
    """TODO."""

    chat_id: U32
    timestamp: U32
    username: String
    message: String
    is_direct: Annotated[Bool | None, LATE] = None


@message(TO_CLIENT, 26)
class FileSearch(Message):
    """TODO."""

    username: String
    ticket: U32
    query: String


@message(TO_CLIENT, 32, status="obsolete")
class Ping(Message):
    """TODO."""


@message(TO_CLIENT, 33, status="obsolete")
class SendConnectTicket(Message):
    """TODO."""

    username: String
    ticket: U32


@message(TO_CLIENT, 36)
class GetUserStats(Message):
    """TODO."""

    username: String
    user_stats: UserStats


@message(TO_CLIENT, 40, status="obsolete")
class UploadSlotsFull(Message):
    """TODO."""

    username: String
    slots_full: U32


@message(TO_CLIENT, 41)
class Kicked(Message):
    """TODO."""


@message(TO_CLIENT, 42, status="obsolete")
class UserSearch(Message):
    """TODO."""

    username: String
    ticket: U32
    query: String


@message(TO_CLIENT, 50, status="obsolete")
class DeprecatedGetItemRecommendations(Message):
    """TODO."""

    item: String
    recommendations: Array[String]


@message(TO_CLIENT, 54)
class GetRecommendations(Message):
    """TODO."""

    recommendations: Array[Recommendation]
    unrecommendations: Annotated[Array[Recommendation] | None, LATE] = None


@message(TO_CLIENT, 55, status="obsolete")
class GetInterests(Message):
    """TODO."""

    interests: Array[String]


@message(TO_CLIENT, 56)
class GetGlobalRecommendations(Message):
    """TODO."""

    recommendations: Array[Recommendation]
    unrecommendations: Annotated[Array[Recommendation] | None, LATE] = None


@message(TO_CLIENT, 57)
class GetUserInterests(Message):
    """TODO."""

    username: String
    interests: Array[String]
    hated_interests: Array[String]


@message(TO_CLIENT, 59, status="obsolete")
class PlaceInLineRequest(Message):
    """TODO."""

    username: String
    ticket: U32


@message(TO_CLIENT, 60, status="obsolete")
class PlaceInLineResponse(Message):
    """TODO."""

    username: String
    ticket: U32
    place: U32


@message(TO_CLIENT, 62, status="obsolete")
class RoomAdded(Message):
    """TODO."""

    room: String


@message(TO_CLIENT, 63, status="obsolete")
class RoomRemoved(Message):
    """TODO."""

    room: String


@message(TO_CLIENT, 64)
class RoomList(Message):
    """TODO."""

    rooms: Array[String]
    rooms_user_count: Annotated[Array[U32], Parallel("rooms")]
    rooms_private_owned: Annotated[Array[String] | None, LATE] = None
    rooms_private_owned_user_count: Annotated[Array[U32] | None, LATE, Parallel("rooms_private_owned")] = None
    rooms_private: Annotated[Array[String] | None, LATE] = None
    rooms_private_user_count: Annotated[Array[U32] | None, LATE, Parallel("rooms_private")] = None
    rooms_private_operated: Annotated[Array[String] | None, LATE] = None


@message(TO_CLIENT, 65, status="obsolete")
class ExactFileSearch(Message):
    """TODO."""

    username: String
    ticket: U32
    filename: String
    pathname: String
    filesize: U64
    checksum: U32


@message(TO_CLIENT, 66)
class AdminMessage(Message):
    """TODO."""

    message: String


@message(TO_CLIENT, 67, status="obsolete")
class GetUserList(Message):
    """TODO."""

    users: Array[String]
    users_status: Annotated[Array[U32], Parallel("users")]
    users_stats: Annotated[Array[UserStats], Parallel("users")]
    users_slots_free: Annotated[Array[U32], Parallel("users")]
    users_countries: Annotated[Array[String], Parallel("users")]


@message(TO_CLIENT, 68, status="obsolete")
class TunneledMessage(Message):
    """TODO."""

    username: String
    code: U32
    ticket: U32
    ip: IPv4
    port: U32
    message: String


@message(TO_CLIENT, 69)
class PrivilegedUsers(Message):
    """TODO."""

    users: Array[String]


@message(TO_CLIENT, 83)
class ParentMinSpeed(Message):
    """TODO."""

    speed: U32


@message(TO_CLIENT, 84)
class ParentSpeedRatio(Message):
    """TODO."""

    ratio: U32


@message(TO_CLIENT, 86, status="obsolete")
class ParentInactivityTimeout(Message):
    """TODO."""

    timeout: U32


@message(TO_CLIENT, 87, status="obsolete")
class SearchInactivityTimeout(Message):
    """TODO."""

    timeout: U32


@message(TO_CLIENT, 88, status="obsolete")
class MinParentsInCache(Message):
    """TODO."""

    amount: U32


@message(TO_CLIENT, 89, status="obsolete")
class DistributedDistributeInterval(Message):
    """TODO."""

    interval: U32


@message(TO_CLIENT, 90, status="obsolete")
class DistributedAliveInterval(Message):
    """TODO."""

    interval: U32


@message(TO_CLIENT, 91, status="obsolete")
class AddPrivilegedUser(Message):
    """TODO."""

    username: String


@message(TO_CLIENT, 92)
class CheckPrivileges(Message):
    """TODO."""

    time_left: U32


@message(TO_CLIENT, 93)
class ServerSearchRequest(Message):
    """TODO."""

    distributed_code: U8
    unknown: Annotated[U32 | None, When("distributed_code", 3)] = None
    username: Annotated[String | None, When("distributed_code", 3)] = None
    ticket: Annotated[U32 | None, When("distributed_code", 3)] = None
    query: Annotated[String | None, When("distributed_code", 3)] = None
    payload: Annotated[Raw | None, When("distributed_code", 3, equal=False)] = None


@message(TO_CLIENT, 102)
class PotentialParents(Message):
    """TODO."""

    entries: Array[PotentialParent]


@message(TO_CLIENT, 104)
class WishlistInterval(Message):
    """TODO."""

    interval: U32


@message(TO_CLIENT, 110)
class GetSimilarUsers(Message):
    """TODO."""

    users: Array[SimilarUser]


@message(TO_CLIENT, 111)
class GetItemRecommendations(Message):
    """TODO."""

    item: String
    recommendations: Array[Recommendation]


@message(TO_CLIENT, 112)
class GetItemSimilarUsers(Message):
    """TODO."""

    item: String
    usernames: Array[String]


@message(TO_CLIENT, 113)
class RoomTickers(Message):
    """TODO."""

    room: String
    tickers: Array[RoomTicker]


@message(TO_CLIENT, 114)
class RoomTickerAdded(Message):
    """TODO."""

    room: String
    username: String
    ticker: String


@message(TO_CLIENT, 115)
class RoomTickerRemoved(Message):
    """TODO."""

    room: String
    username: String


@message(TO_CLIENT, 120, status="obsolete")
class RoomSearch(Message):
    """TODO."""

    username: String
    ticket: U32
    query: String


@message(TO_CLIENT, 122, status="deprecated")
class GetUserPrivileges(Message):
    """TODO."""

    username: String
    privileged: Bool


@message(TO_CLIENT, 124, status="deprecated")
class PrivilegesNotification(Message):
    """TODO."""

    notification_id: U32
    username: String


@message(TO_CLIENT, 125, status="deprecated")
class PrivilegesNotificationAck(Message):
    """TODO."""

    notification_id: U32


@message(TO_CLIENT, 130)
class ResetDistributed(Message):
    """TODO."""


@message(TO_CLIENT, 133)
class PrivateRoomMembers(Message):
    """TODO."""

    room: String
    usernames: Array[String]


@message(TO_CLIENT, 134)
class PrivateRoomGrantMembership(Message):
    """TODO."""

    room: String
    username: String


@message(TO_CLIENT, 135)
class PrivateRoomRevokeMembership(Message):
    """TODO."""

    room: String
    username: String


@message(TO_CLIENT, 138, status="obsolete")
class PrivateRoomUnknown138(Message):
    """TODO."""

    room: String


@message(TO_CLIENT, 139)
class PrivateRoomMembershipGranted(Message):
    """TODO."""

    room: String


@message(TO_CLIENT, 140)
class PrivateRoomMembershipRevoked(Message):
    """TODO."""

    room: String


@message(TO_CLIENT, 141)
class TogglePrivateRoomInvites(Message):
    """TODO."""

    enabled: Bool


@message(TO_CLIENT, 142)
class NewPassword(Message):
    """TODO."""

    password: String


@message(TO_CLIENT, 143)
class PrivateRoomGrantOperator(Message):
    """TODO."""

    room: String
    username: String


@message(TO_CLIENT, 144)
class PrivateRoomRevokeOperator(Message):
    """TODO."""

    room: String
    username: String


@message(TO_CLIENT, 145)
class PrivateRoomOperatorGranted(Message):
    """TODO."""

    room: String


@message(TO_CLIENT, 146)
class PrivateRoomOperatorRevoked(Message):
    """TODO."""

    room: String


@message(TO_CLIENT, 148)
class PrivateRoomOperators(Message):
    """TODO."""

    room: String
    usernames: Array[String]


@message(TO_CLIENT, 152)
class PublicChatMessage(Message):
    """TODO."""

    room: String
    username: String
    message: String


@message(TO_CLIENT, 153, status="obsolete")
class GetRelatedSearches(Message):
    """TODO."""

    query: String
    related_searches: Array[RelatedSearch]


@message(TO_CLIENT, 160)
class ExcludedSearchPhrases(Message):
    """TODO."""

    phrases: Array[String]


@message(TO_CLIENT, 1001)
class CannotConnect(Message):
    """TODO."""

    ticket: U32
    username: Annotated[String | None, LATE] = None


@message(TO_CLIENT, 1002, status="unverified")
class CannotCreateRoomReserved(Message):
    """TODO."""

    payload: Raw


@message(TO_CLIENT, 1003)
class CannotCreateRoom(Message):
    """TODO."""

    room: String
