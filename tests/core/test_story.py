"""A transfer tells why it waits."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from soulmesh.core.story import Chapter, Standing, tell, why
from soulmesh.core.transfer import DOWNLOAD, OWNERS, UPLOAD, Event, Owner, State

NOW = datetime(2026, 5, 4, 15, 0, tzinfo=UTC)


def at(hour: int, minute: int) -> datetime:
    return datetime(2026, 5, 4, hour, minute, tzinfo=UTC)


def test_the_story_of_a_download_that_waits() -> None:
    chapters = [
        Chapter(at(14, 2), Event.ASKED, State.QUEUED),
        Chapter(at(14, 3), Event.PLACED, State.QUEUED, detail="40"),
        Chapter(at(14, 8), Event.PLACED, State.QUEUED, detail="37"),
        Chapter(at(14, 10), Event.PEER_LEFT, State.OFFLINE),
        Chapter(at(14, 12), Event.PUT_OFF, State.DELAYED, reason="connection refused"),
    ]
    assert tell(chapters, "download", "eve", NOW) == [
        "14:02 asked eve for it",
        "14:08 place 37 in the queue of eve",
        "14:10 eve went offline",
        "14:12 failed: connection refused",
    ]


def test_the_story_of_an_upload() -> None:
    chapters = [
        Chapter(at(14, 2), Event.CALLED, State.CALLING),
        Chapter(at(14, 3), Event.CLOSED, State.FINISHED),
        Chapter(at(14, 4), Event.GAVE_UP, State.FAILED),
    ]
    assert tell(chapters, "upload", "eve", NOW) == [
        "14:02 its turn: offered it to eve",
        "14:03 eve confirmed the end",
        "14:04 given up: no reason given",
    ]


def test_another_day_is_told_with_its_date() -> None:
    yesterday = datetime(2026, 5, 3, 9, 5, tzinfo=UTC)
    chapter = Chapter(yesterday, Event.ASKED, State.QUEUED)
    assert tell([chapter], "download", "eve", NOW) == ["2026-05-03 09:05 asked eve for it"]


def test_every_event_of_the_tables_has_words() -> None:
    for direction, table in (("download", DOWNLOAD), ("upload", UPLOAD)):
        for _, event in table:
            [line] = tell([Chapter(NOW, event, State.QUEUED, "r", "d")], direction, "eve", NOW)
            assert len(line) > 6


@pytest.mark.parametrize(
    ("standing", "words"),
    [
        (
            Standing(
                "download", State.DELAYED, Owner.WE, "eve", "connection refused", until=at(15, 13), attempts=2
            ),
            "connection refused; next try 15:13, attempt 3",
        ),
        (Standing("download", State.QUEUED, Owner.PEER, "eve", place=37), "queued at eve, place 37"),
        (Standing("download", State.QUEUED, Owner.PEER, "eve"), "queued at eve"),
        (
            Standing("upload", State.QUEUED, Owner.WE, "eve", place=2),
            "waits for a free slot of ours, place 2",
        ),
        (
            Standing("download", State.FAILED, Owner.PERSON, "eve", "Banned"),
            "failed: Banned; retry it when you think it can work",
        ),
        (
            Standing("download", State.RUNNING, Owner.PEER, "eve", done=50, size=200),
            "receiving from eve, 25 %",
        ),
        (Standing("upload", State.RUNNING, Owner.PEER, "eve", size=0), "sending to eve"),
        (
            Standing(
                "download", State.FINISHED, Owner.NOBODY, "eve", until=at(15, 13), held_back="/x is read-only"
            ),
            "all received, but its folder could not be moved: /x is read-only; next try 15:13",
        ),
    ],
)
def test_where_it_stands_in_one_sentence(standing: Standing, words: str) -> None:
    assert why(standing, NOW) == words


def test_every_state_has_a_sentence() -> None:
    for direction, owners in OWNERS.items():
        for state, owner in owners.items():
            assert why(Standing(direction, state, owner, "eve"), NOW)
