"""While one client takes over from another, requests wait or are told to come again; none of them fails."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from soulmesh.daemon.api1.api import operations, translate
from soulmesh.daemon.api1.operations import problem
from soulmesh.daemon.changing import WAIT_AT_MOST, Changing
from soulmesh.daemon.http.call import Call
from soulmesh.daemon.http.errors import HttpError
from soulmesh.daemon.http.routing import Access, Route, Router
from soulmesh.daemon.http.shell import Api, Shell
from soulmesh.errors import NotFound
from tests.daemon.fakes import KEY, Caller, Stage
from tests.daemon.stagecraft import network, until
from tests.support.loops import virtual

Perform = Callable[..., None]
Work = Callable[[Call], Coroutine[Any, Any, Response]]


@virtual
async def test_a_request_waits_until_the_change_is_over() -> None:
    changing = Changing()
    async with changing.change():
        waiting = asyncio.create_task(changing.steady())
        await asyncio.sleep(1)
        assert not waiting.done()
    assert await waiting == changing.count == 2
    assert await changing.steady() == 2


@virtual
async def test_two_changes_at_once_are_over_with_the_last() -> None:
    changing = Changing()
    async with changing.change():
        waiting = asyncio.create_task(changing.steady())
        async with changing.change():
            await asyncio.sleep(1)
        await asyncio.sleep(1)
        assert not waiting.done()
    assert await waiting == 4


@virtual
async def test_a_change_that_takes_long_is_answered_with_when_to_come_again() -> None:
    changing = Changing()
    begun = asyncio.get_running_loop().time()
    async with changing.change():
        with pytest.raises(HttpError) as refused:
            await changing.steady()
    assert (refused.value.status, refused.value.headers["retry-after"]) == (503, "1")
    assert asyncio.get_running_loop().time() - begun == WAIT_AT_MOST


def shell_of(on: Stage, changing: Changing, work: Work) -> Caller:
    router = Router([Route("GET", "/thing", work, Access.READ)])
    api = Api(("api", "v1"), router, problem, translate, {}, {}, ground=changing)
    return Caller(Shell([api], lambda: on.service.authenticator), "/api/v1")


@pytest.mark.parametrize("trouble", [RuntimeError("closed"), NotFound("gone"), asyncio.CancelledError()])
def test_what_failed_since_the_client_was_replaced_is_told_to_come_again(
    perform: Perform, trouble: BaseException
) -> None:
    async def play(on: Stage) -> None:
        changing = Changing()

        async def work(_call: Call) -> Response:
            async with changing.change():
                raise trouble

        reply = await shell_of(on, changing, work)("GET", "/thing")
        assert (reply.status, reply.headers["retry-after"]) == (503, "1")
        assert b"The client is being replaced" in reply.body

    perform(play)


def test_an_answer_of_its_own_stays_and_so_does_a_mistake_without_a_change(
    perform: Perform,
) -> None:
    async def play(on: Stage) -> None:
        changing = Changing()

        async def missing(_call: Call) -> Response:
            async with changing.change():
                raise HttpError(404, "There is no such thing")

        async def broken(_call: Call) -> Response:
            raise RuntimeError("a mistake")

        assert (await shell_of(on, changing, missing)("GET", "/thing")).status == 404
        assert (await shell_of(on, changing, broken)("GET", "/thing")).status == 500

    perform(play)


def test_no_list_fails_while_settings_replace_the_client(tmp_path: Path) -> None:
    async def play() -> None:
        async with network(tmp_path, remote=True) as net, httpx.AsyncClient(timeout=20) as web:
            head = {"X-API-Key": KEY}
            paths = [
                f"/api/v1{one.path}"
                for one in operations(net.daemon.service, None)
                if one.method == "GET" and "{" not in one.path and one.path not in ("/events", "/diagnosis")
            ]
            paths += ["/api/v0/rooms/joined", "/api/v0/conversations", "/api/v0/transfers/downloads"]
            answers: dict[str, set[int]] = {}

            async def ask_on(path: str, over: asyncio.Event) -> None:
                while not over.is_set():
                    reply = await web.get(net.url + path, headers=head)
                    answers.setdefault(path, set()).add(reply.status_code)
                    assert (
                        reply.status_code != 503
                        or "retry-after" in reply.headers
                        or b"logged" in reply.content
                    )

            over = asyncio.Event()
            async with asyncio.TaskGroup() as asking:
                for path in paths:
                    asking.create_task(ask_on(path, over))
                for amount in (31, 32):
                    before = net.daemon.engine.client
                    values = {"client.results_per_answer": amount}
                    address = f"{net.url}/api/v1/settings"
                    changed = await web.patch(address, headers=head, json={"values": values})
                    assert changed.status_code == 200, changed.text
                    await until(lambda old=before: net.daemon.engine.client is not old, "another client")
                over.set()
            assert {path: found for path, found in answers.items() if 500 in found} == {}
            assert len(answers) == len(paths) > 25

    asyncio.run(play())


def test_who_logged_out_stays_out_until_asked_back_whatever_changes(tmp_path: Path) -> None:
    async def play() -> None:
        async with network(tmp_path, remote=True) as net, httpx.AsyncClient(timeout=20) as web:
            engine, head = net.daemon.engine, {"X-API-Key": KEY}
            server, state = f"{net.url}/api/v0/server", f"{net.url}/api/v0/application"
            assert (await web.put(server, headers=head)).status_code == 205
            reply = await web.request("DELETE", server, headers=head, json="a rest")
            assert reply.status_code == 204
            before = engine.client
            values = {"client.results_per_answer": 31}
            await web.patch(f"{net.url}/api/v1/settings", headers=head, json={"values": values})
            await until(lambda: engine.client is not before, "another client")
            found = (await web.get(state, headers=head)).json()
            assert found["connectionWatchdog"]["isEnabled"] is False
            assert found["server"]["isConnected"] is False
            assert (await web.put(server, headers=head)).status_code == 200
            await until(lambda: engine.link.logged_in, "the login")

    asyncio.run(play())
