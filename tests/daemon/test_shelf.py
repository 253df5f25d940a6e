"""Lists of finished transfers: put together once, kept in a file, and never out of date."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from soulmesh.daemon import shelf as module
from soulmesh.daemon.shelf import Shelves
from soulmesh.daemon.store import Store


class Cabinet:
    """A database with transfers, and the shelves over it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.shelves = Shelves(store)
        self._count = 0

    def finish(self, username: str, name: str) -> str:
        self._count += 1
        key = f"{self._count:036}"
        row = (key, "download", username, "music", name.encode(), json.dumps({"filename": name}).encode())
        self.store.post(
            lambda db: db.execute(
                "INSERT INTO transfers (id, direction, username, directory, filename, state, size, done,"
                " requested, ended, speed, body) VALUES (?, ?, ?, ?, ?, 'x', 1, 1, 0, 0, 0, ?)",
                row,
            )
        )
        self.shelves.change("download", username)
        return key

    def hide(self, key: str, username: str) -> None:
        self.store.post(lambda db: db.execute("UPDATE transfers SET removed = 1 WHERE id = ?", (key,)))
        self.shelves.change("download", username)

    async def listed(self) -> dict[str, list[str]]:
        found = (await self.shelves.get("download")).entries
        entries = [json.loads(bytes(entry)) for entry in found.values()]
        assert [entry["username"] for entry in entries] == list(found)
        return {
            entry["username"]: [file["filename"] for file in entry["directories"][0]["files"]]
            for entry in entries
        }


def in_a_cabinet(play: Callable[[Cabinet], Awaitable[None]], path: Path | None) -> None:
    async def whole() -> None:
        store = Store(path)
        await store.open()
        try:
            await play(Cabinet(store))
        finally:
            await store.close()

    asyncio.run(whole())


@pytest.fixture(autouse=True)
def _small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORTH_A_FILE", 2)
    monkeypatch.setattr(module, "TOO_MANY_CHANGED", 1)


def test_what_ends_is_listed_and_what_is_hidden_is_not(tmp_path: Path) -> None:
    async def play(on: Cabinet) -> None:
        assert await on.listed() == {}
        first = on.finish("ann", "1")
        assert await on.listed() == {"ann": ["1"]}
        on.finish("ann", "2")
        on.finish("bob", "3")
        assert await on.listed() == {"ann": ["1", "2"], "bob": ["3"]}
        on.hide(first, "ann")
        assert await on.listed() == {"ann": ["2"], "bob": ["3"]}
        on.shelves.clear("download")
        assert await on.listed() == {}

    in_a_cabinet(play, tmp_path / "daemon.sqlite")


def test_the_file_serves_who_asks_later_with_what_changed_since(tmp_path: Path) -> None:
    path = tmp_path / "daemon.sqlite"

    async def play(on: Cabinet) -> None:
        first = on.finish("ann", "1")
        on.finish("bob", "2")
        await on.shelves.keep("download")
        assert (tmp_path / "listed-download.json").exists()
        # While nobody asks: one more, one less.
        on.finish("cid", "3")
        on.hide(first, "ann")
        assert await on.listed() == {"bob": ["2"], "cid": ["3"]}

    in_a_cabinet(play, path)

    async def again(on: Cabinet) -> None:
        # It comes from the file: what was changed behind its back is not seen, what was noted is.
        await on.store.run(lambda db: db.execute("UPDATE transfers SET body = '{}' WHERE username = 'bob'"))
        assert await on.listed() == {"bob": ["2"], "cid": ["3"]}

    in_a_cabinet(again, path)


def test_an_old_file_is_written_anew_and_a_damaged_one_is_not_believed(tmp_path: Path) -> None:
    path, file = tmp_path / "daemon.sqlite", tmp_path / "listed-download.json"

    async def play(on: Cabinet) -> None:
        for name in ("ann", "bob"):
            on.finish(name, "1")
        await on.shelves.keep("download")
        before = file.read_bytes()
        await on.shelves.keep("download")
        assert file.read_bytes() == before
        for name in ("ann", "bob"):
            on.finish(name, "2")
        await on.shelves.keep("download")
        assert file.read_bytes() != before
        wanted = {"ann": ["1", "2"], "bob": ["1", "2"]}
        for damaged in (before, b"", b"nonsense", file.read_bytes()[:-3]):
            file.write_bytes(damaged)
            on.shelves.forget("download")
            assert await on.listed() == wanted
        # A list that was emptied does not come back.
        on.shelves.clear("download")
        await on.store.run(lambda db: db.execute("UPDATE transfers SET removed = 1"))
        on.shelves.forget("download")
        assert await on.listed() == {}

    in_a_cabinet(play, path)


def test_what_changes_while_the_file_is_written_does_not_get_lost(tmp_path: Path) -> None:
    async def play(on: Cabinet) -> None:
        on.finish("ann", "1")
        on.finish("bob", "2")
        keeping = asyncio.create_task(on.shelves.keep("download"))
        for number in range(20):
            await asyncio.sleep(0)
            on.finish("ann", f"more {number:02}")
        await keeping
        on.shelves.forget("download")
        assert len((await on.listed())["ann"]) == 21

    in_a_cabinet(play, tmp_path / "daemon.sqlite")


def test_changes_while_it_is_read_are_seen(tmp_path: Path) -> None:
    async def play(on: Cabinet) -> None:
        on.finish("ann", "1")
        asking = asyncio.create_task(on.listed())
        seen: list[Any] = []
        for number in range(5):
            await asyncio.sleep(0)
            seen.append(on.finish("bob", f"{number}"))
        await asking
        assert await on.listed() == {"ann": ["1"], "bob": ["0", "1", "2", "3", "4"]}

    in_a_cabinet(play, None)
