"""The kinds of events that webhooks and scripts can be told of.

Two families. slskd's kinds have slskd's bodies, as receivers that exist expect
them. All others are those of our own stream, with the same data: ``on`` names one
(``transfer.BatchFinished``) or all about something (``goal``), as the stream's
``kinds`` does.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Iterable, Iterator

from soulmesh.client.events import Event
from soulmesh.config import Settings
from soulmesh.daemon.hub import topic_of
from soulmesh.errors import ConfigError

__all__ = ["DAEMON", "SLSKD", "check_hooks", "matches", "own_kinds", "stream_kinds"]

SLSKD = (
    "DownloadFileComplete",
    "DownloadDirectoryComplete",
    "UploadFileComplete",
    "PrivateMessageReceived",
    "RoomMessageReceived",
    "SoulseekClientConnected",
    "SoulseekClientDisconnected",
    "Noop",
)
"""Kinds with slskd's bodies; ``Any`` and ``All`` are all of these."""

DAEMON = (
    "browse.finished",
    "chat.forgotten",
    "chat.message",
    "chat.read",
    "room.read",
    "room.said",
    "search.changed",
    "search.deleted",
    "settings.applied",
    "settings.changed",
    "share.roots",
    "share.scan",
    "transfer.cleared",
    "user.bans",
    "user.opinion",
    "wish.added",
    "wish.removed",
)
"""What the daemon adds to the events of its client."""

EVERYTHING = "*"
"""In ``on``: all kinds of both families."""

# Said of what moves, many times a second; told in other words by the daemon; or only the base of others.
_NOT_TOLD = frozenset(
    {
        "BrowseProgressed",
        "EventsMissed",
        "MessageReceived",
        "PrivateMessage",
        "RoomLineKept",
        "RoomMessage",
        "RoomSaid",
        "ScanMoved",
        "ScanProgressed",
        "TransferEvent",
        "TransferProgressed",
    }
)


SHOWN = ("log.line", "share.progress", "statistics.sample", "transfer.progress", "browse.BrowseProgressed")
"""Kinds of our own stream that are not remembered: how it stands now."""


def own_kinds() -> list[str]:
    """All kinds of our own stream that are remembered, in order."""
    # All events of the client are there once the client is.
    importlib.import_module("soulmesh.client.client")
    events = {kind.__name__ for kind in _all_below(Event)} - _NOT_TOLD
    return sorted({*map(topic_of, events), *DAEMON})


def stream_kinds(text: str) -> frozenset[str]:
    """What ``kinds`` of a stream names, separated by commas: kinds, or all about something.

    Raises:
        ValueError: there is no such kind; with the nearest that there is.
    """
    wanted = frozenset(part.strip() for part in text.split(",") if part.strip())
    kinds = {*own_kinds(), *SHOWN}
    known = kinds | {kind.partition(".")[0] for kind in kinds} | {"missed"}
    for name in sorted(wanted - known):
        near = difflib.get_close_matches(name, known, 1, 0.6)
        raise ValueError(
            f"there is no kind of event {name!r}" + (f"; did you mean {near[0]}?" if near else "")
        )
    return wanted


def _all_below(kind: type[Event]) -> Iterator[type[Event]]:
    for below in kind.__subclasses__():
        # Tests and programs that use the library may have events of their own.
        if below.__module__.startswith("soulmesh."):
            yield below
        yield from _all_below(below)


def matches(wanted: Iterable[str], kind: str) -> bool:
    """Whether a hook with these names in ``on`` wants events of this kind."""
    names = {name.strip().lower() for name in wanted}
    if EVERYTHING in names or kind.lower() in names:
        return True
    if "." in kind:
        return kind.partition(".")[0].lower() in names
    return "any" in names or "all" in names


def check_hooks(settings: Settings) -> None:
    """See that each webhook and script can ever be told of what it wants.

    Raises:
        ConfigError: there is no such kind of event; with the nearest that there is.
    """
    own = own_kinds()
    known = {EVERYTHING, "Any", "All", *SLSKD, *own, *(kind.partition(".")[0] for kind in own)}
    by_lower = {name.lower(): name for name in known}
    for section, hooks in (("webhooks", settings.webhooks), ("scripts", settings.scripts)):
        for name, hook in hooks.items():
            for wanted in hook.on:
                if wanted.strip().lower() in by_lower:
                    continue
                near = difflib.get_close_matches(wanted.lower(), by_lower, 1, 0.6)
                advice = f"; did you mean {by_lower[near[0]]}?" if near else ""
                raise ConfigError(f"{section}.{name}.on: there is no kind of event {wanted!r}{advice}")
