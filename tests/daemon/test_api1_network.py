"""Our own API before a real client on a real network: what a page needs, shape by shape."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

from soulmesh.client.shares import Root
from soulmesh.daemon.api1.common import client_of
from tests.daemon.fakes import KEY
from tests.daemon.stagecraft import ALBUM, OURSELVES, SHARER, SONGS, Network, network, until

ALBUM_PATH = f"music\\Quiet Harbor\\{ALBUM}"


class Page:
    """Calls the API like a page does, and listens."""

    def __init__(self, http: httpx.AsyncClient, net: Network) -> None:
        self._http = http
        self.net = net
        self.heard: list[tuple[str, Any]] = []

    async def __call__(
        self, method: str, path: str, /, body: Any = None, status: int = 0, **query: Any
    ) -> Any:
        response = await self._http.request(method, path, json=body, params=query)
        if status:
            assert response.status_code == status, (response.status_code, response.text)
        else:
            assert response.is_success, (response.status_code, response.text)
        return response.json() if response.content else None

    async def raw(self, method: str, path: str) -> bytes:
        """What is no JSON."""
        response = await self._http.request(method, path)
        assert response.is_success, (response.status_code, response.text)
        return response.content

    async def eventually(self, right: Callable[[Any], Any], path: str, **query: Any) -> Any:
        """The answer as soon as it is right."""
        for _ in range(500):
            found = await self("GET", path, **query)
            if right(found):
                return found
            await asyncio.sleep(0.02)
        raise AssertionError(f"{path} stays {found}")

    async def event(self, kind: str) -> Any:
        """The next event of a kind, that was not taken yet."""

        def come() -> Any:
            return next((index + 1 for index, told in enumerate(self.heard) if told[0] == kind), 0)

        place = await until(come, kind)
        return self.heard.pop(place - 1)[1]


@contextlib.asynccontextmanager
async def page(tmp_path: Path, **more: Any) -> AsyncIterator[Page]:
    async with network(tmp_path, **more) as net:
        hub = net.daemon.service.hub
        listener = hub.listen()
        base = f"{net.url}/api/v1"
        async with httpx.AsyncClient(base_url=base, headers={"X-API-Key": KEY}, timeout=30) as http:
            found = Page(http, net)

            async def listen() -> None:
                while True:
                    for told in await listener.next():
                        found.heard.append((told.kind, json.loads(told.data)))

            listening = asyncio.create_task(listen())
            try:
                yield found
            finally:
                listening.cancel()
                hub.leave(listener)


WORDED = {"space.enough", "space.little"}
"""Bytes are told in other units."""


def on_a_network(play: Callable[[Page], Awaitable[None]], tmp_path: Path, **more: Any) -> None:
    async def whole() -> None:
        async with page(tmp_path, **more) as found:
            await play(found)

    asyncio.run(whole())


def test_results_in_the_order_and_the_groups_that_somebody_wants(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        search = await ask("POST", "/searches", {"text": "tidal maps song", "silence": 0.4}, 201)
        while not (await ask.event("search.changed"))["complete"]:
            pass
        at = f"/searches/{search['id']}/files"
        found = await ask("GET", at, sort="name", order="desc")
        assert [row["name"] for row in found["items"]] == sorted(SONGS, reverse=True)
        assert (found["total"], found["hits"], found["all"], found["next"]) == (3, 3, 3, None)
        first = found["items"][0]
        assert (first["username"], first["folder"], first["extension"]) == (SHARER, ALBUM_PATH, "flac")
        # A filter, in pages of one.
        found = await ask("GET", at, filter="size>60001", sort="size", limit=1)
        assert (found["total"], found["all"], len(found["items"])) == (2, 3, 1)
        found = await ask("GET", at, filter="size>60001", sort="size", limit=1, cursor=found["next"])
        assert [row["size"] for row in found["items"]] == [60_003]
        assert found["next"] is None
        [row] = (await ask("GET", at, sort="size", offset=2, limit=1))["items"]
        assert row["size"] == 60_003
        [folder] = (await ask("GET", at, group="folder", sort="name"))["items"]
        assert (folder["folder"], folder["count"], folder["size"]) == (ALBUM_PATH, 3, 180_006)
        assert [row["name"] for row in folder["files"]] == sorted(SONGS)
        [user] = (await ask("GET", at, group="user", filter="-02"))["items"]
        assert (user["username"], user["count"], user["folders"]) == (SHARER, 2, 1)
        # Who keeps the files asks only for the numbers of those that pass.
        which = f"/searches/{search['id']}/matches"
        numbers = (await ask("GET", which, filter="-02"))["matches"]
        came = (await ask("GET", at))["items"]
        assert ["02" in row["name"] for row in came] == [number not in numbers for number in range(3)]
        assert await ask("GET", which, filter="flac", offset=2) == {"matches": [2], "start": 2, "end": 3}
        assert "column" in (await ask("GET", which, status=422, filter="size>>"))["detail"]
        wrong = await ask("GET", at, status=422, filter="size>>")
        assert "column 6" in wrong["detail"]
        await ask("GET", at, status=422, sort="colour")
        await ask("DELETE", f"/searches/{search['id']}")
        assert await ask.event("search.deleted") == {"id": search["id"]}
        await ask("GET", at, status=404)

        assert await ask("POST", "/filters/check", {"text": "flac | mp3"}) == {
            "valid": True,
            "problem": None,
            "position": None,
        }
        assert (await ask("POST", "/filters/check", {"text": "size>>"}))["position"] == 5
        await ask("PUT", "/filters/good%2Fones", {"text": "flac free"})
        await ask("PUT", "/filters/bad", {"text": "(("}, 422)
        assert await ask("GET", "/filters") == {
            "items": [{"name": "good/ones", "text": "flac free"}],
            "next": None,
        }
        # Short lists come whole, or in parts.
        await ask("PUT", "/filters/other", {"text": "mp3"})
        first = await ask("GET", "/filters", limit=1)
        rest = await ask("GET", "/filters", limit=1, cursor=first["next"])
        assert [one["name"] for one in first["items"] + rest["items"]] == ["good/ones", "other"]
        assert rest["next"] is None
        await ask("GET", "/filters", status=422, limit=0)
        await ask("GET", "/filters", status=400, cursor="x")
        await ask("DELETE", "/filters/other")
        await ask("DELETE", "/filters/good%2Fones")
        assert (await ask("GET", "/filters"))["items"] == []

    on_a_network(play, tmp_path)


def test_browsing_is_a_tree_that_opens_folder_by_folder(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        user = f"/users/{SHARER}"
        await ask("GET", f"{user}/browse", status=404)
        await ask("POST", f"{user}/browse", status=202)
        assert await ask.event("browse.finished") == {
            "username": SHARER,
            "folders": 3,
            "files": 3,
            "problem": None,
            "problem_code": "",
        }
        assert (await ask("GET", f"{user}/browse"))["complete"] is True
        [top] = (await ask("GET", f"{user}/browse/tree"))["items"]
        assert top == {
            "name": "music",
            "path": "music",
            "folders": 1,
            "files": 0,
            "size": 0,
            "all_files": 3,
            "all_size": 180_006,
            "locked": False,
        }
        [artist] = (await ask("GET", f"{user}/browse/tree", parent="music"))["items"]
        [album] = (await ask("GET", f"{user}/browse/tree", parent=artist["path"]))["items"]
        assert (album["path"], album["files"], album["folders"]) == (ALBUM_PATH, 3, 0)
        assert (await ask("GET", f"{user}/browse/tree", parent=ALBUM_PATH))["items"] == []
        first = await ask("GET", f"{user}/browse/files", folder=ALBUM_PATH, limit=2)
        rest = await ask("GET", f"{user}/browse/files", folder=ALBUM_PATH, limit=2, cursor=first["next"])
        assert [row["size"] for row in first["items"] + rest["items"]] == [60_001, 60_002, 60_003]
        [asked] = (await ask("GET", f"{user}/folder", folder=ALBUM_PATH))["items"]
        assert [row["path"] for row in asked["files"]] == [f"{ALBUM_PATH}\\{name}" for name in SONGS]
        # What is here is taken as it is, if that is asked for; else its owner is asked again.
        here = await ask("POST", f"{user}/browse", status=202, anew="false")
        assert (here["complete"], here["files"]) == (True, 3)
        await ask("DELETE", f"{user}/browse")
        await ask("GET", f"{user}/browse/tree", status=404)
        await ask("POST", "/users/nobody/browse", status=404)

    on_a_network(play, tmp_path)


def test_a_goal_goes_on_to_who_has_it_and_is_told_on_the_way(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        files = [{"path": f"{ALBUM_PATH}\\{name}", "size": len(data)} for name, data in SONGS.items()]
        missing = [{"path": "gone\\a.flac", "size": 5}]
        goal = await ask(
            "POST",
            "/goals",
            {
                "name": "Tidal Maps",
                "candidates": [
                    {"username": SHARER, "files": missing},
                    {"username": SHARER, "files": files},
                ],
                "destination": "goals",
            },
            201,
        )
        assert (goal["state"], goal["turn"], goal["size"]) == ("under way", 0, 5)
        await ask.event("goal.GoalFinished")
        done = await ask("GET", f"/goals/{goal['id']}")
        assert (done["state"], done["turn"], done["done"], done["size"]) == ("finished", 1, 180_006, 180_006)
        assert {path.name for path in (ask.net.downloads / "goals").iterdir()} == set(SONGS)
        assert [one["id"] for one in (await ask("GET", "/goals"))["items"]] == [goal["id"]]
        await ask.event("transfer.BatchFinished")
        here = [row for row in (await ask("GET", "/history"))["items"] if row["state"] == "finished"]
        places = {row["local_path"] for row in here}
        assert places == {str(ask.net.downloads / "goals" / name) for name in SONGS}
        await ask("POST", f"/goals/{goal['id']}/pause", status=409)
        other = {"username": "nobody.home", "files": [{"path": "b\\c.flac", "size": 5}]}
        waiting = await ask("POST", "/goals", {"name": "later", "candidates": [other]}, 201)
        at = f"/goals/{waiting['id']}"
        assert (await ask("POST", f"{at}/pause"))["state"] == "paused"
        assert (await ask("POST", f"{at}/resume"))["state"] == "under way"
        assert len((await ask("POST", f"{at}/candidates", other))["candidates"]) == 1
        another = {**other, "username": "nobody.else"}
        assert len((await ask("POST", f"{at}/candidates", another))["candidates"]) == 2
        assert (await ask("POST", f"{at}/cancel"))["state"] == "dropped"
        await ask("GET", "/goals/none", status=404)
        out = {"username": SHARER, "files": [{"path": "a\\..\\..\\b", "size": 1}]}
        await ask("POST", "/goals", {"name": "out", "candidates": [out]}, 422)

    on_a_network(play, tmp_path)


def test_transfers_one_by_one_by_folder_and_many_at_once(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        folder = {"username": SHARER, "folder": "music\\Quiet Harbor", "destination": "again"}
        taken = (await ask("POST", "/downloads/folder", folder, 201))["taken"]
        assert len(taken) == 3
        added = await ask.event("transfer.TransferAdded")
        assert added["row"]["id"] == added["id"]
        for _ in SONGS:
            row = (await ask.event("transfer.DownloadFinished"))["row"]
            assert (row["state"], row["done"]) == ("finished", row["size"])
        assert {path.name for path in (ask.net.downloads / "again" / ALBUM).iterdir()} == set(SONGS)
        story = await ask("GET", f"/transfers/{taken[0]}/why")
        assert (story["now"], story["code"], story["params"]) == (
            "finished",
            "download.finished",
            {"user": SHARER},
        )
        assert len(story["steps"]) == len(story["past"]) > 2
        assert story["steps"][0]["code"].startswith("download.happened.")
        for finding in (await ask("GET", "/diagnosis"))["items"]:
            assert finding["code"], finding
            # Every number and every name in the text is a parameter as well.
            for word in finding["params"].values():
                assert str(word) in finding["found"] + finding["cure"] or finding["code"] in WORDED, finding
        rows = [{"path": f"{ALBUM_PATH}\\{name}", "size": 60_001} for name in ("x.flac", "y.flac")]
        more = (await ask("POST", "/downloads", {"username": SHARER, "files": rows}, 201))["taken"]
        unknown = "9a8b7c6d-5e4f-4321-8fed-cba987654321"
        acted = await ask("POST", "/transfers/actions", {"action": "remove", "ids": [*more, unknown]})
        assert acted["done"] == more
        assert [one["id"] for one in acted["refused"]] == [unknown]
        await ask("PUT", f"/transfers/{unknown}/priority", {"priority": 1}, 404)
        assert len((await ask("GET", "/history"))["items"]) == 3
        await ask("DELETE", "/history", direction="upload")
        assert len((await ask("GET", "/history"))["items"]) == 3
        await ask("DELETE", "/history")
        assert (await ask("GET", "/history"))["items"] == []

    on_a_network(play, tmp_path)


def test_a_folder_that_is_wanted_whole_appears_only_then_and_may_do_without_some_kinds(
    tmp_path: Path,
) -> None:
    async def play(ask: Page) -> None:
        # What the sharer still lists, and has no more.
        (tmp_path / ALBUM_PATH.replace("\\", "/") / min(SONGS)).unlink()
        folder = {"username": SHARER, "folder": ALBUM_PATH, "whole": True}
        never = {**folder, "destination": "never"}
        taken = (await ask("POST", "/downloads/folder", never, 201))["taken"]
        for _ in range(len(SONGS) - 1):
            await ask.event("transfer.DownloadFinished")
        rows = [
            await ask.eventually(lambda row: row["state"] in ("finished", "failed"), f"/transfers/{key}")
            for key in taken
        ]
        assert sorted(row["state"] for row in rows) == ["failed", "finished", "finished"]
        assert not (ask.net.downloads / "never").exists()
        await ask("POST", "/transfers/actions", {"action": "remove", "ids": taken})
        soon = {**folder, "destination": "soon", "may_miss": [".FLAC"]}
        assert len((await ask("POST", "/downloads/folder", soon, 201))["taken"]) == len(SONGS)
        await until((ask.net.downloads / "soon").exists, "the folder")
        assert {path.name for path in (ask.net.downloads / "soon").iterdir()} == set(SONGS) - {min(SONGS)}
        await ask("POST", "/downloads/folder", {**folder, "may_miss": ["x" * 17]}, 422)

    on_a_network(play, tmp_path)


def test_a_batch_is_wanted_rests_goes_on_and_tells_where_it_is(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        files = [{"path": f"{ALBUM_PATH}\\{name}", "size": len(data)} for name, data in SONGS.items()]
        wanted = {"username": SHARER, "name": "Maps", "files": files, "destination": "maps", "whole": True}
        batch = await ask("POST", "/batches", wanted, 201)
        at = f"/batches/{batch['id']}"
        assert (batch["name"], batch["files"], batch["size"], batch["users"]) == (
            "Maps",
            len(SONGS),
            180_006,
            [SHARER],
        )
        done = await ask.eventually(lambda row: row["state"] == "finished", at)
        assert (done["files_here"], done["done"], done["reason"], done["next_try"]) == (3, 180_006, "", None)
        assert done["destination"] == str(ask.net.downloads / "maps")
        assert {path.name for path in (ask.net.downloads / "maps").iterdir()} == set(SONGS)
        rows = (await ask("GET", f"{at}/files"))["items"]
        assert {row["path"] for row in rows} == {file["path"] for file in files}
        assert {row["batch"] for row in rows} == {batch["id"]}
        for verb in ("pause", "resume", "retry", "cancel"):
            await ask("POST", f"{at}/{verb}", status=409)

        other = {"username": "nobody.home", "name": "Later", "files": [{"path": "b\\c.flac", "size": 5}]}
        waiting = await ask("POST", "/batches", other, 201)
        assert [one["id"] for one in (await ask("GET", "/batches"))["items"]] == [waiting["id"], batch["id"]]
        first = await ask("GET", "/batches", limit=1)
        assert [one["name"] for one in first["items"]] == ["Later"]
        rest = await ask("GET", "/batches", limit=1, cursor=first["next"])
        assert [one["name"] for one in rest["items"]] == ["Maps"]
        there = f"/batches/{waiting['id']}"
        assert (await ask("POST", f"{there}/pause"))["state"] == "paused"
        assert (await ask("POST", f"{there}/resume"))["state"] == "under way"
        assert (await ask("POST", f"{there}/cancel"))["state"] == "failed"
        assert (await ask("POST", f"{there}/retry"))["state"] == "under way"
        await ask("DELETE", there, status=204)
        await ask("GET", there, status=404)

        # What the client has forgotten of a finished batch is still told.
        client = ask.net.daemon.engine.client
        assert client is not None
        for row in rows:
            await client.transfers.remove(row["number"])
        told = await ask("GET", at)
        assert (told["state"], told["files"], told["files_here"], told["done"]) == ("finished", 3, 3, 180_006)
        assert len((await ask("GET", f"{at}/files"))["items"]) == 3

        await ask("GET", "/batches/none", status=404)
        out = {**other, "files": [{"path": "a\\..\\..\\b", "size": 1}]}
        await ask("POST", "/batches", out, 422)
        await ask("POST", "/batches", {**other, "files": other["files"] * 2}, 422)
        await ask("POST", "/batches", {**other, "destination": "../elsewhere"}, 400)

    on_a_network(play, tmp_path)


def test_a_whole_folder_is_told_and_shown_where_it_is(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        wanted = {"username": SHARER, "folder": ALBUM_PATH, "whole": True}
        batch = (await ask("POST", "/downloads/folder", wanted, 201))["batch"]
        assert (await ask.event("transfer.BatchFinished"))["batch"] == batch
        place = ask.net.downloads / ALBUM
        rows = (await ask("GET", "/history"))["items"]
        assert {row["local_path"] for row in rows} == {str(place / name) for name in SONGS}
        for row in rows:
            content = await ask.raw("GET", f"/transfers/{row['id']}/content")
            assert content == SONGS[Path(row["local_path"]).name]
        events = await ask("GET", f"{ask.net.url}/api/v0/events", limit=50)
        data = [json.loads(one["data"]) for one in events]
        files = {one["localFilename"] for one in data if "localFilename" in one}
        folders = [one["localDirectoryName"] for one in data if "localDirectoryName" in one]
        assert (files, folders) == ({str(place / name) for name in SONGS}, [str(place)])

    on_a_network(play, tmp_path)


def test_an_unfinished_file_is_shown_by_parts_with_the_size_it_will_have(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        data = bytes(range(256)) * 40
        transfers = ask.net.daemon.engine.client.transfers
        live = await transfers.download("away", "music\\long.flac", size=60_000)
        grown = transfers.downloads.part_path(live)
        grown.parent.mkdir(parents=True, exist_ok=True)
        grown.write_bytes(data[:6000])
        at = f"{ask.net.url}/api/v1/transfers/{live.uuid}/content"
        async with httpx.AsyncClient(headers={"X-API-Key": KEY}) as http:

            async def part(**headers: str) -> httpx.Response:
                return await http.get(at, headers={"Range": "bytes=5000-5009", **headers})

            found = await part()
            assert (found.status_code, found.content) == (206, data[5000:5010])
            assert found.headers["content-range"] == "bytes 5000-5009/60000"
            with grown.open("ab") as file:
                file.write(data[6000:])
            again = await part(**{"If-Range": found.headers["etag"]})
            assert (again.status_code, again.headers["etag"]) == (206, found.headers["etag"])
            assert (await part(**{"If-Range": '"what was thrown away"'})).status_code == 200
            beyond = await http.get(at, headers={"Range": f"bytes={len(data)}-"})
            assert (beyond.status_code, beyond.headers["content-range"]) == (416, "bytes */60000")
            assert beyond.headers["retry-after"] == "2"
            grown.write_bytes(data[::-1])
            assert (await part(**{"If-Range": found.headers["etag"]})).status_code == 200

    on_a_network(play, tmp_path)


def test_a_batch_of_a_time_without_a_daemon_is_told_whole(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        files = [{"path": f"{ALBUM_PATH}\\{name}", "size": len(data)} for name, data in SONGS.items()]
        batch = await ask("POST", "/batches", {"username": SHARER, "name": "Maps", "files": files}, 201)
        at = f"/batches/{batch['id']}"
        await ask.eventually(lambda row: row["state"] == "finished", at)
        before = (await ask("GET", f"{at}/files"))["items"]
        # After a restart the client has the finished ones in its journal alone, and so have we.
        client = ask.net.daemon.engine.client
        assert client is not None
        ledger = client.transfers._ledger
        for row in before:
            transfer = ledger.get(row["number"])
            assert transfer is not None
            del ledger._transfers[transfer.id]
        await ask.net.daemon.service.store.run(lambda db: db.execute("DELETE FROM transfers"))
        told = await ask("GET", at)
        assert (told["files"], told["files_here"], told["done"]) == (3, 3, 180_006)
        after = (await ask("GET", f"{at}/files"))["items"]
        assert [(row["id"], row["local_path"]) for row in after] == [
            (row["id"], row["local_path"]) for row in before
        ]

    on_a_network(play, tmp_path)


def test_batches_of_both_interfaces_are_the_same(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        other = f"{ask.net.url}/api/v0/transfers/downloads/batches"
        name = min(SONGS)
        files = [{"filename": f"{ALBUM_PATH}\\{name}", "size": len(SONGS[name])}]
        key = "0b0f6c1e-6f0e-4f7f-9d5e-2d8f3c4f9a11"
        wanted = {"id": key, "username": SHARER, "files": files, "options": {"destination": "grabs/one"}}
        await ask("POST", other, wanted, 201)
        done = await ask.eventually(lambda row: row["state"] == "finished", f"/batches/{key}")
        assert (done["name"], done["files"], done["destination"]) == (
            "one",
            1,
            str(ask.net.downloads / "grabs" / "one"),
        )
        assert (await ask.event("transfer.BatchFinished"))["batch"] == key
        # And the other way round.
        ours = {"username": SHARER, "name": "Maps", "files": [{"path": f"{ALBUM_PATH}\\{max(SONGS)}"}]}
        batch = await ask("POST", "/batches", ours, 201)
        theirs = await ask("GET", f"{other}/{batch['id']}")
        assert (theirs["username"], theirs["options"]) == (SHARER, {"destination": "Maps"})
        assert [one["filename"] for one in theirs["transfers"]] == [f"{ALBUM_PATH}\\{max(SONGS)}"]
        listed = (await ask("GET", "/batches"))["items"]
        assert [one["id"] for one in listed] == [batch["id"], key]
        for one in listed:
            await ask("DELETE", f"/batches/{one['id']}", status=204)
            await ask("GET", f"{other}/{one['id']}", status=404)

    on_a_network(play, tmp_path)


def test_a_batch_that_the_disk_refuses_is_held_back_and_says_why(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        name = min(SONGS)
        files = [{"path": f"{ALBUM_PATH}\\{name}", "size": len(SONGS[name])}]
        # A file stands where the folder above it has to be.
        (ask.net.downloads / "full").write_bytes(b"")
        wanted = {
            "username": SHARER,
            "name": "Maps",
            "files": files,
            "destination": "full/maps",
            "whole": True,
        }
        batch = await ask("POST", "/batches", wanted, 201)
        at = f"/batches/{batch['id']}"
        held = await ask.eventually(lambda row: row["state"] == "held back", at)
        assert held["files_here"] == held["files"] == 1
        assert held["reason"]
        assert held["next_try"]
        (ask.net.downloads / "full").unlink()
        await ask("POST", f"{at}/retry")
        done = await ask.eventually(lambda row: row["state"] == "finished", at)
        assert (done["reason"], done["next_try"]) == ("", None)
        assert (ask.net.downloads / "full" / "maps" / name).read_bytes() == SONGS[name]

    on_a_network(play, tmp_path)


def test_how_long_a_file_is_goes_with_it_for_whoever_takes_over(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        files = [{"path": "x\\a.flac", "size": 5, "length": 200}, {"path": "x\\b.flac", "size": 5}]
        await ask("POST", "/downloads", {"username": SHARER, "files": files}, 201)
        goal = {"name": "c", "candidates": [{"username": SHARER, "files": [{**files[0], "path": "c"}]}]}
        await ask("POST", "/goals", goal, 201)
        client = ask.net.daemon.engine.client
        assert client is not None
        lengths = {transfer.name: transfer.more.get("length") for transfer in client.transfers}
        assert lengths == {"a.flac": 200, "b.flac": None, "c": 200}

    on_a_network(play, tmp_path)


def test_rooms_and_messages_with_marks_of_what_was_read(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        den = "/rooms/joined/den"
        assert (await ask("PUT", den))["users"] == [OURSELVES]
        await ask.net.sharer.rooms.join("den")
        await ask.event("room.RoomMemberJoined")
        for word in ("one", "two", "three"):
            ask.net.sharer.rooms.say("den", word)
            said = await ask.event("room.said")
            assert (said["username"], said["text"], said["ours"]) == (SHARER, word, False)

        # What was told is kept: who asks now finds it, by the id that was told.
        newest = await ask("GET", f"{den}/messages", limit=2)
        assert [line["text"] for line in newest["items"]] == ["two", "three"]
        assert [line["read"] for line in newest["items"]] == [False, False]
        assert newest["items"][-1]["id"] == said["id"]
        found = await ask("GET", f"{den}/messages", words="TH ee")
        assert [line["text"] for line in found["items"]] == ["three"]
        assert (await ask("GET", f"{den}/messages", words="one two"))["items"] == []
        earlier = await ask("GET", f"{den}/messages", limit=2, before=newest["before"])
        assert [line["text"] for line in earlier["items"]] == ["one"]
        assert earlier["before"] is None
        [room] = (await ask("GET", "/rooms/joined"))["items"]
        assert (room["unread"], room["users"], room["favourite"]) == (3, 2, False)
        assert room["last_id"] == said["id"]
        await ask("PUT", f"{den}/read")
        assert (await ask.event("room.read")) == {"room": "den", "id": said["id"]}
        assert all(line["read"] for line in (await ask("GET", f"{den}/messages"))["items"])
        await ask("PUT", f"{den}/favourite")
        [room] = (await ask("GET", "/rooms/joined"))["items"]
        assert (room["unread"], room["favourite"]) == (0, True)
        await ask("PUT", f"{den}/ticker", {"text": "on the wall"})
        await ask.event("room.RoomTickerChanged")
        assert (await ask("GET", den))["tickers"] == [{"username": OURSELVES, "text": "on the wall"}]
        members = (await ask("GET", f"{den}/members"))["items"]
        assert [member["username"] for member in members] == [OURSELVES, SHARER]
        [listed] = [one for one in (await ask("GET", "/rooms", words="DE"))["items"] if one["name"] == "den"]
        assert (listed["joined"], listed["users"]) == (True, 2)
        assert (await ask("GET", "/rooms", words="attic"))["items"] == []

        secret = "/rooms/joined/secret"
        assert (await ask("PUT", secret, private="true"))["owner"] == OURSELVES
        assert (await ask("PUT", f"{secret}/members/{SHARER}", status=409))["code"] == "room_refused"
        await ask.net.sharer.rooms.accept_invitations(True)
        await ask("PUT", f"{secret}/members/{SHARER}")
        await ask("PUT", f"{secret}/operators/{SHARER}")
        assert (await ask("GET", secret))["operators"] == [SHARER]
        await ask("DELETE", f"{secret}/members/{SHARER}")
        await ask("DELETE", f"{secret}/ownership")
        await ask("DELETE", den)
        await ask("GET", den, status=404)

        talk = f"/conversations/{SHARER}"
        await ask("GET", f"{talk}/messages", status=404)
        await ask("POST", f"{talk}/messages", {"text": "hello"})
        assert (await ask.event("chat.message"))["ours"] is True
        await ask.net.sharer.chat.send(OURSELVES, "good evening")
        told = await ask.event("chat.message")
        [talked] = (await ask("GET", "/conversations"))["items"]
        assert (talked["unread"], talked["text"], talked["ours"]) == (1, "good evening", False)
        assert talked["last_id"] == told["id"]
        newest = await ask("GET", f"{talk}/messages", limit=1)
        assert newest["items"][0]["id"] == told["id"]
        earlier = await ask("GET", f"{talk}/messages", limit=1, before=newest["before"])
        assert [(line["text"], line["ours"]) for line in earlier["items"]] == [("hello", True)]
        await ask("PUT", f"{talk}/read")
        assert await ask.event("chat.read") == {"username": SHARER, "id": told["id"]}
        assert (await ask("GET", f"{talk}/messages", words="GOOD"))["items"][0]["text"] == "good evening"
        assert (await ask("GET", f"{talk}/messages", words="good hello"))["items"] == []
        assert (await ask("GET", "/conversations"))["items"][0]["unread"] == 0
        # The same to several at once, and all of it forgotten.
        await ask("POST", "/conversations", {"usernames": [SHARER, SHARER], "text": "to all"})
        assert (await ask.event("chat.message"))["text"] == "to all"
        await ask("POST", "/conversations", {"usernames": [], "text": "to nobody"}, 422)
        await ask("DELETE", f"{talk}/messages")
        assert await ask.event("chat.forgotten") == {"username": SHARER}
        await ask("GET", f"{talk}/messages", status=404)
        await ask("DELETE", f"{talk}/messages", status=404)
        assert (await ask("GET", "/conversations"))["items"] == []
        assert await client_of(ask.net.daemon.service).chat.history(SHARER) == []

    on_a_network(play, tmp_path)


def test_people_bans_and_tastes(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        user = f"/users/{SHARER}"
        found = await ask("GET", user)
        assert (found["presence"], found["files"], found["friend"]) == ("Online", 3, False)
        await ask("PUT", f"{user}/friend")
        assert (await ask.event("user.opinion"))["friend"] is True
        await ask("PUT", f"{user}/note", {"text": "sings in tune"})
        [friend] = (await ask("GET", "/users", which="friends"))["items"]
        assert (friend["username"], friend["note"], friend["watched"]) == (SHARER, "sings in tune", True)
        await ask("DELETE", f"{user}/friend")
        assert (await ask("GET", "/users", which="friends"))["items"] == []
        assert [one["username"] for one in (await ask("GET", "/users"))["items"]] == [SHARER]
        assert (await ask("GET", "/users/nobody.home", status=404))["code"] == "user_unknown"
        await ask("PUT", "/bans/ranges", {"range": "192.0.2.0/24"})
        await ask("PUT", "/bans/ranges", {"range": "everywhere"}, 422)
        assert (await ask("GET", "/bans"))["ranges"] == ["192.0.2.0/24"]
        assert await ask("POST", "/bans/list", {"text": "user noisy\nLab:198.51.100.1-198.51.100.1\n"}) == {
            "taken": 2
        }
        # In pages the names come first.
        first = await ask("GET", "/bans", limit=1)
        rest = await ask("GET", "/bans", limit=2, cursor=first["next"])
        assert (first["names"], first["ranges"]) == (["noisy"], [])
        assert (rest["names"], rest["ranges"], rest["next"]) == (
            [],
            ["192.0.2.0/24", "198.51.100.1/32"],
            None,
        )
        for path in ("/interests", f"{user}/interests", "/shares"):
            assert (await ask("GET", path, limit=1))["next"] is None
        text = (await ask("GET", "/bans/list"))["text"]
        assert text == "user noisy\naddress 192.0.2.0/24\naddress 198.51.100.1/32\n"
        await ask("POST", "/bans/list", {"text": "user other\nnowhere\n"}, 422)
        assert (await ask("GET", "/bans"))["names"] == ["noisy"]
        await ask("DELETE", "/bans/ranges", range="198.51.100.1")
        await ask("DELETE", "/bans/ranges", range="192.0.2.0/24")
        assert (await ask("GET", "/bans"))["ranges"] == []
        ask.net.sharer.interests.like("sea shanties")
        await ask("PUT", "/interests/liked/sea%20shanties")
        assert await ask("GET", "/interests") == {"liked": ["sea shanties"], "hated": [], "next": None}
        assert (await ask("GET", f"{user}/interests"))["liked"] == ["sea shanties"]
        users = (await ask("GET", "/recommendations", kind="users"))["items"]
        assert users == [{"item": SHARER, "score": 1}]
        assert SHARER in (await ask("GET", "/interests/fans/sea%20shanties"))["items"]
        await ask("GET", f"{user}/picture", status=404)

    on_a_network(play, tmp_path)


def test_one_shared_folder_is_scanned_and_a_scan_is_stopped_over_http(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        ask.net.daemon.engine.scanning.keep(watch=False, rescan_hours=0)
        folder = ask.net.downloads / "kept"
        folder.mkdir()
        (folder / "1.txt").touch()
        one = (await ask("POST", "/shares/roots", {"path": str(folder)}, 201))["id"]
        while (await ask.event("share.scan"))["state"] != "finished":
            pass
        (folder / "2.txt").touch()
        (tmp_path / "ours" / "2.txt").touch()
        await ask("POST", "/shares/scan", status=202, roots=one)
        assert (await ask.event("share.scan"))["state"] == "started"
        done = await ask.event("share.scan")
        assert (done["state"], done["index"]) == ("finished", "updated")
        [row] = done["roots"]
        assert (row["root"], row["files"], row["added"], row["held_back"]) == ("kept", 2, 1, 0)
        files = {row["name"]: row["files"] for row in (await ask("GET", "/shares"))["roots"]}
        assert files == {"kept": 2, "ours": 1}
        going = await ask.event("share.progress")
        assert going.keys() == {"progress", "phase", "root", "done", "total", "rate", "seconds_left"}
        for wrong, status in (("999", 404), (f"{one},999", 404), ("kept", 422), ("", 422), ("1,", 422)):
            await ask("POST", "/shares/scan", status=status, roots=wrong)

        (folder / "3.txt").touch()
        shared = ask.net.daemon.engine.shared
        async with shared._scanning:
            await ask("POST", "/shares/scan", status=202)
            assert (await ask("GET", "/shares"))["scanning"]
            await ask("POST", "/shares/scan", status=409, roots=one)
            assert (await ask("GET", "/shares"))["pending"]
            await ask("DELETE", "/shares/scan", status=204)
            assert [(await ask.event("share.scan"))["state"] for _ in "12"] == ["started", "cancelled"]
            state = await ask("GET", "/shares")
            assert (state["scanning"], state["cancelled"], state["pending"], state["scan"]) == (
                False,
                True,
                False,
                None,
            )
            await ask("DELETE", "/shares/scan", status=404)
        await ask("POST", "/shares/scan", status=202, roots=f"{one},{one}")
        while (await ask.event("share.scan"))["state"] != "finished":
            pass
        assert (await ask("GET", "/shares"))["files"] == 4

    on_a_network(play, tmp_path)


def test_shares_are_explained_and_a_scan_that_loses_much_is_confirmed_over_http(tmp_path: Path) -> None:
    async def scanned(ask: Page, **how: object) -> None:
        await ask("POST", "/shares/scan", status=202, **how)
        while (await ask.event("share.scan"))["state"] != "finished":
            pass

    async def play(ask: Page) -> None:
        folder = ask.net.downloads / "kept"
        folder.mkdir()
        for number in range(10):
            (folder / f"song {number}.mp3").write_bytes(b"no music")
        (folder / "link.mp3").symlink_to("song 1.mp3")
        body = {"path": str(folder), "exclude": ["song 9*"], "links": "inside"}
        root = await ask("POST", "/shares/roots", body, 201)
        assert root["links"] == "inside"
        while (await ask.event("share.scan"))["state"] != "finished":
            pass

        first = await ask("GET", "/shares/problems", limit=7)
        rest = await ask("GET", "/shares/problems", limit=7, cursor=first["next"])
        assert (len(first["items"]), rest["next"]) == (7, None)
        problems = [row for row in first["items"] + rest["items"] if row["root"] == "kept"]
        assert {"root": "kept", "path": "song 3.mp3", "reason": "this is no MP3 file"} in problems
        assert len(problems) == 10

        found = await ask("GET", "/shares/explain", path=str(folder / "song 1.mp3"))
        assert (found["offered"], found["remote_path"]) == (True, r"kept\song 1.mp3")
        assert found["problem"] == "this is no MP3 file"
        found = await ask("GET", "/shares/explain", path=str(folder / "song 9.mp3"))
        assert (found["offered"], "excluded" in found["reason"]) == (False, True)
        found = await ask("GET", "/shares/explain", path=r"kept\link.mp3")
        assert found["offered"]

        one = f"/shares/roots/{root['id']}"
        # What may not have been meant is done and said, as the command says it.
        assert root["warnings"] == []
        odd = {"exclude": ["Song 9*", "*.tpm", "song 1*"], "audience": ["group:bend", "friends"]}
        assert (await ask("PATCH", one, odd))["warnings"] == [
            "*.tpm leaves out none of the files that are known",
            "there is no group bend: transfers.groups in the settings makes one",
        ]
        again = await ask("PATCH", one, {"exclude": ["song 9*"], "audience": ["everyone"]})
        assert again["warnings"] == []
        refused = await ask("PATCH", one, {"locked": True}, 422)
        assert refused["detail"] == "body.locked: only a folder that not everyone may have can be locked"
        await ask("POST", "/shares/roots", {"path": str(folder.parent), "locked": True}, 422)
        await ask.eventually(lambda found: not found["scanning"], "/shares")
        ask.net.daemon.service.hub.tell("share.scan", {"state": "all of these are over"})
        while (await ask.event("share.scan"))["state"] != "all of these are over":
            pass

        await ask("PATCH", one, {"exclude": ["*"]}, 409)
        await ask("PATCH", one, {"exclude": ["[bad"]}, 422)
        await ask("POST", "/shares/roots", {"path": str(folder / "nowhere")}, 422)
        assert (await ask("GET", "/shares"))["roots"][0]["exclude"] != ["*"]

        for number in range(10):
            (folder / f"song {number}.mp3").unlink()
        await scanned(ask)
        [row] = [one for one in (await ask("GET", "/shares"))["roots"] if one["name"] == "kept"]
        assert (row["held_back"], row["files"], row["problems"]) == (10, 10, 10)
        (folder / "here.txt").touch()
        await scanned(ask, confirmed=True)
        [row] = [one for one in (await ask("GET", "/shares"))["roots"] if one["name"] == "kept"]
        assert (row["held_back"], row["files"], row["problems"]) == (0, 1, 0)
        for number in range(9):
            (folder / f"song {number}.txt").touch()
        await scanned(ask)
        changed = await ask("PATCH", one, {"exclude": ["*"]}, confirmed=True)
        assert changed["exclude"] == ["*"]
        while (await ask.event("share.scan"))["state"] != "finished":
            pass
        assert {row["name"]: row["files"] for row in (await ask("GET", "/shares"))["roots"]}["kept"] == 0

    on_a_network(play, tmp_path)


def test_only_the_downloads_can_be_shared_over_http_unless_the_owner_allows_more(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        setup = await ask("GET", "/setup")
        assert (setup["nothing_shared"], setup["downloads_shared"]) == (False, False)
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (ask.net.downloads / "way out").symlink_to(elsewhere)
        for path in (elsewhere, ask.net.downloads / "way out"):
            await ask("POST", "/shares/roots", {"path": str(path)}, 403)
        await ask("POST", "/shares/roots", {"path": "relative"}, 422)
        (ask.net.downloads / "got.mp3").write_bytes(b"x")
        body = {"path": str(ask.net.downloads), "audience": ["friends"], "locked": True}
        root = await ask("POST", "/shares/roots", body, 201)
        assert (root["audience"], root["locked"], root["from_settings"]) == (["friends"], True, False)
        await ask("POST", "/shares/roots", {**body, "audience": ["whoever"]}, 422)
        while (await ask.event("share.scan"))["state"] != "finished":
            pass
        changed = await ask("PATCH", f"/shares/roots/{root['id']}", {"audience": ["everyone"]})
        assert changed["audience"] == ["everyone"]
        shares = await ask("GET", "/shares")
        assert shares["files"] == 2
        assert (await ask("GET", "/setup"))["downloads_shared"] is True
        [ours] = [one for one in shares["roots"] if one["from_settings"]]
        await ask("DELETE", f"/shares/roots/{ours['id']}", status=409)
        await ask("DELETE", f"/shares/roots/{root['id']}")
        assert (await ask("GET", "/shares"))["files"] == 1
        await ask("DELETE", "/shares/roots/999", status=404)

        # A folder that was shared by a command need not be named in UTF-8.
        odd = os.fsdecode(os.fsencode(tmp_path) + b"/odd\xff")
        ask.net.daemon.engine.shared.save_root(Root(0, b"odd\xff", Path(odd)))
        rows = {row["name"]: row["path"] for row in (await ask("GET", "/shares"))["roots"]}
        assert rows["oddÿ"] == f"{tmp_path}/odd\\xff"
        others = (await ask("GET", f"{ask.net.url}/api/v0/shares"))["local"]
        assert {"oddÿ": f"{tmp_path}/odd\\xff"}.items() <= {
            one["alias"]: one["localPath"] for one in others
        }.items()

    on_a_network(play, tmp_path)


def test_settings_are_explained_checked_and_kept(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        before = await ask("GET", "/settings/keys")
        assert before["editable"] is True
        knobs = {knob["key"]: knob for knob in before["items"]}
        slots = knobs["transfers.upload_slots"]
        assert (slots["type"], slots["minimum"], slots["maximum"]) == ("integer", 0, 1000)
        assert slots["description"]
        assert knobs["network.connect"]["choices"][0] == "both"
        assert knobs["web.api_key"]["value"] == "*****"
        assert KEY not in json.dumps(before)
        wanted = {"transfers.upload_slots": 5, "web.port": 5031}
        changed = await ask("PATCH", "/settings", {"values": wanted})
        assert changed["restart"] is True
        await until(lambda: ask.net.daemon.engine.client.transfers.settings.queue.slots == 5, "the change")
        assert (await ask.event("settings.changed"))["keys"] == sorted(wanted)
        knobs = {knob["key"]: knob for knob in (await ask("GET", "/settings/keys"))["items"]}
        assert (
            knobs["transfers.upload_slots"]["value"],
            knobs["transfers.upload_slots"]["changed_here"],
        ) == (
            5,
            True,
        )
        for wrong in ({"transfers.upload_slots": -1}, {"transfers.colour": 1}, {"daemon.data": "/tmp"}):
            await ask("PATCH", "/settings", {"values": wrong}, 422)
        # What was set from here is there after a restart, and can be taken back.
        kept = json.loads((tmp_path / "data" / "settings.json").read_text())
        assert kept == wanted
        await ask("PATCH", "/settings", {"values": {"transfers.upload_slots": None}})
        await until(
            lambda: ask.net.daemon.engine.client.transfers.settings.queue.slots == 3, "the change back"
        )

    on_a_network(play, tmp_path, remote=True)


def test_settings_cannot_be_changed_where_the_owner_does_not_allow_it(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        assert (await ask("GET", "/settings/keys"))["editable"] is False
        await ask("PATCH", "/settings", {"values": {"transfers.upload_slots": 5}}, 403)

    on_a_network(play, tmp_path)


def test_the_network_around_us_and_speeds_over_time(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        tree = await ask("GET", "/tree")
        assert tree["username"] == OURSELVES
        assert SHARER in (tree["parent"], *tree["children"])
        assert {"seen", "forwarded", "answered"} <= set(tree["searches"])
        assert set(tree["rates"]) == {"seen", "forwarded", "answered"}
        # The server has told what it knows of us, and its rules for children.
        known = await ask.eventually(lambda found: found["speed"] is not None, "/tree")
        assert (known["speed"], known["min_speed"], known["speed_ratio"]) == (2_000_000, 1, 50)
        numbers = (await ask("GET", "/statistics"))["items"]
        assert numbers["slskd_search_incoming_requests_received"] == known["searches"]["seen"]
        is_root = float(known["parent"] is None)
        assert (numbers["soulmesh_dnet_is_root"], numbers["slskd_dnet_has_parent"]) == (is_root, 1 - is_root)
        assert numbers["soulmesh_dnet_speed_bytes"] == 2_000_000
        asked = ["browse_requests_received", "browse_responses_sent"]
        asked += [f"enqueue_requests_{what}" for what in ("received", "accepted", "rejected", "dropped")]
        assert [numbers[f"slskd_{name}"] for name in asked] == [0.0] * 6
        async with await ask.net.sharer.browse(OURSELVES, timeout=10):
            pass
        numbers = (await ask.eventually(lambda found: found["items"][f"slskd_{asked[1]}"], "/statistics"))[
            "items"
        ]
        assert [numbers[f"slskd_{name}"] for name in asked[:2]] == [1.0, 1.0]
        sample = await ask.event("statistics.sample")
        assert sample["download"] == 0
        speeds = await ask("GET", "/statistics/speeds")
        assert speeds["step"] == 2.0
        assert speeds["items"][0]["upload"] == 0
        assert (await ask("GET", "/statistics/speeds", span="day"))["items"] == []
        # The log has it, at whatever level it is printed.
        whole = await ask("GET", "/logs", limit=1000)
        lines = [line["message"] for line in whole["items"]]
        assert whole["next"] is None
        assert (await ask("GET", "/logs", limit=1))["next"] is not None
        assert f"logged in username={OURSELVES}" in lines
        assert any(line.startswith("scanned root=") for line in lines), lines

    on_a_network(play, tmp_path)


def test_who_is_calling(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        async with httpx.AsyncClient(base_url=f"{ask.net.url}/api/v1") as stranger:
            found = (await stranger.get("/session")).json()
            assert (found["authentication"], found["login"], found["name"]) == (True, True, None)
            assert (await stranger.get("/setup")).status_code == 401
            login = {"username": "admin", "password": "correct horse"}
            token = (await stranger.post("/session", json=login)).json()["token"]
            found = (await stranger.get("/session", headers={"Authorization": f"Bearer {token}"})).json()
            assert (found["name"], found["administrator"]) == ("admin", True)
            # What a browser loads by itself may carry the login in its address, and nothing else may.
            at = "/transfers/9a8b7c6d-5e4f-4321-8fed-cba987654321/content"
            assert (await stranger.get(at, params={"access_token": token})).status_code == 404
            assert (await stranger.get("/setup", params={"access_token": token})).status_code == 401

    on_a_network(play, tmp_path)


def test_webhooks_scripts_and_keys_are_added_changed_and_removed_by_name(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        entries = "/settings/entries"

        async def names(kind: str) -> dict[str, dict[str, object]]:
            items = (await ask("GET", entries))["items"]
            return next(
                {one["name"]: one for one in item["entries"]} for item in items if item["kind"] == kind
            )

        found = await ask("GET", entries)
        assert (found["editable"], [item["key"] for item in found["items"]]) == (
            True,
            ["webhooks", "scripts", "web.api_keys"],
        )
        assert [field["name"] for field in found["items"][2]["fields"]] == ["key", "role", "cidr"]

        hook = f"{entries}/webhooks/done"
        values = {"url": "https://example.org/hook", "on": ["DownloadFileComplete"], "secret": "s3cret"}
        made = await ask("PUT", hook, {"values": values})
        # Of an address only where it leads is shown.
        masked = "https://example.org/*****"
        assert (made["values"]["url"], made["values"]["secret"], made["secrets"]) == (
            masked,
            None,
            ["secret"],
        )
        await ask.eventually(lambda found: found["items"][0]["entries"], entries)
        # So does a header that comes back as it was shown.
        headers = {"X-Letmein": "hdr-888", "X-Kind": "done"}
        await ask("PUT", hook, {"values": {**values, "headers": headers}})
        service = ask.net.daemon.service
        await until(lambda: service.settings.webhooks["done"].headers == headers, "the headers")
        as_shown = {**values, "url": masked, "headers": {"X-Letmein": "*****"}}
        shown = (await ask("PUT", hook, {"values": as_shown}))["values"]
        assert (shown["headers"], shown["url"]) == ({"X-Letmein": "*****"}, masked)
        await until(lambda: len(service.settings.webhooks["done"].headers) == 1, "the change")
        kept = service.settings.webhooks["done"]
        assert (kept.headers, kept.url) == ({"X-Letmein": "hdr-888"}, values["url"])
        assert "hdr-888" not in json.dumps(await ask("GET", entries))
        for wrong in ({"url": f"{masked}/x"}, {"url": masked, "headers": {"X-New": "*****"}}):
            await ask("PUT", hook, {"values": wrong}, 422)
        # As secrets are shown, it stands for the one before, if there is one.
        await ask("PUT", hook, {"values": {"url": masked, "on": ["Noop"], "secret": "*****"}})
        await until(lambda: service.settings.webhooks["done"].on == ["Noop"], "the change")
        secret = service.settings.webhooks["done"].secret
        assert secret is not None
        assert secret.get_secret_value() == "s3cret"
        await ask("PUT", f"{hook}-new", {"values": {"url": "https://a.example", "secret": "*****"}}, 422)
        # A secret that is not said again stays; one that is empty is taken away.
        await ask("PUT", hook, {"values": {"url": "https://example.org/other"}})
        await until(lambda: service.settings.webhooks["done"].url.endswith("other"), "the address")
        kept = service.settings.webhooks["done"]
        assert kept.secret is not None
        assert (kept.secret.get_secret_value(), kept.on) == ("s3cret", ["Any"])
        assert "s3cret" not in json.dumps(await ask("GET", entries))
        await ask("PUT", hook, {"values": {"url": "https://example.org/other", "secret": ""}})
        await ask.eventually(lambda found: not found["items"][0]["entries"][0]["secrets"], entries)

        wrong = await ask("PUT", hook, {"values": {"on": ["Any"]}}, 422)
        assert "url" in wrong["detail"]
        assert (
            "colour" in (await ask("PUT", hook, {"values": {"url": "https://x", "colour": 1}}, 422))["detail"]
        )
        await ask("PUT", f"{entries}/keys/short", {"values": {"key": "short"}}, 422)
        await ask("PUT", f"{entries}/nothing/x", {"values": {}}, 404)
        await ask("DELETE", f"{entries}/scripts/none", status=404)

        key = "a-key-of-its-own-000"
        await ask("PUT", f"{entries}/keys/lidarr", {"values": {"key": key, "role": "ReadOnly"}})
        await ask.eventually(lambda found: found["items"][2]["entries"], entries)
        async with httpx.AsyncClient(base_url=f"{ask.net.url}/api/v1", headers={"X-API-Key": key}) as other:
            assert (await other.get("/status")).status_code == 200
            assert (await other.get(entries)).status_code == 403
        await ask("DELETE", hook)
        await ask("DELETE", f"{entries}/keys/lidarr")
        await ask.eventually(lambda found: not any(item["entries"] for item in found["items"]), entries)
        assert await names("webhooks") == {}

    on_a_network(play, tmp_path, remote=True)


def test_without_remote_configuration_entries_are_read_and_not_changed(tmp_path: Path) -> None:
    async def play(ask: Page) -> None:
        found = await ask("GET", "/settings/entries")
        assert not found["editable"]
        assert found["file"].endswith("config.toml")
        await ask("PUT", "/settings/entries/scripts/x", {"values": {"command": "true"}}, 403)
        await ask("DELETE", "/settings/entries/scripts/x", status=404)

    on_a_network(play, tmp_path)
