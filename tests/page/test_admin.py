"""What an administrator does in the page: webhooks and keys, privileges, lists of bans."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from playwright.async_api import expect

from soulmesh.server.frames import wire_name
from tests.daemon.stagecraft import OURSELVES, SHARER, until
from tests.page.conftest import Visit

Perform = Callable[..., None]


def test_a_webhook_is_added_changed_and_removed(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page, service = visit.page, visit.net.daemon.service
        await visit.go("settings/webhooks")
        hooks = page.get_by_role("region", name="Webhooks")
        await expect(hooks).to_contain_text("There are no webhooks.")
        await hooks.get_by_role("button", name="Add a webhook").click()
        dialog = page.get_by_role("dialog", name="Add a webhook")
        save = dialog.get_by_role("button", name="Save")
        await expect(save).to_be_disabled()
        await dialog.get_by_label("Name", exact=True).fill("done")
        await dialog.get_by_label("Address").fill("https://example.org/hook")
        await dialog.get_by_label("Secret").fill("s3cret")
        await dialog.get_by_label("Time", exact=True).fill("0")
        await save.click()
        # What is wrong is said at the field.
        await expect(dialog.get_by_label("Time", exact=True)).to_have_attribute("aria-invalid", "true")
        await dialog.get_by_label("Time", exact=True).fill("7.5")
        await visit.shot("settings-webhook")
        await save.click()
        await expect(dialog).to_be_hidden()
        await expect(hooks.get_by_role("listitem")).to_contain_text("https://example.org/***** · Any")
        await until(lambda: "done" in service.settings.webhooks, "the webhook")
        assert service.settings.webhooks["done"].timeout == 7.5
        await visit.shot("settings-webhooks")

        # By keyboard alone, and the secret stays although it is not shown.
        await hooks.get_by_role("button", name="Edit done").focus()
        await page.keyboard.press("Enter")
        edit = page.get_by_role("dialog", name="Edit done")
        await expect(edit.get_by_label("Secret")).to_have_value("")
        await edit.get_by_label("Events").fill("DownloadFileComplete\nUploadFileComplete")
        await edit.get_by_label("Address").press("Enter")
        await expect(edit).to_be_hidden()
        await expect(hooks.get_by_role("listitem")).to_contain_text(
            "DownloadFileComplete, UploadFileComplete"
        )
        await until(lambda: len(service.settings.webhooks["done"].on) == 2, "the change")
        secret = service.settings.webhooks["done"].secret
        assert secret is not None
        assert secret.get_secret_value() == "s3cret"

        await hooks.get_by_role("button", name="Remove done").click()
        await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        await expect(hooks).to_contain_text("There are no webhooks.")
        await until(lambda: not service.settings.webhooks, "the removal")
        visit.allow("422")

    perform(play)


def test_where_settings_come_from_the_file_alone_the_page_says_where(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.go("settings/scripts")
        scripts = page.get_by_role("region", name="Scripts")
        await expect(scripts).to_contain_text("config.toml, as [scripts.NAME]")
        await expect(scripts.get_by_role("button")).to_have_count(0)
        await visit.go("settings/web")
        keys = page.get_by_role("region", name="Api keys")
        await expect(keys).to_contain_text("There are no further keys.")

    perform(play, remote=False)


def test_days_of_privileges_are_given_from_the_page_of_a_user(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page, server = visit.page, visit.net.server
        # A little more than three: of the last day some seconds are gone when it is asked for.
        user = server.realm.users[wire_name(OURSELVES.encode())]
        server.parts.privileges.set_days(user, 3.5)
        await visit.go(f"users/{SHARER}")
        more = page.get_by_role("button", name=f"More about {SHARER}")
        await more.click()
        await page.get_by_role("menuitem", name="Give privileges…").click()
        dialog = page.get_by_role("dialog", name=f"Give privileges to {SHARER}")
        await expect(dialog).to_contain_text("You have 3 days left.")
        days = dialog.get_by_label("Days")
        await days.fill("4")
        await expect(days).to_have_attribute("aria-invalid", "true")
        await expect(dialog.get_by_role("button", name="Give")).to_be_disabled()
        await days.fill("2")
        await visit.shot("user-privileges")
        await days.press("Enter")
        await expect(page.get_by_text(f"{SHARER} got 2 days")).to_be_visible()
        await expect(dialog).to_be_hidden()
        await more.click()
        await page.get_by_role("menuitem", name="Give privileges…").click()
        await expect(dialog).to_contain_text("You have 1 day left.")

    perform(play)


def test_bans_are_saved_as_a_text_and_block_lists_are_read(perform: Perform, tmp_path: Path) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        book = visit.net.daemon.engine.client.users.book
        await visit.go("users?which=addresses")
        await expect(page.get_by_text("0 by name, 0 by address")).to_be_visible()
        await expect(page.get_by_role("button", name="Save all bans")).to_be_disabled()
        await page.get_by_role("button", name="Import bans…").click()
        dialog = page.get_by_role("dialog", name="Import bans")
        lines = dialog.get_by_label("Lines")
        await lines.fill("user noisy.neighbour\nsomewhere else\n")
        await dialog.get_by_role("button", name="Import").click()
        await expect(lines).to_have_attribute("aria-invalid", "true")
        assert book.banned_names == set()
        blocked = tmp_path / "list.p2p"
        blocked.write_text("Lab:198.51.100.0-198.51.100.255\n# a remark\nuser noisy.neighbour\n")
        await dialog.get_by_label("From a file").set_input_files(blocked)
        await expect(lines).to_have_value(blocked.read_text())
        await visit.shot("users-import")
        await dialog.get_by_role("button", name="Import").click()
        await expect(page.get_by_text("2 lines were taken")).to_be_visible()
        await expect(page.get_by_text("1 by name, 1 by address")).to_be_visible()
        await expect(page.get_by_role("listitem").filter(has_text="198.51.100.0/24")).to_be_visible()
        assert book.banned_names == {"noisy.neighbour"}
        async with page.expect_download() as saved:
            await page.get_by_role("button", name="Save all bans").click()
        file = await saved.value
        text = await asyncio.to_thread(Path(await file.path()).read_text)
        assert text == "user noisy.neighbour\naddress 198.51.100.0/24\n"
        assert file.suggested_filename == "soulmesh-bans.txt"
        visit.allow("422")

    perform(play)


def test_what_was_said_is_found_and_shown_where_it_was_said(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page, service = visit.page, visit.net.daemon.service
        for number in range(320):
            text = "the Tide tables are here" if number == 7 else f"line {number:03}"
            service.conversations.received(SHARER, text, at=service.now(), replayed=False)
        await visit.go(f"chat/{SHARER}")
        rows = page.get_by_role("log").locator("[data-id]")
        await expect(rows).to_have_count(100)
        await page.get_by_role("button", name="Search in this conversation").click()
        field = page.get_by_role("searchbox", name="Search in this conversation")
        await expect(field).to_be_focused()
        await field.fill("nothing of this kind")
        await expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
        await field.fill("tables TIDE")
        found = page.get_by_role("list", name="Lines that were found").get_by_role("listitem")
        await expect(found).to_have_count(1)
        await expect(found.locator("mark")).to_have_text(["Tide", "tables"])
        await visit.shot("chat-find")
        await found.get_by_role("button").focus()
        await page.keyboard.press("Enter")
        line = page.get_by_role("log").locator(".pointed")
        await expect(line).to_contain_text("the Tide tables are here")
        await expect(line).to_be_in_viewport()
        await expect(line).to_be_focused()
        # Everything from there to the newest line is here now.
        await expect(rows).to_have_count(320)
        await visit.shot("chat-found")
        await page.get_by_role("button", name="Search in this conversation").click()
        await page.keyboard.press("Escape")
        await expect(field).to_have_count(0)

    perform(play)


def test_a_diagnosis_that_is_longer_than_a_phone_is_scrolled_by_keys(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await page.set_viewport_size({"width": 390, "height": 500})
        await visit.go("diagnosis")
        body = page.get_by_role("group", name="Diagnosis")
        await expect(body.get_by_role("listitem").first).to_be_visible()
        await body.focus()
        await page.keyboard.press("End")
        await expect(body.get_by_role("listitem").last).to_be_in_viewport()

    perform(play)
