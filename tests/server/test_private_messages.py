"""Private messages: kept until acknowledged, sent again, to many, notices."""

from __future__ import annotations

from soulmesh.wire import to_client, to_server
from tests.server.support import Town, in_town, kinds, login


@in_town()
async def test_a_message_to_someone_online_comes_at_once(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    ann.send(to_server.PrivateChatMessage("bob", "hello"), to_server.PrivateChatMessage("bob", ""))
    await ann.told()
    first, second = await bob.told()
    assert isinstance(first, to_client.PrivateChatMessage)
    assert isinstance(second, to_client.PrivateChatMessage)
    sent = int(town.clock.now.timestamp())
    assert (first.username, first.message, first.timestamp, first.is_direct) == ("ann", "hello", sent, True)
    assert (second.message, second.chat_id) == ("", first.chat_id + 1)


@in_town()
async def test_messages_wait_for_their_receiver_in_order_until_acknowledged(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    await bob.leave()
    sent = int(town.clock.now.timestamp())
    for text in ("one", "two", "three"):
        ann.send(to_server.PrivateChatMessage("bob", text))
    await ann.told()
    town.clock.forward(hours=2)
    bob = await town.connect("bob")
    bob.send(login("bob"))
    told = await bob.told()
    waiting = [message for message in told if isinstance(message, to_client.PrivateChatMessage)]
    assert kinds(told)[:5] == ["Login", *["PrivateChatMessage"] * 3, "RoomList"]
    assert [message.message for message in waiting] == ["one", "two", "three"]
    assert {(message.timestamp, message.is_direct) for message in waiting} == {(sent, False)}
    bob.send(to_server.PrivateChatMessageAck(waiting[1].chat_id))
    await bob.told()
    await bob.leave()
    bob = await town.connect("bob")
    bob.send(login("bob"))
    again = [m.message for m in await bob.told() if isinstance(m, to_client.PrivateChatMessage)]
    assert again == ["one", "three"]


@in_town()
async def test_a_message_read_but_not_acknowledged_comes_again(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    ann.send(to_server.PrivateChatMessage("bob", "hello"))
    await ann.told()
    (first,) = await bob.told()
    assert isinstance(first, to_client.PrivateChatMessage)
    await bob.leave()
    bob = await town.connect("bob")
    bob.send(login("bob"))
    again = await bob.next(to_client.PrivateChatMessage)
    assert (again.chat_id, again.is_direct) == (first.chat_id, False)


@in_town()
async def test_nobody_acknowledges_for_others(town: Town) -> None:
    ann, bob, eve = [await town.enter(name) for name in ("ann", "bob", "eve")]
    ann.send(to_server.PrivateChatMessage("bob", "hello"))
    await ann.told()
    (message,) = await bob.told()
    assert isinstance(message, to_client.PrivateChatMessage)
    for other in (ann, eve):
        other.send(to_server.PrivateChatMessageAck(message.chat_id), to_server.PrivateChatMessageAck(999999))
        await other.told()
    assert list(town.server.realm.users[b"\3\0\0\0bob"].queue or ()) == [message.chat_id]
    bob.send(to_server.PrivateChatMessageAck(message.chat_id))
    await bob.told()
    assert not town.server.realm.users[b"\3\0\0\0bob"].queue


@in_town()
async def test_to_oneself_is_allowed_and_to_nobody_is_nothing(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(to_server.PrivateChatMessage("ann", "note"), to_server.PrivateChatMessage("nobody", "x"))
    assert [m.message for m in await ann.told() if isinstance(m, to_client.PrivateChatMessage)] == ["note"]


@in_town()
async def test_a_message_is_passed_on_byte_for_byte(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    body = b"\x16\0\0\0\3\0\0\0bob\3\0\0\0\xe9\xff\xfe"
    ann.send_raw(len(body).to_bytes(4, "little") + body)
    await ann.told()
    (message,) = await bob.told()
    assert isinstance(message, to_client.PrivateChatMessage)
    assert message.message.encode() == b"\xe9\xff\xfe"


@in_town(chat__queue=3)
async def test_no_more_than_so_many_wait(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    await bob.leave()
    for number in range(5):
        ann.send(to_server.PrivateChatMessage("bob", str(number)))
    told = await ann.told()
    assert len(told) == 2
    assert [row[4] for row in (town.server.realm.users[b"\3\0\0\0bob"].queue or {}).values()] == [
        b"0",
        b"1",
        b"2",
    ]


@in_town()
async def test_a_message_to_many_reaches_only_those_who_watch_the_sender(town: Town) -> None:
    ann, bob, eve = [await town.enter(name) for name in ("ann", "bob", "eve")]
    bob.send(to_server.AddUser("ann"))
    await bob.told()
    ann.send(to_server.PrivateChatMessageUsers(["bob", "eve", "nobody", "bob"], "hello"))
    _, bob_told, eve_told = await town.all_told(ann, bob, eve)
    assert [m.message for m in bob_told if isinstance(m, to_client.PrivateChatMessage)] == ["hello"]
    assert eve_told == []


@in_town()
async def test_notices_are_not_kept_and_count_in_the_same_sequence(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(
        to_server.PrivateChatMessage("ann", "one"),
        to_server.JoinRoom(""),
        to_server.PrivateChatMessage("ann", "two"),
    )
    ids = [m.chat_id for m in await ann.told() if isinstance(m, to_client.PrivateChatMessage)]
    assert ids == [ids[0], ids[0] + 1, ids[0] + 2]
    assert list(town.server.realm.users[b"\3\0\0\0ann"].queue or ()) == [ids[0], ids[2]]
