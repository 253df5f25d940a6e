"""Limits: a notice that states the limit, then delay, then a ban; and nothing at all when switched off."""

from __future__ import annotations

import asyncio

from soulmesh.wire import to_client, to_server
from tests.server.support import Town, in_town, kinds, login, notices


def decisions(town: Town) -> list[str]:
    return [decision.action for decision in town.server.parts.moderation.audit.last(100)]


@in_town(abuse__searches_per_minute=3, abuse__delay_seconds=0.01, abuse__ban_after=2)
async def test_notice_then_delay_then_ban(town: Town) -> None:
    ann = await town.enter("ann")
    for ticket in range(3):
        ann.send(to_server.FileSearch(ticket, f"song {ticket}"))
    assert await ann.told() == []
    ann.send(to_server.FileSearch(4, "song 4"))
    (notice,) = notices(await ann.told())
    assert notice.startswith("You may search 3 times per minute.")
    ann.send(to_server.FileSearch(5, "song 5"), to_server.FileSearch(6, "song 6"))
    assert await ann.told() == []
    ann.send(to_server.FileSearch(7, "song 7"))
    (last,) = notices(await ann.end())
    assert last.startswith("You are banned: You may search 3 times per minute. Come back in 30 minutes.")
    assert decisions(town) == ["notice", "delay", "delay", "ban"]
    again = await town.connect("ann")
    again.send(login("ann"))
    assert await again.end() == []
    town.clock.forward(minutes=31)
    await town.enter("ann")


@in_town(abuse__searches_per_minute=3, abuse__delay_seconds=60)
async def test_who_is_delayed_is_not_read_and_others_are(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    for ticket in range(5):
        ann.send(to_server.FileSearch(ticket, f"song {ticket}"))
    ann.send(to_server.CheckPrivileges())
    assert (await ann.next(to_client.PrivateChatMessage)).username == "server"
    bob.send(to_server.CheckPrivileges())
    assert kinds(await bob.told()) == ["CheckPrivileges"]
    assert "delay" in decisions(town)
    (connection,) = [c for c in town.server.connections if c.user and c.user.name == b"\3\0\0\0ann"]
    assert connection.busy


@in_town(abuse__searches_per_minute=3)
async def test_anybody_may_ask_what_is_allowed(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(to_server.PrivateChatMessage("server", "limits"))
    lines: list[str] = []
    while len(lines) < 8:
        lines += notices(await ann.told())
    assert lines[0] == "You may search 3 times per minute."
    assert (
        lines[7] == "All accounts at one address together may do 20 times what one account may, per minute."
    )


@in_town(abuse__same_search_per_hour=2)
async def test_the_same_search_again_and_again(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(*[to_server.FileSearch(ticket, "song") for ticket in range(2)])
    ann.send(*[to_server.UserSearch("ann", ticket, "other") for ticket in range(2)])
    told = await ann.told()
    assert notices(told) == []
    ann.send(to_server.FileSearch(9, "song"))
    assert notices(await ann.told())[0].startswith("You may send the same search 2 times per hour.")


@in_town(abuse__messages_to_one_per_minute=2)
async def test_flooding_of_one_user(town: Town) -> None:
    ann, _ = await town.enter("ann"), await town.enter("bob")
    ann.send(*[to_server.PrivateChatMessage("bob", "x")] * 2, to_server.PrivateChatMessage("eve", "x"))
    assert notices(await ann.told()) == []
    ann.send(to_server.PrivateChatMessage("bob", "x"))
    assert notices(await ann.told())[0].startswith("You may write 2 messages to one user per minute.")


@in_town(abuse__searches_per_minute=2, abuse__address_factor=2, abuse__delay_seconds=0.01, abuse__ban_after=1)
async def test_all_accounts_at_one_address_together(town: Town) -> None:
    ann, bob, eve = [await town.enter(name) for name in ("ann", "bob", "eve")]
    for number, user in enumerate((ann, ann, bob, bob)):
        user.send(to_server.FileSearch(number, f"song {number}"))
        assert await user.told() == []
    # None of them alone is over its limit, and only who goes on is told.
    eve.send(to_server.FileSearch(5, "song 5"))
    (notice,) = notices(await eve.told())
    assert notice.startswith("All accounts at your address together may search 4 times per minute. Slow down")
    assert decisions(town) == ["notice"]
    assert await ann.told() == []
    # What is none of it is not counted.
    eve.send(to_server.JoinRoom("room"))
    assert notices(await eve.told()) == []
    eve.send(to_server.FileSearch(6, "song 6"))
    await eve.told()
    assert decisions(town) == ["notice", "delay"]


@in_town(abuse__searches_per_minute=3, abuse__address_factor=1, abuse__delay_seconds=0.01, abuse__ban_after=2)
async def test_an_address_that_goes_on_is_banned_with_all_its_accounts(town: Town) -> None:
    ann, bob, eve, dan = [await town.enter(name) for name in ("ann", "bob", "eve", "dan")]
    for user in (ann, bob, eve):
        user.send(to_server.FileSearch(1, "song"))
    for user in (ann, bob, eve):
        await user.told()
    for user in (ann, bob):
        user.send(to_server.FileSearch(2, "other"), to_server.FileSearch(3, "more"))
        assert len(notices(await user.told())) == 1
    eve.send(to_server.FileSearch(2, "other"), to_server.FileSearch(3, "more"))
    (_, last) = notices(await eve.end())
    sentence = "All accounts at your address together may search 3 times per minute."
    assert last == f"You are banned: {sentence} Come back in 30 minutes."
    assert notices(await dan.end()) == [last]
    assert decisions(town) == ["notice", "delay", "notice", "delay", "notice", "ban"]
    assert await (await town.connect()).end() == []
    town.clock.forward(minutes=31)
    await town.enter("ann")


@in_town(abuse__searches_per_minute=2, abuse__address_factor=1.5)
async def test_the_sum_of_an_address_begins_anew_each_minute(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    ann.send(to_server.FileSearch(1, "song"), to_server.FileSearch(2, "other"))
    bob.send(to_server.FileSearch(3, "song"))
    assert await town.all_told(ann, bob) == [[], []]
    abuse = town.server.parts.abuse
    assert abuse is not None
    for address in abuse._addresses.values():
        address.since -= 61
    bob.send(to_server.FileSearch(4, "other"))
    assert await bob.told() == []
    assert decisions(town) == []


@in_town(abuse__joins_per_minute=1, abuse__dry_run=True, abuse__ban_after=1)
async def test_a_dry_run_writes_down_and_does_nothing(town: Town) -> None:
    ann = await town.enter("ann")
    for room in ("one", "two", "three", "four", "five"):
        ann.send(to_server.JoinRoom(room))
    told = await ann.told()
    assert kinds(told).count("JoinRoom") == 5
    assert notices(told) == []
    assert set(decisions(town)) == {"would be: notice", "would be: delay", "would be: ban"}


@in_town(abuse__connections_per_address=2)
async def test_too_many_connections_from_one_address(town: Town) -> None:
    await town.enter("ann")
    bob = await town.enter("bob")
    assert await (await town.connect()).end() == []
    await bob.leave()
    for _ in range(50):
        await asyncio.sleep(0)
    await town.users[0].told()
    await town.enter("eve")
    assert decisions(town) == ["refusal"]


@in_town(abuse__failed_logins_per_minute=2)
async def test_guessing_passwords_ends_in_a_ban_of_the_address(town: Town) -> None:
    ann = await town.enter("ann")
    for _ in range(3):
        guess = await town.connect()
        guess.send(login("ann", "wrong"))
        await guess.end()
    assert decisions(town) == ["ban"]
    # Who is in, perhaps behind the same address by chance, stays.
    assert await ann.told() == []
    assert await (await town.connect()).end() == []


@in_town(abuse__logins_per_minute=2)
async def test_logins_per_address_are_limited(town: Town) -> None:
    await town.enter("ann")
    await town.enter("bob")
    third = await town.connect("eve")
    third.send(login("eve"))
    assert await third.end() == []


@in_town(
    abuse__enabled=False,
    abuse__searches_per_minute=1,
    abuse__connections_per_address=1,
    abuse__messages_per_minute=1,
    abuse__failed_logins_per_minute=1,
)
async def test_switched_off_there_is_no_limit_of_rate_or_count(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    ann.send(*[to_server.FileSearch(ticket, "song") for ticket in range(50)])
    ann.send(*[to_server.PrivateChatMessage("bob", "x")] * 50)
    assert await ann.told() == []
    assert len(await bob.told()) == 50
    assert decisions(town) == []
