"""The journal by itself: what is written comes back, whatever names this machine uses."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soulmesh.client.transfers import Journal, Record
from soulmesh.core.story import Chapter
from soulmesh.core.transfer import Event, State
from tests.support.loops import real


@pytest.mark.parametrize("name", [b"caf\xe9.mp3", "caf\u00e9.mp3".encode(), b"plain.mp3"])
@real
async def test_paths_of_this_machine_come_back_as_they_were(tmp_path: Path, name: bytes) -> None:
    path = "/music/" + os.fsdecode(name)
    told = f"cannot read {path}"
    journal = Journal(tmp_path / "transfers.sqlite")
    await journal.open()
    number = journal.next_id()
    record = Record(
        number,
        "u",
        "upload",
        "bob",
        "music\\x.mp3",
        1,
        State.FAILED,
        told,
        1,
        None,
        0,
        path,
        1.0,
        None,
        2.0,
        0.0,
    )
    chapter = Chapter(datetime(2026, 1, 1, tzinfo=UTC), Event.GAVE_UP, State.FAILED, told, path)
    journal.put(record)
    journal.note(number, chapter)
    await journal.close()
    journal = Journal(tmp_path / "transfers.sqlite")
    await journal.open()
    assert await journal.get(number) == record
    assert await journal.story(number) == [chapter]
    await journal.close()
