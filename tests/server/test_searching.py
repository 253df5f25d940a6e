"""Flows, "Searching": whom a search reaches."""

from __future__ import annotations

from soulmesh.wire import to_client, to_server
from tests.server.support import Town, in_town


@in_town()
async def test_a_global_search_goes_to_branch_roots_alone_and_once(town: Town) -> None:
    ann, bob, eve, dan = [await town.enter(name) for name in ("ann", "bob", "eve", "dan")]
    bob.send(to_server.BranchLevel(0), to_server.BranchRoot("bob"))
    eve.send(to_server.BranchRoot("eve"))
    await town.all_told(bob, eve)
    dan.send(to_server.BranchLevel(1), to_server.BranchRoot("bob"))
    await dan.told()
    ann.send(to_server.FileSearch(9, "some song"))
    request = to_client.ServerSearchRequest(3, 49, "ann", 9, "some song")
    assert await town.all_told(ann, bob, eve, dan) == [[], [request], [request], []]


@in_town()
async def test_who_never_told_its_place_gets_no_search(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    bob.send(to_server.ToggleParentSearch(True))
    await bob.told()
    ann.send(to_server.FileSearch(9, "song"))
    await ann.told()
    assert await bob.told() == []


@in_town()
async def test_the_searcher_is_asked_too_if_it_is_a_root(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(to_server.BranchLevel(0))
    await ann.told()
    ann.send(to_server.FileSearch(9, "song"), to_server.GetUserStatus("nobody"))
    told = await ann.told()
    assert told == [
        to_client.ServerSearchRequest(3, 49, "ann", 9, "song"),
        to_client.GetUserStatus("nobody", 0, False),
    ]


@in_town()
async def test_who_finds_a_parent_is_a_root_no_more(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    bob.send(to_server.BranchLevel(0))
    await bob.told()
    bob.send(to_server.BranchLevel(1))
    await bob.told()
    ann.send(to_server.FileSearch(9, "song"))
    await ann.told()
    assert await bob.told() == []


@in_town()
async def test_a_wish_goes_where_a_search_goes(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    bob.send(to_server.BranchLevel(0))
    await bob.told()
    ann.send(to_server.WishlistSearch(9, "rare song"))
    await ann.told()
    assert await bob.told() == [to_client.ServerSearchRequest(3, 49, "ann", 9, "rare song")]


@in_town()
async def test_a_user_search_reaches_that_user(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    ann.send(to_server.UserSearch("bob", 5, "song"), to_server.UserSearch("nobody", 6, "song"))
    assert await ann.told() == []
    assert await bob.told() == [to_client.FileSearch("ann", 5, "song")]


@in_town()
async def test_a_room_search_reaches_all_in_the_room_if_the_searcher_is_in_it(town: Town) -> None:
    ann, bob, eve = [await town.enter(name) for name in ("ann", "bob", "eve")]
    for user in (ann, bob):
        user.send(to_server.JoinRoom("lobby"))
        await user.told()
    await ann.told()
    eve.send(to_server.RoomSearch("lobby", 4, "song"))
    ann.send(to_server.RoomSearch("lobby", 5, "song"), to_server.RoomSearch("nowhere", 6, "song"))
    found = to_client.FileSearch("ann", 5, "song")
    assert await town.all_told(ann, bob, eve) == [[found], [found], []]


@in_town()
async def test_a_query_that_is_too_long_is_not_passed_on(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    ann.send(to_server.UserSearch("bob", 5, "x" * 257), to_server.UserSearch("bob", 6, "ø" * 256))
    await ann.told()
    assert await bob.told() == [to_client.FileSearch("ann", 6, "ø" * 256)]


@in_town()
async def test_related_searches_are_none_as_long_as_nothing_is_known(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(to_server.GetRelatedSearches("song"))
    assert await ann.told() == [to_client.GetRelatedSearches("song", [])]


@in_town(search__wishlist_interval=700, search__wishlist_interval_privileged=100)
async def test_privileged_users_may_search_for_wishes_more_often(town: Town) -> None:
    ann = await town.enter("ann")
    await ann.leave()
    user = town.server.realm.users[b"\3\0\0\0ann"]
    town.server.parts.privileges.set_days(user, 1)
    from tests.server.support import login

    again = await town.connect("ann")
    again.send(login("ann"))
    assert await again.next(to_client.WishlistInterval) == to_client.WishlistInterval(100)
    assert await again.next(to_client.PrivilegedUsers) == to_client.PrivilegedUsers(["ann"])
