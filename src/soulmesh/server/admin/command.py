"""What a command is, and the words that it takes: options, numbers, switches, spans and moments."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from soulmesh.errors import SoulmeshError, UsageError

__all__ = [
    "LONGEST_SPAN",
    "Answer",
    "Command",
    "CommandFailed",
    "is_text",
    "moment",
    "number",
    "span",
    "split",
    "switch",
    "when",
]

_SPAN = re.compile(r"(\d+(?:\.\d+)?)([mhdw])")
_SECONDS = {"m": 60, "h": 3600, "d": 86400, "w": 604800}

LONGEST_SPAN = 36500 * 86400
"""Seconds that a ban may last, if not for ever."""


@dataclass(slots=True)
class Answer:
    """What a command says: lines for people, the same for machines."""

    lines: list[str] = field(default_factory=list)
    data: Any = None


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its words, what follows them, what it does, and who runs it."""

    words: tuple[str, ...]
    arguments: str
    text: str
    run: Callable[[str, list[str], dict[str, str]], Answer | Awaitable[Answer]]
    least: int = 0
    """Arguments it needs."""
    own: bool = False
    """Users who are no administrators may use it, on themselves."""


class CommandFailed(SoulmeshError):
    """A command that should not have failed."""

    hint = "the server's log says where"

    def __init__(self, command: str, error: Exception) -> None:
        self.command = command
        self.error = error

    def __str__(self) -> str:
        return f"{self.command} failed: {type(self.error).__name__}: {self.error}"


def split(words: list[str]) -> tuple[list[str], dict[str, str]]:
    """Arguments, and options of the forms ``--name value``, ``--name=value`` and ``--admin``."""
    arguments: list[str] = []
    options: dict[str, str] = {}
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return arguments + rest, options
        if word.startswith("--") and len(word) > 2:
            name, equals, value = word[2:].partition("=")
            if name not in ("password", "admin", "for", "until", "why", "kind"):
                place = "; --json stands before the command" if name == "json" else ""
                raise UsageError(f"no such option: --{name}{place}")
            if not equals and name != "admin":
                if not rest:
                    raise UsageError(f"--{name} needs a value")
                value = rest.pop(0)
            options[name] = value
        else:
            arguments.append(word)
    return arguments, options


def is_text(word: str) -> bool:
    """Whether it can be written down: JSON lets halves of characters through."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in word


def number(text: str, what: str, low: float, high: float) -> float:
    """A number of ``what``, in bounds.

    Raises:
        UsageError: it is none, or out of them.
    """
    try:
        number = float(text)
    except ValueError:
        raise UsageError(f"{text!r} is not a number of {what}") from None
    if not low <= number <= high:
        raise UsageError(f"{what} must be from {low:g} to {high:g}")
    return number


def switch(text: str) -> bool:
    """``on`` or ``off``, as people write them.

    Raises:
        UsageError: neither.
    """
    if text.lower() in ("on", "yes", "true"):
        return True
    if text.lower() in ("off", "no", "false"):
        return False
    raise UsageError(f"{text!r} is neither on nor off")


def span(text: str) -> float:
    """Seconds of ``1d12h`` and the like, at most :data:`LONGEST_SPAN`.

    Raises:
        UsageError: not of this form, or longer.
    """
    parts = _SPAN.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise UsageError(f"{text!r} is no span of time such as 30m, 2h, 7d or 1d12h")
    span = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if span > LONGEST_SPAN:
        raise UsageError(f"{text} is longer than a hundred years; leave it out for ever")
    return span


def moment(text: str) -> int:
    """Seconds since 1970 of an ISO 8601 time; UTC where it does not say.

    Raises:
        UsageError: no such time.
    """
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{text!r} is no time such as 2030-01-31T12:00") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def when(seconds: int) -> str:
    """A moment for people, in UTC."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        # Rows come from elsewhere, too.
        return f"{seconds} s after 1970"
