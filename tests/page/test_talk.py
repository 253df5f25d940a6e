"""Rooms and private conversations in the page, with others who talk."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable

from playwright.async_api import expect

from soulmesh.client.chat import PrivateMessage
from soulmesh.client.client import Client
from soulmesh.client.settings import ClientSettings
from tests.daemon.stagecraft import Network, until
from tests.page.conftest import PHONE, Visit

Perform = Callable[..., None]


@contextlib.asynccontextmanager
async def somebody(net: Network, name: str) -> AsyncIterator[Client]:
    """Another user on the same server."""
    client = Client(
        name,
        "password",
        server=("127.0.0.1", net.server.port),
        listen_port=0,
        settings=ClientSettings(listen_host="127.0.0.1", rates={}),
    )
    async with client:
        yield client


def test_a_room_is_found_joined_and_talked_in(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.net.sharer.rooms.join("quiet harbour")
        async with somebody(visit.net, "mira") as mira:
            await mira.rooms.join("quiet harbour")
            mira.rooms.set_ticker("quiet harbour", "looking for tide tables")
            await visit.go("rooms")
            grid = page.get_by_role("grid", name="All rooms")
            await expect(grid.get_by_role("row").filter(has_text="quiet harbour")).to_contain_text("2")
            await page.get_by_placeholder("Find a room").fill("harb")
            await expect(grid).to_have_attribute("aria-rowcount", "2")
            await visit.shot("rooms")
            row = grid.get_by_role("row").filter(has_text="quiet harbour")
            await row.hover()
            await row.get_by_role("button", name="Join").click()

            await expect(page.get_by_role("heading", name="quiet harbour")).to_be_visible()
            members = page.get_by_role("grid", name="Members")
            await expect(members).to_have_attribute("aria-rowcount", "4")
            await expect(page.get_by_text("1 line on the wall")).to_be_visible()

            mira.rooms.say("quiet harbour", "hello lantern_owl, see https://example.org/tides.")
            said = page.get_by_role("log").get_by_role("listitem").filter(has_text="hello lantern_owl")
            await expect(said).to_contain_text("mira")
            link = said.get_by_role("link", name="https://example.org/tides")
            assert await link.get_attribute("href") == "https://example.org/tides"
            assert "noreferrer" in (await link.get_attribute("rel") or "")

            box = page.get_by_role("textbox", name="Write in quiet harbour")
            await box.fill("mi")
            await box.press("Tab")
            await expect(box).to_have_value("mira: ")
            await box.press_sequentially("thank you")
            await box.press("Enter")
            await expect(page.get_by_role("log")).to_contain_text("mira: thank you")
            await expect(box).to_have_value("")
            await visit.shot("room")

            await page.get_by_role("button", name="Actions for quiet harbour").click()
            await page.get_by_role("menuitem", name="Leave").click()
            await expect(page.get_by_role("heading", name="quiet harbour")).to_have_count(0)
            await until(lambda: visit.net.daemon.engine.rooms() == [], "leaving")

    perform(play)


def test_a_room_is_entered_and_left_by_keyboard_alone(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.net.sharer.rooms.join("quiet harbour")
        await visit.net.sharer.rooms.join("tide tables")
        await visit.go("rooms")
        grid = page.get_by_role("grid", name="All rooms")
        await expect(grid.get_by_role("row")).to_have_count(3)
        await grid.focus()
        await page.keyboard.press("End")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="tide tables")).to_be_visible()
        await page.get_by_role("button", name="Actions for tide tables").focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("menuitem").first).to_be_focused()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("button", name="Actions for tide tables")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("menuitem").first).to_be_focused()
        await page.keyboard.press("ArrowUp")
        await expect(page.get_by_role("menuitem", name="Leave")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(grid).to_be_visible()
        await until(lambda: visit.net.daemon.engine.rooms() == [], "leaving")

    perform(play)


def test_invitations_to_private_rooms_can_be_refused(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        sharer, ours = visit.net.sharer, visit.net.daemon.engine.client
        await visit.go("rooms")
        await page.get_by_role("button", name="New room").click()
        await page.get_by_role("menuitem", name="Accept invitations").click()
        await expect(page.get_by_text("Others may let you into")).to_be_visible()
        await sharer.rooms.join("their den", private=True)
        await sharer.rooms.grant_membership("their den", "lantern_owl")
        await page.get_by_role("button", name="Ask again").click()
        grid = page.get_by_role("grid", name="All rooms")
        await expect(grid.get_by_role("row").filter(has_text="their den")).to_be_visible()
        await page.get_by_role("button", name="New room").click()
        await page.get_by_role("menuitem", name="Refuse invitations").click()
        await expect(page.get_by_text("Nobody can let you into")).to_be_visible()
        assert ours.rooms.joined == []

    perform(play)


def test_what_is_said_in_a_room_that_is_not_shown_is_marked_until_it_is_read(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.net.daemon.engine.join("quiet harbour")
        await visit.net.sharer.rooms.join("quiet harbour")
        await visit.go("rooms")
        place = page.get_by_role("navigation", name="Places").get_by_role("link", name="quiet harbour")
        await expect(place).to_be_visible()
        for number in range(3):
            visit.net.sharer.rooms.say("quiet harbour", f"line {number}")
        await expect(place.get_by_label("3 unread messages")).to_be_visible()
        await expect(
            page.get_by_role("navigation", name="Main navigation").get_by_label("3 new")
        ).to_be_visible()
        await place.click()
        await expect(page.get_by_text("New", exact=True)).to_be_visible()
        await expect(page.get_by_label("3 new")).to_have_count(0)
        await page.reload()
        await expect(page.get_by_role("log")).to_contain_text("line 2")
        await expect(page.get_by_text("New", exact=True)).to_have_count(0)

    perform(play)


def test_a_private_room_is_made_and_somebody_is_let_in_and_excluded(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        async with somebody(visit.net, "mira") as mira:
            await mira.rooms.accept_invitations(True)
            await visit.go("rooms")
            await page.get_by_role("button", name="New room").click()
            await page.get_by_role("menuitem", name="New private room").click()
            await page.get_by_label("Name").fill("our den")
            await page.get_by_role("button", name="Create").click()
            await expect(page.get_by_role("heading", name="our den")).to_be_visible()
            await page.get_by_role("button", name="Actions for our den").click()
            await page.get_by_role("menuitem", name="Let somebody in").click()
            await page.get_by_label("User name").fill("mira")
            await page.get_by_role("button", name="Let in").click()
            rooms = visit.net.daemon.engine.client.rooms
            await until(lambda: "mira" in rooms.get("our den").members, "the membership")
            await page.get_by_text("1 user may enter").click()
            await page.get_by_role("button", name="Rights of mira").first.click()
            await page.get_by_role("menuitem", name="Make operator").click()
            await until(lambda: "mira" in rooms.get("our den").operators, "the operator")
            await page.get_by_role("button", name="Rights of mira").first.click()
            await page.get_by_role("menuitem", name="Exclude from the room").click()
            await expect(page.get_by_role("button", name="Rights of mira")).to_have_count(0)
            await visit.shot("room-private")

    perform(play)


def test_the_public_feed_shows_what_is_said_elsewhere(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.net.sharer.rooms.join("quiet harbour")
        await visit.go("rooms?show=feed")
        await expect(page.get_by_text("The feed is off")).to_be_visible()
        await page.get_by_role("switch", name="Listen").click()
        await expect(page.get_by_text("Nothing was said yet")).to_be_visible()
        visit.net.sharer.rooms.say("quiet harbour", "far away")
        await expect(page.get_by_role("log")).to_contain_text("far away")
        await expect(page.get_by_role("log").get_by_role("link", name="quiet harbour")).to_be_visible()
        await page.get_by_role("switch", name="Listen").click()

    perform(play)


def test_two_people_write_to_each_other_and_unread_marks_come_and_go(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        heard: list[str] = []
        async with somebody(visit.net, "mira") as mira:
            mira.events.on(PrivateMessage, lambda event: heard.append(event.text))
            await mira.chat.send("lantern_owl", "are you there?")
            await mira.chat.send("lantern_owl", "<b>bold</b> & brave")
            await expect(page.get_by_label("2 new")).to_be_visible()
            await visit.go("chat")
            entry = page.get_by_role("navigation", name="Conversations").get_by_role("link", name="mira")
            await expect(entry).to_contain_text("<b>bold</b> & brave")
            await expect(entry.get_by_label("2 unread messages")).to_be_visible()
            await visit.shot("chat-list")
            await entry.click()
            await expect(page.get_by_role("log")).to_contain_text("<b>bold</b> & brave")
            await expect(page.get_by_label("2 new")).to_have_count(0)
            box = page.get_by_role("textbox", name="Write to mira")
            await box.fill("here I am")
            await page.get_by_role("button", name="Send").click()
            await until(lambda: heard == ["here I am"], "the message")
            ours = page.get_by_role("log").get_by_role("listitem").filter(has_text="here I am")
            await expect(ours.get_by_text("lantern_owl")).to_be_in_viewport()
            assert await ours.get_by_text("lantern_owl").get_attribute("class") != "visually-hidden"
            await mira.chat.send("lantern_owl", "good")
            await expect(page.get_by_role("log").get_by_role("listitem").last).to_contain_text("good")
            await visit.shot("chat")
            await page.get_by_role("button", name="Actions for mira").click()
            await page.get_by_role("menuitem", name="Hide the conversation").click()
            await expect(entry).to_have_count(0)

    perform(play)


def test_a_long_conversation_is_read_backwards_page_by_page(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        service = visit.net.daemon.service
        for number in range(230):
            service.conversations.received(
                "quiet.harbor", f"line {number:03}", at=service.now(), replayed=False
            )
        await visit.go("chat/quiet.harbor")
        rows = page.get_by_role("log").locator("[data-id]")
        await expect(rows).to_have_count(100)
        await expect(rows.last).to_be_in_viewport()
        more = page.get_by_role("button", name="Older messages")
        await more.click()
        await expect(rows).to_have_count(200)
        await more.click()
        await expect(rows).to_have_count(230)
        await expect(more).to_have_count(0)
        await expect(rows.first).to_contain_text("line 000")

    perform(play)


def test_a_message_that_cannot_be_sent_stays_in_the_box_and_says_why(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.go("chat")
        # By keyboard alone: the box has the focus when the conversation is there.
        await page.get_by_role("button", name="Write to…").last.press("Enter")
        await expect(page.get_by_role("dialog")).to_be_visible()
        await page.keyboard.type("mira")
        await page.keyboard.press("Enter")
        box = page.get_by_role("textbox", name="Write to mira")
        await expect(box).to_be_focused()
        await visit.net.daemon.engine.disconnect()
        await page.keyboard.type("hello")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("status").filter(has_text="not")).to_be_visible()
        await expect(box).to_have_value("hello")
        visit.allow("503|404")

    perform(play)


def test_on_a_phone_a_conversation_has_the_screen_for_itself(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        async with somebody(visit.net, "mira") as mira:
            await mira.chat.send("lantern_owl", "on the move")
            await visit.go("chat")
            await page.get_by_role("link", name="mira").click()
            await expect(page.get_by_role("log")).to_contain_text("on the move")
            await expect(page.get_by_role("navigation", name="Conversations")).to_have_count(0)
            await page.get_by_role("link", name="Back to the conversations").click()
            await expect(page.get_by_role("navigation", name="Conversations")).to_be_visible()

    perform(play)
