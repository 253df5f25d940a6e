"""Looking closer over our own API: why a file is shared, what wishes found, what happened, the log."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from soulmesh.daemon.hub import Told
from soulmesh.daemon.remote import Daemon, DaemonRefused
from soulmesh.daemon.sampling import Sampler, sample_row
from soulmesh.daemon.store import Store
from soulmesh.daemon.wishbook import KEPT, WishBook
from soulmesh.net.world import World
from tests.daemon.fakes import KEY, stage, strike
from tests.daemon.stagecraft import ALBUM, OURSELVES, SHARER, Network, network, until


def on_network(tmp_path: Path, play: Callable[[Network, Daemon], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with network(tmp_path) as net, Daemon(net.url, KEY) as daemon:
            await play(net, daemon)

    asyncio.run(whole())


def test_a_path_is_explained_from_the_disk_and_as_others_see_it(tmp_path: Path) -> None:
    async def play(net: Network, daemon: Daemon) -> None:
        file = tmp_path / "ours" / "04 - Gangway.mp3"

        async def explained(path: str) -> Any:
            return await daemon.ask("GET", "/shares/explain", path=path)

        found = await explained(str(file))
        assert found["offered"]
        assert (found["root"], found["size"], found["audience"]) == ("ours", 1000, "everyone")
        assert found["remote_path"] == "ours\\04 - Gangway.mp3"
        again = await explained(found["remote_path"])
        assert (again["offered"], again["path"]) == (True, str(file))
        missing = await explained(str(tmp_path / "ours" / "none.mp3"))
        assert (missing["offered"], missing["reason"]) == (False, "there is no such file")
        outside = await explained("/etc/hostname")
        assert (outside["offered"], outside["reason"]) == (False, "it lies in no shared folder")
        with pytest.raises(DaemonRefused) as refused:
            await explained("")
        assert refused.value.status == 422

    on_network(tmp_path, play)


def test_files_that_could_not_be_read_are_listed_with_the_reason(tmp_path: Path) -> None:
    async def play(net: Network, daemon: Daemon) -> None:
        found = await daemon.ask("GET", "/shares/problems")
        (problem,) = found["items"]
        assert problem["root"] == "ours"
        assert problem["path"].endswith("04 - Gangway.mp3")
        assert problem["reason"]
        assert found["next"] is None

    on_network(tmp_path, play)


def test_what_a_wish_found_is_kept_until_the_wish_goes(tmp_path: Path) -> None:
    async def play(net: Network, daemon: Daemon) -> None:
        await daemon.ask("POST", "/wishes", {"query": "tidal maps"})

        wish = net.daemon.engine.client.wishes.all[0]
        await until(lambda: wish.found == 3, "the finds")
        page = await daemon.ask("GET", "/wishes/results", query="tidal maps", limit=2)
        assert len(page["items"]) == 2
        row = page["items"][0]
        assert row["username"] == SHARER
        assert ALBUM in row["path"]
        assert row["size"] > 60_000
        assert row["at"].endswith("Z")
        rest = await daemon.ask("GET", "/wishes/results", query="tidal maps", limit=2, cursor=page["next"])
        assert len(rest["items"]) == 1
        assert rest["next"] is None
        assert {one["path"] for one in page["items"]}.isdisjoint(one["path"] for one in rest["items"])
        await daemon.ask("DELETE", "/wishes", query="tidal maps")
        assert (await daemon.ask("GET", "/wishes/results", query="tidal maps"))["items"] == []

    on_network(tmp_path, play)


def test_a_wish_keeps_its_newest_finds() -> None:
    async def play() -> None:
        store = Store()
        await store.open()
        book = WishBook(store, World.real().wall_clock)
        await book.open()
        for number in range(KEPT + 5):
            book.found("much", {"path": str(number)})
        book.found("little", {"path": "x"})
        found, before = await book.page("much", 1 << 62, 2000)
        assert len(found) == KEPT
        assert (found[0]["path"], found[-1]["path"]) == (str(KEPT + 4), "5")
        assert before is None
        assert [one["path"] for one in (await book.page("little", 1 << 62, 10))[0]] == ["x"]
        await store.close()

    asyncio.run(play())


def test_what_happened_is_listed_newest_first(tmp_path: Path) -> None:
    async def play(net: Network, daemon: Daemon) -> None:
        net.daemon.service.events.tell("Noop", message="once")
        net.daemon.service.events.tell("Noop", message="twice")
        page = await daemon.ask("GET", "/log/events", limit=2)
        assert ["twice" in page["items"][0]["data"], "once" in page["items"][1]["data"]] == [True, True]
        assert page["total"] >= 3
        rest = await daemon.ask("GET", "/log/events", cursor=page["next"])
        assert rest["items"][-1]["type"] == "SoulseekClientConnected"

    on_network(tmp_path, play)


def test_a_file_that_comes_into_a_shared_folder_is_told(tmp_path: Path) -> None:
    async def play(net: Network, daemon: Daemon) -> None:
        listener = net.daemon.service.hub.listen(kinds=frozenset({"share"}))
        (tmp_path / "ours" / "05 - Landing.mp3").write_bytes(b"x" * 1000)
        async with asyncio.timeout(15):
            told = [json.loads(one.data) for one in await listener.next()]
            while not any(one.get("state") == "changed" for one in told):
                told += [json.loads(one.data) for one in await listener.next()]
        assert told[-1]["files"] == 2 == (await daemon.status())["shared_files"]
        net.daemon.service.hub.leave(listener)

    on_network(tmp_path, play)


def test_lines_of_the_log_are_told_as_they_are_written(tmp_path: Path) -> None:
    async def play(net: Network, daemon: Daemon) -> None:
        listener = net.daemon.service.hub.listen(kinds=frozenset({"log"}))
        await asyncio.to_thread(logging.getLogger("soulmesh.trial").error, "written by a thread")
        told: list[Told] = []
        async with asyncio.timeout(5):
            # What the start had to say may come before it.
            while not any(b"written by a thread" in one.data for one in told):
                told += await listener.next()
        assert {one.kind for one in told} == {"log.line"}
        numbers = [json.loads(one.data)["number"] for one in told]
        assert numbers == sorted(set(numbers))
        net.daemon.service.hub.leave(listener)

    on_network(tmp_path, play)


def test_what_is_over_between_two_samples_counts_in_the_speed(tmp_path: Path) -> None:
    async def play() -> None:
        on = await stage(tmp_path)
        sampler = Sampler(on.service)
        for down, up in ((4_000_000, 100_000), (4_000_000, 0)):
            on.engine.transfers.bytes["download"] += down
            on.engine.transfers.bytes["upload"] += up
            on.clock.now += timedelta(seconds=2)
            sampler.take()
        # Another client begins to count anew.
        on.engine.transfers.bytes["download"] = 2_000_000
        on.clock.now += timedelta(seconds=2)
        sampler.take()
        speeds = [(one.download, one.upload) for one in sampler.samples("minutes")[1]]
        assert speeds == [(2_000_000, 50_000), (2_000_000, 0), (1_000_000, 0)]
        await strike(on)

    asyncio.run(play())


def test_samples_say_how_many_searches_of_others_came_by_and_what_became_of_them(tmp_path: Path) -> None:
    async def play(net: Network, daemon: Daemon) -> None:
        sampler = Sampler(net.daemon.service)
        async for hit in net.sharer.search("gangway"):
            assert hit.username == OURSELVES
            break
        sampler.take()
        (sample,) = sampler.samples("minutes")[1]
        assert sample.searches > 0
        assert sample.answered > 0
        assert set(sample_row(sample)) == {"at", "download", "upload", "searches", "forwarded", "answered"}
        sampler.take()
        assert sampler.samples("minutes")[1][-1].searches == 0

    on_network(tmp_path, play)
