"""Numbers of private messages: used up after years, begun anew, and never those of messages that wait."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from soulmesh.server.chat_ids import FIRST, LAST, after, age, free_run, go_on
from soulmesh.server.store.memory import MemoryStore
from soulmesh.wire import to_client, to_server
from tests.server.support import User, login, town
from tests.support.loops import real

numbers = st.integers(FIRST, LAST) | st.integers(FIRST, FIRST + 9) | st.integers(LAST - 9, LAST)


def test_after_the_last_number_comes_the_first() -> None:
    assert (after(7, 3), after(LAST, 1), after(LAST - 1, 3)) == (10, FIRST, FIRST + 1)
    assert LAST < 1 << 32


@settings(deadline=None)
@given(numbers, st.sets(numbers, max_size=20))
def test_a_run_of_free_numbers_holds_none_that_waits(number: int, waiting: set[int]) -> None:
    first, end = free_run(number, sorted(waiting))
    assert FIRST <= first < end <= LAST + 1
    assert not waiting & {first, end - 1}
    assert not any(first <= one < end for one in waiting)


@settings(deadline=None)
@given(numbers, st.integers(1, 1000), st.integers(1, 1000))
def test_what_was_given_out_earlier_is_older_also_beyond_the_last_number(
    start: int, few: int, more: int
) -> None:
    earlier, later = after(start, few), after(start, few + more)
    assert age(earlier, after(later, 1)) < age(later, after(later, 1))


def test_a_start_goes_on_behind_what_waits_unless_that_is_of_the_turn_before() -> None:
    assert go_on(1, []) == 1
    assert go_on(10_001, [3, 4]) == 10_001
    assert go_on(1, [3, 40_000]) == 40_001, "it came by import"
    assert go_on(5_001, [LAST - 3, 4_000]) == 5_001, "the numbers have begun anew"


async def said(user: User) -> list[to_client.PrivateChatMessage]:
    return [m for m in await user.told() if isinstance(m, to_client.PrivateChatMessage)]


@real
async def test_numbers_that_begin_anew_pass_over_messages_that_wait_and_keep_their_order() -> None:
    store = MemoryStore()
    async with town(store=store) as place:
        ann, bob = await place.enter("ann"), await place.enter("bob")
        # The first two numbers are old messages that bob never acknowledged.
        ann.send(*[to_server.PrivateChatMessage("bob", text) for text in ("one", "two")])
        await ann.told()
        assert [m.chat_id for m in await said(bob)] == [1, 2]
        place.clock.forward(hours=24 * 365 * 5)
        realm = place.server.realm
        realm.next_chat_id = realm.chat_ids_low = LAST - 1
        texts = ["before the last", "the last", "the first", "the next"]
        ann.send(*[to_server.PrivateChatMessage("bob", text) for text in texts])
        await ann.told()
        new = await said(bob)
        assert [m.chat_id for m in new] == [LAST - 1, LAST, 3, 4]
        assert [m.message for m in new] == texts
        # Each is acknowledged by its own number, and no other goes with it.
        bob.send(to_server.PrivateChatMessageAck(3))
        await bob.told()
    # After a restart the number goes on where it was, and what waits comes as it was said.
    async with town(store=store) as place:
        ann = await place.enter("ann")
        bob = await place.connect("bob")
        bob.send(login("bob"))
        waiting = await said(bob)
        assert [m.message for m in waiting] == ["one", "two", "before the last", "the last", "the next"]
        assert [m.chat_id for m in waiting] == [1, 2, LAST - 1, LAST, 4]
        ann.send(to_server.PrivateChatMessage("bob", "after the restart"))
        await ann.told()
        (newest,) = await said(bob)
        assert 4 < newest.chat_id < 1_000_000
