"""Users, interests, wishes and goals in the page."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from playwright.async_api import Route, expect

from soulmesh.client.info import Profile
from tests.daemon.fakes import KEY
from tests.daemon.stagecraft import ALBUM, SHARER, SONGS, until
from tests.page.conftest import Visit
from tests.page.test_talk import somebody

Perform = Callable[..., None]


def test_a_user_is_looked_up_befriended_noted_and_banned(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        users = visit.net.daemon.engine.client.users
        visit.net.sharer.info.profile = Profile("I keep tide tables.\n<i>Ask</i> before noon.")
        await visit.go("users")
        await expect(page.get_by_text("Nobody here yet")).to_be_visible()
        await visit.shot("users-empty")
        await page.get_by_role("searchbox", name="Look up a user").fill(SHARER)
        await page.get_by_role("button", name="Show").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text(SHARER)
        await expect(page.get_by_text("<i>Ask</i> before noon.")).to_be_visible()
        await expect(page.get_by_text("Free slot")).to_be_visible()
        await page.get_by_role("button", name="Befriend").click()
        await expect(page.get_by_role("button", name="Unfriend")).to_be_visible()
        assert users.friend(SHARER)
        await page.get_by_label("Note").fill("has tide tables")
        await page.get_by_role("button", name="Keep").click()
        await expect(page.get_by_text("The note is kept")).to_be_visible()
        await visit.shot("user")

        await page.get_by_role("button", name=f"More about {SHARER}").click()
        await page.get_by_role("menuitem", name="Ban").click()
        await page.get_by_role("dialog").get_by_role("button", name="Ban").click()
        await expect(page.get_by_text("Banned", exact=True)).to_be_visible()
        assert users.banned(SHARER)

        await page.get_by_role("link", name="Back to the users").click()
        grid = page.get_by_role("grid", name="Users")
        row = grid.get_by_role("row").filter(has_text=SHARER)
        await expect(row).to_contain_text("has tide tables")
        await page.get_by_role("tab", name="Banned", exact=True).click()
        await expect(grid.get_by_role("row").filter(has_text=SHARER)).to_be_visible()
        await visit.shot("users")

    perform(play)


def test_addresses_are_banned_by_range_and_nonsense_is_refused_where_it_stands(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.go("users?which=addresses")
        field = page.get_by_label("Address or range")
        await field.fill("300.1.1.1")
        await page.get_by_role("button", name="Ban", exact=True).click()
        await expect(field).to_have_attribute("aria-invalid", "true")
        await expect(page.get_by_role("alert")).to_be_visible()
        await field.fill("203.0.113.0/24")
        await page.get_by_role("button", name="Ban", exact=True).click()
        await expect(page.get_by_role("listitem").filter(has_text="203.0.113.0/24")).to_be_visible()
        await expect(page.get_by_role("alert")).to_have_count(0)
        assert visit.net.daemon.engine.client.users.book.bans_address("203.0.113.7")
        await visit.shot("users-addresses")
        await page.get_by_role("button", name="Take back").click()
        await expect(page.get_by_text("No addresses are banned")).to_be_visible()
        visit.allow("422")

    perform(play)


def test_interests_are_told_and_recommendations_come_of_them(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        async with somebody(visit.net, "mira") as mira:
            mira.interests.like("field recordings")
            mira.interests.like("lighthouses")
            await visit.go("interests")
            await expect(page.get_by_text("Say what you like")).to_be_visible()
            await page.get_by_label("Something you like").fill("Field Recordings")
            await page.get_by_label("Something you like").press("Enter")
            await expect(page.get_by_role("list", name="You like")).to_contain_text("field recordings")
            grid = page.get_by_role("grid", name="Recommendations")
            await expect(grid.get_by_role("row").filter(has_text="lighthouses")).to_be_visible()
            await visit.shot("interests")
            row = grid.get_by_role("row").filter(has_text="lighthouses")
            await row.hover()
            await row.get_by_role("button", name="Like lighthouses", exact=True).click()
            await expect(page.get_by_role("list", name="You like")).to_contain_text("lighthouses")
            await page.get_by_role("tab", name="Similar users").click()
            await expect(page.get_by_role("row").filter(has_text="mira")).to_contain_text("2")
            await page.get_by_role("button", name="Remove lighthouses").click()
            await expect(page.get_by_role("list", name="You like")).not_to_contain_text("lighthouses")

    perform(play)


def test_a_wish_finds_files_and_one_is_downloaded(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.go("wishes")
        await expect(page.get_by_text("No wishes yet")).to_be_visible()
        await page.get_by_label("Search again and again for").fill("tidal maps")
        await page.get_by_label("Only what fits this filter").fill("nonsense:(")
        await page.get_by_role("button", name="Add wish").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        await page.get_by_label("Only what fits this filter").fill("")
        await page.get_by_role("button", name="Add wish").click()
        row = page.get_by_role("grid", name="Wishes").get_by_role("row").filter(has_text="tidal maps")
        await expect(row).to_contain_text("3")
        await row.hover()
        await row.get_by_role("button", name="Results").click()
        found = page.get_by_role("grid", name="Found for")
        await expect(found).to_have_attribute("aria-rowcount", "4")
        await visit.shot("wishes")
        song = found.get_by_role("row").filter(has_text="01 - Song 1.flac")
        await song.hover()
        await song.get_by_role("button", name="Download 01 - Song 1.flac").click()
        await expect(page.get_by_text("01 - Song 1.flac is being downloaded")).to_be_visible()
        here = visit.net.downloads / ALBUM / "01 - Song 1.flac"
        await until(here.exists, "the download")
        assert await asyncio.to_thread(here.read_bytes) == SONGS["01 - Song 1.flac"]
        await row.hover()
        await row.get_by_role("button", name="Remove the wish").click()
        await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        await expect(page.get_by_text("No wishes yet")).to_be_visible()
        visit.allow("422")

    perform(play)


def test_a_row_under_the_mouse_stays_there_while_an_answer_is_on_its_way(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        answered = asyncio.Event()

        async def late(route: Route) -> None:
            response = await route.fetch()
            if response.status == 201:
                await answered.wait()
            await route.fulfill(response=response)

        await page.route(lambda url: url.endswith("/api/v1/wishes"), late)
        await visit.go("wishes")
        await page.get_by_label("Search again and again for").fill("tidal maps")
        await page.get_by_label("Only what fits this filter").fill("nonsense:(")
        await page.get_by_role("button", name="Add wish").click()
        await expect(page.get_by_role("alert")).to_be_visible()
        await page.get_by_label("Only what fits this filter").fill("")
        await page.get_by_role("button", name="Add wish").click()
        # The event shows the wish before the answer is here.
        row = page.get_by_role("grid", name="Wishes").get_by_role("row").filter(has_text="tidal maps")
        await row.hover()
        results = row.get_by_role("button", name="Results")
        await expect(results).to_be_visible()
        before = await row.bounding_box()
        answered.set()
        await expect(page.get_by_label("Search again and again for")).to_have_value("")
        assert await row.bounding_box() == before
        await expect(results).to_be_visible()
        visit.allow("422")

    perform(play)


def test_rows_that_move_under_a_mouse_at_rest_show_what_can_be_done(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        wishes = visit.net.daemon.engine.client.wishes
        for query in ("amber", "birch", "cedar"):
            await wishes.add(query)
        await visit.go("wishes")
        rows = page.get_by_role("grid", name="Wishes").get_by_role("row")
        await expect(rows).to_have_count(4)
        await rows.filter(has_text="amber").hover()
        await rows.filter(has_text="amber").get_by_role("button", name="Remove the wish amber").click()
        await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        await expect(rows).to_have_count(3)
        await expect(page.get_by_role("dialog")).to_have_count(0)
        first = rows.nth(1)
        await first.hover()
        await expect(first.get_by_role("button", name="Results")).to_be_visible()
        name = "birch" if await first.filter(has_text="birch").count() else "cedar"
        other = "cedar" if name == "birch" else "birch"
        # The row goes away under a mouse that does not move: the next one stands there, and can be used.
        await page.evaluate(
            """([name, key]) => fetch(`api/v1/wishes?query=${name}`,
                 { method: "DELETE", headers: { "X-API-Key": key } })""",
            [name, KEY],
        )
        await expect(rows).to_have_count(2)
        await expect(rows.filter(has_text=other).get_by_role("button", name="Results")).to_be_visible()

    perform(play)


def test_a_wish_comes_true_by_itself_when_it_may_download(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.go("wishes")
        await page.get_by_label("Search again and again for").fill("tidal maps song")
        await page.get_by_label("When something is found").select_option("Download the first hit")
        await page.get_by_role("button", name="Add wish").click()
        row = page.get_by_role("grid", name="Wishes").get_by_role("row").filter(has_text="tidal maps song")
        await expect(row).to_contain_text("Come true")
        await expect(row).to_contain_text("searched for no more")
        assert [path for path in visit.net.downloads.rglob("*.flac") if path.stat().st_size > 60_000]

    perform(play)


def test_a_goal_is_made_of_the_folders_of_which_a_search_found_a_part_and_reached(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.go("wishes?show=goals")
        await expect(page.get_by_text("No goals yet")).to_be_visible()
        await page.get_by_role("button", name="New goal").click()
        await page.get_by_label("Search for copies of").fill("tidal maps song 2")
        await page.get_by_role("button", name="Find copies").click()
        await page.get_by_label(f"Take {ALBUM} of {SHARER}").check()
        await expect(page.get_by_text("1 copy")).to_be_visible()
        await expect(page.get_by_role("row").filter(has_text=ALBUM)).to_contain_text("58.6 KB")
        await visit.shot("goal-new")
        await page.get_by_label("Name").fill("Tidal maps, whole")
        await page.get_by_role("button", name="Make it a goal").click()
        goal = page.get_by_role("listitem").filter(has_text="Tidal maps, whole")
        await expect(goal).to_contain_text("Finished")
        await expect(goal).to_contain_text("3 of 3 files")
        await goal.get_by_text("Copies and what happened").click()
        await expect(goal.get_by_role("link", name=SHARER)).to_be_visible()
        await visit.shot("goals")

    perform(play)
