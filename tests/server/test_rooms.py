"""Flows, "Rooms": lists, joining and creating, leaving, lines, tickers, the public feed, exception cases."""

from __future__ import annotations

import pytest

from soulmesh.server.rooms import room_name_fault
from soulmesh.wire import to_client, to_server
from soulmesh.wire.structs import RoomTicker, UserStats
from tests.server.support import Town, User, in_town, kinds, notices

NOTHING = UserStats(0, 0, 0, 0)


async def join(room: str, *users: User) -> None:
    for user in users:
        user.send(to_server.JoinRoom(room))
        await user.told()
    for user in users:
        await user.told()


def no_rooms() -> to_client.RoomList:
    return to_client.RoomList([], [], [], [], [], [], [])


# ---- joining and creating


@in_town()
async def test_creating_a_public_room(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(to_server.JoinRoom("lobby", 0))
    assert await ann.told() == [
        to_client.UserJoinedRoom("lobby", "ann", 2, NOTHING, 0, ""),
        to_client.JoinRoom("lobby", ["ann"], [2], [NOTHING], [0], [""]),
        to_client.RoomTickers("lobby", []),
    ]


@in_town()
async def test_creating_a_private_room_lists_it_before_the_owner_is_in_it(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(to_server.JoinRoom("den", 1))
    assert await ann.told() == [
        to_client.RoomList([], [], ["den"], [0], [], [], []),
        to_client.PrivateRoomMembers("den", []),
        to_client.PrivateRoomOperators("den", []),
        to_client.UserJoinedRoom("den", "ann", 2, NOTHING, 0, ""),
        to_client.JoinRoom("den", ["ann"], [2], [NOTHING], [0], [""], "ann", []),
        to_client.RoomTickers("den", []),
    ]


@in_town()
async def test_joining_tells_everybody_in_the_room(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    bob.send(to_server.SharedFoldersFiles(1, 10), to_server.SetStatus(1))
    await join("lobby", ann)
    await bob.told()
    bob.send(to_server.JoinRoom("lobby"))
    arrival = to_client.UserJoinedRoom("lobby", "bob", 1, UserStats(0, 0, 10, 1), 0, "")
    assert await bob.told() == [
        arrival,
        to_client.JoinRoom(
            "lobby", ["ann", "bob"], [2, 1], [NOTHING, UserStats(0, 0, 10, 1)], [0, 0], ["", ""]
        ),
        to_client.RoomTickers("lobby", []),
    ]
    assert await ann.told() == [arrival]


@in_town()
async def test_joining_twice_does_nothing(town: Town) -> None:
    ann = await town.enter("ann")
    await join("lobby", ann)
    ann.send(to_server.JoinRoom("lobby"))
    assert await ann.told() == []


@in_town()
async def test_leaving_is_confirmed_and_told_to_those_who_stay(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    await join("lobby", ann, bob)
    ann.send(to_server.LeaveRoom("lobby"), to_server.LeaveRoom("lobby"), to_server.LeaveRoom("nowhere"))
    assert await ann.told() == [to_client.LeaveRoom("lobby")]
    assert await bob.told() == [to_client.UserLeftRoom("lobby", "ann")]


# ---- lists


@in_town(rooms__login_list_minimum=2)
async def test_the_list_at_login_has_rooms_with_enough_users_and_the_one_asked_for_all(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    await join("big", ann, bob)
    await join("small", ann)
    from tests.server.support import login

    eve = await town.connect("eve")
    eve.send(login("eve"))
    assert (await eve.next(to_client.RoomList)).rooms == ["big"]
    eve.send(to_server.RoomList())
    listed = await eve.next(to_client.RoomList)
    assert dict(zip(listed.rooms, listed.rooms_user_count, strict=True)) == {"big": 2, "small": 1}
    assert await eve.told() == []


@in_town()
async def test_an_empty_room_is_not_listed(town: Town) -> None:
    ann = await town.enter("ann")
    await join("lobby", ann)
    ann.send(to_server.LeaveRoom("lobby"), to_server.RoomList())
    assert (await ann.told())[-1] == no_rooms()


# ---- lines


@in_town()
async def test_a_line_goes_to_all_in_the_room_the_sender_included(town: Town) -> None:
    ann, bob, eve = [await town.enter(name) for name in ("ann", "bob", "eve")]
    await join("lobby", ann, bob)
    ann.send(to_server.RoomChatMessage("lobby", "hello"), to_server.RoomChatMessage("lobby", ""))
    lines = [
        to_client.RoomChatMessage("lobby", "ann", "hello"),
        to_client.RoomChatMessage("lobby", "ann", ""),
    ]
    assert await town.all_told(ann, bob, eve) == [lines, lines, []]


@in_town()
async def test_who_is_not_in_the_room_says_nothing(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    await join("lobby", ann)
    bob.send(to_server.RoomChatMessage("lobby", "hello"), to_server.RoomChatMessage("nowhere", "hello"))
    assert await town.all_told(bob, ann) == [[], []]


@in_town()
async def test_a_line_of_2048_characters_passes_and_a_longer_one_does_not(town: Town) -> None:
    ann = await town.enter("ann")
    await join("lobby", ann)
    ann.send(to_server.RoomChatMessage("lobby", "ø" * 2049), to_server.RoomChatMessage("lobby", "ø" * 2048))
    assert await ann.told() == [to_client.RoomChatMessage("lobby", "ann", "ø" * 2048)]


@in_town()
async def test_what_one_user_causes_arrives_in_its_order(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    await join("lobby", ann, bob)
    ann.send(
        to_server.RoomChatMessage("lobby", "one"),
        to_server.PrivateChatMessage("bob", "two"),
        to_server.RoomChatMessage("lobby", "three"),
        to_server.LeaveRoom("lobby"),
    )
    assert kinds(await ann.told()) == ["RoomChatMessage", "RoomChatMessage", "LeaveRoom"]
    assert kinds(await bob.told()) == [
        "RoomChatMessage",
        "PrivateChatMessage",
        "RoomChatMessage",
        "UserLeftRoom",
    ]


@in_town()
async def test_the_public_feed_carries_lines_of_public_rooms_alone(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    await join("lobby", ann)
    ann.send(to_server.JoinRoom("den", 1))
    await ann.told()
    bob.send(to_server.EnablePublicChat())
    await bob.told()
    ann.send(to_server.RoomChatMessage("den", "secret"), to_server.RoomChatMessage("lobby", "hello"))
    await ann.told()
    assert await bob.told() == [to_client.PublicChatMessage("lobby", "ann", "hello")]
    bob.send(to_server.DisablePublicChat())
    await bob.told()
    ann.send(to_server.RoomChatMessage("lobby", "hello"))
    await ann.told()
    assert await bob.told() == []


# ---- tickers


@in_town()
async def test_a_ticker_is_replaced_taken_down_and_kept_in_order(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    await join("lobby", ann, bob)
    ann.send(to_server.SetRoomTicker("lobby", "first"))
    assert await ann.told() == [to_client.RoomTickerAdded("lobby", "ann", "first")]
    bob.send(to_server.SetRoomTicker("lobby", "second"))
    ann_told, bob_told = await town.all_told(ann, bob)
    assert ann_told == [to_client.RoomTickerAdded("lobby", "bob", "second")]
    assert bob_told == [
        to_client.RoomTickerAdded("lobby", "ann", "first"),
        to_client.RoomTickerAdded("lobby", "bob", "second"),
    ]
    ann.send(to_server.SetRoomTicker("lobby", "third"))
    changed = [
        to_client.RoomTickerRemoved("lobby", "ann"),
        to_client.RoomTickerAdded("lobby", "ann", "third"),
    ]
    assert await town.all_told(ann, bob) == [changed, changed]
    eve = await town.enter("eve")
    eve.send(to_server.JoinRoom("lobby"))
    assert (await eve.next(to_client.RoomTickers)).tickers == [
        RoomTicker("bob", "second"),
        RoomTicker("ann", "third"),
    ]
    ann.send(to_server.SetRoomTicker("lobby", ""))
    assert (await ann.told())[-1] == to_client.RoomTickerRemoved("lobby", "ann")


@in_town()
async def test_a_ticker_needs_the_room_and_1024_characters_at_most(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    await join("lobby", ann)
    bob.send(to_server.SetRoomTicker("lobby", "x"), to_server.SetRoomTicker("nowhere", "x"))
    ann.send(to_server.SetRoomTicker("lobby", "x" * 1025))
    assert await town.all_told(ann, bob) == [[], []]


@in_town()
async def test_tickers_stay_when_everybody_leaves(town: Town) -> None:
    ann = await town.enter("ann")
    await join("lobby", ann)
    ann.send(
        to_server.SetRoomTicker("lobby", "here"), to_server.LeaveRoom("lobby"), to_server.JoinRoom("lobby")
    )
    assert (await ann.told())[-1] == to_client.RoomTickers("lobby", [RoomTicker("ann", "here")])


# ---- exception cases


@pytest.mark.parametrize(
    ("name", "fault"),
    [
        (b"", b"Room name empty."),
        (b"x" * 25, b"Room name " + b"x" * 25 + b" longer than 24 characters."),
        (b" room", b"Room name  room contains leading or trailing spaces."),
        (b"room ", b"Room name room  contains leading or trailing spaces."),
        (b"my   room", b"Room name my   room contains multiple following spaces."),
        ("sønd".encode(), "Room name sønd contains invalid characters.".encode()),
        (b"a\tb", b"Room name a\tb contains invalid characters."),
        (b"x" * 24, None),
        (b"my room", None),
    ],
)
def test_names_of_rooms(name: bytes, fault: bytes | None) -> None:
    assert room_name_fault(name) == fault


@in_town()
async def test_a_bad_name_is_answered_with_one_notice(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(to_server.JoinRoom("my   room"))
    told = await ann.told()
    assert kinds(told) == ["PrivateChatMessage"]
    assert notices(told) == [
        "Could not create room. Reason: Room name my   room contains multiple following spaces."
    ]


@in_town()
async def test_a_private_room_of_others_cannot_be_entered(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    ann.send(to_server.JoinRoom("den", 1))
    await ann.told()
    bob.send(to_server.JoinRoom("den", 0))
    told = await bob.told()
    assert told[0] == to_client.CannotCreateRoom("den")
    assert notices(told) == ["The room you are trying to enter (den) is registered as private."]
    assert await ann.told() == []


@in_town()
async def test_a_room_that_was_public_is_joined_as_public_and_said_so_if_unclaimed(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    await join("lobby", ann)
    bob.send(to_server.JoinRoom("lobby", 1))
    assert kinds(await bob.told()) == ["UserJoinedRoom", "JoinRoom", "RoomTickers"]
    for user in (ann, bob):
        user.send(to_server.LeaveRoom("lobby"))
        await user.told()
    bob.send(to_server.JoinRoom("lobby", 1))
    told = await bob.told()
    assert kinds(told) == ["PrivateChatMessage", "UserJoinedRoom", "JoinRoom", "RoomTickers"]
    assert notices(told) == ["Room (lobby) is registered as public."]
    assert told[2] == to_client.JoinRoom("lobby", ["bob"], [2], [NOTHING], [0], [""])


# ---- how many


@in_town(rooms__maximum_owned=2)
async def test_an_account_owns_so_many_private_rooms_and_no_more(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(*(to_server.JoinRoom(room, 1) for room in ("one", "two", "three")))
    told = await ann.told()
    assert notices(told) == ["Could not create room. Reason: You own 2 private rooms; no more are possible."]
    assert [message.room for message in told if isinstance(message, to_client.JoinRoom)] == ["one", "two"]
    # Public rooms are something else, and a room given up makes place for another.
    ann.send(to_server.JoinRoom("lobby"), to_server.PrivateRoomDropOwnership("one"))
    ann.send(to_server.LeaveRoom("one"), to_server.JoinRoom("three", 1))
    told = await ann.told()
    assert notices(told) == []
    assert [message.room for message in told if isinstance(message, to_client.JoinRoom)] == ["lobby", "three"]


@in_town(rooms__maximum_made=2)
async def test_an_account_makes_so_many_rooms_and_joins_as_many_others_as_it_likes(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    bob.send(to_server.JoinRoom("lobby"))
    await bob.told()
    ann.send(*(to_server.JoinRoom(room) for room in ("one", "two", "three", "lobby")))
    told = await ann.told()
    assert notices(told) == ["Could not create room. Reason: You have made 2 rooms; no more are possible."]
    assert [message.room for message in told if isinstance(message, to_client.JoinRoom)] == [
        "one",
        "two",
        "lobby",
    ]
    # Leaving does not unmake them: they are kept, with what is on their walls.
    ann.send(to_server.LeaveRoom("one"), to_server.JoinRoom("three"), to_server.JoinRoom("one"))
    told = await ann.told()
    assert [message.room for message in told if isinstance(message, to_client.JoinRoom)] == ["one"]
