"""The package ``slskd-api`` as it comes from PyPI, against a running daemon on a network of its own."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.daemon.fakes import KEY
from tests.daemon.stagecraft import ALBUM, OURSELVES, SHARER, SONGS, Network, network

slskd_api = pytest.importorskip("slskd_api")
requests = pytest.importorskip("requests")

FOLDER = f"music\\Quiet Harbor\\{ALBUM}"


@contextlib.contextmanager
def connected(url: str, *arguments: Any, **named: Any) -> Iterator[Any]:
    """The package's client, its connections closed afterwards."""
    client = slskd_api.SlskdClient(url, *arguments, timeout=20, **named)
    try:
        yield client
    finally:
        client.application.session.close()


def refused(call: Callable[..., Any], *arguments: Any) -> int:
    """The status that a call is refused with. The package leaves the rest of that answer unread."""
    with pytest.raises(requests.HTTPError) as caught:
        call(*arguments)
    response = caught.value.response
    response.close()
    return int(response.status_code)


def wait(happened: Callable[[], Any], seconds: float = 15.0) -> Any:
    """In a thread of its own, as the programs of others wait."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = happened()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("it did not happen in time")


def perform(tmp_path: Path, play: Callable[[Any, Network], None], **web: Any) -> None:
    async def whole() -> None:
        async with network(tmp_path, **web) as net:
            with connected(net.url, KEY) as client:
                await asyncio.to_thread(play, client, net)

    asyncio.run(whole())


def search(slskd: Any, text: str) -> list[dict[str, Any]]:
    found = slskd.searches.search_text(
        searchText=text,
        searchTimeout=400,
        filterResponses=True,
        maximumPeerQueueLength=50,
        minimumPeerUploadSpeed=0,
    )
    wait(lambda: slskd.searches.state(found["id"])["state"] != "InProgress")
    assert slskd.searches.state(found["id"])["state"] == "Completed, TimedOut"
    responses: list[dict[str, Any]] = slskd.searches.search_responses(found["id"])
    return responses


def test_everything_that_the_package_can_do(tmp_path: Path) -> None:
    def play(slskd: Any, net: Network) -> None:
        # The daemon itself.
        state = slskd.application.state()
        assert state["server"]["state"] == "Connected, LoggedIn"
        assert state["user"]["username"] == OURSELVES
        assert state["shares"]["files"] == 1
        assert slskd.application.version() == "0.26.0"
        assert slskd.application.check_updates(forceCheck=True)["isUpdateAvailable"] is False
        assert slskd.application.gc() is True
        assert slskd.server.state()["isLoggedIn"] is True
        assert slskd.session.auth_valid() is True
        assert slskd.session.security_enabled() is True
        assert slskd.options.get()["directories"]["downloads"] == str(net.downloads)
        assert slskd.options.get_startup()["web"]["authentication"]["password"] == "*****"
        assert isinstance(slskd.logs.get(), list)
        assert "slskd_transfers_downloads_completed_succeeded 0" in slskd.telemetry.get_metrics()

        # Searching, and one file of it.
        [response] = search(slskd, "song tidal")
        assert response["username"] == SHARER
        assert {file["filename"] for file in response["files"]} == {f"{FOLDER}\\{name}" for name in SONGS}
        wanted = sorted(response["files"], key=lambda file: str(file["filename"]))
        assert slskd.transfers.enqueue(SHARER, wanted[:1]) is True
        [folder] = slskd.transfers.get_downloads(SHARER)["directories"]
        assert folder["directory"] == FOLDER
        [file] = folder["files"]
        assert file["filename"] == wanted[0]["filename"]
        done = wait(
            lambda: (
                (found := slskd.transfers.get_download(SHARER, file["id"]))["state"].startswith("Completed")
                and found
            )
        )
        assert done["state"] == "Completed, Succeeded", done
        assert (done["bytesTransferred"], done["percentComplete"]) == (done["size"], 100)
        landed = net.downloads / ALBUM / "01 - Song 1.flac"
        assert landed.read_bytes() == SONGS["01 - Song 1.flac"]
        assert len(slskd.transfers.get_all_downloads()) == 1
        assert slskd.transfers.get_all_uploads() == []
        assert refused(slskd.transfers.get_uploads, "nobody") == 404
        assert slskd.transfers.remove_completed_downloads() is True
        assert slskd.transfers.get_all_downloads() == []
        assert len(slskd.transfers.get_all_downloads(includeRemoved=True)) == 1
        assert slskd.transfers.remove_completed_uploads() is True
        all_searches = slskd.searches.get_all()
        assert len(all_searches) == 1
        assert slskd.searches.stop(all_searches[0]["id"]) is True
        assert slskd.searches.delete(all_searches[0]["id"]) is True

        # What was told of it.
        events = slskd.events.get()
        kinds = [event["type"] for event in events]
        assert kinds[:2] == ["DownloadDirectoryComplete", "DownloadFileComplete"]
        assert "SoulseekClientConnected" in kinds
        assert slskd.events.create("downloadFILEcomplete", "test: ") is True
        summary = slskd.telemetry.get_transfer_summary()
        assert summary["Download"]["Succeeded"]["count"] == 1
        assert summary["Upload"] == {}
        assert slskd.telemetry.get_transfer_leaderboard(direction="Download")[0]["username"] == SHARER

        # The files that are there.
        listing = slskd.files.get_downloads_dir(recursive=True)
        assert [entry["fullName"] for entry in listing["files"]] == [f"{ALBUM}/01 - Song 1.flac"]
        assert slskd.files.get_downloaded_directory(ALBUM)["files"][0]["length"] == done["size"]
        assert refused(slskd.files.delete_downloaded_directory, ALBUM) == 403
        assert slskd.files.get_incomplete_dir()["fullName"] == ""

        # People.
        assert slskd.users.status(SHARER)["presence"] == "Online"
        assert slskd.users.status("nobody at all")["presence"] == "Offline"
        assert slskd.users.address(SHARER)["address"] == "127.0.0.1"
        assert slskd.users.info(SHARER)["hasFreeUploadSlot"] is True
        browsed = slskd.users.browse(SHARER)
        [shared] = [entry for entry in browsed["directories"] if entry["name"] == FOLDER]
        assert {entry["filename"] for entry in shared["files"]} == set(SONGS)
        assert slskd.users.browsing_status(SHARER)["username"] == SHARER
        [contents] = slskd.users.directory(SHARER, FOLDER)
        assert {entry["filename"] for entry in contents["files"]} == set(SONGS)
        assert refused(slskd.users.browse, "nobody at all") == 404

        # Talk.
        assert slskd.conversations.send(SHARER, "thanks for the tapes") is True
        [conversation] = slskd.conversations.get_all()
        assert conversation["unAcknowledgedMessageCount"] == 0
        asyncio.run_coroutine_threadsafe(net.sharer.chat.send(OURSELVES, "any time"), loop[0]).result(10)
        wait(lambda: len(slskd.conversations.get_messages(SHARER)) == 2)
        messages = slskd.conversations.get(SHARER)["messages"]
        assert [message["message"] for message in messages] == ["thanks for the tapes", "any time"]
        assert slskd.conversations.acknowledge(SHARER, messages[1]["id"]) is True
        assert slskd.conversations.acknowledge_all(SHARER) is True
        assert slskd.conversations.delete(SHARER) is True
        assert slskd.conversations.get_all() == []

        room = slskd.rooms.join("indie tapes")
        assert room["name"] == "indie tapes"
        assert slskd.rooms.join("indie tapes")["name"] == "indie tapes"
        assert slskd.rooms.get_all_joined() == ["indie tapes"]
        assert slskd.rooms.send("indie tapes", "looking forward") is True
        [said] = wait(lambda: slskd.rooms.get_messages("indie tapes"))
        assert (said["message"], said["self"]) == ("looking forward", True)
        [ourselves] = slskd.rooms.get_users("indie tapes")
        assert (ourselves["username"], ourselves["self"], ourselves["status"]) == (OURSELVES, True, "Online")
        assert slskd.rooms.set_ticker("indie tapes", "hello") is True
        assert "indie tapes" in [entry["name"] for entry in slskd.rooms.get_all()]
        assert slskd.rooms.get_joined("indie tapes")["isPrivate"] is False
        assert slskd.rooms.leave("indie tapes") is True

        # Shares.
        [share] = slskd.shares.get_all()["local"]
        assert slskd.shares.get(share["id"])["alias"] == "ours"
        [offered] = [entry for entry in slskd.shares.all_contents() if entry["fileCount"]]
        assert offered["files"][0]["filename"] == "04 - Gangway.mp3"
        assert [entry for entry in slskd.shares.contents(share["id"]) if entry["fileCount"]] == [offered]
        assert slskd.shares.start_scan() is True

        # Leaving and coming back.
        assert slskd.server.disconnect() is True
        wait(lambda: not slskd.server.state()["isConnected"])
        assert refused(slskd.searches.search_text, "while logged out") == 409
        assert slskd.server.connect() is True
        wait(lambda: slskd.server.state()["isLoggedIn"])

    loop: list[asyncio.AbstractEventLoop] = []

    async def whole() -> None:
        loop.append(asyncio.get_running_loop())
        async with network(tmp_path) as net:
            with connected(net.url, KEY) as client:
                await asyncio.to_thread(play, client, net)

    asyncio.run(whole())


def test_a_login_does_what_keys_may_not(tmp_path: Path) -> None:
    def play(slskd: Any, net: Network) -> None:
        assert refused(slskd.options.download_yaml) == 401
        with connected(net.url, username="admin", password="correct horse") as admin:
            assert refused(admin.options.download_yaml) == 403, "remote configuration is off"
            assert admin.application.stop() is True
        wait(lambda: net.daemon._stopping.is_set())

    perform(tmp_path, play)


def test_the_daemon_works_below_a_base_path(tmp_path: Path) -> None:
    async def whole() -> None:
        async with network(tmp_path, url_base="/soul/") as net:
            with connected(net.url, KEY, url_base="/soul") as slskd:
                assert (await asyncio.to_thread(slskd.application.version)) == "0.26.0"

    asyncio.run(whole())
