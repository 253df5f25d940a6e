"""The page in a real browser, on a real daemon with real peers.

``perform(play)`` makes the network of :mod:`tests.daemon.stagecraft` (a server, a user who shares an album,
our daemon), opens the page in Chromium and runs ``await play(visit)``. Anything on the console that is an
error, and any exception in the page, fails the test. Screenshots go to ``artefacts/page``.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from tests.daemon.fakes import KEY
from tests.daemon.stagecraft import Network, network

ROOT = Path(__file__).parents[2]
ARTEFACTS = ROOT / "artefacts" / "page"
VENDOR = ROOT / "src" / "soulmesh" / "daemon" / "page" / "vendor"

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 780}
WAIT = 15_000
"""Milliseconds that something may take to be seen; it usually takes some tens."""
expect.set_options(timeout=WAIT)


def chromium() -> str | None:
    """Where Debian's browser is, or whichever there is."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A network and a browser take their time to start: `make quick` leaves these tests out."""
    for item in items:
        if item.path.parent == Path(__file__).parent and item.path.name != "test_texts.py":
            item.add_marker(pytest.mark.slow)


@dataclass
class Visit:
    """A page that is open, and what stands behind it."""

    page: Page
    context: BrowserContext
    browser: Browser
    net: Network
    troubles: list[str] = field(default_factory=list)
    """Errors on the console and in the page: there have to be none at the end."""
    allowed: list[str] = field(default_factory=list)
    """Patterns of errors that belong to the test, whether they came already or are on their way."""

    async def go(self, where: str) -> None:
        """Show another view."""
        await self.page.evaluate("where => { location.hash = '#/' + where }", where)

    async def shot(self, name: str) -> None:
        """Keep pictures: a desk and a phone, light and dark."""
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        for size, viewport in (("desk", DESK), ("phone", PHONE)):
            await self.page.set_viewport_size(viewport)  # type: ignore[arg-type]
            for scheme in ("light", "dark"):
                await self.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                await self.page.screenshot(path=ARTEFACTS / f"{name}-{size}-{scheme}.png")
        await self.page.set_viewport_size(DESK)  # type: ignore[arg-type]
        await self.page.emulate_media(color_scheme="light")

    def allow(self, pattern: str) -> None:
        """An error that belongs to the test."""
        self.allowed.append(pattern)

    @property
    def unexpected(self) -> list[str]:
        """Errors that do not belong to the test."""
        return [
            trouble
            for trouble in self.troubles
            if not any(re.search(pattern, trouble) for pattern in self.allowed)
        ]


Play = Callable[[Visit], Coroutine[Any, Any, None]]


@contextlib.asynccontextmanager
async def visit(
    net: Network, *, key: str | None = KEY, path: str = "/", **context: Any
) -> AsyncIterator[Visit]:
    """The page of a daemon in a browser of its own."""
    async with async_playwright() as play:
        browser = await play.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            settings = {"viewport": DESK, "locale": "en-GB", "color_scheme": "light", **context}
            opened = await browser.new_context(**settings)
            opened.set_default_timeout(WAIT)
            if key is not None:
                kept = json.dumps({"token": None, "key": key})
                await opened.add_init_script(f"localStorage.setItem('soulmesh.session', {json.dumps(kept)})")
            page = await opened.new_page()
            found = Visit(page, opened, browser, net)
            page.on("pageerror", lambda error: found.troubles.append(str(error)))
            page.on(
                "console",
                lambda line: found.troubles.append(line.text) if line.type in ("error", "warning") else None,
            )
            await page.goto(net.url + path)
            yield found
            assert found.unexpected == []
        finally:
            await browser.close()


def needed() -> None:
    """Skips a test, loudly, where there is no browser; fails it where the page is not built."""
    if chromium() is None:
        pytest.skip("NOT TESTED: the page, for there is no Chromium here (apt-get install chromium)")
    if not (VENDOR / "preact.js").exists():
        pytest.fail("the libraries of the page are missing: make .venv/.ready-dev, with a connection to npm")


@pytest.fixture
def perform(tmp_path: Path) -> Callable[..., None]:
    """Runs a test's coroutine with the page open before it."""
    needed()

    def run(play: Play, *, key: str | None = KEY, path: str = "/", remote: bool = True, **more: Any) -> None:
        async def whole() -> None:
            async with (
                network(tmp_path, remote=remote, **more) as net,
                visit(net, key=key, path=path) as found,
            ):
                async with asyncio.timeout(45):
                    await play(found)

        asyncio.run(whole())

    return run
