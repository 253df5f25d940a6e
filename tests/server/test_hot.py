"""What is built and read by hand is what the codec says."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections import deque
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from soulmesh import wire
from soulmesh.server import frames
from soulmesh.server.gateway import Handler, Hot, Malformed, name_at, text_end
from soulmesh.server.realm import Realm
from soulmesh.server.settings import make_settings
from soulmesh.server.state import Outbox, Session, ip_bytes
from soulmesh.server.state import User as StateUser
from soulmesh.server.store.memory import MemoryStore
from soulmesh.wire import to_client, to_server
from soulmesh.wire.message import Message
from soulmesh.wire.structs import UserStats

U32 = st.integers(0, 0xFFFFFFFF)
NAME = st.text(max_size=40)
TEXT = st.text(max_size=200)
IP = st.ip_addresses(v=4).map(str)


def name(text: str) -> bytes:
    return frames.wire_name(wire.raw(text))


@given(NAME, IP, U32, st.integers(0, 1), st.integers(0, 65535))
def test_get_peer_address(user: str, ip: str, port: int, kind: int, obfuscated: int) -> None:
    built = frames.get_peer_address(name(user), ip_bytes(ip), port, kind, obfuscated)
    assert built == wire.encode(to_client.GetPeerAddress(user, ip, port, kind, obfuscated))


@given(NAME, st.integers(0, 2), st.booleans(), U32, U32, U32, U32)
def test_status_figures_and_watching(
    user: str, status: int, privileged: bool, speed: int, uploads: int, files: int, folders: int
) -> None:
    figures = frames.stats(speed, uploads, files, folders)
    told = UserStats(speed, uploads, files, folders)
    assert frames.get_user_status(name(user), status, privileged) == wire.encode(
        to_client.GetUserStatus(user, status, privileged)
    )
    assert frames.get_user_stats(name(user), figures) == wire.encode(to_client.GetUserStats(user, told))
    country = "" if status else None
    assert frames.add_user(name(user), status, figures) == wire.encode(
        to_client.AddUser(user, True, status, told, country)
    )
    assert frames.user_joined_room(name("room"), name(user), status, figures) == wire.encode(
        to_client.UserJoinedRoom("room", user, status, told, 0, "")
    )


@given(TEXT, IP, st.booleans())
def test_login(greeting: str, ip: str, supporter: bool) -> None:
    assert frames.login(wire.raw(greeting), ip_bytes(ip), b"0" * 32, supporter) == wire.encode(
        to_client.Login(True, greeting, ip, "0" * 32, supporter)
    )


@given(NAME, NAME, TEXT, U32, U32, st.booleans())
def test_chat(room: str, user: str, text: str, number: int, sent: int, direct: bool) -> None:
    message = frames.wire_name(wire.raw(text))
    assert frames.public_chat_message(name(room), name(user), message) == wire.encode(
        to_client.PublicChatMessage(room, user, text)
    )
    assert frames.user_left_room(name(room), name(user)) == wire.encode(to_client.UserLeftRoom(room, user))
    flag = b"\1" if direct else b"\0"
    assert frames.private_chat_message(number, sent, name(user), message, flag) == wire.encode(
        to_client.PrivateChatMessage(number, sent, user, text, direct)
    )


@given(NAME, U32, TEXT)
def test_searches(user: str, ticket: int, query: str) -> None:
    tail = ticket.to_bytes(4, "little") + frames.wire_name(wire.raw(query))
    assert frames.file_search(name(user), tail) == wire.encode(to_client.FileSearch(user, ticket, query))
    assert frames.server_search_request(name(user), tail) == wire.encode(
        to_client.ServerSearchRequest(3, 49, user, ticket, query)
    )


@given(NAME, IP, U32, U32, st.booleans(), st.integers(0, 1), U32)
def test_connect_to_peer(
    user: str, ip: str, port: int, ticket: int, privileged: bool, kind: int, obfuscated: int
) -> None:
    built = frames.connect_to_peer(
        name(user),
        name("P"),
        ip_bytes(ip),
        port,
        ticket.to_bytes(4, "little"),
        privileged,
        (kind, obfuscated),
    )
    assert built == wire.encode(
        to_client.ConnectToPeer(user, "P", ip, port, ticket, privileged, kind, obfuscated)
    )


class Office:
    """The hot handlers with two users who sit in one room, no loop and no socket."""

    def __init__(self) -> None:
        loop = asyncio.new_event_loop()
        loop.close()
        store = MemoryStore()
        self.outbox = Outbox(loop, store)
        # Frames are taken from the lists directly; nothing is ever flushed.
        self.outbox.scheduled = True
        self.realm = Realm(
            make_settings({"chat.queue": 1000000}), store, self.outbox, lambda: 1000.0, Random(1)
        )
        self.hot = Hot(self.realm, deque(maxlen=5), lambda session, user, text: None)
        self.ann, self.bob = self.session("ann"), self.session("bob")
        room = self.realm.make_room(name("lobby"))
        room.members.update({self.ann: None, self.bob: None})
        self.realm.roots.members[self.bob] = None

    def session(self, text: str) -> Session:
        user = self.realm.users[name(text)] = StateUser(name(text))
        user.session = Session(self.outbox, "127.0.0.1", lambda data: None)
        user.session.belong_to(user)
        return user.session

    def handle(self, handler: Handler, message: Message) -> bytes:
        """What bob gets when ann sends ``message``, with rubbish around its frame."""
        sent = wire.encode(message)
        self.bob.out.clear()
        data = b"before" + sent + b"after"
        handler(self.ann, data, 6 + 8, 6 + len(sent))  # type: ignore[arg-type]
        for group in (*self.realm.rooms.values(), self.realm.roots):
            self.bob.out += group.pending
            group.pending.clear()
        return b"".join(self.bob.out)


OFFICE = Office()


@given(TEXT, U32)
def test_what_handlers_pass_on_by_hand_is_what_the_codec_would_write(text: str, ticket: int) -> None:
    hot = OFFICE.hot
    chat_id = OFFICE.realm.next_chat_id
    cases: list[tuple[Handler, Message, Message]] = [
        (
            hot.room_chat_message,
            to_server.RoomChatMessage("lobby", text),
            to_client.RoomChatMessage("lobby", "ann", text),
        ),
        (
            hot.private_chat_message,
            to_server.PrivateChatMessage("bob", text),
            to_client.PrivateChatMessage(chat_id, 1000, "ann", text, True),
        ),
        (
            hot.user_search,
            to_server.UserSearch("bob", ticket, text),
            to_client.FileSearch("ann", ticket, text),
        ),
        (
            hot.file_search,
            to_server.FileSearch(ticket, text),
            to_client.ServerSearchRequest(3, 49, "ann", ticket, text),
        ),
        (
            hot.room_search,
            to_server.RoomSearch("lobby", ticket, text),
            to_client.FileSearch("ann", ticket, text),
        ),
    ]
    for handler, sent, expected in cases:
        assert OFFICE.handle(handler, sent) == wire.encode(expected), type(sent).__name__


@given(st.sampled_from(["room_chat_message", "private_chat_message", "user_search"]), st.integers(0, 30))
def test_handlers_refuse_a_frame_that_ends_too_early(which: str, cut: int) -> None:
    handler: Handler = getattr(OFFICE.hot, which)
    sent = wire.encode(
        to_server.UserSearch("bob", 1, "song")
        if which == "user_search"
        else to_server.PrivateChatMessage("bob" if which.startswith("p") else "lobby", "some text")
    )
    stop = min(len(sent) - 1, 8 + cut)
    OFFICE.bob.out.clear()
    with contextlib.suppress(Malformed, struct.error):
        handler(OFFICE.ann, sent, 8, stop)  # type: ignore[arg-type]
        raise AssertionError("taken")
    assert OFFICE.bob.out == []


@given(st.binary(max_size=300), st.integers(0, 20))
def test_reading_by_hand_never_goes_beyond_the_frame(data: bytes, start: int) -> None:
    for read in (
        lambda: len(name_at(data, start, len(data))) + start,
        lambda: text_end(data, start, len(data), 64),
    ):
        try:
            end = read()
        except Malformed:
            continue
        assert end <= len(data)


def test_what_is_no_ipv4_address_is_nowhere() -> None:
    assert ip_bytes("::ffff:1.2.3.4") == bytes([4, 3, 2, 1])
    assert ip_bytes("::1") == ip_bytes("1.2.3.x") == bytes(4)
