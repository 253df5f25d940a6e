"""The files of deploy/: what they name exists, and what the container runs does what it should."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from soulmesh import settings
from soulmesh.config import Settings
from tests.daemon.stagecraft import network

DEPLOY = Path(__file__).parents[2] / "deploy"
ENTRYPOINT = DEPLOY / "entrypoint.sh"
OTHERS = {"SOULMESH_CONFIG"}


@pytest.mark.parametrize("name", ["Containerfile", "compose.yaml", "entrypoint.sh", "soulmesh.service"])
def test_every_variable_is_a_setting(name: str) -> None:
    known = {f"SOULMESH_{key.replace('.', '_').upper()}" for key in settings.keys(Settings)} | OTHERS
    named = set(re.findall(r"SOULMESH_[A-Z_]+", (DEPLOY / name).read_text(encoding="utf-8")))
    assert named
    assert named <= known


def test_the_compose_file_says_what_the_container_needs() -> None:
    yaml = pytest.importorskip("yaml")
    [service] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))["services"].values()
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()
    inside = {volume.split(":")[1] for volume in service["volumes"]}
    assert "/config" in inside
    assert any(place.startswith("/data") for place in inside)
    # The page is for this machine alone, and nothing is open without a secret of the owner's.
    assert [port for port in service["ports"] if port.endswith(":5030")] == ["127.0.0.1:5030:5030"]
    assert service["environment"]["SOULMESH_WEB_API_KEY"].startswith("${SOULMESH_WEB_API_KEY:?")


def run(tmp_path: Path, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The entry point as somebody who is not root, with a ``soulmesh`` that is the one under test."""
    tools = tmp_path / "bin"
    tools.mkdir(exist_ok=True)
    for tool, line in {
        "soulmesh": f'exec {sys.executable} -m soulmesh "$@"',
        "id": "echo 1000",
        "python3": f'exec {sys.executable} "$@"',
    }.items():
        (tools / tool).write_text(f"#!/bin/sh\n{line}\n")
        (tools / tool).chmod(0o755)
    given = {"PATH": f"{tools}:{os.environ['PATH']}", "HOME": str(tmp_path), **environ}
    return subprocess.run(
        ["sh", str(ENTRYPOINT), *arguments],
        env=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_first_start_writes_a_configuration_that_explains_itself(tmp_path: Path) -> None:
    config = tmp_path / "config" / "config.toml"
    found = run(tmp_path, "sh", "-c", "umask; echo started", SOULMESH_CONFIG=str(config), UMASK="0027")
    assert (found.returncode, found.stdout.split()) == (0, ["0027", "started"]), found.stderr
    assert "[web]" in config.read_text()
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    before = config.read_text()
    config.write_text(before + "# mine\n")
    assert run(tmp_path, "true", SOULMESH_CONFIG=str(config)).returncode == 0
    assert config.read_text().endswith("# mine\n")


def test_what_cannot_be_is_said_in_one_line(tmp_path: Path) -> None:
    both = run(tmp_path, "true", PUID="1")
    assert (both.returncode, both.stderr.count("\n")) == (1, 1)
    assert "not both" in both.stderr
    (tmp_path / "file").write_text("")
    unwritable = run(tmp_path, "true", SOULMESH_CONFIG=str(tmp_path / "file" / "config.toml"))
    assert unwritable.returncode == 1
    assert "cannot be written by 1000:1000" in unwritable.stderr


def test_the_health_check_asks_the_daemon(tmp_path: Path) -> None:
    async def play() -> None:
        async with network(tmp_path, url_base="/soulmesh") as net:
            port = str(net.daemon.http.port)
            base = "/soulmesh"
            good = await asyncio.to_thread(
                run, tmp_path, "health", SOULMESH_WEB_PORT=port, SOULMESH_WEB_URL_BASE=base
            )
            assert good.returncode == 0, good.stderr
            wrong = await asyncio.to_thread(run, tmp_path, "health", SOULMESH_WEB_PORT=port)
            assert wrong.returncode == 1
        gone = await asyncio.to_thread(run, tmp_path, "health", SOULMESH_WEB_PORT=port)
        assert (gone.returncode, gone.stderr.count("\n")) == (1, 1)

    asyncio.run(play())


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "soulmesh.service").read_text(encoding="utf-8")
    unit = tmp_path / "soulmesh.service"
    # The program is where it was installed; here it need not be.
    unit.write_text(text.replace("/usr/local/bin/soulmesh", sys.executable))
    found = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    complaints = [line for line in found.stderr.splitlines() if "soulmesh.service" in line]
    assert complaints == []
