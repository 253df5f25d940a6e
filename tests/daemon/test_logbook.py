"""The lines that are kept for whoever looks, beside those that are printed."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

from soulmesh import log
from soulmesh.daemon.logbook import Logbook


@pytest.fixture
def printed() -> Iterator[io.StringIO]:
    root = logging.getLogger("soulmesh")
    before = root.handlers[:], root.level, root.propagate
    stream = io.StringIO()
    yield stream
    log.configure(stream=stream)
    root.handlers[:], root.propagate = before[0], before[2]
    root.setLevel(before[1])


def messages(book: Logbook) -> list[str]:
    return [line["message"] for line in book.lines()]


def test_what_the_daemon_tells_of_its_work_is_kept_and_not_printed(printed: io.StringIO) -> None:
    log.configure("warning", levels={"daemon.http": "info"}, form="json", stream=printed)
    book = Logbook()
    book.install()
    book.install()
    log.get("daemon").info("logged in", username="somebody")
    log.get("daemon.scanning").info("scanned", api_key="very-secret-thing")
    log.get("daemon").debug("a detail")
    log.get("daemon").warning("no room")
    # A level that somebody chose for a part counts as it did, and so do other parts.
    log.get("daemon.http").info("served")
    log.get("client").info("cannot call back")
    log.get("client").warning("odd")
    assert messages(book) == [
        "logged in username=somebody",
        "scanned api_key=[redacted]",
        "no room",
        "served",
        "odd",
    ]
    lines = printed.getvalue()
    assert [word in lines for word in ("logged in", "scanned", "no room", "served", "odd")] == [
        False,
        False,
        True,
        True,
        True,
    ]
    # Set up anew, as with other settings, and installed again: the new level is gone by.
    log.configure("info", form="json", stream=printed)
    book.install()
    log.get("daemon").info("settings read again")
    assert "settings read again" in printed.getvalue()
    log.configure("error", form="json", stream=printed)
    book.install()
    log.get("daemon").warning("quiet")
    assert messages(book)[-2:] == ["settings read again", "quiet"]
    assert "quiet" not in printed.getvalue()
    # Afterwards everything is as it was set up.
    book.remove()
    assert not logging.getLogger("soulmesh.daemon").isEnabledFor(logging.WARNING)
    log.get("daemon").error("the end")
    assert "the end" in printed.getvalue()
    assert messages(book)[-1] == "quiet"


def test_many_common_lines_drive_out_no_warning_and_pages_are_in_order(printed: io.StringIO) -> None:
    log.configure("warning", form="json", stream=printed)
    book = Logbook(3)
    book.install()
    log.get("daemon").warning("first")
    for number in range(5):
        log.get("daemon").info(f"upload {number}")
    log.get("daemon").error("last")
    book.remove()
    assert messages(book) == ["first", "upload 2", "upload 3", "upload 4", "last"]
    found, place = book.page(0, 2)
    assert [line["message"] for line in found] == ["first", "upload 2"]
    assert place is not None
    found, end = book.page(place, 3)
    assert [line["message"] for line in found] == ["upload 3", "upload 4", "last"]
    assert end is None, "there is nothing after the newest"
    assert book.page(99, 10) == ([], None)
