"""Commands go through the daemon that runs, and say the same as without one."""

from __future__ import annotations

import asyncio
import json
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.request import Request, urlopen

import pytest

from soulmesh.cli.output import Output
from soulmesh.cli.search import best_first, wait_for_turn
from soulmesh.cli.standin import StandIn
from soulmesh.cli.standin import hit as standin_hit
from soulmesh.client.errors import NoReply
from soulmesh.client.results import FoundFile, Hit, Remembered, estimate
from soulmesh.client.shares import Root
from soulmesh.client.transfers import Candidate, Journal
from soulmesh.core.rule_trial import Asked
from soulmesh.core.upload_queue import Person
from soulmesh.daemon.remote import Daemon, DaemonRefused
from soulmesh.daemon.rows import hit_row
from tests.cli.conftest import Command, Outcome
from tests.cli.processes import stopped
from tests.client.transfers.street import street
from tests.daemon.fakes import KEY
from tests.daemon.stagecraft import ALBUM, OURSELVES, SHARER, SONGS, Network, network
from tests.support.loops import virtual

T = TypeVar("T")

ALBUM_PATH = f"music\\Quiet Harbor\\{ALBUM}"
FILE = f"{ALBUM_PATH}\\02 - Song 2.flac"


@dataclass
class Elsewhere:
    """A network on a loop in another thread, like the processes it stands for."""

    net: Network
    loop: asyncio.AbstractEventLoop

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Have something done there."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    def look(self, at: Callable[[], T]) -> T:
        """See something there."""

        async def seen() -> T:
            return at()

        return self.do(seen())


@contextmanager
def elsewhere(tmp_path: Path, **more: Any) -> Iterator[Elsewhere]:
    ready: Future[Elsewhere] = Future()
    over = asyncio.Event()

    async def play() -> None:
        try:
            async with network(tmp_path, **more) as net:
                ready.set_result(Elsewhere(net, asyncio.get_running_loop()))
                await over.wait()
        except BaseException as error:
            if not ready.done():
                ready.set_exception(error)
            raise

    thread = threading.Thread(target=lambda: asyncio.run(play()))
    thread.start()
    found = ready.result(40)
    try:
        yield found
    finally:
        found.loop.call_soon_threadsafe(over.set)
        thread.join(20)


def lines(outcome: Outcome) -> list[Any]:
    assert outcome.code == 0, (outcome.out, outcome.err)
    return [json.loads(line) for line in outcome.out.splitlines()]


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Elsewhere]:
    """A daemon that is found by its data folder. No account is set: nobody could go online alone."""
    monkeypatch.setenv("SOULMESH_DAEMON_DATA", str(tmp_path / "data"))
    with elsewhere(tmp_path) as found:
        yield found


def test_searching_browsing_and_getting(there: Elsewhere, soulmesh: Command, tmp_path: Path) -> None:
    hits = lines(soulmesh("search", "tidal maps", "--timeout", "1", "--filter", "size>60001", "--json"))
    assert sorted(hit["size"] for hit in hits) == [60_002, 60_003]
    assert {hit["username"] for hit in hits} == {SHARER}
    shown = soulmesh("search", "tidal", "maps", "--timeout", "1", "--user", SHARER)
    assert "3 files of 1 user" in shown.err + shown.out
    nothing = soulmesh("search", "no such thing", "--timeout", "0.3")
    assert (nothing.code, "nothing found" in nothing.err) == (3, True)
    assert there.look(lambda: len(there.net.daemon.service.searches._records)) == 0

    folders = lines(soulmesh("browse", SHARER, "--json"))
    assert [one["folder"] for one in folders if one["files"]] == [ALBUM_PATH]
    files = lines(soulmesh("browse", SHARER, "--find", "song 2", "--json"))
    assert [one["remote_path"] for one in files] == [f"{ALBUM_PATH}\\{name}" for name in SONGS]
    assert len(lines(soulmesh("browse", SHARER, "--folder", ALBUM_PATH, "--json"))) == 3

    [got] = lines(soulmesh("download", SHARER, FILE, "--priority", "2", "--json"))
    assert (got["state"], got["remote_path"]) == ("finished", FILE)
    number = str(got["id"])
    here = soulmesh("elsewhere", number)
    assert (here.code, f"02 - Song 2.flac is finished already: {got['local_path']}" in here.err) == (2, True)
    assert soulmesh("elsewhere", "999").code == 3
    assert Path(got["local_path"]).read_bytes() == SONGS["02 - Song 2.flac"]
    into = there.net.downloads / "kept"
    whole = lines(
        soulmesh(
            *("download", SHARER, "music\\Quiet Harbor", "--folder", "--into", str(into)),
            *("--priority", "-7", "--json"),
        )
    )
    assert len(whole) == 3
    known = there.look(lambda: {one.id: one.priority for one in there.net.daemon.engine.client.transfers})
    assert known == {got["id"]: 2, **{row["id"]: -7 for row in whole}}
    # Of a batch as of a single file, and as without a daemon.
    for one in (number, str(whole[0]["id"])):
        again = soulmesh("retry", one)
        assert (again.code, "is finished, there is nothing to try again" in again.err) == (2, True)
    assert soulmesh("prefer", number, "--priority", "3").out == f"{number}: priority 3\n"
    assert there.look(lambda: there.net.daemon.engine.client.transfers.get(int(number)).priority) == 3
    assert {path.name for path in (into / "Quiet Harbor" / ALBUM).iterdir()} == set(SONGS)
    # What the sharer has no more, and what a whole folder can do without.
    (tmp_path / "music" / "Quiet Harbor" / ALBUM / "03 - Song 3.flac").unlink()
    options = ["--folder", "--whole", "--may-miss", "flac", "--into", str(there.net.downloads / "most")]
    assert soulmesh("download", SHARER, ALBUM_PATH, *options).code == 4
    assert {path.name for path in (there.net.downloads / "most" / ALBUM).iterdir()} == {
        "01 - Song 1.flac",
        "02 - Song 2.flac",
    }
    wrong = soulmesh("download", SHARER, FILE, "--into", "/elsewhere")
    assert (wrong.code, "--daemon none" in wrong.err) == (2, True)
    gone = soulmesh("download", SHARER, "music\\nothing.flac")
    assert gone.code == 4
    assert "File not shared" in gone.err

    rows = lines(soulmesh("transfers", "--all", "--json"))
    [row] = [row for row in rows if row["remote_path"] == "music\\nothing.flac"]
    assert row["state"] == "failed"
    # What has failed is shown without being asked for, as without a daemon; what is finished is not.
    shown = lines(soulmesh("transfers", "--json"))
    assert {one["state"] for one in shown} == {"failed"}
    assert row["id"] in {one["id"] for one in shown}
    story = lines(soulmesh("why", str(row["id"]), "--json"))
    assert "File not shared" in story[0]["now"]
    assert soulmesh("why", "999").code == 3
    waiting = soulmesh("download", "nobody.home", "a\\b.flac")
    assert waiting.code == 3
    assert "offline" in waiting.err


def test_what_a_search_holds_back_is_said_in_the_same_words_alone_and_through_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, soulmesh: Command
) -> None:
    folder = tmp_path / "music" / "Fog"
    folder.mkdir(parents=True)
    for number in range(3):
        (folder / f"foghorn {number}.ogg").write_bytes(b"x" * 500)
    monkeypatch.setenv("SOULMESH_DAEMON_DATA", str(tmp_path / "data"))
    with elsewhere(tmp_path) as there:
        through = soulmesh("search", "foghorn", "--timeout", "1")
        account = ("--server", f"127.0.0.1:{there.net.server.port}", "--username", "ann", "--password", "pw")
        alone = soulmesh(
            "search", "foghorn", "--timeout", "1", *account, "--listen-port", "0", "--daemon", "none"
        )
        got = soulmesh("get", "foghorn", "--timeout", "1")
        there.look(lambda: there.net.daemon.engine.client.users.ban(SHARER))
        banned = soulmesh("search", "tidal maps", "--timeout", "1")
    told = "error: nothing found for 'foghorn' (3 files only echoing the query (same size))\n"
    assert (through.code, through.err, alone.err) == (3, told, told)
    assert (got.code, "(3 files only echoing the query (same size))" in got.err) == (3, True)
    assert "(3 files of banned users)" in banned.err


def test_a_name_in_latin_1_through_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, soulmesh: Command
) -> None:
    """By its very bytes, by what the screen shows, and beside one that is not there."""
    folder = tmp_path / "music" / "Mix"
    folder.mkdir(parents=True)
    for name in (b"caf\xe9.txt", b"th\xe9.txt"):
        (folder / os.fsdecode(name)).write_bytes(name)
    monkeypatch.setenv("SOULMESH_DAEMON_DATA", str(tmp_path / "data"))
    with elsewhere(tmp_path) as there:
        bytes_ = os.fsdecode(b"music\\Mix\\caf\xe9.txt")
        ended = soulmesh("download", SHARER, "music\\Mix\\none.txt", bytes_, "music\\Mix\\th\u00e9.txt")
        assert ended.code == 4
        assert "none.txt: File not shared." in ended.err
        found = {file.read_bytes() for file in there.net.downloads.rglob("*.txt")}
        assert found == {b"caf\xe9.txt", b"th\xe9.txt"}


def test_a_goal_through_the_daemon(there: Elsewhere, soulmesh: Command) -> None:
    [got] = lines(soulmesh("get", "tidal maps song 03", "--timeout", "1", "--priority", "6", "--json"))
    assert there.look(lambda: [x.priority for x in there.net.daemon.engine.client.transfers]) == [6]
    assert (got["state"], got["username"]) == ("finished", SHARER)
    assert [Path(path).name for path in got["files"]] == ["03 - Song 3.flac"]
    assert Path(got["files"][0]).parent.name == ALBUM
    done = soulmesh("get", "tidal maps song 03", "--timeout", "1")
    assert "done before" in done.err
    assert done.out.split("\n")[0] == got["files"][0]
    # By other rules it is another wish, and one is looked for whatever was done.
    shown = lines(soulmesh("get", "tidal maps song 03", "--timeout", "1", "--dry-run", "--json"))
    assert [row["username"] for row in shown] == [SHARER]
    [again] = lines(soulmesh("get", "tidal maps song 03", "--timeout", "1", "--again", "--json"))
    assert again["files"] == [got["files"][0].replace(".flac", " (2).flac")]


def test_goals_of_the_daemon(there: Elsewhere, soulmesh: Command) -> None:
    nothing = soulmesh("goals", "list")
    assert (nothing.code, "nothing is wanted" in nothing.err) == (0, True)
    for name in ("one", "two"):
        goal = {"username": "nobody.home", "files": [{"path": f"a\\{name}.flac", "size": 1000}]}
        at = f"{there.net.url}/api/v1/goals"
        body = json.dumps({"name": name, "candidates": [goal]}).encode()
        with urlopen(Request(at, body, {"X-API-Key": KEY, "Content-Type": "application/json"})) as answer:
            assert answer.status == 201
    two, one = lines(soulmesh("goals", "list", "--json"))
    assert (one["name"], one["username"], one["size"], one["state"]) == (
        "one",
        "nobody.home",
        1000,
        "under way",
    )
    assert "two" in soulmesh("goals", "list").out
    at_it = ("--daemon", there.net.url, "--api-key", KEY)
    assert lines(soulmesh("goals", "pause", "one", *at_it, "--json"))[0]["state"] == "paused"
    assert soulmesh("goals", "resume", one["id"]).out == "one: under way\n"
    assert soulmesh("goals", "cancel", two["id"][:-1]).out == "two: dropped\n"
    states = {row["name"]: row["state"] for row in lines(soulmesh("goals", "list", "--json"))}
    assert states == {"one": "under way", "two": "dropped"}
    gone = soulmesh("goals", "cancel", "three")
    assert (gone.code, "there is no goal three" in gone.err) == (3, True)


def test_batches_of_the_daemon(there: Elsewhere, soulmesh: Command) -> None:
    assert "no batches yet" in soulmesh("batches", "list").err
    into = there.net.downloads / "kept"
    got = lines(
        soulmesh("download", SHARER, ALBUM_PATH, "--folder", "--whole", "--into", str(into), "--json")
    )
    assert {Path(row["local_path"]) for row in got} == {into / ALBUM / name for name in SONGS}
    assert "all batches are finished" in soulmesh("batches", "list").err
    [row] = lines(soulmesh("batches", "list", "--all", "--json"))
    assert (row["name"], row["state"], row["files_here"], row["users"]) == (ALBUM, "finished", 3, [SHARER])
    shown = soulmesh("batches", "show", ALBUM)
    assert f"{ALBUM}: finished, 3 of 3 files" in shown.out
    assert f"in {into / ALBUM}" in shown.out
    assert "02 - Song 2.flac" in shown.out
    over = soulmesh("batches", "cancel", ALBUM)
    assert (over.code, "is finished, there is nothing to cancel" in over.err) == (2, True)
    assert soulmesh("batches", "forget", row["id"][:8]).out == f"{ALBUM}: listed no more\n"
    assert soulmesh("batches", "show", ALBUM).code == 3

    at = f"{there.net.url}/api/v1/batches"
    body = {"username": "nobody.home", "name": "Later", "files": [{"path": "b\\c.flac", "size": 5}]}
    request = Request(at, json.dumps(body).encode(), {"X-API-Key": KEY, "Content-Type": "application/json"})
    with urlopen(request) as answer:
        assert answer.status == 201
    assert "Later" in soulmesh("batches", "list").out
    said = {verb: soulmesh("batches", verb, "Later").out for verb in ("pause", "resume", "cancel", "retry")}
    assert said == {
        "pause": "Later: paused\n",
        "resume": "Later: under way\n",
        "cancel": "Later: failed\n",
        "retry": "Later: under way\n",
    }


def test_a_file_of_ours_is_offered_by_its_place_on_the_disk(
    there: Elsewhere, soulmesh: Command, tmp_path: Path
) -> None:
    refused = soulmesh("uploads", "push", SHARER, "ours\\nothing.mp3")
    assert (refused.code, f"is not shared with {SHARER}" in refused.err) == (3, True)
    outside = soulmesh("uploads", "push", SHARER, "/etc/hostname")
    assert (outside.code, "lies in no shared folder" in outside.err) == (3, True)
    [ours] = [path for path in (tmp_path / "ours").rglob("*") if path.is_file()]
    settings = there.net.sharer.transfers.settings
    there.look(
        lambda: setattr(there.net.sharer.transfers, "settings", replace(settings, accept_pushes="nobody"))
    )
    denied = soulmesh("uploads", "push", SHARER, str(ours))
    assert (denied.code, f"{SHARER} did not take" in denied.err) == (4, True)
    everyone = replace(settings, accept_pushes="everyone", downloads=tmp_path / "pushed")
    there.look(lambda: setattr(there.net.sharer.transfers, "settings", everyone))
    taken = soulmesh("uploads", "push", SHARER, str(ours))
    assert (taken.code, taken.out) == (0, f"sent {ours.name} to {SHARER}\n"), taken.err
    [there_now] = [path for path in (tmp_path / "pushed").rglob("*") if path.name == ours.name]
    assert there_now.read_bytes() == ours.read_bytes()


def test_goals_of_the_data_folder(soulmesh: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOULMESH_DAEMON_DATA", str(tmp_path / "data"))
    none = soulmesh("goals", "list")
    assert (none.code, "nothing is wanted" in none.err) == (0, True)

    async def want() -> None:
        async with street(tmp_path / "street") as there:
            ann = await there.move_in("ann", Journal(tmp_path / "data" / "transfers.sqlite", threaded=False))
            await ann.transfers.goals.want("lamps", [Candidate("eve", [("x\\1.flac", 1000)])])

    (tmp_path / "data").mkdir()
    virtual(want)()
    [row] = lines(soulmesh("goals", "list", "--json"))
    assert (row["name"], row["state"], row["username"], row["size"]) == ("lamps", "under way", "eve", 1000)
    assert soulmesh("goals", "pause", "lamps").out == "lamps: paused\n"
    assert soulmesh("goals", "resume", "lamps").out == "lamps: under way, goes on when soulmesh runs\n"
    assert soulmesh("goals", "cancel", row["id"]).out == "lamps: dropped\n"
    [row] = lines(soulmesh("goals", "list", "--json"))
    assert (row["state"], row["last"]) == ("dropped", "cancelled")


def test_rules_are_tried_on_what_the_daemon_was_asked_for(
    there: Elsewhere, soulmesh: Command, tmp_path: Path
) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text("queue_files = 1\nupload_slots = 1\n")
    assert "nobody has asked for anything in these days" in soulmesh("uploads", "try", str(rules)).err

    async def ask() -> None:
        journal = there.net.daemon.engine.client.transfers._journal
        now = datetime.now(UTC).timestamp()
        for number in range(5):
            journal.requested(Asked(now - 100 + number, Person("eve"), f"ours\\{number}.mp3", 10_000_000))

    there.do(ask())
    # By the daemon's address: nothing of it is on this machine.
    at = ("--daemon", there.net.url, "--api-key", KEY)
    [row] = lines(soulmesh("uploads", "try", str(rules), *at, "--days", "30", "--json"))
    assert (row["username"], row["reasons"]) == ("eve", {"Too many files": 3})
    done = soulmesh("uploads", "try", str(rules))
    assert "5 requests of 1 users; refused: 3 (as it is: 0)" in done.err
    rules.write_text("nonsense = 1\n")
    assert "nonsense" in soulmesh("uploads", "try", str(rules), *at).err


def test_shares_are_scanned_by_the_daemon(there: Elsewhere, soulmesh: Command, tmp_path: Path) -> None:
    # By nothing else meanwhile.
    there.look(lambda: there.net.daemon.engine.scanning.keep(watch=False, rescan_hours=0))
    kept = tmp_path / "kept"
    kept.mkdir()
    there.look(lambda: there.net.daemon.engine.shared.save_root(Root(0, b"kept", kept)))
    for number in range(8):
        (kept / f"{number}.txt").touch()
        (tmp_path / "ours" / f"{number}.txt").touch()
    [row] = lines(soulmesh("share", "scan", str(kept), "--json"))
    assert (row["root"], row["files"], row["added"], row["state"]) == ("kept", 8, 8, "")
    assert there.look(lambda: there.net.daemon.engine.shares.files) == 9
    rows = lines(soulmesh("share", "scan", "--json"))
    assert [(row["root"], row["files"]) for row in rows] == [("kept", 8), ("ours", 9)]
    shown = soulmesh("share", "scan", "kept", "ours")
    assert shown.code == 0
    assert "17 files in" in shown.err
    assert "index unchanged" in shown.err
    unknown = soulmesh("share", "scan", "nothing")
    assert (unknown.code, "nothing is not shared" in unknown.err) == (3, True)

    for number in range(8):
        (kept / f"{number}.txt").unlink()
    (kept / "left.txt").touch()
    asked = soulmesh("share", "scan", "kept")
    assert (asked.code, "8 files of kept are gone" in asked.err) == (2, True)
    [row] = lines(soulmesh("share", "scan", "kept", "--yes", "--json"))
    assert (row["files"], row["removed"]) == (1, 8)

    # What a daemon cannot be told is done beside it.
    own = soulmesh("share", "scan", "kept", "--rebuild")
    assert (own.code, "index rebuilt" in own.err) == (0, True)
    wrong = soulmesh("share", "scan", "--rebuild", "--daemon", there.net.url, "--api-key", KEY)
    assert (wrong.code, "not for a scan of a daemon" in wrong.err) == (2, True)


def test_people_rooms_and_messages(there: Elsewhere, soulmesh: Command) -> None:
    assert soulmesh("user", "befriend", SHARER).code == 0
    assert soulmesh("user", "note", SHARER, "sings in tune").code == 0
    assert soulmesh("user", "ban", "192.0.2.0/24", "--address").code == 0
    people = lines(soulmesh("user", "list", "--json"))
    assert people == [
        {"kind": "friend", "name": SHARER, "note": "sings in tune"},
        {"kind": "banned", "name": "192.0.2.0/24", "note": None},
    ]
    assert there.look(lambda: there.net.daemon.engine.client.users.friend(SHARER))
    [user] = lines(soulmesh("user", "show", SHARER, "--json"))
    assert (user["status"], user["friend"], user["note"], user["files"]) == (
        "online",
        True,
        "sings in tune",
        3,
    )
    assert user["upload_slots"] > 0
    assert soulmesh("user", "show", "nobody.home").code == 3

    there.do(there.net.sharer.rooms.join("den"))
    assert [room["name"] for room in lines(soulmesh("room", "list", "--json"))] == ["den"]
    assert {row["username"] for row in lines(soulmesh("room", "users", "den", "--json"))} == {
        OURSELVES,
        SHARER,
    }
    assert lines(soulmesh("room", "say", "den", "hello", "--json")) == [{"room": "den", "text": "hello"}]
    [ticker] = lines(soulmesh("room", "ticker", "den", "on the wall", "--json"))
    assert ticker == {"username": OURSELVES, "text": "on the wall"}
    # A room that was entered for one command is left again.
    assert there.look(there.net.daemon.engine.rooms) == []

    assert soulmesh("chat", "send", SHARER, "good", "evening").code == 0
    there.do(there.net.sharer.chat.send(OURSELVES, "good night"))

    async def unread() -> bool:
        found = await there.net.daemon.service.conversations.overview()
        return any(one["unread"] for one in found)

    for _ in range(500):
        if there.do(unread()):
            break
    [talk] = lines(soulmesh("chat", "list", "--json"))
    assert (talk["place"], talk["unread"], talk["lines"]) == (SHARER, 1, 2)
    found = lines(soulmesh("chat", "history", SHARER, "--find", "night good", "--json"))
    assert [line["text"] for line in found] == ["good night"]
    said = lines(soulmesh("chat", "history", SHARER, "--json"))
    assert [(line["text"], line["ours"]) for line in said] == [("good evening", True), ("good night", False)]
    assert lines(soulmesh("chat", "list", "--json"))[0]["unread"] == 0
    assert soulmesh("chat", "forget", SHARER).code == 0
    assert soulmesh("chat", "forget", SHARER).code == 3
    assert lines(soulmesh("chat", "list", "--json")) == []

    assert soulmesh("wish", "add", "night ferry", "--filter", "flac").code == 0
    assert [wish["query"] for wish in lines(soulmesh("wish", "list", "--json"))] == ["night ferry"]
    assert soulmesh("wish", "remove", "night ferry").code == 0
    assert soulmesh("interests", "like", "sea shanties").code == 0
    assert lines(soulmesh("interests", "list", "--json")) == [{"kind": "like", "item": "sea shanties"}]
    there.look(lambda: there.net.sharer.interests.like("sea shanties"))
    assert lines(soulmesh("interests", "of", SHARER, "--json"))[0]["item"] == "sea shanties"
    watched = lines(soulmesh("watch", "--for", "0.3", "--json"))
    assert all("event" in event for event in watched)


def test_results_stand_in_the_same_order_as_without_a_daemon() -> None:
    def found(username: str, size: int, speed: int, past: Remembered, *, free: bool = True) -> Hit:
        expected = estimate(size, free_slot=free, speed=speed, queue=3, past=past)
        return Hit(username, FoundFile(f"Music\\{size}.mp3", size), free, speed, 3, False, expected)

    known, unknown = Remembered(speed=3_000_000.0, failures=1), Remembered()
    hits = [
        found(name, size, speed, past, free=free)
        for name, speed, past, free in (
            ("alice", 1_000_000, unknown, True),
            ("bob", 1_900_000, unknown, True),
            ("carol", 2_100_000, unknown, True),
            ("dave", 100, known, True),
            ("eve", 9_000_000, unknown, False),
            ("frank", 0, unknown, True),
        )
        # Small ones are here at once, whoever sends them: that must not make their users equal.
        for size in (700, 60_000, 30_000_000)
    ]
    there = [standin_hit(hit_row(hit)) for hit in hits]
    order = [(hit.username, hit.file.size) for hit in sorted(hits, key=best_first)]
    assert [(hit.username, hit.file.size) for hit in sorted(there, key=best_first)] == order
    users = list(dict.fromkeys(username for username, _ in order))
    assert len(users) == 6
    # All files of a user stand together, so an album does.
    assert users == [username for username, _ in order][::3]


@virtual
async def test_a_search_waits_until_the_server_bears_it(capsys: pytest.CaptureFixture[str]) -> None:
    class Busy:
        async def governor(self) -> list[dict[str, Any]]:
            return [{"subject": "join", "wait": 90.0}, {"subject": "search", "wait": 40.0}]

    begun = asyncio.get_running_loop().time()
    await wait_for_turn(Output(json=False), cast(Daemon, Busy()))
    assert asyncio.get_running_loop().time() - begun == 40
    assert "this one goes out in 40 s" in capsys.readouterr().err


@virtual
async def test_who_does_not_answer_is_told_of_as_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    there = StandIn(Daemon("http://127.0.0.1:1", "key"), "ann")
    monkeypatch.setattr(there.daemon.users, "info", lambda _: asyncio.sleep(60))
    with pytest.raises(NoReply, match="mute did not answer PeerUserInfoRequest within 4 s"):
        await there.info.ask("mute", timeout=4)
    await there.daemon.close()


def test_the_public_feed_is_turned_off_again_by_who_turned_it_on(there: Elsewhere) -> None:
    rooms = there.net.daemon.engine.client.rooms

    async def feed() -> list[bool]:
        seen = []
        for _ in range(2):
            async with StandIn(Daemon(there.net.url, KEY), OURSELVES) as command:
                command.rooms.public_feed(True)
                await command.flush()
                seen.append(rooms.feed)
                assert command.wishes.interval == there.net.daemon.engine.client.wishes.interval
            seen.append(rooms.feed)
            rooms.public_feed(True)  # by the page, say
        return seen

    assert there.do(feed()) == [True, False, True, True]


@virtual
async def test_a_room_or_a_list_that_has_to_wait_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    there = StandIn(Daemon("http://127.0.0.1:1", "key"), "ann")
    refusals = [DaemonRefused(429, "too many requests", 30.0), DaemonRefused(429, "too many requests", 2.0)]

    async def browse(username: str) -> dict[str, Any]:
        if refusals:
            raise refusals.pop(0)
        return {"username": username}

    monkeypatch.setattr(there.daemon.users, "browse", browse)
    begun = asyncio.get_running_loop().time()
    assert (await there.browse("bob", timeout=1)).username == "bob"
    assert asyncio.get_running_loop().time() - begun == 32
    refusals.append(DaemonRefused(409, "no"))
    with pytest.raises(DaemonRefused, match="no"):
        await there.browse("bob")
    await there.daemon.close()


def test_what_is_wrong_or_missing_has_the_code_and_the_words_that_it_has_alone(
    there: Elsewhere, soulmesh: Command
) -> None:
    """Compare ``test_people_commands.py``: there each command goes online by itself."""
    for command, code, words in (
        (["wish", "remove", "nothing such"], 3, "there is no wish for 'nothing such'"),
        (["wish", "add", "ab"], 2, "at least 3 characters are needed"),
        (["search", "ab", "-t", "1"], 2, "at least 3 characters are needed"),
        (["search", "-t", "1", "--", "-live"], 2, "it only says what to leave out"),
        (["search", "tidal", "-t", "1", "--user", "ghost"], 3, "there is no user named ghost"),
        (["search", "tidal", "-t", "1", "--room", "nowhere"], 3, "there is no room named nowhere"),
        (["browse", "ghost"], 3, "there is no user named ghost"),
        (["browse", "ghost", "--folder", "Music"], 3, "there is no user named ghost"),
        (["room", "users", "nowhere"], 3, "there is no room named nowhere"),
        (["room", "say", "nowhere", "hello"], 3, "there is no room named nowhere"),
        (["room", "say", "nowhere", ""], 2, "there is nothing to say: the text is empty"),
        (["room", "drop", "nowhere"], 3, "there is no room named nowhere"),
        (["room", "drop", "nowhere", "--ownership"], 3, "there is no room named nowhere"),
        (["room", "grant-membership", "nowhere", SHARER], 3, "there is no room named nowhere"),
        (["interests", "of", "ghost"], 3, "there is no user named ghost"),
        (["interests", "like", " "], 2, "an interest cannot be empty"),
        (["interests", "like", "x" * 65], 2, "an interest has at most 64 characters, this one 65"),
        (["chat", "history", "nobody"], 3, "nothing was said with nobody"),
        (["chat", "send", "ghost", "hello"], 3, "there is no user named ghost"),
        (["user", "privileges", "--give", SHARER], 2, "--give NAME and --days N go together"),
        (["user", "show", "ghost"], 3, "there is no user named ghost"),
    ):
        done = soulmesh(*command)
        assert (done.code, words in done.err) == (code, True), (command, done)
        if "no user named" in words:
            assert "hint: check the spelling" in done.err, command
    assert there.do(there.net.sharer.rooms.list()) == ()


def test_filters_privileges_and_private_rooms(there: Elsewhere, soulmesh: Command, tmp_path: Path) -> None:
    assert soulmesh("filter", "save", "lossless", "flac size>60001").code == 0
    assert lines(soulmesh("filter", "list", "--json")) == [{"name": "lossless", "filter": "flac size>60001"}]
    assert there.look(lambda: there.net.daemon.engine.client.book.filters) == {"lossless": "flac size>60001"}
    found = soulmesh(
        "search", "tidal maps", "--timeout", "4", "--limit", "2", "--filter", "@lossless", "--json"
    )
    assert [hit["size"] > 60_001 for hit in lines(found)] == [True, True]
    (tmp_path / "found.jsonl").write_text(found.out)
    assert (
        "2 of 2 results are kept" in soulmesh("filter", "try", "@lossless", str(tmp_path / "found.jsonl")).out
    )
    assert soulmesh("filter", "remove", "lossless").code == 0
    assert soulmesh("filter", "remove", "lossless").code == 3

    assert lines(soulmesh("user", "privileges", "--json")) == [
        {"seconds_left": 0, "given_to": None, "days": 0}
    ]
    poor = soulmesh("user", "privileges", "--give", SHARER, "--days", "3")
    assert (poor.code, "only 0 whole days" in poor.err) == (2, True)

    assert lines(soulmesh("room", "invitations", "on", "--json")) == [{"invitations": True}]
    assert soulmesh("room", "invitations", "sometimes").code == 2
    there.do(there.net.sharer.rooms.join("cellar", private=True))
    there.do(there.net.sharer.rooms.grant_membership("cellar", OURSELVES))
    [room] = [row for row in lines(soulmesh("room", "list", "--json")) if row["name"] == "cellar"]
    assert (room["private"], room["owned"]) == (True, False)
    assert lines(soulmesh("room", "drop", "cellar", "--json")) == [
        {"room": "cellar", "done": "drop membership"}
    ]
    assert "cellar" not in there.do(there.net.sharer.rooms.join("cellar")).members
    assert lines(soulmesh("room", "favour", "harbour", "--json")) == [{"room": "harbour"}]
    assert there.look(lambda: there.net.daemon.engine.client.book.rooms) == {"harbour": False}
    assert lines(soulmesh("room", "favour", "harbour", "--no", "--json")) == []
    assert there.look(lambda: there.net.daemon.engine.client.book.rooms) == {}


def test_the_feed_of_all_rooms_until_ctrl_c(there: Elsewhere) -> None:
    sharer = there.net.sharer
    there.do(sharer.rooms.join("square"))

    async def talk() -> None:
        while True:
            sharer.rooms.say("square", "hear ye")
            await asyncio.sleep(0.25)

    talking = asyncio.run_coroutine_threadsafe(talk(), there.loop)
    code, printed = stopped(["room", "feed", "--json"], when="hear ye")
    talking.cancel()
    assert code == 130
    assert {tuple(json.loads(line).values()) for line in printed if line} == {("square", SHARER, "hear ye")}


def test_a_daemon_by_its_address(tmp_path: Path, soulmesh: Command) -> None:
    with elsewhere(tmp_path) as there:
        url = there.net.url
        [user] = lines(soulmesh("user", "show", SHARER, "--daemon", url, "--api-key", KEY, "--json"))
        assert user["status"] == "online"
        refused = soulmesh("user", "show", SHARER, "--daemon", url, "--api-key", "wrong-wrong-wrong")
        assert refused.code == 4
        alone = soulmesh("user", "show", SHARER, "--api-key", KEY)
        assert (alone.code, "--daemon" in alone.err) == (2, True)
    gone = soulmesh("user", "show", SHARER, "--daemon", url, "--api-key", KEY)
    assert gone.code == 5


def test_without_a_daemon_commands_are_on_their_own(
    there: Elsewhere, soulmesh: Command, tmp_path: Path
) -> None:
    # Another account, another server, or no daemon at all: this is not the one that runs.
    book = tmp_path / "other"
    assert soulmesh("user", "befriend", "eve", "--data", str(book)).code == 0
    assert (book / "people.json").exists()
    assert soulmesh("user", "befriend", "eve", "--daemon", "none").code == 0
    assert there.look(lambda: there.net.daemon.engine.client.users.friend("eve")) is False
    options = ("--server", "127.0.0.1:1", "--username", "ann")
    assert soulmesh("user", "show", SHARER, *options, "--password-file", "/none").code == 2
