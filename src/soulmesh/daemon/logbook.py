"""The newest log lines, kept for whoever wants to page through them."""

from __future__ import annotations

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


class Logbook(logging.Handler):
    """Keeps the last lines of everything that soulmesh logs."""

    def __init__(self, size: int = 2000) -> None:
        super().__init__(logging.DEBUG)
        self._lines: deque[tuple[int, dict[str, Any]]] = deque(maxlen=size)
        self._count = 0
        self.on_line: Callable[[dict[str, Any]], None] = lambda line: None
        """Called with each line as :meth:`page` has it."""

    def install(self) -> None:
        """Begin to listen; setting logging up anew takes us off, so call it again then."""
        root = logging.getLogger("soulmesh")
        if self not in root.handlers:
            root.addHandler(self)

    def remove(self) -> None:
        """Listen no more."""
        logging.getLogger("soulmesh").removeHandler(self)

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
        self._lines.append((self._count, line))
        self.on_line(_numbered(self._count, line))

    def lines(self) -> list[dict[str, Any]]:
        """Oldest first."""
        return [line for _, line in self._lines]

    def page(self, after: int, limit: int) -> tuple[list[dict[str, Any]], int]:
        """Lines after a number, each with its own, and the number to go on from."""
        found = [(number, line) for number, line in self._lines if number > after][:limit]
        return [_numbered(*one) for one in found], (found[-1][0] if found else after)


def _numbered(number: int, line: dict[str, Any]) -> dict[str, Any]:
    return {"number": number, **line}
