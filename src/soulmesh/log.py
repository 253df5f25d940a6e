"""Logging, set up in one place.

Every part of the program takes its logger from here and names itself::

    logger = log.get("server.chat")
    logger.info("room created", room=name, owner=username)

Nothing is shown until :func:`configure` is called: a program that uses soulmesh as a library sees no line
that it did not ask for, and may attach handlers of its own to the standard logger ``soulmesh``. The
commands call :func:`configure` once: coloured lines for a person at a terminal, one JSON object per line
otherwise, a level for everything and levels for single parts.

Secrets do not reach a handler: values under keys that read like a password are replaced before anything is
rendered.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, TextIO

import structlog

from soulmesh.errors import ConfigError

__all__ = ["LEVELS", "REDACTED", "configure", "get", "redact"]

LEVELS = ("debug", "info", "warning", "error")
"""The names of the levels, from the most talkative to the quietest."""

REDACTED = "[redacted]"

SECRET_WORDS = ("password", "passwd", "passphrase", "secret", "api_key", "apikey", "authorization", "cookie")
"""A key that contains one of these words never has its value logged."""

ROOT = "soulmesh"

# A library is silent unless its user asks: without this, Python prints warnings of unconfigured loggers.
logging.getLogger(ROOT).addHandler(logging.NullHandler())


def redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace values under password-like keys, in nested mappings too."""
    for key, value in event.items():
        event[key] = _redacted(key, value)
    return event


def _redacted(key: object, value: Any) -> Any:
    name = str(key).lower().replace("-", "_")
    if any(word in name for word in SECRET_WORDS):
        # Whether a secret was given at all is worth knowing, and gives nothing away.
        return REDACTED if value else value
    if isinstance(value, Mapping):
        return {inner: _redacted(inner, item) for inner, item in value.items()}
    return value


_EVENT = [
    structlog.stdlib.filter_by_level,
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.stdlib.PositionalArgumentsFormatter(),
    redact,
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]


def get(part: str) -> structlog.stdlib.BoundLogger:
    """The logger of one part of the program: ``server``, ``client.search``, ``net`` and so on.

    Levels are inherited along the dots, as in the standard library: a level for ``client`` is one for
    ``client.search`` as well.
    """
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(f"{ROOT}.{part}"),
        processors=_EVENT,  # type: ignore[arg-type]  # structlog types mapping and tuple results apart
        wrapper_class=structlog.stdlib.BoundLogger,
        part=part,
    )
    return logger


def configure(
    level: str = "warning",
    *,
    levels: Mapping[str, str] | None = None,
    form: str = "auto",
    stream: TextIO | None = None,
) -> None:
    """Show log lines from now on; calling it again replaces what was set before.

    Args:
        level: the least important level shown, one of :data:`LEVELS`.
        levels: the same for single parts, ``{"server": "debug"}``.
        form: ``human``, ``json``, or ``auto``: human when ``stream`` is a terminal.
        stream: where lines go, standard error if not given.

    Raises:
        ConfigError: a level or form that does not exist.
    """
    out = sys.stderr if stream is None else stream
    human = _is_human(form, out)
    handler = logging.StreamHandler(out)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.processors.TimeStamper(fmt="iso", utc=True),
            ],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(human, coloured=out.isatty()),
            ],
        )
    )
    root = logging.getLogger(ROOT)
    for name in [ROOT, *_parts()]:
        logging.getLogger(name).setLevel(logging.NOTSET)
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.propagate = False
    root.setLevel(_number("level", level))
    for part, wanted in (levels or {}).items():
        logging.getLogger(f"{ROOT}.{part}").setLevel(_number(f"levels.{part}", wanted))


def _parts() -> list[str]:
    return [name for name in logging.root.manager.loggerDict if name.startswith(f"{ROOT}.")]


def _is_human(form: str, stream: TextIO) -> bool:
    if form == "auto":
        return stream.isatty()
    if form not in ("human", "json"):
        raise ConfigError(f"log.format: {form!r} is none of auto, human, json")
    return form == "human"


def _number(key: str, level: str) -> int:
    if level.lower() not in LEVELS:
        raise ConfigError(f"log.{key}: {level!r} is none of {', '.join(LEVELS)}")
    return logging.getLevelNamesMapping()[level.upper()]


def _renderers(human: bool, *, coloured: bool) -> list[Any]:
    if human:
        plain = structlog.dev.plain_traceback
        return [structlog.dev.ConsoleRenderer(colors=coloured, exception_formatter=plain, pad_event_to=32)]
    return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(ensure_ascii=False)]
