"""Lists of all that ever ended, listed or not: from the file of those that are, or from one of their own."""

from __future__ import annotations

import asyncio
import json
import random
import re
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic_core import to_json

from soulmesh.daemon import everything as everything_module
from soulmesh.daemon import shelves as module
from soulmesh.daemon.everything import KEPT_FOR, Everything
from soulmesh.daemon.shelves import Shelves
from soulmesh.daemon.store import CHANGES, VERSION, Store
from tests.support.loops import real, virtual

_INSERT = (
    "INSERT INTO transfers (id, direction, username, directory, filename, state, size, done, requested,"
    " ended, speed, body) VALUES (?, 'download', ?, ?, ?, 'x', 1, 1, 0, 0, 0, ?)"
)


class Cabinet:
    """A database with transfers and both lists over it, told of everything as the ledger does."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.shelves = Shelves(store)
        self.everything = Everything(store, self.shelves)
        self.places: dict[str, tuple[str, str]] = {}
        """User and folder of each transfer."""
        self.removed: dict[str, bool] = {}
        """What ought to be: every transfer, and whether it is listed no more."""

    def finish(self, username: str = "ann", folder: str = "music") -> str:
        name = f"{len(self.removed):03}"
        body = to_json({"filename": name, "removed": False})
        row = (name, username, folder, name.encode(), body)
        self.store.post(lambda db: db.execute(_INSERT, row))
        self.shelves.add("download", username, folder, body)
        self.everything.add("download", username, folder, body)
        self.places[name], self.removed[name] = (username, folder), False
        return name

    def hide(self, name: str) -> None:
        self.store.post(lambda db: db.execute("UPDATE transfers SET removed = 1 WHERE id = ?", (name,)))
        self.shelves.change("download", *self.places[name])
        self.everything.change("download", *self.places[name])
        self.removed[name] = True

    def clear(self) -> None:
        self.everything.clear("download")
        self.store.post(lambda db: db.execute("UPDATE transfers SET removed = 1 WHERE removed = 0"))
        self.shelves.clear("download")
        self.removed = dict.fromkeys(self.removed, True)

    async def keep(self) -> None:
        await self.shelves.keep("download")
        await self.everything.keep("download")

    async def all(self) -> dict[str, bool]:
        """What the list of everything says."""
        return named((await self.everything.get("download")).pieces({}))

    async def listed(self) -> dict[str, bool]:
        return named((await self.shelves.get("download")).pieces({}))


def named(pieces: list[Any]) -> dict[str, bool]:
    found = json.loads(b"".join(pieces))
    files = []
    for user in found:
        for folder in user["directories"]:
            assert folder["fileCount"] == len(folder["files"])
            files += [(file["filename"], file["removed"]) for file in folder["files"]]
    assert len(files) == len(dict(files)), "one is listed twice"
    return dict(files)


def in_a_cabinet(play: Callable[[Cabinet], Awaitable[None]], path: Path | None) -> None:
    async def whole() -> None:
        store = Store(path)
        await store.open()
        try:
            await play(Cabinet(store))
        finally:
            await store.close()

    # A disk may be slow; time that is virtual does not wait for it.
    (real if path is not None else virtual)(whole)()


@pytest.fixture(autouse=True)
def _small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORTH_A_FILE", 2)
    for one in (module, everything_module):
        monkeypatch.setattr(one, "TOO_MANY_CHANGED", 2)
    monkeypatch.setattr(module, "TOO_MANY_ADDED", 3)


def test_while_all_are_listed_their_file_serves_for_everything(tmp_path: Path) -> None:
    async def play(on: Cabinet) -> None:
        for user in ("ann", "bob", "cid"):
            on.finish(user)
        await on.keep()
        assert not (tmp_path / "everything-download.json").exists()
        assert await on.everything.get("download") is await on.shelves.get("download")
        on.finish("ann")
        assert await on.all() == dict.fromkeys(("000", "001", "002", "003"), False)

    in_a_cabinet(play, tmp_path / "daemon.sqlite")


def test_what_is_listed_no_more_is_in_a_file_that_serves_who_asks_first(tmp_path: Path) -> None:
    path = tmp_path / "daemon.sqlite"

    async def play(on: Cabinet) -> None:
        names = [on.finish(user) for user in ("ann", "bob", "bob")]
        on.hide(names[1])
        await on.keep()
        assert (tmp_path / "everything-download.json").exists()
        assert await on.all() == {"000": False, "001": True, "002": False}
        on.hide(names[0])
        on.finish("cid")
        assert await on.all() == on.removed

    in_a_cabinet(play, path)

    async def later(on: Cabinet) -> None:
        # Behind its back: what is read from the file is not read from the database.
        await on.store.run(lambda db: db.execute("UPDATE transfers SET body = '{}' WHERE username = 'bob'"))
        assert await on.all() == {"000": True, "001": True, "002": False, "003": False}

    in_a_cabinet(later, path)


def test_a_list_that_is_cleared_is_still_everything(tmp_path: Path) -> None:
    async def play(on: Cabinet) -> None:
        first = on.finish("ann")
        on.finish("bob")
        on.hide(first)
        await on.keep()
        await on.all()
        on.clear()
        assert await on.all() == {"000": True, "001": True}
        # So many folders that all of it is read again, and then written again.
        for user in ("ann", "bob", "cid", "dot"):
            on.finish(user)
        on.clear()
        assert await on.all() == on.removed
        await on.keep()
        on.everything.forget("download")
        assert await on.all() == on.removed
        assert await on.listed() == {}

    in_a_cabinet(play, tmp_path / "daemon.sqlite")


def test_after_a_while_without_a_question_it_is_put_away(tmp_path: Path) -> None:
    async def play(on: Cabinet) -> None:
        on.hide(on.finish("ann"))
        on.finish("bob")
        first = await on.everything.get("download")
        on.everything.forget_unasked()
        assert await on.everything.get("download") is first
        await asyncio.sleep(KEPT_FOR)
        on.everything.forget_unasked()
        assert await on.everything.get("download") is not first
        assert await on.all() == on.removed

    in_a_cabinet(play, None)


def test_a_database_of_an_earlier_release_is_given_what_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "daemon.sqlite"

    async def play(on: Cabinet) -> None:
        on.hide(on.finish("ann"))
        await on.store.run(lambda db: db.execute("SELECT 1"))

    in_a_cabinet(play, path)
    with sqlite3.connect(path) as db:
        for before in range(2, VERSION):
            for index in re.findall(r"CREATE INDEX (\w+)", CHANGES[before]):
                db.execute(f"DROP INDEX {index}")
        db.execute("PRAGMA user_version = 2")
    db.close()

    async def later(on: Cabinet) -> None:
        assert await on.all() == {"000": True}
        query = "EXPLAIN QUERY PLAN SELECT 1 FROM transfers WHERE direction = 'x' AND removed = 1"
        plan = await on.store.run(lambda db: str(db.execute(query).fetchall()))
        assert "transfers_removed" in plan

    in_a_cabinet(later, path)


@pytest.mark.parametrize("seed", range(12))
def test_in_whatever_order_things_happen_both_lists_say_what_is(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)

    async def play(on: Cabinet) -> None:
        asking: list[asyncio.Task[Any]] = []
        for _ in range(120):
            for _ in range(chance.randrange(3)):
                await asyncio.sleep(0)
            match chance.randrange(12):
                case 0 | 1 | 2 | 3:
                    on.finish(chance.choice(("ann", "bob", "cid")), chance.choice(("a", "b", "c")))
                case 4 | 5 if on.removed:
                    on.hide(chance.choice(list(on.removed)))
                case 6 if chance.random() < 0.3:
                    on.clear()
                case 7:
                    chance.choice((on.everything, on.shelves)).forget("download")
                case 8:
                    asking.append(asyncio.create_task(on.keep()))
                case 9:
                    asking.append(asyncio.create_task(on.all()))
                case 10:
                    assert await on.all() == on.removed
                case _:
                    listed = {name: False for name, removed in on.removed.items() if not removed}
                    assert await on.listed() == listed
        await asyncio.gather(*asking)
        assert await on.all() == on.removed

    in_a_cabinet(play, tmp_path / "daemon.sqlite")
