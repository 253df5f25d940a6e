"""The frame of the page: login, navigation, themes, languages, base path."""

from __future__ import annotations

import re
from collections.abc import Callable

from playwright.async_api import WebSocketRoute, expect

from tests.page.conftest import PHONE, Visit

Perform = Callable[..., None]


def test_the_first_view_is_search_and_the_account_is_shown(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        await expect(visit.page.get_by_role("heading", level=1)).to_have_text("Search")
        await expect(visit.page.get_by_role("button", name="lantern_owl")).to_be_visible()

    perform(play)


def test_a_link_of_the_navigation_shows_another_view_and_focus_goes_to_its_heading(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        await visit.page.get_by_role("link", name="Transfers").click()
        heading = visit.page.get_by_role("heading", level=1, name="Transfers")
        await expect(heading).to_be_focused()
        assert visit.page.url.endswith("#/transfers")
        await visit.page.go_back()
        await expect(visit.page.get_by_role("heading", level=1)).to_have_text("Search")

    perform(play)


def test_who_has_no_credential_logs_in_with_name_and_password(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        await visit.shot("login")
        await page.get_by_role("button", name="Use an API key instead").click()
        await expect(page.get_by_label("API key")).to_be_focused()
        await page.keyboard.type("typed by mistake")
        await page.get_by_role("button", name="Use name and password instead").click()
        await expect(page.get_by_label("Name")).to_be_focused()
        await expect(page.get_by_label("Password")).to_have_value("")
        await page.get_by_label("Name").fill("admin")
        await page.get_by_label("Password").fill("wrong")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("alert")).to_contain_text("not right")
        await page.get_by_label("Password").fill("correct horse")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("button", name="lantern_owl")).to_be_visible()
        await page.reload()
        await expect(page.get_by_role("button", name="lantern_owl")).to_be_visible()
        # Tabs of one browser are in or out together.
        other = await visit.context.new_page()
        await other.goto(f"{visit.net.url}/#/settings")
        await expect(other.get_by_role("button", name="lantern_owl")).to_be_visible()
        await other.get_by_role("button", name="Log out").click()
        await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        await other.get_by_label("Name").fill("admin")
        await other.get_by_label("Password").fill("correct horse")
        await other.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("button", name="lantern_owl")).to_be_visible()
        visit.allow("401")

    perform(play, key=None)


def test_who_is_not_let_in_any_more_is_asked_to_log_in_again(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page, service = visit.page, visit.net.daemon.service
        sockets: list[WebSocketRoute] = []

        def keep(socket: WebSocketRoute) -> None:
            sockets.append(socket)
            socket.connect_to_server()

        await page.route_web_socket(re.compile("/events/socket"), keep)
        await page.get_by_label("Name").fill("admin")
        await page.get_by_label("Password").fill("correct horse")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("button", name="lantern_owl")).to_be_visible()
        # As after a restart: what was signed before counts no more.
        service.signing = b"another one of the same length.."
        service.apply(service.settings)
        visit.allow("401|403|WebSocket")
        await sockets[-1].close()
        await expect(page.get_by_role("heading", name="Log in")).to_be_visible()
        await page.get_by_label("Name").fill("admin")
        await page.get_by_label("Password").fill("correct horse")
        await page.get_by_role("button", name="Log in").click()
        await expect(page.get_by_role("button", name="lantern_owl")).to_be_visible()

    perform(play, key=None)


def test_the_page_works_below_a_base_path(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        await expect(visit.page.get_by_role("button", name="lantern_owl")).to_be_visible()
        assert visit.page.url.endswith("/below/here/")

    perform(play, path="/below/here", url_base="/below/here")


def test_the_page_speaks_german_when_the_person_does(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await page.get_by_role("button", name="lantern_owl").click()
        await page.get_by_text("Deutsch").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Suche")
        assert await page.evaluate("document.documentElement.lang") == "de"
        # What the daemon found and says is German as well. A port is a name, not a number to be read.
        await visit.go("diagnosis")
        port = str(visit.net.daemon.engine.client.listening.port)
        await expect(page.get_by_role("main")).to_contain_text(f":{port}")
        await visit.net.daemon.engine.disconnect()
        await visit.go("diagnosis")
        login = page.get_by_role("main").locator("[data-id=login]")
        await expect(login).to_contain_text("Abgemeldet, wie jemand es wollte")
        await expect(login).to_contain_text("Verbinden")
        await expect(page.locator("[data-id=shares]")).to_contain_text("Dateien: 1, in Ordnern: 1")
        await visit.shot("diagnosis-german")
        visit.allow("503")
        await visit.go("browse/somebody")
        await expect(page.get_by_role("alert")).to_contain_text(re.compile("Nicht angemeldet|Abgemeldet"))

    perform(play)


def test_the_colours_can_be_chosen_and_are_remembered(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await page.get_by_role("button", name="lantern_owl").click()
        await page.get_by_text("Dark", exact=True).click()
        await page.reload()
        await expect(page.get_by_role("heading", level=1)).to_be_visible()
        shade = await page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert shade == "rgb(22, 25, 28)"

    perform(play)


def test_a_phone_has_the_navigation_at_its_foot(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        await expect(page.get_by_role("button", name="More")).to_be_visible()
        box = await page.get_by_role("navigation").bounding_box()
        assert box is not None
        assert box["y"] > 650
        assert box["width"] == PHONE["width"]
        wide = await page.evaluate("document.documentElement.scrollWidth")
        assert wide == PHONE["width"], "nothing sticks out at the side"
        await visit.go("log")
        tabs = page.get_by_role("tab")
        await expect(tabs.last).to_be_visible()
        for tab in await tabs.all():
            await expect(tab).to_be_in_viewport(ratio=1)

    perform(play)


def test_the_files_are_kept_for_ever_and_the_index_is_asked_for_anew(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        index = await page.request.get(visit.net.url)
        assert index.headers["cache-control"] == "no-cache"
        assert "default-src 'self'" in index.headers["content-security-policy"]
        again = await page.request.get(visit.net.url, headers={"If-None-Match": index.headers["etag"]})
        assert again.status == 304
        found = re.search(r'src="(static/[0-9a-f]+/js/app\.js)"', await index.text())
        assert found is not None
        script = await page.request.get(f"{visit.net.url}/{found[1]}")
        assert script.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert script.headers["content-type"] == "text/javascript; charset=utf-8"
        old = await page.request.get(f"{visit.net.url}/static/before/js/app.js")
        assert old.headers["cache-control"] == "no-cache"
        for path in ("static/x/../run.py", "static/x/js/%2e%2e/%2e%2e/run.py", "static/x/js/none.js"):
            assert (await page.request.get(f"{visit.net.url}/{path}")).status in (401, 404)

    perform(play)
