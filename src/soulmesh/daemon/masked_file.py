"""The configuration file as it is shown: its text with all its comments, secrets masked; and the way back.

Where the strings of a TOML text stand, a short scan finds. Which setting each of them is, the reader of TOML
says: it reads the text once more, with a mark in the place of every string. What comes back masked means what
stands at the same setting in the file.
"""

from __future__ import annotations

import re
import secrets
import tomllib
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import BaseModel, SecretStr

from soulmesh.config import Settings
from soulmesh.daemon.masks import COMMANDS, MASK, masked_url, unmasked_url
from soulmesh.settings import kinds, toml_value

__all__ = ["masked_file", "unmasked_file"]

Path = tuple[str, ...]

_ANY = "*"
_ADDRESS: Path = ("webhooks", _ANY, "url")
_TELLING: tuple[Path, ...] = (
    ("webhooks", _ANY, "headers"),
    ("scripts", _ANY, "command"),
    ("scripts", _ANY, "args"),
    *(tuple(key.split(".")) for key in COMMANDS),
)
"""No secrets by their type, but they may hold one."""
_PIECES = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}' r"|'''.*?'{3,5}" r'|"(?:[^"\\\n]|\\.)*"' r"|'[^'\n]*'" r"|#[^\n]*",
    re.DOTALL,
)
"""Strings and comments of a text that is TOML; each hides what looks like the other inside of it."""
_IN_COMMENT = re.compile(r"""([\w-]+)(\s*=\s*)("(?:[^"\\]|\\.)+"|'[^']+')""")


@dataclass(frozen=True, slots=True)
class _Said:
    """A string in the text, and the setting that it is, or a part of."""

    start: int
    end: int
    path: Path
    value: str


def masked_file(text: str) -> str:
    """The text of a configuration file without secrets, in comments neither where they are set there.

    Raises:
        ValueError: it is not TOML, or a secret in it is no text: nobody can tell what has to be hidden.
    """
    _see_that_secrets_are_text(tomllib.loads(text), ())
    edits = [(said.start, said.end, toml_value(_shown(said))) for said in _said(text) if _hidden(said.path)]
    edits += [(start, end, _masked_comment(comment)) for start, end, comment in _comments(text)]
    return _edited(text, edits)


def unmasked_file(text: str, old: str) -> str:
    """The text that somebody means who was shown :func:`masked_file` of the old one.

    Raises:
        ValueError: it is not TOML, or a mask in it stands for nothing; the message names the setting.
    """
    try:
        before = {said.path: said.value for said in _said(old)}
    except tomllib.TOMLDecodeError:
        before = {}
    comments: dict[str, list[str]] = {}
    for _, _, comment in _comments(old):
        comments.setdefault(_masked_comment(comment), []).append(comment)
    edits = []
    for said in _said(text):
        meant = _meant(said, before.get(said.path)) if _hidden(said.path) else said.value
        if meant != said.value:
            edits.append((said.start, said.end, toml_value(meant)))
    for start, end, comment in _comments(text):
        if meanings := comments.get(comment):
            # Two that look the same are meant in their order.
            edits.append((start, end, meanings.pop(0) if len(meanings) > 1 else meanings[0]))
    return _edited(text, edits)


def _shown(said: _Said) -> str:
    if _fits(said.path, _ADDRESS):
        return masked_url(said.value)
    return said.value and MASK


def _meant(said: _Said, old: str | None) -> str:
    name = ".".join(said.path)
    if _fits(said.path, _ADDRESS):
        try:
            return unmasked_url(said.value, old)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    if said.value != MASK:
        return said.value
    if old is None:
        raise ValueError(f"{name} has no value yet: {MASK} only stands for one")
    return old


# -- what is hidden


def _hidden(path: Path) -> bool:
    return any(_fits(path, pattern) for pattern in _patterns())


def _fits(path: Path, pattern: Path) -> bool:
    """Whether it is such a setting, or something in it."""
    return len(path) >= len(pattern) and all(
        piece in (_ANY, name) for name, piece in zip(path, pattern, strict=False)
    )


@cache
def _patterns() -> tuple[Path, ...]:
    return (*_secrets_of(Settings, ()), *_TELLING, _ADDRESS)


def _secrets_of(model: type[BaseModel], at: Path) -> Iterator[Path]:
    for name, field in model.model_fields.items():
        for kind in kinds(field.annotation):
            if kind is SecretStr:
                yield (*at, name)
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _secrets_of(kind, (*at, name))
            elif typing.get_origin(kind) is dict:
                for inner in kinds(typing.get_args(kind)[1]):
                    if isinstance(inner, type) and issubclass(inner, BaseModel):
                        yield from _secrets_of(inner, (*at, name, _ANY))


def _see_that_secrets_are_text(found: Any, path: Path) -> None:
    if isinstance(found, dict):
        for name, inner in found.items():
            _see_that_secrets_are_text(inner, (*path, name))
    elif isinstance(found, list):
        for number, inner in enumerate(found):
            _see_that_secrets_are_text(inner, (*path, str(number)))
    elif not isinstance(found, str) and _hidden(path):
        raise ValueError(f"{'.'.join(path)} is no text")


# -- where it stands


def _said(text: str) -> list[_Said]:
    """Every string that is a value. Raises TOMLDecodeError."""
    tomllib.loads(text)
    spots = [spot for spot in _PIECES.finditer(text) if not spot[0].startswith("#")]
    values: list[str] = [tomllib.loads(f"value={spot[0]}")["value"] for spot in spots]
    salt = secrets.token_hex(8)
    numbers = {f"{salt}{number}": number for number in range(len(spots))}
    marks = [(spot.start(), spot.end(), f'"{mark}"') for spot, mark in zip(spots, numbers, strict=True)]
    found: list[_Said] = []

    def walk(value: Any, path: Path) -> None:
        if isinstance(value, dict):
            for name, inner in value.items():
                walk(inner, (*path, values[numbers[name]] if name in numbers else name))
        elif isinstance(value, list):
            for number, inner in enumerate(value):
                walk(inner, (*path, str(number)))
        elif isinstance(value, str) and value in numbers:
            number = numbers[value]
            found.append(_Said(spots[number].start(), spots[number].end(), path, values[number]))

    walk(tomllib.loads(_edited(text, marks)), ())
    return found


def _comments(text: str) -> list[tuple[int, int, str]]:
    return [(spot.start(), spot.end(), spot[0]) for spot in _PIECES.finditer(text) if spot[0].startswith("#")]


def _masked_comment(comment: str) -> str:
    """A setting that was put into a comment is none, but still tells."""
    names = {pattern[-1] for pattern in _patterns()}
    all_of_it = re.search(r"\b(headers|args)\s*=", comment) is not None

    def mask(spot: re.Match[str]) -> str:
        name, between, _ = spot.groups()
        return f'{name}{between}"{MASK}"' if name in names or all_of_it else spot[0]

    masked = _IN_COMMENT.sub(mask, comment)
    return re.sub(r"(\bargs\s*=\s*)\[[^\]]*[^\]\s][^\]]*\]", rf'\1["{MASK}"]', masked)


def _edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    pieces, at = [], 0
    for start, end, new in sorted(edits):
        pieces += [text[at:start], new]
        at = end
    return "".join([*pieces, text[at:]])
