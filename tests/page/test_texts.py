"""The message catalogue: complete in every language, and everything that is said is in it."""

from __future__ import annotations

import ast
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from soulmesh.core.reasons import CODES
from soulmesh.core.story import Chapter, Standing, fact, facts
from soulmesh.core.transfer import DOWNLOAD, UPLOAD, Event, Owner, State

DAEMON = Path(__file__).parents[2] / "src" / "soulmesh" / "daemon"
PAGE = DAEMON / "page"
DOCTOR = DAEMON / "doctor.py"
NOW = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
ENTRY = re.compile(r'^  "([^"]+)":\s+((?:[^\n]|\n    )+?),$', re.MULTILINE)
SPOKEN = re.compile(r'\btx?\(\s*"([^"]+)"|\b(?:title|badge) = "([a-z]+\.[a-z.]+)"')
BUILT = re.compile(r"\btx?\(`([a-z.]+)\$\{")


def catalogue(language: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted((PAGE / "js" / "texts" / language).glob("*.js")):
        for key, words in ENTRY.findall(path.read_text(encoding="utf-8")):
            assert key not in found, f"{key} stands twice"
            found[key] = words
    return found


def sources() -> list[Path]:
    return [path for path in (PAGE / "js").rglob("*.js") if "texts" not in path.relative_to(PAGE).parts[:2]]


def test_german_says_all_that_english_says_and_nothing_else() -> None:
    english, german = catalogue("en"), catalogue("de")
    assert english.keys() == german.keys()
    assert len(english) > 100


@pytest.mark.parametrize("language", ["en", "de"])
def test_all_words_are_gathered(language: str) -> None:
    gathered = (PAGE / "js" / "texts" / f"{language}.js").read_text(encoding="utf-8")
    for path in (PAGE / "js" / "texts" / language).glob("*.js"):
        assert f'"./{language}/{path.name}"' in gathered
        assert f"...{path.stem}," in gathered


def test_translations_have_the_same_places_for_values() -> None:
    english, german = catalogue("en"), catalogue("de")
    for key, words in english.items():
        places = set(re.findall(r"\{(\w+)\}", words))
        assert places == set(re.findall(r"\{(\w+)\}", german[key])), key


def test_every_key_that_is_said_has_words() -> None:
    known = catalogue("en")
    for path in sources():
        text = path.read_text(encoding="utf-8")
        for pair in SPOKEN.findall(text):
            key = pair[0] or pair[1]
            assert key in known, f"{path.name} says {key}"
        for beginning in BUILT.findall(text):
            assert any(key.startswith(beginning) for key in known), f"{path.name} says {beginning}..."


def test_everything_that_is_told_by_code_has_words() -> None:
    """Reasons, what transfers go through, and what a diagnosis may find."""
    known = catalogue("en")
    missing = [f"reason.{code}" for code in CODES - {"other"} if f"reason.{code}" not in known]
    for direction, table in (("download", DOWNLOAD), ("upload", UPLOAD)):
        states = {state for state, _ in table} | set(table.values())
        events = {event for _, event in table} | (
            {Event.TOOK_OVER, Event.GATHERED} if direction == "download" else set()
        )
        codes = [fact(Standing(direction, state, Owner.PEER, "eve")).code for state in states]
        codes += [facts([Chapter(NOW, event, State.QUEUED)], direction, "eve")[0].code for event in events]
        missing += [f"story.{code}" for code in codes if f"story.{code}" not in known]
    for node in ast.walk(ast.parse(DOCTOR.read_text(encoding="utf-8"))):
        called = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
        if called in ("_good", "Finding"):
            words = [one.value for one in node.args if isinstance(one, ast.Constant)]  # type: ignore[attr-defined]
            codes = [word for word in words if re.fullmatch(r"(\w+\.)\w+|logged_out", str(word))]
            missing += [f"finding.{code}" for code in codes if f"finding.{code}" not in known]
    assert missing == []


def said_by_the_daemon() -> set[str]:
    """What a request may be refused with; ``{}`` stands for a value."""
    found: set[str] = set()
    for path in [*(DAEMON / "api1").glob("*.py"), *(DAEMON / "http").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or getattr(node.func, "id", "") != "HttpError":
                continue
            for given in node.args[1:2]:
                if isinstance(given, ast.Constant) and isinstance(given.value, str):
                    found.add(given.value)
                elif isinstance(given, ast.JoinedStr):
                    pieces = [one.value if isinstance(one, ast.Constant) else "{}" for one in given.values]
                    found.add("".join(map(str, pieces)))
    return found


def test_what_a_request_is_refused_with_is_said_in_german() -> None:
    table = (PAGE / "js" / "texts" / "said" / "de.js").read_text(encoding="utf-8")
    pairs = re.findall(r'\[\s*"([^"]+)",\s*"([^"]+)",?\s*\]', table)
    sentences = {english for english, _ in pairs}
    assert len(pairs) == len(sentences) == len(re.findall(r"^  \[", table, re.MULTILINE))
    for english, german in pairs:
        assert german.count("{}") <= english.count("{}"), english
    said = said_by_the_daemon()
    assert len(said) > 50
    # The page leaves out which field was meant; what is a value alone is the client's own sentence.
    shown = {re.sub(r"^(body|query|path|{})(\.[\w{}]+)*: ", "", one) for one in said}
    assert sorted(one for one in shown - sentences if one.strip("{}: ")) == []


def test_what_the_client_and_the_server_refuse_with_is_said_in_german() -> None:
    table = (PAGE / "js" / "texts" / "said" / "de.js").read_text(encoding="utf-8")
    known = [
        re.compile(re.escape(english).replace(r"\{\}", ".*?"), re.DOTALL)
        for english in re.findall(r'\[\s*"([^"]+)",\s*"[^"]+",?\s*\]', table)
        if english.strip("{}: ")
    ]
    missing = [
        said for said in said_beneath_the_daemon() if not any(pattern.fullmatch(said) for pattern in known)
    ]
    assert missing == []


def said_beneath_the_daemon() -> list[str]:
    """How the client words what it refuses, and the server's refusals about rooms."""
    client = DAEMON.parent / "client"
    found: list[str] = []
    for path in (client / "errors.py", client / "rooms.py", client / "sources.py", client / "wishes.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            worded: list[ast.expr | None] = []
            if isinstance(node, ast.FunctionDef) and node.name == "__str__":
                worded = [one.value for one in ast.walk(node) if isinstance(one, ast.Return)]
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "RoomRefused":
                # Worded as "room NAME: REASON".
                worded = [ast.JoinedStr([ast.Constant("room {}: "), one]) for one in node.args[1:2]]
            elif isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UsageError":
                worded = list(node.args[:1])
            found += [text for one in worded if (text := _text(one)).strip("{}: ")]
    assert len(found) > 25
    from soulmesh.server.rooms import room_name_fault

    faults = [room_name_fault(name) for name in (b"", b"x" * 25, b" x", b"x  x", b"\xff")]
    return [*found, *(f"{fault.decode(errors='replace')}" for fault in faults if fault is not None)]


def _text(said: ast.expr | None) -> str:
    if isinstance(said, ast.Constant) and isinstance(said.value, str):
        return said.value
    if isinstance(said, ast.JoinedStr):
        return "".join(_text(one) if not isinstance(one, ast.FormattedValue) else "{}" for one in said.values)
    return ""


def test_nothing_is_put_into_the_page_as_markup() -> None:
    for path in sources():
        text = path.read_text(encoding="utf-8")
        for way in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
        ):
            assert way not in text, f"{path.name}: names come from strangers"
