"""`soulmesh batches` without a daemon: on the journal, whether or not another soulmesh runs."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from soulmesh.client.transfers import Batch, Journal
from tests.cli.conftest import Command
from tests.client.transfers.street import street
from tests.support.loops import virtual


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    monkeypatch.setenv("SOULMESH_DAEMON_DATA", str(folder))
    return folder


@virtual
async def wanted(folder: Path, database: Path) -> Batch:
    """Somebody wanted two files of eve together, and went."""
    async with street(folder) as there:
        ann = await there.move_in("ann", Journal(database, threaded=False))
        await there.move_in("eve")
        files: list[tuple[str, str, int | None]] = [("eve", rf"Music\{name}", 4096) for name in ("1", "2")]
        return await ann.transfers.batches.make(files, name="Albüm", whole=True)


def rows(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_without_a_journal_there_are_none(soulmesh: Command, data: Path) -> None:
    done = soulmesh("batches", "list")
    assert (done.code, "no batches yet" in done.err) == (0, True)
    gone = soulmesh("batches", "show", "x")
    assert (gone.code, "there is no batch x" in gone.err) == (3, True)


def test_a_batch_is_listed_shown_and_changed_while_nobody_runs(
    soulmesh: Command, tmp_path: Path, data: Path
) -> None:
    database = data / "transfers.sqlite"
    batch = wanted(tmp_path, database)
    [row] = rows(soulmesh("batches", "list", "--json").out)
    assert (row["id"], row["name"], row["state"], row["users"]) == (batch.id, "Albüm", "under way", ["eve"])
    assert (row["files"], row["files_here"], row["size"], row["whole"]) == (2, 0, 8192, True)
    assert "0 of 2" in soulmesh("batches", "list").out
    shown = soulmesh("batches", "show", "Albüm")
    assert f"to {batch.destination}, when nothing is missing" in shown.out
    assert soulmesh("batches", "pause", "Albüm").out == "Albüm: paused\n"
    [first, second] = rows(soulmesh("transfers", "--json").out)
    assert first["state"] == second["state"] == "paused"
    assert soulmesh("batches", "resume", batch.id[:6]).out == "Albüm: under way, goes on when soulmesh runs\n"
    assert soulmesh("batches", "cancel", "Albüm").out == "Albüm: failed\n"
    assert rows(soulmesh("transfers", "--json").out) == []
    assert soulmesh("batches", "retry", "Albüm").out == "Albüm: under way, goes on when soulmesh runs\n"
    assert soulmesh("batches", "forget", "Albüm").out == "Albüm: listed no more\n"
    assert "no batches yet" in soulmesh("batches", "list").err
    assert len(rows(soulmesh("transfers", "--json").out)) == 2


def test_a_soulmesh_that_runs_is_told(soulmesh: Command, tmp_path: Path, data: Path) -> None:
    database = data / "transfers.sqlite"
    wanted(tmp_path, database)

    async def told() -> list[Any]:
        journal = Journal(database)
        await journal.open()
        try:
            done = await asyncio.to_thread(soulmesh, "batches", "pause", "Albüm")
            assert done.out == "Albüm: told the soulmesh that runs to pause it\n", done.err
            return await journal.orders()
        finally:
            await journal.close()

    [order] = asyncio.run(told())
    assert order["verb"] == "pause"
