"""What happened, as typed facts, and the bus that carries them to whoever listens.

An event is a frozen dataclass in the past tense. Managers emit, everybody else
listens, in one of two ways:

- ``events.on(RoomMessage, handler)`` calls a quick function at once;
- ``async for event in events.stream(RoomMessage, PrivateMessage)`` takes them
  at the listener's own pace. Each stream has a buffer of its own; a listener
  too slow for it loses the oldest events and is told so by one
  :class:`EventsMissed`, and delays nobody else.

A class stands for its subclasses too: ``events.stream(Event)`` is everything.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

__all__ = ["Event", "EventStream", "Events", "EventsMissed"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Event:
    """The root of all events."""


@dataclass(frozen=True, slots=True)
class EventsMissed(Event):
    """This listener was too slow: so many events were dropped before the next one."""

    count: int


E = TypeVar("E", bound=Event)


class EventStream(Generic[E]):
    """Events of some types, buffered for one listener. Use it with ``async for``.

    It ends when it is closed, or when the client stops.
    """

    def __init__(
        self, types: tuple[type[E], ...], size: int, leave: Callable[[EventStream[Any]], None]
    ) -> None:
        self._types = types
        self._size = size
        self._leave = leave
        self._waiting: deque[E] = deque()
        self._missed = 0
        self._closed = False
        self._wake = asyncio.Event()

    def _push(self, event: Event) -> None:
        if not isinstance(event, self._types):
            return
        if len(self._waiting) >= self._size:
            self._waiting.popleft()
            self._missed += 1
        self._waiting.append(event)
        self._wake.set()

    def close(self) -> None:
        """Take no more events; those in the buffer can still be read."""
        self._closed = True
        self._leave(self)
        self._wake.set()

    async def next(self) -> E | EventsMissed:
        """The next event.

        Raises:
            StopAsyncIteration: the stream is closed and its buffer is empty.
        """
        while not self._waiting:
            if self._closed:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        if self._missed:
            missed, self._missed = self._missed, 0
            return EventsMissed(missed)
        return self._waiting.popleft()

    def __aiter__(self) -> AsyncIterator[E | EventsMissed]:
        return self

    async def __anext__(self) -> E | EventsMissed:
        return await self.next()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Events:
    """The bus. ``emit`` never waits and never fails."""

    def __init__(self) -> None:
        self._handlers: dict[type[Event], list[Callable[[Any], None]]] = {}
        self._told: dict[type[Event], tuple[Callable[[Any], None], ...]] = {}
        """Who is told of an event of this very class, worked out once."""
        self._streams: list[EventStream[Any]] = []

    def emit(self, event: Event) -> None:
        """Tell everybody. A handler that fails is logged and harms nobody else."""
        told = self._told.get(type(event))
        if told is None:
            kinds = type(event).__mro__
            told = tuple(handler for kind in kinds for handler in self._handlers.get(kind, ()))
            self._told[type(event)] = told
        for handler in told:
            try:
                handler(event)
            except Exception:
                log.exception("a handler of %s failed", type(event).__name__)
        if self._streams:
            for stream in tuple(self._streams):
                stream._push(event)

    def on(self, kind: type[E], handler: Callable[[E], None]) -> Callable[[], None]:
        """Call ``handler`` with each event of this class; returns what takes it back."""
        handlers = self._handlers.setdefault(kind, [])
        handlers.append(handler)
        self._told.clear()

        def undo() -> None:
            if handler in handlers:
                handlers.remove(handler)
                self._told.clear()

        return undo

    def stream(self, *kinds: type[E], size: int = 1000) -> EventStream[E]:
        """Events of these classes from now on, at most ``size`` of them waiting.

        Listening begins with this call, not with the first ``async for``.
        """
        stream: EventStream[E] = EventStream(kinds or (Event,), size, self._forget)  # type: ignore[arg-type]
        self._streams.append(stream)
        return stream

    def close(self) -> None:
        """End all streams: the client stops."""
        for stream in tuple(self._streams):
            stream.close()

    def _forget(self, stream: EventStream[Any]) -> None:
        if stream in self._streams:
            self._streams.remove(stream)
