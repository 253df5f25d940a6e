"""The diagnosis: what it says when something does not answer."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from soulmesh.client.errors import KickedOut, NoReply, PeerUnreachable
from soulmesh.daemon.doctor import Finding, examine
from soulmesh.daemon.ports import Figures, Member, Room, Status, Tree
from tests.daemon.fakes import Stage

Perform = Callable[..., None]
ALONE = Tree(0, None, None, (), 10, 0.0, 0.0, 0, 0, 0)


@asynccontextmanager
async def listening() -> AsyncIterator[int]:
    """A port of this machine that takes connections."""
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])


async def findings(on: Stage, port: int) -> dict[str, Finding]:
    ours = on.engine.link.username or ""
    on.engine.addresses[ours] = ("127.0.0.1", port)
    on.engine.statuses[ours] = Status("Online")
    return {finding.subject: finding for finding in await examine(on.service)}


def test_who_was_thrown_out_by_another_login_is_told_to_end_that(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        on.engine.link = replace(on.engine.link, state="Disconnected", problem=str(KickedOut()))
        async with listening() as port:
            found = (await findings(on, port))["login"]
        assert (found.state, found.code) == ("bad", "login.elsewhere")
        assert "end the other program" in found.cure

    perform(play)


def test_who_is_near_is_asked_to_connect_and_the_first_who_does_is_named(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        on.engine.tree = replace(ALONE, parent="mira", children=("moss",))
        on.engine.addresses["moss"] = ("127.0.0.1", 1)
        async with listening() as port:
            found = (await findings(on, port))["listening port"]
        assert (found.state, found.code) == ("good", "port.reached")
        assert found.params == {"user": "moss", "host": "127.0.0.1", "port": port}

    perform(play)


def test_a_port_to_which_nobody_comes_is_told_with_its_cure(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        async def nobody(username: str) -> None:
            raise PeerUnreachable(username, None, "it cannot connect to us")

        on.engine.called_back = nobody  # type: ignore[method-assign]
        on.engine.tree = replace(ALONE, parent="mira")
        async with listening() as port:
            found = (await findings(on, port))["listening port"]
        assert (found.state, found.code, found.params["user"]) == ("warning", "port.not_reached", "mira")
        assert found.cure == f"forward TCP port {port} to this machine, and let it through its firewall"

    perform(play)


def test_who_is_watched_or_in_a_room_with_us_is_asked_as_well_if_they_are_there(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        asked: list[str] = []

        async def nobody(username: str) -> None:
            asked.append(username)
            raise PeerUnreachable(username, None, "it cannot connect to us")

        on.engine.called_back = nobody  # type: ignore[method-assign]
        on.engine.tree = ALONE
        on.engine.watching = [
            ("away.friend", Status("Offline"), Figures(0, 0, 0, 0)),
            ("friend", Status("Online"), Figures(0, 0, 0, 0)),
        ]
        members = [
            Member(name, presence, Figures(0, 0, 0, 0), None, "")
            for name, presence in (
                (on.engine.link.username or "", "Online"),
                ("gone", "Offline"),
                ("neighbour", "Online"),
                ("another", "Online"),
            )
        ]
        on.engine.joined["tapes"] = Room("tapes", False, members)
        async with listening() as port:
            found = (await findings(on, port))["listening port"]
        assert asked == ["friend", "neighbour"]
        assert (found.state, found.code) == ("warning", "port.not_reached")

    perform(play)


def test_who_is_alone_is_told_that_nobody_could_be_asked(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        on.engine.tree = ALONE
        async with listening() as port:
            found = (await findings(on, port))["listening port"]
        assert (found.state, found.code) == ("unknown", "port.answers")
        assert "nobody yet" in found.found
        assert "befriend" in found.cure

    perform(play)


def test_a_server_that_passes_nothing_on_is_told(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        async def silence() -> float:
            raise NoReply("ConnectToPeer", "the server", 10)

        on.engine.relayed = on.engine.searched = silence  # type: ignore[method-assign]
        on.engine.tree = ALONE
        async with listening() as port:
            found = await findings(on, port)
        assert found["indirect connection"].code == "relay.silent"
        assert found["searching"].code == "search.silent"
        for subject in ("indirect connection", "searching"):
            assert (found[subject].state, found[subject].params["reason_code"]) == (
                "warning",
                "server_silent",
            )

    perform(play)


def test_the_root_of_a_branch_has_no_parent_and_lacks_nothing(perform: Perform) -> None:
    async def play(on: Stage) -> None:
        on.engine.tree = replace(ALONE, children=("moss", "mira"))
        found = (await findings(on, 1))["distributed network"]
        assert (found.state, found.code) == ("good", "tree.root")
        assert found.params == {"children": 2, "most": 10}

    perform(play)


def test_all_folders_that_are_written_to_are_looked_at_and_each_disk_once(
    perform: Perform, tmp_path: Path
) -> None:
    unfinished = tmp_path / "unfinished"
    unfinished.write_text("no folder")

    async def play(on: Stage) -> None:
        found = await findings(on, 1)
        closed = found["the folder of unfinished files"]
        assert (closed.state, closed.code) == ("bad", "folder.closed")
        assert closed.found == f"{unfinished} is no folder", "what it is for is said once"
        assert found["the data folder"].state == found["the folder of downloads"].state == "good"
        spaces = [one for one in await examine(on.service) if one.subject == "disk space"]
        assert [one.params["path"] for one in spaces] == [str(unfinished)], "all are on one disk"
        assert str(unfinished) in spaces[0].found

    data = {"data": str(tmp_path / "data")}
    perform(
        play, downloads={"folder": str(tmp_path / "downloads"), "incomplete": str(unfinished)}, daemon=data
    )


def test_a_limit_that_only_root_can_raise_is_told_as_that(
    perform: Perform, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play(on: Stage) -> None:
        for most, code, cure in ((4096, "files.few", "up to 4096"), (400, "files.few_for_all", "root")):
            monkeypatch.setattr(resource, "getrlimit", lambda _, most=most: (400, most))
            found = (await findings(on, 1))["open files"]
            assert (found.state, found.code) == ("warning", code)
            assert cure in found.cure

    perform(play)
