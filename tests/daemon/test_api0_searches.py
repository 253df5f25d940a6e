"""Searches: each with its own record, the network asked no more than needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from soulmesh.client.errors import SearchRefused
from soulmesh.daemon.ports import Answer, File, Link
from soulmesh.wire.enums import FileAttribute as A
from tests.daemon.fakes import Stage, example, later

Perform = Callable[..., None]

ID = example("search-request")["id"]
FOLDER = "music\\Quiet Harbor\\Tidal Maps (2019)"


def flac(name: str, size: int, seconds: int) -> File:
    attributes = ((A.DURATION, seconds), (A.SAMPLE_RATE, 44100), (A.BIT_DEPTH, 16))
    return File(f"{FOLDER}\\{name}.flac", size, attributes)


ANSWERS = [
    Answer(
        "quiet.harbor",
        True,
        2097152,
        0,
        [
            flac("01 - First Light", 31457280, 241),
            flac("02 - Breakwater", 28311552, 219),
            flac("03 - Slack Water", 35651584, 276),
        ],
    ),
    Answer(
        "Pine & Cedar",
        False,
        180224,
        17,
        [
            File(
                "@@kxqzr\\shared\\Quiet Harbor - Breakwater.mp3",
                8912896,
                ((A.BITRATE, 320), (A.DURATION, 219), (A.VBR, 0)),
            )
        ],
        [
            File(
                "@@kxqzr\\friends\\Quiet Harbor - First Light.mp3",
                9633792,
                ((A.BITRATE, 245), (A.DURATION, 241), (A.VBR, 1)),
            )
        ],
    ),
]


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def search(on: Stage, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = (
        await on.call("POST", "/searches", {**example("search-request"), **changes}, status=200)
    ).json
    return found


def without_times(body: Any) -> Any:
    return {name: value for name, value in body.items() if name not in ("startedAt", "endedAt")}


def test_a_search_goes_through_the_bodies_of_the_examples(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        started = await search(on)
        assert started["state"] == "InProgress"
        assert started["startedAt"] == "2026-03-01T09:16:10.501234Z"
        assert "endedAt" not in started
        [(text, network)] = on.engine.searches
        assert text == "quiet harbor tidal maps"
        for answer in ANSWERS:
            network.answer(answer)
        await settle()
        at = f"/searches/{ID}"
        running = await on.call.get(at)
        wanted = {**example("search-inprogress"), "lockedFileCount": 1}
        assert without_times(running) == without_times(wanted)
        # Counters grow, results wait for the end.
        assert await on.call.get(f"{at}/responses") == []
        assert (await on.call.get(f"{at}?includeResponses=True"))["responses"] == []
        later(on.clock, 17)
        on.service.searches._records[ID].timer._run()  # type: ignore[union-attr]  # the silence is over
        done = await on.call.get(at)
        assert without_times(done) == without_times(example("search-complete"))
        assert done["endedAt"].endswith("Z")
        # Completion and results are one step.
        assert await on.call.get(f"{at}/responses") == example("search-responses")
        await asyncio.gather(*on.service.searches._writing)
        assert not on.service.searches._records
        full = await on.call.get(f"{at}?INCLUDERESPONSES=true")
        assert without_times(full) == without_times(example("search-complete-with-responses"))
        assert await on.call.get(f"{at}/responses") == example("search-responses")
        assert [without_times(one) for one in await on.call.get("/searches")] == [without_times(done)]
        assert network.stopped

    perform(play)


def test_a_stop_keeps_what_came(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        await search(on)
        on.engine.searches[0][1].answer(ANSWERS[0])
        await settle()
        assert (await on.call("PUT", f"/searches/{ID}")).body == b""
        assert (await on.call.get(f"/searches/{ID}"))["state"] == "Completed, Cancelled"
        assert len(await on.call.get(f"/searches/{ID}/responses")) == 1
        assert (await on.call("PUT", f"/searches/{ID}")).status == 200
        unknown = "/searches/9a8b7c6d-5e4f-4321-8fed-cba987654321"
        for method in ("PUT", "DELETE", "GET"):
            assert (await on.call(method, unknown)).status == 404
            assert (await on.call(method, "/searches/nonsense")).status == 404

    perform(play)


@pytest.mark.parametrize("when", ["running", "just ended", "kept"])
def test_a_deleted_search_does_not_come_back(perform: Perform, when: str) -> None:
    async def play(on: Stage) -> None:
        await search(on)
        if when != "running":
            await on.call("PUT", f"/searches/{ID}")
        if when == "kept":
            await asyncio.gather(*on.service.searches._writing)
        assert (await on.call("DELETE", f"/searches/{ID}")).status == 204
        await settle()
        await asyncio.gather(*on.service.searches._writing)
        assert (await on.call("GET", f"/searches/{ID}")).status == 404
        assert await on.call.get("/searches") == []
        assert on.engine.searches[0][1].stopped

    perform(play)


def test_limits_end_a_search_and_filters_hold_back(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        one = (await search(on, id=None, responseLimit=1, searchText="one search"))["id"]
        two = (await search(on, id=None, fileLimit="3", searchText="two search"))["id"]
        three = (await search(on, id=None, maximumPeerQueueLength=17, searchText="three search"))["id"]
        four = (await search(on, id=None, minimumPeerUploadSpeed=10**9, searchText="four search"))["id"]
        five = (await search(on, id=None, minimumResponseFileCount=3, searchText="five search"))["id"]
        six = (
            await search(
                on, id=None, filterResponses="False", minimumResponseFileCount=9, searchText="six search"
            )
        )["id"]
        for _, network in on.engine.searches:
            for answer in (*ANSWERS, ANSWERS[0]):
                network.answer(answer)
        await settle()
        states = {key: (await on.call.get(f"/searches/{key}")) for key in (one, two, three, four, five, six)}
        assert states[one]["state"] == "Completed, ResponseLimitReached"
        assert states[two]["state"] == "Completed, FileLimitReached"
        counts = {key: body["responseCount"] for key, body in states.items()}
        assert counts == {one: 1, two: 1, three: 1, four: 0, five: 1, six: 2}, "and one user but once"

    perform(play)


def test_equal_searches_are_one_on_the_network_and_two_in_the_api(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        first = await search(on)
        on.engine.searches[0][1].answer(ANSWERS[0])
        await settle()
        on.engine.delay = 60.0
        second = await search(on, id=None, searchText="Quiet  harbor TIDAL maps", fileLimit=4)
        assert len(on.engine.searches) == 1
        assert first["id"] != second["id"]
        assert second["searchText"] == "Quiet  harbor TIDAL maps"
        assert (await on.call.get(f"/searches/{second['id']}"))["responseCount"] == 1
        on.engine.searches[0][1].answer(ANSWERS[1])
        await settle()
        assert (await on.call.get(f"/searches/{second['id']}"))["state"] == "Completed, FileLimitReached"
        assert (await on.call.get(f"/searches/{first['id']}"))["state"] == "InProgress"
        assert not on.engine.searches[0][1].stopped
        await on.call("DELETE", f"/searches/{first['id']}")
        assert on.engine.searches[0][1].stopped

    perform(play)


def test_equal_searches_in_the_same_moment_are_one_as_well(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        await asyncio.gather(*(search(on, id=None) for _ in range(5)))
        assert len(on.engine.searches) == 1
        assert len(await on.call.get("/searches")) == 5

    perform(play)


def test_a_search_beyond_the_pace_leaves_no_record(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        on.engine.delay = 12.3
        reply = await on.call("POST", "/searches", example("search-request"), status=429)
        assert reply.headers["retry-after"] == "13"
        assert isinstance(reply.json, str)
        assert await on.call.get("/searches") == []
        on.engine.delay = 0.0
        await search(on)

    perform(play)


def test_no_search_while_logged_out(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        on.engine.link = Link()
        reply = await on.call("POST", "/searches", example("search-request"), status=409)
        assert isinstance(reply.json, str)
        assert await on.call.get("/searches") == []

    perform(play)


def test_what_nobody_would_answer_is_refused_and_not_remembered(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        async def search(text: str, **_more: object) -> object:
            raise SearchRefused(text, "at least 3 characters are needed")

        on.engine.search = search  # type: ignore[assignment, method-assign]
        reply = await on.call("POST", "/searches", {"searchText": "U2"}, status=400)
        assert "at least 3 characters" in reply.json
        assert await on.call.get("/searches") == []

    perform(play)


def test_bad_wishes_are_400_and_used_ids_500(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        for change in (
            {"searchText": "  "},
            {"searchText": "-only -exclusions"},
            {"searchText": "***"},
            {"searchText": "x" * 5000},
            {"searchTimeout": 4},
            {"searchTimeout": "soon"},
            {"fileLimit": 0},
            {"responseLimit": -1},
            {"minimumPeerUploadSpeed": -1},
            {"maximumPeerQueueLength": -1},
            {"id": "nonsense"},
        ):
            body = {**example("search-request"), **change}
            reply = await on.call("POST", "/searches", body, status=400)
            assert isinstance(reply.json, str)
        await search(on)
        assert isinstance(
            (await on.call("POST", "/searches", example("search-request"), status=500)).json, str
        )

    perform(play)


def test_properties_in_any_case_and_unknown_ones_are_fine(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        body = {"SearchText": "night ferry", "FileLimit": "10", "SEARCHTIMEOUT": 1800000, "Unknown": {"a": 1}}
        found = (await on.call("POST", "/searches/", body, status=200)).json
        record = on.service.searches._records[found["id"]]
        assert (record.request.file_limit, record.request.silence) == (10, 1800.0)

    perform(play)


def test_silence_ends_a_search_and_an_answer_begins_it_anew(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        await search(on, searchTimeout=120)
        await asyncio.sleep(0.08)
        on.engine.searches[0][1].answer(ANSWERS[0])
        await asyncio.sleep(0.08)
        assert (await on.call.get(f"/searches/{ID}"))["state"] == "InProgress"
        await asyncio.sleep(0.1)
        assert (await on.call.get(f"/searches/{ID}"))["state"] == "Completed, TimedOut"

    perform(play)
