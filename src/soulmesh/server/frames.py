"""Frames that are built by hand, because they are built a million times a second.

The tests compare each with what :func:`soulmesh.wire.encode` makes of the same
message. A *wire name* is a name as it stands in a frame: four bytes of length,
then the bytes; see :func:`wire_name`. Names stay in this form from the frame
that brought them to the frame that carries them on.
"""

from __future__ import annotations

from struct import Struct

__all__ = [
    "EMPTY",
    "add_user",
    "connect_to_peer",
    "file_search",
    "frame",
    "get_peer_address",
    "get_user_stats",
    "get_user_status",
    "login",
    "name_bytes",
    "private_chat_message",
    "public_chat_message",
    "server_search_request",
    "show",
    "stats",
    "user_joined_room",
    "user_left_room",
    "wire_name",
]

EMPTY = b"\0\0\0\0"
"""An empty string, or an empty list, on the wire."""

_HEAD = Struct("<II")
_U32 = Struct("<I")
_STATS = Struct("<IQII")
_ADDRESS = Struct("<IIH")
_SEARCH = Struct("<IIBI")
_CHAT = Struct("<IIII")


def wire_name(data: bytes) -> bytes:
    """``data`` with its length before it."""
    return len(data).to_bytes(4, "little") + data


def name_bytes(name: bytes) -> bytes:
    """The bytes of a wire name without the length."""
    return name[4:]


def show(name: bytes) -> str:
    """A wire name as text for people: UTF-8, else Latin-1."""
    try:
        return name[4:].decode()
    except UnicodeDecodeError:
        return name[4:].decode("latin-1")


def frame(code: int, body: bytes) -> bytes:
    """Any frame: length, code, body."""
    return _HEAD.pack(len(body) + 4, code) + body


def stats(avg_speed: int, uploads: int, files: int, folders: int) -> bytes:
    """The twenty bytes of UserStats. The counter of uploads is 32 bits in a field of 64."""
    return _STATS.pack(min(avg_speed, 0xFFFFFFFF), uploads & 0xFFFFFFFF, files, folders)


def login(greeting: bytes, ip: bytes, digest: bytes, supporter: bool) -> bytes:
    """Login that succeeded; ``digest`` is the hex MD5 of the password."""
    flag = b"\1" if supporter else b"\0"
    return frame(1, b"\1" + wire_name(greeting) + ip + wire_name(digest) + flag)


def get_peer_address(name: bytes, ip: bytes, port: int, kind: int, obfuscated_port: int) -> bytes:
    """GetPeerAddress, always with its tail: Nicotine+ drops the short form in silence."""
    return frame(3, name + ip + _ADDRESS.pack(port, kind, obfuscated_port))


def add_user(name: bytes, status: int, figures: bytes) -> bytes:
    """AddUser about a user that exists. The country is empty when online and absent when offline."""
    if status:
        return frame(5, name + b"\1" + _U32.pack(status) + figures + EMPTY)
    return frame(5, name + b"\1" + EMPTY + figures)


def get_user_status(name: bytes, status: int, privileged: bool) -> bytes:
    """GetUserStatus."""
    return frame(7, name + _U32.pack(status) + (b"\1" if privileged else b"\0"))


def get_user_stats(name: bytes, figures: bytes) -> bytes:
    """GetUserStats."""
    return frame(36, name + figures)


def public_chat_message(room: bytes, username: bytes, message: bytes) -> bytes:
    """PublicChatMessage; ``message`` with its length."""
    return frame(152, room + username + message)


def user_joined_room(room: bytes, name: bytes, status: int, figures: bytes) -> bytes:
    """UserJoinedRoom, with no word about slots or country."""
    return frame(16, room + name + _U32.pack(status) + figures + EMPTY + EMPTY)


def user_left_room(room: bytes, name: bytes) -> bytes:
    """UserLeftRoom."""
    return frame(17, room + name)


def connect_to_peer(
    name: bytes,
    kind: bytes,
    ip: bytes,
    port: int,
    ticket: bytes,
    privileged: bool,
    obfuscation: tuple[int, int],
) -> bytes:
    """ConnectToPeer with its whole tail; ``kind`` with its length, ``ticket`` as it came."""
    flag = b"\1" if privileged else b"\0"
    return frame(18, name + kind + ip + _U32.pack(port) + ticket + flag + _HEAD.pack(*obfuscation))


def private_chat_message(chat_id: int, sent: int, sender: bytes, message: bytes, direct: bytes) -> bytes:
    """PrivateChatMessage; ``message`` with its length, ``direct`` one byte."""
    return _CHAT.pack(13 + len(sender) + len(message), 22, chat_id, sent) + sender + message + direct


def file_search(name: bytes, ticket_and_query: bytes) -> bytes:
    """FileSearch to one user; the tail is the searcher's own bytes."""
    return _HEAD.pack(4 + len(name) + len(ticket_and_query), 26) + name + ticket_and_query


def server_search_request(name: bytes, ticket_and_query: bytes) -> bytes:
    """ServerSearchRequest with the one inner message in use: 3, a search; 49 is what everybody sends."""
    return _SEARCH.pack(9 + len(name) + len(ticket_and_query), 93, 3, 49) + name + ticket_and_query
