"""Every message that a client can send: who answers it, under which conditions, or why nobody does.

A row is one message. ``hot`` rows read their frame by hand (see
:mod:`soulmesh.server.gateway`); the others get the decoded message of a user
that is logged in, once the bounds of its fields hold. A test walks the catalogue
and finds each message in exactly one of the two lists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from soulmesh import wire
from soulmesh.server.gateway import Connection, Handler, Malformed
from soulmesh.server.state import Session, User
from soulmesh.wire import to_server
from soulmesh.wire.message import Message

if TYPE_CHECKING:
    from soulmesh.server.abuse import AbuseEngine
    from soulmesh.server.app import Parts

__all__ = ["IGNORED", "Row", "compile_rows", "rows"]

INTEREST = 64
QUERY = 256
CHAT = 2048
NAME = 256

Plain = Callable[[Session, User, Any], None]


@dataclass(frozen=True, slots=True)
class Row:
    """One message of a client that is logged in."""

    message: type[Message]
    plain: Plain | None = None
    hot: Handler | None = None
    bounds: tuple[tuple[str, int], ...] = ()
    """Text fields and how many characters they may have. A longer one: nothing happens."""
    kind: str = "request"
    """What the limits of :mod:`soulmesh.server.abuse` call it."""


IGNORED: dict[type[Message], str] = {
    to_server.IgnoreUser: "obsolete; clients ignore users by themselves",
    to_server.UnignoreUser: "obsolete; clients ignore users by themselves",
    to_server.FileSearchRoom: "obsolete; rooms have no numbers any more (RoomSearch)",
    to_server.SendConnectTicket: "obsolete; tickets of PeerInit are not verified any more",
    to_server.SendDownloadSpeed: "obsolete; replaced by SendUploadSpeed, which the uploader sends itself",
    to_server.UploadSlotsFull: "obsolete; search replies carry whether slots are free",
    to_server.ExecuteCommand: "obsolete; administrators write to the user `server`",
    to_server.PlaceInLineRequest: "obsolete; peers ask each other (PeerPlaceInQueueRequest)",
    to_server.PlaceInLineResponse: "obsolete; peers ask each other (PeerPlaceInQueueReply)",
    to_server.ExactFileSearch: "obsolete; no server answers it and no client expects an answer",
    to_server.GetUserList: "obsolete; a list of everybody is of use to nobody but harvesters of names",
    to_server.TunneledMessage: "obsolete; would let anyone send anything to anyone through the server",
    to_server.ParentIP: "deprecated; the tree is known from BranchLevel and BranchRoot",
    to_server.Unknown80: "obsolete; opened a second connection of very old clients",
    to_server.PrivateRoomUnknown138: "obsolete; nobody knows what it was for",
    to_server.PrivilegesNotification: "deprecated; the server itself tells the receiver of a gift",
    to_server.PrivilegesNotificationAck: "deprecated; gifts are notices and need no acknowledgement",
    to_server.PrivateRoomOperatorRevoked: "no server reacts to it; operators use PrivateRoomDropOperator",
}
"""Messages that nothing happens on, and why."""


def rows(parts: Parts) -> list[Row]:
    """All rows, each bound to the manager that owns the message."""
    hot, rooms, presence, tree = parts.hot, parts.rooms, parts.presence, parts.tree
    interests, privileges, chat = parts.interests, parts.privileges, parts.chat
    room_user = (("room", NAME), ("username", NAME))
    return [
        # a user about itself
        Row(to_server.Login, parts.login_again),
        Row(to_server.SetListenPort, presence.set_listen_port),
        Row(to_server.SetStatus, presence.set_status),
        Row(to_server.SharedFoldersFiles, presence.set_counts),
        Row(to_server.SendUploadSpeed, presence.add_upload),
        Row(to_server.NewPassword, parts.new_password),
        Row(to_server.Ping, parts.ping),
        # users
        Row(to_server.GetPeerAddress, hot=hot.get_peer_address),
        Row(to_server.AddUser, hot=hot.add_user),
        Row(to_server.RemoveUser, presence.remove_user),
        Row(to_server.GetUserStatus, hot=hot.get_user_status),
        Row(to_server.GetUserStats, hot=hot.get_user_stats),
        Row(to_server.ConnectToPeer, hot=hot.connect_to_peer, kind="connect"),
        Row(to_server.CannotConnect, presence.cannot_connect),
        # privileges
        Row(to_server.CheckPrivileges, privileges.check),
        Row(to_server.GetUserPrivileges, privileges.of_user),
        Row(to_server.GiveUserPrivileges, privileges.give),
        # chat
        Row(to_server.RoomChatMessage, hot=hot.room_chat_message, kind="message"),
        Row(to_server.PrivateChatMessage, hot=hot.private_chat_message, kind="message"),
        Row(to_server.PrivateChatMessageAck, hot=hot.private_chat_message_ack),
        Row(to_server.PrivateChatMessageUsers, chat.to_many, bounds=(("message", CHAT),), kind="message"),
        Row(to_server.EnablePublicChat, lambda session, user, message: rooms.public_chat(session, True)),
        Row(to_server.DisablePublicChat, lambda session, user, message: rooms.public_chat(session, False)),
        # searches
        Row(to_server.FileSearch, hot=hot.file_search, kind="search"),
        Row(to_server.WishlistSearch, hot=hot.file_search, kind="search"),
        Row(to_server.UserSearch, hot=hot.user_search, kind="search"),
        Row(to_server.RoomSearch, hot=hot.room_search, kind="search"),
        Row(to_server.GetRelatedSearches, chat.related_searches, bounds=(("query", QUERY),)),
        # the distributed network
        Row(to_server.ToggleParentSearch, parts.toggle_parent_search),
        Row(to_server.AcceptChildren, tree.accept_children),
        Row(to_server.BranchLevel, tree.branch_level),
        Row(to_server.BranchRoot, tree.branch_root, bounds=(("username", NAME),)),
        Row(to_server.ChildDepth, tree.child_depth),
        # rooms
        Row(to_server.RoomList, rooms.asked_for_list),
        Row(to_server.JoinRoom, rooms.join_room, kind="join"),
        Row(to_server.LeaveRoom, rooms.leave_room),
        Row(to_server.SetRoomTicker, rooms.set_ticker, kind="message"),
        Row(to_server.TogglePrivateRoomInvites, rooms.toggle_invites),
        Row(to_server.PrivateRoomGrantMembership, rooms.grant_membership, bounds=room_user),
        Row(to_server.PrivateRoomRevokeMembership, rooms.revoke_membership, bounds=room_user),
        Row(to_server.PrivateRoomDropMembership, rooms.drop_membership),
        Row(to_server.PrivateRoomDropOwnership, rooms.drop_ownership),
        Row(to_server.PrivateRoomGrantOperator, rooms.grant_operator, bounds=room_user),
        Row(to_server.PrivateRoomRevokeOperator, rooms.revoke_operator, bounds=room_user),
        Row(to_server.PrivateRoomDropOperator, rooms.drop_operator),
        # interests
        Row(to_server.AddInterest, interests.add, bounds=(("interest", INTEREST),)),
        Row(to_server.RemoveInterest, interests.remove),
        Row(to_server.AddHatedInterest, interests.add_hated, bounds=(("hated_interest", INTEREST),)),
        Row(to_server.RemoveHatedInterest, interests.remove_hated),
        Row(to_server.GetInterests, interests.mine),
        Row(to_server.GetUserInterests, interests.of_user, bounds=(("username", NAME),)),
        Row(to_server.GetRecommendations, interests.for_me),
        Row(to_server.GetGlobalRecommendations, interests.globally),
        Row(to_server.GetItemRecommendations, interests.for_item, bounds=(("item", INTEREST),)),
        Row(
            to_server.DeprecatedGetItemRecommendations,
            interests.for_item_before,
            bounds=(("item", INTEREST),),
        ),
        Row(to_server.GetSimilarUsers, interests.similar_users),
        Row(to_server.GetItemSimilarUsers, interests.item_users, bounds=(("item", INTEREST),)),
    ]


def _decoded(row: Row) -> Handler:
    plain, bounds = row.plain, row.bounds
    assert plain is not None

    def handle(session: Connection, data: bytes, pos: int, stop: int) -> None:
        try:
            message = wire.decode(data[pos - 8 : stop], "server", "to_server")
        except wire.WireError as error:
            raise Malformed(str(error)) from error
        for field, limit in bounds:
            value = getattr(message, field)
            if value is not None and len(value) > limit:
                return
        if session.user is not None:
            plain(session, session.user, message)

    return handle


def compile_rows(table: list[Row], abuse: AbuseEngine | None = None) -> dict[int, Handler]:
    """Code -> handler, with its limits if there is an engine. What is ignored or unknown is absent."""
    handlers: dict[int, Handler] = {}
    for row in table:
        code = row.message.LAYOUT.code or 0
        handler = row.hot or _decoded(row)
        handlers[code] = handler if abuse is None else abuse.limited(code, row.kind, handler)
    return handlers
