"""Flows, "Distributed Network": roots, possible parents, branches that hang in the air."""

from __future__ import annotations

from soulmesh.wire import to_client, to_server
from tests.server.support import Town, User, in_town

FAST = 2_000_000


async def root(town: Town, name: str, *, accept: bool = True) -> User:
    user = await town.enter(name)
    user.send(to_server.BranchLevel(0), to_server.BranchRoot(name), to_server.AcceptChildren(accept))
    await user.told()
    return user


async def parents(user: User) -> list[str]:
    user.send(to_server.ToggleParentSearch(True))
    return [entry.username for entry in (await user.next(to_client.PotentialParents)).entries]


@in_town(accounts__initial_upload_speed=FAST)
async def test_possible_parents_come_at_once_with_address_and_clear_port(town: Town) -> None:
    await root(town, "ann")
    bob = await town.enter("bob")
    bob.send(to_server.ToggleParentSearch(True))
    (entry,) = (await bob.next(to_client.PotentialParents)).entries
    assert (entry.username, entry.ip, entry.port) == ("ann", "127.0.0.1", 2234)


@in_town(accounts__initial_upload_speed=FAST, distributed__potential_parents_interval=0.1)
async def test_they_come_again_until_the_search_ends(town: Town) -> None:
    await root(town, "ann")
    bob = await town.enter("bob")
    assert await parents(bob) == ["ann"]
    await bob.next(to_client.PotentialParents)
    await bob.next(to_client.PotentialParents)
    bob.send(to_server.ToggleParentSearch(False))
    await bob.told()
    ann = town.users[0]
    ann.send(to_server.ToggleParentSearch(True))
    await ann.next(to_client.PotentialParents)
    await ann.next(to_client.PotentialParents)
    assert await bob.told() == []


@in_town(accounts__initial_upload_speed=FAST)
async def test_nobody_is_offered_when_nobody_is_there(town: Town) -> None:
    ann = await town.enter("ann")
    ann.send(to_server.AcceptChildren(True))
    assert await parents(ann) == []


@in_town(accounts__initial_upload_speed=FAST)
async def test_who_takes_no_children_is_not_offered(town: Town) -> None:
    await root(town, "ann", accept=False)
    assert await parents(await town.enter("bob")) == []


@in_town()
async def test_children_are_allowed_by_upload_speed(town: Town) -> None:
    tree = town.server.parts.tree
    user = town.server.parts.presence.create(b"\3\0\0\0ann", "")
    for speed, children in ((0, 0), (1023, 0), (20480, 4), (5119, 0), (5120, 1)):
        user.speed = speed
        assert tree.capacity(user) == children, speed


@in_town(distributed__parent_speed_ratio=30)
async def test_the_ratio_decides_how_many(town: Town) -> None:
    user = town.server.parts.presence.create(b"\3\0\0\0ann", "")
    user.speed = 20480
    assert town.server.parts.tree.capacity(user) == 6


@in_town()
async def test_who_is_too_slow_or_has_its_children_is_not_offered(town: Town) -> None:
    ann = await root(town, "ann")
    ann.send(to_server.SendUploadSpeed(5120))
    await ann.told()
    bob, eve = await town.enter("bob"), await town.enter("eve")
    assert await parents(bob) == ["ann"]
    bob.send(to_server.ToggleParentSearch(False), to_server.BranchLevel(1), to_server.BranchRoot("ann"))
    await bob.told()
    assert await parents(eve) == []


@in_town(accounts__initial_upload_speed=FAST)
async def test_nobody_is_offered_to_one_above_it(town: Town) -> None:
    ann, bob = await root(town, "ann"), await town.enter("bob")
    bob.send(to_server.BranchLevel(1), to_server.BranchRoot("ann"), to_server.AcceptChildren(True))
    await bob.told()
    assert await parents(ann) == []
    eve = await town.enter("eve")
    assert await parents(eve) == ["ann", "bob"]


@in_town(accounts__initial_upload_speed=15_360)
async def test_a_search_reaches_everybody_in_the_tree_once(town: Town) -> None:
    """Forty users, three children each at most: a tree of some levels grows from the offers alone."""
    level: dict[str, int] = {}
    roots: dict[str, str] = {}
    children: dict[str, list[str]] = {}
    searcher = await town.enter("searcher")
    for number in range(40):
        name = f"user{number:02}"
        user = await town.enter(name)
        user.send(to_server.AcceptChildren(True))
        offers = await parents(user)
        parent = next((offer for offer in offers if len(children[offer]) < 3), None)
        assert parent is not None or number == 0, (name, offers)
        children[name] = []
        level[name] = level[parent] + 1 if parent else 0
        roots[name] = roots[parent] if parent else name
        if parent:
            children[parent].append(name)
            user.send(to_server.ToggleParentSearch(False))
        user.send(to_server.BranchLevel(level[name]), to_server.BranchRoot(roots[name]))
        await user.told()
    assert max(level.values()) <= 5
    searcher.send(to_server.FileSearch(1, "song"))
    await searcher.told()
    reached: list[str] = []
    for user in town.users[1:]:
        if any(isinstance(message, to_client.ServerSearchRequest) for message in await user.told()):
            waiting = [user.name]
            while waiting:
                one = waiting.pop()
                reached.append(one)
                waiting += children[one]
    assert sorted(reached) == sorted(children)


@in_town(accounts__initial_upload_speed=FAST)
async def test_of_two_that_both_look_only_the_one_here_longer_is_offered(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    for user in (ann, bob):
        user.send(to_server.AcceptChildren(True), to_server.ToggleParentSearch(True))
        await user.told()
    assert await parents(ann) == []
    assert await parents(bob) == ["ann"]


@in_town(accounts__initial_upload_speed=FAST)
async def test_at_most_ten_are_offered(town: Town) -> None:
    for number in range(12):
        await root(town, f"root{number}")
    assert len(await parents(await town.enter("bob"))) == 10


@in_town()
async def test_a_root_that_is_not_there_resets_the_branch(town: Town) -> None:
    ann, bob = await town.enter("ann"), await town.enter("bob")
    await bob.leave()
    ann.send(to_server.BranchRoot("nobody"))
    assert await ann.told() == [to_client.ResetDistributed()]


@in_town(distributed__potential_parents_interval=0.05)
async def test_a_branch_whose_root_is_gone_is_reset(town: Town) -> None:
    ann, bob = await root(town, "ann"), await town.enter("bob")
    bob.send(to_server.BranchLevel(1), to_server.BranchRoot("ann"))
    await bob.told()
    await ann.leave()
    assert await bob.next(to_client.ResetDistributed)


@in_town()
async def test_a_negative_level_is_not_taken(town: Town) -> None:
    ann = await root(town, "ann")
    ann.send(to_server.BranchLevel(0xFFFFFFFF))
    await ann.told()
    ann.send(to_server.FileSearch(1, "song"))
    assert [type(m).__name__ for m in await ann.told()] == ["ServerSearchRequest"]


@in_town(distributed__potential_parents_interval=0.05)
async def test_a_client_that_is_pushed_out_is_offered_nothing_and_forgotten(town: Town) -> None:
    ann = await town.enter("ann")
    await parents(ann)
    again = await town.enter("ann")
    await ann.end()
    assert await parents(again) == []
    await again.next(to_client.PotentialParents)
    await again.next(to_client.PotentialParents)
    assert len(town.server.parts.tree._turns) == 1
