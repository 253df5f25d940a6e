"""Accounts, rooms and messages from elsewhere: what is taken, and what is refused and why."""

from __future__ import annotations

import asyncio

import pytest

from soulmesh.server.store.memory import MemoryStore
from soulmesh.server.transfer import BadLine, export_lines, import_lines
from soulmesh.wire import to_client, to_server
from tests.server.support import login, town


def imported(*lines: str) -> MemoryStore:
    store = MemoryStore()
    import_lines(store, lines, lambda password: "fast$" + password.decode())
    return store


def test_a_mute_comes_along() -> None:
    store = imported('{"type": "bans", "kind": "mute", "subject": "ann"}')
    assert store.read("bans") == [("mute", "ann", 0, "", "", 0)]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"type": "accounts", "name": ""}', "Nick empty"),
        ('{"type": "accounts", "name": "Server"}', "reserved"),
        ('{"type": "accounts", "name": "\u00e9ve"}', "Invalid characters"),
        (f'{{"type": "accounts", "name": "{"x" * 31}"}}', "too long"),
        ('{"type": "rooms", "name": "a  b"}', "multiple following spaces"),
        ('{"type": "messages", "id": 0, "receiver": "a", "sender": "b", "message": ""}', "id must be"),
        ('{"type": "messages", "id": 4294967295, "receiver": "a", "sender": "b", "message": ""}', "id must"),
        ('{"type": "settings", "key": "next_chat_id", "value": "soon"}', "next_chat_id must be a number"),
        ('{"type": "settings", "key": "maximum_users", "value": "99999999999"}', "maximum_users must be"),
        ('{"type": "bans", "kind": "network", "subject": "here/8"}', "here/8 is no network"),
        ('{"type": "bans", "kind": "address", "subject": "here"}', "here is no address"),
        ('{"type": "bans", "kind": "mood", "subject": "here"}', "kind must be"),
    ],
)
def test_a_line_that_no_server_could_work_with_is_refused_by_its_number(line: str, why: str) -> None:
    with pytest.raises(BadLine, match=rf"^line 2: .*{why}"):
        imported('{"type": "accounts", "name": "ann"}', line)


def test_what_was_exported_is_taken_as_it_was() -> None:
    lines = [
        '{"type": "accounts", "name": "ann", "plain_password": "x"}',
        '{"type": "rooms", "name": "den", "owner": "ann"}',
        '{"type": "messages", "id": 4000000000, "receiver": "ann", "sender": "bob", "message": "hi"}',
        '{"type": "settings", "key": "next_chat_id", "value": "10001"}',
        '{"type": "bans", "kind": "network", "subject": "10.0.0.0/8"}',
    ]
    exported = list(export_lines(imported(*lines)))
    assert list(export_lines(imported(*exported))) == exported


def test_a_new_message_never_takes_the_number_of_one_that_was_imported() -> None:
    async def check() -> None:
        store = imported(
            '{"type": "accounts", "name": "ann"}',
            '{"type": "accounts", "name": "bob"}',
            '{"type": "messages", "id": 3, "receiver": "ann", "sender": "bob", "message": "from elsewhere"}',
        )
        async with town(store=store) as place:
            await place.server.parts.admin.run("console", ["user", "password", "bob", "secret"])
            bob = await place.enter("bob")
            bob.send(*[to_server.PrivateChatMessage("ann", text) for text in ("one", "two", "three")])
            await bob.told()
        async with town(store=store) as place:
            await place.server.parts.admin.run("console", ["user", "password", "ann", "secret"])
            ann = await place.connect("ann")
            ann.send(login("ann"))
            told = [m for m in await ann.told() if isinstance(m, to_client.PrivateChatMessage)]
            assert [m.message for m in told] == ["from elsewhere", "one", "two", "three"]
            assert [m.chat_id for m in told] == [3, 4, 5, 6]

    asyncio.run(check())
