"""Answers and events cross on their way to the page: nothing is lost, shown twice or counted twice."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

from playwright.async_api import Page, Route, expect

from soulmesh.client.chat import RoomLineKept
from soulmesh.daemon.http.replies import instant
from tests.daemon.stagecraft import SHARER, until
from tests.page.conftest import Visit
from tests.page.test_talk import somebody

Perform = Callable[..., None]
ROOM = "quiet harbour"


class Held:
    """An answer of the daemon that is held back on its way to the page."""

    def __init__(self) -> None:
        self.here = asyncio.Event()
        """The daemon has answered."""
        self._let = asyncio.Event()

    async def route(self, route: Route) -> None:
        response = await route.fetch()
        self.here.set()
        await self._let.wait()
        await route.fulfill(response=response)

    def let(self) -> None:
        """Let it come."""
        self._let.set()


@contextlib.asynccontextmanager
async def held(page: Page, end: str, method: str = "GET") -> AsyncIterator[Held]:
    """Holds back the first answer from the path that ends like this."""
    found = Held()

    async def handle(route: Route) -> None:
        if found.here.is_set() or route.request.method != method:
            await route.continue_()
        else:
            await found.route(route)

    def wanted(url: str) -> bool:
        return url.split("?")[0].endswith(f"/api/v1/{end}")

    await page.route(wanted, handle)
    try:
        yield found
    finally:
        found.let()
        await page.unroute_all(behavior="wait")


def receive(visit: Visit, username: str, text: str) -> None:
    """A private message comes to the daemon: kept and told, as when a user writes."""
    service = visit.net.daemon.service
    service.conversations.received(username, text, at=service.now(), replayed=False)
    service.told_chat(username, text, service.conversations.last_number, ours=False, at=service.now())


MACHINE = """async () => {
  const { NOTHING, answered, heard, marked, unread } = await import(new URL("lib/unread.js",
    document.querySelector("script[type=module]").src));
  const steps = { a: (mark) => answered(mark, 2, 5), h4: (mark) => heard(mark, 4),
    h5: (mark) => heard(mark, 5), h6: (mark) => heard(mark, 6), r5: (mark) => marked(mark, 5),
    old: (mark) => answered(mark, 1, 4) };
  const play = (...names) => unread(names.reduce((mark, name) => steps[name](mark), NOTHING));
  return {
    events_after_the_answer: play("a", "h4", "h5", "h6"),
    events_before_the_answer: play("h4", "h5", "h6", "a"),
    told_twice: play("h4", "h4", "h5"),
    an_older_answer_comes_last: play("a", "old"),
    an_older_answer_comes_last_after_an_event: play("h4", "h5", "h6", "old"),
    read_and_then_an_answer_from_before: play("a", "r5", "a"),
    read_before_any_answer: play("r5", "a", "h6"),
    a_line_after_those_that_were_read: play("h4", "h5", "h6", "r5"),
    heard_late_what_was_read: play("r5", "h4", "h5"),
  };
}"""


def test_how_much_is_unread_is_the_same_in_every_order(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        assert await visit.page.evaluate(MACHINE) == {
            "events_after_the_answer": 3,
            "events_before_the_answer": 3,
            "told_twice": 2,
            "an_older_answer_comes_last": 2,
            "an_older_answer_comes_last_after_an_event": 3,
            "read_and_then_an_answer_from_before": 0,
            "read_before_any_answer": 1,
            "a_line_after_those_that_were_read": 1,
            "heard_late_what_was_read": 0,
        }

    perform(play)


def test_a_message_during_the_first_question_for_conversations_is_counted_once(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        badge = page.get_by_role("navigation", name="Main navigation").get_by_role("link", name="Chat")
        async with held(page, "conversations") as answer:
            await page.reload()
            await answer.here.wait()
            # The answer knows nothing of these two.
            receive(visit, SHARER, "one")
            receive(visit, SHARER, "two")
            await expect(badge.get_by_label("2 new")).to_be_visible()
            answer.let()
            await page.unroute_all(behavior="wait")
        await visit.go("chat")
        await expect(page.get_by_role("navigation", name="Conversations")).to_contain_text("two")
        await expect(badge.get_by_label("2 new")).to_be_visible()

    perform(play)


def test_a_message_that_an_answer_counted_already_is_not_counted_again(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page, service = visit.page, visit.net.daemon.service
        # Kept, and told only when the page has its answer: as when the event is slower on its way than that.
        service.conversations.received(SHARER, "one", at=service.now(), replayed=False)
        number = service.conversations.last_number
        await page.reload()
        badge = page.get_by_role("navigation", name="Main navigation").get_by_role("link", name="Chat")
        await expect(badge.get_by_label("1 new")).to_be_visible()
        await visit.go(f"chat/{SHARER}")
        rows = page.get_by_role("log").locator("[data-id]")
        await expect(rows).to_have_count(1)
        service.told_chat(SHARER, "one", number, ours=False, at=service.now())
        receive(visit, SHARER, "two")
        await expect(rows).to_have_count(2)
        await expect(rows.last).to_contain_text("two")
        await expect(badge.get_by_label("new")).to_have_count(0)

    perform(play)


def test_a_conversation_that_begins_while_its_history_is_asked_for_is_shown(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        rows = page.get_by_role("log").locator("[data-id]")
        async with held(page, "conversations") as answer:
            await page.reload()
            await visit.go(f"chat/{SHARER}")
            await answer.here.wait()
            receive(visit, SHARER, "hello")
            await expect(rows).to_have_count(1)
            answer.let()
            await page.unroute_all(behavior="wait")
        receive(visit, SHARER, "are you there?")
        await expect(rows).to_have_count(2)
        await expect(rows.first).to_contain_text("hello")

    perform(play)


def test_what_is_written_while_a_history_is_on_its_way_is_shown_once(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        receive(visit, SHARER, "before")
        rows = page.get_by_role("log").locator("[data-id]")
        badge = page.get_by_role("navigation", name="Main navigation").get_by_role("link", name="Chat")
        await expect(badge.get_by_label("1 new")).to_be_visible()
        async with held(page, f"conversations/{SHARER}/messages") as answer:
            await visit.go(f"chat/{SHARER}")
            await answer.here.wait()
            receive(visit, SHARER, "meanwhile")
            await expect(rows).to_have_count(1)
            answer.let()
            await page.unroute_all(behavior="wait")
        await expect(rows).to_have_count(2)
        await expect(rows.first).to_contain_text("before")
        await expect(rows.last).to_contain_text("meanwhile")
        # The mark stands where reading had stopped, and all is read.
        await expect(page.get_by_role("log").get_by_role("listitem").nth(1)).to_have_text("New")
        await expect(badge.get_by_label("new")).to_have_count(0)

    perform(play)


def test_read_marks_and_a_list_from_before_them_cross(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        receive(visit, SHARER, "one")
        badge = page.get_by_role("navigation", name="Main navigation").get_by_role("link", name="Chat")
        async with held(page, "conversations") as answer:
            await page.reload()
            await answer.here.wait()
            # Read somewhere else: the answer that says one is unread is older.
            service = visit.net.daemon.service
            last = await service.conversations.acknowledge(SHARER)
            service.hub.tell("chat.read", {"username": SHARER, "id": last})
            receive(visit, "tomas", "two")
            await expect(badge.get_by_label("1 new")).to_be_visible()
            answer.let()
            await page.unroute_all(behavior="wait")
        await visit.go("chat")
        await expect(page.get_by_role("navigation", name="Conversations").get_by_role("link")).to_have_count(
            2
        )
        await expect(badge.get_by_label("1 new")).to_be_visible()

    perform(play)


def test_lines_in_a_room_during_the_first_question_are_counted_once(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.net.daemon.engine.join(ROOM)
        await visit.net.sharer.rooms.join(ROOM)
        badge = page.get_by_role("navigation", name="Main navigation").get_by_role("link", name="Rooms")
        visit.net.sharer.rooms.say(ROOM, "early")
        await expect(badge.get_by_label("1 new")).to_be_visible()
        client, kept = visit.net.daemon.engine.client, asyncio.Event()
        async with held(page, "rooms/joined") as answer:
            await page.reload()
            await answer.here.wait()
            client.events.on(RoomLineKept, lambda _: kept.set())
            visit.net.sharer.rooms.say(ROOM, "meanwhile")
            await kept.wait()
            answer.let()
            await page.unroute_all(behavior="wait")
        await visit.go("rooms")
        await expect(badge.get_by_label("2 new")).to_be_visible()
        rows = page.get_by_role("log").locator("[data-id]")
        async with (
            page.expect_response(lambda answer: answer.url.endswith("/read")),
            held(page, f"rooms/joined/{ROOM.replace(' ', '%20')}/messages") as answer,
        ):
            await visit.go("rooms/quiet%20harbour")
            await answer.here.wait()
            visit.net.sharer.rooms.say(ROOM, "late")
            await expect(rows).to_have_count(1)
            answer.let()
            await page.unroute_all(behavior="wait")
        await expect(rows).to_have_count(3)
        await expect(rows.last).to_contain_text("late")
        await expect(page.get_by_role("log").get_by_role("listitem").nth(1)).to_have_text("New")
        await expect(badge.get_by_label("new")).to_have_count(0)
        assert (await client.chat.conversations())[0].unread == 0

    perform(play)


def test_who_comes_while_the_members_are_asked_for_is_there_once(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.net.daemon.engine.join(ROOM)
        await visit.net.sharer.rooms.join(ROOM)
        await until(lambda: _inside(visit, SHARER), "the sharer in the room")
        async with somebody(visit.net, "mira") as mira:
            async with held(page, f"rooms/joined/{ROOM.replace(' ', '%20')}/members") as answer:
                await visit.go("rooms/quiet%20harbour")
                await answer.here.wait()
                await mira.rooms.join(ROOM)
                members = page.get_by_role("grid", name="Members")
                await expect(members.get_by_role("row").filter(has_text="mira")).to_have_count(1)
                answer.let()
                await page.unroute_all(behavior="wait")
            await expect(members.get_by_role("row").filter(has_text=SHARER)).to_have_count(1)
            await expect(members.get_by_role("row").filter(has_text="mira")).to_have_count(1)
            await expect(members).to_have_attribute("aria-rowcount", "4")

    perform(play)


def _inside(visit: Visit, username: str) -> bool:
    room = visit.net.daemon.engine.room(ROOM)
    return room is not None and any(member.username == username for member in room.members)


def test_a_line_of_the_log_during_the_question_for_it_is_shown_once(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page, logger = visit.page, logging.getLogger("soulmesh.trial")
        logger.warning("before the question")
        async with held(page, "logs") as answer:
            await visit.go("log")
            await answer.here.wait()
            listener = visit.net.daemon.service.hub.listen(kinds=frozenset({"log"}))
            # The answer knows nothing of this one.
            logger.warning("while the answer is on its way")
            await listener.next()
            visit.net.daemon.service.hub.leave(listener)
            answer.let()
            await page.unroute_all(behavior="wait")
        lines = page.get_by_role("grid", name="Log").get_by_role("row")
        await expect(lines.filter(has_text="before the question")).to_have_count(1)
        await expect(lines.filter(has_text="while the answer is on its way")).to_have_count(1)
        logger.warning("and one after it")
        await expect(lines.filter(has_text="and one after it")).to_have_count(1)

    perform(play)


def test_a_sample_that_comes_right_after_the_answer_is_drawn_as_well(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page, service = visit.page, visit.net.daemon.service
        (sampler,) = [task for task in asyncio.all_tasks() if task.get_name() == "samples of speeds"]
        sampler.cancel()
        # What is drawn has its effects as late as it may be: after a time, not with the next frame.
        await page.evaluate("() => { window.requestAnimationFrame = () => 0; }")
        async with held(page, "statistics/speeds") as answer:
            await visit.go("statistics")
            await answer.here.wait()
            async with page.expect_response("**/statistics/speeds**") as response:
                answer.let()
            await (await response.value).finished()
            now = service.now()
            for second in (2, 4, 6):
                sample = {
                    "download": 1_000_000 * second,
                    "upload": 0,
                    "searches": 1,
                    "forwarded": 1,
                    "answered": 1,
                }
                service.hub.show(
                    "statistics.sample", {**sample, "at": instant(now + timedelta(seconds=second))}
                )
        plot = page.get_by_role("img", name="Download")
        await expect(plot).to_have_attribute("aria-label", re.compile(r"Download: 5\.7 MB/s"))

    perform(play)


def test_what_is_typed_while_a_message_is_on_its_way_stays_and_goes_after_it(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page, path = visit.page, f"conversations/{SHARER}/messages"
        await visit.go(f"chat/{SHARER}")
        box = page.get_by_role("textbox", name=f"Write to {SHARER}")
        rows = page.get_by_role("log").locator("[data-id]")
        await expect(box).to_be_focused()
        async with held(page, path, "POST") as answer:
            await page.keyboard.type("one")
            await page.keyboard.press("Enter")
            await answer.here.wait()
            await page.keyboard.type("two")
            await page.keyboard.press("Enter")
            await page.keyboard.type("three")
            await expect(box).to_have_value("three")
        await expect(rows).to_have_count(2)
        await expect(rows.first).to_contain_text("one")
        await expect(rows.last).to_contain_text("two")
        await expect(box).to_have_value("three")

        # What cannot be sent comes back, before what was typed since.
        visit.allow("503")
        await visit.net.daemon.engine.disconnect()
        async with held(page, path, "POST") as answer:
            await page.keyboard.press("Enter")
            await answer.here.wait()
            await page.keyboard.type("four")
        await expect(box).to_have_value("three four")
        await expect(box).to_be_focused()

    perform(play)
