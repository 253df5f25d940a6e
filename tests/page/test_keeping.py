"""Shares, statistics, settings, diagnosis and log in the page."""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.async_api import expect

from soulmesh.daemon.http.replies import instant
from tests.daemon.stagecraft import SHARER, until
from tests.page.conftest import Visit

Perform = Callable[..., None]


def test_a_folder_is_shared_scanned_narrowed_to_friends_and_taken_away(
    perform: Perform, tmp_path: Path
) -> None:
    scans = tmp_path / "scans"
    (scans / "maps").mkdir(parents=True)
    for number in range(40):
        (scans / "maps" / f"sheet {number:02}.pdf").write_bytes(b"x" * number)
    (scans / "maps" / "notes.txt").write_bytes(b"left out")

    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.go("shares")
        await expect(page.get_by_role("listitem").filter(has_text="From the settings")).to_be_visible()
        await page.get_by_role("button", name="Share a folder").click()
        dialog = page.get_by_role("dialog")
        await dialog.get_by_label("Folder on the machine").fill(str(tmp_path / "nowhere"))
        await dialog.get_by_role("button", name="Share", exact=True).click()
        await expect(dialog.get_by_role("alert")).to_contain_text("nowhere")
        await dialog.get_by_label("Folder on the machine").fill(str(scans))
        await dialog.get_by_label("Leave out").fill("*.txt")
        await visit.shot("shares-add")
        await dialog.get_by_role("button", name="Share", exact=True).click()
        root = page.get_by_role("listitem").filter(has_text=str(scans))
        await expect(root).to_contain_text("40 files")
        await expect(root).to_contain_text("Everyone")

        await root.get_by_role("button", name="Actions for scans").click()
        await page.get_by_role("menuitem", name="Change").click()
        await dialog.get_by_role("radio", name="Chosen people").check()
        await dialog.get_by_label("User names").fill(f"{SHARER}\nmira")
        await dialog.get_by_role("switch", name="Others see that it is there").check()
        await dialog.get_by_role("button", name="Save").click()
        await expect(root).to_contain_text("mira")
        await expect(root).to_contain_text("Others see it locked")

        path = page.get_by_label("A path on disk")
        await path.fill(str(scans / "maps" / "notes.txt"))
        await page.get_by_role("button", name="Explain").click()
        await expect(page.get_by_text("Not offered", exact=True)).to_be_visible()
        await expect(page.get_by_text("is excluded by *.txt")).to_be_visible()
        await path.fill(str(scans / "maps" / "sheet 07.pdf"))
        await page.get_by_role("button", name="Explain").click()
        await expect(page.get_by_text("Offered", exact=True)).to_be_visible()
        await expect(page.get_by_role("heading", name="1 file could not be read")).to_be_visible()
        await visit.shot("shares")

        await asyncio.to_thread(scans.rename, tmp_path / "elsewhere")
        await page.get_by_role("button", name="Scan now").click()
        await expect(root).to_contain_text("Not there")
        await root.get_by_role("button", name="Actions for scans").click()
        await page.get_by_role("menuitem", name="Share no more").click()
        await dialog.get_by_role("button", name="Share no more").click()
        await expect(root).to_have_count(0)
        visit.allow("422")

    perform(play)


def test_what_the_scan_does_is_shown_as_it_goes(perform: Perform, tmp_path: Path) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.go("shares")
        await expect(page.get_by_text("Up to date")).to_be_visible()
        hub = visit.net.daemon.service.hub
        far = {"progress": 0.42, "phase": "reading", "root": "", "done": 420, "total": 1000}
        hub.show("share.progress", {**far, "rate": 61.3, "seconds_left": 95.0})
        bar = page.get_by_role("progressbar", name="Scanning")
        await expect(bar).to_have_attribute("aria-valuenow", "42")
        await expect(page.get_by_text("420 of 1,000 files")).to_be_visible()
        await expect(page.get_by_text("61 files/s")).to_be_visible()
        await expect(page.get_by_text("1 min 35 s left")).to_be_visible()
        await expect(page.get_by_role("button", name="Stop the scan")).to_be_visible()
        await visit.shot("shares-scanning")
        alone = page.get_by_role("button", name="ours: scan this folder")
        await expect(alone).to_be_disabled()
        hub.tell("share.scan", {"state": "finished", "files": 1, "folders": 1})
        await expect(bar).to_have_count(0)
        await expect(page.get_by_text("Up to date")).to_be_visible()

        (tmp_path / "ours" / "new.txt").touch()
        async with page.expect_response(lambda answer: "/shares/scan?roots=" in answer.url) as answer:
            await alone.click()
        assert (await answer.value).status == 202
        await expect(page.get_by_text("2 files", exact=True)).to_be_visible()

    perform(play)


def test_statistics_draw_speeds_and_our_place_in_the_network(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        # Samples of this test alone: one of the daemon's own would begin another curve.
        (sampler,) = [task for task in asyncio.all_tasks() if task.get_name() == "samples of speeds"]
        sampler.cancel()
        await visit.go("statistics")
        hub = visit.net.daemon.service.hub
        await expect(page.get_by_text("Distributed network")).to_be_visible()
        now = visit.net.daemon.service.now()
        for second in range(60):
            hub.show(
                "statistics.sample",
                {
                    "at": instant(now + timedelta(seconds=2 * second)),
                    "download": 1_000_000 + 15_000 * second,
                    "upload": 400_000 if second > 20 else 0,
                    "searches": 12 + second % 7,
                    "forwarded": 10,
                    "answered": 1,
                },
            )
        plot = page.get_by_role("img", name="Download")
        await expect(plot).to_have_attribute("aria-label", re.compile(r"1\.8 MB/s"))
        await expect(plot.locator("canvas")).to_be_visible()
        tree = page.get_by_role("group", name="is on level 1 below quiet.harbor")
        await expect(tree.get_by_role("link", name="quiet.harbor")).to_be_visible()
        await visit.shot("statistics")
        await page.get_by_role("tab", name="Last day").click()
        await expect(page.get_by_text("The curves begin")).to_be_visible()
        await tree.get_by_role("link", name="quiet.harbor").press("Enter")
        await expect(page.get_by_role("heading", level=1)).to_contain_text("quiet.harbor")

    perform(play)


def test_settings_are_checked_explained_and_saved(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.go("settings/client")
        field = page.get_by_label("Results per answer")
        await expect(field).to_have_value("300")
        await field.fill("99999")
        await expect(page.get_by_role("alert")).to_have_text("At most 5,000.")
        save = page.get_by_role("button", name="Save")
        await expect(save).to_be_disabled()
        await field.fill("120")
        await page.get_by_label("Description").fill("tides & maps")
        await page.get_by_role("link", name="Transfers").nth(1).click()
        await page.get_by_role("switch", name="Retry").uncheck()
        await expect(page.get_by_text("3 changes")).to_be_visible()
        await visit.shot("settings")
        await save.click()
        await expect(page.get_by_text("Saved", exact=True)).to_be_visible()
        settings = visit.net.daemon.service.settings
        await until(
            lambda: visit.net.daemon.service.settings.client.results_per_answer == 120, "the new setting"
        )
        settings = visit.net.daemon.service.settings
        assert settings.client.description == "tides & maps"
        assert not settings.transfers.retry
        await page.get_by_role("searchbox", name="Find a setting").fill("per answer")
        await expect(page.get_by_text("Changed here")).to_be_visible()
        await page.get_by_role("button", name="Take it back").click()
        await save.click()
        await until(
            lambda: visit.net.daemon.service.settings.client.results_per_answer == 300, "the old setting"
        )

    perform(play)


def test_what_only_the_daemon_can_judge_is_shown_at_its_setting(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.go("settings/network")
        await page.get_by_label("Server").fill("nowhere:99999")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("alert")).to_contain_text("99999")
        await expect(page.get_by_label("Server")).to_have_attribute("aria-invalid", "true")
        await page.get_by_role("button", name="Discard").click()
        await expect(page.get_by_role("alert")).to_have_count(0)
        visit.allow("422")

    perform(play)


def test_settings_can_only_be_read_where_the_owner_wants_it_so(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.go("settings/client")
        await expect(page.get_by_text("but not changed")).to_be_visible()
        await expect(page.get_by_label("Results per answer")).to_be_disabled()

    perform(play, remote=False)


def test_the_page_itself_is_set_in_the_same_place(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.go("settings")
        await page.get_by_label("Theme").select_option("Dark")
        assert await page.evaluate("document.documentElement.style.colorScheme") == "dark"
        await page.get_by_label("Theme").select_option("As the system")
        await page.get_by_label("Language").select_option("Deutsch")
        await expect(page.get_by_role("heading", level=1)).to_have_text("Einstellungen")
        await visit.go("settings/network")
        await expect(page.get_by_label("Schnittstelle")).to_be_visible()
        await visit.shot("settings-german")

    perform(play)


def test_the_diagnosis_names_what_is_wrong_first_and_what_helps(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.go("diagnosis")
        await expect(page.get_by_text("Everything is as it should be")).to_be_visible()
        await visit.shot("diagnosis")
        await visit.net.daemon.engine.disconnect()
        await expect(page.get_by_text("needs attention")).to_be_visible()
        first = page.get_by_role("main").get_by_role("listitem").first
        await expect(first).to_contain_text("Login")
        await expect(first).to_contain_text("What helps:")
        await visit.shot("diagnosis-bad")

    perform(play)


def test_the_log_and_what_happens_are_followed(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        logger = logging.getLogger("soulmesh.trial")
        logger.warning("before the page was there")
        await visit.go("log")
        lines = page.get_by_role("grid", name="Log")
        await expect(lines.get_by_role("row").filter(has_text="before the page")).to_be_visible()
        logger.error("while it is watched <script>")
        row = lines.get_by_role("row").filter(has_text="while it is watched <script>")
        await expect(row).to_contain_text("Error")
        await visit.shot("log")
        await page.get_by_label("The least important lines").select_option("Error")
        await expect(lines).to_have_attribute("aria-rowcount", "2")
        await page.get_by_placeholder("Find in the log").fill("nothing like it")
        await expect(page.get_by_text("No such line")).to_be_visible()

        await page.get_by_role("tab", name="Happening now").click()
        await expect(page.get_by_text("It is quiet")).to_be_visible()
        await visit.net.sharer.chat.send("lantern_owl", "psst")
        happening = page.get_by_role("grid", name="Happening now")
        await expect(happening.get_by_role("row").filter(has_text="chat.message")).to_be_visible()
        await page.get_by_role("tab", name="Kept events").click()
        await expect(page.get_by_role("row").filter(has_text="PrivateMessageReceived")).to_contain_text(
            f"{SHARER}: psst"
        )
        await visit.shot("log-kept")
        await page.get_by_role("tab", name="Webhooks and scripts").click()
        await expect(page.get_by_text("Nothing waits")).to_be_visible()

    perform(play)


VIEWS = [
    "rooms",
    "chat",
    "users",
    "interests",
    "wishes",
    "shares",
    "statistics",
    "settings/network",
    "diagnosis",
    "log",
]


@pytest.mark.parametrize("view", VIEWS)
def test_below_a_base_path_and_without_the_network_every_view_says_how_it_is(
    perform: Perform, view: str
) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.net.daemon.engine.disconnect()
        await visit.go(view)
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        await expect(page.get_by_role("status").filter(has_text="Loading")).to_have_count(0)
        await expect(page.locator("main :is(h2, p, table, svg, [data-id])")).not_to_have_count(0)
        # Where the network is needed the view says so, and offers to try again.
        visit.allow("503")

    perform(play, path="/below/here", url_base="/below/here")
