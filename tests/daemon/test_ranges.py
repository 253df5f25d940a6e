"""Parts of files over HTTP, also of those that are not whole yet."""

from __future__ import annotations

import pytest

from soulmesh.daemon.http.ranges import Part, part_of

TAG = '"this"'


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-99", Part(206, 0, 99, "bytes 0-99/1000")),
        ("bytes=900-", Part(206, 900, 999, "bytes 900-999/1000")),
        ("bytes=900-5000", Part(206, 900, 999, "bytes 900-999/1000")),
        ("bytes=-100", Part(206, 900, 999, "bytes 900-999/1000")),
        ("bytes=-5000", Part(206, 0, 999, "bytes 0-999/1000")),
        ("bytes=1000-", Part(416, 0, -1, "bytes */1000")),
        ("bytes=-0", Part(416, 0, -1, "bytes */1000")),
        (None, Part(200, 0, 999, None)),
        ("bytes=-", Part(200, 0, 999, None)),
        ("bytes=9-3", Part(200, 0, 999, None)),
        ("bytes=0-1,4-5", Part(200, 0, 999, None)),
        ("pages=1-2", Part(200, 0, 999, None)),
    ],
)
def test_parts_of_a_whole_file(wanted: str | None, part: Part) -> None:
    assert part_of(wanted, None, TAG, 1000, 1000) == part


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-", Part(206, 0, 399, "bytes 0-399/1000")),
        ("bytes=100-199", Part(206, 100, 199, "bytes 100-199/1000")),
        ("bytes=300-599", Part(206, 300, 399, "bytes 300-399/1000")),
        ("bytes=-700", Part(206, 300, 399, "bytes 300-399/1000")),
        ("bytes=-100", Part(416, 0, -1, "bytes */1000")),
        ("bytes=400-", Part(416, 0, -1, "bytes */1000")),
        (None, Part(200, 0, 399, None)),
    ],
)
def test_an_unfinished_file_says_how_long_it_will_be(wanted: str | None, part: Part) -> None:
    assert part_of(wanted, None, TAG, 400, 1000) == part


def test_nobody_is_told_a_length_that_nobody_knows() -> None:
    assert part_of("bytes=0-9", None, TAG, 400, None).content_range == "bytes 0-9/*"
    assert part_of("bytes=400-", None, TAG, 400, None).status == 416


@pytest.mark.parametrize(
    ("condition", "status"),
    [(TAG, 206), ('"another"', 200), (f"W/{TAG}", 200), ("Thu, 26 Nov 2026 21:00:00 GMT", 200)],
)
def test_another_file_is_not_continued(condition: str, status: int) -> None:
    assert part_of("bytes=100-", condition, TAG, 400, 1000).status == status


def test_of_an_empty_file_there_is_no_part() -> None:
    assert part_of(None, None, TAG, 0, 0).length == 0
    assert part_of("bytes=0-", None, TAG, 0, 0) == Part(416, 0, -1, "bytes */0")
