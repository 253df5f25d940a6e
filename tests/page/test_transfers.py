"""Transfers in the page: progress, what can be done, why one waits, uploads, the history."""

from __future__ import annotations

import asyncio
import re
import wave
from collections.abc import Callable

from playwright.async_api import Locator, Route, expect

from soulmesh.daemon.ledger import Wanted
from tests.daemon.fakes import KEY
from tests.daemon.stagecraft import OURSELVES, SHARER, SONGS
from tests.page.conftest import DESK, PHONE, Visit

FILLED = """name => {
  // Looked up each time: the rows are made anew when the width changes.
  const rows = [...document.querySelectorAll('[role=row][aria-level="2"]')];
  const bar = rows.find((row) => row.textContent.includes(name))?.querySelector("[role=progressbar]");
  return bar && bar.firstElementChild.getBoundingClientRect().width > 1;
}"""
UNSEEN = """() => [...document.querySelectorAll("[role=menuitem]")].filter((item) => {
  const box = item.getBoundingClientRect();
  const seen = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
  return seen?.closest("[role=menuitem]") !== item;
}).map((item) => item.textContent)"""
Perform = Callable[..., None]
FOLDER = r"music\Quiet Harbor\Tidal Maps (2019)"


async def look(visit: Visit) -> None:
    """Show the transfers: what begins and ends before somebody looks is in the history only."""
    await visit.go("transfers")
    await expect(visit.page.get_by_role("heading", name="No downloads")).to_be_visible()


async def want(visit: Visit, number: int = 3) -> None:
    files = [Wanted(rf"{FOLDER}\{name}", len(data)) for name, data in list(SONGS.items())[:number]]
    await visit.net.daemon.service.ledger.enqueue(SHARER, files)


def file(visit: Visit, number: int) -> Locator:
    return visit.page.get_by_role("row", level=2).filter(has_text=f"Song {number}.flac")


def test_downloads_show_how_far_they_are_and_where_they_wait(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await look(visit)
        await visit.shot("transfers-empty")
        await want(visit)
        await expect(file(visit, 1)).to_contain_text("Running")
        await expect(file(visit, 1)).to_contain_text(re.compile(r"KB/s"))
        # The next small file is offered while this one runs; only the one after it stands in the queue.
        await expect(file(visit, 3)).to_contain_text("Queued")
        await expect(page.get_by_role("tab", name="Downloads")).to_contain_text("3")
        bar = file(visit, 1).get_by_role("progressbar")
        await expect(bar).to_have_attribute("aria-valuenow", re.compile(r"[1-9]\d?"))
        for viewport in (PHONE, DESK):
            # The bar is as wide as what it stands for, not only its track.
            await page.set_viewport_size(viewport)  # type: ignore[arg-type]
            await page.wait_for_function(FILLED, arg="Song 1.flac")
        await visit.shot("transfers")

    # Twenty seconds a file: it has to run until both widths were looked at.
    perform(play, sharer_limit=3_000)


def test_a_transfer_says_why_it_is_where_it_is(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await look(visit)
        await want(visit)
        await expect(file(visit, 3)).to_contain_text("Queued")
        await file(visit, 3).get_by_text("03 - Song 3.flac").dblclick()
        dialog = page.get_by_role("dialog", name="03 - Song 3.flac")
        await expect(dialog).to_contain_text(SHARER)
        await expect(dialog.locator(".now")).not_to_be_empty()
        await visit.shot("transfers-why")
        await page.keyboard.press("Escape")
        await expect(dialog).to_be_hidden()
        await expect(page.get_by_role("treegrid")).to_be_focused()
        # The same for somebody who reads German.
        await page.evaluate("localStorage.setItem('soulmesh.language', JSON.stringify('de'))")
        await page.reload()
        await file(visit, 3).get_by_text("03 - Song 3.flac").dblclick()
        await expect(dialog.locator(".now")).to_contain_text(f"In der Schlange bei {SHARER}")
        await expect(dialog.locator(".past")).to_contain_text(f"{SHARER} danach gefragt")

    perform(play, sharer_limit=6_000)


def test_transfers_are_paused_resumed_and_removed_by_their_buttons(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await look(visit)
        await want(visit)
        await expect(file(visit, 3)).to_contain_text("Queued")
        await file(visit, 3).hover()
        await file(visit, 3).get_by_role("button", name="Pause 03 - Song 3.flac").click()
        await expect(file(visit, 3)).to_contain_text("Paused")
        await file(visit, 3).get_by_role("button", name="Resume 03 - Song 3.flac").click()
        await expect(file(visit, 3)).not_to_contain_text("Paused")
        await file(visit, 3).get_by_role("button", name=f"What to do with {SHARER}").click()
        # All of the menu is seen, though the list is shorter than it is, and the list stays where it is.
        assert await page.evaluate(UNSEEN) == []
        await expect(file(visit, 1)).to_be_in_viewport()
        await page.get_by_role("menuitem", name="Remove").click()
        await expect(page.get_by_role("row", level=2)).to_have_count(2)

    perform(play, sharer_limit=6_000)


def test_finished_ones_move_to_the_history_when_they_are_cleared(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await look(visit)
        await want(visit, 1)
        await expect(file(visit, 1)).to_contain_text("Finished")
        await page.get_by_role("tab", name="History").click()
        await expect(page.get_by_role("grid", name="History")).to_contain_text("01 - Song 1.flac")
        await visit.shot("transfers-history")
        await page.get_by_role("tab", name="Downloads").click()
        await page.get_by_role("button", name="Clear finished").click()
        await expect(page.get_by_role("heading", name="No downloads")).to_be_visible()

    perform(play)


def test_a_sound_is_played_by_the_browser_and_can_do_nothing_else(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await look(visit)
        await want(visit, 1)
        await expect(file(visit, 1)).to_contain_text("Finished")
        [arrived] = visit.net.downloads.rglob("01 - Song 1.flac")
        with wave.open(str(arrived), "wb") as sound:
            sound.setnchannels(1)
            sound.setsampwidth(2)
            sound.setframerate(8000)
            sound.writeframes(b"\0\0" * 4000)
        await file(visit, 1).get_by_text("01 - Song 1.flac").dblclick()
        async with page.expect_popup() as opened:
            await page.get_by_role("link", name="Open").click()
        player = await opened.value
        # No script runs there, so nothing in the page can wait for it either.
        await expect(player.locator("video, audio")).to_have_js_property("duration", 0.5)
        assert await player.evaluate("origin") == "null"

    perform(play)


def test_the_history_follows_what_ends_while_it_is_shown(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.go("transfers")
        await page.get_by_role("tab", name="History").click()
        await expect(page.get_by_role("heading", name="Nothing yet")).to_be_visible()
        await want(visit, 2)
        history = page.get_by_role("grid", name="History")
        await expect(history.get_by_role("row").filter(has_text="Finished")).to_have_count(2)
        # Taken off the list by somebody else: gone here as well.
        ledger = visit.net.daemon.service.ledger
        (first, _) = visit.net.daemon.engine.transfers
        await ledger.cancel(first.uuid, remove=True)
        await expect(history.get_by_role("row").filter(has_text="Finished")).to_have_count(1)
        await page.evaluate(
            """key => fetch("api/v1/history", { method: "DELETE", headers: { "X-API-Key": key } })""", KEY
        )
        await expect(page.get_by_role("heading", name="Nothing yet")).to_be_visible()

    perform(play)


def test_the_history_keeps_what_ended_while_its_list_was_on_the_way(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        asked, answered = asyncio.Event(), asyncio.Event()

        async def late(route: Route) -> None:
            response = await route.fetch()
            asked.set()
            await answered.wait()
            await route.fulfill(response=response)

        await page.route(lambda url: "/api/v1/history?" in url, late)
        await visit.go("transfers")
        await page.get_by_role("tab", name="History").click()
        await asked.wait()
        # The answer, as the daemon gave it, knows nothing of the download.
        await want(visit, 1)
        await expect(page.get_by_role("grid", name="History")).to_contain_text("01 - Song 1.flac")
        answered.set()
        await page.unroute_all(behavior="wait")
        await expect(page.get_by_role("grid", name="History")).to_contain_text("01 - Song 1.flac")
        await expect(page.get_by_role("grid", name="History").get_by_role("row")).to_have_count(2)

    perform(play)


def test_uploads_show_who_loads_what_from_us(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        await visit.go("transfers")
        await visit.page.get_by_role("tab", name="Uploads").click()
        await expect(visit.page.get_by_role("heading", name="No uploads")).to_be_visible()
        await visit.net.sharer.transfers.download(OURSELVES, r"ours\04 - Gangway.mp3", 1000)
        row = visit.page.get_by_role("row", level=2)
        await expect(row).to_contain_text("04 - Gangway.mp3")
        await expect(row).to_contain_text("Finished")
        await expect(visit.page.get_by_role("row", level=1)).to_contain_text(SHARER)

    perform(play)
