"""``soulmesh wire``: the catalogue as it is printed, and captured bytes made readable."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from soulmesh import wire
from soulmesh.cli import run
from soulmesh.cli.app import app
from soulmesh.cli.dissect import dissect
from soulmesh.cli.output import Output
from soulmesh.wire import distributed, file, peer, peer_init, to_client, to_server
from soulmesh.wire.structs import Attribute, DirectoryData, FileData
from tests.cli.conftest import Command
from tests.support import vectors

CHAT = wire.encode(to_client.RoomChatMessage("lobby", "alice", "hi there"))
QUEUE = wire.encode(peer.PeerTransferQueue("Music\\a.mp3"))


def records(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


# -- wire list -----------------------------------------------------------------


def test_the_list_has_one_line_per_message_and_direction(soulmesh: Command) -> None:
    done = soulmesh("wire", "list")
    lines = done.out.splitlines()
    assert done.code == 0
    assert len(lines) == 192
    assert lines[0].split()[:5] == ["server", "to_server", "1", "Login", "used"]
    assert all(line == line.rstrip() for line in lines)


def test_the_list_can_be_one_family(soulmesh: Command) -> None:
    lines = soulmesh("wire", "list", "--family", "file").out.splitlines()
    assert [line.split() for line in lines] == [
        ["file", "to_downloader", "-", "FileTicket", "used", "ticket"],
        ["file", "to_uploader", "-", "FileTicket", "deprecated", "ticket"],
        ["file", "to_uploader", "-", "FileOffset", "used", "offset"],
    ]
    assert len(soulmesh("wire", "list", "--direction", "to_client").out.splitlines()) == 77


def test_the_list_for_machines_tells_fields_types_and_conditions(soulmesh: Command) -> None:
    listed = records(soulmesh("wire", "list", "--json").out)
    assert len(listed) == 192
    (reply,) = (m for m in listed if m["message"] == "PeerTransferReply")
    assert (reply["code"], reply["status"], reply["compressed"]) == (41, "used", False)
    assert reply["fields"] == [
        {"name": "ticket", "type": "u32", "when": None},
        {"name": "allowed", "type": "bool", "when": None},
        {"name": "filesize", "type": "u64", "when": "allowed and remaining"},
        {"name": "reason", "type": "string", "when": "not allowed and remaining"},
    ]
    assert reply["description"].startswith("Answer to")


def test_on_a_terminal_the_list_is_a_table(soulmesh: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100, color_system=None)
    monkeypatch.setattr(run, "output", lambda *, json=False: Output(json=json, console=console))
    assert soulmesh("wire", "list", "--family", "peer_init").code == 0
    head, *rows = screen.getvalue().splitlines()
    assert head.split() == ["family", "direction", "code", "name", "status", "fields"]
    assert [row.split()[3] for row in rows] == ["PeerPierceFirewall", "PeerInit"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--family", "telnet"], "no family 'telnet'; known: server, peer_init, peer, distributed, file"),
        (
            ["--family", "peer", "--direction", "to_server"],
            "no message travels 'to_server' on peer connections",
        ),
        (["--direction", "up"], "no message travels 'up'"),
    ],
)
def test_a_list_of_nothing_says_why(soulmesh: Command, arguments: list[str], words: str) -> None:
    done = soulmesh("wire", "list", *arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.splitlines()[0] == f"error: {words}"


# -- wire decode ----------------------------------------------------------------


def test_a_frame_is_shown_field_by_field(soulmesh: Command) -> None:
    done = soulmesh("wire", "decode", CHAT.hex(), "--family", "server", "--direction", "to_client")
    assert done.code == 0
    assert done.err == ""
    assert done.out.splitlines() == [
        "000000  server/to_client  RoomChatMessage (13), 38 bytes",
        "        room      lobby",
        "        username  alice",
        "        message   hi there",
    ]


@pytest.mark.parametrize(
    "spelling",
    [
        [QUEUE.hex(" ")],
        [QUEUE.hex(":").upper()],
        ["0x" + QUEUE.hex()],
        QUEUE.hex(" ").split(),
        QUEUE.hex(" ", 4).split(),
        [QUEUE.hex(" ", 4).replace(" ", "\n")],
    ],
    ids=["spaces", "colons", "0x", "arguments", "words", "lines"],
)
def test_digits_may_be_written_in_many_ways(soulmesh: Command, spelling: list[str]) -> None:
    done = soulmesh("wire", "decode", *spelling, "--family", "peer")
    assert done.code == 0
    assert "filename  Music\\a.mp3" in done.out


def test_a_file_holds_bytes_or_digits(soulmesh: Command, tmp_path: Path) -> None:
    raw, digits = tmp_path / "capture.bin", tmp_path / "capture.txt"
    raw.write_bytes(QUEUE + QUEUE)
    digits.write_text(QUEUE.hex(" ", 4) + "\n" + QUEUE.hex() + "\n")
    first = soulmesh("wire", "decode", str(raw), "--family", "peer", "--direction", "peer")
    second = soulmesh("wire", "decode", str(digits), "--family", "peer", "--direction", "peer")
    assert first == second
    assert first.out.count("PeerTransferQueue (43)") == 2
    assert "000017  peer/peer" in first.out


def test_a_pipe_is_as_good_as_a_file(soulmesh: Command) -> None:
    reading, writing = os.pipe()
    os.write(writing, bytes.fromhex("0f0000000e00000007000000616d6269656e74"))
    os.close(writing)
    try:
        done = soulmesh("wire", "decode", f"/dev/fd/{reading}")
    finally:
        os.close(reading)
    assert done.code == 0, done.err
    assert "JoinRoom" in done.out
    assert "neither" in soulmesh("wire", "decode", "/").err


def test_standard_input_is_read_for_a_dash(soulmesh: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(QUEUE)))
    done = soulmesh("wire", "decode", "-", "--family", "peer")
    assert "filename  Music\\a.mp3" in done.out


def test_a_guess_says_that_it_is_one_and_what_else_would_fit(soulmesh: Command) -> None:
    done = soulmesh("wire", "decode", wire.encode(to_server.LeaveRoom("lobby")).hex())
    assert done.code == 0
    assert "LeaveRoom (15)" in done.out
    assert done.err == (
        "read as server/to_server, which is a guess; server/to_client would fit as well: "
        "--family and --direction decide\n"
    )
    (record,) = records(soulmesh("wire", "decode", "--json", CHAT.hex()).out)
    assert (record["family"], record["direction"], record["guessed"]) == ("server", "to_client", True)


def test_records_for_machines_hold_everything(soulmesh: Command) -> None:
    message = peer.PeerPrivateMessage(bytes(500))
    done = soulmesh(
        "wire", "decode", "--json", "--family", "peer", "--direction", "peer", wire.encode(message).hex()
    )
    assert records(done.out) == [
        {
            "offset": 0,
            "size": 508,
            "family": "peer",
            "direction": "peer",
            "guessed": False,
            "code": 1,
            "message": "PeerPrivateMessage",
            "fields": {"payload": "00" * 500},
        }
    ]
    assert done.err == ""


def test_long_values_are_cut_for_people_unless_they_want_them_whole(soulmesh: Command) -> None:
    files = [FileData(1, f"{n}.mp3", n, "", [Attribute(0, 320), Attribute(9, 1)]) for n in range(30)]
    listing = peer.PeerDirectoryContentsReply(1, "x" * 500, [DirectoryData("x", files)])
    data = [wire.encode(m).hex() for m in (listing, peer.PeerPrivateMessage(bytes(100)))]
    cut = soulmesh("wire", "decode", "".join(data), "--family", "peer")
    assert f"{'x' * 160}… (500 characters)" in cut.out
    assert "… and 22 more" in cut.out
    assert "… (100 bytes)" in cut.out
    assert "attributes bitrate 320, 9 1" in cut.out
    assert len(cut.out) < 2000
    whole = soulmesh("wire", "decode", "--full", "".join(data), "--family", "peer")
    assert "x" * 500 in whole.out
    assert "29.mp3" in whole.out
    assert "…" not in whole.out


def test_lists_are_counted_and_empty_ones_say_so(soulmesh: Command) -> None:
    frames = [
        wire.encode(to_client.PrivilegedUsers([f"user {n}" for n in range(11)])),
        wire.encode(to_client.PrivilegedUsers([])),
    ]
    lines = soulmesh("wire", "decode", b"".join(frames).hex(), "--direction", "to_client").out.splitlines()
    assert lines[1] == "        users  11:"
    assert lines[2] == "          - user 0"
    assert lines[10] == "          … and 3 more"
    assert lines[-1] == "        users  none"
    empty = soulmesh("wire", "decode", wire.encode(peer.PeerPrivateMessage(b"")).hex(), "--family", "peer")
    assert empty.out.splitlines()[1] == "        payload  no bytes"


def test_numbers_with_a_meaning_say_it(soulmesh: Command) -> None:
    frames = [
        wire.encode(to_client.GetUserStatus("eve", 1, False)),
        wire.encode(to_client.PrivateChatMessage(7, 1_700_000_000, "eve", "", True)),
        wire.encode(to_client.GetUserStatus("eve", 9)),
    ]
    out = soulmesh("wire", "decode", b"".join(frames).hex(), "--direction", "to_client").out
    assert "status      1 (away)" in out
    assert "privileged  no" in out
    assert "timestamp  1700000000 (2023-11-14 22:13:20 UTC)" in out
    assert "message    (empty)" in out
    assert "status    9 (unknown)" in out


def test_names_from_strangers_cannot_steer_the_terminal(soulmesh: Command) -> None:
    nasty = wire.encode(to_client.RoomChatMessage("lobby", "eve", "\x1b[2J\n\u202egpj.exe"))
    out = soulmesh("wire", "decode", nasty.hex(), "--family", "server").out
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "\\x1b[2J\\n\\u202egpj.exe" in out


def test_what_follows_the_first_message_is_read_as_what_it_opens(soulmesh: Command) -> None:
    init = wire.encode(peer_init.PeerInit("eve", "P", 0))
    out = soulmesh("wire", "decode", (init + QUEUE).hex()).out
    assert "000000  peer_init/peer  PeerInit (1)" in out
    assert "connection_type  P (peer)" in out
    assert "000015  peer/peer  PeerTransferQueue (43)" in out
    init = wire.encode(peer_init.PeerInit("eve", "D", 0))
    level = wire.encode(distributed.DistributedBranchLevel(2))
    out = soulmesh("wire", "decode", (init + level).hex(), "--family", "peer_init").out
    assert "distributed/peer  DistributedBranchLevel (4)" in out


def test_a_file_connection_is_a_ticket_and_a_file(soulmesh: Command) -> None:
    data = wire.encode(peer_init.PeerInit("eve", "F", 0)) + wire.encode(file.FileTicket(5)) + bytes(20_000)
    out = soulmesh("wire", "decode", data.hex(), "--family", "peer_init").out
    assert "file/to_downloader  FileTicket, 4 bytes" in out
    assert out.splitlines()[-1].endswith("file/to_downloader  contents of a file, 19.5 KiB")
    both = wire.encode(file.LegacyFileTicket(5)) + wire.encode(file.FileOffset(1000))
    out = soulmesh("wire", "decode", both.hex(), "--family", "file", "--direction", "to_uploader").out
    assert "FileTicket" in out
    assert "offset  1000" in out


def test_a_file_connection_cut_short_is_an_error(soulmesh: Command) -> None:
    done = soulmesh("wire", "decode", "010203", "--family", "file", "--direction", "to_downloader")
    assert done.code == 1
    assert "! FileTicket: 4 bytes are needed, 3 are there" in done.out


@pytest.mark.parametrize("ticket", [1, 2**31])
def test_what_a_pierced_firewall_opens_is_guessed(soulmesh: Command, ticket: int) -> None:
    pierce = wire.encode(peer_init.PeerPierceFirewall(ticket))
    for follows, label in (
        (QUEUE, "peer/peer  PeerTransferQueue"),
        (wire.encode(distributed.DistributedBranchRoot("eve")), "distributed/peer  DistributedBranchRoot"),
        (b"\x05\0\0\0" + b"RIFF" * 50, "file/to_downloader  FileTicket"),
    ):
        assert label in soulmesh("wire", "decode", (pierce + follows).hex(), "--family", "peer_init").out


def test_an_obfuscated_stream_is_read(soulmesh: Command) -> None:
    init = wire.encode(peer_init.PeerInit("eve", "P", 0))
    hidden = wire.obfuscate(init, b"abcd") + wire.obfuscate(QUEUE, b"\x14\x94\xee\x4a")
    told = soulmesh("wire", "decode", hidden.hex(), "--obfuscated", "--family", "peer_init")
    assert told.code == 0
    assert "PeerTransferQueue (43)" in told.out
    guessed = soulmesh("wire", "decode", hidden.hex())
    assert guessed.out == told.out
    assert guessed.err.startswith("read as peer_init/peer, obfuscated, which is a guess")


def test_an_unknown_message_is_shown_as_bytes(soulmesh: Command) -> None:
    done = soulmesh(
        "wire", "decode", "060000000f27000001 02", "--family", "server", "--direction", "to_client"
    )
    assert done.code == 0
    assert done.out.splitlines() == [
        "000000  server/to_client  unknown 9999, 10 bytes",
        "        payload  01 02",
    ]


def test_an_unknown_message_has_no_name_for_machines(soulmesh: Command) -> None:
    (record,) = records(
        soulmesh("wire", "decode", "--json", "060000000f2700000102", "--direction", "to_client").out
    )
    assert (record["code"], record["message"]) == (9999, None)
    assert record["fields"] == {"code": 9999, "payload": "0102"}


# -- wire encode --------------------------------------------------------------------


def test_a_message_is_written_from_its_fields(soulmesh: Command) -> None:
    done = soulmesh("wire", "encode", "server", "to_server", "JoinRoom", '{"room": "ambient"}')
    assert (done.code, done.out) == (0, wire.encode(to_server.JoinRoom("ambient")).hex() + "\n")
    assert soulmesh("wire", "encode", "server", "to_server", "Ping").out == "0400000020000000\n"


def test_what_was_decoded_can_be_encoded(soulmesh: Command) -> None:
    (record,) = records(soulmesh("wire", "decode", "--json", CHAT.hex(), "--direction", "to_client").out)
    place = record["family"], record["direction"], record["message"]
    done = soulmesh("wire", "encode", *place, json.dumps(record["fields"]))
    assert done.out.strip() == CHAT.hex()


def test_bytes_can_be_had_as_they_are(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run.invoke(app, ["wire", "encode", "server", "to_server", "Ping", "--raw"]) == 0
    assert capfdbinary.readouterr().out == b"\4\0\0\0\x20\0\0\0"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["server", "to_server", "Logout"], "no message 'Logout'"),
        (["server", "up", "Ping"], "'up'"),
        (["server", "to_server", "SetStatus", "{"], "the fields are no JSON"),
        (["server", "to_server", "SetStatus", "[]"], "an object with fields is needed"),
        (["server", "to_server", "SetStatus", '{"status": -1}'], "SetStatus.status: -1"),
        (["server", "to_server", "SetStatus"], "SetStatus.status: a value is needed"),
    ],
)
def test_a_message_that_cannot_be_written_says_why(
    soulmesh: Command, arguments: list[str], words: str
) -> None:
    done = soulmesh("wire", "encode", *arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err.splitlines()[0]


# -- what cannot be read ------------------------------------------------------------


def test_a_bad_message_is_shown_in_its_place_and_decides_the_exit_code(soulmesh: Command) -> None:
    bad = wire.frame_header(4, 13, 4) + b"\xff\xff\xff\xff"
    done = soulmesh("wire", "decode", (CHAT + bad + CHAT).hex(), "--direction", "to_client")
    assert done.code == 1
    assert done.out.count("hi there") == 2
    assert "! RoomChatMessage.room at byte 4: needs 4294967295 bytes, 0 are left" in done.out
    assert done.err.splitlines()[-1] == (
        "error: RoomChatMessage.room at byte 4: needs 4294967295 bytes, 0 are left"
    )
    many = soulmesh("wire", "decode", (bad + CHAT + bad).hex(), "--direction", "to_client")
    assert many.code == 1
    assert many.err.splitlines()[-1] == "error: 2 of 3 messages could not be read"


def test_a_bad_message_has_a_record_too(soulmesh: Command) -> None:
    bad = wire.frame_header(4, 13, 4) + b"\xff\xff\xff\xff"
    done = soulmesh("wire", "decode", bad.hex(), "--direction", "to_client", "--json")
    assert done.code == 1
    (record,) = records(done.out)
    assert record["error"]["field"] == "room"
    assert "fields" not in record


def test_a_message_to_be_refused_is_shown_with_the_reason(soulmesh: Command) -> None:
    done = soulmesh("wire", "decode", wire.encode(peer_init.PeerInit("eve", "X", 0)).hex())
    assert done.code == 1
    assert "username         eve" in done.out
    assert "! PeerInit.connection_type" in done.out


def test_a_stream_that_ends_inside_a_frame_shows_what_came_before(soulmesh: Command) -> None:
    done = soulmesh("wire", "decode", (CHAT + CHAT[:20]).hex(), "--direction", "to_client")
    assert done.code == 1
    assert "hi there" in done.out
    assert "ended inside a frame" in done.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nothing.bin"], "'nothing.bin' is neither hexadecimal digits nor a file"),
        (["12", "zz"], "these are neither hexadecimal digits nor a file"),
        (["123"], "3 hexadecimal digits make no whole bytes"),
        ([""], "there are no bytes to read"),
        (["00", "--family", "x"], "no family 'x'"),
        (["00", "--direction", "x"], "no direction 'x'"),
        (["00", "--family", "peer", "--direction", "to_server"], "no messages travel 'to_server' on 'peer'"),
        (["00", "--family", "server", "--obfuscated"], "server connections are never obfuscated"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_exit_code_2(
    soulmesh: Command, arguments: list[str], words: str
) -> None:
    done = soulmesh("wire", "decode", *arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err.splitlines()[0]
    assert done.err.startswith("error: ")


def test_a_file_that_cannot_be_read_is_one_line(soulmesh: Command, tmp_path: Path) -> None:
    done = soulmesh("wire", "decode", str(tmp_path))
    assert done.code == 2
    assert len(done.err.splitlines()) == 1


# -- guessing ----------------------------------------------------------------------


def test_every_vector_is_recognised_or_named_among_the_guesses() -> None:
    sure, wrong = 0, []
    for vector in vectors.messages():
        found = dissect(bytes.fromhex(vector["hex"]))
        label = f"{vector['family']}/{vector['direction']}"
        sure += found.label == label
        if label not in (found.label, *found.others):
            wrong.append((vector["message"], vector["case"]))
    # Written as another program has it, it cannot be told from the other direction.
    assert wrong == [("GetRelatedSearches", "variant-no-scores")]
    assert sure >= 850


def test_no_bytes_at_all_bring_the_guessing_down() -> None:
    for vector in vectors.load("malformed"):
        dissect(bytes.fromhex(vector["hex"]))
        dissect(bytes.fromhex(vector["hex"]), obfuscated=True)
    for number in range(256):
        dissect(bytes([number]) * (number % 40 + 1))
