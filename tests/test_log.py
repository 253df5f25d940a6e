"""Logging: silent as a library, one shape when asked, no secrets ever."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from soulmesh import log
from soulmesh.errors import ConfigError


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root = logging.getLogger("soulmesh")
    before = (list(root.handlers), root.level, root.propagate)
    yield
    root.handlers[:], root.level, root.propagate = before
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("soulmesh."):
            logging.getLogger(name).setLevel(logging.NOTSET)


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_json_lines_carry_event_part_level_time_and_fields() -> None:
    stream = io.StringIO()
    log.configure("info", stream=stream)
    log.get("server.chat").info("room created", room="ambient", count=2)
    (line,) = lines(stream)
    assert line.pop("timestamp")
    assert line == {
        "event": "room created",
        "part": "server.chat",
        "level": "info",
        "room": "ambient",
        "count": 2,
    }


def test_a_part_has_a_level_of_its_own_and_its_children_inherit_it() -> None:
    stream = io.StringIO()
    log.configure("error", levels={"server": "debug"}, stream=stream)
    log.get("server.chat").debug("told")
    log.get("client").warning("not told")
    assert [line["event"] for line in lines(stream)] == ["told"]


def test_configuring_again_forgets_the_levels_of_parts() -> None:
    stream = io.StringIO()
    log.configure("error", levels={"server": "debug"}, stream=stream)
    log.configure("error", stream=stream)
    log.get("server").info("not told")
    assert lines(stream) == []


@pytest.mark.parametrize(
    "key", ["password", "new_password", "Api-Key", "jwt_secret", "passphrase", "Authorization"]
)
def test_values_under_password_like_keys_are_replaced(key: str) -> None:
    stream = io.StringIO()
    log.configure("info", stream=stream)
    log.get("server").bind(**{key: "geheim"}).info("login", outer={key: "geheim", "deep": {key: "geheim"}})
    assert "geheim" not in stream.getvalue()
    assert stream.getvalue().count(log.REDACTED) == 3


def test_a_person_gets_a_line_without_json() -> None:
    stream = io.StringIO()
    log.configure("info", form="human", stream=stream)
    log.get("net").info("connected", host="127.0.0.1", password="geheim")
    assert "connected" in stream.getvalue()
    assert "host=127.0.0.1" in stream.getvalue()
    assert "{" not in stream.getvalue()
    assert "geheim" not in stream.getvalue()


@pytest.mark.parametrize("form", ["human", "json"])
def test_an_exception_is_logged_with_its_traceback(form: str) -> None:
    stream = io.StringIO()
    log.configure("info", form=form, stream=stream)
    try:
        raise ValueError("boom")
    except ValueError:
        log.get("net").exception("failed")
    assert "ValueError: boom" in stream.getvalue()


def test_lines_of_the_standard_library_take_the_same_shape() -> None:
    stream = io.StringIO()
    log.configure("info", stream=stream)
    logging.getLogger("soulmesh.net").warning("plain %s", "words")
    (line,) = lines(stream)
    assert line["event"] == "plain words"
    assert line["level"] == "warning"


def test_a_library_says_nothing_until_it_is_configured(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger("soulmesh")
    root.handlers[:] = [logging.NullHandler()]
    log.get("client").error("unheard")
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_wrong_levels_and_forms_are_named() -> None:
    with pytest.raises(ConfigError, match=r"log\.level: 'loud'"):
        log.configure("loud")
    with pytest.raises(ConfigError, match=r"log\.levels\.net: 'loud'"):
        log.configure("info", levels={"net": "loud"})
    with pytest.raises(ConfigError, match=r"log\.format: 'xml'"):
        log.configure("info", form="xml")
