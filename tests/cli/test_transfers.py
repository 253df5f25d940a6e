"""`soulmesh download` and its companions, as processes against a real server and a real peer."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from rich.console import Console

from soulmesh.cli import settings
from soulmesh.cli.following import NoRoom, StillWaiting, follow
from soulmesh.cli.orders import outcome
from soulmesh.cli.output import Output
from soulmesh.cli.session import open_client, running_server
from soulmesh.cli.transfers import OVER, _screen, row_of_record
from soulmesh.cli.wanted import Wanted, in_latin_1, wanted
from soulmesh.client.client import Client
from soulmesh.client.settings import ClientSettings
from soulmesh.client.transfers import (
    Journal,
    JournalInUse,
    NotPreferred,
    Record,
    TransferSettings,
    UnknownTransfer,
)
from soulmesh.client.transfers.orders import give_order
from soulmesh.core.transfer import State
from soulmesh.core.upload_queue import QueueRules
from soulmesh.errors import UsageError
from soulmesh.net.disk import NotAllowed, RealDisk
from soulmesh.net.world import World
from soulmesh.server.app import Server
from soulmesh.server.settings import make_settings
from soulmesh.wire import peer, raw
from tests.client.transfers.street import street, until
from tests.support.loops import real, virtual

SONG = bytes(range(256)) * 2000


@asynccontextmanager
async def network(tmp_path: Path, slots: int = 3) -> AsyncIterator[tuple[Server, Client]]:
    """A server, and eve who shares an album."""
    album = tmp_path / "Music" / "Bj\u00f6rk" / "Post"
    album.mkdir(parents=True)
    for number in (1, 2, 3):
        (album / f"0{number} Song.flac").write_bytes(SONG + bytes([number]))
    (album / "04 Other.mp3").write_bytes(SONG)
    (album / "Scans").mkdir()
    (album / "Scans" / "front.jpg").write_bytes(b"jpeg")
    (tmp_path / "server").mkdir()
    given = make_settings({"server.host": "127.0.0.1", "server.port": 0})
    async with Server(World.real(), given, data=tmp_path / "server") as server:
        eve = Client(
            "eve",
            "secret",
            server=("127.0.0.1", server.port),
            shares=[tmp_path / "Music"],
            listen_port=0,
            settings=ClientSettings(listen_host="127.0.0.1"),
            transfers=TransferSettings(downloads=tmp_path / "eve", queue=QueueRules(slots=slots)),
        )
        async with eve:
            yield server, eve
        # Sockets are closed in the loop's next turn.
        await asyncio.sleep(0.05)


async def soulmesh(tmp_path: Path, server: Server | None, *arguments: str) -> tuple[int, str, str]:
    config = tmp_path / "config.toml"
    port = server.port if server is not None else 1
    config.write_text(
        f'[account]\nusername = "ann"\npassword = "secret"\n'
        f'[network]\nserver = "127.0.0.1:{port}"\nlisten_port = 0\n'
        f'[daemon]\ndata = "{tmp_path}/data"\n[downloads]\nfolder = "{tmp_path}/downloads"\n'
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "soulmesh",
        *arguments,
        "--config",
        str(config),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, error = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), error.decode()


async def remote(eve: Client, name: str) -> str:
    found = await eve.shares.search(name, username="ann", limit=10)
    return found.results[0].filename


@pytest.mark.slow
@real
async def test_a_file_is_downloaded_and_listed_and_tells_its_story(tmp_path: Path) -> None:
    async with network(tmp_path) as (server, eve):
        path = await remote(eve, "01 Song")
        code, out, error = await soulmesh(tmp_path, server, "download", "eve", path, "--priority", "4")
        assert code == 0, error
        assert out.strip() == str(tmp_path / "downloads" / "Post" / "01 Song.flac")
        assert (tmp_path / "downloads" / "Post" / "01 Song.flac").read_bytes() == SONG + b"\x01"
        assert "100%" in error
        code, out, _ = await soulmesh(tmp_path, None, "transfers", "--all", "--json")
        assert code == 0
        [row] = [json.loads(line) for line in out.splitlines()]
        assert (row["state"], row["percent"], row["username"]) == ("finished", "100%", "eve")
        await journal_says(tmp_path / "data" / "transfers.sqlite", row["id"], 4)
        code, out, _ = await soulmesh(tmp_path, None, "why", str(row["id"]))
        assert "asked eve for it" in out
        assert out.splitlines()[-1] == "finished"


@real
async def test_a_folder_by_its_link_comes_with_what_is_below_it(tmp_path: Path) -> None:
    async with network(tmp_path) as (server, eve):
        folder = (await remote(eve, "01 Song")).rpartition("\\")[0]
        link = "slsk://eve/" + folder.replace("\\", "/").replace("\u00f6", "%C3%B6") + "/"
        code, _, error = await soulmesh(tmp_path, server, "download", link, "--whole")
        assert code == 0, error
        names = {p.name for p in (tmp_path / "downloads" / "Post").iterdir()}
        assert {"01 Song.flac", "02 Song.flac", "03 Song.flac"} <= names


@virtual
async def test_a_whole_folder_that_the_disk_refuses_to_move_says_so(tmp_path: Path) -> None:
    class Stubborn(RealDisk):
        """Lets no folder be moved."""

        async def rename_new(self, source: Path, target: Path) -> None:
            if source.name.startswith("batch-"):
                raise NotAllowed(target, "read-only file system")
            await super().rename_new(source, target)

    async with street(tmp_path) as there:
        there.disk = Stubborn()
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        path = eve.share(r"Music\Album\1.flac", SONG)
        batch = await ann.transfers.batches.make([("eve", path, len(SONG))], name="Album", whole=True)
        chosen = ann.transfers.batches.transfers(batch)
        said, errors = io.StringIO(), io.StringIO()
        out = Output(stdout=said, stderr=errors)
        await follow(out, cast(Client, ann), chosen, wait=True)
        told = " ".join(errors.getvalue().split())
        assert f"could not be moved to {batch.destination}: not allowed to use" in told
        assert told.endswith("that is tried again while soulmesh runs")
        assert said.getvalue().split()[-1] == str(chosen[0].local_path)


@virtual
async def test_where_the_files_of_a_whole_folder_are_is_told_when_it_is_moved(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), await there.move_in("eve")
        eve.share(r"Music\Album\1.flac", SONG)
        wanted_files: list[tuple[str, str, int | None]] = [("eve", r"Music\Album\1.flac", len(SONG))]
        batches = ann.transfers.batches
        batch = await batches.make(wanted_files, name="Album", whole=True)
        said = io.StringIO()
        out = Output(json=True, stdout=said)
        await follow(out, cast(Client, ann), batches.transfers(batch), wait=True)
        [row] = [json.loads(line) for line in said.getvalue().splitlines()]
        assert (row["state"], row["local_path"]) == ("finished", str(ann.downloads / "Album" / "1.flac"))


@virtual
async def test_a_file_behind_running_ones_is_waited_for_until_there_is_no_room_for_it_at_all(
    tmp_path: Path,
) -> None:
    class Small(RealDisk):
        free = 12 << 30

        async def free_space(self, path: Path) -> int:
            return self.free

    async with street(tmp_path) as there:
        there.disk = disk = Small()
        ann, eve, bob = await there.move_in("ann"), there.stranger("eve"), there.stranger("bob")
        client = cast(Client, ann)
        size = 10 << 30
        first = await ann.transfers.download("bob", "first", size)
        second = await ann.transfers.download("eve", "second", size)
        shown = io.StringIO()
        following = asyncio.ensure_future(
            follow(Output(stdout=io.StringIO(), stderr=shown), client, [second], wait=False)
        )
        await bob.hears(peer.PeerTransferQueue)
        await bob.say("ann", peer.PeerTransferRequest(1, 1, "first", size))
        assert (await bob.hears(peer.PeerTransferReply)).allowed
        await eve.hears(peer.PeerTransferQueue)
        await eve.say("ann", peer.PeerTransferRequest(1, 1, "second", size))
        await until(second, State.NO_ROOM)
        await asyncio.sleep(1)
        assert not following.done()
        assert "is needed by downloads that are running" in " ".join(shown.getvalue().split())
        await ann.transfers.cancel(first.id)
        disk.free = 2 << 30
        with pytest.raises(NoRoom, match=r"has no 10\.0 GiB for it"):
            await following


@virtual
async def test_of_several_files_one_that_waits_long_is_told_while_the_others_come(tmp_path: Path) -> None:
    async with street(tmp_path) as there:
        ann, eve = await there.move_in("ann"), there.stranger("eve")
        client = cast(Client, ann)
        chosen = [await ann.transfers.download(user, "a") for user in ("nobody", "eve")]
        shown = io.StringIO()
        following = asyncio.ensure_future(
            follow(Output(stdout=io.StringIO(), stderr=shown), client, chosen, wait=False)
        )
        await eve.hears(peer.PeerTransferQueue)
        await asyncio.sleep(5)
        assert not following.done()
        assert "a: there is no user nobody; asked again" in " ".join(shown.getvalue().split())
        await ann.transfers.cancel(chosen[1].id)
        with pytest.raises(StillWaiting):
            await following


@real
async def test_what_is_not_shared_is_one_line_and_an_exit_code(tmp_path: Path) -> None:
    async with network(tmp_path) as (server, _):
        code, out, error = await soulmesh(tmp_path, server, "download", "eve", r"no\such.flac")
        assert (code, out) == (4, "")
        said, hint = error.splitlines()[-2:]
        assert said == "error: such.flac from eve: File not shared."
        assert hint == "hint: it may be gone, or have another name now: search again, or browse the user"
        assert "Traceback" not in error


@real
async def test_who_is_offline_is_not_waited_for_unless_asked(tmp_path: Path) -> None:
    async with network(tmp_path) as (server, _):
        address = ("127.0.0.1", server.port)
        listening = ClientSettings(listen_host="127.0.0.1")
        async with Client("zoe", "secret", server=address, listen_port=0, settings=listening):
            pass
        code, _, error = await soulmesh(tmp_path, server, "download", "zoe", r"a\b.flac")
        assert code == 5
        assert "zoe is offline" in error
        code, _, error = await soulmesh(tmp_path, server, "download", "nobody", r"a\b.flac")
        assert code == 5
        assert "there is no user nobody" in error


@real
async def test_transfers_are_changed_in_the_journal_when_nobody_runs(tmp_path: Path) -> None:
    path = tmp_path / "data" / "transfers.sqlite"
    journal = Journal(path)
    await journal.open()
    number = journal.next_id()
    journal.put(waiting(number))
    await journal.close()
    now = World.real().wall_clock()
    for verb, state in (
        ("pause", "paused"),
        ("resume", "pending"),
        ("cancel", "cancelled"),
        ("pause", "cancelled"),
        ("retry", "pending"),
    ):
        assert await give_order(path, {"verb": verb, "id": number}, now)
        await journal.open()
        record = await journal.get(number)
        await journal.close()
        assert record is not None
        assert record.state.value == state
    with pytest.raises(UnknownTransfer, match="there is no transfer 99"):
        await give_order(path, {"verb": "pause", "id": 99}, now)
    with pytest.raises(UsageError, match="needs a running client"):
        await give_order(path, {"verb": "download", "username": "eve", "path": ""}, now)


@pytest.mark.parametrize(
    ("verb", "state", "said"),
    [
        ("pause", "running", "paused"),
        ("pause", "paused", None),
        ("pause", "finished", None),
        ("resume", "paused", "goes on"),
        ("resume", "running", None),
        ("retry", "failed", "tried again"),
        ("retry", "cancelled", "tried again"),
        ("retry", "running", None),
        ("retry", "queued", None),
        ("cancel", "failed", "cancelled"),
        ("cancel", "draining", "cancelled"),
        ("cancel", "finished", None),
    ],
)
def test_an_order_says_what_it_does_to_a_transfer_in_each_state(
    verb: str, state: str, said: str | None
) -> None:
    assert outcome(verb, state) == said


@real
async def test_orders_say_what_they_did_and_why_there_was_nothing_to_do(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "data" / "transfers.sqlite")
    await journal.open()
    journal.put(waiting(1))
    journal.put(replace(waiting(2), uuid="v", state=State.FINISHED, local_path="/music/b"))
    await journal.close()
    assert await soulmesh(tmp_path, None, "pause", "1", "2") == (
        0,
        "1: paused\n2: finished, there is nothing to pause\n",
        "",
    )
    assert (await soulmesh(tmp_path, None, "resume", "1"))[1] == "1: goes on when soulmesh runs\n"
    code, out, error = await soulmesh(tmp_path, None, "retry", "2")
    assert (code, out) == (2, "")
    assert "b is finished, there is nothing to try again: /music/b" in error
    assert "download it again if you want it anew" in error
    assert "there is no transfer 9" in (await soulmesh(tmp_path, None, "cancel", "9"))[2]


@real
async def test_a_priority_is_set_without_a_client_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "data" / "transfers.sqlite"
    journal = Journal(path)
    await journal.open()
    journal.put(waiting(1))
    journal.put(replace(waiting(2), uuid="up", direction="upload"))
    await journal.close()
    assert await soulmesh(tmp_path, None, "prefer", "1", "--priority", "5") == (0, "1: priority 5\n", "")
    await journal_says(path, 1, 5)
    now = World.real().wall_clock()
    with pytest.raises(NotPreferred, match="is an upload: its turn comes by the rules of the queue"):
        await give_order(path, {"verb": "priority", "id": 2, "priority": 1}, now)
    with pytest.raises(UnknownTransfer):
        await give_order(path, {"verb": "priority", "id": 9, "priority": 1}, now)
    assert (await soulmesh(tmp_path, None, "prefer", "1", "--priority", "2000"))[0] == 2


async def journal_says(path: Path, number: int, priority: int) -> None:
    journal = Journal(path, reading=True)
    await journal.open()
    record = await journal.get(number)
    await journal.close()
    assert record is not None
    assert record.priority == priority
    shown = row_of_record(replace(record, state=State.QUEUED)), row_of_record(record)
    assert [row["priority"] for row in shown] == [priority, None if record.state in OVER else priority]


@real
async def test_options_of_uploads_before_its_commands_are_not_lost_in_silence(tmp_path: Path) -> None:
    for option in (("--json",), ("--daemon", "http://127.0.0.1:1"), ("--all",)):
        code, _, error = await soulmesh(tmp_path, None, "uploads", *option, "push", "eve", "x")
        assert code == 2
        assert "options stand after the command: soulmesh uploads push ..." in error


def waiting(number: int) -> Record:
    return Record(
        number, "u", "download", "eve", r"a\b", 9, State.OFFLINE, "off", 1, None, 0, "", 1.0, None, None, 0.0
    )


@pytest.mark.slow
@real
async def test_a_running_client_follows_orders_from_other_processes(tmp_path: Path) -> None:
    async with network(tmp_path) as (server, eve):
        path = await remote(eve, "01 Song")
        ann = Client(
            "ann",
            "secret",
            server=("127.0.0.1", server.port),
            downloads=tmp_path / "downloads",
            listen_port=0,
            settings=ClientSettings(listen_host="127.0.0.1"),
            data=tmp_path / "data",
        )
        async with ann:
            transfer = await ann.transfers.download("nobody", "x")
            code, out, error = await soulmesh(tmp_path, server, "pause", str(transfer.id))
            assert code == 0, error
            assert "told the soulmesh that runs" in out
            code, _, error = await soulmesh(tmp_path, server, "download", "eve", path)
            assert code == 0, error
            await asyncio.sleep(1.5)
            found = ann.transfers.find("download", "eve", path)
            assert found is not None
            await found.wait()
            assert transfer.state.value == "paused"


@pytest.mark.slow
@real
async def test_what_is_left_to_another_soulmesh_ends_where_it_was_wanted(tmp_path: Path) -> None:
    async with network(tmp_path) as (server, eve):
        path = await remote(eve, "01 Song")
        given = settings.load(
            {
                "account.username": "ann",
                "account.password": "secret",
                "network.server": f"127.0.0.1:{server.port}",
                "network.listen_port": 0,
                "daemon.data": tmp_path / "data",
                "downloads.folder": tmp_path / "downloads",
            }
        )
        async with open_client(given, shares=[]) as ann:
            code, _, error = await soulmesh(tmp_path, server, "download", "eve", path, "-s", "127.0.0.1:9")
            assert code == 2
            assert f"is logged in at 127.0.0.1:{server.port}, not at 127.0.0.1:9" in error
            elsewhere = ("--into", str(tmp_path / "else"), "--priority", "8")
            code, _, error = await soulmesh(tmp_path, server, "download", "eve", path, *elsewhere)
            assert code == 0, error
            assert "another soulmesh of this account runs" in error
            assert "`soulmesh transfers`" in error
            await asyncio.sleep(1.5)
            found = ann.transfers.find("download", "eve", path)
            assert found is not None
            await found.wait()
            assert found.local_path == tmp_path / "else" / "Post" / "01 Song.flac"
            folder = path.rpartition("\\")[0]
            code, _, error = await soulmesh(
                tmp_path, server, "download", "--folder", "eve", folder, *elsewhere
            )
            assert code == 0, error
            await asyncio.sleep(1.5)
            [batch] = ann.transfers.batches
            assert batch.destination == str(tmp_path / "else" / "Post")
            assert [one.priority for one in ann.transfers] == [8] * len(ann.transfers)
        assert running_server(given) is None


@real
async def test_a_name_in_latin_1_is_found_by_what_the_screen_shows(tmp_path: Path) -> None:
    folder = tmp_path / "Music" / "latin"
    folder.mkdir(parents=True)
    (folder / os.fsdecode(b"caf\xe9 noir.txt")).write_bytes(b"coffee")
    async with network(tmp_path) as (server, _):
        code, out, error = await soulmesh(
            tmp_path, server, "download", "eve", "Music\\latin\\caf\u00e9 noir.txt"
        )
        assert code == 0, error
        assert out.strip().endswith("noir.txt")
        assert [file.read_bytes() for file in (tmp_path / "downloads").rglob("*noir.txt")] == [b"coffee"]
        elsewhere = ("--into", str(tmp_path / "found"), "--timeout", "2")
        code, out, error = await soulmesh(tmp_path, server, "search", "noir", "--get", *elsewhere)
        assert code == 0, error
        assert [file.read_bytes() for file in (tmp_path / "found").rglob("*noir.txt")] == [b"coffee"]


def test_bytes_that_are_no_utf8_are_asked_for_as_they_were_typed() -> None:
    """The system hands them to us as lone surrogates."""
    [file, folder] = wanted(
        "eve", [os.fsdecode(b"Mix\\caf\xe9.txt"), os.fsdecode(b"caf\xe9\\")], folder=False
    )
    assert (raw(file.path), file.path, file.folder) == (b"Mix\\caf\xe9.txt", "Mix\\caf\u00e9.txt", False)
    assert (raw(folder.path), folder.folder) == (b"caf\xe9", True)


def test_only_names_that_can_be_latin_1_are_asked_for_again() -> None:
    again = in_latin_1("caf\u00e9")
    assert again is not None
    assert raw(again) == b"caf\xe9"
    for name in ("plain", "\u4e2d", "\u00c3\u00a9", again):
        assert in_latin_1(name) is None


@real
async def test_a_folder_that_cannot_be_written_is_one_line_and_another_one_does(tmp_path: Path) -> None:
    async with network(tmp_path) as (server, eve):
        path = await remote(eve, "01 Song")
        (tmp_path / "downloads").write_bytes(b"no folder")
        for extra in ((), ("--wait",)):
            code, out, error = await soulmesh(tmp_path, server, "download", "eve", path, *extra)
            assert (code, out) == (1, "")
            assert error.splitlines()[-1] == (
                f"error: cannot write to {tmp_path}/downloads: not a directory:"
                " choose another folder with --into"
            )
            assert error.count("not a directory") == 1
        code, out, error = await soulmesh(
            tmp_path, server, "download", "eve", path, "--into", str(tmp_path / "new")
        )
        assert code == 0, error
        assert out.strip() == str(tmp_path / "new" / "Post" / "01 Song.flac")


@real
async def test_after_a_full_disk_the_wish_takes_another_place(tmp_path: Path) -> None:
    path = tmp_path / "data" / "transfers.sqlite"
    async with network(tmp_path) as (server, eve):
        name = await remote(eve, "01 Song")
        journal = Journal(path)
        await journal.open()
        stuck = replace(
            waiting(journal.next_id()),
            remote_path=name,
            state=State.NO_ROOM,
            more={"downloads": str(tmp_path / "full")},
        )
        journal.put(stuck)
        await journal.close()
        code, out, error = await soulmesh(
            tmp_path, server, "download", "eve", name, "--into", str(tmp_path / "new")
        )
        assert code == 0, error
        assert out.strip() == str(tmp_path / "new" / "Post" / "01 Song.flac")
        assert not (tmp_path / "full").exists()


@real
async def test_the_journal_of_a_client_can_be_used_by_one_program_only(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "data" / "transfers.sqlite")
    await journal.open()
    code, out, _ = await soulmesh(tmp_path, None, "transfers")
    assert (code, out) == (0, "")
    with pytest.raises(JournalInUse):
        await Journal(tmp_path / "data" / "transfers.sqlite").open()
    await journal.close()


@pytest.mark.slow
@real
async def test_get_finds_chooses_and_fetches(tmp_path: Path) -> None:
    async with network(tmp_path) as (server, _):
        wish = ("get", "04 other", "--timeout", "1", "--format", "flac,mp3", "--priority", "3", "--json")
        code, out, error = await soulmesh(tmp_path, server, *wish)
        assert code == 0, error
        got = json.loads(out)
        assert (got["state"], got["username"]) == ("finished", "eve")
        song = Path(got["files"][0])
        song.unlink()  # noqa: ASYNC240
        code, out, error = await soulmesh(tmp_path, server, *wish[:-1])
        assert (out.strip(), "its files are gone" in error) == (str(song), True)


@pytest.mark.slow
@real
async def test_a_broken_file_is_not_kept_and_what_is_not_there_is_not_found(tmp_path: Path) -> None:
    async with network(tmp_path) as (server, _):
        code, _, error = await soulmesh(tmp_path, server, "get", "01 song", "--timeout", "1")
        assert code == 3
        assert "does not begin like a FLAC file" in error
        code, _, error = await soulmesh(tmp_path, server, "get", "no such thing", "--timeout", "1")
        assert code == 3
        assert "nothing found" in error


@pytest.mark.parametrize(
    ("arguments", "found"),
    [
        (["eve", r"a\b.mp3"], Wanted("eve", r"a\b.mp3")),
        (["eve", "a\\b\\"], Wanted("eve", r"a\b", True)),
        (["slsk://eve/a/b.mp3"], Wanted("eve", r"a\b.mp3")),
        (["slsk://e%20v/a/%C3%A9/"], Wanted("e v", r"a\é", True)),
    ],
)
def test_what_can_be_asked_for(arguments: list[str], found: Wanted) -> None:
    assert wanted(arguments[0], arguments[1:], folder=False) == [found]


@pytest.mark.parametrize("arguments", [["eve"], ["slsk://eve"], ["slsk://eve/"], ["slsk:///x"]])
def test_what_cannot_be_asked_for(arguments: list[str]) -> None:
    with pytest.raises(UsageError):
        wanted(arguments[0], arguments[1:], folder=False)


def test_the_live_table_shows_what_moves_first_and_how_it_goes_in_all() -> None:
    def row(number: int, state: str, **more: object) -> dict[str, object]:
        name = f"千のナイフ [{number}].flac"
        return {
            "id": number,
            "username": "eve",
            "name": name,
            "state": state,
            "size": 1 << 20,
            "done": 0,
            **more,
        }

    stream = io.StringIO()
    console = Console(file=stream, width=80, height=9, force_terminal=True, color_system=None)
    rows = [row(number, "pending") for number in range(1, 9)]
    rows[6] = row(7, "queued", place=37)
    rows[7] = row(8, "running", speed=512 << 10, done=1 << 19, left=1.0, percent="50%")
    console.print(_screen(Output(console=console), rows, "download"))
    lines = stream.getvalue().splitlines()
    assert lines[0].split() == ["No.", "User", "File", "State", "Done", "Size", "Speed", "Left", "Place"]
    assert [line.split()[0] for line in lines[1:6]] == ["8", "7", "1", "2", "3"]
    assert "千のナイフ [8].flac" in lines[1]
    assert lines[2].rstrip().endswith("37")
    assert lines[6:] == ["  … and 3 more", "1 running, 7 waiting; 512.0 KiB/s; 7.5 MiB to come, 0:15"]
    assert len(lines) < console.height
    stream.truncate(0)
    console.print(_screen(Output(console=console), [], "upload"))
    assert "no uploads are under way" in stream.getvalue()
