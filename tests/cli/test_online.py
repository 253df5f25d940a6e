"""``soulmesh search``, ``download`` and ``share online`` against a server and users over real sockets."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from soulmesh import wire
from soulmesh.cli.demo_network import DemoNetwork, Traffic
from soulmesh.cli.following import NoRoom
from soulmesh.cli.hits import link
from soulmesh.cli.run import run
from soulmesh.cli.samples import make_library
from soulmesh.cli.search import best, best_first, withheld
from soulmesh.cli.wanted import Wanted, wanted
from soulmesh.client.results import FoundFile, Hit, Remembered, estimate
from soulmesh.client.searches import SearchFigures
from soulmesh.errors import NotFound
from tests.cli.conftest import Command


@dataclass(frozen=True)
class Network:
    """A network with one user, alice, who shares a small library."""

    address: str
    music: Path

    def login(self, username: str = "bob", password: str = "secret") -> list[str]:
        return [
            *("--server", self.address, "--username", username),
            *("--password", password, "--listen-port", "0"),
        ]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """The network lives on a loop of its own, in a thread, while commands run in the test's."""
    folder = tmp_path_factory.mktemp("network")
    music = folder / "Music"
    make_library(music, length=0.3)
    ready, over = threading.Event(), threading.Event()
    found: list[tuple[str, int]] = []

    async def live() -> None:
        async with DemoNetwork(folder, Traffic()) as demo:
            await demo.join("rosa")
            await demo.join("alice", shares=[music], upload_limit=None)
            found.append(demo.address)
            ready.set()
            await asyncio.to_thread(over.wait)

    # As a command runs: it lets connections that were just closed let go of their sockets.
    thread = threading.Thread(target=lambda: run(live()))
    thread.start()
    try:
        assert ready.wait(20)
        host, port = found[0]
        yield Network(f"{host}:{port}", music)
    finally:
        over.set()
        thread.join(20)


REMOTE = r"Music\Harbour Lamps\Slow Signals (2021)\01 Night Ferry.flac"


def test_a_search_shows_a_table_and_how_much_there_is(network: Network, soulmesh: Command) -> None:
    done = soulmesh("search", *network.login(), "-t", "2", "-n", "4", "harbour", "lamps")
    assert done.code == 0
    assert "01 Night Ferry.flac" in done.out
    assert "4 files of 1 user" in done.err


def test_json_prints_each_result_with_a_link_that_leads_back(network: Network, soulmesh: Command) -> None:
    done = soulmesh("search", *network.login(), "-t", "2", "-n", "4", "--json", "harbour")
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert done.err == ""
    assert {row["kind"] for row in rows} == {"hit"}
    night = next(row for row in rows if row["remote_path"] == REMOTE)
    assert night["username"] == "alice"
    assert wanted(night["link"], [], folder=False) == [Wanted("alice", REMOTE)]


def test_a_filter_holds_back_and_says_so(network: Network, soulmesh: Command) -> None:
    done = soulmesh("search", *network.login(), "-t", "1", "--filter", "type:mp3", "harbour")
    assert done.code == 3
    assert "4 files did not pass the filter" in done.err
    assert "hint: try a wider --filter" in done.err


def test_a_filter_that_cannot_be_read_is_pointed_at(network: Network, soulmesh: Command) -> None:
    done = soulmesh("search", *network.login(), "--filter", "size>>", "harbour")
    assert done.code == 2
    assert "^" in done.err.splitlines()[2]


def test_what_was_held_back_is_counted_in_words() -> None:
    assert withheld(SearchFigures()) == ""
    figures = SearchFigures(filtered=1, cut=2)
    assert withheld(figures) == "1 file did not pass the filter, 2 answers too many at once"


def test_nothing_found_is_an_error_of_its_own(network: Network, soulmesh: Command) -> None:
    done = soulmesh("search", *network.login(), "-t", "0.5", "nosuchthing")
    assert done.code == 3
    assert done.err == "error: nothing found for 'nosuchthing'\n"


def test_the_best_result_can_be_downloaded_at_once(
    network: Network, soulmesh: Command, tmp_path: Path
) -> None:
    done = soulmesh(
        "search", *network.login(), "-t", "2", "-n", "4", "--get", "--into", str(tmp_path / "in"), "harbour"
    )
    assert done.code == 0, done.err
    got = tmp_path / "in" / "Slow Signals (2021)" / "01 Night Ferry.flac"
    there = network.music / "Harbour Lamps" / "Slow Signals (2021)" / "01 Night Ferry.flac"
    assert got.read_bytes() == there.read_bytes()
    assert str(got) in done.out


def test_a_folder_that_cannot_be_written_is_named_each_time_it_is_asked_for(
    network: Network, soulmesh: Command, tmp_path: Path
) -> None:
    (tmp_path / "in").write_text("no folder")
    for _ in range(2):
        done = soulmesh(
            "search", *network.login(), "-t", "2", "--get", "--into", str(tmp_path / "in"), "harbour"
        )
        assert (done.code, "--into" in done.err) == (1, True), done.err


def test_files_are_downloaded_by_their_paths(network: Network, soulmesh: Command, tmp_path: Path) -> None:
    cover = REMOTE.replace("01 Night Ferry.flac", "cover.png")
    done = soulmesh("download", *network.login(), "--into", str(tmp_path), "--json", "alice", REMOTE, cover)
    assert done.code == 0, done.err
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert {(row["remote_path"], row["state"]) for row in rows} == {(REMOTE, "finished"), (cover, "finished")}
    for row in rows:
        assert Path(row["local_path"]).stat().st_size == row["size"]


def test_a_file_that_is_gone_is_refused_and_the_hint_says_where_to_look(
    network: Network, soulmesh: Command, tmp_path: Path
) -> None:
    done = soulmesh("download", *network.login(), "--into", str(tmp_path / "in"), "alice", REMOTE + "x")
    assert done.code == 4
    assert done.err.splitlines()[-2:] == [
        "error: 01 Night Ferry.flacx from alice: File not shared.",
        "hint: it may be gone, or have another name now: search again, or browse the user",
    ]
    assert not (tmp_path / "in").exists() or not list((tmp_path / "in").rglob("*.flacx"))


def test_a_full_disk_is_named_with_what_is_kept_free() -> None:
    error = NoRoom("a.flac", Path("/music"), 64 << 20)
    assert str(error) == "a.flac: the disk of /music is full"
    assert str(error.hint).startswith("make room (64.0 MiB stay free: downloads.reserve_mib), or choose")
    assert str(NoRoom("a.flac", Path("/music"), 0).hint).startswith("make room, or choose")
    large = NoRoom("a.flac", Path("/music"), 0, lacking=50 << 20)
    assert str(large) == "a.flac: the disk of /music has no 50.0 MiB for it"


def test_a_wrong_password_is_a_refusal(network: Network, soulmesh: Command) -> None:
    done = soulmesh("search", *network.login("rosa", "wrong"), "harbour")
    assert done.code == 4
    assert done.err.startswith("error: wrong password")
    assert "hint: " in done.err


def test_a_server_that_is_not_there_cannot_be_reached(soulmesh: Command) -> None:
    done = soulmesh("search", *Network("127.0.0.1:1", Path()).login(), "harbour")
    assert done.code == 5
    assert done.err.startswith("error: cannot reach the server 127.0.0.1:1")


def test_a_listening_port_in_use_is_named(network: Network, soulmesh: Command) -> None:
    port = network.address.rpartition(":")[2]
    done = soulmesh("search", *network.login()[:-1], port, "harbour")
    assert done.code == 5
    assert port in done.err
    assert done.err.startswith("error: ")
    assert "Traceback" not in done.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["search", "--user", "a", "--room", "b", "x"], "exclude each other"),
        (["search", "--into", "x", "y"], "--into goes with --get"),
        (["download", "alice"], "say whose file and which"),
        (["download", "slsk://alice"], "lacks the user or the path"),
        (["search", "x"], "no username"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(soulmesh: Command, arguments: list[str], said: str) -> None:
    done = soulmesh(*arguments)
    assert done.code == 2
    assert said in done.err


def test_share_online_serves_until_it_is_told_to_stop(
    network: Network, soulmesh: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "Tapes"
    folder.mkdir()
    (folder / "rare tape.txt").write_text("words")
    (folder / "torn.mp3").write_bytes(b"x" * 3000)
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "soulmesh", "share", "online", *network.login("carl")),
            *("--data", str(tmp_path / "carl"), str(folder)),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    ) as process:
        assert process.stdout is not None
        assert "carl is online" in process.stdout.readline()
        into = str(tmp_path / "in")
        done = soulmesh("download", *network.login(), "--into", into, "carl", r"Tapes\rare tape.txt")
        assert done.code == 0, done.err
        assert "sending rare tape.txt to bob" in process.stdout.readline()
        assert "sent rare tape.txt to bob" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    assert process.returncode == 130
    assert err.startswith(f"could not be read: {folder / 'torn.mp3'} (")
    assert "Traceback" not in err
    assert next((tmp_path / "in").rglob("rare tape.txt")).read_text() == "words"


def test_share_online_without_anything_to_share_says_what_to_do(network: Network, soulmesh: Command) -> None:
    done = soulmesh("share", "online", *network.login())
    assert done.code == 3
    assert "hint: soulmesh share add FOLDER" in done.err


def hit(username: str = "a", path: str = "x", **facts: object) -> Hit:
    given = {"free_slot": True, "speed": 100, "queue": 0, "size": 10, **facts}
    size = int(str(given.pop("size")))
    found = Hit(username, FoundFile(path, size), **given)  # type: ignore[arg-type]
    past = {"free_slot": found.free_slot, "speed": found.speed, "queue": found.queue}
    return replace(found, expected=estimate(size, **past, past=Remembered()))  # type: ignore[arg-type]


def test_the_best_is_the_largest_file_of_the_user_who_could_send_soonest() -> None:
    slow = hit("slow", speed=10, size=1000)
    busy = hit("busy", free_slot=False, queue=3, size=1000)
    locked = hit("locked", locked=True, size=1000)
    small, large = hit("quick", "a.png", size=1), hit("quick", "b.flac", size=500)
    hits = [locked, busy, slow, large, small]
    assert best(hits) is large
    assert sorted(hits, key=best_first) == [small, large, busy, slow, locked]
    with pytest.raises(NotFound, match="locked"):
        best([locked])


def test_links_hold_the_very_bytes_of_a_name() -> None:
    path = wire.text("Musik\\Für Elise?#%.mp3".encode("latin-1"))
    (found,) = wanted(link("some one", path), [], folder=False)
    assert found.username == "some one"
    assert wire.raw(found.path) == wire.raw(path)
