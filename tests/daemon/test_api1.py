"""Our own API: strict in what it takes, pages by cursor, resumes its event stream."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel
from starlette.requests import HTTPConnection
from starlette.responses import Response

from soulmesh.core.transfer import State
from soulmesh.daemon.api1 import streams
from soulmesh.daemon.api1.api import api, operations
from soulmesh.daemon.api1.examples import NoExample
from soulmesh.daemon.api1.examples import example as example_of
from soulmesh.daemon.api1.operations import Part, document
from soulmesh.daemon.api1.transfers import _opened
from soulmesh.daemon.http.shell import Shell
from soulmesh.daemon.hub import MOST_LISTENERS, REMEMBERED, WAITING, Hub, TooManyListeners
from soulmesh.daemon.kinds import stream_kinds
from soulmesh.daemon.ports import Answer, File, LoggedIn, Status, Withheld
from soulmesh.daemon.remote import Daemon, DaemonRefused, DaemonUnreachable, NotThere, find
from soulmesh.daemon.remote.parts.common import wanted
from soulmesh.daemon.store import CHANGES
from soulmesh.wire import text
from tests.daemon.fakes import KEY, Caller, Stage, stage, strike
from tests.daemon.stagecraft import ALBUM, SHARER, SONGS, network, until

Perform = Callable[..., None]


def caller(on: Stage) -> Caller:
    return Caller(Shell([api(on.service)], lambda: on.service.authenticator), "/api/v1")


def test_examples_of_answers_are_answers(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        answers = {one.answer for one in operations(on.service, None)} - {None, Response}
        assert len(answers) > 50
        for model in answers:
            model.model_validate_json(json.dumps(example_of(model)), strict=True)

    perform(play)


def test_a_text_of_which_nothing_is_known_has_no_example() -> None:
    class Odd(BaseModel):
        number: int
        wholly_new: str

    with pytest.raises(NoExample, match=r"Odd\.wholly_new"):
        example_of(Odd)


def test_what_may_carry_the_credential_in_its_query_says_so(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        found = await caller(on).get("/openapi.json")
        assert found["components"]["securitySchemes"]["token"]["name"] == "access_token"
        carrying = {
            path
            for path, item in found["paths"].items()
            for one in item.values()
            if {"token": []} in one.get("security", [])
        }
        assert carrying == {"/events", "/transfers/{id}/content", "/users/{username}/picture"}

    perform(play)


def test_every_operation_is_described_and_every_path_asks_for_a_credential(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        call = caller(on)
        found = await call.get("/openapi.json")
        assert found["openapi"] == "3.1.0"
        described = {(method.upper(), path) for path, item in found["paths"].items() for method in item}
        declared = {(one.method, one.path) for one in operations(on.service, None)}
        assert described == declared
        assert len(declared) > 50
        ids = [one["operationId"] for item in found["paths"].values() for one in item.values()]
        assert len(set(ids)) == len(ids)
        for path, item in found["paths"].items():
            for method, one in item.items():
                for kind in one.get("requestBody", {}).get("content", {}).values():
                    assert "example" in kind, (method, path)
                good = next(
                    one["responses"][status]
                    for status in ("200", "201", "202", "204")
                    if status in one["responses"]
                )
                for kind, content in good.get("content", {}).items():
                    assert kind == "*/*" or "example" in content, (method, path)

        def references(node: Any) -> Any:
            if isinstance(node, dict):
                if "$ref" in node:
                    yield node["$ref"]
                for inner in node.values():
                    yield from references(inner)
            elif isinstance(node, list):
                for inner in node:
                    yield from references(inner)

        for reference in references(found):
            assert reference.rpartition("/")[2] in found["components"]["schemas"], reference
        nobody = caller(on)
        nobody.headers = {"Host": "localhost"}
        for method, path in declared:
            if path == "/session":
                continue
            reply = await nobody(method, path.replace("{", "").replace("}", ""))
            assert reply.status == 401, (method, path)
            assert reply.headers["content-type"] == "application/problem+json"

    perform(play)


def test_problems_name_the_field(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        call = caller(on)
        for method, target, body, word in [
            ("POST", "/searches", {"text": 1}, "body.text"),
            ("POST", "/searches", {"text": "abc", "colour": "red"}, "body.colour"),
            ("POST", "/searches", {"text": "abc", "silence": -1}, "body.silence"),
            ("POST", "/searches", [], "body"),
            ("GET", "/searches?limit=0", None, "query.limit"),
            ("GET", "/searches?limit=many", None, "query.limit"),
            ("GET", "/searches?page=1", None, "query.page"),
            ("GET", "/status?x=1", None, "query"),
            ("POST", "/downloads", {"username": "x", "files": []}, "body.files"),
            (
                "POST",
                "/downloads",
                {"username": "x", "files": [{"path": "a", "size": -1}]},
                "body.files.0.size",
            ),
            (
                "POST",
                "/downloads",
                {"username": "x", "files": [{"path": "M\\..\\a"}]},
                "body.files: M\\..\\a leads out of its folder",
            ),
        ]:
            reply = await call(method, target, body, status=422)
            problem = json.loads(reply.body)
            assert problem["status"] == 422
            assert word in problem["detail"], (target, problem)
        for target in ("/searches?cursor=x", "/history?cursor=WyJhIl0", "/history?cursor=WzFlOTldXQ"):
            assert (await call("GET", target)).status == 400
        for target in ("/searches/none", "/transfers/none", "/history/none"):
            assert (await call("GET", target)).status == 404
        assert (await call("PATCH", "/searches")).status == 405

    perform(play)


def test_names_are_asked_for_in_the_bytes_that_are_said(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        call = caller(on)
        on.engine.statuses["x"] = Status("Online")
        latin = text(b"Mix\\caf\xe9.txt")
        files = wanted([(latin, 1), ("Mix\\caf\u00e9 2.txt", 1)])
        assert [row.get("latin1") for row in files] == [True, None]
        await call("POST", "/downloads", {"username": "x", "files": files}, status=201)
        asked = {transfer.remote_path.encode() for transfer in on.engine.transfers}
        assert asked == {b"Mix\\caf\xe9.txt", "Mix\\caf\u00e9 2.txt".encode()}
        body = {"username": "x", "files": [{"path": "\u4e2d.txt", "latin1": True}]}
        problem = await call("POST", "/downloads", body, status=422)
        assert "cannot be written in Latin-1" in json.loads(problem.body)["detail"]

    perform(play)


def test_a_file_that_failed_and_is_wanted_again_keeps_its_number_and_its_story(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        call = caller(on)
        on.engine.statuses["x"] = Status("Online")
        body = {"username": "x", "files": [{"path": "a\\1", "size": 1}]}
        [key] = (await call("POST", "/downloads", body, status=201)).json["taken"]
        number = (await call.get(f"/transfers/{key}"))["number"]
        [transfer] = on.engine.transfers
        on.engine.transfers.move(transfer, State.FAILED, "Banned")
        assert (await call.get(f"/transfers/{key}"))["reason"] == "Banned"
        assert (await call("POST", "/downloads", body, status=201)).json["taken"] == [key]
        again = await call.get(f"/transfers/{key}")
        assert (again["number"], again["state"]) == (number, "pending")
        assert (await call.get("/history"))["items"] == []
        # What is finished is got a second time, beside the first.
        on.engine.transfers.move(transfer, State.FINISHED)
        assert (await call("POST", "/downloads", body, status=201)).json["taken"] != [key]

    perform(play)


def test_an_unchanged_answer_is_304(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        call = caller(on)
        first = await call("GET", "/governor", status=200)
        again = await call("GET", "/governor", headers={"If-None-Match": first.headers["etag"]})
        assert (again.status, again.body) == (304, b"")
        on.engine.delay = 3.0
        assert (
            await call("GET", "/governor", headers={"If-None-Match": first.headers["etag"]})
        ).status == 200

    perform(play)


WHOLE = {
    # The state of one thing, with what belongs to it; what may be long in it has a list of its own.
    "/status": {"children"},
    "/tree": {"children"},
    "/transfers/{id}/why": {"past", "steps"},
    "/batches/{id}": {"may_miss", "users"},
    "/goals/{id}": {"candidates", "story", "steps", "transfers"},
    "/rooms/joined/{room}": {"users", "operators", "members", "tickers"},
    # As many as there are subjects, settings, or samples in the span.
    "/diagnosis": {"items"},
    "/settings/keys": {"items"},
    "/settings/entries": {"items"},
    "/statistics/speeds": {"items"},
    # Numbers of one window of a search's files, which says where it ends.
    "/searches/{id}/matches": {"matches"},
}
"""Lists that come whole, and why."""


def test_every_list_has_a_cursor_but_those_that_are_named_here(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        whole: dict[str, set[str]] = {}
        for operation in operations(on.service, None):
            fields = getattr(operation.answer, "model_fields", {})
            lists = {name for name, field in fields.items() if "list[" in str(field.annotation)}
            if operation.method != "GET" or not lists:
                continue
            asked = set(operation.query.model_fields) if operation.query is not None else set()
            if not ({"next", "before"} & set(fields) and {"cursor", "before"} & asked and "limit" in asked):
                whole[operation.path] = lists
            elif operation.query is not None and issubclass(operation.query, Part):
                assert set(operation.lists) == lists, operation.path
        assert whole == WHOLE

    perform(play)


def test_a_search_beyond_the_pace_says_when(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        on.engine.delay = 7.0
        reply = await caller(on)("POST", "/searches", {"text": "quiet harbor"}, status=429)
        assert reply.headers["retry-after"] == "7"
        reply = await caller(on)("PUT", "/rooms/joined/crowded", status=429)
        assert reply.headers["retry-after"] == "12"

    perform(play)


def test_a_search_tells_what_was_held_back_while_it_runs_and_ever_after(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        call = caller(on)
        listener = on.service.hub.listen(None)

        async def told() -> dict[str, Any]:
            found: list[dict[str, Any]] = [json.loads(one.data) for one in await listener.next()]
            return found[-1]

        search = (await call("POST", "/searches", {"text": "quiet harbor"}, status=201)).json
        nothing = dict.fromkeys(
            ("filtered", "blocked", "turned_away", "cut", "unreadable", "unreached"), 0
        ) | {"rules": {}}
        assert search["withheld"] == (await told())["withheld"] == nothing
        network = on.engine.searches[0][1]
        network.withhold(Withheld({"same size": 3}, unreached=1))
        held = nothing | {"rules": {"same size": 3}, "unreached": 1}
        # It is told though nobody's answer counted.
        event = await told()
        assert (event["id"], event["responses"], event["withheld"]) == (search["id"], 0, held)
        assert (await call.get(f"/searches/{search['id']}"))["withheld"] == held
        await call("POST", f"/searches/{search['id']}/stop", status=204)
        network.withhold(Withheld({"same size": 30}))
        await asyncio.gather(*on.service.searches._writing)
        assert not on.service.searches._records
        assert (await call.get(f"/searches/{search['id']}"))["withheld"] == held
        assert [one["withheld"] for one in (await call.get("/searches"))["items"]] == [held]

    perform(play)


def test_what_the_limits_of_a_search_hold_back_is_counted(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        wanted = {"searchText": "quiet harbor", "minimumPeerUploadSpeed": 1000}
        search = (await on.call("POST", "/searches", wanted, status=200)).json
        network = on.engine.searches[0][1]
        network.answer(Answer("slow", True, 10, 0, [File("a\\b.flac", 1)], [File("a\\c.flac", 1)]))
        network.answer(Answer("fast", True, 2000, 0, [File("a\\b.flac", 1)]))
        await asyncio.sleep(0.01)
        found = await caller(on).get(f"/searches/{search['id']}")
        assert (found["responses"], found["withheld"]["filtered"]) == (1, 2)

    perform(play)


def test_searches_of_an_earlier_version_held_back_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        on = await stage(tmp_path)
        before = (await on.call("POST", "/searches", {"searchText": "quiet harbor"}, status=200)).json
        await strike(on)
        with contextlib.closing(sqlite3.connect(tmp_path / "daemon.db")) as db, db:
            db.execute("ALTER TABLE searches DROP COLUMN withheld")
            for index in re.findall(r"CREATE INDEX (\w+)", "".join(CHANGES.values())):
                db.execute(f"DROP INDEX {index}")
            db.execute("PRAGMA user_version = 1")
        on = await stage(tmp_path)
        [found] = (await caller(on).get("/searches"))["items"]
        assert (found["id"], found["withheld"]["rules"], found["withheld"]["cut"]) == (before["id"], {}, 0)
        await on.call("POST", "/searches", {"searchText": "other words"}, status=200)
        on.engine.searches[0][1].withhold(Withheld(cut=2))
        await strike(on)
        on = await stage(tmp_path)
        cut = {one["text"]: one["withheld"]["cut"] for one in (await caller(on).get("/searches"))["items"]}
        assert cut == {"quiet harbor": 0, "other words": 2}
        await strike(on)

    asyncio.run(play())


def test_lists_come_in_pages(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        call = caller(on)
        on.engine.statuses["x"] = Status("Online")
        body = {"username": "x", "files": [{"path": f"a\\{n}", "size": 1} for n in range(25)]}
        taken = (await call("POST", "/downloads", body, status=201)).json
        assert len(taken["taken"]) == 25

        async def everything(path: str) -> list[str]:
            found: list[str] = []
            cursor = ""
            while True:
                page = await call.get(f"{path}?limit=10{cursor}")
                assert len(page["items"]) <= 10
                found += [item["id"] for item in page["items"]]
                if page["next"] is None:
                    return found
                cursor = f"&cursor={page['next']}"

        assert sorted(await everything("/transfers")) == sorted(taken["taken"])
        for transfer in list(on.engine.transfers):
            on.engine.transfers.move(transfer, State.FINISHED)
        assert await everything("/transfers") == []
        assert sorted(await everything("/history")) == sorted(taken["taken"])
        [one] = (await call.get("/history?limit=1"))["items"]
        assert (one["state"], one["done"]) == ("finished", 1)
        assert (await call.get(f"/transfers/{one['id']}"))["path"] == one["path"]
        search = (await call("POST", "/searches", {"text": "quiet harbor"}, status=201)).json
        for number in range(25):
            on.engine.searches[0][1].answer(Answer(f"user {number}", True, 1, 0, [File("a\\b.flac", 1)]))
        await asyncio.sleep(0.01)
        # Results are there while the search runs.
        page = await call.get(f"/searches/{search['id']}/results?limit=20")
        assert (len(page["items"]), page["total"]) == (20, 25)
        page = await call.get(f"/searches/{search['id']}/results?limit=20&cursor={page['next']}")
        assert (len(page["items"]), page["next"]) == (5, None)

    perform(play)


def test_the_document_is_the_same_every_time(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        declared = operations(on.service, None)
        assert document(declared, "1", "") == document(declared, "1", "")

    perform(play)


# -- events


def test_a_listener_resumes_where_it_stopped() -> None:
    async def play() -> None:
        hub = Hub("run")
        for number in range(3):
            hub.tell("link.Something", {"number": number})
        listener = hub.listen("run-1")
        assert [told.id for told in await listener.next()] == ["run-2", "run-3"]
        hub.tell("link.Something", {})
        assert [told.id for told in await listener.next()] == ["run-4"]

    asyncio.run(play())


@pytest.mark.parametrize("after", ["other-1", "run-999", "run-x", "nonsense", "", "run-" + "9" * 30])
def test_who_comes_with_an_id_that_means_nothing_is_told_that_it_missed_something(after: str) -> None:
    async def play() -> None:
        hub = Hub("run")
        hub.tell("link.Something", {})
        [told] = await hub.listen(after).next()
        assert told.kind == "missed"

    asyncio.run(play())


def test_what_is_too_long_ago_is_missed() -> None:
    async def play() -> None:
        hub = Hub("run")
        for _ in range(REMEMBERED + 10):
            hub.tell("a.b", 1)
        assert (await hub.listen("run-1").next())[0].kind == "missed"
        assert len(await hub.listen(f"run-{REMEMBERED + 5}").next()) == 5

    asyncio.run(play())


def test_all_that_is_remembered_is_told_to_who_resumes_and_what_follows_as_well() -> None:
    async def play() -> None:
        hub = Hub("run")
        for number in range(REMEMBERED):
            hub.tell("a.b", number)
        listener = hub.listen("run-1")
        for number in range(WAITING):
            hub.tell("a.c", number)
        told = await listener.next()
        assert [one.kind for one in told] == ["a.b"] * (REMEMBERED - 1) + ["a.c"] * WAITING
        # From now on it may be as slow as all others.
        for number in range(WAITING + 1):
            hub.tell("a.d", number)
        assert (await listener.next())[0].kind == "missed"

    asyncio.run(play())


@pytest.mark.parametrize(
    ("kinds", "known"),
    [
        ("transfer,link.LoggedIn", {"transfer", "link.LoggedIn"}),
        (" transfer.progress , statistics.sample,log,", {"transfer.progress", "statistics.sample", "log"}),
        (",", set()),
    ],
)
def test_a_stream_names_kinds_or_all_about_something(kinds: str, known: set[str]) -> None:
    assert stream_kinds(kinds) == known


def test_a_kind_of_event_that_does_not_exist_is_refused_by_name(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        refused = await caller(on)("GET", "/events?kinds=search,transfers", status=422)
        assert json.loads(refused.body)["detail"] == (
            "query.kinds: there is no kind of event 'transfers'; did you mean transfer?"
        )

    perform(play)


def test_a_login_that_has_an_end_listens_until_then(
    perform: Perform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LOOK_AGAIN", 0.0)

    async def play(on: Stage) -> None:
        login = {"username": "admin", "password": "correct horse"}
        token = (await on.call("POST", "/session", login)).json["token"]
        headers = [(b"authorization", f"Bearer {token}".encode())]
        connection = HTTPConnection(
            {"type": "http", "headers": headers, "client": ("127.0.0.1", 1), "query_string": b""}
        )
        listener = on.service.hub.listen(kinds=frozenset({"chat"}))
        lines = streams._lines(on.service, listener, streams._Pass(on.service, connection))
        assert (await anext(lines)).startswith(b": ")
        on.service.hub.tell("chat.read", {"number": 1})
        assert b'"number":1' in await anext(lines)
        on.clock.now += timedelta(days=8)
        on.service.hub.tell("chat.read", {"number": 2})
        assert [line async for line in lines] == []
        assert len(on.service.hub) == 0

    perform(play)


def test_a_key_that_was_taken_away_hears_nothing_more(tmp_path: Path) -> None:
    websockets = pytest.importorskip("websockets")

    async def play() -> None:
        given = {"api_keys": {"other": {"key": "the-key-of-another", "role": "ReadOnly"}}}
        async with network(tmp_path, **given) as net, httpx.AsyncClient(base_url=net.url) as http:
            service = net.daemon.service
            at = net.url.replace("http://", "ws://") + "/api/v1/events/socket?kinds=chat"
            headers = {"X-API-Key": "the-key-of-another"}
            async with (
                http.stream("GET", "/api/v1/events?kinds=chat", headers=headers) as stream,
                websockets.connect(f"{at}&access_token=the-key-of-another") as socket,
                websockets.connect(f"{at}&access_token={KEY}") as ours,
            ):
                lines = stream.aiter_lines()
                await anext(lines)
                await until(lambda: len(service.hub) == 3, "listening")
                web = service.settings.web.model_copy(update={"api_keys": {}})
                service.apply(service.settings.model_copy(update={"web": web}))
                service.hub.tell("chat.read", {"username": "mira", "id": 5})
                assert "mira" in await asyncio.wait_for(ours.recv(), 10)
                with pytest.raises(websockets.exceptions.ConnectionClosedError, match="holds no more"):
                    await asyncio.wait_for(socket.recv(), 10)
                assert [line async for line in lines if line] == []

    asyncio.run(play())


def test_a_slow_listener_loses_the_oldest_and_delays_nobody() -> None:
    async def play() -> None:
        hub = Hub("run")
        slow, other = hub.listen(), hub.listen(kinds=frozenset({"room"}))
        for number in range(WAITING + 50):
            hub.tell("transfer.x", number)
        hub.tell("room.y", 0)
        first, *rest = await slow.next()
        assert (first.kind, json.loads(first.data)) == ("missed", {"count": 51})
        assert len(rest) == WAITING
        assert [told.kind for told in await other.next()] == ["room.y"]

    asyncio.run(play())


def test_an_event_is_written_once_for_all_who_listen() -> None:
    async def play() -> None:
        hub = Hub("e")
        listeners = [hub.listen() for _ in range(3)]
        hub.tell("kind.Name", {"text": '\u00e9\n"', "number": 1})
        [told], *others = [await listener.next() for listener in listeners]
        assert all(other == [told] and other[0] is told for other in others)
        assert told.frame is told.frame
        assert told.lines is told.lines
        wanted = {"id": "e-1", "kind": "kind.Name", "data": {"text": '\u00e9\n"', "number": 1}}
        assert json.loads(told.frame) == [wanted]
        name, kind, data, *rest = told.lines.decode().split("\n")
        assert (name, kind, rest) == ("id: e-1", "event: kind.Name", ["", ""])
        assert json.loads(data.removeprefix("data: ")) == wanted["data"]

    asyncio.run(play())


def test_only_so_many_may_listen() -> None:
    async def play() -> None:
        hub = Hub("run")
        listeners = [hub.listen() for _ in range(MOST_LISTENERS)]
        with pytest.raises(TooManyListeners):
            hub.listen()
        hub.leave(listeners[0])
        hub.listen()

    asyncio.run(play())


# -- with a real daemon


def test_the_client_of_the_package_does_it_all(tmp_path: Path) -> None:
    async def play() -> None:
        async with network(tmp_path) as net:
            place = find(tmp_path / "data")
            assert place is not None
            assert place.url == net.url
            assert "key" not in repr(place)
            assert (tmp_path / "data" / "daemon.json").stat().st_mode & 0o077 == 0
            async with Daemon(place.url, place.key) as daemon:
                status = await daemon.status()
                assert status["logged_in"] is True
                seen: list[Any] = []
                listening = asyncio.create_task(collect(daemon, seen))
                await until(lambda: len(net.daemon.service.hub) == 1, "listening")
                search = await daemon.searches.begin("song tidal", silence=0.4)
                await until(lambda: any(kind == "search.changed" for kind, _ in seen), "an event")
                await until(
                    lambda: any(kind == "search.changed" and data["complete"] for kind, data in seen),
                    "the end",
                )
                [response] = [item async for item in daemon.searches.answers(search["id"])]
                assert response["username"] == SHARER
                file = sorted(response["files"], key=lambda file: str(file["filename"]))[0]
                taken = await daemon.transfers.download(
                    SHARER, [(file["filename"], file["size"])], destination="elsewhere"
                )
                [key] = taken["taken"]
                await until(lambda: any(kind == "transfer.DownloadFinished" for kind, _ in seen), "the file")
                landed = tmp_path / "downloads" / "elsewhere" / "01 - Song 1.flac"
                assert landed.read_bytes() == SONGS["01 - Song 1.flac"]
                assert net.daemon.engine.transfers.moved("download") == file["size"]
                assert (await daemon.transfers.get(key))["state"] == "finished"
                story = await daemon.transfers.why(key)
                assert story["now"] == "finished"
                assert story["past"]

                # Browsing from disk.
                await daemon.ask("POST", f"/users/{SHARER}/browse")
                folders = [item async for item in daemon.pages(f"/users/{SHARER}/browse/folders", limit=1)]
                [album] = [folder for folder in folders if folder["name"].endswith(ALBUM)]
                files = (await daemon.ask("GET", f"/users/{SHARER}/browse/files", folder=album["name"]))[
                    "items"
                ]
                assert len(files) == len(SONGS)
                hits = await daemon.ask("GET", f"/users/{SHARER}/browse/find", words="SONG 02", limit=5)
                assert [hit["path"].rpartition("\\")[2] for hit in hits["items"]] == ["02 - Song 2.flac"]
                rest = await daemon.ask("GET", f"/users/{SHARER}/browse/find", words="song", offset=2)
                assert [hit["path"].rpartition("\\")[2] for hit in rest["items"]] == ["03 - Song 3.flac"]
                one_by_one = daemon.pages(f"/users/{SHARER}/browse/find", words="song", limit=1)
                assert len([hit async for hit in one_by_one]) == len(SONGS)

                await daemon.ask("PUT", f"/users/{SHARER}/friend")
                user = await daemon.ask("GET", f"/users/{SHARER}")
                assert (user["friend"], user["presence"]) == (True, "Online")
                assert user["downloaded"] == file["size"]
                await daemon.chat.write(SHARER, "hello")
                wish = await daemon.ask("POST", "/wishes", {"query": "night ferry"})
                assert wish["found"] == 0
                await daemon.ask("DELETE", "/wishes", query="night ferry")
                await daemon.ask("PUT", "/rooms/joined/tapes")
                [room] = (await daemon.ask("GET", "/rooms/joined"))["items"]
                assert (room["name"], room["users"]) == ("tapes", 1)
                findings = {finding["subject"]: finding for finding in await daemon.diagnosis()}
                for subject in (
                    *("login", "server", "listening port", "indirect connection", "searching"),
                    *("the data folder", "shares"),
                ):
                    assert findings[subject]["state"] == "good", findings[subject]
                # Somebody else came to our port, since the server was asked for that.
                port = findings["listening port"]
                assert (port["code"], port["params"]["user"]) == ("port.reached", SHARER)
                with pytest.raises(NotThere):
                    await daemon.transfers.get("9a8b7c6d-5e4f-4321-8fed-cba987654321")
                with pytest.raises(DaemonRefused) as wrong:
                    await daemon.ask("GET", "/status", x=1)
                assert wrong.value.status == 422
                listening.cancel()
                await preview(net.url, key, SONGS["01 - Song 1.flac"])
            async with Daemon(place.url, "wrong-wrong-wrong-wrong") as stranger:
                with pytest.raises(DaemonRefused):
                    await stranger.status()
        assert find(tmp_path / "data") is None
        async with Daemon(place.url, place.key) as gone:
            with pytest.raises(DaemonUnreachable):
                await gone.status()

    asyncio.run(play())


async def collect(daemon: Daemon, seen: list[Any]) -> None:
    async for told in daemon.events(kinds=["search", "transfer"]):
        seen.append((told.kind, told.data))  # noqa: PERF401  # others look at it meanwhile


async def preview(url: str, key: str, whole: bytes) -> None:
    """Parts of a file, as a player asks for them."""
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", headers={"X-API-Key": KEY}) as http:
        at = f"/transfers/{key}/content"
        found = await http.get(at)
        assert found.content == whole
        assert found.headers["accept-ranges"] == "bytes"
        assert "sandbox" in found.headers["content-security-policy"]
        for text, part in [
            ("bytes=0-9", whole[:10]),
            ("bytes=100-", whole[100:]),
            ("bytes=-7", whole[-7:]),
            ("bytes=5-999999999", whole[5:]),
        ]:
            found = await http.get(at, headers={"Range": text})
            assert (found.status_code, found.content) == (206, part)
        assert (await http.get(at, headers={"Range": "bytes=999999999-"})).status_code == 416
        for tag, status in ((found.headers["etag"], 206), ('"another"', 200)):
            going_on = {"Range": "bytes=100-", "If-Range": tag}
            assert (await http.get(at, headers=going_on)).status_code == status
        assert (await http.get(at, headers={"Range": "bytes=0-1,4-5"})).status_code == 200


def test_streams_end_in_order_with_the_daemon(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def play() -> None:
        async with network(tmp_path) as net, Daemon(net.url, KEY) as daemon:
            seen: list[str] = []
            listening = asyncio.Event()

            async def listen() -> None:
                async for told in daemon.events(kinds=["chat"], listening=listening.set):
                    seen.append(told.kind)  # noqa: PERF401  # others look at it meanwhile

            task = asyncio.create_task(listen())
            await listening.wait()
            net.daemon.service.hub.tell("chat.read", {})
            await net.daemon.__aexit__(None, None, None)
            await asyncio.wait_for(task, 10)
            assert seen == ["chat.read"]

    asyncio.run(play())
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


def test_the_websocket_tells_the_same(tmp_path: Path) -> None:
    websockets = pytest.importorskip("websockets")

    async def play() -> None:
        async with network(tmp_path) as net:
            at = net.url.replace("http://", "ws://") + "/api/v1/events/socket"
            with pytest.raises(websockets.exceptions.InvalidStatus):
                await websockets.connect(at)
            with pytest.raises(websockets.exceptions.InvalidStatus):
                await websockets.connect(f"{at}?access_token={KEY}-not")
            async with httpx.AsyncClient(base_url=f"{net.url}/api/v1") as http:
                # Elsewhere no credential may stand in the query.
                for path in ("status", "transfers", "../v0/session"):
                    assert (await http.get(f"{path}?access_token={KEY}")).status_code == 401
                login = {"username": "admin", "password": "correct horse"}
                token = (await http.post("/session", json=login)).json()["token"]
            for credential in (token, KEY):
                async with websockets.connect(f"{at}?access_token={credential}&kinds=link") as socket:
                    await until(lambda: len(net.daemon.service.hub) == 1, "listening")
                    net.daemon.service.hub.notice(LoggedIn("lantern_owl"))
                    [event] = json.loads(await asyncio.wait_for(socket.recv(), 10))
                    assert event["kind"] == "link.LoggedIn"
                await until(lambda: len(net.daemon.service.hub) == 0, "gone")
                assert event["data"] == {"username": "lantern_owl"}
            await until(lambda: len(net.daemon.service.hub) == 0, "leaving")

    asyncio.run(play())


def test_a_player_that_goes_away_while_its_file_is_opened_leaves_none_open(tmp_path: Path) -> None:
    async def play() -> None:
        path = tmp_path / "song.flac"
        path.write_bytes(b"x")

        def is_open() -> bool:
            links = [Path("/proc/self/fd", number) for number in os.listdir("/proc/self/fd")]
            return any(os.path.lexists(link) and os.readlink(link) == str(path) for link in links)

        opening = asyncio.create_task(_opened(path))
        await asyncio.sleep(0)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await until(lambda: not is_open(), "closing")

    asyncio.run(play())
