"""`soulmesh demo`: a real server, real users, a real file, and its checksum."""

from __future__ import annotations

import hashlib
import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from soulmesh.cli.demo import DamagedCopy, likely_query
from soulmesh.errors import UsageError


def demo(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "soulmesh", "demo", "--full-speed", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)


@pytest.fixture
def music(tmp_path: Path) -> Path:
    album = tmp_path / "Music" / "Böhm & Söhne" / "Überraschung"
    album.mkdir(parents=True)
    (album / "01 - Ouvertüre.mp3").write_bytes(bytes(range(256)) * 2000)
    (album / "02 - Finale.mp3").write_bytes(b"short")
    return tmp_path / "Music"


def test_a_file_of_the_made_library_arrives_and_its_checksum_is_verified() -> None:
    done = demo()
    assert done.returncode == 0, done.stderr
    verified = [line for line in done.stdout.splitlines() if "SHA-256" in line]
    assert any("verified" in line for line in verified)
    assert "rosa was branch root" in done.stdout
    assert "DistributedSearchRequest" in done.stdout
    assert "FileTicket, FileOffset" in done.stdout


def test_machines_get_lines_of_json_and_the_file_is_kept_where_asked(music: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    done = demo("--share", music, "--into", kept, "--json")
    assert done.returncode == 0, done.stderr
    records = [json.loads(line) for line in done.stdout.splitlines()]
    kinds = [record["kind"] for record in records]
    assert kinds[-2:] == ["verified", "summary"]
    assert kinds.count("hit") == 2
    verified = records[-2]
    original = music / "Böhm & Söhne" / "Überraschung" / "01 - Ouvertüre.mp3"
    assert verified["sha256"] == hashlib.sha256(original.read_bytes()).hexdigest()
    assert Path(verified["local_path"]).read_bytes() == original.read_bytes()
    assert Path(verified["local_path"]).is_relative_to(kept)
    summary = records[-1]
    assert summary["branch_root"] == "rosa"
    assert summary["messages"]["server"]["FileSearch"] == 1
    # The root passes the search on to three users, and the one of them who shares answers.
    assert summary["messages"]["distributed"]["DistributedSearchRequest"] == 3
    assert summary["messages"]["peer"]["PeerSearchReply"] == 1


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    assert demo().returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_trace_shows_each_message(music: Path) -> None:
    done = demo("--share", music, "--trace")
    assert done.returncode == 0
    assert "alice -> peer        PeerSearchReply" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--share", "/nowhere/at/all"], 2, "no such folder"),
        (["--share", "{empty}"], 2, "no file to search for"),
        (["--query", "nobody has anything like this"], 3, "nobody shares anything"),
        (["--into", "{file}"], 1, "does not arrive"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    arguments: list[str], code: int, words: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    done = demo(*(a.format(empty=tmp_path / "empty", file=tmp_path / "file") for a in arguments))
    assert done.returncode == code
    (error,) = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert words in error
    assert done.stderr.count(error.rpartition(": ")[2]) == 1, "the reason is told once"
    assert "Traceback" not in done.stderr


def test_a_port_in_use_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = demo("--port", str(port))
    assert done.returncode == 5
    assert f"port {port} is in use" in done.stderr


def test_words_to_search_for_come_from_the_largest_piece_of_music(music: Path) -> None:
    (music / "a film.mkv").write_bytes(bytes(1000000))
    assert likely_query(music) == "böhm söhne"


def test_a_folder_without_names_to_search_for_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(UsageError, match="no file to search for"):
        likely_query(tmp_path)


def test_a_damaged_copy_says_both_sums() -> None:
    assert str(DamagedCopy("aa", "bb")) == "the copy differs: SHA-256 aa was sent, bb arrived"


def test_web_serves_the_page_on_the_network_and_ends_with_ctrl_c() -> None:
    command = [sys.executable, "-m", "soulmesh", "demo", "--web", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            records = (json.loads(line) for line in process.stdout)
            told = next(record for record in records if record["kind"] == "page")
            with urllib.request.urlopen(told["url"], timeout=20) as page:
                assert b"<!doctype html>" in page.read()
            with urllib.request.urlopen(f"{told['url']}/api/v1/session", timeout=20) as session:
                assert json.load(session)["administrator"] is True
            # Somebody has written to who comes to look.
            greeting: list[str] = []
            while not greeting:
                with urllib.request.urlopen(f"{told['url']}/api/v1/conversations", timeout=20) as talk:
                    greeting = [one["text"] for one in json.load(talk)["items"]]
            assert greeting[0].startswith("Hello!")
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 130
        finally:
            process.kill()
