"""What happens, as one stream for everybody who looks on.

Each event is written as JSON once, however many listen. A listener who comes
back says which event it saw last and gets what followed, as long as we remember
it; a listener who is too slow loses the oldest and is told so, and delays
nobody. Progress of all transfers goes out together, four times a second, and is
not remembered: the next one says more.
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

from soulmesh.client.events import Event
from soulmesh.client.transfers.events import TransferProgressed
from soulmesh.daemon.rows import event_row
from soulmesh.daemon.written import to_json

__all__ = ["Hub", "Listener", "Told", "TooManyListeners", "topic_of"]

REMEMBERED = 5000
WAITING = 1000
MOST_LISTENERS = 200
PROGRESS_EVERY = 0.25


class TooManyListeners(Exception):
    """So many listen already that no more are let in."""


@dataclass(frozen=True)
class Told:
    """One event, ready to be sent. What is sent is written once, for all who listen."""

    number: int
    id: str
    kind: str
    data: bytes

    @cached_property
    def entry(self) -> str:
        """As an entry of a frame of the WebSocket."""
        return f'{{"id":"{self.id}","kind":"{self.kind}","data":{self.data.decode()}}}'

    @cached_property
    def frame(self) -> str:
        """As a frame of its own."""
        return f"[{self.entry}]"

    @cached_property
    def lines(self) -> bytes:
        """As a server-sent event."""
        return b"id: %s\nevent: %s\ndata: %s\n\n" % (self.id.encode(), self.kind.encode(), self.data)


class Listener:
    """One who looks on."""

    def __init__(self, kinds: frozenset[str] | None) -> None:
        self._kinds = kinds
        self._waiting: deque[Told] = deque()
        self._most = WAITING
        self._wake = asyncio.Event()
        self._missed = 0
        self._ended = False

    def end(self) -> None:
        """Nothing more will be told."""
        self._ended = True
        self._wake.set()

    @property
    def over(self) -> bool:
        """Whether everything was told, and nothing will be."""
        return self._ended and not self._waiting

    def wants(self, kind: str) -> bool:
        """Whether it asked for this kind; a part before the dot stands for all of its kinds."""
        return self._kinds is None or kind in self._kinds or kind.partition(".")[0] in self._kinds

    def push(self, told: Told) -> None:
        """Tell it, if it wants to know."""
        if not self.wants(told.kind):
            return
        if len(self._waiting) >= self._most:
            self._waiting.popleft()
            self._missed += 1
        self._waiting.append(told)
        self._wake.set()

    def catch_up(self, past: list[Told]) -> None:
        """Tell it what it was not there for, all of it; what follows may wait behind it."""
        self._most = WAITING + len(past)
        for told in past:
            self.push(told)

    async def next(self) -> list[Told]:
        """What waits; at least one, or nothing once there will be no more."""
        while not self._waiting and not self._ended:
            self._wake.clear()
            await self._wake.wait()
        found = list(self._waiting)
        self._waiting.clear()
        self._most = WAITING
        if self._missed:
            missed = Told(found[0].number, found[0].id, "missed", to_json({"count": self._missed}))
            self._missed = 0
            found.insert(0, missed)
        return found


class Hub:
    """Takes events, and hands them to listeners.

    Args:
        epoch: tells one run of the daemon from another: ids of an earlier run mean nothing now.
    """

    def __init__(self, epoch: str) -> None:
        self._epoch = epoch
        self._number = 0
        self._past: deque[Told] = deque(maxlen=REMEMBERED)
        self._listeners: set[Listener] = set()
        self._progress: dict[int, TransferProgressed] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False
        self.name_of: Callable[[int], str | None] = lambda number: None
        """The id of a transfer in the API, by the client's number."""
        self.outward: Callable[[Told], None] = lambda told: None
        """Hears of everything that is remembered, to tell it outside."""
        self.row_of: Callable[[int], dict[str, Any] | None] = lambda number: None
        """A transfer as the API shows it, by the client's number."""

    def __len__(self) -> int:
        return len(self._listeners)

    @property
    def last(self) -> str:
        """The id of the newest event."""
        return f"{self._epoch}-{self._number}"

    def tell(self, kind: str, data: Any) -> None:
        """Something happened."""
        self._number += 1
        told = Told(self._number, self.last, kind, to_json(data))
        self._past.append(told)
        for listener in self._listeners:
            listener.push(told)
        self.outward(told)

    def show(self, kind: str, data: Any) -> None:
        """How it stands now, for those who look on; superseded by the next one, and not remembered."""
        wanted = [listener for listener in self._listeners if listener.wants(kind)]
        if wanted:
            told = Told(self._number, self.last, kind, to_json(data))
            for listener in wanted:
                listener.push(told)

    def wanted(self, kind: str) -> bool:
        """Whether anybody listens to this kind."""
        return any(listener.wants(kind) for listener in self._listeners)

    def notice(self, event: Event) -> None:
        """An event of the client."""
        if isinstance(event, TransferProgressed):
            self._progress[event.transfer] = event
            if self._timer is None:
                loop = asyncio.get_running_loop()
                self._timer = loop.call_later(PROGRESS_EVERY, self._tell_progress)
            return
        name = type(event).__name__
        data = event_row(event, _fields)
        if isinstance(data.get("transfer"), int):
            data["id"] = self.name_of(data["transfer"])
            row = self.row_of(data["transfer"])
            if row is not None:
                data["row"] = row
        self.tell(topic_of(name), data)

    def listen(self, after: str | None = None, kinds: frozenset[str] | None = None) -> Listener:
        """Begin to listen; :meth:`leave` ends it.

        Args:
            after: the id of the event that was seen last.
            kinds: what is wanted; everything if not given.

        Raises:
            TooManyListeners: there are too many.
        """
        if len(self._listeners) >= MOST_LISTENERS:
            raise TooManyListeners
        listener = Listener(kinds)
        if after is not None:
            self._catch_up(listener, after)
        self._listeners.add(listener)
        if self._ended:
            listener.end()
        return listener

    def end(self) -> None:
        """Let streams end in order: who listens gets what waits, and then nothing more."""
        self._ended = True
        for listener in self._listeners:
            listener.end()

    def leave(self, listener: Listener) -> None:
        """It listens no more."""
        self._listeners.discard(listener)

    def close(self) -> None:
        """Stop the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _catch_up(self, listener: Listener, after: str) -> None:
        epoch, _, text = after.rpartition("-")
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 19 else -1
        oldest = self._past[0].number if self._past else self._number + 1
        if epoch != self._epoch or number > self._number or number + 1 < oldest:
            # Another run, or too long ago: what happened since then is lost, and that is said.
            listener._waiting.append(Told(self._number, self.last, "missed", to_json({"count": None})))
            return
        listener.catch_up([told for told in self._past if told.number > number])

    def _tell_progress(self) -> None:
        self._timer = None
        moved, self._progress = self._progress, {}
        if not self.wanted("transfer.progress"):
            return
        rows = []
        for number, event in moved.items():
            name = self.name_of(number)
            if name is not None:
                left = (event.size - event.done) / event.speed if event.size and event.speed > 0 else None
                rows.append(
                    [name, event.done, event.size, round(event.speed), None if left is None else round(left)]
                )
        if rows:
            self.show("transfer.progress", {"rows": rows})


_TOPICS = (
    ("Transfer", "transfer"),
    ("Download", "transfer"),
    ("Upload", "transfer"),
    ("Batch", "transfer"),
    ("Search", "search"),
    ("Room", "room"),
    ("Public", "room"),
    ("Message", "chat"),
    ("Private", "chat"),
    ("Wish", "wish"),
    ("Goal", "goal"),
    ("User", "user"),
    ("Log", "link"),
    ("Reconnect", "link"),
    ("Server", "link"),
    ("Listen", "link"),
    ("Tree", "tree"),
    ("Browse", "browse"),
)


def topic_of(name: str) -> str:
    """The kind of an event of the client in the stream, by its class: what it is about, a dot, the name."""
    topic = next((topic for beginning, topic in _TOPICS if name.startswith(beginning)), "other")
    return f"{topic}.{name}"


def _fields(event: Event) -> dict[str, Any]:
    return {field.name: _plain(getattr(event, field.name)) for field in dataclasses.fields(event)}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)
