"""Transfers: bodies, states and names to the letter."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from soulmesh.client.transfers.transfer import Meter, Transfer
from soulmesh.core.transfer import State
from soulmesh.daemon.api0.shapes import state_word, transfer_form
from soulmesh.daemon.lengths import MOST, Lengths
from soulmesh.daemon.ports import Answer, File, Link, Status
from soulmesh.wire import Latin1
from soulmesh.wire.enums import FileAttribute
from tests.daemon.fakes import Stage, example, later

Perform = Callable[..., None]

FOLDER = "music\\Quiet Harbor\\Tidal Maps (2019)"
FILES = [
    {"filename": f"{FOLDER}\\01 - First Light.flac", "size": 31457280},
    {"filename": f"{FOLDER}\\02 - Breakwater.flac", "size": 28311552},
    {"filename": f"{FOLDER}\\03 - Slack Water.flac", "size": 35651584},
]
UUIDS = [
    "8d1f0a52-6c1b-4e0b-a7d9-2f5f0f6a9c11",
    "0b7c4e7a-93d5-4f5c-8a1e-5b1d2c3e4f50",
    "c4a1b2d3-7e6f-4a5b-9c8d-1e2f3a4b5c6d",
]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def online(on: Stage, *names: str) -> None:
    for name in names or ("quiet.harbor",):
        on.engine.statuses[name] = Status("Online")


async def enqueue(on: Stage, files: list[Any] = FILES, username: str = "quiet.harbor") -> list[Transfer]:
    online(on, username)
    on.engine.transfers.next_uuids += UUIDS[: len(files)]
    await on.call("POST", f"/transfers/downloads/{username}", files, status=201)
    return [on.engine.transfers.find("download", username, file["filename"]) for file in files]  # type: ignore[misc]


def same(found: Any, wanted: Any) -> None:
    """Equal, but for the seventh digit of a fraction, which our clock does not have."""

    def cut(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: cut(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [cut(inner) for inner in value]
        if isinstance(value, str):
            return re.sub(r"(\.\d{6})\d", r"\1", value)
        return value

    assert cut(found) == cut(wanted)


def test_a_new_download_has_the_body_of_the_example(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        await enqueue(on)
        on.engine.transfers.next_uuids.clear()
        found = await on.call.get(f"/transfers/downloads/quiet.harbor/{UUIDS[2]}")
        same(found, example("transfer-download-queued-locally"))

    perform(play)


def test_each_step_of_a_download_has_the_body_of_its_example(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        first, second, third = await enqueue(on)
        move = on.engine.transfers.move
        on.clock.now = moment("2026-03-01T09:16:11.02")
        move(third, State.ASKING)
        assert (await on.call.get(f"/transfers/downloads/x/{UUIDS[2]}"))["state"] == "Requested"
        move(third, State.QUEUED)
        third.download.place = 4
        found = await on.call.get(f"/transfers/downloads/x/{UUIDS[2]}")
        same(found, example("transfer-download-queued-remotely"))

        on.clock.now = moment("2026-03-01T09:16:10.9")
        move(second, State.QUEUED)
        on.clock.now = moment("2026-03-01T09:16:12.25")
        move(second, State.RUNNING)
        second.download.received = 14155776
        loop = asyncio.get_running_loop()
        second.meter = Meter(loop.time() - 8)
        second.meter._total = 14155776
        on.clock.now = moment("2026-03-01T09:16:20.25")
        found = await on.call.get(f"/transfers/downloads/x/{UUIDS[1]}")
        wanted = example("transfer-download-inprogress")
        assert abs(found.pop("averageSpeed") - wanted.pop("averageSpeed")) < 20_000
        assert found.pop("remainingTime").startswith(wanted.pop("remainingTime")[:5])
        same(found, wanted)

        on.clock.now = moment("2026-03-01T09:16:10.887654")
        move(first, State.QUEUED)
        on.clock.now = moment("2026-03-01T09:16:11.1")
        move(first, State.RUNNING)
        on.clock.now = moment("2026-03-01T09:16:27.445678")
        first.average_speed = 1924560.75
        move(first, State.FINISHED, local="/downloads/x.flac")
        found = await on.call.get(f"/transfers/downloads/x/{UUIDS[0]}")
        same(found, example("transfer-download-succeeded"))

    perform(play)


def test_the_speed_of_what_took_a_moment_fits_its_time(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        first, *_ = await enqueue(on)
        move = on.engine.transfers.move
        move(first, State.QUEUED)
        move(first, State.RUNNING)
        later(on.clock, 0.01)
        first.average_speed = 1e12
        move(first, State.FINISHED, local="/downloads/x.flac")
        found = await on.call.get(f"/transfers/downloads/x/{UUIDS[0]}")
        assert found["averageSpeed"] == pytest.approx(found["size"] / 0.01)

    perform(play)


def test_a_refusal_and_a_retry_have_the_bodies_of_their_examples(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        _, second, _ = await enqueue(on)
        on.clock.now = moment("2026-03-01T09:16:11.75")
        second.machine.attempts = 1
        second.machine.deadline = asyncio.get_running_loop().time() + 60
        on.engine.transfers.move(second, State.DELAYED, "The wait timed out")
        found = await on.call.get(f"/transfers/downloads/x/{UUIDS[1]}")
        same(found, example("transfer-download-retrying"))
        # As the machine counts: the refusal is the first failure, and nothing is tried again.
        second.machine.attempts = 1
        on.engine.transfers.move(second, State.FAILED, "File not shared.")
        found = await on.call.get(f"/transfers/downloads/x/{UUIDS[1]}")
        same(found, example("transfer-download-rejected"))

    perform(play)


def test_states_are_the_words_that_others_compare(perform: Perform) -> None:
    words = {
        State.PENDING: "Queued, Locally",
        State.ASKING: "Requested",
        State.QUEUED: "Queued, Remotely",
        State.OFFERED: "Initializing",
        State.STARTING: "Initializing",
        State.RUNNING: "InProgress",
        State.SAVING: "InProgress",
        State.DELAYED: "Queued, Locally",
        State.OFFLINE: "Queued, Locally",
        State.NO_ROOM: "Queued, Locally",
        State.PAUSED: "Queued, Locally",
        State.FINISHED: "Completed, Succeeded",
        State.CANCELLED: "Completed, Cancelled",
    }

    async def play(on: Stage) -> None:
        transfer = on.engine.transfers.add("x", "a\\b", 1)
        upload = on.engine.transfers.add("x", "a\\b", 1, upload=True)
        for state, word in words.items():
            transfer.machine.state = state
            assert state_word(transfer) == word
        transfer.machine.state = State.FAILED
        for reason, word in [
            ("File not shared.", "Completed, Rejected"),
            ("Banned", "Completed, Rejected"),
            ("Too many files", "Completed, Rejected"),
            ("the wait timed out", "Completed, TimedOut"),
            ("connection lost", "Completed, Errored"),
        ]:
            transfer.machine.reason = reason
            assert state_word(transfer) == word
        # Whatever comes, it is one of these.
        first = {"None", "Requested", "Queued", "Initializing", "InProgress", "Completed"}
        second = {
            "Succeeded",
            "Cancelled",
            "TimedOut",
            "Errored",
            "Rejected",
            "Aborted",
            "Locally",
            "Remotely",
        }
        for machine in (transfer, upload):
            for state in State:
                machine.machine.state = state
                head, *rest = state_word(machine).split(", ")
                assert head in first
                assert len(rest) <= 1
                assert set(rest) <= second

    perform(play)


def test_times_have_a_zone_or_none_by_field(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        transfer = on.engine.transfers.add("x", "a\\b", 0)
        now = on.clock.now
        transfer.started = transfer.ended = now
        transfer.machine.state = State.FINISHED
        body = transfer_form(transfer, now=now, enqueued=now, next_attempt=now)
        for name in ("requestedAt", "enqueuedAt", "nextAttemptAt"):
            assert not body[name].endswith("Z")
        for name in ("startedAt", "endedAt"):
            assert body[name].endswith("Z")
        assert None not in body.values()
        assert "" not in [value for name, value in body.items() if name != "filename"]
        for name in ("size", "bytesTransferred", "bytesRemaining", "attempts"):
            assert type(body[name]) is int

    perform(play)


def test_lists_are_grouped_by_user_and_directory(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        assert await on.call.get("/transfers/downloads") == []
        assert (await on.call("GET", "/transfers/downloads/quiet.harbor")).status == 404
        transfers = await enqueue(on)
        on.engine.transfers.move(transfers[0], State.FINISHED)
        [user] = await on.call.get("/transfers/downloads?includeRemoved=False")
        wanted = example("downloads-list")[0]
        assert set(user) == set(wanted)
        assert set(user["directories"][0]) == set(wanted["directories"][0])
        assert user["directories"][0]["directory"] == FOLDER
        assert user["directories"][0]["fileCount"] == 3
        names = {file["filename"] for file in user["directories"][0]["files"]}
        assert names == {file["filename"] for file in FILES}
        assert await on.call.get("/transfers/downloads/quiet.harbor") == user
        assert await on.call.get("/transfers/uploads") == []

    perform(play)


def test_enqueuing_answers_201_with_what_was_taken_and_what_not(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        await enqueue(on, FILES[:1])
        on.engine.transfers.next_uuids = UUIDS[2:]
        body = [
            {**FILES[0], "code": 1, "isLocked": False, "extension": "flac"},
            {"FileName": FILES[2]["filename"], "Size": str(FILES[2]["size"])},
        ]
        reply = await on.call("POST", "/transfers/downloads/quiet.harbor", body, status=201)
        same(reply.json, example("enqueue-response"))

    perform(play)


def test_what_makes_no_sense_is_not_enqueued(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        online(on)
        at = "/transfers/downloads/quiet.harbor"
        for body in (
            None,
            [],
            {},
            [None],
            [{"filename": "", "size": 1}],
            [{"size": 1}],
            [{"filename": "a\\..\\b", "size": 1}],
            [{"filename": "a/../b", "size": 1}],
            [{"filename": "a", "size": -1}],
            [{"filename": "a", "size": "many"}],
            [{"filename": "a", "size": 1 << 70}],
        ):
            assert (await on.call("POST", at, body)).status == 400, body
        twice = await on.call("POST", at, [FILES[0], FILES[0]], status=500)
        assert isinstance(twice.json, str)
        assert list(on.engine.transfers) == []

    perform(play)


def test_an_offline_user_is_an_error_at_once(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        reply = await on.call("POST", "/transfers/downloads/quiet.harbor", FILES, status=500)
        assert reply.json == example("error-string")
        batch = example("batch-request")
        assert (await on.call("POST", "/transfers/downloads/batches", batch, status=404)).json == example(
            "error-string"
        )
        assert await on.call.get("/transfers/downloads") == []
        on.engine.link = Link()
        reply = await on.call("POST", "/transfers/downloads/quiet.harbor", FILES, status=500)
        assert isinstance(reply.json, str)

    perform(play)


def test_who_goes_offline_later_waits_with_a_time(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        first, *_ = await enqueue(on)
        on.engine.transfers.move(first, State.OFFLINE, "quiet.harbor is offline")
        body = await on.call.get(f"/transfers/downloads/x/{UUIDS[0]}")
        assert body["state"] == "Queued, Locally"
        assert body["nextAttemptAt"] == "2026-03-01T09:17:10.501234"
        later(on.clock, 3600)
        body = await on.call.get(f"/transfers/downloads/x/{UUIDS[0]}")
        assert body["nextAttemptAt"] == "2026-03-01T10:17:10.501234"

    perform(play)


def test_cancelling_is_204_whatever_the_id_and_400_for_none(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        await enqueue(on)
        one = f"/transfers/downloads/quiet.harbor/{UUIDS[0]}"
        assert (await on.call("DELETE", one)).status == 204
        assert (await on.call.get(one))["state"] == "Completed, Cancelled"
        assert (await on.call("DELETE", f"{one}?remove=True")).status == 204
        assert (await on.call.get(one))["removed"] is True
        assert (await on.call("DELETE", one.upper().replace("/TRANSFERS", "/transfers"))).status == 204
        # In one step as well.
        two = f"/transfers/downloads/quiet.harbor/{{{UUIDS[1].upper()}}}/?remove=true"
        assert (await on.call("DELETE", two.replace("{", "%7B").replace("}", "%7D"))).status == 204
        [user] = await on.call.get("/transfers/downloads")
        assert [file["id"] for file in user["directories"][0]["files"]] == [UUIDS[2]]
        [user] = await on.call.get("/transfers/downloads?includeRemoved=true")
        assert {file["id"] for file in user["directories"][0]["files"]} == set(UUIDS)
        unknown = "9a8b7c6d-5e4f-4321-8fed-cba987654321"
        assert (await on.call("DELETE", f"/transfers/uploads/x/{unknown}?remove=maybe")).status == 204
        assert (await on.call("DELETE", "/transfers/downloads/x/no-id")).status == 400
        assert (await on.call("GET", "/transfers/downloads/x/no-id")).status == 400
        assert (await on.call("GET", f"/transfers/downloads/x/{unknown}")).status == 404

    perform(play)


def test_clearing_hides_what_is_over_and_a_new_wish_supersedes(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        transfers = await enqueue(on)
        on.engine.transfers.move(transfers[0], State.FINISHED)
        on.engine.transfers.move(transfers[1], State.FAILED, "Banned")
        await on.call("POST", "/transfers/downloads/quiet.harbor", FILES[:2], status=201)
        [user] = await on.call.get("/transfers/downloads")
        ids = [file["id"] for file in user["directories"][0]["files"]]
        assert len(ids) == 3
        assert not {UUIDS[0], UUIDS[1]} & set(ids)
        assert (await on.call.get(f"/transfers/downloads/x/{UUIDS[0]}"))["removed"] is True
        again = on.engine.transfers.find("download", "quiet.harbor", str(FILES[0]["filename"]))
        assert again is not None
        on.engine.transfers.move(again, State.FINISHED)
        assert (await on.call("DELETE", "/transfers/downloads/all/completed")).status == 204
        [user] = await on.call.get("/transfers/downloads")
        assert len(user["directories"][0]["files"]) == 2
        assert (await on.call("DELETE", "/transfers/uploads/all/completed/")).status == 204

    perform(play)


def test_a_batch_has_the_body_of_the_example(perform: Perform, tmp_path: Path) -> None:
    async def play(on: Stage) -> None:
        await enqueue(on, FILES[:1])
        request = example("batch-request")
        request["files"] = [request["files"][0], request["files"][2]]
        on.engine.transfers.next_uuids = UUIDS[2:]
        on.clock.now = moment("2026-03-01T09:16:10.4")
        reply = await on.call("POST", "/transfers/downloads/batches/", request, status=207)
        wanted = example("batch-response")
        wanted["batch"]["transfers"][0]["requestedAt"] = "2026-03-01T09:16:10.4"
        same(reply.json, wanted)
        assert on.engine.transfers.mores[-1] == {
            "folder": str(tmp_path / "downloads" / "lidarr/grab-0001/Quiet Harbor - Tidal Maps")
        }
        found = await on.call.get(f"/transfers/downloads/batches/{request['id'].upper()}")
        same(found, wanted["batch"])
        [one] = found["transfers"]
        assert one["batchId"] == request["id"]
        assert (await on.call("POST", "/transfers/downloads/batches", request)).status == 409
        missing = "/transfers/downloads/batches/9a8b7c6d-5e4f-4321-8fed-cba987654321"
        assert (await on.call("GET", missing)).status == 404
        assert (await on.call("GET", "/transfers/downloads/batches/x")).status == 400

    perform(play)


def test_a_batch_of_which_all_or_nothing_is_taken(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        online(on)
        body = {"username": "quiet.harbor", "files": FILES}
        assert (await on.call("POST", "/transfers/downloads/batches", body, status=201)).json[
            "failures"
        ] == []
        none = (await on.call("POST", "/transfers/downloads/batches", body, status=200)).json
        assert len(none["failures"]) == 3
        for change in (
            {"username": " "},
            {"id": "x"},
            {"searchId": 1},
            {"files": []},
            {"files": [FILES[0], FILES[0]]},
            {"options": {"destination": "../up"}},
            {"options": {"destination": "/abs"}},
            {"options": {"destination": "a\\..\\..\\b"}},
            {"options": {"destination": "C:\\x"}},
            {"options": 7},
        ):
            reply = await on.call("POST", "/transfers/downloads/batches", {**body, **change})
            assert reply.status == 400, change
            assert isinstance(reply.json, str)

    perform(play)


def test_the_place_in_the_queue_is_a_bare_number(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        first, *_ = await enqueue(on)
        at = f"/transfers/downloads/quiet.harbor/{UUIDS[0]}/position"
        assert isinstance((await on.call("GET", at, status=500)).json, str)
        on.engine.places["quiet.harbor"] = example("queue-position")
        assert (await on.call("GET", at, status=200)).body == b"4"
        on.engine.transfers.move(first, State.QUEUED)
        assert (await on.call.get(at.removesuffix("/position")))["placeInQueue"] == 4
        missing = at.replace(UUIDS[0], "9a8b7c6d-5e4f-4321-8fed-cba987654321")
        assert (await on.call("GET", missing)).status == 404

    perform(play)


def test_names_that_are_no_utf8_are_asked_for_with_their_own_bytes(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        online(on)
        name = Latin1(b"Musik\\caf\xe9.mp3", "latin-1")
        on.service.ledger.remember("quiet.harbor", [name])
        body = [{"filename": "Musik\\café.mp3", "size": 5}]
        await on.call("POST", "/transfers/downloads/quiet.harbor", body, status=201)
        [transfer] = on.engine.transfers
        assert transfer.remote_path.encode() == b"Musik\\caf\xe9.mp3"
        [user] = await on.call.get("/transfers/downloads")
        assert user["directories"][0]["files"][0]["filename"] == "Musik\\café.mp3"

    perform(play)


def test_how_long_a_file_is_stays_with_it_when_it_is_asked_for_by_name(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        online(on)
        song = File("Music\\a.flac", 5, ((FileAttribute.DURATION, 241), (FileAttribute.BITRATE, 900)))
        other = File("Music\\b.flac", 5, ((FileAttribute.BITRATE, 900),))
        on.service.searches.on_answer(Answer("quiet.harbor", True, 0, 0, [song], [other]))
        body = [{"filename": file.name, "size": file.size} for file in (song, other)]
        await on.call("POST", "/transfers/downloads/quiet.harbor", body, status=201)
        assert on.engine.transfers.mores == [{"length": 241}, {}]
        # Another size is another file.
        assert on.service.ledger.lengths.of("quiet.harbor", song.name, 6) is None

    perform(play)


def test_only_so_many_lengths_are_remembered() -> None:
    lengths = Lengths()
    files = [File(f"Music\\{n}.mp3", n, ((FileAttribute.DURATION, n + 1),)) for n in range(MOST + 10)]
    lengths.learn("quiet.harbor", files)
    assert len(lengths) == MOST
    assert lengths.of("quiet.harbor", files[-1].name, files[-1].size) == MOST + 10
    assert lengths.of("quiet.harbor", files[0].name, files[0].size) is None


def test_finished_transfers_survive_a_restart(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        first, second, _ = await enqueue(on)
        upload = on.engine.transfers.add("Pine & Cedar", "Music\\Lantern\\04.mp3", 7, upload=True)
        for transfer in (first, second, upload):
            on.engine.transfers.move(transfer, State.FINISHED)
        before = await on.call.get("/transfers/downloads")
        on.service.ledger._shelves.forget("download")
        on.service.ledger._shelves.forget("upload")
        on.service.ledger._lists_made.clear()
        found = await on.call.get("/transfers/downloads")
        assert sorted(map(str, found[0]["directories"][0]["files"])) == sorted(
            map(str, before[0]["directories"][0]["files"])
        )
        [user] = await on.call.get("/transfers/uploads")
        assert user["username"] == "Pine & Cedar"
        assert set(user["directories"][0]) == set(example("uploads-list")[0]["directories"][0])

    perform(play)


def test_who_has_the_list_already_is_told_so_and_whatever_changes_it_counts(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        first, second, third = await enqueue(on)
        for transfer in (first, second):
            on.engine.transfers.move(transfer, State.FINISHED)
        await on.call("DELETE", f"/transfers/downloads/quiet.harbor/{third.uuid}?remove=true", status=204)

        async def current(target: str, tag: str | None = None) -> str | None:
            """The ETag of now; ``None`` if ``tag`` is still good."""
            reply = await on.call("GET", target, headers={"If-None-Match": tag or ""})
            assert reply.status == (200 if reply.body else 304)
            assert reply.headers["cache-control"] == "private, no-cache"
            return reply.headers["etag"] if reply.status == 200 else None

        for target in ("/transfers/downloads", "/transfers/downloads/quiet.harbor"):
            tag = await current(target)
            assert tag is not None
            assert await current(target, tag) is None
            assert await current(target, f'"other", W/{tag}') is None
        upload = on.engine.transfers.add("Pine & Cedar", "Music\\Lantern\\04.mp3", 7, upload=True)
        on.engine.transfers.move(upload, State.FINISHED)
        assert await current("/transfers/downloads", tag) is None
        [fourth] = await enqueue(on, [{"filename": "music\\04.mp3", "size": 1000}])
        tags = [tag]
        on.engine.transfers.move(fourth, State.RUNNING)
        for state in (State.RUNNING, State.FINISHED):
            if state is State.FINISHED:
                on.engine.transfers.move(fourth, state)
            else:
                fourth.machine.received = 500  # type: ignore[union-attr]
                on.service.ledger._lists_made.clear()
            found = await current("/transfers/downloads", tags[-1])
            assert found is not None
            tags.append(found)
        await on.call("DELETE", "/transfers/downloads/all/completed", status=204)
        cleared = await current("/transfers/downloads", tags[-1])
        assert cleared is not None
        assert len({*tags, cleared}) == 4

    perform(play)


def test_an_upload_of_a_file_whose_path_is_no_utf_8_is_recorded_and_told(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        local = os.fsdecode(b"/music/odd\xff/caf\xe9.mp3")
        upload = on.engine.transfers.add("Pine & Cedar", "Music\\café.mp3", 7, upload=True)
        on.engine.transfers.move(upload, State.FINISHED, local=local)
        [(kept,)] = await on.service.store.run(
            lambda db: db.execute("SELECT local_path FROM transfers").fetchall()
        )
        assert kept == os.fsencode(local)
        [user] = await on.call.get("/transfers/uploads")
        assert user["directories"][0]["files"][0]["filename"] == "Music\\café.mp3"
        [event] = await on.call.get("/events")
        assert json.loads(event["data"])["localFilename"] == r"/music/odd\xff/caf\xe9.mp3"

    perform(play)


def test_a_long_list_is_whole_and_says_its_length(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        reason = "x" * 300_000
        await enqueue(on)
        for number in range(6):
            transfer = on.engine.transfers.add(f"user {number}", f"a\\{number}.mp3", 7)
            if number % 2:
                on.engine.transfers.move(transfer, State.FAILED, reason)
        reply = await on.call("GET", "/transfers/downloads", status=200)
        assert int(reply.headers["content-length"]) == len(reply.body) > 900_000
        found = {user["username"]: user["directories"][0]["files"] for user in reply.json}
        assert sorted(found) == ["quiet.harbor", *(f"user {number}" for number in range(6))]
        assert found["user 1"][0]["exception"] == reason
        assert len(found["quiet.harbor"]) == 3

    perform(play)
