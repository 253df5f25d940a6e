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
    """Answer to ``to_server.Login``: welcome, or why not.

    On success, ``greeting`` is the message of the day, ``ip`` our address as the server sees it, and
    ``md5hash`` the MD5 of the password alone (the client's digest covers the name too). ``privileged``
    is true for an account that has ever donated, whether or not it has privileges now. RoomList,
    ParentMinSpeed, ParentSpeedRatio, WishlistInterval, PrivilegedUsers and perhaps
    ExcludedSearchPhrases follow.

    On failure, ``reason`` is a :class:`~soulmesh.wire.enums.LoginFailure` and ``detail`` a
    :class:`~soulmesh.wire.enums.LoginFailureDetail`, which current servers add after INVALIDUSERNAME;
    aioslsk and Nicotine+ 3.3 do not read it. Both sides may close then.
    """

    success: Bool
    greeting: Annotated[String | None, When("success")] = None
    ip: Annotated[IPv4 | None, When("success")] = None
    md5hash: Annotated[String | None, When("success")] = None
    privileged: Annotated[Bool | None, When("success"), LATE] = None
    reason: Annotated[String | None, When("success", False)] = None
    detail: Annotated[String | None, When("success", False), LATE] = None


@message(TO_CLIENT, 3)
class GetPeerAddress(Message):
    """Where a user can be reached; answer to ``to_server.GetPeerAddress``.

    A user who is offline or does not exist has ``ip`` 0.0.0.0 and ``port`` 0. The obfuscated port has
    two bytes here and four everywhere else. Museek+ stops after ``port``; Nicotine+ cannot do without
    the rest, so a server always writes it.
    """

    username: String
    ip: IPv4
    port: U32
    obfuscation_type: Annotated[U32 | None, LATE] = None
    obfuscated_port: Annotated[U16 | None, LATE] = None


@message(TO_CLIENT, 5)
class AddUser(Message):
    """Whether a user whom we begin to watch exists, and how they are; answer to ``to_server.AddUser``.

    ``status`` is a :class:`~soulmesh.wire.enums.UserStatus`, ``country_code`` two capital letters or
    empty. The official server leaves the country out for a user who is offline; Soulfind always writes
    it, empty. Museek+ reads nothing after ``exists``.
    """

    username: String
    exists: Bool
    status: Annotated[U32 | None, When("exists")] = None
    user_stats: Annotated[UserStats | None, When("exists")] = None
    country_code: Annotated[String | None, When("exists"), LATE] = None


@message(TO_CLIENT, 7)
class GetUserStatus(Message):
    """The presence of a user: asked for, or changed for somebody we watch or share a room with.

    ``status`` is a :class:`~soulmesh.wire.enums.UserStatus`. ``privileged`` tells whether they have
    privileges now; Museek+ does not know it, and missing means no.
    """

    username: String
    status: U32
    privileged: Annotated[Bool | None, LATE] = None


@message(TO_CLIENT, 11, status="obsolete")
class IgnoreUser(Message):
    """``username`` ignores us, says the server: they had sent ``to_server.IgnoreUser`` about us."""

    username: String


@message(TO_CLIENT, 12, status="obsolete")
class UnignoreUser(Message):
    """``username`` ignores us no more."""

    username: String


@message(TO_CLIENT, 13)
class RoomChatMessage(Message):
    """Somebody said something in a room that we are in, perhaps ourselves: ``username`` is the author."""

    room: String
    username: String
    message: String


@message(TO_CLIENT, 14)
class JoinRoom(Message):
    """We are in: everybody who is in the room, ourselves included. Answer to ``to_server.JoinRoom``.

    The five lists run in parallel, the n-th entry of each about the n-th user; a later one may be
    shorter (then the rest is unknown) but not longer. ``users_status`` holds
    :class:`~soulmesh.wire.enums.UserStatus`, ``users_countries`` two capital letters or nothing.
    ``users_slots_free`` is disputed: aioslsk and Soulseek.NET take it for free slots, Nicotine+ and
    Soulfind for "all slots taken": show it, send 0. ``owner`` and ``operators`` are there in private
    rooms only. Museek+ knows neither them nor countries.
    """

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
    """We are out of the room: by our own ``to_server.LeaveRoom``, or because our membership has ended."""

    room: String


@message(TO_CLIENT, 16)
class UserJoinedRoom(Message):
    """Somebody entered a room that we are in.

    ``status`` is a :class:`~soulmesh.wire.enums.UserStatus`, ``country_code`` two capital letters or
    empty; Museek+ stops before it. For ``slots_free`` see :class:`JoinRoom`.
    """

    room: String
    username: String
    status: U32
    user_stats: UserStats
    slots_free: U32
    country_code: Annotated[String | None, LATE] = None


@message(TO_CLIENT, 17)
class UserLeftRoom(Message):
    """Somebody left a room that we are in."""

    room: String
    username: String


@message(TO_CLIENT, 18)
class ConnectToPeer(Message):
    """A user asks us to connect to them.

    We connect to ``ip`` and ``port`` (or to ``obfuscated_port``, obfuscated, if ``obfuscation_type`` is
    1 and the port not 0), and send PeerPierceFirewall with ``ticket``; if that fails, CannotConnect.
    ``connection_type`` is a :class:`~soulmesh.wire.enums.ConnectionType`; ``privileged`` says whether
    the user has privileges. Museek+ stops after ``ticket``, Soulseek.NET after ``privileged``.
    """

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
    """A private message to us; confirm it with PrivateChatMessageAck or it comes again at each login.

    ``timestamp`` is in seconds since 1970 UTC, ``username`` the sender: "server" for notices of the
    server itself. ``is_direct`` is true for a message sent just now, false for one that was kept for
    us; old servers do not write it.
    """

    chat_id: U32
    timestamp: U32
    username: String
    message: String
    is_direct: Annotated[Bool | None, LATE] = None


@message(TO_CLIENT, 26)
class FileSearch(Message):
    """A search aimed at us by name or through a room. Matches go to ``username`` as PeerSearchReply.

    ``ticket`` is the searcher's and must be repeated in the reply.
    """

    username: String
    ticket: U32
    query: String


@message(TO_CLIENT, 32, status="obsolete")
class Ping(Message):
    """Old servers answered ``to_server.Ping`` with it."""


@message(TO_CLIENT, 33, status="obsolete")
class SendConnectTicket(Message):
    """The ticket that a PeerInit from ``username`` would carry."""

    username: String
    ticket: U32


@message(TO_CLIENT, 36)
class GetUserStats(Message):
    """The numbers of a user: asked for, or changed for somebody we watch or share a room with."""

    username: String
    user_stats: UserStats


@message(TO_CLIENT, 40, status="obsolete")
class UploadSlotsFull(Message):
    """Told whether all upload slots of a room mate were taken (1) or not (0)."""

    username: String
    slots_full: U32


@message(TO_CLIENT, 41)
class Kicked(Message):
    """Somebody has logged in with our name elsewhere. The server closes this connection.

    Do not connect again by yourself, or the two would throw each other out for ever.
    """


@message(TO_CLIENT, 42, status="obsolete")
class UserSearch(Message):
    """How old servers passed a search of our files on to us; :class:`FileSearch` does it now.

    ``username`` is who searches.
    """

    username: String
    ticket: U32
    query: String


@message(TO_CLIENT, 50, status="obsolete")
class DeprecatedGetItemRecommendations(Message):
    """Interests close to one, without scores."""

    item: String
    recommendations: Array[String]


@message(TO_CLIENT, 54)
class GetRecommendations(Message):
    """What we might like, and what not; answer to ``to_server.GetRecommendations``.

    At most 100 in each list. Scores in ``unrecommendations`` are normally negative; some servers leave
    that list out, but Nicotine+ sorts by sign, whatever list an entry came in. A server always writes
    both.
    """

    recommendations: Array[Recommendation]
    unrecommendations: Annotated[Array[Recommendation] | None, LATE] = None


@message(TO_CLIENT, 55, status="obsolete")
class GetInterests(Message):
    """The interests that the server had noted for us."""

    interests: Array[String]


@message(TO_CLIENT, 56)
class GetGlobalRecommendations(Message):
    """What everybody likes, and what not; answer to ``to_server.GetGlobalRecommendations``.

    Lists as in :class:`GetRecommendations`.
    """

    recommendations: Array[Recommendation]
    unrecommendations: Annotated[Array[Recommendation] | None, LATE] = None


@message(TO_CLIENT, 57)
class GetUserInterests(Message):
    """What a user likes and dislikes; answer to ``to_server.GetUserInterests``."""

    username: String
    interests: Array[String]
    hated_interests: Array[String]


@message(TO_CLIENT, 59, status="obsolete")
class PlaceInLineRequest(Message):
    """``username`` asked for their place in our upload queue."""

    username: String
    ticket: U32


@message(TO_CLIENT, 60, status="obsolete")
class PlaceInLineResponse(Message):
    """Our place in the upload queue of ``username``; answered PlaceInLineRequest."""

    username: String
    ticket: U32
    place: U32


@message(TO_CLIENT, 62, status="obsolete")
class RoomAdded(Message):
    """A room came into being; the server told everybody. Today one asks for ``RoomList``."""

    room: String


@message(TO_CLIENT, 63, status="obsolete")
class RoomRemoved(Message):
    """A room ceased to be; the server told everybody. Today one asks for ``RoomList``."""

    room: String


@message(TO_CLIENT, 64)
class RoomList(Message):
    """Rooms by kind: after login public ones with five users or more, all when asked with ``RoomList``.

    Three pairs of names and users, then names alone: public rooms, private rooms of our own, private
    rooms of others that we belong to, and private rooms where we are an operator. Counts are users who
    are inside now, not members; they run parallel to the names before them. Old servers stopped after
    the first pair, which is all that Museek+ knows.
    """

    rooms: Array[String]
    rooms_user_count: Annotated[Array[U32], Parallel("rooms")]
    rooms_private_owned: Annotated[Array[String] | None, LATE] = None
    rooms_private_owned_user_count: Annotated[Array[U32] | None, LATE, Parallel("rooms_private_owned")] = None
    rooms_private: Annotated[Array[String] | None, LATE] = None
    rooms_private_user_count: Annotated[Array[U32] | None, LATE, Parallel("rooms_private")] = None
    rooms_private_operated: Annotated[Array[String] | None, LATE] = None


@message(TO_CLIENT, 65, status="obsolete")
class ExactFileSearch(Message):
    """``username`` searched for other sources of one exact file.

    ``filesize`` is in bytes; nobody knows how ``checksum`` was formed. One old description has another
    byte at the end, which now stands only in the other direction.
    """

    username: String
    ticket: U32
    filename: String
    pathname: String
    filesize: U64
    checksum: U32


@message(TO_CLIENT, 66)
class AdminMessage(Message):
    """The server speaks to everybody, for example before it stops."""

    message: String


@message(TO_CLIENT, 67, status="obsolete")
class GetUserList(Message):
    """Everybody who is online, in lists parallel as in :class:`JoinRoom`."""

    users: Array[String]
    users_status: Annotated[Array[U32], Parallel("users")]
    users_stats: Annotated[Array[UserStats], Parallel("users")]
    users_slots_free: Annotated[Array[U32], Parallel("users")]
    users_countries: Annotated[Array[String], Parallel("users")]


@message(TO_CLIENT, 68, status="obsolete")
class TunneledMessage(Message):
    """A message from a user through the server, with the user's address.

    aioslsk has ``ticket`` before ``code``; the order here is that of Nicotine+. No server of today
    sends it.
    """

    username: String
    code: U32
    ticket: U32
    ip: IPv4
    port: U32
    message: String


@message(TO_CLIENT, 69)
class PrivilegedUsers(Message):
    """Everybody who has privileges. Sent after login; may be long."""

    users: Array[String]


@message(TO_CLIENT, 83)
class ParentMinSpeed(Message):
    """Whoever uploads slower than this takes no children in the distributed tree. Sent after login.

    The unit of ``speed`` is not settled: aioslsk multiplies it by 1024 before it compares with
    ``avg_speed`` (bytes per second), Nicotine+ does not.
    """

    speed: U32


@message(TO_CLIENT, 84)
class ParentSpeedRatio(Message):
    """How many children an upload speed allows: the divisor. Sent after login.

    With our speed in bytes per second, aioslsk takes speed / (``ratio`` / 10 * 1024), Nicotine+ speed
    // ``ratio`` // 100, at most 10. With 0 there are no children.
    """

    ratio: U32


@message(TO_CLIENT, 86, status="obsolete")
class ParentInactivityTimeout(Message):
    """After so many seconds of silence a parent counted as gone."""

    timeout: U32


@message(TO_CLIENT, 87, status="obsolete")
class SearchInactivityTimeout(Message):
    """After so many seconds a search counted as over."""

    timeout: U32


@message(TO_CLIENT, 88, status="obsolete")
class MinParentsInCache(Message):
    """How many candidates for a parent to remember."""

    amount: U32


@message(TO_CLIENT, 89, status="obsolete")
class DistributedDistributeInterval(Message):
    """An interval in seconds, of a scheme of distribution that was given up. Only aioslsk knows it."""

    interval: U32


@message(TO_CLIENT, 90, status="obsolete")
class DistributedAliveInterval(Message):
    """How often to send DistributedPing, in seconds."""

    interval: U32


@message(TO_CLIENT, 91, status="obsolete")
class AddPrivilegedUser(Message):
    """One more user got privileges, says the server, after the list in ``PrivilegedUsers``."""

    username: String


@message(TO_CLIENT, 92)
class CheckPrivileges(Message):
    """How many seconds of privileges are left to us, 0 for none; answer to ``to_server.CheckPrivileges``."""

    time_left: U32


@message(TO_CLIENT, 93)
class ServerSearchRequest(Message):
    """A message for the distributed tree, given to a user at its root: in practice a search.

    ``distributed_code`` is the code of the message inside; with 3 the fields of
    ``distributed.DistributedSearchRequest`` follow, with another one the bytes of its body as
    ``payload``. A root sends a search to its children as DistributedSearchRequest, with ``unknown`` (49
    so far) as it came. Anything else is not passed on. Getting this without having a parent is how a
    client learns that it is a root.
    """

    distributed_code: U8
    unknown: Annotated[U32 | None, When("distributed_code", 3)] = None
    username: Annotated[String | None, When("distributed_code", 3)] = None
    ticket: Annotated[U32 | None, When("distributed_code", 3)] = None
    query: Annotated[String | None, When("distributed_code", 3)] = None
    payload: Annotated[Raw | None, When("distributed_code", 3, equal=False)] = None


@message(TO_CLIENT, 102)
class PotentialParents(Message):
    """Users who would take us as a child, at most 10 of them.

    Sent about once a minute while ToggleParentSearch is on and there are any.
    """

    entries: Array[PotentialParent]


@message(TO_CLIENT, 104)
class WishlistInterval(Message):
    """Seconds from one WishlistSearch to the next: mostly 720, or 120 with privileges. Sent after login."""

    interval: U32


@message(TO_CLIENT, 110)
class GetSimilarUsers(Message):
    """Users who like what we like; answer to ``to_server.GetSimilarUsers``."""

    users: Array[SimilarUser]


@message(TO_CLIENT, 111)
class GetItemRecommendations(Message):
    """What people like who like ``item``; answer to ``to_server.GetItemRecommendations``.

    Nicotine+ would read a second list, as in :class:`GetRecommendations`; no server writes one.
    """

    item: String
    recommendations: Array[Recommendation]


@message(TO_CLIENT, 112)
class GetItemSimilarUsers(Message):
    """Who likes ``item``, without scores; answer to ``to_server.GetItemSimilarUsers``."""

    item: String
    usernames: Array[String]


@message(TO_CLIENT, 113)
class RoomTickers(Message):
    """The whole wall of a room; sent when we have joined it."""

    room: String
    tickers: Array[RoomTicker]


@message(TO_CLIENT, 114)
class RoomTickerAdded(Message):
    """A user pinned a text to the wall of our room, in place of their last one."""

    room: String
    username: String
    ticker: String


@message(TO_CLIENT, 115)
class RoomTickerRemoved(Message):
    """A user took their text from the wall of our room."""

    room: String
    username: String


@message(TO_CLIENT, 120, status="obsolete")
class RoomSearch(Message):
    """How old servers passed a search of a room on to us; :class:`FileSearch` does it now.

    ``username`` is who searches. The other direction has the room in that place.
    """

    username: String
    ticket: U32
    query: String


@message(TO_CLIENT, 122, status="deprecated")
class GetUserPrivileges(Message):
    """Whether a user has privileges; answer to ``to_server.GetUserPrivileges``."""

    username: String
    privileged: Bool


@message(TO_CLIENT, 124, status="deprecated")
class PrivilegesNotification(Message):
    """Somebody gave us privileges; confirm with PrivilegesNotificationAck.

    Soulseek.NET knows it in this direction, aioslsk and Soulfind in the other, Nicotine+ in both.
    """

    notification_id: U32
    username: String


@message(TO_CLIENT, 125, status="deprecated")
class PrivilegesNotificationAck(Message):
    """A PrivilegesNotification of ours has arrived.

    Museek+ and Soulfind know it in this direction, aioslsk and Soulseek.NET in the other.
    """

    notification_id: U32


@message(TO_CLIENT, 130)
class ResetDistributed(Message):
    """Drop parent and children in the distributed tree, and begin again without any."""


@message(TO_CLIENT, 133)
class PrivateRoomMembers(Message):
    """The members of a private room, its owner not among them. Sent for each private room of ours."""

    room: String
    usernames: Array[String]


@message(TO_CLIENT, 134)
class PrivateRoomGrantMembership(Message):
    """A user became a member of a private room; told to its members and to whoever did it."""

    room: String
    username: String


@message(TO_CLIENT, 135)
class PrivateRoomRevokeMembership(Message):
    """A user is no member of a private room any more; told to its members and to whoever did it."""

    room: String
    username: String


@message(TO_CLIENT, 138, status="obsolete")
class PrivateRoomUnknown138(Message):
    """Something about a private room; nobody knows what."""

    room: String


@message(TO_CLIENT, 139)
class PrivateRoomMembershipGranted(Message):
    """We became a member of a private room."""

    room: String


@message(TO_CLIENT, 140)
class PrivateRoomMembershipRevoked(Message):
    """We are no member of a private room any more."""

    room: String


@message(TO_CLIENT, 141)
class TogglePrivateRoomInvites(Message):
    """Whether others may take us into their private rooms, as the server has noted it."""

    enabled: Bool


@message(TO_CLIENT, 142)
class NewPassword(Message):
    """The password that is in force from now on; confirms ``to_server.NewPassword``.

    aioslsk does not know the confirmation.
    """

    password: String


@message(TO_CLIENT, 143)
class PrivateRoomGrantOperator(Message):
    """A user became an operator of a private room; told to its members and to whoever did it."""

    room: String
    username: String


@message(TO_CLIENT, 144)
class PrivateRoomRevokeOperator(Message):
    """A user is no operator of a private room any more; told to its members and to whoever did it."""

    room: String
    username: String


@message(TO_CLIENT, 145)
class PrivateRoomOperatorGranted(Message):
    """We became an operator of a private room."""

    room: String


@message(TO_CLIENT, 146)
class PrivateRoomOperatorRevoked(Message):
    """We are no operator of a private room any more."""

    room: String


@message(TO_CLIENT, 148)
class PrivateRoomOperators(Message):
    """The operators of a private room. Sent for each private room of ours."""

    room: String
    usernames: Array[String]


@message(TO_CLIENT, 152)
class PublicChatMessage(Message):
    """Somebody said something in some public room. Comes after EnablePublicChat."""

    room: String
    username: String
    message: String


@message(TO_CLIENT, 153, status="obsolete")
class GetRelatedSearches(Message):
    """Queries that go with ``query``; empty since 2018. Answer to ``to_server.GetRelatedSearches``.

    Nicotine+ and Soulfind have a score after each term; aioslsk reads bare terms.
    """

    query: String
    related_searches: Array[RelatedSearch]


@message(TO_CLIENT, 160)
class ExcludedSearchPhrases(Message):
    """Phrases that must not occur in what we answer to searches. Some servers send it after login.

    Leave out every file whose path contains one, capitals or not.
    """

    phrases: Array[String]


@message(TO_CLIENT, 1001)
class CannotConnect(Message):
    """The user whom we asked with ConnectToPeer could not connect to us either: give up.

    ``ticket`` is ours. The servers of today do not write ``username``; older ones did.
    """

    ticket: U32
    username: Annotated[String | None, LATE] = None


@message(TO_CLIENT, 1002, status="unverified")
class CannotCreateRoomReserved(Message):
    """A number that Soulseek.NET reserves for a room that could not be made. Never seen; layout unknown."""

    payload: Raw


@message(TO_CLIENT, 1003)
class CannotCreateRoom(Message):
    """We cannot enter a room, because it is private and we do not belong to it.

    Answer to ``to_server.JoinRoom``; a message from "server" may give the reason. Soulseek.NET takes it
    for joining alone, and :class:`CannotCreateRoomReserved` for making a room.
    """

    room: String
