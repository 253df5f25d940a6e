"""The newest log lines, kept for whoever wants to page through them.

What the daemon itself tells of its work (logins, transfers, scans) is kept
whatever ``log.level`` has printed: somebody who looks wants to see it, and
nobody wants it on standard error for that. Other parts tell much more, and are
kept as they are printed.
"""

from __future__ import annotations

import heapq
import logging
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from soulmesh.daemon.http.replies import form, local_instant

__all__ = ["Logbook"]

_LEVELS = {
    logging.DEBUG: "Debug",
    logging.INFO: "Information",
    logging.WARNING: "Warning",
    logging.ERROR: "Error",
    logging.CRITICAL: "Fatal",
}
_NO_FACTS = frozenset({"event", "level", "timestamp", "part", "_record", "_from_structlog", "exc_info"})


_ROOT = "soulmesh"
_OURS = "soulmesh.daemon"
"""Whose lines of level info are kept always."""


class _AsWished(logging.Filter):
    """Keeps lines from being printed that are there for the logbook alone."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self._level = level

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a line is printed."""
        if record.levelno >= self._level or not f"{record.name}.".startswith(f"{_OURS}."):
            return True
        # A level of a part within has let it through on purpose.
        part: logging.Logger | None = logging.getLogger(record.name)
        while part is not None and part.name != _OURS:
            if part.level != logging.NOTSET:
                return True
            part = part.parent
        return False


class Logbook(logging.Handler):
    """Keeps the last lines of everything that soulmesh logs.

    Args:
        size: how many lines; of warnings and worse so many again, which nothing else drives out.
    """

    def __init__(self, size: int = 2000) -> None:
        super().__init__(logging.DEBUG)
        self._common: deque[tuple[int, dict[str, Any]]] = deque(maxlen=size)
        self._grave: deque[tuple[int, dict[str, Any]]] = deque(maxlen=size)
        self._lowered: int | None = None
        self._count = 0
        self.on_line: Callable[[dict[str, Any]], None] = lambda line: None
        """Called with each line as :meth:`page` has it."""

    def install(self) -> None:
        """Begin to listen; setting logging up anew takes us off, so call it again then."""
        root, ours = logging.getLogger(_ROOT), logging.getLogger(_OURS)
        if self not in root.handlers:
            root.addHandler(self)
        shown = ours.getEffectiveLevel()
        if shown > logging.INFO:
            for handler in root.handlers:
                if handler is not self:
                    handler.addFilter(_AsWished(shown))
            self._lowered = ours.level
            ours.setLevel(logging.INFO)

    def remove(self) -> None:
        """Listen no more."""
        root = logging.getLogger(_ROOT)
        root.removeHandler(self)
        if self._lowered is not None:
            logging.getLogger(_OURS).setLevel(self._lowered)
            self._lowered = None
        for handler in root.handlers:
            for found in [one for one in handler.filters if isinstance(one, _AsWished)]:
                handler.removeFilter(found)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one line."""
        try:
            facts = record.msg if isinstance(record.msg, dict) else {}
            text = str(facts["event"]) if "event" in facts else record.getMessage()
            more = " ".join(f"{name}={value}" for name, value in facts.items() if name not in _NO_FACTS)
            if record.exc_info and record.exc_info[1] is not None:
                more = f"{more} {type(record.exc_info[1]).__name__}: {record.exc_info[1]}".strip()
            # Only the name of the part, without the name of the program.
            context, _, rest = record.name.removeprefix("soulmesh.").partition(".")
            line = form(
                timestamp=local_instant(datetime.fromtimestamp(record.created, UTC)),
                context=context,
                subContext=rest or None,
                level=_LEVELS.get(record.levelno, "Information"),
                message=f"{text} {more}".strip(),
            )
        except Exception:
            self.handleError(record)
            return
        self._count += 1
        kept = self._grave if record.levelno >= logging.WARNING else self._common
        kept.append((self._count, line))
        self.on_line(_numbered(self._count, line))

    @property
    def _lines(self) -> list[tuple[int, dict[str, Any]]]:
        # Copied first: lines are also written by threads.
        return list(heapq.merge(tuple(self._common), tuple(self._grave), key=lambda one: one[0]))

    def lines(self) -> list[dict[str, Any]]:
        """Oldest first."""
        return [line for _, line in self._lines]

    def page(self, after: int, limit: int) -> tuple[list[dict[str, Any]], int | None]:
        """Lines after a number, each with its own, and the number to go on from; ``None`` at the end."""
        later = [(number, line) for number, line in self._lines if number > after]
        found = later[:limit]
        return [_numbered(*one) for one in found], (found[-1][0] if len(later) > len(found) else None)


def _numbered(number: int, line: dict[str, Any]) -> dict[str, Any]:
    return {"number": number, **line}
