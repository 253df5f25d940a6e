"""What cannot be written is an error of our caller, and says where."""

from __future__ import annotations

import pytest

from soulmesh import wire
from soulmesh.errors import EncodeError, UsageError
from soulmesh.wire import Message, distributed, file, peer, peer_init, to_client, to_server
from soulmesh.wire.structs import Attribute, DirectoryData, FileData, UserStats

STATS = UserStats(1, 2, 3, 4)

CASES: list[tuple[Message, str]] = [
    (to_server.SetStatus(-1), "SetStatus.status: -1: "),
    (to_server.SetStatus(2**32), "SetStatus.status: 4294967296: "),
    (to_server.SetStatus("away"), "SetStatus.status: 'away': "),  # type: ignore[arg-type]
    (to_server.SetStatus(None), "SetStatus.status: a value is needed"),  # type: ignore[arg-type]
    (distributed.DistributedBranchLevel(2**31), "DistributedBranchLevel.level: 2147483648: "),
    (file.FileOffset(-1), "FileOffset.offset: -1: "),
    (to_server.JoinRoom(b"room"), "JoinRoom.room: text is needed, not bytes"),  # type: ignore[arg-type]
    (to_server.ParentIP("localhost"), "ParentIP.ip: 'localhost' does not fit"),
    (to_server.ParentIP("1.2.3.256"), "ParentIP.ip: '1.2.3.256' does not fit"),
    (to_server.ParentIP("1.2.3"), "ParentIP.ip: '1.2.3' does not fit"),
    (peer.PeerPrivateMessage(5), "PeerPrivateMessage.payload: bytes are needed, not int"),  # type: ignore[arg-type]
    (
        peer.PeerUserInfoReply("", True, 2**40, 1, 0, True),  # type: ignore[arg-type]
        "PeerUserInfoReply.picture: bytes are needed, not int",
    ),
    (peer.PeerUserInfoReply("", True, None, 1, 0, True), "PeerUserInfoReply.picture: a value is needed"),
    (
        peer.PeerUserInfoReply("", False, b"png", 1, 0, True),
        "PeerUserInfoReply.picture: is written only when has_picture is True",
    ),
    (
        to_client.ServerSearchRequest(3, 49, "eve", 1),
        "ServerSearchRequest.query: a value is needed",
    ),
    (
        to_client.ServerSearchRequest(4, query="x", payload=b""),
        "ServerSearchRequest.query: is written only when distributed_code is 3",
    ),
    (
        to_server.SetListenPort(2234, None, 2235),
        "SetListenPort.obfuscated_port: cannot be written without obfuscation_type before it",
    ),
    (
        to_client.RoomList(["a"], [1, 2]),
        "RoomList.rooms_user_count: has more entries than rooms",
    ),
    (
        to_client.JoinRoom("r", [], [], [STATS], []),
        "JoinRoom.users_stats: has more entries than users",
    ),
    (
        to_server.PrivateChatMessageUsers("eve", "hi"),  # type: ignore[arg-type]
        "PrivateChatMessageUsers.usernames: a list is needed, not str",
    ),
    (
        to_server.PrivateChatMessageUsers(["eve", 7], "hi"),  # type: ignore[list-item]
        "PrivateChatMessageUsers.usernames[1]: text is needed, not int",
    ),
    (
        peer.PeerSharesReply([DirectoryData("d", [FileData(1, "f", 1, "", [Attribute(0, -5)])])]),
        "PeerSharesReply.directories[0].files[0].attributes[0].value: -5: ",
    ),
    (
        peer.PeerSharesReply([FileData(1, "f", 1, "", [])]),  # type: ignore[list-item]
        "PeerSharesReply.directories[0]: a DirectoryData is needed, not FileData",
    ),
    (
        to_client.AddUser("eve", True, 2, None),
        "AddUser.user_stats: a value is needed",
    ),
]


@pytest.mark.parametrize(("message", "words"), CASES, ids=[words.partition(":")[0] for _, words in CASES])
def test_an_error_names_message_field_and_reason(message: Message, words: str) -> None:
    with pytest.raises(EncodeError) as caught:
        wire.encode(message)
    assert str(caught.value).startswith(words)
    assert isinstance(caught.value, UsageError)
    assert caught.value.__suppress_context__


def test_a_missing_late_field_at_the_end_is_no_error() -> None:
    assert wire.encode(to_server.SetListenPort(2234)).hex() == "0800000002000000ba080000"
    assert wire.encode(peer_init.PeerInit("eve", "P")).hex() == "0d00000001030000006576650100000050"


def test_any_true_value_is_a_yes() -> None:
    reply = peer.PeerTransferReply(5, 1, filesize=9)  # type: ignore[arg-type]
    assert wire.decode(wire.encode(reply), "peer", "peer") == peer.PeerTransferReply(5, True, 9)


def test_an_unknown_message_is_written_as_it_came() -> None:
    frame = bytes.fromhex("06000000420102030405")
    message = wire.decode(frame, "distributed", "peer")
    assert isinstance(message, wire.UnknownMessage)
    assert (message.code, message.payload) == (0x42, b"\1\2\3\4\5")
    assert wire.to_fields(message) == {"code": 0x42, "payload": "0102030405"}
    assert wire.encode(message) == frame
    assert message.LAYOUT.name == "UnknownMessage"
    assert message.LAYOUT.code == 0x42


@pytest.mark.parametrize(
    ("family", "direction", "name", "fields", "words"),
    [
        ("server", "sideways", "Login", {}, "'sideways'"),
        ("telnet", "peer", "Login", {}, "'telnet'"),
        ("server", "to_server", "Logout", {}, "'Logout'"),
        ("server", "to_client", "SetStatus", {"status": 1}, "'SetStatus'"),
        ("server", "to_server", "SetStatus", {"state": 1}, "no field 'state'; its fields: status"),
        ("server", "to_server", "Ping", {"x": 1}, "its fields: none"),
        ("server", "to_server", "SetStatus", [], "an object with fields is needed"),
        ("server", "to_server", "SetStatus", {}, "SetStatus.status: a value is needed"),
        (
            "server",
            "to_server",
            "ExecuteCommand",
            {"command_type": "", "arguments": "x"},
            "a list is needed",
        ),
        ("peer", "peer", "PeerPrivateMessage", {"payload": "zz"}, "hexadecimal text is needed"),
        ("peer", "peer", "PeerPrivateMessage", {"payload": 5}, "hexadecimal text is needed"),
        ("server", "to_client", "GetUserStats", {"username": "a", "user_stats": 5}, "an object with fields"),
    ],
)
def test_fields_that_make_no_message_say_why(
    family: str, direction: str, name: str, fields: dict[str, object], words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        wire.from_fields(family, direction, name, fields)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_family_and_direction_that_do_not_exist_are_our_own_mistake() -> None:
    with pytest.raises(UsageError, match="known: server/to_server"):
        wire.decode(b"", "server", "peer")
    with pytest.raises(UsageError):
        wire.FrameReader("peer", "to_client")


def test_messages_are_compared_by_class_and_value() -> None:
    assert to_server.JoinRoom("a") == to_server.JoinRoom("a", None)
    assert to_server.JoinRoom("a") != to_server.JoinRoom("b")
    assert to_server.JoinRoom("a") != to_server.LeaveRoom("a")
    assert to_server.JoinRoom("a") != "a"
    with pytest.raises(TypeError):
        hash(to_server.JoinRoom("a"))
    with pytest.raises(TypeError):
        to_server.JoinRoom()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        to_server.JoinRoom("a", colour="red")  # type: ignore[call-arg]


def test_a_message_shows_its_fields() -> None:
    assert repr(to_server.JoinRoom("a", is_private=1)) == "JoinRoom(room='a', is_private=1)"
    match to_server.RoomChatMessage("lobby", "hi"):
        case to_server.RoomChatMessage(room, text):
            assert (room, text) == ("lobby", "hi")


def test_the_four_public_functions_have_the_parameters_that_are_promised() -> None:
    message = wire.from_fields(family="server", direction="to_server", name="JoinRoom", fields={"room": "x"})
    frame = wire.encode(message)
    assert wire.decode(frame=frame, family="server", direction="to_server") == message
    assert wire.to_fields(message) == {"room": "x"}
