"""The bus: everybody hears, nobody is delayed, nobody is harmed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from soulmesh.client.events import Event, Events, EventsMissed


@dataclass(frozen=True, slots=True)
class Rang(Event):
    times: int


@dataclass(frozen=True, slots=True)
class Knocked(Event):
    pass


def test_a_handler_hears_its_class_and_subclasses_only() -> None:
    events, heard, everything = Events(), [], []
    events.on(Rang, heard.append)
    events.on(Event, everything.append)
    events.emit(Rang(1))
    events.emit(Knocked())
    assert heard == [Rang(1)]
    assert everything == [Rang(1), Knocked()]


def test_a_handler_taken_back_hears_no_more() -> None:
    events, heard = Events(), []
    undo = events.on(Rang, heard.append)
    undo()
    undo()
    events.emit(Rang(1))
    assert heard == []


def test_a_failing_handler_harms_nobody_else(caplog: pytest.LogCaptureFixture) -> None:
    events, heard = Events(), []

    def fail(event: Rang) -> None:
        raise RuntimeError("broken listener")

    events.on(Rang, fail)
    events.on(Rang, heard.append)
    events.emit(Rang(3))
    assert heard == [Rang(3)]
    assert "a handler of Rang failed" in caplog.text


def test_a_stream_gives_what_it_was_asked_for_in_order_and_ends_when_the_bus_closes() -> None:
    async def scene() -> list[Event]:
        events = Events()
        stream = events.stream(Rang)
        events.emit(Rang(1))
        events.emit(Knocked())
        events.emit(Rang(2))
        events.close()
        return [event async for event in stream]

    assert asyncio.run(scene()) == [Rang(1), Rang(2)]


def test_a_slow_listener_loses_the_oldest_and_is_told_how_many() -> None:
    async def scene() -> list[Event]:
        events = Events()
        with events.stream(Rang, size=2) as stream:
            for times in range(5):
                events.emit(Rang(times))
        return [event async for event in stream]

    assert asyncio.run(scene()) == [EventsMissed(3), Rang(3), Rang(4)]


def test_a_waiting_listener_wakes_up() -> None:
    async def scene() -> Event:
        events = Events()
        stream = events.stream(Rang)
        asyncio.get_running_loop().call_soon(events.emit, Rang(7))
        return await stream.next()

    assert asyncio.run(scene()) == Rang(7)
