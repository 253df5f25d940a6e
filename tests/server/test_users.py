"""Flows, "Users": watching, status, figures, privileges."""

from __future__ import annotations

from soulmesh.wire import to_client, to_server
from soulmesh.wire.structs import UserStats
from tests.server.support import Town, in_town

NOTHING = UserStats(0, 0, 0, 0)


@in_town()
async def test_watching_answers_with_figures_and_then_tells_of_changes(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    bob.send(to_server.SharedFoldersFiles(2, 30))
    await bob.told()
    ann.send(to_server.AddUser("bob"))
    assert await ann.told() == [to_client.AddUser("bob", True, 2, UserStats(0, 0, 30, 2), "")]
    bob.send(to_server.SetStatus(1), to_server.SharedFoldersFiles(3, 31))
    await bob.told()
    assert await ann.told() == [
        to_client.GetUserStatus("bob", 1, False),
        to_client.GetUserStats("bob", UserStats(0, 0, 31, 3)),
    ]
    ann.send(to_server.RemoveUser("bob"), to_server.RemoveUser("bob"), to_server.RemoveUser("nobody"))
    await ann.told()
    bob.send(to_server.SetStatus(2))
    await bob.told()
    assert await ann.told() == []


@in_town()
async def test_who_is_offline_has_figures_and_no_country(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    await bob.leave()
    ann.send(to_server.AddUser("bob"))
    reply = await ann.next(to_client.AddUser)
    if reply.status:  # the server may not have noticed yet
        ann.send(to_server.AddUser("bob"))
        reply = await ann.next(to_client.AddUser)
    assert reply == to_client.AddUser("bob", True, 0, NOTHING, None)
    await town.enter("bob")
    assert await ann.next(to_client.GetUserStatus)


@in_town()
async def test_unknown_users_do_not_exist_are_offline_and_have_done_nothing(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(to_server.AddUser("nobody"), to_server.GetUserStatus("nobody"), to_server.GetUserStats("nobody"))
    assert await ann.told() == [
        to_client.AddUser("nobody", False),
        to_client.GetUserStatus("nobody", 0, False),
        to_client.GetUserStats("nobody", NOTHING),
    ]


@in_town()
async def test_adding_oneself_answers_and_does_not_watch(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(to_server.AddUser("ann"), to_server.SharedFoldersFiles(1, 1))
    assert await ann.told() == [to_client.AddUser("ann", True, 2, NOTHING, "")]


@in_town()
async def test_a_status_that_does_not_exist_or_is_the_same_does_nothing(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    bob.send(to_server.AddUser("ann"))
    await bob.told()
    ann.send(
        to_server.SetStatus(2),
        to_server.SetStatus(0),
        to_server.SetStatus(3),
        to_server.SetStatus(0xFFFFFFFF),
    )
    assert await ann.told() == []
    assert await bob.told() == []


@in_town()
async def test_who_goes_away_is_told_itself(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(to_server.SetStatus(1))
    assert await ann.told() == [to_client.GetUserStatus("ann", 1, False)]
    ann.send(to_server.SetStatus(2))
    assert await ann.told() == []


@in_town()
async def test_room_mates_hear_of_status_and_figures_once_each(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    for room in ("one", "two"):
        for user in (ann, bob):
            user.send(to_server.JoinRoom(room))
            await user.told()
    bob.send(to_server.AddUser("ann"))
    await town.all_told(ann, bob)
    ann.send(to_server.SetStatus(1), to_server.SharedFoldersFiles(1, 2))
    expected = [
        to_client.GetUserStatus("ann", 1, False),
        to_client.GetUserStats("ann", UserStats(0, 0, 2, 1)),
    ]
    assert await town.all_told(ann, bob) == [expected, expected]


@in_town()
async def test_the_average_upload_speed_is_cut_and_told_to_nobody(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    bob.send(to_server.AddUser("ann"))
    await bob.told()
    ann.send(to_server.SendUploadSpeed(100), to_server.SendUploadSpeed(101))
    assert await ann.told() == []
    assert await bob.told() == []
    bob.send(to_server.GetUserStats("ann"))
    assert await bob.told() == [to_client.GetUserStats("ann", UserStats(100, 2, 0, 0))]


@in_town(accounts__initial_upload_speed=2_000_000)
async def test_an_account_without_uploads_counts_as_fast_if_the_operator_says_so(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(to_server.GetUserStats("ann"), to_server.SendUploadSpeed(10), to_server.GetUserStats("ann"))
    assert await ann.told() == [
        to_client.GetUserStats("ann", UserStats(2_000_000, 0, 0, 0)),
        to_client.GetUserStats("ann", UserStats(10, 1, 0, 0)),
    ]


# ---- privileges


@in_town()
async def test_privileges_are_checked_in_seconds(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(to_server.CheckPrivileges())
    assert await ann.told() == [to_client.CheckPrivileges(0)]
    town.server.parts.privileges.set_days(town.server.realm.users[b"\3\0\0\0ann"], 2)
    town.clock.forward(hours=1)
    ann.send(to_server.CheckPrivileges())
    assert await ann.told() == [to_client.CheckPrivileges(2 * 86400 - 3600)]


@in_town()
async def test_days_move_from_giver_to_receiver_and_watchers_are_told(town: Town) -> None:
    ann, bob, eve = [await town.enter(name) for name in ("ann", "bob", "eve")]
    town.server.parts.privileges.set_days(town.server.realm.users[b"\3\0\0\0ann"], 5)
    eve.send(to_server.AddUser("bob"))
    await eve.told()
    ann.send(to_server.GiveUserPrivileges("bob", 2), to_server.CheckPrivileges())
    assert await ann.told() == [to_client.CheckPrivileges(3 * 86400)]
    assert await eve.told() == [to_client.GetUserStatus("bob", 2, True)]
    bob.send(to_server.CheckPrivileges(), to_server.GetUserPrivileges("bob"))
    told = await bob.told()
    assert told[-2:] == [to_client.CheckPrivileges(2 * 86400), to_client.GetUserPrivileges("bob", True)]


@in_town()
async def test_nobody_gives_more_than_it_has(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    town.server.parts.privileges.set_days(town.server.realm.users[b"\3\0\0\0ann"], 1)
    ann.send(
        to_server.GiveUserPrivileges("bob", 2),
        to_server.GiveUserPrivileges("bob", 0xFFFFFFFF),
        to_server.GiveUserPrivileges("ann", 1),
        to_server.GiveUserPrivileges("nobody", 1),
        to_server.CheckPrivileges(),
    )
    assert await ann.told() == [to_client.CheckPrivileges(86400)]
    assert await bob.told() == []


@in_town()
async def test_days_can_be_given_to_someone_offline(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    await bob.leave()
    town.server.parts.privileges.set_days(town.server.realm.users[b"\3\0\0\0ann"], 5)
    ann.send(to_server.GiveUserPrivileges("bob", 1))
    await ann.told()
    assert town.server.parts.privileges.left(town.server.realm.users[b"\3\0\0\0bob"]) == 86400


@in_town()
async def test_privileges_end_and_watchers_are_told(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    town.server.parts.privileges.set_days(town.server.realm.users[b"\3\0\0\0ann"], 1)
    bob.send(to_server.AddUser("ann"), to_server.GetUserStatus("ann"))
    assert (await bob.told())[-1] == to_client.GetUserStatus("ann", 2, True)
    town.clock.forward(days=1, seconds=1)
    town.server.parts.privileges.tick()
    assert await bob.told() == [to_client.GetUserStatus("ann", 2, False)]
    assert (await ann.told()) == []
