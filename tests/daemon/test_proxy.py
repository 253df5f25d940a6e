"""Behind a reverse proxy and over TLS: the very lines of the guide, and real names in paths."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from soulmesh.daemon.http.serving import HttpServer
from soulmesh.daemon.remote import Daemon, find
from soulmesh.errors import ConfigError
from tests.daemon.fakes import KEY
from tests.daemon.stagecraft import network, until

GUIDE = Path(__file__).parents[2] / "docs" / "daemon.md"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def configured(folder: Path, daemon: int, port: int) -> Path:
    """The guide's lines, with what a test needs around them."""
    [example] = re.findall(r"```\n(  map \$http_upgrade.*?)```", GUIDE.read_text(encoding="utf-8"), re.S)
    assert "127.0.0.1:5030" in example
    lines = example.replace("127.0.0.1:5030", f"127.0.0.1:{daemon}").replace(
        "listen 80;", f"listen 127.0.0.1:{port};"
    )
    folder.mkdir()
    temporary = "".join(
        f"  {kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = folder / "nginx.conf"
    config.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{\n  access_log off;\n{temporary}{lines}}}\n"
    )
    return config


@contextlib.asynccontextmanager
async def nginx(folder: Path, daemon: int) -> AsyncIterator[int]:
    """nginx as the guide sets it up, on a port of its own."""
    port = free_port()
    config = configured(folder, daemon, port)
    process = await asyncio.create_subprocess_exec("nginx", "-p", str(folder), "-c", str(config))
    try:
        for _ in range(500):
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                await writer.wait_closed()
                break
            await asyncio.sleep(0.02)
        yield port
    finally:
        process.terminate()
        await process.wait()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx")
def test_nginx_with_a_base_path(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            network(tmp_path, url_base="/soulmesh") as net,
            nginx(tmp_path / "nginx", net.daemon.http.port) as port,
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": KEY}) as http,
        ):
            assert (await http.get("/soulmesh/api/v1/status")).json()["logged_in"] is True
            assert (await http.get("/soulmesh/health")).text == "Healthy"
            page = await http.get("/soulmesh/")
            assert page.status_code == 200
            # A name that looks like a path, as slskd's consumers and we write it.
            name = "a%2Fb%20c%25"
            await http.put(f"/soulmesh/api/v1/users/{name}/note", json={"text": "odd"})
            assert net.daemon.engine.client.users.book.notes == {"a/b c%": "odd"}
            found = await http.get(f"/soulmesh/api/v0/conversations/{name}")
            assert found.status_code == 404
            big = {"username": "x", "files": [{"path": "y" * 4000, "size": 1}] * 1000}
            # Refused by us, with our words, and not by the proxy for its size.
            refused = await http.post("/soulmesh/api/v1/downloads", json=big)
            assert refused.headers["content-type"] == "application/problem+json"

            hub = net.daemon.service.hub
            at = f"ws://127.0.0.1:{port}/soulmesh/api/v1/events/socket?kinds=search"
            async with websockets.connect(at, additional_headers={"X-API-Key": KEY}) as stream:
                await until(lambda: len(hub) == 1, "listening")
                hub.tell("search.deleted", {"number": 1})
                [event] = json.loads(await asyncio.wait_for(stream.recv(), 10))
                assert (event["kind"], event["data"]) == ("search.deleted", {"number": 1})
                # Nobody asked for compression that costs more than it saves.
                assert stream.response is not None
                assert "Sec-WebSocket-Extensions" not in stream.response.headers
            await until(lambda: len(hub) == 0, "leaving")
            async with http.stream("GET", "/soulmesh/api/v1/events?kinds=search") as stream:
                await until(lambda: len(hub) == 1, "listening")
                hub.tell("search.deleted", {"number": 2})
                async with asyncio.timeout(10):
                    async for line in stream.aiter_lines():
                        if line.startswith("data:"):
                            assert json.loads(line[5:]) == {"number": 2}
                            break

    asyncio.run(play())


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")
def test_https_by_certificate_files(tmp_path: Path) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
            *("-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    trust = ssl.create_default_context(cafile=str(certificate))

    async def play() -> None:
        async with network(tmp_path, certificate=str(certificate), certificate_key=str(key)) as net:
            assert net.url.startswith("https://127.0.0.1:")
            headers = {"X-API-Key": KEY}
            async with httpx.AsyncClient(base_url=net.url, verify=trust, headers=headers) as http:
                assert (await http.get("/api/v0/application/version")).json().startswith("0.")
                assert (await http.get("/api/v1/status")).json()["logged_in"] is True
            at = net.url.replace("https", "wss") + "/api/v1/events/socket?kinds=search"
            async with websockets.connect(at, ssl=trust, additional_headers=headers) as stream:
                await until(lambda: len(net.daemon.service.hub) == 1, "listening")
                net.daemon.service.hub.tell("search.deleted", {})
                assert json.loads(await asyncio.wait_for(stream.recv(), 10))[0]["kind"] == "search.deleted"
            # Commands on this machine trust what its owner's folder says, whatever name stands in it.
            place = find(tmp_path / "data")
            assert place is not None
            async with Daemon.at(place) as daemon:
                assert (await daemon.status())["logged_in"] is True
            assert "PRIVATE" not in str(place.certificate)
            # Whoever speaks plain HTTP to it gets no answer, and nothing breaks.
            async with httpx.AsyncClient(base_url=net.url.replace("https", "http")) as plain:
                with pytest.raises(httpx.HTTPError):
                    await plain.get("/health")

    asyncio.run(play())


def test_a_certificate_that_cannot_be_used_is_named_with_its_setting(tmp_path: Path) -> None:
    def refused(**files: Path) -> str:
        with pytest.raises(ConfigError) as wrong:
            HttpServer(_nothing, "127.0.0.1", 0, **{name: str(file) for name, file in files.items()})  # type: ignore[arg-type]
        return str(wrong.value)

    missing, empty = tmp_path / "nowhere.pem", tmp_path / "empty.pem"
    empty.write_text("nothing")
    assert refused(certificate=missing) == f"web.certificate: {missing} is not there"
    said = refused(certificate=empty, key=missing)
    assert said == f"web.certificate_key: {missing} is not there"
    assert refused(certificate=empty).startswith(f"web.certificate: {empty} cannot be used")
    (tmp_path / "binary.pem").write_bytes(b"\xff\x00")
    assert refused(certificate=tmp_path) == f"web.certificate: {tmp_path} is a folder"
    assert "is no PEM file" in refused(certificate=tmp_path / "binary.pem")


async def _nothing(scope: Any, receive: Any, send: Any) -> None:
    """An application that is never reached."""
