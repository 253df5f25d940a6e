"""Browsing in the page: a tree that opens, the files of a folder, a search inside."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

from playwright.async_api import expect

from soulmesh import wire
from soulmesh.client.browse import Browse, BrowseProgressed
from soulmesh.wire import peer
from soulmesh.wire.structs import DirectoryData, FileData
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


def test_who_does_not_exist_cannot_be_browsed_and_the_page_says_so(perform: Perform) -> None:
    async def play(visit: Visit) -> None:
        page = visit.page
        await visit.go("browse/nobody")
        await expect(page.get_by_role("alert")).to_contain_text("there is no user named nobody")
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


def halves_of_a_list() -> tuple[list[bytes], int]:
    """A list of 200 albums as it travels, cut where both pieces can be read by themselves."""
    albums = [
        DirectoryData(f"music\\Album {number:03}", [FileData(1, f"Song {number}.flac", 1000, "flac", [])])
        for number in range(200)
    ]
    inner = zlib.decompress(wire.encode(peer.PeerSharesReply(albums))[8:])
    packer = zlib.compressobj()
    at = inner.index(b"Album 100") - len("music") - 5
    first = packer.compress(inner[:at]) + packer.flush(zlib.Z_SYNC_FLUSH)
    rest = packer.compress(inner[at:]) + packer.flush()
    return [first, rest], len(first) + len(rest)


def test_a_long_list_is_shown_while_it_is_on_its_way(perform: Perform, tmp_path: Path) -> None:
    async def play(visit: Visit) -> None:
        page, client = visit.page, visit.net.daemon.engine.client
        pieces, total = halves_of_a_list()
        coming = Browse("mira", tmp_path / "mira.sqlite")

        async def take(piece: bytes) -> None:
            await coming.take(piece, total)
            here = (coming.folders, coming.files, coming.done, coming.total)
            client.events.emit(BrowseProgressed("mira", *here))

        async def browse(_username: str, *, timeout: float = 60.0, patience: float | None = None) -> Browse:
            await take(pieces[0])
            return coming

        async def online(_username: str) -> None:
            pass

        client.browse = browse  # type: ignore[method-assign, assignment]
        client.users.require_online = online  # type: ignore[method-assign]
        await visit.go("browse/mira")
        tree = page.get_by_role("treegrid", name="Folders of mira")
        await tree.get_by_role("row", name="Album 007").click()
        await expect(page.get_by_role("grid", name="Files in Album 007")).to_have_attribute(
            "aria-rowcount", "2"
        )
        await expect(tree).to_have_attribute("aria-rowcount", str(1 + 1 + 100))
        bar = page.get_by_role("progressbar", name="The list of mira is coming")
        await expect(bar).to_be_visible()
        await visit.shot("browse-coming")
        await take(pieces[1])
        await expect(tree).to_have_attribute("aria-rowcount", str(1 + 1 + 200))
        await expect(bar).to_be_hidden()
        await expect(tree.get_by_role("row", name="Album 007")).to_have_attribute("aria-selected", "true")

    perform(play)
