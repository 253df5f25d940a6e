"""The first start: the page asks for an account, and for something to share."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from playwright.async_api import expect

from soulmesh.daemon.engine import Account
from soulmesh.daemon.run import Daemon
from soulmesh.net.world import World
from soulmesh.server.app import Server
from soulmesh.server.settings import make_settings
from tests.daemon.fakes import KEY
from tests.daemon.stagecraft import Network, loader
from tests.page.conftest import Visit, needed, visit


@contextlib.asynccontextmanager
async def bare(tmp_path: Path) -> AsyncIterator[Network]:
    """A server, and a daemon that knows neither who it is nor what to share."""
    async with contextlib.AsyncExitStack() as stack:
        settings = make_settings({"server.host": "127.0.0.1", "server.port": 0})
        server = await stack.enter_async_context(Server(World.real(), settings))
        downloads = tmp_path / "downloads"
        downloads.mkdir()
        values: dict[str, Any] = {
            "daemon": {"data": str(tmp_path / "data")},
            "network": {"server": f"127.0.0.1:{server.port}", "listen_port": 0},
            "downloads": {"folder": str(downloads)},
            "web": {"port": 0, "api_key": KEY},
        }
        daemon = await stack.enter_async_context(Daemon(loader(values, Account(None))))
        yield Network(server, None, daemon, downloads, tmp_path / "config.toml")  # type: ignore[arg-type]


def test_the_assistant_leads_from_nothing_to_a_first_search(tmp_path: Path) -> None:
    needed()

    async def play(visit: Visit) -> None:
        page = visit.page
        dialog = page.get_by_role("dialog", name="Getting started")
        await expect(dialog.get_by_role("listitem").filter(has_text="Account")).to_have_attribute(
            "aria-current", "step"
        )
        await visit.shot("start-account")
        await dialog.get_by_label("Name").fill("first.light")
        await dialog.get_by_label("Password").fill("a good one")
        await dialog.get_by_role("button", name="Log in to the network").click()
        await expect(dialog.get_by_text("Nothing is shared.")).to_be_visible()
        await visit.shot("start-shares")
        # What is downloaded may be shared from here; other folders are named where the daemon is started.
        await expect(dialog.get_by_label("Another folder")).to_be_hidden()
        (visit.net.downloads / "song.mp3").write_bytes(b"x" * 1000)
        await dialog.get_by_role("button", name="Share downloads").click()
        await expect(dialog.get_by_text("You are first.light")).to_be_visible()
        await visit.shot("start-ready")
        await dialog.get_by_role("button", name="Search something").click()
        await expect(dialog).to_be_hidden()
        await expect(page.get_by_role("button", name="first.light")).to_be_visible()

    async def whole() -> None:
        async with bare(tmp_path) as net, visit(net) as found, asyncio.timeout(45):
            await play(found)

    asyncio.run(whole())


def test_sharing_can_be_put_off_and_the_page_goes_on_saying_that_nothing_is_shared(tmp_path: Path) -> None:
    needed()

    async def play(visit: Visit) -> None:
        page = visit.page
        dialog = page.get_by_role("dialog", name="Getting started")
        await dialog.get_by_label("Name").fill("first.light")
        await dialog.get_by_label("Password").fill("a good one")
        await page.keyboard.press("Enter")
        await dialog.get_by_role("button", name="Later").click()
        await page.reload()
        hint = page.get_by_role("button", name="Nothing is shared yet")
        await expect(hint).to_be_visible()
        await expect(dialog).to_be_hidden()
        await hint.click()
        await expect(dialog.get_by_text("Nothing is shared.")).to_be_visible()
        # A shared folder without files shares nothing either; what comes into it is told.
        scanning = visit.net.daemon.engine.scanning
        assert scanning is not None
        scanning.share([visit.net.downloads])
        await expect(dialog.get_by_text("There are no files in the shared folders yet.")).to_be_visible()
        await visit.shot("start-empty")
        (visit.net.downloads / "song.mp3").write_bytes(b"x" * 1000)
        await expect(hint).to_be_hidden()
        await expect(dialog.get_by_text("You are first.light, and share 1 file.")).to_be_visible()

    async def whole() -> None:
        async with bare(tmp_path) as net, visit(net) as found, asyncio.timeout(45):
            await play(found)

    asyncio.run(whole())
