"""What soularr and the Lidarr plugin do, request by request, on a network of its own.

The sequences are written down from what is known of these programs: which calls, in which order, with which
bodies and spellings, and what they look at in the answers.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from tests.daemon.fakes import KEY
from tests.daemon.stagecraft import ALBUM, SHARER, SONGS, Network, network

FOLDER = f"music\\Quiet Harbor\\{ALBUM}"


@contextlib.asynccontextmanager
async def stage(tmp_path: Path, **web: Any) -> AsyncIterator[tuple[httpx.AsyncClient, Network]]:
    async with (
        network(tmp_path, **web) as net,
        httpx.AsyncClient(
            base_url=f"{net.url}/api/v0", headers={"X-API-Key": KEY}, follow_redirects=False, timeout=20
        ) as http,
    ):
        yield http, net


async def poll(ask: Any, enough: Any, seconds: float = 15.0) -> Any:
    async with asyncio.timeout(seconds):
        while True:
            found = await ask()
            if enough(found):
                return found
            await asyncio.sleep(0.1)


def test_soularr_from_a_search_to_files_on_disk(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path) as (http, _):
            version = (await http.get("/application/version")).json()
            # It cuts the version at its dots and makes integers of the first three parts.
            assert [int(part) for part in version.split(".")[:3]] > [0, 22, 2]
            body = {
                "id": "1B4E28BA-2FA1-11D2-883F-0016D3CCA427",
                "fileLimit": 10000,
                "filterResponses": True,
                "maximumPeerQueueLength": 50,
                "minimumPeerUploadSpeed": 0,
                "minimumResponseFileCount": 1,
                "responseLimit": 100,
                "searchText": "quiet harbor tidal maps song",
                "searchTimeout": 500,
            }
            search = (await http.post("/searches", json=body)).json()
            assert search["id"] == body["id"].lower()
            at = f"/searches/{search['id']}"

            async def state() -> str:
                found = (await http.get(at, params={"includeResponses": "False"})).json()
                return str(found["state"])

            await poll(state, lambda found: found != "InProgress")
            responses = (await http.get(f"{at}/responses")).json()
            [response] = [entry for entry in responses if entry["username"] == SHARER]
            directory = response["files"][0]["filename"].rsplit("\\", 1)[0]

            found = await http.post(f"/users/{SHARER}/directory", json={"directory": directory})
            files = found.json()[0]["files"]
            # It puts the directory before each name, and enqueues the objects as they are.
            for file in files:
                file["filename"] = directory + "\\" + file["filename"]
            reply = await http.post(f"/transfers/downloads/{SHARER}", json=files)
            assert reply.status_code == 201

            async def downloads() -> Any:
                user = (await http.get(f"/transfers/downloads/{SHARER}")).json()
                return next(d for d in user["directories"] if d["directory"] == directory)["files"]

            listed = await downloads()
            assert {file["filename"] for file in listed} == {file["filename"] for file in files}
            for file in listed:
                one = await http.get(f"/transfers/downloads/{SHARER}/{file['id']}")
                assert one.json()["filename"] == file["filename"]
            done = await poll(downloads, lambda found: all(f["state"].startswith("Completed") for f in found))
            # Whole strings are compared.
            assert {file["state"] for file in done} == {"Completed, Succeeded"}
            # And the place is computed from the directory's last part.
            place = Path((await http.get("/options")).json()["directories"]["downloads"])
            for name, data in SONGS.items():
                assert (place / directory.split("\\")[-1] / name).read_bytes() == data
            for file in done:
                url = f"/transfers/downloads/{SHARER}/{file['id']}"
                assert (await http.delete(url, params={"remove": "False"})).status_code == 204
            assert (await http.delete("/transfers/downloads/all/completed")).status_code == 204
            assert (await http.delete(at)).status_code == 204
            assert (await http.get(f"/transfers/downloads/{SHARER}")).status_code == 404

    asyncio.run(play())


WORDS = {
    "None",
    "Requested",
    "Queued",
    "Initializing",
    "InProgress",
    "Completed",
    "Succeeded",
    "Cancelled",
    "TimedOut",
    "Errored",
    "Rejected",
    "Aborted",
    "Locally",
    "Remotely",
}


def test_the_lidarr_plugin_from_a_search_to_a_batch_in_its_own_folder(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path) as (http, net):
            state = (await http.get("/application/")).json()
            assert state["server"]["isConnected"]
            assert state["server"]["isLoggedIn"]
            assert [int(part) for part in state["version"]["current"].split(".")] >= [0, 26, 0]
            options = (await http.get("/options/")).json()
            assert Path(options["directories"]["downloads"]) == net.downloads
            assert options["remoteFileManagement"] is False
            assert options["soulseek"].get("username") != SHARER

            search = (
                await http.post("/searches/", json={"searchText": "tidal maps", "searchTimeout": 500})
            ).json()
            at = f"/searches/{search['id']}"

            async def one() -> Any:
                return (await http.get(f"{at}?includeResponses=true")).json()

            done = await poll(one, lambda found: found["isComplete"])
            [response] = [entry for entry in done["responses"] if entry["username"] == SHARER]
            assert (await http.delete(f"{at}/")).status_code == 204

            batch = {
                "id": "5c8d0f0e-3c0b-4a53-9a43-0a4c0a3e8f11",
                "searchId": search["id"],
                "username": SHARER,
                "files": [{"filename": file["filename"], "size": file["size"]} for file in response["files"]],
                "options": {"destination": "lidarr/grab-0001/Tidal", "externalId": "grab-0001"},
            }
            reply = await http.post("/transfers/downloads/batches/", json=batch)
            assert reply.status_code == 201
            assert reply.json()["batch"]["options"]["destination"] == "lidarr/grab-0001/Tidal"
            assert reply.json()["failures"] == []

            async def mine() -> Any:
                users = (await http.get("/transfers/downloads/")).json()
                return [
                    file
                    for user in users
                    for folder in user["directories"]
                    for file in folder["files"]
                    if file.get("batchId") == batch["id"]
                ]

            async def all_done() -> Any:
                found = await mine()
                for file in found:
                    # Any other word would make it throw.
                    assert set(file["state"].split(", ")) <= WORDS
                    for name in ("elapsedTime", "remainingTime"):
                        if name in file:
                            assert re.fullmatch(r"(\d+\.)?\d\d:\d\d:\d\d(\.\d{7})?", file[name])
                return found

            done_files = await poll(
                all_done, lambda found: found and all("Completed" in file["state"] for file in found)
            )
            assert len(done_files) == len(SONGS)
            kept = (await http.get(f"/transfers/downloads/batches/{batch['id']}/")).json()
            assert kept["options"] == batch["options"]
            assert {entry["state"] for entry in kept["transfers"]} == {"Completed, Succeeded"}
            # Flat, in the folder that it asked for.
            for name, data in SONGS.items():
                assert (net.downloads / "lidarr/grab-0001/Tidal" / name).read_bytes() == data
            path = "bGlkYXJyL2dyYWItMDAwMS9UaWRhbA=="
            listing = (await http.get(f"/files/downloads/directories/{path}/")).json()
            assert {file["name"] for file in listing["files"]} == set(SONGS)
            for file in done_files:
                url = f"/transfers/downloads/{SHARER}/{file['id']}/?remove=true"
                assert (await http.delete(url)).status_code == 204
                assert (await http.delete(url)).status_code == 204, "it asks twice"
            assert (await http.get("/transfers/downloads/")).json() == []
            # A restart is refused to a key; it bears that.
            assert (await http.put("/application/")).status_code == 401

    asyncio.run(play())


def test_tubifarry_stops_what_runs_and_removes_it(tmp_path: Path) -> None:
    async def play() -> None:
        async with stage(tmp_path) as (http, net):
            body = {
                "Id": "9a8b7c6d-5e4f-4321-8fed-cba987654321",
                "SearchText": "song",
                "FileLimit": 1000,
                "FilterResponses": True,
                "MaximumPeerQueueLength": 1000000,
                "MinimumPeerUploadSpeed": 0,
                "MinimumResponseFileCount": 1,
                "ResponseLimit": 100,
                "SearchTimeout": 30000,
            }
            raw = json.dumps(body).encode()
            reply = await http.post(
                "/searches", content=raw, headers={"Content-Type": "application/json; charset=utf-8"}
            )
            assert reply.json()["id"] == body["Id"]
            at = f"/searches/{body['Id']}"

            async def count() -> int:
                return int((await http.get(at)).json()["responseCount"])

            await poll(count, lambda found: found >= 1)
            assert (await http.put(at)).status_code == 200
            done = (await http.get(at, params={"includeResponses": "true"})).json()
            assert done["state"] == "Completed, Cancelled"
            assert len(done["responses"]) == 1
            net.sharer.transfers.uploads.closing = True
            files = [{"Filename": f["filename"], "Size": f["size"]} for f in done["responses"][0]["files"]]
            assert (await http.post(f"/transfers/downloads/{SHARER}", json=files)).status_code == 201
            [folder] = (await http.get(f"/transfers/downloads/{SHARER}")).json()["directories"]
            for file in folder["files"]:
                url = f"/transfers/downloads/{SHARER}/{file['id']}"
                assert (await http.delete(url)).status_code == 204
                assert (await http.delete(f"{url}?remove=true")).status_code == 204
            assert (await http.get(f"/transfers/downloads/{SHARER}")).status_code == 404

    asyncio.run(play())
