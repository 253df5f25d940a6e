"""The message catalogue: complete in every language, and everything that is said is in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "src" / "soulmesh" / "daemon" / "page"
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
