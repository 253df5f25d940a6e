"""Lists of finished transfers: put together once, kept in a file, and never out of date."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from soulmesh.daemon import shelves as module
from soulmesh.daemon.shelf import Folders
from soulmesh.daemon.shelves import Shelves
from soulmesh.daemon.store import Store


class Cabinet:
    """A database with transfers, and the shelves over it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.shelves = Shelves(store)
        self._count = 0

    def finish(self, username: str, name: str, folder: str = "music") -> str:
        self._count += 1
        key = f"{self._count:036}"
        row = (key, "download", username, folder, name.encode(), json.dumps({"filename": name}).encode())
        self.store.post(
            lambda db: db.execute(
                "INSERT INTO transfers (id, direction, username, directory, filename, state, size, done,"
                " requested, ended, speed, body) VALUES (?, ?, ?, ?, ?, 'x', 1, 1, 0, 0, 0, ?)",
                row,
            )
        )
        self.shelves.add("download", username, folder, row[-1])
        return key

    def hide(self, key: str, username: str, folder: str = "music") -> None:
        self.store.post(lambda db: db.execute("UPDATE transfers SET removed = 1 WHERE id = ?", (key,)))
        self.shelves.change("download", username, folder)

    async def folders(self, **live: Folders) -> dict[str, dict[str, list[str]]]:
        shelf = await self.shelves.get("download")
        entries = json.loads(b"".join(shelf.pieces(live)))
        for entry in entries:
            assert (
                json.loads(b"".join(shelf.user(entry["username"], live.get(entry["username"], {})))) == entry
            )
            for folder in entry["directories"]:
                assert folder["fileCount"] == len(folder["files"]) > 0
        return {
            entry["username"]: {
                folder["directory"]: [file["filename"] for file in folder["files"]]
                for folder in entry["directories"]
            }
            for entry in entries
        }

    async def listed(self) -> dict[str, list[str]]:
        return {user: folders["music"] for user, folders in (await self.folders()).items()}


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
    monkeypatch.setattr(module, "TOO_MANY_ADDED", 2)


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
        good = file.read_bytes()
        for damaged in (before, b"", b"nonsense", good[:-3], good[100:], bytes(8), good[:-8] + b"\xff" * 8):
            # In another file: this one may be in use.
            file.unlink()
            file.write_bytes(damaged)
            on.shelves.forget("download")
            assert await on.listed() == wanted
            # And soon there is a good one again.
            await on.shelves.keep("download")
            assert len(file.read_bytes()) == len(good)
            assert await on.listed() == wanted
        # A list that was emptied does not come back.
        on.shelves.clear("download")
        await on.store.run(lambda db: db.execute("UPDATE transfers SET removed = 1"))
        on.shelves.forget("download")
        assert await on.listed() == {}

    in_a_cabinet(play, path)


def test_folders_that_changed_stand_among_those_that_lie_in_the_file(tmp_path: Path) -> None:
    async def play(on: Cabinet) -> None:
        for user in ("ann", "bob", "cid", "dot"):
            for folder in ("a", "b \\ \u00e9\u20ac", "c"):
                on.finish(user, f"1 {folder}", folder)
        gone = [on.finish("eve", "1", "a"), on.finish("eve", "2", "b")]
        await on.shelves.keep("download")
        assert (tmp_path / "listed-download.json").exists()
        whole = {f: [f"1 {f}"] for f in ("a", "b \\ \u00e9\u20ac", "c")}
        users = dict.fromkeys(("ann", "bob", "cid", "dot"), whole)
        assert await on.folders() == {**users, "eve": {"a": ["1"], "b": ["2"]}}
        on.finish("bob", "2", "b \\ \u00e9\u20ac")
        on.finish("bob", "3", "new")
        on.finish("fay", "4", "new")
        on.hide(gone[0], "eve", "a")
        bob = {**whole, "b \\ \u00e9\u20ac": ["1 b \\ \u00e9\u20ac", "2"], "new": ["3"]}
        wanted = {**users, "bob": bob, "eve": {"b": ["2"]}, "fay": {"new": ["4"]}}
        assert await on.folders() == wanted
        on.hide(gone[1], "eve", "b")
        del wanted["eve"]
        assert await on.folders() == wanted
        # What is under way comes behind what is over, in the same folder or in one of its own.
        live = {"ann": {"c": [b'{"filename":"5"}'], "d": [b'{"filename":"6"}', b'{"filename":"7"}']}}
        live["gil"] = {"e": [b'{"filename":"8"}']}
        moving = {**wanted, "ann": {**whole, "c": ["1 c", "5"], "d": ["6", "7"]}, "gil": {"e": ["8"]}}
        assert await on.folders(**live) == moving
        assert await on.folders() == wanted
        # A new file, and from it: the same.
        await on.shelves.keep("download")
        assert await on.folders() == wanted

    in_a_cabinet(play, tmp_path / "daemon.sqlite")


def test_two_who_would_keep_the_list_write_one_file(tmp_path: Path) -> None:
    async def play(on: Cabinet) -> None:
        for number in range(200):
            on.finish(f"user {number}", "1")
        await asyncio.gather(*(on.shelves.keep("download") for _ in range(4)))
        assert len(await on.listed()) == 200
        # It is whole, and what is listed comes from it.
        await on.store.run(lambda db: db.execute("DELETE FROM transfers"))
        on.shelves.forget("download")
        assert len(await on.listed()) == 200

    in_a_cabinet(play, tmp_path / "daemon.sqlite")
    assert [path.name for path in tmp_path.glob("*listed*")] == ["listed-download.json"]


def test_who_is_not_listed_costs_nothing_to_ask_for(tmp_path: Path) -> None:
    async def play(on: Cabinet) -> None:
        on.finish("ann", "1")
        shelf = await on.shelves.get("download")
        assert shelf.user("nobody", {}) == []
        assert not [name for name in shelf._opened if name == "nobody"]

    in_a_cabinet(play, None)


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


def test_nobody_is_given_what_another_is_just_reading_again(tmp_path: Path) -> None:
    async def play(on: Cabinet) -> None:
        key = on.finish("ann", "1")
        on.finish("ann", "2")
        assert await on.listed() == {"ann": ["1", "2"]}
        on.hide(key, "ann")
        first = asyncio.create_task(on.listed())
        await asyncio.sleep(0)
        assert await on.listed() == {"ann": ["2"]}
        assert await first == {"ann": ["2"]}

    in_a_cabinet(play, tmp_path / "daemon.sqlite")
