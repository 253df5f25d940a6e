"""The library as its users meet it: the example of the guide, and the names that it offers."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import soulmesh
import soulmesh.client
from soulmesh.errors import UsageError
from tests.client.stage import LOCAL, Stage, play

GUIDE = Path(__file__).parents[2] / "docs" / "library.md"


def events(kind: type[soulmesh.Event] = soulmesh.Event) -> Iterator[type[soulmesh.Event]]:
    for module in pkgutil.walk_packages(soulmesh.client.__path__, "soulmesh.client."):
        importlib.import_module(module.name)
    for narrower in kind.__subclasses__():
        if not narrower.__module__.startswith("soulmesh.client."):
            continue
        # A class with slots is made twice; the first one is nobody's.
        if narrower is getattr(importlib.import_module(narrower.__module__), narrower.__name__, None):
            yield narrower
            yield from events(narrower)


def test_every_event_has_a_name_in_the_package_and_a_line_in_the_guide() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    found = set(events())
    assert len(found) > 40
    for kind in found:
        assert getattr(soulmesh, kind.__name__, None) is kind, f"soulmesh/__init__.py lacks {kind.__name__}"
        assert f"`{kind.__name__}`" in guide or f"`soulmesh.{kind.__name__}`" in guide


INSIDE = {
    # Caught where they are raised, or told through another one.
    "DamagedFile",
    "DoesNotFit",
    "FileShrank",
    "MappingFailed",
    "StoreDamaged",
    "StreamEnded",
    "UnreadableAudio",
    # Of one name with that of transfers; in `soulmesh.client.shares`, see the guide there.
    "soulmesh.client.shares.model.NotShared",
}


def errors(kind: type[Exception] = soulmesh.SoulmeshError) -> Iterator[type[Exception]]:
    for place in ("soulmesh.client", "soulmesh.net"):
        package = importlib.import_module(place)
        for module in pkgutil.walk_packages(package.__path__, f"{place}."):
            importlib.import_module(module.name)
    for narrower in kind.__subclasses__():
        yield narrower
        yield from errors(narrower)


def test_every_error_that_a_program_can_meet_has_a_name_in_the_package_and_a_line_in_the_guide() -> None:
    guide = GUIDE.read_text(encoding="utf-8")
    found = {
        kind
        for kind in errors()
        if kind.__module__.startswith(("soulmesh.client.", "soulmesh.net."))
        and not kind.__name__.startswith("_")
        and not {kind.__name__, f"{kind.__module__}.{kind.__name__}"} & INSIDE
    }
    assert len(found) > 50
    for kind in found:
        assert getattr(soulmesh, kind.__name__, None) is kind, f"soulmesh/__init__.py lacks {kind.__name__}"
        assert f"`{kind.__name__}`" in guide


@pytest.mark.parametrize("name", soulmesh.__all__)
def test_every_name_of_the_package_can_be_had(name: str) -> None:
    assert getattr(soulmesh, name) is not None


def test_the_first_program_that_anybody_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over real sockets: log in, share, search, enter a room, write to somebody, listen."""
    monkeypatch.setattr("tests.client.stage.ground", "sockets")
    music = tmp_path / "Music"
    music.mkdir()
    (music / "artist album 1.mp3").write_bytes(b"x" * 1000)

    async def scene(stage: Stage) -> None:
        somebody = await stage.enter("somebody", shares=[music])
        await somebody.rooms.join("ambient")
        async with soulmesh.Client(
            *("name", "password"),
            server=(LOCAL, stage.server_port),
            listen_port=0,
            settings=soulmesh.ClientSettings(listen_host=LOCAL),
        ) as client:
            hits = [hit async for hit in client.search("artist album", timeout=15)]
            assert [(hit.username, hit.file.size, hit.free_slot) for hit in hits] == [
                ("somebody", 1000, True)
            ]
            said = client.events.stream(soulmesh.RoomMessage, soulmesh.PrivateMessage)
            await client.rooms.join("ambient")
            await client.chat.send("somebody", "hello")
            await asyncio.sleep(1)
            assert [line.text for line in await somebody.chat.history("name")] == ["hello"]
            somebody.rooms.say("ambient", "to all")
            await somebody.chat.send("name", "and to you")
            heard = []
            async for event in said:
                heard.append(event)
                if len(heard) == 2:
                    break
            assert {type(event) for event in heard} == {soulmesh.RoomMessage, soulmesh.PrivateMessage}

    play(scene, real=True)


@pytest.mark.parametrize(
    ("server", "address"),
    [
        (("server.example", 2300), ("server.example", 2300)),
        ("server.example:2300", ("server.example", 2300)),
        ("server.example", ("server.example", 2242)),
        ("[2001:db8::1]:2300", ("2001:db8::1", 2300)),
        ("[2001:db8::1]", ("2001:db8::1", 2242)),
    ],
)
def test_the_server_is_a_pair_or_a_text(server: tuple[str, int] | str, address: tuple[str, int]) -> None:
    assert soulmesh.Client("alice", "secret", server=server)._server_address == address


@pytest.mark.parametrize(
    "server", ["", ":2242", "host:", "host:port", "host:0", "host:65536", ("host",), None]
)
def test_a_server_that_is_neither_is_refused_with_what_is_expected(server: object) -> None:
    with pytest.raises(UsageError, match=r"server is \(HOST, PORT\) or 'HOST:PORT'"):
        soulmesh.Client("alice", "secret", server=server)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [("caf\udce9", "secret"), ("ann", "s\udce9cret")])
def test_a_name_or_password_that_cannot_be_written_is_refused_at_once(given: tuple[str, str]) -> None:
    with pytest.raises(UsageError, match="is not UTF-8"):
        soulmesh.Client(*given)
