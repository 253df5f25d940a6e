"""Settings with which no daemon could start: refused when they are said, left out when they were kept."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from soulmesh.daemon.engine import Account
from soulmesh.daemon.possible import possible_part
from soulmesh.daemon.run import Daemon
from soulmesh.errors import ConfigError
from tests.daemon.fakes import KEY
from tests.daemon.stagecraft import loader

NOWHERE = "192.0.2.7"
"""An address for documents (RFC 5737): no machine has it."""


def _taken() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


@contextlib.asynccontextmanager
async def running(tmp_path: Path, account: Account | None = None) -> AsyncIterator[Daemon]:
    """A daemon that may be set over HTTP, and finds no server."""
    values: dict[str, Any] = {
        "daemon": {"data": str(tmp_path / "data")},
        "network": {"server": "127.0.0.1:1", "listen_port": 0, "listen_host": "127.0.0.1"},
        "downloads": {"folder": str(tmp_path / "downloads")},
        "web": {"port": 0, "api_key": KEY, "username": "admin", "password": "correct horse"},
        "remote_configuration": True,
    }
    config = tmp_path / "config.toml"
    config.touch()
    load = loader(values, account or Account(None), config)
    async with Daemon(load, config_file=config) as daemon:
        yield daemon


def kept(tmp_path: Path) -> Any:
    file = tmp_path / "data" / "settings.json"
    return json.loads(file.read_text()) if file.exists() else {}


def keep(tmp_path: Path, values: dict[str, Any]) -> None:
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "settings.json").write_text(json.dumps(values))


def test_what_the_start_would_refuse_is_refused_over_every_door_and_not_kept(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as daemon, httpx.AsyncClient(headers={"X-API-Key": KEY}) as http:
            with _taken() as other:
                wrong: dict[str, tuple[Any, str]] = {
                    "web.certificate": (str(tmp_path / "nope.pem"), "web.certificate: "),
                    "downloads.folder": ("/proc/nope", "the folder of downloads: /proc/nope cannot be made"),
                    "network.listen_host": (NOWHERE, "network.listen_host: no network interface here"),
                    "network.local_address": (NOWHERE, "network.local_address: no network interface here"),
                    "web.port": (other.getsockname()[1], "web.port: "),
                }
                entry = {"username": "admin", "password": "correct horse"}
                answer = await http.post(f"{daemon.url}/api/v0/session", json=entry)
                by_login = {"Authorization": f"Bearer {answer.json()['token']}"}
                for key, (value, words) in wrong.items():
                    answer = await http.patch(
                        f"{daemon.url}/api/v1/settings",
                        json={"values": {key: value, "transfers.upload_slots": 7}},
                    )
                    assert (answer.status_code, words in answer.json()["detail"]) == (422, True), answer.text
                    section, _, name = key.partition(".")
                    text = f"[{section}]\n{name} = {json.dumps(value)}\n"
                    request = http.build_request("PUT", f"{daemon.url}/api/v0/options/yaml", json=text)
                    del request.headers["X-API-Key"]
                    request.headers.update(by_login)
                    answer = await http.send(request)
                    assert (answer.status_code, words in answer.text) == (400, True), answer.text
                    told = await http.post(f"{daemon.url}/api/v0/options/yaml/validate", json=text)
                    assert words in told.text
            answer = await http.patch(
                f"{daemon.url}/api/v0/options", json={"soulseek": {"listenIpAddress": NOWHERE}}
            )
            assert (answer.status_code, NOWHERE in answer.text) == (400, True)
            for strange, words in ((f"/{'x' * 300}", "name too long"), ("/a\0b", "null")):
                wish = {"values": {"downloads.folder": strange}}
                answer = await http.patch(f"{daemon.url}/api/v1/settings", json=wish)
                assert (answer.status_code, words in answer.text.lower()) == (422, True)
            assert kept(tmp_path) == {}
            assert (tmp_path / "config.toml").read_text() == ""
            # What can be had is; looking made no folder, what is gone by does.
            folder = tmp_path / "new" / "folder"
            answer = await http.patch(
                f"{daemon.url}/api/v1/settings",
                json={"values": {"downloads.folder": str(folder), "web.port": daemon.http.port}},
            )
            assert answer.status_code == 200, answer.text
            assert kept(tmp_path) == {"downloads.folder": str(folder), "web.port": daemon.http.port}
            assert not folder.exists()

    asyncio.run(play())


def test_a_secret_that_comes_back_as_it_was_shown_stays(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as daemon, httpx.AsyncClient(headers={"X-API-Key": KEY}) as http:
            url = f"{daemon.url}/api/v1/settings"
            found = {item["key"]: item["value"] for item in (await http.get(f"{url}/keys")).json()["items"]}
            values = {"web.password": found["web.password"], "transfers.upload_slots": 7}
            answer = await http.patch(url, json={"values": values})
            assert answer.status_code == 200, answer.text
            assert kept(tmp_path) == {"transfers.upload_slots": 7}
            # Stars that stand for nothing are no password.
            answer = await http.patch(url, json={"values": {"account.password": "*****"}})
            assert answer.status_code == 422
            assert "account.password has no value yet" in answer.json()["detail"]

    asyncio.run(play())


def test_a_file_that_makes_the_next_start_impossible_is_not_gone_by(tmp_path: Path) -> None:
    async def play() -> None:
        async with running(tmp_path) as daemon:
            before = daemon.service.settings
            (tmp_path / "config.toml").write_text('[downloads]\nfolder = "/proc/nope"\n')
            with pytest.raises(ConfigError, match="/proc/nope"):
                await daemon.reload()
            assert daemon.service.settings == before

    asyncio.run(play())


def test_what_was_kept_and_has_become_impossible_is_named_with_its_file_and_left_out(tmp_path: Path) -> None:
    bad = {
        "web.certificate": str(tmp_path / "gone.pem"),
        "downloads.folder": "/proc/nope",
        "network.listen_host": NOWHERE,
        "log.level": "loud",
    }
    keep(tmp_path, {**bad, "transfers.upload_slots": 7})

    async def play() -> None:
        async with running(tmp_path) as daemon:
            assert daemon.service.settings.transfers.upload_slots == 7
            assert daemon.service.settings.network.listen_host == "127.0.0.1"
            lines = [line["message"] for line in daemon.logbook.lines()]
            for key in bad:
                assert [
                    line
                    for line in lines
                    if f"key={key} " in line and str(tmp_path / "data" / "settings.json") in line
                ], lines
            # The next start may be able to: they stay until somebody says something else.
            await daemon._change_settings({"transfers.upload_slots": 8, "log.level": None})
            await daemon._change_settings({"downloads.folder": str(tmp_path / "other")})
            assert kept(tmp_path) == {
                "web.certificate": bad["web.certificate"],
                "network.listen_host": NOWHERE,
                "transfers.upload_slots": 8,
                "downloads.folder": str(tmp_path / "other"),
            }

    asyncio.run(play())


def test_who_chose_a_way_out_does_not_go_online_another_way_when_it_is_gone(tmp_path: Path) -> None:
    keep(tmp_path, {"network.local_address": NOWHERE})

    async def play() -> None:
        async with running(tmp_path, Account("somebody", "password")) as daemon:
            link = daemon.engine.link
            assert not link.wanted
            assert "network.local_address" in (link.problem or "")
            assert "settings.json" in (link.problem or "")

    asyncio.run(play())


@pytest.mark.parametrize(
    ("kept", "wrong", "part", "out"),
    [
        # Each problem: which of the keys have to be there, and which must not, for it to be one.
        ({"a": 1, "b": 2}, [], {"a": 1, "b": 2}, {}),
        ({"a": 1, "b": 2}, [("a", "", "A")], {"b": 2}, {"a": "A"}),
        ({"a": 1, "b": 2, "c": 3}, [("a", "", "A"), ("c", "", "C")], {"b": 2}, {"a": "A", "c": "C"}),
        # A certificate and its key belong together; either alone is wrong.
        (
            {"cert": 1, "key": 2, "a": 3},
            [("cert", "key", "no key"), ("key", "cert", "no cert"), ("a", "", "A")],
            {"cert": 1, "key": 2},
            {"a": "A"},
        ),
        # Such a pair that is gone: without one of them it is as wrong as with both.
        (
            {"cert": 1, "key": 2, "a": 3},
            [("cert", "key", "no key"), ("key", "cert", "no cert"), ("cert key", "", "gone")],
            {"a": 3},
            {"cert": "no key", "key": "no cert"},
        ),
        # What is wrong without them is not their fault.
        ({"a": 1}, [("", "", "the disk")], {"a": 1}, {}),
        ({"a": 1, "b": 2}, [("", "", "the disk"), ("a", "", "A")], {"b": 2}, {"a": "A"}),
        # And what they mend stays mended.
        ({"a": 1, "b": 2}, [("", "a", "the disk"), ("b", "", "B")], {"a": 1}, {"b": "B"}),
    ],
)
def test_as_much_is_kept_as_a_start_is_possible_with(
    kept: dict[str, int], wrong: list[tuple[str, str, str]], part: dict[str, int], out: dict[str, str]
) -> None:
    def problems(values: Mapping[str, Any]) -> set[str]:
        return {
            name
            for wanted, unwanted, name in wrong
            if set(wanted.split()) <= set(values) and not set(unwanted.split()) & set(values)
        }

    assert possible_part(kept, problems) == (part, out)
