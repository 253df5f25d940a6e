"""The documents are true: links lead somewhere, and what they tell to type can be typed."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer

from soulmesh.cli.app import app

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted(
    path
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("benchmarks/*.md")]
    if path.is_file()
)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)[^)]*\)|!\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(soulmesh [^`]+|make [a-z]+[^`]*)`")

# A document that tells of the past or of choices may name what is no more.
HISTORICAL = {"CHANGELOG.md", "decisions"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def links(text: str) -> list[str]:
    bare = FENCE.sub("", text)
    return [first or second for first, second in LINK.findall(bare)]


def anchors(text: str) -> set[str]:
    """The names that headings get as targets of links."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def typed(text: str) -> list[str]:
    """Every command line that a document shows: in blocks of shell, and set as code in a sentence."""
    found = []
    for language, body in FENCE.findall(text):
        if language not in ("console", "sh", "bash", "shell"):
            continue
        whole = body.replace("\\\n", " ")
        prompts = [line for line in whole.splitlines() if line.startswith("$ ")]
        # Where there are prompts, the other lines are output.
        found += [line[2:] for line in prompts] or whole.splitlines()
    found += INLINE.findall(FENCE.sub("", text))
    return found


def commands(line: str, program: str) -> list[list[str]]:
    """The arguments of each call of ``program`` in a line of shell."""
    calls: list[list[str]] = []
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
    lexer.whitespace_split = True
    lexer.commenters = "#"
    current: list[str] | None = None
    at_start = True
    for word in lexer:
        if set(word) <= set("|&;()<>"):
            current, at_start = None, word not in ("<", ">", ">>")
        elif current is not None:
            current.append(word)
        elif at_start and word == program:
            current = []
            calls.append(current)
        elif at_start and "=" not in word and word not in ("sudo", "time", ".venv/bin/soulmesh"):
            at_start = False
    return calls


def refusal(arguments: list[str]) -> str | None:
    """Why these arguments of soulmesh could not be typed."""
    command: Any = typer.main.get_command(app)
    options = list(arguments)
    while options and not options[0].startswith("-") and hasattr(command, "commands"):
        word = options.pop(0)
        if word in ("...", "COMMAND"):
            return None
        if word not in command.commands:
            return f"there is no command {word!r}"
        command = command.commands[word]
    known = {
        option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]
    }
    for word in options:
        if word == "--":
            break
        if re.match(r"--?[a-z]", word) and word.partition("=")[0] not in known | {"--help"}:
            return f"there is no option {word!r}"
    return None


def test_there_are_documents() -> None:
    assert {"README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"} <= {
        name(path) for path in DOCUMENTS
    }


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_links_within_the_repository_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for link in links(text):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (path.parent / target) if target else path
        assert file.exists(), f"{name(path)} links to {link}"
        if anchor and file.suffix == ".md":
            assert anchor in anchors(file.read_text(encoding="utf-8")), f"{name(path)} links to {link}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_commands_that_are_shown_exist(path: Path) -> None:
    if HISTORICAL & set(path.relative_to(ROOT).parts):
        return
    for line in typed(path.read_text(encoding="utf-8")):
        for arguments in commands(line, "soulmesh"):
            why = refusal(arguments)
            assert why is None, f"{name(path)} shows `{line}`: {why}"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_targets_of_make_that_are_shown_exist(path: Path) -> None:
    if HISTORICAL & set(path.relative_to(ROOT).parts):
        return
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for line in typed(path.read_text(encoding="utf-8")):
        for arguments in commands(line, "make"):
            for word in arguments:
                if re.fullmatch(r"[a-z]+", word):
                    assert word in targets, f"{name(path)} shows `{line}`"


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_no_document_names_a_path_of_the_machine_it_was_written_on(path: Path) -> None:
    assert not re.search(r"(/work/|/root/|\.\./shared)", path.read_text(encoding="utf-8"))


def test_the_reader_of_command_lines_finds_what_is_wrong() -> None:
    assert commands("FOO=1 soulmesh init --force | jq . && soulmesh version  # note", "soulmesh") == [
        ["init", "--force"],
        ["version"],
    ]
    assert refusal(["init", "--force"]) is None
    assert refusal(["nonsense"]) == "there is no command 'nonsense'"
    assert refusal(["init", "--nonsense"]) == "there is no option '--nonsense'"
    assert typed("```console\n$ soulmesh init \\\n    --force\nwrote it\n```\nand `make test` too") == [
        "soulmesh init      --force",
        "make test",
    ]


@pytest.mark.parametrize("path", [ROOT / "ARCHITECTURE.md"], ids=name)
def test_modules_that_the_map_names_are_there(path: Path) -> None:
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    for place in re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.py)?)`", text):
        found = [ROOT / "src" / "soulmesh" / place, ROOT / place]
        assert any(one.exists() for one in found), f"{name(path)} names {place}"
    for dotted in re.findall(r"`((?:wire|core|net|client|server|sim)(?:\.\w+)+)`", text):
        *prefix, last = f"soulmesh.{dotted}".split(".")
        module = importlib.import_module(".".join(prefix))
        known = hasattr(module, last) or importlib.util.find_spec(f"soulmesh.{dotted}") is not None
        assert known, f"{name(path)} names {dotted}"
