"""Interests and every kind of recommendation."""

from __future__ import annotations

import pytest

from soulmesh.wire import to_client, to_server
from soulmesh.wire.structs import Recommendation, SimilarUser
from tests.server.support import Town, User, in_town


async def interested(place: Town, name: str, likes: str = "", hates: str = "") -> User:
    user = await place.enter(name)
    user.send(*(to_server.AddInterest(item) for item in likes.split()))
    user.send(*(to_server.AddHatedInterest(item) for item in hates.split()))
    await user.told()
    return user


def scores(*pairs: tuple[str, int]) -> list[Recommendation]:
    return [Recommendation(item, score) for item, score in pairs]


@pytest.mark.parametrize(
    ("mine", "theirs", "best", "worst"),
    [
        (("a", ""), ("a b", ""), [("b", 1)], []),
        (("", "a"), ("a b", "c"), [], [("b", -1)]),
        (("a", "a"), ("a b", "c"), [], [("c", -1)]),
        (("a b", ""), ("a b", "c d"), [], [("c", -2), ("d", -2)]),
        (("a b", ""), ("a b e", "c d"), [("e", 2)], [("c", -2), ("d", -2)]),
        (("a", ""), ("a b", "b"), [], []),
    ],
)
def test_recommendations_for_me(
    mine: tuple[str, str], theirs: tuple[str, str], best: list[tuple[str, int]], worst: list[tuple[str, int]]
) -> None:
    @in_town()
    async def check(place: Town) -> None:
        ann = await interested(place, "ann", *mine)
        await interested(place, "bob", *theirs)
        ann.send(to_server.GetRecommendations())
        (reply,) = await ann.told()
        assert isinstance(reply, to_client.GetRecommendations)
        assert reply.recommendations == scores(*best)
        assert sorted(reply.unrecommendations or (), key=lambda r: r.recommendation) == scores(*worst)

    check()


@in_town()
async def test_global_recommendations_include_the_asker_and_leave_zero_out(place: Town) -> None:
    ann = await interested(place, "ann", "jazz rock", "polka")
    await interested(place, "bob", "jazz", "rock")
    ann.send(to_server.GetGlobalRecommendations())
    assert await ann.told() == [
        to_client.GetGlobalRecommendations(scores(("jazz", 2)), scores(("polka", -1)))
    ]


@in_town()
async def test_recommendations_for_one_thing(place: Town) -> None:
    ann = await interested(place, "ann", "jazz")
    await interested(place, "bob", "jazz funk", "polka")
    await interested(place, "eve", "funk")
    ann.send(to_server.GetItemRecommendations("Jazz"))
    assert await ann.told() == [
        to_client.GetItemRecommendations("Jazz", scores(("funk", 1), ("jazz", 1), ("polka", -1)))
    ]


@in_town()
async def test_similar_users_and_users_of_one_thing(place: Town) -> None:
    ann = await interested(place, "ann", "jazz rock")
    await interested(place, "bob", "jazz rock")
    await interested(place, "eve", "rock")
    await interested(place, "dan", "polka")
    ann.send(to_server.GetSimilarUsers(), to_server.GetItemSimilarUsers("rock"))
    assert await ann.told() == [
        to_client.GetSimilarUsers([SimilarUser("bob", 2), SimilarUser("eve", 1)]),
        to_client.GetItemSimilarUsers("rock", ["ann", "bob", "eve"]),
    ]


@in_town()
async def test_only_users_who_are_online_count_and_interests_are_kept(place: Town) -> None:
    ann = await interested(place, "ann", "jazz")
    bob = await interested(place, "bob", "jazz funk", "polka")
    await bob.leave()
    ann.send(to_server.AddUser("bob"))
    await ann.next(to_client.AddUser)
    await ann.told()
    ann.send(to_server.GetRecommendations(), to_server.GetSimilarUsers(), to_server.GetUserInterests("bob"))
    assert await ann.told() == [
        to_client.GetRecommendations([], []),
        to_client.GetSimilarUsers([]),
        to_client.GetUserInterests("bob", ["funk", "jazz"], ["polka"]),
    ]
    await place.enter("bob")
    ann.send(to_server.GetRecommendations())
    (reply,) = [m for m in await ann.told() if isinstance(m, to_client.GetRecommendations)]
    assert reply.recommendations == scores(("funk", 1))


@in_town()
async def test_interests_are_lower_case_removed_and_may_be_empty(place: Town) -> None:
    ann = await place.enter("ann")
    ann.send(
        to_server.AddInterest("JAZZ"),
        to_server.AddInterest(""),
        to_server.AddHatedInterest("Polka"),
        to_server.AddInterest("x" * 65),
        to_server.GetUserInterests("ann"),
        to_server.RemoveInterest("Jazz"),
        to_server.RemoveHatedInterest("polka"),
        to_server.GetUserInterests("ann"),
        to_server.GetUserInterests("nobody"),
        to_server.GetInterests(),
        to_server.DeprecatedGetItemRecommendations("jazz"),
    )
    assert await ann.told() == [
        to_client.GetUserInterests("ann", ["", "jazz"], ["polka"]),
        to_client.GetUserInterests("ann", [""], []),
        to_client.GetUserInterests("nobody", [], []),
        to_client.GetInterests([""]),
        to_client.DeprecatedGetItemRecommendations("jazz", []),
    ]
