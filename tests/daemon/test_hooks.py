"""Webhooks and scripts: told at least once, signed, tried again, never with names on a command line."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from soulmesh.config import Settings
from soulmesh.daemon import kinds
from soulmesh.daemon.hooks import AT_ONCE, Hooks, pause_after, sign
from soulmesh.daemon.kinds import check_hooks, matches
from soulmesh.errors import ConfigError
from tests.daemon.fakes import Stage, example, later
from tests.daemon.stagecraft import until

Perform = Callable[..., None]


class Receiver:
    """Answers as it is told, and keeps what came."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return httpx.Response(self.statuses.pop(0) if self.statuses else 200)


@contextlib.asynccontextmanager
async def hooked(on: Stage, receiver: Callable[[httpx.Request], Any], folder: Path) -> AsyncIterator[Hooks]:
    hooks = Hooks(
        on.service.store,
        on.service.events,
        lambda: on.service.settings,
        on.clock,
        folder,
        transport=httpx.MockTransport(receiver),
    )
    running = asyncio.create_task(hooks.run())
    try:
        yield hooks
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


WEBHOOK = {
    "done": {
        "on": ["downloadfilecomplete"],
        "url": "http://192.0.2.5/hook",
        "secret": "sesame",
        "headers": {"X-Token": "abc"},
        "attempts": 3,
    }
}


def test_an_event_is_posted_with_nulls_and_a_signature(perform: Perform, tmp_path: Path) -> None:
    async def play(on: Stage) -> None:
        receiver = Receiver()
        async with hooked(on, receiver, tmp_path / "scripts") as hooks:
            transfer = json.loads(json.dumps(example("transfer-download-succeeded")))
            on.service.events.tell(
                "DownloadFileComplete",
                localFilename="/srv/x.flac",
                remoteFilename=transfer["filename"],
                transfer=transfer,
            )
            on.service.events.tell("Noop")
            await until(lambda: hooks.delivered == 1, "the delivery")
        [request] = receiver.requests
        body = json.loads(request.content)
        wanted = example("event-download-file-complete")
        assert set(body) == set(wanted)
        assert {**wanted["transfer"]} == {**body["transfer"]}
        assert request.headers["x-token"] == "abc"
        fields = dict(part.split("=") for part in request.headers["x-soulmesh-signature"].split(","))
        signed = fields["t"].encode() + b"." + request.content
        assert fields["v1"] == hmac.new(b"sesame", signed, hashlib.sha256).hexdigest()
        assert (await hooks.pending())[0] == []

    perform(play, webhooks=WEBHOOK)


def test_a_failure_is_tried_again_and_given_up_in_the_end(perform: Perform, tmp_path: Path) -> None:
    async def play(on: Stage) -> None:
        receiver = Receiver(500, 302, 200)
        async with hooked(on, receiver, tmp_path / "scripts") as hooks:
            on.service.events.tell("DownloadFileComplete")
            for count in (1, 2):
                await until(lambda count=count: len(receiver.requests) == count, "an attempt")  # type: ignore[misc]
                await until_async(hooks, lambda found, count=count: found and found[0]["attempts"] == count)  # type: ignore[misc]
                later(on.clock, 700)
                hooks._wake.set()
            await until(lambda: hooks.delivered == 1, "the delivery")
            ids = {json.loads(request.content)["id"] for request in receiver.requests}
            assert len(ids) == 1, "a repetition is known by its id"
            receiver.statuses = [500] * 3
            on.service.events.tell("DownloadFileComplete")
            for count in (4, 5, 6):
                await until(lambda count=count: len(receiver.requests) == count, "an attempt")  # type: ignore[misc]
                await asyncio.sleep(0.05)
                later(on.clock, 700)
                hooks._wake.set()
            await until(lambda: hooks.failed == 1, "giving up")
            assert (await hooks.pending())[0] == []

    perform(play, webhooks=WEBHOOK)


async def until_async(hooks: Hooks, enough: Callable[[Any], bool]) -> None:
    async with asyncio.timeout(10):
        while True:
            found, _, _ = await hooks.pending()
            if enough(found):
                return
            await asyncio.sleep(0.01)


def test_what_waits_is_listed_in_pages(perform: Perform, tmp_path: Path) -> None:
    async def play(on: Stage) -> None:
        # Nobody delivers.
        hooks = Hooks(
            on.service.store, on.service.events, lambda: on.service.settings, on.clock, tmp_path / "scripts"
        )
        for _ in range(5):
            on.service.events.tell("DownloadFileComplete")
        seen: list[Any] = []
        place: int | None = 0
        while place is not None:
            found, place, waiting = await hooks.pending(place, 2)
            assert waiting == 5
            seen += [one["event"] for one in found]
        assert len(seen) == len(set(seen)) == 5

    perform(play, webhooks=WEBHOOK)


def test_a_header_that_cannot_be_sent_is_not_quoted(perform: Perform, tmp_path: Path) -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.LocalProtocolError("Illegal header value b'abc\\n'")

    async def play(on: Stage) -> None:
        async with hooked(on, refuse, tmp_path / "scripts") as hooks:
            on.service.events.tell("DownloadFileComplete")
            await until_async(hooks, lambda found: found[0]["attempts"] == 1)
            [waiting] = (await hooks.pending())[0]
            assert waiting["problem"] == (
                "its headers cannot be sent: a name or a value has characters that are not allowed"
            )

    perform(play, webhooks=WEBHOOK)


def test_what_was_not_confirmed_is_told_after_a_restart(perform: Perform, tmp_path: Path) -> None:
    async def play(on: Stage) -> None:
        down = Receiver(*[503] * 5)
        async with hooked(on, down, tmp_path / "scripts") as hooks:
            on.service.events.tell("DownloadFileComplete")
            await until_async(hooks, lambda found: found and found[0]["attempts"] == 1)
        later(on.clock, 60)
        up = Receiver()
        async with hooked(on, up, tmp_path / "scripts") as hooks:
            await until(lambda: hooks.delivered == 1, "the delivery")

    perform(play, webhooks=WEBHOOK)


def test_one_that_does_not_answer_holds_up_no_other(perform: Perform, tmp_path: Path) -> None:
    """Each has places of its own, and is told of the oldest first."""
    silent: list[httpx.Request] = []
    well: list[str] = []

    async def receive(request: httpx.Request) -> httpx.Response:
        if request.url.host == "silent.example":
            silent.append(request)
            await asyncio.get_running_loop().create_future()
        well.append(json.loads(request.content)["number"])
        return httpx.Response(200, headers={"set-cookie": "who=you"})

    async def play(on: Stage) -> None:
        async with hooked(on, receive, tmp_path / "scripts") as hooks:
            for number in range(20):
                on.service.events.tell("Noop", number=number)
            await until(lambda: hooks.delivered == 20, "what the other one is told")
            assert sorted(well) == list(range(20))
            assert max(well[:4]) < 8
            assert len(silent) == AT_ONCE
            _, _, waiting = await hooks.pending()
            assert waiting == 20

    hooks = {"silent": "http://silent.example/", "well": "http://well.example/"}
    perform(play, webhooks={name: {"on": ["Any"], "url": url} for name, url in hooks.items()})


def test_what_waits_for_one_that_is_taken_away_under_way_is_forgotten(
    perform: Perform, tmp_path: Path
) -> None:
    asked: list[httpx.Request] = []

    async def receive(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        await asyncio.get_running_loop().create_future()
        return httpx.Response(200)

    async def play(on: Stage) -> None:
        async with hooked(on, receive, tmp_path / "scripts") as hooks:
            for _ in range(20):
                on.service.events.tell("DownloadFileComplete")
            await until(lambda: len(asked) == AT_ONCE, "requests that hang")
            on.service.apply(Settings.model_validate({**on.service.settings.model_dump(), "webhooks": {}}))
            hooks._wake.set()
            await until_async(hooks, lambda found: not found)

    perform(play, webhooks=WEBHOOK)


def test_one_receiver_tells_another_nothing(perform: Perform, tmp_path: Path) -> None:
    """The client is kept, as reading all certificates takes its time; cookies are not."""

    async def play(on: Stage) -> None:
        seen: list[httpx.Request] = []

        def receive(request: httpx.Request) -> httpx.Response:
            seen.append(request)
            return httpx.Response(200, headers={"set-cookie": "who=you"})

        async with hooked(on, receive, tmp_path / "scripts") as hooks:
            for count in (1, 2):
                on.service.events.tell("DownloadFileComplete")
                await until(lambda count=count: hooks.delivered == count, "the delivery")  # type: ignore[misc]
            assert len(hooks._clients) == 1
        assert hooks._clients == {}
        assert ["cookie" in request.headers for request in seen] == [False, False]

    perform(play, webhooks=WEBHOOK)


def test_a_webhook_that_is_changed_meanwhile_counts_at_once(perform: Perform, tmp_path: Path) -> None:
    async def play(on: Stage) -> None:
        def change(**hooks: Any) -> None:
            given = {**on.service.settings.model_dump(), "webhooks": hooks}
            on.service.apply(Settings.model_validate(given))

        receiver = Receiver(503)
        async with hooked(on, receiver, tmp_path / "scripts") as hooks:
            on.service.events.tell("DownloadFileComplete")
            await until_async(hooks, lambda found: found and found[0]["attempts"] == 1)
            # What waits for its next try goes to the new address, with the new secret.
            change(done={**WEBHOOK["done"], "url": "http://192.0.2.6/other", "secret": "open"})
            later(on.clock, 60)
            hooks._wake.set()
            await until(lambda: hooks.delivered == 1, "the delivery")
            assert [str(request.url) for request in receiver.requests] == [
                "http://192.0.2.5/hook",
                "http://192.0.2.6/other",
            ]
            last = receiver.requests[-1]
            moment, _, signature = last.headers["x-soulmesh-signature"].partition(",")
            assert f"{moment},{signature}" == sign("open", last.content, int(moment[2:]))
            # A new one is told of what happens from now on, and one that is gone of nothing more.
            change(news={"on": ["Noop"], "url": "http://192.0.2.7/new"})
            on.service.events.tell("DownloadFileComplete")
            on.service.events.tell("Noop")
            await until(lambda: hooks.delivered == 2, "the delivery")
            assert str(receiver.requests[-1].url) == "http://192.0.2.7/new"
            assert len(receiver.requests) == 3
            # What waits for one that was taken away is forgotten.
            receiver.statuses = [503]
            on.service.events.tell("Noop")
            await until_async(hooks, lambda found: found and found[0]["attempts"] == 1)
            change()
            later(on.clock, 60)
            hooks._wake.set()
            await until_async(hooks, lambda found: not found)
            assert (len(receiver.requests), hooks.failed) == (4, 0)

    perform(play, webhooks=WEBHOOK)


def test_scripts_get_the_event_in_the_environment_alone(perform: Perform, tmp_path: Path) -> None:
    out = tmp_path / "out"

    async def play(on: Stage) -> None:
        receiver = Receiver()
        async with hooked(on, receiver, tmp_path / "scripts") as hooks:
            name = '$(touch pwned) `touch pwned` "; touch pwned'
            on.service.events.tell(
                "DownloadDirectoryComplete", here={"localDirectoryName": name}, localDirectoryName="/mnt/seen"
            )
            await until(lambda: hooks.delivered == 3, "both scripts, and the webhook")
            on.service.events.tell("Noop")
            await until(lambda: hooks.failed == 1, "the failing one")
        # They run here; who asks over HTTP may see other paths.
        assert json.loads(out.read_text())["localDirectoryName"] == name
        [posted] = receiver.requests
        assert json.loads(posted.content)["localDirectoryName"] == "/mnt/seen"
        assert [path.name for path in (tmp_path / "scripts").iterdir()] == ["here"]

    scripts = {
        "shell": {
            "on": ["DownloadDirectoryComplete"],
            "command": f'printf %s "$SLSKD_SCRIPT_DATA" > {out}',
        },
        "plain": {"on": ["DownloadDirectoryComplete"], "executable": "/bin/touch", "args": ["here"]},
        "failing": {"on": ["Noop"], "command": "echo broken >&2; exit 3"},
    }
    webhooks = {"far": {"on": ["DownloadDirectoryComplete"], "url": "http://192.0.2.5/hook"}}
    perform(play, scripts=scripts, webhooks=webhooks)


def test_a_script_that_hangs_is_ended(perform: Perform, tmp_path: Path) -> None:
    async def play(on: Stage) -> None:
        async with hooked(on, Receiver(), tmp_path / "scripts") as hooks:
            on.service.events.tell("Noop")
            await until(lambda: hooks.failed == 1, "giving up")

    perform(play, scripts={"slow": {"executable": "/bin/sleep", "args": ["60"], "timeout": 0.2}})


def test_what_our_own_stream_tells_is_told_with_its_data(perform: Perform, tmp_path: Path) -> None:
    """Goals, wishes, failures, scans: slskd has no kinds for them, and no bodies."""

    async def play(on: Stage) -> None:
        receiver = Receiver()
        async with hooked(on, receiver, tmp_path / "scripts") as hooks:
            on.service.hub.outward = hooks.notice
            on.service.hub.tell("goal.GoalFinished", {"goal": "g1", "name": "Tidal Maps"})
            on.service.hub.tell("share.scan", {"state": "finished"})
            on.service.hub.tell("wish.WishFound", {"query": "tidal"})
            on.service.hub.show("goal.progress", {})
            on.service.events.tell("DownloadFileComplete")
            await until(lambda: hooks.delivered == 2, "two deliveries")
            assert (await hooks.pending())[2] == 0
        told = {
            request.headers["x-soulmesh-event"]: json.loads(request.content) for request in receiver.requests
        }
        assert told.keys() == {"goal.GoalFinished", "wish.WishFound"}
        goal = told["goal.GoalFinished"]
        assert goal.pop("timestamp").endswith("Z")
        assert goal == {
            "id": on.service.hub.last.rpartition("-")[0] + "-1",
            "type": "goal.GoalFinished",
            "version": 0,
            "data": {"goal": "g1", "name": "Tidal Maps"},
        }

    perform(play, webhooks={"mine": {"on": ["goal", "wish.wishfound"], "url": "http://192.0.2.5/hook"}})


def test_a_kind_that_does_not_exist_is_refused_with_the_nearest() -> None:
    def settings(*kinds: str) -> Settings:
        return Settings.model_validate({"scripts": {"tag": {"on": list(kinds), "command": "true"}}})

    check_hooks(
        settings("any", "DOWNLOADFILECOMPLETE", "transfer", "transfer.BatchFinished", "share.scan", "*")
    )
    with pytest.raises(ConfigError) as caught:
        check_hooks(settings("DownloadFileComplet"))
    assert str(caught.value) == (
        "scripts.tag.on: there is no kind of event 'DownloadFileComplet'; did you mean DownloadFileComplete?"
    )
    with pytest.raises(ConfigError):
        check_hooks(settings("transfer.progress"))


def test_every_kind_that_the_daemon_tells_can_be_asked_for() -> None:
    """What is written in the sources is in the list."""
    folder = Path(kinds.__file__).parent
    told = {
        kind
        for path in folder.rglob("*.py")
        for kind in re.findall(r'hub\.tell\(\s*"([^"]+)"', path.read_text(encoding="utf-8"))
    }
    assert told == set(kinds.DAEMON)
    assert {"goal.GoalFinished", "transfer.TransferMoved", "user.UserStatusChanged"} <= set(kinds.own_kinds())


def test_kinds_pauses_and_signatures() -> None:
    assert matches(["Any"], "Noop")
    assert matches(["all"], "Noop")
    assert matches(["noop"], "Noop")
    assert not matches(["DownloadFileComplete"], "Noop")
    assert not matches([], "Noop")
    assert matches(["*"], "Noop")
    assert matches(["*"], "goal.GoalMoved")
    assert matches(["goal"], "goal.GoalMoved")
    # Who asked for all before there were others gets the bodies that he knows.
    assert not matches(["Any"], "goal.GoalMoved")
    assert [pause_after(n) for n in (1, 2, 3, 50)] == [1.0, 2.0, 4.0, 600.0]
    assert sign("a", b"x", 1).startswith("t=1,v1=")
