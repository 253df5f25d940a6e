"""Browsing in the page: a tree that opens, the files of a folder, a search inside."""

from __future__ import annotations

from collections.abc import Callable

from playwright.async_api import expect

from tests.daemon.stagecraft import ALBUM, SHARER, SONGS, until
from tests.page.conftest import PHONE, Visit

Perform = Callable[..., None]


def test_somebodys_files_are_found_by_their_name_and_opened_folder_by_folder(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.go("browse")
        await visit.shot("browse-empty")
        await page.get_by_role("searchbox", name="Whose files").fill(SHARER)
        await page.keyboard.press("Enter")
        tree = page.get_by_role("treegrid", name=f"Folders of {SHARER}")
        # There is one way down: it is opened without being asked.
        await tree.get_by_role("row", name=ALBUM).click()
        files = page.get_by_role("grid", name=f"Files in {ALBUM}")
        await expect(files).to_have_attribute("aria-rowcount", str(1 + len(SONGS)))
        await visit.shot("browse")
        await page.get_by_role("button", name="Download folder", exact=True).click()
        await expect(page.get_by_text("3 files are on their way.")).to_be_visible()
        await until(lambda: len(list(visit.net.downloads.rglob("*.flac"))) == len(SONGS), "the folder")
        await page.reload()
        await expect(files).to_be_visible()

    perform(play)


def test_words_are_looked_for_inside_somebodys_files(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.go(f"browse/{SHARER}")
        await page.get_by_role("searchbox", name="Search in these files").fill("02")
        found = page.get_by_role("grid", name="Found for 02")
        await expect(found).to_have_attribute("aria-rowcount", "2")
        await found.get_by_role("row", name="02 - Song 2.flac").dblclick()
        await expect(page.get_by_text("1 file is on its way.")).to_be_visible()
        await found.get_by_role("link", name=ALBUM).click()
        await page.get_by_role("searchbox", name="Search in these files").fill("nowhere")
        await expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()

    perform(play)


def test_who_is_offline_cannot_be_browsed_and_the_page_says_so(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.go("browse/nobody")
        await expect(page.get_by_role("alert")).to_contain_text("nobody is offline")
        await expect(page.get_by_role("button", name="Try again")).to_be_visible()
        await visit.shot("browse-offline")
        visit.allow("404")

    perform(play)


def test_a_phone_shows_folders_or_files_and_goes_back(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        await visit.go(f"browse/{SHARER}")
        await page.get_by_role("row", name=ALBUM).click()
        await expect(page.get_by_role("grid", name=f"Files in {ALBUM}")).to_be_visible()
        await expect(page.get_by_role("treegrid")).to_be_hidden()
        await page.get_by_role("button", name="Folders").click()
        await expect(page.get_by_role("treegrid")).to_be_visible()

    perform(play)
