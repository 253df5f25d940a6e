"""A transfer tells why it waits."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from soulmesh.core.story import Chapter, Fact, Standing, fact, facts, tell, why
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


def test_each_line_has_a_code_and_what_stands_in_it() -> None:
    chapters = [
        Chapter(at(14, 3), Event.PLACED, State.QUEUED, detail="40"),
        Chapter(at(14, 8), Event.PLACED, State.QUEUED, detail="37"),
        Chapter(at(14, 12), Event.PUT_OFF, State.DELAYED, reason="Too many files this week"),
        Chapter(at(14, 13), Event.GAVE_UP, State.FAILED, reason="File not shared."),
    ]
    reasons = [
        {"reason": "Too many files this week", "reason_code": "too_many"},
        {"reason": "File not shared.", "reason_code": "file_not_shared"},
    ]
    assert facts(chapters, "download", "eve") == [
        Fact("download.happened.placed", {"user": "eve", "detail": "37"}, at(14, 8)),
        Fact("download.happened.put_off", {"user": "eve", **reasons[0]}, at(14, 12)),
        Fact("download.happened.gave_up", {"user": "eve", **reasons[1]}, at(14, 13)),
    ]
    assert len(facts(chapters, "download", "eve")) == len(tell(chapters, "download", "eve", NOW))


@pytest.mark.parametrize(
    ("standing", "wanted"),
    [
        (
            Standing("download", State.DELAYED, Owner.WE, "eve", "refused", until=at(15, 13), attempts=2),
            Fact(
                "download.delayed",
                {"user": "eve", "attempt": 3, "reason": "refused", "reason_code": "other"},
                at(15, 13),
            ),
        ),
        (
            Standing("upload", State.QUEUED, Owner.WE, "eve", place=3),
            Fact("upload.queued", {"user": "eve", "place": 3}),
        ),
        (
            Standing("upload", State.RUNNING, Owner.WE, "eve", place=3, done=0, size=10),
            Fact("upload.running", {"user": "eve", "done": 0, "size": 10}),
        ),
        (
            Standing("download", State.FINISHED, Owner.WE, "eve", held_back="Disk Full", until=NOW),
            Fact("download.held_back", {"user": "eve", "reason": "Disk Full", "reason_code": "other"}, NOW),
        ),
        (
            Standing("download", State.FAILED, Owner.WE, "eve", "The disk is full."),
            Fact(
                "download.failed",
                {"user": "eve", "reason": "The disk is full.", "reason_code": "disk_full"},
            ),
        ),
        (Standing("download", State.FAILED, Owner.WE, "eve"), Fact("download.failed", {"user": "eve"})),
    ],
)
def test_where_it_stands_has_a_code(standing: Standing, wanted: Fact) -> None:
    assert fact(standing) == wanted


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
