"""``browse``, ``user``, ``room``, ``chat``, ``wish``, ``interests``, ``watch``, ``filter``: each by itself.

A server and one user, alice, live on a loop of their own; commands go online as bob.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pytest

from soulmesh.cli.demo_network import DemoNetwork, Traffic
from soulmesh.cli.run import run
from soulmesh.cli.samples import make_library
from soulmesh.client.client import Client
from soulmesh.client.events import EventStream
from soulmesh.client.info import Profile
from soulmesh.client.transfers import Journal
from soulmesh.client.users import UserStatusChanged
from tests.cli.conftest import Command, Outcome
from tests.cli.processes import stopped

T = TypeVar("T")

ALBUM = r"Music\Harbour Lamps\Slow Signals (2021)"
PICTURE = b"\x89PNG" + bytes(500)


@dataclass(frozen=True)
class Town:
    """The server, alice, and the loop that both live on."""

    address: str
    alice: Client
    loop: asyncio.AbstractEventLoop

    def there(self, work: Coroutine[Any, Any, T]) -> T:
        """Have something done on their loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)


class Bob:
    """Runs commands as bob, with a data folder of his own."""

    def __init__(self, town: Town, soulmesh: Command, data: Path) -> None:
        self.data = data
        self._soulmesh = soulmesh
        self.login = [
            "--server",
            town.address,
            "--username",
            "bob",
            "--password",
            "secret",
            "--listen-port",
            "0",
        ]
        self.login += ["--data", str(data)]

    def __call__(self, *arguments: str) -> Outcome:
        """A command that goes online."""
        return self._soulmesh(*arguments, *self.login)

    def elsewhere(self, server: str, *arguments: str) -> Outcome:
        """The same at another server."""
        return self._soulmesh(*arguments, *self.login, "--server", server)

    def local(self, *arguments: str) -> Outcome:
        """A command that needs no server."""
        return self._soulmesh(*arguments, "--data", str(self.data))

    def kept(self, *arguments: str) -> list[dict[str, Any]]:
        """What a command that needs no server, and no account, prints for machines."""
        done = self.local(*arguments, "--json")
        assert (done.code, done.err) == (0, "")
        return [json.loads(line) for line in done.out.splitlines()]

    def records(self, *arguments: str) -> list[dict[str, Any]]:
        """What a command that goes online prints for machines."""
        done = self(*arguments, "--json")
        assert (done.code, done.err) == (0, "")
        return [json.loads(line) for line in done.out.splitlines()]

    def typing(self, lines: str, *arguments: str) -> tuple[int, str, str]:
        """A process, to which lines are typed; its end, and what it said."""
        process = subprocess.run(
            [sys.executable, "-m", "soulmesh", *arguments, *self.login],
            input=lines,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        return process.returncode, process.stdout, process.stderr


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    folder = tmp_path_factory.mktemp("town")
    make_library(folder / "Music", length=0.3)
    (folder / "me.png").write_bytes(PICTURE)
    ready, found = threading.Event(), []

    async def live() -> None:
        over = asyncio.Event()
        async with DemoNetwork(folder, Traffic()) as demo:
            alice = await demo.join("alice", shares=[folder / "Music"])
            alice.info.profile = Profile("I play the harbour.", folder / "me.png")
            host, port = demo.address
            found.append((Town(f"{host}:{port}", alice, asyncio.get_running_loop()), over))
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: run(live()))
    thread.start()
    try:
        assert ready.wait(20)
        here, over = found[0]
        yield here
    finally:
        here.loop.call_soon_threadsafe(over.set)
        thread.join(20)


@pytest.fixture
def bob(town: Town, soulmesh: Command, tmp_path: Path) -> Bob:
    return Bob(town, soulmesh, tmp_path / "bob")


# -- browse


def test_browse_lists_folders_line_by_line(bob: Bob) -> None:
    done = bob("browse", "alice")
    assert done.code == 0
    assert done.out.splitlines()[0].split() == ["Files", "Size", "Folder"]
    (line,) = [line for line in done.out.splitlines() if line.endswith(ALBUM)]
    assert line.split()[0] == "4"
    assert "alice: " in done.err
    (record,) = [record for record in bob.records("browse", "alice") if record["folder"] == ALBUM]
    assert (record["username"], record["files"], record["locked"]) == ("alice", 4, False)


def test_browse_shows_one_folder_all_files_or_files_with_some_words(bob: Bob) -> None:
    one = bob.records("browse", "alice", "--folder", ALBUM)
    assert {record["remote_path"].rpartition("\\")[0] for record in one} == {ALBUM}
    every = bob.records("browse", "alice", "--files")
    assert {record["remote_path"] for record in one} < {record["remote_path"] for record in every}
    found = bob.records("browse", "alice", "--find", "night FERRY")
    assert [record["remote_path"] for record in found] == [ALBUM + r"\01 Night Ferry.flac"]
    assert found[0]["sample_rate"] == 44100
    few = bob("browse", "alice", "--find", "harbour", "--limit", "2")
    assert "the first 2; --limit shows more" in few.err


@pytest.mark.parametrize("more", [[], ["--files"], ["--find", "harbour"]], ids=" ".join)
def test_browse_prints_one_page_of_what_there_is(bob: Bob, more: list[str]) -> None:
    whole = bob.records("browse", "alice", *more, "--limit", "6")
    assert len(whole) > 3
    assert bob.records("browse", "alice", *more, "--limit", "3", "--page", "2") == whole[3:]
    after = bob("browse", "alice", *more, "--page", "9")
    assert (after.code, "in all" in after.err or "on page 9" in after.err) == (3, True)


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals there")
def test_browse_at_a_terminal_asks_after_each_screen(bob: Bob) -> None:
    import pty

    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "soulmesh", "browse", "alice", *bob.login],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TERM": "xterm", "LINES": "5"},
    ) as process:
        os.close(theirs)
        os.write(ours, b"/night ferry\nq\n")
        _, said = process.communicate(timeout=40)
    shown = b""
    with contextlib.suppress(OSError):
        while piece := os.read(ours, 65536):
            shown += piece
    os.close(ours)
    assert process.returncode == 0
    assert b"01 Night Ferry.flac" in shown
    assert said.count("q: leave > ") == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nobody"], 3, "there is no user named nobody"),
        (["alice", "--folder", "Nowhere"], 3, "no folder 'Nowhere'"),
        (["alice", "--find", "nosuchthing"], 3, "shares nothing with 'nosuchthing'"),
    ],
)
def test_browse_says_what_is_not_there(bob: Bob, arguments: list[str], code: int, words: str) -> None:
    done = bob("browse", *arguments)
    assert done.code == code
    assert words in done.err


# -- user


def test_user_show_tells_what_server_user_and_memory_say(town: Town, bob: Bob, tmp_path: Path) -> None:
    bob.local("user", "note", "alice", "plays well")
    (record,) = bob.records("user", "show", "alice", "--picture", str(tmp_path / "alice.png"))
    expected = {
        "status": "online",
        "note": "plays well",
        "description": "I play the harbour.",
        "friend": False,
    }
    assert expected.items() <= record.items()
    assert (record["address"], record["port"]) == ("127.0.0.1", town.alice.listening.port)
    assert (tmp_path / "alice.png").read_bytes() == PICTURE
    shown = bob("user", "show", "alice")
    assert "description  I play the harbour." in shown.out
    missing = bob("user", "show", "nobody")
    assert missing.code == 3
    assert "error: there is no user named nobody" in missing.err


def test_friends_bans_and_notes_are_kept_and_listed(bob: Bob, tmp_path: Path) -> None:
    for words in (
        ["befriend", "alice"],
        ["ban", "mallory"],
        ["ban", "--address", "192.0.2.0/24"],
        ["note", "carol", "asks a lot"],
    ):
        assert bob.local("user", *words).code == 0
    rows = [json.loads(line) for line in bob.local("user", "list", "--json").out.splitlines()]
    assert [(row["kind"], row["name"], row["note"]) for row in rows] == [
        ("friend", "alice", None),
        ("banned", "mallory", None),
        ("banned", "192.0.2.0/24", None),
        ("note", "carol", "asks a lot"),
    ]
    exported = bob.local("user", "export-bans").out
    assert exported == "user mallory\naddress 192.0.2.0/24\n"
    mistaken = bob.local("user", "ban", "10.0.0.0/8")
    assert "that bans a user called 10.0.0.0/8; addresses are banned with --address" in mistaken.err
    assert bob.local("user", "unban", "10.0.0.0/8").code == 0
    for words in (["unfriend", "alice"], ["unban", "mallory"], ["unban", "--address", "192.0.2.0/24"]):
        assert bob.local("user", *words).code == 0
    assert bob.local("user", "unban", "mallory").code == 3
    (tmp_path / "bans").write_text(exported + "Some Company:10.0.0.0-10.0.0.255\n")
    assert "3 bans read" in bob.local("user", "import-bans", str(tmp_path / "bans")).out
    assert "address 10.0.0.0/24" in bob.local("user", "export-bans").out


def test_a_list_of_bans_that_cannot_be_read_is_one_line(bob: Bob, tmp_path: Path) -> None:
    missing = bob.local("user", "import-bans", str(tmp_path / "nothing"))
    assert missing.code == 1
    assert missing.err.startswith("error: ")
    (tmp_path / "bans").write_bytes(b"Firma \xfcber:not an address\n")
    wrong = bob.local("user", "import-bans", str(tmp_path / "bans"))
    assert wrong.code == 2
    assert "line 1: " in wrong.err
    assert "is no address or range" in wrong.err


def test_privileges_are_told_and_cannot_be_given_by_those_who_have_none(bob: Bob) -> None:
    assert bob.records("user", "privileges") == [{"seconds_left": 0, "given_to": None, "days": 0}]
    for order in (["--give", "alice", "--days", "1"], ["--days", "1", "--give", "alice"]):
        done = bob("user", "privileges", *order)
        assert (done.code, "only 0 whole days" in done.err) == (2, True)
    # What is given away does not come back: how much it is has to be said.
    for half in (["--give", "alice"], ["--days", "2"]):
        done = bob("user", "privileges", *half)
        assert (done.code, "--give NAME and --days N go together" in done.err) == (2, True)


# -- room


def test_rooms_are_listed_entered_and_spoken_in(town: Town, bob: Bob) -> None:
    town.there(town.alice.rooms.join("harbour"))
    assert {"name": "harbour", "users": 1, "private": False}.items() <= bob.records("room", "list")[0].items()
    assert [row["username"] for row in bob.records("room", "users", "harbour")] == ["alice", "bob"]
    assert bob.records("room", "say", "harbour", "good", "evening") == [
        {"room": "harbour", "text": "good evening"}
    ]
    # What is said in rooms is kept, and no conversation.
    assert bob.records("chat", "list") == []
    heard = town.there(town.alice.chat.room_history("harbour"))
    assert [(line.author, line.text) for line in heard] == [("bob", "good evening")]


def test_a_room_is_talked_in_line_by_line(town: Town, bob: Bob) -> None:
    town.there(town.alice.rooms.join("pier"))
    code, out, err = bob.typing("one\n\ntwo\n", "room", "talk", "pier")
    assert code == 0
    assert out.splitlines() == ["bob: one", "bob: two"]
    assert "2 users in pier" in err


def test_tickers_invitations_and_favourite_rooms(town: Town, bob: Bob) -> None:
    assert bob("room", "ticker", "wall", "here I was").code == 3
    town.there(town.alice.rooms.join("wall"))
    (row,) = bob.records("room", "ticker", "wall", "here I was")
    assert row == {"username": "bob", "text": "here I was"}
    assert bob.records("room", "invitations", "on") == [{"invitations": True}]
    assert bob("room", "invitations", "perhaps").code == 2
    assert "wall" in bob.local("room", "favour", "wall").out
    assert "bob" in bob("room", "users", "wall").out
    assert "wall" not in bob.local("room", "favour", "wall", "--no").out


def test_a_private_room_is_made_shared_and_given_up(town: Town, bob: Bob) -> None:
    town.there(town.alice.rooms.accept_invitations(True))
    assert bob.typing("", "room", "talk", "den", "--private")[0] == 0
    for name in ("grant-membership", "grant-operator", "revoke-operator", "revoke-membership"):
        assert bob.records("room", name, "den", "alice") == [
            {"room": "den", "username": "alice", "done": name}
        ]
    assert bob.records("room", "drop", "den", "--ownership") == [{"room": "den", "done": "drop ownership"}]


def test_what_is_not_there_is_said_and_nothing_is_made_of_it(town: Town, bob: Bob) -> None:
    for command, words in (
        (["room", "users", "nowhere"], "there is no room named nowhere"),
        (["room", "say", "nowhere", "hello"], "there is no room named nowhere"),
        (["search", "slow signals", "--room", "nowhere"], "there is no room named nowhere"),
        (["search", "slow signals", "--user", "ghost"], "there is no user named ghost"),
        (["browse", "ghost", "--folder", "Music"], "there is no user named ghost"),
        (["interests", "of", "ghost"], "there is no user named ghost"),
    ):
        done = bob(*command)
        assert (done.code, words in done.err) == (3, True), (command, done)
    for command, words in (
        (["chat", "history", "alice"], "nothing was said with alice"),
        (
            ["chat", "history", "#nowhere", "--find", "words"],
            "nothing was said in nowhere that has the words",
        ),
    ):
        done = bob.local(*command)
        assert (done.code, words in done.err) == (3, True), (command, done)
    assert "nowhere" not in [room.name for room in town.there(town.alice.rooms.list())]


def test_a_room_is_entered_to_be_searched(town: Town, bob: Bob) -> None:
    town.there(town.alice.rooms.join("listeners"))
    hits = bob.records("search", "slow signals", "--room", "listeners", "--timeout", "1")
    assert {hit["username"] for hit in hits} == {"alice"}


@pytest.mark.parametrize("command", [["room", "say", "pier", " "], ["chat", "send", "alice", ""]])
def test_nothing_is_no_message(bob: Bob, command: list[str]) -> None:
    done = bob(*command)
    assert (done.code, "there is nothing to say: the text is empty" in done.err) == (2, True)
    assert "logged in" not in done.err


def test_a_room_that_cannot_be_is_refused_in_the_servers_words(bob: Bob) -> None:
    done = bob("room", "talk", " spaces ")
    assert done.code == 4
    assert "leading or trailing spaces" in done.err


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that takes connections and says nothing."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        yield f"127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("command", [["room", "list"], ["chat", "send", "alice", "hi"], ["browse", "alice"]])
def test_the_time_of_a_command_holds_for_its_login_as_well(bob: Bob, silent: str, command: list[str]) -> None:
    done = bob.elsewhere(silent, *command, "--timeout", "0.3")
    assert done.code == 5
    assert done.err == (
        f"error: not logged in at {silent} within 0.3 seconds\nhint: give it more time with --timeout\n"
    )


def test_a_search_gives_the_login_a_time_of_its_own(
    bob: Bob, silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("soulmesh.cli.search.LOGIN", 0.3)
    done = bob.elsewhere(silent, "search", "slow signals", "--timeout", "0.2")
    assert done.code == 5
    assert "it took the connection, and said nothing for 0.3 s to the login" in done.err
    assert "banned" not in done.err


# -- chat


def test_messages_are_sent_kept_listed_and_shown(town: Town, bob: Bob) -> None:
    assert bob.records("chat", "send", "alice", "are", "you", "there?") == [
        {"username": "alice", "text": "are you there?"}
    ]
    got = town.there(town.alice.chat.history("bob"))
    assert got[-1].text == "are you there?"
    # bob is offline by now: the server keeps it for him.
    town.there(town.alice.chat.send("bob", "always"))
    (row,) = bob.records("chat", "list")
    assert (row["place"], row["lines"], row["unread"]) == ("alice", 2, 1)
    # A search marks nothing as read.
    assert [line["text"] for line in bob.kept("chat", "history", "alice", "--find", "ALW")] == ["always"]
    assert bob.records("chat", "list")[0]["unread"] == 1
    lines = bob.kept("chat", "history", "alice")
    assert [(line["username"], line["text"], line["ours"]) for line in lines] == [
        ("bob", "are you there?", True),
        ("alice", "always", False),
    ]
    assert bob.records("chat", "list")[0]["unread"] == 0
    assert bob("chat", "send", "nobody", "hello").code == 3


def test_chat_with_shows_what_was_said_and_sends_what_is_typed(town: Town, bob: Bob) -> None:
    bob("chat", "send", "alice", "before")
    code, out, _ = bob.typing("and now\n", "chat", "with", "alice")
    assert code == 0
    assert out.splitlines()[-1].endswith("bob: before")
    assert town.there(town.alice.chat.history("bob"))[-1].text == "and now"


# -- wishes, interests


def test_a_second_account_on_the_same_folder_has_people_and_conversations_of_its_own(
    bob: Bob, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob("chat", "send", "alice", "from bob")
    bob.local("wish", "add", "wish of bob")
    assert [row["place"] for row in bob.records("chat", "list")] == ["alice"]
    second = [word if word != "bob" else "carol" for word in bob.login]
    other = bob._soulmesh("chat", "list", *second, "--json")
    assert (other.code, other.out) == (0, "")
    monkeypatch.setenv("SOULMESH_ACCOUNT_USERNAME", "carol")
    assert bob.kept("wish", "list") == []
    bob.local("user", "befriend", "alice")
    monkeypatch.setenv("SOULMESH_ACCOUNT_USERNAME", "bob")
    assert [row["query"] for row in bob.kept("wish", "list")] == ["wish of bob"]
    assert bob.kept("user", "list") == []


def test_wishes_are_kept_with_their_filters(bob: Bob) -> None:
    bob.local("filter", "save", "good", "type:flac size>1mb")
    assert bob.kept("wish", "add", "slow signals", "--filter", "@good") == [
        {"query": "slow signals", "filter": "type:flac size>1mb", "download": ""}
    ]
    assert [row["query"] for row in bob.kept("wish", "list")] == ["slow signals"]
    wrong = bob.local("wish", "add", "anything", "--filter", "size>>1")
    assert (wrong.code, "^" in wrong.err) == (2, True)
    assert bob.local("wish", "add", "ab").code == 2
    assert bob.local("wish", "remove", "slow signals").code == 0
    gone = bob.local("wish", "remove", "slow signals")
    assert (gone.code, "there is no wish for 'slow signals'" in gone.err) == (3, True)
    assert bob.kept("wish", "list") == []


def test_interests_are_told_to_the_server_and_answered(town: Town, bob: Bob) -> None:
    async def taste() -> None:
        for item in ("ambient", "field recordings"):
            town.alice.interests.like(item)
        await town.alice.privileges.check()

    town.there(taste())
    assert bob.records("interests", "like", "Ambient") == [{"done": "like", "item": "Ambient"}]
    assert bob.records("interests", "hate", "noise")[0]["done"] == "hate"
    kept = [json.loads(line) for line in bob.local("interests", "list", "--json").out.splitlines()]
    assert kept == [{"kind": "like", "item": "ambient"}, {"kind": "hate", "item": "noise"}]
    assert {"name": "field recordings", "score": 1} in bob.records("interests", "recommend")
    assert {"name": "field recordings", "score": 1} in bob.records(
        "interests", "recommend", "--item", "ambient"
    )
    assert {row["name"] for row in bob.records("interests", "recommend", "--global")} >= {"ambient"}
    assert bob.records("interests", "similar") == [{"name": "alice", "score": 1}]
    assert {"name": "alice"} in bob.records("interests", "similar", "--item", "field recordings")
    assert bob.records("interests", "of", "alice") == [
        {"kind": "like", "item": "ambient"},
        {"kind": "like", "item": "field recordings"},
    ]
    assert bob("interests", "like", " ").code == 2


# -- watch


def test_watch_prints_events_as_they_come(town: Town, bob: Bob) -> None:
    # Nobody is told anything of a name that the server does not know yet.
    assert bob("user", "privileges").code == 0

    async def listen() -> asyncio.Task[None]:
        came = town.alice.events.stream(UserStatusChanged)
        town.alice.users.watch("bob", "test")
        return asyncio.get_running_loop().create_task(speak(came))

    async def speak(came: EventStream[UserStatusChanged]) -> None:
        async for event in came:
            if isinstance(event, UserStatusChanged) and (event.username, event.status) == ("bob", 2):
                await town.alice.chat.send("bob", "can you hear me?")
                return

    speaking = town.there(listen())
    events = bob.records(
        "watch", "--for", "1.5", "--only", "PrivateMessage", "--only", "UserStatusChanged", "--user", "alice"
    )
    assert {"event": "PrivateMessage", "username": "alice", "text": "can you hear me?"}.items() <= next(
        event for event in events if event["event"] == "PrivateMessage"
    ).items()
    assert all(event["event"] in ("PrivateMessage", "UserStatusChanged") for event in events)
    assert speaking.done()


def test_what_a_wish_downloads_is_in_the_list_with_its_story(
    bob: Bob, soulmesh: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    bob.kept("wish", "add", "night ferry", "--filter", "flac", "--download", "once")
    into = bob.data.parent / "taken"
    monkeypatch.setenv("SOULMESH_DAEMON_DATA", str(bob.data))
    monkeypatch.setenv("SOULMESH_DOWNLOADS_FOLDER", str(into))
    code, printed = stopped(["wish", "run", *bob.login], when="night ferry: downloaded")
    assert (code, [line for line in printed if "rror" in line]) == (130, [])
    [row] = [json.loads(line) for line in soulmesh("transfers", "--all", "--json").out.splitlines()]
    assert (row["username"], row["state"]) == ("alice", "finished")
    assert Path(row["local_path"]).is_relative_to(into)
    assert "asked alice for it" in soulmesh("why", str(row["id"])).out
    assert [wish["state"] for wish in bob.kept("wish", "list")] == ["here"]


def test_wishes_are_left_to_the_soulmesh_that_runs(bob: Bob) -> None:
    async def beside() -> Outcome:
        journal = Journal(bob.data / "transfers.sqlite")
        await journal.open()
        try:
            return await asyncio.to_thread(bob, "wish", "run")
        finally:
            await journal.close()

    bob.data.mkdir(parents=True, exist_ok=True)
    done = asyncio.run(beside())
    assert (done.code, done.out) == (0, "")
    assert "another soulmesh of this account runs, and searches for the wishes" in done.err


def test_what_is_to_be_got_is_left_to_the_soulmesh_that_runs(bob: Bob) -> None:
    async def beside(*more: str) -> tuple[Outcome, list[dict[str, Any]]]:
        journal = Journal(bob.data / "transfers.sqlite")
        await journal.open()
        try:
            words = (
                "night ferry",
                "--format",
                "flac",
                "--priority",
                "3",
                "--into",
                "taken",
                "--patience",
                "2",
            )
            done = await asyncio.to_thread(bob, "get", *words, "--patience", "2", *more)
            return done, await journal.orders()
        finally:
            await journal.close()

    bob.data.mkdir(parents=True, exist_ok=True)
    done, orders = asyncio.run(beside())
    assert (done.code, done.out) == (0, "")
    assert "another soulmesh of this account runs and will get night ferry: `soulmesh transfers`" in done.err
    assert orders == [
        {
            "verb": "get",
            "name": "night ferry",
            "words": "night ferry",
            "listed": False,
            "album": False,
            "formats": ["flac"],
            "min_bitrate": 0,
            "best": False,
            "timeout": 10.0,
            "priority": 3,
            "again": False,
            "patience": 120.0,
            "into": str(Path("taken").absolute()),
        }
    ]
    shown, orders = asyncio.run(beside("--dry-run"))
    assert (shown.code, orders) == (1, [])
    assert "another soulmesh uses it" in shown.err


@pytest.mark.parametrize("command", [("watch",), ("room", "feed"), ("wish", "run")], ids=" ".join)
def test_what_stays_ends_with_its_session(town: Town, bob: Bob, command: tuple[str, ...]) -> None:
    assert bob("user", "privileges").code == 0

    async def listen() -> asyncio.Task[None]:
        came = town.alice.events.stream(UserStatusChanged)
        town.alice.users.watch("bob", "test")
        return asyncio.get_running_loop().create_task(take_over(came))

    async def take_over(came: EventStream[UserStatusChanged]) -> None:
        async for event in came:
            if isinstance(event, UserStatusChanged) and (event.username, event.status) == ("bob", 2):
                host, port = town.address.split(":")
                async with Client("bob", "secret", server=(host, int(port)), listen_port=0):
                    return

    taking = town.there(listen())
    done = bob(*command)
    assert (done.code, "error: logged in elsewhere with the same name" in done.err) == (4, True), done
    assert "use another name here" in done.err
    town.there(asyncio.wait_for(taking, 10))


def test_watch_says_of_whom_there_will_be_nothing_to_see(bob: Bob) -> None:
    done = bob("watch", "--for", "0.2", "--user", "alice", "--user", "nobody99")
    assert (done.code, "there is no user named nobody99" in done.err) == (0, True)
    assert "named alice" not in done.err


def test_watch_refuses_an_event_that_does_not_exist(bob: Bob) -> None:
    done = bob("watch", "--only", "Nonsense", "--for", "0")
    assert done.code == 2
    assert "Nonsense" in done.err


# -- Ctrl-C


@pytest.mark.parametrize(
    ("arguments", "when"),
    [
        (["watch"], "watching"),
        (["room", "talk", "quay"], "Ctrl-C leaves"),
        (["room", "feed"], "Ctrl-C leaves"),
        (["chat", "with", "alice"], "before that"),
        (["search", "harbour", "--user", "alice", "-t", "600", "--json"], "Harbour Lamps"),
        (["wish", "run"], "Ctrl-C leaves"),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else "",
)
def test_what_never_ends_is_left_with_ctrl_c_without_a_trace(
    town: Town, bob: Bob, tmp_path: Path, arguments: list[str], when: str
) -> None:
    if arguments[0] == "chat":
        bob("chat", "send", "alice", "before that")
    login = (
        bob.login
        if arguments[0] != "search"
        else [w for w in bob.login if w not in ("--data", str(bob.data))]
    )
    code, printed = stopped([*arguments, *login], when=when)
    assert code == 130
    assert not [line for line in printed if "Traceback" in line or "rror" in line]
    assert not list(tmp_path.rglob("browse-*")), "nothing temporary stays"
    # The server has been told: the name is free at once, and nobody is in the room.
    town.there(offline(town, "bob"))


async def offline(town: Town, name: str) -> None:
    while (await town.alice.users.look_up(name)).status:
        pass


def test_what_is_said_may_come_from_a_file_and_from_nowhere(town: Town, bob: Bob, tmp_path: Path) -> None:
    """An event loop cannot wait for a file."""
    town.there(town.alice.rooms.join("jetty"))
    (tmp_path / "lines").write_text("one\ntwo")
    for place, said in ((tmp_path / "lines", ["bob: one", "bob: two"]), (Path(os.devnull), [])):
        with place.open() as source:
            process = subprocess.run(
                [sys.executable, "-m", "soulmesh", "room", "talk", "jetty", *bob.login],
                stdin=source,
                capture_output=True,
                text=True,
                timeout=40,
                check=False,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )
        assert (process.returncode, process.stdout.splitlines()) == (0, said)


# -- filters


def test_filters_are_saved_used_and_tried_on_results_that_are_there(bob: Bob, tmp_path: Path) -> None:
    assert bob.local("filter", "save", "pictures", "type:png").code == 0
    assert bob.local("filter", "save", "two words", "x").code == 2
    wrong = bob.local("filter", "save", "broken", "size>5 (")
    assert (wrong.code, "never closed" in wrong.err) == (2, True)
    assert bob.local("filter", "list").out.split() == ["Name", "Filter", "pictures", "type:png"]
    search = ["search", *bob.login, "-t", "1.5", "harbour", "--json"]
    found = bob._soulmesh(*search)
    assert found.code == 0
    kept = bob._soulmesh(*search, "--filter", "@pictures")
    assert (kept.code, len(kept.out.splitlines())) == (0, 1)
    (tmp_path / "found.jsonl").write_text(found.out)
    tried = bob.local("filter", "try", "@pictures", str(tmp_path / "found.jsonl"))
    count = len(found.out.splitlines())
    assert f"1 of {count} results are kept" in tried.out
    assert f"{count - 1} held back by type:png" in tried.out
    rows = [
        json.loads(line)
        for line in bob.local(
            "filter", "try", "flac -ferry", str(tmp_path / "found.jsonl"), "--json"
        ).out.splitlines()
    ]
    assert [row["why_not"] for row in rows if "Ferry" in row["remote_path"]] == ["-ferry"]
    assert all(row["kept"] is (row["why_not"] is None) for row in rows)
    assert bob.local("filter", "try", "flac", str(tmp_path / "bob" / "people.json")).code == 2
    assert bob.local("filter", "remove", "pictures").code == 0
    assert bob.local("filter", "remove", "pictures").code == 3
    unknown = bob.local("filter", "try", "@pictures", str(tmp_path / "found.jsonl"))
    assert (unknown.code, "no filter is saved as 'pictures'" in unknown.err) == (2, True)
