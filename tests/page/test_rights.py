"""With a key that may look and change nothing, all is shown, and what cannot be done is not live."""

from __future__ import annotations

from collections.abc import Callable

from playwright.async_api import Locator, expect

from tests.daemon.fakes import KEY
from tests.daemon.stagecraft import SHARER
from tests.page.conftest import Visit

Perform = Callable[..., None]
LOOKS = "looks-and-changes-nothing"
WHY = "Read only: this key or login may look, but change nothing."


async def barred(control: Locator) -> None:
    """It is there, is not live, and says why."""
    await expect(control).to_be_disabled()
    assert await control.evaluate("one => one.closest('[title]').title") == WHY


def test_who_may_only_look_is_told_so_and_finds_nothing_live_that_would_change_anything(
    perform: Perform,
) -> None:
    async def play(visit: Visit) -> None:
        page, sent = visit.page, list[str]()
        page.on("request", lambda one: sent.append(one.method))
        await expect(page.get_by_text("Read only")).to_be_visible()
        await barred(page.get_by_role("searchbox", name="What to search for"))
        await barred(page.get_by_role("search").get_by_role("button", name="Search"))
        made = await page.request.post(
            f"{visit.net.url}/api/v1/searches", data={"text": "tidal maps"}, headers={"X-API-Key": KEY}
        )
        assert made.ok
        row = page.get_by_role("row", name="tidal maps")
        await row.hover()
        await barred(row.get_by_role("button", name="Forget the search tidal maps"))
        # Keys do no more than buttons.
        past = page.get_by_role("grid", name="Earlier searches")
        await past.press("Delete")
        await expect(page.get_by_role("status").get_by_text(WHY)).to_be_visible()
        await past.press("Enter")
        tree = page.get_by_role("treegrid")
        await expect(tree).to_be_focused()
        await tree.press("d")
        await page.get_by_role("button", name=f"What to do with {SHARER}").first.click()
        await barred(page.get_by_role("menuitem", name="Ban"))
        await expect(page.get_by_role("menuitem", name="Show user")).to_be_enabled()

        await visit.go("chat")
        for button in await page.get_by_role("button", name="Write to…").all():
            await barred(button)
        await visit.go(f"chat/{SHARER}")
        await barred(page.get_by_role("textbox", name=f"Write to {SHARER}"))
        await barred(page.get_by_role("button", name="Send"))
        await visit.go("rooms")
        await page.get_by_role("button", name="New room").click()
        await barred(page.get_by_role("menuitem").first)
        await visit.go("shares")
        await barred(page.get_by_role("button", name="Scan now"))
        visit.allow("404")
        await visit.go(f"browse/{SHARER}")
        await expect(page.get_by_role("heading", name="Not asked for yet")).to_be_visible()
        await expect(page.get_by_role("status").filter(has_text=f"files of {SHARER}")).to_contain_text(WHY)
        await barred(page.get_by_role("button", name="Browse", exact=True))
        await visit.shot("read-only")
        assert set(sent) == {"GET"}

    perform(play, key=LOOKS, api_keys={"looks": {"key": LOOKS, "role": "ReadOnly"}})
