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
    """Who we are; the first message on a connection to the server, which answers ``to_client.Login``.

    ``username`` may have 30 printable ASCII characters on the official server. ``password`` travels as
    it is. ``md5hash`` is the MD5 of name and password joined, 32 lowercase hexadecimal digits; no
    server is known to check it. ``client_version`` says which program we are, ``minor_version`` is its
    own number and must not be 0. Clients up to version 149 stop after ``client_version``, Museek+ too.
    """

    username: String
    password: String
    client_version: Annotated[U32 | None, LATE] = None
    md5hash: Annotated[String | None, LATE] = None
    minor_version: Annotated[U32 | None, LATE] = None


@message(TO_SERVER, 2)
class SetListenPort(Message):
    """The ports on which we take connections from other users. No answer.

    ``obfuscation_type`` is an :class:`~soulmesh.wire.enums.ObfuscationType`, ``obfuscated_port`` 0 when
    there is none. Nicotine+ and Soulseek.NET send ``port`` alone, which means the same as 0 and 0.
    aioslsk takes ``obfuscation_type`` for a number of ports; only 0 and 1 occur.
    """

    port: U32
    obfuscation_type: Annotated[U32 | None, LATE] = None
    obfuscated_port: Annotated[U32 | None, LATE] = None


@message(TO_SERVER, 3)
class GetPeerAddress(Message):
    """Asks where a user can be reached; answered by ``to_client.GetPeerAddress``."""

    username: String


@message(TO_SERVER, 5)
class AddUser(Message):
    """Begins to watch a user; answered by ``to_client.AddUser``.

    From then on each change comes as GetUserStatus (and GetUserStats), until :class:`RemoveUser`.
    """

    username: String


@message(TO_SERVER, 6)
class RemoveUser(Message):
    """Ends watching a user. No answer."""

    username: String


@message(TO_SERVER, 7)
class GetUserStatus(Message):
    """Asks whether a user is there; answered by ``to_client.GetUserStatus``."""

    username: String


@message(TO_SERVER, 11, status="obsolete")
class IgnoreUser(Message):
    """A client told the server that it ignores a user, who was told in turn (``to_client.IgnoreUser``)."""

    username: String


@message(TO_SERVER, 12, status="obsolete")
class UnignoreUser(Message):
    """Took an :class:`IgnoreUser` back."""

    username: String


@message(TO_SERVER, 13)
class RoomChatMessage(Message):
    """We say something in a room that we are in. Everybody there hears it, and so do we."""

    room: String
    message: String


@message(TO_SERVER, 14)
class JoinRoom(Message):
    """Enters a room, or makes it; answered by ``to_client.JoinRoom``, or by CannotCreateRoom.

    ``is_private`` is 1 to make a private room, four bytes wide although it says yes or no; missing
    means 0. It decides only when the room does not exist yet.
    """

    room: String
    is_private: Annotated[U32 | None, LATE] = None


@message(TO_SERVER, 15)
class LeaveRoom(Message):
    """Leaves a room; answered by ``to_client.LeaveRoom``."""

    room: String


@message(TO_SERVER, 18)
class ConnectToPeer(Message):
    """Asks a user, through the server, to connect to us, when we cannot (or besides trying to) reach them.

    The user gets ``to_client.ConnectToPeer`` and connects with PeerPierceFirewall, or sends
    CannotConnect. ``ticket`` is ours and comes back in either. ``connection_type`` is a
    :class:`~soulmesh.wire.enums.ConnectionType`: nobody repeats it later, so remember it with the
    ticket.
    """

    ticket: U32
    username: String
    connection_type: String


@message(TO_SERVER, 22)
class PrivateChatMessage(Message):
    """A private message to one user. An absent user gets it at the next login."""

    username: String
    message: String


@message(TO_SERVER, 23)
class PrivateChatMessageAck(Message):
    """A private message has arrived; without this the server sends it again at each login.

    ``chat_id`` is the one in ``to_client.PrivateChatMessage``.
    """

    chat_id: U32


@message(TO_SERVER, 25, status="obsolete")
class FileSearchRoom(Message):
    """Search in a room, when rooms still had numbers. :class:`RoomSearch` replaced it."""

    ticket: U32
    room_id: U32
    query: String


@message(TO_SERVER, 26)
class FileSearch(Message):
    """Searches everybody. The server passes it on through the distributed tree.

    ``ticket`` is ours; whoever has something answers with PeerSearchReply, which repeats it.
    """

    ticket: U32
    query: String


@message(TO_SERVER, 28)
class SetStatus(Message):
    """Our presence, told to those who watch us or share a room with us as GetUserStatus.

    ``status`` is a :class:`~soulmesh.wire.enums.UserStatus`, of which a client sends only away (1) and
    online (2).
    """

    status: U32


@message(TO_SERVER, 32)
class Ping(Message):
    """Keeps the connection alive, every few minutes. The servers of today do not answer."""


@message(TO_SERVER, 33, status="obsolete")
class SendConnectTicket(Message):
    """Announced the ticket of a PeerInit to a user, through the server, so that they could check it."""

    username: String
    ticket: U32


@message(TO_SERVER, 34, status="obsolete")
class SendDownloadSpeed(Message):
    """Told how fast a download from a user was (bytes per second). :class:`SendUploadSpeed` replaced it."""

    username: String
    speed: U32


@message(TO_SERVER, 35)
class SharedFoldersFiles(Message):
    """How much we share; sent after login and when it has changed. No answer.

    Room mates are told with GetUserStats. Folders come first here, files first in UserStats.
    """

    shared_folder_count: U32
    shared_file_count: U32


@message(TO_SERVER, 36)
class GetUserStats(Message):
    """Asks for the numbers of a user; answered by ``to_client.GetUserStats``."""

    username: String


@message(TO_SERVER, 40, status="obsolete")
class UploadSlotsFull(Message):
    """Told our rooms whether all our upload slots were taken (1) or not (0)."""

    slots_full: U32


@message(TO_SERVER, 42)
class UserSearch(Message):
    """Searches the files of one user, who gets it as ``to_client.FileSearch``.

    ``username`` is whose files to search, ``ticket`` ours; the answer is a PeerSearchReply.
    """

    username: String
    ticket: U32
    query: String


@message(TO_SERVER, 50, status="obsolete")
class DeprecatedGetItemRecommendations(Message):
    """Asked for interests close to one. The server of today answers with none."""

    item: String


@message(TO_SERVER, 51)
class AddInterest(Message):
    """Something we like, kept by the server for its recommendations. No answer."""

    interest: String


@message(TO_SERVER, 52)
class RemoveInterest(Message):
    """Takes back an :class:`AddInterest`."""

    interest: String


@message(TO_SERVER, 54)
class GetRecommendations(Message):
    """Asks what we might like, given our interests; answered by ``to_client.GetRecommendations``."""


@message(TO_SERVER, 55, status="obsolete")
class GetInterests(Message):
    """Asked which interests the server had noted for us."""


@message(TO_SERVER, 56)
class GetGlobalRecommendations(Message):
    """Asks what everybody likes; answered by ``to_client.GetGlobalRecommendations``."""


@message(TO_SERVER, 57)
class GetUserInterests(Message):
    """Asks what a user likes and dislikes; answered by ``to_client.GetUserInterests``."""

    username: String


@message(TO_SERVER, 58, status="obsolete")
class ExecuteCommand(Message):
    """A command for the server, from accounts with the right to give one.

    ``command_type`` was always "admin"; ``arguments`` begin with the name of the command.
    """

    command_type: String
    arguments: Array[String]


@message(TO_SERVER, 59, status="obsolete")
class PlaceInLineRequest(Message):
    """Asked a user for our place in their queue, through the server. PeerPlaceInQueueRequest replaced it."""

    username: String
    ticket: U32


@message(TO_SERVER, 60, status="obsolete")
class PlaceInLineResponse(Message):
    """Answered a PlaceInLineRequest from ``username``, through the server."""

    username: String
    ticket: U32
    place: U32


@message(TO_SERVER, 64)
class RoomList(Message):
    """Asks for all rooms; answered by ``to_client.RoomList``."""


@message(TO_SERVER, 65, status="obsolete")
class ExactFileSearch(Message):
    """Searched for other sources of one exact file. It gets no answer now.

    ``pathname`` may be empty, but must be there. ``filesize`` is in bytes; nobody knows how
    ``checksum`` was formed: it is sent as 0, and ``unknown`` too.
    """

    ticket: U32
    filename: String
    pathname: String
    filesize: U64
    checksum: U32
    unknown: U8


@message(TO_SERVER, 67, status="obsolete")
class GetUserList(Message):
    """Asked for everybody who is online."""


@message(TO_SERVER, 68, status="obsolete")
class TunneledMessage(Message):
    """Carried a message to a user through the server. ``code`` said what kind of message it was."""

    username: String
    ticket: U32
    code: U32
    message: String


@message(TO_SERVER, 71)
class ToggleParentSearch(Message):
    """Whether we want candidates for a parent, which then come as PotentialParents.

    True when we have no parent, false as soon as we have one. Other programs name it "have no parent":
    the same bytes.
    """

    enable: Bool


@message(TO_SERVER, 73, status="deprecated")
class ParentIP(Message):
    """The address of our parent. Only Soulseek NS sends it."""

    ip: IPv4


@message(TO_SERVER, 80, status="obsolete")
class Unknown80(Message):
    """Opened the second connection of the oldest clients to the server; DistributedInit followed."""


@message(TO_SERVER, 92)
class CheckPrivileges(Message):
    """Asks how much longer we have privileges; answered by ``to_client.CheckPrivileges``."""


@message(TO_SERVER, 100)
class AcceptChildren(Message):
    """Whether we take children in the distributed tree, and so may be named to others in PotentialParents."""

    accept: Bool


@message(TO_SERVER, 103)
class WishlistSearch(Message):
    """A search that is kept and repeated, one per WishlistInterval.

    Travels and is answered like :class:`FileSearch`.
    """

    ticket: U32
    query: String


@message(TO_SERVER, 110)
class GetSimilarUsers(Message):
    """Asks who likes what we like; answered by ``to_client.GetSimilarUsers``."""


@message(TO_SERVER, 111)
class GetItemRecommendations(Message):
    """Asks what people like who like ``item``; answered by ``to_client.GetItemRecommendations``."""

    item: String


@message(TO_SERVER, 112)
class GetItemSimilarUsers(Message):
    """Asks who likes ``item``; answered by ``to_client.GetItemSimilarUsers``."""

    item: String


@message(TO_SERVER, 116)
class SetRoomTicker(Message):
    """Pins a text to the wall of a room, in place of our last one; an empty text takes it down.

    Everybody in the room is told with RoomTickerAdded or RoomTickerRemoved.
    """

    room: String
    ticker: String


@message(TO_SERVER, 117)
class AddHatedInterest(Message):
    """Something we dislike, kept by the server for its recommendations. No answer."""

    hated_interest: String


@message(TO_SERVER, 118)
class RemoveHatedInterest(Message):
    """Takes back an :class:`AddHatedInterest`."""

    hated_interest: String


@message(TO_SERVER, 120)
class RoomSearch(Message):
    """Searches the files of everybody in a room; each of them gets it as ``to_client.FileSearch``.

    ``ticket`` is ours; the answers are PeerSearchReply.
    """

    room: String
    ticket: U32
    query: String


@message(TO_SERVER, 121)
class SendUploadSpeed(Message):
    """How fast an upload went that has just ended. No answer.

    ``speed`` is in bytes per second. The server adds it to our average and counts one more upload,
    which others see in UserStats.
    """

    speed: U32


@message(TO_SERVER, 122, status="deprecated")
class GetUserPrivileges(Message):
    """Asks whether a user has privileges; answered by ``to_client.GetUserPrivileges``.

    GetUserStatus says it too, so nobody needs this now.
    """

    username: String


@message(TO_SERVER, 123)
class GiveUserPrivileges(Message):
    """Gives away some of our privileges: so many days to that user."""

    username: String
    days: U32


@message(TO_SERVER, 124, status="deprecated")
class PrivilegesNotification(Message):
    """Tells a user about privileges given to them.

    aioslsk and Soulfind know it in this direction, Soulseek.NET in the other, Nicotine+ in both.
    """

    notification_id: U32
    username: String


@message(TO_SERVER, 125, status="deprecated")
class PrivilegesNotificationAck(Message):
    """A PrivilegesNotification has arrived.

    aioslsk and Soulseek.NET know it in this direction, Museek+ and Soulfind in the other.
    """

    notification_id: U32


@message(TO_SERVER, 126)
class BranchLevel(Message):
    """How far we are from the root of our branch: 0 when we have no parent. Sent whenever it changes.

    Soulfind reads ``level`` with a sign: a value from 2^31 on makes no sense and is refused.
    """

    level: U32


@message(TO_SERVER, 127)
class BranchRoot(Message):
    """The name of the root of our branch, our own without a parent. Sent whenever it changes."""

    username: String


@message(TO_SERVER, 129, status="obsolete")
class ChildDepth(Message):
    """How many levels hang below us. Without effect today.

    SoulseekQt writes one byte where all others write four; both are read.
    """

    depth: Annotated[U32, Short("B")]


@message(TO_SERVER, 134)
class PrivateRoomGrantMembership(Message):
    """Takes a user into a private room of ours; the members are told with the same message.

    Owners and operators may. The user must have allowed it with :class:`TogglePrivateRoomInvites`.
    """

    room: String
    username: String


@message(TO_SERVER, 135)
class PrivateRoomRevokeMembership(Message):
    """Puts a member out of a private room; the members are told with the same message.

    Owners may do it to anybody, operators to members.
    """

    room: String
    username: String


@message(TO_SERVER, 136)
class PrivateRoomDropMembership(Message):
    """Leaves a private room for good. An owner cannot: see :class:`PrivateRoomDropOwnership`.

    Answered by PrivateRoomMembershipRevoked.
    """

    room: String


@message(TO_SERVER, 137)
class PrivateRoomDropOwnership(Message):
    """Gives up a private room of ours, which ends it for all its members."""

    room: String


@message(TO_SERVER, 138, status="obsolete")
class PrivateRoomUnknown138(Message):
    """Something about a private room; nobody knows what."""

    room: String


@message(TO_SERVER, 141)
class TogglePrivateRoomInvites(Message):
    """Whether others may take us into their private rooms; the server confirms with the same code."""

    enable: Bool


@message(TO_SERVER, 142)
class NewPassword(Message):
    """Changes our password, which travels as it is; answered by ``to_client.NewPassword``."""

    password: String


@message(TO_SERVER, 143)
class PrivateRoomGrantOperator(Message):
    """Makes a member an operator of our private room; the members are told with the same message."""

    room: String
    username: String


@message(TO_SERVER, 144)
class PrivateRoomRevokeOperator(Message):
    """Makes an operator of our private room a plain member again; the members hear it too."""

    room: String
    username: String


@message(TO_SERVER, 146, status="unverified")
class PrivateRoomOperatorRevoked(Message):
    """Nicotine+ can write this to the server; no server is known to care."""

    room: String


@message(TO_SERVER, 147, status="unverified")
class PrivateRoomDropOperator(Message):
    """Gives up being an operator. Only Soulfind knows it."""

    room: String


@message(TO_SERVER, 149)
class PrivateChatMessageUsers(Message):
    """One private message to many users. It reaches those among them who watch us with AddUser."""

    usernames: Array[String]
    message: String


@message(TO_SERVER, 150)
class EnablePublicChat(Message):
    """From now on we want to hear what is said in all public rooms, as PublicChatMessage."""


@message(TO_SERVER, 151)
class DisablePublicChat(Message):
    """Takes back :class:`EnablePublicChat`."""


@message(TO_SERVER, 153, status="obsolete")
class GetRelatedSearches(Message):
    """Asked which other queries go with one. The server of today answers with none."""

    query: String


@message(TO_SERVER, 1001)
class CannotConnect(Message):
    """We could not connect to the user who had asked us to with ConnectToPeer.

    ``ticket`` is the one in that request, ``username`` who asked. Always send the name, but do not
    count on it: Soulseek.NET may leave it out.
    """

    ticket: U32
    username: Annotated[String | None, LATE] = None
