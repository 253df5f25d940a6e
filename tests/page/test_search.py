"""Searching in the page: results as they come, their order, the filter, downloads by one click."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from playwright.async_api import Page, expect

from tests.daemon.stagecraft import ALBUM, SHARER, SONGS, until
from tests.page.conftest import Visit

Perform = Callable[..., None]
SONG = next(iter(SONGS))


async def search(page: Page, words: str = "tidal maps") -> None:
    await page.get_by_role("searchbox", name="What to search for").fill(words)
    await page.keyboard.press("Enter")


def test_results_come_grouped_by_user_and_folder(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await search(page)
        tree = page.get_by_role("treegrid", name="Results for tidal maps")
        # A head, a user, a folder, its songs.
        await expect(tree).to_have_attribute("aria-rowcount", str(3 + len(SONGS)))
        await expect(tree.get_by_role("row", level=1)).to_contain_text(SHARER)
        await expect(tree.get_by_role("row", level=2)).to_contain_text(ALBUM)
        await expect(tree.get_by_role("row", level=3)).to_have_count(len(SONGS))
        await expect(page.get_by_text("3 files · 1 user")).to_be_visible()
        await visit.shot("search")

    perform(play)


def test_what_was_held_back_is_said_below_the_results(perform: Perform, tmp_path: Path) -> None:
    folder = tmp_path / "music" / "Fog"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"foghorn {number}.ogg").write_bytes(b"x" * 500)

    async def play(visit: Visit) -> None:
        page = visit.page
        await search(page, "foghorn")
        held = page.get_by_text("Held back: 3 files only echoing the query (all of one size)")
        # While it runs, as well as when it is over.
        await expect(held).to_be_visible()
        await page.get_by_role("button", name="Stop").click()
        await expect(page.get_by_role("heading", name="Nothing was found")).to_be_visible()
        await expect(page.get_by_text("What answered is not shown: see below.")).to_be_visible()
        await expect(held).to_be_visible()
        await visit.shot("search-held")

    perform(play)


def test_a_file_is_downloaded_by_one_click_and_marked(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await search(page)
        row = page.get_by_role("row", name=SONG)
        await row.hover()
        await row.get_by_role("button", name=f"Download {SONG}").click()
        await expect(page.get_by_text("1 file is on its way.")).to_be_visible()
        await expect(row.get_by_role("img", name="Finished")).to_be_visible()
        found = await until(lambda: list(visit.net.downloads.rglob(SONG)), "the file")
        assert found[0].read_bytes() == SONGS[SONG]

    perform(play)


def test_a_folder_is_downloaded_by_one_click(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await search(page, "song")
        row = page.get_by_role("treegrid").get_by_role("row", level=2)
        await row.hover()
        await row.get_by_role("button", name=f"Download the folder {ALBUM}").click()
        await expect(page.get_by_text("3 files are on their way.")).to_be_visible()
        await until(lambda: len(list(visit.net.downloads.rglob("*.flac"))) == len(SONGS), "the folder")

    perform(play)


def test_the_filter_hides_what_does_not_pass_and_says_what_it_does_not_understand(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await search(page)
        tree = page.get_by_role("treegrid")
        await expect(tree.get_by_role("row", level=3)).to_have_count(3)
        field = page.get_by_role("searchbox", name="Filter")
        await field.fill('"song 2"')
        await expect(tree.get_by_role("row", level=3)).to_have_count(1)
        await expect(page.get_by_text("1 passes the filter")).to_be_visible()
        await field.fill("size>1gb")
        await expect(page.get_by_role("heading", name="Nothing passes the filter")).to_be_visible()
        await field.fill("size>>")
        await expect(page.get_by_role("alert")).to_contain_text("column")
        visit.allow("422")
        await field.fill("")
        await expect(tree.get_by_role("row", level=3)).to_have_count(3)

    perform(play)


def test_a_filter_is_saved_by_name_and_used_again(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await search(page)
        field = page.get_by_role("searchbox", name="Filter")
        await field.fill("type:flac")
        await page.get_by_role("button", name="Filters").click()
        await page.get_by_role("menuitem", name="Save this filter").click()
        await page.get_by_label("Name of the filter").fill("lossless")
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("The filter lossless is saved.")).to_be_visible()
        await field.fill("")
        await page.get_by_role("button", name="Filters").click()
        await page.get_by_role("menuitem", name="lossless: type:flac").click()
        await expect(field).to_have_value("type:flac")

    perform(play)


def test_the_list_is_moved_through_with_the_keyboard(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await search(page)
        tree = page.get_by_role("treegrid")
        await expect(tree.get_by_role("row", level=3)).to_have_count(3)
        await tree.focus()
        await page.keyboard.press("ArrowDown")
        folder = tree.get_by_role("row", level=2)
        active = await tree.get_attribute("aria-activedescendant")
        assert active == await folder.get_attribute("id")
        await page.keyboard.press("ArrowLeft")
        await expect(folder).to_have_attribute("aria-expanded", "false")
        await expect(tree.get_by_role("row", level=3)).to_have_count(0)
        await page.keyboard.press("ArrowRight")
        await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Space")
        await page.keyboard.press("Shift+ArrowDown")
        await expect(page.get_by_text("2 files, ", exact=False)).to_be_visible()
        await page.get_by_role("button", name="Download", exact=True).click()
        await expect(page.get_by_text("2 files are on their way.")).to_be_visible()

    perform(play)


def test_a_flat_list_is_sorted_by_its_heads(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await search(page)
        await page.get_by_role("button", name="By user and folder").click()
        grid = page.get_by_role("grid", name="Results for tidal maps")
        await grid.get_by_role("button", name="Size").click()
        await expect(grid.get_by_role("columnheader", name="Size")).to_have_attribute(
            "aria-sort", "descending"
        )
        names = await grid.locator("[data-id]").all_inner_texts()
        assert [name for song in sorted(SONGS, reverse=True) for name in names if song in name] == names
        await visit.shot("search-flat")

    perform(play)


def test_earlier_searches_are_listed_and_can_be_forgotten(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await expect(page.get_by_role("heading", name="Search everybody's files")).to_be_visible()
        await visit.shot("search-empty")
        await search(page)
        await expect(page.get_by_role("treegrid")).to_be_visible()
        await page.get_by_role("link", name="Search").click()
        row = page.get_by_role("row", name="tidal maps")
        await expect(row).to_be_visible()
        # By keyboard: what was found has the focus, and its arrow keys.
        await page.get_by_role("grid", name="Earlier searches").press("Enter")
        await expect(page.get_by_role("treegrid")).to_be_focused()
        await page.get_by_role("link", name="Search").click()
        await expect(row).to_be_visible()
        await row.hover()
        await row.get_by_role("button", name="Forget the search tidal maps").click()
        await expect(page.get_by_role("heading", name="Search everybody's files")).to_be_visible()

    perform(play)
