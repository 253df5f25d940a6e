"""What breaks consumers on any answer, whichever: nulls, empty times, numbers and durations of another form,
and an answer that waits for somebody else."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from soulmesh.wire import to_client, to_server
from tests.daemon.fakes import KEY
from tests.daemon.stagecraft import ALBUM, SHARER, SONGS, Network, network
from tests.daemon.test_consumers import poll
from tests.server.support import User, login

INTEGERS = re.compile(
    r"(size|count|port|slots|length|bytes\w+|attempts|token|place\w*|\w+Count|code|version)$"
)
TIMES = re.compile(r"\w+At$|^timestamp$")
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?(Z|[+-]\d\d:\d\d)?$")
UNZONED = {"requestedAt", "enqueuedAt", "nextAttemptAt"}
SPAN = re.compile(r"(\d+\.)?\d\d:\d\d:\d\d(\.\d{7})?$")


def walk(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is no list and no object, by the name of its member."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from walk(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from walk(inner, at)
    else:
        yield at, value


def test_no_answer_has_nulls_empty_times_or_numbers_of_another_form(tmp_path: Path) -> None:
    seen: dict[str, int] = {"integer": 0, "time": 0, "span": 0}

    async def play(net: Network, http: httpx.AsyncClient) -> None:
        folder = f"music\\Quiet Harbor\\{ALBUM}"
        done, *_ = files = [
            {"filename": f"{folder}\\{name}", "size": len(data)} for name, data in SONGS.items()
        ]
        wanted = [*files, {"filename": f"{folder}\\not there.flac", "size": 5}]
        assert (await http.post(f"/transfers/downloads/{SHARER}", json=wanted)).status_code == 201
        search = (await http.post("/searches", json={"searchText": "tidal", "searchTimeout": 300})).json()[
            "id"
        ]

        async def all_over() -> bool:
            [user] = (await http.get("/transfers/downloads")).json()
            states = [one["state"] for one in user["directories"][0]["files"]]
            ended = (await http.get(f"/searches/{search}")).json()["isComplete"]
            return bool(ended and all(state.startswith("Completed") for state in states))

        await poll(all_over, bool)
        [user] = (await http.get("/transfers/downloads")).json()
        states = {one["filename"]: one["state"] for one in user["directories"][0]["files"]}
        assert states[done["filename"]] == "Completed, Succeeded"
        assert states[wanted[-1]["filename"]] == "Completed, Rejected"
        for path in (
            "/application",
            "/options",
            "/server",
            "/searches",
            f"/searches/{search}?includeResponses=true",
            f"/searches/{search}/responses",
            "/transfers/downloads",
            "/transfers/uploads",
            f"/users/{SHARER}/info",
            f"/users/{SHARER}/status",
            f"/users/{SHARER}/endpoint",
            f"/users/{SHARER}/browse",
            "/conversations",
            "/rooms/joined",
            "/rooms/available",
            "/shares",
            "/shares/contents",
            "/files/downloads/directories?recursive=true",
            "/events",
            "/logs",
            "/telemetry/reports/transfers/summary",
            "/telemetry/reports/transfers/leaderboard?direction=Download",
        ):
            reply = await http.get(path)
            assert reply.status_code == 200, path
            for name, value in walk(json.loads(reply.content)):
                where = (path, name, value)
                assert value is not None, where
                if TIMES.match(name):
                    seen["time"] += 1
                    assert MOMENT.match(value), where
                    assert path == "/logs" or value.endswith("Z") is (name not in UNZONED), where
                elif name in ("elapsedTime", "remainingTime"):
                    seen["span"] += 1
                    assert SPAN.match(value), where
                elif INTEGERS.match(name) and isinstance(value, int | float):
                    seen["integer"] += 1
                    assert isinstance(value, int), where
                elif isinstance(value, str) and name not in ("message", "extension", "fullName", "data"):
                    assert value != "" or path == "/options" or path.endswith("/info"), where

    async def whole() -> None:
        async with (
            network(tmp_path) as net,
            httpx.AsyncClient(base_url=f"{net.url}/api/v0", headers={"X-API-Key": KEY}, timeout=20) as http,
        ):
            await play(net, http)

    asyncio.run(whole())
    assert min(seen.values()) > 3, seen


def test_enqueuing_does_not_wait_for_the_peer(tmp_path: Path) -> None:
    async def whole() -> None:
        # Whoever calls is connected by the system, and never hears a word.
        silent = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        silent.setblocking(False)
        async with (
            network(tmp_path) as net,
            httpx.AsyncClient(base_url=f"{net.url}/api/v0", headers={"X-API-Key": KEY}, timeout=20) as http,
        ):
            # On the network, and within reach; but it says nothing, to nobody.
            user = User("silent", *await asyncio.open_connection("127.0.0.1", net.server.port))
            user.send(login("silent"))
            assert (await user.next(to_client.Login)).success
            user.send(to_server.SetListenPort(silent.getsockname()[1]))
            await user.told()
            files = [{"filename": f"a\\{number}.flac", "size": 1000} for number in range(20)]
            reply = await http.post("/transfers/downloads/silent", json=files)
            assert reply.status_code == 201
            taken = reply.json()["enqueued"]
            assert [one["filename"] for one in taken] == [one["filename"] for one in files]
            assert reply.json()["failed"] == []
            batch = {"username": "silent", "files": [{"filename": "a\\more.flac", "size": 1000}]}
            assert (await http.post("/transfers/downloads/batches", json=batch)).status_code == 201
            # It is being asked, and has not answered: nothing has come of it, nor has anything failed.
            async with asyncio.timeout(20):
                called, _ = await asyncio.get_running_loop().sock_accept(silent)
            stack.enter_context(called)
            [listed] = (await http.get("/transfers/downloads")).json()
            states = {one["state"] for one in listed["directories"][0]["files"]}
            assert states <= {"Queued, Locally", "Requested", "Queued, Remotely"}, states
            for one in taken:
                await http.delete(f"/transfers/downloads/silent/{one['id']}?remove=true")
            await user.leave()

    with contextlib.ExitStack() as stack:
        asyncio.run(whole())
