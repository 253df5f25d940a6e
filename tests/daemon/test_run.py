"""The daemon as a process: its line, its checks, its settings, its end; and hostile HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from soulmesh.client import client as client_module
from soulmesh.client.shares.model import Root
from soulmesh.client.shares.service import Shares
from soulmesh.config import Settings
from soulmesh.daemon import run
from soulmesh.daemon.checks import check_file, check_folder, check_listening, check_shared, is_local
from soulmesh.daemon.engine import Account
from soulmesh.daemon.remote import Daemon as Client
from soulmesh.errors import ConfigError
from soulmesh.net.errors import PortInUse
from soulmesh.net.world import World
from soulmesh.settings import template
from tests.daemon.fakes import KEY
from tests.daemon.stagecraft import ALBUM, OURSELVES, SHARER, SONGS, network, until


@contextmanager
def daemon(
    tmp_path: Path, *arguments: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "soulmesh", "daemon", "--data", str(tmp_path / "data")]
    command += ["--downloads", str(tmp_path / "downloads"), "--listen-port", "0", "--http", "127.0.0.1:0"]
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SOULMESH_")}
    process = subprocess.Popen(
        [*command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={
            **clean,
            "XDG_CONFIG_HOME": str(tmp_path),
            "PYTHONPATH": os.pathsep.join(sys.path),
            **environment,
        },
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield process, line.removeprefix("ready ").strip()
    finally:
        process.kill()
        process.communicate()


def get(url: str, key: str = KEY) -> bytes:
    request = urllib.request.Request(url, headers={"X-API-Key": key})
    with urllib.request.urlopen(request, timeout=20) as response:
        body: bytes = response.read()
        return body


def test_it_starts_without_credentials_and_says_where_it_is(tmp_path: Path) -> None:
    with daemon(tmp_path, "--api-key", KEY, "--server", "127.0.0.1:1") as (process, url):
        assert url.startswith("http://127.0.0.1:")
        assert get(f"{url}/health", "") == b"Healthy"
        state = json.loads(get(f"{url}/api/v0/application"))
        assert state["server"]["state"] == "Disconnected"
        assert json.loads(get(f"{url}/api/v0/transfers/downloads")) == []
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(f"{url}/api/v0/application", "")
        assert refused.value.code == 401
        refused.value.close()
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0


@pytest.mark.slow
def test_settings_come_from_file_environment_and_options(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text(
        'instance_name = "from the file"\nremote_configuration = false\n[web]\nurl_base = "/soul"\n'
    )
    with daemon(
        tmp_path,
        "--config",
        str(tmp_path / "c.toml"),
        "--set",
        "remote_file_management=true",
        SOULMESH_WEB_API_KEY=KEY,
        SOULMESH_REMOTE_CONFIGURATION="true",
    ) as (_, url):
        options = json.loads(get(f"{url}/soul/api/v0/options"))
        assert options["instanceName"] == "from the file"
        assert options["remoteConfiguration"] is True
        assert options["remoteFileManagement"] is True


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--api-key", "short"], "16 to 255"),
        (["--http", "0.0.0.0:0"], "web.api_key"),
        (["--http", "notaport"], "'notaport' is no HOST:PORT"),
        (["--set", "web.authentication=false", "--http", "0.0.0.0:0"], "authentication is off"),
        (["--set", "web.prot=1"], "did you mean"),
        (["--set", "web.jwt_lifetime=-1"], "web.jwt_lifetime"),
        (["--data", "/proc/nowhere"], "user id"),
    ],
)
def test_what_cannot_work_is_said_in_one_line(tmp_path: Path, arguments: list[str], word: str) -> None:
    with daemon(tmp_path, *arguments) as (process, url):
        assert url == ""
        _, err = process.communicate(timeout=15)
        assert process.returncode == 2
        assert word in err
        assert "Traceback" not in err


def _problem(path: Path) -> str:
    with pytest.raises(ConfigError) as wrong:
        check_folder(path, "the data folder")
    return str(wrong.value)


def test_folders_without_permission_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    check_folder(folder / "new" / "deep", "the data folder")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ConfigError, match="no folder"):
        check_folder(tmp_path / "file", "the data folder")
    with pytest.raises(ConfigError, match=str(tmp_path / "file")):
        check_folder(tmp_path / "file" / "below", "the data folder")
    assert "is not there" in str(check_shared(tmp_path / "gone"))
    assert check_shared(folder) is None
    with monkeypatch.context() as shut:
        # A parent that belongs to somebody else, as volumes of containers often do.
        shut.setattr("os.access", lambda path, *_, **__: Path(path) != folder)
        for said in (check_shared(folder / "music"), _problem(folder / "data")):
            assert str(folder) in said
            assert "the permission to search (x) for user id" in said
    key = tmp_path / "key.pem"
    key.write_text("")
    check_file(key, "web.certificate_key")
    with monkeypatch.context() as shut:
        shut.setattr("os.access", lambda path, *_, **__: Path(path) != key)
        with pytest.raises(
            ConfigError, match=r"key.pem lacks the permission to read \(r\) for user id \d+, .*mode 0"
        ):
            check_file(key, "web.certificate_key")
        shut.setattr("os.access", lambda path, *_, **__: Path(path) != tmp_path)
        with pytest.raises(ConfigError, match=r"cannot be reached: .* search \(x\) for user id"):
            check_file(key, "web.certificate_key")
    if os.geteuid() != 0:
        folder.chmod(0o500)
        with pytest.raises(ConfigError, match=r"write \(w\) for user id"):
            check_folder(folder, "the data folder")


def test_where_it_may_listen() -> None:
    assert is_local("127.0.0.1")
    assert is_local("::1")
    assert is_local("localhost")
    assert not is_local("0.0.0.0")
    assert not is_local("")
    key = {"api_key": KEY}
    for web, fine in [
        ({}, True),
        ({"host": "0.0.0.0"}, False),
        ({"host": "0.0.0.0", **key}, True),
        ({"host": "0.0.0.0", "authentication": False, **key}, False),
        ({"host": "", "username": "a"}, False),
        ({"host": "", "username": "a", "password": "b"}, True),
        ({"authentication": False}, True),
    ]:
        settings = Settings.model_validate({"web": web})
        if fine:
            check_listening(settings)
        else:
            with pytest.raises(ConfigError):
                check_listening(settings)


def test_changed_settings_count_without_a_restart(tmp_path: Path) -> None:
    async def play() -> None:
        async with network(tmp_path, remote=True) as net:
            running = net.daemon
            running._overlay = {"transfers.upload_slots": 7, "downloads.folder": str(tmp_path / "other")}
            await running.reload()
            transfers = running.engine.client.transfers.settings
            assert (transfers.queue.slots, transfers.downloads) == (7, tmp_path / "other")
            before = running.engine.listen_port
            running._overlay = {"network.listen_port": 0, "transfers.retry": False}
            await running.reload()
            assert running.engine.client.transfers.settings.retries.rules == {}
            assert running.engine.listen_port == before
            # Another address, as slskd's consumers set it, and back.
            for address in ("127.0.0.1", "0.0.0.0"):
                wanted = address if address != "0.0.0.0" else ""
                body = json.dumps({"soulseek": {"listenIpAddress": address}}).encode()
                headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
                request = urllib.request.Request(f"{net.url}/api/v0/options", body, headers, method="PATCH")
                with await asyncio.to_thread(urllib.request.urlopen, request, timeout=20) as answer:
                    assert json.loads(answer.read()) == json.loads(body)
                await until(
                    lambda wanted=wanted: running.engine.client.reach.local_address == wanted,  # type: ignore[misc]
                    "another client",
                )
                await until(lambda: running.engine.link.logged_in, "the login")
            transfer = await running.engine.client.transfers.download("nobody at all", "a\\b.flac", 5)
            await until(lambda: running.service.ledger.find_live(transfer.uuid), "the entry")
            # Another pace means another client; it logs in again by itself.
            running._overlay = {**running._overlay, "governor.enabled": True}
            await running.reload()
            await until(lambda: running.engine.link.logged_in, "the login")
            assert running.engine.client.settings.rates
            # The transfer is the same, in the hands of the new client.
            live = running.service.ledger.find_live(transfer.uuid)
            assert live is not None
            assert live is not transfer
            assert live in list(running.engine.client.transfers)

    asyncio.run(play())


def _free_port() -> int:
    """A port that nobody gets who leaves the choice to the system, and so nobody else gets meanwhile."""
    for port in Random(os.getpid()).sample(range(20_000, 32_000), 100):
        with contextlib.suppress(OSError), socket.create_server(("", port)):
            return port
    raise AssertionError("a hundred ports are taken")


@pytest.mark.slow
@pytest.mark.parametrize("way", ["by the file", "over HTTP"])
def test_what_is_changed_while_it_runs_is_gone_by(
    tmp_path: Path, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "LOOK_EVERY", 0.05)

    async def play() -> None:
        async with network(tmp_path, remote=True) as net:

            async def change(values: dict[str, Any]) -> None:
                if way == "over HTTP":
                    await ask("PATCH", "/api/v1/settings", {"values": values})
                    return
                beside = tmp_path / "config.new"
                beside.write_text(template(Settings, values), encoding="utf-8")
                beside.replace(net.config)

            async def ask(method: str, path: str, body: Any = None) -> Any:
                data = None if body is None else json.dumps(body).encode()
                headers = {"X-API-Key": KEY, "Content-Type": "application/json"}
                request = urllib.request.Request(f"{net.url}{path}", data, headers, method=method)
                with await asyncio.to_thread(urllib.request.urlopen, request, timeout=20) as answer:
                    text = answer.read()
                return json.loads(text) if text else None

            client, engine = net.daemon.engine.client, net.daemon.engine
            more, port = tmp_path / "more", _free_port()
            more.mkdir()
            (more / "one.mp3").write_bytes(b"x")
            shared = [str(tmp_path / "ours"), str(more)]
            told = tmp_path / "told"
            values: dict[str, Any] = {
                "downloads.folder": str(tmp_path / "elsewhere"),
                "downloads.better_source": "speed>1m",
                "transfers.upload_slots": 9,
                "transfers.upload_limit_kib": 50,
                "transfers.download_limit_kib": 70_000,
                "shares.folders": shared,
                "network.listen_port": port,
                "client.description": "We are open.",
                "scripts": {"done": {"on": ["Noop"], "command": f"echo there > '{told}'"}},
            }
            await change(values)
            await until(lambda: engine.listen_port == port, "the other port")
            await until(lambda: engine.shares.files == 2, "the other folder")
            found = client.transfers.settings
            assert (found.downloads, found.better_source) == (tmp_path / "elsewhere", "speed>1m")
            assert (found.queue.slots, found.upload_limit, found.download_limit) == (
                9,
                50 << 10,
                70_000 << 10,
            )
            with socket.create_connection(("127.0.0.1", port), timeout=20):
                pass
            # Others see it: what we say of ourselves, and where a file goes.
            assert (await net.sharer.info.ask(OURSELVES)).description == "We are open."
            name = next(iter(SONGS))
            path = f"music\\Quiet Harbor\\{ALBUM}\\{name}"
            wanted = [{"filename": path, "size": len(SONGS[name])}]
            await ask("POST", f"/api/v0/transfers/downloads/{SHARER}", wanted)
            await until(lambda: list((tmp_path / "elsewhere").rglob(name)), "the file in the other folder")
            # And programs are told.
            await ask("POST", "/api/v0/events/noop", "x")
            await until(lambda: told.exists() and "there" in told.read_text(), "the script")
            # No other client was needed, and nobody was logged out.
            assert engine.client is client
            assert engine.link.logged_in

    asyncio.run(play())


@pytest.mark.slow
def test_while_another_client_takes_over_the_daemon_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with network(tmp_path) as net:
            running = net.daemon
            start, asked = client_module.Client.start, []

            async def starting(self: client_module.Client, *, log_in: bool = True) -> None:
                paths = ("v0/application", "v0/transfers/downloads", "v0/shares", "v1/status")
                asks = (asyncio.to_thread(get, f"{net.url}/api/{path}") for path in paths)
                asked.extend(asyncio.create_task(ask) for ask in asks)
                # What asks for no client does not wait.
                assert await asyncio.to_thread(get, f"{net.url}/health") == b"Healthy"
                await start(self, log_in=log_in)

            monkeypatch.setattr(client_module.Client, "start", starting)
            running._overlay = {"network.local_address": "127.0.0.1"}
            await running.reload()
            # The new client answers.
            answers = await asyncio.gather(*asked)
            assert len(answers) == 4
            assert "isConnected" in json.loads(answers[0])["server"]
            await until(lambda: running.engine.link.logged_in, "the login")

    asyncio.run(play())


@pytest.mark.slow
@pytest.mark.parametrize("beside", [{}, {"network.local_address": "127.0.0.1"}], ids=["moved", "anew"])
def test_a_port_that_is_taken_leaves_everything_as_it_was(tmp_path: Path, beside: dict[str, str]) -> None:
    async def play() -> None:
        async with network(tmp_path) as net:
            running = net.daemon
            before = running.service.settings
            transfer = await running.engine.client.transfers.download("nobody at all", "a\\b.flac", 5)
            running._overlay = {
                "network.listen_port": net.sharer.listening.port,
                "transfers.upload_slots": 7,
                **beside,
            }
            with pytest.raises(PortInUse):
                await running.reload()
            assert running.service.settings == before
            await until(lambda: running.engine.link.logged_in, "the login")
            assert running.engine.client.transfers.settings.queue.slots != 7
            assert running.service.ledger.find_live(transfer.uuid) in list(running.engine.client.transfers)
            # And it is no dead end.
            running._overlay = {"network.listen_port": 0, "transfers.upload_slots": 7}
            await running.reload()
            assert running.engine.client.transfers.settings.queue.slots == 7

    asyncio.run(play())


@pytest.mark.slow
def test_what_cannot_be_had_is_not_kept(tmp_path: Path) -> None:
    async def play() -> None:
        async with network(tmp_path, remote=True) as net:
            running = net.daemon
            taken = net.sharer.listening.port
            kept = tmp_path / "data" / "settings.json"
            # Over both APIs; what is wished next does not fail with it.
            await running._reload_soon({"network.listen_port": taken})
            await until(lambda: running._overlay == {}, "the end of the wish")
            await running._change_settings({"network.listen_port": taken})
            await until(lambda: json.loads(kept.read_text()) == {}, "the end of the wish")
            # Also what is wished while the other is still tried.
            await running._change_settings({"network.listen_port": taken})
            await running._change_settings({"transfers.upload_slots": 7})
            await until(lambda: running.engine.client.transfers.settings.queue.slots == 7, "the slots")
            await until(
                lambda: json.loads(kept.read_text()) == {"transfers.upload_slots": 7},
                "what is kept in the end",
            )
            assert running.engine.link.logged_in

    asyncio.run(play())


@pytest.mark.slow
def test_folders_shared_beside_a_daemon_are_shared_by_it(tmp_path: Path) -> None:
    async def play() -> None:
        async with network(tmp_path) as net:
            more = tmp_path / "more"
            more.mkdir()
            (more / "one.mp3").write_bytes(b"x")
            # As `soulmesh share add` and `share scan` do, in a process of their own.
            beside = Shares(tmp_path / "data" / "shares", wall_clock=World.real().wall_clock)
            try:
                beside.save_root(Root(0, b"more", more))
                await beside.scan()
            finally:
                beside.close()
            await until(lambda: net.daemon.engine.shares.files == 2, "the new folder")
            shares = json.loads(await asyncio.to_thread(get, f"{net.url}/api/v0/shares"))["local"]
            assert [(s["alias"], s["files"], s["directories"]) for s in shares] == [
                ("more", 1, 1),
                ("ours", 1, 1),
            ]

    asyncio.run(play())


@pytest.mark.slow
def test_the_doctor_finds_the_daemon_and_says_what_is_wrong(tmp_path: Path) -> None:
    with daemon(tmp_path, "--api-key", KEY, "--server", "127.0.0.1:1") as (_, url):
        command = [sys.executable, "-m", "soulmesh", "doctor", "--data", str(tmp_path / "data")]
        environment = {
            **os.environ,
            "XDG_CONFIG_HOME": str(tmp_path),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, timeout=30, check=False
        )
        assert done.returncode == 1, done.stderr
        assert "BAD  login: there is no account" in done.stdout
        assert "ok   the data folder" in done.stdout
        given = [*command[:4], "--daemon", url, "--api-key", KEY, "--json"]
        done = subprocess.run(given, capture_output=True, text=True, env=environment, timeout=30, check=False)
        assert {json.loads(line)["subject"] for line in done.stdout.splitlines()} >= {"login", "disk space"}
    # It was killed, so its trace is still there.
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30, check=False)
    assert done.returncode == 5
    (tmp_path / "data" / "daemon.json").unlink()
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=30, check=False)
    assert done.returncode == 2
    assert "no daemon runs" in done.stderr


@pytest.mark.slow
def test_metrics_have_a_password_of_their_own(tmp_path: Path) -> None:
    settings = ["--set", "metrics.enabled=true", "--set", "metrics.password=scraped"]
    with daemon(tmp_path, "--api-key", KEY, *settings) as (_, url):
        for authorization, status in [("", 401), ("Basic c291bG1lc2g6d3Jvbmc=", 401), ("Basic !", 401)]:
            request = urllib.request.Request(f"{url}/metrics", headers={"Authorization": authorization})
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=10)
            assert refused.value.code == status
            refused.value.close()
        request = urllib.request.Request(
            f"{url}/metrics", headers={"Authorization": "Basic c291bG1lc2g6c2NyYXBlZA=="}
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            assert response.headers["content-type"].startswith("text/plain; version=0.0.4")
            assert b"process_resident_memory_bytes" in response.read()


def test_an_account_can_be_given_over_http_and_is_kept(tmp_path: Path) -> None:
    async def play() -> None:
        async with network(tmp_path) as net:
            running = net.daemon
            load = running._load

            def without_account(overlay: Any) -> Any:
                return load(overlay)[0], Account(None)

            running._load = without_account
            await running.reload()
            assert running.engine.link.logged_in is False
            async with Client(net.url, KEY) as client:
                assert (await client.status())["username"] is None
                await client.ask("PUT", "/account", {"username": "night heron", "password": "sesame"})
                await until(lambda: running.engine.link.logged_in, "the login")
                assert (await client.status())["username"] == "night heron"
                shown = json.dumps(await client.ask("GET", "/settings"))
                for secret in ("sesame", KEY, "correct horse"):
                    assert secret not in shown
            kept = tmp_path / "data" / "account.json"
            assert kept.stat().st_mode & 0o077 == 0
            await running.reload()
            assert running.engine.link.username == "night heron"

    asyncio.run(play())


async def send(port: int, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    await writer.drain()
    return reader, writer


def test_headers_without_an_end_are_refused(tmp_path: Path) -> None:
    from soulmesh.daemon.http.serving import MOST_HEADERS

    async def play() -> None:
        async with network(tmp_path) as net:
            start = b"GET /health HTTP/1.1\r\nHost: localhost\r\n"
            for endless in (b"X: " + b"a" * MOST_HEADERS, b"X-Y: z\r\n" * MOST_HEADERS):
                data = (start + endless)[: MOST_HEADERS + 1]
                reader, writer = await send(net.daemon.http.port, data)
                assert b" 431 " in await asyncio.wait_for(reader.readline(), 10)
                assert (await reader.read()).endswith(b"\r\n\r\n")
                writer.close()
            # Long ones that end are served, one after the other.
            reader, writer = await send(net.daemon.http.port, b"")
            for _ in range(4):
                writer.write(start + b"X: " + b"a" * (MOST_HEADERS // 2) + b"\r\n\r\n")
                assert b" 200 " in await asyncio.wait_for(reader.readline(), 10)
                assert (await reader.readuntil(b"Healthy")).endswith(b"Healthy")
            writer.close()

    asyncio.run(play())


def test_hostile_requests_cost_nothing_but_themselves(tmp_path: Path) -> None:
    from soulmesh.daemon.http import call as calls
    from soulmesh.daemon.http import serving

    async def play() -> None:
        async with network(tmp_path) as net:
            port = net.daemon.http.port
            key = f"Host: localhost\r\nX-API-Key: {KEY}\r\n".encode()
            post = b"POST /api/v0/searches HTTP/1.1\r\n" + key + b"Content-Type: application/json\r\n"
            # Gigabytes, announced and not.
            reader, writer = await send(port, post + b"Content-Length: 9000000000\r\n\r\n")
            assert b" 413 " in await reader.readline()
            writer.close()
            reader, writer = await send(port, post + b"Transfer-Encoding: chunked\r\n\r\n")
            piece = b"100000\r\n" + b"x" * 0x100000 + b"\r\n"
            # It is answered, and who then goes on regardless is cut off.
            cut = False
            for _ in range(400):
                writer.write(piece)
                try:
                    await writer.drain()
                except ConnectionError:
                    cut = True
                    break
            assert cut
            writer.close()
            # No headers, slow headers, a body that never comes.
            quiet, one = await send(port, b"")
            slow, two = await send(port, b"GET /health HTTP/1.1\r\nHost: x\r\n")
            body, three = await send(port, post + b"Content-Length: 10\r\n\r\n{")
            assert await asyncio.wait_for(quiet.read(), 10) == b""
            assert await asyncio.wait_for(slow.read(), 10) == b""
            assert b" 408 " in await asyncio.wait_for(body.readline(), 10)
            for writer in (one, two, three):
                writer.close()
            # What is no HTTP.
            for garbage in (
                b"\x00" * 100,
                b"GET\r\n\r\n",
                b"GET / HTTP/9.9\r\n\r\n",
                b"\x16\x03\x01" + os.urandom(50),
            ):
                reader, writer = await send(port, garbage + b"\r\n\r\n")
                assert b" 200 " not in await asyncio.wait_for(reader.read(200), 10)
                writer.close()
            for target in (
                b"/%00",
                b"/api/v0/%",
                b"/api/v0/users/%zz/status",
                b"/api/v0/../../etc/passwd",
                b"*",
            ):
                reader, writer = await send(port, b"GET " + target + b" HTTP/1.1\r\n" + key + b"\r\n")
                status = (await asyncio.wait_for(reader.readline(), 10)).split(b" ")[1]
                assert status in (b"200", b"400", b"404", b"500"), (target, status)
                writer.close()
            await until(lambda: not net.daemon.http.connections, "the last one's end")
            reader, writer = await send(port, b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).endswith(b"Healthy")
            writer.close()

    before = serving.HEADERS_WITHIN, calls.SLOWEST_BODY
    serving.HEADERS_WITHIN, calls.SLOWEST_BODY = 0.5, 0.5
    try:
        asyncio.run(play())
    finally:
        serving.HEADERS_WITHIN, calls.SLOWEST_BODY = before
