"""flows.rst, "Searching": global, room, user and wish searches, the governor, and the accounts kept."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter

import pytest

from soulmesh import wire
from soulmesh.client.errors import (
    RoomRefused,
    RoomUnknown,
    SearchRefused,
    TooManyRequests,
    UserOffline,
    UserUnknown,
)
from soulmesh.client.results import Hit
from soulmesh.client.searches import SearchFinished, SearchWarning
from soulmesh.client.wishes import WishFound
from soulmesh.core.pacing import Rate
from soulmesh.wire import distributed, to_client, to_server
from tests.client.stage import Stage, play, shares


def test_a_user_search_asks_one_user_and_a_room_search_those_in_the_room() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        for name in ("bob", "carol", "dave"):
            client = await stage.enter(name, shares=shares(blue=1))
            if name != "dave":
                await client.rooms.join("jazz")
        await asyncio.sleep(1)
        assert {h.username async for h in alice.search("blue", timeout=5, username="bob")} == {"bob"}
        await alice.rooms.join("jazz")
        assert {h.username async for h in alice.search("blue", timeout=5, room="jazz")} == {"bob", "carol"}

    play(scene, real=True)


def test_banned_users_are_left_out_and_the_search_says_so() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        for name in ("bob", "carol"):
            await stage.enter(name, shares=shares(blue=1))
        await asyncio.sleep(120)
        alice.users.ban("bob")
        search = alice.search("blue", timeout=10)
        assert [hit.username async for hit in search] == ["carol"]
        # It was not let in, so nobody knows how much it has found.
        assert (search.figures.turned_away, search.figures.blocked) == (1, 0)

    play(scene, real=True)


def test_asking_one_user_or_one_room_fails_where_nobody_would_answer() -> None:
    async def scene(stage: Stage) -> None:
        alice, bob = await stage.enter("alice"), await stage.enter("bob")
        async with stage.client("carol"):
            pass

        async def search(**whom: str) -> None:
            async for _ in alice.search("blue", timeout=5, **whom):  # type: ignore[arg-type]
                pass

        with pytest.raises(UserUnknown, match="there is no user named ghost"):
            await search(username="ghost")
        with pytest.raises(UserOffline, match="carol is offline"):
            await search(username="carol")
        with pytest.raises(RoomUnknown, match="there is no room named nowhere"):
            await search(room="nowhere")
        # Only those who are in a room can search it.
        await bob.rooms.join("jazz")
        with pytest.raises(RoomRefused, match="we are not in it"):
            await search(room="jazz")
        assert alice.rooms.joined == []
        assert alice.searches.active == []

    play(scene, real=True)


def test_a_search_reaches_a_whole_tree_exactly_once_and_never_ourselves() -> None:
    async def scene(stage: Stage) -> None:
        names = [f"user{n}" for n in range(12)]
        clients = [await stage.enter(name, shares=shares(blue=1)) for name in names]
        await asyncio.sleep(120)
        assert sum(client.tree.figures.parent is None for client in clients) == 1
        hits = [hit.username async for hit in clients[5].search("blue", timeout=10)]
        assert sorted(hits) == sorted(set(names) - {"user5"})
        for client in clients:
            assert client.tree.figures.seen == 1
            assert client.answers.figures.dropped == 0

    play(scene, real=True)


def test_when_the_parent_goes_the_branch_finds_another_way() -> None:
    async def scene(stage: Stage) -> None:
        root = stage.client("root", shares=shares(blue=1))
        await root.start()
        middle = await stage.enter("middle", shares=shares(blue=1))
        leaf = await stage.enter("leaf", shares=shares(blue=1))
        await asyncio.sleep(120)
        await root.close()
        await asyncio.sleep(180)
        assert {middle.tree.figures.level, leaf.tree.figures.level} == {0, 1}
        assert [h.username async for h in leaf.search("blue", timeout=5)] == ["middle"]

    play(scene, real=True)


def test_queries_that_nobody_would_answer_are_not_sent() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice")
        with pytest.raises(SearchRefused, match="at least 3 characters"):
            alice.search("ab")
        with pytest.raises(SearchRefused, match="only says what to leave out"):
            alice.search("-mp3 -ogg")
        stage.server.sessions["alice"].send(to_client.ExcludedSearchPhrases(["secret sauce"]))
        await asyncio.sleep(1)
        alice.search("the Secret Sauce live")
        assert "'secret sauce'" in stage.events("alice", SearchWarning)[0].problem

    play(scene)


def test_excluded_phrases_are_honoured_when_answering() -> None:
    async def scene(stage: Stage) -> None:
        bob = await stage.enter("bob", shares=shares(blue_train=1, blue_moon=2))
        stage.server.sessions["bob"].send(to_client.ExcludedSearchPhrases(["BLUE train"]))
        alice = await stage.enter("alice")
        await asyncio.sleep(1)
        hits = [h.file.name async for h in alice.search("blue", timeout=5)]
        assert hits == ["blue moon.flac"]
        assert bob.answers.excluded == ["BLUE train"]

    play(scene)


def test_nobody_who_is_banned_gets_an_answer_and_short_queries_get_none() -> None:
    async def scene(stage: Stage) -> None:
        bob = await stage.enter("bob", shares=shares(blue=1))
        alice = await stage.enter("alice")
        bob.users.ban("alice")
        assert [h async for h in alice.search("blue", timeout=5)] == []
        stage.server.sessions["bob"].send(to_client.FileSearch("carol", 1, "bl"))
        await asyncio.sleep(1)
        assert bob.answers.figures.too_short == 1

    play(scene)


def test_two_characters_of_a_script_without_case_are_searched_for_and_answered() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("bob", shares=shares(**{"東京 moon": 1, "to moon": 1}))
        alice = await stage.enter("alice")
        assert [h.file.name async for h in alice.search("東京", timeout=5)] == ["東京 moon.flac"]
        with pytest.raises(SearchRefused):
            alice.search("to", timeout=5)

    play(scene)


def test_an_answer_holds_at_most_so_many_files() -> None:
    async def scene(stage: Stage) -> None:
        many = {f"blue_{n}": n + 1 for n in range(50)}
        await stage.enter("bob", shares=shares(**many), changes={"results_per_answer": 20})
        alice = await stage.enter("alice")
        assert len([h async for h in alice.search("blue", timeout=5)]) == 20
        assert len([h async for h in alice.search("blue", timeout=5, limit=7)]) == 7

    play(scene)


def test_filters_count_what_they_hold_back() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("bob", shares=shares(blue_one=10, blue_two=5000))
        alice = await stage.enter("alice")
        search = alice.search("blue", timeout=5, keep="size>1k")
        assert [h.file.size async for h in search] == [5000]
        assert (search.figures.hits, search.figures.filtered, search.figures.users) == (1, 1, 1)
        assert stage.events("alice", SearchFinished)[-1].figures is search.figures

    play(scene)


@pytest.mark.in_memory
def test_reading_a_large_answer_lets_the_loop_turn_whether_a_filter_keeps_its_files_or_not() -> None:
    async def scene(stage: Stage) -> None:
        many = {f"blue_{n}": n + 1 for n in range(400)}
        await stage.enter("bob", shares=shares(**many), changes={"results_per_answer": 400})
        alice = await stage.enter("alice")
        looked: Counter[int] = Counter()
        turns = itertools.count()
        turn = next(turns)

        async def count() -> None:
            nonlocal turn
            while True:
                turn = next(turns)
                await asyncio.sleep(0)

        def keep(hit: Hit) -> bool:
            looked[turn] += 1
            return hit.file.size > 200

        search = alice.search("blue", timeout=5, keep=keep)
        await search.start()
        await asyncio.sleep(2)
        counting = asyncio.create_task(count())
        found = [await search.next() for _ in range(200)]
        counting.cancel()
        search.stop()
        assert {hit.file.size for hit in found if hit} == set(range(201, 401))
        assert sum(looked.values()) == 400
        assert max(looked.values()) <= 50
        assert (search.figures.hits, search.figures.filtered, search.figures.users) == (200, 200, 1)
        assert await search.next() is None

    play(scene)


@pytest.mark.in_memory
def test_an_answer_that_is_half_read_is_not_lost_to_whoever_gives_up_waiting() -> None:
    async def scene(stage: Stage) -> None:
        many = {f"blue_{n}": n + 1 for n in range(120)}
        await stage.enter("bob", shares=shares(**many))
        alice = await stage.enter("alice")
        search = alice.search("blue", timeout=5)
        await search.start()
        await asyncio.sleep(2)
        found = []
        while len(found) < 120:
            # Every attempt is cancelled in its first pause.
            reading = asyncio.ensure_future(search.next())
            await asyncio.sleep(0)
            if not reading.done():
                reading.cancel()
                await asyncio.wait([reading])
            elif (hit := reading.result()) is not None:
                found.append(hit.file.name)
        assert len(set(found)) == 120

    play(scene)


def test_searches_go_out_at_the_pace_that_the_server_bears() -> None:
    async def scene(stage: Stage) -> None:
        alice = await stage.enter("alice", changes={"rates": {"search": Rate(2, 100.0)}})
        loop = asyncio.get_running_loop()
        begun = loop.time()
        sent: list[float] = []
        for number in range(3):
            search = alice.search(f"query {number}", timeout=1)
            await search.start()
            sent.append(loop.time() - begun)
            search.stop()
        assert sent == pytest.approx([0, 0, 100], abs=0.1)
        await alice.search("query 4", timeout=1).start()
        assert alice.pace.delay("search") == pytest.approx(100, abs=1)
        with pytest.raises(TooManyRequests, match="try again in"):
            await alice.pace.turn("search", "x", patience=5.0)
        with pytest.raises(TooManyRequests) as caught:
            async for _ in alice.search("query 5", timeout=1, patience=5):
                pass
        assert caught.value.seconds == pytest.approx(100, abs=1)
        # It was not sent, and takes nobody's place.
        assert alice.pace.delay("search") == pytest.approx(100, abs=1)
        assert [search.query for search in alice.searches.active] == ["query 4"]

    play(scene)


def test_equal_searches_that_wait_are_sent_once_and_share_the_answers() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("bob", shares=shares(blue=1))
        alice = await stage.enter("alice", changes={"rates": {"search": Rate(1, 50.0)}})
        await alice.search("something else", timeout=1).start()

        async def ask() -> list[str]:
            return [h.username async for h in alice.search("blue", timeout=5)]

        assert await asyncio.gather(ask(), ask(), ask()) == [["bob"]] * 3
        said = stage.server.sessions["alice"].said(to_server.FileSearch)
        assert [message.query for message in said] == ["something else", "blue"]

    play(scene)


@pytest.mark.in_memory
def test_equal_searches_are_one_request_also_where_the_clock_goes_on_between_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("bob", shares=shares(blue=1))
        alice = await stage.enter("alice", changes={"rates": {"search": Rate(1, 50.0)}})
        await alice.search("something else", timeout=1).start()
        loop = asyncio.get_running_loop()
        clock, looks = loop.time, itertools.count()
        monkeypatch.setattr(loop, "time", lambda: clock() + next(looks) * 1e-6)
        gone, *rest = [alice.search("blue", timeout=5) for _ in range(5)]
        waiting = [asyncio.ensure_future(search.start()) for search in (gone, *rest)]
        await asyncio.sleep(1)
        gone.stop()  # whoever asked first may be gone when the turn comes
        await asyncio.gather(*waiting)
        rest[0].stop()
        assert [[h.username async for h in search] for search in rest[1:]] == [["bob"]] * 3
        said = stage.server.sessions["alice"].said(to_server.FileSearch)
        assert [message.query for message in said] == ["something else", "blue"]
        # What is wanted after the turn was used waits for the next one.
        assert alice.pace.delay("search") > 40
        await alice.search("blue", timeout=1).start()
        await asyncio.sleep(1)
        assert len(stage.server.sessions["alice"].said(to_server.FileSearch)) == 3

    play(scene)


def test_wishes_take_turns_at_the_servers_interval_and_tell_each_hit_once() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("bob", shares=shares(blue=10, red=20))
        data = stage.folder / "alice-data"
        async with stage.client("alice", data=data) as alice:
            await asyncio.sleep(5)
            await alice.wishes.add("blue")
            await alice.wishes.add("red", filter="size>1k")
            await asyncio.sleep(3600)
            said = stage.server.sessions["alice"].said(to_server.WishlistSearch)
            assert [m.query for m in said] == ["blue", "red", "blue", "red", "blue"] or len(said) in (5, 6)
            found = [(e.query, e.hit.file.size) for e in stage.events("alice", WishFound)]
            assert found == [("blue", 10)]
        async with stage.client("alice", data=data) as alice:
            assert {w.query: w.found for w in alice.wishes.all} == {"blue": 1, "red": 0}
            await asyncio.sleep(1000)
            assert len(stage.events("alice", WishFound)) == 1
            await alice.wishes.remove("blue")
            assert [w.query for w in alice.wishes.all] == ["red"]

    play(scene)


def test_a_search_of_an_old_client_wrapped_whole_is_unwrapped_and_passed_on() -> None:
    async def scene(stage: Stage) -> None:
        dad = await stage.enter("dad", shares=shares(x=1))
        kid = await stage.enter("kid", shares=shares(blue=1))
        await asyncio.sleep(5)
        assert kid.tree.figures.parent == "dad"
        # dad passes on what old clients passed on: the server's own frame.
        seeker = await stage.enter("seeker")
        async with seeker.search("unrelated words", timeout=30) as search:
            wrapped = distributed.DistributedServerSearchRequest(3, 49, "seeker", search.ticket, "blue")
            for link in dad.tree._machine.children:
                link.stream.write(wire.encode(wrapped))  # type: ignore[attr-defined]
            hits = [h.username async for h in search]
        assert hits == ["kid"]

    play(scene)


def test_users_who_found_something_and_cannot_reach_us_are_counted() -> None:
    async def scene(stage: Stage) -> None:
        await stage.enter("bob", shares=shares(blue=1))
        stage.wall("bob", "refuse")
        alice = await stage.enter("alice", firewalled=True)
        search = alice.search("blue", timeout=60, username="bob")
        assert [h async for h in search] == []
        assert search.figures.unreached == 1

    play(scene)
