"""What a restart brings back, whatever the store."""

from __future__ import annotations

import asyncio

from soulmesh.server.store.memory import MemoryStore
from soulmesh.wire import to_client, to_server
from tests.server.support import login, town


def test_bans_privileges_and_what_administrators_set_come_back() -> None:
    async def check() -> None:
        store = MemoryStore()
        async with town(store=store) as place:
            run = place.server.parts.admin.run
            await place.enter("ann")
            bob = await place.enter("bob")
            await bob.leave()
            ann = place.users[0]
            for number in range(3):
                ann.send(to_server.PrivateChatMessage("bob", str(number)))
            ann.send(to_server.NewPassword("changed"))
            await ann.next(to_client.NewPassword)
            for words in (
                "user privileges ann 3",
                "user admin ann on",
                "ban eve --for 2h",
                "ban 10.0.0.0/8 noise",
                "greeting hello again",
                "phrases add bad",
                "maximum-users 77",
                "mute ann",
                "mute bob 5",
            ):
                await run("console", words.split())
        async with town(store=store) as place:
            parts = place.server.parts
            assert [(ban.kind, ban.subject) for ban in parts.moderation.bans.all()] == [
                ("name", "eve"),
                ("network", "10.0.0.0/8"),
            ]
            assert [mute.subject for mute in parts.moderation.mutes()] == ["ann", "bob"]
            eve = await place.connect("eve")
            eve.send(login("eve"))
            assert await eve.end() == []
            ann = await place.enter("ann", "changed")
            ann.send(to_server.CheckPrivileges(), to_server.GetUserStatus("ann"))
            assert await ann.told() == [
                to_client.CheckPrivileges(3 * 86400),
                to_client.GetUserStatus("ann", 2, True),
            ]
            assert parts.admin.accounts.is_admin(place.server.realm.users[b"\3\0\0\0ann"])
            assert place.server.realm.maximum_users == 77
            bob = await place.connect("bob")
            bob.send(login("bob"))
            told = await bob.told()
            first = told[0]
            assert isinstance(first, to_client.Login)
            assert first.greeting == "hello again"
            waiting = [m.message for m in told if isinstance(m, to_client.PrivateChatMessage)]
            assert waiting == ["0", "1", "2"]
            assert told[-1] == to_client.ExcludedSearchPhrases(["bad"])
            assert len(parts.moderation.audit.last(100)) == 9

    asyncio.run(check())


def test_the_limit_of_rooms_per_account_counts_on() -> None:
    async def check() -> None:
        store = MemoryStore()
        options = {"rooms.maximum_made": 2}
        async with town(options, store=store) as place:
            ann = await place.enter("ann")
            ann.send(to_server.JoinRoom("one"), to_server.JoinRoom("two", 1))
            await ann.told()
        async with town(options, store=store) as place:
            ann = await place.enter("ann")
            ann.send(to_server.JoinRoom("three"))
            (notice,) = await ann.told()
            assert isinstance(notice, to_client.PrivateChatMessage)
            assert "You have made 2 rooms" in notice.message
            # A deleted account leaves its rooms behind, and its name is in them no more.
            await place.server.parts.admin.run("console", ["user", "delete", "ann"])
        assert [row[3] for row in store.read("rooms")] == [None, None]

    asyncio.run(check())


def test_administrators_are_told_once_it_is_kept() -> None:
    async def check() -> None:
        store = MemoryStore(manual=True)
        async with town(store=store) as place:
            run = place.server.parts.admin.run
            banning = asyncio.create_task(run("console", ["ban", "eve"]))
            for _ in range(5):
                await asyncio.sleep(0)
            assert not banning.done()
            # Who only looks does not wait.
            assert (await run("console", ["bans"])).data[0]["subject"] == "eve"
            store.settle()
            assert (await banning).lines == ["name eve is banned for ever."]
            store.manual = False

    asyncio.run(check())
